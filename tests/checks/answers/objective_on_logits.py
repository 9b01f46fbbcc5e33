"""Answers to notebooks/05_objective_on_logits.ipynb, written from its text alone: right ones of many
kinds, and wrong ones that students give."""

import math

import numpy as np
import torch

# ---------------------------------------------------------------- 5.1


def summands_with_a_loop(values, gamma):
    summands = []
    for i in range(len(values) - 1):
        summands.append(gamma**i * (values[i] - gamma * values[i + 1]))
    summands.append(gamma ** (len(values) - 1) * values[-1])
    return summands


def summands_with_a_zero_ahead(values, gamma):
    return gamma ** np.arange(len(values)) * (values - gamma * np.append(values[1:], 0))


def summands_of_discounted_values(values, gamma):
    discounted = gamma ** np.arange(len(values)) * values
    return -np.diff(discounted, append=0.0)


def summands_with_a_matrix(values, gamma):
    n = len(values)
    return np.diag(gamma ** np.arange(n)) @ (np.eye(n) - gamma * np.eye(n, k=1)) @ values


def summands_in_a_copy(values, gamma):
    summands = values.copy()
    summands[:-1] -= gamma * values[1:]
    summands *= gamma ** np.arange(len(values))
    return summands


def summands_by_recursion(values, gamma):
    if len(values) == 1:
        return np.array(values)
    rest = summands_by_recursion(values[1:], gamma)
    return np.concatenate([[values[0] - gamma * values[1]], gamma * rest])


def summands_in_torch(values, gamma):
    values = torch.as_tensor(values, dtype=torch.float64)
    ahead = torch.cat([values[1:], torch.zeros(1, dtype=torch.float64)])
    return gamma ** torch.arange(len(values)) * (values - gamma * ahead)


def summands_in_single_precision(values, gamma):
    values = torch.tensor(np.asarray(values), dtype=torch.float32)
    steps = gamma ** torch.arange(len(values) - 1) * (values[:-1] - gamma * values[1:])
    return torch.cat([steps, gamma ** (len(values) - 1) * values[-1:]])


def no_last_summand(values, gamma):
    return gamma ** np.arange(len(values) - 1) * (values[:-1] - gamma * values[1:])


def zero_for_the_last(values, gamma):
    return np.append(no_last_summand(values, gamma), 0.0)


def running_sums(values, gamma):
    return np.cumsum(summands_with_a_zero_ahead(values, gamma))


def no_weights(values, gamma):
    return values - gamma * np.append(values[1:], 0)


def value_ahead_not_discounted(values, gamma):
    return gamma ** np.arange(len(values)) * (values - np.append(values[1:], 0))


def last_not_weighed(values, gamma):
    return np.append(no_last_summand(values, gamma), values[-1])


def last_weighed_once_too_often(values, gamma):
    return np.append(no_last_summand(values, gamma), gamma ** len(values) * values[-1])


def last_as_one_step_of_staying(values, gamma):
    return np.append(no_last_summand(values, gamma), gamma ** (len(values) - 1) * (1 - gamma) * values[-1])


def last_as_endless_sum_of_values(values, gamma):
    return np.append(no_last_summand(values, gamma), gamma ** (len(values) - 1) / (1 - gamma) * values[-1])


def weights_from_one(values, gamma):
    return gamma * summands_with_a_zero_ahead(values, gamma)


def ahead_less_here(values, gamma):
    return np.append(-no_last_summand(values, gamma), gamma ** (len(values) - 1) * values[-1])


def first_after_last(values, gamma):
    return gamma ** np.arange(len(values)) * (values - gamma * np.roll(values, -1))


def value_behind(values, gamma):
    return gamma ** np.arange(len(values)) * (values - gamma * np.append(0, values[:-1]))


def discount_on_value_here(values, gamma):
    steps = gamma ** np.arange(len(values) - 1) * (gamma * values[:-1] - values[1:])
    return np.append(steps, gamma ** (len(values) - 1) * values[-1])


def times_instead_of_power(values, gamma):
    return gamma * np.arange(len(values)) * (values - gamma * np.append(values[1:], 0))


def discounted_values_only(values, gamma):
    return gamma ** np.arange(len(values)) * values


def plus_value_ahead(values, gamma):
    return gamma ** np.arange(len(values)) * (values + gamma * np.append(values[1:], 0))


# ---------------------------------------------------------------- 5.2


def data_term_with_a_loop(rewards, absorbing_value, gamma, alpha):
    total = 0.0
    for i, r in enumerate(rewards):
        total += gamma**i * (r - alpha / 4 * r**2)
    r = (1 - gamma) * absorbing_value
    return float(total + gamma ** len(rewards) / (1 - gamma) * (r - alpha / 4 * r**2))


def data_term_with_phi(rewards, absorbing_value, gamma, alpha):
    def phi(x):
        return x - x**2 / 4

    steps = gamma ** np.arange(len(rewards)) @ phi(alpha * rewards) / alpha
    after = gamma ** len(rewards) / (1 - gamma)
    return steps + after * phi(alpha * (1 - gamma) * absorbing_value) / alpha


def data_term_with_very_many_steps(rewards, absorbing_value, gamma, alpha):
    many = math.ceil(math.log(1e-16) / math.log(gamma))
    rewards = np.append(rewards, np.full(many, absorbing_value - gamma * absorbing_value))
    return np.sum(gamma ** np.arange(len(rewards)) * (rewards - alpha * rewards**2 / 4))


def data_term_backwards(rewards, absorbing_value, gamma, alpha):
    total = absorbing_value - alpha / 4 * (1 - gamma) * absorbing_value**2
    for r in reversed(list(rewards)):
        total = r - alpha * r * r / 4 + gamma * total
    return total


def data_term_completing_the_square(rewards, absorbing_value, gamma, alpha):
    every = np.append(rewards, (1 - gamma) * absorbing_value)
    weights = np.append(gamma ** np.arange(len(rewards)), gamma ** len(rewards) / (1 - gamma))
    return (weights.sum() - weights @ (1 - alpha * every / 2) ** 2) / alpha


def data_term_in_torch(rewards, absorbing_value, gamma, alpha):
    rewards = torch.as_tensor(rewards, dtype=torch.float64)
    tail = gamma ** len(rewards) * (absorbing_value - alpha / 4 * (1 - gamma) * absorbing_value**2)
    return (gamma ** torch.arange(len(rewards)) * (rewards - alpha / 4 * rewards.square())).sum() + tail


def data_term_in_single_precision(rewards, absorbing_value, gamma, alpha):
    rewards = torch.tensor(np.asarray(rewards), dtype=torch.float32)
    last = torch.tensor((1 - gamma) * absorbing_value, dtype=torch.float32)
    steps = (gamma ** torch.arange(len(rewards)) * (rewards - alpha / 4 * rewards**2)).sum()
    return steps + gamma ** len(rewards) / (1 - gamma) * (last - alpha / 4 * last**2)


def data_term(rewards, last, gamma, c):
    steps = np.sum(gamma ** np.arange(len(rewards)) * (rewards - c * rewards**2))
    return steps + gamma ** len(rewards) / (1 - gamma) * (last - c * last**2)


def stopping_at_enter(rewards, absorbing_value, gamma, alpha):
    return np.sum(gamma ** np.arange(len(rewards)) * (rewards - alpha / 4 * rewards**2))


def one_step_after_enter(rewards, absorbing_value, gamma, alpha):
    last = (1 - gamma) * absorbing_value
    tail = gamma ** len(rewards) * (last - alpha / 4 * last**2)
    return stopping_at_enter(rewards, absorbing_value, gamma, alpha) + tail


def earning_the_value_after_enter(rewards, absorbing_value, gamma, alpha):
    return data_term(rewards, absorbing_value, gamma, alpha / 4)


def tail_a_step_late(rewards, absorbing_value, gamma, alpha):
    last = (1 - gamma) * absorbing_value
    tail = gamma ** (len(rewards) + 1) / (1 - gamma) * (last - alpha / 4 * last**2)
    return stopping_at_enter(rewards, absorbing_value, gamma, alpha) + tail


def tail_a_step_early(rewards, absorbing_value, gamma, alpha):
    last = (1 - gamma) * absorbing_value
    tail = gamma ** (len(rewards) - 1) / (1 - gamma) * (last - alpha / 4 * last**2)
    return stopping_at_enter(rewards, absorbing_value, gamma, alpha) + tail


def tail_not_discounted(rewards, absorbing_value, gamma, alpha):
    last = (1 - gamma) * absorbing_value
    return stopping_at_enter(rewards, absorbing_value, gamma, alpha) + (last - alpha / 4 * last**2) / (1 - gamma)


def tail_without_its_square(rewards, absorbing_value, gamma, alpha):
    return stopping_at_enter(rewards, absorbing_value, gamma, alpha) + gamma ** len(rewards) * absorbing_value


def steps_not_discounted(rewards, absorbing_value, gamma, alpha):
    last = (1 - gamma) * absorbing_value
    tail = gamma ** len(rewards) / (1 - gamma) * (last - alpha / 4 * last**2)
    return np.sum(rewards - alpha / 4 * rewards**2) + tail


def alpha_inside_only(rewards, absorbing_value, gamma, alpha):
    return alpha * data_term(rewards, (1 - gamma) * absorbing_value, gamma, alpha / 4)


def alpha_squared(rewards, absorbing_value, gamma, alpha):
    return data_term(rewards, (1 - gamma) * absorbing_value, gamma, alpha**2 / 4)


def alpha_outside_only(rewards, absorbing_value, gamma, alpha):
    return data_term(rewards, (1 - gamma) * absorbing_value, gamma, 1 / 4) / alpha


def quarter_forgotten(rewards, absorbing_value, gamma, alpha):
    return data_term(rewards, (1 - gamma) * absorbing_value, gamma, alpha)


def half_for_a_quarter(rewards, absorbing_value, gamma, alpha):
    return data_term(rewards, (1 - gamma) * absorbing_value, gamma, alpha / 2)


def alpha_cancelled_away(rewards, absorbing_value, gamma, alpha):
    return data_term(rewards, (1 - gamma) * absorbing_value, gamma, 1 / 4)


def alpha_below(rewards, absorbing_value, gamma, alpha):
    return data_term(rewards, (1 - gamma) * absorbing_value, gamma, 1 / (4 * alpha))


def square_added(rewards, absorbing_value, gamma, alpha):
    return data_term(rewards, (1 - gamma) * absorbing_value, gamma, -alpha / 4)


def square_left_out(rewards, absorbing_value, gamma, alpha):
    return data_term(rewards, (1 - gamma) * absorbing_value, gamma, 0.0)


def square_of_the_sum(rewards, absorbing_value, gamma, alpha):
    total = data_term(rewards, (1 - gamma) * absorbing_value, gamma, 0.0)
    return total - alpha / 4 * total**2


def square_of_the_discounted(rewards, absorbing_value, gamma, alpha):
    discounted = gamma ** np.arange(len(rewards)) * rewards
    last = (1 - gamma) * absorbing_value
    tail = gamma ** len(rewards) / (1 - gamma) * (last - alpha / 4 * last**2)
    return np.sum(discounted - alpha / 4 * discounted**2) + tail


def clipped_as_in_notebook_03(rewards, absorbing_value, gamma, alpha):
    def phi(x):
        return x - x**2 / 4 if x < 2 else 1.0

    steps = sum(gamma**i * phi(alpha * r) / alpha for i, r in enumerate(rewards))
    return steps + gamma ** len(rewards) / (1 - gamma) * phi(alpha * (1 - gamma) * absorbing_value) / alpha


def mean_over_steps(rewards, absorbing_value, gamma, alpha):
    last = (1 - gamma) * absorbing_value
    tail = gamma ** len(rewards) / (1 - gamma) * (last - alpha / 4 * last**2)
    return stopping_at_enter(rewards, absorbing_value, gamma, alpha) / len(rewards) + tail


def back_in_the_unit_of_j(rewards, absorbing_value, gamma, alpha):
    return (1 - gamma) * data_term(rewards, (1 - gamma) * absorbing_value, gamma, alpha / 4)


def only_what_is_lost_after_enter(rewards, absorbing_value, gamma, alpha):
    return data_term(rewards, -gamma * absorbing_value, gamma, alpha / 4)


def nothing_earned_after_enter_but_the_value(rewards, absorbing_value, gamma, alpha):
    tail = gamma ** len(rewards) * (absorbing_value - alpha / 4 * absorbing_value**2)
    return stopping_at_enter(rewards, absorbing_value, gamma, alpha) + tail


def value_over_the_rest_of_time(rewards, absorbing_value, gamma, alpha):
    return data_term(rewards, absorbing_value / (1 - gamma), gamma, alpha / 4)


def a_thousand_steps_after_enter(rewards, absorbing_value, gamma, alpha):
    rewards = np.append(rewards, np.full(1000, (1 - gamma) * absorbing_value))
    return gamma ** np.arange(len(rewards)) @ (rewards - alpha / 4 * rewards**2)


def a_hundred_steps_after_enter(rewards, absorbing_value, gamma, alpha):
    rewards = np.append(rewards, np.full(100, (1 - gamma) * absorbing_value))
    return gamma ** np.arange(len(rewards)) @ (rewards - alpha / 4 * rewards**2)


# ---------------------------------------------------------------- 5.3


def likelihood_with_loops(logits, actions, gamma):
    total = 0.0
    for i in range(len(actions)):
        row = [float(x) for x in logits[i]]
        top = max(row)
        total += gamma**i * (row[actions[i]] - top - math.log(sum(math.exp(x - top) for x in row)))
    return total


def likelihood_with_logaddexp(logits, actions, gamma):
    steps = np.arange(len(actions))
    return gamma**steps @ (logits[steps, actions] - np.logaddexp.reduce(logits, axis=1))


def likelihood_of_a_softmax(logits, actions, gamma):
    policy = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return np.sum(gamma ** np.arange(len(actions)) * np.log(policy[np.arange(len(actions)), actions]))


def likelihood_with_one_hot_rows(logits, actions, gamma):
    logits = np.asarray(logits)
    log_policy = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return gamma ** np.arange(len(actions)) @ (np.eye(logits.shape[1])[actions] * log_policy).sum(axis=1)


def likelihood_of_gaps(logits, actions, gamma):
    logits = np.asarray(logits)
    gaps = logits - np.take_along_axis(logits, np.asarray(actions)[:, None], axis=1)
    return -sum(gamma**i * math.log(np.exp(gap).sum()) for i, gap in enumerate(gaps))


def likelihood_backwards_as_a_product(logits, actions, gamma):
    product = 1.0
    for row, action in reversed(list(zip(logits, actions, strict=True))):
        product = np.exp(row[action]) / np.exp(row).sum() * product**gamma
    return np.log(product)


def likelihood_in_torch(logits, actions, gamma):
    log_policy = torch.log_softmax(torch.as_tensor(logits, dtype=torch.float64), dim=-1)
    pressed = log_policy.gather(1, torch.as_tensor(actions)[:, None])[:, 0]
    return (gamma ** torch.arange(len(pressed)) * pressed).sum()


def likelihood_in_single_precision(logits, actions, gamma):
    logits = torch.tensor(np.asarray(logits), dtype=torch.float32)
    loss = torch.nn.functional.cross_entropy(logits, torch.as_tensor(actions), reduction="none")
    return -(gamma ** torch.arange(len(loss)) @ loss)


def log_policy_of(logits, axis=1):
    return logits - np.logaddexp.reduce(logits, axis=axis, keepdims=True)


def likelihood_not_discounted(logits, actions, gamma):
    return log_policy_of(logits)[np.arange(len(actions)), actions].sum()


def negative_likelihood(logits, actions, gamma):
    return -likelihood_with_logaddexp(logits, actions, gamma)


def probabilities_without_log(logits, actions, gamma):
    return gamma ** np.arange(len(actions)) @ np.exp(log_policy_of(logits))[np.arange(len(actions)), actions]


def bare_logits(logits, actions, gamma):
    return gamma ** np.arange(len(actions)) @ logits[np.arange(len(actions)), actions]


def softmax_over_time(logits, actions, gamma):
    return gamma ** np.arange(len(actions)) @ log_policy_of(logits, axis=0)[np.arange(len(actions)), actions]


def softmax_over_everything(logits, actions, gamma):
    log_policy = logits - np.log(np.exp(logits).sum())
    return gamma ** np.arange(len(actions)) @ log_policy[np.arange(len(actions)), actions]


def mean_likelihood(logits, actions, gamma):
    return likelihood_with_logaddexp(logits, actions, gamma) / len(actions)


def mean_with_the_weights(logits, actions, gamma):
    return likelihood_with_logaddexp(logits, actions, gamma) / np.sum(gamma ** np.arange(len(actions)))


def all_keys_instead_of_the_pressed(logits, actions, gamma):
    return gamma ** np.arange(len(actions)) @ log_policy_of(logits).sum(axis=1)


def pressed_keys_in_every_row(logits, actions, gamma):
    return gamma ** np.arange(len(actions)) @ log_policy_of(logits)[:, actions].sum(axis=1)


def likeliest_key(logits, actions, gamma):
    return gamma ** np.arange(len(actions)) @ log_policy_of(logits).max(axis=1)


def expected_log_policy(logits, actions, gamma):
    log_policy = log_policy_of(logits)
    return gamma ** np.arange(len(actions)) @ (np.exp(log_policy) * log_policy).sum(axis=1)


def likelihood_discounted_from_one(logits, actions, gamma):
    return gamma * likelihood_with_logaddexp(logits, actions, gamma)


def likelihood_discounted_from_the_end(logits, actions, gamma):
    steps = np.arange(len(actions))
    return gamma ** steps[::-1] @ log_policy_of(logits)[steps, actions]


def last_reward_left_out(logits, actions, gamma):
    values, chosen = np.log(np.exp(logits).sum(axis=1)), logits[np.arange(len(actions)), actions]
    rewards = chosen[:-1] - gamma * values[1:]
    return np.sum(gamma ** np.arange(len(rewards)) * rewards) - values[0]


def enter_left_out(logits, actions, gamma):
    return likelihood_with_logaddexp(logits[:-1], actions[:-1], gamma)


def rewards_for_likelihood(logits, actions, gamma):
    values = np.logaddexp.reduce(logits, axis=1)
    steps = np.arange(len(actions))
    return gamma**steps @ (logits[steps, actions] - gamma * np.append(values[1:], 0.0))


def log_outside_the_sum(logits, actions, gamma):
    return np.log(probabilities_without_log(logits, actions, gamma))


def discount_inside_the_log(logits, actions, gamma):
    return likelihood_not_discounted(logits, actions, gamma) + np.log(gamma) * np.arange(len(actions)).sum()


def likelihood_in_bits(logits, actions, gamma):
    return likelihood_with_logaddexp(logits, actions, gamma) / np.log(2)


def likelihood_times_one_less_gamma(logits, actions, gamma):
    return (1 - gamma) * likelihood_with_logaddexp(logits, actions, gamma)


def normaliser_without_log(logits, actions, gamma):
    return gamma ** np.arange(len(actions)) @ (logits[np.arange(len(actions)), actions] - np.exp(logits).sum(axis=1))


def keys_one_too_late(logits, actions, gamma):
    return gamma ** np.arange(len(actions) - 1) @ log_policy_of(logits)[np.arange(len(actions) - 1), actions[1:]]


def maximum_for_value(logits, actions, gamma):
    steps = np.arange(len(actions))
    return gamma**steps @ (logits[steps, actions] - logits.max(axis=1))


def likelihood_less_the_start(logits, actions, gamma):
    return likelihood_with_logaddexp(logits, actions, gamma) - np.log(np.exp(logits[0]).sum())


def first_value_in_every_step(logits, actions, gamma):
    steps = np.arange(len(actions))
    return gamma**steps @ (logits[steps, actions] - np.log(np.exp(logits[0]).sum()))


def first_value_after_enter(logits, actions, gamma):
    values, steps = np.logaddexp.reduce(logits, axis=1), np.arange(len(actions))
    return gamma**steps @ (logits[steps, actions] - gamma * np.roll(values, -1)) - values[0]


def likelihood_with_a_small_number(logits, actions, gamma):
    steps = np.arange(len(actions))
    return gamma**steps @ np.log(np.exp(log_policy_of(logits))[steps, actions] + 1e-8)


# ---------------------------------------------------------------- 5.4


def mixture_with_loops(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    c = alpha / 4
    total = -start_value
    for i, r in enumerate(data_rewards):
        total += gamma**i * (r - c * r**2)
    for i, r in enumerate(model_rewards):
        total -= gamma**i * c * r**2
    total += gamma ** len(data_rewards) / (1 - gamma) * (absorbing_reward - c * absorbing_reward**2)
    total -= gamma ** len(model_rewards) / (1 - gamma) * c * absorbing_reward**2
    return total


def mixture_with_a_function(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    def endless(rewards, function):
        steps = gamma ** np.arange(len(rewards)) @ function(np.asarray(rewards))
        return steps + gamma ** len(rewards) / (1 - gamma) * function(absorbing_reward)

    data = endless(data_rewards, lambda r: r - alpha / 4 * r**2)
    return data - start_value - endless(model_rewards, lambda r: alpha / 4 * r**2)


def mixture_with_very_many_steps(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    many = math.ceil(math.log(1e-16) / math.log(gamma)) + len(data_rewards) + len(model_rewards)
    data, model = np.full(many, float(absorbing_reward)), np.full(many, float(absorbing_reward))
    data[: len(data_rewards)] = data_rewards
    model[: len(model_rewards)] = model_rewards
    return np.sum(gamma ** np.arange(many) * (data - alpha / 4 * (data**2 + model**2))) - start_value


def mixture_backwards(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    c = alpha / 4
    data = (absorbing_reward - c * absorbing_reward**2) / (1 - gamma)
    for r in data_rewards[::-1]:
        data = r - c * r * r + gamma * data
    model = absorbing_reward**2 / (1 - gamma)
    for r in model_rewards[::-1]:
        model = r * r + gamma * model
    return data - c * model - start_value


def mixture_in_torch(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    total = -torch.as_tensor(start_value, dtype=torch.float64)
    for rewards, linear in ((data_rewards, 1), (model_rewards, 0)):
        rewards = torch.cat([torch.as_tensor(rewards), torch.tensor([absorbing_reward])]).double()
        weights = gamma ** torch.arange(len(rewards), dtype=torch.float64)
        weights[-1] /= 1 - gamma
        total = total + (weights * (linear * rewards - alpha / 4 * rewards**2)).sum()
    return total


def mixture_in_single_precision(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    data, model = (torch.tensor(np.asarray(r), dtype=torch.float32) for r in (data_rewards, model_rewards))
    last = torch.tensor(absorbing_reward, dtype=torch.float32)
    term = (gamma ** torch.arange(len(data)) * (data - alpha / 4 * data**2)).sum()
    term = term + gamma ** len(data) / (1 - gamma) * (last - alpha / 4 * last**2)
    penalty = (gamma ** torch.arange(len(model)) * model**2).sum() + gamma ** len(model) / (1 - gamma) * last**2
    return term - start_value - alpha / 4 * penalty


def linear_sum(rewards, last, gamma, tail=True):
    steps = np.sum(gamma ** np.arange(len(rewards)) * rewards)
    return steps + tail * gamma ** len(rewards) / (1 - gamma) * last


def square_sum(rewards, last, gamma, tail=True):
    return linear_sum(rewards**2, last**2, gamma, tail)


def mixture_stopping_at_enter(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    data = linear_sum(data_rewards - alpha / 4 * data_rewards**2, 0.0, gamma)
    return data - start_value - alpha / 4 * square_sum(model_rewards, 0.0, gamma)


def model_stopping_at_enter(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    data = linear_sum(data_rewards, absorbing_reward, gamma) - alpha / 4 * square_sum(
        data_rewards, absorbing_reward, gamma
    )
    return data - start_value - alpha / 4 * square_sum(model_rewards, 0.0, gamma)


def data_stopping_at_enter(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    data = linear_sum(data_rewards - alpha / 4 * data_rewards**2, 0.0, gamma)
    return data - start_value - alpha / 4 * square_sum(model_rewards, absorbing_reward, gamma)


def no_model_text(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    data = linear_sum(data_rewards, absorbing_reward, gamma) - alpha / 4 * square_sum(
        data_rewards, absorbing_reward, gamma
    )
    return data - start_value


def start_value_forgotten(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    return mixture_with_loops(data_rewards, model_rewards, absorbing_reward, 0.0, gamma, alpha)


def start_value_added(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    return mixture_with_loops(data_rewards, model_rewards, absorbing_reward, -start_value, gamma, alpha)


def start_value_of_j(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    return mixture_with_loops(data_rewards, model_rewards, absorbing_reward, (1 - gamma) * start_value, gamma, alpha)


def start_value_for_ever(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    return mixture_with_loops(data_rewards, model_rewards, absorbing_reward, start_value / (1 - gamma), gamma, alpha)


def start_value_twice(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    return mixture_with_loops(data_rewards, model_rewards, absorbing_reward, 2 * start_value, gamma, alpha)


def alpha_for_c(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    return mixture_with_loops(data_rewards, model_rewards, absorbing_reward, start_value, gamma, 4 * alpha)


def coefficient_of_iq_learn(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    return mixture_with_loops(data_rewards, model_rewards, absorbing_reward, start_value, gamma, 1 / alpha)


def each_penalty_halved(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    return mixture_with_loops(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha / 2)


def model_reward_added(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    total = mixture_with_loops(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha)
    return total + linear_sum(model_rewards, absorbing_reward, gamma)


def model_reward_subtracted(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    total = mixture_with_loops(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha)
    return total - linear_sum(model_rewards, absorbing_reward, gamma)


def model_term_like_data_term_subtracted(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    data = no_model_text(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha)
    return data - no_model_text(model_rewards, data_rewards, absorbing_reward, 0.0, gamma, alpha)


def model_penalty_added(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    total = mixture_with_loops(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha)
    return total + alpha / 2 * square_sum(model_rewards, absorbing_reward, gamma)


def data_penalty_forgotten(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    data = linear_sum(data_rewards, absorbing_reward, gamma)
    return data - start_value - alpha / 4 * square_sum(model_rewards, absorbing_reward, gamma)


def model_penalty_without_c(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    data = no_model_text(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha)
    return data - square_sum(model_rewards, absorbing_reward, gamma)


def same_tail_for_both(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    total = mixture_stopping_at_enter(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha)
    tail = gamma ** len(data_rewards) / (1 - gamma)
    return total + tail * (absorbing_reward - alpha / 2 * absorbing_reward**2)


def cut_to_the_shorter(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    n = min(len(data_rewards), len(model_rewards))
    return mixture_with_loops(data_rewards[:n], model_rewards[:n], absorbing_reward, start_value, gamma, alpha)


def mixture_not_discounted(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    c = alpha / 4
    total = np.sum(data_rewards - c * data_rewards**2) - start_value - c * np.sum(model_rewards**2)
    total += gamma ** len(data_rewards) / (1 - gamma) * (absorbing_reward - c * absorbing_reward**2)
    return total - gamma ** len(model_rewards) / (1 - gamma) * c * absorbing_reward**2


def mixture_one_step_after_enter(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    data, model = np.append(data_rewards, absorbing_reward), np.append(model_rewards, absorbing_reward)
    return mixture_stopping_at_enter(data, model, absorbing_reward, start_value, gamma, alpha)


def absorbing_reward_taken_for_value(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    last = (1 - gamma) * absorbing_reward
    return mixture_with_loops(data_rewards, model_rewards, last, start_value, gamma, alpha)


def mixture_as_loss(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    return -mixture_with_loops(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha)


def mixture_in_the_unit_of_j(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    return (1 - gamma) * mixture_with_loops(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha)


def texts_mixed_up(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    return mixture_with_loops(model_rewards, data_rewards, absorbing_reward, start_value, gamma, alpha)


def tails_without_squares(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    total = mixture_stopping_at_enter(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha)
    return total + gamma ** len(data_rewards) / (1 - gamma) * absorbing_reward


def tails_from_the_start(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    total = mixture_stopping_at_enter(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha)
    return total + (absorbing_reward - alpha / 2 * absorbing_reward**2) / (1 - gamma)


def data_tail_without_its_square(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    right = mixture_with_loops(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha)
    return right + alpha / 4 * gamma ** len(data_rewards) / (1 - gamma) * absorbing_reward**2


def model_alone_not_discounted(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    total = no_model_text(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha)
    tail = gamma ** len(model_rewards) / (1 - gamma) * absorbing_reward**2
    return total - alpha / 4 * (np.sum(model_rewards**2) + tail)


def mixture_with_500_steps_after_enter(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    data, model = (np.append(rewards, np.full(500, absorbing_reward)) for rewards in (data_rewards, model_rewards))
    return mixture_stopping_at_enter(data, model, absorbing_reward, start_value, gamma, alpha)


def mixture_with_100_steps_after_enter(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    data, model = (np.append(rewards, np.full(100, absorbing_reward)) for rewards in (data_rewards, model_rewards))
    return mixture_stopping_at_enter(data, model, absorbing_reward, start_value, gamma, alpha)


RIGHT = {
    "telescope": [
        summands_with_a_loop,
        summands_with_a_zero_ahead,
        summands_of_discounted_values,
        summands_with_a_matrix,
        summands_in_a_copy,
        summands_by_recursion,
        summands_in_torch,
        summands_in_single_precision,
    ],
    "data_term_with_tail": [
        data_term_with_a_loop,
        data_term_with_phi,
        data_term_with_very_many_steps,
        data_term_backwards,
        data_term_completing_the_square,
        data_term_in_torch,
        data_term_in_single_precision,
    ],
    "objective_with_a_straight_score": [
        likelihood_with_loops,
        likelihood_with_logaddexp,
        likelihood_of_a_softmax,
        likelihood_with_one_hot_rows,
        likelihood_of_gaps,
        likelihood_backwards_as_a_product,
        likelihood_in_torch,
        likelihood_in_single_precision,
    ],
    "sampled_mixture": [
        mixture_with_loops,
        mixture_with_a_function,
        mixture_with_very_many_steps,
        mixture_backwards,
        mixture_in_torch,
        mixture_in_single_precision,
    ],
}
WRONG = {  # answer → the mistake whose hint it must be told
    "telescope": {
        zero_for_the_last: "last_is_zero",
        running_sums: "running_sums",
        no_weights: "weights_left_out",
        value_ahead_not_discounted: "no_discount_inside",
        last_not_weighed: "last_not_discounted",
        last_weighed_once_too_often: "last_one_late",
        last_as_one_step_of_staying: "last_stays_one_step",
        last_as_endless_sum_of_values: "last_summed_for_ever",
        weights_from_one: "clock_one_late",
        ahead_less_here: "against_the_arrow",
        first_after_last: "first_value_ahead_of_the_last",
        value_behind: "value_behind",
        discount_on_value_here: "gamma_on_the_value_here",
        times_instead_of_power: "product_for_power",
        discounted_values_only: "values_not_subtracted",
        plus_value_ahead: "steps_add",
    },
    "data_term_with_tail": {
        stopping_at_enter: "tail_left_out",
        one_step_after_enter: "tail_counted_once",
        earning_the_value_after_enter: "value_taken_for_reward",
        tail_a_step_late: "tail_one_late",
        tail_a_step_early: "tail_one_early",
        tail_not_discounted: "tail_at_once",
        tail_without_its_square: "tail_without_penalty",
        steps_not_discounted: "discount_forgotten",
        alpha_inside_only: "not_divided_by_alpha",
        alpha_squared: "coefficient_with_alpha_squared",
        alpha_outside_only: "not_multiplied_by_alpha",
        quarter_forgotten: "coefficient_is_alpha",
        half_for_a_quarter: "coefficient_is_half_of_alpha",
        alpha_cancelled_away: "alpha_not_used",
        alpha_below: "coefficient_with_alpha_below",
        square_added: "penalty_added",
        square_left_out: "square_left_out",
        square_of_the_sum: "square_of_the_sum",
        square_of_the_discounted: "discounted_before_squaring",
        clipped_as_in_notebook_03: "score_clipped",
        mean_over_steps: "mean_for_sum",
        back_in_the_unit_of_j: "normalised",
        only_what_is_lost_after_enter: "absorbing_logit_is_zero",
        nothing_earned_after_enter_but_the_value: "value_scored_in_one_piece",
        value_over_the_rest_of_time: "reward_larger_than_value",
        a_thousand_steps_after_enter: "tail_cut_off",
        a_hundred_steps_after_enter: "tail_cut_off",
    },
    "objective_with_a_straight_score": {
        likelihood_not_discounted: "likelihood_not_discounted",
        negative_likelihood: "a_loss",
        probabilities_without_log: "probabilities_not_logs",
        bare_logits: "logits_not_normalised",
        softmax_over_time: "softmax_over_time",
        softmax_over_everything: "softmax_over_everything",
        mean_likelihood: "mean_over_length",
        mean_with_the_weights: "mean_over_weights",
        all_keys_instead_of_the_pressed: "all_keys",
        pressed_keys_in_every_row: "every_key_in_every_row",
        likeliest_key: "key_that_is_likeliest",
        expected_log_policy: "keys_on_average",
        likelihood_discounted_from_one: "first_key_discounted",
        likelihood_discounted_from_the_end: "weights_backwards",
        enter_left_out: "last_key_left_out",
        last_reward_left_out: "last_reward_left_out",
        rewards_for_likelihood: "rewards_added_up",
        log_outside_the_sum: "log_of_the_sum",
        discount_inside_the_log: "discount_inside_the_log",
        likelihood_in_bits: "logs_to_base_two",
        likelihood_times_one_less_gamma: "weights_of_an_occupancy",
        normaliser_without_log: "normaliser_without_log",
        keys_one_too_late: "keys_one_step_off",
        maximum_for_value: "largest_logit_for_the_value",
        likelihood_less_the_start: "start_taken_off_again",
        first_value_in_every_step: "start_in_every_step",
        first_value_after_enter: "a_texts_value_after_the_end",
        likelihood_with_a_small_number: "unlikely_keys_made_likelier",
    },
    "sampled_mixture": {
        mixture_stopping_at_enter: "tails_left_out",
        model_stopping_at_enter: "model_without_tail",
        data_stopping_at_enter: "data_without_tail",
        no_model_text: "plain_chi2",
        start_value_forgotten: "start_left_out",
        start_value_added: "start_added",
        start_value_of_j: "start_normalised",
        start_value_for_ever: "start_for_ever",
        start_value_twice: "start_twice",
        alpha_for_c: "mixture_coefficient_is_alpha",
        coefficient_of_iq_learn: "mixture_coefficient_has_alpha_below",
        each_penalty_halved: "penalty_averaged",
        model_reward_added: "model_earns_too",
        model_reward_subtracted: "model_earnings_subtracted",
        model_term_like_data_term_subtracted: "score_of_the_model_subtracted",
        model_penalty_added: "model_penalty_added",
        data_penalty_forgotten: "penalty_on_the_model_alone",
        model_penalty_without_c: "model_penalty_without_coefficient",
        same_tail_for_both: "one_length_for_both",
        cut_to_the_shorter: "cut_to_the_shorter",
        mixture_not_discounted: "steps_not_discounted",
        mixture_one_step_after_enter: "tails_of_one_step",
        absorbing_reward_taken_for_value: "reward_taken_for_value",
        mixture_as_loss: "mixture_as_a_loss",
        mixture_in_the_unit_of_j: "mixture_normalised",
        texts_mixed_up: "texts_exchanged",
        tails_without_squares: "tails_without_penalty",
        tails_from_the_start: "tails_at_once",
        data_tail_without_its_square: "data_tail_without_penalty",
        model_alone_not_discounted: "model_not_discounted",
        mixture_with_500_steps_after_enter: "tails_cut_off",
        mixture_with_100_steps_after_enter: "tails_cut_off",
    },
}
