"""The exercises of notebooks/assignments/set_5_research.ipynb."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from smatch_edu.checks.exercise import Exercise, exercise
from smatch_edu.checks.values import numbers as as_numbers
from smatch_edu.exact import StringMDP

# -- S5.1 --------------------------------------------------------------------------------------------------------


def _protocol(rng: np.random.Generator) -> dict[str, Any]:
    """Sizes in any order, some of them 0, twice, or large; words that nobody says; one word or several; now and then a
    u that is exactly the sum of the chances before a word."""
    words = int(rng.integers(1, 8))
    chances = rng.exponential(size=words) * (rng.random(words) < 0.75)
    chances[rng.integers(words)] += 0.2
    sizes = rng.integers(0, 40, size=int(rng.integers(1, 5)))
    if rng.random() < 0.3:
        sizes[rng.integers(len(sizes))] = int(rng.choice([0, sizes[0]]))
    if rng.random() < 0.15:
        sizes[rng.integers(len(sizes))] = int(rng.integers(100, 1000))
    seed, chances = int(rng.integers(1_000_000)), chances / chances.sum()
    if rng.random() < 0.15:
        edge = float(np.random.default_rng(seed).random(10)[rng.integers(10)])  # u and 1 - u sum to 1 exactly
        chances = np.array([0.0, edge, 0.0, 1 - edge])
        sizes[-1] = max(10, sizes[-1])
    return {"seed": seed, "chances": chances, "sizes": [int(size) for size in sizes]}


def _words_of(uniform: np.ndarray, chances: np.ndarray) -> np.ndarray:
    """The first word k with u < P(0) + … + P(k)."""
    cumulative = np.cumsum(chances)
    return np.searchsorted(cumulative / cumulative[-1], uniform, side="right")


def _counts(drawn: Sequence[np.ndarray], words: int) -> np.ndarray:
    return np.array([np.bincount(one, minlength=words) for one in drawn])


def _nested(seed: int, chances: np.ndarray, sizes: Sequence[int], shift: int = 0) -> np.ndarray:
    drawn = _words_of(np.random.default_rng(seed).random(max(sizes) + shift), chances)[shift:]
    return _counts([drawn[:size] for size in sizes], len(chances))


def a_sample_of_its_own_for_each_size(seed, chances, sizes):
    """You draw anew for each size from one generator. Then a larger sample differs from a smaller one in *all* of its
    words: which words must they share?"""
    rng = np.random.default_rng(seed)
    return _counts([_words_of(rng.random(size), chances) for size in sizes], len(chances))


def counted_by_multinomial(seed, chances, sizes):
    """You draw counts. Then it is not said which words came first: what would the first five words of a sample of ten
    be?"""
    rng = np.random.default_rng(seed)
    return np.array([rng.multinomial(size, chances) for size in sizes])


def old_generator(seed, chances, sizes):
    """These are the numbers of numpy's old generator, which all code in a process shares. The protocol names another
    one."""
    drawn = _words_of(np.random.RandomState(seed).random_sample(max(sizes)), chances)
    return _counts([drawn[:size] for size in sizes], len(chances))


def seed_left_out(seed, chances, sizes):
    """Your result does not change with the seed. Where does it come in?"""
    return _nested(0, chances, sizes)


def last_words_first(seed, chances, sizes):
    """You take the *last* words of the row. With which word does every sample begin?"""
    drawn = _words_of(np.random.default_rng(seed).random(max(sizes)), chances)
    return _counts([drawn[len(drawn) - size :] for size in sizes], len(chances))


def shares_for_counts(seed, chances, sizes):
    """You return shares of the sample. Counts were wanted: whole numbers that sum to the size."""
    counts = _nested(seed, chances, sizes)
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def uniform_words(seed, chances, sizes):
    """Every word is equally likely in your samples. What do `chances` say?"""
    return _nested(seed, np.full(len(chances), 1 / len(chances)), sizes)


def sizes_sorted(seed, chances, sizes):
    """Your rows come in the order of the sizes. They were wanted in the order in which the sizes are given."""
    return _nested(seed, chances, sorted(sizes))


def edge_belongs_to_the_word_before(seed, chances, sizes):
    """A u that is exactly P(0) + … + P(k) gets word k from you. Is it less than that sum? `np.searchsorted` has two
    sides."""
    drawn = np.searchsorted(np.cumsum(chances), np.random.default_rng(seed).random(max(sizes)), side="left")
    return _counts([np.minimum(drawn[:size], len(chances) - 1) for size in sizes], len(chances))


def sizes_not_kept(returned, seed, chances, sizes):
    """Some of your samples have more or fewer words than `sizes` says. How long is the row, and which part of it is a
    sample of n words? (0 is a size, too.)"""
    return bool(np.any(np.abs(returned.sum(axis=1) - sizes) > 1e-6))


def expected_counts(returned, seed, chances, sizes):
    """You return how often each word is to be *expected*. A sample has luck in it: where does the generator come
    in?"""
    return bool(np.all(np.abs(returned - np.outer(sizes, chances)) < 0.5 + 1e-6))


def words_without_a_chance(returned, seed, chances, sizes):
    """There are words in your samples whose chance is 0. How do `chances` come in: with which sums is u compared, and
    for which k is it the first time below?"""
    return True if np.any(returned[:, np.asarray(chances) == 0] > 0) else None


def other_words(returned, seed, chances, sizes):
    """Your samples have the right sizes, and other words than the protocol gives. From which generator, with which
    seed, come your numbers u, and does each stand for the first k with u < P(0) + … + P(k)?"""
    order = np.argsort(sizes, kind="stable")
    return bool(np.all(np.diff(returned[order], axis=0) >= 0))  # still nested


@exercise(
    "S5.1",
    draw=_protocol,
    inputs="random protocols",
    mistakes=[
        a_sample_of_its_own_for_each_size,
        counted_by_multinomial,
        old_generator,
        seed_left_out,
        last_words_first,
        shares_for_counts,
        uniform_words,
        sizes_sorted,
        edge_belongs_to_the_word_before,
    ],
    signs=[sizes_not_kept, words_without_a_chance],
    guesses=[expected_counts, other_words],
)
def demonstrations(seed, chances, sizes):
    """Counts of the first words of one row: the word of the number u is the first k with u < P(0) + … + P(k)."""
    return _nested(seed, chances, sizes)


# -- S5.2 --------------------------------------------------------------------------------------------------------


def _pairs(rng: np.random.Generator) -> dict[str, Any]:
    """One to ten seeds; often in steps of 1/8 or of 1/10, so that there are ties and differences of 0; some means that
    are close and not equal; effects of any size."""
    steps = int(rng.choice([0, 0, 2, 2, 8, 8, 10, 10, 10]))
    count = int(rng.integers({2: 4, 10: 6}.get(steps, 1), 11))
    first, second = rng.normal(size=(2, count)) + rng.normal(size=count)
    first = first + rng.choice([0.0, 0.5, -1.0, 2.0])
    if steps == 10:  # few values, and their sums are not exact
        first, second = first / 4, second / 4
    if steps:
        first, second = np.round(steps * first) / steps, np.round(steps * second) / steps
    if rng.random() < 0.2:
        second = np.where(rng.random(count) < 0.5, first, second)
    if rng.random() < 0.12:
        second = first.copy()
    if steps == 2:
        first = first + rng.integers(4, size=count) * 2.0**-25
    return {"first": first, "second": second}


@functools.lru_cache(maxsize=12)
def _signs(count: int) -> np.ndarray:
    return np.array(list(itertools.product([1.0, -1.0], repeat=count)))


def _flipped(differences: np.ndarray) -> tuple[float, np.ndarray]:
    """The mean, and the means of all patterns of signs."""
    return float(np.mean(differences)), _signs(len(differences)) @ differences / len(differences)


def _tested(first, second, share: Callable[[float, np.ndarray], Any]) -> dict[str, float]:
    mean, flipped = _flipped(np.asarray(first) - np.asarray(second))
    return {"difference": mean, "p": float(share(mean, flipped))}


def one_side_only(first, second):
    """You count patterns with a mean as large as yours, upwards. A mean as far *below* 0 would have surprised as
    much."""
    return _tested(first, second, lambda mean, flipped: np.mean(flipped >= mean - 1e-9))


def one_side_in_its_own_direction(first, second):
    """You count the patterns on the side on which the result happens to lie. Before the experiment, which side would
    that have been?"""
    return _tested(first, second, lambda mean, flipped: np.mean(flipped * np.sign(mean or 1.0) >= abs(mean) - 1e-9))


def ties_not_counted(first, second):
    """You leave out patterns that are exactly as far off as yours. What about the pattern that was observed: is it not
    one of them?"""
    return _tested(first, second, lambda mean, flipped: np.mean(np.abs(flipped) > abs(mean) + 1e-9))


def signs_alone(first, second):
    """You look at the signs of the differences alone. A test of the *mean* asks how large they are, too."""
    mean, flipped = _flipped(np.sign(np.asarray(first) - np.asarray(second)))
    right = paired.oracle(first, second)
    return right | {"p": float(np.mean(np.abs(flipped) >= abs(mean) - 1e-9))}


def order_of_the_arms(first, second):
    """Your difference has the wrong sign: the first arm less the second was wanted."""
    right = paired.oracle(first, second)
    return right | {"difference": -right["difference"]}


def sum_for_the_mean(first, second):
    """Your difference grows with the number of seeds. A mean was wanted."""
    right = paired.oracle(first, second)
    return right | {"difference": right["difference"] * len(first)}


def median_for_the_mean(first, second):
    """You return the median of the differences. The mean was wanted."""
    right = paired.oracle(first, second)
    return right | {"difference": float(np.median(np.asarray(first) - np.asarray(second)))}


def ties_left_out_of_the_mean(first, second):
    """Seeds for which the two arms are equal are missing in your mean. Is that no result? How many seeds were there?"""
    differences = np.subtract(first, second)
    right = paired.oracle(first, second)
    return right | {"difference": float(differences.sum() / max(np.count_nonzero(differences), 1))}


def sign_lost(first, second):
    """Your difference is never below 0. Which arm was better can be seen no more: where are the bars in (S5.1), and
    where not?"""
    right = paired.oracle(first, second)
    return right | {"difference": abs(right["difference"])}


def bars_inside_the_mean(first, second):
    """You compare with the mean of |d|. In (S5.1), which comes first: the mean or the bars?"""
    size = np.mean(np.abs(np.subtract(first, second)))
    return _tested(first, second, lambda mean, flipped: np.mean(np.abs(flipped) >= size - 1e-9))


def one_added(first, second):
    """You add 1 to the count and to the number of patterns, as for patterns that are *drawn*. Here all of them are
    looked at: is yours not counted already?"""
    right = paired.oracle(first, second)
    return right | {"p": (right["p"] * 2 ** len(first) + 1) / (2 ** len(first) + 1)}


def bell_curve(first, second):
    """You use the bell curve for the mean of a few differences. Here all patterns can be counted, without any curve."""
    differences = np.asarray(first) - np.asarray(second)
    spread = np.sqrt(np.sum(differences**2))
    right = paired.oracle(first, second)
    return right | {"p": math.erfc(abs(differences.sum()) / spread / math.sqrt(2)) if spread > 0 else 1.0}


def half_of_the_patterns(first, second):
    """Your p is half of what it should be. With each pattern comes its mirror image: is that not as far from 0?"""
    right = paired.oracle(first, second)
    return right | {"p": right["p"] / 2}


def chance_of_being_right(first, second):
    """You return 1 less the share that was wanted. Is a small p a sign of a difference, or of none?"""
    right = paired.oracle(first, second)
    return right | {"p": 1 - right["p"]}


def above_one(returned, first, second):
    """Your p is above 1. It is a share of the patterns: by what do you divide, and is any pattern counted twice?"""
    return float(returned["p"]) > 1 + 1e-9


def another_room(returned, first, second):
    """Means that are equal on paper may differ in their last digits, and others are close without being equal. How far
    apart may two means be in your comparison, and how far in the text?"""
    differences = np.subtract(first, second)
    mean, flipped = _flipped(differences)
    p, right = float(returned["p"]), paired.oracle(first, second)
    if abs(float(returned["difference"]) - mean) > 1e-5 * (1 + abs(mean)):
        return False
    if p > right["p"]:
        return bool(p <= np.mean(np.abs(flipped) >= abs(mean) - 0.01 * (1 + abs(mean))) + 1e-9)
    exact = np.all(differences * 2**30 == np.round(differences * 2**30))  # no rounding in any sum
    return bool(not exact and p >= np.mean(np.abs(flipped) > abs(mean) + 1e-9) - 1e-9)


def not_paired(returned, first, second):
    """You shuffle all numbers as if they had no partners. A seed's two numbers share its luck: what may be exchanged
    if the arms are alike?"""
    size = len(first)
    if size > 5:
        return None  # too many ways to look at
    both = np.concatenate([first, second])
    ones = np.array([both[list(chosen)].sum() for chosen in itertools.combinations(range(2 * size), size)])
    means = (2 * ones - both.sum()) / size
    p = np.mean(np.abs(means) >= abs(np.mean(np.subtract(first, second))) - 1e-9)
    return bool(abs(float(returned["p"]) - p) < 1e-5)


def patterns_drawn(returned, first, second):
    """You are near, as a sample of patterns is. There are at most 2¹⁰ of them: look at all."""
    right = paired.oracle(first, second)
    near = abs(float(returned["difference"]) - right["difference"]) < 1e-5 * (1 + abs(right["difference"]))
    return bool(near and abs(float(returned["p"]) - right["p"]) < 0.08)


def some_other_test(returned, first, second):
    """Your difference is right, and p is not (S5.1). It needs no curve and no table: of all patterns of signs, count
    those whose mean is as far from 0."""
    right = paired.oracle(first, second)
    return bool(abs(float(returned["difference"]) - right["difference"]) < 1e-5 * (1 + abs(right["difference"])))


@exercise(
    "S5.2",
    draw=_pairs,
    inputs="random results",
    mistakes=[
        one_side_only,
        one_side_in_its_own_direction,
        ties_not_counted,
        signs_alone,
        order_of_the_arms,
        sum_for_the_mean,
        median_for_the_mean,
        ties_left_out_of_the_mean,
        sign_lost,
        bars_inside_the_mean,
        one_added,
        bell_curve,
        half_of_the_patterns,
        chance_of_being_right,
    ],
    signs=[above_one, another_room, not_paired],
    guesses=[patterns_drawn, some_other_test],
)
def paired(first, second):
    """The mean difference, and the share of the 2ⁿ patterns of signs whose mean is as far from 0."""
    return _tested(first, second, lambda mean, flipped: np.mean(np.abs(flipped) >= abs(mean) - 1e-9))


# -- S5.3 --------------------------------------------------------------------------------------------------------


def _plan(rng: np.random.Generator) -> dict[str, Any]:
    """Looks from the first seed on, late ones, one look only; levels that nobody can reach, that a p-value just
    reaches, and 0 and 1."""
    last = int(rng.integers(1, 41))
    first = last if rng.random() < 0.15 else int(rng.integers(1, last + 1))
    level = float(rng.choice([0.001, 0.01, 0.05, 0.1, 0.3]))
    kind = rng.random()
    if kind < 0.25:
        level = 1.0 if kind < 0.22 else 0.0
    elif kind < 0.4:
        count = int(rng.integers(first, last + 1))
        reached = _both_tails(int(rng.integers(count + 1)), count)
        level = reached if reached > 1e-4 else level
    return {"first": first, "last": last, "level": level}


def _tail(few: int, count: int) -> float:
    """How likely so few plus or fewer."""
    return sum(math.comb(count, k) for k in range(few + 1)) / 2**count


def _both_tails(plus: int, count: int) -> float:
    """The p-value of a sign test: how likely so many plus, or a number as far from the middle."""
    return min(2 * _tail(min(plus, count - plus), count), 1.0)


PValue = Callable[[int, int], float]


@functools.lru_cache(maxsize=20_000)
def _claims(count: int, level: float, p_value: PValue = _both_tails, strict: bool = False) -> np.ndarray:
    """Whether a test of so many signs claims something, for each number of plus."""
    p = _p_values(count, p_value)
    return p < level - 1e-12 if strict else p <= level + 1e-12


@functools.lru_cache(maxsize=2000)
def _p_values(count: int, p_value: PValue) -> np.ndarray:
    return np.array([p_value(plus, count) for plus in range(count + 1)])


def _once(count: int, level: float, p_value: PValue = _both_tails, strict: bool = False) -> float:
    """How often it does if nothing is there."""
    ways = [math.comb(count, int(plus)) for plus in np.flatnonzero(_claims(count, level, p_value, strict))]
    return sum(ways) / 2**count


def _ever(
    first: int, last: int, level: float, p_value: PValue = _both_tails, strict: bool = False, every: int = 1
) -> dict[str, float]:
    """How likely she ever claims something, by following all that have not claimed yet."""
    going = np.array([1.0])
    for count in range(1, last + 1):
        going = (np.append(going, 0) + np.append(0, going)) / 2
        if count >= first and (count - first) % every == 0:
            going = going * ~_claims(count, level, p_value, strict)
    return {"once": _once(last, level, p_value, strict), "peeking": float(1 - going.sum())}


def _rates(first, last, level):
    """How often each single look would claim something."""
    return [_once(count, level) for count in range(first, last + 1)]


def looks_independent(first, last, level):
    """You treat the looks as independent. After one more seed nearly all of the data are the same: which runs are still
    going when a look comes?"""
    return {
        "once": _rates(last, last, level)[0],
        "peeking": float(1 - np.prod(1 - np.array(_rates(first, last, level)))),
    }


def level_is_what_is_paid(first, last, level):
    """You return the level for a single look. A sign test has few p-values: how often is one of them really at or below
    the level?"""
    return _ever(first, last, level) | {"once": level}


def _upper_tail(plus: int, count: int) -> float:
    return _tail(count - plus, count)


def one_sided_look(first, last, level):
    """Your test claims only that there are many plus. It looks at both sides."""
    return _ever(first, last, level, _upper_tail)


def _smaller_tail(plus: int, count: int) -> float:
    return _tail(min(plus, count - plus), count)


def smaller_tail_alone(first, last, level):
    """Your p-value is one tail, whichever is smaller. As far from n/2 there are as many on the *other* side: what is
    the chance of both?"""
    return _ever(first, last, level, _smaller_tail)


def level_halved_as_well(first, last, level):
    """You take both tails *and* halve the level. The two sides are paid for twice: where should the 2 stand?"""
    return _ever(first, last, level / 2)


def _uncapped(plus: int, count: int) -> float:
    return 2 * _smaller_tail(plus, count)


def middle_counted_twice(first, last, level):
    """Some of your p-values are above 1. With as many plus as minus each tail reaches to the middle: what is counted
    twice there?"""
    return _ever(first, last, level, _uncapped)


def _below_the_whole_half(plus: int, count: int) -> float:
    far = abs(plus - count // 2)
    return sum(math.comb(count, k) for k in range(count + 1) if abs(k - count // 2) >= far) / 2**count


def middle_rounded_down(first, last, level):
    """For odd n your middle is a whole number, so that the two sides are not alike. How much is n/2?"""
    return _ever(first, last, level, _below_the_whole_half)


def _bell(plus: int, count: int) -> float:
    return math.erfc(abs(2 * plus - count) / math.sqrt(2 * count))


def bell_curve_for_the_tails(first, last, level):
    """Your p-values are those of a bell curve. For so few tosses the tails can be counted, exactly."""
    return _ever(first, last, level, _bell)


def at_the_level_not_counted(first, last, level):
    """A p-value equal to the level is a claim, too: at most, not less than."""
    return _ever(first, last, level, strict=True)


def looks_from_the_first_seed(first, last, level):
    """You look after every seed from the first on. When does she begin to look?"""
    return _ever(1, last, level)


def looks_at_both_ends_only(first, last, level):
    """She looks after *each* seed from `first` to `last`, and you look at two of them."""
    return _ever(first, last, level, every=max(last - first, 1))


def last_look_forgotten(first, last, level):
    """Your last look is one seed too early. She looks after the last one as well."""
    if last == first:
        return {"once": _ever(first, last, level)["once"], "peeking": 0.0}
    return _ever(first, last, level) | {"peeking": _ever(first, last - 1, level)["peeking"]}


def first_look_forgotten(first, last, level):
    """Your first look is one seed too late. She looks after seed number `first` as well."""
    right = _ever(first, last, level)
    return right | {"peeking": _ever(first + 1, last, level)["peeking"] if first < last else 0.0}


def once_after_the_first(first, last, level):
    """Your single look comes after `first` seeds. How many has somebody seen who looks once?"""
    return _ever(first, last, level) | {"once": _once(first, level)}


def once_without_the_early_ones(first, last, level):
    """In your single look those are missing who would have claimed something before. Who looks once has not looked
    before: which runs are there?"""
    right = _ever(first, last, level)
    before = _ever(first, last - 1, level)["peeking"] if first < last else 0.0
    return right | {"once": right["peeking"] - before}


def largest_of_the_looks(first, last, level):
    """You return the chance of the most generous look. She has all of them: what if this one says nothing?"""
    return {"once": _rates(last, last, level)[0], "peeking": float(max(_rates(first, last, level)))}


def names_of_the_two_exchanged(first, last, level):
    """Your two chances are exchanged. Who claims more often, she who looks once, or she who looks again and again?"""
    right = _ever(first, last, level)
    return {"once": right["peeking"], "peeking": right["once"]}


def looks_added(returned, first, last, level):
    """You add up the chances of the looks. Whoever claims something at one look might have claimed it at the next one,
    too: who is counted twice?"""
    added = sum(_rates(first, last, level))
    return any(abs(float(returned["peeking"]) - value) < 1e-6 for value in (added, min(added, 1.0)))


def level_times_looks(returned, first, last, level):
    """Your number for peeking is made of the level and the number of looks alone. That is a bound, or would be true of
    looks that know nothing of each other: which runs are still going when a look comes, and which p-values can a sign
    test have at all?"""
    looks = last - first + 1
    bounds = (level * looks, min(level * looks, 1.0), 1 - (1 - level) ** looks)
    return any(abs(float(returned["peeking"]) - value) < 1e-6 for value in bounds)


def going_brought_back_to_one(returned, first, last, level):
    """After a look you divide by the number of those who go on, and then add up. Which share of *all* runs claims
    something at a look?"""
    going, added = np.array([1.0]), 0.0
    for count in range(1, last + 1):
        going = (np.append(going, 0) + np.append(0, going)) / 2
        if count >= first:
            claims = _claims(count, level)
            added += going[claims].sum()
            going = going * ~claims
            going = going / (going.sum() or 1.0)
    return any(abs(float(returned["peeking"]) - value) < 1e-6 for value in (added, min(added, 1.0)))


def _beyond(plus: int, count: int) -> float:
    return 2 * _tail(min(plus, count - plus) - 1, count)


def _so_many(plus: int, count: int) -> float:
    return 2 * math.comb(count, plus) / 2**count


def part_of_the_tail(returned, first, last, level):
    """Your tails are not whole. A tail is k itself *and* all that is further from n/2: which of them do you leave
    out?"""
    return any(
        all(abs(float(returned[name]) - value) < 1e-6 for name, value in _ever(first, last, level, p_value).items())
        for p_value in (_beyond, _so_many)
    )


def simulated(returned, first, last, level):
    """You are near, as a simulation is. There is an exact answer: follow the *number* of plus, for all runs that are
    still going."""
    right = _ever(first, last, level)
    return all(abs(float(returned[name]) - right[name]) < 0.04 for name in right)


@exercise(
    "S5.3",
    draw=_plan,
    inputs="random plans",
    num_cases=50,
    mistakes=[
        looks_independent,
        level_is_what_is_paid,
        one_sided_look,
        smaller_tail_alone,
        level_halved_as_well,
        middle_counted_twice,
        middle_rounded_down,
        bell_curve_for_the_tails,
        at_the_level_not_counted,
        looks_from_the_first_seed,
        looks_at_both_ends_only,
        last_look_forgotten,
        first_look_forgotten,
        once_after_the_first,
        once_without_the_early_ones,
        largest_of_the_looks,
        names_of_the_two_exchanged,
    ],
    signs=[looks_added, level_times_looks, going_brought_back_to_one, part_of_the_tail],
    guesses=[simulated],
)
def peeking(first, last, level):
    """P(the sign test claims something) at the last seed alone, and at any of the looks, if nothing is there."""
    return _ever(first, last, level)


# -- S5.4 --------------------------------------------------------------------------------------------------------


def _scores(rng: np.random.Generator) -> dict[str, Any]:
    """Settings that differ, that hardly differ, and that do not; ties, often; two seeds at least; some tables below
    0."""
    settings, seeds = int(rng.integers(1, 6)), int(rng.integers(2, 8))
    scores = rng.normal(size=(settings, seeds)) + rng.normal(size=seeds)
    scores += rng.choice([0.0, 0.0, 1.0]) * rng.normal(size=(settings, 1))
    if rng.random() < 0.4:
        scores = np.round(scores)
    elif rng.random() < 0.2:
        scores = scores[:1] + 0.001 * rng.normal(size=scores.shape)
    return {"scores": scores - rng.choice([0.0, 0.0, 6.0])}


def _left_out(scores: np.ndarray) -> np.ndarray:
    """For each seed, the setting that is best on all the others; the first one if several are."""
    return np.array([np.argmax(np.delete(scores, seed, axis=1).sum(axis=1)) for seed in range(scores.shape[1])])


def _reported(scores: np.ndarray, honest: float, **changes: float) -> dict[str, Any]:
    means = scores.sum(axis=1) / scores.shape[1]
    return {"best": int(np.argmax(scores.sum(axis=1))), "naive": float(means.max()), "honest": float(honest)} | changes


def nothing_left_out(scores):
    """Your honest number is the naive one. Each seed takes part in choosing the setting that it is used to judge: which
    seeds may choose?"""
    return _reported(scores, scores.mean(axis=1).max())


def best_of_each_seed(scores):
    """You take the best setting of each seed by itself. Then every seed chooses for itself: which ones may choose for
    it?"""
    return _reported(scores, scores.max(axis=0).mean())


def chosen_by_the_seed_itself(scores):
    """You choose on the one seed and judge on the others. It is the other way round: many choose, one judges."""
    chosen = np.argmax(scores, axis=0)
    others = [np.delete(scores[k], seed).mean() for seed, k in enumerate(chosen)]
    return _reported(scores, np.mean(others))


def two_halves(scores):
    """You choose on the first half of the seeds and judge on the second. That is honest, too, but not what was asked:
    every seed shall judge once, and choose for all the others."""
    half = scores.shape[1] // 2
    return _reported(scores, scores[np.argmax(scores[:, :half].sum(axis=1)), half:].mean())


def chosen_setting_judged_by_the_others(scores):
    """You return what the chosen settings score on the seeds that *chose* them. Which seed has not taken part in a
    choice?"""
    others = [np.delete(scores[k], seed).mean() for seed, k in enumerate(_left_out(scores))]
    return _reported(scores, np.mean(others))


def worst_setting(scores):
    """You choose the smallest mean. A score is to be large."""
    chosen = [np.argmin(np.delete(scores, seed, axis=1).sum(axis=1)) for seed in range(scores.shape[1])]
    honest = float(np.mean([scores[k, seed] for seed, k in enumerate(chosen)]))
    return {"best": int(np.argmin(scores.sum(axis=1))), "naive": float(scores.mean(axis=1).min()), "honest": honest}


def last_of_the_best(scores):
    """If several settings are equally good you take the last one. The text says which."""
    flipped = honest_choice.oracle(scores[::-1])
    return flipped | {"best": len(scores) - 1 - flipped["best"]}


def chosen_by_the_median(scores):
    """You choose by the median over the seeds. The mean was wanted."""
    chosen = [np.argmax(np.median(np.delete(scores, seed, axis=1), axis=1)) for seed in range(scores.shape[1])]
    medians = np.median(scores, axis=1)
    return {
        "best": int(np.argmax(medians)),
        "naive": float(medians.max()),
        "honest": float(np.mean([scores[k, seed] for seed, k in enumerate(chosen)])),
    }


def best_by_a_single_score(scores):
    """Your best setting is the one with the largest single score. Which mean is the largest?"""
    best = int(np.argmax(scores.max(axis=1)))
    return honest_choice.oracle(scores) | {"best": best, "naive": float(scores[best].mean())}


def largest_score_for_the_largest_mean(scores):
    """Your naive number is the largest of all scores. It is the largest of the *means*."""
    return honest_choice.oracle(scores) | {"naive": float(scores.max())}


def settings_counted_from_one(scores):
    """You number the settings from 1. Which number has the first row of `scores`?"""
    right = honest_choice.oracle(scores)
    return right | {"best": right["best"] + 1}


def mean_of_all_settings(scores):
    """Your honest number is the mean over all settings. She who may choose does better than chance, if there is
    anything to choose."""
    return _reported(scores, scores.mean())


def seeds_for_settings(returned, scores):
    """You choose among the seeds. In `scores` the row is the setting, the column the seed."""
    means = scores.mean(axis=0)
    return bool(int(returned["best"]) == np.argmax(means) and abs(float(returned["naive"]) - means.max()) < 1e-6)


def nothing_below_zero_chosen(returned, scores):
    """If all means are below 0 you choose as if none were there. With which number does your search for the largest
    begin?"""

    def above_zero(table):
        means = table.mean(axis=1)
        return int(np.argmax(means)) if means.max() > 0 else 0

    best = above_zero(scores)
    honest = np.mean([scores[above_zero(np.delete(scores, j, axis=1)), j] for j in range(scores.shape[1])])
    naive = scores[best].mean()
    return bool(
        int(returned["best"]) == best
        and min(abs(float(returned["naive"]) - value) for value in (naive, max(naive, 0.0))) < 1e-6
        and abs(float(returned["honest"]) - honest) < 1e-6
    )


@exercise(
    "S5.4",
    draw=_scores,
    inputs="random tables",
    mistakes=[
        nothing_left_out,
        best_of_each_seed,
        chosen_by_the_seed_itself,
        two_halves,
        chosen_setting_judged_by_the_others,
        worst_setting,
        last_of_the_best,
        chosen_by_the_median,
        best_by_a_single_score,
        largest_score_for_the_largest_mean,
        settings_counted_from_one,
        mean_of_all_settings,
    ],
    signs=[seeds_for_settings, nothing_below_zero_chosen],
)
def honest_choice(scores):
    """argmax and max of the means, and the mean of scores[best without seed j, j] over j."""
    return _reported(scores, np.mean([scores[k, seed] for seed, k in enumerate(_left_out(scores))]))


# -- S5.5 --------------------------------------------------------------------------------------------------------

LISTED = (0, 1, 2)  # the seeds whose numbers a report must state
DIGITS = 1e-4


class Reproducible(Exercise):
    """An exercise without a right answer: somebody's experiment must give the same numbers from the same seed, others
    from others, and those that its report states.

    A case is a seed, and whether to run the experiment or to say what the report states for it. The mistakes are
    experiments that lack something of this; `oracle` is one that has it all.
    """

    def cases(self, seed: int | Sequence[int] | None = None) -> list[dict[str, Any]]:
        """Two fresh seeds twice, those of the report once run and once stated; in any order."""
        rng = np.random.default_rng(seed)
        fresh = [int(number) for number in rng.choice(np.arange(10, 100_000), size=2, replace=False)]
        runs = [(number, False) for number in (*fresh, *fresh, *LISTED)] + [(number, True) for number in LISTED]
        return [{"seed": runs[n][0], "stated": runs[n][1]} for n in rng.permutation(len(runs))]

    def judge(self, cases: Sequence[Mapping[str, Any]], outcomes: Sequence[Any]) -> float:
        """The largest difference between two runs of one seed, or between a run and the report."""
        found = [self._arms(case, outcome) for case, outcome in zip(cases, outcomes, strict=True)]
        runs: dict[int, list[dict[str, float]]] = {}
        stated: dict[int, dict[str, float]] = {}
        for case, numbers in zip(cases, found, strict=True):
            if set(numbers) != set(found[0]):
                names = sorted(set(numbers) ^ set(found[0]))
                raise self.refusal(f"{names[0]!r} is in some of your dictionaries and not in others.", case)
            if case["stated"]:
                stated[case["seed"]] = numbers
            else:
                runs.setdefault(case["seed"], []).append(numbers)
        for number, same in runs.items():
            if any(not _alike(one, same[0], 1e-9) for one in same):
                raise self._flaw(not_the_same_again, number)
        every = [same[0] for same in runs.values()]
        if all(_alike(one, every[0], 1e-12) for one in every):
            raise self._flaw(seed_makes_no_difference, LISTED[0])
        if all(abs(one["first"] - one["second"]) < 1e-12 for one in every):
            raise self._flaw(arms_alike, LISTED[0])
        wrong = [number for number in LISTED if not _alike(stated[number], runs[number][0], DIGITS)]
        if wrong:
            raise self._flaw(self._misreported(stated, runs), wrong[0])
        return max(_apart(stated[number], runs[number][0]) for number in LISTED)

    def _misreported(self, stated: Mapping[int, Any], runs: Mapping[int, list[Any]]) -> Callable[..., Any]:
        """In which way a report differs from the runs."""
        swapped = [
            one | {"first": one["second"], "second": one["first"]} for one in (runs[number][0] for number in LISTED)
        ]
        if all(_alike(stated[number], one, DIGITS) for number, one in zip(LISTED, swapped, strict=True)):
            return arms_exchanged_in_the_report
        if all(_alike(stated[number], stated[LISTED[0]], 1e-12) for number in LISTED):
            return one_line_for_all_seeds
        if all(_alike(stated[number], runs[number][0], 0.02) for number in LISTED):
            return rounded_in_the_report
        return report_of_another_run

    def _arms(self, case: Mapping[str, Any], outcome: Any) -> dict[str, float]:
        """What was returned, as numbers."""
        if outcome is None:
            raise self.refusal("Your function returns nothing. Is there a `return`?", case)
        if not isinstance(outcome, Mapping) or not {"first", "second"} <= set(outcome):
            raise self.refusal("A dictionary with at least 'first' and 'second' was wanted, your two arms.", case)
        numbers = {}
        for name, value in outcome.items():
            try:
                numbers[str(name)] = as_numbers(value).item()
            except Exception:  # no number, or several
                numbers[str(name)] = math.nan
            if not math.isfinite(numbers[str(name)]):
                raise self.refusal(f"{name!r} is no finite number; one was wanted.", case)
        return numbers

    def _flaw(self, mistake: Callable[..., Any], seed: int) -> Exception:
        return self.refusal(" ".join((mistake.__doc__ or "").split()), {"seed": seed})


def _apart(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    return max(abs(one[name] - other[name]) for name in one)


def _alike(one: Mapping[str, float], other: Mapping[str, float], tolerance: float) -> bool:
    return all(abs(one[name] - other[name]) <= tolerance * (1 + abs(other[name])) for name in one)


def _run_or_report(rng: np.random.Generator) -> dict[str, Any]:
    return {"seed": int(rng.integers(100_000)), "stated": bool(rng.integers(2))}


WORDS = ((0, 1), (1,), (1, 0), (0, 0, 1), (1, 1, 0))


@functools.lru_cache(maxsize=256)
def _small_experiment(seed: int) -> dict[str, float]:
    """Five demonstrations of five words, all alike: their overlap with what she finishes on a keyboard of two letters,
    with ⌫ at whatever was not seen, and without."""
    keyboard = StringMDP(num_tokens=2, max_length=3, noise=0.2)
    drawn = np.random.default_rng(seed).integers(len(WORDS), size=5)
    counts = np.bincount(drawn, minlength=len(WORDS))
    policy = keyboard.demonstrator(WORDS, weights=counts.astype(float))
    begins = {word[:n] for word, count in zip(WORDS, counts, strict=True) if count for n in range(len(word) + 1)}
    unseen = np.array([text not in begins for text in keyboard.states] + [False])
    careful = policy.copy()
    careful[unseen] = np.eye(keyboard.num_actions)[-1]
    real = [keyboard.index(word) for word in WORDS]
    first, second = (
        float(np.minimum(keyboard.finished(each)[real], 1 / len(WORDS)).sum()) for each in (careful, policy)
    )
    return {"first": first, "second": second}


def _states(seed: int, stated: bool, report: Callable[[int], dict[str, float]]) -> dict[str, float]:
    return report(seed) if stated else dict(_small_experiment(seed))


def not_the_same_again(seed, stated):
    """The same seed gave other numbers the second time. Which of your numbers come from somewhere else: a generator
    that all share, a clock, the order of a set, something that an earlier run left behind?"""
    return dict(_small_experiment(int(np.random.default_rng().integers(10**9)))) | {"when": np.random.random()}


def seed_makes_no_difference(seed, stated):
    """All seeds gave the same numbers. Where does the seed come in? (An experiment without chance needs none: then let
    the seed draw its words, or its keyboard.)"""
    return dict(_small_experiment(7))


def arms_alike(seed, stated):
    """Your two arms gave the same number for every seed. Are they two?"""
    found = _small_experiment(seed)
    return {"first": found["first"], "second": found["first"]}


def report_of_another_run(seed, stated):
    """What your report states is not what the run gives. Has the code changed since the numbers were written down, or
    do they belong to another seed?"""
    return _states(seed, stated, lambda number: dict(_small_experiment(number + 100)))


def rounded_in_the_report(seed, stated):
    """What your report states is near what the run gives, and not the same to four decimals. Is it rounded, or of
    another run?"""
    return _states(
        seed, stated, lambda number: {name: value + 0.004 for name, value in _small_experiment(number).items()}
    )


def one_line_for_all_seeds(seed, stated):
    """Your report states the same numbers for the three seeds, and the runs do not. A mean is no run: each seed has a
    line of its own."""
    means = {name: float(np.mean([_small_experiment(n)[name] for n in LISTED])) for name in ("first", "second")}
    return _states(seed, stated, lambda number: dict(means))


def arms_exchanged_in_the_report(seed, stated):
    """Your report has the two arms exchanged. Which one is "first"?"""
    return _states(
        seed,
        stated,
        lambda number: {
            "first": _small_experiment(number)["second"],
            "second": _small_experiment(number)["first"],
        },
    )


def _own(seed: int, stated: bool) -> dict[str, float]:
    return dict(_small_experiment(seed))


my_experiment = Reproducible(
    number="S5.5",
    title="my experiment",
    draw=_run_or_report,
    oracle=_own,
    mistakes=[
        not_the_same_again,
        seed_makes_no_difference,
        arms_alike,
        report_of_another_run,
        rounded_in_the_report,
        one_line_for_all_seeds,
        arms_exchanged_in_the_report,
    ],
    inputs="runs and lines of the report",
    num_cases=10,
)
object.__setattr__(my_experiment, "__doc__", "Reproducible: the same from the same seed, and as the report states.")
