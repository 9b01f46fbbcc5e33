"""Exact divergence minimisation on a `StringMDP`: over policies (primal), and over logits (dual).

    min_π D_f(ρ_π ‖ ρ_E) - α H(π)  =  α max_ℓ J(ℓ),     J(ℓ) = E_E[(1/α) φ(α r)] - (1-γ) V(s0)
    r(s,a) = ℓ(a|s) - γ E[V(s')],   V(s) = log Σ_a exp ℓ(a|s)

Each side bounds the other, so every answer carries its own certificate, the duality gap: the cost of the policy
found, less the dual value of a reward found. Neither solver is told it is done by anything else.

The dual climbs in the *reward*: it is a smooth bijection of the logits, J is concave in it, and where the expert
never goes it is known (the edge of φ's domain, -f'(∞)), so only the rewards on the data are unknown. They are
written as αr = -f'(u), u > 0, which is the domain of φ and no more; at the optimum u = ρ_π/ρ_E.

Built by hand in notebooks/04_duality.ipynb. Source: Cundy & Ermon 2023, section 3; Garg et al. 2021, section 4.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.optimize import NoConvergence, minimize, newton_krylov
from torch import Tensor

from smatch_edu.arrays import answers_in_kind, as_tensor
from smatch_edu.divergences import Divergence, check_measure, first_index, get_divergence
from smatch_edu.mdp import Keys, StringMDP, check_discount
from smatch_edu.soft_values import soft_maximum, soft_values

Table = Float[np.ndarray, "states actions"]
Vector = Float[Tensor, " keys"]

TRUST = 4.0  # one round of the solver moves log u, or a policy's logit, by at most this much
ROUND = 250  # evaluations in one round
NEWTON = 60  # steps of Newton's method, each of some ten evaluations
ROUNDING = 1e-12  # Newton's method tries for no more
START = 5.0  # a warm start takes log(ρ/ρ_E) from its policy, up to this size
NEVER, BLEND = 1e-12, 1e-3  # a warm start that presses a key less often than NEVER is blended with the uniform policy
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


# -- the public solvers ------------------------------------------------------------------------------------------


def minimise_divergence(
    mdp: StringMDP,
    expert_occupancy: Any,
    divergence: str | Divergence = "chi2",
    gamma: float = 0.9,
    alpha: float = 1.0,
    *,
    initial_policy: Any = None,
    tolerance: float = 1e-8,
    max_rounds: int = 40,
) -> Solution:
    """Primal: minimise D_f(ρ_π ‖ ρ_E) - αH(π) over policies, by quasi-Newton steps on their logits.

    Total variation has no gradient at its optimum: its policy is taken from the dual, and its cost evaluated here.

    Args:
        mdp: the keyboard that the learner types on.
        expert_occupancy: ρ_E, (states, actions); for clean demonstrations the occupancy on `mdp.without_noise()`.
        divergence: a key of `DIVERGENCES`, or a `Divergence`.
        gamma: discount, in (0, 1).
        alpha: weight of the entropy, > 0.
        initial_policy: warm start, (states, actions).
        tolerance: the gap at which to stop.
        max_rounds: of `ROUND` evaluations each; if they do not suffice, `converged` is False.

    Raises:
        ValueError: anything out of range, of the wrong shape, or not a distribution.
    """
    problem = Problem.of(mdp, expert_occupancy, divergence, gamma, alpha)
    if not problem.feasible:
        return problem.infeasible()
    if not problem.divergence.smooth:
        dual = ascend(problem, False, initial_policy, tolerance, max_rounds)
        cost = dual.divergence - alpha * dual.entropy
        return replace(dual, value=cost, values=[cost], num_evaluations=1)
    return descend(problem, problem.cost, problem.bound, initial_policy, tolerance, max_rounds)


def maximise_objective(
    mdp: StringMDP,
    expert_occupancy: Any,
    divergence: str | Divergence = "chi2",
    gamma: float = 0.9,
    alpha: float = 1.0,
    *,
    next_value: str = "expectation",
    initial_policy: Any = None,
    tolerance: float = 1e-8,
    max_rounds: int = 40,
) -> Solution:
    """Dual: maximise J(ℓ). Reports α·max J, which equals the primal's value, and the policy softmax ℓ.

    Args:
        next_value: "expectation": r subtracts γE[V(s')]. "sample": φ is averaged over rewards that subtract γV(s')
            for the s' that was typed, as training on trajectories does; with noise its optimum is another one
            (Jensen), and its `gap` is an estimate from the gradient, since no divergence is being minimised. Total
            variation is not solved so (`converged` is False).

        The other arguments and the errors are those of `minimise_divergence`.
    """
    check_next_value(next_value)
    problem = Problem.of(mdp, expert_occupancy, divergence, gamma, alpha)
    if not problem.feasible:
        return problem.infeasible()
    sampled = next_value == "sample" and mdp.noise > 0
    return ascend(problem, sampled, initial_policy, tolerance, max_rounds)


def sampled_mixture(
    mdp: StringMDP,
    expert_occupancy: Any,
    gamma: float = 0.9,
    alpha: float = 1.0,
    *,
    next_value: str = "expectation",
    buffer: Any = None,
    refresh: float = 0.5,
    tolerance: float = 1e-7,
    max_refreshes: int = 200,
) -> Solution:
    """The mixture as the paper trains it: maximise J_B = E_E[r - c r²] - c E_B[r²] - (1-γ)V(s0), c = α/4, with the
    samples B held fixed.

    Between maximisations the buffer takes in the new learner: ρ_B ← (1-refresh) ρ_B + refresh ρ_π. The fixed point has
    r = (ρ_E - ρ_π)/(2c(ρ_E + ρ_π)), the stationarity condition of the *skew KL*, not of the χ²-mixture.

    Args:
        next_value: "expectation" or "sample", as in `maximise_objective`. With samples both squares also pay for the
            spread of V: J_B is less by cγ² Σ (ρ_E + ρ_B) Var V(s'). No divergence has this fixed point, and the walk
            to it is slow: it is found by Newton's method (`refresh` and `max_refreshes` play no part).
        buffer: (states, actions). If given it stays frozen, and the optimum is that of Σ (ρ_E-ρ_π)²/(ρ_E+ρ_B) - αH
            (with samples: that of J_B; the buffer must then hold every legal action that the expert never takes).
        refresh: in (0, 1], the share of the buffer that is new.
        tolerance: on the `gap`.

    Returns:
        A `Solution`; its `divergence` is Σ (ρ_E-ρ_π)²/(ρ_E+ρ_B), and `gap` the total distance between buffer and
        learner. With samples it is the largest |∂J_B/∂r| in units of ρ_E + ρ_B; if frozen, that of
        `maximise_objective`.

    Source: Cundy & Ermon 2023, section 3; Al-Hafez et al. 2023 (LS-IQ).
    """
    if not 0 < refresh <= 1:
        raise ValueError(f"refresh is {refresh}; it must be in (0, 1]")
    check_next_value(next_value)
    start = time.perf_counter()
    frozen, sampled = buffer is not None, next_value == "sample" and mdp.noise > 0
    if not frozen:
        if sampled:
            return _buffer_of_its_own(mdp, expert_occupancy, gamma, alpha, tolerance)
        buffer = mdp.occupancy(mdp.uniform(), gamma)
    held = checked_occupancy(mdp, buffer, "buffer")
    policy, values, gaps, evaluations, distance = None, [], [], 0, math.inf
    for _ in range(1 if frozen else max_refreshes):
        problem = Problem.of(mdp, expert_occupancy, "chi2", gamma, alpha, buffer=held)
        if not problem.feasible:
            return problem.infeasible()
        if sampled and not problem.support.equal(mdp.keys(torch.tensor(mdp.legal)).flatten()):
            missing = torch.tensor(mdp.legal) & (as_tensor(buffer) + as_tensor(expert_occupancy) == 0)
            state, action = first_index(missing)
            raise ValueError(
                f"neither buffer nor expert ever takes action {action} in state {state}; with sampled next values "
                "every legal action must have mass in one of them"
            )
        # A gap of g leaves the occupancy wrong by about √g, which has to be small beside the step of the buffer.
        inner = tolerance if frozen else min(1e-3 * distance**2, 1e-6)
        solution = ascend(problem, sampled, policy, inner, 40 if frozen else 1)
        policy = solution.policy
        learner = mdp.key_occupancy(mdp.keys(as_tensor(policy)), gamma)
        distance = solution.gap if frozen else (held - learner).abs().sum().item()
        values += solution.values
        gaps.append(distance)
        evaluations += solution.num_evaluations
        if frozen or distance <= tolerance:
            break
        held = (1 - refresh) * held + refresh * learner
    return Solution(
        value=solution.value,
        policy=solution.policy,
        logits=solution.logits,
        divergence=solution.divergence,
        entropy=solution.entropy,
        gap=distance,
        converged=solution.converged if frozen else distance <= tolerance,
        num_evaluations=evaluations,
        values=values,
        gaps=gaps,
        seconds=time.perf_counter() - start,
    )


def _buffer_of_its_own(mdp: StringMDP, expert_occupancy: Any, gamma: float, alpha: float, tolerance: float) -> Solution:
    """Where ∂J_B/∂r = 0 with sampled next values and ρ_B = ρ_π.

    Newton's method, its Jacobian known along Krylov directions. It starts from the optimum of the skew KL, which is
    the fixed point with expected next values. Each equation is divided by ρ_E + ρ_π: a reward that is rarely earned
    must be as right as one that is often.
    """
    start = time.perf_counter()
    skew = maximise_objective(mdp, expert_occupancy, "skew_kl", gamma, alpha)
    learner = mdp.key_occupancy(mdp.keys(as_tensor(skew.policy)), gamma)
    problem = Problem.of(mdp, expert_occupancy, "chi2", gamma, alpha, buffer=learner)
    unknowns = problem.log_ratio(learner).numpy()
    warm: Tensor | None = None
    reached: list[float] = []
    residuals: list[float] = []

    def evaluate(unknowns: np.ndarray) -> tuple[Problem, Tensor, Keys, Tensor]:
        nonlocal warm
        point = as_tensor(unknowns).requires_grad_()
        reward = problem.reward(point)
        values, policy = soft_values(mdp, problem.rewards_everywhere(reward), gamma, warm)
        warm, policy = values.detach(), Keys(*(part.detach() for part in policy))
        held = replace(problem, buffer=mdp.key_occupancy(policy, gamma))
        value = alpha * (held.gain(reward, values, sampled=True) - (1 - gamma) * values[0])
        (gradient,) = torch.autograd.grad(value, point)
        reached.append(value.item())
        return held, warm, policy, gradient / held.penalised[held.support]

    def note(found: np.ndarray, residual: np.ndarray) -> None:
        nonlocal unknowns
        unknowns = found.copy()
        residuals.append(float(np.abs(residual).max()))

    with contextlib.suppress(NoConvergence, ValueError):  # a ValueError where no step helps; `gap` says how it ended
        newton_krylov(
            lambda point: evaluate(point)[-1].numpy(),
            unknowns,
            f_tol=max(tolerance, ROUNDING),
            maxiter=NEWTON,
            callback=note,
        )
    held, values, policy, last = evaluate(unknowns)
    note(unknowns, last.numpy())
    logits = held.logits(as_tensor(unknowns), values)
    return _solution(held, reached[-1], policy, logits, residuals, tolerance, start, reached)


def objective(
    mdp: StringMDP,
    expert_occupancy: Any,
    logits: Any,
    divergence: str | Divergence = "chi2",
    gamma: float = 0.9,
    alpha: float = 1.0,
    *,
    next_value: str = "expectation",
) -> Any:
    """J(ℓ) exactly: E_E[(1/α) φ(α r)] - (1-γ) V(s0); -∞ where αr leaves φ's domain at any legal (s,a), on the data
    or off it.

    Args:
        logits: (states, actions), numpy array or tensor; illegal entries are ignored.
        next_value: "expectation" or "sample", as in `maximise_objective`. Off the data, where φ is not evaluated,
            the domain is that of the expected reward either way.

    Returns:
        A float; a tensor, differentiable in the logits, if they are one.
    """
    check_next_value(next_value)
    problem = Problem.of(mdp, expert_occupancy, divergence, gamma, alpha)
    given, wanted = tuple(as_tensor(logits).shape), (mdp.num_states, mdp.num_actions)
    if given != wanted:
        raise ValueError(f"logits have shape {given}; {wanted} (states, actions) was wanted")
    return problem.objective(logits, sampled=next_value == "sample")


# -- the problem -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Problem:
    """min D_f(ρ_π ‖ ρ_E) - αH on the keys that keep it finite.

    `expert` and everything else here is one vector over keys (see `mdp.Keys`). With a `buffer` the divergence is the
    frozen mixture's Σ (ρ_E-ρ)²/(ρ_E+ρ_B), whose φ-term is ρ_E x - (ρ_E+ρ_B) x²/4.
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
        return cls(mdp, expert, chosen, gamma, alpha, buffer, support & usable, floor, missed, bool(viable[0]))

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
        reward = self.reward(self.log_ratio(occupancy))
        values, _ = soft_values(self.mdp, self.rewards_everywhere(reward), self.gamma)
        return self.alpha * (self.gain(reward, values, sampled=False) - (1 - self.gamma) * values[0]).item()

    # the dual's side; `log_ratio` = log u, the unknowns, one per key on the data

    def log_ratio(self, occupancy: Vector) -> Tensor:
        """The unknowns that are right if `occupancy` is the learner's: log(ρ/ρ_E); the reward itself where that is
        not used."""
        on_data = self.expert[self.support]
        if self.buffer is not None:
            return 2 * (on_data - occupancy[self.support]) / self.penalised[self.support]
        if not self.divergence.smooth:
            return torch.clamp(on_data - occupancy[self.support], -1, 1) * 0
        return torch.log(torch.clamp(occupancy[self.support] / on_data, min=1e-300))

    def reward(self, unknowns: Tensor) -> Tensor:
        """r on the data: -f'(u)/α."""
        if self.buffer is not None or not self.divergence.smooth:
            return unknowns / self.alpha
        return self.divergence.reward(torch.exp(unknowns)) / self.alpha

    def curvature(self, unknowns: Tensor, occupancy: Vector) -> Tensor:
        """The size of -∂²J/∂unknown², roughly: what makes all unknowns equally easy to find."""
        on_data = self.expert[self.support]
        if self.buffer is not None:
            return self.penalised[self.support] / self.alpha + occupancy[self.support] / self.alpha**2
        if not self.divergence.smooth:
            return on_data / self.alpha**2
        unknowns = unknowns.detach().requires_grad_()
        (slope,) = torch.autograd.grad(self.reward(unknowns).sum(), unknowns)
        return on_data * torch.exp(unknowns.detach()) * (slope.abs() + slope**2)

    def box(self, unknowns: Tensor) -> tuple[Tensor, Tensor]:
        """How far the unknowns may move in one round."""
        if not self.divergence.smooth:
            edge = -self.divergence.domain * (1 - 1e-12)  # inside after rounding, too
            return torch.full_like(unknowns, -edge), torch.full_like(unknowns, edge)
        return unknowns - TRUST, unknowns + TRUST

    def logits(self, unknowns: Tensor, values: Float[Tensor, " states"]) -> Tensor:
        """ℓ = r + γ E[V(s')] as a table, -∞ at illegal actions."""
        reward = self.rewards_everywhere(self.reward(unknowns))
        keys = self.mdp.unflatten(reward + self.gamma * self.mdp.next_values(values).flatten())
        return self.mdp.table(keys, illegal=-math.inf)

    def rewards_everywhere(self, reward: Tensor) -> Vector:
        """The rewards on the data, completed by the edge of the domain where the expert never goes."""
        return self.floor.masked_scatter(self.support, reward)

    def gain(self, reward: Tensor, values: Float[Tensor, " states"], sampled: bool, extend: bool = False) -> Tensor:
        """E_E[(1/α) φ(α r)], with a buffer E_E[r] - c (E_E + E_B)[r²]; `sampled` averages over the text that is really
        typed φ, or r², instead of r."""
        on_data, x = self.expert[self.support], self.alpha * reward
        slips = sampled and self.mdp.noise > 0
        if self.buffer is not None:
            penalised = self.penalised[self.support]
            mean = self.missed + (on_data * x - penalised * x**2 / 4).sum()
            if slips:  # E[x²] is x² of the mean, plus the variance
                typed, surprise = self._outcomes(values)
                variance = (typed * (self.alpha * surprise) ** 2).sum(dim=1)
                mean = mean - (penalised[: len(variance)] * variance).sum() / 4
            return mean / self.alpha
        phi = self._extended_phi if extend else self.divergence.phi
        if not slips:
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
            return self.divergence.phi(x, clipped=False)
        near = torch.tensor(edge + EXTENSION, dtype=x.dtype).requires_grad_()
        value = self.divergence.phi(near, clipped=False)
        (slope,) = torch.autograd.grad(value, near, create_graph=True)
        (bend,) = torch.autograd.grad(slope, near) if slope.requires_grad else (torch.zeros(()),)  # a line: tv
        step = torch.clamp(x - near.detach(), max=0)
        outside = value.detach() + slope.detach() * step + bend / 2 * step**2
        inside = self.divergence.phi(torch.where(step < 0, near.detach(), x), clipped=False)
        return torch.where(step < 0, outside, inside)

    @answers_in_kind
    def objective(self, logits: Tensor, sampled: bool) -> Tensor:
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
        return everywhere.gain(reward[everywhere.support], values, sampled) - (1 - self.gamma) * values[0]


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
    check_measure(what, table)
    keys = mdp.keys(table).flatten()
    nowhere_to_go_back = table[[0, mdp.absorbing], mdp.num_tokens + 1 :]
    if not abs(keys.sum().item() - 1) < 1e-6 or nowhere_to_go_back.sum() > 0:
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


# -- the two solvers ---------------------------------------------------------------------------------------------


class Minimiser:
    """Rounds of L-BFGS-B on a function of scaled unknowns, each inside a box; keeps the values that it saw."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        self.function = function
        self.values: list[float] = []

    def gradient(self, unknowns: Tensor) -> Tensor:
        """∂function/∂unknowns; the value is recorded."""
        point = unknowns.detach().requires_grad_()
        value = self.function(point)
        (gradient,) = torch.autograd.grad(value, point)
        self.values.append(value.item())
        return gradient

    def round(self, unknowns: Tensor, scale: Tensor, lower: Tensor, upper: Tensor) -> Tensor:
        """Up to `ROUND` evaluations from `unknowns` on; unknown i is measured in units of 1/scale_i."""

        def scaled_function(scaled: np.ndarray) -> tuple[float, np.ndarray]:
            gradient = self.gradient(as_tensor(scaled) / scale)
            return self.values[-1], (gradient / scale).numpy()

        found = minimize(
            scaled_function,
            (unknowns * scale).numpy(),
            jac=True,
            method="L-BFGS-B",
            bounds=np.stack([(lower * scale).numpy(), (upper * scale).numpy()], axis=1),
            options={"maxiter": ROUND, "maxfun": ROUND, "ftol": 0, "gtol": 1e-14, "maxcor": 20},
        )
        return as_tensor(found.x) / scale


def ascend(problem: Problem, sampled: bool, initial_policy: Any, tolerance: float, max_rounds: int) -> Solution:
    """Maximise J over the rewards on the data until the gap is closed."""
    start, mdp, gamma, alpha = time.perf_counter(), problem.mdp, problem.gamma, problem.alpha
    warm: Tensor | None = None

    def dual(unknowns: Tensor, extend: bool = False) -> tuple[Tensor, Tensor, Keys]:
        nonlocal warm
        reward = problem.reward(unknowns)
        values, policy = soft_values(mdp, problem.rewards_everywhere(reward), gamma, warm)
        warm = values.detach()
        return alpha * (problem.gain(reward, values, sampled, extend) - (1 - gamma) * values[0]), values, policy

    if initial_policy is None:
        unknowns = torch.zeros(int(problem.support.sum()), dtype=torch.float64)
    else:
        unknowns = problem.log_ratio(mdp.key_occupancy(checked_policy(mdp, initial_policy), gamma)).clamp(-START, START)
    minimiser = Minimiser(lambda point: -dual(point, extend=sampled)[0])
    gaps: list[float] = []
    for round_number in range(max_rounds + 1):
        with torch.no_grad():
            value, values, policy = dual(unknowns)
            occupancy = mdp.key_occupancy(policy, gamma)
        scale = torch.sqrt(problem.curvature(unknowns, occupancy) + 1e-30)
        gradient = minimiser.gradient(unknowns) / scale
        if sampled:
            gaps.append(alpha * float(gradient @ gradient) / 2 if value.isfinite() else math.inf)
        else:
            gaps.append((problem.cost(policy.flatten(), occupancy) - value).item())
        if gaps[-1] <= tolerance or round_number == max_rounds:
            break
        if round_number > 0 and problem.divergence.smooth and problem.buffer is None and not sampled:
            # Far from where the policy says they should be, the unknowns are on a plateau.
            learned = problem.log_ratio(occupancy)
            unknowns = torch.clamp(unknowns, learned - TRUST, learned + TRUST)
        # L-BFGS-B's first step has length 1: let it move no unknown by more than 1/2.
        first_step = (gradient / scale).abs().max() / gradient.norm().clamp(min=1e-300)
        unknowns = minimiser.round(unknowns, scale * first_step.clamp(min=1e-12) * 2, *problem.box(unknowns))
    logits = problem.logits(unknowns, values)
    found = _solution(problem, value.item(), policy, logits, gaps, tolerance, start, [-v for v in minimiser.values])
    return replace(found, policy=torch.softmax(logits, dim=1).numpy())


def descend(
    problem: Problem,
    cost: Callable[[Vector, Vector], Tensor],
    bound: Callable[[Vector], float] | None,
    initial_policy: Any,
    tolerance: float,
    max_rounds: int,
) -> Solution:
    """Minimise `cost(policy, occupancy)` over policies' logits until `bound(occupancy)` meets it.

    Without a bound the gap is ∞, and it has converged when the gradient promises less than `tolerance`.
    """
    start, mdp, gamma = time.perf_counter(), problem.mdp, problem.gamma
    free = problem.floor > -math.inf

    def primal(unknowns: Tensor) -> tuple[Tensor, Keys, Vector]:
        logits = torch.full_like(problem.floor, -math.inf).masked_scatter(free, unknowns)
        _, policy = soft_maximum(mdp, mdp.unflatten(logits))
        occupancy = mdp.key_occupancy(policy, gamma)
        return cost(policy.flatten(), occupancy), policy, occupancy

    if initial_policy is None:
        unknowns = torch.zeros(int(free.sum()), dtype=torch.float64)
    else:
        given = checked_policy(mdp, initial_policy).flatten()
        if (given[free] < NEVER).any():  # where a key is hardly ever pressed the gradient is too small to bring it back
            given = (1 - BLEND) * given + BLEND * mdp.keys(as_tensor(mdp.uniform())).flatten()
        unknowns = torch.log(given[free])
    minimiser = Minimiser(lambda point: primal(point)[0])
    gaps: list[float] = []
    for round_number in range(max_rounds + 1):
        with torch.no_grad():
            value, policy, occupancy = primal(unknowns)
        scale = torch.sqrt(occupancy[free] + 1e-12)
        if bound is None:
            gradient = minimiser.gradient(unknowns) / scale
            gaps.append(math.inf)
            done = float(gradient @ gradient) / 2 <= tolerance
        else:
            gaps.append(value.item() - bound(occupancy))
            done = gaps[-1] <= tolerance
        if done or round_number == max_rounds:
            break
        unknowns = minimiser.round(unknowns, scale, unknowns - TRUST, unknowns + TRUST)
    logits = torch.full_like(problem.floor, -math.inf).masked_scatter(free, unknowns)
    table = mdp.table(mdp.unflatten(logits), illegal=-math.inf)
    found = _solution(problem, value.item(), policy, table, gaps, tolerance, start, minimiser.values)
    return replace(found, converged=done)


def _solution(
    problem: Problem,
    value: float,
    policy: Keys,
    logits: Tensor,
    gaps: list[float],
    tolerance: float,
    start: float,
    values: list[float],
) -> Solution:
    occupancy = problem.mdp.key_occupancy(policy, problem.gamma)
    return Solution(
        value=value,
        policy=problem.mdp.table(policy).numpy(),
        logits=logits.numpy(),
        divergence=problem.distance(occupancy).item(),
        entropy=-torch.special.xlogy(occupancy, policy.flatten()).sum().item(),
        gap=gaps[-1],
        converged=gaps[-1] <= tolerance,
        num_evaluations=len(values),
        values=values,
        gaps=gaps,
        seconds=time.perf_counter() - start,
    )


def checked_policy(mdp: StringMDP, policy: Any) -> Keys:
    """A policy's keys, after `StringMDP.check_policy`."""
    table = as_tensor(policy).detach().double()
    mdp.check_policy(table)
    return mdp.keys(table)
