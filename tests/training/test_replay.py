"""First in, first out, bounded, and the same again from its numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smatch_edu.text.trajectories import Trajectory
from smatch_edu.training.replay import ReplayBuffer


def made(number):
    """A trajectory that can be told from the others."""
    length = number % 4
    return Trajectory(np.array([number]), np.arange(length), np.arange(length) + number)


@given(st.integers(1, 6), st.lists(st.integers(0, 4), max_size=6))
def test_it_holds_the_latest_in_the_order_in_which_they_came(capacity, sizes):
    buffer, added = ReplayBuffer(capacity), []
    for size in sizes:
        new = [made(len(added) + i) for i in range(size)]
        buffer.add(new)
        added += new
    assert list(buffer.trajectories) == added[-capacity:]
    assert len(buffer) == min(len(added), capacity) and buffer.capacity == capacity


@given(st.integers(1, 6), st.integers(0, 8))
def test_it_survives_as_numbers(capacity, count):
    buffer = ReplayBuffer(capacity, map(made, range(count)))
    again = ReplayBuffer.from_tensors(capacity, buffer.to_tensors())
    assert len(again) == len(buffer)
    for one, other in zip(buffer.trajectories, again.trajectories, strict=True):
        for part in ("prompt", "pressed", "typed"):
            np.testing.assert_array_equal(getattr(one, part), getattr(other, part))


def test_samples_are_uniform_and_the_seed_decides_them(rng):
    buffer, seed = ReplayBuffer(5, map(made, range(8))), int(rng.integers(1000))
    drawn = [int(one.prompt[0]) for one in buffer.sample(5000, np.random.default_rng(seed))]
    assert set(drawn) == {3, 4, 5, 6, 7}
    assert max(abs(np.bincount(drawn)[3:] / 5000 - 0.2)) < 0.05
    assert drawn == [int(one.prompt[0]) for one in buffer.sample(5000, np.random.default_rng(seed))]


def test_bad_input_is_named(rng):
    with pytest.raises(ValueError, match="capacity is 0"):
        ReplayBuffer(0)
    with pytest.raises(ValueError, match="empty; sample from the model first"):
        ReplayBuffer(3).sample(1, rng)
    tensors = ReplayBuffer(3, map(made, range(3))).to_tensors()
    with pytest.raises(ValueError, match=r"lacks 'typed'"):
        ReplayBuffer.from_tensors(3, {name: part for name, part in tensors.items() if name != "typed"})
    with pytest.raises(ValueError, match=r"typed of the replay buffer has 2 numbers; 3 were wanted"):
        ReplayBuffer.from_tensors(3, tensors | {"typed": tensors["typed"][:-1]})
