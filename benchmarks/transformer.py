"""The transformer's speed as ratios of two things timed in one run, in pairs that alternate. `make bench` runs it.

Training: 256 actions of which 20 % are backspaces (the trie has 206 inputs with the prompt, the re-fed layout 257)
against plain causal training on 256 tokens. Generation: actions a second with 20 % backspaces against plain generation
by the same engine, and tokens a second against Hugging Face's `generate` and GPT-2 of equal size (if transformers is
installed: the [hf] extra), with the step in Python and, where there is a C compiler, with the step in C. There are two
rows of each for Hugging Face. In one all 32 texts have 128 tokens; in the other each token is `<eos>` with probability
1/64, so that texts end one by one. 256 of them are typed, up to 128 tokens each, at most 32 at once: here rows that
wait take the places of those that have ended, there 8 batches follow one another. What was sampled is what is counted,
up to each `<eos>`, and times are for 1000 tokens.

The two steps are also compared with each other: with C compiled for this processor, and as for one without AVX-512
(PyTorch goes on using it); and each beside a process that never rests. Models of about 1 M and 10 M parameters (0.86
and 9.5), random weights; medians.
"""

from __future__ import annotations

import argparse
import copy
import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from table import Table, machine, median

from smatch_edu.network import Transformer, TransformerConfig, generate
from smatch_edu.network.compiled import library
from smatch_edu.text import Trajectory, pack_batch

VOCAB, EOS, BACKSPACE = 512, 510, 511
ACTIONS = 128  # generated in each row, at most
BATCH = 32
ENDING = 1 / 64  # the share of <eos>, where texts end
SIZES = {"1 M": (4, 4, 128), "10 M": (6, 6, 366)}  # layers, heads, width


def config(size: str, max_length: int = 256) -> TransformerConfig:
    layers, heads, width = SIZES[size]
    return TransformerConfig(VOCAB, layers, heads, width - width % (2 * heads), max_length)


def paired(first: Callable[[], object], second: Callable[[], object], pairs: int) -> tuple[float, float, float]:
    """Medians of both, in seconds, and of the ratios first/second. A run that returns a float did so much: its time is
    for one of that."""
    first(), second()
    times = []
    for number in range(pairs):
        order = [(0, first), (1, second)][:: 1 if number % 2 else -1]
        taken = [0.0, 0.0]
        for place, run in order:
            start = time.perf_counter()
            done = run()
            taken[place] = (time.perf_counter() - start) / (done if isinstance(done, float) else 1.0)
        times.append(taken)
    return median([a for a, _ in times]), median([b for _, b in times]), median([a / b for a, b in times])


def demonstrations(rng: np.random.Generator, batch: int, actions: int, deletes: int) -> list[Trajectory]:
    """Trajectories of so many actions, so many of which are backspaces that each take back the token before."""
    made = []
    for _ in range(batch):
        slips = set(rng.choice(actions - 2 * deletes, size=deletes, replace=False).tolist())
        typed: list[int] = []
        for step in range(actions - 2 * deletes):
            typed.append(int(rng.integers(VOCAB - 2)))
            if step in slips:
                typed += [int(rng.integers(VOCAB - 2)), BACKSPACE]
        made.append(Trajectory(np.array([0]), np.array(typed), np.array(typed)))
    return made


def training_step(model: Transformer, batch: list[Trajectory], layout: str) -> Callable[[], None]:
    """A likelihood step on these trajectories, packing included."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4)

    def step() -> None:
        packed = pack_batch(batch, BACKSPACE, EOS, layout)
        hidden = model(packed.tokens, packed.positions, packed.expires)
        loss = F.cross_entropy(packed.at_actions(hidden).flatten(0, 1), packed.actions.flatten())
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()

    return step


def causal_step(
    model: torch.nn.Module, tokens: torch.Tensor, logits: Callable[[torch.Tensor], torch.Tensor]
) -> Callable[[], None]:
    """A plain likelihood step on rows of tokens."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4)

    def step() -> None:
        loss = F.cross_entropy(logits(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()

    return step


class Deleting(Transformer):
    """Random weights, and logits under which given shares of the actions are `<backspace>` and `<eos>`: at first, none.

    Fresh weights give logits near 0, so that a constant, added to the one of a key, sets its share. It is added in any
    case: what it costs is the same with keys and without.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__(config)
        with torch.no_grad():
            self.embedding.weight[[EOS, BACKSPACE]] = 0.0
        self.register_buffer("offsets", torch.zeros(VOCAB), persistent=False)
        self.press()

    def press(self, backspace: float = 0.0, eos: float = 0.0) -> None:
        """Set the shares of both keys."""
        for key, share in ((BACKSPACE, backspace), (EOS, eos)):
            self.offsets[key] = float(np.log((VOCAB - 2) * share / (1 - backspace - eos))) if share else -60.0

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        return super().logits(hidden) + self.offsets


def hugging_face(ours: TransformerConfig) -> torch.nn.Module | None:
    """A GPT-2 of the same shape, or None without transformers."""
    if importlib.util.find_spec("transformers") is None:
        return None
    from transformers import GPT2Config, GPT2LMHeadModel

    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=ours.vocab_size,
            n_positions=ours.max_length,
            n_embd=ours.width,
            n_layer=ours.num_layers,
            n_head=ours.num_heads,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            bos_token_id=0,
            eos_token_id=None,
            pad_token_id=0,
        )
    )


def ending(theirs: torch.nn.Module, offsets: torch.Tensor) -> torch.nn.Module:
    """The same weights, and these offsets on its logits: as the bias of its last layer, where they cost nothing."""
    found = copy.deepcopy(theirs).eval()
    found.lm_head = torch.nn.Linear(found.config.n_embd, VOCAB)
    found.lm_head.weight = found.transformer.wte.weight
    with torch.no_grad():
        found.lm_head.weight[[EOS, BACKSPACE]] = 0.0
        found.lm_head.bias.copy_(offsets)
    return found


def thousands(counts: list[int], ended: int) -> float:
    """Of tokens, if the share of `<eos>` among them is what it should be."""
    assert abs(ended / sum(counts) - ENDING) < 0.005, f"{ended} of {sum(counts)} tokens are <eos>"
    return sum(counts) / 1000


TARGETS = {"for this processor": "", "without AVX-512": "-mno-avx512f"}


@contextmanager
def compiled_for(option: str) -> Iterator[None]:
    """The step in C with this option of the compiler. RuntimeError if it does not know it."""
    before = os.environ.get("CC")
    os.environ["CC"] = f"{before or 'cc'} {option}"
    library.cache_clear()
    try:
        library()
        yield
    finally:
        os.environ.pop("CC") if before is None else os.environ.update(CC=before)
        library.cache_clear()


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """So many other processes that never rest."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--sizes", nargs="+", default=list(SIZES), choices=list(SIZES))
    arguments = parser.parse_args()
    print(machine())
    rows = Table(["what", "size", "first s", "second s", "first/second", "wanted"])

    def row(what: str, size: str, times: tuple[float, float, float], wanted: str) -> None:
        first, second, ratio = times
        rows.add(what, size, f"{first:.3f}", f"{second:.3f}", f"{ratio:.3f}", wanted)
        rows.print_last()

    steps = {"in Python": False, "in C": True}
    try:
        library()
    except RuntimeError as error:
        del steps["in C"]
        print(f"nothing is measured in C: {error}")

    rng = np.random.default_rng(0)
    for size in arguments.sizes:
        torch.manual_seed(0)
        model = Transformer(config(size, 300))
        print(f"{size}: {model.num_parameters():,} parameters")
        batch = demonstrations(rng, 8, 256, 51)
        plain = causal_step(model, torch.from_numpy(rng.integers(VOCAB - 2, size=(8, 257))), model)
        row(
            "train, trie / causal", size, paired(training_step(model, batch, "trie"), plain, arguments.pairs), "<= 0.95"
        )
        row(
            "train, re-fed / causal",
            size,
            paired(training_step(model, batch, "refeed"), plain, arguments.pairs),
            "reported",
        )
        step, packing = training_step(model, batch, "trie"), lambda batch=batch: pack_batch(batch, BACKSPACE, EOS)
        row("packing / train", size, paired(packing, step, arguments.pairs), "<= 0.02")

        prompts = [[int(token)] for token in rng.integers(VOCAB - 2, size=BATCH)]
        typist = Deleting(config(size))

        def typing(
            share: float,
            compiled: bool,
            length: int = ACTIONS,
            typist: Deleting = typist,
            prompts: list[list[int]] = prompts,
        ) -> Callable[[], object]:
            def run() -> None:
                typist.press(backspace=share)
                found = generate(typist, prompts, EOS, BACKSPACE, max_actions=length, seed=1, compiled=compiled)
                actions = [action for trace in found.traces for action in trace.actions]
                assert len(actions) == BATCH * length and abs(actions.count(BACKSPACE) / len(actions) - share) < 0.03

            return run

        for where, compiled in steps.items():
            times = paired(typing(0.0, compiled), typing(0.2, compiled), arguments.pairs)
            row(f"generate {where}, plain / 20 % backspace", size, times, ">= 1.0")

        for target, option in TARGETS.items() if "in C" in steps else ():
            for neighbours in (0, 1):
                length = ACTIONS // 8 if neighbours else ACTIONS  # PyTorch's threads can be very slow there
                what = f"generate, {BATCH} x {length} tokens, in Python / in C {target}"
                if neighbours:
                    what += ", beside a busy process"
                with ExitStack() as stack:
                    try:
                        stack.enter_context(compiled_for(option))
                    except RuntimeError:
                        print(f"nothing is measured {target}: the compiler does not know {option}")
                        break
                    stack.enter_context(busy(neighbours))
                    times = paired(typing(0.0, False, length), typing(0.0, True, length), arguments.pairs)
                    row(what, size, times, ">= 1.0")

        theirs = hugging_face(config(size))
        if theirs is None:
            print("transformers is not installed: nothing is compared with Hugging Face")
            continue
        ids = torch.tensor(prompts)

        def generate_theirs(theirs: torch.nn.Module = theirs, ids: torch.Tensor = ids) -> None:
            theirs.eval()
            with torch.no_grad():
                theirs.generate(
                    ids, attention_mask=torch.ones_like(ids), max_new_tokens=ACTIONS, do_sample=True, top_k=0
                )

        wanted = ">= 3" if size == "1 M" else ">= 1.5"
        for where, compiled in steps.items():
            times = paired(generate_theirs, typing(0.0, compiled), arguments.pairs)
            row(f"generate {where}, {BATCH} x {ACTIONS} tokens, Hugging Face / ours", size, times, wanted)

        many = rng.integers(VOCAB - 2, size=(8 * BATCH, 1))
        typist.press(eos=ENDING)
        others = ending(theirs, typist.offsets)

        def texts_that_end(compiled: bool, typist: Deleting = typist, many: np.ndarray = many) -> float:
            typist.press(eos=ENDING)
            found = generate(
                *(typist, many, EOS, BACKSPACE),
                max_actions=ACTIONS,
                seed=int(rng.integers(2**31)),
                batch_size=BATCH,
                compiled=compiled,
            ).traces
            return thousands([len(trace.actions) for trace in found], sum(trace.ended == "eos" for trace in found))

        def theirs_that_end(others: torch.nn.Module = others, many: np.ndarray = many) -> float:
            counts, ended = [], 0
            for ids in torch.from_numpy(many).split(BATCH):
                mask = torch.ones_like(ids)
                with torch.no_grad():
                    found = others.generate(
                        ids, attention_mask=mask, max_new_tokens=ACTIONS, do_sample=True, top_k=0, eos_token_id=EOS
                    )
                is_eos = (found[:, 1:] == EOS).long()  # what follows the first is padding
                counts += (is_eos.cumsum(dim=1) - is_eos == 0).sum(dim=1).tolist()
                ended += int(is_eos.sum())
            return thousands(counts, ended)

        for where, compiled in steps.items():
            times = paired(theirs_that_end, partial(texts_that_end, compiled), arguments.pairs)
            what = f"generate {where}, {len(many)} texts that end, {BATCH} at once, Hugging Face / ours"
            row(what, size, times, wanted)
        tokens = torch.from_numpy(rng.integers(VOCAB - 2, size=(8, 257)))
        other = causal_step(theirs.train(), tokens, lambda rows, theirs=theirs: theirs(rows).logits)
        row("train, Hugging Face / ours", size, paired(other, plain, arguments.pairs), ">= 1.1")


if __name__ == "__main__":
    main()
