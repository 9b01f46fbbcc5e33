"""Files are whole or not there, and what cannot be written is said before any work is done."""

import os
from pathlib import Path

import pytest

from smatch_edu.support.files import check_folder, check_writable, write_atomically


@pytest.mark.parametrize("content", ["one ⌫\n", b"\x00\xff"])
def test_a_file_is_replaced_whole_and_nothing_else_is_left(tmp_path, content):
    path = tmp_path / "file"
    path.write_text("before")
    write_atomically(path, content)
    assert path.read_bytes() == (content if isinstance(content, bytes) else content.encode())
    assert list(tmp_path.iterdir()) == [path]


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
