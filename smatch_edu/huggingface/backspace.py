"""The `<backspace>` key in a model's vocabulary, and what else can be pressed.

Source: Cundy & Ermon 2023.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch

from smatch_edu.huggingface.policy import TokenIds

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
    if key >= rows or BACKSPACE not in known:  # a row may have been to spare, with anything in it
        ends = (model.get_input_embeddings(), model.get_output_embeddings())
        tables = {part.weight.data_ptr(): part.weight for part in ends}  # one, where they are tied
        if getattr(ends[1], "bias", None) is not None:
            tables[0] = ends[1].bias
        with torch.no_grad():
            for table in tables.values():
                table[min(key, rows) : key + 1] = table[: min(key, rows)].float().mean(dim=0).to(table.dtype)
    return key


def prompt_ids(tokenizer: Any, text: str) -> list[int]:
    """The tokens of a prompt, at least one: of an empty one the tokenizer's first token, or else its end, as GPT-2
    begins a text. An end that the tokenizer puts behind every text is left out."""
    ids = list(tokenizer(text)["input_ids"])
    if ids and ids[-1] == tokenizer.eos_token_id and not text.endswith(tokenizer.eos_token):
        ids.pop()
    if ids:
        return ids
    return [tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id]


def token_ids(model: Any, tokenizer: Any, typed: Iterable[int] | None = None) -> TokenIds:
    """What can be pressed: all tokens of the tokenizer but its special ones; rows of the embedding beyond it never.

    Args:
        typed: the tokenizer's ids of the tokens on the keyboard, if it has not all of them.
    """
    size = model.get_input_embeddings().weight.shape[0]
    key = int(tokenizer.convert_tokens_to_ids(BACKSPACE))
    never = {*_special(tokenizer), *range(len(tokenizer), size)}
    if typed is not None:
        never |= set(range(size)) - {*typed} - {key}
    return TokenIds(size, int(tokenizer.eos_token_id), key, never)


def _special(tokenizer: Any) -> set[int]:
    """Ids of all special tokens, whatever they are for."""
    added = tokenizer.added_tokens_decoder.items()
    return {*tokenizer.all_special_ids, *(number for number, token in added if token.special)}
