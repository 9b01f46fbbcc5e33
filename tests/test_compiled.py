"""The step in C: it is the transformer, whatever the shape; a row's bits are its own; what it cannot do, it says."""

import ctypes
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch

from smatch_edu import compiled
from smatch_edu.compiled import CompiledDecoder
from smatch_edu.decoding import StackCache
from smatch_edu.generation import Sampling, generate
from smatch_edu.transformer import Transformer, TransformerConfig, attention
from test_generation import PROMPTS, table
from test_trajectories import BACK, EOS, K
from test_transformer import SMALL, model_of

needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")


def drawn(rng):
    """A transformer of any shape: widths that fill no panel, heads of two numbers, rows that fill no tile."""
    heads, half = int(rng.integers(1, 5)), int(rng.integers(1, 25))
    config = TransformerConfig(K + 2, int(rng.integers(1, 4)), heads, 2 * half * heads, 40)
    model = model_of(rng, config, torch.float32)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 2 and "embedding" not in name:
                parameter /= parameter.shape[1] ** 0.5  # float32 keeps five digits
    return model


def filled(model, texts, length):
    """A cache of which the transformer itself has written all but the last column."""
    cache = StackCache(model.config, len(texts), length, model.embedding.weight.detach())
    places = torch.arange(texts.shape[1] - 1).expand(len(texts), -1)
    model.hidden(texts[:, :-1], places, cache.attend(places, places))
    return cache


@needs_compiler
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_the_step_in_c_is_the_transformer(rng, threads, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    for _ in range(10):
        model, rows = drawn(rng), int(rng.integers(1, 40))
        texts = torch.from_numpy(rng.integers(K, size=(rows, 30)))
        depths = rng.integers(1, 8, size=rows)
        with torch.no_grad():
            decoder = CompiledDecoder(model, filled(model, texts[:, :9], 30))
            for _ in range(6):  # each row goes on from its own depth: what is above was deleted
                found = decoder.hidden(texts[torch.arange(rows), depths], torch.from_numpy(depths))
                for row in rng.choice(rows, size=min(rows, 4), replace=False):
                    text = texts[row : row + 1, : depths[row] + 1]
                    places = torch.arange(text.shape[1])[None]
                    whole = model.hidden(text, places, attention(None, text.shape))[0, -1]
                    torch.testing.assert_close(found[row], whole, atol=1e-5, rtol=1e-5)
                depths = np.maximum(1, depths + np.where(rng.random(rows) < 0.3, -1, 1))


@needs_compiler
def test_a_row_has_the_same_bits_whatever_stands_beside_it_and_however_many_threads(rng, monkeypatch):
    for _ in range(5):
        model, rows = drawn(rng), int(rng.integers(9, 40))
        texts, depths = torch.from_numpy(rng.integers(K, size=(rows, 9))), torch.from_numpy(rng.integers(0, 9, rows))

        def read(some, threads, model=model, texts=texts, depths=depths):
            monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
            cache = StackCache(model.config, len(some), 9, model.embedding.weight.detach())
            decoder = CompiledDecoder(model, cache)
            for depth in range(9):  # each row stops at its own depth
                last = torch.minimum(depths[some], torch.tensor(depth))
                found = decoder.hidden(texts[some, last], last)
            return found

        with torch.no_grad():
            everyone = read(np.arange(rows), 1)
            for threads in (1, 2, 3):
                some = np.sort(rng.choice(rows, size=rng.integers(1, rows + 1), replace=False))
                assert torch.equal(read(some, threads), everyone[some])


def explain(model, prompt, trace, chances, sampling):
    """Assert that every action is one that a fresh run on its text accounts for, to within 1e-5 of a chance."""
    text = list(prompt)
    for pressed, typed, log_prob, (chance, slip, which) in zip(
        trace.pressed, trace.actions, trace.log_probs, chances, strict=False
    ):
        logits = model(torch.tensor([text]))[0, -1]
        if len(text) == len(prompt):
            logits[BACK] = -torch.inf
        if len(text) == model.config.max_length:
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
        found = generate(model, prompts, EOS, BACK, 40, seed=seed, batch_size=6, compiled=True, **options)
        with torch.no_grad():
            for row, (prompt, trace) in enumerate(zip(prompts, found.traces, strict=True)):
                chances = np.random.default_rng([seed, row]).random((40, 3))
                explain(model, prompt, trace, chances, Sampling(**options))
        keys |= {action for trace in found.traces for action in trace.actions}
    assert keys >= {EOS, BACK}


@needs_compiler
def test_it_takes_as_many_passes_as_the_step_in_python(rng):
    model = table(rng)  # whose logits are known to the last bit, behind a transformer's
    seen = Transformer(SMALL)
    seen.logits = lambda hidden: model.table[3, 0].expand(len(hidden), -1)
    options = {"max_actions": 30, "seed": int(rng.integers(2**31))}
    assert generate(seen, PROMPTS, EOS, BACK, compiled=True, **options) == generate(seen, PROMPTS, EOS, BACK, **options)


@needs_compiler
def test_weights_that_are_no_numbers_are_named_as_ever(rng):
    model = drawn(rng)
    with torch.no_grad():
        model.blocks[0].widen.weight[0, 0] = torch.nan
    with pytest.raises(ValueError, match="row 0 has NaN or infinite logits at action 0"):
        generate(model, [[1], [2]], EOS, BACK, compiled=True)


@needs_compiler
def test_exponential_is_that_of_the_c_library(rng, tmp_path):
    (tmp_path / "probe.c").write_text(
        f'#include "{compiled.__file__[:-2]}c"\n'
        "void probe(int n, const float *x, float *y) { for (int i = 0; i < n; i++) y[i] = exponential(x[i]); }\n"
    )
    command = ["cc", "-O3", "-fPIC", "-shared", tmp_path / "probe.c", "-o", tmp_path / "probe.so", "-lm"]
    subprocess.run(command, check=True)
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
@pytest.mark.parametrize("lacking", ["-fopenmp", "-march=native"])
def test_a_compiler_without_threads_or_without_a_name_for_this_machine_will_do(rng, unmade, tmp_path, lacking):
    script = tmp_path / "old compiler"
    script.write_text(f'#!/bin/sh\ncase " $* " in *" {lacking} "*) exit 1;; esac\nexec cc "$@"\n')
    script.chmod(0o755)
    unmade.setenv("CC", f"'{script}' -O1")
    model = drawn(rng)
    texts = torch.from_numpy(rng.integers(K, size=(3, 9)))
    with torch.no_grad():
        found = CompiledDecoder(model, filled(model, texts, 9)).hidden(texts[:, -1], torch.full((3,), 8))
        places = torch.arange(9).expand(3, -1)
        whole = model.hidden(texts, places, attention(None, texts.shape))[:, -1]
    torch.testing.assert_close(found, whole, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("compiler", "message"),
    [
        ("/no/such/cc", "needs a C compiler: .*No such file or directory: '/no/such/cc'"),
        (f"'{sys.executable}' -c 'raise SystemExit(\"no, thanks\")'", "(?s)needs a C compiler: .* failed: no, thanks"),
        (f"'{sys.executable}' -c pass", "(?s)needs a C compiler: .* failed: .*compiled.so: cannot open shared object"),
    ],
)
def test_without_a_compiler_one_learns_what_is_missing(unmade, compiler, message):
    unmade.setenv("CC", compiler)
    with pytest.raises(RuntimeError, match=message):
        generate(Transformer(SMALL), [[1]], EOS, BACK, compiled=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda model: model.double(), "embedding.weight is torch.float64 on cpu"),
        (lambda model: model.blocks[1].widen.double(), r"blocks\.1\.widen\.weight is torch.float64 on cpu"),
        (lambda model: model.to("meta"), "embedding.weight is torch.float32 on meta"),
        (lambda model: model.norm.register_forward_hook(lambda *_: None), "without other layers or hooks"),
    ],
)
def test_models_that_it_does_not_know_are_refused(change, message):
    model = Transformer(SMALL)
    change(model)
    with pytest.raises(ValueError, match=message):
        generate(model, [[1]], EOS, BACK, compiled=True)


def test_contrastive_search_is_refused():
    with pytest.raises(ValueError, match="reads one input a row; contrastive search has several"):
        generate(Transformer(SMALL), [[1]], EOS, BACK, contrastive=0.5, compiled=True)
