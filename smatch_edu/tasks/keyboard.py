"""Real words on a keyboard, one after a space. A finger slips to a neighbouring key."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from smatch_edu.support.errors import nearest
from smatch_edu.tasks.task import Example, Task
from smatch_edu.text.vocabulary import Vocabulary, Words, load_words

# The rows of a QWERTY keyboard, and how far each is shifted to the right, in widths of a key.
ROWS = (("qwertyuiop", 0.0), ("asdfghjkl", 0.25), ("zxcvbnm", 0.75))
PLACES = {key: (row, shift + number) for row, (keys, shift) in enumerate(ROWS) for number, key in enumerate(keys)}
SIZES = {"train": 5000, "validation": 500, "test": 200, "held_out": 2000}


@dataclass(frozen=True)
class Keyboard(Task):
    """Words of Shakespeare's plays (data/README.md), each as often as he uses it.

    The prompt is a space, the last token of the vocabulary; the letters come before it. A split is drawn with the
    words' own frequencies and a fixed seed, so that a word stands in many splits: what is learned is a distribution,
    and any word is a right answer.

    Attributes:
        longest_word: in letters, at least 1.
        letters: words that need others are left out.

    Raises:
        ValueError: no word is that short, or can be typed with these letters; a character that is not a lower-case
            English letter.
    """

    name = "keyboard"
    splits = tuple(SIZES)

    longest_word: int = 5
    letters: str = "abcdefghijklmnopqrstuvwxyz"

    def __post_init__(self) -> None:
        for letter in self.letters:
            if letter not in PLACES:
                raise ValueError(f"letters has {letter!r}; the keys are the 26 lower-case English letters")
        _ = self.vocabulary, self.words  # raise now rather than later

    @property
    def vocabulary(self) -> Vocabulary:
        return Vocabulary(self.letters + " ")

    @property
    def num_keys(self) -> int:
        return len(self.letters)

    @property
    def max_length(self) -> int:
        return 1 + max(map(len, self.words.words))

    @property
    def words(self) -> Words:
        """The words with their counts, most frequent first."""
        return _words(self.longest_word, self.letters)

    def split(self, name: str) -> list[Example]:
        if name not in self.splits:
            raise nearest(name, SIZES, "split of the task 'keyboard'")
        return self.fresh(np.random.default_rng(list(SIZES).index(name)), SIZES[name])

    def fresh(self, rng: np.random.Generator, count: int) -> list[Example]:
        if count < 0:
            raise ValueError(f"count is {count}; at least 0 was wanted")
        counts, examples = self.words.counts, _examples(self.longest_word, self.letters)
        return [examples[number] for number in rng.choice(len(examples), size=count, p=counts / counts.sum())]

    def mistakes(self, example: Example) -> Float[np.ndarray, "time vocab"]:
        """The keys that touch the right one, all equally likely."""
        weights = np.zeros((len(example.answer), len(self.vocabulary)))
        for place, right in enumerate(self.vocabulary.decode(example.answer)):
            for key in neighbours(right):
                if key in self.letters:
                    weights[place, self.letters.index(key)] = 1
        return weights

    def score(self, example: Example, text: Sequence[int]) -> bool:
        """Whether `text` is a word: after a space any is right."""
        return self.vocabulary.show(text) in self.words.words

    def begins(self, example: Example, text: Sequence[int]) -> bool:
        """Whether a word begins with `text`."""
        return tuple(text) in _beginnings(self.longest_word, self.letters)


def neighbours(letter: str) -> str:
    """The letters whose keys touch that of `letter`: beside it, or in the next row and less than a width aside.

    ValueError if it is none of the 26 lower-case English letters.
    """
    if letter not in PLACES:
        raise ValueError(f"{letter!r} is no key; the keys are the 26 lower-case English letters")
    height, along = PLACES[letter]
    return "".join(
        key
        for key, (row, there) in PLACES.items()
        if (row == height and abs(there - along) == 1) or (abs(row - height) == 1 and abs(there - along) < 1)
    )


@functools.cache
def _words(longest: int, letters: str) -> Words:
    words, counts = load_words(longest)
    kept = [number for number, word in enumerate(words) if set(word) <= set(letters)]
    if not kept:
        raise ValueError(f"no word of up to {longest} letters can be typed with {letters!r}")
    return Words(tuple(words[number] for number in kept), counts[kept])


@functools.cache
def _examples(longest: int, letters: str) -> tuple[Example, ...]:
    keys = Keyboard(longest, letters).vocabulary
    return tuple(Example(keys.encode(" "), keys.encode(word)) for word in _words(longest, letters).words)


@functools.cache
def _beginnings(longest: int, letters: str) -> frozenset[tuple[int, ...]]:
    answers = [one.answer for one in _examples(longest, letters)]
    return frozenset(answer[:length] for answer in answers for length in range(len(answer) + 1))
