"""The library's own transformer as a model of `transformers`, and back: it is a GPT-NeoX by another name. And its
vocabulary as a tokenizer.

Pre-norm blocks one after the other, rotations of whole heads, GELU by tanh, biases, and a head that is the embedding
once more. NeoX keeps the query, key and value of a head side by side, where ours keeps all queries, all keys, all
values; nothing else differs.

Source: Black et al. 2022 (GPT-NeoX-20B).
"""

from __future__ import annotations

from typing import Any

import torch
from einops import rearrange
from tokenizers import Tokenizer, decoders, models
from torch import Tensor
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

from smatch_edu.huggingface.backspace import BACKSPACE
from smatch_edu.network.transformer import Transformer, TransformerConfig
from smatch_edu.text.vocabulary import Vocabulary

# Ours, and theirs, in a block; and outside of blocks.
BLOCK = {
    "norm_attention": "input_layernorm",
    "norm_perceptron": "post_attention_layernorm",
    "to_qkv": "attention.query_key_value",
    "from_heads": "attention.dense",
    "widen": "mlp.dense_h_to_4h",
    "narrow": "mlp.dense_4h_to_h",
}
OUTSIDE = {"embedding": "gpt_neox.embed_in", "norm": "gpt_neox.final_layer_norm"}
WANTED: dict[str, Any] = {
    "use_parallel_residual": False,
    "rotary_pct": 1.0,
    "rope_theta": 10000.0,
    "hidden_act": "gelu_new",
    "tie_word_embeddings": True,
    "attention_bias": True,
    "layer_norm_eps": 1e-5,
    "attention_dropout": 0.0,
    "hidden_dropout": 0.0,
}


def to_hugging_face(model: Transformer, eos: int | None = None) -> GPTNeoXForCausalLM:
    """A model of `transformers` with the same weights and the same logits.

    Args:
        eos: id of `<eos>`, for its `generate`.
    """
    config = model.config
    shape = GPTNeoXConfig(
        vocab_size=config.vocab_size,
        hidden_size=config.width,
        intermediate_size=4 * config.width,
        num_hidden_layers=config.num_layers,
        num_attention_heads=config.num_heads,
        max_position_embeddings=config.max_length,
        bos_token_id=None,
        eos_token_id=eos,
        **WANTED,
    )
    found: Any = GPTNeoXForCausalLM(shape)
    found = found.to(model.embedding.weight.dtype)
    theirs = {_their_name(name): _heads(part, name, config, True) for name, part in model.state_dict().items()}
    theirs["lm_head.weight"] = theirs["gpt_neox.embed_in.weight"]
    missing, unexpected = found.load_state_dict(theirs, strict=False)
    assert not unexpected and not [name for name in missing if "weight" in name or "bias" in name]
    return found.to(model.embedding.weight.device).train(model.training)


def from_hugging_face(model: PreTrainedModel) -> Transformer:
    """The library's transformer with the weights of such a model.

    Raises:
        ValueError: another architecture, or a setting that ours does not have.
    """
    if not isinstance(model, GPTNeoXForCausalLM):
        raise ValueError(f"the model is a {type(model).__name__}; a GPTNeoXForCausalLM was wanted")
    given = model.config
    for name, wanted in WANTED.items():
        value = getattr(given, name, wanted)
        if name in ("rotary_pct", "rope_theta"):
            key = "partial_rotary_factor" if name == "rotary_pct" else name
            value = (getattr(given, "rope_parameters", None) or {}).get(key, value)
        if value != wanted and not name.endswith("dropout"):
            raise ValueError(f"{name} of the model is {value!r}; the library's transformer has {wanted!r}")
    if given.intermediate_size != 4 * given.hidden_size:
        raise ValueError(f"intermediate_size is {given.intermediate_size}; 4 · hidden_size was wanted")
    config = TransformerConfig(
        given.vocab_size,
        given.num_hidden_layers,
        given.num_attention_heads,
        given.hidden_size,
        given.max_position_embeddings,
    )
    with torch.device("meta"):
        found = Transformer(config)
    theirs = model.state_dict()
    ours = {name: _heads(theirs[_their_name(name)], name, config, False) for name in found.state_dict()}
    found.load_state_dict({name: part.detach().clone() for name, part in ours.items()}, assign=True)
    return found.train(model.training)


def tokenizer_of(vocabulary: Vocabulary) -> PreTrainedTokenizerFast:
    """A tokenizer with the same ids: a token for each character, then `<eos>` and `<backspace>`. What it does not know
    it leaves out."""
    ids = {character: number for number, character in enumerate(vocabulary.characters)}
    whole = Tokenizer(models.BPE({**ids, "<eos>": vocabulary.eos, BACKSPACE: vocabulary.backspace}, []))
    whole.decoder = decoders.Fuse()
    whole.add_special_tokens(["<eos>", BACKSPACE])
    return PreTrainedTokenizerFast(tokenizer_object=whole, eos_token="<eos>", extra_special_tokens=[BACKSPACE])


def _their_name(name: str) -> str:
    parts = name.split(".")
    if parts[0] == "blocks":
        return f"gpt_neox.layers.{parts[1]}.{BLOCK[parts[2]]}.{parts[3]}"
    return f"{OUTSIDE[parts[0]]}.{parts[1]}"


def _heads(part: Tensor, name: str, config: TransformerConfig, to_theirs: bool) -> Tensor:
    """The rows of queries, keys and values in the other's order."""
    if ".to_qkv." not in name:
        return part
    ours, theirs = "(three heads head) ...", "(heads three head) ..."
    pattern = f"{ours} -> {theirs}" if to_theirs else f"{theirs} -> {ours}"
    return rearrange(part, pattern, three=3, heads=config.num_heads)
