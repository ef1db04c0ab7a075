"""Exact counts of the offences of the assigned partitions, over crashes, rebalances and redelivery.

The counts of one target and date are a manifest in the archive. The manifest is their durable form: it says up to which
source offset it counts. An offset of `offences` is committed only when (1) the evidence of everything below it is in
the archive, and then (2) every manifest that counts it. Whichever process reads on from there loads the manifest first
and skips what it includes. A manifest is replaced only if it is unchanged since this process read it, so that a stale
member cannot write an older one over it.
"""

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial

import msgspec
from faust.types import TP

from halt400.errors import ArchiveError
from halt400.records import UNDECODABLE
from streams.archive.interface import Archive, ArchiveChanged
from streams.archive.object_names import day_of, manifest_key
from streams.archive.sampling import CountedOffence, Manifest, OffenceSampler, decode_manifest
from streams.archive.writer import ArchiveWriter
from streams.transport.ordered_completion import Advances

__all__ = ["OffenceCounts"]

log = logging.getLogger("halt400.archive")

MANIFESTS_MAX = 20_000
"""Manifests of one partition that stay in memory once they are written; any other is read again when it is needed."""
DRAIN_S = 3.0
SHARE_OF_TIME = 0.2
"""At most this share of the time goes into manifests: many of them, or a slow store, make them less frequent."""
LONGEST_REST_S = 15.0

_encode = msgspec.json.Encoder().encode


class _LoadedManifest:
    """One manifest in memory; `tag` is the archive's tag of the object as it was last seen."""

    __slots__ = ("sampler", "tag")

    def __init__(self, sampler: OffenceSampler, tag: str | None) -> None:
        self.sampler, self.tag = sampler, tag


class _Partition:
    """The manifests of one partition, and the offsets below which it is counted, archived and ready to commit."""

    def __init__(self) -> None:
        self.manifests: dict[str, _LoadedManifest] = {}
        self.changed: set[str] = set()
        self.counted = self.archived = self.committable = -1
        self.assigned = True
        self.counting = asyncio.Lock()
        self._progress = asyncio.Event()

    async def until_archived(self, end: int) -> bool:
        """Wait for the evidence below `end`; False if the partition was revoked meanwhile."""
        while self.assigned and self.archived < end:
            self._progress.clear()
            await self._progress.wait()
        return self.assigned

    def advance(self, offset: int) -> None:
        self.archived = max(self.archived, offset)
        self._progress.set()

    def revoke(self) -> None:
        self.assigned = False
        self._progress.set()


class OffenceCounts:
    """Decides which evidence is kept, and writes the manifests.

    Parameters
    ----------
    watermarks
        Receives the offsets that may be committed.
    storm_keep
        See `streams.archive.sampling.is_kept`; None keeps every one.

    Attributes
    ----------
    rest_s
        How long to wait before the next flush, from the time that the last one took.
    """

    def __init__(
        self, archive: Archive, writer: ArchiveWriter, watermarks: Advances, *, storm_keep: int | None = None
    ) -> None:
        self._archive, self._writer, self._watermarks = archive, writer, watermarks
        self._storm_keep = storm_keep
        self._partitions: dict[TP, _Partition] = {}
        self._flushing = asyncio.Lock()
        self.rest_s = 0.0

    async def count(self, tp: TP, end: int, offences: Sequence[CountedOffence]) -> list[bool]:
        """Count the offences of one fold, and say of each whether its evidence is to be written.

        Folds of a partition are counted in the order of the calls. An offence that was counted before is not written
        again.

        Parameters
        ----------
        end
            The offset after the fold's last record.
        """
        partition = self._partitions.setdefault(tp, _Partition())
        async with partition.counting:
            keys = [manifest_key(one.target, one.time_ms, tp.topic, tp.partition) for one in offences]
            missing = {key: one for key, one in zip(keys, offences, strict=True) if key not in partition.manifests}
            read = await self._read_all(missing)
            # Nothing is awaited from here on, so that a manifest includes all of a fold or none of it.
            partition.manifests |= read
            kept = []
            for key, one in zip(keys, offences, strict=True):
                decision = partition.manifests[key].sampler.count_offence(one)
                if decision is not None:
                    partition.changed.add(key)
                kept.append(bool(decision))
            partition.counted = max(partition.counted, end)
            self._trim(partition)
            return kept

    def advance(self, tp: TP, offset: int) -> None:
        """Take note that the evidence below `offset` is in the archive."""
        partition = self._partitions.get(tp)
        if partition is not None:
            partition.advance(offset)

    def drop(self, revoked: Iterable[TP]) -> None:
        """Forget partitions that were revoked."""
        for tp in revoked:
            partition = self._partitions.pop(tp, None)
            if partition is not None:
                partition.revoke()

    async def flush(self) -> None:
        """Write the manifests of what was counted before the call, once its evidence is archived; then it can commit.

        Raises
        ------
        ArchiveError
            The archive refuses for good.
        """
        async with self._flushing:
            self.rest_s = 0.0
            await asyncio.gather(*(self._flush(tp, partition) for tp, partition in list(self._partitions.items())))

    async def drain(self) -> None:
        """Flush within a few seconds; what is not written by then is read and counted again by the next process."""
        try:
            await asyncio.wait_for(self.flush(), DRAIN_S)
        except ArchiveError as error:
            log.warning("%s Offences that no manifest counts yet are read again.", error)
        except TimeoutError:
            log.info("The archive is slow: offences that no manifest counts yet are read again.")

    async def _flush(self, tp: TP, partition: _Partition) -> None:
        end, changed = partition.counted, partition.changed
        if end <= partition.committable:
            return
        partition.changed = set()
        loaded = {key: partition.manifests[key] for key in sorted(changed)}
        taken = {key: one.sampler.manifest() for key, one in loaded.items()}
        try:
            if not await partition.until_archived(end):
                return
            started = time.monotonic()
            await self._write_all(loaded, taken)
            rest_s = (time.monotonic() - started) * (1 / SHARE_OF_TIME - 1)
            self.rest_s = min(LONGEST_REST_S, max(self.rest_s, rest_s))
        except BaseException:
            partition.changed |= changed
            raise
        if partition.assigned:
            partition.committable = end
            self._watermarks.advance(tp, end)

    async def _read_all(self, missing: Mapping[str, CountedOffence]) -> dict[str, _LoadedManifest]:
        """Read manifests by key, with an offence that each is to count."""

        def read(keys: Sequence[str]) -> dict[str, tuple[bytes, str] | None]:
            return {key: self._archive.read_with_tag(key) for key in keys}

        parts = await asyncio.gather(
            *(self._writer.call_for_manifest(partial(read, keys)) for keys in self._chunks(list(missing)))
        )
        return {key: self._loaded(key, missing[key], found) for part in parts for key, found in part.items()}

    def _loaded(self, key: str, one: CountedOffence, found: tuple[bytes, str] | None) -> _LoadedManifest:
        manifest, tag = Manifest(target=one.target, date=day_of(one.time_ms)), None
        if found is not None:
            data, tag = found
            try:
                manifest = decode_manifest(data)
            except UNDECODABLE as error:
                log.warning("%s is no manifest (%s): its counts begin again at 0.", self._archive.uri(key), error)
        return _LoadedManifest(OffenceSampler(manifest, storm_keep=self._storm_keep), tag)

    async def _write_all(self, loaded: Mapping[str, _LoadedManifest], taken: Mapping[str, Manifest]) -> None:
        """Write manifests by key."""

        def write(keys: Sequence[str]) -> None:
            objects = [(key, _encode(taken[key]), loaded[key].tag) for key in keys]
            for (key, data, _), tag in zip(objects, self._archive.replace_all(objects), strict=True):
                loaded[key].tag = tag if tag is not None else _replace(self._archive, key, data, taken[key].seen)

        await asyncio.gather(
            *(self._writer.call_for_manifest(partial(write, keys)) for keys in self._chunks(list(taken)))
        )

    def _chunks(self, keys: Sequence[str]) -> list[Sequence[str]]:
        """The keys in as many parts as threads are to work on."""
        size = self._archive.batch
        return [keys[first : first + size] for first in range(0, len(keys), size)]

    def _trim(self, partition: _Partition) -> None:
        if len(partition.manifests) <= MANIFESTS_MAX:
            return
        unchanged = (key for key in list(partition.manifests) if key not in partition.changed)
        for key, _ in zip(unchanged, range(len(partition.manifests) - MANIFESTS_MAX * 3 // 4), strict=False):
            del partition.manifests[key]


def _replace(archive: Archive, key: str, data: bytes, seen: int) -> str:
    """Write a manifest that another process has changed, unless it counts at least as much; the tag of what is stored.

    Parameters
    ----------
    seen
        How many offences `data` counts.
    """
    while True:
        found = archive.read_with_tag(key)
        tag = None
        if found is not None:
            tag = found[1]
            try:
                ahead = decode_manifest(found[0]).seen >= seen
            except UNDECODABLE:
                ahead = False
            if ahead:
                return tag
        with suppress(ArchiveChanged):
            return archive.replace(key, data, tag)
