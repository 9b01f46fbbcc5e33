"""A language model that can press `<backspace>`: the key in its vocabulary, and typing with it.

The library's `generate` asks a model for hidden vectors under an attention that is handed in, and for logits. So its
sampler, its stack-shaped cache and its free deletions serve any model here, and nothing is written again.

Source: this project's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from smatch_edu.huggingface.policy import LanguageModelPolicy, TokenIds
from smatch_edu.network.batch import Trace
from smatch_edu.network.generation import generate
from smatch_edu.network.transformer import Attend, TransformerConfig

BACKSPACE = "<backspace>"


def add_backspace(model: Any, tokenizer: Any) -> int:
    """Give a model and its tokenizer the key, if they do not have it yet; its id.

    Its rows, in the embedding and in the head, begin as the mean of all others: so it is pressed about as often as an
    average token, and means nothing yet.

    Raises:
        ValueError: the tokenizer has no end token; or the word is in its vocabulary already, and is no special token.
    """
    if tokenizer.eos_token_id is None:
        raise ValueError("the tokenizer has no end token (eos_token); a text could never be finished")
    known = tokenizer.get_vocab()
    if BACKSPACE in known and known[BACKSPACE] not in _special(tokenizer):
        raise ValueError(f"{BACKSPACE} is in the vocabulary already, as id {known[BACKSPACE]}, and is no special token")
    if BACKSPACE not in known:
        tokenizer.add_tokens([BACKSPACE], special_tokens=True)
    key = int(tokenizer.convert_tokens_to_ids(BACKSPACE))
    rows = model.get_input_embeddings().weight.shape[0]
    if key >= rows:
        model.resize_token_embeddings(key + 1, mean_resizing=False)
        ends = (model.get_input_embeddings(), model.get_output_embeddings())
        tables = {part.weight.data_ptr(): part.weight for part in ends}  # one, where they are tied
        with torch.no_grad():
            for table in tables.values():
                table[rows:] = table[:rows].float().mean(dim=0).to(table.dtype)
    return key


def token_ids(model: Any, tokenizer: Any) -> TokenIds:
    """What can be pressed: all tokens of the tokenizer but its special ones; rows of the embedding beyond it never."""
    size = model.get_input_embeddings().weight.shape[0]
    key = int(tokenizer.convert_tokens_to_ids(BACKSPACE))
    unused = range(len(tokenizer), size)
    return TokenIds(size, int(tokenizer.eos_token_id), key, [*_special(tokenizer), *unused])


def _special(tokenizer: Any) -> set[int]:
    """Ids of all special tokens, whatever they are for."""
    added = tokenizer.added_tokens_decoder.items()
    return {*tokenizer.all_special_ids, *(number for number, token in added if token.special)}


class TypingModel(nn.Module):
    """A policy as `generate` wants it (`network.decoding.Model`).

    Raises:
        ValueError: layers with a sliding window, or a cap on scores, which the cache does not have.
    """

    def __init__(self, policy: LanguageModelPolicy) -> None:
        super().__init__()
        self.policy, shape = policy, policy.model.config.get_text_config()
        for name in ("sliding_window", "attn_logit_softcapping"):
            given = getattr(shape, name, None)
            if given and (name != "sliding_window" or getattr(shape, "use_sliding_window", True)):
                raise ValueError(f"{type(policy.model).__name__} has {name} {given}; typing with it is not built")
        heads = shape.num_attention_heads
        keys = getattr(shape, "num_key_value_heads", None) or heads
        head = getattr(shape, "head_dim", None) or shape.hidden_size // heads
        layers, longest = shape.num_hidden_layers, policy.keys.max_length
        self.config = TransformerConfig(policy.keys.num_actions, layers, keys, keys * head, longest)

    def hidden(self, tokens: Tensor, positions: Tensor, attend: Attend) -> Float[Tensor, "rows inputs width"]:
        given = {"position_ids": positions, "attend": attend, "use_cache": False}
        return self.policy.model.base_model(self.policy.theirs[tokens], **given).last_hidden_state

    def logits(self, hidden: Float[Tensor, "*texts width"]) -> Float[Tensor, "*texts actions"]:
        return self.policy.head(hidden)


class Typed(NamedTuple):
    """Answers as text, and what was typed for each, in the library's ids."""

    texts: list[str]
    traces: list[Trace]


def generate_with_backspace(
    policy: LanguageModelPolicy,
    tokenizer: Any,
    prompts: Sequence[str],
    **options: Any,
) -> Typed:
    """Let a language model type after each prompt, deleting where it wants to.

    Args:
        options: those of `network.generate`: max_actions, temperature, top_k, top_p, greedy, noise, seed, batch_size.
            Special tokens are never typed.
    """
    ids = policy.ids
    given = [ids.ours(tokenizer(prompt)["input_ids"]).tolist() for prompt in prompts]
    banned = [*range(ids.num_keys, ids.eos), *options.pop("banned", ())]
    found = generate(TypingModel(policy), given, ids.eos, ids.backspace, banned=banned, **options)
    return Typed([tokenizer.decode(ids.theirs[trace.text].tolist()) for trace in found.traces], found.traces)
