"""The step in C: it is the transformer, whatever the shape and the processor that it is compiled for; a row's bits are
its own; its threads wait for none that does not come; and what it cannot do, it says."""

import copy
import ctypes
import os
import shlex
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import pytest
import torch
from test_generation import PROMPTS, table
from test_trajectories import BACK, EOS, K
from test_transformer import SMALL, model_of

from smatch_edu.network import compiled
from smatch_edu.network.batch import TextBatch
from smatch_edu.network.compiled import CompiledDecoder
from smatch_edu.network.decoding import StackCache
from smatch_edu.network.generation import generate
from smatch_edu.network.sampling import Sampling
from smatch_edu.network.transformer import Transformer, TransformerConfig, attention

COMPILER = shlex.split(os.environ.get("CC", "")) or ["cc"]
needs_compiler = pytest.mark.skipif(shutil.which(COMPILER[0]) is None, reason="there is no C compiler")
LESS = ["-mno-avx512f", "-mno-avx"]  # what forbids the compiler to use all that the processor has


@cache
def library(forbidden):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CC", f"{shlex.join(COMPILER)} {forbidden}")
        return compiled.library.__wrapped__()


def panel_width(made):
    return ctypes.c_int.in_dll(made, "panel_width").value


@pytest.fixture(params=["", *LESS], ids=["for this processor", "without AVX-512", "without AVX"])
def target(request, monkeypatch):
    """The step in C as it is compiled for processors with less than this one has: with fewer sums in a tile."""
    try:
        made = library(request.param)
    except RuntimeError:
        pytest.skip(f"the compiler does not know {request.param}: it compiles for another kind of processor")
    if request.param and panel_width(made) == panel_width(library("")):
        pytest.skip(f"with {request.param} it is compiled as without: this processor, or the compiler, has no more")
    monkeypatch.setattr(compiled, "library", lambda: made)
    return request.param


@needs_compiler
@pytest.mark.parametrize("forbidden", ["", *LESS])
def test_the_tile_is_chosen_by_what_the_compiler_targets(forbidden):
    options = [*forbidden.split(), "-march=native", "-dM", "-E", "-x", "c", os.devnull]
    done = subprocess.run([*COMPILER, *options], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"the compiler does not say what it targets: {done.stderr.strip()}")
    has = done.stdout.split()
    wide = "__AVX__" in has or "__aarch64__" in has
    assert panel_width(library(forbidden)) == (32 if "__AVX512F__" in has else 16 if wide else 8)


def drawn(rng):
    """A transformer of any shape: widths that fill no panel, heads of two numbers."""
    heads, half = int(rng.integers(2, 6)), int(rng.integers(1, 25))
    half = max(half, 5 - heads)  # the norm of two or four numbers that are nearly equal enlarges every rounding
    config = TransformerConfig(K + 2, int(rng.integers(1, 4)), heads, 2 * half * heads, 40)
    model = model_of(rng, config, torch.float32)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 2 and "embedding" not in name:
                parameter /= parameter.shape[1] ** 0.5  # float32 keeps five digits
    return model


def last_vectors(model, texts, depths):
    """What fresh runs on each text, up to its depth, give at their ends."""
    found = []
    for text, depth in zip(texts, depths, strict=True):
        places = torch.arange(int(depth) + 1)[None]
        found.append(model.hidden(text[None, : depth + 1], places, attention(None, places.shape))[0, -1])
    return torch.stack(found)


@needs_compiler
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_the_step_in_c_is_the_transformer(rng, threads, target, monkeypatch):
    monkeypatch.setattr(compiled, "WORTH_A_THREAD", 1)
    for _ in range(5):
        model, rows, length = drawn(rng), int(rng.integers(1, 40)), 12
        texts = torch.from_numpy(rng.integers(K, size=(rows, length)))
        cache, depths = StackCache(model.config, rows, length, model.embedding.weight.detach()), np.zeros(rows, int)
        begun = int(rng.integers(0, 6))  # so much is read by the transformer itself
        with torch.no_grad():
            if begun:
                places = torch.arange(begun).expand(rows, -1)
                model.hidden(texts[:, :begun], places, cache.attend(places, places))
                depths[:] = rng.integers(begun + 1, size=rows)
            decoder = CompiledDecoder(model, cache, threads)
            for _ in range(20):  # each row goes on from its own depth, up to the last
                found = decoder.hidden(texts[torch.arange(rows), depths], torch.from_numpy(depths))
                some = rng.choice(rows, size=min(rows, 3), replace=False)
                wanted = last_vectors(model, texts[some], depths[some])
                torch.testing.assert_close(found[some], wanted, atol=1e-5, rtol=1e-5)
                back = (rng.random(rows) < 0.2) | (depths == length - 1)
                depths = np.maximum(0, depths + np.where(back, -1, 1))
                # What is read next is new: where a text was deleted, another is typed over it.
                texts[torch.arange(rows), depths] = torch.from_numpy(rng.integers(K, size=rows))


@needs_compiler
def test_attention_to_one_token_alone_and_large_numbers_are_no_trouble(rng, target):
    model = drawn(rng)
    with torch.no_grad():
        for block in model.blocks:
            block.to_qkv.weight *= 30  # scores hundreds apart
            block.widen.weight *= 30  # the flat ends of GELU
        texts = torch.from_numpy(rng.integers(K, size=(9, 8)))
        cache = StackCache(model.config, 9, 8, model.embedding.weight.detach())
        decoder = CompiledDecoder(model, cache)
        exact = copy.deepcopy(model).double()
        for depth in range(8):
            found = decoder.hidden(texts[:, depth].contiguous(), torch.full((9,), depth))
            wanted = last_vectors(exact, texts, [depth] * 9)
            plain = last_vectors(model, texts, [depth] * 9)
            size = (plain - wanted).abs().max().item()  # PyTorch's own rounding
            assert (found - wanted).abs().max() <= 10 * size + 1e-5


@needs_compiler
def test_a_row_has_the_same_bits_whatever_stands_beside_it_and_however_many_threads(rng, target, monkeypatch):
    monkeypatch.setattr(compiled, "WORTH_A_THREAD", 1)
    for _ in range(5):
        model, rows = drawn(rng), int(rng.integers(9, 40))
        texts, depths = torch.from_numpy(rng.integers(K, size=(rows, 9))), torch.from_numpy(rng.integers(0, 9, rows))

        def read(some, threads, model=model, texts=texts, depths=depths):
            cache = StackCache(model.config, len(some), 9, model.embedding.weight.detach())
            decoder = CompiledDecoder(model, cache, threads)
            for depth in range(9):  # each row stops at its own depth
                last = torch.minimum(depths[some], torch.tensor(depth))
                found = decoder.hidden(texts[some, last], last)
            return found

        with torch.no_grad():
            everyone = read(np.arange(rows), 1)
            for threads in (1, 2, 3):
                some = np.sort(rng.choice(rows, size=rng.integers(1, rows + 1), replace=False))
                assert torch.equal(read(some, threads), everyone[some])


@needs_compiler
def test_threads_share_the_rows_where_the_work_is_worth_it(rng, monkeypatch):
    model, rows = drawn(rng), int(rng.integers(5, 40))
    decoder = CompiledDecoder(model, StackCache(model.config, rows, 3, model.embedding.weight.detach()), 4)
    shares, real = [], decoder.step
    decoder.step = lambda *arguments: shares.append(arguments[6]) or real(*arguments)
    inputs = torch.zeros(rows, dtype=torch.int64), torch.zeros(rows, dtype=torch.int64)
    products = rows * decoder.parameters
    for worth, threads in ((products + 1, 1), (products // 2 + 1, 1), (products // 3, 3), (1, 4)):
        monkeypatch.setattr(compiled, "WORTH_A_THREAD", worth)
        shares.clear()
        decoder.hidden(*inputs)
        assert set(shares) == {-(-rows // threads)}


def test_threads_work_at_the_same_time():
    for threads in (1, 2, 3):
        here, all_there = threading.get_ident(), threading.Barrier(threads, timeout=60)
        seen = []

        def work(all_there=all_there, seen=seen):
            seen.append(threading.get_ident())
            all_there.wait()  # raises if the others don't come
            return 7

        assert compiled._together(threads, work) == 7
        assert len(seen) == len(set(seen)) == threads and here in seen


def test_a_thread_that_does_not_come_is_not_waited_for(monkeypatch):
    with ThreadPoolExecutor(1) as pool:
        monkeypatch.setattr(compiled, "_pool", lambda: pool)
        free, calls = threading.Event(), []
        busy = pool.submit(free.wait, 60)
        assert compiled._together(2, lambda: calls.append(threading.get_ident()) or 3) == 3
        assert not busy.done()
        free.set()
    assert calls == [threading.get_ident()]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not copied here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_copied_process_has_threads_of_its_own():
    compiled._together(2, threading.Barrier(2, timeout=60).wait)
    child = os.fork()
    if not child:
        code = 1
        try:
            compiled._together(2, threading.Barrier(2, timeout=60).wait)
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0


@pytest.fixture
def three_threads():
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(1)


@needs_compiler
@pytest.mark.parametrize("compiled_step", [False, True])
def test_pytorch_has_one_thread_beside_the_step_in_c(rng, compiled_step, three_threads, monkeypatch):
    model, passes, between = drawn(rng), set(), set()
    read, logits = TextBatch.read, model.logits

    def read_prompts(batch, cache, *inputs):
        if cache is not batch.cache:
            passes.add(torch.get_num_threads())
        return read(batch, cache, *inputs)

    monkeypatch.setattr(TextBatch, "read", read_prompts)
    model.logits = lambda found: between.add(torch.get_num_threads()) or logits(found)

    def run():
        passes.clear(), between.clear()
        generate(model, PROMPTS, EOS, BACK, 20, seed=int(rng.integers(2**31)), compiled=compiled_step)
        assert torch.get_num_threads() == 3
        return passes, between

    assert run() == ({3}, {1 if compiled_step else 3})
    monkeypatch.setattr("smatch_edu.network.generation.WORTH_A_THREAD", 1)  # now the logits are worth them
    assert run() == ({3}, {3})
    monkeypatch.undo()
    model.logits = lambda found: logits(found) * torch.nan
    with pytest.raises(ValueError, match="NaN"):
        generate(model, PROMPTS, EOS, BACK, 20, compiled=compiled_step)
    assert torch.get_num_threads() == 3


def explain(model, prompt, trace, chances, sampling, longest):
    """Assert that every action is one that a fresh run on its text accounts for, to within 1e-5 of a chance; and that
    it ended where it had to."""
    text, made = list(prompt), len(trace.actions)
    assert trace.ended == ("eos" if trace.actions[-1] == EOS else "max_actions")
    assert EOS not in trace.actions[:-1] and (trace.ended == "eos" or made == len(chances))
    for pressed, typed, log_prob, (chance, slip, which) in zip(
        trace.pressed, trace.actions, trace.log_probs, chances[:made], strict=True
    ):
        logits = model(torch.tensor([text]))[0, -1]
        if len(text) == len(prompt):
            logits[BACK] = -torch.inf
        if len(text) == longest:
            logits[:K] = -torch.inf
        scores = sampling.log_probabilities(logits[None])[0]
        assert log_prob == pytest.approx(scores[pressed].item(), abs=1e-4)
        ladder = np.cumsum(scores.exp().double().numpy())
        if sampling.greedy:
            assert scores[pressed] >= scores.max() - 1e-5
        else:
            assert ladder[pressed] - scores[pressed].exp().item() - 1e-5 <= 1 - chance <= ladder[pressed] + 1e-5
        slips = pressed < K and slip < sampling.noise
        assert typed == ([*range(pressed + 1, pressed + K)][int(which * (K - 1))] % K if slips else pressed)
        text = text[:-1] if typed == BACK else text if typed == EOS else [*text, typed]
    assert text[len(prompt) :] == trace.text


@needs_compiler
@pytest.mark.parametrize("options", [{}, {"noise": 0.3}, {"temperature": 0.7}, {"greedy": True}], ids=str)
def test_what_is_typed_is_what_the_chances_say(rng, options):
    keys = set()
    for number in range(40):
        if number >= 3 and {EOS, BACK} <= keys:
            break
        model, seed = drawn(rng), int(rng.integers(2**31))
        prompts = [rng.integers(K, size=rng.integers(1, 9)).tolist() for _ in range(20)]
        settings = {"seed": seed, "batch_size": 6, "max_length": 12, "compiled": True} | options
        found = generate(model, prompts, EOS, BACK, 40, **settings)
        with torch.no_grad():
            for row, (prompt, trace) in enumerate(zip(prompts, found.traces, strict=True)):
                chances = np.random.default_rng([seed, row]).random((40, 3))
                explain(model, prompt, trace, chances, Sampling(**options), 12)
        keys |= {action for trace in found.traces for action in trace.actions}
    assert keys >= {EOS, BACK}


def indifferent(rng):
    """A transformer whose logits do not depend on what was read, so that both steps type the same to the last bit."""
    model, logits = Transformer(SMALL), torch.from_numpy(rng.normal(size=K + 2)).float()
    logits[BACK], logits[EOS] = 0.3, -3.0
    model.logits = lambda hidden: logits.expand(len(hidden), -1)
    return model


@needs_compiler
def test_few_rows_take_as_many_passes_as_with_the_step_in_python(rng):
    model, options = indifferent(rng), {"max_actions": 30, "seed": int(rng.integers(2**31))}
    found = generate(model, PROMPTS, EOS, BACK, compiled=True, **options)
    assert found == generate(model, PROMPTS, EOS, BACK, **options)


@needs_compiler
def test_many_rows_wait_a_pass_rather_than_come_round_by_twos_and_threes_and_type_the_same(rng):
    model, prompts = indifferent(rng), rng.integers(K, size=(60, 3))
    options = {"max_actions": 30, "seed": int(rng.integers(2**31)), "batch_size": 40}
    rounds, choose = [], TextBatch.logits
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TextBatch, "logits", lambda batch, rows: rounds.append(len(rows)) or choose(batch, rows))
        found = generate(model, prompts, EOS, BACK, compiled=True, **options)
        in_c, rounds[:] = len(rounds), []
        wanted = generate(model, prompts, EOS, BACK, **options)
    assert found.traces == wanted.traces
    assert in_c < len(rounds)
    assert found.num_forward_passes <= 1.25 * wanted.num_forward_passes


@needs_compiler
def test_weights_that_are_no_numbers_are_named_as_ever(rng):
    model = drawn(rng)
    with torch.no_grad():
        model.blocks[0].widen.weight[0, 0] = torch.nan
    with pytest.raises(ValueError, match="row 0 has NaN or infinite logits at action 0"):
        generate(model, [[1], [2]], EOS, BACK, compiled=True)


@needs_compiler
def test_exponential_is_that_of_the_c_library(rng, target, tmp_path):
    (tmp_path / "probe.c").write_text(
        f'#include "{compiled.__file__[:-2]}c"\n'
        "void probe(int n, const float *x, float *y) {\n#pragma omp simd\n"
        "for (int i = 0; i < n; i++) y[i] = exponential(x[i]); }\n"
    )
    flags = shlex.split(f"{target} -O3 -march=native -fopenmp-simd -fno-math-errno -fno-trapping-math -fPIC -shared")
    subprocess.run([*COMPILER, *flags, tmp_path / "probe.c", "-o", tmp_path / "probe.so", "-lm"], check=True)
    x = np.concatenate([rng.uniform(-87, 88, 10_000), rng.normal(size=10_000), [0, -0.0]]).astype(np.float32)
    found = np.empty_like(x)
    probe = ctypes.CDLL(str(tmp_path / "probe.so")).probe
    probe(len(x), ctypes.c_void_p(x.ctypes.data), ctypes.c_void_p(found.ctypes.data))
    np.testing.assert_allclose(found, np.exp(x.astype(np.float64)), rtol=3e-7)
    x = np.array([-np.inf, -1e30, -100, 100, np.inf, np.nan], dtype=np.float32)
    found = found[: len(x)].copy()
    probe(len(x), ctypes.c_void_p(x.ctypes.data), ctypes.c_void_p(found.ctypes.data))
    assert (found[:3] < 1e-37).all() and (found[:3] >= 0).all() and (found[3:5] > 1e38).all() and np.isnan(found[5])


@pytest.fixture
def unmade(monkeypatch):
    """As in a process that has compiled nothing yet; afterwards what was compiled before is forgotten too."""
    compiled.library.cache_clear()
    yield monkeypatch
    compiled.library.cache_clear()


@needs_compiler
@pytest.mark.skipif(os.name != "posix", reason="the compilers are shell scripts")
def test_a_compiler_without_a_name_for_this_machine_will_do(rng, unmade, tmp_path):
    script = tmp_path / "old compiler"
    old = 'case " $* " in *" -march=native "*) exit 1;; esac'
    script.write_text(f'#!/bin/sh\n{old}\nexec {shlex.join(COMPILER)} "$@"\n')
    script.chmod(0o755)
    unmade.setenv("CC", f"'{script}' -DNOTHING")
    model, texts = drawn(rng), torch.from_numpy(rng.integers(K, size=(3, 9)))
    with torch.no_grad():
        decoder = CompiledDecoder(model, StackCache(model.config, 3, 9, model.embedding.weight.detach()))
        for depth in range(9):
            found = decoder.hidden(texts[:, depth].contiguous(), torch.full((3,), depth))
        torch.testing.assert_close(found, last_vectors(model, texts, [8] * 3), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("compiler", "message"),
    [
        ("/no/such/cc", "needs a C compiler: .*No such file or directory: '/no/such/cc'"),
        (f"'{sys.executable}' -c 'raise SystemExit(\"no, thanks\")'", "(?s)needs a C compiler: .* failed: no, thanks"),
        (f"'{sys.executable}' -c pass", "(?s)needs a C compiler: .* failed: .*compiled.so"),
    ],
)
def test_without_a_compiler_one_learns_what_is_missing(unmade, compiler, message):
    unmade.setenv("CC", compiler)
    with pytest.raises(RuntimeError, match=message):
        generate(Transformer(SMALL), [[1]], EOS, BACK, compiled=True)


def deep(model):
    model.blocks = model.blocks[:1]


def narrow(model):
    model.blocks[1].widen, model.blocks[1].narrow = torch.nn.Linear(16, 32), torch.nn.Linear(32, 16)


def without_bias(model):
    model.blocks[0].to_qkv = torch.nn.Linear(16, 48, bias=False)


def other_epsilon(model):
    model.blocks[1].norm_perceptron.eps = 1e-3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda model: model.double(), "embedding.weight is torch.float64 on cpu"),
        (lambda model: model.bfloat16(), "embedding.weight is torch.bfloat16 on cpu"),
        (lambda model: model.blocks[1].widen.double(), r"blocks\.1\.widen\.weight is torch.float64 on cpu"),
        (lambda model: model.to("meta"), "embedding.weight is torch.float32 on meta"),
        (lambda model: model.norm.register_forward_hook(lambda *_: None), "without other layers or hooks"),
        (deep, r"what the config says, blocks\.1\.\S+ of shape \(\d+(, \d+|,)\); the model's is None"),
        (narrow, r"blocks\.1\.narrow.weight of shape \(16, 64\); the model's is \(16, 32\)"),
        (without_bias, r"blocks\.0\.to_qkv\.bias of shape \(48,\); the model's is None"),
        (other_epsilon, r"one epsilon for all norms; these have \[1e-05, 0.001\]"),
    ],
)
def test_models_that_it_does_not_know_are_refused(change, message):
    model = Transformer(SMALL)
    change(model)
    with pytest.raises(ValueError, match=message):
        generate(model, [[1]], EOS, BACK, compiled=True)


def test_a_model_that_is_no_transformer_is_refused(rng):
    with pytest.raises(ValueError, match="reads a Transformer as it is written"):
        generate(table(rng), [[1]], EOS, BACK, compiled=True)


@needs_compiler
@pytest.mark.parametrize(
    ("tokens", "depths", "message"),
    [
        ([1, K + 2], [0, 0], rf"row 1 has token {K + 2} at depth 0; 0..{K + 1} and 0..8 were wanted"),
        ([1, -1], [0, 0], "row 1 has token -1 at depth 0"),
        ([1, 2], [0, 9], "row 1 has token 2 at depth 9"),
        ([1, 2], [-1, 0], "row 0 has token 1 at depth -1"),
        ([1, 2, 3], [0, 0, 0], r"tokens has shape \(3,\) and torch.int64; 2 of int64 were wanted"),
        ([1, 2], [0.0, 0.0], r"depths has shape \(2,\) and torch.float32"),
    ],
)
def test_nothing_is_read_or_written_elsewhere(tokens, depths, message):
    model = Transformer(SMALL)
    decoder = CompiledDecoder(model, StackCache(SMALL, 2, 9, model.embedding.weight.detach()))
    with pytest.raises(ValueError, match=message):
        decoder.hidden(torch.tensor(tokens), torch.tensor(depths))


@needs_compiler
def test_a_cache_with_gaps_is_refused():
    model = Transformer(SMALL)
    cache = StackCache(SMALL, 4, 9, model.embedding.weight.detach())
    decoder = CompiledDecoder(model, cache)
    cache.stored = cache.stored[:, :, ::2]
    with pytest.raises(ValueError, match="the cache has strides"):
        decoder.hidden(torch.tensor([1, 2]), torch.tensor([0, 0]))


def test_contrastive_search_is_refused():
    with pytest.raises(ValueError, match="reads one input a row; contrastive search has several"):
        generate(Transformer(SMALL), [[1]], EOS, BACK, contrastive=0.5, compiled=True)
