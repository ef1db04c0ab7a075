"""Only the pinned jars are ever installed, whoever serves them."""

import hashlib
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from halt400.errors import LocalServiceError
from streams.local.jars import ARTIFACTS, Artifact, cache_dir, install, sha256
from streams.local.pin import pinned
from tests.made_once import made_once

FILES = {"org/one/1.0/one-1.0.jar": b"one" * 1000, "org/two/2.0/two-2.0.jar": b"two" * 1000}


class Handler(SimpleHTTPRequestHandler):
    """Serves a directory; a file beside which lies ``NAME.busy`` is refused with 503 once."""

    def do_GET(self) -> None:
        busy = Path(f"{self.translate_path(self.path)}.busy")
        if busy.exists():
            busy.unlink()
            self.send_error(503)
        else:
            super().do_GET()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    directory = tmp_path / "artifact"
    directory.mkdir()
    lines = [f"{hashlib.sha256(content).hexdigest()}  {path}" for path, content in FILES.items()]
    (directory / "jars.lock").write_text("\n".join(["# two files", *lines, ""]))
    return Artifact("pair", directory)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    for path, content in FILES.items():
        (root / path).parent.mkdir(parents=True)
        (root / path).write_bytes(content)
    return root


@pytest.fixture
def url(repository: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(repository)))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_pinned_files_are_downloaded_into_the_cache(artifact: Artifact, url: str, tmp_path: Path) -> None:
    home = install(artifact, tmp_path / "cache", repository=url, maven=None)
    assert {path: (home / path).read_bytes() for path in FILES} == FILES
    assert artifact.class_path(home).split(":") == [str(home / path) for path in FILES]


def test_a_download_is_retried_when_the_server_is_busy(
    artifact: Artifact, url: str, repository: Path, tmp_path: Path
) -> None:
    (repository / "org/two/2.0/two-2.0.jar.busy").touch()
    home = install(artifact, tmp_path / "cache", repository=url, maven=None)
    assert {path: (home / path).read_bytes() for path in FILES} == FILES


def test_a_second_installation_needs_no_network(artifact: Artifact, url: str, tmp_path: Path) -> None:
    home = install(artifact, tmp_path / "cache", repository=url, maven=None)
    assert install(artifact, tmp_path / "cache", repository="http://127.0.0.1:1", maven=None) == home


def test_a_file_with_another_checksum_is_refused(
    artifact: Artifact, url: str, repository: Path, tmp_path: Path
) -> None:
    (repository / "org/two/2.0/two-2.0.jar").write_bytes(b"something else")
    with pytest.raises(LocalServiceError, match=r"1 of the 2 jars of pair are not the pinned ones: org/two.*SHA-256"):
        install(artifact, tmp_path / "cache", repository=url, maven=None)
    assert not artifact.home(tmp_path / "cache").exists()
    assert not list((tmp_path / "cache" / "jars").glob(".*")), "nothing half-done stays"


def test_a_file_damaged_in_the_cache_is_downloaded_again(artifact: Artifact, url: str, tmp_path: Path) -> None:
    home = install(artifact, tmp_path / "cache", repository=url, maven=None)
    (home / "org/one/1.0/one-1.0.jar").write_bytes(b"damaged")
    assert install(artifact, tmp_path / "cache", repository=url, maven=None) == home
    assert (home / "org/one/1.0/one-1.0.jar").read_bytes() == FILES["org/one/1.0/one-1.0.jar"]


@pytest.mark.slow
def test_jars_that_cannot_be_downloaded_are_one_clear_line_with_a_mend(artifact: Artifact, tmp_path: Path) -> None:
    with pytest.raises(LocalServiceError, match="jars of pair cannot be downloaded") as caught:
        install(artifact, tmp_path / "cache", repository="http://127.0.0.1:1", maven=None)
    assert "\n" not in str(caught.value)
    assert "HALT400_KAFKA_BOOTSTRAP_SERVERS" in caught.value.mend


def test_where_maven_fails_the_files_are_downloaded(artifact: Artifact, url: str, tmp_path: Path) -> None:
    failing = shutil.which("false")
    assert failing
    home = install(artifact, tmp_path / "cache", repository=url, maven=failing)
    assert sha256(home / "org/one/1.0/one-1.0.jar") == artifact.jars[0].sha256


def test_installations_at_the_same_time_do_not_disturb_each_other(artifact: Artifact, url: str, tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(install, artifact, tmp_path / "cache", repository=url, maven=None) for _ in range(4)]
        homes = {run.result() for run in runs}
    assert homes == {artifact.home(tmp_path / "cache")}
    home = homes.pop()
    assert {path: (home / path).read_bytes() for path in FILES} == FILES


def test_a_cache_that_cannot_be_written_names_the_variable(artifact: Artifact, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LocalServiceError, match="HALT400_CACHE_DIR"):
        install(artifact, tmp_path / "file", maven=None)


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("HALT400_CACHE_DIR", raising=False)
    assert cache_dir() == tmp_path / "xdg" / "halt400"
    monkeypatch.setenv("HALT400_CACHE_DIR", str(tmp_path / "own"))
    assert cache_dir() == tmp_path / "own"


@pytest.mark.parametrize("name", ARTIFACTS)
def test_the_lock_was_derived_from_the_pom_as_it_is(name: str) -> None:
    artifact = ARTIFACTS[name]
    assert f"# pom.xml {sha256(artifact.pom)}\n" in artifact.lock.read_text(), (
        f"after a change of {artifact.pom} run: python -m streams.local.pin {name}"
    )


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("mvn") is None, reason="Maven is not installed")
@pytest.mark.parametrize("name", ARTIFACTS)
def test_maven_resolves_the_pom_to_the_files_of_the_lock(name: str) -> None:
    artifact = ARTIFACTS[name]
    digest = hashlib.sha256(artifact.pom.read_bytes() + artifact.lock.read_bytes()).hexdigest()[:12]

    def resolve(_home: Path) -> None:
        assert pinned(artifact) == artifact.lock.read_text()

    made_once(f"resolved-{name}-{digest}", resolve)
