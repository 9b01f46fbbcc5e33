"""Hints that any exercise may give: each says something that is true of what was returned, and may be of use."""

from __future__ import annotations

import copy
import itertools
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from smatch_edu.checks.values import error, numbers

HALF = {"float16": 2.0**-10, "bfloat16": 2.0**-7}  # how far apart numbers around 1 are


def rounded(outcomes: Sequence[Any], wanted: Sequence[Any]) -> str:
    """What is right but for rounding; empty if it is not."""
    pairs = [pair for outcome, right in zip(outcomes, wanted, strict=True) for pair in _arrays(outcome, right)]
    got, want = (np.concatenate([numbers(pair[n]).ravel() for pair in pairs] or [np.zeros(0)]) for n in (0, 1))
    finite = np.isfinite(want)
    if not np.array_equal(got[~finite], want[~finite]):
        return ""
    got, want = got[finite], want[finite]
    if len(np.unique(got)) < 3:
        return ""
    off = np.abs(got - want)
    for digits in range(1, 7):
        step = 10.0**-digits
        if (np.abs(got - np.round(got, digits)) < 1e-6 * step).all() and (off <= 0.5001 * step).all():
            return (
                f"Right, but rounded to {digits} digit{'s' if digits > 1 else ''} after the point. Return your "
                "numbers as they come: whoever goes on with them needs all digits."
            )
    for name, apart in HALF.items():
        held = any(str(getattr(one, "dtype", "")).rpartition(".")[2] == name for one, _ in pairs)
        if held and (off <= 4 * apart * np.abs(want) + 1e-6).all():
            return f"Right as far as {name} goes, which holds two or three digits. Use float64, NumPy's own kind."
    return ""


def general_hint(outcomes: Sequence[Any], wanted: Sequence[Any]) -> str:
    """The first hint that holds: always the same, sums that should be 1, nearly right. Empty if none does."""
    if _all_alike(outcomes) and not _all_alike(wanted):
        return "Your function returns the same whatever it is given. Where do its inputs come in?"
    pairs = [list(_arrays(outcome, right)) for outcome, right in zip(outcomes, wanted, strict=True)]
    for axis, of in ((-1, "each row of what you return"), (-2, "each column of what you return"), (None, "all of it")):
        sums = [
            (numbers(got).sum(axis), numbers(right).sum(axis))
            for case in pairs
            for got, right in case
            if np.ndim(right) >= (-axis if axis else 1)
        ]
        if len(sums) >= len(pairs) and all(np.allclose(right, 1) for _, right in sums):
            off = next((float(np.ravel(s)[np.argmax(np.abs(np.ravel(s) - 1))]) for s, _ in sums if _off(s)), None)
            if off is not None:
                return f"Probabilities were wanted: {of} should sum to 1, and a sum of yours is {off:.4g}."
    largest = 0.0
    for case in pairs:
        for got, right in case:
            got, right = numbers(got), numbers(right)
            off, scale = np.max(np.abs(got - right), initial=0.0), np.max(np.abs(right), initial=0.0)
            if not (np.isfinite(off) and off <= 1e-3 * scale):
                return ""
            largest = max(largest, float(off))
    if not any(pairs):
        return ""
    return (
        f"Near, and not right yet: you are off by {largest:.1e} at most. Is a sum cut short, something kept from 0 by "
        "a small number, or in single precision?"
    )


def ignored_input(
    answer: Callable[..., Any], oracle: Callable[..., Any], cases: Sequence[Mapping[str, Any]], rtol: float, atol: float
) -> str:
    """The hint for an input which the answer does not depend on and the oracle does: each input alone is exchanged for
    that of another case. Empty if there is none."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in cases[0]:
            moved, stayed = 0, 0
            for case, other in itertools.pairwise(cases[:11]):
                mixed = dict(case) | {name: other[name]}
                try:
                    right, changed = (oracle(**copy.deepcopy(dict(one))) for one in (case, mixed))
                    if not error(changed, right, rtol, atol) > 10:
                        continue
                    first, second = (answer(*copy.deepcopy(list(one.values()))) for one in (case, mixed))
                    stayed += error(second, first, 0.0, 1e-12) <= 1
                except (Exception, SystemExit):  # what is exchanged need not fit the rest
                    continue
                moved += 1
            if moved >= 3 and stayed == moved:
                return (
                    f"Your result does not change with `{name}`, and the right one does. Where does `{name}` come in?"
                )
    return ""


def _arrays(returned: Any, right: Any) -> Iterable[tuple[Any, Any]]:
    """Numbers that belong together, without strings, True and False."""
    if isinstance(right, Mapping):
        for key in right:
            yield from _arrays(returned[key], right[key])
    elif not isinstance(right, str | bool | np.bool_):
        yield returned, right


def _all_alike(values: Sequence[Any]) -> bool:
    try:
        return all(error(value, values[0], 0.0, 1e-12) <= 1 for value in values)
    except Exception:  # of different shapes, say
        return False


def _off(sums: Any) -> bool:
    return not np.allclose(sums, 1, rtol=1e-4, atol=1e-4)
