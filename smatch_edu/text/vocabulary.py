"""Characters to ids and back, with `<eos>` and `<backspace>`; and the real words that the keyboard types.

Tokens are 0..K-1, `<eos>` = K, `<backspace>` = K+1, as everywhere in this package.

    >>> letters = Vocabulary()
    >>> letters.encode("the")
    (19, 7, 4)
    >>> letters.show([19, 7, 4, letters.eos])
    'the⏎'
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from torch import Tensor

from smatch_edu.support.arrays import as_ids
from smatch_edu.support.files import packaged

SYMBOL_OF_EOS = "⏎"
SYMBOL_OF_BACKSPACE = "⌫"

WORDS_SHA256 = "87ffe2fb560bd260e876a5cf834ede238f2794cb93b4e1ebc5d4fca0842d510d"


@dataclass(frozen=True)
class Vocabulary:
    """One token per character.

    Attributes:
        characters: all different; the position of a character is its id. Lower-case English letters if left out.

    Raises:
        ValueError: a character comes twice, or there is none.
    """

    characters: str = "abcdefghijklmnopqrstuvwxyz"

    def __post_init__(self) -> None:
        if not self.characters:
            raise ValueError("characters is empty; a vocabulary needs at least one")
        repeated = [c for c in self.characters if self.characters.count(c) > 1]
        if repeated:
            raise ValueError(f"character {repeated[0]!r} comes {self.characters.count(repeated[0])} times; wanted once")

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
        ids = []
        for position, character in enumerate(text):
            if character not in self.characters:
                raise ValueError(
                    f"{text!r} has {character!r} at position {position}; known are the {len(self)} characters "
                    f"{self.characters!r}"
                )
            ids.append(self.characters.index(character))
        return tuple(ids)

    def decode(self, ids: Iterable[int] | np.ndarray | Tensor) -> str:
        """The text of token ids. ValueError at `<eos>`, `<backspace>` or an id out of range: `show` prints those."""
        shown = as_ids("ids", ids).tolist()
        for position, token in enumerate(shown):
            if not 0 <= token < len(self):
                raise ValueError(
                    f"id {token} at position {position} is no character; ids of text are 0..{len(self) - 1}"
                )
        return "".join(self.characters[token] for token in shown)

    def show(self, actions: Iterable[int] | np.ndarray | Tensor) -> str:
        """Every action as one visible sign: `<eos>` as ⏎ and `<backspace>` as ⌫."""
        signs = self.characters + SYMBOL_OF_EOS + SYMBOL_OF_BACKSPACE
        shown = as_ids("actions", actions).tolist()
        for position, action in enumerate(shown):
            if not 0 <= action < len(signs):
                raise ValueError(
                    f"action {action} at position {position} does not exist; actions are 0..{len(signs) - 1}"
                )
        return "".join(signs[action] for action in shown)


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
            lower-case ASCII ones, and its checksum is not tested.

    Raises:
        ValueError: the package's own file was changed or cut short; a line that is not a word and a positive count;
            no word of that length.
        FileNotFoundError: no such file.
    """
    if max_length < 1:
        raise ValueError(f"max_length is {max_length}; words have at least 1 letter")
    source = packaged("words.tsv") if path is None else Path(path)
    content = source.read_bytes()
    if path is None:
        found = hashlib.sha256(content).hexdigest()
        if found != WORDS_SHA256:
            raise ValueError(
                f"{source.name} ({len(content):,} bytes) was changed or cut short: its sha256 is {found[:12]}…, "
                f"{WORDS_SHA256[:12]}… was wanted. Restore it, or make it again with data/make_words.py"
            )
    words, counts = [], []
    rows = csv.reader(content.decode("utf-8").splitlines(), delimiter="\t")
    for number, row in enumerate(rows, start=1):
        if number == 1:
            if row != ["word", "count"]:
                raise ValueError(f"{source.name} line 1 is {row}; the header word<TAB>count was wanted")
            continue
        if not (len(row) == 2 and row[0].isascii() and row[0].isalpha() and row[0].islower()):
            raise ValueError(f"{source.name} line {number} is {row}; a lower-case word and a count were wanted")
        if not (row[1].isdigit() and int(row[1]) > 0):
            raise ValueError(f"{source.name} line {number} counts {row[1]!r}; a positive whole number was wanted")
        if len(row[0]) <= max_length:
            words.append(row[0])
            counts.append(float(row[1]))
    if not words:
        raise ValueError(f"{source.name} has no word of at most {max_length} letters")
    return Words(tuple(words), np.array(counts))
