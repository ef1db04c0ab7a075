"""The servers' jars: exactly the pinned files, checked by SHA-256, in a cache outside the source tree.

Each artifact is a ``pom.xml`` that a person edits and a ``jars.lock`` that `streams.local.pin` derives from it: one
line per jar, its SHA-256 and its path in a Maven repository. Maven downloads them where it is installed, with its
mirrors and its cache; otherwise, or if Maven fails, they come from Maven Central over HTTPS. Only files whose checksum
is in the lock are installed.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import httpx
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

from halt400.errors import LocalServiceError

__all__ = ["ARTIFACTS", "MAVEN_CENTRAL", "Artifact", "Jar", "cache_dir", "install", "maven_fetch", "sha256"]

MAVEN_CENTRAL = "https://repo.maven.apache.org/maven2"
_CHUNK_BYTES = 1 << 20
_TIMEOUT_S = 30.0
_RETRY_PAUSES_S = (0.5, 2.0, None)


@dataclass(frozen=True)
class Jar:
    """A pinned file: its SHA-256 in hex and its path in a Maven repository."""

    sha256: str
    path: str


@dataclass(frozen=True)
class Artifact:
    """A server's pinned set of jars, described by a directory with ``pom.xml`` and ``jars.lock``."""

    name: str
    directory: Path

    @property
    def pom(self) -> Path:
        """The file that a person edits."""
        return self.directory / "pom.xml"

    @property
    def lock(self) -> Path:
        """The file that is derived from it."""
        return self.directory / "jars.lock"

    @cached_property
    def jars(self) -> tuple[Jar, ...]:
        """The pinned files, in the class path's order."""
        lines = (line.split() for line in self.lock.read_text().splitlines() if line and not line.startswith("#"))
        return tuple(Jar(digest, path) for digest, path in lines)

    def home(self, cache: Path) -> Path:
        """Where these very files are installed; each lock has its own directory."""
        return cache / "jars" / f"{self.name}-{hashlib.sha256(self.lock.read_bytes()).hexdigest()[:12]}"

    def class_path(self, home: Path) -> str:
        """The class path of an installed artifact."""
        return os.pathsep.join(str(home / jar.path) for jar in self.jars)


_ARTIFACTS_DIRECTORY = Path(__file__).with_name("artifacts")
ARTIFACTS: Mapping[str, Artifact] = {name: Artifact(name, _ARTIFACTS_DIRECTORY / name) for name in ("kafka", "s3proxy")}


def cache_dir() -> Path:
    """Return where downloads are stored: ``HALT400_CACHE_DIR``, or ``halt400`` in the user's cache directory."""
    chosen = os.environ.get("HALT400_CACHE_DIR")
    if chosen:
        return Path(chosen).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "halt400"


def install(
    artifact: Artifact, cache: Path | None = None, *, repository: str = MAVEN_CENTRAL, maven: str | None = "mvn"
) -> Path:
    """Install an artifact's jars in the cache unless they are there, complete and unchanged.

    Parameters
    ----------
    artifact
        What to install, e.g. ``ARTIFACTS["kafka"]``.
    cache
        The cache directory; `cache_dir` by default.
    repository
        The URL of the Maven repository for the download without Maven.
    maven
        The Maven command to try first; None to do without.

    Returns
    -------
    Path
        The directory with the jars, laid out as a Maven repository.

    Raises
    ------
    LocalServiceError
        A jar cannot be downloaded, or is not the pinned one.
    """
    cache = cache or cache_dir()
    home = artifact.home(cache)
    console = Console(stderr=True)
    try:
        (cache / "jars").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LocalServiceError(
            f"The cache directory {cache} cannot be written: {error}.", "Set HALT400_CACHE_DIR to another directory."
        ) from error
    with _locked(home.with_suffix(".flock")):
        if home.is_dir() and not _wrong(artifact, home):
            return home
        with tempfile.TemporaryDirectory(dir=home.parent, prefix=f".{home.name}-") as staging:
            _fetch(artifact, Path(staging), console, repository=repository, maven=maven)
            if home.is_dir():
                shutil.rmtree(home)
            (Path(staging) / "repository").rename(home)
    return home


def sha256(path: Path) -> str:
    """Compute the SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def maven_fetch(artifact: Artifact, target: Path, maven: str = "mvn") -> str | None:
    """Let Maven resolve the artifact's pom into a directory laid out as a repository; return its error, if any."""
    command = [
        maven,
        "--quiet",
        "--batch-mode",
        f"--file={artifact.pom}",
        "dependency:copy-dependencies",
        "-DincludeScope=runtime",
        "-Dmdep.useRepositoryLayout=true",
        f"-DoutputDirectory={target}",
    ]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if run.returncode == 0:
        return None
    lines = [line.strip() for line in (run.stdout + run.stderr).splitlines() if line.strip()]
    return lines[0] if lines else f"exit code {run.returncode}"


def _fetch(artifact: Artifact, staging: Path, console: Console, *, repository: str, maven: str | None) -> None:
    target = staging / "repository"
    failures = []
    if maven is not None and shutil.which(maven):
        console.print(f"Fetching {len(artifact.jars)} jars of {artifact.name} with Maven …")
        failure = maven_fetch(artifact, target, maven)
        if failure is None:
            _check(artifact, target)
            return
        failures.append(f"Maven: {failure}")
        shutil.rmtree(target, ignore_errors=True)
    try:
        _download(artifact, target, console, repository)
    except (httpx.HTTPError, OSError) as error:
        failures.append(f"{repository}: {error}")
        raise LocalServiceError(
            f"The jars of {artifact.name} cannot be downloaded ({'; '.join(failures)}).",
            "Check the network and the proxy variables (HTTPS_PROXY), or, for Kafka, set "
            "HALT400_KAFKA_BOOTSTRAP_SERVERS to a cluster of your own.",
        ) from error
    _check(artifact, target)


def _download(artifact: Artifact, target: Path, console: Console, repository: str) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    console.print(f"Fetching {len(artifact.jars)} jars of {artifact.name} from {repository} …")
    with (
        httpx.Client(timeout=_TIMEOUT_S, follow_redirects=True) as client,
        Progress(*columns, console=console, transient=True) as progress,
    ):
        for number, jar in enumerate(artifact.jars, start=1):
            path = target / jar.path
            path.parent.mkdir(parents=True, exist_ok=True)
            task = progress.add_task(f"{number}/{len(artifact.jars)} {path.name}")
            for pause_s in _RETRY_PAUSES_S:
                try:
                    _download_one(client, f"{repository}/{jar.path}", path, progress, task)
                    break
                except httpx.HTTPError as error:
                    refused = isinstance(error, httpx.HTTPStatusError) and error.response.status_code in range(400, 429)
                    if refused or pause_s is None:
                        raise
                    time.sleep(pause_s)
            progress.remove_task(task)


def _download_one(client: httpx.Client, url: str, path: Path, progress: Progress, task: TaskID) -> None:
    with client.stream("GET", url) as response, path.open("wb") as file:
        response.raise_for_status()
        size = int(response.headers.get("content-length", 0)) or None
        progress.update(task, total=size, completed=0)
        for chunk in response.iter_bytes(_CHUNK_BYTES):
            file.write(chunk)
            progress.advance(task, len(chunk))


def _check(artifact: Artifact, home: Path) -> None:
    wrong = _wrong(artifact, home)
    if wrong:
        raise LocalServiceError(
            f"{len(wrong)} of the {len(artifact.jars)} jars of {artifact.name} are not the pinned ones: {wrong[0]}.",
            "Nothing was installed. Find out what serves other files (a Maven mirror? a proxy?) first.",
        )


def _wrong(artifact: Artifact, home: Path) -> list[str]:
    """List the jars that are missing or differ from the lock."""
    found = []
    for jar in artifact.jars:
        path = home / jar.path
        if not path.is_file():
            found.append(f"{jar.path} is missing")
        elif (actual := sha256(path)) != jar.sha256:
            found.append(f"{jar.path} has SHA-256 {actual}, not {jar.sha256}")
    return found


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
