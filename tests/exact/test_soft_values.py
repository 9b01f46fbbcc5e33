"""Soft values: against plain iteration, and the two identities on which the duality rests."""

import numpy as np
import pytest
import torch
from scipy.special import logsumexp, softmax, xlogy

import oracles
from smatch_edu.exact.mdp import StringMDP
from smatch_edu.exact.soft_values import soft_values


@pytest.fixture(params=[(2, 2, True, 0.2), (3, 1, True, 0.0), (2, 2, False, 0.3), (2, 1, False, 0.0)], ids=str)
def case(request, rng):
    """A small keyboard, a discount, its dense transitions (states, actions, states) and a random reward."""
    size, length, backspace, noise = request.param
    mdp = StringMDP(size, length, backspace=backspace, noise=noise)
    reward = np.where(mdp.legal, rng.normal(size=mdp.legal.shape), -np.inf)
    return mdp, float(rng.uniform(0.5, 0.95)), oracles.transition_tensor(size, length, backspace, noise), reward


def test_soft_values_are_the_fixed_point_found_by_iteration(case):
    mdp, gamma, transitions, reward = case
    values = np.zeros(mdp.num_states)
    for _ in range(800):
        logits = reward + gamma * transitions @ values
        values = logsumexp(logits, axis=1)
    found, policy = soft_values(mdp, mdp.keys(torch.tensor(reward), illegal=-np.inf).flatten(), gamma)
    np.testing.assert_allclose(found, values, atol=1e-10)
    np.testing.assert_allclose(mdp.table(policy), softmax(logits, axis=1), atol=1e-10)


def test_any_values_telescope_to_the_start_under_any_policy(case, rng):
    mdp, gamma, transitions, _ = case
    values = rng.normal(size=mdp.num_states)
    occupancy = mdp.occupancy(oracles.random_policy(rng, mdp.legal), gamma)
    steps = (occupancy * (values[:, None] - gamma * transitions @ values)).sum()
    assert steps == pytest.approx((1 - gamma) * values[0], abs=1e-12)


def test_what_a_policy_earns_is_the_start_value_less_its_distance_from_the_softmax(case, rng):
    mdp, gamma, _, reward = case
    values, best = soft_values(mdp, mdp.keys(torch.tensor(reward), illegal=-np.inf).flatten(), gamma)
    best = mdp.table(best).numpy()
    for policy in (oracles.random_policy(rng, mdp.legal), best):
        occupancy = mdp.occupancy(policy, gamma)
        visits = occupancy.sum(axis=1)
        earned = (occupancy * np.where(mdp.legal, reward, 0)).sum() - (visits[:, None] * xlogy(policy, policy)).sum()
        ratio = np.where(mdp.legal, policy / np.where(best > 0, best, 1), 1)
        apart = (visits[:, None] * xlogy(policy, ratio)).sum()
        assert earned == pytest.approx((1 - gamma) * values[0].item() - apart, abs=1e-10)
        assert (apart < 1e-12) == (policy is best)
