"""Replay: the model's latest trajectories, the oldest of which make room for new ones.

Source: Cundy & Ermon 2023, Algorithm 1 (replay buffer); Al-Hafez et al. 2023 (LS-IQ).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from smatch_edu.text.trajectories import Trajectory

PARTS = ("prompt", "pressed", "typed")


class ReplayBuffer:
    """A bounded first-in-first-out buffer of trajectories.

    Args:
        capacity: how many it holds, at least 1.
        trajectories: to begin with; of more than `capacity` the last ones are kept.
    """

    def __init__(self, capacity: int, trajectories: Iterable[Trajectory] = ()) -> None:
        if capacity < 1:
            raise ValueError(f"capacity is {capacity}; it must be at least 1")
        self._held: deque[Trajectory] = deque(trajectories, maxlen=capacity)

    def __len__(self) -> int:
        return len(self._held)

    @property
    def capacity(self) -> int:
        """How many it can hold."""
        return self._held.maxlen or 0

    @property
    def trajectories(self) -> Sequence[Trajectory]:
        """All of them, the oldest first."""
        return tuple(self._held)

    def add(self, trajectories: Iterable[Trajectory]) -> None:
        """Take these in; the oldest leave."""
        self._held.extend(trajectories)

    def sample(self, count: int, rng: np.random.Generator) -> list[Trajectory]:
        """So many of them, uniformly and with replacement. ValueError if there is none."""
        if not self._held:
            raise ValueError("the replay buffer is empty; sample from the model first")
        return [self._held[i] for i in rng.integers(len(self._held), size=count).tolist()]

    # -- its file --------------------------------------------------------------------------------------------------

    def to_tensors(self) -> dict[str, Tensor]:
        """Everything in six rows of numbers, as they go into a checkpoint."""
        found = {}
        for part in PARTS:
            rows = [getattr(trajectory, part) for trajectory in self._held]
            found[f"{part}_lengths"] = torch.tensor([len(row) for row in rows], dtype=torch.long)
            found[part] = torch.from_numpy(np.concatenate([*rows, np.zeros(0, dtype=np.int64)]))
        return found

    @classmethod
    def from_tensors(cls, capacity: int, tensors: dict[str, Tensor]) -> ReplayBuffer:
        """What `to_tensors` made. ValueError if parts are missing or do not fit."""
        missing = [name for part in PARTS for name in (part, f"{part}_lengths") if name not in tensors]
        if missing:
            raise ValueError(f"the replay buffer lacks {missing[0]!r}")
        rows = {}
        for part in PARTS:
            lengths, numbers = tensors[f"{part}_lengths"].tolist(), tensors[part].numpy()
            if sum(lengths) != len(numbers):
                raise ValueError(f"{part} of the replay buffer has {len(numbers)} numbers; {sum(lengths)} were wanted")
            rows[part] = np.split(numbers, np.cumsum(lengths)[:-1]) if lengths else []
        return cls(capacity, map(Trajectory, *(rows[part] for part in PARTS)))
