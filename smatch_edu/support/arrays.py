"""Numbers, numpy arrays and tensors: exact code computes on tensors and answers in the kind it was asked in.

And what counts as a whole number, as a row of ids and as a sum of 1; how tensors are read from a file; and on how many
threads torch computes.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor

from smatch_edu.support.files import as_path


def as_tensor(array: Any) -> Tensor:
    """A tensor that shares memory with `array` where it can; float64, unless `array` is itself a floating tensor."""
    if isinstance(array, Tensor):
        return array if array.is_floating_point() else array.double()
    # Reversed and read-only views are copied: torch cannot share memory with them.
    return torch.from_numpy(np.require(array, np.float64, ["C", "W"]))


def answers_in_kind(function: Callable[..., Tensor]) -> Callable[..., Any]:
    """Let a method of tensors take numbers and numpy arrays too.

    If any positional argument is a tensor the answer is a tensor (with its gradient); otherwise a numpy array,
    or a float where the answer is a single number.
    """

    @functools.wraps(function)
    def wrapped(self: Any, *arrays: Any, **options: Any) -> Any:
        answer = function(self, *(as_tensor(array) for array in arrays), **options)
        if any(isinstance(array, Tensor) for array in arrays):
            return answer
        return answer.numpy() if answer.ndim else answer.item()

    return wrapped


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute on one thread, and afterwards on as many as before; also as a decorator.

    For tables and models as small as ours a second thread costs more than it brings, and the last digits of sums depend
    on how many there are.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def read_tensors(path: str | Path, device: str = "cpu") -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a safetensors file and the texts beside them.

    The tensors are copies: what happens to the file changes no model, and nothing keeps it from being replaced, as a
    mapped file is on Windows.

    Raises:
        SafetensorError: it is none, or was cut short.
        OSError: it is not there.
    """
    with safe_open(as_path(path), "pt", device=device) as file:
        return {name: file.get_tensor(name).clone() for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118


def is_whole(number: Any, least: int) -> bool:
    """Whether it is a whole number (Python's or NumPy's, but no bool), and not below `least`."""
    return isinstance(number, Integral) and not isinstance(number, bool) and int(number) >= least


def as_ids(what: str, values: Any) -> np.ndarray:
    """One row of ids as int64, from a sequence, an array or a tensor of whole numbers, of whatever width.

    Raises:
        ValueError: naming `what`: another shape or kind (bool is none of whole numbers), a negative id, or a tensor on
            "meta", which has a shape and no numbers.
    """
    if isinstance(values, np.ndarray) and values.dtype == np.int64 and values.ndim == 1 and values.min(initial=0) >= 0:
        return values.copy()
    wanted = "one row of whole numbers was wanted"
    if isinstance(values, Tensor):
        kind = values.dtype
        no_ids = kind.is_floating_point or kind.is_complex or kind == torch.bool
        if values.is_meta or (no_ids and values.numel()):
            raise ValueError(f"{what} has shape {tuple(values.shape)} and kind {kind} on {values.device}; {wanted}")
        values = values.detach().cpu()
    elif isinstance(values, Iterator):
        values = list(values)
    try:
        array = np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:  # rows of different lengths, things that are no numbers
        raise ValueError(f"{what} has no shape and kind ({error}); {wanted}") from None
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise ValueError(f"{what} has shape {array.shape} and kind {array.dtype}; {wanted}")
    wrong = (array < 0) | (array > np.iinfo(np.int64).max)
    if wrong.any():
        place = int(np.flatnonzero(wrong)[0])
        raise ValueError(f"{what} has id {array[place]} at position {place}; ids are ≥ 0, and fit into 63 bits")
    return array.astype(np.int64)


def sum_tolerance(array: Any, terms: int) -> float:
    """How far from 1 the sum of so many probabilities may be: 1e-6, or more where numbers of the array's kind are too
    coarse for that. Each operation that made them is off by up to a unit in the last place, ε, upwards or downwards,
    so that n of them together are off by about √n ε: 1e-4 for a million numbers in float32, 0.02 for six in bfloat16.

    Source: Higham & Mary 2019 (rounding errors add up like a random walk).
    """
    kind = getattr(array, "dtype", None)
    if isinstance(kind, torch.dtype):
        epsilon = torch.finfo(kind).eps if kind.is_floating_point else 0.0
    else:
        epsilon = float(np.finfo(kind).eps) if kind is not None and kind.kind == "f" else 0.0
    return max(1e-6, epsilon * math.sqrt(terms))
