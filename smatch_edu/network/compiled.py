"""`Decoder` once more, in C: about twice as fast at a million parameters, where there is a C compiler.

What it computes is in `compiled.c`, to be read beside `transformer.Block`. Here it is compiled, which takes about a
second, once in a process; and weights are laid out as it reads them. On Linux it has threads, on macOS one.

Source: this project's.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from ctypes import CDLL, c_float, c_int, c_void_p
from functools import cache
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from smatch_edu.network.decoding import Decoder, Model, StackCache
from smatch_edu.network.transformer import Block, Transformer, TransformerConfig, rotary_angles

PANEL = 32  # as in compiled.c: so many columns of a weight matrix lie together


class CompiledDecoder:
    """`Decoder` with its step in C. What a row reads depends on its own keys and values, and not on its neighbours: not
    even the last bits do.

    Raises:
        ValueError: a model that is not a `Transformer` of float32 on a CPU, with all that its config says.
        RuntimeError: no C compiler, or one that fails.
    """

    def __init__(self, model: Model, cache: StackCache) -> None:
        transformer = _checked(model)
        self.step, self.cache, self.config = library().step, cache, model.config
        length, head = cache.stored.shape[-2:]
        everywhere = torch.arange(length, device=cache.stored.device)[None]
        self.turns = torch.cat(
            rotary_angles(everywhere, head, torch.float32), dim=-1
        ).contiguous()  # (1, 1, length, head)
        self.embedding = transformer.embedding.weight.contiguous()
        parts: list[Tensor] = []
        for block in cast("list[Block]", list(transformer.blocks)):
            for norm, *linear in (
                (block.norm_attention, block.to_qkv, block.from_heads),
                (block.norm_perceptron, block.widen, block.narrow),
            ):
                parts += [norm.weight, norm.bias, *(part for layer in linear for part in _panels(layer))]
        parts += [transformer.norm.weight, transformer.norm.bias]
        self.weights = [part.detach().contiguous() for part in parts]  # kept, since C has nothing but their addresses
        self.addresses = (c_void_p * len(self.weights))(*(part.data_ptr() for part in self.weights))
        self.epsilon = transformer.norm.eps

    def reorder(self, cache: StackCache) -> None:
        """The keys in the cache stay as the transformer writes them."""

    def hidden(self, tokens: Tensor, depths: Tensor) -> Tensor:
        """(rows,), (rows,) → (rows, width). ValueError for what would let C read or write elsewhere."""
        stored, vocab = self.cache.stored, self.config.vocab_size
        layers, _, rows, heads, length, head = stored.shape
        for name, part in (("tokens", tokens), ("depths", depths)):
            if part.shape != (rows,) or part.dtype != torch.int64 or not part.is_contiguous():
                raise ValueError(f"{name} has shape {tuple(part.shape)} and {part.dtype}; {rows} of int64 were wanted")
        if not stored.is_contiguous():
            raise ValueError(f"the cache has strides {stored.stride()}; one without gaps was wanted")
        hidden = stored.new_empty(rows, self.config.width)
        scratch = stored.new_empty(rows, 10 * self.config.width + length)
        wrong = self.step(
            *(rows, layers, heads, head, length, vocab, torch.get_num_threads()),
            self.epsilon,
            *(part.data_ptr() for part in (tokens, depths, self.embedding, self.turns)),
            self.addresses,
            *(part.data_ptr() for part in (stored, scratch, hidden)),
        )
        if wrong >= 0:
            found = f"token {tokens[wrong]} at depth {depths[wrong]}"
            raise ValueError(f"row {wrong} has {found}; 0..{vocab - 1} and 0..{length - 1} were wanted")
        return hidden


def _checked(model: Model) -> Transformer:
    """The model, if C may take its numbers to be what and where its config says."""
    for name, part in model.named_parameters() if isinstance(model, nn.Module) else ():
        if part.dtype != torch.float32 or not part.is_cpu:
            raise ValueError(f"compiled=True reads float32 on a CPU; {name} is {part.dtype} on {part.device}")
    if why := Decoder.misfit(model):
        raise ValueError(f"compiled=True reads a Transformer as it is written, without other layers or hooks; {why}")
    model = cast(Transformer, model)
    found, said = _shapes(model), _shapes_of(model.config)
    for name in sorted(found | said):
        if found.get(name) != said.get(name):
            shapes = f"{name} of shape {said.get(name)}; the model's is {found.get(name)}"
            raise ValueError(f"compiled=True reads what the config says, {shapes}")
    if len(epsilons := {part.eps for part in model.modules() if isinstance(part, nn.LayerNorm)}) > 1:
        raise ValueError(f"compiled=True has one epsilon for all norms; these have {sorted(epsilons)}")
    return model


def _shapes(model: Transformer) -> dict[str, tuple[int, ...]]:
    return {name: tuple(part.shape) for name, part in model.named_parameters()}


@cache
def _shapes_of(config: TransformerConfig) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):  # no weights are drawn
        return _shapes(Transformer(config))


def _panels(layer: nn.Linear) -> tuple[Tensor, Tensor]:
    """Weights (panels, in, PANEL) and bias (panels · PANEL), with zeros where the last panel is not full."""
    missing = -layer.out_features % PANEL
    weight = F.pad(layer.weight, (0, 0, 0, missing))
    return rearrange(weight, "(c p) i -> c i p", p=PANEL).contiguous(), F.pad(layer.bias, (0, missing)).contiguous()


@cache
def library() -> CDLL:
    """`compiled.c`, compiled at the first call and loaded. The compiler is `cc`, or what the environment's CC says.

    Raises:
        RuntimeError: there is none, or it fails.
    """
    compiler = shlex.split(os.environ.get("CC", "")) or ["cc"]
    # `omp simd` is obeyed, and functions set no errno and no flag for invalid numbers, which would keep loops from it.
    always = ["-O3", "-fopenmp-simd", "-fno-math-errno", "-fno-trapping-math", "-fPIC", "-shared"]
    # On macOS PyTorch has an OpenMP of its own, and a second one would end the process.
    threads = ["-fopenmp"] if sys.platform.startswith("linux") else []
    with tempfile.TemporaryDirectory(prefix="smatch_edu_") as folder:
        made = str(Path(folder, "compiled.so"))
        # Some compilers have no threads, or don't know the machine that they are on: then it is done without.
        for also in (["-march=native", *threads], ["-march=native"], threads, []):
            command = [*compiler, *always, *also, str(Path(__file__).with_suffix(".c")), "-o", made, "-lm"]
            try:
                subprocess.run(command, check=True, stderr=subprocess.PIPE, text=True)
                loaded = CDLL(made)
            except subprocess.CalledProcessError as failed:
                why = failed.stderr.strip()
            except OSError as error:
                why = str(error)  # no compiler; or no threads, or no leave to run what is in this folder
            else:
                loaded.step.argtypes = [*[c_int] * 7, c_float, *[c_void_p] * 8]
                return loaded
    raise RuntimeError(
        "compiled=True needs a C compiler: install gcc or clang, or name yours in the environment variable CC. "
        f"{shlex.join(command)} failed: {why}"
    )
