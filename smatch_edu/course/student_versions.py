"""Student versions of the notebooks: stubs for solutions, no outputs, and a student's work is never touched.

The solved notebook in notebooks/ is the only source. Between `### BEGIN SOLUTION` and `### END SOLUTION` stands what a
student writes; the rules are nbgrader's, so that its `generate_assignment` makes the same stubs.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from smatch_edu.support.files import as_path, write_atomically

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
STUB = ("# YOUR CODE HERE", "raise NotImplementedError()")
RECORD = ".generated.json"  # what was generated, by file: its sha256. Another file is the student's.


def student_version(notebook: dict[str, Any], name: str = "notebook") -> dict[str, Any]:
    """The notebook (as JSON) without solutions, outputs and execution counts.

    Raises:
        ValueError: a solution that begins and does not end, or ends and did not begin, with the cell's number.
    """
    student = copy.deepcopy(notebook)
    for number, cell in enumerate(student["cells"]):
        if cell["cell_type"] == "code":
            source = "".join(cell["source"])
            cell["source"] = without_solution(source, f"{name}, cell {number}").splitlines(keepends=True)
            cell["outputs"], cell["execution_count"] = [], None
    return student


def without_solution(source: str, where: str) -> str:
    """The source with each solution replaced by nbgrader's stub, as far indented as its marker."""
    lines: list[str] = []
    inside = False
    for line in source.splitlines():
        if line.strip() in (BEGIN, END):
            if inside != (line.strip() == END):
                raise ValueError(f"{where}: {line.strip()!r} where the other marker was wanted")
            inside = not inside
            indent = line[: len(line) - len(line.lstrip())]
            lines += [indent + text for text in STUB] if inside else []
        elif not inside:
            lines.append(line)
    if inside:
        raise ValueError(f"{where}: {BEGIN!r} without {END!r}")
    return "\n".join(lines)


def generate(source: str | Path, target: str | Path) -> Iterator[str]:
    """Write the student version of every notebook in `source` and in its folder assignments/ into `target`, and the
    pages (*.md) as they are; yields what was done, a line each.

    A file that is still as it was generated is brought up to date. One that was changed, or was not made here, is
    never overwritten.

    Raises:
        FileNotFoundError: `source` holds no notebook.
        ValueError: both folders are the same; or `target` holds somebody else's record; or a notebook cannot be read,
            or its markers do not match; nothing of it is written then.
    """
    source, target = as_path(source), as_path(target)
    if source.resolve() == target.resolve():
        raise ValueError(f"{target} is the folder of the solved notebooks; choose another one to work in")
    notebooks = [path for path in sorted(source.glob("*.ipynb")) if path.is_file()]
    if not notebooks:
        raise FileNotFoundError(
            f"{source} holds no notebook (*.ipynb); run this where the folder notebooks/ lies, or name it"
        )
    target.mkdir(parents=True, exist_ok=True)
    record_file = target / RECORD
    record = _read_record(record_file)
    for path in [*notebooks, *sorted(source.glob("*.md"))]:
        text = path.read_text("utf-8")
        if path.suffix == ".ipynb":
            try:
                student = student_version(json.loads(text), path.name)
            except (json.JSONDecodeError, KeyError, TypeError) as error:
                raise ValueError(f"{path} is not a notebook: {error!r}") from None
            text = json.dumps(student, indent=1, ensure_ascii=False) + "\n"
        yield f"{target / path.name}: {_write_unless_changed(target / path.name, text, record)}"
        write_atomically(record_file, json.dumps(record, indent=1) + "\n")
    if any((source / "assignments").glob("*.ipynb")):
        yield from generate(source / "assignments", target / "assignments")


def _write_unless_changed(path: Path, text: str, record: dict[str, str]) -> str:
    """Write `text`, unless what stands there is not what was generated. Returns what was done."""
    wanted = _sha256(text.encode())
    found = _sha256(path.read_bytes()) if path.exists() else None
    if found == wanted:
        done = "up to date"
    elif found is None:
        done = "new"
    elif found == record.get(path.name):
        done = "brought up to date (you had not changed it)"
    else:
        newer = "" if record.get(path.name) == wanted else "; the course has a newer one, rename yours to get it"
        return f"yours, kept as it is{newer}"
    if found != wanted:
        write_atomically(path, text)
    record[path.name] = wanted
    return done


def _read_record(path: Path) -> dict[str, str]:
    """What was generated. Without a readable record every file counts as the student's. ValueError if it is none."""
    try:
        record = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(record, dict) or not all(isinstance(v, str) and len(v) == 64 for v in record.values()):
        raise ValueError(f"{path} was not written by `smatch learn`; choose another folder")
    return record


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
