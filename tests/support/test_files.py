"""Files are whole or not there, and what cannot be written is said before any work is done."""

import os
from pathlib import Path

import pytest

from smatch_edu.support.files import check_folder, check_writable, read_text, write_atomically


@pytest.mark.parametrize("content", ["one ⌫\n", b"\x00\xff"])
def test_a_file_is_replaced_whole_and_nothing_else_is_left(tmp_path, content):
    path = tmp_path / "file"
    path.write_text("before")
    write_atomically(path, content)
    assert path.read_bytes() == (content if isinstance(content, bytes) else content.encode())
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", [b"", b"a\r\n\xe2\x8c\xab\rb\n", b"\xef\xbb\xbfa\n\xef\xbb\xbf"])
def test_a_text_is_read_whatever_wrote_it(content, tmp_path):
    (tmp_path / "file").write_bytes(content)
    wanted = content.decode().removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    assert read_text(tmp_path / "file") == wanted


@pytest.mark.parametrize(("content", "line"), [(b"\xff", 1), (b"a\r\nb\r\xc3(", 3), (b"\xef\xbb\xbfa\n\xe9t\xe9", 2)])
def test_a_text_that_is_not_utf8_is_named_with_the_line(content, line, tmp_path):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(ValueError, match=f"^file line {line} has the byte 0x.., which is no UTF-8"):
        read_text(tmp_path / "file")


def test_what_is_interrupted_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_text("before")

    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, "after")
    assert path.read_text() == "before" and list(tmp_path.iterdir()) == [path]


def test_a_folder_is_made_and_one_that_cannot_be_used_is_named(tmp_path, monkeypatch):
    check_folder(tmp_path / "new")
    check_folder(tmp_path / "new")
    assert (tmp_path / "new").is_dir() and not any((tmp_path / "new").iterdir())
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="is a file; a folder was wanted"):
        check_folder(tmp_path / "file")
    with pytest.raises(ValueError, match="there is no folder 'no'"):
        check_folder(tmp_path / "no" / "where")
    with pytest.raises(ValueError, match="there is no folder 'no'"):
        check_writable(tmp_path / "no" / "file")

    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", full)
    with pytest.raises(ValueError, match=r"cannot be written \(No space left on device\)"):
        check_folder(Path(tmp_path / "new"))
