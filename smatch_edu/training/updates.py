"""One update of SequenceMatch: what it looks at, its loss, and its step.

    demonstrations  ← examples of the task, typed on a keyboard that slips, by an expert who takes slips back
    every k_sample steps: the replay buffer takes in texts that the model types now
    loss = β · cloning + (1 - β) · (-J),    β = 1 while warming up, then falling

Built by hand in notebooks/09_training_sequencematch.ipynb. Source: Cundy & Ermon 2023, Algorithm 1.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from smatch_edu.configs.training import EXAMPLES, REPLAY, SLIPS, TYPING, TrainingConfig
from smatch_edu.exact.divergences import get_divergence
from smatch_edu.network.generation import generate
from smatch_edu.network.transformer import Transformer, TransformerConfig, attention
from smatch_edu.tasks import Example, Task
from smatch_edu.text.trajectories import ABSORBING, PackedBatch, Trajectory, augment, pack_batch
from smatch_edu.training.objectives import (
    MARGIN,
    PENALTY,
    Trajectories,
    domain_penalty,
    log_likelihood,
    sequencematch_terms,
)
from smatch_edu.training.replay import ReplayBuffer


class Policy(nn.Module):
    """A transformer, V of the absorbing state, and perhaps a head of its own for V of all others.

    Args:
        task: what is typed; the transformer has an output for each token, `<eos>` and `<backspace>`.
    """

    def __init__(self, task: Task, config: TrainingConfig) -> None:
        super().__init__()
        self.task = task
        shape = (len(task.vocabulary) + 2, config.num_layers, config.num_heads, config.width, task.max_length)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.transformer = Transformer(TransformerConfig(*shape))
            self.value_head = nn.Linear(config.width, 1) if config.value_head else None
        self.absorbing_value = nn.Parameter(torch.zeros(()))

    def on(self, walked: Sequence[Trajectory], noised_label: str = "kept") -> Trajectories:
        """These trajectories with the logits at every text of them, from one parallel pass, ready for `objectives`.

        A step's action is the pressed one; the state after it is the one really reached.
        """
        keys, network = self.task.vocabulary, self.transformer
        packed = pack_batch(walked, keys.backspace, keys.eos)
        states = packed.states()
        pressed, weights = torch.zeros(2, *states.shape)
        for row, one in enumerate(walked):
            pressed[row, : len(one.pressed)] = torch.from_numpy(one.pressed)
            weights[row, : len(one.pressed)] = torch.from_numpy(~one.slipped) if noised_label == "masked" else 1.0
        depth = packed.positions[packed.row[:, None], states] + 1
        legal = self.legal(depth)
        device = network.embedding.weight.device
        packed = PackedBatch(*(part.to(device) for part in packed))
        states, pressed, weights, legal = (part.to(device) for part in (states, pressed.long(), weights, legal))

        hidden = network.hidden(packed.tokens, packed.positions, attention(packed.expires, packed.tokens.shape))
        hidden = hidden[packed.row[:, None], states]
        logits = network.logits(hidden).float()
        if not logits.isfinite().all():
            raise FloatingPointError("the model's logits are not all finite")
        if self.value_head is not None:
            log_policy = torch.log_softmax(logits.masked_fill(~legal, -math.inf), dim=2)
            logits = torch.where(legal, log_policy + self.value_head(hidden).float(), 0.0)
        return Trajectories(logits, pressed, packed.lengths, packed.final_state == ABSORBING, legal, weights=weights)

    def legal(self, depth: Int[Tensor, "trajectories time"]) -> Bool[Tensor, "trajectories time actions"]:
        """Tokens while there is room, `<backspace>` where something of one's own stands, `<eos>` always.

        Args:
            depth: length of the text, prompt included; that of the prompt alone in the first column.
        """
        keys = self.task.vocabulary
        legal = torch.ones(*depth.shape, len(keys) + 2, dtype=torch.bool)
        legal[..., : len(keys)] = (depth < self.task.max_length)[:, :, None]
        legal[..., keys.backspace] = depth > depth[:, :1]
        return legal

    @torch.no_grad()
    def proposals(self, examples: Sequence[Example]) -> list[Float[np.ndarray, "time tokens"]]:
        """What the model itself would write at each place of the answers: its probabilities of tokens."""
        keys = self.task.vocabulary
        clean = [augment(*example, 0.0, keys.backspace, keys.eos, num_tokens=len(keys), seed=0) for example in examples]
        tokens = torch.softmax(self.on(clean).logits[..., : len(keys)], dim=2).double().cpu().numpy()
        return [rows[: len(one.answer)] for rows, one in zip(tokens, examples, strict=True)]


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

    def demonstrations(self, step: int, policy: Policy) -> list[Trajectory]:
        """Typed without slips for mle, else on a keyboard that slips."""
        config, keys, chosen = self.config, self.task.vocabulary, self.chosen(step)
        noise = 0.0 if config.method == "mle" else config.noise
        mistakes: Sequence[Any] = [None] * len(chosen)
        if noise and config.noise_mode == "ground_truth":
            mistakes = [self.task.mistakes(one) for one in chosen]
        if noise and config.noise_mode == "model":
            mistakes = policy.proposals(chosen)
        rng = config.rng(SLIPS, step)
        return [
            augment(
                *one,
                noise,
                keys.backspace,
                keys.eos,
                seed=rng,
                num_tokens=len(keys) if wrong is None else None,
                mistakes=wrong,
            )
            for one, wrong in zip(chosen, mistakes, strict=True)
        ]

    def off_data(self, typed: Sequence[Trajectory], time: int) -> Bool[Tensor, "trajectories {time}"]:
        """The steps whose action no demonstration takes: all but the next token of the right answer, and, on a keyboard
        that slips, `<backspace>` on a single wrong one.

        Args:
            time: columns; what is beyond the end of a trajectory is False.
        """
        keys = self.task.vocabulary
        off = torch.zeros(len(typed), time, dtype=torch.bool)
        for row, one in enumerate(typed):
            text = one.prompt.tolist()
            for step, (pressed, happened) in enumerate(zip(one.pressed.tolist(), one.typed.tolist(), strict=True)):
                if pressed == keys.backspace:
                    on_path = tuple(text) not in self.right and tuple(text[:-1]) in self.right
                else:
                    on_path = (*text, pressed) in self.right
                off[row, step] = not on_path
                if happened == keys.backspace:
                    text.pop()
                else:
                    text.append(happened)
        return off

    @functools.cached_property
    def right(self) -> frozenset[tuple[int, ...]]:
        """Every prompt with every beginning of a right answer, and with all of it and `<eos>`."""
        whole = [(len(one.prompt), (*one.prompt, *one.answer, self.task.vocabulary.eos)) for one in self.examples]
        return frozenset(text[:end] for start, text in whole for end in range(start, len(text) + 1))


def loss_of(
    policy: Policy, batcher: Batcher, data: list[Trajectory], sampled: list[Trajectory], step: int
) -> tuple[Float[Tensor, ""], dict[str, float]]:
    """β · cloning + (1 - β) · (-J) of one update, and its parts for the log; from the switch on, sums discounted alike.

    Args:
        data: demonstrations.
        sampled: from the replay buffer, held fixed.
    """
    config = batcher.config
    beta = config.beta(step)
    switched = config.method == "sequencematch" and step >= config.warmup_steps
    together = policy.on([*data, *(sampled if switched else [])], config.noised_label)
    demonstrated = together.rows(0, len(data))
    likelihood = log_likelihood(demonstrated, config.gamma if switched else 1.0)
    parts = {"beta": beta, "log_likelihood": likelihood.item()}
    if not switched:
        return -likelihood, parts
    typed = together.rows(len(data), len(data) + len(sampled)) if sampled else None
    options: dict[str, Any] = {"gamma": config.gamma, "alpha": config.weight_of_entropy}
    chosen = None if config.divergence == "sampled_mixture" else get_divergence(config.divergence)
    divergence: Any = "sampled_mixture" if chosen is None else chosen.continued(MARGIN)
    terms = sequencematch_terms(demonstrated, policy.absorbing_value, divergence=divergence, model=typed, **options)
    objective = terms.objective
    if chosen is not None and typed is not None:
        off = batcher.off_data(sampled, typed.logits.shape[1]).to(typed.logits.device)
        objective = objective - PENALTY * domain_penalty(
            typed, off, policy.absorbing_value, divergence=chosen, **options
        )
    parts |= {
        "objective": objective.item(),
        "value": terms.value.item(),
        "r2_data": terms.squared_reward_data,
        "r2_model": terms.squared_reward_model,
    }
    return -beta * likelihood - (1 - beta) * objective, parts


# -- the loop ------------------------------------------------------------------------------------------------------


class Run:
    """A training run: what it has reached, one update, and its files."""

    def __init__(self, config: TrainingConfig, task: Task | None = None) -> None:
        if config.device == "cuda" and not torch.cuda.is_available():
            raise ValueError("device is 'cuda', and torch finds none here; 'cpu' is always there")
        self.config, self.task, self.step = config, task or config.make_task(), 0
        self.policy = Policy(self.task, config).to(config.device)
        self.optimiser = torch.optim.AdamW(
            self.policy.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, betas=(0.9, 0.98)
        )
        self.buffer = ReplayBuffer(config.buffer_size)
        self.batcher = Batcher(self.task, config)

    @property
    def size(self) -> int:
        """Bytes of a checkpoint, about: weights with two moments each, and the texts in the buffer."""
        weights = sum(part.numel() for part in self.policy.parameters())
        return 12 * weights + 24 * self.config.buffer_size * (self.task.max_length + self.config.max_actions)

    def update(self) -> dict[str, Any]:
        """One update; returns its line of the log. FloatingPointError, before a weight has changed, if the loss or its
        gradient is no number."""
        config, step = self.config, self.step
        line: dict[str, Any] = {"step": step, "rate": config.rate(step)}
        sampled: list[Trajectory] = []
        if config.needs_samples(step):
            if len(self.buffer) == 0 or (step - config.warmup_steps) % config.sample_every == 0:
                line |= self.type_texts()
            sampled = self.buffer.sample(self.batcher.size, config.rng(REPLAY, step))
        data = self.batcher.demonstrations(step, self.policy)
        self.optimiser.zero_grad(set_to_none=True)
        try:
            with torch.autocast(config.device, torch.bfloat16, enabled=config.dtype == "bfloat16"):
                loss, parts = loss_of(self.policy, self.batcher, data, sampled, step)
            loss.backward()
            norm = nn.utils.clip_grad_norm_(self.policy.parameters(), 1.0)
            if not (loss.isfinite() and norm.isfinite()):
                raise FloatingPointError(f"the loss is {loss.item()} and its gradient has the norm {norm.item()}")
        except FloatingPointError as error:
            first = step * self.batcher.size
            raise FloatingPointError(
                f"{error} at step {step} (the batch: examples {first} to {first + len(data) - 1} of the stream); try a "
                f"lower learning_rate than {config.learning_rate}, a higher alpha than {config.weight_of_entropy}, or "
                "a longer warm-up"
            ) from None
        line |= {"loss": loss.item(), **parts, "samples": len(data) + len(sampled)}
        for group in self.optimiser.param_groups:
            group["lr"] = config.rate(step)
        self.optimiser.step()
        self.step += 1
        return line

    def type_texts(self) -> dict[str, float]:
        """The model types after some of the training prompts; the buffer takes that in."""
        config, task = self.config, self.task
        rng = config.rng(TYPING, self.step)
        picked = rng.integers(len(self.batcher.examples), size=config.num_samples).tolist()
        prompts = [self.batcher.examples[i].prompt for i in picked]
        traces = generate(
            self.policy.transformer,
            prompts,
            task.vocabulary.eos,
            task.vocabulary.backspace,
            max_actions=config.max_actions,
            temperature=config.temperature,
            noise=config.typing_noise,
            seed=int(rng.integers(2**31)),
        ).traces
        self.buffer.add(
            Trajectory(np.asarray(prompt), np.asarray(trace.pressed), np.asarray(trace.actions))
            for prompt, trace in zip(prompts, traces, strict=True)
        )
        actions = sum(len(trace.actions) for trace in traces)
        deleted = sum(trace.actions.count(task.vocabulary.backspace) for trace in traces)
        return {"backspace_rate": deleted / actions, "finished": np.mean([t.ended == "eos" for t in traces]).item()}
