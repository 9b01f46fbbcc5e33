"""The exercises of notebooks/03_divergences.ipynb."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import xlogy

from smatch_edu.checks.exercise import ATOL, RTOL, exercise
from smatch_edu.exact.divergences import DIVERGENCES


def _two_typists(rng: np.random.Generator) -> dict[str, Any]:
    """Shares of a learner and an expert, with and without pairs that one of them, or neither, ever visits, or hardly
    ever; now and then both know one key alone."""
    size = int(rng.integers(4, 8))
    if rng.random() < 0.05:
        learner, expert = np.eye(size)[rng.integers(2, size=2)]
        return {"learner": learner, "expert": expert}
    missed, invented, never = rng.permutation(size)[:3]
    learner, expert = rng.dirichlet(np.ones(size), size=2) + 0.02
    for zero, sides in (missed, [learner]), (invented, [expert]), (never, [learner, expert]):
        if rng.random() < 0.4:
            for shares in sides:
                shares[zero] = 0
    if rng.random() < 0.2:  # hardly ever is not never
        learner[missed] = 0
        expert[missed] = learner[invented] = 10 ** rng.uniform(-12, -4)
    return {"learner": learner / learner.sum(), "expert": expert / expert.sum()}


def right_but_where_rare(returned: np.ndarray, right: np.ndarray, shares: np.ndarray) -> bool | None:
    """Whether an answer is far more wrong where the shares are small than where they are large, and hardly wrong there;
    None where that cannot be seen."""
    off = np.abs(returned - right) / (1 + np.abs(right))
    often, rare = (np.max(off[where], initial=0.0) for where in (shares > 1e-3, (shares > 0) & (shares <= 1e-3)))
    if often > 0.05:
        return False
    return True if rare > max(20 * often, RTOL) else None


# -- 3.1 ---------------------------------------------------------------------------------------------------------


def _kl(p, q):
    """Σ p log(p/q), with its zeros."""
    on = p > 0
    return np.inf if (q[on] == 0).any() else np.sum(p[on] * np.log(p[on] / q[on]))


def the_other_way_round(learner, expert):
    """You watch the learner and use the expert's shares as the forecast. In the forward direction, whose keys do we
    watch?"""
    return _kl(learner, expert)


def in_bits(learner, expert):
    """Every value of yours is too large by one and the same factor, 1.44. To which base is your logarithm, and to which
    is ours?"""
    return _kl(expert, learner) / np.log(2)


def negative(learner, expert):
    """Your distances are all below zero, and a distance never is. What happens to a logarithm when its fraction is
    turned over?"""
    return -_kl(expert, learner)


def averaged_over_the_pairs(learner, expert):
    """You divide by the number of pairs. The shares are weights already: what do they sum to?"""
    return _kl(expert, learner) / len(expert)


def every_pair_weighs_the_same(learner, expert):
    """In your sum a pair counts as much as any other, however rarely the expert is there. What is missing before the
    logarithm?"""
    on = expert > 0
    return np.inf if (learner[on] == 0).any() else np.sum(np.log(expert[on] / learner[on]))


def weighed_by_the_learner(learner, expert):
    """Your logarithms are the right ones, but their weights are the wrong typist's. Who decides how often each surprise
    happens?"""
    on = expert > 0
    inside = on & (learner > 0)
    return np.sum(learner[inside] * np.log(expert[inside] / learner[inside]))


def absolute_logarithms(learner, expert):
    """All of your terms are positive. Where the learner is more often than the expert, her key comes as *less* of a
    surprise: which sign does such a term have?"""
    on = expert > 0
    return np.inf if (learner[on] == 0).any() else np.sum(expert[on] * np.abs(np.log(expert[on] / learner[on])))


def the_other_way_round_and_negative(learner, expert):
    """Your values are never above zero, and -∞ where the learner does what the expert never does. Two things at once:
    whose shares are the weights, and does the fraction under the logarithm fit them?"""
    return -_kl(learner, expert)


def both_ways(learner, expert):
    """You add up the two directions, so that learner and expert could change places. We watch one of them only: which
    of the two sums stands in the definition?"""
    return _kl(expert, learner) + _kl(learner, expert)


def missed_pairs_left_out(learner, expert):
    """You leave out every pair that the learner never visits. If the expert does go there, and the forecast said
    "never", how great is the surprise?"""
    on = (expert > 0) & (learner > 0)
    return np.sum(expert[on] * np.log(expert[on] / learner[on]))


def infinite_at_every_zero(learner, expert):
    """You return ∞ as soon as either of the two has a zero. One of these zeros costs nothing at all: what never happens
    surprises nobody. Which one is it?"""
    return np.inf if (learner * expert == 0).any() else _kl(expert, learner)


def infinite_where_the_learner_has_a_zero(learner, expert):
    """You return ∞ as soon as the learner has a zero. Nobody is surprised if the expert never goes there either: what
    is to be asked before you say ∞?"""
    return np.inf if (learner == 0).any() else _kl(expert, learner)


def infinite_where_the_learner_invents(learner, expert):
    """You return ∞ where the learner goes and the expert never does. We watch the expert: where could *she* do
    something that the forecast holds to be impossible?"""
    on = (expert > 0) & (learner > 0)
    return np.inf if (learner[expert == 0] > 0).any() else np.sum(expert[on] * np.log(expert[on] / learner[on]))


def surprise_of_an_expert_not_taken_off(returned, learner, expert):
    """An expert is at distance 0 from herself, but not in your answer. How surprised are we by her keys even when the
    forecast is perfect?"""
    if (learner * expert == 0).any():
        return None  # whatever is made of log 0
    return bool(abs(abs(returned) + np.sum(expert * np.log(learner))) < 1e-4)


def infinity_clipped(returned, learner, expert):
    """Where ∞ is right you return a finite number: a small ε, or a largest value, hides it. What the learner never does
    and the expert does is what this divergence does not forgive. How can you say so?"""
    right = _kl(expert, learner)
    if np.isinf(right):
        return bool(np.isfinite(returned))
    small = learner[learner > 0].min() < 1e-3  # beside which an ε is not small
    return None if small or abs(returned - right) < 0.02 else False  # a small ε does a little harm everywhere


@exercise(
    "3.1",
    draw=_two_typists,
    inputs="random pairs of typists",
    mistakes=[
        the_other_way_round,
        in_bits,
        negative,
        averaged_over_the_pairs,
        every_pair_weighs_the_same,
        weighed_by_the_learner,
        absolute_logarithms,
        the_other_way_round_and_negative,
        both_ways,
        missed_pairs_left_out,
        infinite_at_every_zero,
        infinite_where_the_learner_has_a_zero,
        infinite_where_the_learner_invents,
    ],
    signs=[surprise_of_an_expert_not_taken_off, infinity_clipped],
)
def forward_kl(learner, expert):
    """D_KL(ρ_E ‖ ρ_π) = Σ ρ_E log(ρ_E/ρ_π); 0 where ρ_E is 0, and ∞ where only ρ_π is."""
    return _kl(expert, learner)


# -- 3.2 ---------------------------------------------------------------------------------------------------------


class _Price:
    """A convex price with f(1) = 0, tilted, and perhaps with a corner at 1, whose formula nobody sees."""

    __name__ = "f"

    def __init__(self, weights: np.ndarray, tilt: float, corner: float):
        self.weights, self.tilt, self.corner = weights, tilt, corner

    def level(self, u):
        """The part whose slope at 1 is 0."""
        u = np.asarray(u, dtype=np.float64)
        parts = [u - 1 - np.log(u), u * np.log(u) - u + 1, (u - 1) ** 2, (np.sqrt(u) - 1) ** 2]
        return np.tensordot(self.weights, parts, axes=1) + self.corner * np.abs(u - 1)

    def __call__(self, u):
        return self.level(u) + self.tilt * (np.asarray(u, dtype=np.float64) - 1)


def _tilted_price(rng: np.random.Generator) -> dict[str, Any]:
    """A mixture of prices with any slope at 1, and ratios from nearly never to many times as often."""
    corner = float(rng.uniform(0.2, 1)) if rng.random() < 0.3 else 0.0
    tilt = float(rng.choice([-1, 1]) * rng.uniform(0.5, 3))
    u = np.exp(rng.normal(scale=1.2, size=rng.integers(3, 8)))
    u[rng.integers(len(u))] = rng.choice([1.0, 0.01, 30.0])
    return {"f": _Price(rng.dirichlet(np.ones(4)), tilt, corner), "u": u}


def _slope(f: _Price, side: int = 0) -> float:
    """That at u = 1: the mean of both sides, or that on one."""
    return f.tilt + side * f.corner


def tilt_left_alone(f, u):
    """You return the price as it came. Is it level at u = 1?"""
    return f(u)


def tilted_twice(f, u):
    """You tilt the price the wrong way, and now it is twice as steep at u = 1. With which sign does c enter (3.3)?"""
    return f(u) + _slope(f) * (u - 1)


def slope_twice_too_large(f, u):
    """Your c is twice as large as it should be, so the price now leans the other way. How far apart are the two points
    between which you measure the slope?"""
    return f(u) - 2 * _slope(f) * (u - 1)


def turned_about_zero(f, u):
    """You take off a multiple of u. It is level at 1 now, but to be like the expert is no longer free: where must the
    tilt be 0?"""
    return f(u) - _slope(f) * u


def lowered_by_a_constant(f, u):
    """You take a number off, the same at each ratio. That moves the curve down and leaves its slope: what has a slope
    and is 0 at u = 1?"""
    return f(u) - _slope(f)


def tilted_by_a_logarithm(f, u):
    """Your price is level at u = 1, but it belongs to another divergence: you took off a multiple of log u, and that
    measures something. What may be added for nothing?"""
    return f(u) - _slope(f) * np.log(u)


def slope_from_the_right(f, u):
    """You are right for smooth prices. At a corner you take the slope of the right side alone: what does the text want
    there?"""
    return f(u) - _slope(f, 1) * (u - 1)


def slope_from_the_left(f, u):
    """You are right for smooth prices. At a corner you take the slope of the left side alone: what does the text want
    there?"""
    return f(u) - _slope(f, -1) * (u - 1)


def smallest_price_taken_off(f, u):
    """You take the smallest price off, so that none is negative. That moves the curve, and does not level it: how does
    one change a slope?"""
    return f(u) - f(u).min()


def its_size_alone(f, u):
    """You turn negative prices round. A price that is folded is no longer convex: what would bring it above 0 by
    itself?"""
    return np.abs(f(u))


def cut_off_at_zero(f, u):
    """You replace negative prices by 0. Then all those ratios would be free, and none of them should be: what would
    bring the curve above 0 by itself?"""
    return np.maximum(f(u), 0)


def tilted_by_one(f, u):
    """You add u - 1, whatever the price. That levels -log u; another price has another slope: what must be measured?"""
    return f(u) + (u - 1)


def tilt_alone(f, u):
    """You return what is to be added, and not the sum."""
    return -_slope(f) * (u - 1)


def slope_of_the_curve(f, u):
    """You return how steep the price is. What is wanted is a price."""
    return (f(u * (1 + 1e-6)) - f(u * (1 - 1e-6))) / (2e-6 * u)


def slope_of_each_ratio(f, u):
    """You measure the slope anew at every ratio, so that each price gets a tilt of its own. One c turns the whole
    curve: at which u is it to be level?"""
    return f(u) - slope_of_the_curve(f, u) * (u - 1)


def nearly_level(returned, f, u):
    """Your price belongs to the right distance, and is nearly level at u = 1, but not quite. How far from 1 do you
    measure, and on which sides?"""
    away = np.abs(u - 1) > 1e-9
    left = (returned - f.level(u))[away] / (u - 1)[away]
    return bool(np.ptp(left) < 1e-4 and np.abs(left).max() < 0.3 and np.allclose(returned[~away], 0, atol=1e-6))


def wrongly_tilted(returned, f, u):
    """Your price belongs to the right distance: you add a multiple of u - 1. But it is not level at u = 1: where and
    how do you measure the slope?"""
    away = np.abs(u - 1) > 1e-9
    left = (returned - f.level(u))[away] / (u - 1)[away]
    return bool(np.ptp(left) < 1e-4 and np.allclose(returned[~away], 0, atol=1e-6))


def below_zero(returned, f, u):
    """Some of your prices are negative. A convex f that is level at u = 1 is lowest there, and f(1) = 0: can it be?"""
    return bool((returned < -1e-3).any())


@exercise(
    "3.2",
    draw=_tilted_price,
    inputs="random tilted prices",
    mistakes=[
        tilt_left_alone,
        tilted_twice,
        slope_twice_too_large,
        turned_about_zero,
        lowered_by_a_constant,
        tilted_by_a_logarithm,
        slope_from_the_right,
        slope_from_the_left,
        smallest_price_taken_off,
        its_size_alone,
        cut_off_at_zero,
        tilted_by_one,
        tilt_alone,
        slope_of_the_curve,
        slope_of_each_ratio,
    ],
    signs=[nearly_level, wrongly_tilted, below_zero],
)
def price_level_at_one(f, u):
    """f(u) - f'(1) (u - 1), the slope measured on both sides of 1."""
    below, above = f(np.array([1 - 1e-5, 1 + 1e-5]))
    return f(u) - (above - below) / 2e-5 * (u - 1)


# -- 3.3 ---------------------------------------------------------------------------------------------------------


def _over(top, bottom):
    """Σ top/bottom, 0/0 being 0 and anything else over 0 infinite."""
    if ((bottom == 0) & (top != 0)).any():
        return np.inf
    return np.sum(top / np.where(bottom == 0, 1, bottom))


def only_the_expert_below(learner, expert):
    """A single visit where the expert never goes costs ∞ in your answer. That is χ², whose f has no denominator: where
    has the denominator of this f gone?"""
    return _over((expert - learner) ** 2, expert)


def only_the_expert_below_where_she_goes(learner, expert):
    """You divide by the expert's share alone, and leave out where she has none. That is χ², whose f has no denominator:
    where has the denominator of this f gone?"""
    on = expert > 0
    return _over((expert - learner)[on] ** 2, expert[on])


def only_the_learner_below(learner, expert):
    """A pair that only the expert visits costs ∞ in your answer. What does the text say about f(0), the price of
    missing one?"""
    return _over((expert - learner) ** 2, learner)


def too_much_pays_for_too_little(learner, expert):
    """Some of your terms are negative, and cancel others. In f, what makes u = 0.9 and u = 1.1 both cost something?"""
    return _over(expert - learner, expert + learner)


def distances_not_squared(learner, expert):
    """Your price has a sharp corner at u = 1. Draw this f near 1: is it a corner, or the round bottom of a bowl?"""
    return _over(np.abs(expert - learner), expert + learner)


def twice(learner, expert):
    """Every value of yours is twice too large. Have you divided by the *average* of the two? Multiply f by the expert's
    share and look where a half could come from."""
    return 2 * _over((expert - learner) ** 2, expert + learner)


def half(learner, expert):
    """Every value of yours is half of what it should be. χ² to the average of two typists is nearly it: which factor
    does this f have more?"""
    return _over((expert - learner) ** 2, expert + learner) / 2


def root_taken(learner, expert):
    """You return the root of the sum. In the definition of a divergence, is there anything to be done after the sum?"""
    return np.sqrt(_over((expert - learner) ** 2, expert + learner))


def rare_pairs_weigh_as_much(learner, expert):
    """You square a whole fraction, so that a pair where both are hardly ever weighs as much as one where both always
    are. Is the denominator of f squared too?"""
    return _over((expert - learner) ** 2, (expert + learner) ** 2)


def price_not_weighed(learner, expert):
    """You add up f(u) over the pairs. How often is the expert there to pay this price? Look at what stands before f in
    the definition."""
    return _over((expert - learner) ** 2, expert * (expert + learner))


def price_not_weighed_where_she_goes(learner, expert):
    """You add up f(u) over the pairs that the expert visits, and each counts as much as any other. In the definition,
    what does f(u) have to be multiplied by, and what then is left of a pair that only the learner visits?"""
    on = expert > 0
    return price_not_weighed(learner[on], expert[on])


def weighed_twice(learner, expert):
    """Every term of yours holds the expert's share once too often. You weighed by it already when you multiplied out:
    which denominator did it cancel?"""
    return _over(expert * (expert - learner) ** 2, expert + learner)


def denominator_lost(learner, expert):
    """You add up the squared differences alone. What has become of the denominator of f, when you multiplied it out?"""
    return np.sum((expert - learner) ** 2)


def one_not_multiplied(learner, expert):
    """There is still a bare 1 in your denominator. When the fraction in u + 1 is multiplied out, what happens to the
    1?"""
    return _over((expert - learner) ** 2, learner + 1)


def differences_that_cancel(learner, expert):
    """You return 0 for any two typists. The square of a difference and a difference of squares are not the same: which
    of them is in f?"""
    return 0.0


def fraction_of_sums(learner, expert):
    """You sum above and below the line, and divide in the end. The definition divides at each pair, and then sums: can
    the two be exchanged?"""
    return np.sum((expert - learner) ** 2) / np.sum(expert + learner)


def averaged(learner, expert):
    """You take the mean over the pairs. The definition has a sum: the weights are in it already."""
    return _over((expert - learner) ** 2, expert + learner) / len(expert)


def averaged_over_the_visited(learner, expert):
    """You take the mean over the pairs that somebody visits. The shares say already how much each of them counts: is
    there anything left to divide by?"""
    return _over((expert - learner) ** 2, expert + learner) / np.sum(expert + learner > 0)


def infinite_where_the_learner_invents_something(learner, expert):
    """You return ∞ where the learner goes and the expert never does. Look at the table of prices: is inventing
    something infinitely dear here?"""
    return np.inf if (learner[expert == 0] > 0).any() else _over((expert - learner) ** 2, expert + learner)


def invented_pairs_left_out(learner, expert):
    """You leave out the pairs where the expert never goes. Here their price is finite, but is it nothing? Simplify
    first, and only then put in her zero."""
    on = expert > 0
    return _over((expert - learner)[on] ** 2, (expert + learner)[on])


def missed_pairs_free(learner, expert):
    """You leave out the pairs that the learner never visits. The expert does: what is f at u = 0?"""
    on = learner > 0
    return _over((expert - learner)[on] ** 2, (expert + learner)[on])


def only_where_they_meet(learner, expert):
    """You count only the pairs that both visit. Two typists who never meet would be at distance 0: is that what you
    would call near?"""
    on = (learner > 0) & (expert > 0)
    return _over((expert - learner)[on] ** 2, (expert + learner)[on])


def small_number_below(returned, learner, expert):
    """Something small is added under the fraction, or taken for 0, and it is not small beside a rare pair's shares.
    Where both are *exactly* 0 the price is 0: is there another way to say so?"""
    added = 10.0 ** np.arange(-9, 0)
    return any(np.isclose(returned, np.sum((learner - expert) ** 2 / (learner + expert + one))) for one in added)


def never_above_one(learner, expert):
    """Your distances are right up to 1, and none is larger. Two typists who never meet are further apart than that: who
    says that 1 is the end?"""
    return min(_over((expert - learner) ** 2, expert + learner), 1.0)


def wrong_where_neither_goes(returned, learner, expert):
    """You are right as long as one of the two visits each pair now and then. Where neither ever goes, the fraction is
    0/0: what should such a pair cost, and what does yours do to the rest of the sum?"""
    return bool((learner + expert == 0).any())


def wrong_where_the_expert_never_goes(returned, learner, expert):
    """As long as the expert visits every pair now and then your answer is right. Where she never does, or hardly ever,
    what do you put in the place of her share? If the formula is multiplied out first, it can stay what it is."""
    return bool((expert < 1e-3).any())


@exercise(
    "3.3",
    draw=_two_typists,
    inputs="random pairs of typists",
    mistakes=[
        only_the_expert_below,
        only_the_expert_below_where_she_goes,
        only_the_learner_below,
        too_much_pays_for_too_little,
        distances_not_squared,
        twice,
        half,
        root_taken,
        rare_pairs_weigh_as_much,
        price_not_weighed,
        price_not_weighed_where_she_goes,
        weighed_twice,
        denominator_lost,
        one_not_multiplied,
        differences_that_cancel,
        fraction_of_sums,
        averaged,
        averaged_over_the_visited,
        infinite_where_the_learner_invents_something,
        invented_pairs_left_out,
        missed_pairs_free,
        only_where_they_meet,
        never_above_one,
    ],
    signs=[wrong_where_neither_goes, small_number_below, wrong_where_the_expert_never_goes],
)
def chi2_mixture(learner, expert):
    """Σ (ρ_E - ρ_π)²/(ρ_E + ρ_π), with 0 where both are 0."""
    return _over((expert - learner) ** 2, expert + learner)


# -- 3.4 ---------------------------------------------------------------------------------------------------------

_PRICES = (
    lambda u: -np.log(u),
    lambda u: xlogy(u, u),
    lambda u: (u - 1) ** 2,
    lambda u: (np.sqrt(u) - 1) ** 2,
    lambda u: (u - 1) ** 2 / (u + 1),
    lambda u: xlogy(u, u) - (u + 1) * np.log((u + 1) / 2),
    lambda u: np.abs(u - 1) / 2,
)


def _price_on_a_grid(rng: np.random.Generator) -> dict[str, Any]:
    """Any f, as the exercise says: with waves now and then, and on grids of equal steps or not, from 0 or not."""
    spaced = np.geomspace if rng.random() < 0.2 else np.linspace
    u = spaced(rng.uniform(0.01, 0.2), rng.uniform(4, 10), int(rng.integers(30, 60)))
    from_zero = rng.random() < 0.2
    if from_zero:
        u[0] = 0  # where -log u has no price
    f_values = rng.uniform(0.5, 2) * _PRICES[rng.integers(int(from_zero), len(_PRICES))](u)
    if rng.random() < 0.15:
        f_values += 0.5 * np.sin(4 * u)
    return {"f_values": f_values, "u": u, "x": rng.uniform(-3, 3, size=rng.integers(1, 7))}


def _lifted(f_values, u, x):
    """f(u) + u x, shape (x, u)."""
    return f_values + np.multiply.outer(x, u)


def the_conjugate_itself(f_values, u, x):
    """You return f*(x). From there to φ the sign changes twice: which two places in the definition of φ carry a
    minus?"""
    return (np.multiply.outer(x, u) - f_values).max(axis=1)


def slope_not_turned(f_values, u, x):
    """Your line has slope +x, so your φ is the right one seen in a mirror. Which of the two minus signs is missing, the
    inner or the outer one?"""
    return (f_values - np.multiply.outer(x, u)).min(axis=1)


def depth_instead_of_height(f_values, u, x):
    """All the sizes are right, and all the signs are wrong: you measure how far *below* zero the line crosses u = 0.
    Which minus is missing?"""
    return -_lifted(f_values, u, x).min(axis=1)


def pushed_too_far(f_values, u, x):
    """You push the line up until all of f lies below it. It should stop at the first touch, with all of f still above.
    Is that the largest or the smallest gap?"""
    return _lifted(f_values, u, x).max(axis=1)


def touching_point(f_values, u, x):
    """You return the u at which the line touches f. Wanted is the height at which that line crosses u = 0."""
    return u[_lifted(f_values, u, x).argmin(axis=1)]


def number_of_the_touching_point(f_values, u, x):
    """You return the number of a point of the grid. That tells where the line touches: how high is it, and then how
    high at u = 0?"""
    return _lifted(f_values, u, x).argmin(axis=1)


def height_of_the_touching_point(f_values, u, x):
    """You return the height of f where the line touches it. From there, follow the line back to u = 0: how far is it,
    and how steep?"""
    return f_values[_lifted(f_values, u, x).argmin(axis=1)]


def line_left_lying(f_values, u, x):
    """Your φ is the same for every x: the lowest point of f. Only a line of slope 0 touches there; what about the
    others?"""
    return np.full(len(x), f_values.min())


def touching_at_the_bottom(f_values, u, x):
    """All of your lines go through the lowest point of f. A slanted line through it cuts f: where does a line touch
    that goes downhill?"""
    bottom = f_values.argmin()
    return f_values[bottom] + u[bottom] * x


def last_ratio_only(f_values, u, x):
    """Only the last u of the grid counts in your answer. If you have a loop: what is remembered from one turn to the
    next?"""
    return f_values[-1] + u[-1] * x


def price_with_the_wrong_sign(f_values, u, x):
    """Your slope is right, but f has the wrong sign. A minus in front of the bracket concerns every term in it: which
    one has it not reached?"""
    return (np.multiply.outer(x, u) - f_values).min(axis=1)


def price_left_out(f_values, u, x):
    """Your answer does not depend on f. Pushing up the line would never stop: what should it touch?"""
    return np.multiply.outer(x, u).min(axis=1)


def search_begun_at_zero(f_values, u, x):
    """φ is never above zero in your answer. With which number does your search begin, and who says that there is
    nothing beyond it?"""
    return np.minimum(_lifted(f_values, u, x).min(axis=1), 0)


def slope_fitted(f_values, u, x):
    """This is nearly right. You look for the point where f is as steep as the line, but on a grid, at its ends and in a
    corner f has no such slope. What does (3.6) ask for, which needs no derivative?"""
    closest = np.abs(np.gradient(f_values, u) + x[:, None]).argmin(axis=1)
    return f_values[closest] + u[closest] * x


def infinite_at_the_end_of_the_grid(f_values, u, x):
    """You return -∞ when the line touches at the last u. With all u ≥ 0 that might be so, but for us the grid takes
    their place: is the height there not a number like any other?"""
    lifted = _lifted(f_values, u, x)
    return np.where(lifted.argmin(axis=1) == len(u) - 1, -np.inf, lifted.min(axis=1))


def height_at_one(f_values, u, x):
    """You return how high the line is at u = 1. On its way back to u = 0 it has one more step to go: how high is it
    there?"""
    return _lifted(f_values, u, x).min(axis=1) - x


def zero_left_out(f_values, u, x):
    """You leave out u = 0. A steep line touches f just there, and f(0) is a price like the others: why not?"""
    return _lifted(f_values[u > 0], u[u > 0], x).min(axis=1)


def stopped_at_the_first_rise(f_values, u, x):
    """You stop where it begins to rise. For a convex f nothing lower comes after that, but the exercise says "any f at
    all": how far must you look?"""
    lifted = _lifted(f_values, u, x)
    rises = np.append(np.diff(lifted, axis=1) > 0, np.ones((len(x), 1), dtype=bool), axis=1)
    return lifted[np.arange(len(x)), rises.argmax(axis=1)]


def star_forgotten(f_values, u, x):
    """You return -f(-x): the star is lost. f* is another function than f; what does (3.6) have you do to find it?"""
    return -np.interp(-x, u, f_values)


def axes_swapped(f_values, u, x):
    """f(u) and u have changed places. Which of them is a height, and which does the slope multiply?"""
    return (u + np.multiply.outer(x, f_values)).min(axis=1)


@exercise(
    "3.4",
    draw=_price_on_a_grid,
    inputs="random divergences",
    mistakes=[
        the_conjugate_itself,
        slope_not_turned,
        depth_instead_of_height,
        pushed_too_far,
        touching_point,
        number_of_the_touching_point,
        height_of_the_touching_point,
        line_left_lying,
        touching_at_the_bottom,
        last_ratio_only,
        price_with_the_wrong_sign,
        price_left_out,
        search_begun_at_zero,
        slope_fitted,
        infinite_at_the_end_of_the_grid,
        height_at_one,
        zero_left_out,
        stopped_at_the_first_rise,
        star_forgotten,
        axes_swapped,
    ],
)
def phi_from_f(f_values, u, x):
    """φ(x) = -f*(-x) = min_u f(u) + u x, shape of x."""
    return _lifted(f_values, u, x).min(axis=1)


# -- 3.5 ---------------------------------------------------------------------------------------------------------


def _full_learner(rng: np.random.Generator) -> dict[str, Any]:
    """A learner who goes everywhere, now and then to one pair hardly ever, whether or not the expert goes there often,
    and an expert who may not."""
    size = int(rng.integers(3, 7))
    learner, expert = rng.dirichlet(np.ones(size), size=2) + 0.02
    seldom, *others = rng.permutation(size)
    if rng.random() < 0.2:
        learner[seldom] *= 10 ** rng.uniform(-4, -2)
        expert[seldom] = rng.choice([0.0, learner[seldom] * rng.uniform(0.5, 2)])
    elif rng.random() < 0.5:
        learner[seldom] = 10 ** rng.uniform(-9, -3)
    expert[others[1 : rng.integers(1, 4)]] = 0
    return {"learner": learner / learner.sum(), "expert": expert / expert.sum()}


def _on_the_data(rewards: Callable[..., Any]) -> Callable[..., bool]:
    """The sign of an answer with these rewards where the expert goes, whatever it says where she never does."""

    @functools.wraps(rewards)
    def sign(returned, learner, expert):
        on = expert > 0
        return np.allclose(returned[on], rewards(learner[on], expert[on]), rtol=1e-4, atol=1e-4)

    return sign


@_on_the_data
def slope_instead_of_reward(learner, expert):
    """Your rewards are highest where the learner already is too often. The line that touches f at u has slope -r: what
    does that make of your sign?"""
    return -np.log((learner + expert) / (2 * learner))


@_on_the_data
def ratio_upside_down(learner, expert):
    """You took u for the expert's share over the learner's. Look at the definition of u again: who is on top?"""
    return np.log((learner + expert) / (2 * expert))


@_on_the_data
def not_zero_where_they_agree(learner, expert):
    """Where the two agree, u = 1, you pay log 2 = 0.69. f has its lowest point at u = 1: how steep is it there? Look
    for a 2 that got lost."""
    return np.log((learner + expert) / learner)


@_on_the_data
def first_product_half_done(learner, expert):
    """Every reward of yours is too high by 1. u log u is a product: what are *both* parts of its derivative? And the
    half inside the second logarithm: what does the chain rule make of it?"""
    return np.log((learner + expert) / (2 * learner)) + 1


@_on_the_data
def second_product_half_done(learner, expert):
    """Every reward of yours is too low by 1. The second term of f is a product as well: have you differentiated its
    logarithm too?"""
    return np.log((learner + expert) / (2 * learner)) - 1


@_on_the_data
def reward_of_reverse_kl(learner, expert):
    """These are the rewards of reverse KL, whose f is u log u alone. Which term of this f did you leave out?"""
    return np.log(expert / learner) - 1


@_on_the_data
def logarithm_of_the_ratio(learner, expert):
    """You pay the logarithm of the ratio. That is unbounded, and the rewards of Jensen-Shannon are not: take f from the
    table and differentiate it."""
    return np.log(expert / learner)


@_on_the_data
def reward_of_forward_kl(learner, expert):
    """You pay the ratio of the shares itself, and so never less than 0. Which divergence has a lower edge of 0, and
    which have we here?"""
    return expert / learner


@_on_the_data
def score_of_the_critic(learner, expert):
    """You return φ(r), what the critic scores where the expert goes. Wanted is r, what the learner is paid."""
    return np.log(2 * expert / (learner + expert))


@_on_the_data
def probability_of_the_expert(learner, expert):
    """You return a probability: that the pair is the expert's and not the learner's. A reward may be negative; take the
    slope of f."""
    return expert / (learner + expert)


@_on_the_data
def price_instead_of_slope(learner, expert):
    """You return -f(u), a price. The reward is told by how *steep* f is at u: have you differentiated?"""
    u = learner / expert
    return (u + 1) * np.log((u + 1) / 2) - u * np.log(u)


@_on_the_data
def price_itself(learner, expert):
    """You return f(u), a price that grows with every difference. The reward tells in which *direction* the learner
    errs: which property of f at u does (3.7) speak of?"""
    u = learner / expert
    return u * np.log(u) - (u + 1) * np.log((u + 1) / 2)


@_on_the_data
def half_as_large(learner, expert):
    """Every reward of yours is half of what it should be. Have you started from the usual Jensen-Shannon? Compare your
    f with the one in the table."""
    return np.log((learner + expert) / (2 * learner)) / 2


@_on_the_data
def log_to_base_two(learner, expert):
    """Every reward of yours is too large by one and the same factor, 1.44. In which unit are this course's
    logarithms?"""
    return np.log2((learner + expert) / (2 * learner))


@_on_the_data
def weighed_by_the_expert(learner, expert):
    """You multiply by the expert's share, as if you summed. When does a reward get its weight: when it is fixed, or
    when it is paid out?"""
    return expert * np.log((learner + expert) / (2 * learner))


@_on_the_data
def never_below_zero(learner, expert):
    """Your rewards are never below zero. A critic may also punish: which sign does -f' have, where the learner is too
    often?"""
    return np.maximum(np.log((learner + expert) / (2 * learner)), 0)


@_on_the_data
def logarithm_of_a_probability(learner, expert):
    """You pay the logarithm of the chance that the pair is the expert's, as some GANs do. That falls without bound:
    does it follow from the f of the table?"""
    return np.log(expert / (learner + expert))


@_on_the_data
def difference_of_the_shares(learner, expert):
    """You subtract the shares. The right direction, but how much is paid depends on their *ratio* u: what does (3.7) do
    with it?"""
    return expert - learner


def reward_of_another_row(returned, learner, expert):
    """These are the best rewards for another divergence of the table. Which row of it is wanted here?"""
    on = expert > 0
    others = [DIVERGENCES[name] for name in ("forward_kl", "chi2", "hellinger", "chi2_mixture", "skew_kl")]
    u = learner[on] / expert[on]
    rewards = [other.reward(u) - other.reward(1.0) for other in others]  # of the price that is level at 1
    return any(np.allclose(returned[on], reward, rtol=1e-4, atol=1e-4) for reward in rewards)


def wrong_off_the_data(returned, learner, expert):
    """Where the expert goes all your rewards are right. Where she never goes, u is ∞: how steep does f become out
    there, and how low may a reward be?"""
    on = expert > 0
    right = best_reward.oracle(learner, expert)
    return np.allclose(returned[on], right[on], rtol=RTOL, atol=ATOL)


def wrong_where_shares_are_small(returned, learner, expert):
    """You are right, or nearly, where both go often. Beside a share that is small itself an ε is not small, and hardly
    ever is not never: does the formula need any help, if it is multiplied out first?"""
    shares = np.where(expert > 0, np.minimum(learner, expert), learner)
    return right_but_where_rare(returned, best_reward.oracle(learner, expert), shares)


@exercise(
    "3.5",
    draw=_full_learner,
    inputs="random pairs of typists",
    mistakes=[],
    signs=[
        wrong_off_the_data,
        slope_instead_of_reward,
        ratio_upside_down,
        not_zero_where_they_agree,
        first_product_half_done,
        second_product_half_done,
        reward_of_reverse_kl,
        logarithm_of_the_ratio,
        reward_of_forward_kl,
        score_of_the_critic,
        probability_of_the_expert,
        price_instead_of_slope,
        price_itself,
        half_as_large,
        log_to_base_two,
        weighed_by_the_expert,
        never_below_zero,
        logarithm_of_a_probability,
        difference_of_the_shares,
        reward_of_another_row,
        wrong_where_shares_are_small,
    ],
)
def best_reward(learner, expert):
    """-f'(u) of Jensen-Shannon, log((ρ_π + ρ_E)/(2 ρ_π)); off the data this is the edge, -log 2."""
    return np.log((learner + expert) / (2 * learner))
