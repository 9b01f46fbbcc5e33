"""The exercises of notebooks/08_neural_divergence.ipynb."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.special import logsumexp

from smatch_edu.checks.exercise import exercise


def _discount(rng: np.random.Generator) -> float:
    """γ, now and then near its upper end."""
    return float(rng.choice([rng.uniform(0.99, 0.999), rng.uniform(0.5, 0.95)], p=[0.08, 0.92]))


# -- 8.1 ---------------------------------------------------------------------------------------------------------


def _walk_on_a_trie(rng: np.random.Generator) -> dict[str, Any]:
    """A walk of letters and ⌫ that ends with ⏎, some letters typed by a slip; one input for each letter. Values of
    either sign."""
    letters = int(rng.integers(2, 5))
    eos, backspace = letters, letters + 1
    stack, inputs = [0], 1
    asked, pressed, typed = [], [], []
    for _ in range(rng.integers(0, 10)):
        asked.append(stack[-1])
        if len(stack) > 1 and rng.random() < 0.45:
            pressed.append(backspace)
            typed.append(backspace)
            stack.pop()
        else:
            meant = int(rng.integers(letters))
            slip = rng.random() < 0.3
            pressed.append(meant)
            typed.append((meant + int(rng.integers(1, letters))) % letters if slip else meant)
            stack.append(inputs)
            inputs += 1
    return {
        "logits": rng.normal(0.5, 1.5, size=(inputs, letters + 2)) - rng.choice([0.0, 3.0], size=(inputs, 1)),
        "state_of_action": np.array([*asked, stack[-1]]),
        "pressed": np.array([*pressed, eos]),
        "typed": np.array([*typed, eos]),
        "absorbing_value": 0.0 if rng.random() < 0.12 else float(rng.normal(0.0, 3.0)),
        "gamma": _discount(rng),
    }


def _ahead(logits, state_of_action, absorbing_value, value=logsumexp):
    """V(s_1), ..., V(s_T)."""
    return np.append(value(logits, axis=1)[state_of_action][1:], absorbing_value)


def _walk_rewards(chosen, ahead, gamma):
    return chosen - gamma * ahead


def logit_of_the_typed_key(logits, state_of_action, pressed, typed, absorbing_value, gamma):
    """Your logit is that of the key that came out. The keyboard chose that one, by a slip: which key did *she* choose?
    Only where she gets to depends on the other."""
    chosen = logits[state_of_action, typed]
    return _walk_rewards(chosen, _ahead(logits, state_of_action, absorbing_value), gamma)


def value_of_this_text(logits, state_of_action, pressed, typed, absorbing_value, gamma):
    """You take away V of the text at which she presses the key. One key later she stands somewhere else: where does
    `state_of_action` say so?"""
    here = logsumexp(logits, axis=1)[state_of_action]
    return _walk_rewards(logits[state_of_action, pressed], here, gamma)


def value_of_this_text_but_at_the_end(logits, state_of_action, pressed, typed, absorbing_value, gamma):
    """You take away V of the text at which she presses the key; only after ⏎ it is the right one. One key later she
    stands somewhere else: where does `state_of_action` say so?"""
    here = logsumexp(logits, axis=1)[state_of_action]
    return _walk_rewards(logits[state_of_action, pressed], np.append(here[:-1], absorbing_value), gamma)


def probability_of_the_key(logits, state_of_action, pressed, typed, absorbing_value, gamma):
    """You return log π of each key. A reward looks ahead: which number of yours depends on what comes after?"""
    return logits[state_of_action, pressed] - logsumexp(logits, axis=1)[state_of_action]


def input_that_was_fed_next(returned, logits, state_of_action, pressed, typed, absorbing_value, gamma):
    """You take V from the input that stands to the right in the row. That is the next letter that was *fed*; after ⌫ an
    old input is on top again. Which list knows where she stands?"""
    values, following = logsumexp(logits, axis=1), state_of_action[:-1] + 1
    ahead = np.append(values[np.minimum(following, len(values) - 1)], absorbing_value)
    in_the_row = np.append(following < len(values), True)  # where the row has ended, some take one value, some another
    wanted = _walk_rewards(logits[state_of_action, pressed], ahead, gamma)
    return np.allclose(returned[in_the_row], wanted[in_the_row])


def end_of_the_row_is_the_end(logits, state_of_action, pressed, typed, absorbing_value, gamma):
    """You take V from the next input in the row, and V after ⏎ where the row ends. A walk may come back to an old input
    and go on from there, or end there. Which list says where she stands, and which key ends the walk?"""
    ahead = np.append(logsumexp(logits, axis=1), absorbing_value)[state_of_action + 1]
    return _walk_rewards(logits[state_of_action, pressed], ahead, gamma)


def number_of_the_key_as_input(returned, logits, state_of_action, pressed, typed, absorbing_value, gamma):
    """You use the number of the key as the number of the input. With ⌫ there are more keys than inputs: how do you get
    from one to the other?"""
    rows = np.arange(min(len(pressed), len(logits)) - 1)  # as far as there are inputs
    if not len(rows):
        return None
    ahead = logsumexp(logits, axis=1)[rows + 1]
    return np.allclose(returned[rows], _walk_rewards(logits[rows, pressed[rows]], ahead, gamma))


def value_by_the_number_of_the_key(logits, state_of_action, pressed, typed, absorbing_value, gamma):
    """Your logits are those of the right texts. But V(s') comes from the input with the number i+1, and step i+1 may
    stand at another one: what translates steps into inputs?"""
    values = logsumexp(logits, axis=1)
    ahead = np.append(values[np.minimum(np.arange(1, len(pressed)), len(logits) - 1)], absorbing_value)
    return _walk_rewards(logits[state_of_action, pressed], ahead, gamma)


def backspace_takes_back_a_step(logits, state_of_action, pressed, typed, absorbing_value, gamma):
    """After ⌫ you look at where she stood one step before. After two ⌫ in a row that is a text that she has deleted:
    how does the tree say which text has one letter less?"""
    ahead = _ahead(logits, state_of_action, absorbing_value)
    before = logsumexp(logits, axis=1)[np.append(state_of_action[:1], state_of_action[:-1])]
    deletes = typed == logits.shape[1] - 1
    return _walk_rewards(logits[state_of_action, pressed], np.where(deletes, before, ahead), gamma)


def nothing_after_the_end(logits, state_of_action, pressed, typed, absorbing_value, gamma):
    """For you, nothing comes after ⏎. There is one more state there, and somebody has learned what it is worth: where
    is it in your answer?"""
    return _walk_rewards(logits[state_of_action, pressed], _ahead(logits, state_of_action, 0.0), gamma)


def stays_at_the_last_text(logits, state_of_action, pressed, typed, absorbing_value, gamma):
    """After ⏎ you let her stay at her last text. The absorbing state is no input: which of your arguments is its
    value?"""
    last = logsumexp(logits[state_of_action[-1]])
    return _walk_rewards(logits[state_of_action, pressed], _ahead(logits, state_of_action, last), gamma)


def first_text_after_the_end(logits, state_of_action, pressed, typed, absorbing_value, gamma):
    """After ⏎ you let her begin anew: the last of your values is that of the first text. (`np.roll` puts in front what
    it pushes out at the end.) Which value is given for the state that ⏎ leads to?"""
    first = logsumexp(logits[state_of_action[0]])
    return _walk_rewards(logits[state_of_action, pressed], _ahead(logits, state_of_action, first), gamma)


def absorbing_reward_taken(logits, state_of_action, pressed, typed, absorbing_value, gamma):
    """At ⏎ you use what *one* step in the absorbing state pays. V is what all those steps are worth together: which of
    them does a reward look ahead to?"""
    ahead = _ahead(logits, state_of_action, (1 - gamma) * absorbing_value)
    return _walk_rewards(logits[state_of_action, pressed], ahead, gamma)


def absorbing_value_not_discounted(logits, state_of_action, pressed, typed, absorbing_value, gamma):
    """All steps are right but the last. Getting to the absorbing state takes a key as well: what does a step cost?"""
    ahead = gamma * _ahead(logits, state_of_action, 0.0)
    ahead[-1] = absorbing_value
    return _walk_rewards(logits[state_of_action, pressed], ahead, 1.0)


def discount_forgotten(logits, state_of_action, pressed, typed, absorbing_value, gamma):
    """What comes next counts in full with you. She gets there one key later: which factor belongs to it?"""
    return _walk_rewards(logits[state_of_action, pressed], _ahead(logits, state_of_action, absorbing_value), 1.0)


def future_ignored(logits, state_of_action, pressed, typed, absorbing_value, gamma):
    """You return the bare logits. A logit holds what the key pays *and* all that may come after it: what is to be taken
    away?"""
    return logits[state_of_action, pressed]


def future_added(logits, state_of_action, pressed, typed, absorbing_value, gamma):
    """You add the future. The logit holds it already: what is to be left over?"""
    return _walk_rewards(logits[state_of_action, pressed], _ahead(logits, state_of_action, absorbing_value), -gamma)


def weighed_by_time(logits, state_of_action, pressed, typed, absorbing_value, gamma):
    """Your rewards carry the weight γ^i of their step. The loss will weigh them: what is r itself, before that?"""
    right = rewards_along_a_walk.oracle(logits, state_of_action, pressed, typed, absorbing_value, gamma)
    return gamma ** np.arange(len(right)) * right


def best_key_next(logits, state_of_action, pressed, typed, absorbing_value, gamma):
    """Your V is the largest logit. She may choose at the next text, and choice is worth something: which maximum is a
    soft one?"""
    ahead = _ahead(logits, state_of_action, absorbing_value, np.max)
    return _walk_rewards(logits[state_of_action, pressed], ahead, gamma)


def average_next_key(logits, state_of_action, pressed, typed, absorbing_value, gamma):
    """Your V is the plain mean of the logits, as if she pressed any key next. Which V did notebook 04 build out of log
    and exp?"""
    ahead = _ahead(logits, state_of_action, absorbing_value, np.mean)
    return _walk_rewards(logits[state_of_action, pressed], ahead, gamma)


def choice_worth_nothing(logits, state_of_action, pressed, typed, absorbing_value, gamma):
    """Your V is the mean of the logits, weighed with her policy. That is a part of it; but to be undecided is worth
    something, too. By which formula did notebook 04 find both at once?"""

    def mean(rows, axis):
        return np.sum(np.exp(rows - logsumexp(rows, axis=axis, keepdims=True)) * rows, axis=axis)

    ahead = _ahead(logits, state_of_action, absorbing_value, mean)
    return _walk_rewards(logits[state_of_action, pressed], ahead, gamma)


def logit_of_the_key_after(logits, state_of_action, pressed, typed, absorbing_value, gamma):
    """You take away the logit of the key that she presses next. It is one key of several: does the value of a text
    depend on which of them she happens to press?"""
    chosen = logits[state_of_action, pressed]
    return _walk_rewards(chosen, np.append(chosen[1:], absorbing_value), gamma)


def logarithm_forgotten(logits, state_of_action, pressed, typed, absorbing_value, gamma):
    """Your V is a sum of exponentials. Logits and values have the same unit: what is still to be done to the sum?"""
    ahead = _ahead(logits, state_of_action, absorbing_value, lambda rows, axis: np.exp(logsumexp(rows, axis=axis)))
    return _walk_rewards(logits[state_of_action, pressed], ahead, gamma)


def mean_of_exponentials(logits, state_of_action, pressed, typed, absorbing_value, gamma):
    """Inside of your logarithm is the *mean* of the exponentials. More keys to choose from should be worth more: what
    does (5.2) do with them?"""
    ahead = _ahead(logits, state_of_action, absorbing_value + math.log(logits.shape[1])) - math.log(logits.shape[1])
    return _walk_rewards(logits[state_of_action, pressed], ahead, gamma)


def log_probability_less_the_future(logits, state_of_action, pressed, typed, absorbing_value, gamma):
    """You turn the logit into log π first, and then take the future away as well. How many values does the formula take
    away from a logit?"""
    values = logsumexp(logits, axis=1)[state_of_action]
    chosen = logits[state_of_action, pressed] - values
    return _walk_rewards(chosen, _ahead(logits, state_of_action, absorbing_value), gamma)


@exercise(
    "8.1",
    draw=_walk_on_a_trie,
    inputs="random walks",
    mistakes=[
        logit_of_the_typed_key,
        value_of_this_text,
        value_of_this_text_but_at_the_end,
        probability_of_the_key,
        end_of_the_row_is_the_end,
        value_by_the_number_of_the_key,
        backspace_takes_back_a_step,
        nothing_after_the_end,
        stays_at_the_last_text,
        first_text_after_the_end,
        absorbing_reward_taken,
        absorbing_value_not_discounted,
        discount_forgotten,
        future_ignored,
        future_added,
        weighed_by_time,
        best_key_next,
        average_next_key,
        choice_worth_nothing,
        logit_of_the_key_after,
        logarithm_forgotten,
        mean_of_exponentials,
        log_probability_less_the_future,
    ],
    signs=[input_that_was_fed_next, number_of_the_key_as_input],
)
def rewards_along_a_walk(logits, state_of_action, pressed, typed, absorbing_value, gamma):
    """ℓ(a_i|s_i) - γ V(s_{i+1}), and V of the absorbing state after ⏎."""
    chosen = logits[state_of_action, pressed]
    return _walk_rewards(chosen, _ahead(logits, state_of_action, absorbing_value), gamma)


# -- 8.2 ---------------------------------------------------------------------------------------------------------


def _keys_seen(rng: np.random.Generator) -> dict[str, Any]:
    """Now and then so many keys that one byte does not count them."""
    actions = int(rng.integers(2, 6))
    logits = rng.normal(0.5, 1.0, size=actions)
    policy = np.exp(logits - logsumexp(logits))
    return {
        "logits": logits,
        "ahead": rng.normal(0.0, 1.5, size=actions),
        "keys": rng.choice(actions, size=rng.integers(1, 13) * (100 if rng.random() < 0.2 else 1), p=policy),
    }


def _seen(logits, keys):
    """The share of each key among those seen."""
    return np.bincount(keys, minlength=len(logits)) / len(keys)


def _softmax(logits):
    return np.exp(logits - logsumexp(logits))


def samples_let_go(logits, ahead, keys):
    """You ask how the mean of r² changes if the policy changes as well. Held fixed, the keys are numbers that were
    written down: what is left of your derivative then?"""
    policy, rewards = _softmax(logits), logits - ahead
    return policy * (2 * rewards + rewards**2 - policy @ rewards**2)


def drawing_differentiated(logits, ahead, keys):
    """You add r² times the gradient of log π, which says how the *drawing* of the keys would change. Do keys that are
    held fixed get drawn again?"""
    seen, rewards = _seen(logits, keys), logits - ahead
    return 2 * seen * rewards + seen * rewards**2 - (seen @ rewards**2) * _softmax(logits)


def change_of_the_policy_added(logits, ahead, keys):
    """You have the gradient with the samples held fixed, and then add how the *policy* changes, key by key. If she
    likes a key better from now on, does that change which keys were written down?"""
    policy, rewards = _softmax(logits), logits - ahead
    return 2 * _seen(logits, keys) * rewards + policy * (rewards**2 - policy @ rewards**2)


def policy_in_place_of_samples(logits, ahead, keys):
    """You weigh the keys by their probabilities. You were given samples: how often was each key really seen?"""
    return 2 * _softmax(logits) * (logits - ahead)


def two_forgotten(logits, ahead, keys):
    """Your gradient has the right direction and half the length. What is the derivative of a square?"""
    return _seen(logits, keys) * (logits - ahead)


def samples_added_up(logits, ahead, keys):
    """Your gradient grows with the number of samples. Is a sum wanted, or a mean?"""
    return 2 * len(keys) * _seen(logits, keys) * (logits - ahead)


def every_key_once(logits, ahead, keys):
    """You never look at which keys were seen: each counts alike in your answer. What does a key add to the mean that
    nobody pressed?"""
    return 2 * (logits - ahead) / len(logits)


def every_key_in_full(logits, ahead, keys):
    """Each of your entries is the derivative of one r², as if the mean had one summand, and that one for every key. How
    often does r of this key stand in the mean?"""
    return 2 * (logits - ahead)


def repeats_counted_once(logits, ahead, keys):
    """A key that was seen three times counts once with you. (`array[keys] += x` adds only once for each key, too.) What
    counts repeats in numpy?"""
    return 2 * (_seen(logits, keys) > 0) * (logits - ahead) / len(keys)


def kinds_of_keys_averaged(logits, ahead, keys):
    """You take a mean over the *different* keys that were seen, all with the same weight. If one was seen ten times and
    another once, which of them counts more in the mean?"""
    seen = _seen(logits, keys) > 0
    return 2 * seen * (logits - ahead) / seen.sum()


def square_not_differentiated(logits, ahead, keys):
    """You return what each key adds to the mean of r². How does that change when its logit grows a little?"""
    return _seen(logits, keys) * (logits - ahead) ** 2


def future_left_out(logits, ahead, keys):
    """Your rewards are the bare logits. What has a reward less than a logit?"""
    return 2 * _seen(logits, keys) * logits


def future_added_to_the_logit(logits, ahead, keys):
    """You add what comes ahead to the logit. Look at the sign in the definition of r: which way round is it?"""
    return 2 * _seen(logits, keys) * (logits + ahead)


def way_down(logits, ahead, keys):
    """All your signs are turned: this is the step that makes the penalty *smaller*. Which way does a gradient point?"""
    return -2 * _seen(logits, keys) * (logits - ahead)


def gradient_of_the_likelihood(logits, ahead, keys):
    """This is the gradient of the log-likelihood of the keys. The penalty is no likelihood: what is squared in it?"""
    return _seen(logits, keys) - _softmax(logits)


def divided_by_the_number_of_keys(logits, ahead, keys):
    """You divide by the number of keys that there are. Over what is the mean taken?"""
    return 2 * len(keys) * _seen(logits, keys) * (logits - ahead) / len(logits)


def probability_for_logit(logits, ahead, keys):
    """You start from log π where the logit stands in r. V of *this* text is no part of the reward: what is given?"""
    return 2 * _seen(logits, keys) * (logits - logsumexp(logits) - ahead)


def own_value_differentiated(logits, ahead, keys):
    """Your reward starts from log π, so each logit moves the rewards of *all* keys in your derivative. In the reward
    given here, in how many places does one logit stand?"""
    inner = probability_for_logit(logits, ahead, keys)
    return inner - _softmax(logits) * np.sum(inner)


def square_of_the_mean(logits, ahead, keys):
    """You take the mean of r first, and square afterwards. In the penalty each sample is squared by itself: what
    changes in the derivative?"""
    seen = _seen(logits, keys)
    return 2 * seen * (seen @ (logits - ahead))


@exercise(
    "8.2",
    draw=_keys_seen,
    inputs="random samples",
    mistakes=[
        samples_let_go,
        drawing_differentiated,
        change_of_the_policy_added,
        policy_in_place_of_samples,
        two_forgotten,
        samples_added_up,
        every_key_once,
        every_key_in_full,
        repeats_counted_once,
        kinds_of_keys_averaged,
        square_not_differentiated,
        future_left_out,
        future_added_to_the_logit,
        way_down,
        gradient_of_the_likelihood,
        divided_by_the_number_of_keys,
        probability_for_logit,
        own_value_differentiated,
        square_of_the_mean,
    ],
)
def gradient_with_samples_held_fixed(logits, ahead, keys):
    """2 r_a times the share of key a among the samples."""
    return 2 * _seen(logits, keys) * (logits - ahead)


# -- 8.3 ---------------------------------------------------------------------------------------------------------


def _walk_with_an_edge(rng: np.random.Generator) -> dict[str, Any]:
    """A few steps; now and then a walk so long that a sum of a fixed number of steps does not reach its end."""
    steps, gamma, alpha = int(rng.integers(1, 9)), _discount(rng), float(rng.uniform(0.1, 0.8))
    if rng.random() < 0.08:
        steps, gamma = int(rng.integers(50, 81)), float(rng.uniform(0.9, 0.99))
    edge = float(rng.choice([-math.log(2), -1.0, -2.0, 0.0, -math.inf], p=[0.3, 0.25, 0.2, 0.15, 0.1]))
    middle = edge / alpha if math.isfinite(edge) else -1.0
    return {
        "rewards": middle + rng.normal(0.0, 2.0, size=steps),
        "off_data": rng.random(steps) < 0.6,
        "edge": edge,
        "alpha": alpha,
        "gamma": gamma if math.isfinite(edge) else 0.9,  # 0·∞ is no mistake of its own
    }


def _weighed(summands, gamma):
    return float(np.sum(gamma ** np.arange(len(summands)) * summands))


def _below(rewards, lowest):
    return np.maximum(lowest - rewards, 0)


def data_fined_too(rewards, off_data, edge, alpha, gamma):
    """You fine every step. On the data φ looks after the rewards already: which of your arguments says where she is?"""
    return _weighed(_below(rewards, edge / alpha), gamma)


def data_fined_alone(rewards, off_data, edge, alpha, gamma):
    """You fine the steps on the data, and let off the others. Where is there nobody else to object?"""
    return _weighed(~off_data * _below(rewards, edge / alpha), gamma)


def good_rewards_fined(returned, rewards, off_data, edge, alpha, gamma):
    """Your fine grows with the reward, so it is paid above the edge. On which side of the edge is φ not defined?"""
    if not math.isfinite(edge):
        return None  # some think of this case, others return ∞
    return np.isclose(returned, _weighed(off_data * np.maximum(rewards - edge / alpha, 0), gamma))


def fined_on_both_sides(returned, rewards, off_data, edge, alpha, gamma):
    """You take the distance from the edge, whichever side the reward is on. Which of the two sides is a forbidden
    one?"""
    if not math.isfinite(edge):
        return None
    return np.isclose(returned, _weighed(off_data * np.abs(rewards - edge / alpha), gamma))


def edge_in_other_units(rewards, off_data, edge, alpha, gamma):
    """You compare r with the edge itself. The edge is one for αr: where does it lie for r?"""
    return _weighed(off_data * _below(rewards, edge), gamma)


def edge_times_alpha(rewards, off_data, edge, alpha, gamma):
    """You multiply the edge by α. If αr must stay above it, what must r stay above?"""
    return _weighed(off_data * _below(rewards, edge * alpha), gamma)


def fine_in_other_units(rewards, off_data, edge, alpha, gamma):
    """You measure how far αr is below the edge. All of J is in units of α: what would r be short of?"""
    return _weighed(off_data * _below(alpha * rewards, edge), gamma)


def steps_not_weighed(rewards, off_data, edge, alpha, gamma):
    """A late step costs as much as an early one in your answer. The fine stands beside a discounted sum: what does step
    i weigh?"""
    return float(np.sum(off_data * _below(rewards, edge / alpha)))


def clock_stopped_on_the_data(rewards, off_data, edge, alpha, gamma):
    """You pick the steps off the data first and number them anew, so the clock stands still on the data. At which time
    did each of them happen?"""
    return _weighed(_below(rewards, edge / alpha)[off_data], gamma)


def stopped_on_the_data(rewards, off_data, edge, alpha, gamma):
    """You stop at the first step on the data. She may leave the data again later in the walk: what should become of a
    step that is not fined?"""
    return _weighed(np.cumprod(off_data) * _below(rewards, edge / alpha), gamma)


def edge_at_zero_overlooked(rewards, off_data, edge, alpha, gamma):
    """You find no fine where the edge is 0. An edge at 0 is an edge like any other: which number stands for none?"""
    return _weighed(off_data * _below(rewards, edge / alpha), gamma) if edge else 0.0


def clock_one_late(rewards, off_data, edge, alpha, gamma):
    """Your fine is too small by one and the same factor. What does the first step weigh?"""
    return gamma * fine_below_the_edge.oracle(rewards, off_data, edge, alpha, gamma)


def squared(rewards, off_data, edge, alpha, gamma):
    """You square the distance. Just below the edge your fine is then hardly felt, and sinking pays. Which power has the
    same slope everywhere?"""
    return _weighed(off_data * _below(rewards, edge / alpha) ** 2, gamma)


def prize_above_the_edge(returned, rewards, off_data, edge, alpha, gamma):
    """Above the edge your fine is negative: a prize for high rewards. Nothing above the edge should be moved: what does
    the maximum with 0 do?"""
    if not math.isfinite(edge):
        return None
    return np.isclose(returned, _weighed(off_data * (edge / alpha - rewards), gamma))


def good_steps_make_up_for_bad(rewards, off_data, edge, alpha, gamma):
    """You add up first and cut at 0 afterwards. So a reward high above the edge makes up for one below it: when must
    each step be cut?"""
    if not math.isfinite(edge):
        return 0.0
    return max(0.0, _weighed(off_data * (edge / alpha - rewards), gamma))


def edge_above_zero(rewards, off_data, edge, alpha, gamma):
    """You turn the sign of the edge, so that nearly every reward is below it. On which side of 0 does the φ of JS
    end?"""
    if not math.isfinite(edge):
        return math.inf if off_data.any() else 0.0
    return _weighed(off_data * _below(rewards, -edge / alpha), gamma)


def mean_over_steps(rewards, off_data, edge, alpha, gamma):
    """You divide by the number of steps. Long walks would then be fined less for each step: is a mean wanted?"""
    return fine_below_the_edge.oracle(rewards, off_data, edge, alpha, gamma) / len(rewards)


def mean_over_steps_off_the_data(rewards, off_data, edge, alpha, gamma):
    """You divide by the number of steps off the data. Who is there more often should be fined more: a mean, or a
    sum?"""
    return fine_below_the_edge.oracle(rewards, off_data, edge, alpha, gamma) / max(int(off_data.sum()), 1)


def steps_below_counted(rewards, off_data, edge, alpha, gamma):
    """You fine each step below the edge alike, however far below it is. Such a fine has no slope: what would lead a
    reward back?"""
    return _weighed(off_data * (rewards < edge / alpha), gamma)


def factor_included(rewards, off_data, edge, alpha, gamma):
    """You return twice the fine. The factor κ comes later: is it part of what is wanted here?"""
    return 2 * fine_below_the_edge.oracle(rewards, off_data, edge, alpha, gamma)


def share_of_time(rewards, off_data, edge, alpha, gamma):
    """You multiply by 1-γ, as J does. Along walks we use plain discounted sums: which of the two units is asked for?"""
    return (1 - gamma) * fine_below_the_edge.oracle(rewards, off_data, edge, alpha, gamma)


def fine_is_negative(rewards, off_data, edge, alpha, gamma):
    """Your fine is negative. It is to be added to a loss: should sinking below the edge make a loss smaller?"""
    return -fine_below_the_edge.oracle(rewards, off_data, edge, alpha, gamma)


def worst_step_only(rewards, off_data, edge, alpha, gamma):
    """You keep only the largest of the summands. `max` here is a maximum with 0, at each step by itself: what happens
    to all the steps then?"""
    weights = gamma ** np.arange(len(rewards))
    return float(np.max(weights * off_data * _below(rewards, edge / alpha)))


def first_steps_alone(returned, rewards, off_data, edge, alpha, gamma):
    """Your fine is that of the first steps alone, and those that come later go free. What makes your sum end before the
    walk does?"""
    summands = gamma ** np.arange(len(rewards)) * off_data * _below(rewards, edge / alpha)
    return bool(np.isclose(returned, np.cumsum(summands)[:-1]).any())


@exercise(
    "8.3",
    draw=_walk_with_an_edge,
    inputs="random walks",
    mistakes=[
        data_fined_too,
        data_fined_alone,
        edge_in_other_units,
        edge_times_alpha,
        fine_in_other_units,
        steps_not_weighed,
        clock_stopped_on_the_data,
        stopped_on_the_data,
        edge_at_zero_overlooked,
        clock_one_late,
        squared,
        good_steps_make_up_for_bad,
        edge_above_zero,
        mean_over_steps,
        mean_over_steps_off_the_data,
        steps_below_counted,
        factor_included,
        share_of_time,
        fine_is_negative,
        worst_step_only,
    ],
    signs=[good_rewards_fined, fined_on_both_sides, prize_above_the_edge, first_steps_alone],
)
def fine_below_the_edge(rewards, off_data, edge, alpha, gamma):
    """Σ γ^i max(0, edge/α - r_i) over the steps off the data."""
    return _weighed(off_data * _below(rewards, edge / alpha), gamma)


# -- 8.4 ---------------------------------------------------------------------------------------------------------


def _texts_ahead(rng: np.random.Generator) -> dict[str, Any]:
    letters = int(rng.integers(2, 7))
    noise = [0.0, 1.0, rng.uniform(0.4, 1.0), rng.uniform(0.05, 0.4)]
    values = rng.normal(1.0, 4.0, size=letters)
    return {
        "values": np.rint(values) if rng.random() < 0.3 else values,  # two of them may be equal
        "pressed": int(rng.integers(letters)),
        "noise": float(rng.choice(noise, p=[0.08, 0.04, 0.1, 0.78])),
        "gamma": _discount(rng),
        "alpha": float(rng.choice([0.01, 10.0, rng.uniform(0.1, 2.0)], p=[0.03, 0.03, 0.94])),
    }


def _chances(values, pressed, noise):
    chances = np.full(len(values), noise / (len(values) - 1))
    chances[pressed] = 1 - noise
    return chances


def _spread(values, chances):
    """Variance."""
    return float(chances @ (values - chances @ values) ** 2)


def any_letter_alike(values, pressed, noise, gamma, alpha):
    """You let the keyboard type any letter with the same chance. Mostly it does what it is told: which letter is far
    likelier than the others?"""
    return alpha / 4 * gamma**2 * float(np.var(values))


def standard_deviation(values, pressed, noise, gamma, alpha):
    """You take a root. The penalty is on r *squared*: which measure of spread is in the unit of a square?"""
    return alpha / 4 * gamma**2 * math.sqrt(_spread(values, _chances(values, pressed, noise)))


def alpha_forgotten(values, pressed, noise, gamma, alpha):
    """Your price is the same for every α. What stands before the square in the score?"""
    return gamma**2 / 4 * _spread(values, _chances(values, pressed, noise))


def discount_not_squared(values, pressed, noise, gamma, alpha):
    """In r stands γ V. If a number is multiplied by γ, what happens to its variance?"""
    return alpha / 4 * gamma * _spread(values, _chances(values, pressed, noise))


def discount_left_out(values, pressed, noise, gamma, alpha):
    """You take the variance of V. What varies in r is not V itself: by what is it multiplied there?"""
    return alpha / 4 * _spread(values, _chances(values, pressed, noise))


def price_is_negative(values, pressed, noise, gamma, alpha):
    """Your price is negative. The exercise asks for what is *lost*, as a number: which sign has a price?"""
    return -price_of_one_sample.oracle(values, pressed, noise, gamma, alpha)


def quarter_forgotten(values, pressed, noise, gamma, alpha):
    """Your price is four times too high. What is c, if the penalty is c r²?"""
    return 4 * price_of_one_sample.oracle(values, pressed, noise, gamma, alpha)


def alpha_squared(values, pressed, noise, gamma, alpha):
    """Your price grows with α². Only γV varies with the dice, and α is no factor of it: how often does α stand in the
    score, and outside or inside of the square?"""
    return alpha * price_of_one_sample.oracle(values, pressed, noise, gamma, alpha)


def variance_alone(values, pressed, noise, gamma, alpha):
    """You return the variance of V(s'), which is a part of the price. What stands before it in (8.6)?"""
    return _spread(values, _chances(values, pressed, noise))


def products_spread(values, pressed, noise, gamma, alpha):
    """You multiply each value by its chance, and take the spread of the products as if they were all alike. Chances say
    how much a *square* counts: what is squared, and when is it weighed?"""
    return alpha / 4 * gamma**2 * float(np.var(_chances(values, pressed, noise) * values))


def half_for_a_quarter(values, pressed, noise, gamma, alpha):
    """Your price is twice too high. Look once more at what α is divided by in the score."""
    return 2 * price_of_one_sample.oracle(values, pressed, noise, gamma, alpha)


def alpha_below(values, pressed, noise, gamma, alpha):
    """Your price falls when α grows. Which one bends the score more, a small α or a large one?"""
    return price_of_one_sample.oracle(values, pressed, noise, gamma, 1 / alpha)


def slips_to_itself(values, pressed, noise, gamma, alpha):
    """You share the slips among all letters, the pressed one too. A slip types *another* letter: how many of those are
    there?"""
    chances = np.full(len(values), noise / len(values))
    chances[pressed] += 1 - noise
    return alpha / 4 * gamma**2 * _spread(values, chances)


def _spread_by(returned, values, chances, gamma, alpha):
    """Whether it was computed with these chances, which need not sum to one: then two formulas differ."""
    mean = chances @ values
    spreads = np.array([chances @ (values - mean) ** 2, chances @ values**2 - mean**2])
    return bool(np.isclose(returned, alpha / 4 * gamma**2 * spreads).any())


def slip_not_shared(returned, values, pressed, noise, gamma, alpha):
    """You give each of the other letters the whole chance of a slip. What do your chances add up to?"""
    chances = np.full(len(values), noise)
    chances[pressed] = 1 - noise
    return _spread_by(returned, values, chances, gamma, alpha)


def slip_shared_by_one_too_many(returned, values, pressed, noise, gamma, alpha):
    """Your chances add up to less than one. By how many letters is the chance of a slip shared, if the one that she
    meant is not among them?"""
    chances = np.full(len(values), noise / len(values))
    chances[pressed] = 1 - noise
    return _spread_by(returned, values, chances, gamma, alpha)


def spread_about_the_meant_text(values, pressed, noise, gamma, alpha):
    """You measure how far V is from that of the text she meant. A variance is about the mean: what does she expect, if
    the keyboard slips?"""
    chances = _chances(values, pressed, noise)
    return alpha / 4 * gamma**2 * float(chances @ (values - values[pressed]) ** 2)


def spread_about_the_plain_mean(values, pressed, noise, gamma, alpha):
    """Your deviations are taken from the plain mean of all values. The texts are not equally likely: which mean belongs
    to a variance?"""
    chances = _chances(values, pressed, noise)
    return alpha / 4 * gamma**2 * float(chances @ (values - values.mean()) ** 2)


def square_not_centred(values, pressed, noise, gamma, alpha):
    """You take the mean of V². A constant V would cost something then: what has to be taken away before squaring?"""
    chances = _chances(values, pressed, noise)
    return alpha / 4 * gamma**2 * float(chances @ values**2)


def slips_only(returned, values, pressed, noise, gamma, alpha):
    """You leave out the letter that she meant. Most of the time that is the one that comes: is the mean the same
    without it?"""
    spread = np.var(np.delete(values, pressed))
    return bool(np.isclose(returned, alpha / 4 * gamma**2 * spread * np.array([1, noise])).any())


def slips_lumped(values, pressed, noise, gamma, alpha):
    """You treat all slips as one text with the mean of their values. They differ among each other as well: where is
    that in your variance?"""
    apart = values[pressed] - np.delete(values, pressed).mean()
    return alpha / 4 * gamma**2 * noise * (1 - noise) * float(apart**2)


def noise_turned_round(values, pressed, noise, gamma, alpha):
    """Your keyboard slips when it should not, and obeys when it should slip. Which chance belongs to the letter that
    she meant?"""
    return price_of_one_sample.oracle(values, pressed, 1 - noise, gamma, alpha)


def reward_of_the_mean(values, pressed, noise, gamma, alpha):
    """You square the mean of γV. That part is paid with the expectation, too: what does the *sample* cost on top?"""
    return alpha / 4 * (gamma * float(_chances(values, pressed, noise) @ values)) ** 2


@exercise(
    "8.4",
    draw=_texts_ahead,
    inputs="random keyboards",
    mistakes=[
        any_letter_alike,
        standard_deviation,
        alpha_forgotten,
        discount_not_squared,
        discount_left_out,
        price_is_negative,
        quarter_forgotten,
        alpha_squared,
        variance_alone,
        products_spread,
        half_for_a_quarter,
        alpha_below,
        slips_to_itself,
        spread_about_the_meant_text,
        spread_about_the_plain_mean,
        square_not_centred,
        slips_lumped,
        noise_turned_round,
        reward_of_the_mean,
    ],
    signs=[slip_not_shared, slip_shared_by_one_too_many, slips_only],
)
def price_of_one_sample(values, pressed, noise, gamma, alpha):
    """(α/4) γ² Var V(s')."""
    return alpha / 4 * gamma**2 * _spread(values, _chances(values, pressed, noise))
