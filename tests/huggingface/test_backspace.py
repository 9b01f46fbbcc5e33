"""The key in a tokenizer, and in the tables of its model."""

import pytest
import torch

transformers = pytest.importorskip("transformers", reason="needs the extra [hf]")

from test_visibility import MODELS, model_of  # noqa: E402
from tokenizers import Tokenizer, models, pre_tokenizers  # noqa: E402

from smatch_edu.huggingface import BACKSPACE, add_backspace, token_ids  # noqa: E402


def tokenizer_of(size=90, **special):
    """Words w0, w1, ...; and special tokens."""
    words = {f"w{number}": number for number in range(size)}
    whole = Tokenizer(models.WordLevel({**words, "<eos>": size, "<unk>": size + 1}, unk_token="<unk>"))
    whole.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    given = {"eos_token": "<eos>", "unk_token": "<unk>", **special}
    return transformers.PreTrainedTokenizerFast(tokenizer_object=whole, **given)


def test_the_key_is_added_once_and_begins_as_the_mean(rng):
    tokenizer, model = tokenizer_of(), model_of(rng, *MODELS["llama"])
    tokenizer.add_tokens(["<call>", "<a>", "<b>", "<c>", "<d>"], special_tokens=True)
    assert len(tokenizer) == 97
    mean = model.get_input_embeddings().weight.mean(dim=0)
    key = add_backspace(model, tokenizer)
    assert key == 97 == tokenizer.convert_tokens_to_ids(BACKSPACE)
    for table in (model.get_input_embeddings().weight, model.get_output_embeddings().weight):
        assert len(table) == 98
    torch.testing.assert_close(model.get_input_embeddings().weight[97], mean)
    assert add_backspace(model, tokenizer) == key and len(model.get_input_embeddings().weight) == 98
    ids = token_ids(model, tokenizer)
    assert ids.num_keys == 90 and ids.theirs[ids.eos] == 90 and ids.theirs[ids.backspace] == 97


def test_what_cannot_have_the_key_or_type_is_named(rng):
    model = model_of(rng, *MODELS["llama"])
    with pytest.raises(ValueError, match="no end token"):
        add_backspace(model, tokenizer_of(eos_token=None))
    taken = tokenizer_of()
    taken.add_tokens([BACKSPACE])
    with pytest.raises(ValueError, match="<backspace> is in the vocabulary already, as id 92, and is no special token"):
        add_backspace(model, taken)


@pytest.mark.parametrize("kind", ["llama", "phi"])
def test_a_row_that_was_to_spare_begins_as_the_mean_too(rng, kind):
    tokenizer, model = tokenizer_of(), model_of(rng, *MODELS[kind])  # 92 tokens, and 97 rows
    head = model.get_output_embeddings()
    with torch.no_grad():
        head.weight[92:] = 7.0
        if head.bias is not None:
            head.bias.normal_()
    assert add_backspace(model, tokenizer) == 92
    torch.testing.assert_close(head.weight[92], head.weight[:92].mean(dim=0))
    if head.bias is not None:
        torch.testing.assert_close(head.bias[92], head.bias[:92].mean())
    with torch.no_grad():
        head.weight[92] = 3.0
    assert add_backspace(model, tokenizer) == 92 and (head.weight[92] == 3).all()  # learned, perhaps
