"""Rows that wait for a slot: each does what it would do if all were typed at once, in the memory of those that are."""

import numpy as np
import pytest
from test_generation import Table, model_with_keys, table
from test_trajectories import BACK, EOS, K

from smatch_edu.network.batch import TextBatch
from smatch_edu.network.decoding import StackCache
from smatch_edu.network.generation import generate

WAYS = [
    {},
    {"noise": 0.3},
    {"greedy": True},
    {"temperature": 2.0, "top_k": 4, "top_p": 0.9},
    {"contrastive": 0.5},
    {"contrastive": 0.4, "top_k": 3, "noise": 0.3},
    {"banned": [1, BACK]},
    {"backspace": None},
    {"eos": None, "backspace": None, "noise": 0.1},  # so that a row ends when its text is full
]


@pytest.mark.parametrize("options", WAYS, ids=str)
def test_a_row_that_waited_does_what_it_would_have_done_at_once(rng, options):
    lengths = set()
    for number in range(40):
        if number >= 3 and len(lengths) > 1:  # who searches may type and delete until all have done as much
            break
        model = model_with_keys(rng, -1.0, -1.0)
        prompts = [rng.integers(K, size=rng.integers(1, 9)).tolist() for _ in range(rng.integers(2, 20))]
        settings = {"eos": EOS, "backspace": BACK, "max_actions": 20, "seed": int(rng.integers(2**31))} | options
        settings["max_length"] = int(rng.integers(max(map(len, prompts)), 16))  # some prompts may be full at once
        wanted = generate(model, prompts, **settings)
        lengths |= {len(trace.actions) for trace in wanted.traces}
        for batch_size in (1, int(rng.integers(2, 8)), len(prompts), len(prompts) + 3):
            found = generate(model, prompts, batch_size=batch_size, **settings)
            for trace, other in zip(found.traces, wanted.traces, strict=True):
                np.testing.assert_allclose(trace.log_probs, other.log_probs, atol=1e-5)
                trace.log_probs[:] = other.log_probs
            assert found.traces == wanted.traces
            if batch_size >= len(prompts):
                assert found.num_forward_passes == wanted.num_forward_passes
    assert len(lengths) > 1  # so that slots came free one after the other


def test_cache_and_vectors_are_as_large_as_a_batch_and_no_larger(rng, monkeypatch):
    caches, held, made, read = [], [], StackCache.__init__, TextBatch.read_tops

    def make(cache, config, rows, length, like):
        caches.append((rows, length))
        made(cache, config, rows, length, like)

    def look(batch, live):
        read(batch, live)
        held.append((*batch.hidden.shape[:2], *np.array(batch.cache.stored.shape)[[2, 4]]))

    monkeypatch.setattr(StackCache, "__init__", make)
    monkeypatch.setattr(TextBatch, "read_tops", look)
    model = model_with_keys(rng, 0.0, -1.0)
    prompts = [rng.integers(K, size=rng.integers(1, 6)).tolist() for _ in range(60)]
    found = generate(model, prompts, EOS, BACK, max_actions=12, seed=int(rng.integers(99)), batch_size=8)
    assert all(trace.ended for trace in found.traces) and len(caches) > 5  # refilled several times
    assert all(rows <= 8 and length <= 5 + 12 for rows, length in caches)
    assert all(max(held)[side] <= 8 and length <= 17 for side in (0, 2) for *_, length in held)
    assert held[-1][0] < 8 and held[-1][2] < 8  # who has ended is dropped when none waits


def types_so_many(numbers):
    """A model whose row with prompt [k] types k for ever, and ends after numbers[k] letters."""
    logits = np.full((40, K, K + 2), -90.0)
    for letter, number in enumerate(numbers):
        logits[:number, letter, letter] = logits[number:, letter, EOS] = 90.0
    return Table(logits)


def test_new_rows_come_in_while_others_type():
    # One row types 30 letters; beside it the other slot serves all the short ones.
    model = types_so_many([30, 1])
    found = generate(model, [[0]] + [[1]] * 10, EOS, BACK, max_actions=40, batch_size=2)
    assert [trace.text for trace in found.traces] == [[0] * 30] + [[1]] * 10
    assert found.num_forward_passes == 1 + 30  # prompts of one token are read with the tops of the other texts


def test_prompts_are_read_together_once_an_eighth_of_the_slots_is_free():
    # Of 16 slots one comes free after each of the first letters: two at a time are refilled.
    model = types_so_many([31, 2, 3, 4, 5])  # one letter is in the prompt
    prompts = [[0, 0]] * 12 + [[1, 1], [2, 2], [3, 3], [4, 4]] + [[1, 1]] * 4
    found = generate(model, prompts, EOS, None, max_actions=40, batch_size=16)
    assert [len(trace.text) for trace in found.traces] == [30] * 12 + [1, 2, 3, 4] + [1] * 4
    assert [inputs for inputs in model.passes if inputs != 16] == [2, 2]
    assert len(model.passes) == found.num_forward_passes == 2 + 30 + 2  # the first prompts, and their last tokens


def test_who_is_stuck_at_once_takes_no_slot(rng):
    prompts = [[1, 2, 3], [1], [1, 2, 3], [2]]
    found = generate(table(rng, back=-90.0), prompts, None, None, max_length=3, batch_size=1)
    assert [(len(trace.text), trace.ended) for trace in found.traces] == [(0, "length"), (2, "length")] * 2
    assert found.num_forward_passes == 2 * 2  # the prompt and one letter, twice: the second letter fills the text
    assert generate(table(rng), [[1, 2, 3]] * 2, None, None, max_length=3).num_forward_passes == 0


@pytest.mark.parametrize("batch_size", [0, -1, True])
def test_a_batch_that_cannot_be_is_named(rng, batch_size):
    with pytest.raises(ValueError, match=f"batch_size is {batch_size}; a whole number, at least 1, or None"):
        generate(table(rng), [[1]], EOS, BACK, batch_size=batch_size)
