"""Strict validation of notebooks: nbval, with outputs that may differ as far as rounding does, and no further.

    python -m pytest -p notebook_validation --nbval notebooks/02_occupancy.ipynb

- Text must be equal, character by character. Numbers in it must be written alike and are compared by tolerance: whole
  numbers exactly; others to RTOL = 1e-3 relative, or ATOL = 1e-9, or one unit of the last printed digit if there are
  two decimals or three digits.
- Of an image its presence and size are compared (and its text); stderr is ignored.
- A code cell must have been executed, in order, and no tag or comment may exempt it.
- One cell may take 30 s of a processor, one notebook 60 s; by the clock a cell may take six times as long, since others
  may have the processor.
- Kernels cannot leave this machine, and have a profile of their own.
"""

import base64
import json
import os
import re
import struct
import tempfile
from pathlib import Path

import psutil
import pytest
from nbval.plugin import IPyNbCell, IPyNbFile

RTOL, ATOL = 1e-3, 1e-9
# A test of these limits sets lower ones; nobody can set higher ones.
SECONDS_PER_CELL = min(30.0, float(os.environ.get("SECONDS_PER_CELL", 30)))
SECONDS_PER_NOTEBOOK = min(60.0, float(os.environ.get("SECONDS_PER_NOTEBOOK", 60)))
BUSY = 6
NOT_COMPARED = ("metadata", "traceback", "prompt_number", "output_type", "name", "execution_count")

NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d+(?:\.\d+)?|\.\d+)(?:e[-+]?\d+)?(?!\w|\.\d)", re.IGNORECASE)
IMAGE = re.compile(r"(?:data:image/png;base64,)?(iVBORw0KGgo[\w+/=\s]+)")


def near(this: str, that: str) -> bool:
    """Whether two printed numbers are equal up to rounding. They must be written alike; whole ones must be equal."""
    (sign, decimals, exponent), other = notation(this), notation(that)
    one, two = float(this), float(that)
    if (decimals, exponent) != other[1:] or (sign == "+") != (other[0] == "+"):
        return False
    if decimals == 0 and not exponent:
        return one == two
    # The last digit may be rounded the other way, unless it is the only one that says anything: 0.1 is not 0.2.
    digits = min(len(re.sub(r"e.*|\D", "", number.lower()).lstrip("0")) for number in (this, that))
    unit = 1.001 * 10.0**-decimals if not exponent and (decimals >= 2 or digits >= 3) else 0.0
    return abs(one - two) <= max(RTOL * max(abs(one), abs(two)), unit, ATOL)


def notation(number: str) -> tuple[str, int, bool]:
    """How a number is written: its sign, its decimals, and whether it has an exponent."""
    mantissa, exponent, _ = number.lower().partition("e")
    return number[0], len(mantissa.partition(".")[2]), bool(exponent)


def size_of_image(found: re.Match[str]) -> str:
    """What is compared of a PNG: that there is one, and its size."""
    header = base64.b64decode(found[1][:64])
    return "(PNG {} x {})".format(*struct.unpack(">II", header[16:24])) if len(header) > 24 else "(a broken PNG)"


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
    """What nbval compares: text as an `Output`, with the size of an image in the place of the image."""
    return Output(IMAGE.sub(size_of_image, text)) if isinstance(text, str) else text


def compare_outputs(self: IPyNbCell, test, reference, skip_compare=None) -> bool:
    """nbval's comparison without stderr."""
    test, reference = (
        [output for output in outputs if output.get("name") != "stderr"] for outputs in (test, reference)
    )
    return nbval_compare_outputs(self, test, reference, NOT_COMPARED)


def runtest(self: IPyNbCell) -> None:
    """Run one cell, after a look at whether it had been run and is compared; and look at the clock."""
    source = self.cell.source.strip()
    if source and self.cell.execution_count != self.cell_num + 1:
        self.raise_cell_error(
            f"execution count {self.cell.execution_count}, wanted {self.cell_num + 1}: restart the kernel, run all "
            "cells, save"
        )
    if self.options["skip"] or self.options["check_exception"] or not self.options["check"]:
        self.raise_cell_error("a tag or comment of this cell switches its validation off; wanted every output compared")
    before = seconds_of_a_processor(self.parent)
    nbval_runtest(self)
    after = seconds_of_a_processor(self.parent)
    if after - before > SECONDS_PER_CELL:
        self.raise_cell_error(f"{after - before:.1f} s; a cell may take {SECONDS_PER_CELL:.0f} s of a processor")
    if after > SECONDS_PER_NOTEBOOK:
        self.raise_cell_error(f"{after:.1f} s so far; a notebook may take {SECONDS_PER_NOTEBOOK:.0f} s of a processor")


def seconds_of_a_processor(notebook: IPyNbFile) -> float:
    """What the kernel of a notebook has used so far, and the programs that it has run to their end."""
    kernel = psutil.Process(notebook.kernel.km.provisioner.pid)
    return sum(kernel.cpu_times()[:4]) + sum(sum(child.cpu_times()[:2]) for child in kernel.children(recursive=True))


def collect(self: IPyNbFile):
    """The cells; a notebook without a code cell would pass unseen."""
    cells = list(nbval_collect(self))
    if not cells:
        raise pytest.Collector.CollectError(f"{self.path.name} has no code cell; at least one was wanted")
    return cells


nbval_compare_outputs, nbval_runtest, nbval_collect = IPyNbCell.compare_outputs, IPyNbCell.runtest, IPyNbFile.collect
IPyNbCell.sanitize, IPyNbCell.compare_outputs, IPyNbCell.runtest = sanitize, compare_outputs, runtest
IPyNbFile.collect = collect


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
    config.option.nbval_cell_timeout = min(float(config.option.nbval_cell_timeout), BUSY * SECONDS_PER_CELL)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave nothing behind."""
    config._notebook_profile.cleanup()
