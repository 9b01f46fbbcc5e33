"""The exercises of notebooks/09_training_sequencematch.ipynb."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy.special import logsumexp

from smatch_edu.checks.exercise import exercise
from smatch_edu.checks.values import numbers


def _at_times(rng: np.random.Generator, extremes: list[float], usual: float) -> float:
    """Mostly the usual number, now and then one of the extremes."""
    return float(rng.choice(extremes)) if rng.random() < 0.15 else float(usual)


def _weights(rng: np.random.Generator) -> dict[str, float]:
    return {
        "beta": _at_times(rng, [0.0, 1.0], rng.uniform(0.1, 0.9)),
        "gamma": _at_times(rng, [0.99, 0.998], rng.uniform(0.5, 0.95)),
        "alpha": _at_times(rng, [0.01, 10.0], rng.uniform(0.2, 2.0)),
    }


# -- 9.1 ---------------------------------------------------------------------------------------------------------


def _walk_with_slips(rng: np.random.Generator) -> dict[str, Any]:
    """A walk of tokens, slips and ⌫ that ends with ⏎; every slip is taken back at once, and a right token now and
    then."""
    tokens = int(rng.integers(2, 6))
    eos, backspace = tokens, tokens + 1
    pressed, typed = [], []
    for meant in rng.integers(tokens, size=rng.integers(0, 5)).tolist():
        while rng.random() < 0.4:
            slip = rng.random() < 0.9
            pressed += [meant, backspace]
            typed += [(meant + slip * int(rng.integers(1, tokens))) % tokens, backspace]
        pressed.append(meant)
        typed.append(meant)
    logits = rng.normal(0.0, 1.5, size=(len(pressed) + 1, tokens + 2))
    return {
        "log_probs": logits - logsumexp(logits, axis=1, keepdims=True),
        "pressed": np.array([*pressed, eos]),
        "typed": np.array([*typed, eos]),
        "masked": bool(rng.random() < 0.6),
    }


def _costs(log_probs, keys):
    """-log π of these keys, step by step."""
    return -log_probs[np.arange(len(keys)), keys]


def label_is_what_came_out(log_probs, pressed, typed, masked):
    """Your labels are the keys that came out, slips and all. Whoever learns from those learns to slip: which key did
    she *want* at that text?"""
    return float(_costs(log_probs, typed).sum())


def slip_relabelled_if_kept(log_probs, pressed, typed, masked):
    """Masked is right. Kept is not: your label of a slip is the wrong key that came out. What is kept is what she
    meant: in which of the two lists does it stand?"""
    counts = (pressed == typed) | (not masked)
    return float((counts * _costs(log_probs, typed)).sum())


def slip_relabelled_if_masked(log_probs, pressed, typed, masked):
    """Kept is right. With `masked` you put the key that came out in the place of the one that was meant. Should that
    step have any label?"""
    return float(_costs(log_probs, typed if masked else pressed).sum())


def likelihood_for_loss(log_probs, pressed, typed, masked):
    """Your number grows as the demonstrations get likelier. Is a loss made large, or small?"""
    return -cloning_loss_of_a_walk.oracle(log_probs, pressed, typed, masked)


def mean_over_steps(log_probs, pressed, typed, masked):
    """You take a mean over the steps. Then a key in a long walk counts less than one in a short walk: what does the
    formula do within a walk?"""
    return cloning_loss_of_a_walk.oracle(log_probs, pressed, typed, masked) / len(pressed)


def mean_over_counted_steps(log_probs, pressed, typed, masked):
    """You divide by the number of steps that count. Leaving a step out should not change what the others weigh: what
    does the formula do within a walk?"""
    counts = (pressed == typed) | (not masked)
    return cloning_loss_of_a_walk.oracle(log_probs, pressed, typed, masked) / counts.sum()


def rescaled_for_the_masked(log_probs, pressed, typed, masked):
    """With `masked` you make the other steps heavier, so that the weights still sum to N. Which weight do they have
    according to the text?"""
    counts = (pressed == typed) | (not masked)
    right = cloning_loss_of_a_walk.oracle(log_probs, pressed, typed, masked)
    return right * len(pressed) / counts.sum()


def always_masked(log_probs, pressed, typed, masked):
    """You leave slips out in any case. Have you looked at `masked`?"""
    return cloning_loss_of_a_walk.oracle(log_probs, pressed, typed, True)


def never_masked(log_probs, pressed, typed, masked):
    """You keep slips in any case. Have you looked at `masked`, and how can two lists tell you where a slip was?"""
    return cloning_loss_of_a_walk.oracle(log_probs, pressed, typed, False)


def masked_the_other_way(log_probs, pressed, typed, masked):
    """You leave slips out exactly when they are to be kept. Which way round is `masked`?"""
    return cloning_loss_of_a_walk.oracle(log_probs, pressed, typed, not masked)


def only_slips_counted(log_probs, pressed, typed, masked):
    """With `masked` only the slips are left in your sum. Which steps were to be left out, and which ones stay?"""
    counts = (pressed != typed) | (not masked)
    return float((counts * _costs(log_probs, pressed)).sum())


def _without(returned, steps, log_probs, pressed, typed, masked):
    """Whether it is what these steps leave out if slips are masked."""
    return np.isclose(returned, (~(steps & masked) * _costs(log_probs, pressed)).sum(), rtol=1e-4)


def _ways_back(log_probs, pressed, typed):
    """The steps at which a slip is taken back, and all at which anything is."""
    return np.append([False], (pressed != typed)[:-1]), pressed == log_probs.shape[1] - 1


def backspace_masked_too(returned, log_probs, pressed, typed, masked):
    """With `masked` you leave out the slip *and* the ⌫ that takes it back. Where else would she learn to press ⌫?"""
    slips, given = pressed != typed, (log_probs, pressed, typed, masked)
    return any(_without(returned, slips | back, *given) for back in _ways_back(*given[:3]))


def backspace_masked_instead(returned, log_probs, pressed, typed, masked):
    """With `masked` you leave out the ⌫ and keep the slip. At which of the two steps did the keyboard do what it was
    not told?"""
    given = log_probs, pressed, typed, masked
    return any(_without(returned, back, *given) for back in _ways_back(*given[:3]))


def slip_told_by_the_backspace(log_probs, pressed, typed, masked):
    """You take whatever stands before a ⌫ for a slip. She may also take back a key that came out as she meant it: which
    two lists tell whether the keyboard slipped?"""
    taken_back = np.append(pressed[1:] == log_probs.shape[1] - 1, False)
    return float((~(taken_back & masked) * _costs(log_probs, pressed)).sum())


def retry_masked_too(log_probs, pressed, typed, masked):
    """With `masked` you leave out a slip and everything that mends it, the second try too. The text says which single
    step of these has no label: which one?"""
    slips = pressed != typed
    mending = np.append([False], slips[:-1]) | np.append([False, False], slips[:-2])[: len(slips)]
    counts = ~(slips | mending) | (not masked)
    return float((counts * _costs(log_probs, pressed)).sum())


def rest_of_the_walk_masked(log_probs, pressed, typed, masked):
    """With `masked` you stop at the first slip. She takes it back and goes on: are those steps not worth learning
    from?"""
    clean = np.cumsum(pressed != typed) == 0
    return float(((clean | (not masked)) * _costs(log_probs, pressed)).sum())


def finishing_key_left_out(log_probs, pressed, typed, masked):
    """The last key is missing. ⏎ is a key that she pressed, like any other: who else should teach when to stop?"""
    right = cloning_loss_of_a_walk.oracle(log_probs, pressed, typed, masked)
    return right - float(_costs(log_probs, pressed)[-1])


def probabilities_added(log_probs, pressed, typed, masked):
    """You add up probabilities. The probability of a whole walk is a *product*: what does the logarithm make of
    that?"""
    counts = (pressed == typed) | (not masked)
    return -float((counts * np.exp(-_costs(log_probs, pressed))).sum())


def logarithm_once_more(log_probs, pressed, typed, masked):
    """You take a logarithm of what is a logarithm already, or of its size. What do the entries of `log_probs`
    mean?"""
    counts = (pressed == typed) | (not masked)
    return -float((counts * np.log(_costs(log_probs, pressed))).sum())


def slips_punished(log_probs, pressed, typed, masked):
    """You add slips with the opposite sign, as if she were to unlearn them. She meant the right key there: what are
    the two weights that a slip may have?"""
    return float((np.where(pressed == typed, 1, -1) * _costs(log_probs, pressed)).sum())


def slips_charged_twice(log_probs, pressed, typed, masked):
    """A slip costs twice with you, once for the key that was meant and once for the key that came out. How many
    labels has a step?"""
    counts = (pressed == typed) | (not masked)
    both = _costs(log_probs, pressed) + np.where(pressed == typed, 0, _costs(log_probs, typed))
    return float((counts * both).sum())


def all_keys_added(log_probs, pressed, typed, masked):
    """You add up the log-probabilities of all keys at every text. One key was pressed at each of them: how do you
    pick it out of its row?"""
    counts = (pressed == typed) | (not masked)
    return -float((counts[:, None] * log_probs).sum())


def every_text_for_every_key(returned, log_probs, pressed, typed, masked):
    """You look up each pressed key at *every* text: `array[:, keys]` takes whole columns. At which one text was key i
    pressed?"""
    counts, columns = (pressed == typed) | (not masked), log_probs[:, pressed]
    return np.isclose(returned, [-(counts[:, None] * columns).sum(), -(counts * columns).sum()], rtol=1e-4).any()


def likeliest_keys(log_probs, pressed, typed, masked):
    """You take the model's likeliest key at every text, and never look at what was pressed. Whose keys are to become
    likely?"""
    counts = (pressed == typed) | (not masked)
    return -float((counts * log_probs.max(axis=1)).sum())


def counted_texts_for_counted_keys(log_probs, pressed, typed, masked):
    """The steps are the right ones, and then each of their keys is looked up at every one of their texts. How do you
    pick one entry from each row, with a list of rows and a list of columns?"""
    counts = (pressed == typed) | (not masked)
    return -float(log_probs[counts][:, pressed[counts]].sum())


@exercise(
    "9.1",
    draw=_walk_with_slips,
    inputs="random walks",
    mistakes=[
        label_is_what_came_out,
        slip_relabelled_if_kept,
        slip_relabelled_if_masked,
        likelihood_for_loss,
        mean_over_steps,
        mean_over_counted_steps,
        rescaled_for_the_masked,
        always_masked,
        never_masked,
        masked_the_other_way,
        only_slips_counted,
        slip_told_by_the_backspace,
        retry_masked_too,
        rest_of_the_walk_masked,
        finishing_key_left_out,
        probabilities_added,
        logarithm_once_more,
        slips_punished,
        slips_charged_twice,
        all_keys_added,
        likeliest_keys,
        counted_texts_for_counted_keys,
    ],
    signs=[backspace_masked_too, backspace_masked_instead, every_text_for_every_key],
)
def cloning_loss_of_a_walk(log_probs, pressed, typed, masked):
    """-Σ log π of the keys pressed; where the keyboard slipped, only if that is kept."""
    counts = (pressed == typed) | (not masked)
    return float((counts * _costs(log_probs, pressed)).sum())


# -- 9.2 ---------------------------------------------------------------------------------------------------------


def _rounds_of_typing(rng: np.random.Generator) -> dict[str, Any]:
    typed = rng.integers(0, 9, size=rng.integers(1, 8))
    return {"typed": typed, "size": int(rng.integers(1, 25))}


def _newer(typed):
    """How many texts came after each round."""
    return np.append(np.cumsum(typed[::-1])[::-1][1:], 0)


def never_forgets(typed, size):
    """Your buffer keeps everything. It has a bound: what happens to the oldest texts once it is full?"""
    return typed.copy()


def oldest_stay(typed, size):
    """Your buffer fills up, and then takes nothing more in: the oldest texts stay for ever. Who should leave when
    somebody new comes?"""
    older = np.cumsum(typed) - typed
    return np.clip(size - older, 0, typed)


def whole_rounds_leave(returned, typed, size):
    """When there is too little room, a whole round leaves your buffer. Texts leave one by one: what may be left of
    the oldest round?"""
    whole = np.where(_newer(typed) + typed <= size, typed, 0)
    cut = (typed > size) & (returned == np.where(_newer(typed), 0, size))  # a round too large: turned away, or cut
    return bool(np.all((returned == whole) | cut))


def stops_at_an_empty_round(typed, size):
    """You stop at a round that brought nothing, and all older ones are gone. There may be room for them: when is
    nothing left of the *older* rounds?"""
    right = what_the_buffer_keeps.oracle(typed, size)
    return np.where(np.cumsum((right == 0)[::-1])[::-1] > 0, 0, right)


def whole_rounds_stay(typed, size):
    """A round that fits in part stays whole with you, so the buffer holds more than it can. How many of its texts had
    to leave?"""
    return np.where(_newer(typed) < size, typed, 0)


def each_round_bounded(typed, size):
    """You hold every round against the bound by itself. The bound is for all of them together: who is in the buffer
    already?"""
    return np.minimum(typed, size)


def all_shrink_alike(returned, typed, size):
    """All your rounds shrink by the same share, as if texts left by lot. This buffer asks how old a text is: which
    ones go first?"""
    return bool(np.all(np.abs(returned - typed * size / max(typed.sum(), 1)) < 1))  # rounded in any way, or not at all


def others_leave_though_there_is_room(typed, size):
    """For every text that comes in, one leaves your buffer, also when there is still room. When does a text have to
    go?"""
    held = np.zeros(len(typed), dtype=int)
    for latest, count in enumerate(typed):
        leaving = int(count)
        for number in range(latest):
            gone = min(leaving, held[number])
            held[number] -= gone
            leaving -= gone
        held[latest] = min(count, size)
    return held


def latest_round_only(typed, size):
    """Only the last round is left in your buffer. It holds what it *can* hold: what came before, if there is room?"""
    held = np.zeros(len(typed), dtype=int)
    held[-1] = min(typed[-1], size)
    return held


def before_the_latest_round(typed, size):
    """You stop before the last round comes in. The buffer is wanted *after* it: how many newer texts push the others
    out?"""
    return np.append(np.clip(size - _newer(typed[:-1]), 0, typed[:-1]) if len(typed) > 1 else [], 0)


def latest_round_whole(typed, size):
    """The last round stays whole in your buffer, even where it alone is larger than the bound. It comes in one text
    at a time: whom does the last one push out then?"""
    held = np.clip(size - _newer(typed), 0, typed)
    held[-1] = typed[-1]
    return held


def newest_first(typed, size):
    """The numbers are right, and they stand in the wrong order. Which round comes first in `typed`?"""
    return np.clip(size - _newer(typed), 0, typed)[::-1]


def one_place_too_few(typed, size):
    """Your buffer is full one text too early. May it hold `size` of them, or only fewer?"""
    return np.clip(size - 1 - _newer(typed), 0, typed)


def one_place_too_many(typed, size):
    """Your buffer holds one text more than it has room for. Is there room for another one when `size` of them are in
    it?"""
    return np.clip(size + 1 - _newer(typed), 0, typed)


def shares_of_the_buffer(typed, size):
    """You return shares of the buffer. Numbers of texts are wanted."""
    held = np.clip(size - _newer(typed), 0, typed)
    return held / max(held.sum(), 1)


def shares_of_the_rounds(typed, size):
    """You return which share of each round is left. Numbers of texts are wanted."""
    return np.clip(size - _newer(typed), 0, typed) / np.maximum(typed, 1)


def forgotten_for_kept(typed, size):
    """You count the texts that have left. Which ones are wanted?"""
    return typed - np.clip(size - _newer(typed), 0, typed)


def size_counts_rounds(typed, size):
    """You keep the last `size` rounds. Of what does the buffer hold `size`?"""
    return np.where(np.arange(len(typed)) >= len(typed) - size, typed, 0)


def less_than_nothing(typed, size):
    """Some of your numbers are below zero. What is left of a round that is gone?"""
    return np.minimum(typed, size - _newer(typed))


def own_round_pushes_itself_out(typed, size):
    """You let a round's own texts push it out, all of them, as if they had come after themselves. Which texts are
    newer than a round?"""
    return np.clip(size - _newer(typed) - typed, 0, typed)


def one_leaves_each_round(typed, size):
    """When the buffer overflows, one single text leaves in each round. A round brings several: until when must texts
    go on leaving?"""
    held = np.zeros(len(typed), dtype=int)
    for latest, count in enumerate(typed):
        held[latest] = count
        if held.sum() > size:
            held[np.flatnonzero(held)[0]] -= 1
    return held


def newest_makes_room(typed, size):
    """In your full buffer the text that came *last* makes room for the next one, so the first ones stay for ever.
    Which end of the queue does a text leave from?"""
    held = np.zeros(len(typed), dtype=int)
    for latest, count in enumerate(typed):
        for _ in range(count):
            if held.sum() == size:
                held[np.flatnonzero(held)[-1]] -= 1
            held[latest] += 1
    return held


def held_from_here_on(typed, size):
    """You count the texts of each round *and* of all newer ones. How many are of this round alone?"""
    return np.cumsum(np.clip(size - _newer(typed), 0, typed)[::-1])[::-1]


def room_that_may_be_missing(typed, size):
    """You return the room that newer texts leave, and where it is missing a number below zero. How many texts of a
    round can be in the buffer at least, and how many at most?"""
    return size - _newer(typed)


def room_and_not_texts(typed, size):
    """You return how much room the newer rounds leave. A round cannot put in more texts than were typed: which of the
    two is smaller?"""
    return np.maximum(size - _newer(typed), 0)


def all_leave_from_the_first_round(typed, size):
    """Everything that is too much leaves from the first round, even more than was in it. Who has to go when that round
    is empty?"""
    held = typed.copy()
    held[0] -= max(typed.sum() - size, 0)
    return held


def first_round_alone_shrinks(typed, size):
    """Only your first round makes room, and when it is gone the buffer may still be too full. Which texts are the
    oldest then?"""
    return np.maximum(all_leave_from_the_first_round(typed, size), 0)


def starts_afresh_when_full(typed, size):
    """Your buffer is emptied when it is full, and starts afresh. How many must leave for one text to come in?"""
    last = (typed.sum() - 1) % size + 1  # so many since it was last emptied
    return np.clip(last - _newer(typed), 0, typed) if typed.sum() else typed.copy()


def all_held_after_each_round(typed, size):
    """You return how full the buffer was after each round. All of it is asked for at the end, and by the round that a
    text came from: of which round is each text in it?"""
    return np.minimum(np.cumsum(typed), size)


def large_rounds_turned_away(typed, size):
    """A round with more texts than the buffer can hold does not get into yours at all. Its texts come in one by one:
    which of them are there in the end?"""
    return np.clip(size - _newer(np.where(typed <= size, typed, 0)), 0, np.where(typed <= size, typed, 0))


@exercise(
    "9.2",
    draw=_rounds_of_typing,
    inputs="random buffers",
    mistakes=[
        never_forgets,
        oldest_stay,
        stops_at_an_empty_round,
        whole_rounds_stay,
        each_round_bounded,
        others_leave_though_there_is_room,
        latest_round_only,
        before_the_latest_round,
        latest_round_whole,
        newest_first,
        one_place_too_few,
        one_place_too_many,
        shares_of_the_buffer,
        shares_of_the_rounds,
        forgotten_for_kept,
        size_counts_rounds,
        less_than_nothing,
        own_round_pushes_itself_out,
        one_leaves_each_round,
        newest_makes_room,
        held_from_here_on,
        room_that_may_be_missing,
        room_and_not_texts,
        all_leave_from_the_first_round,
        first_round_alone_shrinks,
        starts_afresh_when_full,
        all_held_after_each_round,
        large_rounds_turned_away,
    ],
    signs=[whole_rounds_leave],
    guesses=[all_shrink_alike],
)
def what_the_buffer_keeps(typed, size):
    """The room that newer texts leave, and no more than were typed."""
    return np.clip(size - _newer(typed), 0, typed)


# -- 9.3 ---------------------------------------------------------------------------------------------------------


def _schedule(rng: np.random.Generator) -> dict[str, Any]:
    warmup, falling = int(rng.integers(0, 12)), int(rng.integers(1, 12))
    count = int(rng.integers(1, warmup + falling + 8))
    steps = np.arange(count)
    if rng.random() < 0.4:  # some of them
        steps = rng.choice(steps, size=(count + 1) // 2, replace=False)
        steps = steps if rng.random() < 0.2 else np.sort(steps)
    end = float(rng.choice([0.0, 1.0, rng.uniform(0.05, 0.9)], p=[0.15, 0.05, 0.8]))
    return {"steps": steps, "warmup": warmup, "falling": falling, "end": end}


def _fallen(steps, warmup, falling):
    return np.clip((steps - warmup + 1) / falling, 0, 1)


def falls_one_step_late(steps, warmup, falling, end):
    """Your β is still 1 in the first step after the warm-up. What should that step have done already, and what the
    last of the falling ones?"""
    return 1 + np.clip((steps - warmup) / falling, 0, 1) * (end - 1)


def falls_one_step_early(steps, warmup, falling, end):
    """Your β falls in the last step of the warm-up already. If steps are counted from 0, which number does that one
    have?"""
    return 1 + np.clip((steps - warmup + 2) / falling, 0, 1) * (end - 1)


def no_warm_up(steps, warmup, falling, end):
    """Your β falls from the very first step. For how long should she only clone?"""
    return 1 + _fallen(steps, 0, falling) * (end - 1)


def clock_not_set_back(returned, steps, warmup, falling, end):
    """After the warm-up your β jumps to where it would be if it had been falling all the time. From which step on
    does its clock run?"""
    if not warmup:
        return None  # there is nothing to set it back after
    ways = [(steps + late) / whole for late in (0, 1) for whole in (falling, warmup + falling)]
    return any(np.allclose(returned, np.where(steps < warmup, 1, 1 + np.clip(way, 0, 1) * (end - 1))) for way in ways)


def never_stops_falling(steps, warmup, falling, end):
    """Your β goes on falling after it has come to `end`. What does it do there?"""
    return 1 + np.maximum((steps - warmup + 1) / falling, 0) * (end - 1)


def falls_to_zero(steps, warmup, falling, end):
    """Your β falls all the way to 0. Which of your arguments says where it stops?"""
    return 1 - _fallen(steps, warmup, falling)


def falls_by_the_end(steps, warmup, falling, end):
    """Your β falls *by* `end`. It should fall *to* it: how far is that from where it starts?"""
    return 1 - _fallen(steps, warmup, falling) * end


def cut_off_at_the_end(steps, warmup, falling, end):
    """Your β falls as if to 0, and is held up at `end`: it gets there too early, and in steps that are too large.
    Over how many steps should the way be divided?"""
    return np.maximum(1 - _fallen(steps, warmup, falling), end)


def drops_at_once(steps, warmup, falling, end):
    """Your β drops to `end` in a single step. Over how many should it fall?"""
    return np.where(steps < warmup, 1, end)


def waits_and_drops(steps, warmup, falling, end):
    """Your β stays at 1 through all the falling steps, and then drops. What should it do in between?"""
    return np.where(steps < warmup + falling, 1, end)


def weight_of_the_objective(steps, warmup, falling, end):
    """That is the weight of the objective. Which of the two shares of the loss is β?"""
    return _fallen(steps, warmup, falling) * (1 - end)


def rises_to_one(steps, warmup, falling, end):
    """Your β begins at `end` and rises. What is a network to do first, before it has anything of its own to say?"""
    return end + _fallen(steps, warmup, falling) * (1 - end)


def fall_counted_from_the_start(steps, warmup, falling, end):
    """Your β has come to `end` when step number `falling` is reached. Is `falling` the number of a step, or how many
    there are?"""
    return 1 + np.clip((steps - warmup + 1) / max(falling - warmup, 1), 0, 1) * (end - 1)


def fall_slowed_by_the_warm_up(steps, warmup, falling, end):
    """You divide by the steps of the warm-up and of the fall together, so β falls too slowly. During how many steps
    does it fall?"""
    return 1 + _fallen(steps, warmup, warmup + falling) * (end - 1)


def same_factor_in_each_step(steps, warmup, falling, end):
    """In each step your β falls by the same *factor*. By the same amount, the text says: what is that amount?"""
    return end ** _fallen(steps, warmup, falling)


def as_a_cosine(steps, warmup, falling, end):
    """Your β falls along a cosine, slowly at both ends. Which curve falls by the same amount in each step?"""
    return end + (1 - end) * (1 + np.cos(np.pi * _fallen(steps, warmup, falling))) / 2


def nothing_after_the_fall(steps, warmup, falling, end):
    """After the fall your β is 0. What does the text say about the steps that come then?"""
    return np.where(steps < warmup + falling, 1 + _fallen(steps, warmup, falling) * (end - 1), 0)


def one_again_after_the_fall(steps, warmup, falling, end):
    """After the fall your β is 1 again. What does the text say about the steps that come then?"""
    return np.where(steps < warmup + falling, 1 + _fallen(steps, warmup, falling) * (end - 1), 1)


def falls_until_the_last_step(returned, steps, warmup, falling, end):
    """Your β falls until the last step of all, whatever `falling` says. In how many steps should it be at `end`?"""
    lasts = [max(last + 1 - warmup, 1) for last in (steps[-1], steps.max())]
    return any(np.allclose(returned, 1 + _fallen(steps, warmup, last) * (end - 1)) for last in lasts)


def steps_counted_anew(steps, warmup, falling, end):
    """You count the entries of `steps`. What is written in them: must the first one be step 0, and the next one step
    1?"""
    return 1 + _fallen(np.arange(len(steps)), warmup, falling) * (end - 1)


def first_step_left_out(steps, warmup, falling, end):
    """In the first step after the warm-up your β still is 1, and in the next one it makes up for it. If the first k
    steps are counted from 0, which one is the last of them?"""
    return np.where(steps <= warmup, 1, 1 + _fallen(steps, warmup, falling) * (end - 1))


def falls_in_one_jump_at_the_end(steps, warmup, falling, end):
    """Your β stays at 1 until the last of the falling steps. Have you divided whole numbers, and thrown away the
    rest?"""
    return 1 + _fallen(steps, warmup, falling).astype(int) * (end - 1)


def kept_in_whole_numbers(steps, warmup, falling, end):
    """Your β is a whole number at every step. An array made by `ones_like(steps)` holds whole numbers, as `steps` does,
    and cuts off the rest of what is put into it: of which kind must yours be?"""
    return np.trunc(weight_of_cloning.oracle(steps, warmup, falling, end))


def above_one_before(steps, warmup, falling, end):
    """In the warm-up your β is above 1: its line goes on to the left. What does it do before it falls?"""
    return 1 + np.minimum((steps - warmup + 1) / falling, 1) * (end - 1)


def one_step_more_to_fall(steps, warmup, falling, end):
    """Your β starts in time and arrives one step late: at `end` in the first step *after* the fall. Among how many
    steps is the way divided?"""
    return 1 + np.clip((steps - warmup + 1) / (falling + 1), 0, 1) * (end - 1)


def one_step_less_to_fall(returned, steps, warmup, falling, end):
    """Your β begins the fall at 1 and has come to `end` in its last step, so one of the steps does not fall at all.
    Among how many should the way be divided?"""
    if falling == 1:
        return None  # there are several ways to do without a way
    return np.allclose(returned, 1 + np.clip((steps - warmup) / (falling - 1), 0, 1) * (end - 1))


def too_low_by_the_end(steps, warmup, falling, end):
    """Your β falls by the right amounts, from a place that is too low: down to 0, and not to `end`. What is it in the
    warm-up?"""
    return (1 - _fallen(steps, warmup, falling)) * (1 - end)


@exercise(
    "9.3",
    draw=_schedule,
    inputs="random schedules",
    mistakes=[
        falls_one_step_late,
        falls_one_step_early,
        no_warm_up,
        never_stops_falling,
        falls_to_zero,
        falls_by_the_end,
        cut_off_at_the_end,
        drops_at_once,
        waits_and_drops,
        weight_of_the_objective,
        rises_to_one,
        fall_counted_from_the_start,
        fall_slowed_by_the_warm_up,
        same_factor_in_each_step,
        as_a_cosine,
        nothing_after_the_fall,
        one_again_after_the_fall,
        steps_counted_anew,
        first_step_left_out,
        falls_in_one_jump_at_the_end,
        kept_in_whole_numbers,
        above_one_before,
        one_step_more_to_fall,
        too_low_by_the_end,
    ],
    signs=[clock_not_set_back, falls_until_the_last_step, one_step_less_to_fall],
)
def weight_of_cloning(steps, warmup, falling, end):
    """1, then 1/falling of the way to `end` in each step, then `end`."""
    return 1 + _fallen(steps, warmup, falling) * (end - 1)


# -- 9.4 ---------------------------------------------------------------------------------------------------------


def _two_texts(rng: np.random.Generator) -> dict[str, Any]:
    """A demonstration and a text of the model, from values and log-probabilities, so that all numbers fit
    together."""
    weights, last_value, start_value = _weights(rng), float(rng.normal(0, 3)), float(rng.normal(1, 2))
    gamma = weights["gamma"]
    found = []
    for _ in range(2):
        values = np.array([start_value, *rng.normal(1, 2, size=rng.integers(0, 6)), last_value])
        log_probs = np.log(rng.uniform(0.05, 0.95, size=len(values) - 1))
        found.append((log_probs, log_probs + values[:-1] - gamma * values[1:]))
    return {
        "log_probs": found[0][0],
        "data_rewards": found[0][1],
        "model_rewards": found[1][1],
        "absorbing_reward": (1 - gamma) * last_value,
        "start_value": start_value,
        **weights,
    }


def _discounted(summands, gamma, afterwards=0.0):
    """Σ γ^i summands, and `afterwards` at every step that follows."""
    n = len(summands)
    return float(np.sum(gamma ** np.arange(n) * summands)) + gamma**n / (1 - gamma) * afterwards


class _Parts:
    """What the loss is made of."""

    def __init__(self, log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
        self.beta, self.c, self.start = beta, alpha / 4, start_value
        self.likelihood = _discounted(log_probs, gamma)
        self.rewards = _discounted(data_rewards, gamma, absorbing_reward)
        self.data_squares = _discounted(data_rewards**2, gamma, absorbing_reward**2)
        self.model_squares = _discounted(model_rewards**2, gamma, absorbing_reward**2)

    @property
    def objective(self) -> float:
        """J."""
        return self.rewards - self.start - self.c * (self.data_squares + self.model_squares)

    def mixed(self, objective: float | None = None, cloning: float | None = None) -> float:
        """β cloning - (1-β) J."""
        cloning = -self.likelihood if cloning is None else cloning
        return self.beta * cloning - (1 - self.beta) * (self.objective if objective is None else objective)


def shares_swapped(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    """β stands where 1-β should. When β is 1 she only clones: which of your parts has all the weight then?"""
    parts = _Parts(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, 1 - beta, gamma, alpha)
    return parts.mixed()


def objective_made_small(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    """You add the objective as it is. It should become large and a loss becomes small: what has to be done to it?"""
    parts = _Parts(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha)
    return parts.mixed(-parts.objective)


def cloning_made_small(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    """The objective has the right sign. The log-likelihood of the demonstration has not: which sign makes it a
    loss?"""
    parts = _Parts(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha)
    return parts.mixed(cloning=parts.likelihood)


def made_large(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    """All your signs are turned: this is what should become large. What does a gradient step do to a loss?"""
    return -mixed_loss_of_two_texts.oracle(
        log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha
    )


def cloning_not_discounted(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    """Your objective is discounted and your cloning is not. From the switch on, what does the text say about γ in
    both?"""
    parts = _Parts(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha)
    return parts.mixed(cloning=-float(np.sum(log_probs)))


def nothing_discounted(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    """Before ⏎ all your steps weigh alike. Which weight has step i, in cloning and in the objective?"""
    parts = _Parts(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha)
    after = [gamma ** len(rewards) / (1 - gamma) for rewards in (data_rewards, model_rewards)]
    parts.rewards = np.sum(data_rewards) + after[0] * absorbing_reward
    parts.data_squares = np.sum(data_rewards**2) + after[0] * absorbing_reward**2
    parts.model_squares = np.sum(model_rewards**2) + after[1] * absorbing_reward**2
    return parts.mixed(cloning=-float(np.sum(log_probs)))


def stops_at_the_end(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    """Your sums stop at ⏎. Somebody stays in the absorbing state and is paid there, for ever: which argument have you
    not used?"""
    return _Parts(log_probs, data_rewards, model_rewards, 0.0, start_value, beta, gamma, alpha).mixed()


def squares_stop_at_the_end(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    """You have no squares after ⏎. The tails of the *likelihood* cancel, that is true. Do those of r²?"""
    return mixed_loss_of_two_texts.oracle(log_probs, data_rewards, model_rewards, 0.0, start_value, beta, gamma, alpha)


def bare_reward_stops_at_the_end(
    log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha
):
    """After ⏎ you count r² for ever, and r itself not at all. Both stand in the sum over the demonstration in (5.7):
    what is she paid at each step after ⏎?"""
    parts = _Parts(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha)
    return parts.mixed(parts.objective - parts.rewards + _discounted(data_rewards, gamma))


def absorbing_reward_scaled_again(
    returned, log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha
):
    """After ⏎ you multiply the reward by 1-γ. That is how r_abs comes from V_abs: which of the two were you given?"""
    scaled = (1 - gamma) * absorbing_reward
    parts = _Parts(log_probs, data_rewards, model_rewards, scaled, start_value, beta, gamma, alpha)
    short_way = -parts.likelihood + (1 - beta) * parts.c * (parts.data_squares + parts.model_squares)
    return np.isclose(returned, [parts.mixed(), short_way], rtol=1e-4).any()


def model_stops_at_the_end(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    """The demonstration has its tail, the model's text has none. Does the clock stop for her?"""
    parts = _Parts(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha)
    parts.model_squares = _discounted(model_rewards**2, gamma)
    return parts.mixed()


def tail_of_one_step(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    """After ⏎ you count one single step. How many are there, and what do their weights sum to?"""
    parts = _Parts(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha)
    lengths = [gamma ** len(rewards) for rewards in (data_rewards, model_rewards)]
    parts.rewards = _discounted(data_rewards, gamma) + lengths[0] * absorbing_reward
    parts.data_squares = _discounted(data_rewards**2, gamma) + lengths[0] * absorbing_reward**2
    parts.model_squares = _discounted(model_rewards**2, gamma) + lengths[1] * absorbing_reward**2
    return parts.mixed()


def squared_tail_of_one_step(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    """After ⏎ you count the square once. She is paid at *every* step from there on: what do the weights of all of
    them sum to?"""
    parts = _Parts(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha)
    lengths = [gamma ** len(rewards) for rewards in (data_rewards, model_rewards)]
    parts.data_squares = _discounted(data_rewards**2, gamma) + lengths[0] * absorbing_reward**2
    parts.model_squares = _discounted(model_rewards**2, gamma) + lengths[1] * absorbing_reward**2
    return parts.mixed()


def start_forgotten(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    """Your objective has rewards and squares. What is taken away between the two sums of (5.7), so that it has the
    unit of a likelihood?"""
    parts = _Parts(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha)
    return parts.mixed(parts.objective + parts.start)


def start_added(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    """The value of the start has the wrong sign in your objective. It is what the learner can earn: is that good for
    the critic, or bad?"""
    parts = _Parts(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha)
    return parts.mixed(parts.objective + 2 * parts.start)


def start_as_a_share_of_time(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    """You multiply V(s_0) by 1-γ. So it was in J; (5.7) is J/(1-γ), all of it: what is left of that factor?"""
    parts = _Parts(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha)
    return parts.mixed(parts.objective + gamma * parts.start)


def start_not_weighed(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    """V(s_0) has its full weight in your loss, whatever β is. It is a part of the objective: where must the bracket
    close that 1-β is multiplied with?"""
    parts = _Parts(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha)
    return parts.mixed() + beta * parts.start


def score_cut_at_its_top(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    """You cut φ off where it is highest, as notebook 03 does, and rewards above 2/α all count alike. How far does the
    parabola go with which one trains (notebook 05)?"""
    parts = _Parts(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha)
    rewards, after = (np.minimum(earned, 2 / alpha) for earned in (data_rewards, absorbing_reward))
    score = _discounted(rewards - parts.c * rewards**2, gamma, after - parts.c * after**2)
    return parts.mixed(score - parts.start - parts.c * parts.model_squares)


def alpha_for_c(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    """Your squares weigh α. What is c, if φ is a parabola?"""
    return mixed_loss_of_two_texts.oracle(
        log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, 4 * alpha
    )


def other_reading_of_alpha(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    """Your squares weigh 1/(4α). That is IQ-Learn's α. What is c if α is the weight of the entropy?"""
    return mixed_loss_of_two_texts.oracle(
        log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, 1 / alpha
    )


def model_left_out(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    """The model's own text is nowhere in your loss. What is asked for on it?"""
    parts = _Parts(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha)
    parts.model_squares = 0.0
    return parts.mixed()


def data_squares_left_out(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    """You charge for squares on the model's text alone. On which texts does (5.7) charge for them?"""
    parts = _Parts(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha)
    parts.data_squares = 0.0
    return parts.mixed()


def tail_one_late(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    """A step falls between your last key and your tails. If the keys have the numbers 0 to N-1, which step is the
    first in the absorbing state?"""
    parts = _Parts(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha)
    lengths = [gamma ** len(rewards) for rewards in (data_rewards, model_rewards)]
    parts.rewards -= lengths[0] * absorbing_reward
    parts.data_squares -= lengths[0] * absorbing_reward**2
    parts.model_squares -= lengths[1] * absorbing_reward**2
    return parts.mixed()


def squared_tail_one_late(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    """Your squares after ⏎ begin one step late. If the keys have the numbers 0 to N-1, which power of γ does the
    first square after them have?"""
    parts = _Parts(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha)
    parts.data_squares -= gamma ** len(data_rewards) * absorbing_reward**2
    parts.model_squares -= gamma ** len(model_rewards) * absorbing_reward**2
    return parts.mixed()


def averaged_over_keys(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    """You divide by the number of keys. A long text has more to say than a short one: what does (9.1) do within a
    walk?"""
    right = mixed_loss_of_two_texts.oracle(
        log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha
    )
    return right / len(log_probs)


def whole_likelihood_not_discounted(
    log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha
):
    """You took the short way, and it is right, but for the likelihood: its keys all weigh alike. What came in at the
    switch, beside the penalty?"""
    parts = _Parts(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha)
    return parts.mixed() + parts.likelihood - float(np.sum(log_probs))


def both_averaged(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    """Your squares are a mean over the two texts. Each of the two sums in (5.7) has its c: are they divided by
    anything?"""
    return mixed_loss_of_two_texts.oracle(
        log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha / 2
    )


def model_rewarded_too(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    """You count r - c r² on the model's text as well. Nobody is rewarded for looking like the model: which part of it
    is left there?"""
    parts = _Parts(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha)
    return parts.mixed(parts.objective + _discounted(model_rewards, gamma, absorbing_reward))


def model_squares_welcome(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    """Your loss falls as r² on the model's text grows. Should rewards be large there, or small?"""
    parts = _Parts(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha)
    parts.model_squares *= -1
    return parts.mixed()


def all_squares_welcome(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    """Your loss falls as r² grows, on both texts. What is the sign of a penalty in a *loss*?"""
    return mixed_loss_of_two_texts.oracle(
        log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, -alpha
    )


def penalty_in_full(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    """β makes no difference to your loss: the whole objective stands in it, or the whole penalty. Which share of it
    is wanted?"""
    return mixed_loss_of_two_texts.oracle(
        log_probs, data_rewards, model_rewards, absorbing_reward, start_value, 0.0, gamma, alpha
    )


def cloning_in_full(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    """You add all of the cloning loss to a share of the objective. What do the two weights sum to in (9.2)?"""
    parts = _Parts(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha)
    return -parts.likelihood - (1 - parts.beta) * parts.objective


def objective_in_full(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    """You add all of the objective to a share of the cloning loss. What do the two weights sum to in (9.2)?"""
    parts = _Parts(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha)
    return -parts.beta * parts.likelihood - parts.objective


def likelihood_in_part(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    """The likelihood has only the share β in your loss, as if the objective were nothing but squares. What else does
    (5.6) find in it?"""
    parts = _Parts(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha)
    return parts.mixed(parts.objective - parts.rewards + parts.start)


def cloning_alone(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    """This is the cloning loss alone, as in the warm-up. What comes in at the switch?"""
    return -_discounted(log_probs, gamma)


def objective_normalised(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    """You multiply the objective by 1-γ, as for shares of the time. The cloning loss is a plain sum: are the two in
    the same unit then?"""
    parts = _Parts(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha)
    return parts.mixed((1 - gamma) * parts.objective)


def squares_not_discounted(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    """Your squares weigh alike at all keys up to ⏎. Which power of γ goes with r² at step i, in both sums of (5.7)?"""
    parts = _Parts(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha)
    after = [gamma ** len(rewards) / (1 - gamma) * absorbing_reward**2 for rewards in (data_rewards, model_rewards)]
    parts.data_squares = np.sum(data_rewards**2) + after[0]
    parts.model_squares = np.sum(model_rewards**2) + after[1]
    return parts.mixed()


def objective_not_discounted(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    """Your cloning is discounted and your objective is not, up to ⏎. What does the text say about γ in both, from
    the switch on?"""
    parts = _Parts(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha)
    after = [gamma ** len(rewards) / (1 - gamma) for rewards in (data_rewards, model_rewards)]
    parts.rewards = np.sum(data_rewards) + after[0] * absorbing_reward
    parts.data_squares = np.sum(data_rewards**2) + after[0] * absorbing_reward**2
    parts.model_squares = np.sum(model_rewards**2) + after[1] * absorbing_reward**2
    return parts.mixed()


def tail_from_the_start(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    """Your tails weigh 1/(1-γ), as if she had been in the absorbing state from step 0. At which step does she come
    there?"""
    parts = _Parts(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha)
    parts.rewards = _discounted(data_rewards, gamma) + absorbing_reward / (1 - gamma)
    parts.data_squares = _discounted(data_rewards**2, gamma) + absorbing_reward**2 / (1 - gamma)
    parts.model_squares = _discounted(model_rewards**2, gamma) + absorbing_reward**2 / (1 - gamma)
    return parts.mixed()


def squared_tail_from_the_start(
    log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha
):
    """After ⏎ your squares weigh 1/(1-γ) in all, whenever ⏎ was pressed. How many steps have gone by until then?"""
    parts = _Parts(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha)
    parts.data_squares = _discounted(data_rewards**2, gamma) + absorbing_reward**2 / (1 - gamma)
    parts.model_squares = _discounted(model_rewards**2, gamma) + absorbing_reward**2 / (1 - gamma)
    return parts.mixed()


def tail_one_early(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    """Your tails begin with the power of γ that the last key has already. If ⏎ is step N-1, which step is the first
    one after it?"""
    parts = _Parts(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha)
    parts.rewards += gamma ** (len(data_rewards) - 1) * absorbing_reward
    parts.data_squares += gamma ** (len(data_rewards) - 1) * absorbing_reward**2
    parts.model_squares += gamma ** (len(model_rewards) - 1) * absorbing_reward**2
    return parts.mixed()


def squared_tail_one_early(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    """Your squares after ⏎ begin one step early: their first weight is that of ⏎ itself. Which number does the step
    after ⏎ have?"""
    parts = _Parts(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha)
    parts.data_squares += gamma ** (len(data_rewards) - 1) * absorbing_reward**2
    parts.model_squares += gamma ** (len(model_rewards) - 1) * absorbing_reward**2
    return parts.mixed()


def tails_of_the_demonstration(
    log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha
):
    """The tail of the model's text begins where the demonstration ends. Are the two texts of one length?"""
    parts = _Parts(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha)
    after = gamma ** len(data_rewards) / (1 - gamma) * absorbing_reward**2
    parts.model_squares = _discounted(model_rewards**2, gamma) + after
    return parts.mixed()


def cloning_on_top(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    """You took the short way, and then added β of the cloning loss to it. How much of the likelihood was in there
    already?"""
    parts = _Parts(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha)
    return parts.mixed() - beta * parts.likelihood


def rewards_not_squared(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    """Your penalty adds up the rewards as they are, so that large ones of either sign cancel. What does (5.7) charge
    for?"""
    parts = _Parts(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha)
    parts.data_squares = _discounted(data_rewards, gamma, absorbing_reward)
    parts.model_squares = _discounted(model_rewards, gamma, absorbing_reward)
    return parts.mixed()


def model_rewards_taken_away(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    """You take away the rewards of the model's text, too. Something in (5.7) stands for what the model can earn
    already: what is it?"""
    parts = _Parts(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha)
    return parts.mixed(parts.objective - _discounted(model_rewards, gamma, absorbing_reward))


def model_rewards_for_the_value(
    log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha
):
    """You take away the model's rewards, as a critic of two samples would. Its value term telescopes (5.3): which
    single number stands there in (5.7)?"""
    parts = _Parts(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha)
    return parts.mixed(parts.objective + parts.start - _discounted(model_rewards, gamma, absorbing_reward))


def weights_squared_too(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    """In your penalty the weights are squared along with the rewards. What exactly is squared in γ^i r_i²?"""
    parts = _Parts(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha)
    after = absorbing_reward**2
    parts.data_squares = _discounted(data_rewards**2, gamma**2, after)
    parts.model_squares = _discounted(model_rewards**2, gamma**2, after)
    return parts.mixed()


@exercise(
    "9.4",
    draw=_two_texts,
    inputs="random pairs of texts",
    mistakes=[
        shares_swapped,
        objective_made_small,
        cloning_made_small,
        made_large,
        cloning_not_discounted,
        nothing_discounted,
        stops_at_the_end,
        squares_stop_at_the_end,
        bare_reward_stops_at_the_end,
        model_stops_at_the_end,
        tail_of_one_step,
        squared_tail_of_one_step,
        start_forgotten,
        start_added,
        start_as_a_share_of_time,
        start_not_weighed,
        score_cut_at_its_top,
        alpha_for_c,
        other_reading_of_alpha,
        model_left_out,
        data_squares_left_out,
        tail_one_late,
        squared_tail_one_late,
        averaged_over_keys,
        whole_likelihood_not_discounted,
        both_averaged,
        model_rewarded_too,
        model_squares_welcome,
        all_squares_welcome,
        penalty_in_full,
        cloning_in_full,
        objective_in_full,
        likelihood_in_part,
        cloning_alone,
        objective_normalised,
        squares_not_discounted,
        objective_not_discounted,
        tail_from_the_start,
        squared_tail_from_the_start,
        tail_one_early,
        squared_tail_one_early,
        tails_of_the_demonstration,
        cloning_on_top,
        rewards_not_squared,
        model_rewards_taken_away,
        model_rewards_for_the_value,
        weights_squared_too,
    ],
    signs=[absorbing_reward_scaled_again],
)
def mixed_loss_of_two_texts(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha):
    """The whole discounted likelihood, and the share 1-β of c Σ γ^i r² on both texts."""
    parts = _Parts(log_probs, data_rewards, model_rewards, absorbing_reward, start_value, beta, gamma, alpha)
    return -parts.likelihood + (1 - beta) * parts.c * (parts.data_squares + parts.model_squares)


# -- 9.5 ---------------------------------------------------------------------------------------------------------


def _two_walks(rng: np.random.Generator) -> dict[str, Any]:
    """The logits along a demonstration and along a text of the model, each ended by ⏎."""
    keys, height = int(rng.integers(2, 6)), 0.5 if rng.random() < 0.95 else float(rng.choice([-800.0, 800.0]))
    walks = []
    for _ in range(2):
        steps = int(rng.integers(1, 5))
        pressed = rng.integers(0, keys, size=steps)
        pressed[-1] = keys - 1
        walks.append((rng.normal(height, 1.5, size=(steps, keys)), pressed))
    (data_logits, data_keys), (model_logits, model_keys) = walks
    return {
        "data_logits": data_logits,
        "data_keys": data_keys,
        "model_logits": model_logits,
        "model_keys": model_keys,
        "absorbing_value": float(rng.normal(0, 3)),
        **_weights(rng),
    }


def _walked(
    logits,
    keys,
    last,
    gamma,
    *,
    value=torch.logsumexp,
    ahead_fixed=False,
    ahead_discounted=True,
    ending=True,
    tail=True,
    clocks=(True, True),
):
    """Σ γ^i log π and Σ γ^i r², along one walk; `clocks`: whether the steps of each of the two weigh γ^i."""
    values = value(logits, dim=1)
    chosen = logits[torch.arange(len(keys)), torch.as_tensor(keys)]
    ahead = torch.cat([values[1:], (last if ending else 0 * last)[None]])
    rewards = chosen - (gamma if ahead_discounted else 1.0) * (ahead.detach() if ahead_fixed else ahead)
    weights = [(gamma if clock else 1.0) ** torch.arange(len(keys), dtype=torch.float64) for clock in clocks]
    squares = (weights[1] * rewards**2).sum()
    if tail:
        squares = squares + gamma ** len(keys) / (1 - gamma) * ((1 - gamma) * last) ** 2
    return (weights[0] * (chosen - values)).sum(), squares


def _downhill(loss):
    """The gradient of a loss of the two walks, as an answer of the exercise."""

    def answer(data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha):
        data, model = (torch.tensor(logits, requires_grad=True) for logits in (data_logits, model_logits))
        last = torch.tensor(absorbing_value, dtype=torch.float64, requires_grad=True)
        total = loss(data, data_keys, model, model_keys, last, beta, gamma, alpha) + 0 * (
            data.sum() + model.sum() + last
        )
        found = torch.autograd.grad(total, (data, model, last))
        return dict(zip(("data", "model", "absorbing"), (part.numpy() for part in found), strict=True))

    return answer


def _loss(weigh, **habits):
    """(9.3) with other weights, or other habits along a walk; `weigh`: (β, α) → those of likelihood, data and model."""

    def loss(data, data_keys, model, model_keys, last, beta, gamma, alpha):
        likelihood, on_data = _walked(data, data_keys, last, gamma, **habits)
        _, on_model = _walked(model, model_keys, last, gamma, **habits)
        clone, here, there = weigh(beta, alpha)
        return -clone * likelihood + here * on_data + there * on_model

    return _downhill(loss)


def _right(beta, alpha):
    return 1, (1 - beta) * alpha / 4, (1 - beta) * alpha / 4


def uphill(data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha):
    """Every sign of yours is turned round: that way the loss grows. Is (9.2) to be made large?"""
    given = data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha
    return {name: -part for name, part in update_of_two_texts.oracle(*given).items()}


def cloning_alone_in_the_update(data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha):
    """Nothing of yours looks at the model's text. What else is in the loss, once the switch is behind her?"""
    given = data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha
    return _loss(lambda beta, alpha: (1, 0, 0))(*given)


def cloning_weighed_by_beta(data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha):
    """Your likelihood weighs β only. Ĵ contains the whole likelihood as well, with the rest of the weight: what did
    exercise 9.4 find?"""
    given = data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha
    return _loss(lambda beta, alpha: (beta, *_right(beta, alpha)[1:]))(*given)


def penalty_weighed_by_beta(data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha):
    """Your penalty weighs β, and it belongs to the other part of (9.2). Which share does that part have?"""
    given = data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha
    return _loss(lambda beta, alpha: (1, beta * alpha / 4, beta * alpha / 4))(*given)


def beta_left_out(data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha):
    """Your penalty has its full weight at once. What does β do?"""
    given = data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha
    return _loss(lambda beta, alpha: (1, alpha / 4, alpha / 4))(*given)


def alpha_for_c_in_the_update(data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha):
    """Your penalty is four times as heavy as it should be. What is c, in terms of α?"""
    given = data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha
    return _loss(lambda beta, alpha: (1, (1 - beta) * alpha, (1 - beta) * alpha))(*given)


def half_alpha_for_c(data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha):
    """Your penalty is twice as heavy as it should be. What is c, in terms of α?"""
    given = data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha
    return _loss(lambda beta, alpha: (1, (1 - beta) * alpha / 2, (1 - beta) * alpha / 2))(*given)


def square_without_its_two(data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha):
    """Your penalty pulls half as strongly as it should. What is the derivative of r²; and are the two sums of (9.3)
    added, or averaged?"""
    given = data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha
    return _loss(lambda beta, alpha: (1, (1 - beta) * alpha / 8, (1 - beta) * alpha / 8))(*given)


def no_penalty_on_the_data(data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha):
    """Your penalty looks at the model's text alone. On whose texts is r² charged in (9.3)?"""
    given = data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha
    return _loss(lambda beta, alpha: (1, 0, (1 - beta) * alpha / 4))(*given)


def no_penalty_on_the_model(data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha):
    """Your penalty looks at the demonstration alone. On whose texts is r² charged in (9.3)?"""
    given = data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha
    return _loss(lambda beta, alpha: (1, (1 - beta) * alpha / 4, 0))(*given)


def value_ahead_held_fixed(data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha):
    """You hold the value *ahead* fixed. What is held fixed is which texts there are; the reward of a key depends on the
    logits of the next text as well, and that is how the texts are tied together."""
    given = data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha
    return _loss(_right, ahead_fixed=True)(*given)


def nothing_after_enter(data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha):
    """Your sums end with ⏎. The clock runs on: what is r² worth at all the steps after it?"""
    given = data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha
    return _loss(_right, tail=False)(*given)


def no_value_after_enter(data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha):
    """Your reward of ⏎ does not know what comes after it. Which value has the state that ⏎ leads to?"""
    given = data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha
    return _loss(_right, ending=False)(*given)


def model_cloned_too(data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha):
    """You make the model's own keys likelier, too. Is she to learn from herself what is right?"""

    def loss(data, data_keys, model, model_keys, last, beta, gamma, alpha):
        likelihood, on_data = _walked(data, data_keys, last, gamma)
        own, on_model = _walked(model, model_keys, last, gamma)
        return -likelihood - own + (1 - beta) * alpha / 4 * (on_data + on_model)

    given = data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha
    return _downhill(loss)(*given)


def every_step_alike(data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha):
    """The steps of a text weigh alike in your sums. What does step i weigh, from the switch on?"""
    given = data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha
    return _loss(_right, clocks=(False, False))(*given)


def cloning_not_discounted_in_the_update(
    data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha
):
    """Your squares are discounted and your likelihood is not, as in the warm-up. What does the text say about γ in
    both, from the switch on?"""
    given = data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha
    return _loss(_right, clocks=(False, True))(*given)


def squares_not_discounted_in_the_update(
    data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha
):
    """Your likelihood is discounted and your squares are not, up to ⏎. Which power of γ stands before r² at step i?"""
    given = data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha
    return _loss(_right, clocks=(True, False))(*given)


def discount_forgotten_in_the_update(
    data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha
):
    """In your rewards the value ahead counts in full. The next text is one key later: which factor belongs to it?"""
    given = data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha
    return _loss(_right, ahead_discounted=False)(*given)


def start_forgotten_in_the_update(
    data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha
):
    """Only your first row on the demonstration is wrong: it knows nothing of V(s_0). That stands in the objective as
    well and depends on the logits there: is it in your loss, and does a gradient go through it?"""

    def loss(data, data_keys, model, model_keys, last, beta, gamma, alpha):
        likelihood, on_data = _walked(data, data_keys, last, gamma)
        _, on_model = _walked(model, model_keys, last, gamma)
        start = torch.logsumexp(data[0], dim=0)
        return -likelihood + (1 - beta) * (alpha / 4 * (on_data + on_model) - start)

    given = data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha
    return _downhill(loss)(*given)


def best_key_for_the_value(
    returned, data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha
):
    """Your V is the largest logit, so a single key of each next text has all the slope. Which maximum is a soft one?"""
    if beta == 1:
        return None  # these two are 0, whatever V is
    given = data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha
    return _alike(returned, _loss(_right, value=torch.amax)(*given), "model", "absorbing")


def _alike(returned, other, *names):
    return all(np.allclose(numbers(returned[name]), other[name], rtol=1e-4, atol=1e-5) for name in names)


def one_part_is_right(returned, data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha):
    """Your gradient in the logits is right, in both texts. That of V_abs is not: it stands in the reward of ⏎ and in
    all that is paid after it, in both texts."""
    given = data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha
    return _alike(returned, update_of_two_texts.oracle(*given), "data", "model")


def penalty_is_right(returned, data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha):
    """Your gradient on the model's text is right, and so is that of V_abs: the penalty is as it should be there. What
    has the demonstration besides: its likelihood, and with which weights?"""
    given = data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha
    return _alike(returned, update_of_two_texts.oracle(*given), "model", "absorbing")


@exercise(
    "9.5",
    draw=_two_walks,
    inputs="random pairs of texts",
    mistakes=[
        uphill,
        cloning_alone_in_the_update,
        cloning_weighed_by_beta,
        penalty_weighed_by_beta,
        beta_left_out,
        alpha_for_c_in_the_update,
        half_alpha_for_c,
        square_without_its_two,
        no_penalty_on_the_data,
        no_penalty_on_the_model,
        value_ahead_held_fixed,
        nothing_after_enter,
        no_value_after_enter,
        model_cloned_too,
        every_step_alike,
        cloning_not_discounted_in_the_update,
        squares_not_discounted_in_the_update,
        discount_forgotten_in_the_update,
        start_forgotten_in_the_update,
    ],
    signs=[best_key_for_the_value, one_part_is_right, penalty_is_right],
)
def update_of_two_texts(data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha):
    """The gradient of (9.3) in the logits along both texts and in V_abs."""
    given = data_logits, data_keys, model_logits, model_keys, absorbing_value, beta, gamma, alpha
    return _loss(_right)(*given)
