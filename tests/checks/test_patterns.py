"""What wrong results have in common is found where it is so, and is never said where it is not."""

import doctest

import numpy as np
import pytest

from smatch_edu.checks import patterns
from smatch_edu.checks.patterns import entries, inputs, relation


def arrays(rng, shape=(3, 4), number=20):
    return [np.asarray(rng.normal(size=shape)) for _ in range(number)]


def test_the_examples_of_the_docstrings_hold():
    assert doctest.testmod(patterns).failed == 0 < doctest.testmod(patterns).attempted


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda right, g: -right, "the negative of"),
        (lambda right, g: -2.5 * right, "-2.5 times"),
        (lambda right, g: right / 3, "0.3333 times"),
        (lambda right, g: right - 4, "what is right minus 4"),
        (lambda right, g: g * right, "`gamma` times"),
        (lambda right, g: right / g, "divided by `gamma`"),
        (lambda right, g: right * (1 - g), "1 - `gamma` times"),
        (lambda right, g: right / (1 - g), "divided by 1 - `gamma`"),
        (lambda right, g: right + g, "plus `gamma`"),
        (lambda right, g: 1 - right, "1 minus"),
        (lambda right, g: np.exp(right), "the exponential"),
        (lambda right, g: right**2, "the square"),
        (lambda right, g: 1 / right, "1 divided by"),
        (lambda right, g: right[:, ::-1], "backwards, each"),
        (lambda right, g: right[::-1], "backwards, along the first axis"),
        (lambda right, g: np.roll(right, 1, 1), "one place too late, each"),
        (lambda right, g: np.roll(right, -1, 0), "one place too early, along the first axis"),
        (lambda right, g: right.cumsum(1), "the running sum"),
        (lambda right, g: right / right.sum(1, keepdims=True), "made to sum to 1, each"),
        (lambda right, g: right.cumsum(1) + g, ""),
        (lambda right, g: np.sort(right, 1), ""),
        (lambda right, g: right * np.sign(g - 0.5), ""),
    ],
)
def test_a_relation_to_what_is_right_is_found_and_only_that(change, told, rng):
    want = arrays(rng)
    cases = [{"gamma": float(g), "other": 3} for g in rng.random(len(want))]
    got = [change(right, case["gamma"]) for right, case in zip(want, cases, strict=True)]
    said = relation(cases, got, want)
    assert told in said and bool(said) == bool(told)
    assert not relation(cases, [*got[:-1], got[-1] + rng.normal()], want)  # in every case, or not at all


def test_a_transpose_is_found_and_single_numbers_have_relations_too(rng):
    want = arrays(rng, (3, 3))
    assert "the transpose" in relation([{}] * 20, [right.T for right in want], want)
    want = arrays(rng, ())
    assert "2 times" in relation([{}] * 20, [np.asarray(2 * right) for right in want], want)
    assert not relation([{}] * 20, arrays(rng, ()), want)


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ((slice(None), -1), "the last column"),
        ((slice(None), 0), "the first column"),
        ((-1,), "the last row"),
        ((0,), "the first row"),
        (([0, 1, 2], [0, 1, 2]), "the diagonal"),
        ((1, 2), ""),
    ],
)
def test_entries_that_are_wrong_are_named_where_all_others_are_right(where, told, rng):
    want = arrays(rng)
    got = [right.copy() for right in want]
    for one in got:
        one[where] += 1
    said = entries(got, want, 0.0, 1e-9)
    assert told in said and bool(said) == bool(told)
    got[3][1, 1] += 1
    assert bool(entries(got, want, 0.0, 1e-9)) == (told == "the diagonal")
    zero = [np.where(right < 0, 0, right) for right in want]
    assert "what should be 0" in entries([np.where(right == 0, 1e-3, right) for right in zero], zero, 0.0, 1e-9)


def test_what_wrong_inputs_share_is_found_and_true(rng):
    cases = [
        {
            "gamma": float(rng.choice([0, 0.5, rng.random()])),
            "keys": "ab⌫"[: rng.integers(0, 4)],
            "table": rng.random(3),
        }
        for _ in range(1000)
    ]

    def said(holds):
        return inputs(cases, [n for n, case in enumerate(cases) if holds(case)])

    assert said(lambda case: case["gamma"] == 0) == "wrong only where `gamma` is 0"
    assert "'⌫'" in said(lambda case: "⌫" in case["keys"])
    assert said(lambda case: not case["keys"]) == "wrong only where `len(keys)` is 0"
    assert "wrong only where `gamma` is 0.9" in said(lambda case: case["gamma"] > 0.9)
    assert said(lambda case: case["keys"]) == "right only where `len(keys)` is 0"
    assert said(lambda case: case["table"][1] > 0.5) == ""
    assert said(lambda case: True) == said(lambda case: False) == ""
    for _ in range(20):  # whatever it says is true
        chosen = rng.choice(1000, size=int(rng.integers(1, 30)), replace=False)
        words = inputs(cases, chosen.tolist())
        for kind, these in (("wrong", chosen), ("right", np.setdiff1d(np.arange(1000), chosen))):
            if words.startswith(f"{kind} only where `gamma` is ") and words.endswith("or more"):
                assert all(f"{cases[n]['gamma']:.4g}" >= words.split()[5] for n in these)
