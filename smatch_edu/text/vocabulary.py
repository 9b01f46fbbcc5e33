"""Characters to ids and back, with `<eos>` and `<backspace>`; and the real words that the keyboard types.

Tokens are 0..K-1, `<eos>` = K, `<backspace>` = K+1, as everywhere in this package.

    >>> letters = Vocabulary()
    >>> letters.encode("the")
    (19, 7, 4)
    >>> letters.show([19, 7, 4, letters.eos])
    'the⏎'
"""

from __future__ import annotations

import functools
import hashlib
import operator
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from torch import Tensor

from smatch_edu.support.arrays import as_ids
from smatch_edu.support.errors import shortened
from smatch_edu.support.files import packaged, read_text

SYMBOL_OF_EOS = "⏎"
SYMBOL_OF_BACKSPACE = "⌫"

WORDS_SHA256 = "87ffe2fb560bd260e876a5cf834ede238f2794cb93b4e1ebc5d4fca0842d510d"

WORD = re.compile("[a-z]+")
COUNT = re.compile("0*[1-9][0-9]{,14}")  # float64 holds these exactly


@dataclass(frozen=True)
class Vocabulary:
    """One token per character.

    Attributes:
        characters: all different; the position of a character is its id. Lower-case English letters if left out.

    Raises:
        ValueError: a character comes twice, or there is none, or it is the sign of `<eos>` or `<backspace>`.
    """

    characters: str = "abcdefghijklmnopqrstuvwxyz"

    def __post_init__(self) -> None:
        if not self.characters:
            raise ValueError("characters is empty; a vocabulary needs at least one")
        if len(set(self.characters)) < len(self):
            character, times = Counter(self.characters).most_common(1)[0]
            raise ValueError(f"character {character!r} comes {times} times; wanted once")
        for sign, key in (SYMBOL_OF_EOS, "<eos>"), (SYMBOL_OF_BACKSPACE, "<backspace>"):
            if sign in self.characters:
                raise ValueError(f"characters has {sign!r}, the sign of {key}; what is shown would be ambiguous")

    def __len__(self) -> int:
        """K, without `<eos>` and `<backspace>`."""
        return len(self.characters)

    @property
    def eos(self) -> int:
        """The id of `<eos>`, K."""
        return len(self.characters)

    @property
    def backspace(self) -> int:
        """The id of `<backspace>`, K + 1."""
        return len(self.characters) + 1

    def encode(self, text: str) -> tuple[int, ...]:
        """The ids of a text. ValueError naming the first unknown character and its position."""
        for position, character in enumerate(text):
            if character not in self._id_of:
                raise ValueError(
                    f"{shortened(text)} has {character!r} at position {position}; known are the {len(self):,} "
                    f"characters {shortened(self.characters)}"
                )
        return tuple(self._id_of[character] for character in text)

    @functools.cached_property
    def _id_of(self) -> dict[str, int]:
        return {character: position for position, character in enumerate(self.characters)}

    def decode(self, ids: Iterable[int] | np.ndarray | Tensor) -> str:
        """The text of token ids. ValueError at `<eos>`, `<backspace>` or an id out of range: `show` prints those."""
        return _picked(self.characters, ids, "id {} at position {} is no character; ids of text are 0..{}")

    def show(self, actions: Iterable[int] | np.ndarray | Tensor) -> str:
        """Every action as one visible sign: `<eos>` as ⏎ and `<backspace>` as ⌫. ValueError at what is no action."""
        signs = self.characters + SYMBOL_OF_EOS + SYMBOL_OF_BACKSPACE
        return _picked(signs, actions, "action {} at position {} does not exist; actions are 0..{}")


def _picked(signs: str, places: Iterable[int] | np.ndarray | Tensor, refusal: str) -> str:
    """The signs at these places, one after the other. ValueError if one is no whole number, or beyond them."""
    if not isinstance(places, list | tuple | Iterator):
        places = as_ids("ids", places).tolist()  # an array or a tensor: of whole numbers alone
    found = []
    for position, place in enumerate(places):
        try:
            index = -1 if isinstance(place, bool) else operator.index(place)
        except TypeError:
            index = -1
        if not 0 <= index < len(signs):
            raise ValueError(refusal.format(place, position, len(signs) - 1))
        found.append(signs[index])
    return "".join(found)


class Words(NamedTuple):
    """Words and how often each occurs.

    Attributes:
        words: as text, most frequent first.
        counts: (words,), positive.
    """

    words: tuple[str, ...]
    counts: Float[np.ndarray, " words"]


def load_words(max_length: int = 3, path: str | Path | None = None) -> Words:
    """English words of at most `max_length` letters with their counts in Shakespeare's plays (data/README.md).

    Args:
        max_length: in letters, at least 1.
        path: another file of the same form: a header `word<TAB>count`, then one word a line; its words may be any
            lower-case ASCII ones, each once, and its checksum is not tested.

    Raises:
        ValueError: the package's own file was changed or cut short; a file that is not UTF-8; a line that is not a
            word and a positive count, or repeats a word; no word of that length.
        FileNotFoundError: no such file.
    """
    if max_length < 1:
        raise ValueError(f"max_length is {max_length}; words have at least 1 letter")
    source = packaged("words.tsv") if path is None else Path(path)
    if path is None:
        content = source.read_bytes()
        found = hashlib.sha256(content).hexdigest()
        if found != WORDS_SHA256:
            raise ValueError(
                f"{source.name} ({len(content):,} bytes) was changed or cut short: its sha256 is {found[:12]}…, "
                f"{WORDS_SHA256[:12]}… was wanted. Restore it, or make it again with data/make_words.py"
            )
    header, *lines = read_text(source).removesuffix("\n").split("\n")
    if header != "word\tcount":
        raise ValueError(f"{source.name} line 1 is {shortened(header)}; the header word<TAB>count was wanted")
    line_of: dict[str, int] = {}
    words, counts = [], []
    for number, line in enumerate(lines, start=2):
        word, _, count = line.partition("\t")
        if not WORD.fullmatch(word) or not count:
            raise ValueError(
                f"{source.name} line {number} is {shortened(line)}; a lower-case word, a tab and a count were wanted"
            )
        if not COUNT.fullmatch(count):
            raise ValueError(
                f"{source.name} line {number} counts {shortened(count)}; a positive whole number below 10^15 was wanted"
            )
        if (first := line_of.setdefault(word, number)) != number:
            raise ValueError(f"{source.name} line {number} repeats {shortened(word)} of line {first}; once was wanted")
        if len(word) <= max_length:
            words.append(word)
            counts.append(float(count))
    if not words:
        raise ValueError(f"{source.name} has no word of at most {max_length} letters")
    return Words(tuple(words), np.array(counts))
