"""What an exercise is: an oracle, fresh random inputs, and the mistakes that are known, each with its hint.

    @exercise("2.1", draw=random_chain, mistakes=[discount_forgotten], inputs="random chains")
    def visits_along_a_chain(policy, gamma):
        ...                                          # the oracle

    mine = visits_along_a_chain(answer)              # checks the answer: if it passes `mine` is the answer itself,
                                                     # and if it does not yet it is the oracle, so that one can go on

A mistake is a function too: it computes what an answer with that mistake returns, and its docstring is the hint. An
answer that agrees with the oracle on every input passes. One that agrees with a mistake instead is told its hint. A
sign is what gives away a mistake that can be made in many ways: a predicate on what was returned.
"""

from __future__ import annotations

import _thread
import contextlib
import copy
import inspect
import linecache
import math
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

# Torch computes gamma ** torch.arange(4) in single precision, whatever it is multiplied with afterwards.
RTOL = ATOL = 1e-5
FLOAT32 = 1e-4  # both, for an answer that is in single precision throughout
BUSY, GLANCE = 6, 0.1  # by the clock an answer may take so many times its seconds, and is looked at so often
STAND_IN = "      Until then the cells below take the course's own function."


class NotYet(AssertionError):  # noqa: N818, it is said to a student
    """An answer that is not right yet."""


class _MismatchError(Exception):
    """Why a returned value cannot be compared with the wanted one: its kind, shape or NaN."""


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
        inputs: what is drawn, in words: "random chains".
        num_cases: how many are drawn.
        seconds: of a processor, that an answer may take for all of them.
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
    inputs: str = "random inputs"
    num_cases: int = 100
    seconds: float = 10.0
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
            largest = self.check(answer, seed)
        except NotYet as refused:
            print(refused, STAND_IN, sep="\n", file=sys.stderr)
            return self.oracle
        print(f"{self.number} ✓ {self.title} ({self.num_cases} {self.inputs}, largest error {largest:.1e})")
        return answer

    def check(self, answer: Any, seed: int | None = None) -> float:
        """The largest error of an answer on fresh random inputs.

        Raises:
            NotYet: it is not a function, fails, takes too long, returns the wrong kind or shape, changes its inputs, or
                is wrong.
        """
        if not callable(answer):
            raise self._not_yet(
                f"A function was wanted, and this is {_a(answer)}. Hand over the function's name alone."
            )
        cases = self.cases(seed)
        try:
            with _time_limit(self.seconds):
                outcomes = [self._call(answer, case) for case in cases]
        except TimeoutError:
            raise self._not_yet(
                f"Your function was stopped after {self.seconds:g} seconds. Is there a loop that never ends?"
            ) from None
        largest = self.judge(cases, outcomes)
        if self.gradient is not None:
            watched = cases[0] | {self.gradient: cases[0][self.gradient].clone().requires_grad_()}
            if not getattr(answer(*watched.values()), "requires_grad", False):
                raise self._not_yet(
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
            NotYet: it is of the wrong kind or shape, or wrong.
        """
        wanted = [self.oracle(**copy.deepcopy(dict(case))) for case in cases]
        for case, returned, right in zip(cases, outcomes, wanted, strict=True):
            try:
                _matching(returned, right)
            except _MismatchError as reason:
                raise self._not_yet(f"{reason}{self._example(case, returned)}") from None
        errors = [self._error(returned, right) for returned, right in zip(outcomes, wanted, strict=True)]
        wrong = [number for number, error in enumerate(errors) if error > 1]
        if wrong:
            first = wrong[0]
            hint = self._hint(cases, outcomes, wanted, wrong)
            raise self._not_yet(f"{hint}{self._example(cases[first], outcomes[first])}")
        return max((_distance(r, w) for r, w in zip(outcomes, wanted, strict=True)), default=0.0)

    def refusal(self, message: str, case: Mapping[str, Any] | None = None) -> NotYet:
        """An answer that came to no result is told why, and for which inputs."""
        return self._not_yet(message if case is None else message + self._example(case))

    def unchanged(self, case: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        """Raise `NotYet` if an input is not what it was before the call."""
        changed = [name for name, value in after.items() if not _same(value, case[name])]
        if changed:
            raise self._not_yet(
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
            raise self._not_yet(f"Your function takes {takes}; it is called with ({', '.join(given)}).") from None
        except ValueError:
            pass  # a built-in without a signature
        try:
            returned = answer(*given.values())
        except NotImplementedError:
            todo = "Still to do: write your lines in the cell above, run it, then run this one again."
            raise self._not_yet(todo) from None
        except (Exception, SystemExit) as error:
            stopped = f"Your function stopped with {_named(error)}{_where(answer, error)}{self._example(case)}"
            raise self._not_yet(stopped) from error
        self.unchanged(case, given)
        try:
            return copy.deepcopy(returned)  # the next call may fill the same array again
        except Exception:
            return returned

    def _hint(
        self, cases: Sequence[Mapping[str, Any]], outcomes: Sequence[Any], wanted: Sequence[Any], wrong: Sequence[int]
    ) -> str:
        """The hint of the mistake that explains what was returned, or how many cases are wrong if none does."""
        with np.errstate(all="ignore"):  # what was returned may be of any size
            for mistake in self.mistakes:
                if all(self._agrees(outcomes[n], mistake(**copy.deepcopy(cases[n]))) for n in range(len(cases))):
                    return _text(mistake)
            for sign in self.signs:
                borne = [sign(_plain(outcomes[n]), *copy.deepcopy(cases[n]).values()) for n in wrong]
                if any(borne) and all(one or one is None for one in borne):
                    return _text(sign)
        share = "every one" if len(wrong) == len(cases) else f"{len(wrong)}"
        place = self._place(outcomes[wrong[0]], wanted[wrong[0]])
        return f"Not right yet, for {share} of {len(cases)} {self.inputs}{place}."

    def _agrees(self, returned: Any, other: Any) -> bool:
        try:
            _matching(returned, other)
        except _MismatchError:
            return False
        return self._error(returned, other) <= 1

    def _error(self, returned: Any, right: Any) -> float:
        """The largest difference, in units of what is allowed."""
        if isinstance(right, Mapping):
            return max(self._error(returned[key], right[key]) for key in right)
        if isinstance(right, str | bool | np.bool_):
            return 0.0 if returned == right else math.inf
        single = "float32" in str(getattr(returned, "dtype", ""))
        rtol, atol = (max(t, FLOAT32) for t in (self.rtol, self.atol)) if single else (self.rtol, self.atol)
        got, want = _numbers(returned), _numbers(right)
        finite = np.isfinite(want)
        if not np.array_equal(np.where(finite, 0, got), np.where(finite, 0, want)):
            return math.inf  # an infinity is only matched by itself
        want = np.where(finite, want, 0)
        with np.errstate(over="ignore"):  # an answer may be as large as a float can be
            errors = np.abs(np.where(finite, got, 0) - want) / (atol + rtol * np.abs(want))
        return float(np.max(errors, initial=0.0))

    def _place(self, returned: Any, right: Any) -> str:
        """Where the first wrong entry stands."""
        if isinstance(right, Mapping):
            return f", first at {next(repr(key) for key in right if self._error(returned[key], right[key]) > 1)}"
        if isinstance(right, str | bool | np.bool_) or np.ndim(right) == 0:
            return ""
        got, want = _numbers(returned), _numbers(right)
        apart = ~np.isclose(got, want, rtol=self.rtol, atol=self.atol)
        index = np.unravel_index(int(np.argmax(apart)), want.shape)
        return f", first at index {', '.join(map(str, index))}"

    def _example(self, case: Mapping[str, Any], *returned: Any) -> str:
        """One of the inputs, and what was returned for it, on a line of its own."""
        told = ", ".join(f"{name} = {_shown(value)}" for name, value in case.items())
        return f"\n      For {told}" + (f" you returned {_shown(returned[0])}." if returned else ".")

    def _not_yet(self, message: str) -> NotYet:
        return NotYet(f"{self.number} ✗ {message}")


@contextlib.contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Interrupt what takes more of a processor's time, as Ctrl-C would, and raise TimeoutError. A busy machine fails
    nobody: by the clock it may take `BUSY` times as long. Only the main thread can be interrupted."""
    started, used = time.monotonic(), time.process_time()
    done, over = threading.Event(), threading.Event()

    def watch() -> None:
        while not done.wait(GLANCE):
            if time.process_time() - used > seconds or time.monotonic() - started > BUSY * seconds:
                over.set()
                _thread.interrupt_main()
                return

    watcher = threading.Thread(target=watch, daemon=True)
    try:
        if threading.current_thread() is threading.main_thread():
            watcher.start()
        yield
        done.set()
        if watcher.is_alive():
            watcher.join()  # an interruption that is on its way arrives here
    except KeyboardInterrupt:
        if over.is_set():
            raise TimeoutError from None
        raise
    finally:
        done.set()


def exercise(number: str, **attributes: Any) -> Callable[[Callable[..., Any]], Exercise]:
    """Make an `Exercise` of its oracle; the title is the oracle's name in words."""

    def make(oracle: Callable[..., Any]) -> Exercise:
        made = Exercise(number=number, title=oracle.__name__.replace("_", " "), oracle=oracle, **attributes)
        object.__setattr__(made, "__doc__", oracle.__doc__)
        return made

    return make


def _matching(returned: Any, right: Any) -> None:
    """Raise `_MismatchError` unless `returned` can be compared with `right`."""
    if returned is None:
        raise _MismatchError("Your function returns nothing. Is there a `return`?")
    if isinstance(right, Mapping):
        if not isinstance(returned, Mapping):
            raise _MismatchError(f"Your function returns {_a(returned)}; a dictionary was wanted.")
        if set(returned) != set(right):
            raise _MismatchError(
                f"Your dictionary has the keys {sorted(map(str, returned))}; {sorted(map(str, right))} were wanted."
            )
        for key in right:
            _matching(returned[key], right[key])
        return
    if isinstance(right, str | bool | np.bool_):
        kind = "a string" if isinstance(right, str) else "True or False"
        if not isinstance(returned, str if isinstance(right, str) else bool | np.bool_):
            raise _MismatchError(f"Your function returns {_a(returned)}; {kind} was wanted.")
        return
    try:
        numbers = _numbers(returned)
    except Exception:  # a tensor on no device, a list that holds itself, ...
        wanted = "an array of numbers" if np.ndim(right) else "a number"
        raise _MismatchError(f"Your function returns {_a(returned)}; {wanted} was wanted.") from None
    shape = np.shape(right)
    if numbers.shape != shape:
        wanted = f"shape {shape}" if shape else "a single number"
        given = f"has shape {numbers.shape}" if numbers.shape else "is a single number"
        raise _MismatchError(f"What you return {given}; {wanted} was wanted.")
    if np.isnan(numbers).any() and not np.isnan(np.asarray(right, dtype=np.float64)).any():
        raise _MismatchError(
            "What you return holds NaN (not a number). Where might 0/0, 0·∞ or log of a negative number come from?"
        )


def _numbers(value: Any) -> np.ndarray:
    """A number, list, array or tensor as float64. An error of any kind for anything else."""
    if isinstance(value, Tensor):
        value = value.detach().to_dense().to("cpu", copy=True).resolve_neg()
        value = (value.float() if value.dtype in (torch.float16, torch.bfloat16) else value).numpy()
    elif isinstance(value, list | tuple):
        value = [_numbers(entry) for entry in value]
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{array.dtype} is no kind of real number")
    return array.astype(np.float64)


def _plain(value: Any) -> Any:
    """What a sign looks at: numbers as an array, anything else as it is."""
    return value if isinstance(value, str | bool | Mapping) else _numbers(value)


def _distance(returned: Any, right: Any) -> float:
    """The largest absolute difference between numbers that are finite; 0 for anything else."""
    if isinstance(right, Mapping):
        return max(_distance(returned[key], right[key]) for key in right)
    if isinstance(right, str | bool | np.bool_):
        return 0.0
    got, want = _numbers(returned), _numbers(right)
    finite = np.isfinite(want)
    return float(np.max(np.abs(got[finite] - want[finite]), initial=0.0))


def _same(value: Any, before: Any) -> bool:
    """Whether an input still is what it was."""
    if isinstance(before, np.ndarray | Tensor):
        return np.array_equal(_numbers(value), _numbers(before), equal_nan=True)
    if isinstance(before, Mapping):
        return list(value) == list(before) and all(_same(value[key], before[key]) for key in before)
    if isinstance(before, list | tuple):
        return len(value) == len(before) and all(_same(*pair) for pair in zip(value, before, strict=True))
    if isinstance(before, int | float | str):
        return bool(value == before)
    return True  # functions, keyboards: not made to be changed


def _shown(value: Any) -> str:
    """A value as it fits into one line."""
    if callable(value):
        return getattr(value, "__name__", "a function")
    try:
        with np.printoptions(precision=3, suppress=True, threshold=24, edgeitems=3):
            if isinstance(value, Tensor | np.ndarray):
                plain = str(value if isinstance(value, np.ndarray) else _numbers(value))
            else:
                plain = f"{value:.4g}" if isinstance(value, float) else repr(value)
    except Exception:
        plain = _a(value)
    text = " ".join(plain.split())
    return text if len(text) <= 160 else text[:150] + " …"


def _a(value: Any) -> str:
    """A value's kind in words."""
    return (
        "None"
        if value is None
        else f"{'an' if type(value).__name__[0] in 'aeiouAEIOU' else 'a'} {type(value).__name__}"
    )


def _named(error: BaseException) -> str:
    message = str(error).strip().splitlines()
    return f"{type(error).__name__}: {message[0]}" if message else type(error).__name__


def _where(answer: Callable[..., Any], error: BaseException) -> str:
    """The line of the student's own cell at which it stopped."""
    code = getattr(answer, "__code__", None)
    own = [f for f in traceback.extract_tb(error.__traceback__) if code is not None and f.filename == code.co_filename]
    line = (own[-1].line or linecache.getline(own[-1].filename, own[-1].lineno or 0)).strip() if own else ""
    return f" at `{line}`." if line else "."


def _text(function: Callable[..., Any]) -> str:
    """A docstring as one line."""
    return " ".join((function.__doc__ or "").split())
