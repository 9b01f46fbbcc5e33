"""The exercises of notebooks/02_occupancy.ipynb."""

from __future__ import annotations

from typing import Any

import numpy as np

from smatch_edu.checks.exercise import exercise

# How far `np.round` and long sums may be off before they count as a mistake.
ROUNDED = 1e-5

# -- 2.1 ---------------------------------------------------------------------------------------------------------


def _chain(rng: np.random.Generator) -> dict[str, Any]:
    """Some keys are pressed always, or never, or hardly ever."""
    kind, policy = rng.random(3), rng.uniform(0.2, 1.0, size=3)
    policy = np.where(kind < 0.1, rng.integers(2, size=3), policy)
    policy = np.where(kind > 0.93, 10 ** rng.uniform(-3, -1, size=3), policy)
    return {"policy": policy, "gamma": 0.0 if rng.random() < 0.1 else float(rng.uniform(0.5, 0.99))}


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


def first_key_repeated(policy, gamma):
    """You use the chance of the first key at every depth. The chance of the right key differs from text to text."""
    return (1 - gamma) * np.append(1, np.cumprod(np.full(3, gamma * policy[0])))


def chance_of_coming_there(policy, gamma):
    """This is the chance that she ever comes to each text. But when the clock stops, is she still there, and did it not
    stop before?"""
    return np.append(1, np.cumprod(policy))


def word_never_finished(policy, gamma):
    """You let her stay at `the` for ever. She has one more key to press there: where does it lead?"""
    visits = visits_along_a_chain.oracle(policy, gamma)
    visits[3] /= 1 - gamma
    return visits


def chances_added(policy, gamma):
    """You add the chances of the keys. When one thing must happen *and then* another, what is done with their
    chances?"""
    return (1 - gamma) * gamma ** np.arange(4) * np.cumsum(np.append(1, policy))


def next_key_counted(policy, gamma):
    """To stand at a text, the key that leads on from it need not be pressed. Which key led to `t`, and which one leads
    to the empty text?"""
    return (1 - gamma) * gamma ** np.arange(4) * np.cumprod(np.append(policy, 1))


def discounted_once(policy, gamma):
    """Each of your texts after the empty one has a single factor γ. How many keys does it take to come to `the`?"""
    return (1 - gamma) * np.append(1, gamma * np.cumprod(policy))


def normalised_at_the_start_only(policy, gamma):
    """Your first number is a share of the time, and the others are visits. The clock may stop at any text: which factor
    do they lack?"""
    return np.append(1 - gamma, np.cumprod(gamma * policy))


def running_on_in_front(policy, gamma):
    """All your numbers have γ in front, the chance that the clock runs on. With what chance does it stop?"""
    return gamma * np.append(1, np.cumprod(gamma * policy))


def rest_at_the_word(policy, gamma):
    """You give `the` all the time that the other three leave. Where is she after a wrong key, and after ⏎?"""
    shares = visits_along_a_chain.oracle(policy, gamma)
    return np.append(shares[:3], 1 - shares[:3].sum())


def clock_swapped(policy, gamma):
    """Your clock stops with probability γ and runs on with 1-γ. Which way round was it?"""
    return visits_along_a_chain.oracle(policy, 1 - gamma)


def wrong_key_counted(policy, gamma):
    """You multiply by the chance that she does *not* press the right key next. The clock stops before that key: does it
    matter?"""
    return visits_along_a_chain.oracle(policy, gamma) * np.append(1 - policy, 1)


def longest_text_first(policy, gamma):
    """Your shares are the right ones, in the wrong order. Which text comes first?"""
    return visits_along_a_chain.oracle(policy, gamma)[::-1]


def keys_not_multiplied(returned, policy, gamma):
    """To stand at `the` she must have hit three right keys, not only the last one. What becomes of the chances of the
    keys before?"""
    weights = gamma ** np.arange(4), np.append(1, np.full(3, gamma))
    return any(np.allclose(returned, (1 - gamma) * weight * np.append(1, policy), atol=ROUNDED) for weight in weights)


def stopped_at_every_step(returned, policy, gamma):
    """You have a factor 1-γ for each letter. How many times does the clock stop?"""
    steps = policy, gamma * policy
    return any(
        np.allclose(returned, (1 - gamma) ** np.arange(1, 5) * np.append(1, np.cumprod(step)), atol=ROUNDED)
        for step in steps
    )


def counted(returned, policy, gamma):
    """Your shares come near, as counted ones do. Every chance is given: can you do without counting?"""
    near = np.abs(returned - visits_along_a_chain.oracle(policy, gamma)).max() < 0.1
    counts = returned * np.arange(1, 10_001)[:, None]  # whole numbers for some total of at most 10,000
    return bool(near and np.abs(counts - np.rint(counts)).max(axis=1).min() < 1e-9)


@exercise(
    "2.1",
    draw=_chain,
    inputs="random chains",
    mistakes=[
        discount_forgotten,
        not_normalised,
        normalised_over_the_chain,
        start_left_out,
        first_key_repeated,
        chance_of_coming_there,
        word_never_finished,
        chances_added,
        next_key_counted,
        discounted_once,
        normalised_at_the_start_only,
        running_on_in_front,
        rest_at_the_word,
        clock_swapped,
        wrong_key_counted,
        longest_text_first,
    ],
    signs=[keys_not_multiplied, stopped_at_every_step],
    guesses=[counted],
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


def started_everywhere(policy, transitions, gamma):
    """Your table sums to the number of states: the right-hand side of your system puts a typist into each of them.
    Where does ours stand at t = 0?"""
    return (1 - gamma) * _visits(policy, transitions, gamma, np.ones(len(policy)))[:, None] * policy


def last_state_first(policy, transitions, gamma):
    """Your typist starts in the last state. Which entry of the right-hand side is the 1?"""
    return (1 - gamma) * _visits(policy, transitions, gamma, np.eye(len(policy))[-1])[:, None] * policy


def moves_averaged(policy, transitions, gamma):
    """On her way she presses every key equally often in your answer. How often does she press each, in each state?"""
    return (1 - gamma) * _visits(np.full_like(policy, 1 / policy.shape[1]), transitions, gamma)[:, None] * policy


def moves_added(policy, transitions, gamma):
    """You add up what the keys do as if she pressed all of them at once. By what should each P(n|s,a) be weighted, so
    that the rows of P_π sum to 1?"""
    return (1 - gamma) * _visits(np.ones_like(policy), transitions, gamma)[:, None] * policy


def shared_evenly(policy, transitions, gamma):
    """You have the share of each state, and divide it evenly among the actions. Does she press them equally often
    there?"""
    visits = np.repeat(_visits(policy, transitions, gamma)[:, None], policy.shape[1], axis=1)
    return (1 - gamma) * visits / policy.shape[1]


def policy_twice(policy, transitions, gamma):
    """π(a|s) stands in your table twice, so that it sums to less than 1. In how many places does (2.2) have it?"""
    return occupancy_of_policy.oracle(policy, transitions, gamma) * policy


def every_state_alike(policy, transitions, gamma):
    """Each row of your table sums to 1. That is the policy again: which states does she visit often, and which ones
    rarely?"""
    return policy


def wrong_side(policy, transitions, gamma):
    """The sign of one term changes when (2.1) is brought into the form M v = b. Which term goes to the other side?"""
    moves = np.einsum("sa,san->sn", policy, transitions)
    visits = np.linalg.solve(np.eye(len(policy)) + gamma * moves.T, np.eye(len(policy))[0])
    return (1 - gamma) * visits[:, None] * policy


def looked_after_the_key(policy, transitions, gamma):
    """You look at the screen one key too late: your weight (1-γ) γ^t meets the state at t+1. Which weight belongs to
    the start?"""
    shares = occupancy_of_policy.oracle(policy, transitions, gamma)
    return np.einsum("sa,san->n", shares, transitions)[:, None] * policy


def normalised_twice(policy, transitions, gamma):
    """Your table sums to 1-γ. A factor 1-γ turns visits into shares; how often did you use it?"""
    return (1 - gamma) * occupancy_of_policy.oracle(policy, transitions, gamma)


def key_with_the_next_state(policy, transitions, gamma):
    """You pair each key with the state that it leads to. Where does she stand *when* she presses it?"""
    shares = occupancy_of_policy.oracle(policy, transitions, gamma)
    return np.einsum("sa,san->na", shares, transitions)


def running_on_and_stopping_swapped(policy, transitions, gamma):
    """γ and 1-γ have changed places in your answer. With which of them does the clock run on?"""
    return occupancy_of_policy.oracle(policy, transitions, 1 - gamma)


def broken_off(returned, policy, transitions, gamma):
    """Your sum over t breaks off: the first moments are right, and the weight of all later ones is missing. How could
    you get hold of moments that never end?"""
    rest = 1 - returned.sum()
    if not 0 < rest < 1:
        return False
    moves = np.einsum("sa,san->sn", policy, transitions)
    here, visits = np.eye(len(policy))[0], np.zeros(len(policy))
    for _ in range(round(np.log(rest) / np.log(gamma))):
        visits, here = visits + here, gamma * moves.T @ here
    return np.allclose(returned, (1 - gamma) * visits[:, None] * policy, rtol=0, atol=ROUNDED)


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
        started_everywhere,
        last_state_first,
        moves_averaged,
        moves_added,
        shared_evenly,
        policy_twice,
        every_state_alike,
        wrong_side,
        looked_after_the_key,
        normalised_twice,
        key_with_the_next_state,
        running_on_and_stopping_swapped,
    ],
    signs=[broken_off],
)
def occupancy_of_policy(policy, transitions, gamma):
    """ρ(s,a) = (1-γ) v(s) π(a|s), with v = e_0 + γ P_πᵀ v."""
    return (1 - gamma) * _visits(policy, transitions, gamma)[:, None] * policy


# -- 2.3 ---------------------------------------------------------------------------------------------------------


def _one_text(rng: np.random.Generator) -> dict[str, Any]:
    """Some are long, of up to some thirty keys."""
    num_states, num_actions = rng.integers(3, 6), rng.integers(2, 5)
    length = rng.integers(1, 7) if rng.random() < 0.85 else rng.integers(7, 33)
    return {
        "states": np.append(rng.integers(0, num_states - 1, size=length), num_states - 1),
        "actions": np.append(rng.integers(0, num_actions - 1, size=length - 1), num_actions - 1),  # ⏎ comes once
        "gamma": float(rng.choice([0.0, 0.99, rng.uniform(0.5, 0.95)], p=[0.1, 0.1, 0.8])),
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


def repeated_pairs_lost(states, actions, gamma, num_states, num_actions):
    """When she stands at the same state and presses the same key twice, you keep one of the two. Both count:
    `table[s, a] += w` with arrays of indices adds only once, and `=` overwrites."""
    table = np.zeros((num_states, num_actions))
    for state, action, t in zip(states[:-1], actions, range(len(actions)), strict=True):
        table[state, action] = (1 - gamma) * gamma**t
    table[-1, -1] += gamma ** len(actions)
    return table


def stretched_without_tail(states, actions, gamma, num_states, num_actions):
    """You leave the time after the end out, and stretch the rest until it sums to 1. Does the clock never stop after
    she has finished?"""
    table = tail_left_out(states, actions, gamma, num_states, num_actions)
    return table / table.sum()


def stretched_after_one_step(states, actions, gamma, num_states, num_actions):
    """You divide by the sum to make it 1, so some weight was missing before. Whose is it: that of every pair, or that
    of one place where she stays?"""
    table = tail_is_one_step(states, actions, gamma, num_states, num_actions)
    return table / table.sum()


def steps_not_normalised(states, actions, gamma, num_states, num_actions):
    """Your tail is right, and the steps before it are too heavy: the table sums to more than 1. With what probability
    does the clock stop at time t?"""
    table = weights_not_normalised(states, actions, gamma, num_states, num_actions)
    table[-1, -1] *= 1 - gamma
    return table


def tail_one_late(states, actions, gamma, num_states, num_actions):
    """One moment falls between your last key and your tail. At which step does she first stand in the absorbing
    state?"""
    table = occupancy_of_a_text.oracle(states, actions, gamma, num_states, num_actions)
    table[-1, -1] *= gamma
    return table


def tail_one_early(states, actions, gamma, num_states, num_actions):
    """Your tail begins while she is still pressing ⏎, so that moment counts twice. How many keys come before the
    tail?"""
    table = tail_left_out(states, actions, gamma, num_states, num_actions)
    table[-1, -1] += gamma ** (len(actions) - 1)
    return table


def every_state_counted(states, actions, gamma, num_states, num_actions):
    """You count the N+1 states, each as much as the next. Does the clock stop at each of them equally often?"""
    table = _counted(states, actions, np.ones(len(actions)), num_states, num_actions)
    table[-1, -1] += 1
    return table / len(states)


def states_after_the_keys(states, actions, gamma, num_states, num_actions):
    """You pair each key with the state that it leads to. Where does she stand *when* she presses it?"""
    return occupancy_of_a_text.oracle(np.append(states[1:], states[-1]), actions, gamma, num_states, num_actions)


def tail_on_the_first_key(states, actions, gamma, num_states, num_actions):
    """Your tail is in the right row, but in its first column. Which key do we say she presses in the absorbing
    state?"""
    table = occupancy_of_a_text.oracle(states, actions, gamma, num_states, num_actions)
    table[-1] = np.roll(table[-1], 1)
    return table


def tail_on_every_key(states, actions, gamma, num_states, num_actions):
    """You divide the tail among all keys of the absorbing state. It is true that none of them matters; which one did we
    settle on?"""
    table = occupancy_of_a_text.oracle(states, actions, gamma, num_states, num_actions)
    table[-1] = table[-1].mean()
    return table


def tail_at_the_last_text(states, actions, gamma, num_states, num_actions):
    """Your tail lies on the text at which she pressed ⏎. Where does ⏎ take her?"""
    table = tail_left_out(states, actions, gamma, num_states, num_actions)
    table[states[-2], -1] += gamma ** len(actions)
    return table


def clock_backwards(states, actions, gamma, num_states, num_actions):
    """Your weights grow from the first step to the last. Does the clock stop early more often, or late?"""
    weights = (1 - gamma) * gamma ** np.arange(len(actions))
    table = _counted(states, actions, weights[::-1], num_states, num_actions)
    table[-1, -1] += gamma ** len(actions)
    return table


def steps_not_discounted(states, actions, gamma, num_states, num_actions):
    """Each of your steps weighs 1-γ. That is right for the first one; must the clock not run on until it comes to the
    others?"""
    table = _counted(states, actions, np.full(len(actions), 1 - gamma), num_states, num_actions)
    table[-1, -1] += gamma ** len(actions)
    return table


def tail_and_rest_swapped(states, actions, gamma, num_states, num_actions):
    """Your tail weighs what the steps *before* it weigh together. What is left for it?"""
    table = tail_left_out(states, actions, gamma, num_states, num_actions)
    table[-1, -1] += 1 - gamma ** len(actions)
    return table


def tail_of_visits(states, actions, gamma, num_states, num_actions):
    """Your tail is the sum of γ^N, γ^(N+1), …, and the table sums to more than 1. What do the other entries have that
    this sum lacks?"""
    table = tail_left_out(states, actions, gamma, num_states, num_actions)
    table[-1, -1] += gamma ** len(actions) / (1 - gamma)
    return table


def finishing_key_lost(states, actions, gamma, num_states, num_actions):
    """The moment at which she presses ⏎ is missing. She still stands on her text then: at which pair does it belong?"""
    table = occupancy_of_a_text.oracle(states, actions, gamma, num_states, num_actions)
    table[states[-2], -1] = 0
    return table


def finishing_key_in_the_tail(states, actions, gamma, num_states, num_actions):
    """You count the moment at which she presses ⏎ as if she had finished already. In which state does she press it?"""
    table = finishing_key_lost(states, actions, gamma, num_states, num_actions)
    table[-1, -1] = gamma ** (len(actions) - 1)
    return table


def stop_and_run_on_swapped(states, actions, gamma, num_states, num_actions):
    """γ and 1-γ have changed places in your weights. The clock runs on with probability γ: how likely is it that it
    stops before the first key?"""
    return occupancy_of_a_text.oracle(states, actions, 1 - gamma, num_states, num_actions)


def clock_one_late(returned, states, actions, gamma, num_states, num_actions):
    """Your first step weighs γ. She stands at the first state at time 0: which power of γ is that?"""
    late = gamma * tail_left_out(states, actions, gamma, num_states, num_actions)
    tails = [np.where(np.arange(late.size) == late.size - 1, gamma**n, 0) for n in (len(actions), len(actions) + 1)]
    return any(np.allclose(returned, late + tail.reshape(late.shape), atol=ROUNDED) for tail in tails)


def tail_at_another_step(returned, states, actions, gamma, num_states, num_actions):
    """Your steps and your tail do not meet: a moment between them is left out, or counted twice. Which power of γ
    weighs the last key, and which the first moment after it?"""
    end, found = gamma ** len(actions), []
    for scale in (1, 1 / (1 - gamma)):
        steps = scale * tail_left_out(states, actions, gamma, num_states, num_actions)
        for counted, shifts in (0, (-1, 1, 2)), (scale * (1 - gamma) * end, (-1, 0, 2)):  # with or without step N
            for tail in (gamma ** (len(actions) + shift) for shift in shifts):
                for factor in (1 - gamma, 1, 1 / (1 - gamma)):
                    table = steps.copy()
                    table[-1, -1] = counted + factor * tail
                    found += [table, table / table.sum()]
    return any(np.allclose(returned, table, atol=ROUNDED) for table in found)


def tail_breaks_off(returned, states, actions, gamma, num_states, num_actions):
    """All of your table is right but the end, which weighs too little: you count many steps there, and then stop. What
    do the weights of *all* later steps sum to?"""
    missing = occupancy_of_a_text.oracle(states, actions, gamma, num_states, num_actions) - returned
    return bool(missing[-1, -1] > 0 and returned[-1, -1] > 0 and np.abs(missing.ravel()[:-1]).max() < ROUNDED)


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
        repeated_pairs_lost,
        stretched_without_tail,
        stretched_after_one_step,
        steps_not_normalised,
        tail_one_late,
        tail_one_early,
        every_state_counted,
        states_after_the_keys,
        tail_on_the_first_key,
        tail_on_every_key,
        tail_at_the_last_text,
        clock_backwards,
        steps_not_discounted,
        tail_and_rest_swapped,
        tail_of_visits,
        finishing_key_lost,
        finishing_key_in_the_tail,
        stop_and_run_on_swapped,
    ],
    signs=[clock_one_late, tail_at_another_step, tail_breaks_off],
)
def occupancy_of_a_text(states, actions, gamma, num_states, num_actions):
    """(1-γ) γ^t at the pair of step t, and γ^N at the absorbing one."""
    table = tail_left_out(states, actions, gamma, num_states, num_actions)
    table[-1, -1] += gamma ** len(actions)
    return table


# -- 2.4 ---------------------------------------------------------------------------------------------------------


def _there_and_back(rng: np.random.Generator) -> dict[str, Any]:
    kind = rng.random()
    low, high = (0.93, 0.995) if kind < 0.15 else (0.2, 0.9)  # some go to and fro for long
    types, deletes, gamma = rng.uniform(low, high, size=3)
    if kind > 0.8:  # one of the keys is pressed always, or never
        certain = float(rng.integers(2))
        types, deletes = (types, certain) if rng.random() < 0.5 else (certain, deletes)
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


def back_once_and_no_further(types, deletes, gamma):
    """After one way there and back your typist rests. What does she do when she stands at the empty text again?"""
    return (1 - gamma) * np.array([1 + gamma**2 * types * deletes, gamma * types])


def there_once(types, deletes, gamma):
    """The empty text is right. But each time she stands there anew she may type `t` anew: how often do you count
    `t`?"""
    start = (1 - gamma) / (1 - gamma**2 * types * deletes)
    return np.array([start, (1 - gamma) * gamma * types])


def no_step_discounted(types, deletes, gamma):
    """γ stands in front only, and no key costs anything. With what probability does the clock run on for one more
    key?"""
    start = (1 - gamma) / (1 - types * deletes)
    return start * np.array([1, types])


def shares_of_two_texts(types, deletes, gamma):
    """Your two shares sum to 1, as if she never finished. Where else can she be when the clock stops?"""
    return np.array([1, gamma * types]) / (1 + gamma * types)


def rest_of_the_time(types, deletes, gamma):
    """You give `t` all the time that the empty text does not take. Is she always at one of these two?"""
    start = (1 - gamma) / (1 - gamma**2 * types * deletes)
    return np.array([start, 1 - start])


def other_text_first(types, deletes, gamma):
    """Your two numbers are the right ones, in the wrong order. Which text is asked for first?"""
    return there_and_back.oracle(types, deletes, gamma)[::-1]


def surely_back(types, deletes, gamma):
    """Your typist always comes back from `t`. With what probability does she press ⌫ there?"""
    start = (1 - gamma) / (1 - gamma**2 * types)
    return start * np.array([1, gamma * types])


def keys_swapped(types, deletes, gamma):
    """The empty text is right. Which key brings her to `t`: the letter, or ⌫?"""
    return there_and_back.oracle(deletes, types, gamma)


def both_keys_at_t(types, deletes, gamma):
    """The empty text is right. She stands at `t` before she presses ⌫: must ⌫ have been pressed for her to be there?"""
    start = (1 - gamma) / (1 - gamma**2 * types * deletes)
    return start * np.array([1, gamma * types * deletes])


def series_with_a_plus(types, deletes, gamma):
    """Coming back makes your visits fewer. What does 1 + x + x² + … sum to, and is that more than 1 or less?"""
    start = (1 - gamma) / (1 + gamma**2 * types * deletes)
    return start * np.array([1, gamma * types])


def series_upside_down(types, deletes, gamma):
    """You have the right factor and multiply by it. Coming back should make the visits more: what does a geometric
    series do with 1-x?"""
    start = (1 - gamma) * (1 - gamma**2 * types * deletes)
    return start * np.array([1, gamma * types])


def chances_of_finishing(types, deletes, gamma):
    """You use the chances of finishing, 1-types and 1-deletes. Which keys keep her going there and back?"""
    return there_and_back.oracle(1 - types, 1 - deletes, gamma)


def next_key_counted_too(types, deletes, gamma):
    """You multiply each share by the chance of the key that she presses there. The share of the *text* is wanted: must
    she press that key to be found there?"""
    return there_and_back.oracle(types, deletes, gamma) * np.array([types, deletes])


def stays_instead_of_finishing(types, deletes, gamma):
    """When she does not press ⌫ at `t`, your typist stays there. What does she do according to the text?"""
    again = 1 - gamma * (1 - deletes)
    start = (1 - gamma) / (1 - gamma**2 * types * deletes / again)
    return start * np.array([1, gamma * types / again])


def first_moment_lost(returned, types, deletes, gamma):
    """You count the empty text only when she comes *back* to it. Where does she stand at t = 0?"""
    right = there_and_back.oracle(types, deletes, gamma)
    back = right[0] - (1 - gamma)
    return any(np.allclose(returned, [back, t], atol=ROUNDED) for t in (right[1], gamma * types * back))


def rounds_break_off(returned, types, deletes, gamma):
    """Your numbers are too small: you count some ways there and back, and then stop. What does a series sum to that has
    no end?"""
    lacking, trip = 1 - returned / there_and_back.oracle(types, deletes, gamma), gamma**2 * types * deletes
    if lacking.min() <= 0 or lacking.max() >= 1:
        return False
    rounds = np.log(lacking) / np.log(trip)  # after n of them trip^n of it is lacking
    return bool(rounds.min() > 1.5 and np.allclose(rounds, np.rint(rounds), rtol=0, atol=0.05))


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
        back_once_and_no_further,
        there_once,
        no_step_discounted,
        shares_of_two_texts,
        rest_of_the_time,
        other_text_first,
        surely_back,
        keys_swapped,
        both_keys_at_t,
        series_with_a_plus,
        series_upside_down,
        chances_of_finishing,
        next_key_counted_too,
        stays_instead_of_finishing,
    ],
    signs=[first_moment_lost, rounds_break_off],
)
def there_and_back(types, deletes, gamma):
    """v0 = (1-γ) / (1 - γ² types deletes), v1 = γ types v0."""
    start = (1 - gamma) / (1 - gamma**2 * types * deletes)
    return np.array([start, gamma * types * start])
