"""One answer: its function is called in another process on inputs drawn here, and judged here by the check's oracle."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from smatch_edu.checks.exercise import Exercise, NotYet
from smatch_edu.course.assignments import Assignment, Question
from smatch_edu.course.marks import BY_HAND, Mark
from smatch_edu.course.notebooks import Cell
from smatch_edu.course.student_versions import without_solution
from smatch_edu.course.submissions import Written, answer_cell
from smatch_edu.sandbox.job import Ended, Job, Limits
from smatch_edu.sandbox.process import Answering

TODO = "Still to do: the cell has no lines of yours yet."


@dataclass(frozen=True)
class Marked:
    """A mark, what an instructor should know of the place of the answer, and the protection that was in force."""

    mark: Mark
    remark: str = ""
    protection: tuple[str, ...] = ()


def mark_answer(
    assignment: Assignment,
    question: Question,
    written: Written,
    seeds: Sequence[int],
    limits: Limits,
    allowed: Collection[str] = (),
) -> Marked:
    """What the answer to a question gets, all points or none.

    Args:
        assignment: of the question.
        written: the notebook that was handed in.
        seeds: of the inputs.
        limits: of the answer's process.
        allowed: flags that are none, since the solution has them too.
    """
    exercise, answer, check = question.exercise, question.answer.grade_id, question.check.grade_id
    mark = Mark(question.title, 0.0, question.points, BY_HAND, cell=check)
    if exercise is None:
        return Marked(mark)
    own = [one.source for one in assignment.cells if not one.grading.get("solution")]
    known = {text.strip() for text in (*own, without_solution(question.answer.source, answer))}
    cell, remark = answer_cell(written.cells, answer, check, question.function, known)
    if cell is None:
        verdict = f"{exercise.number} ✗ There is no cell {answer!r} in your notebook."
        return Marked(replace(mark, verdict=verdict), remark)
    cases, points = exercise.cases(seeds), 0.0
    process = Answering(_job(question.function, written, cell, own, cases), limits)
    try:
        with process:
            outcomes = [_outcome(exercise, process, case) for case in cases]
        largest = _judged(exercise, cases, outcomes)
        points, verdict = (
            question.points,
            f"{exercise.number} ✓ {len(cases)} {exercise.inputs}, largest error {largest:.1e}",
        )
    except NotYet as refused:
        verdict = str(refused)
    except Ended as ended:
        verdict = f"{exercise.number} ✗ {TODO if ended.todo else ended}"
    flags = tuple(flag for flag in _flags(process) if flag not in allowed)
    mark = replace(mark, points=points, verdict=verdict, flags=flags)
    return Marked(mark, remark, process.protection)


def _job(function: str, written: Written, cell: Cell, own: Sequence[str], cases: Sequence[Mapping[str, Any]]) -> Job:
    """The function, with the cells above it, those below, and the course's own without its solutions."""
    place = [one.number for one in written.cells].index(cell.number)
    above, below = ([one.source for one in part] for part in (written.cells[:place], written.cells[place + 1 :]))
    tensors = any(isinstance(value, Tensor) for case in cases for value in case.values())
    groups = (("<above>", above), ("<below>", below), ("<course>", own))
    return Job(function, cell.source, groups, ("torch",) if tensors else ())


def _outcome(exercise: Exercise, process: Answering, case: Mapping[str, Any]) -> Any:
    """What the function returns for a case. `NotYet` for an error, and for an input that it changed."""
    try:
        returned, after = process.ask(case)
    except Ended as ended:
        raise (exercise.refusal(TODO) if ended.todo else exercise.refusal(str(ended), case)) from None
    try:
        exercise.unchanged(case, after)
    except NotYet:
        raise
    except Exception:  # of another kind than it was
        raise exercise.refusal("Your function changes its input into something else.", case) from None
    return returned


def _judged(exercise: Exercise, cases: Sequence[Mapping[str, Any]], outcomes: Sequence[Any]) -> float:
    """The largest error. `NotYet` also for what no check has foreseen."""
    try:
        return exercise.judge(cases, outcomes)
    except NotYet:
        raise
    except Exception as error:
        raise exercise.refusal(f"What you return cannot be judged ({type(error).__name__}).") from None


def _flags(process: Answering) -> list[str]:
    """What an instructor should look at."""
    return [*(f"uses {name}" for name in sorted(process.library)), *(f"names {name}" for name in process.odd)]
