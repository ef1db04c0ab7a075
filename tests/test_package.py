"""What a user installs: the wheel is built from the sdist, and works with what it says it needs and nothing more.

Nothing is downloaded. The environments of these tests see, of what is installed here, only what the wheel's metadata
lead to; pip, without an index, refuses to install where something is missing or too old.
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

import pytest
from packaging.requirements import Requirement

REPOSITORY = Path(__file__).parents[1]

pytestmark = pytest.mark.slow


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """Run a command, which must succeed, and return what it printed."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the sdist and of the wheel that is built from it."""
    dist, unpacked = tmp_path_factory.mktemp("dist"), tmp_path_factory.mktemp("unpacked")
    run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", dist, cwd=REPOSITORY)
    [sdist] = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(unpacked, filter="data")
    [source] = unpacked.iterdir()
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", dist, cwd=source)
    return dist


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    [wheel] = dist.glob("*.whl")
    return wheel


class Environment:
    """A virtual environment that is bare but for the distributions that a requirement leads to."""

    def __init__(self, directory: Path) -> None:
        venv.create(directory)
        self.bin = directory / "bin"
        self._packages = Path(sysconfig.get_path("purelib", vars={"base": str(directory), "platbase": str(directory)}))

    def provide(self, requirements: list[str], extras: frozenset[str]) -> None:
        """Link what the requirements lead to from the environment of the tests."""
        seen: set[tuple[str, frozenset[str]]] = set()
        waiting = list(needed(requirements, extras))
        while waiting:
            requirement = waiting.pop()
            asked = (requirement.name, frozenset(requirement.extras))
            if asked not in seen:
                seen.add(asked)
                found = distribution(requirement.name)
                self._link(found)
                waiting += needed(found.requires or [], frozenset(requirement.extras))

    def install(self, requirement: str) -> None:
        run(
            sys.executable,
            "-m",
            "pip",
            "--python",
            self.bin / "python",
            "install",
            "--no-index",
            "--quiet",
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


def test_the_wheel_has_the_packages_their_types_and_the_local_servers_poms_and_locks(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for artifact in ("kafka", "s3proxy"):
        for file in ("pom.xml", "jars.lock"):
            assert f"streams/local/artifacts/{artifact}/{file}" in names
    assert {"streams/processes/supervisor.py", "halt400/py.typed", "streams/py.typed"} <= set(names)
    assert {name.partition("/")[0] for name in names if ".dist-info" not in name} == {"halt400", "streams"}


def test_a_scrapers_machine_needs_only_the_wheel(wheel: Path, tmp_path: Path) -> None:
    environment = Environment(tmp_path / "venv")
    environment.provide(requirements_of(wheel), frozenset())
    environment.install(str(wheel))
    assert environment.halt400("--version") == "halt400 0.1.0\n"
    shown = environment.halt400("--help")
    assert "diagnose" in shown
    assert "pip install 'halt400[service]'" in shown
    assert environment.python("import halt400; print(*halt400.__all__)").strip()
    with pytest.raises(AssertionError, match="No module named 'faust'"):
        environment.python("import faust")


def test_with_the_extra_service_every_command_is_there(wheel: Path, tmp_path: Path) -> None:
    environment = Environment(tmp_path / "venv")
    environment.provide(requirements_of(wheel), frozenset({"service"}))
    environment.install(f"{wheel}[service]")
    shown = environment.halt400("--help")
    assert "pip install" not in shown
    assert all(command in shown for command in ("archive", "diagnose", "run", "topics", "worker"))
    assert "responses" in environment.halt400("topics", "list")
    environment.python("import streams.worker.detect_process, streams.worker.follow_up_process, streams.contracts")
