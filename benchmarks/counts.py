"""Holds what a contender has counted against what was put on the log."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from streams.archive.sampling import decode_manifest

__all__ = ["MiscountError", "archived_objects", "check", "manifest_counts"]


class MiscountError(Exception):
    """A contender's counts are not what was put on the log."""


def check(what: str, counted: Any, expected: Any) -> None:
    """Raise `MiscountError` where `counted` is not `expected`."""
    if counted != expected:
        shown = f"{counted} instead of {expected}" if isinstance(counted, int) else _first_difference(counted, expected)
        raise MiscountError(f"{what}: {shown}")


def _first_difference(counted: Mapping[str, int], expected: Mapping[str, int]) -> str:
    keys = sorted(key for key in counted.keys() | expected.keys() if counted.get(key, 0) != expected.get(key, 0))
    if not keys:
        return "keys differ"
    return f"{len(keys)} differ, such as {keys[0]}: {counted.get(keys[0])} instead of {expected.get(keys[0])}"


def archived_objects(archive: Path) -> int:
    """How many offences have their evidence in a directory's archive."""
    return sum(1 for _ in archive.rglob("*.har"))


def manifest_counts(archive: Path) -> tuple[int, int]:
    """The offences that the archive's manifests count, and those of them whose evidence was kept."""
    manifests = [decode_manifest(path.read_bytes()) for path in archive.rglob("*.json")]
    return sum(manifest.seen for manifest in manifests), sum(manifest.kept for manifest in manifests)
