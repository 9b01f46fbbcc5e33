"""A model made ready: an adapter gets a row for the key at each end that has a table of its own."""

import pytest

transformers = pytest.importorskip("transformers", reason="needs the extra [hf]")

import torch  # noqa: E402
from peft import LoraConfig  # noqa: E402
from test_backspace import tokenizer_of  # noqa: E402
from test_visibility import MODELS, model_of  # noqa: E402

from smatch_edu.huggingface import BACKSPACE, as_policy  # noqa: E402


@pytest.mark.parametrize("kind", ["gpt2", "llama", "qwen2", "pythia", "opt"])
def test_the_row_of_the_key_is_trained_at_both_ends(rng, kind):
    model, tokenizer = model_of(rng, *MODELS[kind]), tokenizer_of()
    tied = model.get_input_embeddings().weight is model.get_output_embeddings().weight
    policy, adapted = as_policy(model, tokenizer, peft_config=LoraConfig(r=2, target_modules="all-linear"))
    key = tokenizer.convert_tokens_to_ids(BACKSPACE)
    rows = {name: part for name, part in policy.named_parameters() if "trainable_tokens_delta" in name}
    assert len(rows) == (1 if tied else 2) and all(part.shape[0] == 1 for part in rows.values())
    names = adapted.peft_config["default"].trainable_token_indices
    assert set(map(tuple, names.values())) == {(key,)} and len(names) == len(rows)
    assert policy.ids.theirs[policy.ids.backspace] == key


def test_the_key_is_added_to_rows_that_are_trained_anyway(rng):
    for given in ([5], {"embed_tokens": [5]}, {"embed_tokens": [5, 92], "lm_head": [5]}):
        adapter = LoraConfig(r=2, target_modules="all-linear", trainable_token_indices=given)
        _, adapted = as_policy(model_of(rng, *MODELS["qwen2"]), tokenizer_of(), peft_config=adapter)
        rows = adapted.peft_config["default"].trainable_token_indices
        assert rows["embed_tokens"] == [5, 92] and 92 in rows["lm_head"], given


def test_a_table_that_is_trained_as_a_whole_gets_no_row_unless_it_is_the_head_as_well(rng):
    whole = LoraConfig(r=2, target_modules="all-linear", modules_to_save=["embed_tokens", "lm_head"])
    policy, _ = as_policy(model_of(rng, *MODELS["qwen2"]), tokenizer_of(), peft_config=whole)
    trained = [name for name, part in policy.named_parameters() if part.requires_grad and "modules_to_save" in name]
    assert trained and not [name for name, _ in policy.named_parameters() if "trainable_tokens" in name]
    tied = model_of(rng, *MODELS["gpt2"])
    with pytest.raises(ValueError, match="modules_to_save has wte, and the embedding of GPT2LMHeadModel is its head"):
        as_policy(
            tied, tokenizer_of(), peft_config=LoraConfig(r=2, target_modules="all-linear", modules_to_save=["wte"])
        )


def test_a_model_that_is_in_training_is_tried_without_its_dropout(rng):
    config = transformers.GPT2Config(vocab_size=97, n_positions=64, n_embd=32, n_layer=2, n_head=2)
    model = transformers.GPT2LMHeadModel(config).train()
    as_policy(model, tokenizer_of())
    assert model.training


def test_a_head_with_a_bias_is_trained_as_a_whole_or_refused(rng):
    model = model_of(rng, *MODELS["phi"])
    with torch.no_grad():
        model.get_output_embeddings().bias.normal_()
    with pytest.raises(ValueError, match=r"head of PhiForCausalLM has a bias, .* give modules_to_save=\['lm_head'\]"):
        as_policy(model, tokenizer_of(), peft_config=LoraConfig(r=2, target_modules=["q_proj"]))
    adapter = LoraConfig(r=2, target_modules=["q_proj"], modules_to_save=["lm_head"])
    policy, _ = as_policy(model, tokenizer_of(), peft_config=adapter)
    assert [name for name, part in policy.named_parameters() if part.requires_grad and "lm_head" in name]
