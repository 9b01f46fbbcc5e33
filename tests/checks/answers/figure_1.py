"""Answers to notebooks/01_figure_1.ipynb, written from its text alone: right ones of many kinds, and wrong ones that
students give."""

import math
from fractions import Fraction

import numpy as np
import torch

from smatch_edu.exact.figure1 import Figure1Chain

# 1.1: out_of_distribution(error, horizon)


def off_in_one_line(error, horizon):
    return 1 - (1 - error) ** np.arange(horizon + 1)


def off_as_a_list_from_a_loop(error, horizon):
    on, answer = 1.0, [0.0]
    for _ in range(horizon):
        on *= 1 - error
        answer.append(1 - on)
    return answer


def off_by_summing_the_first_wrong_tokens(error, horizon):
    tokens = np.arange(1, horizon + 1)
    return np.concatenate([[0.0], np.cumsum(error * (1 - error) ** (tokens - 1))])


def off_by_counting_all_numbers_of_wrong_tokens(error, horizon):
    return [
        sum(math.comb(t, k) * error**k * (1 - error) ** (t - k) for k in range(1, t + 1)) for t in range(horizon + 1)
    ]


def off_in_torch_singles(error, horizon):
    return 1 - torch.cumprod(torch.cat([torch.ones(1), torch.full((horizon,), 1 - error)]), dim=0)


def off_in_torch_doubles(error, horizon):
    return 1 - torch.pow(torch.tensor(1 - error, dtype=torch.float64), torch.arange(horizon + 1))


def off_by_powers_of_a_two_state_chain(error, horizon):
    matrix = np.array([[1 - error, error], [0.0, 1.0]])
    return np.array([np.linalg.matrix_power(matrix, t)[0, 1] for t in range(horizon + 1)])


def off_by_logarithms_in_a_tuple(error, horizon):
    if error == 1:
        return (0, *[1] * horizon)
    return tuple(-math.expm1(t * math.log1p(-error)) for t in range(horizon + 1))


def off_as_tokens_times_error(error, horizon):
    return error * np.arange(horizon + 1)


def off_as_tokens_times_error_up_to_one(error, horizon):
    return np.minimum(1, error * np.arange(horizon + 1))


def on_instead_of_off(error, horizon):
    return (1 - error) ** np.arange(horizon + 1)


def off_one_token_early(error, horizon):
    return 1 - (1 - error) ** np.arange(1, horizon + 2)


def all_tokens_wrong(error, horizon):
    return error ** np.arange(horizon + 1)


def not_all_tokens_wrong(error, horizon):
    return 1 - error ** np.arange(horizon + 1)


def first_wrong_token_exactly_here(error, horizon):
    return [0.0] + [error * (1 - error) ** (t - 1) for t in range(1, horizon + 1)]


def exactly_one_wrong_token(error, horizon):
    return [0.0] + [t * error * (1 - error) ** (t - 1) for t in range(1, horizon + 1)]


def each_token_alone(error, horizon):
    return [0.0] + [error] * horizon


def off_with_an_exponential(error, horizon):
    return 1 - np.exp(-error * np.arange(horizon + 1))


def off_with_times_for_power(error, horizon):
    return 1 - (1 - error) * np.arange(horizon + 1)


def off_by_simulation(error, horizon):
    wrong = np.random.default_rng().random((2000, horizon)) < error
    return np.append(0, (np.cumsum(wrong, axis=1) > 0).mean(axis=0))


def off_starting_at_error(error, horizon):
    answer = [error]
    for _ in range(horizon):
        answer.append(answer[-1] + (1 - answer[-1]) * error)
    return answer


def off_adding_error_to_those_already_off(error, horizon):
    answer = [0.0]
    for _ in range(horizon):
        answer.append(answer[-1] * (1 + error) + error)
    return answer


def off_with_errors_that_undo_each_other(error, horizon):
    on, off, answer = 1.0, 0.0, [0.0]
    for _ in range(horizon):
        on, off = on * (1 - error) + off * error, off * (1 - error) + on * error
        answer.append(off)
    return answer


# 1.2: one_step(distribution, error, recovery)


def step_by_slices(distribution, error, recovery):
    new = np.zeros(len(distribution))
    new[0] = (1 - error) * distribution[0]
    new[1] = error * distribution[0]
    new[:-1] += recovery * distribution[1:]
    new[2:] += (1 - recovery) * distribution[1:-1]
    return new


def step_by_asking_where_from(distribution, error, recovery):
    def at(n):
        return float(distribution[n]) if 0 <= n < len(distribution) else 0.0

    new = [(1 - error) * at(0) + recovery * at(1), error * at(0) + recovery * at(2)]
    for n in range(2, len(distribution)):
        new.append((1 - recovery) * at(n - 1) + recovery * at(n + 1))
    return new


def step_by_sending_each_share_on(distribution, error, recovery):
    new = np.zeros_like(distribution)
    for n, share in enumerate(distribution):
        if share == 0:
            continue
        new[max(n - 1, 0)] += share * (1 - error if n == 0 else recovery)
        new[n + 1] += share * (error if n == 0 else 1 - recovery)
    return new


def step_by_a_matrix(distribution, error, recovery):
    size = len(distribution)
    matrix = np.diag(np.full(size - 1, 1 - recovery), 1) + np.diag(np.full(size - 1, recovery), -1)
    matrix[0, 0], matrix[0, 1] = 1 - error, error
    return distribution @ matrix


def step_by_a_convolution(distribution, error, recovery):
    off = np.array(distribution, dtype=float)
    off[0] = 0
    new = np.convolve(off, [recovery, 0, 1 - recovery])[1:-1]
    new[:2] += distribution[0] * np.array([1 - error, error])
    return new


def step_in_torch_singles(distribution, error, recovery):
    old = torch.tensor(np.asarray(distribution), dtype=torch.float32)
    stay, off = old[:1], torch.cat([torch.zeros(1), old[1:]])
    left = torch.cat([off[1:], torch.zeros(1)]) * recovery
    right = torch.cat([torch.zeros(1), off[:-1]]) * (1 - recovery)
    return left + right + torch.cat([stay * (1 - error), stay * error, torch.zeros(len(old) - 2)])


def step_by_rolling_round(distribution, error, recovery):
    old = torch.tensor(np.asarray(distribution), dtype=torch.float64)
    chance_of_right = torch.full_like(old, 1 - recovery)
    chance_of_right[0] = error
    right, left = old * chance_of_right, old * (1 - chance_of_right)
    new = torch.roll(right, 1)
    new[:-1] += left[1:]
    new[0] += left[0]
    return new


def step_with_recovery_the_other_way(distribution, error, recovery):
    return step_by_slices(distribution, error, 1 - recovery)


def step_with_error_the_other_way(distribution, error, recovery):
    return step_by_slices(distribution, 1 - error, recovery)


def step_in_a_copy_read_again(distribution, error, recovery):
    new = np.array(distribution)
    new[0] = (1 - error) * new[0] + recovery * new[1]
    for n in range(1, len(new)):
        after = new[n + 1] if n + 1 < len(new) else 0.0
        new[n] = (error if n == 1 else 1 - recovery) * new[n - 1] + recovery * after
    return new


def step_with_zero_like_the_others(distribution, error, recovery):
    new = np.zeros(len(distribution))
    new[:-1] += recovery * distribution[1:]
    new[1:] += (1 - recovery) * distribution[:-1]
    new[0] += recovery * distribution[0]
    return new


def step_with_recovery_for_the_first_mistake(distribution, error, recovery):
    new = step_by_slices(distribution, error, recovery)
    new[1] += (1 - recovery - error) * distribution[0]
    return new


def step_where_nobody_stays_on(distribution, error, recovery):
    new = step_by_slices(distribution, error, recovery)
    new[0] -= (1 - error) * distribution[0]
    return new


def step_where_nobody_comes_home(distribution, error, recovery):
    new = step_by_slices(distribution, error, recovery)
    new[0] = (1 - error) * distribution[0]
    return new


def step_with_the_matrix_on_the_left(distribution, error, recovery):
    size = len(distribution)
    matrix = np.diag(np.full(size - 1, 1 - recovery), 1) + np.diag(np.full(size - 1, recovery), -1)
    matrix[0, 0], matrix[0, 1] = 1 - error, error
    return matrix @ distribution


def step_where_those_off_stay_put(distribution, error, recovery):
    new = (1 - recovery) * np.array(distribution, dtype=float)
    new[0] = (1 - error) * distribution[0]
    new[1] += error * distribution[0]
    new[:-1] += recovery * distribution[1:]
    return new


def step_with_one_backspace_for_all(distribution, error, recovery):
    new = np.zeros(len(distribution))
    new[0] = (1 - error) * distribution[0] + recovery * distribution[1:].sum()
    new[1] = error * distribution[0]
    new[2:] = (1 - recovery) * distribution[1:-1]
    return new


def step_without_backspace(distribution, error, recovery):
    return step_by_slices(distribution, error, 0.0)


def step_with_error_at_every_depth(distribution, error, recovery):
    return step_by_slices(distribution, error, 1 - error)


def step_losing_the_last_depth(distribution, error, recovery):
    new = step_by_slices(distribution, error, recovery)
    new[-1] = 0.0
    return new


def step_rolled_round_the_end(distribution, error, recovery):
    new = recovery * np.roll(distribution, -1) + (1 - recovery) * np.roll(distribution, 1)
    new[0] = (1 - error) * distribution[0] + recovery * distribution[1]
    new[1] = error * distribution[0] + recovery * (distribution[2] if len(distribution) > 2 else 0)
    return new


def step_forgetting_those_who_return_to_one(distribution, error, recovery):
    new = step_by_slices(distribution, error, recovery)
    new[1] = error * distribution[0]
    return new


def step_only_outwards_where_nobody_returns(distribution, error, recovery):
    new = step_by_slices(distribution, error, recovery)
    new[1:-1] -= recovery * distribution[2:]
    return new


def step_normalised_after_forgetting_the_deeper(distribution, error, recovery):
    new = step_where_nobody_comes_home(distribution, error, recovery)
    return new / new.sum()


def step_where_recovery_counts_for_typing_too(distribution, error, recovery):
    new = step_by_slices(distribution, error, recovery)
    new[2:] = distribution[1:-1] + np.append(recovery * distribution[3:], 0.0)
    return new


def step_taken_twice(distribution, error, recovery):
    return step_by_slices(step_by_slices(distribution, error, recovery), error, recovery)


def step_with_errors_while_recovering(distribution, error, recovery):
    return step_by_slices(distribution, error, recovery * (1 - error))


def step_two_depths_per_wrong_token(distribution, error, recovery):
    new = step_by_slices(distribution, error, recovery)
    moved = (1 - recovery) * distribution[1:-1]
    new[2:] -= moved
    new[3:] += moved[:-1]
    return new


# 1.3: level(error, recovery)


def level_by_pencil(error, recovery):
    return error / (error + 2 * recovery - 1) if recovery > 0.5 else 1.0


def level_by_the_geometric_series(error, recovery):
    if recovery <= 0.5:
        return 1
    ratio = (1 - recovery) / recovery
    off_per_on = error / recovery / (1 - ratio)
    return 1 - 1 / (1 + off_per_on)


def level_by_adding_depths_until_nothing_changes(error, recovery):
    if recovery <= 0.5:
        return 1.0
    total, share = 0.0, error / recovery
    while share > 1e-15:
        total, share = total + share, share * (1 - recovery) / recovery
    return total / (1 + total)


def level_by_time_away_and_time_at_home(error, recovery):
    if not recovery > 0.5:
        return np.array(1.0)
    away, home = 1 / (recovery - (1 - recovery)), 1 / error
    return np.array(away / (away + home))


def level_in_torch_singles(error, recovery):
    drift = torch.clamp(2 * torch.tensor(recovery, dtype=torch.float32) - 1, min=0)
    return error / (error + drift)


def level_in_fractions(error, recovery):
    error, recovery = Fraction(float(error)), Fraction(float(recovery))
    return float(error / (error + max(2 * recovery - 1, 0)))


def level_from_the_library(error, recovery):
    return Figure1Chain(error=error, recovery=recovery, horizon=1).level()


def level_by_a_linear_system(error, recovery):
    if recovery <= 0.5:
        return torch.tensor(1.0, dtype=torch.float64)
    size = 500
    flow = np.diag(np.full(size - 1, 1 - recovery), 1) + np.diag(np.full(size - 1, recovery), -1)
    flow[0, :2] = 1 - error, error
    flow[-1, -1] = 1 - recovery
    rest = flow.T - np.eye(size)
    rest[-1] = 1
    return torch.tensor(1 - np.linalg.solve(rest, np.eye(size)[-1])[0])


def level_on_the_data(error, recovery):
    return 1 - level_by_pencil(error, recovery)


def level_with_one_case(error, recovery):
    return error / (error + 2 * recovery - 1) if error + 2 * recovery != 1 else 1.0


def level_zero_below_one_half(error, recovery):
    return error / (error + 2 * recovery - 1) if recovery > 0.5 else 0.0


def level_error_below_one_half(error, recovery):
    return error / (error + 2 * recovery - 1) if recovery > 0.5 else error


def level_with_the_border_at_error(error, recovery):
    return 1.0 if recovery <= error else error / (error + abs(2 * recovery - 1))


def level_of_two_states(error, recovery):
    return error / (error + recovery) if recovery > 0.5 else 1.0


def level_of_two_states_with_one_case(error, recovery):
    return error / (error + recovery)


def level_not_divided_by_the_sum(error, recovery):
    return error / (2 * recovery - 1) if recovery > 0.5 else 1.0


def level_only_of_depth_one(error, recovery):
    return error / recovery * (1 - level_by_pencil(error, recovery)) if recovery > 0.5 else 1.0


def level_with_one_ratio_from_the_start(error, recovery):
    return (1 - recovery) / recovery if recovery > 0.5 else 1.0


def level_with_the_series_from_q(error, recovery):
    if recovery <= 0.5:
        return 1.0
    ratio = (1 - recovery) / recovery
    off = error / recovery * ratio / (1 - ratio)
    return off / (1 + off)


def level_with_the_ratio_upside_down(error, recovery):
    if recovery <= 0.5:
        return 1.0
    off = error / recovery / (1 - recovery / (1 - recovery)) if recovery < 1 else 0.0
    return off / (1 + off)


def level_without_r_in_the_first_step(error, recovery):
    if recovery <= 0.5:
        return 1.0
    off = error / (1 - (1 - recovery) / recovery)
    return off / (1 + off)


def level_with_the_first_flow_as_one_minus_r(error, recovery):
    if recovery <= 0.5:
        return 1.0
    if recovery == 1:
        return 0.0
    off = error / (1 - recovery) / (1 - (1 - recovery) / recovery)
    return off / (1 + off)


def level_with_the_first_flow_upside_down(error, recovery):
    if recovery <= 0.5:
        return 1.0
    off = recovery / error / (1 - (1 - recovery) / recovery)
    return off / (1 + off)


def level_with_error_and_recovery_swapped(error, recovery):
    return recovery / (recovery + 2 * error - 1) if error > 0.5 else 1.0


def level_as_error_not_repaired(error, recovery):
    return error * (1 - recovery)


def level_zero_with_full_recovery(error, recovery):
    return 0.0 if recovery == 1 else level_by_pencil(error, recovery)


def level_after_two_hundred_keys(error, recovery):
    return Figure1Chain(error=error, recovery=recovery, horizon=200).out_of_distribution()[-1]


def level_of_three_depths(error, recovery):
    if recovery <= 0.5:
        return 1.0
    off = sum(error / recovery * ((1 - recovery) / recovery) ** n for n in range(3))
    return off / (1 + off)


def level_as_mean_depth(error, recovery):
    if recovery <= 0.5:
        return 1.0
    ratio = (1 - recovery) / recovery
    return error / recovery / (1 - ratio) ** 2 * (1 - level_by_pencil(error, recovery))


def level_infinite_below_one_half(error, recovery):
    return error / (error + 2 * recovery - 1) if recovery > 0.5 else math.inf


def level_with_on_counted_twice(error, recovery):
    if recovery <= 0.5:
        return 1.0
    off = error / (2 * recovery - 1)
    return (1 + off) / (2 + off)


def level_over_one_minus_error(error, recovery):
    if recovery <= 0.5:
        return 1.0
    off = error / (1 - error) / (2 * recovery - 1)
    return off / (1 + off)


def level_one_for_few_recoveries_else_error(error, recovery):
    return 1.0 if recovery <= 0.5 else error


def level_of_thirty_depths(error, recovery):
    if recovery <= 0.5:
        return 1.0
    off = error / recovery * sum(((1 - recovery) / recovery) ** n for n in range(30))
    return off / (1 + off)


def off_with_error_kept_from_zero_and_one(error, horizon):
    return 1 - (1 - np.clip(error, 1e-3, 1 - 1e-3)) ** np.arange(horizon + 1)


RIGHT = {
    "compounding_error": [
        off_in_one_line,
        off_as_a_list_from_a_loop,
        off_by_summing_the_first_wrong_tokens,
        off_by_counting_all_numbers_of_wrong_tokens,
        off_in_torch_singles,
        off_in_torch_doubles,
        off_by_powers_of_a_two_state_chain,
        off_by_logarithms_in_a_tuple,
    ],
    "one_step": [
        step_by_slices,
        step_by_asking_where_from,
        step_by_sending_each_share_on,
        step_by_a_matrix,
        step_by_a_convolution,
        step_in_torch_singles,
        step_by_rolling_round,
    ],
    "level": [
        level_by_pencil,
        level_by_the_geometric_series,
        level_by_adding_depths_until_nothing_changes,
        level_by_time_away_and_time_at_home,
        level_in_torch_singles,
        level_in_fractions,
        level_from_the_library,
        level_by_a_linear_system,
    ],
}
WRONG = {  # answer → the mistake whose hint it must be told
    "compounding_error": {
        off_as_tokens_times_error: "chances_added",
        off_as_tokens_times_error_up_to_one: "chances_added_then_cut",
        on_instead_of_off: "on_instead_of_off",
        off_one_token_early: "clock_one_early",
        off_starting_at_error: "clock_one_early",
        all_tokens_wrong: "all_wrong",
        not_all_tokens_wrong: "not_all_wrong",
        first_wrong_token_exactly_here: "leaves_just_now",
        exactly_one_wrong_token: "exactly_one_wrong",
        each_token_alone: "last_token_only",
        off_with_an_exponential: "exponential",
        off_with_times_for_power: "starts_off_the_data",
        off_by_simulation: "close_as_a_simulation",
        off_adding_error_to_those_already_off: "lost_texts_err_again",
        off_with_errors_that_undo_each_other: "errors_undo_errors",
        off_with_error_kept_from_zero_and_one: "wrong_without_luck",
    },
    "one_step": {
        step_with_recovery_the_other_way: "recovery_swapped",
        step_with_error_the_other_way: "error_swapped",
        step_in_a_copy_read_again: "reads_what_it_wrote",
        step_with_zero_like_the_others: "recovery_in_place_of_error",
        step_with_recovery_for_the_first_mistake: "mass_lost_or_made",
        step_where_nobody_stays_on: "right_tokens_lost",
        step_where_nobody_comes_home: "mass_lost_or_made",
        step_with_the_matrix_on_the_left: "arrows_reversed",
        step_where_those_off_stay_put: "stays_put",
        step_with_one_backspace_for_all: "straight_home",
        step_without_backspace: "all_go_further",
        step_with_error_at_every_depth: "error_in_place_of_recovery",
        step_losing_the_last_depth: "mass_lost_or_made",
        step_rolled_round_the_end: "mass_lost_or_made",
        step_forgetting_those_who_return_to_one: "mass_lost_or_made",
        step_only_outwards_where_nobody_returns: "mass_lost_or_made",
        step_normalised_after_forgetting_the_deeper: "divided_by_its_sum",
        step_where_recovery_counts_for_typing_too: "mass_lost_or_made",
        step_taken_twice: "two_keys",
        step_with_errors_while_recovering: "backspace_may_fail",
        step_two_depths_per_wrong_token: "mass_lost_or_made",
    },
    "level": {
        level_on_the_data: "on_not_off",
        level_with_one_case: "series_past_its_reach",
        level_zero_below_one_half: "wrong_only_below_one_half",
        level_error_below_one_half: "wrong_only_below_one_half",
        level_infinite_below_one_half: "wrong_only_below_one_half",
        level_with_the_border_at_error: "border_at_the_error",
        level_of_two_states: "speed_home_forgets_new_tokens",
        level_of_two_states_with_one_case: "two_places",
        level_not_divided_by_the_sum: "odds_instead_of_share",
        level_only_of_depth_one: "off_by_one_only",
        level_with_one_ratio_from_the_start: "first_border_like_the_others",
        level_with_the_series_from_q: "series_starts_late",
        level_with_the_ratio_upside_down: "ratio_upside_down",
        level_without_r_in_the_first_step: "first_border_one_way",
        level_with_the_first_flow_as_one_minus_r: "wrong_only_above_one_half",
        level_with_the_first_flow_upside_down: "wrong_only_above_one_half",
        level_with_error_and_recovery_swapped: "error_and_recovery_swapped",
        level_as_error_not_repaired: "mistake_and_no_repair",
        level_zero_with_full_recovery: "repaired_at_once",
        level_after_two_hundred_keys: "not_for_ever",
        level_of_three_depths: "not_for_ever",
        level_of_thirty_depths: "not_for_ever",
        level_as_mean_depth: "mean_depth",
        level_with_on_counted_twice: "wrong_only_above_one_half",
        level_over_one_minus_error: "wrong_only_above_one_half",
        level_one_for_few_recoveries_else_error: "wrong_only_above_one_half",
    },
}
