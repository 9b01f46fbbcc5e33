"""Typing with a language model is naive typing with it, key for key."""

import numpy as np
import pytest
import torch

transformers = pytest.importorskip("transformers", reason="needs the extra [hf]")

from test_backspace import tokenizer_of  # noqa: E402
from test_visibility import MODELS, model_of  # noqa: E402

from smatch_edu.configs.training import TrainingConfig  # noqa: E402
from smatch_edu.huggingface import (  # noqa: E402
    LanguageModelPolicy,
    TokenIds,
    add_backspace,
    generate_with_backspace,
    make_visible,
    token_ids,
)
from smatch_edu.huggingface.typing import TypingModel  # noqa: E402
from smatch_edu.network import generate  # noqa: E402
from smatch_edu.network.decoding import StackCache  # noqa: E402


@torch.no_grad()
def naive(policy, before, prompt, seed, row, max_actions, noise):
    """One row, a fresh run of the model as it came for every text."""
    chances, text, typed, ids = np.random.default_rng([seed, row]), list(prompt), [], policy.ids
    policy.model.set_attn_implementation(before)
    while len(typed) < max_actions and (not typed or typed[-1] != ids.eos):
        chance, slip, which = chances.random(3)
        logits = policy.model(torch.from_numpy(ids.theirs[text])[None]).logits[0, -1].float()[ids.theirs]
        legal = torch.zeros(len(ids.theirs), dtype=torch.bool)
        legal[: ids.num_keys], legal[ids.eos], legal[ids.backspace] = True, True, len(text) > len(prompt)
        ladder = np.cumsum(logits.masked_fill(~legal, -torch.inf).softmax(0).double().numpy())
        action = int(np.flatnonzero(ladder >= (1 - chance) * ladder[-1])[0])
        if action < ids.num_keys and slip < noise:
            action = (action + 1 + int(which * (ids.num_keys - 1))) % ids.num_keys
        typed.append(action)
        text = text[:-1] if action == ids.backspace else [*text, action]
    policy.model.set_attn_implementation("smatch")
    return typed


@pytest.mark.parametrize("kind", ["gpt2", "llama", "qwen3", "opt", "pythia"])
def test_typing_is_naive_typing_with_prompts_of_different_lengths(rng, kind):
    """Shared heads of keys included."""
    model = model_of(rng, *MODELS[kind]).double()
    before = model.config._attn_implementation
    with torch.no_grad():  # so that both keys are pressed now and then
        model.get_output_embeddings().weight[[5, 96]] *= 1.5
    ids = TokenIds(97, eos=5, backspace=96, never_typed=[0, 7])
    policy = LanguageModelPolicy(make_visible(model), ids, TrainingConfig(family="addition"))
    prompts = [ids.ours(rng.integers(8, 90, size=length)).tolist() for length in (1, 4, 2)]
    seed = int(rng.integers(2**31))
    banned = range(ids.num_keys, ids.eos)
    found = generate(
        TypingModel(policy), prompts, ids.eos, ids.backspace, max_actions=20, seed=seed, noise=0.2, banned=banned
    )
    for row, (prompt, trace) in enumerate(zip(prompts, found.traces, strict=True)):
        assert trace.actions == naive(policy, before, prompt, seed, row, 20, 0.2)


def test_text_goes_in_and_text_comes_out(rng):
    tokenizer, model = tokenizer_of(), model_of(rng, *MODELS["llama"])
    _ = add_backspace(model, tokenizer)
    policy = LanguageModelPolicy(make_visible(model), token_ids(model, tokenizer), TrainingConfig(family="addition"))
    found = generate_with_backspace(policy, tokenizer, ["w1 w2 w3", "w4"], max_actions=12, seed=3)
    for text, trace in zip(found.texts, found.traces, strict=True):
        assert text.split() == [f"w{policy.ids.theirs[token]}" for token in trace.text]
        assert all(action < policy.ids.num_keys or action >= policy.ids.eos for action in trace.actions)
    as_it_came = model_of(np.random.default_rng(5), *MODELS["llama"])
    one = generate_with_backspace(as_it_came, tokenizer_of(), ["w1"], max_actions=9)
    other = generate_with_backspace(as_it_came, tokenizer_of(), ["w1"], max_actions=9)
    assert one == other  # a model is made a policy where it is none


def test_windows_and_options_that_are_not_taken_are_named(rng):
    model = make_visible(model_of(rng, *MODELS["mistral"]))
    policy = LanguageModelPolicy(model, TokenIds(97, 5, 96), TrainingConfig(family="addition"))
    with pytest.raises(ValueError, match="MistralForCausalLM has sliding_window 6; typing with it is not built"):
        TypingModel(policy)
    for name, message in (("streamer", "what was typed may be deleted"), ("stopping_criteria", "texts that only grow")):
        with pytest.raises(ValueError, match=f"{name} is not taken: .*{message}"):
            generate_with_backspace(policy, tokenizer_of(), ["w1"], **{name: [print]})


def test_the_cache_has_the_numbers_of_the_model(rng, monkeypatch):
    """And not those of V of what follows the end, which is a float32."""
    model = make_visible(model_of(rng, *MODELS["llama"]).bfloat16())
    policy = LanguageModelPolicy(model, TokenIds(97, 5, 96), TrainingConfig(family="addition"), max_length=24)
    kinds, attend = set(), StackCache.attend

    def noted(cache, *given):
        kinds.add(cache.stored.dtype)
        return attend(cache, *given)

    monkeypatch.setattr(StackCache, "attend", noted)
    generate(TypingModel(policy), [[1, 2]], policy.ids.eos, policy.ids.backspace, max_actions=4)
    assert kinds == {torch.bfloat16} and policy.absorbing_value.dtype == torch.float32
