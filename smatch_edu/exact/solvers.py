"""Two ways to the optimum of a `Problem`: up through rewards (dual), and down through policies (primal).

Each bounds the other, so both stop at a certified gap; see `tabular`, which is where to begin.

Source: the certificate is strong duality, Cundy & Ermon 2023, section 3; L-BFGS-B is scipy's.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

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
FALL = 4.0  # how far α falls in one step of a path
EASY = 0.1  # from here on down, for a divergence of scale 1, a path leads to α
NEARLY = 0.1  # on the path an optimum is found to so many α: the gap is α E_ρ[KL] from the best policy, or more
PATIENCE = 4  # a gap that is not halved in so many rounds is stuck
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


class Climb(NamedTuple):
    """Where a climb at one α came to.

    Attributes:
        unknowns: (on the data,) log u; see `Problem.reward`.
        height: αJ.
        values: (states,), V.
        policy: the best one for these values.
        gaps: at the start of every round, and at the end.
        heights: αJ at every evaluation.
    """

    unknowns: Tensor
    height: float
    values: Tensor
    policy: Keys
    gaps: list[float]
    heights: list[float]


def solve_dual(problem: Problem, initial_policy: Any, tolerance: float, max_rounds: int) -> Solution:
    """Maximise J over the rewards on the data until the gap is closed, along a path of falling α where one is needed.

    αr is a price in units of the divergence, and a policy feels it divided by α: the smaller α, the smaller the part
    of the space in which J is not flat. But the optimum's αr hardly moves with α, so two optima at larger α,
    continued along a line, lie near the next one. Where a step of the path fails a shorter one is tried; where its
    start fails, one from further up.
    """
    start, target = time.perf_counter(), problem.alpha
    as_expert = torch.zeros(int((problem.support | problem.free).sum()), dtype=torch.float64)
    alpha, guess = target, as_expert
    if initial_policy is not None:
        occupancy = problem.mdp.key_occupancy(checked_policy(problem.mdp, initial_policy), problem.gamma)
        guess = problem.log_ratio(occupancy).clamp(-START, START)
    else:
        while alpha * FALL <= EASY * problem.divergence.scale:
            alpha *= FALL
    path: list[tuple[float, Tensor]] = []  # the optima so far, by falling α
    best: Climb | None = None
    evaluations = 0
    while True:
        wanted = tolerance if alpha == target else NEARLY * alpha
        found = climb(problem.at(alpha), guess, wanted, max_rounds)
        max_rounds -= len(found.gaps) - 1
        evaluations += len(found.heights)
        if alpha == target and (best is None or not best.gaps[-1] <= found.gaps[-1]):  # NaN is worse than any
            best = found
        if max_rounds <= 0 or (alpha == target and found.gaps[-1] <= tolerance):
            break
        if found.gaps[-1] <= wanted:
            path.append((alpha, found.unknowns))
            alpha = max(target, alpha / FALL)
        elif path:
            alpha = math.sqrt(alpha * path[-1][0])
        else:
            alpha *= FALL**2
        guess = continued(path, alpha, problem) if path else as_expert
    if best is None:  # the rounds were used up on the way
        best = climb(problem, continued(path, target, problem) if path else as_expert, tolerance, 0)
    logits = problem.logits(best.unknowns, best.values)
    solution = solution_of(problem, best.height, best.policy, logits, best.gaps, tolerance, start, best.heights)
    return replace(solution, policy=torch.softmax(logits, dim=1).numpy(), num_evaluations=evaluations)


def continued(path: list[tuple[float, Tensor]], alpha: float, problem: Problem) -> Tensor:
    """Where the optimum at `alpha` should be: on the line through the last two of the path, within the box."""
    (last, unknowns), (before, earlier) = path[-1], path[max(len(path) - 2, 0)]
    slope = (unknowns - earlier) / (before - last) if before > last else torch.zeros_like(unknowns)
    return torch.clamp(unknowns + (last - alpha) * slope, *problem.box(unknowns))


def climb(problem: Problem, unknowns: Tensor, tolerance: float, max_rounds: int) -> Climb:
    """Maximise J from `unknowns` on, until the gap is closed or stops closing."""
    mdp, gamma, alpha = problem.mdp, problem.gamma, problem.alpha
    warm: Tensor | None = None

    def dual(unknowns: Tensor, extend: bool = False) -> tuple[Tensor, Tensor, Keys]:
        nonlocal warm
        reward = problem.rewards(unknowns)
        values, policy = soft_values(mdp, reward, gamma, warm)
        warm = values.detach()
        gain = problem.gain(reward[problem.support], values, extend)
        return alpha * (gain - (1 - gamma) * values[0]), values, policy

    minimiser = Minimiser(lambda point: -dual(point, extend=problem.sampled)[0])
    gaps: list[float] = []
    for round_number in range(max_rounds + 1):
        with torch.no_grad():
            value, values, policy = dual(unknowns)
            occupancy = mdp.key_occupancy(policy, gamma)
        scale = torch.sqrt(problem.curvature(unknowns, occupancy) + 1e-30)
        lower, upper = problem.box(unknowns)
        gradient = minimiser.gradient(unknowns) / scale
        if problem.sampled:
            gradient = torch.where((unknowns <= lower) & (gradient > 0), 0.0, gradient)  # at its floor, best lower
            gaps.append(float(gradient @ gradient) / (2 * alpha) if value.isfinite() else math.inf)
        else:
            gaps.append((problem.cost(policy.flatten(), occupancy) - value).item())
        stuck = math.isnan(gaps[-1]) or (round_number >= PATIENCE and gaps[-1] > gaps[-1 - PATIENCE] / 2)
        if gaps[-1] <= tolerance or stuck or round_number == max_rounds:
            break
        if round_number > 0 and problem.divergence.smooth and problem.buffer is None and not problem.sampled:
            # Far from where the policy says they should be, the unknowns are on a plateau.
            learned = problem.log_ratio(occupancy)
            unknowns = torch.clamp(unknowns, learned - TRUST, learned + TRUST)
            lower, upper = problem.box(unknowns)
        # L-BFGS-B's first step has length 1: let it move no unknown by more than 1/2.
        first_step = (gradient / scale).abs().max() / gradient.norm().clamp(min=1e-300)
        unknowns = minimiser.round(unknowns, scale * first_step.clamp(min=1e-12) * 2, lower, upper)
    return Climb(unknowns, value.item(), values, policy, gaps, [-v for v in minimiser.values])


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
