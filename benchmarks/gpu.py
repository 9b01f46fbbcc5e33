"""What the mask of a trie costs on a GPU, in bf16: speed, memory, generation, and whether the numbers are still right.

    python benchmarks/gpu.py                              # needs a CUDA build of torch; minutes, most of them compiling
    python benchmarks/gpu.py --sizes "10 M" --pairs 9 --out gpu.md

Texts of which 20 % of the actions are backspaces, N = 1024 inputs; weights and optimiser in bf16; medians over pairs
that alternate, first runs left out. "trie" is FlexAttention on `expires`, "causal" flash attention, "dense" a bool mask
(rows, N, N); all take the same tokens and the same loss, so only the mask differs. "plain" training is the library's,
for "compiled" `Transformer.hidden` is compiled. A section that breaks is reported, and the others still run. Without a
CUDA device the self-test runs the same functions on the CPU, small, and measures nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange, reduce
from table import Table, machine
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.attention.flex_attention import create_mask, flex_attention
from transformer import BACKSPACE, EOS, VOCAB, Deleting, demonstrations, paired

import smatch_edu.network.flex as flex
import smatch_edu.network.transformer as library
from smatch_edu.network import generate
from smatch_edu.support import check_writable, write_atomically
from smatch_edu.text import NEVER, pack_batch, visible

SIZES = {"10 M": (8, 5, 320), "100 M": (14, 12, 768)}  # layers, heads, width: heads of 64
PEAKS = {"H100 80GB HBM3": 989e12, "H200": 989e12, "A100": 312e12}  # dense bf16 FLOP/s, from NVIDIA's data sheets
HEADER = ["what".ljust(52), "size", "first", "second", "first/second", "wanted"]
NO_DEVICE = "no CUDA device: nothing was measured on a GPU; the self-test passed"
# Flash where it can be (no mask, bf16), else what takes a mask; never cuDNN, which torch may prefer.
BACKENDS = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]


@dataclass
class Bench:
    """Where, how often and how large, and the table that the sections fill."""

    device: str
    dtype: torch.dtype
    pairs: int
    inputs: int
    sizes: dict[str, tuple[int, int, int]]
    table: Table

    def row(self, what: str, size: str, numbers: Sequence[float], wanted: str) -> None:
        """Two numbers, and their ratio if there is no median of ratios."""
        first, second, ratio = numbers if len(numbers) == 3 else (*numbers, numbers[0] / (numbers[1] or float("nan")))
        self.table.add(what.ljust(52), size, f"{first:.4g}", f"{second:.4g}", f"{ratio:.3g}", wanted)
        self.table.print_last()

    def times(self, first: Callable[[], object], second: Callable[[], object], runs: int) -> tuple[float, float, float]:
        """Medians of both, in seconds a run, and of the ratios first/second. The clock stops when the GPU is done."""

        def several(run: Callable[[], object]) -> None:
            for _ in range(runs):
                run()
            if self.device == "cuda":
                torch.cuda.synchronize()

        one, other, ratio = paired(partial(several, first), partial(several, second), self.pairs)
        return one / runs, other / runs, ratio

    def model(self, size: str, kind: type[library.Transformer] = library.Transformer, inputs: int = 0) -> Any:
        torch.manual_seed(0)
        layers, heads, width = self.sizes[size]
        config = library.TransformerConfig(VOCAB, layers, heads, width, inputs or self.inputs)
        return kind(config).to(self.device, self.dtype)

    def compiled(self, run: Callable[..., Tensor], **options: Any) -> Callable[..., Tensor]:
        """By torch.compile; on the CPU only traced, which shows what cannot be compiled."""
        return torch.compile(run, **(options if self.device == "cuda" else {"backend": "eager", "fullgraph": True}))

    def trie(self, rows: int, inputs: int = 0) -> list[Tensor]:
        """tokens, positions and expires, (rows, inputs), of texts of which a fifth of the actions are backspaces."""
        pushes = (inputs or self.inputs) - 1
        made = demonstrations(np.random.default_rng(0), rows, pushes + pushes // 4, pushes // 4)
        return [part.to(self.device) for part in pack_batch(made, BACKSPACE, EOS)[:3]]


def peak_flops(name: str) -> float:
    """Of dense products in bf16; NaN if unknown, as for the slower cards and the slices that share these names."""
    slower = any(word in name for word in ("H100 PCIe", "NVL", "MIG"))
    return next((peak for card, peak in PEAKS.items() if card in name and not slower), float("nan"))


def loss(model: Any, batch: list[Tensor], mask: str, hidden: Any = None) -> tuple[Tensor, Tensor]:
    """The loss and the logits; the mask is made anew, as in each step. Unchecked, since `check` waits for the GPU."""
    tokens, positions, expires = batch
    seen = expires if mask == "trie" else visible(expires) if mask == "dense" else None
    logits = model.logits((hidden or model.hidden)(tokens, positions, library.attention(seen, tokens.shape)))
    return F.cross_entropy(logits[:, :-1].flatten(0, 1).float(), tokens[:, 1:].flatten()), logits


def training_step(model: Any, batch: list[Tensor], mask: str, hidden: Any = None) -> Callable[[], None]:
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        loss(model, batch, mask, hidden)[0].backward()
        optimiser.step()

    return step


def apart(found: Tensor, wanted: Tensor) -> float:
    """The largest difference, as a share of the largest number wanted."""
    return ((found.double() - wanted.double()).abs().max() / wanted.double().abs().max()).item()


def training(bench: Bench, size: str, rows: int = 16) -> None:
    """Tokens a second, and the fraction of the device's peak."""
    batch, peak = bench.trie(rows), peak_flops(torch.cuda.get_device_name() if bench.device == "cuda" else "")
    for how in ("plain", "compiled"):
        model = bench.model(size)
        hidden = bench.compiled(model.hidden) if how == "compiled" else None
        steps = [training_step(model, batch, mask, hidden) for mask in ("causal", "trie")]
        causal, ours, ratio = bench.times(steps[0], steps[1], 10)
        each, done = batch[0].numel(), batch[0].numel() * 3 * model.flops_per_token(bench.inputs) / peak
        bench.row(f"train, {how}, tokens/s, trie / causal", size, (each / ours, each / causal, ratio), ">= 0.9")
        bench.row(f"train, {how}, of peak, trie / causal", size, (done / ours, done / causal, ratio), "reported")


def attention_alone(bench: Bench, size: str, rows: int = 16) -> None:
    """Forward and backward of one layer's attention, and how long its mask takes to make."""
    expires, (_, heads, width) = bench.trie(rows)[2], bench.sizes[size]
    shape = (4, rows, heads, bench.inputs, width // heads)
    *qkv, upstream = torch.randn(shape, device=bench.device, dtype=bench.dtype).unbind()
    qkv = [x.requires_grad_() for x in qkv]
    make = partial(library.attention, expires, expires.shape)
    ours, causal = (
        lambda attend=attend: torch.autograd.grad(attend(*qkv, 0), qkv, upstream)
        for attend in (make(), library.attention(None, expires.shape))
    )
    bench.row("attention, seconds, causal / trie", size, bench.times(causal, ours, 50), ">= 0.9")
    bench.row("seconds, making the mask / attention", size, bench.times(make, ours, 50), "reported")


def peak_memory(run: Callable[[], object], device: str) -> float:
    """MiB in use at once, over those before; on the CPU, where torch keeps no such account, those of the result."""
    if device == "cpu":
        return getattr(run(), "nbytes", 1) / 2**20
    run()  # compiles, and lets the libraries take their workspaces
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    run()
    torch.cuda.synchronize()
    return (torch.cuda.max_memory_allocated() - before) / 2**20


def memory(bench: Bench, size: str, rows: int = 4) -> None:
    """At N, 2N and 4N inputs: of making the mask, and of a forward and backward pass with it."""
    for inputs in (bench.inputs, 2 * bench.inputs, 4 * bench.inputs):
        batch, model, where = bench.trie(rows, inputs), bench.model(size, inputs=inputs), f"N = {inputs}"
        makes = partial(library.attention, batch[2], batch[2].shape), partial(visible, batch[2])
        ours, dense = (peak_memory(make, bench.device) for make in makes)
        bench.row("MiB, making the mask, trie / dense", where, (ours, dense), "O(N) / O(N^2)")

        def once(mask: str, model: Any = model, batch: list[Tensor] = batch) -> None:
            torch.autograd.grad(loss(model, batch, mask)[0], list(model.parameters()))

        ours, dense, causal = (peak_memory(partial(once, mask), bench.device) for mask in ("trie", "dense", "causal"))
        bench.row("MiB, a pass with it, trie / dense", where, (ours, dense), "reported")
        bench.row("MiB, a pass with it, trie / causal", where, (ours, causal), "about 1")


class Decoder(nn.Module):
    """One new input a row, over keys and values by depth of text as in `StackCache`, of fixed shape: so that nothing
    waits for the CPU and one CUDA graph serves every step. They are buffers, since a graph may only change what stays
    in its place. `<backspace>` is a smaller position, and no work."""

    depths: Tensor
    row: Tensor

    def __init__(self, model: Any, rows: int, length: int) -> None:
        super().__init__()
        self.model, config, weight = model, model.config, model.embedding.weight
        for layer in range(config.num_layers):
            shape = (2, rows, length, config.num_heads, config.width // config.num_heads)
            self.register_buffer(f"layer{layer}", weight.new_zeros(shape))
        self.register_buffer("depths", torch.arange(length, device=weight.device))
        self.register_buffer("row", torch.arange(rows, device=weight.device)[:, None])

    def forward(self, tokens: Tensor, positions: Tensor) -> Tensor:
        """(rows, 1), (rows, 1) → (rows, vocab)."""
        seen = rearrange(self.depths <= positions, "b k -> b 1 1 k")

        def attend(queries: Tensor, keys: Tensor, values: Tensor, layer: int) -> Tensor:
            stored = getattr(self, f"layer{layer}")
            stored[:, self.row, positions] = rearrange([keys, values], "two b h n d -> two b n h d")
            keys, values = rearrange(stored, "two b k h d -> two b h k d")
            return F.scaled_dot_product_attention(queries, keys, values, attn_mask=seen)

        return self.model.logits(self.model.hidden(tokens, positions, attend)[:, -1])


@torch.no_grad()
def decode(step: Callable[[Tensor, Tensor], Tensor], texts: Tensor) -> Tensor:
    """The logits after each token of these texts, one after the other: (rows, length) → (rows, length, vocab)."""
    found = []
    for depth, tokens in enumerate(rearrange(texts, "b n -> n b 1").contiguous()):
        torch.compiler.cudagraph_mark_step_begin()
        found.append(step(tokens, torch.full_like(tokens, depth)).clone())  # a graph writes its next result over it
    return torch.stack(found, dim=1)


def generation(bench: Bench, size: str, rows: int = 64) -> None:
    """Actions a second of `generate`, which samples on the CPU, and of bare decoding steps, eager and compiled."""
    typist, prompts, actions = bench.model(size, Deleting), [[row] for row in range(rows)], bench.inputs // 8

    def typing(share: float) -> None:
        typist.press(backspace=share)
        generate(typist, prompts, EOS, BACKSPACE, max_actions=actions, max_length=actions + 1, seed=1)

    plain, deleting, ratio = bench.times(partial(typing, 0.0), partial(typing, 0.2), 1)
    done = rows * actions
    bench.row("actions/s, 20 % backspaces / plain", size, (done / deleting, done / plain, ratio), ">= 1")
    model, texts = bench.model(size), torch.randint(EOS, (rows, actions), device=bench.device)
    decoder, parallel = Decoder(model, rows, actions), model(texts).detach()
    for mode in ("default", "reduce-overhead") if bench.device == "cuda" else ("traced",):
        step = bench.compiled(decoder, mode=mode, fullgraph=True)
        eager, fast, ratio = bench.times(partial(decode, decoder, texts), partial(decode, step, texts), 1)
        bench.row(f"decode, tokens/s, {mode} / eager", size, (done / fast, done / eager, ratio), "reported")
        off = [apart(decode(one, texts), parallel) for one in (step, decoder)]
        bench.row(f"decode, off one parallel pass, {mode} / eager", size, off, "about 1")


def agreement(bench: Bench, size: str, rows: int = 4) -> None:
    """How far the trie's logits and gradients are off the dense mask's, beside how far those of a causal mask are."""
    for dtype in (torch.float32, torch.bfloat16):
        model, batch, found = bench.model(size).to(dtype), bench.trie(rows), {}
        for block in model.blocks:
            nn.init.normal_(block.to_qkv.weight, std=0.2)  # so that attention chooses, and a wrong mask shows
        for mask in ("trie", "causal", "dense"):
            value, logits = loss(model, batch, mask)
            slopes = torch.autograd.grad(value, list(model.parameters()))
            found[mask] = {"logits": logits.detach(), "gradients": torch.cat([slope.flatten() for slope in slopes])}
        for what, right in found["dense"].items():
            off = [apart(found[mask][what], right) for mask in ("trie", "causal")]
            bench.row(f"{what}, {dtype}, off dense, trie / causal".replace("torch.", ""), size, off, "<< 1")


SECTIONS = (training, attention_alone, memory, generation, agreement)


def flex_on_cpu() -> None:
    """What FlexAttention is given on CUDA: its mask by element and by block, and what comes out, without gradients."""
    expires, given = torch.full((3, 300), NEVER), []
    expires[1] = torch.arange(300) + 20  # whole blocks are out of sight
    expires[2, 7:] = torch.arange(7, 300) // 40 * 40 + 40  # and here they end together
    wanted, (q, k, v) = visible(expires), torch.randn(3, 3, 2, 300, 16)

    def eager(q: Tensor, k: Tensor, v: Tensor, block_mask: Any) -> Tensor:
        given.append(block_mask)
        return torch.compile(flex_attention, backend="eager")(q, k, v, block_mask=block_mask)

    with mock.patch.object(flex, "_compiled", lambda: eager), torch.no_grad():
        found = library.flex_attention_over(expires)(q, k, v, 0)
    off = apart(found, F.scaled_dot_product_attention(q, k, v, wanted[:, None]))
    expect(off < 1e-5, f"flex attention is {off:.2g} off the dense mask's")
    elements = create_mask(given[0].mask_mod, 3, 1, 300, 300, "cpu")[:, 0]
    expect(torch.equal(elements, wanted), "mask_mod is not visible(expires)")
    blocks = reduce(F.pad(wanted, (0, 84, 0, 84)).int(), "b (q i) (k j) -> b q k", "max", i=128, j=128)
    expect(torch.equal(given[0].to_dense()[:, 0].int(), blocks), "the blocks are not those in sight")


def expect(condition: bool, what: str) -> None:
    if not condition:
        raise AssertionError(f"self-test: {what}")


def self_test() -> None:
    """Every section, small, and what must hold of it on any device."""
    flex_on_cpu()
    bench = Bench("cpu", torch.float32, 2, 64, {"tiny": (2, 2, 32)}, Table(HEADER))
    for section in SECTIONS:
        section(bench, "tiny", 2)
    found = {f"{what.strip()}, {size}": (float(a), float(b)) for what, size, a, b, *_ in bench.table.rows}
    expect(len(found) == len(bench.table.rows) == 22, f"{len(found)} rows in the table")
    for n in (64, 128, 256):
        dense = found[f"MiB, making the mask, trie / dense, N = {n}"][1] * 2**20
        expect(abs(dense / (2 * n * n) - 1) < 1e-3, f"the dense mask has {dense:.0f} bytes, not N^2 for each of 2 rows")
    expect(
        max(found["decode, off one parallel pass, traced / eager, tiny"]) < 1e-5, "decoding is not the parallel pass"
    )
    for what in ("logits", "gradients"):
        trie, causal = found[f"{what}, float32, off dense, trie / causal, tiny"]
        expect(trie < 1e-5 < 1e-2 < causal, f"{what} of the trie are {trie} off the dense mask's, causal ones {causal}")
    model, batch = bench.model("tiny"), bench.trie(2)
    before, step = loss(model, batch, "dense")[0].item(), training_step(model, batch, "trie")
    for _ in range(5):
        step()
    expect(loss(model, batch, "dense")[0].item() < before, "training does not lower the loss")
    slow, fast, ratio = bench.times(partial(time.sleep, 0.02), partial(time.sleep, 0.002), 2)
    expect(0.02 <= slow < 0.1 and fast < slow / 2 and ratio > 2, f"sleeping {slow} s and {fast} s, ratio {ratio}")
    for card, peak in (("NVIDIA H200", 989e12), ("NVIDIA A100-SXM4-80GB", 312e12), ("NVIDIA H100 PCIe", None)):
        expect(peak_flops(card) == peak or (peak is None and np.isnan(peak_flops(card))), f"a wrong peak of {card}")


def measure(bench: Bench, sizes: list[str]) -> bool:
    """Fill the table; whether every section ran."""
    failed = False
    for section, size in itertools.product(SECTIONS, sizes):
        torch.compiler.reset()  # torch gives up on a function that it has compiled for 8 shapes
        torch.cuda.empty_cache()
        try:
            with sdpa_kernel(BACKENDS, set_priority=True):
                section(bench, size)
        except Exception as error:  # nobody should lose the other sections to it
            traceback.print_exc()
            bench.table.add(section.__name__, size, "failed", type(error).__name__, "", "")
            failed = True
    return not failed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--sizes", nargs="+", default=list(SIZES), choices=list(SIZES))
    parser.add_argument("--out", type=Path, help="a Markdown file for the table")
    arguments = parser.parse_args()
    if arguments.pairs < 1:
        parser.error(f"--pairs is {arguments.pairs}; at least 1 was wanted")
    if arguments.out:
        check_writable(arguments.out)
    ok, lines = True, [NO_DEVICE]
    if torch.cuda.is_available():
        name = torch.cuda.get_device_name()
        lines = [f"{name}, dense bf16 peak {peak_flops(name):.3g} FLOP/s (nan: unknown)", machine()]
        print(*lines, sep="\n")
        bench = Bench("cuda", torch.bfloat16, arguments.pairs, 1024, SIZES, Table(HEADER))
        ok = measure(bench, arguments.sizes)
        cells = [[cell.strip() for cell in row] for row in (HEADER, ["---"] * len(HEADER), *bench.table.rows)]
        lines += [""] + ["| " + " | ".join(row) + " |" for row in cells]
    else:
        with contextlib.redirect_stdout(io.StringIO()):  # times at these sizes say nothing
            self_test()
        print(NO_DEVICE)
    if arguments.out:
        write_atomically(arguments.out, "\n".join(lines) + "\n")
    sys.exit(not ok)


if __name__ == "__main__":
    main()
