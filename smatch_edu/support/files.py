"""Files that are written whole or not at all, and of which nothing stays open once they are read."""

from __future__ import annotations

import codecs
import contextlib
import errno
import os
import secrets
import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

if sys.platform != "win32":
    import fcntl

HALF_WRITTEN = f"smatch-{'[0-9a-f]' * 16}.tmp"  # on its way; a write that was killed leaves it, the next removes it
NOT_REPLACED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY, errno.EXDEV}  # what stands there can be written


def as_path(path: str | Path) -> Path:
    """A path from text. ValueError for an empty one, which would mean the current folder."""
    if path == "":
        raise ValueError("the name of a file or folder is empty; '.' is the current folder")
    return Path(path)


def check_writable(path: str | Path, mark: str = "") -> None:
    """Raise a ValueError unless `write_atomically` can write there.

    Args:
        mark: what stands in every file of this kind that we write; one without it is somebody else's, and refused.
    """
    path = as_path(path)
    found = _found(path)
    try:
        if found is None:
            with _beside(_folder(path)):
                return
        ours = not (mark and found.st_size and _replaceable(found)) or mark.encode() in path.read_bytes()
    except OSError as error:
        raise _refusal(path, error) from None
    if not ours:
        raise ValueError(f"{path} was not written by smatch; move it away, or choose another place with --out")


def check_folder(path: str | Path, room: int = 0) -> None:
    """Make a folder for results, unless it is there.

    Args:
        room: bytes that will be written into it.

    Raises:
        ValueError: nothing can be written into it, or not so much.
    """
    path = as_path(path)
    if not _folder(path).is_dir():
        raise ValueError(f"{path}: there is no folder {_folder(path).name!r}; make it first")
    if path.exists() and not path.is_dir():
        raise ValueError(f"{path} is a file; a folder was wanted, choose another place with --out")
    try:
        path.mkdir(exist_ok=True)
        with _beside(path) as file:
            file.write(bytes(1 << 16))
            file.flush()
    except OSError as error:
        raise _refusal(path, error) from None
    if (free := shutil.disk_usage(path).free) < room:
        raise ValueError(
            f"{path}: the disk has {free / 1e6:.1f} MB free and {room / 1e6:.1f} are needed; choose another place with "
            "--out"
        )


def write_atomically(path: str | Path, content: str | bytes) -> None:
    """The whole file or none of it, also when interrupted: written beside its place, then moved there.

    A link stays one, and the file that it leads to is written. That keeps its mode and its owner; a new one gets the
    mode that the umask gives it. Devices, pipes, and a file that can be written but not replaced (its folder is closed,
    it is mounted, or it is somebody else's) are written in place; then an interruption may leave a part.

    Raises:
        ValueError: what `check_writable` refuses.
        OSError: a full disk, say; with the path.
    """
    path = as_path(path)
    data, found = content.encode("utf-8") if isinstance(content, str) else content, _found(path)
    with naming(path):
        if found is None or _replaceable(found):
            try:
                return _replace(Path(os.path.realpath(path)), data, found)
            except OSError as error:
                if found is None or error.errno not in NOT_REPLACED:
                    raise
        _write_in_place(path, data, found)


@contextlib.contextmanager
def naming(path: str | Path) -> Iterator[None]:
    """An OSError within names this path; the system names none for a full disk, or one that nobody knows."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def read_text(path: str | Path) -> str:
    """The text of a file in UTF-8, without a byte order mark and with \\n at the end of its lines.

    ValueError naming the file and the line of the first byte that is not UTF-8.
    """
    path = as_path(path)
    content = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    try:
        return content.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        line = content[: error.start].replace(b"\r\n", b"\n").replace(b"\r", b"\n").count(b"\n") + 1
        byte = f"0x{content[error.start]:02x}"
        raise ValueError(f"{path.name} line {line} has the byte {byte}, which is no UTF-8; save it as UTF-8") from None


def packaged(*parts: str) -> Path:
    """A place among the package's data: in an installed wheel they lie in the package, in a checkout in data/."""
    package = Path(__file__).resolve().parents[1]
    installed = (package / "_data").joinpath(*parts)
    return installed if installed.exists() else (package.parent / "data").joinpath(*parts)


# -- what stands at a path -----------------------------------------------------------------------------------------


def _folder(path: Path) -> Path:
    """The folder in which a path ends, links followed."""
    return Path(os.path.realpath(path)).parent


def _found(path: Path) -> os.stat_result | None:
    """What a path leads to, None if nothing is there yet. ValueError unless it may be written, or its folder exists."""
    try:
        found = path.stat()
    except FileNotFoundError:
        if not _folder(path).is_dir():
            raise ValueError(f"{path}: there is no folder {_folder(path).name!r}; make it first") from None
        return None
    except OSError as error:
        raise _refusal(path, error) from None
    if stat.S_ISDIR(found.st_mode):
        raise ValueError(f"{path}: cannot be written, it is a folder; choose another place with --out")
    effective = os.access in os.supports_effective_ids
    if _standard_stream(found) is None and not os.access(path, os.W_OK, effective_ids=effective):
        raise _refusal(path, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))
    return found


def _refusal(path: Path, error: OSError) -> ValueError:
    return ValueError(f"{path}: cannot be written ({error.strerror}); choose another place with --out")


def _replaceable(found: os.stat_result) -> bool:
    return stat.S_ISREG(found.st_mode) and _standard_stream(found) is None


def _standard_stream(found: os.stat_result) -> int | None:
    """1 or 2 if stdout or stderr goes there: only they know after how much of what is printed."""
    for number in (1, 2):
        with contextlib.suppress(OSError):  # it may be closed
            if found.st_ino and os.path.samestat(found, os.fstat(number)):
                return number
    return None


# -- writing -------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _beside(folder: Path) -> Iterator[BinaryIO]:
    """A new file in a folder, which is gone at the end unless it was moved. It is locked, so that nobody who clears up
    takes it for the rest of a write that was killed."""
    while True:
        file = (folder / f"smatch-{secrets.token_hex(8)}.tmp").open("xb")
        with contextlib.suppress(OSError):  # not every disk can lock
            _lock(file)
        if os.path.exists(file.name):
            break
        file.close()  # taken for one in the moment before it was locked
    try:
        with file:
            yield file
    finally:
        Path(file.name).unlink(missing_ok=True)


def _lock(file: BinaryIO, wait: bool = True) -> None:
    """OSError if it is locked, or cannot be. On Windows no open file can be removed anyway."""
    if sys.platform != "win32":
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)


def _clear_up(folder: Path) -> None:
    """Remove what writes that were killed have left in a folder."""
    for path in folder.glob(HALF_WRITTEN):
        with contextlib.suppress(OSError):
            if sys.platform == "win32":
                path.unlink()
            else:
                with path.open("r+b") as file:
                    _lock(file, wait=False)
                    path.unlink()


def _replace(target: Path, data: bytes, found: os.stat_result | None) -> None:
    _clear_up(target.parent)
    with _beside(target.parent) as file:
        if found is not None:  # before a byte is in it: what was private stays so
            made = os.fstat(file.fileno())
            if (found.st_uid, found.st_gid) != (made.st_uid, made.st_gid):
                os.chown(file.name, found.st_uid, found.st_gid)
            if stat.S_IMODE(found.st_mode) != stat.S_IMODE(made.st_mode):
                os.chmod(file.name, stat.S_IMODE(found.st_mode))
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
        if sys.platform == "win32":
            file.close()  # an open file cannot be moved there
        os.replace(file.name, target)


def _write_in_place(path: Path, data: bytes, found: os.stat_result | None) -> None:
    stream = None if found is None else _standard_stream(found)
    if stream is not None:
        (sys.stdout if stream == 1 else sys.stderr).flush()
    with open(path if stream is None else os.dup(stream), "wb") as file:
        file.write(data)
        if found is not None and stat.S_ISREG(found.st_mode):
            file.flush()
            os.fsync(file.fileno())
