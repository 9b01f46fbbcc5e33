"""What wrong results have in common: how they relate to the right ones, in which entries they are wrong, for which
inputs. Each is a fact about what was returned, found by trying, so it holds for mistakes that nobody thought of.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from smatch_edu.checks.values import error, numbers

Arrays = Sequence[np.ndarray]
CLOSE = 1e-5
FEW = 20  # so many different characters are looked for in strings


def relation(cases: Sequence[Mapping[str, Any]], got: Arrays, want: Arrays) -> str:
    """How what was returned follows from what is right, in every case alike; empty if in no way that is known.

    >>> relation([{}] * 3, [np.array(x) for x in (2.0, 6.0, 8.0)], [np.array(x) for x in (1.0, 3.0, 4.0)])
    'What you return is 2 times what is right, each time.'
    """
    with np.errstate(all="ignore"):
        for words, others in _relations(cases, got, want):
            if all(_equal(one, np.asarray(other)) for one, other in zip(got, others, strict=True)):
                return f"What you return is {words}, each time."
    return ""


def _relations(cases: Sequence[Mapping[str, Any]], got: Arrays, want: Arrays) -> Iterator[tuple[str, Sequence[Any]]]:
    """A relation in words, and what it makes of what is right."""
    yield "the negative of what is right", [-right for right in want]
    if any(np.isinf(right).any() for right in want):
        yield (
            "the negative of what is right where that is finite",
            [np.where(np.isinf(right), right, -right) for right in want],
        )
    mine, right = (np.concatenate([one.ravel() for one in several]) for several in (got, want))
    both = np.isfinite(mine) & np.isfinite(right)
    if len(np.unique(right[both])) > 2:
        largest = int(np.argmax(np.where(both, np.abs(right), -1)))
        factor, shift = float(mine[largest] / right[largest]), float(mine[largest] - right[largest])
        yield f"{factor:.4g} times what is right", [factor * one if factor else one for one in want]
        yield f"what is right {'plus' if shift > 0 else 'minus'} {abs(shift):.4g}", [one + shift for one in want]
    for name, value in cases[0].items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            pairs = [(float(case[name]), one) for case, one in zip(cases, want, strict=True)]
            yield f"`{name}` times what is right", [x * one for x, one in pairs]
            yield f"what is right divided by `{name}`", [one / x for x, one in pairs]
            yield f"1 - `{name}` times what is right", [(1 - x) * one for x, one in pairs]
            yield f"what is right divided by 1 - `{name}`", [one / (1 - x) for x, one in pairs]
            yield f"what is right plus `{name}`", [one + x for x, one in pairs]
            yield f"what is right minus `{name}`", [one - x for x, one in pairs]
    yield "1 minus what is right", [1 - one for one in want]
    yield "the logarithm of what is right", [np.log(one) for one in want]
    yield "the exponential of what is right", [np.exp(one) for one in want]
    yield "the square of what is right", [one**2 for one in want]
    yield "the root of what is right", [np.sqrt(one) for one in want]
    yield "1 divided by what is right", [1 / one for one in want]
    if all(one.ndim == 2 for one in want):
        yield "the transpose of what is right", [one.T for one in want]
    least = min(one.ndim for one in want)
    for axis in sorted({-1, -least}) if least else ():
        along = "" if axis == -1 else ", along the first axis"
        yield f"what is right, backwards{along}", [np.flip(one, axis) for one in want]
        yield f"what is right, one place too late{along}", [np.roll(one, 1, axis) for one in want]
        yield f"what is right, one place too early{along}", [np.roll(one, -1, axis) for one in want]
        yield f"the running sum of what is right{along}", [np.cumsum(one, axis) for one in want]
        yield f"what is right, made to sum to 1{along}", [one / one.sum(axis, keepdims=True) for one in want]


def entries(got: Arrays, want: Arrays, rtol: float, atol: float) -> str:
    """The kind of entry that is wrong, at least half of it, where all others are right; empty if there is none.

    >>> entries([np.array([1.0, 2.0, 9.0])] * 2, [np.array([1.0, 2.0, 3.0])] * 2, 0.0, 1e-9)
    'Everything is right but the last one.'
    """
    with np.errstate(all="ignore"):
        wrong = [~np.isclose(one, right, rtol=rtol, atol=atol) for one, right in zip(got, want, strict=True)]
    for words, kinds in _kinds_of_entries(want):
        pairs = [(bad, kind) for bad, kind in zip(wrong, kinds, strict=True) if bad.any()]
        inside = all(kind[bad].all() for bad, kind in pairs)
        most = 2 * sum(int(bad.sum()) for bad, _ in pairs) >= sum(int(kind.sum()) for _, kind in pairs)
        if inside and most and sum(int((~kind).sum()) for _, kind in pairs) > 2:
            return f"Everything is right but {words}."
    return ""


def _kinds_of_entries(want: Arrays) -> Iterator[tuple[str, Arrays]]:
    """A kind of entry in words, and where it is in each array."""
    yield "what should be 0", [right == 0 for right in want]
    yield "what should be infinite", [np.isinf(right) for right in want]
    yield "what should be negative", [right < 0 for right in want]
    if all(right.ndim == 1 for right in want):
        yield "the last one", [_only(right, -1, -1) for right in want]
        yield "the first one", [_only(right, -1, 0) for right in want]
    if all(right.ndim == 2 for right in want):
        yield "the last row", [_only(right, 0, -1) for right in want]
        yield "the first row", [_only(right, 0, 0) for right in want]
        yield "the last column", [_only(right, 1, -1) for right in want]
        yield "the first column", [_only(right, 1, 0) for right in want]
        yield "the diagonal", [np.eye(*right.shape) == 1 for right in want]
        yield "what lies beside the diagonal", [np.eye(*right.shape) == 0 for right in want]


def _only(right: np.ndarray, axis: int, index: int) -> np.ndarray:
    found = np.zeros(right.shape, dtype=bool)
    if right.shape[axis]:
        np.moveaxis(found, axis, 0)[index] = True
    return found


def inputs(cases: Sequence[Mapping[str, Any]], wrong: Sequence[int]) -> str:
    """What all inputs with wrong results have in common and few others, or those with right ones; empty if nothing.

    >>> inputs([{"gamma": x} for x in (0.0, 0.3, 0.0, 0.5, 0.2, 0.9)], [0, 2])
    'wrong only where `gamma` is 0'
    """
    bad = np.isin(np.arange(len(cases)), wrong)
    for these, words in ((bad, "wrong only where"), (~bad, "right only where")):
        most = min(1.5 * these.sum(), len(cases) / 2)
        found = [
            (int(has.sum()), what) for what, has in _features(cases, these) if has.sum() <= most and has[these].all()
        ]
        if found and these.any():
            return f"{words} {min(found, key=lambda pair: pair[0])[1]}"
    return ""


def _features(cases: Sequence[Mapping[str, Any]], chosen: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """What can be said of an input, and of which cases it is true."""
    amounts = {}
    for name in cases[0]:
        values = [case[name] for case in cases]
        if all(isinstance(value, bool | np.bool_) for value in values):
            yield f"`{name}` is True", np.array(values)
            yield f"`{name}` is False", ~np.array(values)
        elif all(isinstance(value, int | float | np.number) for value in values):
            amounts[name] = amount = np.array(values, dtype=np.float64)
            yield f"`{name}` is negative", amount < 0
        elif all(isinstance(value, str) for value in values):
            amounts[f"len({name})"] = np.array([len(value) for value in values])
            for letter in sorted(set("".join(values)))[:FEW]:
                yield f"`{name}` holds {letter!r}", np.array([letter in value for value in values])
                yield f"`{name}` begins with {letter!r}", np.array([value.startswith(letter) for value in values])
                yield f"`{name}` ends with {letter!r}", np.array([value.endswith(letter) for value in values])
        elif all(isinstance(value, list | tuple | np.ndarray | Tensor) for value in values):
            amounts[f"len({name})"] = np.array([_length(value) for value in values])
            try:
                arrays = [numbers(value) for value in values]
            except Exception:  # ragged, or of no numbers
                continue
            yield f"`{name}` holds a number twice", np.array([len(np.unique(one)) < one.size for one in arrays])
            yield f"`{name}` holds a 0", np.array([(one == 0).any() for one in arrays])
            yield f"`{name}` holds a 1", np.array([(one == 1).any() for one in arrays])
            yield f"`{name}` holds something negative", np.array([(one < 0).any() for one in arrays])
            yield f"`{name}` holds something infinite", np.array([np.isinf(one).any() for one in arrays])
            yield f"`{name}` holds only 0", np.array([one.size > 0 and not one.any() for one in arrays])
            yield f"a row of `{name}` is all 0", np.array([one.ndim > 1 and (~one.any(-1)).any() for one in arrays])
    for name, amount in amounts.items():
        yield f"`{name}` is 0", amount == 0
        yield f"`{name}` is 1", amount == 1
        yield f"`{name}` is 0 or 1", (amount == 0) | (amount == 1)
        if 4 < chosen.sum() < len(cases) - 4:  # of fewer there is always something that is least or most
            yield f"`{name}` is {amount[chosen].min():.4g} or more", amount >= amount[chosen].min()
            yield f"`{name}` is {amount[chosen].max():.4g} or less", amount <= amount[chosen].max()
        for other in list(amounts)[list(amounts).index(name) + 1 :]:
            yield f"`{name}` equals `{other}`", amount == amounts[other]
            yield f"`{name}` is above `{other}`", amount > amounts[other]
            yield f"`{name}` is below `{other}`", amount < amounts[other]


def _length(value: Any) -> int:
    return 1 if isinstance(value, np.ndarray | Tensor) and not value.ndim else len(value)


def _equal(one: np.ndarray, other: np.ndarray) -> bool:
    return one.shape == other.shape and error(one, other, CLOSE, CLOSE) <= 1
