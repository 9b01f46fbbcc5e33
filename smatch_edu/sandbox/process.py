"""A process for a function of somebody else's: held to limits from outside, asked case by case, ended in any case.

On Linux it has no network (a namespace of its own) and files only as `landlock` lets it have them. Where the kernel
grants less, `protection` says so, and what is left are limits and Python's own audit hook.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
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
    ALONE,
    HIDDEN,
    PACKAGE,
    below,
    can_be_alone,
    die_with_parent,
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
GLANCE = 0.05  # seconds between two looks at what the process uses


class Answering:
    """The process. `with` ends it and all that it started.

    >>> with Answering(Job("double", "def double(x): return 2 * x")) as process:
    ...     process.ask({"x": 3})
    (6, {'x': 3})

    Attributes:
        protection: what is in force, in words.
        library: what of the library the text of the answer names, and what it called when it ran.
        odd: names in it that no exercise needs.
    """

    def __init__(self, job: Job, limits: Limits = LIMITS) -> None:
        self.limits, self.deadline = limits, time.monotonic() + limits.by_the_clock
        self.folder = Path(tempfile.mkdtemp(prefix="smatch-")).resolve()
        self.library: set[str] = set()
        self.odd: list[str] = []
        self.frames: queue.Queue[dict[str, Any] | Exception] = queue.Queue(maxsize=4)
        alone = can_be_alone()
        try:
            self.process = subprocess.Popen(
                [*(ALONE if alone else ()), sys.executable, "-s", "-c", START, json.dumps(path()), str(ROOM)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=self.folder,
                env=environment(self.folder),
                preexec_fn=die_with_parent if sys.platform == "linux" else None,
                start_new_session=True,
            )
            incoming, outgoing = self.process.stdout, self.process.stdin
            self.channel = Channel(cast(BufferedIOBase, incoming), cast(BufferedIOBase, outgoing), writes=NOTEBOOK)
            self.reader = threading.Thread(target=self._read, daemon=True)
            self.reader.start()
            self.alarm = threading.Timer(limits.by_the_clock + 1, self._kill)  # also while we write and nobody reads
            self.alarm.daemon = True
            self.alarm.start()
            self._send(self._told(job, alone))
            prepared = self._next("prepared")
            self.library |= set(map(str, prepared["library"]))
            self.odd = list(map(str, prepared["odd"]))
            self.protection = in_force(bool(prepared["files"]), alone)
            self._next("ready")
        except BaseException:
            self.end()
            raise

    def ask(self, case: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        """What the function returns for these inputs, and the inputs after the call. `Ended` if there is nothing."""
        told = {name: {"function": _name(v)} if callable(v) else encode(v) for name, v in case.items()}
        self._send({"case": told})
        while True:
            reply = self._next("case")
            try:
                room = max(0, MANY - len(self.library))
                self.library |= {str(name)[:80] for name in list(reply.get("used", ()))[:room]}
                if "call" in reply:
                    self._send(_called(case[reply["call"]], [decode(one) for one in reply["arguments"]]))
                elif "takes" in reply:
                    names = ", ".join(case)
                    raise Ended(f"Your function takes {str(reply['takes'])[:200]}; it is called with ({names}).")
                elif "stopped" in reply:
                    where = str(reply["line"])[:250] + "."
                    raise Ended(f"Your function stopped with {str(reply['stopped'])[:350]}{where}", bool(reply["todo"]))
                else:
                    after = {name: decode(value) for name, value in dict(reply["after"]).items() if name in case}
                    return decode(reply["returned"]), after
            except (FrameError, LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
                raise Ended(f"What came back was no result ({type(error).__name__}).") from None

    def _told(self, job: Job, alone: bool) -> dict[str, Any]:
        """The job as the child is told it."""
        limits = {"AS": self.limits.memory, "CPU": int(self.limits.seconds) + 2, "FSIZE": self.limits.disk, "CORE": 0}
        limits |= {"NPROC": self.limits.processes} if alone else {}
        return {
            "function": job.function,
            "answer": job.answer,
            "groups": [[name, list(cells)] for name, cells in job.groups],
            "modules": list(job.modules),
            "folder": str(self.folder),
            "library": str(PACKAGE) + os.sep,
            "hidden": [str(PACKAGE / name) for name in HIDDEN],
            "read": list(readable()) if sys.platform == "linux" else [],
            "limits": limits,
        }

    def _send(self, message: Mapping[str, Any]) -> None:
        try:
            self.channel.send(message)
        except FrameError as error:
            raise Ended(f"There is more code around your function than can be read: {error}.") from None
        except (OSError, ValueError):
            raise self._over() from None

    def _read(self) -> None:
        """Take in frames as they come, so that the clock can be watched meanwhile."""
        while True:
            try:
                self.frames.put(self.channel.receive())
            except Exception as error:
                self.frames.put(error)
                return

    def _next(self, wanted: str) -> dict[str, Any]:
        """The next message; `Ended` if there is none in time, or the process uses more than it may."""
        while True:
            try:
                message = self.frames.get(timeout=GLANCE)
            except queue.Empty:
                self._watch()
                continue
            if isinstance(message, FrameError):
                raise Ended(f"More came back than a result: {message}.")
            if isinstance(message, Exception):
                raise self._over()
            if "refused" in message:
                raise Ended(str(message["refused"])[:800], bool(message.get("todo")))
            if wanted not in message and wanted != "case":
                raise Ended("What came back was no result.")
            if time.monotonic() > self.deadline:
                self._watch()
            return message

    def _watch(self) -> None:
        """`Ended` as soon as more is used than may be."""
        memory, processes, seconds = used(self.process.pid)
        if seconds > self.limits.seconds or time.monotonic() > self.deadline:
            raise self._late()
        if memory > self.limits.memory:
            raise Ended(f"Your function took more than {self.limits.memory / 2**30:g} GB of memory.")
        if processes > self.limits.processes:
            raise Ended(f"Your function started more than {self.limits.processes} processes.")
        if larger(self.folder, self.limits.disk):
            raise Ended(f"Your function wrote more than {self.limits.disk / 2**20:g} MB.")

    def _over(self) -> Ended:
        """Why the process is gone."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(1)
        if time.monotonic() > self.deadline:
            return self._late()
        return Ended("Your function ended the whole process, instead of returning something.")

    def _late(self) -> Ended:
        return Ended(f"Your function did not come to an end in {self.limits.seconds:g} seconds.")

    def _kill(self) -> None:
        for one in below(self.process.pid):
            with contextlib.suppress(psutil.Error):
                one.kill()
        self.process.kill()

    def end(self) -> None:
        """Kill the process and all that it started, and remove its folder."""
        if hasattr(self, "alarm"):
            self.alarm.cancel()
        if hasattr(self, "process"):
            self._kill()
            self.process.wait()
        while hasattr(self, "reader") and self.reader.is_alive():  # it may wait for a place to put a message
            with contextlib.suppress(queue.Empty):
                self.frames.get(timeout=GLANCE)
        if hasattr(self, "channel"):
            for stream in (self.channel.incoming, self.channel.outgoing):
                with contextlib.suppress(OSError):
                    stream.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Answering:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.end()


def _called(function: Any, arguments: list[Any]) -> dict[str, Any]:
    """What a function that is among the inputs returns, or its error."""
    try:
        return {"result": encode(function(*arguments))}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"[:300]}


def _name(function: Any) -> str:
    return str(getattr(function, "__name__", "function"))
