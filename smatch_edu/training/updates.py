"""One update of SequenceMatch: what it looks at, its loss, and its step.

    demonstrations  ← examples of the task, typed on a keyboard that slips, by an expert who takes slips back
    every k_sample steps: the replay buffer takes in texts that the model types now
    loss = β · cloning + (1 - β) · (-J),    β = 1 while warming up, then falling

Built by hand in notebooks/09_training_sequencematch.ipynb. Source: Cundy & Ermon 2023, Algorithm 1.
"""

from __future__ import annotations

import functools
import importlib.util
import math
import os
import shlex
import shutil
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from smatch_edu.configs.training import BRANCHES, EXAMPLES, REPLAY, SLIPS, TYPING, TrainingConfig
from smatch_edu.network.decoding import Model
from smatch_edu.network.generation import generate
from smatch_edu.tasks import Example, Task
from smatch_edu.text import TextTree, Trajectory, TrajectoryBatch, as_tree, augment_batch
from smatch_edu.training.objectives import log_likelihood, needs_model, training_objective
from smatch_edu.training.policy import Keys, Policy, TextPolicy
from smatch_edu.training.replay import ReplayBuffer

# -- what an update looks at ---------------------------------------------------------------------------------------


class Batcher:
    """The demonstrations of every step, from nothing but the seed and the step."""

    def __init__(self, task: Task, config: TrainingConfig) -> None:
        self.task, self.config, self.examples = task, config, task.split("train")
        mean = np.mean([len(one.prompt) + len(one.answer) for one in self.examples])
        self.size = max(1, round(config.batch_tokens / mean))
        self.order = functools.lru_cache(maxsize=2)(
            lambda turn: config.rng(EXAMPLES, turn).permutation(len(self.examples))
        )

    def chosen(self, step: int) -> list[Example]:
        """Turn after turn through all examples, each in an order of its own; or new ones, if that is wanted."""
        if self.config.fresh:
            return self.task.fresh(self.config.rng(EXAMPLES, step), self.size)
        places = (divmod(place, len(self.examples)) for place in range(step * self.size, (step + 1) * self.size))
        return [self.examples[self.order(turn)[index]] for turn, index in places]

    def demonstrations(self, step: int, policy: Policy) -> TrajectoryBatch:
        """Typed without slips for mle, else on a keyboard that slips."""
        config, keys, chosen = self.config, self.task.vocabulary, self.chosen(step)
        mistakes = None
        if config.typed_noise and config.noise_mode == "ground_truth":
            mistakes = [self.task.mistakes(one) for one in chosen]
        if config.typed_noise and config.noise_mode == "model":
            mistakes = policy.proposals(chosen)
        prompts, answers = zip(*chosen, strict=True)
        return augment_batch(
            prompts,
            answers,
            config.typed_noise,
            keys.backspace,
            keys.eos,
            seed=config.rng(SLIPS, step),
            num_tokens=self.task.num_keys if mistakes is None else None,
            mistakes=mistakes,
        )

    @functools.cached_property
    def shown(self) -> Shown:
        """What the demonstrations may show."""
        return Shown(self.examples, Keys.of(self.task), slipped=self.config.typed_noise > 0)


class Shown:
    """What demonstrations show: every prompt with every beginning of a right answer.

    Args:
        slipped: whether the keyboard slipped on which they were typed.
    """

    def __init__(self, examples: Sequence[Example], keys: Keys, slipped: bool) -> None:
        self.examples, self.keys, self.slipped = examples, keys, slipped

    def off_data(self, typed: TrajectoryBatch, columns: int) -> Bool[np.ndarray, "trajectories {columns}"]:
        """The steps whose action no demonstration takes: all but the next token of the right answer, and, where
        demonstrations slip, `<backspace>` on a token that may have been typed in place of a right one.

        Args:
            columns: what is beyond the end of a trajectory is False.
        """
        keys, (right, whole, continued) = self.keys, self.right
        walks = as_tree(typed, keys.backspace, keys.eos)
        known = np.append(right.locate(walks.tree), -1)  # of each text that is typed, which right one it is
        text = walks.states[typed.trajectory, typed.time]
        here, below = known[text], known[walks.tree.parent[text]]
        goes_on = (here >= 0) & (right.child(here, typed.pressed) >= 0)
        others = continued[below] - (here >= 0)  # right tokens that may have been meant in place of the one on top
        taken_back = (below >= 0) & (others > 0) & self.slipped
        on_path = np.where(typed.pressed == keys.eos, whole[here] & (here >= 0), goes_on)
        on_path = np.where(typed.pressed == keys.backspace, taken_back, on_path)
        return typed.table(~on_path, columns)

    @functools.cached_property
    def right(self) -> tuple[TextTree, Bool[np.ndarray, " texts"], Int[np.ndarray, " texts"]]:
        """The texts; whether each is all of an answer; and how many tokens may follow in an answer."""
        keys, prompts, answers = self.keys, *zip(*self.examples, strict=True)
        clean = augment_batch(prompts, answers, 0.0, keys.backspace, keys.eos, num_tokens=keys.num_keys, seed=0)
        walks = as_tree(clean, keys.backspace, keys.eos)
        whole = np.zeros(len(walks.tree.token), dtype=bool)
        whole[walks.states[np.arange(len(clean)), clean.lengths - 1]] = True
        tree = walks.tree
        typed = tree.start <= tree.depth
        return tree, whole, np.bincount(tree.parent[typed], minlength=len(tree.token))


def loss_of(
    policy: TextPolicy,
    config: TrainingConfig,
    data: TrajectoryBatch,
    sampled: TrajectoryBatch | None,
    step: int,
    shown: Shown,
    slips: np.random.Generator | Int[np.ndarray, "actions leads"] | None = None,
) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
    """β · cloning + (1 - β) · (-J) of one update, and its parts for the log; from the switch on, sums discounted alike.

    Args:
        data: demonstrations.
        sampled: from the replay buffer, held fixed.
        shown: what demonstrations show, for divergences that keep what the model types inside their domain.
        slips: as in `TextPolicy.on`; drawn from the seed and the step if left out.
    """
    beta = config.beta(step)
    switched = config.switched(step)
    if not switched or config.next_value != "expectation":
        slips = None
    elif slips is None:
        slips = config.rng(BRANCHES, step)
    sampled = sampled if switched else None
    both = data if sampled is None else TrajectoryBatch.of(data, sampled)
    off = None
    if sampled is not None and config.divergence != "sampled_mixture":
        found = torch.from_numpy(shown.off_data(sampled, int(both.lengths.max()) + 1))
        off = found.to(policy.absorbing_value.device)
    together = policy.on(both, config.noised_label, slips, pressed_only=True)
    demonstrated = together.rows(0, len(data))
    likelihood = log_likelihood(demonstrated, config.gamma if switched else 1.0)
    parts = {"log_likelihood": likelihood.detach()}
    if not switched:
        return -likelihood, parts
    typed = None if sampled is None else together.rows(len(data), len(both))
    terms = training_objective(
        demonstrated,
        policy.absorbing_value.squeeze(),
        divergence=config.divergence,
        gamma=config.gamma,
        alpha=config.weight_of_entropy,
        model=typed,
        off_data=off,
    )
    parts |= {
        "objective": terms.objective.detach(),
        "value": terms.value.detach(),
        "r2_data": terms.squared_reward_data,
        "r2_model": terms.squared_reward_model,
    }
    return -beta * likelihood - (1 - beta) * terms.objective, parts


# -- the loop ------------------------------------------------------------------------------------------------------


class Run:
    """A training run: what it has reached, one update, and its files."""

    def __init__(self, config: TrainingConfig, task: Task | None = None) -> None:
        if config.device == "cuda" and not torch.cuda.is_available():
            raise ValueError("device is 'cuda', and torch finds none here; 'cpu' is always there")
        if config.compiled:
            _check_compiler(config.device)
        self.config, self.task, self.step = config, task or config.make_task(), 0
        self.policy = Policy(self.task, config).to(config.device)
        if config.compiled:
            self.policy.transformer.blocks.compile()
        self.optimiser = torch.optim.AdamW(
            self.policy.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, betas=(0.9, 0.98)
        )
        self.buffer = ReplayBuffer(config.buffer_size)
        self.batcher = Batcher(self.task, config)
        self.looked_at: TrajectoryBatch | None = None  # by the update that goes on; none while the model types

    @property
    def size(self) -> int:
        """Bytes of a checkpoint, about: weights with two moments each, and the texts in the buffer."""
        weights = sum(part.numel() for part in self.policy.parameters())
        return 12 * weights + 24 * self.config.buffer_size * (self.task.max_length + self.config.max_actions)

    def update(self) -> dict[str, Any]:
        """One update; returns its line of the log.

        Raises:
            FloatingPointError: the loss or its gradient is no number; no weight has changed.
            MemoryError: the device has no room for what was to be done, saying which settings to lower.
        """
        try:
            return self._update()
        except torch.OutOfMemoryError:
            raise MemoryError(self._too_large()) from None

    def _update(self) -> dict[str, Any]:
        config, step = self.config, self.step
        line: dict[str, Any] = {"step": step, "rate": config.rate(step)}
        sampled = None
        if config.switched(step) and needs_model(config.divergence):
            if len(self.buffer) == 0 or (step - config.warmup_steps) % config.sample_every == 0:
                self.looked_at = None
                line |= self.type_texts()
            sampled = TrajectoryBatch.of(*self.buffer.sample(self.batcher.size, config.rng(REPLAY, step)))
        data = self.batcher.demonstrations(step, self.policy)
        self.looked_at = data if sampled is None else TrajectoryBatch.of(data, sampled)
        self.optimiser.zero_grad(set_to_none=True)
        with torch.autocast(config.device, torch.bfloat16, enabled=config.dtype == "bfloat16"):
            loss, parts = loss_of(self.policy, config, data, sampled, step, self.batcher.shown)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.policy.parameters(), 1.0)
        told = torch.stack([part.detach().double() for part in (loss, norm, *parts.values())]).tolist()  # one wait
        if not all(map(math.isfinite, told[:2])):
            first = step * self.batcher.size
            raise FloatingPointError(
                f"the loss is {told[0]} and its gradient has the norm {told[1]} at step {step} (the batch: examples "
                f"{first} to {first + len(data) - 1} of the stream); try a lower learning_rate than "
                f"{config.learning_rate}, a higher alpha than {config.weight_of_entropy}, or a longer warm-up"
            )
        line |= {"loss": told[0], "beta": config.beta(step), **dict(zip(parts, told[2:], strict=True))}
        line["samples"] = len(data) + (0 if sampled is None else len(sampled))
        for group in self.optimiser.param_groups:
            group["lr"] = config.rate(step)
        self.optimiser.step()
        self.step += 1
        return line

    def _too_large(self) -> str:
        """For what the device has no memory left, and what to lower.

        Source: Korthikanti et al. 2022 (34 bytes an input, layer and number of the width, in 16 bits).
        """
        config, told = self.config, f"the {self.config.device} device has no memory left at step {self.step}: "
        if self.looked_at is None:
            return told + f"{config.num_samples} texts are typed at once; lower num_samples or max_actions"
        slips = config.rng(BRANCHES, self.step) if config.next_value == "expectation" else None
        _, laid = self.policy.lay_out(self.looked_at, slips if config.switched(self.step) else None)
        rows, inputs = laid.tokens.shape
        size = rows * inputs * config.num_layers * config.width * (34 if config.dtype == "bfloat16" else 68) / 1e9
        lower = [f"{name} ({getattr(config, name)})" for name in ("batch_tokens", "width", "num_layers")]
        if slips is not None:
            lower.insert(1, f"branches ({config.branches or self.task.num_keys - 1})")
        return (
            f"{told}{len(self.looked_at)} texts are {rows} rows of {inputs} inputs, which keep some {size:.2g} GB for "
            f"the gradient; lower {', '.join(lower[:-1])} or {lower[-1]}"
            + ("" if config.dtype == "bfloat16" else ", or take dtype 'bfloat16'")
        )

    def type_texts(self) -> dict[str, float]:
        """The model types after some of the training prompts; the buffer takes that in."""
        policy, examples = self.policy, self.batcher.examples
        typed, told = type_texts(policy.transformer, policy.keys, examples, self.config, self.step)
        self.buffer.add(typed)
        return told


def type_texts(
    model: Model,
    keys: Keys,
    examples: Sequence[Example],
    config: TrainingConfig,
    step: int,
    part: tuple[int, int] = (0, 1),
    max_length: int | None = None,
) -> tuple[list[Trajectory], dict[str, float]]:
    """What a model types at a step after some of the examples' prompts, and the share of its actions that delete, and
    of its texts that it finishes.

    Args:
        part: only this part of so many, (0..parts-1, parts). The parts together are what one would be.
    """
    rng = config.rng(TYPING, step)
    picked = rng.integers(len(examples), size=config.num_samples).tolist()
    rows = np.array_split(np.arange(config.num_samples), part[1])[part[0]]
    if not len(rows):
        return [], {"backspace_rate": math.nan, "finished": math.nan}
    prompts, first = [examples[picked[row]].prompt for row in rows], int(rng.integers(2**31))
    traces = generate(
        model,
        prompts,
        keys.eos,
        keys.backspace,
        max_actions=config.max_actions,
        temperature=config.temperature,
        noise=config.noise,
        exploration=config.explored(step),
        banned=keys.banned(config.backspace),
        seed=[first + (int(row) << 32) for row in rows],  # what `generate` makes of one seed and a row's number
        max_length=max_length,
    ).traces
    typed = [
        Trajectory(np.asarray(prompt), np.asarray(trace.pressed), np.asarray(trace.actions))
        for prompt, trace in zip(prompts, traces, strict=True)
    ]
    actions = sum(len(trace.actions) for trace in traces)
    deleted = sum(trace.actions.count(keys.backspace) for trace in traces)
    finished = np.mean([trace.ended == "eos" for trace in traces]).item()
    return typed, {"backspace_rate": deleted / actions, "finished": finished}


def _check_compiler(device: str) -> None:
    """ValueError if `torch.compile` lacks what it needs for code of this device."""
    if device == "cuda" and importlib.util.find_spec("triton") is None:
        raise ValueError("compiled needs triton on a GPU, and it is not installed; leave compiled out, or install it")
    known = [*shlex.split(os.environ.get("CXX", ""))[:1], "g++", "clang++"]
    if device == "cpu" and not any(map(shutil.which, known)):
        raise ValueError(
            "compiled needs a C++ compiler on a CPU, and there is none; leave compiled out, or install g++"
        )
