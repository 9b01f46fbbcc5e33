"""Real words on a keyboard that slips: who learns to press ⌫ if nobody ever showed the key?

The demonstrations are clean words. The learner types on a keyboard of which a share η of the keys slip. Maximum
likelihood learns what stands in the data, and ⌫ does not; SequenceMatch looks at its own texts as well, and finds the
key. Networks are trained over a grid of keyboards, noise and seeds, and each is measured exactly, over all texts of the
keyboard; only words of up to six letters are typed instead, 20,000 of them.

Two lines belong to every picture: the limit of maximum likelihood, the typist who presses exactly the data's
frequencies where a word begins so, and never ⌫; and the optimum of the skew KL with its entropy.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from smatch_edu.configs.experiments import EXACT, PLAIN, TERMINALS, KeyboardConfig
from smatch_edu.configs.training import TrainingConfig
from smatch_edu.exact.divergences import DIVERGENCES
from smatch_edu.exact.mdp import StringMDP
from smatch_edu.exact.tabular import maximise_objective
from smatch_edu.studies.walkthrough import Typist, measure_typist
from smatch_edu.support.arrays import one_thread
from smatch_edu.support.results import Row, extend_table
from smatch_edu.tasks.keyboard import Keyboard
from smatch_edu.training.evaluation import Condition, generate_answers
from smatch_edu.training.loop import start_run
from smatch_edu.training.metrics import Interval, backspace_shares, off_data_occupancy, seed_interval
from smatch_edu.training.neural import ExactOptimum, NeuralConfig
from smatch_edu.training.policy import Policy

KEYS = ("keyboard", "noise", "arm", "backspace", "terminal", "seed", "settings")
MEASURED = ("real_word", "off_data", "divergence", "optimum", "shortfall", "backspace_off", "backspace_on")
LONGEST = 3  # letters of words on whose keyboards all texts are looked at
TYPED = 20_000  # words, where there are too many texts


def keyboard_experiment(config: KeyboardConfig) -> None:
    """Train and measure every run of the grid; the table grows as they finish.

    Columns: real_word is P(the finished word is a real one). off_data is the share of discounted time at texts that
    begin no word. divergence is the skew KL from the clean demonstrations, with the arm's terminal states, and optimum
    that of the typist to whom the arm goes: for maximum likelihood its exact limit, for "shown" the expert who takes
    every slip back, else the exact optimum of the skew KL with the entropy of the arm's α. (To it "reached" does not
    go: it is held against what the learner's keyboard makes of the same loss.) shortfall is how much of the way in J,
    or for maximum likelihood in the likelihood, from the uniform policy to that optimum is still to go. The last two
    are P(⌫) off the data and on it. NaN where it is not computed.
    """
    runs = config.runs()
    rows = [dict(zip(KEYS, key, strict=True)) for key in runs]
    measure = functools.partial(_train_and_measure, runs=runs)
    exact: dict[tuple[str, ...], TrainingConfig] = {}
    for (keyboard, noise, arm, backspace, terminal, _, settings), run in runs.items():
        if settings != PLAIN:
            continue
        kind = "limit" if arm == "mle" else "optimum"
        for each in (*TERMINALS["learner"],) if kind == "limit" else (terminal,):
            if arm in ("mle", "learner") and (kind == "limit" or _enumerable(run)):
                exact[keyboard, noise, kind, backspace, each, EXACT, PLAIN] = run
    if config.exact:
        of_exact = [dict(zip(KEYS, key, strict=True)) for key in exact]
        extend_table(config.out, of_exact, MEASURED, functools.partial(_exact_row, runs=exact))
    extend_table(config.out, rows, MEASURED, measure, config.workers)


@one_thread()
def _train_and_measure(row: Row, runs: Mapping[tuple[str, ...], TrainingConfig]) -> list[Row]:
    config = runs[tuple(str(row[name]) for name in KEYS)]
    run = start_run(config)
    while run.step < config.steps:
        run.update()
    if not _enumerable(config):
        return [_as_row(typed_measures(run.policy), math.nan, math.nan, math.nan)]
    problem = Problem.of(config)
    logits = problem.logits_of(run.policy)
    likelihood = config.method != "sequencematch"
    loss = NeuralConfig("mle" if likelihood else "sampled_mixture", config.gamma, config.weight_of_entropy)
    shortfall = math.nan
    if config.method != "bc":
        shortfall = ExactOptimum(problem.mdp, problem.expert, loss).measure_logits(logits, run.step).shortfall
    policy = problem.policy_of(run.policy)
    best = {"mle": problem.limit, "bc": problem.shown}.get(config.method, problem.optimum)(config.weight_of_entropy)
    return [_as_row(problem.measure(policy), problem.divergence(policy), problem.divergence(best), shortfall)]


@one_thread()
def _exact_row(row: Row, runs: Mapping[tuple[str, ...], TrainingConfig]) -> list[Row]:
    config = runs[tuple(str(row[name]) for name in KEYS)]
    task = config.make_task()
    assert isinstance(task, Keyboard)
    if not _enumerable(config):
        found = Typist(limit_of_likelihood(task, config.noise), math.nan, math.nan, math.nan, np.empty(0))
        return [_as_row(found, math.nan, math.nan, math.nan)]
    problem = Problem.of(config, str(row["terminal"]))
    policy = problem.limit() if row["arm"] == "limit" else problem.optimum(config.weight_of_entropy)
    divergence = problem.divergence(policy)
    return [_as_row(problem.measure(policy), divergence, divergence, 0.0)]


def _as_row(found: Typist, divergence: float, optimum: float, shortfall: float) -> Row:
    shares = (found.real_word, found.off_data, divergence, optimum, shortfall, found.backspace_off, found.backspace_on)
    return {name: f"{share:.5f}" for name, share in zip(MEASURED, shares, strict=True)}


def _enumerable(config: TrainingConfig) -> bool:
    return config.longest_word <= LONGEST


def rows_of(rows: Iterable[Mapping[str, str]], **wanted: str) -> list[Mapping[str, str]]:
    """The rows of the table with these entries, of runs with the settings of the arm."""
    return [row for row in rows if row["settings"] == PLAIN and all(row[name] == text for name, text in wanted.items())]


def interval_of(rows: Sequence[Mapping[str, str]], name: str) -> Interval:
    """The mean of a column over seeds, with its interval; NaN where a seed has none."""
    return seed_interval([float(row[name]) for row in rows])


class Problem(NamedTuple):
    """A keyboard whose texts can all be looked at, and the occupancy of clean demonstrations.

    Attributes:
        mdp: the learner's keyboard.
        words: as ids.
        demonstrator: (states, actions), who types them without slips: the conditional frequencies of the data, and
            uniform over letters and `<eos>` where no word begins so.
        expert: (states, actions), her occupancy.
        gamma: discount.
    """

    mdp: StringMDP
    words: list[tuple[int, ...]]
    demonstrator: np.ndarray
    expert: np.ndarray
    gamma: float

    @classmethod
    def of(cls, config: TrainingConfig, terminal: str | None = None) -> Problem:
        """That of a training run on the keyboard task.

        Args:
            terminal: states, if others than the run's.
        """
        task = config.make_task()
        assert isinstance(task, Keyboard)
        mdp = StringMDP(
            task.num_keys, task.max_length - 1, config.backspace, config.noise, terminal=terminal or config.terminal
        )
        clean, words = mdp.without_noise(), [tuple(task.vocabulary.encode(word)) for word in task.words.words]
        demonstrator = clean.demonstrator(words, task.words.counts)
        return cls(mdp, words, demonstrator, clean.occupancy(demonstrator, config.gamma), config.gamma)

    def measure(self, policy: np.ndarray) -> Typist:
        return measure_typist(self.mdp, policy, self.words, self.expert, self.gamma)

    def divergence(self, policy: np.ndarray) -> float:
        """The skew KL from the clean demonstrations."""
        return DIVERGENCES["skew_kl"](self.mdp.occupancy(policy, self.gamma), self.expert)

    def logits_of(self, policy: Policy) -> Float[Tensor, "states actions"]:
        """ℓ at every text, of a network trained on this keyboard."""
        return policy.table(self.mdp, policy.task.split("test")[0].prompt)

    def policy_of(self, policy: Policy) -> Float[np.ndarray, "states actions"]:
        """softmax ℓ over legal actions."""
        legal = torch.tensor(self.mdp.legal)
        return torch.softmax(self.logits_of(policy).double().masked_fill(~legal, -math.inf), dim=1).numpy()

    def limit(self, alpha: float = 0.0) -> np.ndarray:
        """What maximum likelihood goes to: it is determined where a word begins so; elsewhere, by our choice, uniform
        over letters and `<eos>`."""
        return self.demonstrator

    def shown(self, alpha: float = 0.0) -> np.ndarray:
        """What cloning an expert goes to who takes every slip back at once."""
        policy = self.demonstrator.copy()
        off = np.zeros(self.mdp.num_states, dtype=bool)
        off[: self.mdp.num_texts] = self.expert[: self.mdp.num_texts].sum(axis=1) == 0
        policy[off] = np.eye(self.mdp.num_actions)[-1]
        return policy

    def optimum(self, alpha: float) -> np.ndarray:
        """That of the skew KL, to which SequenceMatch with the learner's keyboard goes.

        ValueError if the solver does not come to it.
        """
        solution = maximise_objective(self.mdp, self.expert, "skew_kl", self.gamma, alpha, tolerance=1e-6)
        if not solution.converged:
            raise ValueError(f"the exact optimum was not found with alpha {alpha} (gap {solution.gap:.3g})")
        return solution.policy


def typed_measures(policy: Policy) -> Typist:
    """The same from typing, on the keyboard on which a policy was trained; without occupancies."""
    task, config = policy.task, policy.config
    asked = [task.split("test")[0]] * TYPED  # they differ in their answers alone, and any word is right
    traces = generate_answers(policy, asked, Condition(1.0, config.backspace, config.noise), config.seed)
    real = np.mean([one.ended == "eos" and task.score(asked[0], one.text) for one in traces])
    off_data = off_data_occupancy(task, asked, traces, config.gamma).mean()
    return Typist(float(real), float(off_data), *backspace_shares(task, asked, traces, config.gamma), np.empty(0))


def limit_of_likelihood(task: Keyboard, noise: float) -> float:
    """P(real word) of the typist who presses the data's frequencies and no ⌫, on a keyboard that slips: exactly, by one
    sweep over the beginnings of words. A text that begins no word will never be one."""
    passed: dict[tuple[int, ...], float] = {}
    ends: dict[tuple[int, ...], float] = {}
    for word, count in zip(task.words.words, task.words.counts, strict=True):
        letters = tuple(task.vocabulary.encode(word))
        ends[letters] = ends.get(letters, 0.0) + float(count)
        for length in range(len(letters) + 1):
            passed[letters[:length]] = passed.get(letters[:length], 0.0) + float(count)
    mass: dict[tuple[int, ...], float] = {(): 1.0}
    real = 0.0
    for text in sorted(passed, key=len):
        here = mass.get(text, 0.0)
        stops = ends.get(text, 0.0) / passed[text]
        real += here * stops
        for letter in range(task.num_keys):
            child = (*text, letter)
            if child in passed:
                pressed = passed[child] / passed[text]
                other = noise / (task.num_keys - 1)
                typed = (1 - noise) * pressed + other * (1 - stops - pressed)
                mass[child] = mass.get(child, 0.0) + here * typed
    return real
