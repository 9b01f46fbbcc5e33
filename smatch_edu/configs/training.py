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
NEXT_VALUES = ("expectation", "reached")
TERMINALS = ("one", "each")
SAMPLED = "sampled_mixture"
EXAMPLES, SLIPS, TYPING, REPLAY, BRANCHES = range(5)  # kinds of chance


@dataclass(frozen=True)
class TrainingConfig:
    """How a model is trained.

    Attributes:
        task: what it learns to write: "arithmetic" or "keyboard".
        family: of the arithmetic task: "in_base" (the paper's; also if left empty), "in_base_10" or "addition".
        letters: of the keyboard task; all 26 if left empty.
        longest_word: of the keyboard task, in letters; 5 if left out.
        fresh: new examples in every update, without end, instead of those of the split "train".
        method: mle (clean texts), bc (behavioural cloning: noise and backspace), or sequencematch (the same, and the
            objective).
        divergence: of sequencematch: "sampled_mixture" (the paper's), or by its φ, without model samples in the loss,
            one of forward_kl, reverse_kl, js, chi2, hellinger, tv, chi2_mixture, skew_kl.
        gamma: discount, in (0, 1).
        alpha: weight of the entropy, > 0; or give
        coefficient: of r², instead of alpha (c = α/4).
        noise: η in [0, 1), how often the learner's keyboard slips, uniformly: the keyboard that she types her own texts
            on, and to which the rewards r = ℓ - γ E[V(s')] belong (see `keyboard`).
        demonstration_noise: how often the demonstrations' keyboard slipped, if that was another one: 0 for clean
            demonstrations. That of mle is 0; that of bc and sequencematch is `noise` if left out.
        noise_mode: where demonstrations' wrong tokens come from: random, ground_truth (the task's plausible mistakes),
            model (what the model itself would write).
        next_value: of which text V enters r: "expectation" over the learner's keyboard, or the one that was "reached"
            (the paper's reading: unbiased where demonstrations were typed on the learner's keyboard, and only there).
        branches: slips of each press that the expectation looks at, drawn anew in every update; all K-1 if left out.
        terminal: "one" absorbing state after `<eos>`, or "each": a state for each finished text, with its own value.
        backspace: whether there is a `<backspace>` key at all.
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
        exploration: the share of its presses that may be any legal key, uniformly, in [0, 1]; it falls along a straight
            line to
        exploration_end: at the last update, if given.
        max_actions: after so many actions a text that it types is cut short.
        learning_rate: the highest.
        schedule: of the learning rate after the first 100 steps of its warm-up: constant, linear or cosine (to 0).
        weight_decay: of AdamW.
        batch_tokens: tokens of the examples in an update, about; where the loss looks at the model's own texts, as
            many of them come on top.
        row_length: inputs of a row of the network's passes, which several texts share; a row is longer where one text
            needs it.
        num_layers, num_heads, width: of the transformer.
        value_head: ℓ = log π + v(s), with a head of its own for v.
        seed: of everything.
        device: "cpu" or "cuda".
        dtype: "float32" or "bfloat16" (of the network's passes; the loss is in float32).
        compiled: whether `torch.compile` makes the network's blocks: faster on a GPU, after a minute of compiling.
        log_every: updates between two lines of the log.
        evaluate_every: updates between two looks at how many of 200 validation questions are answered rightly, which
            the log gets too; 0: never.
        checkpoint_every: updates between two checkpoints.
    """

    task: str = "arithmetic"
    family: str = ""
    letters: str = ""
    longest_word: int = 0
    fresh: bool = False
    method: str = "sequencematch"
    divergence: str = SAMPLED
    gamma: float = 0.95
    alpha: float | None = 0.01
    coefficient: float | None = None
    noise: float = 0.1
    demonstration_noise: float | None = None
    next_value: str = "expectation"
    branches: int | None = None
    terminal: str = "one"
    backspace: bool = True
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
    exploration: float = 0.0
    exploration_end: float | None = None
    max_actions: int = 64
    learning_rate: float = 1e-3
    schedule: str = "linear"
    weight_decay: float = 0.01
    batch_tokens: int = 1024
    row_length: int = 64
    num_layers: int = 4
    num_heads: int = 4
    width: int = 64
    value_head: bool = False
    seed: int = 0
    device: str = "cpu"
    dtype: str = "float32"
    compiled: bool = False
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
            "next_value": NEXT_VALUES,
            "terminal": TERMINALS,
            "device": ("cpu", "cuda"),
            "dtype": ("float32", "bfloat16"),
        }
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise nearest(getattr(self, name), known, name)
        ranges: dict[str, tuple[Callable[[Any], bool], str]] = {
            "gamma": (lambda x: 0 < x < 1, "in (0, 1)"),
            "noise": (lambda x: 0 <= x < 1, "in [0, 1)"),
            "demonstration_noise": (lambda x: x is None or 0 <= x < 1, "in [0, 1)"),
            "exploration": (lambda x: 0 <= x <= 1, "in [0, 1]"),
            "exploration_end": (lambda x: x is None or 0 <= x <= 1, "in [0, 1]"),
            "branches": (lambda x: x is None or x >= 1, "at least 1"),
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
            "row_length",
            "log_every",
        ):
            ranges[name] = (lambda x: x >= 1, "at least 1")
        for name in ("warmup_steps", "beta_steps", "evaluate_every", "longest_word"):
            ranges[name] = (lambda x: x >= 0, "at least 0")
        ranges["checkpoint_every"] = ranges["num_layers"] = ranges["log_every"]
        for name, (holds, wanted) in ranges.items():
            if not holds(getattr(self, name)):
                raise ValueError(f"{name} is {getattr(self, name)}; it must be {wanted}")
        if (self.alpha is None) == (self.coefficient is None):
            raise ValueError(f"alpha is {self.alpha} and coefficient is {self.coefficient}; give exactly one of them")
        if not (self.weight_of_entropy > 0 and math.isfinite(self.weight_of_entropy)):
            raise ValueError(f"alpha is {self.weight_of_entropy}; it must be positive")
        self._check_together()

    def _check_together(self) -> None:
        """Refuse settings that contradict each other."""
        for wrong, why in (
            (
                self.method == "mle" and self.demonstration_noise,
                f"demonstration_noise is {self.demonstration_noise}, and mle learns from clean texts; bc takes slips",
            ),
            (
                not self.backspace and self.typed_noise,
                f"demonstrations slip with {self.typed_noise}, and without backspace no slip can be taken back; give "
                "demonstration_noise 0, or a backspace key",
            ),
            (
                self.branches is not None and (self.next_value == "reached" or not self.noise),
                f"branches is {self.branches}, with next_value {self.next_value!r} and noise {self.noise}: there is "
                "nothing to average over; leave it out",
            ),
            (
                self.method != "sequencematch" and (self.exploration or self.exploration_end),
                f"exploration is {self.exploration}, and {self.method} never types texts of its own; leave it out",
            ),
            (
                self.task != "arithmetic" and self.family,
                f"family is {self.family!r}, and the task {self.task!r} has none; leave it out",
            ),
            (
                self.task != "keyboard" and (self.letters or self.longest_word),
                f"letters and longest_word are of the task 'keyboard'; the task is {self.task!r}",
            ),
        ):
            if wrong:
                raise ValueError(why)

    def make_task(self) -> Task:
        """The task itself. ValueError if there is none of that name."""
        from smatch_edu.tasks import get_task

        given = {name: getattr(self, name) for name in ("family", "letters", "longest_word") if getattr(self, name)}
        return get_task(self.task, **given)

    @property
    def typed_noise(self) -> float:
        """How often the keyboard slipped on which the demonstrations were typed."""
        if self.method == "mle":
            return 0.0
        return self.noise if self.demonstration_noise is None else self.demonstration_noise

    @property
    def weight_of_entropy(self) -> float:
        """α, given or 4 · coefficient."""
        return 4 * self.coefficient if self.coefficient is not None else float(self.alpha or 0)

    def beta(self, step: int) -> float:
        """The weight of cloning in the loss of a step."""
        if not self.switched(step):
            return 1.0
        fallen = min(1.0, (step - self.warmup_steps + 1) / max(self.beta_steps, 1))
        return 1 + fallen * (self.beta_end - 1)

    def switched(self, step: int) -> bool:
        """Whether the objective is in the loss of a step: SequenceMatch, once warmed up."""
        return self.method == "sequencematch" and step >= self.warmup_steps

    def explored(self, step: int) -> float:
        """The share of presses in the model's own typing at a step that may be any legal key."""
        if self.exploration_end is None:
            return self.exploration
        return self.exploration + step / self.steps * (self.exploration_end - self.exploration)

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
