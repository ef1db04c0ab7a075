"""The topics: how each is declared, how they are created on a cluster, and how a cluster is compared with them.

Every keyed topic has the same number of partitions, and its producers the Java-compatible murmur2 partitioner, so that
a target's events, operations and state meet in one partition.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    GroupCoordinatorNotAvailableError,
    KafkaError,
    for_code,
)
from aiokafka.partitioner import murmur2

from halt400.errors import BrokerUnavailable, TopicMismatch
from halt400.kafka.clients import broker_unavailable
from streams.settings import KafkaSettings

__all__ = [
    "ALERTS",
    "ALERTS_DLQ",
    "CONTROL",
    "EVERY_TOPIC",
    "FINDINGS",
    "FLEET",
    "OFFENCES",
    "OPERATIONS",
    "RATES",
    "RESPONSES",
    "RESPONSES_DLQ",
    "SAVINGS",
    "BrokerFailed",
    "Declaration",
    "Difference",
    "apply_topics",
    "await_group_coordinator",
    "check_topics",
    "compare_topics",
    "declarations",
    "partition_of",
]

RESPONSES = "responses"
CONTROL = "control"
OFFENCES = "offences"
OPERATIONS = "operations"
RESPONSES_DLQ = "responses.dlq"
ALERTS = "alerts"
ALERTS_DLQ = "alerts.dlq"
RATES = "rates"
FINDINGS = "findings"
FLEET = "fleet"
SAVINGS = "savings"
EVERY_TOPIC = (
    RESPONSES, CONTROL, OFFENCES, OPERATIONS, FINDINGS, FLEET, RESPONSES_DLQ, ALERTS, ALERTS_DLQ, RATES, SAVINGS,
)  # fmt: skip

DAY_MS = 86_400_000
SAVINGS_KEPT_MS = 7 * DAY_MS
LARGEST_EVENT_BYTES = 8 * 1024 * 1024
LARGEST_RECORD_BYTES = 16 * 1024 * 1024
ONE_PARTITION = frozenset({FLEET})
"""Topics whose records have one order for the whole fleet."""
TOPIC_ALREADY_EXISTS = 36
"""Kafka's error code."""
APPEARS_WITHIN_S = 15


class BrokerFailed(BrokerUnavailable):
    """A broker failed that had answered; another one may answer."""


@dataclass(frozen=True)
class Declaration:
    """One topic as it must be. `config` holds Kafka's own topic settings, as text."""

    name: str
    partitions: int
    replication_factor: int
    config: Mapping[str, str]


@dataclass(frozen=True)
class Difference:
    """One way in which a topic on the cluster is not as declared."""

    topic: str
    setting: str
    declared: str
    found: str

    def __str__(self) -> str:
        return f"{self.topic}: {self.setting} is {self.found}, declared {self.declared}"


def partition_of(key: bytes, partitions: int) -> int:
    """The partition that Kafka's default partitioner (murmur2) gives to a key."""
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)


def declarations(kafka: KafkaSettings) -> list[Declaration]:
    """Every topic of Halt400, for this prefix and partition count.

    - `responses` and `operations` have the broker's append time: an event's own time is compared with it, and retention
      counts by it, so that replayed events with old times are not deleted at once.
    - `rates` and `alerts` compact a row only after `min.compaction.lag.ms`: a stale member's row cannot replace a newer
      one before the next recovery has compared their offsets (revisions, for `alerts`).
    - `fleet` has one partition and the broker's clock; records older than its retention are in a snapshot, which is
      written every six hours.
    - `savings` keeps the last count of each gate for a week after its last change: each gate has keys of its own, and
      gates come and go.
    """
    largest = str(LARGEST_RECORD_BYTES)
    kept = {"cleanup.policy": "delete"}
    configs: dict[str, dict[str, str]] = {
        RESPONSES: kept
        | {
            "retention.ms": str(3 * DAY_MS),
            "max.message.bytes": str(LARGEST_EVENT_BYTES),
            "message.timestamp.type": "LogAppendTime",
        },
        CONTROL: {"cleanup.policy": "compact", "max.message.bytes": largest, "min.cleanable.dirty.ratio": "0.1"},
        OFFENCES: kept | {"retention.ms": str(90 * DAY_MS), "max.message.bytes": largest},
        OPERATIONS: kept | {"retention.ms": str(30 * DAY_MS), "message.timestamp.type": "LogAppendTime"},
        FINDINGS: kept | {"retention.ms": str(90 * DAY_MS)},
        FLEET: kept
        | {
            "retention.ms": str(7 * DAY_MS),
            "max.message.bytes": largest,
            "message.timestamp.type": "LogAppendTime",
        },
        RESPONSES_DLQ: kept | {"retention.ms": str(30 * DAY_MS), "max.message.bytes": largest},
        ALERTS: {
            "cleanup.policy": "compact",
            "max.message.bytes": largest,
            "min.compaction.lag.ms": "600000",
            "min.cleanable.dirty.ratio": "0.1",
        },
        ALERTS_DLQ: kept | {"retention.ms": str(30 * DAY_MS), "max.message.bytes": largest},
        RATES: {
            "cleanup.policy": "compact",
            "max.message.bytes": largest,
            "min.compaction.lag.ms": "600000",
            "min.cleanable.dirty.ratio": "0.1",
            "segment.ms": "600000",
        },
        SAVINGS: {
            "cleanup.policy": "compact,delete",
            "retention.ms": str(SAVINGS_KEPT_MS),
            "segment.ms": "3600000",
            "min.cleanable.dirty.ratio": "0.1",
        },
    }
    return [
        Declaration(
            kafka.topic(name), 1 if name in ONE_PARTITION else kafka.partitions, kafka.replication_factor, config
        )
        for name, config in configs.items()
    ]


async def apply_topics(kafka: KafkaSettings) -> tuple[list[str], list[Difference]]:
    """Create the missing topics; leave the others, and say how they differ.

    Returns
    -------
    tuple
        The names of the created topics, and the differences found. A second call changes nothing.

    Raises
    ------
    BrokerUnavailable
        No broker answers, or it refuses.
    """
    async with _admin_client(kafka) as admin:
        wanted = declarations(kafka)
        existing = set(await admin.list_topics())
        missing = [topic for topic in wanted if topic.name not in existing]
        if missing:
            response = await admin.create_topics(
                [_new_topic(topic) for topic in missing],
                timeout_ms=30_000,
            )
            for name, code, *rest in response.topic_errors:
                if code not in (0, TOPIC_ALREADY_EXISTS):
                    reason = (rest[0] if rest else None) or for_code(code).__name__
                    raise BrokerUnavailable(
                        f"Topic {name} could not be created: {reason}",
                        "Ask for Create rights on the cluster, or create the topic by hand.",
                    )
            await _wait_until_known(admin, [topic.name for topic in missing])
        return [topic.name for topic in missing], await _differences(admin, wanted)


async def compare_topics(kafka: KafkaSettings) -> tuple[list[str], list[Difference]]:
    """Compare the cluster with the declarations, and change nothing.

    Returns
    -------
    tuple
        The names of the missing topics, and how the others differ.

    Raises
    ------
    BrokerUnavailable
        No broker answers, or it refuses.
    """
    async with _admin_client(kafka) as admin:
        wanted = declarations(kafka)
        existing = set(await admin.list_topics())
        missing = [topic.name for topic in wanted if topic.name not in existing]
        return missing, await _differences(admin, [topic for topic in wanted if topic.name in existing])


async def check_topics(kafka: KafkaSettings) -> None:
    """Check that every topic exists and is as declared; a worker does not start otherwise.

    Raises
    ------
    TopicMismatch
        A topic is missing or differs.
    BrokerUnavailable
        No broker answers.
    """
    missing, differences = await compare_topics(kafka)
    if missing:
        raise TopicMismatch(f"Topics are missing: {', '.join(missing)}.", "Run `halt400 topics apply`.")
    if differences:
        raise TopicMismatch(
            "; ".join(map(str, differences)) + ".",
            "Change the topic with kafka-configs.sh, or the setting that declares it; see `halt400 topics check`.",
        )


def _new_topic(topic: Declaration) -> NewTopic:
    # aiokafka reads a replication factor of -1 as a missing one unless there are assignments, even empty ones.
    assignments: dict[int, list[int]] | None = {} if topic.replication_factor == -1 else None
    return NewTopic(topic.name, topic.partitions, topic.replication_factor, assignments, dict(topic.config))


_NO_COORDINATOR_YET = (
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    GroupCoordinatorNotAvailableError,
)


async def await_group_coordinator(kafka: KafkaSettings, group: str) -> None:
    """Wait until the cluster has a coordinator for a consumer group.

    A cluster creates the topic of committed offsets on the first request; a consumer that joins before it exists may
    get no records.

    Raises
    ------
    BrokerUnavailable
        There is none within 15 s.
    """
    try:
        async with asyncio.timeout(APPEARS_WITHIN_S), _admin_client(kafka) as admin:
            while True:
                try:
                    await admin.find_coordinator(kafka.topic(group))
                except _NO_COORDINATOR_YET:
                    await asyncio.sleep(0.1)
                else:
                    return
    except TimeoutError as error:
        raise BrokerFailed(
            f"Kafka at {kafka.bootstrap_servers} has no coordinator for the group {kafka.topic(group)}.",
            "Check the brokers and the topic __consumer_offsets.",
        ) from error


async def _wait_until_known(admin: AIOKafkaAdminClient, names: list[str]) -> None:
    """Wait until the broker that answers knows the topics that the controller has just created."""
    try:
        async with asyncio.timeout(APPEARS_WITHIN_S):
            while any(topic["error_code"] for topic in await admin.describe_topics(names)):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    except TimeoutError as error:
        raise BrokerUnavailable(
            f"Topics were created but have no leader after {APPEARS_WITHIN_S} s: {', '.join(names)}.",
            "Check the brokers, and run `halt400 topics apply` again.",
        ) from error


async def _differences(admin: AIOKafkaAdminClient, wanted: Iterable[Declaration]) -> list[Difference]:
    wanted = list(wanted)
    if not wanted:
        return []
    found: list[Difference] = []
    described = {topic["topic"]: topic for topic in await admin.describe_topics([topic.name for topic in wanted])}
    responses = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic.name) for topic in wanted])
    configs: dict[str, dict[str, str]] = {}
    for code, reason, _, name, entries in (resource for part in responses for resource in part.resources):
        if code:
            raise BrokerUnavailable(
                f"The settings of topic {name} cannot be read: {reason or for_code(code).__name__}.",
                "Ask for DescribeConfigs rights on the cluster.",
            )
        configs[name] = {entry[0]: entry[1] for entry in entries}
    for topic in wanted:
        partitions = len(described[topic.name]["partitions"])
        if partitions != topic.partitions:
            found.append(Difference(topic.name, "partitions", str(topic.partitions), str(partitions)))
        for setting, declared in topic.config.items():
            actual = configs.get(topic.name, {}).get(setting)
            if actual != declared:
                found.append(Difference(topic.name, setting, declared, str(actual)))
    return found


@asynccontextmanager
async def _admin_client(kafka: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    """Connect an admin client whose failures name the broker."""
    client = AIOKafkaAdminClient(**kafka.connection.client_options(), request_timeout_ms=15_000)
    try:
        await client.start()
    except (KafkaError, OSError) as error:
        await client.close()
        raise broker_unavailable(kafka.bootstrap_servers, error) from error
    try:
        yield client
    except (KafkaError, OSError) as error:
        raise BrokerFailed(
            f"Kafka at {kafka.bootstrap_servers} failed in the middle of it ({error}).", "Try again."
        ) from error
    finally:
        await client.close()
