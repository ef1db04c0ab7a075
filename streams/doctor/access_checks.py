"""Checks of the rights on topics and groups, by requests that the broker refuses after it has checked the rights.

A record batch of no bytes is never stored, an offset beyond every log is never read, a member that is unknown has no
heartbeat: the error says whether the right was there, and nothing has changed.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    KafkaError,
    TopicAuthorizationFailedError,
)
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.group import HeartbeatRequest
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.structs import TopicPartition

from streams import topics
from streams.doctor.check_result import CheckResult
from streams.settings import KafkaSettings

__all__ = ["COORDINATOR_WITHIN_S", "check_access"]

BEYOND_EVERY_LOG = 1 << 62
COORDINATOR_WITHIN_S = 15.0
GROUPS = ("worker", "follow-up")


async def check_access(
    admin: AIOKafkaAdminClient, kafka: KafkaSettings, missing: Sequence[str]
) -> AsyncIterator[CheckResult]:
    """Check that this user may read and write every topic that exists, and may join the workers' groups."""
    client: Any = admin._client
    names = [topic.name for topic in topics.declarations(kafka) if topic.name not in missing]
    await client.set_topics(names)
    denied = []
    for name in names:
        leader = client.cluster.leader_for_partition(TopicPartition(name, 0))
        if leader is None:
            denied.append(f"Describe on {name}")
            continue
        fetch = FetchRequest(0, 0, 1, 0, [(name, [(0, BEYOND_EVERY_LOG, 1)])])
        if _code((await client.send(leader, fetch)).topics) == TopicAuthorizationFailedError.errno:
            denied.append(f"Read on {name}")
        produce = ProduceRequest(None, -1, 5000, [(name, [(0, b"")])])
        if _code((await client.send(leader, produce)).topics) == TopicAuthorizationFailedError.errno:
            denied.append(f"Write on {name}")
    for group in GROUPS:
        full = kafka.topic(group)
        try:
            coordinator = await _coordinator(admin, full)
            answer = await client.send(coordinator, HeartbeatRequest(full, 0, "halt400-doctor"))
            refused = answer.error_code == GroupAuthorizationFailedError.errno
        except KafkaError as error:
            refused = isinstance(error, GroupAuthorizationFailedError)
            if not refused:
                raise
        if refused:
            denied.append(f"Read on the group {full}")
    if denied:
        detail = f"not allowed: {', '.join(denied)}"
        yield CheckResult("access", "failed", detail, "Grant it, with kafka-acls.sh or your tool.")
    else:
        yield CheckResult("access", "ok", f"read and write on {len(names)} topics, read on {len(GROUPS)} groups")


async def _coordinator(admin: AIOKafkaAdminClient, group: str) -> int:
    """The broker that coordinates a group; a new cluster makes the topic of offsets when it is first asked."""
    end = time.monotonic() + COORDINATOR_WITHIN_S
    while True:
        try:
            return int(await admin.find_coordinator(group))
        except KafkaError as error:
            if not error.retriable or time.monotonic() > end:
                raise
        await asyncio.sleep(0.1)


def _code(answered: Any) -> int:
    """The error code of the one partition of an answer."""
    ((_, ((_, *fields),)),) = answered
    return int(next(field for field in fields if isinstance(field, int)))
