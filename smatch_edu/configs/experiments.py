"""What `smatch experiment` can be told: settings of training to vary, divergences to hold against the exact optimum,
typists on keyboards that slip."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from smatch_edu.configs.training import TrainingConfig
from smatch_edu.support.errors import nearest

if TYPE_CHECKING:
    from smatch_edu.exact.mdp import StringMDP

NEXT_VALUES = ("expectation", "sample")


@dataclass(frozen=True)
class SweepConfig:
    """Train with every combination of some settings, and see how well each answers.

    Attributes:
        out: the table; a run that is in it is not run again.
        vary: settings of training and their values, as name=value,value; all combinations are run. A name that comes
            twice has the values of both.
        base: the other settings.
        split: the questions to answer. Settings are chosen on validation.
        workers: runs at a time, each on one thread.
    """

    out: Path
    vary: tuple[str, ...] = ()
    base: TrainingConfig = field(default_factory=TrainingConfig)
    split: str = "validation"
    workers: int = 1

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise ValueError(f"workers is {self.workers}; it must be at least 1")
        self.runs()

    def runs(self) -> list[TrainingConfig]:
        """All combinations, each once. ValueError for an unknown name, or a value that the field does not take."""
        return [replace(self.base, **given) for given in combinations(self.vary)]


def combinations(vary: tuple[str, ...], of: type = TrainingConfig) -> list[dict[str, Any]]:
    """All combinations of settings, fields of `of`, that are written name=value,value; each once.

    Raises:
        ValueError: an unknown name, or a value that the field does not take.
    """
    values: dict[str, list[Any]] = {}
    for one in vary:
        name, equals, given = one.partition("=")
        if not equals:
            raise ValueError(f"vary has {one!r}; a setting and its values were wanted, such as seed=0,1,2")
        values.setdefault(name, []).extend(_value(of, name, value) for value in given.split(","))
    each = itertools.product(*(dict.fromkeys(some) for some in values.values()))
    return [dict(zip(values, row, strict=True)) for row in each]


def _value(of: type, name: str, text: str) -> Any:
    """A field from text."""
    kinds = get_type_hints(of)
    if name not in kinds:
        raise nearest(name, kinds, "setting of training")
    may_be_none = type(None) in get_args(kinds[name])
    if text == "None" and may_be_none:
        return None
    if kinds[name] is bool and text in ("True", "False"):
        return text == "True"
    kind = get_args(kinds[name])[0] if may_be_none else kinds[name]
    try:
        if kind is bool:
            raise ValueError
        return kind(text)
    except ValueError:
        raise ValueError(f"{name} cannot be {text!r}; {kind.__name__} was wanted") from None


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
        learning_rate: the highest.
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
    divergences: tuple[str, ...] = ()
    next_values: tuple[str, ...] = NEXT_VALUES
    num_steps: int = 4000
    learning_rate: float = 5e-3
    width: int = 64
    seeds: int = 1
    gamma: float = 0.9
    alpha: float = 0.1
    uniform: float = 0.1

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise ValueError(f"seeds is {self.seeds}; it must be at least 1")
        for name in self.next_values:
            if name not in NEXT_VALUES:
                raise nearest(name, NEXT_VALUES, "next value")

    def keyboard(self) -> tuple[StringMDP, list[list[int]], list[float]]:
        """The keyboard, its words as ids, and how often each is wanted."""
        from smatch_edu.exact.mdp import StringMDP
        from smatch_edu.text.vocabulary import load_words

        words, counts = load_words(self.max_length)
        kept = [(word, float(n)) for word, n in zip(words, counts, strict=True) if set(word) <= set(self.letters)]
        if not kept:
            raise ValueError(f"no word of up to {self.max_length} letters can be typed with {self.letters!r}")
        texts = [[self.letters.index(letter) for letter in word] for word, _ in kept]
        return StringMDP(len(self.letters), self.max_length, noise=self.noise), texts, [n for _, n in kept]


KEYBOARDS = {"8x3": ("aehnorst", 3), "26x3": ("", 3), "26x6": ("", 6)}  # letters (all, if none are named), longest word
EXACT = "exact"  # instead of a seed
PLAIN = "–"  # settings: the arm's own
COMMON: dict[str, Any] = {
    "task": "keyboard",
    "fresh": True,
    "gamma": 0.9,
    "steps": 1000,
    "schedule": "cosine",
    "batch_tokens": 160,
    "num_layers": 2,
    "width": 64,
    "max_actions": 32,
}
SEQUENCEMATCH: dict[str, Any] = {
    "method": "sequencematch",
    "demonstration_noise": 0.0,
    "warmup_steps": 0,
    "beta_steps": 1,
}
# What differs between the arms: who types the demonstrations, and what was best of at most eight choices on validation
# (data/results/README.md). They are clean, but for "shown": there the expert's keyboard slips as the learner's does,
# and she takes every slip back.
ARMS: dict[str, dict[str, Any]] = {
    "mle": {"method": "mle", "learning_rate": 8e-3},
    "reached": {**SEQUENCEMATCH, "next_value": "reached", "learning_rate": 8e-3, "alpha": 0.1, "beta_end": 0.2},
    "learner": {**SEQUENCEMATCH, "branches": 1, "learning_rate": 4e-3, "alpha": 0.3, "beta_end": 0.05},
    "shown": {"method": "bc", "learning_rate": 4e-3},
}
TERMINALS = {"mle": ("one",), "reached": ("one",), "learner": ("one", "each"), "shown": ("one",)}


@dataclass(frozen=True)
class KeyboardConfig:
    """Networks that type real words on a keyboard that slips.

    Attributes:
        out: the table; a run that is in it is not run again.
        keyboards: which: 8x3 (eight letters, words of up to three), 26x3, 26x6.
        noise: η, how often the learner's keyboard slips.
        arms: how they are trained: mle (maximum likelihood), reached (SequenceMatch with V of the text that was
            reached), learner (SequenceMatch with the learner's keyboard, with one terminal state and with one for each
            text), shown (cloning demonstrations that slip and show the key).
        backspace: with the key, without it, or both.
        seeds: runs of each kind, of initial weights and samples.
        first_seed: the first of them.
        vary: settings of training that are others than the arm's, and their values, as name=value,value; all
            combinations are run.
        exact: add the exact limit of maximum likelihood and the exact optimum of the skew KL.
        workers: runs at a time, each on one thread.
    """

    out: Path = Path("data/results/keyboard.tsv")
    keyboards: tuple[str, ...] = tuple(KEYBOARDS)
    noise: tuple[float, ...] = (0.1, 0.05, 0.2)
    arms: tuple[str, ...] = tuple(ARMS)
    backspace: tuple[bool, ...] = (True, False)
    seeds: int = 5
    first_seed: int = 0
    vary: tuple[str, ...] = ()
    exact: bool = True
    workers: int = 1

    def __post_init__(self) -> None:
        for name, known in (("keyboards", KEYBOARDS), ("arms", ARMS)):
            for given in getattr(self, name):
                if given not in known:
                    raise nearest(given, known, name[:-1])
        for name, least in (("seeds", 1), ("workers", 1), ("first_seed", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least {least}")
        self.runs()

    def runs(self) -> dict[tuple[str, ...], TrainingConfig]:
        """(keyboard, noise, arm, backspace, terminal, seed, settings) as text → how it is trained; the noise named
        first and the first seeds come first. ValueError for a setting that an arm does not take."""
        found: dict[tuple[str, ...], TrainingConfig] = {}
        seeds = range(self.first_seed, self.first_seed + self.seeds)
        each = itertools.product(self.noise, seeds, self.keyboards, self.arms, self.backspace, combinations(self.vary))
        for noise, seed, keyboard, arm, backspace, given in each:
            if arm == "shown" and not backspace:
                continue  # nobody could show it
            for terminal in TERMINALS[arm]:
                config = arm_config(keyboard, arm, noise, backspace, terminal, seed, given)
                settings = " ".join(f"{name}={value}" for name, value in given.items()) or PLAIN
                key = (keyboard, f"{noise:g}", arm, "yes" if backspace else "no", terminal, str(seed), settings)
                found[key] = config
        return found


def arm_config(
    keyboard: str,
    arm: str,
    noise: float,
    backspace: bool = True,
    terminal: str = "one",
    seed: int = 0,
    given: dict[str, Any] | None = None,
) -> TrainingConfig:
    """How an arm of the experiment is trained.

    Args:
        given: settings that are others than the arm's.
    """
    letters, longest = KEYBOARDS[keyboard]
    who = {"letters": letters, "longest_word": longest, "noise": noise, "backspace": backspace, "seed": seed}
    return TrainingConfig(**{**COMMON, **ARMS[arm], **who, "terminal": terminal, **(given or {})})
