"""How good answers are, and what the backspace key was used for, with confidence intervals.

    accuracy     share of answers that are right
    rate         share of actions that are backspaces
    run length   mean number of backspaces in a row
    precision    of the tokens that were deleted, the share that were wrong
    recall       of the tokens that were wrong, the share that were deleted
    off data     out-of-distribution occupancy: the share of discounted time on texts that begin no right answer

A token is wrong if no right answer begins with the text up to it.

Source: Cundy & Ermon 2023 (accuracy on arithmetic); the telemetry is this project's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import scipy
from jaxtyping import Float

from smatch_edu.network.generation import Trace
from smatch_edu.tasks import Example, Task


class Interval(NamedTuple):
    """An estimate with the ends of its confidence interval; NaN where there is nothing to estimate."""

    estimate: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.estimate:.3f} [{self.low:.3f}, {self.high:.3f}]"


def share_interval(hits: int, count: int, level: float = 0.95) -> Interval:
    """hits/count with Wilson's interval, which has a width also where all or none were hits. NaN for a count of 0."""
    if count == 0:
        return Interval(math.nan, math.nan, math.nan)
    found = scipy.stats.binomtest(hits, count).proportion_ci(level, method="wilson")
    return Interval(hits / count, float(found.low), float(found.high))


def mean_interval(
    scores: Sequence[Float[np.ndarray, " items"]] | Float[np.ndarray, "seeds items"],
    level: float = 0.95,
    num_resamples: int = 2000,
    seed: int = 0,
    *,
    differences: bool = False,
) -> Interval:
    """The mean of all scores, with a bootstrap interval over items, and over seeds where there are several.

    With several seeds both are drawn anew, seeds and items, so that the interval holds both chances. Where all scores
    are 0, or all are 1, there is nothing to draw, and it is Wilson's interval of a share.

    Args:
        scores: one row for each seed, one number for each item, the same items in each row.
        level: of confidence, in (0, 1).
        differences: the scores are differences of two scores from 0 to 1: if all are 0, the interval reaches as far
            down as up.

    Raises:
        ValueError: no scores, or rows of different lengths.
    """
    if not len(scores) or len({len(row) for row in scores}) != 1 or not len(scores[0]):
        raise ValueError(f"scores has rows of lengths {sorted({len(row) for row in scores})}; wanted equal and above 0")
    table = np.asarray(scores, dtype=np.float64)
    if np.ptp(table) == 0:
        value = float(table.flat[0])
        if value not in (0.0, 1.0):
            return Interval(value, value, value)
        share = share_interval(int(value) * table.shape[1], table.shape[1], level)
        return share._replace(low=-share.high) if differences and value == 0 else share

    def mean_of(seeds: np.ndarray, items: np.ndarray, axis: int = -1) -> np.ndarray:
        return table[seeds[..., :, None], items[..., None, :]].mean(axis=(-2, -1))

    seeds, items = (np.arange(size) for size in table.shape)
    if len(table) == 1:  # nothing to draw among seeds

        def of_items(items: np.ndarray, axis: int = -1) -> np.ndarray:
            return table[0][items].mean(axis=axis)

        ends = _ends((items,), of_items, level, num_resamples, seed)
    else:
        ends = _ends((seeds, items), mean_of, level, num_resamples, seed)
    return Interval(float(table.mean()), *ends)


def _ends(
    drawn: tuple[np.ndarray, ...], statistic: Callable[..., np.ndarray], level: float, num_resamples: int, seed: int
) -> tuple[float, float]:
    """Low and high quantile of the statistic of what is drawn anew from each of these."""
    options = {"confidence_level": level, "n_resamples": num_resamples, "method": "percentile", "batch": 50}
    low, high = scipy.stats.bootstrap(drawn, statistic, rng=seed, **options).confidence_interval
    return float(low), float(high)


def ratio_interval(
    hits: Float[np.ndarray, " items"],
    counts: Float[np.ndarray, " items"],
    level: float = 0.95,
    num_resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Σ hits / Σ counts with a bootstrap interval over items, since what happens within one item hangs together.

    Wilson's interval where all or none were hits; NaN where there is nothing to count.

    Args:
        hits, counts: of each item, hits ≤ counts.
    """
    total, of = int(hits.sum()), int(counts.sum())
    if total in (0, of) or len(hits) < 2:
        return share_interval(total, of, level)

    def ratio(items: np.ndarray, axis: int = -1) -> np.ndarray:
        below = counts[items].sum(axis=axis)
        return np.where(below > 0, hits[items].sum(axis=axis) / np.maximum(below, 1), total / of)

    return Interval(total / of, *_ends((np.arange(len(hits)),), ratio, level, num_resamples, seed))


def off_data_occupancy(
    task: Task, examples: Sequence[Example], traces: Sequence[Trace], gamma: float
) -> Float[np.ndarray, " traces"]:
    """(1-γ) Σ_i γ^i [no right answer begins with the text before action i], for each trace: its mean estimates the
    occupancy of the texts off the data. The time after `<eos>` counts as none of it.

    Source: Cundy & Ermon 2023, section 2.2.
    """
    found = np.zeros(len(traces))
    for number, (example, trace) in enumerate(zip(examples, traces, strict=True)):
        text: list[int] = []
        for step, action in enumerate(trace.actions):
            if not task.begins(example, text):
                found[number] += (1 - gamma) * gamma**step
            if action == task.vocabulary.backspace:
                text.pop()
            else:
                text.append(action)
    return found


def backspace_shares(
    task: Task, examples: Sequence[Example], traces: Sequence[Trace], gamma: float
) -> tuple[float, float]:
    """P(`<backspace>`) off the data, and on it where there is something to delete: its share of the presses there, each
    discounted by γ^i, over all traces. NaN where no trace ever is.
    """
    pressed, passed = np.zeros((2, 2))
    for example, trace in zip(examples, traces, strict=True):
        text: list[int] = []
        for step, action in enumerate(trace.actions):
            right = int(task.begins(example, text))
            if text:
                passed[right] += gamma**step
                pressed[right] += gamma**step * (action == task.vocabulary.backspace)
            if action == task.vocabulary.backspace:
                text.pop()
            else:
                text.append(action)
    off, on = (float(some / all_) if all_ else math.nan for some, all_ in zip(pressed, passed, strict=True))
    return off, on


def seed_interval(values: Sequence[float], level: float = 0.95) -> Interval:
    """The mean over seeds with Student's interval: values near a normal distribution, of which there are few. NaN ends
    for a single one.

    Raises:
        ValueError: no values.
    """
    if not len(values):
        raise ValueError("there are no values; at least one was wanted")
    mean, count = float(np.mean(values)), len(values)
    if count == 1:
        return Interval(mean, math.nan, math.nan)
    half = float(scipy.stats.t.ppf((1 + level) / 2, count - 1) * np.std(values, ddof=1) / math.sqrt(count))
    return Interval(mean, mean - half, mean + half)


class Telemetry(NamedTuple):
    """What the backspace key was used for.

    Attributes:
        rate: share of actions that are backspaces.
        run_length: mean number of backspaces in a row; NaN without one.
        precision: of the tokens deleted, the share that were wrong.
        recall: of the wrong tokens typed, the share that were deleted.
    """

    rate: Interval
    run_length: float
    precision: Interval
    recall: Interval


def telemetry(task: Task, examples: Sequence[Example], traces: Sequence[Trace]) -> Telemetry:
    """The backspaces of these traces, one for each example, judged by the right answers."""
    keys, runs = task.vocabulary, 0
    counts = np.zeros((4, len(traces)))
    actions, pressed, deleted_wrong, wrong = counts
    for number, (example, trace) in enumerate(zip(examples, traces, strict=True)):
        text: list[int] = []
        before = None
        for action in trace.actions:
            actions[number] += 1
            if action == keys.backspace:
                pressed[number] += 1
                runs += before != action
                deleted_wrong[number] += not task.begins(example, text)
                text.pop()
            elif action != keys.eos:
                text.append(action)
                wrong[number] += not task.begins(example, text)
            before = action
    return Telemetry(
        rate=ratio_interval(pressed, actions),
        run_length=float(pressed.sum()) / runs if runs else math.nan,
        precision=ratio_interval(deleted_wrong, pressed),
        recall=ratio_interval(deleted_wrong, wrong),
    )
