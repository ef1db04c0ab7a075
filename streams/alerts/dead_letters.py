"""Notifications that no sink accepted: their form on `alerts.dlq`, and how they are sent again."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Literal, NamedTuple

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from halt400.kafka.clients import DURABLE, broker_unavailable
from halt400.kafka.connection import KafkaConnection
from halt400.kafka.follower import Follower
from halt400.kafka.read_to_end import read_to_end
from halt400.records import UNDECODABLE
from streams import topics
from streams.alerts.alerts_topic import follow_alerts
from streams.alerts.delivery import DeliveryResult, Sink
from streams.alerts.incident import decode_incident
from streams.alerts.notification import Notification, decode_notification

__all__ = ["ResendResult", "dead_letter_headers", "resend"]

GROUP = "alerts-resend"
LONGEST_HEADER = 500

Headers = list[tuple[str, bytes]]


class ResendResult(NamedTuple):
    """What was done with one dead letter.

    ``sent``; ``over``: not sent, its incident is closed by now; ``kept``: it was not accepted and is at the end of the
    topic again; ``unreadable``: skipped, it is not a valid notification; ``waiting``: it would be sent, in a dry run.
    """

    partition: int
    offset: int
    sink: str
    title: str
    result: Literal["sent", "over", "kept", "unreadable", "waiting"]
    detail: str


def dead_letter_headers(sink: str, result: DeliveryResult) -> Headers:
    """The headers that say why a notification was not delivered."""
    notification, attempt = result.notification, result.last_attempt
    found = {
        "halt400.error": attempt.outcome,
        "halt400.message": attempt.detail,
        "halt400.sink": sink,
        "halt400.route": notification.route,
        "halt400.action": notification.action,
        "halt400.incident": notification.incident,
        "halt400.attempts": str(result.attempts),
    }
    return [(name, value[:LONGEST_HEADER].encode(errors="replace")) for name, value in found.items()]


async def resend(
    kafka: KafkaConnection, partitions: int, sinks: Mapping[str, Sink], *, dry_run: bool = False, force: bool = False
) -> list[ResendResult]:
    """Send again what is on `alerts.dlq`, one attempt each, from the committed offsets to the present end.

    What a sink does not accept goes to the end of the topic again, with the new reason. Offsets are committed one by
    one, so a call that is interrupted repeats at most the last record.

    Parameters
    ----------
    partitions
        Partitions of the topic.
    dry_run
        Send and commit nothing.
    force
        Also send notifications of closed incidents.

    Raises
    ------
    BrokerUnavailable
        Kafka does not answer.
    """
    follower = follow_alerts(kafka, at_start="raise")
    async with follower as alerts, _clients(kafka) as (consumer, producer):
        await alerts.wait_caught_up()
        found: list[ResendResult] = []
        async for record in _unread(consumer, kafka.topic(topics.ALERTS_DLQ), partitions):
            resent = await _resend(record, sinks, alerts, dry_run=dry_run, force=force)
            if resent.result == "kept":
                headers = [item for item in record.headers if item[0] != "halt400.message"]
                headers.append(("halt400.message", resent.detail[:LONGEST_HEADER].encode(errors="replace")))
                await producer.send_and_wait(record.topic, record.value, key=record.key, headers=headers)
            if not dry_run:
                await consumer.commit({TopicPartition(record.topic, record.partition): record.offset + 1})
            found.append(resent)
        return found


async def _resend(
    record: Any, sinks: Mapping[str, Sink], alerts: Follower, *, dry_run: bool, force: bool
) -> ResendResult:
    headers = {name: value.decode(errors="replace") for name, value in record.headers}
    name = headers.get("halt400.sink", "")
    try:
        notification = decode_notification(record.value or b"")
    except UNDECODABLE as error:
        return ResendResult(
            record.partition, record.offset, name, "", "unreadable", f"not a valid notification: {error}"
        )

    def ended(result: Literal["sent", "over", "kept", "waiting"], detail: str) -> ResendResult:
        return ResendResult(record.partition, record.offset, name, notification.title, result, detail)

    if notification.action != "resolve" and not force and _is_closed(notification, alerts):
        return ended("over", "the incident is closed")
    if dry_run:
        return ended("waiting", headers.get("halt400.message", ""))
    sink = sinks.get(name)
    if sink is None:
        return ended("kept", f"no sink {name!r} in the file")
    attempt = await sink.deliver(notification)
    return ended("sent" if attempt.outcome == "accepted" else "kept", attempt.detail)


def _is_closed(notification: Notification, alerts: Follower) -> bool:
    row = alerts.values.get(notification.incident.encode())
    if row is None:
        return True
    incident = decode_incident(row)
    return incident.closed_at is not None or incident.episode != notification.episode


async def _unread(consumer: AIOKafkaConsumer, topic: str, partitions: int) -> AsyncIterator[Any]:
    assigned = [TopicPartition(topic, number) for number in range(partitions)]
    consumer.assign(assigned)
    beginnings = await consumer.beginning_offsets(assigned)
    positions = {tp: max(await consumer.committed(tp) or 0, beginnings[tp]) for tp in assigned}
    async for record in read_to_end(consumer, positions):
        yield record


@asynccontextmanager
async def _clients(kafka: KafkaConnection) -> AsyncIterator[tuple[AIOKafkaConsumer, AIOKafkaProducer]]:
    consumer = AIOKafkaConsumer(group_id=kafka.topic(GROUP), enable_auto_commit=False, **kafka.client_options())
    producer = AIOKafkaProducer(
        **DURABLE,
        max_request_size=topics.LARGEST_RECORD_BYTES,
        **kafka.client_options(),
    )
    try:
        await consumer.start()
        await producer.start()
        yield consumer, producer
    except (KafkaError, OSError) as error:
        raise broker_unavailable(kafka.servers, error) from error
    finally:
        await asyncio.gather(consumer.stop(), producer.stop())
