"""A GPT from scratch, whose inputs say themselves where they stand and what they see.

Pre-norm blocks of attention and a two-layer perceptron, rotary positions, tied embeddings. Unlike in other GPTs a
position is an input (the depth of the text, not the index in the row), and so is visibility: that is all that
`<backspace>` needs.

    tokens (batch, inputs) → embedding (batch, inputs, width) → blocks → norm → logits (batch, inputs, vocab)

Source: Radford et al. 2019 (GPT-2: pre-norm, weight tying, initialisation); Su et al. 2021 (rotary positions).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int, Integer
from safetensors import SafetensorError
from safetensors.torch import save
from torch import Tensor, nn

from smatch_edu.network.flex import flex_attention_over
from smatch_edu.support.arrays import is_whole, read_tensors
from smatch_edu.support.files import write_atomically
from smatch_edu.text.packing import visible

# (queries, keys, values), each (batch, heads, inputs, head), and the layer's number → (batch, heads, inputs, head)
Attend = Callable[[Tensor, Tensor, Tensor, int], Tensor]


@dataclass(frozen=True)
class TransformerConfig:
    """The shape of a transformer.

    Attributes:
        vocab_size: number of actions: tokens, `<eos>`, `<backspace>`.
        num_layers, num_heads: at least 1.
        width: of the residual stream; a multiple of 2 · num_heads, since rotations turn pairs.
        max_length: the longest text, in tokens, prompt included.

    Raises:
        ValueError: a number out of range.
    """

    vocab_size: int
    num_layers: int = 4
    num_heads: int = 4
    width: int = 128
    max_length: int = 256

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not is_whole(value, 1):
                raise ValueError(f"{field.name} is {value!r}; it must be a whole number, at least 1")
            object.__setattr__(self, field.name, int(value))  # JSON knows no numbers of NumPy's
        if self.width % (2 * self.num_heads):
            raise ValueError(f"width is {self.width}; it must be a multiple of 2 · num_heads = {2 * self.num_heads}")


class Block(nn.Module):
    """x + attention(norm(x)), then x + perceptron(norm(x))."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.num_heads, width = config.num_heads, config.width
        self.norm_attention, self.norm_perceptron = nn.LayerNorm(width), nn.LayerNorm(width)
        self.to_qkv, self.from_heads = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.widen, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(
        self, x: Float[Tensor, "batch inputs width"], turn: tuple[Tensor, Tensor], attend: Attend, layer: int
    ) -> Float[Tensor, "batch inputs width"]:
        """`turn` is the cosine and sine of each input's position; `attend` knows who sees whom, in each layer."""
        queries, keys, values = rotary_heads(self.to_qkv(self.norm_attention(x)), self.num_heads, *turn)
        seen = attend(queries, keys, values, layer)  # (batch, heads, inputs, head)
        x = x + self.from_heads(rearrange(seen, "b h n d -> b n (h d)"))
        return x + self.narrow(F.gelu(self.widen(self.norm_perceptron(x)), approximate="tanh"))


class Blocks(nn.ModuleList):
    """All blocks, one after the other: the part of a pass that `compile()` is for. What it needs of positions and of
    visibility is made before, once for all blocks, and a graph would make it again in each."""

    def forward(
        self, x: Float[Tensor, "batch inputs width"], turn: tuple[Tensor, Tensor], attend: Attend
    ) -> Float[Tensor, "batch inputs width"]:
        for layer, block in enumerate(self):
            x = block(x, turn, attend, layer)
        return x


class Transformer(nn.Module):
    """Logits over actions for every input.

    Args:
        config: its shape.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocab_size, config.width)
        self.blocks = Blocks(Block(config) for _ in range(config.num_layers))
        self.norm = nn.LayerNorm(config.width)
        self.apply(self._initialise)

    def _initialise(self, module: nn.Module) -> None:
        """As GPT-2: normal, 0.02; less for the 2 · num_layers maps that add to the residual stream."""
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)
        if isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)
        if isinstance(module, Block):
            for writes in (module.from_heads, module.narrow):
                nn.init.normal_(writes.weight, std=0.02 / math.sqrt(2 * self.config.num_layers))

    def forward(
        self,
        tokens: Integer[Tensor, "batch inputs"],
        positions: Integer[Tensor, "batch inputs"] | None = None,
        visible: Tensor | None = None,
    ) -> Float[Tensor, "batch inputs vocab"]:
        """One parallel pass.

        Args:
            tokens: ids, whole numbers of any width.
            positions: depth of each input in its text; 0, 1, 2, ... if left out.
            visible: bool (batch, inputs, inputs), True where the row may attend to the column; or the integers
                `expires` (batch, inputs) of a packed trajectory, which take less memory; causal if left out.

        Raises:
            ValueError: an id outside the vocabulary, a position outside 0..max_length-1, or shapes or kinds of numbers
                that do not fit. On "meta", where there are shapes and no numbers, only those are looked at.
        """
        if positions is None:
            positions = torch.arange(tokens.shape[-1], device=tokens.device).expand_as(tokens)
        self.check(tokens, positions)
        return self.logits(self.hidden(tokens.long(), positions.long(), attention(visible, tokens.shape)))

    def hidden(
        self, tokens: Int[Tensor, "batch inputs"], positions: Int[Tensor, "batch inputs"], attend: Attend
    ) -> Float[Tensor, "batch inputs width"]:
        """The last hidden vector of every input, unchecked."""
        x = self.embedding(tokens)
        exact = torch.promote_types(x.dtype, torch.float32)  # the 8 bits of bfloat16 would turn by wrong angles
        turn = rotary_angles(positions, self.config.width // self.config.num_heads, exact)
        blocks = self.blocks if isinstance(self.blocks, Blocks) else Blocks(self.blocks)  # somebody put others there
        return self.norm(blocks(x, turn, attend))

    def logits(self, hidden: Float[Tensor, "*batch width"]) -> Float[Tensor, "*batch vocab"]:
        """The head, which is the embedding once more (weight tying)."""
        return hidden @ self.embedding.weight.T

    def check(self, tokens: Integer[Tensor, "batch inputs"], positions: Integer[Tensor, "batch inputs"]) -> None:
        """Raise a ValueError that names row, place and limit."""
        if tokens.ndim != 2 or tokens.numel() == 0 or not _whole(tokens):
            given = f"shape {tuple(tokens.shape)} and dtype {tokens.dtype}"
            raise ValueError(f"tokens has {given}; ids of shape (batch, inputs), at least one, were wanted")
        for what, values, name in (("tokens", tokens, "vocab_size"), ("positions", positions, "max_length")):
            limit = getattr(self.config, name)
            if values.shape != tokens.shape:
                raise ValueError(
                    f"{what} has shape {tuple(values.shape)}; that of tokens, {tuple(tokens.shape)}, was wanted"
                )
            if not _whole(values):
                raise ValueError(f"{what} has dtype {values.dtype}; whole numbers were wanted")
            signed = values.long()  # of uint16 and wider torch finds no smallest
            if not values.is_meta and (signed.min() < 0 or signed.max() >= limit):
                row, place = ((signed < 0) | (signed >= limit)).nonzero()[0].tolist()
                found = f"{values[row, place].item()} at row {row}, place {place}"
                raise ValueError(f"{what} has {found}; wanted 0..{limit - 1}, since {name} is {limit}")

    def num_parameters(self) -> int:
        """All of them; the tied head counts once."""
        return sum(parameter.numel() for parameter in self.parameters())

    def flops_per_token(self, length: int) -> int:
        """Floating-point operations of a forward pass per input, in a text of that many inputs; training takes 3 times
        as many. 2 for each weight that multiplies, and 2 · 2 · width · length/2 for attention in each layer."""
        width = self.config.width
        weights = self.config.num_layers * 12 * width**2 + self.config.vocab_size * width
        return 2 * weights + self.config.num_layers * 2 * width * length

    def save(self, path: str | Path) -> None:
        """Write weights and config into one safetensors file: the whole of it or, when interrupted, none."""
        write_atomically(path, save(self.state_dict(), metadata={"config": json.dumps(asdict(self.config))}))

    @classmethod
    def load(cls, path: str | Path, device: str = "cpu") -> Transformer:
        """Read what `save` wrote; the file is free again then. ValueError if it is none of ours."""
        try:
            tensors, about = read_tensors(path, device)
            config = TransformerConfig(**json.loads(about["config"]))
            with torch.device("meta"):  # no weights are drawn
                model = cls(config)
            model.load_state_dict(tensors, assign=True)
        except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise ValueError(f"{path} is not a transformer saved by this package: {error}") from None
        return model


def rotary_angles(positions: Int[Tensor, "batch inputs"], head: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """cos and sin of position · 10000^(-2i/head), each (batch, 1, inputs, head/2)."""
    speed = 10000.0 ** (-torch.arange(0, head, 2, device=positions.device, dtype=torch.float64) / head)
    angle = rearrange(positions, "b n -> b 1 n 1").double() * speed
    return torch.cos(angle).to(dtype), torch.sin(angle).to(dtype)


def apply_rotary(
    x: Float[Tensor, "*batch heads inputs head"], turn: tuple[Tensor, Tensor], to: Tensor | None = None
) -> Float[Tensor, "*batch heads inputs head"]:
    """Turn each pair (x_i, x_{i+head/2}) by its angle: a product of two turned vectors depends on the distance of their
    positions alone. What comes out is written to `to`, if given."""
    (cos, sin), (first, second), half = turn, x.to(turn[0].dtype).chunk(2, dim=-1), x.shape[-1] // 2
    turned = torch.empty_like(x, dtype=cos.dtype) if to is None else to
    turned[..., :half].copy_(first).mul_(cos).addcmul_(second, sin, value=-1)
    turned[..., half:].copy_(first).mul_(sin).addcmul_(second, cos)
    return turned.to(x.dtype)


class RotaryHeads(torch.autograd.Function):
    """(batch, inputs, 3 · width) → queries, keys and values, each (batch, heads, inputs, head), the first two turned.
    Their gradients are turned back as they are put into one tensor; autograd, left alone, would copy them twice."""

    @staticmethod
    def forward(ctx: Any, qkv: Tensor, heads: int, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        ctx.save_for_backward(cos, sin)
        parts = rearrange(qkv, "b n (three h d) -> three b h n d", three=3, h=heads)
        queries, keys = apply_rotary(parts[:2], (cos, sin))
        return queries, keys, parts[2]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        cos, sin = ctx.saved_tensors
        batch, heads, inputs, head = gradients[0].shape
        gradient = cos.new_empty(batch, inputs, 3 * heads * head)
        parts = rearrange(gradient, "b n (three h d) -> three b h n d", three=3, h=heads)
        for number in range(2):
            apply_rotary(gradients[number], (cos, -sin), to=parts[number])
        parts[2].copy_(gradients[2])
        return gradient.to(gradients[0].dtype), None, None, None


def rotary_heads(qkv: Tensor, heads: int, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """As `RotaryHeads`; written plainly where a graph is traced, whose compiler joins what follows one another."""
    if not torch.compiler.is_compiling():
        return RotaryHeads.apply(qkv, heads, cos, sin)
    queries, keys, values = rearrange(qkv, "b n (three h d) -> three b h n d", three=3, h=heads)

    def turned(x: Tensor) -> Tensor:
        first, second = x.to(cos.dtype).chunk(2, dim=-1)
        return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1).to(x.dtype)

    return turned(queries), turned(keys), values


def attention(seen: Tensor | None, shape: torch.Size, device: torch.device | str | None = None) -> Attend:
    """How queries look at keys: causally, through a bool mask, or through `expires`.

    Args:
        device: where the queries are, if not where `seen` is: on a GPU the mask is best made of an `expires` that is
            still on the CPU.
    """
    batch, inputs = shape
    if seen is not None and seen.dtype != torch.bool:
        if not _whole(seen):
            raise ValueError(f"visible has dtype {seen.dtype}; bool, or the whole numbers `expires`, was wanted")
        if seen.shape != shape:
            raise ValueError(f"expires has shape {tuple(seen.shape)}; that of tokens, {tuple(shape)}, was wanted")
        seen = seen.long()
        if torch.device(device or seen.device).type == "cuda":
            return flex_attention_over(seen, device)
        # None: nothing is deleted that could be seen
        seen = visible(seen) if seen.is_meta or bool((seen < inputs).any()) else None
    if seen is None:
        return lambda q, k, v, layer: F.scaled_dot_product_attention(q, k, v, is_causal=True)
    if seen.shape != (batch, inputs, inputs):
        raise ValueError(f"visible has shape {tuple(seen.shape)}; {(batch, inputs, inputs)} was wanted")
    mask = rearrange(seen, "b q k -> b 1 q k")
    return lambda q, k, v, layer: F.scaled_dot_product_attention(q, k, v, attn_mask=mask)


def _whole(values: Tensor) -> bool:
    """Whether a tensor has whole numbers, of any width; bool are none."""
    return not (values.is_floating_point() or values.is_complex() or values.dtype == torch.bool)
