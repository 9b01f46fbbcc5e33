"""A process for a function of somebody else's: held to limits from outside, asked case by case, ended in any case.

On Linux it has files only as `landlock` lets it have them, and neither network nor processes (`seccomp`). Where the
kernel grants less, `protection` says so, and what is left are limits and Python's own audit hook.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from io import BufferedIOBase
from pathlib import Path
from types import TracebackType
from typing import Any, cast

import psutil

from smatch_edu.sandbox.framing import NOTEBOOK, Channel, FrameError, decode, encode
from smatch_edu.sandbox.job import LIMITS, Ended, Job, Limits
from smatch_edu.sandbox.surroundings import (
    PACKAGE,
    below,
    environment,
    in_force,
    larger,
    path,
    readable,
    used,
)

ROOM = Path(__file__).resolve().parent
START = """import json, sys, types
sys.path[:] = json.loads(sys.argv[1])
room = sys.modules["smatch_edu.sandbox"] = types.ModuleType("smatch_edu.sandbox")
room.__path__ = [sys.argv[2]]  # without its front door, which loads what the parent needs: half of the time to start
from smatch_edu.sandbox.answering import main
main()
"""
MANY = 20  # functions of the library that are told of
LONG = 80  # letters of a name
TIMED_OUT = {-getattr(signal, "SIGXCPU", 0) or None}
GLANCE = 0.05  # seconds between two looks at what the process uses


class Answering:
    """The process. `with` starts it, and ends it and all that it started.

    >>> with Answering(Job("double", "def double(x): return 2 * x")) as process:
    ...     process.ask({"x": 3})
    (6, {'x': 3})

    Attributes:
        protection: what is in force, in words, once it has started.
        library: what of the library the text of the answer names, and what it called when it ran.
        odd: names in it that no exercise needs.
    """

    def __init__(self, job: Job, limits: Limits = LIMITS) -> None:
        self.job, self.limits = job, limits
        self.protection: tuple[str, ...] = ()
        self.library: set[str] = set()
        self.odd: list[str] = []
        self.frames: queue.Queue[dict[str, Any] | Exception] = queue.Queue(maxsize=1)
        self.over, self.reason = threading.Event(), ""
        self.threads: list[threading.Thread] = []

    def __enter__(self) -> Answering:
        """Start the process. `Ended` if there is no such function; what was seen of the text is known even so."""
        self.deadline = time.monotonic() + self.limits.by_the_clock
        self.folder = Path(tempfile.mkdtemp(prefix="smatch-")).resolve()
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-s", "-c", START, json.dumps(path()), str(ROOM)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=self.folder,
                env=environment(self.folder),
                start_new_session=True,
            )
            incoming, outgoing = self.process.stdout, self.process.stdin
            self.channel = Channel(cast(BufferedIOBase, incoming), cast(BufferedIOBase, outgoing), writes=NOTEBOOK)
            self.threads = [threading.Thread(target=work, daemon=True) for work in (self._read, self._watch)]
            for thread in self.threads:
                thread.start()
            self._send(self._told())
            prepared = self._next("prepared")
            self._note(prepared["library"])
            self.odd = list(map(str, prepared["odd"]))
            self.protection = in_force(bool(prepared["files"]), bool(prepared["calls"]))
            self._next("ready")
        except BaseException:
            self.end()
            raise
        return self

    def ask(self, case: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        """What the function returns for these inputs, and the inputs after the call. `Ended` if there is nothing."""
        told = {name: {"function": _name(v)} if callable(v) else encode(v) for name, v in case.items()}
        self._send({"case": told})
        while True:
            reply = self._next("case")
            try:
                self._note(reply.get("used", ()))
                if "call" in reply:
                    self._send(_called(case[reply["call"]], [decode(one) for one in reply["arguments"]]))
                elif "takes" in reply:
                    names = ", ".join(case)
                    raise Ended(f"Your function takes {str(reply['takes'])[:200]}; it is called with ({names}).")
                elif "stopped" in reply:
                    where = str(reply["line"])[:250] + "."
                    raise Ended(f"Your function stopped with {str(reply['stopped'])[:350]}{where}", bool(reply["todo"]))
                else:
                    after = {name: decode(reply["after"][name]) for name, v in case.items() if not callable(v)}
                    return decode(reply["returned"]), after
            except (FrameError, LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
                raise Ended(f"What came back was no result ({type(error).__name__}).") from None

    def _note(self, names: Any) -> None:
        """Add to what of the library is used, as far as anybody would read."""
        room = max(0, MANY - len(self.library))
        self.library |= {str(name)[:LONG] for name in list(names)[:room]}

    def _told(self) -> dict[str, Any]:
        """The job as the child is told it."""
        job, (read, names) = self.job, readable()
        limits = {"AS": self.limits.memory, "CPU": int(self.limits.seconds) + 2, "FSIZE": self.limits.disk, "CORE": 0}
        limits["NOFILE"] = self.limits.files
        return {
            "function": job.function,
            "answer": job.answer,
            "groups": [[name, list(cells)] for name, cells in job.groups],
            "modules": list(job.modules),
            "folder": str(self.folder),
            "library": str(PACKAGE) + os.sep,
            "read": read,
            "names": names,
            "limits": limits,
        }

    def _send(self, message: Mapping[str, Any]) -> None:
        try:
            self.channel.send(message)
        except FrameError as error:
            raise Ended(f"There is more code around your function than can be read: {error}.") from None
        except (OSError, ValueError):
            raise self._gone() from None

    def _read(self) -> None:
        """Take in frames as they come. A thread of its own, since nobody can be kept from a pipe but by its end."""
        while True:
            try:
                self.frames.put(self.channel.receive())
            except Exception as error:
                self.frames.put(error)
                return

    def _watch(self) -> None:
        """Look now and then at what is used, whatever else happens, and end it as soon as that is more than may be."""
        while not self.over.wait(GLANCE):
            memory, threads, seconds = used(self.process.pid)
            if seconds > self.limits.seconds or time.monotonic() > self.deadline:
                self.reason = f"Your function did not come to an end in {self.limits.seconds:g} seconds."
            elif memory > self.limits.memory:
                self.reason = f"Your function took more than {self.limits.memory / 2**30:g} GB of memory."
            elif threads > self.limits.threads:
                self.reason = f"Your function started more than {self.limits.threads} threads."
            elif larger(self.folder, self.limits.disk):
                self.reason = f"Your function wrote more than {self.limits.disk / 2**20:g} MB."
            if self.reason:
                self._kill()
                return

    def _next(self, wanted: str) -> dict[str, Any]:
        """The next message; `Ended` if there is none."""
        while not self.reason:
            try:
                message = self.frames.get(timeout=GLANCE)
            except queue.Empty:
                continue
            if isinstance(message, FrameError):
                raise Ended(f"More came back than a result: {message}.")
            if isinstance(message, Exception):
                break
            if "refused" in message:
                raise Ended(str(message["refused"])[:800], bool(message.get("todo")))
            if wanted not in message and wanted != "case":
                raise Ended("What came back was no result.")
            return message
        raise self._gone()

    def _gone(self) -> Ended:
        """Why there is nothing more to come."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(1)
        if not self.reason and self.process.returncode in TIMED_OUT:  # the kernel's clock was faster than ours
            return Ended(f"Your function did not come to an end in {self.limits.seconds:g} seconds.")
        return Ended(self.reason or "Your function ended the whole process, instead of returning something.")

    def _kill(self) -> None:
        for one in below(self.process.pid):
            with contextlib.suppress(psutil.Error):
                one.kill()
        self.process.kill()

    def end(self) -> None:
        """Kill the process and all that it started, and remove its folder."""
        self.over.set()
        if hasattr(self, "process"):
            self._kill()
            self.process.wait()
        for thread in self.threads:
            until = time.monotonic() + 1  # somebody who escaped may keep the pipe open
            while thread.is_alive() and time.monotonic() < until:
                with contextlib.suppress(queue.Empty):
                    self.frames.get_nowait()  # the reader may wait for a place to put a message
                thread.join(GLANCE)
        if self.threads and not any(thread.is_alive() for thread in self.threads):
            for stream in (self.channel.incoming, self.channel.outgoing):
                with contextlib.suppress(OSError):
                    stream.close()
        _remove(self.folder)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.end()


def _remove(folder: str | Path) -> None:
    """Remove a folder, also one with so many folders in each other that Python's stack does not hold them."""
    try:
        shutil.rmtree(folder, ignore_errors=True)
    except RecursionError:
        with contextlib.suppress(OSError):  # where there is no such program the system removes what is temporary
            subprocess.run(["rm", "-rf", str(folder)], check=False)


def _called(function: Any, arguments: list[Any]) -> dict[str, Any]:
    """What a function that is among the inputs returns, or its error."""
    try:
        return {"result": encode(function(*arguments))}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"[:300]}


def _name(function: Any) -> str:
    return str(getattr(function, "__name__", "function"))
