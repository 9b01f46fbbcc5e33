"""What was meant, typed and deleted: one trajectory, or many as arrays; and demonstrations typed with slips.

A trajectory walks over a tree of texts: a token steps down, `<backspace>` steps back up. How one parallel pass of a
transformer sees that is in `packing` and `tree`.

Source: Cundy & Ermon 2023.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from smatch_edu.support.arrays import as_ids, is_whole

Ids = Sequence[int] | np.ndarray


@dataclass(frozen=True)
class Trajectory:
    """One text as it was typed, mistakes and corrections included.

    Attributes:
        prompt: ids that stand before the first action, at least one; they cannot be deleted.
        pressed: the actions that were meant, (time,).
        typed: the actions that happened, (time,): another token than the pressed one where the keyboard slipped.
    """

    prompt: Int[np.ndarray, " prompt"]
    pressed: Int[np.ndarray, " time"]
    typed: Int[np.ndarray, " typed"]

    def __post_init__(self) -> None:
        for name in ("prompt", "pressed", "typed"):
            object.__setattr__(self, name, as_ids(name, getattr(self, name)))
        if len(self.prompt) == 0:
            raise ValueError("the prompt is empty; at least one token must stand before the first action")
        if len(self.pressed) != len(self.typed):
            raise ValueError(f"{len(self.pressed)} actions were pressed and {len(self.typed)} typed; wanted as many")

    @property
    def slipped(self) -> Bool[np.ndarray, " time"]:
        """Where the keyboard typed something else than was pressed."""
        return self.pressed != self.typed


@dataclass(frozen=True, eq=False)
class TrajectoryBatch:
    """Many trajectories, one after the other: what works on all of them at once takes this.

    Attributes:
        prompts: the ids of all prompts.
        prompt_lengths: (trajectories,).
        pressed, typed: (actions,), those of all trajectories.
        lengths: (trajectories,), actions of each.
    """

    prompts: Int[np.ndarray, " prompts"]
    prompt_lengths: Int[np.ndarray, " trajectories"]
    pressed: Int[np.ndarray, " actions"]
    typed: Int[np.ndarray, " actions"]
    lengths: Int[np.ndarray, " trajectories"]

    @classmethod
    def of(cls, *parts: Trajectory | TrajectoryBatch) -> TrajectoryBatch:
        """These, joined in their order. ValueError if there is none, or if one has no action."""
        ones: list[Any] = [
            (part.prompts, part.prompt_lengths, part.pressed, part.typed, part.lengths)
            if isinstance(part, TrajectoryBatch)
            else (part.prompt, [len(part.prompt)], part.pressed, part.typed, [len(part.typed)])
            for part in parts
        ]
        if not ones:
            raise ValueError("there is no trajectory to pack")
        batch = cls(*(np.concatenate(rows).astype(np.int64, copy=False) for rows in zip(*ones, strict=True)))
        return batch.checked()

    def checked(self) -> TrajectoryBatch:
        """Itself. ValueError if a trajectory has no action, or no prompt."""
        if not self.lengths.all():
            raise ValueError("a trajectory has no action; at least one was wanted")
        if not self.prompt_lengths.all():
            raise ValueError("the prompt is empty; at least one token must stand before the first action")
        return self

    def __len__(self) -> int:
        return len(self.lengths)

    @functools.cached_property
    def trajectory(self) -> Int[np.ndarray, " actions"]:
        """Whose each action is."""
        return np.repeat(np.arange(len(self)), self.lengths)

    @functools.cached_property
    def time(self) -> Int[np.ndarray, " actions"]:
        """The number of each action in its trajectory."""
        return np.arange(len(self.typed)) - (np.cumsum(self.lengths) - self.lengths)[self.trajectory]

    def __iter__(self) -> Iterator[Trajectory]:
        prompts, pressed, typed = (
            np.split(row, np.cumsum(lengths)[:-1])
            for row, lengths in (
                (self.prompts, self.prompt_lengths),
                (self.pressed, self.lengths),
                (self.typed, self.lengths),
            )
        )
        return map(Trajectory, prompts, pressed, typed)

    def table(self, values: Shaped[np.ndarray, " actions"], columns: int) -> Shaped[np.ndarray, "trajectories columns"]:
        """Numbers of the actions as (trajectories, columns), 0 past the end of each."""
        found = np.zeros((len(self), columns), dtype=values.dtype)
        found[self.trajectory, self.time] = values
        return found


class Steps(NamedTuple):
    """What the actions of a batch do to its texts.

    Attributes:
        step: (actions,), +1 for a token, -1 for `<backspace>`, 0 for `<eos>`.
        above: (actions,), tokens standing above the prompt afterwards.
        ended: (trajectories,), whether the last action is `<eos>`.
    """

    step: Int[np.ndarray, " actions"]
    above: Int[np.ndarray, " actions"]
    ended: Bool[np.ndarray, " trajectories"]


def follow(batch: TrajectoryBatch, backspace: int, eos: int | None) -> Steps:
    """Follow every trajectory of a batch, and check it.

    Raises:
        ValueError: `<backspace>` or `<eos>` in a prompt, something after `<eos>`, a slip of one of the two keys, or a
            `<backspace>` with nothing to delete; the message names trajectory and action.
    """
    keys, batch = _checked_keys(backspace, eos), batch.checked()
    lengths, trajectory, typed = batch.lengths, batch.trajectory, batch.typed
    starts = np.cumsum(lengths) - lengths
    ends = typed == (-1 if eos is None else eos)
    step = np.where(ends, 0, np.where(typed == backspace, -1, 1))
    total = np.append(0, np.cumsum(step))
    above = total[1:] - total[starts][trajectory]
    last = starts + lengths - 1

    def refuse(wrong: np.ndarray, what: str) -> None:
        if wrong.any():
            event = int(np.flatnonzero(wrong)[0])
            raise ValueError(f"action {event - starts[trajectory[event]]} of trajectory {trajectory[event]} is {what}")

    refuse(ends & (np.arange(len(typed)) < last[trajectory]), "<eos>, and more actions follow it")
    is_key = np.isin(batch.pressed, keys) | np.isin(typed, keys)
    refuse((batch.pressed != typed) & is_key, "a slip of <eos> or <backspace>")
    refuse(above < 0, "<backspace> with nothing to delete: only the prompt stands")
    for place in np.flatnonzero(np.isin(batch.prompts, keys)):
        number = int(np.searchsorted(np.cumsum(batch.prompt_lengths), place, side="right"))
        raise ValueError(
            f"the prompt of trajectory {number} has action {batch.prompts[place]} at position "
            f"{place - batch.prompt_lengths[:number].sum()}; only tokens can stand there"
        )
    return Steps(step, above, ends[last])


def _checked_keys(backspace: int, eos: int | None) -> list[int]:
    for name, key in (("backspace", backspace), ("eos", eos)):
        if not (is_whole(key, 0) or (name == "eos" and key is None)):
            raise ValueError(f"{name} is {key!r}; an id, a whole number ≥ 0, was wanted")
    if backspace == eos:
        raise ValueError(f"eos and backspace are both {eos}; two keys were wanted")
    return [backspace] if eos is None else [backspace, eos]


def augment(
    prompt: Ids,
    tokens: Ids,
    noise: float,
    backspace: int,
    eos: int | None = None,
    *,
    seed: int | np.random.Generator,
    num_tokens: int | None = None,
    mistakes: Float[np.ndarray, "time vocab"] | None = None,
) -> Trajectory:
    """A demonstration typed on a keyboard that slips, by an expert who takes every slip back at once.

    At each press of a token the keyboard types a wrong one with probability `noise`. What is pressed stays what was
    meant; then the expert presses `<backspace>` and tries again, and may slip again. `<eos>` and `<backspace>` never
    slip.

    The modes of noise differ in where a wrong token comes from: "random" is `num_tokens` and no `mistakes`; for
    "ground_truth" the task, and for "model" the model, gives `mistakes`.

    Args:
        prompt: ids, at least one.
        tokens: the demonstration, without `<eos>`.
        noise: η in [0, 1).
        backspace, eos: their ids; `<eos>` is pressed at the end if it is given.
        num_tokens: wrong tokens are uniform among 0..num_tokens-1, the right one left out.
        mistakes: a weight ≥ 0 for every token at every place of the demonstration; the right one's is ignored, and so
            are those of `<backspace>` and `<eos>`. Where all the others are 0, nothing plausible can go wrong, and the
            keyboard does not slip.

    Raises:
        ValueError: noise out of range, neither or both of `num_tokens` and `mistakes`, shapes that do not fit, weights
            that are not finite or whose sum is not, `<backspace>` or `<eos>` in the demonstration, or both the same.

    Source: Cundy & Ermon 2023 (noise augmentation).
    """
    prompt, tokens, tables = (
        as_ids("prompt", prompt),
        as_ids("tokens", tokens),
        None if mistakes is None else [mistakes],
    )
    batch = augment_batch([prompt], [tokens], noise, backspace, eos, seed=seed, num_tokens=num_tokens, mistakes=tables)
    return Trajectory(prompt, batch.pressed, batch.typed)


def augment_batch(
    prompts: Sequence[Ids],
    answers: Sequence[Ids],
    noise: float,
    backspace: int,
    eos: int | None = None,
    *,
    seed: int | np.random.Generator,
    num_tokens: int | None = None,
    mistakes: Sequence[Float[np.ndarray, "_ vocab"]] | None = None,
) -> TrajectoryBatch:
    """`augment` of many demonstrations, without a loop over them; of a single one it draws the same."""
    if not 0 <= noise < 1:
        raise ValueError(f"noise is {noise}; it must be in [0, 1)")
    if (num_tokens is None) == (mistakes is None):
        raise ValueError("give either num_tokens, for uniform mistakes, or a table of mistakes")
    keys, rng = _checked_keys(backspace, eos), np.random.default_rng(seed)
    if not len(prompts) or len(prompts) != len(answers):
        raise ValueError(
            f"there are {len(prompts)} prompts and {len(answers)} answers; as many, at least one, were wanted"
        )
    (given, before), (right, lengths) = _joined("prompts", prompts), _joined("tokens", answers)
    first = np.cumsum(lengths) - lengths

    def place_of(token: int) -> str:
        number = int(np.searchsorted(np.cumsum(lengths), token, side="right"))
        return f"position {token - first[number]}" + (f" of demonstration {number}" if len(lengths) > 1 else "")

    for token in np.flatnonzero(np.isin(right, keys)).tolist():
        raise ValueError(f"tokens has key {right[token]} at {place_of(token)}; a demonstration has tokens alone")
    slips = rng.geometric(1 - noise, size=len(right)) - 1
    if mistakes is None:
        if num_tokens is None or num_tokens < 2 or (len(right) and right.max() >= num_tokens):
            raise ValueError(f"num_tokens is {num_tokens}; it must be at least 2, and above every token")
        where = np.repeat(np.arange(len(right)), slips)
        wrong = (right[where] + rng.integers(1, num_tokens, size=len(where))) % num_tokens
    else:
        weights = _checked_weights(mistakes, lengths, right)
        weights[:, [key for key in keys if key < weights.shape[1]]] = 0
        weights[np.arange(len(right)), right] = 0
        with np.errstate(over="ignore"):
            total = weights.sum(axis=1)
        for token in np.flatnonzero(np.isinf(total)).tolist():
            raise ValueError(f"mistakes sums to more than a float64 holds at {place_of(token)}; smaller were wanted")
        slips = np.where(total > 0, slips, 0)
        where = np.repeat(np.arange(len(right)), slips)
        reached = weights.cumsum(axis=1)[where]
        aimed = rng.random((len(where), 1)) * total[where, None]
        below = np.nextafter(reached[:, -1:], 0)  # of tiny weights `aimed` may be rounded up to their sum
        wrong = (np.minimum(aimed, below) >= reached).sum(axis=1)

    # Each token takes 2 · slips + 1 actions: (pressed, wrong), (⌫, ⌫), ..., (pressed, right). Then comes <eos>.
    whose = np.repeat(np.arange(len(lengths)), lengths)
    ends = np.cumsum(2 * slips + 1) + (eos is not None) * whose
    taken = np.bincount(whose, 2 * slips + 1, minlength=len(lengths)).astype(np.int64) + (eos is not None)
    size = int(taken.sum())
    pressed = np.full(size, backspace)
    typed = pressed.copy()
    pressed[ends - 1] = typed[ends - 1] = right
    within = np.arange(len(where)) - np.repeat(np.cumsum(slips) - slips, slips)
    places = (ends - 2 * slips - 1)[where] + 2 * within
    pressed[places], typed[places] = right[where], wrong
    if eos is not None:
        last = np.cumsum(taken) - 1
        pressed[last] = typed[last] = eos
    return TrajectoryBatch(given, before, pressed, typed, taken)


def _joined(what: str, rows: Sequence[Ids]) -> tuple[np.ndarray, np.ndarray]:
    """Rows of ids, one after the other, and their lengths. ValueError for what are no ids."""
    lengths = np.array([len(row) for row in rows])
    return as_ids(what, np.concatenate([row if len(row) else np.zeros(0, dtype=np.int64) for row in rows])), lengths


def _checked_weights(tables: Sequence[Any], lengths: np.ndarray, right: np.ndarray) -> np.ndarray:
    """All tables of mistakes in one, copied. ValueError naming the shape of one that does not fit."""
    rows = [np.asarray(table, dtype=np.float64) for table in tables]
    widths = {row.shape[1:] for row in rows}
    for row, length in zip(rows, lengths, strict=True):
        fits = row.ndim == 2 and len(row) == length and len(widths) == 1 and row.shape[1] > right.max(initial=-1)
        if not fits or not (row >= 0).all() or not np.isfinite(row).all():
            raise ValueError(f"mistakes has shape {row.shape}; ({length}, vocab) of numbers ≥ 0 was wanted")
    return np.concatenate(rows)
