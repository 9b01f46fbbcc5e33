"""What the child is given and what it takes: namespaces, places to read, an environment; memory, processes, disk."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

from smatch_edu.sandbox.landlock import version
from smatch_edu.support.files import packaged

PACKAGE = Path(__file__).resolve().parents[1]
HIDDEN = ("checks", "course")  # folders of the package with right answers in them
ALONE = ("unshare", "--user", "--map-current-user", "--net", "--ipc", "--pid", "--fork", "--kill-child")


def in_force(files: bool, alone: bool) -> tuple[str, ...]:
    """The protection in words, for the report."""
    return (
        "files: Landlock" if files else "files: Python's audit hook only",
        "network and processes: namespaces" if alone else "network and processes: Python's audit hook only",
        "time, memory: limits" if sys.platform != "win32" else "time, memory: watched only",
    )


def protection() -> tuple[str, ...]:
    """What would be in force here."""
    return in_force(version() > 0, can_be_alone())


@functools.cache
def can_be_alone() -> bool:
    """Whether namespaces can be made here. Containers and some systems do not allow it."""
    if sys.platform != "linux" or shutil.which(ALONE[0]) is None:
        return False
    try:
        return subprocess.run([*ALONE, "true"], capture_output=True, timeout=10).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def die_with_parent() -> None:
    """A grader that is killed leaves nobody behind."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def path() -> list[str]:
    """Where the child finds modules: here, but never in the current folder."""
    return [str(PACKAGE.parent), *(place for place in sys.path if place and place != str(PACKAGE.parent))]


def environment(folder: Path) -> dict[str, str]:
    """Little of ours: no names, no keys; one thread."""
    kept = {name: os.environ[name] for name in ("SYSTEMROOT", "LD_LIBRARY_PATH", "LANG") if name in os.environ}
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return kept | threads | {"HOME": str(folder), "TMPDIR": str(folder), "MPLBACKEND": "Agg", "PYTHONHASHSEED": "0"}


def readable() -> Iterator[str]:
    """What Python and its packages need; of this package all but the checks, and nothing of its repository."""
    places = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    places |= {place for place in sys.path if Path(place).name in ("site-packages", "dist-packages", "lib-dynload")}
    places |= {
        str(Path(start, lib)) for start in (sys.base_prefix, sys.prefix, "/usr", "/") for lib in ("lib", "lib64")
    }
    places |= {"/etc/ld.so.cache", "/usr/share/zoneinfo", "/dev/null", "/dev/urandom", "/sys/devices/system/cpu"}
    for place in sorted(places | {str(PACKAGE), str(packaged())}):
        yield from map(str, _without(Path(place).resolve(), [PACKAGE / name for name in HIDDEN]))


def _without(place: Path, hidden: Sequence[Path]) -> Iterator[Path]:
    """A place, or if something hidden is in it, what lies beside that."""
    if not any(one.is_relative_to(place) for one in hidden):
        yield place
    elif place not in hidden:
        for entry in place.iterdir():
            yield from _without(entry, hidden)


def below(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []


def used(pid: int) -> tuple[int, int, float]:
    """Bytes of memory, processes, and seconds of a processor, of all that is below a process, or of itself alone."""
    memory, seconds, processes = 0, 0.0, below(pid)
    for one in processes or ([psutil.Process(pid)] if psutil.pid_exists(pid) else []):
        with contextlib.suppress(psutil.Error):
            memory += one.memory_info().rss
            seconds += sum(one.cpu_times()[:2])
    return memory, len(processes), seconds


def larger(folder: Path, most: int) -> bool:
    """Whether the files below a folder are larger than that, or more than a thousand."""
    size = 0
    for number, path in enumerate(folder.rglob("*")):
        with contextlib.suppress(OSError):
            size += path.lstat().st_size
        if size > most or number > 1000:
            return True
    return False
