"""Whether this environment can run the course: versions, kernel, threads, compiler, memory; and what mends each fault.

Nothing of what is examined is imported, so that a broken package can be told of.
"""

from __future__ import annotations

import json
import os
import platform
import shlex
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

import psutil

from smatch_edu.support.files import packaged

PACKAGE = "smatch_edu"
MEMORY, DISK = 2.0, 1.0  # GB that the longest lesson needs, rounded up
EXTRAS = {  # optional parts, and what each is for
    "notebooks": "the lessons",
    "hf": "finetuning a pretrained model",
    "eval": "MAUVE",
    "course": "nbgrader's own commands",
}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what: was looked at.
        found: there.
        good: None for an optional part that is not there.
        mend: what to do about it, "" if nothing.
    """

    what: str
    found: str
    good: bool | None = True
    mend: str = ""

    def __str__(self) -> str:
        sign = {True: "✓", False: "✗", None: "–"}[self.good]
        return f"{sign} {self.what}: {self.found}" + (f"\n    → {self.mend}" if self.mend else "")


def examine() -> Iterator[Finding]:
    """All that can be said of this environment, the most basic first."""
    yield _python()
    yield from _packages()
    yield _data()
    yield _kernel()
    yield _threads()
    yield _compiler()
    yield _room("free memory", psutil.virtual_memory().available, MEMORY, "close other programs and other notebooks")
    yield _room("free disk", shutil.disk_usage(Path.cwd()).free, DISK, "make room, or work in another folder")


def _python() -> Finding:
    here, wanted = sys.version_info[:2], ((3, 10), (3, 13))
    found = f"{platform.python_version()} ({sys.executable})"
    if wanted[0] <= here <= wanted[1]:
        return Finding("Python", found)
    return Finding("Python", found, False, "make an environment with Python 3.10 to 3.13: PYTHON=python3.12 make run")


def _packages() -> Iterator[Finding]:
    """What the package asks for, then each optional part."""
    from packaging.requirements import Requirement  # matplotlib brings it

    try:
        asked = [Requirement(line) for line in distribution(PACKAGE).requires or ()]
    except PackageNotFoundError:
        yield Finding(PACKAGE, "is not installed", False, "run `pip install -e .` in the folder with pyproject.toml")
        return
    wrong = 0
    for one in asked:
        if one.marker is None or one.marker.evaluate({"extra": ""}):
            found = _version(one.name)
            if found is None or not one.specifier.contains(found, prereleases=True):
                wrong += 1
                mend = f"{shlex.quote(sys.executable)} -m pip install '{one.name}{one.specifier}'"
                yield Finding(one.name, f"{found or 'missing'}; {one.specifier} was wanted", False, mend)
    if not wrong:
        told = ", ".join(f"{name} {_version(name)}" for name in ("torch", "numpy", "scipy"))
        yield Finding("packages", f"{PACKAGE} {version(PACKAGE)}, {told} and the rest are as wanted")
    for extra, use in EXTRAS.items():
        parts = [one for one in asked if one.marker and one.marker.evaluate({"extra": extra})]
        parts = [one for one in parts if not one.marker or not one.marker.evaluate({"extra": ""})]
        missing = [one.name for one in parts if not one.specifier.contains(_version(one.name) or "0", prereleases=True)]
        found = f"{', '.join(missing)} missing" if missing else "there"
        mend = f"for {use}: {shlex.quote(sys.executable)} -m pip install -e '.[{extra}]'" if missing else ""
        yield Finding(f"[{extra}]", found, None if missing else True, mend)


def _data() -> Finding:
    words = packaged("words.tsv")
    if words.is_file():
        return Finding("data", str(words.parent))
    return Finding("data", f"{words} is missing", False, "install the package again, or restore the folder data/")


def _kernel() -> Finding:
    """The kernel that a notebook starts by its name, python3: it must be this Python's."""
    places = [Path(sys.prefix, "share", "jupyter")]
    places += [Path(place) for place in os.environ.get("JUPYTER_PATH", "").split(os.pathsep) if place]
    python = shlex.quote(sys.executable)
    own = f"{python} -m ipykernel install --sys-prefix"
    if _version("ipykernel") is None:
        return Finding(
            "kernel",
            "ipykernel is missing",
            None,
            f"for the lessons: {python} -m pip install -e '.[notebooks]'",
        )
    for place in reversed(places):
        spec = place / "kernels" / "python3" / "kernel.json"
        try:
            program = json.loads(spec.read_text("utf-8"))["argv"][0]
        except (OSError, ValueError, KeyError, IndexError, TypeError):
            continue
        if Path(program).name == program or Path(program) == Path(sys.executable):
            return Finding("kernel", f"python3 is this Python ({spec.parent})")
        return Finding("kernel", f"python3 starts {program}", False, own)
    return Finding("kernel", "none is named python3 here", False, own)


def _threads() -> Finding:
    """Results are the same to the last digit only for the same number of threads."""
    cores, told = len(psutil.Process().cpu_affinity()) if sys.platform == "linux" else os.cpu_count() or 1, ""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        given = os.environ.get(name, "")
        if given and not (given.isdigit() and 1 <= int(given) <= cores):
            return Finding("threads", f"{name}={given}, and there are {cores} cores", False, f"export {name}={cores}")
        told += f", {name}={given}" if given else ""
    return Finding("threads", f"{cores} cores{told}")


def _compiler() -> Finding:
    given = shlex.split(os.environ.get("CC", "")) or ["cc"]
    if found := shutil.which(given[0]):
        return Finding("C compiler", found)
    system = {"darwin": "xcode-select --install", "linux": "install gcc (apt install gcc)"}.get(sys.platform, "")
    mend = f"models type half as fast without: {system or 'install gcc or clang'}, or name yours in CC"
    return Finding("C compiler", f"{given[0]} is not there", None, mend)


def _room(what: str, free: int, wanted: float, mend: str) -> Finding:
    have = free / 1e9
    if have >= wanted:
        return Finding(what, f"{have:.1f} GB")
    return Finding(what, f"{have:.1f} GB; {wanted:g} were wanted", False, mend)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
