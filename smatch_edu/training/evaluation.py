"""What a trained model answers: accuracy at several temperatures, with the backspace key and without it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

from smatch_edu.network.generation import Trace, generate
from smatch_edu.support.progress import Progress
from smatch_edu.support.tables import number, percent
from smatch_edu.tasks import Example
from smatch_edu.training.metrics import Interval, Telemetry, mean_interval, off_data_occupancy, telemetry
from smatch_edu.training.policy import Policy

BATCH = 256  # prompts answered at once


class Condition(NamedTuple):
    """How answers are typed: the temperature (0 is greedy), whether `<backspace>` may be pressed, and how often the
    keyboard slips to another token."""

    temperature: float
    backspace: bool
    noise: float = 0.0

    def __str__(self) -> str:
        how = f"temperature {self.temperature:g}" if self.temperature else "greedy"
        slips = f", {100 * self.noise:g}% slips" if self.noise else ""
        return how + slips + ("" if self.backspace else ", no ⌫")


CONDITIONS = tuple(
    Condition(temperature, allowed, noise)
    for allowed in (True, False)
    for temperature, noise in ((1.0, 0.0), (0.5, 0.0), (0.0, 0.0), (1.0, 0.1))
)


class Evaluation(NamedTuple):
    """What came of one condition.

    Attributes:
        condition: how the answers were typed.
        right: (seeds, examples).
        accuracy: with its interval over examples, and over seeds if there are several.
        valid: the share of answers that are finished and of the language, right or not.
        off_data: out-of-distribution occupancy, see `metrics`; γ is that of the training.
        telemetry: of the first seed.
    """

    condition: Condition
    right: Bool[np.ndarray, "seeds examples"]
    accuracy: Interval
    valid: float
    off_data: float
    telemetry: Telemetry


def generate_answers(
    policy: Policy, examples: Sequence[Example], condition: Condition, seed: int = 0, max_actions: int = 128
) -> list[Trace]:
    """One trace for each example's prompt."""
    keys, found = policy.task.vocabulary, list[Trace]()
    for start in range(0, len(examples), BATCH):
        some = examples[start : start + BATCH]
        found += generate(
            policy.transformer,
            [one.prompt for one in some],
            keys.eos,
            keys.backspace,
            max_actions=max_actions,
            temperature=condition.temperature or 1.0,
            greedy=condition.temperature == 0,
            noise=condition.noise,
            seed=seed + start,
            banned=policy.banned(condition.backspace),
        ).traces
    return found


HEADER = ("answers", "accuracy", "valid", "off data", "⌫ rate", "in a row", "precision", "recall")
LEGEND = (
    "Valid: finished and of the language, right or not. Off data: share of discounted time on texts that begin no\n"
    "right answer. ⌫ rate: share of actions. In a row: mean number of ⌫ in a row. Precision: of the tokens deleted,\n"
    "the share that were wrong. Recall: of the wrong tokens, the share deleted. Brackets: 95 % intervals."
)


def table_rows(evaluations: Sequence[Evaluation]) -> list[list[str]]:
    """Of a table under `HEADER`."""
    return [
        [
            str(found.condition),
            str(found.accuracy),
            percent(found.valid),
            percent(found.off_data),
            percent(found.telemetry.rate.estimate),
            number(found.telemetry.run_length, 2),
            percent(found.telemetry.precision.estimate),
            percent(found.telemetry.recall.estimate),
        ]
        for found in evaluations
    ]


def evaluate(
    policies: Sequence[Policy],
    examples: Sequence[Example],
    conditions: Sequence[Condition] = CONDITIONS,
    seed: int = 0,
    progress: Progress | None = None,
) -> list[Evaluation]:
    """Answer all examples under every condition.

    Args:
        policies: the same training from several seeds, or one.
        seed: of the typing; each policy's differs.
        progress: advances by a step for every condition of every policy.

    Raises:
        ValueError: policies of different tasks.
    """
    if others := [policy.task for policy in policies if policy.task != policies[0].task]:
        raise ValueError(f"policies are of the tasks {policies[0].task} and {others[0]}; one was wanted")
    found = []
    for condition in conditions:
        traces = []
        for which, policy in enumerate(policies):
            traces.append(generate_answers(policy, examples, condition, seed + 10**6 * which))
            if progress is not None:
                progress.advance()
        task, gamma = policies[0].task, policies[0].config.gamma

        def of_each(judge: Callable[[Example, list[int]], bool], traces: list[list[Trace]] = traces) -> np.ndarray:
            pairs = [zip(examples, row, strict=True) for row in traces]
            return np.array([[trace.ended == "eos" and judge(one, trace.text) for one, trace in row] for row in pairs])

        right, valid = of_each(task.score), of_each(task.valid)
        off = np.mean([off_data_occupancy(task, examples, row, gamma).mean() for row in traces])
        accuracy, used = mean_interval(right.astype(np.float64)), telemetry(task, examples, traces[0])
        found.append(Evaluation(condition, right, accuracy, float(valid.mean()), float(off), used))
    return found


def difference(one: Evaluation, other: Evaluation) -> Interval:
    """By how much the accuracy of one training is above another's, with an interval over examples, and over seeds if
    there are several: question by question, and seed by seed.

    Raises:
        ValueError: other conditions, or other numbers of examples or seeds.
    """
    if one.condition != other.condition or one.right.shape != other.right.shape:
        given = f"{one.condition}, {one.right.shape}, and {other.condition}, {other.right.shape}"
        raise ValueError(f"the two are of {given}; one condition and as many seeds and examples were wanted")
    return mean_interval(one.right.astype(np.float64) - other.right, differences=True)
