"""The exercises of notebooks/04_duality.ipynb."""

from __future__ import annotations

from typing import Any

import numpy as np

from smatch_edu.checks.exercise import exercise
from smatch_edu.divergences import DIVERGENCES

# -- 4.1 ---------------------------------------------------------------------------------------------------------


def _logits_and_legal(rng: np.random.Generator) -> dict[str, Any]:
    shape = rng.integers(2, 5), rng.integers(3, 6)
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


def infinite(returned, logits, legal):
    """You are right while the logits are small, and infinite when they are not: exp(1000) is too large for the machine,
    and exp(-1000) is 0, which log does not like. What could you take out of every logit that counts in this row
    before exp, and put back after log?"""
    return bool(np.isinf(returned).any())


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
    ],
    signs=[infinite],
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
        "gamma": float(rng.uniform(0.5, 0.95)),
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


def value_added(expert, reward, start_value, phi, gamma, alpha):
    """You add the start value. It is what the best learner earns for this reward, and J wants the expert to earn *more*
    than that: which sign is it?"""
    return _gain(expert, phi(alpha * reward)) / alpha + (1 - gamma) * start_value


def plus_infinity(returned, expert, reward, start_value, phi, gamma, alpha):
    """Your J is +∞ where the reward leaves φ's domain. J is to be made large, so that would be the best reward of all:
    which end of the line did you want?"""
    return bool(np.isposinf(returned).any())


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
        value_added,
    ],
    signs=[plus_infinity],
)
def objective(expert, reward, start_value, phi, gamma, alpha):
    """E_E[(1/α) φ(α r)] - (1-γ) V(s0), -∞ outside of φ's domain."""
    return _gain(expert, phi(alpha * reward)) / alpha - (1 - gamma) * start_value


# -- 4.4 ---------------------------------------------------------------------------------------------------------


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


def multiplied_by_c(learner, expert, c):
    """Your reward grows with c. But c is the price of a large r: should a higher price make it larger?"""
    return c**2 * _held_fixed(learner, expert, c)


def c_forgotten(learner, expert, c):
    """Your reward does not depend on c. What does the penalty's weight do to the top of a parabola?"""
    return c * _held_fixed(learner, expert, c)


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


def only_where_both_go(learner, expert, c):
    """You pay 0 wherever one of the two never goes. Only where *neither* goes there is nothing to find out: what of the
    other pairs?"""
    return np.where((expert > 0) & (learner > 0), _held_fixed(learner, expert, c), 0.0)


def infinite_reward(returned, learner, expert, c):
    """Somewhere your reward is infinite, so you divide by 0. Where one of the two never goes the other one still does:
    should the sum below the line be 0 there?"""
    return bool(np.isinf(returned).any())


@exercise(
    "4.4",
    draw=_two_occupancies,
    inputs="random pairs of occupancies",
    mistakes=[
        sign_flipped,
        penalty_under_the_data_only,
        penalty_under_the_model_only,
        no_penalty_weight,
        multiplied_by_c,
        c_forgotten,
        half_forgotten,
        half_as_large,
        samples_free,
        nothing_off_the_data,
        only_where_both_go,
    ],
    signs=[infinite_reward],
)
def reward_with_samples_held_fixed(learner, expert, c):
    """(ρ_E - ρ_π) / (2c (ρ_E + ρ_π)), 0 where neither goes."""
    return _held_fixed(learner, expert, c)
