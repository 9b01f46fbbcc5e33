"""Files are whole or not there, and what cannot be written is said before any work is done."""

import errno
import os
import shutil
import signal
import stat
import tempfile
import threading
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from smatch_edu.support import files
from smatch_edu.support.arrays import read_tensors
from smatch_edu.support.files import as_path, check_folder, check_writable, read_text, write_atomically

posix = pytest.mark.skipif(os.name != "posix", reason="modes, owners, pipes and devices are those of POSIX")


def left_over(folder):
    return sorted(path.name for path in folder.glob("*.tmp"))


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


def test_an_empty_name_is_not_the_current_folder():
    for call in (as_path, check_writable, check_folder, lambda path: write_atomically(path, "")):
        with pytest.raises(ValueError, match="name of a file or folder is empty"):
            call("")


# -- what can be written is known before -----------------------------------------------------------------------------


@pytest.fixture
def folder():
    """A folder of an ordinary user, as whom the test runs: for root no file is closed."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name).resolve()
        if os.name != "posix" or os.geteuid() != 0:
            yield path
            for inner in path.glob("inner"):
                inner.chmod(0o755)
            return
        groups = os.getgroups()
        os.chown(path, 65534, 65534)
        os.setgroups([])
        os.setegid(65534)
        os.seteuid(65534)
        try:
            yield path
        finally:
            os.seteuid(0)
            os.setegid(0)
            os.setgroups(groups)


def _file(folder, name="file", mode=0o644):
    path = folder / name
    path.write_text("before")
    path.chmod(mode)
    return path


def _inside(folder, mode, name="file"):
    """A file in a folder of its own with this mode."""
    (folder / "inner").mkdir()
    path = _file(folder / "inner", name)
    (folder / "inner").chmod(mode)
    return path


def _pipe(folder, mode):
    os.mkfifo(folder / "pipe")
    (folder / "pipe").chmod(mode)
    return folder / "pipe"


def _link(folder, to):
    (folder / "link").symlink_to(to)
    return folder / "link"


WRITABLE = {
    "a new file": lambda folder: folder / "new",
    "a file": _file,
    "a name as long as can be": lambda folder: folder / ("n" * 255),
    "a private file": lambda folder: _file(folder, mode=0o600),
    "a file that may only be written": lambda folder: _file(folder, mode=0o200),
    "a file in a folder where nothing can be made": lambda folder: _inside(folder, 0o555),
    "a link to a file": lambda folder: _link(folder, _file(folder)),
    "a link to a file in a folder where nothing can be made": lambda folder: _link(folder, _inside(folder, 0o555)),
    "a link to a link": lambda folder: _link(folder, _file(folder).rename(folder / "other")).rename(folder / "l"),
    "a link to a file that is not there yet": lambda folder: _link(folder, folder / "new"),
    "a relative link": lambda folder: _link(folder, "new"),
    "a device": lambda folder: Path("/dev/null"),
    "a link to a device": lambda folder: _link(folder, "/dev/null"),
}
CLOSED = {
    "a new file in a folder where nothing can be made": lambda folder: _inside(folder, 0o555).parent / "new",
    "a file in a folder that cannot be entered": lambda folder: _inside(folder, 0o600),
    "a file that may only be read": lambda folder: _file(folder, mode=0o444),
    "a link to a file that may only be read": lambda folder: _link(folder, _file(folder, mode=0o444)),
    "a folder": lambda folder: folder,
    "a link to a folder": lambda folder: _link(folder, folder),
    "a file in a folder that is not there": lambda folder: folder / "no" / "file",
    "a link into a folder that is not there": lambda folder: _link(folder, folder / "no" / "file"),
    "a link to itself": lambda folder: _link(folder, folder / "link"),
    "a file below a file": lambda folder: _file(folder) / "below",
    "a name that is too long": lambda folder: folder / ("n" * 256),
    "a pipe that may only be read": lambda folder: _pipe(folder, 0o444),
}


@posix
@pytest.mark.parametrize("kind", WRITABLE)
def test_what_the_check_accepts_is_written(folder, kind):
    path = WRITABLE[kind](folder)
    link = path.is_symlink() and path.readlink()
    mode = path.stat().st_mode if path.exists() else None
    check_writable(path)
    assert not left_over(folder)
    write_atomically(path, "after ⌫")
    assert (path.is_symlink() and path.readlink()) == link, "a link stays a link"
    assert mode in (None, path.stat().st_mode), "and a device a device, a private file private"
    if path.is_file():
        path.chmod(0o600)
        assert path.read_text("utf-8") == "after ⌫"
    assert not left_over(folder) and not left_over(path.parent)


@posix
@pytest.mark.parametrize("kind", CLOSED)
def test_what_the_check_refuses_is_not_written_either(folder, kind):
    path = CLOSED[kind](folder)
    before = {file: os.path.isfile(file) and file.read_bytes() for file in folder.rglob("*")}
    with pytest.raises(ValueError, match=r"cannot be written|there is no folder 'no'; make it first"):
        check_writable(path)
    with pytest.raises((ValueError, PermissionError), match=r"cannot be written|there is no folder 'no'|denied: .*new"):
        write_atomically(path, "after")
    assert before == {file: os.path.isfile(file) and file.read_bytes() for file in folder.rglob("*")}


@posix
def test_what_is_somebody_elses_stays_theirs(folder):
    path = _file(folder, mode=0o666)
    if os.getuid() != 0:
        pytest.skip("only root can make a file of somebody else's")
    os.seteuid(0)
    os.chown(path, 1, 1)
    os.seteuid(65534)
    check_writable(path)
    write_atomically(path, "after")
    assert path.read_text() == "after" and (path.stat().st_uid, path.stat().st_gid) == (1, 1)


@posix
@pytest.mark.parametrize("number", [errno.EBUSY, errno.EXDEV, errno.EPERM])
def test_a_file_that_cannot_be_replaced_is_written_in_place(tmp_path, monkeypatch, number):
    """A file that is mounted by itself, say, as containers do it."""
    path = _file(tmp_path)
    inode = path.stat().st_ino

    def busy(*arguments):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "replace", busy)
    check_writable(path)
    write_atomically(path, "it")
    assert path.read_text() == "it" and path.stat().st_ino == inode and not left_over(tmp_path)
    with pytest.raises(OSError, match=r"new"):
        write_atomically(tmp_path / "new", "it")
    assert list(tmp_path.iterdir()) == [path]


@posix
def test_a_link_onto_another_disk_is_followed(tmp_path):
    other = Path("/dev/shm")
    if not os.access(other, os.W_OK) or other.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second disk here")
    with tempfile.TemporaryDirectory(dir=other) as name:
        target = _file(Path(name))
        check_writable(_link(tmp_path, target))
        write_atomically(tmp_path / "link", "after")
        assert target.read_text() == "after" and (tmp_path / "link").is_symlink()
        assert os.listdir(name) == ["file"]


@posix
def test_a_pipe_gets_what_is_written(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    read = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_bytes()))
    check_writable(tmp_path / "pipe")
    reader.start()
    write_atomically(tmp_path / "pipe", "all\n" * 10**5)
    reader.join()
    assert read == [b"all\n" * 10**5] and stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="no such name here")
def test_a_page_goes_to_stdout_among_what_is_printed(capfd):
    print("before")
    check_writable("/dev/stdout", mark="page")
    write_atomically("/dev/stdout", "the page\n")
    print("after")
    assert capfd.readouterr().out == "before\nthe page\nafter\n"  # a file, here
    reading, writing = os.pipe()
    saved = os.dup(1)
    os.dup2(writing, 1)
    try:
        check_writable("/dev/stdout")
        write_atomically("/dev/stdout", "the page\n")
    finally:
        os.dup2(saved, 1)
        os.close(saved)
        os.close(writing)
    with open(reading, "rb") as pipe:
        assert pipe.read() == b"the page\n"


def test_a_file_of_somebody_else_is_known_by_what_is_not_in_it(tmp_path):
    path = tmp_path / "page.html"
    check_writable(path, mark="<ours>")
    path.touch()
    check_writable(path, mark="<ours>")
    path.write_bytes(b"my thesis \xff")
    with pytest.raises(ValueError, match=r"page\.html was not written by smatch; move it away"):
        check_writable(path, mark="<ours>")
    write_atomically(path, "something <ours>")
    check_writable(path, mark="<ours>")


# -- modes ---------------------------------------------------------------------------------------------------------


@posix
@pytest.mark.parametrize("umask", [0o077, 0o027, 0o002])
def test_a_new_file_has_the_mode_that_the_umask_gives_it_and_an_old_one_its_own(tmp_path, umask, monkeypatch):
    seen, real = [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: (seen.append(stat.S_IMODE(os.fstat(file).st_mode)), real(file)))
    before = os.umask(umask)
    try:
        write_atomically(tmp_path / "new", "x")
        for mode in (0o600, 0o664, 0o755):
            write_atomically(_file(tmp_path, str(mode), mode), "x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o666 & ~umask
    assert [stat.S_IMODE((tmp_path / str(mode)).stat().st_mode) for mode in (0o600, 0o664, 0o755)] == seen[1:]
    assert seen[1:] == [0o600, 0o664, 0o755]  # while it is written, too


# -- what a killed run leaves ----------------------------------------------------------------------------------------


@posix
def test_what_a_killed_write_leaves_is_removed_by_the_next_one(tmp_path, monkeypatch):
    path = _file(tmp_path)
    others = [_file(tmp_path, name) for name in ("smatch-notes.tmp", "tmpab12cd34.tmp", "smatch.tmp")]
    child = os.fork()
    if child == 0:
        os.fsync = lambda file: os.kill(os.getpid(), signal.SIGKILL)
        write_atomically(path, "after" * 10**5)
        os._exit(1)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    (half,) = set(tmp_path.iterdir()) - {path, *others}
    assert half.match(files.HALF_WRITTEN) and half.stat().st_size == 5 * 10**5 and path.read_text() == "before"
    write_atomically(tmp_path / "another", "x")
    assert set(tmp_path.iterdir()) == {path, *others, tmp_path / "another"}


@posix
def test_many_may_write_at_once_and_none_clears_up_what_another_is_writing(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda file: None)
    failed, contents = [], [str(number) * 1000 for number in range(4)]

    def write(content):
        try:
            for _ in range(100):
                write_atomically(tmp_path / "file", content)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=write, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert not (tmp_path / "file").exists() or (tmp_path / "file").read_text() in contents
    assert not failed and list(tmp_path.iterdir()) == [tmp_path / "file"]


# -- full disks ------------------------------------------------------------------------------------------------------


@pytest.fixture
def room():
    """Sets how many bytes a file can have; more is refused in the middle of writing, as by a full disk."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_named_and_costs_nothing_that_was_there(tmp_path, room):
    path = _file(tmp_path)
    room(10_000)
    with pytest.raises(OSError, match=r"\[Errno \d+\] .*: '.*file'"):
        write_atomically(path, "after" * 10_000)
    assert path.read_text() == "before" and list(tmp_path.iterdir()) == [path]
    if Path("/dev/full").exists():
        with pytest.raises(OSError, match="No space left on device: '/dev/full'"):
            write_atomically("/dev/full", "x")


def test_a_folder_is_made_and_one_that_cannot_be_used_is_named(tmp_path, room):
    check_folder(tmp_path / "new")
    check_folder(tmp_path / "new")
    assert (tmp_path / "new").is_dir() and not any((tmp_path / "new").iterdir())
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="is a file; a folder was wanted"):
        check_folder(tmp_path / "file")
    with pytest.raises(ValueError, match="there is no folder 'no'"):
        check_folder(tmp_path / "no" / "where")
    with pytest.raises(ValueError, match=r"MB free and .* are needed"):
        check_folder(tmp_path / "new", room=2 * shutil.disk_usage(tmp_path).total)
    room(1000)
    with pytest.raises(ValueError, match=rf"cannot be written \({os.strerror(errno.EFBIG)}\)"):
        check_folder(tmp_path / "new")
    assert not any((tmp_path / "new").iterdir())


@posix
def test_a_folder_in_which_nothing_can_be_made_is_named(folder):
    path = _inside(folder, 0o555).parent
    with pytest.raises(ValueError, match=r"inner: cannot be written \(Permission denied\)"):
        check_folder(path)
    with pytest.raises(ValueError, match=r"new: cannot be written \(Permission denied\)"):
        check_folder(path / "new")


# -- reading ---------------------------------------------------------------------------------------------------------


def test_tensors_are_copies_and_the_file_is_let_go(tmp_path):
    path, wanted = tmp_path / "tensors.safetensors", {"a": torch.arange(1000.0), "b": torch.ones(3, 4).half()}
    save_file(wanted, path, metadata={"of": "ours"})
    found, about = read_tensors(path)
    if Path("/proc/self/maps").exists():
        assert path.name not in Path("/proc/self/maps").read_text()
    path.write_bytes(bytes(path.stat().st_size // 2))  # changed, and cut short
    assert about == {"of": "ours"} and found.keys() == wanted.keys()
    assert all(torch.equal(part, wanted[name]) for name, part in found.items())
