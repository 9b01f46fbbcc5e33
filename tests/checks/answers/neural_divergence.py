"""Answers to notebooks/08_neural_divergence.ipynb, written from its text alone: right and wrong ones, of many kinds."""

import itertools
import math

import numpy as np
import torch


def soft(logits):
    """V of every row."""
    top = logits.max(axis=1)
    return top + np.log(np.exp(logits - top[:, None]).sum(axis=1))


def ahead_of(logits, state_of_action, absorbing_value):
    """V of the text that comes next, for every key."""
    return np.append(soft(logits)[state_of_action[1:]], absorbing_value)


# 8.1, right


def rewards_with_arrays(logits, state_of_action, pressed, typed, absorbing_value, gamma):
    return logits[state_of_action, pressed] - gamma * ahead_of(logits, state_of_action, absorbing_value)


def rewards_in_a_loop_backwards(logits, state_of_action, pressed, typed, absorbing_value, gamma):
    value, rewards = absorbing_value, []
    for row, key in reversed(list(zip(state_of_action, pressed, strict=True))):
        rewards.insert(0, logits[row][key] - gamma * value)
        value = math.log(sum(math.exp(logit) for logit in logits[row]))
    return rewards


def rewards_in_torch(logits, state_of_action, pressed, typed, absorbing_value, gamma):
    logits, rows = torch.as_tensor(logits), torch.as_tensor(state_of_action)
    values = torch.cat([torch.logsumexp(logits, dim=1)[rows], torch.tensor([absorbing_value], dtype=logits.dtype)])
    return logits[rows, torch.as_tensor(pressed)] - gamma * values[1:]


def rewards_in_single_precision(logits, state_of_action, pressed, typed, absorbing_value, gamma):
    logits = torch.as_tensor(logits).float()
    return rewards_in_torch(logits, state_of_action, pressed, typed, absorbing_value, gamma)


def rewards_by_way_of_the_policy(logits, state_of_action, pressed, typed, absorbing_value, gamma):
    """r = log π(a|s) + V(s) - γ V(s'), and V(s) = ℓ(0|s) - log π(0|s)."""
    policy = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    values = logits[:, 0] - np.log(policy[:, 0])
    along = [*values[state_of_action], absorbing_value]
    log_policy = np.log(policy[state_of_action, pressed])
    return np.array([q + here - gamma * ahead for q, (here, ahead) in zip(log_policy, itertools.pairwise(along))])


def rewards_with_the_end_as_one_more_row(logits, state_of_action, pressed, typed, absorbing_value, gamma):
    values = np.append(np.logaddexp.reduce(logits, axis=1), absorbing_value)
    following = np.roll(state_of_action, -1)
    following[-1] = -1
    return logits[state_of_action, pressed] - gamma * values[following]


# 8.1, wrong


def logit_of_what_came_out(logits, state_of_action, pressed, typed, absorbing_value, gamma):
    return rewards_with_arrays(logits, state_of_action, typed, typed, absorbing_value, gamma)


def logits_alone(logits, state_of_action, pressed, typed, absorbing_value, gamma):
    return logits[state_of_action, pressed]


def value_of_the_text_she_is_at(logits, state_of_action, pressed, typed, absorbing_value, gamma):
    return logits[state_of_action, pressed] - gamma * soft(logits)[state_of_action]


def value_ahead_without_discount(logits, state_of_action, pressed, typed, absorbing_value, gamma):
    return rewards_with_arrays(logits, state_of_action, pressed, typed, absorbing_value, 1.0)


def next_input_in_the_row(logits, state_of_action, pressed, typed, absorbing_value, gamma):
    """After ⌫ that is not the text that comes next."""
    values = np.append(soft(logits), absorbing_value)
    return logits[state_of_action, pressed] - gamma * values[state_of_action + 1]


def nothing_after_enter(logits, state_of_action, pressed, typed, absorbing_value, gamma):
    return rewards_with_arrays(logits, state_of_action, pressed, typed, 0.0, gamma)


def she_stays_at_the_last_text(logits, state_of_action, pressed, typed, absorbing_value, gamma):
    last = soft(logits)[state_of_action[-1]]
    return rewards_with_arrays(logits, state_of_action, pressed, typed, last, gamma)


def largest_logit_for_the_value(logits, state_of_action, pressed, typed, absorbing_value, gamma):
    ahead = np.append(logits.max(axis=1)[state_of_action[1:]], absorbing_value)
    return logits[state_of_action, pressed] - gamma * ahead


def mean_logit_for_the_value(logits, state_of_action, pressed, typed, absorbing_value, gamma):
    policy = np.exp(logits - soft(logits)[:, None])
    ahead = np.append((policy * logits).sum(axis=1)[state_of_action[1:]], absorbing_value)
    return logits[state_of_action, pressed] - gamma * ahead


def sum_of_exponentials_without_log(logits, state_of_action, pressed, typed, absorbing_value, gamma):
    ahead = np.append(np.exp(logits).sum(axis=1)[state_of_action[1:]], absorbing_value)
    return logits[state_of_action, pressed] - gamma * ahead


def logit_of_the_next_key(logits, state_of_action, pressed, typed, absorbing_value, gamma):
    """As in SARSA: ℓ(a'|s') in place of V(s')."""
    along = logits[state_of_action, pressed]
    return along - gamma * np.append(along[1:], absorbing_value)


def value_of_the_text_she_is_at_but_right_at_the_end(logits, state_of_action, pressed, typed, absorbing_value, gamma):
    values = np.log(np.exp(logits).sum(axis=1))
    ahead = [values[state] for state in state_of_action[:-1]] + [absorbing_value]
    return logits[state_of_action, pressed] - gamma * np.array(ahead)


def rewards_already_discounted(logits, state_of_action, pressed, typed, absorbing_value, gamma):
    rewards = rewards_with_arrays(logits, state_of_action, pressed, typed, absorbing_value, gamma)
    return rewards * gamma ** np.arange(len(rewards))


def log_probability_for_the_logit(logits, state_of_action, pressed, typed, absorbing_value, gamma):
    rewards = rewards_with_arrays(logits, state_of_action, pressed, typed, absorbing_value, gamma)
    return rewards - soft(logits)[state_of_action]


def value_ahead_added(logits, state_of_action, pressed, typed, absorbing_value, gamma):
    return rewards_with_arrays(logits, state_of_action, pressed, typed, absorbing_value, -gamma)


def absorbing_value_without_discount(logits, state_of_action, pressed, typed, absorbing_value, gamma):
    rewards = rewards_with_arrays(logits, state_of_action, pressed, typed, 0.0, gamma)
    rewards[-1] -= absorbing_value
    return rewards


def next_input_in_the_row_but_at_the_end(logits, state_of_action, pressed, typed, absorbing_value, gamma):
    ahead = np.append(soft(logits), absorbing_value)[state_of_action + 1]
    ahead[-1] = absorbing_value
    return logits[state_of_action, pressed] - gamma * ahead


def logarithm_of_the_mean(logits, state_of_action, pressed, typed, absorbing_value, gamma):
    ahead = np.append(np.log(np.exp(logits).mean(axis=1))[state_of_action[1:]], absorbing_value)
    return logits[state_of_action, pressed] - gamma * ahead


def values_rolled(logits, state_of_action, pressed, typed, absorbing_value, gamma):
    return logits[state_of_action, pressed] - gamma * np.roll(soft(logits)[state_of_action], -1)


def row_number_i_from_the_first_again(logits, state_of_action, pressed, typed, absorbing_value, gamma):
    rows = np.arange(len(pressed)) % len(logits)
    return rewards_with_arrays(logits, rows, pressed, typed, absorbing_value, gamma)


def row_number_i_for_key_number_i(logits, state_of_action, pressed, typed, absorbing_value, gamma):
    rows = np.minimum(np.arange(len(pressed)), len(logits) - 1)
    return rewards_with_arrays(logits, rows, pressed, typed, absorbing_value, gamma)


# 8.2, right


def gradient_by_counting(logits, ahead, keys):
    share = np.bincount(keys, minlength=len(logits)) / len(keys)
    return 2 * share * (logits - ahead)


def gradient_in_a_loop(logits, ahead, keys):
    gradient = [0.0] * len(logits)
    for key in keys:
        gradient[key] += 2 * (logits[key] - ahead[key]) / len(keys)
    return gradient


def gradient_by_autograd(logits, ahead, keys):
    unknowns = torch.tensor(logits, dtype=torch.float64, requires_grad=True)
    rewards = unknowns - torch.tensor(ahead, dtype=torch.float64)
    (rewards[torch.tensor(keys)] ** 2).mean().backward()
    return unknowns.grad


def gradient_in_single_precision(logits, ahead, keys):
    rewards = torch.tensor(logits, dtype=torch.float32) - torch.tensor(ahead, dtype=torch.float32)
    return 2 * torch.nn.functional.one_hot(torch.tensor(keys), len(logits)).float().mean(dim=0) * rewards


def gradient_by_differences(logits, ahead, keys):
    """The mean is a parabola in every logit: central differences are exact, but for rounding."""
    logits = np.asarray(logits, dtype=float)

    def mean(moved):
        return np.mean((moved[keys] - ahead[keys]) ** 2)

    return [(mean(logits + unit) - mean(logits - unit)) / 2 for unit in np.eye(len(logits))]


# 8.2, wrong


def gradient_of_the_sum(logits, ahead, keys):
    return gradient_by_counting(logits, ahead, keys) * len(keys)


def factor_two_missing(logits, ahead, keys):
    return gradient_by_counting(logits, ahead, keys) / 2


def repeated_keys_once(logits, ahead, keys):
    """numpy's += with a list of indices does not add twice."""
    gradient = np.zeros(len(logits))
    gradient[keys] += 2 * (logits - ahead)[keys] / len(keys)
    return gradient


def each_seen_key_alike(logits, ahead, keys):
    seen = np.unique(keys)
    gradient = np.zeros(len(logits))
    gradient[seen] = 2 * (logits - ahead)[seen] / len(seen)
    return gradient


def every_key_whether_seen_or_not(logits, ahead, keys):
    return 2 * (logits - ahead)


def mean_over_all_keys(logits, ahead, keys):
    return 2 * (logits - ahead) / len(logits)


def softmax(logits):
    powers = np.exp(logits - np.max(logits))
    return powers / powers.sum()


def policy_for_the_samples(logits, ahead, keys):
    return 2 * softmax(logits) * (logits - ahead)


def samples_that_move(logits, ahead, keys):
    unknowns = torch.tensor(logits, dtype=torch.float64, requires_grad=True)
    rewards = unknowns - torch.tensor(ahead)
    (torch.softmax(unknowns, dim=0) * rewards**2).sum().backward()
    return unknowns.grad.numpy()


def samples_fixed_and_policy_moved(logits, ahead, keys):
    policy = np.exp(logits) / np.exp(logits).sum()
    rewards = logits - ahead
    seen = np.array([np.mean(keys == a) for a in range(len(logits))])
    return 2 * rewards * seen + policy * (rewards**2 - np.sum(policy * rewards**2))


def samples_that_move_by_their_score(logits, ahead, keys):
    """As in REINFORCE: r² times d log π, besides the right gradient."""
    squares = (logits - ahead)[keys] ** 2
    score = (np.eye(len(logits))[keys] - softmax(logits)) * squares[:, None]
    return gradient_by_counting(logits, ahead, keys) + score.mean(axis=0)


def descent_direction(logits, ahead, keys):
    return -gradient_by_counting(logits, ahead, keys)


def square_not_differentiated(logits, ahead, keys):
    return np.bincount(keys, minlength=len(logits)) / len(keys) * (logits - ahead) ** 2


def logits_without_ahead(logits, ahead, keys):
    return gradient_by_counting(logits, 0 * ahead, keys)


def log_probabilities_for_logits(logits, ahead, keys):
    return gradient_by_counting(np.log(softmax(logits)), ahead, keys)


def square_of_the_mean(logits, ahead, keys):
    share = np.bincount(keys, minlength=len(logits)) / len(keys)
    return 2 * share * (share @ (logits - ahead))


def log_probabilities_by_autograd(logits, ahead, keys):
    """r = log π - ahead, and autograd goes through the softmax."""
    unknowns = torch.tensor(logits, dtype=torch.float64, requires_grad=True)
    rewards = torch.log_softmax(unknowns, dim=0) - torch.tensor(ahead)
    (rewards[torch.tensor(keys)] ** 2).mean().backward()
    return unknowns.grad.numpy()


# 8.3, right


def fine_with_arrays(rewards, off_data, edge, alpha, gamma):
    discounts = gamma ** np.arange(len(rewards))
    return (discounts * np.maximum(0, edge / alpha - rewards))[off_data].sum()


def fine_in_a_loop(rewards, off_data, edge, alpha, gamma):
    fine, weight = 0.0, 1.0
    for reward, off in zip(rewards, off_data, strict=True):
        if off and alpha * reward < edge:
            fine += weight * (edge / alpha - reward)
        weight *= gamma
    return fine


def fine_in_torch(rewards, off_data, edge, alpha, gamma):
    below = torch.relu(edge / alpha - torch.as_tensor(rewards)) * torch.as_tensor(off_data)
    return below @ gamma ** torch.arange(len(rewards), dtype=torch.float64)


def fine_in_single_precision(rewards, off_data, edge, alpha, gamma):
    below = torch.clamp(edge / alpha - torch.tensor(rewards, dtype=torch.float32), min=0)
    return torch.where(torch.tensor(off_data), below, 0) @ gamma ** torch.arange(len(rewards), dtype=torch.float32)


def fine_from_the_end(rewards, off_data, edge, alpha, gamma):
    """Horner: fine_i = now + γ fine_{i+1}; and max(0, e/α - r) = e/α - min(r, e/α)."""
    if edge == -math.inf:
        return 0
    fine = 0.0
    for reward, off in zip(list(rewards)[::-1], list(off_data)[::-1], strict=True):
        fine = bool(off) * (edge / alpha - min(reward, edge / alpha)) + gamma * fine
    return fine


# 8.3, wrong


def fine_without_discount(rewards, off_data, edge, alpha, gamma):
    return fine_with_arrays(rewards, off_data, edge, alpha, 1.0)


def fine_on_and_off_the_data(rewards, off_data, edge, alpha, gamma):
    return fine_with_arrays(rewards, np.ones_like(off_data), edge, alpha, gamma)


def fine_on_the_data(rewards, off_data, edge, alpha, gamma):
    return fine_with_arrays(rewards, ~off_data, edge, alpha, gamma)


def edge_of_the_reward_itself(rewards, off_data, edge, alpha, gamma):
    """max(0, e - r), α forgotten."""
    return fine_with_arrays(rewards, off_data, edge, 1.0, gamma)


def edge_times_alpha(rewards, off_data, edge, alpha, gamma):
    return fine_with_arrays(rewards, off_data, edge, 1 / alpha, gamma)


def fine_in_units_of_alpha_r(rewards, off_data, edge, alpha, gamma):
    """max(0, e - αr)."""
    return alpha * fine_with_arrays(rewards, off_data, edge, alpha, gamma)


def fine_above_the_edge(rewards, off_data, edge, alpha, gamma):
    discounts = gamma ** np.arange(len(rewards))
    return (discounts * np.maximum(0, rewards - edge / alpha))[off_data].sum()


def nobody_stops_at_zero(rewards, off_data, edge, alpha, gamma):
    return (gamma ** np.arange(len(rewards)) * (edge / alpha - rewards))[off_data].sum()


def distance_from_the_edge(rewards, off_data, edge, alpha, gamma):
    return (gamma ** np.arange(len(rewards)) * np.abs(edge / alpha - rewards))[off_data].sum()


def sum_cut_at_zero(rewards, off_data, edge, alpha, gamma):
    """max(0, the sum), in place of the sum of the max."""
    return max(0.0, nobody_stops_at_zero(rewards, off_data, edge, alpha, gamma))


def clock_stands_still_on_the_data(rewards, off_data, edge, alpha, gamma):
    below = np.maximum(0, edge / alpha - rewards)[off_data]
    return (gamma ** np.arange(len(below)) * below).sum()


def break_on_the_data(rewards, off_data, edge, alpha, gamma):
    fine = 0.0
    for i, (reward, off) in enumerate(zip(rewards, off_data, strict=True)):
        if not off:
            break
        fine += gamma**i * max(0.0, edge / alpha - reward)
    return fine


def no_edge_if_not_edge(rewards, off_data, edge, alpha, gamma):
    return fine_with_arrays(rewards, off_data, edge, alpha, gamma) if edge else 0.0


def clock_one_step_late(rewards, off_data, edge, alpha, gamma):
    return gamma * fine_with_arrays(rewards, off_data, edge, alpha, gamma)


def fine_with_a_square(rewards, off_data, edge, alpha, gamma):
    discounts = gamma ** np.arange(len(rewards))
    return (discounts * np.maximum(0, edge / alpha - rewards) ** 2)[off_data].sum()


def steps_below_counted(rewards, off_data, edge, alpha, gamma):
    return (gamma ** np.arange(len(rewards)) * (rewards < edge / alpha))[off_data].sum()


def fine_as_an_occupancy_average(rewards, off_data, edge, alpha, gamma):
    return (1 - gamma) * fine_with_arrays(rewards, off_data, edge, alpha, gamma)


def mean_over_the_steps(rewards, off_data, edge, alpha, gamma):
    return fine_with_arrays(rewards, off_data, edge, alpha, gamma) / len(rewards)


def fine_with_kappa(rewards, off_data, edge, alpha, gamma):
    return 2 * fine_with_arrays(rewards, off_data, edge, alpha, gamma)


def fine_with_its_sign_turned(rewards, off_data, edge, alpha, gamma):
    return -fine_with_arrays(rewards, off_data, edge, alpha, gamma)


def edge_with_its_sign_turned(rewards, off_data, edge, alpha, gamma):
    return fine_with_arrays(rewards, off_data, -edge, alpha, gamma)


def fine_of_forty_steps(rewards, off_data, edge, alpha, gamma):
    return fine_with_arrays(rewards[:40], off_data[:40], edge, alpha, gamma)


# 8.4, right


def chances(values, pressed, noise):
    """P(s'|s,a), (8.2)."""
    p = np.full(len(values), noise / (len(values) - 1))
    p[pressed] = 1 - noise
    return p


def variance(p, values):
    return p @ (values - p @ values) ** 2


def price_with_arrays(values, pressed, noise, gamma, alpha):
    return alpha / 4 * gamma**2 * variance(chances(values, pressed, noise), values)


def price_in_a_loop(values, pressed, noise, gamma, alpha):
    mean = square = 0.0
    for letter, value in enumerate(values):
        p = 1 - noise if letter == pressed else noise / (len(values) - 1)
        mean, square = mean + p * value, square + p * value**2
    return alpha * gamma**2 * (square - mean**2) / 4


def price_by_pairs(values, pressed, noise, gamma, alpha):
    """Var V = half the mean of (V - V')² over two throws."""
    p = chances(values, pressed, noise)
    return alpha / 8 * gamma**2 * (p @ np.subtract.outer(values, values) ** 2 @ p)


def price_as_two_scores(values, pressed, noise, gamma, alpha):
    """(8.6), right side less left side, at a logit of 0."""
    p, rewards = chances(values, pressed, noise), -gamma * np.asarray(values)
    mean = p @ rewards
    return (mean - alpha / 4 * mean**2) - p @ (rewards - alpha / 4 * rewards**2)


def price_in_torch(values, pressed, noise, gamma, alpha):
    values = torch.as_tensor(values)
    p = torch.full_like(values, noise / (len(values) - 1))
    p[pressed] = 1 - noise
    return alpha / 4 * gamma**2 * (p * (values - p @ values) ** 2).sum()


def price_in_single_precision(values, pressed, noise, gamma, alpha):
    return price_in_torch(torch.as_tensor(values).float(), pressed, noise, gamma, alpha)


# 8.4, wrong


def discount_not_squared(values, pressed, noise, gamma, alpha):
    return price_with_arrays(values, pressed, noise, gamma**0.5, alpha)


def variance_without_discount(values, pressed, noise, gamma, alpha):
    return price_with_arrays(values, pressed, noise, 1.0, alpha)


def quarter_missing(values, pressed, noise, gamma, alpha):
    return 4 * price_with_arrays(values, pressed, noise, gamma, alpha)


def alpha_missing(values, pressed, noise, gamma, alpha):
    return price_with_arrays(values, pressed, noise, gamma, 1.0)


def variance_alone(values, pressed, noise, gamma, alpha):
    return variance(chances(values, pressed, noise), values)


def standard_deviation(values, pressed, noise, gamma, alpha):
    return alpha / 4 * gamma**2 * variance_alone(values, pressed, noise, gamma, alpha) ** 0.5


def all_letters_alike(values, pressed, noise, gamma, alpha):
    return alpha / 4 * gamma**2 * np.var(values)


def each_other_letter_with_the_whole_chance(values, pressed, noise, gamma, alpha):
    p = np.full(len(values), float(noise))
    p[pressed] = 1 - noise
    return alpha / 4 * gamma**2 * (p @ values**2 - (p @ values) ** 2)


def slips_to_the_letter_meant(values, pressed, noise, gamma, alpha):
    p = np.full(len(values), noise / len(values))
    p[pressed] += 1 - noise
    return alpha / 4 * gamma**2 * variance(p, values)


def chances_that_do_not_sum_to_one(values, pressed, noise, gamma, alpha):
    p = np.full(len(values), noise / len(values))
    p[pressed] = 1 - noise
    return alpha / 4 * gamma**2 * (p @ values**2 - (p @ values) ** 2)


def chances_turned_round(values, pressed, noise, gamma, alpha):
    p = np.full(len(values), (1 - noise) / (len(values) - 1))
    p[pressed] = noise
    return alpha / 4 * gamma**2 * variance(p, values)


def only_the_slips(values, pressed, noise, gamma, alpha):
    return alpha / 4 * gamma**2 * np.var(np.delete(values, pressed))


def mean_of_the_square(values, pressed, noise, gamma, alpha):
    return alpha / 4 * gamma**2 * (chances(values, pressed, noise) @ values**2)


def square_of_the_mean_value(values, pressed, noise, gamma, alpha):
    return alpha / 4 * gamma**2 * (chances(values, pressed, noise) @ values) ** 2


def spread_around_the_letter_meant(values, pressed, noise, gamma, alpha):
    return alpha / 4 * gamma**2 * (chances(values, pressed, noise) @ (values - values[pressed]) ** 2)


def spread_around_the_plain_mean(values, pressed, noise, gamma, alpha):
    return alpha / 4 * gamma**2 * (chances(values, pressed, noise) @ (values - values.mean()) ** 2)


def variance_of_weighted_values(values, pressed, noise, gamma, alpha):
    return alpha / 4 * gamma**2 * np.var(chances(values, pressed, noise) * values)


def price_below_zero(values, pressed, noise, gamma, alpha):
    return -price_with_arrays(values, pressed, noise, gamma, alpha)


def alpha_squared(values, pressed, noise, gamma, alpha):
    return alpha * price_with_arrays(values, pressed, noise, gamma, alpha)


RIGHT = {
    "rewards_along_a_walk": [
        rewards_with_arrays,
        rewards_in_a_loop_backwards,
        rewards_in_torch,
        rewards_in_single_precision,
        rewards_by_way_of_the_policy,
        rewards_with_the_end_as_one_more_row,
    ],
    "gradient_with_samples_held_fixed": [
        gradient_by_counting,
        gradient_in_a_loop,
        gradient_by_autograd,
        gradient_in_single_precision,
        gradient_by_differences,
    ],
    "fine_below_the_edge": [
        fine_with_arrays,
        fine_in_a_loop,
        fine_in_torch,
        fine_in_single_precision,
        fine_from_the_end,
    ],
    "price_of_one_sample": [
        price_with_arrays,
        price_in_a_loop,
        price_by_pairs,
        price_as_two_scores,
        price_in_torch,
        price_in_single_precision,
    ],
}
WRONG = {  # answer → the mistake whose hint it must be told
    "rewards_along_a_walk": {
        logit_of_what_came_out: "logit_of_the_typed_key",
        logits_alone: "future_ignored",
        value_of_the_text_she_is_at: "value_of_this_text",
        value_of_the_text_she_is_at_but_right_at_the_end: "value_of_this_text_but_at_the_end",
        value_ahead_without_discount: "discount_forgotten",
        next_input_in_the_row: "end_of_the_row_is_the_end",
        nothing_after_enter: "nothing_after_the_end",
        she_stays_at_the_last_text: "stays_at_the_last_text",
        largest_logit_for_the_value: "best_key_next",
        mean_logit_for_the_value: "choice_worth_nothing",
        sum_of_exponentials_without_log: "logarithm_forgotten",
        logit_of_the_next_key: "logit_of_the_key_after",
        rewards_already_discounted: "weighed_by_time",
        log_probability_for_the_logit: "log_probability_less_the_future",
        value_ahead_added: "future_added",
        absorbing_value_without_discount: "absorbing_value_not_discounted",
        next_input_in_the_row_but_at_the_end: "input_that_was_fed_next",
        logarithm_of_the_mean: "mean_of_exponentials",
        values_rolled: "first_text_after_the_end",
        row_number_i_from_the_first_again: "number_of_the_key_as_input",
        row_number_i_for_key_number_i: "number_of_the_key_as_input",
    },
    "gradient_with_samples_held_fixed": {
        gradient_of_the_sum: "samples_added_up",
        factor_two_missing: "two_forgotten",
        repeated_keys_once: "repeats_counted_once",
        each_seen_key_alike: "kinds_of_keys_averaged",
        every_key_whether_seen_or_not: "every_key_in_full",
        mean_over_all_keys: "every_key_once",
        policy_for_the_samples: "policy_in_place_of_samples",
        samples_that_move: "samples_let_go",
        samples_that_move_by_their_score: "drawing_differentiated",
        samples_fixed_and_policy_moved: "change_of_the_policy_added",
        descent_direction: "way_down",
        square_not_differentiated: "square_not_differentiated",
        logits_without_ahead: "future_left_out",
        log_probabilities_for_logits: "probability_for_logit",
        square_of_the_mean: "square_of_the_mean",
        log_probabilities_by_autograd: "own_value_differentiated",
    },
    "fine_below_the_edge": {
        fine_without_discount: "steps_not_weighed",
        fine_on_and_off_the_data: "data_fined_too",
        fine_on_the_data: "data_fined_alone",
        edge_of_the_reward_itself: "edge_in_other_units",
        edge_times_alpha: "edge_times_alpha",
        fine_in_units_of_alpha_r: "fine_in_other_units",
        fine_above_the_edge: "good_rewards_fined",
        nobody_stops_at_zero: "prize_above_the_edge",
        distance_from_the_edge: "fined_on_both_sides",
        sum_cut_at_zero: "good_steps_make_up_for_bad",
        clock_stands_still_on_the_data: "clock_stopped_on_the_data",
        break_on_the_data: "stopped_on_the_data",
        no_edge_if_not_edge: "edge_at_zero_overlooked",
        clock_one_step_late: "clock_one_late",
        fine_with_a_square: "squared",
        steps_below_counted: "steps_below_counted",
        fine_as_an_occupancy_average: "share_of_time",
        mean_over_the_steps: "mean_over_steps",
        fine_with_kappa: "factor_included",
        fine_with_its_sign_turned: "fine_is_negative",
        edge_with_its_sign_turned: "edge_above_zero",
        fine_of_forty_steps: "first_steps_alone",
    },
    "price_of_one_sample": {
        discount_not_squared: "discount_not_squared",
        variance_without_discount: "discount_left_out",
        quarter_missing: "quarter_forgotten",
        alpha_missing: "alpha_forgotten",
        variance_alone: "variance_alone",
        standard_deviation: "standard_deviation",
        all_letters_alike: "any_letter_alike",
        each_other_letter_with_the_whole_chance: "slip_not_shared",
        slips_to_the_letter_meant: "slips_to_itself",
        chances_that_do_not_sum_to_one: "slip_shared_by_one_too_many",
        chances_turned_round: "noise_turned_round",
        only_the_slips: "slips_only",
        mean_of_the_square: "square_not_centred",
        square_of_the_mean_value: "reward_of_the_mean",
        spread_around_the_letter_meant: "spread_about_the_meant_text",
        spread_around_the_plain_mean: "spread_about_the_plain_mean",
        variance_of_weighted_values: "products_spread",
        price_below_zero: "price_is_negative",
        alpha_squared: "alpha_squared",
    },
}
