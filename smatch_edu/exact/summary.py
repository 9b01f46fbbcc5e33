"""A machine-written summary of the paper gives a loss. Here it is, exactly, to be held against the real one.

    D(p, q) = E_p[log p/q] + E_q[log q/p] + λ E_pq[log pq/(p·q)] + μ E_q[log q(b|x)/p(b|x)] + η E_pq[(p-q)²/pq]

with p = ρ_E, q = ρ_π, pq their product, b = `<backspace>`. It is not the paper's objective: the λ term is zero whatever
the policy, and the μ term forbids the key that it is meant to introduce. Read critically in
notebooks/A1_reading_the_summary.ipynb.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from smatch_edu.exact.mdp import StringMDP, check_discount
from smatch_edu.exact.problem import Problem, Solution, Vector, checked_occupancy
from smatch_edu.exact.solvers import solve_primal
from smatch_edu.support.arrays import as_tensor


class SummaryTerms(NamedTuple):
    """The terms of the summary objective, each before its weight."""

    forward_kl: Any
    reverse_kl: Any
    product: Any
    backspace: Any
    squared: Any


def summary_terms(mdp: StringMDP, policy: Any, expert_occupancy: Any, gamma: float) -> SummaryTerms:
    """The five terms that a machine-written summary of the paper gives as "the" objective, on occupancies p = ρ_E, q
    = ρ_π.

    forward_kl: E_p[log p/q]; reverse_kl: E_q[log q/p]; product: E_pq[log pq/(p·q)], zero whatever the policy, since
    pq *is* p·q;
    backspace: E_q[log q(b|x)/p(b|x)], infinite as soon as the learner deletes where the demonstrator never does;
    squared: E_pq[(p-q)²/pq], which is Σ (p-q)² over what either can do. It is not the paper's objective:
    notebooks/A1_reading_the_summary.

    Returns:
        Floats, or tensors with gradient if `policy` is a tensor.
    """
    check_discount(gamma)
    expert = checked_occupancy(mdp, expert_occupancy, "expert occupancy")
    table = as_tensor(policy)
    mdp.check_policy(table.detach())
    table = table.double()
    terms = _terms(mdp, table, expert, gamma)
    return terms if isinstance(policy, Tensor) else SummaryTerms(*(term.item() for term in terms))


def minimise_summary_objective(
    mdp: StringMDP,
    expert_occupancy: Any,
    gamma: float = 0.9,
    *,
    product_weight: float = 1.0,
    backspace_weight: float = 1.0,
    squared_weight: float = 1.0,
    initial_policy: Any = None,
    max_rounds: int = 10,
) -> Solution:
    """Minimise E_p[log p/q] + E_q[log q/p] + λ·product + μ·backspace + η·squared over policies (see `summary_terms`).

    The reverse KL in it keeps the learner off every key that the expert never presses; if that is impossible the
    value is infinite. There is no dual, so `gap` is ∞ and `converged` says only that the gradient vanished.
    """
    weights = torch.tensor([1.0, 1.0, product_weight, backspace_weight, squared_weight], dtype=torch.float64)
    if not (torch.isfinite(weights).all() and (weights >= 0).all()):
        raise ValueError(f"weights are {weights[2:].tolist()}; each must be finite and ≥ 0")
    problem = Problem.of(mdp, expert_occupancy, "reverse_kl", gamma, 1.0)
    if not problem.feasible:
        return problem.infeasible()

    def cost(policy: Vector, occupancy: Vector) -> Tensor:
        table = mdp.table(mdp.unflatten(policy))
        terms = torch.stack(list(_terms(mdp, table, problem.expert, gamma)))
        return (torch.where(weights > 0, weights * terms, 0.0)).sum()

    return solve_primal(problem, cost, None, initial_policy, 1e-10, max_rounds)


def _terms(mdp: StringMDP, policy: Tensor, p: Vector, gamma: float) -> SummaryTerms:
    """The five terms, p and the policy checked already."""
    q = mdp.key_occupancy(mdp.keys(policy), gamma)
    expert, learner = mdp.unflatten(p), mdp.unflatten(q)
    visits = expert.eos + expert.backspace
    visits = torch.cat([visits[: mdp.num_inner] + expert.tokens.sum(dim=1), visits[mdp.num_inner :]])
    expert_deletes = torch.where(visits > 0, expert.backspace / torch.where(visits > 0, visits, 1.0), 0.0)
    return SummaryTerms(
        forward_kl=_expected_log_ratio(p, p, q),
        reverse_kl=_expected_log_ratio(q, q, p),
        product=_expected_log_ratio(p * q, p * q, p * q),
        backspace=_expected_log_ratio(learner.backspace, mdp.keys(policy).backspace, expert_deletes),
        squared=((p - q) ** 2).sum(),
    )


def _expected_log_ratio(weight: Tensor, above: Tensor, below: Tensor) -> Tensor:
    """Σ weight log(above/below) where there is weight; ∞ if below is 0 there."""
    present = weight > 0
    finite = present & (below > 0)
    ratio = torch.where(finite, above, 1.0) / torch.where(finite, below, 1.0)
    infinite = (present & (below == 0)).any()
    return torch.where(infinite, math.inf, torch.where(finite, weight * torch.log(ratio), 0.0).sum())
