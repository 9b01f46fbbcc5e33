"""What the benchmarks share: a table that grows row by row, and a line about the machine."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence

import torch


class Table:
    """Rows printed as they come, in columns as wide as their headers."""

    def __init__(self, header: Sequence[str]) -> None:
        self.header = list(header)
        self.rows: list[list[str]] = []
        print("  ".join(name.rjust(10) for name in self.header))

    def add(self, *cells: object) -> None:
        self.rows.append([str(cell) for cell in cells])

    def print_last(self) -> None:
        cells = zip(self.rows[-1], self.header, strict=True)
        print("  ".join(cell.rjust(max(10, len(name))) for cell, name in cells), flush=True)


def median(times: Sequence[float]) -> float:
    return statistics.median(times)


def machine() -> str:
    """Processor, cores, threads in use and versions."""
    name = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            name = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return f"{name}, {os.cpu_count()} cores, {torch.get_num_threads()} thread in use; torch {torch.__version__}"
