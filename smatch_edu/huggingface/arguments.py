"""What a finetuning can be told: `transformers.TrainingArguments`, and what SequenceMatch needs besides.

What they call warm-up is that of the learning rate (`warmup_steps`); the updates by cloning alone are `cloning_steps`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from transformers import TrainingArguments

from smatch_edu.configs.training import SAMPLED, TrainingConfig
from smatch_edu.support.errors import nearest

KEYBOARDS = ("all", "answers")
# Settings of theirs that would change the loss, or need columns that our data have not, and what is taken alone.
REFUSED = {
    "label_smoothing_factor": (0.0,),
    "neftune_noise_alpha": (None,),
    "torch_compile": (False,),
    "train_sampling_strategy": ("random", "sequential"),
}
# Settings that mean the same here and in `TrainingConfig`, under the same names.
SHARED = (
    "method",
    "divergence",
    "gamma",
    "alpha",
    "noise",
    "demonstration_noise",
    "noise_mode",
    "noised_label",
    "next_value",
    "terminal",
    "backspace",
    "value_head",
    "beta_end",
    "sample_every",
    "num_samples",
    "buffer_size",
    "temperature",
    "exploration",
    "exploration_end",
    "row_length",
    "seed",
)


@dataclass
class SequenceMatchConfig(TrainingArguments):
    """`TrainingArguments`, with these besides. Those without a word here mean what they mean in `TrainingConfig`.

    Attributes:
        method: mle, bc or sequencematch.
        noise: η of the learner's keyboard: how often a press types another token, uniformly.
        demonstration_noise: η of the keyboard on which the demonstrations were typed; `noise` if left out (0 for mle).
        noise_mode: where their wrong tokens come from: random, or model (what the model itself would write).
        branches: slips of each press over which V of the next text is averaged, drawn anew in every update. A
            vocabulary has too many to look at all, so it is 1 if left out.
        keyboard: the tokens that can be typed: "all" of the vocabulary but special ones, or those of the "answers" in
            the training data, where an answer is a number, say.
        cloning_steps: updates by cloning alone, before the objective is in the loss; below 1 a share of all updates.
        beta_steps: updates after those in which β falls to `beta_end`; below 1 a share of all.
        max_actions: after so many keys a text that the model types is cut short; four for each token of the longest
            answer and its end, if left out.
        max_length: of a text, prompt included, in tokens; one more than the longest row of the data if left out.
        data_name: of the training data, for the model card.
        eval_answers: so many prompts of the evaluation data are answered at each evaluation; 0 for none.

    Raises:
        ValueError: a setting out of its range, or two that contradict each other.
    """

    method: str = "sequencematch"
    divergence: str = SAMPLED
    gamma: float = 0.998
    alpha: float = 0.01
    noise: float = 0.001
    demonstration_noise: float | None = None
    noise_mode: str = "random"
    noised_label: str = "kept"
    next_value: str = "expectation"
    branches: int | None = None
    terminal: str = "one"
    backspace: bool = True
    value_head: bool = False
    keyboard: str = "all"
    cloning_steps: float = 0.5
    beta_end: float = 0.5
    beta_steps: float = 0.25
    sample_every: int = 10
    num_samples: int = 64
    buffer_size: int = 512
    temperature: float = 1.0
    exploration: float = 0.0
    exploration_end: float | None = None
    max_actions: int | None = None
    max_length: int | None = None
    row_length: int = 64
    data_name: str = ""
    eval_answers: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.remove_unused_columns = False  # our data have no columns of the model
        for name, taken in REFUSED.items():
            if getattr(self, name) not in taken:
                raise ValueError(f"{name} is {getattr(self, name)!r}, which this trainer does not take; leave it out")
        if self.noise_mode == "ground_truth":
            raise ValueError("noise_mode is 'ground_truth', and data name no plausible mistakes; random and model can")
        if self.keyboard not in KEYBOARDS:
            raise nearest(self.keyboard, KEYBOARDS, "keyboard")
        for name in ("cloning_steps", "beta_steps", "eval_answers"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 0")
        if self.max_length is not None and self.max_length < 2:
            raise ValueError(f"max_length is {self.max_length}; a prompt and an answer need at least 2")
        self.training_config(1)

    def training_config(self, steps: int, max_actions: int = 128) -> TrainingConfig:
        """The same for the library, in a run of so many updates; with so many actions if they were left out."""
        given: dict[str, Any] = {name: getattr(self, name) for name in SHARED}
        averaged = self.next_value == "expectation" and self.noise > 0
        return TrainingConfig(
            **given,
            max_actions=max_actions if self.max_actions is None else self.max_actions,
            branches=self.branches if self.branches or not averaged else 1,
            steps=max(1, steps),
            warmup_steps=_of(self.cloning_steps, steps),
            beta_steps=_of(self.beta_steps, steps),
        )


def _of(number: float, steps: int) -> int:
    """So many updates, or that share of all."""
    return round(number * steps) if number < 1 else int(number)
