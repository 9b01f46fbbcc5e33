"""The lumped chain of Figure 1 against key sequences that are typed one by one, and against exact integers."""

import math
from collections import defaultdict
from fractions import Fraction

import jaxtyping
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from smatch_edu.exact.figure1 import Figure1Chain

seeds = st.integers(0, 2**32 - 1)


def probabilities(low=0.0, high=1.0):
    return st.sampled_from([low, high]) | st.floats(low, high)


chains = st.builds(
    Figure1Chain,
    error=probabilities(),
    recovery=probabilities(),
    horizon=st.integers(1, 40),
    finish=st.just(0.0) | probabilities(),
)


# ---- Oracles -------------------------------------------------------------------------------------------------------


def keys_after(text, error, recovery, finish):
    """The keys that can be pressed after `text`, with their probabilities. The data is a text of "a" only."""
    if text.endswith("."):
        return {}
    if "b" not in text:
        return {"a": (1 - finish) * (1 - error), "b": (1 - finish) * error, ".": finish}
    return {"<": recovery, "a": (1 - recovery) / 2, "b": (1 - recovery) / 2}


def typed(text, key):
    return text[:-1] if key == "<" else text + key


def lumped(text):
    """-1 for a finished text, otherwise how many tokens have to go before the text is on the data."""
    if text.endswith("."):
        return -1
    return len(text) - text.index("b") if "b" in text else 0


def enumerated(error, recovery, finish, horizon):
    """P(tokens off the data) at each step, from every key sequence and the text that it types, in exact fractions."""
    error, recovery, finish = Fraction(error), Fraction(recovery), Fraction(finish)
    sequences = [("", Fraction(1))]
    steps = []
    for _ in range(horizon + 1):
        steps.append(defaultdict(Fraction))
        for text, probability in sequences:
            steps[-1][lumped(text)] += probability
        sequences = [
            (typed(text, key), probability * weight)
            for text, probability in sequences
            for key, weight in (keys_after(text, error, recovery, finish) or {"": Fraction(1)}).items()
            if weight > 0
        ]
    return steps


def counted(error, recovery, finish, horizon, parts):
    """P(on) and P(off) at each step for probabilities error/parts, ...: the walk in integers, rounded at the end."""
    mass, on, off = {0: 1}, [], []
    for t in range(horizon + 1):
        on.append(mass.get(0, 0) / parts ** (2 * t))
        off.append(sum(share for depth, share in mass.items() if depth > 0) / parts ** (2 * t))
        following = defaultdict(int)
        for depth, share in mass.items():
            if depth == 0:
                following[0] += share * (parts - finish) * (parts - error)
                following[1] += share * (parts - finish) * error
            else:
                following[depth - 1] += share * parts * recovery
                following[depth + 1] += share * parts * (parts - recovery)
        mass = following
    return on, off


def array_of(steps, horizon):
    return np.array([[float(step[depth]) for depth in [*range(horizon + 1), -1]] for step in steps])


# ---- The closed form -----------------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(probabilities(), probabilities(), st.just(0.0) | probabilities(), st.integers(1, 6))
def test_closed_form_and_matrix_agree_with_every_key_sequence(error, recovery, finish, horizon):
    chain = Figure1Chain(error=error, recovery=recovery, horizon=horizon, finish=finish)
    wanted = array_of(enumerated(error, recovery, finish, horizon), horizon)
    np.testing.assert_allclose(chain.distributions(), wanted, atol=1e-14)
    np.testing.assert_allclose(chain.on_the_data(), wanted[:, 0], atol=1e-14)
    np.testing.assert_allclose(chain.out_of_distribution(), wanted[:, 1:-1].sum(axis=1), atol=1e-14)


@settings(max_examples=10)
@given(st.tuples(*[st.integers(0, 64)] * 3))
def test_closed_form_is_accurate_at_horizon_300(sixty_fourths):
    error, recovery, finish = sixty_fourths
    on, off = counted(error, recovery, finish, horizon=300, parts=64)
    chain = Figure1Chain(error=error / 64, recovery=recovery / 64, horizon=300, finish=finish / 64)
    np.testing.assert_allclose(chain.on_the_data(), on, atol=1e-12)
    np.testing.assert_allclose(chain.out_of_distribution(), off, atol=1e-12)


@settings(max_examples=30)
@given(chains)
def test_closed_form_agrees_with_repeated_steps_of_the_matrix(chain):
    distributions = chain.distributions()
    np.testing.assert_allclose(chain.out_of_distribution(), distributions[:, 1:-1].sum(axis=1), atol=1e-13)
    np.testing.assert_allclose(chain.on_the_data(), distributions[:, 0], atol=1e-13)
    finished = chain.finish * np.append(0, np.cumsum(chain.on_the_data()[:-1]))
    np.testing.assert_allclose(finished, distributions[:, -1], atol=1e-13)


@settings(max_examples=20)
@given(st.floats(1e-300, 1e-9), probabilities())
def test_a_tiny_error_keeps_its_digits(error, recovery):
    chain = Figure1Chain(error=error, recovery=recovery, horizon=100)
    np.testing.assert_allclose(chain.out_of_distribution(), chain.distributions()[:, 1:-1].sum(axis=1), rtol=1e-11)


@given(chains)
def test_all_are_probabilities_and_start_on_the_data(chain):
    off, on = chain.out_of_distribution(), chain.on_the_data()
    assert off.shape == on.shape == chain.compounding_error().shape == (chain.horizon + 1,)
    assert off.dtype == on.dtype == np.float64
    assert str(off[0]) == "0.0" and on[0] == 1  # not -0.0, which a reader would see printed
    assert ((off >= 0) & (off <= 1)).all() and (on >= 0).all() and (off + on <= 1 + 1e-12).all()
    assert 0 <= chain.level() <= 1


@given(chains, st.integers(1, 20))
def test_a_longer_horizon_only_goes_on(chain, more):
    longer = Figure1Chain(error=chain.error, recovery=chain.recovery, horizon=chain.horizon + more, finish=chain.finish)
    steps, states = chain.horizon + 1, chain.horizon + 1
    np.testing.assert_allclose(longer.out_of_distribution()[:steps], chain.out_of_distribution(), atol=1e-14)
    np.testing.assert_allclose(longer.distributions()[:steps, :states], chain.distributions()[:, :states], atol=1e-14)


# ---- What the figure says ------------------------------------------------------------------------------------------


@given(probabilities(), st.integers(1, 60))
def test_without_backspace_errors_compound(error, horizon):
    chain = Figure1Chain(error=error, horizon=horizon)
    wanted = [float(1 - (1 - Fraction(error)) ** t) for t in range(horizon + 1)]
    np.testing.assert_allclose(chain.compounding_error(), wanted, rtol=1e-14, atol=0)
    np.testing.assert_allclose(chain.out_of_distribution(), wanted, rtol=1e-14, atol=0)
    np.testing.assert_allclose(chain.on_the_data(), 1 - np.array(wanted), atol=1e-14)


@given(chains)
def test_the_law_of_compounding_does_not_depend_on_backspace_or_the_end(chain):
    plain = Figure1Chain(error=chain.error, horizon=chain.horizon)
    np.testing.assert_array_equal(chain.compounding_error(), plain.out_of_distribution())


@given(chains, probabilities())
def test_more_backspace_never_means_more_off_the_data(chain, other):
    # by coupling where ε ≤ 1-r; elsewhere no proof is known to us and none of 60,000 random pairs broke it
    less, more = sorted([chain.recovery, other])
    rarely, often = (
        Figure1Chain(error=chain.error, recovery=recovery, horizon=chain.horizon, finish=chain.finish)
        for recovery in (less, more)
    )
    assert (often.out_of_distribution() <= rarely.out_of_distribution() + 1e-12).all()
    assert often.level() <= rarely.level() + 1e-12


@given(chains, st.floats(0, 1))
def test_fewer_errors_mean_less_off_the_data_as_long_as_a_mistake_tends_to_stay(chain, share):
    # ε ≤ 1-r: one step from the data is then less likely to end off it than one step from a single mistake
    smaller = share * min(chain.error, 1 - chain.recovery)
    fewer = Figure1Chain(error=smaller, recovery=chain.recovery, horizon=chain.horizon, finish=chain.finish)
    assert (fewer.out_of_distribution() <= chain.out_of_distribution() + 1e-12).all()


def test_with_sure_backspace_more_errors_can_mean_less_off_the_data():
    always, often = (Figure1Chain(error=error, recovery=1.0, horizon=2) for error in (1.0, 0.5))
    assert always.out_of_distribution().tolist() == [0, 1, 0]
    assert often.out_of_distribution().tolist() == [0, 0.5, 0.25]


# ---- The level -----------------------------------------------------------------------------------------------------


@settings(max_examples=30)
@given(probabilities(0.0, 0.9), probabilities(0.65, 1.0))
def test_with_enough_backspace_errors_level_off(error, recovery):
    chain = Figure1Chain(error=error, recovery=recovery, horizon=400)
    assert chain.out_of_distribution()[-1] == pytest.approx(chain.level(), abs=1e-7)
    assert chain.level() == pytest.approx(error / (error + 2 * recovery - 1))


@settings(max_examples=20)
@given(probabilities(0.65, 1.0))
def test_a_chain_that_always_errs_alternates_around_its_level(recovery):
    chain = Figure1Chain(error=1.0, recovery=recovery, horizon=400)
    odd, even = chain.out_of_distribution()[[399, 400]]
    assert odd == pytest.approx(1) and even < 0.8
    assert (odd + even) / 2 == pytest.approx(chain.level(), abs=1e-7)


@settings(max_examples=20)
@given(probabilities(0.3, 1.0), probabilities(0.0, 0.35))
def test_with_too_little_backspace_every_text_gets_lost(error, recovery):
    chain = Figure1Chain(error=error, recovery=recovery, horizon=300)
    assert chain.level() == 1
    assert chain.out_of_distribution()[-1] == pytest.approx(1, abs=1e-6)


def test_at_one_half_returns_become_rare_as_one_over_the_square_root_of_time():
    chain = Figure1Chain(error=0.3, recovery=0.5, horizon=1200)
    on = 1 - chain.out_of_distribution()
    assert chain.level() == 1
    assert on[1200] / on[300] == pytest.approx(1 / 2, rel=0.05)


@settings(max_examples=30)
@given(
    st.just(0.0) | probabilities(1e-6, 1.0),
    probabilities(0.0, 0.35) | probabilities(0.65, 1.0),
    probabilities(0.3, 1.0),
)
def test_if_texts_end_only_the_lost_ones_stay_off_the_data(error, recovery, finish):
    chain = Figure1Chain(error=error, recovery=recovery, horizon=400, finish=finish)
    assert chain.out_of_distribution()[-1] == pytest.approx(chain.level(), abs=1e-6)
    assert (chain.level() > 0) == (error > 0 and finish < 1 and recovery < 0.5)


@given(probabilities(), st.just(0.0) | probabilities())
def test_without_errors_nothing_leaves_the_data(recovery, finish):
    chain = Figure1Chain(error=0.0, recovery=recovery, horizon=30, finish=finish)
    assert not chain.out_of_distribution().any() and chain.level() == 0
    np.testing.assert_allclose(chain.on_the_data(), (1 - finish) ** np.arange(31), atol=1e-14)


# ---- The matrix ----------------------------------------------------------------------------------------------------


@given(chains)
def test_the_matrix_is_a_markov_chain_with_one_state_for_finished_texts(chain):
    matrix = chain.transition_matrix()
    assert matrix.shape == (chain.horizon + 2, chain.horizon + 2) and matrix.dtype == np.float64
    assert (matrix >= 0).all()
    np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-15)
    assert matrix[-1, -1] == 1 and matrix[0, -1] == chain.finish and not matrix[1:-2, -1].any()


def test_the_matrix_of_three_steps():
    matrix = Figure1Chain(error=0.25, recovery=0.75, horizon=3, finish=0.5).transition_matrix()
    wanted = [
        [0.375, 0.125, 0, 0, 0.5],
        [0.75, 0, 0.25, 0, 0],
        [0, 0.75, 0, 0.25, 0],
        [0, 0, 0.75, 0, 0.25],
        [0, 0, 0, 0, 1],
    ]
    np.testing.assert_array_equal(matrix, wanted)


# ---- The simulation ------------------------------------------------------------------------------------------------


def assert_plausible(counts, num_sequences, probability):
    """Each count has a chance of more than 1e-9, two-sided, under its own binomial: six standard errors, or exactly."""
    assert (binom.cdf(counts, num_sequences, probability) > 1e-9).all()
    assert (binom.sf(counts - 1, num_sequences, probability) > 1e-9).all()


@settings(max_examples=40)
@given(chains, seeds)
def test_simulation_agrees_with_the_closed_form(chain, seed):
    estimate = chain.simulate(20_000, seed)
    assert estimate.shape == (chain.horizon + 1,)
    assert_plausible(np.rint(20_000 * estimate), 20_000, chain.out_of_distribution())


@settings(max_examples=20)
@given(chains, seeds)
def test_simulated_depths_agree_with_the_matrix(chain, seed):
    paths, distributions = chain.simulate_paths(5_000, seed), chain.distributions()
    counts = np.stack([(paths == depth).sum(axis=0) for depth in [*range(chain.horizon + 1), -1]], axis=1)
    assert_plausible(counts, 5_000, np.clip(distributions, 0, 1))


@given(chains, seeds)
def test_paths_move_one_token_at_a_time_and_end_only_on_the_data(chain, seed):
    paths = chain.simulate_paths(50, seed)
    assert paths.shape == (50, chain.horizon + 1) and np.issubdtype(paths.dtype, np.integer)
    assert not paths[:, 0].any()
    for before, after in zip(paths[:, :-1].ravel(), paths[:, 1:].ravel(), strict=True):
        allowed = {-1: {-1}, 0: {-1, 0, 1}}.get(int(before), {before - 1, before + 1})
        assert after in allowed


@given(chains, seeds)
def test_the_estimate_is_the_share_of_the_same_paths(chain, seed):
    paths = chain.simulate_paths(50, seed)
    np.testing.assert_array_equal(chain.simulate_paths(50, seed), paths)
    np.testing.assert_array_equal(chain.simulate(50, seed), (paths > 0).mean(axis=0))


@given(seeds)
def test_another_seed_gives_other_paths(seed):
    chain = Figure1Chain(error=0.5, recovery=0.5, horizon=30)
    assert (chain.simulate_paths(50, seed) != chain.simulate_paths(50, seed + 1)).any()


# ---- Bad input -----------------------------------------------------------------------------------------------------


@pytest.fixture
def as_users_run_it(monkeypatch):
    """Without the checks of annotations that the tests add: those refuse a wrong type in words of their own."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


@pytest.mark.parametrize("name", ["error", "recovery", "finish"])
@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan, math.inf, "0.1", None])
def test_a_probability_out_of_range_is_named(as_users_run_it, name, value):
    with pytest.raises(ValueError, match=rf"^{name} is {value!r}; it must be a probability, a number in \[0, 1\]$"):
        Figure1Chain(**{"error": 0.1, "horizon": 5, name: value})


@pytest.mark.parametrize("horizon", [0, -1, 2.5, 3.0, True, "3", math.nan])
def test_a_horizon_that_is_no_number_of_steps_is_named(as_users_run_it, horizon):
    with pytest.raises(ValueError, match=f"^horizon is {horizon!r}; it must be a whole number, at least 1$"):
        Figure1Chain(error=0.1, horizon=horizon)


@pytest.mark.parametrize("num_sequences", [0, -5, 2.5, True])
@pytest.mark.parametrize("simulate", [Figure1Chain.simulate, Figure1Chain.simulate_paths])
def test_a_simulation_of_no_sequences_is_refused(as_users_run_it, simulate, num_sequences):
    with pytest.raises(ValueError, match=f"^num_sequences is {num_sequences}; it must be a whole number, at least 1$"):
        simulate(Figure1Chain(error=0.1, horizon=5), num_sequences, seed=0)


# ---- Two examples --------------------------------------------------------------------------------------------------


def test_ten_percent_errors_over_a_hundred_tokens():
    without = Figure1Chain(error=0.1, horizon=100).out_of_distribution()
    with_backspace = Figure1Chain(error=0.1, recovery=0.9, horizon=100)
    assert without[[1, 10, 100]].round(3).tolist() == [0.1, 0.651, 1.0]
    assert with_backspace.out_of_distribution()[[1, 10, 100]].round(3).tolist() == [0.1, 0.111, 0.111]
    assert with_backspace.level() == pytest.approx(1 / 9)


def test_four_steps_by_hand():
    # two steps: stay then err, or err and stay off; three: S S E, S E and more, E B E, E and two more that leave it off
    chain = Figure1Chain(error=0.5, recovery=0.5, horizon=3)
    assert chain.on_the_data().tolist() == [1, 0.5, 0.5, 0.375]
    assert chain.out_of_distribution() == pytest.approx([0, 0.5, 0.5, 0.625])
