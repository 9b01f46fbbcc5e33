"""Values as data between two processes, of which one does not trust the other: JSON, with arrays in base64.

A number, text, list, dictionary, array or tensor comes out as it went in. What is none of these comes out as an empty
object whose class has the same name. Nothing that is read can run: a pickle could.
"""

from __future__ import annotations

import base64
import json
import struct
import sys
from collections.abc import Mapping
from io import BufferedIOBase
from typing import Any

import numpy as np

LARGEST = 1 << 21  # bytes of a frame; a result of an exercise has thousands of times fewer
ALTOGETHER = (
    1 << 25
)  # bytes that are read of somebody whom one does not trust; in memory, lists take thirty times as many
MOST = 1000  # entries of a dictionary; many more with the same hash would take for ever
NOTEBOOK = 1 << 27  # bytes of a frame that somebody whom one trusts has made; it may hold the code of a notebook
DEEPEST = 20  # lists in lists
LONGEST = 1024  # bits of a number
LONGEST_TYPE = 4  # letters, as in "<f16"
TENSORS = ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool"]
KINDS = "biuf"  # numpy's: truth values, integers, real numbers


class FrameError(ValueError):
    """What was read is no frame, or what should be sent does not fit into one."""


class Channel:
    """Frames over a pipe in each direction: four bytes that say how long it is, and JSON.

    Args:
        incoming, outgoing: the pipes.
        reads, writes: how many bytes a frame may have.

    Attributes:
        received: bytes so far; no more than ALTOGETHER, or than one frame may have if that is more.
    """

    def __init__(
        self, incoming: BufferedIOBase, outgoing: BufferedIOBase, reads: int = LARGEST, writes: int = LARGEST
    ) -> None:
        self.incoming, self.outgoing, self.reads, self.writes = incoming, outgoing, reads, writes
        self.received = 0

    def send(self, message: Mapping[str, Any]) -> None:
        """Raises FrameError if it is too large, and OSError if nobody listens any more."""
        content = json.dumps(message).encode()
        if len(content) > self.writes:
            raise FrameError(f"{len(content) / 1e6:.1f} MB are more than the {self.writes / 1e6:.1f} that can be sent")
        self.outgoing.write(struct.pack(">I", len(content)) + content)
        self.outgoing.flush()

    def receive(self) -> dict[str, Any]:
        """The next message. EOFError when there is no more, FrameError if it is none."""
        head = self.incoming.read(4)
        if len(head) < 4:
            raise EOFError("the other process has ended")
        (length,) = struct.unpack(">I", head)
        if length > self.reads:
            raise FrameError(f"a message of {length / 1e6:.1f} MB; at most {self.reads / 1e6:.1f} MB were wanted")
        self.received += length
        if self.received > max(self.reads, ALTOGETHER):
            raise FrameError(f"more than {ALTOGETHER / 1e6:.0f} MB altogether")
        content = self.incoming.read(length)
        if len(content) < length:
            raise EOFError("the other process has ended in the middle of a message")
        try:
            message = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise FrameError(f"a message that is no JSON ({type(error).__name__})") from None
        if not isinstance(message, dict):
            raise FrameError("a message that is no JSON object")
        return message


def encode(value: Any, depth: int = 0) -> Any:
    """A value as JSON can hold it; of what cannot be sent, the name of its kind. FrameError if it is too large."""
    try:
        return _encoded(value, depth)
    except FrameError:
        raise
    except Exception:  # its `__array__`, `__iter__` or `__float__` may do anything
        return {"other": type(value).__name__}


def _encoded(value: Any, depth: int) -> Any:
    if depth > DEEPEST:
        raise ValueError("lists in lists in lists")
    if value is None or isinstance(value, bool | str):
        return value if value is None or isinstance(value, bool) else {"text": str.__str__(value)}
    if isinstance(value, int | float) and not isinstance(value, np.generic):
        if isinstance(value, float):
            return float(value)
        if int(value).bit_length() > LONGEST:
            raise ValueError("more digits than any result has")
        return int(value)
    if isinstance(value, Mapping):
        if len(value) > MOST:
            raise FrameError(f"a dictionary with {len(value)} entries; at most {MOST} were wanted")
        return {"items": [[_encoded(k, depth + 1), encode(v, depth + 1)] for k, v in value.items()]}
    if isinstance(value, list | tuple):
        return [encode(entry, depth + 1) for entry in value]
    if type(value).__name__ in ("Fraction", "Decimal"):
        return float(value)
    array, tensor = _array(value)
    if array.dtype == object and array.ndim:
        return encode(array.tolist(), depth + 1)
    if array.dtype.kind not in KINDS:
        raise TypeError(f"{array.dtype} is no kind of real number")
    if array.nbytes > LARGEST // 2:
        raise FrameError(f"an array of {array.nbytes / 1e6:.1f} MB is more than can be sent")
    content = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
    return {"array": content, "dtype": array.dtype.str, "shape": list(array.shape), "tensor": tensor}


def _array(value: Any) -> tuple[np.ndarray, str]:
    """An array, a tensor of any kind, or what says how it becomes an array; and a tensor's type, "" for no tensor."""
    torch = sys.modules.get("torch")  # if it is not loaded, this is no tensor
    if torch is not None and isinstance(value, torch.Tensor):
        kind = str(value.dtype).removeprefix("torch.")
        value = value.detach().to_dense().cpu().resolve_neg().resolve_conj()
        return (value.float() if value.dtype == torch.bfloat16 else value).numpy(), kind
    if not isinstance(value, np.ndarray | np.generic) and not hasattr(value, "__array__"):
        raise TypeError("no array")
    array = value.filled(0) if isinstance(value, np.ma.MaskedArray) else np.asarray(value)  # as a check takes it
    return array.astype(np.float64) if array.dtype == np.longdouble else array, ""


def decode(data: Any) -> Any:
    """The value. FrameError if `encode` did not make this (RecursionError if it is lists in lists in lists)."""
    if data is None or isinstance(data, bool | int | float):
        return data
    if isinstance(data, list):
        return [decode(entry) for entry in data]
    try:
        match data:
            case {"text": str(text)}:
                return text
            case {"items": list(pairs)} if len(pairs) <= MOST:
                return {decode(key): decode(value) for key, value in pairs}
            case {"other": str(name)}:
                return _unknown(name[:40] if name.isidentifier() else "object")
            case {"array": str(content), "dtype": str(dtype), "shape": list(shape), "tensor": str(tensor)}:
                kind = np.dtype(dtype[:LONGEST_TYPE])
                if kind.kind not in KINDS:
                    raise TypeError(f"arrays of {kind}")
                array = np.frombuffer(base64.b64decode(content), kind).reshape([int(n) for n in shape]).copy()
                torch = sys.modules.get("torch") if tensor in TENSORS else None
                return array if torch is None else torch.from_numpy(array).to(getattr(torch, tensor))
    except (TypeError, ValueError, OverflowError) as error:
        raise FrameError(f"a value that cannot be read ({error})") from None
    raise FrameError("a value of no known kind")


def _unknown(name: str) -> Any:
    """Something of a class that is only known by its name."""
    return type(name, (), {"__repr__": lambda self: f"<{name}>"})()
