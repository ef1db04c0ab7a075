"""Folders that tests make once and keep in the user's cache, such as environments with other versions of packages."""

import fcntl
from collections.abc import Callable
from pathlib import Path

from streams.local import cache_dir

__all__ = ["made_once"]


def made_once(name: str, make: Callable[[Path], None]) -> Path:
    """Return the folder of this name; where it is not there yet, `make` fills it while other processes wait."""
    home = cache_dir() / "test-environments" / name
    home.mkdir(parents=True, exist_ok=True)
    ready = home / ".ready"
    with (home / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.exists():
            make(home)
            ready.touch()
    return home
