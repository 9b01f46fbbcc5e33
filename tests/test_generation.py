"""Generation: token for token what a naive sampler does that runs every text afresh, and a backspace costs no pass."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from smatch_edu.generation import Sampling, generate
from smatch_edu.transformer import TransformerConfig
from test_trajectories import BACK, EOS, K, stacks
from test_transformer import SMALL, model_of

PROMPTS = [[1, 2, 3], [0], [4, 4], [3, 1, 2, 3, 4, 0, 1]]


@torch.no_grad()
def naive(model, prompt, row, seed, max_actions, longest, sampling=Sampling()):  # noqa: B008
    """One row, one action after the other, each from a fresh run on the whole text."""
    rng, slips, text = np.random.default_rng([seed, row]), np.random.default_rng([seed, row, 1]), list(prompt)
    pressed, typed, log_probs = [], [], []
    while True:
        legal = torch.zeros(K + 2, dtype=torch.bool)
        legal[:K] = len(text) < longest
        legal[EOS], legal[BACK] = True, len(text) > len(prompt)
        logits = model(torch.tensor([text]))[0, -1].float()
        scores = sampling.log_probabilities(logits.masked_fill(~legal, -math.inf)[None])[0]
        times = rng.standard_exponential(K + 2, dtype=np.float32)
        action = int((scores if sampling.greedy else scores.exp() / torch.from_numpy(times)).argmax())
        pressed.append(action)
        log_probs.append(scores[action].item())
        if action < K and sampling.noise and slips.random() < sampling.noise:
            action = (action + int(slips.integers(1, K))) % K
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


def test_a_row_does_not_depend_on_its_neighbours(rng):
    model = model_of(rng)
    together = generate(model, PROMPTS, EOS, BACK, max_actions=20, seed=5)
    for row in range(len(PROMPTS)):
        others = [prompt if number == row else [2] for number, prompt in enumerate(PROMPTS)]
        assert (
            generate(model, others, EOS, BACK, max_actions=20, seed=5).traces[row].actions
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


def test_top_k_and_top_p_keep_what_they_say():
    logits = torch.log(torch.tensor([[0.5, 0.3, 0.15, 0.05]]))
    kept = lambda **options: Sampling(**options).log_probabilities(logits).exp()[0].tolist()  # noqa: E731
    assert kept() == pytest.approx([0.5, 0.3, 0.15, 0.05])
    assert kept(top_k=2) == pytest.approx([0.625, 0.375, 0, 0])
    assert kept(top_p=0.5) == pytest.approx([1, 0, 0, 0])
    assert kept(top_p=0.81) == pytest.approx([0.5 / 0.95, 0.3 / 0.95, 0.15 / 0.95, 0])
    assert kept(temperature=0.5) == pytest.approx((np.array([0.5, 0.3, 0.15, 0.05]) ** 2 / 0.365).tolist())
    assert kept(top_k=99, top_p=1.0) == kept()


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
        ([[1]], {"noise": 1.0}, "noise is 1.0"),
    ],
)
def test_what_cannot_be_generated_is_named(rng, prompts, options, message):
    with pytest.raises(ValueError, match=message):
        generate(table(rng), prompts, EOS, BACK, **options)


def test_logits_that_are_no_numbers_are_named_with_row_and_action(rng):
    for bad in (math.nan, math.inf):
        logits = np.full((40, K, K + 2), -30.0)
        logits[:, :, 1] = 0.0
        logits[3, 1] = bad
        with pytest.raises(ValueError, match="row 1 has NaN or infinite logits at action 2"):
            generate(Table(logits), [[0], [0, 1]], EOS, BACK, max_actions=9)


def test_training_stays_as_it_was(rng):
    model = model_of(rng, SMALL, torch.float32)
    trace = generate(model, [[1]], EOS, BACK, max_actions=5, seed=1).traces[0]
    assert all(p.grad is None for p in model.parameters()) and len(trace.log_probs) == len(trace.actions)
