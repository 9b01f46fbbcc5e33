"""The points of a class in nbgrader's gradebook, from which its formgrader, its export and its feedback take them."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from smatch_edu.course.marks import BY_HAND, Graded
from smatch_edu.support.files import as_path


def write_gradebook(path: str | Path, rows: Iterable[Graded]) -> None:
    """Enter what each question got; what is graded by hand, and all else that is in the gradebook, stays.

    Args:
        path: of the gradebook, made if there is none; `gradebook.db` in nbgrader's folder of the course.
        rows: of the class; one that was not graded changes nothing.

    Raises:
        ModuleNotFoundError: nbgrader is not installed.
    """
    path = as_path(path)
    from nbgrader.api import Gradebook

    beside_python = str(Path(sys.executable).parent)  # where the alembic is that nbgrader starts by its name
    os.environ["PATH"] = os.pathsep.join([beside_python, os.environ.get("PATH", "")])
    graded = [row for row in rows if row.marks]
    with Gradebook(f"sqlite:///{path.resolve()}") as book:
        for name, cell, most in sorted({(row.assignment, m.cell, m.most) for row in graded for m in row.marks}):
            book.update_or_create_assignment(name)
            book.update_or_create_notebook(name, name)
            book.update_or_create_grade_cell(cell, name, name, max_score=most, cell_type="code")
        for row in graded:
            book.update_or_create_student(row.student)
            book.update_or_create_submission(row.assignment, row.student)
            with contextlib.suppress(ValueError):  # beside a notebook may stand anything
                book.update_or_create_submission(row.assignment, row.student, timestamp=row.timestamp or None)
            for mark in row.marks:
                if mark.verdict != BY_HAND:
                    grade = book.find_grade(mark.cell, row.assignment, row.assignment, row.student)
                    grade.auto_score, grade.needs_manual_grade = mark.points, False
            book.db.commit()
