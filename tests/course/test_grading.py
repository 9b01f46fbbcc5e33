"""Grading a class: every kind of submission gets a row, the same seed gives the same grades, and a kill loses none."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from classroom import SMALL, WANTED, Course, code, notebook, write
from smatch_edu import checks
from smatch_edu.checks.exercise import Exercise
from smatch_edu.cli import main
from smatch_edu.course import grade_class, write_grades
from smatch_edu.course.assignments import solved
from smatch_edu.course.grading import Grader
from smatch_edu.course.marks import GRADED
from smatch_edu.sandbox import Answering
from smatch_edu.sandbox.framing import encode

NOTEBOOK = f"{SMALL}.ipynb"


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    return Course(tmp_path_factory.mktemp("course"))


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """A course of one question, for what needs many submissions."""
    return Course(tmp_path_factory.mktemp("short"), ("2-1",))


def grades(out):
    """grades.csv by student and assignment."""
    with (out / "grades.csv").open(encoding="utf-8", newline="") as file:
        return {(row["student_id"], row["assignment"]): row for row in csv.DictReader(file)}


def graded(course, submitted, out, **options):
    """Grade a folder; the rows of grades.csv."""
    rows = list(grade_class(submitted, course.source, out, options.pop("seed", 1), **options))
    write_grades(out, rows)
    return grades(out)


def test_a_solution_gets_all_points_and_stubs_get_none(course):
    full, none = course.grade(solved(course.solved)), course.grade(course.with_answer("", ""))
    assert (full.status, full.points, full.most) == (GRADED, 2 * len(WANTED), 2 * len(WANTED))
    assert not any(mark.flags for mark in full.marks) and not full.remarks
    assert none.points == 0 and all("Still to do" in mark.verdict for mark in none.marks)
    assert len(full.protection) == 3


def test_a_wrong_answer_is_told_the_hint_of_its_mistake_and_the_failing_case(course):
    forgotten = "def share_of_time(policy, gamma):\n    return (1 - gamma) * np.append(1, np.cumprod(policy))"
    mark = course.mark("2-1", forgotten)
    assert mark.points == 0 and "Which factor" not in mark.verdict
    assert "Each step costs one factor; which one is missing?" in mark.verdict and "For policy = [" in mark.verdict


def test_an_input_that_is_changed_and_one_that_is_replaced_are_noticed(course):
    for line in ("policy *= 2", "policy.resize(5, refcheck=False)"):
        mark = course.mark("2-1", f"def share_of_time(policy, gamma):\n    {line}\n    return policy")
        assert "changes its input `policy`" in mark.verdict, mark


def test_each_student_gets_other_inputs_and_always_the_same(short, monkeypatch):
    seen = []
    draw = Exercise.cases
    monkeypatch.setattr(Exercise, "cases", lambda self, seed: seen.append(repr(draw(self, seed))) or draw(self, seed))
    wrong = short.with_answer("2-1", "def share_of_time(policy, gamma): return 0")
    ann, again, bob = (short.grade(wrong, student) for student in ("ann", "ann", "bob"))
    assert ann.marks == again.marks and seen[-3] == seen[-2] != seen[-1] and bob.points == 0


def test_a_solution_that_fails_its_own_check_stops_the_grader_at_once(tmp_path):
    made = Course(tmp_path, ("2-1",))
    broken = json.loads(json.dumps(made.solved).replace("(1 - gamma) * np", "(2 - gamma) * np"))
    write(made.source / NOTEBOOK, broken)
    write(tmp_path / "handed" / "ann" / SMALL / NOTEBOOK, broken)
    with pytest.raises(ValueError, match=r"small\.ipynb: the solution of 2\.1 .* fails"):
        list(grade_class(tmp_path / "handed", made.source, tmp_path / "out", 1))


@pytest.fixture
def odd_class(short, tmp_path):
    """A submission of every kind."""
    folder, right = tmp_path / "submitted", solved(short.solved)
    other = right | {"metadata": {"kernelspec": {"language": "R", "name": "ir"}}}
    older = right | {"metadata": {"language_info": {"name": "python", "version": "3.6.1"}}}
    loud = [code("1") | {"outputs": [{"output_type": "stream", "name": "stdout", "text": "x" * 5_000_000}]}]
    for place, content in {
        f"ann/{SMALL}/{NOTEBOOK}": right,
        f"bob/{SMALL}/{NOTEBOOK}": other,
        f"cleo/{SMALL}/{NOTEBOOK}": older,
        f"dan/{SMALL}/solution_final.ipynb": right,
        f"eve/{SMALL}/{NOTEBOOK}": right,
        f"eve/{SMALL}/small (1).ipynb": right,
        f"fay/{SMALL}/a.ipynb": right,
        f"fay/{SMALL}/b.ipynb": right,
        f"gus/{SMALL}/notes.txt": "no notebook",
        f"hal/{SMALL}/{NOTEBOOK}": "{ no JSON",
        f"ida/smal/{NOTEBOOK}": right,
        f"jon/{NOTEBOOK}": right,
        NOTEBOOK: right,
        f"Kim/{SMALL}/{NOTEBOOK}": right,
        f"kim (1)/{SMALL}/{NOTEBOOK}": right,
        f"lea/{SMALL}/{NOTEBOOK}": right | {"cells": right["cells"] + loud},
        f"max/{SMALL}/{NOTEBOOK}": notebook([]),
        f"<b>née/{SMALL}/{NOTEBOOK}": right,
        f"oli/{SMALL}/{NOTEBOOK}": {"worksheets": [], "nbformat": 3},
        f"pia/{SMALL}/{NOTEBOOK}": short.with_answer("2-1", "import os\ndef share_of_time(p, g): os._exit(0)"),
    }.items():
        write(folder / place, content)
    (folder / "quin").mkdir()
    with write(folder / "tom" / SMALL / NOTEBOOK, "").open("r+b") as file:
        file.truncate(1 << 30)
    (folder / ".DS_Store").write_text("")
    if sys.platform == "linux":
        (folder / "rob" / SMALL).mkdir(parents=True)
        (folder / "rob" / SMALL / NOTEBOOK).symlink_to("/dev/zero")
        (folder / "sam" / SMALL).mkdir(parents=True)
        os.mkfifo(folder / "sam" / SMALL / NOTEBOOK)
        shutil.copytree(folder / "ann", Path(os.fsdecode(os.fsencode(folder) + b"/t\xffm")))
    return folder


SAID = {  # student: points, what the row says
    "ann": (2, ""),
    "bob": (0, "its kernel is for R; Python was wanted"),
    "cleo": (2, "written with Python 3.6.1"),
    "dan": (2, "the notebook is named solution_final.ipynb; small.ipynb was wanted"),
    "eve": (2, "also there, and not graded: small (1).ipynb"),
    "fay": (0, "which one counts? a.ipynb, b.ipynb"),
    "gus": (0, "there is no notebook; small.ipynb was wanted"),
    "hal": (0, "it is no JSON"),
    "jon": (2, "lay in the student's folder"),
    "Kim": (2, "perhaps the same student as 'kim (1)'"),
    "kim (1)": (2, "perhaps the same student as 'Kim'"),
    "lea": (2, ""),
    "max": (0, ""),
    "<b>née": (2, ""),
    "oli": (0, "format 3"),
    "pia": (0, ""),
    "rob": (0, "it is a link or a device"),
    "sam": (0, "it is a link or a device"),
    "t\\xffm": (2, ""),
    "tom": (0, "it has 1,024 MB, and at most 50 are read; its outputs may be cleared"),
}


def test_every_kind_of_submission_gets_a_row_that_says_what_happened(short, odd_class, tmp_path, capsys):
    out = tmp_path / "graded"
    command = ["grade", str(odd_class), "--source", str(short.source), "--out", str(out), "--seed", "7"]
    assert main(command) == 0
    rows = grades(out)
    for student, (points, said) in SAID.items():
        if student not in ("rob", "sam", "t\\xffm") or sys.platform == "linux":
            row = rows[student, SMALL]
            assert float(row["score"]) == points, row
            assert said in row["status"] + row["remarks"], row
    assert "did you mean 'small'" in rows["ida", "smal"]["status"]
    assert rows["ida", SMALL]["status"] == "nothing was handed in"
    assert rows["quin", ""]["status"] == "the folder is empty"
    assert "lies outside of any student's folder" in rows[NOTEBOOK, ""]["status"]
    assert len(rows) == len(SAID) + 5 and all(row["max_score"] == "2.0" for (_, a), row in rows.items() if a == SMALL)

    printed = capsys.readouterr().out
    assert "12 graded, 10 of them in full; 11 could not be graded." in printed and "In force: " in printed
    assert f"{SMALL}: 2 handed in nothing." in printed and "nothing was handed in" not in printed
    page = (out / "feedback" / "pia" / SMALL / f"{SMALL}.html").read_text("utf-8")
    assert "0 of 2 points" in page and "ended the whole process" in page
    [odd] = [path.read_text("utf-8") for path in out.glob(f"feedback/*née*/{SMALL}/{SMALL}.html")]
    assert "<b>née" not in odd and "&lt;b&gt;née" in odd

    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert main(command) == 0  # nothing is graded again
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_an_empty_class_is_said_to_be_one(short, tmp_path, capsys):
    (tmp_path / "submitted").mkdir()
    command = ["grade", str(tmp_path / "submitted"), "--source", str(short.source), "--out", str(tmp_path / "out")]
    assert main(command) == 0
    assert "Nobody has handed in anything." in capsys.readouterr().out
    assert (tmp_path / "out" / "grades.csv").read_text().count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "nowhere is no folder"),
        ([".", "--source", "nowhere"], "holds no notebook with questions"),
        ([".", "--seconds", "0"], "both must be above 0"),
        ([".", "--memory", "nan"], "both must be above 0"),
        ([".", "--seconds", "inf"], "both must be above 0"),
        ([".", "--seed", "-1"], "seed is -1"),
    ],
)
def test_what_the_instructor_can_mend_is_said_in_one_line(arguments, said, short, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(short.source, tmp_path / "notebooks")
    assert main(["grade", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_the_secret_seed_is_kept_and_used_again(short, tmp_path):
    write(tmp_path / "submitted" / "ann" / SMALL / NOTEBOOK, solved(short.solved))
    seeds = []
    for out in ("a", "a", "b"):
        assert graded(short, tmp_path / "submitted", tmp_path / out, seed=None)["ann", SMALL]["score"] == "2.0"
        seeds.append((tmp_path / out / "seed").read_text())
    assert seeds[0] == seeds[1] != seeds[2]


def test_only_what_changed_is_graded_again_and_no_grade_is_lost(short, tmp_path, monkeypatch):
    folder, out = tmp_path / "submitted", tmp_path / "out"
    for student in ("ann", "bob"):
        write(folder / student / SMALL / NOTEBOOK, solved(short.solved))
    graded(short, folder, out)
    told = []
    real = short.grader.__class__.grade
    monkeypatch.setattr(short.grader.__class__, "grade", lambda self, one: told.append(one.student) or real(self, one))
    write(folder / "bob" / SMALL / NOTEBOOK, short.with_answer("2-1", "share_of_time = 0"))
    shutil.rmtree(folder / "ann")
    rows = graded(short, folder, out)
    assert told == ["bob"] and rows["bob", SMALL]["score"] == "0.0"
    assert rows["ann", SMALL]["score"] == "2.0" and "no longer there" in rows["ann", SMALL]["remarks"]
    graded(short, folder, out, seed=2)
    assert told == ["bob", "bob"]


def test_a_fault_of_the_grader_costs_one_row_until_the_next_run(short, tmp_path, monkeypatch):
    folder, out = tmp_path / "submitted", tmp_path / "out"
    for student in ("ann", "bob", "cleo"):
        write(folder / student / SMALL / NOTEBOOK, solved(short.solved))
    real, calls = Exercise.judge, []

    def judge(self, cases, outcomes):
        calls.append(1)
        if len(calls) == 2:  # the first is the solution's own
            raise ZeroDivisionError
        return real(self, cases, outcomes)

    def process(*arguments):
        if len(calls) == 2:
            calls.append(1)
            raise BlockingIOError("no more processes")
        return Answering(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Exercise, "judge", judge)
        patch.setattr("smatch_edu.course.answers.Answering", process)
        rows = graded(short, folder, out)
    assert [rows[student, SMALL]["score"] for student in ("ann", "bob", "cleo")] == ["0.0", "0.0", "2.0"]
    assert "cannot be judged" in (out / "exercises.csv").read_text()
    assert "the grader stopped with BlockingIOError" in rows["bob", SMALL]["status"]
    assert graded(short, folder, out)["bob", SMALL]["score"] == "2.0"


def test_a_run_that_is_killed_goes_on(short, tmp_path):
    folder, out = tmp_path / "submitted", tmp_path / "out"
    for number in range(6):
        write(folder / f"student{number}" / SMALL / NOTEBOOK, solved(short.solved))
    command = [
        sys.executable,
        "-m",
        "smatch_edu",
        "grade",
        str(folder),
        "--source",
        str(short.source),
        "--out",
        str(out),
    ]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    killed = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while len(list(out.glob("records/*.json"))) < 2 and killed.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL) if os.name != "nt" else killed.kill()
    killed.wait()
    before = {path: path.read_bytes() for path in out.glob("records/*.json")}
    assert 2 <= len(before) < 6 and not (out / "grades.csv").exists()
    rows = graded(short, folder, out, seed=None)
    assert len(rows) == 6 and all(row["score"] == "2.0" for row in rows.values())
    assert all(path.read_bytes() == content for path, content in before.items())


def test_what_cannot_be_printed_stops_nothing(short, tmp_path, capsys):
    folder, right = tmp_path / "submitted", solved(short.solved)
    odd = "def share_of_time(policy, gamma): raise ValueError('\\ud800 \\x1b[31m \\0')"
    flagged = "import smatch_edu.support as s\ndef share_of_time(p, g): return getattr(s, '\\ud800')"
    for student, content in {
        "ann": short.with_answer("2-1", odd),
        "bob": right | {"metadata": {"kernelspec": {"language": "\ud800\x1b[31m"}}},
        "cleo": short.with_answer("2-1", flagged),
        "dan\x1b[31m\n": right,
    }.items():
        write(folder / student / SMALL / NOTEBOOK, content)
    write(folder / "ann" / SMALL / "timestamp.txt", "2026-11-27 07:00:00 UTC\n")
    out = tmp_path / "out"
    assert main(["grade", str(folder), "--source", str(short.source), "--out", str(out)]) == 0
    rows = grades(out)
    assert (
        rows["dan\\x1b[31m\\n", SMALL]["score"] == "2.0"
        and rows["ann", SMALL]["timestamp"] == "2026-11-27 07:00:00 UTC"
    )
    assert r"kernel is for \ud800\x1b[31m" in rows["bob", SMALL]["status"]
    told = capsys.readouterr().out + "".join(path.read_text("utf-8") for path in out.glob("*.csv"))
    assert "\x1b" not in told and r"ValueError: \ud800 \x1b[31m \x00" in told


def test_names_of_any_length_and_kind_get_pages_of_their_own(short, tmp_path):
    names = [b"\xff" * 200, b"\xff" * 199 + b"\xfe", b"ann.", b"ann", b"t\xffm", b"t_xffm", "\N{SNOWMAN}".encode() * 80]
    for name in names if sys.platform == "linux" else ():
        place = tmp_path / "submitted" / os.fsdecode(name) / SMALL
        place.mkdir(parents=True)
        (place / NOTEBOOK).write_text("{")
    command = ["grade", str(tmp_path / "submitted"), "--source", str(short.source), "--out", str(tmp_path / "out")]
    (tmp_path / "submitted").mkdir(exist_ok=True)
    assert main(command) == 0
    assert len(list(tmp_path.glob("out/feedback/*"))) == len(grades(tmp_path / "out"))


def test_what_a_person_grades_is_left_to_a_person(tmp_path):
    made = Course(tmp_path, ("2-1",))
    essay = code("# your words", "essay", nbgrader={"grade_id": "essay", "grade": True, "solution": True, "points": 3})
    write(made.source / NOTEBOOK, made.solved | {"cells": [*made.solved["cells"], essay]})
    made.grader.read.clear()
    row = made.grade(solved(made.solved))
    assert (row.points, row.most) == (2, 5) and row.marks[-1].verdict == "to be graded by hand"


def test_a_spreadsheet_is_given_no_formula(short, tmp_path):
    write(tmp_path / "submitted" / "=1+1" / SMALL / NOTEBOOK, solved(short.solved))
    assert ("'=1+1", SMALL) in graded(short, tmp_path / "submitted", tmp_path / "out")


def test_the_inputs_of_every_exercise_can_be_sent(rng):
    for module in checks.__all__:
        for name, found in vars(getattr(checks, module)).items():
            if isinstance(found, Exercise):
                for value in found.draw(rng).values():
                    assert callable(value) or "other" not in json.dumps(encode(value)), f"checks.{module}.{name}"


@pytest.mark.slow
def test_every_lessons_own_solution_gets_full_marks():
    grader = Grader(Path(__file__).parents[2] / "notebooks", 1)
    for name in grader.paths:
        grader.prove(name)  # or it raises
    assert set(grader.allowed) == set(grader.paths)


@pytest.mark.slow
def test_a_class_of_a_hundred_is_graded_in_one_command(short, tmp_path):
    for number in range(100):
        handed_in = solved(short.solved) if number % 2 else short.with_answer("", "")
        write(tmp_path / "submitted" / f"student{number}" / SMALL / NOTEBOOK, handed_in)
    rows = list(grade_class(tmp_path / "submitted", short.source, tmp_path / "out", 3))
    assert [row.points for row in sorted(rows, key=lambda row: int(row.student[7:]))] == [0, 2] * 50
    assert max(row.seconds for row in rows) < 10
