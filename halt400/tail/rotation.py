"""Rotated logs: their names, and where the rest of a log went that was renamed, copied or packed meanwhile."""

import gzip
import os
import re
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from halt400.tail.followed_file import BEGINNING_BYTES, begins_like, fits
from halt400.tail.state_file import Position

__all__ = ["Rest", "find_rest", "is_packed", "newer_rotations", "open_unpacked", "rotated_name"]

_NOT_UNPACKED = (".bz2", ".lz4", ".xz", ".Z", ".zst")
_DAMAGE = (OSError, EOFError, zlib.error)


class Rest(NamedTuple):
    """An open file that holds the rest of a log, and its path."""

    descriptor: int
    path: Path


def rotated_name(name: str, base: str) -> bool:
    """Whether a file has the name that rotation gives to `base`.

    Examples
    --------
    >>> [rotated_name(name, "a.log") for name in ("a.log.1", "a.log-20240501.gz", "a-20240501.log", "a.log.old")]
    [True, True, True, True]
    >>> [rotated_name(name, "a.log") for name in ("a.log", "a2.log", "a_ssl.log", "a.log.json")]
    [False, False, False, False]
    """
    stem, suffix = re.escape(Path(base).stem), re.escape(Path(base).suffix)
    numbered = r"[.\-_]\d[\w.:+\-]*"
    pattern = rf"{stem}{suffix}(?:{numbered}|[.\-_](?:old|bak|gz))|{stem}{numbered}{suffix}(?:\.gz)?"
    return re.fullmatch(pattern, name) is not None


def find_rest(position: Position) -> Rest | None:
    """Find what was read up to this position: the file itself under another name, or a copy of it, packed or not.

    It is looked for in the directory in which it was.
    """
    path = Path(position.path)
    copies = []
    for entry in _entries(path.parent):
        try:
            status = entry.stat()
        except OSError:
            continue
        if (status.st_dev, status.st_ino) == (position.device, position.inode):
            if (rest := _opened(Path(entry.path), position)) is not None:
                return rest
        elif rotated_name(entry.name, path.name):
            copies.append(Path(entry.path))
    if position.offset and not position.document:
        for copy in copies:
            if (rest := _opened(copy, position)) is not None:
                return rest
    return None


def newer_rotations(path: Path, than: tuple[int, int]) -> list[Path]:
    """Rotated files of `path` that were written after the one with this device and inode, the oldest first."""
    since, found = None, []
    for entry in _entries(path.parent):
        with suppress(OSError):
            status = entry.stat()
            if (status.st_dev, status.st_ino) == than:
                since = status.st_mtime_ns
            elif rotated_name(entry.name, path.name) and not entry.name.endswith(_NOT_UNPACKED):
                found.append((status.st_mtime_ns, Path(entry.path)))
    return [newer for written, newer in sorted(found) if since is not None and written >= since]


def is_packed(descriptor: int) -> bool:
    """Whether an open file is gzip."""
    return os.pread(descriptor, 2, 0) == b"\x1f\x8b"


def open_unpacked(path: Path) -> int:
    """Open a file; of one that is gzip, its content.

    Raises
    ------
    OSError
        It cannot be opened or is damaged.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if not is_packed(descriptor):
            return descriptor
        with os.fdopen(os.dup(descriptor), "rb") as packed, tempfile.TemporaryFile() as content:
            with gzip.open(packed) as unpacked:
                shutil.copyfileobj(unpacked, content, 1 << 20)
            content.flush()
            unpacked_descriptor = os.dup(content.fileno())
    except (EOFError, zlib.error) as error:
        os.close(descriptor)
        raise OSError(f"{path} is damaged") from error
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return unpacked_descriptor


def _entries(directory: Path) -> Iterator[os.DirEntry[str]]:
    with suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_file():
                yield entry


def _opened(path: Path, position: Position) -> Rest | None:
    try:
        if path.suffix == ".gz" and not _begins_alike(path, position):
            return None
        descriptor = open_unpacked(path)
    except _DAMAGE:
        return None
    if fits(descriptor, position):
        return Rest(descriptor, path)
    os.close(descriptor)
    return None


def _begins_alike(path: Path, position: Position) -> bool:
    """Whether a packed file begins like what was read, which is known before it is unpacked."""
    with path.open("rb") as file:
        if not is_packed(file.fileno()):
            return True
        with gzip.open(file) as unpacked:
            return begins_like(unpacked.read(BEGINNING_BYTES), position)
