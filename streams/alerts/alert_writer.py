"""Writes rows and dead letters to Kafka and waits for the broker's acknowledgement."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import msgspec

from streams import metrics
from streams.alerts.alerts_topic import acknowledgement_key
from streams.alerts.assigned_partition import AssignedPartition
from streams.alerts.dead_letters import dead_letter_headers
from streams.alerts.delivery import DeliveryResult
from streams.alerts.in_flight import InFlight
from streams.transport import StaleSend

__all__ = ["AlertTopics", "AlertWriter", "always_member"]


async def always_member() -> None:
    """Return at once: there is no group, so nobody else can have the partitions."""


class AlertTopics(NamedTuple):
    """Full names of the topics that are written to."""

    alerts: str
    dead_letters: str


class AlertWriter:
    """Writes to `alerts` and `alerts.dlq`.

    Parameters
    ----------
    send
        ``await send(topic, key, value, partition, headers)``: hands a record to the producer and returns a future that
        is done when the broker has acknowledged it.
    until_member
        ``await until_member()``: returns when no other process can have the partitions; see `write_changed`.
    """

    def __init__(
        self,
        topics: AlertTopics,
        send: Callable[..., Awaitable[Awaitable[Any]]],
        in_flight: InFlight,
        until_member: Callable[[], Awaitable[object]],
    ) -> None:
        self._topics, self._send, self._in_flight = topics, send, in_flight
        self._until_member = until_member

    async def write_changed(self, partition: AssignedPartition) -> None:
        """Write the rows that changed, in their order; each of them is due at once.

        A process that was stopped past its session waits here: a row of it may replace a newer one of another process.
        """
        with self._in_flight:
            async with partition.lock:
                await self._until_member()
                if partition.revoked:
                    return
                rows = partition.incidents.take_changed()
                partition.due.update(dict.fromkeys((key for key, _ in rows), 0))
                acknowledgements = [
                    await self._send(self._topics.alerts, key.encode(), value, partition.number, None)
                    for key, value in rows
                ]
            try:
                await asyncio.gather(*acknowledgements)
            except StaleSend:
                if not partition.revoked:
                    raise

    async def delete(self, partition: AssignedPartition, key: str) -> None:
        """Delete the row of an incident, and its acknowledgement."""
        for name in (key.encode(), acknowledgement_key(key)):
            await (await self._send(self._topics.alerts, name, None, partition.number, None))

    async def write_dead_letter(self, key: str, sink: str, result: DeliveryResult) -> None:
        """Write a notification that a sink did not accept to `alerts.dlq`."""
        value, headers = msgspec.json.encode(result.notification), dead_letter_headers(sink, result)
        await (await self._send(self._topics.dead_letters, key.encode(), value, None, headers))
        metrics.ALERT_DEAD_LETTERS.labels(sink).inc()
