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
    n = mdp.num_inner
    most = torch.maximum(logits.eos, logits.backspace).detach()
    most = torch.cat([torch.maximum(most[:n], logits.tokens.detach().amax(dim=1)), most[n:]])
    # Measured from the likeliest key: exp(ℓ - V) would not sum to 1 where V is so large that its rounding matters.
    tokens = torch.exp(logits.tokens - most[:n, None])
    eos, backspace = torch.exp(logits.eos - most), torch.exp(logits.backspace - most)
    total = eos + backspace
    total = torch.cat([total[:n] + tokens.sum(dim=1), total[n:]])
    return most + torch.log(total), Keys(tokens / total[:n, None], eos / total, backspace / total)


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
            size = values.abs().max().item()
            if not change > min(1e-8 * (1 + size), 1e-5 + 1e-14 * size):
                break
    return improve(mdp.unflatten(reward), values)
