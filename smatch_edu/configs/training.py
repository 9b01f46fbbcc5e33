"""Everything that a training run can be told, with ranges that are checked, and what follows from it for each step.

All chance of a run comes from (seed, kind, step), so there is no generator whose state could be lost.

Source: Cundy & Ermon 2023, Algorithm 1; what they do not report is this project's choice.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from smatch_edu.support.errors import check_seed, nearest

if TYPE_CHECKING:
    from smatch_edu.tasks import Task

METHODS = ("mle", "bc", "sequencematch")
NOISE_MODES = ("random", "ground_truth", "model")
LABELS = ("kept", "masked")
SCHEDULES = ("constant", "linear", "cosine")
SAMPLED = "sampled_mixture"
EXAMPLES, SLIPS, TYPING, REPLAY = range(4)  # kinds of chance


@dataclass(frozen=True)
class TrainingConfig:
    """How a model is trained.

    Attributes:
        task: what it learns to write: "arithmetic" or "keyboard".
        family: of the arithmetic task: "in_base" (the paper's; also if left empty), "in_base_10" or "addition".
        fresh: new examples in every update, without end, instead of those of the split "train".
        method: mle (clean texts), bc (behavioural cloning: noise and backspace), or sequencematch (the same, and the
            objective).
        divergence: of sequencematch: "sampled_mixture" (the paper's), or by its φ, without model samples in the loss,
            one of forward_kl, reverse_kl, js, chi2, hellinger, tv, chi2_mixture, skew_kl.
        gamma: discount, in (0, 1).
        alpha: weight of the entropy, > 0; or give
        coefficient: of r², instead of alpha (c = α/4).
        noise: η in [0, 1), how often a demonstration's keyboard slips (bc, sequencematch).
        noise_mode: where wrong tokens come from: random, ground_truth (the task's plausible mistakes), model (what the
            model itself would write).
        noised_label: "kept": the label of a slip is what was meant; "masked": the slip is left out of the loss.
        init: folder of a run whose transformer this one begins with; random weights if left empty.
        steps: updates.
        warmup_steps: k, the first updates, by cloning alone.
        beta_end: weight of cloning at the end.
        beta_steps: updates after the warm-up in which β falls to beta_end.
        sample_every: k_sample, updates between two rounds of typing by the model.
        num_samples: texts that it types in a round.
        buffer_size: texts in the replay buffer.
        temperature: of that typing.
        typing_noise: how often the keyboard slips in that typing, in [0, 1).
        max_actions: after so many actions a text that it types is cut short.
        learning_rate: the highest.
        schedule: of the learning rate after the first 100 steps of its warm-up: constant, linear or cosine (to 0).
        weight_decay: of AdamW.
        batch_tokens: tokens of the examples in an update, about; where the loss looks at the model's own texts, as
            many of them come on top.
        num_layers, num_heads, width: of the transformer.
        value_head: ℓ = log π + v(s), with a head of its own for v.
        seed: of everything.
        device: "cpu" or "cuda".
        dtype: "float32" or "bfloat16" (of the network's passes; the loss is in float32).
        log_every: updates between two lines of the log.
        evaluate_every: updates between two looks at how many of 200 validation questions are answered rightly, which
            the log gets too; 0: never.
        checkpoint_every: updates between two checkpoints.
    """

    task: str = "arithmetic"
    family: str = ""
    fresh: bool = False
    method: str = "sequencematch"
    divergence: str = SAMPLED
    gamma: float = 0.95
    alpha: float | None = 0.01
    coefficient: float | None = None
    noise: float = 0.1
    noise_mode: str = "random"
    noised_label: str = "kept"
    init: str = ""
    steps: int = 1000
    warmup_steps: int = 500
    beta_end: float = 0.5
    beta_steps: int = 250
    sample_every: int = 10
    num_samples: int = 64
    buffer_size: int = 512
    temperature: float = 1.0
    typing_noise: float = 0.0
    max_actions: int = 64
    learning_rate: float = 1e-3
    schedule: str = "linear"
    weight_decay: float = 0.01
    batch_tokens: int = 1024
    num_layers: int = 4
    num_heads: int = 4
    width: int = 64
    value_head: bool = False
    seed: int = 0
    device: str = "cpu"
    dtype: str = "float32"
    log_every: int = 10
    evaluate_every: int = 0
    checkpoint_every: int = 100

    def __post_init__(self) -> None:
        check_seed(self.seed)
        choices: dict[str, tuple[str, ...]] = {
            "method": METHODS,
            "divergence": (SAMPLED,) if self.divergence == SAMPLED else _divergences(),
            "noise_mode": NOISE_MODES,
            "noised_label": LABELS,
            "schedule": SCHEDULES,
            "device": ("cpu", "cuda"),
            "dtype": ("float32", "bfloat16"),
        }
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise nearest(getattr(self, name), known, name)
        ranges: dict[str, tuple[Callable[[Any], bool], str]] = {
            "gamma": (lambda x: 0 < x < 1, "in (0, 1)"),
            "noise": (lambda x: 0 <= x < 1, "in [0, 1)"),
            "typing_noise": (lambda x: 0 <= x < 1, "in [0, 1)"),
            "beta_end": (lambda x: 0 <= x <= 1, "in [0, 1]"),
            "learning_rate": (lambda x: 0 < x < math.inf, "positive"),
            "temperature": (lambda x: 0 < x < math.inf, "positive"),
            "weight_decay": (lambda x: 0 <= x < math.inf, "at least 0"),
        }
        for name in (
            "steps",
            "sample_every",
            "num_samples",
            "buffer_size",
            "batch_tokens",
            "max_actions",
            "log_every",
        ):
            ranges[name] = (lambda x: x >= 1, "at least 1")
        for name in ("warmup_steps", "beta_steps", "evaluate_every"):
            ranges[name] = (lambda x: x >= 0, "at least 0")
        ranges["checkpoint_every"] = ranges["num_layers"] = ranges["log_every"]
        for name, (holds, wanted) in ranges.items():
            if not holds(getattr(self, name)):
                raise ValueError(f"{name} is {getattr(self, name)}; it must be {wanted}")
        if (self.alpha is None) == (self.coefficient is None):
            raise ValueError(f"alpha is {self.alpha} and coefficient is {self.coefficient}; give exactly one of them")
        if not (self.weight_of_entropy > 0 and math.isfinite(self.weight_of_entropy)):
            raise ValueError(f"alpha is {self.weight_of_entropy}; it must be positive")

    def make_task(self) -> Task:
        """The task itself. ValueError if there is none of that name."""
        from smatch_edu.tasks import get_task

        return get_task(self.task, **({"family": self.family} if self.family else {}))

    @property
    def weight_of_entropy(self) -> float:
        """α, given or 4 · coefficient."""
        return 4 * self.coefficient if self.coefficient is not None else float(self.alpha or 0)

    def beta(self, step: int) -> float:
        """The weight of cloning in the loss of a step."""
        if self.method != "sequencematch" or step < self.warmup_steps:
            return 1.0
        fallen = min(1.0, (step - self.warmup_steps + 1) / max(self.beta_steps, 1))
        return 1 + fallen * (self.beta_end - 1)

    def needs_samples(self, step: int) -> bool:
        """Whether an update looks at what the model types."""
        if self.method != "sequencematch" or step < self.warmup_steps:
            return False
        if self.divergence == SAMPLED:
            return True
        from smatch_edu.exact.divergences import get_divergence

        return math.isfinite(get_divergence(self.divergence).domain)

    def rate(self, step: int) -> float:
        """The learning rate of a step."""
        left = 1 - step / self.steps
        falls = {"constant": 1.0, "linear": left, "cosine": (1 - math.cos(math.pi * left)) / 2}[self.schedule]
        return self.learning_rate * min(1, (step + 1) / min(100, max(self.steps // 10, 1))) * falls

    def rng(self, kind: int, step: int) -> np.random.Generator:
        """The chances of one kind in one step."""
        return np.random.default_rng([self.seed, kind, step])


def _divergences() -> tuple[str, ...]:
    from smatch_edu.exact.divergences import DIVERGENCES

    return (SAMPLED, *DIVERGENCES)
