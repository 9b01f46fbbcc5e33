"""Grading a class: every answer is called in a process of its own on inputs drawn here, and judged here by the check.

A submission can do to its process what it likes; what it returns is data, and the oracle is not in that process. Each
submission's result is a file, written when it is graded: a run that is killed goes on, with the same grades from the
same seed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from smatch_edu import __version__
from smatch_edu.checks.exercise import NotYet
from smatch_edu.course.assignments import Assignment, Question, find_assignments, read_assignment
from smatch_edu.course.notebooks import Cell, read_file
from smatch_edu.course.submissions import Submission, Written, answer_cell, find_submissions, read_submission, shown
from smatch_edu.sandbox.process import LIMITS, Answering, Ended, Job, Limits
from smatch_edu.support.errors import check_seed
from smatch_edu.support.files import check_folder, write_atomically
from smatch_edu.support.progress import Progress
from smatch_edu.support.tables import printable

GRADED = "graded"
BY_HAND = "to be graded by hand"
LONGEST = 1500  # characters of a verdict


@dataclass(frozen=True)
class Mark:
    """What one question got.

    Attributes:
        question: its number and title.
        points, most: reached and reachable.
        verdict: in words, a hint among them.
        flags: for the instructor alone: library functions used, names that no exercise needs.
    """

    question: str
    points: float
    most: float
    verdict: str
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Graded:
    """What one submission got: a row of the report.

    Attributes:
        status: "graded", or why it was not.
        marks: of each question.
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

    @property
    def points(self) -> float:
        """What all questions together got."""
        return float(sum(mark.points for mark in self.marks))


class Grader:
    """Grades submissions of the assignments of a course, from one seed.

    Args:
        source: the folder of the solved notebooks.
        seed: of the inputs, with the student's name.
        limits: of each answer.
    """

    def __init__(self, source: str | Path, seed: int, limits: Limits = LIMITS) -> None:
        check_seed(seed)
        self.paths, self.seed, self.limits = find_assignments(source), seed, limits
        self.read: dict[str, Assignment] = {}
        self.allowed: dict[str, set[str]] = {}  # what of the library the solution itself uses, by question

    def assignment(self, name: str) -> Assignment:
        """An assignment."""
        if name not in self.read:
            self.read[name] = read_assignment(self.paths[name])
        return self.read[name]

    def prove(self, name: str) -> None:
        """Grade an assignment's own solution, before anybody else's. ValueError if it does not get full marks."""
        assignment = self.assignment(name)
        for question in assignment.questions:
            if question.exercise is not None and question.check.grade_id not in self.allowed:
                mark, *_ = self._mark(
                    assignment, question, Written(assignment.cells, assignment.digest), "the solution"
                )
                if mark.points < mark.most:
                    raise ValueError(f"{self.paths[name]}: the solution of {mark.question} fails: {mark.verdict}")
                self.allowed[question.check.grade_id] = set(mark.flags)

    def key(self, submission: Submission, content: str) -> str:
        """Of all that a grade depends on."""
        assignment = self.assignment(submission.assignment)
        parts = [__version__, self.seed, submission.student, content, assignment.digest, asdict(self.limits)]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def grade(self, submission: Submission) -> Graded:
        """What a submission gets. Whatever it holds, this returns, and in words that can be printed."""
        found = self._grade(submission)
        marks = tuple(
            replace(mark, verdict=printable(mark.verdict), flags=tuple(map(printable, mark.flags)))
            for mark in found.marks
        )
        remarks = tuple(map(printable, found.remarks))
        return replace(found, status=printable(found.status), marks=marks, remarks=remarks)

    def _grade(self, submission: Submission) -> Graded:
        most = self.most(submission.assignment)
        told = (submission.student, submission.assignment)
        if submission.path is None:
            return Graded(*told, submission.problem, most, remarks=submission.remarks)
        start = time.monotonic()
        try:
            written = read_submission(submission.path)
        except ValueError as error:
            status = f"{shown(submission.path.name)} cannot be graded: {error}"
            return Graded(*told, status, most, remarks=submission.remarks, timestamp=submission.timestamp)
        assignment = self.assignment(submission.assignment)
        self.prove(assignment.name)
        remarks, marks, protection = [*submission.remarks, *written.remarks], [], set()
        for question in assignment.questions:
            mark, said, force = self._mark(assignment, question, written, submission.student)
            marks.append(mark)
            remarks += [said] if said else []
            protection |= set(force)
        return Graded(
            *told,
            GRADED,
            most,
            tuple(marks),
            tuple(remarks),
            tuple(sorted(protection)),
            submission.timestamp,
            round(time.monotonic() - start, 2),
            self.key(submission, written.digest),
        )

    def most(self, name: str) -> float:
        """What an assignment is worth; 0 for one that there is not."""
        return self.assignment(name).points if name in self.paths else 0.0

    def _mark(
        self, assignment: Assignment, question: Question, written: Written, student: str
    ) -> tuple[Mark, str, list[str]]:
        """What one question gets, a remark, and the protection that was in force."""
        exercise, most = question.exercise, question.points
        if exercise is None:
            return Mark(question.title, 0.0, most, BY_HAND), "", []
        known = {one.source for one in assignment.cells if not one.grading.get("solution")}
        cell, remark = answer_cell(written.cells, question.answer.grade_id, question.function, known)
        if cell is None:
            verdict = f"{exercise.number} ✗ There is no cell {question.answer.grade_id!r} in your notebook."
            return Mark(question.title, 0.0, most, verdict), remark, []
        process = None
        try:
            cases = exercise.cases(self._seeds(student, question))
            with Answering(_job(assignment, question, written, cell, cases), self.limits) as process:
                outcomes = [_outcome(question, process, case) for case in cases]
            largest = _judged(question, cases, outcomes)
            verdict = f"{exercise.number} ✓ {len(cases)} {exercise.inputs}, largest error {largest:.1e}"
            points = most
        except NotYet as refused:
            verdict, points = str(refused), 0.0
        except Ended as ended:
            verdict, points = f"{exercise.number} ✗ {_todo() if ended.todo else ended}", 0.0
        flags = self._flags(question, process) if process else ()
        return (
            Mark(question.title, points, most, verdict[:LONGEST], flags),
            remark,
            process.protection if process else [],
        )

    def _seeds(self, student: str, question: Question) -> list[int]:
        """Other inputs for every student and question."""
        text = f"{student}\0{question.check.grade_id}".encode()
        return [self.seed, int.from_bytes(hashlib.sha256(text).digest()[:8], "big")]

    def _flags(self, question: Question, process: Answering) -> tuple[str, ...]:
        """What an instructor should look at: what the solution itself does not use."""
        allowed = self.allowed.get(question.check.grade_id, set())
        library = [f"uses {name}" for name in sorted(process.library)]
        return tuple(flag for flag in [*library, *(f"names {name}" for name in process.odd)] if flag not in allowed)


def grade_class(
    submitted: Path, source: Path, out: Path, seed: int | None = None, limits: Limits = LIMITS
) -> Iterator[Graded]:
    """Grade all that was handed in; yields each row as soon as it is known, what was graded before first.

    Args:
        submitted: a folder for each student, in it one for each assignment, in it the notebook.
        source: the solved notebooks.
        out: where the records are kept, one for each submission.
        seed: of the inputs; left out, a secret one, which is kept in `out`.
        limits: of each answer.
    """
    check_folder(out)
    grader = Grader(source, _seed(out, seed), limits)
    submissions = find_submissions(submitted, list(grader.paths))
    before = [(one, _recorded(grader, one, out)) for one in submissions]
    yield from (graded for _, graded in before if graded)
    yield from _gone(out, {_place(out, one) for one in submissions})
    todo = [one for one, graded in before if not graded]
    with Progress(len(submissions), "grading", "submission", done=len(submissions) - len(todo)) as progress:
        for one in todo:
            progress.now(f"{one.student} {one.assignment}")
            if one.path is not None:
                grader.prove(one.assignment)
            try:
                graded = grader.grade(one)
            except Exception as error:  # of ours or of the system: it costs this row, until the next run
                status = f"the grader stopped with {type(error).__name__}: {error}; the next run tries again"
                graded = Graded(one.student, one.assignment, status, grader.most(one.assignment))
            else:
                if graded.status == GRADED:
                    _record(out, one, graded)
            yield graded
            progress.advance()


def _job(
    assignment: Assignment, question: Question, written: Written, cell: Cell, cases: Sequence[Mapping[str, Any]]
) -> Job:
    """The function, with the cells above it, those below, and the course's own without its solutions."""
    place = [one.number for one in written.cells].index(cell.number)
    above, below = ([one.source for one in part] for part in (written.cells[:place], written.cells[place + 1 :]))
    own = [one.source for one in assignment.cells if not one.grading.get("solution")]
    tensors = any(isinstance(value, Tensor) for case in cases for value in case.values())
    groups = (("<above>", above), ("<below>", below), ("<course>", own))
    return Job(question.function, cell.source, groups, ("torch",) if tensors else ())


def _outcome(question: Question, process: Answering, case: Mapping[str, Any]) -> Any:
    """What the function returns for a case. `NotYet` for an error, and for an input that it changed."""
    exercise = question.exercise
    assert exercise is not None
    try:
        returned, after = process.ask(case)
    except Ended as ended:
        raise exercise.refusal(_todo() if ended.todo else str(ended), None if ended.todo else case) from None
    try:
        exercise.unchanged(case, after)
    except NotYet:
        raise
    except Exception:  # of another kind than it was
        raise exercise.refusal("Your function changes its input into something else.", case) from None
    return returned


def _judged(question: Question, cases: Sequence[Mapping[str, Any]], outcomes: Sequence[Any]) -> float:
    """The largest error. `NotYet` also for what no check has foreseen."""
    exercise = question.exercise
    assert exercise is not None
    try:
        return exercise.judge(cases, outcomes)
    except NotYet:
        raise
    except Exception as error:
        raise exercise.refusal(f"What you return cannot be judged ({type(error).__name__}).") from None


def _todo() -> str:
    return "Still to do: the cell has no lines of yours yet."


def _seed(out: Path, seed: int | None) -> int:
    """The seed that was given, or else the one in the folder; a new one is secret, since solutions are public."""
    place = out / "seed"
    if seed is None:
        try:
            return int(place.read_text("utf-8"))
        except (OSError, ValueError):
            seed = secrets.randbits(60)
    write_atomically(place, f"{seed}\n")
    return seed


def _place(out: Path, submission: Submission) -> Path:
    """Of a record. A student's name may be anything, so the file has a digest for its name."""
    name = hashlib.sha256(f"{submission.student}\0{submission.assignment}".encode()).hexdigest()[:32]
    return out / "records" / f"{name}.json"


def _record(out: Path, submission: Submission, graded: Graded) -> None:
    place = _place(out, submission)
    place.parent.mkdir(exist_ok=True)
    write_atomically(place, json.dumps(asdict(graded), indent=1, ensure_ascii=False) + "\n")


def _recorded(grader: Grader, submission: Submission, out: Path) -> Graded | None:
    """What was graded before, if nothing that it depends on has changed."""
    if submission.path is None:
        return None
    try:
        graded = restored(json.loads(_place(out, submission).read_text("utf-8")))
        digest = hashlib.sha256(read_file(submission.path)).hexdigest()
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return graded if graded.key == grader.key(submission, digest) else None


def _gone(out: Path, known: set[Path]) -> Iterator[Graded]:
    """What was graded once, and is no longer among what was handed in: a grade is not lost with its file."""
    for place in sorted(set(out.glob("records/*.json")) - known):
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            graded = restored(json.loads(place.read_text("utf-8")))
            yield replace(graded, remarks=(*graded.remarks, "graded earlier; what was handed in is no longer there"))


def restored(record: Mapping[str, Any]) -> Graded:
    """A row from its record."""
    parts: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in record.items()}
    parts["marks"] = tuple(Mark(**{**mark, "flags": tuple(mark["flags"])}) for mark in record["marks"])
    return Graded(**parts)
