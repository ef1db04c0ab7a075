"""The oldest Scrapy that the add-on works with, in a folder of its own: first on a crawl's path, it is what runs.

Scrapy and what it needs older than others are installed once, from their lock, in the user's cache; what they need
besides is that of the environment of the tests.
"""

import fcntl
import hashlib
import subprocess
import sys
from pathlib import Path

from streams.local import cache_dir

__all__ = ["NEWEST_PYTHON", "oldest_scrapy"]

LOCK = Path(__file__).with_name("scrapy-oldest.lock")
NEWEST_PYTHON = (3, 12)
"""Twisted before 23.8, which Scrapy 2.11.0 wants, needs a module that Python 3.13 lacks."""


def oldest_scrapy() -> Path:
    """The folder of the packages."""
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]
    home = cache_dir() / "test-environments" / f"scrapy-{digest}"
    home.mkdir(parents=True, exist_ok=True)
    ready = home / ".ready"
    with (home / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the tests' processes share it
        if not ready.exists():
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
            subprocess.run(
                [*pip, "--no-deps", "--require-hashes", "--upgrade", "--target", home / "packages", "-r", LOCK],
                check=True,
            )
            ready.touch()
    return home / "packages"
