"""What the child is given and what it takes: places to read, an environment; memory, threads, disk."""

from __future__ import annotations

import contextlib
import os
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

from smatch_edu.sandbox import seccomp
from smatch_edu.sandbox.landlock import version
from smatch_edu.support.files import as_path, packaged

PACKAGE = Path(__file__).resolve().parents[1]
HIDDEN = ("checks", "course")  # folders of the package with right answers in them


def in_force(files: bool, calls: bool) -> tuple[str, ...]:
    """The protection in words, for the report."""
    return (
        "files: Landlock" if files else "files: Python's audit hook only",
        "network and processes: seccomp" if calls else "network and processes: Python's audit hook only",
        "time, memory: limits" if sys.platform != "win32" else "time, memory: watched only",
    )


def protection() -> tuple[str, ...]:
    """What would be in force here."""
    return in_force(version() > 0, seccomp.known())


def path() -> list[str]:
    """Where the child finds modules: here, but never in the current folder."""
    return [str(PACKAGE.parent), *(place for place in sys.path if place and place != str(PACKAGE.parent))]


def environment(folder: str | Path) -> dict[str, str]:
    """Little of ours: no names, no keys; one thread."""
    folder = as_path(folder)
    kept = {name: os.environ[name] for name in ("SYSTEMROOT", "LD_LIBRARY_PATH", "LANG") if name in os.environ}
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    places = dict.fromkeys(("HOME", "TMPDIR", "TEMP", "TMP", "MPLCONFIGDIR"), str(folder))
    return kept | threads | places | {"MPLBACKEND": "Agg", "PYTHONHASHSEED": "0"}


def readable() -> tuple[list[str], list[str]]:
    """What Python and its packages need; of this package all but the checks, and nothing of its repository.

    Returns:
        What may be read, and the places of which only the names may be listed, since something hidden is in them.
    """
    places = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    places |= {place for place in sys.path if Path(place).name in ("site-packages", "dist-packages", "lib-dynload")}
    places |= {
        str(Path(start, lib)) for start in (sys.base_prefix, sys.prefix, "/usr", "/") for lib in ("lib", "lib64")
    }
    places |= {"/etc/ld.so.cache", "/usr/share/zoneinfo", "/dev/null", "/dev/urandom", "/sys/devices/system/cpu"}
    places |= {"/proc/cpuinfo", str(PACKAGE), str(packaged())}
    resolved = sorted({Path(place).resolve() for place in places})
    homes = {PACKAGE.parent, *(Path(place).resolve() for place in sys.path if place)}  # it may be installed twice
    copies = [home / PACKAGE.name for home in homes if (home / PACKAGE.name).is_dir()]
    hidden = [copy / name for copy in copies for name in HIDDEN]
    whole = [str(part) for place in resolved for part in _without(place, hidden)]
    return whole, [str(place) for place in resolved if str(place) not in whole]


def _without(place: Path, hidden: Sequence[Path]) -> Iterator[Path]:
    """A place, or if something hidden is in it, what lies beside that."""
    if not any(one.is_relative_to(place) for one in hidden):
        yield place
    elif place not in hidden:
        for entry in place.iterdir():
            yield from _without(entry, hidden)


def below(pid: int) -> list[psutil.Process]:
    """The processes that a process has started, directly or not."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []


def used(pid: int) -> tuple[int, int, float]:
    """Bytes of memory, threads, and seconds of a processor, of a process and all below it."""
    memory, threads, seconds = 0, 0, 0.0
    with contextlib.suppress(psutil.Error):
        for one in [psutil.Process(pid), *below(pid)]:
            memory += one.memory_info().rss
            threads += one.num_threads()
            seconds += sum(one.cpu_times()[:2])
    return memory, threads, seconds


def larger(folder: str | Path, most: int) -> bool:
    """Whether the files in a folder, which has no others in it, are larger than that, or more than a thousand."""
    folder = as_path(folder)
    size = 0
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for number, entry in enumerate(entries):
            with contextlib.suppress(OSError):
                size += entry.stat(follow_symlinks=False).st_size
            if size > most or number > 1000:
                return True
    return False
