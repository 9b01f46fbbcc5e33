"""`Decoder` once more, in C: several times as fast for small models, where there is a C compiler.

What it computes is in `compiled.c`, to be read beside `transformer.Block`. Here it is compiled, which takes about a
second, once in a process; and weights are laid out as it reads them.

Source: this project's.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from ctypes import CDLL, c_float, c_int, c_void_p
from functools import cache
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from smatch_edu.decoding import Decoder, StackCache
from smatch_edu.transformer import Block, Transformer, turns

PANEL = 32  # as in compiled.c: so many columns of a weight matrix lie together


class CompiledDecoder:
    """`Decoder` with its step in C. A row's numbers do not depend on its neighbours, not even their last bits.

    Raises:
        ValueError: a model that `Decoder` does not fit, or that is not float32 on a CPU.
        RuntimeError: no C compiler, or one that fails.
    """

    def __init__(self, model: Transformer, cache: StackCache) -> None:
        if not Decoder.fits(model):
            raise ValueError("compiled=True reads a Transformer as it is written, without other layers or hooks")
        for name, part in model.named_parameters():
            if part.dtype != torch.float32 or not part.is_cpu:
                raise ValueError(f"compiled=True reads float32 on a CPU; {name} is {part.dtype} on {part.device}")
        self.step, self.cache, self.config = library().step, cache, model.config
        everywhere, head = torch.arange(cache.stored.shape[-2])[None], cache.stored.shape[-1]
        self.turns = torch.cat(turns(everywhere, head, torch.float32), dim=-1).contiguous()  # (1, 1, length, head)
        self.embedding = model.embedding.weight.contiguous()
        self.weights = []
        for block in cast("list[Block]", list(model.blocks)):
            for norm, *linear in (
                (block.norm_attention, block.to_qkv, block.from_heads),
                (block.norm_perceptron, block.widen, block.narrow),
            ):
                self.weights += [norm.weight.contiguous(), norm.bias.contiguous()]
                self.weights += [part for layer in linear for part in _panels(layer)]
        self.weights += [model.norm.weight.contiguous(), model.norm.bias.contiguous()]
        self.addresses = (c_void_p * len(self.weights))(*(part.data_ptr() for part in self.weights))
        self.epsilon = model.norm.eps

    def reorder(self, cache: StackCache) -> None:
        """The keys in the cache stay as the transformer writes them."""

    def hidden(self, tokens: Tensor, depths: Tensor) -> Tensor:
        """(rows,), (rows,) → (rows, width)."""
        stored, width, threads = self.cache.stored, self.config.width, torch.get_num_threads()
        layers, _, rows, heads, length, head = stored.shape
        assert stored.is_contiguous() and tokens.dtype == depths.dtype == torch.int64  # C would write anywhere
        assert tokens.shape == depths.shape == (rows,) and tokens.max() < len(self.embedding) and depths.max() < length
        scratch, hidden = stored.new_empty(rows, 10 * width + length), stored.new_empty(rows, width)
        arrays = (tokens.contiguous(), depths.contiguous(), self.embedding, self.turns)
        self.step(
            *(rows, layers, heads, head, length, threads),
            self.epsilon,
            *(part.data_ptr() for part in arrays),
            self.addresses,
            *(part.data_ptr() for part in (stored, scratch, hidden)),
        )
        return hidden


def _panels(layer: nn.Linear) -> tuple[Tensor, Tensor]:
    """Weights (panels, in, PANEL) and bias (panels · PANEL), with zeros where the last panel is not full."""
    missing = -layer.out_features % PANEL
    weight = F.pad(layer.weight, (0, 0, 0, missing))
    return rearrange(weight, "(c p) i -> c i p", p=PANEL).contiguous(), F.pad(layer.bias, (0, missing)).contiguous()


@cache
def library() -> CDLL:
    """What `compiled.c` becomes. The compiler is `cc`, or what the environment's CC says.

    Raises:
        RuntimeError: there is none, or it fails.
    """
    compiler = shlex.split(os.environ.get("CC", "")) or ["cc"]
    always = ["-O3", "-fno-math-errno", "-fno-trapping-math", "-fopenmp-simd", "-fPIC", "-shared"]
    with tempfile.TemporaryDirectory(prefix="smatch_edu_") as folder:
        made = str(Path(folder, "compiled.so"))
        # Some compilers have no threads, or don't know the machine that they are on: then it is done without.
        for also in (["-march=native", "-fopenmp"], ["-march=native"], []):
            command = [*compiler, *always, *also, str(Path(__file__).with_suffix(".c")), "-o", made, "-lm"]
            try:
                subprocess.run(command, check=True, stderr=subprocess.PIPE, text=True)
                loaded = CDLL(made)
            except subprocess.CalledProcessError as failed:
                why = failed.stderr.strip()
            except OSError as error:
                why = str(error)  # no compiler; or no threads, or no leave to run what is in this folder
            else:
                loaded.step.argtypes = [*[c_int] * 6, c_float, *[c_void_p] * 8]
                loaded.step.restype = None
                return loaded
    raise RuntimeError(
        "compiled=True needs a C compiler: install gcc or clang, or name yours in the environment variable CC. "
        f"{shlex.join(command)} failed: {why}"
    )
