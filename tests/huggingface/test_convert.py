"""The library's transformer and GPT-NeoX are one network."""

import pytest
import torch

transformers = pytest.importorskip("transformers", reason="needs the extra [hf]")

from smatch_edu.huggingface.convert import from_hugging_face, to_hugging_face  # noqa: E402
from smatch_edu.network.transformer import Transformer, TransformerConfig  # noqa: E402


def random_model(rng):
    heads = int(rng.integers(1, 4))
    shape = TransformerConfig(int(rng.integers(9, 40)), int(rng.integers(1, 4)), heads, 8 * heads, 50)
    torch.manual_seed(int(rng.integers(2**31)))
    model = Transformer(shape).eval()
    for part in model.parameters():
        torch.nn.init.normal_(part, std=0.3)
    return model


def test_there_and_back_and_the_same_logits(rng, tmp_path):
    model = random_model(rng)
    theirs = to_hugging_face(model, eos=1)
    tokens = torch.from_numpy(rng.integers(9, size=(4, 20)))
    with torch.no_grad():
        wanted = model(tokens)
        torch.testing.assert_close(theirs(tokens).logits, wanted, atol=1e-5, rtol=1e-5)
        theirs.save_pretrained(tmp_path)  # and opened by whoever has transformers alone
        again = transformers.AutoModelForCausalLM.from_pretrained(tmp_path)
        torch.testing.assert_close(again(tokens).logits, wanted, atol=1e-5, rtol=1e-5)
    back = from_hugging_face(again)
    assert back.config == model.config
    for name, part in model.state_dict().items():
        assert torch.equal(part, back.state_dict()[name])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"use_parallel_residual": True}, "use_parallel_residual of the model is True; the library's .* has False"),
        ({"hidden_act": "gelu"}, "hidden_act of the model is 'gelu'"),
        ({"tie_word_embeddings": False}, "tie_word_embeddings of the model is False"),
        ({"intermediate_size": 24}, "intermediate_size is 24"),
    ],
)
def test_what_ours_does_not_have_is_named(rng, change, message):
    config = to_hugging_face(random_model(rng)).config
    other = transformers.GPTNeoXForCausalLM(transformers.GPTNeoXConfig(**{**config.to_dict(), **change}))
    with pytest.raises(ValueError, match=message):
        from_hugging_face(other)
    with pytest.raises(ValueError, match="a GPT2LMHeadModel; a GPTNeoXForCausalLM was wanted"):
        from_hugging_face(transformers.GPT2LMHeadModel(transformers.GPT2Config(n_layer=1, n_embd=8, n_head=1)))
