"""Trajectories: the inputs that an action sees are the text that stood then, in both layouts; and noise."""

import itertools
import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from smatch_edu.tasks import get_task
from smatch_edu.text.trajectories import ABSORBING, NEVER, Trajectory, augment, fill_rows, pack, pack_batch, visible

K, EOS, BACK = 5, 5, 6
BOTH = pytest.mark.parametrize("layout", ["trie", "refeed"])


def trajectory(prompt, pressed, typed=None):
    """From lists."""
    return Trajectory(
        *(np.array(part, dtype=np.int64) for part in (prompt, pressed, pressed if typed is None else typed))
    )


def stacks(prompt, typed):
    """The text before every action, and after the last; None after <eos>."""
    text, passed = list(prompt), [tuple(prompt)]
    for action in typed:
        if action == BACK:
            text.pop()
        elif action != EOS:
            text.append(int(action))
        passed.append(None if action == EOS else tuple(text))
    return passed


def seen_from(packed, row_visible, query):
    """The text that an input sees, by position."""
    keys = np.flatnonzero(row_visible[query])
    keys = keys[np.argsort(packed.positions[keys])]
    assert packed.positions[keys].tolist() == list(range(len(keys)))
    return tuple(packed.tokens[keys].tolist())


@st.composite
def walks(draw):
    """A prompt and what is typed after it: random walks, long runs of backspace, deletions of everything, with <eos> or
    without."""
    prompt = draw(st.lists(st.integers(0, K - 1), min_size=1, max_size=50))
    typed, standing = [], 0
    for _ in range(draw(st.integers(1, 12))):
        pushes = draw(st.lists(st.integers(0, K - 1), max_size=6))
        standing += len(pushes)
        deletes = draw(st.sampled_from([0, 1, standing, draw(st.integers(0, standing))]))
        typed += pushes + [BACK] * min(deletes, standing)
        standing -= min(deletes, standing)
    typed += [EOS] * (draw(st.booleans()) or not typed)
    return prompt, typed


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
        passed = [*alone.state_of_action.tolist(), 0 if alone.final_state == ABSORBING else alone.final_state]
        assert batch.states()[number, : actions + 1].tolist() == passed
        assert (batch.expires[number, inputs:] == NEVER).all() and batch.row[number] == number


def assert_each_sees_its_own_text(batch, trajectories):
    mask = visible(batch.expires.numpy())
    for number, one in enumerate(trajectories):
        row, texts = batch.row[number], stacks(one.prompt, one.typed)
        inputs = type("Row", (), {"positions": batch.positions[row].numpy(), "tokens": batch.tokens[row].numpy()})
        assert batch.actions[number, : batch.lengths[number]].tolist() == one.typed.tolist()
        for step, text in enumerate(texts[:-1]):
            assert seen_from(inputs, mask[row], batch.state_of_action[number, step]) == text
        if texts[-1] is None:
            assert batch.final_state[number] == ABSORBING
        else:
            assert seen_from(inputs, mask[row], batch.final_state[number]) == texts[-1]


@settings(max_examples=50)
@given(rows=st.lists(st.lists(walks(), min_size=1, max_size=4), min_size=1, max_size=3), same=st.booleans())
def test_trajectories_that_share_a_row_do_not_see_each_other(rows, same):
    many = [[trajectory(row[0][0] if same else prompt, typed) for prompt, typed in row] for row in rows]
    batch = pack_batch(many, BACK, EOS)
    assert batch.row.tolist() == [number for number, row in enumerate(many) for _ in row]
    assert_each_sees_its_own_text(batch, [one for row in many for one in row])
    if same:  # its prompt is fed once
        pushed = [sum(action < K for one in row for action in one.typed) for row in many]
        assert batch.tokens.shape[1] == max(len(row[0].prompt) + n for row, n in zip(many, pushed, strict=True))


@settings(max_examples=60)
@given(many=st.lists(walks(), min_size=1, max_size=12), more=st.integers(0, 12))
def test_rows_are_filled_and_every_trajectory_keeps_its_place(many, more):
    trajectories = [trajectory(*walk) for walk in many]
    sizes = [len(prompt) + sum(action < K for action in typed) for prompt, typed in many]
    length = max(sizes) + more
    batch = pack_batch(trajectories, BACK, EOS, row_length=length)
    assert batch.tokens.shape[1] <= length
    assert_each_sees_its_own_text(batch, trajectories)
    used = np.bincount(batch.row.numpy(), sizes)
    assert (used <= length).all()
    assert all(first + second > length for first, second in itertools.combinations(used, 2))  # none could be one
    rows = [np.flatnonzero(batch.row.numpy() == number).tolist() for number in range(len(used))]
    assert sorted(map(sorted, fill_rows(trajectories, length, BACK, EOS))) == sorted(rows)
    if length > max(sizes):
        return
    with pytest.raises(ValueError, match=f"row_length is {length - 1}; trajectory {np.argmax(sizes)} needs {length}"):
        pack_batch(trajectories, BACK, EOS, row_length=length - 1)


def test_rows_of_the_arithmetic_task_are_nearly_full(rng):
    task = get_task("arithmetic", family="in_base")
    keys = task.vocabulary
    typed = [
        augment(*one, 0.2, keys.backspace, keys.eos, seed=rng, num_tokens=len(keys)) for one in task.fresh(rng, 2000)
    ]
    batch = pack_batch(typed, keys.backspace, keys.eos, row_length=1024)
    tokens = sum(len(one.prompt) + int((one.typed < len(keys)).sum()) for one in typed)
    assert tokens / (1024 * (len(batch.tokens) - 1)) > 0.98  # all rows but the last
    assert tokens / batch.tokens.numel() > 0.95


def test_outputs_are_handed_out_action_by_action(rng):
    first, second = trajectory([1], [2, BACK, EOS]), trajectory([1], [3])
    batch = pack_batch([[first, second], second], BACK, EOS)
    outputs = torch.from_numpy(rng.normal(size=(2, batch.tokens.shape[1], 4)))
    handed = batch.at_actions(outputs)
    assert handed.shape == (3, 3, 4)
    assert torch.equal(handed[0, 0], outputs[0, 0]) and torch.equal(handed[0, 1], outputs[0, 1])
    assert torch.equal(handed[0, 2], outputs[0, 0]) and torch.equal(handed[1, 0], outputs[0, 0])
    assert torch.equal(handed[2, 0], outputs[1, 0])


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
    with pytest.raises(ValueError, match="only layout='trie' can share"):
        pack_batch([[one, one]], BACK, layout="refeed")
    for nothing in ([], [[]]):
        with pytest.raises(ValueError, match="no trajectory"):
            pack_batch(nothing, BACK)
    with pytest.raises(ValueError, match="2 actions were pressed and 1 typed"):
        trajectory([1], [2, 3], [2])
    with pytest.raises(ValueError, match="trajectory 1 is <backspace>"):
        pack_batch([one, trajectory([1], [BACK])], BACK)


# Noise


def survivors(trajectory):
    return stacks(trajectory.prompt, [a for a in trajectory.typed.tolist() if a != EOS])[-1][len(trajectory.prompt) :]


@settings(max_examples=50)
@given(
    tokens=st.lists(st.integers(0, K - 1), max_size=20),
    noise=st.floats(0, 0.8),
    seed=st.integers(0, 99),
    end=st.booleans(),
)
def test_every_slip_is_taken_back_and_the_demonstration_stands_at_the_end(tokens, noise, seed, end):
    made = augment([1], tokens, noise, BACK, EOS if end else None, seed=seed, num_tokens=K)
    assert survivors(made) == tuple(tokens)
    slips = np.flatnonzero(made.slipped)
    assert (made.pressed[slips] < K).all() and (made.typed[slips] < K).all()
    assert (made.pressed[slips + 1] == BACK).all() and (made.typed[slips + 1] == BACK).all()
    assert (made.typed == BACK).sum() == len(slips) and len(made.typed) == len(tokens) + 2 * len(slips) + end
    meant = made.pressed[(made.pressed < K) & ~made.slipped]
    assert meant.tolist() == tokens


def test_slips_are_as_frequent_as_the_noise_and_uniform(rng):
    noise, tokens = 0.3, rng.integers(0, K, size=20_000)
    made = augment([1], tokens, noise, BACK, seed=rng, num_tokens=K)
    presses = made.pressed < K
    slipped = int(made.slipped[presses].sum())
    assert abs(slipped / presses.sum() - noise) < 5 * np.sqrt(noise * (1 - noise) / presses.sum())
    shift = (made.typed - made.pressed)[made.slipped] % K
    assert chisquare(np.bincount(shift, minlength=K)[1:]).pvalue > 1e-6 and not (shift == 0).any()


def test_tiny_and_huge_weights_give_no_token_beyond_them(rng):
    """Sums are rounded: up to what no mistake reaches, or up to infinity."""
    tiny = np.array([[0, 5e-324, 0], [5e-324, 0, 0]])
    for _ in range(50):
        one = augment([0], [0, 1], 0.5, BACK, EOS, mistakes=tiny, seed=rng)
        assert (one.typed[one.slipped] == 1 - one.pressed[one.slipped]).all()
    with pytest.raises(ValueError, match="mistakes sums to more than a float64 holds at position 1"):
        augment([0], [0, 1], 0.5, BACK, EOS, mistakes=np.array([[0, 1.0, 0], [1e308, 0, 1e308]]), seed=rng)


def test_one_key_cannot_be_both():
    with pytest.raises(ValueError, match="eos and backspace are both 5; two keys were wanted"):
        augment([0], [0, 1], 0.5, 5, 5, num_tokens=5, seed=0)


def test_mistakes_come_from_the_weights_that_are_given(rng):
    tokens = np.tile([0, 1, 2], 5000)
    weights = np.zeros((len(tokens), 4))
    weights[tokens == 0] = [9.0, 1.0, 3.0, 0.0]  # its own weight is ignored
    weights[tokens == 1] = [0.0, 5.0, 0.0, 0.0]  # nothing plausible can go wrong
    weights[tokens == 2, 3] = 1.0
    made = augment([1], tokens, 0.4, BACK, seed=rng, mistakes=weights)
    typed = {token: np.bincount(made.typed[made.slipped & (made.pressed == token)], minlength=4) for token in range(3)}
    assert (
        typed[0][[0, 3]].sum() == 0 and chisquare(typed[0][[1, 2]], typed[0].sum() * np.array([1, 3]) / 4).pvalue > 1e-6
    )
    assert typed[1].sum() == 0
    assert typed[2][:3].sum() == 0 and typed[2][3] > 1000
    assert survivors(made) == tuple(tokens.tolist()) and weights[0, 0] == 9.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"noise": 1.0, "num_tokens": 5}, "noise is 1.0"),
        ({"noise": 0.1}, "give either"),
        ({"noise": 0.1, "num_tokens": 5, "mistakes": np.ones((2, 5))}, "give either"),
        ({"noise": 0.1, "num_tokens": 2}, "num_tokens is 2; it must be at least 2, and above every token"),
        ({"noise": 0.1, "mistakes": np.ones((3, 5))}, r"mistakes has shape \(3, 5\)"),
        ({"noise": 0.1, "mistakes": -np.ones((2, 5))}, "numbers ≥ 0"),
        ({"noise": 0.1, "mistakes": np.full((2, 5), np.inf)}, "numbers ≥ 0"),
        ({"noise": 0.1, "mistakes": np.ones((2, 3))}, r"mistakes has shape \(2, 3\)"),
    ],
)
def test_bad_noise_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        augment([1], [2, 3], backspace=BACK, seed=0, **options)


def test_what_a_model_proposes_may_be_a_softmax_over_all_actions_and_no_key_slips(rng):
    for _ in range(20):
        tokens = rng.integers(0, K, size=8)
        proposed = torch.from_numpy(rng.normal(size=(8, K + 2))).softmax(dim=1).numpy()
        made = augment([1], tokens, 0.4, BACK, EOS, seed=rng, mistakes=proposed)
        assert survivors(made) == tuple(tokens.tolist())
        assert (made.typed[made.slipped] < K).all()
        pack_batch([made], BACK, EOS)


def test_keys_do_not_slip_and_are_no_part_of_a_demonstration():
    with pytest.raises(ValueError, match=r"tokens has key 6 at position 1"):
        augment([1], [2, BACK], 0.0, BACK, EOS, seed=0, num_tokens=K)
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
