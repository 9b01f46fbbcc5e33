"""What a submission got: a row of the report, kept in a file of its own as soon as it is known."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from smatch_edu.support.files import write_atomically
from smatch_edu.support.tables import printable

GRADED = "graded"
BY_HAND = "to be graded by hand"
GONE = "graded earlier; what was handed in is no longer there"
LONGEST = 1500  # characters of a verdict


@dataclass(frozen=True)
class Mark:
    """What one question got.

    Attributes:
        question: its number and title.
        points, most: reached and reachable.
        verdict: in words, a hint among them; what cannot be printed is escaped.
        flags: for the instructor alone: library functions used, names that no exercise needs.
        cell: nbgrader's name of the check.
    """

    question: str
    points: float
    most: float
    verdict: str
    flags: tuple[str, ...] = ()
    cell: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "verdict", printable(self.verdict[:LONGEST]))
        object.__setattr__(self, "flags", tuple(map(printable, self.flags)))


@dataclass(frozen=True)
class Graded:
    """What one submission got.

    Attributes:
        status: "graded", or why it was not.
        marks: of each question.
        remarks: what an instructor should know.
        protection: that was in force.
        key: of what the grade depends on; another key, another grade.
    """

    student: str
    assignment: str
    status: str
    most: float
    marks: tuple[Mark, ...] = ()
    remarks: tuple[str, ...] = ()
    protection: tuple[str, ...] = ()
    timestamp: str = ""
    seconds: float = 0.0
    key: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "status", printable(self.status))
        object.__setattr__(self, "remarks", tuple(map(printable, self.remarks)))

    @property
    def points(self) -> float:
        """What all questions together got."""
        return float(sum(mark.points for mark in self.marks))


class Records:
    """The rows that are graded, a file for each in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)

    def keep(self, row: Graded) -> None:
        """Write a row, whole or not at all."""
        place = self._place(row.student, row.assignment)
        write_atomically(place, json.dumps(asdict(row), indent=1, ensure_ascii=False) + "\n")

    def find(self, student: str, assignment: str, key: str) -> Graded | None:
        """The row, if nothing that it depends on has changed."""
        row = _read(self._place(student, assignment))
        return row if row and row.key == key else None

    def others(self, known: Collection[tuple[str, str]]) -> Iterator[Graded]:
        """Rows of no (student, assignment) that is known any more: a grade is not lost with what was handed in."""
        for place in sorted(set(self.folder.glob("*.json")) - {self._place(*one) for one in known}):
            if row := _read(place):
                yield replace(row, remarks=(*row.remarks, GONE))

    def _place(self, student: str, assignment: str) -> Path:
        """A student's name may be anything, so a digest is the file's."""
        name = hashlib.sha256(f"{student}\0{assignment}".encode()).hexdigest()
        return self.folder / f"{name[:32]}.json"


def _read(place: Path) -> Graded | None:
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        record: dict[str, Any] = json.loads(place.read_text("utf-8"))
        marks = tuple(Mark(**{**mark, "flags": tuple(mark["flags"])}) for mark in record.pop("marks"))
        parts: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in record.items()}
        return Graded(**parts, marks=marks)
    return None
