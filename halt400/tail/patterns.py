"""Which files there are now: paths, and patterns of them."""

import glob
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

from halt400.errors import InputError

__all__ = ["Key", "Match", "is_matched", "matches"]

Key = tuple[int, int]
"""Device and inode."""


class Match(NamedTuple):
    """A regular file, and the pattern by which it is found."""

    path: Path
    pattern: str


def matches(patterns: Iterable[str], cannot_be_read: Callable[[str, OSError], None]) -> dict[Key, Match]:
    """Find the files, each once whatever number of names it has.

    Parameters
    ----------
    patterns
        Paths, or patterns of them: ``*``, ``?``, ``[...]``, ``**``.
    cannot_be_read
        Called with what is there and cannot be looked at.

    Raises
    ------
    InputError
        A path is no file.
    """
    found: dict[Key, Match] = {}
    for pattern in patterns:
        for name in _names(pattern):
            try:
                status = os.stat(name)  # noqa: PTH116 - many times a second
            except FileNotFoundError:
                continue
            except OSError as error:
                cannot_be_read(name, error)
                continue
            if stat.S_ISREG(status.st_mode):
                found.setdefault((status.st_dev, status.st_ino), Match(Path(name), pattern))
            elif not glob.has_magic(pattern):
                raise InputError(f"{name}: is no file.", "Name files, or a pattern such as 'logs/*.log'.")
    return found


def is_matched(path: str, patterns: Iterable[str]) -> bool:
    """Whether a path is one of these, or fits one of these patterns."""
    return any(path == pattern or fnmatch(path, pattern) for pattern in patterns)


def _names(pattern: str) -> Iterator[str]:
    if glob.has_magic(pattern):
        yield from sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 - absolute patterns
    else:
        yield pattern
