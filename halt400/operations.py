"""Asking for a release, a longer hold, a quarantine or a probe: operations, published on their topic."""

import time
from collections.abc import Callable
from uuid import uuid4

import msgspec

from halt400.errors import BrokerUnavailable
from halt400.kafka.connection import KafkaConnection
from halt400.kafka.record_sender import RecordSender
from halt400.records import Operation
from halt400.start_stop import StartStop

__all__ = ["OperationPublisher", "operation_id"]

_encode = msgspec.json.Encoder().encode


def operation_id() -> str:
    """A new id; sending the same operation again with the same id does nothing more."""
    return f"op-{uuid4().hex}"


class OperationPublisher(StartStop):
    """Publishes operations; it connects when the first one is sent.

    Parameters
    ----------
    kafka
        The connection, or Kafka's addresses: ``host:port,host:port``.
    deadline_s
        Seconds after which an operation that the broker did not take is given up.
    clock_ms
        Milliseconds since the epoch.

    Attributes
    ----------
    sender : halt400.kafka.record_sender.RecordSender
        What they go through; other small records may, too.
    """

    def __init__(
        self,
        kafka: str | KafkaConnection,
        *,
        deadline_s: float = 10.0,
        clock_ms: Callable[[], float] = lambda: time.time() * 1000,
    ) -> None:
        connection = KafkaConnection.of(kafka)
        self._topic = connection.topic("operations")
        self.sender = RecordSender(connection, deadline_s=deadline_s)
        self._clock_ms = clock_ms

    async def stop(self) -> None:
        """Close the connections."""
        await self.sender.stop()

    async def send(self, operation: Operation) -> None:
        """Send one operation; returns when the broker has it. What follows from it is on `control`.

        Raises
        ------
        BrokerUnavailable
            The broker did not take it in time.
        """
        try:
            await self.sender.send(self._topic, [(operation.scope.target.encode(), _encode(operation))])
        except BrokerUnavailable as error:
            raise BrokerUnavailable(f"The operation on {operation.scope.id} was not taken: {error}") from error

    def now_ms(self) -> int:
        """What an operation's `time` is."""
        return int(self._clock_ms())
