"""SequenceMatch training: the paper's Algorithm 1 as a loop that can be read, stopped at any moment and resumed.

A run has a folder, with config.json, log.jsonl and checkpoint.safetensors. The checkpoint is one file, replaced in one
move: a run that is killed at any moment leaves a whole one. Resuming cuts the log back to it and goes on as if nothing
had happened, to the same bits: all chance comes from the seed and the step (see `config`).

One update of the loop is `updates.Run.update`. Source: Cundy & Ermon 2023, Algorithm 1.
"""

from __future__ import annotations

import dataclasses
import json
import os
import time
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from smatch_edu.configs.training import TrainingConfig
from smatch_edu.support.files import check_folder, write_atomically
from smatch_edu.support.progress import Progress
from smatch_edu.training.evaluation import Condition, evaluate
from smatch_edu.training.replay import ReplayBuffer
from smatch_edu.training.updates import Policy, Run

CONFIG, LOG, CHECKPOINT = "config.json", "log.jsonl", "checkpoint.safetensors"
MEASURED = {"r2_data": "demonstrations", "r2_model": "the model's own texts"}
QUESTIONS = 200  # of the validation set, answered now and then
SHOWN = ("loss", "accuracy", "r2_data", "r2_model", "backspace_rate")  # beside the progress bar
MAY_DIFFER = {"device", "log_every", "checkpoint_every"}  # between a run and its resumption


def train(
    config: TrainingConfig, out: Path, resume: bool = False, progress: bool = True, weights_only: bool = False
) -> Policy:
    """Train, and keep everything in a folder.

    Args:
        out: the folder; made if its parent exists.
        resume: go on with the run that is in it, if there is one.
        progress: show how far it has come.
        weights_only: once it has ended, keep what is needed to answer and not what is needed to train on, which is
            three times as much.

    Raises:
        ValueError: a folder that cannot be written, or whose disk is full, or that holds a run (without `resume`) or a
            run of another config.
        FloatingPointError: a loss that is no number; the checkpoint before it stays.
    """
    run = start_run(config)
    check_folder(out, room=2 * run.size)  # the next checkpoint is written beside the last one
    if (out / CONFIG).exists() and not resume:
        raise ValueError(f"{out} holds a run already; resume it with --resume, or choose another place with --out")
    if resume and (out / CHECKPOINT).exists():
        load_checkpoint(run, out)
    write_atomically(out / CONFIG, json.dumps(dataclasses.asdict(config), indent=1) + "\n")
    lines = _kept_lines(out, run.step)
    write_atomically(out / LOG, "".join(lines))
    shown, done = dict[str, str](), 0
    start, before = time.perf_counter(), json.loads(lines[-1])["seconds"] if lines else 0.0
    with (
        (out / LOG).open("a", encoding="utf-8") as log,
        Progress(config.steps, "training", "update", done=run.step, shown=progress) as bar,
    ):
        while run.step < config.steps:
            line: dict[str, Any] = run.update()
            bar.advance()
            if run.step == config.warmup_steps + 1 and "r2_data" in line:
                told = (f"{line[name]:.3g} on {what}" for name, what in MEASURED.items() if line.get(name) is not None)
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
                log.write(json.dumps(line) + "\n")
                log.flush()
                shown |= {name: f"{line[name]:.3g}" for name in SHOWN if name in line}
                shown["samples/s"] = f"{done / (time.perf_counter() - start):.0f}"
                bar.now(", ".join(f"{name}={value}" for name, value in shown.items()))
            if run.step % config.checkpoint_every == 0 or run.step == config.steps:
                os.fsync(log.fileno())
                save_checkpoint(run, out, weights_only and run.step == config.steps)
    return run.policy


def start_run(config: TrainingConfig) -> Run:
    """A run at its first step. ValueError: the run that it shall begin with is missing, broken, or of other shapes."""
    run = Run(config)
    if config.init:
        tensors, _, _ = _read(Path(config.init))
        _load_weights(run.policy.transformer, tensors, Path(config.init), "policy.transformer.")
    return run


def _kept_lines(out: Path, step: int) -> list[str]:
    """The lines of the log that were written before a step; a line that was cut short is not one."""
    if not (out / LOG).exists() or step == 0:
        return []
    lines = (out / LOG).read_text("utf-8").splitlines(keepends=True)
    return [line for line in lines if line.endswith("\n") and json.loads(line)["step"] < step]


def save_checkpoint(run: Run, out: Path, weights_only: bool = False) -> None:
    """Write the checkpoint: weights, the optimiser's moments and the replay buffer; config and step as JSON."""
    tensors = {f"policy.{name}": part for name, part in run.policy.state_dict().items()}
    if not weights_only:
        for number, moments in run.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{number}.{name}": torch.as_tensor(part) for name, part in moments.items()}
        tensors |= {f"buffer.{name}": part for name, part in run.buffer.to_tensors().items()}
    about = {"about": json.dumps({"step": run.step, "config": dataclasses.asdict(run.config)})}
    whole = {name: part.contiguous().clone() for name, part in tensors.items()}
    write_atomically(out / CHECKPOINT, save(whole, metadata=about))


def load_checkpoint(run: Run, out: Path) -> None:
    """Put a run where its checkpoint was. ValueError if that is broken, or of another config, naming the difference."""
    tensors, config, step = _read(out)
    mine = dataclasses.asdict(run.config)
    longer = {"steps"} if run.config.schedule == "constant" else set()  # else every learning rate would be another
    for name in mine:
        if name not in MAY_DIFFER | longer and mine[name] != config.get(name):
            raise ValueError(f"{out} was trained with {name} = {config.get(name)}; {mine[name]} was given")
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
    run.step = step


def load_policy(out: Path, device: str = "cpu") -> tuple[Policy, TrainingConfig]:
    """The policy of a run, and its config. ValueError: the checkpoint is missing, broken, or of another vocabulary."""
    tensors, config, _ = _read(out)
    known = {field.name for field in dataclasses.fields(TrainingConfig)}
    settings = TrainingConfig(**{name: value for name, value in config.items() if name in known} | {"device": device})
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
        with safe_open(path, "pt") as file:
            about = json.loads(file.metadata()["about"])
            return {name: file.get_tensor(name) for name in file.keys()}, about["config"], about["step"]  # noqa: SIM118
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is no whole checkpoint of this package: {error}") from None
