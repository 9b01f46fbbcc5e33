"""Experiments: runs over a grid of settings, each with its rows in one table, which grows as runs finish.

How the table grows is in `support.results`.
"""

from __future__ import annotations

import functools
import itertools
import multiprocessing
import time
from collections.abc import Mapping
from dataclasses import fields

from smatch_edu.configs.experiments import NeuralDivergenceConfig, SweepConfig
from smatch_edu.configs.training import TrainingConfig
from smatch_edu.exact.divergences import DIVERGENCES
from smatch_edu.support.arrays import one_thread
from smatch_edu.support.progress import Progress
from smatch_edu.support.results import Row, extend_table
from smatch_edu.training.evaluation import evaluate
from smatch_edu.training.loop import start_run
from smatch_edu.training.neural import LOSSES, ExactOptimum, Expert, NeuralConfig, NeuralPolicy, train_policy

# -- training over a grid of settings --------------------------------------------------------------------------------

SHARES = ("accuracy", "low", "high", "rate", "run_length", "precision", "recall")
ANSWERED = ("seconds", "temperature", "backspace", "slips", *SHARES)


def sweep(config: SweepConfig) -> None:
    """Train with every combination, and add a row for each of `evaluation.CONDITIONS` to the table.

    Raises:
        ValueError: what cannot be trained or asked, before anything is trained.
    """
    runs = {settings(one): one for one in config.runs()}
    for one in {(one.task, one.family): one for one in runs.values()}.values():
        one.make_task().split(config.split)
    for one in runs.values():
        if one.init or one.device != "cpu":
            start_run(one)
    measure = functools.partial(_train_and_answer, runs=runs, split=config.split)
    rows = [{"settings": name, "split": config.split} for name in runs]
    extend_table(config.out, rows, ANSWERED, measure, config.workers)


def settings(config: TrainingConfig) -> str:
    """What differs from the defaults, as `smatch train` takes it."""
    given = {one.name: getattr(config, one.name) for one in fields(config) if getattr(config, one.name) != one.default}
    words = (f"--{name.replace('_', '-')}" + ("" if value is True else f" {value}") for name, value in given.items())
    return " ".join(words)


@one_thread()
def _train_and_answer(row: Row, runs: Mapping[str, TrainingConfig], split: str) -> list[Row]:
    start, run = time.perf_counter(), start_run(runs[str(row["settings"])])
    alone = multiprocessing.parent_process() is None  # the bars of several workers would write over each other
    with Progress(run.config.steps, "training", "update", shown=alone, part=True) as progress:
        while run.step < run.config.steps:
            run.update()
            progress.advance()
    seconds = time.perf_counter() - start
    rows: list[Row] = []
    for found in evaluate([run.policy], run.task.split(split)):
        used = found.telemetry
        shares = (*found.accuracy, used.rate.estimate, used.run_length, used.precision.estimate, used.recall.estimate)
        measured = (f"{seconds:.0f}", *found.condition, *(f"{share:.4f}" for share in shares))
        rows.append(dict(zip(ANSWERED, measured, strict=True)))
    return rows


# -- the neural policy against the exact optimum ---------------------------------------------------------------------

HELD = ("step", "J", "J_best", "J_uniform", "shortfall", "cost_shortfall", "outside")


def neural_divergence(config: NeuralDivergenceConfig) -> None:
    """Train a transformer for every divergence and hold it against the exact optimum; see `neural`.

    Raises:
        ValueError: an unknown divergence, or a setting out of range, before anything is trained.
    """
    mdp, texts, weights = config.keyboard()
    losses = {
        (name, next_value, seed): NeuralConfig(
            name,
            config.gamma,
            config.alpha,
            next_value,
            num_steps=config.num_steps,
            learning_rate=config.learning_rate,
            seed=seed,
        )
        for seed, name, next_value in itertools.product(
            range(config.seeds), config.divergences or LOSSES, config.next_values
        )
        # A likelihood has no next value; with a sampled one the exact solver finds no optimum for total variation.
        if not (name in ("mle", "tv") and next_value == "sample")
    }

    def measure(run: Row) -> list[Row]:
        loss = losses[str(run["divergence"]), str(run["next_value"]), int(str(run["seed"]))]
        expert = Expert.of_texts(mdp, texts, weights, float(str(run["uniform"])))
        yardstick = ExactOptimum(mdp, expert.occupancy(config.gamma), loss)
        network = NeuralPolicy(mdp, width=config.width, seed=loss.seed)
        with Progress(loss.num_steps, loss.divergence, "update", part=True) as progress:
            found = train_policy(network, expert, loss, yardstick, max(config.num_steps // 10, 1), progress)
        return [
            {
                "step": one.step,
                "J": f"{one.objective:.6g}",
                "J_best": f"{yardstick.best:.6g}",
                "J_uniform": f"{yardstick.uniform:.6g}",
                "shortfall": f"{one.shortfall:.4g}",
                "cost_shortfall": f"{one.cost_shortfall:.4g}",
                "outside": f"{one.outside:.3g}",
            }
            for one in found
        ]

    runs = [
        {
            "letters": config.letters,
            "max_length": config.max_length,
            "noise": config.noise,
            "gamma": config.gamma,
            "alpha": config.alpha,
            "width": config.width,
            "divergence": name,
            "next_value": next_value,
            "uniform": config.uniform if name in DIVERGENCES and DIVERGENCES[name].domain == -float("inf") else 0.0,
            "num_steps": config.num_steps,
            "learning_rate": config.learning_rate,
            "seed": seed,
        }
        for name, next_value, seed in losses
    ]
    extend_table(config.out, runs, HELD, measure)
