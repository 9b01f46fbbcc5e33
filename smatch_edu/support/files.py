"""Files that are written whole or not at all."""

from __future__ import annotations

import codecs
import os
import shutil
import tempfile
from pathlib import Path


def check_writable(path: Path) -> None:
    """Raise a ValueError unless a file can be made at `path`."""
    folder = path.resolve().parent
    if not folder.is_dir():
        raise ValueError(f"{path}: there is no folder {folder.name!r}; make it first")
    if path.is_dir() or not os.access(path if path.exists() else folder, os.W_OK):
        raise ValueError(f"{path}: cannot be written; choose another place with --out")


def check_folder(path: Path, room: int = 0) -> None:
    """Make a folder for results, unless it is there.

    Args:
        room: bytes that will be written into it.

    Raises:
        ValueError: nothing can be written into it, or not so much.
    """
    if not path.resolve().parent.is_dir():
        raise ValueError(f"{path}: there is no folder {path.resolve().parent.name!r}; make it first")
    if path.exists() and not path.is_dir():
        raise ValueError(f"{path} is a file; a folder was wanted, choose another place with --out")
    try:
        path.mkdir(exist_ok=True)
        with tempfile.TemporaryFile(dir=path) as file:
            file.write(bytes(1 << 16))
            file.flush()
    except OSError as error:
        raise ValueError(f"{path}: cannot be written ({error.strerror}); choose another place with --out") from None
    if (free := shutil.disk_usage(path).free) < room:
        raise ValueError(
            f"{path}: the disk has {free / 1e6:.1f} MB free and {room / 1e6:.1f} are needed; choose another place with "
            "--out"
        )


def write_atomically(path: Path, content: str | bytes) -> None:
    """The whole file or none of it, also when interrupted: written beside its place, then moved there."""
    data = content.encode("utf-8") if isinstance(content, str) else content
    with tempfile.NamedTemporaryFile("wb", dir=path.resolve().parent, suffix=".tmp", delete=False) as file:
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            file.close()
            os.chmod(file.name, 0o644)
            os.replace(file.name, path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, without a byte order mark and with \\n at the end of its lines.

    ValueError naming the file and the line of the first byte that is not UTF-8.
    """
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
