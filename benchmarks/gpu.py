"""What the library costs on a GPU, in bf16: updates, generation, training, attention, memory, and whether it is right.

    python benchmarks/gpu.py                              # needs a CUDA build of torch; minutes, most of them compiling
    python benchmarks/gpu.py --sizes "10 M" --pairs 9 --out gpu.md

Sections in order of worth, each row printed as it comes; medians over pairs that alternate, first runs left out. Texts
of which 20 % of the actions are backspaces, N = 1024 inputs; weights and optimiser in bf16. "trie" is FlexAttention on
`expires`, "causal" flash attention, "dense" a bool mask (rows, N, N); all take the same tokens and the same loss, so
only the mask differs. "compiled" is `blocks.compile()`. Hugging Face's GPT-2 of the same shape stands beside where
transformers is installed. A section that breaks is reported, and the others still run. Without a CUDA device the
self-test runs the same functions on the CPU, small, and measures nothing.
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
from einops import reduce
from table import Table, machine
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.attention.flex_attention import create_mask, flex_attention
from torch.profiler import ProfilerActivity, profile
from transformer import BACKSPACE, EOS, VOCAB, Deleting, demonstrations, hugging_face, paired

import smatch_edu.network.flex as flex
import smatch_edu.network.transformer as library
from smatch_edu.network import captured, generate
from smatch_edu.support import check_writable, write_atomically
from smatch_edu.text import NEVER, TrajectoryBatch, pack_batch, visible
from smatch_edu.training import Run, TrainingConfig
from training import keep_what_is_read, likelihood_update

SIZES = {"124 M": (12, 12, 768), "10 M": (8, 5, 320)}  # layers, heads, width: heads of 64
WORDS = 50_304  # GPT-2's vocabulary, for training beside it
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
    sizes: dict[str, Any]  # by name: layers, heads and width, or what else a file's sections make a model of
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

    def config(self, size: str, inputs: int = 0, words: int = VOCAB) -> library.TransformerConfig:
        layers, heads, width = self.sizes[size]
        return library.TransformerConfig(words, layers, heads, width, inputs or self.inputs)

    def model(
        self, size: str, kind: type[library.Transformer] = library.Transformer, inputs: int = 0, words: int = VOCAB
    ) -> Any:
        torch.manual_seed(0)
        return kind(self.config(size, inputs, words)).to(self.device, self.dtype)

    @property
    def compiling(self) -> dict[str, Any]:
        """Options of torch.compile; on the CPU blocks are only traced, which shows what cannot be compiled."""
        return {"fullgraph": True} if self.device == "cuda" else {"fullgraph": True, "backend": "eager"}

    def trie(self, rows: int, inputs: int = 0) -> list[Tensor]:
        """tokens, positions and expires, (rows, inputs), of texts of which a fifth of the actions are backspaces."""
        pushes = (inputs or self.inputs) - 1
        made = demonstrations(np.random.default_rng(0), rows, pushes + pushes // 4, pushes // 4)
        tokens, positions, expires = pack_batch(made, BACKSPACE, EOS)[:3]
        return [tokens.to(self.device), positions.to(self.device), expires]


def peak_flops(name: str) -> float:
    """Of dense products in bf16; NaN if unknown, as for the slower cards and the slices that share these names."""
    slower = any(word in name for word in ("H100 PCIe", "NVL", "MIG"))
    return next((peak for card, peak in PEAKS.items() if card in name and not slower), float("nan"))


def loss(model: Any, batch: list[Tensor], mask: str) -> tuple[Tensor, Tensor]:
    """The loss and the logits; the mask is made anew of what is on the CPU, as in each step. Unchecked, since `check`
    waits for the GPU."""
    tokens, positions, expires = batch
    if mask == "theirs":
        logits = model(tokens).logits
    else:
        seen = expires if mask == "trie" else visible(expires.to(tokens.device)) if mask == "dense" else None
        logits = model.logits(model.hidden(tokens, positions, library.attention(seen, tokens.shape, tokens.device)))
    return F.cross_entropy(logits[:, :-1].flatten(0, 1).float(), tokens[:, 1:].flatten()), logits


def training_step(model: Any, batch: list[Tensor], mask: str) -> Callable[[], None]:
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        loss(model, batch, mask)[0].backward()
        optimiser.step()

    return step


def apart(found: Tensor, wanted: Tensor) -> float:
    """The largest difference, as a share of the largest number wanted."""
    return ((found.double() - wanted.double()).abs().max() / wanted.double().abs().max()).item()


def update(bench: Bench, size: str) -> None:
    """SequenceMatch on additions, all that belongs to an update, against likelihood on the same trajectories: seconds,
    how busy the GPU is, and memory. Texts of some 15 inputs, which share rows."""
    layers, heads, width = bench.sizes[size]
    config = TrainingConfig(
        family="addition",
        fresh=True,
        warmup_steps=0,
        beta_steps=1,
        steps=10_000,
        batch_tokens=16 * bench.inputs,
        num_samples=bench.inputs // 2,
        buffer_size=4 * bench.inputs,
        row_length=bench.inputs,
        num_layers=layers,
        num_heads=heads,
        width=width,
        device=bench.device,
        dtype=str(bench.dtype).removeprefix("torch."),
    )
    run, plain, read = Run(config), Run(config), list[TrajectoryBatch]()
    keep_what_is_read(run, read)

    def several() -> None:
        for _ in range(config.sample_every):
            run.update()

    def likelihood() -> None:
        for walked in read[-config.sample_every :]:
            likelihood_update(plain, walked)

    bench.row("update, seconds, SequenceMatch / likelihood", size, bench.times(several, likelihood, 1), "<= 1.3")
    bench.row(
        "update, GPU busy, SequenceMatch / likelihood",
        size,
        [busy(bench, each) for each in (several, likelihood)],
        ">= 0.7",
    )
    bench.row(
        "update, MiB, SequenceMatch / likelihood",
        size,
        [peak_memory(run.update, bench.device), peak_memory(partial(likelihood_update, plain, read[-1]), bench.device)],
        "<= 6000",
    )


def busy(bench: Bench, run: Callable[[], object]) -> float:
    """The share of a run's time in which a kernel of the GPU runs; on a CPU, in which the processor works."""
    if bench.device == "cpu":
        start, worked = time.perf_counter(), time.process_time()
        run()
        return (time.process_time() - worked) / (time.perf_counter() - start)
    with profile(activities=[ProfilerActivity.CUDA]) as profiled:
        start = time.perf_counter()
        run()
        torch.cuda.synchronize()
        taken = time.perf_counter() - start
    return sum(one.self_device_time_total for one in profiled.key_averages()) / 1e6 / taken


def training(bench: Bench, size: str, rows: int = 16) -> None:
    """Tokens a second with GPT-2's vocabulary, and the fraction of the device's peak."""
    batch, peak = bench.trie(rows), peak_flops(torch.cuda.get_device_name() if bench.device == "cuda" else "")
    each, found = batch[0].numel(), dict[str, float]()
    for how in ("plain", "compiled"):
        model = bench.model(size, words=WORDS if bench.device == "cuda" else VOCAB)
        if how == "compiled":
            model.blocks.compile(**bench.compiling)
        causal, ours, ratio = bench.times(*(training_step(model, batch, mask) for mask in ("causal", "trie")), 10)
        done = each * 3 * model.flops_per_token(bench.inputs) / peak
        bench.row(f"train, {how}, tokens/s, trie / causal", size, (each / ours, each / causal, ratio), ">= 0.9")
        bench.row(f"train, {how}, of peak, trie / causal", size, (done / ours, done / causal, ratio), ">= 0.35")
        found[how] = each / causal
    bench.row("train, tokens/s, compiled / plain", size, (found["compiled"], found["plain"]), "> 1")
    theirs = hugging_face(bench.config(size, words=WORDS if bench.device == "cuda" else VOCAB))
    for how in ("plain", "compiled") if theirs is not None else ():
        theirs = theirs.to(bench.device, bench.dtype)
        if how == "compiled":
            theirs.compile(**bench.compiling)
        step = training_step(theirs, batch, "theirs")
        seconds, _, _ = bench.times(step, step, 10)
        bench.row(f"train, {how}, tokens/s, ours / Hugging Face", size, (found[how], each / seconds), ">= 1.2")


def attention_alone(bench: Bench, size: str, rows: int = 16) -> None:
    """Forward and backward of one layer's attention, and how long its mask takes to make."""
    expires, (_, heads, width) = bench.trie(rows)[2], bench.sizes[size]
    shape = (4, rows, heads, bench.inputs, width // heads)
    *qkv, upstream = torch.randn(shape, device=bench.device, dtype=bench.dtype).unbind()
    qkv = [x.requires_grad_() for x in qkv]
    make = partial(library.attention, expires, expires.shape, bench.device)
    ours, causal = (
        lambda attend=attend: torch.autograd.grad(attend(*qkv, 0), qkv, upstream)
        for attend in (make(), library.attention(None, expires.shape))
    )
    bench.row("attention, seconds, causal / trie", size, bench.times(causal, ours, 50), ">= 0.7")
    bench.row("seconds, making the mask / attention", size, bench.times(make, ours, 50), "<= 0.3")


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
        makes = (
            partial(library.attention, batch[2], batch[2].shape, bench.device),
            partial(visible, batch[2].to(bench.device)),
        )
        ours, dense = (peak_memory(make, bench.device) for make in makes)
        bench.row("MiB, making the mask, trie / dense", where, (ours, dense), "O(N) / O(N^2)")

        def once(mask: str, model: Any = model, batch: list[Tensor] = batch) -> None:
            torch.autograd.grad(loss(model, batch, mask)[0], list(model.parameters()))

        ours, dense, causal = (peak_memory(partial(once, mask), bench.device) for mask in ("trie", "dense", "causal"))
        bench.row("MiB, a pass with it, trie / dense", where, (ours, dense), "reported")
        bench.row("MiB, a pass with it, trie / causal", where, (ours, causal), "about 1")


def generation(bench: Bench, size: str, rows: int = 64) -> None:
    """Actions a second of `generate`: with and without deletions, by a captured step and by the plain way, and beside
    Hugging Face's; and in how many rows of float32 the texts are those that are typed on the CPU."""
    typist, prompts, actions = bench.model(size, Deleting), [[row] for row in range(rows)], bench.inputs // 8
    with mock.patch.object(captured, "LOGITS", Deleting.logits):  # its offsets are tensors, and can be captured

        def typing(share: float, model: Any = typist) -> list[list[int]]:
            model.press(backspace=share)
            given = {"max_actions": actions, "max_length": actions + 1, "seed": 1}
            return [trace.actions for trace in generate(model, prompts, EOS, BACKSPACE, **given).traces]

        def plainly() -> None:
            with mock.patch.object(captured, "fits", lambda model: False):
                typing(0.0)

        done = rows * actions
        plain, deleting, ratio = bench.times(partial(typing, 0.0), partial(typing, 0.2), 1)
        bench.row("actions/s, 20 % backspaces / none", size, (done / deleting, done / plain, ratio), ">= 1")
        slow, fast, ratio = bench.times(plainly, partial(typing, 0.0), 1)
        bench.row("actions/s, captured / not", size, (done / fast, done / slow, ratio), "reported")
        exact = bench.model(size, Deleting).float()
        here, there = typing(0.2, exact), typing(0.2, exact.cpu())
        same = sum(one == other for one, other in zip(here, there, strict=True))
        bench.row("rows typed as on the CPU, float32 / all", size, (same, rows), "1")
    theirs = hugging_face(bench.config(size, actions + 1))
    if theirs is not None:
        theirs, given = theirs.to(bench.device, bench.dtype).eval(), torch.tensor(prompts, device=bench.device)

        def by_them() -> None:
            theirs.generate(given, max_new_tokens=actions, min_new_tokens=actions, do_sample=True)

        theirs_s, ours, ratio = bench.times(by_them, partial(typing, 0.0), 1)
        bench.row("actions/s, ours / Hugging Face", size, (done / ours, done / theirs_s, ratio), ">= 3")


def agreement(bench: Bench, size: str, rows: int = 4) -> None:
    """How far logits and gradients are off those of the dense mask in float64, trie and dense; and, as a yardstick, a
    causal mask. Scores of order 1, so that attention chooses and the network is not chaotic."""
    batch, exact = bench.trie(rows), bench.model(size).double()
    for block in exact.blocks:
        nn.init.normal_(block.to_qkv.weight, std=exact.config.width**-0.5)

    def looked_at(model: Any, mask: str) -> dict[str, Tensor]:
        value, logits = loss(model, batch, mask)
        slopes = torch.autograd.grad(value, list(model.parameters()))
        return {"logits": logits.detach(), "gradients": torch.cat([slope.flatten() for slope in slopes])}

    right = looked_at(exact, "dense")
    for dtype in (torch.float32, torch.bfloat16):
        model = bench.model(size).to(dtype)
        model.load_state_dict(exact.state_dict())
        found = {mask: looked_at(model, mask) for mask in ("trie", "dense", "causal")}
        for what, wanted in right.items():
            trie, dense, causal = (apart(found[mask][what], wanted) for mask in ("trie", "dense", "causal"))
            bench.row(
                f"{what}, {dtype}, off float64, trie / dense".replace("torch.", ""), size, (trie, dense), "about 1"
            )
            bench.row(
                f"{what}, {dtype}, off float64, trie / causal".replace("torch.", ""), size, (trie, causal), "<< 1"
            )


SECTIONS = (update, generation, training, attention_alone, agreement, memory)


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
        section(bench, "tiny", *([2] if section is not update else []))
    found = {f"{what.strip()}, {size}": (float(a), float(b)) for what, size, a, b, *_ in bench.table.rows}
    wanted = 30 + (3 if hugging_face(bench.config("tiny")) is not None else 0)
    expect(len(found) == len(bench.table.rows) == wanted, f"{len(found)} rows in the table")
    for n in (64, 128, 256):
        dense = found[f"MiB, making the mask, trie / dense, N = {n}"][1] * 2**20
        expect(abs(dense / (2 * n * n) - 1) < 1e-3, f"the dense mask has {dense:.0f} bytes, not N^2 for each of 2 rows")
    same, rows = found["rows typed as on the CPU, float32 / all, tiny"]
    expect(same == rows == 2, f"{same} of {rows} rows are typed as on the CPU")
    for what in ("logits", "gradients"):
        trie, causal = found[f"{what}, float32, off float64, trie / causal, tiny"]
        expect(trie < 1e-5 < 1e-2 < causal, f"{what} of the trie are {trie} off the dense mask's, causal ones {causal}")
    seconds, _ = found["update, seconds, SequenceMatch / likelihood, tiny"]
    expect(0 < seconds < 60, f"an update takes {seconds} s")
    model, batch = bench.model("tiny"), bench.trie(2)
    before, step = loss(model, batch, "dense")[0].item(), training_step(model, batch, "trie")
    for _ in range(5):
        step()
    expect(loss(model, batch, "dense")[0].item() < before, "training does not lower the loss")
    slow, fast, ratio = bench.times(partial(time.sleep, 0.02), partial(time.sleep, 0.002), 2)
    expect(0.02 <= slow < 0.1 and fast < slow / 2 and ratio > 2, f"sleeping {slow} s and {fast} s, ratio {ratio}")
    for card, peak in (("NVIDIA H200", 989e12), ("NVIDIA A100-SXM4-80GB", 312e12), ("NVIDIA H100 PCIe", None)):
        expect(peak_flops(card) == peak or (peak is None and np.isnan(peak_flops(card))), f"a wrong peak of {card}")


Sections = Sequence[Callable[[Bench, str], None]]


def measure(bench: Bench, sections: Sections, sizes: list[str]) -> bool:
    """Fill the table; whether every section ran."""
    failed = False
    for section, size in itertools.product(sections, sizes):
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


def command(about: str | None, sections: Sections, sizes: dict[str, Any], self_test: Callable[[], None]) -> None:
    """What a file of sections does when it is called, and what it says of itself."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--sizes", nargs="+", default=list(sizes), choices=list(sizes))
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
        bench = Bench("cuda", torch.bfloat16, arguments.pairs, 1024, sizes, Table(HEADER))
        ok = measure(bench, sections, arguments.sizes)
        cells = [[cell.strip() for cell in row] for row in (HEADER, ["---"] * len(HEADER), *bench.table.rows)]
        lines += [""] + ["| " + " | ".join(row) + " |" for row in cells]
    else:
        with contextlib.redirect_stdout(io.StringIO()):  # times at these sizes say nothing
            self_test()
        print(NO_DEVICE)
    if arguments.out:
        write_atomically(arguments.out, "\n".join(lines) + "\n")
    sys.exit(not ok)


def main() -> None:
    command(__doc__, SECTIONS, SIZES, self_test)


if __name__ == "__main__":
    main()
