"""Assignments: a solved notebook as questions, each with its check; and the folders that nbgrader works with.

    source/<name>/<name>.ipynb    with the solutions between their markers
    release/<name>/<name>.ipynb   with stubs, what students get
    solution/<name>/<name>.ipynb  solved, without markers

The check of a question is the call `checks.<notebook>.<exercise>(<function>)` in the cell that nbgrader grades. What is
graded is read from the solved notebook alone, so nothing that a student does to a check cell matters.
"""

from __future__ import annotations

import ast
import copy
import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smatch_edu import checks
from smatch_edu.checks.exercise import Exercise
from smatch_edu.course.notebooks import Cell, code_cells, read_notebook
from smatch_edu.course.student_versions import BEGIN, END, student_version
from smatch_edu.sandbox.excerpt import statements, without_magic
from smatch_edu.support.files import as_path, check_folder, write_atomically

CONFIG = '''"""nbgrader's settings for this course; `smatch assignments` wrote the folders beside it."""

c = get_config()  # noqa: F821, nbgrader gives it
c.CourseDirectory.course_id = "sequencematch"
c.ClearSolutions.code_stub = {"python": "# YOUR CODE HERE\\nraise NotImplementedError()"}
'''
CONFIG_FILE = "nbgrader_config.py"


@dataclass(frozen=True)
class Question:
    """What a student writes, and what it is worth.

    Attributes:
        answer: the solved cell.
        check: the cell that checks it.
        function: the name of the function that is asked for.
        exercise: what it must satisfy; None for what a person grades.
    """

    answer: Cell
    check: Cell
    function: str
    exercise: Exercise | None

    @property
    def points(self) -> float:
        """What it is worth."""
        return float(self.check.grading["points"])

    @property
    def title(self) -> str:
        """For reports."""
        return self.function if self.exercise is None else f"{self.exercise.number} {self.exercise.title}"


@dataclass(frozen=True)
class Assignment:
    """A notebook with questions.

    Attributes:
        name: of the assignment and, with its ending, of the notebook.
        questions: in order.
        cells: the code cells, solved.
        digest: changes when the notebook does, or its checks.
    """

    name: str
    questions: tuple[Question, ...]
    cells: tuple[Cell, ...]
    digest: str

    @property
    def file(self) -> str:
        """The name of the notebook."""
        return f"{self.name}.ipynb"

    @property
    def points(self) -> float:
        """What all questions are worth together."""
        return float(sum(question.points for question in self.questions))


def find_assignments(source: str | Path) -> dict[str, Path]:
    """The solved notebooks that have questions, by name: those of a folder, and of assignments/ in it.

    Raises:
        FileNotFoundError: there is none.
        ValueError: one cannot be read.
    """
    source = as_path(source)
    found = {}
    for path in sorted([*source.glob("*.ipynb"), *source.glob("assignments/*.ipynb")]):
        if path.is_file() and any(cell.grading.get("grade") for cell in code_cells(_read(path)[0])):
            found[path.stem] = path
    if not found:
        raise FileNotFoundError(
            f"{source} holds no notebook with questions; name the folder of the solved notebooks with --source"
        )
    return found


def read_assignment(path: str | Path) -> Assignment:
    """The questions of a solved notebook. ValueError naming the cell that is no question."""
    path = as_path(path)
    notebook, content = _read(path)
    cells = code_cells(notebook)
    questions = []
    for cell in cells:
        if cell.grading.get("grade"):
            where = f"{path.name}, cell {cell.number}"
            if cell.grading.get("solution"):
                questions.append(Question(cell, cell, cell.grade_id, None))
                continue
            module, name, function = _checked(cell, where)
            try:
                exercise = getattr(getattr(checks, module), name, None)
            except AttributeError as error:
                raise ValueError(f"{where}: {error}") from None
            if not isinstance(exercise, Exercise):
                raise ValueError(f"{where}: checks.{module} has no exercise {name!r}")
            answers = [one for one in cells if one.grading.get("solution") and _defines(one, function)]
            if len(answers) != 1:
                raise ValueError(f"{where}: {len(answers)} solution cells define {function!r}; one was wanted")
            questions.append(Question(answers[0], cell, function, exercise))
    modules = {question.exercise.oracle.__module__ for question in questions if question.exercise is not None}
    files = [Path(str(sys.modules[module].__file__)).read_bytes() for module in sorted(modules)]
    digest = hashlib.sha256(b"\0".join([content, *files])).hexdigest()
    return Assignment(path.stem, tuple(questions), tuple(cells), digest)


def write_assignments(source: str | Path, out: str | Path) -> Iterator[str]:
    """Write source/, release/ and solution/ of every notebook with questions; yields a line for each.

    Raises:
        FileNotFoundError: `source` holds none.
        ValueError: a notebook has a check that is none; nothing is written then.
    """
    out = as_path(out)
    paths = find_assignments(source)
    assignments = [read_assignment(path) for path in paths.values()]
    out.parent.mkdir(parents=True, exist_ok=True)
    check_folder(out)
    write_atomically(out / CONFIG_FILE, CONFIG)
    for assignment, (name, path) in zip(assignments, paths.items(), strict=True):
        notebook = json.loads(path.read_text("utf-8"))
        versions = {"source": _cleared(notebook), "release": release(notebook, path.name), "solution": solved(notebook)}
        for step, version in versions.items():
            folder = out / step / name
            folder.mkdir(parents=True, exist_ok=True)
            write_atomically(folder / path.name, json.dumps(version, indent=1, ensure_ascii=False) + "\n")
        count = len(assignment.questions)
        yield f"{out / 'release' / name}: {count} question{'s' * (count != 1)}, {assignment.points:g} points"


def release(notebook: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The version for students: stubs, no outputs, and check cells that Jupyter does not let them change."""
    student = student_version(dict(notebook), name)
    for cell in student["cells"]:
        grading = cell["metadata"].get("nbgrader")
        if grading:
            cell["metadata"]["deletable"] = False
            if not grading["solution"]:
                cell["metadata"]["editable"] = False
            grading["cell_type"] = cell["cell_type"]
            grading["checksum"] = checksum(cell)
    return student


def solved(notebook: Mapping[str, Any]) -> dict[str, Any]:
    """The version with solutions and without their markers."""
    version = _cleared(notebook)
    for cell in version["cells"]:
        if cell["cell_type"] == "code":
            lines = [line for line in "".join(cell["source"]).splitlines() if line.strip() not in (BEGIN, END)]
            cell["source"] = "\n".join(lines).splitlines(keepends=True)
    return version


def checksum(cell: Mapping[str, Any]) -> str:
    """What nbgrader computes of a cell, by which it sees that a locked one was changed."""
    grading = cell["metadata"]["nbgrader"]
    grade, solution = bool(grading["grade"]), bool(grading["solution"])
    locked = not solution and (grade or bool(grading.get("locked")))
    parts = ["".join(cell["source"]), cell["cell_type"], str(grade), str(solution), str(locked), grading["grade_id"]]
    parts += [str(float(grading["points"]))] if grade else []
    return hashlib.md5("".join(parts).encode(), usedforsecurity=False).hexdigest()


def _cleared(notebook: Mapping[str, Any]) -> dict[str, Any]:
    """Without outputs."""
    version = copy.deepcopy(dict(notebook))
    for cell in version["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    return version


def _read(path: Path) -> tuple[dict[str, Any], bytes]:
    try:
        return read_notebook(path)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _checked(cell: Cell, where: str) -> tuple[str, str, str]:
    """The module, the exercise and the function that a check cell names."""
    for node in ast.walk(ast.parse(without_magic(cell.source))):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Attribute(value=ast.Name(id="checks"), attr=module), attr=name),
                args=[ast.Name(id=function), *_],
            ):
                return module, name, function
    raise ValueError(f"{where}: `checks.<notebook>.<exercise>(<function>)` was wanted in a cell that is graded")


def _defines(cell: Cell, function: str) -> bool:
    return any(function in one.binds for one in statements(cell.source, ""))
