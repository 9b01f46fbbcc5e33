"""Exact divergence minimisation on a `StringMDP`: over policies (primal), and over logits (dual).

    min_π D_f(ρ_π ‖ ρ_E) - α H(π)  =  α max_ℓ J(ℓ),     J(ℓ) = E_E[(1/α) φ(α r)] - (1-γ) V(s0)
    r(s,a) = ℓ(a|s) - γ E[V(s')],   V(s) = log Σ_a exp ℓ(a|s)

Each side bounds the other, so every answer carries its own certificate, the duality gap: the cost of the policy
found, less the dual value of a reward found. Neither solver is told it is done by anything else.

The dual climbs in the *reward*: it is a smooth bijection of the logits, J is concave in it, and where the expert
never goes it is known (the edge of φ's domain, -f'(∞)), so only the rewards on the data are unknown. They are
written as αr = -f'(u), u > 0, which is the domain of φ and no more; at the optimum u = ρ_π/ρ_E.

What a problem is made of is in `problem`, the two ways to its optimum are in `solvers`.

Built by hand in notebooks/04_duality.ipynb. Source: Cundy & Ermon 2023, section 3; Garg et al. 2021, section 4.
"""

from __future__ import annotations

import contextlib
import math
import time
from dataclasses import replace
from typing import Any

import numpy as np
import scipy
import torch
from torch import Tensor

from smatch_edu.exact.divergences import Divergence
from smatch_edu.exact.mdp import Keys, StringMDP
from smatch_edu.exact.problem import Problem, Solution, check_next_value, checked_occupancy
from smatch_edu.exact.soft_values import soft_values
from smatch_edu.exact.solvers import solution_of, solve_dual, solve_primal
from smatch_edu.support.arrays import as_tensor
from smatch_edu.support.errors import first_index

NEWTON = 60  # steps of Newton's method, each of some ten evaluations
STEPS = 8  # of exploring, where it cannot be found at once
LEAST = 1e-200  # near the smallest number that there is, 1e-308, others lose their digits
ROUNDING = 1e-12  # Newton's method tries for no more


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
        max_rounds: of `solvers.ROUND` evaluations each; if they do not suffice, `converged` is False.

    Raises:
        ValueError: anything out of range, of the wrong shape, or not a distribution.
    """
    problem = Problem.of(mdp, expert_occupancy, divergence, gamma, alpha)
    if not problem.feasible:
        return problem.infeasible()
    if not problem.divergence.smooth:
        dual = solve_dual(problem, initial_policy, tolerance, max_rounds)
        cost = dual.divergence - alpha * dual.entropy
        return replace(dual, value=cost, values=[cost], num_evaluations=1)
    return solve_primal(problem, problem.cost, problem.bound, initial_policy, tolerance, max_rounds)


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
            (Jensen), and its `gap` is an estimate from the gradient, since no divergence is being minimised: no small
            step improves on what is found. Total variation is not solved so (`converged` is False).

        The other arguments and the errors are those of `minimise_divergence`.
    """
    check_next_value(next_value)
    problem = Problem.of(mdp, expert_occupancy, divergence, gamma, alpha, sampled=next_value == "sample")
    if not problem.feasible:
        return problem.infeasible()
    return solve_dual(problem, initial_policy, tolerance, max_rounds)


def sampled_mixture(
    mdp: StringMDP,
    expert_occupancy: Any,
    gamma: float = 0.9,
    alpha: float = 1.0,
    *,
    next_value: str = "expectation",
    buffer: Any = None,
    exploration: float = 0.0,
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
            to it is slow: it is found by Newton's method (`refresh` and `max_refreshes` play no part; nor do they where
            the learner explores).
        buffer: (states, actions). If given it stays frozen, and the optimum is that of Σ (ρ_E-ρ_π)²/(ρ_E+ρ_B) - αH
            (with samples: that of J_B; the buffer must then hold every legal action that the expert never takes).
        exploration: ε in [0, 1], the share of presses in the learner's samples that are any legal key, uniformly. The
            buffer's occupancy is then that of (1-ε)π + ε·uniform, and the fixed point r = (ρ_E - ρ_π)/(2c(ρ_E + ρ_B))
            is that of Σ (ρ_E-ρ_π)²/(ρ_E+ρ_B) with the explorer's ρ_B held fixed; as ε → 0 it is the skew KL's.
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
    if not 0 <= exploration <= 1:
        raise ValueError(f"exploration is {exploration}; it must be in [0, 1]")
    check_next_value(next_value)
    start = time.perf_counter()
    frozen, sampled = buffer is not None, next_value == "sample" and mdp.noise > 0
    if not frozen:
        if sampled or exploration:
            return _on_policy_fixed_point(mdp, expert_occupancy, gamma, alpha, sampled, exploration, tolerance)
        buffer = mdp.occupancy(mdp.uniform(), gamma)
    held = checked_occupancy(mdp, buffer, "buffer")
    policy, values, gaps, evaluations, distance = None, [], [], 0, math.inf
    for _ in range(1 if frozen else max_refreshes):
        problem = Problem.of(mdp, expert_occupancy, "chi2", gamma, alpha, buffer=held, sampled=sampled)
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
        solution = solve_dual(problem, policy, inner, 40 if frozen else 1)
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


def _exploring(mdp: StringMDP, policy: Keys, exploration: float) -> Keys:
    """(1-ε) π + ε · uniform over legal keys."""
    anything = mdp.keys(as_tensor(mdp.uniform()))
    return Keys(
        *((1 - exploration) * own + exploration * any_key for own, any_key in zip(policy, anything, strict=True))
    )


def _on_policy_fixed_point(
    mdp: StringMDP,
    expert_occupancy: Any,
    gamma: float,
    alpha: float,
    sampled: bool,
    exploration: float,
    tolerance: float,
) -> Solution:
    """Where ∂J_B/∂r = 0, with sampled next values or not, and ρ_B is the occupancy of the policy as it explores.

    Newton's method, its Jacobian known along Krylov directions. It starts from the optimum of the skew KL, which is
    the fixed point with expected next values and without exploring; where that leads nowhere, ε grows in steps, each
    from the fixed point of the last. Each equation is divided by ρ_E + ρ_B: a reward that is rarely earned must be as
    right as one that is often. Where less than LEAST is earned, numbers have no digits left for that, and the reward
    stays what it is for the skew KL.
    """
    start = time.perf_counter()
    skew = maximise_objective(mdp, expert_occupancy, "skew_kl", gamma, alpha)
    learner = mdp.key_occupancy(_exploring(mdp, mdp.keys(as_tensor(skew.policy)), exploration), gamma)
    problem = Problem.of(mdp, expert_occupancy, "chi2", gamma, alpha, buffer=learner, sampled=sampled)
    begun = unknowns = problem.log_ratio(learner).numpy()
    earned = problem.penalised[problem.support] >= LEAST
    warm: Tensor | None = None
    reached: list[float] = []
    residuals: list[float] = []

    def evaluate(unknowns: np.ndarray, epsilon: float) -> tuple[Problem, Tensor, Keys, Tensor]:
        nonlocal warm
        point = as_tensor(unknowns).requires_grad_()
        reward = problem.rewards(point)
        values, policy = soft_values(mdp, reward, gamma, warm)
        warm, policy = values.detach(), Keys(*(part.detach() for part in policy))
        held = replace(problem, buffer=mdp.key_occupancy(_exploring(mdp, policy, epsilon), gamma))
        value = alpha * (held.gain(reward[held.support], values) - (1 - gamma) * values[0])
        (gradient,) = torch.autograd.grad(value, point)
        reached.append(value.item())
        residual = torch.where(earned, gradient / held.penalised[held.support], point.detach() - as_tensor(begun))
        return held, warm, policy, residual

    def note(found: np.ndarray, residual: np.ndarray) -> None:
        nonlocal unknowns
        unknowns = found.copy()
        residuals.append(float(np.abs(residual).max()))

    at_once, in_steps = [exploration], [exploration * step / STEPS for step in range(1, STEPS + 1)]
    for way in (at_once, in_steps):
        unknowns, warm = begun, None
        for epsilon in way:
            with contextlib.suppress(scipy.optimize.NoConvergence, ValueError):  # a ValueError where no step helps
                scipy.optimize.newton_krylov(
                    lambda point, epsilon=epsilon: evaluate(point, epsilon)[-1].numpy(),
                    unknowns,
                    f_tol=max(tolerance, ROUNDING),
                    maxiter=NEWTON,
                    callback=note,
                )
        held, values, policy, last = evaluate(unknowns, exploration)
        note(unknowns, last.numpy())  # and `gap` says how it ended
        if residuals[-1] <= tolerance or not exploration:
            break
    logits = held.logits(as_tensor(unknowns), values)
    return solution_of(held, reached[-1], policy, logits, residuals, tolerance, start, reached)


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
    problem = Problem.of(mdp, expert_occupancy, divergence, gamma, alpha, sampled=next_value == "sample")
    given, wanted = tuple(as_tensor(logits).shape), (mdp.num_states, mdp.num_actions)
    if given != wanted:
        raise ValueError(f"logits have shape {given}; {wanted} (states, actions) was wanted")
    return problem.objective(logits)
