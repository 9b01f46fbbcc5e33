"""The texts that are typed, and what is known of them: who types where in a batch, and what every pass reads.

Read `TextBatch` beside `generation`, which decides what is pressed. The cache is in `decoding`. A deletion is one line
in `press`, which makes a text shorter by one: nothing is removed from anywhere.

Source: that a deletion needs no forward pass is this project's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from smatch_edu.network.compiled import CompiledDecoder, torch_threads
from smatch_edu.network.decoding import Decoder, Model, StackCache
from smatch_edu.network.transformer import Transformer

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


class TextBatch:
    """The texts of all rows, what was done, and what is known at every depth of those that are typed at.

    Its small numbers are NumPy's, whose calls cost less. A row that is typed at has a slot, a place in the cache and in
    `hidden`; `slots` holds its row for each slot, and `slot` its slot for each row. Every pass feeds all slots: to read
    the top of a text again writes what stands there already, and is cheaper than to copy the others. The slots of rows
    that have ended go to rows that wait or, when none waits, are dropped, in either case so many at once that it pays.
    Prompts are read, and passes made in C, in so many `threads`; the rest in as many as PyTorch has.
    """

    def __init__(
        self,
        model: Model,
        texts: list[np.ndarray],
        keys: Keys,
        allowed: np.ndarray,
        longest: int,
        max_actions: int,
        batch_size: int,
        candidates: int,
        compiled: bool,
        threads: int,
    ) -> None:
        self.model, self.longest, self.max_actions, self.threads = model, longest, max_actions, threads
        self.eos, self.backspace = (-1 if key is None else key for key in keys)  # -1 is never met
        self.is_token = ~np.isin(np.arange(model.config.vocab_size), [self.eos, self.backspace])
        self.allowed = allowed  # (vocab,), what may be typed
        self.start = np.array([len(text) for text in texts])
        self.depth, self.slot, self.num_forward_passes = self.start.copy(), np.zeros_like(self.start), 0
        self.pressed, self.typed = np.zeros((2, len(texts), max_actions), dtype=np.int64)
        self.log_probs = np.zeros((len(texts), max_actions))
        self.count, self.ended = np.zeros((2, len(texts)), dtype=np.int64)  # ended: a place in ENDINGS

        self.tokens = np.zeros((len(texts), min(longest, self.start.max() + max_actions)), dtype=np.int64)
        for row, text in enumerate(texts):
            self.tokens[row, : len(text)] = text
        weights = model.parameters() if isinstance(model, nn.Module) else iter(())
        self.like = next(weights, torch.zeros(0))  # everything has its dtype, and is where it is
        self.waiting = self.not_stuck(np.arange(len(texts)))
        self.slots = np.full(min(batch_size, len(self.waiting)), -1)
        self.cache = StackCache(model.config, len(self.slots), self.tokens.shape[1] + candidates, self.like)
        self.hidden: Any = None  # (slots, length, width), from the first pass on
        self.decoder: Decoder | CompiledDecoder | None = None
        if compiled:
            self.decoder = CompiledDecoder(model, self.cache, threads)
        elif Decoder.fits(model) and not candidates:
            self.decoder = Decoder(cast(Transformer, model), self.cache)

    def admit(self, live: np.ndarray) -> np.ndarray:
        """Rows that wait get the free slots, once an eighth is free. Returns all live rows.

        One pass reads their prompts, all but the last token: that is the top of a text, and `read_tops` reads it.
        """
        if not self.waiting.size or 8 * (len(self.slots) - len(live)) < len(self.slots):
            return live
        free = np.flatnonzero(~np.isin(self.slots, live))[: len(self.waiting)]
        new, self.waiting = np.split(self.waiting, [len(free)])
        self.slots[free], self.slot[new] = new, free
        width = int(self.start[new].max()) - 1
        if width:
            prompts = StackCache(self.model.config, len(new), width, self.like)
            with torch_threads(self.threads):
                found = self.read(prompts, self.tokens[new, :width], np.tile(np.arange(width), (len(new), 1)))
            if self.decoder is not None:
                self.decoder.reorder(prompts)
            self.cache.copy_in(free, prompts)
            self._keep(free[:, None], np.arange(width), found)
        return np.concatenate([live, new])

    def read(
        self, cache: StackCache, tokens: np.ndarray, positions: np.ndarray, places: np.ndarray | None = None
    ) -> Tensor:
        """One forward pass of all rows of a cache: (rows, inputs) → (rows, inputs, width)."""
        self.num_forward_passes += 1
        ids, depths, at = (
            torch.from_numpy(part).to(self.like.device)
            for part in (tokens, positions, positions if places is None else places)
        )
        if self.decoder is not None and cache is self.cache:
            return self.decoder.hidden(ids[:, 0], depths[:, 0])[:, None]
        found = self.model.hidden(ids, depths, cache.attend(depths, at))
        if found.ndim != 3 or found.shape[:2] != ids.shape:
            raise ValueError(f"hidden has shape {tuple(found.shape)}; (*{tuple(ids.shape)}, width) was wanted")
        return found

    def _keep(self, slots: np.ndarray, depths: np.ndarray, found: Tensor) -> None:
        """Last hidden vectors at these slots and depths."""
        if self.hidden is None:  # the first to tell the width
            self.hidden = found.new_zeros(len(self.slots), self.tokens.shape[1], found.shape[-1])
        self.hidden[slots, depths] = found

    def drop_ended(self, live: np.ndarray) -> None:
        """Give back the slots of rows that have ended, if none waits for them and they are half of all."""
        if not self.waiting.size and 2 * len(live) <= len(self.slots):
            kept = self.slot[live]
            self.cache.stored, self.hidden = self.cache.stored[:, :, kept], self.hidden[kept]
            self.slots, self.slot[live] = live, np.arange(len(live))

    def read_tops(self, live: np.ndarray) -> None:
        """One pass in which every slot reads the token on top of its text."""
        self.drop_ended(live)
        top = self.depth[self.slots] - 1
        found = self.read(self.cache, self.tokens[self.slots, top][:, None], top[:, None])
        self._keep(np.arange(len(top)), top, found[:, 0])

    def logits(self, rows: np.ndarray) -> Tensor:
        """Of the texts that stand now; -∞ for what is illegal. ValueError if the model's are not numbers."""
        depth = self.depth[rows]
        logits = self.model.logits(self.hidden[self.slot[rows], depth - 1]).float().cpu()
        if logits.shape != (len(rows), len(self.is_token)):
            raise ValueError(f"logits has shape {tuple(logits.shape)}; {(len(rows), len(self.is_token))} was wanted")
        if not math.isfinite(logits.sum().item()):  # a sum is cheaper than a look at each
            for row in rows[~logits.isfinite().all(dim=1).numpy()]:
                raise ValueError(f"row {row} has NaN or infinite logits at action {self.count[row]}; is it trained?")
        free = self.allowed.all() and depth.max() < self.longest  # nearly always, and cheap to see
        if free and (self.backspace < 0 or (depth > self.start[rows]).all()):
            return logits
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
        count = self.count[rows]
        self.pressed[rows, count], self.typed[rows, count] = pressed, typed
        self.log_probs[rows, count] = scores.numpy()[np.arange(len(rows)), pressed]
        self.count[rows] = count + 1
        spent, grows, deletes = count + 1 == self.max_actions, self.is_token[typed], typed == self.backspace
        longer = rows[grows]
        self.tokens[longer, self.depth[longer]] = typed[grows]
        self.depth[rows] += grows.astype(np.int64) - deletes
        self.ended[rows[spent]] = ENDINGS.index("max_actions")
        self.ended[rows[~grows & ~deletes]] = ENDINGS.index("eos")
        return rows[grows & ~spent], rows[deletes & ~spent]

    def traces(self) -> list[Trace]:
        """One a row."""
        parts = (self.count, self.pressed, self.typed, self.log_probs, self.tokens, self.start, self.depth, self.ended)
        return traces(*parts)


def traces(
    counts: np.ndarray,
    pressed: np.ndarray,
    typed: np.ndarray,
    log_probs: np.ndarray,
    tokens: np.ndarray,
    starts: np.ndarray,
    depths: np.ndarray,
    ended: np.ndarray,
) -> list[Trace]:
    """What rows did, one a row; each argument has them first."""
    found = []
    for row, count in enumerate(counts):
        meant, actions, scores = (part[row, :count].tolist() for part in (pressed, typed, log_probs))
        text = tokens[row, starts[row] : depths[row]].tolist()
        found.append(Trace(meant, actions, scores, text, ENDINGS[ended[row]]))
    return found
