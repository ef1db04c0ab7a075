"""Checks of Kafka: the brokers, the topics, the workers in their groups, the clock, and what became dead letters."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from halt400.errors import Halt400Error
from halt400.kafka.clients import broker_unavailable, close_producer, start_client
from halt400.plural import plural
from streams import topics
from streams.dead_letters import read_letters
from streams.doctor.access_checks import COORDINATOR_WITHIN_S, check_access
from streams.doctor.check_result import CheckResult
from streams.settings import Settings
from streams.topics import compare_topics

__all__ = ["check_kafka"]

GROUPS = {"worker": "detects", "follow-up": "archives and alerts"}
CLOCK_TOPIC = "doctor"
SKEW_WARNED_S = 2.0
LETTERS_LOOKED_AT = 500
DAY_MS = 86_400_000
MENDS = {
    "wrong_partition": "Set the producer's partitioner to murmur2 (librdkafka: partitioner=murmur2_random)",
    "key_mismatch": "Publish with key = target",
}

LOST = "Mend the producer: `halt400 dead-letters show {}` has what it sent. It cannot be counted as it is."


async def check_kafka(settings: Settings) -> AsyncIterator[CheckResult]:
    """Check the cluster; what needs it is skipped where it does not answer."""
    kafka = settings.kafka
    admin = AIOKafkaAdminClient(**kafka.connection.client_options(), request_timeout_ms=10_000)
    try:
        await admin.start()
        # A broker that its controller has fenced answers, and names no broker: the request has nowhere to go.
        cluster = await admin.describe_cluster()
    except (KafkaError, OSError) as error:
        await admin.close()
        away = broker_unavailable(kafka.bootstrap_servers, error)
        yield CheckResult("broker", "failed", away.message, away.mend)
        for name in ("topics", "access", "workers", "clock", "dead letters"):
            yield CheckResult(name, "skipped", "needs the broker")
        return
    try:
        brokers, cluster_id = len(cluster["brokers"]), cluster["cluster_id"]
        detail = f"{plural(brokers, 'broker')} at {kafka.bootstrap_servers}, cluster {cluster_id}"
        yield CheckResult("broker", "ok", detail)
        missing: list[str] = []
        async for result in _guarded("topics", _check_topics(settings, missing)):
            yield result
        async for result in _guarded("access", check_access(admin, kafka, missing)):
            yield result
        async for result in _guarded("workers", _check_workers(admin, settings)):
            yield result
        async for result in _guarded("clock", _check_clock(admin, settings)):
            yield result
        if kafka.topic(topics.RESPONSES_DLQ) not in missing:
            async for result in _guarded("dead letters", _check_dead_letters(settings)):
                yield result
    finally:
        await admin.close()


async def _guarded(name: str, results: AsyncIterator[CheckResult]) -> AsyncIterator[CheckResult]:
    """The results of one check; where it cannot be made, that is its result."""
    try:
        async for result in results:
            yield result
    except Halt400Error as error:
        yield CheckResult(name, "failed", error.message, error.mend)
    except (KafkaError, OSError, TimeoutError) as error:
        detail = f"Kafka did not answer this check ({error!r})"
        yield CheckResult(name, "failed", detail, "Try again; look at the broker's log.")


async def _check_topics(settings: Settings, missing: list[str]) -> AsyncIterator[CheckResult]:
    absent, differences = await compare_topics(settings.kafka)
    missing += absent
    if absent:
        mend = "Run `halt400 topics apply`; where they are there, grant Describe on them."
        yield CheckResult("topics", "failed", f"not found: {', '.join(absent)}", mend)
    for difference in differences:
        mend = "Change the topic with kafka-configs.sh, or the setting that declares it."
        yield CheckResult("topics", "failed", str(difference), mend)
    if not absent and not differences:
        count, kafka = len(topics.declarations(settings.kafka)), settings.kafka
        detail = f"{count} as declared, {kafka.partitions} partitions, prefix {kafka.topic_prefix}"
        yield CheckResult("topics", "ok", detail)


async def _check_workers(admin: AIOKafkaAdminClient, settings: Settings) -> AsyncIterator[CheckResult]:
    for name, work in GROUPS.items():
        group = settings.kafka.topic(name)
        found = await _describe_group(admin, group)
        if found["error_code"]:
            detail = f"group {group}: {for_code(found['error_code']).__name__}"
            yield CheckResult("workers", "failed", detail, "Grant Describe and Read on it.")
        elif not found["members"]:
            detail = f"nobody is in the group {group}: nothing {work}"
            yield CheckResult("workers", "warning", detail, "Start `halt400 worker`.")
        else:
            members = len(found["members"])
            hosts = ", ".join(sorted({member["client_host"].lstrip("/") for member in found["members"]})[:5])
            yield CheckResult("workers", "ok", f"{members} in the group {group}, from {hosts}")


async def _describe_group(admin: AIOKafkaAdminClient, group: str) -> dict[str, Any]:
    end = time.monotonic() + COORDINATOR_WITHIN_S
    while True:
        [response] = await admin.describe_consumer_groups([group])
        found: dict[str, Any] = response.to_object()["groups"][0]
        # A coordinator that is new, or has just started, loads the groups first.
        if not for_code(found["error_code"]).retriable or time.monotonic() > end:
            return found
        await asyncio.sleep(0.1)


async def _check_clock(admin: AIOKafkaAdminClient, settings: Settings) -> AsyncIterator[CheckResult]:
    """Compare this clock with the broker's: a record's append time on a topic that is made for it, and deleted."""
    topic = settings.kafka.topic(CLOCK_TOPIC)
    config = {"message.timestamp.type": "LogAppendTime", "retention.ms": "3600000"}
    try:
        response = await admin.create_topics([NewTopic(topic, 1, -1, {}, config)])
        code = response.topic_errors[0][1]
    except TopicAlreadyExistsError:
        code = 0
    if code not in (0, topics.TOPIC_ALREADY_EXISTS):
        yield CheckResult(
            "clock", "skipped", f"topic {topic} cannot be made ({for_code(code).__name__}); the clock is not compared"
        )
        return
    producer = AIOKafkaProducer(acks="all", **settings.kafka.connection.client_options())
    try:
        await start_client(producer)
        await producer.send_and_wait(topic, b"warm-up")
        before = time.time()
        stored = await producer.send_and_wait(topic, b"clock")
        after = time.time()
    finally:
        await close_producer(producer)
        await admin.delete_topics([topic])
    skew_s = stored.timestamp / 1000 - (before + after) / 2
    yield _clock_result(skew_s, (after - before) / 2, settings.detection.skew_s)


def _clock_result(skew_s: float, uncertain_s: float, allowed_s: float) -> CheckResult:
    side = "ahead of" if skew_s > 0 else "behind"
    detail = f"the broker's clock is {abs(skew_s):.3f} s {side} this one, ±{uncertain_s:.3f} s"
    if abs(skew_s) - uncertain_s <= SKEW_WARNED_S:
        return CheckResult("clock", "ok", detail)
    status = "failed" if abs(skew_s) - uncertain_s > allowed_s else "warning"
    effect = f"events further ahead than HALT400_DETECTION_SKEW_S={allowed_s:g} are placed by the broker's clock"
    return CheckResult("clock", status, f"{detail}; {effect}", "Synchronize both clocks, by NTP.")  # type: ignore[arg-type]


async def _check_dead_letters(settings: Settings) -> AsyncIterator[CheckResult]:
    read = await read_letters(settings.kafka.connection, newest=LETTERS_LOOKED_AT)
    since_ms = time.time_ns() // 1_000_000 - DAY_MS
    letters = [letter for letter in read.letters if letter.at_ms >= since_ms and letter.id not in read.redriven]
    if not letters:
        yield CheckResult("dead letters", "ok", "none in the last day")
    latest = {letter.error: letter for letter in letters}
    for code, count in Counter(letter.error for letter in letters).most_common():
        detail = f"{count:,} with {code} in the last day, the last one: {latest[code].message}"
        mend = f"{MENDS[code]}; then `halt400 dead-letters redrive --error {code}`." if code in MENDS else LOST
        mend = mend.format(latest[code].id)
        yield CheckResult("dead letters", "warning", detail, mend)
