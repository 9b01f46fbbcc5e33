"""Assignments in nbgrader's format: stubs and solutions of the same functions; nbgrader gives the same points."""

import ast
import contextlib
import csv
import importlib.util
import io
import json
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch

from classroom import SMALL, Course, code, notebook, write
from lessons import WRITTEN, code_cells, grading, source
from smatch_edu import checks
from smatch_edu.cli import main
from smatch_edu.course import grade_class, read_assignment, student_version, write_assignments
from smatch_edu.course.assignments import checksum, find_assignments, release, solved

LESSONS = Path(__file__).parents[2] / "notebooks"
STEPS = ("source", "release", "solution")
with_nbgrader = pytest.mark.skipif(not importlib.util.find_spec("nbgrader"), reason="nbgrader is not installed")
GRADED = [name for name, lesson in WRITTEN.items() if any(grading(cell).get("grade") for cell in code_cells(lesson))]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """All assignments: {step: {name: notebook}}."""
    out = tmp_path_factory.mktemp("dist") / "assignments"
    said = list(write_assignments(LESSONS, out))
    assert len(said) == len(GRADED)
    return {s: {n: json.loads((out / s / n / f"{n}.ipynb").read_text("utf-8")) for n in GRADED} for s in STEPS}


def signatures(version):
    """The functions that the solution cells define, with what they take and say of themselves."""
    cells = [cell for cell in code_cells(version) if grading(cell).get("solution")]
    return {
        (node.name, ast.unparse(node.args), ast.get_docstring(node))
        for cell in cells
        for node in ast.parse(source(cell)).body
        if isinstance(node, ast.FunctionDef)
    }


@pytest.mark.parametrize("name", GRADED)
def test_stubs_and_solutions_have_the_same_signatures(made, name):
    questions = [cell for cell in code_cells(WRITTEN[name]) if grading(cell).get("grade")]
    stub, solution = signatures(made["release"][name]), signatures(made["solution"][name])
    assert stub == solution and len(stub) >= len(questions)
    for step in STEPS:
        nbformat.validate(nbformat.from_dict(made[step][name]))
        assert all(not cell["outputs"] for cell in code_cells(made[step][name]))
        text = json.dumps(made[step][name])
        assert ("BEGIN SOLUTION" in text) == (step == "source")
        assert ("NotImplementedError()" in text) == (step == "release")


@pytest.mark.parametrize("name", GRADED)
def test_the_release_stops_at_each_stub_in_words_and_the_solution_at_none(made, name):
    for step in ("release", "solution"):
        scope = {"math": math, "np": np, "torch": torch, "checks": checks}
        for cell in code_cells(made[step][name]):
            if grading(cell).get("solution"):
                exec(source(cell), scope)
            elif grading(cell).get("grade") and step == "solution":
                with contextlib.redirect_stdout(io.StringIO()) as said:
                    exec(source(cell), scope)
                assert "✓" in said.getvalue()
            elif grading(cell).get("grade"):
                with contextlib.redirect_stderr(io.StringIO()) as said:
                    exec(source(cell), scope)
                assert "✗ Still to do: write your lines in the cell above" in said.getvalue()


@pytest.mark.parametrize("name", GRADED)
def test_checks_are_locked_and_nothing_else_differs_from_the_student_version(made, name):
    for ours, plain in zip(made["release"][name]["cells"], student_version(WRITTEN[name])["cells"], strict=True):
        assert source(ours) == source(plain)
        if grading(ours).get("grade"):
            assert ours["metadata"]["editable"] is ours["metadata"]["deletable"] is False
            assert grading(ours)["checksum"] == checksum(ours) and grading(ours)["locked"]
        elif grading(ours).get("solution"):
            assert ours["metadata"].get("editable", True) and not ours["metadata"]["deletable"]
        else:
            assert ours == plain


@pytest.mark.parametrize("name", GRADED)
def test_every_question_has_a_check_points_and_a_function(name):
    assignment = read_assignment(find_assignments(LESSONS)[name])
    assert assignment.points == sum(grading(cell).get("points", 0) for cell in code_cells(WRITTEN[name])) > 0
    for question in assignment.questions:
        assert question.exercise.number.lower().replace(".", "-") in question.check.grade_id
        assert question.answer.number < question.check.number


def asks(check, answer="def f(x): return x"):
    """A notebook with one question."""
    solution = code(answer, "a", nbgrader={"grade_id": "answer", "grade": False, "solution": True, "points": 0})
    graded = code(check, "b", nbgrader={"grade_id": "check", "grade": True, "solution": False, "points": 1})
    return notebook([solution, graded])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (asks("assert f(1) == 1"), r"lesson\.ipynb, cell 1: `checks\.<notebook>\.<exercise>\(<function>\)` was wanted"),
        (asks("checks.occupancy.nothing(f)"), "checks.occupancy has no exercise 'nothing'"),
        (asks("checks.occupancy.there_and_back(g)"), "0 solution cells define 'g'"),
        (asks("checks.nowhere.there_and_back(f)"), "no checks named 'nowhere'"),
        ("{", "it is no JSON"),
    ],
)
def test_a_question_that_cannot_be_graded_is_named(content, said, tmp_path, capsys):
    write(tmp_path / "lessons" / "lesson.ipynb", content)
    assert main(["assignments", "--source", str(tmp_path / "lessons"), "--out", str(tmp_path / "out")]) == 2
    assert re.search(said, capsys.readouterr().err)
    assert not (tmp_path / "out" / "source").exists()


def test_what_becomes_of_an_answer_may_be_kept():
    cell = asks("mine = checks.occupancy.there_and_back(f)\n%time\n_ = mine")
    assert release(cell, "x") and solved(cell)


def test_smatch_assignments_says_where_they_are(tmp_path, capsys):
    course = Course(tmp_path, ("2-1", "2-4"))
    write(course.source / "no_questions.ipynb", notebook([code("1")]))
    write(course.source / "assignments" / "set.ipynb", course.solved)
    out = tmp_path / "dist" / "assignments"
    assert main(["assignments", "--source", str(course.source), "--out", str(out)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said == [f"{out / 'release' / name}: 2 questions, 4 points" for name in ("set", SMALL)]
    assert sorted(path.name for path in out.iterdir()) == ["nbgrader_config.py", *sorted(STEPS)]


# nbgrader itself


@pytest.fixture(scope="module")
def nbgrader(tmp_path_factory):
    """A course of nbgrader's, and its commands."""
    folder = tmp_path_factory.mktemp("nbgrader")
    course = Course(folder, ("0-1", "2-1", "6-4"))
    list(write_assignments(course.source, folder / "dist"))
    environment = os.environ | {"PYTHONPATH": str(LESSONS.parent), "JUPYTER_RUNTIME_DIR": str(folder / "runtime")}
    environment |= {"IPYTHONDIR": str(folder / "ipython"), "OMP_NUM_THREADS": "1"}
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # it calls alembic

    def command(*arguments):
        done = subprocess.run(
            [sys.executable, "-m", "nbgrader", *map(str, arguments)],
            cwd=folder / "dist", env=environment, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    return course, folder / "dist", command


@with_nbgrader
@pytest.mark.slow
def test_nbgrader_validates_the_solution_and_not_the_release(nbgrader):
    _, dist, command = nbgrader
    status, said = command("validate", dist / "solution" / SMALL / f"{SMALL}.ipynb")
    assert status == 0 and "Success! Your notebook passes all the tests." in said, said
    _, said = command("validate", dist / "release" / SMALL / f"{SMALL}.ipynb")
    assert "VALIDATION FAILED ON 3 CELL(S)" in said and "Still to do" in said, said


@with_nbgrader
@pytest.mark.slow
def test_nbgrader_makes_the_same_release_and_gives_the_same_grades(nbgrader, tmp_path):
    course, dist, command = nbgrader
    ours = json.loads((dist / "release" / SMALL / f"{SMALL}.ipynb").read_text())
    status, said = command("generate_assignment", SMALL, "--force")
    assert status == 0, said
    theirs = json.loads((dist / "release" / SMALL / f"{SMALL}.ipynb").read_text())
    for mine, other in zip(ours["cells"], theirs["cells"], strict=True):
        assert source(mine) == source(other)
        assert grading(mine).get("checksum") == grading(other).get("checksum")
        assert mine["metadata"].get("editable") == other["metadata"].get("editable")

    half = course.with_answer("2-1", "def share_of_time(policy, gamma): return policy")
    for cell in half["cells"]:
        if grading(cell).get("grade_id") == "answer-0-1":
            cell["source"] = source(solved(course.solved)["cells"][1])
    for student, handed_in in (("ann", solved(course.solved)), ("bob", ours), ("cleo", half)):
        write(dist / "submitted" / student / SMALL / f"{SMALL}.ipynb", handed_in)
    status, said = command("autograde", SMALL, "--create")
    assert status == 0, said
    status, said = command("export", "--to", tmp_path / "theirs.csv")
    assert status == 0, said
    with (tmp_path / "theirs.csv").open() as file:
        rows = list(csv.DictReader(file))
    graded = list(grade_class(dist / "submitted", course.source, tmp_path / "out", 1))
    assert {row["student_id"]: float(row["score"]) for row in rows} == {row.student: row.points for row in graded}
    assert sorted(float(row["score"]) for row in rows) == [0, 2, 6]
    shutil.rmtree(dist / "submitted")


@with_nbgrader
@pytest.mark.slow
@pytest.mark.parametrize("known", [True, False], ids=["over nbgrader's own", "in a new one"])
def test_points_go_into_the_gradebook_and_what_a_person_gave_stays(known, nbgrader, tmp_path):
    from nbgrader.api import Gradebook

    course, dist, command = nbgrader
    book = dist / "gradebook.db" if known else tmp_path / "gradebook.db"
    full, none = solved(course.solved), course.with_answer("", "")
    for student, handed_in in (("ann", none), ("dan", full), ("eve", "{")):
        write(tmp_path / "submitted" / student / SMALL / f"{SMALL}.ipynb", handed_in)
    write(tmp_path / "submitted" / "dan" / SMALL / "timestamp.txt", "some time")
    if known:
        with Gradebook(f"sqlite:///{book}") as opened:
            grade = opened.find_grade("check-2-1", SMALL, SMALL, "ann")
            grade.manual_score = 1.5
            opened.db.commit()
    for _ in range(2):
        given = ["grade", tmp_path / "submitted", "--source", course.source, "--out", tmp_path / "out"]
        assert main([*map(str, given), "--gradebook", str(book)]) == 0
    status, said = command("export", "--db", f"sqlite:///{book}", "--to", tmp_path / "theirs.csv")
    assert status == 0, said
    with (tmp_path / "theirs.csv").open() as file:
        scores = {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)}
    assert (scores["ann"], scores["dan"]) == (1.5 if known else 0, 6)
