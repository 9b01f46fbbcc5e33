"""Notebooks as data: read with every fault named, and their code cells by nbgrader's names."""

from __future__ import annotations

import json
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smatch_edu.support.files import as_path

LARGEST = 50 << 20  # bytes of a file; what figures and films leave in a notebook is less
MOST = 3_000_000  # numbers, texts, lists in it; in memory each takes up to thirty times what it takes in the file


@dataclass(frozen=True)
class Cell:
    """A code cell.

    Attributes:
        number: its place among all cells.
        source: its text.
        grade_id: nbgrader's name for it, or "".
        grading: the rest of what nbgrader knows of it.
    """

    number: int
    source: str
    grade_id: str
    grading: Mapping[str, Any]


def read_file(path: str | Path) -> bytes:
    """A file that somebody handed in. ValueError if it is none (a link may lead anywhere), or too large."""
    path = as_path(path)
    try:
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode):
            raise ValueError("it is a link or a device, and no file")
        if found.st_size > LARGEST:
            size = f"{found.st_size / 2**20:,.0f} MB"
            raise ValueError(f"it has {size}, and at most {LARGEST >> 20} are read; its outputs may be cleared")
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"it cannot be read ({error.strerror})") from None


def read_notebook(path: str | Path) -> tuple[dict[str, Any], bytes]:
    """A notebook, and the bytes of its file.

    Raises:
        ValueError: it is no file, too large, no JSON, no notebook, or of an old format; says which.
    """
    path = as_path(path)
    content = read_file(path)
    if sum(content.count(sign) for sign in (b",", b"[", b"{")) > MOST:
        raise ValueError(f"it holds more than {MOST:,} values; its outputs may be cleared")
    try:
        notebook = json.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise ValueError("it is no UTF-8, so it is no notebook") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is no JSON, so it is no notebook ({str(error)[:80]})") from None
    except MemoryError:
        raise ValueError("it does not fit into memory") from None
    if isinstance(notebook, dict) and "worksheets" in notebook:
        raise ValueError("it is in notebook format 3, which is old; Jupyter's File > Save makes format 4 of it")
    if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list):
        raise ValueError("it is no notebook: it has no cells")
    return notebook, content


def code_cells(notebook: Mapping[str, Any]) -> list[Cell]:
    """The code cells, in order. What is no cell is passed over: a submission may hold anything."""
    cells = []
    for number, cell in enumerate(notebook["cells"]):
        if not isinstance(cell, dict) or cell.get("cell_type") != "code":
            continue
        source, metadata = cell.get("source", ""), cell.get("metadata")
        if isinstance(source, list):
            source = "".join(line for line in source if isinstance(line, str))
        grading = metadata.get("nbgrader") if isinstance(metadata, dict) else None
        grading = grading if isinstance(grading, dict) else {}
        name = grading.get("grade_id")
        if isinstance(source, str):
            cells.append(Cell(number, source, name if isinstance(name, str) else "", grading))
    return cells
