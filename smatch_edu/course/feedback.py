"""What comes out of grading: grades.csv as nbgrader exports it, exercises.csv, and a page for each submission."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from textwrap import shorten

from smatch_edu.course.marks import GRADED, Graded
from smatch_edu.course.submissions import MISSING
from smatch_edu.pictures.show import page_html
from smatch_edu.support.files import as_path, write_atomically
from smatch_edu.support.tables import text_table

# The columns of `nbgrader export`, in its order; what happened comes behind them.
EXPORTED = "assignment duedate timestamp student_id last_name first_name email raw_score late_submission_penalty score"
COLUMNS = (*EXPORTED.split(), "max_score", "status", "remarks", "flags", "protection")
EXERCISES = ("student_id", "assignment", "exercise", "score", "max_score", "verdict", "flags")


def write_grades(out: str | Path, rows: Sequence[Graded]) -> None:
    """grades.csv, a row for each submission, and exercises.csv, one for each question."""
    out = as_path(out)
    ordered = sorted(rows, key=lambda row: (row.assignment, row.student))
    write_atomically(out / "grades.csv", _csv(COLUMNS, (_grade(row) for row in ordered)))
    marks = (
        (row.student, row.assignment, mark.question, mark.points, mark.most, mark.verdict, "; ".join(mark.flags))
        for row in ordered
        for mark in row.marks
    )
    write_atomically(out / "exercises.csv", _csv(EXERCISES, marks))


def write_feedback(out: str | Path, row: Graded) -> Path | None:
    """feedback/<student>/<assignment>/<assignment>.html, where nbgrader has it; None for a row of no assignment."""
    out = as_path(out)
    if not row.assignment or row.status == MISSING:
        return None
    folder = out / "feedback" / _file(row.student) / _file(row.assignment)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{_file(row.assignment)}.html"
    write_atomically(path, page_html(f"{row.assignment}: {row.points:g} of {row.most:g} points", _body(row)))
    return path


def report(rows: Sequence[Graded]) -> str:
    """The class for a terminal: the rows that an instructor should look at, a summary, the protection in force."""
    told = [
        (row.student, row.assignment, f"{row.points:g}/{row.most:g}", shorten(said, 100, placeholder=" …"))
        for row in sorted(rows, key=lambda row: (row.student, row.assignment))
        for said in (row.status, *row.remarks, *_flags(row))
        if said not in (GRADED, MISSING)
    ]
    graded = [row for row in rows if row.status == GRADED]
    missing = Counter(row.assignment for row in rows if row.status == MISSING)
    full, rest = sum(row.points == row.most for row in graded), len(rows) - len(graded) - missing.total()
    lines = [text_table(("student", "assignment", "points", "what happened"), told, words=4, group=0)] if told else []
    lines.append(f"{len(graded)} graded, {full} of them in full; {rest} could not be graded.")
    lines += [f"{name}: {number} handed in nothing." for name, number in sorted(missing.items())]
    if graded:
        slowest = max(row.seconds for row in graded)
        lines.append(
            f"A submission took {sum(row.seconds for row in graded) / len(graded):.1f} s, at most {slowest:.1f}."
        )
    lines += sorted({f"In force: {', '.join(row.protection)}." for row in graded if row.protection})
    return "\n".join(lines if rows else ["Nobody has handed in anything."])


def _body(row: Graded) -> str:
    """What a student is told: each question with its verdict. Flags are the instructor's."""
    parts = [f"<p>Graded for <b>{escape(row.student)}</b>.</p>"]
    if row.status != GRADED:
        parts.append(f"<p><b>Not graded:</b> {escape(row.status)}.</p>")
    if row.remarks:
        parts.append("<ul>" + "".join(f"<li>{escape(remark)}</li>" for remark in row.remarks) + "</ul>")
    for mark in row.marks:
        parts.append(
            f"<h2>{escape(mark.question)}: {mark.points:g} of {mark.most:g}</h2>"
            f'<pre style="white-space: pre-wrap">{escape(mark.verdict)}</pre>'
        )
    return "\n".join(parts)


def _grade(row: Graded) -> tuple[object, ...]:
    told = (row.status, "; ".join(row.remarks), "; ".join(_flags(row)), "; ".join(row.protection))
    score = float(row.points)
    return (row.assignment, "", row.timestamp, row.student, "", "", "", score, 0.0, score, float(row.most), *told)


def _flags(row: Graded) -> list[str]:
    return [f"{mark.question}: {', '.join(mark.flags)}" for mark in row.marks if mark.flags]


def _csv(header: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """As text; what a spreadsheet would take for a formula is kept from it by an apostrophe."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(header)
    for row in rows:
        writer.writerow([f"'{v}" if isinstance(v, str) and v[:1] in tuple("=+-@\t\r") and v else v for v in row])
    return file.getvalue()


def _file(name: str) -> str:
    """A name that was shown, as a file's name on every system; no two names become one."""
    plain = re.sub(r"[^\w@. ()+-]|\.$|^\.", "_", name)[:80]
    return plain if plain == name else f"{plain} {hashlib.sha256(name.encode()).hexdigest()[:8]}"
