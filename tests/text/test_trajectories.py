"""Trajectories: many of them as arrays, what is refused, and demonstrations typed with slips."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from smatch_edu.text.packing import pack_batch
from smatch_edu.text.trajectories import Trajectory, TrajectoryBatch, augment, augment_batch, follow

K, EOS, BACK = 5, 5, 6


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


@settings(max_examples=50)
@given(many=st.lists(walks(), min_size=1, max_size=5))
def test_a_batch_holds_its_trajectories_one_after_the_other(many):
    ones = [trajectory(*walk) for walk in many]
    batch = TrajectoryBatch.of(*ones)
    again = TrajectoryBatch.of(TrajectoryBatch.of(*ones[:1]), *ones[1:])
    assert len(batch) == len(again) == len(ones)
    for one, held, other in zip(ones, batch, again, strict=True):
        for name in ("prompt", "pressed", "typed"):
            assert np.array_equal(getattr(one, name), getattr(held, name))
            assert np.array_equal(getattr(one, name), getattr(other, name))
    columns = max(len(one.typed) for one in ones) + 2
    for row, one in zip(batch.table(batch.typed + 1, columns), ones, strict=True):
        assert row.tolist() == [*(one.typed + 1).tolist(), *([0] * (columns - len(one.typed)))]


@settings(max_examples=50)
@given(many=st.lists(walks(), min_size=1, max_size=5))
def test_steps_say_what_stands_after_every_action(many):
    batch = TrajectoryBatch.of(*(trajectory(*walk) for walk in many))
    steps = follow(batch, BACK, EOS)
    above = [
        len(after if after is not None else before) - len(prompt)
        for prompt, typed in many
        for before, after in zip(stacks(prompt, typed), stacks(prompt, typed)[1:], strict=False)
    ]
    assert steps.above.tolist() == above
    assert steps.ended.tolist() == [typed[-1] == EOS for _, typed in many]


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


def test_keys_are_no_part_of_a_demonstration():
    with pytest.raises(ValueError, match=r"tokens has key 6 at position 1"):
        augment([1], [2, BACK], 0.0, BACK, EOS, seed=0, num_tokens=K)


def test_many_demonstrations_at_once_are_each_as_one_alone(rng):
    """Every kind of noise, with <eos> and without; slips as frequent in each, and drawn from the weights of its own."""
    for eos in (None, EOS):
        answers = [rng.integers(0, K, size=int(rng.integers(0, 5))) for _ in range(400)]
        answers = [answer if len(answer) or eos else np.array([1]) for answer in answers]
        prompts = [rng.integers(0, K, size=int(rng.integers(1, 4))) for _ in answers]
        tables = [np.eye(K + 2)[(answer + 1) % K] for answer in answers]
        for wrong in ({"num_tokens": K}, {"mistakes": tables}):
            made = augment_batch(prompts, answers, 0.3, BACK, eos, seed=rng, **wrong)
            presses = slips = 0
            for prompt, answer, one in zip(prompts, answers, made, strict=True):
                assert one.prompt.tolist() == prompt.tolist() and survivors(one) == tuple(answer.tolist())
                assert (one.typed[-1:] == EOS).all() if eos else True
                at = np.flatnonzero(one.slipped)
                assert (one.typed[at + 1] == BACK).all() and (one.typed == BACK).sum() == len(at)
                if "mistakes" in wrong:
                    assert (one.typed[at] == (one.pressed[at] + 1) % K).all()
                slips, presses = slips + len(at), presses + int((one.pressed < K).sum())
            assert abs(slips / presses - 0.3) < 5 * np.sqrt(0.21 / presses)


def test_a_single_demonstration_is_drawn_as_the_first_of_many(rng):
    tokens, seed = rng.integers(0, K, size=12), int(rng.integers(2**31))
    alone = augment([1], tokens, 0.4, BACK, EOS, seed=seed, num_tokens=K)
    batch = augment_batch([[1]], [tokens], 0.4, BACK, EOS, seed=seed, num_tokens=K)
    assert np.array_equal(alone.typed, batch.typed) and np.array_equal(alone.pressed, batch.pressed)


def test_what_is_wrong_in_one_of_many_demonstrations_is_named(rng):
    with pytest.raises(ValueError, match="tokens has key 6 at position 1 of demonstration 2"):
        augment_batch([[1]] * 3, [[1], [2, 3], [1, BACK]], 0.1, BACK, EOS, seed=rng, num_tokens=K)
    with pytest.raises(ValueError, match=r"mistakes has shape \(1, 5\); \(2, vocab\)"):
        augment_batch([[1]] * 2, [[1], [2, 3]], 0.1, BACK, EOS, seed=rng, mistakes=[np.ones((1, 5))] * 2)
    for prompts, answers, message in (
        ([[1]], [[1], [2]], "there are 1 prompts and 2 answers"),
        ([], [], "there are 0 prompts"),
        ([[1], [1]], [np.array([1.5]), [2]], "tokens has shape"),
        ([[1], [1]], [[1], [-2]], "tokens has id -2 at position 1"),
    ):
        with pytest.raises(ValueError, match=message):
            augment_batch(prompts, answers, 0.1, BACK, EOS, seed=rng, num_tokens=K)
    for prompt, answer, message in (([], [2], "the prompt is empty"), ([1], [], "a trajectory has no action")):
        made = augment_batch([[1], prompt], [[1], answer], 0.1, BACK, seed=rng, num_tokens=K)
        with pytest.raises(ValueError, match=message):
            follow(made, BACK, None)
