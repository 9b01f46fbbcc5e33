"""All texts of a batch as one tree, in which each text is read once.

Trajectories pass through many texts, and often through the same ones: those that begin alike, those to which
`<backspace>` returns, those to which a press might have led. The policy depends on the visible text alone, so a text
needs one input, however many pass there and however often. Laid out depth first, all that begins with a text follows
it at once, so that the two integers of `packing` are enough: input k is visible to input q iff

    k ≤ q < expires[k],

and expires[k] is where the texts end that begin with k's. The tree is cut into rows of so many inputs; a row that
begins in the middle of a text reads the tokens before it again.

Source: this project's.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from smatch_edu.text.packing import NEVER, latest
from smatch_edu.text.trajectories import TrajectoryBatch, follow


@dataclass(frozen=True, eq=False)
class TextTree:
    """Texts, each once, the shorter ones first. A token of a prompt and the same one typed are two texts.

    Attributes:
        parent: (texts,), the text without its last token; -1 for the first token.
        token: (texts,), the last token.
        depth: (texts,), how many tokens stand before it: the position of its input.
        start: (texts,), how many tokens of it are the prompt, which cannot be deleted.
    """

    parent: Int[np.ndarray, " texts"]
    token: Int[np.ndarray, " texts"]
    depth: Int[np.ndarray, " texts"]
    start: Int[np.ndarray, " texts"]

    @functools.cached_property
    def _codes(self) -> int:
        return 2 * (int(self.token.max()) + 1)

    @functools.cached_property
    def _keys(self) -> Int[np.ndarray, " texts"]:
        """(parent, token, whether it is typed) in one number, in ascending order."""
        return (self.parent + 1) * self._codes + 2 * self.token + (self.start <= self.depth)

    def child(
        self, texts: Int[np.ndarray, " asked"], tokens: Int[np.ndarray, " asked"], typed: Any = True
    ) -> Int[np.ndarray, " asked"]:
        """The text that begins with each of these and has one token more, typed or of the prompt; -1 where there is
        none, and where `texts` is below the root, -1, and the token is typed."""
        wanted = (texts + 1) * self._codes + 2 * tokens + typed
        place = np.minimum(np.searchsorted(self._keys, wanted), len(self._keys) - 1)
        return np.where((self._keys[place] == wanted) & (2 * tokens < self._codes), place, -1)

    def locate(self, other: TextTree) -> Int[np.ndarray, " others"]:
        """Which text of this tree each text of another is; -1 for none."""
        found = np.full(len(other.token) + 1, -1)  # -1 is also what parent -1 is
        typed, levels = other.start <= other.depth, np.searchsorted(other.depth, np.arange(other.depth.max() + 2))
        for depth, (low, high) in enumerate(itertools.pairwise(levels)):
            parent = found[other.parent[low:high]]
            at = self.child(parent, other.token[low:high], typed[low:high])
            found[low:high] = np.where((parent >= 0) | (depth == 0), at, -1)
        return found[:-1]


class TreePass(NamedTuple):
    """A tree as the inputs of one pass.

    Attributes:
        tokens, positions, expires: (rows, inputs). Padding comes last, so that no input sees it.
        at: (texts,), the input of each text, counted through all rows.
    """

    tokens: Int[Tensor, "rows inputs"]
    positions: Int[Tensor, "rows inputs"]
    expires: Int[Tensor, "rows inputs"]
    at: Int[Tensor, " texts"]


class Walks(NamedTuple):
    """Where the trajectories of a batch pass in a tree.

    Attributes:
        tree: of all texts that they pass, or might have reached.
        states: (trajectories, time + 1), the text in which each action is taken, and the one at the end; text 0 past
            the end, and after `<eos>`.
        leads: (actions, leads), the text to which each token asked about leads; -1 where none was.
        ended: (trajectories,), whether the last action is `<eos>`.
    """

    tree: TextTree
    states: Int[np.ndarray, "trajectories passed"]
    leads: Int[np.ndarray, "actions leads"]
    ended: Bool[np.ndarray, " trajectories"]


def as_tree(
    batch: TrajectoryBatch, backspace: int, eos: int | None, leads: Int[np.ndarray, "actions leads"] | None = None
) -> Walks:
    """Put the trajectories of a batch on a tree.

    Args:
        leads: tokens that might have been typed in place of each action; -1 for none.

    Raises:
        ValueError: as `packing.pack_batch`; or an id of 2³¹ or more.
    """
    for name, ids in (("prompts", batch.prompts), ("typed", batch.typed), ("leads", leads)):
        if ids is not None and ids.max(initial=0) >= 2**31:
            raise ValueError(f"{name} has id {ids.max()}; ids below 2**31 were wanted")
    steps, count = follow(batch, backspace, eos), len(batch)
    if leads is None:
        leads = np.zeros((len(batch.typed), 0), dtype=np.int64)
    # Events: the tokens of the prompt, the actions, and one more, which is the end.
    sizes = batch.prompt_lengths + batch.lengths + 1
    first = np.cumsum(sizes) - sizes
    group = np.repeat(np.arange(count), sizes)
    of_prompt = np.arange(len(batch.prompts)) + np.repeat(
        first - np.cumsum(batch.prompt_lengths) + batch.prompt_lengths, batch.prompt_lengths
    )
    of_action = (first + batch.prompt_lengths)[batch.trajectory] + batch.time
    token, step = np.zeros((2, len(group)), dtype=np.int64)
    token[of_prompt], step[of_prompt] = 2 * batch.prompts, 1
    token[of_action], step[of_action] = 2 * batch.typed + 1, steps.step  # a typed token is another one than a given one
    total = np.append(0, np.cumsum(step))
    level = total[1:] - total[first][group]

    # What stands on top when something happens: the push just before, or after a deletion the last at that level.
    pushed = step > 0
    top = np.arange(-1, len(group) - 1)
    top[first] = -1
    asking = np.flatnonzero((top >= 0) & ~pushed[top])
    top[asking] = latest(group, level, np.flatnonzero(pushed), asking, (level - step)[asking])

    push, (action, lead) = np.flatnonzero(pushed), np.nonzero(leads >= 0)
    might = of_action[action]
    tree, text = _merge(
        np.concatenate([top[push], top[might]]),
        np.concatenate([token[push], 2 * leads[action, lead] + 1]),
        np.concatenate([level[push] - 1, (level - step)[might]]),
        push,
        len(group),
    )
    state = np.zeros(len(group) + 1, dtype=np.int64)
    state[push] = text[: len(push)]
    states = np.zeros((count, int(batch.lengths.max()) + 1), dtype=np.int64)
    states[batch.trajectory, batch.time] = state[top[of_action]]
    states[np.arange(count), batch.lengths] = np.where(steps.ended, 0, state[top[first + sizes - 1]])
    led = np.full(leads.shape, -1)
    led[action, lead] = text[len(push) :]
    return Walks(tree, states, led, steps.ended)


def _merge(
    below: np.ndarray, code: np.ndarray, depth: np.ndarray, event: np.ndarray, num_events: int
) -> tuple[TextTree, np.ndarray]:
    """The different texts among pushes, level by level, and which one each push makes.

    Args:
        below: (pushes,), the event that pushed the token before; -1 for none.
        code: (pushes,), 2 · token, and 1 more if it was typed.
        depth: (pushes,).
        event: (events that others may stand on,), those of the first pushes.
        num_events: of all.
    """
    codes = int(code.max()) + 1
    order = np.argsort(depth, kind="stable")
    levels = np.searchsorted(depth[order], np.arange(int(depth.max()) + 2))
    made, text = np.full(num_events + 1, -1), np.zeros(len(below), dtype=np.int64)  # -1 is what event -1 has made
    found = list[tuple[np.ndarray, ...]]()
    start, before, number = np.zeros(1, dtype=np.int64), 0, 0  # of the level above, its first text, and the next one
    for place, (low, high) in enumerate(itertools.pairwise(levels)):
        at = order[low:high]
        keys, which = np.unique((made[below[at]] + 1) * codes + code[at], return_inverse=True)
        text[at] = number + which
        parent, token = np.divmod(keys, codes)
        inherited = start[np.maximum(parent - 1 - before, 0)]
        start = np.where(token % 2 == 1, inherited, place + 1)
        own = at[at < len(event)]
        made[event[own]] = text[own]
        found.append((parent - 1, token // 2, np.full(len(keys), place), start))
        before, number = number, number + len(keys)
    parents, tokens, depths, starts = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return TextTree(parents, tokens, depths, starts), text


def read_once(tree: TextTree, row_length: int | None = None) -> TreePass:
    """Lay a tree out, depth first, in rows of so many inputs; in one row if no length is given.

    Raises:
        ValueError: a text needs more inputs than there are in a row.
    """
    count, longest = len(tree.token), int(tree.depth.max()) + 1
    length = count if row_length is None else min(row_length, count)
    if longest > length:
        raise ValueError(f"row_length is {row_length}; a text of {longest} tokens needs as many inputs")
    levels = np.searchsorted(tree.depth, np.arange(longest + 1))
    size, place = np.ones(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    for low, high in zip(levels[-2:0:-1], levels[:1:-1], strict=True):  # of the texts that begin with each
        size += np.bincount(tree.parent[low:high], size[low:high], minlength=count).astype(np.int64)
    for low, high in itertools.pairwise(levels):
        parent, inside = tree.parent[low:high], np.cumsum(size[low:high]) - size[low:high]
        inside -= inside[np.searchsorted(parent, parent)]  # those that begin with the texts beside it, and come first
        place[low:high] = np.where(parent < 0, 0, place[parent] + 1) + inside
    ordered = np.argsort(place)
    ends = place + size

    starts, above = [0], [list[int]()]  # of each row the first text, and those that it begins with
    while (end := starts[-1] + length - len(above[-1])) < count:
        text, before = tree.parent[ordered[end]], list[int]()
        while text >= 0:
            before.insert(0, int(text))
            text = tree.parent[text]
        starts.append(end)
        above.append(before)
    tokens, positions = np.zeros((2, len(starts), length), dtype=np.int64)
    expires = np.full((len(starts), length), NEVER)
    at = np.zeros(count, dtype=np.int64)
    for row, (begin, end) in enumerate(itertools.pairwise([*starts, count])):
        repeated = len(above[row])
        texts = np.concatenate([np.array(above[row], dtype=np.int64), ordered[begin:end]])
        inputs = slice(0, len(texts))
        tokens[row, inputs], positions[row, inputs] = tree.token[texts], tree.depth[texts]
        expires[row, inputs] = np.minimum(ends[texts], end) - begin + repeated
        at[texts[repeated:]] = row * length + np.arange(repeated, len(texts))
    return TreePass(*map(torch.from_numpy, (tokens, positions, expires, at)))
