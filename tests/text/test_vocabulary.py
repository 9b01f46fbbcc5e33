"""Characters to ids and back, and the file of words."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smatch_edu.support import files
from smatch_edu.text import vocabulary
from smatch_edu.text.vocabulary import Vocabulary, load_words

LETTERS = Vocabulary()


@given(st.text(LETTERS.characters))
def test_decoding_undoes_encoding(text):
    ids = LETTERS.encode(text)
    assert LETTERS.decode(ids) == text
    assert all(0 <= token < len(LETTERS) for token in ids)


def test_eos_and_backspace_follow_the_tokens_and_are_shown_as_signs():
    vocabulary = Vocabulary("ab")
    assert (len(vocabulary), vocabulary.eos, vocabulary.backspace) == (2, 2, 3)
    assert vocabulary.show([0, 1, vocabulary.backspace, vocabulary.eos]) == "ab⌫⏎"


def test_the_words_are_real_frequent_first_and_counted():
    words, counts = load_words(3)
    assert len(words) == len(set(words)) == len(counts) == 309
    assert words[0] == "the" and {"i", "thy", "cat"} <= set(words)
    assert max(map(len, words)) == 3
    assert (np.diff(counts) <= 0).all() and counts.sum() == 349_289


def test_a_longer_limit_only_adds_words():
    short, long = load_words(3), load_words(5)
    assert set(short.words) < set(long.words)
    assert [word for word in long.words if len(word) <= 3] == list(short.words)


@pytest.mark.parametrize("damage", ["truncated", "changed", "emptied"])
def test_a_damaged_words_file_is_refused(damage, tmp_path, monkeypatch):
    content = files.packaged("words.tsv").read_bytes()
    damaged = {"truncated": content[:-1], "changed": content.replace(b"the\t", b"teh\t", 1), "emptied": b""}[damage]
    copy = tmp_path / "words.tsv"
    copy.write_bytes(damaged)
    monkeypatch.setattr(vocabulary, "packaged", lambda *parts: copy)
    with pytest.raises(ValueError, match=r"words.tsv .* was changed or cut short.*data/make_words.py"):
        load_words()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("the\t3\n", "line 1 .*header"),
        ("word\tcount\nthe\n", "line 2 .*a lower-case word and a count"),
        ("word\tcount\nThe\t3\n", "line 2 .*a lower-case word"),
        ("word\tcount\nthe\t3\nof\t-1\n", "line 3 counts '-1'; a positive whole number"),
        ("word\tcount\nthe\t0\n", "line 2 counts '0'; a positive whole number"),
        ("word\tcount\nelephant\t3\n", "no word of at most 3 letters"),
    ],
)
def test_your_own_words_are_read_line_by_line(content, message, tmp_path):
    path = tmp_path / "mine.tsv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        load_words(3, path)


def test_your_own_words_are_used(tmp_path):
    path = tmp_path / "mine.tsv"
    path.write_text("word\tcount\nab\t3\nabcd\t1\n", encoding="utf-8")
    words, counts = load_words(3, path)
    assert words == ("ab",) and counts.tolist() == [3.0]
