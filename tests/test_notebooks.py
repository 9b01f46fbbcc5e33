"""The notebooks as programs: that their validation is strict, and that students can work in them."""

import copy
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from lessons import NOTEBOOKS, code_cells, grading, source
from notebook_validation import SECONDS_PER_NOTEBOOK, Output, sealed_profile
from smatch_edu.course import BEGIN, student_version

# Validation is strict


@pytest.mark.parametrize(
    ("stored", "found", "equal"),
    [
        ("loss 0.8731", "loss 0.8731", True),
        ("loss 0.8731", "loss 0.8732", True),  # one unit of the last digit: rounding
        ("loss 0.8731", "loss 0.8751", False),
        ("loss 0.8731", "cost 0.8731", False),
        ("loss 0.8731", "loss  0.8731", False),
        ("12 states", "13 states", False),  # whole numbers are exact
        ("12 states", "12 states", True),
        ("76.2%, then -0.5.", "76.3%, then -0.5.", True),
        ("76.2%, then -0.5.", "76.2%, then 0.5.", False),
        ("error 1.1e-16", "error 3.4e-16", True),
        ("error 1.1e-16", "error 1.1e-06", False),
        ("1.234e+05", "1.235e+05", True),
        ("inf", "nan", False),
        ("[0.10 0.90]", "[0.10 0.90 0.00]", False),
        ("chi2", "chi3", False),
    ],
)
def test_outputs_are_compared_by_text_and_by_number(stored, found, equal):
    assert (Output(stored) == Output(found)) == (Output(found) == Output(stored)) == equal
    assert (Output(stored) != Output(found)) != equal


def validate(*paths, **environment):
    """What `make notebooks` says of these files: (passed, output)."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "notebook_validation", "-p", "no:cacheprovider", "--nbval"]
    done = subprocess.run(
        [*command, "--rootdir", str(paths[0].parent), *map(str, paths)],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent), "OMP_NUM_THREADS": "1"} | environment,
        capture_output=True,
        text=True,
    )
    return done.returncode == 0, done.stdout + done.stderr


def printing_cell(notebook):
    """The first cell that prints words and a number with a decimal point."""
    for number, cell in enumerate(notebook["cells"]):
        for output in cell.get("outputs", []):
            if output["output_type"] == "stream" and re.search(r"[a-z]{3}.*\d\.\d", "".join(output["text"]), re.DOTALL):
                return number, output
    raise AssertionError("no cell prints words and a number")


def edited(edit):
    """A copy of a lesson up to a cell that prints, edited in what that cell prints."""
    notebook = copy.deepcopy(NOTEBOOKS["02_occupancy"])
    number, output = printing_cell(notebook)
    notebook["cells"] = notebook["cells"][: number + 1]
    # What stands between is not needed for this cell, and would only take time.
    edit(notebook["cells"][number], output)
    return notebook


def change_text(pattern, replacement):
    def edit(cell, output):
        before = "".join(output["text"])
        output["text"] = re.sub(pattern, replacement, before, count=1)
        assert output["text"] != before

    return edit


def clear(cell, output):
    cell["outputs"] = []


def never_run(cell, output):
    cell["outputs"], cell["execution_count"] = [], None


def run_out_of_order(cell, output):
    cell["execution_count"] += 1


def reach_out(cell, output):
    cell["source"] = "import urllib.request\nurllib.request.urlopen('http://192.0.2.1')\n" + source(cell)


def take_too_long(cell, output):
    cell["source"] = "import time\ntime.sleep(3)\n" + source(cell)


def mutter(cell, output):
    cell["source"] = "import sys\nprint('careful', file=sys.stderr)\n" + source(cell)


@pytest.mark.parametrize(
    ("edit", "complaint"),
    [
        (mutter, None),  # stderr is ignored
        (change_text(r"(\d\.)(\d)", lambda m: m[1] + str((int(m[2]) + 5) % 10)), "Cell outputs differ"),
        (change_text(r"empty", "blank"), "Cell outputs differ"),
        (clear, "Unexpected output fields"),
        (never_run, "execution count None"),
        (run_out_of_order, "restart the kernel"),
        (reach_out, "a test tried to reach '192.0.2.1'"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_validation_fails_if_one_thing_is_wrong(tmp_path, edit, complaint):
    path = tmp_path / "copy.ipynb"
    path.write_text(json.dumps(edited(edit)), encoding="utf-8")
    passed, said = validate(path)
    assert passed == (complaint is None), said
    assert complaint is None or complaint in said, said


def test_a_slow_cell_and_a_slow_notebook_fail(tmp_path):
    path = tmp_path / "copy.ipynb"
    path.write_text(json.dumps(edited(take_too_long)), encoding="utf-8")
    for limit in ({"SECONDS_PER_CELL": "1"}, {"SECONDS_PER_NOTEBOOK": "1"}):
        passed, said = validate(path, **limit)
        assert not passed and re.search(r"Timeout of 1 seconds|a notebook may take 1 s", said), said


# Student versions


@pytest.fixture(scope="module")
def profile(tmp_path_factory):
    """Environment variables for kernels that cannot leave this machine."""
    return sealed_profile(tmp_path_factory.mktemp("profile"))


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_without_answers_every_check_is_friendly_and_everything_else_runs(name, profile):
    student = nbformat.reads(json.dumps(student_version(NOTEBOOKS[name], name)), as_version=4)
    assert BEGIN not in nbformat.writes(student)
    client = NotebookClient(
        student, timeout=SECONDS_PER_NOTEBOOK, allow_errors=True, kernel_name="python3", record_timing=False
    )
    client.execute(env=os.environ | profile | {"OMP_NUM_THREADS": "1"})
    for cell in code_cells(student):
        errors = [output for output in cell["outputs"] if output["output_type"] == "error"]
        if not grading(cell).get("grade"):
            assert not errors, f"{source(cell)}\n{errors}"
            continue
        (error,) = errors
        assert error["ename"] == "NotYet" and "Still to do" in error["evalue"]
        shown = "\n".join(error["traceback"])
        assert "Still to do" in shown and "Traceback" not in shown and len(shown) < 300
