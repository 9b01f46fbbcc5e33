"""Grading a class, so that nothing stops it and a run that is killed goes on.

A submission can do to its own process what it likes; what it returns is data, and the oracle is not in that process.
The same seed gives the same grades.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from smatch_edu import __version__
from smatch_edu.course.answers import mark_answer
from smatch_edu.course.assignments import Assignment, Question, find_assignments, read_assignment
from smatch_edu.course.marks import GRADED, Graded, Records
from smatch_edu.course.notebooks import read_file
from smatch_edu.course.submissions import Submission, Written, find_submissions, read_submission, shown
from smatch_edu.sandbox.job import LIMITS, Limits
from smatch_edu.support.errors import check_seed
from smatch_edu.support.files import as_path, check_folder, write_atomically
from smatch_edu.support.progress import Progress


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
        self.allowed: dict[str, dict[str, tuple[str, ...]]] = {}  # flags of the solutions, by assignment and question

    def assignment(self, name: str) -> Assignment:
        """An assignment."""
        if name not in self.read:
            self.read[name] = read_assignment(self.paths[name])
        return self.read[name]

    def most(self, name: str) -> float:
        """What an assignment is worth; 0 for one that there is not."""
        return self.assignment(name).points if name in self.paths else 0.0

    def prove(self, name: str) -> None:
        """Grade an assignment's own solution, before anybody else's. ValueError if it does not get full marks."""
        if name in self.allowed:
            return
        assignment, allowed = self.assignment(name), {}
        own = Written(assignment.cells, assignment.digest)
        for question in assignment.questions:
            if question.exercise is not None:
                seeds = self.seeds(assignment, question, "the solution")
                mark = mark_answer(assignment, question, own, seeds, self.limits).mark
                if mark.points < mark.most:
                    raise ValueError(f"{self.paths[name]}: the solution of {mark.question} fails: {mark.verdict}")
                allowed[question.check.grade_id] = mark.flags
        self.allowed[name] = allowed

    def seeds(self, assignment: Assignment, question: Question, student: str) -> list[int]:
        """Other inputs for every student and question."""
        text = f"{student}\0{assignment.name}\0{question.check.grade_id}".encode()
        return [self.seed, int.from_bytes(hashlib.sha256(text).digest()[:8], "big")]

    def key(self, submission: Submission) -> str:
        """Of all that a grade depends on; "" if what was handed in cannot be read."""
        if submission.path is None:
            return ""
        try:
            content = hashlib.sha256(read_file(submission.path)).hexdigest()
        except ValueError:
            return ""
        digest, limits = self.assignment(submission.assignment).digest, asdict(self.limits)
        parts = [__version__, self.seed, submission.student, submission.remarks, content, digest, limits]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def grade(self, submission: Submission) -> Graded:
        """What a submission gets, whatever it holds."""
        student, name, remarks = submission.student, submission.assignment, list(submission.remarks)
        start, most = time.monotonic(), self.most(submission.assignment)
        if submission.path is None:
            return Graded(student, name, submission.problem, most, remarks=tuple(remarks))
        try:
            written = read_submission(submission.path)
        except ValueError as error:
            status = f"{shown(submission.path.name)} cannot be graded: {error}"
            return Graded(student, name, status, most, remarks=tuple(remarks), timestamp=submission.timestamp)
        self.prove(name)
        assignment = self.assignment(name)
        marked = [
            mark_answer(
                assignment,
                question,
                written,
                self.seeds(assignment, question, student),
                self.limits,
                self.allowed[name].get(question.check.grade_id, ()),
            )
            for question in assignment.questions
        ]
        return Graded(
            student,
            name,
            GRADED,
            most,
            marks=tuple(one.mark for one in marked),
            remarks=(*remarks, *written.remarks, *(one.remark for one in marked if one.remark)),
            protection=tuple(sorted({words for one in marked for words in one.protection})),
            timestamp=submission.timestamp,
            seconds=round(time.monotonic() - start, 2),
            key=self.key(submission),
        )


def grade_class(
    submitted: str | Path, source: str | Path, out: str | Path, seed: int | None = None, limits: Limits = LIMITS
) -> Iterator[Graded]:
    """Grade all that was handed in; yields each row as soon as it is known, what was graded before first.

    Args:
        submitted: a folder for each student, in it one for each assignment, in it the notebook.
        source: the solved notebooks.
        out: where the records are kept, one for each submission.
        seed: of the inputs; left out, a secret one, which is kept in `out`.
        limits: of each answer.
    """
    submitted = as_path(submitted)
    source = as_path(source)
    out = as_path(out)
    check_folder(out)
    grader, records = Grader(source, _seed(out, seed), limits), Records(out / "records")
    submissions = find_submissions(submitted, list(grader.paths))
    before = [records.find(one.student, one.assignment, grader.key(one) or "none") for one in submissions]
    todo = [one for one, row in zip(submissions, before, strict=True) if row is None]
    yield from (row for row in before if row is not None)
    yield from records.others({(one.student, one.assignment) for one in submissions})
    with Progress(len(submissions), "grading", "submission", done=len(submissions) - len(todo)) as progress:
        for one in todo:
            progress.now(f"{one.student} {one.assignment}")
            if one.path is not None:
                grader.prove(one.assignment)
            try:
                row = grader.grade(one)
            except Exception as error:  # of ours or of the system: it costs this row, until the next run
                status = f"the grader stopped with {type(error).__name__}: {error}; the next run tries again"
                row = Graded(one.student, one.assignment, status, grader.most(one.assignment))
            if row.status == GRADED:
                records.keep(row)
            yield row
            progress.advance()


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
