"""What SequenceMatch costs: an update with all that belongs to it against a plain likelihood update on the same tokens.

Both are timed in one run, in pairs that alternate. The update of SequenceMatch draws demonstrations and slips, lets the
model type every `sample_every` updates, and evaluates the objective. The plain one reads the very same trajectories in
one pass, packing included, and climbs their likelihood. The model is the one of data/checkpoints. `make bench` runs it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace

from table import Table, machine, median
from torch import nn

from smatch_edu.studies import load_models
from smatch_edu.text import Trajectory
from smatch_edu.training import Run, Trajectories, log_likelihood


def likelihood_update(run: Run, walked: list[Trajectory]) -> None:
    """What an update is for maximum likelihood, on these trajectories."""
    loss = -log_likelihood(run.policy.on(walked))
    run.optimiser.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(run.policy.parameters(), 1.0)
    run.optimiser.step()


def _keep_what_is_read(run: Run, read: list[list[Trajectory]]) -> None:
    """Let the run append the trajectories of every update to a list."""
    on = run.policy.on

    def keeping(walked: Sequence[Trajectory], noised_label: str = "kept") -> Trajectories:
        read.append(list(walked))
        return on(walked, noised_label)

    setattr(run.policy, "on", keeping)  # noqa: B010 a method, for this one object


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=9)
    arguments = parser.parse_args()
    print(machine())
    config = load_models()["sequencematch"].config
    rows = Table(["what", "model samples every", "SequenceMatch s", "likelihood s", "ratio", "wanted"])
    for every in sorted({1, config.sample_every}):
        run = Run(replace(config, warmup_steps=0, beta_steps=1, sample_every=every))
        plain, updates = Run(config), config.sample_every
        read: list[list[Trajectory]] = []
        _keep_what_is_read(run, read)
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
            times.append((first, time.perf_counter() - start))
        ratio = median([first / second for first, second in times])
        rows.add(
            f"{updates} updates of SequenceMatch / likelihood",
            str(every),
            f"{median([first for first, _ in times]):.3f}",
            f"{median([second for _, second in times]):.3f}",
            f"{ratio:.3f}",
            "<= 1.3" if every == config.sample_every else "reported",
        )
        rows.print_last()


if __name__ == "__main__":
    main()
