"""What a model learns to write: prompts, their right answers, and the mistakes that one makes there.

    >>> task = get_task("arithmetic", family="addition")
    >>> example = task.split("train")[0]
    >>> task.show(example.prompt), task.show(example.answer)
    ('491+893=', '1384')

A demonstration is an example typed with slips: `augment(*example, noise, vocabulary.backspace, vocabulary.eos,
mistakes=task.mistakes(example), seed=...)`.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from jaxtyping import Float

from smatch_edu.exact.divergences import nearest
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
    @abstractmethod
    def max_length(self) -> int:
        """No prompt with its answer is longer, in tokens and without `<eos>`."""

    @abstractmethod
    def split(self, name: str) -> list[Example]:
        """A fixed list of examples. ValueError (with the nearest name) if there is no such split."""

    @abstractmethod
    def fresh(self, rng: np.random.Generator, count: int) -> list[Example]:
        """New examples to learn from, as many as one likes."""

    @abstractmethod
    def mistakes(self, example: Example) -> Float[np.ndarray, "time vocab"]:
        """How likely each token is typed by mistake at each place of the answer, as weights ≥ 0: (answer, K).

        The right token has weight 0; so has a whole row if nothing plausible can go wrong there.
        """

    def score(self, example: Example, text: Sequence[int]) -> bool:
        """Whether `text`, what survives after the prompt and without `<eos>`, is right."""
        return tuple(text) == example.answer

    def begins(self, example: Example, text: Sequence[int]) -> bool:
        """Whether a right answer begins with `text`."""
        return tuple(text) == example.answer[: len(text)]

    def show(self, actions: Sequence[int]) -> str:
        """Ids as text, with signs for `<eos>` and `<backspace>`."""
        return self.vocabulary.show(actions)


def get_task(name: str, **options: Any) -> Task:
    """The task of that name: "arithmetic" or "keyboard".

    Args:
        options: the fields of `Arithmetic` or `Keyboard`.

    Raises:
        ValueError: an unknown name or option (with the nearest known one), or an option out of range.
    """
    from smatch_edu.tasks.arithmetic import Arithmetic  # here, since they are made of the classes above
    from smatch_edu.tasks.keyboard import Keyboard

    known: dict[str, type[Arithmetic | Keyboard]] = {"arithmetic": Arithmetic, "keyboard": Keyboard}
    if name not in known:
        raise nearest(name, known, "task")
    fields = [field.name for field in dataclasses.fields(known[name])]
    for option in options:
        if option not in fields:
            raise nearest(option, fields, f"option of the task {name!r}")
    return known[name](**options)
