"""The exercises of notebooks/assignments/set_1_occupancies.ipynb."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from smatch_edu.checks.exercise import exercise


def _distributions(rng: np.random.Generator, rows: int, size: int) -> np.ndarray:
    """Rows that sum to 1; now and then certain ones, and with keys or states that never come."""
    if rng.random() < 0.15:
        return np.eye(size)[rng.integers(size, size=rows)]
    weights = rng.exponential(size=(rows, size)) * (rng.random((rows, size)) < rng.choice([0.5, 1.0]))
    weights[np.arange(rows), rng.integers(size, size=rows)] += 0.1
    return weights / weights.sum(axis=1, keepdims=True)


# -- S1.1 --------------------------------------------------------------------------------------------------------


def _passages(rng: np.random.Generator) -> dict[str, Any]:
    """One to three kinds of passage, with chances of 0 and 1 among the others."""
    kinds = int(rng.integers(1, 4))
    sure = rng.random(kinds) < 0.15
    return {
        "errors": np.where(sure, rng.integers(2, size=kinds), rng.random(kinds)),
        "changes": _distributions(rng, kinds, kinds),
        "recovery": float(rng.choice([0.0, 0.5, 1.0]) if rng.random() < 0.2 else rng.random()),
        "depth": int(rng.integers(1, 5)),
    }


def _walk(error: float, recovery: float, depth: int) -> np.ndarray:
    """P(off by m, a key later | off by n, now), with `depth` as the floor."""
    walk = np.zeros((depth + 1, depth + 1))
    walk[0, :2] = 1 - error, error
    for n in range(1, depth + 1):
        walk[n, n - 1] += recovery
        walk[n, min(n + 1, depth)] += 1 - recovery
    return walk


def _joined(walks: list[np.ndarray], changes: np.ndarray) -> np.ndarray:
    """P((j, m) | (i, n)) = changes[i, j] walks[i][n, m], as a table."""
    table = np.einsum("ij,inm->injm", changes, np.stack(walks))
    size = len(changes) * len(walks[0])
    return table.reshape(size, size)


def error_of_the_passage_ahead(errors, changes, recovery, depth):
    """You press the key with the error of the passage that the text comes to. In which passage does it stand when the
    key is pressed?"""
    walks = np.stack([_walk(error, recovery, depth) for error in errors])
    size = len(errors) * (depth + 1)
    return np.einsum("ij,jnm->injm", changes, walks).reshape(size, size)


def passages_never_change(errors, changes, recovery, depth):
    """Your text stays in the passage in which it began. What does `changes` say of the next key?"""
    return _joined([_walk(error, recovery, depth) for error in errors], np.eye(len(errors)))


def mass_lost_at_the_floor(errors, changes, recovery, depth):
    """Rows of the deepest states sum to r: what is typed there has nowhere to go. What does the text say of a token
    that is typed at N?"""
    walks = [_walk(error, recovery, depth) for error in errors]
    for walk in walks:
        walk[depth, depth] = 0
    return _joined(walks, changes)


def floor_is_a_wall(errors, changes, recovery, depth):
    """From N your text comes back with certainty. How often is ⌫ pressed there?"""
    walks = [_walk(error, recovery, depth) for error in errors]
    for walk in walks:
        walk[depth] = np.eye(depth + 1)[depth - 1]
    return _joined(walks, changes)


def from_and_to_exchanged(errors, changes, recovery, depth):
    """Your columns sum to 1. Which state is the row: the one now, or the one a key later?"""
    return transition_table.oracle(errors, changes, recovery, depth).T


def depth_counted_first(errors, changes, recovery, depth):
    """You have all the right numbers, in another order: you number the states depth by depth. Which of the two, passage
    or depth, runs faster in i·(N+1) + n?"""
    kinds = len(errors)
    order = np.arange(kinds * (depth + 1)).reshape(kinds, depth + 1).T.ravel()
    return transition_table.oracle(errors, changes, recovery, depth)[np.ix_(order, order)]


def backspace_and_typing_exchanged(errors, changes, recovery, depth):
    """On the data you are right. Off the data, your text comes nearer with 1-r and goes further with r: which of the
    two is ⌫?"""
    return _joined([_walk(error, 1 - recovery, depth) for error in errors], changes)


def no_way_back(errors, changes, recovery, depth):
    """Off the data your text never comes back. Where does `recovery` come in?"""
    return _joined([_walk(error, 0.0, depth) for error in errors], changes)


def changes_read_backwards(errors, changes, recovery, depth):
    """You take `changes[j, i]` for the way from i to j. What does its row stand for?"""
    return _joined([_walk(error, recovery, depth) for error in errors], changes.T)


def one_mean_error(errors, changes, recovery, depth):
    """Every passage has the same error in your table, the mean one. What makes a hard passage hard?"""
    return _joined([_walk(float(np.mean(errors)), recovery, depth) for _ in errors], changes)


def passages_change_on_the_data_only(errors, changes, recovery, depth):
    """On the data you are right. Off the data your text stays in its passage for as long as it is lost. Does the
    author's plan wait until the typist has found back?"""
    table = transition_table.oracle(errors, changes, recovery, depth)
    still = passages_never_change(errors, changes, recovery, depth)
    on = np.arange(len(table)) % (depth + 1) == 0
    return np.where(on[:, None], table, still)


def errors_off_the_data_too(errors, changes, recovery, depth):
    """Off the data, you let the passage's ε decide between ⌫ and one more token. What does (1.2) have there?"""
    walks = [_walk(error, recovery, depth) for error in errors]
    for walk, error in zip(walks, errors, strict=True):
        walk[1:] = _walk(error, 1 - error, depth)[1:]
    return _joined(walks, changes)


def two_steps_by_mistake(errors, changes, recovery, depth):
    """Your rows do not sum to 1: at each key you let the text move *or* the passage change, and count both. They happen
    together: what is done with the two chances?"""
    still = passages_never_change(errors, changes, recovery, depth)
    return still + np.kron(changes, np.eye(depth + 1))


def right_tokens_off_the_data(errors, changes, recovery, depth):
    """Off the data a right token costs nothing in your table: it leaves the text at n. What does (1.2) say of one more
    token, right or wrong?"""
    walks = [_walk(error, recovery, depth) for error in errors]
    for walk, error in zip(walks, errors, strict=True):
        for n in range(1, depth):
            walk[n, n : n + 2] = (1 - recovery) * (1 - error), (1 - recovery) * error
    return _joined(walks, changes)


def right_and_wrong_exchanged(errors, changes, recovery, depth):
    """Off the data you are right. On it, your text goes wrong with 1-ε: which of the two chances is a mistake's?"""
    return _joined([_walk(1 - error, recovery, depth) for error in errors], changes)


def one_error_for_all(errors, changes, recovery, depth):
    """Every passage has the error of the first one in your table. In which passage does a row's text stand?"""
    return _joined([_walk(errors[0], recovery, depth) for _ in errors], changes)


def no_way_up_from_the_floor(errors, changes, recovery, depth):
    """A text that is off by N stays so for ever in your table. Is ⌫ not pressed there? Only what is *typed* at N leaves
    it where it is."""
    walks = [_walk(error, recovery, depth) for error in errors]
    for walk in walks:
        walk[depth] = np.eye(depth + 1)[depth]
    return _joined(walks, changes)


def rows_do_not_sum_to_one(returned, errors, changes, recovery, depth):
    """Not every row of your table sums to 1. From each state the text goes *somewhere*: which row is it, and which way
    did you forget or count twice?"""
    return bool(np.abs(returned.sum(axis=1) - 1).max() > 1e-3)


@exercise(
    "S1.1",
    draw=_passages,
    inputs="random models",
    mistakes=[
        error_of_the_passage_ahead,
        passages_never_change,
        mass_lost_at_the_floor,
        floor_is_a_wall,
        from_and_to_exchanged,
        depth_counted_first,
        backspace_and_typing_exchanged,
        no_way_back,
        changes_read_backwards,
        one_mean_error,
        passages_change_on_the_data_only,
        errors_off_the_data_too,
        two_steps_by_mistake,
        right_tokens_off_the_data,
        right_and_wrong_exchanged,
        one_error_for_all,
        no_way_up_from_the_floor,
    ],
    signs=[rows_do_not_sum_to_one],
)
def transition_table(errors, changes, recovery, depth):
    """P((j, m) | (i, n)) = changes[i, j] W_i[n, m], where W_i is the walk of (1.2) with the error of passage i."""
    return _joined([_walk(error, recovery, depth) for error in errors], changes)


# -- S1.2 and S1.3: any chain ------------------------------------------------------------------------------------


def _chain(rng: np.random.Generator) -> dict[str, Any]:
    """A chain of one to six states, from anywhere; γ is 0 now and then, and now and then close to 1."""
    size = int(rng.integers(1, 7))
    gamma = 0.0 if rng.random() < 0.12 else 1 - 10 ** rng.uniform(-2.5, -0.05)
    return {"table": _distributions(rng, size, size), "start": _distributions(rng, 1, size)[0], "gamma": float(gamma)}


def _chain_and_tolerance(rng: np.random.Generator) -> dict[str, Any]:
    """No tolerance is a power of γ, since rounding would decide there; but for some chains without chance, at γ = 1/2:
    their sums are exact, however they are computed."""
    while True:
        case = _chain(rng) | {"tolerance": float(10 ** rng.uniform(-3, -0.02))}
        if rng.random() < 0.07:  # more than a thousand terms
            return case | {"gamma": 0.999, "tolerance": float(rng.uniform(0.1, 0.3))}
        if rng.random() < 0.1:
            size = len(case["start"])
            table, start = np.eye(size)[rng.integers(size, size=size)], np.eye(size)[rng.integers(size)]
            return {"table": table, "start": start, "gamma": 0.5, "tolerance": float(0.5 ** rng.integers(1, 5))}
        gamma = case["gamma"]
        exact = math.log(case["tolerance"]) / math.log(gamma) if gamma else 0.5
        if abs(exact - round(exact)) > 1e-6:
            return case


def _least(gamma: float, tolerance: float) -> int:
    """The least K with γ^K ≤ tolerance, which is below 1."""
    return 1 if gamma == 0 else max(1, math.ceil(math.log(tolerance) / math.log(gamma)))


def _sum(table: np.ndarray, start: np.ndarray, gamma: float, terms: int, late: int = 0) -> dict[str, Any]:
    """The first terms of (1-γ) Σ γ^t μ P^t."""
    here, weight, total = np.asarray(start, dtype=float), (1 - gamma) * gamma**late, np.zeros(len(start))
    for _ in range(terms):
        total += weight * here
        here, weight = here @ table, weight * gamma
    return {"terms": terms, "occupancy": total}


def one_term_more(table, start, gamma, tolerance):
    """You take one term more than you need. They are numbered from 0: how many are there up to number K-1?"""
    return _sum(table, start, gamma, _least(gamma, tolerance) + 1)


def no_term_for_gamma_0(table, start, gamma, tolerance):
    """With γ = 0 your sum has no term, and elsewhere you are right. log 0 is -∞: what did your division make of it, and
    where is the typist when the clock stops at once?"""
    return _sum(table, start, gamma, _least(gamma, tolerance) if gamma else 0)


def terms_rounded(table, start, gamma, tolerance):
    """You round the number of terms to the nearest whole one, so half of the time you leave out too much. Which way
    must it be rounded?"""
    terms = round(math.log(tolerance) / math.log(gamma)) if gamma else 1
    return _sum(table, start, gamma, terms)


def less_than_for_at_most(table, start, gamma, tolerance):
    """You take a term more than you need where *exactly* the tolerance is left out, and elsewhere you are right. "At
    most": does that fit?"""
    terms = _least(gamma, tolerance)
    return _sum(table, start, gamma, terms + (gamma**terms == tolerance))


def tail_not_normalised(table, start, gamma, tolerance):
    """You take more terms than are needed: what you leave out is smaller by another factor 1-γ. Do the terms of the
    *occupancy* that are left out sum to γ^K/(1-γ)?"""
    return _sum(table, start, gamma, _least(gamma, tolerance * (1 - gamma)))


def whole_series(table, start, gamma, tolerance):
    """Your occupancy sums to 1: it has all terms, also those that were to be left out. How much should be missing?"""
    visits = np.linalg.solve(np.eye(len(start)) - gamma * table.T, start)
    return {"terms": _least(gamma, tolerance), "occupancy": (1 - gamma) * visits}


def stretched(table, start, gamma, tolerance):
    """You stretch your sum until it is 1. That is a good guess of the rest, but not the sum that was asked for, and the
    bound does not hold for it."""
    found = _sum(table, start, gamma, _least(gamma, tolerance))
    return found | {"occupancy": found["occupancy"] / found["occupancy"].sum()}


def visits_not_shares(table, start, gamma, tolerance):
    """Your terms are γ^t, as visits have them. Which factor makes shares of them?"""
    found = _sum(table, start, gamma, _least(gamma, tolerance))
    return found | {"occupancy": found["occupancy"] / (1 - gamma)}


def steps_taken_backwards(table, start, gamma, tolerance):
    """You multiply the table by the distribution, as a column. Its rows are the states *now*: on which side must the
    distribution stand to be carried forward?"""
    return _sum(np.asarray(table).T, start, gamma, _least(gamma, tolerance))


def start_at_number_0(table, start, gamma, tolerance):
    """Your text always starts in state 0. Which input says where it starts?"""
    return _sum(table, np.eye(len(start))[0], gamma, _least(gamma, tolerance))


def first_moment_lost(table, start, gamma, tolerance):
    """Your first term is where she is after one key. Where is she at t = 0?"""
    return _sum(table, start @ table, gamma, _least(gamma, tolerance))


def weights_one_late(table, start, gamma, tolerance):
    """Each of your terms has one γ too many. With what probability does the clock stop at t = 0?"""
    return _sum(table, start, gamma, _least(gamma, tolerance), late=1)


def powers_of_entries(table, start, gamma, tolerance):
    """`**` takes each entry of the table to a power by itself, and what you get is no table of chances any more. What
    leads the distribution from one moment to the next?"""
    terms, table = _least(gamma, tolerance), np.asarray(table)
    rows = (gamma**t * (start @ table**t) for t in range(terms))
    return {"terms": terms, "occupancy": (1 - gamma) * sum(rows)}


def _sums(returned, table, start, gamma, terms):
    """Whether what was returned is the sum of so many terms."""
    wanted = _sum(table, start, gamma, terms)["occupancy"]
    return np.allclose(np.asarray(returned["occupancy"], dtype=float), wanted, rtol=1e-5, atol=1e-5)


def one_term_less(returned, table, start, gamma, tolerance):
    """Your sum ends one term early, and leaves out a little more than the tolerance. With K terms, which is the first
    one that is left out?"""
    terms = _least(gamma, tolerance) - 1
    return float(returned["terms"]) == terms and _sums(returned, table, start, gamma, terms)


def number_and_sum_differ(returned, table, start, gamma, tolerance):
    """Your sum has one term more, or one less, than you say. They are numbered from 0: how many are there up to number
    K-1?"""
    told, wanted = float(returned["terms"]), _least(gamma, tolerance)
    ways = ((wanted, wanted - 1), (wanted, wanted + 1), (wanted - 1, wanted), (wanted + 1, wanted))
    return any(told == number and _sums(returned, table, start, gamma, terms) for number, terms in ways)


def number_of_terms_capped(returned, table, start, gamma, tolerance):
    """You are right as long as a few hundred terms are enough. Does your loop end after a fixed number of them?"""
    return _least(gamma, tolerance) > 500 and float(returned["terms"]) < _least(gamma, tolerance)


def last_term_small(returned, table, start, gamma, tolerance):
    """You stop as soon as one term is below the tolerance. It is small, but how many come after it?"""
    here, told = np.asarray(start, dtype=float), float(returned["terms"])
    first: dict[Any, int] = {}
    for t in range(min(_least(gamma, tolerance), int(told)) + 1):
        term = (1 - gamma) * gamma**t * here
        for size in (np.max, np.sum):
            if size(term) <= tolerance:
                first.setdefault(size, t)
        here = here @ table
    return any(told - t in (0, 1) for t in first.values())


@exercise(
    "S1.2",
    draw=_chain_and_tolerance,
    inputs="random chains",
    mistakes=[
        no_term_for_gamma_0,
        one_term_more,
        less_than_for_at_most,
        terms_rounded,
        tail_not_normalised,
        whole_series,
        stretched,
        visits_not_shares,
        steps_taken_backwards,
        start_at_number_0,
        first_moment_lost,
        weights_one_late,
        powers_of_entries,
    ],
    signs=[one_term_less, number_and_sum_differ],
    guesses=[last_term_small, number_of_terms_capped],
)
def power_series(table, start, gamma, tolerance):
    """The least K with γ^K ≤ tolerance, and (1-γ) Σ_{t<K} γ^t μ P^t."""
    return _sum(table, start, gamma, _least(gamma, tolerance))


# -- S1.3 --------------------------------------------------------------------------------------------------------

ONE, ALL = "one moment", "whole text"


def _visits(table, start, gamma):
    return np.linalg.solve(np.eye(len(start)) - gamma * np.asarray(table).T, start)


def _again(table, gamma):
    """The visits of s by a text that starts in s."""
    return np.diag(np.linalg.inv(np.eye(len(table)) - gamma * np.asarray(table)))


def _squares(table, start, gamma, first=None, pairs=None):
    """E[X²] = (1-γ)² v(s; γ²) (2 N(s,s) - 1)."""
    first = _visits(table, start, gamma**2) if first is None else first
    pairs = 2 * _again(table, gamma) - 1 if pairs is None else pairs
    return (1 - gamma) ** 2 * first * pairs


def _of(table, start, gamma, squares):
    """Both variances, with these mean squares for the whole text."""
    share = (1 - gamma) * _visits(table, start, gamma)
    return {ONE: share * (1 - share), ALL: squares - share**2}


def mean_not_subtracted(table, start, gamma):
    """You return the mean of the squares. What is subtracted from it to make a variance?"""
    share = (1 - gamma) * _visits(table, start, gamma)
    return {ONE: share, ALL: _squares(table, start, gamma)}


def mean_square_of_the_whole_text(table, start, gamma):
    """For one moment you are right. For the whole text you return E[X²]: what makes a variance of it?"""
    return spread.oracle(table, start, gamma) | {ALL: _squares(table, start, gamma)}


def mean_square_of_one_moment(table, start, gamma):
    """For the whole text you are right. For one moment you return the mean of the square, which is ρ: what makes a
    variance of it?"""
    return spread.oracle(table, start, gamma) | {ONE: (1 - gamma) * _visits(table, start, gamma)}


def each_pair_once(table, start, gamma):
    """You count each pair of moments t < u once. In the square of a sum, how often does a product of two different
    terms stand?"""
    return _of(table, start, gamma, _squares(table, start, gamma, pairs=_again(table, gamma)))


def same_moment_twice(table, start, gamma):
    """You count the pairs t = u twice. Which visit of s does N(s,s) begin with?"""
    return _of(table, start, gamma, _squares(table, start, gamma, pairs=2 * _again(table, gamma)))


def same_moment_three_times(table, start, gamma):
    """You count the pairs t = u by themselves, and then twice more among the later ones. Which visit of s does N(s,s)
    begin with?"""
    return _of(table, start, gamma, _squares(table, start, gamma, pairs=1 + 2 * _again(table, gamma)))


def first_moment_discounted_once(table, start, gamma):
    """The earlier moment of a pair has weight γ^t from *both* sums. To which power of γ are its visits discounted?"""
    return _of(table, start, gamma, _squares(table, start, gamma, first=_visits(table, start, gamma)))


def both_discounted_twice(table, start, gamma):
    """The earlier moment is right. From there to the later one there are u-t keys: how many factors of γ is each of
    them worth, when γ^t has been taken out twice?"""
    return _of(table, start, gamma, _squares(table, start, gamma, pairs=2 * _again(table, gamma**2) - 1))


def moments_independent(table, start, gamma):
    """You add up the variances of the single moments, as if they knew nothing of each other. She who is at s now is
    often there again soon: which products of different moments are left?"""
    here, weight, total = np.asarray(start, dtype=float), (1 - gamma) ** 2, np.zeros(len(start))
    while weight > 1e-12:
        total += weight * here * (1 - here)
        here, weight = here @ table, weight * gamma**2
    return {ONE: spread.oracle(table, start, gamma)[ONE], ALL: total}


def same_moments_only(table, start, gamma):
    """Of all pairs of moments you keep those with t = u. What do the others add?"""
    return _of(table, start, gamma, _squares(table, start, gamma, pairs=1.0))


def visits_instead_of_shares(table, start, gamma):
    """This is the variance of the *visits*. The share of the time is (1-γ) times as large: and its variance?"""
    right = spread.oracle(table, start, gamma)
    return right | {ALL: right[ALL] / (1 - gamma) ** 2}


def one_factor_for_the_variance(table, start, gamma):
    """You have the visits' variance times 1-γ. What does a variance do when the quantity is multiplied by a number?"""
    right = spread.oracle(table, start, gamma)
    return right | {ALL: right[ALL] / (1 - gamma)}


def names_exchanged(table, start, gamma):
    """Your two variances are right, under each other's name. Which of the two ways looks at more?"""
    right = spread.oracle(table, start, gamma)
    return {ONE: right[ALL], ALL: right[ONE]}


def both_alike(table, start, gamma):
    """Your two variances are the same. One moment of a text says less than all of its moments: can they be?"""
    right = spread.oracle(table, start, gamma)
    return {ONE: right[ONE], ALL: right[ONE]}


def never_again(table, start, gamma):
    """Your later moments are counted from the *start* of the text, and not from s. When she is at s at t, where does
    the rest of her text begin?"""
    visits = _visits(table, start, gamma)
    return _of(table, start, gamma, _squares(table, start, gamma, pairs=2 * visits - 1))


def table_turned(table, start, gamma):
    """You walk along your table backwards: its rows are the states *now*. Over which index of P does (2.1) sum?"""
    return spread.oracle(np.asarray(table).T, start, gamma)


def begins_in_state_0(table, start, gamma):
    """Your texts all start in state 0. Which input says where they start?"""
    return spread.oracle(table, np.eye(len(start))[0], gamma)


def _found(returned, table, start, gamma):
    """Both variances as returned, and that of one moment as it should be."""
    one, whole = (np.asarray(returned[name], dtype=float) for name in (ONE, ALL))
    return one, whole, spread.oracle(table, start, gamma)[ONE]


def _all_alike(ratios):
    return bool(np.allclose(ratios, ratios[0], rtol=1e-4))


def squares_out_of_scale(returned, table, start, gamma):
    """Your E[X²] is too large, by the same factor at every state. Each moment weighs (1-γ)γ^t in X: which factor comes
    out of the square?"""
    one, whole, right = _found(returned, table, start, gamma)
    share, squares = (1 - gamma) * _visits(table, start, gamma), _squares(table, start, gamma)
    seen = squares > 1e-3
    if not np.allclose(one, right, atol=1e-6):
        return False
    if seen.sum() < 2:
        return None  # any number is some factor of another
    ratios = (whole + share**2)[seen] / squares[seen]
    return _all_alike(ratios) and bool(ratios[0] > 1)


def one_variance_from_the_other(returned, table, start, gamma):
    """Your variance of the whole text is that of one moment, times the same number at every state. How soon she is back
    is not the same at every state: where does N(s,s) come in?"""
    one, whole, right = _found(returned, table, start, gamma)
    seen = right > 1e-3
    if not np.allclose(one, right, atol=1e-6):
        return False
    if seen.sum() < 3 or not whole.any():
        return None  # at two states both ways have the same variance at both, and 0 is a multiple of anything
    return _all_alike(whole[seen] / right[seen])


def wrong_for_long_clocks(returned, table, start, gamma):
    """You are wrong only where γ is close to 1, and time runs long. Do your sums over the moments end after a fixed
    number of keys?"""
    return gamma > 0.9


def standard_deviations(returned, table, start, gamma):
    """You return standard deviations. Variances were wanted; the root comes later."""
    right = spread.oracle(table, start, gamma)
    return all(
        np.allclose(np.square(np.asarray(returned[name], dtype=float)), right[name], rtol=1e-5, atol=1e-9)
        for name in right
    )


@exercise(
    "S1.3",
    draw=_chain,
    inputs="random chains",
    atol=1e-8,
    mistakes=[
        mean_not_subtracted,
        mean_square_of_the_whole_text,
        each_pair_once,
        same_moment_twice,
        same_moment_three_times,
        first_moment_discounted_once,
        both_discounted_twice,
        moments_independent,
        same_moments_only,
        visits_instead_of_shares,
        one_factor_for_the_variance,
        names_exchanged,
        both_alike,
        never_again,
        mean_square_of_one_moment,
        table_turned,
        begins_in_state_0,
    ],
    signs=[standard_deviations, squares_out_of_scale, one_variance_from_the_other],
    guesses=[wrong_for_long_clocks],
)
def spread(table, start, gamma):
    """ρ(1-ρ), and (1-γ)² v(s; γ²) (2 N(s,s) - 1) - ρ², where N(s,s) are the visits of s from s."""
    return _of(table, start, gamma, _squares(table, start, gamma))


# -- S1.4 --------------------------------------------------------------------------------------------------------


def _claimed(rng: np.random.Generator) -> dict[str, Any]:
    """Tables that claim to be occupancies: true ones, slightly wrong ones, and any."""
    states, actions = int(rng.integers(1, 6)), int(rng.integers(1, 4))
    transitions = _distributions(rng, states * actions, states).reshape(states, actions, states)
    gamma = 0.0 if rng.random() < 0.1 else float(rng.uniform(0.1, 0.99))
    policy = _distributions(rng, states, actions)
    moves = np.einsum("sa,san->sn", policy, transitions)
    rho = np.abs((1 - gamma) * _visits(moves, np.eye(states)[0], gamma)[:, None] * policy)
    kind = rng.random()
    if kind < 0.4:  # time moved from one pair to another
        one, other = rng.integers(states * actions, size=2)
        moved = rho.ravel()[one] * rng.uniform(0.2, 1)
        rho.ravel()[one] -= moved
        rho.ravel()[other] += moved
    elif kind < 0.7:
        rho = _distributions(rng, 1, states * actions).reshape(states, actions)
    return {"rho": rho, "transitions": transitions, "gamma": gamma}


def _unbalance(rho, transitions, gamma, start=None):
    arrives = np.einsum("sa,san->n", rho, transitions)
    begins = (1 - gamma) if start is None else start
    return begins * np.eye(len(rho))[0] + gamma * arrives - rho.sum(axis=1)


def _answer(found, gap=None):
    return {"unbalance": found, "gap": float(np.abs(found).sum()) if gap is None else float(gap)}


def start_forgotten(rho, transitions, gamma):
    """Nobody begins in your balance, so even a true occupancy has a debt at state 0. What arrives there that came from
    no other state?"""
    return _answer(_unbalance(rho, transitions, gamma, start=0.0))


def start_as_a_visit(rho, transitions, gamma):
    """She begins at state 0 with a whole visit in your balance, and ρ is made of shares. How large is the share of the
    first moment?"""
    return _answer(_unbalance(rho, transitions, gamma, start=1.0))


def arrivals_not_discounted(rho, transitions, gamma):
    """All that leaves arrives in your balance. But on each step the clock may stop: with which chance does she get
    there?"""
    not_arrived = (1 - gamma) * np.einsum("sa,san->n", rho, transitions)
    return _answer(_unbalance(rho, transitions, gamma) + not_arrived)


def departures_discounted(rho, transitions, gamma):
    """You discount what is *there* as well. A share of the time is what it is; which of the three parts happens a step
    later?"""
    return _answer(_unbalance(rho, transitions, gamma) + (1 - gamma) * rho.sum(axis=1))


def sign_exchanged(rho, transitions, gamma):
    """Your signs are the other way round: what is there, less what arrives. The text asks for arrivals first."""
    return _answer(-_unbalance(rho, transitions, gamma))


def largest_entry(rho, transitions, gamma):
    """Your gap is that of a V which is 1 at a single state. You may choose V at *every* state: what is best at the
    others?"""
    found = _unbalance(rho, transitions, gamma)
    return _answer(found, np.abs(found).max())


def everything_added(rho, transitions, gamma):
    """Your gap is what V = 1 everywhere shows, which is nothing at all. Which sign of V helps at a state with too much,
    and which at one with too little?"""
    found = _unbalance(rho, transitions, gamma)
    return _answer(found, found.sum())


def half_of_it(rho, transitions, gamma):
    """Your gap is half of the largest. From where to where does V run: from 0 to 1, or from -1 to 1?"""
    found = _unbalance(rho, transitions, gamma)
    return _answer(found, np.abs(found).sum() / 2)


def root_of_the_squares(rho, transitions, gamma):
    """Your gap is that of a V whose *squares* sum to 1. Here each V(s) has a bound of its own: how far may each go?"""
    found = _unbalance(rho, transitions, gamma)
    return _answer(found, np.sqrt((found**2).sum()))


def gap_divided_by_the_start(rho, transitions, gamma):
    """Your gap is larger by 1/(1-γ) than it can be. Both sides of (S1.3) are shares of the time: is there anything left
    to divide by?"""
    found = _unbalance(rho, transitions, gamma)
    return _answer(found, np.abs(found).sum() / (1 - gamma))


def mean_of_the_gaps(rho, transitions, gamma):
    """You take the mean over the states. In E_ρ[V - γV'] every state counts for itself: is there anything to divide
    by?"""
    found = _unbalance(rho, transitions, gamma)
    return _answer(found, np.abs(found).mean())


def start_everywhere(rho, transitions, gamma):
    """In your balance 1-γ arrives at every state. Where does she begin?"""
    return _answer((1 - gamma) + gamma * np.einsum("sa,san->n", rho, transitions) - rho.sum(axis=1))


def arrivals_read_backwards(rho, transitions, gamma):
    """You take P(n|s,a) for the way from n to s: your arrivals at s come from where s leads to. Over which index of
    `transitions` do you add, and which one is left?"""
    arrives = np.einsum("na,san->s", rho, transitions)
    return _answer((1 - gamma) * np.eye(len(rho))[0] + gamma * arrives - rho.sum(axis=1))


def balance_of_visits(rho, transitions, gamma):
    """All your entries are larger by 1/(1-γ): they balance visits. ρ is made of shares of the time, so what is there to
    divide by?"""
    return _answer(_unbalance(rho, transitions, gamma) / (1 - gamma))


def only_the_amounts(rho, transitions, gamma):
    """Your gap is right, and your unbalance has lost its signs. At which states arrives too much, and at which too
    little?"""
    return _answer(np.abs(_unbalance(rho, transitions, gamma)))


def keys_apart_from_their_ways(returned, rho, transitions, gamma):
    """You add up the keys of ρ and the keys of P, each by itself, and multiply afterwards, as if all keys led to the
    same places. What must be multiplied before the keys are added up?"""
    time, ways = rho.sum(axis=1), transitions.sum(axis=1)
    begins = (1 - gamma) * np.eye(len(rho))[0]
    found = np.asarray(returned["unbalance"], dtype=float)
    return any(np.allclose(found, begins + gamma * time @ ways / by - time, atol=1e-5) for by in (1, rho.shape[1]))


def gap_too_small(returned, rho, transitions, gamma):
    """Your unbalance is right, and there is a V with a larger gap than yours. Each V(s) may be chosen by itself: which
    number between -1 and 1 makes V(s) times the unbalance at s as large as it can be?"""
    found = _unbalance(rho, transitions, gamma)
    same = np.allclose(np.asarray(returned["unbalance"], dtype=float), found, atol=1e-5)
    return bool(same and float(returned["gap"]) < np.abs(found).sum())


@exercise(
    "S1.4",
    draw=_claimed,
    inputs="random claims",
    mistakes=[
        start_forgotten,
        start_as_a_visit,
        arrivals_not_discounted,
        departures_discounted,
        sign_exchanged,
        largest_entry,
        everything_added,
        half_of_it,
        root_of_the_squares,
        gap_divided_by_the_start,
        mean_of_the_gaps,
        start_everywhere,
        arrivals_read_backwards,
        balance_of_visits,
        only_the_amounts,
    ],
    signs=[keys_apart_from_their_ways, gap_too_small],
)
def balance(rho, transitions, gamma):
    """b(s) = (1-γ) 1[s = 0] + γ Σ ρ(s',a) P(s|s',a) - Σ_a ρ(s,a), and Σ |b(s)|."""
    return _answer(_unbalance(rho, transitions, gamma))


# -- S1.5 --------------------------------------------------------------------------------------------------------


def _two_occupancies(rng: np.random.Generator) -> dict[str, Any]:
    """Two tables of shares: states where one of them never goes, both, or hardly ever; weights of 0 and 1 among
    others."""
    states, actions = int(rng.integers(1, 6)), int(rng.integers(1, 5))
    never = rng.random((2, states)) < 0.35
    never[:, 0] = False  # she begins there
    tables = []
    for gone in never:
        time = rng.dirichlet(np.ones(states)) * ~gone
        time = time * np.where(np.append(False, rng.random(states - 1) < 0.2), 1e-9, 1.0)
        tables.append((time / time.sum())[:, None] * _distributions(rng, states, actions))
    weight = float(rng.integers(2)) if rng.random() < 0.35 else float(rng.random())
    return {"rho_1": tables[0], "rho_2": tables[1], "weight": weight}


def _inverted(rho: np.ndarray, free: np.ndarray | None = None) -> dict[str, Any]:
    """The policy of an occupancy, alike for all keys where nothing fixes it."""
    time = rho.sum(axis=1)
    free = time == 0 if free is None else free
    policy = np.where(free[:, None], 1 / rho.shape[1], rho / np.where(time > 0, time, 1)[:, None])
    return {"policy": policy, "free": free}


def _policies(rho_1, rho_2):
    return _inverted(np.asarray(rho_1))["policy"], _inverted(np.asarray(rho_2))["policy"]


def mean_of_the_policies(rho_1, rho_2, weight):
    """You mix the two *policies*. Suppose that the first one hardly ever comes to a state: should she have as much to
    say there as the other?"""
    one, other = _policies(rho_1, rho_2)
    return one_typist.oracle(rho_1, rho_2, weight) | {"policy": weight * one + (1 - weight) * other}


def weights_exchanged(rho_1, rho_2, weight):
    """Your coin is turned round. Whose is `weight`?"""
    return one_typist.oracle(rho_2, rho_1, weight)


def coin_is_fair(rho_1, rho_2, weight):
    """You mix them half and half. What does `weight` say?"""
    return one_typist.oracle(rho_1, rho_2, 0.5)


def coin_left_out(rho_1, rho_2, weight):
    """Your policy does not change with the weight unless it is 0 or 1. How much of the mixed day is the first
    typist's?"""
    inner = weight if weight in (0.0, 1.0) else 0.5
    return one_typist.oracle(rho_1, rho_2, inner)


def shares_not_chances(rho_1, rho_2, weight):
    """You return the mixed occupancy. Its rows are shares of the time at (s, a): what must each be divided by to become
    a chance of a?"""
    mixed = weight * rho_1 + (1 - weight) * rho_2
    return one_typist.oracle(rho_1, rho_2, weight) | {"policy": mixed}


def shares_with_free_rows_filled(rho_1, rho_2, weight):
    """Your free rows are right, and in the others stand shares of the time. What must each row be divided by?"""
    right, mixed = one_typist.oracle(rho_1, rho_2, weight), weight * rho_1 + (1 - weight) * rho_2
    return right | {"policy": np.where(right["free"][:, None], right["policy"], mixed)}


def nothing_where_free(rho_1, rho_2, weight):
    """Where neither typist goes, your rows are zero: no policy at all. Any would do; which one did the text settle
    on?"""
    right = one_typist.oracle(rho_1, rho_2, weight)
    return right | {"policy": np.where(right["free"][:, None], 0, right["policy"])}


def columns_divided(rho_1, rho_2, weight):
    """Your *columns* sum to 1. A policy says at each state how likely each key is: which sum is the right one?"""
    right, mixed = one_typist.oracle(rho_1, rho_2, weight), weight * rho_1 + (1 - weight) * rho_2
    total = mixed.sum(axis=0)
    return right | {"policy": np.where(right["free"][:, None], right["policy"], mixed / np.where(total > 0, total, 1))}


def free_and_fixed_exchanged(rho_1, rho_2, weight):
    """Your policy is right. In `free` you have True where it is fixed. Where may she do as she likes?"""
    right = one_typist.oracle(rho_1, rho_2, weight)
    return right | {"free": ~right["free"]}


def keys_never_pressed_are_free(rho_1, rho_2, weight):
    """You give 1/A to every key that is never pressed, and then a row sums to more than 1. Is it a key that is free, or
    a state?"""
    right, mixed = one_typist.oracle(rho_1, rho_2, weight), weight * rho_1 + (1 - weight) * rho_2
    return right | {"policy": np.where(mixed == 0, 1 / mixed.shape[1], right["policy"])}


def weight_of_zero_overlooked(returned, rho_1, rho_2, weight):
    """You call a state fixed when only a typist with weight 0 goes there. How much of the mixed day is spent at it?"""
    away = (rho_1.sum(axis=1) == 0) & (rho_2.sum(axis=1) == 0)
    free = np.asarray(returned["free"]) != 0
    return bool(np.array_equal(free, away) and (free != one_typist.oracle(rho_1, rho_2, weight)["free"]).any())


def free_if_one_is_away(returned, rho_1, rho_2, weight):
    """You call a state free as soon as *one* of the two never goes there. Does the other one not fix what is done
    there?"""
    away = (rho_1.sum(axis=1) == 0) | (rho_2.sum(axis=1) == 0)
    free = np.asarray(returned["free"]) != 0
    return bool(np.array_equal(free, away) and (free != one_typist.oracle(rho_1, rho_2, weight)["free"]).any())


def small_shares_are_none(returned, rho_1, rho_2, weight):
    """You take a state with a tiny share for one where nobody goes. However seldom she is there, she does something
    there: is the share 0?"""
    time = (weight * rho_1 + (1 - weight) * rho_2).sum(axis=1)
    free = np.asarray(returned["free"]) != 0
    return bool(0 < np.max(time[free], initial=0) < np.min(time[~free], initial=1e-3))


def small_number_added(returned, rho_1, rho_2, weight):
    """You add a small number before you divide, so rows with small shares come out too small or all alike. Treat 0 by
    itself; then nothing needs to be added."""
    mixed = weight * rho_1 + (1 - weight) * rho_2
    policy, time = np.asarray(returned["policy"], dtype=float), mixed.sum(axis=1, keepdims=True)
    there, keys = time[:, 0] > 0, mixed.shape[1]

    def close(other):
        return np.allclose(policy[there], other[there], rtol=1e-5, atol=1e-5)

    if close(one_typist.oracle(rho_1, rho_2, weight)["policy"]):
        return False
    return any(close(mixed / (time + e)) or close((mixed + e) / (time + keys * e)) for e in 10.0 ** -np.arange(3, 17))


@exercise(
    "S1.5",
    draw=_two_occupancies,
    inputs="random pairs of typists",
    mistakes=[
        mean_of_the_policies,
        weights_exchanged,
        coin_is_fair,
        coin_left_out,
        shares_not_chances,
        shares_with_free_rows_filled,
        nothing_where_free,
        columns_divided,
        free_and_fixed_exchanged,
        keys_never_pressed_are_free,
    ],
    signs=[weight_of_zero_overlooked, free_if_one_is_away, small_shares_are_none, small_number_added],
)
def one_typist(rho_1, rho_2, weight):
    """ρ = w ρ₁ + (1-w) ρ₂, and π(a|s) = ρ(s,a) / Σ_b ρ(s,b) where that is not 0/0."""
    return _inverted(weight * rho_1 + (1 - weight) * rho_2)
