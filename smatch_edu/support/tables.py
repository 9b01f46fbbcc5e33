"""Numbers and tables as text for a terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence


def number(value: float, digits: int = 4) -> str:
    """A number as it is shown: ∞ and – for what is infinite or undefined."""
    if math.isnan(value):
        return "–"
    return "∞" if math.isinf(value) else f"{value:.{digits}f}"


def percent(value: float) -> str:
    """A share, in percent."""
    return "–" if math.isnan(value) else f"{100 * value:.1f}%"


def printable(text: str) -> str:
    """A text that any terminal and file can hold: what cannot be printed is written as \\x1b or \\ud800."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]], words: int = 3, group: int = 2) -> str:
    """The table for a terminal.

    Args:
        words: so many first columns are set to the left, the others, numbers, to the right.
        group: a line is drawn where one of so many first columns changes.
    """
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    rule = "  ".join("─" * width for width in widths)

    def line(row: Sequence[str]) -> str:
        cells = (
            cell.ljust(w) if i < words else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        return "  ".join(cells)

    lines = [line(header)]
    for previous, row in zip([None, *rows], rows, strict=False):
        if previous is None or previous[:group] != row[:group]:
            lines.append(rule)
        lines.append(line(row))
    return "\n".join(lines)
