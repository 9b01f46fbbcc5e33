"""The exercises of notebooks/02_occupancy.ipynb."""

from __future__ import annotations

from typing import Any

import numpy as np

from smatch_edu.checks.exercise import exercise

# -- 2.1 ---------------------------------------------------------------------------------------------------------


def _chain(rng: np.random.Generator) -> dict[str, Any]:
    return {"policy": rng.uniform(0.2, 1.0, size=3), "gamma": float(rng.uniform(0.5, 0.99))}


def discount_forgotten(policy, gamma):
    """Your visits do not shrink with depth when every key is certain. Each step costs one factor; which one is
    missing?"""
    return (1 - gamma) * np.append(1, np.cumprod(policy))


def not_normalised(policy, gamma):
    """You return the discounted number of visits. A share of the time is wanted: what must all shares sum to, if she
    types for ever?"""
    return np.append(1, np.cumprod(gamma * policy))


def normalised_over_the_chain(policy, gamma):
    """Your four visits sum to 1, as if she were always in one of these texts. Where is she after a wrong key, and after
    the last one?"""
    visits = np.append(1, np.cumprod(gamma * policy))
    return visits / visits.sum()


def start_left_out(policy, gamma):
    """The empty text does not have a factor γ: she stands there at t = 0. Which step does your first γ belong to?"""
    return (1 - gamma) * gamma * np.append(1, np.cumprod(gamma * policy))


def keys_not_multiplied(policy, gamma):
    """To stand at `the` she must have hit three right keys, not only the last one. What becomes of the chances of the
    keys before?"""
    return (1 - gamma) * gamma ** np.arange(4) * np.append(1, policy)


def first_key_repeated(policy, gamma):
    """You use the chance of the first key at every depth. The chance of the right key differs from text to text."""
    return (1 - gamma) * np.append(1, np.cumprod(np.full(3, gamma * policy[0])))


@exercise(
    "2.1",
    draw=_chain,
    inputs="random chains",
    mistakes=[
        discount_forgotten,
        not_normalised,
        normalised_over_the_chain,
        start_left_out,
        keys_not_multiplied,
        first_key_repeated,
    ],
)
def visits_along_a_chain(policy, gamma):
    """Normalised visits of '', t, th, the: (1-γ) Π_{k<d} γ policy[k] at depth d."""
    return (1 - gamma) * np.append(1, np.cumprod(gamma * policy))


# -- 2.2 ---------------------------------------------------------------------------------------------------------


def _small_process(rng: np.random.Generator) -> dict[str, Any]:
    states, actions = rng.integers(3, 6), rng.integers(2, 4)
    return {
        "policy": rng.dirichlet(np.ones(actions), size=states),
        "transitions": rng.dirichlet(0.4 * np.ones(states), size=(states, actions)),
        "gamma": float(rng.uniform(0.5, 0.95)),
    }


def _visits(policy, transitions, gamma, start=None):
    """v = start + γ Pᵀ v."""
    moves = np.einsum("sa,san->sn", policy, transitions)
    start = np.eye(len(policy))[0] if start is None else start
    return np.linalg.solve(np.eye(len(policy)) - gamma * moves.T, start)


def counts_instead_of_shares(policy, transitions, gamma):
    """Your table does not sum to 1, it sums to 1/(1-γ): expected visits, not shares. Which factor turns one into the
    other?"""
    return _visits(policy, transitions, gamma)[:, None] * policy


def arrows_reversed(policy, transitions, gamma):
    """Visits flow along the arrows, from s to s'. In your system of equations they flow against them: look at the
    transpose."""
    moves = np.einsum("sa,san->sn", policy, transitions)
    visits = np.linalg.solve(np.eye(len(policy)) - gamma * moves, np.eye(len(policy))[0])
    return (1 - gamma) * visits[:, None] * policy


def policy_left_out(policy, transitions, gamma):
    """You repeat the share of the state for every action, so that the table sums to more than 1. How often is *this*
    action pressed there?"""
    return (1 - gamma) * np.repeat(_visits(policy, transitions, gamma)[:, None], policy.shape[1], axis=1)


def any_start(policy, transitions, gamma):
    """Your typist starts in any state with equal chance. She always starts in state 0."""
    uniform = np.full(len(policy), 1 / len(policy))
    return (1 - gamma) * _visits(policy, transitions, gamma, uniform)[:, None] * policy


def start_not_counted(policy, transitions, gamma):
    """Your sum starts after the first step, so her standing in state 0 at t = 0 is not counted."""
    visits = _visits(policy, transitions, gamma) - np.eye(len(policy))[0]
    return (1 - gamma) * visits[:, None] * policy


def discount_as_if_one(policy, transitions, gamma):
    """You found where she would be in the long run, whatever γ is. Early moments weigh more: γ^t."""
    moves = np.einsum("sa,san->sn", policy, transitions)
    size = len(policy)
    equations = np.vstack([(np.eye(size) - moves.T)[:-1], np.ones(size)])
    return np.linalg.solve(equations, np.eye(size)[-1])[:, None] * policy


def one_step_only(policy, transitions, gamma):
    """You counted t = 0 and t = 1 and stopped. The sum has no end: how can one equation hold all of it?"""
    moves = np.einsum("sa,san->sn", policy, transitions)
    return (1 - gamma) * (np.eye(len(policy))[0] + gamma * moves[0])[:, None] * policy


@exercise(
    "2.2",
    draw=_small_process,
    inputs="random small processes",
    mistakes=[
        counts_instead_of_shares,
        arrows_reversed,
        policy_left_out,
        any_start,
        start_not_counted,
        discount_as_if_one,
        one_step_only,
    ],
)
def occupancy_of_policy(policy, transitions, gamma):
    """ρ(s,a) = (1-γ) v(s) π(a|s), with v = e_0 + γ P_πᵀ v."""
    return (1 - gamma) * _visits(policy, transitions, gamma)[:, None] * policy


# -- 2.3 ---------------------------------------------------------------------------------------------------------


def _one_text(rng: np.random.Generator) -> dict[str, Any]:
    num_states, num_actions, length = rng.integers(3, 6), rng.integers(2, 5), rng.integers(1, 7)
    return {
        "states": np.append(rng.integers(0, num_states - 1, size=length), num_states - 1),
        "actions": np.append(rng.integers(0, num_actions, size=length - 1), num_actions - 1),
        "gamma": float(rng.uniform(0.5, 0.95)),
        "num_states": int(num_states),
        "num_actions": int(num_actions),
    }


def _counted(states, actions, weights, num_states, num_actions):
    table = np.zeros((num_states, num_actions))
    np.add.at(table, (states[:-1], actions), weights)
    return table


def tail_left_out(states, actions, gamma, num_states, num_actions):
    """Your table sums to 1-γ^N. She finished, but the clock runs on: where does she stand from step N on, for ever?"""
    weights = (1 - gamma) * gamma ** np.arange(len(actions))
    return _counted(states, actions, weights, num_states, num_actions)


def tail_is_one_step(states, actions, gamma, num_states, num_actions):
    """You count the absorbing state once. She stays there at steps N, N+1, N+2, ...: what do all those weights sum
    to?"""
    table = tail_left_out(states, actions, gamma, num_states, num_actions)
    table[-1, -1] += (1 - gamma) * gamma ** len(actions)
    return table


def every_step_alike(states, actions, gamma, num_states, num_actions):
    """Every step of your text weighs the same. The step at time t weighs γ^t."""
    weights = np.full(len(actions), 1 / len(actions))
    return _counted(states, actions, weights, num_states, num_actions)


def every_step_alike_then_tail(states, actions, gamma, num_states, num_actions):
    """The steps before the end share their weight equally. The step at time t weighs γ^t: early ones weigh more."""
    weights = np.full(len(actions), (1 - gamma ** len(actions)) / len(actions))
    table = _counted(states, actions, weights, num_states, num_actions)
    table[-1, -1] += gamma ** len(actions)
    return table


def weights_not_normalised(states, actions, gamma, num_states, num_actions):
    """Your weights γ^t sum to 1/(1-γ), so your table is no share of the time. Which factor is missing?"""
    return occupancy_of_a_text.oracle(states, actions, gamma, num_states, num_actions) / (1 - gamma)


def clock_one_late(states, actions, gamma, num_states, num_actions):
    """Your first step weighs γ. She stands at the first state at time 0: which power of γ is that?"""
    weights = (1 - gamma) * gamma ** (1 + np.arange(len(actions)))
    table = _counted(states, actions, weights, num_states, num_actions)
    table[-1, -1] += gamma ** (1 + len(actions))
    return table


def repeated_pairs_lost(states, actions, gamma, num_states, num_actions):
    """When she stands at the same state and presses the same key twice, you keep one of the two. Both count:
    `table[s, a] += w` with arrays of indices adds only once, and `=` overwrites."""
    table = np.zeros((num_states, num_actions))
    for state, action, t in zip(states[:-1], actions, range(len(actions)), strict=True):
        table[state, action] = (1 - gamma) * gamma**t
    table[-1, -1] += gamma ** len(actions)
    return table


@exercise(
    "2.3",
    draw=_one_text,
    inputs="random texts",
    mistakes=[
        tail_left_out,
        tail_is_one_step,
        every_step_alike,
        every_step_alike_then_tail,
        weights_not_normalised,
        clock_one_late,
        repeated_pairs_lost,
    ],
)
def occupancy_of_a_text(states, actions, gamma, num_states, num_actions):
    """(1-γ) γ^t at the pair of step t, and γ^N at the absorbing one."""
    table = tail_left_out(states, actions, gamma, num_states, num_actions)
    table[-1, -1] += gamma ** len(actions)
    return table


# -- 2.4 ---------------------------------------------------------------------------------------------------------


def _there_and_back(rng: np.random.Generator) -> dict[str, Any]:
    types, deletes, gamma = rng.uniform(0.2, 0.9, size=3)
    return {"types": float(types), "deletes": float(deletes), "gamma": float(gamma)}


def never_back(types, deletes, gamma):
    """Your visits do not depend on backspace. Whoever deletes `t` stands at the empty text again, and that is one more
    visit."""
    return (1 - gamma) * np.array([1, gamma * types])


def back_once(types, deletes, gamma):
    """You count one way there and back. She may do it again, and again: what does the whole series sum to?"""
    start = 1 + gamma**2 * types * deletes
    return (1 - gamma) * start * np.array([1, gamma * types])


def round_trip_of_one_step(types, deletes, gamma):
    """There and back takes two keys. How many factors of γ is that?"""
    start = 1 / (1 - gamma * types * deletes)
    return (1 - gamma) * start * np.array([1, gamma * types])


def round_trip_without_discount(types, deletes, gamma):
    """The way there and back costs no time in your answer. Each of its two keys costs a factor."""
    start = 1 / (1 - types * deletes)
    return (1 - gamma) * start * np.array([1, gamma * types])


def step_up_without_discount(types, deletes, gamma):
    """`t` is reached one key after the empty text. Which factor stands between the two visits, beside `types`?"""
    start = 1 / (1 - gamma**2 * types * deletes)
    return (1 - gamma) * start * np.array([1, types])


def counts_of_both(types, deletes, gamma):
    """You return expected discounted visits. Shares of the time are wanted."""
    start = 1 / (1 - gamma**2 * types * deletes)
    return start * np.array([1, gamma * types])


@exercise(
    "2.4",
    draw=_there_and_back,
    inputs="random pairs of texts",
    mistakes=[
        never_back,
        back_once,
        round_trip_of_one_step,
        round_trip_without_discount,
        step_up_without_discount,
        counts_of_both,
    ],
)
def there_and_back(types, deletes, gamma):
    """v0 = (1-γ) / (1 - γ² types deletes), v1 = γ types v0."""
    start = (1 - gamma) / (1 - gamma**2 * types * deletes)
    return np.array([start, gamma * types * start])
