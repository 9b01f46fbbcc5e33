"""How an action is chosen from logits.

Source: Holtzman et al. 2020 (top-p); Fan et al. 2018 (top-k).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real

import torch
import torch.nn.functional as F
from torch import Tensor

from smatch_edu.support.arrays import is_whole


@dataclass(frozen=True)
class Sampling:
    """How an action is chosen from logits.

    Attributes:
        temperature: > 0.
        top_k: only the k likeliest, if given. For contrastive search the number of candidates, 4 if left out.
        top_p: only the fewest of the likeliest that together have this probability, in (0, 1].
        greedy: always the likeliest.
        noise: η in [0, 1), the chance that the keyboard types another token than the one pressed.
        contrastive: contrastive search with this weight on repetition, in [0, 1]; see `_search`.
        exploration: ε in [0, 1], the share of presses that may be any legal key, uniformly.

    Of equally likely actions those with the lowest ids come first: so greedy takes one, and top_k exactly k.

    Raises:
        ValueError: a number out of range, or contrastive search together with `greedy` or `top_p`.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float = 1.0
    greedy: bool = False
    noise: float = 0.0
    contrastive: float | None = None
    exploration: float = 0.0

    def __post_init__(self) -> None:
        for name, low, high, wanted in (
            ("temperature", 1e-30, 1e30, "positive, 1e-30 to 1e30 (greedy=True takes the likeliest)"),
            ("top_p", 5e-324, 1.0, "in (0, 1]"),  # the smallest number above 0
            ("noise", 0.0, math.nextafter(1, 0), "in [0, 1)"),
            ("contrastive", 0.0, 1.0, "in [0, 1]"),
            ("exploration", 0.0, 1.0, "in [0, 1]"),
        ):
            value = getattr(self, name)
            if name == "contrastive" and value is None:
                continue
            if not isinstance(value, Real) or isinstance(value, bool) or not low <= float(value) <= high:
                raise ValueError(f"{name} is {value!r}; it must be {wanted}")
            object.__setattr__(self, name, float(value))
        if self.top_k is not None and not is_whole(self.top_k, 1):
            raise ValueError(f"top_k is {self.top_k!r}; it must be a whole number, at least 1")
        object.__setattr__(self, "top_k", self.top_k and int(self.top_k))
        if self.contrastive is not None and (self.greedy or self.top_p < 1):
            raise ValueError("contrastive search takes top_k and temperature, but neither greedy nor top_p")
        if self.exploration and (self.greedy or self.contrastive is not None):
            raise ValueError("exploration needs chance; greedy and contrastive choose without")

    def log_probabilities(self, logits: Tensor) -> Tensor:
        """(rows, actions) → the log of the distribution that is chosen from; -∞ for what is left out."""
        logits = logits.float()
        legal = ~logits.isneginf() if self.exploration else None
        if self.temperature != 1:
            logits = (logits - logits.amax(dim=1, keepdim=True)) / self.temperature
        if self.top_k is not None and self.top_k < logits.shape[1] and self.contrastive is None:
            logits = logits.masked_fill(~likeliest(logits, self.top_k), -math.inf)
        if self.top_p < 1:
            ordered, order = logits.sort(dim=1, descending=True, stable=True)
            reached = ordered.softmax(dim=1).cumsum(dim=1, dtype=torch.float64)
            before = F.pad(reached[:, :-1], (1, 0))  # 0 for the likeliest, which stays however small top_p is
            dropped = torch.zeros_like(before, dtype=torch.bool).scatter(1, order, before >= self.top_p)
            logits = logits.masked_fill(dropped, -math.inf)
        if legal is None:
            return F.log_softmax(logits, dim=1)
        uniform = legal / legal.sum(dim=1, keepdim=True)
        return torch.log((1 - self.exploration) * logits.softmax(dim=1) + self.exploration * uniform)


def likeliest(scores: Tensor, k: int) -> Tensor:
    """(rows, actions) → where the k largest of each row stand; of equal ones the first, so that there are k."""
    least = scores.topk(k, dim=1).values[:, -1:]
    kept = scores >= least
    if scores.device.type == "cpu" and int(kept.sum()) == k * len(scores):
        return kept  # nearly always, and cheap to see on a CPU
    larger, equal = scores > least, scores == least
    return larger | (equal & (equal.cumsum(dim=1) <= k - larger.sum(dim=1, keepdim=True)))
