"""Intervals cover what they should as often as they say, and telemetry is what a reader of the trace would count."""

import math

import numpy as np
import pytest
from scipy.stats import binom

import oracles
from smatch_edu.exact.mdp import StringMDP
from smatch_edu.network.generation import Trace
from smatch_edu.tasks import Example, get_task
from smatch_edu.training.metrics import (
    backspace_shares,
    mean_interval,
    off_data_occupancy,
    ratio_interval,
    seed_interval,
    share_interval,
    telemetry,
)

TASK = get_task("arithmetic", family="addition")
BACK, EOS = TASK.vocabulary.backspace, TASK.vocabulary.eos


def trace(*actions):
    return Trace(list(actions), list(actions), [0.0] * len(actions), [], "eos")


def test_telemetry_counts_what_a_reader_would():
    example = Example((1,), (3, 4, 5))
    traces = [
        trace(3, 9, BACK, 4, 5, EOS),  # one slip, taken back
        trace(3, 4, BACK, BACK, 3, 4, 5, EOS),  # two right tokens deleted in a row
        trace(9, 9, BACK, 5, EOS),  # wrong, wrong, the second taken back, and what follows is wrong as well
        trace(3, 4, 5, 6, EOS),  # one too many
        trace(3, 4, 5, EOS),
    ]
    found = telemetry(TASK, [example] * 5, traces)
    assert found.rate.estimate == pytest.approx(4 / (6 + 8 + 5 + 5 + 4))
    assert found.run_length == pytest.approx(4 / 3)
    assert found.precision.estimate == pytest.approx(2 / 4)
    assert found.recall.estimate == pytest.approx(2 / (1 + 0 + 3 + 1 + 0))
    nothing = telemetry(TASK, [example], [trace(3, 4, 5, EOS)])
    assert nothing.rate.estimate == 0 and math.isnan(nothing.run_length)
    assert math.isnan(nothing.precision.estimate) and math.isnan(nothing.recall.estimate)


def test_off_data_occupancy_and_the_use_of_the_key_are_those_of_the_exact_keyboard(rng):
    """Sampled typing on a small keyboard, against the visits of the texts that begin no word."""
    task = get_task("keyboard", longest_word=2, letters="aeht")
    mdp, gamma = StringMDP(4, 2, noise=0.2), 0.9
    policy = 0.5 * mdp.uniform() + 0.5 * oracles.random_policy(rng, mdp.legal)
    states, actions = mdp.sample(policy, 4000, 60, int(rng.integers(2**31)))
    names, traces = {mdp.eos: task.vocabulary.eos, mdp.eos + 1: task.vocabulary.backspace}, []
    for passed, pressed in zip(states.tolist(), actions.tolist(), strict=True):
        steps = zip(pressed, passed[1:], strict=True)
        typed = [names.get(key, (after - 1) % mdp.num_tokens) for key, after in steps]
        traces.append(trace(*typed[: sum(state < mdp.absorbing for state in passed[:-1])]))
    example = task.split("validation")[0]
    found = off_data_occupancy(task, [example] * len(traces), traces, gamma)
    off = [not task.begins(example, text) for text in mdp.states]
    wanted = mdp.occupancy(policy, gamma)[: mdp.num_texts].sum(axis=1)[off].sum()
    assert abs(found.mean() - wanted) <= 5 * found.std() / len(found) ** 0.5
    occupancy = mdp.occupancy(policy, gamma)[1 : mdp.num_texts]
    for share, there in zip(
        backspace_shares(task, [example] * len(traces), traces, gamma), (off, ~np.array(off)), strict=True
    ):
        here = occupancy[np.array(there)[1:]]
        assert share == pytest.approx(here[:, -1].sum() / here.sum(), abs=0.02)
    off, on = backspace_shares(task, [example], [trace(task.vocabulary.eos)], gamma)
    assert math.isnan(off) and math.isnan(on)


def test_the_interval_over_seeds_covers_the_truth_as_often_as_it_says(rng):
    drawn = rng.normal(3.0, 2.0, size=(4000, 5)).tolist()
    ends = [seed_interval(row)[1:] for row in drawn]
    assert abs(np.mean([low <= 3.0 <= high for low, high in ends]) - 0.95) < 0.02
    one = seed_interval([0.5])
    assert one.estimate == 0.5 and math.isnan(one.low) and math.isnan(one.high)
    with pytest.raises(ValueError, match="no values"):
        seed_interval([])


def test_of_words_any_that_begins_so_is_right():
    task = get_task("keyboard", longest_word=3)
    keys, example = task.vocabulary, Example((26,), task.vocabulary.encode("the"))
    an, xq = keys.encode("an"), keys.encode("xq")
    typed = [trace(*an, keys.backspace, keys.encode("t")[0], keys.eos), trace(*xq, keys.backspace, keys.eos)]
    found = telemetry(task, [example] * 2, typed)
    assert found.precision.estimate == pytest.approx(1 / 2)  # `an` begins a word, `xq` does not
    assert found.recall.estimate == pytest.approx(1 / (1 + ("x" not in {word[0] for word in task.words.words})))


@pytest.mark.parametrize("share", [0.05, 0.5, 0.97])
def test_wilsons_interval_covers_the_truth_as_often_as_it_says(share):
    count = 200
    covered = 0.0
    for hits in range(count + 1):
        found = share_interval(hits, count)
        assert 0 <= found.low <= found.estimate <= found.high <= 1
        covered += binom.pmf(hits, count, share) * (found.low <= share <= found.high)
    assert 0.93 < covered < 0.98
    assert share_interval(0, 50).high > 0.01 and share_interval(50, 50).low < 0.99


def test_the_bootstrap_over_items_covers_the_truth_as_often_as_it_says(rng):
    covered = [
        found.low <= 0.7 <= found.high
        for found in (
            mean_interval([(rng.random(300) < 0.7).astype(float)], num_resamples=300, seed=n) for n in range(500)
        )
    ]
    assert 0.89 < np.mean(covered) <= 1


def test_what_hangs_together_widens_the_interval_of_a_ratio_and_the_truth_is_covered_as_often_as_it_says(rng):
    """A third of the items press ten times, and each item hits always or never, with chance 0.3."""
    covered, widths = [], []
    for number in range(300):
        counts = np.where(rng.random(200) < 1 / 3, 10.0, 1.0)
        hits = counts * (rng.random(200) < 0.3)
        found = ratio_interval(hits, counts, num_resamples=300, seed=number)
        alone = share_interval(int(hits.sum()), int(counts.sum()))
        covered.append(found.low <= 0.3 <= found.high)
        widths.append((found.high - found.low) / (alone.high - alone.low))
        assert found.low <= found.estimate <= found.high and found.estimate == alone.estimate
    assert 0.87 < np.mean(covered) <= 1 and np.median(widths) > 2
    none = np.zeros(5)
    assert ratio_interval(none, none + 4) == share_interval(0, 20) and math.isnan(ratio_interval(none, none).estimate)


def test_seeds_that_differ_widen_the_interval(rng):
    shares = np.array([0.5, 0.6, 0.7, 0.8, 0.9])
    differing = (rng.random((5, 400)) < shares[:, None]).astype(float)
    alike = (rng.random((5, 400)) < 0.7).astype(float)
    wide, narrow = mean_interval(differing), mean_interval(alike)
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)
    assert wide.low < 0.7 < wide.high
    assert wide == mean_interval(differing)


def test_where_all_answers_are_right_the_interval_still_has_a_width():
    same = mean_interval([np.zeros(100)], differences=True)
    assert same.low == -same.high < same.estimate == 0.0 and same.high == mean_interval([np.zeros(100)]).high
    found = mean_interval([np.ones(100)])
    assert found.estimate == 1 and 0.9 < found.low < 1
    assert str(found).startswith("1.000 [0.9")


def test_bad_scores_are_named():
    with pytest.raises(ValueError, match=r"rows of lengths \[2, 3\]"):
        mean_interval([np.zeros(2), np.zeros(3)])
    with pytest.raises(ValueError, match="lengths"):
        mean_interval([])
