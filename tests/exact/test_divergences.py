"""f-divergences and their φ: the formulas of the table, a numerical conjugate, and what makes them divergences."""

import math
import warnings
from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import oracles
from smatch_edu.exact.divergences import DIVERGENCES, check_measure, chi2_mixture, get_divergence, skew_kl
from smatch_edu.exact.mdp import StringMDP

inf, log = math.inf, math.log


class Row(NamedTuple):
    """One row of the table in the method: f on u > 0 and φ inside its domain, with numbers where they end."""

    f: object
    f_at_zero: float
    phi: object
    domain: float  # φ is finite above this
    at_domain: float  # φ there: finite if the domain is closed
    peak: float  # φ is constant from here on
    at_peak: float


TABLE = {
    "forward_kl": Row(lambda u: -np.log(u), inf, lambda x: 1 + np.log(x), 0.0, -inf, inf, inf),
    "reverse_kl": Row(lambda u: u * np.log(u), 0.0, lambda x: -np.exp(-x - 1), -inf, -inf, inf, 0.0),
    "js": Row(
        lambda u: u * np.log(u) - (u + 1) * np.log((u + 1) / 2),
        log(2),
        lambda x: np.log(2 - np.exp(-x)),
        -log(2),
        -inf,
        inf,
        log(2),
    ),
    "chi2": Row(lambda u: (u - 1) ** 2, 1.0, lambda x: x - x**2 / 4, -inf, -inf, 2.0, 1.0),
    "hellinger": Row(lambda u: (np.sqrt(u) - 1) ** 2, 1.0, lambda x: x / (1 + x), -1.0, -inf, inf, 1.0),
    "tv": Row(lambda u: np.abs(u - 1) / 2, 0.5, lambda x: np.minimum(x, 0.5), -0.5, -0.5, 0.5, 0.5),
    "chi2_mixture": Row(
        lambda u: (u - 1) ** 2 / (u + 1), 1.0, lambda x: 4 * np.sqrt(1 + x) - 4 - x, -1.0, -3.0, 3.0, 1.0
    ),
    "skew_kl": Row(
        lambda u: 2 * (u - 1) - 4 * np.log((1 + u) / 2),
        4 * log(2) - 2,
        lambda x: 4 * np.log(1 + 2 * x / 4) - x,
        -2.0,
        -inf,
        2.0,
        4 * log(2) - 2,
    ),
}
SMOOTH = [name for name in TABLE if name != "tv"]
INFINITE_OFF_THE_DATA = ("reverse_kl", "chi2")  # the learner goes where the expert never does
INFINITE_IF_MISSED = ("forward_kl",)  # the learner never goes where the expert does

every_divergence = pytest.mark.parametrize("name", TABLE)
every_smooth_divergence = pytest.mark.parametrize("name", SMOOTH)
every_kind_of_pair = pytest.mark.parametrize("kind", ["dense", "sparse expert", "sparse learner", "both sparse"])
some_scale = st.floats(0.1, 10.0)


def plain_f(name):
    """f with its limit at zero, for a scalar."""
    return lambda u: TABLE[name].f(u) if u > 0 else TABLE[name].f_at_zero


def inside_domain(rng, name, size):
    """Points in the interior of φ's domain on both sides of its peak, the nearest to the edge 0.01 away from it."""
    lowest = max(TABLE[name].domain + 0.01, -5.0)
    return np.concatenate([rng.uniform(lowest, lowest + 1, size), rng.uniform(lowest, 8.0, size)])


def random_measure(rng, size, zeros=()):
    measure = rng.dirichlet(np.full(size, rng.choice([0.3, 1.0, 10.0]))) + 1e-6
    measure[list(zeros)] = 0
    return measure / measure.sum()


def random_pair(rng, kind):
    """Learner and expert of equal size, with zeros on the sides that `kind` names; with both, one is shared."""
    size = int(rng.integers(5, 30))
    only_expert, only_learner, shared = rng.permutation(size)[:3]
    learner_zeros = [shared, only_learner] if kind == "both sparse" else [only_learner] * (kind == "sparse learner")
    expert_zeros = [shared, only_expert] if kind == "both sparse" else [only_expert] * (kind == "sparse expert")
    return random_measure(rng, size, learner_zeros), random_measure(rng, size, expert_zeros)


@st.composite
def pairs_of_measures(draw, smallest=2):
    """Two distributions on the same few outcomes, zeros anywhere."""
    size = draw(st.integers(smallest, 8))
    weights = st.lists(st.one_of(st.just(0.0), st.floats(1e-6, 1.0)), min_size=size, max_size=size)
    pair = [np.array(draw(weights.filter(any))) for _ in range(2)]
    return tuple(measure / measure.sum() for measure in pair)


# -- the table ---------------------------------------------------------------------------------------------------------


def test_the_eight_divergences_of_the_table_are_there_and_know_their_names():
    assert set(DIVERGENCES) == set(TABLE) == set(oracles.DIVERGENCE_NAMES)
    assert all(divergence.name == name for name, divergence in DIVERGENCES.items())
    assert [name for name, divergence in DIVERGENCES.items() if divergence.smooth] == SMOOTH


@every_divergence
def test_f_is_the_formula_of_the_table(name, rng):
    u = np.exp(rng.uniform(-8, 8, 50))
    np.testing.assert_allclose(DIVERGENCES[name].f(u), TABLE[name].f(u), rtol=1e-13, atol=1e-14)
    assert abs(DIVERGENCES[name].f(1.0)) == 0


@every_divergence
def test_f_at_zero_is_its_limit_to_the_last_digit(name):
    assert DIVERGENCES[name].f_at_zero == pytest.approx(TABLE[name].f_at_zero, rel=1e-15)
    assert DIVERGENCES[name].f(0.0) == pytest.approx(TABLE[name].f_at_zero, rel=1e-15)
    np.testing.assert_allclose(DIVERGENCES[name].f(np.zeros(3)), TABLE[name].f_at_zero, rtol=1e-15)


@every_divergence
def test_f_is_infinite_below_zero(name):
    assert DIVERGENCES[name].f(-1e-9) == inf
    assert DIVERGENCES[name].f(np.array([-1.0, 1.0])).tolist() == [inf, 0.0]


@every_divergence
def test_phi_is_minus_the_conjugate_of_f_found_numerically(name, rng):
    x = inside_domain(rng, name, 15)
    numerical = [oracles.numerical_phi(plain_f(name), point) for point in x]
    np.testing.assert_allclose(DIVERGENCES[name].phi(x), numerical, rtol=1e-8, atol=1e-8)


@every_divergence
def test_phi_is_the_formula_of_the_table_before_its_peak(name, rng):
    x = inside_domain(rng, name, 50)
    x = x[x < TABLE[name].peak]
    assert len(x) > 5
    np.testing.assert_allclose(DIVERGENCES[name].phi(x), TABLE[name].phi(x), rtol=1e-12, atol=1e-14)


@every_divergence
def test_phi_is_constant_from_its_peak_on(name, rng):
    row, divergence = TABLE[name], DIVERGENCES[name]
    assert divergence.peak == row.peak
    if math.isfinite(row.peak):
        past = row.peak + np.append(0.0, rng.exponential(5.0, 20))
        np.testing.assert_allclose(divergence.phi(past), row.at_peak, rtol=1e-14)
    else:
        assert divergence.phi(1e8) == pytest.approx(TABLE[name].phi(1e8), abs=1e-7)
        if math.isfinite(row.at_peak):
            assert divergence.phi(1e8) == pytest.approx(row.at_peak, abs=1e-7)


@every_divergence
def test_phi_is_minus_infinity_outside_its_domain(name, rng):
    row, divergence = TABLE[name], DIVERGENCES[name]
    assert divergence.domain == row.domain
    assert divergence.phi(-inf) == -inf
    if math.isfinite(row.domain):
        outside = row.domain - rng.exponential(1.0, 20) - 1e-3
        assert (divergence.phi(outside) == -inf).all()
        assert divergence.phi(float(np.nextafter(row.domain, -inf))) == -inf
        assert all(oracles.numerical_phi(plain_f(name), point) == -inf for point in outside)


@every_divergence
@given(scale=some_scale)
@settings(max_examples=30)
def test_phi_at_the_edge_of_its_domain_is_finite_only_if_the_domain_is_closed(name, scale):
    row, divergence = TABLE[name], DIVERGENCES[name].scaled(scale)
    at_edge = np.asarray([divergence.phi(divergence.domain), *divergence.phi(np.full(9, divergence.domain))])
    assert at_edge == pytest.approx(scale * row.at_domain, rel=1e-14)
    if math.isfinite(row.domain):
        just_inside = divergence.phi(float(np.nextafter(divergence.domain, inf)))
        assert scale * row.at_domain - 1e-6 <= just_inside < divergence.phi(divergence.domain + 0.01 * scale)
    if math.isfinite(row.at_domain):
        assert oracles.numerical_phi(plain_f(name), row.domain) == pytest.approx(row.at_domain, abs=1e-6)


@every_divergence
def test_phi_of_nan_is_nan(name):
    assert math.isnan(DIVERGENCES[name].phi(math.nan))


@every_divergence
def test_unclipped_phi_follows_its_formula_past_the_peak(name, rng):
    x = inside_domain(rng, name, 50)
    np.testing.assert_allclose(DIVERGENCES[name].phi(x, clipped=False), TABLE[name].phi(x), rtol=1e-12, atol=1e-14)


def test_unclipped_phi_of_chi2_is_a_parabola_everywhere_and_its_gradient_never_dies(rng):
    x = torch.tensor(rng.normal(0, 10, 50), requires_grad=True)
    phi = DIVERGENCES["chi2"].phi(x, clipped=False)
    phi.sum().backward()
    torch.testing.assert_close(phi, x - x**2 / 4, rtol=1e-14, atol=1e-14)
    torch.testing.assert_close(x.grad, 1 - x.detach() / 2, rtol=1e-14, atol=1e-14)


# -- what a conjugate is -----------------------------------------------------------------------------------------------


@every_smooth_divergence
def test_the_slope_of_phi_at_the_best_reward_is_the_ratio(name, rng):
    u = torch.tensor(np.exp(rng.uniform(-3, 3, 50)))
    x = DIVERGENCES[name].reward(u).requires_grad_()
    (slope,) = torch.autograd.grad(DIVERGENCES[name].phi(x).sum(), x)
    torch.testing.assert_close(slope, u, rtol=1e-9, atol=1e-9)


@every_smooth_divergence
def test_the_best_reward_is_minus_the_slope_of_f(name, rng):
    u = torch.tensor(np.exp(rng.uniform(-3, 3, 50)), requires_grad=True)
    (slope,) = torch.autograd.grad(DIVERGENCES[name].f(u).sum(), u)
    torch.testing.assert_close(DIVERGENCES[name].reward(u.detach()), -slope, rtol=1e-10, atol=1e-12)


@every_divergence
def test_a_tilted_price_measures_the_same_distance_and_has_shifted_rewards(name, rng):
    """With f + c(u-1) D_f stays, all rewards are c lower, and so is the critic's score (notebook 03)."""
    divergence, c = DIVERGENCES[name], float(rng.uniform(-2, 2))
    learner, expert = random_measure(rng, 6), random_measure(rng, 6)
    u = np.array(learner) / np.array(expert)
    tilted = (np.array(expert) * (divergence.f(u) + c * (u - 1))).sum()
    assert tilted == pytest.approx(divergence(learner, expert), rel=1e-9, abs=1e-12)
    ratios = np.concatenate([[1e-9], np.linspace(0.001, 60, 400_000)])
    x = np.linspace(max(TABLE[name].domain, -3.0) + 0.3, 2.0, 5)
    by_hand = [(divergence.f(ratios) + c * (ratios - 1) + (one - c) * ratios).min() for one in x]
    np.testing.assert_allclose(by_hand, divergence.phi(x) - c, atol=1e-4)


@every_divergence
@given(data=st.data())
@settings(max_examples=40)
def test_phi_is_concave_and_never_falls_and_stays_below_the_line_x(name, data):
    lowest = max(TABLE[name].domain, -20.0)
    point = st.one_of(st.just(lowest), st.floats(lowest + 1e-3, 20.0))  # nearer to the edge φ magnifies round-off
    x, y = sorted(data.draw(st.tuples(point, point)))
    t = data.draw(st.floats(0.0, 1.0))
    phi, between = DIVERGENCES[name].phi, min(max(t * x + (1 - t) * y, x), y)
    slack = 1e-12 * max(1.0, abs(phi(x)) if math.isfinite(phi(x)) else 1.0)
    assert phi(x) <= phi(y) + slack
    assert phi(x) <= x + slack  # φ(x) ≤ x + f(1), and f(1) = 0
    if 0 < t < 1:
        assert t * phi(x) + (1 - t) * phi(y) <= phi(between) + slack


@every_divergence
@every_kind_of_pair
def test_no_reward_tells_learner_and_expert_apart_by_more_than_the_divergence(name, kind, rng):
    for _ in range(10):
        learner, expert = random_pair(rng, kind)
        lowest = TABLE[name].domain
        reward = lowest + rng.exponential(1.0, len(learner)) if lowest > -inf else rng.normal(0, 2, len(learner))
        gap = expert @ DIVERGENCES[name].phi(reward) - learner @ reward
        assert gap <= DIVERGENCES[name](learner, expert) + 1e-12


@every_divergence
def test_the_reward_of_the_ratio_tells_them_apart_by_the_whole_divergence(name, rng):
    for _ in range(10):
        learner, expert = random_pair(rng, "dense")
        reward = DIVERGENCES[name].reward(learner / expert)
        gap = expert @ DIVERGENCES[name].phi(reward) - learner @ reward
        assert gap == pytest.approx(DIVERGENCES[name](learner, expert), rel=1e-9, abs=1e-12)


# -- D(learner ‖ expert) -----------------------------------------------------------------------------------------------


@every_divergence
@every_kind_of_pair
def test_divergence_is_its_textbook_formula(name, kind, rng):
    for _ in range(20):
        learner, expert = random_pair(rng, kind)
        wanted = oracles.divergence(name, learner, expert)
        assert DIVERGENCES[name](learner, expert) == pytest.approx(wanted, rel=1e-10, abs=1e-13)


def test_divergence_is_written_learner_first():
    learner, expert = np.array([0.5, 0.5]), np.array([0.25, 0.75])
    assert DIVERGENCES["chi2"](learner, expert) == pytest.approx(1 / 3)  # 1/16 / (1/4) + 1/16 / (3/4)
    assert DIVERGENCES["chi2"](expert, learner) == pytest.approx(1 / 4)
    assert DIVERGENCES["chi2"](expert=expert, learner=learner) == pytest.approx(1 / 3)


@every_divergence
@every_kind_of_pair
def test_divergence_is_infinite_exactly_where_the_table_says(name, kind, rng):
    value = DIVERGENCES[name](*random_pair(rng, kind))
    off_the_data, missed = kind in ("sparse expert", "both sparse"), kind in ("sparse learner", "both sparse")
    expected = (off_the_data and name in INFINITE_OFF_THE_DATA) or (missed and name in INFINITE_IF_MISSED)
    assert value == inf if expected else math.isfinite(value)


@every_divergence
def test_divergence_of_distributions_that_never_meet(name):
    wanted = {"forward_kl": inf, "reverse_kl": inf, "chi2": inf, "js": 2 * log(2), "hellinger": 2.0, "tv": 1.0}
    wanted |= {"chi2_mixture": 2.0, "skew_kl": 4 * log(2)}
    assert DIVERGENCES[name](np.array([1.0, 0.0]), np.array([0.0, 1.0])) == pytest.approx(wanted[name], rel=1e-14)


@every_divergence
def test_divergence_is_never_nan_or_negative_however_small_an_entry_is(name):
    for tiny in (5e-324, 1e-310, 1e-300, 1e-150):
        for other in ([1.0, tiny], [0.5, 0.5], [1.0, 0.0]):
            assert DIVERGENCES[name](np.array([tiny, 1.0]), np.array(other)) >= 0
            assert DIVERGENCES[name](np.array(other), np.array([tiny, 1.0])) >= 0


@every_divergence
@pytest.mark.parametrize("tiny", [1e-300, 1e-310, 5e-324])
def test_an_expert_that_almost_never_goes_somewhere_is_no_further_than_the_formula_says(name, tiny):
    learner, expert = np.array([0.5, 0.5]), np.array([tiny, 1.0])
    with np.errstate(
        over="ignore"
    ):  # their ratio may be past the largest float: the oracles divide, and χ² is infinite
        wanted = oracles.divergence(name, learner, expert)
    if name == "reverse_kl":
        wanted = learner @ (np.log(learner) - np.log(expert))
    assert DIVERGENCES[name](learner, expert) == pytest.approx(wanted, rel=1e-12)


@every_divergence
@given(pair=pairs_of_measures())
@settings(max_examples=40)
def test_divergence_is_at_least_the_squared_total_variation_so_zero_only_if_equal(name, pair):
    learner, expert = pair
    value, total_variation = DIVERGENCES[name](learner, expert), np.abs(learner - expert).sum() / 2
    assert value >= total_variation**2 - 1e-13


@every_divergence
@given(pair=pairs_of_measures())
@settings(max_examples=40)
def test_divergence_from_oneself_is_zero(name, pair):
    assert DIVERGENCES[name](pair[0], pair[0].copy()) == pytest.approx(0, abs=1e-15)


@every_divergence
@given(pair=pairs_of_measures(smallest=3), data=st.data())
@settings(max_examples=40)
def test_merging_outcomes_never_increases_a_divergence(name, pair, data):
    size = len(pair[0])
    groups = np.array(data.draw(st.lists(st.integers(0, size - 1), min_size=size, max_size=size)))
    merged = [np.bincount(groups, weights=measure, minlength=size) for measure in pair]
    before = DIVERGENCES[name](*pair)
    assert DIVERGENCES[name](*merged) <= before + 1e-12 * (1 + before)


@every_divergence
def test_divergence_of_tables_is_that_of_their_entries(name, rng):
    learner, expert = (random_measure(rng, 12) for _ in range(2))
    assert DIVERGENCES[name](learner.reshape(3, 4), expert.reshape(3, 4)) == DIVERGENCES[name](learner, expert)


# -- scale -------------------------------------------------------------------------------------------------------------


@every_divergence
@every_kind_of_pair
def test_a_scaled_divergence_is_s_times_it(name, kind, rng):
    scale, (learner, expert) = float(rng.uniform(0.1, 10)), random_pair(rng, kind)
    scaled, plain = DIVERGENCES[name].scaled(scale), DIVERGENCES[name]
    assert scaled(learner, expert) == pytest.approx(scale * plain(learner, expert), rel=1e-12)
    u = np.append(np.exp(rng.uniform(-3, 3, 20)), 0.0)
    np.testing.assert_allclose(scaled.f(u), scale * plain.f(u), rtol=1e-13)
    np.testing.assert_allclose(scaled.reward(u[:-1]), scale * plain.reward(u[:-1]), rtol=1e-13)


@every_divergence
@pytest.mark.parametrize("clipped", [True, False])
def test_phi_of_a_scaled_divergence_is_s_phi_of_x_over_s(name, clipped, rng):
    scale, x = float(rng.uniform(0.1, 10)), inside_domain(rng, name, 30)
    scaled = DIVERGENCES[name].scaled(scale)
    np.testing.assert_allclose(
        scaled.phi(scale * x, clipped=clipped),
        scale * DIVERGENCES[name].phi(x, clipped=clipped),
        rtol=1e-10,
        atol=1e-12,
    )
    assert scaled.domain == pytest.approx(scale * TABLE[name].domain)
    assert scaled.peak == pytest.approx(scale * TABLE[name].peak)
    numerical = [oracles.numerical_phi(lambda u: scale * plain_f(name)(u), scale * point) for point in x[:5]]
    np.testing.assert_allclose(scaled.phi(scale * x[:5]), numerical, rtol=1e-7, atol=1e-7)


@every_divergence
def test_scaling_twice_multiplies_and_leaves_the_original_alone(name, rng):
    learner, expert = random_pair(rng, "dense")
    before = DIVERGENCES[name](learner, expert)
    twice = DIVERGENCES[name].scaled(3.0).scaled(0.5)
    assert twice(learner, expert) == pytest.approx(1.5 * before, rel=1e-12)
    assert DIVERGENCES[name](learner, expert) == before


@every_kind_of_pair
def test_chi2_mixture_with_coefficient_c_is_chi2_to_the_mixture_over_2c(kind, rng):
    c, (learner, expert) = float(rng.uniform(0.05, 2)), random_pair(rng, kind)
    mixture, on = (learner + expert) / 2, learner + expert > 0
    to_mixture = ((expert - mixture)[on] ** 2 / mixture[on]).sum()
    assert chi2_mixture(c)(learner, expert) == pytest.approx(to_mixture / (2 * c), rel=1e-12)


@every_kind_of_pair
def test_chi2_mixture_with_coefficient_c_is_the_best_reward_under_the_penalty_c_r_squared(kind, rng):
    c, (learner, expert) = float(rng.uniform(0.05, 2)), random_pair(rng, kind)

    def penalised(r):
        return expert @ r - learner @ r - c * ((expert + learner) @ r**2)

    total = np.where(expert + learner > 0, expert + learner, 1.0)
    best = (expert - learner) / (2 * c * total)
    assert penalised(best) == pytest.approx(chi2_mixture(c)(learner, expert), rel=1e-10)
    assert np.abs(best).max() <= 1 / (2 * c) + 1e-12
    for _ in range(20):
        assert penalised(rng.normal(0, 1 / c, len(best))) <= penalised(best) + 1e-12


@every_kind_of_pair
def test_skew_kl_with_coefficient_c_is_kl_to_the_mixture_over_c(kind, rng):
    c, (learner, expert) = float(rng.uniform(0.05, 2)), random_pair(rng, kind)
    on = expert > 0
    kl_to_mixture = (expert[on] * np.log(expert[on] / ((expert + learner)[on] / 2))).sum()
    assert skew_kl(c)(learner, expert) == pytest.approx(kl_to_mixture / c, rel=1e-12)


def test_f_and_phi_of_skew_kl_with_coefficient_c(rng):
    c, u = float(rng.uniform(0.05, 2)), np.exp(rng.uniform(-3, 3, 30))
    divergence, x = skew_kl(c), (rng.uniform(0.01, 1, 30) * 2 - 1) / (2 * c)
    np.testing.assert_allclose(divergence.f(u), (u - 1) / (2 * c) - np.log((1 + u) / 2) / c, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(divergence.phi(x), np.log(1 + 2 * c * x) / c - x, rtol=1e-10, atol=1e-12)
    assert (divergence.domain, divergence.peak) == pytest.approx((-1 / (2 * c), 1 / (2 * c)))
    assert divergence.phi(-0.501 / c) == -inf
    assert divergence.phi(3 / c) == pytest.approx(divergence.phi(0.5 / c))


def test_a_quarter_is_the_coefficient_of_the_table(rng):
    learner, expert = random_pair(rng, "both sparse")
    assert chi2_mixture()(learner, expert) == DIVERGENCES["chi2_mixture"](learner, expert)
    assert skew_kl()(learner, expert) == DIVERGENCES["skew_kl"](learner, expert)


# -- kinds of answer, gradients ----------------------------------------------------------------------------------------


@every_divergence
def test_a_number_is_answered_by_a_float_an_array_by_an_array_a_tensor_by_a_tensor(name):
    for function in (DIVERGENCES[name].f, DIVERGENCES[name].phi, DIVERGENCES[name].reward):
        assert type(function(0.25)) is float
        assert type(function(np.float64(0.25))) is float
        array = function(np.full((2, 3), 0.25))
        assert isinstance(array, np.ndarray) and array.shape == (2, 3) and array.dtype == np.float64
        tensor = function(torch.full((2, 3), 0.25, dtype=torch.float64))
        assert isinstance(tensor, torch.Tensor) and tensor.shape == (2, 3) and tensor.dtype == torch.float64
        assert function(torch.full((2,), 0.25, dtype=torch.float32)).dtype == torch.float32
        np.testing.assert_array_equal(array, tensor.numpy())
        assert array[0, 0] == pytest.approx(function(0.25), rel=1e-15)


@every_divergence
def test_divergence_is_a_float_for_arrays_and_a_tensor_with_gradient_for_tensors(name, rng):
    learner, expert = random_pair(rng, "dense")
    value = DIVERGENCES[name](learner, expert)
    assert type(value) is float
    assert DIVERGENCES[name](learner.tolist(), expert.tolist()) == value
    for other in (expert, torch.tensor(expert)):
        tensor = DIVERGENCES[name](torch.tensor(learner, requires_grad=True), other)
        assert isinstance(tensor, torch.Tensor) and tensor.ndim == 0 and tensor.requires_grad
        assert tensor.item() == pytest.approx(value, rel=1e-14)


@every_divergence
def test_nothing_given_is_changed_and_any_numpy_view_will_do(name, rng):
    learner, expert = random_pair(rng, "dense")
    wanted = DIVERGENCES[name](learner, expert)
    backwards, read_only = learner[::-1].copy()[::-1], expert.copy()
    read_only.setflags(write=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert DIVERGENCES[name](backwards, read_only) == wanted
    np.testing.assert_array_equal(backwards, learner)


@pytest.mark.parametrize(
    "name, kind",
    [(name, "dense") for name in SMOOTH]
    + [(name, "sparse expert") for name in SMOOTH if name not in INFINITE_OFF_THE_DATA],
)
def test_gradient_in_the_learner_agrees_with_finite_differences(name, kind, rng):
    expert = torch.tensor(random_measure(rng, 6, [2] if kind == "sparse expert" else []))
    logits = torch.tensor(rng.normal(size=6), requires_grad=True)
    assert torch.autograd.gradcheck(lambda z: DIVERGENCES[name](z.softmax(0), expert), (logits,))


@every_smooth_divergence
def test_minus_the_gradient_in_the_learner_is_the_best_reward(name, rng):
    learner, expert = (torch.tensor(measure) for measure in random_pair(rng, "dense"))
    learner.requires_grad_()
    (gradient,) = torch.autograd.grad(DIVERGENCES[name](learner, expert), learner)
    torch.testing.assert_close(-gradient, DIVERGENCES[name].reward((learner / expert).detach()), rtol=1e-9, atol=1e-10)


@every_smooth_divergence
def test_gradient_of_phi_agrees_with_finite_differences_and_is_finite_outside(name, rng):
    x = inside_domain(rng, name, 10)
    x = torch.tensor(x[np.abs(x - TABLE[name].peak) > 1e-3], requires_grad=True)
    assert torch.autograd.gradcheck(DIVERGENCES[name].phi, (x,))
    outside = torch.tensor([-50.0, 50.0], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(DIVERGENCES[name].phi(outside).sum(), outside)
    assert gradient.isfinite().all()


# -- names -------------------------------------------------------------------------------------------------------------


@every_divergence
def test_a_divergence_is_found_by_name_and_passed_through(name):
    assert get_divergence(name) is DIVERGENCES[name]
    assert get_divergence(DIVERGENCES[name].scaled(2.0)).scale == 2.0


@pytest.mark.parametrize(
    "wrong, meant",
    [
        ("chi", "chi2"),
        ("chi_mixture", "chi2_mixture"),
        ("jsd", "js"),
        ("Forward KL", "forward_kl"),
        ("helinger", "hellinger"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest_one(wrong, meant):
    with pytest.raises(ValueError, match=f"unknown divergence '{wrong}'; did you mean '{meant}'?"):
        get_divergence(wrong)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("entries", [2, 30, 1_000_000])
def test_probabilities_that_are_rounded_are_distributions_all_the_same(rng, dtype, entries):
    measure = torch.from_numpy(rng.normal(size=entries)).to(dtype).softmax(dim=0)
    within = max(1e-6, torch.finfo(dtype).eps * math.sqrt(entries))
    for one in (measure, measure.float().numpy()) if dtype == torch.float32 else (measure,):
        check_measure("it", one)
        if within < 0.1:
            with pytest.raises(ValueError, match=r"it sums to 0\.[0-9]+; it must sum to 1, within"):
                check_measure("it", one * (1 - 3 * within))


def test_a_sum_is_told_in_as_many_digits_as_it_is_off_by():
    with pytest.raises(ValueError, match=r"it sums to 1\.0000012; it must sum to 1, within 1e-06"):
        check_measure("it", np.array([0.5, 0.5000012]))


def test_policies_in_coarse_numbers_are_policies(rng):
    mdp = StringMDP(num_tokens=2, max_length=2)
    exact = torch.from_numpy(rng.dirichlet(np.ones(mdp.num_actions), mdp.num_states) * mdp.legal)
    exact /= exact.sum(dim=1, keepdim=True)
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        mdp.check_policy(exact.to(dtype))
        assert mdp.transition_matrix(exact.to(dtype)).dtype == np.float64
        with pytest.raises(ValueError, match=r"policy row 1 sums to 0\.9[0-9]*; every row must sum to 1 over legal"):
            mdp.check_policy(torch.cat([exact[:1], 0.95 * exact[1:]]).to(dtype))


@pytest.mark.parametrize("name", DIVERGENCES)
def test_continued_below_its_edge_phi_is_its_own_tangent_and_above_unchanged(rng, name):
    scale, margin = float(rng.uniform(0.5, 3)), float(rng.uniform(0.01, 0.1))
    divergence = DIVERGENCES[name].scaled(scale)
    continued = divergence.continued(margin)
    edge = divergence.domain
    if not math.isfinite(edge):
        assert continued is divergence
        return
    above = edge + margin + rng.exponential(size=20)
    np.testing.assert_allclose(continued.phi(above, clipped=False), divergence.phi(above, clipped=False))
    below = torch.tensor(edge + margin - rng.exponential(size=20), requires_grad=True)
    (slopes,) = torch.autograd.grad(continued.phi(below, clipped=False).sum(), below)
    near = torch.tensor(edge + margin, dtype=torch.float64, requires_grad=True)
    height = divergence.phi(near, clipped=False)
    (slope,) = torch.autograd.grad(height, near)
    torch.testing.assert_close(slopes, slope.expand_as(slopes))
    line = height.item() + slope.item() * (below.detach() - near.item())
    torch.testing.assert_close(continued.phi(below.detach(), clipped=False), line)
    with torch.no_grad():
        assert divergence.continued(margin).phi(edge - 1.0, clipped=False) > -math.inf
    with pytest.raises(ValueError, match="margin is 0"):
        divergence.continued(0.0)
