"""What a user installs: the wheel is built from the sdist, and works with what it says it needs and nothing more."""

import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.bare_environment import Environment, build_wheel, requirements_of
from tests.other_pythons import interpreter, scrapers_python
from tests.test_dependencies import pins

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("built"))


def test_the_wheel_has_the_packages_their_types_and_the_local_servers_poms_and_locks(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for artifact in ("kafka", "s3proxy"):
        for file in ("pom.xml", "jars.lock"):
            assert f"streams/local/artifacts/{artifact}/{file}" in names
    pages = Path(__file__).parents[1] / "streams" / "page"
    shown = [path for folder in ("assets", "templates") for path in (pages / folder).rglob("*") if path.is_file()]
    assert {f"streams/page/{path.relative_to(pages).as_posix()}" for path in shown} <= set(names)
    assert {"streams/processes/supervisor.py", "halt400/py.typed", "streams/py.typed"} <= set(names)
    assert {name.partition("/")[0] for name in names if ".dist-info" not in name} == {"halt400", "streams"}
    compiled = shutil.which("gcc") is not None
    assert ("streams/packed/_native.abi3.so" in names) == compiled == ("-cp311-abi3-" in wheel.name)


def test_a_scrapers_machine_needs_only_the_wheel(wheel: Path, tmp_path: Path) -> None:
    environment = Environment.with_wheel(tmp_path / "venv", wheel, frozenset())
    assert environment.python("import halt400; print(*halt400.__all__)").strip()
    for missing in ("faust", "typer", "rich"):
        with pytest.raises(AssertionError, match=f"No module named '{missing}'"):
            environment.python(f"import {missing}")
    done = subprocess.run([environment.bin / "halt400", "--help"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "pip install 'halt400[service]', or 'halt400[cli]' for diagnose and tail alone" in done.stderr


def test_the_command_line_shows_what_is_installed_and_names_the_extra_of_the_rest(wheel: Path, tmp_path: Path) -> None:
    environment = Environment.with_wheel(tmp_path / "venv", wheel, frozenset({"cli"}))
    assert environment.halt400("--version") == "halt400 0.1.0\n"
    shown = environment.halt400("--help")
    assert "diagnose" in shown
    assert "tail" in shown
    assert "worker" not in shown
    assert shown.count("pip install 'halt400[service]'") == 1
    for typed in (["worker"], ["topics", "apply"], ["run", "--help"]):
        command = [environment.bin / "halt400", *typed]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        expected = f"halt400 {typed[0]} needs more packages: pip install 'halt400[service]'\n"
        assert (done.returncode, done.stdout, done.stderr) == (2, "", expected)


def test_with_the_extra_service_every_command_is_there(wheel: Path, tmp_path: Path) -> None:
    environment = Environment.with_wheel(tmp_path / "venv", wheel, frozenset({"service"}))
    shown = environment.halt400("--help")
    assert "pip install" not in shown
    assert all(command in shown for command in ("archive", "diagnose", "run", "topics", "worker"))
    assert "responses" in environment.halt400("topics", "list")
    environment.python("import streams.worker.detect_process, streams.worker.follow_up_process, streams.contracts")


SCRAPER = """
import asyncio
import sys

from halt400 import Guard, JobQuarantined, SyncGuard, response_event
from streams.packed import find_native


def ask(guard):
    try:
        request = guard.admit("POST", "https://shop.example/graphql", body=b'{"a": 1, }')
    except JobQuarantined:
        return
    request.received(400)
    request.publish(response_body=b"no JSON")


async def scrape():
    async with Guard("127.0.0.1:9", job_id="extract-099", catch_up_s=0) as guard:
        for _ in range(7):
            ask(guard)
        await guard.publisher.close(0)
    return guard.stats


def scrape_sync():
    with SyncGuard("127.0.0.1:9", job_id="extract-099", catch_up_s=0) as guard:
        for _ in range(7):
            ask(guard)
        guard.publisher.close(0)
    return guard.stats


native = find_native()
event = response_event(method="GET", url="https://shop.example/", status=200, job_id="extract-099")
stats = asyncio.run(scrape()), scrape_sync()
print(*sys.version_info[:2], event.target, *[(one.published, one.refused_locally) for one in stats])
print(native is not None and hasattr(native, "Batch"))
"""


@pytest.mark.parametrize("version", ["3.12", "3.13", "3.14"])
def test_other_versions_of_python_publish_and_are_stopped(wheel: Path, tmp_path: Path, version: str) -> None:
    base = interpreter(version)
    if base is None:
        pytest.skip(f"there is no Python {version} on this machine")
    needed = [line for line in requirements_of(wheel) if "extra ==" not in line]
    python = scrapers_python(version, base, needed, pins("requirements.lock"))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    command = [python, "-W", "error", "-c", SCRAPER]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    compiled = "-abi3-" in wheel.name
    assert done.stdout == f"{version.replace('.', ' ')} shop.example (5, 2) (5, 2)\n{compiled}\n", done.stderr
    assert "Traceback" not in done.stderr
