"""Compares the archive with the log of offences: every object, and the counts of every manifest."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import orjson

from halt400.errors import ArchiveError
from halt400.records import UNDECODABLE, Offence
from streams.archive.expected import ExpectedArchive
from streams.archive.har import har_of
from streams.archive.interface import Archive, ArchiveUnavailable
from streams.archive.object_names import object_key
from streams.archive.sampling import Manifest, decode_manifest

__all__ = ["Verification", "verify"]

_AT_ONCE = 64
_EXAMPLES = 20


@dataclass
class Verification:
    """The outcome. `missing`, `different`, `unreadable` and `miscounted` have the first URIs of their kind.

    `sampled_out` counts offences that sampling left out and that a manifest counts. A manifest is `miscounted` when it
    has seen as many offences as the log has, and says that fewer are kept than there are.
    """

    offences: int = 0
    undecodable: int = 0
    sound: int = 0
    sampled_out: int = 0
    missing_count: int = 0
    different_count: int = 0
    unreadable_count: int = 0
    miscounted_count: int = 0
    missing: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    miscounted: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether every offence of the log is archived correctly, or is counted as sampled out."""
        return self.sound + self.sampled_out == self.offences and not self.undecodable and not self.miscounted

    def add(self, kind: str, uri: str) -> None:
        """Count one object; kind is sound, missing, different, unreadable or miscounted."""
        if kind == "sound":
            self.sound += 1
            return
        setattr(self, f"{kind}_count", getattr(self, f"{kind}_count") + 1)
        examples: list[str] = getattr(self, kind)
        if len(examples) < _EXAMPLES:
            examples.append(uri)


class _AbsentObjects:
    """The offences of one manifest that have no object."""

    def __init__(self) -> None:
        self.absent = 0
        self.expected_but_absent: list[str] = []
        self.sampled_out: list[str] = []

    def add(self, uri: str, *, was_kept: bool) -> None:
        self.absent += 1
        examples = self.expected_but_absent if was_kept else self.sampled_out
        if len(examples) < _EXAMPLES:
            examples.append(uri)

    def conclude(self, found: Verification, manifest: Manifest | None, uri: str, *, seen: int) -> None:
        """Add to `found` how many of them were sampled out, and how many are missing; `seen`: offences in the log."""
        allowed = manifest.seen - manifest.kept if manifest is not None else 0
        missing = max(0, self.absent - allowed)
        found.sampled_out += self.absent - missing
        examples = [*self.expected_but_absent, *self.sampled_out]
        for number in range(missing):
            found.add("missing", examples[number] if number < len(examples) else "")
        if manifest is not None and manifest.seen == seen and self.absent < allowed:
            found.add("miscounted", uri)


async def verify(
    archive: Archive,
    offences: AsyncIterator[tuple[int, bytes | None]],
    prepare: Callable[[Offence], Offence],
    *,
    topic: str,
    storm_keep: int | None = None,
) -> Verification:
    """Compare the archive with the log.

    An object is sound when it is what archiving the offence makes. An offence without an object must be counted as not
    kept by its manifest. Objects that the log no longer has are ignored, since the archive outlives the log. An offence
    that is in the log twice, after a crash of the worker, is compared once.

    Parameters
    ----------
    offences
        Partition and value of each record of `offences`; a value of None (a tombstone) is skipped.
    prepare
        Redacts and cuts an offence as the archive agent does, with the same key.
    topic
        Full name of `offences`.
    storm_keep
        The archive agent's setting, by which missing objects that should have been kept are named first.

    Raises
    ------
    ArchiveUnavailable, ArchiveError
        The archive does not answer, or refuses.
    """
    found, expected = Verification(), ExpectedArchive(topic, storm_keep=storm_keep)
    absent: dict[str, _AbsentObjects] = {}
    running: set[asyncio.Task[None]] = set()
    try:
        async for partition, value in offences:
            if value is None:
                continue
            try:
                offence = msgspec.json.decode(value, type=Offence)
            except UNDECODABLE:
                found.undecodable += 1
                continue
            key, was_kept = expected.add(partition, offence)
            if was_kept is None:
                continue
            found.offences += 1
            of_manifest = absent.setdefault(key, _AbsentObjects())
            one = _verify_one(archive, offence, prepare, found, of_manifest, was_kept=was_kept)
            running.add(asyncio.create_task(one))
            running = await _below_limit(running)
        for task in list(running):
            await task
        for key, of_manifest in absent.items():
            manifest = await asyncio.to_thread(_manifest, archive, key)
            of_manifest.conclude(found, manifest, archive.uri(key), seen=expected.samplers[key].seen)
    finally:
        for task in running:
            task.cancel()
    return found


async def _below_limit(running: set[asyncio.Task[None]]) -> set[asyncio.Task[None]]:
    """Wait until fewer tasks run than the limit, and return those."""
    if len(running) < _AT_ONCE:
        return running
    done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
    return running


async def _verify_one(
    archive: Archive,
    offence: Offence,
    prepare: Callable[[Offence], Offence],
    found: Verification,
    absent: _AbsentObjects,
    *,
    was_kept: bool,
) -> None:
    key = object_key(offence.source, offence.target, offence.event.time)
    kind = await asyncio.to_thread(_compare, archive, key, offence, prepare)
    if kind == "missing":
        absent.add(archive.uri(key), was_kept=was_kept)
    else:
        found.add(kind, archive.uri(key))


def _manifest(archive: Archive, key: str) -> Manifest | None:
    stored = archive.read_with_tag(key)
    try:
        return decode_manifest(stored[0]) if stored is not None else None
    except UNDECODABLE:
        return None


def _compare(archive: Archive, key: str, offence: Offence, prepare: Callable[[Offence], Offence]) -> str:
    try:
        data = archive.read(key)
    except ArchiveUnavailable:
        raise
    except ArchiveError:
        if archive.exists(key):
            return "unreadable"
        return "missing"
    try:
        stored = _comparable(data)
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return "unreadable"
    return "sound" if stored == _comparable(har_of(prepare(offence))) else "different"


def _comparable(har: bytes) -> dict[str, Any]:
    """The HAR without the version of Halt400 that wrote it."""
    document: dict[str, Any] = orjson.loads(har)
    del document["log"]["creator"]
    return document
