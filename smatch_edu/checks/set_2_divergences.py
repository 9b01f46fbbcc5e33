"""The exercises of notebooks/assignments/set_2_divergences.ipynb."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from smatch_edu.checks.exercise import exercise
from smatch_edu.checks.values import numbers


def _shares(rng: np.random.Generator, size: int, zeros: float = 0.3) -> np.ndarray:
    """Shares that sum to 1: some are 0, and now and then one is tiny."""
    weights = rng.exponential(size=size) * (rng.random(size) >= zeros)
    if rng.random() < 0.15:
        weights[rng.integers(size)] *= 1e-9
    if not weights.sum() > 1e-6:
        weights[rng.integers(size)] = 1.0
    return weights / weights.sum()


def _rewards(learner: np.ndarray, expert: np.ndarray, nobody: float = 0.0) -> np.ndarray:
    """-f'(learner/expert) for the χ²-mixture; `nobody` where neither goes."""
    both = learner + expert
    ratio = np.divide(2 * expert, both, out=np.ones_like(both), where=both > 0)
    return np.where(both > 0, ratio**2 - 1, nobody)


def _score(reward: np.ndarray) -> np.ndarray:
    """φ of the χ²-mixture, for rewards from -1 to 3."""
    return 4 * np.sqrt(1 + reward) - 4 - reward


# -- S2.1 --------------------------------------------------------------------------------------------------------


def _read_in_groups(rng: np.random.Generator) -> dict[str, Any]:
    """Few groups and many, groups without a pair, and groups where one of the two never is, or neither, or hardly
    ever."""
    size = int(rng.integers(1, 10))
    most = int(rng.integers(1, size + 1))
    groups = rng.integers(most, size=size) if rng.random() < 0.85 else rng.permutation(size)
    if rng.random() < 0.2:
        groups = 2 * groups  # every other number is nobody's
    zeros = float(rng.choice([0.1, 0.4, 0.7]))
    learner, expert = (_shares(rng, size, zeros) for _ in range(2))
    if size > 1 and rng.random() < 0.2:  # both hardly ever press one of them
        learner[0], expert[0] = 10 ** rng.uniform(-12, -8) * rng.uniform(0.5, 2, size=2)
        learner[1] += 1e-9
        expert[1] += 1e-9
    return {"learner": learner / learner.sum(), "expert": expert / expert.sum(), "groups": groups}


def _sums(shares, groups):
    return np.bincount(groups, weights=shares)


def _lazy(learner, expert, groups, nobody=0.0):
    reward = _rewards(_sums(learner, groups), _sums(expert, groups), nobody)[groups]
    return {"reward": reward, "wins": float(np.sum(expert * _score(reward)) - np.sum(learner * reward))}


def _same_in_group(values, groups):
    """The mean of a group's values, for each of its pairs."""
    return (_sums(values, groups) / np.maximum(np.bincount(groups), 1))[groups]


def groups_ignored(learner, expert, groups):
    """Your critic reads every pair. Hers cannot tell the pairs of one group apart: what do they all get?"""
    return _lazy(learner, expert, np.arange(len(learner)))


def rewards_averaged(learner, expert, groups):
    """You find the best reward of each pair and take the mean in each group. That is *a* lazy critic, not the best one.
    Write down what she wins in one group, as a function of its one reward."""
    reward = _same_in_group(_rewards(learner, expert), groups)
    return {"reward": reward, "wins": float(np.sum(expert * _score(reward)) - np.sum(learner * reward))}


def reward_right_and_wins_of_all(learner, expert, groups):
    """Your rewards are right, and beside them stands the whole distance. Can a critic who reads less win as much?"""
    both = learner + expert
    whole = np.sum(np.divide((learner - expert) ** 2, both, out=np.zeros_like(both), where=both > 0))
    return _lazy(learner, expert, groups) | {"wins": float(whole)}


def wins_for_each_pair(learner, expert, groups):
    """Your rewards are right. In `wins` a group with three pairs counts three times: whose shares did you multiply?"""
    found = _lazy(learner, expert, groups)
    p, q = (_sums(shares, groups)[groups] for shares in (learner, expert))
    return found | {"wins": float(np.sum(q * _score(found["reward"])) - np.sum(p * found["reward"]))}


def wins_of_group_means(learner, expert, groups):
    """Your rewards are right. In `wins` stands the *mean* of a group's shares: what do all its pairs spend together?"""
    found = _lazy(learner, expert, groups)
    p, q = (_same_in_group(shares, groups) / np.bincount(groups)[groups] for shares in (learner, expert))
    return found | {"wins": float(np.sum(q * _score(found["reward"])) - np.sum(p * found["reward"]))}


def score_is_the_reward(learner, expert, groups):
    """Your rewards are right. In `wins` you score r itself at the expert: what does the critic of (3.5) score there?"""
    found = _lazy(learner, expert, groups)
    return found | {"wins": float(np.sum((expert - learner) * found["reward"]))}


def learner_scored(learner, expert, groups):
    """Your rewards are right. In `wins` φ(r) is scored at the learner, and r is paid by the expert: who is who in
    (3.5)?"""
    found = _lazy(learner, expert, groups)
    return found | {"wins": float(np.sum(expert * found["reward"]) - np.sum(learner * _score(found["reward"])))}


def score_cut_short(learner, expert, groups):
    """Your rewards are right. Compare the φ in your `wins` with that of the text, term by term."""
    found = _lazy(learner, expert, groups)
    return found | {"wins": found["wins"] + float(np.sum(expert * found["reward"]))}


def groups_after_a_gap(learner, expert, groups):
    """You count the groups by how many there are. Some numbers are no pair's: which numbers do the others have?"""
    reward = np.where(groups < len(np.unique(groups)), _lazy(learner, expert, groups)["reward"], 0.0)
    return {"reward": reward, "wins": float(np.sum(expert * _score(reward)) - np.sum(learner * reward))}


def _pays(returned, wanted, where=True):
    """Whether these are the rewards, whatever she wins with them; None if there is nothing to compare."""
    found, wanted, where = np.broadcast_arrays(numbers(returned["reward"]), wanted, where)
    return bool(np.allclose(found[where], wanted[where], rtol=1e-4, atol=1e-4)) if where.any() else None


def typists_exchanged(returned, learner, expert, groups):
    """You have the learner for the expert. Who is paid r, and at whom is φ(r) scored?"""
    return _pays(returned, _lazy(expert, learner, groups)["reward"])


def price_of_the_group(returned, learner, expert, groups):
    """You return the price f(u) where a reward was wanted. In (3.7) it is not f, but its slope."""
    p, q = (_sums(shares, groups)[groups] for shares in (learner, expert))
    ratio = np.divide(p, q, out=np.zeros(len(p)), where=q > 0)
    return _pays(returned, (ratio - 1) ** 2 / (ratio + 1), q > 0)


def reward_upside_down(returned, learner, expert, groups):
    """Your reward is high where the learner goes too often. (3.7) has a minus sign: which side is it on?"""
    return _pays(returned, -_lazy(learner, expert, groups)["reward"])


def rewards_of_jensen_shannon(returned, learner, expert, groups):
    """These are the rewards of Jensen-Shannon, as in exercise 3.4. Here f is that of the χ²-mixture."""
    p, q = (_sums(shares, groups)[groups] for shares in (learner, expert))
    ratio = np.divide(p + q, 2 * p, out=np.ones(len(p)), where=p > 0)
    return _pays(returned, np.log(ratio), p > 0)


def rewards_of_chi2(returned, learner, expert, groups):
    """These are the rewards of χ². Here f is that of the χ²-mixture: divide by u + 1, then differentiate."""
    p, q = (_sums(shares, groups)[groups] for shares in (learner, expert))
    reward = 2 - 2 * np.divide(p, q, out=np.full(len(p), np.inf), where=q > 0)
    return _pays(returned, np.where(reward > -1, reward, 0), reward > -1)


def rewards_of_the_sampled_loss(returned, learner, expert, groups):
    """This is the top of the parabola (4.9). Here φ(r) is scored and r is paid: differentiate f."""
    p, q = (_sums(shares, groups)[groups] for shares in (learner, expert))
    both = p + q
    return _pays(returned, np.divide(2 * (q - p), both, out=np.zeros_like(both), where=both > 0))


def nobody_at_the_edge(returned, learner, expert, groups):
    """In a group that neither of them visits you pay the lowest reward. Nothing is scored or paid there: what did the
    text settle on?"""
    return _pays(returned, _lazy(learner, expert, groups, nobody=-1.0)["reward"])


def nothing_where_one_is_away(returned, learner, expert, groups):
    """Where only one of the two ever goes you pay 0. The text settled on that for a group that *neither* visits: what
    is the best reward for u = 0, and for u = ∞?"""
    p, q = (_sums(shares, groups)[groups] for shares in (learner, expert))
    one = (p > 0) != (q > 0)
    return bool(one.any() and _pays(returned, np.where(one, 0.0, _lazy(learner, expert, groups)["reward"])))


def missing_pays_more(returned, learner, expert, groups):
    """Where the learner never goes you pay more than 3. From some reward on φ stands still: where does that begin?"""
    reward = numbers(returned["reward"])
    free = (_sums(learner, groups)[groups] == 0) & (_sums(expert, groups)[groups] > 0)
    others = _pays(returned, _lazy(learner, expert, groups)["reward"], ~free)
    return bool(free.any() and (reward[free] > 3.001).all() and others is not False)


def whole_rewards(returned, learner, expert, groups):
    """Your rewards are whole numbers, the right ones without what stands behind the point. Which kind of number does
    the array hold that you fill?"""
    return _pays(returned, np.trunc(_lazy(learner, expert, groups)["reward"]))


def small_number_below_the_fraction(returned, learner, expert, groups):
    """You are right but where the expert hardly ever is, or never. A small number under a fraction, or in place of a 0,
    is no help there: multiply out, until nothing is divided by her share alone."""
    wrong, p, q = _wrong_rewards(returned, learner, expert, groups)
    return bool(wrong.any() and not wrong[q > 1e-4].any()) if wrong[p + q > 0].any() else None


def right_where_somebody_goes(returned, learner, expert, groups):
    """You are right wherever one of the two goes. Into some groups neither does: what does the exercise want to be paid
    there?"""
    wrong, p, q = _wrong_rewards(returned, learner, expert, groups)
    return bool(wrong.any() and not wrong[p + q > 0].any())


def _wrong_rewards(returned, learner, expert, groups):
    """At which pairs a reward is wrong, and the groups' shares there."""
    p, q = (_sums(shares, groups)[groups] for shares in (learner, expert))
    return np.abs(numbers(returned["reward"]) - _lazy(learner, expert, groups)["reward"]) > 1e-3, p, q


def something_added_to_both(returned, learner, expert, groups):
    """You add a small number to the shares. Where the shares themselves are small that is a lot: multiply out, until
    nothing is divided by P or Q alone, and treat 0/0 by itself."""
    if _pays(returned, _lazy(learner, expert, groups)["reward"]):
        return None  # off by too little to tell
    p, q = (_sums(shares, groups)[groups] for shares in (learner, expert))
    return any(_pays(returned, _rewards(p + small, q + small)) for small in 10.0 ** np.arange(-12, -1))


@exercise(
    "S2.1",
    draw=_read_in_groups,
    inputs="random pairs of typists",
    mistakes=[
        groups_ignored,
        rewards_averaged,
        reward_right_and_wins_of_all,
        wins_for_each_pair,
        wins_of_group_means,
        score_is_the_reward,
        learner_scored,
        score_cut_short,
        groups_after_a_gap,
    ],
    signs=[
        typists_exchanged,
        price_of_the_group,
        reward_upside_down,
        rewards_of_jensen_shannon,
        rewards_of_chi2,
        rewards_of_the_sampled_loss,
        nobody_at_the_edge,
        nothing_where_one_is_away,
        missing_pays_more,
        whole_rewards,
        right_where_somebody_goes,
        something_added_to_both,
    ],
    guesses=[small_number_below_the_fraction],
)
def lazy_critic(learner, expert, groups):
    """-f'(P/Q) with the shares of whole groups, and Σ (P-Q)²/(P+Q) over the groups."""
    return _lazy(learner, expert, groups)


# -- S2.2 --------------------------------------------------------------------------------------------------------


def _log_ratio(p: float, q: float) -> float:
    """p log(p/q), with its limits."""
    return 0.0 if p == 0 else math.inf if q == 0 else p * math.log(p / q)


# ρ_E f(ρ/ρ_E), with its limits where either is 0.
PRICES: dict[str, Callable[[float, float], float]] = {
    "forward_kl": lambda p, q: _log_ratio(q, p),
    "reverse_kl": _log_ratio,
    "js": lambda p, q: _log_ratio(p, (p + q) / 2) + _log_ratio(q, (p + q) / 2),
    "chi2": lambda p, q: (p - q) ** 2 / q if q > 0 else math.inf if p > 0 else 0.0,
    "hellinger": lambda p, q: (math.sqrt(p) - math.sqrt(q)) ** 2,
    "tv": lambda p, q: abs(p - q) / 2,
    "chi2_mixture": lambda p, q: (p - q) ** 2 / (p + q) if p + q > 0 else 0.0,
    "skew_kl": lambda p, q: 2 * (p - q) + 4 * _log_ratio(q, (p + q) / 2),
}


def _between(name: str) -> Callable[[Any, Any], float]:
    """The divergence of that name, as a function of two lists of shares: the learner's, and the expert's."""

    def divergence(learner: Any, expert: Any) -> float:
        return sum(PRICES[name](float(p), float(q)) for p, q in zip(learner, expert, strict=True))

    divergence.__name__ = name
    return divergence


BETWEEN = {name: _between(name) for name in PRICES}


def _within(rng: np.random.Generator) -> dict[str, Any]:
    """All eight divergences; distances of 0, small, and too large to promise anything; shares of 0 and 1 among them."""
    kind = rng.random()
    distance = 0.0 if kind < 0.1 else float(rng.uniform(0.5, 6)) if kind < 0.25 else float(10 ** rng.uniform(-3.5, 0))
    share = float(rng.integers(2)) if rng.random() < 0.25 else float(rng.random() ** rng.choice([1, 4]))
    return {"divergence": BETWEEN[str(rng.choice(list(PRICES)))], "distance": distance, "share": share}


def _farthest(price: Callable[[float, float], float], distance: float, share: float, end: float) -> float:
    """The share nearest to `end` at which the price is not above the distance."""
    if price(end, share) <= distance:
        return end
    if distance == 0:
        return share
    near, far = share, end
    for _ in range(45):
        middle = (near + far) / 2
        near, far = (middle, far) if price(middle, share) <= distance else (near, middle)
    return near


def _range(price, distance, share):
    return {name: _farthest(price, distance, share, end) for name, end in (("least", 0.0), ("most", 1.0))}


def _two(divergence):
    """The distance of two lists of two: the event, and everything else."""
    price = PRICES[divergence.__name__]
    return lambda p, q: price(p, q) + price(1 - p, 1 - q)


def everything_else_forgotten(divergence, distance, share):
    """You count what the event itself costs. She who does this more often does everything else less often: what does
    *that* cost?"""
    return _range(PRICES[divergence.__name__], distance, share)


def distance_as_a_difference(divergence, distance, share):
    """You go up and down by the distance itself. That is right for total variation; which divergence was given?"""
    return {"least": max(share - distance, 0.0), "most": min(share + distance, 1.0)}


def watched_from_the_other_side(divergence, distance, share):
    """Your distances are from the learner to the expert. The learner comes first in the call, and the given share is
    the expert's."""
    right = _two(divergence)
    return _range(lambda p, q: right(q, p), distance, share)


def mirrored(divergence, distance, share):
    """You go down as far as you go up. Is a divergence the same to both sides of the expert's share?"""
    most = promise.oracle(divergence, distance, share)["most"]
    return {"least": max(2 * share - most, 0.0), "most": most}


def complement_for_the_least(divergence, distance, share):
    """Your `least` is 1 less `most`. That would be so if the expert's share were one half: whose least share have you
    found?"""
    most = promise.oracle(divergence, distance, share)["most"]
    return {"least": 1 - most, "most": most}


def names_exchanged(divergence, distance, share):
    """You have the least and the most exchanged."""
    right = promise.oracle(divergence, distance, share)
    return {"least": right["most"], "most": right["least"]}


def root_of_half_the_distance(divergence, distance, share):
    """You use Pinsker's inequality. It is true (for KL), but nobody within this distance need get so far: who gets as
    far as anybody can?"""
    step = math.sqrt(distance / 2)
    return {"least": max(share - step, 0.0), "most": min(share + step, 1.0)}


def anything_may_be_missing(divergence, distance, share):
    """Your `least` is always 0. A distance promises also that something does *not* go missing: how cheap is it to do it
    less often?"""
    return promise.oracle(divergence, distance, share) | {"least": 0.0}


def searched_from_end_to_end(divergence, distance, share):
    """You search from 0 to 1 as if the distance only grew on the way. It falls as far as the expert's share, and grows
    from there: where does each of the two searches begin?"""
    price, found = _two(divergence), {}
    for name in ("least", "most"):
        low, high = 0.0, 1.0
        for _ in range(45):
            middle = (low + high) / 2
            upwards = (price(middle, share) <= distance) == (name == "most")
            low, high = (middle, high) if upwards else (low, middle)
        found[name] = low
    return found


def _off(returned, divergence, distance, share):
    """(returned, right, end, whether the end is infinitely far away) of what is wrong."""
    right, price = promise.oracle(divergence, distance, share), _two(divergence)
    ends = {"least": 0.0, "most": 1.0}
    found = {name: float(returned[name]) for name in right}
    return [
        (found[name], right[name], end, price(end, share) == math.inf)
        for name, end in ends.items()
        if abs(found[name] - right[name]) > 1e-5
    ]


def certain_and_so_fixed(returned, divergence, distance, share):
    """Where the expert never does it, or always, you return her own share. She may be certain: may nobody within the
    distance be otherwise?"""
    off = _off(returned, divergence, distance, share)
    return share in (0, 1) and all(abs(got - share) < 1e-5 for got, *_ in off)


def infinitely_far_and_yet_reached(returned, divergence, distance, share):
    """An end that is infinitely far away you return as if it were reached. Is ∞ at most d?"""
    return all(far and abs(got - end) < 1e-3 for got, _, end, far in _off(returned, divergence, distance, share))


def end_or_beginning(returned, divergence, distance, share):
    """Your search comes out where it began, at the expert's share or at the end. If the middle is still within the
    distance, on which side of it does what you look for lie?"""
    off = _off(returned, divergence, distance, share)
    return all(min(abs(got - share), abs(got - end)) < 1e-3 for got, _, end, _ in off)


def certain_no_more(returned, divergence, distance, share):
    """Where the expert never does it, or always, you move her share a little. What was infinitely dear there has got a
    price by that: can your lines take the share as it is?"""
    shares = {min(max(share, small), 1 - small) for small in 10.0 ** -np.arange(3, 16)} - {share}
    moved = (_range(_two(divergence), distance, one) for one in shares)
    return any(all(abs(float(returned[key]) - one[key]) < 1e-4 for key in one) for one in moved)


def not_near_enough(returned, divergence, distance, share):
    """You are near, and five decimals were wanted. What keeps you from them: the steps of a grid, too few halvings, or
    a 0 and a 1 that you moved a little?"""
    right = promise.oracle(divergence, distance, share)
    return all(abs(float(returned[key]) - right[key]) < 0.03 for key in right)


@exercise(
    "S2.2",
    draw=_within,
    inputs="random distances",
    num_cases=40,
    mistakes=[
        everything_else_forgotten,
        distance_as_a_difference,
        watched_from_the_other_side,
        mirrored,
        complement_for_the_least,
        names_exchanged,
        root_of_half_the_distance,
        anything_may_be_missing,
        searched_from_end_to_end,
    ],
    signs=[certain_no_more, certain_and_so_fixed, infinitely_far_and_yet_reached, end_or_beginning],
    guesses=[not_near_enough],
)
def promise(divergence, distance, share):
    """The two ends of {p: D_f of (p, 1-p) from (q, 1-q) is at most the distance}."""

    def price(p: float, q: float) -> float:
        return float(divergence(np.array([p, 1 - p]), np.array([q, 1 - q])))

    return _range(price, distance, share)


# -- S2.3 --------------------------------------------------------------------------------------------------------


def _counted(rng: np.random.Generator) -> dict[str, Any]:
    """Counts of few samples and of many, with pairs that come only in the first half, only in the second, or never."""
    size = int(rng.integers(1, 9))
    lists = {"expert": _shares(rng, size), "learner": _shares(rng, size)}
    drawn = {}
    for half in ("counts", "fresh"):
        for who, shares in lists.items():
            drawn[f"{who}_{half}"] = rng.multinomial(int(rng.choice([1, 5, 30, 400])), shares)
    return drawn


def _won(reward, expert, learner, score=_score, expert_total=None, learner_total=None):
    """E_E[φ(r)] - E_π[r] on these counts."""
    expert_total = np.sum(expert) if expert_total is None else expert_total
    learner_total = np.sum(learner) if learner_total is None else learner_total
    return float(np.sum(expert * score(reward)) / expert_total - np.sum(learner * reward) / learner_total)


def _fit(expert, learner, nobody=0.0):
    return _rewards(learner / np.sum(learner), expert / np.sum(expert), nobody)


def _both(reward, e1, l1, e2, l2, **changes):
    return {"fooled": _won(reward, e1, l1, **changes), "honest": _won(reward, e2, l2, **changes)}


def critic_sees_the_fresh_ones(expert_counts, learner_counts, expert_fresh, learner_fresh):
    """Your critic chooses her rewards anew for the fresh samples. Then these fool her as well: what must she not have
    seen?"""
    right = honest_distance.oracle(expert_counts, learner_counts, expert_fresh, learner_fresh)
    return right | {"honest": _won(_fit(expert_fresh, learner_fresh), expert_fresh, learner_fresh)}


def critic_sees_everything(expert_counts, learner_counts, expert_fresh, learner_fresh):
    """Your critic learns from all samples together, the fresh ones included. Which ones must she not have seen?"""
    reward = _fit(expert_counts + expert_fresh, learner_counts + learner_fresh)
    return _both(reward, expert_counts, learner_counts, expert_fresh, learner_fresh)


def score_not_bent(expert_counts, learner_counts, expert_fresh, learner_fresh):
    """At the expert you score r itself. What does the critic of (3.5) score there?"""
    four = expert_counts, learner_counts, expert_fresh, learner_fresh
    return _both(_fit(*four[:2]), *four, score=lambda reward: reward)


def fresh_score_not_bent(expert_counts, learner_counts, expert_fresh, learner_fresh):
    """`fooled` is right. In `honest` you score r itself at the expert: what does the critic of (3.5) score there?"""
    four = expert_counts, learner_counts, expert_fresh, learner_fresh
    return score_not_bent(*four) | {"fooled": honest_distance.oracle(*four)["fooled"]}


def rewards_of_the_other_typist(expert_counts, learner_counts, expert_fresh, learner_fresh):
    """Your numbers are those of the two typists exchanged. In r = -f'(u), whose share is above in u, and whose below?
    And at whom is φ(r) scored, at whom is r paid?"""
    four = expert_counts, learner_counts, expert_fresh, learner_fresh
    return _both(_fit(learner_counts, expert_counts), *four)


def payment_bent_too(expert_counts, learner_counts, expert_fresh, learner_fresh):
    """You bend what is *paid* as well. Only at the expert is φ(r) scored; what is the learner paid?"""
    reward = _fit(expert_counts, learner_counts)
    halves = {"fooled": (expert_counts, learner_counts), "honest": (expert_fresh, learner_fresh)}
    return {
        name: float(expert @ _score(reward) / expert.sum() - learner @ _score(reward) / learner.sum())
        for name, (expert, learner) in halves.items()
    }


def never_seen_is_worst(expert_counts, learner_counts, expert_fresh, learner_fresh):
    """Pairs that the critic has never seen get the lowest reward in your answer. She knows nothing about them: which
    reward says that?"""
    four = expert_counts, learner_counts, expert_fresh, learner_fresh
    return _both(_fit(*four[:2], nobody=-1.0), *four)


def never_seen_is_best(expert_counts, learner_counts, expert_fresh, learner_fresh):
    """Pairs that the critic has never seen get the highest reward in your answer. She knows nothing about them: which
    reward says that?"""
    four = expert_counts, learner_counts, expert_fresh, learner_fresh
    return _both(_fit(*four[:2], nobody=3.0), *four)


def counts_for_shares(expert_counts, learner_counts, expert_fresh, learner_fresh):
    """Your rewards compare counts. If ten texts of the expert were read and a thousand of the learner, what would u
    be?"""
    four = expert_counts, learner_counts, expert_fresh, learner_fresh
    return _both(_rewards(1.0 * learner_counts, 1.0 * expert_counts), *four)


def divided_by_the_first(expert_counts, learner_counts, expert_fresh, learner_fresh):
    """You divide the fresh counts by the number of the *first* samples. How many fresh ones are there?"""
    four = expert_counts, learner_counts, expert_fresh, learner_fresh
    totals = {"expert_total": expert_counts.sum(), "learner_total": learner_counts.sum()}
    return _both(_fit(*four[:2]), *four, **totals)


def something_added(expert_counts, learner_counts, expert_fresh, learner_fresh):
    """You add one to every count, so that your critic is not the best one on her samples. Treat 0 by itself; then
    nothing needs to be added."""
    four = expert_counts, learner_counts, expert_fresh, learner_fresh
    return _both(_fit(expert_counts + 1, learner_counts + 1), *four)


def seen_by_one_is_unseen(expert_counts, learner_counts, expert_fresh, learner_fresh):
    """Where only one of the two was seen you pay 0. The critic has seen that pair: what is the best reward for u = 0,
    and for u = ∞?"""
    four = expert_counts, learner_counts, expert_fresh, learner_fresh
    return _both(np.where((expert_counts > 0) & (learner_counts > 0), _fit(*four[:2]), 0.0), *four)


def one_total_for_both(expert_counts, learner_counts, expert_fresh, learner_fresh):
    """You divide the learner's counts by the number of the *expert's* moments. How many moments of the learner are
    there?"""
    q, p = (counts / expert_counts.sum() for counts in (expert_counts, learner_counts))
    reward = _rewards(p, q)
    return {
        "fooled": _won(reward, expert_counts, learner_counts, learner_total=expert_counts.sum()),
        "honest": _won(reward, expert_fresh, learner_fresh, learner_total=expert_fresh.sum()),
    }


def pairs_for_moments(expert_counts, learner_counts, expert_fresh, learner_fresh):
    """You divide by the number of pairs. The mean is one over *moments*: how many are there in each list?"""
    four = expert_counts, learner_counts, expert_fresh, learner_fresh
    return _both(_fit(*four[:2]), *four, expert_total=len(expert_counts), learner_total=len(expert_counts))


def sums_for_means(expert_counts, learner_counts, expert_fresh, learner_fresh):
    """You add up over all moments, and a mean was wanted: how many moments are there in each list?"""
    four = expert_counts, learner_counts, expert_fresh, learner_fresh
    return _both(_fit(*four[:2]), *four, expert_total=1, learner_total=1)


def never_a_loss(expert_counts, learner_counts, expert_fresh, learner_fresh):
    """You cut what she wins on fresh moments at 0. A distance is never negative, but may a critic not lose?"""
    right = honest_distance.oracle(expert_counts, learner_counts, expert_fresh, learner_fresh)
    return right | {"honest": max(right["honest"], 0.0)}


def strangers_left_out(expert_counts, learner_counts, expert_fresh, learner_fresh):
    """You leave out the fresh moments at pairs that she had not seen. She is tried there as well: what does the text
    say that she pays?"""
    four = expert_counts, learner_counts, expert_fresh, learner_fresh
    known = expert_counts + learner_counts > 0
    totals = {f"{who}_total": max(four[n][known].sum(), 1) for who, n in (("expert", 2), ("learner", 3))}
    reward = _fit(*four[:2])
    return {"fooled": _won(reward, *four[:2]), "honest": _won(reward, *four[2:], **totals)}


def halves_exchanged(expert_counts, learner_counts, expert_fresh, learner_fresh):
    """Your critic learns from the fresh samples and is tried on the first ones. Which were for learning?"""
    return honest_distance.oracle(expert_fresh, learner_fresh, expert_counts, learner_counts)


def results_exchanged(expert_counts, learner_counts, expert_fresh, learner_fresh):
    """Your two numbers are right, under each other's name. On which samples is the critic fooled?"""
    right = honest_distance.oracle(expert_counts, learner_counts, expert_fresh, learner_fresh)
    return {"fooled": right["honest"], "honest": right["fooled"]}


@exercise(
    "S2.3",
    draw=_counted,
    inputs="random samples",
    mistakes=[
        critic_sees_the_fresh_ones,
        critic_sees_everything,
        score_not_bent,
        fresh_score_not_bent,
        rewards_of_the_other_typist,
        payment_bent_too,
        never_seen_is_worst,
        never_seen_is_best,
        counts_for_shares,
        divided_by_the_first,
        something_added,
        seen_by_one_is_unseen,
        one_total_for_both,
        pairs_for_moments,
        sums_for_means,
        never_a_loss,
        strangers_left_out,
        halves_exchanged,
        results_exchanged,
    ],
)
def honest_distance(expert_counts, learner_counts, expert_fresh, learner_fresh):
    """E_E[φ(r)] - E_π[r] with the rewards that are best on the first samples: on these, and on the fresh ones."""
    reward = _fit(expert_counts, learner_counts)
    return _both(reward, expert_counts, learner_counts, expert_fresh, learner_fresh)


# -- S2.4 --------------------------------------------------------------------------------------------------------


def _team(rng: np.random.Generator) -> dict[str, Any]:
    """One to five typists, some with hardly any weight; whatever the expert does, one of them does."""
    count, size = int(rng.integers(1, 6)), int(rng.integers(1, 9))
    typists = np.array([_shares(rng, size, float(rng.choice([0.0, 0.5]))) for _ in range(count)])
    weights = rng.exponential(size=count) * np.where(
        rng.random(count) < 0.2, 10 ** rng.uniform(-10, -5, size=count), 1.0
    )
    expert = rng.exponential(size=size) * (rng.random(size) < 0.8) * (typists.max(axis=0) > 1e-6)
    if not expert.any():
        expert = typists[0].copy()
    return {"weights": weights / weights.sum(), "typists": typists, "expert": expert / expert.sum()}


def _bound(weights, typists, expert, change: Callable[[np.ndarray, float], float]):
    right = certificate.oracle(weights, typists, expert)
    return right | {"at_least": float(change(right["pay"], right["distance"]))}


def bound_without_scaling(weights, typists, expert):
    """Your bound is true, but this critic can do better: she may multiply all her rewards by one number. Which number
    makes what she wins largest?"""
    return _bound(weights, typists, expert, lambda pay, kl: kl + 1 - pay.max())


def average_typist_paid(weights, typists, expert):
    """In your bound the *present* team is paid, and so it is the distance itself. It must hold for every team: which of
    them costs the critic most?"""
    return _bound(weights, typists, expert, lambda pay, kl: kl)


def bound_above(weights, typists, expert):
    """Your bound lies above the distance. Nobody who pays more can win more: look at the sign of what is paid."""
    return _bound(weights, typists, expert, lambda pay, kl: kl + np.log(pay.max()))


def bound_cut_at_zero(weights, typists, expert):
    """You replace a bound below 0 by 0. That is true of every divergence, but it is not what this critic proves."""
    return _bound(weights, typists, expert, lambda pay, kl: max(kl - np.log(pay.max()), 0.0))


def mean_pay(weights, typists, expert):
    """In your bound the typists share the work evenly. It must hold for every team: which of them costs the critic
    most?"""
    return _bound(weights, typists, expert, lambda pay, kl: kl - np.log(max(pay.mean(), 1e-12)))


def ratio_upside_down(weights, typists, expert):
    """Your critic pays where the team types too often. The reward is -f'(u), with the team's share above and the
    expert's below in u."""
    mixed = weights @ typists
    ratio = np.divide(mixed, expert, out=np.zeros_like(mixed), where=expert > 0)
    right = certificate.oracle(weights, typists, expert)
    pay = typists @ ratio
    return right | {"pay": pay, "at_least": right["distance"] - float(np.log(max(pay.max(), 1e-300)))}


def weights_counted_twice(weights, typists, expert):
    """Your pay is multiplied by the typist's weight. What does she earn if she types *all day*?"""
    right = certificate.oracle(weights, typists, expert)
    pay = weights * right["pay"]
    return right | {"pay": pay, "at_least": right["distance"] - float(np.log(pay.max()))}


def weights_ignored(weights, typists, expert):
    """In your team all typists type alike. How much of the day has each?"""
    even = np.full(len(weights), 1 / len(weights))
    return certificate.oracle(even, typists, expert)


def learner_watched(weights, typists, expert):
    """Your distance watches the team: it is the reverse KL. Which of the two is infinite when something is missed?"""
    mixed = weights @ typists
    if ((expert == 0) & (mixed > 0)).any():
        reverse = math.inf
    else:
        seen = mixed > 0
        reverse = float(np.sum(mixed[seen] * np.log(mixed[seen] / expert[seen])))
    right = certificate.oracle(weights, typists, expert)
    return right | {"distance": reverse, "at_least": reverse - float(np.log(right["pay"].max()))}


def bits_for_nats(weights, typists, expert):
    """Your logarithm is that of base 2, and nats were wanted."""
    right = certificate.oracle(weights, typists, expert)
    return right | {name: right[name] / math.log(2) for name in ("distance", "at_least")}


def paid_where_the_expert_never_is(weights, typists, expert):
    """You pay 1 where the expert never is. What is ρ_E/ρ there?"""
    right = certificate.oracle(weights, typists, expert)
    pay = right["pay"] + typists @ (expert == 0)
    return right | {"pay": pay, "at_least": right["distance"] - float(np.log(pay.max()))}


def each_her_own_critic(weights, typists, expert):
    """Each of your members has a critic of her own, ρ_E/ρ_k. The one who pays here is the best critic of the *team*."""
    right = certificate.oracle(weights, typists, expert)
    pay = (typists > 0) @ expert
    return right | {"pay": pay, "at_least": right["distance"] - float(np.log(max(pay.max(), 1e-300)))}


def members_distances_averaged(weights, typists, expert):
    """Your distance is the mean of the members' distances. That of the team compares the expert with *one* list: which
    one?"""
    right = certificate.oracle(weights, typists, expert)
    mean = float(sum(w * _alone(one, expert) for w, one in zip(weights, typists, strict=True)))
    return right | {"distance": mean, "at_least": mean - float(np.log(right["pay"].max()))}


def factor_upside_down(weights, typists, expert):
    """Your critic multiplies her rewards by the largest pay. Look at 1 + log c + (a number) - c · (another one) once
    more: where is its slope 0?"""
    return _bound(weights, typists, expert, lambda pay, kl: 1 + np.log(pay.max()) + kl - pay.max() ** 2)


def _pays_each(returned, pay):
    return bool(np.allclose(numbers(returned["pay"]), pay, rtol=1e-4, atol=1e-4))


def cheapest_typist_paid(returned, weights, typists, expert):
    """Your bound holds for the typist who is paid least. It must hold for every team: which of them costs the critic
    most?"""
    right = certificate.oracle(weights, typists, expert)
    least = right["pay"].min()
    if least == 0:
        return None  # whatever is made of log 0
    return bool(np.isclose(float(returned["at_least"]), right["distance"] - np.log(least), rtol=1e-4, atol=1e-4))


def small_number_in_the_team(returned, weights, typists, expert):
    """You add a small number to the team's shares, or cut them off there. Where only a member with a tiny weight goes,
    the share is smaller still: which are the only shares that need care?"""
    mixed = weights @ typists
    if _pays_each(returned, certificate.oracle(weights, typists, expert)["pay"]):
        return None  # off by too little to tell
    teams = [team for small in 10.0 ** np.arange(-16, -2) for team in (mixed + small, np.maximum(mixed, small))]
    return any(_pays_each(returned, typists @ (expert / team)) for team in teams)


def other_kl(returned, weights, typists, expert):
    """Your distance is KL(ρ ‖ ρ_E), a mean over what the *team* does. Forward KL is a mean over what somebody else
    does: whose share stands in front?"""
    mixed = weights @ typists
    if (mixed[expert == 0] > 0).any():
        return None  # infinite, unless such a pair is left out
    seen = mixed > 0
    distance = np.sum(mixed[seen] * np.log(mixed[seen] / expert[seen]))
    return np.isclose(float(returned["distance"]), distance, rtol=1e-4, atol=1e-4)


def hardly_employed_left_out(returned, weights, typists, expert):
    """Your bound leaves out members who hardly type. *Another* team may employ them all day: of whose pay is the
    largest wanted?"""
    right = certificate.oracle(weights, typists, expert)
    order = np.argsort(weights)
    bounds = [right["distance"] - np.log(right["pay"][order[n:]].max()) for n in range(1, len(order))]
    return _pays_each(returned, right["pay"]) and any(
        np.isclose(float(returned["at_least"]), one, rtol=1e-4, atol=1e-4) for one in bounds if one != right["at_least"]
    )


def best_member_alone(weights, typists, expert):
    """You return what the nearest single typist reaches. A team may come nearer than each of its members: below what
    can *no* team come?"""
    right = certificate.oracle(weights, typists, expert)
    alone = [_alone(one, expert) for one in typists]
    return right | {"at_least": min(alone)}


def _alone(typist, expert):
    seen = expert > 0
    with np.errstate(divide="ignore"):
        return float(np.sum(expert[seen] * np.log(expert[seen] / typist[seen])))


@exercise(
    "S2.4",
    draw=_team,
    inputs="random teams",
    mistakes=[
        bound_without_scaling,
        average_typist_paid,
        bound_above,
        bound_cut_at_zero,
        mean_pay,
        ratio_upside_down,
        weights_counted_twice,
        weights_ignored,
        learner_watched,
        best_member_alone,
        bits_for_nats,
        paid_where_the_expert_never_is,
        each_her_own_critic,
        members_distances_averaged,
        factor_upside_down,
    ],
    signs=[cheapest_typist_paid, other_kl, hardly_employed_left_out, small_number_in_the_team],
)
def certificate(weights, typists, expert):
    """KL(ρ_E ‖ Σ w ρ_k), E_k[ρ_E/ρ], and KL - log max_k E_k[ρ_E/ρ]."""
    seen = expert > 0
    ratio = expert[seen] / (weights @ typists)[seen]
    distance, pay = float(expert[seen] @ np.log(ratio)), typists[:, seen] @ ratio
    return {"distance": distance, "pay": pay, "at_least": distance - float(np.log(pay.max()))}


# -- S2.5 --------------------------------------------------------------------------------------------------------


def _two_fines(rng: np.random.Generator) -> dict[str, Any]:
    """Both fines, or one of them only; ratios of 0 and 1 among the others."""
    fines = 10 ** rng.uniform(-2, 1, size=2)
    if rng.random() < 0.4:
        fines[rng.integers(2)] = 0.0
    ratios = 10 ** rng.uniform(-3, 2, size=int(rng.integers(1, 6)))
    special = rng.random(len(ratios)) < 0.25
    ratios[special] = rng.integers(2, size=int(special.sum()))
    if fines[0] == 0 and rng.random() < 0.4:
        ratios[rng.integers(len(ratios))] = 0.0
    return {"u": ratios, "c_expert": float(fines[0]), "c_model": float(fines[1])}


def _parts(u, c_expert, c_model):
    """log((c_E + c_π u)/(c_E + c_π)), and c_E + c_π u."""
    below = c_expert + c_model * np.asarray(u, dtype=float)
    with np.errstate(divide="ignore"):
        return np.log(below / (c_expert + c_model)), below


def _made(u, c_expert, c_model):
    u = np.asarray(u, dtype=float)
    logarithm, below = _parts(u, c_expert, c_model)
    with np.errstate(divide="ignore"):
        moving = np.where(u == 1, 0.0, (1 - u) ** 2 / (4 * below))
    if c_model == 0:
        return {"held_fixed": moving, "moving": moving}
    held = (u - 1) / (2 * c_model) - (c_expert + c_model) / (2 * c_model**2) * logarithm
    return {"held_fixed": held, "moving": moving}


def divergences_exchanged(u, c_expert, c_model):
    """Your two prices are right, under each other's name. When the samples are held fixed, for which reward does the
    learner work?"""
    right = _made(u, c_expert, c_model)
    return {"held_fixed": right["moving"], "moving": right["held_fixed"]}


def fines_exchanged(u, c_expert, c_model):
    """You have the two fines exchanged. Which of them is weighed by the expert's share, and so is not multiplied by
    u?"""
    return _made(u, c_model, c_expert)


def both_the_same(u, c_expert, c_model):
    """Your two prices are the same. They are so only if the model's samples are not fined at all: for which reward does
    the learner work when they are held fixed?"""
    right = _made(u, c_expert, c_model)
    return {"held_fixed": right["moving"], "moving": right["moving"]}


def reward_not_integrated(u, c_expert, c_model):
    """In "held_fixed" you return a slope, -r. Of which function is it the slope?"""
    _, below = _parts(u, c_expert, c_model)
    with np.errstate(divide="ignore"):
        slope = np.where(np.asarray(u) == 1, 0.0, (np.asarray(u) - 1) / (2 * below))
    return _made(u, c_expert, c_model) | {"held_fixed": slope}


def one_fine_for_both(u, c_expert, c_model):
    """You fine both with the same coefficient. There are two of them here: redo the top of the parabola."""
    c = c_expert if c_expert > 0 else c_model
    return _made(u, c, c)


def square_with_the_wrong_sign(u, c_expert, c_model):
    """In "moving" the learner works for r - c r² in your answer. Her share stands in *both* of the terms that are taken
    away: what does she gain if she goes there a little less?"""
    right = _made(u, c_expert, c_model)
    finite = np.isfinite(right["moving"])
    held, moving = (np.where(finite, right[name], 0.0) for name in ("held_fixed", "moving"))
    return right | {"moving": np.where(finite, 2 * held - moving, math.inf)}


def always_skew(u, c_expert, c_model):
    """Your prices are those of notebook 04, for c = 1/4 at both. Here the two fines are given."""
    return _made(u, 0.25, 0.25)


def _beside(returned, u, c_expert, c_model, name):
    """What was returned under this name and what is right, where the latter is finite; and u there."""
    right = _made(u, c_expert, c_model)[name]
    found, finite = numbers(returned[name]), np.isfinite(right)
    return found[finite], right[finite], np.asarray(u)[finite]


def _near(found, wanted):
    return bool(np.allclose(found, wanted, rtol=1e-4, atol=1e-4))


def _multiple(found, of):
    """The number that makes this of that; NaN if none does, None if there are not two to compare."""
    where = np.abs(of) > 1e-6
    if len(np.unique(np.round(of[where], 9))) < 2:
        return None if _near(found[~where], 0) else math.nan
    factor = float(found[where] @ of[where] / (of[where] @ of[where]))
    return factor if _near(found, factor * of) else math.nan


def infinite_price_lost(returned, u, c_expert, c_model):
    """Your prices are right where they are finite, and finite where they are not. If only the model's samples are
    fined, what does it cost to miss something altogether?"""
    pairs = [_beside(returned, u, c_expert, c_model, name) for name in ("held_fixed", "moving")]
    return all(_near(found, right) for found, right, _ in pairs)


def wrong_by_a_factor(returned, u, c_expert, c_model):
    """Your prices are right but for a factor. The top of x - c x² is not at 1/c: where is it, and how high? And half of
    what stands in the slope -r stays in its integral."""
    factors = []
    for name in ("held_fixed", "moving"):
        found, right, _ = _beside(returned, u, c_expert, c_model, name)
        factors.append(_multiple(found, right))
    known = [factor for factor in factors if factor is not None]
    if np.allclose(known, 1, atol=1e-3):
        return None
    return all(min(abs(factor / one - 1) for one in (0.25, 0.5, 1, 2, 4)) < 1e-3 for factor in known)


def fine_without_the_ratio(returned, u, c_expert, c_model):
    """In "moving" you fine the model's samples with c_π alone. Per unit of ρ_E, how many samples of the model are
    there?"""
    moving, _, where = _beside(returned, u, c_expert, c_model, "moving")
    return _near(moving, (1 - where) ** 2 / (4 * (c_expert + c_model)))


def not_anchored(returned, u, c_expert, c_model):
    """Your f is right but for a constant: what must it be at u = 1?"""
    found, right, where = _beside(returned, u, c_expert, c_model, "held_fixed")
    if len(np.unique(where)) < 2:
        return None
    constant = float(np.mean(found - right))
    return abs(constant) > 1e-6 and _near(found - right, constant)


def straight_part_lost(returned, u, c_expert, c_model):
    """Your f is right but for a multiple of u - 1, so that its slope at u = 1 is not 0. That changes no distance,
    but the text fixed it: which part of the integral is straight?"""
    found, right, where = _beside(returned, u, c_expert, c_model, "held_fixed")
    factor = _multiple(found - right, where - 1)
    return factor if factor is None else abs(factor) > 1e-6  # NaN is none, and 0 is right


def number_before_the_logarithm(returned, u, c_expert, c_model):
    """In "held_fixed" the straight part is right, and the logarithm has another number before it, or another sign. Put
    your two parts over one denominator again: does u - 1 come out above?"""
    found, right, where = _beside(returned, u, c_expert, c_model, "held_fixed")
    if c_model == 0 or _near(found, right):
        return None
    logarithm, _ = _parts(where, c_expert, c_model)
    factor = _multiple(found - (where - 1) / (2 * c_model), logarithm)
    return factor if factor is None else not math.isnan(factor)


@exercise(
    "S2.5",
    draw=_two_fines,
    inputs="random fines",
    mistakes=[
        divergences_exchanged,
        fines_exchanged,
        both_the_same,
        reward_not_integrated,
        one_fine_for_both,
        square_with_the_wrong_sign,
        always_skew,
    ],
    signs=[
        infinite_price_lost,
        wrong_by_a_factor,
        fine_without_the_ratio,
        not_anchored,
        straight_part_lost,
        number_before_the_logarithm,
    ],
)
def prices_of_two_fines(u, c_expert, c_model):
    """∫₁ᵘ (t-1)/(2(c_E + c_π t)) dt, and (1-u)²/(4(c_E + c_π u))."""
    return _made(u, c_expert, c_model)
