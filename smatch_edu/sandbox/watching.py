"""What Python itself sees of an answer, by its audit hook and its profile hook: what it opens, and what it calls.

The kernel forbids the same where it can, and firmly; this holds on every system, against those who do not know how to
get around it.
"""

from __future__ import annotations

import contextlib
import os
import sys
import types
from collections.abc import Iterator, Sequence
from typing import Any

FORBIDDEN = (  # audit events, by how they begin
    *("socket.", "subprocess.", "ctypes.", "shutil.", "webbrowser.", "pty.", "winreg.", "_winapi."),
    *("os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.startfile", "os.kill", "os.remove"),
    *("os.rename", "os.link", "os.symlink", "os.mkdir", "os.rmdir", "os.truncate", "os.lockf", "os.utime"),
    *("os.chmod", "os.chown", "os.chflags", "os.setxattr", "os.removexattr", "os.add_dll_directory"),
    *("sys.setprofile", "sys.settrace", "sys._current_", "gc.get_", "signal."),
)
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Watch:
    """Forbids and notes, in the process in which it is.

    Args:
        library: the folder of the library, with its separator.
        folder: where an answer may write.
        read: what may be read besides.

    Attributes:
        used: of the library, by lines of the submission.
    """

    def __init__(self, library: str, folder: str, read: Sequence[str]) -> None:
        self.library, self.own = library, _inside([folder])
        self.read = _inside(read)
        self.used: set[str] = set()
        self.armed = self.within = False

    def arm(self) -> None:
        """From now on all is forbidden that no answer needs; until now only to read what is not for it was."""
        sys.setprofile(self._profile)  # of this thread: others would set theirs later, which is forbidden then
        self.armed = True

    @contextlib.contextmanager
    def calling(self) -> Iterator[None]:
        """While lines of the submission run, what they use is noted."""
        self.within = True
        try:
            yield
        finally:
            self.within = False

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        """The audit hook. PermissionError for what is forbidden."""
        if event == "open":
            self._opened(*arguments)
        elif self.armed and event.startswith(FORBIDDEN):
            raise PermissionError(f"an answer may not use {event}")
        elif event == "import" and self.within and str(arguments[0]).startswith("smatch_edu."):
            self.used.add(str(arguments[0]))

    def _opened(self, path: Any, _: Any, flags: int) -> None:
        if not isinstance(path, str | bytes | os.PathLike) or path == os.devnull:
            return
        place = os.path.realpath(os.fsdecode(path))
        known = os.path.normcase(place) + os.sep
        if known.startswith(self.own):
            return
        if self.armed and flags & WRITES:
            raise PermissionError(f"an answer may not write {place}")
        if not known.startswith(self.read):
            raise PermissionError(f"an answer may not read {place}")
        if self.within and self._of_library(place):
            self.used.add(f"the text of {os.path.basename(place)}")

    def _profile(self, frame: types.FrameType, event: str, _: Any) -> None:
        """Note each function of the library that is entered from outside it."""
        if not (event == "call" and self.within and self._of_library(frame.f_code.co_filename)):
            return
        if frame.f_back is None or not self._of_library(frame.f_back.f_code.co_filename):
            module, own = str(frame.f_globals.get("__name__", "")), frame.f_code.co_name
            self.used.add(module if own == "<module>" else f"{module}.{own}")

    def _of_library(self, place: str) -> bool:
        return place.startswith(self.library) and not place.startswith(self.library + "sandbox")


def _inside(places: Sequence[str]) -> tuple[str, ...]:
    """How the names begin of what is in these places, in the way in which this system compares names."""
    return tuple(os.path.normcase(os.path.realpath(place)).rstrip(os.sep) + os.sep for place in places)
