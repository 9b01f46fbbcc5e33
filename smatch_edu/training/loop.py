"""SequenceMatch training: the paper's Algorithm 1 as a loop that can be read, stopped at any moment and resumed.

A run has a folder, with config.json, log.jsonl and checkpoint.safetensors. The checkpoint is one file, replaced in one
move: a run that is killed at any moment leaves a whole one. Resuming cuts the log back to it and goes on as if nothing
had happened, to the same bits: all chance comes from the seed and the step (see `config`). Files of these names that no
run wrote are never touched.

One update of the loop is `updates.Run.update`. Source: Cundy & Ermon 2023, Algorithm 1.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import time
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save
from torch import Tensor, nn

from smatch_edu.configs.training import TrainingConfig
from smatch_edu.support.arrays import read_tensors
from smatch_edu.support.files import as_path, check_folder, naming, write_atomically
from smatch_edu.support.progress import Progress
from smatch_edu.training.evaluation import Condition, evaluate
from smatch_edu.training.policy import Policy
from smatch_edu.training.replay import ReplayBuffer
from smatch_edu.training.updates import Run

CONFIG, LOG, CHECKPOINT = "config.json", "log.jsonl", "checkpoint.safetensors"
MEASURED = {"r2_data": "demonstrations", "r2_model": "the model's own texts"}
QUESTIONS = 200  # of the validation set, answered now and then
SHOWN = ("loss", "accuracy", "r2_data", "r2_model", "backspace_rate")  # beside the progress bar
MAY_DIFFER = {"device", "compiled", "log_every", "checkpoint_every"}  # between a run and its resumption
OURS = {"method", "divergence", "warmup_steps", "noised_label"}  # settings that only a config of this package has


def train(
    config: TrainingConfig, out: str | Path, resume: bool = False, progress: bool = True, weights_only: bool = False
) -> Policy:
    """Train, and keep everything in a folder.

    Args:
        out: the folder; made if its parent exists.
        resume: go on with the run that is in it, if there is one.
        progress: show how far it has come.
        weights_only: once it has ended, keep what is needed to answer and not what is needed to train on, which is
            three times as much. With `resume` also of a run that has ended already.

    Raises:
        ValueError: a folder that cannot be written, or whose disk is full, or that holds a run (without `resume`) or a
            run of another config, or files of a run's names that no run wrote.
        FloatingPointError: a loss that is no number; the checkpoint before it stays.
        OSError: the disk is full in the middle; the checkpoint before it stays, too.
        MemoryError: the device has no memory left, saying which settings to lower; so does it then.
    """
    out = as_path(out)
    if _holds_run(out) and not resume:
        raise ValueError(f"{out} holds a run already; resume it with --resume, or choose another place with --out")
    goes_on = resume and (out / CHECKPOINT).exists()
    run = Run(config) if goes_on else start_run(config)  # the checkpoint has all that came from `init`
    check_folder(out, room=2 * run.size)  # the next checkpoint is written beside the last one
    if goes_on:
        load_checkpoint(run, out)
        if weights_only and run.step == config.steps and run.optimiser.state:
            save_checkpoint(run, out, weights_only)
    write_atomically(out / CONFIG, json.dumps(dataclasses.asdict(run.config), indent=1) + "\n")
    lines = [line for line in read_log(out) if line["step"] < run.step] if goes_on and (out / LOG).exists() else []
    write_atomically(out / LOG, "".join(map(_as_json, lines)))
    shown, done = dict[str, str](), 0
    start, before = time.perf_counter(), lines[-1].get("seconds", 0.0) if lines else 0.0
    with Progress(config.steps, "training", "update", done=run.step, shown=progress) as bar:
        while run.step < config.steps:
            line: dict[str, Any] = run.update()
            bar.advance()
            if run.step == config.warmup_steps + 1 and "r2_data" in line:
                told = (f"{_shown(line[name])} on {what}" for name, what in MEASURED.items() if name in line)
                bar.say(f"SequenceMatch is on: the mean of r² is {' and '.join(told)}")
            done += line["samples"]
            step = run.step - 1
            if config.evaluate_every and run.step % config.evaluate_every == 0:
                examples = run.task.split("validation")[:QUESTIONS]
                line["accuracy"] = evaluate([run.policy], examples, [Condition(1.0, True)])[0].accuracy.estimate
            if (
                step % config.log_every == 0
                or run.step == config.steps
                or step == config.warmup_steps
                or "accuracy" in line
            ):
                line["seconds"] = round(before + time.perf_counter() - start, 3)
                with naming(out / LOG), (out / LOG).open("a", encoding="utf-8") as log:
                    log.write(_as_json(line))
                shown |= {name: _shown(line[name]) for name in SHOWN if name in line}
                shown["samples/s"] = f"{done / (time.perf_counter() - start):.0f}"
                bar.now(", ".join(f"{name}={value}" for name, value in shown.items()))
            if run.step % config.checkpoint_every == 0 or run.step == config.steps:
                with naming(out / LOG), (out / LOG).open("a", encoding="utf-8") as log:
                    os.fsync(log.fileno())  # the log reaches at least as far as the checkpoint, also after a power cut
                save_checkpoint(run, out, weights_only and run.step == config.steps)
    return run.policy


def start_run(config: TrainingConfig) -> Run:
    """A run at its first step. ValueError: the run that it shall begin with is missing, broken, or of other shapes."""
    run = Run(config)
    if config.init:
        tensors, _, _ = _read(Path(config.init))
        _load_weights(run.policy.transformer, tensors, Path(config.init), "policy.transformer.")
    return run


def _holds_run(out: Path) -> bool:
    """Whether a run was begun in a folder. ValueError if files of a run's names are there that no run wrote, or that a
    run could not take up again and would lose."""
    there = [path for name in (CONFIG, LOG, CHECKPOINT) if (path := out / name).exists() and path.stat().st_size]
    if not there:
        return False
    try:  # a run writes its config first
        config = json.loads(there[0].read_bytes()) if there[0].name == CONFIG else _read(out)[1]
        ours = set(config) >= OURS and (there[0].name != LOG or bool(read_log(out)))
    except (ValueError, TypeError):
        ours = False
    if not ours:
        raise ValueError(
            f"{there[0]} was not written by `smatch train`; move it away, or choose another place with --out"
        )
    if not (out / CHECKPOINT).exists() and (out / LOG).exists():
        steps = max((line["step"] for line in read_log(out)), default=0)
        if steps >= config["checkpoint_every"]:
            raise ValueError(f"{out} has lost its {CHECKPOINT}, and a log up to step {steps}; move that away")
    return True


def read_log(out: str | Path) -> list[dict[str, Any]]:
    """The lines of a run's log; NaN where null stands, since JSON has none.

    What is no whole line is left out: the end of a log whose run was killed, or whose machine lost its power, may be
    anything.
    """
    lines = []
    for text in (as_path(out) / LOG).read_bytes().decode("utf-8", "replace").split("\n"):
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict) and isinstance(line.get("step"), int):
            lines.append({name: math.nan if value is None else value for name, value in line.items()})
    return lines


def _as_json(line: dict[str, Any]) -> str:
    """A line of the log, for `read_log`."""
    finite = {name: None if isinstance(v, float) and not math.isfinite(v) else v for name, v in line.items()}
    return json.dumps(finite, allow_nan=False) + "\n"


def _shown(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3g}"


def save_checkpoint(run: Run, out: str | Path, weights_only: bool = False) -> None:
    """Write the checkpoint: weights, the optimiser's moments and the replay buffer; config and step as JSON."""
    tensors = {f"policy.{name}": part for name, part in run.policy.state_dict().items()}
    if not weights_only:
        for number, moments in run.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{number}.{name}": torch.as_tensor(part) for name, part in moments.items()}
        tensors |= {f"buffer.{name}": part for name, part in run.buffer.to_tensors().items()}
    about = {"about": json.dumps({"step": run.step, "config": dataclasses.asdict(run.config)})}
    whole = {name: part.contiguous().clone() for name, part in tensors.items()}
    write_atomically(as_path(out) / CHECKPOINT, save(whole, metadata=about))


def load_checkpoint(run: Run, out: str | Path) -> None:
    """Put a run where its checkpoint was.

    The weights with which it began are not looked at again: `init` may have moved, or be named from another folder.
    The run's config keeps the name that it had.

    Raises:
        ValueError: the checkpoint is broken, or of another config, or of a version with other settings, naming the
            difference.
    """
    tensors, config, step = _read(out := as_path(out))
    mine = dataclasses.asdict(run.config)
    if unlike := sorted(set(mine) ^ set(config)):
        which = "lacks" if unlike[0] in mine else "has"
        raise ValueError(f"{out} was trained by another version of smatch_edu, which {which} the setting {unlike[0]!r}")
    same = set(mine) - MAY_DIFFER
    if run.config.schedule == "constant":  # else every learning rate would be another
        same.remove("steps")
    if mine["init"] and config["init"]:
        same.remove("init")
    for name in mine:
        if name in same and mine[name] != config[name]:
            raise ValueError(f"{out} was trained with {name} = {config[name]!r}; {mine[name]!r} was given")
    if step > run.config.steps:
        raise ValueError(f"{out} has been trained for {step} steps already; {run.config.steps} were given")
    held = {name.removeprefix("buffer."): part for name, part in tensors.items() if name.startswith("buffer.")}
    if not held and step < run.config.steps:
        raise ValueError(f"{out} has the weights of step {step} only, and cannot be trained on to {run.config.steps}")
    _load_weights(run.policy, tensors, out)
    state = run.optimiser.state_dict()
    state["state"] = {}
    for name, part in tensors.items():
        if name.startswith("optimiser."):
            _, number, moment = name.split(".")
            state["state"].setdefault(int(number), {})[moment] = part
    run.optimiser.load_state_dict(state)
    if held:
        run.buffer = ReplayBuffer.from_tensors(run.config.buffer_size, held)
    run.config = dataclasses.replace(run.config, init=config["init"])
    run.step = step


def load_policy(out: str | Path, device: str = "cpu") -> tuple[Policy, TrainingConfig]:
    """The policy of a run, and its config. ValueError: the checkpoint is missing, broken, or of another vocabulary."""
    tensors, config, _ = _read(out := as_path(out))
    known = {field.name: field.type for field in dataclasses.fields(TrainingConfig)}
    wanted = {name for name, value in config.items() if name in known and (value is not None or "None" in known[name])}
    given = {name: config[name] for name in wanted} | {"device": device}
    try:
        settings = TrainingConfig(**given)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{out} was trained with settings that this version does not take: {error}") from None
    policy = Policy(settings.make_task(), settings)
    _load_weights(policy, tensors, out)
    return policy.to(device).eval(), settings


def _load_weights(module: nn.Module, tensors: dict[str, Tensor], out: Path, prefix: str = "policy.") -> None:
    held = {name.removeprefix(prefix): part for name, part in tensors.items() if name.startswith(prefix)}
    for name, wanted in module.state_dict().items():
        if name not in held:
            raise ValueError(f"{out / CHECKPOINT} has no weights {name!r}")
        if held[name].shape != wanted.shape:
            raise ValueError(
                f"{out / CHECKPOINT} has {name} of shape {tuple(held[name].shape)}; {tuple(wanted.shape)} was wanted: "
                "another vocabulary or config"
            )
    module.load_state_dict(held)


def _read(out: Path) -> tuple[dict[str, Tensor], dict[str, Any], int]:
    path = out / CHECKPOINT
    if not path.exists():
        raise ValueError(f"{out} has no {CHECKPOINT}; a folder made by `smatch train` was wanted")
    try:
        tensors, texts = read_tensors(path)
        about = json.loads(texts["about"])
        return tensors, dict(about["config"]), int(about["step"])
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is no whole checkpoint of this package: {error}") from None
