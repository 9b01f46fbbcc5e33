"""Generation with a backspace key that costs nothing.

Keys and values are written at each row's own depth of text, like a stack. So `<backspace>` only lowers a pointer: the
text under it is the one that was there before, its keys, values and last hidden vector are still in place, and the next
action is chosen from them at once, without a forward pass. Each row of a batch backtracks on its own.

Read `generate` first, then the two ways to choose, `_sample` and `_search`. The cache is in `decoding`.

Source: Cundy & Ermon 2023; that a deletion needs no pass is this project's. Su et al. 2022 (contrastive search).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, NamedTuple, cast

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from smatch_edu.decoding import Decoder, Model, StackCache
from smatch_edu.transformer import Transformer

ENDINGS = ("eos", "max_actions", "length")
Keys = tuple[int | None, int | None]  # the ids of <eos> and <backspace>, or None where there is no such key


@dataclass(frozen=True)
class Trace:
    """What one row did.

    Attributes:
        pressed: the actions that were meant.
        actions: what was typed: another token than the pressed one where the keyboard slipped.
        log_probs: of the pressed actions, under the distribution they were chosen from.
        text: the tokens that survive, without the prompt.
        ended: "eos"; "max_actions" if it would have gone on; "length" if the text was full, and no other key there.
    """

    pressed: list[int]
    actions: list[int]
    log_probs: list[float]
    text: list[int]
    ended: str


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

        The rest is that of `Sampling`. Who chooses without chance (greedy or contrastive, no noise) and deletes comes
        back to the same text and does the same again, until max_actions.

    Raises:
        ValueError: an empty prompt, an id outside the vocabulary, a prompt that is too long, a number out of range, or
            logits that are NaN or infinite, with the row and action.
    """
    sampling = Sampling(temperature, top_k, top_p, greedy, noise, contrastive)
    longest = model.config.max_length if max_length is None else max_length
    if longest > model.config.max_length:
        raise ValueError(f"max_length is {longest}; the model has positions for {model.config.max_length}")
    if not _whole(max_actions, 1):
        raise ValueError(f"max_actions is {max_actions}; a whole number, at least 1, was wanted")
    texts = _checked(prompts, (eos, backspace), model.config.vocab_size, longest)
    seeds: Any = np.asarray(seed)
    if seeds.dtype.kind not in "iu" or seeds.shape not in ((), (len(texts),)) or (seeds < 0).any():
        raise ValueError(f"seed is {seed}; a whole number ≥ 0, or one for each of {len(texts)} prompts, was wanted")
    if not seeds.shape:
        seeds = [[int(seeds), row] for row in range(len(texts))]
    chances = np.stack([np.random.default_rng(one).random((max_actions, 3)) for one in seeds])
    width = 0 if contrastive is None else top_k or 4
    board = _Board(model, texts, (eos, backspace), banned, longest, max_actions, width)
    (_sample if contrastive is None else _search)(board, _Keyboard(board, chances, noise), sampling)
    return GenerationResult(board.traces(), board.num_forward_passes)


def _sample(board: _Board, keyboard: _Keyboard, sampling: Sampling) -> None:
    """Draw actions until every row has ended. One pass reads what all rows have typed."""
    live = board.not_stuck(np.arange(len(board.depth)))
    while live.size:
        grown, ready = [], live
        while ready.size:  # a row that deletes comes round again: the text below is known already
            scores = sampling.log_probabilities(board.logits(ready))
            pressed = scores.numpy().argmax(axis=1) if sampling.greedy else keyboard.choose(ready, scores)
            grew, deleted = board.press(ready, pressed, keyboard.type(ready, pressed), scores)
            grown.append(grew)
            ready = board.not_stuck(deleted)
        live = board.not_stuck(np.sort(np.concatenate(grown)))
        if live.size:
            board.read_tops(live)


def _search(board: _Board, keyboard: _Keyboard, sampling: Sampling) -> None:
    """Contrastive search: of the likeliest actions v after a text x the one with the largest

        (1 - w) · p(v | x) - w · max_j cos(h_v, h_j),    h the last hidden vectors, j over the text that stands.

    p is the policy over legal actions, at the temperature. All candidates of a row are inputs of one pass: they stand
    at the same depth, see the text below, and not one another. What the chosen one wrote is kept, so that an action
    costs one pass (and a slip of the keyboard a second one). A key is no token and has no vector of its own:
    `<backspace>` is judged by the top of the text it leads to, `<eos>` by the top of the text it leaves standing, each
    compared with what is below that top (0 if nothing is).

    Source: Su et al. 2022; for the keys, this project's.
    """
    weight, live = sampling.contrastive or 0.0, board.not_stuck(np.arange(len(board.depth)))
    while live.size:
        scores = sampling.log_probabilities(board.logits(live))
        likeliest, candidates = scores.topk(min(sampling.top_k or 4, scores.shape[1]), dim=1)
        vectors, penalty = board.read_candidates(live, candidates.numpy())
        worth = (1 - weight) * likeliest.exp() - weight * penalty
        best = worth.masked_fill(likeliest.isneginf(), -math.inf).numpy().argmax(axis=1)  # -∞ is illegal
        pressed = candidates.numpy()[np.arange(len(live)), best]
        typed = keyboard.type(live, pressed)
        board.keep_candidates(live, best, vectors, board.is_token[typed] & (typed == pressed))
        slipped = (typed != pressed).any()
        live = board.not_stuck(np.sort(np.concatenate(board.press(live, pressed, typed, scores))))
        if slipped and live.size:
            board.read_tops(live)


class _Keyboard:
    """What each row's chances make of it: three numbers in [0, 1) for every action, drawn before anything is typed, so
    that no other row can change them: (rows, actions, 3)."""

    def __init__(self, board: _Board, chances: np.ndarray, noise: float) -> None:
        self.board, self.chances, self.noise = board, chances, noise
        self.letters = np.flatnonzero(board.is_token & board.allowed)
        if noise and len(self.letters) < 2:
            raise ValueError(f"noise is {noise}, and there is no other token to slip to")

    def choose(self, rows: np.ndarray, scores: Tensor) -> np.ndarray:
        """The action on whose step of the ladder p_0, p_0 + p_1, ... the first chance falls."""
        ladder = scores.exp().cumsum(dim=1, dtype=torch.float64)
        # 1 - chance is in (0, 1]: at neither end is an action of probability 0 met.
        aim = torch.from_numpy(1 - self.chances[rows, self.board.count[rows], :1]) * ladder[:, -1:]
        return torch.searchsorted(ladder, aim)[:, 0].numpy()

    def type(self, rows: np.ndarray, pressed: np.ndarray) -> np.ndarray:
        """What appears when these keys are pressed: with probability η another token, if they are tokens."""
        if not self.noise:
            return pressed
        _, slip, which = self.chances[rows, self.board.count[rows]].T
        shift = 1 + (which * (len(self.letters) - 1)).astype(np.int64)
        other = self.letters[(np.searchsorted(self.letters, pressed) + shift) % len(self.letters)]
        return np.where(self.board.is_token[pressed] & (slip < self.noise), other, pressed)


class _Board:
    """The texts of all rows, what is known at every depth of them, and what was done.

    Its small numbers are NumPy's, whose calls cost less. `slots` are the rows that the cache still holds, and every
    pass feeds all of them: to read the top of a text again writes what stands there already, and is cheaper than to
    copy the others. Once half of the slots have ended they are dropped.
    """

    def __init__(
        self,
        model: Model,
        texts: list[np.ndarray],
        keys: Keys,
        banned: Sequence[int],
        longest: int,
        max_actions: int,
        candidates: int,
    ) -> None:
        self.model, self.longest, self.max_actions = model, longest, max_actions
        self.eos, self.backspace = (-1 if key is None else key for key in keys)  # -1 is never met
        self.is_token = ~np.isin(np.arange(model.config.vocab_size), [self.eos, self.backspace])
        self.allowed = ~np.isin(np.arange(model.config.vocab_size), banned)
        for key in banned:
            if not 0 <= key < len(self.allowed):
                raise ValueError(f"banned has id {key}; ids are 0..{len(self.allowed) - 1}")
        if not (self.is_token & self.allowed).any():
            raise ValueError(f"banned has all {self.is_token.sum()} tokens; one must be left to type")
        self.start = np.array([len(text) for text in texts])
        self.depth, self.slots, self.num_forward_passes = self.start.copy(), np.arange(len(texts)), 0
        self.pressed, self.typed = np.zeros((2, len(texts), max_actions), dtype=np.int64)
        self.log_probs = np.zeros((len(texts), max_actions))
        self.count, self.ended = np.zeros((2, len(texts)), dtype=np.int64)  # ended: a place in ENDINGS

        width = int(self.start.max())
        self.tokens = np.zeros((len(texts), min(longest, width + max_actions)), dtype=np.int64)
        for row, text in enumerate(texts):
            self.tokens[row, : len(text)] = text
        weights = model.parameters() if isinstance(model, nn.Module) else iter(())
        self.like = next(weights, torch.zeros(0))  # everything has its dtype, and is where it is
        self.cache = StackCache(model.config, len(texts), self.tokens.shape[1] + candidates, self.like)
        self.decoder: Decoder | None = None
        found = self._pass(self.tokens[:, :width], np.tile(np.arange(width), (len(texts), 1)))
        self.hidden = found.new_zeros(*self.tokens.shape, found.shape[2])
        self.hidden[:, :width] = found
        if Decoder.fits(model) and not candidates:
            self.decoder = Decoder(cast(Transformer, model), self.cache)

    def _pass(self, tokens: np.ndarray, positions: np.ndarray, places: np.ndarray | None = None) -> Tensor:
        """One forward pass of the slots: (slots, inputs) → (slots, inputs, width)."""
        self.num_forward_passes += 1
        ids, depths, at = (
            torch.from_numpy(part).to(self.like.device)
            for part in (tokens, positions, positions if places is None else places)
        )
        if self.decoder is not None:
            return self.decoder.hidden(ids[:, 0], depths[:, 0])[:, None]
        found = self.model.hidden(ids, depths, self.cache.attend(depths, at))
        if found.ndim != 3 or found.shape[:2] != ids.shape:
            raise ValueError(f"hidden has shape {tuple(found.shape)}; (*{tuple(ids.shape)}, width) was wanted")
        return found

    def _drop_ended(self, live: np.ndarray) -> None:
        if 2 * len(live) <= len(self.slots):
            self.cache.stored = self.cache.stored[:, :, np.searchsorted(self.slots, live)]
            self.slots = live

    def read_tops(self, live: np.ndarray) -> None:
        """One pass in which every slot reads the token on top of its text."""
        self._drop_ended(live)
        top = self.depth[self.slots] - 1
        self.hidden[self.slots, top] = self._pass(self.tokens[self.slots, top][:, None], top[:, None])[:, 0]

    def read_candidates(self, live: np.ndarray, candidates: np.ndarray) -> tuple[Tensor, Tensor]:
        """The vector by which each candidate (rows, k) is judged, and its largest cosine with those below it. One pass,
        unless no candidate is a token that has room."""
        tokens, depth = self.is_token[candidates], self.depth[live][:, None]
        below = depth - np.where(tokens, 0, np.where(candidates == self.backspace, 2, 1))
        vectors = self.hidden[live[:, None], np.minimum(below, self.hidden.shape[1] - 1)]  # right for keys
        if (tokens & (depth < self.longest)).any():
            self._drop_ended(live)
            fed = np.zeros((len(self.slots), candidates.shape[1]), dtype=np.int64)
            slots = np.searchsorted(self.slots, live)
            fed[slots] = np.where(tokens, candidates, 0)
            positions = np.minimum(self.depth[self.slots], self.longest - 1)[:, None].repeat(fed.shape[1], axis=1)
            self.scratch = self.depth[self.slots].max() + np.arange(
                fed.shape[1]
            )  # above every text, so in nobody's use
            found = self._pass(fed, positions, self.scratch + np.zeros_like(fed))[slots]
            vectors = torch.where(torch.from_numpy(tokens)[:, :, None].to(found.device), found, vectors)
        text = self.hidden[live, : int(depth.max())]
        cosines = F.normalize(vectors, dim=2) @ rearrange(F.normalize(text, dim=2), "b n w -> b w n")
        unseen = torch.from_numpy(np.arange(text.shape[1]) >= below[:, :, None])
        largest = cosines.float().cpu().masked_fill(unseen, -math.inf).amax(dim=2)
        return vectors, largest.masked_fill(torch.from_numpy(below == 0), 0.0)

    def keep_candidates(self, live: np.ndarray, best: np.ndarray, vectors: Tensor, kept: np.ndarray) -> None:
        """What was computed for these candidates is what is on top of the text once they are typed."""
        rows, chosen = live[kept], best[kept]
        slots, depth = np.searchsorted(self.slots, rows), self.depth[rows]
        if len(rows):
            self.cache.stored[:, :, slots, :, depth] = self.cache.stored[:, :, slots, :, self.scratch[chosen]]
        self.hidden[rows, depth] = vectors[np.flatnonzero(kept), chosen]

    def logits(self, rows: np.ndarray) -> Tensor:
        """Of the texts that stand now; -∞ for what is illegal. ValueError if the model's are not numbers."""
        logits = self.model.logits(self.hidden[rows, self.depth[rows] - 1]).float().cpu()
        if logits.shape != (len(rows), len(self.is_token)):
            raise ValueError(f"logits has shape {tuple(logits.shape)}; {(len(rows), len(self.is_token))} was wanted")
        if not math.isfinite(logits.sum().item()):  # a sum is cheaper than a look at each
            for row in rows[~logits.isfinite().all(dim=1).numpy()]:
                raise ValueError(f"row {row} has NaN or infinite logits at action {self.count[row]}; is it trained?")
        return torch.where(torch.from_numpy(self.legal(rows)), logits, -math.inf)

    def legal(self, rows: np.ndarray) -> np.ndarray:
        """(rows, actions): tokens while there is room, `<backspace>` where there is something to delete."""
        legal = self.is_token & (self.depth[rows] < self.longest)[:, None]
        if self.eos >= 0:
            legal[:, self.eos] = True
        if self.backspace >= 0:
            legal[:, self.backspace] = self.depth[rows] > self.start[rows]
        return legal & self.allowed

    def not_stuck(self, rows: np.ndarray) -> np.ndarray:
        """The rows that have a legal action; the others end, since their text is full."""
        if (self.depth[rows] < self.longest).all():
            return rows  # nearly always, and cheap to see
        stuck = ~self.legal(rows).any(axis=1)
        self.ended[rows[stuck]] = ENDINGS.index("length")
        return rows[~stuck]

    def press(
        self, rows: np.ndarray, pressed: np.ndarray, typed: np.ndarray, scores: Tensor
    ) -> tuple[np.ndarray, np.ndarray]:
        """Write one action of each row; returns the rows that go on after growing, and after deleting."""
        place = (rows, self.count[rows])
        self.pressed[place], self.typed[place] = pressed, typed
        self.log_probs[place] = scores.numpy()[np.arange(len(rows)), pressed]
        self.count[rows] += 1
        grows, deletes = self.is_token[typed], typed == self.backspace
        self.tokens[rows[grows], self.depth[rows[grows]]] = typed[grows]
        self.depth[rows] += grows.astype(np.int64) - deletes
        spent = self.count[rows] == self.max_actions
        self.ended[rows[spent]] = ENDINGS.index("max_actions")
        self.ended[rows[~grows & ~deletes]] = ENDINGS.index("eos")
        return rows[grows & ~spent], rows[deletes & ~spent]

    def traces(self) -> list[Trace]:
        """One a row."""
        found = []
        for row, count in enumerate(self.count):
            pressed, typed, log_probs = (
                part[row, :count].tolist() for part in (self.pressed, self.typed, self.log_probs)
            )
            text = self.tokens[row, self.start[row] : self.depth[row]].tolist()
            found.append(Trace(pressed, typed, log_probs, text, ENDINGS[self.ended[row]]))
        return found


def _whole(number: Any, least: int) -> bool:
    return isinstance(number, Integral) and not isinstance(number, bool) and int(number) >= least


def _checked(prompts: Sequence[Any] | np.ndarray | Tensor, keys: Keys, vocab: int, longest: int) -> list[np.ndarray]:
    """The prompts as arrays, if they and the keys are what they should be."""
    for name, key in zip(("eos", "backspace"), keys, strict=True):
        if key is not None and not 0 <= key < vocab:
            raise ValueError(f"{name} is {key}; an id in 0..{vocab - 1}, or None, was wanted")
    if keys[0] is not None and keys[0] == keys[1]:
        raise ValueError(f"eos and backspace are both {keys[0]}; two keys were wanted")
    if not len(prompts):
        raise ValueError("there is no prompt; at least one was wanted")
    checked = []
    for row, prompt in enumerate(prompts):
        ids = np.asarray(prompt.cpu() if isinstance(prompt, Tensor) else prompt)
        if ids.shape == (0,):
            raise ValueError(f"prompt {row} is empty; at least one token must stand before the first action")
        if ids.ndim != 1 or ids.dtype.kind not in "iu":
            raise ValueError(f"prompt {row} has shape {ids.shape} and kind {ids.dtype}; one row of ids was wanted")
        if len(ids) > longest:
            raise ValueError(f"prompt {row} has {len(ids)} tokens; max_length is {longest}")
        wrong = (ids < 0) | (ids >= vocab) | np.isin(ids, [key for key in keys if key is not None])
        for place in np.flatnonzero(wrong):
            raise ValueError(f"prompt {row} has id {ids[place]} at position {place}; tokens below {vocab} were wanted")
        checked.append(ids)
    return checked
