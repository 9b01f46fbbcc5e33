"""What a user may get wrong, by module: each mistake is a ValueError that says what, where, and what was wanted."""

import math
import time
import tracemalloc
from collections.abc import Callable

import jaxtyping
import numpy as np
import pytest
import torch

from smatch_edu.exact.divergences import DIVERGENCES, chi2_mixture, get_divergence, skew_kl
from smatch_edu.exact.mdp import StringMDP
from smatch_edu.exact.summary import minimise_summary_objective, summary_terms
from smatch_edu.exact.tabular import maximise_objective, minimise_divergence, objective, sampled_mixture

nan, inf = math.nan, math.inf

# One dictionary for each module: what is wrong -> (the call, what its message must contain).
Cases = dict[str, tuple[Callable[[], object], list[str]]]


@pytest.fixture(autouse=True)
def as_a_user_sees_it(monkeypatch):
    """Without the type checks of the tests, which would stop a wrong type before the package can explain it."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


# -- divergences -------------------------------------------------------------------------------------------------------


def against_half(*learner: float) -> Callable[[], object]:
    return lambda: DIVERGENCES["chi2"](np.array(learner), np.array([0.5, 0.5]))


DIVERGENCE_CASES: Cases = {
    "measures of different length": (against_half(0.2, 0.3, 0.5), ["chi2: learner", "(3,)", "(2,)", "equal"]),
    "measures of equal size and different shape": (
        lambda: DIVERGENCES["js"](np.full((2, 3), 1 / 6), np.full((3, 2), 1 / 6)),
        ["js: learner", "(2, 3)", "expert", "(3, 2)", "equal"],
    ),
    "learner with a negative entry": (against_half(1.25, -0.25), ["chi2: learner", "-0.25", "index (1,)", "≥ 0"]),
    "expert with a negative entry": (
        lambda: DIVERGENCES["tv"](np.full((2, 2), 0.25), np.array([[0.5, 0.5], [0.5, -0.5]])),
        ["tv: expert", "-0.5", "index (1, 1)", "≥ 0"],
    ),
    "learner with a NaN": (against_half(0.5, nan), ["chi2: learner", "NaN", "index (1,)", "number"]),
    "expert tensor with a NaN": (
        lambda: DIVERGENCES["skew_kl"](torch.tensor([0.5, 0.5]), torch.tensor([nan, 1.0])),
        ["skew_kl: expert", "NaN", "index (0,)", "number"],
    ),
    "learner that sums to 0.93": (against_half(0.5, 0.43), ["chi2: learner", "0.93", "sum to 1"]),
    "learner that sums to infinity": (against_half(0.5, inf), ["chi2: learner", "inf", "sum to 1"]),
    "expert that is all zero": (
        lambda: DIVERGENCES["hellinger"](np.array([0.5, 0.5]), np.zeros(2)),
        ["hellinger: expert", "sums to 0", "sum to 1"],
    ),
    "measures without entries": (lambda: DIVERGENCES["js"](np.array([]), np.array([])), ["js: learner", "sum to 1"]),
    "unknown divergence chi": (lambda: get_divergence("chi"), ["unknown divergence 'chi'", "mean 'chi2'?", "tv"]),
    "unknown divergence jensen": (lambda: get_divergence("jensen"), ["unknown divergence 'jensen'", "mean 'js'?"]),
    "unknown divergence KL": (lambda: get_divergence("KL"), ["unknown divergence 'KL'", "kl'?", "Known: forward_kl"]),
    "unknown divergence like no other": (lambda: get_divergence("zzz"), ["divergence 'zzz'. Known: forward_kl, rev"]),
    "a divergence that is None": (lambda: get_divergence(None), ["unknown divergence None", "Known: forward_kl"]),
    "scale 0": (lambda: DIVERGENCES["chi2"].scaled(0.0), ["chi2: scale is 0", "positive"]),
    "negative scale": (lambda: DIVERGENCES["js"].scaled(-2.0), ["js: scale is -2", "positive"]),
    "scale NaN": (lambda: DIVERGENCES["js"].scaled(nan), ["js: scale is nan", "positive"]),
    "infinite scale": (lambda: DIVERGENCES["js"].scaled(inf), ["js: scale is inf"]),
    "chi2-mixture with c = 0": (lambda: chi2_mixture(0.0), ["c is 0", "positive"]),
    "chi2-mixture with negative c": (lambda: chi2_mixture(-0.5), ["c is -0.5", "positive"]),
    "skew KL with c = 0": (lambda: skew_kl(c=0.0), ["c is 0", "positive"]),
    "skew KL with c = NaN": (lambda: skew_kl(c=nan), ["c is nan", "positive"]),
}


# -- the string MDP ----------------------------------------------------------------------------------------------------

MDP = StringMDP(2, 2)  # actions: 0, 1, <eos> = 2, <backspace> = 3; states: (), (0,), (1,), four of length 2, absorbing
UNIFORM = MDP.uniform()


def with_row(row: int, *probabilities: float) -> np.ndarray:
    """The uniform policy with one row replaced."""
    policy = UNIFORM.copy()
    policy[row] = probabilities
    return policy


def occupancy_of(policy: np.ndarray) -> Callable[[], object]:
    return lambda: MDP.occupancy(policy, 0.9)


def discounted_by(gamma: float) -> Callable[[], object]:
    return lambda: MDP.occupancy(UNIFORM, gamma)


def demonstrator(sequences: list, weights: list | None = None) -> Callable[[], object]:
    return lambda: MDP.demonstrator(sequences, weights)


MDP_CASES: Cases = {
    "no tokens": (lambda: StringMDP(0, 3), ["num_tokens is 0", "at least 1"]),
    "negative number of tokens": (lambda: StringMDP(-4, 3), ["num_tokens is -4", "at least 1"]),
    "negative length": (lambda: StringMDP(2, -1), ["max_length is -1", "at least 0"]),
    "negative noise": (lambda: StringMDP(2, 2, noise=-0.1), ["noise is -0.1", "[0, 1)"]),
    "noise 1": (lambda: StringMDP(2, 2, noise=1.0), ["noise is 1.0", "[0, 1)"]),
    "noise above 1": (lambda: StringMDP(2, 2, noise=1.2), ["noise is 1.2", "[0, 1)"]),
    "noise NaN": (lambda: StringMDP(2, 2, noise=nan), ["noise is nan", "[0, 1)"]),
    "noise with a single token": (lambda: StringMDP(1, 2, noise=0.1), ["noise is 0.1", "num_tokens = 1", "another"]),
    "too many texts for the memory": (
        lambda: StringMDP(26, 12),
        [
            "26 tokens",
            "length 12",
            "99,246,114,928,149,464 states",
            "28 actions",
            "22,231,129,743",
            "GB",
            "lower max_length",
        ],
    ),
    "more texts than a float can count": (lambda: StringMDP(26, 220), ["26 tokens", "length 220", "lower max_length"]),
    "more texts than can be printed": (lambda: StringMDP(2, 20_000), ["2 tokens", "length 20", "lower max_length"]),
    "more texts than a numpy integer can count": (
        lambda: StringMDP(np.int64(26), 14),
        ["26 tokens", "length 14", "lower max_length"],
    ),
    "a number of tokens that is not whole": (lambda: StringMDP(2.5, 2), ["num_tokens is 2.5"]),
    "a length that is not whole": (lambda: StringMDP(2, 2.5), ["max_length is 2.5"]),
    "gamma = 0": (discounted_by(0), ["gamma is 0", "(0, 1)"]),
    "gamma = 1": (discounted_by(1.0), ["gamma is 1.0", "(0, 1)"]),
    "negative gamma": (discounted_by(-0.1), ["gamma is -0.1", "(0, 1)"]),
    "gamma above 1": (discounted_by(1.5), ["gamma is 1.5", "(0, 1)"]),
    "gamma NaN": (discounted_by(nan), ["gamma is nan", "(0, 1)"]),
    "policy without its absorbing row": (occupancy_of(UNIFORM[:-1]), ["(7, 4)", "(8, 4)", "states, actions"]),
    "policy without its backspace column": (occupancy_of(UNIFORM[:, :-1]), ["(8, 3)", "(8, 4)", "states, actions"]),
    "policy of one row": (occupancy_of(UNIFORM[0]), ["(4,)", "(8, 4)", "states, actions"]),
    "policy row that sums to 0.93": (occupancy_of(with_row(5, 0, 0, 0.5, 0.43)), ["row 5", "0.93", "sum to 1"]),
    "policy row of zeros": (occupancy_of(with_row(7, 0, 0, 0, 0)), ["row 7", "sums to 0;", "sum to 1"]),
    "policy with a NaN": (occupancy_of(with_row(2, 0, nan, 0.5, 0.5)), ["policy row 2", "NaN", "number"]),
    "policy with a negative entry": (
        occupancy_of(with_row(1, 0.5, -0.25, 0.25, 0.5)),
        ["policy row 1", "action 1", "-0.25", "≥ 0"],
    ),
    "a token at max_length": (occupancy_of(with_row(4, 0, 0.5, 0.5, 0)), ["policy row 4", "token", "illegal"]),
    "backspace at the empty text": (occupancy_of(with_row(0, 0, 0, 0.5, 0.5)), ["row 0", "<backspace>", "illegal"]),
    "backspace after eos": (occupancy_of(with_row(7, 0, 0, 0, 1)), ["policy row 7", "<backspace>", "illegal"]),
    "a token after eos": (occupancy_of(with_row(7, 1, 0, 0, 0)), ["policy row 7", "token", "illegal"]),
    "a bad policy, asked what it finishes": (
        lambda: MDP.finished(with_row(5, 0, 0, 0.5, 0.43)),
        ["row 5", "0.93", "sum to 1"],
    ),
    "a bad policy, asked for transitions": (
        lambda: MDP.transition_matrix(with_row(0, 0, 0, 0, 1)),
        ["policy row 0", "<backspace>", "illegal"],
    ),
    "a bad policy, asked for samples": (
        lambda: MDP.sample(with_row(4, 1, 0, 0, 0), 5, 5, seed=0),
        ["policy row 4", "token", "illegal"],
    ),
    "text with id K": (lambda: MDP.index((0, 2)), ["text (0, 2)", "id 2", "position 1", "0..1"]),
    "text with a negative id": (lambda: MDP.index((-1,)), ["text (-1,)", "id -1", "position 0", "0..1"]),
    "text with a float id": (lambda: MDP.index((0, 1.0)), ["text (0, 1.0)", "id 1.0", "position 1", "whole", "0..1"]),
    "text of characters": (lambda: MDP.index("ab"), ["id 'a'", "position 0", "whole", "0..1"]),
    "text longer than max_length": (lambda: MDP.index((0, 1, 0)), ["text (0, 1, 0)", "3 tokens", "max_length is 2"]),
    "number of the absorbing state": (lambda: MDP.text(MDP.absorbing), ["state 7", "no text", "0..6"]),
    "number past the absorbing state": (lambda: MDP.text(100), ["state 100", "no text", "0..6"]),
    "negative number of a state": (lambda: MDP.text(-1), ["state -1", "no text", "0..6"]),
    "fractional number of a state": (lambda: MDP.text(0.5), ["state 0.5"]),
    "no demonstrations": (demonstrator([]), ["no sequences", "at least one"]),
    "demonstration with id K": (demonstrator([(0,), (2,)]), ["text (2,)", "id 2", "position 0", "0..1"]),
    "demonstration that is too long": (demonstrator([(1, 1, 1)]), ["(1, 1, 1)", "3 tokens", "max_length is 2"]),
    "too few weights": (demonstrator([(0,), (1,)], [1.0]), ["1 weights", "2 sequences", "one for each"]),
    "too many weights": (demonstrator([(0,)], [1.0, 2.0]), ["2 weights", "1 sequences", "one for each"]),
    "negative weight": (demonstrator([(0,), (1,)], [1.0, -0.5]), ["weight 1 is -0.5", "finite", "≥ 0"]),
    "weight NaN": (demonstrator([(0,), (1,)], [nan, 1.0]), ["weight 0 is nan", "finite", "≥ 0"]),
    "infinite weight": (demonstrator([(0,), (1,)], [1.0, inf]), ["weight 1 is inf", "finite", "≥ 0"]),
    "weights that are all zero": (demonstrator([(0,), (1,)], [0.0, 0.0]), ["all 2 weights", "zero", "one must be pos"]),
}


# -- exact minimisation ------------------------------------------------------------------------------------------------

EXPERT = MDP.occupancy(UNIFORM, 0.9)
NOISY = StringMDP(2, 2, noise=0.1)
NEVER_DELETING = NOISY.occupancy(NOISY.uniform(backspace=False), 0.9)
LOGITS = np.zeros(UNIFORM.shape)


def objective_at_zero(mdp, expert, **options):
    return objective(mdp, expert, LOGITS, **options)


def summary_at_uniform(mdp, expert, gamma=0.9):
    return summary_terms(mdp, UNIFORM, expert, gamma)


SOLVERS = {"primal": minimise_divergence, "dual": maximise_objective}
WITH_ALPHA = {**SOLVERS, "objective": objective_at_zero, "mixture": sampled_mixture}
WITH_GAMMA = {**WITH_ALPHA, "summary": minimise_summary_objective, "summary's terms": summary_at_uniform}


def expert_with(entries: dict[tuple[int, int], float]) -> np.ndarray:
    """An expert's occupancy with some entries replaced."""
    expert = EXPERT.copy()
    for index, mass in entries.items():
        expert[index] = mass
    return expert


def moved_to(state: int, action: int) -> np.ndarray:
    """An expert's occupancy that sums to 1, with a tenth of it on one illegal action."""
    return expert_with({(7, 2): EXPERT[7, 2] - 0.1, (state, action): 0.1})


WRONG_OCCUPANCIES = {
    "without its absorbing row": (EXPERT[:-1], ["(7, 4)", "(8, 4)", "states, actions"]),
    "of one row": (EXPERT[0], ["(4,)", "(8, 4)", "states, actions"]),
    "as a vector tensor": (torch.tensor(EXPERT[EXPERT > 0]), ["(20,)", "(8, 4)", "states, actions"]),
    "with a NaN": (expert_with({(2, 3): nan}), ["NaN", "index (2, 3)", "number"]),
    "with a negative entry": (expert_with({(1, 0): -0.25}), ["-0.25", "index (1, 0)", "≥ 0"]),
    "that sums to 0.9": (0.9 * EXPERT, ["sums to 0.9", "sum to 1"]),
    "that is all zero": (0 * EXPERT, ["sums to 0", "sum to 1"]),
    "with a token at max_length": (moved_to(4, 0), ["illegal actions", "must be 0"]),
    "with a backspace at the empty text": (moved_to(0, 3), ["illegal actions", "must be 0"]),
    "with a backspace after eos": (moved_to(7, 3), ["illegal actions", "must be 0"]),
    "with a token after eos": (moved_to(7, 1), ["illegal actions", "must be 0"]),
}
WRONG_STARTS = {
    "of the wrong shape": (UNIFORM[:-1], ["policy has shape (7, 4)", "(8, 4)", "states, actions"]),
    "with a row that sums to 0.93": (with_row(5, 0, 0, 0.5, 0.43), ["policy row 5", "0.93", "sum to 1"]),
    "with a NaN": (with_row(2, 0, nan, 0.5, 0.5), ["policy row 2", "NaN", "number"]),
    "with a token at max_length": (with_row(4, 0, 0.5, 0.5, 0), ["policy row 4", "token", "illegal"]),
}

TABULAR_CASES: Cases = {
    **{
        f"{name} with alpha {alpha}": (
            lambda solve=solve, alpha=alpha: solve(MDP, EXPERT, alpha=alpha),
            [f"alpha is {alpha}", "positive"],
        )
        for name, solve in WITH_ALPHA.items()
        for alpha in (0, -1.0, nan, inf)
    },
    **{
        f"{name} with gamma {gamma}": (
            lambda solve=solve, gamma=gamma: solve(MDP, EXPERT, gamma=gamma),
            [f"gamma is {gamma}", "(0, 1)"],
        )
        for name, solve in WITH_GAMMA.items()
        for gamma in (0.0, 1, nan)
    },
    **{
        f"{name} with an expert {wrong}": (
            lambda solve=solve, expert=expert: solve(MDP, expert),
            ["expert occupancy", *fragments],
        )
        for name, solve in WITH_GAMMA.items()
        for wrong, (expert, fragments) in WRONG_OCCUPANCIES.items()
    },
    **{
        f"mixture with a buffer {wrong}": (
            lambda buffer=buffer: sampled_mixture(MDP, EXPERT, buffer=buffer),
            ["buffer", *fragments],
        )
        for wrong, (buffer, fragments) in WRONG_OCCUPANCIES.items()
    },
    **{
        f"{name} started from a policy {wrong}": (
            lambda solve=solve, start=start: solve(MDP, EXPERT, initial_policy=start),
            fragments,
        )
        for name, solve in {**SOLVERS, "summary": minimise_summary_objective}.items()
        for wrong, (start, fragments) in WRONG_STARTS.items()
    },
    **{
        f"the summary's terms of a policy {wrong}": (
            lambda policy=policy: summary_terms(MDP, policy, EXPERT, 0.9),
            fragments,
        )
        for wrong, (policy, fragments) in WRONG_STARTS.items()
    },
    **{
        f"{name} of an unknown divergence": (
            lambda solve=solve: solve(MDP, EXPERT, divergence="chi"),
            ["unknown divergence 'chi'", "mean 'chi2'?"],
        )
        for name, solve in {**SOLVERS, "objective": objective_at_zero}.items()
    },
    **{
        f"{name} with a mean next value": (
            lambda solve=solve: solve(MDP, EXPERT, next_value="mean"),
            ["next_value is 'mean'", '"expectation" or "sample"'],
        )
        for name, solve in {
            "dual": maximise_objective,
            "objective": objective_at_zero,
            "mixture": sampled_mixture,
        }.items()
    },
    "mixture with sampled next values and a buffer that lacks a key": (
        lambda: sampled_mixture(NOISY, NEVER_DELETING, next_value="sample", buffer=NEVER_DELETING),
        ["neither buffer nor expert", "action 3 in state 1", "every legal action"],
    ),
    **{
        f"mixture that refreshes {refresh} of its buffer": (
            lambda refresh=refresh: sampled_mixture(MDP, EXPERT, refresh=refresh),
            [f"refresh is {refresh}", "(0, 1]"],
        )
        for refresh in (0, -0.5, 1.5, nan)
    },
    **{
        f"summary with {name} {weight}": (
            lambda name=name, weight=weight: minimise_summary_objective(MDP, EXPERT, **{name: weight}),
            ["weights are", str(weight), "finite", "≥ 0"],
        )
        for name in ("product_weight", "backspace_weight", "squared_weight")
        for weight in (-1.0, nan, inf)
    },
    "logits without the absorbing row": (
        lambda: objective(MDP, EXPERT, LOGITS[:-1]),
        ["logits have shape (7, 4)", "(8, 4)", "states, actions"],
    ),
    "logits of one row, as a tensor": (
        lambda: objective(MDP, EXPERT, torch.zeros(4)),
        ["logits have shape (4,)", "(8, 4)", "states, actions"],
    ),
    "logits in a list that is too short": (
        lambda: objective(MDP, EXPERT, LOGITS.tolist()[:-1]),
        ["logits have shape (7, 4)", "(8, 4)", "states, actions"],
    ),
}


# -- add the cases of another module here, and below -------------------------------------------------------------------

CASES = {"divergences": DIVERGENCE_CASES, "mdp": MDP_CASES, "tabular": TABULAR_CASES}


@pytest.mark.parametrize(
    "call, fragments",
    [pytest.param(*case, id=f"{module}: {wrong}") for module, cases in CASES.items() for wrong, case in cases.items()],
)
def test_a_mistake_is_a_value_error_that_says_what_and_where_and_what_was_wanted(call, fragments):
    with pytest.raises(ValueError) as raised:
        call()
    message = str(raised.value)
    assert [fragment for fragment in fragments if fragment not in message] == [], message


@pytest.mark.parametrize("num_tokens, max_length", [(26, 12), (26, 220), (2, 20_000)])
def test_what_does_not_fit_in_memory_is_refused_at_once_and_takes_none(num_tokens, max_length):
    began = time.perf_counter()
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="lower max_length"):
            StringMDP(num_tokens, max_length)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1e6
    assert time.perf_counter() - began < 1
