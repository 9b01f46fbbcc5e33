"""Two ways to the optimum of a `Problem`: up through rewards (dual), and down through policies (primal).

Each bounds the other, so both stop at a certified gap; see `tabular`, which is where to begin.

Source: the certificate is strong duality, Cundy & Ermon 2023, section 3; L-BFGS-B is scipy's.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import scipy
import torch
from torch import Tensor

from smatch_edu.exact.mdp import Keys
from smatch_edu.exact.problem import TRUST, Problem, Solution, Vector, checked_policy
from smatch_edu.exact.soft_values import soft_maximum, soft_values
from smatch_edu.support.arrays import as_tensor

ROUND = 250  # evaluations in one round
START = 5.0  # a warm start takes log(ρ/ρ_E) from its policy, up to this size
NEVER, BLEND = 1e-12, 1e-3  # a warm start that presses a key less often than NEVER is blended with the uniform policy


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

        found = scipy.optimize.minimize(
            scaled_function,
            (unknowns * scale).numpy(),
            jac=True,
            method="L-BFGS-B",
            bounds=np.stack([(lower * scale).numpy(), (upper * scale).numpy()], axis=1),
            options={"maxiter": ROUND, "maxfun": ROUND, "ftol": 0, "gtol": 1e-14, "maxcor": 20},
        )
        return as_tensor(found.x) / scale


def solve_dual(problem: Problem, sampled: bool, initial_policy: Any, tolerance: float, max_rounds: int) -> Solution:
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
            gaps.append(float(gradient @ gradient) / (2 * alpha) if value.isfinite() else math.inf)
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
    found = solution_of(problem, value.item(), policy, logits, gaps, tolerance, start, [-v for v in minimiser.values])
    return replace(found, policy=torch.softmax(logits, dim=1).numpy())


def solve_primal(
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
    found = solution_of(problem, value.item(), policy, table, gaps, tolerance, start, minimiser.values)
    return replace(found, converged=done)


def solution_of(
    problem: Problem,
    value: float,
    policy: Keys,
    logits: Tensor,
    gaps: list[float],
    tolerance: float,
    start: float,
    values: list[float],
) -> Solution:
    """What was found at this policy, with what it cost to find."""
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
