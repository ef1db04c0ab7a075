"""The least rights that each part needs on Kafka, and the commands that grant them."""

from collections.abc import Iterator
from typing import Literal, NamedTuple, get_args

from streams import topics
from streams.settings import KafkaSettings

__all__ = ["PARTS", "Grant", "Part", "grants_of", "kafka_acls_commands"]

Part = Literal["scraper", "worker", "api", "operator", "installer"]
PARTS: tuple[Part, ...] = get_args(Part)

_SHOWN = tuple(name for name in topics.EVERY_TOPIC if name not in (topics.RESPONSES, topics.FLEET))
_READS: dict[Part, tuple[str, ...]] = {
    "scraper": (topics.CONTROL,),
    "worker": tuple(name for name in topics.EVERY_TOPIC if name not in (topics.RESPONSES_DLQ, topics.ALERTS_DLQ)),
    "api": _SHOWN,
    "operator": _SHOWN,
}
_WRITES: dict[Part, tuple[str, ...]] = {
    "scraper": (topics.RESPONSES, topics.OPERATIONS, topics.SAVINGS),
    "worker": (
        topics.CONTROL,
        topics.OFFENCES,
        topics.FINDINGS,
        topics.FLEET,
        topics.RESPONSES_DLQ,
        topics.ALERTS,
        topics.ALERTS_DLQ,
        topics.RATES,
    ),
    "api": (topics.OPERATIONS, topics.ALERTS),
    "operator": (topics.OPERATIONS, topics.ALERTS, topics.RESPONSES, topics.RESPONSES_DLQ, topics.ALERTS_DLQ),
}
_GROUPS = ("worker", "follow-up")


class Grant(NamedTuple):
    """One right: an operation, as Kafka names it, on a resource."""

    resource: Literal["topic", "group", "cluster"]
    name: str
    operation: Literal["Read", "Write", "Describe", "DescribeConfigs", "Create"]


def grants_of(part: Part, kafka: KafkaSettings) -> list[Grant]:
    """The rights of one part: scraper, worker, `halt400 api`, a person with the command line, or `topics apply`.

    Examples
    --------
    >>> grants_of("scraper", KafkaSettings())[0]
    Grant(resource='topic', name='halt400.control', operation='Read')
    """
    if part == "installer":
        return [
            Grant("topic", kafka.topic(name), operation)
            for name in topics.EVERY_TOPIC
            for operation in ("Create", "Describe", "DescribeConfigs")
        ]
    found = [Grant("topic", kafka.topic(name), "Read") for name in _READS[part]]
    found += [Grant("topic", kafka.topic(name), "Write") for name in _WRITES[part]]
    if part == "worker":
        found += [Grant("topic", kafka.topic(name), "DescribeConfigs") for name in topics.EVERY_TOPIC]
        found += [Grant("group", kafka.topic(group), "Read") for group in _GROUPS]
    return found


def kafka_acls_commands(part: Part, principal: str, kafka: KafkaSettings) -> Iterator[str]:
    """The calls of ``kafka-acls.sh`` that grant a part its rights, one for each resource."""
    operations: dict[tuple[str, str], list[str]] = {}
    for grant in grants_of(part, kafka):
        operations.setdefault((grant.resource, grant.name), []).append(grant.operation)
    for (resource, name), named in operations.items():
        options = " ".join(f"--operation {operation}" for operation in named)
        yield (
            f"kafka-acls.sh --bootstrap-server {kafka.bootstrap_servers} --add --allow-principal '{principal}' "
            f"{options} --{resource} {name}"
        )
