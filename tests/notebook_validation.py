"""Strict validation of notebooks: nbval, with outputs that may differ as far as rounding does, and no further.

    python -m pytest -p notebook_validation --nbval notebooks/02_occupancy.ipynb

- Text must be equal, character by character. Numbers in it are compared by tolerance: whole numbers exactly; others
  to RTOL = 1e-3 relative, or one unit of their last printed digit, or ATOL = 1e-9.
- Images are not compared (their text is); stderr is ignored.
- A code cell must have been executed, in order. One cell may take 30 s, one notebook 60 s.
- Kernels cannot leave this machine, and have a profile of their own.
"""

import json
import os
import re
import tempfile
import time
from pathlib import Path

import pytest
from nbval.plugin import IPyNbCell, IPyNbFile

RTOL, ATOL = 1e-3, 1e-9
# A test of these limits sets lower ones.
SECONDS_PER_CELL = float(os.environ.get("SECONDS_PER_CELL", 30))
SECONDS_PER_NOTEBOOK = float(os.environ.get("SECONDS_PER_NOTEBOOK", 60))

NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d+(?:\.\d+)?|\.\d+)(?:e[-+]?\d+)?(?!\w|\.\d)", re.IGNORECASE)
DATA = re.compile(r"data:image/[\w+-]+;base64,[\w+/=]+")


def last_digit(number: str) -> float:
    """One unit of the last printed digit: 0.001 for "0.873", 1e-17 for "1.1e-16"."""
    mantissa, _, exponent = number.lower().partition("e")
    return 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))


def near(this: str, that: str) -> bool:
    """Whether two printed numbers are equal up to rounding; whole numbers have to be equal."""
    if re.fullmatch(r"[-+]?\d+", this) and re.fullmatch(r"[-+]?\d+", that):
        return int(this) == int(that)
    one, other = float(this), float(that)
    unit = 1.001 * max(last_digit(this), last_digit(that))
    return abs(one - other) <= max(RTOL * max(abs(one), abs(other)), unit, ATOL)


class Output(str):
    """Printed output, equal to another one if the text is and the numbers are near."""

    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, str):
            return NotImplemented
        texts = [NUMBER.sub("#", str(output)) for output in (self, other)]
        numbers = [NUMBER.findall(str(output)) for output in (self, other)]
        return texts[0] == texts[1] and all(near(*pair) for pair in zip(*numbers, strict=True))

    def __ne__(self, other: object) -> bool:
        return not self == other


def sanitize(self: IPyNbCell, text: object) -> object:
    """What nbval compares: text as an `Output`, images left out of it."""
    return Output(DATA.sub("(image)", text)) if isinstance(text, str) else text


def compare_outputs(self: IPyNbCell, test, reference, skip_compare=None) -> bool:
    """nbval's comparison without stderr."""
    test, reference = (
        [output for output in outputs if output.get("name") != "stderr"] for outputs in (test, reference)
    )
    return nbval_compare_outputs(self, test, reference, skip_compare)


def runtest(self: IPyNbCell) -> None:
    """Run one cell, after a look at whether it had been run, and at the clock."""
    source = self.cell.source.strip()
    if source and self.cell.execution_count != self.cell_num + 1:
        self.raise_cell_error(
            f"execution count {self.cell.execution_count}, wanted {self.cell_num + 1}: restart the kernel, run all "
            "cells, save"
        )
    start = time.perf_counter()
    try:
        nbval_runtest(self)
    finally:
        self.parent.seconds = getattr(self.parent, "seconds", 0.0) + time.perf_counter() - start
    if self.parent.seconds > SECONDS_PER_NOTEBOOK:
        self.raise_cell_error(f"{self.parent.seconds:.0f} s so far; a notebook may take {SECONDS_PER_NOTEBOOK:.0f} s")


nbval_compare_outputs, nbval_runtest = IPyNbCell.compare_outputs, IPyNbCell.runtest
IPyNbCell.sanitize, IPyNbCell.compare_outputs, IPyNbCell.runtest = sanitize, compare_outputs, runtest


def sealed_profile(folder: Path) -> dict[str, str]:
    """Environment variables for a kernel with its own profile, whose first act is to guard the network."""
    startup = folder / "profile_default" / "startup"
    startup.mkdir(parents=True, exist_ok=True)
    guard = (Path(__file__).parent / "no_network.py").read_text(encoding="utf-8")
    (startup / "00_no_network.py").write_text(
        f"import types\n_guard = types.ModuleType('no_network')\nexec({json.dumps(guard)}, _guard.__dict__)\n"
        "_guard.install()\ndel types, _guard\n",
        encoding="utf-8",
    )
    return {"IPYTHONDIR": str(folder), "MPLBACKEND": "Agg"}


def pytest_configure(config: pytest.Config) -> None:
    """Run in this environment, with the limits above."""
    config._notebook_profile = tempfile.TemporaryDirectory(prefix="notebook-profile-")
    os.environ.update(sealed_profile(Path(config._notebook_profile.name)))
    config.option.nbval_current_env = True
    config.option.nbval_cell_timeout = min(float(config.option.nbval_cell_timeout), SECONDS_PER_CELL)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave nothing behind."""
    config._notebook_profile.cleanup()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A notebook without a single code cell would pass unseen."""
    for file in {item.parent for item in items if isinstance(item.parent, IPyNbFile)}:
        assert any(cell.cell_type == "code" for cell in file.nb.cells)
