"""What SequenceMatch costs: an update with all that belongs to it against a plain likelihood update on the same tokens.

Both are timed in one run, in pairs that alternate. The update of SequenceMatch draws demonstrations and slips, lets the
model type every `sample_every` updates, and evaluates the objective. The plain one reads the very same trajectories in
one pass, packing included, and climbs their likelihood. The models are those of data/checkpoints. `make bench` runs it.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from unittest import mock

import numpy as np
import torch
from table import Table, machine, median
from torch import nn

from smatch_edu.configs import arm_config
from smatch_edu.network import Transformer, attention
from smatch_edu.studies import Problem, load_models
from smatch_edu.text import TrajectoryBatch, as_tree, pack_batch
from smatch_edu.training import Batcher, ReplayBuffer, Run, Trajectories, leads_of, log_likelihood, policy, updates


def likelihood_update(run: Run, walked: TrajectoryBatch, own_rows: bool = False) -> None:
    """What an update is for maximum likelihood, on these trajectories.

    Args:
        own_rows: whether each has a row of its own, as one would write it (notebook 07); the library reads each text
            once for all of them.
    """
    config = run.config
    with torch.autocast(config.device, torch.bfloat16, enabled=config.dtype == "bfloat16"):
        loss = -log_likelihood(in_own_rows(run, walked) if own_rows else run.policy.on(walked))
    run.optimiser.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(run.policy.parameters(), 1.0)
    run.optimiser.step()


def in_own_rows(run: Run, walked: TrajectoryBatch) -> Trajectories:
    """`Policy.on`, with one row of inputs for each trajectory."""
    keys, network, columns = run.policy.keys, run.policy.transformer, int(walked.lengths.max())
    packed = pack_batch(list(walked), keys.backspace, keys.eos)
    row = torch.arange(len(walked))[:, None]
    length = packed.positions[row, packed.state_of_action] + 1
    start = torch.from_numpy(walked.prompt_lengths.repeat(columns))
    may = run.policy.legal(length.flatten(), start).view(*length.shape, -1)
    hidden = network.hidden(packed.tokens, packed.positions, attention(packed.expires, packed.tokens.shape))
    found = packed.at_actions(hidden)
    return Trajectories.trusted(
        logits=run.policy.logits(found, may),
        actions=torch.from_numpy(walked.table(walked.pressed, columns)),
        lengths=packed.lengths,
        ended=packed.final_state < 0,
        legal=may,
    )


def keep_what_is_read(run: Run, read: list[TrajectoryBatch]) -> None:
    """Let the run append the trajectories of every update to a list."""
    on = run.policy.on

    def keeping(walked: TrajectoryBatch, *given: Any, **options: Any) -> Trajectories:
        read.append(walked)
        return on(walked, *given, **options)

    setattr(run.policy, "on", keeping)  # noqa: B010 a method, for this one object


def inputs_with_slips(run: Run, walked: TrajectoryBatch, own_rows: bool) -> float:
    """How many times as many inputs an update has, with the slips of the learner's keyboard, as these trajectories in a
    tree, or in rows of their own (filled up to the longest)."""
    task, config = run.task, run.config
    keys, count = task.vocabulary, (config.branches or task.num_keys - 1) if config.noise else 0
    leads = leads_of(walked.pressed, task.num_keys, count, np.random.default_rng(0))
    some = None if config.next_value == "reached" else leads
    with_slips, without = (len(as_tree(walked, keys.backspace, keys.eos, one).tree.token) for one in (some, None))
    if own_rows:
        without = pack_batch(list(walked), keys.backspace, keys.eos).tokens.numel()
    return with_slips / without


PARTS = (
    ("the model types", Run, "type_texts"),
    ("demonstrations drawn", Batcher, "demonstrations"),
    ("texts from the buffer", ReplayBuffer, "sample"),
    ("texts laid out", policy, "as_tree"),
    ("rows cut", policy, "read_once"),
    ("forward", Transformer, "hidden"),
    ("all of the loss", updates, "loss_of"),
    ("backward", torch.Tensor, "backward"),
    ("waiting for the device", torch.Tensor, "tolist"),
    ("weights", torch.optim.AdamW, "step"),
)


def parts_of_an_update(run: Run, count: int) -> dict[str, float]:
    """Seconds of an update, and of its parts. The loss has the layout and the forward pass in it; the forward pass also
    that over the prompts of texts that the model types."""
    spent = dict.fromkeys([name for name, _, _ in PARTS], 0.0)

    def timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def run_and_time(*given: Any, **named: Any) -> Any:
            start = time.perf_counter()
            found = function(*given, **named)
            spent[name] += time.perf_counter() - start
            return found

        return run_and_time

    with contextlib.ExitStack() as stack:
        for name, owner, attribute in PARTS:
            stack.enter_context(mock.patch.object(owner, attribute, timed(name, getattr(owner, attribute))))
        start = time.perf_counter()
        for _ in range(count):
            run.update()
        whole = time.perf_counter() - start
    return {"an update": whole / count} | {name: seconds / count for name, seconds in spent.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=9)
    arguments = parser.parse_args()
    print(machine())
    addition = load_models()["sequencematch"].config
    words = arm_config("26x3", "learner", 0.1, terminal="each")
    rows = Table(["what", "model samples every", "inputs", "SequenceMatch s", "likelihood s", "ratio", "wanted"])
    for name, config, every in (
        ("additions", addition, 1),
        ("additions", addition, addition.sample_every),
        ("words, with slips", words, words.sample_every),
    ):
        run = Run(replace(config, warmup_steps=0, beta_steps=1, sample_every=every))
        plain, updates = Run(config), config.sample_every
        read: list[TrajectoryBatch] = []
        keep_what_is_read(run, read)
        for _ in range(20):  # the buffer fills, and both are warm
            run.update()
        times = []
        for _ in range(arguments.pairs):
            read.clear()
            start = time.perf_counter()
            for _ in range(updates):
                run.update()
            first = time.perf_counter() - start
            start = time.perf_counter()
            for walked in read:
                likelihood_update(plain, walked)
            second = time.perf_counter() - start
            start = time.perf_counter()
            for walked in read:
                likelihood_update(plain, walked, own_rows=True)
            times.append((first, second, time.perf_counter() - start))
        for place, what in ((1, ""), (2, " in rows of their own")):
            rows.add(
                f"{updates} updates of SequenceMatch / likelihood{what}, {name}",
                str(every),
                f"x {inputs_with_slips(run, read[-1], place == 2):.2f}",
                f"{median([each[0] for each in times]):.3f}",
                f"{median([each[place] for each in times]):.3f}",
                f"{median([each[0] / each[place] for each in times]):.3f}",
                "<= 1.3" if every == config.sample_every else "reported",
            )
            rows.print_last()
    for name, config in (("additions", addition), ("words, with slips", words)):
        run = Run(replace(config, warmup_steps=0, beta_steps=1))
        parts_of_an_update(run, 20)
        for part, seconds in parts_of_an_update(run, 5 * config.sample_every).items():
            rows.add(f"  {part}, {name}", str(config.sample_every), "", f"{seconds:.4f}", "", "", "reported")
            rows.print_last()
    problem, network, seconds_each = Problem.of(words), Run(words).policy, list[float]()
    for _ in range(arguments.pairs):
        start = time.perf_counter()
        _ = problem.measure(problem.policy_of(network)).real_word
        seconds_each.append(time.perf_counter() - start)
    seconds = median(seconds_each)
    rows.add(
        f"exact P(real word) of a network, {problem.mdp.num_texts:,} texts", "", "", f"{seconds:.3f}", "", "", "<= 1 s"
    )
    rows.print_last()


if __name__ == "__main__":
    main()
