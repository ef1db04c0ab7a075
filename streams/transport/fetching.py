"""Take fetched records from aiokafka as they come off the wire, without an object of its own for each.

aiokafka builds an eleven-field ``ConsumerRecord`` for every record, which costs as much as decoding the event. The
records of its parser have what is needed: offset, timestamp, key, value, headers.
"""

import asyncio
import time
from collections.abc import Collection
from typing import Any

from aiokafka.errors import ConsumerStoppedError, CorruptRecordException
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread
from faust.types import TP

from halt400.errors import Halt400Error

__all__ = ["FoldingConsumerThread", "LostRecords", "Records"]


class LostRecords(Halt400Error):
    """Records were fetched and never handed to an agent."""

    code = "lost_records"


class FoldingConsumerThread(AIOKafkaConsumerThread):
    """The thread that holds the aiokafka consumer; its polls give the parser's records."""

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
                drained = _drain(fetcher, active_partitions, max_records or 1)
                left = deadline - time.monotonic()
                if drained or left <= 0:
                    return drained
                waiter = fetcher._create_fetch_waiter()
                done, pending = await asyncio.wait([waiter], timeout=left)
                for cancelled in pending:
                    cancelled.cancel()
                if not done or fetcher._closed:
                    return {}
                waiter.result()  # raises where the cluster refuses us


class Records(list[Any]):
    """Records of one partition: all that lie in the offsets [start, end)."""

    start = 0
    end = 0

    def check_follows(self, end: int | None) -> None:
        """Make sure that nothing lies between what was read before, up to `end`, and this.

        Raises
        ------
        LostRecords
            Something fetched was never handed on. Faust does so, for one, when a partition is paused while its records
            are on their way.
        """
        if end is not None and self.start > end:
            raise LostRecords(
                f"Offsets {end} to {self.start - 1} were fetched and never read.",
                "The worker ends, and they are read again; nothing of them was committed.",
            )


def _drain(fetcher: Any, partitions: Collection[TP] | None, wanted: int) -> dict[Any, Records]:
    drained: dict[Any, Records] = {}
    for tp in list(fetcher._records):
        if partitions and tp not in partitions:
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
        records = _take(result, tp, wanted)
        if not result.has_more():
            del fetcher._records[tp]
            fetcher._notify(fetcher._wait_consume_future)
        if records:
            drained[tp] = records
            wanted -= len(records)
            if wanted <= 0:
                break
    return drained


def _take(result: Any, tp: Any, wanted: int) -> Records:
    """Take whole batches of one partition's fetch until there are `wanted` records."""
    if not result.check_assignment(tp) or not result.has_more():
        return Records()
    source = result._partition_records
    batches, next_offset = source._records, source.next_fetch_offset
    taken = Records()
    taken.start = next_offset
    while len(taken) < wanted and batches.has_next():
        batch = batches.next_batch()
        if source._check_crcs and not batch.validate_crc():
            raise CorruptRecordException(f"Invalid CRC - {tp}")
        if not batch.is_control_batch:
            records = list(batch)
            if records and records[0].offset < next_offset:
                records = [record for record in records if record.offset >= next_offset]
            taken += records
        next_offset = batch.next_offset
    source.next_fetch_offset = taken.end = next_offset
    result._update_position()
    if not batches.has_next():
        result._partition_records = None
    return taken
