"""Soft values: what the best entropy-regularised policy for a given reward earns from every text.

    V(s) = log Σ_a exp(r(s,a) + γ E[V(s')]),    π(a|s) = exp(r(s,a) + γ E[V(s')] - V(s))

Source: Cundy & Ermon 2023, section 3; Haarnoja et al. 2017 (soft policy iteration).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from smatch_edu.exact.mdp import Keys, StringMDP


def soft_maximum(mdp: StringMDP, logits: Keys) -> tuple[Float[Tensor, " states"], Keys]:
    """V(s) = log Σ_a exp ℓ(a|s), and the policy exp(ℓ - V)."""
    values = torch.logaddexp(logits.eos, logits.backspace)
    inner = torch.logaddexp(torch.logsumexp(logits.tokens, dim=1), values[: mdp.num_inner])
    values = torch.cat([inner, values[mdp.num_inner :]])
    policy = Keys(
        torch.exp(logits.tokens - values[: mdp.num_inner, None]),
        torch.exp(logits.eos - values),
        torch.exp(logits.backspace - values),
    )
    return values, policy


def soft_values(
    mdp: StringMDP, reward: Float[Tensor, " keys"], gamma: float, start: Float[Tensor, " states"] | None = None
) -> tuple[Float[Tensor, " states"], Keys]:
    """The fixed point of V(s) = log Σ_a exp(r(s,a) + γ E[V(s')]), and its policy: soft policy iteration, Newton's
    method here.

    Each step evaluates the current policy exactly (`StringMDP.values`), so convergence is quadratic. The last step
    is taken with gradient: as the error of a step is quadratic in the error before it, its derivative is exact.

    Args:
        reward: one number per key, -∞ for a key that is never pressed; may require grad.
        start: values to start from.
    """

    def improve(reward_of: Keys, values: Tensor) -> tuple[Tensor, Keys]:
        ahead = mdp.next_values(values)
        logits = Keys(*(r + gamma * v for r, v in zip(reward_of, ahead, strict=True)))
        maximum, policy = soft_maximum(mdp, logits)
        return values + mdp.values(policy, gamma, maximum - values), policy

    values = torch.zeros(mdp.num_states, dtype=torch.float64) if start is None else start
    with torch.no_grad():
        fixed = mdp.unflatten(reward.detach())
        for _ in range(60):
            better, _ = improve(fixed, values)
            change = (better - values).abs().max().item()
            values = better
            if not change > 1e-8 * (1 + values.abs().max().item()):
                break
    return improve(mdp.unflatten(reward), values)
