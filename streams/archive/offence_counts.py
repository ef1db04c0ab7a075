"""Counts the offences of the partitions that this process holds, exactly: over crashes, rebalances and redelivery.

The counts of one target and date are a manifest in the archive, and the manifest is their durable form: it says up to
which source it counts. An offset of `offences` is committed only when (1) the evidence of all that lies below it is in
the archive, and then (2) every manifest that counts it. Whoever reads on from there reads the manifest first, and
passes over what it includes. A manifest is replaced only as it was last seen, so that a process which was taken for
dead cannot put back an older one.
"""

import asyncio
import logging
import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
from faust.types import TP

from halt400.errors import ArchiveError
from halt400.records import Source
from streams.archive.interface import Archive, ArchiveChanged
from streams.archive.object_names import day_of, manifest_key
from streams.archive.sampling import Manifest, OffenceSampler, decode_manifest
from streams.archive.writer import ArchiveWriter
from streams.transport.ordered_completion import Advances

__all__ = ["Counted", "OffenceCounts"]

log = logging.getLogger("halt400.archive")

MANIFESTS_MAX = 20_000
"""Manifests of one partition that stay in memory once they are written; one that is missed is read again."""
DRAIN_S = 3.0
SHARE_OF_TIME = 0.2
"""At most this share of the time goes into manifests: where they are many or the store is slow, they are rarer."""
LONGEST_REST_S = 15.0

_encode = msgspec.json.Encoder().encode


class Counted(NamedTuple):
    """What is counted of one offence."""

    source: Source
    target: str
    time_ms: int
    signature: str
    always: bool


class _Held:
    """One manifest in memory; `tag` is what the archive gave for the object that was last seen there."""

    __slots__ = ("sampler", "tag")

    def __init__(self, sampler: OffenceSampler, tag: str | None) -> None:
        self.sampler, self.tag = sampler, tag


class _Partition:
    def __init__(self) -> None:
        self.held: dict[str, _Held] = {}
        self.changed: set[str] = set()
        self.counted = self.archived = self.advanced = -1
        self.ours = True
        self.turn = asyncio.Lock()
        self.progress = asyncio.Event()

    async def until_archived(self, end: int) -> bool:
        """Wait for the evidence below `end`; whether it is still ours to count it."""
        while self.ours and self.archived < end:
            self.progress.clear()
            await self.progress.wait()
        return self.ours

    def drop(self) -> None:
        self.ours = False
        self.progress.set()


class OffenceCounts:
    """Decides which evidence is kept, and writes the manifests.

    Parameters
    ----------
    storm_keep
        See `streams.archive.sampling.keep`; None keeps every one.
    watermarks
        Gets the offsets that may be committed.

    Attributes
    ----------
    rest_s
        How long to leave the archive alone before the next flush, after the time that the last one took.
    """

    def __init__(
        self, archive: Archive, writer: ArchiveWriter, watermarks: Advances, *, storm_keep: int | None = None
    ) -> None:
        self._archive, self._writer, self._watermarks = archive, writer, watermarks
        self._storm_keep = storm_keep
        self._partitions: dict[TP, _Partition] = {}
        self._flushing = asyncio.Lock()
        self.rest_s = 0.0

    async def choose(self, tp: TP, end: int, offences: Sequence[Counted]) -> list[bool]:
        """Count the offences of one fold; for each whether its evidence is to be written.

        Folds of a partition are counted in the order of the calls. One that was counted before is not written again.

        Parameters
        ----------
        end
            One behind the fold's last offset.
        """
        partition = self._partitions.setdefault(tp, _Partition())
        async with partition.turn:
            keys = [manifest_key(one.target, one.time_ms, tp.topic, tp.partition) for one in offences]
            missing = {key: one for key, one in zip(keys, offences, strict=True) if key not in partition.held}
            read = await asyncio.gather(*(self._read(key, one) for key, one in missing.items()))
            # From here to the end nothing is awaited: a manifest includes a fold whole or not at all.
            partition.held |= zip(missing, read, strict=True)
            kept = []
            for key, one in zip(keys, offences, strict=True):
                decision = partition.held[key].sampler.count(one.source, one.signature, one.time_ms, always=one.always)
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
            partition.archived = max(partition.archived, offset)
            partition.progress.set()

    def drop(self, revoked: Iterable[TP]) -> None:
        """Forget partitions that are no longer ours."""
        for tp in revoked:
            partition = self._partitions.pop(tp, None)
            if partition is not None:
                partition.drop()

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
        """Give the manifests a moment to be written; what is not is counted again by whoever reads it next."""
        try:
            await asyncio.wait_for(self.flush(), DRAIN_S)
        except ArchiveError as error:
            log.warning("%s What is not counted in its manifests is read again.", error)
        except TimeoutError:
            log.info("The archive is slow: what is not counted in its manifests is read again.")

    async def _flush(self, tp: TP, partition: _Partition) -> None:
        end, changed = partition.counted, partition.changed
        if end <= partition.advanced:
            return
        partition.changed = set()
        taken = [(key, partition.held[key], partition.held[key].sampler.manifest()) for key in sorted(changed)]
        try:
            if not await partition.until_archived(end):
                return
            started = time.monotonic()
            await asyncio.gather(*(self._write(key, held, manifest) for key, held, manifest in taken))
            rest_s = (time.monotonic() - started) * (1 / SHARE_OF_TIME - 1)
            self.rest_s = min(LONGEST_REST_S, max(self.rest_s, rest_s))
        except BaseException:
            partition.changed |= changed
            raise
        if partition.ours:
            partition.advanced = end
            self._watermarks.advance(tp, end)

    async def _read(self, key: str, one: Counted) -> _Held:
        found = await self._writer.call_for_manifest(lambda: self._archive.read_with_tag(key))
        manifest, tag = Manifest(target=one.target, date=day_of(one.time_ms)), None
        if found is not None:
            data, tag = found
            try:
                manifest = decode_manifest(data)
            except msgspec.DecodeError as error:
                log.warning("%s is no manifest (%s): counting begins anew there.", self._archive.uri(key), error)
        return _Held(OffenceSampler(manifest, storm_keep=self._storm_keep), tag)

    async def _write(self, key: str, held: _Held, manifest: Manifest) -> None:
        held.tag = await self._writer.call_for_manifest(lambda: _replace(self._archive, key, manifest, held.tag))

    def _trim(self, partition: _Partition) -> None:
        if len(partition.held) <= MANIFESTS_MAX:
            return
        spare = (key for key in list(partition.held) if key not in partition.changed)
        for key, _ in zip(spare, range(len(partition.held) - MANIFESTS_MAX * 3 // 4), strict=False):
            del partition.held[key]


def _replace(archive: Archive, key: str, manifest: Manifest, tag: str | None) -> str:
    """Write a manifest unless the archive has one that counts more; the tag of what stands there."""
    data = _encode(manifest)
    while True:
        try:
            return archive.replace(key, data, tag)
        except ArchiveChanged:
            found = archive.read_with_tag(key)
            tag = None
            if found is not None:
                tag = found[1]
                try:
                    ahead = decode_manifest(found[0]).seen >= manifest.seen
                except msgspec.DecodeError:
                    ahead = False
                if ahead:
                    return tag
