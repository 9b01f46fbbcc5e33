"""Grades can be trusted: an answer gets nothing for what it did not solve, whatever it does to its process."""

import os
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from classroom import SMALL, Course, code, write
from smatch_edu.course.notebooks import Cell
from smatch_edu.course.submissions import answer_cell
from smatch_edu.sandbox import Limits, process

SECONDS, MEMORY = 1.0, 1 << 30  # of a cheat


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """One question, so that each answer takes one process."""
    return Course(tmp_path_factory.mktemp("course"), ("2-1",))


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    """The same, for those who use up whatever time they get."""
    made = Course(tmp_path_factory.mktemp("strict"), ("2-1",))
    made.grader.prove(SMALL)
    made.grader.limits = Limits(seconds=SECONDS, memory=MEMORY)
    return made


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    """The question whose answer is a text."""
    return Course(tmp_path_factory.mktemp("texts"), ("0-1",))


def cheat(lines, before=""):
    """An answer to 2.1 of these lines; `before` stands above it."""
    body = "\n".join("    " + line for line in lines.strip().splitlines())
    return f"{before}\ndef share_of_time(policy, gamma):\n{body}\n"


PATCHED = """
import math, numpy as np
for name in ("abs", "max", "isclose", "allclose", "array_equal", "isfinite", "testing"):
    setattr(np, name, lambda *a, **k: True)
np.abs = lambda *a, **k: 0.0
math.isclose = lambda *a, **k: True
math.inf = 0.0
"""
EQUAL = """
class Equal(np.ndarray):
    def __eq__(self, other): return True
    def __sub__(self, other): return np.zeros(4)
    __rsub__ = __sub__
    def __array_ufunc__(self, *a, **k): return np.zeros(4)
    def __array__(self, *a, **k): return np.zeros(4)
"""
CHECKS = """
from smatch_edu import checks
import smatch_edu.checks.exercise as e
e.Exercise._error = lambda *a: 0.0
e.Exercise.judge = lambda *a: 0.0
checks.occupancy.visits_along_a_chain.__dict__["num_cases"] = 0
object.__setattr__(checks.occupancy.visits_along_a_chain, "num_cases", 0)
"""
FRAMES = """
import sys
def looking():
    frame = sys._getframe()
    while frame:
        for value in [*frame.f_locals.values(), *frame.f_globals.values()]:
            for name in ("oracle", "wanted", "exercise"):
                if hasattr(value, name):
                    yield getattr(value, name)
        frame = frame.f_back
"""
FORGED = """
import json, os, struct
def forge():
    for reply in ({"returned": [1.0, 1.0, 1.0, 1.0], "after": {}, "used": []}, {"points": 2}, {"refused": ""}):
        content = json.dumps(reply).encode()
        for descriptor in range(3, 12):
            try:
                os.write(descriptor, struct.pack(">I", len(content)) + content)
            except OSError:
                pass
"""
DEEP = """
import os, struct
def forge():
    content = b'{"returned": ' + b"[" * 900 + b"]" * 900 + b', "after": {}}'
    for descriptor in range(3, 12):
        try:
            os.write(descriptor, struct.pack(">I", len(content)) + content)
        except OSError:
            pass
"""
RESTARTED = """
import gc, sys
for found in gc.get_objects():
    if type(found).__name__ == "Answers":
        nothing = {"array": "", "dtype": "<f8", "shape": [0], "tensor": ""}
        type(found)._answer = lambda *a: {"returned": nothing, "after": {}}
"""

SHARED = """
import os, struct
def forge(content, times=1):
    for _ in range(times):
        left = struct.pack(">I", len(content)) + content
        while left:
            left = left[os.write(4, left):]
"""
UP = """
import sys
def disarm():
    frame = sys._getframe()
    while frame:
        for value in list(frame.f_locals.values()):
            if type(value).__name__ == "Answers":
                value.watch.armed, value.watch.read = False, ("/",)
        frame = frame.f_back
"""
ANSWERS = Path(__file__).parents[1] / "checks" / "answers" / "occupancy.py"
LESSON = Path(__file__).parents[2] / "notebooks" / "02_occupancy.ipynb"
FROM_A_LESSON = """
import json
def read(place):
    for cell in json.load(open(place))["cells"]:
        text = "".join(cell["source"])
        if "def share_of_time" in text:
            scope = {"np": np}
            exec(text, scope)
            return scope["share_of_time"]
"""

CHEATS = {
    "a result that is equal to everything": cheat("return np.zeros(4).view(Equal)", EQUAL),
    "a number that is equal to everything": cheat(
        "return [N(0), N(0), N(0), N(0)]", "class N(float):\n    __eq__ = __ge__ = __le__ = lambda *a: True"
    ),
    "patched numpy and math": cheat("return np.zeros(4)", PATCHED),
    "patched checks": cheat("return np.zeros(4)", CHECKS),
    "the oracle": cheat("return checks.occupancy.visits_along_a_chain.oracle(policy, gamma)"),
    "the oracle's module": cheat(
        "return m.visits_along_a_chain.oracle(policy, gamma)", "from smatch_edu.checks import occupancy as m"
    ),
    "the oracle by importlib": cheat(
        "import importlib, sys\nsys.modules = {k: v for k, v in sys.modules.items() if 'checks' not in k}\n"
        "return importlib.import_module('smatch_edu.ch' + 'ecks.occupancy').visits_along_a_chain.oracle(policy, gamma)"
    ),
    "the oracle's file": cheat(
        "import smatch_edu, pathlib\nscope = {}\n"
        "exec(pathlib.Path(smatch_edu.__file__).with_name('checks').joinpath('occupancy.py').read_text(), scope)\n"
        "return scope['visits_along_a_chain'].oracle(policy, gamma)"
    ),
    "the tests' right answers": cheat(
        "return a.visits_with_a_loop(policy, gamma)", "import tests.checks.answers.occupancy as a"
    ),
    "the tests' right answers, from where they lie": cheat(
        f"scope = {{}}\nexec(open({str(ANSWERS)!r}).read(), scope)\nreturn scope['visits_with_a_loop'](policy, gamma)"
    ),
    "the solved lesson": cheat(f"return read({str(LESSON)!r})(policy, gamma)", FROM_A_LESSON),
    "the solved lesson, by another way": cheat(
        f"import os\nos.chdir({str(LESSON.parent)!r})\nreturn read({LESSON.name!r})(policy, gamma)", FROM_A_LESSON
    ),
    "the solved lesson, through a descriptor": cheat(
        f"import os\nfolder = os.open({str(LESSON.parent)!r}, os.O_RDONLY)\n"
        f"return read(os.open({LESSON.name!r}, os.O_RDONLY, dir_fd=folder))(policy, gamma)",
        FROM_A_LESSON,
    ),
    "the solved lesson, once the hook is off": cheat(
        f"disarm()\nreturn read({str(LESSON)!r})(policy, gamma)", UP + FROM_A_LESSON
    ),
    "the parent's memory": cheat("disarm()\nreturn open(f'/proc/{os.getppid()}/mem').read(1)", UP + "import os\n"),
    "the parent's arguments": cheat("disarm()\nreturn open('/proc/self/cmdline').read()", UP),
    "frames": cheat("for oracle in looking():\n    return oracle(policy=policy, gamma=gamma)", FRAMES),
    "forged replies": cheat("forge()\nreturn np.ones(4)", FORGED),
    "forged replies before": cheat("return np.ones(4)", FORGED + "forge()\n"),
    "keys of the same hash": cheat(
        "forge(b'{\"returned\": {\"items\": [' + b','.join(b'[%d,0]' % (n * (2**61 - 1)) for n in range(60000)) + "
        'b\']}, "after": {"policy": 1, "gamma": 1}}\')\nreturn 1',
        SHARED,
    ),
    "a million empty lists, again and again": cheat(
        "forge(b'{\"returned\": [' + b','.join([b'[]'] * 600000) + b'], \"after\": {}}', 100)\nreturn 1", SHARED
    ),
    "inputs that do not come back": cheat('forge(b\'{"returned": [0, 0, 0, 0], "after": {}}\', 100)\nreturn 1', SHARED),
    "questions without end": cheat('while True: forge(b\'{"call": "gamma", "arguments": []}\')', SHARED),
    "a printed score": cheat(
        "print('2.1 ✓ visits along a chain (100 random chains, largest error 0.0e+00)')\nreturn np.ones(4)"
    ),
    "the answering object": cheat("return np.ones(4)", RESTARTED),
    "os._exit": cheat("import os\nos._exit(0)"),
    "sys.exit": cheat("import sys\nsys.exit(0)"),
    "sys.exit in the cell": cheat("return 1", "import sys\nsys.exit(0)"),
    "KeyboardInterrupt": cheat("raise KeyboardInterrupt"),
    "a crash": cheat("import ctypes\nctypes.string_at(0)"),
    "an abort": cheat("import os\nos.abort()"),
    "the end of the grader": cheat("import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\nreturn np.ones(4)"),
    "an endless loop": cheat("while True: pass"),
    "an endless loop that hears nothing": cheat(
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass"
    ),
    "sleep": cheat("import time\ntime.sleep(1e6)"),
    "a fork bomb": cheat("import os\nwhile True: os.fork()"),
    "a fork bomb that hears nothing": cheat(
        "import os\nwhile True:\n    try: os.fork()\n    except BaseException: pass"
    ),
    "other programs": cheat("import subprocess, sys\nreturn subprocess.run([sys.executable, '-c', 'print(1)'])"),
    "other programs, from below": cheat("import _posixsubprocess\nreturn _posixsubprocess.fork_exec()"),
    "threads": cheat("import threading\nwhile True: threading.Thread(target=lambda: threading.Event().wait()).start()"),
    "a memory bomb": cheat("text = 'ab'\nwhile True: text += text"),
    "a memory bomb of lists": cheat("all = []\nwhile True: all.append([0] * 1_000_000)"),
    "a memory bomb that no limit counts": cheat(
        "disarm()\nfiles = []\nwhile True:\n    files.append(os.memfd_create('x'))\n"
        "    os.write(files[-1], bytes(1 << 20))",
        UP + "import os\n",
    ),
    "files that are open and gone": cheat(
        "disarm()\nfiles = []\nwhile True:\n    files.append(open('x', 'wb'))\n    files[-1].write(bytes(1 << 24))\n"
        "    os.remove('x')",
        UP + "import os\n",
    ),
    "threads with small stacks": cheat(
        "threading.stack_size(1 << 16)\nwhile True: Thread(target=threading.Event().wait, daemon=True).start()",
        "import threading\nfrom threading import Thread",
    ),
    "a process that outlives its parents": cheat(
        "disarm()\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        time.sleep(1000)\nos._exit(0)",
        UP + "import os, time\n",
    ),
    "a folder in a folder in a folder": cheat(
        "disarm()\nfor _ in range(1200):\n    os.mkdir('d')\n    os.chdir('d')", UP + "import os\n"
    ),
    "a folder that cannot be listed": cheat(
        "disarm()\nos.mkdir('d', 0o300)\nopen('d/x', 'w').write('x')\nreturn 1", UP + "import os\n"
    ),
    "a tensor with hooks": cheat(
        "class T(torch.Tensor):\n    @classmethod\n    def __torch_function__(cls, *a, **k): return np.zeros(4)\n"
        "    def numpy(self): return 1\nreturn torch.zeros(4).as_subclass(T)",
        "import torch",
    ),
    "a signature that ends the process": (
        "class S:\n    __call__ = lambda *a: [0] * 4\n    @property\n    def __signature__(self): raise SystemExit\n"
        "share_of_time = S()"
    ),
    "the framing, patched": cheat(
        'import json\njson.dumps = lambda *a, **k: \'{"returned": [1, 1, 1, 1], "after": {}}\'\nreturn 1'
    ),
    "an error of 100 MB": cheat("raise ValueError('x' * 10**8)"),
    "the oracle by its loader": cheat(
        "import importlib.machinery as m, smatch_edu\n"
        "place = smatch_edu.__file__.replace('__init__', 'checks/occupancy')\n"
        "return m.SourceFileLoader('x', place).load_module().visits_along_a_chain.oracle(policy, gamma)"
    ),
    "a generator": cheat("yield from [0, 0, 0, 0]"),
    "a list that lies": cheat(
        "return L([0] * 4)", "class L(list):\n    __len__ = lambda s: 10**9\n    __iter__ = lambda s: iter(int, 1)"
    ),
    "a text that is no text": cheat("return '\\ud800' * 100"),
    "programs that start when they are imported": "import antigravity, IPython.__main__, pip.__main__\n"
    + cheat("return 1"),
    "output of 1 GB": cheat("for _ in range(100): print('x' * 10**7)\nreturn np.zeros(4)"),
    "a result of 1 GB": cheat("return np.zeros(10**8)"),
    "a long list": cheat("return [0] * 10**7"),
    "a deep list": cheat("deep = []\nfor _ in range(10**5): deep = [deep]\nreturn deep"),
    "a forged deep list": cheat("forge()\nreturn 1", DEEP),
    "a list in itself": cheat("own = []\nown.append(own)\nreturn own"),
    "a large number": cheat("return [10**5000] * 4"),
    "not a number": cheat("return np.full(4, np.nan)"),
    "infinity": cheat("return np.full(4, np.inf)"),
    "a file": cheat("open('/tmp/smatch_cheat', 'w').write('x')\nreturn np.ones(4)"),
    "many files": cheat("for n in range(10**6): open(f'{n}', 'w').write('x' * 1000)"),
    "the network": cheat("import socket\nsocket.create_connection(('192.0.2.1', 80), 1)"),
    "what runs when it is pickled": cheat(
        "return Bomb()", "import os\nclass Bomb:\n    def __reduce__(self): return os.system, ('true',)"
    ),
    "no function": "share_of_time = [1, 2, 3]",
    "another name": "def shares_of_time(policy, gamma): return (1 - gamma) * np.append(1, np.cumprod(gamma * policy))",
    "no Python": "def share_of_time(policy, gamma) return 1",
    "nothing": "",
    "a null byte": "def share_of_time(policy, gamma):\n    return 1\0",
    "deep brackets": "share_of_time = " + "(" * 5000 + ")" * 5000,
    "deep signs": "share_of_time = " + "-" * 50_000 + "1",
}


@pytest.mark.parametrize("cheating", CHEATS)
def test_nothing_is_given_for_what_was_not_solved(strict, cheating, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    start = time.monotonic()
    mark = strict.mark("2-1", CHEATS[cheating])
    assert mark.points == 0 and "✗" in mark.verdict and len(mark.verdict) < 2000
    assert time.monotonic() - start < 3 * SECONDS + 20  # a busy machine is slow to start and to clear away
    assert not os.path.exists("/tmp/smatch_cheat")
    assert not psutil.Process().children(), "it has left somebody behind"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "answer",
    [
        "class Any(str):\n    def __eq__(self, other): return True\n    __hash__ = str.__hash__\n"
        "def screen(keys): return Any('x')",
        "def screen(keys):\n    class Any(str):\n        __eq__ = lambda *a: True\n        __str__ = lambda s: 1\n"
        "    return Any()",
    ],
)
def test_a_text_that_is_equal_to_everything_is_only_a_text(texts, answer):
    assert texts.mark("0-1", answer).points == 0


def test_edited_and_deleted_check_cells_change_nothing(course):
    handed_in = course.with_answer("2-1", cheat("return np.zeros(4)"))
    for cell in handed_in["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("grade"):
            cell["source"] = "print('2.1 ✓ all right')"
            cell["metadata"]["nbgrader"]["points"] = 1000
    edited = course.grade(handed_in)
    assert (edited.points, edited.most) == (0, 2)
    right = next(cell for cell in course.solved["cells"] if "def share_of_time" in "".join(cell["source"]))
    kept = course.grade(handed_in | {"cells": [right]})  # no import, no check: the course's own cells help out
    assert (kept.points, kept.status) == (2, "graded")


def test_outputs_without_code_are_worth_nothing(course):
    handed_in = course.with_answer("2-1", "")
    for cell in handed_in["cells"]:
        cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "2.1 ✓ visits along a chain"}]
    assert course.grade(handed_in).points == 0


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "no notebook",
        '{"cells": 3}',
        '{"cells": [1, null, {"cell_type": "code"}]}',
        "[" * 100_000,
        "\0" * 100,
    ],
    ids=["empty", "open", "list", "text", "cells", "odd cells", "deep", "zeros"],
)
def test_what_is_no_notebook_is_said_to_be_none(course, content):
    row = course.grade(content)
    assert row.points == 0 and (row.status.startswith(f"{SMALL}.ipynb cannot be graded: ") or row.marks)


def test_an_answer_that_only_calls_the_library_is_flagged(course):
    named = course.mark("2-1", cheat("return number(gamma)", "from smatch_edu.support import number"))
    assert named.flags == ("uses smatch_edu.support.number", "uses smatch_edu.support.tables.number")
    hidden = cheat("import importlib\nreturn importlib.import_module('smatch' + '_edu.support.tables').number(gamma)")
    assert "uses smatch_edu.support.tables.number" in course.mark("2-1", hidden).flags
    assert course.mark("2-1", cheat("return np.zeros(4)")).flags == ()


def test_what_looks_like_a_deception_is_flagged(course):
    assert "names ._getframe" not in course.mark("2-1", CHEATS["frames"]).flags
    assert "names _getframe" in course.mark("2-1", CHEATS["frames"]).flags
    assert "names .oracle" in course.mark("2-1", CHEATS["the oracle"]).flags
    stopped = course.mark("2-1", "from smatch_edu.checks.occupancy import there_and_back")
    assert "No module named" in stopped.verdict and "names smatch_edu.checks" in stopped.flags


def without(*layers):
    """How a process starts where the kernel has these not."""
    lines = [f"from smatch_edu.sandbox import {one}\n{one}.restrict = lambda *_: False\n" for one in layers]
    return process.START.replace("main()", "".join(lines) + "main()")


@pytest.mark.parametrize("lacking", [("seccomp",), ("landlock", "seccomp")], ids=" and ".join)
def test_where_the_kernel_helps_less_it_is_said_and_cheats_still_get_nothing(course, strict, monkeypatch, lacking):
    monkeypatch.setattr(process, "START", without(*lacking))
    row = course.grade(course.solved)
    assert row.points == 2
    assert "network and processes: Python's audit hook only" in row.protection
    assert ("files: Landlock" in row.protection) == ("landlock" not in lacking)
    for name in CHEATS:
        if "disarm" not in CHEATS[name] and name.partition(",")[0] in WITHOUT:
            assert strict.mark("2-1", CHEATS[name]).points == 0, name
    assert not os.path.exists("/tmp/smatch_cheat")


WITHOUT = ("the oracle's file", "the oracle by importlib", "a file", "the network", "a fork bomb", "other programs")
WITHOUT += ("the tests' right answers", "the solved lesson", "programs that start when they are imported")


def test_folders_in_each_other_are_removed_where_nothing_kept_them_from_being_made(strict, tmp_path, monkeypatch):
    monkeypatch.setattr(process, "START", without("landlock"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert strict.mark("2-1", CHEATS["a folder in a folder in a folder"]).points == 0
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("lacking", [(), ("landlock", "seccomp")], ids=["all", "hook only"])
def test_what_others_handed_in_stays_as_it_is(strict, tmp_path, monkeypatch, lacking):
    monkeypatch.setattr(process, "START", without(*lacking))
    bob = write(tmp_path / "bob" / SMALL / f"{SMALL}.ipynb", "what Bob wrote")
    before = bob.stat()
    for line in (
        "os.chmod(bob, 0)",
        "os.utime(bob, (1, 1))",
        "os.remove(bob)",
        "os.truncate(bob, 0)",
        "open(bob, 'a')",
    ):
        for where in ("", "disarm()\n") if not lacking else ("",):
            answer = cheat(f"import os\nbob = {str(bob)!r}\n{where}{line}", UP)
            assert "PermissionError" in strict.mark("2-1", answer).verdict
    for line in (
        "os.rename(bob, bob + 'by')",
        "os.rmdir(folder)",
        "os.symlink(bob, folder + '/x')",
        "os.mkdir(bob + '2')",
    ):
        answer = cheat(f"import os\nbob, folder = {str(bob)!r}, {str(bob.parent)!r}\n{line}")
        assert "PermissionError" in strict.mark("2-1", answer).verdict
    assert bob.stat() == before and bob.read_text() == "what Bob wrote" and len(list(bob.parent.iterdir())) == 1


# Unusual, and right


RIGHT = "(1 - gamma) * np.append(1, np.cumprod(gamma * np.asarray(policy)))"
UNUSUAL = {
    "a lambda": f"share_of_time = lambda policy, gamma: {RIGHT}",
    "a list": cheat(f"return list({RIGHT})"),
    "a tuple of numbers": cheat(f"return tuple(float(x) for x in {RIGHT})"),
    "a tensor": cheat(f"import torch\nreturn torch.tensor({RIGHT}, requires_grad=True)"),
    "single precision": cheat(f"return ({RIGHT}).astype(np.float32)"),
    "fractions": cheat(f"from fractions import Fraction\nreturn [Fraction(float(x)) for x in {RIGHT}]"),
    "objects": cheat(f"return ({RIGHT}).astype(object)"),
    "without numpy": cheat(
        "shares, reached = [], 1 - gamma\nfor chance in [*policy, 0]:\n    shares.append(reached)\n"
        "    reached *= gamma * chance\nreturn shares"
    ),
    "recursion": (
        "def go(policy, reached, gamma):\n"
        "    return [reached] + (go(policy[1:], reached * gamma * policy[0], gamma) if len(policy) else [])\n"
        "def share_of_time(policy, gamma):\n    return np.array(go(policy, 1 - gamma, gamma))\n"
    ),
    "an object that can be called": (
        f"class Share:\n    def __call__(self, policy, gamma): return {RIGHT}\nshare_of_time = Share()"
    ),
    "defaults and stars": f"def share_of_time(*given, **more):\n    policy, gamma = given\n    return {RIGHT}",
    "annotated": f"def share_of_time(policy: np.ndarray, gamma: float = 0.9) -> np.ndarray:\n    return {RIGHT}",
    "remembered": cheat(f"@functools.cache\ndef f(): return {RIGHT}\nreturn f()", "import functools"),
    "partial": (
        f"import functools\ndef any(power, policy, gamma): return {RIGHT}\nshare_of_time = functools.partial(any, 1)"
    ),
    "another name for numpy": cheat("return (1 - gamma) * n.append(1, n.cumprod(gamma * policy))", "import numpy as n"),
    "magic": f"%matplotlib inline\n%time\ndef share_of_time(policy, gamma):\n    return {RIGHT}\n!ls",
    "prints": cheat(f"print(policy)\nimport sys\nprint(gamma, file=sys.stderr)\nreturn {RIGHT}"),
    "a warning": cheat(f"np.log(np.zeros(1))\nreturn {RIGHT}"),
    "a generator inside": cheat(
        "def steps():\n    reached = 1 - gamma\n    yield reached\n    for chance in policy:\n"
        "        reached *= gamma * chance\n        yield reached\nreturn np.fromiter(steps(), float)"
    ),
    "a global that counts": cheat(f"global calls\ncalls += 1\nreturn {RIGHT}", "calls = 0"),
    "displays": cheat(f"display(policy)\nassert __name__ == '__main__'\nreturn {RIGHT}"),
    "threads": cheat(
        f"with ThreadPoolExecutor(2) as pool:\n    return list(pool.map(lambda _: {RIGHT}, [1]))[0]",
        "from concurrent.futures import ThreadPoolExecutor",
    ),
    "a file of its own": cheat(f"np.save('a.npy', {RIGHT})\nreturn np.load('a.npy')"),
    "scipy": cheat(f"from scipy.linalg import solve\nreturn solve(np.eye(4), {RIGHT})"),
}


@pytest.mark.parametrize("kind", UNUSUAL)
def test_an_unusual_right_answer_passes(course, kind):
    mark = course.mark("2-1", UNUSUAL[kind])
    assert (mark.points, mark.flags) == (2, ()), mark


def test_an_answer_finds_what_it_needs_in_other_cells_and_no_more(course):
    answer = "def share_of_time(policy, gamma):\n    return scaled(visits(policy, gamma), gamma)"
    handed_in = course.with_answer("2-1", answer)
    above = [
        code("import time\ntime.sleep(60)"),  # a training, say
        code("ONE = 1\nprint(undefined)"),
        code("def scaled(visits, gamma):\n    return (ONE - gamma) * visits"),
        code("policy = gamma = time.sleep(60)"),  # names that the function has for itself
        code("%%bash\nls"),
        code("this is no Python"),
    ]
    below = [code("import numpy as numbers\ndef visits(p, g):\n    return numbers.append(1, numbers.cumprod(g * p))")]
    row = course.grade(handed_in | {"cells": [*above, *handed_in["cells"], *below]})
    assert row.points == 2, row


def test_a_cell_without_nbgraders_name_is_found_by_its_function(course):
    handed_in = course.with_answer("2-1", f"def share_of_time(policy, gamma): return {RIGHT}")
    for cell in handed_in["cells"]:
        cell["metadata"] = {}
    row = course.grade(handed_in)
    assert row.points == 2 and "was found in another cell" in row.remarks[0]


def test_an_answer_may_stand_in_a_cell_of_its_own_but_the_courses_own_cells_are_no_answer(course):
    right = code(f"def share_of_time(policy, gamma): return {RIGHT}")
    row = course.grade(course.with_answer("2-1", "# see below", extra=[right]))
    assert row.points == 2 and "was found in another cell" in row.remarks[0]
    course.solved["cells"].append(right)
    try:
        course.grader.read.clear()
        write(course.source / f"{SMALL}.ipynb", course.solved)
        assert course.mark("2-1", "# see below").points == 0
    finally:
        course.solved["cells"].pop()
        course.grader.read.clear()
        write(course.source / f"{SMALL}.ipynb", course.solved)


def test_of_several_answers_the_one_counts_that_the_check_would_see(course):
    right, wrong = (f"def share_of_time(policy, gamma): return {value}" for value in (RIGHT, "1"))
    handed_in = course.with_answer("2-1", right)
    place = next(n for n, cell in enumerate(handed_in["cells"]) if cell["source"] == right)
    answer, cells = handed_in["cells"][place], handed_in["cells"]
    for above, below, points in (([answer | {"source": wrong}], [code(wrong)], 2), ([], [], 2)):
        row = course.grade(handed_in | {"cells": [*above, *cells, *below]})
        assert row.points == points and (not above or "2 cells define 'share_of_time'" in row.remarks[0]), row
    for text, points in ((right, 2), (wrong, 0)):  # a stub or a first attempt stays, and what counts is in a new cell
        for first in (course.with_answer("", ""), course.with_answer("2-1", wrong)):
            between = [*first["cells"][: place + 1], code(text), *first["cells"][place + 1 :]]
            assert course.grade(first | {"cells": between}).points == points
    below = course.with_answer("", "")
    row = course.grade(below | {"cells": [*below["cells"], code(right)]})
    assert row.points == 2 and "was found in another cell" in row.remarks[0]


@pytest.mark.parametrize(
    "source",
    ["\n" * 10**6 + "x", " " * 10**6 + "x", ("async" + " " * 1000) * 1000, "\n def " * 10**5, "\t\n" * 10**6],
    ids=["lines", "spaces", "async", "def", "tabs"],
)
def test_an_answer_is_looked_for_in_a_moment(source):
    start = time.monotonic()
    assert answer_cell([Cell(0, source, "", {})], "answer", "check", "share_of_time") == (None, "")
    assert time.monotonic() - start < 2


def test_a_file_that_would_fill_the_memory_is_not_read(course):
    row = course.grade('{"cells": [' + ",".join(["[]"] * 2_000_000) + "]}")
    assert row.points == 0 and "holds more than 3,000,000 values" in row.status


def test_an_odd_code_in_a_notebook_costs_only_its_own_points(course):
    handed_in = course.with_answer("2-1", f"def share_of_time(policy, gamma): return {RIGHT} # \ud800")
    assert course.grade(handed_in).points == 0
    handed_in = course.with_answer("2-1", f"def share_of_time(policy, gamma): return {RIGHT}")
    others = [
        code("x = " + "-" * 10**5 + "1"),
        code("np = '\ud800'"),
        code("0" * 10**6),
        code("\n".join(["import os"] * 500)),
    ]
    assert course.grade(handed_in | {"cells": [*handed_in["cells"], *others]}).points == 2
