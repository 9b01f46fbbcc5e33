"""Occupancy by two sweeps over the tree of texts, against a sparse direct solver, in one run. `make bench` runs it.

26 letters, backspace, 10 % noise. One core. Medians of interleaved repetitions; ratios, because machines differ.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np
import scipy.sparse
import torch
from scipy.sparse.linalg import spsolve
from table import Table, machine, median

from smatch_edu.exact import StringMDP

GAMMA = 0.9


def two_sweeps(mdp: StringMDP, policy: torch.Tensor) -> torch.Tensor:
    return mdp.occupancy(policy, GAMMA)


def sparse_solver(mdp: StringMDP, policy: torch.Tensor) -> np.ndarray:
    """(I - γ Pᵀ) v = (1-γ) e_0, matrix included: it has to be built for every policy."""
    transitions = mdp.transition_matrix(policy)
    start = np.zeros(mdp.num_states)
    start[0] = 1 - GAMMA
    visits = spsolve(scipy.sparse.eye_array(mdp.num_states, format="csc") - GAMMA * transitions.T.tocsc(), start)
    return visits[:, None] * policy.numpy()


def backward(mdp: StringMDP, policy: torch.Tensor) -> float:
    """Seconds for the gradient of a quadratic in the occupancy."""
    leaf = policy.clone().requires_grad_()
    loss = mdp.occupancy(leaf, GAMMA).square().sum()
    start = time.perf_counter()
    loss.backward()
    return time.perf_counter() - start


def timed(function, *arguments):
    start = time.perf_counter()
    answer = function(*arguments)
    return time.perf_counter() - start, answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=7, help="repetitions of each")
    parser.add_argument("--longest", type=int, default=5, help="up to this many letters (5 needs 12 GB)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(machine())
    rows = Table(
        [
            "letters",
            "states",
            "two sweeps s",
            "ns/state",
            "backward s",
            "sparse solve s",
            "ratio",
            "difference",
            "peak GB",
        ]
    )
    for letters in range(2, arguments.longest + 1):
        mdp = StringMDP(26, letters, backspace=True, noise=0.1)
        policy = random_policy(mdp)
        largest = letters >= 5
        pairs = [[], [], []]
        difference = float("nan")
        for _ in range(1 + (2 if largest else arguments.pairs)):  # the first touches fresh memory and is not counted
            seconds, occupancy = timed(two_sweeps, mdp, policy)
            pairs[0].append(seconds)
            if not largest:
                pairs[1].append(backward(mdp, policy))
                seconds, direct = timed(sparse_solver, mdp, policy)
                pairs[2].append(seconds)
                difference = float(np.abs(occupancy.numpy() - direct).max())
        forward = median(pairs[0][1:])
        gradient, direct_seconds = (median(times[1:]) if len(times) > 1 else float("nan") for times in pairs[1:])
        rows.add(
            letters,
            f"{mdp.num_states:,}",
            f"{forward:.4f}",
            f"{1e9 * forward / mdp.num_states:.0f}",
            f"{gradient:.4f}",
            f"{direct_seconds:.4f}",
            f"{direct_seconds / forward:.1f}×",
            f"{difference:.0e}",
            f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f}",
        )
        rows.print_last()


def random_policy(mdp: StringMDP) -> torch.Tensor:
    """Random over legal actions, made without a second table."""
    policy = torch.rand(
        mdp.num_states, mdp.num_actions, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    )
    policy[mdp.num_inner :, : mdp.num_tokens] = 0
    policy[0, -1] = 0
    policy[-1, :] = 0
    policy[-1, mdp.eos] = 1
    return policy.div_(policy.sum(dim=1, keepdim=True))


if __name__ == "__main__":
    main()
