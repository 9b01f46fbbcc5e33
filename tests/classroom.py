"""A small course and what is handed in for it, for the tests of grading."""

import copy
import json

from lessons import NOTEBOOKS, code_cells, grading
from smatch_edu.course import student_version
from smatch_edu.course.grading import Grader
from smatch_edu.course.submissions import Submission

SMALL = "small"  # 0.1 asks for a text, 2.1 for an array, 4.3 hands over a function, 6.4 wants a dictionary
WANTED = ("0-1", "2-1", "4-3", "6-4")


def small_course(folder, wanted=WANTED):
    """A solved notebook with a few questions of several lessons; returns its folder."""
    cells = [code("import numpy as np\n\nfrom smatch_edu import checks", "imports")]
    for lesson in NOTEBOOKS.values():
        for cell in code_cells(lesson):
            if grading(cell).get("grade_id", "").partition("-")[2] in wanted:
                cells.append(cell | {"outputs": [], "execution_count": None})
    folder.mkdir()
    write(folder / f"{SMALL}.ipynb", notebook(cells))
    return folder


def code(source, name="", **metadata):
    """A code cell."""
    return {"cell_type": "code", "id": name or "x", "metadata": metadata, "outputs": [], "source": source} | {
        "execution_count": None
    }


def notebook(cells, **metadata):
    """A notebook of these cells."""
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def write(path, content):
    """A notebook, or any text, as a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


class Course:
    """The small course, with a grader."""

    def __init__(self, folder, wanted=WANTED, **options):
        self.folder = folder
        self.source = small_course(folder / "source", wanted)
        self.solved = json.loads((self.source / f"{SMALL}.ipynb").read_text())
        self.grader = Grader(self.source, **({"seed": 5} | options))

    def with_answer(self, question, answer, extra=()):
        """What a student hands in who answers one question and no other."""
        handed_in = student_version(copy.deepcopy(self.solved))
        for cell in handed_in["cells"]:
            if grading(cell).get("grade_id") == f"answer-{question}":
                cell["source"] = answer
        handed_in["cells"] += list(extra)
        return handed_in

    def grade(self, handed_in, student="ann"):
        """The row of what is handed in."""
        path = write(self.folder / "submitted" / student / SMALL / f"{SMALL}.ipynb", handed_in)
        return self.grader.grade(Submission(student, SMALL, path))

    def mark(self, question, answer, extra=()):
        """The mark of one answer."""
        row = self.grade(self.with_answer(question, answer, extra))
        number = question.replace("-", ".").upper()
        return next(mark for mark in row.marks if mark.question.startswith(number + " "))
