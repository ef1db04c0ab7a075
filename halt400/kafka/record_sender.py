"""Small records that matter one by one: sent, and acknowledged by every replica; connected when the first is sent."""

import asyncio
from collections.abc import Iterable
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from halt400.errors import BrokerUnavailable
from halt400.kafka.clients import close_producer, closed_on_failure
from halt400.kafka.connection import KafkaConnection

__all__ = ["RecordSender"]


class RecordSender:
    """A producer for operations, reports and the like; response events have `halt400.publisher.Publisher`.

    Parameters
    ----------
    kafka
        The connection, or Kafka's addresses: ``host:port,host:port``.
    deadline_s
        Seconds after which what the broker did not take is given up.
    """

    def __init__(self, kafka: str | KafkaConnection, *, deadline_s: float = 10.0) -> None:
        self._kafka, self._deadline_s = KafkaConnection.of(kafka), deadline_s
        self._options: dict[str, Any] = {
            "client_id": "halt400-operations",
            "acks": "all",
            "enable_idempotence": True,
            **self._kafka.client_options(),
        }
        self._producer: AIOKafkaProducer | None = None
        self._connecting = asyncio.Lock()

    async def send(self, topic: str, records: Iterable[tuple[bytes, bytes]]) -> None:
        """Send (key, value) pairs; returns when the broker has all of them.

        Raises
        ------
        BrokerUnavailable
            The broker did not take them in time; it may have some.
        """
        try:
            async with asyncio.timeout(self._deadline_s):
                producer = await self._connected()
                await asyncio.gather(*[await producer.send(topic, value, key=key) for key, value in records])
        except (TimeoutError, KafkaError, OSError) as error:
            raise BrokerUnavailable(f"{topic} did not take it ({error or 'no answer'}).", "Try again.") from error

    async def stop(self) -> None:
        """Close the connections."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await close_producer(producer)

    async def _connected(self) -> AIOKafkaProducer:
        async with self._connecting:
            if self._producer is None:
                producer = AIOKafkaProducer(**self._options)
                async with closed_on_failure(producer, self._kafka):
                    await producer.start()
                self._producer = producer
            return self._producer
