"""What was typed and deleted, and how one parallel pass of a transformer sees it.

A trajectory walks over a tree of texts: a token steps down, `<backspace>` steps back up. The policy at a text depends
on the visible text alone, so a network may be asked at all texts of a walk in one pass, if each input sees what stood
on the screen when it was typed, and nothing that was deleted before.

`pack` lays a walk out in one of two ways. With `layout="trie"` only pushed tokens are inputs: the text that
`<backspace>` returns to is an input already, so it costs nothing. (A letter that is deleted and typed again is a new
input.) With `layout="refeed"` (the paper's, as far as it can be
reconstructed) there is one input for each action: after `<backspace>` the token that is on top again is fed once more.
Either way input k is visible to input q iff

    k ≤ q < expires[k],

where expires[k] counts the inputs pushed before k is deleted: two vectors of integers instead of a matrix.

Source: Cundy & Ermon 2023; the trie is this project's.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from smatch_edu.support.arrays import as_ids, is_whole
from smatch_edu.support.errors import nearest

LAYOUTS = ("trie", "refeed")
NEVER = np.iinfo(np.int32).max  # expires[k] of an input that is never deleted
ABSORBING = -1  # the state after <eos>, which is no input


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


class Packed(NamedTuple):
    """A trajectory as the inputs of one pass. P inputs, T actions.

    Attributes:
        tokens: (P,), the ids to feed.
        positions: (P,), their depth in the text, from 0 on.
        expires: (P,), see the module.
        actions: (T,), the actions typed, `<eos>` and `<backspace>` included.
        state_of_action: (T,), the input whose output is the policy for each action.
        final_state: the input that is on top at the end; -1 (the absorbing state) after `<eos>`.
    """

    tokens: Int[np.ndarray, " inputs"]
    positions: Int[np.ndarray, " inputs"]
    expires: Int[np.ndarray, " inputs"]
    actions: Int[np.ndarray, " time"]
    state_of_action: Int[np.ndarray, " time"]
    final_state: int


class PackedBatch(NamedTuple):
    """Several rows of inputs, padded to the same length, and the trajectories on them.

    Attributes:
        tokens, positions, expires: (rows, inputs). Padding comes last, so that no input sees it.
        actions, state_of_action: (trajectories, time), 0 past a trajectory's end.
        lengths: (trajectories,), number of actions.
        final_state: (trajectories,), -1 after `<eos>`.
        row: (trajectories,), the row of inputs that a trajectory walks on.
    """

    tokens: Int[Tensor, "rows inputs"]
    positions: Int[Tensor, "rows inputs"]
    expires: Int[Tensor, "rows inputs"]
    actions: Int[Tensor, "trajectories time"]
    state_of_action: Int[Tensor, "trajectories time"]
    lengths: Int[Tensor, " trajectories"]
    final_state: Int[Tensor, " trajectories"]
    row: Int[Tensor, " trajectories"]

    def at_actions(self, outputs: Float[Tensor, "rows inputs features"]) -> Float[Tensor, "trajectories time features"]:
        """The outputs at the states in which the actions are taken, of any model that was fed this batch."""
        return outputs[self.row[:, None], self.state_of_action]

    def states(self) -> Int[Tensor, "trajectories passed"]:
        """`state_of_action` and one column more: after its last action the input on top, 0 after `<eos>`."""
        ends = self.final_state.clamp(min=0)[:, None]
        return torch.nn.functional.pad(self.state_of_action, (0, 1)).scatter(1, self.lengths[:, None], ends)


def augment(
    prompt: Sequence[int] | np.ndarray,
    tokens: Sequence[int] | np.ndarray,
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
    if not 0 <= noise < 1:
        raise ValueError(f"noise is {noise}; it must be in [0, 1)")
    if (num_tokens is None) == (mistakes is None):
        raise ValueError("give either num_tokens, for uniform mistakes, or a table of mistakes")
    if backspace == eos:
        raise ValueError(f"eos and backspace are both {eos}; two keys were wanted")
    right, rng = as_ids("tokens", tokens), np.random.default_rng(seed)
    keys = [backspace] if eos is None else [backspace, eos]
    for place in np.flatnonzero((right == backspace) | (right == keys[-1])):
        raise ValueError(f"tokens has key {right[place]} at position {place}; a demonstration has tokens alone")
    slips = rng.geometric(1 - noise, size=len(right)) - 1
    if mistakes is None:
        if num_tokens is None or num_tokens < 2 or (len(right) and right.max() >= num_tokens):
            raise ValueError(f"num_tokens is {num_tokens}; it must be at least 2, and above every token")
        where = np.repeat(np.arange(len(right)), slips)
        wrong = (right[where] + rng.integers(1, num_tokens, size=len(where))) % num_tokens
    else:
        weights = np.array(mistakes, dtype=np.float64)
        fits = weights.ndim == 2 and len(weights) == len(right) and weights.shape[1] > right.max(initial=-1)
        if not fits or not (weights >= 0).all() or not np.isfinite(weights).all():
            raise ValueError(f"mistakes has shape {weights.shape}; ({len(right)}, vocab) of numbers ≥ 0 was wanted")
        weights[:, [key for key in keys if key < weights.shape[1]]] = 0
        weights[np.arange(len(right)), right] = 0
        with np.errstate(over="ignore"):
            total = weights.sum(axis=1)
        for place in np.flatnonzero(np.isinf(total)):
            raise ValueError(f"mistakes sums to more than a float64 holds at position {place}; smaller were wanted")
        slips = np.where(total > 0, slips, 0)
        where = np.repeat(np.arange(len(right)), slips)
        reached = weights.cumsum(axis=1)[where]
        aimed = rng.random((len(where), 1)) * total[where, None]
        below = np.nextafter(reached[:, -1:], 0)  # of tiny weights `aimed` may be rounded up to their sum
        wrong = (np.minimum(aimed, below) >= reached).sum(axis=1)

    # Each token takes 2 · slips + 1 actions: (pressed, wrong), (⌫, ⌫), ..., (pressed, right).
    ends = np.cumsum(2 * slips + 1)
    size = int(ends[-1]) if len(ends) else 0
    pressed = np.full(size, backspace)
    typed = pressed.copy()
    pressed[ends - 1] = typed[ends - 1] = right
    within = np.arange(len(where)) - np.repeat(np.cumsum(slips) - slips, slips)
    places = (ends - 2 * slips - 1)[where] + 2 * within
    pressed[places], typed[places] = right[where], wrong
    last = [] if eos is None else [eos]
    return Trajectory(
        as_ids("prompt", prompt), np.append(pressed, last).astype(np.int64), np.append(typed, last).astype(np.int64)
    )


def visible(expires: Any) -> Any:
    """Which input may attend to which: (..., P) → (..., P, P) bool, True where query q (row) sees key k (column).

    k ≤ q < expires[k]. Takes an array or a tensor and answers in kind.
    """
    if isinstance(expires, Tensor):
        index: Any = torch.arange(expires.shape[-1], device=expires.device)
    else:
        expires = np.asarray(expires)
        index = np.arange(expires.shape[-1])
    query, key = index[:, None], index[None, :]
    return (key <= query) & (query < expires[..., None, :])


def pack(
    prompt: Sequence[int] | np.ndarray,
    typed: Sequence[int] | np.ndarray,
    backspace: int,
    eos: int | None = None,
    layout: str = "trie",
) -> Packed:
    """Lay out one trajectory for one parallel pass.

    Args:
        prompt: ids before the first action, at least one.
        typed: ids actually typed after it, backspaces included; `<eos>` may only be the last one.
        backspace, eos: their ids.
        layout: "trie" or "refeed".

    Raises:
        ValueError: an empty prompt, a negative id, `<backspace>` or `<eos>` in the prompt, something after `<eos>`, a
            `<backspace>` with nothing to delete (with its step), or an unknown layout.
    """
    typed = as_ids("typed", typed)
    batch = pack_batch([Trajectory(as_ids("prompt", prompt), typed, typed)], backspace, eos, layout)
    tokens, positions, expires, actions, states = (
        part[0].numpy() for part in (batch.tokens, batch.positions, batch.expires, batch.actions, batch.state_of_action)
    )
    return Packed(tokens, positions, expires, actions, states, int(batch.final_state[0]))


def pack_batch(
    trajectories: Sequence[Trajectory | Sequence[Trajectory]],
    backspace: int,
    eos: int | None = None,
    layout: str = "trie",
    *,
    row_length: int | None = None,
) -> PackedBatch:
    """Lay out many trajectories at once, without a loop over actions: one sort and one search for all of them.

    Args:
        trajectories: one row of inputs each. Several in a list share a row, and none sees another (trie only): where a
            trajectory ends, what it has not deleted expires, and so does its prompt if the next one's is another.
        row_length: share the rows out so, by `fill_rows`, in at most as many inputs each. What is returned about
            trajectories keeps their order.

    Raises:
        ValueError: as `pack`, naming the trajectory; or one that needs more inputs than `row_length`.
    """
    if layout not in LAYOUTS:
        raise nearest(layout, LAYOUTS, "layout")
    for name, key in (("backspace", backspace), ("eos", eos)):
        if not (is_whole(key, 0) or (name == "eos" and key is None)):
            raise ValueError(f"{name} is {key!r}; an id, a whole number ≥ 0, was wanted")
    if backspace == eos:
        raise ValueError(f"eos and backspace are both {eos}; two keys were wanted")
    rows = [[one] if isinstance(one, Trajectory) else list(one) for one in trajectories]
    if not rows or not all(rows):
        raise ValueError("there is no trajectory to pack")
    flat = [trajectory for row in rows for trajectory in row]
    if any(len(one.typed) == 0 for one in flat):
        raise ValueError("a trajectory has no action; at least one was wanted")
    shared = np.array([len(several) for several in rows])
    order = np.arange(len(flat))
    if row_length is not None:
        filled = fill_rows(flat, row_length, backspace, eos)
        order, shared = np.concatenate(filled), np.array([len(several) for several in filled])
        flat = [flat[number] for number in order]
    if layout == "refeed" and shared.max() > 1:
        number = int(shared.argmax())
        raise ValueError(f"row {number} has {shared[number]} trajectories; only layout='trie' can share a row")
    row_of = np.repeat(np.arange(len(shared)), shared)
    events = _events(flat, row_of, backspace, eos, order)
    laid = _trie(events) if layout == "trie" else _refeed(events, np.array([one.prompt[-1] for one in flat]))

    prompts = events.prompts
    end = (prompts.place + prompts.length).max()
    width = max(int(end), int(laid.place[laid.fed].max(initial=-1)) + 1)
    tokens, positions = np.zeros((2, len(shared), width), dtype=np.int64)
    expires = np.full((len(shared), width), NEVER)  # padding comes last, so that no input sees it
    depth = np.arange(prompts.length.sum()) - np.repeat(np.cumsum(prompts.length) - prompts.length, prompts.length)
    row, begin, expiry = (np.repeat(part, prompts.length) for part in (prompts.row, prompts.place, prompts.expires))
    tokens[row, begin + depth] = np.concatenate([flat[number].prompt for number in prompts.of])
    positions[row, begin + depth], expires[row, begin + depth] = depth, expiry
    place = (events.row[laid.fed], laid.place[laid.fed])
    tokens[place], positions[place], expires[place] = (
        part[laid.fed] for part in (laid.token, events.prompt + events.above - 1, laid.expires)
    )
    home = laid.replaces_prompt
    expires[events.row[home], events.home[home]] = laid.place[home]

    lengths = np.bincount(events.trajectory)
    time = np.arange(len(events.action)) - (events.last - lengths + 1)[events.trajectory]
    actions, states = np.zeros((2, len(flat), lengths.max()), dtype=np.int64)
    actions[events.trajectory, time], states[events.trajectory, time] = events.action, laid.state
    final = np.where(events.step[events.last] == 0, ABSORBING, laid.after[events.last])
    given = np.argsort(order)
    parts = (tokens, positions, expires, *(part[given] for part in (actions, states, lengths, final, row_of)))
    return PackedBatch(*(torch.from_numpy(part) for part in parts))


def fill_rows(
    trajectories: Sequence[Trajectory], row_length: int, backspace: int, eos: int | None = None
) -> list[list[int]]:
    """Which trajectories share a row, by best-fit decreasing: the longest first, each into the fullest row that has
    room for it. In a row those with the same prompt stand side by side, so that it is fed once.

    Raises:
        ValueError: a trajectory needs more inputs than there are in a row.

    Source: Johnson 1973 (bin packing: at most 11/9 of the fewest rows, and a constant).
    """
    sizes = []
    for number, one in enumerate(trajectories):
        kept = one.typed != backspace
        sizes.append(len(one.prompt) + int(kept.sum()) - (eos is not None and int((one.typed == eos).sum())))
        if sizes[-1] > row_length:
            raise ValueError(f"row_length is {row_length}; trajectory {number} needs {sizes[-1]} inputs")
    rows: list[list[int]] = []
    room: list[tuple[int, int]] = []  # of each row, in ascending order
    for number in sorted(range(len(sizes)), key=lambda number: -sizes[number]):
        place = bisect.bisect_left(room, (sizes[number], 0))
        if place == len(room):
            rows.append([])
            left, row = row_length, len(rows) - 1
        else:
            left, row = room.pop(place)
        rows[row].append(number)
        bisect.insort(room, (left - sizes[number], row))
    return [sorted(row, key=lambda number: (trajectories[number].prompt.tobytes(), number)) for row in rows]


class _Prompts(NamedTuple):
    """Every prompt that is fed: once for all trajectories after it in its row that share it.

    Attributes:
        of: (prompts,), the first trajectory after it.
        row, place, length: (prompts,), where it begins and how many inputs it has.
        expires: (prompts,), of its inputs.
    """

    of: np.ndarray
    row: np.ndarray
    place: np.ndarray
    length: np.ndarray
    expires: np.ndarray


class _Events(NamedTuple):
    """Every action of every trajectory, one after the other.

    Attributes:
        trajectory, row: (events,), whose action it is, and on which row of inputs.
        action: (events,), what was typed.
        above: (events,), tokens standing above the prompt afterwards.
        step: (events,), +1 for a token, -1 for `<backspace>`, 0 for `<eos>`.
        prompt: (events,), length of the prompt.
        home: (events,), the input of the prompt's last token.
        first: (events,), the place of the first input that the trajectory itself adds.
        last: (trajectories,), the last event of each.
        prompts: what is fed of them.
    """

    trajectory: np.ndarray
    row: np.ndarray
    action: np.ndarray
    above: np.ndarray
    step: np.ndarray
    prompt: np.ndarray
    home: np.ndarray
    first: np.ndarray
    last: np.ndarray
    prompts: _Prompts


def _events(flat: list[Trajectory], row: np.ndarray, backspace: int, eos: int | None, given: np.ndarray) -> _Events:
    """Follow the depth of every trajectory, and check it; `given` numbers them in what is said of a wrong one."""
    lengths = np.array([len(one.typed) for one in flat])
    starts = np.cumsum(lengths) - lengths
    trajectory = np.repeat(np.arange(len(flat)), lengths)
    action = np.concatenate([one.typed for one in flat])
    ends = action == (-1 if eos is None else eos)
    step = np.where(ends, 0, np.where(action == backspace, -1, 1))
    total = np.append(0, np.cumsum(step))
    above = total[1:] - total[starts][trajectory]

    def refuse(wrong: np.ndarray, what: str) -> None:
        if wrong.any():
            event = int(np.flatnonzero(wrong)[0])
            number = trajectory[event]
            raise ValueError(f"action {event - starts[number]} of trajectory {given[number]} is {what}")

    refuse(ends & (np.arange(len(action)) < (starts + lengths - 1)[trajectory]), "<eos>, and more actions follow it")
    pressed, keys = np.concatenate([one.pressed for one in flat]), [backspace] if eos is None else [backspace, eos]
    refuse((pressed != action) & (np.isin(pressed, keys) | np.isin(action, keys)), "a slip of <eos> or <backspace>")
    refuse(above < 0, "<backspace> with nothing to delete: only the prompt stands")
    prompt = np.array([len(one.prompt) for one in flat])
    before = np.concatenate([one.prompt for one in flat])
    for place in np.flatnonzero(np.isin(before, keys)):
        number = int(np.searchsorted(np.cumsum(prompt), place, side="right"))
        raise ValueError(
            f"the prompt of trajectory {given[number]} has action {before[place]} at position "
            f"{place - (np.cumsum(prompt) - prompt)[number]}; only tokens can stand there"
        )

    # Where everything stands: each trajectory adds its tokens to its row, before them its prompt if that is a new one.
    pairs = itertools.pairwise(flat)
    fed = np.append(True, [not np.array_equal(one.prompt, other.prompt) for one, other in pairs]).astype(bool)
    fed[1:] |= row[1:] != row[:-1]
    added = np.bincount(trajectory, step > 0).astype(np.int64) + fed * prompt
    before = np.cumsum(added) - added
    before -= before[np.searchsorted(row, row)]
    of = np.flatnonzero(fed)
    alone = np.append(row[of[1:]] != row[of[:-1]], True)  # no other prompt follows in its row
    expires = np.where(alone, NEVER, np.append(before[of[1:]], 0))
    home = (before + prompt - 1)[of][np.cumsum(fed) - 1]
    first = before + fed * prompt
    prompts = _Prompts(of, row[of], before[of], prompt[of], expires)
    return _Events(
        trajectory,
        row[trajectory],
        action,
        above,
        step,
        prompt[trajectory],
        home[trajectory],
        first[trajectory],
        starts + lengths - 1,
        prompts,
    )


def _latest(events: _Events, among: np.ndarray, asking: np.ndarray, above: np.ndarray) -> np.ndarray:
    """For each asking event the last one of `among` before it, in its trajectory, after which `above` tokens stood; -1
    if there is none. One sort and one search."""
    width = len(events.action) + 1
    levels = int(events.above.max(initial=0)) + 1

    def key(event: np.ndarray, above: np.ndarray) -> np.ndarray:
        return (events.trajectory[event] * levels + above) * width + event

    candidates = np.flatnonzero(among)
    candidates = candidates[np.argsort(key(candidates, events.above[candidates]))]
    place = np.searchsorted(key(candidates, events.above[candidates]), key(asking, above)) - 1
    found = np.append(candidates, -1)[place]  # place -1 is the appended one
    same = (events.trajectory[found] == events.trajectory[asking]) & (events.above[found] == above)
    return np.where((found >= 0) & same, found, -1)


class _Layout(NamedTuple):
    """What a layout makes of every action.

    Attributes:
        fed: (events,), whether it becomes an input.
        token, place, expires: (events,), that input's token, place in its row, and expiry.
        state, after: (events,), the input whose output is the policy before and after the action.
        replaces_prompt: the actions after which the prompt's last token is fed once more for the first time.
    """

    fed: np.ndarray
    token: np.ndarray
    place: np.ndarray
    expires: np.ndarray
    state: np.ndarray
    after: np.ndarray
    replaces_prompt: np.ndarray


def _trie(events: _Events) -> _Layout:
    """An input for each token pushed; the text that `<backspace>` returns to is one of them."""
    every = np.arange(len(events.action))
    pushed, deleted = events.step > 0, events.step < 0
    so_far = np.cumsum(pushed)
    begin = np.searchsorted(events.trajectory, events.trajectory)  # the first action of the trajectory
    count = events.first + so_far - (so_far - pushed)[begin]  # inputs in the row after each action

    def top(above: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The action that pushed what was on top when `above` tokens stood, and its input."""
        push = _latest(events, pushed, every, above)
        return push, np.where(push >= 0, count[push] - 1, events.home)

    on_top, state = top(events.above - events.step)
    _, uncovered = top(events.above)
    expires = np.full(len(every), NEVER)
    expires[on_top[deleted]] = count[deleted]
    # What still stands when a trajectory ends is not seen by the next one in its row.
    end = events.last[events.trajectory]
    followed = np.append(events.row[1:] == events.row[:-1], False)[end]
    expires = np.where(pushed & followed & (expires == NEVER), count[end], expires)
    after = np.where(pushed, count - 1, uncovered)
    return _Layout(pushed, events.action, count - 1, expires, state, after, every[:0])


def _refeed(events: _Events, last_of_prompt: np.ndarray) -> _Layout:
    """An input for each action: after `<backspace>` the token that is on top again is fed once more."""
    every = np.arange(len(events.action))
    fed = events.step != 0
    index = events.prompt + every - np.searchsorted(events.trajectory, events.trajectory)
    deleted = np.flatnonzero(events.step < 0)
    under = events.above[deleted]
    push = _latest(events, events.step > 0, deleted, under)  # what is on top again
    copy = _latest(events, fed, deleted, under)  # and where it was fed last
    token = events.action.copy()
    token[deleted] = np.where(push >= 0, events.action[push], last_of_prompt[events.trajectory[deleted]])

    expires = np.full(len(every), NEVER)
    expires[deleted - 1] = index[deleted]  # what was on top is the input before
    expires[copy[copy >= 0]] = index[deleted[copy >= 0]]
    return _Layout(fed, token, index, expires, index - 1, index, deleted[copy < 0])
