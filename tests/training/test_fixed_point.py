"""The proof: with logits as a table and every expectation exact, the loss of `training` goes to the exact optimum."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
import scipy.optimize
import torch

import oracles
from smatch_edu.exact.mdp import TERMINALS, StringMDP
from smatch_edu.exact.tabular import maximise_objective, sampled_mixture
from smatch_edu.training.objectives import Trajectories, training_objective

SETTINGS = list(itertools.product(["clean", "noised"], TERMINALS, [True, False], [0.0, 0.3]))


def expert_on(rng, mdp, demonstrations, gamma):
    """ρ_E of two texts: typed on a perfect keyboard; or on the learner's, by somebody who takes every slip back."""
    sequences = oracles.random_sequences(rng, mdp.num_tokens, mdp.max_length, 2)
    if demonstrations == "clean":
        clean = mdp.without_noise()
        return clean.occupancy(clean.demonstrator(*sequences), gamma)
    policy = mdp.demonstrator(*sequences)
    on_path = mdp.without_noise().occupancy(policy, gamma).sum(axis=1) > 0
    if mdp.backspace:
        wrong = ~on_path & mdp.legal[:, -1]
        policy[wrong] = np.eye(mdp.num_actions)[-1]
    return mdp.occupancy(policy, gamma)


def every_transition(mdp, table, occupancy, gamma):
    """All legal pairs as trajectories of one step, each as often as it is met: Σ_i γ^i E[f] = Σ ρ(s,a)/(1-γ) f(s,a)."""
    states, actions = np.nonzero(mdp.legal[: mdp.num_texts])
    reached = dataclasses.replace(mdp, noise=0.0).step(states, actions, np.random.default_rng(0))
    found = Trajectories.on_table(mdp, table, np.stack([states, reached], 1), actions[:, None], "expectation")
    often = occupancy[states, actions] / (1 - gamma) * len(states)
    return dataclasses.replace(found, weights=often[:, None].expand(found.actions.shape).clone())


def objective_of(mdp, table, expert, sampled, gamma, alpha):
    """J/(1-γ) of the training loss; V(s_0), which training takes from the demonstrations' first texts, is added."""
    terms = training_objective(
        every_transition(mdp, table, expert, gamma),
        table[mdp.absorbing, mdp.eos],
        divergence="sampled_mixture",
        gamma=gamma,
        alpha=alpha,
        model=every_transition(mdp, table, sampled, gamma),
    )
    start = torch.logsumexp(table[0][torch.tensor(mdp.legal[0])], dim=0)
    return terms.data - terms.model_penalty - start


def policy_of(mdp, table):
    return torch.softmax(table.masked_fill(~torch.tensor(mdp.legal), -math.inf), dim=1)


def explored(mdp, policy, exploration):
    return (1 - exploration) * policy + exploration * torch.tensor(mdp.uniform())


def gradient_at(mdp, unknowns, expert, gamma, alpha, exploration):
    """∂J/∂ℓ at every legal pair, the model's samples held fixed."""
    legal = torch.tensor(mdp.legal)
    table = torch.zeros(mdp.legal.shape, dtype=torch.float64).masked_scatter(legal, torch.as_tensor(unknowns))
    sampled = mdp.occupancy(explored(mdp, policy_of(mdp, table), exploration), gamma)
    table.requires_grad_()
    (gradient,) = torch.autograd.grad(objective_of(mdp, table, expert, sampled, gamma, alpha), table)
    return gradient[legal].numpy()


@pytest.mark.parametrize(("demonstrations", "terminal", "backspace", "exploration"), SETTINGS)
def test_the_fixed_point_of_the_training_loss_is_the_exact_optimum(
    rng, demonstrations, terminal, backspace, exploration
):
    gamma, alpha = float(rng.uniform(0.6, 0.9)), float(rng.choice([0.1, 0.3, 1.0]))
    mdp = StringMDP(2, 2, backspace, noise=float(rng.uniform(0.05, 0.3)), terminal=terminal)
    expert = torch.tensor(expert_on(rng, mdp, demonstrations, gamma))
    if exploration:
        best = sampled_mixture(mdp, expert, gamma, alpha, exploration=exploration, tolerance=1e-9)
    else:  # tests/exact/test_tabular.py holds the two against each other
        best = maximise_objective(mdp, expert, "skew_kl", gamma, alpha, tolerance=1e-12)

    legal = mdp.legal
    at_best = gradient_at(mdp, best.logits[legal], expert, gamma, alpha, exploration)
    elsewhere = best.logits[legal] + 0.02 * rng.normal(size=legal.sum())
    assert np.abs(at_best).max() <= 1e-6 < np.abs(gradient_at(mdp, elsewhere, expert, gamma, alpha, exploration)).max()

    # And from somewhere else one comes to it: Newton's method on the stationarity of the loss.
    found = scipy.optimize.root(
        lambda point: gradient_at(mdp, point, expert, gamma, alpha, exploration), elsewhere, options={"xtol": 1e-13}
    )
    assert np.abs(found.fun).max() <= 1e-8
    table = torch.zeros(legal.shape, dtype=torch.float64).masked_scatter(torch.tensor(legal), torch.tensor(found.x))
    policy = policy_of(mdp, table).numpy()
    met = mdp.occupancy(policy, gamma).sum(axis=1) > 1e-6  # where nobody ever is, anything may be pressed
    np.testing.assert_allclose(policy[met], best.policy[met], atol=1e-6)


def test_with_the_text_that_was_reached_clean_demonstrations_lead_elsewhere(rng):
    """What kept SequenceMatch from winning: no linear term ever touches V after a slip."""
    mdp, gamma, alpha = StringMDP(2, 2, noise=0.2), 0.9, 0.1
    expert = torch.tensor(expert_on(rng, mdp, "clean", gamma))
    best = maximise_objective(mdp, expert, "skew_kl", gamma, alpha)
    table = torch.tensor(np.where(mdp.legal, best.logits, 0.0)).requires_grad_()
    sampled = mdp.occupancy(torch.tensor(best.policy), gamma)
    states, actions = np.nonzero(mdp.legal[: mdp.num_texts])
    reached = mdp.without_noise().step(states, actions, rng)  # a demonstration reaches the text that it meant
    data = every_transition(mdp, table, expert, gamma)
    values = torch.logsumexp(table.masked_fill(~torch.tensor(mdp.legal), -math.inf), dim=1)
    ahead = torch.nn.functional.pad(values[torch.tensor(reached)][:, None], (0, data.actions.shape[1] - 1))
    data = dataclasses.replace(data, next_values=ahead)
    terms = training_objective(
        data,
        table[mdp.absorbing, mdp.eos],
        divergence="sampled_mixture",
        gamma=gamma,
        alpha=alpha,
        model=every_transition(mdp, table, sampled, gamma),
    )
    start = torch.logsumexp(table[0][torch.tensor(mdp.legal[0])], dim=0)
    (gradient,) = torch.autograd.grad(terms.data - terms.model_penalty - start, table)
    assert gradient.abs().max() > 1e-3
