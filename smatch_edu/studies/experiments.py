"""Experiments: runs over a grid of settings, each with its rows in one table, which grows as runs finish.

A run that is in the table is not run again, so an experiment that was interrupted goes on where it was.
"""

from __future__ import annotations

import csv
import functools
import io
import itertools
import multiprocessing
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, get_type_hints

import torch
from tqdm import tqdm

from smatch_edu.exact.divergences import DIVERGENCES
from smatch_edu.exact.mdp import StringMDP
from smatch_edu.support.errors import nearest
from smatch_edu.support.files import as_path, check_writable, write_atomically
from smatch_edu.text.vocabulary import load_words
from smatch_edu.training.evaluation import evaluate
from smatch_edu.training.loop import TrainingConfig, start_run
from smatch_edu.training.neural import LOSSES, ExactOptimum, Expert, NeuralConfig, NeuralPolicy, train_policy

Row = Mapping[str, object]


def read_table(path: str | Path) -> list[dict[str, str]]:
    """The rows of a table with one header line, tabs between columns. [] if there is no such file."""
    path = as_path(path)
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def extend_table(path: str | Path, runs: Iterable[Row], measure: Callable[[Row], list[Row]], workers: int = 1) -> None:
    """Measure every run whose settings are not in the table yet, and add its rows, each with the run's settings.

    Args:
        path: the table; written whole after every run.
        runs: settings by name, the same names in each.
        measure: settings → rows of results.
        workers: processes that measure at once; with more than one the rows stand in the order in which they finish.

    Raises:
        ValueError: the table cannot be written, or its columns are others than these runs'.
    """
    path = as_path(path)
    check_writable(path)
    rows: list[Row] = list(read_table(path))
    if not rows and path.exists() and path.stat().st_size:
        raise ValueError(f"{path} holds no row of an experiment, but something else; choose another place")
    runs = list(runs)
    if rows and runs and (missing := [name for name in runs[0] if name not in rows[0]]):
        raise ValueError(f"{path} has no column {missing[0]!r}; it holds another experiment, choose another place")
    done = {tuple(str(row[name]) for name in runs[0]) for row in rows} if runs else set()
    waiting = [run for run in runs if tuple(map(str, run.values())) not in done]
    for run, measured in _each(waiting, measure, workers):
        rows += [{**run, **found} for found in measured]
        table = io.StringIO()
        writer = csv.DictWriter(table, list(rows[0]), delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_atomically(path, table.getvalue())


def _each(runs: list[Row], measure: Callable[[Row], list[Row]], workers: int) -> Iterator[tuple[Row, list[Row]]]:
    """Runs with what was measured, as they finish, behind a progress bar."""
    with tqdm(total=len(runs), disable=None, unit="run") as bar:
        if workers == 1:
            for run in runs:
                bar.set_description(" ".join(map(str, run.values())))
                yield run, measure(run)
                bar.update()
            return
        # Fresh processes: a fork of one in which torch has threads may hang.
        with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
            waiting = {pool.submit(measure, run): run for run in runs}
            try:
                for done in as_completed(waiting):
                    yield waiting[done], done.result()
                    bar.update()
            finally:
                pool.shutdown(cancel_futures=True)


# -- training over a grid of settings --------------------------------------------------------------------------------


@dataclass(frozen=True)
class SweepConfig:
    """Train with every combination of some settings, and see how well each answers.

    Attributes:
        out: the table; a run that is in it is not run again.
        vary: settings of training and their values, as name=value,value; all combinations are run.
        base: the other settings.
        split: the questions to answer. Settings are chosen on validation.
        workers: runs at a time, each on one thread.
    """

    out: Path
    vary: tuple[str, ...] = ()
    base: TrainingConfig = field(default_factory=TrainingConfig)
    split: str = "validation"
    workers: int = 1

    def runs(self) -> list[TrainingConfig]:
        """All combinations. ValueError for an unknown name, or a value that the field does not take."""
        names, values = list[str](), list[list[Any]]()
        for one in self.vary:
            name, _, given = one.partition("=")
            names.append(name)
            values.append([_value(name, value) for value in given.split(",")])
        return [replace(self.base, **dict(zip(names, row, strict=True))) for row in itertools.product(*values)]


def _value(name: str, text: str) -> Any:
    """A field of TrainingConfig from text."""
    kinds = get_type_hints(TrainingConfig)
    if name not in kinds:
        raise nearest(name, kinds, "setting of training")
    if text == "None" and kinds[name] == (float | None):
        return None
    if kinds[name] is bool and text in ("True", "False"):
        return text == "True"
    kind = float if kinds[name] == (float | None) else kinds[name]
    try:
        if kind is bool:
            raise ValueError
        return kind(text)
    except ValueError:
        raise ValueError(f"{name} cannot be {text!r}; {kind.__name__} was wanted") from None


def sweep(config: SweepConfig) -> None:
    """Train with every combination, and add a row for each of `evaluation.CONDITIONS` to the table."""
    runs = {settings(one): one for one in config.runs()}
    config.base.make_task().split(config.split)  # an unknown one is named before anything is trained
    measure = functools.partial(_train_and_answer, runs=runs, split=config.split)
    extend_table(config.out, [{"settings": name, "split": config.split} for name in runs], measure, config.workers)


def settings(config: TrainingConfig) -> str:
    """What differs from the defaults, as `smatch train` takes it."""
    given = {one.name: getattr(config, one.name) for one in fields(config) if getattr(config, one.name) != one.default}
    words = (f"--{name.replace('_', '-')}" + ("" if value is True else f" {value}") for name, value in given.items())
    return " ".join(words)


def _train_and_answer(row: Row, runs: Mapping[str, TrainingConfig], split: str) -> list[Row]:
    torch.set_num_threads(1)  # sums depend on the number of threads
    start, run = time.perf_counter(), start_run(runs[str(row["settings"])])
    while run.step < run.config.steps:
        run.update()
    seconds = time.perf_counter() - start
    return [
        {
            "seconds": f"{seconds:.0f}",
            "temperature": found.condition.temperature,
            "backspace": found.condition.backspace,
            "slips": found.condition.noise,
            **{
                name: f"{value:.4f}"
                for name, value in (
                    *zip(("accuracy", "low", "high"), found.accuracy, strict=True),
                    ("rate", found.telemetry.rate.estimate),
                    ("run_length", found.telemetry.run_length),
                    ("precision", found.telemetry.precision.estimate),
                    ("recall", found.telemetry.recall.estimate),
                )
            },
        }
        for found in evaluate([run.policy], run.task.split(split))
    ]


# -- the neural policy against the exact optimum ---------------------------------------------------------------------


@dataclass(frozen=True)
class NeuralDivergenceConfig:
    """A small transformer against the exact optimum, for every divergence.

    Attributes:
        out: the table.
        letters: of the keyboard; the words are the real ones that need no others.
        max_length: longest word.
        noise: how often the keyboard slips.
        divergences: which; all if left out.
        next_values: how V of the next text enters r: its expectation, or one sample.
        num_steps: updates of each run.
        learning_rate: the highest.
        width: of the transformer.
        seeds: runs of each kind.
        gamma: discount.
        alpha: weight of the entropy.
        uniform: share of demonstrations by somebody who presses anything, where the divergence is infinite without.
    """

    out: Path = Path("data/results/neural_divergence.tsv")
    letters: str = "aehnorst"
    max_length: int = 3
    noise: float = 0.1
    divergences: tuple[str, ...] = LOSSES
    next_values: tuple[str, ...] = ("expectation", "sample")
    num_steps: int = 4000
    learning_rate: float = 5e-3
    width: int = 64
    seeds: int = 1
    gamma: float = 0.9
    alpha: float = 0.1
    uniform: float = 0.1

    def keyboard(self) -> tuple[StringMDP, list[list[int]], list[float]]:
        """The keyboard, its words as ids, and how often each is wanted."""
        words, counts = load_words(self.max_length)
        kept = [(word, float(n)) for word, n in zip(words, counts, strict=True) if set(word) <= set(self.letters)]
        if not kept:
            raise ValueError(f"no word of up to {self.max_length} letters can be typed with {self.letters!r}")
        texts = [[self.letters.index(letter) for letter in word] for word, _ in kept]
        return StringMDP(len(self.letters), self.max_length, noise=self.noise), texts, [n for _, n in kept]


def neural_divergence(config: NeuralDivergenceConfig) -> None:
    """Train a transformer for every divergence and hold it against the exact optimum; see `neural`."""
    mdp, texts, weights = config.keyboard()

    def measure(run: Row) -> list[Row]:
        uniform, seed = float(str(run["uniform"])), int(str(run["seed"]))
        settings = NeuralConfig(
            str(run["divergence"]),
            config.gamma,
            config.alpha,
            str(run["next_value"]),
            num_steps=int(str(run["num_steps"])),
            learning_rate=float(str(run["learning_rate"])),
            seed=seed,
        )
        expert = Expert.of_texts(mdp, texts, weights, uniform)
        yardstick = ExactOptimum(mdp, expert.occupancy(config.gamma), settings)
        network = NeuralPolicy(mdp, width=config.width, seed=seed)
        measured = train_policy(network, expert, settings, yardstick, every=max(config.num_steps // 10, 1))
        return [
            {
                "step": found.step,
                "J": f"{found.objective:.6g}",
                "J_best": f"{yardstick.best:.6g}",
                "J_uniform": f"{yardstick.uniform:.6g}",
                "shortfall": f"{found.shortfall:.4g}",
                "cost_shortfall": f"{found.cost_shortfall:.4g}",
                "outside": f"{found.outside:.3g}",
            }
            for found in measured
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
        for seed, name, next_value in itertools.product(range(config.seeds), config.divergences, config.next_values)
        # A likelihood has no next value; with a sampled one the exact solver finds no optimum for total variation.
        if not (name in ("mle", "tv") and next_value == "sample")
    ]
    extend_table(config.out, runs, measure)
