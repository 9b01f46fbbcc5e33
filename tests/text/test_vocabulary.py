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
        ("word\tcount\nthe\n", "line 2 is 'the'; a lower-case word, a tab and a count"),
        ("", "line 1 is ''; the header"),
        ("word\tcount\n\nthe\t3\n", "line 2 is ''; a lower-case word"),
        ("word\tcount\nthe\t3\t1\n", r"line 2 counts '3\\t1'"),
        ("word\tcount\nthe\t²\n", "line 2 counts '²'"),
        ("word\tcount\nthe\t٣\n", "line 2 counts '٣'"),
        ("word\tcount\nthe\t3.0\n", "line 2 counts '3.0'"),
        (f"word\tcount\nthe\t1{'0' * 15}\n", "line 2 counts '10+'; a positive whole number below 10\\^15"),
        (f"word\tcount\nthe\t1{'0' * 300_000}\n", r"line 2 counts '10+'… \(300,001 characters\)"),
        (f"word\tcount\n{'a' * 300_000}\n", r"line 2 is 'a+'… \(300,000 characters\)"),
        ("word\tcount\nthe\t3\nof\t2\nthe\t3\n", "line 4 repeats 'the' of line 2; once"),
        ("word\tcount\nelephant\t3\nthe\t3\nelephant\t9\n", "line 4 repeats 'elephant' of line 2; once"),
        ("word\tcount\nça\t3\n", "line 2 is 'ça"),
        ("word\tcount\n\ufeffthe\t3\n", r"line 2 is '\\ufeffthe"),
        ("word\tcount\nThe\t3\n", "line 2 .*a lower-case word"),
        ("word\tcount\nthe\t3\nof\t-1\n", "line 3 counts '-1'; a positive whole number"),
        ("word\tcount\nthe\t0\n", "line 2 counts '0'; a positive whole number"),
        ("word\tcount\nelephant\t3\n", "no word of at most 3 letters"),
    ],
)
def test_your_own_words_are_read_line_by_line(content, message, tmp_path):
    path = tmp_path / "mine.tsv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=message) as refused:
        load_words(3, path)
    assert str(refused.value).startswith("mine.tsv ") and len(str(refused.value)) < 200


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", ["\n", ""])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_byte_order_mark_and_the_ends_of_lines_are_no_part_of_the_words(end, last, mark, tmp_path):
    path = tmp_path / "mine.tsv"
    path.write_bytes((mark + "word\tcount\nthe\t3\nof\t002" + last).replace("\n", end).encode())
    words, counts = load_words(3, path)
    assert words == ("the", "of") and counts.tolist() == [3, 2]


def test_a_long_line_is_read(tmp_path):
    path = tmp_path / "mine.tsv"
    path.write_text(f"word\tcount\n{'a' * 300_000}\t3\nof\t2\n", encoding="utf-8")
    assert load_words(3, str(path)).words == ("of",)
    assert load_words(10**6, path).words == ("a" * 300_000, "of")


@pytest.mark.parametrize(
    ("encoding", "message"),
    [("latin-1", "line 3 has the byte 0xe9, which is no UTF-8"), ("utf-16", "line 1 has the byte 0xff")],
)
def test_a_file_in_another_encoding_is_named_with_the_line(encoding, message, tmp_path):
    path = tmp_path / "mine.tsv"
    path.write_text("word\tcount\nof\t3\ncafé\t2\n", encoding=encoding)
    with pytest.raises(ValueError, match="mine.tsv " + message):
        load_words(3, path)


@pytest.mark.parametrize(
    ("characters", "message"),
    [
        ("", "characters is empty"),
        ("abcb", "character 'b' comes 2 times"),
        ("ab⌫", "characters has '⌫', the sign of <backspace>"),
        ("⏎ab", "characters has '⏎', the sign of <eos>"),
    ],
)
def test_a_vocabulary_that_could_be_misread_is_refused(characters, message):
    with pytest.raises(ValueError, match=message):
        Vocabulary(characters)


def test_a_large_vocabulary_is_made_and_used_at_once():
    large = Vocabulary("".join(map(chr, range(0x10000, 0x40000))))
    text = large.characters[::-1]
    assert large.decode(large.encode(text)) == text
    with pytest.raises(ValueError, match=r"characters\) has 'a' at position 196608; known are the 196,608") as refused:
        large.encode(text + "a")
    assert len(str(refused.value)) < 1000


def test_what_is_no_id_is_named():
    for wrong in (-1, 26, 0.5, 1.0, float("nan"), None, "a"):
        with pytest.raises(ValueError, match=rf"id {wrong} at position 1 is no character; ids of text are 0..25"):
            LETTERS.decode(iter([0, wrong]))
    for wrong in (-1, 28, 0.5, None):
        with pytest.raises(ValueError, match=rf"action {wrong} at position 0 does not exist; actions are 0..27"):
            LETTERS.show(iter([wrong]))


def test_ids_that_can_be_read_only_once_are_shown():
    assert LETTERS.show(iter([0, 1, LETTERS.backspace])) == "ab⌫" and LETTERS.decode(iter([0, 1])) == "ab"


def test_your_own_words_are_used(tmp_path):
    path = tmp_path / "mine.tsv"
    path.write_text("word\tcount\nab\t3\nabcd\t1\n", encoding="utf-8")
    words, counts = load_words(3, path)
    assert words == ("ab",) and counts.tolist() == [3.0]
