"""The program of the process in which somebody else's function is called.

It gives up its rights, runs what the function needs of its notebook, and answers with data. It knows no oracle.

    parent → child   the job: what was written, what may be read, the limits
    child → parent   prepared: which protection is in force, what of the library the text names
    child → parent   ready, or refused: there is no such function, and why
    parent → child   the inputs of one case              child → parent   what was returned, or how it stopped

While it answers, the child may ask the parent to call a function that is among the inputs.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import inspect
import linecache
import os
import random
import sys
import traceback
import types
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from smatch_edu.sandbox import landlock, seccomp
from smatch_edu.sandbox.excerpt import CHECKS, LIBRARY, excerpt, imports, odd_names, of_the_library, statements
from smatch_edu.sandbox.framing import NOTEBOOK, Channel, decode, encode
from smatch_edu.sandbox.watching import Watch

YOURS = "<answer>"  # the file name of the answer's cell


def main() -> None:
    """Read the job from stdin, and answer on stdout; what is printed goes nowhere."""
    incoming, outgoing = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    channel = Channel(incoming, outgoing, reads=NOTEBOOK)
    job = channel.receive()
    Answers(job, channel).serve()


class Answers:
    """One function of a submission, and the process around it."""

    def __init__(self, job: Mapping[str, Any], channel: Channel) -> None:
        self.job, self.channel = job, channel
        self.watch = Watch(job["library"], job["folder"], job["read"])

    def serve(self) -> None:
        """Prepare, then call the function for each case that comes."""
        _limit(self.job["limits"])
        _stand_in_for_the_checks()
        files = landlock.restrict(self.job["read"], self.job["names"], [self.job["folder"], os.devnull])
        calls = seccomp.restrict()
        sys.addaudithook(self.watch.audit)
        try:
            answer = statements(self.job["answer"], YOURS)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            line = (getattr(error, "text", None) or "").strip()
            self._refuse(f"Your cell is no Python: {_said(error)}" + (f" at `{line}`" if line else ""))
            return
        groups = [self._statements(cells, name) for name, cells in self.job["groups"]]
        chosen = excerpt(answer, *groups)
        for name in [*self.job["modules"], *sorted(imports([*chosen, *answer]))]:
            with contextlib.suppress(Exception, SystemExit):
                _load(name)  # before the hook is armed: some libraries need more than an answer may do
        _same_chances()
        self.channel.send(
            {
                "prepared": True,
                "files": files,
                "calls": calls,
                "library": of_the_library([*chosen, *answer]),
                "odd": odd_names([*chosen, *answer]),
            }
        )
        self.watch.arm()
        function = self._function(chosen, answer)
        if function is not None:
            self.channel.send({"ready": True})
            while True:
                self.channel.send(self._answer(function, self.channel.receive()))

    def _statements(self, cells: list[str], name: str) -> list[Any]:
        found = []
        for cell in cells:
            with contextlib.suppress(SyntaxError, ValueError, RecursionError, MemoryError):
                found += statements(cell, name)
        return found

    def _refuse(self, reason: str, todo: bool = False) -> None:
        self.channel.send({"refused": reason, "todo": todo})

    def _function(self, chosen: list[Any], answer: list[Any]) -> Callable[..., Any] | None:
        """The function, once all that it needs has been run. None, and the parent is told, if there is none."""
        module = types.ModuleType("__main__")  # as in a notebook
        module.__dict__["display"] = lambda *_, **__: None
        lines = self.job["answer"].splitlines(keepends=True)
        linecache.cache[YOURS] = (sum(map(len, lines)), None, lines, YOURS)
        failed = ""
        for one in [*chosen, *answer]:
            own = one.filename == YOURS
            try:
                with self.watch.calling():
                    exec(compile(ast.Module([one.node], []), one.filename, "exec", dont_inherit=True), module.__dict__)
            except BaseException as error:
                place = _line(error)
                if own:
                    todo = isinstance(error, NotImplementedError)
                    self._refuse(f"Your cell stops with {_said(error)}{place}.{failed}", todo)
                    return None
                failed = f" Before it, `{ast.unparse(one.node).splitlines()[0][:80]}` stopped with {_said(error)}."
        name = self.job["function"]
        function = getattr(module, name, None)
        if not callable(function):
            others = [n for one in answer for n in sorted(one.binds)]
            there = f"it defines {', '.join(map(repr, others))}" if others else "it defines nothing"
            self._refuse(f"There is no function `{name}` in your cell; {there}.")
            return None
        return function

    def _answer(self, function: Callable[..., Any], message: Mapping[str, Any]) -> dict[str, Any]:
        """What the function returns for one case."""
        given = {name: self._input(name, value) for name, value in message["case"].items()}
        try:
            inspect.signature(function).bind(*given.values())
        except TypeError:
            return {"takes": str(inspect.signature(function))}
        except ValueError:
            pass  # a built-in without a signature
        try:
            with self.watch.calling():
                returned = encode(function(*given.values()))
            after = {name: encode(value) for name, value in given.items() if not callable(value)}
            return {"returned": returned, "after": after, "used": sorted(self.watch.used)}
        except BaseException as error:
            own = _deepest(error) == YOURS
            stub = own and isinstance(error, NotImplementedError)
            return {"stopped": _said(error), "line": _line(error), "todo": stub, "used": sorted(self.watch.used)}

    def _input(self, name: str, value: Any) -> Any:
        """An input; one that is a function stays with the parent, and is called there."""
        if not (isinstance(value, dict) and "function" in value):
            return decode(value)

        def ask(*arguments: Any) -> Any:
            self.channel.send({"call": name, "arguments": [encode(one) for one in arguments]})
            reply = self.channel.receive()
            if "error" in reply:
                raise ValueError(reply["error"])
            return decode(reply["result"])

        ask.__name__ = str(value["function"])
        return ask


class _Stand(types.ModuleType):
    """In place of the checks: whatever is asked of them, an answer comes back as it is."""

    def __init__(self) -> None:
        super().__init__(CHECKS)
        self.__path__ = []  # a package, in which no module is found

    def __getattr__(self, name: str) -> Any:
        return _pass_on if not name.startswith("__") else super().__getattribute__(name)


class _PassOn:
    def __getattr__(self, name: str) -> Any:
        return self

    def __call__(self, answer: Any = None, *_: Any, **__: Any) -> Any:
        return answer


_pass_on = _PassOn()


def _stand_in_for_the_checks() -> None:
    for name in [name for name in sys.modules if name == CHECKS or name.startswith(f"{CHECKS}.")]:
        del sys.modules[name]
    sys.modules[CHECKS] = _Stand()
    importlib.import_module(LIBRARY).__dict__["checks"] = sys.modules[CHECKS]


def _load(name: str) -> None:
    """Import a module, or the module that holds a name; never the checks."""
    if (name + ".").startswith(f"{CHECKS}."):
        return
    try:
        importlib.import_module(name)
    except ImportError:
        importlib.import_module(name.rpartition(".")[0] or name)


def _same_chances() -> None:
    """An answer that throws dice without a seed gets the same ones each time."""
    random.seed(0)
    np.random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


def _limit(limits: Mapping[str, int]) -> None:
    """Hold this process and what it starts to its limits, as far as the system knows them."""
    with contextlib.suppress(ImportError):  # Windows: the parent watches alone
        import resource

        for name, most in limits.items():
            kind = getattr(resource, f"RLIMIT_{name}", None)
            if kind is not None:
                with contextlib.suppress(OSError, ValueError):
                    resource.setrlimit(kind, (most, most))


def _said(error: BaseException) -> str:
    """An error in one line; its own `__str__` may fail."""
    try:
        message = str(error).strip().splitlines()
    except BaseException:
        message = []
    return f"{type(error).__name__}: {message[0][:300]}" if message else type(error).__name__


def _deepest(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return frames[-1].filename if frames else ""


def _line(error: BaseException) -> str:
    """The line of the answer's cell at which it stopped."""
    try:
        own = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == YOURS]
        line = (own[-1].line or linecache.getline(YOURS, own[-1].lineno or 0)).strip()[:200] if own else ""
    except BaseException:
        return ""
    return f" at `{line}`" if line else ""
