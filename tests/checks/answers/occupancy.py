"""Answers to notebooks/02_occupancy.ipynb, written from its text alone: right ones of many kinds, and wrong ones that
students give."""

import numpy as np
import torch

# Exercise 2.1, right


def visits_with_a_loop(policy, gamma):
    share = [1 - gamma]
    for chance in policy:
        share.append(share[-1] * gamma * chance)
    return np.array(share)


def visits_by_cumulative_product(policy, gamma):
    return (1 - gamma) * np.cumprod(np.concatenate([[1], gamma * np.asarray(policy)]))


def visits_in_torch(policy, gamma):
    policy = torch.as_tensor(np.asarray(policy), dtype=torch.float64)
    return (1 - gamma) * gamma ** torch.arange(4) * torch.cat([torch.ones(1), torch.cumprod(policy, 0)])


def visits_in_torch_float32(policy, gamma):
    policy = torch.tensor([1.0, *map(float, policy)])
    return (1 - gamma) * torch.cumprod(policy, 0) * torch.tensor([1, gamma, gamma**2, gamma**3])


def visits_as_a_list(policy, gamma):
    a, b, c = policy
    return [1 - gamma, (1 - gamma) * gamma * a, (1 - gamma) * gamma**2 * a * b, (1 - gamma) * gamma**3 * a * b * c]


def visits_by_a_linear_system(policy, gamma):
    moves = np.diag(np.asarray(policy, dtype=float), k=1)
    return (1 - gamma) * np.linalg.inv(np.eye(4) - gamma * moves)[0]


def visits_by_moving_the_crowd(policy, gamma):
    crowd, share = np.eye(4)[0], np.zeros(4)
    for t in range(10):
        share += (1 - gamma) * gamma**t * crowd
        crowd = np.append(0, crowd[:-1] * policy)
    return share


# Exercise 2.1, wrong


def visits_that_sum_to_more_than_one(policy, gamma):
    return visits_with_a_loop(policy, gamma) / (1 - gamma)


def visits_without_discount(policy, gamma):
    return (1 - gamma) * np.cumprod([1, *policy])


def visits_as_plain_chances(policy, gamma):
    return np.cumprod([1, *policy])


def visits_discounted_from_the_start(policy, gamma):
    return gamma * visits_with_a_loop(policy, gamma)


def visits_that_sum_to_one(policy, gamma):
    share = visits_with_a_loop(policy, gamma)
    return share / share.sum()


def visits_without_unlikely_keys(policy, gamma):
    visits = np.zeros(4)
    visits[0] = 1 - gamma
    for d in range(3):
        if policy[d] < 0.05:
            break
        visits[d + 1] = visits[d] * policy[d] * gamma
    return visits


def visits_by_the_last_key_only(policy, gamma):
    return (1 - gamma) * gamma ** np.arange(4) * np.array([1, *policy])


def visits_that_stay_at_the_end(policy, gamma):
    share = visits_with_a_loop(policy, gamma)
    share[3] /= 1 - gamma
    return share


def visits_with_chances_added(policy, gamma):
    return (1 - gamma) * gamma ** np.arange(4) * np.cumsum([1, *policy])


def visits_with_the_next_key_counted(policy, gamma):
    return (1 - gamma) * gamma ** np.arange(4) * np.cumprod([*policy, 1])


def visits_discounted_once(policy, gamma):
    return (1 - gamma) * np.cumprod([1, *policy]) * np.array([1, gamma, gamma, gamma])


def visits_stopped_at_every_step(policy, gamma):
    return np.cumprod([1 - gamma, *((1 - gamma) * gamma * np.asarray(policy))])


def visits_with_stopping_and_running_on_swapped(policy, gamma):
    return visits_with_a_loop(policy, 1 - gamma)


def visits_that_finish_there(policy, gamma):
    return visits_with_a_loop(policy, gamma) * np.append(1 - np.asarray(policy), 1)


def visits_from_the_end(policy, gamma):
    return visits_with_a_loop(policy, gamma)[::-1]


def visits_by_simulation(policy, gamma):
    rng = np.random.default_rng()
    counts = np.zeros(4)
    for _ in range(2000):
        depth = 0
        while rng.random() < gamma:  # the clock runs on
            if depth == 3 or rng.random() > policy[depth]:
                break  # gone from the chain for good
            depth += 1
        else:
            counts[depth] += 1
    return counts / 2000


def visits_by_the_last_key_and_one_gamma(policy, gamma):
    return (1 - gamma) * np.append(1, gamma * np.asarray(policy))


def visits_stopped_at_every_step_that_runs_free(policy, gamma):
    return np.cumprod([1 - gamma, *((1 - gamma) * np.asarray(policy))])


def visits_with_the_first_one_normalised(policy, gamma):
    share = np.cumprod([1, *(gamma * np.asarray(policy))])
    share[0] *= 1 - gamma
    return share


def visits_with_gamma_in_front(policy, gamma):
    return gamma * np.cumprod([1, *(gamma * np.asarray(policy))])


def visits_with_all_the_rest_at_the_end(policy, gamma):
    share = visits_with_a_loop(policy, gamma)
    share[3] = 1 - sum(share[:3])
    return share


# Exercise 2.2, right


def occupancy_by_solving(policy, transitions, gamma):
    num_states = len(policy)
    moves = np.einsum("sa,san->sn", policy, transitions)
    v = np.linalg.solve(np.eye(num_states) - gamma * moves.T, np.eye(num_states)[0])
    return (1 - gamma) * v[:, None] * policy


def occupancy_by_steps(policy, transitions, gamma):
    policy, transitions = np.asarray(policy), np.asarray(transitions)
    here, weight, rho = np.eye(len(policy))[0], 1 - gamma, np.zeros(policy.shape)
    while weight > 1e-14:
        pairs = here[:, None] * policy
        rho += weight * pairs
        here = np.tensordot(pairs, transitions, axes=2)
        weight *= gamma
    return rho


def occupancy_in_torch(policy, transitions, gamma):
    policy = torch.as_tensor(np.asarray(policy), dtype=torch.float64)
    transitions = torch.as_tensor(np.asarray(transitions), dtype=torch.float64)
    moves = (policy[:, :, None] * transitions).sum(1)
    inverse = torch.linalg.inv(torch.eye(len(policy), dtype=torch.float64) - gamma * moves)
    return (1 - gamma) * inverse[0][:, None] * policy


def occupancy_in_torch_float32(policy, transitions, gamma):
    policy = torch.as_tensor(np.asarray(policy)).float()
    transitions = torch.as_tensor(np.asarray(transitions)).float()
    moves = torch.einsum("sa,san->ns", policy, transitions)
    start = torch.zeros(len(policy))
    start[0] = 1 - gamma
    return torch.linalg.solve(torch.eye(len(policy)) - gamma * moves, start)[:, None] * policy


def occupancy_in_lists(policy, transitions, gamma):
    num_states, num_actions = len(policy), len(policy[0])
    v = [0.0] * num_states
    for _ in range(int(40 / (1 - gamma))):  # γ^t < e^-40
        new = [float(n == 0) for n in range(num_states)]
        for s in range(num_states):
            for a in range(num_actions):
                for n in range(num_states):
                    new[n] += gamma * v[s] * float(policy[s][a]) * float(transitions[s][a][n])
        v = new
    return [[(1 - gamma) * v[s] * float(policy[s][a]) for a in range(num_actions)] for s in range(num_states)]


def occupancy_on_pairs(policy, transitions, gamma):
    size = policy.size
    to_pair = (transitions[:, :, :, None] * policy[None, None]).reshape(size, size)
    start = np.zeros(policy.shape)
    start[0] = (1 - gamma) * policy[0]
    return np.linalg.solve(np.eye(size) - gamma * to_pair.T, start.ravel()).reshape(policy.shape)


def occupancy_by_squaring(policy, transitions, gamma):
    power = gamma * np.einsum("sa,san->sn", policy, transitions)
    total = np.eye(len(policy))
    for _ in range(30):
        total = total + total @ power
        power = power @ power
    return (1 - gamma) * np.diag(total[0]) @ policy


def occupancy_through_single_precision(policy, transitions, gamma):
    return occupancy_in_torch_float32(policy, transitions, gamma).tolist()


# Exercise 2.2, wrong


def occupancy_with_moves_not_transposed(policy, transitions, gamma):
    num_states = len(policy)
    moves = np.einsum("sa,san->sn", policy, transitions)
    v = np.linalg.solve(np.eye(num_states) - gamma * moves, np.eye(num_states)[0])
    return (1 - gamma) * v[:, None] * policy


def occupancy_that_sums_to_more_than_one(policy, transitions, gamma):
    return occupancy_by_solving(policy, transitions, gamma) / (1 - gamma)


def occupancy_from_any_start(policy, transitions, gamma):
    num_states = len(policy)
    moves = np.einsum("sa,san->sn", policy, transitions)
    v = np.linalg.solve(np.eye(num_states) - gamma * moves.T, np.full(num_states, 1 / num_states))
    return (1 - gamma) * v[:, None] * policy


def occupancy_with_ones_as_start(policy, transitions, gamma):
    return len(policy) * occupancy_from_any_start(policy, transitions, gamma)


def occupancy_from_the_last_state(policy, transitions, gamma):
    num_states = len(policy)
    moves = np.einsum("sa,san->sn", policy, transitions)
    v = np.linalg.solve(np.eye(num_states) - gamma * moves.T, np.eye(num_states)[-1])
    return (1 - gamma) * v[:, None] * policy


def occupancy_with_every_action_alike(policy, transitions, gamma):
    num_states = len(policy)
    moves = np.mean(transitions, axis=1)
    v = np.linalg.solve(np.eye(num_states) - gamma * moves.T, np.eye(num_states)[0])
    return (1 - gamma) * v[:, None] * policy


def occupancy_shared_evenly_by_the_actions(policy, transitions, gamma):
    v = occupancy_by_solving(policy, transitions, gamma).sum(axis=1)
    return np.repeat(v[:, None] / policy.shape[1], policy.shape[1], axis=1)


def occupancy_with_states_repeated(policy, transitions, gamma):
    v = occupancy_by_solving(policy, transitions, gamma).sum(axis=1)
    return np.repeat(v[:, None], policy.shape[1], axis=1)


def occupancy_of_a_few_steps(policy, transitions, gamma):
    here, rho = np.eye(len(policy))[0], np.zeros(policy.shape)
    for t in range(10):
        rho += (1 - gamma) * gamma**t * here[:, None] * policy
        here = np.einsum("s,sa,san->n", here, policy, transitions)
    return rho


def occupancy_with_policy_twice(policy, transitions, gamma):
    return occupancy_by_solving(policy, transitions, gamma) * policy


def occupancy_that_is_the_policy(policy, transitions, gamma):
    rho = occupancy_by_solving(policy, transitions, gamma)
    return rho / rho.sum(axis=1, keepdims=True)


def occupancy_with_a_plus(policy, transitions, gamma):
    num_states = len(policy)
    moves = np.einsum("sa,san->sn", policy, transitions)
    v = np.linalg.solve(np.eye(num_states) + gamma * moves.T, np.eye(num_states)[0])
    return (1 - gamma) * v[:, None] * policy


def occupancy_in_the_long_run(policy, transitions, gamma):
    moves = np.einsum("sa,san->sn", policy, transitions)
    return np.linalg.matrix_power(moves, 1000)[0][:, None] * policy


def occupancy_after_the_first_key(policy, transitions, gamma):
    rho = occupancy_by_solving(policy, transitions, gamma)
    return np.einsum("sa,san->n", rho, transitions)[:, None] * policy


def occupancy_without_the_first_moment(policy, transitions, gamma):
    rho = occupancy_by_solving(policy, transitions, gamma)
    rho[0] -= (1 - gamma) * policy[0]
    return rho


def occupancy_of_the_first_moment(policy, transitions, gamma):
    return (1 - gamma) * np.eye(len(policy))[0][:, None] * policy


def occupancy_of_one_step(policy, transitions, gamma):
    start = np.eye(len(policy))[0]
    v = start + gamma * np.einsum("s,sa,san->n", start, policy, transitions)
    return (1 - gamma) * v[:, None] * policy


def occupancy_with_moves_summed(policy, transitions, gamma):
    num_states = len(policy)
    moves = np.sum(transitions, axis=1)
    v = np.linalg.solve(np.eye(num_states) - gamma * moves.T, np.eye(num_states)[0])
    return (1 - gamma) * v[:, None] * policy


def occupancy_normalised_over_states_twice(policy, transitions, gamma):
    return (1 - gamma) * occupancy_by_solving(policy, transitions, gamma)


def occupancy_with_keys_beside_the_next_state(policy, transitions, gamma):
    at = occupancy_by_solving(policy, transitions, gamma)
    return np.einsum("sa,san->na", at, transitions)


def occupancy_with_stopping_and_running_on_swapped(policy, transitions, gamma):
    return occupancy_by_solving(policy, transitions, 1 - gamma)


# Exercise 2.3, right


def text_with_a_loop(states, actions, gamma, num_states, num_actions):
    table = np.zeros((num_states, num_actions))
    for t, action in enumerate(actions):
        table[states[t], action] += (1 - gamma) * gamma**t
    table[num_states - 1, num_actions - 1] += gamma ** len(actions)
    return table


def text_with_add_at(states, actions, gamma, num_states, num_actions):
    table = np.zeros((num_states, num_actions))
    np.add.at(table, (states[:-1], actions), (1 - gamma) * gamma ** np.arange(len(actions)))
    table[-1, -1] += 1 - table.sum()
    return table


def text_in_torch(states, actions, gamma, num_states, num_actions):
    states, actions = torch.tensor(np.asarray(states)), torch.tensor(np.asarray(actions))
    weights = (1 - gamma) * gamma ** torch.arange(len(actions), dtype=torch.float64)
    table = torch.zeros(num_states, num_actions, dtype=torch.float64)
    table.index_put_((states[:-1], actions), weights, accumulate=True)
    table[-1, -1] += gamma ** len(actions)
    return table


def text_in_torch_float32(states, actions, gamma, num_states, num_actions):
    table = torch.zeros(num_states, num_actions)
    clock = 1.0
    for state, action in zip(states[:-1], actions, strict=True):
        table[int(state), int(action)] += (1 - gamma) * clock
        clock *= gamma
    table[-1, -1] += clock
    return table


def text_as_lists(states, actions, gamma, num_states, num_actions):
    table = [[0.0] * num_actions for _ in range(num_states)]
    for t in range(len(actions)):
        table[states[t]][actions[t]] += (1 - gamma) * gamma**t
    table[states[-1]][actions[-1]] += gamma ** len(actions)
    return table


def text_with_a_very_long_tail(states, actions, gamma, num_states, num_actions):
    table = np.zeros((num_states, num_actions))
    for t in range(len(actions) + int(40 / (1 - gamma))):
        pair = (states[t], actions[t]) if t < len(actions) else (num_states - 1, num_actions - 1)
        table[pair] += (1 - gamma) * gamma**t
    return table


def text_with_bincount(states, actions, gamma, num_states, num_actions):
    pairs = np.asarray(states) * num_actions + np.append(actions, num_actions - 1)
    clock = gamma ** np.arange(len(states))
    weights = np.append((1 - gamma) * clock[:-1], clock[-1])
    return np.bincount(pairs, weights, minlength=num_states * num_actions).reshape(num_states, num_actions)


def text_with_one_hot_products(states, actions, gamma, num_states, num_actions):
    weights = (1 - gamma) * gamma ** np.arange(len(states))
    weights[-1] /= 1 - gamma
    return np.eye(num_states)[states].T @ (weights[:, None] * np.eye(num_actions)[[*actions, num_actions - 1]])


def text_read_until_it_is_finished(states, actions, gamma, num_states, num_actions):
    table, clock, t = np.zeros((num_states, num_actions)), 1.0, 0
    while True:
        stays = actions[t] == num_actions - 1
        table[states[t], actions[t]] += (1 - gamma) * clock
        clock *= gamma
        t += 1
        if stays:
            table[-1, -1] = clock
            return table


# Exercise 2.3, wrong


def text_with_pairs_overwritten(states, actions, gamma, num_states, num_actions):
    table = np.zeros((num_states, num_actions))
    for t, action in enumerate(actions):
        table[states[t], action] = (1 - gamma) * gamma**t
    table[-1, -1] = gamma ** len(actions)
    return table


def text_with_buffered_addition(states, actions, gamma, num_states, num_actions):
    table = np.zeros((num_states, num_actions))
    table[states[:-1], actions] += (1 - gamma) * gamma ** np.arange(len(actions))
    table[-1, -1] += gamma ** len(actions)
    return table


def text_without_tail(states, actions, gamma, num_states, num_actions):
    table = text_with_a_loop(states, actions, gamma, num_states, num_actions)
    table[-1] = 0
    return table


def text_with_one_moment_at_the_end(states, actions, gamma, num_states, num_actions):
    table = text_with_a_loop(states, actions, gamma, num_states, num_actions)
    table[-1, -1] = (1 - gamma) * gamma ** len(actions)
    return table


def text_normalised_without_tail(states, actions, gamma, num_states, num_actions):
    table = text_without_tail(states, actions, gamma, num_states, num_actions)
    return table / table.sum()


def text_with_a_tail_of_one_moment_normalised(states, actions, gamma, num_states, num_actions):
    table = text_with_one_moment_at_the_end(states, actions, gamma, num_states, num_actions)
    return table / table.sum()


def text_with_steps_not_normalised(states, actions, gamma, num_states, num_actions):
    table = text_with_a_loop(states, actions, gamma, num_states, num_actions) / (1 - gamma)
    table[-1, -1] = gamma ** len(actions)
    return table


def text_that_sums_to_more_than_one(states, actions, gamma, num_states, num_actions):
    return text_with_a_loop(states, actions, gamma, num_states, num_actions) / (1 - gamma)


def text_with_the_tail_a_step_late(states, actions, gamma, num_states, num_actions):
    table = text_with_a_loop(states, actions, gamma, num_states, num_actions)
    table[-1, -1] *= gamma
    return table


def text_with_the_tail_a_step_early(states, actions, gamma, num_states, num_actions):
    table = text_without_tail(states, actions, gamma, num_states, num_actions)
    table[-1, -1] = gamma ** (len(actions) - 1)
    return table


def text_with_a_tail_of_visits_a_step_late(states, actions, gamma, num_states, num_actions):
    table = text_without_tail(states, actions, gamma, num_states, num_actions)
    table[-1, -1] = gamma ** len(states) / (1 - gamma)
    return table


def text_by_counting(states, actions, gamma, num_states, num_actions):
    table = np.zeros((num_states, num_actions))
    for state, action in zip(states[:-1], actions, strict=True):
        table[state, action] += 1 / len(actions)
    return table


def text_by_counting_with_the_end(states, actions, gamma, num_states, num_actions):
    table = np.zeros((num_states, num_actions))
    for state, action in zip(states, [*actions, num_actions - 1], strict=True):
        table[state, action] += 1 / len(states)
    return table


def text_with_the_states_after_the_keys(states, actions, gamma, num_states, num_actions):
    return text_with_a_loop(states[1:], actions, gamma, num_states, num_actions)


def text_with_the_tail_on_the_first_action(states, actions, gamma, num_states, num_actions):
    table = text_with_a_loop(states, actions, gamma, num_states, num_actions)
    table[-1] = table[-1, ::-1]
    return table


def text_with_the_tail_on_every_action(states, actions, gamma, num_states, num_actions):
    table = text_with_a_loop(states, actions, gamma, num_states, num_actions)
    table[-1] = gamma ** len(actions) / num_actions
    return table


def text_with_the_tail_at_the_last_text(states, actions, gamma, num_states, num_actions):
    table = text_without_tail(states, actions, gamma, num_states, num_actions)
    table[states[-2], actions[-1]] += gamma ** len(actions)
    return table


def text_discounted_from_the_back(states, actions, gamma, num_states, num_actions):
    table = np.zeros((num_states, num_actions))
    for t, action in enumerate(actions):
        table[states[t], action] += (1 - gamma) * gamma ** (len(actions) - 1 - t)
    table[-1, -1] += gamma ** len(actions)
    return table


def text_with_time_from_one(states, actions, gamma, num_states, num_actions):
    table = np.zeros((num_states, num_actions))
    for t, action in enumerate(actions, start=1):
        table[states[t - 1], action] += (1 - gamma) * gamma**t
    table[-1, -1] += gamma ** (len(actions) + 1)
    return table


def text_without_discount_of_the_steps(states, actions, gamma, num_states, num_actions):
    table = np.zeros((num_states, num_actions))
    for state, action in zip(states[:-1], actions, strict=True):
        table[state, action] += 1 - gamma
    table[-1, -1] += gamma ** len(actions)
    return table


def text_with_the_tail_and_its_rest_swapped(states, actions, gamma, num_states, num_actions):
    table = text_with_a_loop(states, actions, gamma, num_states, num_actions)
    table[-1, -1] = 1 - gamma ** len(actions)
    return table


def text_with_a_tail_of_visits(states, actions, gamma, num_states, num_actions):
    table = text_with_a_loop(states, actions, gamma, num_states, num_actions)
    table[-1, -1] /= 1 - gamma
    return table


def text_without_the_finishing_key(states, actions, gamma, num_states, num_actions):
    table = text_with_a_loop(states, actions, gamma, num_states, num_actions)
    table[states[-2], actions[-1]] = 0
    return table


def text_with_the_finishing_key_in_the_tail(states, actions, gamma, num_states, num_actions):
    table = text_with_a_loop(states[:-2], actions[:-1], gamma, num_states, num_actions)
    return table


def text_with_the_steps_alone_from_one(states, actions, gamma, num_states, num_actions):
    table = np.zeros((num_states, num_actions))
    for t, (state, action) in enumerate(zip(states, actions), start=1):  # the last state has no action
        table[state, action] += (1 - gamma) * gamma**t
    table[-1, -1] += gamma ** len(actions)
    return table


def text_of_eight_keys_at_most(states, actions, gamma, num_states, num_actions):
    table = np.zeros((num_states, num_actions))
    keys = min(len(actions), 8)
    for t in range(keys):
        table[states[t], actions[t]] += (1 - gamma) * gamma**t
    table[-1, -1] += gamma**keys
    return table


def text_with_two_hundred_moments_at_the_end(states, actions, gamma, num_states, num_actions):
    table = text_without_tail(states, actions, gamma, num_states, num_actions)
    table[-1, -1] = sum((1 - gamma) * gamma**t for t in range(len(actions), len(actions) + 200))
    return table


def text_with_stopping_and_running_on_swapped(states, actions, gamma, num_states, num_actions):
    return text_with_a_loop(states, actions, 1 - gamma, num_states, num_actions)


# Exercise 2.4, right


def there_and_back_in_closed_form(types, deletes, gamma):
    return (1 - gamma) / (1 - gamma**2 * types * deletes) * np.array([1, gamma * types])


def there_and_back_by_solving(types, deletes, gamma):
    return np.linalg.solve([[1, -gamma * deletes], [-gamma * types, 1]], [1 - gamma, 0])


def there_and_back_by_steps(types, deletes, gamma):
    empty, t, share = 1.0, 0.0, np.zeros(2)
    weight = 1 - gamma
    while weight > 1e-14:
        share += weight * np.array([empty, t])
        empty, t = t * deletes, empty * types
        weight *= gamma
    return share


def there_and_back_in_torch(types, deletes, gamma):
    rounds = torch.arange(int(40 / (1 - gamma)), dtype=torch.float64)
    at_empty = (1 - gamma) * ((gamma**2 * types * deletes) ** rounds).sum()
    return torch.stack([at_empty, at_empty * gamma * types])


def there_and_back_in_torch_float32(types, deletes, gamma):
    moves = torch.tensor([[0.0, types], [deletes, 0.0]])
    return (1 - gamma) * torch.linalg.inv(torch.eye(2) - gamma * moves)[0]


def there_and_back_as_a_list(types, deletes, gamma):
    empty, t = 0.0, 0.0
    for _ in range(int(40 / (1 - gamma))):
        empty, t = 1 - gamma + gamma * deletes * t, gamma * types * empty
    return [empty, t]


def there_and_back_with_the_end_state(types, deletes, gamma):
    moves = np.array([[0, types, 1 - types], [deletes, 0, 1 - deletes], [0, 0, 1]])
    return (1 - gamma) * np.linalg.solve(np.eye(3) - gamma * moves.T, [1, 0, 0])[:2]


# Exercise 2.4, wrong


def there_and_back_that_sums_to_more_than_one(types, deletes, gamma):
    return there_and_back_in_closed_form(types, deletes, gamma) / (1 - gamma)


def there_but_never_back(types, deletes, gamma):
    return (1 - gamma) * np.array([1, gamma * types])


def there_and_back_discounted_once(types, deletes, gamma):
    return (1 - gamma) / (1 - gamma * types * deletes) * np.array([1, gamma * types])


def there_and_back_without_discount(types, deletes, gamma):
    return (1 - gamma) / (1 - types * deletes) * np.array([1, types])


def there_and_back_that_sums_to_one(types, deletes, gamma):
    share = there_and_back_in_closed_form(types, deletes, gamma)
    return share / share.sum()


def there_without_discount(types, deletes, gamma):
    return (1 - gamma) / (1 - gamma**2 * types * deletes) * np.array([1, types])


def there_and_back_in_the_other_order(types, deletes, gamma):
    return there_and_back_in_closed_form(types, deletes, gamma)[::-1]


def there_and_surely_back(types, deletes, gamma):
    return (1 - gamma) / (1 - gamma**2 * types) * np.array([1, gamma * types])


def there_and_back_with_keys_swapped(types, deletes, gamma):
    return there_and_back_in_closed_form(deletes, types, gamma)


def there_and_back_with_a_plus(types, deletes, gamma):
    return (1 - gamma) / (1 + gamma**2 * types * deletes) * np.array([1, gamma * types])


def there_and_back_once(types, deletes, gamma):
    return (1 - gamma) * np.array([1 + gamma**2 * types * deletes, gamma * types])


def there_and_back_by_finishing(types, deletes, gamma):
    return there_and_back_in_closed_form(1 - types, 1 - deletes, gamma)


def there_and_back_without_the_start(types, deletes, gamma):
    back = gamma**2 * types * deletes
    return (1 - gamma) / (1 - back) * np.array([back, gamma * types])


def there_and_back_at_the_empty_text_only(types, deletes, gamma):
    empty, _ = there_and_back_in_closed_form(types, deletes, gamma)
    return np.array([empty, (1 - gamma) * gamma * types])


def there_and_back_as_the_rest(types, deletes, gamma):
    empty, _ = there_and_back_in_closed_form(types, deletes, gamma)
    return np.array([empty, 1 - empty])


def there_and_back_with_both_keys_at_t(types, deletes, gamma):
    return (1 - gamma) / (1 - gamma**2 * types * deletes) * np.array([1, gamma * types * deletes])


def there_and_back_with_finishing_at_t_left_out(types, deletes, gamma):
    moves = np.array([[0, types, 1 - types], [deletes, 1 - deletes, 0], [0, 0, 1]])
    return (1 - gamma) * np.linalg.solve(np.eye(3) - gamma * moves.T, [1, 0, 0])[:2]


def there_and_back_divided_by_the_number_of_rounds(types, deletes, gamma):
    return (1 - gamma) * (1 - gamma**2 * types * deletes) * np.array([1, gamma * types])


def there_and_back_as_pairs(types, deletes, gamma):
    empty, t = there_and_back_in_closed_form(types, deletes, gamma)
    return [empty * types, t * deletes]


def there_and_back_from_the_second_time_on(types, deletes, gamma):
    trip = gamma**2 * types * deletes
    back = (1 - gamma) * trip / (1 - trip)
    return [back, back * gamma * types]


def there_and_back_fifty_times(types, deletes, gamma):
    empty = (1 - gamma) * sum((gamma**2 * types * deletes) ** n for n in range(50))
    return np.array([empty, gamma * types * empty])


RIGHT = {
    "visits_along_a_chain": [
        visits_with_a_loop,
        visits_by_cumulative_product,
        visits_in_torch,
        visits_in_torch_float32,
        visits_as_a_list,
        visits_by_a_linear_system,
        visits_by_moving_the_crowd,
    ],
    "occupancy_of_policy": [
        occupancy_by_solving,
        occupancy_by_steps,
        occupancy_in_torch,
        occupancy_in_torch_float32,
        occupancy_in_lists,
        occupancy_on_pairs,
        occupancy_by_squaring,
        occupancy_through_single_precision,
    ],
    "occupancy_of_a_text": [
        text_with_a_loop,
        text_with_add_at,
        text_in_torch,
        text_in_torch_float32,
        text_as_lists,
        text_with_a_very_long_tail,
        text_with_bincount,
        text_with_one_hot_products,
        text_read_until_it_is_finished,
    ],
    "there_and_back": [
        there_and_back_in_closed_form,
        there_and_back_by_solving,
        there_and_back_by_steps,
        there_and_back_in_torch,
        there_and_back_in_torch_float32,
        there_and_back_as_a_list,
        there_and_back_with_the_end_state,
    ],
}
WRONG = {  # answer → the mistake whose hint it must be told
    "visits_along_a_chain": {
        visits_that_sum_to_more_than_one: "not_normalised",
        visits_without_discount: "discount_forgotten",
        visits_as_plain_chances: "chance_of_coming_there",
        visits_discounted_from_the_start: "start_left_out",
        visits_that_sum_to_one: "normalised_over_the_chain",
        visits_by_the_last_key_only: "keys_not_multiplied",
        visits_that_stay_at_the_end: "word_never_finished",
        visits_with_chances_added: "chances_added",
        visits_with_the_next_key_counted: "next_key_counted",
        visits_discounted_once: "discounted_once",
        visits_stopped_at_every_step: "stopped_at_every_step",
        visits_with_stopping_and_running_on_swapped: "clock_swapped",
        visits_that_finish_there: "wrong_key_counted",
        visits_from_the_end: "longest_text_first",
        visits_by_simulation: "counted",
        visits_by_the_last_key_and_one_gamma: "keys_not_multiplied",
        visits_without_unlikely_keys: "Not right yet",
        visits_stopped_at_every_step_that_runs_free: "stopped_at_every_step",
        visits_with_the_first_one_normalised: "normalised_at_the_start_only",
        visits_with_gamma_in_front: "running_on_in_front",
        visits_with_all_the_rest_at_the_end: "rest_at_the_word",
    },
    "occupancy_of_policy": {
        occupancy_with_moves_not_transposed: "arrows_reversed",
        occupancy_that_sums_to_more_than_one: "counts_instead_of_shares",
        occupancy_from_any_start: "any_start",
        occupancy_with_ones_as_start: "started_everywhere",
        occupancy_from_the_last_state: "last_state_first",
        occupancy_with_every_action_alike: "moves_averaged",
        occupancy_shared_evenly_by_the_actions: "shared_evenly",
        occupancy_with_states_repeated: "policy_left_out",
        occupancy_of_a_few_steps: "broken_off",
        occupancy_with_policy_twice: "policy_twice",
        occupancy_that_is_the_policy: "every_state_alike",
        occupancy_with_a_plus: "wrong_side",
        occupancy_in_the_long_run: "discount_as_if_one",
        occupancy_after_the_first_key: "looked_after_the_key",
        occupancy_without_the_first_moment: "start_not_counted",
        occupancy_of_the_first_moment: "broken_off",
        occupancy_of_one_step: "one_step_only",
        occupancy_with_moves_summed: "moves_added",
        occupancy_normalised_over_states_twice: "normalised_twice",
        occupancy_with_keys_beside_the_next_state: "key_with_the_next_state",
        occupancy_with_stopping_and_running_on_swapped: "running_on_and_stopping_swapped",
    },
    "occupancy_of_a_text": {
        text_with_pairs_overwritten: "repeated_pairs_lost",
        text_with_buffered_addition: "repeated_pairs_lost",
        text_without_tail: "tail_left_out",
        text_with_one_moment_at_the_end: "tail_is_one_step",
        text_normalised_without_tail: "stretched_without_tail",
        text_with_a_tail_of_one_moment_normalised: "stretched_after_one_step",
        text_with_steps_not_normalised: "steps_not_normalised",
        text_that_sums_to_more_than_one: "weights_not_normalised",
        text_with_the_tail_a_step_late: "tail_one_late",
        text_with_the_tail_a_step_early: "tail_one_early",
        text_with_a_tail_of_visits_a_step_late: "tail_at_another_step",
        text_by_counting: "every_step_alike",
        text_by_counting_with_the_end: "every_state_counted",
        text_with_the_states_after_the_keys: "states_after_the_keys",
        text_with_the_tail_on_the_first_action: "tail_on_the_first_key",
        text_with_the_tail_on_every_action: "tail_on_every_key",
        text_with_the_tail_at_the_last_text: "tail_at_the_last_text",
        text_discounted_from_the_back: "clock_backwards",
        text_with_time_from_one: "clock_one_late",
        text_without_discount_of_the_steps: "steps_not_discounted",
        text_with_the_tail_and_its_rest_swapped: "tail_and_rest_swapped",
        text_with_a_tail_of_visits: "tail_of_visits",
        text_without_the_finishing_key: "finishing_key_lost",
        text_with_the_finishing_key_in_the_tail: "finishing_key_in_the_tail",
        text_with_the_steps_alone_from_one: "clock_one_late",
        text_with_two_hundred_moments_at_the_end: "tail_breaks_off",
        text_of_eight_keys_at_most: "wrong only where `len(",
        text_with_stopping_and_running_on_swapped: "stop_and_run_on_swapped",
    },
    "there_and_back": {
        there_and_back_that_sums_to_more_than_one: "counts_of_both",
        there_but_never_back: "never_back",
        there_and_back_discounted_once: "round_trip_of_one_step",
        there_and_back_without_discount: "no_step_discounted",
        there_and_back_that_sums_to_one: "shares_of_two_texts",
        there_without_discount: "step_up_without_discount",
        there_and_back_in_the_other_order: "other_text_first",
        there_and_surely_back: "surely_back",
        there_and_back_with_keys_swapped: "keys_swapped",
        there_and_back_with_a_plus: "series_with_a_plus",
        there_and_back_once: "back_once_and_no_further",
        there_and_back_by_finishing: "chances_of_finishing",
        there_and_back_without_the_start: "first_moment_lost",
        there_and_back_at_the_empty_text_only: "there_once",
        there_and_back_as_the_rest: "rest_of_the_time",
        there_and_back_with_both_keys_at_t: "both_keys_at_t",
        there_and_back_with_finishing_at_t_left_out: "stays_instead_of_finishing",
        there_and_back_divided_by_the_number_of_rounds: "series_upside_down",
        there_and_back_as_pairs: "next_key_counted_too",
        there_and_back_from_the_second_time_on: "first_moment_lost",
        there_and_back_fifty_times: "rounds_break_off",
    },
}
