"""How far a long job has come. Here alone it is decided how that is shown."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from tqdm import tqdm

PATIENCE = 10.0  # seconds before the first line
GROWTH = 1.25  # each line waits for a quarter more time than has gone by: 20 in an hour, 40 in three days


class Progress:
    """A job of so many steps, on stderr: a bar on a terminal and in Jupyter, a line now and then elsewhere.

    >>> with Progress(len(jobs), "training", "typist") as progress:
    ...     for job in jobs:
    ...         progress.now(job.name)
    ...         train(job)
    ...         progress.advance()

    Args:
        total: steps of the whole job.
        what: is being done.
        unit: of a step, in the singular.
        done: steps that were done before, in a run that goes on.
        shown: False shows nothing at all.
        part: of a longer job that has a `Progress` of its own: its bar goes when it ends, and it writes no lines.
    """

    def __init__(
        self, total: int, what: str, unit: str = "step", *, done: int = 0, shown: bool = True, part: bool = False
    ) -> None:
        self.total, self.what, self.unit, self.done = total, what, unit, done
        self.detail, self.start, self.before = "", time.monotonic(), done
        shown = shown and sys.stderr is not None
        in_jupyter = type(sys.stderr).__module__.startswith("ipykernel.")
        as_bar = shown and (in_jupyter or sys.stderr.isatty())
        self.bar = tqdm(total=total, initial=done, desc=what, unit=unit, leave=not part) if as_bar else None
        self.next_line = PATIENCE if shown and not as_bar and not part else float("inf")
        self.speaks = shown

    def now(self, detail: str) -> None:
        """What is being done at the moment, or how well."""
        self.detail = detail
        if self.bar is not None:
            self.bar.set_postfix_str(detail)

    def advance(self, steps: int = 1) -> None:
        """So many steps more are done."""
        self.done += steps
        if self.bar is not None:
            self.bar.update(steps)
        elif self.seconds >= self.next_line and self.done < self.total:  # the last one is written at the end
            self.next_line = GROWTH * self.seconds + PATIENCE
            self._line()

    def say(self, text: str) -> None:
        """A line of its own, above the bar."""
        if self.bar is not None:
            self.bar.write(text, sys.stderr)
        elif self.speaks:
            print(text, file=sys.stderr, flush=True)

    @property
    def seconds(self) -> float:
        """Since the job began."""
        return time.monotonic() - self.start

    def _line(self) -> None:
        told = f"{self.what}: {self.done:,} of {self.total:,} {self.unit}s, {tqdm.format_interval(self.seconds)}"
        if self.before < self.done < self.total:
            left = (self.total - self.done) * self.seconds / (self.done - self.before)
            told += f", about {tqdm.format_interval(left)} left"
        print(told + (f" ({self.detail})" if self.detail else ""), file=sys.stderr, flush=True)

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.bar is not None:
            self.bar.close()
        elif self.next_line < float("inf") and self.done > self.before:
            self._line()
