"""Counts and evidence agree on every store, at whatever moment a process dies."""

import asyncio
import random
from collections import Counter

import msgspec
import pytest
from faust.types import TP

from halt400.records import Fingerprints, Offence
from streams.archive import Archive, ArchiveWriter
from streams.archive.expected import ExpectedArchive
from streams.archive.object_names import MANIFEST, manifest_key, object_key
from streams.archive.offence_archiver import OffenceArchiver
from streams.archive.offence_counts import OffenceCounts
from streams.archive.sampling import Manifest, decode_manifest, is_kept
from streams.transport import Records, Watermarks
from streams.transport.ordered_completion import OrderedCompletion
from tests.archive.offences import OffenceRecord, key_of, offence, redactor

TOPIC = TP("halt400.offences", 3)
STORM_KEEP = 3


def one(number: int, signature: str = "aa" * 16, target: str = "api.shop.example", *, opens: bool = False) -> Offence:
    found = offence(number, target=target)
    return msgspec.structs.replace(
        found, fingerprints=Fingerprints(request="ab" * 16, signature=signature), opens=opens
    )


class Process:
    """The archive part of one follow-up process; `die` ends it at once and leaves everything as it is."""

    def __init__(self, archive: Archive, storm_keep: int | None = STORM_KEEP) -> None:
        self.writer = ArchiveWriter(archive, parallel=4)
        self.watermarks, self.errors = Watermarks(), list[BaseException]()
        self.counts = OffenceCounts(archive, self.writer, self.watermarks, storm_keep=storm_keep)
        self.archiver = OffenceArchiver(self.writer, redactor, self.counts)

        async def fail(error: BaseException) -> None:
            self.errors.append(error)

        self.completion = OrderedCompletion(
            self.counts,
            capacity=10_000,
            pause=lambda _: None,
            resume=lambda _: None,
            on_failure=fail,
            start_of=lambda _: None,
        )

    def read(self, log: list[OffenceRecord], start: int, end: int) -> None:
        records = Records(log[start:end])
        records.start, records.end = start, end
        self.completion.add(TOPIC, records, self.archiver.archive(TOPIC, end, records))

    @property
    def committed(self) -> int:
        return self.watermarks.of(TOPIC) or 0

    async def settle(self) -> None:
        await self.completion.drain()
        await self.counts.flush()

    async def die(self) -> None:
        self.completion.drop({TOPIC})
        self.counts.drop({TOPIC})
        await self.writer.stop()


def manifests(archive: Archive) -> dict[str, Manifest]:
    return {key: decode_manifest(archive.read(key)) for key in archive.keys("") if key.endswith(MANIFEST)}


async def test_a_storm_is_kept_in_part_and_its_manifest_counts_all_of_it(archive: Archive) -> None:
    log = [OffenceRecord(number, one(number, opens=number == 90)) for number in range(100)]
    process = Process(archive)
    for start in range(0, 100, 10):
        process.read(log, start, start + 10)
    await process.settle()
    assert process.committed == 100
    await process.die()
    ((key, manifest),) = manifests(archive).items()
    assert key == manifest_key("api.shop.example", offence().event.time, *TOPIC)
    wanted = {number for number in range(100) if is_kept(number + 1, STORM_KEEP) or number == 90}
    assert {k for k in archive.keys("") if k != key} == {
        object_key(one(number).source, "api.shop.example", offence().event.time) for number in wanted
    }
    assert (manifest.seen, manifest.kept, manifest.date) == (100, len(wanted), "2025-10-09")
    assert [(count.signature, count.seen, count.kept) for count in manifest.signatures] == [
        ("aa" * 16, 100, len(wanted))
    ]


async def test_without_sampling_every_offence_is_kept_and_counted(archive: Archive) -> None:
    log = [OffenceRecord(number, one(number)) for number in range(30)]
    process = Process(archive, storm_keep=None)
    process.read(log, 0, 30)
    await process.settle()
    await process.die()
    (manifest,) = manifests(archive).values()
    assert (manifest.seen, manifest.kept) == (30, 30)
    assert sum(1 for _ in archive.keys("")) == 31


@pytest.mark.parametrize("seed", range(3))
async def test_processes_that_die_at_any_moment_leave_exact_counts(archive: Archive, seed: int) -> None:
    """Each reads on from what was committed; some offences are in the log twice, as after a crash of detection."""
    draw = random.Random(seed)
    offences = [
        one(number, f"{draw.choice('abc')}{0:031d}", f"t{draw.randrange(3)}.example", opens=draw.random() < 0.02)
        for number in range(300)
    ]
    repeated = [*offences[:120], *offences[70:120], *offences[120:]]
    log = [OffenceRecord(offset, found) for offset, found in enumerate(repeated)]
    committed = 0
    while committed < len(log):
        process, at = Process(archive), committed
        flushing = []
        for _ in range(draw.randint(1, 6)):
            end = min(len(log), at + draw.randint(1, 60))
            process.read(log, at, end)
            at = end
            for _ in range(draw.randrange(3)):
                await asyncio.sleep(0)
            if draw.random() < 0.6:
                flushing.append(asyncio.create_task(process.counts.flush()))
        if draw.random() < 0.5:
            await process.settle()
        elif flushing and draw.random() < 0.5:
            await asyncio.wait(flushing, return_when=asyncio.FIRST_COMPLETED)
        assert process.committed >= committed or process.committed == 0
        committed = max(committed, process.committed)
        await process.die()
        for task in flushing:
            task.cancel()
        await asyncio.gather(*flushing, return_exceptions=True)
        assert not process.errors
    expected, objects = ExpectedArchive(TOPIC.topic, storm_keep=STORM_KEEP), set()
    for found in offences:
        _, kept = expected.add(TOPIC.partition, found)
        if kept:
            objects.add(key_of(found))
    assert manifests(archive) == {key: sampler.manifest() for key, sampler in expected.samplers.items()}
    assert {key for key in archive.keys("") if not key.endswith(MANIFEST)} == objects


async def test_a_stale_member_cannot_write_back_an_older_count(archive: Archive) -> None:
    log = [OffenceRecord(number, one(number)) for number in range(60)]
    stale = Process(archive)
    stale.read(log, 0, 20)
    await stale.settle()
    stale.read(log, 20, 30)
    # It hangs here; its partition goes to another, which reads on from what was committed.
    successor = Process(archive)
    successor.read(log, 20, 60)
    await successor.settle()
    await stale.settle()
    (manifest,) = manifests(archive).values()
    assert manifest.seen == 60
    successor.read([*log, OffenceRecord(60, one(60, "bb" * 16))], 60, 61)
    await successor.settle()
    (manifest,) = manifests(archive).values()
    assert Counter({count.signature: count.seen for count in manifest.signatures}) == {"aa" * 16: 60, "bb" * 16: 1}
    await stale.die()
    await successor.die()


async def test_nothing_is_committed_before_its_manifest_is_written(archive: Archive) -> None:
    process = Process(archive)
    process.read([OffenceRecord(0, one(0))], 0, 1)
    while not process.writer.written:  # noqa: ASYNC110 - another thread writes
        await asyncio.sleep(0.01)
    assert process.committed == 0
    await process.counts.drain()
    assert process.committed == 1
    await process.die()


async def test_a_manifest_that_cannot_be_read_hides_nothing(archive: Archive, caplog: pytest.LogCaptureFixture) -> None:
    key = manifest_key("api.shop.example", offence().event.time, *TOPIC)
    archive.write(key, b"{")
    process = Process(archive)
    process.read([OffenceRecord(0, one(0))], 0, 1)
    await process.settle()
    await process.die()
    assert "its counts begin again at 0" in caplog.text
    assert manifests(archive)[key].seen == 1
