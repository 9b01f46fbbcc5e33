"""The exercises of notebooks/05_objective_on_logits.ipynb."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import log_softmax, logsumexp

from smatch_edu.checks.exercise import exercise


def _discounted(summands, gamma, late=0):
    """Σ γ^(i + late) summands[i]."""
    return float(np.sum(gamma ** (np.arange(len(summands)) + late) * summands))


def _gamma(rng: np.random.Generator) -> float:
    """A discount; now and then one as close to 1 as training takes it, where a thousand steps are not yet all."""
    return float(rng.uniform(0.99, 0.999) if rng.random() < 0.1 else rng.uniform(0.5, 0.95))


def _rewards(rng: np.random.Generator, mean: float) -> np.ndarray:
    """Of a text of one to seven steps; now and then one is nothing."""
    rewards = rng.normal(mean, 1.5, size=rng.integers(1, 8))
    return np.where(rng.random(len(rewards)) < 0.1, 0.0, rewards)


# -- 5.1 ---------------------------------------------------------------------------------------------------------


def _values(rng: np.random.Generator) -> dict[str, Any]:
    """Few of them, now and then many."""
    count = rng.integers(1, 9) if rng.random() < 0.8 else rng.integers(100, 300)
    return {"values": rng.normal(2.0, 3.0, size=count), "gamma": _gamma(rng)}


def _steps(values, gamma):
    return gamma ** np.arange(len(values) - 1) * (values[:-1] - gamma * values[1:])


def _last(values, gamma):
    return gamma ** (len(values) - 1) * values[-1]


def against_the_arrow(values, gamma):
    """Your steps have the opposite sign: what you add with one step you never take away with the next, and the sum does
    not collapse. Which of the two values is given, and which is taken?"""
    return np.append(-_steps(values, gamma), _last(values, gamma))


def values_swapped(values, gamma):
    """The factor γ belongs to the state that lies one step ahead. Which of your two values is that?"""
    steps = gamma ** np.arange(len(values) - 1) * (values[1:] - gamma * values[:-1])
    return np.append(steps, _last(values, gamma))


def steps_add(values, gamma):
    """Both values of a step come with a plus in your answer, so nothing can cancel. What has to be taken away?"""
    steps = gamma ** np.arange(len(values) - 1) * (values[:-1] + gamma * values[1:])
    return np.append(steps, _last(values, gamma))


def no_discount_inside(values, gamma):
    """Inside your brackets the next value weighs as much as this one. It comes one step later: what does a step
    cost?"""
    return np.append(gamma ** np.arange(len(values) - 1) * (values[:-1] - values[1:]), _last(values, gamma))


def no_discount_outside(values, gamma):
    """Inside the brackets you discount, but the brackets themselves weigh the same at every step. What does step i
    weigh?"""
    return np.append(values[:-1] - gamma * values[1:], _last(values, gamma))


def clock_one_late(values, gamma):
    """All your summands are too small by one and the same factor. At which time does she stand at the first state?"""
    return gamma * telescope.oracle(values, gamma)


def last_not_discounted(values, gamma):
    """Your steps are right. The last state is reached late, and you count it as if she stood there at once."""
    return np.append(_steps(values, gamma), values[-1])


def last_one_late(values, gamma):
    """Your steps are right, and the last summand is discounted once too often. How many keys were pressed before the
    last state?"""
    return np.append(_steps(values, gamma), gamma * _last(values, gamma))


def last_is_zero(values, gamma):
    """Your last summand is zero, as if nothing were left once the text is finished. What is the last state worth, and
    when?"""
    return np.append(_steps(values, gamma), 0.0)


def last_subtracted(values, gamma):
    """You take the last summand away. Try a text of no step at all: what must the sum be then?"""
    return np.append(_steps(values, gamma), -_last(values, gamma))


def running_sums(values, gamma):
    """You return the running sums. The summands themselves are wanted; adding them up comes later."""
    return np.cumsum(telescope.oracle(values, gamma))


def values_not_subtracted(values, gamma):
    """Your summands are the discounted values, and nothing is taken away from any of them. What lets such a sum
    collapse?"""
    return gamma ** np.arange(len(values)) * values


def gamma_on_the_value_here(values, gamma):
    """You shrink the value that she has already. Which of the two does she still have to wait for?"""
    steps = gamma ** np.arange(len(values) - 1) * (gamma * values[:-1] - values[1:])
    return np.append(steps, _last(values, gamma))


def value_behind(values, gamma):
    """Your steps take away the value of the state that she comes from. A step from s_i leads the other way: to
    where?"""
    return gamma ** np.arange(len(values)) * (values - gamma * np.append(0, values[:-1]))


def weights_left_out(values, gamma):
    """Not one of your summands is weighed by its time, the last one neither. How late does each of them come?"""
    return np.append(values[:-1] - gamma * values[1:], values[-1])


def product_for_power(values, gamma):
    """Your first weight is 0, and then they grow: γ, 2γ, 3γ. Every key costs one more factor γ: what is that called in
    numpy?"""
    return gamma * np.arange(len(values)) * (values - gamma * np.append(values[1:], 0))


def first_value_ahead_of_the_last(values, gamma):
    """In your last summand stands V of the first state again: a rolled array bites its own tail. Is there a step after
    the last value?"""
    return gamma ** np.arange(len(values)) * (values - gamma * np.roll(values, -1))


def last_stays_one_step(values, gamma):
    """Your steps are right, and your last summand is one more step, from s_N to s_N. She stays for ever: what do all
    those steps add up to?"""
    return np.append(_steps(values, gamma), (1 - gamma) * _last(values, gamma))


def last_summed_for_ever(values, gamma):
    """Your steps are right. The last summand adds up V of the last state over all the time that is left, but does a
    value not hold all that time already?"""
    return np.append(_steps(values, gamma), _last(values, gamma) / (1 - gamma))


@exercise(
    "5.1",
    draw=_values,
    inputs="random trajectories",
    mistakes=[
        against_the_arrow,
        values_swapped,
        steps_add,
        no_discount_inside,
        no_discount_outside,
        clock_one_late,
        last_not_discounted,
        last_one_late,
        last_is_zero,
        last_subtracted,
        running_sums,
        values_not_subtracted,
        gamma_on_the_value_here,
        value_behind,
        weights_left_out,
        product_for_power,
        first_value_ahead_of_the_last,
        last_stays_one_step,
        last_summed_for_ever,
    ],
)
def telescope(values, gamma):
    """γ^i (V_i - γ V_{i+1}) for i < N, and γ^N V_N."""
    return np.append(_steps(values, gamma), _last(values, gamma))


# -- 5.2 ---------------------------------------------------------------------------------------------------------


def _finished_text(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "rewards": _rewards(rng, 0.5),
        "absorbing_value": float(rng.normal(0.0, 4.0)),
        "gamma": _gamma(rng),
        "alpha": float(rng.uniform(0.1, 2.0)),
    }


def _chi2(rewards, alpha):
    return rewards - alpha / 4 * rewards**2


def _with_tail(rewards, absorbing_value, gamma, function):
    """Σ_{i<N} γ^i f(r_i) + γ^N/(1-γ) f((1-γ) V_abs)."""
    tail = gamma ** len(rewards) / (1 - gamma)
    return _discounted(function(rewards), gamma) + tail * function((1 - gamma) * absorbing_value)


def _time_runs_long(gamma) -> bool | None:
    """Whether a tail that is cut off is missed; where γ is no more than 0.97 that depends on how long it is."""
    if gamma > 0.97:
        return True
    return None if gamma > 0.85 else False


def tail_left_out(rewards, absorbing_value, gamma, alpha):
    """Your sum stops at ⏎ and never uses V of the absorbing state. The clock runs on: what does she earn from then
    on?"""
    return _discounted(_chi2(rewards, alpha), gamma)


def tail_counted_once(rewards, absorbing_value, gamma, alpha):
    """You count the absorbing state at one step only. She stays there for ever: what do all the weights from N on sum
    to?"""
    once = gamma ** len(rewards) * _chi2((1 - gamma) * absorbing_value, alpha)
    return _discounted(_chi2(rewards, alpha), gamma) + once


def value_taken_for_reward(rewards, absorbing_value, gamma, alpha):
    """In your tail she earns the whole value at every step. A value is what all steps together are worth: what does one
    step there earn?"""
    tail = gamma ** len(rewards) / (1 - gamma) * _chi2(absorbing_value, alpha)
    return _discounted(_chi2(rewards, alpha), gamma) + tail


def tail_one_late(rewards, absorbing_value, gamma, alpha):
    """Your tail begins one step too late. The keys are steps 0 to N-1: at which step does she first stand in the
    absorbing state?"""
    tail = gamma ** (len(rewards) + 1) / (1 - gamma) * _chi2((1 - gamma) * absorbing_value, alpha)
    return _discounted(_chi2(rewards, alpha), gamma) + tail


def tail_without_penalty(rewards, absorbing_value, gamma, alpha):
    """The rewards before ⏎ go through φ in your answer, those after it do not. Is a reward in the tail any different
    from the others?"""
    return _discounted(_chi2(rewards, alpha), gamma) + gamma ** len(rewards) * absorbing_value


def discount_forgotten(rewards, absorbing_value, gamma, alpha):
    """Your tail is right, but before ⏎ every step weighs the same. What does the step at time i weigh?"""
    tail = gamma ** len(rewards) / (1 - gamma) * _chi2((1 - gamma) * absorbing_value, alpha)
    return float(np.sum(_chi2(rewards, alpha))) + tail


def mean_for_sum(rewards, absorbing_value, gamma, alpha):
    """You divide the steps by the length of the text, so that a step of a long text counts less than one of a short
    text. A sum is wanted."""
    tail = gamma ** len(rewards) / (1 - gamma) * _chi2((1 - gamma) * absorbing_value, alpha)
    return _discounted(_chi2(rewards, alpha), gamma) / len(rewards) + tail


def penalty_added(rewards, absorbing_value, gamma, alpha):
    """Your squares are a prize: the larger the rewards, the better, without end. With which sign does φ bend?"""
    return _with_tail(rewards, absorbing_value, gamma, lambda r: r + alpha / 4 * r**2)


def coefficient_is_alpha(rewards, absorbing_value, gamma, alpha):
    """Your penalty is too strong. Write (1/α) φ(α r) out: what stands before r²?"""
    return _with_tail(rewards, absorbing_value, gamma, lambda r: r - alpha * r**2)


def alpha_not_used(rewards, absorbing_value, gamma, alpha):
    """Your answer does not depend on α at all. φ is taken of α r, and the result divided by α: what is left of α?"""
    return _with_tail(rewards, absorbing_value, gamma, lambda r: r - r**2 / 4)


def not_squared(rewards, absorbing_value, gamma, alpha):
    """Your penalty is proportional to the reward, so it only makes φ less steep. What bends it?"""
    return _with_tail(rewards, absorbing_value, gamma, lambda r: r - alpha / 4 * r)


def normalised(rewards, absorbing_value, gamma, alpha):
    """You multiplied by 1-γ: that is J. Along trajectories we use J/(1-γ), plain discounted sums."""
    return (1 - gamma) * _with_tail(rewards, absorbing_value, gamma, lambda r: _chi2(r, alpha))


def tail_one_early(rewards, absorbing_value, gamma, alpha):
    """Your tail begins while she still presses ⏎. There are N keys, and the first is step 0: which step comes after the
    last?"""
    tail = gamma ** (len(rewards) - 1) / (1 - gamma) * _chi2((1 - gamma) * absorbing_value, alpha)
    return _discounted(_chi2(rewards, alpha), gamma) + tail


def tail_at_once(rewards, absorbing_value, gamma, alpha):
    """Your tail weighs as much as if the text had been finished at time 0. How many keys does she press before it
    begins?"""
    tail = _chi2((1 - gamma) * absorbing_value, alpha) / (1 - gamma)
    return _discounted(_chi2(rewards, alpha), gamma) + tail


def value_scored_in_one_piece(rewards, absorbing_value, gamma, alpha):
    """You put the whole V of the absorbing state through φ, once. It is earned in many small pieces, and φ sees one at
    a time: how large is a piece?"""
    return _discounted(_chi2(rewards, alpha), gamma) + gamma ** len(rewards) * _chi2(absorbing_value, alpha)


def reward_larger_than_value(rewards, absorbing_value, gamma, alpha):
    """In your tail one step earns more than V itself, and V is what all of them are worth together. Do you divide where
    you should multiply?"""
    tail = gamma ** len(rewards) / (1 - gamma) * _chi2(absorbing_value / (1 - gamma), alpha)
    return _discounted(_chi2(rewards, alpha), gamma) + tail


def absorbing_logit_is_zero(rewards, absorbing_value, gamma, alpha):
    """In your tail only the value ahead is taken away, as if the one logit there were 0. What is a logit whose soft
    value is V?"""
    tail = gamma ** len(rewards) / (1 - gamma) * _chi2(-gamma * absorbing_value, alpha)
    return _discounted(_chi2(rewards, alpha), gamma) + tail


def not_divided_by_alpha(rewards, absorbing_value, gamma, alpha):
    """You take φ of α r and leave it at that, so that with a small α nothing counts at all. What stands before φ in
    (5.1)?"""
    return alpha * _with_tail(rewards, absorbing_value, gamma, lambda r: _chi2(r, alpha))


def not_multiplied_by_alpha(rewards, absorbing_value, gamma, alpha):
    """You divide by α, but your φ is taken of r itself. What stands between its brackets in (5.1)?"""
    return _with_tail(rewards, absorbing_value, gamma, lambda r: r - r**2 / 4) / alpha


def coefficient_with_alpha_squared(rewards, absorbing_value, gamma, alpha):
    """α is squared in your penalty, as it comes out of the brackets of φ. What does the factor before φ do to it?"""
    return _with_tail(rewards, absorbing_value, gamma, lambda r: r - alpha**2 / 4 * r**2)


def coefficient_with_alpha_below(rewards, absorbing_value, gamma, alpha):
    """Your penalty grows when α shrinks. One α is divided away and two are multiplied in: how many are left, and
    where?"""
    return _with_tail(rewards, absorbing_value, gamma, lambda r: r - r**2 / (4 * alpha))


def coefficient_is_half_of_alpha(rewards, absorbing_value, gamma, alpha):
    """Your penalty is twice as strong as it should be. By what is the square divided in the φ of χ²?"""
    return _with_tail(rewards, absorbing_value, gamma, lambda r: r - alpha / 2 * r**2)


def square_left_out(rewards, absorbing_value, gamma, alpha):
    """Your score is a straight line: α has dropped out, and the critic never tires of high rewards. Which φ belongs to
    χ²?"""
    return _with_tail(rewards, absorbing_value, gamma, lambda r: r)


def square_of_the_sum(rewards, absorbing_value, gamma, alpha):
    """You add all the rewards up first and square what comes out. φ looks at one step at a time: which comes first, the
    sum or the square?"""
    total = _with_tail(rewards, absorbing_value, gamma, lambda r: r)
    return total - alpha / 4 * total**2


def discounted_before_squaring(rewards, absorbing_value, gamma, alpha):
    """Your steps are discounted before they are squared, so that γ^i is squared with them. Does φ know what time it
    is?"""
    tail = gamma ** len(rewards) / (1 - gamma) * _chi2((1 - gamma) * absorbing_value, alpha)
    return float(np.sum(_chi2(gamma ** np.arange(len(rewards)) * rewards, alpha))) + tail


def score_clipped(rewards, absorbing_value, gamma, alpha):
    """Your φ stays flat once it has reached its top, as in notebook 03. For which x does training use the
    parabola?"""
    return _with_tail(rewards, absorbing_value, gamma, lambda r: _chi2(np.minimum(r, 2 / alpha), alpha))


def tail_cut_off(returned, rewards, absorbing_value, gamma, alpha):
    """You are wrong only where γ is close to 1, and time runs long. Does what you add up after ⏎ end after a fixed
    number of steps?"""
    return _time_runs_long(gamma)


@exercise(
    "5.2",
    draw=_finished_text,
    inputs="random finished texts",
    mistakes=[
        tail_left_out,
        tail_counted_once,
        value_taken_for_reward,
        tail_one_late,
        tail_without_penalty,
        discount_forgotten,
        mean_for_sum,
        penalty_added,
        coefficient_is_alpha,
        alpha_not_used,
        not_squared,
        normalised,
        tail_one_early,
        tail_at_once,
        value_scored_in_one_piece,
        reward_larger_than_value,
        absorbing_logit_is_zero,
        not_divided_by_alpha,
        not_multiplied_by_alpha,
        coefficient_with_alpha_squared,
        coefficient_with_alpha_below,
        coefficient_is_half_of_alpha,
        square_left_out,
        square_of_the_sum,
        discounted_before_squaring,
        score_clipped,
    ],
    guesses=[tail_cut_off],
)
def data_term_with_tail(rewards, absorbing_value, gamma, alpha):
    """Σ_{i<N} γ^i (r_i - α/4 r_i²) + γ^N/(1-γ) of the same for r = (1-γ) V_abs."""
    return _with_tail(rewards, absorbing_value, gamma, lambda r: _chi2(r, alpha))


# -- 5.3 ---------------------------------------------------------------------------------------------------------


def _logits_along_a_text(rng: np.random.Generator) -> dict[str, Any]:
    """Now and then the logits lie far apart, so that what she presses is very unlikely, or there are many keys."""
    steps, actions = rng.integers(1, 7 if rng.random() < 0.8 else 100), rng.integers(2, 6)
    return {
        "logits": rng.normal(1.0, 10.0 if rng.random() < 0.15 else 2.0, size=(steps, actions)),
        "actions": rng.integers(0, actions, size=steps),
        "gamma": _gamma(rng),
    }


def _chosen(table, actions):
    return table[np.arange(len(actions)), actions]


def probabilities_not_logs(logits, actions, gamma):
    """You add up probabilities. The chance of a whole text is their product: what turns a product into a sum?"""
    return _discounted(_chosen(np.exp(log_softmax(logits, axis=1)), actions), gamma)


def logits_not_normalised(logits, actions, gamma):
    """You add up logits. Adding 5 to every logit of a state changes your number, but not what she types: what has to be
    taken off?"""
    return _discounted(_chosen(logits, actions), gamma)


def softmax_over_time(logits, actions, gamma):
    """Your probabilities sum to one over the steps of the text. Over what do they have to sum to one, at every single
    step?"""
    return _discounted(_chosen(log_softmax(logits, axis=0), actions), gamma)


def softmax_over_everything(logits, actions, gamma):
    """Your softmax runs over the whole table at once, over steps and keys. She chooses anew at every step, among the
    keys of that step."""
    return _discounted(_chosen(log_softmax(logits), actions), gamma)


def mean_over_length(logits, actions, gamma):
    """You divide by the length of the text. A mean forgives long texts their mistakes: the sum is wanted."""
    return objective_with_a_straight_score.oracle(logits, actions, gamma) / len(actions)


def mean_over_weights(logits, actions, gamma):
    """You divide by the sum of the weights γ^i, which makes a weighted mean. A plain discounted sum is wanted."""
    return objective_with_a_straight_score.oracle(logits, actions, gamma) / np.sum(gamma ** np.arange(len(actions)))


def weights_of_an_occupancy(logits, actions, gamma):
    """You have a factor 1-γ that makes shares of the time. This sum is in the unit of J/(1-γ): is the factor still
    needed?"""
    return (1 - gamma) * objective_with_a_straight_score.oracle(logits, actions, gamma)


def likelihood_not_discounted(logits, actions, gamma):
    """This is the ordinary log-likelihood, with every key alike. The discounted one is wanted: what does key i
    weigh?"""
    return float(np.sum(_chosen(log_softmax(logits, axis=1), actions)))


def first_key_discounted(logits, actions, gamma):
    """Your first key already weighs γ. It is pressed at time 0."""
    return gamma * objective_with_a_straight_score.oracle(logits, actions, gamma)


def a_loss(logits, actions, gamma):
    """You return a loss, to be minimised. Here everything is maximised: which sign does the log of a probability
    have?"""
    return -objective_with_a_straight_score.oracle(logits, actions, gamma)


def all_keys(logits, actions, gamma):
    """You add up the logs of all keys of a state. Which of them did she press?"""
    return _discounted(log_softmax(logits, axis=1).sum(axis=1), gamma)


def key_that_is_likeliest(logits, actions, gamma):
    """At every step you take the key that the model likes best. Whose keys are to be scored?"""
    return _discounted(log_softmax(logits, axis=1).max(axis=1), gamma)


def keys_on_average(logits, actions, gamma):
    """You average over all keys, each as often as the model would press it: that is minus an entropy. But what was
    pressed is known, is it not?"""
    return _discounted((np.exp(log_softmax(logits, axis=1)) * log_softmax(logits, axis=1)).sum(axis=1), gamma)


def every_key_in_every_row(logits, actions, gamma):
    """You pick all pressed keys from every row: `table[:, actions]` has N columns. How do you pick a single entry from
    each row?"""
    return _discounted(log_softmax(logits, axis=1)[:, actions].sum(axis=1), gamma)


def keys_one_step_off(logits, actions, gamma):
    """Your rows are matched with the keys of the step after. Row i holds the logits at s_i: which key was pressed
    there?"""
    return _discounted(_chosen(log_softmax(logits, axis=1)[:-1], actions[1:]), gamma)


def last_key_left_out(logits, actions, gamma):
    """Your sum leaves the last key out. It is ⏎, and a typist has to learn when to stop as well: at which i does the
    sum end?"""
    return _discounted(_chosen(log_softmax(logits, axis=1), actions)[:-1], gamma)


def last_reward_left_out(logits, actions, gamma):
    """The logit of the last key, ⏎, is missing: you leave out its whole reward. It ends in V at the absorbing state,
    which nobody knows; in the long sum (5.3), what becomes of that value, and what of the logit?"""
    last = gamma ** (len(actions) - 1) * logits[-1, actions[-1]]
    return objective_with_a_straight_score.oracle(logits, actions, gamma) - last


def rewards_added_up(logits, actions, gamma):
    """From the logit you take the discounted value ahead, so you add up rewards. Which state's value is left once all
    has cancelled?"""
    rewards = _chosen(logits, actions) - gamma * np.append(logsumexp(logits, axis=1)[1:], 0)
    return _discounted(rewards, gamma)


def normaliser_without_log(logits, actions, gamma):
    """You take the sum of the exponentials off the logit. Compare it with V in (5.2): what is still to be done?"""
    return _discounted(_chosen(logits, actions) - np.exp(logits).sum(axis=1), gamma)


def log_of_the_sum(logits, actions, gamma):
    """You add up probabilities and take one log of the total. How many logs are left once all has cancelled?"""
    return float(np.log(probabilities_not_logs(logits, actions, gamma)))


def discount_inside_the_log(logits, actions, gamma):
    """Your γ^i has slipped into the log, and there it only adds a constant. What is it meant to multiply?"""
    return likelihood_not_discounted(logits, actions, gamma) + np.log(gamma) * np.arange(len(actions)).sum()


def logs_to_base_two(logits, actions, gamma):
    """Your logs are to the base 2, which counts in bits. Which base undoes exp?"""
    return objective_with_a_straight_score.oracle(logits, actions, gamma) / np.log(2)


def weights_backwards(logits, actions, gamma):
    """The last key weighs most in your sum, and the first one least. In which direction does time run?"""
    chosen = _chosen(log_softmax(logits, axis=1), actions)
    return _discounted(chosen[::-1], gamma)


def largest_logit_for_the_value(logits, actions, gamma):
    """You take the largest logit of a row for its V. That maximum is quite sharp: what is V in (5.2)?"""
    return _discounted(_chosen(logits, actions) - logits.max(axis=1), gamma)


def start_taken_off_again(logits, actions, gamma):
    """You have the right sum, and then you take V(s_0) off. Written as the long sum (5.3), how much of it is left when
    all has cancelled?"""
    return objective_with_a_straight_score.oracle(logits, actions, gamma) - logsumexp(logits[0])


def start_in_every_step(logits, actions, gamma):
    """You take the value of the first text off the logits of all steps. Which text stands on the screen at step i?"""
    return _discounted(_chosen(logits, actions) - logsumexp(logits[0]), gamma)


def a_texts_value_after_the_end(returned, logits, actions, gamma):
    """After ⏎ the value of one of her texts is still taken away, as if she stood there, and nothing gives it back.
    Where is she then, and what do the two tails do to that value?"""
    right = objective_with_a_straight_score.oracle(logits, actions, gamma)
    left = gamma ** len(actions) * logsumexp(logits, axis=1)
    return bool(np.isclose(returned, right - left, rtol=1e-4, atol=1e-4).any())


def unlikely_keys_made_likelier(returned, logits, actions, gamma):
    """You are wrong only where a key is very unlikely, and there your logs are too near to zero. Is a small number
    added to the chance, or the chance cut off below? Work with the logits, and log 0 never comes up."""
    right = objective_with_a_straight_score.oracle(logits, actions, gamma)
    return bool(returned > right and _chosen(log_softmax(logits, axis=1), actions).min() < -6)


@exercise(
    "5.3",
    draw=_logits_along_a_text,
    inputs="random texts",
    mistakes=[
        probabilities_not_logs,
        logits_not_normalised,
        softmax_over_time,
        softmax_over_everything,
        mean_over_length,
        mean_over_weights,
        weights_of_an_occupancy,
        likelihood_not_discounted,
        first_key_discounted,
        a_loss,
        all_keys,
        key_that_is_likeliest,
        keys_on_average,
        every_key_in_every_row,
        keys_one_step_off,
        last_key_left_out,
        last_reward_left_out,
        rewards_added_up,
        normaliser_without_log,
        log_of_the_sum,
        discount_inside_the_log,
        logs_to_base_two,
        weights_backwards,
        largest_logit_for_the_value,
        start_taken_off_again,
        start_in_every_step,
    ],
    signs=[a_texts_value_after_the_end, unlikely_keys_made_likelier],
)
def objective_with_a_straight_score(logits, actions, gamma):
    """Σ γ^i log softmax(logits_i)[a_i]."""
    return _discounted(_chosen(log_softmax(logits, axis=1), actions), gamma)


# -- 5.4 ---------------------------------------------------------------------------------------------------------


def _data_and_model(rng: np.random.Generator) -> dict[str, Any]:
    gamma = _gamma(rng)
    return {
        "data_rewards": _rewards(rng, 0.5),
        "model_rewards": _rewards(rng, -0.5),
        "absorbing_reward": float(rng.normal(0.0, min(1.0, 8 * (1 - gamma)))),  # (1-γ) times a value
        "start_value": float(rng.normal(1.0, 2.0)),
        "gamma": gamma,
        "alpha": float(rng.uniform(0.1, 2.0)),
    }


def _for_ever(rewards, absorbing_reward, gamma, function):
    """Σ_{i<N} γ^i f(r_i) + γ^N/(1-γ) f(r_abs)."""
    tail = gamma ** len(rewards) / (1 - gamma) * function(absorbing_reward)
    return _discounted(function(rewards), gamma) + tail


def _parts(data_rewards, model_rewards, absorbing_reward, gamma):
    """Σ γ^i r over the data, Σ γ^i r² over the data, and Σ γ^i r² over the model's text, all with their tails."""
    return (
        _for_ever(data_rewards, absorbing_reward, gamma, lambda r: r),
        _for_ever(data_rewards, absorbing_reward, gamma, np.square),
        _for_ever(model_rewards, absorbing_reward, gamma, np.square),
    )


def model_earns_too(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    """The model's own text earns its rewards in your answer, as if it were a demonstration. What do the model's samples
    contribute, and what not?"""
    right = sampled_mixture.oracle(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha)
    return right + _for_ever(model_rewards, absorbing_reward, gamma, lambda r: r)


def plain_chi2(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    """Your answer never looks at the model's text: it is plain χ². Which part of the mixture is missing?"""
    gain, on_data, _ = _parts(data_rewards, model_rewards, absorbing_reward, gamma)
    return gain - alpha / 4 * on_data - start_value


def penalty_on_the_model_alone(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    """You penalise large rewards on the model's text only. A mixture is made of two: who else pays?"""
    gain, _, on_model = _parts(data_rewards, model_rewards, absorbing_reward, gamma)
    return gain - alpha / 4 * on_model - start_value


def model_penalty_added(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    """Large rewards on the model's own text make your objective better. Should they? Look at a sign."""
    gain, on_data, on_model = _parts(data_rewards, model_rewards, absorbing_reward, gamma)
    return gain - alpha / 4 * (on_data - on_model) - start_value


def mixture_coefficient_is_alpha(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    """Both of your penalties are too strong. How does c come from α?"""
    gain, on_data, on_model = _parts(data_rewards, model_rewards, absorbing_reward, gamma)
    return gain - alpha * (on_data + on_model) - start_value


def penalty_averaged(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    """You take the mean of the two penalties. Both are paid in full."""
    gain, on_data, on_model = _parts(data_rewards, model_rewards, absorbing_reward, gamma)
    return gain - alpha / 8 * (on_data + on_model) - start_value


def start_left_out(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    """Without the value of the start, adding 5 to every logit would improve your objective for nothing. Where does
    V(s_0) come in?"""
    right = sampled_mixture.oracle(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha)
    return right + start_value


def start_added(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    """The value of the start is something she has to beat, not something she is given. Look at its sign."""
    right = sampled_mixture.oracle(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha)
    return right + 2 * start_value


def start_normalised(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    """Your sums are those of J/(1-γ), but your start belongs to J. Which factor must not stand there?"""
    right = sampled_mixture.oracle(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha)
    return right + start_value - (1 - gamma) * start_value


def steps_not_discounted(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    """Your tails are discounted, the steps before them are not: each of them weighs 1. What does step i weigh?"""
    right = sampled_mixture.oracle(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha)
    data, model = _chi2(data_rewards, alpha), -alpha / 4 * model_rewards**2
    return right + sum(float(np.sum(steps)) - _discounted(steps, gamma) for steps in (data, model))


def model_without_tail(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    """The model's text ends with ⏎ as well, and in your answer nothing comes after that. What did you do for the
    data?"""
    gain, on_data, _ = _parts(data_rewards, model_rewards, absorbing_reward, gamma)
    return gain - alpha / 4 * (on_data + _discounted(model_rewards**2, gamma)) - start_value


def tails_left_out(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    """You never use the reward of the absorbing state. Both texts are followed by something that lasts for ever."""
    data = _discounted(_chi2(data_rewards, alpha), gamma)
    return data - alpha / 4 * _discounted(model_rewards**2, gamma) - start_value


def one_length_for_both(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    """Both of your tails begin at the same step, that of the data. The two texts need not be equally long: when does
    the model's end?"""
    gain, on_data, _ = _parts(data_rewards, model_rewards, absorbing_reward, gamma)
    tail = gamma ** len(data_rewards) / (1 - gamma) * absorbing_reward**2
    return gain - alpha / 4 * (on_data + _discounted(model_rewards**2, gamma) + tail) - start_value


def model_earnings_subtracted(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    """You take the model's rewards away, and its penalty besides. Look at the third part of (5.7): is there any r in it
    that is not squared?"""
    right = sampled_mixture.oracle(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha)
    return right - _for_ever(model_rewards, absorbing_reward, gamma, lambda r: r)


def score_of_the_model_subtracted(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    """You take the model's whole score away, and with that its squares turn from a price into a prize. What alone
    should be left of the model's text?"""
    data = _for_ever(data_rewards, absorbing_reward, gamma, lambda r: _chi2(r, alpha))
    return data - start_value - _for_ever(model_rewards, absorbing_reward, gamma, lambda r: _chi2(r, alpha))


def texts_exchanged(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    """You took the two texts for each other. Which of the two has been typed by somebody worth imitating?"""
    return sampled_mixture.oracle(model_rewards, data_rewards, absorbing_reward, start_value, gamma, alpha)


def mixture_coefficient_has_alpha_below(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    """With a smaller α your penalties become larger. Where did (5.6) put the α in c?"""
    gain, on_data, on_model = _parts(data_rewards, model_rewards, absorbing_reward, gamma)
    return gain - (on_data + on_model) / (4 * alpha) - start_value


def model_penalty_without_coefficient(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    """The squares of the data are multiplied by c, those of the model are not. Why should the model pay at another
    rate?"""
    gain, on_data, on_model = _parts(data_rewards, model_rewards, absorbing_reward, gamma)
    return gain - alpha / 4 * on_data - on_model - start_value


def start_twice(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    """You take V(s_0) off once for each text. How often does it stand in (5.7)?"""
    return (
        sampled_mixture.oracle(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha) - start_value
    )


def start_for_ever(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    """You divide the value of the start by 1-γ, as if she stood there for ever. What does a value already hold?"""
    right = sampled_mixture.oracle(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha)
    return right + start_value - start_value / (1 - gamma)


def mixture_normalised(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    """All of it is multiplied by 1-γ in your answer, which is the unit of J. In which unit are plain discounted
    sums?"""
    return (1 - gamma) * sampled_mixture.oracle(
        data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha
    )


def mixture_as_a_loss(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    """You return a loss: every sign is turned. Is (5.7) there to be made small, or large?"""
    return -sampled_mixture.oracle(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha)


def data_without_tail(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    """The model's text goes on after ⏎ in your answer, the one of the data does not. Does the expert ever leave the
    absorbing state?"""
    data = _discounted(_chi2(data_rewards, alpha), gamma)
    return data - start_value - alpha / 4 * _for_ever(model_rewards, absorbing_reward, gamma, np.square)


def tails_of_one_step(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    """You count the absorbing reward at a single step of each text. How many such steps follow, and what do all their
    weights add up to?"""
    data, model = (np.append(rewards, absorbing_reward) for rewards in (data_rewards, model_rewards))
    return tails_left_out(data, model, absorbing_reward, start_value, gamma, alpha)


def tails_at_once(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    """Both of your tails weigh as if they began at time 0. How late does ⏎ come, in the one text and in the other?"""
    tails = (absorbing_reward - alpha / 2 * absorbing_reward**2) / (1 - gamma)
    return tails_left_out(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha) + tails


def tails_without_penalty(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    """After ⏎ your rewards are earned but never squared. Does the penalty stop there, on either text?"""
    tail = gamma ** len(data_rewards) / (1 - gamma) * absorbing_reward
    return tails_left_out(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha) + tail


def data_tail_without_penalty(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    """After ⏎ the data's text goes on to earn r_abs in your answer, and pays nothing for its square. What does every
    reward of the data cost before ⏎?"""
    unpaid = alpha / 4 * gamma ** len(data_rewards) / (1 - gamma) * absorbing_reward**2
    return sampled_mixture.oracle(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha) + unpaid


def model_not_discounted(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    """Before ⏎ the steps of the data are discounted, those of the model's text are not. What does step i of the model
    weigh?"""
    squares = model_rewards**2
    right = sampled_mixture.oracle(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha)
    return right - alpha / 4 * (float(np.sum(squares)) - _discounted(squares, gamma))


def reward_taken_for_value(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    """You multiply the reward of the absorbing state by 1-γ. Look at what you are given this time: is it V there, or
    already r?"""
    return sampled_mixture.oracle(
        data_rewards, model_rewards, (1 - gamma) * absorbing_reward, start_value, gamma, alpha
    )


def cut_to_the_shorter(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    """The longer of the two texts is cut where the shorter one ends. Did you zip them together?"""
    steps = min(len(data_rewards), len(model_rewards))
    return sampled_mixture.oracle(
        data_rewards[:steps], model_rewards[:steps], absorbing_reward, start_value, gamma, alpha
    )


def tails_cut_off(returned, data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    """You are wrong only where γ is close to 1, and time runs long. Do your tails end after a fixed number of
    steps?"""
    return _time_runs_long(gamma)


@exercise(
    "5.4",
    draw=_data_and_model,
    inputs="random pairs of texts",
    mistakes=[
        model_earns_too,
        plain_chi2,
        penalty_on_the_model_alone,
        model_penalty_added,
        mixture_coefficient_is_alpha,
        penalty_averaged,
        start_left_out,
        start_added,
        start_normalised,
        steps_not_discounted,
        model_without_tail,
        tails_left_out,
        one_length_for_both,
        model_earnings_subtracted,
        score_of_the_model_subtracted,
        texts_exchanged,
        mixture_coefficient_has_alpha_below,
        model_penalty_without_coefficient,
        start_twice,
        start_for_ever,
        mixture_normalised,
        mixture_as_a_loss,
        data_without_tail,
        tails_of_one_step,
        tails_at_once,
        tails_without_penalty,
        data_tail_without_penalty,
        model_not_discounted,
        reward_taken_for_value,
        cut_to_the_shorter,
    ],
    guesses=[tails_cut_off],
)
def sampled_mixture(data_rewards, model_rewards, absorbing_reward, start_value, gamma, alpha):
    """Σ γ^i (r - c r²) over the data, less V(s_0), less c Σ γ^i r² over the model's text; c = α/4, tails included."""
    gain, on_data, on_model = _parts(data_rewards, model_rewards, absorbing_reward, gamma)
    return gain - alpha / 4 * (on_data + on_model) - start_value
