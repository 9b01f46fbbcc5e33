"""A matching problem on a `StringMDP`: the policies and rewards that are allowed, and what each of them is worth.

`Problem` is what `solvers` solve and `tabular` states for its users; everything in it is a vector over keys.

Source: Cundy & Ermon 2023, section 3; Garg et al. 2021, section 4.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from smatch_edu.exact.divergences import Divergence, check_measure, get_divergence
from smatch_edu.exact.mdp import Keys, StringMDP, check_discount
from smatch_edu.exact.soft_values import soft_maximum, soft_values
from smatch_edu.support.arrays import answers_in_kind, as_tensor

Table = Float[np.ndarray, "states actions"]
Vector = Float[Tensor, " keys"]

TRUST = 4.0  # one round of the solver moves log u, or a policy's logit, by at most this much
EXTENSION = 1e-6  # distance from the edge of φ's domain below which the "sample" solver continues φ as a parabola


@dataclass(frozen=True)
class Solution:
    """What a solver found.

    Attributes:
        value: min D_f - αH as this solver sees it: the cost of `policy` (primal) or α J (dual). Infinite if no
            policy can keep the divergence finite.
        policy: (states, actions).
        logits: (states, actions), -∞ at illegal actions. Its softmax is `policy`; its soft value solves the dual.
        divergence: D_f(ρ_π ‖ ρ_E) of that policy.
        entropy: H = -E_ρ[log π].
        gap: an upper bound on how far `value` is from the optimum (cost of the policy less αJ).
        converged: gap ≤ tolerance.
        num_evaluations: how often the objective and its gradient were computed.
        values: the objective at every evaluation, for plots.
        gaps: the certified gap at the start of every round.
        seconds: wall time.
    """

    value: float
    policy: Table
    logits: Table
    divergence: float
    entropy: float
    gap: float
    converged: bool
    num_evaluations: int
    values: list[float] = field(repr=False)
    gaps: list[float] = field(repr=False)
    seconds: float


@dataclass(frozen=True)
class Problem:
    """min D_f(ρ_π ‖ ρ_E) - αH on the keys that keep it finite.

    `expert` and everything else here is one vector over keys (see `mdp.Keys`). With a `buffer` the divergence is the
    frozen mixture's Σ (ρ_E-ρ)²/(ρ_E+ρ_B), whose φ-term is ρ_E x - (ρ_E+ρ_B) x²/4.

    `sampled`: φ is averaged over the texts that may be typed. A reward off the data then matters even where it is not
    the least that is allowed, since it moves V(s') of the one text and not of the other: `free` are the keys for which
    it is an unknown.
    """

    mdp: StringMDP
    expert: Vector
    divergence: Divergence
    gamma: float
    alpha: float
    buffer: Vector | None
    support: Bool[Tensor, " keys"]
    floor: Vector
    missed: float
    feasible: bool
    sampled: bool
    free: Bool[Tensor, " keys"]

    @property
    def penalised(self) -> Vector:
        """Whose r² is penalised: ρ_E, and ρ_B where there is a buffer."""
        return self.expert if self.buffer is None else self.expert + self.buffer

    @classmethod
    def of(
        cls,
        mdp: StringMDP,
        expert_occupancy: Any,
        divergence: str | Divergence,
        gamma: float,
        alpha: float,
        buffer: Vector | None = None,
        sampled: bool = False,
    ) -> Problem:
        """Check the arguments and find out which keys may be pressed, and what they earn where the expert never
        presses them."""
        chosen = get_divergence(divergence)
        check_discount(gamma)
        if not (alpha > 0 and math.isfinite(alpha)):
            raise ValueError(f"alpha is {alpha}; the weight of the entropy must be a positive number")
        expert = checked_occupancy(mdp, expert_occupancy, "expert occupancy")
        legal = mdp.keys(torch.tensor(mdp.legal)).flatten()
        support = legal & (expert > 0 if buffer is None else expert + buffer > 0)
        price = chosen.scale * chosen.slope_at_infinity
        usable = legal if math.isfinite(price) else support
        viable, usable = _viable(mdp, usable, legal)
        # A state that nothing usable leads to needs some policy all the same: there every legal key earns the same.
        stranded = mdp.per_key(~viable) & legal
        edge = -price / alpha if math.isfinite(price) else 0.0
        floor = torch.full_like(expert, -math.inf)
        floor[stranded] = 0.0
        floor[usable] = edge
        # What the expert does and the learner must not, to stay among usable keys, costs f(0) whatever she does.
        lost = support & ~usable
        missed = expert[lost].sum().item() * chosen.f_at_zero if lost.any() else 0.0
        if buffer is not None and lost.any():
            missed = (expert[lost] ** 2 / (expert + buffer)[lost]).sum().item()
        missed *= chosen.scale
        support, sampled = support & usable, sampled and mdp.noise > 0
        free = usable & ~support & sampled
        return cls(mdp, expert, chosen, gamma, alpha, buffer, support, floor, missed, bool(viable[0]), sampled, free)

    def at(self, alpha: float) -> Problem:
        """The same problem with another weight of the entropy."""
        return replace(self, alpha=alpha, floor=self.floor * (self.alpha / alpha))

    def infeasible(self) -> Solution:
        """No policy keeps the divergence finite."""
        policy = self.mdp.uniform()
        with np.errstate(divide="ignore"):
            logits = np.log(policy)
        return Solution(math.inf, policy, logits, math.inf, math.nan, 0.0, True, 0, [], [], 0.0)

    # the primal's side

    def cost(self, policy: Vector, occupancy: Vector) -> Tensor:
        """D_f - αH of a policy."""
        log_policy = torch.log(torch.where(policy > 0, policy, 1.0))
        return self.distance(occupancy) + self.alpha * (occupancy * log_policy).sum()

    def distance(self, occupancy: Vector) -> Tensor:
        """D_f(ρ ‖ ρ_E), or the frozen mixture's."""
        if self.buffer is None:
            return self.divergence.integrand(occupancy, self.expert).sum()
        both = self.penalised
        return torch.where(both > 0, (self.expert - occupancy) ** 2 / torch.where(both > 0, both, 1.0), 0.0).sum()

    def bound(self, occupancy: Vector) -> float:
        """α J at the reward that would be optimal if `occupancy` were: a lower bound on every policy's cost."""
        reward = self.rewards(self.log_ratio(occupancy))
        values, _ = soft_values(self.mdp, reward, self.gamma)
        return self.alpha * (self.gain(reward[self.support], values) - (1 - self.gamma) * values[0]).item()

    # the dual's side; the unknowns are log u, one per key on the data, and how far above its floor αr is, one per
    # free key

    def log_ratio(self, occupancy: Vector) -> Tensor:
        """The unknowns that are right if `occupancy` is the learner's: log(ρ/ρ_E), or the reward itself where that is
        not used; and 0, the floor."""
        return torch.cat([self._log_ratio(occupancy), torch.zeros(int(self.free.sum()), dtype=torch.float64)])

    def _log_ratio(self, occupancy: Vector) -> Tensor:
        on_data = self.expert[self.support]
        if self.buffer is not None:
            return 2 * (on_data - occupancy[self.support]) / self.penalised[self.support]
        if not self.divergence.smooth:
            return torch.clamp(on_data - occupancy[self.support], -1, 1) * 0
        return torch.log(torch.clamp(occupancy[self.support] / on_data, min=1e-300))

    def split(self, unknowns: Tensor) -> tuple[Tensor, Tensor]:
        """The unknowns on the data, and those off it."""
        on_data = int(self.support.sum())
        return unknowns[:on_data], unknowns[on_data:]

    def rewards(self, unknowns: Tensor) -> Vector:
        """r: on the data -f'(u)/α, off it its floor, unless it is free."""
        on_data, above = self.split(unknowns)
        everywhere = self.floor.masked_scatter(self.support, self._reward(on_data))
        return everywhere.masked_scatter(self.free, self.floor[self.free] + above / self.alpha)

    def _reward(self, unknowns: Tensor) -> Tensor:
        """On the data."""
        if self.buffer is not None or not self.divergence.smooth:
            return unknowns / self.alpha
        if not (self.sampled and math.isfinite(self.divergence.peak)):
            return self.divergence.reward(torch.exp(unknowns)) / self.alpha
        # A mean reward may lie beyond -f'(0), if what is earned for the likeliest text does not: along a line, then.
        at_one = torch.zeros((), dtype=torch.float64, requires_grad=True)
        with torch.enable_grad():
            level = self.divergence.reward(torch.exp(at_one))
            (slope,) = torch.autograd.grad(level, at_one)
        rarer = level.detach() + slope * unknowns
        oftener = self.divergence.reward(torch.exp(torch.clamp(unknowns, min=0.0)))
        return torch.where(unknowns < 0, rarer, oftener) / self.alpha

    def curvature(self, unknowns: Tensor, occupancy: Vector) -> Tensor:
        """The size of -∂²J/∂unknown², roughly: what makes all unknowns equally easy to find."""
        on_data, _ = self.split(unknowns)
        return torch.cat([self._curvature(on_data, occupancy), occupancy[self.free] / self.alpha**2])

    def _curvature(self, unknowns: Tensor, occupancy: Vector) -> Tensor:
        on_data = self.expert[self.support]
        if self.buffer is not None:
            return self.penalised[self.support] / self.alpha + occupancy[self.support] / self.alpha**2
        if not self.divergence.smooth:
            return on_data / self.alpha**2
        unknowns = unknowns.detach().requires_grad_()
        (slope,) = torch.autograd.grad(self._reward(unknowns).sum(), unknowns)
        return on_data * torch.exp(unknowns.detach()) * (slope.abs() + slope**2)

    def box(self, unknowns: Tensor) -> tuple[Tensor, Tensor]:
        """How far the unknowns may move in one round."""
        on_data, above = self.split(unknowns)
        free = torch.clamp(above - TRUST, min=0.0), above + TRUST
        if not self.divergence.smooth:
            edge = -self.divergence.domain * (1 - 1e-12)  # inside after rounding, too
            within = torch.full_like(on_data, -edge), torch.full_like(on_data, edge)
        else:
            within = on_data - TRUST, on_data + TRUST
        return torch.cat([within[0], free[0]]), torch.cat([within[1], free[1]])

    def logits(self, unknowns: Tensor, values: Float[Tensor, " states"]) -> Tensor:
        """ℓ = r + γ E[V(s')] as a table, -∞ at illegal actions."""
        keys = self.mdp.unflatten(self.rewards(unknowns) + self.gamma * self.mdp.next_values(values).flatten())
        return self.mdp.table(keys, illegal=-math.inf)

    def gain(self, reward: Tensor, values: Float[Tensor, " states"], extend: bool = False) -> Tensor:
        """E_E[(1/α) φ(α r)] of the rewards on the data, with a buffer E_E[r] - c (E_E + E_B)[r²]; `sampled` averages
        over the text that is really typed φ, or r², instead of r."""
        on_data, x = self.expert[self.support], self.alpha * reward
        if self.buffer is not None:
            penalised = self.penalised[self.support]
            mean = self.missed + (on_data * x - penalised * x**2 / 4).sum()
            if self.sampled:  # E[x²] is x² of the mean, plus the variance
                typed, surprise = self._outcomes(values)
                variance = (typed * (self.alpha * surprise) ** 2).sum(dim=1)
                mean = mean - (penalised[: len(variance)] * variance).sum() / 4
            return mean / self.alpha
        phi = self._extended_phi if extend else self.divergence.phi
        if not self.sampled:
            return (self.missed + (on_data * phi(x)).sum()) / self.alpha
        typed, surprise = self._outcomes(values)
        tokens = len(typed)
        outcomes = on_data[:tokens, None] * typed * phi(x[:tokens, None] + self.alpha * surprise)
        return (self.missed + outcomes.sum() + (on_data[tokens:] * phi(x[tokens:])).sum()) / self.alpha

    def _outcomes(self, values: Float[Tensor, " states"]) -> tuple[Tensor, Tensor]:
        """Of the tokens on the data, which come first in the support: what may be typed, (pressed, typed), with what
        probability, and how much the reward is then above its mean, γ(E[V(s')] - V(s'))."""
        texts, pressed = self.mdp.unflatten(self.support).tokens.nonzero().T
        children = values[self.mdp.num_tokens * texts[:, None] + 1 + torch.arange(self.mdp.num_tokens)]
        other = self.mdp.noise / (self.mdp.num_tokens - 1)
        typed = torch.full_like(children, other).scatter(1, pressed[:, None], 1 - self.mdp.noise)
        return typed, self.gamma * ((typed * children).sum(dim=1, keepdim=True) - children)

    def _extended_phi(self, x: Tensor) -> Tensor:
        """φ, continued by its second-order expansion just above the edge, so that a line search can step out and
        back."""
        edge = self.divergence.domain
        if not math.isfinite(edge):
            return self.divergence.phi(x)
        near = torch.tensor(edge + EXTENSION, dtype=x.dtype).requires_grad_()
        value = self.divergence.phi(near)
        (slope,) = torch.autograd.grad(value, near, create_graph=True)
        (bend,) = torch.autograd.grad(slope, near) if slope.requires_grad else (torch.zeros(()),)  # a line: tv
        step = torch.clamp(x - near.detach(), max=0)
        outside = value.detach() + slope.detach() * step + bend / 2 * step**2
        inside = self.divergence.phi(torch.where(step < 0, near.detach(), x))
        return torch.where(step < 0, outside, inside)

    @answers_in_kind
    def objective(self, logits: Tensor) -> Tensor:
        """J(ℓ); see the public `objective`."""
        legal = torch.tensor(self.mdp.legal)
        masked = torch.where(legal, logits.double(), -math.inf)
        keys = self.mdp.keys(masked, illegal=-math.inf)
        everywhere = replace(self, support=self.mdp.keys(legal).flatten() & (self.penalised > 0), missed=0.0)
        values, _ = soft_maximum(self.mdp, keys)
        reward = keys.flatten() - self.gamma * self.mdp.next_values(values).flatten()
        x = torch.where(self.mdp.keys(legal).flatten(), self.alpha * reward, math.inf)
        slack = 1e-9 * (1 + abs(self.divergence.domain)) if math.isfinite(self.divergence.domain) else 0.0
        beyond = x < torch.full_like(x, self.divergence.domain).masked_fill(
            ~everywhere.support, self.divergence.domain - slack
        )
        if beyond.any():
            return torch.full((), -math.inf, dtype=torch.float64)
        return everywhere.gain(reward[everywhere.support], values) - (1 - self.gamma) * values[0]


def check_next_value(next_value: str) -> None:
    """Refuse any other way for V of the next text to enter r than these two."""
    if next_value not in ("expectation", "sample"):
        raise ValueError(f'next_value is {next_value!r}; it must be "expectation" or "sample"')


def checked_occupancy(mdp: StringMDP, occupancy: Any, what: str) -> Vector:
    """An occupancy table as a checked vector over keys."""
    table = as_tensor(occupancy).detach().double()
    wanted = (mdp.num_states, mdp.num_actions)
    if tuple(table.shape) != wanted:
        raise ValueError(f"{what} has shape {tuple(table.shape)}; {wanted} (states, actions) was wanted")
    check_measure(what, occupancy)
    keys = mdp.keys(table).flatten()
    if (table[~torch.tensor(mdp.legal)] > 0).any():
        raise ValueError(f"{what} has mass on illegal actions; it must be 0 there")
    return keys


def _viable(mdp: StringMDP, usable: Tensor, legal: Tensor) -> tuple[Tensor, Tensor]:
    """The states in which one can go on for ever on usable keys, and the keys that keep one among them."""
    while True:
        keys = mdp.unflatten(usable)
        viable = keys.eos | keys.backspace
        viable = torch.cat([viable[: mdp.num_inner] | keys.tokens.any(dim=1), viable[mdp.num_inner :]])
        lost = mdp.next_values((~viable).double())
        kept = usable & (lost.flatten() == 0)
        if bool((kept == usable).all()):
            return viable, usable
        usable = kept


def checked_policy(mdp: StringMDP, policy: Any) -> Keys:
    """A policy's keys, after `StringMDP.check_policy`."""
    table = as_tensor(policy).detach()
    mdp.check_policy(table)
    return mdp.keys(table.double())
