"""A network as the policy of whoever types: the logits at every text of many trajectories, from one pass.

A pass reads each text once (`text.tree`). What comes out goes to `objectives`: ℓ of the keys that were pressed, V of
the texts, and V of what a press leads to on the learner's keyboard (`keyboard`). Which network it is does not matter
here: it has to say what the last hidden vectors are, and what its head makes of them.

Built by hand in notebooks/09_training_sequencematch.ipynb. Source: Cundy & Ermon 2023, section 3.
"""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from smatch_edu.configs.training import TrainingConfig
from smatch_edu.exact.mdp import StringMDP
from smatch_edu.network.flex import BLOCK
from smatch_edu.network.transformer import Transformer, TransformerConfig, attention
from smatch_edu.tasks import Example, Task
from smatch_edu.text import Trajectory, TrajectoryBatch, as_tree, augment_batch, read_once
from smatch_edu.text.tree import TreePass, Walks
from smatch_edu.training.keyboard import every_text, expected_next_value, leads_of
from smatch_edu.training.objectives import Trajectories

AT_ONCE = 2**25  # logits that a loss has in memory at once


class Keys(NamedTuple):
    """What can be pressed: ids 0..num_keys-1 are tokens that can be typed; others below `<eos>` stand in prompts alone.

    Attributes:
        num_keys: tokens that can be typed.
        eos, backspace: ids of the two keys, the last ones.
        max_length: of a text, prompt included.
    """

    num_keys: int
    eos: int
    backspace: int
    max_length: int

    @property
    def num_actions(self) -> int:
        """Columns of the logits."""
        return self.backspace + 1

    @classmethod
    def of(cls, task: Task) -> Keys:
        """Those of a task."""
        return cls(task.num_keys, task.vocabulary.eos, task.vocabulary.backspace, task.max_length)

    def banned(self, backspace: bool = True) -> list[int]:
        """What is never typed: what stands only in prompts, and `<backspace>` if it may not be pressed."""
        return [*range(self.num_keys, self.eos), *([] if backspace else [self.backspace])]


class TextPolicy(nn.Module, ABC):
    """A network, V of what follows `<eos>`, and perhaps a head of its own for V of all texts.

    Args:
        keys: what can be pressed.
        config: the learner's keyboard and the terminal states.
        width: of the last hidden vectors.
        network: what they come from, by the name that it shall have.
    """

    def __init__(self, keys: Keys, config: TrainingConfig, width: int, **network: nn.Module) -> None:
        super().__init__()
        for name, module in network.items():
            self.add_module(name, module)
        self.keys, self.config = keys, config
        if config.branches is not None and config.branches >= keys.num_keys:
            count = keys.num_keys
            raise ValueError(f"branches is {config.branches}; a press on {count} keys has {count - 1} slips")
        if config.noise and keys.num_keys < 2:
            raise ValueError(f"noise is {config.noise}, and a keyboard of one key has nothing to slip to")
        self.value_head = nn.Linear(width, 1) if config.value_head else None
        if config.terminal == "each":  # r of staying in a finished text; begins at 0, and V = r/(1-γ) with it
            self.terminal_head = nn.Linear(width, 1)
            nn.init.zeros_(self.terminal_head.weight), nn.init.zeros_(self.terminal_head.bias)
        self.absorbing_value = nn.Parameter(torch.zeros(()))

    @abstractmethod
    def hidden(self, laid: TreePass) -> Float[Tensor, "rows inputs width"]:
        """The last hidden vectors of one pass; what is given is on the CPU."""

    @abstractmethod
    def head(self, hidden: Float[Tensor, "*texts width"]) -> Float[Tensor, "*texts actions"]:
        """The network's logits over all actions."""

    def on(
        self,
        walked: Sequence[Trajectory] | TrajectoryBatch,
        noised_label: str = "kept",
        slips: np.random.Generator | Int[np.ndarray, "actions leads"] | None = None,
        pressed_only: bool = False,
    ) -> Trajectories:
        """These trajectories with the logits at every text of them, from one parallel pass in which each text is read
        once, ready for `objectives`.

        A step's action is the pressed one.

        Args:
            slips: draws the slips of the learner's keyboard over which V of the next text is averaged, or has them
                drawn already (`keyboard.leads_of`); without it, V is that of the text that was really reached.
            pressed_only: leave out the logits of all actions but the pressed ones, each of which is then number 0: all
                that a loss looks at, and of a large vocabulary the smallest part.

        Raises:
            ValueError: as `text.as_tree`; or an action that is pressed where it is illegal, with trajectory and step.
        """
        config, device = self.config, self.absorbing_value.device
        batch = walked if isinstance(walked, TrajectoryBatch) else TrajectoryBatch.of(*walked)
        walks, laid = self.lay_out(batch, slips)
        tree, columns = walks.tree, walks.states.shape[1]
        asked = np.zeros(len(tree.token), dtype=bool)  # the texts that somebody is at, or might have reached
        asked[walks.states] = True
        asked[walks.leads[walks.leads >= 0]] = True
        number = np.cumsum(asked) - 1
        length, start = tree.depth[asked] + 1, tree.start[asked]
        states = number[walks.states]
        here = states[batch.trajectory, batch.time]
        for place in np.flatnonzero(~self.may(batch.pressed, length[here], start[here])):
            whose, step, action = (int(part[place]) for part in (batch.trajectory, batch.time, batch.pressed))
            raise ValueError(f"trajectory {whose} takes action {action} at step {step}, where it is illegal")
        weights = np.ones(len(batch.pressed), dtype=np.float32)
        if noised_label == "masked":
            weights[batch.pressed != batch.typed] = 0
        reached = states[batch.trajectory, batch.time + 1]  # where another key than a token leads
        leads = np.where(walks.leads >= 0, number[walks.leads], reached[:, None])

        def sent(part: np.ndarray) -> Tensor:
            on_cpu = torch.from_numpy(part)
            return on_cpu.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else on_cpu

        # All of it before the pass: later the CPU would wait for that.
        at, where = sent(laid.at.numpy()[asked]), sent(states)
        lengths, ended, led_to = sent(batch.lengths), sent(walks.ended), sent(leads)
        places = sent(batch.trajectory * columns + batch.time)
        actions = batch.table(batch.pressed, columns)
        pressed, counted = sent(actions), sent(batch.table(weights, columns))
        sizes, starts = sent(length), sent(start)

        if pressed_only:
            cut, order = _parts(states.ravel(), max(1, AT_ONCE // self.keys.num_actions), len(length))
            parts = [(some, sent(text), sent(actions.ravel()[whose])) for some, text, whose in cut]
            back = sent(np.argsort(order, kind="stable"))

        hidden = self.hidden(laid).flatten(0, 1).index_select(0, at)
        ahead = terminal = None
        if pressed_only:
            again = len(parts) > 1  # what a part has in memory is made once more for the gradient
            found = [
                checkpoint(self._pressed, hidden[some], sizes[some], starts[some], text, action, use_reentrant=False)
                if again
                else self._pressed(hidden, sizes, starts, text, action)
                for some, text, action in parts
            ]
            values, chosen = (torch.cat(pieces) for pieces in zip(*found, strict=True))
            given = {"logits": chosen.index_select(0, back).view(*where.shape, 1), "actions": 0 * pressed}
        else:
            legal = self.legal(sizes, starts)
            logits = self.logits(hidden, legal)
            values = torch.logsumexp(logits.masked_fill(~legal, -math.inf), dim=1)
            given = {"logits": _at(logits, where), "actions": pressed, "legal": legal[where]}
        if slips is not None:
            led = _at(values[:, None], led_to)[..., 0]
            average = expected_next_value(led[:, 0], led[:, 1:], config.noise)
            ahead = average.new_zeros(len(batch) * columns).index_copy(0, places, average).view(-1, columns)
        if config.terminal == "each":
            last = hidden[where[torch.arange(len(batch), device=device), lengths - 1]]
            rewards = self.terminal_head(last.to(self.terminal_head.weight.dtype))
            terminal = rewards.float()[:, 0] / (1 - config.gamma)
        return Trajectories.trusted(
            **given,
            lengths=lengths,
            ended=ended,
            next_values=ahead,
            weights=counted,
            state_values=_at(values[:, None], where)[..., 0],
            terminal_values=terminal,
        )

    def lay_out(
        self, batch: TrajectoryBatch, slips: np.random.Generator | Int[np.ndarray, "actions leads"] | None = None
    ) -> tuple[Walks, TreePass]:
        """The texts of trajectories, and of what their presses may lead to, as the inputs of one pass.

        Rows are at least twice as long as the longest text: each begins with the text that the last one broke off.
        """
        keys, config = self.keys, self.config
        leads = self.draw(batch, slips) if isinstance(slips, np.random.Generator) else slips
        walks = as_tree(batch, keys.backspace, keys.eos, leads)
        length = max(config.row_length, 2 * (int(walks.tree.depth.max()) + 1))
        block = BLOCK if self.absorbing_value.is_cuda else 1  # what a GPU's kernel fills up to anyway
        return walks, read_once(walks.tree, -(-length // block) * block)

    def draw(self, batch: TrajectoryBatch, rng: np.random.Generator) -> Int[np.ndarray, "actions leads"]:
        """What each press of a batch may lead to on the learner's keyboard, as the config says."""
        count = (self.config.branches or self.keys.num_keys - 1) if self.config.noise else 0
        return leads_of(batch.pressed, self.keys.num_keys, count, rng)

    def logits(
        self, hidden: Float[Tensor, "*texts width"], legal: Bool[Tensor, "*texts actions"]
    ) -> Float[Tensor, "*texts actions"]:
        """ℓ(·|s) from last hidden vectors."""
        logits = self.head(hidden).float()
        if self.value_head is None:
            return logits
        log_policy = torch.log_softmax(logits.masked_fill(~legal, -math.inf), dim=-1)
        return torch.where(legal, log_policy + self.value_head(hidden.to(self.value_head.weight.dtype)).float(), 0.0)

    def _pressed(
        self,
        hidden: Float[Tensor, "texts width"],
        length: Int[Tensor, " texts"],
        start: Int[Tensor, " texts"],
        text: Int[Tensor, " asked"],
        action: Int[Tensor, " asked"],
    ) -> tuple[Float[Tensor, " texts"], Float[Tensor, " asked"]]:
        """V of texts, and ℓ of actions at some of them."""
        legal = self.legal(length, start)
        logits = self.logits(hidden, legal)
        values = torch.logsumexp(logits.masked_fill(~legal, -math.inf), dim=1)
        return values, _at(logits.view(-1, 1), text * logits.shape[1] + action)[:, 0]

    def may(self, action: Any, length: Any, start: Any) -> Any:
        """Whether an action is legal in a text: tokens that can be typed while there is room, `<backspace>` where
        something of one's own stands, `<eos>` always; arrays or tensors, of any shapes that go together.

        Args:
            length: of the text, prompt included.
            start: that of the prompt alone.
        """
        keys = self.keys
        typed = (action < keys.num_keys) & (length < keys.max_length)
        deleted = (action == keys.backspace) & (length > start) & self.config.backspace
        return typed | deleted | (action == keys.eos)

    def legal(self, length: Int[Tensor, " texts"], start: Int[Tensor, " texts"]) -> Bool[Tensor, "texts actions"]:
        """The same of all actions, made where the logits are: of a large vocabulary it is too much to send."""
        return self.may(torch.arange(self.keys.num_actions, device=length.device), length[:, None], start[:, None])

    @torch.no_grad()
    def proposals(self, examples: Sequence[Example]) -> list[Float[np.ndarray, "time tokens"]]:
        """What the model itself would write at each place of the answers: its probabilities of tokens."""
        keys, (prompts, answers) = self.keys, zip(*examples, strict=True)
        clean = augment_batch(prompts, answers, 0.0, keys.backspace, keys.eos, num_tokens=keys.num_keys, seed=0)
        logits = _finite(self.on(clean).logits[..., : keys.eos])
        tokens = torch.softmax(logits, dim=2).double().cpu().numpy()
        tokens[..., keys.num_keys :] = 0  # nobody can type those
        return [rows[: len(one.answer)] for rows, one in zip(tokens, examples, strict=True)]


class Policy(TextPolicy):
    """The library's own transformer as a policy.

    Args:
        task: what is typed; the transformer has an output for each token, `<eos>` and `<backspace>`.
        config: the learner's keyboard, the terminal states, and the network's shape.
    """

    def __init__(self, task: Task, config: TrainingConfig) -> None:
        keys = Keys.of(task)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            shape = (keys.num_actions, config.num_layers, config.num_heads, config.width, task.max_length)
            transformer = Transformer(TransformerConfig(*shape))
            super().__init__(keys, config, config.width, transformer=transformer)
        self.task = task

    transformer: Transformer

    def hidden(self, laid: TreePass) -> Float[Tensor, "rows inputs width"]:
        device = self.absorbing_value.device
        tokens, positions = laid.tokens.to(device), laid.positions.to(device)
        return self.transformer.hidden(tokens, positions, attention(laid.expires, tokens.shape, device))

    def head(self, hidden: Float[Tensor, "*texts width"]) -> Float[Tensor, "*texts actions"]:
        return self.transformer.logits(hidden)

    def banned(self, backspace: bool = True) -> list[int]:
        """What is never typed: what stands only in prompts, and `<backspace>` where there is no such key."""
        return self.keys.banned(backspace and self.config.backspace)

    @torch.no_grad()
    def table(self, mdp: StringMDP, prompt: Sequence[int]) -> Float[Tensor, "states actions"]:
        """ℓ(a|s) for every text of a keyboard, typed after a prompt, in one pass; terminal states last. Entries of
        illegal actions mean nothing.

        Args:
            mdp: has the tokens that the task can type, its terminal states and its `<backspace>`, if there is one.
        """
        keys = self.task.vocabulary
        every = every_text(mdp, prompt)
        hidden = self.hidden(every).flatten(0, 1)[every.at]
        columns = [*range(mdp.num_tokens), keys.eos, *([keys.backspace] if mdp.backspace else [])]
        legal = torch.tensor(mdp.legal)
        everywhere = torch.zeros(mdp.num_texts, len(keys) + 2, dtype=torch.bool)
        everywhere[:, columns] = legal[: mdp.num_texts]
        terminal = self.absorbing_value.expand(1)
        if self.config.terminal == "each":
            terminal = self.terminal_head(hidden).float()[:, 0] / (1 - self.config.gamma)
        is_eos = torch.arange(mdp.num_actions) == mdp.eos
        stay = torch.where(is_eos, terminal[:, None], 0.0)
        return torch.cat([_finite(self.logits(hidden, everywhere)[:, columns]), stay])


def _parts(
    texts: Int[np.ndarray, " asked"], size: int, count: int
) -> tuple[list[tuple[slice, np.ndarray, np.ndarray]], Int[np.ndarray, " asked"]]:
    """Cut texts 0..count-1 into parts of so many, and sort what is asked of them accordingly.

    Returns:
        For each part the texts, which of its texts each question is about, and the numbers of these questions; and the
        numbers of all questions in the order in which they come then.
    """
    order = np.argsort(texts, kind="stable")
    lows = range(0, count, size)
    cuts = np.searchsorted(texts[order], [*lows, count])
    each = [order[first:last] for first, last in itertools.pairwise(cuts)]
    found = [(slice(low, low + size), texts[whose] - low, whose) for low, whose in zip(lows, each, strict=True)]
    return found, order


def _at(rows: Float[Tensor, "texts features"], where: Int[Tensor, "*any"]) -> Float[Tensor, "*any features"]:
    """Rows of a table, each as often as it is wanted; their gradients are added up in a fixed order, on a GPU too."""
    return torch.nn.functional.embedding(where, rows)


def _finite(logits: Tensor) -> Tensor:
    """These. FloatingPointError if they are not all numbers."""
    if not logits.isfinite().all():
        raise FloatingPointError("the model's logits are not all finite")
    return logits
