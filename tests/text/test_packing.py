"""Packing: the inputs that an action sees are the text that stood then, in both layouts."""

import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_trajectories import BACK, EOS, K, stacks, trajectory, walks

from smatch_edu.text.packing import ABSORBING, NEVER, pack, pack_batch, visible

BOTH = pytest.mark.parametrize("layout", ["trie", "refeed"])


def seen_from(packed, row_visible, query):
    """The text that an input sees, by position."""
    keys = np.flatnonzero(row_visible[query])
    keys = keys[np.argsort(packed.positions[keys])]
    assert packed.positions[keys].tolist() == list(range(len(keys)))
    return tuple(packed.tokens[keys].tolist())


@BOTH
@settings(max_examples=120)
@given(walk=walks())
def test_an_action_sees_the_text_that_stood_then(layout, walk):
    prompt, typed = walk
    packed = pack(prompt, typed, BACK, EOS, layout)
    mask = visible(packed.expires)
    texts = stacks(prompt, typed)
    assert packed.actions.tolist() == typed
    for state, text in zip(packed.state_of_action, texts, strict=False):
        assert seen_from(packed, mask, state) == text
    if texts[-1] is None:
        assert packed.final_state == ABSORBING
    else:
        assert seen_from(packed, mask, packed.final_state) == texts[-1]


@settings(max_examples=50)
@given(walk=walks())
def test_backspace_is_no_input_of_the_trie_and_eos_of_neither(walk):
    prompt, typed = walk
    trie, refeed = (pack(prompt, typed, BACK, EOS, layout) for layout in ("trie", "refeed"))
    pushed = sum(action < K for action in typed)
    assert len(trie.tokens) == len(prompt) + pushed
    assert len(refeed.tokens) == len(prompt) + pushed + typed.count(BACK)
    for packed in (trie, refeed):
        assert packed.tokens.max() < K
        for part in packed[:5]:
            assert part.dtype == np.int64


def test_one_walk_by_hand():
    # prompt 0; type 1 2, delete 2, type 3, delete 3 and 1, end
    packed = pack([0], [1, 2, BACK, 3, BACK, BACK, EOS], BACK, EOS)
    assert packed.tokens.tolist() == [0, 1, 2, 3]
    assert packed.positions.tolist() == [0, 1, 2, 2]
    assert packed.expires.tolist() == [NEVER, 4, 3, 4]
    assert packed.state_of_action.tolist() == [0, 1, 2, 1, 3, 1, 0]
    assert packed.final_state == ABSORBING
    again = pack([0], [1, 2, BACK, 3], BACK, EOS, layout="refeed")
    assert again.tokens.tolist() == [0, 1, 2, 1, 3]
    assert again.positions.tolist() == [0, 1, 2, 1, 2]
    assert again.expires.tolist() == [NEVER, 3, 3, NEVER, NEVER]
    assert again.state_of_action.tolist() == [0, 1, 2, 3] and again.final_state == 4


def test_visible_is_the_two_comparisons_and_answers_in_kind(rng):
    expires = rng.integers(1, 9, size=(3, 7))
    mask = visible(expires)
    assert mask.shape == (3, 7, 7) and mask.dtype == bool
    for row in range(3):
        for query in range(7):
            for key in range(7):
                assert mask[row, query, key] == (key <= query < expires[row, key])
    as_tensor = visible(torch.from_numpy(expires))
    assert isinstance(as_tensor, torch.Tensor) and np.array_equal(as_tensor.numpy(), mask)
    assert np.array_equal(visible(np.full(4, NEVER)), np.tril(np.ones((4, 4), dtype=bool)))


@BOTH
@settings(max_examples=25)
@given(many=st.lists(walks(), min_size=1, max_size=5))
def test_a_batch_holds_each_trajectory_as_it_is_alone(layout, many):
    batch = pack_batch([trajectory(*walk) for walk in many], BACK, EOS, layout)
    for number, (prompt, typed) in enumerate(many):
        alone = pack(prompt, typed, BACK, EOS, layout)
        inputs, actions = len(alone.tokens), len(typed)
        for name in ("tokens", "positions", "expires"):
            assert np.array_equal(getattr(batch, name)[number, :inputs], getattr(alone, name))
        assert np.array_equal(batch.actions[number, :actions], alone.actions)
        assert np.array_equal(batch.state_of_action[number, :actions], alone.state_of_action)
        assert batch.lengths[number] == actions and batch.final_state[number] == alone.final_state
        assert (batch.expires[number, inputs:] == NEVER).all()


def test_outputs_are_handed_out_action_by_action(rng):
    batch = pack_batch([trajectory([1], [2, BACK, EOS]), trajectory([1], [3])], BACK, EOS)
    outputs = torch.from_numpy(rng.normal(size=(2, batch.tokens.shape[1], 4)))
    handed = batch.at_actions(outputs)
    assert handed.shape == (2, 3, 4)
    assert torch.equal(handed[0, 0], outputs[0, 0]) and torch.equal(handed[0, 1], outputs[0, 1])
    assert torch.equal(handed[0, 2], outputs[0, 0]) and torch.equal(handed[1, 0], outputs[1, 0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], [1], BACK, EOS), "the prompt is empty"),
        (([1], [], BACK, EOS), "has no action"),
        (([1], [2, BACK, BACK], BACK, EOS), "action 2 of trajectory 0 is <backspace> with nothing to delete"),
        (([1], [EOS, 2], BACK, EOS), "action 0 of trajectory 0 is <eos>, and more actions follow it"),
        (([1, BACK], [2], BACK, EOS), "the prompt of trajectory 0 has action 6 at position 1"),
        (([1], [-2], BACK, EOS), "typed has id -2 at position 0"),
        ((np.array([1.5]), [2], BACK, EOS), "prompt has shape"),
        (([1], [2], BACK, EOS, "tree"), "unknown layout 'tree'; did you mean 'trie'"),
    ],
)
def test_what_cannot_be_packed_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        pack(*arguments)


def test_batches_that_cannot_be_packed_are_named():
    one = trajectory([1], [2])
    with pytest.raises(ValueError, match="no trajectory"):
        pack_batch([], BACK)
    with pytest.raises(ValueError, match="2 actions were pressed and 1 typed"):
        trajectory([1], [2, 3], [2])
    with pytest.raises(ValueError, match="trajectory 1 is <backspace>"):
        pack_batch([one, trajectory([1], [BACK])], BACK)


def test_keys_do_not_slip_and_are_two():
    for pressed, typed in (([2, BACK], [2, 3]), ([2, 3], [2, BACK]), ([2, 3], [2, EOS])):
        with pytest.raises(ValueError, match="action 1 of trajectory 0 is a slip of <eos> or <backspace>"):
            pack_batch([trajectory([1], pressed, typed)], BACK, EOS)
    with pytest.raises(ValueError, match="eos and backspace are both 5"):
        pack([1], [2], 5, 5)


@BOTH
def test_memory_grows_with_the_actions_and_not_with_their_square(rng, layout):
    def peak(actions):
        typed = np.where(np.arange(actions) % 5 == 4, BACK, rng.integers(0, K, size=actions))
        tracemalloc.start()
        pack([1], typed, BACK, EOS, layout)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(100)
    assert peak(8000) < 2.5 * peak(4000)
