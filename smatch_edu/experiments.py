"""Experiments: runs over a grid of settings, each with its rows in one table, which grows as runs finish.

A run that is in the table is not run again, so an experiment that was interrupted goes on where it was.
"""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from smatch_edu.divergences import DIVERGENCES
from smatch_edu.files import check_writable, write_atomically
from smatch_edu.mdp import StringMDP
from smatch_edu.neural import METHODS, Expert, NeuralConfig, NeuralPolicy, Yardstick, train_policy
from smatch_edu.vocabulary import load_words

Row = Mapping[str, object]


def read_table(path: Path) -> list[dict[str, str]]:
    """The rows of a table with one header line, tabs between columns. [] if there is no such file."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def extend_table(path: Path, runs: Iterable[Row], measure: Callable[[Row], list[Row]]) -> None:
    """Measure every run whose settings are not in the table yet, and add its rows, each with the run's settings.

    Args:
        path: the table; written whole after every run.
        runs: settings by name, the same names in each.
        measure: settings → rows of results.

    Raises:
        ValueError: the table cannot be written, or its columns are others than these runs'.
    """
    check_writable(path)
    rows: list[Row] = list(read_table(path))
    runs = list(runs)
    if rows and runs and (missing := [name for name in runs[0] if name not in rows[0]]):
        raise ValueError(f"{path} has no column {missing[0]!r}; it holds another experiment, choose another place")
    done = {tuple(str(row[name]) for name in runs[0]) for row in rows} if runs else set()
    waiting = [run for run in runs if tuple(map(str, run.values())) not in done]
    for run in (bar := tqdm(waiting, disable=None)):
        bar.set_description(" ".join(map(str, run.values())))
        rows += [{**run, **found} for found in measure(run)]
        table = io.StringIO()
        writer = csv.DictWriter(table, list(rows[0]), delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_atomically(path, table.getvalue())


# -- the neural policy against the exact optimum ---------------------------------------------------------------------


@dataclass(frozen=True)
class NeuralDivergenceConfig:
    """A small transformer against the exact optimum, for every divergence.

    Attributes:
        out: the table.
        letters: of the keyboard; the words are the real ones that need no others.
        max_length: longest word.
        noise: how often the keyboard slips.
        divergences: which; all if left out.
        next_values: how V of the next text enters r: its expectation, or one sample.
        num_steps: updates of each run.
        width: of the transformer.
        seeds: runs of each kind.
        gamma: discount.
        alpha: weight of the entropy.
        uniform: share of demonstrations by somebody who presses anything, where the divergence is infinite without.
    """

    out: Path = Path("data/results/neural_divergence.tsv")
    letters: str = "aehnorst"
    max_length: int = 3
    noise: float = 0.1
    divergences: tuple[str, ...] = METHODS
    next_values: tuple[str, ...] = ("expectation", "sample")
    num_steps: int = 4000
    width: int = 64
    seeds: int = 1
    gamma: float = 0.9
    alpha: float = 0.1
    uniform: float = 0.1

    def keyboard(self) -> tuple[StringMDP, list[list[int]], list[float]]:
        """The keyboard, its words as ids, and how often each is wanted."""
        words, counts = load_words(self.max_length)
        kept = [(word, float(n)) for word, n in zip(words, counts, strict=True) if set(word) <= set(self.letters)]
        if not kept:
            raise ValueError(f"no word of up to {self.max_length} letters can be typed with {self.letters!r}")
        texts = [[self.letters.index(letter) for letter in word] for word, _ in kept]
        return StringMDP(len(self.letters), self.max_length, noise=self.noise), texts, [n for _, n in kept]


def neural_divergence(config: NeuralDivergenceConfig) -> None:
    """Train a transformer for every divergence and hold it against the exact optimum; see `neural`."""
    mdp, texts, weights = config.keyboard()

    def measure(run: Row) -> list[Row]:
        uniform, seed = float(str(run["uniform"])), int(str(run["seed"]))
        settings = NeuralConfig(
            str(run["divergence"]),
            config.gamma,
            config.alpha,
            str(run["next_value"]),
            num_steps=int(str(run["num_steps"])),
            seed=seed,
        )
        expert = Expert.of_texts(mdp, texts, weights, uniform)
        yardstick = Yardstick(mdp, expert.occupancy(config.gamma), settings)
        network = NeuralPolicy(mdp, width=config.width, seed=seed)
        measured = train_policy(network, expert, settings, yardstick, every=max(config.num_steps // 10, 1))
        return [
            {
                "step": found.step,
                "J": f"{found.objective:.6g}",
                "J_best": f"{yardstick.best:.6g}",
                "J_uniform": f"{yardstick.uniform:.6g}",
                "shortfall": f"{found.shortfall:.4g}",
                "cost_shortfall": f"{found.cost_shortfall:.4g}",
                "outside": f"{found.outside:.3g}",
            }
            for found in measured
        ]

    runs = [
        {
            "letters": config.letters,
            "max_length": config.max_length,
            "noise": config.noise,
            "gamma": config.gamma,
            "alpha": config.alpha,
            "width": config.width,
            "divergence": name,
            "next_value": next_value,
            "uniform": config.uniform if name in DIVERGENCES and DIVERGENCES[name].domain == -float("inf") else 0.0,
            "num_steps": config.num_steps,
            "seed": seed,
        }
        for seed, name, next_value in itertools.product(range(config.seeds), config.divergences, config.next_values)
        # A likelihood has no next value; with a sampled one the exact solver finds no optimum for total variation.
        if not (name in ("mle", "tv") and next_value == "sample")
    ]
    extend_table(config.out, runs, measure)
