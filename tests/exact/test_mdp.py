"""The string MDP: its numbering, exact occupancies and values, demonstrator and samples, against dense oracles."""

import functools
import itertools
import math

import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.linalg
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import oracles
from smatch_edu.exact.divergences import DIVERGENCES
from smatch_edu.exact.mdp import TERMINALS, StringMDP

SIZES = [(1, 0), (3, 0), (1, 4), (2, 3), (3, 2), (4, 3)]  # K tokens, at most L of them
KEYBOARDS = [
    pytest.param((K, L, backspace, noisy), id=f"K={K} L={L}{' backspace' * backspace}{' noisy' * noisy}")
    for (K, L), backspace, noisy in itertools.product(SIZES, [False, True], [False, True])
    if K > 1 or not noisy
]


@functools.lru_cache(maxsize=4)
def dense_transitions(mdp):
    return oracles.transition_tensor(mdp.num_tokens, mdp.max_length, mdp.backspace, mdp.noise, mdp.terminal)


def step_matrix(mdp, policy):
    """P(s' | s), dense, from the oracle."""
    return np.einsum("sa,sat->st", policy, dense_transitions(mdp))


@pytest.fixture(params=KEYBOARDS)
def mdp(request, rng):
    K, L, backspace, noisy = request.param
    return StringMDP(K, L, backspace, float(rng.uniform(0.01, 0.9)) if noisy else 0.0, str(rng.choice(TERMINALS)))


@pytest.fixture(params=["any gamma", "gamma=0.999"])
def gamma(request, rng):
    return 0.999 if request.param == "gamma=0.999" else float(rng.uniform(0.02, 0.98))


def sparse_policy(rng, mdp):
    """A random policy that never takes about half of the legal actions."""
    kept = mdp.legal & (rng.random(mdp.legal.shape) < 0.5)
    one_each = np.array([rng.choice(np.flatnonzero(row)) for row in mdp.legal])
    kept[np.arange(mdp.num_states), one_each] = True
    return oracles.random_policy(rng, kept)


def type_and_delete_for_ever(mdp):
    """Deterministic: type token 0 at the empty text, delete it, and so on; anywhere else finish."""
    policy = np.zeros(mdp.legal.shape)
    policy[:, mdp.eos] = 1
    policy[:2] = 0
    policy[0, 0] = policy[1, -1] = 1
    return policy


def endless_policy(rng, mdp):
    """A random policy that never finishes where it can help it: with backspace, nowhere."""
    kept = mdp.legal.copy()
    kept[kept.sum(axis=1) > 1, mdp.eos] = False
    return oracles.random_policy(rng, kept)


def to_keys(mdp, policy):
    return mdp.keys(torch.tensor(policy))


def standard(rng, size):
    return torch.tensor(rng.normal(size=size))


# -- numbering ---------------------------------------------------------------------------------------------------------


def test_states_are_all_texts_shorter_first_and_then_the_terminal_states(mdp):
    assert mdp.states == oracles.states_of(mdp.num_tokens, mdp.max_length)
    assert mdp.states[0] == ()
    assert mdp.num_texts == mdp.absorbing == len(mdp.states)
    assert mdp.num_states == len(mdp.states) + (len(mdp.states) if mdp.terminal == "each" else 1)
    assert mdp.level_sizes == [sum(len(text) == n for text in mdp.states) for n in range(mdp.max_length + 1)]
    assert mdp.num_inner == sum(len(text) < mdp.max_length for text in mdp.states)


def test_actions_are_the_tokens_then_eos_then_backspace(mdp):
    assert mdp.eos == mdp.num_tokens
    assert mdp.num_actions == mdp.num_tokens + (2 if mdp.backspace else 1)


def test_legal_actions_are_the_oracles_and_cannot_be_overwritten(mdp):
    wanted = oracles.legal_actions(mdp.num_tokens, mdp.max_length, mdp.backspace, mdp.terminal)
    np.testing.assert_array_equal(mdp.legal, wanted)
    assert mdp.legal.dtype == bool
    with pytest.raises(ValueError, match="read-only"):
        mdp.legal[0, 0] = False


def test_index_and_text_are_each_others_inverse(mdp):
    assert [mdp.index(text) for text in mdp.states] == list(range(len(mdp.states)))
    assert [mdp.text(state) for state in range(len(mdp.states))] == mdp.states
    assert mdp.index(np.array(mdp.states[-1], dtype=int).tolist()) == mdp.absorbing - 1


def test_the_number_of_a_long_text_is_found_without_listing_the_texts(rng):
    mdp = StringMDP(26, 5)
    for _ in range(20):
        text = tuple(rng.integers(0, 26, rng.integers(0, 6)).tolist())
        assert mdp.text(mdp.index(text)) == text
    assert "states" not in vars(mdp)


def test_a_child_is_numbered_from_its_parent(mdp):
    for state, text in enumerate(mdp.states[: mdp.num_inner]):
        for token in range(mdp.num_tokens):
            assert mdp.states[mdp.num_tokens * state + 1 + token] == (*text, token)


def test_without_noise_only_the_noise_goes(mdp):
    clean = mdp.without_noise()
    assert clean == StringMDP(mdp.num_tokens, mdp.max_length, mdp.backspace, 0.0, mdp.terminal)
    assert clean.legal.shape == mdp.legal.shape


# -- transitions -------------------------------------------------------------------------------------------------------


def test_transition_matrix_is_the_oracles_under_the_policy(mdp, rng):
    for policy in (oracles.random_policy(rng, mdp.legal), sparse_policy(rng, mdp)):
        matrix = mdp.transition_matrix(policy)
        assert scipy.sparse.issparse(matrix)
        np.testing.assert_allclose(matrix.toarray(), step_matrix(mdp, policy), atol=1e-15)
        np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-14)
        as_tensor = mdp.transition_matrix(torch.tensor(policy, requires_grad=True))
        np.testing.assert_array_equal(as_tensor.toarray(), matrix.toarray())


def test_slip_takes_what_is_pressed_to_what_is_typed(mdp, rng):
    pressed = standard(rng, (mdp.num_inner, mdp.num_tokens))
    P = dense_transitions(mdp)[: mdp.num_inner, : mdp.num_tokens]
    children = mdp.num_tokens * np.arange(mdp.num_inner)[:, None] + 1 + np.arange(mdp.num_tokens)
    keyboard = np.take_along_axis(P, np.broadcast_to(children[:, None], (*P.shape[:2], mdp.num_tokens)), axis=2)
    np.testing.assert_allclose(mdp.slip(pressed), np.einsum("sp,spt->st", pressed, keyboard), atol=1e-14)
    np.testing.assert_allclose(mdp.slip(pressed).sum(dim=1), pressed.sum(dim=1), atol=1e-13)


def test_slip_is_its_own_adjoint(mdp, rng):
    x, y = (standard(rng, (mdp.num_inner, mdp.num_tokens)) for _ in range(2))
    torch.testing.assert_close((mdp.slip(x) * y).sum(), (x * mdp.slip(y)).sum(), rtol=1e-12, atol=1e-12)


def test_a_slip_is_shared_by_the_other_tokens():
    typed = StringMDP(4, 1, noise=0.3).slip(torch.tensor([[1.0, 0.0, 0.0, 0.0]], dtype=torch.float64))
    np.testing.assert_allclose(typed, [[0.7, 0.1, 0.1, 0.1]], atol=1e-15)


# -- keys and tables ---------------------------------------------------------------------------------------------------


def test_keys_are_the_legal_entries_of_a_table(mdp, rng):
    table = rng.normal(size=mdp.legal.shape)
    keys = mdp.keys(torch.tensor(table), illegal=-7.0)
    np.testing.assert_array_equal(keys.tokens, table[: mdp.num_inner, : mdp.num_tokens])
    np.testing.assert_array_equal(keys.eos, table[:, mdp.eos])
    np.testing.assert_array_equal(keys.backspace, table[:, -1] if mdp.backspace else np.full(mdp.num_states, -7.0))


def test_keys_and_table_are_each_others_inverse_on_legal_actions(mdp, rng):
    table = rng.normal(size=mdp.legal.shape)
    for illegal in (0.0, -float("inf")):
        back = mdp.table(mdp.keys(torch.tensor(table)), illegal=illegal)
        np.testing.assert_array_equal(back, np.where(mdp.legal, table, illegal))


def test_flatten_and_unflatten_are_each_others_inverse(mdp, rng):
    keys = to_keys(mdp, rng.normal(size=mdp.legal.shape))
    flat = keys.flatten()
    assert flat.shape == (mdp.num_inner * mdp.num_tokens + 2 * mdp.num_states,)
    for part, back in zip(keys, mdp.unflatten(flat), strict=True):
        assert torch.equal(part, back)


def test_table_and_keys_pass_the_gradient_through(mdp, rng):
    table = standard(rng, mdp.legal.shape).requires_grad_()
    weight = standard(rng, mdp.legal.shape)
    (mdp.table(mdp.keys(table)) * weight).sum().backward()
    np.testing.assert_array_equal(table.grad, np.where(mdp.legal, weight, 0))


# -- occupancy ---------------------------------------------------------------------------------------------------------


def test_occupancy_is_that_of_a_dense_linear_solve(mdp, gamma, rng):
    dense = [oracles.random_policy(rng, mdp.legal) for _ in range(2)]
    for policy in (*dense, sparse_policy(rng, mdp), sparse_policy(rng, mdp), endless_policy(rng, mdp)):
        wanted = oracles.occupancy(dense_transitions(mdp), policy, gamma)
        np.testing.assert_allclose(mdp.occupancy(policy, gamma), wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("noise", [0.0, 0.2])
@pytest.mark.parametrize("gamma, steps", [(0.5, 60), (0.95, 700), (0.999, 35_000)])
def test_occupancy_is_the_discounted_sum_over_time(gamma, steps, noise, rng):
    mdp = StringMDP(2, 3, noise=noise)
    policy = oracles.random_policy(rng, mdp.legal)
    wanted = oracles.occupancy_by_power(dense_transitions(mdp), policy, gamma, steps)
    np.testing.assert_allclose(mdp.occupancy(policy, gamma), wanted, rtol=0, atol=1e-12)


@given(
    size=st.sampled_from(SIZES),
    backspace=st.booleans(),
    noise=st.floats(0.0, 0.99),
    gamma=st.floats(1e-6, 0.9999),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=100)
def test_occupancy_is_a_distribution_over_legal_actions(size, backspace, noise, gamma, seed):
    mdp = StringMDP(*size, backspace, noise if size[0] > 1 else 0.0)
    rng = np.random.default_rng(seed)
    for policy in (oracles.random_policy(rng, mdp.legal), sparse_policy(rng, mdp), endless_policy(rng, mdp)):
        occupancy = mdp.occupancy(policy, gamma)
        assert occupancy.sum() == pytest.approx(1, abs=1e-11)
        assert (occupancy >= 0).all()
        assert (occupancy[~mdp.legal] == 0).all()


def test_occupancy_divides_into_visits_and_the_policy(mdp, gamma, rng):
    policy = oracles.random_policy(rng, mdp.legal)
    occupancy = mdp.occupancy(policy, gamma)
    np.testing.assert_allclose(occupancy, occupancy.sum(axis=1, keepdims=True) * policy, atol=1e-15)


def test_key_occupancy_is_the_occupancy_of_every_key(mdp, gamma, rng):
    policy = oracles.random_policy(rng, mdp.legal)
    wanted = to_keys(mdp, mdp.occupancy(policy, gamma)).flatten()
    torch.testing.assert_close(mdp.key_occupancy(to_keys(mdp, policy), gamma), wanted, rtol=1e-13, atol=1e-16)


def test_per_key_repeats_the_number_of_a_state_for_each_of_its_keys(mdp, rng):
    of_state = standard(rng, mdp.num_states)
    keys = mdp.unflatten(mdp.per_key(of_state))
    np.testing.assert_array_equal(mdp.table(keys), np.where(mdp.legal, of_state[:, None], 0))


@pytest.mark.parametrize("max_length", [1, 3])
def test_a_typist_who_types_and_deletes_for_ever_never_finishes(max_length, gamma):
    mdp = StringMDP(2, max_length)
    occupancy = mdp.occupancy(type_and_delete_for_ever(mdp), gamma)
    wanted = np.zeros_like(occupancy)
    wanted[0, 0], wanted[1, -1] = 1 / (1 + gamma), gamma / (1 + gamma)
    np.testing.assert_allclose(occupancy, wanted, atol=1e-14)
    assert (occupancy[wanted == 0] == 0).all()


def test_what_is_never_visited_has_occupancy_zero_and_not_a_rounding_error(mdp, gamma, rng):
    for draw in (sparse_policy, sparse_policy, endless_policy):
        policy = draw(rng, mdp)
        wanted = oracles.occupancy(dense_transitions(mdp), policy, gamma)
        np.testing.assert_array_equal(mdp.occupancy(policy, gamma) == 0, wanted == 0)


def test_any_divergence_takes_an_occupancy(mdp, gamma, rng):
    """No entry is negative by a rounding error, also where the typist never finishes."""
    for draw in (sparse_policy, endless_policy, endless_policy, endless_policy):
        occupancy = mdp.occupancy(draw(rng, mdp), gamma)
        for divergence in DIVERGENCES.values():
            assert divergence(occupancy, occupancy) == pytest.approx(0, abs=1e-12)


def test_a_single_text_is_finished_at_once():
    np.testing.assert_allclose(StringMDP(3, 0).occupancy(StringMDP(3, 0).uniform(), 0.9)[:, 3], [0.1, 0.9], atol=1e-15)


def test_occupancy_answers_in_kind(mdp, rng):
    policy = oracles.random_policy(rng, mdp.legal)
    array = mdp.occupancy(policy, 0.9)
    assert isinstance(array, np.ndarray) and array.dtype == np.float64 and array.shape == mdp.legal.shape
    tensor = mdp.occupancy(torch.tensor(policy, requires_grad=True), 0.9)
    assert isinstance(tensor, torch.Tensor) and tensor.requires_grad and tensor.dtype == torch.float64
    np.testing.assert_array_equal(tensor.detach().numpy(), array)
    assert mdp.occupancy(torch.tensor(policy, dtype=torch.float32), 0.9).dtype == torch.float64
    finished = mdp.finished(policy)
    assert isinstance(finished, np.ndarray) and finished.shape == (mdp.absorbing,)
    assert isinstance(mdp.finished(torch.tensor(policy)), torch.Tensor)


def test_occupancy_leaves_the_policy_alone(mdp, rng):
    policy = oracles.random_policy(rng, mdp.legal)
    before = policy.copy()
    mdp.occupancy(policy, 0.9)[:] = 0
    mdp.finished(policy)[:] = 0
    np.testing.assert_array_equal(policy, before)


@pytest.mark.parametrize("noise", [0.0, 0.3])
@pytest.mark.parametrize("backspace", [False, True])
@pytest.mark.parametrize("K, L", [(2, 2), (3, 1), (2, 0)])
def test_gradient_of_the_occupancy_agrees_with_finite_differences(K, L, backspace, noise, rng):
    mdp = StringMDP(K, L, backspace, noise)
    legal, weight = torch.tensor(mdp.legal), standard(rng, mdp.legal.shape)

    def functional(logits):
        return (mdp.occupancy(logits.where(legal, -torch.inf).softmax(dim=1), 0.9) * weight).sum()

    assert torch.autograd.gradcheck(functional, (standard(rng, mdp.legal.shape).requires_grad_(),))


# -- visits and values -------------------------------------------------------------------------------------------------


def test_visits_solve_their_equation_for_any_source(mdp, gamma, rng):
    policy, source = oracles.random_policy(rng, mdp.legal), rng.normal(size=mdp.absorbing)
    step = step_matrix(mdp, policy)[: mdp.num_texts, : mdp.num_texts]
    wanted = np.linalg.solve(np.eye(mdp.absorbing) - gamma * step.T, source)
    visits = mdp.visits(to_keys(mdp, policy), gamma, torch.tensor(source))
    np.testing.assert_allclose(visits, wanted, rtol=1e-10, atol=1e-10)


def test_visits_without_discount_are_the_expected_number_of_times(mdp, rng):
    policy, source = oracles.random_policy(rng, mdp.legal), rng.random(mdp.absorbing)
    step = step_matrix(mdp, policy)[: mdp.num_texts, : mdp.num_texts]
    wanted = np.linalg.solve(np.eye(mdp.absorbing) - step.T, source)
    np.testing.assert_allclose(mdp.visits(to_keys(mdp, policy), 1.0, torch.tensor(source)), wanted, rtol=1e-9)


def test_values_are_those_of_a_dense_linear_solve(mdp, gamma, rng):
    policy, reward = oracles.random_policy(rng, mdp.legal), rng.normal(size=mdp.num_states)
    wanted = np.linalg.solve(np.eye(mdp.num_states) - gamma * step_matrix(mdp, policy), reward)
    values = mdp.values(to_keys(mdp, policy), gamma, torch.tensor(reward))
    np.testing.assert_allclose(values, wanted, rtol=1e-10, atol=1e-10)


def test_visits_and_values_are_adjoint(mdp, gamma, rng):
    """⟨visits of a source, reward⟩ = ⟨source, values of the reward⟩."""
    keys = to_keys(mdp, oracles.random_policy(rng, mdp.legal))
    source, reward = standard(rng, mdp.absorbing), standard(rng, mdp.num_states)
    visits, values = mdp.visits(keys, gamma, source), mdp.values(keys, gamma, reward)
    absorbed = gamma / (1 - gamma) * visits * keys.eos[: mdp.num_texts]
    earned = visits @ reward[: mdp.num_texts] + (absorbed * reward[mdp.num_texts :]).sum()
    torch.testing.assert_close(earned, source @ values[: mdp.num_texts], rtol=1e-9, atol=1e-9)


def test_the_value_of_the_empty_text_is_what_the_occupancy_earns(mdp, gamma, rng):
    policy, reward = oracles.random_policy(rng, mdp.legal), rng.normal(size=mdp.legal.shape)
    values = mdp.values(to_keys(mdp, policy), gamma, torch.tensor((policy * reward).sum(axis=1)))
    earned = (mdp.occupancy(policy, gamma) * reward).sum()
    assert (1 - gamma) * values[0].item() == pytest.approx(earned, rel=1e-9, abs=1e-10)


def test_next_values_are_the_oracles_expectations(mdp, rng):
    values = standard(rng, mdp.num_states)
    table = mdp.table(mdp.next_values(values)).numpy()
    np.testing.assert_allclose(table, dense_transitions(mdp) @ values.numpy(), atol=1e-14)


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_gradient_of_visits_and_values_agrees_with_finite_differences(noise, rng):
    mdp = StringMDP(2, 2, noise=noise)
    policy = standard(rng, mdp.legal.shape).softmax(dim=1)
    flat = mdp.keys(mdp.table(mdp.keys(policy))).flatten().requires_grad_()
    source, reward = (standard(rng, size).requires_grad_() for size in (mdp.absorbing, mdp.num_states))
    assert torch.autograd.gradcheck(lambda keys, x: mdp.visits(mdp.unflatten(keys), 0.9, x), (flat, source))
    assert torch.autograd.gradcheck(lambda keys, x: mdp.values(mdp.unflatten(keys), 0.9, x), (flat, reward))


# -- the demonstrator --------------------------------------------------------------------------------------------------


def test_demonstrator_is_the_oracles(mdp, rng):
    for _ in range(5):
        sequences, weights = oracles.random_sequences(rng, mdp.num_tokens, mdp.max_length, int(rng.integers(1, 8)))
        wanted = oracles.demonstrator(mdp.states, mdp.legal, sequences, weights, mdp.num_tokens)
        np.testing.assert_allclose(mdp.demonstrator(sequences, weights), wanted, atol=1e-14)


def test_demonstrator_types_its_sequences_in_proportion_to_their_weights(mdp, rng):
    clean = mdp.without_noise()
    for _ in range(5):
        sequences, weights = oracles.random_sequences(rng, mdp.num_tokens, mdp.max_length, int(rng.integers(1, 8)))
        wanted = np.zeros(clean.absorbing)
        wanted[[clean.index(sequence) for sequence in sequences]] = weights / weights.sum()
        np.testing.assert_allclose(clean.finished(clean.demonstrator(sequences, weights)), wanted, atol=1e-14)


def test_a_repeated_sequence_counts_again_and_equal_weights_are_the_default():
    mdp = StringMDP(2, 2)
    twice = mdp.demonstrator([(0,), (0, 1), (0,)])
    np.testing.assert_array_equal(twice, mdp.demonstrator([(0,), (0, 1)], [2.0, 1.0]))
    np.testing.assert_array_equal(twice, mdp.demonstrator(iter([[0], [0, 1], [0]]), np.ones(3)))


def test_off_the_data_the_demonstrator_is_uniform_and_never_deletes():
    mdp = StringMDP(2, 2)
    policy = mdp.demonstrator([(0, 1), (1,)], weights=[1.0, 0.0])
    third = [1 / 3, 1 / 3, 1 / 3, 0]
    rows = {(): [1, 0, 0, 0], (0,): [0, 1, 0, 0], (1,): third, (0, 0): [0, 0, 1, 0], (0, 1): [0, 0, 1, 0]}
    for text, row in rows.items():
        np.testing.assert_allclose(policy[mdp.index(text)], row, atol=1e-15)
    np.testing.assert_array_equal(policy[-1], [0, 0, 1, 0])


def test_uniform_policies_spread_over_legal_actions(mdp):
    legal = mdp.legal.astype(float)
    np.testing.assert_allclose(mdp.uniform(), legal / legal.sum(axis=1, keepdims=True), atol=1e-15)
    legal[:, mdp.num_tokens + 1 :] = 0
    np.testing.assert_allclose(mdp.uniform(backspace=False), legal / legal.sum(axis=1, keepdims=True), atol=1e-15)


# -- finished texts ----------------------------------------------------------------------------------------------------


def test_finished_texts_are_those_of_a_dense_linear_solve_without_discount(mdp, rng):
    policy = oracles.random_policy(rng, mdp.legal)
    step = step_matrix(mdp, policy)[: mdp.num_texts, : mdp.num_texts]
    start = np.eye(mdp.absorbing)[0]
    wanted = np.linalg.solve(np.eye(mdp.absorbing) - step.T, start) * policy[: mdp.num_texts, mdp.eos]
    np.testing.assert_allclose(mdp.finished(policy), wanted, rtol=1e-10, atol=1e-12)
    assert mdp.finished(policy).sum() == pytest.approx(1, abs=1e-9)


def test_finished_texts_are_those_of_a_simulation(rng):
    mdp, trajectories = StringMDP(2, 2, noise=0.2), 20_000
    policy = 0.5 * mdp.uniform() + 0.5 * oracles.random_policy(rng, mdp.legal)
    states, actions = mdp.sample(policy, trajectories, max_actions=200, seed=int(rng.integers(2**31)))
    assert (states[:, -1] == mdp.absorbing).all()
    last = states[np.arange(trajectories), (actions == mdp.eos).argmax(axis=1)]
    counts = np.bincount(last, minlength=mdp.absorbing)
    assert chi_square(counts, mdp.finished(policy)) > 1e-6


def test_a_typist_who_never_finishes_finishes_no_text(rng):
    for max_length in (1, 2, 3):
        mdp = StringMDP(2, max_length)
        for policy in (type_and_delete_for_ever(mdp), *(endless_policy(rng, mdp) for _ in range(10))):
            np.testing.assert_array_equal(mdp.finished(policy), np.zeros(mdp.absorbing))


def test_finished_texts_sum_to_the_probability_of_ever_finishing(rng):
    mdp = StringMDP(2, 2)
    for lost, finished_here, goes_on in rng.dirichlet(np.ones(3), size=20):
        q = rng.random()
        policy = type_and_delete_for_ever(mdp)
        policy[0] = [lost, goes_on, finished_here, 0]  # (0,) leads into a loop that nothing leaves
        policy[mdp.index((0,))] = [q, 1 - q, 0, 0]
        policy[mdp.index((0, 0))] = policy[mdp.index((0, 1))] = [0, 0, 0, 1]
        wanted = np.zeros(mdp.absorbing)
        wanted[0], wanted[mdp.index((1,))] = finished_here, goes_on
        np.testing.assert_allclose(mdp.finished(policy), wanted, atol=1e-14)


def test_a_loop_that_is_never_entered_does_not_matter():
    mdp = StringMDP(2, 2)
    policy = type_and_delete_for_ever(mdp)
    policy[0] = [0, 0, 1, 0]
    policy[1] = [1, 0, 0, 0]
    policy[mdp.index((0, 0))] = [0, 0, 0, 1]
    np.testing.assert_array_equal(mdp.finished(policy), np.eye(mdp.absorbing)[0])


# -- samples -----------------------------------------------------------------------------------------------------------


def test_samples_use_legal_actions_and_follow_the_keyboard(mdp, rng):
    states, actions = mdp.sample(oracles.random_policy(rng, mdp.legal), 300, 30, seed=int(rng.integers(2**31)))
    assert states.shape == (300, 31) and actions.shape == (300, 30)
    assert (states[:, 0] == 0).all()
    assert mdp.legal[states[:, :-1], actions].all()
    probability = dense_transitions(mdp)[states[:, :-1], actions, states[:, 1:]]
    assert (probability > 0).all()
    if mdp.noise == 0:
        assert (probability == 1).all()


def test_samples_never_take_an_action_of_probability_zero(mdp, rng):
    policy = sparse_policy(rng, mdp)
    states, actions = mdp.sample(policy, 300, 30, seed=int(rng.integers(2**31)))
    assert (policy[states[:, :-1], actions] > 0).all()


def test_a_finished_sample_stays_finished(mdp, rng):
    states, actions = mdp.sample(oracles.random_policy(rng, mdp.legal), 300, 30, seed=int(rng.integers(2**31)))
    ended = np.logical_or.accumulate(actions == mdp.eos, axis=1)
    np.testing.assert_array_equal(states[:, 1:] >= mdp.absorbing, ended)
    stays = (states[:, 1:-1] == states[:, 2:]) | ~ended[:, :-1]
    assert stays.all()
    np.testing.assert_array_equal(states[:, 1:][ended], mdp.finish(states[:, :-1])[ended])
    assert (actions[:, 1:][ended[:, :-1]] == mdp.eos).all()


def test_the_seed_decides_the_sample(rng):
    mdp, seed = StringMDP(3, 3, noise=0.1), int(rng.integers(2**31))
    policy = mdp.uniform()
    one, same, other = (mdp.sample(policy, 50, 20, seed=s) for s in (seed, seed, seed + 1))
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert not np.array_equal(one[1], other[1])
    tensor = mdp.sample(torch.tensor(policy, requires_grad=True), 50, 20, seed=seed)
    assert np.array_equal(one[0], tensor[0])


def chi_square(counts, probabilities):
    """p-value of observed counts; outcomes expected fewer than 10 times are counted with the least frequent other."""
    assert (counts[probabilities == 0] == 0).all()
    expected = counts.sum() * probabilities
    often = np.flatnonzero(expected >= 10)
    if len(often) < 2:
        return 1.0
    rare, least = expected < 10, np.argmin(expected[often])
    observed, wanted = counts[often].astype(float), expected[often]
    observed[least] += counts[rare].sum()
    wanted[least] += expected[rare].sum()
    return scipy.stats.chisquare(observed, wanted).pvalue


@pytest.mark.parametrize("noise", [0.0, 0.4])
@pytest.mark.parametrize("backspace", [False, True])
def test_sampled_actions_follow_the_policy_and_what_is_typed_follows_the_keyboard(backspace, noise, rng):
    mdp = StringMDP(3, 2, backspace, noise)
    policy = oracles.random_policy(rng, mdp.legal)
    states, actions = mdp.sample(policy, 20_000, 15, seed=int(rng.integers(2**31)))
    before, pressed, after = states[:, :-1].ravel(), actions.ravel(), states[:, 1:].ravel()
    most_visited = np.argsort(np.bincount(before[before < mdp.absorbing], minlength=mdp.absorbing))[-5:]
    p_values = []
    for state in most_visited:
        here = before == state
        p_values.append(chi_square(np.bincount(pressed[here], minlength=mdp.num_actions), policy[state]))
        for action in np.flatnonzero(policy[state] > 0):
            landed = np.bincount(after[here & (pressed == action)], minlength=mdp.num_states)
            if landed.sum() > 100:
                p_values.append(chi_square(landed, dense_transitions(mdp)[state, action]))
    assert len(p_values) > 5
    assert min(p_values) > 1e-6 / len(p_values)


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_discounted_frequencies_of_samples_are_the_occupancy_within_five_standard_errors(noise, rng):
    mdp, gamma, trajectories, time = StringMDP(2, 2, noise=noise), 0.8, 20_000, 130
    policy = 0.5 * mdp.uniform() + 0.5 * oracles.random_policy(rng, mdp.legal)
    occupancy = mdp.occupancy(policy, gamma)
    states, actions = mdp.sample(policy, trajectories, time, seed=int(rng.integers(2**31)))
    pairs = (np.arange(trajectories)[:, None] * mdp.num_states + states[:, :-1]) * mdp.num_actions + actions
    weights = np.broadcast_to((1 - gamma) * gamma ** np.arange(time), pairs.shape)
    each = np.bincount(pairs.ravel(), weights.ravel(), minlength=trajectories * occupancy.size)
    each = each.reshape(trajectories, *occupancy.shape)
    error, standard_error = each.mean(axis=0) - occupancy, each.std(axis=0) / np.sqrt(trajectories)
    often = occupancy > 0.005  # elsewhere too few samples for a normal error
    assert often.sum() > 3
    assert (np.abs(error) <= 5 * standard_error + gamma**time)[often].all()
    assert np.abs(error[~often]).max(initial=0) < 0.005


# -- at full size ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_occupancy_of_words_of_four_letters_is_that_of_a_sparse_solve(rng):
    mdp, gamma = StringMDP(26, 4, noise=0.1), 0.99
    policy = np.where(mdp.legal, rng.gamma(1.0, size=mdp.legal.shape), 0)
    policy /= policy.sum(axis=1, keepdims=True)
    start = np.zeros(mdp.num_states)
    start[0] = 1 - gamma
    equations = scipy.sparse.eye_array(mdp.num_states) - gamma * mdp.transition_matrix(policy).T
    visits = scipy.sparse.linalg.spsolve(equations.tocsc(), start)
    np.testing.assert_allclose(mdp.occupancy(policy, gamma), visits[:, None] * policy, rtol=0, atol=1e-12)


def test_steps_follow_the_oracles_transitions(rng):
    mdp = StringMDP(3, 2, noise=0.3)
    P = oracles.transition_tensor(3, 2, True, 0.3)
    for state, action in [(0, 1), (2, 0), (2, mdp.eos), (2, mdp.eos + 1), (12, mdp.eos), (7, mdp.eos + 1)]:
        reached = mdp.step(np.full(20_000, state), np.full(20_000, action), rng)
        shares = np.bincount(reached, minlength=mdp.num_states) / 20_000
        np.testing.assert_allclose(shares, P[state, action], atol=5 * 0.5 / math.sqrt(20_000))
        assert (shares[P[state, action] == 0] == 0).all()


def test_a_small_keyboard_needs_no_look_at_the_memory(monkeypatch):
    """The process in which an answer is graded may not even ask."""

    def refused():
        raise PermissionError("/proc/meminfo")

    monkeypatch.setattr("psutil.virtual_memory", refused)
    assert StringMDP(num_tokens=8, max_length=4).num_texts == 4681
    with pytest.raises(PermissionError):
        StringMDP(num_tokens=26, max_length=5)
