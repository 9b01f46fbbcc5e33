"""Typing by steps that never change their shape types what `generate` types; here without a graph, on a CPU."""

import math

import numpy as np
import pytest
import torch
from test_generation import PROMPTS
from test_trajectories import BACK, EOS, K
from test_transformer import SMALL, model_of

from smatch_edu.network import captured, generation
from smatch_edu.network import sampling as sampling_module
from smatch_edu.network.generation import generate
from smatch_edu.network.sampling import Sampling
from smatch_edu.network.transformer import Transformer, TransformerConfig


def both(model, prompts, eos=EOS, back=BACK, actions=30, seed=0, longest=None, banned=(), batch_size=None, **sampling):
    """By `generate`, and by captured steps."""
    given = dict(max_actions=actions, seed=seed, max_length=longest, banned=banned, **sampling)
    wanted = generate(model, prompts, eos, back, **given)
    chances = np.stack([np.random.default_rng([seed, row]).random((actions, 3)) for row in range(len(prompts))])
    allowed, texts = ~np.isin(np.arange(K + 2), banned), [np.array(prompt) for prompt in prompts]
    limit = longest or model.config.max_length
    with torch.no_grad():
        found = generation._captured(
            model, texts, (eos, back), allowed, limit, chances, Sampling(**sampling), batch_size
        )
    return found, wanted


def assert_the_same(found, wanted):
    for one, other in zip(found.traces, wanted.traces, strict=True):
        assert (one.pressed, one.actions, one.text, one.ended) == (
            other.pressed,
            other.actions,
            other.text,
            other.ended,
        )
        assert one.log_probs == pytest.approx(other.log_probs, abs=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"noise": 0.3},
        {"temperature": 0.5},
        {"top_k": 3},
        {"top_p": 0.7},
        {"greedy": True},
        {"exploration": 0.4},
        {"noise": 0.2, "exploration": 0.3, "top_k": 4},
        {"longest": 9, "noise": 0.2},
        {"longest": 7, "eos": None},
        {"longest": 7, "eos": None, "back": None},
        {"back": None},
        {"banned": (1, 3)},
        {"banned": (BACK,), "noise": 0.5},
        {"batch_size": 2},
        {"actions": 1},
        {"actions": 100},
    ],
    ids=str,
)
def test_every_row_types_what_it_types_otherwise(rng, options):
    model = model_of(rng)
    found, wanted = both(model, PROMPTS, seed=int(rng.integers(2**31)), **options)
    assert_the_same(found, wanted)
    assert found.num_forward_passes >= max(len(trace.actions) for trace in found.traces)


def test_rows_of_one_token_need_no_pass_for_their_prompts(rng):
    found, wanted = both(model_of(rng), [[0], [2], [0]], seed=5, noise=0.3)
    assert_the_same(found, wanted)


def test_many_rows_that_end_at_once_stop_the_steps(rng):
    model = model_of(rng)
    with torch.no_grad():
        model.norm.weight.zero_()
        model.norm.bias.copy_(100 * model.embedding.weight[EOS] / model.embedding.weight[EOS].square().sum())
    found, wanted = both(model, PROMPTS, actions=500)
    assert_the_same(found, wanted)
    assert found.num_forward_passes <= captured.LOOK_EVERY + 2


def test_logits_that_are_no_numbers_are_named_with_row_and_action(rng):
    model = model_of(rng)
    with torch.no_grad():
        model.embedding.weight[4] = math.nan  # met in the third prompt, and in every logit
    with pytest.raises(ValueError, match="row 0 has NaN or infinite logits at action 0"):
        both(model, PROMPTS)
    chances = np.zeros((2, 3, 3))
    with pytest.raises(ValueError, match="row 1 has NaN or infinite logits at action 0"):
        texts, allowed = [np.array([0]), np.array([1])], np.ones(K + 2, dtype=bool)
        typist = captured.CapturedTypist(model, texts[1:], (EOS, BACK), allowed, 9, chances[:1], Sampling())
        with torch.no_grad():
            typist.run(first=1)


def test_only_a_transformer_as_it_is_written_is_captured(rng):
    assert captured.fits(model_of(rng)) and captured.fits(model_of(rng).to(torch.bfloat16))

    class Other(Transformer):
        def logits(self, hidden):
            return super().logits(hidden) * 2

    assert not captured.fits(Other(SMALL))
    heard = Transformer(SMALL)
    heard.blocks[0].register_forward_hook(lambda *_: None)
    assert not captured.fits(heard)
    with torch.autocast("cpu", torch.bfloat16):
        assert not captured.fits(Transformer(SMALL))


def test_a_step_changes_no_shape_and_asks_for_no_number(rng):
    """What a graph can hold: every tensor stays where it is, and nothing waits for the device to answer."""
    config = TransformerConfig(K + 2, num_layers=1, num_heads=2, width=16, max_length=40)
    model, texts = model_of(rng, config), [np.array(prompt) for prompt in PROMPTS]
    allowed, chances = np.ones(K + 2, dtype=bool), rng.random((len(texts), 20, 3))
    sampling = Sampling(noise=0.2, top_k=4, top_p=0.9, exploration=0.1)
    typist = captured.CapturedTypist(model, texts, (EOS, BACK), allowed, 30, chances, sampling)
    before = {name: part.data_ptr() for name, part in vars(typist).items() if isinstance(part, torch.Tensor)}

    class NoAnswers(torch.utils._python_dispatch.TorchDispatchMode):
        """As on a GPU that is being captured."""

        def __torch_dispatch__(self, function, types, arguments=(), options=None):
            assert "_local_scalar_dense" not in str(function) and "nonzero" not in str(function), function
            return function(*arguments, **(options or {}))

    with torch.no_grad():
        typist._read_prompts(), typist._read_tops()
        with pytest.MonkeyPatch.context() as patch, NoAnswers():
            patch.setattr(sampling_module, "likeliest", _as_on_a_gpu)
            typist.step()
    assert before == {name: part.data_ptr() for name, part in vars(typist).items() if isinstance(part, torch.Tensor)}


def _as_on_a_gpu(scores, k):
    least = scores.topk(k, dim=1).values[:, -1:]
    larger, equal = scores > least, scores == least
    return larger | (equal & (equal.cumsum(dim=1) <= k - larger.sum(dim=1, keepdim=True)))
