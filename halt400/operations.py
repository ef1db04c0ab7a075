"""Asking for a release, a longer hold, a quarantine or a probe: operations, published on their topic."""

import asyncio
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from halt400.errors import BrokerUnavailable
from halt400.kafka_clients import close_producer
from halt400.records import Operation

__all__ = ["OperationPublisher", "operation_id"]

_encode = msgspec.json.Encoder().encode


def operation_id() -> str:
    """A new id; sending the same operation again with the same id does nothing more."""
    return f"op-{uuid4().hex}"


class OperationPublisher:
    """Publishes operations; it connects when the first one is sent.

    Parameters
    ----------
    bootstrap_servers
        Kafka's addresses, ``host:port,host:port``.
    prefix
        What the names of Halt400's topics begin with.
    deadline_s
        Seconds after which an operation that the broker did not take is given up.
    client_options
        Further arguments for ``aiokafka.AIOKafkaProducer``.
    clock_ms
        Milliseconds since the epoch.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        *,
        prefix: str = "halt400.",
        deadline_s: float = 10.0,
        client_options: Mapping[str, Any] | None = None,
        clock_ms: Callable[[], float] = lambda: time.time() * 1000,
    ) -> None:
        self._topic = f"{prefix}operations"
        self._deadline_s = deadline_s
        self._options: dict[str, Any] = {
            "client_id": "halt400-operations",
            "acks": "all",
            "enable_idempotence": True,
            **(client_options or {}),
            "bootstrap_servers": bootstrap_servers,
        }
        self._clock_ms = clock_ms
        self._producer: AIOKafkaProducer | None = None
        self._connecting = asyncio.Lock()

    async def __aenter__(self) -> Self:
        """Nothing is connected yet."""
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Close the connections."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await close_producer(producer)

    async def send(self, operation: Operation) -> None:
        """Send one operation; returns when the broker has it. What follows from it is on `control`.

        Raises
        ------
        BrokerUnavailable
            The broker did not take it in time.
        """
        try:
            async with asyncio.timeout(self._deadline_s):
                producer = await self._connected()
                await producer.send_and_wait(self._topic, _encode(operation), key=operation.scope.target.encode())
        except (TimeoutError, KafkaError, OSError) as error:
            raise BrokerUnavailable(
                f"The operation on {operation.scope.id} was not taken ({error or 'no answer'}).", "Try again."
            ) from error

    def now_ms(self) -> int:
        """What an operation's `time` is."""
        return int(self._clock_ms())

    async def _connected(self) -> AIOKafkaProducer:
        async with self._connecting:
            if self._producer is None:
                producer = AIOKafkaProducer(**self._options)
                try:
                    await producer.start()
                except BaseException:
                    await close_producer(producer)
                    raise
                self._producer = producer
            return self._producer
