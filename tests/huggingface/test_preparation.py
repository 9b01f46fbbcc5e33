"""A model made ready: an adapter gets a row for the key at each end that has a table of its own."""

import pytest

transformers = pytest.importorskip("transformers", reason="needs the extra [hf]")

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


def test_a_table_that_is_trained_as_a_whole_gets_no_row(rng):
    model = model_of(rng, *MODELS["llama"])
    whole = LoraConfig(r=2, target_modules="all-linear", modules_to_save=["embed_tokens", "lm_head"])
    policy, _ = as_policy(model, tokenizer_of(), peft_config=whole)
    trained = [name for name, part in policy.named_parameters() if part.requires_grad and "modules_to_save" in name]
    assert trained and not [name for name, _ in policy.named_parameters() if "trainable_tokens" in name]
