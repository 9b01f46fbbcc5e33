"""Answers to notebooks/03_divergences.ipynb, written from its text alone: right ones of many kinds, and wrong ones."""

import math

import numpy as np
import torch

# 3.1 forward_kl(learner, expert): the right ones


def kl_where_she_goes(learner, expert):
    visited = expert > 0
    with np.errstate(divide="ignore"):
        return np.sum(expert[visited] * np.log(expert[visited] / learner[visited]))


def kl_with_a_loop(learner, expert):
    total = 0.0
    for learners, experts in zip(learner, expert, strict=True):
        if experts == 0:
            continue
        if learners == 0:
            return np.inf
        total += experts * math.log(experts / learners)
    return total


def kl_as_a_torch_function(learner, expert):
    visited = torch.as_tensor(expert) > 0
    learner, expert = torch.as_tensor(learner)[visited], torch.as_tensor(expert)[visited]
    return torch.nn.functional.kl_div(learner.log(), expert, reduction="sum")


def kl_in_single_precision(learner, expert):
    learner, expert = (torch.as_tensor(shares, dtype=torch.float32) for shares in (learner, expert))
    return (torch.special.xlogy(expert, expert) - torch.special.xlogy(expert, learner)).sum().item()


def kl_by_skipping_nan(learner, expert):
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nansum(expert * np.log(expert / learner))


def kl_as_cross_entropy_less_entropy(learner, expert):
    learner, expert = learner.tolist(), expert.tolist()
    surprise = sum(e * (math.inf if p == 0 else -math.log(p)) for p, e in zip(learner, expert, strict=True) if e)
    return surprise + sum(e * math.log(e) for e in expert if e)


def kl_as_a_bregman_distance(learner, expert):
    if np.any((expert > 0) & (learner == 0)):
        return float("inf")
    both = np.where(expert > 0, expert / np.where(learner > 0, learner, 1), 1.0)
    return float((expert * np.log(both) - expert + learner).sum())


# 3.1: the wrong ones


def kl_swapped(learner, expert):
    return kl_where_she_goes(expert, learner)


def kl_where_both_go(learner, expert):
    both = (expert > 0) & (learner > 0)
    return np.sum(expert[both] * np.log(expert[both] / learner[both]))


def kl_with_a_little_added(learner, expert):
    return np.sum(expert * np.log((expert + 1e-12) / (learner + 1e-12)))


def kl_clipped(learner, expert):
    learner, expert = np.clip(learner, 1e-8, 1), np.clip(expert, 1e-8, 1)
    return np.sum(expert * np.log(expert / learner))


def kl_in_bits(learner, expert):
    return kl_where_she_goes(learner, expert) / np.log(2)


def kl_without_the_experts_own_surprise(learner, expert):
    visited = expert > 0
    with np.errstate(divide="ignore"):
        return -np.sum(expert[visited] * np.log(learner[visited]))


def kl_without_the_experts_own_surprise_where_both_go(learner, expert):
    both = (expert > 0) & (learner > 0)
    return -np.sum(expert[both] * np.log(learner[both]))


def kl_upside_down(learner, expert):
    return -kl_where_she_goes(learner, expert)


def kl_as_a_mean_of_the_terms(learner, expert):
    return kl_where_she_goes(learner, expert) / len(expert)


def kl_with_the_learners_weights(learner, expert):
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nansum(learner * np.log(expert / learner))


def kl_without_weights(learner, expert):
    visited = expert > 0
    with np.errstate(divide="ignore"):
        return np.sum(np.log(expert[visited] / learner[visited]))


def kl_both_ways(learner, expert):
    return kl_where_she_goes(learner, expert) + kl_where_she_goes(expert, learner)


def kl_infinite_at_any_zero(learner, expert):
    if (learner == 0).any() or (expert == 0).any():
        return np.inf
    return np.sum(expert * np.log(expert / learner))


def kl_infinite_when_the_learner_has_a_zero(learner, expert):
    if (learner == 0).any():
        return np.inf
    return kl_where_she_goes(learner, expert)


def kl_with_absolute_logarithms(learner, expert):
    visited = expert > 0
    with np.errstate(divide="ignore"):
        return np.sum(expert[visited] * np.abs(np.log(expert[visited] / learner[visited])))


def kl_all_nan_and_infinities_to_zero(learner, expert):
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.sum(np.nan_to_num(expert * np.log(expert / learner), nan=0.0, posinf=0.0, neginf=0.0))


def kl_a_huge_number_for_infinity(learner, expert):
    return np.nan_to_num(kl_where_she_goes(learner, expert), posinf=1e9)


def kl_infinite_where_she_never_goes(learner, expert):
    if np.any((expert == 0) & (learner > 0)):
        return np.inf
    return kl_where_both_go(learner, expert)


# 3.2 level_at_one(f, u): the right ones


def level_by_a_central_difference(f, u):
    h = 1e-4
    slope = (f(np.array([1 + h]))[0] - f(np.array([1 - h]))[0]) / (2 * h)
    return f(u) - slope * (u - 1)


def level_by_the_mean_of_both_sides(f, u):
    step = 1e-6
    left = -f(np.array([1 - step])) / step
    right = f(np.array([1 + step])) / step
    return f(np.asarray(u)) - (left + right) / 2 * (np.asarray(u) - 1)


def level_by_two_step_sizes(f, u):
    def slope(h):
        low, high = f(np.array([1 - h, 1 + h]))
        return (high - low) / (2 * h)

    c = -(4 * slope(1e-3) - slope(2e-3)) / 3
    return [float(price) + c * (ratio - 1) for price, ratio in zip(f(u), u.tolist())]


def level_by_turning_the_ratio_round(f, u):
    h = 1e-5
    rise = f(np.array([1 + h])) - f(np.array([1 - h]))
    return torch.as_tensor(f(u)) - torch.as_tensor(rise) * (torch.as_tensor(u) - 1) / (2 * h)


def level_by_a_fit(f, u):
    near = np.array([1 - 2e-4, 1 - 1e-4, 1 + 1e-4, 1 + 2e-4])
    slope = np.dot(f(near), near - 1) / np.dot(near - 1, near - 1)
    return f(u) - slope * (u - 1)


# 3.2: the wrong ones


def price_as_it_is(f, u):
    return f(u)


def sign_of_the_tilt(f, u):
    return 2 * f(u) - level_by_a_central_difference(f, u)


def forward_difference(f, u):
    h = 1e-7
    return f(u) - f(np.array([1 + h]))[0] / h * (u - 1)


def backward_difference(f, u):
    h = 1e-7
    return f(u) + f(np.array([1 - h]))[0] / h * (u - 1)


def far_from_one(f, u):
    low, high = f(np.array([0.9, 1.1]))
    return f(u) - (high - low) / 0.2 * (u - 1)


def slope_times_u(f, u):
    h = 1e-5
    low, high = f(np.array([1 - h, 1 + h]))
    return f(u) - (high - low) / (2 * h) * u


def slope_taken_off(f, u):
    h = 1e-5
    low, high = f(np.array([1 - h, 1 + h]))
    return f(u) - (high - low) / (2 * h)


def tilt_of_forward_kl(f, u):
    return f(u) + u - 1


def raised_above_zero(f, u):
    return f(u) - np.min(f(u))


def tilt_by_log(f, u):
    h = 1e-5
    low, high = f(np.array([1 - h, 1 + h]))
    return f(u) - (high - low) / (2 * h) * np.log(u)


def slope_over_one_step_of_two(f, u):
    below, above = f(np.array([1 - 1e-5, 1 + 1e-5]))
    return f(u) - (above - below) / 1e-5 * (u - 1)


def slope_at_two(f, u):
    h = 1e-5
    low, high = f(np.array([2 - h, 2 + h]))
    return f(u) - (high - low) / (2 * h) * (u - 1)


# 3.3 chi2_mixture(learner, expert): the right ones


def mixture_where_somebody_goes(learner, expert):
    somebody = learner + expert > 0
    learner, expert = learner[somebody], expert[somebody]
    return ((learner - expert) ** 2 / (learner + expert)).sum()


def mixture_with_a_loop_over_lists(learner, expert):
    total = 0
    for p, e in zip(learner.tolist(), expert.tolist(), strict=True):
        if p + e:
            total += (p - e) ** 2 / (p + e)
    return total


def mixture_in_torch(learner, expert):
    p, e = torch.as_tensor(learner), torch.as_tensor(expert)
    return torch.nan_to_num((p - e) ** 2 / (p + e), nan=0.0).sum()


def mixture_in_single_precision(learner, expert):
    p, e = torch.tensor(learner, dtype=torch.float32), torch.tensor(expert, dtype=torch.float32)
    both = p + e
    return ((p - e).square() / torch.where(both > 0, both, torch.ones_like(both))).sum()


def mixture_as_two_less_a_harmonic_mean(learner, expert):
    both = learner + expert
    return 2 - 4 * np.sum(np.divide(learner * expert, both, out=np.zeros_like(both), where=both > 0))


def mixture_with_the_limit_at_zero(learner, expert):
    total = 0.0
    for p, e in zip(learner, expert, strict=True):
        if e > 0:
            u = p / e
            total += e * (u - 1) ** 2 / (u + 1)
        else:
            total += p
    return total


def mixture_as_two_distances_from_the_mixture(learner, expert):
    middle = (learner + expert) / 2
    with np.errstate(invalid="ignore"):
        return np.nansum((learner - middle) ** 2 / middle) + np.nansum((expert - middle) ** 2 / middle)


def mixture_with_a_tiny_denominator_for_nobody(learner, expert):
    return float(np.sum((learner - expert) ** 2 / np.maximum(learner + expert, 1e-300)))


# 3.3: the wrong ones


def mixture_over_the_half(learner, expert):
    return 2 * mixture_where_somebody_goes(learner, expert)


def mixture_halved(learner, expert):
    return mixture_where_somebody_goes(learner, expert) / 2


def mixture_over_the_expert(learner, expert):
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nansum((learner - expert) ** 2 / expert)


def mixture_where_the_expert_goes(learner, expert):
    visited = expert > 0
    u = learner[visited] / expert[visited]
    return np.sum(expert[visited] * (u - 1) ** 2 / (u + 1))


def mixture_where_both_go(learner, expert):
    both = (learner > 0) & (expert > 0)
    learner, expert = learner[both], expert[both]
    return ((learner - expert) ** 2 / (learner + expert)).sum()


def mixture_infinite_where_the_expert_never_goes(learner, expert):
    if np.any((expert == 0) & (learner > 0)):
        return np.inf
    return mixture_where_somebody_goes(learner, expert)


def mixture_without_the_square(learner, expert):
    somebody = learner + expert > 0
    return np.sum(np.abs(learner - expert)[somebody] / (learner + expert)[somebody])


def mixture_with_both_squared(learner, expert):
    somebody = learner + expert > 0
    return np.sum(((learner - expert)[somebody] / (learner + expert)[somebody]) ** 2)


def mixture_still_weighed_by_the_expert(learner, expert):
    somebody = learner + expert > 0
    return np.sum((expert * (learner - expert) ** 2)[somebody] / (learner + expert)[somebody])


def mixture_with_a_difference_of_squares(learner, expert):
    somebody = learner + expert > 0
    return np.sum((learner**2 - expert**2)[somebody] / (learner + expert)[somebody])


def mixture_of_squares_alone(learner, expert):
    return np.sum((learner - expert) ** 2)


def mixture_over_the_learner_plus_one(learner, expert):
    return np.sum((learner - expert) ** 2 / (learner + 1))


def mixture_as_a_root(learner, expert):
    return math.sqrt(mixture_where_somebody_goes(learner, expert))


def mixture_as_a_mean(learner, expert):
    somebody = learner + expert > 0
    return np.mean((learner - expert)[somebody] ** 2 / (learner + expert)[somebody])


def mixture_with_nan_replaced(learner, expert):
    return np.nan_to_num(np.sum((expert - learner) ** 2 / (expert + learner)))


def mixture_with_an_expert_cut_off_above_zero(learner, expert):
    expert = np.maximum(expert, 1e-2)
    u = learner / expert
    return np.sum(expert * (u - 1) ** 2 / (u + 1))


def mixture_of_ratios_without_weights(learner, expert):
    visited = expert > 0
    u = learner[visited] / expert[visited]
    return np.sum((u - 1) ** 2 / (u + 1))


def mixture_of_the_sums(learner, expert):
    return np.sum((learner - expert) ** 2) / np.sum(learner + expert)


def mixture_over_the_learner(learner, expert):
    if np.any((learner == 0) & (expert > 0)):
        return np.inf
    return np.sum((learner - expert)[learner > 0] ** 2 / learner[learner > 0])


def mixture_where_the_learner_goes(learner, expert):
    return mixture_where_somebody_goes(learner[learner > 0], expert[learner > 0])


# 3.4 phi_from_f(f_values, u, x): the right ones


def phi_as_the_lowest(f_values, u, x):
    return (f_values[None, :] + x[:, None] * u[None, :]).min(axis=1)


def phi_as_minus_the_conjugate(f_values, u, x):
    def conjugate(y):
        return np.max(u * y - f_values)

    return np.array([-conjugate(-slope) for slope in x])


def phi_with_loops_over_lists(f_values, u, x):
    heights = []
    for slope in x:
        height = math.inf
        for ratio, price in zip(u, f_values, strict=True):
            height = min(height, float(price + slope * ratio))
        heights.append(height)
    return heights


def phi_in_torch(f_values, u, x):
    f_values, u, x = (torch.as_tensor(given, dtype=torch.float64) for given in (f_values, u, x))
    return -(torch.outer(-x, u) - f_values).amax(dim=1)


def phi_in_single_precision(f_values, u, x):
    f_values, u, x = (torch.tensor(given, dtype=torch.float32) for given in (f_values, u, x))
    return torch.min(f_values + x.unsqueeze(1) * u, dim=1).values.numpy()


def phi_where_the_line_touches(f_values, u, x):
    table = np.add.outer(f_values, np.zeros_like(x)) + np.outer(u, x)
    touching = table.argmin(axis=0)
    return f_values[touching] + u[touching] * x


# 3.4: the wrong ones


def phi_as_the_conjugate(f_values, u, x):
    return np.max(np.outer(x, u) - f_values, axis=1)


def phi_as_minus_the_conjugate_of_x(f_values, u, x):
    return -np.max(np.outer(x, u) - f_values, axis=1)


def phi_as_the_conjugate_of_minus_x(f_values, u, x):
    return np.max(-np.outer(x, u) - f_values, axis=1)


def phi_as_the_highest(f_values, u, x):
    return np.max(np.outer(x, u) + f_values, axis=1)


def phi_minus_the_price(f_values, u, x):
    return np.min(np.outer(x, u) - f_values, axis=1)


def phi_as_the_ratio_that_touches(f_values, u, x):
    return u[np.argmin(np.outer(x, u) + f_values, axis=1)]


def phi_as_the_place_that_touches(f_values, u, x):
    return np.argmin(np.outer(x, u) + f_values, axis=1)


def phi_as_the_price_where_it_touches(f_values, u, x):
    return f_values[np.argmin(np.outer(x, u) + f_values, axis=1)]


def phi_without_the_price(f_values, u, x):
    return np.min(np.outer(x, u), axis=1)


def phi_at_the_last_ratio(f_values, u, x):
    return f_values[-1] + u[-1] * x


def phi_at_the_bottom(f_values, u, x):
    bottom = np.argmin(f_values)
    return f_values[bottom] + u[bottom] * x


def phi_where_the_slope_fits(f_values, u, x):
    slopes = np.gradient(f_values, u)
    touching = np.argmin(np.abs(slopes[None, :] + x[:, None]), axis=1)
    return f_values[touching] + u[touching] * x


def phi_never_above_zero(f_values, u, x):
    return np.minimum(0, np.min(np.outer(x, u) + f_values, axis=1))


def phi_as_the_price_at_x(f_values, u, x):
    return -np.interp(-x, u, f_values)


def phi_with_lines_too_steep_for_the_grid(f_values, u, x):
    lifted = np.outer(x, u) + f_values
    return np.where(lifted.argmin(axis=1) == u.size - 1, -np.inf, lifted.min(axis=1))


def phi_as_the_lowest_price(f_values, u, x):
    return np.zeros_like(x) + np.min(f_values)


def phi_with_the_slope_on_the_price(f_values, u, x):
    return np.min(u + x[:, None] * f_values, axis=1)


# 3.5 best_reward(learner, expert): the right ones


def reward_multiplied_out(learner, expert):
    return np.log((learner + expert) / (2 * learner))


def reward_edge_by_hand(learner, expert):
    reward = np.full(learner.shape, -np.log(2))
    visited = expert > 0
    u = learner[visited] / expert[visited]
    reward[visited] = -(np.log(u) + 1 - np.log((u + 1) / 2) - 1)
    return reward


def reward_in_a_list(learner, expert):
    return [-math.log(2 / (1 + 1 / (p / e))) if e > 0 else -math.log(2) for p, e in zip(learner, expert, strict=True)]


def reward_by_autograd(learner, expert):
    p, e = torch.as_tensor(learner), torch.as_tensor(expert)
    u = torch.where(e > 0, p / e, torch.ones_like(e)).requires_grad_()
    f = u * u.log() - (u + 1) * ((u + 1) / 2).log()
    (slope,) = torch.autograd.grad(f.sum(), u)
    return torch.where(e > 0, -slope, torch.full_like(e, -math.log(2)))


def reward_in_single_precision(learner, expert):
    p, e = torch.tensor(learner, dtype=torch.float32), torch.tensor(expert, dtype=torch.float32)
    return torch.log1p(e / p) - math.log(2)


def reward_from_a_discriminator(learner, expert):
    looks_like_the_learner = learner / (learner + expert)
    return -np.log(2 * looks_like_the_learner)


def reward_from_a_logit(learner, expert):
    with np.errstate(divide="ignore"):
        return np.logaddexp(0, np.log(expert) - np.log(learner)) - np.log(2)


# 3.5: the wrong ones


def reward_with_the_sign_forgotten(learner, expert):
    return -reward_multiplied_out(learner, expert)


def reward_sign_forgotten_but_at_the_edge(learner, expert):
    return np.where(expert > 0, -reward_multiplied_out(learner, expert), -np.log(2))


def reward_of_the_ratio_upside_down(learner, expert):
    u = expert / learner
    return np.where(expert > 0, np.log((u + 1) / (2 * np.where(u > 0, u, 1))), -np.log(2))


def reward_with_no_two(learner, expert):
    return np.log((learner + expert) / learner)


def reward_with_edge_zero(learner, expert):
    return np.where(expert > 0, reward_multiplied_out(learner, expert), 0.0)


def reward_with_edge_log_two(learner, expert):
    return np.where(expert > 0, reward_multiplied_out(learner, expert), np.log(2))


def reward_with_edge_minus_infinity(learner, expert):
    return np.where(expert > 0, reward_multiplied_out(learner, expert), -np.inf)


def reward_with_edge_plus_infinity(learner, expert):
    return np.where(expert > 0, reward_multiplied_out(learner, expert), np.inf)


def reward_as_the_price(learner, expert):
    u = learner / np.where(expert > 0, expert, 1)
    return np.where(expert > 0, u * np.log(u) - (u + 1) * np.log((u + 1) / 2), -np.log(2))


def reward_as_minus_the_price(learner, expert):
    u = learner / np.where(expert > 0, expert, 1)
    return np.where(expert > 0, -(u * np.log(u) - (u + 1) * np.log((u + 1) / 2)), -np.log(2))


def reward_of_half_the_divergence(learner, expert):
    return reward_multiplied_out(learner, expert) / 2


def reward_with_one_product_rule_forgotten(learner, expert):
    u = learner / np.where(expert > 0, expert, 1)
    return np.where(expert > 0, -(np.log(u) - np.log((u + 1) / 2) - 1), -np.log(2))


def reward_with_the_inner_half_forgotten(learner, expert):
    u = learner / np.where(expert > 0, expert, 1)
    return np.where(expert > 0, -(np.log(u) + 1 - np.log((u + 1) / 2) - 2), -np.log(2))


def reward_as_a_log_ratio(learner, expert):
    with np.errstate(divide="ignore"):
        return np.where(expert > 0, np.log(expert / learner), -np.log(2))


def reward_of_reverse_kl(learner, expert):
    with np.errstate(divide="ignore"):
        return np.where(expert > 0, np.log(expert / learner) - 1, -np.log(2))


def reward_of_the_mixture(learner, expert):
    u = learner / np.where(expert > 0, expert, 1)
    return np.where(expert > 0, 4 / (u + 1) ** 2 - 1, -1.0)


def reward_as_phi(learner, expert):
    x = reward_multiplied_out(learner, expert)
    return np.where(expert > 0, np.log(np.maximum(2 - np.exp(-x), 1e-12)), -np.log(2))


def reward_weighed_by_the_expert(learner, expert):
    return np.where(expert > 0, expert * reward_multiplied_out(learner, expert), -np.log(2))


def reward_in_bits(learner, expert):
    return np.log2((learner + expert) / (2 * learner))


def reward_never_below_zero(learner, expert):
    return np.where(expert > 0, np.maximum(reward_multiplied_out(learner, expert), 0), -np.log(2))


def reward_as_the_difference(learner, expert):
    return expert - learner


def reward_with_the_other_product_rule_forgotten(learner, expert):
    u = learner / np.where(expert > 0, expert, 1)
    return np.where(expert > 0, -(np.log(u) + 1 - np.log((u + 1) / 2)), -np.log(2))


def reward_as_a_gan_pays_it(learner, expert):
    with np.errstate(divide="ignore"):
        return np.log(expert / (learner + expert))


def reward_as_a_probability(learner, expert):
    return np.where(expert > 0, expert / (learner + expert), -np.log(2))


def reward_as_the_ratio(learner, expert):
    return expert / learner


def kl_with_rare_keys_of_hers_left_out(learner, expert):
    often = expert > 1e-6
    with np.errstate(divide="ignore"):
        return np.sum(expert[often] * np.log(expert[often] / learner[often]))


def level_at_each_ratio_by_itself(f, u):
    slope = (f(u * 1.00001) - f(u * 0.99999)) / (0.00002 * u)
    return f(u) - slope * (u - 1)


def mixture_over_the_expert_where_she_goes(learner, expert):
    visited = expert > 0
    return np.sum((learner[visited] - expert[visited]) ** 2 / expert[visited])


def mixture_of_at_most_one(learner, expert):
    return min(mixture_where_somebody_goes(learner, expert), 1.0)


def phi_at_one(f_values, u, x):
    return (f_values + np.outer(x, u)).min(axis=1) - x


def phi_without_zero(f_values, u, x):
    positive = u > 0
    return (f_values[positive] + np.outer(x, u[positive])).min(axis=1)


def phi_up_to_the_first_rise(f_values, u, x):
    answer = []
    for slope in x:
        heights = f_values + slope * u
        n = 0
        while n + 1 < len(u) and heights[n + 1] <= heights[n]:
            n += 1
        answer.append(heights[n])
    return np.array(answer)


def reward_of_a_level_forward_kl(learner, expert):
    return expert / learner - 1


def reward_with_a_little_added_to_the_expert(learner, expert):
    u = learner / (expert + 1e-8)
    return np.log((u + 1) / (2 * u))


def reward_with_rare_keys_at_the_edge(learner, expert):
    return np.where(expert > 1e-3, reward_multiplied_out(learner, expert), -np.log(2))


def reward_with_ratios_cut_off_below(learner, expert):
    ratio = np.clip(learner / np.maximum(expert, 1e-12), 1e-4, 1e12)
    return -np.log(2 * ratio / (ratio + 1))


RIGHT = {
    "forward_kl": [
        kl_where_she_goes,
        kl_with_a_loop,
        kl_as_a_torch_function,
        kl_in_single_precision,
        kl_by_skipping_nan,
        kl_as_cross_entropy_less_entropy,
        kl_as_a_bregman_distance,
    ],
    "price_level_at_one": [
        level_by_a_central_difference,
        level_by_the_mean_of_both_sides,
        level_by_two_step_sizes,
        level_by_turning_the_ratio_round,
        level_by_a_fit,
    ],
    "chi2_mixture": [
        mixture_where_somebody_goes,
        mixture_with_a_loop_over_lists,
        mixture_in_torch,
        mixture_in_single_precision,
        mixture_as_two_less_a_harmonic_mean,
        mixture_with_the_limit_at_zero,
        mixture_as_two_distances_from_the_mixture,
        mixture_with_a_tiny_denominator_for_nobody,
    ],
    "phi_from_f": [
        phi_as_the_lowest,
        phi_as_minus_the_conjugate,
        phi_with_loops_over_lists,
        phi_in_torch,
        phi_in_single_precision,
        phi_where_the_line_touches,
    ],
    "best_reward": [
        reward_multiplied_out,
        reward_edge_by_hand,
        reward_in_a_list,
        reward_by_autograd,
        reward_in_single_precision,
        reward_from_a_discriminator,
        reward_from_a_logit,
    ],
}

WRONG = {  # answer → the mistake whose hint it must be told
    "forward_kl": {
        kl_infinite_where_she_never_goes: "infinite_where_the_learner_invents",
        kl_swapped: "the_other_way_round",
        kl_where_both_go: "missed_pairs_left_out",
        kl_with_a_little_added: "infinity_clipped",
        kl_clipped: "infinity_clipped",
        kl_in_bits: "in_bits",
        kl_without_the_experts_own_surprise: "surprise_of_an_expert_not_taken_off",
        kl_without_the_experts_own_surprise_where_both_go: "surprise_of_an_expert_not_taken_off",
        kl_upside_down: "negative",
        kl_as_a_mean_of_the_terms: "averaged_over_the_pairs",
        kl_with_the_learners_weights: "the_other_way_round_and_negative",
        kl_without_weights: "every_pair_weighs_the_same",
        kl_both_ways: "both_ways",
        kl_infinite_at_any_zero: "infinite_at_every_zero",
        kl_infinite_when_the_learner_has_a_zero: "infinite_where_the_learner_has_a_zero",
        kl_with_absolute_logarithms: "absolute_logarithms",
        kl_all_nan_and_infinities_to_zero: "missed_pairs_left_out",
        kl_a_huge_number_for_infinity: "infinity_clipped",
        kl_with_rare_keys_of_hers_left_out: "infinity_clipped",
    },
    "price_level_at_one": {
        price_as_it_is: "tilt_left_alone",
        sign_of_the_tilt: "tilted_twice",
        forward_difference: "slope_from_the_right",
        backward_difference: "slope_from_the_left",
        far_from_one: "nearly_level",
        slope_times_u: "turned_about_zero",
        slope_taken_off: "lowered_by_a_constant",
        tilt_of_forward_kl: "tilted_by_one",
        raised_above_zero: "smallest_price_taken_off",
        tilt_by_log: "tilted_by_a_logarithm",
        slope_at_two: "wrongly_tilted",
        slope_over_one_step_of_two: "slope_twice_too_large",
        level_at_each_ratio_by_itself: "slope_of_each_ratio",
    },
    "chi2_mixture": {
        mixture_where_the_learner_goes: "missed_pairs_free",
        mixture_over_the_learner: "only_the_learner_below",
        mixture_over_the_half: "twice",
        mixture_halved: "half",
        mixture_over_the_expert: "only_the_expert_below",
        mixture_where_the_expert_goes: "invented_pairs_left_out",
        mixture_where_both_go: "only_where_they_meet",
        mixture_infinite_where_the_expert_never_goes: "infinite_where_the_learner_invents_something",
        mixture_without_the_square: "distances_not_squared",
        mixture_with_both_squared: "rare_pairs_weigh_as_much",
        mixture_still_weighed_by_the_expert: "weighed_twice",
        mixture_with_a_difference_of_squares: "differences_that_cancel",
        mixture_of_squares_alone: "denominator_lost",
        mixture_over_the_learner_plus_one: "one_not_multiplied",
        mixture_as_a_root: "root_taken",
        mixture_as_a_mean: "averaged_over_the_visited",
        mixture_with_an_expert_cut_off_above_zero: "wrong_where_the_expert_never_goes",
        mixture_with_nan_replaced: "wrong_where_neither_goes",
        mixture_of_ratios_without_weights: "price_not_weighed_where_she_goes",
        mixture_of_the_sums: "fraction_of_sums",
        mixture_over_the_expert_where_she_goes: "only_the_expert_below_where_she_goes",
        mixture_of_at_most_one: "never_above_one",
    },
    "phi_from_f": {
        phi_with_the_slope_on_the_price: "axes_swapped",
        phi_as_the_lowest_price: "line_left_lying",
        phi_with_lines_too_steep_for_the_grid: "infinite_at_the_end_of_the_grid",
        phi_as_the_conjugate: "the_conjugate_itself",
        phi_as_minus_the_conjugate_of_x: "slope_not_turned",
        phi_as_the_conjugate_of_minus_x: "depth_instead_of_height",
        phi_as_the_highest: "pushed_too_far",
        phi_minus_the_price: "price_with_the_wrong_sign",
        phi_as_the_ratio_that_touches: "touching_point",
        phi_as_the_place_that_touches: "number_of_the_touching_point",
        phi_as_the_price_where_it_touches: "height_of_the_touching_point",
        phi_without_the_price: "price_left_out",
        phi_at_the_last_ratio: "last_ratio_only",
        phi_at_the_bottom: "touching_at_the_bottom",
        phi_where_the_slope_fits: "slope_fitted",
        phi_never_above_zero: "search_begun_at_zero",
        phi_as_the_price_at_x: "star_forgotten",
        phi_at_one: "height_at_one",
        phi_without_zero: "zero_left_out",
        phi_up_to_the_first_rise: "stopped_at_the_first_rise",
    },
    "best_reward": {
        reward_as_the_ratio: "reward_of_forward_kl",
        reward_as_a_probability: "probability_of_the_expert",
        reward_as_a_gan_pays_it: "logarithm_of_a_probability",
        reward_with_the_other_product_rule_forgotten: "second_product_half_done",
        reward_with_the_sign_forgotten: "slope_instead_of_reward",
        reward_sign_forgotten_but_at_the_edge: "slope_instead_of_reward",
        reward_of_the_ratio_upside_down: "ratio_upside_down",
        reward_with_no_two: "not_zero_where_they_agree",
        reward_with_edge_zero: "wrong_off_the_data",
        reward_with_edge_log_two: "wrong_off_the_data",
        reward_with_edge_minus_infinity: "wrong_off_the_data",
        reward_with_edge_plus_infinity: "wrong_off_the_data",
        reward_as_the_price: "price_itself",
        reward_as_minus_the_price: "price_instead_of_slope",
        reward_of_half_the_divergence: "half_as_large",
        reward_with_one_product_rule_forgotten: "first_product_half_done",
        reward_with_the_inner_half_forgotten: "first_product_half_done",
        reward_as_a_log_ratio: "logarithm_of_the_ratio",
        reward_of_reverse_kl: "reward_of_reverse_kl",
        reward_of_the_mixture: "reward_of_another_row",
        reward_as_phi: "score_of_the_critic",
        reward_weighed_by_the_expert: "weighed_by_the_expert",
        reward_in_bits: "log_to_base_two",
        reward_never_below_zero: "never_below_zero",
        reward_as_the_difference: "difference_of_the_shares",
        reward_of_a_level_forward_kl: "reward_of_another_row",
        reward_with_a_little_added_to_the_expert: "wrong_where_shares_are_small",
        reward_with_rare_keys_at_the_edge: "wrong_where_shares_are_small",
        reward_with_ratios_cut_off_below: "wrong_where_shares_are_small",
    },
}
