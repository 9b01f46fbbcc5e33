"""The benchmarks on the CPU run as they are: once through, with one pair of timings."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.mark.slow
def test_the_training_benchmark_prints_its_rows():
    command = [sys.executable, "training.py", "--pairs", "1"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=BENCHMARKS, capture_output=True, text=True, timeout=600, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    rows = [line for line in done.stdout.splitlines() if "SequenceMatch / likelihood" in line]
    assert len(rows) == 6 and "exact P(real word)" in done.stdout
    for part in ("the model types", "texts laid out", "forward", "backward", "waiting for the device"):
        assert f"  {part}, additions" in done.stdout and f"  {part}, words, with slips" in done.stdout
    assert "x 1.00" in rows[0] and "x 1.00" not in rows[4] and "in rows of their own" in rows[1]


@pytest.mark.slow
def test_the_trainer_reaches_what_the_own_loop_reaches():
    pytest.importorskip("transformers", reason="needs the extra [hf]")
    command = [sys.executable, "-W", "ignore", "finetune.py", "--seeds", "2", "--questions", "500"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=BENCHMARKS, capture_output=True, text=True, timeout=900, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    rows = [line.split("  ") for line in done.stdout.splitlines() if " own loop " in line or " trainer " in line]
    means = [float(next(cell for cell in row if "[" in cell).split()[0]) for row in rows if len(row) > 2]
    assert len(means) == 8
    for own, theirs in zip(means[::2], means[1::2], strict=True):
        assert abs(own - theirs) < 0.06, done.stdout


@pytest.mark.slow
def test_beside_trl_the_same_is_learned_and_without_it_that_is_said():
    pytest.importorskip("transformers", reason="needs the extra [hf]")
    command = [sys.executable, "-W", "ignore", "sft.py", "--seeds", "1", "--steps", "8", "--questions", "10"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=BENCHMARKS, capture_output=True, text=True, timeout=600, env=environment)
    if find_spec("trl") is None:
        assert (done.returncode, done.stderr) == (1, "TRL is not installed: run `python -m pip install trl`\n")
        return
    assert done.returncode == 0, done.stderr[-2000:]
    ours, theirs = (
        [float(number) for number in re.findall(r"(\d\.\d{3}) to", line)]
        for line in done.stdout.splitlines()
        if line.startswith(("SequenceMatchTrainer", "SFTTrainer"))
    )
    assert len(ours) == 5 and ours[0] == theirs[0]
    assert all(abs(own - other) < 0.01 for own, other in zip(ours, theirs, strict=True)), done.stdout
