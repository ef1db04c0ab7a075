"""The consumer thread that takes fetched records from aiokafka in folds, without building an object for each record.

aiokafka makes an eleven-field ``ConsumerRecord`` of every record, which costs as much as decoding the event. The
records of its parser have what is needed: offset, timestamp, key, value, headers.
"""

import asyncio
import time
from collections.abc import Collection, Mapping
from typing import Any, cast

import aiokafka.conn
from aiokafka.errors import ConsumerStoppedError, CorruptRecordException
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread
from faust.types import TP

from halt400.errors import Halt400Error
from streams.packed import PackedRecords
from streams.transport.fetch_wait import FETCH_MAX_WAIT_MS, GATHERED_BYTES, GATHERING_WAIT_MS, choose_waits
from streams.transport.packing import KeptRecords

__all__ = ["PARTITION_FETCH_BYTES", "FoldingConsumerThread", "LostRecords", "Records"]


FETCH_BYTES = 2 * 1024 * 1024
PARTITION_FETCH_BYTES = 1024 * 1024
"""One answer, and one partition's part of it; a larger batch comes whole. An answer is copied a few times: one that is
far larger than the processor's cache costs twice as much an event, most of it in page faults."""


class LostRecords(Halt400Error):
    """Records were fetched but never given to an agent."""

    code = "lost_records"


class FoldingConsumerThread(AIOKafkaConsumerThread):
    """The thread that runs the aiokafka consumer; its polls return the parser's records."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._passed: dict[TP, tuple[int, int]] = {}
        self._packed: frozenset[str] = cast(Any, self.transport).packed

    async def on_start(self) -> None:
        """Start the consumer, and watch whether it is a member of its group."""
        await super().on_start()
        choose_waits(cast(Any, self._ensure_consumer())._fetcher)
        cast(Any, self.transport).membership.watch(self._ensure_consumer()._coordinator)

    async def on_thread_stop(self) -> None:
        """Stop the consumer; aiokafka leaves the group where the member has no static name."""
        if self._consumer is not None and cast(Any, self.transport).leaves():
            cast(Any, self._consumer)._coordinator._group_instance_id = None
        await super().on_thread_stop()

    def _create_worker_consumer(self, transport: Any) -> Any:
        """As Faust does, but with small answers, and let the broker delay a fetch without records for 50 ms only.

        `choose_waits` lets it wait longer where that delays nothing; where records are gathered it waits for them.
        """
        # With less, asyncio stops reading the socket, and starts again, for each piece of 256 KiB.
        aiokafka.conn.READER_LIMIT = FETCH_BYTES
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms, consumer._fetch_max_bytes = FETCH_MAX_WAIT_MS, FETCH_BYTES
        if cast(Any, self.transport).gathers:
            consumer._fetch_max_wait_ms, consumer._fetch_min_bytes = GATHERING_WAIT_MS, GATHERED_BYTES
        return consumer

    async def _fetch_records(
        self,
        consumer: Any,
        active_partitions: Any,
        timeout: float | None = None,
        max_records: int | None = None,
    ) -> Any:
        """As ``aiokafka.consumer.fetcher.Fetcher.fetched_records``, batch by batch instead of record by record."""
        if not self.consumer.flow_active:
            return {}
        fetcher = consumer._fetcher
        if consumer._closed or fetcher._closed:
            raise ConsumerStoppedError()
        deadline = time.monotonic() + (timeout or 0.0)
        with fetcher._subscriptions.fetch_context():
            while True:
                if fetcher._subscriptions.reassignment_in_progress:
                    await fetcher._subscriptions.wait_for_assignment()
                drained = _drain(fetcher, active_partitions, max_records or 1, self._passed, self._packed)
                left = deadline - time.monotonic()
                if drained or left <= 0:
                    return drained
                waiter = fetcher._create_fetch_waiter()
                done, pending = await asyncio.wait([waiter], timeout=left)
                for cancelled in pending:
                    cancelled.cancel()
                if not done or fetcher._closed:
                    return {}
                waiter.result()  # raises where the cluster refuses the fetch

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Seek to the committed offset of every partition, to the start of the log where none was committed.

        aiokafka's method of this name leaves such a partition at its position, which is behind the records that were
        read and dropped during a rebalance.
        """
        return cast(Mapping[TP, int], await self.call_thread(self._seek_to_committed, self._ensure_consumer()))

    async def _seek_to_committed(self, consumer: Any) -> Mapping[TP, int | None]:
        committed: Mapping[TP, int | None] = await consumer.seek_to_committed()
        changelogs = self.app.tables.changelog_topics  # the group commits nothing of them
        sources = {tp: offset or 0 for tp, offset in committed.items() if tp.topic not in changelogs}
        beginnings = await consumer.beginning_offsets(list(sources))
        starts = {TP(*tp): max(offset, beginnings[tp]) for tp, offset in sources.items()}
        for tp, offset in sources.items():
            if offset == 0:
                consumer.seek(tp, starts[tp])
        cast(Any, self.consumer).watermarks.set_starts(starts)
        return committed


class Fetched:
    """All records of one partition with offsets in [start, end)."""

    start = 0
    end = 0

    def check_follows(self, end: int | None) -> None:
        """Check that no record is missing between the fold before, which ended at `end`, and this one.

        Raises
        ------
        LostRecords
            Fetched records were dropped. Faust does so, for one, when it pauses a partition whose records are fetched
            but not delivered.
        """
        if end is not None and self.start > end:
            raise LostRecords(
                f"Offsets {end} to {self.start - 1} were fetched and never read.",
                "The worker ends, and they are read again: they were not committed.",
            )


class Records(list[Any], Fetched):
    """One fold: an object for each record."""

    def last(self) -> Any:
        """The last record."""
        return self[-1]


class PackedFold(PackedRecords, Fetched):
    """One fold: record batches."""


def _drain(
    fetcher: Any,
    partitions: Collection[TP] | None,
    wanted: int,
    passed: dict[TP, tuple[int, int]],
    packed: Collection[str] = (),
) -> dict[Any, Any]:
    """Take the fetched records of `partitions`, of all where it is None; those of the topics `packed` as batches.

    `passed` keeps offsets [start, end) without a record, such as a transaction's marker: the next fold starts there.

    Faust passes the set that it goes on changing: it empties it when it pauses all partitions for a rebalance while
    this waits. aiokafka reads an empty set as all partitions; the records that it then returned were dropped.
    """
    drained: dict[Any, Any] = {}
    for tp in list(fetcher._records):
        if partitions is not None and tp not in partitions:
            if not fetcher._subscriptions.is_assigned(tp):
                del fetcher._records[tp]
            continue
        result = fetcher._records[tp]
        if hasattr(result, "check_raise"):
            if drained:
                return drained
            del fetcher._records[tp]
            fetcher._notify(fetcher._wait_consume_future)
            result.check_raise()
            continue
        records = _take(result, tp, wanted, tp.topic in packed)
        if not result.has_more():
            del fetcher._records[tp]
            fetcher._notify(fetcher._wait_consume_future)
        start, end = passed.pop(tp, (records.start, records.start))
        if end == records.start:
            records.start = start
        if not records and records.end > records.start:
            passed[tp] = records.start, records.end
        if records:
            drained[tp] = records
            wanted -= len(records)
            if wanted <= 0:
                break
    return drained


def _take(result: Any, tp: Any, wanted: int, packs: bool = False) -> Any:
    """Take whole batches of one partition's fetch until there are `wanted` records."""
    if not result.check_assignment(tp) or not result.has_more():
        return Records()
    source = result._partition_records
    # Its iterator refers back to it: unused, it would keep each fetch's bytes until the collector's oldest generation
    # is due, which is minutes away.
    source._records_iterator = None
    batches, next_offset = source._records, source.next_fetch_offset
    packs = packs and isinstance(batches, KeptRecords)
    taken: Any = PackedFold() if packs else Records()
    taken.start = next_offset
    while len(taken) < wanted and batches.has_next():
        batch = batches.next_batch()
        if source._check_crcs and not (batches.is_whole(batch) if packs else batch.validate_crc()):
            raise CorruptRecordException(f"Invalid CRC - {tp}")
        if not batch.is_control_batch:
            part = batches.pack(batch, next_offset) if packs else None
            if part is None:
                part = list(batch)
                if part and part[0].offset < next_offset:
                    part = [record for record in part if record.offset >= next_offset]
            taken += part
        next_offset = batch.next_offset
    source.next_fetch_offset = taken.end = next_offset
    result._update_position()
    if not batches.has_next():
        result._partition_records = None
    return taken
