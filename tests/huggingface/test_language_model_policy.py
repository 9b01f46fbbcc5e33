"""A language model as a policy: the library's own policy, where both are the same network; and ids."""

import dataclasses

import numpy as np
import pytest
import torch

transformers = pytest.importorskip("transformers", reason="needs the extra [hf]")

from test_visibility import MODELS, model_of  # noqa: E402

from smatch_edu.configs.training import TrainingConfig  # noqa: E402
from smatch_edu.huggingface import LanguageModelPolicy, TokenIds, make_visible, to_hugging_face  # noqa: E402
from smatch_edu.text import TrajectoryBatch, augment_batch  # noqa: E402
from smatch_edu.training import Policy, log_likelihood, training_objective  # noqa: E402

CONFIG = TrainingConfig(family="addition", num_layers=2, num_heads=2, width=16, noise=0.2, alpha=0.3, branches=3)


def test_ids_go_there_and_back_and_the_end_in_a_prompt_is_a_token():
    ids = TokenIds(10, eos=3, backspace=9, never_typed=[0, 7])
    assert ids.num_keys == 6 and ids.theirs.tolist() == [1, 2, 4, 5, 6, 8, 0, 3, 7, 3, 9]
    assert (ids.eos, ids.backspace) == (9, 10)
    assert ids.ours([1, 8, 3, 0]).tolist() == [0, 5, 7, 6]
    assert ids.theirs[ids.ours(np.arange(10))].tolist() == list(range(10))
    for wrong, message in (
        ({"eos": 9}, "both 9"),
        ({"eos": 10}, "eos is 10; ids are 0..9"),
        ({"eos": -1}, "eos is -1"),
    ):
        with pytest.raises(ValueError, match=message):
            TokenIds(10, **{"eos": 3, "backspace": 9, **wrong})


@pytest.mark.parametrize("terminal", ["one", "each"])
@pytest.mark.parametrize("value_head", [False, True])
def test_a_converted_network_has_the_same_rewards_and_the_same_gradient(rng, terminal, value_head):
    config = dataclasses.replace(CONFIG, terminal=terminal, value_head=value_head, seed=int(rng.integers(1000)))
    task = config.make_task()
    own = Policy(task, config)
    with torch.no_grad():
        for part in own.parameters():
            part.normal_(std=0.3)
    keys, model = own.keys, make_visible(to_hugging_face(own.transformer))
    ids = TokenIds(keys.num_actions, keys.eos, keys.backspace)
    theirs = LanguageModelPolicy(model, ids, config, task.max_length)
    heads = {name: part for name, part in own.state_dict().items() if not name.startswith("transformer.")}
    theirs.load_state_dict(heads | {"absorbing_value": own.absorbing_value[None]}, strict=False)
    examples, seed = task.fresh(rng, 12), int(rng.integers(2**31))
    prompts, answers = zip(*examples, strict=True)
    found = []
    for policy in (own, theirs):
        typed = [
            augment_batch(
                prompts, answers, 0.3, policy.keys.backspace, policy.keys.eos, seed=seed + n, num_tokens=keys.num_keys
            )
            for n in range(2)
        ]
        walked = policy.on(TrajectoryBatch.of(*typed), slips=np.random.default_rng(seed))
        data, sampled = walked.rows(0, 12), walked.rows(12, 24)
        options = {"divergence": "sampled_mixture", "gamma": config.gamma, "alpha": config.weight_of_entropy}
        absorbing = policy.absorbing_value.squeeze()
        terms = training_objective(data, absorbing, model=sampled, **options)
        loss = -log_likelihood(data, config.gamma) - terms.objective
        network = policy.transformer.embedding if policy is own else policy.model.get_input_embeddings()
        value = policy.absorbing_value if terminal == "one" else policy.terminal_head.weight
        slopes = torch.autograd.grad(loss, [value, network.weight])
        found.append([walked.rewards(absorbing, config.gamma), terms.objective, loss, slopes[0].squeeze(), slopes[1]])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4 * float(one.abs().max()))


@pytest.mark.parametrize("kind", ["gpt2", "llama", "gemma2"])
def test_logits_are_those_of_the_model_on_each_text_alone(rng, kind):
    model = model_of(rng, *MODELS[kind])
    if kind == "gemma2":
        model.config.final_logit_softcapping = 2.0  # a cap on the last logits as well
    before = model.config._attn_implementation
    ids = TokenIds(97, eos=5, backspace=96, never_typed=[0, 7])
    policy = LanguageModelPolicy(make_visible(model), ids, CONFIG)
    prompt, answer = ids.ours([5, 7, 11]), rng.integers(ids.num_keys, size=5)
    typed = augment_batch([prompt], [answer], 0.4, ids.backspace, ids.eos, seed=rng, num_tokens=ids.num_keys)
    with torch.no_grad():
        found = policy.on(typed)
        model.set_attn_implementation(before)
        text = prompt.tolist()
        for step, key in enumerate(typed.typed.tolist()):
            alone = model(torch.from_numpy(ids.theirs[text])[None]).logits[0, -1]
            torch.testing.assert_close(found.logits[0, step], alone[ids.theirs], atol=1e-4, rtol=1e-4)
            text = text[:-1] if key == ids.backspace else [*text, key]
    legal = found.legal[0, 0]
    assert legal[: ids.num_keys].all() and not legal[ids.num_keys : ids.eos].any() and legal[ids.eos]
    assert not legal[ids.backspace]


def test_a_model_that_was_not_made_visible_or_has_another_head_is_refused(rng):
    ids = TokenIds(97, eos=5, backspace=96)
    with pytest.raises(ValueError, match="call make_visible"):
        LanguageModelPolicy(model_of(rng, *MODELS["llama"]), ids, CONFIG)
    model = make_visible(model_of(rng, *MODELS["gemma2"]))
    model.config.final_logit_softcapping = 0.01
    policy = LanguageModelPolicy(model, ids, CONFIG)
    policy.cap = None
    with pytest.raises(ValueError, match="the head of Gemma2ForCausalLM does more than multiply"):
        policy._check_head()
