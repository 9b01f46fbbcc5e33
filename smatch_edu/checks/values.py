"""What a student returns beside what was wanted: whether they can be compared, how far they are apart, and in words.

A value is a number, a string, True or False, numbers as an array, tensor or list, or a dictionary of these.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

FLOAT32 = 1e-4  # how far an answer may be, relatively and absolutely, that is in single precision throughout


class MismatchError(Exception):
    """Why a returned value cannot be compared with the wanted one: its kind, shape or NaN."""


def check_kind(returned: Any, right: Any) -> None:
    """Raise `MismatchError` unless `returned` can be compared with `right`."""
    if returned is None:
        raise MismatchError("Your function returns nothing. Is there a `return`?")
    if isinstance(right, Mapping):
        if not isinstance(returned, Mapping):
            raise MismatchError(f"Your function returns {kind(returned)}; a dictionary was wanted.")
        if not set(right) <= set(returned):  # it may have more
            raise MismatchError(
                f"Your dictionary has the keys {sorted(map(str, returned))}; {sorted(map(str, right))} were wanted."
            )
        for key in right:
            try:
                check_kind(returned[key], right[key])
            except MismatchError as reason:
                raise MismatchError(f"At {key!r}: {reason}") from None
        return
    if isinstance(right, str | bool | np.bool_):
        wanted = "a string" if isinstance(right, str) else "True or False"
        if not isinstance(returned, str if isinstance(right, str) else bool | np.bool_):
            raise MismatchError(f"Your function returns {kind(returned)}; {wanted} was wanted.")
        return
    try:
        got = numbers(returned)
    except Exception:  # a tensor on no device, a list that holds itself, ...
        wanted = "an array of numbers" if np.ndim(right) else "a number"
        raise MismatchError(f"Your function returns {kind(returned)}; {wanted} was wanted.") from None
    shape = tuple(np.shape(right))
    if got.shape != shape:
        wanted = f"shape {shape}" if shape else "a single number"
        given = f"has shape {got.shape}" if got.shape else "is a single number"
        raise MismatchError(f"What you return {given}; {wanted} was wanted.")
    if np.isnan(got).any() and not np.isnan(np.asarray(right, dtype=np.float64)).any():
        raise MismatchError(
            "What you return holds NaN (not a number). Where might 0/0, 0·∞, ∞-∞ (from `exp` of something large, say) "
            "or the log of a negative number come from?"
        )


def numbers(value: Any) -> np.ndarray:
    """Numbers of any kind as float64; what an array masks counts as 0. An error of any kind for anything else."""
    if isinstance(value, Tensor):
        value = value.detach().to_dense().to("cpu", copy=True).resolve_neg()
        value = (value.float() if value.dtype in (torch.float16, torch.bfloat16) else value).numpy()
    elif isinstance(value, list | tuple):
        if all(type(entry) in (int, float) for entry in value):  # as nearly all are
            return np.array(value, dtype=np.float64)
        value = [numbers(entry) for entry in value]
    elif isinstance(value, np.ma.MaskedArray):
        value = value.filled(0)
    array = np.asarray(value)
    if array.dtype.kind == "O" and array.size and all(hasattr(entry, "__float__") for entry in array.flat):
        return np.array([float(entry) for entry in array.flat]).reshape(array.shape)  # fractions, decimals
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{array.dtype} is no kind of real number")
    return array.astype(np.float64)


def plain(value: Any) -> Any:
    """What a sign looks at: numbers as an array, anything else as it is."""
    return value if isinstance(value, str | bool | Mapping) else numbers(value)


def error(returned: Any, right: Any, rtol: float, atol: float) -> float:
    """The largest difference, in units of what is allowed; 1 and less is right."""
    if isinstance(right, Mapping):
        return max(error(returned[key], right[key], rtol, atol) for key in right)
    if isinstance(right, str | bool | np.bool_):
        return 0.0 if returned == right else math.inf
    if "float32" in str(getattr(returned, "dtype", "")):
        rtol, atol = max(rtol, FLOAT32), max(atol, FLOAT32)
    got, want = numbers(returned), numbers(right)
    finite = np.isfinite(want)
    if got.shape != want.shape or not np.array_equal(got[~finite], want[~finite], equal_nan=True):
        return math.inf  # an infinity is only matched by itself
    got, want = got[finite], want[finite]
    with np.errstate(over="ignore"):  # an answer may be as large as a float can be
        errors = np.abs(got - want) / (atol + rtol * np.abs(want))
    return float(np.max(errors, initial=0.0))


def distance(returned: Any, right: Any) -> float:
    """The largest absolute difference between numbers that are finite; 0 for anything else."""
    if isinstance(right, Mapping):
        return max(distance(returned[key], right[key]) for key in right)
    if isinstance(right, str | bool | np.bool_):
        return 0.0
    got, want = numbers(returned), numbers(right)
    finite = np.isfinite(want)
    return float(np.max(np.abs(got[finite] - want[finite]), initial=0.0))


def place(returned: Any, right: Any, rtol: float, atol: float) -> str:
    """Where the first wrong entry stands, in words."""
    if isinstance(right, Mapping):
        return f"first at {next(repr(key) for key in right if error(returned[key], right[key], rtol, atol) > 1)}"
    if isinstance(right, str | bool | np.bool_) or np.ndim(right) == 0:
        return ""
    got, want = numbers(returned), numbers(right)
    apart = ~np.isclose(got, want, rtol=rtol, atol=atol)
    index = np.unravel_index(int(np.argmax(apart)), want.shape)
    return f"first at index {', '.join(map(str, index))}"


def same(value: Any, before: Any) -> bool:
    """Whether an input still is what it was."""
    if isinstance(before, np.ndarray | Tensor):
        return np.array_equal(numbers(value), numbers(before), equal_nan=True)
    if isinstance(before, Mapping):
        return list(value) == list(before) and all(same(value[key], before[key]) for key in before)
    if isinstance(before, list | tuple):
        return len(value) == len(before) and all(same(*pair) for pair in zip(value, before, strict=True))
    if isinstance(before, int | float | str):
        return bool(value == before)
    return True  # functions, keyboards: not made to be changed


def size(value: Any) -> int:
    """How much there is to read."""
    if isinstance(value, np.ndarray | Tensor):
        return math.prod(value.shape)
    if isinstance(value, Mapping):
        return sum(size(entry) for entry in value.values())
    if isinstance(value, list | tuple):
        return sum(map(size, value))
    return len(value) if isinstance(value, str) else 1


def shown(value: Any) -> str:
    """A value on one line, as it could be typed; the middle of what is long is left out."""
    if callable(value):
        return getattr(value, "__name__", "a function")
    try:
        if isinstance(value, Tensor | np.ndarray):
            array = value if isinstance(value, np.ndarray) else numbers(value)
            tiny = ((np.abs(array) < 5e-4) & (np.abs(array) > 1e-12)).any()  # what is not 0 must not look like it
            text = np.array2string(
                array, precision=3, suppress_small=not tiny, threshold=24, edgeitems=3, separator=", "
            )
        else:
            text = f"{value:.4g}" if isinstance(value, float) else repr(value)
    except Exception:
        text = kind(value)
    text = " ".join(text.split())
    return text if len(text) <= 160 else text[:150] + " …"


def kind(value: Any) -> str:
    """A value's kind in words."""
    if value is None:
        return "None"
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"
