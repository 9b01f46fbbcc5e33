"""Hints that any exercise may give: each says something that is true of what was returned, and may be of use."""

from __future__ import annotations

import copy
import itertools
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from smatch_edu.checks.patterns import entries, relation
from smatch_edu.checks.values import error, numbers

HALF = {"float16": 2.0**-10, "bfloat16": 2.0**-7}  # how far apart numbers around 1 are


def rounded(outcomes: Sequence[Any], wanted: Sequence[Any], rtol: float, atol: float) -> str:
    """What is right but for rounding, at all keys of dictionaries where it is not right; empty if it is not."""
    if all(isinstance(right, Mapping) for right in wanted):
        bad = _bad_keys(outcomes, wanted, rtol, atol)
        pairs = list(zip(outcomes, wanted, strict=True))
        hints = [
            _rounded(
                [one[key] for one, right in pairs if key in right], [right[key] for _, right in pairs if key in right]
            )
            for key in bad
        ]
        return hints[0] if hints and all(hints) else ""
    return _rounded(outcomes, wanted)


def _rounded(outcomes: Sequence[Any], wanted: Sequence[Any]) -> str:
    if any(isinstance(right, str | bool | np.bool_ | Mapping) for right in wanted):
        return ""
    got, want = (np.concatenate([numbers(one).ravel() for one in several]) for several in (outcomes, wanted))
    finite = np.isfinite(want)
    if not np.array_equal(got[~finite], want[~finite]) or not np.isfinite(got[finite]).all():
        return ""
    got, want = got[finite], want[finite]
    if len(np.unique(got)) < 3:
        return ""
    off = np.abs(got - want)
    if np.array_equal(got, np.trunc(want)):
        return (
            "Right, but all that comes after the point is cut off. Do you write into an array of whole numbers, or "
            "divide by //?"
        )
    for digits in range(7):
        step = 10.0**-digits
        if (np.abs(got - np.round(got, digits)) < 1e-6 * step).all() and (off <= 0.5001 * step).all():
            return (
                f"Right, but rounded to {digits} digit{'' if digits == 1 else 's'} after the point. Return your "
                "numbers as they come: whoever goes on with them needs all digits."
            )
    for name, apart in HALF.items():
        held = any(str(getattr(one, "dtype", "")).rpartition(".")[2] == name for one in outcomes)
        if held and (off <= 4 * apart * np.abs(want) + 1e-6).all():
            return f"Right as far as {name} goes, which holds two or three digits. Use float64, NumPy's own kind."
    return ""


def general_hint(
    cases: Sequence[Mapping[str, Any]],
    outcomes: Sequence[Any],
    wanted: Sequence[Any],
    shown: int,
    rtol: float,
    atol: float,
) -> str:
    """The first that is true of: always the same, sums that should be 1, related to what is right, right but for some
    entries, nearly right. Empty if none is. `shown` is the case that the student will see."""
    if _all_alike(outcomes) and not _all_alike(wanted):
        return "Your function returns the same whatever it is given. Where do its inputs come in?"
    key, got, want = _wrong_part(outcomes, wanted, rtol, atol)
    if not got:
        return ""
    where = "" if key is None else f"At {key!r}: "
    found = _sums(got, want, shown) or relation(cases, got, want) or entries(got, want, rtol, atol) or _near(got, want)
    return f"{where}{found}" if found else ""


def wrong_keys(outcomes: Sequence[Any], wanted: Sequence[Any], rtol: float, atol: float) -> str:
    """Which keys of dictionaries are right in every case, while others are wrong, in words; empty if none."""
    if not all(isinstance(right, Mapping) for right in wanted):
        return ""
    bad = _bad_keys(outcomes, wanted, rtol, atol)
    right = [key for key in wanted[0] if all(key in one for one in wanted) and key not in bad]
    return f"all right at {', '.join(map(repr, right))}" if right and bad else ""


def _bad_keys(outcomes: Sequence[Any], wanted: Sequence[Any], rtol: float, atol: float) -> set[Any]:
    pairs = list(zip(outcomes, wanted, strict=True))
    return {key for one, right in pairs for key in right if error(one[key], right[key], rtol, atol) > 1}


def _wrong_part(
    outcomes: Sequence[Any], wanted: Sequence[Any], rtol: float, atol: float
) -> tuple[Any, list[np.ndarray], list[np.ndarray]]:
    """The numbers that were returned and those that are right; of dictionaries those at the one key that is wrong, and
    that key. Nothing where there are several, or no numbers."""
    if all(isinstance(right, Mapping) for right in wanted):
        bad = _bad_keys(outcomes, wanted, rtol, atol)
        if len(bad) != 1 or not all(bad <= set(right) for right in wanted):
            return None, [], []
        key = bad.pop()
        return key, *_wrong_part([one[key] for one in outcomes], [right[key] for right in wanted], rtol, atol)[1:]
    if any(isinstance(right, str | bool | np.bool_ | Mapping) for right in wanted):
        return None, [], []
    return None, [numbers(one) for one in outcomes], [numbers(right) for right in wanted]


def _sums(got: Sequence[np.ndarray], want: Sequence[np.ndarray], shown: int) -> str:
    for axis, of in ((-1, "each row"), (-2, "each column"), (None, "all of it")):
        if all(right.ndim >= (-axis if axis else 1) and np.allclose(right.sum(axis), 1) for right in want):
            sums = [np.ravel(one.sum(axis)) for one in got]
            off = [float(np.max(np.abs(one - 1), initial=0.0)) > 1e-4 for one in sums]
            if any(off):
                here = float(sums[shown][np.argmax(np.abs(sums[shown] - 1))]) if off[shown] else None
                given = "yours do not always" if here is None else f"a sum of yours is {here:.4g}"
                return f"Probabilities were wanted: {of} should sum to 1, and {given}."
    return ""


def _near(got: Sequence[np.ndarray], want: Sequence[np.ndarray]) -> str:
    with np.errstate(invalid="ignore"):
        off = [np.max(np.abs(one - right), initial=0.0) for one, right in zip(got, want, strict=True)]
        largest = max(one - 1e-3 * np.max(np.abs(right), initial=0.0) for one, right in zip(off, want, strict=True))
    if not largest <= 0:  # also where it is NaN, from two infinities
        return ""
    return (
        "Near, and not right yet: you are off by less than a thousandth. Is a sum cut short, something kept from 0 by "
        "a small number, or in single precision?"
    )


def never_the_same(answer: Callable[..., Any], cases: Sequence[Mapping[str, Any]]) -> str:
    """The hint for an answer that returns something else when it is asked again; empty if it does not."""
    for case in cases[:5]:
        try:
            first, second = (copy.deepcopy(answer(*copy.deepcopy(list(case.values())))) for _ in range(2))
            if error(second, first, 0.0, 1e-9) > 1:
                return (
                    "Asked twice with the same inputs, your function returns two results. It may depend on these alone."
                )
        except (Exception, SystemExit):
            continue
    return ""


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


def _all_alike(values: Sequence[Any]) -> bool:
    try:
        return all(error(value, values[0], 0.0, 1e-12) <= 1 for value in values)
    except Exception:  # of different shapes, say
        return False
