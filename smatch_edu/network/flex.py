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
from jaxtyping import Int
from torch import Tensor

from smatch_edu.text.packing import NEVER

if TYPE_CHECKING:
    from torch.nn.attention.flex_attention import BlockMask

BLOCK = 128  # inputs that the kernel takes together


def flex_attention_over(expires: Int[Tensor, "batch inputs"]) -> Callable[[Tensor, Tensor, Tensor, int], Tensor]:
    """How queries look at keys of packed trajectories, for `Transformer.hidden`; heads of at least 16 numbers.

    Inputs are padded to whole blocks, so that lengths differ less often: torch compiles anew for each.
    """
    inputs, missing = expires.shape[1], -expires.shape[1] % BLOCK
    blocks, kernel = blocks_in_sight(F.pad(expires, (0, missing))), _compiled()

    def attend(queries: Tensor, keys: Tensor, values: Tensor, layer: int) -> Tensor:
        padded = (F.pad(x.to(values.dtype), (0, 0, 0, missing)) for x in (queries, keys, values))
        return kernel(*padded, block_mask=blocks)[:, :, :inputs]

    return attend


def blocks_in_sight(expires: Int[Tensor, "batch inputs"]) -> BlockMask:
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
    (counts, places), (all_counts, all_places) = (
        (seen.sum(-1).int(), seen.argsort(dim=-1, descending=True, stable=True).int())
        for seen in (some.int(), every.int())
    )
    return BlockMask.from_kv_blocks(
        *(counts, places, all_counts, all_places),
        BLOCK_SIZE=BLOCK,
        mask_mod=lambda batch, head, query, key: (key <= query) & (query < last[batch, key]),
    )


@functools.cache
def _compiled() -> Callable[..., Tensor]:
    from torch.nn.attention.flex_attention import flex_attention

    return torch.compile(flex_attention)
