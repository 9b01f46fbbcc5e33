"""Generation with a backspace key that costs nothing.

Keys and values are written at each row's own depth of text, like a stack. So `<backspace>` only lowers a pointer: the
text under it is the one that was there before, its keys, values and last hidden vector are still in place, and the next
action is chosen from them at once, without a forward pass. Each row of a batch backtracks on its own.

Read `generate` first, then the two ways to choose, `_sample` and `_search`. Texts and what is known of
them are in `batch`, the cache in `decoding`.

Source: Cundy & Ermon 2023; that a deletion needs no pass is this project's. Su et al. 2022 (contrastive search).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from smatch_edu.network.batch import TextBatch, Trace, checked_prompts
from smatch_edu.network.compiled import WORTH_A_THREAD, CompiledDecoder, torch_threads
from smatch_edu.network.decoding import Model


class GenerationResult(NamedTuple):
    """Traces, one a prompt, and how many forward passes they took together."""

    traces: list[Trace]
    num_forward_passes: int


@dataclass(frozen=True)
class Sampling:
    """How an action is chosen from logits.

    Attributes:
        temperature: > 0.
        top_k: only the k likeliest, if given. For contrastive search the number of candidates, 4 if left out.
        top_p: only the likeliest that together have this probability, in (0, 1].
        greedy: always the likeliest.
        noise: η in [0, 1), the chance that the keyboard types another token than the one pressed.
        contrastive: contrastive search with this weight on repetition, in [0, 1]; see `_search`.

    Raises:
        ValueError: a number out of range, or contrastive search together with `greedy` or `top_p`.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float = 1.0
    greedy: bool = False
    noise: float = 0.0
    contrastive: float | None = None

    def __post_init__(self) -> None:
        for name, fine, wanted in (
            ("temperature", 1e-30 < self.temperature < math.inf, "positive (greedy=True takes the likeliest)"),
            ("top_k", self.top_k is None or _whole(self.top_k, 1), "a whole number, at least 1"),
            ("top_p", 0 < self.top_p <= 1, "in (0, 1]"),
            ("noise", 0 <= self.noise < 1, "in [0, 1)"),
            ("contrastive", self.contrastive is None or 0 <= self.contrastive <= 1, "in [0, 1]"),
        ):
            if not fine:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be {wanted}")
        if self.contrastive is not None and (self.greedy or self.top_p < 1):
            raise ValueError("contrastive search takes top_k and temperature, but neither greedy nor top_p")

    def log_probabilities(self, logits: Tensor) -> Tensor:
        """(rows, actions) → the log of the distribution that is chosen from; -∞ for what is left out."""
        logits = logits.float()
        if self.temperature != 1:
            logits = (logits - logits.amax(dim=1, keepdim=True)) / self.temperature
        if self.top_k is not None and self.top_k < logits.shape[1] and self.contrastive is None:
            least = logits.topk(self.top_k, dim=1).values[:, -1:]
            logits = logits.masked_fill(logits < least, -math.inf)
        if self.top_p < 1:
            ordered, order = logits.sort(dim=1, descending=True)
            before = ordered.softmax(dim=1).cumsum(dim=1) - ordered.softmax(dim=1)
            dropped = torch.zeros_like(before, dtype=torch.bool).scatter(1, order, before >= self.top_p)
            logits = logits.masked_fill(dropped, -math.inf)
        return F.log_softmax(logits, dim=1)


@torch.no_grad()
def generate(
    model: Model,
    prompts: Sequence[Any] | np.ndarray | Tensor,
    eos: int | None,
    backspace: int | None = None,
    max_actions: int = 256,
    temperature: float = 1.0,
    seed: Any = 0,
    *,
    top_k: int | None = None,
    top_p: float = 1.0,
    greedy: bool = False,
    noise: float = 0.0,
    contrastive: float | None = None,
    max_length: int | None = None,
    banned: Sequence[int] = (),
    batch_size: int | None = None,
    compiled: bool = False,
) -> GenerationResult:
    """Let the model type after each prompt, deleting where it wants to.

    A row's result depends on its prompt, the seed and its number, and not on the other rows (unless two numbers
    that decide, a chance and a border or two scores, differ by less than about 1e-5: sums over a batch may round
    differently).

    Args:
        model: see `Model`.
        prompts: rows of ids (lists, arrays or tensors), at least one each, of any lengths.
        eos, backspace: their ids; None if there is no such key.
        max_actions: after so many a row ends, also one that types and deletes for ever.
        seed: a whole number ≥ 0 for all rows, which then differ by their numbers; or one for each row.
        max_length: longest text, prompt included; the model's if left out. There only `<eos>` and `<backspace>` are
            legal.

        banned: ids that may stand in a prompt and are never typed: a start sign, or `<backspace>`, to see what a model
            does without it.
        batch_size: how many rows are typed at once; the others wait until some have ended, so that memory grows with it
            and not with the number of prompts. All at once if left out.
        compiled: whether the passes that read one token a row are made in C (see `compiled.py`), for a `Transformer` of
            float32 on a CPU. A C compiler must be there; compiling takes a second, once in a process. Rows type the
            same; in batches of more than 8, some wait a pass after deleting, so that there are a few passes more. Where
            other work runs on the machine, too, PyTorch's threads wait for one another many times as long as they
            compute: there this helps most, and without it `torch.set_num_threads(1)` does.

        The rest is that of `Sampling`. Who chooses without chance (greedy or contrastive, no noise) and deletes comes
        back to the same text and does the same again, until max_actions.

    Raises:
        ValueError: an empty prompt, an id outside the vocabulary, a prompt that is too long, a number out of range, or
            logits that are NaN or infinite, with the row and action; or `compiled` for another model, or together with
            contrastive search, whose passes read several candidates.
        RuntimeError: `compiled` without a C compiler.
    """
    sampling = Sampling(temperature, top_k, top_p, greedy, noise, contrastive)
    longest = model.config.max_length if max_length is None else max_length
    if longest > model.config.max_length:
        raise ValueError(f"max_length is {longest}; the model has positions for {model.config.max_length}")
    if not _whole(max_actions, 1):
        raise ValueError(f"max_actions is {max_actions}; a whole number, at least 1, was wanted")
    if batch_size is not None and not _whole(batch_size, 1):
        raise ValueError(f"batch_size is {batch_size}; a whole number, at least 1, or None was wanted")
    if compiled and contrastive is not None:
        raise ValueError("compiled=True reads one input a row; contrastive search has several")
    texts = checked_prompts(prompts, (eos, backspace), model.config.vocab_size, longest)
    seeds: Any = np.asarray(seed)
    if seeds.dtype.kind not in "iu" or seeds.shape not in ((), (len(texts),)) or (seeds < 0).any():
        raise ValueError(f"seed is {seed}; a whole number ≥ 0, or one for each of {len(texts)} prompts, was wanted")
    if not seeds.shape:
        seeds = [[int(seeds), row] for row in range(len(texts))]
    chances = np.stack([np.random.default_rng(one).random((max_actions, 3)) for one in seeds])
    width = 0 if contrastive is None else top_k or 4
    threads, at_once = torch.get_num_threads(), batch_size or len(texts)
    # PyTorch's threads spin between two passes, on processors that the next pass in C needs, or another process. So
    # there is one where the logits, the only large product beside the passes, are not worth two.
    alone = compiled and at_once * model.config.vocab_size * model.config.width < 2 * WORTH_A_THREAD
    with torch_threads(1 if alone else threads):
        batch = TextBatch(
            model, texts, (eos, backspace), banned, longest, max_actions, at_once, width, compiled, threads
        )
        (_sample if contrastive is None else _search)(batch, _Keyboard(batch, chances, noise), sampling)
    return GenerationResult(batch.traces(), batch.num_forward_passes)


def _sample(batch: TextBatch, keyboard: _Keyboard, sampling: Sampling) -> None:
    """Draw actions until every row has ended. One pass reads what all rows have typed.

    Rows that delete come round again: the text below is known already. But a pass in C costs only a few such rounds; so
    there, when they are fewer than an eighth of the rows that grew, they wait for the pass that those need anyway."""
    live, waits = batch.admit(np.arange(0)), isinstance(batch.decoder, CompiledDecoder)
    while live.size:
        batch.read_tops(live)
        grown, ready = [], live
        while ready.size:
            scores = sampling.log_probabilities(batch.logits(ready))
            pressed = scores.numpy().argmax(axis=1) if sampling.greedy else keyboard.choose(ready, scores)
            grew, deleted = batch.press(ready, pressed, keyboard.type(ready, pressed), scores)
            grown.append(grew)
            ready = batch.not_stuck(deleted)
            if waits and 8 * len(ready) < sum(map(len, grown)):
                grown.append(ready)
                break
        live = batch.admit(batch.not_stuck(np.sort(np.concatenate(grown))))


def _search(batch: TextBatch, keyboard: _Keyboard, sampling: Sampling) -> None:
    """Contrastive search: of the likeliest actions v after a text x the one with the largest

        (1 - w) · p(v | x) - w · max_j cos(h_v, h_j),    h the last hidden vectors, j over the text that stands.

    p is the policy over legal actions, at the temperature. All candidates of a row are inputs of one pass: they stand
    at the same depth, see the text below, and not one another. What the chosen one wrote is kept, so that an action
    costs one pass (and a slip of the keyboard a second one). A key is no token and has no vector of its own:
    `<backspace>` is judged by the top of the text it leads to, `<eos>` by the top of the text it leaves standing, each
    compared with what is below that top (0 if nothing is).

    Source: Su et al. 2022; for the keys, this project's.
    """
    weight, live, unread = sampling.contrastive or 0.0, batch.admit(np.arange(0)), True
    while live.size:
        if unread:
            batch.read_tops(live)
        scores = sampling.log_probabilities(batch.logits(live))
        likeliest, candidates = scores.topk(min(sampling.top_k or 4, scores.shape[1]), dim=1)
        vectors, penalty = batch.read_candidates(live, candidates.numpy())
        worth = (1 - weight) * likeliest.exp() - weight * penalty
        best = worth.masked_fill(likeliest.isneginf(), -math.inf).numpy().argmax(axis=1)  # -∞ is illegal
        pressed = candidates.numpy()[np.arange(len(live)), best]
        typed = keyboard.type(live, pressed)
        batch.keep_candidates(live, best, vectors, batch.is_token[typed] & (typed == pressed))
        standing = batch.not_stuck(np.sort(np.concatenate(batch.press(live, pressed, typed, scores))))
        live = batch.admit(standing)
        unread = (typed != pressed).any() or len(live) > len(standing)


class _Keyboard:
    """What each row's chances make of it: three numbers in [0, 1) for every action, drawn before anything is typed, so
    that no other row can change them: (rows, actions, 3)."""

    def __init__(self, batch: TextBatch, chances: np.ndarray, noise: float) -> None:
        self.batch, self.chances, self.noise = batch, chances, noise
        self.letters = np.flatnonzero(batch.is_token & batch.allowed)
        if noise and len(self.letters) < 2:
            raise ValueError(f"noise is {noise}, and there is no other token to slip to")

    def choose(self, rows: np.ndarray, scores: Tensor) -> np.ndarray:
        """The action on whose step of the ladder p_0, p_0 + p_1, ... the first chance falls."""
        ladder = scores.exp().cumsum(dim=1, dtype=torch.float64)
        # 1 - chance is in (0, 1]: at neither end is an action of probability 0 met.
        aim = (1 - self.chances[rows, self.batch.count[rows], :1]) * ladder[:, -1:].numpy()
        return torch.searchsorted(ladder, torch.from_numpy(aim))[:, 0].numpy()

    def type(self, rows: np.ndarray, pressed: np.ndarray) -> np.ndarray:
        """What appears when these keys are pressed: with probability η another token, if they are tokens."""
        if not self.noise:
            return pressed
        _, slip, which = self.chances[rows, self.batch.count[rows]].T
        shift = 1 + (which * (len(self.letters) - 1)).astype(np.int64)
        other = self.letters[(np.searchsorted(self.letters, pressed) + shift) % len(self.letters)]
        return np.where(self.batch.is_token[pressed] & (slip < self.noise), other, pressed)


def _whole(number: Any, least: int) -> bool:
    return isinstance(number, Integral) and not isinstance(number, bool) and int(number) >= least
