"""Answers to notebooks/09_training_sequencematch.ipynb, written from its text alone: right ones, and wrong ones."""

import math
from collections import deque

import numpy as np
import torch

# 9.1: the cloning loss of one walk


def pick_each_step(log_probs, pressed, typed, masked):
    picked = log_probs[np.arange(len(pressed)), pressed]
    return -picked[pressed == typed].sum() if masked else -picked.sum()


def loop_over_steps(log_probs, pressed, typed, masked):
    loss = 0.0
    for row, meant, came in zip(log_probs, pressed, typed):
        if not (masked and meant != came):
            loss -= row[meant]
    return loss


def gather_in_torch(log_probs, pressed, typed, masked):
    table, meant, came = (torch.as_tensor(x) for x in (log_probs, pressed, typed))
    picked = table.gather(1, meant[:, None].long()).squeeze(1)
    weights = (meant == came).to(table) if masked else torch.ones_like(picked)
    return -(weights * picked).sum()


def nll_loss_in_single_precision(log_probs, pressed, typed, masked):
    table, meant = torch.tensor(log_probs, dtype=torch.float32), torch.tensor(pressed, dtype=torch.long)
    if masked:
        meant = torch.where(torch.tensor(typed) == meant, meant, -100)
    return torch.nn.functional.nll_loss(table, meant, reduction="sum", ignore_index=-100)


def one_hot_labels(log_probs, pressed, typed, masked):
    labels = np.eye(log_probs.shape[1])[pressed] * np.where(masked & (pressed != typed), 0.0, 1.0)[:, None]
    return -np.einsum("ia,ia->", labels, log_probs)


def trace_of_the_picked_columns(log_probs, pressed, typed, masked):
    steps = np.flatnonzero(pressed == typed) if masked else range(len(pressed))
    return -np.trace(np.asarray(log_probs)[steps][:, np.asarray(pressed)[steps]])


def product_of_probabilities(log_probs, pressed, typed, masked):
    chances = [math.exp(row[key]) for row, key, out in zip(log_probs, pressed, typed) if not masked or key == out]
    return -sum(math.log(chance) for chance in chances)


def mean_over_the_steps(log_probs, pressed, typed, masked):
    return pick_each_step(log_probs, pressed, typed, masked) / len(pressed)


def mean_over_what_counts(log_probs, pressed, typed, masked):
    counted = (pressed == typed) if masked else np.ones(len(pressed), bool)
    return -log_probs[np.arange(len(pressed)), pressed][counted].mean()


def no_minus(log_probs, pressed, typed, masked):
    return -pick_each_step(log_probs, pressed, typed, masked)


def what_came_out_is_the_label(log_probs, pressed, typed, masked):
    return pick_each_step(log_probs, typed, pressed, masked)


def masked_and_kept_exchanged(log_probs, pressed, typed, masked):
    return pick_each_step(log_probs, pressed, typed, not masked)


def never_masked(log_probs, pressed, typed, masked):
    return pick_each_step(log_probs, pressed, typed, False)


def always_masked(log_probs, pressed, typed, masked):
    return pick_each_step(log_probs, pressed, typed, True)


def only_the_slips(log_probs, pressed, typed, masked):
    weights = (pressed != typed) if masked else np.ones(len(pressed))
    return -(weights * log_probs[np.arange(len(pressed)), pressed]).sum()


def backspace_left_out_instead(log_probs, pressed, typed, masked):
    weights = np.ones(len(pressed))
    if masked:
        weights[1:][(pressed != typed)[:-1]] = 0
    return -(weights * log_probs[np.arange(len(pressed)), pressed]).sum()


def backspace_left_out_too(log_probs, pressed, typed, masked):
    slip, weights = pressed != typed, np.ones(len(pressed))
    if masked:
        weights[slip] = 0
        weights[1:][slip[:-1]] = 0
    return -(weights * log_probs[np.arange(len(pressed)), pressed]).sum()


def every_backspace_left_out_too(log_probs, pressed, typed, masked):
    counted = (pressed == typed) & (pressed != log_probs.shape[1] - 1) | (not masked)
    return -(counted * log_probs[np.arange(len(pressed)), pressed]).sum()


def slip_is_what_a_backspace_follows(log_probs, pressed, typed, masked):
    weights = np.ones(len(pressed))
    if masked:
        weights[:-1][pressed[1:] == log_probs.shape[1] - 1] = 0
    return -(weights * log_probs[np.arange(len(pressed)), pressed]).sum()


def stop_at_the_first_slip(log_probs, pressed, typed, masked):
    loss = 0.0
    for row, meant, came in zip(log_probs, pressed, typed):
        if masked and meant != came:
            break
        loss -= row[meant]
    return loss


def without_the_last_key(log_probs, pressed, typed, masked):
    return pick_each_step(log_probs[:-1], pressed[:-1], typed[:-1], masked)


def every_step_with_every_label(log_probs, pressed, typed, masked):
    counted = (pressed == typed) if masked else np.ones(len(pressed), bool)
    return -log_probs[counted][:, pressed[counted]].sum()


def columns_weighed(log_probs, pressed, typed, masked):
    weights = (pressed == typed) if masked else np.ones(len(pressed))
    return -(weights * log_probs[:, pressed]).sum()


def whole_rows(log_probs, pressed, typed, masked):
    counted = (pressed == typed) if masked else np.ones(len(pressed), bool)
    return -log_probs[counted].sum()


def probabilities_summed(log_probs, pressed, typed, masked):
    return pick_each_step(np.exp(log_probs), pressed, typed, masked)


# 9.2: the buffer that forgets


def a_deque_of_rounds(typed, size):
    buffer = deque(maxlen=size)
    for number, texts in enumerate(typed):
        buffer.extend([number] * int(texts))
    return [buffer.count(number) for number in range(len(typed))]


def from_the_newest_back(typed, size):
    kept = []
    for texts in reversed(list(typed)):
        kept.append(min(int(texts), size))
        size -= kept[-1]
    return kept[::-1]


def from_sums_to_the_end(typed, size):
    to_the_end = np.cumsum(np.asarray(typed)[::-1])[::-1]
    held = np.minimum(to_the_end, size)
    return held - np.append(held[1:], 0)


def write_every_text_down(typed, size):
    rounds = np.repeat(np.arange(len(typed)), typed)
    return np.bincount(rounds[max(0, len(rounds) - size) :], minlength=len(typed))


def clamp_in_torch(typed, size):
    texts = torch.as_tensor(typed, dtype=torch.float32)
    newer = texts.sum() - texts.cumsum(0)
    return torch.minimum(texts, (size - newer).clamp(min=0))


def take_the_surplus_off_the_oldest(typed, size):
    kept, surplus = [int(n) for n in typed], int(sum(typed)) - size
    for number in range(len(kept)):
        gone = min(kept[number], max(0, surplus))
        kept[number], surplus = kept[number] - gone, surplus - gone
    return tuple(float(n) for n in kept)


def full_means_full(typed, size):
    held = np.minimum(np.cumsum(typed), size)
    return np.diff(held, prepend=0)


def whole_rounds_leave(typed, size):
    kept, number = np.array(typed), 0
    while kept.sum() > size:
        kept[number], number = 0, number + 1
    return kept


def whole_rounds_leave_one_by_one(typed, size):
    held = []
    for count in typed.tolist():
        held.append(min(count, size))
        for oldest in range(len(held)):
            if sum(held) > size:
                held[oldest] = 0
    return held


def back_to_an_empty_round(typed, size):
    held, room = np.zeros(len(typed)), size
    for i in reversed(range(len(typed))):
        held[i] = min(typed[i], room)
        room -= held[i]
        if not held[i]:
            break
    return held


def round_by_round_clipped(typed, size):
    return np.minimum(typed, size)


def nothing_leaves(typed, size):
    return typed


def shares_of_the_buffer(typed, size):
    total = max(1, sum(typed))
    return np.asarray(typed) * min(1, size / total)


def shares_in_whole_texts(typed, size):
    return np.floor(shares_of_the_buffer(typed, size))


def newest_first(typed, size):
    return from_sums_to_the_end(typed, size)[::-1]


def forgotten_texts(typed, size):
    return np.asarray(typed) - from_sums_to_the_end(typed, size)


def surplus_off_the_first_round(typed, size):
    kept = np.array(typed)
    kept[0] -= max(0, kept.sum() - size)
    return kept


def surplus_off_the_first_round_not_below_zero(typed, size):
    return np.maximum(surplus_off_the_first_round(typed, size), 0)


def last_rounds_by_number(typed, size):
    kept = np.array(typed)
    kept[: max(0, len(kept) - size)] = 0
    return kept


def emptied_when_full(typed, size):
    held = []
    for number, texts in enumerate(typed):
        for _ in range(texts):
            if len(held) == size:
                held = []
            held.append(number)
    return [held.count(number) for number in range(len(typed))]


def texts_in_all(typed, size):
    return np.minimum(np.cumsum(typed), size)


def texts_from_here_on(typed, size):
    return np.minimum(np.cumsum(typed[::-1])[::-1], size)


def too_large_a_round_is_turned_away(typed, size):
    return from_sums_to_the_end([n if n <= size else 0 for n in typed], size)


def one_place_short(typed, size):
    return from_sums_to_the_end(typed, size - 1)


def newest_text_replaced(typed, size):
    held = []
    for number, texts in enumerate(typed):
        for _ in range(texts):
            if len(held) == size:
                held.pop()
            held.append(number)
    return [held.count(number) for number in range(len(typed))]


def negative_counts(typed, size):
    texts = np.asarray(typed)
    return np.minimum(texts, size - (texts.sum() - np.cumsum(texts)))


# 9.3: the weight of cloning


def clipped_line(steps, warmup, falling, end):
    return 1 - (1 - end) * np.clip((np.asarray(steps) + 1 - warmup) / falling, 0, 1)


def three_cases(steps, warmup, falling, end):
    betas = []
    for t in steps:
        if t < warmup:
            betas.append(1.0)
        elif t < warmup + falling:
            betas.append(1 - (t - warmup + 1) * (1 - end) / falling)
        else:
            betas.append(end)
    return betas


def interpolated(steps, warmup, falling, end):
    return np.interp(steps, [warmup - 1, warmup + falling - 1], [1.0, end])


def table_of_linspace(steps, warmup, falling, end):
    last = max(int(np.max(steps)) + 1, warmup + falling)
    table = np.full(last, float(end))
    table[:warmup] = 1
    table[warmup : warmup + falling] = np.linspace(1, end, falling + 1)[1:]
    return table[np.asarray(steps)]


def lerp_in_torch(steps, warmup, falling, end):
    share = ((torch.as_tensor(steps, dtype=torch.float32) - (warmup - 1)) / falling).clamp(0, 1)
    return torch.lerp(torch.ones_like(share), torch.full_like(share, float(end)), share)


def fall_again_and_again(steps, warmup, falling, end):
    betas = []
    for t in steps:
        beta = 1.0
        for step in range(int(t) + 1):
            if warmup <= step < warmup + falling:
                beta -= (1 - end) / falling
        betas.append(beta)
    return np.array(betas)


def a_step_late(steps, warmup, falling, end):
    return 1 - (1 - end) * np.clip((steps - warmup) / falling, 0, 1)


def a_step_early(steps, warmup, falling, end):
    return 1 - (1 - end) * np.clip((steps + 2 - warmup) / falling, 0, 1)


def linspace_from_one(steps, warmup, falling, end):
    return np.interp(steps, [warmup, warmup + max(falling - 1, 1e-9)], [1.0, end])


def falls_for_ever(steps, warmup, falling, end):
    return 1 - (1 - end) * np.maximum((steps + 1 - warmup) / falling, 0)


def falls_to_nothing(steps, warmup, falling, end):
    return 1 - np.clip((steps + 1 - warmup) / falling, 0, 1)


def falls_towards_nothing_and_stops(steps, warmup, falling, end):
    return np.maximum(end, falls_to_nothing(steps, warmup, falling, end))


def jumps_to_the_end(steps, warmup, falling, end):
    return np.where(steps < warmup, 1.0, end)


def waits_and_then_jumps(steps, warmup, falling, end):
    return np.where(steps < warmup + falling, 1.0, end)


def falls_by_a_factor(steps, warmup, falling, end):
    return end ** np.clip((steps + 1 - warmup) / falling, 0, 1)


def falls_like_a_cosine(steps, warmup, falling, end):
    share = np.clip((steps + 1 - warmup) / falling, 0, 1)
    return end + (1 - end) * (1 + np.cos(math.pi * share)) / 2


def falls_from_the_first_step(steps, warmup, falling, end):
    return 1 - (1 - end) * np.clip((steps + 1) / falling, 0, 1)


def falls_over_the_warmup_as_well(steps, warmup, falling, end):
    share = np.clip((steps + 1) / (warmup + falling), 0, 1)
    return np.where(steps < warmup, 1, 1 - (1 - end) * share)


def like_the_steps(steps, warmup, falling, end):
    weights = np.ones_like(steps)
    weights[:] = three_cases(steps, warmup, falling, end)
    return weights


def more_than_one_in_the_warmup(steps, warmup, falling, end):
    return 1 - (1 - end) * np.minimum((steps + 1 - warmup) / falling, 1)


def falls_by_the_end(steps, warmup, falling, end):
    return 1 - end * np.clip((steps + 1 - warmup) / falling, 0, 1)


def weight_of_the_rest(steps, warmup, falling, end):
    return 1 - clipped_line(steps, warmup, falling, end)


def end_in_the_warmup(steps, warmup, falling, end):
    return end + (1 - end) * np.clip((steps + 1 - warmup) / falling, 0, 1)


def share_of_the_fall(steps, warmup, falling, end):
    return 1 - np.clip((steps + 1 - warmup) / falling, 0, 1) * (1 - end) - end


def zero_after_the_fall(steps, warmup, falling, end):
    return np.where(steps >= warmup + falling, 0.0, clipped_line(steps, warmup, falling, end))


def falling_as_the_last_step(steps, warmup, falling, end):
    return 1 - (1 - end) * np.clip((steps + 1 - warmup) / max(1, falling - warmup), 0, 1)


def numbers_of_the_entries(steps, warmup, falling, end):
    return clipped_line(np.arange(len(steps)), warmup, falling, end)


# 9.4: the loss after the switch


def _sum(numbers, gamma):
    return (gamma ** np.arange(len(numbers)) * np.asarray(numbers)).sum()


def _squares(rewards, absorbing, gamma):
    return _sum(np.asarray(rewards) ** 2, gamma) + gamma ** len(rewards) * absorbing**2 / (1 - gamma)


def as_written(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    c, r = alpha / 4, absorbing_reward
    tails = [gamma ** len(x) / (1 - gamma) for x in (data_rewards, model_rewards)]
    score = _sum(data_rewards - c * data_rewards**2, gamma) + tails[0] * (r - c * r**2) - start_value
    score -= c * (_sum(model_rewards**2, gamma) + tails[1] * r**2)
    return -beta * _sum(log_probs, gamma) - (1 - beta) * score


def likelihood_and_penalty(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    both = _squares(data_rewards, absorbing_reward, gamma) + _squares(model_rewards, absorbing_reward, gamma)
    return -_sum(log_probs, gamma) + (1 - beta) * alpha / 4 * both


def steps_until_nothing_counts(
    log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha
):
    cloning, discount = 0.0, 1.0
    for log_prob in log_probs:
        cloning, discount = cloning - discount * log_prob, discount * gamma
    score, discount, i = -start_value, 1.0, 0
    while discount > 1e-16:
        data = data_rewards[i] if i < len(data_rewards) else absorbing_reward
        model = model_rewards[i] if i < len(model_rewards) else absorbing_reward
        score += discount * (data - alpha / 4 * data**2 - alpha / 4 * model**2)
        discount, i = discount * gamma, i + 1
    return beta * cloning - (1 - beta) * score


def long_way_in_torch(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    data, model, chosen = (torch.as_tensor(np.array(x)) for x in (data_rewards, model_rewards, log_probs))
    powers = float(gamma) ** torch.arange(max(len(data), len(model)) + 1, dtype=torch.float64)
    c, r = alpha / 4, absorbing_reward
    score = powers[: len(data)] @ (data - c * data**2) + powers[len(data)] / (1 - gamma) * (r - c * r * r)
    score = score - start_value - c * (powers[: len(model)] @ model**2 + powers[len(model)] / (1 - gamma) * r * r)
    return beta * -(powers[: len(chosen)] @ chosen) - (1 - beta) * score


def short_way_in_single_precision(
    log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha
):
    loss = torch.zeros(())
    for i, log_prob in enumerate(torch.tensor(np.array(log_probs), dtype=torch.float32)):
        loss = loss - gamma**i * log_prob
    for rewards in (data_rewards, model_rewards):
        squares = torch.tensor(np.array(rewards), dtype=torch.float32) ** 2
        sum_of_squares = torch.tensor(absorbing_reward**2 / (1 - gamma), dtype=torch.float32)
        for square in squares.flip(0):
            sum_of_squares = square + gamma * sum_of_squares
        loss = loss + (1 - beta) * alpha / 4 * sum_of_squares
    return loss


def squares_as_values_that_flow_back(
    log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha
):
    def back(numbers, last):
        for number in reversed(list(numbers)):
            last = number + gamma * last
        return last

    last = absorbing_reward**2 / (1 - gamma)
    parts = [back([r * r for r in rewards], last) for rewards in (data_rewards, model_rewards)]
    return back([-x for x in log_probs], 0.0) + (1 - beta) * 0.25 * alpha * sum(parts)


def _short(cloning, data, model, beta, c):
    return cloning + (1 - beta) * c * (data + model)


def half_the_likelihood(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    both = _squares(data_rewards, absorbing_reward, gamma) + _squares(model_rewards, absorbing_reward, gamma)
    return -beta * _sum(log_probs, gamma) + (1 - beta) * alpha / 4 * both


def whole_penalty(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    return likelihood_and_penalty(
        log_probs, data_rewards, model_rewards, absorbing_reward, start_value, 0.0, gamma, alpha
    )


def shares_exchanged(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    return as_written(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, 1 - beta, gamma, alpha)


def data_alone(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    return _short(-_sum(log_probs, gamma), _squares(data_rewards, absorbing_reward, gamma), 0, beta, alpha / 4)


def model_alone(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    return _short(-_sum(log_probs, gamma), 0, _squares(model_rewards, absorbing_reward, gamma), beta, alpha / 4)


def c_is_alpha(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    return as_written(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, 4 * alpha)


def c_of_iq_learn(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    return as_written(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, 1 / alpha)


def mean_of_the_two_texts(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    return as_written(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha / 2)


def cloning_without_discount(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    long = as_written(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha)
    return long + beta * (_sum(log_probs, gamma) - log_probs.sum())


def likelihood_without_discount(
    log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha
):
    short = likelihood_and_penalty(
        log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha
    )
    return short + _sum(log_probs, gamma) - log_probs.sum()


def penalty_without_discount(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    tail = sum(gamma ** len(x) for x in (data_rewards, model_rewards)) * absorbing_reward**2 / (1 - gamma)
    both = (data_rewards**2).sum() + (model_rewards**2).sum() + tail
    return -_sum(log_probs, gamma) + (1 - beta) * alpha / 4 * both


def squares_end_at_enter(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    both = _sum(data_rewards**2, gamma) + _sum(model_rewards**2, gamma)
    return -_sum(log_probs, gamma) + (1 - beta) * alpha / 4 * both


def everything_ends_at_enter(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    return as_written(log_probs, data_rewards, model_rewards, 0.0, start_value, beta, gamma, alpha)


def absorbing_paid_once(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    both = _sum(np.append(data_rewards, absorbing_reward) ** 2, gamma)
    both += _sum(np.append(model_rewards, absorbing_reward) ** 2, gamma)
    return -_sum(log_probs, gamma) + (1 - beta) * alpha / 4 * both


def absorbing_paid_once_the_long_way(
    log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha
):
    data, model = np.append(data_rewards, absorbing_reward), np.append(model_rewards, absorbing_reward)
    score = _sum(data - alpha / 4 * data**2, gamma) - start_value - alpha / 4 * _sum(model**2, gamma)
    return -beta * _sum(log_probs, gamma) - (1 - beta) * score


def absorbing_without_discount(
    log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha
):
    both = _sum(data_rewards**2, gamma) + _sum(model_rewards**2, gamma) + 2 * absorbing_reward**2 / (1 - gamma)
    return -_sum(log_probs, gamma) + (1 - beta) * alpha / 4 * both


def absorbing_from_enter_on(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    both = 0.0
    for rewards in (data_rewards, model_rewards):
        both += _sum(rewards**2, gamma) + gamma ** (len(rewards) - 1) * absorbing_reward**2 / (1 - gamma)
    return -_sum(log_probs, gamma) + (1 - beta) * alpha / 4 * both


def both_as_long_as_the_data(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    tail = gamma ** len(data_rewards) * absorbing_reward**2 / (1 - gamma)
    both = _sum(data_rewards**2, gamma) + _sum(model_rewards**2, gamma) + 2 * tail
    return -_sum(log_probs, gamma) + (1 - beta) * alpha / 4 * both


def score_not_turned(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    long = as_written(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha)
    cloning = -beta * _sum(log_probs, gamma)
    return cloning - (long - cloning)


def penalty_taken_away(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    both = _squares(data_rewards, absorbing_reward, gamma) + _squares(model_rewards, absorbing_reward, gamma)
    return -_sum(log_probs, gamma) - (1 - beta) * alpha / 4 * both


def cloning_with_the_wrong_sign(
    log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha
):
    long = as_written(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha)
    return long + 2 * beta * _sum(log_probs, gamma)


def bare_rewards_end_at_enter(
    log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha
):
    right = as_written(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha)
    return right + (1 - beta) * gamma ** len(data_rewards) / (1 - gamma) * absorbing_reward


def absorbing_reward_as_a_value(
    log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha
):
    scaled = (1 - gamma) * absorbing_reward
    return likelihood_and_penalty(log_probs, data_rewards, model_rewards, scaled, start_value, beta, gamma, alpha)


def start_value_of_one_step(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    return as_written(
        log_probs, data_rewards, model_rewards, absorbing_reward, (1 - gamma) * start_value, beta, gamma, alpha
    )


def start_value_outside_the_bracket(
    log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha
):
    return as_written(log_probs, data_rewards, model_rewards, absorbing_reward, 0.0, beta, gamma, alpha) + start_value


def score_clipped(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    def cut(reward):
        return np.minimum(reward, 2 / alpha) - alpha / 4 * np.minimum(reward, 2 / alpha) ** 2

    tail, c = gamma ** len(data_rewards) / (1 - gamma), alpha / 4
    score = _sum(cut(data_rewards), gamma) + tail * cut(absorbing_reward) - start_value
    score -= c * _squares(model_rewards, absorbing_reward, gamma)
    return -beta * _sum(log_probs, gamma) - (1 - beta) * score


def start_value_forgotten(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    return as_written(log_probs, data_rewards, model_rewards, absorbing_reward, 0.0, beta, gamma, alpha)


def start_value_added(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    return as_written(log_probs, data_rewards, model_rewards, absorbing_reward, -start_value, beta, gamma, alpha)


def likelihood_counted_twice(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    short = likelihood_and_penalty(
        log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha
    )
    return short - beta * _sum(log_probs, gamma)


def rewards_instead_of_squares(
    log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha
):
    both = sum(_sum(x, gamma) + gamma ** len(x) * absorbing_reward / (1 - gamma) for x in (data_rewards, model_rewards))
    return -_sum(log_probs, gamma) + (1 - beta) * alpha / 4 * both


def model_rewarded_too(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    long = as_written(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha)
    tail = gamma ** len(model_rewards) * absorbing_reward / (1 - gamma)
    return long + (1 - beta) * (_sum(model_rewards, gamma) + tail)


def critic_of_two_samples(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    c, r = alpha / 4, absorbing_reward
    tails = [gamma ** len(x) / (1 - gamma) for x in (data_rewards, model_rewards)]
    score = _sum(data_rewards - c * data_rewards**2, gamma) + tails[0] * (r - c * r**2)
    score -= _sum(model_rewards + c * model_rewards**2, gamma) + tails[1] * (r + c * r**2)
    return -beta * _sum(log_probs, gamma) - (1 - beta) * score


def discount_squared_too(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    both = 0.0
    for x in (data_rewards, model_rewards):
        both += _sum(x**2, gamma**2) + gamma ** (2 * len(x)) * absorbing_reward**2 / (1 - gamma**2)
    return -_sum(log_probs, gamma) + (1 - beta) * alpha / 4 * both


# 9.5: the update of two texts


def _walk_in_torch(logits, keys, last, gamma):
    values = logits.logsumexp(1)
    chosen = logits.gather(1, torch.as_tensor(keys)[:, None]).squeeze(1)
    rewards = chosen - gamma * torch.cat((values[1:], last.reshape(1)))
    weights = torch.tensor([gamma**i for i in range(len(keys))], dtype=torch.float64)
    tail = gamma ** len(keys) * (1 - gamma) * last**2
    return (
        (weights * (chosen - values)).sum(),
        (weights * rewards).sum(),
        (weights * rewards**2).sum() + tail,
        values[0],
    )


def update_by_the_short_way(data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha):
    data, model = torch.tensor(data_logits, requires_grad=True), torch.tensor(model_logits, requires_grad=True)
    last = torch.tensor(absorbing_value, dtype=torch.float64, requires_grad=True)
    likelihood, _, on_data, _ = _walk_in_torch(data, data_keys, last, gamma)
    _, _, on_model, _ = _walk_in_torch(model, model_keys, last, gamma)
    (-likelihood + (1 - beta) * alpha / 4 * (on_data + on_model)).backward()
    return {"data": data.grad, "model": model.grad, "absorbing": last.grad}


def update_by_the_long_way(data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha):
    data, model = torch.tensor(data_logits, requires_grad=True), torch.tensor(model_logits, requires_grad=True)
    last = torch.tensor(absorbing_value, dtype=torch.float64, requires_grad=True)
    likelihood, earned, on_data, start = _walk_in_torch(data, data_keys, last, gamma)
    on_model = _walk_in_torch(model, model_keys, last, gamma)[2]
    objective = earned + gamma ** len(data_keys) * last - start - alpha / 4 * (on_data + on_model)
    found = torch.autograd.grad(-beta * likelihood - (1 - beta) * objective, (data, model, last))
    return dict(zip(("data", "model", "absorbing"), (part.numpy() for part in found)))


def _by_hand(logits, keys, last, gamma):
    """Likelihood's and squares' gradients without autograd."""
    logits = np.asarray(logits)
    policy = np.exp(logits - np.logaddexp.reduce(logits, axis=1)[:, None])
    values, hot = np.logaddexp.reduce(logits, axis=1), np.eye(logits.shape[1])[keys]
    rewards = (hot * logits).sum(axis=1) - gamma * np.append(values[1:], last)
    weights = gamma ** np.arange(len(keys))
    squares = (2 * weights * rewards)[:, None] * hot
    squares[1:] -= gamma * (2 * weights * rewards)[:-1, None] * policy[1:]
    at_end = -gamma * 2 * weights[-1] * rewards[-1] + 2 * gamma ** len(keys) * (1 - gamma) * last
    return weights[:, None] * (hot - policy), squares, at_end


def update_by_hand(data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha):
    c = (1 - beta) * alpha / 4
    up, data, at_data = _by_hand(data_logits, data_keys, absorbing_value, gamma)
    _, model, at_model = _by_hand(model_logits, model_keys, absorbing_value, gamma)
    return {"data": (c * data - up).tolist(), "model": (c * model).tolist(), "absorbing": c * (at_data + at_model)}


def update_uphill(*given):
    return {name: -np.asarray(part) for name, part in update_by_the_short_way(*given).items()}


def update_that_only_clones(data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha):
    up, _, _ = _by_hand(data_logits, data_keys, absorbing_value, gamma)
    return {"data": -up, "model": np.zeros_like(model_logits), "absorbing": 0.0}


def update_with_half_of_cloning(data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha):
    up, _, _ = _by_hand(data_logits, data_keys, absorbing_value, gamma)
    right = update_by_hand(data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha)
    return right | {"data": np.array(right["data"]) + (1 - beta) * up}


def update_without_beta(data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha):
    return update_by_hand(data_logits, data_keys, model_logits, model_keys, absorbing_value, 0.0, gamma, alpha)


def update_with_alpha_for_c(data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha):
    return update_by_hand(data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, 4 * alpha)


def update_with_values_detached(data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha):
    data, model = torch.tensor(data_logits, requires_grad=True), torch.tensor(model_logits, requires_grad=True)
    last = torch.tensor(absorbing_value, dtype=torch.float64, requires_grad=True)
    loss = torch.zeros((), dtype=torch.float64)
    for logits, keys, clone in ((data, data_keys, 1), (model, model_keys, 0)):
        values, steps = logits.logsumexp(1), torch.arange(len(keys))
        chosen = logits[steps, torch.as_tensor(keys)]
        rewards = chosen - gamma * torch.cat((values[1:], last.reshape(1))).detach()
        squares = (gamma ** steps.double() * rewards**2).sum() + gamma ** len(keys) * (1 - gamma) * last**2
        loss = loss - clone * (gamma ** steps.double() * (chosen - values)).sum() + (1 - beta) * alpha / 4 * squares
    found = torch.autograd.grad(loss, (data, model, last))
    return {"data": found[0], "model": found[1], "absorbing": found[2]}


def update_that_forgets_the_model(
    data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha
):
    c = (1 - beta) * alpha / 4
    up, data, at_data = _by_hand(data_logits, data_keys, absorbing_value, gamma)
    return {"data": c * data - up, "model": 0 * model_logits, "absorbing": c * at_data}


def update_with_other_lines(likelihood_clock=None, squares_clock=None, step=None, start=False, value=torch.logsumexp):
    """The long way with a habit or two: other clocks, no discount of what is ahead, V(s_0) held fixed, another V."""

    def update(data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha):
        leaves = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (data_logits, model_logits)]
        last = torch.tensor(absorbing_value, dtype=torch.float64, requires_grad=True)
        loss = 0.0
        for logits, keys in zip(leaves, (data_keys, model_keys)):
            steps, values = torch.arange(len(keys), dtype=torch.float64), value(logits, 1)
            chosen = logits[torch.arange(len(keys)), torch.as_tensor(keys)]
            rewards = chosen - (step or gamma) * torch.cat((values[1:], last[None]))
            squares = ((squares_clock or gamma) ** steps * rewards**2).sum() + gamma ** len(keys) * (
                1 - gamma
            ) * last**2
            loss = loss + (1 - beta) * alpha / 4 * squares
            if logits is leaves[0]:
                log_policy = chosen - logits.logsumexp(1)
                loss = loss - ((likelihood_clock or gamma) ** steps * log_policy).sum()
                loss = loss - (1 - beta) * values[0] if start else loss
        found = torch.autograd.grad(loss, (*leaves, last))
        return dict(zip(("data", "model", "absorbing"), found))

    return update


def update_with_cloning_as_before(
    data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha
):
    return update_with_other_lines(likelihood_clock=1.0)(
        data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha
    )


def update_with_squares_alike(data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha):
    return update_with_other_lines(squares_clock=1.0)(
        data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha
    )


def update_without_discount_ahead(
    data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha
):
    return update_with_other_lines(step=1.0)(
        data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha
    )


def update_without_the_start(data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha):
    return update_with_other_lines(start=True)(
        data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha
    )


def update_with_the_largest_logits(
    data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha
):
    return update_with_other_lines(value=torch.amax)(
        data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha
    )


def update_with_the_likelihood_turned(
    data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha
):
    up, _, _ = _by_hand(data_logits, data_keys, absorbing_value, gamma)
    right = update_by_hand(data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha)
    return right | {"data": np.array(right["data"]) + 2 * up}


def update_with_no_gradient_at_the_end(data_logits, data_keys, model_logits, model_keys, absorbing_value, *rest):
    right = update_by_hand(data_logits, data_keys, model_logits, model_keys, absorbing_value, *rest)
    return right | {"absorbing": 0.0}


RIGHT = {
    "cloning_loss_of_a_walk": [
        pick_each_step,
        loop_over_steps,
        gather_in_torch,
        nll_loss_in_single_precision,
        one_hot_labels,
        trace_of_the_picked_columns,
        product_of_probabilities,
    ],
    "what_the_buffer_keeps": [
        a_deque_of_rounds,
        from_the_newest_back,
        from_sums_to_the_end,
        write_every_text_down,
        clamp_in_torch,
        take_the_surplus_off_the_oldest,
    ],
    "weight_of_cloning": [
        clipped_line,
        three_cases,
        interpolated,
        table_of_linspace,
        lerp_in_torch,
        fall_again_and_again,
    ],
    "mixed_loss_of_two_texts": [
        as_written,
        likelihood_and_penalty,
        steps_until_nothing_counts,
        long_way_in_torch,
        short_way_in_single_precision,
        squares_as_values_that_flow_back,
    ],
    "update_of_two_texts": [update_by_the_short_way, update_by_the_long_way, update_by_hand],
}
WRONG = {  # answer → the mistake whose hint it must be told
    "cloning_loss_of_a_walk": {
        mean_over_the_steps: "mean_over_steps",
        mean_over_what_counts: "mean_over_counted_steps",
        no_minus: "likelihood_for_loss",
        what_came_out_is_the_label: "slip_relabelled_if_kept",
        masked_and_kept_exchanged: "masked_the_other_way",
        never_masked: "never_masked",
        always_masked: "always_masked",
        only_the_slips: "only_slips_counted",
        backspace_left_out_instead: "backspace_masked_instead",
        backspace_left_out_too: "backspace_masked_too",
        every_backspace_left_out_too: "backspace_masked_too",
        slip_is_what_a_backspace_follows: "slip_told_by_the_backspace",
        stop_at_the_first_slip: "rest_of_the_walk_masked",
        without_the_last_key: "finishing_key_left_out",
        every_step_with_every_label: "counted_texts_for_counted_keys",
        columns_weighed: "every_text_for_every_key",
        whole_rows: "all_keys_added",
        probabilities_summed: "probabilities_added",
    },
    "what_the_buffer_keeps": {
        full_means_full: "oldest_stay",
        whole_rounds_leave: "whole_rounds_leave",
        whole_rounds_leave_one_by_one: "whole_rounds_leave",
        back_to_an_empty_round: "stops_at_an_empty_round",
        round_by_round_clipped: "each_round_bounded",
        nothing_leaves: "never_forgets",
        shares_of_the_buffer: "all_shrink_alike",
        shares_in_whole_texts: "all_shrink_alike",
        newest_first: "newest_first",
        forgotten_texts: "forgotten_for_kept",
        surplus_off_the_first_round: "all_leave_from_the_first_round",
        surplus_off_the_first_round_not_below_zero: "first_round_alone_shrinks",
        last_rounds_by_number: "size_counts_rounds",
        emptied_when_full: "starts_afresh_when_full",
        texts_in_all: "all_held_after_each_round",
        texts_from_here_on: "held_from_here_on",
        too_large_a_round_is_turned_away: "large_rounds_turned_away",
        one_place_short: "one_place_too_few",
        newest_text_replaced: "newest_makes_room",
        negative_counts: "less_than_nothing",
    },
    "weight_of_cloning": {
        a_step_late: "falls_one_step_late",
        a_step_early: "falls_one_step_early",
        linspace_from_one: "one_step_less_to_fall",
        falls_for_ever: "never_stops_falling",
        falls_to_nothing: "falls_to_zero",
        falls_towards_nothing_and_stops: "cut_off_at_the_end",
        jumps_to_the_end: "drops_at_once",
        waits_and_then_jumps: "waits_and_drops",
        falls_by_a_factor: "same_factor_in_each_step",
        falls_like_a_cosine: "as_a_cosine",
        falls_from_the_first_step: "no_warm_up",
        falls_over_the_warmup_as_well: "clock_not_set_back",
        like_the_steps: "kept_in_whole_numbers",
        more_than_one_in_the_warmup: "above_one_before",
        falls_by_the_end: "falls_by_the_end",
        weight_of_the_rest: "weight_of_the_objective",
        end_in_the_warmup: "rises_to_one",
        share_of_the_fall: "too_low_by_the_end",
        zero_after_the_fall: "nothing_after_the_fall",
        falling_as_the_last_step: "fall_counted_from_the_start",
        numbers_of_the_entries: "steps_counted_anew",
    },
    "mixed_loss_of_two_texts": {
        half_the_likelihood: "likelihood_in_part",
        whole_penalty: "penalty_in_full",
        shares_exchanged: "shares_swapped",
        data_alone: "model_left_out",
        model_alone: "data_squares_left_out",
        c_is_alpha: "alpha_for_c",
        c_of_iq_learn: "other_reading_of_alpha",
        mean_of_the_two_texts: "both_averaged",
        cloning_without_discount: "cloning_not_discounted",
        likelihood_without_discount: "whole_likelihood_not_discounted",
        penalty_without_discount: "squares_not_discounted",
        squares_end_at_enter: "squares_stop_at_the_end",
        everything_ends_at_enter: "stops_at_the_end",
        absorbing_paid_once: "squared_tail_of_one_step",
        absorbing_paid_once_the_long_way: "tail_of_one_step",
        absorbing_without_discount: "squared_tail_from_the_start",
        absorbing_from_enter_on: "squared_tail_one_early",
        both_as_long_as_the_data: "tails_of_the_demonstration",
        score_not_turned: "objective_made_small",
        penalty_taken_away: "all_squares_welcome",
        cloning_with_the_wrong_sign: "cloning_made_small",
        bare_rewards_end_at_enter: "bare_reward_stops_at_the_end",
        absorbing_reward_as_a_value: "absorbing_reward_scaled_again",
        start_value_of_one_step: "start_as_a_share_of_time",
        start_value_outside_the_bracket: "start_not_weighed",
        score_clipped: "score_cut_at_its_top",
        start_value_forgotten: "start_forgotten",
        start_value_added: "start_added",
        likelihood_counted_twice: "cloning_on_top",
        rewards_instead_of_squares: "rewards_not_squared",
        model_rewarded_too: "model_rewards_taken_away",
        critic_of_two_samples: "model_rewards_for_the_value",
        discount_squared_too: "weights_squared_too",
    },
    "update_of_two_texts": {
        update_uphill: "uphill",
        update_that_only_clones: "cloning_alone_in_the_update",
        update_with_half_of_cloning: "cloning_weighed_by_beta",
        update_without_beta: "beta_left_out",
        update_with_alpha_for_c: "alpha_for_c_in_the_update",
        update_with_values_detached: "value_ahead_held_fixed",
        update_that_forgets_the_model: "no_penalty_on_the_model",
        update_with_cloning_as_before: "cloning_not_discounted_in_the_update",
        update_with_squares_alike: "squares_not_discounted_in_the_update",
        update_without_discount_ahead: "discount_forgotten_in_the_update",
        update_without_the_start: "start_forgotten_in_the_update",
        update_with_the_largest_logits: "best_key_for_the_value",
        update_with_the_likelihood_turned: "penalty_is_right",
        update_with_no_gradient_at_the_end: "one_part_is_right",
    },
}
