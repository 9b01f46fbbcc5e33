"""A table of results that grows run by run: what is in it is not run again, and nothing that is in it is lost.

An experiment that was interrupted goes on where it was, and several may write into one table at the same time.
"""

from __future__ import annotations

import csv
import io
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from pathlib import Path

from filelock import FileLock

from smatch_edu.support.files import as_path, check_writable, read_text, write_atomically
from smatch_edu.support.progress import Progress

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
