"""The objective on trajectories, against plain loops over single trajectories and the exact J of occupancies."""

import dataclasses
import math
from collections.abc import Callable

import jaxtyping
import numpy as np
import pytest
import torch

import oracles
from smatch_edu.exact import tabular
from smatch_edu.exact.divergences import chi2_mixture, skew_kl
from smatch_edu.exact.mdp import StringMDP
from smatch_edu.training.objectives import (
    Trajectories,
    alpha_of_coefficient,
    discounted_telescope,
    domain_penalty,
    log_likelihood,
    sequencematch_objective,
    sequencematch_terms,
)

nan, inf = math.nan, math.inf

# φ on its whole domain, never clipped, and the lower end of that domain; the table of the course, typed again.
PHI: dict[str, Callable[[float], float]] = {
    "mle": lambda x: x,
    "sampled_mixture": lambda x: x - x**2 / 4,
    "forward_kl": lambda x: 1 + math.log(x),
    "reverse_kl": lambda x: -math.exp(-x - 1),
    "js": lambda x: math.log(2 - math.exp(-x)),
    "chi2": lambda x: x - x**2 / 4,
    "hellinger": lambda x: x / (1 + x),
    "tv": lambda x: min(x, 0.5),
    "chi2_mixture": lambda x: 4 * math.sqrt(1 + x) - 4 - x,
    "skew_kl": lambda x: 4 * math.log(1 + x / 2) - x,
}
EDGE = {"forward_kl": 0.0, "js": -math.log(2), "hellinger": -1.0, "tv": -0.5, "chi2_mixture": -1.0, "skew_kl": -2.0}
VALUE_ESTIMATES = ["start", "data", "half"]
NEEDS_MODEL = {"sampled_mixture", "half"}


# -- the oracle: one trajectory at a time, one step at a time ----------------------------------------------------------


def log_sum_exp(numbers):
    top = max(numbers)
    return top + math.log(sum(math.exp(x - top) for x in numbers))


def walk(batch, b, absorbing_value, gamma):
    """V(s_0)..V(s_N), the rewards r_0..r_{N-1} and the weights of one trajectory of a batch."""
    length, ended = int(batch.lengths[b]), bool(batch.ended[b])
    values = []
    for i in range(length if ended else length + 1):
        row = batch.logits[b, i].tolist()
        allowed = [True] * len(row) if batch.legal is None else batch.legal[b, i].tolist()
        values.append(log_sum_exp([x for x, may in zip(row, allowed, strict=True) if may]))
    if ended:
        values.append(float(absorbing_value))
    rewards, weights = [], []
    for i in range(length):
        ahead = values[i + 1]
        if batch.next_values is not None and not (ended and i == length - 1):
            ahead = float(batch.next_values[b, i])
        rewards.append(float(batch.logits[b, i, int(batch.actions[b, i])]) - gamma * ahead)
        weights.append(1.0 if batch.weights is None else float(batch.weights[b, i]))
    return values, rewards, weights


def sum_of(batch, b, absorbing_value, gamma, function, tail=True):
    """Σ_i γ^i w_i function(r_i), where the absorbing state goes on earning, with the weight of the last step, until
    nothing is left to add."""
    _, rewards, weights = walk(batch, b, absorbing_value, gamma)
    total = sum(gamma**i * w * function(r) for i, (r, w) in enumerate(zip(rewards, weights, strict=True)) if w)
    if tail and bool(batch.ended[b]):
        earned = function(float(absorbing_value) - gamma * float(absorbing_value))
        i = len(rewards)
        while gamma**i > 1e-17 * (1 - gamma):
            total += gamma**i * weights[-1] * earned
            i += 1
    return total


def telescoped(batch, b, absorbing_value, gamma):
    values, _, weights = walk(batch, b, absorbing_value, gamma)
    steps = sum(gamma**i * w * (values[i] - gamma * values[i + 1]) for i, w in enumerate(weights))
    return steps + gamma ** len(weights) * values[-1]


def likelihood_of(batch, b, gamma):
    values, _, weights = walk(batch, b, 0.0, gamma)
    chosen = [float(batch.logits[b, i, int(batch.actions[b, i])]) - values[i] for i in range(len(weights))]
    return sum(gamma**i * w * x for i, (w, x) in enumerate(zip(weights, chosen, strict=True)))


def mean_over(batch, function):
    return float(np.mean([function(batch, b) for b in range(len(batch.lengths))]))


def naive_terms(data, absorbing_value, *, gamma, alpha, divergence, model=None, value_estimate="start", tail=True):
    """The parts of the objective by the oracle: data, value, model_penalty, and the mean squares of the logs."""

    def phi(reward):
        return PHI[divergence](alpha * reward) / alpha

    def telescope(batch, b):
        return telescoped(batch, b, absorbing_value, gamma)

    def mean_square(batch):
        walks = [walk(batch, b, absorbing_value, gamma) for b in range(len(batch.lengths))]
        rewards = [r for _, rewards, weights in walks for r, w in zip(rewards, weights, strict=True) if w]
        return float(np.mean(np.square(rewards)))

    data_term = mean_over(data, lambda batch, b: sum_of(batch, b, absorbing_value, gamma, phi, tail))
    penalty = 0.0
    if divergence == "sampled_mixture":
        squares = mean_over(model, lambda batch, b: sum_of(batch, b, absorbing_value, gamma, lambda r: r * r, tail))
        penalty = alpha / 4 * squares
    if value_estimate == "start":
        value = mean_over(data, lambda batch, b: walk(batch, b, absorbing_value, gamma)[0][0])
    elif value_estimate == "data":
        value = mean_over(data, telescope)
    else:
        value = (mean_over(data, telescope) + mean_over(model, telescope)) / 2
    return {
        "objective": data_term - value - penalty,
        "data": data_term,
        "value": value,
        "model_penalty": penalty,
        "squared_reward_data": mean_square(data),
        "squared_reward_model": nan if model is None else mean_square(model),
    }


# -- trajectories to try it on -----------------------------------------------------------------------------------------


def float64(array):
    return torch.tensor(array, dtype=torch.float64)


def random_batch(rng, batch=5, time=6, num_actions=4, legal=True, weights=False, next_values=False, ended=None):
    """Random logits and actions, no environment behind them: some ended, some cut short, of all lengths.

    The longest possible and the shortest are among them; what stands in the padding is random as well.
    """
    if ended is None:
        ended = rng.permutation(np.arange(batch) % 3 != 2) if batch > 2 else rng.random(batch) < 0.5
    longest = time - ~ended
    lengths = rng.integers(1, longest + 1)
    lengths[rng.integers(batch)] = 1
    if batch > 1:
        i = rng.choice(np.flatnonzero(lengths > 1)) if (lengths > 1).any() else 0
        lengths[i] = longest[i]
    actions = rng.integers(num_actions, size=(batch, time))
    allowed = rng.random((batch, time, num_actions)) < 0.6
    np.put_along_axis(allowed, actions[:, :, None], True, axis=2)
    return Trajectories(
        logits=float64(rng.normal(scale=1.5, size=(batch, time, num_actions))),
        actions=torch.tensor(actions),
        lengths=torch.tensor(lengths),
        ended=torch.tensor(ended),
        legal=torch.tensor(allowed) if legal else None,
        next_values=float64(rng.normal(scale=1.5, size=(batch, time))) if next_values else None,
        weights=float64(rng.uniform(0, 2, size=(batch, time)) * (rng.random((batch, time)) < 0.8)) if weights else None,
    )


def feasible(data, absorbing_value, gamma, alpha, divergence, margin=0.1):
    """The same data with all logits and values raised by a constant C, so that every αr is inside φ's domain.

    Every reward rises by (1-γ)C.
    """
    rewards = [r for b in range(len(data.lengths)) for r in walk(data, b, absorbing_value, gamma)[1]]
    lowest = min(*rewards, (1 - gamma) * float(absorbing_value))
    lift = max(0.0, ((EDGE.get(divergence, -inf) + margin) / alpha - lowest) / (1 - gamma))
    raised = None if data.next_values is None else data.next_values + lift
    return dataclasses.replace(data, logits=data.logits + lift, next_values=raised), absorbing_value + lift


def options_of(rng, divergence, value_estimate="start", **batch_options):
    """Random arguments of `sequencematch_terms`: (data, absorbing value), {the rest}."""
    gamma, alpha = float(rng.uniform(0.3, 0.95)), float(rng.uniform(0.05, 1.5))
    data = random_batch(rng, **batch_options)
    data, absorbing_value = feasible(data, float64(rng.normal()), gamma, alpha, divergence)
    model = None
    if NEEDS_MODEL & {divergence, value_estimate}:
        model = random_batch(rng, **{"time": 5, **batch_options, "batch": 3, "ended": None})
    return (data, absorbing_value), {
        "gamma": gamma,
        "alpha": alpha,
        "divergence": divergence,
        "value_estimate": value_estimate,
        "model": model,
    }


def cut_out(batch, b, time=None):
    """Trajectory b alone, without its padding (or with `time` states)."""
    length, ended = int(batch.lengths[b]), bool(batch.ended[b])
    time = time or (length if ended else length + 1)
    changes = {}
    for field in dataclasses.fields(batch):
        whole = getattr(batch, field.name)
        if whole is not None:
            changes[field.name] = whole[b : b + 1] if whole.ndim == 1 else whole[b : b + 1, :time]
    return Trajectories(**changes)


def random_typist(rng, mdp, finishes=0.25, concentration=1.0):
    """A policy that finishes with the same probability wherever it stands, and else presses a random other key."""
    goes_on = mdp.legal & (np.arange(mdp.num_actions) != mdp.eos)
    goes_on[mdp.absorbing] = mdp.legal[mdp.absorbing]
    policy = (1 - finishes) * oracles.random_policy(rng, goes_on, concentration)
    policy[:, mdp.eos] += finishes
    return policy


def trim(states, actions):
    """Without the columns in which everyone has finished."""
    longest = int((states != states.max()).sum(axis=1).max())
    return states[:, : longest + 1], actions[:, :longest]


@dataclasses.dataclass
class Typing:
    """A noisy keyboard with backspace, a typist, and a table of logits that knows nothing of the typist."""

    mdp: StringMDP
    typist: np.ndarray
    table: np.ndarray

    @property
    def absorbing_value(self):
        return float64(self.table[self.mdp.absorbing, self.mdp.eos])

    def soft_values(self):
        pairs = zip(self.table, self.mdp.legal, strict=True)
        return np.array([log_sum_exp(row[legal].tolist()) for row, legal in pairs])

    def trajectories(self, rng, count, max_actions, next_value="sample", policy=None):
        """(Trajectories, states, actions)."""
        policy = self.typist if policy is None else policy
        states, actions = self.mdp.sample(policy, count, max_actions, seed=int(rng.integers(2**31)))
        return Trajectories.on_table(self.mdp, torch.tensor(self.table), states, actions, next_value), states, actions


@pytest.fixture
def typing(rng):
    mdp = StringMDP(int(rng.integers(2, 4)), 3, backspace=True, noise=float(rng.uniform(0.1, 0.6)))
    return Typing(mdp, random_typist(rng, mdp), rng.normal(scale=1.5, size=mdp.legal.shape))


@pytest.fixture
def gamma(rng):
    return float(rng.uniform(0.3, 0.98))


# -- maximum likelihood is the special case φ(x) = x -------------------------------------------------------------------


def likelihood_by_hand(typing, states, actions, gamma):
    """Σ γ^i log π(a_i|s_i) of each sampled trajectory, from the tables."""
    values = typing.soft_values()
    sums = np.zeros(len(states))
    for b, (texts, pressed) in enumerate(zip(states, actions, strict=True)):
        for i, a in enumerate(pressed):
            if texts[i] != typing.mdp.absorbing:
                sums[b] += gamma**i * (typing.table[texts[i], a] - values[texts[i]])
    return sums


@pytest.mark.parametrize("value_estimate", VALUE_ESTIMATES)
def test_mle_is_the_discounted_likelihood_with_backspace_and_noise(rng, typing, gamma, value_estimate):
    data, states, actions = typing.trajectories(rng, 40, 150)
    assert data.ended.all()
    stale, _, _ = typing.trajectories(rng, 7, 20, policy=typing.mdp.uniform())
    objective = sequencematch_objective(
        data,
        typing.absorbing_value,
        gamma=gamma,
        alpha=float(rng.uniform(0.01, 5)),
        divergence="mle",
        model=stale,
        value_estimate=value_estimate,
    )
    assert typing.mdp.noise > 0 and (actions == typing.mdp.eos + 1).any()
    assert float(objective) == pytest.approx(likelihood_by_hand(typing, states, actions, gamma).mean(), abs=1e-10)
    assert float(objective) == pytest.approx(float(log_likelihood(data, gamma)), abs=1e-10)


@pytest.mark.parametrize("legal", [True, False], ids=["some illegal", "all legal"])
@pytest.mark.parametrize("value_estimate", ["start", "data"])
def test_mle_is_the_discounted_likelihood_of_padded_batches(rng, gamma, legal, value_estimate):
    data = random_batch(rng, ended=np.ones(5, dtype=bool), legal=legal)
    objective = sequencematch_objective(
        data, float64(rng.normal()), gamma=gamma, alpha=1.0, divergence="mle", value_estimate=value_estimate
    )
    assert float(objective) == pytest.approx(float(log_likelihood(data, gamma)), abs=1e-10)


@pytest.mark.parametrize("value_estimate", VALUE_ESTIMATES)
def test_mle_of_a_truncated_trajectory_lacks_the_value_of_where_it_was_cut(rng, typing, gamma, value_estimate):
    """Σ_{i<N} γ^i (ℓ_i - γ V_{i+1}) - V_0 = Σ_{i<N} γ^i (ℓ_i - V_i) - γ^N V_N, and nothing after N cancels γ^N V_N.

    Where the run has ended the absorbing tail, γ^N/(1-γ) · (1-γ) V_N, does.
    """
    data, states, actions = typing.trajectories(rng, 60, 3)
    assert data.ended.any() and not data.ended.all()
    objective = sequencematch_objective(
        data,
        typing.absorbing_value,
        gamma=gamma,
        alpha=1.0,
        divergence="mle",
        model=data,
        value_estimate=value_estimate,
    )
    boundary = gamma**3 * typing.soft_values()[states[:, -1]] * (states[:, -1] != typing.mdp.absorbing)
    wanted = likelihood_by_hand(typing, states, actions, gamma) - boundary
    assert float(objective) == pytest.approx(wanted.mean(), abs=1e-10)
    assert float(log_likelihood(data, gamma)) == pytest.approx(float(objective) + boundary.mean(), abs=1e-10)


@pytest.mark.parametrize("weights", [True, False], ids=["weighted", "unweighted"])
def test_log_likelihood_is_the_sum_over_each_trajectory_and_the_mean_over_the_batch(rng, weights):
    data = random_batch(rng, weights=weights)
    for gamma in (1.0, float(rng.uniform(0.1, 1))):
        wanted = mean_over(data, lambda batch, b, gamma=gamma: likelihood_of(batch, b, gamma))
        assert float(log_likelihood(data, gamma)) == pytest.approx(wanted, abs=1e-10)
    assert float(log_likelihood(data)) == float(log_likelihood(data, 1.0))


def test_chi2_is_the_likelihood_less_a_penalty_on_the_squared_rewards(rng, gamma):
    data, absorbing_value = random_batch(rng, ended=np.ones(5, dtype=bool)), float64(rng.normal())
    alpha = float(rng.uniform(0.01, 2))
    objective = sequencematch_objective(data, absorbing_value, gamma=gamma, alpha=alpha, divergence="chi2")
    squares = mean_over(data, lambda batch, b: sum_of(batch, b, absorbing_value, gamma, lambda r: r * r))
    assert float(objective) == pytest.approx(float(log_likelihood(data, gamma)) - alpha / 4 * squares, rel=1e-10)


@pytest.mark.parametrize("divergence", ["chi2", "chi2_mixture", "skew_kl", "sampled_mixture"])
def test_small_alpha_recovers_the_likelihood(rng, divergence):
    """(1/α) φ(α r) → r for every φ with φ(0) = 0 and φ'(0) = 1: the gap is of the order of α."""
    data = random_batch(rng, ended=np.ones(5, dtype=bool))
    alphas = (1e-4, 1e-5)
    gaps = [
        float(
            sequencematch_objective(data, float64(0.3), gamma=0.8, alpha=alpha, divergence=divergence, model=data)
            - log_likelihood(data, 0.8)
        )
        for alpha in alphas
    ]
    assert -0.1 < gaps[0] < gaps[1] < 0
    assert gaps[0] / gaps[1] == pytest.approx(10, rel=0.05)


# -- V(s_0), telescoped ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("max_actions", [1, 2, 5, 100], ids=lambda n: f"at most {n} actions")
def test_the_value_terms_telescope_to_the_start_on_every_trajectory(rng, typing, gamma, max_actions):
    """Deleted, slipped, cut short, and pressed by a typist who is not the policy of the logits."""
    data, _, actions = typing.trajectories(rng, 60, max_actions)
    value = typing.soft_values()[0]
    got = discounted_telescope(data, typing.absorbing_value, gamma).numpy()
    assert got.shape == (60,)
    np.testing.assert_allclose(got, value, rtol=0, atol=1e-10)
    assert data.ended.all() == (max_actions == 100)
    assert max_actions < 5 or (actions == typing.mdp.eos + 1).any()


def test_the_value_terms_telescope_without_an_environment(rng, gamma):
    data, absorbing_value = random_batch(rng, batch=20, time=9), float64(rng.normal(scale=10))
    starts = [walk(data, b, absorbing_value, gamma)[0][0] for b in range(20)]
    np.testing.assert_allclose(discounted_telescope(data, absorbing_value, gamma), starts, rtol=0, atol=1e-10)


def test_telescoping_knows_nothing_of_expected_next_values_but_of_weights(rng, gamma):
    data, absorbing_value = random_batch(rng, weights=True, next_values=True), float64(rng.normal())
    wanted = [telescoped(data, b, absorbing_value, gamma) for b in range(5)]
    np.testing.assert_allclose(discounted_telescope(data, absorbing_value, gamma), wanted, rtol=0, atol=1e-10)


def test_the_weights_of_steps_break_the_telescope(rng):
    data = dataclasses.replace(random_batch(rng), weights=None)
    skipped = dataclasses.replace(data, weights=torch.zeros_like(data.logits[:, :, 0]))
    at_end = [0.9 ** int(n) * walk(data, b, 2.0, 0.9)[0][-1] for b, n in enumerate(data.lengths)]
    np.testing.assert_allclose(discounted_telescope(skipped, float64(2.0), 0.9), at_end, atol=1e-12)


# -- against the plain loops -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tail", [True, False], ids=["tail", "no tail"])
@pytest.mark.parametrize("value_estimate", VALUE_ESTIMATES)
@pytest.mark.parametrize("divergence", PHI)
def test_the_objective_is_what_a_loop_over_steps_sums(rng, divergence, value_estimate, tail):
    for extras in ({}, {"legal": False, "weights": True}, {"weights": True, "next_values": True}):
        arguments, options = options_of(rng, divergence, value_estimate, **extras)
        terms = sequencematch_terms(*arguments, **options, tail=tail)._asdict()
        wanted = naive_terms(*arguments, **options, tail=tail)
        assert {name: float(term) for name, term in terms.items()} == pytest.approx(
            wanted, rel=1e-10, abs=1e-10, nan_ok=True
        )
        assert float(terms["objective"]) == float(sequencematch_objective(*arguments, **options, tail=tail))


def test_the_absorbing_tail_is_a_geometric_series(rng, gamma):
    """[eos] at once: r_0 = ℓ(eos|s_0) - γ V, then (1-γ) V for ever, Σ_{i≥1} γ^i = γ/(1-γ) times."""
    logits, absorbing_value, alpha = rng.normal(size=4), float(rng.normal()), float(rng.uniform(0.1, 2))
    batch = Trajectories(
        float64(logits)[None, None], torch.tensor([[2]]), torch.tensor([1]), torch.tensor([True])
    )  # batch of one, one step

    def chi2(reward):
        return reward - alpha / 4 * reward**2

    start = log_sum_exp(logits.tolist())
    wanted = chi2(logits[2] - gamma * absorbing_value) + gamma / (1 - gamma) * chi2((1 - gamma) * absorbing_value)
    for value_estimate in ("start", "data"):
        got = sequencematch_objective(
            batch, float64(absorbing_value), gamma=gamma, alpha=alpha, divergence="chi2", value_estimate=value_estimate
        )
        assert float(got) == pytest.approx(wanted - start, abs=1e-10)


@pytest.mark.parametrize("name, build", [("chi2_mixture", chi2_mixture), ("skew_kl", skew_kl)])
def test_the_coefficient_may_stand_in_the_divergence_or_beside_it(rng, name, build):
    """(1/α) φ(α r) is the φ of D/α, so D with coefficient c at α = 1 is D at α = 4c."""
    c = float(rng.uniform(0.02, 0.4))
    data, absorbing_value = feasible(random_batch(rng), float64(rng.normal()), 0.9, 4 * c, name)
    inside = sequencematch_objective(data, absorbing_value, gamma=0.9, alpha=1.0, divergence=build(c))
    beside = sequencematch_objective(data, absorbing_value, gamma=0.9, coefficient=c, divergence=name)
    assert float(inside) == pytest.approx(float(beside), rel=1e-10)


@pytest.mark.parametrize("divergence", PHI)
def test_a_batch_is_the_mean_of_its_trajectories(rng, divergence):
    arguments, options = options_of(rng, divergence, weights=True, next_values=True, batch=4)
    data, absorbing_value = arguments
    singles = [sequencematch_objective(cut_out(data, b), absorbing_value, **options) for b in range(4)]
    assert all(single.isfinite() for single in singles)
    assert float(sequencematch_objective(*arguments, **options)) == pytest.approx(float(sum(singles)) / 4, rel=1e-10)
    likelihoods = [log_likelihood(cut_out(data, b), 0.9) for b in range(4)]
    assert float(log_likelihood(data, 0.9)) == pytest.approx(float(sum(likelihoods)) / 4, rel=1e-10)
    telescopes = torch.cat([discounted_telescope(cut_out(data, b), absorbing_value, 0.9) for b in range(4)])
    torch.testing.assert_close(discounted_telescope(data, absorbing_value, 0.9), telescopes)


@pytest.mark.parametrize("junk", [nan, inf, -inf, 1e300, -1e300])
@pytest.mark.parametrize("divergence", PHI)
def test_the_padding_is_never_read(rng, divergence, junk):
    """Neither value nor gradient feels it, and its own gradient is exactly zero."""
    value_estimate = str(rng.choice(["start", "data", "half"]))
    (data, absorbing_value), options = options_of(rng, divergence, value_estimate, weights=True, next_values=True)

    def spoil(batch):
        passed = torch.arange(batch.logits.shape[1]) < (batch.lengths + (~batch.ended).long())[:, None]
        taken = torch.arange(batch.logits.shape[1]) < batch.lengths[:, None]
        anything = torch.tensor(rng.integers(-(2**40), 2**40, size=batch.actions.shape))
        return Trajectories(
            batch.logits.masked_fill(~passed[:, :, None], junk),
            torch.where(taken, batch.actions, anything),
            batch.lengths,
            batch.ended,
            batch.legal & (passed[:, :, None] | torch.tensor(rng.random(batch.legal.shape) < 0.3)),
            batch.next_values.masked_fill(~taken, junk),
            batch.weights.masked_fill(~taken, junk),
        ), passed

    def functions(data, model):
        yield sequencematch_objective(data, absorbing_value, **{**options, "model": model})
        yield log_likelihood(data, options["gamma"])
        yield discounted_telescope(data, absorbing_value, options["gamma"]).sum()

    model = options["model"]
    spoilt, passed = spoil(data)
    spoilt_model = None if model is None else spoil(model)[0]
    assert not passed.all()
    for batch in (data, spoilt):
        batch.logits.requires_grad_()
    for clean, dirty in zip(functions(data, model), functions(spoilt, spoilt_model), strict=True):
        assert clean.isfinite()
        assert dirty.item() == clean.item()
        (wanted,) = torch.autograd.grad(clean, data.logits)
        (got,) = torch.autograd.grad(dirty, spoilt.logits)
        assert got.isfinite().all()
        assert torch.equal(got, wanted)
        assert (got[~passed] == 0).all()
        assert (got[passed] != 0).any()


@pytest.mark.parametrize("divergence", EDGE)
def test_a_step_of_weight_zero_may_lie_outside_the_domain(rng, divergence):
    """It is left out of the loss, with its gradient, as the step of a masked mistake is."""
    (data, absorbing_value), options = options_of(rng, divergence, ended=np.array([True, False, True]), batch=3)
    b = int(data.lengths.argmax())
    t = int(data.lengths[b]) - 1
    weights = changed(torch.ones_like(data.logits[:, :, 0]), (b, t), 0.0)
    logits = changed(data.logits, (b, t, int(data.actions[b, t])), -1e4)
    masked = dataclasses.replace(data, logits=logits, weights=weights)
    wanted = naive_terms(masked, absorbing_value, **options)["objective"]
    logits.requires_grad_()
    got = sequencematch_objective(masked, absorbing_value, **options)
    assert got.item() == pytest.approx(wanted, rel=1e-10)
    (gradient,) = torch.autograd.grad(got, logits)
    assert gradient.isfinite().all()
    with pytest.raises(ValueError, match=f"trajectory {b}, step {t}"):
        sequencematch_objective(dataclasses.replace(masked, weights=None), absorbing_value, **options)


@pytest.mark.parametrize("divergence", ["chi2", "sampled_mixture", "mle"])
def test_the_logits_of_illegal_actions_are_never_read(rng, divergence):
    (data, absorbing_value), options = options_of(rng, divergence)
    for junk in (-inf, 50.0):
        spoilt = dataclasses.replace(data, logits=data.logits.masked_fill(~data.legal, junk).requires_grad_())
        got = sequencematch_objective(spoilt, absorbing_value, **options)
        assert got.item() == pytest.approx(sequencematch_objective(data, absorbing_value, **options).item(), rel=1e-12)
        (gradient,) = torch.autograd.grad(got, spoilt.logits)
        assert gradient.isfinite().all() and (gradient[~data.legal] == 0).all()


# -- against the exact J -----------------------------------------------------------------------------------------------

COUNT, BATCHES = 20_000, 100


def keyboard_with_a_jensen_gap(rng):
    """Logits b(s) + log π(a|s) with b = ±1 among siblings, about: r < 1 + γ < 2, and below 2 no φ is clipped."""
    mdp = StringMDP(2, 3, backspace=True, noise=0.3)
    levels = np.where(np.arange(mdp.num_states) % 2 == rng.integers(2), 1.0, -1.0)
    levels[mdp.absorbing] = 1.0
    levels *= rng.uniform(0.8, 1, mdp.num_states)
    policy = random_typist(rng, mdp, 0.3, concentration=5.0)
    table = np.log(np.where(mdp.legal, policy, rng.uniform(size=policy.shape))) + levels[:, None]
    return Typing(mdp, random_typist(rng, mdp, 0.3), table)


def expected(typing, occupancy, function, gamma, next_value):
    """E_ρ[function(r)], with r from the mean of V(s') or averaged over the s' that may be typed; dense, unclipped."""
    mdp = typing.mdp
    P = oracles.transition_tensor(mdp.num_tokens, mdp.max_length, mdp.backspace, mdp.noise)
    values, total = typing.soft_values(), 0.0
    for s, a in zip(*np.nonzero(mdp.legal), strict=True):
        if next_value == "expectation":
            total += occupancy[s, a] * function(typing.table[s, a] - gamma * P[s, a] @ values)
        else:
            for t in np.flatnonzero(P[s, a]):
                total += occupancy[s, a] * P[s, a, t] * function(typing.table[s, a] - gamma * values[t])
    return total


def estimates(typing, gamma, sampled, next_value, model=None, **options):
    """(1-γ)·objective on `BATCHES` equal batches of sampled (states, actions)."""
    table, absorbing_value = torch.tensor(typing.table), typing.absorbing_value

    def split(states, actions):
        pairs = zip(np.split(states, BATCHES), np.split(actions, BATCHES), strict=True)
        return [Trajectories.on_table(typing.mdp, table, s, a, next_value) for s, a in pairs]

    batches = split(*sampled)
    models = [None] * BATCHES if model is None else split(*model)
    return (1 - gamma) * np.array(
        [
            float(sequencematch_objective(data, absorbing_value, gamma=gamma, model=other, **options))
            for data, other in zip(batches, models, strict=True)
        ]
    )


def standard_errors_from(estimated, exact):
    return (estimated.mean() - exact) / (estimated.std(ddof=1) / math.sqrt(len(estimated)))


def sample_to_the_end(rng, typing, policy):
    states, actions = trim(*typing.mdp.sample(policy, COUNT, 80, seed=int(rng.integers(2**31))))
    assert (states[:, -1] == typing.mdp.absorbing).all()
    return states, actions


EXACT_CASES = {"chi2": 1.0, "reverse_kl": 0.3, "js": 0.05, "skew_kl": 0.2, "chi2_mixture": 0.1, "forward_kl": 0.1}


@pytest.mark.parametrize("divergence, alpha", EXACT_CASES.items())
def test_the_mean_over_trajectories_converges_to_the_exact_objective(rng, divergence, alpha):
    typing, gamma = keyboard_with_a_jensen_gap(rng), float(rng.uniform(0.7, 0.85))
    if divergence == "forward_kl":  # its φ asks for r > 0 everywhere
        typing.table += 10 / (1 - gamma)
    sampled = sample_to_the_end(rng, typing, typing.typist)
    occupancy = typing.mdp.occupancy(typing.typist, gamma)
    for next_value in ("sample", "expectation"):
        exact = tabular.objective(typing.mdp, occupancy, typing.table, divergence, gamma, alpha, next_value=next_value)
        by_hand = expected(typing, occupancy, lambda r: PHI[divergence](alpha * r) / alpha, gamma, next_value)
        assert exact == pytest.approx(by_hand - (1 - gamma) * typing.soft_values()[0], rel=1e-10)
        got = estimates(typing, gamma, sampled, next_value, divergence=divergence, alpha=alpha)
        assert abs(standard_errors_from(got, exact)) < 5, f"next_value={next_value}"


def test_the_sampled_next_value_and_the_expected_one_converge_to_different_objectives(rng):
    """Jensen: V(s') inside φ costs (α/4) γ² E Var V(s'). On the same trajectories, where most of the noise cancels."""
    typing, gamma, alpha = keyboard_with_a_jensen_gap(rng), 0.8, 1.0
    sampled = sample_to_the_end(rng, typing, typing.typist)
    occupancy = typing.mdp.occupancy(typing.typist, gamma)
    exact, got = {}, {}
    for next_value in ("sample", "expectation"):
        exact[next_value] = tabular.objective(
            typing.mdp, occupancy, typing.table, "chi2", gamma, alpha, next_value=next_value
        )
        got[next_value] = estimates(typing, gamma, sampled, next_value, divergence="chi2", alpha=alpha)
    gap = got["sample"] - got["expectation"]
    assert abs(standard_errors_from(gap, exact["sample"] - exact["expectation"])) < 5
    assert standard_errors_from(gap, 0) < -5


@pytest.mark.parametrize("next_value", ["sample", "expectation"])
def test_without_the_absorbing_tail_the_mean_converges_to_something_else(rng, next_value):
    typing, gamma, alpha = keyboard_with_a_jensen_gap(rng), 0.8, 1.0
    sampled = sample_to_the_end(rng, typing, typing.typist)
    occupancy = typing.mdp.occupancy(typing.typist, gamma)
    exact = tabular.objective(typing.mdp, occupancy, typing.table, "chi2", gamma, alpha, next_value=next_value)
    without = estimates(typing, gamma, sampled, next_value, divergence="chi2", alpha=alpha, tail=False)
    assert standard_errors_from(without, exact) < -5
    earned = PHI["chi2"](alpha * (1 - gamma) * float(typing.absorbing_value)) / alpha
    assert abs(standard_errors_from(without, exact - occupancy[typing.mdp.absorbing].sum() * earned)) < 5


@pytest.mark.parametrize("next_value", ["sample", "expectation"])
def test_the_sampled_mixture_converges_to_the_penalty_under_both_occupancies(rng, next_value):
    """E_E[r - c r²] - c E_π[r²] - (1-γ) V(s_0), for samples of the model's own policy π = softmax ℓ."""
    typing, gamma, c = keyboard_with_a_jensen_gap(rng), float(rng.uniform(0.7, 0.85)), float(rng.uniform(0.2, 0.5))
    mdp = typing.mdp
    policy = np.where(mdp.legal, np.exp(typing.table - typing.soft_values()[:, None]), 0.0)
    ours, theirs = mdp.occupancy(policy, gamma), mdp.occupancy(typing.typist, gamma)
    start = (1 - gamma) * typing.soft_values()[0]
    on_data = expected(typing, theirs, lambda r: r - c * r * r, gamma, next_value) - start
    penalty = c * expected(typing, ours, lambda r: r * r, gamma, next_value)
    data, model = sample_to_the_end(rng, typing, typing.typist), sample_to_the_end(rng, typing, policy)
    got = estimates(
        typing, gamma, data, next_value, model=model, coefficient=c, divergence="sampled_mixture", value_estimate="half"
    )
    assert abs(standard_errors_from(got, on_data - penalty)) < 5
    assert standard_errors_from(got, on_data) < -5


@pytest.mark.parametrize("max_actions", [3, 60], ids=["cut short", "to the end"])
def test_on_table_looks_up_what_a_walk_over_the_texts_meets(rng, typing, gamma, max_actions):
    mdp, values = typing.mdp, typing.soft_values()
    P = oracles.transition_tensor(mdp.num_tokens, mdp.max_length, mdp.backspace, mdp.noise)
    for next_value in ("sample", "expectation"):
        data, states, actions = typing.trajectories(rng, 12, max_actions, next_value)
        V, rewards = data.values(typing.absorbing_value), data.rewards(typing.absorbing_value, gamma)
        for b in range(12):
            length = sum(s != mdp.absorbing for s in states[b, :-1])
            assert (int(data.lengths[b]), bool(data.ended[b])) == (length, states[b, -1] == mdp.absorbing)
            for i in range(length):
                s, a, reached = states[b, i], actions[b, i], states[b, i + 1]
                ahead = values[reached] if next_value == "sample" else P[s, a] @ values
                assert float(rewards[b, i]) == pytest.approx(typing.table[s, a] - gamma * ahead, abs=1e-10)
                assert float(V[b, i]) == pytest.approx(values[s], abs=1e-10)
                assert torch.equal(data.legal[b, i], torch.tensor(mdp.legal[s]))
            assert float(V[b, length]) == pytest.approx(values[states[b, length]], abs=1e-10)
            assert not rewards[b, length:].any() and not V[b, length + 1 :].any()


def test_without_noise_the_expected_next_value_is_the_sampled_one(rng, typing, gamma):
    clean = Typing(typing.mdp.without_noise(), typing.typist, typing.table)
    _, states, actions = clean.trajectories(rng, 20, 10)
    one, other = (
        Trajectories.on_table(clean.mdp, torch.tensor(clean.table), states, actions, next_value)
        for next_value in ("sample", "expectation")
    )
    torch.testing.assert_close(
        one.rewards(clean.absorbing_value, gamma), other.rewards(clean.absorbing_value, gamma), rtol=0, atol=1e-12
    )


# -- two readings of "α = 0.01" ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("divergence", ["chi2", "sampled_mixture", "skew_kl"])
def test_the_coefficient_of_the_squared_reward_is_a_quarter_of_alpha(rng, divergence):
    arguments, options = options_of(rng, divergence)
    alpha = options.pop("alpha")
    by_name = sequencematch_terms(*arguments, coefficient=alpha / 4, **options)
    by_alpha = sequencematch_terms(*arguments, alpha=alpha, **options)
    assert list(map(float, by_name)) == pytest.approx(list(map(float, by_alpha)), rel=1e-12, nan_ok=True)


def test_the_papers_alpha_read_as_entropy_weight_and_as_iq_learns():
    assert alpha_of_coefficient(0.0025) == pytest.approx(0.01)
    assert alpha_of_coefficient(1 / (4 * 0.01)) == pytest.approx(100)


# -- gradients ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "divergence, value_estimate",
    [*((name, "half") for name in PHI if name != "tv"), ("chi2", "start"), ("chi2", "data")],
)
def test_the_gradient_is_that_of_finite_differences(rng, divergence, value_estimate):
    """In the logits of data and model and in the absorbing value; half of the actions illegal, and with padding."""
    batch_options = {"batch": 3, "time": 3, "num_actions": 3, "weights": True, "next_values": bool(rng.random() < 0.5)}
    (data, absorbing_value), options = options_of(rng, divergence, value_estimate, **batch_options)
    model = options.pop("model")
    assert not data.taken.all() and not data.legal.all()

    def objective(logits, absorbing_value, model_logits=None):
        other = None if model is None else dataclasses.replace(model, logits=model_logits)
        return sequencematch_objective(
            dataclasses.replace(data, logits=logits), absorbing_value, model=other, **options
        )

    variables = [data.logits, absorbing_value, *([model.logits] if model is not None else [])]
    assert torch.autograd.gradcheck(objective, [v.clone().requires_grad_() for v in variables], eps=1e-6, atol=1e-6)


@pytest.mark.parametrize("next_value", ["sample", "expectation"])
def test_the_gradient_on_a_table_reaches_the_logits_of_every_state_met(rng, next_value):
    """Finite differences in the table itself: next to the logits passed, those in E[V(s')]."""
    mdp = StringMDP(2, 2, backspace=True, noise=0.3)
    typing = Typing(mdp, random_typist(rng, mdp), rng.normal(size=mdp.legal.shape))
    _, states, actions = typing.trajectories(rng, 4, 4)

    def objective(table, absorbing_value):
        data = Trajectories.on_table(typing.mdp, table, states, actions, next_value)
        return sequencematch_objective(data, absorbing_value, gamma=0.9, alpha=0.5, divergence="chi2")

    variables = [torch.tensor(typing.table), typing.absorbing_value]
    assert torch.autograd.gradcheck(objective, [v.requires_grad_() for v in variables], eps=1e-6, atol=1e-6)


# -- small and single --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value_estimate", VALUE_ESTIMATES)
@pytest.mark.parametrize("divergence", PHI)
def test_single_precision_stays_single_and_close_to_double(rng, divergence, value_estimate):
    def single(batch):
        if batch is None:
            return None
        fields = {f.name: getattr(batch, f.name) for f in dataclasses.fields(batch)}
        return Trajectories(
            **{k: v.float() if v is not None and v.is_floating_point() else v for k, v in fields.items()}
        )

    (data, absorbing_value), options = options_of(rng, divergence, value_estimate, weights=True, next_values=True)
    double = sequencematch_terms(data, absorbing_value, **options)
    shrunk = single(data)
    shrunk.logits.requires_grad_()
    options["model"] = single(options["model"])
    terms = sequencematch_terms(shrunk, absorbing_value.float(), **options)
    size = max(1.0, abs(double.data.item()), abs(double.value.item()), data.logits.abs().max().item())
    for name in ("objective", "data", "value", "model_penalty"):
        got, wanted = getattr(terms, name), getattr(double, name)
        assert got.dtype == torch.float32 and got.shape == ()
        assert got.item() == pytest.approx(wanted.item(), abs=3e-4 * size / (1 - options["gamma"]))
    (gradient,) = torch.autograd.grad(terms.objective, shrunk.logits)
    assert gradient.dtype == torch.float32 and gradient.isfinite().all()
    assert log_likelihood(shrunk).dtype == torch.float32
    assert discounted_telescope(shrunk, absorbing_value.float(), 0.9).dtype == torch.float32


@pytest.mark.parametrize("padding", [0, 3])
@pytest.mark.parametrize("divergence", PHI)
def test_one_trajectory_of_one_action_will_do(rng, divergence, padding):
    options = {"batch": 1, "time": 1 + padding, "num_actions": 3, "ended": np.array([True])}
    data = random_batch(rng, **options)
    assert data.lengths.tolist() == [1]
    data, absorbing_value = feasible(data, float64(rng.normal()), 0.9, 0.5, divergence)
    arguments = {"gamma": 0.9, "alpha": 0.5, "divergence": divergence, "model": data, "value_estimate": "half"}
    terms = sequencematch_terms(data, absorbing_value, **arguments)
    wanted = naive_terms(data, absorbing_value, **arguments)
    assert {name: float(term) for name, term in terms._asdict().items()} == pytest.approx(wanted, rel=1e-10, abs=1e-10)


def test_a_divergence_other_than_the_mixture_ignores_the_model(rng):
    arguments, options = options_of(rng, "chi2")
    alone = sequencematch_terms(*arguments, **options)
    accompanied = sequencematch_terms(*arguments, **{**options, "model": random_batch(rng)})
    assert alone.model_penalty.item() == accompanied.model_penalty.item() == 0
    assert alone.objective.item() == accompanied.objective.item()
    assert math.isnan(alone.squared_reward_model) and accompanied.squared_reward_model > 0


# -- what a user may get wrong -----------------------------------------------------------------------------------------


def three(**changes):
    """Three trajectories over 5 states and 4 actions; the last was cut short, and the middle one has padding."""
    logits = torch.linspace(-1, 1, 60, dtype=torch.float64).view(3, 5, 4)
    lengths, ended = torch.tensor([5, 3, 4]), torch.tensor([True, True, False])
    actions = torch.ones(3, 5, dtype=torch.long)
    return Trajectories(**{"logits": logits, "actions": actions, "lengths": lengths, "ended": ended, **changes})


def changed(tensor, index, value):
    tensor = tensor.clone()
    tensor[index] = value
    return tensor


def built(**changes):
    return lambda: three(**changes)


def evaluated(absorbing_value=0.5, changes=None, **options):
    def call():
        defaults = {"gamma": 0.9, "divergence": "chi2"}
        if not {"alpha", "coefficient"} & set(options):
            defaults["alpha"] = 0.5
        sequencematch_terms(three(**(changes or {})), float64(absorbing_value), **{**defaults, **options})

    return call


def on_table(next_value):
    def call():
        mdp = StringMDP(2, 2)
        states, actions = mdp.sample(mdp.uniform(), 3, 4, seed=0)
        Trajectories.on_table(mdp, torch.zeros(mdp.legal.shape, dtype=torch.float64), states, actions, next_value)

    return call


BASE = three()
LOW = changed(BASE.logits, (1, 2, 1), -30.0)  # a reward of about -30 at trajectory 1, step 2
GAMMA_CASES = {
    f"gamma {gamma} of {what}": (call, [f"gamma is {gamma}", "(0, 1"])
    for gamma in (0.0, -0.5, 1.5, nan)
    for what, call in {
        "the objective": evaluated(gamma=gamma),
        "the telescope": lambda gamma=gamma: discounted_telescope(three(), float64(0.0), gamma),
        "the likelihood": lambda gamma=gamma: log_likelihood(three(), gamma),
    }.items()
}
CASES: dict[str, tuple[Callable[[], object], list[str]]] = {
    **GAMMA_CASES,
    "gamma 1 of the objective": (evaluated(gamma=1.0), ["gamma is 1.0", "(0, 1)"]),
    "gamma 1 of the telescope": (
        lambda: discounted_telescope(three(), float64(0.0), 1.0),
        ["gamma is 1.0", "(0, 1)"],
    ),
    "actions of another shape": (
        built(actions=torch.ones(3, 4, dtype=torch.long)),
        ["actions has shape (3, 4)", "(3, 5, 4)", "must be (3, 5)"],
    ),
    "lengths of another shape": (built(lengths=torch.tensor([5, 3])), ["lengths has shape (2,)", "must be (3,)"]),
    "ended of another shape": (built(ended=torch.tensor([[True]])), ["ended has shape (1, 1)", "must be (3,)"]),
    "legal of another shape": (
        built(legal=torch.ones(3, 5, 3, dtype=torch.bool)),
        ["legal has shape (3, 5, 3)", "must be (3, 5, 4)"],
    ),
    "next_values of another shape": (
        built(next_values=torch.zeros(3, 6, dtype=torch.float64)),
        ["next_values has shape (3, 6)", "must be (3, 5)"],
    ),
    "weights of another shape": (
        built(weights=torch.ones(3, dtype=torch.float64)),
        ["weights has shape (3,)", "must be (3, 5)"],
    ),
    "a trajectory of no actions": (built(lengths=torch.tensor([5, 0, 4])), ["trajectory 1", "length 0", "1..5"]),
    "a negative length": (built(lengths=torch.tensor([-1, 3, 4])), ["trajectory 0", "length -1", "1..5"]),
    "a trajectory longer than its logits": (
        built(lengths=torch.tensor([5, 6, 4])),
        ["trajectory 1", "length 6", "5 states", "1..5"],
    ),
    "cut short without the logits of where it stands": (
        built(lengths=torch.tensor([5, 3, 5])),
        ["trajectory 2", "length 5", "5 states", "1..4"],
    ),
    "an action that does not exist": (
        built(actions=changed(BASE.actions, (0, 2), 4)),
        ["trajectory 0", "action 4", "step 2", "0..3"],
    ),
    "a negative action": (
        built(actions=changed(BASE.actions, (2, 3), -1)),
        ["trajectory 2", "action -1", "step 3", "0..3"],
    ),
    "NaN logits": (built(logits=changed(BASE.logits, (1, 2, 3), nan)), ["trajectory 1", "NaN", "step 2", "number"]),
    "NaN logits where it was cut": (
        built(logits=changed(BASE.logits, (2, 4, 0), nan)),
        ["trajectory 2", "NaN", "step 4"],
    ),
    "an illegal action": (
        built(legal=changed(torch.ones(3, 5, 4, dtype=torch.bool), (1, 2, 1), False)),
        ["trajectory 1", "action 1", "step 2", "illegal"],
    ),
    "neither alpha nor coefficient": (
        lambda: sequencematch_terms(three(), float64(0.5), gamma=0.9, divergence="chi2"),
        ["alpha is None", "coefficient is None", "exactly one"],
    ),
    "both alpha and coefficient": (
        evaluated(alpha=0.5, coefficient=0.125),
        ["alpha is 0.5", "coefficient is 0.125", "exactly one"],
    ),
    **{
        f"{name} {number}": (evaluated(**{name: number}), [f"{name} is {number}", "positive"])
        for name in ("alpha", "coefficient")
        for number in (0.0, -0.1, nan, inf)
    },
    "alpha of coefficient 0": (lambda: alpha_of_coefficient(0.0), ["coefficient is 0", "positive"]),
    "unknown divergence chi": (evaluated(divergence="chi"), ["unknown divergence 'chi'", "mean 'chi2'?", "mle"]),
    "unknown divergence sampled": (
        evaluated(divergence="sampled"),
        ["divergence 'sampled'", "mean 'sampled_mixture'?"],
    ),
    "unknown divergence MLE": (evaluated(divergence="MLE"), ["divergence 'MLE'", "mean 'mle'?"]),
    "a divergence that is no name": (evaluated(divergence=2), ["divergence is 2", "name", "Divergence"]),
    "unknown value estimate": (
        evaluated(value_estimate="date"),
        ["unknown value_estimate 'date'", "mean 'data'?", "start", "half"],
    ),
    "sampled mixture without samples": (
        evaluated(divergence="sampled_mixture"),
        ["sampled_mixture", "sampled from the model", "`model` is None"],
    ),
    "half without samples": (evaluated(value_estimate="half"), ["half", "sampled from the model", "`model` is None"]),
    "JS outside its domain": (
        evaluated(divergence="js", alpha=0.2, changes={"logits": LOW}),
        ["α r is -6", "trajectory 1", "step 2", "js", "-0.6931"],
    ),
    "JS outside its domain after <eos>": (
        evaluated(absorbing_value=-100.0, divergence="js", alpha=0.2),
        ["α r is -2", "absorbing state", "js", "-0.6931"],
    ),
    "forward KL outside its domain": (
        evaluated(divergence="forward_kl", absorbing_value=40.0, changes={"logits": LOW + 40}),
        ["trajectory 1", "step 2", "forward_kl", "needs more than"],
    ),
    "an unknown next_value": (on_table("mean"), ["next_value is 'mean'", '"expectation"', '"sample"']),
}


@pytest.mark.parametrize("mistake", CASES)
def test_a_mistake_is_named_with_its_place_and_what_was_wanted(monkeypatch, mistake):
    # As a user sees it: without the type checks of the tests.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    call, words = CASES[mistake]
    with pytest.raises(ValueError) as caught:
        call()
    message = str(caught.value)
    assert [word for word in words if word not in message] == [], message


def test_what_stands_in_the_padding_is_no_mistake():
    """NaN logits, actions that do not exist and illegal ones, past the end of trajectory 1."""
    strange = three(
        logits=changed(BASE.logits, (1, slice(3, None)), nan),
        actions=changed(changed(BASE.actions, (1, 3), 99), (2, 4), -7),
        legal=changed(torch.ones(3, 5, 4, dtype=torch.bool), (1, slice(3, None)), False),
    )
    # γ = 1 is fine for a likelihood
    assert torch.equal(log_likelihood(strange, 1.0), log_likelihood(three(), 1.0))


def test_half_precision_logits_are_discounted_in_single_precision():
    zeros = torch.zeros(1, 1024, 2)
    actions, lengths, ended = torch.zeros(1, 1024, dtype=torch.int16), torch.tensor([1024]), torch.tensor([True])
    single = log_likelihood(Trajectories(zeros, actions, lengths, ended), 0.998)
    half = log_likelihood(Trajectories(zeros.bfloat16(), actions, lengths, ended), 0.998)
    assert half.dtype == torch.float32 and float(half) == float(single)
    assert float(single) == pytest.approx(-math.log(2) * (1 - 0.998**1024) / 0.002, rel=1e-4)


def test_a_step_without_weight_is_in_no_loss_and_no_log():
    logits = torch.tensor([[[0.0, 1.0], [-math.inf, 2.0], [0.5, 0.0]]], dtype=torch.float64)
    actions, lengths, ended = torch.tensor([[1, 0, 0]]), torch.tensor([3]), torch.tensor([True])
    weights = torch.tensor([[1.0, 0.0, 1.0]], dtype=torch.float64)
    batch = Trajectories(logits, actions, lengths, ended, weights=weights)
    assert log_likelihood(batch, 0.9).isfinite()
    terms = sequencematch_terms(batch, torch.tensor(0.1, dtype=torch.float64), gamma=0.9, divergence="mle")
    assert terms.objective.isfinite() and math.isfinite(terms.squared_reward_data)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": torch.tensor([[1.0, math.nan]])}, "weights of trajectory 0 is NaN at step 1"),
        ({"next_values": torch.tensor([[math.nan, 1.0]])}, "next_values of trajectory 0 is NaN at step 0"),
        ({"legal": torch.tensor([[[True, True], [False, False]]])}, "no legal action at step 1"),
        ({"logits": torch.zeros(0, 2, 2)}, "the batch is empty"),
    ],
)
def test_what_would_pass_silently_as_nan_is_refused(change, message):
    parts = {
        "logits": torch.zeros(1, 2, 2),
        "actions": torch.zeros(1, 2, dtype=torch.long),
        "lengths": torch.tensor([2]),
        "ended": torch.tensor([True]),
    }
    if "logits" in change:
        parts = {name: part[:0] for name, part in parts.items()}
    with pytest.raises(ValueError, match=message):
        Trajectories(**(parts | change))


def test_an_absorbing_value_that_is_nan_is_refused():
    batch = Trajectories(
        torch.zeros(1, 1, 2), torch.zeros(1, 1, dtype=torch.long), torch.tensor([1]), torch.tensor([True])
    )
    with pytest.raises(ValueError, match="absorbing_value is NaN"):
        sequencematch_terms(batch, torch.tensor(math.nan), gamma=0.9, alpha=1.0, divergence="chi2")


# -- what a network needs besides ------------------------------------------------------------------------------------


@pytest.mark.parametrize("divergence", [*EDGE, "chi2", "reverse_kl"])
def test_the_edge_penalty_is_what_a_loop_over_the_steps_off_the_data_sums(rng, gamma, divergence):
    model, alpha, value = random_batch(rng, legal=True), float(rng.uniform(0.2, 2)), float(rng.normal())
    model = dataclasses.replace(model, logits=model.logits * 5)
    off = torch.from_numpy(rng.random(model.actions.shape) < 0.5)
    found = domain_penalty(model, off, float64(value), gamma=gamma, alpha=alpha, divergence=divergence)

    def below(batch, b):
        _, rewards, _ = walk(batch, b, value, gamma)
        short = [max(0.0, EDGE.get(divergence, -inf) / alpha - r) for r in rewards]
        return sum(gamma**i * short[i] for i in range(len(short)) if off[b, i])

    assert found.item() == pytest.approx(mean_over(model, below), abs=1e-9)


def test_a_demonstration_typed_without_slips_can_be_read_on_a_keyboard_that_slips(rng):
    mdp, gamma = StringMDP(2, 2, noise=0.5), 0.8
    clean = mdp.without_noise()
    states, actions = clean.sample(clean.demonstrator([[0, 1], [1]], [1.0, 1.0]), 6, 5, seed=int(rng.integers(1000)))
    reached = mdp.step(states[:, :-1], actions, rng)
    logits = torch.tensor(rng.normal(size=mdp.legal.shape))
    values = torch.logsumexp(logits.masked_fill(~torch.tensor(mdp.legal), -inf), dim=1)
    given = Trajectories.on_table(mdp, logits, states, actions, reached=reached)
    rewards = given.rewards(values[-1], gamma)
    assert (reached != states[:, 1:]).any()
    for b in range(6):
        for i in range(int(given.lengths[b])):
            wanted = logits[states[b, i], actions[b, i]] - gamma * values[reached[b, i]]
            assert rewards[b, i].item() == pytest.approx(wanted.item())


@pytest.mark.parametrize("optional", [False, True])
def test_some_rows_of_a_batch_are_these_trajectories_alone(rng, gamma, optional):
    batch = random_batch(rng, legal=optional, weights=optional, next_values=optional)
    part, value = batch.rows(1, 4), float64(rng.normal())
    torch.testing.assert_close(part.rewards(value, gamma), batch.rewards(value, gamma)[1:4])
    torch.testing.assert_close(part.discounts(gamma), batch.discounts(gamma)[1:4])
    assert (part.legal is None) == (not optional) and part.lengths.tolist() == batch.lengths[1:4].tolist()


def test_trajectories_that_are_trusted_and_their_rows_count_as_the_checked_ones(rng):
    batch, absorbing_value = random_batch(rng, batch=6, weights=True, next_values=True), float64(rng.normal())
    known = {field.name: getattr(batch, field.name) for field in dataclasses.fields(batch)}
    legal = torch.ones_like(batch.logits, dtype=torch.bool) if batch.legal is None else batch.legal
    known["state_values"] = torch.logsumexp(batch.logits.masked_fill(~legal, -inf), dim=2)
    trusted = Trajectories.trusted(**known)
    for one, other in ((trusted, batch), (trusted.rows(1, 4), batch.rows(1, 4))):
        torch.testing.assert_close(one.rewards(absorbing_value, 0.9), other.rewards(absorbing_value, 0.9))
        torch.testing.assert_close(log_likelihood(one, 0.9), log_likelihood(other, 0.9))
    whole = log_likelihood(batch, 0.9) * 6
    parts = sum(log_likelihood(batch.rows(start, start + 3), 0.9) * 3 for start in (0, 3))
    torch.testing.assert_close(whole, parts)
    raised = dataclasses.replace(trusted, logits=trusted.logits + 5)  # other logits have other values
    torch.testing.assert_close(log_likelihood(raised, 0.9), log_likelihood(batch, 0.9))
