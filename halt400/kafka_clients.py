"""What we need of aiokafka's clients and they keep private (all aiokafka 0.14); touched here and nowhere else.

They are closed within seconds, whatever state their broker is in. Their own ``stop`` waits for everything pending, for
ever where the broker does not come back; when it is cancelled it leaves tasks behind; and a consumer's may end in a
``CancelledError`` that nobody asked for, which would end the task that called it.
"""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from halt400.errors import BrokerUnavailable

__all__ = ["close_consumer", "close_producer", "load_partitions"]

_DEADLINE_S = 2.0


async def close_producer(producer: AIOKafkaProducer) -> None:
    """Close the connections and fail what was not acknowledged; flush before where that matters."""
    sender, accumulator = producer._sender, producer._message_accumulator
    producer._closed = True
    await _run(producer.client.close())
    task = sender.sender_task if sender is not None else None
    if task is not None:
        await _cancel(task)
    # A batch that waits for its retry is in no set of the accumulator's, and its callback takes it out of this one.
    accumulator._pending_batches.update(batch for batches in accumulator._batches.values() for batch in batches)
    accumulator.fail_all(BrokerUnavailable("The connection was given up."))


async def close_consumer(consumer: AIOKafkaConsumer) -> None:
    """Stop the consumer's tasks and close its connections."""
    await _run(consumer.stop())
    await _run(consumer._client.close())


async def load_partitions(consumer: AIOKafkaConsumer, topic: str) -> int:
    """Ask for the topic's metadata, which is fresh from then on, and return its number of partitions."""
    await consumer._client.set_topics([topic])
    return len(consumer.partitions_for_topic(topic) or ())


async def _run(work: Coroutine[Any, Any, None]) -> None:
    """Run `work` to its end or its deadline; its failure is no concern of the one who gives the client up."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait([task], timeout=_DEADLINE_S)
    finally:
        await _cancel(task)


async def _cancel(task: asyncio.Future[None]) -> None:
    while not task.done():
        # A task that waits for an inner one passes the cancellation on; hence more than one may be needed.
        task.cancel()
        await asyncio.wait([task], timeout=0.1)
    with suppress(BaseException):
        task.result()
