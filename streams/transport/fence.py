"""The fence: what was given to the producer is not sent once the partitions may be another worker's.

A record that its process gave to the producer as a member may still be there when the process is one no more: behind
a request of which the answer is lost, or because the process was stopped. Sent then, it would come after what the next
owner of the partitions has written. So membership is checked again where a request is about to be written, with
nothing awaited between; while it is not sure everything waits, and what was given before the group gave out its
partitions again is never sent: their owner reads again what it followed from. Requests that are on their way when
membership ends are taken back: their connections are reset, so that the kernel does not go on trying to deliver them.

aiokafka's producer is a queue of batches for each partition (`MessageAccumulator`) and a loop that takes them and sends
requests (`Sender`). Both are extended here.
"""

import asyncio
import logging
import socket
import struct
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from aiokafka.producer.message_accumulator import MessageAccumulator, MessageBatch
from aiokafka.producer.sender import Sender, SendProduceReqHandler
from aiokafka.producer.transaction_manager import (
    NO_PRODUCER_EPOCH,
    NO_PRODUCER_ID,
    PidAndEpoch,
    TransactionManager,
)
from aiokafka.util import create_future

from halt400.errors import Halt400Error
from streams.transport.membership import Membership

__all__ = ["Fence", "StaleSend"]

RESET = struct.pack("ii", 1, 0)
"""Value of ``SO_LINGER``: close at once, and drop what was not delivered."""

log = logging.getLogger("halt400.worker")


class StaleSend(Halt400Error):
    """A record was given to the producer before its partition moved, and was not sent."""

    code = "stale_send"


class Fence:
    """Puts the fence around one idempotent aiokafka producer, which has not started yet.

    Parameters
    ----------
    producer
        Its accumulator and its sender are replaced.
    membership
        Nothing is sent while it is not sure.
    """

    def __init__(self, producer: Any, membership: Membership) -> None:
        self.membership = membership
        self.is_closing = False
        self._client = producer.client
        self._accumulator = producer._message_accumulator = _Accumulator(producer._message_accumulator, self)
        producer._sender = _Sender(producer._sender, self._accumulator, self)
        self._watching: asyncio.Task[None] | None = None
        membership.on_join(self._joined)

    def start(self) -> None:
        """Watch the membership from here on."""
        self._watching = asyncio.ensure_future(self._watch())

    def close(self) -> None:
        """Give up what cannot be sent: nobody will make the membership sure again."""
        self.is_closing = True
        if not self.membership.is_sure:
            self._accumulator.give_up()

    async def stop(self) -> None:
        """Stop watching."""
        if self._watching is not None:
            self._watching.cancel()
            with suppress(asyncio.CancelledError):
                await self._watching

    def lets_pass(self, batches: Mapping[Any, Any]) -> bool:
        """Whether a request with these batches may be written now."""
        return self.membership.is_sure and not any(map(self.is_stale, batches.values()))

    def is_stale(self, batch: Any) -> bool:
        """Whether a batch was given before the group gave out its partitions again, or can never be sent."""
        return batch.joins != self.membership.joins or (self.is_closing and not self.membership.is_sure)

    async def _watch(self) -> None:
        while True:
            await self.membership.wait()
            self._accumulator.wake()
            await self.membership.wait_unsure()
            self._take_back()
            if self.is_closing:
                self._accumulator.give_up()

    def _joined(self) -> None:
        self._take_back()
        self._accumulator.give_up()

    def _take_back(self) -> None:
        """Reset the connections on which requests wait for answers: what the kernel holds of them is dropped."""
        for connection in list(self._client._conns.values()):
            if not connection._requests or connection._writer is None:
                continue
            transport = connection._writer.transport
            with suppress(OSError):
                transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            transport.abort()
            connection.close()


class _Accumulator(MessageAccumulator):  # type: ignore[misc]
    """The batches that wait; none is taken while membership is not sure, and none that is stale."""

    _waiter_future: Any

    def __init__(self, plain: MessageAccumulator, fence: Fence) -> None:
        super().__init__(
            plain._cluster,
            plain._batch_size,
            plain._compression_type,
            plain._batch_ttl,
            txn_manager=plain._txn_manager,
            loop=plain._loop,
            linger_ms=plain._linger_time * 1000,
        )
        self._fence = fence
        self._has_gap = False

    def drain_by_nodes(self, ignore_nodes: Any, muted_partitions: Any = frozenset()) -> Any:
        if self._has_gap:
            self._has_gap = False
            _forget_producer_id(self._txn_manager)
            self.wake()
            return {}, False
        if not self._fence.membership.is_sure:
            if self._waiter_future.done():
                self._waiter_future = self._loop.create_future()
            return {}, False
        return super().drain_by_nodes(ignore_nodes, muted_partitions)

    def reenqueue(self, batch: Any) -> None:
        if self._fence.is_stale(batch):
            self._fail([batch])
        else:
            super().reenqueue(batch)

    def wake(self) -> None:
        """Let the sender look again."""
        self._wakeup(self._waiter_future)

    def give_up(self) -> None:
        """Fail the batches that wait and are stale; those that are being sent fail where they would be tried again."""
        stale = [batch for batches in self._batches.values() for batch in batches if self._fence.is_stale(batch)]
        for batch in stale:
            self._batches[batch.tp].remove(batch)
            if batch.retry_count:
                self._pending_batches.add(batch)  # where aiokafka takes it from when it is done
            if not self._batches[batch.tp]:
                del self._batches[batch.tp]
        self._fail(stale)

    def _fail(self, batches: list[Any]) -> None:
        for batch in batches:
            # A sequence number that was given and is not sent would end the producer: it goes on with another id.
            self._has_gap |= batch.retry_count > 0
            batch.failure(_error(batch))
            for future in (batch.future, batch._drain_waiter, *(future for future, _ in batch._msg_futures)):
                if future.done() and not future.cancelled():
                    future.exception()  # whoever waits for it gets it; often nobody does any more
        if batches:
            count = sum(batch.record_count for batch in batches)
            log.warning("%s records were not sent: the partitions that they followed from have moved.", count)
            self.wake()

    def _append_batch(self, builder: Any, tp: Any) -> MessageBatch:
        batch = super()._append_batch(builder, tp)
        batch.joins = self._fence.membership.joins
        return batch


class _Sender(Sender):  # type: ignore[misc]
    """Sends each request by way of the fence."""

    def __init__(self, plain: Sender, accumulator: _Accumulator, fence: Fence) -> None:
        super().__init__(
            plain.client,
            acks=plain._acks,
            txn_manager=plain._txn_manager,
            message_accumulator=accumulator,
            retry_backoff_ms=plain._retry_backoff * 1000,
            request_timeout_ms=plain._request_timeout_ms,
        )
        self.fence = fence

    async def _send_produce_req(self, node_id: Any, batches: Any) -> None:
        await _ProduceRequest(self, batches).do(node_id)
        self._in_flight.remove(node_id)
        self._muted_partitions.difference_update(batches)


class _ProduceRequest(SendProduceReqHandler):  # type: ignore[misc]
    """One request; it is written when the fence lets it pass at that moment, or its batches go back."""

    async def do(self, node_id: Any) -> None:
        for batch in self._batches.values():
            batch.get_data_buffer()  # It has its sequence: a record that is added while it waits would have none.
        # With a connection nothing is awaited between the check and the write.
        if await self._client.ready(node_id) and self._sender.fence.lets_pass(self._batches):
            await super().do(node_id)
            return
        await asyncio.sleep(self._default_backoff)
        for batch in self._batches.values():
            self._sender._message_accumulator.reenqueue(batch)
        await self._client._maybe_wait_metadata()


def _forget_producer_id(transactions: TransactionManager) -> None:
    """Let the sender ask for another id: the sequences of its partitions begin again at 0."""
    transactions._pid_and_epoch = PidAndEpoch(NO_PRODUCER_ID, NO_PRODUCER_EPOCH)
    transactions._pid_waiter = create_future()
    transactions._sequence_numbers.clear()


def _error(batch: Any) -> StaleSend:
    return StaleSend(
        f"{batch.record_count} records for {batch.tp.topic}-{batch.tp.partition} were not sent: the partitions of this "
        "process have moved since.",
        "Their owner reads again what they followed from; nothing is lost.",
    )
