"""The GPU benchmarks without a GPU: their self-tests run and can fail, and a broken section costs only itself."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
SENTENCE = "no CUDA device: nothing was measured on a GPU; the self-test passed\n"

BROKEN_SECTION = """
import sys
from unittest import mock
import torch
import gpu

small = gpu.Bench("cpu", torch.float32, 1, 64, {"tiny": (1, 2, 32)}, gpu.Table(gpu.HEADER))

def broken(bench, size):
    raise RuntimeError("out of memory")

def works(bench, size):
    bench.row("it works", size, (3.0, 2.0), "")

with (
    mock.patch.object(torch.cuda, "is_available", lambda: True),
    mock.patch.object(torch.cuda, "get_device_name", lambda: "NVIDIA A100-SXM4-80GB"),
    mock.patch.object(gpu, "Bench", lambda *arguments: small),
    mock.patch.object(gpu, "SECTIONS", (broken, works)),
    mock.patch.object(sys, "argv", ["gpu.py", "--out", "found.md", "--sizes", "10 M"]),
):
    gpu.main()
"""

# What is broken, and a word of the complaint that must follow.
SABOTAGE = """
import contextlib, io, itertools
from unittest import mock
import torch
import gpu

from smatch_edu.network import GenerationResult, Trace

library, numbers = gpu.library, itertools.count()
flex, attention = library.flex_attention_over, library.attention
everything = lambda expires: torch.full_like(expires, gpu.NEVER)
causal_is_trie = lambda seen, shape, device=None: attention(
    None if seen is not None and seen.dtype != torch.bool else seen, shape
)
another = lambda *_, **__: GenerationResult([Trace([], [next(numbers)], [], [], "") for _ in range(2)], 1)
for target, name, broken, word in [
    (library, "flex_attention_over", lambda expires, device=None: flex(everything(expires)), "flex attention is"),
    (gpu, "create_mask", lambda *_: torch.ones(3, 1, 300, 300, dtype=torch.bool), "mask_mod"),
    (gpu, "reduce", lambda *_, **__: torch.ones(3, 3, 3, dtype=torch.int), "blocks"),
    (gpu, "SECTIONS", gpu.SECTIONS[:-1], "rows in the table"),
    (gpu, "peak_memory", lambda run, device: 0.03, "dense mask has"),
    (gpu, "generate", another, "rows are typed"),
    (library, "attention", causal_is_trie, "logits of the trie"),
    (library, "attention", lambda seen, shape, device=None: attention(None, shape), "logits of the trie"),
    (gpu, "training_step", lambda *_: lambda: None, "training does not"),
    (gpu.time, "sleep", lambda seconds: None, "sleeping"),
    (gpu, "PEAKS", {"H100": 989e12, "H200": 989e12, "A100": 989e12}, "peak of NVIDIA A100"),
    (gpu, "PEAKS", {}, "peak of NVIDIA H200"),
]:
    with mock.patch.object(target, name, broken), contextlib.redirect_stdout(io.StringIO()):
        torch.compiler.reset()
        try:
            gpu.self_test()
            complaint = "nothing"
        except AssertionError as error:
            complaint = str(error)
    print("found" if word in complaint else f"MISSED {name}: {complaint}")
"""


def run(*arguments, folder):
    """Python, one thread, with no GPU in sight even where there is one."""
    hidden = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(BENCHMARKS)}
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=os.environ | hidden, capture_output=True, text=True
    )


@pytest.mark.parametrize("script", ["gpu.py", "gpu_finetune.py"])
def test_without_a_gpu_the_self_test_runs_and_nothing_is_measured(tmp_path, script):
    if script == "gpu_finetune.py":
        pytest.importorskip("peft", reason="needs the extra [hf]")
    done = run(str(BENCHMARKS / script), "--out", "found.md", folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, SENTENCE), done.stderr
    assert (tmp_path / "found.md").read_text(encoding="utf-8") == SENTENCE


def test_without_the_extra_that_is_said_in_a_sentence(tmp_path):
    without = "import sys; sys.modules['peft'] = None; import gpu_finetune"
    done = run("-c", without, folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stderr
    assert done.stderr.startswith("nothing was measured: this needs the extra [hf] (")


def test_a_section_that_breaks_is_reported_and_the_others_still_run(tmp_path):
    done = run("-c", BROKEN_SECTION, folder=tmp_path)
    assert done.returncode == 1 and "out of memory" in done.stderr
    lines = (tmp_path / "found.md").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "NVIDIA A100-SXM4-80GB, dense bf16 peak 3.12e+14 FLOP/s (nan: unknown)"
    assert lines[3:5] == ["| what | size | first | second | first/second | wanted |", "|" + " --- |" * 6]
    assert lines[5:] == ["| broken | 10 M | failed | RuntimeError |  |  |", "| it works | 10 M | 3 | 2 | 1.5 |  |"]


@pytest.mark.slow
def test_the_self_test_finds_what_is_broken(tmp_path):
    done = run("-c", SABOTAGE, folder=tmp_path)
    assert done.stdout.splitlines() == ["found"] * 12, done.stdout + done.stderr


# What is broken in the other file, and a word of the complaint that must follow.
SABOTAGE_OF_FINETUNING = """
import contextlib, io
from unittest import mock
import gpu_finetune
from smatch_edu.huggingface import visibility

everything = lambda expires, *_: visibility.visible(expires.clamp(min=10**6))
for target, name, broken, word in [
    (gpu_finetune, "flops_per_input", lambda model: 1, "operations for"),
    (gpu_finetune, "keep_what_is_read", lambda run, read: None, "inputs by SequenceMatch"),
    (gpu_finetune, "check_visibility", lambda model: 0.7, "is 0.7 off"),
    (gpu_finetune.np, "log", lambda share: -60.0, "12 rows"),  # 0 % twice
    (visibility, "_seen", everything, "does not see"),
]:
    with mock.patch.object(target, name, broken), contextlib.redirect_stdout(io.StringIO()):
        try:
            gpu_finetune.self_test()
            complaint = "nothing"
        except Exception as error:
            complaint = str(error)
    print("found" if word in complaint else f"MISSED {name}: {complaint}")
"""


@pytest.mark.slow
def test_the_self_test_of_finetuning_finds_what_is_broken(tmp_path):
    pytest.importorskip("peft", reason="needs the extra [hf]")
    done = run("-c", SABOTAGE_OF_FINETUNING, folder=tmp_path)
    assert done.stdout.splitlines() == ["found"] * 5, done.stdout + done.stderr
