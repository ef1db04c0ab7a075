"""Publishes operations: release, extend, quarantine, and the claim or result of a probe."""

import time
from collections.abc import Callable
from uuid import uuid4

import msgspec

from halt400.errors import BrokerUnavailable, SettingError
from halt400.kafka.connection import KafkaConnection
from halt400.kafka.record_sender import RecordSender
from halt400.records import Operation
from halt400.start_stop import StartStop

__all__ = ["OperationPublisher", "operation_id"]

_encode = msgspec.json.Encoder().encode


def operation_id() -> str:
    """Return a new id; an operation that is sent again with the same id has no further effect."""
    return f"op-{uuid4().hex}"


class OperationPublisher(StartStop):
    """Publishes operations; connects when the first one is sent.

    Parameters
    ----------
    kafka
        The connection, or Kafka's addresses: ``host:port,host:port``.
    deadline_s
        Seconds after which `send` gives up.
    clock_ms
        Milliseconds since the epoch.

    Attributes
    ----------
    sender : halt400.kafka.record_sender.RecordSender
        Its producer, which others may share.
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
        self._signing = connection.signing
        self._clock_ms = clock_ms

    @property
    def may_send(self) -> bool:
        """Whether a worker would carry out what is sent, as far as that is known here."""
        return self._signing.signer is not None or not self._signing.trusted

    async def stop(self) -> None:
        """Close the connections."""
        await self.sender.stop()

    async def send(self, operation: Operation) -> None:
        """Send one operation, and return when the broker has it. Its effect is a command on `control`.

        Raises
        ------
        BrokerUnavailable
            The broker did not acknowledge it in time.
        SettingError
            Keys are trusted here, and there is none to sign with: no worker would carry the operation out.
        """
        if not self.may_send:
            raise SettingError(
                "HALT400_KAFKA_SIGNING_KEY is not set, and operations must be signed.",
                "Set it to a key that the workers trust; see docs/security.md.",
            )
        try:
            await self.sender.send(self._topic, [(operation.scope.target.encode(), _encode(operation))])
        except BrokerUnavailable as error:
            raise BrokerUnavailable(f"The operation on {operation.scope.id} was not sent: {error}") from error

    def now_ms(self) -> int:
        """Return the current time, as an operation's `time`."""
        return int(self._clock_ms())
