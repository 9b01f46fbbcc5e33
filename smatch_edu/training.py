"""SequenceMatch training: the paper's Algorithm 1 as a loop that can be read, stopped at any moment and resumed.

    for each step:
        demonstrations  ← examples of the task, typed on a keyboard that slips, by an expert who takes slips back
        every k_sample steps: the replay buffer takes in texts that the model types now
        loss = β · cloning + (1 - β) · (-J),    β = 1 while warming up, then falling

All chance comes from (seed, kind, step), so there is no generator whose state could be lost: a run that was killed and
resumed ends with the same bits.

Built by hand in notebooks/09_training_sequencematch.ipynb. Source: Cundy & Ermon 2023, Algorithm 1.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from smatch_edu.divergences import DIVERGENCES, get_divergence, nearest
from smatch_edu.generation import generate
from smatch_edu.objectives import MARGIN, PENALTY, Trajectories, edge_penalty, log_likelihood, sequencematch_terms
from smatch_edu.replay import ReplayBuffer
from smatch_edu.tasks import Example, Task, get_task
from smatch_edu.trajectories import ABSORBING, PackedBatch, Trajectory, augment, pack_batch
from smatch_edu.transformer import Transformer, TransformerConfig, attention

METHODS = ("mle", "bc", "sequencematch")
NOISE_MODES = ("random", "ground_truth", "model")
LABELS = ("kept", "masked")
SCHEDULES = ("constant", "linear", "cosine")
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
    divergence: str = "sampled_mixture"
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
        choices = {
            "method": METHODS,
            "divergence": ("sampled_mixture", *DIVERGENCES),
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
        for name in ("warmup_steps", "beta_steps", "evaluate_every", "seed"):
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
        return self.divergence == "sampled_mixture" or math.isfinite(get_divergence(self.divergence).domain)

    def rate(self, step: int) -> float:
        """The learning rate of a step."""
        left = 1 - step / self.steps
        falls = {"constant": 1.0, "linear": left, "cosine": (1 - math.cos(math.pi * left)) / 2}[self.schedule]
        return self.learning_rate * min(1, (step + 1) / min(100, max(self.steps // 10, 1))) * falls

    def rng(self, kind: int, step: int) -> np.random.Generator:
        """The chances of one kind in one step."""
        return np.random.default_rng([self.seed, kind, step])


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
        objective = objective - PENALTY * edge_penalty(typed, off, policy.absorbing_value, divergence=chosen, **options)
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
