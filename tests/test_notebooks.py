"""The notebooks as programs: that their validation is strict, and that students can work in them."""

import copy
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import pytest
from nbclient import NotebookClient

from lessons import NOTEBOOKS, ROOT, WRITTEN, code_cells, grading, source
from notebook_validation import BUSY, SECONDS_PER_NOTEBOOK, Output, sealed_profile
from smatch_edu.checks.exercise import STAND_IN
from smatch_edu.course.student_versions import BEGIN, student_version

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
        ("0.8731", "1", False),  # numbers must be written alike
        ("0.8731", "0.9", False),
        ("0.8731", "8.731e-01", False),
        ("12", "12.4", False),
        ("1.5", "2", False),
        ("0.001", "0", False),
        ("+0.5%", "0.5%", False),
        ("α = 0.1", "α = 0.2", False),  # the last digit is the only one that says anything
        ("0.05", "0.06", True),  # 0.055, rounded
        ("-0.00", "0.00", True),
        ("9.99", "10.00", True),
        ("2e-18", "0e+00", True),
        ("(PNG 700 x 400)", "(PNG 700 x 401)", False),
    ],
)
def test_outputs_are_compared_by_text_and_by_number(stored, found, equal):
    assert (Output(stored) == Output(found)) == (Output(found) == Output(stored)) == equal
    assert (Output(stored) != Output(found)) != equal


def validate(folder, **environment):
    """What `make notebooks` says of the notebooks in a folder: file → the complaints about it, none if it passes."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "notebook_validation",
        "-p",
        "no:cacheprovider",
        "--nbval",
        "--continue-on-collection-errors",
    ]
    paths = sorted(folder.glob("*.ipynb"))
    subprocess.run(
        [*command, "--rootdir", str(folder), "--junit-xml", str(folder / "verdict.xml"), *map(str, paths)],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent), "OMP_NUM_THREADS": "1"} | environment,
        capture_output=True,
        text=True,
    )
    said = {path.name: [] for path in paths}
    cases = list(ElementTree.parse(folder / "verdict.xml").iter("testcase"))
    for case in cases:
        name = next(name for name in said if name in (case.get("classname"), case.get("name")))
        said[name] += [complaint.text for complaint in (*case.iter("failure"), *case.iter("error"))]
    return {name.removesuffix(".ipynb"): complaints for name, complaints in said.items()}


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
    edit(notebook["cells"][number], output)
    if notebook["cells"][number]["cell_type"] == "raw":
        notebook["cells"] = [cell for cell in notebook["cells"] if cell["cell_type"] != "code"]
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
    lines = "import time\nstart = time.process_time()\nwhile time.process_time() - start < 3: pass\n"
    cell["source"] = lines + source(cell)


def wait_for_ever(cell, output):
    cell["source"] = "import time\ntime.sleep(1000)\n" + source(cell)


def ask_to_be_skipped(cell, output):
    cell["source"] = "# NBVAL_SKIP\n" + source(cell)


def ask_not_to_be_compared(cell, output):
    cell["metadata"] = {"tags": ["nbval-ignore-output"]}


def show_a_picture(cell, output):
    cell["outputs"].append({"output_type": "display_data", "metadata": {}, "data": {"image/png": "iVBORw0KGgo="}})


def reach_out_by_datagram(cell, output):
    lines = "import socket\nsocket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 9))\n"
    cell["source"] = lines + source(cell)


def ask_for_an_address(cell, output):
    cell["source"] = "import socket\nsocket.gethostbyname('example.invalid')\n" + source(cell)


def mutter(cell, output):
    cell["source"] = "import sys\nprint('careful', file=sys.stderr)\n" + source(cell)


def only_words(cell, output):
    cell["cell_type"] = "raw"


EDITS = {
    "as_it_is": (lambda cell, output: None, None),
    "stderr": (mutter, None),
    "one_number": (change_text(r"(\d\.)(\d)", lambda m: m[1] + str((int(m[2]) + 5) % 10)), "Cell outputs differ"),
    "one_word": (change_text(r"empty", "blank"), "Cell outputs differ"),
    "output_cleared": (clear, "Unexpected output fields"),
    "never_run": (never_run, "execution count None"),
    "out_of_order": (run_out_of_order, "restart the kernel"),
    "skipped": (ask_to_be_skipped, "switches its validation off"),
    "not_compared": (ask_not_to_be_compared, "switches its validation off"),
    "network": (reach_out, "a test tried to reach '192.0.2.1'"),
    "datagram": (reach_out_by_datagram, "a test tried to reach '192.0.2.1'"),
    "name": (ask_for_an_address, "a test tried to reach 'example.invalid'"),
    "picture": (show_a_picture, "Missing output fields"),
    "no_code": (only_words, "has no code cell"),
}


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    """What validation says of a copy of a lesson with each edit."""
    folder = tmp_path_factory.mktemp("edited")
    for name, (edit, _) in EDITS.items():
        (folder / f"{name}.ipynb").write_text(json.dumps(edited(edit)), encoding="utf-8")
    return validate(folder)


@pytest.mark.parametrize("name", EDITS)
def test_validation_fails_if_one_thing_is_wrong_and_only_then(verdicts, name):
    wanted = EDITS[name][1]
    if wanted is None:
        assert not verdicts[name]
    else:
        (complaint,) = verdicts[name]
        assert wanted in complaint


@pytest.mark.parametrize(
    ("limit", "complaint"),
    [
        ("SECONDS_PER_CELL", "a cell may take 2 s"),
        ("SECONDS_PER_NOTEBOOK", "a notebook may take 2 s"),
        ("never_ends", "Timeout of 12 seconds exceeded"),
    ],
)
def test_a_slow_cell_and_a_slow_notebook_fail(tmp_path, limit, complaint):
    slow = wait_for_ever if limit == "never_ends" else take_too_long
    (tmp_path / "slow.ipynb").write_text(json.dumps(edited(slow)), encoding="utf-8")
    said = validate(tmp_path, **{"SECONDS_PER_CELL" if limit == "never_ends" else limit: "2"})["slow"]
    assert said and any(complaint in one for one in said)


# Student versions


@pytest.fixture(scope="module")
def profile(tmp_path_factory):
    """Environment variables for kernels that cannot leave this machine."""
    return sealed_profile(tmp_path_factory.mktemp("profile"))


OWN = re.compile(r"\bmy_run\b")  # a student's own experiment: what stands in for it is another one


# Those that take long run as students have them only with `make test-all`; solved, `make notebooks` runs all.
LONG = ("03_", "04_", "05_", "07_", "08_", "09_", "10_", "12_", "set_4_")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name.startswith(LONG) else []) for name in WRITTEN]
)
def test_without_answers_run_all_runs_to_the_end_and_every_check_is_friendly(name, profile):
    student = nbformat.reads(json.dumps(student_version(WRITTEN[name], name)), as_version=4)
    assert BEGIN not in nbformat.writes(student)
    place = {"metadata": {"path": str(ROOT / "notebooks")}}
    client = NotebookClient(
        student, timeout=BUSY * SECONDS_PER_NOTEBOOK, kernel_name="python3", record_timing=False, resources=place
    )
    client.execute(env=os.environ | profile | {"OMP_NUM_THREADS": "1"})
    for stored, cell in zip(code_cells(WRITTEN[name]), code_cells(student), strict=True):
        if grading(cell).get("grade"):
            (told,) = cell["outputs"]
            assert (
                told["name"] == "stderr" and "✗ Still to do" in told["text"] and told["text"].endswith(f"{STAND_IN}\n")
            )
        elif not OWN.search(source(cell)):
            assert Output(said(cell)[0]) == said(stored)[0], f"with the course's own functions {source(cell)} says more"


# A look that would spoil everything: white lines and words, huge, drawn by a program that may not be there.
USERS_LOOK = (
    "import matplotlib.style\nmatplotlib.style.use(['dark_background', {'font.size': 23, 'text.usetex': True}])"
)
NO_LOOK = "matplotlib.style.use('default')"


def said(cell):
    """What a cell said and showed. A check draws anew each time, so its largest error is not the same."""
    shown = [output for output in cell["outputs"] if output.get("name") != "stderr"]
    printed = "".join("".join(output["text"]) for output in shown if output["output_type"] == "stream")
    parts = [output.get("data", output.get("evalue")) for output in shown if output["output_type"] != "stream"]
    return re.sub(r"largest error \S+", "", printed), parts


@pytest.mark.slow
@pytest.mark.parametrize("name", WRITTEN)
def test_a_cell_that_is_run_again_with_the_users_look_says_and_shows_the_same(name, profile):
    notebook = nbformat.reads(json.dumps(WRITTEN[name]), as_version=4)
    notebook.cells = [
        nbformat.v4.new_code_cell(text)
        for cell in code_cells(notebook)
        for text in (cell.source, USERS_LOOK, cell.source, NO_LOOK)
    ]
    place = {"metadata": {"path": str(ROOT / "notebooks")}}
    client = NotebookClient(notebook, timeout=600, kernel_name="python3", record_timing=False, resources=place)
    client.execute(env=os.environ | profile | {"OMP_NUM_THREADS": "1"})
    for stored, first, again in zip(code_cells(WRITTEN[name]), notebook.cells[::4], notebook.cells[2::4], strict=True):
        assert said(first) == said(again), first.source
        assert Output(said(first)[0]) == said(stored)[0], f"what was run twice before it changed {first.source}"
