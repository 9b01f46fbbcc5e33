"""Whose keyboard a reward belongs to: V of the next text, averaged over what the *learner's* keyboard may type.

    r(s, a) = ℓ(a|s) - γ E[V(s')],    E[V(s')] = (1-η) V(s·a) + η mean_{b ≠ a} V(s·b)

A demonstration shows one text that was reached, and on a perfect keyboard never one after a slip. But the learner will
slip, so V after a slip is part of what a press is worth, on the demonstrations as well. In a pass over a tree of texts
(`text.tree`) a slip is one more text, and none if somebody passes it anyway.

With all K-1 slips of a press the average is exact. With m of them, drawn without replacement, it is unbiased, and φ of
the reward is not: for φ(x) = x - x²/4 and the sampled mixture each r² is larger by γ² η² s² (1/m - 1/(K-1)), s² the
variance of V over the K-1 slips (divided by K-2).

Source: the derivation is this project's; with the text that was reached instead it is Cundy & Ermon 2023, section 3.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from smatch_edu.exact.mdp import StringMDP
from smatch_edu.text.tree import TextTree, TreePass, read_once


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

    Few of many are drawn one by one (Floyd's algorithm: Bentley and Floyd 1987).

    Raises:
        ValueError: count outside 1..K-1.
    """
    if not 1 <= count < num_tokens:
        raise ValueError(f"count is {count}; a keyboard of {num_tokens} tokens has 1 to {num_tokens - 1} slips")
    if count == num_tokens - 1:
        shift = np.broadcast_to(np.arange(1, num_tokens), (len(pressed), count))
    elif 64 * count < num_tokens:
        shift = np.zeros((len(pressed), count), dtype=np.int64)
        for place, last in enumerate(range(num_tokens - count, num_tokens)):  # one of 1..last, or last if it is there
            drawn = rng.integers(1, last, size=len(pressed), endpoint=True)
            shift[:, place] = np.where((shift[:, :place] == drawn[:, None]).any(axis=1), last, drawn)
    else:
        shift = 1 + rng.random((len(pressed), num_tokens - 1)).argpartition(count, axis=1)[:, :count]
    return (pressed[:, None] + shift) % num_tokens


def leads_of(
    pressed: Int[np.ndarray, " presses"], num_tokens: int, count: int, rng: np.random.Generator
) -> Int[np.ndarray, "presses leads"]:
    """What each press of a token may lead to, the meant one first; -1 in a row for another key, which cannot slip.

    Args:
        num_tokens: K, the tokens that the keyboard may type, 0..K-1.
        count: slips of each press; 0 on a keyboard that does not slip.
    """
    is_token = (pressed < num_tokens)[:, None]
    leads = pressed[:, None]
    if count:
        slips = draw_slips(np.where(is_token[:, 0], pressed, 0), num_tokens, count, rng)
        leads = np.concatenate([leads, slips], axis=1)
    return np.where(is_token, leads, -1)


def every_text(mdp: StringMDP, prompt: Sequence[int]) -> TreePass:
    """All texts of a keyboard, typed after a prompt of at least one id, as the inputs of one pass; `at` has that of
    each text, in the order of the keyboard's states. A row has the texts that begin with one letter."""
    given, count, keys = len(prompt), mdp.num_texts, mdp.num_tokens
    if not given:
        raise ValueError("the prompt is empty; at least one token must stand before the first letter")
    above = (np.arange(1, count) - 1) // keys
    tree = TextTree(
        parent=np.concatenate([np.arange(-1, given - 1), given - 1 + above]),
        token=np.concatenate([np.asarray(prompt, dtype=np.int64), (np.arange(1, count) - 1) % keys]),
        depth=np.append(np.arange(given - 1), given - 1 + np.repeat(np.arange(mdp.max_length + 1), mdp.level_sizes)),
        start=np.append(np.arange(1, given), np.full(count, given)),
    )
    laid = read_once(tree, given + (count - 1) // keys)
    return laid._replace(at=laid.at[given - 1 :])
