"""Whose keyboard a reward belongs to: V of the next text, averaged over what the *learner's* keyboard may type.

    r(s, a) = ℓ(a|s) - γ E[V(s')],    E[V(s')] = (1-η) V(s·a) + η mean_{b ≠ a} V(s·b)

A demonstration shows one text that was reached, and on a perfect keyboard never one after a slip. But the learner will
slip, so V after a slip is part of what a press is worth, on the demonstrations as well. In a packed pass a slip is one
more input, typed and deleted again at once: a branch.

With all K-1 slips of a press the average is exact. With m of them, drawn without replacement, it is unbiased, and φ of
the reward is not: for φ(x) = x - x²/4 and the sampled mixture each r² is larger by γ² η² s² (1/m - 1/(K-1)), s² the
variance of V over the K-1 slips (divided by K-2).

Source: the derivation is this project's; with the text that was reached instead it is Cundy & Ermon 2023, section 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from smatch_edu.exact.mdp import StringMDP
from smatch_edu.text.trajectories import Trajectory, pack_batch


def expected_next_value(
    meant: Float[Tensor, "*presses"], slips: Float[Tensor, "*presses slips"], noise: float
) -> Float[Tensor, "*presses"]:
    """(1-η) V(meant) + η mean V(slips).

    Args:
        meant: V of the text that the press leads to if the keyboard does not slip.
        slips: V of the texts that other tokens lead to: of all K-1, or of some drawn uniformly.
        noise: η of the learner's keyboard; at 0 the slips play no part.
    """
    return (1 - noise) * meant + noise * slips.mean(dim=-1) if noise else meant


def draw_slips(
    pressed: Int[np.ndarray, " presses"], num_tokens: int, count: int, rng: np.random.Generator
) -> Int[np.ndarray, "presses {count}"]:
    """So many different tokens other than the pressed one, uniformly without replacement; with count = K-1 all.

    Raises:
        ValueError: count outside 1..K-1.
    """
    if not 1 <= count < num_tokens:
        raise ValueError(f"count is {count}; a keyboard of {num_tokens} tokens has 1 to {num_tokens - 1} slips")
    if count == num_tokens - 1:
        shift = np.broadcast_to(np.arange(1, num_tokens), (len(pressed), count))
    else:
        shift = 1 + rng.random((len(pressed), num_tokens - 1)).argpartition(count, axis=1)[:, :count]
    return (pressed[:, None] + shift) % num_tokens


class Branched(NamedTuple):
    """Trajectories with branches: at each press the texts that it may lead to are typed and deleted again.

    Attributes:
        walks: one for each trajectory, to be packed.
        step: (presses,), for each press of every trajectory, one after the other, where its action stands in the walk.
        trajectory: (presses,), whose it is.
        is_token: (presses,), whether a token was pressed; only such a press can slip.
        deleted: (presses, 1 + slips), for the meant text and each slip the place in the walk of the `<backspace>` that
            takes it back; -1 for the one that really happened and stands, and for presses that are no tokens.
    """

    walks: list[Trajectory]
    step: Int[np.ndarray, " presses"]
    trajectory: Int[np.ndarray, " presses"]
    is_token: Shaped[np.ndarray, " presses"]
    deleted: Int[np.ndarray, "presses leads"]


def with_branches(
    trajectories: Sequence[Trajectory], num_tokens: int, backspace: int, count: int, rng: np.random.Generator
) -> Branched:
    """Type and delete what each press of a token may lead to and did not: the meant token, and `count` slips.

    Args:
        num_tokens: K, the tokens that the keyboard may type, 0..K-1.
        count: slips of each press; 0 on a keyboard that does not slip.
    """
    lengths = np.array([len(one.pressed) for one in trajectories])
    trajectory = np.repeat(np.arange(len(trajectories)), lengths)
    pressed, typed = (np.concatenate([getattr(one, name) for one in trajectories]) for name in ("pressed", "typed"))
    is_token = pressed < num_tokens
    leads = pressed[:, None]
    if count:
        leads = np.concatenate([leads, draw_slips(np.where(is_token, pressed, 0), num_tokens, count, rng)], axis=1)
    branch = (leads != typed[:, None]) & is_token[:, None]

    extra = 2 * branch.sum(axis=1)
    ends = np.cumsum(extra + 1)  # the action itself comes after its branches
    size, starts = int(ends[-1]), ends - extra - 1
    walk_pressed, walk_typed = np.full((2, size), backspace)
    walk_pressed[ends - 1], walk_typed[ends - 1] = pressed, typed
    at = starts[:, None] + 2 * (branch.cumsum(axis=1) - 1)
    walk_pressed[at[branch]] = walk_typed[at[branch]] = leads[branch]

    first = np.append(0, ends)[np.cumsum(lengths) - lengths]  # where each trajectory's walk begins
    parts = zip(np.split(walk_pressed, first[1:]), np.split(walk_typed, first[1:]), trajectories, strict=True)
    walks = [Trajectory(one.prompt, meant, happened) for meant, happened, one in parts]
    deleted = np.where(branch, at + 1 - first[trajectory][:, None], -1)
    return Branched(walks, ends - 1 - first[trajectory], trajectory, is_token, deleted)


class EveryText(NamedTuple):
    """All texts of a keyboard as the inputs of one pass.

    Attributes:
        tokens, positions, expires: (rows, inputs), see `PackedBatch`.
        row, column: (texts,), the input whose output is each text's policy.
    """

    tokens: Int[Tensor, "rows inputs"]
    positions: Int[Tensor, "rows inputs"]
    expires: Int[Tensor, "rows inputs"]
    row: Int[Tensor, " texts"]
    column: Int[Tensor, " texts"]


def every_text(mdp: StringMDP, prompt: Sequence[int], backspace: int) -> EveryText:
    """One walk over all texts that begin with a letter, for each letter: type every text, deleting in between.

    Args:
        prompt: what stands before the first letter, at least one id.
        backspace: the id that deletes; the walk needs it also on a keyboard that has no such key.
    """
    walks, passed = zip(*(_walk(mdp, letter, backspace) for letter in range(mdp.num_tokens)), strict=True)
    packed = pack_batch([Trajectory(np.asarray(prompt), walk, walk) for walk in walks], backspace)
    row, column = torch.zeros(2, mdp.num_texts, dtype=torch.long)
    for number, states in enumerate(passed):
        row[states], column[states] = number, packed.state_of_action[number, : len(states)]
    return EveryText(packed.tokens, packed.positions, packed.expires, row, column)


def _walk(mdp: StringMDP, letter: int, backspace: int) -> tuple[Int[np.ndarray, " time"], Int[np.ndarray, " time"]]:
    """Type every text that begins with a letter, deleting in between; and the states in which each key is pressed."""
    typed: list[int] = []
    states: list[int] = []

    def down(state: int, token: int, room: int) -> None:
        child = mdp.num_tokens * state + 1 + token
        typed.append(token)
        states.append(state)
        if room:
            for following in range(mdp.num_tokens):
                down(child, following, room - 1)
        typed.append(backspace)
        states.append(child)

    down(0, letter, mdp.max_length - 1)
    return np.array(typed), np.array(states)
