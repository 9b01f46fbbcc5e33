"""Answers to notebooks/04_duality.ipynb, written from its text alone: right ones of many kinds, and wrong ones that
students give."""

import math

import numpy as np
import torch
from scipy.special import logsumexp, softmax, xlogy

# 4.1 soft_value(logits, legal)


def soft_value_by_scipy(logits, legal):
    return logsumexp(np.where(legal, logits, -np.inf), axis=1)


def soft_value_with_scipy_weights(logits, legal):
    return logsumexp(logits, axis=1, b=legal)


def soft_value_by_a_loop_into_a_list(logits, legal):
    values = []
    for row, allowed in zip(logits, legal, strict=True):
        kept = [float(logit) for logit, yes in zip(row, allowed, strict=True) if yes]
        top = max(kept)
        values.append(top + math.log(sum(math.exp(logit - top) for logit in kept)))
    return values


def soft_value_in_torch(logits, legal):
    masked = torch.tensor(logits).masked_fill(~torch.tensor(legal), -torch.inf)
    return torch.logsumexp(masked, dim=1)


def soft_value_in_float32(logits, legal):
    masked = torch.tensor(logits, dtype=torch.float32).masked_fill(~torch.tensor(legal), -torch.inf)
    return torch.logsumexp(masked, dim=1)


def soft_value_two_keys_at_a_time(logits, legal):
    return np.logaddexp.reduce(np.where(legal, logits, -np.inf), axis=1)


def soft_value_as_mean_logit_and_entropy(logits, legal):
    policy = softmax(np.where(legal, logits, -np.inf), axis=1)
    return (policy * logits).sum(axis=1) - xlogy(policy, policy).sum(axis=1)


def soft_value_by_bisection(logits, legal):
    masked = np.where(legal, logits, -np.inf)
    low, high = masked.max(axis=1), masked.max(axis=1) + math.log(masked.shape[1])
    for _ in range(60):
        middle = (low + high) / 2
        enough = np.exp(masked - middle[:, None]).sum(axis=1) <= 1
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return high


def soft_value_with_the_mask_as_factor(logits, legal):
    top = np.where(legal, logits, -1e30).max(axis=1, keepdims=True)
    powers = np.exp(np.minimum(logits - top, 0)) * legal
    return (top + np.log(powers.sum(axis=1, keepdims=True)))[:, 0]


def value_that_overflows(logits, legal):
    with np.errstate(all="ignore"):
        return np.log(np.where(legal, np.exp(logits), 0).sum(axis=1))


def value_over_all_keys(logits, legal):
    return logsumexp(logits, axis=1)


def value_with_zero_for_illegal_logits(logits, legal):
    return logsumexp(logits * legal, axis=1)


def value_as_the_largest_logit(logits, legal):
    return np.where(legal, logits, -np.inf).max(axis=1)


def value_without_the_maximum_put_back(logits, legal):
    masked = np.where(legal, logits, -np.inf)
    return np.log(np.exp(masked - masked.max(axis=1, keepdims=True)).sum(axis=1))


def value_with_the_maximum_taken_out_twice(logits, legal):
    masked = np.where(legal, logits, -np.inf)
    top = masked.max(axis=1)
    return np.log(np.exp(masked - top[:, None]).sum(axis=1)) - top


def value_as_log_of_the_mean(logits, legal):
    return logsumexp(np.where(legal, logits, -np.inf), axis=1) - np.log(legal.sum(axis=1))


def value_as_log_of_the_mean_over_all_keys(logits, legal):
    return logsumexp(np.where(legal, logits, -np.inf), axis=1) - np.log(legal.shape[1])


def value_with_the_maximum_of_the_whole_table(logits, legal):
    masked = np.where(legal, logits, -np.inf)
    with np.errstate(all="ignore"):
        return masked.max() + np.log(np.exp(masked - masked.max()).sum(axis=1))


def value_with_a_maximum_over_illegal_keys(logits, legal):
    top = logits.max(axis=1, keepdims=True)
    with np.errstate(all="ignore"):
        return top[:, 0] + np.log((np.exp(logits - top) * legal).sum(axis=1))


def value_as_the_mean_logit(logits, legal):
    policy = softmax(np.where(legal, logits, -np.inf), axis=1)
    return (policy * logits).sum(axis=1)


def value_with_clipped_exponents(logits, legal):
    return logsumexp(np.where(legal, np.clip(logits, -700, 700), -np.inf), axis=1)


def value_with_exponents_clipped_at_fifty(logits, legal):
    return logsumexp(np.where(legal, np.clip(logits, -50, 50), -np.inf), axis=1)


def value_with_illegal_logits_not_low_enough(logits, legal):
    return logsumexp(np.where(legal, logits, -100.0), axis=1)


def value_without_the_logarithm(logits, legal):
    masked = np.where(legal, logits, -np.inf)
    top = masked.max(axis=1)
    return top + np.exp(masked - top[:, None]).sum(axis=1)


def value_as_the_sum_of_logits(logits, legal):
    return (logits * legal).sum(axis=1)


def value_as_the_plain_average(logits, legal):
    return (logits * legal).sum(axis=1) / legal.sum(axis=1)


def value_with_a_small_number_for_safety(logits, legal):
    with np.errstate(all="ignore"):
        return np.log((np.where(legal, np.exp(logits), 0)).sum(axis=1) + 1e-8)


def value_as_a_sum_of_exponentials(logits, legal):
    with np.errstate(all="ignore"):
        return np.where(legal, np.exp(logits), 0).sum(axis=1)


def value_with_illegal_logits_of_minus_thousand(logits, legal):
    return logsumexp(np.where(legal, logits, -1000.0), axis=1)


# 4.2 reward_of_logits(logits, transitions, gamma)


def reward_by_matrix_product(logits, transitions, gamma):
    return logits - gamma * transitions @ np.log(np.exp(logits).sum(axis=1))


def reward_by_einsum(logits, transitions, gamma):
    return logits - gamma * np.einsum("san,n->sa", transitions, logsumexp(logits, axis=1))


def reward_by_loops_as_lists(logits, transitions, gamma):
    values = [math.log(sum(math.exp(logit) for logit in row)) for row in logits]
    rewards = []
    for s, row in enumerate(logits):
        rewards.append([])
        for a, logit in enumerate(row):
            ahead = sum(float(p) * v for p, v in zip(transitions[s, a], values, strict=True))
            rewards[s].append(float(logit) - gamma * ahead)
    return rewards


def reward_in_torch(logits, transitions, gamma):
    logits, transitions = torch.tensor(logits), torch.tensor(transitions)
    return logits - gamma * (transitions * torch.logsumexp(logits, dim=1)).sum(dim=-1)


def reward_in_float32(logits, transitions, gamma):
    logits, transitions = torch.tensor(logits).float(), torch.tensor(transitions).float()
    return logits - gamma * torch.einsum("san,n->sa", transitions, logits.logsumexp(dim=-1))


def reward_by_corrections_until_the_value_is_right(logits, transitions, gamma):
    reward = np.array(logits)
    while True:
        # what these logits would be worth with the reward so far, against what they say themselves
        error = logits - (reward + gamma * transitions @ np.logaddexp.reduce(logits, axis=1))
        if np.abs(error).max() < 1e-12:
            return reward
        reward = reward + error / 2


def reward_from_the_log_policy(logits, transitions, gamma):
    values = logsumexp(logits, axis=1)
    log_policy = logits - values[:, None]
    return log_policy + values[:, None] - gamma * np.tensordot(transitions, values, axes=1)


def reward_with_gamma_forgotten(logits, transitions, gamma):
    return logits - transitions @ logsumexp(logits, axis=1)


def reward_with_the_value_of_this_text(logits, transitions, gamma):
    return logits - gamma * logsumexp(logits, axis=1)[:, None]


def reward_with_hard_maximum(logits, transitions, gamma):
    return logits - gamma * transitions @ logits.max(axis=1)


def reward_with_the_mean_next_logit(logits, transitions, gamma):
    return logits - gamma * transitions @ (softmax(logits, axis=1) * logits).sum(axis=1)


def reward_with_plus(logits, transitions, gamma):
    return logits + gamma * transitions @ logsumexp(logits, axis=1)


def reward_with_log_outside_of_the_average(logits, transitions, gamma):
    return logits - gamma * np.log(transitions @ np.exp(logits).sum(axis=1))


def reward_of_the_likeliest_next_text(logits, transitions, gamma):
    return logits - gamma * logsumexp(logits, axis=1)[transitions.argmax(axis=2)]


def reward_as_log_policy(logits, transitions, gamma):
    return logits - logsumexp(logits, axis=1)[:, None]


def reward_of_the_log_policy_with_next_value(logits, transitions, gamma):
    values = logsumexp(logits, axis=1)
    return logits - values[:, None] - gamma * transitions @ values


def reward_as_difference_of_values(logits, transitions, gamma):
    values = logsumexp(logits, axis=1)
    return values[:, None] - gamma * transitions @ values


def reward_with_log_mean_exp(logits, transitions, gamma):
    return logits - gamma * transitions @ np.log(np.exp(logits).mean(axis=1))


def reward_as_the_logits_themselves(logits, transitions, gamma):
    return logits.copy()


def reward_with_one_minus_gamma(logits, transitions, gamma):
    return logits - (1 - gamma) * transitions @ logsumexp(logits, axis=1)


def reward_with_the_sum_of_next_logits(logits, transitions, gamma):
    return logits - gamma * transitions @ logits.sum(axis=1)


def reward_backward_in_time(logits, transitions, gamma):
    return logits - gamma * np.einsum("nas,n->sa", transitions, logsumexp(logits, axis=1))


def reward_without_log_in_the_value(logits, transitions, gamma):
    return logits - gamma * transitions @ np.exp(logits).sum(axis=1)


def reward_with_all_discounted(logits, transitions, gamma):
    return gamma * (logits - transitions @ logsumexp(logits, axis=1))


def reward_with_the_policy_in_place_of_logits(logits, transitions, gamma):
    return softmax(logits, axis=1) - gamma * transitions @ logsumexp(logits, axis=1)


def reward_with_the_mean_over_keys_pressed(logits, transitions, gamma):
    ahead = transitions @ logsumexp(logits, axis=1)
    return logits - gamma * (softmax(logits, axis=1) * ahead).sum(axis=1, keepdims=True)


def reward_by_solving_for_the_best_logits(logits, transitions, gamma):
    values = np.zeros(len(logits))
    for _ in range(300):
        values = np.logaddexp.reduce(logits + gamma * transitions @ values, axis=1)
    return logits + gamma * transitions @ values


def reward_with_the_plain_mean_of_next_logits(logits, transitions, gamma):
    return logits - gamma * transitions @ logits.mean(axis=1)


def reward_with_the_value_of_averaged_logits(logits, transitions, gamma):
    return logits - gamma * logsumexp(np.einsum("san,nb->sab", transitions, logits), axis=2)


# 4.3 objective_by_hand(expert, reward, start_value, phi, gamma, alpha)


def objective_with_where(expert, reward, start_value, phi, gamma, alpha):
    worth = phi(alpha * reward)
    if np.isneginf(worth).any():
        return -np.inf
    return (expert * worth).sum() / alpha - (1 - gamma) * start_value


def objective_in_loops(expert, reward, start_value, phi, gamma, alpha):
    gain = 0.0
    for row, paid in zip(expert.tolist(), reward.tolist(), strict=True):
        for weight, r in zip(row, paid, strict=True):
            worth = float(phi(alpha * r))
            if worth == -math.inf:
                return -math.inf
            gain += weight * worth / alpha
    return gain - (1 - gamma) * start_value


def objective_in_torch(expert, reward, start_value, phi, gamma, alpha):
    worth = torch.as_tensor(phi(alpha * reward))
    gain = torch.where(torch.tensor(expert) > 0, torch.tensor(expert) * worth, 0.0).sum()
    return torch.where(torch.isinf(worth).any(), -torch.inf, gain / alpha - (1 - gamma) * start_value)


def objective_in_float32(expert, reward, start_value, phi, gamma, alpha):
    worth = torch.as_tensor(phi(alpha * reward)).float()
    if not torch.isfinite(worth).all():
        return torch.tensor(-torch.inf)
    return (torch.tensor(expert).float() * worth).sum() / alpha - (1 - gamma) * start_value


def objective_from_alpha_J(expert, reward, start_value, phi, gamma, alpha):
    on = expert > 0
    alpha_J = expert[on] @ phi(alpha * reward[on]) - alpha * (1 - gamma) * start_value
    return alpha_J / alpha if np.isfinite(phi(alpha * reward)).all() else -np.inf


def objective_with_a_smallest_weight(expert, reward, start_value, phi, gamma, alpha):
    worth = phi(alpha * reward)
    tiny = np.where(np.isinf(worth), np.maximum(expert, 1e-300), expert)
    return (tiny * worth / alpha).sum() - start_value + gamma * start_value


def objective_with_phi_of_a_tensor(expert, reward, start_value, phi, gamma, alpha):
    expert, worth = torch.tensor(expert), phi(alpha * torch.tensor(reward))
    return torch.sum(expert * worth) / alpha - (1 - gamma) * start_value if worth.min() > -torch.inf else -torch.inf


def J_with_domain_forgotten(expert, reward, start_value, phi, gamma, alpha):
    on = expert > 0
    return (expert[on] * phi(alpha * reward[on])).sum() / alpha - (1 - gamma) * start_value


def J_with_nansum(expert, reward, start_value, phi, gamma, alpha):
    with np.errstate(all="ignore"):
        return np.nansum(expert * phi(alpha * reward)) / alpha - (1 - gamma) * start_value


def J_with_what_leaves_the_domain_left_out(expert, reward, start_value, phi, gamma, alpha):
    worth = phi(alpha * reward)
    return (expert * np.where(np.isfinite(worth), worth, 0)).sum() / alpha - (1 - gamma) * start_value


def J_with_phi_of_r(expert, reward, start_value, phi, gamma, alpha):
    worth = phi(reward)
    return -np.inf if np.isinf(worth).any() else (expert * worth).sum() / alpha - (1 - gamma) * start_value


def J_with_phi_of_r_and_no_alpha_at_all(expert, reward, start_value, phi, gamma, alpha):
    worth = phi(reward)
    return -np.inf if np.isinf(worth).any() else (expert * worth).sum() - (1 - gamma) * start_value


def J_not_divided_by_alpha(expert, reward, start_value, phi, gamma, alpha):
    worth = phi(alpha * reward)
    return -np.inf if np.isinf(worth).any() else (expert * worth).sum() - (1 - gamma) * start_value


def J_times_alpha(expert, reward, start_value, phi, gamma, alpha):
    return alpha * objective_with_where(expert, reward, start_value, phi, gamma, alpha)


def J_with_the_whole_start_value(expert, reward, start_value, phi, gamma, alpha):
    return objective_with_where(expert, reward, start_value, phi, gamma, alpha) - gamma * start_value


def J_with_gamma_for_one_minus_gamma(expert, reward, start_value, phi, gamma, alpha):
    return objective_with_where(expert, reward, (gamma / (1 - gamma)) * start_value, phi, gamma, alpha)


def J_with_the_start_added(expert, reward, start_value, phi, gamma, alpha):
    return objective_with_where(expert, reward, -start_value, phi, gamma, alpha)


def J_without_the_start(expert, reward, start_value, phi, gamma, alpha):
    return objective_with_where(expert, reward, 0.0, phi, gamma, alpha)


def J_with_alpha_at_the_start_too(expert, reward, start_value, phi, gamma, alpha):
    return objective_with_where(expert, reward, alpha * start_value, phi, gamma, alpha)


def J_with_both_divided_by_alpha(expert, reward, start_value, phi, gamma, alpha):
    return objective_with_where(expert, reward, start_value / alpha, phi, gamma, alpha)


def J_with_every_pair_alike(expert, reward, start_value, phi, gamma, alpha):
    return phi(alpha * reward).mean() / alpha - (1 - gamma) * start_value


def J_with_no_weights(expert, reward, start_value, phi, gamma, alpha):
    return phi(alpha * reward).sum() / alpha - (1 - gamma) * start_value


def J_without_phi(expert, reward, start_value, phi, gamma, alpha):
    return (expert * reward).sum() - (1 - gamma) * start_value


def J_without_phi_but_with_domain(expert, reward, start_value, phi, gamma, alpha):
    out = np.isinf(phi(alpha * reward)).any()
    return -np.inf if out else (expert * reward).sum() - (1 - gamma) * start_value


def J_with_phi_of_the_average(expert, reward, start_value, phi, gamma, alpha):
    return phi(alpha * (expert * reward).sum()) / alpha - (1 - gamma) * start_value


def J_with_a_large_fine_for_infinity(expert, reward, start_value, phi, gamma, alpha):
    worth = np.maximum(phi(alpha * reward), -1e9)
    return (expert * worth).sum() / alpha - (1 - gamma) * start_value


def J_with_plus_infinity(expert, reward, start_value, phi, gamma, alpha):
    return (
        np.abs(np.inf)
        if np.isinf(phi(alpha * reward)).any()
        else J_with_nansum(expert, reward, start_value, phi, gamma, alpha)
    )


def J_with_the_domain_of_r(expert, reward, start_value, phi, gamma, alpha):
    if np.isinf(phi(reward)).any():
        return -np.inf
    return J_with_nansum(expert, reward, start_value, phi, gamma, alpha)


def J_with_r_divided_by_alpha(expert, reward, start_value, phi, gamma, alpha):
    worth = phi(reward / alpha)
    return -np.inf if np.isinf(worth).any() else (expert * worth).sum() / alpha - (1 - gamma) * start_value


def J_with_alpha_on_the_other_sides(expert, reward, start_value, phi, gamma, alpha):
    worth = phi(reward / alpha)
    return -np.inf if np.isinf(worth).any() else alpha * (expert * worth).sum() - (1 - gamma) * start_value


def J_with_minus_a_million_outside(expert, reward, start_value, phi, gamma, alpha):
    J = objective_with_where(expert, reward, start_value, phi, gamma, alpha)
    return J if np.isfinite(J) else -1e6


def J_with_the_mean_over_the_data(expert, reward, start_value, phi, gamma, alpha):
    return phi(alpha * reward[expert > 0]).mean() / alpha - (1 - gamma) * start_value


def J_weighed_with_the_demonstrator(expert, reward, start_value, phi, gamma, alpha):
    often = expert.sum(axis=1, keepdims=True)
    demonstrator = np.where(often > 0, expert / np.where(often > 0, often, 1), 0)
    return objective_with_where(demonstrator, reward, start_value, phi, gamma, alpha)


def J_with_the_conjugate(expert, reward, start_value, phi, gamma, alpha):
    worth = -phi(-alpha * reward)
    return -np.inf if np.isinf(worth).any() else (expert * worth).sum() / alpha - (1 - gamma) * start_value


# 4.4 between(first, second, weight, transitions, gamma)


def _time(policy, transitions, gamma):
    moves = (policy[:, :, None] * transitions).sum(axis=1)
    visits = np.linalg.solve((np.eye(len(policy)) - gamma * moves).T, np.eye(len(policy))[0])
    return visits[:, None] * policy


def between_by_dividing_rows(first, second, weight, transitions, gamma):
    mixed = weight * _time(first, transitions, gamma) + (1 - weight) * _time(second, transitions, gamma)
    total = mixed.sum(axis=1)
    policy = np.full_like(mixed, 1 / mixed.shape[1])
    policy[total > 1e-10] = mixed[total > 1e-10] / total[total > 1e-10, None]
    return policy


def between_by_summing_time(first, second, weight, transitions, gamma):
    states = len(first)
    mixed = np.zeros(first.shape)
    for policy, share in ((first, weight), (second, 1 - weight)):
        here = np.eye(states)[0]
        for t in range(int(20 / (1 - gamma))):
            mixed += share * gamma**t * here[:, None] * policy
            here = np.einsum("s,sa,san->n", here, policy, transitions)
    total = mixed.sum(axis=1, keepdims=True)
    return np.where(total > 1e-10, mixed / np.maximum(total, 1e-300), 1 / first.shape[1])


def between_as_a_posterior_in_torch(first, second, weight, transitions, gamma):
    policies = torch.tensor(np.stack([first, second]))
    moves = torch.einsum("ksa,san->kns", policies, torch.tensor(transitions))
    start = torch.zeros(2, len(first), 1, dtype=torch.float64)
    start[:, 0] = 1
    visits = torch.linalg.solve(torch.eye(len(first), dtype=torch.float64) - gamma * moves, start)[..., 0]
    joint = torch.tensor([weight, 1 - weight], dtype=torch.float64)[:, None] * visits
    total = joint.sum(dim=0)
    whose = torch.where(total > 1e-10, joint / total.clamp(min=1e-300), 0.5)
    found = (whose[:, :, None] * policies).sum(dim=0)
    found[total <= 1e-10] = 1 / first.shape[1]
    return found


def between_with_loops_over_lists(first, second, weight, transitions, gamma):
    one, two = _time(first, transitions, gamma).tolist(), _time(second, transitions, gamma).tolist()
    answer = []
    for row_one, row_two in zip(one, two, strict=True):
        mixed = [weight * a + (1 - weight) * b for a, b in zip(row_one, row_two, strict=True)]
        total = sum(mixed)
        answer.append([m / total for m in mixed] if total > 1e-10 else [1 / len(mixed)] * len(mixed))
    return answer


def between_as_the_mean_policy(first, second, weight, transitions, gamma):
    return first * weight + second * (1 - weight)


def between_with_the_days_of_the_other(first, second, weight, transitions, gamma):
    return between_by_dividing_rows(second, first, weight, transitions, gamma)


def between_without_the_days(first, second, weight, transitions, gamma):
    return between_by_dividing_rows(first, second, 0.5, transitions, gamma)


def between_as_an_occupancy(first, second, weight, transitions, gamma):
    mixed = weight * _time(first, transitions, gamma) + (1 - weight) * _time(second, transitions, gamma)
    return (1 - gamma) * mixed


def between_as_visits(first, second, weight, transitions, gamma):
    return weight * _time(first, transitions, gamma) + (1 - weight) * _time(second, transitions, gamma)


def between_with_zeros_for_nobody(first, second, weight, transitions, gamma):
    mixed = between_as_visits(first, second, weight, transitions, gamma)
    return mixed / np.maximum(mixed.sum(axis=1, keepdims=True), 1e-12)


def between_with_arrows_reversed(first, second, weight, transitions, gamma):
    def time(policy):
        moves = (policy[:, :, None] * transitions).sum(axis=1)
        return np.linalg.solve(np.eye(len(policy)) - gamma * moves, np.eye(len(policy))[0])[:, None] * policy

    mixed = weight * time(first) + (1 - weight) * time(second)
    total = mixed.sum(axis=1, keepdims=True)
    return np.where(total > 1e-10, mixed / np.maximum(total, 1e-300), 1 / first.shape[1])


def between_of_the_more_frequent(first, second, weight, transitions, gamma):
    one, two = weight * _time(first, transitions, gamma), (1 - weight) * _time(second, transitions, gamma)
    mine = (one.sum(axis=1) >= two.sum(axis=1))[:, None]
    nobody = ((one + two).sum(axis=1) < 1e-10)[:, None]
    return np.where(nobody, 1 / first.shape[1], np.where(mine, first, second))


# 4.5 held_fixed_reward(learner, expert, c)


def held_fixed_by_division_where_it_can(learner, expert, c):
    both = learner + expert
    return np.divide(expert - learner, 2 * c * both, out=np.zeros_like(both), where=both > 0)


def held_fixed_in_loops_as_lists(learner, expert, c):
    return [
        [(e - p) / (2 * c * (e + p)) if e + p > 0 else 0.0 for p, e in zip(*rows, strict=True)]
        for rows in zip(learner.tolist(), expert.tolist(), strict=True)
    ]


def held_fixed_in_torch(learner, expert, c):
    learner, expert = torch.tensor(learner), torch.tensor(expert)
    return torch.nan_to_num((expert - learner) / (2 * c * (expert + learner)), nan=0.0)


def held_fixed_in_float32(learner, expert, c):
    learner, expert = torch.tensor(learner).float(), torch.tensor(expert).float()
    return (expert - learner) / (2 * c * (expert + learner)).clamp_min(1e-30)


def held_fixed_as_a_hyperbolic_tangent(learner, expert, c):
    with np.errstate(all="ignore"):
        half = np.tanh((np.log(expert) - np.log(learner)) / 2) / (2 * c)
    return np.where((expert == 0) & (learner == 0), 0, half)


def held_fixed_with_a_grain_of_salt(learner, expert, c):
    return (expert - learner) / (2 * c * (expert + learner) + 1e-12)


def held_fixed_by_newton(learner, expert, c):
    r = torch.zeros(learner.shape, dtype=torch.float64, requires_grad=True)
    pi, rho = torch.tensor(learner), torch.tensor(expert)
    (slope,) = torch.autograd.grad((rho * (r - c * r**2) - c * pi * r**2 - pi * r).sum(), r, create_graph=True)
    (bend,) = torch.autograd.grad(slope.sum(), r)
    return torch.where(bend < 0, -slope / torch.where(bend < 0, bend, -1.0), 0.0).detach()


def held_fixed_by_climbing(learner, expert, c):
    r = np.zeros_like(learner)
    both = np.maximum(learner + expert, 1e-300)
    for _ in range(100):
        r = r + 0.3 / (c * both) * (expert - learner - 2 * c * r * (expert + learner))
    return r


def held_fixed_where(learner, expert, numerator, denominator):
    """Zero where neither goes."""
    goes = (learner + expert > 0) & (denominator != 0)
    return np.where(goes, numerator / np.where(goes, denominator, 1.0), 0.0)


def top_without_two(learner, expert, c):
    return held_fixed_where(learner, expert, expert - learner, c * (expert + learner))


def top_with_four(learner, expert, c):
    return held_fixed_where(learner, expert, expert - learner, 4 * c * (expert + learner))


def top_with_the_sign_turned(learner, expert, c):
    return held_fixed_where(learner, expert, learner - expert, 2 * c * (expert + learner))


def top_without_c(learner, expert, c):
    return held_fixed_where(learner, expert, expert - learner, 2 * (expert + learner))


def top_for_c_of_a_quarter(learner, expert, c):
    return held_fixed_where(learner, expert, expert - learner, 0.5 * (expert + learner))


def top_with_c_multiplied(learner, expert, c):
    return held_fixed_where(learner, expert, 2 * c * (expert - learner), expert + learner)


def top_with_the_learners_square_forgotten(learner, expert, c):
    return held_fixed_where(learner, expert, expert - learner, 2 * c * expert)


def top_with_the_experts_square_forgotten(learner, expert, c):
    return held_fixed_where(learner, expert, expert - learner, 2 * c * learner)


def top_of_the_samples_free(learner, expert, c):
    r = held_fixed_by_division_where_it_can(learner, expert, c)
    return r + c * r**2


def top_as_the_distance(learner, expert, c):
    return held_fixed_where(learner, expert, (expert - learner) ** 2, 4 * c * (expert + learner))


def top_on_the_data_only(learner, expert, c):
    return np.where(expert > 0, held_fixed_by_division_where_it_can(learner, expert, c), 0)


def top_where_both_go_only(learner, expert, c):
    return np.where((expert > 0) & (learner > 0), held_fixed_by_division_where_it_can(learner, expert, c), 0)


def top_not_divided_by_how_often(learner, expert, c):
    return (expert - learner) / (2 * c)


def top_with_the_square_of_each_occupancy(learner, expert, c):
    return held_fixed_where(learner, expert, expert - learner, 2 * c * (expert**2 + learner**2))


def top_with_the_peak_where_neither_goes(learner, expert, c):
    with np.errstate(all="ignore"):
        u = np.where(expert > 0, learner / np.where(expert > 0, expert, 1), np.where(learner > 0, np.inf, 0))
        return np.where(np.isinf(u), -1, (1 - u) / (1 + u)) / (2 * c)


def top_with_the_edge_where_neither_goes(learner, expert, c):
    r = held_fixed_by_division_where_it_can(learner, expert, c)
    return np.where(learner + expert > 0, r, -1 / (2 * c))


def top_of_the_parabola_without_the_last_term(learner, expert, c):
    return held_fixed_where(learner, expert, expert, 2 * c * (expert + learner))


def top_with_the_minus_in_the_denominator(learner, expert, c):
    return held_fixed_where(learner, expert, expert + learner, 2 * c * (expert - learner))


def top_with_policies_for_occupancies(learner, expert, c):
    pi = learner / np.maximum(learner.sum(axis=1, keepdims=True), 1e-300)
    demonstrator = expert / np.maximum(expert.sum(axis=1, keepdims=True), 1e-300)
    return held_fixed_by_division_where_it_can(pi, demonstrator, c)


def top_clipped_at_one(learner, expert, c):
    return np.clip(held_fixed_by_division_where_it_can(learner, expert, c), -1, 1)


def top_never_negative(learner, expert, c):
    return np.maximum(held_fixed_by_division_where_it_can(learner, expert, c), 0)


def top_without_any_c_in_the_square(learner, expert, c):
    return held_fixed_where(learner, expert, expert - learner, expert + learner)


def top_as_log_ratio(learner, expert, c):
    return np.log((expert + 1e-8) / (learner + 1e-8)) / (2 * c)


def top_with_brackets_forgotten(learner, expert, c):
    return (expert - learner) / 2 * c * (expert + learner)


def top_with_brackets_around_2c_only(learner, expert, c):
    return (expert - learner) / (2 * c) * (expert + learner)


def top_with_c_above_the_line(learner, expert, c):
    return held_fixed_where(learner, expert, (expert - learner) * c, 2 * (expert + learner))


def top_with_infinity_off_the_data(learner, expert, c):
    with np.errstate(all="ignore"):
        return np.where(learner + expert > 0, (1 - learner / expert) / (2 * c), 0)


def value_of_the_illegal_keys(logits, legal):
    return logsumexp(np.where(legal, -np.inf, logits), axis=1)


def reward_with_values_from_rounds(logits, transitions, gamma):
    values = np.zeros(len(logits))
    for _ in range(300):
        values = np.logaddexp.reduce(logits + gamma * transitions @ values, axis=1)
    return logits - gamma * transitions @ values


def gain_within_the_domain(expert, reward, phi, alpha):
    scores = phi(alpha * reward)
    return -np.inf if np.isneginf(scores).any() else (expert * scores).sum() / alpha


def J_as_a_mean_of_weighed_scores(expert, reward, start_value, phi, gamma, alpha):
    return gain_within_the_domain(expert, reward, phi, alpha) / expert.size - (1 - gamma) * start_value


def J_with_one_minus_gamma_at_both(expert, reward, start_value, phi, gamma, alpha):
    return (1 - gamma) * (gain_within_the_domain(expert, reward, phi, alpha) - start_value)


def J_with_the_edge_of_the_mixture(expert, reward, start_value, phi, gamma, alpha):
    if (alpha * reward < -1).any():
        return -np.inf
    scores = phi(alpha * reward)
    return np.where(expert > 0, expert * np.where(expert > 0, scores, 0), 0).sum() / alpha - (1 - gamma) * start_value


def J_infinite_where_the_expert_never_goes(expert, reward, start_value, phi, gamma, alpha):
    if (expert == 0).any():
        return -np.inf
    return gain_within_the_domain(expert, reward, phi, alpha) - (1 - gamma) * start_value


def rows_or_every_key_alike(mixed, too_little=1e-10):
    total = mixed.sum(axis=1, keepdims=True)
    return np.where(total > too_little, mixed / np.maximum(total, 1e-300), 1 / mixed.shape[1])


def between_with_the_first_policy_for_nobody(first, second, weight, transitions, gamma):
    mixed = weight * _time(first, transitions, gamma) + (1 - weight) * _time(second, transitions, gamma)
    return np.where(mixed.sum(axis=1, keepdims=True) > 1e-10, rows_or_every_key_alike(mixed), first)


def between_with_every_key_alike_where_one_never_comes(first, second, weight, transitions, gamma):
    one, two = _time(first, transitions, gamma), _time(second, transitions, gamma)
    answer = rows_or_every_key_alike(weight * one + (1 - weight) * two)
    answer[(one.sum(axis=1) < 1e-10) | (two.sum(axis=1) < 1e-10)] = 1 / first.shape[1]
    return answer


def between_from_any_start(first, second, weight, transitions, gamma):
    mixed = 0
    for policy, share in ((first, weight), (second, 1 - weight)):
        moves = np.einsum("sa,san->sn", policy, transitions)
        start = np.ones(len(first)) / len(first)
        mixed = mixed + share * np.linalg.solve(np.eye(len(first)) - gamma * moves.T, start)[:, None] * policy
    return rows_or_every_key_alike(mixed)


def between_from_the_second_text_on(first, second, weight, transitions, gamma):
    one, two = _time(first, transitions, gamma), _time(second, transitions, gamma)
    one[0], two[0] = one[0] - first[0], two[0] - second[0]
    return rows_or_every_key_alike(weight * one + (1 - weight) * two)


def between_of_a_hundred_steps(first, second, weight, transitions, gamma):
    mixed = np.zeros(first.shape)
    for policy, share in ((first, weight), (second, 1 - weight)):
        here = np.eye(len(first))[0]
        for t in range(100):
            mixed += share * gamma**t * here[:, None] * policy
            here = np.einsum("s,sa,san->n", here, policy, transitions)
    return rows_or_every_key_alike(mixed)


def between_with_a_little_added(first, second, weight, transitions, gamma):
    mixed = weight * _time(first, transitions, gamma) + (1 - weight) * _time(second, transitions, gamma) + 1e-6
    return mixed / mixed.sum(axis=1, keepdims=True)


def between_with_rare_states_as_nobodys(first, second, weight, transitions, gamma):
    mixed = weight * _time(first, transitions, gamma) + (1 - weight) * _time(second, transitions, gamma)
    return rows_or_every_key_alike(mixed, 1e-4)


def top_with_the_ratio_turned(learner, expert, c):
    u = held_fixed_where(learner, expert, expert, learner)
    return np.where(learner + expert > 0, (1 - u) / (2 * c * (1 + u)), 0)


def top_with_a_ratio_of_zero_off_the_data(learner, expert, c):
    u = held_fixed_where(learner, expert, learner, expert)
    return np.where(learner + expert > 0, (1 - u) / (2 * c * (1 + u)), 0)


def top_with_a_spoonful_of_salt(learner, expert, c):
    return (expert - learner) / (2 * c * (expert + learner) + 1e-6)


RIGHT = {
    "soft_value": [
        soft_value_by_scipy,
        soft_value_with_scipy_weights,
        soft_value_by_a_loop_into_a_list,
        soft_value_in_torch,
        soft_value_in_float32,
        soft_value_two_keys_at_a_time,
        soft_value_as_mean_logit_and_entropy,
        soft_value_by_bisection,
        soft_value_with_the_mask_as_factor,
    ],
    "reward_of_logits": [
        reward_by_matrix_product,
        reward_by_einsum,
        reward_by_loops_as_lists,
        reward_in_torch,
        reward_in_float32,
        reward_by_corrections_until_the_value_is_right,
        reward_from_the_log_policy,
    ],
    "objective": [
        objective_with_where,
        objective_in_loops,
        objective_in_torch,
        objective_in_float32,
        objective_with_phi_of_a_tensor,
        objective_from_alpha_J,
        objective_with_a_smallest_weight,
    ],
    "policy_between_two": [
        between_by_dividing_rows,
        between_by_summing_time,
        between_as_a_posterior_in_torch,
        between_with_loops_over_lists,
    ],
    "reward_with_samples_held_fixed": [
        held_fixed_by_division_where_it_can,
        held_fixed_in_loops_as_lists,
        held_fixed_in_torch,
        held_fixed_in_float32,
        held_fixed_as_a_hyperbolic_tangent,
        held_fixed_with_a_grain_of_salt,
        held_fixed_by_newton,
        held_fixed_by_climbing,
    ],
}
WRONG = {  # answer → the mistake whose hint it must be told
    "soft_value": {
        value_that_overflows: "infinite",
        value_over_all_keys: "illegal_included",
        value_with_zero_for_illegal_logits: "illegal_as_zero",
        value_as_the_largest_logit: "hard_maximum",
        value_without_the_maximum_put_back: "shift_not_added_back",
        value_with_the_maximum_taken_out_twice: "shift_taken_away_again",
        value_as_log_of_the_mean: "mean_of_exponentials",
        value_as_log_of_the_mean_over_all_keys: "mean_over_all_keys",
        value_with_the_maximum_of_the_whole_table: "infinite",
        value_with_a_maximum_over_illegal_keys: "infinite",
        value_as_the_mean_logit: "average_logit",
        value_with_clipped_exponents: "right_while_small",
        value_with_exponents_clipped_at_fifty: "right_while_small",
        value_with_illegal_logits_not_low_enough: "illegal_not_low_enough",
        value_without_the_logarithm: "logarithm_forgotten_after_the_shift",
        value_as_the_sum_of_logits: "sum_of_logits",
        value_as_the_plain_average: "plain_average",
        value_with_a_small_number_for_safety: "right_while_small",
        value_as_a_sum_of_exponentials: "logarithm_forgotten",
        value_with_illegal_logits_of_minus_thousand: "illegal_not_low_enough",
        value_of_the_illegal_keys: "legal_turned_over",
    },
    "reward_of_logits": {
        reward_with_gamma_forgotten: "discount_forgotten",
        reward_with_the_value_of_this_text: "value_of_this_state",
        reward_with_hard_maximum: "hard_future",
        reward_with_the_mean_next_logit: "future_without_entropy",
        reward_with_plus: "future_added",
        reward_with_log_outside_of_the_average: "logarithm_after_the_average",
        reward_of_the_likeliest_next_text: "likeliest_next_state",
        reward_as_log_policy: "logarithm_of_the_policy",
        reward_of_the_log_policy_with_next_value: "value_taken_away_twice",
        reward_as_difference_of_values: "logit_left_out",
        reward_with_log_mean_exp: "next_keys_divided_by_their_number",
        reward_as_the_logits_themselves: "future_left_in",
        reward_with_one_minus_gamma: "rest_of_the_discount",
        reward_with_the_sum_of_next_logits: "next_logits_added_up",
        reward_backward_in_time: "arrows_reversed",
        reward_without_log_in_the_value: "next_logarithm_forgotten",
        reward_with_all_discounted: "logit_discounted_too",
        reward_with_the_policy_in_place_of_logits: "probability_in_place_of_the_logit",
        reward_with_the_mean_over_keys_pressed: "one_future_for_all_keys",
        reward_by_solving_for_the_best_logits: "solved_forward",
        reward_with_the_plain_mean_of_next_logits: "mean_future",
        reward_with_the_value_of_averaged_logits: "value_of_expected_logits",
        reward_with_values_from_rounds: "values_solved_for",
    },
    "objective": {
        J_with_domain_forgotten: "domain_only_on_the_data",
        J_with_nansum: "domain_only_on_the_data",
        J_with_what_leaves_the_domain_left_out: "domain_ignored",
        J_with_phi_of_r: "alpha_forgotten_inside",
        J_with_phi_of_r_and_no_alpha_at_all: "no_alpha_at_all",
        J_not_divided_by_alpha: "alpha_forgotten_outside",
        J_times_alpha: "in_units_of_the_divergence",
        J_with_the_whole_start_value: "start_counted_in_full",
        J_with_gamma_for_one_minus_gamma: "discount_in_place_of_its_rest",
        J_with_the_start_added: "value_added",
        J_without_the_start: "start_left_out",
        J_with_alpha_at_the_start_too: "start_times_alpha",
        J_with_both_divided_by_alpha: "start_divided_by_alpha",
        J_with_every_pair_alike: "plain_mean",
        J_with_no_weights: "plain_sum",
        J_without_phi: "phi_left_out",
        J_without_phi_but_with_domain: "phi_asked_for_the_domain_only",
        J_with_phi_of_the_average: "phi_of_the_average",
        J_with_a_large_fine_for_infinity: "finite_outside_of_the_domain",
        J_with_plus_infinity: "plus_infinity",
        J_with_the_domain_of_r: "too_early_infinite",
        J_with_r_divided_by_alpha: "alpha_on_the_wrong_side",
        J_with_alpha_on_the_other_sides: "alpha_on_the_wrong_side",
        J_with_minus_a_million_outside: "finite_outside_of_the_domain",
        J_with_the_mean_over_the_data: "plain_mean_on_the_data",
        J_weighed_with_the_demonstrator: "policy_in_place_of_occupancy",
        J_with_the_conjugate: "conjugate_in_place_of_phi",
        J_as_a_mean_of_weighed_scores: "averaged_once_more",
        J_with_one_minus_gamma_at_both: "both_terms_made_a_share",
        J_with_the_edge_of_the_mixture: "edge_of_the_mixture",
        J_infinite_where_the_expert_never_goes: "infinite_off_the_data",
    },
    "policy_between_two": {
        between_as_the_mean_policy: "mean_of_the_policies",
        between_with_the_days_of_the_other: "days_exchanged",
        between_without_the_days: "days_left_out",
        between_as_an_occupancy: "occupancies_mixed_and_left",
        between_as_visits: "visits_mixed_and_left",
        between_with_zeros_for_nobody: "nothing_pressed_where_nobody_comes",
        between_with_arrows_reversed: "arrows_turned_round",
        between_of_the_more_frequent: "whoever_comes_more_often",
        between_with_the_first_policy_for_nobody: "wrong_where_nobody_comes",
        between_with_every_key_alike_where_one_never_comes: "uniform_where_one_never_comes",
        between_from_any_start: "started_anywhere",
        between_from_the_second_text_on: "start_not_counted",
        between_of_a_hundred_steps: "stopped_counting",
        between_with_a_little_added: "wrong_where_they_hardly_come",
        between_with_rare_states_as_nobodys: "wrong_where_they_hardly_come",
    },
    "reward_with_samples_held_fixed": {
        top_without_two: "half_forgotten",
        top_with_four: "half_as_large",
        top_with_the_sign_turned: "sign_flipped",
        top_without_c: "c_forgotten",
        top_for_c_of_a_quarter: "c_forgotten",
        top_with_c_multiplied: "multiplied_by_c",
        top_with_the_learners_square_forgotten: "penalty_under_the_data_only",
        top_with_the_experts_square_forgotten: "penalty_under_the_model_only",
        top_of_the_samples_free: "samples_free",
        top_as_the_distance: "height_of_the_top",
        top_on_the_data_only: "nothing_off_the_data",
        top_where_both_go_only: "only_where_both_go",
        top_not_divided_by_how_often: "no_penalty_weight",
        top_with_the_square_of_each_occupancy: "occupancies_squared",
        top_with_the_peak_where_neither_goes: "wrong_where_neither_goes",
        top_with_the_edge_where_neither_goes: "wrong_where_neither_goes",
        top_of_the_parabola_without_the_last_term: "last_term_forgotten",
        top_with_the_minus_in_the_denominator: "upside_down",
        top_with_policies_for_occupancies: "policies_in_place_of_occupancies",
        top_clipped_at_one: "cut_off",
        top_never_negative: "never_negative",
        top_without_any_c_in_the_square: "c_forgotten",
        top_as_log_ratio: "logarithm_of_the_ratio",
        top_with_brackets_forgotten: "brackets_missing",
        top_with_brackets_around_2c_only: "brackets_missing",
        top_with_c_above_the_line: "multiplied_by_c",
        top_with_infinity_off_the_data: "infinite_reward",
        top_with_the_ratio_turned: "sign_flipped_where_both_go",
        top_with_a_ratio_of_zero_off_the_data: "paid_most_off_the_data",
        top_with_a_spoonful_of_salt: "wrong_where_both_hardly_go",
    },
}
