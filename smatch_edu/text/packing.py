"""How one parallel pass of a transformer sees what was typed and deleted.

The policy at a text depends on the visible text alone, so a network may be asked at all texts of a walk in one pass, if
each input sees what stood on the screen when it was typed, and nothing that was deleted before.

`pack` lays a walk out in one of two ways. With `layout="trie"` only pushed tokens are inputs: the text that
`<backspace>` returns to is an input already, so it costs nothing. (A letter that is deleted and typed again is a new
input; `tree` gives it the old one.) With `layout="refeed"` (the paper's, as far as it can be reconstructed) there is
one input for each action: after `<backspace>` the token that is on top again is fed once more. Either way input k is
visible to input q iff

    k ≤ q < expires[k],

where expires[k] counts the inputs pushed before k is deleted: two vectors of integers instead of a matrix.

Source: Cundy & Ermon 2023; the trie is this project's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from smatch_edu.support.arrays import as_ids
from smatch_edu.support.errors import nearest
from smatch_edu.text.trajectories import Steps, Trajectory, TrajectoryBatch, follow

LAYOUTS = ("trie", "refeed")
NEVER = np.iinfo(np.int32).max  # expires[k] of an input that is never deleted
ABSORBING = -1  # the state after <eos>, which is no input


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
    """Several trajectories as the rows of one pass, padded to the same length.

    Attributes:
        tokens, positions, expires: (trajectories, inputs). Padding comes last, so that no input sees it.
        actions, state_of_action: (trajectories, time), 0 past a trajectory's end.
        lengths: (trajectories,), number of actions.
        final_state: (trajectories,), -1 after `<eos>`.
    """

    tokens: Int[Tensor, "trajectories inputs"]
    positions: Int[Tensor, "trajectories inputs"]
    expires: Int[Tensor, "trajectories inputs"]
    actions: Int[Tensor, "trajectories time"]
    state_of_action: Int[Tensor, "trajectories time"]
    lengths: Int[Tensor, " trajectories"]
    final_state: Int[Tensor, " trajectories"]

    def at_actions(
        self, outputs: Float[Tensor, "trajectories inputs features"]
    ) -> Float[Tensor, "trajectories time features"]:
        """The outputs at the states in which the actions are taken, of any model that was fed this batch."""
        return outputs[torch.arange(len(outputs))[:, None], self.state_of_action]


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
    trajectories: Sequence[Trajectory], backspace: int, eos: int | None = None, layout: str = "trie"
) -> PackedBatch:
    """Lay out many trajectories at once, a row for each, without a loop over actions: one sort and one search for all
    of them.

    Raises:
        ValueError: as `pack`, naming the trajectory.
    """
    if layout not in LAYOUTS:
        raise nearest(layout, LAYOUTS, "layout")
    batch = TrajectoryBatch.of(*trajectories)
    steps = follow(batch, backspace, eos)
    laid = (_trie if layout == "trie" else _refeed)(batch, steps)

    row, begins = batch.trajectory, batch.prompt_lengths
    width = max(int(begins.max()), int(laid.place[laid.fed].max(initial=-1)) + 1)
    tokens, positions = np.zeros((2, len(batch), width), dtype=np.int64)
    expires = np.full((len(batch), width), NEVER)  # padding comes last, so that no input sees it
    whose = np.repeat(np.arange(len(batch)), begins)
    depth = np.arange(len(whose)) - (np.cumsum(begins) - begins)[whose]
    tokens[whose, depth], positions[whose, depth] = batch.prompts, depth
    place = (row[laid.fed], laid.place[laid.fed])
    tokens[place], positions[place], expires[place] = (
        part[laid.fed] for part in (laid.token, begins[row] + steps.above - 1, laid.expires)
    )
    home = laid.replaces_prompt
    expires[row[home], begins[row[home]] - 1] = laid.place[home]

    time = int(batch.lengths.max())
    actions, states = (batch.table(part, time) for part in (batch.typed, laid.state))
    last = np.cumsum(batch.lengths) - 1
    final = np.where(steps.ended, ABSORBING, laid.after[last])
    parts = (tokens, positions, expires, actions, states, batch.lengths, final)
    return PackedBatch(*(torch.from_numpy(part) for part in parts))


def latest(
    group: np.ndarray, level: np.ndarray, among: np.ndarray, asking: np.ndarray, wanted: np.ndarray
) -> np.ndarray:
    """For each asking event the last one of `among` before it, in its group, of the level that it wants; -1 if there
    is none. One sort and one search.

    Args:
        group, level: (events,), of all events, in the order of time.
        among: (candidates,), events.
        asking, wanted: (questions,), events, and a level for each.
    """
    width, levels = len(group) + 1, int(level.max(initial=0)) + 1
    key = (group[among] * levels + level[among]) * width + among
    ordered = np.argsort(key)
    place = np.searchsorted(key[ordered], (group[asking] * levels + wanted) * width + asking) - 1
    found = np.append(among[ordered], -1)[place]  # place -1 is the appended one
    same = (group[found] == group[asking]) & (level[found] == wanted)
    return np.where((found >= 0) & same, found, -1)


class _Layout(NamedTuple):
    """What a layout makes of every action.

    Attributes:
        fed: (actions,), whether it becomes an input.
        token, place, expires: (actions,), that input's token, place in its row, and expiry.
        state, after: (actions,), the input whose output is the policy before and after the action.
        replaces_prompt: the actions after which the prompt's last token is fed once more for the first time.
    """

    fed: np.ndarray
    token: np.ndarray
    place: np.ndarray
    expires: np.ndarray
    state: np.ndarray
    after: np.ndarray
    replaces_prompt: np.ndarray


def _trie(batch: TrajectoryBatch, steps: Steps) -> _Layout:
    """An input for each token pushed; the text that `<backspace>` returns to is one of them."""
    row, every = batch.trajectory, np.arange(len(batch.typed))
    pushed, deleted = steps.step > 0, steps.step < 0
    so_far = np.cumsum(pushed)
    begin = (np.cumsum(batch.lengths) - batch.lengths)[row]  # the first action of the trajectory
    prompt = batch.prompt_lengths[row]
    count = prompt + so_far - (so_far - pushed)[begin]  # inputs in the row after each action

    def top(above: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The action that pushed what was on top when `above` tokens stood, and its input."""
        push = latest(row, steps.above, np.flatnonzero(pushed), every, above)
        return push, np.where(push >= 0, count[push] - 1, prompt - 1)

    on_top, state = top(steps.above - steps.step)
    _, uncovered = top(steps.above)
    expires = np.full(len(every), NEVER)
    expires[on_top[deleted]] = count[deleted]
    after = np.where(pushed, count - 1, uncovered)
    return _Layout(pushed, batch.typed, count - 1, expires, state, after, every[:0])


def _refeed(batch: TrajectoryBatch, steps: Steps) -> _Layout:
    """An input for each action: after `<backspace>` the token that is on top again is fed once more."""
    row, every = batch.trajectory, np.arange(len(batch.typed))
    fed, last_of_prompt = steps.step != 0, batch.prompts[np.cumsum(batch.prompt_lengths) - 1]
    index = batch.prompt_lengths[row] + batch.time
    deleted = np.flatnonzero(steps.step < 0)
    under = steps.above[deleted]
    push = latest(row, steps.above, np.flatnonzero(steps.step > 0), deleted, under)  # what is on top again
    copy = latest(row, steps.above, np.flatnonzero(fed), deleted, under)  # and where it was fed last
    token = batch.typed.copy()
    token[deleted] = np.where(push >= 0, batch.typed[push], last_of_prompt[row[deleted]])

    expires = np.full(len(every), NEVER)
    expires[deleted - 1] = index[deleted]  # what was on top is the input before
    expires[copy[copy >= 0]] = index[deleted[copy >= 0]]
    return _Layout(fed, token, index, expires, index - 1, index, deleted[copy < 0])
