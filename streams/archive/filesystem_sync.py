"""Makes all that was written to a filesystem durable with one call, where the filesystem is known to do it.

A sync of a file costs a journal's commit and a flush of the disk's cache, whatever its size: hundreds of small files
cost hundreds of them, and `syncfs(2)` two.
"""

import ctypes
import os
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

__all__ = ["filesystem_sync"]

_KNOWN = {"ext3", "ext4", "f2fs", "tmpfs", "xfs"}
"""Filesystems whose `syncfs` does what `fsync` of each file does; one in user space may pass on the latter only."""
_REPORTS_ERRORS_SINCE = (5, 8)
"""Version of Linux from which `syncfs` fails where data could not be written."""


def filesystem_sync(directory: str) -> Callable[[], None] | None:
    """A function that makes durable what was written to the filesystem of `directory`.

    It raises `OSError` where that fails. None where only syncs of single files are known to be reliable: on systems
    other than Linux, on an old kernel, on a filesystem that is not one of a few.
    """
    if os.uname().sysname != "Linux" or _kernel_version() < _REPORTS_ERRORS_SINCE:
        return None
    function = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if function is None or _type_of(directory) not in _KNOWN:
        return None
    return partial(_sync, function, directory)


def _sync(function: Callable[[int], int], directory: str) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if function(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        os.close(descriptor)


def _kernel_version() -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", os.uname().release)[:2])


def _type_of(directory: str) -> str | None:
    """The type of the filesystem that a directory is on, by the kernel's table of mounts."""
    device = Path(directory).stat().st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    try:
        with Path("/proc/self/mountinfo").open(encoding="utf-8", errors="surrogateescape") as mounts:
            for line in mounts:
                fields = line.split()
                if fields[2] == wanted:
                    return fields[fields.index("-") + 1]
    except OSError:
        pass
    return None
