"""The topic `alerts`: one row per incident, and beside them the acknowledgements that people send."""

import logging
from collections.abc import Callable
from typing import Literal

import msgspec
from msgspec import Struct

from halt400.errors import QueryError
from halt400.kafka.connection import KafkaConnection
from halt400.kafka.follower import Changes, Follower
from halt400.kafka.record_sender import RecordSender
from halt400.records import UNDECODABLE
from streams import topics
from streams.alerts.incident import Acknowledgement, Incident, decode_incident
from streams.settings import KafkaSettings

__all__ = [
    "ACKNOWLEDGEMENT_PREFIX",
    "acknowledge",
    "acknowledge_open",
    "acknowledgement_key",
    "follow_alerts",
    "incidents_of",
]

ACKNOWLEDGEMENT_PREFIX = "ack/"
"""Prefix of the key of an acknowledgement; a target holds no slash, so no incident has such a key."""

log = logging.getLogger("halt400.alerts")


class _Revision(Struct):
    revision: int = 0


_decode_revision = msgspec.json.Decoder(_Revision).decode


def follow_alerts(
    kafka: KafkaConnection,
    *,
    at_start: Literal["wait", "raise"] = "wait",
    on_changes: Callable[[Changes], None] | None = None,
) -> Follower:
    """Make the follower of the topic; of two rows of one incident that of the greater revision counts."""
    return Follower(
        kafka,
        kafka.topic(topics.ALERTS),
        on_changes=on_changes,
        newer=_newer,
        at_start=at_start,
    )


def incidents_of(follower: Follower, partition: int) -> list[Incident]:
    """The incidents of one partition of `control`; an invalid row is logged and skipped."""
    found: list[Incident] = []
    for key, value in follower.values.items():
        if key.startswith(ACKNOWLEDGEMENT_PREFIX.encode()):
            continue
        try:
            incident = decode_incident(value)
        except UNDECODABLE as error:
            log.error("Skipped row %r of %s: not a valid incident: %s", key, follower.topic, error)
            continue
        if incident.partition == partition:
            found.append(incident)
    return found


def acknowledgement_key(incident: str) -> bytes:
    """The key of the acknowledgement of an incident."""
    return f"{ACKNOWLEDGEMENT_PREFIX}{incident}".encode()


async def acknowledge(kafka: KafkaSettings, key: str, acknowledgement: Acknowledgement) -> Incident:
    """Record that someone works on an open incident; the worker that owns its partition reads it within a second.

    Returns
    -------
    Incident
        As it was before.

    Raises
    ------
    QueryError
        No such incident is open.
    BrokerUnavailable
        Kafka does not answer.
    """
    follower = follow_alerts(kafka.connection, at_start="raise")
    async with follower, RecordSender(kafka.connection) as sender:
        await follower.wait_caught_up()
        return await acknowledge_open(follower, sender, key, acknowledgement)


async def acknowledge_open(
    follower: Follower, sender: RecordSender, key: str, acknowledgement: Acknowledgement
) -> Incident:
    """Do what `acknowledge` does, over connections that are there; the follower must have caught up.

    Raises
    ------
    QueryError
        No such incident is open.
    BrokerUnavailable
        Kafka does not answer.
    """
    row = follower.values.get(key.encode(errors="replace"))
    incident = decode_incident(row) if row is not None and not key.startswith(ACKNOWLEDGEMENT_PREFIX) else None
    if incident is None or incident.closed_at is not None:
        raise QueryError(f"No incident {key!r} is open.", "`halt400 alerts list` shows the key of each.")
    record = acknowledgement_key(key), msgspec.json.encode(acknowledgement)
    await sender.send(follower.topic, [record], partition=incident.partition)
    return incident


def _newer(found: bytes, candidate: bytes) -> bool:
    return _revision(candidate) >= _revision(found)


def _revision(row: bytes) -> int:
    try:
        return _decode_revision(row).revision
    except UNDECODABLE:
        return -1
