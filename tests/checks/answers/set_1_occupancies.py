"""Answers to notebooks/assignments/set_1_occupancies.ipynb, written from its text alone: right ones of many kinds, and
wrong ones that students give."""

import math

import numpy as np
import torch

# Exercise S1.1, right


def table_by_blocks(errors, changes, recovery, depth):
    walks = []
    for error in errors:
        walk = np.zeros((depth + 1, depth + 1))
        walk[0, 0], walk[0, 1] = 1 - error, error
        for n in range(1, depth + 1):
            walk[n, n - 1] = recovery
            walk[n, min(n + 1, depth)] += 1 - recovery
        walks.append(walk)
    kinds = range(len(errors))
    return np.block([[changes[i, j] * walks[i] for j in kinds] for i in kinds])


def table_state_by_state(errors, changes, recovery, depth):
    size = len(errors) * (depth + 1)
    table = np.zeros((size, size))
    for state in range(size):
        passage, n = divmod(state, depth + 1)
        if n == 0:
            ways = [(0, 1 - errors[passage]), (1, errors[passage])]
        else:
            ways = [(n - 1, recovery), (min(n + 1, depth), 1 - recovery)]
        for other in range(len(errors)):
            for m, chance in ways:
                table[state, other * (depth + 1) + m] += changes[passage, other] * chance
    return table


def table_in_torch(errors, changes, recovery, depth):
    errors, changes = (torch.as_tensor(np.array(part), dtype=torch.float64) for part in (errors, changes))
    off = torch.zeros(depth + 1, depth + 1, dtype=torch.float64)
    for n in range(1, depth + 1):
        off[n, n - 1] += recovery
        off[n, min(n + 1, depth)] += 1 - recovery
    rows = []
    for error, change in zip(errors, changes, strict=True):
        walk = off.clone()
        walk[0, :2] = torch.stack([1 - error, error])
        rows.append(torch.kron(change[None], walk))
    return torch.cat(rows)


def table_of_lists(errors, changes, recovery, depth):
    def chance(i, n, j, m):
        if n == 0:
            moves = {0: 1 - errors[i], 1: errors[i]}.get(m, 0)
        else:
            moves = recovery * (m == n - 1) + (1 - recovery) * (m == min(n + 1, depth))
        return float(changes[i][j] * moves)

    states = [(i, n) for i in range(len(errors)) for n in range(depth + 1)]
    return [[chance(*now, *later) for later in states] for now in states]


# Exercise S1.1, wrong


def table_with_the_next_error(errors, changes, recovery, depth):
    k, size = len(errors), depth + 1
    blocks = [[table_by_blocks(errors[[j]], np.ones((1, 1)), recovery, depth) for j in range(k)] for _ in range(k)]
    return np.block([[changes[i, j] * blocks[i][j] for j in range(k)] for i in range(k)]).reshape(k * size, k * size)


def table_without_changes(errors, changes, recovery, depth):
    return table_by_blocks(errors, np.eye(len(errors)), recovery, depth)


def table_that_leaks_at_the_floor(errors, changes, recovery, depth):
    table = table_by_blocks(errors, changes, recovery, depth)
    lowest = np.arange(depth, len(table), depth + 1)
    table[np.ix_(lowest, lowest)] = 0
    return table


def table_with_a_hard_floor(errors, changes, recovery, depth):
    size = depth + 1
    walks = [table_by_blocks(errors[[i]], np.ones((1, 1)), recovery, depth) for i in range(len(errors))]
    for walk in walks:
        walk[depth] = np.arange(size) == depth - 1
    return np.block([[changes[i, j] * walks[i] for j in range(len(errors))] for i in range(len(errors))])


def table_transposed(errors, changes, recovery, depth):
    return table_by_blocks(errors, changes, recovery, depth).T


def table_depth_by_depth(errors, changes, recovery, depth):
    k, size = len(errors), depth + 1
    table = np.zeros((size * k, size * k))
    right = table_by_blocks(errors, changes, recovery, depth).reshape(k, size, k, size)
    for i in range(k):
        for n in range(size):
            for j in range(k):
                for m in range(size):
                    table[n * k + i, m * k + j] = right[i, n, j, m]
    return table


def table_with_r_and_1_minus_r_exchanged(errors, changes, recovery, depth):
    return table_by_blocks(errors, changes, 1 - recovery, depth)


def table_without_backspace(errors, changes, recovery, depth):
    return table_by_blocks(errors, changes, 0, depth)


def table_with_changes_transposed(errors, changes, recovery, depth):
    return table_by_blocks(errors, np.transpose(changes), recovery, depth)


def table_of_the_mean_error(errors, changes, recovery, depth):
    return table_by_blocks(np.full(len(errors), np.mean(errors)), changes, recovery, depth)


def table_added(errors, changes, recovery, depth):
    inside = table_without_changes(errors, changes, recovery, depth)
    return inside + np.kron(changes, np.eye(depth + 1))


def table_that_keeps_a_copy_at_home(errors, changes, recovery, depth):
    table = table_by_blocks(errors, changes, recovery, depth)
    return table + np.eye(len(table)) * 0.5


def table_of_walks(walks, changes):
    kinds = range(len(walks))
    return np.block([[changes[i, j] * walks[i] for j in kinds] for i in kinds])


def walk_of(error, recovery, depth):
    return table_by_blocks(np.array([error]), np.ones((1, 1)), recovery, depth)


def table_with_right_tokens_off_the_data(errors, changes, recovery, depth):
    walks = [walk_of(error, recovery, depth) for error in errors]
    for walk, error in zip(walks, errors, strict=True):
        for n in range(1, depth):
            walk[n, n], walk[n, n + 1] = (1 - recovery) * (1 - error), (1 - recovery) * error
    return table_of_walks(walks, changes)


def table_with_epsilon_and_1_minus_epsilon_exchanged(errors, changes, recovery, depth):
    return table_by_blocks(1 - errors, changes, recovery, depth)


def table_of_the_first_error(errors, changes, recovery, depth):
    return np.kron(changes, walk_of(errors[0], recovery, depth))


def table_that_ends_at_the_floor(errors, changes, recovery, depth):
    walks = [walk_of(error, recovery, depth) for error in errors]
    for walk in walks:
        walk[depth] = np.arange(depth + 1) == depth
    return table_of_walks(walks, changes)


# Exercise S1.2, right


def series_with_a_logarithm(table, start, gamma, tolerance):
    terms = 1 if gamma == 0 else math.ceil(math.log(tolerance, gamma))
    here, total = np.array(start, dtype=float), np.zeros(len(start))
    for t in range(terms):
        total += (1 - gamma) * gamma**t * here
        here = here @ table
    return {"terms": terms, "occupancy": total}


def series_with_a_while(table, start, gamma, tolerance):
    total, term, left = np.zeros(len(start)), (1 - gamma) * np.asarray(start), 1.0
    terms = 0
    while left > tolerance:
        total = total + term
        term = gamma * term @ table
        left *= gamma
        terms += 1
    return {"occupancy": total, "terms": terms}


def series_by_what_is_missing(table, start, gamma, tolerance):
    """What a text that starts where this one stands after K keys would add, taken off the whole."""
    terms = 0
    while gamma**terms > tolerance:
        terms += 1
    visits = np.linalg.inv(np.eye(len(start)) - gamma * table)
    rest = gamma**terms * np.asarray(start) @ np.linalg.matrix_power(table, terms)
    return {"terms": np.int64(terms), "occupancy": (1 - gamma) * (start - rest) @ visits}


def series_in_torch(table, start, gamma, tolerance):
    table, here = torch.tensor(np.array(table)), torch.tensor(np.array(start))
    found = []
    while gamma ** len(found) > tolerance:
        found.append((1 - gamma) * gamma ** len(found) * here)
        here = table.T @ here
    return {"terms": torch.tensor(len(found)), "occupancy": torch.stack(found).sum(0)}


# Exercise S1.2, wrong


def series_by(terms, table, start, gamma):
    here, total = np.array(start, dtype=float), np.zeros(len(start))
    for t in range(terms):
        total += (1 - gamma) * gamma**t * here
        here = here @ table
    return {"terms": terms, "occupancy": total}


def terms_of(gamma, tolerance):
    return 1 if gamma == 0 else math.ceil(math.log(tolerance) / math.log(gamma))


def series_one_short(table, start, gamma, tolerance):
    terms = 0
    while gamma ** (terms + 1) > tolerance:
        terms += 1
    return series_by(terms, table, start, gamma)


def series_with_a_floor(table, start, gamma, tolerance):
    return series_by(0 if gamma == 0 else int(math.log(tolerance) / math.log(gamma)), table, start, gamma)


def series_one_too_many(table, start, gamma, tolerance):
    return series_by(1 + terms_of(gamma, tolerance), table, start, gamma)


def series_by_numpys_logarithm(table, start, gamma, tolerance):
    with np.errstate(divide="ignore"):
        return series_by(int(np.ceil(np.log(tolerance) / np.log(gamma))), table, start, gamma)


def series_rounded(table, start, gamma, tolerance):
    return series_by(1 if gamma == 0 else round(math.log(tolerance, gamma)), table, start, gamma)


def series_with_the_tail_of_visits(table, start, gamma, tolerance):
    terms = 0
    while gamma**terms / (1 - gamma) > tolerance:
        terms += 1
    return series_by(terms, table, start, gamma)


def series_until_a_term_is_small(table, start, gamma, tolerance):
    here, total, terms = np.array(start, dtype=float), np.zeros(len(start)), 0
    while True:
        term = (1 - gamma) * gamma**terms * here
        if term.sum() <= tolerance:
            return {"terms": terms, "occupancy": total}
        total, here, terms = total + term, here @ table, terms + 1


def series_solved(table, start, gamma, tolerance):
    right = np.linalg.solve(np.eye(len(start)) - gamma * np.asarray(table).T, start)
    return {"terms": terms_of(gamma, tolerance), "occupancy": (1 - gamma) * right}


def series_made_one(table, start, gamma, tolerance):
    found = series_with_a_while(table, start, gamma, tolerance)
    return {"terms": found["terms"], "occupancy": found["occupancy"] / np.sum(found["occupancy"])}


def series_of_visits(table, start, gamma, tolerance):
    found = series_with_a_while(table, start, gamma, tolerance)
    return {"terms": found["terms"], "occupancy": found["occupancy"] / (1 - gamma)}


def series_of_columns(table, start, gamma, tolerance):
    return series_with_a_while(np.transpose(table), start, gamma, tolerance)


def series_from_state_0(table, start, gamma, tolerance):
    return series_with_a_while(table, np.eye(len(start))[0], gamma, tolerance)


def series_from_the_first_key(table, start, gamma, tolerance):
    return series_with_a_while(table, start @ table, gamma, tolerance)


def series_with_one_gamma_more(table, start, gamma, tolerance):
    found = series_with_a_while(table, start, gamma, tolerance)
    return {"terms": found["terms"], "occupancy": gamma * found["occupancy"]}


def series_with_a_floor_but_for_gamma_0(table, start, gamma, tolerance):
    return series_by(1 if gamma == 0 else int(math.log(tolerance) / math.log(gamma)), table, start, gamma)


def series_with_less_than(table, start, gamma, tolerance):
    terms = 0
    while gamma**terms >= tolerance:
        terms += 1
    return series_by(terms, table, start, gamma)


def series_longer_than_it_says(table, start, gamma, tolerance):
    terms = terms_of(gamma, tolerance)
    return {"terms": terms, "occupancy": series_by(terms + 1, table, start, gamma)["occupancy"]}


def series_that_tells_its_last_exponent(table, start, gamma, tolerance):
    terms = terms_of(gamma, tolerance)
    return {"terms": terms - 1, "occupancy": series_by(terms, table, start, gamma)["occupancy"]}


def series_of_powers_of_entries(table, start, gamma, tolerance):
    terms = terms_of(gamma, tolerance)
    return {"terms": terms, "occupancy": (1 - gamma) * sum(gamma**t * start @ table**t for t in range(terms))}


def series_until_nothing_changes(table, start, gamma, tolerance):
    here, total, terms, change = np.array(start, dtype=float), np.zeros(len(start)), 0, np.inf
    while change > tolerance:
        term = (1 - gamma) * gamma**terms * here
        total, here, terms, change = total + term, here @ table, terms + 1, term.max()
    return {"terms": terms, "occupancy": total}


def series_of_at_most_1000_terms(table, start, gamma, tolerance):
    return series_by(min(terms_of(gamma, tolerance), 1000), table, start, gamma)


# Exercise S1.3, right


def spread_by_formula(table, start, gamma):
    same = np.eye(len(start))
    again = np.linalg.inv(same - gamma * table).diagonal()
    share = (1 - gamma) * start @ np.linalg.inv(same - gamma * table)
    earlier = start @ np.linalg.inv(same - gamma**2 * table)
    return {
        "one moment": share - share**2,
        "whole text": (1 - gamma) ** 2 * earlier * (2 * again - 1) - share**2,
    }


def spread_by_a_recursion(table, start, gamma):
    """E[G²] from each state, where G(n) = 1[n = s] + γ G(next): a linear system for each s."""
    size = len(start)
    one, whole = np.zeros(size), np.zeros(size)
    for s in range(size):
        here = np.eye(size)[s]
        mean = np.linalg.solve(np.eye(size) - gamma * table, here)
        square = np.linalg.solve(np.eye(size) - gamma**2 * table, here + 2 * gamma * here * (table @ mean))
        share = (1 - gamma) * start @ mean
        one[s] = share * (1 - share)
        whole[s] = (1 - gamma) ** 2 * start @ square - share**2
    return {"one moment": one, "whole text": whole}


def spread_in_torch(table, start, gamma):
    table, start = torch.tensor(np.array(table)), torch.tensor(np.array(start))
    same = torch.eye(len(start), dtype=torch.float64)
    share = (1 - gamma) * torch.linalg.solve(same - gamma * table.T, start)
    later = torch.linalg.inv(same - gamma * table).diagonal() - 1
    earlier = torch.linalg.solve(same - gamma**2 * table.T, start)
    whole = (1 - gamma) ** 2 * (earlier + 2 * earlier * later) - share**2
    return {"one moment": share * (1 - share), "whole text": whole}


# Exercise S1.3, wrong


def spread_with(table, start, gamma, squares):
    share = (1 - gamma) * np.linalg.solve(np.eye(len(start)) - gamma * table.T, start)
    return {"one moment": share * (1 - share), "whole text": squares - share**2}


def parts(table, start, gamma):
    same = np.eye(len(start))
    again = np.diag(np.linalg.inv(same - gamma * table))
    return again, np.linalg.solve(same - gamma**2 * table.T, start)


def spread_of_mean_squares(table, start, gamma):
    again, earlier = parts(table, start, gamma)
    share = (1 - gamma) * np.linalg.solve(np.eye(len(start)) - gamma * table.T, start)
    return {"one moment": share, "whole text": (1 - gamma) ** 2 * earlier * (2 * again - 1)}


def spread_with_half_a_mean_square(table, start, gamma):
    again, earlier = parts(table, start, gamma)
    return spread_by_formula(table, start, gamma) | {"whole text": (1 - gamma) ** 2 * earlier * (2 * again - 1)}


def spread_with_pairs_once(table, start, gamma):
    again, earlier = parts(table, start, gamma)
    return spread_with(table, start, gamma, (1 - gamma) ** 2 * earlier * again)


def spread_with_twice_n(table, start, gamma):
    again, earlier = parts(table, start, gamma)
    return spread_with(table, start, gamma, (1 - gamma) ** 2 * earlier * 2 * again)


def spread_with_one_more_than_twice_n(table, start, gamma):
    again, earlier = parts(table, start, gamma)
    return spread_with(table, start, gamma, (1 - gamma) ** 2 * earlier * (1 + 2 * again))


def spread_with_one_discount(table, start, gamma):
    again, _ = parts(table, start, gamma)
    visits = np.linalg.solve(np.eye(len(start)) - gamma * table.T, start)
    return spread_with(table, start, gamma, (1 - gamma) ** 2 * visits * (2 * again - 1))


def spread_with_two_discounts(table, start, gamma):
    _, earlier = parts(table, start, gamma)
    again, _ = parts(table, start, gamma**2)
    return spread_with(table, start, gamma, (1 - gamma) ** 2 * earlier * (2 * again - 1))


def spread_of_strangers(table, start, gamma):
    here, whole, weight = np.array(start), np.zeros(len(start)), 1 - gamma
    while weight > 1e-8:
        whole += weight**2 * here * (1 - here)
        here, weight = here @ table, weight * gamma
    return spread_by_formula(table, start, gamma) | {"whole text": whole}


def spread_of_equal_moments(table, start, gamma):
    _, earlier = parts(table, start, gamma)
    return spread_with(table, start, gamma, (1 - gamma) ** 2 * earlier)


def spread_of_visits(table, start, gamma):
    found = spread_by_formula(table, start, gamma)
    return found | {"whole text": found["whole text"] / (1 - gamma) ** 2}


def spread_times_one_factor(table, start, gamma):
    found = spread_by_formula(table, start, gamma)
    return found | {"whole text": found["whole text"] / (1 - gamma)}


def spread_swapped(table, start, gamma):
    found = spread_by_formula(table, start, gamma)
    return {"one moment": found["whole text"], "whole text": found["one moment"]}


def spread_alike(table, start, gamma):
    share = (1 - gamma) * np.linalg.solve(np.eye(len(start)) - gamma * table.T, start)
    return {"one moment": share * (1 - share), "whole text": share * (1 - share)}


def spread_in_standard_deviations(table, start, gamma):
    return {k: np.sqrt(np.clip(v, 0, None)) for k, v in spread_by_formula(table, start, gamma).items()}


def spread_from_the_start(table, start, gamma):
    _, earlier = parts(table, start, gamma)
    visits = np.linalg.solve(np.eye(len(start)) - gamma * table.T, start)
    return spread_with(table, start, gamma, (1 - gamma) ** 2 * earlier * (2 * visits - 1))


def spread_with_the_share_for_one_moment(table, start, gamma):
    share = (1 - gamma) * np.linalg.solve(np.eye(len(start)) - gamma * table.T, start)
    return spread_by_formula(table, start, gamma) | {"one moment": share}


def spread_of_the_transpose(table, start, gamma):
    return spread_by_formula(table.T, start, gamma)


def spread_from_state_0(table, start, gamma):
    return spread_by_formula(table, np.eye(len(start))[0], gamma)


def spread_with_1_minus_gamma_squared(table, start, gamma):
    again, earlier = parts(table, start, gamma)
    return spread_with(table, start, gamma, (1 - gamma**2) * earlier * (2 * again - 1))


def spread_of_independent_moments(table, start, gamma):
    one = spread_by_formula(table, start, gamma)["one moment"]
    return {"one moment": one, "whole text": (1 - gamma) / (1 + gamma) * one}


def spread_of_300_keys(table, start, gamma):
    powers = [np.eye(len(start))]
    for _ in range(300):
        powers.append(powers[-1] @ table)
    earlier = sum(gamma ** (2 * t) * start @ power for t, power in enumerate(powers))
    again = sum(gamma**t * power.diagonal() for t, power in enumerate(powers))
    return spread_with(table, start, gamma, (1 - gamma) ** 2 * earlier * (2 * again - 1))


# Exercise S1.4, right


def balance_with_einsum(rho, transitions, gamma):
    unbalance = gamma * np.einsum("sa,san->n", rho, transitions) - np.sum(rho, axis=1)
    unbalance[0] += 1 - gamma
    return {"unbalance": unbalance, "gap": np.abs(unbalance).sum()}


def balance_with_loops(rho, transitions, gamma):
    size, keys = np.shape(rho)
    unbalance = []
    for n in range(size):
        here = (1 - gamma) if n == 0 else 0.0
        for s in range(size):
            for a in range(keys):
                here += gamma * rho[s][a] * transitions[s][a][n]
        unbalance.append(here - sum(rho[n]))
    return {"unbalance": unbalance, "gap": float(sum(map(abs, unbalance)))}


def balance_by_the_two_sides(rho, transitions, gamma):
    """The two sides of (S1.3) for V = 1 at one state and 0 elsewhere, then for the best signs."""
    size = len(rho)

    def sides(values):
        ahead = transitions @ values
        return (1 - gamma) * values[0], float(np.sum(rho * (values[:, None] - gamma * ahead)))

    unbalance = np.array([np.subtract(*sides(np.eye(size)[n])) for n in range(size)])
    left, right = sides(np.sign(unbalance))
    return {"unbalance": unbalance, "gap": left - right}


def balance_in_torch(rho, transitions, gamma):
    rho, transitions = torch.tensor(np.array(rho)), torch.tensor(np.array(transitions))
    begins = torch.zeros(len(rho), dtype=torch.float64)
    begins[0] = 1 - gamma
    unbalance = begins + gamma * torch.tensordot(rho, transitions, dims=2) - rho.sum(1)
    return {"unbalance": unbalance, "gap": torch.linalg.vector_norm(unbalance, ord=1)}


# Exercise S1.4, wrong


def with_gap(unbalance):
    return {"unbalance": unbalance, "gap": np.abs(unbalance).sum()}


def arrivals(rho, transitions):
    return np.einsum("sa,san->n", rho, transitions)


def balance_without_a_start(rho, transitions, gamma):
    return with_gap(gamma * arrivals(rho, transitions) - rho.sum(axis=1))


def balance_with_a_whole_start(rho, transitions, gamma):
    return with_gap(np.eye(len(rho))[0] + gamma * arrivals(rho, transitions) - rho.sum(axis=1))


def balance_without_gamma(rho, transitions, gamma):
    return with_gap((1 - gamma) * np.eye(len(rho))[0] + arrivals(rho, transitions) - rho.sum(axis=1))


def balance_with_gamma_on_both(rho, transitions, gamma):
    return with_gap((1 - gamma) * np.eye(len(rho))[0] + gamma * (arrivals(rho, transitions) - rho.sum(axis=1)))


def balance_negated(rho, transitions, gamma):
    found = balance_with_einsum(rho, transitions, gamma)
    return {"unbalance": -found["unbalance"], "gap": found["gap"]}


def balance_with_the_largest(rho, transitions, gamma):
    found = balance_with_einsum(rho, transitions, gamma)
    return found | {"gap": np.max(np.abs(found["unbalance"]))}


def balance_with_the_sum(rho, transitions, gamma):
    found = balance_with_einsum(rho, transitions, gamma)
    return found | {"gap": found["unbalance"].sum()}


def balance_with_positive_parts(rho, transitions, gamma):
    found = balance_with_einsum(rho, transitions, gamma)
    return found | {"gap": np.maximum(found["unbalance"], 0).sum()}


def balance_with_the_length(rho, transitions, gamma):
    found = balance_with_einsum(rho, transitions, gamma)
    return found | {"gap": np.linalg.norm(found["unbalance"])}


def balance_of_visits(rho, transitions, gamma):
    found = balance_with_einsum(rho, transitions, gamma)
    return found | {"gap": found["gap"] / (1 - gamma)}


def balance_on_average(rho, transitions, gamma):
    found = balance_with_einsum(rho, transitions, gamma)
    return found | {"gap": np.mean(np.abs(found["unbalance"]))}


def balance_that_begins_everywhere(rho, transitions, gamma):
    return with_gap(1 - gamma + gamma * arrivals(rho, transitions) - rho.sum(axis=1))


def balance_of_departures(rho, transitions, gamma):
    left = np.einsum("na,san->s", rho, transitions)
    return with_gap((1 - gamma) * np.eye(len(rho))[0] + gamma * left - rho.sum(axis=1))


def balance_in_visits(rho, transitions, gamma):
    return with_gap(balance_with_einsum(rho, transitions, gamma)["unbalance"] / (1 - gamma))


def balance_without_signs(rho, transitions, gamma):
    return with_gap(np.abs(balance_with_einsum(rho, transitions, gamma)["unbalance"]))


def balance_of_all_keys_alike(rho, transitions, gamma):
    time = rho.sum(axis=1)
    return with_gap((1 - gamma) * np.eye(len(rho))[0] + gamma * time @ transitions.mean(axis=1) - time)


def balance_by_random_values(rho, transitions, gamma):
    unbalance = balance_with_einsum(rho, transitions, gamma)["unbalance"]
    values = np.random.default_rng(0).uniform(-1, 1, size=(1000, len(unbalance)))
    return {"unbalance": unbalance, "gap": np.abs(values @ unbalance).max()}


# Exercise S1.5, right


def typist_with_where(rho_1, rho_2, weight):
    mixed = weight * rho_1 + (1 - weight) * rho_2
    time = mixed.sum(axis=1, keepdims=True)
    policy = np.where(time > 0, mixed / np.where(time > 0, time, 1), 1 / mixed.shape[1])
    return {"policy": policy, "free": time[:, 0] == 0}


def typist_row_by_row(rho_1, rho_2, weight):
    policy, free = [], []
    for one, other in zip(rho_1, rho_2, strict=True):
        row = [weight * a + (1 - weight) * b for a, b in zip(one, other, strict=True)]
        total = sum(row)
        free.append(total == 0)
        policy.append([x / total for x in row] if total > 0 else [1 / len(row)] * len(row))
    return {"policy": policy, "free": free}


def typist_in_torch(rho_1, rho_2, weight):
    mixed = torch.lerp(torch.tensor(np.array(rho_2)), torch.tensor(np.array(rho_1)), weight)
    time = mixed.sum(dim=1, keepdim=True)
    policy = torch.nan_to_num(mixed / time, nan=1 / mixed.shape[1])
    return {"policy": policy, "free": time.squeeze(1) == 0}


def typist_as_a_weighted_mean_of_policies(rho_1, rho_2, weight):
    """A mean of the policies after all, each weighed with its time at the state."""
    one, other = weight * rho_1.sum(axis=1), (1 - weight) * rho_2.sum(axis=1)
    with np.errstate(invalid="ignore"):
        rows = [np.nan_to_num(rho / rho.sum(axis=1, keepdims=True)) for rho in (rho_1, rho_2)]
        said = (one / (one + other))[:, None]
    policy = said * rows[0] + (1 - said) * rows[1]
    free = one + other == 0
    policy[free] = 1 / policy.shape[1]
    return {"policy": policy, "free": free.astype(int)}


# Exercise S1.5, wrong


def policy_of(rho):
    return typist_with_where(rho, rho, 1.0)["policy"]


def typist_of_two_policies(rho_1, rho_2, weight):
    found = typist_with_where(rho_1, rho_2, weight)
    return found | {"policy": weight * policy_of(rho_1) + (1 - weight) * policy_of(rho_2)}


def typist_with_the_coin_turned(rho_1, rho_2, weight):
    return typist_with_where(rho_2, rho_1, weight)


def typist_with_a_fair_coin(rho_1, rho_2, weight):
    return typist_with_where(rho_1, rho_2, 0.5)


def typist_not_divided(rho_1, rho_2, weight):
    return typist_with_where(rho_1, rho_2, weight) | {"policy": weight * rho_1 + (1 - weight) * rho_2}


def typist_without_words_where_free(rho_1, rho_2, weight):
    mixed = weight * rho_1 + (1 - weight) * rho_2
    time = mixed.sum(axis=1, keepdims=True)
    return {"policy": np.divide(mixed, time, out=np.zeros_like(mixed), where=time > 0), "free": time[:, 0] == 0}


def typist_divided_by_columns(rho_1, rho_2, weight):
    found, mixed = typist_with_where(rho_1, rho_2, weight), weight * rho_1 + (1 - weight) * rho_2
    with np.errstate(invalid="ignore"):
        policy = np.nan_to_num(mixed / mixed.sum(axis=0))
    policy[found["free"]] = 1 / policy.shape[1]
    return found | {"policy": policy}


def typist_with_a_threshold(rho_1, rho_2, weight):
    mixed = weight * rho_1 + (1 - weight) * rho_2
    time = mixed.sum(axis=1)
    free = time < 1e-6
    policy = np.full(mixed.shape, 1 / mixed.shape[1])
    policy[~free] = mixed[~free] / time[~free, None]
    return {"policy": policy, "free": free}


def typist_close_to_zero(rho_1, rho_2, weight):
    found, mixed = typist_with_where(rho_1, rho_2, weight), weight * rho_1 + (1 - weight) * rho_2
    free = np.isclose(mixed.sum(axis=1), 0)
    return {"policy": np.where(free[:, None], 1 / mixed.shape[1], found["policy"]), "free": free}


def typist_with_an_epsilon(rho_1, rho_2, weight):
    mixed = weight * rho_1 + (1 - weight) * rho_2
    free = mixed.sum(axis=1) == 0
    policy = mixed / (mixed.sum(axis=1, keepdims=True) + 1e-8)
    policy[free] = 1 / policy.shape[1]
    return {"policy": policy, "free": free}


def typist_with_fixed_for_free(rho_1, rho_2, weight):
    found = typist_with_where(rho_1, rho_2, weight)
    return found | {"free": np.logical_not(found["free"])}


def typist_free_where_one_is_away(rho_1, rho_2, weight):
    away = (rho_1.sum(axis=1) == 0) | (rho_2.sum(axis=1) == 0)
    return typist_with_where(rho_1, rho_2, weight) | {"free": away}


def typist_fixed_by_nobody(rho_1, rho_2, weight):
    away = (rho_1.sum(axis=1) == 0) & (rho_2.sum(axis=1) == 0)
    return typist_with_where(rho_1, rho_2, weight) | {"free": away}


def typist_nowhere_with_weight_0(rho_1, rho_2, weight):
    away = (rho_1.sum(axis=1) == 0) & (rho_2.sum(axis=1) == 0)
    mixed = weight * rho_1 + (1 - weight) * rho_2
    time = mixed.sum(axis=1, keepdims=True)
    policy = np.where(away[:, None], 1 / mixed.shape[1], mixed / np.where(time > 0, time, 1))
    return {"policy": policy, "free": away}


def typist_with_a_smaller_epsilon(rho_1, rho_2, weight):
    mixed = weight * rho_1 + (1 - weight) * rho_2 + 1e-10
    free = (weight * rho_1 + (1 - weight) * rho_2).sum(axis=1) == 0
    return {"policy": mixed / mixed.sum(axis=1, keepdims=True), "free": free}


def typist_uniform_where_one_is_away(rho_1, rho_2, weight):
    found = typist_free_where_one_is_away(rho_1, rho_2, weight)
    return found | {"policy": np.where(found["free"][:, None], 1 / rho_1.shape[1], found["policy"])}


def typist_uniform_at_every_zero(rho_1, rho_2, weight):
    found, mixed = typist_with_where(rho_1, rho_2, weight), weight * rho_1 + (1 - weight) * rho_2
    return found | {"policy": np.where(mixed == 0, 1 / mixed.shape[1], found["policy"])}


RIGHT = {
    "transition_table": [table_by_blocks, table_state_by_state, table_in_torch, table_of_lists],
    "power_series": [series_with_a_logarithm, series_with_a_while, series_by_what_is_missing, series_in_torch],
    "spread": [spread_by_formula, spread_by_a_recursion, spread_in_torch],
    "balance": [balance_with_einsum, balance_with_loops, balance_by_the_two_sides, balance_in_torch],
    "one_typist": [
        typist_with_where,
        typist_row_by_row,
        typist_in_torch,
        typist_as_a_weighted_mean_of_policies,
    ],
}

WRONG = {
    "transition_table": {
        table_with_the_next_error: "error_of_the_passage_ahead",
        table_without_changes: "passages_never_change",
        table_that_leaks_at_the_floor: "mass_lost_at_the_floor",
        table_with_a_hard_floor: "floor_is_a_wall",
        table_transposed: "from_and_to_exchanged",
        table_depth_by_depth: "depth_counted_first",
        table_with_r_and_1_minus_r_exchanged: "backspace_and_typing_exchanged",
        table_without_backspace: "no_way_back",
        table_with_changes_transposed: "changes_read_backwards",
        table_of_the_mean_error: "one_mean_error",
        table_added: "two_steps_by_mistake",
        table_that_keeps_a_copy_at_home: "rows_do_not_sum_to_one",
        table_with_right_tokens_off_the_data: "right_tokens_off_the_data",
        table_with_epsilon_and_1_minus_epsilon_exchanged: "right_and_wrong_exchanged",
        table_of_the_first_error: "one_error_for_all",
        table_that_ends_at_the_floor: "no_way_up_from_the_floor",
    },
    "power_series": {
        series_one_short: "one_term_less",
        series_with_a_floor: "one_term_less",
        series_one_too_many: "one_term_more",
        series_by_numpys_logarithm: "no_term_for_gamma_0",
        series_rounded: "terms_rounded",
        series_with_the_tail_of_visits: "tail_not_normalised",
        series_until_a_term_is_small: "last_term_small",
        series_solved: "whole_series",
        series_made_one: "stretched",
        series_of_visits: "visits_not_shares",
        series_of_columns: "steps_taken_backwards",
        series_from_state_0: "start_at_number_0",
        series_from_the_first_key: "first_moment_lost",
        series_with_one_gamma_more: "weights_one_late",
        series_with_a_floor_but_for_gamma_0: "one_term_less",
        series_with_less_than: "less_than_for_at_most",
        series_longer_than_it_says: "number_and_sum_differ",
        series_that_tells_its_last_exponent: "number_and_sum_differ",
        series_of_powers_of_entries: "powers_of_entries",
        series_until_nothing_changes: "last_term_small",
        series_of_at_most_1000_terms: "number_of_terms_capped",
    },
    "spread": {
        spread_of_mean_squares: "mean_not_subtracted",
        spread_with_half_a_mean_square: "mean_square_of_the_whole_text",
        spread_with_pairs_once: "each_pair_once",
        spread_with_twice_n: "same_moment_twice",
        spread_with_one_more_than_twice_n: "same_moment_three_times",
        spread_with_one_discount: "first_moment_discounted_once",
        spread_with_two_discounts: "both_discounted_twice",
        spread_of_strangers: "moments_independent",
        spread_of_equal_moments: "same_moments_only",
        spread_of_visits: "visits_instead_of_shares",
        spread_times_one_factor: "one_factor_for_the_variance",
        spread_swapped: "names_exchanged",
        spread_alike: "both_alike",
        spread_in_standard_deviations: "standard_deviations",
        spread_from_the_start: "never_again",
        spread_with_the_share_for_one_moment: "mean_square_of_one_moment",
        spread_of_the_transpose: "table_turned",
        spread_from_state_0: "begins_in_state_0",
        spread_with_1_minus_gamma_squared: "squares_out_of_scale",
        spread_of_independent_moments: "one_variance_from_the_other",
        spread_of_300_keys: "wrong_for_long_clocks",
    },
    "balance": {
        balance_without_a_start: "start_forgotten",
        balance_with_a_whole_start: "start_as_a_visit",
        balance_without_gamma: "arrivals_not_discounted",
        balance_with_gamma_on_both: "departures_discounted",
        balance_negated: "sign_exchanged",
        balance_with_the_largest: "largest_entry",
        balance_with_the_sum: "everything_added",
        balance_with_positive_parts: "half_of_it",
        balance_with_the_length: "root_of_the_squares",
        balance_of_visits: "gap_divided_by_the_start",
        balance_on_average: "mean_of_the_gaps",
        balance_that_begins_everywhere: "start_everywhere",
        balance_of_departures: "arrivals_read_backwards",
        balance_in_visits: "balance_of_visits",
        balance_without_signs: "only_the_amounts",
        balance_of_all_keys_alike: "keys_apart_from_their_ways",
        balance_by_random_values: "gap_too_small",
    },
    "one_typist": {
        typist_of_two_policies: "mean_of_the_policies",
        typist_with_the_coin_turned: "weights_exchanged",
        typist_with_a_fair_coin: "coin_is_fair",
        typist_not_divided: "shares_not_chances",
        typist_without_words_where_free: "nothing_where_free",
        typist_divided_by_columns: "columns_divided",
        typist_with_a_threshold: "small_shares_are_none",
        typist_close_to_zero: "small_shares_are_none",
        typist_with_an_epsilon: "small_number_added",
        typist_with_fixed_for_free: "free_and_fixed_exchanged",
        typist_free_where_one_is_away: "free_if_one_is_away",
        typist_fixed_by_nobody: "weight_of_zero_overlooked",
        typist_nowhere_with_weight_0: "weight_of_zero_overlooked",
        typist_with_a_smaller_epsilon: "small_number_added",
        typist_uniform_where_one_is_away: "free_if_one_is_away",
        typist_uniform_at_every_zero: "keys_never_pressed_are_free",
    },
}
