"""What an error needs to say: the nearest known name, and where the first fault lies."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


def first_index(mask: Any) -> tuple[int, ...]:
    """The first index at which `mask`, a tensor, holds."""
    return tuple(mask.nonzero()[0].tolist())


def shortened(text: str, most: int = 60) -> str:
    """A text in quotes, as Python writes it; of a long one the beginning."""
    return repr(text) if len(text) <= most else f"{text[:most]!r}… ({len(text):,} characters)"


def nearest(name: str, known: Iterable[str], what: str) -> ValueError:
    """The error for an unknown name, with the nearest known one."""
    known = list(known)
    close = difflib.get_close_matches(str(name).lower(), known, n=1, cutoff=0.4)
    hint = f"; did you mean {close[0]!r}?" if close else "."
    return ValueError(f"unknown {what} {name!r}{hint} Known: {', '.join(known)}")


def check_seed(seed: int) -> None:
    """ValueError unless numpy and torch both take the seed, and those that are derived from it."""
    if not 0 <= seed < 2**62:
        raise ValueError(f"seed is {seed}; it must be at least 0 and below 2^62")
