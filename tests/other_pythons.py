"""Other versions of Python on this machine, each with what a scraper needs in an environment of its own.

The packages are installed once for each, in the versions of the lock, in the user's cache; Halt400 is not among them.
"""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from packaging.requirements import Requirement

from tests.bare_environment import run
from tests.made_once import made_once

__all__ = ["interpreter", "scrapers_python"]


def interpreter(version: str) -> Path | None:
    """Return an interpreter of a version such as ``3.13``: from the path, of pyenv or of uv."""
    home = Path.home()
    pyenv = Path(os.environ.get("PYENV_ROOT", home / ".pyenv"))
    found = [
        *pyenv.glob(f"versions/{version}.*/bin/python{version}"),
        *home.glob(f".local/share/uv/python/cpython-{version}.*/bin/python{version}"),
    ]
    on_path = shutil.which(f"python{version}")
    for candidate in [*([Path(on_path)] if on_path else []), *sorted(found)]:
        # A shim of pyenv is there for versions that it does not start.
        if subprocess.run([candidate, "-c", "import venv"], capture_output=True, check=False).returncode == 0:
            return candidate
    return None


def scrapers_python(version: str, base: Path, requirements: list[str], pins: dict[str, str]) -> Path:
    """Return the interpreter of an environment with these requirements, at these versions."""
    names = sorted(Requirement(requirement).name for requirement in requirements)
    constraints = "".join(f"{name}=={pinned}\n" for name, pinned in sorted(pins.items()))
    digest = hashlib.sha256(f"{names}{constraints}{base}".encode()).hexdigest()[:12]

    def install(home: Path) -> None:
        (home / "constraints.txt").write_text(constraints)
        run(base, "-m", "venv", "--clear", home / "venv")
        run(
            *(home / "venv" / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
            *("--constraint", home / "constraints.txt", *names),
        )

    return made_once(f"scraper-{digest}-py{version.replace('.', '')}", install) / "venv" / "bin" / "python"
