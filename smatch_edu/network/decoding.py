"""Reading one token more: a cache that is a stack, and a faster way through the transformer for a single new input.

Source: that a deletion needs no forward pass is this project's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Protocol, cast, runtime_checkable

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn
from torch.nn.modules import module as hooks

from smatch_edu.network.transformer import Attend, Block, Blocks, Transformer, TransformerConfig, rotary_angles


@runtime_checkable
class Model(Protocol):
    """What generation needs of a model; `Transformer` has it. Its `forward` is never called."""

    config: TransformerConfig

    def hidden(self, tokens: Tensor, positions: Tensor, attend: Attend) -> Tensor:
        """(rows, inputs) → (rows, inputs, width)."""

    def logits(self, hidden: Tensor) -> Tensor:
        """(rows, width) → (rows, vocab)."""


class StackCache:
    """Keys and values of every row, by depth of text: (layers, 2, rows, heads, length, head).

    Whatever stands at or below a row's depth is valid; what stands above was deleted, and is overwritten when the row
    grows again. Deleting needs no work at all.
    """

    def __init__(self, config: TransformerConfig, rows: int, length: int, like: Tensor) -> None:
        shape = (config.num_layers, 2, rows, config.num_heads, length, config.width // config.num_heads)
        self.stored = like.new_zeros(shape)

    def copy_in(self, rows: np.ndarray, other: StackCache) -> None:
        """These rows begin with what the other cache holds."""
        self.stored[:, :, rows, :, : other.stored.shape[4]] = other.stored

    def attend(self, positions: Tensor, places: Tensor) -> Attend:
        """Write each input (rows, inputs) at its place, which is its position unless it is a mere candidate; let it see
        what is below its position, and itself."""
        index = torch.arange(int(places.max()) + 1, device=places.device)
        seen = (index < positions[:, :, None]) | (index == places[:, :, None])
        rows = torch.arange(len(places), device=places.device)[:, None]

        def attend(queries: Tensor, keys: Tensor, values: Tensor, layer: int) -> Tensor:
            # Under autocast keys are bfloat16, say. Stored in the model's own numbers they lose nothing.
            new = rearrange([keys, values], "two b h n d -> b n two h d").to(self.stored.dtype)
            self.stored[layer][:, rows, :, places] = new
            keys, values = self.stored[layer, ..., : len(index), :].to(queries.dtype)
            shared = queries.shape[1] != keys.shape[1]  # by several heads of queries, in models of other people's
            mask = rearrange(seen, "b n k -> b 1 n k")
            return F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask, enable_gqa=shared)

        return attend


class Decoder:
    """`Transformer.hidden` for one new input in each row, written out for speed on a CPU.

    The arithmetic is that of `Block.forward`, which is the one to read. What differs: weights are transposed beforehand
    to (in, out), which products with few rows read faster. Attention with one query a row is two batched products and
    one mask for all layers, where the fused one prepares for many queries. And two coordinates that a rotation turns
    together stand side by side, so that they are a complex number and a rotation is a product; the keys in the cache
    follow suit, and no product of a query and a key changes.
    """

    def __init__(self, model: Transformer, cache: StackCache) -> None:
        self.model, self.cache, self.blocks = model, cache, cast("list[Block]", list(model.blocks))
        self.heads, self.head = model.config.num_heads, cache.stored.shape[-1]
        everywhere = torch.arange(cache.stored.shape[-2], device=cache.stored.device)[None]
        cos, sin = rotary_angles(everywhere, self.head, cache.stored.dtype)
        self.turns = rearrange(torch.complex(cos, sin), "1 1 n half -> n 1 half")
        self.pairs = rearrange(torch.arange(self.head), "(two half) -> (half two)", two=2)
        order = torch.arange(3 * model.config.width).view(3, self.heads, self.head)
        order[:2] = order[:2, :, self.pairs]  # of queries and keys, not of values
        self.weights = []  # of each layer four pairs (bias, weight)
        for block in self.blocks:
            pairs = []
            for part in (block.to_qkv, block.from_heads, block.widen, block.narrow):
                bias = part.weight.new_zeros(part.out_features) if part.bias is None else part.bias
                rows = order.flatten() if part is block.to_qkv else slice(None)
                pairs.append((bias[rows], part.weight[rows].T.contiguous()))
            self.weights.append(pairs)

    @staticmethod
    def fits(model: Model) -> bool:
        """Whether the model does what is written out here, and nothing else."""
        return Decoder.misfit(model) is None

    @staticmethod
    def misfit(model: Model, kinds: Sequence[torch.dtype] = (torch.float32, torch.float64)) -> str | None:
        """What the model does that is not written out here, in words; None if nothing. Its `logits` may be any.

        Args:
            kinds: of numbers that its weights may be; of others than float32 and float64 there are no complex ones.
        """
        return next(_departures(model, kinds), None)

    def reorder(self, cache: StackCache) -> None:
        """Put the keys that the transformer wrote there in the order in which they are read here."""
        cache.stored[:, 0] = cache.stored[:, 0][..., self.pairs]

    def hidden(self, tokens: Tensor, depths: Tensor) -> Tensor:
        """(rows,), (rows,) → (rows, width). `view` instead of einops, and what all layers share is made once: at this
        size microseconds count."""
        rows, heads, head, stored = len(tokens), self.heads, self.head, self.cache.stored
        reach, length = int(depths.max()) + 1, stored.shape[4]
        x, turn = self.model.embedding(tokens), self.turns[depths]
        unseen = torch.arange(reach, device=tokens.device) > depths[:, None]
        mask = x.new_zeros(rows, reach).masked_fill_(unseen, -math.inf).repeat_interleave(heads, dim=0)[:, None]
        # Where new keys and values go, in a layer seen as a list of heads' vectors: (rows, 2 · heads).
        lines = torch.arange(2 * rows * heads, device=tokens.device).view(2, rows, heads).transpose(0, 1)
        places = lines.reshape(rows, -1) * length + depths[:, None]
        qkv, queries = x.new_empty(rows, 3 * x.shape[1]), x.new_empty(rows * heads, 1, head)
        pairs = torch.view_as_complex(qkv.view(rows, 3, heads, head // 2, 2))
        turned = torch.view_as_complex(queries.view(rows, heads, head // 2, 2))
        new_keys, new = pairs[:, 1], qkv.view(rows, 3 * heads, head)[:, heads:]
        for block, weights, layer in zip(self.blocks, self.weights, stored, strict=False):
            to_qkv, from_heads, widen, narrow = weights
            torch.addmm(to_qkv[0], block.norm_attention(x), to_qkv[1], out=qkv)
            torch.mul(pairs[:, 0], turn, out=turned)  # `apply_rotary`
            new_keys.mul_(turn)
            layer.view(-1, head).index_put_((places,), new)
            keys, values = layer.view(2, rows * heads, length, head)[:, :, :reach]
            scores = torch.baddbmm(mask, queries, keys.mT, alpha=head**-0.5)
            seen = torch.bmm(scores.softmax(dim=2), values).view_as(x)
            x = x + torch.addmm(from_heads[0], seen, from_heads[1])
            wide = torch.addmm(widen[0], block.norm_perceptron(x), widen[1])
            x = x + torch.addmm(narrow[0], F.gelu(wide, approximate="tanh"), narrow[1])
        return self.model.norm(x)


# The methods that `Decoder` writes out, as they are when this is imported. Who replaces one wants it to be called.
HIDDEN, PASS = Transformer.hidden, Blocks.forward
METHODS = {kind: (kind.forward, kind.__call__) for kind in (Block, nn.Embedding, nn.LayerNorm, nn.Linear)}
NORMS, LINEARS = ("norm_attention", "norm_perceptron"), ("to_qkv", "from_heads", "widen", "narrow")  # of a block


def _departures(model: Model, kinds: Sequence[torch.dtype]) -> Iterator[str]:
    """In what a model departs from a transformer as it is written."""
    if not isinstance(model, Transformer):
        yield f"the model is a {type(model).__name__}"
        return
    if type(model).hidden is not HIDDEN or "hidden" in vars(model):
        yield "the model has another `hidden`"
    if Blocks.forward is not PASS or (isinstance(model.blocks, Blocks) and "forward" in vars(model.blocks)):
        yield "blocks has another `forward`"
    written: dict[str, type[nn.Module]] = {"embedding": nn.Embedding, "norm": nn.LayerNorm, "blocks": Blocks}
    for block in (f"blocks.{number}" for number, _ in enumerate(model.blocks)):
        written |= {block: Block} | {f"{block}.{name}": nn.LayerNorm for name in NORMS}
        written |= {f"{block}.{name}": nn.Linear for name in LINEARS}
    parts = dict(model.named_modules(remove_duplicate=False))
    for name, kind in written.items():
        part = parts.get(name)
        if type(part) is not kind:  # a parametrised part, or one with LoRA, has a class of its own
            yield f"{name} is a {type(part).__name__}"
        elif kind in METHODS and (
            (kind.forward, kind.__call__) != METHODS[kind] or any(callable(own) for own in vars(part).values())
        ):
            yield f"{name} has another `forward`"
    for name, part in parts.items():
        if part._forward_hooks or part._forward_pre_hooks:
            yield f"a hook listens to {name or 'the model'}"
    if hooks._global_forward_hooks or hooks._global_forward_pre_hooks:
        yield "a hook listens to all modules"
    like = model.embedding.weight
    for name, weight in model.named_parameters():
        if (type(weight), weight.layout, weight.device) != (nn.Parameter, torch.strided, like.device):
            yield f"{name} is a {type(weight).__name__} on {weight.device}"
        elif weight.dtype != like.dtype or weight.dtype not in kinds:
            yield f"{name} is {weight.dtype}"
    if model.embedding.max_norm is not None:
        yield "the embedding has a max_norm"
    if torch.is_autocast_enabled(like.device.type):
        yield "autocast is on"
