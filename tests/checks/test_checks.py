"""The checks of all exercises: the oracle passes in any form, every mistake gets its own hint, and no way of failing is
unfriendly."""

import contextlib
import copy
import importlib
import inspect
import random
import re
import signal
import threading
import time
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from smatch_edu import checks
from smatch_edu.checks import limits
from smatch_edu.checks.exercise import LINES, STAND_IN, Exercise, NotYet, exercise

MODULES = {name: importlib.import_module(f"smatch_edu.checks.{name}") for name in checks.__all__}
EXERCISES = {
    f"{module}.{name}": found
    for module, contents in MODULES.items()
    for name, found in vars(contents).items()
    if isinstance(found, Exercise)
}
MISTAKES = [(name, mistake) for name, found in EXERCISES.items() for mistake in found.mistakes]
every_exercise = pytest.mark.parametrize("name", EXERCISES)


def positional(function, case):
    """A function of keywords as a function of positions, as students write them."""
    names = list(case)
    wrapped = eval(
        f"lambda {', '.join(names)}: function({', '.join(f'{n}={n}' for n in names)})", {"function": function}
    )
    return wrapped


def answer_of(found, function):
    """`function` with the inputs of this exercise as positional arguments."""
    return positional(function, found.draw(np.random.default_rng(0)))


def refusal(found, answer, seed=None):
    """What a student who gives this answer is told."""
    with pytest.raises(NotYet) as refused:
        found.check(answer, seed=seed)
    return str(refused.value)


def in_kind(value, kind):
    """Arrays and numbers in a value as another kind of array."""
    if isinstance(value, dict):
        return {key: in_kind(entry, kind) for key, entry in value.items()}
    if isinstance(value, str | bool):
        return value
    return kind(value)


@every_exercise
@pytest.mark.parametrize(
    "kind",
    [
        np.asarray,
        torch.as_tensor,
        lambda value: torch.as_tensor(value, dtype=torch.float32),
        lambda value: np.asarray(value).tolist(),
    ],
    ids=["numpy", "torch", "float32", "list"],
)
def test_a_right_answer_passes_in_any_kind(name, kind, capsys):
    found = replace(EXERCISES[name], gradient=None)
    found(answer_of(found, lambda **inputs: in_kind(found.oracle(**inputs), kind)))
    assert re.fullmatch(
        rf"{re.escape(found.number)} ✓ .+ \(\d+ .+, largest error \d\.\de[+-]\d\d\)\n", capsys.readouterr().out
    )


@pytest.mark.parametrize(("name", "mistake"), MISTAKES, ids=[f"{n}-{m.__name__}" for n, m in MISTAKES])
def test_every_known_mistake_is_told_its_own_hint(name, mistake, rng):
    found = EXERCISES[name]
    said = refusal(found, answer_of(found, mistake), seed=int(rng.integers(2**32)))
    assert " ".join(mistake.__doc__.split()) in said


@every_exercise
def test_hints_are_many_and_different_and_words(name):
    found = EXERCISES[name]
    hints = [" ".join((mistake.__doc__ or "").split()) for mistake in (*found.mistakes, *found.signs, *found.guesses)]
    assert len(hints) >= 5 and len(set(hints)) == len(hints)
    assert all(len(hint) > 40 for hint in hints)


@every_exercise
def test_inputs_are_drawn_afresh(name):
    found = EXERCISES[name]
    first, second = (found.draw(np.random.default_rng(seed)) for seed in (1, 2))
    assert list(first) == list(second)
    assert repr(first) != repr(second)


@every_exercise
@pytest.mark.parametrize(
    ("broken", "wanted"),
    [
        (lambda **inputs: None, "returns nothing"),
        (lambda **inputs: object(), "was wanted"),
        (lambda **inputs: {"wrong": 1}, "wanted"),
        (lambda **inputs: np.zeros((2, 3, 5, 7)), "wanted"),
        (lambda **inputs: 1 / 0, "stopped with ZeroDivisionError"),
    ],
    ids=["nothing", "object", "dictionary", "shape", "error"],
)
def test_what_is_no_answer_is_refused_in_words(name, broken, wanted):
    found = EXERCISES[name]
    said = refusal(found, answer_of(found, broken))
    assert said.startswith(f"{found.number} ✗ ") and wanted in said


@every_exercise
def test_a_stub_is_told_that_it_is_still_to_do(name):
    def stub(**inputs):
        raise NotImplementedError()

    found = EXERCISES[name]
    assert "Still to do" in refusal(found, answer_of(found, stub))


@every_exercise
def test_a_changed_input_is_noticed(name):
    found = EXERCISES[name]
    drawn = found.draw(np.random.default_rng(0))
    arrays = [k for k, v in drawn.items() if isinstance(v, np.ndarray) and v.dtype.kind in "if"]
    changeable = arrays or [k for k, v in drawn.items() if isinstance(v, list)]
    if not changeable:
        assert not any(isinstance(v, dict) for v in drawn.values())
        return

    def meddling(**inputs):
        right = found.oracle(**copy.deepcopy(inputs))
        if arrays:
            inputs[arrays[0]] += 1
        else:
            inputs[changeable[0]].append(inputs[changeable[0]][0])
        return right

    assert f"changes its input `{changeable[0]}`" in refusal(found, answer_of(found, meddling))


@every_exercise
def test_nearly_right_is_not_right(name):
    """An answer that is right but for its last entry in one case of all."""
    found = EXERCISES[name]
    calls = []

    def nearly(**inputs):
        right = found.oracle(**inputs)
        calls.append(1)
        if len(calls) < found.num_cases:
            return right
        if isinstance(right, dict):
            key = list(right)[-1]
            return right | {key: spoiled(right[key])}
        return spoiled(right)

    def spoiled(right):
        if isinstance(right, bool | np.bool_):
            return not right
        if isinstance(right, str):
            return right + "?"
        array = np.asarray(right).astype(np.float64)
        last = array.flat[-1]
        array.flat[-1] = last + 1e-3 * (1 + abs(last)) if np.isfinite(last) else 7.125
        return array

    assert "✗" in refusal(found, answer_of(found, nearly))


# The framework itself, on one small exercise


def _pair(rng):
    return {"a": rng.random(3), "b": float(rng.random())}


def product_forgotten(a, b):
    """You return a as it came. What should b do to it, do you think?"""
    return a


def negative(returned, a, b):
    """Something here is negative, and the inputs are not. Where does the minus come from?"""
    return bool((returned < 0).any())


@exercise("9.1", draw=_pair, mistakes=[product_forgotten], signs=[negative], inputs="random pairs")
def a_times_b(a, b):
    """a b."""
    return a * b


def test_a_failure_shows_the_inputs_and_what_was_returned_but_not_the_answer():
    said = refusal(a_times_b, lambda a, b: a * b + 7, seed=3)
    case = _pair(np.random.default_rng(3))
    assert f"b = {case['b']:.4g}" in said
    right = case["a"] * case["b"]
    assert all(f"{entry:.3f}"[:4] in said for entry in right + 7)
    assert not any(f"{entry:.3f}" in said for entry in right)


def test_a_sign_gives_a_mistake_away_that_can_be_made_in_many_ways():
    assert "Where does the minus come from?" in refusal(a_times_b, lambda a, b: -a * b)
    assert "Where does the minus come from?" in refusal(a_times_b, lambda a, b: -a - b)


def test_a_guess_is_told_as_one_beside_what_is_certain():
    def nearly(returned, a, b):
        """You may have taken a coarse step."""
        return bool((abs(returned - a * b) < 1).all())

    said = refusal(replace(a_times_b, signs=[], guesses=[nearly]), lambda a, b: a * b + 0.1 * a)
    fact, _, guess = said.partition(" Perhaps it is this: ")
    assert "Not right yet, for" in fact and guess.startswith("You may have taken a coarse step.")
    assert "Perhaps" not in refusal(replace(a_times_b, signs=[nearly], guesses=[]), lambda a, b: a * b + 0.1 * a)


def test_an_unknown_mistake_is_counted_and_placed():
    said = refusal(a_times_b, lambda a, b: a * b + np.array([0, 1, 0]))
    assert "for every one of 100 random pairs, first at index 1" in said


def test_the_inputs_of_a_refusal_are_small_and_can_be_had_again(rng):
    seed = int(rng.integers(2**32))

    @exercise("9.3", draw=lambda rng: {"a": rng.random(rng.integers(2, 30))}, mistakes=[])
    def doubled(a):
        return 2 * a

    def wrong(a):
        return 2 * a + (len(a) > 9)

    said = refusal(doubled, wrong, seed)
    alone, same = re.search(r"For them alone: (.*)\n      The same again: (.*)$", said).groups()
    names = {"wrong": wrong, "checks": SimpleNamespace(test_checks=SimpleNamespace(doubled=doubled))}
    shown, returned = re.search(r"a = (\[.*?\]) you returned (\[.*?\])", said, re.DOTALL).groups()
    assert eval(alone, names) == pytest.approx(eval(returned), abs=2e-3)
    assert len(eval(shown)) == min(len(one["a"]) for one in doubled.cases(seed) if len(one["a"]) > 9)
    with pytest.raises(NotYet) as again:
        eval(same.replace("doubled(", "doubled.check("), names)
    assert str(again.value) == said
    assert "your_function(" in refusal(doubled, lambda a: a)
    found = {refusal(doubled, lambda a: a) for _ in range(3)}
    assert len(found) == 3  # without a seed it is another one each time


def _shares(rng):
    return {"a": rng.random(int(rng.integers(1, 4))) + 0.1, "b": float(rng.random()), "c": float(rng.random())}


@exercise("9.4", draw=_shares, mistakes=[], inputs="random shares")
def mixed_shares(a, b, c):
    """Shares that b mixes with uniform ones, and c with the first."""
    shares = b * a / a.sum() + (1 - b) / len(a)
    return c * np.eye(len(a))[0] + (1 - c) * shares


def _with(change):
    return lambda a, b, c: change(mixed_shares.oracle(a, b, c))


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (_with(lambda right: np.round(right, 2)), "rounded to 2 digits after the point"),
        (_with(lambda right: np.round(right, 1)), "rounded to 1 digit after the point"),
        (_with(lambda right: right.astype(np.float16)), "as far as float16 goes"),
        (_with(lambda right: torch.tensor(right).bfloat16()), "as far as bfloat16 goes"),
        (_with(lambda right: right * 1.001), "sum to 1, and a sum of yours is 1.001"),
        (_with(lambda right: right + 1e-4 * (np.arange(len(right)) - (len(right) - 1) / 2)), "Near, and not right yet"),
        (_with(lambda right: right / right[0]), "sum to 1, and a sum of yours is"),
        (lambda a, b, c: mixed_shares.oracle(a, 0.3, c), "does not change with `b`"),
        (lambda a, b, c: mixed_shares.oracle(a, b, 0.3), "does not change with `c`"),
        (_with(lambda right: np.round(right)), "each row should sum to 1"),
        (lambda a, b, c: mixed_shares.oracle(a, random.random(), c), "returns two results"),
        (_with(lambda right: right[::-1]), "what is right, backwards"),
        (_with(lambda right: right**2 / (right**2).sum()), ""),
    ],
)
def test_hints_that_any_exercise_gives_are_true(answer, told):
    said = refusal(mixed_shares, answer)
    assert told in said
    assert ("Not right yet, for" in said) == (not told)


def test_who_returns_the_same_whatever_comes_is_told_so():
    assert "returns the same whatever it is given" in refusal(a_times_b, lambda a, b: np.ones(3))


def test_whole_numbers_in_place_of_real_ones_are_told_so():
    @exercise("9.6", draw=lambda rng: {"a": 9 * rng.random(4)}, mistakes=[], num_cases=20)
    def tripled(a):
        return 3 * a

    assert "after the point is cut off" in refusal(tripled, lambda a: (3 * a).astype(int))
    assert "rounded to 0 digits" in refusal(tripled, lambda a: np.round(3 * a))


def test_a_mistake_may_return_another_shape_or_nan():
    def too_many(a):
        """There is one more than was asked for. Which of them has nothing to say here?"""
        return np.append(2 * a, 0)

    def no_number(a):
        """Your roots are taken of what is negative. What should be done before, do you think?"""
        return np.sqrt(a - 2)

    twice = exercise("9.7", draw=lambda rng: {"a": rng.random(4)}, mistakes=[too_many, no_number])(lambda a: 2 * a)
    assert "one more than was asked for" in refusal(twice, lambda a: [*(2 * a), 0])
    assert "taken of what is negative" in refusal(twice, lambda a: np.emath.sqrt(a - 2).real * np.nan)
    assert "shape (6,)" in refusal(twice, lambda a: [*a, 0, 0])


def test_a_dictionarys_key_is_named():
    @exercise("9.5", draw=_pair, mistakes=[])
    def both(a, b):
        return {"sum": a + b, "product": a * b}

    assert "At 'product': What you return is a single number" in refusal(
        both, lambda a, b: {"sum": a + b, "product": b}
    )
    assert "first at 'product'" in refusal(both, lambda a, b: {"sum": a + b, "product": a + 2 * b})


def test_not_implemented_in_a_library_is_an_error_of_the_library():
    said = refusal(a_times_b, lambda a, b: np.random.bit_generator.ISeedSequence.generate_state(a, 3))
    assert "Still to do" in refusal(a_times_b, open_exercise) and "Still to do" not in said
    unknown = {}
    exec("def stub(a, b):\n    raise NotImplementedError()", unknown)  # of these lines nobody knows the text
    assert "Still to do" in refusal(a_times_b, unknown["stub"])
    said = refusal(a_times_b, lambda a, b: library(a))
    assert "stopped with NotImplementedError: not for this kind" in said


def library(a):
    error = NotImplementedError("not for this kind")
    raise error


class MuteError(Exception):
    def __str__(self):
        raise RuntimeError


def test_an_error_that_cannot_be_said_is_named():
    def answer(a, b):
        raise MuteError

    assert "stopped with MuteError at `raise MuteError`" in refusal(a_times_b, answer)


@pytest.mark.parametrize(
    "kind",
    [
        lambda right: [Fraction(float(one)) for one in right],
        lambda right: [Decimal(float(one)) for one in right],
        lambda right: right.astype(object),
        lambda right: np.ma.masked_array(right, right < 0),
        lambda right: tuple(np.float64(one) for one in right),
        lambda right: torch.tensor(right, requires_grad=True),
    ],
    ids=["fractions", "decimals", "objects", "masked", "tuple", "gradient"],
)
def test_numbers_of_any_kind_are_numbers(kind):
    assert a_times_b.check(lambda a, b: kind(a * b)) < 1e-12


def grows(a, b):
    text = "⌫"
    while True:
        text += text


def grows_in_one_step(a, b):
    return np.ones(1 << 40)


def grows_bit_by_bit(a, b):
    kept = []
    while True:
        kept.append(np.ones(1 << 20))


@pytest.mark.parametrize("answer", [grows, grows_in_one_step, grows_bit_by_bit])
@pytest.mark.parametrize("refused", [True, False], ids=["the system refuses it", "it is watched"])
def test_an_answer_that_takes_all_memory_is_stopped_and_this_process_goes_on(answer, refused, monkeypatch):
    if not refused:
        monkeypatch.setattr(limits, "_less_data", lambda memory: contextlib.nullcontext())
    said = refusal(replace(a_times_b, memory=1 << 28), answer)
    assert "wanted more than 0.25 GB of memory" in said
    assert np.ones(1 << 26).sum() == 1 << 26  # and may have more itself


@pytest.mark.parametrize("factor", [1, 2], ids=["right", "wrong"])
def test_what_an_answer_prints_does_not_bury_the_verdict(factor, capsys):
    def answer(a, b):
        print("here", a, "and")
        print(b, end=" there\n")
        return factor * a * b

    a_times_b(answer, seed=0)
    out, err = capsys.readouterr()
    first = a_times_b.cases(0)[0]
    lines = out.splitlines()
    assert len(lines) == LINES + 1 + (factor == 1)
    assert f"here {first['a']} and" in lines
    assert lines[LINES] == f"(and {2 * a_times_b.num_cases - LINES} more lines that your function printed)"
    assert ("✓" in lines[-1], "✗" in err) == (factor == 1, factor == 2)


def test_an_answer_that_prints_a_little_prints_all_of_it(capsys):
    seen = []

    def answer(a, b):
        if not seen:
            print("once")
        seen.append(a)
        return a * b

    a_times_b(answer)
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "once" and "✓" in out[1] and len(out) == 2


def test_the_line_that_failed_is_shown():
    def answer(a, b):
        doubled = 2 * a
        return doubled[7]

    assert "IndexError" in refusal(a_times_b, answer) and "`return doubled[7]`" in refusal(a_times_b, answer)


class Unspeakable:
    """Something that cannot be shown."""

    def __repr__(self):
        raise RuntimeError


def holds_itself():
    endless = []
    endless.append(endless)
    return endless


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        (3, "A function was wanted, and this is an int"),
        (lambda a: a, r"takes \(a\); it is called with \(a, b\)"),
        (lambda *, a, b: a * b, r"takes \(\*, a, b\); it is called with \(a, b\)"),
        (lambda a, b: exit(), "stopped with SystemExit"),
        (lambda a, b: torch.zeros(3, device="meta"), "an array of numbers was wanted"),
        (lambda a, b: Unspeakable(), "an Unspeakable; an array of numbers was wanted"),
        (lambda a, b: holds_itself(), "a list; an array of numbers was wanted"),
        (lambda a, b: np.full(3, np.nan), "NaN"),
        (lambda a, b: a * b * 1j, "was wanted"),
        (lambda a, b: 1.0, r"is a single number; shape \(3,\) was wanted"),
        (lambda a, b: (a * b)[None], r"shape \(1, 3\); shape \(3,\) was wanted"),
    ],
)
def test_each_way_of_being_no_answer_is_named(answer, wanted):
    assert re.search(wanted, refusal(a_times_b, answer))


def open_exercise(a, b):
    raise NotImplementedError()


def never_ends(a, b):
    while True:
        pass


def test_an_answer_that_passes_comes_back_as_it_is(capsys):
    def answer(a, b):
        return [float(one) for one in a * b]

    assert a_times_b(answer) is answer
    said = capsys.readouterr()
    assert re.fullmatch(r"9\.1 ✓ a times b \(100 random pairs, largest error 0\.0e\+00\)\n", said.out) and not said.err


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda a, b: a, "You return a as it came"),
        (open_exercise, "Still to do"),
        (never_ends, "stopped after 0.2 seconds"),
        (3, "A function was wanted"),
    ],
    ids=["wrong", "open", "never_ends", "no_function"],
)
def test_in_place_of_an_answer_that_does_not_pass_comes_the_oracle_and_that_is_said(answer, told, capsys, rng):
    mine = replace(a_times_b, seconds=0.2)(answer)
    said = capsys.readouterr()
    assert (
        said.err.startswith("9.1 ✗ ")
        and told in said.err
        and said.err.endswith(f"\n{STAND_IN}\n")
        and "✓" not in said.out
    )
    case = _pair(rng)
    assert np.array_equal(mine(case["a"], case["b"]), case["a"] * case["b"])


def test_where_a_gradient_must_come_back_numbers_alone_do_not_pass():
    found = replace(a_times_b, gradient="a", draw=lambda rng: {"a": torch.tensor(rng.random(3)), "b": 2.0})
    assert found.check(lambda a, b: a * b) == 0
    assert "no gradient comes back" in refusal(found, lambda a, b: (a * b).detach())


def test_an_answers_seconds_are_a_processors_and_by_the_clock_it_has_some_times_as_many():
    def waits(seconds):
        def answer(a, b):
            for _ in range(round(seconds / 0.02)):
                time.sleep(0.02)
            return a * b

        return answer

    one = replace(a_times_b, seconds=0.3, num_cases=1)
    assert one.check(waits(0.6)) == 0  # as where others have the processor
    assert "stopped after 0.3 seconds" in refusal(one, waits(10))


def test_the_limit_holds_also_where_interruptions_are_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert "stopped after 0.2 seconds" in refusal(replace(a_times_b, seconds=0.2), never_ends)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_who_interrupts_a_check_is_obeyed():
    def interrupted(a, b):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        a_times_b(interrupted)


def test_beside_the_main_thread_an_answer_is_checked_without_a_limit():
    found = []
    thread = threading.Thread(target=lambda: found.append(a_times_b.check(lambda a, b: a * b)))
    thread.start()
    thread.join()
    assert found == [0.0]


@every_exercise
def test_the_oracle_can_be_called_as_an_answer_is(name):
    found = EXERCISES[name]
    assert list(inspect.signature(found.oracle).parameters) == list(found.draw(np.random.default_rng(0)))


def test_an_answer_may_fill_one_array_again_and_again(capsys):
    kept = np.zeros(3)

    def answer(a, b):
        kept[:] = a * b
        return kept

    a_times_b(answer)
    assert capsys.readouterr().out.startswith("9.1 ✓")


def test_half_precision_and_sparse_tensors_are_numbers():
    assert "does not change with `b`" in refusal(a_times_b, lambda a, b: torch.tensor(a).bfloat16() + 1)
    a_times_b(lambda a, b: torch.tensor(a * b).to_sparse())


def test_infinity_is_matched_only_by_itself():
    @exercise("9.2", draw=lambda rng: {"x": float(rng.random())}, mistakes=[], num_cases=3)
    def limit(x):
        return np.array([np.inf, -np.inf, x])

    limit(lambda x: torch.tensor([np.inf, -np.inf, x]))
    for wrong in ([np.inf, np.inf], [1e300, -np.inf], [np.inf, -1e300]):
        assert "✗" in refusal(limit, lambda x, wrong=wrong: [*wrong, x])


def test_an_answer_as_large_as_a_float_can_be_is_only_wrong():
    largest = np.finfo(np.float64).max
    assert "Not right yet" in refusal(a_times_b, lambda a, b: largest * (a * b > 0.2))
    assert "returns the same" in refusal(a_times_b, lambda a, b: np.full(3, largest))


def test_unknown_checks_are_named():
    with pytest.raises(AttributeError, match="occupancy"):
        _ = checks.occupance


RIGHT_BUT_THERE = {  # what a text allows and few students think of: where an answer may be wrong, and only there
    "figure_1.level": lambda inputs: 0.5 < inputs["recovery"] < 0.52,
    "occupancy.visits_along_a_chain": lambda inputs: inputs["gamma"] == 0,
    "occupancy.occupancy_of_a_text": lambda inputs: inputs["gamma"] == 0,
    "occupancy.there_and_back": lambda inputs: inputs["types"] == 0,
}


@pytest.mark.parametrize(("name", "there"), RIGHT_BUT_THERE.items(), ids=RIGHT_BUT_THERE)
def test_an_answer_that_is_wrong_only_at_an_edge_is_refused(name, there):
    found = EXERCISES[name]
    said = refusal(found, answer_of(found, lambda **inputs: found.oracle(**inputs) + 0.01 * there(inputs)))
    assert said.startswith(f"{found.number} ✗ ")


NEARLY_RIGHT = {
    "a constant": lambda right: right * 0 + 0.7131,
    "all infinite": lambda right: right * 0 + np.inf,
    "one percent too much": lambda right: right * 1.01,
    "a little too much": lambda right: right + 3e-5 * (1 + np.abs(right)),
}


@every_exercise
@pytest.mark.parametrize("change", NEARLY_RIGHT)
def test_nobody_is_told_to_be_right_somewhere_who_is_right_nowhere(name, change):
    """A hint may say "You are right where ...". It must then be so."""
    found = EXERCISES[name]
    if isinstance(found.oracle(**found.draw(np.random.default_rng(0))), str):
        change = None  # text has no percentages
    with np.errstate(invalid="ignore"):
        changed = answer_of(found, lambda **inputs: NEARLY_RIGHT[change](np.asarray(found.oracle(**inputs), float)))
        said = refusal(found, changed if change else lambda keys: "?", seed=1)
    assert not re.search(r"You are right|are right\.|Where ∞ is right", said)
