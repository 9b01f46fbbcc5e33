"""The exercises of notebooks/04_duality.ipynb."""

from __future__ import annotations

from typing import Any

import numpy as np

from smatch_edu.checks.divergences import right_but_where_rare
from smatch_edu.checks.exercise import ATOL, RTOL, exercise
from smatch_edu.exact.divergences import DIVERGENCES

# -- 4.1 ---------------------------------------------------------------------------------------------------------


def _logits_and_legal(rng: np.random.Generator) -> dict[str, Any]:
    shape = rng.integers(1, 5), rng.integers(2, 6)
    logits = rng.normal(scale=2, size=shape)
    legal = rng.random(shape) < 0.6
    legal[np.arange(shape[0]), rng.integers(shape[1], size=shape[0])] = True
    if rng.random() < 0.5:
        logits[rng.integers(shape[0])] += rng.choice([-1000, 1000])
        logits[rng.integers(shape[0]), rng.integers(shape[1])] += rng.choice([-1000, 1000])
    return {"logits": logits, "legal": legal}


def _soft_maximum(numbers: Any, axis: int = -1) -> np.ndarray:
    return np.asarray(np.logaddexp.reduce(numbers, axis=axis))


def hard_maximum(logits, legal):
    """You return the largest logit. Ten keys that are equally good are worth more than one, because she may choose: is
    there a smoother kind of maximum?"""
    return np.where(legal, logits, -np.inf).max(axis=1)


def mean_of_exponentials(logits, legal):
    """You divide by the number of keys, so that ten good keys are worth no more than one of them. What does V become if
    all logits are 0?"""
    return _soft_maximum(np.where(legal, logits, -np.inf)) - np.log(legal.sum(axis=1))


def illegal_included(logits, legal):
    """Keys that cannot be pressed take part in your sum. Which of your inputs says which ones count?"""
    return _soft_maximum(logits)


def illegal_as_zero(logits, legal):
    """You set the logits of illegal keys to 0, and a 0 still counts: what is exp(0)? Which logit would add nothing at
    all?"""
    return _soft_maximum(np.where(legal, logits, 0.0))


def sum_of_logits(logits, legal):
    """You add up the logits themselves. Look again at the order of the three steps in the formula: log, sum, exp."""
    return np.where(legal, logits, 0.0).sum(axis=1)


def average_logit(logits, legal):
    """You return the logit that the policy gets on average. She earns something for keeping her choice open, too: which
    part of the problem have you left out?"""
    masked = np.where(legal, logits, -np.inf)
    policy = np.exp(masked - _soft_maximum(masked)[:, None])
    return (policy * logits).sum(axis=1)


def shift_not_added_back(logits, legal):
    """You took the largest logit away to keep the numbers small, which is right. Who gives it back at the end?"""
    masked = np.where(legal, logits, -np.inf)
    return _soft_maximum(masked) - masked.max(axis=1)


def logarithm_forgotten(logits, legal):
    """You return a sum of exponentials. V is in the units of the logits: what brings it back to them?"""
    with np.errstate(over="ignore"):
        return np.exp(_soft_maximum(np.where(legal, logits, -np.inf)))


def mean_over_all_keys(logits, legal):
    """You divide by the number of all keys, even of those that cannot be pressed. Look at the formula once more: is
    there anything to divide by?"""
    return _soft_maximum(np.where(legal, logits, -np.inf)) - np.log(legal.shape[1])


def plain_average(logits, legal):
    """You return the plain mean of the legal logits, as if she pressed any key. She may choose: what do log and exp do
    in the formula?"""
    return np.where(legal, logits, 0.0).sum(axis=1) / legal.sum(axis=1)


def shift_taken_away_again(logits, legal):
    """You took the largest logit out before exp, which is right, and then you take it away once more. What has to
    happen to it after log?"""
    masked = np.where(legal, logits, -np.inf)
    return _soft_maximum(masked) - 2 * masked.max(axis=1)


def logarithm_forgotten_after_the_shift(logits, legal):
    """You add the largest logit to a sum of exponentials. The one is a logit, and the other is not yet: which step is
    missing in between?"""
    masked = np.where(legal, logits, -np.inf)
    largest = masked.max(axis=1)
    return largest + np.exp(_soft_maximum(masked) - largest)


def legal_turned_over(logits, legal):
    """You sum over the keys that she may *not* press. Where does your mask say True?"""
    return _soft_maximum(np.where(legal, -np.inf, logits))


def infinite(returned, logits, legal):
    """You are right while the logits are small, and infinite when they are not: exp(1000) is too large for the machine,
    and exp(-1000) is 0, which log does not like. What could you take out of every logit that counts in this row
    before exp, and put back after log?"""
    finite = np.isfinite(returned)
    if not finite.any():
        return None  # an infinity for every row may be anything
    right = np.allclose(returned[finite], soft_value.oracle(logits, legal)[finite])
    return bool(right and not finite.all())


def illegal_not_low_enough(returned, logits, legal):
    """You give illegal keys a low logit, and that is nearly it. But where all the legal ones are near -1000, is yours
    still the lower one? How low would be low enough for any row?"""
    fills = (-5, -10, -20, -30, -50, -100, -200, -300, -500, -700, -900, -999, -1000)
    return any(np.allclose(returned, _soft_maximum(np.where(legal, logits, float(fill)))) for fill in fills)


def right_while_small(returned, logits, legal):
    """You are right while the logits are small, and not when one is far from 0: there a limit, or a small number added
    for safety, takes its place. Which shift of the whole row would do without either?"""
    small = np.abs(np.where(legal, logits, 0.0)).max(axis=1) < 30
    if not small.any():
        return None
    return np.allclose(returned[small], soft_value.oracle(logits, legal)[small], rtol=RTOL, atol=ATOL)


@exercise(
    "4.1",
    draw=_logits_and_legal,
    inputs="random tables of logits",
    mistakes=[
        hard_maximum,
        mean_of_exponentials,
        illegal_included,
        illegal_as_zero,
        sum_of_logits,
        average_logit,
        shift_not_added_back,
        logarithm_forgotten,
        mean_over_all_keys,
        plain_average,
        shift_taken_away_again,
        logarithm_forgotten_after_the_shift,
        legal_turned_over,
    ],
    signs=[infinite],
    guesses=[illegal_not_low_enough, right_while_small],
)
def soft_value(logits, legal):
    """V(s) = log Σ_a exp ℓ(a|s) over legal actions."""
    return _soft_maximum(np.where(legal, logits, -np.inf))


# -- 4.2 ---------------------------------------------------------------------------------------------------------


def _logits_of_small_process(rng: np.random.Generator) -> dict[str, Any]:
    states, actions = rng.integers(3, 6), rng.integers(2, 5)
    return {
        "logits": rng.normal(scale=1.5, size=(states, actions)),
        "transitions": rng.dirichlet(0.5 * np.ones(states), size=(states, actions)),
        "gamma": float(rng.uniform(0.5, 0.95)) if rng.random() < 0.95 else 0.0,
    }


def discount_forgotten(logits, transitions, gamma):
    """What comes after this key is counted in full. She gets there one step later: which factor does a step cost?"""
    return logits - transitions @ _soft_maximum(logits)


def future_added(logits, transitions, gamma):
    """You add the future to the logit. But the logit already holds it: what must be left for the reward of this key
    alone?"""
    return logits + gamma * transitions @ _soft_maximum(logits)


def logarithm_of_the_policy(logits, transitions, gamma):
    """You subtract V of the state she stands in, which gives log π. The future begins in the state where she gets to:
    where is V wanted?"""
    return logits - _soft_maximum(logits)[:, None]


def value_of_this_state(logits, transitions, gamma):
    """Your γ stands beside V of the state where she stands now. One step later she is somewhere else: what do
    `transitions` say about where?"""
    return logits - gamma * _soft_maximum(logits)[:, None]


def hard_future(logits, transitions, gamma):
    """Your future is worth the best next key only. She keeps her choice open there, too: which maximum did exercise 4.1
    build?"""
    return logits - gamma * transitions @ logits.max(axis=1)


def mean_future(logits, transitions, gamma):
    """You value the next state by the plain mean of its logits, as if she pressed any key there. She chooses: what is a
    state worth then?"""
    return logits - gamma * transitions @ logits.mean(axis=1)


def future_without_entropy(logits, transitions, gamma):
    """You value the next state by the logit that she gets there on average. Keeping her choice open is worth something
    as well: compare with your V of 4.1."""
    policy = np.exp(logits - _soft_maximum(logits)[:, None])
    return logits - gamma * transitions @ (policy * logits).sum(axis=1)


def value_of_expected_logits(logits, transitions, gamma):
    """You average the logits of the next states first and take their V afterwards. V is not linear, so the order
    matters: of what is the expectation wanted?"""
    return logits - gamma * _soft_maximum(np.einsum("san,nb->sab", transitions, logits))


def likeliest_next_state(logits, transitions, gamma):
    """You follow only the likeliest next state. The keyboard slips now and then: what of the other states?"""
    return logits - gamma * _soft_maximum(logits)[transitions.argmax(axis=2)]


def arrows_reversed(logits, transitions, gamma):
    """You sum over where she comes from. `transitions[s, a, n]` leads from s to n: over which index does V run?"""
    return logits - gamma * np.einsum("nas,n->sa", transitions, _soft_maximum(logits))


def future_left_in(logits, transitions, gamma):
    """You hand the logits back as they came. A logit counts what the key pays now, and what comes after it as well:
    what has to go?"""
    return np.array(logits)


def logit_discounted_too(logits, transitions, gamma):
    """Your γ stands before the logit as well. This key is pressed now, and only what follows is a step away: which part
    of the formula has to wait?"""
    return gamma * (logits - transitions @ _soft_maximum(logits))


def rest_of_the_discount(logits, transitions, gamma):
    """You weigh the future with 1-γ, which turns a sum over all time into a share of it. Here there is only one step
    to go: what does one step cost?"""
    return logits - (1 - gamma) * transitions @ _soft_maximum(logits)


def value_taken_away_twice(logits, transitions, gamma):
    """You turn the logits into log π first, and then take the future away. But V of this state is part of what the key
    is worth: how many values does the formula subtract?"""
    values = _soft_maximum(logits)
    return logits - values[:, None] - gamma * transitions @ values


def logit_left_out(logits, transitions, gamma):
    """You compare two states: V here, and V there. The key itself is missing: which number belongs to this key alone,
    and not to all keys here together?"""
    values = _soft_maximum(logits)
    return values[:, None] - gamma * transitions @ values


def probability_in_place_of_the_logit(logits, transitions, gamma):
    """You begin with the probability of the key. Rewards and values are in the units of the logits: from which of your
    inputs should the future be taken away?"""
    return np.exp(logits - _soft_maximum(logits)[:, None]) - gamma * transitions @ _soft_maximum(logits)


def logarithm_after_the_average(logits, transitions, gamma):
    """You average over the next states before the logarithm. She earns V of the state that she really gets to: of what
    is the average wanted?"""
    return logits - gamma * np.log(transitions @ np.exp(logits).sum(axis=1))


def next_logarithm_forgotten(logits, transitions, gamma):
    """Your value of the next state is a sum of exponentials. In which units are logits, and which function leads back
    to them?"""
    return logits - gamma * transitions @ np.exp(logits).sum(axis=1)


def next_logits_added_up(logits, transitions, gamma):
    """You value the next state by the sum of its logits. Have another look at your V of 4.1: what happens to a logit
    before it is added?"""
    return logits - gamma * transitions @ logits.sum(axis=1)


def next_keys_divided_by_their_number(logits, transitions, gamma):
    """In your value of the next state you divide by the number of keys. More keys to choose from are worth more: which
    V did 4.1 build?"""
    return logits - gamma * transitions @ (_soft_maximum(logits) - np.log(logits.shape[1]))


def one_future_for_all_keys(logits, transitions, gamma):
    """You take the same future away from all keys of a state, its average over the policy. She has pressed *this* key
    by then: where does it lead?"""
    ahead = transitions @ _soft_maximum(logits)
    policy = np.exp(logits - _soft_maximum(logits)[:, None])
    return logits - gamma * (policy * ahead).sum(axis=1, keepdims=True)


def _values_in_rounds(logits, transitions, gamma):
    """Where the rounds V = log Σ exp(ℓ + γ E[V']) end, by Newton's method."""
    values = np.zeros(len(logits))
    for _ in range(12):
        found = logits + gamma * transitions @ values
        better = _soft_maximum(found)
        moves = np.einsum("sa,san->sn", np.exp(found - better[:, None]), transitions)
        values = values + np.linalg.solve(np.eye(len(values)) - gamma * moves, better - values)
    return values


def solved_forward(logits, transitions, gamma):
    """You take the numbers for rewards, and solve for the logits. Here it goes the other way: the logits are given, so
    what is V, without any rounds?"""
    return logits + gamma * transitions @ _values_in_rounds(logits, transitions, gamma)


def values_solved_for(logits, transitions, gamma):
    """You look for V in rounds, as if the logits were rewards. A logit holds already what comes after its key: what is
    V of a state whose logits are given, without any rounds?"""
    return logits - gamma * transitions @ _values_in_rounds(logits, transitions, gamma)


@exercise(
    "4.2",
    draw=_logits_of_small_process,
    inputs="random small processes",
    mistakes=[
        discount_forgotten,
        future_added,
        logarithm_of_the_policy,
        value_of_this_state,
        hard_future,
        mean_future,
        future_without_entropy,
        value_of_expected_logits,
        likeliest_next_state,
        arrows_reversed,
        future_left_in,
        logit_discounted_too,
        rest_of_the_discount,
        value_taken_away_twice,
        logit_left_out,
        probability_in_place_of_the_logit,
        logarithm_after_the_average,
        next_logarithm_forgotten,
        next_logits_added_up,
        next_keys_divided_by_their_number,
        one_future_for_all_keys,
        solved_forward,
        values_solved_for,
    ],
)
def reward_of_logits(logits, transitions, gamma):
    """r(s,a) = ℓ(a|s) - γ E[V(s')]."""
    return logits - gamma * transitions @ _soft_maximum(logits)


# -- 4.3 ---------------------------------------------------------------------------------------------------------


def _problem(rng: np.random.Generator) -> dict[str, Any]:
    """Rewards inside φ's domain everywhere, or outside at one pair: one of the expert's, or one where she never is."""
    divergence = DIVERGENCES[str(rng.choice(["js", "hellinger", "chi2_mixture", "skew_kl", "chi2"]))]

    def phi(x: Any) -> Any:
        return divergence.phi(x)

    phi.__name__ = f"φ of {divergence.title}"
    shape = rng.integers(2, 5), rng.integers(2, 4)
    expert = np.zeros(shape)
    visited = rng.permutation(expert.size)[: rng.integers(2, expert.size)]
    expert.flat[visited] = rng.dirichlet(np.ones(len(visited)))
    unvisited = np.flatnonzero(expert == 0)
    alpha = float(rng.uniform(0.2, 0.8))
    lowest = max(divergence.domain, -2.0)
    reward = (lowest + rng.uniform(0.05, 3.0, size=shape)) / alpha
    where = rng.choice(["inside", "off the data", "on the data"], p=[0.5, 0.3, 0.2])
    if where != "inside" and np.isfinite(divergence.domain):
        pair = rng.choice(unvisited if where == "off the data" else visited)
        reward.flat[pair] = (divergence.domain - rng.uniform(0.05, 1.0)) / alpha
    return {
        "expert": expert,
        "reward": reward,
        "start_value": float(rng.normal(scale=3)),
        "phi": phi,
        "gamma": float(rng.uniform(0.5, 0.95)),
        "alpha": alpha,
    }


def _gain(expert, transformed):
    """Σ ρ_E φ, -∞ as soon as one φ is."""
    if np.isneginf(transformed).any():
        return -np.inf
    return float((expert * transformed).sum())


def domain_only_on_the_data(expert, reward, start_value, phi, gamma, alpha):
    """Where the expert never goes you accept any reward, also one outside of φ's domain. The learner may go there: what
    is φ at such a pair, and what does that make of J?"""
    on_data = expert > 0
    gain = _gain(expert[on_data], phi(alpha * reward[on_data]))
    return gain / alpha - (1 - gamma) * start_value


def domain_ignored(expert, reward, start_value, phi, gamma, alpha):
    """Pairs outside of φ's domain drop out of your sum, as if φ were 0 there. It is -∞: may such a reward be used at
    all?"""
    transformed = phi(alpha * reward)
    return _gain(expert, np.where(np.isneginf(transformed), 0.0, transformed)) / alpha - (1 - gamma) * start_value


def start_counted_in_full(expert, reward, start_value, phi, gamma, alpha):
    """Your start value is a sum over all time, and your first term is a share of the time. Which factor brings the two
    to the same measure?"""
    return _gain(expert, phi(alpha * reward)) / alpha - start_value


def discount_in_place_of_its_rest(expert, reward, start_value, phi, gamma, alpha):
    """You multiply the start value by γ. As in notebook 02, the clock stops now with another probability: which?"""
    return _gain(expert, phi(alpha * reward)) / alpha - gamma * start_value


def alpha_forgotten_inside(expert, reward, start_value, phi, gamma, alpha):
    """You hand the reward to φ in units of α. Which units does φ, which knows only the divergence, expect?"""
    return _gain(expert, phi(reward)) / alpha - (1 - gamma) * start_value


def alpha_forgotten_outside(expert, reward, start_value, phi, gamma, alpha):
    """The value of φ and the start value are in different units in your J. What turns the first into units of α?"""
    return _gain(expert, phi(alpha * reward)) - (1 - gamma) * start_value


def in_units_of_the_divergence(expert, reward, start_value, phi, gamma, alpha):
    """You return what bounds the cost, in the divergence's own units. J is the same in units of α: what is left to
    do?"""
    return alpha * objective.oracle(expert, reward, start_value, phi, gamma, alpha)


def conjugate_in_place_of_phi(expert, reward, start_value, phi, gamma, alpha):
    """You use the conjugate f*, which wants a *price*. Our r is a reward: which two signs does φ turn round?"""
    transformed = phi(-alpha * reward)
    return (-np.inf if np.isneginf(transformed).any() else -_gain(expert, transformed) / alpha) - (
        1 - gamma
    ) * start_value


def plain_sum(expert, reward, start_value, phi, gamma, alpha):
    """Every pair counts alike in your sum. How often does the expert come by each of them?"""
    return _gain(np.ones_like(expert), phi(alpha * reward)) / alpha - (1 - gamma) * start_value


def plain_mean(expert, reward, start_value, phi, gamma, alpha):
    """You take the mean over all pairs. An expectation over the expert's occupancy weighs them: with what?"""
    return _gain(np.full_like(expert, 1 / expert.size), phi(alpha * reward)) / alpha - (1 - gamma) * start_value


def averaged_once_more(expert, reward, start_value, phi, gamma, alpha):
    """You weigh with the expert's shares, and then divide by the number of pairs as well. To what do these shares sum
    already?"""
    return _gain(expert, phi(alpha * reward)) / expert.size / alpha - (1 - gamma) * start_value


def both_terms_made_a_share(expert, reward, start_value, phi, gamma, alpha):
    """You multiply both terms by 1-γ. One of them is an average over an occupancy, and so a share of the time already:
    which of the two is still a sum?"""
    return (1 - gamma) * (_gain(expert, phi(alpha * reward)) / alpha - start_value)


def edge_of_the_mixture(expert, reward, start_value, phi, gamma, alpha):
    """You compare αr with -1. There the φ of the χ²-mixture ends, and here any φ may be given: who can tell you where
    yours ends?"""
    if (alpha * reward < -1).any():
        return -np.inf
    return domain_only_on_the_data(expert, reward, start_value, phi, gamma, alpha)


def infinite_off_the_data(expert, reward, start_value, phi, gamma, alpha):
    """You return -∞ as soon as there is a pair where the expert never goes. What forbids a reward is not that she stays
    away, but φ: what does it say at that pair?"""
    return -np.inf if (expert == 0).any() else objective.oracle(expert, reward, start_value, phi, gamma, alpha)


def value_added(expert, reward, start_value, phi, gamma, alpha):
    """You add the start value. It is what the best learner earns for this reward, and J wants the expert to earn *more*
    than that: which sign is it?"""
    return _gain(expert, phi(alpha * reward)) / alpha + (1 - gamma) * start_value


def start_left_out(expert, reward, start_value, phi, gamma, alpha):
    """Your J does not look at the start value, so the best would be to pay a lot everywhere. What does the learner earn
    from such a reward?"""
    return _gain(expert, phi(alpha * reward)) / alpha


def start_times_alpha(expert, reward, start_value, phi, gamma, alpha):
    """You multiply the start value by α, and divide the other term by it. One of the two is enough: in which units does
    V come to you?"""
    return _gain(expert, phi(alpha * reward)) / alpha - alpha * (1 - gamma) * start_value


def start_divided_by_alpha(expert, reward, start_value, phi, gamma, alpha):
    """You divide everything by α, the start value as well. It was computed from rewards in units of α: which term of
    the two still has other units?"""
    return (_gain(expert, phi(alpha * reward)) - (1 - gamma) * start_value) / alpha


def no_alpha_at_all(expert, reward, start_value, phi, gamma, alpha):
    """There is no α in your J. The reward comes in units of α, and φ counts in units of the divergence: where do you
    change from the one to the other, and where back?"""
    return _gain(expert, phi(reward)) - (1 - gamma) * start_value


def phi_left_out(expert, reward, start_value, phi, gamma, alpha):
    """You average the reward itself. Without φ it would not matter which divergence was meant: what is φ for?"""
    return float((expert * reward).sum()) - (1 - gamma) * start_value


def phi_asked_for_the_domain_only(expert, reward, start_value, phi, gamma, alpha):
    """You ask φ whether the reward may be used, and then you average the reward itself. What does φ charge for a reward
    that *is* inside of its domain?"""
    allowed = np.isfinite(phi(alpha * reward)).all()
    return float((expert * reward).sum()) - (1 - gamma) * start_value if allowed else -np.inf


def phi_of_the_average(expert, reward, start_value, phi, gamma, alpha):
    """You average the rewards first, and hand one number to φ. φ is curved, so the order matters: of what is the
    expert's average wanted?"""
    return float(phi(alpha * (expert * reward).sum())) / alpha - (1 - gamma) * start_value


def plain_mean_on_the_data(expert, reward, start_value, phi, gamma, alpha):
    """You take the plain mean over the pairs of the data, the rare ones and the frequent ones alike. What does `expert`
    say about them? And who may go to the other pairs?"""
    on_data = expert > 0
    return float(phi(alpha * reward[on_data]).mean()) / alpha - (1 - gamma) * start_value


def policy_in_place_of_occupancy(expert, reward, start_value, phi, gamma, alpha):
    """You let every state sum to one, so a state that is rarely seen weighs as much as the others. `expert` is an
    occupancy: over what does it sum to one already?"""
    policy = expert / np.maximum(expert.sum(axis=1, keepdims=True), 1e-300)
    return _gain(policy, phi(alpha * reward)) / alpha - (1 - gamma) * start_value


def plus_infinity(returned, expert, reward, start_value, phi, gamma, alpha):
    """Your J is +∞ where the reward leaves φ's domain. J is to be made large, so that would be the best reward of all:
    which end of the line did you want?"""
    return bool(np.isposinf(returned).any())


def too_early_infinite(returned, expert, reward, start_value, phi, gamma, alpha):
    """Your J is -∞ although φ allows this reward at every pair. What do you hand to φ when you ask it, and what do you
    compare its answer with?"""
    return bool(np.isneginf(returned) and np.isfinite(objective.oracle(expert, reward, start_value, phi, gamma, alpha)))


def finite_outside_of_the_domain(returned, expert, reward, start_value, phi, gamma, alpha):
    """Your J stays finite when the reward leaves φ's domain. However low your number is, one may still climb from
    there: what is a sum, if one of its terms is -∞? (0 · ∞ needs a thought of its own.)"""
    return bool(np.isfinite(returned) and np.isneginf(objective.oracle(expert, reward, start_value, phi, gamma, alpha)))


def alpha_on_the_wrong_side(returned, expert, reward, start_value, phi, gamma, alpha):
    """You divide by α before φ. The reward comes in units of α, as a length comes in metres: how do you get rid of a
    unit?"""
    gain = _gain(expert, phi(reward / alpha))
    return any(np.isclose(returned, gain * back - (1 - gamma) * start_value) for back in (alpha, 1, 1 / alpha))


@exercise(
    "4.3",
    draw=_problem,
    inputs="random rewards, some outside of φ's domain",
    mistakes=[
        domain_only_on_the_data,
        domain_ignored,
        start_counted_in_full,
        discount_in_place_of_its_rest,
        alpha_forgotten_inside,
        alpha_forgotten_outside,
        in_units_of_the_divergence,
        conjugate_in_place_of_phi,
        plain_sum,
        plain_mean,
        averaged_once_more,
        both_terms_made_a_share,
        edge_of_the_mixture,
        infinite_off_the_data,
        value_added,
        start_left_out,
        start_times_alpha,
        start_divided_by_alpha,
        no_alpha_at_all,
        phi_left_out,
        phi_asked_for_the_domain_only,
        phi_of_the_average,
        plain_mean_on_the_data,
        policy_in_place_of_occupancy,
    ],
    signs=[plus_infinity, too_early_infinite, finite_outside_of_the_domain, alpha_on_the_wrong_side],
)
def objective(expert, reward, start_value, phi, gamma, alpha):
    """E_E[(1/α) φ(α r)] - (1-γ) V(s0), -∞ outside of φ's domain."""
    return _gain(expert, phi(alpha * reward)) / alpha - (1 - gamma) * start_value


# -- 4.4 ---------------------------------------------------------------------------------------------------------


def _two_policies(rng: np.random.Generator) -> dict[str, Any]:
    """Two typists in a small world, where some keys and some states may be nobody's; any share of the days."""
    states, actions = int(rng.integers(2, 6)), int(rng.integers(2, 5))
    transitions = rng.dirichlet(np.full(states, 0.4), size=(states, actions))
    policies = rng.dirichlet(np.full(actions, 0.6), size=(2, states))
    policies[policies < 0.02] = 0
    weight = float(rng.uniform(0.1, 0.9)) if rng.random() < 0.85 else float(rng.integers(2))
    gamma = float(rng.uniform(0.5, 0.99)) if rng.random() < 0.95 else 0.0
    if states > 2 and rng.random() < 0.6:  # the last state leads somewhere, and to it leads nothing, or hardly anything
        ahead = transitions[..., -1].copy()
        transitions[..., -1] = 0
        transitions[..., 0] += 1e-3
        transitions /= transitions.sum(axis=2, keepdims=True)
        leads = rng.choice(["nothing", "hardly anything", "a key of one"], p=[0.6, 0.2, 0.2])
        if leads == "hardly anything":
            transitions[..., -1] = 10 ** rng.uniform(-7, -5)
        if leads == "a key of one":
            transitions[:, 0, -1] = ahead[:, 0] + 0.1
            policies[rng.integers(2), :, 0] = 0
            policies[..., 1] += 0.02
            weight = float(rng.uniform(0.1, 0.9))
        transitions /= transitions.sum(axis=2, keepdims=True)
    policies /= policies.sum(axis=2, keepdims=True)
    return {
        "first": policies[0],
        "second": policies[1],
        "weight": weight,
        "transitions": transitions,
        "gamma": gamma,
    }


def _visits(policy, transitions, gamma):
    """Discounted visits of each state, from state 0."""
    moves = np.einsum("sa,san->sn", policy, transitions)
    return np.linalg.solve(np.eye(len(policy)) - gamma * moves.T, np.eye(len(policy))[0])


def _mixed(first, second, first_share, second_share):
    """Row by row the mean of two policies with these shares, and every key alike where both shares are 0."""
    weights = np.array([first_share, second_share])[:, :, None]
    total = weights.sum(axis=0)
    nobody = total < 1e-12
    mean = (weights * np.array([first, second])).sum(axis=0) / np.where(nobody, 1, total)
    return np.where(nobody, 1 / first.shape[1], mean)


def _shares(first, second, weight, transitions, gamma):
    visits = [_visits(policy, transitions, gamma) for policy in (first, second)]
    return weight * visits[0], (1 - weight) * visits[1]


def mean_of_the_policies(first, second, weight, transitions, gamma):
    """You take the mean of the two policies. At a text that only one of them likes you would meet that one nearly
    always: how often is each of them *there*?"""
    return weight * first + (1 - weight) * second


def days_exchanged(first, second, weight, transitions, gamma):
    """You give the second typist the days of the first. Whose share of the days is w?"""
    return _mixed(first, second, *_shares(first, second, 1 - weight, transitions, gamma))


def days_left_out(first, second, weight, transitions, gamma):
    """Each of your typists counts as often as she comes by, on as many days as the other. Where has w gone?"""
    return _mixed(first, second, *_shares(first, second, 0.5, transitions, gamma))


def occupancies_mixed_and_left(first, second, weight, transitions, gamma):
    """You return the mixed occupancy, whose entries sum to one all together. In a policy each row does: what is left to
    do?"""
    shares = _shares(first, second, weight, transitions, gamma)
    return (1 - gamma) * (shares[0][:, None] * first + shares[1][:, None] * second)


def visits_mixed_and_left(first, second, weight, transitions, gamma):
    """You return the mixed visits of the pairs. In a policy each row sums to one: what is left to do?"""
    return occupancies_mixed_and_left(first, second, weight, transitions, gamma) / (1 - gamma)


def nothing_pressed_where_nobody_comes(first, second, weight, transitions, gamma):
    """Your answer is right where somebody comes. In a state where neither does, all your probabilities are 0: what does
    the exercise want there?"""
    shares = _shares(first, second, weight, transitions, gamma)
    nobody = (shares[0] + shares[1] < 1e-12)[:, None]
    return np.where(nobody, 0.0, _mixed(first, second, *shares))


def arrows_turned_round(first, second, weight, transitions, gamma):
    """You follow the arrows backwards when you count visits. In (2.1) the sum runs over where she comes *from*: which
    index of your table is that?"""
    visits = []
    for policy in (first, second):
        moves = np.einsum("sa,san->sn", policy, transitions)
        visits.append(np.linalg.solve(np.eye(len(policy)) - gamma * moves, np.eye(len(policy))[0]))
    return _mixed(first, second, weight * visits[0], (1 - weight) * visits[1])


def one_walk_for_both(first, second, weight, transitions, gamma):
    """You count visits along the walk of the mean policy, for both typists the same ones. On each day one of them types
    alone: whose visits are wanted?"""
    visits = _visits(weight * first + (1 - weight) * second, transitions, gamma)
    return _mixed(first, second, weight * visits, (1 - weight) * visits)


def weighed_by_pairs(first, second, weight, transitions, gamma):
    """You weigh each policy with its own occupancy of the *pair*, so its probabilities enter twice. How often is she at
    the text?"""
    shares = _shares(first, second, weight, transitions, gamma)
    mixed = shares[0][:, None] * first**2 + shares[1][:, None] * second**2
    total = mixed.sum(axis=1, keepdims=True)
    return np.where(total > 1e-12, mixed / np.where(total > 1e-12, total, 1), 1 / first.shape[1])


def whoever_comes_more_often(first, second, weight, transitions, gamma):
    """At each text you let one of the two type alone, the one who is there more often. And the other one's time?"""
    shares = _shares(first, second, weight, transitions, gamma)
    picked = np.where((shares[0] >= shares[1])[:, None], first, second)
    nobody = (shares[0] + shares[1] < 1e-12)[:, None]
    return np.where(nobody, 1 / first.shape[1], picked)


def uniform_where_one_never_comes(first, second, weight, transitions, gamma):
    """In a state where one of the two never comes, you let her press every key alike. The other one may come there:
    what does *she* press?"""
    shares = _shares(first, second, weight, transitions, gamma)
    visits = [_visits(policy, transitions, gamma) for policy in (first, second)]
    lonely = (np.minimum(*visits) < 1e-12)[:, None]
    return np.where(lonely, 1 / first.shape[1], _mixed(first, second, *shares))


def started_anywhere(first, second, weight, transitions, gamma):
    """You let the typists begin in any state alike. Where does everybody start?"""
    visits = []
    for policy in (first, second):
        moves = np.einsum("sa,san->sn", policy, transitions)
        visits.append(np.linalg.solve(np.eye(len(policy)) - gamma * moves.T, np.full(len(policy), 1 / len(policy))))
    return _mixed(first, second, weight * visits[0], (1 - weight) * visits[1])


def start_not_counted(first, second, weight, transitions, gamma):
    """Your count begins after the first key. Before it she stands in state 0, and that is a visit as well: with which t
    does the sum begin?"""
    start = np.eye(len(first))[0]
    visits = [_visits(policy, transitions, gamma) - start for policy in (first, second)]
    return _mixed(first, second, weight * visits[0], (1 - weight) * visits[1])


def wrong_where_nobody_comes(returned, first, second, weight, transitions, gamma):
    """Your answer is right where somebody comes. In a state where neither does it is not: what does the exercise want
    there? (A share of 1e-17 is an error of rounding, and no visit.)"""
    somebody = sum(_shares(first, second, weight, transitions, gamma)) > 1e-12
    right = policy_between_two.oracle(first, second, weight, transitions, gamma)
    return bool(np.allclose(returned[somebody], right[somebody], rtol=RTOL, atol=ATOL))


def stopped_counting(returned, first, second, weight, transitions, gamma):
    """You count visits for some steps, and then you stop. With a γ near 1 there is much time left after that: when is
    enough counted, or how do you get round counting?"""
    moves = np.einsum("ksa,san->ksn", [first, second], transitions)
    here = np.eye(len(first))[[0, 0]]
    visits = np.zeros(here.shape)
    for step in range(1, 501):
        visits = visits + here
        here = gamma * np.einsum("ks,ksn->kn", here, moves)
        counted = step in (5, 10, 20, 25, 30, 40, 50, 60, 80, 100, 120, 150, 200, 250, 300, 400, 500)
        so_far = weight * visits[0], (1 - weight) * visits[1]
        if counted and np.allclose(returned, _mixed(first, second, *so_far), rtol=0, atol=1e-6):
            return True
    return False


def wrong_where_they_hardly_come(returned, first, second, weight, transitions, gamma):
    """You are right, or nearly, where they often come by. Beside a share that is small itself an ε is not small, and
    hardly ever is not never: which states are the only ones where nothing can be divided?"""
    shares = (1 - gamma) * sum(_shares(first, second, weight, transitions, gamma))
    right = policy_between_two.oracle(first, second, weight, transitions, gamma)
    return right_but_where_rare(returned, right, np.broadcast_to(shares[:, None], right.shape))


def no_policy(returned, first, second, weight, transitions, gamma):
    """Your rows do not sum to one. What does each row of a policy say?"""
    return not np.allclose(returned.sum(axis=1), 1, atol=1e-4)


@exercise(
    "4.4",
    draw=_two_policies,
    inputs="random pairs of typists",
    mistakes=[
        mean_of_the_policies,
        days_exchanged,
        days_left_out,
        occupancies_mixed_and_left,
        visits_mixed_and_left,
        nothing_pressed_where_nobody_comes,
        arrows_turned_round,
        one_walk_for_both,
        weighed_by_pairs,
        whoever_comes_more_often,
        uniform_where_one_never_comes,
        started_anywhere,
        start_not_counted,
    ],
    signs=[wrong_where_nobody_comes, wrong_where_they_hardly_come, no_policy],
    guesses=[stopped_counting],
)
def policy_between_two(first, second, weight, transitions, gamma):
    """(w v₁ π₁ + (1-w) v₂ π₂) / (w v₁ + (1-w) v₂), every key alike where that is 0/0."""
    return _mixed(first, second, *_shares(first, second, weight, transitions, gamma))


# -- 4.5 ---------------------------------------------------------------------------------------------------------


def _two_occupancies(rng: np.random.Generator) -> dict[str, Any]:
    """Two distributions: somewhere only one of them goes, somewhere both, somewhere neither."""
    shape = int(rng.integers(2, 5)), int(rng.integers(2, 5))
    both, *rest = rng.permutation(shape[0] * shape[1])
    only = rng.integers(0, 4, size=len(rest))
    only[:3] = [0, 1, 2]
    tables = []
    for side in (1, 2):
        weights = np.zeros(shape)
        weights.flat[[both, *np.array(rest)[(only == side) | (only == 3)]]] = 1
        tables.append(weights * rng.exponential(size=shape))
    if rng.random() < 0.2:  # hardly ever is not never
        seldom = rest[rng.integers(len(rest))]
        for table in tables:
            table.flat[seldom] = (table.flat[seldom] > 0) * 10 ** rng.uniform(-4.5, -3.5)
    learner, expert = (table / table.sum() for table in tables)
    return {"learner": learner, "expert": expert, "c": float(rng.uniform(0.05, 0.45))}


def _ratio(top, bottom):
    return np.where(bottom > 0, top / np.where(bottom > 0, bottom, 1.0), 0.0)


def _held_fixed(learner, expert, c):
    return _ratio(expert - learner, 2 * c * (expert + learner))


def sign_flipped(learner, expert, c):
    """Your reward is high where the learner goes too often. Whom should a reward make more like the expert, and where
    should it be positive?"""
    return -_held_fixed(learner, expert, c)


def penalty_under_the_data_only(learner, expert, c):
    """You divide by the expert's occupancy alone, as for Pearson's χ². Under whose samples is r² penalised here?"""
    return _ratio(expert - learner, 2 * c * expert)


def penalty_under_the_model_only(learner, expert, c):
    """You divide by the learner's occupancy alone. The square of r is penalised twice: under whose samples, too?"""
    return _ratio(expert - learner, 2 * c * learner)


def no_penalty_weight(learner, expert, c):
    """You return a difference of occupancies. Both the gain and the penalty grow with how often one comes by: what must
    the difference be measured against?"""
    return (expert - learner) / (2 * c)


def half_forgotten(learner, expert, c):
    """Your reward is twice as large as it should be. What is the derivative of r²? (Or do you divide by the *mean* of
    the two occupancies?)"""
    return 2 * _held_fixed(learner, expert, c)


def half_as_large(learner, expert, c):
    """Your reward is half as large as it should be. Is there a factor of two that you count twice?"""
    return _held_fixed(learner, expert, c) / 2


def samples_free(learner, expert, c):
    """That is the reward of the χ²-mixture itself, with the samples free to move along. Held fixed they add nothing to
    the learner's reward: which part of yours comes from the moving penalty?"""
    reward = _held_fixed(learner, expert, c)
    return reward + c * reward**2


def nothing_off_the_data(learner, expert, c):
    """Where only the learner goes you pay 0, so she may as well stay there. She has samples there, and r² is penalised
    under them: where is the top of that parabola?"""
    return np.where(expert > 0, _held_fixed(learner, expert, c), 0.0)


def paid_most_off_the_data(learner, expert, c):
    """Where only the learner goes you pay as much as where only the expert does. How large is the ratio u where *she*
    never goes: 0, or without end?"""
    return np.where((expert == 0) & (learner > 0), 1 / (2 * c), _held_fixed(learner, expert, c))


def only_where_both_go(learner, expert, c):
    """You pay 0 wherever one of the two never goes. Only where *neither* goes there is nothing to find out: what of the
    other pairs?"""
    return np.where((expert > 0) & (learner > 0), _held_fixed(learner, expert, c), 0.0)


def never_negative(learner, expert, c):
    """You pay nothing where the learner goes too often, and charge nothing either. May the top of a parabola lie left
    of 0?"""
    return np.maximum(_held_fixed(learner, expert, c), 0.0)


def height_of_the_top(learner, expert, c):
    """You return how high the parabola reaches; summed up, that is the distance itself. At which r does it reach that
    high?"""
    return _ratio((expert - learner) ** 2, 4 * c * (expert + learner))


def last_term_forgotten(learner, expert, c):
    """Your reward is never negative, since nothing draws it down but its own square. There is one more term with r in
    the docstring: whose visits have to be paid for?"""
    return _ratio(expert, 2 * c * (expert + learner))


def occupancies_squared(learner, expert, c):
    """You square the occupancies below the line. In the parabola only r has a square: what stands before it?"""
    return _ratio(expert - learner, 2 * c * (expert**2 + learner**2))


def upside_down(learner, expert, c):
    """Your reward is largest where the two nearly agree, so the fraction stands on its head. What should r be where
    learner and expert go equally often?"""
    apart = expert - learner
    return np.where(apart == 0, 0.0, (expert + learner) / (2 * c * np.where(apart == 0, 1.0, apart)))


def policies_in_place_of_occupancies(learner, expert, c):
    """You let every state sum to one before you compare, and so you compare policies. How often each comes by the state
    at all counts as well: what are you given?"""
    pi, demonstrator = (table / np.maximum(table.sum(axis=1, keepdims=True), 1e-300) for table in (learner, expert))
    return _held_fixed(pi, demonstrator, c)


def infinite_reward(returned, learner, expert, c):
    """Somewhere your reward is infinite, so you divide by 0. Where one of the two never goes the other one still does:
    should the sum below the line be 0 there?"""
    return bool(np.isinf(returned).any())


def _compared(learner, expert):
    return _ratio(expert - learner, expert + learner)


def multiplied_by_c(returned, learner, expert, c):
    """Your reward grows with c. But c is the price of a large r: should a higher price make it larger?"""
    return any(np.allclose(returned, factor * c * _compared(learner, expert)) for factor in (0.5, 1, 2, 4))


def c_forgotten(returned, learner, expert, c):
    """Your reward is the same for every c. What does the penalty's weight do to the top of a parabola?"""
    return any(np.allclose(returned, factor * _compared(learner, expert)) for factor in (0.5, 1, 2, 4))


def brackets_missing(returned, learner, expert, c):
    """Python reads a / 2 * b as (a / 2) * b, and so the sum of the occupancies comes out above the line. Which brackets
    hold together what belongs below it?"""
    above = (expert - learner) * (expert + learner)
    return any(np.allclose(returned, above * factor, atol=1e-7) for factor in (c / 2, 1 / (2 * c), c, 1 / c))


def logarithm_of_the_ratio(returned, learner, expert, c):
    """You take the logarithm of a ratio, which is the reward of another divergence. Here the penalty is a square: what
    is the derivative of the parabola, and where is it 0?"""
    both = np.minimum(learner, expert) > 1e-4
    logs = np.log(expert[both] / learner[both])
    return any(np.allclose(returned[both], logs * k, 0.01, 0.01) for k in (1, 1 / c, 0.5 / c, 0.25 / c))


def wrong_where_neither_goes(returned, learner, expert, c):
    """You are right wherever one of the two goes. Where neither does, 0/0 came out as if one of them did: what shall it
    be there?"""
    goes = learner + expert > 0
    return bool(np.allclose(returned[goes], _held_fixed(learner, expert, c)[goes]))


def sign_flipped_where_both_go(returned, learner, expert, c):
    """Where both go your rewards have the wrong sign. In (4.11), whose share stands on top in u?"""
    both = (learner > 0) & (expert > 0)
    return bool(np.allclose(returned[both], -_held_fixed(learner, expert, c)[both]))


def wrong_where_both_hardly_go(returned, learner, expert, c):
    """You are right, or nearly, where they often come by. Beside shares that are small themselves an ε is not small,
    and hardly ever is not never: which pairs are the only ones where nothing can be divided?"""
    return right_but_where_rare(returned, _held_fixed(learner, expert, c), learner + expert)


def cut_off(returned, learner, expert, c):
    """You are right while r is small, and the larger rewards are cut off. Which c is drawn decides how large they may
    be: does the exercise ask for a limit?"""
    low, high = returned.min(), returned.max()
    return bool(low < high and np.allclose(returned, np.clip(_held_fixed(learner, expert, c), low, high)))


@exercise(
    "4.5",
    draw=_two_occupancies,
    inputs="random pairs of occupancies",
    mistakes=[
        sign_flipped,
        penalty_under_the_data_only,
        penalty_under_the_model_only,
        no_penalty_weight,
        half_forgotten,
        half_as_large,
        samples_free,
        nothing_off_the_data,
        paid_most_off_the_data,
        only_where_both_go,
        never_negative,
        height_of_the_top,
        last_term_forgotten,
        occupancies_squared,
        upside_down,
        policies_in_place_of_occupancies,
    ],
    signs=[
        multiplied_by_c,
        c_forgotten,
        brackets_missing,
        wrong_where_neither_goes,
        sign_flipped_where_both_go,
        wrong_where_both_hardly_go,
        logarithm_of_the_ratio,
        infinite_reward,
    ],
    guesses=[cut_off],
)
def reward_with_samples_held_fixed(learner, expert, c):
    """(ρ_E - ρ_π) / (2c (ρ_E + ρ_π)), 0 where neither goes."""
    return _held_fixed(learner, expert, c)
