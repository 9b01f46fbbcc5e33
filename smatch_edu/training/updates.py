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

from smatch_edu.configs.training import BRANCHES, EXAMPLES, REPLAY, SLIPS, TYPING, TrainingConfig
from smatch_edu.exact.mdp import StringMDP
from smatch_edu.network.generation import generate
from smatch_edu.network.transformer import Transformer, TransformerConfig, attention
from smatch_edu.tasks import Example, Task
from smatch_edu.text.trajectories import ABSORBING, Trajectory, augment, pack_batch
from smatch_edu.training.keyboard import every_text, expected_next_value, with_branches
from smatch_edu.training.objectives import Trajectories, log_likelihood, needs_model, training_objective
from smatch_edu.training.replay import ReplayBuffer


class Policy(nn.Module):
    """A transformer, V of what follows `<eos>`, and perhaps a head of its own for V of all texts.

    Args:
        task: what is typed; the transformer has an output for each token, `<eos>` and `<backspace>`.
        config: the learner's keyboard, the terminal states, and the network's shape.
    """

    def __init__(self, task: Task, config: TrainingConfig) -> None:
        super().__init__()
        self.task, self.config = task, config
        if config.branches is not None and config.branches >= task.num_keys:
            keys = task.num_keys
            raise ValueError(f"branches is {config.branches}; a press on {keys} keys has {keys - 1} slips")
        shape = (len(task.vocabulary) + 2, config.num_layers, config.num_heads, config.width, task.max_length)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.transformer = Transformer(TransformerConfig(*shape))
            self.value_head = nn.Linear(config.width, 1) if config.value_head else None
        if config.terminal == "each":  # r of staying in a finished text; begins at 0, and V = r/(1-γ) with it
            self.terminal_head = nn.Linear(config.width, 1)
            nn.init.zeros_(self.terminal_head.weight), nn.init.zeros_(self.terminal_head.bias)
        self.absorbing_value = nn.Parameter(torch.zeros(()))

    def on(
        self, walked: Sequence[Trajectory], noised_label: str = "kept", slips: np.random.Generator | None = None
    ) -> Trajectories:
        """These trajectories with the logits at every text of them, from one parallel pass, ready for `objectives`.

        A step's action is the pressed one.

        Args:
            slips: draws the slips of the learner's keyboard over which V of the next text is averaged (`keyboard`);
                without it, V is that of the text that was really reached.
        """
        keys, config = self.task.vocabulary, self.config
        branched = None
        if slips is not None:
            count = (config.branches or self.task.num_keys - 1) if config.noise else 0
            branched = with_branches(walked, self.task.num_keys, keys.backspace, count, slips)
        walks = walked if branched is None else branched.walks
        length = config.row_length and max(config.row_length, *(len(one.prompt) + len(one.typed) for one in walks))
        packed = pack_batch(walks, keys.backspace, keys.eos, row_length=length)
        lengths = torch.tensor([len(one.pressed) for one in walked])
        whose = torch.repeat_interleave(torch.arange(len(walked)), lengths)  # of each press of all trajectories
        step = torch.arange(len(whose)) - (lengths.cumsum(0) - lengths)[whose]
        states = packed.states()
        if branched is not None:  # the steps between the branches, and where the walk ends
            places = torch.zeros(len(walked), int(lengths.max()) + 1, dtype=torch.long)
            places[whose, step] = torch.from_numpy(branched.step)
            places.scatter_(1, lengths[:, None], packed.lengths[:, None])
            states = states.gather(1, places)
        pressed, weights = torch.zeros(2, *states.shape)
        pressed[whose, step] = torch.from_numpy(np.concatenate([one.pressed for one in walked])).float()
        weights[whose, step] = 1.0
        if noised_label == "masked":
            weights[whose, step] = torch.from_numpy(~np.concatenate([one.slipped for one in walked])).float()
        row = packed.row[:, None]
        start = packed.positions[row, states[:, :1]] + 1
        legal = self.legal(packed.positions[row, states] + 1, start)
        ended = packed.final_state == ABSORBING

        device = self.transformer.embedding.weight.device
        tokens, positions, expires = (part.to(device) for part in packed[:3])
        inputs = self.transformer.hidden(tokens, positions, attention(expires, tokens.shape))
        hidden, legal = inputs[row.to(device), states.to(device)], legal.to(device)
        logits = self.logits(hidden, legal)
        ahead = terminal = None
        if branched is not None:
            taken_back = torch.from_numpy(branched.deleted)
            press, lead = (taken_back >= 0).nonzero(as_tuple=True)
            at = packed.row[whose[press]], packed.state_of_action[whose[press], taken_back[press, lead]]
            there = self.legal((packed.positions[at] + 1)[:, None], start[whose[press]])[:, 0]
            values = torch.logsumexp(logits.masked_fill(~legal, -math.inf), dim=2)
            leads = values[whose, step + 1][:, None].repeat(1, taken_back.shape[1])  # what really happened, too
            leads[press, lead] = self.values(inputs[tuple(part.to(device) for part in at)], there.to(device))
            is_token = torch.from_numpy(branched.is_token).to(device)
            on_average = expected_next_value(leads[:, 0], leads[:, 1:], config.noise)
            ahead = torch.zeros_like(values)
            ahead[whose, step] = torch.where(is_token, on_average, leads[:, 0])
        if config.terminal == "each":
            rewards = self.terminal_head(hidden[torch.arange(len(walked)), lengths - 1]).float()[:, 0]
            terminal = rewards / (1 - config.gamma)
        pressed, lengths, ended, weights = (part.to(device) for part in (pressed.long(), lengths, ended, weights))
        return Trajectories(logits, pressed, lengths, ended, legal, ahead, weights, terminal)

    def logits(
        self, hidden: Float[Tensor, "*texts width"], legal: Bool[Tensor, "*texts actions"]
    ) -> Float[Tensor, "*texts actions"]:
        """ℓ(·|s) from last hidden vectors. FloatingPointError if they are not all finite."""
        logits = self.transformer.logits(hidden).float()
        if not logits.isfinite().all():
            raise FloatingPointError("the model's logits are not all finite")
        if self.value_head is None:
            return logits
        log_policy = torch.log_softmax(logits.masked_fill(~legal, -math.inf), dim=-1)
        return torch.where(legal, log_policy + self.value_head(hidden).float(), 0.0)

    def values(
        self, hidden: Float[Tensor, "*texts width"], legal: Bool[Tensor, "*texts actions"]
    ) -> Float[Tensor, "*texts"]:
        """V(s) = log Σ exp ℓ over legal actions."""
        return torch.logsumexp(self.logits(hidden, legal).masked_fill(~legal, -math.inf), dim=-1)

    def legal(
        self, depth: Int[Tensor, "trajectories time"], start: Int[Tensor, "trajectories 1"]
    ) -> Bool[Tensor, "trajectories time actions"]:
        """Tokens that can be typed while there is room, `<backspace>` where something of one's own stands, `<eos>`
        always.

        Args:
            depth: length of the text, prompt included.
            start: that of the prompt alone.
        """
        keys = self.task.vocabulary
        legal = torch.zeros(*depth.shape, len(keys) + 2, dtype=torch.bool)
        legal[..., : self.task.num_keys] = (depth < self.task.max_length)[:, :, None]
        legal[..., keys.eos] = True
        legal[..., keys.backspace] = (depth > start) & self.config.backspace
        return legal

    def banned(self, backspace: bool = True) -> list[int]:
        """What is never typed: what stands only in prompts, and `<backspace>` where there is no such key."""
        keys = self.task.vocabulary
        missing = [] if backspace and self.config.backspace else [keys.backspace]
        return [*range(self.task.num_keys, len(keys)), *missing]

    @torch.no_grad()
    def table(self, mdp: StringMDP, prompt: Sequence[int]) -> Float[Tensor, "states actions"]:
        """ℓ(a|s) for every text of a keyboard, typed after a prompt, in one pass; terminal states last. Entries of
        illegal actions mean nothing.

        Args:
            mdp: has the tokens that the task can type, its terminal states and its `<backspace>`, if there is one.
        """
        keys = self.task.vocabulary
        every = every_text(mdp, prompt, keys.backspace)
        inputs = self.transformer.hidden(every.tokens, every.positions, attention(every.expires, every.tokens.shape))
        hidden = inputs[every.row, every.column]
        columns = [*range(mdp.num_tokens), keys.eos, *([keys.backspace] if mdp.backspace else [])]
        legal = torch.tensor(mdp.legal)
        everywhere = torch.zeros(mdp.num_texts, len(keys) + 2, dtype=torch.bool)
        everywhere[:, columns] = legal[: mdp.num_texts]
        terminal = self.absorbing_value.expand(1)
        if self.config.terminal == "each":
            terminal = self.terminal_head(hidden).float()[:, 0] / (1 - self.config.gamma)
        is_eos = torch.arange(mdp.num_actions) == mdp.eos
        stay = torch.where(is_eos, terminal[:, None], 0.0)
        return torch.cat([self.logits(hidden, everywhere)[:, columns], stay])

    @torch.no_grad()
    def proposals(self, examples: Sequence[Example]) -> list[Float[np.ndarray, "time tokens"]]:
        """What the model itself would write at each place of the answers: its probabilities of tokens."""
        keys = self.task.vocabulary
        count = self.task.num_keys
        clean = [augment(*example, 0.0, keys.backspace, keys.eos, num_tokens=count, seed=0) for example in examples]
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
        self.clean = functools.lru_cache(maxsize=4096)(self._clean)

    def chosen(self, step: int) -> list[Example]:
        """Turn after turn through all examples, each in an order of its own; or new ones, if that is wanted."""
        if self.config.fresh:
            return self.task.fresh(self.config.rng(EXAMPLES, step), self.size)
        places = (divmod(place, len(self.examples)) for place in range(step * self.size, (step + 1) * self.size))
        return [self.examples[self.order(turn)[index]] for turn, index in places]

    def _clean(self, example: Example) -> Trajectory:
        """Typed without slips."""
        keys = self.task.vocabulary
        return augment(*example, 0.0, keys.backspace, keys.eos, seed=0, num_tokens=self.task.num_keys)

    def demonstrations(self, step: int, policy: Policy) -> list[Trajectory]:
        """Typed without slips for mle, else on a keyboard that slips."""
        config, keys, chosen = self.config, self.task.vocabulary, self.chosen(step)
        noise = config.typed_noise
        if not noise:
            return list(map(self.clean, chosen))
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
                num_tokens=self.task.num_keys if wrong is None else None,
                mistakes=wrong,
            )
            for one, wrong in zip(chosen, mistakes, strict=True)
        ]

    def off_data(self, typed: Sequence[Trajectory], time: int) -> Bool[Tensor, "trajectories {time}"]:
        """The steps whose action no demonstration takes: all but the next token of the right answer, and, where
        demonstrations slip, `<backspace>` on a single wrong one.

        Args:
            time: columns; what is beyond the end of a trajectory is False.
        """
        keys = self.task.vocabulary
        off = torch.zeros(len(typed), time, dtype=torch.bool)
        for row, one in enumerate(typed):
            text = one.prompt.tolist()
            for step, (pressed, happened) in enumerate(zip(one.pressed.tolist(), one.typed.tolist(), strict=True)):
                if pressed == keys.backspace:
                    slipped = tuple(text) not in self.right and tuple(text[:-1]) in self.right
                    on_path = slipped and self.config.typed_noise > 0
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
    switched = config.switched(step)
    slips = config.rng(BRANCHES, step) if switched and config.next_value == "expectation" else None
    together = policy.on([*data, *(sampled if switched else [])], config.noised_label, slips)
    demonstrated = together.rows(0, len(data))
    likelihood = log_likelihood(demonstrated, config.gamma if switched else 1.0)
    parts = {"beta": beta, "log_likelihood": likelihood.item()}
    if not switched:
        return -likelihood, parts
    typed = off = None
    if sampled:
        typed = together.rows(len(data), len(data) + len(sampled))
        if config.divergence != "sampled_mixture":
            off = batcher.off_data(sampled, typed.logits.shape[1]).to(typed.logits.device)
    terms = training_objective(
        demonstrated,
        policy.absorbing_value,
        divergence=config.divergence,
        gamma=config.gamma,
        alpha=config.weight_of_entropy,
        model=typed,
        off_data=off,
    )
    parts |= {
        "objective": terms.objective.item(),
        "value": terms.value.item(),
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
        if config.switched(step) and needs_model(config.divergence):
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
            noise=config.noise,
            exploration=config.explored(self.step),
            banned=self.policy.banned(),
            seed=int(rng.integers(2**31)),
        ).traces
        self.buffer.add(
            Trajectory(np.asarray(prompt), np.asarray(trace.pressed), np.asarray(trace.actions))
            for prompt, trace in zip(prompts, traces, strict=True)
        )
        actions = sum(len(trace.actions) for trace in traces)
        deleted = sum(trace.actions.count(task.vocabulary.backspace) for trace in traces)
        return {"backspace_rate": deleted / actions, "finished": np.mean([t.ended == "eos" for t in traces]).item()}
