"""The exercises of notebooks/10_arithmetic.ipynb."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.special import softmax
from scipy.stats import norm

from smatch_edu.checks.exercise import exercise

# -- 10.1 --------------------------------------------------------------------------------------------------------


def _addition(rng: np.random.Generator) -> dict[str, Any]:
    """Any base, numbers of different lengths, often a row of digits through which a carry runs, now and then 0 and 0,
    or numbers that are too long for a float."""
    base = int(rng.integers(2, 17))
    p, q = (int(rng.integers(base ** int(rng.integers(1, 6)))) for _ in range(2))
    chance = rng.random()
    if chance < 0.3:
        p, q = base ** int(rng.integers(1, 5)) - 1, int(rng.integers(1, base))
    elif chance < 0.5:  # two digits at a time make base-1
        full = base ** int(rng.integers(2, 5))
        p = int(rng.integers(full))
        q = full - 1 - p + int(rng.integers(1, base))
    elif chance < 0.62:
        p = q = 0
    elif chance > 0.85:
        long = int(61 / math.log2(base)) - 1
        p, q = (int(rng.integers(base**long)) for _ in range(2))
    if rng.random() < 0.5:
        p, q = q, p
    num_digits = 1
    while base**num_digits <= p + q:
        num_digits += 1
    return {"p": p, "q": q, "base": base, "num_digits": num_digits}


def _digits(number: int, base: int, count: int) -> np.ndarray:
    """The highest first."""
    return np.array([number // base**k % base for k in range(count)][::-1])


def _arrives(p, q, base, num_digits, room=lambda unit: unit):
    """For every place, the highest first, whether what stands to its right fills the room there."""
    units = [base**k for k in range(num_digits)][::-1]
    return np.array([int(p % unit + q % unit >= room(unit)) for unit in units])


def _by_hand(p, q, base, num_digits, full):
    """Digit by digit from the right: one is carried where two digits and what arrives reach `full`."""
    carry, marks = 0, []
    for one, two in zip(_digits(p, base, num_digits)[::-1], _digits(q, base, num_digits)[::-1], strict=True):
        marks.append(carry)
        carry = int(one + two + carry >= full)
    return np.array(marks[::-1])


def lowest_digit_first(p, q, base, num_digits):
    """Your marks are right, and stand in the wrong order. Which digit of an answer is typed first?"""
    return _arrives(p, q, base, num_digits)[::-1]


def where_it_is_made(p, q, base, num_digits):
    """You mark the place where a carry is *made*. Which digit of the answer comes out wrong if somebody forgets it?"""
    units = [base**k for k in range(1, num_digits + 1)][::-1]
    return np.array([int(p % unit + q % unit >= unit) for unit in units])


def two_digits_alone(p, q, base, num_digits):
    """You look at two digits by themselves. In 99+1 the middle place gets a 1, and hands on another: what should be
    added to the two digits?"""
    full = _digits(p, base, num_digits) + _digits(q, base, num_digits) >= base
    return np.append(full[1:], False).astype(int)


def lost_where_the_shorter_one_ends(returned, p, q, base, num_digits):
    """Your carries stop where the shorter number ends. In 99+1 the second place has one digit only: may nothing arrive
    there, or leave?"""
    units = [base ** max(k - 1, 0) for k in range(num_digits)][::-1]
    both = np.array([min(p, q) >= unit for unit in units])
    return np.array_equal(returned, _arrives(p, q, base, num_digits) * both)


def digit_unlike_the_sum_of_two(p, q, base, num_digits):
    """You compare the digit of the answer with the sum of the two above it. They differ also where a carry *leaves*:
    how much of that sum stays at its place?"""
    one, two, answer = (_digits(number, base, num_digits) for number in (p, q, p + q))
    return (one + two != answer).astype(int)


def looked_to_the_left(p, q, base, num_digits):
    """You look at what stands at a place and to its *left*. From which side does a carry come? (`//` and `%` split a
    number in two: which of them keeps the digits on that side?)"""
    units = [base**k for k in range(num_digits)][::-1]
    return np.array([int(p // unit + q // unit >= base) for unit in units])


def power_of_a_digit(p, q, base, num_digits):
    """You take the last digit, and then a power of that digit. What do the last *k* digits stand for: of what is the
    power to be taken?"""
    ones = p % base, q % base
    return np.array([int(sum(one**k for one in ones) >= base**k) for k in range(num_digits)][::-1])


def digits_lost_in_a_float(returned, p, q, base, num_digits):
    """Only long numbers go wrong. A float holds some sixteen digits and no more: is there a `/` in your lines, or a
    `float`?"""
    return max(p, q) >= 2**53


def base_ten_always(returned, p, q, base, num_digits):
    """You carry when ten is reached. In base 6 there is no digit for six: when must one carry there?"""
    ways = [_arrives(p, q, 10, num_digits), _by_hand(p, q, base, num_digits, 10)]
    return any(np.array_equal(returned, way) for way in ways)


def just_full_is_not_enough(returned, p, q, base, num_digits):
    """You carry nothing when a place is filled exactly, as in 5+5. Which digit would you write there?"""
    ways = [_arrives(p, q, base, num_digits, lambda unit: unit + 1), _by_hand(p, q, base, num_digits, base + 1)]
    return any(np.array_equal(returned, way) for way in ways)


def carried_too_early(returned, p, q, base, num_digits):
    """You carry one too early: 4+5 makes 9, for which there is a digit. What is the first sum for which there is
    none?"""
    rooms = [lambda unit: unit - 1, lambda unit: max(unit - 1, 1)]
    ways = [_arrives(p, q, base, num_digits, room) for room in rooms] + [_by_hand(p, q, base, num_digits, base - 1)]
    return any(np.array_equal(returned, way) for way in ways)


def first_digit_left_out(p, q, base, num_digits):
    """You never mark the first digit. In 60+50=110 where does the first 1 come from?"""
    marks = _arrives(p, q, base, num_digits)
    marks[0] = 0
    return marks


def nothing_before_both_numbers(p, q, base, num_digits):
    """Where the answer is longer than both numbers, you leave its first digit unmarked. Neither p nor q has a digit
    there: who put the 1 into that place?"""
    marks = _arrives(p, q, base, num_digits)
    marks[0] *= max(p, q) >= base ** (num_digits - 1)
    return marks


def once_and_for_all(p, q, base, num_digits):
    """Once a carry was made, you mark all places to the left of it. What becomes of a carry at a place that has room
    for it?"""
    return np.maximum.accumulate(_arrives(p, q, base, num_digits)[::-1])[::-1]


def carries_counted(returned, p, q, base, num_digits):
    """You count the carries, from the right up to each place. Of each place by itself one thing is wanted: does
    something arrive there, or not?"""
    ways = _arrives(p, q, base, num_digits), where_it_is_made(p, q, base, num_digits)
    return any(np.array_equal(returned, np.cumsum(marks[::-1])[::-1]) for marks in ways)


def digits_of_the_answer(p, q, base, num_digits):
    """These are the digits of the answer. For each of them only one thing is wanted: did something arrive from its
    right?"""
    return _digits(p + q, base, num_digits)


def zeros_and_ones_exchanged(p, q, base, num_digits):
    """You mark the places where nothing arrives. Which of the two shall be the 1?"""
    return 1 - _arrives(p, q, base, num_digits)


def digits_without_carries(p, q, base, num_digits):
    """You add digit to digit and drop what is too much. Nearly there: how does that differ from the real answer, and
    where?"""
    return (_digits(p, base, num_digits) + _digits(q, base, num_digits)) % base


@exercise(
    "10.1",
    draw=_addition,
    inputs="random additions in bases 2 to 16",
    mistakes=[
        lowest_digit_first,
        where_it_is_made,
        two_digits_alone,
        digit_unlike_the_sum_of_two,
        looked_to_the_left,
        power_of_a_digit,
        first_digit_left_out,
        nothing_before_both_numbers,
        once_and_for_all,
        digits_of_the_answer,
        zeros_and_ones_exchanged,
        digits_without_carries,
    ],
    signs=[
        lost_where_the_shorter_one_ends,
        just_full_is_not_enough,
        base_ten_always,
        carried_too_early,
        carries_counted,
    ],
    guesses=[digits_lost_in_a_float],
)
def where_a_carry_arrives(p, q, base, num_digits):
    """1 at each digit of p+q to which a carry comes, the highest digit first."""
    return _arrives(p, q, base, num_digits)


# -- 10.2 --------------------------------------------------------------------------------------------------------


def _resampled(rng: np.random.Generator) -> dict[str, Any]:
    """Right or wrong, differences of those, or any numbers; and the draws, so that there is one right answer."""
    count, rounds = int(rng.integers(8, 40)), int(rng.integers(50, 200))
    kinds = [rng.random(count) < 0.7, rng.integers(-1, 2, size=count), rng.normal(0.5, 2.0, size=count)]
    return {
        "scores": np.asarray(kinds[rng.integers(3)], dtype=np.float64),
        "picks": rng.integers(count, size=(rounds, count)),
        "level": float(rng.choice([0.5, 0.8, 0.9, 0.95])),
    }


def _ends(values, level):
    return np.quantile(values, [(1 - level) / 2, (1 + level) / 2])


def all_on_one_side(scores, picks, level):
    """At each end you leave out all that may be left out at both together. How much is left for one of them?"""
    return np.quantile(scores[picks].mean(axis=1), [1 - level, level])


def level_at_the_top(scores, picks, level):
    """Your lower end is right. If `level` of the means shall lie *between* the two ends, how many lie below the upper
    one?"""
    return np.quantile(scores[picks].mean(axis=1), [(1 - level) / 2, level])


def from_the_bottom_up(scores, picks, level):
    """You leave out nothing at the bottom, and everything at the top. How are the means that are left out to be
    shared?"""
    return np.quantile(scores[picks].mean(axis=1), [0, level])


def from_the_top_down(scores, picks, level):
    """You leave out nothing at the top, and everything at the bottom. How are the means that are left out to be
    shared?"""
    return np.quantile(scores[picks].mean(axis=1), [1 - level, 1])


def shares_for_percent(scores, picks, level):
    """Both your ends lie among the smallest means. `np.percentile` counts from 0 to 100: which function counts from 0
    to 1, as a share does?"""
    return np.percentile(scores[picks].mean(axis=1), [(1 - level) / 2, (1 + level) / 2])


def kept_between_0_and_1(scores, picks, level):
    """You keep your ends between 0 and 1. A score may be the difference of two, as in (10.4): can its mean be below
    0?"""
    return np.clip(_ends(scores[picks].mean(axis=1), level), 0, 1)


def picks_not_used(scores, picks, level):
    """These are ends of the scores themselves. A mean of many lies closer to the middle than a score does: the spread
    of which of the two is wanted?"""
    return _ends(scores, level)


def numbers_of_questions_averaged(scores, picks, level):
    """You average the numbers of the questions that were drawn. They only say *which* questions came: where is it
    written how these were answered?"""
    return _ends(picks.mean(axis=1), level)


def each_question_once(scores, picks, level):
    """You count a question once in a new exam, however often it was drawn. Drawn with replacement, it may come twice:
    what should it then count?"""
    return _ends([scores[np.unique(row)].mean() for row in picks], level)


def means_not_taken(scores, picks, level):
    """You throw all draws into one bag. What is to be computed of each row of `picks`, before anything is sorted?"""
    return _ends(scores[picks].ravel(), level)


def rows_and_columns_exchanged(scores, picks, level):
    """Your means run over the wrong axis. Does a row or a column of `picks` hold one new exam?"""
    return _ends(scores[picks].mean(axis=0), level)


def sums_instead_of_means(scores, picks, level):
    """You add up the scores of each new exam. An exam with twice as many questions would get twice as much: what is a
    share?"""
    return _ends(scores[picks].sum(axis=1), level)


def medians(scores, picks, level):
    """You take the middle one of each row. The median of zeros and ones is mostly 0 or 1: which number are we unsure
    of?"""
    return _ends(np.median(scores[picks], axis=1), level)


def mirrored(scores, picks, level):
    """You mirror the ends at the estimate. There is such an interval, too, but the one in the text is plainer: between
    what do the means lie?"""
    return 2 * scores.mean() - _ends(scores[picks].mean(axis=1), level)[::-1]


def upper_end_first(scores, picks, level):
    """Your two ends are right, and in the wrong order. Which one comes first?"""
    return _ends(scores[picks].mean(axis=1), level)[::-1]


def all_means_between(scores, picks, level):
    """Between your ends lie all of the means. With more draws they would move further apart for ever: how many of the
    means shall be inside?"""
    return _ends(scores[picks].mean(axis=1), 1.0)


def level_ignored(scores, picks, level):
    """Your interval is the same for every level. Which of the arguments have you not used?"""
    return _ends(scores[picks].mean(axis=1), 0.95)


def level_taken_for_the_rest(scores, picks, level):
    """Your interval gets narrower as `level` grows. Who wants to be surer, must she say more, or less?"""
    return _ends(scores[picks].mean(axis=1), 1 - level)


def far_from_the_estimate(scores, picks, level):
    """You return how far the ends are from the estimate. Where do they lie themselves?"""
    return np.abs(_ends(scores[picks].mean(axis=1), level) - scores.mean())


def ends_about_zero(scores, picks, level):
    """Your interval lies about 0. Did you take the mean away, and forget to put it back?"""
    return _ends(scores[picks].mean(axis=1), level) - scores.mean()


def scores_made_right_or_wrong(returned, scores, picks, level):
    """You count questions that are right. What does a score of -1, or of 0.3, add to the mean?"""
    ways = scores > 0.5, scores > 0, scores >= 0.5, scores == 1, scores != 0
    return any(np.allclose(returned, _ends(way[picks].mean(axis=1), level), atol=1e-6) for way in ways)


def a_bell_drawn(returned, scores, picks, level):
    """You draw a bell curve about the estimate, with the spread of the means. That is near. But the means are here: do
    you need to suppose a shape?"""
    means, one = scores[picks].mean(axis=1), scores.std() / math.sqrt(len(scores))
    spreads = [means.std(), means.std(ddof=1), one, scores.std(ddof=1) / math.sqrt(len(scores))]
    widths = np.outer(spreads, [norm.ppf((1 + level) / 2), 1.96]).ravel()
    bells = [centre + width * np.array([-1, 1]) for centre in (means.mean(), scores.mean()) for width in widths]
    return any(np.allclose(returned, bell, atol=1e-4) for bell in bells)


def divided_once_more(returned, scores, picks, level):
    """You divide the spread of the means by a square root. A mean of many scatters less than one score, and that is in
    the means already: what is left to divide?"""
    means, wide = scores[picks].mean(axis=1), [norm.ppf((1 + level) / 2), 1.96]
    bells = [
        centre + width * means.std(ddof=ddof) / math.sqrt(count) * np.array([-1, 1])
        for centre in (means.mean(), scores.mean())
        for width in wide
        for ddof in (0, 1)
        for count in picks.shape
    ]
    return any(np.allclose(returned, bell, atol=1e-5) for bell in bells)


def neighbours_in_the_sorted_list(returned, scores, picks, level):
    """You take two of the sorted means. Between two neighbours there is a gap: which function of numpy divides it, as
    the card says?"""
    means, right = np.sort(scores[picks].mean(axis=1)), mean_by_bootstrap.oracle(scores, picks, level)
    places = np.clip(np.searchsorted(means, right)[:, None] + np.arange(-2, 3), 0, len(means) - 1)
    return all(
        np.isclose(means[row], end, atol=1e-6).any() for row, end in zip(places, np.ravel(returned), strict=True)
    )


def drawn_again(returned, scores, picks, level):
    """Your ends come near, and not nearer. Did you draw anew? The draws are given, so that everybody gets the same
    ends."""
    means = scores[picks].mean(axis=1)
    near = 15 * means.std() / math.sqrt(len(means)) + np.abs(scores).max() / len(scores)  # as near as draws come
    return bool(np.abs(returned - _ends(means, level)).max() < near)


@exercise(
    "10.2",
    draw=_resampled,
    inputs="random exams",
    mistakes=[
        all_on_one_side,
        level_at_the_top,
        from_the_bottom_up,
        from_the_top_down,
        shares_for_percent,
        kept_between_0_and_1,
        picks_not_used,
        numbers_of_questions_averaged,
        each_question_once,
        means_not_taken,
        rows_and_columns_exchanged,
        sums_instead_of_means,
        medians,
        mirrored,
        upper_end_first,
        all_means_between,
        level_ignored,
        level_taken_for_the_rest,
        far_from_the_estimate,
        ends_about_zero,
    ],
    signs=[scores_made_right_or_wrong, a_bell_drawn, divided_once_more, neighbours_in_the_sorted_list],
    guesses=[drawn_again],
)
def mean_by_bootstrap(scores, picks, level):
    """The two ends between which `level` of the resampled means lie."""
    return _ends(scores[picks].mean(axis=1), level)


# -- 10.3 --------------------------------------------------------------------------------------------------------


def _keys(rng: np.random.Generator) -> dict[str, Any]:
    """Any temperature, 0 as well; mostly something is forbidden, and often it is the likeliest; sometimes the two
    likeliest are nearly alike; often all logits are negative."""
    count = int(rng.integers(3, 9))
    logits = rng.normal(0.5, 2.0, size=count)
    if rng.random() < 0.5:
        logits -= logits.max() + rng.uniform(0.1, 2.0)
    allowed = np.ones(count, dtype=bool)
    if rng.random() < 0.85:
        allowed[rng.choice(count, size=int(rng.integers(1, count - 1)), replace=False)] = False
        if rng.random() < 0.5:
            allowed[logits.argmax()] = False
    temperature = float(rng.choice([0.0, rng.uniform(0.2, 0.9), 1.0, rng.uniform(1.2, 3.0)]))
    best = np.flatnonzero(allowed)[np.argsort(logits[allowed])][-2:]
    if temperature == 0 and len(best) == 2 and rng.random() < 0.4:
        logits[rng.permutation(best)] = logits[best[1]] + np.array([0, 1e-3])
    return {
        "logits": logits,
        "temperature": temperature,
        "allowed": allowed,
    }


def _policy(logits, temperature):
    """A softmax; all on the largest at temperature 0."""
    if temperature == 0:
        return (np.arange(len(logits)) == np.argmax(logits)).astype(np.float64)
    return softmax(logits / temperature)


def _without(logits, allowed):
    return np.where(allowed, logits, -np.inf)


def _alike(returned, *ways):
    return any(np.allclose(returned, way, rtol=1e-4, atol=1e-6) for way in ways)


def forbidden_and_not_made_up(returned, logits, temperature, allowed):
    """Your probabilities do not sum to 1: those of the forbidden keys are gone. Something is pressed all the same: what
    happens to the others?"""
    return _alike(returned, _policy(logits, temperature) * allowed)


def all_forbidden_if_the_likeliest_is(logits, temperature, allowed):
    """Above temperature 0 all is well. At 0 you look for the largest logit first, and ask afterwards whether it is
    allowed: what is left, if it is not?"""
    if temperature == 0:
        return _policy(logits, 0) * allowed
    return policy_with_keys_forbidden.oracle(logits, temperature, allowed)


def greedy_takes_what_is_forbidden(logits, temperature, allowed):
    """At temperature 0 you press the likeliest of *all* keys. May she press it?"""
    if temperature == 0:
        return _policy(logits, 0)
    return policy_with_keys_forbidden.oracle(logits, temperature, allowed)


def place_among_the_allowed(logits, temperature, allowed):
    """Above temperature 0 all is well. At 0 you find the best of the allowed keys, and press another: its place was
    counted without the forbidden ones. Where does it stand among all?"""
    if temperature == 0:
        return (np.arange(len(logits)) == np.argmax(logits[allowed])).astype(np.float64)
    return policy_with_keys_forbidden.oracle(logits, temperature, allowed)


def logit_of_zero(returned, logits, temperature, allowed):
    """You set the logits of forbidden keys to 0. Is a key with logit 0 never pressed? Which logit has probability 0?"""
    return _alike(returned, _policy(np.where(allowed, logits, 0), temperature))


def nothing_forbidden(logits, temperature, allowed):
    """Your forbidden keys have a probability. Which of the arguments have you not used?"""
    return _policy(logits, temperature)


def allowed_for_forbidden(returned, logits, temperature, allowed):
    """You forbid what is allowed. What does True mean in `allowed`?"""
    return None if allowed.all() else _alike(returned, _policy(_without(logits, ~allowed), temperature))


def multiplied_by_the_temperature(logits, temperature, allowed):
    """Your typist is surer when it is hot, and presses anything when it is cold. Which way round should it be: is a
    logit multiplied?"""
    if temperature == 0:
        return policy_with_keys_forbidden.oracle(logits, temperature, allowed)
    return _policy(_without(logits, allowed), 1 / temperature)


def multiplied_also_at_zero(logits, temperature, allowed):
    """At temperature 0 you press all allowed keys alike. The colder, the surer: what is left of the choice at 0?"""
    return np.where(allowed, softmax(_without(logits * max(temperature, 1e-12), allowed)), 0)


def temperature_ignored(returned, logits, temperature, allowed):
    """Your answer is the same at every temperature above 0. Where does T stand in (10.2)? (A factor that all
    probabilities have is gone as soon as they are made to sum to 1.)"""
    return _alike(returned, _policy(_without(logits, allowed), 1.0))


def greedy_always(logits, temperature, allowed):
    """Your typist is greedy at every temperature. Asked "what do you think?", would she never name her second
    choice?"""
    return policy_with_keys_forbidden.oracle(logits, 0, allowed)


def zero_taken_for_one(logits, temperature, allowed):
    """Above temperature 0 all is well. At 0 you leave the logits as they are, which is temperature 1: what do the
    probabilities come to, if T becomes smaller and smaller?"""
    return _policy(_without(logits, allowed), temperature or 1.0)


def any_key_at_zero(logits, temperature, allowed):
    """Above temperature 0 all is well. At 0 you press all allowed keys alike: that is what great heat does. What does
    cold do?"""
    if temperature == 0:
        return allowed / allowed.sum()
    return _policy(_without(logits, allowed), temperature)


def powers_not_made_up(logits, temperature, allowed):
    """You take the power 1/T of each probability. A good way; but what must be done before they are probabilities
    again?"""
    if temperature == 0:
        return policy_with_keys_forbidden.oracle(logits, temperature, allowed)
    return softmax(_without(logits, allowed)) ** (1 / temperature)


def above_the_line_only(logits, temperature, allowed):
    """You have what stands above the fraction line of (10.2). What do these numbers sum to, and what should they?"""
    if temperature == 0:
        return policy_with_keys_forbidden.oracle(logits, temperature, allowed)
    return np.exp(_without(logits, allowed) / temperature)


def softmax_of_probabilities(logits, temperature, allowed):
    """You divide the probabilities by T, and take a softmax of them. There are two softmaxes now: of what should the
    one be taken?"""
    if temperature == 0:
        return policy_with_keys_forbidden.oracle(logits, temperature, allowed)
    return softmax(_without(softmax(_without(logits, allowed)) / temperature, allowed))


def shared_evenly(logits, temperature, allowed):
    """You give each allowed key the same part of what the forbidden ones had. Should a key that she hardly ever
    presses gain as much as her favourite?"""
    kept = _policy(logits, temperature) * allowed
    return kept + allowed * (1 - kept.sum()) / allowed.sum()


def given_to_the_likeliest(logits, temperature, allowed):
    """You give all that the forbidden keys had to the likeliest allowed one. Suppose that she only forgot about those
    keys: would that change which of two others she prefers, and how much?"""
    kept = _policy(logits, temperature) * allowed
    kept[np.argmax(_without(logits, allowed))] += 1 - kept.sum()
    return kept


def divided_by_the_temperature_afterwards(logits, temperature, allowed):
    """You divide probabilities by T. Then they sum to 1/T: is it the probabilities that T divides?"""
    if temperature == 0:
        return policy_with_keys_forbidden.oracle(logits, temperature, allowed)
    return softmax(_without(logits, allowed)) / temperature


def logarithms(returned, logits, temperature, allowed):
    """These are logarithms of probabilities. How do you come from there to numbers that sum to 1?"""
    right = policy_with_keys_forbidden.oracle(logits, temperature, allowed)
    seen = right > 1e-9  # the logarithm of 0 may be cut off anywhere
    return _alike(returned[seen], np.log(right[seen])) and bool(np.all(returned[~seen] < -1))


def a_small_number_for_zero(returned, logits, temperature, allowed):
    """At temperature 0 you divide by a small number instead. However small it is, two logits may be closer to each
    other than that: who gets everything in the limit?"""
    small = [0.2, 0.1, 0.05, 0.02, 0.01, 1e-3, 1e-4]
    return temperature == 0 and _alike(returned, *(_policy(_without(logits, allowed), one) for one in small))


@exercise(
    "10.3",
    draw=_keys,
    inputs="random rows of logits",
    mistakes=[
        all_forbidden_if_the_likeliest_is,
        greedy_takes_what_is_forbidden,
        place_among_the_allowed,
        nothing_forbidden,
        multiplied_by_the_temperature,
        multiplied_also_at_zero,
        greedy_always,
        zero_taken_for_one,
        any_key_at_zero,
        powers_not_made_up,
        above_the_line_only,
        softmax_of_probabilities,
        shared_evenly,
        given_to_the_likeliest,
        divided_by_the_temperature_afterwards,
    ],
    signs=[
        forbidden_and_not_made_up,
        logit_of_zero,
        allowed_for_forbidden,
        temperature_ignored,
        logarithms,
        a_small_number_for_zero,
    ],
)
def policy_with_keys_forbidden(logits, temperature, allowed):
    """softmax(ℓ/T) over the allowed keys; all on the likeliest of them at T = 0."""
    return _policy(_without(logits, allowed), temperature)


# -- 10.4 --------------------------------------------------------------------------------------------------------


def _typed(rng: np.random.Generator) -> dict[str, Any]:
    """An answer as it was typed: mostly right digits, slips (half of them to a digit of the answer), deletions of right
    and of wrong ones, an end or none; sometimes the answer to a sum of 0."""
    right = "".join(rng.choice(list("0123456789"), size=int(rng.integers(1, 7)))) if rng.random() < 0.92 else "0"
    text, keys = "", ""
    for _ in range(int(rng.integers(1, 14))):
        chance = rng.random()
        if text and chance < 0.35:
            text, keys = text[:-1], keys + "⌫"
        else:
            place = min(len(text), len(right) - 1)
            slip = rng.choice(list(right if rng.random() < 0.5 else "0123456789"))
            digit = right[place] if chance < 0.75 else str(slip)
            text, keys = text + digit, keys + digit
    return {"right": right, "keys": keys + "⏎" * int(rng.random() < 0.8)}


def _counts(right, keys, is_wrong=None):
    """Deleted, deleted and wrong, typed and wrong. `is_wrong` judges a text by its last digit."""
    is_wrong = is_wrong or (lambda text: not right.startswith(text))
    text, deleted, deleted_wrong, wrong = "", 0, 0, 0
    for key in keys:
        if key == "⌫":
            deleted, deleted_wrong, text = deleted + 1, deleted_wrong + is_wrong(text), text[:-1]
        elif key != "⏎":
            text += key
            wrong += is_wrong(text)
    return np.array([deleted, deleted_wrong, wrong])


def digit_by_digit(right, keys):
    """You hold each digit against the one that belongs at its place. After a wrong digit the text begins no right
    answer any more: what of the digits that follow?"""
    return _counts(right, keys, lambda text: text[-1:] != right[len(text) - 1 : len(text)])


def looked_after_deleting(right, keys):
    """You look at the text when the digit is gone already. Which text tells whether *that* digit was wrong?"""
    text, counts = "", np.zeros(3, dtype=int)
    for key in keys:
        if key == "⌫":
            text = text[:-1]
            counts += [1, not right.startswith(text), 0]
        elif key != "⏎":
            text += key
            counts[2] += not right.startswith(text)
    return counts


def place_in_the_row_of_keys(returned, right, keys):
    """You count a digit's place by the keys before it, deleted ones and ⌫ included. Where does it stand on the
    screen?"""
    wrong = sum(key not in "⌫⏎" and right[i : i + 1] != key for i, key in enumerate(keys))
    if wrong == _counts(right, keys)[2]:
        return None
    return bool(returned[0] == keys.count("⌫") and returned[2] == wrong)


def every_digit_is_wrong(right, keys):
    """Your third number counts every digit that was typed. Which of them was wrong, as it was typed?"""
    counts = _counts(right, keys)
    return np.array([*counts[:2], sum(key not in "⌫⏎" for key in keys)])


def nothing_taken_away(returned, right, keys):
    """On your screen deleted digits stay, and so everything after a slip is wrong. What does ⌫ do to the text?"""
    text, with_keys, standing = "", "", list[bool]()
    now, popped, shown = (np.zeros(3, dtype=int) for _ in range(3))  # three ways to judge what ⌫ deletes
    for key in keys.replace("⏎", ""):
        if key == "⌫":
            now += [1, not right.startswith(text), 0]
            popped += [1, standing.pop(), 0]
            shown += [1, not right.startswith(with_keys), 0]
        else:
            text += key
            standing.append(not right.startswith(text))
            now[2] += standing[-1]
            popped[2] += standing[-1]
            shown[2] += not right.startswith(with_keys + key)
        with_keys += key
    return any(np.array_equal(returned, way) for way in (now, popped, shown))


def enter_is_a_digit(right, keys):
    """You judge ⏎ as if it were a digit. It ends the answer: is it on the screen?"""
    return _counts(right, keys) + [0, 0, "⏎" in keys]


def backspace_is_a_digit(right, keys):
    """You count each ⌫ among the wrong digits that were typed. Does ⌫ type one?"""
    counts = _counts(right, keys)
    return counts + [0, 0, counts[0]]


def runs_counted(right, keys):
    """Several ⌫ in a row count as one in your answer. How many digits do they delete?"""
    runs = sum(key == "⌫" and before != "⌫" for before, key in zip(" " + keys, keys, strict=False))
    return np.array([runs, *_counts(right, keys)[1:]])


def first_of_a_row_judged(right, keys):
    """Of several ⌫ in a row you judge the first one only. What do the others delete?"""
    text, deleted_wrong, before = "", 0, ""
    for key in keys:
        if key == "⌫":
            deleted_wrong += before != "⌫" and not right.startswith(text)
            text = text[:-1]
        elif key != "⏎":
            text += key
        before = key
    counts = _counts(right, keys)
    return np.array([counts[0], deleted_wrong, counts[2]])


def judged_by_the_key_before(right, keys):
    """You take the key before a ⌫ for what it deletes. After ⌫⌫ that is another ⌫: which digit is it that goes?"""
    text, judged, counts = "", list[bool](), np.zeros(3, dtype=int)
    for key in keys:
        if key == "⌫":
            counts += [1, judged[-1], 0]
            text = text[:-1]
        elif key != "⏎":
            text += key
            counts[2] += not right.startswith(text)
            judged.append(not right.startswith(text))
    return counts


def only_what_stands_at_the_end(right, keys):
    """You count the wrong digits that are left at the end. Those that were typed and taken back were typed as well:
    what would recall be otherwise?"""
    deleted, deleted_wrong, wrong = _counts(right, keys)
    return np.array([deleted, deleted_wrong, wrong - deleted_wrong])


def too_long_is_fine(right, keys):
    """You find nothing wrong with digits after the end of the right answer. Does 1384 begin with 13845?"""
    return _counts(right, keys, lambda text: not (right.startswith(text) or text.startswith(right)))


def anywhere_will_do(right, keys):
    """You take a digit for right if it comes anywhere in the answer. Is 4831 as good as 1384?"""
    return _counts(right, keys, lambda text: text[-1:] not in right)


def found_anywhere(right, keys):
    """You look for the screen anywhere in the right answer. 84 is in 1384: whoever has typed 84, can she still come to
    1384 without a ⌫?"""
    return _counts(right, keys, lambda text: text not in right)


def not_complete_yet(right, keys):
    """You hold the screen against the whole answer. Is 13 a mistake on the way to 1384?"""
    return _counts(right, keys, lambda text: text != right)


def the_other_way_round(right, keys):
    """You ask whether the screen begins with the right answer. Of the two, which one is the shorter, while one still
    types?"""
    return _counts(right, keys, lambda text: not text.startswith(right))


def only_where_it_went_wrong(right, keys):
    """You count the digit with which it goes wrong, and not those that follow. What does the text say of them?"""
    return _counts(right, keys, lambda text: right.startswith(text[:-1]) and not right.startswith(text))


def one_deletion_heals(right, keys):
    """After one ⌫ all is well again on your screen. If two wrong digits were typed and one is gone, what still stands
    there?"""
    length, wrong, counts = 0, False, np.zeros(3, dtype=int)
    for key in keys.replace("⏎", ""):
        if key == "⌫":
            counts += [1, wrong, 0]
            length, wrong = length - 1, False
        else:
            wrong = wrong or right[length : length + 1] != key
            length, counts[2] = length + 1, counts[2] + wrong
    return counts


def typed_for_deleted(right, keys):
    """Your first number says how many digits were typed. Below which fraction line of (10.3) would that stand?"""
    return _counts(right, keys) * [0, 1, 1] + [sum(key not in "⌫⏎" for key in keys), 0, 0]


def right_for_wrong(right, keys):
    """You count right digits where wrong ones are asked for. When is `startswith` True?"""
    return _counts(right, keys, right.startswith)


def another_order(returned, right, keys):
    """Your three numbers are right, and in another order. Which one comes first on the card?"""
    return np.array_equal(np.sort(np.ravel(returned)), np.sort(_counts(right, keys)))


def yes_or_no(right, keys):
    """You count at most one wrong digit in an answer. After one slip several wrong ones may follow: how many were
    typed?"""
    deleted, deleted_wrong, wrong = _counts(right, keys)
    return np.array([deleted, deleted_wrong, min(wrong, 1)])


def two_counts_exchanged(right, keys):
    """Your numbers are right, and the last two have changed places. Which comes first?"""
    return _counts(right, keys)[[0, 2, 1]]


def right_ones_counted(right, keys):
    """Your second number counts deleted digits that were *right*. What is a ⌫ for?"""
    deleted, deleted_wrong, wrong = _counts(right, keys)
    return np.array([deleted, deleted - deleted_wrong, wrong])


def every_deleted_one_was_wrong(right, keys):
    """You take every deleted digit for wrong. May a typist not take back a right one?"""
    deleted, _, wrong = _counts(right, keys)
    return np.array([deleted, deleted, wrong])


def shares_instead_of_counts(returned, right, keys):
    """These are shares. They come when the counts of many answers have been added up: which counts does one answer
    give?"""
    deleted, deleted_wrong, wrong = _counts(right, keys)
    if not 0 < deleted_wrong < max(deleted, wrong):
        return None  # precision and recall are 0 or 1, or have nothing to divide
    return all(np.isclose(returned, deleted_wrong / many).any() for many in (deleted, wrong))


@exercise(
    "10.4",
    draw=_typed,
    inputs="random answers as they were typed",
    mistakes=[
        digit_by_digit,
        looked_after_deleting,
        every_digit_is_wrong,
        enter_is_a_digit,
        backspace_is_a_digit,
        runs_counted,
        first_of_a_row_judged,
        judged_by_the_key_before,
        only_what_stands_at_the_end,
        too_long_is_fine,
        anywhere_will_do,
        found_anywhere,
        not_complete_yet,
        the_other_way_round,
        only_where_it_went_wrong,
        one_deletion_heals,
        typed_for_deleted,
        right_for_wrong,
        yes_or_no,
        two_counts_exchanged,
        right_ones_counted,
        every_deleted_one_was_wrong,
    ],
    signs=[place_in_the_row_of_keys, nothing_taken_away, another_order, shares_instead_of_counts],
)
def what_the_key_was_used_for(right, keys):
    """Digits deleted, wrong digits deleted, wrong digits typed."""
    return _counts(right, keys)
