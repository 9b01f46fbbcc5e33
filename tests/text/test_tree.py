"""The tree: each text is one input, seen as it stands, in every row; and every walk finds its texts in it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_packing import seen_from
from test_trajectories import BACK, EOS, K, stacks, trajectory, walks

from smatch_edu.tasks import get_task
from smatch_edu.text.packing import visible
from smatch_edu.text.trajectories import TrajectoryBatch, augment_batch
from smatch_edu.text.tree import TextTree, as_tree, read_once


def text_of(tree, number):
    """All tokens of a text, and where its prompt ends."""
    tokens, start = [], int(tree.start[number])
    while number >= 0:
        tokens.insert(0, int(tree.token[number]))
        number = int(tree.parent[number])
    return start, tuple(tokens)


def texts_by_hand(many, leads):
    """The set of all texts, as (length of the prompt, tokens): what is passed, what stands in prompts, the leads."""
    found, number = set(), 0
    for prompt, typed in many:
        found |= {(length, tuple(prompt[:length])) for length in range(1, len(prompt) + 1)}
        passed = stacks(prompt, typed)
        found |= {(len(prompt), text) for text in passed if text is not None}
        for text in passed[: len(typed)]:
            found |= {(len(prompt), (*text, token)) for token in leads[number] if token >= 0}
            number += 1
    return found


def drawn_leads(data, batch, count):
    """Tokens for actions that are tokens, -1 for the others."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**31)))
    return np.where((batch.typed < K)[:, None], rng.integers(0, K, size=(len(batch.typed), count)), -1)


@settings(max_examples=80)
@given(data=st.data(), many=st.lists(walks(), min_size=1, max_size=6), same=st.booleans(), count=st.integers(0, 3))
def test_every_text_is_one_input_which_sees_it_and_nothing_else(data, many, same, count):
    if same:
        many = [(many[0][0], typed) for _, typed in many]
    batch = TrajectoryBatch.of(*(trajectory(*walk) for walk in many))
    leads = drawn_leads(data, batch, count)
    found = as_tree(batch, BACK, EOS, leads)
    tree, wanted = found.tree, texts_by_hand(many, leads)
    assert len(tree.token) == len(wanted) and {text_of(tree, n) for n in range(len(wanted))} == wanted
    assert (tree.depth == [len(text_of(tree, n)[1]) - 1 for n in range(len(wanted))]).all()

    longest = int(tree.depth.max()) + 1
    length = longest + data.draw(st.integers(0, 12))
    laid = read_once(tree, data.draw(st.sampled_from([None, length])))
    mask, inputs = visible(laid.expires.numpy()), laid.tokens.shape[1]
    assert inputs <= len(wanted) and len(set(laid.at.tolist())) == len(wanted)
    for number in range(len(wanted)):
        row, column = divmod(int(laid.at[number]), inputs)
        one_row = type("Row", (), {"positions": laid.positions[row].numpy(), "tokens": laid.tokens[row].numpy()})
        assert seen_from(one_row, mask[row], column) == text_of(tree, number)[1]
    with pytest.raises(ValueError, match=f"row_length is {longest - 1}; a text of {longest} tokens needs as many"):
        read_once(tree, longest - 1)


@settings(max_examples=80)
@given(data=st.data(), many=st.lists(walks(), min_size=1, max_size=6))
def test_every_action_is_taken_at_its_text_and_leads_where_it_would(data, many):
    batch = TrajectoryBatch.of(*(trajectory(*walk) for walk in many))
    leads = drawn_leads(data, batch, 2)
    found, action = as_tree(batch, BACK, EOS, leads), 0
    for row, (prompt, typed) in enumerate(many):
        passed = stacks(prompt, typed)
        for step, text in enumerate(passed[:-1]):
            assert text_of(found.tree, found.states[row, step]) == (len(prompt), text)
            for token, led in zip(leads[action], found.leads[action], strict=True):
                assert led == -1 if token < 0 else text_of(found.tree, led) == (len(prompt), (*text, token))
            action += 1
        if passed[-1] is None:
            assert found.ended[row] and found.states[row, len(typed)] == 0
        else:
            assert not found.ended[row]
            assert text_of(found.tree, found.states[row, len(typed)]) == (len(prompt), passed[-1])
        assert (found.states[row, len(typed) + 1 :] == 0).all()


@settings(max_examples=60)
@given(many=st.lists(walks(), min_size=1, max_size=4), others=st.lists(walks(), min_size=1, max_size=4))
def test_texts_of_one_tree_are_found_in_another(many, others):
    tree, other = (
        as_tree(TrajectoryBatch.of(*(trajectory(*one) for one in some)), BACK, EOS).tree
        for some in (many, [*others, many[0]])
    )
    numbers = {text_of(tree, number): number for number in range(len(tree.token))}
    # A token of the prompt and the same one typed are two texts, so what comes before counts as well.
    paths = {tuple(_path(tree, number)): number for number in range(len(tree.token))}
    assert len(paths) == len(numbers)
    for number, at in enumerate(tree.locate(other).tolist()):
        assert at == paths.get(tuple(_path(other, number)), -1)
    everything = np.arange(len(tree.token))
    for token in range(K):
        for number, child in zip(everything, tree.child(everything, np.full(len(everything), token)), strict=True):
            assert child == paths.get((*_path(tree, number), (token, True)), -1)


def _path(tree, number):
    path = []
    while number >= 0:
        path.insert(0, (int(tree.token[number]), bool(tree.start[number] <= tree.depth[number])))
        number = int(tree.parent[number])
    return path


def test_rows_of_the_arithmetic_task_are_nearly_full(rng):
    task = get_task("arithmetic", family="in_base")
    keys, (prompts, answers) = task.vocabulary, zip(*task.fresh(rng, 8000), strict=True)
    typed = augment_batch(prompts, answers, 0.2, keys.backspace, keys.eos, seed=rng, num_tokens=len(keys))
    tree = as_tree(typed, keys.backspace, keys.eos).tree
    laid = read_once(tree, 1024)
    given = len(typed.prompts) + int((typed.typed < len(keys)).sum())
    assert given / (1024 * (len(laid.tokens) - 1)) > 0.98  # all rows but the last
    assert len(tree.token) / laid.tokens.numel() > 0.95  # different texts: what is read again does not count
    assert len(tree.token) < given  # what begins alike is read once


def test_one_tree_by_hand():
    # prompt 0; type 1 2, delete 2, type 2 again, 3; and another: type 1 3
    batch = TrajectoryBatch.of(trajectory([0], [1, 2, BACK, 2, 3]), trajectory([0], [1, 3, EOS]))
    found = as_tree(batch, BACK, EOS)
    wanted = TextTree(*map(np.array, ([-1, 0, 1, 1, 2], [0, 1, 2, 3, 3], [0, 1, 2, 2, 3], [1, 1, 1, 1, 1])))
    for name in ("parent", "token", "depth", "start"):
        assert np.array_equal(getattr(found.tree, name), getattr(wanted, name))
    assert found.states.tolist() == [[0, 1, 2, 1, 2, 4], [0, 1, 3, 0, 0, 0]]
    laid = read_once(found.tree)
    assert laid.tokens.tolist() == [[0, 1, 2, 3, 3]] and laid.positions.tolist() == [[0, 1, 2, 3, 2]]
    assert laid.expires.tolist() == [[5, 5, 4, 4, 5]] and laid.at.tolist() == [0, 1, 2, 4, 3]
    rows = read_once(found.tree, 4)
    assert rows.tokens.tolist() == [[0, 1, 2, 3], [0, 1, 3, 0]]  # the second row reads 0 and 1 again
    assert rows.at.tolist() == [0, 1, 2, 6, 3]


def test_ids_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match="typed has id 2305843009213693952; ids below 2"):
        as_tree(TrajectoryBatch.of(trajectory([0], [2**61])), BACK, EOS)
