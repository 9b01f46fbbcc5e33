"""A table of results grows run by run, and a run that is in it is not run again."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from smatch_edu.support.results import extend_table, read_table

RUNS = [{"colour": colour, "size": size} for colour in ("red", "blue") for size in (1, 2.5)]
RESULTS = ["step", "value"]


def test_an_experiment_that_was_interrupted_goes_on_where_it_was(tmp_path):
    path, measured = tmp_path / "table.tsv", []

    def measure(run):
        if len(measured) == 2:
            raise KeyboardInterrupt
        measured.append(run)
        return [{"step": step, "value": 0.25} for step in (0, 1)]

    with pytest.raises(KeyboardInterrupt):
        extend_table(path, RUNS, RESULTS, measure)
    assert len(read_table(path)) == 4
    before = path.read_text()
    measured.clear()
    extend_table(path, RUNS, RESULTS, measure)
    assert measured == RUNS[2:]
    assert path.read_text().startswith(before)
    assert read_table(path)[-1] == {"colour": "blue", "size": "2.5", "step": "1", "value": "0.25"}
    extend_table(path, RUNS, RESULTS, measure)
    assert measured == RUNS[2:]
    assert sorted(tmp_path.iterdir()) == [tmp_path / ".table.tsv.lock", path]


def test_the_table_of_another_experiment_is_not_touched(tmp_path):
    path = tmp_path / "table.tsv"
    path.write_text("colour\tvalue\nred\t1\n")
    with pytest.raises(ValueError, match="has no column 'size'; it holds another experiment"):
        extend_table(path, RUNS, RESULTS, lambda run: pytest.fail("measured"))
    assert path.read_text() == "colour\tvalue\nred\t1\n"
    with pytest.raises(ValueError, match="there is no folder"):
        extend_table(tmp_path / "nowhere" / "table.tsv", RUNS, RESULTS, lambda run: [])
    assert read_table(tmp_path / "none.tsv") == []


# -- one table, several writers ------------------------------------------------------------------------------------


def test_two_experiments_at_once_leave_the_rows_of_both_in_one_table(tmp_path):
    path, both = tmp_path / "table.tsv", threading.Barrier(2)

    def experiment(colour):
        def measure(run):
            both.wait(20)  # so that each has read the table before the other writes
            return [{"step": 0, "value": 1}, {"step": 1, "value": 2}]

        extend_table(path, [{"colour": colour, "size": size} for size in range(5)], RESULTS, measure)

    threads = [threading.Thread(target=experiment, args=(colour,)) for colour in ("red", "blue")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    rows = {(row["colour"], row["size"], row["step"]) for row in read_table(path)}
    assert rows == {(c, str(size), str(step)) for c in ("red", "blue") for size in range(5) for step in (0, 1)}
    assert len(read_table(path)) == len(rows)


def test_the_same_experiment_twice_at_once_leaves_each_row_once(tmp_path):
    path, both = tmp_path / "table.tsv", threading.Barrier(2)

    def measure(run):
        both.wait(20)
        return [{"step": 0, "value": 1}]

    threads = [threading.Thread(target=extend_table, args=(path, RUNS, RESULTS, measure)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(read_table(path)) == len(RUNS)


def test_who_was_killed_while_writing_locks_nobody_out(tmp_path):
    path = tmp_path / "table.tsv"
    holds = f"import filelock, time; lock = filelock.FileLock({str(tmp_path / '.table.tsv.lock')!r}); lock.acquire(); "
    holder = subprocess.Popen([sys.executable, "-c", holds + "print('held', flush=True); time.sleep(600)"], stdout=-1)
    assert holder.stdout.readline() == b"held\n"
    writer = threading.Thread(target=extend_table, args=(path, RUNS, RESULTS, lambda run: [{"step": 0, "value": 1}]))
    writer.start()
    writer.join(0.5)
    assert writer.is_alive() and not path.exists()  # it waits
    holder.kill()
    holder.wait()
    writer.join(20)
    assert len(read_table(path)) == len(RUNS)


def test_a_run_that_is_asked_for_twice_is_measured_once(tmp_path):
    measured = []
    extend_table(
        tmp_path / "t.tsv", [*RUNS, *RUNS], RESULTS, lambda run: measured.append(run) or [{"step": 0, "value": 1}]
    )
    assert measured == RUNS


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("colour\tsize\tstep\nred\t1\t0\n", "no column 'value'"),
        ("colour\tsize\tstep\tvalue\tmood\n", "a column 'mood'"),
        ("colour\tsize\tstep\n", "no column 'value'"),
        ("colour\tsize\tstep\tvalue\nred\t1\t0\t1\nred\t1\n", "line 3 has 2 columns"),
        (b"colour\tsize\tstep\tvalue\nr\xe9d\t1\t0\t1\n", "line 2 has the byte 0xe9, which is no UTF-8"),
    ],
)
def test_a_table_that_cannot_take_the_rows_is_named_before_the_work(table, message, tmp_path):
    path = tmp_path / "table.tsv"
    path.write_bytes(table if isinstance(table, bytes) else table.encode())
    before = path.read_bytes()
    with pytest.raises(ValueError, match=message):
        extend_table(path, RUNS, RESULTS, lambda run: pytest.fail("measured"))
    assert path.read_bytes() == before


# -- workers -------------------------------------------------------------------------------------------------------

SCRIPT = """
import os, signal, sys, time
from pathlib import Path
from smatch_edu.support.results import extend_table

folder = Path(sys.argv[1])

def measure(run):
    (folder / f"{os.getpid()}.worker").touch()
    if run["size"] == 0:
        return [{"value": 1}]
    if sys.argv[2] == "die":
        os._exit(3)
    time.sleep(600)

if __name__ == "__main__":
    try:
        extend_table(folder / "table.tsv", [{"size": size} for size in range(4)], ["value"], measure, workers=2)
    except (KeyboardInterrupt, ChildProcessError) as error:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # as the command does
        print(error)
        sys.exit(130)
"""


def start(tmp_path, how):
    """The script in a session of its own, as a terminal starts it."""
    (tmp_path / "script.py").write_text(SCRIPT)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, str(tmp_path / "script.py"), str(tmp_path), how]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it is ignored, and inherited
    try:
        return subprocess.Popen(command, env=environment, **pipes)
    finally:
        signal.signal(signal.SIGINT, before)


def wait_until(holds, seconds=120):
    for _ in range(10 * seconds):
        if holds():
            return
        time.sleep(0.1)
    pytest.fail("it did not happen")


def alive(tmp_path):
    """The workers that are there still."""
    return [path.stem for path in tmp_path.glob("*.worker") if _is_running(int(path.stem))]


def _is_running(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("stop", ["terminal", "parent", "kill"])
def test_one_interrupt_stops_all_workers_and_says_what_is_kept(stop, tmp_path):
    process = start(tmp_path, "sleep")
    wait_until(lambda: len(read_table(tmp_path / "table.tsv")) == 1 and len(alive(tmp_path)) == 2)
    if stop == "terminal":
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.2)
        os.killpg(process.pid, signal.SIGINT)  # and once more, out of impatience
    else:
        process.send_signal(signal.SIGINT if stop == "parent" else signal.SIGKILL)
    out, err = process.communicate(timeout=60)
    wait_until(lambda: not alive(tmp_path), 20)
    if stop != "kill":
        assert process.returncode == 130
        assert out == f"1 of 4 runs are in {tmp_path / 'table.tsv'}; the same command goes on with the others\n"
        assert "Traceback" not in err
    assert len(read_table(tmp_path / "table.tsv")) == 1


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_worker_that_was_killed_is_said(tmp_path):
    out, err = start(tmp_path, "die").communicate(timeout=120)
    assert "a worker was killed" in out and "Traceback" not in err
