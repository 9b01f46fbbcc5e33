"""Attention over a trie on CUDA, with memory that grows with the inputs and not with their square.

The mask k ≤ q < expires[k] is two comparisons with a vector, which FlexAttention makes inside its kernel. It also wants
to know which blocks of 128 inputs see which: the largest and the smallest `expires` of a block tell, so that the
(inputs, inputs) matrix is never made.

Source: Dong et al. 2024 (FlexAttention).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Int
from torch import Tensor

from smatch_edu.text.packing import NEVER

if TYPE_CHECKING:
    from torch.nn.attention.flex_attention import BlockMask

BLOCK = 128  # inputs that the kernel takes together


def flex_attention_over(
    expires: Int[Tensor, "batch inputs"], device: torch.device | str | None = None
) -> Callable[[Tensor, Tensor, Tensor, int], Tensor]:
    """How queries look at keys of packed trajectories, for `Transformer.hidden`; heads of at least 16 numbers.

    Inputs are padded to whole blocks, so that lengths differ less often: torch compiles anew for each.

    Args:
        device: where the queries are, if not where `expires` is. There are some fifty small steps to a mask: on a CPU
            they take no time, and a GPU would be asked to begin each.
    """
    inputs, missing = expires.shape[1], -expires.shape[1] % BLOCK
    blocks, kernel = blocks_in_sight(F.pad(expires, (0, missing)), device), _compiled()

    def attend(queries: Tensor, keys: Tensor, values: Tensor, layer: int) -> Tensor:
        if not missing:
            return kernel(*(x.to(values.dtype) for x in (queries, keys, values)), block_mask=blocks)
        padded = (F.pad(x.to(values.dtype), (0, 0, 0, missing)) for x in (queries, keys, values))
        return kernel(*padded, block_mask=blocks)[:, :, :inputs]

    return attend


def blocks_in_sight(expires: Int[Tensor, "batch inputs"], device: torch.device | str | None = None) -> BlockMask:
    """Which blocks of queries see no key, some keys, or every key of which blocks of keys; whole blocks only.

    Above the diagonal none. Below it k ≤ q holds anyhow, and the largest and smallest `expires` of the keys decide.
    """
    from torch.nn.attention.flex_attention import BlockMask

    last = expires.clamp(max=NEVER).int()  # 32 bits are enough, and faster
    of_keys = rearrange(last, "b (blocks k) -> b 1 1 blocks k", k=BLOCK)
    first = torch.arange(0, last.shape[1], BLOCK, device=last.device)
    query, key = first[:, None], first[None, :]
    every = (key < query) & (query + BLOCK - 1 < of_keys.amin(-1))  # (batch, 1, blocks of queries, blocks of keys)
    some = ((key < query) & (query < of_keys.amax(-1)) | (key == query)) & ~every
    seen = torch.stack([some, every, some.mT, every.mT])  # the gradient of keys asks which queries see them
    counts, places = (part.to(device or last.device) for part in (seen.sum(-1, dtype=torch.int32), _ordered(seen)))
    last = last.to(counts.device)
    return BlockMask(
        seq_lengths=(last.shape[1], last.shape[1]),
        kv_num_blocks=counts[0],
        kv_indices=places[0],
        full_kv_num_blocks=counts[1],
        full_kv_indices=places[1],
        q_num_blocks=counts[2],
        q_indices=places[2],
        full_q_num_blocks=counts[3],
        full_q_indices=places[3],
        BLOCK_SIZE=(BLOCK, BLOCK),
        mask_mod=lambda batch, head, query, key: (key <= query) & (query < last[batch, key]),
    )


def _ordered(seen: Bool[Tensor, "*any blocks"]) -> Int[Tensor, "*any blocks"]:
    """The places of what is seen, in ascending order, and then of the rest: two values, sorted by counting."""
    rank = torch.where(seen, seen.cumsum(-1), seen.sum(-1, keepdim=True) + (~seen).cumsum(-1)) - 1
    places = torch.arange(seen.shape[-1], dtype=torch.int32, device=seen.device).expand_as(seen)
    return torch.empty_like(places).scatter_(-1, rank, places)


@functools.cache
def _compiled() -> Callable[..., Tensor]:
    from torch.nn.attention.flex_attention import flex_attention

    return torch.compile(flex_attention)
