"""Typing as a Markov decision process: every string up to a length is a state, and the keyboard may slip.

A state is the text that stands now. Pressing a token appends, `<backspace>` deletes the last token, `<eos>`
finishes. The states form a tree, so an occupancy costs one sweep up and one sweep down instead of a linear solve:
with backspace a state is reached from its parent and from its children, but a leaf's visits are a known multiple of
its parent's.

Built by hand in notebooks/02_occupancy.ipynb. Source: Cundy & Ermon 2023, section 2.2 (equation 1) and section 3.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import psutil
import scipy
import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from smatch_edu.support.arrays import answers_in_kind, as_tensor, sum_tolerance
from smatch_edu.support.errors import first_index, nearest

Text = tuple[int, ...]
TERMINALS = ("one", "each")
SMALL = 2**26  # bytes that are there on any machine; a graded answer may not even ask how many are free


class Keys(NamedTuple):
    """One number per state and legal action, by kind of key: a table without the columns that are illegal anyway.

    Attributes:
        tokens: (inner, K), for the texts at which a token can still be typed.
        eos: (states,), terminal states last.
        backspace: (states,); illegal, and so without meaning, at the empty text and in terminal states.
    """

    tokens: Float[Tensor, "inner tokens"]
    eos: Float[Tensor, " states"]
    backspace: Float[Tensor, " states"]

    def flatten(self) -> Shaped[Tensor, " keys"]:
        """All of them in one vector."""
        return torch.cat([self.tokens.flatten(), self.eos, self.backspace])


@dataclass(frozen=True)
class StringMDP:
    """All strings of at most `max_length` tokens, typed on a keyboard that slips with probability `noise`.

    Actions: tokens 0..K-1, `<eos>` = K, `<backspace>` = K+1. States are numbered level by level, so state i's child by
    token k is K·i + 1 + k. After the texts come the terminal states, which `<eos>` leads to, and whose one action is
    `<eos>`: one absorbing state for all texts, or one for each, in which the finished text goes on being there. With
    one, a divergence sees that something was finished; with one for each, what.
    At `max_length` only `<eos>` and `<backspace>` are legal; at the empty text there is nothing to delete.

    Attributes:
        num_tokens: K ≥ 1.
        max_length: L ≥ 0, in tokens.
        backspace: whether `<backspace>` exists.
        noise: η in [0, 1): a pressed token is typed as another one, uniformly of the other K-1. Needs K ≥ 2.
        terminal: "one" absorbing state, or "each": one for each finished text.

    Raises:
        ValueError: an attribute is outside its range, or one table of the policy would not fit in memory.
    """

    num_tokens: int
    max_length: int
    backspace: bool = True
    noise: float = 0.0
    terminal: str = "one"

    def __post_init__(self) -> None:
        for name in ("num_tokens", "max_length"):
            if isinstance(getattr(self, name), bool) or not isinstance(getattr(self, name), int | np.integer):
                raise ValueError(f"{name} is {getattr(self, name)!r}; it must be a whole number")
            object.__setattr__(self, name, int(getattr(self, name)))  # numpy's would overflow
        if not isinstance(self.backspace, bool | np.bool_):
            raise ValueError(f"backspace is {self.backspace!r}; it must be True or False")
        if self.num_tokens < 1:
            raise ValueError(f"num_tokens is {self.num_tokens}; it must be at least 1")
        if self.max_length < 0:
            raise ValueError(f"max_length is {self.max_length}; it must be at least 0")
        if not 0 <= self.noise < 1:
            raise ValueError(f"noise is {self.noise}; it must be in [0, 1)")
        if self.noise > 0 and self.num_tokens == 1:
            raise ValueError(f"noise is {self.noise} with num_tokens = 1; a slip needs another token to type")
        if self.terminal not in TERMINALS:
            raise nearest(self.terminal, TERMINALS, "terminal")
        digits = self.max_length * math.log10(self.num_tokens)
        if digits <= 30 and 8 * self.num_states * self.num_actions <= SMALL:
            return
        available = psutil.virtual_memory().available
        if digits > 30 or 8 * self.num_states * self.num_actions > available:
            states = f"about 10^{digits:.0f}" if digits > 30 else f"{self.num_states:,}"
            size = f"10^{digits - 8:.0f}" if digits > 30 else f"{8 * self.num_states * self.num_actions / 1e9:,.1f}"
            raise ValueError(
                f"{self.num_tokens} tokens up to length {self.max_length} make {states} states × {self.num_actions} "
                f"actions, {size} GB for one table of float64; {available / 1e9:,.1f} GB are free: lower max_length or "
                "num_tokens"
            )

    # -- numbering -----------------------------------------------------------------------------------------------

    @functools.cached_property
    def eos(self) -> int:
        """The action that finishes the text, K."""
        return self.num_tokens

    @functools.cached_property
    def num_actions(self) -> int:
        """K + 1, or K + 2 with backspace."""
        return self.num_tokens + 1 + self.backspace

    @functools.cached_property
    def num_texts(self) -> int:
        """Strings of every length up to max_length."""
        return self._level_starts[-1]

    @functools.cached_property
    def num_states(self) -> int:
        """The texts, and the terminal state or states."""
        return self.num_texts + (1 if self.terminal == "one" else self.num_texts)

    @functools.cached_property
    def absorbing(self) -> int:
        """Index of the first state that is no text: the absorbing state, if there is one for all."""
        return self.num_texts

    def finish(self, states: Int[np.ndarray, "*batch"]) -> Int[np.ndarray, "*batch"]:
        """Where `<eos>` leads from each of these states; a terminal state stays."""
        ended = self.absorbing + (states if self.terminal == "each" else np.zeros_like(states))
        return np.where(states < self.absorbing, ended, states)

    @functools.cached_property
    def num_inner(self) -> int:
        """Number of states at which a token can still be typed; they come first."""
        return self._level_starts[self.max_length]

    @functools.cached_property
    def _level_starts(self) -> list[int]:
        """Index of the first string of each length 0..L, then of the first terminal state."""
        starts = [0]
        for length in range(self.max_length + 1):
            starts.append(starts[-1] + self.num_tokens**length)
        return starts

    @functools.cached_property
    def level_sizes(self) -> list[int]:
        """Number of strings of each length 0..L."""
        return [self.num_tokens**length for length in range(self.max_length + 1)]

    @functools.cached_property
    def states(self) -> list[Text]:
        """Every string as a tuple of ids, () first; terminal states begin at index len(states)."""
        level: list[Text] = [()]
        states = list(level)
        for _ in range(self.max_length):
            level = [text + (token,) for text in level for token in range(self.num_tokens)]
            states += level
        return states

    def index(self, text: Sequence[int]) -> int:
        """The number of the state `text`, without building the list of states. ValueError if it is none."""
        if len(text) > self.max_length:
            raise ValueError(f"text {tuple(text)} has {len(text)} tokens; max_length is {self.max_length}")
        state = 0
        for position, token in enumerate(text):
            whole = isinstance(token, int | np.integer) and not isinstance(token, bool)
            if not (whole and 0 <= token < self.num_tokens):
                raise ValueError(
                    f"text {tuple(text)} has id {token!r} at position {position}; ids must be whole numbers in "
                    f"0..{self.num_tokens - 1}"
                )
            state = self.num_tokens * state + 1 + int(token)
        return state

    def text(self, state: int) -> Text:
        """The tuple of ids of state number `state`. ValueError for a terminal state and beyond."""
        if not (isinstance(state, int | np.integer) and 0 <= state < self.absorbing):
            raise ValueError(f"state {state} is no text; texts are numbered 0..{self.absorbing - 1}")
        tokens = []
        while state > 0:
            state, token = divmod(state - 1, self.num_tokens)
            tokens.append(token)
        return tuple(reversed(tokens))

    @functools.cached_property
    def legal(self) -> Bool[np.ndarray, "states actions"]:
        """Which actions can be chosen where."""
        legal = np.zeros((self.num_states, self.num_actions), dtype=bool)
        legal[: self.num_inner, : self.num_tokens] = True
        legal[:, self.eos] = True
        if self.backspace:
            legal[1 : self.num_texts, -1] = True
        legal.setflags(write=False)
        return legal

    def without_noise(self) -> StringMDP:
        """The same strings on a perfect keyboard: where clean demonstrations are typed."""
        return replace(self, noise=0.0)

    # -- policies ------------------------------------------------------------------------------------------------

    def demonstrator(
        self, sequences: Iterable[Sequence[int]], weights: Iterable[float] | None = None
    ) -> Float[np.ndarray, "states actions"]:
        """The policy that types exactly these sequences, in proportion to their weights, each ended by `<eos>`.

        In states that no sequence passes through it is uniform over the legal actions other than backspace.

        Args:
            sequences: tuples of ids, each at most max_length long; a repeated one counts again.
            weights: one non-negative number per sequence, not all zero; equal if left out.

        Raises:
            ValueError: no sequence, an id or a length out of range, weights that are negative, NaN or all zero, or a
                number of weights other than the number of sequences.
        """
        sequences = [tuple(sequence) for sequence in sequences]
        if not sequences:
            raise ValueError("no sequences; the demonstrator needs at least one")
        weights = np.ones(len(sequences)) if weights is None else np.asarray(list(weights), dtype=np.float64)
        if len(weights) != len(sequences):
            raise ValueError(f"{len(weights)} weights for {len(sequences)} sequences; there must be one for each")
        if not (np.isfinite(weights) & (weights >= 0)).all():
            worst = int(np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))[0])
            raise ValueError(f"weight {worst} is {weights[worst]}; weights must be finite and ≥ 0")
        if weights.max() == 0:
            raise ValueError(f"all {len(weights)} weights are zero; at least one must be positive")

        weights = weights / weights.max()  # their sum may not overflow
        counts = np.zeros((self.num_states, self.num_actions))
        for sequence, weight in zip(sequences, weights, strict=True):
            state = self.index(sequence)
            counts[state, self.eos] += weight
            while state > 0:
                state, token = divmod(state - 1, self.num_tokens)
                counts[state, token] += weight
        passed = counts.sum(axis=1, keepdims=True)
        undirected = self.uniform(backspace=False)
        return np.where(passed > 0, counts / np.where(passed > 0, passed, 1), undirected)

    def uniform(self, backspace: bool = True) -> Float[np.ndarray, "states actions"]:
        """The policy that chooses any legal action with equal probability; without backspace if asked."""
        weight = self.legal.astype(np.float64)
        if self.backspace and not backspace:
            weight[:, -1] = 0
        return weight / weight.sum(axis=1, keepdims=True)

    def check_policy(self, policy: Tensor) -> None:
        """Raise a ValueError naming the row unless `policy` is a distribution over legal actions in every state."""
        wanted = (self.num_states, self.num_actions)
        if tuple(policy.shape) != wanted:
            raise ValueError(f"policy has shape {tuple(policy.shape)}; {wanted} (states, actions) was wanted")
        sums, within = policy.sum(dim=1, dtype=torch.float64), sum_tolerance(policy, self.num_actions)
        if sums.isnan().any():
            raise ValueError(f"policy row {first_index(sums.isnan())[0]} has NaN; every entry must be a number")
        if policy.min() < 0:
            row, action = first_index(policy < 0)
            raise ValueError(f"policy row {row} gives action {action} {policy[row, action].item():.3g}; wanted ≥ 0")
        off = (sums - 1).abs() > within
        if off.any():
            row = first_index(off)[0]
            raise ValueError(
                f"policy row {row} sums to {sums[row].item():.9g}; every row must sum to 1 over legal actions, within "
                f"{within:.1g}"
            )
        full = policy[self.num_inner :, : self.num_tokens]
        backspace = self.keys(policy).backspace.clone()
        backspace[1 : self.num_texts] = 0
        if full.numel() and full.amax() > 0:
            what, row = "a token", first_index(full > 0)[0] + self.num_inner
        elif (backspace > 0).any():
            what, row = "<backspace>", first_index(backspace > 0)[0]
        else:
            return
        raise ValueError(f"policy row {row} puts mass on {what}, which is illegal there; wanted 0")

    def keys(self, table: Shaped[Tensor, "states actions"], illegal: float = 0.0) -> Keys:
        """The legal entries of a table; `illegal` stands in for a `<backspace>` that does not exist."""
        tokens, eos, *backspace = table.split([self.num_tokens] + [1] * (1 + self.backspace), dim=1)
        column = backspace[0] if backspace else torch.full_like(eos, illegal)
        return Keys(tokens[: self.num_inner], eos.squeeze(1), column.squeeze(1))

    def unflatten(self, keys: Shaped[Tensor, " keys"]) -> Keys:
        """The inverse of `Keys.flatten`."""
        tokens, eos, backspace = keys.split([self.num_inner * self.num_tokens, self.num_states, self.num_states])
        return Keys(tokens.view(self.num_inner, self.num_tokens), eos, backspace)

    def table(self, keys: Keys, illegal: float = 0.0) -> Float[Tensor, "states actions"]:
        """The inverse of `keys`, with `illegal` wherever an action is illegal."""
        table = keys.eos.new_full((self.num_states, self.num_actions), illegal)
        table[: self.num_inner, : self.num_tokens] = keys.tokens
        table[:, self.eos] = keys.eos
        if self.backspace:
            table[1 : self.num_texts, -1] = keys.backspace[1 : self.num_texts]
        return table

    # -- transitions ---------------------------------------------------------------------------------------------

    def slip(self, pressed: Float[Tensor, "inner tokens"]) -> Float[Tensor, "inner tokens"]:
        """From how often each token is pressed to how often each is typed. The map is symmetric: it is its own adjoint,
        so it also takes what each typed token is worth to what each pressed one is worth."""
        if self.noise == 0:
            return pressed
        other = self.noise / (self.num_tokens - 1)
        return (1 - self.noise - other) * pressed + other * pressed.sum(dim=1, keepdim=True)

    def transition_matrix(self, policy: Any) -> Any:
        """P(s' | s) under `policy`, a scipy.sparse.csr_array of shape (states, states)."""
        policy = as_tensor(policy).detach()
        self.check_policy(policy)
        policy = policy.double()
        tokens, eos, backspace = self.keys(policy)
        inner = np.arange(self.num_inner)
        children = self.num_tokens * inner[:, None] + 1 + np.arange(self.num_tokens)
        every, below = np.arange(self.num_states), np.arange(1, self.num_texts)
        rows = [np.repeat(inner, self.num_tokens), every, below]
        columns = [children.ravel(), self.finish(every), (below - 1) // self.num_tokens]
        values = [self.slip(tokens).numpy().ravel(), eos.numpy(), backspace[1 : self.num_texts].numpy()]
        entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
        return scipy.sparse.csr_array(entries, shape=(self.num_states, self.num_states))

    # -- the two sweeps ------------------------------------------------------------------------------------------

    def occupancy(self, policy: Any, gamma: float) -> Any:
        """ρ(s,a) = (1-γ) Σ_t γ^t P(s_t = s) π(a|s), from the empty text on. Sums to 1.

        Linear in the number of states, exact, and differentiable in `policy`.

        Args:
            policy: (states, actions), a distribution over legal actions in every row; numpy array or tensor.
            gamma: discount, in (0, 1).

        Returns:
            (states, actions) float64, of the kind that `policy` is.

        Raises:
            ValueError: γ outside (0, 1); a wrong shape; a row with NaN, a negative entry, a sum other than 1, or
                mass on an illegal action.
        """
        check_discount(gamma)
        return self._occupancy(policy, gamma=gamma)

    @answers_in_kind
    def _occupancy(self, policy: Tensor, gamma: float) -> Tensor:
        policy = policy.double()
        self.check_policy(policy.detach())
        visits = self.visits(self.keys(policy), gamma, self._begin(1 - gamma))
        return torch.cat([visits, self.absorbed(visits, policy[:, self.eos], gamma)])[:, None] * policy

    def visits(self, policy: Keys, gamma: float, source: Float[Tensor, " texts"]) -> Float[Tensor, " texts"]:
        """v = source + γ P_πᵀ v: how often each text is stood at, when `source` is put in. γ = 1 is allowed.

        Upward, each state learns its visits as (a multiple of its parent's) + (a constant): v = reach·v_parent + given.
        Downward, the numbers follow. The policy is not checked.
        """
        tokens, _, backspace = policy
        typed = (gamma * self.slip(tokens)).flatten()
        typed_by_level = typed.split(self.level_sizes[1:])
        back_by_level = (gamma * backspace[: self.num_texts]).split(self.level_sizes)
        source_by_level = source.split(self.level_sizes)

        reach: list[Tensor] = [typed.new_ones(1)] * (self.max_length + 1)
        given = list(source_by_level)
        for level in range(self.max_length, -1, -1):
            if level < self.max_length:
                back = back_by_level[level + 1]
                returned = 1 - (back * reach[level + 1]).view(-1, self.num_tokens).sum(dim=1)
                # Only γ = 1 allows a typist who always comes back: nothing leaves there, so it is not counted.
                returned = returned.masked_fill(returned <= 0, math.inf)
                given[level] = (
                    given[level] + (back * given[level + 1]).view(-1, self.num_tokens).sum(dim=1)
                ) / returned
                if level > 0:
                    reach[level] = typed_by_level[level - 1] / returned
            elif level > 0:
                reach[level] = typed_by_level[level - 1]

        visits = [given[0]]
        for level in range(1, self.max_length + 1):
            visits.append(reach[level] * visits[-1].repeat_interleave(self.num_tokens) + given[level])
        return torch.cat(visits)

    def absorbed(
        self, visits: Float[Tensor, " texts"], eos: Float[Tensor, " states"], gamma: float
    ) -> Float[Tensor, " terminal"]:
        """Visits of the terminal states: γ/(1-γ) times those that press `<eos>`, since nobody leaves."""
        finishing = gamma / (1 - gamma) * visits * eos[: self.num_texts]
        return finishing if self.terminal == "each" else finishing.sum()[None]

    def values(self, policy: Keys, gamma: float, reward: Float[Tensor, " states"]) -> Float[Tensor, " states"]:
        """x = reward + γ P_π x: the discounted reward to come from every state, terminal ones included. Adjoint of
        `visits`.

        Upward, each state learns its value as given + share·x_parent; downward, the numbers follow.
        """
        tokens, eos, backspace = policy
        texts, terminal = reward[: self.num_texts], reward[self.num_texts :] / (1 - gamma)
        typed_by_level = (gamma * self.slip(tokens)).flatten().split(self.level_sizes[1:])
        share = list((gamma * backspace[: self.num_texts]).split(self.level_sizes))
        given = list((texts + gamma * eos[: self.num_texts] * terminal).split(self.level_sizes))
        for level in range(self.max_length - 1, -1, -1):
            typed = typed_by_level[level]
            returned = 1 - (typed * share[level + 1]).view(-1, self.num_tokens).sum(dim=1)
            given[level] = (given[level] + (typed * given[level + 1]).view(-1, self.num_tokens).sum(dim=1)) / returned
            share[level] = share[level] / returned

        values = [given[0]]
        for level in range(1, self.max_length + 1):
            values.append(share[level] * values[-1].repeat_interleave(self.num_tokens) + given[level])
        return torch.cat([*values, terminal])

    def next_values(self, values: Float[Tensor, " states"]) -> Keys:
        """E[V(s') | s, a] for every legal pair."""
        children = values[1 : 1 + self.num_inner * self.num_tokens].view(self.num_inner, self.num_tokens)
        parents = values[: self.num_inner].repeat_interleave(self.num_tokens)
        terminal = values[self.num_texts :]
        return Keys(
            tokens=self.slip(children),
            eos=torch.cat([terminal.expand(self.num_texts), terminal]),
            backspace=torch.cat([values.new_zeros(1), parents, torch.zeros_like(terminal)]),
        )

    def per_key(self, of_state: Shaped[Tensor, " states"]) -> Shaped[Tensor, " keys"]:
        """A number per state, repeated for each of the state's keys."""
        inner = of_state[: self.num_inner, None].expand(-1, self.num_tokens)
        return torch.cat([inner.flatten(), of_state, of_state])

    def key_occupancy(self, policy: Keys, gamma: float) -> Float[Tensor, " keys"]:
        """`occupancy` without the checks, from keys to one vector over keys."""
        visits = self.visits(policy, gamma, self._begin(1 - gamma))
        visits = torch.cat([visits, self.absorbed(visits, policy.eos, gamma)])
        return self.per_key(visits) * policy.flatten()

    def finished(self, policy: Any) -> Any:
        """P(the finished text is s) for every text s, without discount: shape (texts,).

        It sums to 1 less the probability that the typist never finishes. ValueError as in `occupancy`.
        """
        return self._finished(policy)

    @answers_in_kind
    def _finished(self, policy: Tensor) -> Tensor:
        policy = policy.double()
        self.check_policy(policy.detach())
        return self.visits(self.keys(policy), 1.0, self._begin(1.0)) * policy[: self.num_texts, self.eos]

    def _begin(self, weight: float) -> Float[Tensor, " texts"]:
        """So much of a source at the empty text, and none elsewhere."""
        return torch.nn.functional.pad(torch.full((1,), weight, dtype=torch.float64), (0, self.num_texts - 1))

    # -- sampling ------------------------------------------------------------------------------------------------

    def sample(
        self, policy: Any, num_trajectories: int, max_actions: int, seed: int
    ) -> tuple[Int[np.ndarray, "trajectories passed"], Int[np.ndarray, "trajectories time"]]:
        """Trajectories from the empty text: states stood at (passed = time + 1) and actions pressed (the meant keys).

        A trajectory that finished stays in its terminal state and presses `<eos>`; one that did not is cut at
        max_actions.
        """
        policy = as_tensor(policy).detach()
        self.check_policy(policy)
        policy = policy.double()
        rng = np.random.default_rng(seed)
        cumulative = policy.numpy().cumsum(axis=1)
        states = np.zeros((num_trajectories, max_actions + 1), dtype=np.int64)
        actions = np.zeros((num_trajectories, max_actions), dtype=np.int64)
        for t in range(max_actions):
            rows = cumulative[states[:, t]]
            actions[:, t] = (rng.random((num_trajectories, 1)) * rows[:, -1:] >= rows).sum(axis=1)
            states[:, t + 1] = self.step(states[:, t], actions[:, t], rng)
            if (states[:, t + 1] >= self.absorbing).all():
                states[:, t + 2 :], actions[:, t + 1 :] = states[:, t + 1 : t + 2], self.eos
                break
        return states, actions

    def step(
        self, states: Int[np.ndarray, "*batch"], pressed: Int[np.ndarray, "*batch"], rng: np.random.Generator
    ) -> Int[np.ndarray, "*batch"]:
        """Where each legal press leads, the keyboard's slips included."""
        typed = pressed
        if self.noise:
            slips = rng.random(pressed.shape) < self.noise
            shift = rng.integers(1, self.num_tokens, pressed.shape)
            typed = np.where(slips & (pressed < self.eos), (pressed + shift) % self.num_tokens, pressed)
        moved = np.where(pressed < self.eos, self.num_tokens * states + 1 + typed, (states - 1) // self.num_tokens)
        return np.where(pressed == self.eos, self.finish(states), moved)


def check_discount(gamma: float) -> None:
    """Raise a ValueError unless γ is in (0, 1)."""
    if not 0 < gamma < 1:
        raise ValueError(f"gamma is {gamma}; it must be in (0, 1)")
