"""Exact divergence minimisation: two solvers, their certificates, the objective on logits, and what they all minimise.

The oracle is a convex program in the occupancy (tests/oracles.py), which shares no code and no method with the package.
"""

import functools
import itertools
import math
from dataclasses import replace
from typing import NamedTuple

import cvxpy as cp
import numpy as np
import pytest
import torch
from scipy.optimize import minimize

import oracles
from smatch_edu.exact import solvers, tabular
from smatch_edu.exact.divergences import DIVERGENCES
from smatch_edu.exact.mdp import TERMINALS, StringMDP
from smatch_edu.exact.problem import Problem as MatchingProblem
from smatch_edu.exact.summary import minimise_summary_objective, summary_terms
from smatch_edu.exact.tabular import maximise_objective, minimise_divergence, objective, sampled_mixture
from smatch_edu.text.vocabulary import Vocabulary, load_words

ALPHAS = [0.03, 0.1, 1.0]
SMOOTH = [name for name in DIVERGENCES if name != "tv"]
BOTH_SOLVERS = pytest.mark.parametrize("solve", [minimise_divergence, maximise_objective])


class Problem(NamedTuple):
    """A keyboard, its dense transitions P[s, a, s'] by the oracle, and an expert on it."""

    mdp: StringMDP
    P: np.ndarray
    expert: np.ndarray
    gamma: float


@functools.cache
def dense_transitions(mdp):
    return oracles.transition_tensor(mdp.num_tokens, mdp.max_length, mdp.backspace, mdp.noise, mdp.terminal)


def problem(rng, support, noise=0.1, backspace=True, size=(2, 2), gamma=None):
    """A dense expert has a random policy on the same keyboard; a sparse one types two texts, and never slips. Finished
    texts end in one state, or each in its own."""
    mdp = StringMDP(*size, backspace=backspace, noise=noise, terminal=str(rng.choice(TERMINALS)))
    gamma = float(rng.choice([0.7, 0.9])) if gamma is None else gamma
    if support == "dense":
        expert = mdp.occupancy(oracles.random_policy(rng, mdp.legal), gamma)
    else:
        clean = mdp.without_noise()
        expert = clean.occupancy(clean.demonstrator(*oracles.random_sequences(rng, *size, 2)), gamma)
    return Problem(mdp, dense_transitions(mdp), expert, gamma)


def finite_problem(rng, name, support, **options):
    """Where the divergence can be finite: for a sparse expert χ² and reverse KL need a perfect keyboard."""
    if support == "sparse" and name in oracles.INFINITE_OFF_THE_DATA:
        options["noise"] = 0.0
    return problem(rng, support, **options)


def cost_by_hand(case, name, alpha, policy):
    """D_f(ρ_π ‖ ρ_E) - αH(π) from the textbook definitions."""
    rho = oracles.occupancy(case.P, policy, case.gamma)
    return oracles.divergence(name, rho, case.expert) - alpha * oracles.causal_entropy(rho)


def soft_values_of(mdp, logits):
    """V(s) = log Σ_a exp ℓ(a|s) over legal actions."""
    return np.logaddexp.reduce(np.where(mdp.legal, logits, -np.inf), axis=1)


def rewards_of(case, logits):
    """r = ℓ - γ E[V(s')] at legal pairs, ∞ elsewhere."""
    reward = np.where(case.mdp.legal, logits, 0.0) - case.gamma * (case.P @ soft_values_of(case.mdp, logits))
    return np.where(case.mdp.legal, reward, np.inf)


def logits_that_earn(case, reward):
    """The inverse of `rewards_of`, by soft value iteration."""
    values = np.zeros(case.mdp.num_states)
    for _ in range(math.ceil(math.log(1e-15) / math.log(case.gamma))):
        logits = np.where(case.mdp.legal, reward + case.gamma * (case.P @ values), 0.0)
        values = soft_values_of(case.mdp, logits)
    return logits


def lifted(case, logits, name, alpha, margin=0.0):
    """The same policy, with logits such that the least αr is `margin` above the edge of φ's domain, if it has one.

    ℓ + C adds (1-γ)C to every r.
    """
    edge = DIVERGENCES[name].domain
    if edge == -math.inf:
        return logits
    return logits + (edge + margin - alpha * rewards_of(case, logits).min()) / (alpha * (1 - case.gamma))


def perturbed(rng, case, logits, name, alpha, smallest=1e-6, largest=1e-1):
    """Logits a random step of any size away, back in the domain; keys that are never pressed become rare ones."""
    pressed = np.where(case.mdp.legal & ~np.isfinite(logits), -30.0, logits)
    size = math.exp(rng.uniform(math.log(smallest), math.log(largest)))
    step = pressed + size * rng.normal(size=logits.shape)
    return step if alpha * rewards_of(case, step).min() >= DIVERGENCES[name].domain else lifted(case, step, name, alpha)


def random_logits(rng, case, name, alpha, margin=0.1):
    return lifted(case, rng.choice([0.3, 1.0, 3.0]) * rng.normal(size=case.mdp.legal.shape), name, alpha, margin)


# -- two solvers and a convex program ----------------------------------------------------------------------------------


def assert_all_agree(case, name, alpha):
    mdp, P, expert, gamma = case
    convex = oracles.convex_program(P, mdp.legal, expert, name, gamma, alpha)
    primal = minimise_divergence(mdp, expert, name, gamma, alpha)
    dual = maximise_objective(mdp, expert, name, gamma, alpha)
    assert math.isinf(primal.value) == math.isinf(dual.value) == math.isinf(convex.value)
    if math.isinf(convex.value):
        assert primal.value == dual.value == primal.divergence == dual.divergence == math.inf
        return

    assert primal.value == pytest.approx(convex.value, abs=1e-6)
    assert dual.value == pytest.approx(convex.value, abs=1e-6)
    assert dual.value - 1e-9 <= convex.value <= primal.value + 1e-9
    visited = convex.occupancy.sum(axis=1) > 1e-3
    for solution in (primal, dual):
        assert solution.converged == (solution.gap <= 1e-8)
        assert -1e-9 <= solution.gap <= (1e-8 if name != "tv" else 1e-7)  # nonsmooth: the last digits may not come
        assert abs(solution.value - convex.value) <= solution.gap + 2e-9
        np.testing.assert_allclose(solution.policy[visited], convex.policy[visited], atol=1e-3)
        np.testing.assert_allclose(solution.policy.sum(axis=1), 1, atol=1e-12)
        assert (solution.policy[~mdp.legal] == 0).all()
        assert (solution.logits[~mdp.legal] == -math.inf).all()
        softmax = torch.softmax(torch.tensor(solution.logits), dim=1).numpy()
        np.testing.assert_allclose(softmax, solution.policy, atol=1e-12)
        rho = oracles.occupancy(P, solution.policy, gamma)
        assert solution.divergence == pytest.approx(oracles.divergence(name, rho, expert), abs=1e-10)
        assert solution.entropy == pytest.approx(oracles.causal_entropy(rho), abs=1e-10)
    assert primal.value == pytest.approx(primal.divergence - alpha * primal.entropy, abs=1e-12)
    assert dual.value == pytest.approx(dual.divergence - alpha * dual.entropy - dual.gap, abs=1e-12)


CASES = [
    pytest.param(*case, id=f"{case[0]}{' backspace' * case[1]} noise={case[2]} {case[3]}")
    for case in itertools.product(DIVERGENCES, [False, True], [0.0, 0.1, 0.3], ["dense", "sparse"])
]
FAST_CASES = [case for case in CASES if case.values[2:] not in [(0.1, "dense"), (0.3, "sparse")]]


@pytest.mark.parametrize("name, backspace, noise, support", FAST_CASES)
def test_primal_dual_and_convex_program_agree(rng, name, backspace, noise, support):
    size = [(2, 1), (2, 1), (3, 1), (2, 2)][rng.integers(4)]
    assert_all_agree(problem(rng, support, noise, backspace, size), name, float(rng.choice(ALPHAS)))


@pytest.mark.slow
@pytest.mark.parametrize("size", [(2, 2), (3, 2), (2, 3)], ids=lambda size: f"K={size[0]} L={size[1]}")
@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("name, backspace, noise, support", CASES)
def test_primal_dual_and_convex_program_agree_everywhere(rng, name, backspace, noise, support, alpha, size):
    assert_all_agree(problem(rng, support, noise, backspace, size), name, alpha)


@pytest.mark.parametrize("name", oracles.INFINITE_OFF_THE_DATA)
@BOTH_SOLVERS
def test_a_clean_demonstrator_is_infinitely_far_from_any_typist_whose_keyboard_slips(solve, name):
    mdp = StringMDP(2, 2, backspace=True, noise=0.1)
    clean = mdp.without_noise()
    expert = clean.occupancy(clean.demonstrator([(0, 1)]), 0.9)
    assert solve(mdp, expert, name).value == math.inf
    assert math.isfinite(solve(clean, expert, name).value)


@pytest.mark.parametrize("name", oracles.INFINITE_OFF_THE_DATA)
@BOTH_SOLVERS
def test_where_one_slip_would_cost_infinity_the_learner_never_types_and_pays_for_what_it_misses(solve, name):
    mdp = StringMDP(2, 1, backspace=True, noise=0.2)
    clean = mdp.without_noise()
    expert = clean.occupancy(clean.demonstrator([(), (0,)], [1.0, 2.0]), 0.9)
    solution = solve(mdp, expert, name, 0.9, 0.5)
    assert solution.policy[0, mdp.eos] == 1
    finished = np.zeros_like(expert)
    finished[0, mdp.eos], finished[-1, mdp.eos] = 0.1, 0.9
    assert solution.value == pytest.approx(oracles.divergence(name, finished, expert), abs=1e-10)
    thrice = solve(mdp, expert, DIVERGENCES[name].scaled(3.0), 0.9, 0.5)
    assert thrice.value == pytest.approx(3 * solution.value, abs=1e-10)


@BOTH_SOLVERS
def test_total_variation_keeps_its_certificate_where_some_keys_are_all_but_never_pressed(rng, solve):
    mdp, P, expert, gamma = problem(rng, "sparse", noise=0.0, size=(2, 1))
    found = solve(mdp, expert, "tv", gamma, 0.01)
    assert found.gap <= 1e-7
    assert found.value == pytest.approx(oracles.convex_program(P, mdp.legal, expert, "tv", gamma, 0.01).value, abs=1e-6)


@pytest.mark.parametrize("name", DIVERGENCES)
def test_scaling_divergence_and_entropy_together_scales_the_value_and_keeps_the_policy(rng, name):
    mdp, _, expert, gamma = case = finite_problem(rng, name, "sparse", size=(2, 1))
    scale, alpha = float(rng.choice([0.3, 4.0])), 0.2
    once = maximise_objective(mdp, expert, name, gamma, alpha)
    solve = [minimise_divergence, maximise_objective][rng.integers(2)]
    scaled = solve(mdp, expert, DIVERGENCES[name].scaled(scale), gamma, scale * alpha)
    certified = 1e-7 * (1 + scale)  # what both solvers promise, in the scaled problem's unit
    assert scaled.value == pytest.approx(scale * once.value, abs=certified)
    assert scaled.value == pytest.approx(scale * cost_by_hand(case, name, alpha, scaled.policy), abs=certified)
    # The entropy bounds what a gap allows a policy to differ: α ρ(s) KL ≤ gap, and KL ≥ 2 (difference)² by Pinsker.
    visited = mdp.occupancy(once.policy, gamma).sum(axis=1)
    apart = np.abs(scaled.policy - once.policy).max(axis=1)
    assert (apart**2 * visited <= 4 * certified / (2 * scale * alpha)).all()


# -- the objective on logits -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("support", ["dense", "sparse"])
@pytest.mark.parametrize("name", DIVERGENCES)
def test_the_objective_at_the_solutions_logits_is_the_value_and_no_logits_beat_it(rng, name, support):
    backspace, alpha = bool(rng.integers(2)), float(rng.choice([0.1, 1.0]))
    mdp, _, expert, gamma = case = finite_problem(rng, name, support, backspace=backspace, noise=0.2, size=(2, 1))
    dual = maximise_objective(mdp, expert, name, gamma, alpha)

    def reached(logits):
        return alpha * objective(mdp, expert, logits, name, gamma, alpha)

    assert reached(dual.logits) == pytest.approx(dual.value, abs=1e-8)
    anywhere = [reached(random_logits(rng, case, name, alpha)) for _ in range(10)]
    nearby = [reached(perturbed(rng, case, dual.logits, name, alpha, 1e-6, 1)) for _ in range(20)]
    assert max(anywhere + nearby) <= dual.value + max(dual.gap, 0) + 1e-9
    assert all(math.isfinite(value) for value in anywhere)
    assert np.isfinite(nearby).any()


@pytest.mark.parametrize("name", oracles.INFINITE_OFF_THE_DATA)
def test_where_the_divergence_is_infinite_the_objective_grows_without_bound(name):
    mdp = StringMDP(2, 1, noise=0.1)
    clean = mdp.without_noise()
    expert = clean.occupancy(clean.demonstrator([(0,)]), 0.9)
    case = Problem(mdp, dense_transitions(mdp), expert, 0.9)
    reached = []
    for price in (10.0, 100.0, 1000.0):  # of every key that the expert never presses
        logits = logits_that_earn(case, np.where(expert > 0, 0.0, -price))
        reached.append(objective(mdp, expert, logits, name, 0.9, 0.5))
    assert reached[0] + 0.5 < reached[1] < reached[2] - 5


@pytest.mark.parametrize("next_value", ["expectation", "sample"])
@pytest.mark.parametrize("support", ["dense", "sparse"])
@pytest.mark.parametrize("name", SMOOTH)
def test_the_objective_is_the_sum_over_all_pairs_that_the_formula_says(rng, name, support, next_value):
    outside = 0
    for backspace, noise in itertools.product([False, True], [0.0, 0.3]):
        mdp, P, expert, gamma = case = problem(rng, support, noise, backspace)
        alpha = float(rng.choice(ALPHAS))
        for margin in (0.01, 1.0, -0.1):
            logits = random_logits(rng, case, name, alpha, margin)
            wanted = oracles.objective_J(P, mdp.legal, expert, logits, DIVERGENCES[name].phi, gamma, alpha, next_value)
            if next_value == "sample" and noise > 0 and support == "sparse" and wanted == -math.inf:
                continue  # off the data the oracle wants every outcome in the domain, `objective` their mean
            found = objective(mdp, expert, logits, name, gamma, alpha, next_value=next_value)
            assert found == pytest.approx(wanted, rel=1e-10, abs=1e-10)
            outside += found == -math.inf
    assert (outside > 0) == (DIVERGENCES[name].domain > -math.inf) or next_value == "sample"


@pytest.mark.parametrize("noise", [0.2, 0.0])
@pytest.mark.parametrize("name", oracles.INFINITE_OFF_THE_DATA)
def test_the_objective_also_counts_what_the_expert_does_and_the_learner_must_not(rng, name, noise):
    mdp = StringMDP(2, 1, backspace=True, noise=noise)
    clean = mdp.without_noise()
    for sequences in ([(), (0,)], [(0,)]):  # after a slip to token 1 the divergence is infinite
        expert = clean.occupancy(clean.demonstrator(sequences), 0.9)
        logits = rng.normal(size=mdp.legal.shape)
        wanted = oracles.objective_J(dense_transitions(mdp), mdp.legal, expert, logits, DIVERGENCES[name].phi, 0.9, 0.5)
        assert objective(mdp, expert, logits, name, 0.9, 0.5) == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("support", ["dense", "sparse"])
@pytest.mark.parametrize("name", [name for name in DIVERGENCES if DIVERGENCES[name].domain > -math.inf])
def test_the_objective_is_minus_infinity_as_soon_as_any_one_legal_pair_leaves_the_domain(rng, name, support):
    mdp, _, expert, gamma = case = problem(rng, support, noise=0.1)
    alpha, edge = 0.5, DIVERGENCES[name].domain
    inside = random_logits(rng, case, name, alpha, margin=0.5)
    assert math.isfinite(objective(mdp, expert, inside, name, gamma, alpha))
    for state, action in np.argwhere(mdp.legal[: mdp.num_texts]):
        for beyond in (-0.01, 0.01):  # lowering one logit only raises the rewards of other pairs
            logits = inside.copy()
            logits[state, action] -= rewards_of(case, inside)[state, action] - (edge - beyond) / alpha
            assert math.isfinite(objective(mdp, expert, logits, name, gamma, alpha)) == (beyond < 0), (state, action)


@pytest.mark.parametrize("next_value", ["expectation", "sample"])
@pytest.mark.parametrize("name", SMOOTH)
def test_the_objective_is_differentiable_in_the_logits(rng, name, next_value):
    for support in ("dense", "sparse"):
        mdp, _, expert, gamma = case = problem(rng, support, noise=0.2, size=(2, 1))
        gentle = lifted(case, 0.5 * rng.normal(size=mdp.legal.shape), name, 0.5, margin=1.0)
        logits = torch.tensor(gentle).requires_grad_()

        def J(logits, mdp=mdp, expert=expert, gamma=gamma):
            return objective(mdp, expert, logits, name, gamma, 0.5, next_value=next_value)

        assert isinstance(J(logits), torch.Tensor)
        assert J(logits).item() == J(logits.detach().numpy())
        assert torch.autograd.gradcheck(J, logits, atol=1e-6)
        (gradient,) = torch.autograd.grad(J(logits), logits)
        assert (gradient[torch.tensor(~mdp.legal)] == 0).all()


# -- a sampled next value ----------------------------------------------------------------------------------------------


def test_on_a_perfect_keyboard_a_sampled_next_value_is_the_expected_one(rng):
    mdp, _, expert, gamma = problem(rng, "dense", noise=0.0)
    logits = rng.normal(size=mdp.legal.shape)
    assert objective(mdp, expert, logits, gamma=gamma, next_value="sample") == objective(
        mdp, expert, logits, gamma=gamma
    )
    sample = maximise_objective(mdp, expert, gamma=gamma, next_value="sample")
    expectation = maximise_objective(mdp, expert, gamma=gamma)
    assert sample.value == expectation.value
    np.testing.assert_array_equal(sample.policy, expectation.policy)


@pytest.mark.parametrize("support", ["dense", "sparse"])
@pytest.mark.parametrize("name", SMOOTH)
def test_with_noise_no_step_away_improves_on_the_maximum_of_the_sampled_objective(rng, name, support):
    if support == "sparse" and name in oracles.INFINITE_OFF_THE_DATA:
        pytest.skip("infinite: a clean demonstrator and a noisy keyboard")
    mdp, _, expert, gamma = case = problem(rng, support, noise=0.2, backspace=bool(rng.integers(2)), size=(2, 1))
    alpha = float(rng.choice([0.1, 1.0]))
    best = maximise_objective(mdp, expert, name, gamma, alpha, next_value="sample")

    def J(logits):
        return objective(mdp, expert, logits, name, gamma, alpha, next_value="sample")

    assert best.value == pytest.approx(alpha * J(best.logits), abs=1e-9)
    steps = [J(perturbed(rng, case, best.logits, name, alpha)) for _ in range(200)]
    assert np.isfinite(steps).sum() > 100
    expectation = maximise_objective(mdp, expert, name, gamma, alpha)
    assert best.value < expectation.value + 1e-9  # φ is concave: a mean of φ is no more than φ of a mean
    assert best.converged
    assert max(steps) <= J(best.logits) + 1e-9
    if support == "dense":  # the optimum is inside the domain
        assert abs(best.policy - expectation.policy).max() > 1e-7
        logits = torch.tensor(np.where(mdp.legal, best.logits, 0.0)).requires_grad_()
        (gradient,) = torch.autograd.grad(J(logits), logits)
        assert gradient.abs().max() < 1e-4


@pytest.mark.parametrize("name", SMOOTH)
def test_stopped_early_the_sampled_solver_has_an_idea_of_how_far_it_is(rng, name):
    mdp, _, expert, gamma = problem(rng, "dense", noise=0.2, size=(2, 1))
    alpha = float(rng.choice([0.03, 0.1, 1.0, 3.0]))
    best = maximise_objective(mdp, expert, name, gamma, alpha, next_value="sample", tolerance=1e-13)
    for max_rounds in (0, 1, 2):
        stopped = maximise_objective(
            mdp, expert, name, gamma, alpha, next_value="sample", tolerance=1e-13, max_rounds=max_rounds
        )
        # From the gradient: an estimate, not a bound. Where both values are -∞, the gap is ∞.
        assert stopped.gap == math.inf or 20 * stopped.gap >= best.value - stopped.value - 1e-10


def test_total_variation_with_a_sampled_next_value_says_that_it_is_not_solved(rng):
    mdp, _, expert, gamma = problem(rng, "sparse", noise=0.2, size=(2, 1), gamma=0.7)
    assert not maximise_objective(mdp, expert, "tv", gamma, 0.1, next_value="sample", max_rounds=2).converged


def test_for_chi2_a_sampled_next_value_costs_a_quarter_alpha_gamma_squared_times_its_variance(rng):
    mdp, P, expert, gamma = case = problem(rng, "dense", noise=0.3)
    alpha = 0.05
    logits = 0.5 * rng.normal(size=mdp.legal.shape)
    assert alpha * abs(logits).max() * 4 < 2 and alpha * rewards_of(case, logits)[mdp.legal].max() < 1  # φ unclipped
    values = soft_values_of(mdp, logits)
    variance = P @ values**2 - (P @ values) ** 2
    loss = objective(mdp, expert, logits, "chi2", gamma, alpha) - objective(
        mdp, expert, logits, "chi2", gamma, alpha, next_value="sample"
    )
    assert 0 < loss == pytest.approx(alpha / 4 * gamma**2 * (expert * variance).sum(), rel=1e-7)


def test_sampling_the_next_value_moves_the_policy_further_the_larger_alpha_is(rng):
    shifts = np.zeros(3)
    for _ in range(2):
        mdp, _, expert, gamma = problem(rng, "dense", noise=0.1, size=(2, 1))
        for i, alpha in enumerate([0.01, 0.1, 1.0]):
            found = [
                maximise_objective(mdp, expert, "chi2", gamma, alpha, next_value=next_value, tolerance=1e-11).policy
                for next_value in ("expectation", "sample")
            ]
            shifts[i] += (expert.sum(axis=1, keepdims=True) * abs(found[0] - found[1])).sum()
    assert shifts[0] < shifts[1] < shifts[2]
    assert shifts[2] > 10 * shifts[0]


@pytest.mark.parametrize("name", ["js", "chi2_mixture", "skew_kl"])
def test_small_weights_of_the_entropy_are_solved_to_their_certificate(rng, name):
    """D_f of the optimum never rises as α falls: an optimum that was not found would show as a divergence too large."""
    mdp, _, expert, gamma = problem(rng, "sparse", backspace=bool(rng.random() < 0.5))
    before = math.inf
    for alpha in (0.1, 1e-2, 1e-5):
        found = maximise_objective(mdp, expert, name, gamma, alpha)
        assert found.converged and -1e-9 <= found.gap <= 1e-8
        assert found.divergence <= before + 1e-7
        before = found.divergence
    primal = minimise_divergence(mdp, expert, name, gamma, alpha, initial_policy=found.policy)
    assert primal.value == pytest.approx(found.value, abs=1e-6)


def test_real_words_at_a_small_weight_of_the_entropy_are_solved():
    """Where the climb from the expert's own rewards once got stuck, at .6498, and said nothing."""
    letters, (words, counts) = Vocabulary(), load_words(2)
    mdp = StringMDP(26, 2, backspace=False, noise=0.2)
    clean = mdp.without_noise()
    expert = clean.occupancy(clean.demonstrator([letters.encode(word) for word in words], counts), 0.9)
    found = maximise_objective(mdp, expert, "skew_kl", 0.9, 0.002)
    assert found.converged and found.gap <= 1e-8
    assert found.divergence == pytest.approx(0.0436, abs=1e-4)


# -- the mixture as it is trained --------------------------------------------------------------------------------------


def assert_the_fixed_point_is_that_of_the_skew_kl(case, alpha, tolerance):
    mdp, P, expert, gamma = case
    trained = sampled_mixture(mdp, expert, gamma, alpha, tolerance=tolerance)
    assert trained.converged and trained.gap <= tolerance
    skew = maximise_objective(mdp, expert, "skew_kl", gamma, alpha)
    assert cost_by_hand(case, "skew_kl", alpha, trained.policy) == pytest.approx(skew.value, abs=1e-6)
    reward = np.where(mdp.legal, rewards_of(case, trained.logits), 0.0)
    rho, c = oracles.occupancy(P, trained.policy, gamma), alpha / 4
    np.testing.assert_allclose(2 * c * (expert + rho) * reward, expert - rho, atol=10 * tolerance)
    mixture = maximise_objective(mdp, expert, "chi2_mixture", gamma, alpha)
    excess = cost_by_hand(case, "chi2_mixture", alpha, trained.policy) - mixture.value
    assert excess > -1e-8
    return excess


def test_training_on_samples_reaches_the_skew_kls_optimum_and_not_the_chi2_mixtures(rng):
    mdp = StringMDP(2, 1, backspace=False, noise=0.2)
    clean = mdp.without_noise()
    expert = clean.occupancy(clean.demonstrator([(0,), (1,)], [float(rng.uniform(2, 5)), 1.0]), 0.8)
    case = Problem(mdp, dense_transitions(mdp), expert, 0.8)
    assert assert_the_fixed_point_is_that_of_the_skew_kl(case, 1.0, tolerance=1e-5) > 1e-4


@pytest.mark.slow
def test_training_on_samples_reaches_the_skew_kls_optimum_on_more_problems(rng):
    excesses = []
    for support, backspace, noise in itertools.product(["dense", "sparse"], [False, True], [0.0, 0.2]):
        case = problem(rng, support, noise, backspace, gamma=0.8)
        excesses.append(assert_the_fixed_point_is_that_of_the_skew_kl(case, float(rng.choice([0.2, 0.5])), 1e-7))
    assert max(excesses) > 1e-4


def solve_over_occupancies(case, usable, cost):
    """The least cost of any occupancy on usable pairs: `cost(ρ over pairs, pairs, ρ(s) of each pair)`, and that ρ."""
    pairs = np.argwhere(usable)
    states, actions = pairs.T
    rho = cp.Variable(len(pairs), nonneg=True)
    here = (states[None, :] == np.arange(len(usable))[:, None]).astype(float)
    arrives = case.P[states, actions].T
    flow = here @ rho == (1 - case.gamma) * np.eye(len(usable))[0] + case.gamma * (arrives @ rho)
    program = cp.Problem(cp.Minimize(cost(rho, pairs, (here.T @ here) @ rho)), [flow])
    program.solve(solver=cp.CLARABEL, tol_gap_abs=1e-11, tol_gap_rel=1e-11, tol_feas=1e-11)
    found = np.zeros(usable.shape)
    found[states, actions] = rho.value
    return program.value, found


@pytest.mark.parametrize("support", ["dense", "sparse"])
def test_a_frozen_buffer_gives_the_optimum_of_a_quadratic_divergence(rng, support):
    mdp, P, expert, gamma = case = problem(rng, support, noise=0.0 if support == "sparse" else 0.2)
    if support == "dense":
        buffer = mdp.occupancy(oracles.random_policy(rng, mdp.legal), gamma)
    else:
        buffer = mdp.occupancy(
            mdp.demonstrator(*oracles.random_sequences(rng, mdp.num_tokens, mdp.max_length, 2)), gamma
        )
    alpha, both = float(rng.choice([0.1, 1.0])), expert + buffer

    def cost(rho, pairs, visits):
        e, b = expert[tuple(pairs.T)], both[tuple(pairs.T)]
        return cp.sum_squares(cp.multiply(e - rho, 1 / np.sqrt(b))) + alpha * cp.sum(cp.rel_entr(rho, visits))

    convex, rho = solve_over_occupancies(case, mdp.legal & (both > 0), cost)
    trained = sampled_mixture(mdp, expert, gamma, alpha, buffer=buffer)
    assert trained.converged
    assert trained.value == pytest.approx(convex, abs=1e-6)
    visited = rho.sum(axis=1) > 1e-2
    found = oracles.occupancy(P, trained.policy, gamma)
    np.testing.assert_allclose(found[visited], rho[visited], atol=1e-3)
    squares = ((expert - found)[both > 0] ** 2 / both[both > 0]).sum()
    assert trained.divergence == pytest.approx(squares, abs=1e-9)
    assert trained.value == pytest.approx(squares - alpha * oracles.causal_entropy(found), abs=1e-6)


def mixture_problem(rng, noise=0.2, **options):
    """A problem with a buffer of somebody who may press anything, and the exact objective J_B on it."""
    case = problem(rng, str(rng.choice(["dense", "sparse"])), noise, **options)
    alpha = float(rng.choice(ALPHAS))
    buffer = case.mdp.occupancy(oracles.random_policy(rng, case.mdp.legal), case.gamma)
    held = case.mdp.keys(torch.tensor(buffer)).flatten()
    return case, alpha, buffer, MatchingProblem.of(case.mdp, case.expert, "chi2", case.gamma, alpha, buffer=held)


def mixture_by_hand(case, alpha, buffer, logits, next_value="sample"):
    return oracles.sampled_mixture_J(case.P, case.mdp.legal, case.expert, buffer, logits, case.gamma, alpha, next_value)


def slope_by_differences(function, logits, legal, step=1e-5):
    slope = np.zeros(logits.shape)
    for index in map(tuple, np.argwhere(legal)):
        moved = np.zeros(logits.shape)
        moved[index] = step
        slope[index] = (function(logits + moved) - function(logits - moved)) / (2 * step)
    return slope


@pytest.mark.parametrize("next_value", ["expectation", "sample"])
@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_the_sampled_mixtures_objective_and_gradient_are_those_of_the_sum_over_keys_and_slips(rng, noise, next_value):
    for backspace in (False, True):
        case, alpha, buffer, exact = mixture_problem(rng, noise, backspace=backspace)
        logits = rng.choice([0.3, 3.0]) * rng.normal(size=case.mdp.legal.shape)

        def by_hand(logits, case=case, alpha=alpha, buffer=buffer):
            return mixture_by_hand(case, alpha, buffer, logits, next_value)

        point = torch.tensor(logits).requires_grad_()
        value = replace(exact, sampled=next_value == "sample").objective(point)
        assert value.item() == pytest.approx(by_hand(logits), rel=1e-10, abs=1e-10)
        (slope,) = torch.autograd.grad(value, point)
        np.testing.assert_allclose(slope, slope_by_differences(by_hand, logits, case.mdp.legal), rtol=1e-5, atol=1e-6)


def test_a_sampled_next_value_costs_the_mixture_its_variance_along_both_occupancies(rng):
    case, alpha, buffer, exact = mixture_problem(rng, noise=0.3)
    logits = rng.normal(size=case.mdp.legal.shape)
    values = soft_values_of(case.mdp, logits)
    variance = case.P @ values**2 - (case.P @ values) ** 2
    price = alpha / 4 * case.gamma**2 * ((case.expert + buffer) * variance).sum()
    assert 0 < exact.objective(logits) - replace(exact, sampled=True).objective(logits) == pytest.approx(price)


def test_with_sampled_next_values_a_frozen_buffer_gives_the_maximum_that_scipy_finds(rng):
    case, alpha, buffer, _ = mixture_problem(rng, size=(2, 1))
    found = sampled_mixture(case.mdp, case.expert, case.gamma, alpha, next_value="sample", buffer=buffer)
    assert found.converged
    assert_no_logits_are_better(rng, case, alpha, buffer, found)
    assert found.value < sampled_mixture(case.mdp, case.expert, case.gamma, alpha, buffer=buffer).value


def test_with_sampled_next_values_the_learner_is_the_best_one_for_the_buffer_that_it_fills_itself(rng):
    case, alpha, *_ = mixture_problem(rng, size=(2, 1))
    found = sampled_mixture(case.mdp, case.expert, case.gamma, alpha, next_value="sample", tolerance=1e-10)
    assert found.converged and found.gap <= 1e-10
    own = oracles.occupancy(case.P, found.policy, case.gamma)
    assert_no_logits_are_better(rng, case, alpha, own, found)
    slope = slope_by_differences(
        lambda logits: mixture_by_hand(case, alpha, own, logits), np.where(case.mdp.legal, found.logits, 0), own > 0
    )
    np.testing.assert_allclose(slope, 0, atol=1e-5)
    both = case.expert + own
    squares = ((case.expert - own)[both > 0] ** 2 / both[both > 0]).sum()
    assert found.divergence == pytest.approx(squares, abs=1e-9)
    assert max(found.gaps) >= found.gap == found.gaps[-1]
    assert len(found.values) == found.num_evaluations


def assert_no_logits_are_better(rng, case, alpha, buffer, found):
    """`found` has the value that the oracle says, and quasi-Newton climbs from random logits end there or below."""
    legal = case.mdp.legal

    def loss(free):
        logits = np.zeros(legal.shape)
        logits[legal] = free
        return -mixture_by_hand(case, alpha, buffer, logits)

    best = found.logits[legal]
    assert found.value == pytest.approx(-alpha * loss(best), abs=1e-8)
    tops = [-minimize(loss, best + size * rng.normal(size=best.shape)).fun for size in (0.1, 0.1, 3.0)]
    assert max(tops) <= -loss(best) + 1e-7
    assert max(tops) == pytest.approx(-loss(best), abs=1e-4)


def test_on_more_and_larger_keyboards_the_fixed_point_is_found_and_its_frozen_buffer_gives_no_better_value(rng):
    # Where the data are sparse, slips rare and α is small, some keys are pressed once in 1e300 times.
    either = str(rng.choice(["dense", "sparse"]))
    for noise, size, alpha, support in [
        (0.1, (2, 2), 0.1, either),
        (0.3, (3, 2), 1.0, either),
        (0.02, (2, 3), 0.03, "dense"),
        *[(0.02, (2, 3), 0.03, "sparse")] * 6,
    ]:
        mdp, _, expert, gamma = problem(rng, support, noise, size=size)
        found = sampled_mixture(mdp, expert, gamma, alpha, next_value="sample")
        assert found.converged
        own = mdp.occupancy(found.policy, gamma)
        frozen = sampled_mixture(mdp, expert, gamma, alpha, next_value="sample", buffer=own)
        assert frozen.value == pytest.approx(found.value, abs=1e-6)
        if support == "dense" or noise > 0.02:  # else the two are too near to tell
            expected = maximise_objective(mdp, expert, "skew_kl", gamma, alpha)
            assert abs(mdp.occupancy(expected.policy, gamma) - own).sum() > 1e-5


def test_on_a_perfect_keyboard_the_mixture_with_sampled_next_values_is_the_mixture(rng):
    mdp, _, expert, gamma = problem(rng, "dense", noise=0.0, size=(2, 1))
    one, other = (
        sampled_mixture(mdp, expert, gamma, next_value=how, max_refreshes=5) for how in ("expectation", "sample")
    )
    np.testing.assert_array_equal(one.policy, other.policy)


def test_stopped_early_newtons_method_admits_it(rng, monkeypatch):
    mdp, _, expert, gamma = problem(rng, "dense", noise=0.3, size=(2, 2))
    monkeypatch.setattr(tabular, "NEWTON", 1)
    stopped = sampled_mixture(mdp, expert, gamma, next_value="sample", tolerance=1e-9)
    assert not stopped.converged and stopped.gap > 1e-9
    monkeypatch.undo()
    assert not sampled_mixture(mdp, expert, gamma, next_value="sample", tolerance=1e-30).converged


# -- the summary's objective -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("support", ["dense", "sparse"])
@pytest.mark.parametrize("noise", [0.0, 0.2])
@pytest.mark.parametrize("backspace", [False, True])
def test_the_summarys_terms_are_two_kls_a_zero_and_a_square(rng, backspace, noise, support):
    mdp, P, expert, gamma = problem(rng, support, noise, backspace)
    for _ in range(5):
        policy = oracles.random_policy(rng, mdp.legal)
        terms, rho = summary_terms(mdp, policy, expert, gamma), oracles.occupancy(P, policy, gamma)
        assert all(isinstance(term, float) for term in terms)
        assert terms.forward_kl == pytest.approx(oracles.divergence("forward_kl", rho, expert), abs=1e-10)
        assert terms.reverse_kl == pytest.approx(oracles.divergence("reverse_kl", rho, expert), abs=1e-10)
        assert terms.product == pytest.approx(0, abs=1e-15)
        assert terms.squared == pytest.approx(((expert - rho) ** 2).sum(), abs=1e-12)


def test_the_summarys_backspace_term_compares_how_often_learner_and_expert_delete_where_the_learner_stands(rng):
    mdp, P, expert, gamma = problem(rng, "dense", noise=0.2)
    policy = oracles.random_policy(rng, mdp.legal)
    rho, by_hand = oracles.occupancy(P, policy, gamma), 0.0
    for state in range(1, mdp.absorbing):
        expert_deletes = expert[state, -1] / expert[state].sum()
        by_hand += rho[state, -1] * math.log(policy[state, -1] / expert_deletes)
    assert summary_terms(mdp, policy, expert, gamma).backspace == pytest.approx(by_hand, abs=1e-12)


def test_the_summarys_backspace_term_is_infinite_as_soon_as_the_learner_deletes_and_the_expert_never_does(rng):
    mdp, _, expert, gamma = problem(rng, "sparse", noise=0.0)
    deleting, typing = oracles.random_policy(rng, mdp.legal), mdp.uniform(backspace=False)
    assert summary_terms(mdp, deleting, expert, gamma).backspace == math.inf
    assert summary_terms(mdp, typing, expert, gamma).backspace == 0
    assert summary_terms(mdp, typing, expert, gamma).reverse_kl == math.inf


def test_the_summarys_terms_are_differentiable_in_the_policy(rng):
    for backspace in (False, True):
        mdp, _, expert, gamma = problem(rng, "dense", noise=0.2, backspace=backspace, size=(2, 1))
        logits = torch.tensor(rng.normal(size=mdp.legal.shape)).requires_grad_()

        def terms(logits, mdp=mdp, expert=expert, gamma=gamma):
            policy = torch.softmax(torch.where(torch.tensor(mdp.legal), logits, -math.inf), dim=1)
            return tuple(summary_terms(mdp, policy, expert, gamma))

        assert torch.autograd.gradcheck(terms, logits)


@pytest.mark.parametrize("noise", [0.0, 0.2])
def test_the_summarys_minimum_is_the_convex_programs(rng, noise):
    mdp, _, expert, gamma = case = problem(rng, "dense", noise)
    weights = rng.uniform(0, 3, size=3)

    def cost(rho, pairs, visits):
        e = expert[tuple(pairs.T)]
        deletes = np.flatnonzero(pairs[:, 1] == mdp.num_tokens + 1)
        expert_deletes = (expert / np.maximum(expert.sum(axis=1, keepdims=True), 1e-300))[tuple(pairs[deletes].T)]
        backspace = cp.sum(cp.rel_entr(rho[deletes], cp.multiply(expert_deletes, visits[deletes])))
        both = cp.sum(cp.rel_entr(e, rho)) + cp.sum(cp.rel_entr(rho, e))
        return both + weights[1] * backspace + weights[2] * cp.sum_squares(rho - e)

    convex, rho = solve_over_occupancies(case, mdp.legal, cost)
    found = minimise_summary_objective(
        mdp,
        expert,
        gamma,
        product_weight=float(weights[0]),
        backspace_weight=float(weights[1]),
        squared_weight=float(weights[2]),
    )
    assert found.value == pytest.approx(convex, abs=1e-6)
    assert found.value == pytest.approx(by_terms(case, found.policy, weights), abs=1e-10)
    np.testing.assert_allclose(mdp.occupancy(found.policy, gamma), rho, atol=1e-4)
    others = [by_terms(case, oracles.random_policy(rng, mdp.legal), weights) for _ in range(20)]
    assert found.value < min(others)
    assert found.gap == math.inf
    assert found.converged


def by_terms(case, policy, weights):
    terms = np.array(summary_terms(case.mdp, policy, case.expert, case.gamma))
    return terms[0] + terms[1] + weights @ terms[2:]


@pytest.mark.parametrize("noise", [0.0, 0.2])
def test_with_the_two_kls_alone_the_summarys_learner_is_the_expert(rng, noise):
    mdp, _, expert, gamma = problem(rng, "dense", noise, size=(2, 1))
    found = minimise_summary_objective(mdp, expert, gamma, product_weight=0.0, backspace_weight=0.0, squared_weight=0.0)
    assert found.value == pytest.approx(0, abs=1e-8)
    np.testing.assert_allclose(mdp.occupancy(found.policy, gamma), expert, atol=1e-4)


def test_the_summarys_learner_never_deletes_what_a_demonstrator_would_not(rng):
    mdp, _, expert, gamma = problem(rng, "sparse", noise=0.0)
    found = minimise_summary_objective(mdp, expert, gamma)
    assert math.isfinite(found.value)
    assert mdp.occupancy(found.policy, gamma)[:, -1].sum() == 0
    real = maximise_objective(mdp, expert, "js", gamma, 1.0)
    assert mdp.occupancy(real.policy, gamma)[:, -1].sum() > 1e-3


@pytest.mark.parametrize(
    "sequences", [[(0, 1)], [(), (0, 1)]], ids=["reverse KL", "forward KL, if one finishes at once"]
)
def test_the_summarys_objective_is_infinite_on_a_noisy_keyboard(sequences):
    mdp = StringMDP(2, 2, backspace=True, noise=0.1)
    clean = mdp.without_noise()
    expert = clean.occupancy(clean.demonstrator(sequences), 0.9)
    found = minimise_summary_objective(mdp, expert, 0.9)
    assert found.value == math.inf
    assert np.isfinite(found.policy).all()


def test_the_summarys_objective_is_another_one_than_the_papers(rng):
    mdp, _, expert, gamma = case = problem(rng, "dense", noise=0.1, size=(2, 1))
    real = maximise_objective(mdp, expert, "chi2", gamma, 1.0)
    summary = minimise_summary_objective(mdp, expert, gamma)
    assert cost_by_hand(case, "chi2", 1.0, summary.policy) > real.value + 1e-4
    assert by_terms(case, real.policy, np.ones(3)) > summary.value + 1e-4


# -- limits, starts and stops ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SMOOTH)
def test_as_alpha_shrinks_the_learner_becomes_the_expert(rng, name):
    mdp, _, expert, gamma = problem(rng, "dense", noise=0.1, backspace=bool(rng.integers(2)), size=(2, 1))
    visits = expert.sum(axis=1, keepdims=True)
    bias = []
    for alpha in (1.0, 0.1, 0.01):
        policy = maximise_objective(mdp, expert, name, gamma, alpha, tolerance=1e-10).policy
        bias.append((visits * abs(policy - expert / visits)).sum())
    assert bias[2] < bias[1] < bias[0]
    assert bias[2] < bias[0] / 10


@pytest.mark.parametrize("name", SMOOTH)
@BOTH_SOLVERS
def test_starting_from_a_solution_takes_hardly_any_evaluations_and_gives_the_same_value(rng, solve, name):
    mdp, _, expert, gamma = finite_problem(rng, name, str(rng.choice(["dense", "sparse"])), size=(2, 1))
    cold = solve(mdp, expert, name, gamma, 0.3)
    warm = solve(mdp, expert, name, gamma, 0.3, initial_policy=cold.policy)
    assert warm.converged and warm.value == pytest.approx(cold.value, abs=1e-8)
    assert warm.num_evaluations <= max(0.4 * cold.num_evaluations, 1)


@pytest.mark.parametrize("name", DIVERGENCES)
@BOTH_SOLVERS
def test_a_start_that_never_or_hardly_ever_presses_some_keys_can_be_left(rng, solve, name):
    mdp, _, expert, gamma = problem(rng, "dense", size=(2, 1))
    wanted = maximise_objective(mdp, expert, name, gamma, 0.3).value
    starts = [mdp.demonstrator([(0,)]), oracles.random_policy(rng, mdp.legal, concentration=0.1)]
    found = solve(mdp, expert, name, gamma, 0.3, initial_policy=starts[rng.integers(2)])
    assert found.gap <= 1e-7 and found.value == pytest.approx(wanted, abs=2e-7)


def test_a_climb_that_overflows_is_given_up_at_once_and_another_is_made(rng, monkeypatch):
    mdp, _, expert, gamma = problem(rng, "dense", size=(2, 1))
    wanted = maximise_objective(mdp, expert, "forward_kl", gamma, 0.3).value
    rounds, climb = [], solvers.climb

    def overflowing(one, unknowns, *given):
        if not rounds:  # where u is 1e-298, and 1/u nearly more than a float64 holds
            unknowns = torch.full_like(unknowns, math.nan)
        found = climb(one, unknowns, *given)
        rounds.append(len(found.gaps))
        return found

    monkeypatch.setattr(solvers, "climb", overflowing)
    found = maximise_objective(mdp, expert, "forward_kl", gamma, 0.3)
    assert rounds[0] == 1 and len(rounds) > 2
    assert found.converged and found.value == pytest.approx(wanted, abs=2e-7)


@pytest.mark.parametrize("name", DIVERGENCES)
@BOTH_SOLVERS
def test_stopped_early_a_solver_admits_it_and_its_gap_holds_all_the_same(rng, solve, name):
    mdp, P, expert, gamma = problem(rng, "dense", size=(2, 1))
    optimum = oracles.convex_program(P, mdp.legal, expert, name, gamma, 0.3).value
    for max_rounds in (0, 1):
        stopped = solve(mdp, expert, name, gamma, 0.3, tolerance=1e-9, max_rounds=max_rounds)
        assert len(stopped.gaps) <= max_rounds + 1
        assert stopped.converged == (stopped.gap <= 1e-9)
        assert abs(stopped.value - optimum) <= stopped.gap + 2e-9
    if name != "tv":  # whose primal is read off the dual
        stopped = solve(mdp, expert, name, gamma, 0.3, max_rounds=0)
        assert not stopped.converged and stopped.gap > 1e-6


@pytest.mark.parametrize("name", DIVERGENCES)
def test_every_evaluation_on_the_way_is_on_its_own_side_of_the_optimum(rng, name):
    mdp, _, expert, gamma = finite_problem(rng, name, "sparse", size=(2, 1))
    dual = maximise_objective(mdp, expert, name, gamma, 0.3)
    primal = minimise_divergence(mdp, expert, name, gamma, 0.3)
    assert len(dual.values) == dual.num_evaluations > 1
    assert max(dual.values) == pytest.approx(dual.value, abs=1e-8)
    assert max(dual.values) <= primal.value + 1e-9
    assert len(primal.values) == primal.num_evaluations
    assert all(value >= dual.value - 1e-9 for value in primal.values)
    assert min(primal.values, default=primal.value) == pytest.approx(primal.value, abs=1e-8)
    for solution in (dual, primal):
        assert solution.gaps[-1] == solution.gap
        assert solution.seconds > 0


# -- what an optimum implies -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SMOOTH)
def test_every_policy_costs_more_than_the_optimum_by_at_least_alpha_times_its_kl_from_it(rng, name):
    """D is convex and -H has the Bregman divergence E_ρ[KL(π(·|s) ‖ π*(·|s))]."""
    alpha = float(rng.uniform(0.05, 2))
    mdp, P, expert, gamma = case = problem(rng, "dense", float(rng.choice([0.0, 0.2])))
    best = maximise_objective(mdp, expert, name, gamma, alpha)
    expert_policy = expert / expert.sum(axis=1, keepdims=True)
    for policy in (expert_policy, mdp.uniform(), *(oracles.random_policy(rng, mdp.legal) for _ in range(10))):
        rho = oracles.occupancy(P, policy, gamma)
        ratio = np.log(np.where(mdp.legal, policy, 1) / np.where(mdp.legal, best.policy, 1))
        assert cost_by_hand(case, name, alpha, policy) >= best.value + alpha * (rho * ratio).sum() - 1e-6
    # The expert pays no divergence, so what the learner pays is at most its advantage in entropy.
    assert best.divergence <= alpha * (best.entropy - oracles.causal_entropy(expert)) + 1e-7
