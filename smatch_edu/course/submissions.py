"""What was handed in: submitted/<student>/<assignment>/<notebook>.ipynb, and everything else that lies there.

Nothing that somebody hands in stops anything: each thing found becomes a `Submission`, if need be one with a problem.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from smatch_edu.course.notebooks import Cell, code_cells, read_file, read_notebook
from smatch_edu.support.errors import nearest
from smatch_edu.support.files import as_path
from smatch_edu.support.tables import printable

MISSING = "nothing was handed in"


@dataclass(frozen=True)
class Submission:
    """What one student handed in for one assignment.

    Attributes:
        student: the folder's name; what is no UTF-8 in it is written as \\xff.
        assignment: the assignment's name, "" if that cannot be told.
        path: of the notebook, None if there is none to grade.
        problem: why there is none, "" otherwise.
        remarks: what an instructor should know.
    """

    student: str
    assignment: str
    path: Path | None = None
    problem: str = ""
    remarks: tuple[str, ...] = ()

    @property
    def timestamp(self) -> str:
        """When it was handed in: what nbgrader wrote beside the notebook, or when that was last written."""
        if self.path is None:
            return ""
        try:
            told = read_file(self.path.with_name("timestamp.txt")).decode("ascii", "replace")[:40].strip()
            return printable(told)
        except ValueError:
            pass
        with contextlib.suppress(OSError):
            written = datetime.fromtimestamp(self.path.lstat().st_mtime, timezone.utc)
            return written.strftime("%Y-%m-%d %H:%M:%S")
        return ""


@dataclass(frozen=True)
class Written:
    """The code of a submitted notebook.

    Attributes:
        cells: in order.
        digest: of the file.
        remarks: what is unusual about it, and no reason not to grade it.
    """

    cells: tuple[Cell, ...]
    digest: str
    remarks: tuple[str, ...] = field(default=())


def find_submissions(submitted: str | Path, assignments: Sequence[str]) -> list[Submission]:
    """All that was handed in, and for every student of the class what was not, of assignments that others handed in.

    Raises:
        ValueError: there is no such folder.
    """
    submitted = as_path(submitted)
    if not submitted.is_dir():
        raise ValueError(f"{submitted} is no folder; the one with a folder for each student was wanted")
    found: list[Submission] = []
    students = []
    for entry in sorted(submitted.iterdir()):
        if entry.name.startswith("."):
            continue
        if not entry.is_dir() or entry.is_symlink():
            problem = f"lies outside of any student's folder; move it to {submitted.name}/<student>/<assignment>/"
            found.append(Submission(shown(entry.name), "", None, problem))
            continue
        students.append(shown(entry.name))
        found += _of_student(entry, assignments)
    given = {(one.student, one.assignment) for one in found}
    wanted = sorted({one.assignment for one in found if one.path is not None})
    for student in students:
        found += [Submission(student, a, None, MISSING) for a in wanted if (student, a) not in given]
    return [_with_twins(one, students) for one in sorted(found, key=lambda one: (one.student, one.assignment))]


def read_submission(path: str | Path) -> Written:
    """The code of a submitted notebook. ValueError if it cannot be graded, with the reason."""
    path = as_path(path)
    notebook, content = read_notebook(path)
    remarks = _of_kernel(notebook)
    return Written(tuple(code_cells(notebook)), hashlib.sha256(content).hexdigest(), remarks)


def answer_cell(
    cells: Sequence[Cell], answer: str, check: str, function: str, known: Collection[str] = ()
) -> tuple[Cell | None, str]:
    """The cell with the answer, and a remark if it is not where it was wanted.

    It is the one whose function the check would see if all cells were run: the last one above the check that gives it,
    and is not the course's own. If there is none above (or no check any more), the last one anywhere; if none gives the
    function, the one that has nbgrader's name for the answer.

    Args:
        answer, check: nbgrader's names for the two cells.
        known: the course's own cells and the stub, without spaces around them.
    """
    gives = re.compile(rf"^[ \t]*(async[ \t]+def|def|class)[ \t]+{function}\b|^{function}[ \t]*[:=]", re.MULTILINE)
    checked = max(
        (cell.number for cell in cells if cell.grade_id == check), default=cells[-1].number + 1 if cells else 0
    )
    giving = [cell for cell in cells if gives.search(cell.source) and cell.source.strip() not in known]
    above = [cell for cell in giving if cell.number < checked]
    found = ([cell for cell in cells if cell.grade_id == answer] + giving)[-1:] if not above else above[-1:]
    if not found:
        return None, ""
    if above[1:]:
        return found[0], f"{len(above)} cells define {function!r}; the last one above its check was graded"
    return found[0], "" if found[0].grade_id == answer else f"{function!r} was found in another cell than {answer!r}"


def shown(name: str) -> str:
    """A file's name as text: what is no UTF-8 in it, or cannot be printed, is written as \\xff."""
    return printable(os.fsencode(name).decode("utf-8", "backslashreplace")).replace("\n", "\\n")


def _of_student(folder: Path, assignments: Sequence[str]) -> list[Submission]:
    """All that one student handed in."""
    student, found, astray = shown(folder.name), [], []
    try:
        entries = [entry for entry in sorted(folder.iterdir()) if not entry.name.startswith(".")]
    except OSError as error:
        return [Submission(student, "", None, f"the folder cannot be read ({error.strerror})")]
    if not entries:
        return [Submission(student, "", None, "the folder is empty")]
    for entry in entries:
        name = shown(entry.name)
        if entry.is_dir() and not entry.is_symlink():
            if name in assignments:
                found.append(_of_assignment(student, entry, name))
            else:
                found.append(Submission(student, name, None, str(nearest(name, assignments, "assignment"))))
        elif entry.suffix == ".ipynb" and shown(entry.stem) in assignments:
            remark = f"{name} lay in the student's folder, and not in one of the assignment's name"
            found.append(Submission(student, shown(entry.stem), entry, "", (remark,)))
        else:
            astray.append(name)
    if astray:
        found.append(Submission(student, "", None, f"no assignment's folder: {_few(astray)}"))
    graded = {one.assignment for one in found if one.path and not one.remarks}
    return [one for one in found if not (one.remarks and "lay in" in one.remarks[0] and one.assignment in graded)]


def _of_assignment(student: str, folder: Path, assignment: str) -> Submission:
    """The notebook of an assignment: the one with its name, or else the only one that is there."""
    try:
        notebooks = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".ipynb" and path.name[0] != ".")
    except OSError as error:
        return Submission(student, assignment, None, f"the folder cannot be read ({error.strerror})")
    named = [path for path in notebooks if path.name == f"{assignment}.ipynb"]
    if not notebooks:
        return Submission(student, assignment, None, f"there is no notebook; {assignment}.ipynb was wanted")
    if not named and len(notebooks) > 1:
        problem = f"which one counts? {_few([shown(path.name) for path in notebooks])}; {assignment}.ipynb was wanted"
        return Submission(student, assignment, None, problem)
    path = (named or notebooks)[0]
    remarks = [] if named else [f"the notebook is named {shown(path.name)}; {assignment}.ipynb was wanted"]
    others = [shown(other.name) for other in notebooks if other != path]
    remarks += [f"also there, and not graded: {_few(others)}"] if others else []
    return Submission(student, assignment, path, "", tuple(remarks))


def _few(names: Sequence[str], most: int = 5) -> str:
    """Names in a row, of many the first ones."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _with_twins(one: Submission, students: Sequence[str]) -> Submission:
    """With a remark if another folder might be the same student's."""
    if one.problem == MISSING:
        return one
    twins = [other for other in students if other != one.student and _plain(other) == _plain(one.student)]
    if not twins:
        return one
    remark = f"perhaps the same student as {', '.join(map(repr, twins))}"
    return Submission(one.student, one.assignment, one.path, one.problem, (*one.remarks, remark))


def _plain(name: str) -> str:
    """A name without what a second upload changes: case, how accents are written, " (1)", "_copy"."""
    name = unicodedata.normalize("NFKC", name).casefold()
    return re.sub(r"(\s*\(\d\)|[ _-]copy)$", "", name.strip())


def _of_kernel(notebook: Mapping[str, Any]) -> tuple[str, ...]:
    """What the notebook says of the language that it was written in. ValueError if that is not Python."""
    metadata = notebook.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    kernel, info = metadata.get("kernelspec"), metadata.get("language_info")
    kernel, info = kernel if isinstance(kernel, dict) else {}, info if isinstance(info, dict) else {}
    language = str(kernel.get("language") or info.get("name") or "python")[:40]
    if language.lower() not in ("python", "ipython"):
        raise ValueError(f"its kernel is for {language}; Python was wanted")
    version, here = str(info.get("version") or "")[:20], platform.python_version()
    if version and version.split(".")[:2] != here.split(".")[:2]:
        return (f"written with Python {version}, graded with {here}",)
    return ()
