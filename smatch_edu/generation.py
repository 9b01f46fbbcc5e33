"""Generation with a backspace key that costs nothing.

Keys and values are written at each row's own depth of text, like a stack. So `<backspace>` only lowers a pointer: the
text under it is the one that was there before, its keys, values and last hidden vector are still in place, and the next
action is sampled from them at once, without a forward pass. Each row of a batch backtracks on its own.

Source: Cundy & Ermon 2023; that a deletion needs no forward pass is this project's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from smatch_edu.transformer import Attend, TransformerConfig

ENDINGS = ("eos", "max_actions", "length")


@dataclass(frozen=True)
class Trace:
    """What one row did.

    Attributes:
        pressed: the actions that were meant.
        actions: what was typed: another token than the pressed one where the keyboard slipped.
        log_probs: of the pressed actions, under the distribution they were sampled from.
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
        top_k: only the k likeliest, if given.
        top_p: only the likeliest that together have this probability, in (0, 1].
        greedy: always the likeliest.
        noise: η in [0, 1), the chance that the keyboard types another token than the one pressed.

    Raises:
        ValueError: a number out of range.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float = 1.0
    greedy: bool = False
    noise: float = 0.0

    def __post_init__(self) -> None:
        if not (self.temperature > 0 and math.isfinite(self.temperature)):
            raise ValueError(
                f"temperature is {self.temperature}; it must be positive (greedy=True takes the likeliest)"
            )
        if self.top_k is not None and self.top_k < 1:
            raise ValueError(f"top_k is {self.top_k}; at least 1 action must be left")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p is {self.top_p}; it must be in (0, 1]")
        if not 0 <= self.noise < 1:
            raise ValueError(f"noise is {self.noise}; it must be in [0, 1)")

    def log_probabilities(self, logits: Tensor) -> Tensor:
        """(rows, actions) → the log of the distribution that is sampled from; -∞ for what is left out."""
        logits = logits.float() / self.temperature
        if self.top_k is not None and self.top_k < logits.shape[1]:
            least = logits.topk(self.top_k, dim=1).values[:, -1:]
            logits = logits.masked_fill(logits < least, -math.inf)
        if self.top_p < 1:
            ordered, order = logits.sort(dim=1, descending=True)
            before = ordered.softmax(dim=1).cumsum(dim=1) - ordered.softmax(dim=1)
            dropped = torch.zeros_like(before, dtype=torch.bool).scatter(1, order, before >= self.top_p)
            logits = logits.masked_fill(dropped, -math.inf)
        return F.log_softmax(logits, dim=1)


@runtime_checkable
class Model(Protocol):
    """What generation needs of a model; `Transformer` has it."""

    config: TransformerConfig

    def hidden(self, tokens: Tensor, positions: Tensor, attend: Attend) -> Tensor:
        """(rows, inputs) → (rows, inputs, width)."""

    def logits(self, hidden: Tensor) -> Tensor:
        """(rows, width) → (rows, vocab)."""


class StackCache:
    """Keys and values of every row, by depth of text: (layers, rows, length, 2, heads, head).

    Whatever stands at or below a row's depth is valid; what stands above was deleted, and is overwritten when the row
    grows again. Deleting needs no work at all.
    """

    def __init__(self, config: TransformerConfig, rows: int, length: int, like: Tensor) -> None:
        shape = (config.num_layers, rows, length, 2, config.num_heads, config.width // config.num_heads)
        self.stored = like.new_zeros(shape)

    def attend(self, rows: Tensor, positions: Tensor) -> Attend:
        """Write the new keys and values at their positions, then look at everything at or below them."""
        reach = int(positions.max()) + 1
        seen = torch.arange(reach, device=positions.device) <= positions[:, :, None]
        mask = rearrange(seen, "b n k -> b 1 n k")
        everyone = len(rows) == self.stored.shape[1]
        place = (rows[:, None], positions)

        def attend(queries: Tensor, keys: Tensor, values: Tensor, layer: int) -> Tensor:
            self.stored[layer][place] = rearrange([keys, values], "two b h n d -> b n two h d")
            known = self.stored[layer, :, :reach] if everyone else self.stored[layer, rows, :reach]
            keys, values = rearrange(known, "b k two h d -> two b h k d")
            return F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)

        return attend


@torch.no_grad()
def generate(
    model: Model,
    prompts: Sequence[Sequence[int]],
    eos: int | None,
    backspace: int | None = None,
    max_actions: int = 256,
    temperature: float = 1.0,
    seed: int = 0,
    *,
    top_k: int | None = None,
    top_p: float = 1.0,
    greedy: bool = False,
    noise: float = 0.0,
    max_length: int | None = None,
) -> GenerationResult:
    """Let the model type after each prompt, deleting where it wants to.

    A row's result depends on its prompt, the seed and its number, and not on the other rows (unless two actions tie
    within 1e-4 in their race: sums over a batch may round differently).

    Args:
        model: see `Model`.
        prompts: ids, at least one each, of any lengths.
        eos, backspace: their ids; None if there is no such key.
        max_actions: after so many a row ends, also one that types and deletes for ever.
        max_length: longest text, prompt included; the model's if left out. There only `<eos>` and `<backspace>` are
            legal.

        The rest is that of `Sampling`.

    Raises:
        ValueError: an empty prompt, an id outside the vocabulary, a prompt that is too long, a number out of range, or
            logits that are NaN or infinite, with the row and action.
    """
    sampling = Sampling(temperature, top_k, top_p, greedy, noise)
    vocab, longest = model.config.vocab_size, model.config.max_length if max_length is None else max_length
    if longest > model.config.max_length:
        raise ValueError(f"max_length is {longest}; the model has positions for {model.config.max_length}")
    _check_prompts(prompts, vocab, longest, eos, backspace)
    if max_actions < 1:
        raise ValueError(f"max_actions is {max_actions}; at least 1 was wanted")

    start = torch.tensor([len(prompt) for prompt in prompts])
    tokens = torch.zeros(len(prompts), longest, dtype=torch.long)
    for row, prompt in enumerate(prompts):
        tokens[row, : len(prompt)] = torch.as_tensor(prompt)
    board = _Board(model, tokens, start, eos, backspace, max_actions)
    keyboards = [_Keyboard(vocab, seed, row) for row in range(len(prompts))]

    active = torch.arange(len(prompts))
    board.feed(active, torch.arange(int(start.max())).expand(len(prompts), -1))
    while len(active):
        pushed, ready = [], active
        while len(ready):  # a row that deletes comes round again: the text below is known already
            logits, legal = board.logits(ready), board.legal(ready)
            full = ~legal.any(dim=1)
            if full.any():
                board.ended[ready[full]] = ENDINGS.index("length")
                ready, logits, legal = ready[~full], logits[~full], legal[~full]
                if not len(ready):
                    break
            scores = sampling.log_probabilities(logits.masked_fill_(~legal, -math.inf))
            # A race: with exponential times of its own for each action, the largest p / time is a draw from p.
            rows = ready.tolist()
            speeds = (
                scores
                if greedy
                else scores.exp() / torch.from_numpy(np.stack([keyboards[row].times() for row in rows]))
            )
            pressed = speeds.argmax(dim=1)
            typed = pressed.clone()
            if noise:
                for place, row in enumerate(rows):
                    typed[place] = keyboards[row].slip(int(pressed[place]), noise, board.letters)
            ready, grown = board.press(ready, pressed, typed, scores.gather(1, pressed[:, None]).squeeze(1))
            pushed.append(grown)
        active = torch.cat([active[:0], *pushed]).sort().values
        if len(active):
            board.feed(active, board.depth[active, None] - 1)
    return GenerationResult(board.traces(), board.num_forward_passes)


class _Keyboard:
    """The chances of one row, which no other row can change."""

    BLOCK = 32

    def __init__(self, vocab: int, seed: int, row: int) -> None:
        self.vocab, self.used = vocab, self.BLOCK
        self.choices, self.slips = np.random.default_rng([seed, row]), np.random.default_rng([seed, row, 1])
        self.block = np.zeros((0, vocab), dtype=np.float32)

    def times(self) -> np.ndarray:
        """An exponential time for each action; drawn for many choices at once, since a call has a price of its own."""
        if self.used == self.BLOCK:
            self.block, self.used = self.choices.standard_exponential((self.BLOCK, self.vocab), dtype=np.float32), 0
        self.used += 1
        return self.block[self.used - 1]

    def slip(self, key: int, noise: float, letters: list[int]) -> int:
        """What appears when a key is pressed: another token with this probability, if it is one."""
        if key not in letters or self.slips.random() >= noise:
            return key
        return letters[(letters.index(key) + int(self.slips.integers(1, len(letters)))) % len(letters)]


class _Board:
    """The texts of all rows, what is known at every depth of them, and what was done."""

    def __init__(
        self, model: Model, tokens: Tensor, start: Tensor, eos: int | None, backspace: int | None, max_actions: int
    ) -> None:
        self.model, self.tokens, self.start, self.depth = model, tokens, start, start.clone()
        self.eos, self.backspace, self.max_actions = eos, backspace, max_actions
        special = [key for key in (eos, backspace) if key is not None]
        self.is_token = torch.ones(model.config.vocab_size, dtype=torch.bool)
        self.is_token[special] = False
        self.letters: list[int] = self.is_token.nonzero().squeeze(1).tolist()
        self.pressed, self.typed = torch.zeros(2, len(tokens), max_actions, dtype=torch.long)
        self.log_probs = torch.zeros(len(tokens), max_actions)
        self.count = torch.zeros(len(tokens), dtype=torch.long)
        self.ended = torch.zeros(len(tokens), dtype=torch.long)  # a place in ENDINGS
        self.num_forward_passes = 0
        self.cache: StackCache | None = None
        self.hidden = torch.zeros(0)

    def feed(self, rows: Tensor, positions: Tensor) -> None:
        """One forward pass: what stands at these positions of these rows."""
        tokens = self.tokens[rows[:, None], positions]
        like = next(iter(self.model.parameters())) if isinstance(self.model, torch.nn.Module) else torch.zeros(0)
        if self.cache is None:
            self.cache = StackCache(self.model.config, len(self.tokens), self.tokens.shape[1], like)
        rows, positions = rows.to(like.device), positions.to(like.device)
        found = self.model.hidden(tokens.to(like.device), positions, self.cache.attend(rows, positions))
        if self.hidden.numel() == 0:
            self.hidden = found.new_zeros(*self.tokens.shape, found.shape[2])
        self.hidden[rows[:, None], positions] = found
        self.num_forward_passes += 1

    def logits(self, rows: Tensor) -> Tensor:
        """Of the texts that stand now. ValueError if one is not a number."""
        on_top = self.hidden[rows.to(self.hidden.device), (self.depth[rows] - 1).to(self.hidden.device)]
        logits = self.model.logits(on_top).float().cpu()
        if not logits.isfinite().all():
            row = int(rows[(~logits.isfinite()).any(dim=1)][0])
            raise ValueError(
                f"row {row} has NaN or infinite logits at action {self.count[row].item()}; is the model trained?"
            )
        return logits

    def legal(self, rows: Tensor) -> Tensor:
        """(rows, actions): tokens while there is room, `<backspace>` where there is something to delete."""
        legal = self.is_token.expand(len(rows), -1) & (self.depth[rows] < self.tokens.shape[1])[:, None]
        if self.eos is not None:
            legal[:, self.eos] = True
        if self.backspace is not None:
            legal[:, self.backspace] = self.depth[rows] > self.start[rows]
        return legal

    def press(self, rows: Tensor, pressed: Tensor, typed: Tensor, log_probs: Tensor) -> tuple[Tensor, Tensor]:
        """Write one action of each row; returns the rows that go on after deleting, and after growing."""
        place = (rows, self.count[rows])
        self.pressed[place], self.typed[place], self.log_probs[place] = pressed, typed, log_probs
        self.count[rows] += 1
        grows, deletes = self.is_token[typed], typed == (-1 if self.backspace is None else self.backspace)
        self.tokens[rows[grows], self.depth[rows[grows]]] = typed[grows]
        self.depth[rows] += grows.long() - deletes.long()
        spent = self.count[rows] >= self.max_actions
        self.ended[rows[spent]] = ENDINGS.index("max_actions")
        self.ended[rows[~grows & ~deletes]] = ENDINGS.index("eos")
        return rows[deletes & ~spent], rows[grows & ~spent]

    def traces(self) -> list[Trace]:
        """One a row."""
        found = []
        for row, count in enumerate(self.count.tolist()):
            pressed, typed, log_probs = (
                part[row, :count].tolist() for part in (self.pressed, self.typed, self.log_probs)
            )
            text = self.tokens[row, int(self.start[row]) : int(self.depth[row])].tolist()
            found.append(Trace(pressed, typed, log_probs, text, ENDINGS[int(self.ended[row])]))
        return found


def _check_prompts(
    prompts: Sequence[Sequence[int]], vocab: int, longest: int, eos: int | None, backspace: int | None
) -> None:
    if not len(prompts):
        raise ValueError("there is no prompt; at least one was wanted")
    for row, prompt in enumerate(prompts):
        if not len(prompt):
            raise ValueError(f"prompt {row} is empty; at least one token must stand before the first action")
        if len(prompt) > longest:
            raise ValueError(f"prompt {row} has {len(prompt)} tokens; max_length is {longest}")
        for place, token in enumerate(prompt):
            if not 0 <= int(token) < vocab or int(token) in (eos, backspace):
                raise ValueError(f"prompt {row} has id {token} at position {place}; tokens below {vocab} were wanted")
