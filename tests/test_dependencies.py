"""The locks fit pyproject.toml."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).parents[1]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]

NEEDS = {
    "requirements.lock": [*PROJECT["dependencies"], *EXTRAS["service"], *EXTRAS["dev"]],
    "requirements-service.lock": [*PROJECT["dependencies"], *EXTRAS["service"], "hatchling"],
    "requirements-java.lock": EXTRAS["java"],
    "requirements-mitmproxy.lock": [*PROJECT["dependencies"], *EXTRAS["mitmproxy"]],
}


def pins(lock: str) -> dict[str, str]:
    """Package names and their pinned versions; a lock line is ``name==version ; marker \\``."""
    text = (REPOSITORY / lock).read_text()
    return dict(re.findall(r"^([a-z0-9.-]+)==([^\s;\\]+)", text, re.MULTILINE))


@pytest.mark.parametrize("lock", NEEDS)
def test_every_requirement_is_met_by_a_pin(lock: str) -> None:
    pinned = pins(lock)
    for requirement in map(Requirement, NEEDS[lock]):
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        if name != PROJECT["name"]:
            assert name in pinned, f"{lock} lacks {name}: run make lock"
            assert requirement.specifier.contains(pinned[name]), f"{lock} has {name} {pinned[name]}: run make lock"


def test_every_extra_that_a_page_names_is_found_by_every_pip() -> None:
    """A pip before 23.3 compares what it is asked for with the name in the wheel's metadata, which is normalized."""
    assert sorted(EXTRAS) == sorted(map(canonicalize_name, EXTRAS))
    pages = [REPOSITORY / "README.md", *(REPOSITORY / "docs").rglob("*.md"), *(REPOSITORY / "examples").rglob("*.md")]
    named = {
        extra
        for page in pages
        for extras in re.findall(r"halt400\[([\w,-]+)\]", page.read_text())
        for extra in extras.split(",")
    }
    assert {"curl-cffi", "httpx", "service"} <= named <= set(EXTRAS)


@pytest.mark.parametrize("lock", NEEDS)
def test_every_pin_has_a_hash_and_no_lock_names_a_place(lock: str) -> None:
    text = (REPOSITORY / lock).read_text()
    entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert {entry.partition("==")[0] for entry in entries} == set(pins(lock))
    assert all("--hash=sha256:" in entry for entry in entries)
    assert not re.search(r"https?://|--index-url|--find-links|--extra-index", text)


def test_the_image_has_the_versions_that_are_tested() -> None:
    tested = pins("requirements.lock")
    assert {name: tested.get(name) for name in pins("requirements-service.lock")} == pins("requirements-service.lock")
