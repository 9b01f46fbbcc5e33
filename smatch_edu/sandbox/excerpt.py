"""What a function needs of the notebook that it stands in: its own cell, and the statements that give it its names.

A notebook trains networks and draws figures; none of that is run to call one function. The cell of the answer is taken
whole. Of the other cells come those top-level statements that bind a name which it uses, and what these use in turn.
"""

from __future__ import annotations

import ast
import symtable
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

LIBRARY = "smatch_edu"
CHECKS = f"{LIBRARY}.checks"
ODD = {"__main__", "_getframe", "ctypes", "gc", "inspect", "setprofile", "settrace", "subprocess", "_exit", "__code__"}
ODD |= {"f_back", "f_locals", "f_globals", "tb_frame", "__globals__", "__closure__", "__subclasses__", "addaudithook"}


@dataclass(frozen=True)
class Statement:
    """A top-level statement, the names that it binds, and those that it needs."""

    node: ast.stmt
    filename: str
    binds: frozenset[str]
    needs: frozenset[str]


def statements(source: str, filename: str) -> list[Statement]:
    """The statements of a cell, without lines for IPython alone (%magic, !shell). SyntaxError if it is no Python."""
    try:
        tree = ast.parse(source, filename)
    except SyntaxError:
        tree = ast.parse(without_magic(source), filename)
    return [Statement(node, filename, _bound(node), _needed(node)) for node in tree.body]


def without_magic(source: str) -> str:
    """A cell without the lines that IPython alone understands, each replaced by an empty one."""
    lines = source.split("\n")
    return "\n".join("" if line.lstrip().startswith(("%", "!", "?")) else line for line in lines)


def excerpt(answer: Sequence[Statement], *groups: Sequence[Statement]) -> list[Statement]:
    """The statements to run before those of the answer's cell, in order.

    Args:
        answer: the answer's cell.
        groups: where a name is looked for, the most likely place first: the cells above, those below, the course's own.
    """
    chosen: dict[int, set[int]] = {number: set() for number in range(len(groups))}
    known = {name for one in answer for name in one.binds}
    pending = {name for one in answer for name in one.needs} - known
    while pending:
        known |= pending
        found: set[str] = set()
        for name in pending:
            for number, group in enumerate(groups):
                if places := {place for place, one in enumerate(group) if name in one.binds}:
                    for place in places - chosen[number]:
                        found |= group[place].needs
                    chosen[number] |= places
                    break
        pending = found - known
    return [groups[number][place] for number in reversed(range(len(groups))) for place in sorted(chosen[number])]


def imports(chosen: Sequence[Statement]) -> set[str]:
    """The modules that are imported anywhere in these statements, with the names that are taken from them."""
    found: set[str] = set()
    for one in chosen:
        for node in ast.walk(one.node):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def of_the_library(chosen: Sequence[Statement]) -> list[str]:
    """What is taken from the library, but for the checks: in an import, or in a text that names it."""
    named = {name for name in imports(chosen) if name.split(".")[0] == LIBRARY} | {
        node.value
        for one in chosen
        for node in ast.walk(one.node)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith(f"{LIBRARY}.")
    }
    return sorted(name for name in named if not (name + ".").startswith(f"{CHECKS}."))


def odd_names(chosen: Sequence[Statement]) -> list[str]:
    """Names that no exercise needs, and that somebody who wants to deceive a grader might use."""
    found: set[str] = set()
    for one in chosen:
        for node in ast.walk(one.node):
            names = {getattr(node, kind, None) for kind in ("id", "attr", "module", "name")}
            found |= {name for name in names if isinstance(name, str) and name in ODD}
            if isinstance(node, ast.ImportFrom | ast.Import):
                found |= {CHECKS for name in imports([one]) if name.startswith(f"{CHECKS}.")}
            if isinstance(node, ast.Attribute) and node.attr in ("oracle", "mistakes", "cases", "draw", "judge"):
                found.add(f".{node.attr}")
    return sorted(found)


def _tables(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    for child in table.get_children():
        yield child
        yield from _tables(child)


def _needed(node: ast.stmt) -> frozenset[str]:
    """The names of the notebook that a statement reads, in its functions too."""
    top = symtable.symtable(ast.unparse(node), "cell", "exec")
    names = {symbol.get_name() for symbol in top.get_symbols() if symbol.is_referenced()}
    for table in _tables(top):
        names |= {symbol.get_name() for symbol in table.get_symbols() if symbol.is_global()}
    return frozenset(names)


def _bound(node: ast.stmt) -> frozenset[str]:
    """The names that a statement gives a value, or changes a part of."""
    top = symtable.symtable(ast.unparse(node), "cell", "exec")
    names = {s.get_name() for s in top.get_symbols() if s.is_assigned() or s.is_imported() or s.is_namespace()}
    for part in ast.walk(node):
        if isinstance(part, ast.Attribute | ast.Subscript) and isinstance(part.ctx, ast.Store):
            base: ast.expr = part
            while isinstance(base, ast.Attribute | ast.Subscript):
                base = base.value
            if isinstance(base, ast.Name):
                names.add(base.id)
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Attribute):
        base = node.value.func.value
        if isinstance(base, ast.Name) and base.id[:1].islower() and node.value.func.attr in CHANGING:
            names.add(base.id)  # words.sort(), table.update(...)
    return frozenset(names)


CHANGING = {"append", "extend", "insert", "add", "update", "setdefault", "sort", "reverse", "fill", "pop", "remove"}
