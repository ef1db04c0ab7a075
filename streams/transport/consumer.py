"""A Faust consumer that folds each poll into one message per partition, and commits durable watermarks only."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from faust.transport.consumer import RecordMap
from faust.transport.drivers.aiokafka import Consumer
from faust.types import TP

from streams.transport.durability import Durability
from streams.transport.fetching import FoldingConsumerThread, Records

__all__ = ["Fold", "FoldingConsumer"]

SETTLE_DEADLINE_S = 30.0


class Fold:
    """The records of one poll of one partition, in the shape of the last of them; `value` is the list of records.

    Faust spends 85-150 microseconds on each message, whatever it holds; so it is given few.
    """

    __slots__ = (
        "checksum",
        "headers",
        "key",
        "offset",
        "partition",
        "serialized_key_size",
        "serialized_value_size",
        "timestamp",
        "timestamp_type",
        "topic",
        "value",
    )

    def __init__(self, tp: TP, records: Records) -> None:
        last = records[-1]
        self.topic, self.partition, self.offset = tp.topic, tp.partition, records.end - 1
        self.timestamp, self.timestamp_type = last.timestamp, last.timestamp_type
        self.headers, self.key, self.value, self.checksum = (), None, records, None
        self.serialized_key_size = self.serialized_value_size = 0


class FoldingConsumer(Consumer):
    """Folds every topic of the app."""

    def __init__(self, transport: Any, *arguments: Any, **options: Any) -> None:
        self.durability: Durability = transport.durability
        super().__init__(transport, *arguments, **options)

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> RecordMap:
        polled = await super()._getmany(active_partitions=active_partitions, timeout=timeout)
        return {tp: [Fold(tp, cast(Records, records))] for tp, records in polled.items()}

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Go to the committed offsets, 0 among them: aiokafka's method of this name passes over it."""
        committed = await super().seek_to_committed()
        for tp, offset in committed.items():
            if offset == 0:
                await self.seek(tp, 0)
        return committed

    def _new_consumer_thread(self) -> FoldingConsumerThread:
        return FoldingConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Keep the offsets inside a fold from being taken for a gap in the log (faust-streaming `_drain_messages`)."""

    def ack(self, message: Any) -> bool:
        """Mark a fold as seen; what is committed comes from the watermark (upstream #596 and #606)."""
        message.acked = True
        self._unacked_messages.discard(message)
        return True

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        for tp in self.durability.partitions():
            if topics is None or tp in topics or tp.topic in topics:
                yield tp

    def _new_offset(self, tp: TP) -> int | None:
        return self.durability.watermark(tp)

    def positions(self, topic: str) -> dict[int, tuple[int, int]]:
        """How far each assigned partition of `topic` was fetched, and its log end: partition -> (position, end)."""
        fetched: dict[int, tuple[int, int]] = {}
        subscription = self._thread._ensure_consumer()._subscription.subscription
        assignment = subscription.assignment if subscription is not None else None
        if assignment is None:
            return fetched
        for tp in assignment.tps:
            state = assignment.state_value(tp)
            if tp.topic == topic and state is not None and state.has_valid_position and state.highwater is not None:
                fetched[tp.partition] = (state.position, state.highwater)
        return fetched

    def hold_back(self, tps: Iterable[TP]) -> None:
        """Stop fetching some partitions until `let_go`; what is on its way still arrives.

        Not Faust's `pause_partitions`: that drops what is on its way, and a later fold's offset would be committed.
        """
        for tp in tps:
            self.on_buffer_full(tp)

    def let_go(self, tps: Iterable[TP]) -> None:
        """Fetch them again."""
        for tp in tps:
            self.on_buffer_drop(tp)

    async def wait_empty(self) -> None:
        """Make durable what was read, then commit it: before a rebalance and before the end."""
        try:
            await asyncio.wait_for(self.durability.settle(), SETTLE_DEADLINE_S)
        except TimeoutError:
            self.log.warning("No acknowledgement within %s s: what is open is read again.", SETTLE_DEADLINE_S)
        await self.commit_and_end_transactions()
