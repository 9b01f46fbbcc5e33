"""Answers are typed under the conditions they are said to be, and judged as a reader would."""

import math

import numpy as np
import pytest
import torch

from smatch_edu.configs.training import TrainingConfig
from smatch_edu.network.generation import generate
from smatch_edu.tasks import Example, get_task
from smatch_edu.training.evaluation import (
    CONDITIONS,
    HEADER,
    Condition,
    difference,
    evaluate,
    generate_answers,
    table_rows,
)
from smatch_edu.training.policy import Policy


def a_policy(seed, family="addition"):
    config = TrainingConfig(family=family, num_layers=1, num_heads=2, width=16, seed=seed)
    policy = Policy(config.make_task(), config)
    with torch.no_grad():  # no two logits alike, so that temperatures matter
        policy.transformer.embedding.weight.normal_(std=0.7)
    return policy


def test_conditions_are_what_they_say(rng):
    policy = a_policy(int(rng.integers(1000)))
    keys, examples = policy.task.vocabulary, policy.task.split("validation")[:40]
    typed = {condition: generate_answers(policy, examples, condition, seed=3) for condition in CONDITIONS}
    assert len(typed) == 8
    for condition, traces in typed.items():
        pressed = sum(trace.actions.count(keys.backspace) for trace in traces)
        assert condition.backspace or pressed == 0
        assert len(traces) == len(examples)
    assert any(trace.actions.count(keys.backspace) for trace in typed[Condition(1.0, True)])
    plain = generate(policy.transformer, [one.prompt for one in examples], keys.eos, keys.backspace, 128, seed=3)
    assert [one.actions for one in typed[Condition(1.0, True)]] == [one.actions for one in plain.traces]
    greedy = typed[Condition(0.0, False)]
    assert [one.actions for one in greedy] == [
        one.actions for one in generate_answers(policy, examples, Condition(0.0, False), seed=4)
    ]
    assert [one.actions for one in typed[Condition(1.0, True)]] != [
        one.actions for one in generate_answers(policy, examples, Condition(1.0, True), seed=4)
    ]
    slipped = generate_answers(policy, examples, Condition(1.0, True, noise=0.3), seed=3)
    pairs = [pair for one in slipped for pair in zip(one.pressed, one.actions, strict=True) if pair[0] < keys.eos]
    assert 0.2 < np.mean([pressed != typed for pressed, typed in pairs]) < 0.4
    assert [str(one) for one in CONDITIONS[2:5:2]] == ["greedy", "temperature 1, no ⌫"]
    assert str(Condition(1.0, False, 0.1)) == "temperature 1, 10% slips, no ⌫"


def test_an_answer_is_right_if_it_is_finished_and_is_the_sum(rng):
    """The questions are asked of the policy itself: what it answers is made the right answer of every other one."""
    policy = a_policy(int(rng.integers(1000)))
    keys, condition = policy.task.vocabulary, Condition(3.0, True)  # hot, so that many are finished
    asked = policy.task.split("validation")[:300]
    typed = generate_answers(policy, asked, condition, seed=5)
    wanted = np.arange(len(asked)) % 2 == 0
    examples = [
        Example(one.prompt, tuple(trace.text) if right else (*trace.text, keys.encode("7")[0]))
        for one, trace, right in zip(asked, typed, wanted, strict=True)
    ]
    finished = np.array([trace.ended == "eos" for trace in typed])
    found = evaluate([policy], examples, [condition], seed=5)[0]
    assert found.right.shape == (1, 300)
    assert found.right[0].tolist() == (wanted & finished).tolist() and 0 < found.right.sum() < 300
    assert found.accuracy.estimate == pytest.approx((wanted & finished).mean())
    assert found.accuracy.low < found.accuracy.estimate < found.accuracy.high


def test_several_seeds_stand_in_rows_and_differ():
    policies = [a_policy(seed) for seed in (0, 1, 1)]
    examples = policies[0].task.split("validation")[:20]
    first = evaluate(policies[:1], examples, [Condition(1.0, True)])[0]
    found = evaluate(policies, examples, [Condition(1.0, True)])[0]
    assert found.right.shape == (3, 20)
    assert found.right[0].tolist() == first.right[0].tolist() and found.telemetry == first.telemetry
    cells = table_rows([found])[0]
    assert len(cells) == len(HEADER) and cells[0] == "temperature 1" and cells[1] == str(found.accuracy)
    without = evaluate(policies[:1], examples, [Condition(1.0, False)])[0]
    assert math.isnan(without.telemetry.run_length) and table_rows([without])[0][4:7] == ["0.0%", "–", "–"]


def test_a_difference_is_taken_question_by_question(rng):
    """Two trainings that answer alike but for a few questions: the paired interval is far narrower than the two."""
    task = get_task("arithmetic", family="addition")
    config = TrainingConfig(family="addition", num_layers=1, width=8)
    one = evaluate([Policy(task, config)], task.split("test")[:8], [Condition(1.0, True)])[0]
    right = rng.random((3, 400)) < 0.6
    better = right | (rng.random((3, 400)) < 0.1)
    first, second = one._replace(right=better), one._replace(right=right)
    found = difference(first, second)
    assert found.estimate == pytest.approx(better.mean() - right.mean())
    assert 0 < found.low < found.estimate < found.high < found.estimate + 0.05
    same = difference(second, second)
    assert same.estimate == 0 and same.low == -same.high
    with pytest.raises(ValueError, match="one condition and as many seeds"):
        difference(first, second._replace(right=right[:2]))
    with pytest.raises(ValueError, match="one condition and as many seeds"):
        difference(first, second._replace(condition=Condition(0.0, True)))


def test_models_of_different_tasks_are_not_mixed():
    policies = [a_policy(0), a_policy(0, "in_base_10")]
    with pytest.raises(ValueError, match=r"family='addition'.*family='in_base_10'.*one was wanted"):
        evaluate(policies, get_task("arithmetic", family="addition").split("test"))
