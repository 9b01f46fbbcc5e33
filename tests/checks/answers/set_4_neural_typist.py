"""Answers to notebooks/assignments/set_4_neural_typist.ipynb, written from its text alone: right ones of many kinds,
and wrong ones that students give."""

import math

import numpy as np
import torch
from scipy.special import logsumexp

# Exercise S4.1, right


def way_by_rounds(pay, value_on, value_end, letters, gamma, depth):
    values = [0.0] * depth
    for _ in range(800):
        new = []
        for n in range(depth):
            ahead = [gamma * (value_on if n == 0 else values[n - 1]), gamma * value_end]
            if n + 1 < depth:
                ahead += letters * [gamma * values[n + 1]]
            top = max(ahead)
            new.append(pay + top + math.log(sum(math.exp(x - top) for x in ahead)))
        values = new
    chances = [math.exp(pay + gamma * (value_on if n == 0 else values[n - 1]) - values[n]) for n in range(depth)]
    return {"values": values, "backspace": chances}


def way_with_logsumexp(pay, value_on, value_end, letters, gamma, depth):
    values = np.full(depth, float(value_on))
    while True:
        logits = np.full((depth, 3), -np.inf)
        logits[:, 0] = pay + gamma * np.concatenate([[value_on], values[:-1]])
        logits[:-1, 1] = pay + gamma * values[1:] + np.log(letters)
        logits[:, 2] = pay + gamma * value_end
        new = logsumexp(logits, axis=1)
        if np.allclose(new, values, rtol=0, atol=1e-10):
            return {"backspace": np.exp(logits[:, 0] - new), "values": new}
        values = new


def way_by_newton(pay, value_on, value_end, letters, gamma, depth):
    """Policy iteration: solve for V under the present chances, and choose anew."""
    values = np.zeros(depth)
    for _ in range(60):
        logits = np.full((depth, 3), -np.inf)
        logits[:, 0] = gamma * np.append(value_on, values[:-1])
        logits[:-1, 1] = gamma * values[1:] + np.log(letters)
        logits[:, 2] = gamma * value_end
        total = logsumexp(logits, axis=1)
        chances = np.exp(logits - total[:, None])
        moves = np.diag(chances[1:, 0], -1) + np.diag(chances[:-1, 1], 1)
        values = values + np.linalg.solve(np.eye(depth) - gamma * moves, pay + total - values)
    return {"values": values, "backspace": chances[:, 0]}


def way_in_torch(pay, value_on, value_end, letters, gamma, depth):
    values = torch.zeros(depth, dtype=torch.float64)
    none = torch.tensor([-math.inf], dtype=torch.float64)
    for _ in range(700):
        back = pay + gamma * torch.cat([torch.tensor([value_on], dtype=torch.float64), values[:-1]])
        on = torch.cat([pay + math.log(letters) + gamma * values[1:], none])
        end = torch.full((depth,), pay + gamma * value_end, dtype=torch.float64)
        values = torch.logsumexp(torch.stack([back, on, end]), dim=0)
    return {"values": values, "backspace": torch.exp(back - values)}


# Exercise S4.1, wrong


def way_of_the_best_key(pay, value_on, value_end, letters, gamma, depth):
    values = np.zeros(depth)
    for _ in range(800):
        back = pay + gamma * np.append(value_on, values[:-1])
        on = np.append(pay + np.log(letters) + gamma * values[1:], -np.inf)
        values = np.maximum(np.maximum(back, on), pay + gamma * value_end)
    return {"values": values, "backspace": np.exp(back - values)}


def way_of_the_best_key_with_a_soft_chance(pay, value_on, value_end, letters, gamma, depth):
    def ahead(values, many):
        back, on = gamma * np.append(value_on, values[:-1]), np.append(gamma * values[1:] + np.log(many), -np.inf)
        return np.stack([back, on, np.full(depth, gamma * value_end)])

    values = np.zeros(depth)
    for _ in range(1000):
        values = pay + ahead(values, 1).max(axis=0)
    keys = ahead(values, letters)
    return {"values": values, "backspace": np.exp(keys[0] - logsumexp(keys, axis=0))}


def way_between_cut_ends(pay, value_on, value_end, letters, gamma, depth):
    return way_with_logsumexp(pay, max(value_on, -50.0), max(value_end, -50.0), letters, gamma, depth)


def way_with_one_letter(pay, value_on, value_end, letters, gamma, depth):
    return way_with_logsumexp(pay, value_on, value_end, 1, gamma, depth)


def way_without_the_end(pay, value_on, value_end, letters, gamma, depth):
    values = np.zeros(depth)
    for _ in range(800):
        back = pay + gamma * np.append(value_on, values[:-1])
        values = np.logaddexp(back, np.append(pay + np.log(letters) + gamma * values[1:], -np.inf))
    return {"values": values, "backspace": np.exp(back - values)}


def way_that_costs_nothing(pay, value_on, value_end, letters, gamma, depth):
    return way_with_logsumexp(0.0, value_on, value_end, letters, gamma, depth)


def way_that_pays(pay, value_on, value_end, letters, gamma, depth):
    return way_with_logsumexp(-pay, value_on, value_end, letters, gamma, depth)


def way_in_one_round(pay, value_on, value_end, letters, gamma, depth):
    values = np.zeros(depth)
    back = pay + gamma * np.append(value_on, values[:-1])
    on = np.append(pay + np.log(letters) + gamma * values[1:], -np.inf)
    values = np.logaddexp(np.logaddexp(back, on), pay + gamma * value_end)
    return {"values": values, "backspace": np.exp(back - values)}


def way_with_the_pay_left_out(pay, value_on, value_end, letters, gamma, depth):
    values = way_with_logsumexp(pay, value_on, value_end, letters, gamma, depth)["values"]
    return {"values": values, "backspace": np.exp(gamma * np.append(value_on, values[:-1]) - values)}


def way_not_taken(pay, value_on, value_end, letters, gamma, depth):
    right = way_with_logsumexp(pay, value_on, value_end, letters, gamma, depth)
    return {"values": right["values"], "backspace": 1 - right["backspace"]}


def way_of_fifteen_rounds(pay, value_on, value_end, letters, gamma, depth):
    right = way_with_logsumexp(pay, value_on, value_end, letters, gamma, depth)["values"]
    values = right + 0.01 * np.abs(right) * (depth > 1)  # as after many rounds that were not enough
    back = pay + gamma * np.append(value_on, values[:-1])
    return {"values": values, "backspace": np.minimum(np.exp(np.minimum(back - values, 0)), 1)}


def way_repeated(pay, value_on, depth, gamma, ahead, rounds=800):
    """The values after so many rounds of `ahead(back, on)`, which says what (S4.1) has behind the pay."""
    values = np.zeros(depth)
    for _ in range(rounds):
        before, values = values, pay + ahead(np.append(value_on, values[:-1]), np.append(values[1:], -np.inf))
        if np.abs(values - before).max() < 1e-13:
            break
    return {"values": values, "backspace": np.exp(pay + gamma * np.append(value_on, values[:-1]) - values)}


def way_below_the_floor(pay, value_on, value_end, letters, gamma, depth):
    def ahead(back, on):
        on = np.append(on[:-1], 0)
        return np.logaddexp.reduce([gamma * back, np.log(letters) + gamma * on, gamma * value_end + 0 * back], axis=0)

    return way_repeated(pay, value_on, depth, gamma, ahead)


def way_without_letters(pay, value_on, value_end, letters, gamma, depth):
    values = [value_on]
    for _ in range(depth):
        values.append(pay + np.logaddexp(gamma * values[-1], gamma * value_end))
    values = np.array(values)
    return {"values": values[1:], "backspace": np.exp(pay + gamma * values[:-1] - values[1:])}


def steps_on(on, gamma):
    """γ times what is ahead, -∞ where there is nothing, also at γ = 0."""
    return np.where(np.isfinite(on), gamma * np.where(np.isfinite(on), on, 0), -np.inf)


def way_to_an_end_at_hand(pay, value_on, value_end, letters, gamma, depth):
    def ahead(back, on):
        return np.logaddexp.reduce([gamma * back, np.log(letters) + steps_on(on, gamma), value_end + 0 * back], axis=0)

    return way_repeated(pay, value_on, depth, gamma, ahead)


def way_discounted_as_a_whole(pay, value_on, value_end, letters, gamma, depth):
    def ahead(back, on):
        return gamma * np.logaddexp.reduce([back, np.log(letters) + on, value_end + 0 * back], axis=0)

    return way_repeated(pay, value_on, depth, gamma, ahead)


def way_with_letters_discounted(pay, value_on, value_end, letters, gamma, depth):
    def ahead(back, on):
        return np.logaddexp.reduce(
            [gamma * back, steps_on(np.log(letters) + on, gamma), gamma * value_end + 0 * back], axis=0
        )

    return way_repeated(pay, value_on, depth, gamma, ahead)


def way_from_nothing(pay, value_on, value_end, letters, gamma, depth):
    values = way_with_logsumexp(pay, 0.0, value_end, letters, gamma, depth)["values"]
    return {"values": values, "backspace": np.exp(pay + gamma * np.append(value_on, values[:-1]) - values)}


def way_with_an_undiscounted_softmax(pay, value_on, value_end, letters, gamma, depth):
    values = way_with_logsumexp(pay, value_on, value_end, letters, gamma, depth)["values"]
    back, on = np.append(value_on, values[:-1]), np.append(values[1:], -np.inf)
    total = logsumexp([back, np.log(letters) + on, np.full(depth, value_end)], axis=0)
    return {"values": values, "backspace": np.exp(back - total)}


def way_that_stays(pay, value_on, value_end, letters, gamma, depth):
    values = way_with_logsumexp(pay, value_on, value_end, letters, gamma, depth)["values"]
    return {"values": values, "backspace": np.exp(pay + gamma * values - values)}


def way_in_as_many_rounds(pay, value_on, value_end, letters, gamma, depth, rounds=None):
    def ahead(back, on):
        return logsumexp([gamma * back, np.log(letters) + steps_on(on, gamma), gamma * value_end + 0 * back], axis=0)

    return way_repeated(pay, value_on, depth, gamma, ahead, rounds or depth)


def way_in_a_hundred_rounds(pay, value_on, value_end, letters, gamma, depth):
    return way_in_as_many_rounds(pay, value_on, value_end, letters, gamma, depth, rounds=100)


# Exercise S4.2, right


def visits_key_by_key(states, keys, gamma, absorbing, num_states, num_keys, eos):
    table = [[0.0] * num_keys for _ in range(num_states)]
    for passed, pressed in zip(states.tolist(), keys.tolist(), strict=True):
        for t, key in enumerate(pressed):
            table[passed[t]][key] += gamma**t / len(keys)
        if passed[-1] >= absorbing:
            table[passed[-1]][eos] += gamma ** len(pressed) / (1 - gamma) / len(keys)
    return table


def visits_by_bincount(states, keys, gamma, absorbing, num_states, num_keys, eos):
    batch, time = keys.shape
    weights = np.tile(gamma ** np.arange(time + 1.0), (batch, 1))
    weights[:, -1] = np.where(states[:, -1] >= absorbing, gamma**time / (1 - gamma), 0)
    pressed = np.concatenate([keys, np.full((batch, 1), eos)], axis=1)
    flat = np.bincount((states * num_keys + pressed).ravel(), weights.ravel(), minlength=num_states * num_keys)
    return flat.reshape(num_states, num_keys) / batch


def visits_walked_on(states, keys, gamma, absorbing, num_states, num_keys, eos):
    """Walks on for three thousand keys more."""
    table, time = np.zeros((num_states, num_keys)), keys.shape[1]
    for t in range(time + 3000):
        weight = gamma**t
        if weight < 1e-15 and t >= time:
            break
        for passed, pressed in zip(states, keys, strict=True):
            if t < time:
                table[passed[t], pressed[t]] += weight
            elif passed[-1] >= absorbing:
                table[passed[-1], eos] += weight
    return table / len(keys)


def visits_in_torch(states, keys, gamma, absorbing, num_states, num_keys, eos):
    states, keys = torch.tensor(np.array(states)), torch.tensor(np.array(keys))
    one = torch.nn.functional.one_hot
    weights = torch.tensor([gamma**t for t in range(keys.shape[1])], dtype=torch.float64)
    seen, pressed = one(states[:, :-1], num_states).double(), one(keys, num_keys).double()
    table = torch.einsum("bts,btk,t->sk", seen, pressed, weights)
    for last in states[:, -1].tolist():
        if last >= absorbing:
            table[last, eos] += gamma ** keys.shape[1] / (1 - gamma)
    return table / len(keys)


# Exercise S4.2, wrong


def visits_without_a_tail(states, keys, gamma, absorbing, num_states, num_keys, eos):
    table = np.zeros((num_states, num_keys))
    np.add.at(table, (states[:, :-1], keys), np.broadcast_to(gamma ** np.arange(keys.shape[1]), keys.shape))
    return table / len(keys)


def visits_with_every_tail(states, keys, gamma, absorbing, num_states, num_keys, eos):
    table = visits_without_a_tail(states, keys, gamma, absorbing, num_states, num_keys, eos)
    for last in states[:, -1]:
        table[last, eos] += gamma ** keys.shape[1] / (1 - gamma) / len(keys)
    return table


def visits_with_a_late_tail(states, keys, gamma, absorbing, num_states, num_keys, eos):
    table = visits_without_a_tail(states, keys, gamma, absorbing, num_states, num_keys, eos)
    for last in states[states[:, -1] >= absorbing, -1]:
        table[last, eos] += gamma ** (keys.shape[1] + 1) / (1 - gamma) / len(keys)
    return table


def visits_with_a_short_tail(states, keys, gamma, absorbing, num_states, num_keys, eos):
    table = visits_without_a_tail(states, keys, gamma, absorbing, num_states, num_keys, eos)
    for last in states[states[:, -1] >= absorbing, -1]:
        table[last, eos] += gamma ** keys.shape[1] / len(keys)
    return table


def visits_summed(states, keys, gamma, absorbing, num_states, num_keys, eos):
    return len(keys) * np.array(visits_key_by_key(states, keys, gamma, absorbing, num_states, num_keys, eos))


def visits_as_shares(states, keys, gamma, absorbing, num_states, num_keys, eos):
    return (1 - gamma) * np.array(visits_key_by_key(states, keys, gamma, absorbing, num_states, num_keys, eos))


def visits_overwritten(states, keys, gamma, absorbing, num_states, num_keys, eos):
    table = np.zeros((num_states, num_keys))
    time = keys.shape[1]
    table[states[:, :-1], keys] += np.broadcast_to(gamma ** np.arange(time), keys.shape)
    done = states[:, -1] >= absorbing
    table[states[done, -1], eos] += gamma**time / (1 - gamma)
    return table / len(keys)


def visits_from_gamma_on(states, keys, gamma, absorbing, num_states, num_keys, eos):
    table, time = np.zeros((num_states, num_keys)), keys.shape[1]
    np.add.at(table, (states[:, :-1], keys), np.broadcast_to(gamma ** np.arange(1, time + 1), keys.shape))
    for last in states[states[:, -1] >= absorbing, -1]:
        table[last, eos] += gamma**time / (1 - gamma)
    return table / len(keys)


def visits_of_two_hundred_keys(states, keys, gamma, absorbing, num_states, num_keys, eos):
    table = visits_without_a_tail(states, keys, gamma, absorbing, num_states, num_keys, eos)
    time = keys.shape[1]
    for last in states[states[:, -1] >= absorbing, -1]:
        table[last, eos] += np.sum(gamma ** np.arange(time, time + 200)) / len(keys)
    return table


def visits_with_tails(states, keys, gamma, num_states, num_keys, done, texts, key, weight):
    """What is pressed within T keys, and a tail of this weight at these texts for every walk that is done."""
    table = visits_without_a_tail(states, keys, gamma, None, num_states, num_keys, None)
    np.add.at(table, (np.broadcast_to(texts, done.shape)[done], key), weight / len(keys))
    return table


def visits_with_an_early_tail(states, keys, gamma, absorbing, num_states, num_keys, eos):
    last, weight = states[:, -1], gamma ** (keys.shape[1] - 1) / (1 - gamma)
    return visits_with_tails(states, keys, gamma, num_states, num_keys, last >= absorbing, last, eos, weight)


def visits_with_a_tail_from_the_start(states, keys, gamma, absorbing, num_states, num_keys, eos):
    last, weight = states[:, -1], 1 / (1 - gamma)
    return visits_with_tails(states, keys, gamma, num_states, num_keys, last >= absorbing, last, eos, weight)


def visits_with_a_tail_twice(states, keys, gamma, absorbing, num_states, num_keys, eos):
    last, arrival = states[:, -1], (states >= absorbing).argmax(axis=1)
    done = last >= absorbing
    weight = gamma ** arrival[done] / (1 - gamma)
    return visits_with_tails(states, keys, gamma, num_states, num_keys, done, last, eos, weight)


def visits_with_tails_in_one_place(states, keys, gamma, absorbing, num_states, num_keys, eos):
    done, weight = states[:, -1] >= absorbing, gamma ** keys.shape[1] / (1 - gamma)
    return visits_with_tails(states, keys, gamma, num_states, num_keys, done, absorbing, eos, weight)


def visits_with_a_tail_at_another_key(states, keys, gamma, absorbing, num_states, num_keys, eos):
    last, weight = states[:, -1], gamma ** keys.shape[1] / (1 - gamma)
    return visits_with_tails(states, keys, gamma, num_states, num_keys, last >= absorbing, last, 0, weight)


def visits_done_behind_the_first(states, keys, gamma, absorbing, num_states, num_keys, eos):
    last, weight = states[:, -1], gamma ** keys.shape[1] / (1 - gamma)
    return visits_with_tails(states, keys, gamma, num_states, num_keys, last > absorbing, last, eos, weight)


def visits_done_at_the_first(states, keys, gamma, absorbing, num_states, num_keys, eos):
    last, weight = states[:, -1], gamma ** keys.shape[1] / (1 - gamma)
    return visits_with_tails(states, keys, gamma, num_states, num_keys, last == absorbing, last, eos, weight)


def visits_before_the_end_only(states, keys, gamma, absorbing, num_states, num_keys, eos):
    table = visits_without_a_tail(states, keys, gamma, absorbing, num_states, num_keys, eos)
    table[absorbing:] = 0
    return table


def visits_of_what_comes_next(states, keys, gamma, absorbing, num_states, num_keys, eos):
    moved = np.column_stack([states[:, 1:], states[:, -1]])
    return np.array(visits_key_by_key(moved, keys, gamma, absorbing, num_states, num_keys, eos))


def visits_overwritten_at_each_time(states, keys, gamma, absorbing, num_states, num_keys, eos):
    table, time = np.zeros((num_states, num_keys)), keys.shape[1]
    for t in range(time):
        table[states[:, t], keys[:, t]] += gamma**t
    table[states[states[:, -1] >= absorbing, -1], eos] += gamma**time / (1 - gamma)
    return table / len(keys)


def visits_all_a_step_late(states, keys, gamma, absorbing, num_states, num_keys, eos):
    return gamma * np.array(visits_key_by_key(states, keys, gamma, absorbing, num_states, num_keys, eos))


# Exercise S4.3, right


def gradient_by_state(logits, legal, leads, data, model, c, gamma):
    size, num_keys = logits.shape
    values = [math.log(sum(math.exp(logits[s, a]) for a in range(num_keys) if legal[s, a])) for s in range(size)]
    weight = np.zeros((size, num_keys))
    for s in range(size):
        for a in np.flatnonzero(legal[s]):
            r = logits[s, a] - gamma * leads[s, a] @ values
            weight[s, a] = data[s, a] * (1 - 2 * c * r) - 2 * c * model[s, a] * r
    result = np.zeros((size, num_keys))
    for n in range(size):
        came = float(n == 0) + gamma * (weight * leads[:, :, n]).sum()
        for a in np.flatnonzero(legal[n]):
            result[n, a] = weight[n, a] - math.exp(logits[n, a] - values[n]) * came
    return result


def gradient_by_autograd(logits, legal, leads, data, model, c, gamma):
    table = torch.tensor(np.array(logits), requires_grad=True)
    legal, leads, data, model = (torch.tensor(np.array(part)) for part in (legal, leads, data, model))
    values = torch.logsumexp(table.masked_fill(~legal, -math.inf), dim=1)
    reward = torch.where(legal, table - gamma * leads @ values, 0.0)
    objective = (data * (reward - c * reward**2) - c * model * reward**2).sum() - values[0]
    objective.backward()
    return table.grad


def gradient_by_nudges(logits, legal, leads, data, model, c, gamma):
    def objective(table):
        values = logsumexp(np.where(legal, table, -np.inf), axis=1)
        reward = np.where(legal, table - gamma * leads @ values, 0)
        return np.sum(data * (reward - c * reward**2) - c * model * reward**2) - values[0]

    found = np.zeros(logits.shape)
    for place in zip(*np.nonzero(legal), strict=True):
        nudge = np.zeros(logits.shape)
        nudge[place] = 1e-4
        one, two = (objective(logits + k * nudge) - objective(logits - k * nudge) for k in (1, 2))
        found[place] = (8 * one - two) / 12e-4
    return found


# Exercise S4.3, wrong


def gradient_parts(logits, legal, leads, data, model, c, gamma):
    masked = np.where(legal, logits, -np.inf)
    values = logsumexp(masked, axis=1)
    policy = np.exp(masked - values[:, None])
    reward = np.where(legal, logits - gamma * leads @ values, 0)
    return policy, reward, data - 2 * c * (data + model) * reward


def gradient_without_the_start(logits, legal, leads, data, model, c, gamma):
    policy, _, weight = gradient_parts(logits, legal, leads, data, model, c, gamma)
    return weight - policy * gamma * np.tensordot(weight, leads, 2)[:, None]


def gradient_of_frozen_values(logits, legal, leads, data, model, c, gamma):
    policy, _, weight = gradient_parts(logits, legal, leads, data, model, c, gamma)
    weight[0] -= policy[0]
    return weight


def gradient_without_the_two(logits, legal, leads, data, model, c, gamma):
    return gradient_by_state(logits, legal, leads, data, model, c / 2, gamma)


def gradient_without_the_model(logits, legal, leads, data, model, c, gamma):
    return gradient_by_state(logits, legal, leads, data, np.zeros(model.shape), c, gamma)


def gradient_of_the_loss(logits, legal, leads, data, model, c, gamma):
    return -gradient_by_state(logits, legal, leads, data, model, c, gamma)


def gradient_of_the_likelihood(logits, legal, leads, data, model, c, gamma):
    policy, _, _ = gradient_parts(logits, legal, leads, data, model, c, gamma)
    return data - policy * data.sum(axis=1)[:, None]


def gradient_of_all_keys(logits, legal, leads, data, model, c, gamma):
    values = logsumexp(logits, axis=1)
    policy = np.exp(logits - values[:, None])
    reward = np.where(legal, logits - gamma * leads @ values, 0)
    weight = data - 2 * c * (data + model) * reward
    came = gamma * np.tensordot(weight, leads, 2)
    came[0] += 1
    return np.where(legal, weight - policy * came[:, None], 0)


def gradient_of_a_prize(logits, legal, leads, data, model, c, gamma):
    return gradient_by_state(logits, legal, leads, data, model, -c, gamma)


def gradient_put_together(policy, weight, came, start=1.0):
    came = came + start * (np.arange(len(came)) == 0)
    return weight - policy * came[:, None]


def gradient_with_arrivals_as_they_are(logits, legal, leads, data, model, c, gamma):
    policy, _, weight = gradient_parts(logits, legal, leads, data, model, c, gamma)
    return gradient_put_together(policy, weight, np.tensordot(weight, leads, 2))


def gradient_with_departures(logits, legal, leads, data, model, c, gamma):
    policy, _, weight = gradient_parts(logits, legal, leads, data, model, c, gamma)
    return gradient_put_together(policy, weight, gamma * weight.sum(axis=1))


def gradient_with_values_added(logits, legal, leads, data, model, c, gamma):
    policy, _, weight = gradient_parts(logits, legal, leads, data, model, c, gamma)
    return gradient_put_together(-policy, weight, gamma * np.einsum("sa,san->n", weight, leads))


def gradient_with_arrivals_of_the_data(logits, legal, leads, data, model, c, gamma):
    policy, _, weight = gradient_parts(logits, legal, leads, data, model, c, gamma)
    return gradient_put_together(policy, weight, gamma * np.tensordot(data, leads, 2))


def gradient_with_the_best_key(logits, legal, leads, data, model, c, gamma):
    policy, _, _ = gradient_parts(logits, legal, leads, data, model, c, gamma)
    best = np.where(legal, logits, -np.inf).max(axis=1)
    weight = data - 2 * c * (data + model) * np.where(legal, logits - gamma * leads @ best, 0)
    return gradient_put_together(policy, weight, gamma * np.tensordot(weight, leads, 2))


def gradient_of_the_average(logits, legal, leads, data, model, c, gamma):
    policy, _, weight = gradient_parts(logits, legal, leads, data, model, c, gamma)
    return gradient_put_together(policy, weight, gamma * np.tensordot(weight, leads, 2), start=1 - gamma)


def gradient_without_the_policy(logits, legal, leads, data, model, c, gamma):
    _, _, weight = gradient_parts(logits, legal, leads, data, model, c, gamma)
    return gradient_put_together(legal, weight, gamma * np.tensordot(weight, leads, 2))


def gradient_with_logits_for_rewards(logits, legal, leads, data, model, c, gamma):
    policy, _, _ = gradient_parts(logits, legal, leads, data, model, c, gamma)
    weight = data - 2 * c * (data + model) * logits
    return gradient_put_together(policy, weight, gamma * np.tensordot(weight, leads, 2))


# Exercise S4.4, right


def back_with_autograd(inputs, gradient, weights):
    held = {name: torch.tensor(np.array(w), requires_grad=True) for name, w in weights.items()}
    logits = torch.tanh(torch.tensor(np.array(inputs)) @ held["W1"] + held["b1"]) @ held["W2"] + held["b2"]
    logits.backward(torch.tensor(np.array(gradient)))
    return {name: w.grad for name, w in held.items()}


def back_row_by_row(inputs, gradient, weights):
    found = {name: np.zeros(w.shape) for name, w in weights.items()}
    for x, g in zip(inputs, gradient, strict=True):
        hidden = np.tanh(weights["W1"].T @ x + weights["b1"])
        inner = (weights["W2"] @ g) / np.cosh(weights["W1"].T @ x + weights["b1"]) ** 2
        found["W1"] += np.outer(x, inner)
        found["b1"] += inner
        found["W2"] += np.outer(hidden, g)
        found["b2"] += g
    return found


def back_with_einsum(inputs, gradient, weights):
    hidden = np.tanh(np.einsum("sf,fh->sh", inputs, weights["W1"]) + weights["b1"])
    inner = np.einsum("sa,ha,sh->sh", gradient, weights["W2"], 1 - hidden * hidden)
    ones = np.ones(len(inputs))
    return {
        "b2": ones @ gradient,
        "W2": np.einsum("sh,sa->ha", hidden, gradient),
        "b1": ones @ inner,
        "W1": np.einsum("sf,sh->fh", inputs, inner),
    }


# Exercise S4.4, wrong


def back_by(slope, inputs, gradient, weights):
    before = inputs @ weights["W1"] + weights["b1"]
    inner = (gradient @ weights["W2"].T) * slope(before)
    return {"W1": inputs.T @ inner, "b1": inner.sum(0), "W2": np.tanh(before).T @ gradient, "b2": gradient.sum(0)}


def back_straight_through(inputs, gradient, weights):
    return back_by(lambda before: 1, inputs, gradient, weights)


def back_with_a_wrong_slope(inputs, gradient, weights):
    return back_by(lambda before: 1 - np.tanh(before), inputs, gradient, weights)


def back_with_a_sigmoid(inputs, gradient, weights):
    return back_by(lambda before: np.tanh(before) * (1 - np.tanh(before)), inputs, gradient, weights)


def back_with_relu(inputs, gradient, weights):
    return back_by(lambda before: before > 0, inputs, gradient, weights)


def back_from_a_cut_gradient(inputs, gradient, weights):
    return back_with_einsum(inputs, np.clip(gradient, -5, 5), weights)


def back_averaged(inputs, gradient, weights):
    return {name: g / len(inputs) for name, g in back_row_by_row(inputs, gradient, weights).items()}


def back_with_mean_biases(inputs, gradient, weights):
    right = back_row_by_row(inputs, gradient, weights)
    return right | {name: right[name] / len(inputs) for name in ("b1", "b2")}


def back_without_tanh_in_the_second_layer(inputs, gradient, weights):
    right = back_row_by_row(inputs, gradient, weights)
    return right | {"W2": (inputs @ weights["W1"] + weights["b1"]).T @ gradient}


def back_downhill(inputs, gradient, weights):
    return {name: -g for name, g in back_row_by_row(inputs, gradient, weights).items()}


def back_without_the_inner_bias(inputs, gradient, weights):
    return back_row_by_row(inputs, gradient, weights | {"b1": 0 * weights["b1"]})


# Exercise S4.5, right


def return_by_solving(moves, on_data):
    can = {int(s) for s in np.flatnonzero(on_data)}
    while True:
        more = {s for s in range(len(moves)) if any(moves[s][n] > 0 for n in can)} | can
        if more == can:
            break
        can = more
    chance = np.array(on_data, dtype=float)
    lost = sorted(s for s in can if not on_data[s])
    if lost:
        left = np.eye(len(lost)) - np.array(moves)[np.ix_(lost, lost)]
        chance[lost] = np.linalg.solve(left, np.array(moves)[lost] @ np.array(on_data, dtype=float))
    return chance


def return_by_squaring(moves, on_data):
    """The data and a thousand billion keys: the table, squared forty times."""
    stays = np.array(moves)
    stays[np.asarray(on_data)] = np.eye(len(stays))[np.asarray(on_data)]
    for _ in range(40):
        stays = stays @ stays
        stays = stays / stays.sum(axis=1, keepdims=True)
    return stays[:, np.asarray(on_data)].sum(axis=1)


def return_by_least_squares(moves, on_data):
    """The smallest solution: those who cannot get there are told so."""
    on = np.asarray(on_data)
    reach = np.linalg.matrix_power((np.array(moves) > 0) + np.eye(len(on)), len(on))[:, on].any(axis=1)
    system = np.eye(len(on)) - np.where((~on & reach)[:, None], np.array(moves), 0)
    return np.linalg.lstsq(system, on.astype(float), rcond=None)[0]


# Exercise S4.5, wrong


def return_in_one_key(moves, on_data):
    return np.where(on_data, 1.0, moves @ np.array(on_data, dtype=float))


def return_with_a_discount(moves, on_data):
    on = np.array(on_data)
    system = np.eye(len(on)) - 0.9 * np.where(on[:, None], 0, moves)
    return np.linalg.solve(system, on.astype(float))


def return_with_a_light_discount(moves, on_data):
    on = np.array(on_data)
    system = np.eye(len(on)) - 0.99 * np.where(on[:, None], 0, moves)
    return np.linalg.solve(system, on.astype(float))


def return_for_everybody(moves, on_data):
    on = np.array(on_data)
    chance = np.ones(len(on))
    if on.all():
        return chance
    for _ in range(30_000):
        new = np.where(on, 1.0, moves @ chance)
        if np.abs(new - chance).max() < 1e-14:
            break
        chance = new
    return chance


def return_if_there_is_a_way(moves, on_data):
    return (return_by_solving(moves, on_data) > 0).astype(float)


def return_never(moves, on_data):
    return 1 - return_by_solving(moves, on_data)


def return_of_the_lost_alone(moves, on_data):
    return np.where(on_data, 0.0, return_by_solving(moves, on_data))


def return_of_those_who_are_there(moves, on_data):
    return np.array(on_data) * 1.0


def return_in_fifty_keys(moves, on_data):
    on = np.array(on_data)
    chance = on.astype(float)
    for _ in range(50):
        chance = np.where(on, 1.0, moves @ chance)
    return chance


def return_by_least_squares_of_all(moves, on_data):
    on = np.array(on_data)
    system = np.eye(len(on)) - np.where(on[:, None], 0, moves)
    return np.linalg.lstsq(system, on.astype(float), rcond=None)[0]


def return_of_neighbours(moves, on_data):
    on = np.array(on_data)
    near = ~on & (moves[:, on].sum(axis=1) > 0)
    system = np.eye(len(on)) - np.where(near[:, None], moves, 0)
    return np.linalg.solve(system, on.astype(float))


def return_in_the_long_run(moves, on_data):
    return np.linalg.matrix_power(moves, 20_000)[:, np.array(on_data)].sum(axis=1)


def return_in_the_long_run_and_one_on_the_data(moves, on_data):
    chance = np.array(on_data).astype(float)
    for _ in range(3000):
        chance = moves @ chance
    return np.where(on_data, 1.0, chance)


def return_by_columns(moves, on_data):
    on = np.array(on_data)
    chance = on.astype(float)
    for _ in range(200):
        chance = np.where(on, 1.0, chance @ moves)
    return chance


RIGHT = {
    "way_home": [way_by_rounds, way_with_logsumexp, way_by_newton, way_in_torch],
    "visits_of_walks": [visits_key_by_key, visits_by_bincount, visits_walked_on, visits_in_torch],
    "gradient_in_logits": [gradient_by_state, gradient_by_autograd, gradient_by_nudges],
    "back_through_the_network": [back_with_autograd, back_row_by_row, back_with_einsum],
    "comes_back": [return_by_solving, return_by_squaring, return_by_least_squares],
}

WRONG = {
    "way_home": {
        way_of_the_best_key: "largest_instead_of_soft",
        way_of_the_best_key_with_a_soft_chance: "largest_instead_of_soft",
        way_between_cut_ends: "Not right yet",
        way_with_one_letter: "one_letter_only",
        way_without_the_end: "no_way_to_finish",
        way_that_costs_nothing: "nothing_paid",
        way_that_pays: "paid_with_the_wrong_sign",
        way_in_one_round: "one_round_only",
        way_with_the_pay_left_out: "pay_left_out_of_the_chance",
        way_not_taken: "chance_of_anything_else",
        way_of_fifteen_rounds: "too_few_rounds",
        way_below_the_floor: "worth_nothing_below_the_floor",
        way_without_letters: "letters_left_out",
        way_to_an_end_at_hand: "end_not_discounted",
        way_discounted_as_a_whole: "discounted_outside",
        way_with_letters_discounted: "letters_discounted",
        way_from_nothing: "data_worth_nothing",
        way_with_an_undiscounted_softmax: "softmax_not_discounted",
        way_that_stays: "value_of_the_same_text",
        way_in_as_many_rounds: "too_few_rounds",
        way_in_a_hundred_rounds: "too_few_rounds",
    },
    "visits_of_walks": {
        visits_without_a_tail: "tail_forgotten",
        visits_with_every_tail: "tail_of_cut_walks_too",
        visits_with_a_late_tail: "tail_a_step_late",
        visits_with_a_short_tail: "tail_is_one_step",
        visits_summed: "sums_instead_of_means",
        visits_as_shares: "shares_instead_of_visits",
        visits_overwritten: "last_one_wins",
        visits_from_gamma_on: "discounted_once_too_often",
        visits_of_two_hundred_keys: "tail_cut_off",
        visits_with_an_early_tail: "tail_a_step_early",
        visits_with_a_tail_from_the_start: "tail_from_time_0",
        visits_with_a_tail_twice: "tail_counted_twice",
        visits_with_tails_in_one_place: "tails_at_one_state",
        visits_with_a_tail_at_another_key: "tail_at_another_key",
        visits_done_behind_the_first: "some_tails_forgotten",
        visits_done_at_the_first: "some_tails_forgotten",
        visits_before_the_end_only: "nothing_at_terminal_states",
        visits_of_what_comes_next: "text_after_the_key",
        visits_overwritten_at_each_time: "last_one_wins",
        visits_all_a_step_late: "discounted_once_too_often",
    },
    "gradient_in_logits": {
        gradient_without_the_start: "start_not_taken_away",
        gradient_of_frozen_values: "values_ahead_as_numbers",
        gradient_without_the_two: "two_forgotten",
        gradient_without_the_model: "model_not_fined",
        gradient_of_the_loss: "downhill",
        gradient_of_the_likelihood: "likelihood_only",
        gradient_of_all_keys: "illegal_keys_in_the_sum",
        gradient_of_a_prize: "fine_becomes_a_prize",
        gradient_with_arrivals_as_they_are: "arrivals_not_discounted",
        gradient_with_departures: "departures_counted",
        gradient_with_values_added: "values_added",
        gradient_with_arrivals_of_the_data: "data_arrives",
        gradient_with_the_best_key: "largest_logit_as_value",
        gradient_of_the_average: "start_of_an_average",
        gradient_without_the_policy: "whole_push_for_each_key",
        gradient_with_logits_for_rewards: "logits_for_rewards",
    },
    "back_through_the_network": {
        back_straight_through: "bend_forgotten",
        back_with_a_wrong_slope: "bend_without_a_square",
        back_with_a_sigmoid: "bend_of_the_sigmoid",
        back_with_relu: "bend_of_relu",
        back_from_a_cut_gradient: "Not right yet",
        back_averaged: "mean_over_texts",
        back_with_mean_biases: "mean_in_the_biases",
        back_without_tanh_in_the_second_layer: "second_layer_fed_with_the_wrong_thing",
        back_downhill: "downwards",
        back_without_the_inner_bias: "hidden_without_its_bias",
    },
    "comes_back": {
        return_in_one_key: "one_key_only",
        return_with_a_discount: "discounted_on_the_way",
        return_with_a_light_discount: "discounted_lightly",
        return_for_everybody: "something_where_there_is_no_way",
        return_by_least_squares_of_all: "something_where_there_is_no_way",
        return_of_neighbours: "never_though_there_is_a_way",
        return_in_the_long_run: "data_left_again",
        return_in_the_long_run_and_one_on_the_data: "data_left_on_the_way",
        return_by_columns: "above_one",
        return_if_there_is_a_way: "whether_there_is_a_way",
        return_never: "chance_of_getting_lost",
        return_of_the_lost_alone: "nobody_on_the_data",
        return_in_fifty_keys: "too_few_keys",
        return_of_those_who_are_there: "on_the_data_now",
    },
}
