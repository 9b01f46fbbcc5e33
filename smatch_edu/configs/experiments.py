"""What `smatch experiment` can be told: settings of training to vary, divergences to hold against the exact optimum."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

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
        values: dict[str, list[Any]] = {}
        for one in self.vary:
            name, equals, given = one.partition("=")
            if not equals:
                raise ValueError(f"vary has {one!r}; a setting and its values were wanted, such as seed=0,1,2")
            values.setdefault(name, []).extend(_value(name, value) for value in given.split(","))
        each = itertools.product(*(dict.fromkeys(some) for some in values.values()))
        return [replace(self.base, **dict(zip(values, row, strict=True))) for row in each]


def _value(name: str, text: str) -> Any:
    """A field of TrainingConfig from text."""
    kinds = get_type_hints(TrainingConfig)
    if name not in kinds:
        raise nearest(name, kinds, "setting of training")
    if text == "None" and kinds[name] == (float | None):
        return None
    if kinds[name] is bool and text in ("True", "False"):
        return text == "True"
    kind = float if kinds[name] == (float | None) else kinds[name]
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
