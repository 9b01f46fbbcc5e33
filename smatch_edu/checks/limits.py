"""Time, memory and lines of print that somebody else's function may take in this process, which goes on afterwards."""

from __future__ import annotations

import _thread
import contextlib
import io
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import TextIO

import psutil

BUSY, GLANCE = 6, 0.1  # by the clock it may take so many times its seconds, and is looked at so often


@contextlib.contextmanager
def limited(seconds: float, memory: int) -> Iterator[None]:
    """Stop what takes more than that, as Ctrl-C would. A busy machine fails nobody: the seconds are a processor's, and
    by the clock it may be `BUSY` times as many.

    On Linux the system refuses memory at once; elsewhere a thread looks how much there is. Only the main thread can be
    interrupted, and no single call of a library in C: not by Ctrl-C either.

    Args:
        seconds: of a processor.
        memory: bytes, beyond what is in use now.

    Raises:
        TimeoutError: it took longer.
        MemoryError: it took more.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    process = psutil.Process()
    started, used, held = time.monotonic(), time.process_time(), process.memory_info().rss
    done = threading.Event()
    over: list[Exception] = []

    def watch() -> None:
        while not done.wait(GLANCE):
            if time.process_time() - used > seconds or time.monotonic() - started > BUSY * seconds:
                over.append(TimeoutError(f"more than {seconds:g} seconds"))
            elif process.memory_info().rss - held > memory:
                over.append(MemoryError(f"more than {memory / 2**30:.2g} GB"))
            if over:
                _thread.interrupt_main()
                return

    watcher = threading.Thread(target=watch, daemon=True)
    handler = signal.getsignal(signal.SIGINT)
    ignored = isinstance(handler, signal.Handlers)  # as by a program in the background
    if ignored:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        watcher.start()
        with _less_data(memory):
            yield
        done.set()
        watcher.join()  # an interruption that is on its way arrives here
    except KeyboardInterrupt:
        if over:
            raise over[0] from None
        raise
    finally:
        done.set()
        if ignored:
            signal.signal(signal.SIGINT, handler)


class _FirstLines(io.TextIOBase):
    """Passes so many lines on, and counts the others."""

    def __init__(self, out: TextIO, most: int) -> None:
        self.out, self.most, self.seen = out, most, 0

    def write(self, text: str) -> int:
        for line in text.splitlines(keepends=True):
            if self.seen < self.most:
                self.out.write(line)
            self.seen += line.endswith("\n")
        return len(text)


@contextlib.contextmanager
def few_lines(most: int) -> Iterator[None]:
    """Print the first `most` lines that are printed, and how many more there were."""
    with contextlib.redirect_stdout(_FirstLines(sys.stdout, most)) as printed:
        try:
            yield
        finally:
            if (more := printed.seen - most) > 0:
                printed.out.write(f"(and {more} more line{'s' if more > 1 else ''} that your function printed)\n")


@contextlib.contextmanager
def _less_data(memory: int) -> Iterator[None]:
    """Let Linux refuse this process more memory than it has now and that. Elsewhere there is no such limit."""
    if sys.platform != "linux":
        yield
        return
    import resource

    before = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = psutil.Process().memory_info().data + memory
    try:
        if before[0] == resource.RLIM_INFINITY or wanted < before[0]:
            resource.setrlimit(resource.RLIMIT_DATA, (wanted, before[1]))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)
