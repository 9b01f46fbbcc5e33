"""Numbers, numpy arrays and tensors: exact code computes on tensors and answers in the kind it was asked in."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor


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
