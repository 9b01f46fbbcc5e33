"""Answers to notebooks/assignments/set_2_divergences.ipynb, written from its text alone: right ones of many kinds, and
wrong ones that students give."""

import functools
import math

import numpy as np
import torch
from scipy.optimize import brentq
from scipy.special import rel_entr

from smatch_edu.exact import DIVERGENCES

# Exercise S2.1, right


def critic_by_group_numbers(learner, expert, groups):
    reward, wins = np.zeros(len(learner)), 0.0
    for group in set(groups.tolist()):
        inside = groups == group
        p, q = learner[inside].sum(), expert[inside].sum()
        if p + q == 0:
            continue
        reward[inside] = 4 * (q / (p + q)) ** 2 - 1
        wins += (p - q) ** 2 / (p + q)
    return {"reward": reward, "wins": wins}


def critic_with_a_table(learner, expert, groups):
    belongs = groups[:, None] == groups[None, :]
    p, q = belongs @ learner, belongs @ expert
    with np.errstate(divide="ignore", invalid="ignore"):
        reward = np.where(p + q > 0, 4 / (1 + p / q) ** 2 - 1, 0.0)
        reward = np.where((q == 0) & (p > 0), -1.0, reward)
    score = 4 * np.sqrt(1 + reward) - 4 - reward
    return {"wins": np.sum(expert * score - learner * reward), "reward": reward}


def critic_in_torch(learner, expert, groups):
    learner, expert = torch.tensor(np.array(learner)), torch.tensor(np.array(expert))
    where = torch.tensor(np.array(groups))
    p, q = (torch.zeros(int(where.max()) + 1).double().index_add(0, where, x)[where] for x in (learner, expert))
    a = torch.where(p + q > 0, q / (p + q).clamp(min=1e-300), torch.tensor(0.5).double())
    reward = 4 * a**2 - 1
    return {"reward": reward, "wins": (expert * (1 - 4 * (1 - a) ** 2) - learner * reward).sum()}


def critic_of_lists(learner, expert, groups):
    total = {}
    for p, q, group in zip(learner.tolist(), expert.tolist(), groups.tolist(), strict=True):
        one, other = total.get(group, (0.0, 0.0))
        total[group] = (one + p, other + q)
    pays = {group: 4 * q**2 / (p + q) ** 2 - 1 if p + q else 0.0 for group, (p, q) in total.items()}
    wins = sum((p - q) ** 2 / (p + q) for p, q in total.values() if p + q)
    return {"reward": [pays[group] for group in groups.tolist()], "wins": wins}


# Exercise S2.1, wrong


def critic_who_reads_everything(learner, expert, groups):
    return critic_by_group_numbers(learner, expert, np.arange(len(learner)))


def critic_of_mean_rewards(learner, expert, groups):
    alone = critic_by_group_numbers(learner, expert, np.arange(len(learner)))["reward"]
    reward = np.array([alone[groups == group].mean() for group in groups])
    return {"reward": reward, "wins": np.sum(expert * (4 * np.sqrt(1 + reward) - 4 - reward) - learner * reward)}


def critic_with_the_whole_distance(learner, expert, groups):
    right = critic_by_group_numbers(learner, expert, groups)
    return {"reward": right["reward"], "wins": DIVERGENCES["chi2_mixture"](learner, expert)}


def critic_of_repeated_groups(learner, expert, groups):
    right = critic_by_group_numbers(learner, expert, groups)
    wins = 0.0
    for group in groups:
        p, q = learner[groups == group].sum(), expert[groups == group].sum()
        wins += (p - q) ** 2 / (p + q) if p + q > 0 else 0.0
    return {"reward": right["reward"], "wins": wins}


def critic_of_the_expert(learner, expert, groups):
    return critic_by_group_numbers(expert, learner, groups)


def critic_with_the_wrong_sign(learner, expert, groups):
    right = critic_by_group_numbers(learner, expert, groups)
    return {"reward": -right["reward"], "wins": right["wins"]}


def critic_of_the_parabola(learner, expert, groups):
    right = critic_by_group_numbers(learner, expert, groups)
    p, q = (np.array([x[groups == group].sum() for group in groups]) for x in (learner, expert))
    reward = np.where(p + q > 0, 2 * (q - p) / np.where(p + q > 0, p + q, 1), 0)
    return {"reward": reward, "wins": right["wins"]}


def critic_of_exercise_3_4(learner, expert, groups):
    right = critic_by_group_numbers(learner, expert, groups)
    p, q = (np.array([x[groups == group].sum() for group in groups]) for x in (learner, expert))
    with np.errstate(divide="ignore", invalid="ignore"):
        return {"reward": np.where(p + q > 0, np.log((p + q) / (2 * p)), 0), "wins": right["wins"]}


def critic_at_the_edge(learner, expert, groups):
    right = critic_by_group_numbers(learner, expert, groups)
    empty = np.array([(learner + expert)[groups == group].sum() == 0 for group in groups])
    return {"reward": np.where(empty, -1.0, right["reward"]), "wins": right["wins"]}


def critic_with_a_small_number(learner, expert, groups):
    p, q = np.bincount(groups, learner), np.bincount(groups, expert)
    reward = (4 / (1 + p / np.maximum(q, 1e-9)) ** 2 - 1)[groups]
    return {"reward": reward, "wins": np.sum(expert * (4 * np.sqrt(1 + reward) - 4 - reward) - learner * reward)}


def critic_paying(pay):
    """An answer that pays `pay` of the shares of a group, and wins with these rewards what they win."""

    @functools.wraps(pay)
    def answer(learner, expert, groups):
        p, q = np.bincount(groups, learner)[groups], np.bincount(groups, expert)[groups]
        with np.errstate(divide="ignore", invalid="ignore"):
            reward = np.where(p + q > 0, pay(p, q), 0.0)
        score = 4 * np.sqrt(np.clip(1 + reward, 0, 4)) - 4 - np.minimum(reward, 3)
        return {"reward": reward, "wins": expert @ score - learner @ reward}

    del answer.__wrapped__
    return answer


@critic_paying
def critic_with_the_ratio_upside_down(p, q):
    return 4 * p**2 / (p + q) ** 2 - 1


@critic_paying
def critic_of_the_slope(p, q):
    return 1 - 4 * q**2 / (p + q) ** 2


@critic_paying
def critic_of_chi2(p, q):
    return np.maximum(2 - 2 * p / q, -1)


@critic_paying
def critic_in_whole_numbers(p, q):
    return (4 * q**2 / (p + q) ** 2 - 1).astype(int)


@critic_paying
def critic_with_something_added(p, q):
    return 4 / (1 + (p + 1e-4) / (q + 1e-4)) ** 2 - 1


@critic_paying
def critic_who_needs_both(p, q):
    return np.where((p > 0) & (q > 0), 4 / (1 + p / q) ** 2 - 1, 0.0)


def critic_who_scores_the_learner(learner, expert, groups):
    reward = critic_by_group_numbers(learner, expert, groups)["reward"]
    return {"reward": reward, "wins": expert @ reward - learner @ (4 * np.sqrt(1 + reward) - 4 - reward)}


def critic_of_mean_shares(learner, expert, groups):
    right = critic_by_group_numbers(learner, expert, groups)
    count = np.bincount(groups)[groups]
    p, q = np.bincount(groups, learner)[groups] / count, np.bincount(groups, expert)[groups] / count
    score = 4 * np.sqrt(1 + right["reward"]) - 4 - right["reward"]
    seen = np.unique(groups, return_index=True)[1]
    return right | {"wins": float((q * score - p * right["reward"])[seen].sum())}


def critic_without_a_score(learner, expert, groups):
    right = critic_by_group_numbers(learner, expert, groups)
    return right | {"wins": expert @ right["reward"] - learner @ right["reward"]}


def critic_with_half_a_score(learner, expert, groups):
    right = critic_by_group_numbers(learner, expert, groups)
    return right | {"wins": expert @ (4 * np.sqrt(1 + right["reward"]) - 4) - learner @ right["reward"]}


def critic_who_counts_the_groups(learner, expert, groups):
    reward = np.zeros(len(groups))
    for group in range(len(set(groups.tolist()))):
        inside = groups == group
        p, q = learner[inside].sum(), expert[inside].sum()
        reward[inside] = 4 * (q / (p + q)) ** 2 - 1 if p + q > 0 else 0
    return {"reward": reward, "wins": expert @ (4 * np.sqrt(1 + reward) - 4 - reward) - learner @ reward}


# Exercise S2.2, right


def two(divergence, p, q):
    return divergence(np.array([p, 1 - p]), np.array([q, 1 - q]))


def promise_by_halving(divergence, distance, share):
    found = {}
    for key, end in (("least", 0.0), ("most", 1.0)):
        near, far = share, end
        if two(divergence, far, share) <= distance:
            near = far
        for _ in range(40):
            middle = (near + far) / 2
            if two(divergence, middle, share) <= distance:
                near = middle
            else:
                far = middle
        found[key] = near
    return found


def promise_by_steps(divergence, distance, share):
    """A step that is halved whenever it would lead too far."""
    found = {}
    for key, sign in (("least", -1), ("most", 1)):
        p, step = share, 0.5
        while step > 1e-8:
            tried = min(max(p + sign * step, 0.0), 1.0)
            if tried != p and two(divergence, tried, share) <= distance:
                p = tried
            else:
                step /= 2
        found[key] = p
    return found


def promise_with_a_root(divergence, distance, share):
    def above(p):
        return min(two(divergence, p, share) - distance, 1e6)

    found = {}
    for key, end in (("least", 0.0), ("most", 1.0)):
        if above(end) <= 0:
            found[key] = end
        elif distance == 0:
            found[key] = share
        else:
            found[key] = brentq(above, share, end, xtol=1e-12)
    return found


def promise_on_finer_and_finer_grids(divergence, distance, share):
    found = {}
    for key, end in (("least", 0.0), ("most", 1.0)):
        near, far = share, end
        for _ in range(7):
            grid = np.linspace(near, far, 11)
            inside = [p for p in grid if two(divergence, p, share) <= distance] or [near]
            near, far = inside[-1], grid[min(list(grid).index(inside[-1]) + 1, 10)] if inside[-1] in grid else far
        found[key] = near
    return found


# Exercise S2.2, wrong


def promise_of_total_variation(divergence, distance, share):
    return {"least": max(0.0, share - distance), "most": min(1.0, share + distance)}


def promise_the_wrong_way_round(divergence, distance, share):
    found = {}
    for key, end in (("least", 0.0), ("most", 1.0)):
        near, far = share, end
        if two(divergence, share, far) <= distance:
            near = far
        for _ in range(50):
            middle = (near + far) / 2
            near, far = (middle, far) if two(divergence, share, middle) <= distance else (near, middle)
        found[key] = near
    return found


def promise_mirrored(divergence, distance, share):
    most = promise_by_halving(divergence, distance, share)["most"]
    return {"most": most, "least": max(0.0, share - (most - share))}


def promise_as_a_complement(divergence, distance, share):
    most = promise_by_halving(divergence, distance, share)["most"]
    return {"most": most, "least": 1 - most}


def promise_with_exchanged_names(divergence, distance, share):
    right = promise_by_halving(divergence, distance, share)
    return {"least": right["most"], "most": right["least"]}


def promise_of_nothing_at_least(divergence, distance, share):
    return {"least": 0.0, "most": promise_by_halving(divergence, distance, share)["most"]}


def promise_by_pinsker(divergence, distance, share):
    step = (distance / 2) ** 0.5
    return {"least": max(0.0, share - step), "most": min(1.0, share + step)}


def promise_on_a_grid(divergence, distance, share):
    inside = [p for p in np.linspace(0, 1, 201) if two(divergence, p, share) <= distance + 1e-9] or [share]
    return {"least": min(inside), "most": max(inside)}


def promise_with_few_halvings(divergence, distance, share):
    found = {}
    for key, end in (("least", 0.0), ("most", 1.0)):
        near, far = (end, end) if two(divergence, end, share) <= distance else (share, end)
        for _ in range(10):
            middle = (near + far) / 2
            near, far = (middle, far) if two(divergence, middle, share) <= distance else (near, middle)
        found[key] = near
    return found


def promise_that_moves_the_wrong_end(divergence, distance, share):
    found = {}
    for key, end in (("least", 0.0), ("most", 1.0)):
        near, far = share, end
        for _ in range(50):
            middle = (near + far) / 2
            near, far = (middle, far) if two(divergence, middle, share) > distance else (near, middle)
        found[key] = near
    return found


def promise_over_the_whole_line(divergence, distance, share):
    found = {}
    for key in ("least", "most"):
        low, high = 0.0, 1.0
        while high - low > 1e-9:
            middle = (low + high) / 2
            inside = two(divergence, middle, share) <= distance
            low, high = (middle, high) if inside == (key == "most") else (low, middle)
        found[key] = low
    return found


def promise_of_the_certain(divergence, distance, share):
    return {"least": share, "most": share} if share in (0, 1) else promise_by_halving(divergence, distance, share)


def promise_of_the_nearly_certain(divergence, distance, share):
    return promise_by_halving(divergence, distance, min(max(share, 1e-3), 1 - 1e-3))


def promise_beyond_infinity(divergence, distance, share):
    found = promise_by_halving(divergence, distance, share)
    for key, end in (("least", 0.0), ("most", 1.0)):
        if math.isinf(two(divergence, end, share)):
            found[key] = end
    return found


# Exercise S2.3, right


def honest_pair_by_pair(expert_counts, learner_counts, expert_fresh, learner_fresh):
    def share(counts):
        return counts / counts.sum()

    q, p = share(expert_counts), share(learner_counts)
    reward = np.zeros(len(q))
    for i in range(len(q)):
        if p[i] + q[i] > 0:
            reward[i] = 4 * q[i] ** 2 / (p[i] + q[i]) ** 2 - 1
    score = 4 * (1 + reward) ** 0.5 - 4 - reward
    return {
        "fooled": q @ score - p @ reward,
        "honest": share(expert_fresh) @ score - share(learner_fresh) @ reward,
    }


def honest_with_the_library(expert_counts, learner_counts, expert_fresh, learner_fresh):
    mixture = DIVERGENCES["chi2_mixture"]
    q, p = expert_counts / expert_counts.sum(), learner_counts / learner_counts.sum()
    reward = np.zeros(len(q))
    reward[(q == 0) & (p > 0)] = mixture.domain
    reward[(q > 0) & (p == 0)] = mixture.peak
    both = (q > 0) & (p > 0)
    reward[both] = mixture.reward(p[both] / q[both])

    def wins(expert, learner):
        return np.average(mixture.phi(reward), weights=expert) - np.average(reward, weights=learner)

    return {"honest": wins(expert_fresh, learner_fresh), "fooled": wins(expert_counts, learner_counts)}


def honest_in_torch(expert_counts, learner_counts, expert_fresh, learner_fresh):
    e1, l1, e2, l2 = (
        torch.tensor(np.array(x)).double() for x in (expert_counts, learner_counts, expert_fresh, learner_fresh)
    )
    q, p = e1 / e1.sum(), l1 / l1.sum()
    a = torch.where(p + q > 0, q / (p + q).clamp(min=1e-300), torch.full_like(q, 0.5))
    reward, score = 4 * a**2 - 1, 1 - 4 * (1 - a) ** 2
    return {
        "fooled": (q * score).sum() - (p * reward).sum(),
        "honest": (e2 * score).sum() / e2.sum() - (l2 * reward).sum() / l2.sum(),
    }


# Exercise S2.3, wrong


def honest_fitted_twice(expert_counts, learner_counts, expert_fresh, learner_fresh):
    first = honest_pair_by_pair(expert_counts, learner_counts, expert_counts, learner_counts)
    second = honest_pair_by_pair(expert_fresh, learner_fresh, expert_fresh, learner_fresh)
    return {"fooled": first["fooled"], "honest": second["fooled"]}


def honest_on_all_samples(expert_counts, learner_counts, expert_fresh, learner_fresh):
    pooled = expert_counts + expert_fresh, learner_counts + learner_fresh
    return {
        "fooled": honest_pair_by_pair(*pooled, expert_counts, learner_counts)["honest"],
        "honest": honest_pair_by_pair(*pooled, expert_fresh, learner_fresh)["honest"],
    }


def rewards_of_counts(expert, learner, unseen=0.0):
    q, p = expert / np.sum(expert), learner / np.sum(learner)
    both = np.where(p + q > 0, p + q, 1)
    return np.where(p + q > 0, 4 * (q / both) ** 2 - 1, unseen)


def honest_without_bending(expert_counts, learner_counts, expert_fresh, learner_fresh):
    reward = rewards_of_counts(expert_counts, learner_counts)
    return {
        "fooled": np.average(reward, weights=expert_counts) - np.average(reward, weights=learner_counts),
        "honest": np.average(reward, weights=expert_fresh) - np.average(reward, weights=learner_fresh),
    }


def honest_without_bending_the_fresh_ones(expert_counts, learner_counts, expert_fresh, learner_fresh):
    right = honest_pair_by_pair(expert_counts, learner_counts, expert_fresh, learner_fresh)
    unbent = honest_without_bending(expert_counts, learner_counts, expert_fresh, learner_fresh)
    return {"fooled": right["fooled"], "honest": unbent["honest"]}


def honest_with(reward, expert_counts, learner_counts, expert_fresh, learner_fresh):
    score = 4 * np.sqrt(1 + reward) - 4 - reward
    return {
        "fooled": np.average(score, weights=expert_counts) - np.average(reward, weights=learner_counts),
        "honest": np.average(score, weights=expert_fresh) - np.average(reward, weights=learner_fresh),
    }


def honest_with_unseen_at_the_edge(expert_counts, learner_counts, expert_fresh, learner_fresh):
    reward = rewards_of_counts(expert_counts, learner_counts, unseen=-1.0)
    return honest_with(reward, expert_counts, learner_counts, expert_fresh, learner_fresh)


def honest_with_unseen_at_the_top(expert_counts, learner_counts, expert_fresh, learner_fresh):
    reward = rewards_of_counts(expert_counts, learner_counts, unseen=3.0)
    return honest_with(reward, expert_counts, learner_counts, expert_fresh, learner_fresh)


def honest_with_the_learner_for_the_expert(expert_counts, learner_counts, expert_fresh, learner_fresh):
    reward = rewards_of_counts(learner_counts, expert_counts)
    return honest_with(reward, expert_counts, learner_counts, expert_fresh, learner_fresh)


def honest_with_counts(expert_counts, learner_counts, expert_fresh, learner_fresh):
    both = expert_counts + learner_counts
    reward = np.where(both > 0, 4 * (expert_counts / np.where(both > 0, both, 1)) ** 2 - 1, 0)
    return honest_with(reward, expert_counts, learner_counts, expert_fresh, learner_fresh)


def honest_with_one_added(expert_counts, learner_counts, expert_fresh, learner_fresh):
    reward = rewards_of_counts(expert_counts + 1, learner_counts + 1)
    return honest_with(reward, expert_counts, learner_counts, expert_fresh, learner_fresh)


def honest_with_exchanged_names(expert_counts, learner_counts, expert_fresh, learner_fresh):
    right = honest_pair_by_pair(expert_counts, learner_counts, expert_fresh, learner_fresh)
    return {"fooled": right["honest"], "honest": right["fooled"]}


def honest_where_both_were_seen(expert_counts, learner_counts, expert_fresh, learner_fresh):
    reward = rewards_of_counts(expert_counts, learner_counts) * (expert_counts > 0) * (learner_counts > 0)
    return honest_with(reward, expert_counts, learner_counts, expert_fresh, learner_fresh)


def honest_over(total, expert_counts, learner_counts, expert_fresh, learner_fresh, reward=None):
    reward = rewards_of_counts(expert_counts, learner_counts) if reward is None else reward
    score = 4 * np.sqrt(1 + reward) - 4 - reward
    return {
        "fooled": (expert_counts @ score) / total(expert_counts) - (learner_counts @ reward) / total(expert_counts),
        "honest": (expert_fresh @ score) / total(expert_fresh) - (learner_fresh @ reward) / total(expert_fresh),
    }


def honest_with_the_experts_total(expert_counts, learner_counts, expert_fresh, learner_fresh):
    q, p = expert_counts / expert_counts.sum(), learner_counts / expert_counts.sum()
    reward = np.where(p + q > 0, 4 * q**2 / np.where(p + q > 0, p + q, 1) ** 2 - 1, 0)
    return honest_over(np.sum, expert_counts, learner_counts, expert_fresh, learner_fresh, reward)


def honest_on_average_over_pairs(expert_counts, learner_counts, expert_fresh, learner_fresh):
    return honest_over(len, expert_counts, learner_counts, expert_fresh, learner_fresh)


def honest_in_sums(expert_counts, learner_counts, expert_fresh, learner_fresh):
    return honest_over(lambda counts: 1, expert_counts, learner_counts, expert_fresh, learner_fresh)


def honest_and_never_negative(expert_counts, learner_counts, expert_fresh, learner_fresh):
    right = honest_pair_by_pair(expert_counts, learner_counts, expert_fresh, learner_fresh)
    return right | {"honest": max(0, right["honest"])}


def honest_about_what_was_seen(expert_counts, learner_counts, expert_fresh, learner_fresh):
    right = honest_pair_by_pair(expert_counts, learner_counts, expert_fresh, learner_fresh)
    seen = (expert_counts > 0) | (learner_counts > 0)
    reward = rewards_of_counts(expert_counts, learner_counts)[seen]
    expert, learner = expert_fresh[seen], learner_fresh[seen]
    score = 4 * np.sqrt(1 + reward) - 4 - reward
    honest = expert @ score / max(expert.sum(), 1) - learner @ reward / max(learner.sum(), 1)
    return right | {"honest": honest}


# Exercise S2.4, right


def certificate_with_masks(weights, typists, expert):
    mixed = weights @ typists
    seen = expert > 0
    reward = expert[seen] / mixed[seen]
    pay = typists[:, seen] @ reward
    distance = expert[seen] @ np.log(reward)
    return {"distance": distance, "pay": pay, "at_least": distance - np.log(pay.max())}


def certificate_in_loops(weights, typists, expert):
    size = len(expert)
    mixed = [sum(w * one[i] for w, one in zip(weights, typists, strict=True)) for i in range(size)]
    pay = [sum(one[i] * expert[i] / mixed[i] for i in range(size) if expert[i] > 0) for one in typists]
    distance = sum(expert[i] * math.log(expert[i] / mixed[i]) for i in range(size) if expert[i] > 0)
    return {"pay": pay, "distance": distance, "at_least": distance - math.log(max(pay))}


def certificate_by_scaling(weights, typists, expert):
    """Scaled so that the best-paid typist gets 1; then the critic wins 1 + E_E[log r] - 1."""
    mixed = weights @ typists
    distance = rel_entr(expert, mixed).sum()
    ratio = np.where(expert > 0, expert / np.where(expert > 0, mixed, 1), 0)
    pay = (typists * ratio).sum(axis=1)
    scaled = ratio[expert > 0] / pay.max()
    return {"distance": distance, "pay": pay, "at_least": np.sum(expert[expert > 0] * np.log(scaled))}


def certificate_in_torch(weights, typists, expert):
    weights, typists, expert = (torch.tensor(np.array(part)) for part in (weights, typists, expert))
    mixed = torch.einsum("k,kn->n", weights, typists)
    safe = torch.where(expert > 0, mixed, torch.ones_like(mixed))
    ratio = expert / safe
    distance = torch.xlogy(expert, torch.where(expert > 0, ratio, torch.ones_like(ratio))).sum()
    pay = typists @ ratio
    return {"distance": distance, "pay": pay, "at_least": distance - pay.max().log()}


# Exercise S2.4, wrong


def certificate_not_scaled(weights, typists, expert):
    right = certificate_with_masks(weights, typists, expert)
    return right | {"at_least": 1 + right["distance"] - max(right["pay"])}


def certificate_for_the_same_team(weights, typists, expert):
    right = certificate_with_masks(weights, typists, expert)
    return right | {"at_least": right["distance"] - np.log(weights @ right["pay"])}


def certificate_for_the_least_paid(weights, typists, expert):
    right = certificate_with_masks(weights, typists, expert)
    with np.errstate(divide="ignore"):
        return right | {"at_least": right["distance"] - np.log(right["pay"].min())}


def certificate_above(weights, typists, expert):
    right = certificate_with_masks(weights, typists, expert)
    return right | {"at_least": right["distance"] + np.log(right["pay"].max())}


def certificate_never_negative(weights, typists, expert):
    right = certificate_with_masks(weights, typists, expert)
    return right | {"at_least": max(0.0, right["at_least"])}


def certificate_of_an_even_team(weights, typists, expert):
    right = certificate_with_masks(weights, typists, expert)
    return right | {"at_least": right["distance"] - np.log(max(right["pay"].mean(), 1e-12))}


def certificate_with_weighted_pay(weights, typists, expert):
    right = certificate_with_masks(weights, typists, expert)
    pay = weights * right["pay"]
    return right | {"pay": pay, "at_least": right["distance"] - np.log(pay.max())}


def certificate_without_weights(weights, typists, expert):
    return certificate_with_masks(np.ones(len(weights)) / len(weights), typists, expert)


def certificate_of_the_best_member(weights, typists, expert):
    right = certificate_with_masks(weights, typists, expert)
    alone = [rel_entr(expert, one).sum() for one in typists]
    return right | {"at_least": min(alone)}


def certificate_in_bits(weights, typists, expert):
    right = certificate_with_masks(weights, typists, expert)
    distance = right["distance"] / np.log(2)
    return right | {"distance": distance, "at_least": distance - np.log2(right["pay"].max())}


def certificate_paying(reward, weights, typists, expert):
    right = certificate_with_masks(weights, typists, expert)
    pay = (typists * reward).sum(axis=1)
    return right | {"pay": pay, "at_least": right["distance"] - np.log(pay.max())}


def certificate_with_a_small_number(weights, typists, expert):
    return certificate_paying(expert / (weights @ typists + 1e-12), weights, typists, expert)


def certificate_paying_one_for_nothing(weights, typists, expert):
    reward = np.where(expert > 0, expert / np.where(expert > 0, weights @ typists, 1), 1)
    return certificate_paying(reward, weights, typists, expert)


def certificate_of_private_critics(weights, typists, expert):
    reward = np.where(typists > 0, expert / np.where(typists > 0, typists, 1), 0)
    return certificate_paying(reward, weights, typists, expert)


def certificate_of_mean_distances(weights, typists, expert):
    right = certificate_with_masks(weights, typists, expert)
    distance = sum(w * rel_entr(expert, one).sum() for w, one in zip(weights, typists, strict=True))
    return right | {"distance": distance, "at_least": distance - np.log(right["pay"].max())}


def certificate_of_the_reverse_kl(weights, typists, expert):
    right, team = certificate_with_masks(weights, typists, expert), weights @ typists
    both = (team > 0) & (expert > 0)
    distance = rel_entr(team[both], expert[both]).sum()
    return right | {"distance": distance, "at_least": distance - np.log(right["pay"].max())}


def certificate_with_the_wrong_factor(weights, typists, expert):
    right = certificate_with_masks(weights, typists, expert)
    c = right["pay"].max()
    return right | {"at_least": 1 + np.log(c) + right["distance"] - c * c}


def certificate_of_those_who_work(weights, typists, expert):
    right = certificate_with_masks(weights, typists, expert)
    return right | {"at_least": right["distance"] - np.log(right["pay"][weights > 1e-5].max())}


# Exercise S2.5, right


def prices_by_the_integral(u, c_expert, c_model):
    def held(t):
        if c_model == 0:
            return (t - 1) ** 2 / (4 * c_expert)
        below = c_expert + c_model * t
        if below == 0:
            return math.inf
        total = c_expert + c_model
        return (t - 1) / (2 * c_model) - total / (2 * c_model**2) * math.log(below / total)

    def moving(t):
        below = 4 * (c_expert + c_model * t)
        return math.inf if below == 0 else (1 - t) ** 2 / below

    return {"held_fixed": [held(t) for t in u], "moving": [moving(t) for t in u]}


def prices_by_quadrature(u, c_expert, c_model):
    """Simpson's rule in log t, where the slope is tame; the limits at 0 by hand."""
    nodes, weights = np.polynomial.legendre.leggauss(200)
    held = []
    for t in u:
        if t == 0 and c_expert == 0:
            held.append(math.inf)
            continue
        low = 1e-12 if t == 0 else t
        logs = math.log(low) * (nodes + 1) / 2
        points = np.exp(logs)
        slope = (points - 1) / (2 * (c_expert + c_model * points))
        held.append(float(np.sum(weights * slope * points) * math.log(low) / 2))
    with np.errstate(divide="ignore"):
        moving = (1 - u) ** 2 / (4 * (c_expert + c_model * np.asarray(u)))
    return {"held_fixed": held, "moving": moving}


def prices_in_torch(u, c_expert, c_model):
    u = torch.tensor(np.array(u))
    below, total = c_expert + c_model * u, c_expert + c_model
    moving = (1 - u) ** 2 / (4 * below)
    if c_model == 0:
        return {"held_fixed": moving, "moving": moving}
    held = (u - 1) / (2 * c_model) - total * torch.log(below / total) / (2 * c_model**2)
    return {"held_fixed": held, "moving": moving}


# Exercise S2.5, wrong


def prices_exchanged(u, c_expert, c_model):
    right = prices_by_the_integral(u, c_expert, c_model)
    return {"held_fixed": right["moving"], "moving": right["held_fixed"]}


def prices_with_exchanged_fines(u, c_expert, c_model):
    return prices_by_the_integral(u, c_model, c_expert)


def prices_all_moving(u, c_expert, c_model):
    right = prices_by_the_integral(u, c_expert, c_model)
    return {"held_fixed": right["moving"], "moving": right["moving"]}


def prices_as_slopes(u, c_expert, c_model):
    right = prices_by_the_integral(u, c_expert, c_model)
    slopes = [
        0.0 if t == 1 else (t - 1) / (2 * (c_expert + c_model * t)) if c_expert + c_model * t else -math.inf for t in u
    ]
    return right | {"held_fixed": slopes}


def prices_without_the_straight_part(u, c_expert, c_model):
    right = prices_by_the_integral(u, c_expert, c_model)
    if c_model == 0:
        return right
    return right | {"held_fixed": np.array(right["held_fixed"]) - (np.array(u) - 1) / (2 * c_model)}


def prices_without_an_anchor(u, c_expert, c_model):
    right = prices_by_the_integral(u, c_expert, c_model)
    if c_model == 0:
        return right
    total = c_expert + c_model
    held = [
        math.inf if v == math.inf else v - 1 / (-2 * c_model) * -1 - total / (2 * c_model**2) * math.log(total)
        for v in right["held_fixed"]
    ]
    return right | {"held_fixed": held}


def prices_of_one_fine(u, c_expert, c_model):
    c = c_expert or c_model
    return prices_by_the_integral(u, c, c)


def prices_doubled(u, c_expert, c_model):
    right = prices_by_the_integral(u, c_expert, c_model)
    return {name: 2 * np.array(value) for name, value in right.items()}


def prices_finite(u, c_expert, c_model):
    right = prices_by_the_integral(u, c_expert, c_model)
    return {name: [0.0 if v == math.inf else v for v in value] for name, value in right.items()}


def prices_with_a_high_top(u, c_expert, c_model):
    right = prices_by_the_integral(u, c_expert, c_model)
    return right | {"moving": 4 * np.array(right["moving"])}


def prices_with_something_added(u, c_expert, c_model):
    return prices_by_the_integral(np.asarray(u) + 1e-12, c_expert, c_model)


def prices_of_a_constant_fine(u, c_expert, c_model):
    right = prices_by_the_integral(u, c_expert, c_model)
    return right | {"moving": (1 - np.asarray(u)) ** 2 / (4 * (c_expert + c_model))}


def prices_from_nowhere(u, c_expert, c_model):
    """Integrated without a constant."""
    right, u = prices_by_the_integral(u, c_expert, c_model), np.asarray(u)
    if c_model == 0:
        return right | {"held_fixed": (u**2 - 2 * u) / (4 * c_expert)}
    with np.errstate(divide="ignore"):
        logarithm = np.log(c_expert + c_model * u)
    return right | {"held_fixed": u / (2 * c_model) - (c_expert + c_model) / (2 * c_model**2) * logarithm}


def prices_with_a_rising_logarithm(u, c_expert, c_model):
    right = prices_by_the_integral(u, c_expert, c_model)
    if c_model == 0:
        return right
    return right | {"held_fixed": (np.asarray(u) - 1) / c_model - right["held_fixed"]}


RIGHT = {
    "lazy_critic": [critic_by_group_numbers, critic_with_a_table, critic_in_torch, critic_of_lists],
    "promise": [promise_by_halving, promise_by_steps, promise_with_a_root, promise_on_finer_and_finer_grids],
    "honest_distance": [honest_pair_by_pair, honest_with_the_library, honest_in_torch],
    "certificate": [certificate_with_masks, certificate_in_loops, certificate_by_scaling, certificate_in_torch],
    "prices_of_two_fines": [prices_by_the_integral, prices_by_quadrature, prices_in_torch],
}

WRONG = {
    "lazy_critic": {
        critic_who_reads_everything: "groups_ignored",
        critic_of_mean_rewards: "rewards_averaged",
        critic_with_the_whole_distance: "reward_right_and_wins_of_all",
        critic_of_repeated_groups: "wins_for_each_pair",
        critic_of_the_expert: "typists_exchanged",
        critic_with_the_wrong_sign: "reward_upside_down",
        critic_of_the_parabola: "rewards_of_the_sampled_loss",
        critic_of_exercise_3_4: "rewards_of_jensen_shannon",
        critic_at_the_edge: "nobody_at_the_edge",
        critic_with_a_small_number: "small_number_below_the_fraction",
        critic_with_the_ratio_upside_down: "typists_exchanged",
        critic_of_the_slope: "reward_upside_down",
        critic_of_chi2: "rewards_of_chi2",
        critic_in_whole_numbers: "whole_rewards",
        critic_with_something_added: "something_added_to_both",
        critic_who_needs_both: "nothing_where_one_is_away",
        critic_who_scores_the_learner: "learner_scored",
        critic_of_mean_shares: "wins_of_group_means",
        critic_without_a_score: "score_is_the_reward",
        critic_with_half_a_score: "score_cut_short",
        critic_who_counts_the_groups: "groups_after_a_gap",
    },
    "promise": {
        promise_of_total_variation: "distance_as_a_difference",
        promise_the_wrong_way_round: "watched_from_the_other_side",
        promise_mirrored: "mirrored",
        promise_as_a_complement: "complement_for_the_least",
        promise_with_exchanged_names: "names_exchanged",
        promise_of_nothing_at_least: "anything_may_be_missing",
        promise_by_pinsker: "root_of_half_the_distance",
        promise_on_a_grid: "not_near_enough",
        promise_with_few_halvings: "not_near_enough",
        promise_that_moves_the_wrong_end: "end_or_beginning",
        promise_over_the_whole_line: "searched_from_end_to_end",
        promise_of_the_certain: "certain_and_so_fixed",
        promise_of_the_nearly_certain: "certain_no_more",
        promise_beyond_infinity: "infinitely_far_and_yet_reached",
    },
    "honest_distance": {
        honest_fitted_twice: "critic_sees_the_fresh_ones",
        honest_on_all_samples: "critic_sees_everything",
        honest_without_bending: "score_not_bent",
        honest_with_unseen_at_the_edge: "never_seen_is_worst",
        honest_with_unseen_at_the_top: "never_seen_is_best",
        honest_without_bending_the_fresh_ones: "fresh_score_not_bent",
        honest_with_the_learner_for_the_expert: "rewards_of_the_other_typist",
        honest_with_counts: "counts_for_shares",
        honest_with_one_added: "something_added",
        honest_with_exchanged_names: "results_exchanged",
        honest_where_both_were_seen: "seen_by_one_is_unseen",
        honest_with_the_experts_total: "one_total_for_both",
        honest_on_average_over_pairs: "pairs_for_moments",
        honest_in_sums: "sums_for_means",
        honest_and_never_negative: "never_a_loss",
        honest_about_what_was_seen: "strangers_left_out",
    },
    "certificate": {
        certificate_of_the_reverse_kl: "other_kl",
        certificate_not_scaled: "bound_without_scaling",
        certificate_for_the_same_team: "average_typist_paid",
        certificate_for_the_least_paid: "cheapest_typist_paid",
        certificate_above: "bound_above",
        certificate_never_negative: "bound_cut_at_zero",
        certificate_of_an_even_team: "mean_pay",
        certificate_with_weighted_pay: "weights_counted_twice",
        certificate_without_weights: "weights_ignored",
        certificate_of_the_best_member: "best_member_alone",
        certificate_in_bits: "bits_for_nats",
        certificate_with_a_small_number: "small_number_in_the_team",
        certificate_paying_one_for_nothing: "paid_where_the_expert_never_is",
        certificate_of_private_critics: "each_her_own_critic",
        certificate_of_mean_distances: "members_distances_averaged",
        certificate_with_the_wrong_factor: "factor_upside_down",
        certificate_of_those_who_work: "hardly_employed_left_out",
    },
    "prices_of_two_fines": {
        prices_exchanged: "divergences_exchanged",
        prices_with_exchanged_fines: "fines_exchanged",
        prices_all_moving: "both_the_same",
        prices_as_slopes: "reward_not_integrated",
        prices_without_the_straight_part: "straight_part_lost",
        prices_without_an_anchor: "not_anchored",
        prices_of_one_fine: "one_fine_for_both",
        prices_doubled: "wrong_by_a_factor",
        prices_finite: "infinite_price_lost",
        prices_with_something_added: "infinite_price_lost",
        prices_with_a_high_top: "wrong_by_a_factor",
        prices_of_a_constant_fine: "fine_without_the_ratio",
        prices_from_nowhere: "not_anchored",
        prices_with_a_rising_logarithm: "number_before_the_logarithm",
    },
}
