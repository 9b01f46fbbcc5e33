"""The exercises of notebooks/01_figure_1.ipynb."""

from __future__ import annotations

from typing import Any

import numpy as np

from smatch_edu.checks.exercise import exercise

# -- 1.1 ---------------------------------------------------------------------------------------------------------


def _model(rng: np.random.Generator) -> dict[str, Any]:
    """Any text from one token to some hundred."""
    error = float(rng.choice([0.0, 1.0])) if rng.random() < 0.2 else float(rng.uniform(0.02, 0.5))
    longest = 300 if rng.random() < 0.25 else 40
    return {"error": error, "horizon": 1 if rng.random() < 0.1 else int(rng.integers(2, longest))}


def chances_added(error, horizon):
    """Your numbers grow by ε at every step, past 1 if the text is long. Can a text that is off the data leave it once
    more?"""
    return error * np.arange(horizon + 1)


def chances_added_then_cut(error, horizon):
    """Your curve is a straight line until it is cut off at 1, as if every text were lost for certain by then. Is there
    no text at all that has been lucky so far?"""
    return np.minimum(1, error * np.arange(horizon + 1))


def on_instead_of_off(error, horizon):
    """Your curve falls from 1: that is how likely it is that nothing has gone wrong. What is the chance of the
    opposite?"""
    return (1 - error) ** np.arange(horizon + 1)


def clock_one_early(error, horizon):
    """Your first number is the chance after one token. How many tokens are typed at t = 0, and how many of them can be
    wrong?"""
    return 1 - (1 - error) ** np.arange(1, horizon + 2)


def clock_one_late(error, horizon):
    """Your curve starts one step too late: at t = 1 nothing has gone wrong yet. How many tokens stand on the screen at
    t = 1?"""
    return 1 - (1 - error) ** np.maximum(np.arange(horizon + 1) - 1, 0)


def all_wrong(error, horizon):
    """You ask for t wrong tokens, one after the other. How many are enough to be off the data?"""
    return error ** np.arange(horizon + 1)


def not_all_wrong(error, horizon):
    """You took the opposite of "every token is wrong". The opposite of "one of them at least is wrong" is another
    event: which?"""
    return 1 - error ** np.arange(horizon + 1)


def last_token_only(error, horizon):
    """You look at the last token alone. What about a text whose last token is fine, and whose second one was wrong?"""
    return np.where(np.arange(horizon + 1) > 0, error, 0.0)


def always_the_same(error, horizon):
    """Your chance is the same at every step, even before anything is typed. What does the number of tokens do to it?"""
    return np.full(horizon + 1, error)


def leaves_just_now(error, horizon):
    """You return the chance that the *first* mistake is made exactly at step t. A text that left the data before that
    is off it as well: where do you count it?"""
    steps = np.arange(horizon + 1)
    return np.where(steps > 0, error * (1 - error) ** np.maximum(steps - 1, 0), 0.0)


def exactly_one_wrong(error, horizon):
    """You count the texts with exactly one wrong token. Are those with two or three of them on the data?"""
    steps = np.arange(horizon + 1)
    return steps * error * (1 - error) ** np.maximum(steps - 1, 0)


def exponential(error, horizon):
    """You use an exponential, as if time ran on smoothly. That is close when ε is small, and never exact: what happens
    with the chance of still being on the data at a single token?"""
    return 1 - np.exp(-error * np.arange(horizon + 1))


def lost_texts_err_again(error, horizon):
    """Your curve bends upwards: at each token you also add ε for the texts that are lost already. Which texts can leave
    the data at the next token?"""
    return (1 + error) ** np.arange(horizon + 1) - 1


def errors_undo_errors(error, horizon):
    """In your chain a second wrong token leads back to the data. We assumed the worst about the texts that are off:
    where are they a token later?"""
    return (1 - (1 - 2 * error) ** np.arange(horizon + 1)) / 2


def close_as_a_simulation(returned, error, horizon):
    """You are close everywhere, as the shares of many simulated texts would be. No random number is needed here: what
    must be true of all t tokens of a text that is on the data?"""
    luck = 0 < error < 1  # without it a simulation is exact
    return luck and bool((np.abs(returned - compounding_error.oracle(error, horizon)) < 0.06).all())


def wrong_without_luck(returned, error, horizon):
    """You are right wherever ε is neither 0 nor 1. Both are allowed: what do you do to ε that changes them, and is it
    needed?"""
    return error in (0, 1)


def starts_off_the_data(returned, error, horizon):
    """At t = 0 the screen is empty, and nothing is wrong with that. Which number should your array start with?"""
    return bool(abs(returned[0]) > 1e-6)


def comes_back(returned, error, horizon):
    """Your curve goes down somewhere. Off the data, whatever is typed stays off: can the share of texts that are off
    ever shrink?"""
    return bool((np.diff(returned) < -1e-6).any())


def more_than_certain(returned, error, horizon):
    """Some of your chances are larger than 1. Nothing is more than certain: what did you count more than once?"""
    return bool((returned > 1 + 1e-6).any())


@exercise(
    "1.1",
    draw=_model,
    inputs="random models",
    mistakes=[
        chances_added,
        chances_added_then_cut,
        on_instead_of_off,
        clock_one_early,
        clock_one_late,
        all_wrong,
        not_all_wrong,
        last_token_only,
        always_the_same,
        leaves_just_now,
        exactly_one_wrong,
        exponential,
        lost_texts_err_again,
        errors_undo_errors,
    ],
    signs=[wrong_without_luck, more_than_certain, starts_off_the_data, comes_back],
    guesses=[close_as_a_simulation],
)
def compounding_error(error, horizon):
    """1 - (1-ε)^t for t = 0..horizon."""
    return 1 - (1 - error) ** np.arange(horizon + 1)


# -- 1.2 ---------------------------------------------------------------------------------------------------------


def _spread(rng: np.random.Generator) -> dict[str, Any]:
    length = int(rng.integers(2, 9))
    distribution = np.append(rng.dirichlet(np.ones(length - 1)), 0.0)
    if rng.random() < 0.1:
        distribution = np.eye(length)[0]  # the start
    recovery = float(rng.choice([0.0, 1.0])) if rng.random() < 0.1 else float(rng.uniform(0.1, 0.9))
    return {"distribution": distribution, "error": float(rng.uniform(0.05, 0.9)), "recovery": recovery}


def _stepped(distribution, right, wrong, back, further, still=0.0):
    """A key later, if 0 keeps the share `right` and sends `wrong` to 1, and each n ≥ 1 sends `back` to n-1 and
    `further` to n+1 and keeps `still`."""
    after = np.zeros(len(distribution))
    after[0] = right * distribution[0]
    after[1] = wrong * distribution[0]
    after[:-1] += back * distribution[1:]
    after[2:] += further * distribution[1:-1]
    after[1:] += still * distribution[1:]
    return after


def straight_home(distribution, error, recovery):
    """Your backspace leads from any depth straight to the data. It deletes one token: where does it lead from off by
    3?"""
    after = _stepped(distribution, 1 - error, error, 0, 1 - recovery)
    after[0] += recovery * distribution[1:].sum()
    return after


def one_place_for_all(distribution, error, recovery):
    """You treat everything off the data as one place, off by 1. Off by 1 and off by 5 are not the same: from which of
    them does a single backspace lead home?"""
    off = distribution[1:].sum()
    after = np.zeros(len(distribution))
    after[0] = (1 - error) * distribution[0] + recovery * off
    after[1] = error * distribution[0] + (1 - recovery) * off
    return after


def stays_put(distribution, error, recovery):
    """Off the data, when backspace is not pressed, nothing happens in your chain. But some key is pressed: what does
    one more token do to n?"""
    return _stepped(distribution, 1 - error, error, recovery, 0, 1 - recovery)


def errs_off_the_data(distribution, error, recovery):
    """Off the data you let the model type a *right* token with probability 1-ε. Out there nothing is right any more:
    which number decides what happens then, ε or r?"""
    return _stepped(distribution, 1 - error, error, recovery, (1 - recovery) * error, (1 - recovery) * (1 - error))


def error_in_place_of_recovery(distribution, error, recovery):
    """Your numbers do not change with r: off the data you use ε as you do on it. How likely is a backspace there?"""
    return _stepped(distribution, 1 - error, error, 1 - error, error)


def nothing_further(distribution, error, recovery):
    """Some of your mass is gone: off the data you move those who press backspace, and forget the others. Where are they
    a key later?"""
    return _stepped(distribution, 1 - error, error, recovery, 0)


def nothing_back(distribution, error, recovery):
    """In your chain nobody comes back, and mass is lost. Where does backspace lead, and with which probability?"""
    return _stepped(distribution, 1 - error, error, 0, 1 - recovery)


def never_leaves(distribution, error, recovery):
    """Your texts on the data stay there for ever. What does a wrong token do to them?"""
    return _stepped(distribution, 1, 0, recovery, 1 - recovery)


def leaves_and_stays(distribution, error, recovery):
    """Who leaves the data is counted twice: at 1, where they are now, and at 0, where they were. What share of the
    texts at 0 is still there a key later?"""
    return _stepped(distribution, 1, error, recovery, 1 - recovery)


def right_tokens_lost(distribution, error, recovery):
    """The texts whose next token is right are missing from what you return. How far off the data are those?"""
    return _stepped(distribution, 0, error, recovery, 1 - recovery)


def recovery_on_the_data(distribution, error, recovery):
    """You let the model take a wrong token back within the same key. Typing it is one key, and backspace is the next:
    on the data, does r matter at all?"""
    return _stepped(distribution, 1 - error * (1 - recovery), error * (1 - recovery), recovery, 1 - recovery)


def recovery_in_place_of_error(distribution, error, recovery):
    """Your numbers do not change with ε: at 0 you use r as you do off the data. How likely is a wrong token there?"""
    return _stepped(distribution, recovery, 1 - recovery, recovery, 1 - recovery)


def home_wraps_around(distribution, error, recovery):
    """You treat 0 like any other depth, and `np.roll` carries its backspace round to the last entry. Can a text on the
    data take back a mistake that it has not made?"""
    return recovery * np.roll(distribution, -1) + (1 - recovery) * np.roll(distribution, 1)


def nothing_moves(distribution, error, recovery):
    """You return the distribution that you were given. One key is pressed in every text: where does each n lead?"""
    return np.array(distribution)


def recovery_swapped(distribution, error, recovery):
    """Your r and 1-r are the wrong way round: imagine r = 1. Should the texts off the data come nearer, or go away?"""
    return _stepped(distribution, 1 - error, error, 1 - recovery, recovery)


def error_swapped(distribution, error, recovery):
    """Your ε and 1-ε are the wrong way round: imagine ε = 0. Should a text on the data stay there?"""
    return _stepped(distribution, error, 1 - error, recovery, 1 - recovery)


def arrows_reversed(distribution, error, recovery):
    """You collect along the arrows in the wrong direction: your entry for n adds up where n *leads*. Wanted is what
    *arrives* at n. If you use a matrix, look at its transpose."""
    size = len(distribution)
    moves = np.diag(np.full(size - 1, 1 - recovery), 1) + np.diag(np.full(size - 1, recovery), -1)
    moves[0, :2] = 1 - error, error
    return moves @ distribution


def moved_twice(distribution, error, recovery):
    """Some of your mass moves several times in one step: a text that has just arrived at n is moved on by the same
    loop. Which distribution should you read from, and which one write to?"""
    after = np.array(distribution)
    for n in range(len(after) - 1):
        mass = after[n]
        after[n] = (1 - error) * mass if n == 0 else 0
        after[n + 1] += (error if n == 0 else 1 - recovery) * mass
        after[max(n - 1, 0)] += recovery * mass if n else 0
    return after


def reads_what_it_wrote(distribution, error, recovery):
    """You go through the depths one by one, and what you read at n-1 is new already, not old. In which array must the
    old shares wait until all the new ones are known?"""
    after = np.append(distribution, 0.0)
    after[0] = (1 - error) * after[0] + recovery * after[1]
    for n in range(1, len(distribution)):
        after[n] = (error if n == 1 else 1 - recovery) * after[n - 1] + recovery * after[n + 1]
    return after[:-1]


def all_go_further(distribution, error, recovery):
    """All your texts that are off the data go one further. Some of them press backspace instead: how many, and where
    does it lead?"""
    return _stepped(distribution, 1 - error, error, 0, 1)


def backspace_may_fail(distribution, error, recovery):
    """You let backspace fail now and then, with probability ε. Off the data r is the whole chance of going back: does ε
    play any part there?"""
    return _stepped(distribution, 1 - error, error, recovery * (1 - error), 1 - recovery * (1 - error))


def two_keys(distribution, error, recovery):
    """Your texts are two keys further on. How many keys were pressed between the given distribution and the wanted
    one?"""
    return one_step.oracle(one_step.oracle(distribution, error, recovery), error, recovery)


def divided_by_its_sum(returned, distribution, error, recovery):
    """Your probabilities sum to 1, yet only because you divide by their sum. If every text is led somewhere there is
    nothing left to divide by: which texts were missing before?"""
    nobody_home = one_step.oracle(distribution, error, recovery)
    nobody_home[0] -= recovery * distribution[1]
    lost = [nobody_home, *(lose(distribution, error, recovery) for lose in (nothing_back, nothing_further))]
    return any(np.allclose(returned, left / left.sum(), atol=1e-5) for left in lost)


def mass_lost_or_made(returned, distribution, error, recovery):
    """Your probabilities do not sum to 1 any more. Every text is somewhere a key later: from which n do your arrows not
    add up?"""
    return bool(abs(returned.sum() - 1) > 1e-6)


def negative_mass(returned, distribution, error, recovery):
    """One of your probabilities is negative. What did you take away that was not there?"""
    return bool((returned < -1e-9).any())


@exercise(
    "1.2",
    draw=_spread,
    inputs="random distributions",
    mistakes=[
        straight_home,
        one_place_for_all,
        stays_put,
        errs_off_the_data,
        error_in_place_of_recovery,
        nothing_further,
        nothing_back,
        never_leaves,
        leaves_and_stays,
        right_tokens_lost,
        recovery_on_the_data,
        recovery_in_place_of_error,
        home_wraps_around,
        nothing_moves,
        recovery_swapped,
        error_swapped,
        arrows_reversed,
        moved_twice,
        reads_what_it_wrote,
        all_go_further,
        backspace_may_fail,
        two_keys,
    ],
    signs=[divided_by_its_sum, mass_lost_or_made, negative_mass],
)
def one_step(distribution, error, recovery):
    """0 keeps 1-ε and sends ε to 1; every n ≥ 1 sends r to n-1 and 1-r to n+1."""
    return _stepped(distribution, 1 - error, error, recovery, 1 - recovery)


# -- 1.3 ---------------------------------------------------------------------------------------------------------


def _endless(rng: np.random.Generator) -> dict[str, Any]:
    borders = [0.0, 0.5, 1.0] * 2  # often enough to be among a hundred
    slow = rng.uniform(0.507, 0.52, size=2)  # where long series are broken off
    recovery = rng.choice([*borders, *slow, *rng.uniform(0, 0.48, size=4), *rng.uniform(0.52, 1, size=6)])
    error = rng.uniform(0.4, 0.9) if rng.random() < 0.2 else rng.uniform(0.01, 0.4)
    return {"error": float(error), "recovery": float(recovery)}


def _share(odds):
    """The probability of what is `odds` times as likely as its opposite."""
    return odds / (1 + odds)


def two_places(error, recovery):
    """In your chain there is one place off the data, and a single backspace always leads home. How many does it take
    from off by 3, and what else may happen in between?"""
    return error / (error + recovery)


def odds_instead_of_share(error, recovery):
    """For r > 1/2 you return how many times as likely off is as on. Wanted is a share of the time: which two numbers
    have to sum to 1?"""
    return error / (2 * recovery - 1) if recovery > 0.5 else 1.0


def series_past_its_reach(error, recovery):
    """You are right for r > 1/2. For a smaller r your number is negative, or above 1: what does the sum over all depths
    do when each is more likely than the one before?"""
    below = error + 2 * recovery - 1
    return error / below if below else np.inf


def on_not_off(error, recovery):
    """You return the share of the time *on* the data. Imagine a tiny ε and r = 1: should your number be near 0 or near
    1?"""
    return 1 - level.oracle(error, recovery)


def off_by_one_only(error, recovery):
    """Your share is that of the texts off by exactly 1. Those which are off by 2, by 3 and so on are off the data as
    well: what do all of them sum to?"""
    return (2 * recovery - 1) / (error + 2 * recovery - 1) * error / recovery if recovery > 0.5 else 1.0


def series_starts_late(error, recovery):
    """Your sum over the depths starts at off by 2. What is its first term?"""
    return _share(error / recovery * (1 - recovery) / (2 * recovery - 1)) if recovery > 0.5 else 1.0


def ratio_upside_down(error, recovery):
    """Your depths become *more* likely the further off they are. For r > 1/2, which way does a border see more traffic
    per text: away from the data or home?"""
    return _share(error * (1 - recovery) / (recovery * (1 - 2 * recovery))) if recovery > 0.5 else 1.0


def first_border_like_the_others(error, recovery):
    """For r > 1/2 your share does not change with ε. The border between 0 and 1 is not like the others: who crosses it
    from the left, and how likely is that?"""
    return (1 - recovery) / recovery if recovery > 0.5 else 1.0


def first_border_one_way(error, recovery):
    """Look at the border between 0 and 1 again. What leaves 0 must come back over it: which share of the texts at 1
    comes back with each key?"""
    return _share(error * recovery / (2 * recovery - 1)) if recovery > 0.5 else 1.0


def speed_home_forgets_new_tokens(error, recovery):
    """You count the backspaces on the way home, and not the new tokens that are typed on the way. What becomes of the
    walk home when another key is pressed instead?"""
    return error / (error + recovery) if recovery > 0.5 else 1.0


def mistake_and_no_repair(error, recovery):
    """You multiply the chance of a mistake by that of not repairing it. One mistake may cost many keys, though, and one
    at least: how long is a text off before backspace has brought it home?"""
    return error * (1 - recovery)


def repaired_at_once(error, recovery):
    """You are right but for r = 1. Think of a single wrong token then: what does the screen show before backspace is
    pressed?"""
    return level.oracle(error, recovery) if recovery < 1 else 0.0


def error_and_recovery_swapped(error, recovery):
    """ε and r have changed places in your answer. Which of the two says how likely a text is to come nearer, once it is
    off?"""
    return level.oracle(recovery, error)


def mean_depth(error, recovery):
    """For r > 1/2 you return how far off a text is on average: your depths are counted n times each. Wanted is only how
    often it is off at all: what should the weight of each depth be?"""
    return level.oracle(error, recovery) * recovery / (2 * recovery - 1) if recovery > 0.5 else 1.0


def nearly_there(returned, error, recovery):
    """You are close everywhere, as a long simulation or many steps of the chain would be. The level is where they are
    heading: can you say it without taking a single step?"""
    return bool(abs(returned - level.oracle(error, recovery)) < 0.02)


def not_for_ever(returned, error, recovery):
    """Your number stays below the level wherever it is wrong, as after so many keys, or if only so many depths are
    added. In the long run neither of them ends: which series has infinitely many terms here?"""
    here, off = np.eye(7)[0], []
    for _ in range(5):
        here = one_step.oracle(here, error, recovery)
        off.append(1 - here[0])
    early = min(off[-2:])  # if she errs and recovers often, every other share is larger
    return bool(early - 0.02 < returned < level.oracle(error, recovery) + 0.02)


def border_at_the_error(returned, error, recovery):
    """In your answer a text gets lost where r is below ε. But ε only says how often a walk starts: which two chances
    decide whether it comes home?"""
    lost = recovery <= error and abs(returned - 1) < 1e-5
    return lost or error < recovery <= 0.5


def wrong_only_below_one_half(returned, error, recovery):
    """You are right for r > 1/2. For r ≤ 1/2 a text is at least as likely to go further off as to come nearer: where do
    all the texts end up, given enough time?"""
    return recovery <= 0.5


def wrong_only_above_one_half(returned, error, recovery):
    """You are right for r ≤ 1/2, where every text gets lost. For r > 1/2, start from p₀, write every other depth as a
    multiple of it, and let them all sum to 1. Which step of this is different in your answer?"""
    return recovery > 0.5


def no_share(returned, error, recovery):
    """Your number is no share of the time. Between which two numbers must it be, for every ε and r?"""
    return not 0 <= returned <= 1


@exercise(
    "1.3",
    draw=_endless,
    inputs="random endless texts",
    mistakes=[
        two_places,
        odds_instead_of_share,
        series_past_its_reach,
        on_not_off,
        off_by_one_only,
        series_starts_late,
        ratio_upside_down,
        first_border_like_the_others,
        first_border_one_way,
        speed_home_forgets_new_tokens,
        mistake_and_no_repair,
        repaired_at_once,
        error_and_recovery_swapped,
        mean_depth,
    ],
    signs=[
        nearly_there,
        not_for_ever,
        border_at_the_error,
        wrong_only_below_one_half,
        wrong_only_above_one_half,
        no_share,
    ],
)
def level(error, recovery):
    """ε/(ε+2r-1) for r > 1/2; 1 for r ≤ 1/2 and ε > 0."""
    return error / (error + 2 * recovery - 1) if recovery > 0.5 else 1.0
