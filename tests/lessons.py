"""The notebooks as data, for the tests that read them."""

import json
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "notebooks"
SETS = FOLDER / "assignments"
NOTEBOOKS = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.ipynb"))}
PROBLEM_SETS = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(SETS.glob("*.ipynb"))}
WRITTEN = NOTEBOOKS | PROBLEM_SETS


def code_cells(notebook):
    """The code cells, in order."""
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def source(cell):
    """A cell's text."""
    return "".join(cell["source"])


def prose(notebook):
    """The text of all markdown cells."""
    return "\n\n".join(source(cell) for cell in notebook["cells"] if cell["cell_type"] == "markdown")


def grading(cell):
    """A cell's nbgrader metadata."""
    return cell["metadata"].get("nbgrader", {})
