"""What an exercise is: an oracle, fresh random inputs, and the mistakes that are known, each with its hint.

    @exercise("2.1", draw=random_chain, mistakes=[discount_forgotten], inputs="random chains")
    def visits_along_a_chain(policy, gamma):
        ...                                          # the oracle

    mine = visits_along_a_chain(answer)              # checks the answer: if it passes `mine` is the answer itself,
                                                     # and if it does not yet it is the oracle, so that one can go on

A mistake is a function too: it computes what an answer with that mistake returns, and its docstring is the hint. An
answer that agrees with the oracle on every input passes. One that agrees with a mistake instead is told its hint. A
sign is what gives away a mistake that can be made in many ways: a predicate on what was returned. A guess is a sign
that other mistakes may bear, too ("nearly right"), and the hint is told as a guess.
"""

from __future__ import annotations

import contextlib
import copy
import inspect
import linecache
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from smatch_edu.checks.general_hints import general_hint, ignored_input, never_the_same, rounded, wrong_keys
from smatch_edu.checks.limits import few_lines, limited
from smatch_edu.checks.patterns import inputs
from smatch_edu.checks.values import MismatchError, check_kind, distance, error, kind, place, plain, same, shown, size

# Torch computes gamma ** torch.arange(4) in single precision, whatever it is multiplied with afterwards.
RTOL = ATOL = 1e-5
LINES = 10  # of what an answer prints
STAND_IN = "      Until then the cells below take the course's own function."
TODO = "Still to do: write your lines in the cell above, run it, then run this one again."


class NotYet(AssertionError):  # noqa: N818, it is said to a student
    """An answer that is not right yet.

    Attributes:
        hint: what is wrong; with the exercise's number.
        example: inputs for which it is, on a line of its own.
        case: these inputs, if there are any.
        explained: whether the hint says more than that something is wrong.
    """

    def __init__(
        self, hint: str, example: str = "", case: Mapping[str, Any] | None = None, explained: bool = True
    ) -> None:
        super().__init__(hint + example)
        self.hint, self.example, self.case, self.explained = hint, example, case, explained


@dataclass(frozen=True)
class Exercise:
    """One exercise of the course. Call it with an answer: it says how the answer does, and returns what to go on with.

    Attributes:
        number: as in the notebook, "2.1".
        title: in words.
        draw: random generator → the inputs by name, in the order in which the answer takes them.
        oracle: the inputs → what is right, exactly.
        mistakes: the inputs → what an answer with this mistake returns. The docstring is the hint.
        signs: (returned, *inputs) → whether it bears the sign of a mistake; None where that cannot be seen. The
            docstring is the hint.
        guesses: signs that are not sure.
        inputs: what is drawn, in words: "random chains".
        num_cases: how many are drawn.
        seconds: of a processor, that an answer may take for all of them.
        memory: in bytes, that it may take beyond what is in use.
        gradient: the input, a tensor, whose gradient must find its way through the answer, if any.
        rtol, atol: how far an answer may be from the oracle; coarser for single precision, and for an answer that is an
            estimate.
    """

    number: str
    title: str
    draw: Callable[[np.random.Generator], Mapping[str, Any]]
    oracle: Callable[..., Any]
    mistakes: Sequence[Callable[..., Any]]
    signs: Sequence[Callable[..., bool | None]] = ()
    guesses: Sequence[Callable[..., bool | None]] = ()
    inputs: str = "random inputs"
    num_cases: int = 100
    seconds: float = 10.0
    memory: int = 2 << 30
    gradient: str | None = None
    rtol: float = RTOL
    atol: float = ATOL

    def __call__(self, answer: Any, seed: int | None = None) -> Callable[..., Any]:
        """Check an answer on fresh random inputs, and print what was found.

        A refusal goes to the standard error: a notebook runs on, and nbgrader gives no points for the cell.

        Args:
            answer: a function of the inputs; numpy arrays, tensors, lists and numbers are all welcome as its result.
            seed: of the inputs; a new one each time if left out.

        Returns:
            The answer if it passes, else the oracle.
        """
        try:
            with few_lines(LINES):
                largest = self.check(answer, seed)
        except NotYet as refused:
            print(refused, STAND_IN, sep="\n", file=sys.stderr)
            return self.oracle
        print(f"{self.number} ✓ {self.title} ({self.num_cases} {self.inputs}, largest error {largest:.1e})")
        return answer

    def check(self, answer: Any, seed: int | None = None) -> float:
        """The largest error of an answer on fresh random inputs.

        Raises:
            NotYet: it is not a function, fails, takes too long or too much, returns the wrong kind or shape, changes
                its inputs, or is wrong.
        """
        if not callable(answer):
            raise self.refusal(
                f"A function was wanted, and this is {kind(answer)}. Hand over the function's name alone."
            )
        seed = int(np.random.default_rng().integers(2**32)) if seed is None else seed
        cases = self.cases(seed)
        try:
            with limited(self.seconds, self.memory):
                found = {n: self._call(answer, cases[n]) for n in _by_size(cases)}
            outcomes = [found[n] for n in range(len(cases))]
            largest = self.judge(cases, outcomes)
        except TimeoutError:
            raise self.refusal(
                f"Your function was stopped after {self.seconds:g} seconds. Is there a loop that never ends?"
            ) from None
        except MemoryError:
            raise self.refusal(
                f"Your function wanted more than {self.memory / 2**30:.2g} GB of memory, and was stopped. What grows "
                "in it?"
            ) from None
        except NotYet as refused:
            raise self._told(refused, answer, cases, seed) from refused.__cause__
        if self.gradient is not None:
            watched = cases[0] | {self.gradient: cases[0][self.gradient].clone().requires_grad_()}
            if not getattr(answer(*watched.values()), "requires_grad", False):
                raise self.refusal(
                    "Your numbers are right, but no gradient comes back through your lines, and in training one must. "
                    "Is there a step that is not torch's, or a `detach`?"
                )
        return largest

    def cases(self, seed: int | Sequence[int] | None = None) -> list[dict[str, Any]]:
        """Fresh random inputs, always the same from the same seed."""
        rng = np.random.default_rng(seed)
        return [dict(self.draw(rng)) for _ in range(self.num_cases)]

    def judge(self, cases: Sequence[Mapping[str, Any]], outcomes: Sequence[Any]) -> float:
        """The largest error of what was returned for these inputs, wherever it was computed.

        Raises:
            NotYet: it is of the wrong kind or shape, or wrong; with the smallest inputs for which it is.
        """
        wanted = [self.oracle(**copy.deepcopy(dict(case))) for case in cases]
        for n in _by_size(cases):
            try:
                check_kind(outcomes[n], wanted[n])
            except MismatchError as reason:
                hint = self._mistake(cases, outcomes) or str(reason)
                raise self.refusal(hint, cases[n], outcomes[n]) from None
        wrong = [n for n in _by_size(cases) if self._error(outcomes[n], wanted[n]) > 1]
        if wrong:
            with np.errstate(all="ignore"):  # what was returned may be of any size
                hint, explained = self._hint(cases, outcomes, wanted, wrong)
            refused = self.refusal(hint, cases[wrong[0]], outcomes[wrong[0]])
            refused.explained = explained
            raise refused
        return max((distance(r, w) for r, w in zip(outcomes, wanted, strict=True)), default=0.0)

    def refusal(self, hint: str, case: Mapping[str, Any] | None = None, *returned: Any) -> NotYet:
        """What an answer is told that is not right yet, with inputs for which it is not, and what it returned."""
        example = ""
        if case is not None:
            told = ", ".join(f"{name} = {shown(value)}" for name, value in case.items())
            example = f"\n      For {told}" + (f" you returned {shown(returned[0])}." if returned else ".")
        return NotYet(f"{self.number} ✗ {hint}", example, case)

    def unchanged(self, case: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        """Raise `NotYet` if an input is not what it was before the call."""
        changed = [name for name, value in after.items() if not same(value, case[name])]
        if changed:
            raise self.refusal(
                f"Your function changes its input `{changed[0]}`. Whoever calls it may need that again: work on a "
                "copy, or make a new array."
            )

    def _call(self, answer: Callable[..., Any], case: Mapping[str, Any]) -> Any:
        """What the answer returns for copies of the inputs, which it must leave as they are."""
        given = copy.deepcopy(dict(case))
        try:
            inspect.signature(answer).bind(*given.values())
        except TypeError:
            takes = str(inspect.signature(answer))
            raise self.refusal(f"Your function takes {takes}; it is called with ({', '.join(given)}).") from None
        except ValueError:
            pass  # a built-in without a signature
        try:
            returned = answer(*given.values())
        except MemoryError:
            raise
        except (Exception, SystemExit) as stopped:
            if isinstance(stopped, NotImplementedError) and _is_stub(stopped):
                raise self.refusal(TODO) from None
            where = _line(answer, stopped)
            where = f" at `{where}`." if where else "."
            raise self.refusal(f"Your function stopped with {_named(stopped)}{where}", case) from stopped
        self.unchanged(case, given)
        try:
            return copy.deepcopy(returned)  # the next call may fill the same array again
        except Exception:
            return returned

    def _told(
        self, refused: NotYet, answer: Callable[..., Any], cases: Sequence[Mapping[str, Any]], seed: int
    ) -> NotYet:
        """The same, with an input that the answer ignores, and how to have these inputs again."""
        hint, again = refused.hint, ""
        if not refused.explained:
            with contextlib.suppress(TimeoutError, MemoryError), limited(self.seconds, self.memory):
                found = never_the_same(answer, cases) or ignored_input(answer, self.oracle, cases, self.rtol, self.atol)
                hint = f"{self.number} ✗ {found}" if found else hint
        number = next((n for n, case in enumerate(cases) if case is refused.case), None)
        if number is not None:
            check = f"checks.{self.oracle.__module__.rpartition('.')[2]}.{self.title.replace(' ', '_')}"
            name = getattr(answer, "__name__", "")
            name = name if name.isidentifier() else "your_function"
            again = (
                f"\n      For them alone: {name}(*{check}.cases({seed})[{number}].values())"
                f"\n      The same again: {check}({name}, seed={seed})"
            )
        return NotYet(hint, refused.example + again, refused.case)

    def _hint(
        self, cases: Sequence[Mapping[str, Any]], outcomes: Sequence[Any], wanted: Sequence[Any], wrong: Sequence[int]
    ) -> tuple[str, bool]:
        """What is wrong, and whether it is more than for which inputs and where."""
        known = rounded(outcomes, wanted, self.rtol, self.atol) or self._mistake(cases, outcomes)
        if known := known or self._sign(self.signs, cases, outcomes, wrong):
            return known, True
        said, explained = self._fact(cases, outcomes, wanted, wrong)
        if guess := self._sign(self.guesses, cases, outcomes, wrong):
            return f"{said} Perhaps it is this: {guess}", True
        return said, explained

    def _fact(
        self, cases: Sequence[Mapping[str, Any]], outcomes: Sequence[Any], wanted: Sequence[Any], wrong: Sequence[int]
    ) -> tuple[str, bool]:
        """What is true of the wrong results, and whether it is more than for which inputs and where."""
        shared = inputs(cases, wrong)
        if general := general_hint(cases, outcomes, wanted, wrong[0], self.rtol, self.atol):
            return general + (f" It is {shared}." if shared else ""), True
        first = wrong[0]
        share = "every one" if len(wrong) == len(cases) else f"{len(wrong)}"
        parts = [
            f"Not right yet, for {share} of {len(cases)} {self.inputs}",
            shared or place(outcomes[first], wanted[first], self.rtol, self.atol),
            wrong_keys(outcomes, wanted, self.rtol, self.atol),
        ]
        return f"{', '.join(part for part in parts if part)}.", False

    def _sign(
        self,
        signs: Sequence[Callable[..., bool | None]],
        cases: Sequence[Mapping[str, Any]],
        outcomes: Sequence[Any],
        wrong: Sequence[int],
    ) -> str:
        """The hint of the sign that every wrong result bears which can be seen; empty if there is none."""
        for sign in signs:
            borne = [sign(plain(outcomes[n]), *copy.deepcopy(cases[n]).values()) for n in wrong]
            if any(borne) and all(one or one is None for one in borne):
                return _text(sign)
        return ""

    def _mistake(self, cases: Sequence[Mapping[str, Any]], outcomes: Sequence[Any]) -> str:
        """The hint of the mistake that returns the same for each case; empty if none does."""
        with np.errstate(all="ignore"):
            for mistake in self.mistakes:
                with contextlib.suppress(ArithmeticError, ValueError, LookupError):  # not made for such inputs
                    if all(self._agrees(outcomes[n], mistake(**copy.deepcopy(cases[n]))) for n in range(len(cases))):
                        return _text(mistake)
        return ""

    def _agrees(self, returned: Any, other: Any) -> bool:
        try:
            check_kind(returned, other)
        except MismatchError:
            return False
        return self._error(returned, other) <= 1

    def _error(self, returned: Any, right: Any) -> float:
        return error(returned, right, self.rtol, self.atol)


def exercise(number: str, **attributes: Any) -> Callable[[Callable[..., Any]], Exercise]:
    """Make an `Exercise` of its oracle; the title is the oracle's name in words."""

    def make(oracle: Callable[..., Any]) -> Exercise:
        made = Exercise(number=number, title=oracle.__name__.replace("_", " "), oracle=oracle, **attributes)
        object.__setattr__(made, "__doc__", oracle.__doc__)
        return made

    return make


def _by_size(cases: Sequence[Mapping[str, Any]]) -> list[int]:
    """The smallest inputs first: what is wrong with them is seen best."""
    return sorted(range(len(cases)), key=lambda n: sum(map(size, cases[n].values())))


def _named(stopped: BaseException) -> str:
    try:
        message = str(stopped).strip().splitlines()
    except Exception:  # an error of the student's own, with a `__str__` that fails
        message = []
    return f"{type(stopped).__name__}: {message[0]}" if message else type(stopped).__name__


def _is_stub(stopped: NotImplementedError) -> bool:
    """Whether the line that raised it is the one of an open exercise; a library may raise it as well."""
    last = traceback.extract_tb(stopped.__traceback__)[-1]
    line = (last.line or "").strip()  # unknown where the cell was not run by a notebook
    stub = line.startswith("raise NotImplementedError") if line else not str(stopped)
    return stub and "smatch_edu" not in last.filename


def _line(answer: Callable[..., Any], stopped: BaseException) -> str:
    """The line of the student's own cell at which it stopped."""
    code = getattr(answer, "__code__", None)
    own = [
        f for f in traceback.extract_tb(stopped.__traceback__) if code is not None and f.filename == code.co_filename
    ]
    return (own[-1].line or linecache.getline(own[-1].filename, own[-1].lineno or 0)).strip() if own else ""


def _text(function: Callable[..., Any]) -> str:
    """A docstring as one line."""
    return " ".join((function.__doc__ or "").split())
