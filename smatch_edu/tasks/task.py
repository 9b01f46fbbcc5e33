"""What every task can do: give examples to learn from, name the mistakes that one makes there, and score answers.

A demonstration is an example typed with slips: `augment(*example, noise, vocabulary.backspace, vocabulary.eos,
mistakes=task.mistakes(example), seed=...)`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import ClassVar, NamedTuple

import numpy as np
from jaxtyping import Float

from smatch_edu.text.vocabulary import Vocabulary


class Example(NamedTuple):
    """A prompt, at least one token, and the right answer without `<eos>`; both as ids."""

    prompt: tuple[int, ...]
    answer: tuple[int, ...]


class Task(ABC):
    """Examples to learn from and to be measured on. Tokens are 0..K-1, `<eos>` is K and `<backspace>` K+1.

    Attributes:
        name: as `get_task` knows it.
        splits: the names that `split` takes.
    """

    name: ClassVar[str]
    splits: ClassVar[tuple[str, ...]]

    @property
    @abstractmethod
    def vocabulary(self) -> Vocabulary:
        """Of prompts and answers."""

    @property
    def num_keys(self) -> int:
        """Tokens 0..num_keys-1 can be typed; the others stand in prompts alone."""
        return len(self.vocabulary)

    @property
    @abstractmethod
    def max_length(self) -> int:
        """No prompt with its answer is longer, in tokens and without `<eos>`."""

    @abstractmethod
    def split(self, name: str) -> list[Example]:
        """A fixed list of examples. ValueError (with the nearest name) if there is no such split."""

    @abstractmethod
    def fresh(self, rng: np.random.Generator, count: int) -> list[Example]:
        """New examples to learn from, as many as one likes. ValueError for a negative number of them."""

    @abstractmethod
    def mistakes(self, example: Example) -> Float[np.ndarray, "time vocab"]:
        """How likely each token is typed by mistake at each place of the answer, as weights ≥ 0: (answer, K).

        The right token has weight 0; so has a whole row if nothing plausible can go wrong there.
        """

    def score(self, example: Example, text: Sequence[int]) -> bool:
        """Whether `text`, what survives after the prompt and without `<eos>`, is right."""
        return tuple(text) == example.answer

    def valid(self, example: Example, text: Sequence[int]) -> bool:
        """Whether `text` is of the language, right or not; where that is not known, whether it is right."""
        return self.score(example, text)

    def begins(self, example: Example, text: Sequence[int]) -> bool:
        """Whether a right answer begins with `text`."""
        return tuple(text) == example.answer[: len(text)]

    def show(self, actions: Iterable[int]) -> str:
        """Ids as text, with signs for `<eos>` and `<backspace>`."""
        return self.vocabulary.show(actions)
