"""The oldest Scrapy that the add-on works with, in a folder of its own: first on a crawl's path, it is what runs.

Scrapy and what it needs older than others are installed once, from their lock, in the user's cache; what they need
besides is that of the environment of the tests.
"""

import hashlib
import subprocess
import sys
from pathlib import Path

from tests.made_once import made_once

__all__ = ["NEWEST_PYTHON", "oldest_scrapy"]

LOCK = Path(__file__).with_name("scrapy-oldest.lock")
NEWEST_PYTHON = (3, 12)
"""Twisted before 23.8, which Scrapy 2.11.0 wants, needs a module that Python 3.13 lacks."""


def oldest_scrapy() -> Path:
    """The folder of the packages."""
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]
    return made_once(f"scrapy-{digest}", _install) / "packages"


def _install(home: Path) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    chosen = ["--no-deps", "--require-hashes", "--upgrade", "--target", home / "packages", "-r", LOCK]
    subprocess.run([*pip, *chosen], check=True)
