"""Experiments: runs over a grid of settings, each with its rows in one table, which grows as runs finish.

A run that is in the table is not run again, so an experiment that was interrupted goes on where it was. Several may
write into one table at the same time.
"""

from __future__ import annotations

import csv
import functools
import io
import itertools
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import fields
from pathlib import Path

from filelock import FileLock

from smatch_edu.configs.experiments import NeuralDivergenceConfig, SweepConfig
from smatch_edu.configs.training import TrainingConfig
from smatch_edu.exact.divergences import DIVERGENCES
from smatch_edu.support.arrays import one_thread
from smatch_edu.support.files import as_path, check_writable, read_text, write_atomically
from smatch_edu.support.progress import Progress
from smatch_edu.training.evaluation import evaluate
from smatch_edu.training.loop import start_run
from smatch_edu.training.neural import LOSSES, ExactOptimum, Expert, NeuralConfig, NeuralPolicy, train_policy

Row = Mapping[str, object]


def read_table(path: str | Path) -> list[dict[str, str]]:
    """The rows of a table with one header line, tabs between columns. [] if there is no such file.

    Raises:
        ValueError: it is no UTF-8, or a line has more or fewer columns than the header, with its number.
    """
    path = as_path(path)
    if not path.exists():
        return []
    lines = list(csv.reader(io.StringIO(read_text(path)), delimiter="\t"))
    for number, line in enumerate(lines, start=1):
        if len(line) != len(lines[0]):
            raise ValueError(f"{path}, line {number} has {len(line)} columns; the {len(lines[0])} of its header wanted")
    return [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]


def extend_table(
    path: str | Path, runs: Iterable[Row], columns: Sequence[str], measure: Callable[[Row], list[Row]], workers: int = 1
) -> None:
    """Measure every run whose settings are not in the table yet, and add its rows, each with the run's settings.

    Args:
        path: the table. After every run it is read again and written whole, under a lock that ends with its process:
            what another experiment has added meanwhile stays.
        runs: settings by name, the same names in each.
        columns: the names of the results.
        measure: settings → rows of results.
        workers: processes that measure at once; with more than one the rows stand in the order in which they finish.

    Raises:
        ValueError: the table cannot be written, or its columns are others than these runs'.
        ChildProcessError: a worker was killed.
        KeyboardInterrupt: with a sentence that says what is in the table.
    """
    path = as_path(path)
    check_writable(path)
    each = {tuple(map(str, run.values())): run for run in runs}
    if not each:
        return
    names = list(next(iter(each.values())))

    def kept() -> tuple[list[Row], set[tuple[str, ...]]]:
        """The rows of the table, and the runs that are in it."""
        rows = read_table(path)
        _check_header(path, [*names, *columns])
        return list(rows), {tuple(row[name] for name in names) for row in rows} & each.keys()

    _, done = kept()
    waiting = [run for key, run in each.items() if key not in done]
    try:
        with closing(_measure_each(waiting, measure, workers)) as finished:
            for run, measured in finished:
                with FileLock(path.with_name(f".{path.name}.lock")):
                    rows, done = kept()
                    if tuple(map(str, run.values())) not in done:
                        write_atomically(path, _as_text([*rows, *({**run, **found} for found in measured)]))
    except KeyboardInterrupt:
        told = f"{len(kept()[1])} of {len(each)} runs are in {path}; the same command goes on with the others"
        raise KeyboardInterrupt(told) from None


def _check_header(path: Path, wanted: Sequence[str]) -> None:
    """Whether the columns of a table, if it is there and not empty, are these."""
    if not path.exists() or not (header := read_text(path).partition("\n")[0]):
        return
    for name in wanted:
        if name not in header.split("\t"):
            raise ValueError(f"{path} has no column {name!r}; it holds another experiment, choose another place")
    for name in header.split("\t"):
        if name not in wanted:
            raise ValueError(f"{path} has a column {name!r}; it holds another experiment, choose another place")


def _as_text(rows: Sequence[Row]) -> str:
    table = io.StringIO()
    writer = csv.DictWriter(table, list(rows[0]), delimiter="\t", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return table.getvalue()


# -- runs, one after the other or in processes -----------------------------------------------------------------------


def _measure_each(
    runs: list[Row], measure: Callable[[Row], list[Row]], workers: int
) -> Generator[tuple[Row, list[Row]], None, None]:
    """Runs with what was measured, as they finish."""
    with Progress(len(runs), "measuring", "run") as progress:
        if min(workers, len(runs)) <= 1:
            for run in runs:
                progress.now(" ".join(map(str, run.values())))
                yield run, measure(run)
                progress.advance()
            return
        with _pool(min(workers, len(runs))) as pool:
            with _interrupts_ignored():  # workers inherit this: Ctrl-C reaches the parent alone, which stops them
                waiting = {pool.submit(measure, run): run for run in runs}
            try:
                for done in as_completed(waiting):
                    yield waiting[done], done.result()
                    progress.advance()
            except BrokenProcessPool:
                raise ChildProcessError(
                    "a worker was killed (is the memory full?); the runs that had finished are in the table, and the "
                    "same command goes on with the others, perhaps with fewer workers"
                ) from None


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Fresh processes, since a fork of one in which torch has threads may hang; stopped at once when the block ends."""
    before = multiprocessing.active_children()
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_begin_worker)
    try:
        yield pool
    finally:
        with _interrupts_ignored():
            for process in multiprocessing.active_children():
                if process not in before:
                    process.terminate()
            pool.shutdown(cancel_futures=True)


def _begin_worker() -> None:
    """Leave Ctrl-C to the parent, and end with it, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def end_with_parent() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # only the main thread is interrupted
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


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
