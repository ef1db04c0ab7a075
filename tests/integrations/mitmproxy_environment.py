"""An environment with mitmproxy: it pins versions that others of our packages need newer, so it cannot be in ours.

It is made once from its lock, in the user's cache, and has no Halt400: processes find the repository by PYTHONPATH.
"""

import hashlib
import subprocess
import sys
import venv
from pathlib import Path

from tests.made_once import made_once

__all__ = ["mitmproxy_bin"]

LOCK = Path(__file__).parents[2] / "requirements-mitmproxy.lock"


def mitmproxy_bin() -> Path:
    """The folder of `python` and `mitmdump`."""
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]
    name = f"mitmproxy-{digest}-py{sys.version_info.major}{sys.version_info.minor}"
    return made_once(name, _install) / "venv" / "bin"


def _install(home: Path) -> None:
    venv.create(home / "venv", clear=True, with_pip=True)
    pip = [home / "venv" / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-compile"]
    subprocess.run([*pip, "--require-hashes", "-r", LOCK], check=True)
