"""Sends single records, each acknowledged by every in-sync replica; connects when the first is sent."""

import asyncio
from collections.abc import Iterable
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from halt400.errors import BrokerUnavailable
from halt400.kafka.clients import DURABLE, close_producer, closed_on_failure, start_client
from halt400.kafka.connection import KafkaConnection
from halt400.kafka.quiet import quiet
from halt400.start_stop import StartStop

__all__ = ["RecordSender"]


class RecordSender(StartStop):
    """A producer for operations, counts and the like; response events go through `halt400.publisher.Publisher`.

    Parameters
    ----------
    kafka
        The connection, or Kafka's addresses: ``host:port,host:port``.
    deadline_s
        Seconds after which `send` gives up.
    """

    def __init__(self, kafka: str | KafkaConnection, *, deadline_s: float = 10.0) -> None:
        self._kafka, self._deadline_s = KafkaConnection.of(kafka), deadline_s
        self._options: dict[str, Any] = {
            "client_id": "halt400-operations",
            **DURABLE,
            **self._kafka.client_options(),
        }
        self._signed = {self._kafka.topic("operations")} if self._kafka.signing.signer is not None else set[str]()
        self._headers = self._kafka.signing.headers
        self._producer: AIOKafkaProducer | None = None
        self._connecting = asyncio.Lock()

    async def send(self, topic: str, records: Iterable[tuple[bytes, bytes]], *, partition: int | None = None) -> None:
        """Send (key, value) pairs, and return when the broker has all of them.

        Parameters
        ----------
        partition
            Where they go; ``None``: where their keys belong.

        Raises
        ------
        BrokerUnavailable
            The broker did not acknowledge all of them in time.
        """
        try:
            async with asyncio.timeout(self._deadline_s):
                with quiet():
                    await self._send(topic, records, partition)
        except (TimeoutError, KafkaError, OSError) as error:
            raise BrokerUnavailable(
                f"Kafka did not acknowledge a record for {topic} ({error or 'no answer'}).", "Try again."
            ) from error

    async def _send(self, topic: str, records: Iterable[tuple[bytes, bytes]], partition: int | None) -> None:
        producer = await self._connected()
        headers = self._headers if topic in self._signed else _no_headers
        sent = [
            await producer.send(topic, value, key=key, partition=partition, headers=headers(topic, key, value))
            for key, value in records
        ]
        await asyncio.gather(*sent)

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
                    await start_client(producer)
                self._producer = producer
            return self._producer


def _no_headers(_topic: str, _key: bytes, _value: bytes) -> list[tuple[str, bytes]]:
    return []
