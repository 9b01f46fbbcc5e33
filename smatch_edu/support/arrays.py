"""Numbers, numpy arrays and tensors: exact code computes on tensors and answers in the kind it was asked in.

And on how many threads torch computes, and tensors as they are read from a file."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
