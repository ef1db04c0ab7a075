"""Bare environments: they see, of what is installed here, only what the wheel's metadata lead to.

Nothing is downloaded: pip, without an index, refuses to install where something is missing or too old.
"""

import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

__all__ = ["Environment", "build_wheel", "requirements_of"]

REPOSITORY = Path(__file__).parents[1]


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """Run a command, which must succeed, and return what it printed."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build_wheel(folder: Path) -> Path:
    """Build the sdist, and the wheel from what is in it."""
    dist, unpacked = folder / "dist", folder / "unpacked"
    run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", dist, cwd=REPOSITORY)
    [sdist] = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(unpacked, filter="data")
    [source] = unpacked.iterdir()
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", dist, cwd=source)
    [wheel] = dist.glob("*.whl")
    return wheel


class Environment:
    """A virtual environment that is bare but for the distributions that a requirement leads to."""

    def __init__(self, directory: Path) -> None:
        venv.create(directory)
        self.bin = directory / "bin"
        self._packages = Path(sysconfig.get_path("purelib", vars={"base": str(directory), "platbase": str(directory)}))

    @classmethod
    def with_unpacked(cls, directory: Path, wheel: Path, extras: frozenset[str]) -> "Environment":
        """The same in a tenth of the time: without pip, and without the command."""
        environment = cls(directory)
        environment._provide(requirements_of(wheel), extras)
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(environment._packages)
        return environment

    def _provide(self, requirements: list[str], extras: frozenset[str]) -> None:
        """Link what the requirements lead to from the environment of the tests."""
        seen: set[tuple[str, frozenset[str]]] = set()
        waiting = list(needed(requirements, extras))
        while waiting:
            requirement = waiting.pop()
            asked = (requirement.name, frozenset(requirement.extras))
            if asked in seen:
                continue
            seen.add(asked)
            if requirement.name == "halt400":
                # An extra that includes another.
                waiting += needed(requirements, frozenset(requirement.extras))
            else:
                found = distribution(requirement.name)
                assert requirement.specifier.contains(found.version, prereleases=True), (requirement, found.version)
                self._link(found)
                waiting += needed(found.requires or [], frozenset(requirement.extras))

    @classmethod
    def with_wheel(cls, directory: Path, wheel: Path, extras: frozenset[str]) -> "Environment":
        """An environment with the wheel, these extras of it, and nothing else."""
        environment = cls(directory)
        environment._provide(requirements_of(wheel), extras)
        environment._install(f"{wheel}[{','.join(sorted(extras))}]" if extras else str(wheel))
        return environment

    def _install(self, requirement: str) -> None:
        run(
            sys.executable,
            "-m",
            "pip",
            "--python",
            self.bin / "python",
            "install",
            "--no-index",
            "--quiet",
            "--no-compile",
            requirement,
        )

    def python(self, code: str) -> str:
        return run(self.bin / "python", "-I", "-c", code)

    def halt400(self, *arguments: str) -> str:
        return run(self.bin / "halt400", *arguments)

    def _link(self, found: Distribution) -> None:
        root = Path(str(found.locate_file("")))
        for name in {file.parts[0] for file in found.files or []} - {"..", "__pycache__"}:
            link = self._packages / name
            if not link.exists():
                link.symlink_to(root / name)


def needed(requirements: list[str], extras: frozenset[str]) -> Iterator[Requirement]:
    """Those of a distribution's requirements that hold here with these extras."""
    for requirement in map(Requirement, requirements):
        if requirement.marker is None or any(requirement.marker.evaluate({"extra": name}) for name in ("", *extras)):
            yield requirement


def requirements_of(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        [metadata] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        lines = archive.read(metadata).decode().splitlines()
    return [line.removeprefix("Requires-Dist: ") for line in lines if line.startswith("Requires-Dist: ")]
