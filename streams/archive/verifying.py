"""Read the archive back and compare it with the log of offences, object by object."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import orjson

from halt400.errors import ArchiveError
from halt400.records import Offence
from streams.archive.har import har_of
from streams.archive.naming import object_key
from streams.archive.port import Archive, ArchiveAway

__all__ = ["Verification", "verify"]

_AT_ONCE = 64
_SAMPLES = 20


@dataclass
class Verification:
    """What was found. `missing`, `different` and `unreadable` hold the first URIs of their kind."""

    offences: int = 0
    undecodable: int = 0
    sound: int = 0
    missing_count: int = 0
    different_count: int = 0
    unreadable_count: int = 0
    missing: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether every offence of the log is in the archive as it should be."""
        return self.sound == self.offences and not self.undecodable

    def add(self, kind: str, uri: str) -> None:
        """Count one object; kind is sound, missing, different or unreadable."""
        if kind == "sound":
            self.sound += 1
            return
        setattr(self, f"{kind}_count", getattr(self, f"{kind}_count") + 1)
        samples: list[str] = getattr(self, kind)
        if len(samples) < _SAMPLES:
            samples.append(uri)


async def verify(
    archive: Archive, offences: AsyncIterator[bytes | None], seal: Callable[[Offence], Offence]
) -> Verification:
    """Compare the archive with the log.

    An object is sound when it is what archiving the offence makes: the same HAR, whoever wrote it when. Objects that
    the log no longer knows are left alone: the archive outlives the log.

    Parameters
    ----------
    offences
        The values of the records of `offences`, as they came; None (a tombstone) is passed over.
    seal
        Redacts and shortens an offence as the archive agent does, with the same key.

    Raises
    ------
    ArchiveAway, ArchiveError
        The archive does not answer, or refuses.
    """
    found = Verification()
    running: set[asyncio.Task[None]] = set()
    try:
        async for value in offences:
            if value is None:
                continue
            try:
                offence = msgspec.json.decode(value, type=Offence)
            except msgspec.DecodeError:
                found.undecodable += 1
                continue
            found.offences += 1
            running.add(asyncio.create_task(_verify_one(archive, offence, seal, found)))
            if len(running) >= _AT_ONCE:
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        for task in list(running):
            await task
    finally:
        for task in running:
            task.cancel()
    return found


async def _verify_one(
    archive: Archive, offence: Offence, seal: Callable[[Offence], Offence], found: Verification
) -> None:
    key = object_key(offence.source, offence.target, offence.event.time)
    found.add(await asyncio.to_thread(_compare, archive, key, offence, seal), archive.uri(key))


def _compare(archive: Archive, key: str, offence: Offence, seal: Callable[[Offence], Offence]) -> str:
    try:
        data = archive.read(key)
    except ArchiveAway:
        raise
    except ArchiveError:
        if archive.exists(key):
            return "unreadable"
        return "missing"
    try:
        stored = _comparable(data)
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return "unreadable"
    return "sound" if stored == _comparable(har_of(seal(offence))) else "different"


def _comparable(har: bytes) -> dict[str, Any]:
    """The HAR without the version of Halt400 that wrote it."""
    document: dict[str, Any] = orjson.loads(har)
    del document["log"]["creator"]
    return document
