"""The Faust consumer that makes one message of each poll of a partition, and commits watermarks only."""

import asyncio
import weakref
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, cast

from aiokafka.errors import IllegalStateError
from faust.transport.consumer import RecordMap
from faust.transport.drivers.aiokafka import Consumer
from faust.types import TP
from mode.services import WaitResults

from streams.transport.fetcher import FoldingConsumerThread, Records
from streams.transport.first_step import BegunCoroutine
from streams.transport.progress import PartitionProgress
from streams.transport.rebalance_log import RebalanceLog
from streams.transport.watermarks import Watermarks

__all__ = ["Fold", "FoldingConsumer"]

CHECKPOINT_DEADLINE_S = 30.0


class Fold:
    """The records of one poll of one partition as one Kafka message; `value` is the list of records.

    Faust spends 85-150 microseconds on a message, whatever its size, so it gets few of them.
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

    def __init__(self, tp: TP, records: Any) -> None:
        last = records.last()
        self.topic, self.partition, self.offset = tp.topic, tp.partition, records.end - 1
        self.timestamp, self.timestamp_type = last.timestamp, last.timestamp_type
        self.headers, self.key, self.value, self.checksum = (), None, records, None
        self.serialized_key_size = self.serialized_value_size = 0


class FoldingConsumer(Consumer):
    """Reads every topic of the app in folds."""

    def __init__(self, transport: Any, *arguments: Any, **options: Any) -> None:
        self.watermarks: Watermarks = transport.watermarks
        self._latest: dict[TP, tuple[int, weakref.ref[Records]]] = {}
        self._polls = 0
        self._rebalance_log = RebalanceLog()
        super().__init__(transport, *arguments, **options)

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> RecordMap:
        self._polls += 1
        polled = await super()._getmany(active_partitions=active_partitions, timeout=timeout)
        for tp, records in polled.items():
            self._latest[tp] = cast(Records, records).end, weakref.ref(cast(Records, records))
        return {tp: [Fold(tp, cast(Records, records))] for tp, records in polled.items()}

    async def perform_seek(self) -> None:
        """Seek to the committed offsets, and read nothing until the flow is resumed.

        Faust keeps reading during the seek and then clears the agents' queues: records that were in them are lost
        (faust-streaming #216 is the same in apps without tables).
        """
        self.stop_flow()
        await super().perform_seek()

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        """Seek to the offsets of a recovery, unless another rebalance has started: then there are none.

        Raises
        ------
        IllegalStateError
            Faust's recovery takes it as "another rebalance has started"; a missing offset would end the worker.
        """
        if None in partitions.values():
            raise IllegalStateError("Another rebalance started during the recovery.")
        await super().seek_wait(partitions)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Forget which partitions had a full buffer: Faust would deliver their records although they are paused."""
        self._rebalance_log.begin(revoked)
        self._buffered_partitions.difference_update(revoked)
        for tp in revoked:
            self._latest.pop(tp, None)
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Pause every partition before the first await: Faust reads a new partition until it gets to pause it."""
        self._paused_partitions.update(assigned)
        cast(Any, self.transport).membership.joined()
        await super().on_partitions_assigned(assigned, generation_id)
        self._rebalance_log.end(assigned)

    def on_buffer_drop(self, tp: TP) -> None:
        """Resume a partition whose buffer is empty again, unless it is paused: its table has not recovered yet."""
        if tp in self._paused_partitions:
            self._buffered_partitions.discard(tp)
        else:
            super().on_buffer_drop(tp)

    async def wait_first(self, *coros: Any, timeout: Any = None) -> Any:
        """As Faust does, but where a fold can be delivered at once, without four tasks for it.

        Faust awaits the delivery of each message together with the suspension of the flow, for it may have to wait.
        """
        if len(coros) != 2 or not all(map(asyncio.iscoroutine, coros)):
            return await super().wait_first(*coros, timeout=timeout)
        delivery, suspension = coros
        try:
            begun = BegunCoroutine(delivery)
        except BaseException:
            suspension.close()
            raise
        if not begun.ended:
            return await super().wait_first(begun.finish(), suspension, timeout=timeout)
        suspension.close()
        await asyncio.sleep(0)  # the agent has its turn before the next fold is delivered
        return WaitResults([delivery], [begun.result], False)

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Let Faust log slow partitions; its check would end the worker where a partition has no position."""
        with suppress(AssertionError):
            super().verify_event_path(now, tp)

    def _new_consumer_thread(self) -> FoldingConsumerThread:
        return FoldingConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Do nothing: Faust's `_drain_messages` takes the offsets inside a fold for a gap in the log."""

    def ack(self, message: Any) -> bool:
        """Mark a fold as seen; the offset to commit is the watermark (faust-streaming #596 and #606)."""
        message.acked = True
        self._unacked_messages.discard(message)
        return True

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        for tp in self.watermarks.partitions():
            if topics is None or tp in topics or tp.topic in topics:
                yield tp

    def _new_offset(self, tp: TP) -> int | None:
        return self.watermarks.of(tp)

    def unfetched(self, topic: str) -> int:
        """Number of records on the assigned partitions of `topic` that were not fetched yet."""
        subscription = self._thread._ensure_consumer()._subscription.subscription
        assignment = subscription.assignment if subscription is not None else None
        if assignment is None:
            return 0
        count = 0
        for tp in assignment.tps:
            state = assignment.state_value(tp)
            if tp.topic == topic and state is not None and state.has_valid_position and state.highwater is not None:
                count += state.highwater - state.position
        return count

    @property
    def polls(self) -> int:
        """Number of polls; it does not rise while the queues of the agents are full."""
        return self._polls

    def progress(self, topics: Collection[str], applied: Callable[[TP], int | None]) -> dict[TP, PartitionProgress]:
        """How far each assigned partition of some topics was read and applied.

        Parameters
        ----------
        applied
            ``applied(tp)``: the offset up to which a partition's records were applied, None before the first.
        """
        consumer = self._thread._ensure_consumer()
        subscription, fetched = consumer._subscription.subscription, consumer._fetcher._records
        assignment = subscription.assignment if subscription is not None else None
        found: dict[TP, PartitionProgress] = {}
        if assignment is None:
            return found
        for tp in assignment.tps:
            if tp.topic not in topics:
                continue
            state, done = assignment.state_value(tp), applied(tp)
            handed, fold = self._latest.get(tp, (None, None))
            found[TP(*tp)] = PartitionProgress(
                position=state._position,
                end=state.highwater,
                handed=handed,
                applied=done,
                waits=(fold is not None and fold() is not None and (done is None or done < (handed or 0)))
                or (tp in fetched and tp in self._active_partitions)
                or tp in self._buffered_partitions
                or consumer._client.cluster.leader_for_partition(tp) in (None, -1),
            )
        return found

    def pause_fetching(self, tps: Iterable[TP]) -> None:
        """Stop fetching partitions until `resume_fetching`; records that were fetched before still arrive.

        Faust's `pause_partitions` drops such records, and the offset of a later fold would be committed.
        """
        for tp in tps:
            self.on_buffer_full(tp)

    def resume_fetching(self, tps: Iterable[TP]) -> None:
        """Fetch partitions again."""
        for tp in tps:
            self.on_buffer_drop(tp)

    async def wait_empty(self) -> None:
        """Run the checkpoints, then commit: before a rebalance and before the worker stops.

        Faust waits until the messages are acknowledged; acknowledgements mean nothing here. After a failure the thread
        that would commit has ended: what was not committed is read again.
        """
        if self._thread.crashed:
            return
        try:
            membership = cast(Any, self.transport).membership
            await asyncio.wait_for(membership.while_sure(self.watermarks.checkpoint()), CHECKPOINT_DEADLINE_S)
        except TimeoutError:
            self.log.warning(
                "The checkpoint was not done within %s s: its records are read again.", CHECKPOINT_DEADLINE_S
            )
        await self.commit_and_end_transactions()
