"""The exercises of notebooks/assignments/set_4_neural_typist.ipynb."""

from __future__ import annotations

from typing import Any

import numpy as np

from smatch_edu.checks.exercise import exercise
from smatch_edu.checks.values import numbers


def _soft_maximum(logits: np.ndarray, legal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """V(s) and the policy, over legal keys."""
    masked = np.where(legal, logits, -np.inf)
    values = np.logaddexp.reduce(masked, axis=1)
    return values, np.exp(masked - values[:, None])


# -- S4.1 --------------------------------------------------------------------------------------------------------


def _ladder(rng: np.random.Generator) -> dict[str, Any]:
    """Short ladders and long ones, one letter and many, pay from nothing to ruin, γ of 0 and near 1; slow ones, on
    which she types to and fro for long, since neither end is worth going to; values of which the exponential is too
    large for a float; texts that are full at once, and both ways out are bad."""
    kind = rng.random()
    if kind > 0.85:
        ends = {name: float(rng.uniform(-900, -100)) for name in ("value_on", "value_end")}
        return {
            "pay": float(-rng.uniform(0, 3)),
            **ends,
            "letters": int(rng.integers(1, 27)),
            "gamma": float(rng.uniform(0.5, 0.95)),
            "depth": 1,
        }
    if kind < 0.27:
        low, high = (-900.0, -50.0) if kind < 0.15 else (900.0, 1000.0)  # slow, or too large for exp
        ends = {name: float(rng.uniform(low, high)) for name in ("value_on", "value_end")}
        return {"pay": float(-rng.uniform(0, 3)), **ends, "letters": 8, "gamma": 0.95, "depth": int(rng.integers(2, 6))}
    return {
        "pay": float(-(10 ** rng.uniform(-1, 1.5)) * (rng.random() < 0.85)),
        "value_on": float(rng.normal(scale=rng.choice([1, 5, 900]))),
        "value_end": float(rng.normal(scale=rng.choice([1, 5, 900]))),
        "letters": int(rng.integers(1, 27)),
        "gamma": 0.0 if rng.random() < 0.08 else float(rng.uniform(0.3, 0.95)),
        "depth": int(rng.integers(1, 6)),
    }


def _climbed(
    pay: float,
    value_on: float,
    value_end: float,
    letters: int | float,
    gamma: float,
    depth: int,
    rounds: int = 1000,
    finish: bool = True,
    floor: bool = True,
    beyond: float | None = None,
    paid: float = 1.0,
    hard: bool = False,
    home: bool = True,
    end: float | None = None,
    outside: bool = False,
) -> dict[str, Any]:
    """V and P(⌫) at off by 1..depth, by repeating (S4.1) from V = 0; the options are mistakes."""
    values = np.zeros(depth)
    many = np.log(letters) if letters else -np.inf
    combine = np.maximum if hard else np.logaddexp
    inner, outer = (1.0, gamma) if outside else (gamma, 1.0)
    back = up = values
    for _ in range(rounds):
        above = np.append(value_on, values[:-1]) if home else np.full(depth, value_on)
        below = np.append(values[1:], -np.inf if floor else values[-1] if beyond is None else beyond)
        back = inner * above
        up = combine(back, many + (inner * below if inner > 0 else np.where(np.isfinite(below), 0.0, -np.inf)))
        up = combine(up, np.full(depth, inner * value_end if end is None else end)) if finish else up
        new = paid * pay + outer * up
        settled = np.abs(new - values).max() < 1e-14 * (1 + np.abs(new).max())
        values = new
        if settled:
            break
    return {"values": values, "backspace": np.exp(np.minimum(back - up, 0.0))}


def one_letter_only(pay, value_on, value_end, letters, gamma, depth):
    """You count the letters as one key. Each of them leads one step further off: how many keys are there in the sum?"""
    return _climbed(pay, value_on, value_end, 1, gamma, depth)


def letters_at_the_floor(pay, value_on, value_end, letters, gamma, depth):
    """At the last step you let her type on. The text is full there: which keys are legal?"""
    return _climbed(pay, value_on, value_end, letters, gamma, depth, floor=False)


def worth_nothing_below_the_floor(pay, value_on, value_end, letters, gamma, depth):
    """At off by N you let her type on, to a text that is worth 0. The text is full there: which keys are legal?"""
    return _climbed(pay, value_on, value_end, letters, gamma, depth, floor=False, beyond=0.0)


def letters_left_out(pay, value_on, value_end, letters, gamma, depth):
    """In your sum she goes back, or ends. A text that is not full can get longer, too, and worse: what is the middle
    term of (S4.1) for?"""
    return _climbed(pay, value_on, value_end, 0, gamma, depth)


def end_not_discounted(pay, value_on, value_end, letters, gamma, depth):
    """The end is as far away as any other text, one key. Which factor has its value in (S4.1), and in yours?"""
    return _climbed(pay, value_on, value_end, letters, gamma, depth, end=value_end)


def discounted_outside(returned, pay, value_on, value_end, letters, gamma, depth):
    """Your γ stands before the log, and makes all of it smaller, also what comes from there being many keys. What does
    γ multiply in (S4.1)?"""
    outside = _climbed(pay, value_on, value_end, letters, gamma, depth, outside=True)["values"]
    return np.allclose(numbers(returned["values"]), outside, rtol=1e-4, atol=1e-4)


def letters_discounted(pay, value_on, value_end, letters, gamma, depth):
    """Your γ multiplies log K as well. It discounts what comes later; how many letters are on the keyboard *now*?"""
    return _climbed(pay, value_on, value_end, letters**gamma, gamma, depth)


def no_way_to_finish(pay, value_on, value_end, letters, gamma, depth):
    """Your sum has ⌫ and the letters. Which key is missing?"""
    return _climbed(pay, value_on, value_end, letters, gamma, depth, finish=False)


def nothing_paid(pay, value_on, value_end, letters, gamma, depth):
    """In your answer the keys cost nothing. What is each of them paid off the data?"""
    return _climbed(0.0, value_on, value_end, letters, gamma, depth)


def paid_with_the_wrong_sign(pay, value_on, value_end, letters, gamma, depth):
    """Your pay has the wrong sign. It is a reward, and a negative one: does standing off the data raise V?"""
    return _climbed(-pay, value_on, value_end, letters, gamma, depth)


def straight_home(pay, value_on, value_end, letters, gamma, depth):
    """Your ⌫ leads to the data at once, from everywhere. Where does it lead from off by 2?"""
    return _climbed(pay, value_on, value_end, letters, gamma, depth, home=False)


def one_round_only(pay, value_on, value_end, letters, gamma, depth):
    """You apply (S4.1) once, and the values ahead were those that you started with. When is it true of *all* values?"""
    return _climbed(pay, value_on, value_end, letters, gamma, depth, rounds=1)


def not_discounted(pay, value_on, value_end, letters, gamma, depth):
    """Your values are right, and your P(⌫) compares the values ahead without γ. What is the logit of ⌫?"""
    right = way_home.oracle(pay, value_on, value_end, letters, gamma, depth)
    values = right["values"]
    above = np.append(value_on, values[:-1])
    return right | {"backspace": np.exp(np.minimum(pay + above - values, 700.0))}


def softmax_not_discounted(pay, value_on, value_end, letters, gamma, depth):
    """Your values are right, and your P(⌫) is a softmax of the values ahead. What is the logit of a key, by (4.2)?"""
    right = way_home.oracle(pay, value_on, value_end, letters, gamma, depth)
    above, below = np.append(value_on, right["values"][:-1]), np.append(right["values"][1:], -np.inf)
    together = np.logaddexp(np.logaddexp(above, below + np.log(letters)), value_end)
    return right | {"backspace": np.exp(above - together)}


def value_of_the_same_text(pay, value_on, value_end, letters, gamma, depth):
    """Your values are right. In P(⌫) you have the value of the text where she is, twice. Where does ⌫ lead?"""
    right = way_home.oracle(pay, value_on, value_end, letters, gamma, depth)
    return right | {"backspace": np.exp(pay + (gamma - 1) * right["values"])}


def pay_left_out_of_the_chance(pay, value_on, value_end, letters, gamma, depth):
    """Your values are right. In P(⌫) you take V away from γ V of the text ahead: by (4.2), what else is in a logit?"""
    right = way_home.oracle(pay, value_on, value_end, letters, gamma, depth)
    above = np.append(value_on, right["values"][:-1])
    return right | {"backspace": np.exp(gamma * above - right["values"])}


def chance_of_anything_else(pay, value_on, value_end, letters, gamma, depth):
    """Your values are right. You return the chance that she presses something *other* than ⌫."""
    right = way_home.oracle(pay, value_on, value_end, letters, gamma, depth)
    return right | {"backspace": 1 - right["backspace"]}


def largest_instead_of_soft(returned, pay, value_on, value_end, letters, gamma, depth):
    """Your V takes the best key alone. By (5.2) it is the log of a sum of exponentials: what do the other keys add?"""
    soft = _climbed(pay, value_on, value_end, letters, gamma, depth)["values"]
    counted, as_one = (_climbed(pay, value_on, value_end, k, gamma, depth, hard=True)["values"] for k in (letters, 1))
    if np.allclose(counted, soft, rtol=1e-4, atol=1e-4):
        return None  # here the others add nothing
    return any(np.allclose(returned["values"], hard, rtol=1e-4, atol=1e-4) for hard in (counted, as_one))


def data_worth_nothing(returned, pay, value_on, value_end, letters, gamma, depth):
    """In your values the ⌫ at off by 1 leads to a text that is worth 0. It leads to the data: which argument says what
    that is worth?"""
    return np.allclose(returned["values"], _climbed(pay, 0.0, value_end, letters, gamma, depth)["values"], rtol=1e-4)


def too_few_rounds(returned, pay, value_on, value_end, letters, gamma, depth):
    """You are on the way and stop too early. Each round shrinks the error by γ only: how many does it take at γ =
    0.95?"""
    ladder = pay, value_on, value_end, letters, gamma, depth
    got, right = (np.asarray(one["values"], dtype=float) for one in (returned, _climbed(*ladder)))
    size = np.abs(right).max()
    if depth == 1 or np.allclose(got, right, rtol=0, atol=1e-9 * size):
        return False  # one is enough, or there were enough
    rounds = (_climbed(*ladder, rounds=many)["values"] for many in (2, depth, depth + 1, 10))
    return bool(np.abs(got - right).max() < 0.1 * size) or any(np.allclose(got, one) for one in rounds)


@exercise(
    "S4.1",
    draw=_ladder,
    inputs="random ladders",
    num_cases=40,
    mistakes=[
        one_letter_only,
        letters_at_the_floor,
        worth_nothing_below_the_floor,
        letters_left_out,
        end_not_discounted,
        letters_discounted,
        no_way_to_finish,
        nothing_paid,
        paid_with_the_wrong_sign,
        straight_home,
        one_round_only,
        not_discounted,
        softmax_not_discounted,
        value_of_the_same_text,
        pay_left_out_of_the_chance,
        chance_of_anything_else,
    ],
    signs=[discounted_outside, largest_instead_of_soft],
    guesses=[data_worth_nothing, too_few_rounds],
)
def way_home(pay, value_on, value_end, letters, gamma, depth):
    """V_n = e + log(exp γV_{n-1} + K exp γV_{n+1} + exp γV_end), and exp(e + γV_{n-1} - V_n)."""
    return _climbed(pay, value_on, value_end, letters, gamma, depth)


# -- S4.2 --------------------------------------------------------------------------------------------------------


def _some_walks(rng: np.random.Generator) -> dict[str, Any]:
    """Walks that finish early, at the last key, or not at all; texts that come again; one walk or several."""
    texts, eos = int(rng.integers(1, 5)), int(rng.integers(1, 4))
    terminal = 1 if rng.random() < 0.5 else texts
    num_walks, time = int(rng.integers(1, 6)), int(rng.integers(1, 7))
    states = np.zeros((num_walks, time + 1), dtype=int)
    keys = np.full((num_walks, time), eos)
    for walk in range(num_walks):
        ends = int(rng.integers(0, time)) if rng.random() < 0.7 else time
        states[walk] = rng.integers(texts, size=time + 1)
        states[walk, 0] = 0
        keys[walk, :ends] = rng.integers(eos, size=ends)
        if ends < time:
            states[walk, ends + 1 :] = texts + (states[walk, ends] if terminal > 1 else 0)
    gamma = float(rng.choice([0.0, 0.99])) if rng.random() < 0.2 else float(rng.uniform(0.2, 0.99))
    return {
        "states": states,
        "keys": keys,
        "gamma": gamma,
        "absorbing": texts,
        "num_states": texts + terminal,
        "num_keys": eos + 1 + int(rng.integers(2)),
        "eos": eos,
    }


def _counted(
    states, keys, gamma, absorbing, num_states, num_keys, eos, tail=None, of_all=False, weights=None, once=False
) -> np.ndarray:
    """Σ γ^t over the walks, as a table, and the tail; the options are mistakes."""
    num_walks, time = keys.shape
    weights = gamma ** np.arange(time) if weights is None else weights
    tail = gamma**time / (1 - gamma) if tail is None else tail
    table = np.zeros((num_states, num_keys))
    for walk in range(num_walks):
        seen = set()
        for t in range(time):
            pair = int(states[walk, t]), int(keys[walk, t])
            if not (once and pair in seen):
                table[pair] += weights[t]
            seen.add(pair)
        last = int(states[walk, -1])
        if of_all or last >= absorbing:
            table[last, eos] += tail
    return table / num_walks


def tail_forgotten(states, keys, gamma, absorbing, num_states, num_keys, eos):
    """Your table ends with the last key. After ⏎ the clock runs on: where is she, and what does she press, for ever?"""
    return _counted(states, keys, gamma, absorbing, num_states, num_keys, eos, tail=0.0)


def tail_of_cut_walks_too(states, keys, gamma, absorbing, num_states, num_keys, eos):
    """You give a tail to walks that were cut off as well. Nobody knows how they went on: which walks have reached a
    terminal state?"""
    return _counted(states, keys, gamma, absorbing, num_states, num_keys, eos, of_all=True)


def tail_a_step_late(states, keys, gamma, absorbing, num_states, num_keys, eos):
    """Your tail begins a key too late. There are T keys, numbered from 0: what does the first one after them weigh?"""
    late = gamma ** (keys.shape[1] + 1) / (1 - gamma)
    return _counted(states, keys, gamma, absorbing, num_states, num_keys, eos, tail=late)


def tail_a_step_early(states, keys, gamma, absorbing, num_states, num_keys, eos):
    """Your tail begins a key too early. There are T keys, numbered from 0: which number has the first one after
    them?"""
    early = gamma ** (keys.shape[1] - 1) / (1 - gamma)
    return _counted(states, keys, gamma, absorbing, num_states, num_keys, eos, tail=early)


def tail_from_time_0(states, keys, gamma, absorbing, num_states, num_keys, eos):
    """Your tail is 1/(1-γ), the sum of *all* weights. She has pressed T keys before it begins: what does its first key
    weigh?"""
    return _counted(states, keys, gamma, absorbing, num_states, num_keys, eos, tail=1 / (1 - gamma))


def tail_counted_twice(states, keys, gamma, absorbing, num_states, num_keys, eos):
    """You count from the time of arrival for ever, and the keys up to T once more. Which of the ⏎ at a terminal state
    are in your table already?"""
    table = _counted(states, keys, gamma, absorbing, num_states, num_keys, eos, tail=0.0)
    for walk in states[states[:, -1] >= absorbing]:
        arrival = int(np.argmax(walk >= absorbing))
        table[walk[-1], eos] += gamma**arrival / (1 - gamma) / len(keys)
    return table


def tails_at_one_state(states, keys, gamma, absorbing, num_states, num_keys, eos):
    """All your tails are at the state with the number `absorbing`. There may be more terminal states behind it: at
    which one does a walk stay?"""
    table = _counted(states, keys, gamma, absorbing, num_states, num_keys, eos, tail=0.0)
    done = (states[:, -1] >= absorbing).mean()
    table[absorbing, eos] += done * gamma ** keys.shape[1] / (1 - gamma)
    return table


def nothing_at_terminal_states(states, keys, gamma, absorbing, num_states, num_keys, eos):
    """At terminal states your table is empty. She is there for most of the time, and presses a key: does the sum leave
    it out?"""
    table = _counted(states, keys, gamma, absorbing, num_states, num_keys, eos)
    table[absorbing:] = 0
    return table


def text_after_the_key(states, keys, gamma, absorbing, num_states, num_keys, eos):
    """You count each key at the text to which it led. At which text was it pressed: is that column t of `states`, or
    t+1?"""
    moved = np.append(states[:, 1:], states[:, -1:], axis=1)
    return _counted(moved, keys, gamma, absorbing, num_states, num_keys, eos)


def tail_is_one_step(states, keys, gamma, absorbing, num_states, num_keys, eos):
    """Your tail is a single key. She stays for ever: what is γ^T + γ^(T+1) + …?"""
    return _counted(states, keys, gamma, absorbing, num_states, num_keys, eos, tail=gamma ** keys.shape[1])


def not_discounted_at_all(states, keys, gamma, absorbing, num_states, num_keys, eos):
    """Every key counts alike in your table. What does key number t weigh?"""
    return _counted(states, keys, gamma, absorbing, num_states, num_keys, eos, weights=np.ones(keys.shape[1]))


def discounted_once_too_often(returned, states, keys, gamma, absorbing, num_states, num_keys, eos):
    """Your first key weighs γ. Which power of γ belongs to the key with number 0?"""
    right = _counted(states, keys, gamma, absorbing, num_states, num_keys, eos)
    tails = _counted(states, keys, gamma, absorbing, num_states, num_keys, eos, weights=0 * keys[0])
    return any(np.allclose(returned, way, atol=1e-6) for way in (gamma * right, gamma * (right - tails) + tails))


def sums_instead_of_means(states, keys, gamma, absorbing, num_states, num_keys, eos):
    """Your table grows with the number of walks. A mean over walks was wanted."""
    return keys.shape[0] * _counted(states, keys, gamma, absorbing, num_states, num_keys, eos)


def shares_instead_of_visits(states, keys, gamma, absorbing, num_states, num_keys, eos):
    """Your table sums to 1 for finished walks: it is an occupancy. Visits were wanted: which factor is between them?"""
    return (1 - gamma) * _counted(states, keys, gamma, absorbing, num_states, num_keys, eos)


def repeated_visits_lost(states, keys, gamma, absorbing, num_states, num_keys, eos):
    """A pair that comes twice in a walk counts once in your table. With numpy, `table[s, a] += …` adds once, however
    often a pair is listed: which function adds each time?"""
    return _counted(states, keys, gamma, absorbing, num_states, num_keys, eos, once=True)


def _missing(returned, states, keys, gamma, absorbing, num_states, num_keys, eos):
    """What is missing in the table, and what the tails are in it."""
    walks = states, keys, gamma, absorbing, num_states, num_keys, eos
    return _counted(*walks) - returned, _counted(*walks, weights=0 * keys[0])


def last_one_wins(returned, states, keys, gamma, absorbing, num_states, num_keys, eos):
    """Where several walks meet at a pair only one of them counts in your table. `table[s, a] += …` with lists of s and
    a adds once for each pair: which function adds each time?"""
    done, time = states[:, -1] >= absorbing, keys.shape[1]
    tails = states[done, -1], eos
    at_once, by_time = np.zeros((2, num_states, num_keys))
    at_once[states[:, :-1], keys] += np.broadcast_to(gamma ** np.arange(time), keys.shape)
    for t in range(time):
        by_time[states[:, t], keys[:, t]] += gamma**t
    for way in (at_once, by_time):
        each_tail = way.copy()
        np.add.at(each_tail, tails, gamma**time / (1 - gamma))
        way[tails] += gamma**time / (1 - gamma)
        if any(np.allclose(returned, one / len(keys), atol=1e-6) for one in (way, each_tail)):
            return True
    return False


def some_tails_forgotten(returned, states, keys, gamma, absorbing, num_states, num_keys, eos):
    """Some walks are done and have no tail in your table. `absorbing` is the number of the first terminal state, and
    those behind it are terminal, too: for which of these numbers is your condition true?"""
    missing, tails = _missing(returned, states, keys, gamma, absorbing, num_states, num_keys, eos)
    return bool(np.all(np.isclose(missing, 0, atol=1e-6) | np.isclose(missing, tails, atol=1e-6)))


def tail_at_another_key(returned, states, keys, gamma, absorbing, num_states, num_keys, eos):
    """At terminal states you have the right numbers at a wrong key. Which argument says what she presses there for
    ever?"""
    missing, _ = _missing(returned, states, keys, gamma, absorbing, num_states, num_keys, eos)
    return bool(np.allclose(missing[:absorbing], 0, atol=1e-6) and np.allclose(missing.sum(axis=1), 0, atol=1e-5))


def tail_cut_off(returned, states, keys, gamma, absorbing, num_states, num_keys, eos):
    """Your tail stops after so many keys, and with a γ near 1 much is left then. A geometric series has a sum."""
    missing, tails = _missing(returned, states, keys, gamma, absorbing, num_states, num_keys, eos)
    return bool(np.all(missing > -1e-6) and np.all(missing < gamma * tails + 1e-6))


def tail_at_the_last_text(states, keys, gamma, absorbing, num_states, num_keys, eos):
    """Your tail is at the text where she pressed ⏎. Where does ⏎ lead, and where does she stay?"""
    table = _counted(states, keys, gamma, absorbing, num_states, num_keys, eos, tail=0.0)
    for walk in states:
        if walk[-1] >= absorbing:
            left = walk[walk < absorbing][-1]
            table[left, eos] += gamma ** keys.shape[1] / (1 - gamma) / len(keys)
    return table


@exercise(
    "S4.2",
    draw=_some_walks,
    inputs="random batches of walks",
    mistakes=[
        tail_forgotten,
        tail_of_cut_walks_too,
        tail_a_step_late,
        tail_a_step_early,
        tail_from_time_0,
        tail_counted_twice,
        tail_is_one_step,
        tails_at_one_state,
        nothing_at_terminal_states,
        text_after_the_key,
        not_discounted_at_all,
        sums_instead_of_means,
        shares_instead_of_visits,
        repeated_visits_lost,
        tail_at_the_last_text,
    ],
    signs=[discounted_once_too_often, last_one_wins, some_tails_forgotten, tail_at_another_key],
    guesses=[tail_cut_off],
)
def visits_of_walks(states, keys, gamma, absorbing, num_states, num_keys, eos):
    """The mean over walks of Σ γ^t 1[s, a], and γ^T/(1-γ) at the terminal state of those that are done."""
    return _counted(states, keys, gamma, absorbing, num_states, num_keys, eos)


# -- S4.3 --------------------------------------------------------------------------------------------------------


def _objective_at(rng: np.random.Generator) -> dict[str, Any]:
    """Any process, with illegal keys whose logits mean nothing, visits with zeros, and no fine now and then."""
    states, keys = int(rng.integers(1, 6)), int(rng.integers(1, 5))
    legal = rng.random((states, keys)) < rng.choice([0.6, 1.0])
    legal[np.arange(states), rng.integers(keys, size=states)] = True
    leads = rng.exponential(size=(states, keys, states)) * (rng.random((states, keys, states)) < 0.6)
    leads[..., 0] += 1e-3
    leads = leads / leads.sum(axis=2, keepdims=True) * legal[..., None]
    visits = rng.exponential(size=(2, states, keys)) * (rng.random((2, states, keys)) < 0.6) * legal
    return {
        "logits": rng.normal(scale=2, size=(states, keys)) - float(rng.choice([0, 40], p=[0.8, 0.2])),
        "legal": legal,
        "leads": leads,
        "data": visits[0],
        "model": visits[1],
        "c": 0.0 if rng.random() < 0.15 else float(rng.uniform(0.02, 0.5)),
        "gamma": 0.0 if rng.random() < 0.08 else float(rng.uniform(0.3, 0.99)),
    }


def _slope(
    logits,
    legal,
    leads,
    data,
    model,
    c,
    gamma,
    start=1.0,
    arrives=None,
    what=None,
    to="n",
    square=2.0,
    fined=(1.0, 1.0),
    everything=False,
    value=None,
    ahead=1.0,
    share=None,
) -> np.ndarray:
    """w - π(a|s) (1[s = s₀] + γ Σ w P), with w = D(1 - 2cr) - 2cM r; the options are mistakes."""
    values, policy = _soft_maximum(logits, np.ones_like(legal) if everything else legal)
    values = values if value is None else value
    policy = policy if share is None else share
    reward = np.where(legal, logits - ahead * gamma * leads @ values, 0.0)
    weight = data - square * c * (fined[0] * data + fined[1] * model) * reward
    came = (gamma if arrives is None else arrives) * np.einsum(f"sa,san->{to}", weight if what is None else what, leads)
    came[0] += start
    return np.where(legal, weight - policy * came[:, None], 0.0)


def start_not_taken_away(logits, legal, leads, data, model, c, gamma):
    """You forget -V(s₀). Of which logits is it a function?"""
    return _slope(logits, legal, leads, data, model, c, gamma, start=0.0)


def values_ahead_as_numbers(logits, legal, leads, data, model, c, gamma):
    """You treat the values ahead in r as fixed numbers. They are made of logits, too: through which texts does r(s,a)
    depend on the logits of another text?"""
    return _slope(logits, legal, leads, data, model, c, gamma, arrives=0.0)


def two_forgotten(logits, legal, leads, data, model, c, gamma):
    """The derivative of your squares is half of what it should be."""
    return _slope(logits, legal, leads, data, model, c, gamma, square=1.0)


def model_not_fined(logits, legal, leads, data, model, c, gamma):
    """Your r² is fined on the data alone. What are the model's walks for?"""
    return _slope(logits, legal, leads, data, model, c, gamma, fined=(1.0, 0.0))


def data_not_fined(logits, legal, leads, data, model, c, gamma):
    """Your r² is fined on the model's walks alone. (5.7) has it twice."""
    return _slope(logits, legal, leads, data, model, c, gamma, fined=(0.0, 1.0))


def fine_becomes_a_prize(logits, legal, leads, data, model, c, gamma):
    """Your r² has the wrong sign: large rewards are welcome. Is c r² added or taken away?"""
    return _slope(logits, legal, leads, data, model, -c, gamma)


def downhill(logits, legal, leads, data, model, c, gamma):
    """Your gradient points down. It is that of the loss; the objective is to be made large."""
    return -_slope(logits, legal, leads, data, model, c, gamma)


def illegal_keys_in_the_sum(logits, legal, leads, data, model, c, gamma):
    """Illegal keys take part in your V. Which keys does the sum in (5.2) go over?"""
    return _slope(logits, legal, leads, data, model, c, gamma, everything=True)


def likelihood_only(logits, legal, leads, data, model, c, gamma):
    """This is the gradient of the likelihood: what is pressed, less what she would press at the same texts. In (5.7)
    something is tied to what comes *after*: what is dr/dℓ?"""
    _, policy = _soft_maximum(logits, legal)
    return np.where(legal, data - policy * data.sum(axis=1, keepdims=True), 0.0)


def arrivals_not_discounted(logits, legal, leads, data, model, c, gamma):
    """In your arrivals a γ is missing. By how much does r change if V of the text ahead grows by 1?"""
    return _slope(logits, legal, leads, data, model, c, gamma, arrives=1.0)


def arrivals_added(logits, legal, leads, data, model, c, gamma):
    """Your arrivals have the wrong sign. If V of a text grows, do the rewards of the keys that lead there grow?"""
    return _slope(logits, legal, leads, data, model, c, gamma, arrives=-gamma)


def values_added(logits, legal, leads, data, model, c, gamma):
    """Your w is right. What depends on the logit through a V you add: if a V grows, does Ĵ grow or fall?"""
    _, policy = _soft_maximum(logits, legal)
    return _slope(logits, legal, leads, data, model, c, gamma, share=-policy)


def departures_counted(logits, legal, leads, data, model, c, gamma):
    """You add up what *leaves* each text. V(n) stands in the rewards of the keys that lead to n: over which of the
    three axes of `leads` does the sum not go?"""
    return _slope(logits, legal, leads, data, model, c, gamma, to="s")


def data_arrives(logits, legal, leads, data, model, c, gamma):
    """The visits of the data arrive in your answer. (S4.2) is not linear in r: by how much does Ĵ fall if a reward
    falls?"""
    return _slope(logits, legal, leads, data, model, c, gamma, what=data)


def largest_logit_as_value(logits, legal, leads, data, model, c, gamma):
    """Your V in the rewards is the largest logit. By (5.2), what do the other keys add?"""
    largest = np.where(legal, logits, -np.inf).max(axis=1)
    return _slope(logits, legal, leads, data, model, c, gamma, value=largest)


def start_of_an_average(logits, legal, leads, data, model, c, gamma):
    """You take (1-γ) V(s₀) away, as J does. That is an average over the time; what stands at the end of (S4.2), which
    has visits?"""
    return _slope(logits, legal, leads, data, model, c, gamma, start=1 - gamma)


def whole_push_for_each_key(logits, legal, leads, data, model, c, gamma):
    """You take all that arrives at a text away from each of its keys. If one logit grows by a little, V grows by a part
    of it: by which?"""
    return _slope(logits, legal, leads, data, model, c, gamma, share=legal.astype(float))


def logits_for_rewards(logits, legal, leads, data, model, c, gamma):
    """The reward in your squares is the logit alone. What is taken away from it, to leave r(s,a)?"""
    return _slope(logits, legal, leads, data, model, c, gamma, ahead=0.0)


def start_is_everywhere(logits, legal, leads, data, model, c, gamma):
    """You take V away at every text. In (5.7) there is one V(s₀): where does she begin?"""
    _, policy = _soft_maximum(logits, legal)
    elsewhere = np.arange(len(logits)) > 0
    right = _slope(logits, legal, leads, data, model, c, gamma)
    return np.where(legal, right - policy * elsewhere[:, None], 0.0)


@exercise(
    "S4.3",
    draw=_objective_at,
    inputs="random processes",
    mistakes=[
        start_not_taken_away,
        values_ahead_as_numbers,
        two_forgotten,
        model_not_fined,
        data_not_fined,
        fine_becomes_a_prize,
        downhill,
        illegal_keys_in_the_sum,
        likelihood_only,
        arrivals_not_discounted,
        arrivals_added,
        values_added,
        departures_counted,
        data_arrives,
        largest_logit_as_value,
        start_of_an_average,
        whole_push_for_each_key,
        logits_for_rewards,
        start_is_everywhere,
    ],
)
def gradient_in_logits(logits, legal, leads, data, model, c, gamma):
    """w(s,a) - π(a|s) (1[s = s₀] + γ Σ w P(s|·)), with w = D - 2c(D + M) r."""
    return _slope(logits, legal, leads, data, model, c, gamma)


# -- S4.4 --------------------------------------------------------------------------------------------------------


def _network(rng: np.random.Generator) -> dict[str, Any]:
    """Networks of all widths from 1 on, one text or several, now and then one of zeros; tanh in its middle, at its
    ends, and far out; gradients of a larger scale now and then."""
    rows, features, width, keys = (int(n) for n in rng.integers(1, 5, size=4))
    scale = float(rng.choice([0.3, 1.0, 4.0])) if rng.random() < 0.85 else 1000.0
    weights = {
        "W1": rng.normal(scale=scale, size=(features, width)),
        "b1": rng.normal(size=width),
        "W2": rng.normal(size=(width, keys)),
        "b2": rng.normal(size=keys),
    }
    inputs = rng.normal(size=(rows, features))
    if rng.random() < 0.2:
        inputs[rng.integers(rows)] = 0
    return {
        "inputs": inputs,
        "gradient": rng.normal(scale=30.0 if rng.random() < 0.15 else 1.0, size=(rows, keys)),
        "weights": weights,
    }


def _backwards(inputs, gradient, weights, bend=None, hidden_of=np.tanh) -> dict[str, np.ndarray]:
    before = inputs @ weights["W1"] + weights["b1"]
    hidden = np.tanh(before)
    inner = (gradient @ weights["W2"].T) * (1 - hidden**2 if bend is None else bend(before, hidden))
    return {
        "W1": inputs.T @ inner,
        "b1": inner.sum(axis=0),
        "W2": hidden_of(before).T @ gradient,
        "b2": gradient.sum(0),
    }


def bend_forgotten(inputs, gradient, weights):
    """You go through tanh as if it were not there. How steep is it where the hidden number stands?"""
    return _backwards(inputs, gradient, weights, bend=lambda before, hidden: 1.0)


def bend_without_a_square(inputs, gradient, weights):
    """Your slope of tanh is 1 - h. Differentiate tanh once more: what is missing?"""
    return _backwards(inputs, gradient, weights, bend=lambda before, hidden: 1 - hidden)


def bend_of_the_sigmoid(inputs, gradient, weights):
    """h(1 - h) is the slope of another function. Which one is in this network?"""
    return _backwards(inputs, gradient, weights, bend=lambda before, hidden: hidden * (1 - hidden))


def bend_of_what_went_in(inputs, gradient, weights):
    """Your slope of tanh is computed from what went *into* it. In 1 - h², what is h?"""
    return _backwards(inputs, gradient, weights, bend=lambda before, hidden: 1 - before**2)


def bend_twice(inputs, gradient, weights):
    """You apply tanh twice before you take its slope. Is h what comes out of tanh once?"""
    return _backwards(inputs, gradient, weights, bend=lambda before, hidden: 1 - np.tanh(hidden) ** 2)


def bend_of_relu(inputs, gradient, weights):
    """You let through what is positive and nothing else: that is the slope of another function. Which one is in this
    network?"""
    return _backwards(inputs, gradient, weights, bend=lambda before, hidden: hidden > 0)


def second_layer_fed_with_the_wrong_thing(inputs, gradient, weights):
    """For W2 you use what went into tanh. What does W2 multiply?"""
    return _backwards(inputs, gradient, weights, hidden_of=lambda before: before)


def hidden_without_its_bias(inputs, gradient, weights):
    """Your hidden numbers are made without b1. What goes into tanh by (S4.4)?"""
    return _backwards(inputs, gradient, weights | {"b1": np.zeros_like(weights["b1"])})


def mean_over_texts(inputs, gradient, weights):
    """You take means over the texts. J is one number, and each text has a part in it: are the parts added up or
    averaged?"""
    return {name: value / len(inputs) for name, value in _backwards(inputs, gradient, weights).items()}


def mean_in_the_biases(inputs, gradient, weights):
    """In the biases you take a mean over the texts. Every text adds its part, as in W1 and W2."""
    right = _backwards(inputs, gradient, weights)
    return right | {name: right[name] / len(inputs) for name in ("b1", "b2")}


def inner_bias_not_bent(inputs, gradient, weights):
    """W1 is right. b1 goes through the same tanh: what must be done to its part, too?"""
    right = _backwards(inputs, gradient, weights)
    return right | {"b1": (gradient @ weights["W2"].T).sum(axis=0)}


def downwards(inputs, gradient, weights):
    """Your signs are those of a step *down*. dJ/dW was wanted, with the sign that it has."""
    return {name: -value for name, value in _backwards(inputs, gradient, weights).items()}


def stepped(inputs, gradient, weights):
    """You return weights that have made a step. The derivatives alone were wanted."""
    return {name: weights[name] + value for name, value in _backwards(inputs, gradient, weights).items()}


@exercise(
    "S4.4",
    draw=_network,
    inputs="random networks",
    mistakes=[
        bend_forgotten,
        bend_without_a_square,
        bend_of_the_sigmoid,
        bend_of_what_went_in,
        bend_twice,
        bend_of_relu,
        second_layer_fed_with_the_wrong_thing,
        hidden_without_its_bias,
        mean_over_texts,
        mean_in_the_biases,
        inner_bias_not_bent,
        downwards,
        stepped,
    ],
)
def back_through_the_network(inputs, gradient, weights):
    """dJ/dW of logits = tanh(inputs W1 + b1) W2 + b2."""
    return _backwards(inputs, gradient, weights)


# -- S4.5 --------------------------------------------------------------------------------------------------------


def _moving(rng: np.random.Generator) -> dict[str, Any]:
    """Chains with loops that nobody leaves, terminal states, states from which the data cannot be reached, slow ones,
    and unlikely ways; all on the data, or none."""
    size = int(rng.integers(1, 9))
    moves = rng.exponential(size=(size, size)) * (rng.random((size, size)) < rng.uniform(0.15, 0.7))
    empty = moves.sum(axis=1) == 0
    moves[empty] = np.eye(size)[rng.integers(size, size=int(empty.sum()))]
    ends = rng.random(size) < 0.2
    moves[ends] = np.eye(size)[ends]
    if size > 2 and rng.random() < 0.35:  # two that lead to each other alone
        two = rng.choice(size, size=2, replace=False)
        moves[two] = 0
        moves[np.ix_(two, two)] = rng.exponential(size=(2, 2)) if rng.random() < 0.5 else [[0, 1], [1, 0]]
    if size > 1 and rng.random() < 0.4:
        moves[:, rng.integers(size)] *= rng.uniform(1e-4, 3e-4)
    moves /= moves.sum(axis=1, keepdims=True)
    if rng.random() < 0.3:  # she hesitates
        moves = 0.99 * np.eye(size) + 0.01 * moves
    return {"moves": moves, "on_data": rng.random(size) < rng.choice([0.3, 0.3, 0.3, 0.0, 1.0])}


def _reached(moves: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """From where the goal can be reached at all."""
    can = np.asarray(goal, dtype=bool).copy()
    for _ in range(len(moves)):
        can |= (moves[:, can] > 0).any(axis=1)
    return can


def _returning(moves, on_data, gamma=1.0) -> np.ndarray:
    """The smallest solution of h = 1 on the data, h = γ P h off it."""
    on = np.asarray(on_data, dtype=bool)
    chance = on.astype(float)
    open_ = _reached(moves, on) & ~on
    if open_.any():
        inside = np.eye(int(open_.sum())) - gamma * moves[np.ix_(open_, open_)]
        chance[open_] = np.linalg.solve(inside, gamma * moves[np.ix_(open_, on)].sum(axis=1))
    return chance


def one_key_only(moves, on_data):
    """You look one key ahead. She may come back later, by way of other texts off the data: how do you count these?"""
    on = np.asarray(on_data, dtype=bool)
    return np.where(on, 1.0, moves[:, on].sum(axis=1))


def on_the_data_now(moves, on_data):
    """You say who is on the data now. Those who are lost may come back: how likely is it?"""
    return np.asarray(on_data, dtype=float)


def discounted_on_the_way(moves, on_data):
    """A return that takes long counts less in your answer. The text asks whether she comes back *at all*."""
    return _returning(moves, on_data, gamma=0.9)


def discounted_lightly(moves, on_data):
    """You use a discount of 0.99 to keep the system solvable, and slow returns are lost by it. Which states make it
    unsolvable, and what is the answer there?"""
    return _returning(moves, on_data, gamma=0.99)


def nobody_on_the_data(moves, on_data):
    """Where she stands on the data you return something else than 1. She is there now."""
    on = np.asarray(on_data, dtype=bool)
    return np.where(on, 0.0, _returning(moves, on_data))


def next_return_instead(moves, on_data):
    """On the data you return the chance to be there *again*. She is there now: what did the text settle on?"""
    right = _returning(moves, on_data)
    return moves @ right


def moves_read_backwards(moves, on_data):
    """You read the table by columns. In which direction does `moves[s, n]` go?"""
    on = np.asarray(on_data, dtype=bool)
    chance = on.astype(float)
    for _ in range(300):
        chance = np.where(on, 1.0, np.minimum(moves.T @ chance, 1.0))
    return chance


def whether_there_is_a_way(moves, on_data):
    """You say whether there is a way back. How likely is it that she takes it?"""
    return _reached(moves, np.asarray(on_data, dtype=bool)).astype(float)


def chance_of_getting_lost(moves, on_data):
    """You return the chance that she never comes back."""
    return 1 - _returning(moves, on_data)


def returns_counted(moves, on_data):
    """You count *how often* she is on the data, so some chances are above 1. Once is enough: what may be done with a
    text of the data to stop the count?"""
    on = np.asarray(on_data, dtype=bool)
    here, total = np.eye(len(on)), np.zeros(len(on))
    for _ in range(60):
        total = total + here[:, on].sum(axis=1)
        here = here @ moves
    return total


def data_left_on_the_way(returned, moves, on_data):
    """At the end you write 1 for the texts of the data, and on the way she has left them again: who came back is lost
    once more. What may be done with a text of the data from the first key on?"""
    on = np.asarray(on_data, dtype=bool)
    if np.any(returned[on] < 1 - 1e-6):
        return False
    later = np.where(on, 1.0, np.linalg.matrix_power(moves, 2**14) @ on)
    lost = (later > 1e-3) & (later < _returning(moves, on_data) - 1e-3)
    return True if lost.any() and np.allclose(returned, later, atol=1e-6) else None  # some chains never settle


def too_few_keys(returned, moves, on_data):
    """Who comes back late is lost in your answer, by a discount, or because you stop after so many keys. Some of these
    chains are slow: is there a way without either?"""
    right = _returning(moves, on_data)
    return bool(
        np.all((returned >= -1e-9) & (returned <= right + 1e-6))
        and np.all(returned[np.asarray(on_data, dtype=bool)] == 1)
        and np.all(returned[right > 0] > 0)
        and np.all(returned <= np.where(on_data, 1.0, moves @ returned) + 1e-6)
    )


def never_though_there_is_a_way(returned, moves, on_data):
    """From some states you return 0 though there is a way to the data, a long one, an unlikely one, or one beside a way
    into nowhere. From which states is there none at all?"""
    right = _returning(moves, on_data)
    back = returned[np.asarray(on_data, dtype=bool)] == 1
    return bool(np.all(back) and np.any((np.abs(returned) < 1e-12) & (right > 1e-5)))


def something_where_there_is_no_way(returned, moves, on_data):
    """From some states there is no way to the data, and you return something else than 0 there. The equations have many
    solutions then: which of them is the chance?"""
    return bool(np.any(np.abs(returned[~_reached(moves, on_data)]) > 1e-6))


def data_left_again(returned, moves, on_data):
    """Your numbers say where she is in the long run: she has left the data again. Who was there once has come back:
    what may be done with a text of the data?"""
    left = np.any(returned[np.asarray(on_data, dtype=bool)] < 1 - 1e-6)
    settled = np.abs(moves @ returned - returned).max() < 1e-6 and np.ptp(returned) > 1e-6
    return True if left and settled else None  # some chains never settle


def above_one(returned, moves, on_data):
    """Some of your chances are above 1. Do you count how often or how long, or do you read the table by columns?
    `moves[s, n]` leads from s to n."""
    return True if np.any(returned > 1 + 1e-6) else None


@exercise(
    "S4.5",
    draw=_moving,
    inputs="random chains",
    mistakes=[
        one_key_only,
        on_the_data_now,
        discounted_on_the_way,
        discounted_lightly,
        nobody_on_the_data,
        next_return_instead,
        moves_read_backwards,
        whether_there_is_a_way,
        chance_of_getting_lost,
        returns_counted,
    ],
    signs=[data_left_on_the_way, never_though_there_is_a_way, something_where_there_is_no_way, above_one],
    guesses=[too_few_keys, data_left_again],
)
def comes_back(moves, on_data):
    """The smallest h with h = 1 on the data and h = P h off it."""
    return _returning(moves, on_data)
