"""The process of an answer, and what the kernel keeps it from when nothing else does."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from smatch_edu.sandbox import Answering, Ended, Job, Limits, surroundings
from smatch_edu.sandbox.landlock import version
from smatch_edu.sandbox.surroundings import ALONE, PACKAGE, can_be_alone

landlock = pytest.mark.skipif(not version(), reason="this kernel has no Landlock")
alone = pytest.mark.skipif(not can_be_alone(), reason="no namespaces can be made here")


def asked(answer, *cases, **options):
    """What a function f returns for these cases."""
    with Answering(Job("f", answer), **options) as process:
        return [process.ask(case)[0] for case in cases]


def test_a_function_is_called_case_by_case(rng):
    arrays = [rng.normal(size=(2, 3)) for _ in range(3)]
    answer = "import numpy as np\ndef f(a, b): return np.asarray(a).T * b"
    for array, back in zip(arrays, asked(answer, *({"a": a, "b": 2} for a in arrays)), strict=True):
        assert np.array_equal(back, 2 * array.T)


def test_tensors_arrive_as_tensors_and_come_back_as_such(rng):
    x = torch.tensor(rng.normal(size=3))
    with Answering(Job("f", "def f(x, g): return g(x).softmax(0).flip(0)", modules=("torch",))) as process:
        back, after = process.ask({"x": x, "g": lambda y: 2 * y})
    assert torch.equal(back, (2 * x).softmax(0).flip(0)) and torch.equal(after["x"], x)


def test_inputs_come_back_as_they_are_after_the_call():
    with Answering(Job("f", "def f(a, b, c):\n    a[0] = 7\n    b.append(1)")) as process:
        _, after = process.ask({"a": np.zeros(2), "b": [], "c": abs})
    assert after["a"].tolist() == [7, 0] and after["b"] == [1] and set(after) == {"a", "b"}


def test_a_function_among_the_inputs_is_called_here():
    known = []

    def here(x, y):
        known.append(x)
        return x + y

    assert asked("def f(g, x): return g(g(x, 1), 1) + 0.5", {"g": here, "x": np.ones(2)})[0].tolist() == [3.5, 3.5]
    assert len(known) == 2
    with pytest.raises(Ended, match="ZeroDivisionError"):
        asked("def f(g): return g(1)", {"g": lambda x: x / 0})
    caught = (
        "def f(g):\n    try:\n        return g(1, 2, 3)\n    except ValueError as error:\n        return str(error)[:9]"
    )
    assert asked(caught, {"g": here}) == ["TypeError"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("def f(y): return y\ndef f(): return 1", r"takes \(\); it is called with \(x\)"),
        ("def f(x): return undefined", "NameError: name 'undefined' is not defined at `def f"),
        ("1 / 0\ndef f(x): return 1", "cell stops with ZeroDivisionError: division by zero at `1 / 0`"),
        ("def g(x): return 1", "no function `f` in your cell; it defines 'g'"),
        ("def f(x):\n    class E(Exception):\n        def __str__(self): 1/0\n    raise E", "stopped with E"),
        ("def f(x):\n    import numpy as np\n    return np.zeros(10**9)", "more|MemoryError"),
    ],
)
def test_why_there_is_no_result_is_said(answer, said):
    with pytest.raises(Ended, match=said) as ended:
        asked(answer, {"x": 1})
    assert not ended.value.todo


def test_only_the_answers_own_stub_is_a_stub():
    for answer in ("def f(x):\n    raise NotImplementedError()", "raise NotImplementedError()"):
        with pytest.raises(Ended) as ended:
            asked(answer, {"x": 1})
        assert ended.value.todo
    library = "import asyncio\ndef f(x): return asyncio.AbstractEventLoop().run_forever()"
    with pytest.raises(Ended) as ended:
        asked(library, {"x": 1})
    assert not ended.value.todo


def test_nobody_reads_what_is_written_and_yet_there_is_an_end():
    answer = (
        "import json, os, struct, time\ndef f(x):\n    reply = json.dumps({'returned': 1, 'after': {}}).encode()\n"
        "    os.write(4, struct.pack('>I', len(reply)) + reply)\n    time.sleep(100)"
    )
    start = time.monotonic()
    with pytest.raises(Ended, match="did not come to an end"):
        asked(answer, *[{"x": np.zeros(100_000)}] * 3, limits=Limits(seconds=1.0))
    assert time.monotonic() - start < 6


def test_a_flood_of_replies_has_an_end():
    answer = 'import os\ndef f(x):\n    while True: os.write(4, b\'\\0\\0\\0\\x15{"call": "x", "a": 1 }\')'
    with pytest.raises(Ended):
        asked(answer, {"x": 1}, limits=Limits(seconds=1.0))


def test_afterwards_nothing_is_left(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    with Answering(Job("f", "def f(x):\n    open('a', 'w').write('x' * x)\n    return x")) as process:
        assert process.ask({"x": 1000})[0] == 1000
        assert (process.folder / "a").stat().st_size == 1000 and process.folder.parent == tmp_path
    with pytest.raises(Ended):
        Answering(Job("f", "0"))
    assert not list(tmp_path.iterdir()) and not psutil.Process().children()


def test_a_grader_that_is_killed_leaves_nobody_behind(tmp_path):
    if sys.platform != "linux":
        pytest.skip("only Linux can be asked to")
    script = (
        "import sys, threading\nfrom smatch_edu.sandbox import *\n"
        "process = Answering(Job('f', 'import time\\ndef f(x): time.sleep(1000)'), Limits(seconds=500.0))\n"
        "threading.Timer(0.3, lambda: print('asked', flush=True)).start()\nprocess.ask({'x': 1})"
    )
    environment = os.environ | {"PYTHONPATH": str(PACKAGE.parent)}
    grader = subprocess.Popen([sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE)
    grader.stdout.readline()
    left = psutil.Process(grader.pid).children(recursive=True)
    assert left
    grader.kill()
    grader.communicate()
    _, alive = psutil.wait_procs(left, timeout=5)
    assert not alive


def confined(script, tmp_path):
    """What a Python prints that may only read in `open`, and write in `own`."""
    for name in ("open", "own", "closed"):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "file").write_text(name)
    program = (
        f"import os, socket, sys\nsys.path.insert(0, {str(PACKAGE.parent)!r})\n"
        "from smatch_edu.sandbox.landlock import restrict\n"
        f"os.chdir({str(tmp_path)!r})\nassert restrict(['open'], ['own'])\n"
        "def tried(what):\n    try: return what()\n    except OSError as error: return type(error).__name__\n" + script
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.split()


@landlock
def test_landlock_lets_it_read_and_write_where_it_may_and_nowhere_else(tmp_path):
    script = "for n in ('open', 'own', 'closed'):\n    print(tried(lambda: open(n + '/file').read()))\n"
    script += "for n in ('open', 'own', 'closed'):\n    print(tried(lambda: open(n + '/new', 'w').write('x')))\n"
    script += "print(tried(lambda: os.remove('open/file')), tried(lambda: os.rename('own/file', 'closed/stolen')))\n"
    script += (
        "print(tried(lambda: os.execv(sys.executable, ['python'])), tried(lambda: open('/proc/1/environ').read()))"
    )
    denied = "PermissionError"
    assert confined(script, tmp_path) == ["open", "own", denied, denied, "1", denied, denied, denied, denied, denied]
    assert Path(tmp_path / "closed" / "file").read_text() == "closed"


@landlock
def test_landlock_cannot_be_taken_back(tmp_path):
    script = "print(restrict(['/'], ['/']), tried(lambda: open('closed/file').read()))"
    assert confined(script, tmp_path) == ["True", "PermissionError"]


@alone
def test_in_a_namespace_there_is_no_network_and_no_other_process(tmp_path):
    script = "import os, socket\nprint(os.getpid(), [n for _, n in socket.if_nameindex()])\nfor kind in (1, 2):\n"
    script += "    try: socket.socket(2, kind).connect(('192.0.2.1', 80))\n    except OSError as e: print(e.strerror)\n"
    script += f"try: os.kill({os.getpid()}, 9)\nexcept OSError as e: print(e.strerror)"
    done = subprocess.run([*ALONE, sys.executable, "-c", script], capture_output=True, text=True, check=True)
    unreachable = "Network is unreachable"
    assert done.stdout.splitlines() == ["1 ['lo']", unreachable, unreachable, "No such process"]


@pytest.mark.parametrize("inside", ["lib/python3/site-packages", "elsewhere"])
def test_the_checks_are_below_no_place_that_may_be_read(inside, tmp_path, monkeypatch):
    package = tmp_path / inside / "smatch_edu"
    for name in ("checks/__pycache__", "course", "text", "../numpy", "../../more"):
        (package / name).mkdir(parents=True)
    for name in ("PACKAGE", "sys.prefix", "sys.base_prefix"):
        monkeypatch.setattr(f"smatch_edu.sandbox.surroundings.{name}", package if name == "PACKAGE" else str(tmp_path))
    monkeypatch.setattr("sys.path", [*sys.path, str(package.parent)])
    places = [Path(place) for place in surroundings.readable()]
    for name in ("checks", "course"):
        assert not any((package / name).is_relative_to(place) for place in places)
    assert any((package / "text").is_relative_to(place) for place in places)
    beside = any((package.parent / "numpy").is_relative_to(place) for place in places)
    assert beside == ("site-packages" in inside)


def test_much_code_arrives_and_too_much_is_said_to_be(monkeypatch):
    assert asked("def f(x): return x\ntext = '" + "x" * 5_000_000 + "'", {"x": 1}) == [1]
    monkeypatch.setattr("smatch_edu.sandbox.process.NOTEBOOK", 1000)
    with pytest.raises(Ended, match="more code around your function"):
        asked("def f(x): return x", {"x": 1})


def test_dice_without_a_seed_fall_alike():
    answer = "import numpy as np, random\ndef f(x): return [np.random.rand(), random.random(), hash('text')]"
    assert asked(answer, {"x": 1}) == asked(answer, {"x": 1})


DISARMED = """
import gc, os, socket, time
for one in gc.get_objects():
    if type(one).__name__ == "Watch":
        one.armed = False
        one.hidden = []
def forks():
    for count in range(1000):
        try:
            if os.fork() == 0: time.sleep(100)
        except OSError:
            return count
        time.sleep(0.01)
"""


@landlock
@pytest.mark.parametrize(
    "place",
    [PACKAGE / "checks" / "occupancy.py", PACKAGE.parent / "notebooks" / "02_occupancy.ipynb", "/proc/1/environ"],
)
def test_without_the_audit_hook_the_checks_still_cannot_be_read(place):
    with pytest.raises(Ended, match="Errno 13"):
        asked(DISARMED + f"def f(x): return open({str(place)!r}).read()", {"x": 1})


@landlock
def test_without_the_audit_hook_nothing_is_written_and_no_program_started(tmp_path):
    with pytest.raises(Ended, match="Errno 13"):
        asked(DISARMED + f"def f(x): return open({str(tmp_path / 'new')!r}, 'w')", {"x": 1})
    with pytest.raises(Ended, match="Errno 13"):
        asked(DISARMED + "import sys\ndef f(x): os.execv(sys.executable, ['python'])", {"x": 1})


@alone
def test_without_the_audit_hook_there_is_still_no_network_and_an_end_to_processes():
    for kind in ("SOCK_STREAM", "SOCK_DGRAM"):
        connect = f"def f(x): socket.socket(socket.AF_INET, socket.{kind}).connect(('192.0.2.1', 80))"
        with pytest.raises(Ended, match=r"unreachable|Errno 13"):
            asked(DISARMED + connect, {"x": 1})
    try:
        assert asked(DISARMED + "def f(x): return forks()", {"x": 1}, limits=Limits(processes=20))[0] < 20
    except Ended as ended:  # root's processes are only counted from outside
        assert "more than 20 processes" in str(ended)
    assert not psutil.Process().children()
