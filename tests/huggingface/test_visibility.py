"""Packed passes on models of `transformers`: which honour them, and which are refused."""

import pytest
import torch

transformers = pytest.importorskip("transformers", reason="needs the extra [hf]")

from torch.nn.attention.flex_attention import flex_attention  # noqa: E402

from smatch_edu.huggingface.visibility import check_visibility, make_visible  # noqa: E402
from smatch_edu.network.flex import flex_attention_over  # noqa: E402

SMALL = {
    "vocab_size": 97,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 128,
}
NO_KEYS = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": None}
GROUPED = {**SMALL, **NO_KEYS, "num_key_value_heads": 2}
HEADS = {**GROUPED, "head_dim": 8}
WINDOW = {"sliding_window": 6}
MODELS = {
    "gpt2": ("GPT2", {"vocab_size": 97, "n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 128, **NO_KEYS}),
    "llama": ("Llama", GROUPED),
    "qwen2": ("Qwen2", GROUPED),
    "qwen3": ("Qwen3", HEADS),
    "gemma2": ("Gemma2", {**HEADS, **WINDOW, "query_pre_attn_scalar": 8}),
    "mistral": ("Mistral", {**GROUPED, **WINDOW}),
    "opt": ("OPT", {**SMALL, **NO_KEYS, "ffn_dim": 64, "word_embed_proj_dim": 32}),
    "pythia": ("GPTNeoX", {**SMALL, **NO_KEYS}),
    "phi": ("Phi", GROUPED),  # its head has a bias
}
REFUSED = {
    "recurrent": ("Mamba", {"vocab_size": 97, "hidden_size": 32, "num_hidden_layers": 2}),
    "positions of its own": ("Bloom", {"vocab_size": 97, "hidden_size": 32, "n_layer": 2, "n_head": 4}),
}


def model_of(rng, name, options):
    """With random weights large enough that everything matters."""
    torch.manual_seed(int(rng.integers(2**31)))
    kind = getattr(transformers, f"{name}ForCausalLM", None) or getattr(transformers, f"{name}LMHeadModel")
    made = kind(getattr(transformers, f"{name}Config")(**options)).eval()
    with torch.no_grad():
        for part in made.parameters():
            if part.ndim > 1:
                part.normal_(std=0.25)
    return made


@pytest.mark.parametrize("kind", MODELS)
def test_a_packed_pass_has_the_logits_of_every_text_alone(rng, kind):
    """Sliding windows, caps on scores and shared heads of keys included."""
    model = model_of(rng, *MODELS[kind])
    before = model.config._attn_implementation
    make_visible(model)
    assert check_visibility(model, before, seed=int(rng.integers(2**31))) < 1e-4


def test_gemma_3_with_its_two_kinds_of_layers(rng):
    config = transformers.Gemma3TextConfig(**{**HEADS, **WINDOW, "query_pre_attn_scalar": 8})
    torch.manual_seed(int(rng.integers(2**31)))
    model = transformers.Gemma3ForCausalLM(config).eval()
    make_visible(model)
    assert check_visibility(model, "eager", seed=int(rng.integers(2**31))) < 1e-4


def test_without_expires_a_model_is_as_it_was(rng):
    """Padding on the left included."""
    model = model_of(rng, *MODELS["llama"])
    tokens = torch.from_numpy(rng.integers(97, size=(3, 9)))
    mask = (torch.arange(9) >= torch.tensor([[0], [2], [5]])).long()
    with torch.no_grad():
        wanted = model(tokens, attention_mask=mask).logits
        found = make_visible(model)(tokens, attention_mask=mask).logits
    torch.testing.assert_close(found[mask.bool()], wanted[mask.bool()], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", ["gpt2", "llama", "gemma2"])
def test_the_kernel_of_a_gpu_sees_the_same(rng, monkeypatch, kind):
    """FlexAttention, as it is without a GPU; layers with a window or a cap are left to the mask."""
    monkeypatch.setattr("smatch_edu.network.flex._compiled", lambda: flex_attention)
    model = make_visible(model_of(rng, *MODELS[kind]))
    tokens, depths = torch.from_numpy(rng.integers(97, size=(2, 12))), torch.tensor([[*range(6), *range(3, 9)]] * 2)
    given = {"position_ids": depths, "depths": depths, "expires": torch.tensor([[99] * 3 + [6] * 3 + [99] * 6] * 2)}
    with torch.no_grad():
        wanted = model(tokens, **given).logits
        found = model(tokens, **given, over=flex_attention_over(given["expires"])).logits
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", REFUSED)
def test_a_model_that_does_not_see_what_it_should_is_refused_and_left_as_it_was(rng, kind):
    model = model_of(rng, *REFUSED[kind])
    before = model.config._attn_implementation
    with pytest.raises(ValueError, match=r"does not see what it should.*standard deviations off.*number \d of 2"):
        make_visible(model)
    assert model.config._attn_implementation == before


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_a_wrong_mask_is_found(rng, monkeypatch, kind):
    """The self-test can fail: a causal mask, which lets deleted tokens be seen; in numbers of few digits, too."""
    model = model_of(rng, *MODELS["llama"]).to(kind)
    monkeypatch.setattr(
        "smatch_edu.huggingface.visibility._seen",
        lambda expires, depths, window: torch.ones(*expires.shape, expires.shape[1]).tril().bool(),
    )
    with pytest.raises(ValueError, match="number 1 of 3"):
        make_visible(model)


def test_a_saved_model_opens_without_this_package(rng, tmp_path):
    model = make_visible(model_of(rng, *MODELS["llama"]))
    model.save_pretrained(tmp_path)
    again = transformers.AutoModelForCausalLM.from_pretrained(tmp_path)
    assert again.config._attn_implementation in ("sdpa", "eager")
    tokens = torch.from_numpy(rng.integers(97, size=(2, 9)))
    with torch.no_grad():
        torch.testing.assert_close(again(tokens).logits, model(tokens).logits, atol=1e-5, rtol=1e-5)
