"""Generation: token for token what a naive sampler does that runs every text afresh, and a backspace costs no pass."""

import copy
import inspect
import math
import re
from dataclasses import fields
from fractions import Fraction

import numpy as np
import pytest
import torch
import torch.nn.utils.parametrize
from scipy.stats import chisquare
from test_trajectories import BACK, EOS, K, stacks
from test_transformer import INTEGERS, SMALL, model_of

from smatch_edu.network.decoding import Decoder, StackCache
from smatch_edu.network.generation import generate
from smatch_edu.network.sampling import Sampling
from smatch_edu.network.transformer import Block, Transformer, TransformerConfig, attention

unchecked = torch.no_grad()(inspect.unwrap(generate))  # as it is outside of tests, where nothing looks at annotations
PROMPTS = [[1, 2, 3], [0], [4, 4], [3, 1, 2, 3, 4, 0, 1]]


@torch.no_grad()
def naive(model, prompt, row, seed, max_actions, longest, sampling=Sampling()):  # noqa: B008
    """One row, one action after the other, each from a fresh run on the whole text."""
    chances, text = np.random.default_rng([seed, row]), list(prompt)
    pressed, typed, log_probs = [], [], []
    while True:
        chance, slip, which = chances.random(3)
        legal = torch.zeros(K + 2, dtype=torch.bool)
        legal[:K] = len(text) < longest
        legal[EOS], legal[BACK] = True, len(text) > len(prompt)
        logits = model(torch.tensor([text]))[0, -1].float()
        scores = sampling.log_probabilities(logits.masked_fill(~legal, -math.inf)[None])[0]
        ladder = np.cumsum(scores.exp().double().numpy())
        action = int(scores.argmax() if sampling.greedy else np.flatnonzero(ladder >= (1 - chance) * ladder[-1])[0])
        pressed.append(action)
        log_probs.append(scores[action].item())
        if action < K and slip < sampling.noise:
            action = [other for other in range(action + 1, action + K)][int(which * (K - 1))] % K
        typed.append(action)
        if action == BACK:
            text.pop()
        elif action != EOS:
            text.append(action)
        ended = "eos" if action == EOS else "max_actions" if len(typed) == max_actions else ""
        if ended:
            return pressed, typed, log_probs, text[len(prompt) :], ended


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"noise": 0.3},
        {"temperature": 0.5},
        {"top_k": 3},
        {"top_p": 0.7},
        {"greedy": True},
        {"temperature": 2.0, "top_k": 4, "top_p": 0.9, "noise": 0.1},
    ],
    ids=str,
)
def test_each_row_does_what_a_naive_sampler_does(rng, options):
    model = model_of(rng)
    for seed in rng.integers(1000, size=3).tolist():
        found = generate(model, PROMPTS, EOS, BACK, max_actions=30, seed=seed, max_length=12, **options)
        for row, (prompt, trace) in enumerate(zip(PROMPTS, found.traces, strict=True)):
            pressed, typed, log_probs, text, ended = naive(model, prompt, row, seed, 30, 12, Sampling(**options))
            assert (trace.pressed, trace.actions, trace.text, trace.ended) == (pressed, typed, text, ended)
            np.testing.assert_allclose(trace.log_probs, log_probs, atol=1e-5)
            standing = stacks(prompt, [action for action in typed if action != EOS])[-1]
            assert tuple(trace.text) == standing[len(prompt) :]


@pytest.mark.parametrize(
    "options",
    [{}, {"noise": 0.3}, {"greedy": True}, {"top_k": 3}, {"top_p": 0.7}, {"contrastive": 0.5}, {"temperature": 0.01}],
    ids=str,
)
def test_a_row_does_not_depend_on_its_neighbours(rng, options):
    model = model_of(rng)
    together = generate(model, PROMPTS, EOS, BACK, max_actions=20, seed=5, **options)
    for row in range(len(PROMPTS)):
        others = [prompt if number == row else [2] for number, prompt in enumerate(PROMPTS)]
        assert (
            generate(model, others, EOS, BACK, max_actions=20, seed=5, **options).traces[row].actions
            == together.traces[row].actions
        )


class Table(torch.nn.Module):
    """A model whose logits are a table of the text's last token and its length: known, and without attention."""

    def __init__(self, logits):
        super().__init__()
        self.table = torch.nn.Parameter(torch.as_tensor(logits, dtype=torch.float32))
        self.config = TransformerConfig(vocab_size=K + 2, num_layers=1, num_heads=1, width=2, max_length=40)
        self.passes = []

    def hidden(self, tokens, positions, attend):
        self.passes.append(tokens.numel())
        return torch.stack([tokens, positions], dim=2).float()

    def logits(self, hidden):
        token, position = hidden.long().unbind(dim=1)
        return self.table[position, token]


def table(rng, **raised):
    logits = rng.normal(size=(40, K, K + 2))
    for key, value in raised.items():
        logits[:, :, {"eos": EOS, "back": BACK}[key]] = value
    return Table(logits)


def test_actions_are_as_frequent_as_the_policy_says_at_every_text(rng):
    model = table(rng, eos=-3.0)
    logits = model.table.detach().numpy()
    found = generate(model, [[0]] * 4000, EOS, BACK, max_actions=6, seed=int(rng.integers(2**31)))
    counts = {}
    for trace in found.traces:
        texts = stacks([0], trace.actions)
        for text, action in zip(texts, trace.actions, strict=False):
            counts.setdefault((len(text) - 1, text[-1]), np.zeros(K + 2))[action] += 1
    tested = 0
    for (position, last), seen in counts.items():
        legal = np.arange(K + 2) != BACK if position == 0 else np.ones(K + 2, dtype=bool)
        assert not seen[~legal].any()
        policy = np.exp(logits[position, last][legal].astype(np.float64))
        if seen.sum() > 300:
            tested += 1
            assert chisquare(seen[legal], seen.sum() * policy / policy.sum()).pvalue > 1e-6
    assert tested >= 5


def test_a_backspace_costs_no_forward_pass(rng):
    model = table(rng)
    found = generate(model, [[1]], EOS, BACK, max_actions=60, seed=int(rng.integers(2**31)))
    (trace,) = found.traces
    pushed = sum(action < K for action in trace.actions)
    spare = trace.ended == "max_actions" and trace.actions[-1] < K  # the last token is not fed: nothing follows it
    assert found.num_forward_passes == len(model.passes) == 1 + pushed - spare
    assert sum(model.passes) == 1 + pushed - spare


def test_rows_that_delete_go_on_in_the_same_pass(rng):
    # Row 0 deletes after each token and types again; row 1 only types. Neither waits for the other.
    logits = np.full((40, K, K + 2), -30.0)
    logits[1, 1, BACK] = logits[0, 0, 1] = 30.0
    logits[:, 2, 2] = 30.0
    found = generate(Table(logits), [[0], [2]], EOS, BACK, max_actions=10, seed=0)
    assert found.traces[0].actions == [1, BACK] * 5 and found.traces[1].actions == [2] * 10
    assert found.num_forward_passes == 10


def test_who_types_and_deletes_for_ever_ends_and_says_so(rng):
    logits = np.full((40, K + 2, K + 2), -30.0)
    logits[:, :, 1], logits[1:, :, BACK] = 0.0, 30.0
    (trace,) = generate(Table(logits), [[0]], EOS, BACK, max_actions=25, seed=1).traces
    assert trace.ended == "max_actions" and len(trace.actions) == 25 and len(trace.text) == 1
    (full,) = generate(Table(logits), [[0]], None, None, max_actions=99, seed=1, max_length=6).traces
    assert full.ended == "length" and len(full.text) == 5


def test_at_max_length_only_eos_and_backspace_are_left(rng):
    for trace in generate(table(rng, eos=-4.0), [[0]] * 50, EOS, BACK, max_actions=60, max_length=4, seed=3).traces:
        depth = 1
        for action in trace.actions:
            assert depth < 4 or action in (EOS, BACK)
            depth += 1 if action < K else -1 if action == BACK else 0


def test_noise_types_other_tokens_and_never_touches_the_other_keys(rng):
    traces = generate(table(rng, eos=-3.0), [[0]] * 300, EOS, BACK, max_actions=30, noise=0.4, seed=9).traces
    pressed, typed = (np.concatenate([getattr(t, name) for t in traces]) for name in ("pressed", "actions"))
    slipped = pressed != typed
    assert (pressed[slipped] < K).all() and (typed[slipped] < K).all()
    presses = int((pressed < K).sum())
    assert abs(slipped.sum() / presses - 0.4) < 5 * math.sqrt(0.24 / presses)


@torch.no_grad()
def naive_search(model, prompt, weight, k, max_actions, longest, temperature):
    """Contrastive search as its definition says: each candidate's text is run afresh."""

    def repetition(text):
        """The largest cosine of the last vector with those before it."""
        positions = torch.arange(len(text))[None]
        vectors = model.hidden(torch.tensor([text]), positions, attention(None, torch.Size([1, len(text)])))[0]
        return torch.cosine_similarity(vectors[-1:], vectors[:-1]).max().item() if len(text) > 1 else 0.0

    def after(text, action):
        return text[:-1] if action == BACK else text + [action] * (action < K)

    text, typed = list(prompt), []
    while len(typed) < max_actions:
        legal = [EOS] + [BACK] * (len(text) > len(prompt)) + list(range(K)) * (len(text) < longest)
        logits = model(torch.tensor([text]))[0, -1] / temperature
        probability = dict(zip(legal, logits[legal].softmax(dim=0).tolist(), strict=True))
        candidates = sorted(legal, key=probability.__getitem__, reverse=True)[:k]
        worth = {a: (1 - weight) * probability[a] - weight * repetition(after(text, a)) for a in candidates}
        typed.append(max(worth, key=worth.__getitem__))
        if typed[-1] == EOS:
            return typed, text[len(prompt) :], "eos"
        text = after(text, typed[-1])
    return typed, text[len(prompt) :], "max_actions"


def model_with_keys(rng, eos, back):
    """A transformer that is less sure, and presses the keys so much more often."""
    model = model_of(rng)
    shift = torch.zeros(K + 2, dtype=torch.float64)
    shift[EOS], shift[BACK] = eos, back
    model.logits = lambda hidden: Transformer.logits(model, hidden) / 3 + shift
    return model


@pytest.mark.parametrize("k", [1, 3, K + 2])
@pytest.mark.parametrize("weight", [0.0, 0.4, 0.8, 1.0])
def test_contrastive_search_is_what_it_is_with_every_candidate_run_afresh(rng, weight, k):
    pressed = set()
    for temperature, eos, back in ((1.0, -2.0, -2.0), (0.7, -1.0, 1.0), (1.5, -4.0, -40.0)):
        model = model_with_keys(rng, eos, back)
        options = {"max_actions": 14, "max_length": 12, "top_k": k, "temperature": temperature}
        found = generate(model, PROMPTS, EOS, BACK, contrastive=weight, **options)
        for prompt, trace in zip(PROMPTS, found.traces, strict=True):
            typed, text, ended = naive_search(model, prompt, weight, k, 14, 12, temperature)
            assert (trace.actions, trace.text, trace.ended) == (typed, text, ended)
            pressed |= set(typed)
    assert len(pressed) > 2


def test_contrastive_search_leaves_a_full_text_by_its_keys_alone(rng):
    model = model_with_keys(rng, -99.0, -99.0)
    for trace in generate(model, [[1], [2, 3]], None, None, max_actions=9, contrastive=0.6, max_length=5).traces:
        assert trace.ended == "length" and len(trace.text) in (3, 4)
    for trace in generate(model, [[1], [2, 3]], EOS, BACK, max_actions=9, contrastive=0.6, max_length=5).traces:
        assert {EOS, BACK} & set(trace.actions)


def test_an_action_of_contrastive_search_costs_one_pass(rng):
    model = model_with_keys(rng, -99.0, -99.0)
    found = generate(model, [[1], [2, 3]], EOS, BACK, max_actions=20, contrastive=0.5, top_k=3)
    assert [len(trace.actions) for trace in found.traces] == [20, 20]
    assert found.num_forward_passes == 2 + 20  # the prompts but for their last tokens, those, and 20 actions


def test_a_slip_costs_contrastive_search_a_second_pass_and_is_read_like_any_token(rng):
    model = model_with_keys(rng, -2.0, -1.0)
    found = generate(
        model, [[1, 2]], EOS, BACK, max_actions=15, contrastive=0.5, top_k=3, noise=0.3, seed=int(rng.integers(99))
    )
    (trace,) = found.traces
    slips = sum(pressed != typed for pressed, typed in zip(trace.pressed[:-1], trace.actions[:-1], strict=True))
    assert 2 + slips + len(trace.actions) >= found.num_forward_passes >= 2 + slips + len(trace.actions) - 1
    # The first action after a slip is that of a search that starts at the text that stands then.
    for step in range(1, len(trace.actions)):
        text = stacks([1, 2], trace.actions[:step])[-1]
        free, _, _ = naive_search(model, list(text), 0.5, 3, 1, 64, 1.0)
        if len(text) == 2:  # elsewhere <backspace> is legal here, and not there
            assert trace.pressed[step] == free[0]


def test_who_searches_and_deletes_does_the_same_again_until_max_actions(rng):
    logits = np.full((40, K, K + 2), -9.0)
    logits[:, :, 1], logits[1:, :, BACK] = 0.0, 4.0
    for options in ({"greedy": True}, {"contrastive": 0.0}):
        (trace,) = generate(Table(logits), [[0]], EOS, BACK, max_actions=9, **options).traces
        assert trace.actions == [1, BACK] * 4 + [1] and trace.ended == "max_actions"


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_the_decoder_is_the_transformer(rng, dtype, tolerance):
    model = model_of(rng, dtype=dtype)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter /= 2  # float32 keeps five digits
    rows, depths = 3, rng.integers(3, 9, size=3)
    texts = torch.from_numpy(rng.integers(K, size=(rows, 30)))
    cache = StackCache(SMALL, rows, 30, model.embedding.weight.detach())
    everywhere = torch.arange(8).expand(rows, -1)
    with torch.no_grad():
        model.hidden(texts[:, :8], everywhere, cache.attend(everywhere, everywhere))
        decoder = Decoder(model, cache)
        decoder.reorder(cache)
        for _ in range(20):  # each row goes on from its own depth: what is above was deleted
            found = decoder.hidden(texts[torch.arange(rows), depths], torch.from_numpy(depths))
            for row, depth in enumerate(depths):
                text = texts[row : row + 1, : depth + 1]
                whole = model.hidden(text, torch.arange(depth + 1)[None], attention(None, text.shape))[0, -1]
                torch.testing.assert_close(found[row], whole, atol=tolerance, rtol=tolerance)
            depths = np.maximum(1, depths + np.where(rng.random(rows) < 0.3, -1, 1))
            depths = np.minimum(depths, 29)


def test_the_decoder_is_for_a_transformer_as_it_is_written(rng):
    class Other(Transformer):
        def hidden(self, tokens, positions, attend):
            return super().hidden(tokens, positions, attend) * 2

    assert Decoder.fits(Transformer(SMALL)) and not Decoder.fits(Other(SMALL)) and not Decoder.fits(table(rng))
    assert not Decoder.fits(Transformer(SMALL).to(torch.bfloat16))
    heard, changed = Transformer(SMALL), Transformer(SMALL)
    heard.blocks[0].widen.register_forward_hook(lambda *_: None)
    changed.blocks[1].narrow = torch.nn.Sequential(changed.blocks[1].narrow)
    assert not Decoder.fits(heard) and not Decoder.fits(changed)
    for model in (heard, changed):  # and they generate all the same
        assert generate(model, [[1]], EOS, BACK, max_actions=3).traces


def test_with_and_without_the_decoder_the_same_is_typed(rng, monkeypatch):
    model = model_of(rng)
    seed = int(rng.integers(2**31))
    quick = generate(model, PROMPTS, EOS, BACK, max_actions=30, seed=seed)
    monkeypatch.setattr(Decoder, "fits", lambda model: False)
    plain = generate(model, PROMPTS, EOS, BACK, max_actions=30, seed=seed)
    assert quick.num_forward_passes == plain.num_forward_passes
    assert [(t.pressed, t.actions, t.ended) for t in quick.traces] == [
        (t.pressed, t.actions, t.ended) for t in plain.traces
    ]


class Scaled(torch.nn.Module):
    """A layer around another, as LoRA's are."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return 1.5 * self.inner(x)


class OtherBlock(Block):
    def forward(self, x, turn, attend, layer):
        return 0.5 * x + super().forward(x, turn, attend, layer)


class OtherHidden(Transformer):
    def hidden(self, tokens, positions, attend):
        return 2 * super().hidden(tokens, positions, attend)


def scaled(function):
    return lambda *inputs: 1.5 * function(*inputs)


def put(owner, name, value):
    """`setattr`, also where a module was."""
    delattr(owner, name)
    setattr(owner, name, value)


def hear(register):
    register(lambda module, inputs, output: 1.5 * output if isinstance(module, torch.nn.Linear) else None)


def renormalise(layer):
    torch.nn.utils.weight_norm(layer)
    layer.weight_g.data *= 1.5


def parametrise(layer):
    torch.nn.utils.parametrize.register_parametrization(layer, "weight", Scaled(torch.nn.Identity()))


def forget_biases(model):
    model.blocks[0].to_qkv.bias = model.blocks[1].narrow.bias = None


# How a model comes to do something else than it does as it is written, and whether `Decoder` can do that too.
CHANGES = {
    "forward of a layer, as accelerate wraps it": lambda m: setattr(
        m.blocks[0].narrow, "forward", scaled(m.blocks[0].narrow.forward)
    ),
    "forward of a block": lambda m: setattr(m.blocks[1], "forward", scaled(m.blocks[1].forward)),
    "forward of the last norm": lambda m: setattr(m.norm, "forward", scaled(m.norm.forward)),
    "forward of the embedding": lambda m: setattr(m.embedding, "forward", scaled(m.embedding.forward)),
    "a function in the place of a layer": lambda m: put(m.blocks[0], "widen", scaled(m.blocks[0].widen)),
    "hidden": lambda m: setattr(m, "hidden", scaled(m.hidden)),
    "hidden of a class": lambda m: setattr(m, "__class__", OtherHidden),
    "a block's class": lambda m: setattr(m.blocks[0], "__class__", OtherBlock),
    "a layer around a layer": lambda m: setattr(m.blocks[1], "to_qkv", Scaled(m.blocks[1].to_qkv)),
    "dropout": lambda m: setattr(m.blocks[1], "narrow", torch.nn.Sequential(torch.nn.Dropout(), m.blocks[0].narrow)),
    "blocks in a list": lambda m: put(m, "blocks", [*m.blocks][::-1]),
    "a parametrization": lambda m: parametrise(m.blocks[0].from_heads),
    "weight norm": lambda m: renormalise(m.blocks[0].from_heads),
    "a hook": lambda m: hear(m.blocks[0].narrow.register_forward_hook),
    "a hook before": lambda m: m.blocks[0].narrow.register_forward_pre_hook(lambda module, inputs: (2 * inputs[0],)),
    "a block that is compiled": lambda m: setattr(m.blocks[0], "_compiled_call_impl", scaled(m.blocks[0].forward)),
}
ALSO_WRITTEN = {
    "logits": lambda m: setattr(m, "logits", scaled(m.logits)),
    "blocks in another order": lambda m: setattr(m, "blocks", m.blocks[::-1]),
    "one block twice": lambda m: m.blocks.__setitem__(1, m.blocks[0]),
    "fewer blocks": lambda m: setattr(m, "blocks", m.blocks[:1]),
    "no biases": forget_biases,
}


def types_as_the_forward_pass_says(model, seed):
    found = generate(model, PROMPTS, EOS, BACK, max_actions=12, seed=seed, max_length=12)
    for row, (prompt, trace) in enumerate(zip(PROMPTS, found.traces, strict=True)):
        assert (trace.pressed, trace.actions) == naive(model, prompt, row, seed, 12, 12)[:2]
    return found


@pytest.mark.parametrize("change", [*CHANGES, *ALSO_WRITTEN])
def test_what_was_replaced_is_asked(rng, change):
    model, seed = model_of(rng), int(rng.integers(2**31))
    plain = generate(model, PROMPTS, EOS, BACK, max_actions=12, seed=seed, max_length=12).traces
    (CHANGES | ALSO_WRITTEN)[change](model)
    model.eval()
    found = types_as_the_forward_pass_says(model, seed)
    assert [trace.log_probs for trace in found.traces] != [trace.log_probs for trace in plain]
    assert Decoder.fits(model) == (change in ALSO_WRITTEN), Decoder.misfit(model)
    if change in CHANGES:
        with pytest.raises(ValueError, match=r"compiled=True reads a Transformer as it is written, .*; .+"):
            generate(model.float(), PROMPTS, EOS, BACK, max_actions=12, compiled=True)


@pytest.mark.parametrize("kind", [Block, torch.nn.Linear, torch.nn.LayerNorm, torch.nn.Embedding])
def test_methods_replaced_on_classes_are_asked(rng, kind, monkeypatch):
    model, forward = model_of(rng), kind.forward
    monkeypatch.setattr(kind, "forward", lambda self, *inputs: 0.9 * forward(self, *inputs))
    assert not Decoder.fits(model)
    types_as_the_forward_pass_says(model, int(rng.integers(2**31)))
    monkeypatch.setattr(kind, "forward", forward)
    assert Decoder.fits(model)
    monkeypatch.setattr(kind, "__call__", lambda self, *inputs: 0.9 * forward(self, *inputs))
    assert not Decoder.fits(model)
    types_as_the_forward_pass_says(model, int(rng.integers(2**31)))


@pytest.mark.parametrize(
    "register",
    [torch.nn.modules.module.register_module_forward_hook, torch.nn.modules.module.register_module_forward_pre_hook],
)
def test_hooks_on_all_modules_are_called(rng, register):
    model, heard = model_of(rng), []
    handle = register(lambda module, *_: heard.append(type(module)))
    try:
        assert Decoder.misfit(model) == "a hook listens to all modules"
        found = generate(model, [[1]], EOS, BACK, max_actions=4)
    finally:
        handle.remove()
    assert heard.count(Block) == 2 * found.num_forward_passes
    assert Decoder.fits(model)


def test_a_compiled_model_and_one_in_a_wrapper_are_asked_themselves(rng):
    model = model_of(rng)
    wanted = generate(model, PROMPTS, EOS, BACK, max_actions=9).traces
    assert [t.actions for t in generate(torch.compile(model), PROMPTS, EOS, BACK, max_actions=9).traces] == [
        t.actions for t in wanted
    ]
    with pytest.raises(ValueError, match="the model is a OptimizedModule"):
        generate(torch.compile(model.float()), PROMPTS, EOS, BACK, compiled=True)


@pytest.mark.parametrize("compiled", [False, True])
def test_a_forward_of_the_whole_that_would_be_passed_by_is_refused(rng, compiled, monkeypatch):
    wrapped, plain = model_of(rng, dtype=torch.float32), model_of(rng, dtype=torch.float32)
    wrapped.forward = scaled(wrapped.forward)
    message = "forward was replaced; typing calls hidden and logits"
    with pytest.raises(ValueError, match=message):
        generate(wrapped, PROMPTS, EOS, BACK, compiled=compiled)
    del wrapped.forward
    assert generate(wrapped, PROMPTS, EOS, BACK, max_actions=2).traces
    monkeypatch.setattr(Transformer, "forward", scaled(Transformer.forward))
    with pytest.raises(ValueError, match=message):
        generate(plain, PROMPTS, EOS, BACK, compiled=compiled)


def off_by(model, sampling, traces):
    """How far each pressed action's log-probability is from that of a forward pass on its text: (actions,)."""
    found = []
    for prompt, trace in zip(PROMPTS, traces, strict=True):
        text = list(prompt)
        for action, log_prob in zip(trace.actions, trace.log_probs, strict=True):
            logits = model(torch.tensor([text]))[0, -1].float()
            logits[BACK] = -math.inf if len(text) == len(prompt) else logits[BACK]
            found.append(abs(sampling.log_probabilities(logits[None])[0, action].item() - log_prob))
            text = text[:-1] if action == BACK else text + [action] * (action != EOS)
    return np.array(found)


@pytest.mark.parametrize("options", [{}, {"batch_size": 2}, {"greedy": True}, {"contrastive": 0.4}], ids=str)
@pytest.mark.parametrize(
    ("dtype", "autocast"),
    [
        (torch.float32, torch.bfloat16),
        (torch.float32, torch.float16),
        (torch.bfloat16, torch.bfloat16),
        (torch.float64, torch.bfloat16),
        (torch.bfloat16, None),
        (torch.float16, None),
        (torch.float64, None),
    ],
)
@torch.no_grad()
def test_in_any_precision_one_types_what_the_forward_pass_in_that_precision_says(rng, dtype, autocast, options):
    model, sampling = model_of(rng).float(), Sampling(**{k: v for k, v in options.items() if k != "batch_size"})
    for parameter in model.parameters():
        parameter /= 2
    model, exact = model.to(dtype), copy.deepcopy(model).double()
    with torch.autocast("cpu", dtype=autocast or torch.bfloat16, enabled=autocast is not None):
        traces = generate(model, PROMPTS, EOS, BACK, max_actions=15, seed=int(rng.integers(99)), **options).traces
        off = off_by(model, sampling, traces)
    # The same bits mostly, unless products of one row and of many are summed in another order.
    assert np.median(off) < 1e-6 and off.max() < 0.05
    if torch.float64 != dtype:  # autocast leaves float64 as it is
        assert np.median(off_by(exact, sampling, traces)) > 1e-6


@pytest.mark.parametrize("options", [{}, {"contrastive": 1.0, "top_k": 5}, {"noise": 0.3, "top_p": 0.8}], ids=str)
def test_what_is_not_the_models_own_does_not_depend_on_autocast(rng, options):
    model = table(rng)  # it multiplies nothing, so that its numbers are the same; cosines differ in the third digit
    for seed in range(5):
        settings = {"max_actions": 20, "seed": seed, "banned": [EOS, BACK], **options}
        wanted = generate(model, PROMPTS, None, None, **settings)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert generate(model, PROMPTS, None, None, **settings) == wanted


@pytest.mark.parametrize("compiled", [False, True])
def test_autocast_is_a_reason_to_ask_the_model_itself(rng, compiled):
    model = model_of(rng, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert Decoder.misfit(model) == "autocast is on"
        if compiled:
            with pytest.raises(ValueError, match=r"as it is written, .*; autocast is on"):
                generate(model, PROMPTS, EOS, BACK, compiled=True)
    assert Decoder.fits(model)


def test_prompts_may_be_lists_arrays_or_tensors(rng):
    model = table(rng)
    wanted = generate(model, [[1, 2], [3, 4]], EOS, BACK, max_actions=9).traces
    for prompts in (
        np.array([[1, 2], [3, 4]]),
        torch.tensor([[1, 2], [3, 4]]),
        [np.array([1, 2], dtype=np.int32), torch.tensor([3, 4])],
        ((1, 2), (3, 4)),
        [range(1, 3), iter([3, 4])],
        np.array([[2, 1], [4, 3]])[:, ::-1],
        torch.tensor([[1, 3], [2, 4]]).T,
        *(torch.tensor([[1, 2], [3, 4]]).to(dtype) for dtype in INTEGERS),
    ):
        assert generate(model, prompts, EOS, BACK, max_actions=9).traces == wanted


def test_numbers_may_be_numpys(rng):
    model, options = table(rng), {"max_actions": 9, "batch_size": 1, "max_length": 20}
    wanted = generate(model, [[1], [2]], EOS, BACK, **options)
    found = unchecked(
        model,
        [[1], [2]],
        np.int64(EOS),
        np.uint8(BACK),
        **{k: np.int16(v) for k, v in options.items()},
    )
    assert found == wanted


COLLECTIONS = [list, tuple, set, np.array, torch.tensor, iter, dict.fromkeys]


@pytest.mark.parametrize("collect", COLLECTIONS, ids=[collect.__name__ for collect in COLLECTIONS])
def test_what_is_banned_may_be_listed_in_any_way(rng, collect):
    for trace in unchecked(table(rng), [[1]] * 20, EOS, BACK, banned=collect([0, 1, 2, 4]), max_actions=9).traces:
        assert set(trace.actions) <= {3, EOS, BACK}


def test_a_row_with_a_seed_of_its_own_does_the_same_in_any_place(rng):
    model = table(rng)
    one, two = rng.integers(2**31, size=2).tolist()
    first = generate(model, [[1], [2]], EOS, BACK, max_actions=20, seed=[one, two]).traces
    second = generate(model, [[2], [1]], EOS, BACK, max_actions=20, seed=[two, one]).traces
    assert first == second[::-1] and first == [
        generate(model, [[prompt]], EOS, BACK, max_actions=20, seed=[seed]).traces[0]
        for prompt, seed in ((1, one), (2, two))
    ]


def test_top_k_and_top_p_keep_what_they_say():
    logits = torch.log(torch.tensor([[0.5, 0.3, 0.15, 0.05]]))
    kept = lambda **options: Sampling(**options).log_probabilities(logits).exp()[0].tolist()  # noqa: E731
    assert kept() == pytest.approx([0.5, 0.3, 0.15, 0.05])
    assert kept(top_k=2) == pytest.approx([0.625, 0.375, 0, 0])
    assert kept(top_p=0.5) == pytest.approx([1, 0, 0, 0])
    assert kept(top_p=0.81) == pytest.approx([0.5 / 0.95, 0.3 / 0.95, 0.15 / 0.95, 0])
    assert kept(temperature=0.5) == pytest.approx((np.array([0.5, 0.3, 0.15, 0.05]) ** 2 / 0.365).tolist())
    assert kept(top_k=99, top_p=1.0) == kept()
    assert kept(exploration=0.2) == pytest.approx([0.45, 0.29, 0.17, 0.09])
    assert kept(exploration=1.0, temperature=0.1) == pytest.approx([0.25] * 4)
    illegal = torch.tensor([[0.0, -math.inf, 0.0]])
    assert Sampling(exploration=0.5).log_probabilities(illegal).exp()[0].tolist() == pytest.approx([0.5, 0, 0.5])
    assert kept(top_p=7e-46) == kept(top_p=5e-324) == kept(top_k=1) == [1, 0, 0, 0]


def sampling_of(**options):
    """A `Sampling` as it is made outside of tests, where nothing looks at annotations."""
    made = object.__new__(Sampling)
    for field in fields(Sampling):
        object.__setattr__(made, field.name, options.get(field.name, field.default))
    made.__post_init__()
    return made


def test_how_an_action_is_chosen_may_be_said_in_numbers_of_any_kind():
    given = {"temperature": np.float32(0.5), "top_k": np.int16(3), "top_p": Fraction(3, 4), "noise": np.float16(0.25)}
    assert sampling_of(**given) == Sampling(0.5, 3, 0.75, noise=0.25)
    for name, value in (
        ("temperature", True),
        ("temperature", "1"),
        ("temperature", None),
        ("top_p", torch.tensor(0.5)),
        ("noise", [0.1]),
        ("contrastive", True),
        ("top_k", 3.0),
        ("top_k", True),
        ("top_k", torch.tensor(3)),
    ):
        with pytest.raises(ValueError, match=re.escape(f"{name} is {value!r}; it must be")):
            sampling_of(**{name: value})


def test_of_equally_likely_actions_the_lowest_ids_are_kept(rng):
    for _ in range(50):
        logits = torch.from_numpy(rng.integers(3, size=(4, 40))).float()
        logits[rng.random((4, 40)) < 0.3] = -math.inf
        logits[:, 7] = 1.0
        k = int(rng.integers(1, 40))
        order = np.argsort(-logits.numpy(), axis=1, kind="stable")
        found = Sampling(top_k=k).log_probabilities(logits).exp().numpy()
        wanted = np.zeros((4, 40))
        np.put_along_axis(wanted, order[:, :k], np.exp(np.take_along_axis(logits.numpy(), order[:, :k], 1)), 1)
        np.testing.assert_allclose(found, wanted / wanted.sum(axis=1, keepdims=True), rtol=1e-5)
        assert (Sampling(top_k=1).log_probabilities(logits).argmax(dim=1) == logits.argmax(dim=1)).all()
        p = float(rng.uniform(0, 1))
        found = Sampling(top_p=p).log_probabilities(logits)
        shares = np.take_along_axis(logits.double().softmax(dim=1).numpy(), order, 1)
        for row in range(4):
            before = np.cumsum(shares[row]) - shares[row]
            if np.abs(before - p).min() > 1e-6:
                wanted_ids = {*order[row][before < p]} - {*np.flatnonzero(logits[row].isneginf())}
                assert {*np.flatnonzero(found[row].isfinite())} == wanted_ids
    equal = table(rng)
    equal.table.data[:] = 1.0
    for options in (
        {"top_k": 1},
        {"greedy": True},
        {"top_p": 1e-9},
        {"contrastive": 0.0},
        {"contrastive": 0.0, "top_k": 1},
    ):
        (trace,) = generate(equal, [[4]], EOS, BACK, max_actions=5, **options).traces
        assert trace.pressed == [0] * 5


@pytest.mark.parametrize(
    ("prompts", "options", "message"),
    [
        ([], {}, "there is no prompt"),
        ([[1], []], {}, "prompt 1 is empty"),
        ([[1, 9]], {}, "prompt 0 has id 9 at position 1"),
        ([[1, BACK]], {}, "prompt 0 has id 6 at position 1"),
        ([[1] * 41], {}, "prompt 0 has 41 tokens; max_length is 40"),
        ([[1]], {"max_length": 41}, "max_length is 41; the model has positions for 40"),
        ([[1]], {"max_actions": 0}, "max_actions is 0"),
        ([[1]], {"temperature": 0.0}, "temperature is 0.0"),
        ([[1]], {"temperature": math.nan}, "temperature is nan"),
        ([[1]], {"top_p": 0.0}, "top_p is 0.0"),
        ([[1]], {"top_p": 1.1}, "top_p is 1.1"),
        ([[1]], {"top_k": 0}, "top_k is 0"),
        ([[1]], {"exploration": 1.1}, r"exploration is 1.1; it must be in \[0, 1\]"),
        ([[1]], {"exploration": 0.1, "greedy": True}, "exploration needs chance"),
        ([[1]], {"noise": 1.0}, "noise is 1.0"),
        ([[1]], {"noise": -0.1}, "noise is -0.1"),
        ([[1]], {"temperature": -1.0}, "temperature is -1.0; it must be positive"),
        ([[1]], {"temperature": math.inf}, "temperature is inf"),
        ([[1]], {"top_p": math.nan}, "top_p is nan"),
        ([[1]], {"top_p": -0.5}, "top_p is -0.5"),
        ([[1]], {"contrastive": 1.5}, "contrastive is 1.5; it must be in"),
        ([[1]], {"contrastive": -0.5}, "contrastive is -0.5"),
        ([[1]], {"contrastive": math.nan}, "contrastive is nan"),
        ([[1]], {"contrastive": 0.5, "greedy": True}, "contrastive search takes top_k and temperature, but neither"),
        ([[1]], {"contrastive": 0.5, "top_p": 0.9}, "contrastive search takes top_k and temperature, but neither"),
        ([[1]], {"contrastive": 0.5, "top_k": 0}, "top_k is 0"),
        ([[1, -1]], {}, "prompt 0 has id -1 at position 1"),
        ([[1], [2, EOS]], {}, "prompt 1 has id 5 at position 1"),
        ([1, 2], {}, r"prompt 0 has shape \(\) and kind int64; one row of whole numbers was wanted"),
        ([[1], [[2]]], {}, r"prompt 1 has shape \(1, 1\)"),
        ([[1.5]], {}, r"prompt 0 has shape \(1,\) and kind float64"),
        (np.zeros((0, 3), dtype=np.int64), {}, "there is no prompt"),
        (torch.zeros(2, 0, dtype=torch.long), {}, "prompt 0 is empty"),
        ([[1], [2]], {"seed": [1]}, "one for each of 2 prompts, was wanted"),
        ([[1, 2]], {"max_length": 1}, "prompt 0 has 2 tokens; max_length is 1"),
        ([[1]], {"max_length": 0}, "max_length is 0; a whole number, at least 1"),
        ([[1]], {"temperature": 1e300}, r"temperature is 1e\+300; it must be positive, 1e-30 to 1e30"),
        ([[True, False]], {}, r"prompt 0 has shape \(2,\) and kind bool"),
        (torch.tensor([[True]]), {}, r"prompt 0 has shape \(1,\) and kind torch.bool"),
        (torch.ones(1, 2, requires_grad=True), {}, "prompt 0 has shape .* and kind torch.float32"),
        (torch.ones(1, 2, dtype=torch.long, device="meta"), {}, "prompt 0 .* on meta; one row of whole numbers"),
        ([[2**70]], {}, "prompt 0 has shape .* and kind object"),
        ([[1, [2]]], {}, "prompt 0 has no shape and kind .*; one row of whole numbers was wanted"),
        (torch.tensor(3), {}, "prompts is a Tensor; rows of ids, one a prompt, were wanted"),
        ([[1]], {"banned": [True]}, "banned has shape .* and kind bool"),
    ],
)
def test_what_cannot_be_generated_is_named(rng, prompts, options, message):
    with pytest.raises(ValueError, match=message):
        unchecked(table(rng), prompts, EOS, BACK, **options)


@pytest.mark.parametrize(
    ("eos", "backspace", "message"),
    [
        (K + 2, BACK, "eos is 7; an id in 0..6, or None, was wanted"),
        (-1, None, "eos is -1"),
        (np.float64(5), None, r"eos is np.float64\(5.0\); an id"),
        (True, None, "eos is True"),
        (None, K + 2, "backspace is 7; an id in 0..6, or None, was wanted"),
        (EOS, EOS, "eos and backspace are both 5; two keys were wanted"),
    ],
)
def test_keys_that_cannot_be_are_named(rng, eos, backspace, message):
    with pytest.raises(ValueError, match=message):
        unchecked(table(rng), [[1]], eos, backspace)


def test_models_that_cannot_be_asked_are_named(rng):
    model = model_of(rng, dtype=torch.float32)
    longer = model_of(rng)
    longer.blocks.append(Block(SMALL).double())
    for other, message in (
        (copy.deepcopy(model).to("meta"), "embedding.weight is torch.float32 on meta, which holds no numbers"),
        (longer, "the model has 3 blocks; its config says 2"),
    ):
        with pytest.raises(ValueError, match=message):
            generate(other, [[1]], EOS, BACK)
    with pytest.raises(ValueError, match="model is a DataParallel; one with config, hidden and logits was wanted"):
        unchecked(torch.nn.DataParallel(model), [[1]], EOS, BACK)


def test_a_keyboard_with_one_letter_cannot_slip():
    model = Table(np.zeros((40, 3, 3)))
    model.config = TransformerConfig(vocab_size=3, num_layers=1, num_heads=1, width=2, max_length=40)
    assert generate(model, [[0]], 1, 2, max_actions=5).traces
    with pytest.raises(ValueError, match=r"noise is 0.1, and there is no other token to slip to"):
        generate(model, [[0]], 1, 2, noise=0.1)


@pytest.mark.parametrize("options", [{}, {"contrastive": 0.5}])
def test_a_prompt_that_is_full_already_ends_by_length_or_by_eos(rng, options):
    for backspace in (None, BACK):  # nothing of one's own is there to delete
        (trace,) = generate(table(rng), [[1, 2, 3]], None, backspace, max_length=3, **options).traces
        assert (trace.ended, trace.actions, trace.text) == ("length", [], [])
    (trace,) = generate(table(rng), [[1, 2, 3]], EOS, BACK, max_length=3, **options).traces
    assert (trace.ended, trace.actions) == ("eos", [EOS])


def test_at_the_border_of_the_prompt_backspace_is_never_pressed(rng):
    for options in ({}, {"greedy": True}, {"contrastive": 0.3}, {"noise": 0.3}):
        for trace in generate(table(rng, back=5.0), [[1], [2, 3]] * 5, EOS, BACK, max_actions=20, **options).traces:
            assert all(text is None or len(text) for text in stacks([0], trace.actions))


def test_answers_of_a_model_that_have_another_shape_are_named(rng):
    narrow, flat = table(rng), table(rng)
    narrow.logits = lambda hidden: torch.zeros(len(hidden), K)
    flat.hidden = lambda tokens, positions, attend: torch.zeros(len(tokens), 2)
    with pytest.raises(ValueError, match=r"logits has shape \(1, 5\); \(1, 7\) was wanted"):
        generate(narrow, [[1]], EOS, BACK)
    with pytest.raises(ValueError, match=r"hidden has shape \(1, 2\); \(\*\(1, 1\), width\) was wanted"):
        generate(flat, [[1]], EOS, BACK)


def test_logits_that_are_no_numbers_are_named_with_row_and_action(rng):
    for bad in (math.nan, math.inf, -math.inf):
        logits = np.full((40, K, K + 2), -30.0)
        logits[:, :, 1] = 0.0
        logits[3, 1] = bad
        with pytest.raises(ValueError, match="row 1 has NaN or infinite logits at action 2"):
            generate(Table(logits), [[0], [0, 1]], EOS, BACK, max_actions=9)


def test_training_stays_as_it_was(rng):
    model = model_of(rng, SMALL, torch.float32).train()
    before = [parameter.detach().clone() for parameter in model.parameters()]
    trace = generate(model, [[1]], EOS, BACK, max_actions=5, seed=1).traces[0]
    assert model.training and torch.is_grad_enabled() and len(trace.log_probs) == len(trace.actions)
    for parameter, was in zip(model.parameters(), before, strict=True):
        assert parameter.requires_grad and torch.equal(parameter, was)


@pytest.mark.parametrize("options", [{}, {"noise": 0.3}, {"contrastive": 0.4}, {"greedy": True}], ids=str)
def test_what_is_banned_may_stand_in_a_prompt_and_is_never_typed(rng, options):
    model = model_of(rng)
    allowed = generate(model, [[2, 1]] * 20, EOS, BACK, max_actions=20, **options).traces
    first = min(allowed[0].pressed[0], K - 1)  # what it would press, if it is a token
    found = generate(model, [[first, 1]] * 20, EOS, BACK, max_actions=20, banned=[first, BACK], **options).traces
    assert all(not {first, BACK} & {*trace.actions, *trace.pressed} for trace in found)
    same = generate(model, [[2, 1]], EOS, BACK, max_actions=20, banned=[], **options).traces[0]
    assert same == generate(model, [[2, 1]], EOS, BACK, max_actions=20, **options).traces[0]
    with pytest.raises(ValueError, match=r"banned has all 5 tokens; one must be left"):
        generate(model, [[2, 1]], EOS, BACK, banned=range(5), **options)


@pytest.mark.parametrize(
    "seed",
    [np.int64(3), torch.tensor(3), 2**70, [3, 4], (2**70, 4), range(2), np.array([3, 4]), torch.tensor([3, 4])],
    ids=str,
)
def test_seeds_may_come_from_anywhere(rng, seed):
    found = generate(model_of(rng), [[1], [2]], EOS, BACK, max_actions=5, seed=seed)
    assert len(found.traces) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": -3}, "seed is -3; a whole number"),
        ({"seed": 1.5}, "seed is 1.5"),
        ({"seed": True}, "seed is True"),
        ({"seed": None}, "seed is None"),
        ({"seed": "1"}, "seed is '1'"),
        ({"seed": torch.tensor(3, device="meta")}, "seed is tensor"),
        ({"seed": [1]}, "one for each of 2 prompts"),
        ({"banned": [99]}, "banned has id 99"),
        ({"temperature": 1e-40}, "temperature is 1e-40"),
    ],
    ids=str,
)
def test_chances_that_cannot_be_are_named(rng, options, message):
    with pytest.raises(ValueError, match=message):
        generate(model_of(rng), [[1], [2]], EOS, BACK, max_actions=5, **options)


def test_at_the_smallest_temperature_the_likeliest_is_taken(rng):
    model = model_of(rng)
    cold, greedy = (
        generate(model, PROMPTS, EOS, BACK, max_actions=8, **options).traces
        for options in ({"temperature": 1e-20}, {"greedy": True})
    )
    assert [trace.actions for trace in cold] == [trace.actions for trace in greedy]
    assert all(np.isfinite(trace.log_probs).all() for trace in cold)
