"""The process of an answer, and what the kernel keeps it from when nothing else does."""

import os
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from smatch_edu.sandbox import Answering, Ended, Job, Limits, process, seccomp, surroundings
from smatch_edu.sandbox.landlock import version
from smatch_edu.sandbox.process import START
from smatch_edu.sandbox.surroundings import PACKAGE

landlock = pytest.mark.skipif(not version(), reason="this kernel has no Landlock")
filtered = pytest.mark.skipif(not seccomp.known(), reason="the system calls of this machine are not known")


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
        "import json, os, struct, time\n"
        "def f(x):\n    reply = json.dumps({'returned': 1, 'after': {'x': 1}}).encode()\n"
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
    with pytest.raises(Ended), Answering(Job("f", "0")):
        pass
    assert not list(tmp_path.iterdir()) and not psutil.Process().children()


def test_a_grader_that_is_killed_leaves_nobody_behind(tmp_path):
    if sys.platform != "linux":
        pytest.skip("only Linux can be asked to")
    script = (
        "import sys, threading\nfrom smatch_edu.sandbox import *\n"
        "process = Answering(Job('f', 'import time\\ndef f(x): time.sleep(1000)'), Limits(seconds=500.0)).__enter__()\n"
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
    for name in ("open", "own", "closed", "names"):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "file").write_text(name)
    program = (
        f"import os, socket, sys\nsys.path.insert(0, {str(PACKAGE.parent)!r})\n"
        "from smatch_edu.sandbox.landlock import restrict\n"
        f"os.chdir({str(tmp_path)!r})\nassert restrict(['open'], ['names'], ['own'])\n"
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
        "print(tried(lambda: os.execv(sys.executable, ['python'])), tried(lambda: open('/proc/1/environ').read()))\n"
    )
    script += "for n in ('open', 'own', 'names', 'closed', '.'): print(len(tried(lambda: os.listdir(n))))\n"
    script += "print(tried(lambda: os.mkdir('own/more')), tried(lambda: os.symlink('/', 'own/link')))\n"
    script += "print(tried(lambda: open('names/file')), tried(lambda: os.remove('own/new')))\n"
    denied = "PermissionError"
    seen = confined(script, tmp_path)
    assert seen[:10] == ["open", "own", denied, denied, "1", denied, denied, denied, denied, denied]
    assert seen[10:] == ["1", "2", "1", *[str(len(denied))] * 2, denied, denied, denied, "None"]
    assert Path(tmp_path / "closed" / "file").read_text() == "closed"


@landlock
def test_landlock_cannot_be_taken_back(tmp_path):
    script = "print(restrict(['/'], ['/'], ['/']), tried(lambda: open('closed/file').read()))"
    assert confined(script, tmp_path) == ["True", "PermissionError"]


GIVEN_UP = {
    "fork": "os.fork()",
    "a program": "os.execv(sys.executable, ['python'])",
    "the network": "socket.socket()",
    "a pair of sockets": "socket.socketpair()",
    "a signal to the parent": "os.kill(os.getppid(), 0)",
    "a signal to itself": "os.kill(os.getpid(), 0)",
    "limits of others": "resource.prlimit(os.getppid(), resource.RLIMIT_AS)",
    "priority of others": "os.setpriority(os.PRIO_PROCESS, os.getppid(), 19)",
    "rights": "os.chmod('file', 0)",
    "rights by number": "os.fchmod(os.open('file', os.O_RDONLY), 0)",
    "owners": "os.chown('file', 1, 1)",
    "times": "os.utime('file', (1, 1))",
    "lengths": "os.truncate('file', 0)",
    "lengths, as if to read": "os.open('file', os.O_RDONLY | os.O_TRUNC)",
    "attributes": "os.setxattr('file', 'user.a', b'1')",
    "memory that no limit counts": "os.memfd_create('a')",
    "memory of the parent": "ctypes_call(310, os.getppid(), 0, 0, 0, 0, 0)",
    "the parent's life": "ctypes_call(101, 16, os.getppid(), 0, 0)",
    "the leash": "ctypes_call(157, 1, 0, 0, 0, 0)",
    "rings": "ctypes_call(425, 1, 0)",
    "calls by their other number": "ctypes_call(0x40000000 + 39)",
    "namespaces": "ctypes_call(272, 0x10000000)",
}


@filtered
def test_seccomp_takes_what_no_answer_needs_and_leaves_threads(tmp_path):
    (tmp_path / "file").write_text("x")
    program = (
        f"import ctypes, os, platform, resource, socket, sys, threading\nsys.path.insert(0, {str(PACKAGE.parent)!r})\n"
        "from smatch_edu.sandbox.seccomp import restrict\n"
        "def ctypes_call(*numbers):\n    libc = ctypes.CDLL(None, use_errno=True)\n"
        "    if platform.machine() != 'x86_64': raise PermissionError\n"
        "    if libc.syscall(*map(ctypes.c_long, numbers)) < 0: raise OSError(ctypes.get_errno(), '')\n"
        "def tried(what):\n    try: return what()\n    except OSError as error: return type(error).__name__\n"
        "before = [l for l in open('/proc/self/status') if l.startswith('CapEff')]\nassert restrict()\n"
    )
    program += "".join(f"print(tried(lambda: {what}))\n" for what in GIVEN_UP.values())
    program += "found = []\nthread = threading.Thread(target=found.append, args=(1,))\nthread.start()\nthread.join()\n"
    program += "print(found, resource.getrlimit(resource.RLIMIT_CORE)[0] > -2)\n"
    program += "print([int(l.split()[1], 16) for l in open('/proc/self/status') if l.startswith('CapEff')])"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
    )
    *refused, threads, powers = done.stdout.splitlines()
    assert dict(zip(GIVEN_UP, refused, strict=True)) == dict.fromkeys(GIVEN_UP, "PermissionError")
    assert threads == "[1] True" and powers == "[0]" and (tmp_path / "file").read_text() == "x"


def test_the_filter_is_what_the_kernel_wants_on_every_machine():
    for machine in seccomp.MACHINES:
        content = seccomp.program(machine)
        steps = [struct.unpack("HBBI", content[at : at + 8]) for at in range(0, len(content), 8)]
        assert len(steps) < 4096 and steps[-1] == (seccomp.RETURN, 0, 0, seccomp.ALLOW)
        for place, (_, yes, no, _) in enumerate(steps):
            assert place + 1 + max(yes, no) < len(steps) or place == len(steps) - 1


def test_the_checks_of_a_second_copy_are_hidden_too(tmp_path, monkeypatch):
    second = tmp_path / "site-packages" / PACKAGE.name
    (second / "checks").mkdir(parents=True)
    (second / "text").mkdir()
    monkeypatch.setattr("sys.path", [*sys.path, str(second.parent)])
    whole, names = surroundings.readable()
    assert str(second / "text") in whole and str(second.parent) in names
    assert not any((second / "checks").is_relative_to(place) for place in whole)


@pytest.mark.parametrize("inside", ["lib/python3/site-packages", "elsewhere"])
def test_the_checks_are_below_no_place_that_may_be_read(inside, tmp_path, monkeypatch):
    package = tmp_path / inside / "smatch_edu"
    for name in ("checks/__pycache__", "course", "text", "../numpy", "../../more"):
        (package / name).mkdir(parents=True)
    for name in ("PACKAGE", "sys.prefix", "sys.base_prefix"):
        monkeypatch.setattr(f"smatch_edu.sandbox.surroundings.{name}", package if name == "PACKAGE" else str(tmp_path))
    monkeypatch.setattr("sys.path", [*sys.path, str(package.parent)])
    whole, names = ([Path(place) for place in some] for some in surroundings.readable())
    places = [*whole, *(place / "__init__.py" for place in names)]
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
import os, socket, sys, time
frame = sys._getframe()
while frame:
    for one in list(frame.f_locals.values()):
        if type(one).__name__ == "Answers":
            one.watch.armed = False
            one.watch.read = ("/",)
    frame = frame.f_back
def orphans(*_):
    import subprocess
    if os.fork() == 0:
        if os.fork() == 0:
            os.setsid()
            time.sleep(1000)
        os._exit(0)
    os.wait()
"""


@landlock
@pytest.mark.parametrize(
    "place",
    [PACKAGE / "checks" / "occupancy.py", PACKAGE.parent / "notebooks" / "02_occupancy.ipynb", "/proc/1/environ"]
    + [PACKAGE.parent / "tests" / "checks" / "answers" / "occupancy.py", "/proc/self/environ", "/etc/passwd"],
)
def test_without_the_audit_hook_the_checks_still_cannot_be_read(place):
    with pytest.raises(Ended, match="Errno 13"):
        asked(DISARMED + f"def f(x): return open({str(place)!r}).read()", {"x": 1})


@landlock
@pytest.mark.parametrize("place", ["/", "/tmp", "/proc", PACKAGE.parent, PACKAGE.parent / "tests"])
def test_without_the_audit_hook_it_is_still_not_seen_who_else_hands_in(place):
    with pytest.raises(Ended, match="Errno 13"):
        asked(DISARMED + f"def f(x): return os.listdir({str(place)!r})", {"x": 1})


@landlock
def test_without_the_audit_hook_nothing_is_written_and_no_program_started(tmp_path):
    with pytest.raises(Ended, match="Errno 13"):
        asked(DISARMED + f"def f(x): return open({str(tmp_path / 'new')!r}, 'w')", {"x": 1})
    with pytest.raises(Ended, match=r"Errno 13?\]"):
        asked(DISARMED + "def f(x): os.execv(sys.executable, ['python'])", {"x": 1})


@filtered
def test_without_the_audit_hook_there_is_still_no_network_no_process_and_no_change_of_rights(tmp_path):
    for line in ("socket.socket()", "os.fork()", "orphans()", f"os.chmod({str(tmp_path)!r}, 0)"):
        with pytest.raises(Ended, match=r"Errno 1\]"):
            asked(DISARMED + f"def f(x): {line}", {"x": 1})
    assert tmp_path.stat().st_mode & 0o700


def test_a_module_that_an_answer_names_is_loaded_with_no_more_rights_than_it_has():
    text = "import tests.checks.answers.occupancy as a\ndef f(x): return a.visits_with_a_loop([x], 0.5)"
    # Where tests/checks was on the path, Python may have listed it before rights were given up: then it tries to read.
    with pytest.raises(Ended, match=r"No module named|PermissionError"):
        asked(text, {"x": 1})


def test_threads_without_end_are_ended():
    answer = "import threading\nthreading.stack_size(1 << 16)\ndef f(x):\n    while True:\n"
    answer += "        threading.Thread(target=threading.Event().wait, daemon=True).start()"
    with pytest.raises(Ended, match="more than 20 threads"):
        asked(answer, {"x": 1}, limits=Limits(threads=20))


@pytest.mark.parametrize("use", ["memory", "seconds"])
def test_who_talks_without_end_is_watched_all_the_same(use):
    answer = "import threading\nfull = []\ndef fill():\n    while True: full.append(bytearray(50 << 20))\n"
    answer += "def f(g):\n    threading.Thread(target=fill, daemon=True).start()\n    while True: g(1)\n"
    if use == "seconds":
        answer = "def f(g):\n    while True: g(1)"
    start = time.monotonic()
    with pytest.raises(Ended, match=r"GB of memory|come to an end|MemoryError"):
        asked(answer, {"g": abs}, limits=Limits(seconds=1.0, memory=1 << 29))
    assert time.monotonic() - start < 6


def test_somebody_who_escapes_and_keeps_the_pipe_open_stops_nobody(monkeypatch):
    without = START.replace(
        "main()", "from smatch_edu.sandbox import seccomp\nseccomp.restrict = lambda: False\nmain()"
    )
    monkeypatch.setattr(process, "START", without)
    start = time.monotonic()
    with pytest.raises(Ended):
        asked(DISARMED + "def f(x):\n    orphans()\n    os._exit(0)", {"x": 1}, limits=Limits(seconds=1.0))
    assert time.monotonic() - start < 10
    for one in psutil.process_iter(["cmdline"]):
        if START[:40] in " ".join(one.info["cmdline"] or ()):
            one.kill()
