"""The AsyncAPI 3.0 document: every topic with its key, settings, records, and who reads and writes it."""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from halt400.signing import SIGNATURE
from streams import topics
from streams.contracts.json_schemas import CONTRACTS, RecordContract, json_schema
from streams.settings import KafkaSettings

__all__ = ["asyncapi_document"]

_BINDING = "0.5.0"
_NUMBERS = ("retention.ms", "max.message.bytes", "min.compaction.lag.ms", "segment.ms")

_TOPIC_DESCRIPTIONS = {
    topics.RESPONSES: "Every HTTP response that the scrapers received. Key = target; the murmur2 partitioner of Java. "
    "Under load several of one partition share a record, which is an array without a key.",
    topics.CONTROL: "The quarantines: the latest command of every scope. Key = the scope's id; the partition is that "
    "of the scope's target in `responses`. Follow it without a consumer group, from its beginning.",
    topics.OFFENCES: "Every 400 with its complete event and its diagnosis. Key = target.",
    topics.OPERATIONS: "Requests of people and of probing scrapers. Key = the scope's target.",
    topics.FINDINGS: "Conclusions besides commands: alarms of targets, poison items, retry loops, faults of the fleet. "
    "Key = the target, or `fleet`. Fields may be added.",
    topics.FLEET: "Internal: the log in which partitions request grants to quarantine targets; one partition, which "
    "every worker reads from the beginning. Its encoding may change.",
    topics.SAVINGS: "Requests that the gates did not send: the latest count of every gate and quarantine. Add up those "
    "of one scope and `opened_at`.",
    topics.RESPONSES_DLQ: "Records of `responses` that are no events, of `operations` that are no operations, and of "
    "`operations` and `control` that nobody trusted has signed: key, value and headers unchanged, and headers with "
    "the reason.",
    topics.ALERTS: "Internal: the incidents that alerts are sent about, and what was sent; one row per incident. Its "
    "encoding may change.",
    topics.ALERTS_DLQ: "Alerts that no sink accepted, with headers that say why; `halt400 alerts resend` sends them "
    "again.",
    topics.RATES: "Internal: the counts of every target, one row per target. Read it by `halt400.rates.RateClient` or "
    "the HTTP API; its encoding may change.",
}
_SERVICE_READS = (
    topics.RESPONSES,
    topics.OPERATIONS,
    topics.RATES,
    topics.CONTROL,
    topics.OFFENCES,
    topics.FINDINGS,
    topics.FLEET,
    topics.SAVINGS,
    topics.ALERTS,
)
_SERVICE_WRITES = (
    topics.CONTROL,
    topics.OFFENCES,
    topics.RATES,
    topics.FINDINGS,
    topics.FLEET,
    topics.RESPONSES_DLQ,
    topics.ALERTS,
    topics.ALERTS_DLQ,
)

_DEAD_LETTER_HEADERS = {
    "type": "object",
    "description": "These follow the headers that the record had already.",
    "required": ["halt400.error", "halt400.message", "halt400.topic", "halt400.partition", "halt400.offset"],
    "properties": {
        "halt400.error": {
            "type": "string",
            "description": "Stable code of the defect.",
            "enum": [
                "null_value",
                "not_json",
                "invalid_event",
                "key_mismatch",
                "invalid_target",
                "wrong_partition",
                "invalid_operation",
                "not_signed",
            ],
        },
        "halt400.message": {"type": "string", "description": "What is wrong, for a person."},
        "halt400.topic": {"type": "string", "description": "Topic that the record was in."},
        "halt400.partition": {"type": "string", "description": "Partition that the record was in, decimal."},
        "halt400.offset": {"type": "string", "description": "Offset that the record had, decimal."},
        "halt400.index": {
            "type": "string",
            "description": "Place in an array of events, decimal, from 0; of these only.",
        },
    },
}

_SIGNED = (topics.CONTROL, topics.OPERATIONS)
_SIGNATURE = {
    "type": "object",
    "properties": {
        SIGNATURE: {
            "type": "string",
            "description": "`1 NAME BASE64`: an Ed25519 signature of topic, key and value, with the name of the key. "
            "Only where keys are set; see docs/security.md.",
        }
    },
}

_UNDELIVERED_HEADERS = {
    "type": "object",
    "required": ["halt400.error", "halt400.message", "halt400.sink", "halt400.route", "halt400.incident"],
    "properties": {
        "halt400.error": {
            "type": "string",
            "description": "Whether the sink refused it or could not be reached.",
            "enum": ["refused", "unavailable"],
        },
        "halt400.message": {"type": "string", "description": "What the sink answered, for a person."},
        "halt400.sink": {"type": "string", "description": "The sink that did not accept it."},
        "halt400.route": {"type": "string", "description": "The route that led to this sink."},
        "halt400.action": {"type": "string", "enum": ["trigger", "update", "acknowledge", "resolve"]},
        "halt400.incident": {"type": "string", "description": "The incident's key."},
        "halt400.attempts": {"type": "string", "description": "Number of attempts, decimal."},
    },
}

_OTHER_MESSAGES: dict[str, dict[str, Any]] = {
    topics.RESPONSES_DLQ: {
        "name": "dead-letter",
        "title": "Dead letter",
        "summary": "A record that was refused, unchanged, with the reason in its headers.",
        "contentType": "application/octet-stream",
        "headers": _DEAD_LETTER_HEADERS,
        "payload": {"description": "The original bytes; null stays null."},
    },
    topics.ALERTS: {
        "name": "alerts-row",
        "title": "Alerts row",
        "contentType": "application/json",
        "payload": {"description": "Internal, versioned by its field `version`."},
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": "the incident, or `ack/` and the incident"},
                "bindingVersion": _BINDING,
            }
        },
    },
    topics.ALERTS_DLQ: {
        "name": "undelivered-alert",
        "title": "Undelivered alert",
        "contentType": "application/json",
        "headers": _UNDELIVERED_HEADERS,
        "payload": {"description": "The notification, as the generic webhook receives it; see docs/alerts.md."},
    },
    topics.FINDINGS: {
        "name": "finding",
        "title": "Finding",
        "summary": "A conclusion for people besides commands.",
        "contentType": "application/json",
        "payload": {"description": "See streams/detection/findings.py; fields may be added."},
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": "the target, or `fleet`"},
                "bindingVersion": _BINDING,
            }
        },
    },
    topics.FLEET: {
        "name": "fleet-record",
        "title": "Fleet record",
        "contentType": "application/json",
        "payload": {"description": "Internal; see streams/fleet_cap/log.py."},
    },
    topics.RATES: {
        "name": "rates-row",
        "title": "Rates row",
        "contentType": "application/msgpack",
        "payload": {"description": "Internal, versioned by its first element."},
        "bindings": {"kafka": {"key": {"type": "string", "description": "the target"}, "bindingVersion": _BINDING}},
    },
}
"""Messages of the topics whose records have no JSON Schema."""


def asyncapi_document(examples: Mapping[str, list[tuple[str, Any]]]) -> dict[str, Any]:
    """Return the document for the default settings.

    Parameters
    ----------
    examples
        By contract name, a list of (name, payload).
    """
    kafka = KafkaSettings()
    messages = {topic: [message] for topic, message in _OTHER_MESSAGES.items()}
    for contract in CONTRACTS:
        messages.setdefault(contract.topic, []).append(_message(contract, examples.get(contract.name, [])))
    for topic in _SIGNED:
        for message in messages[topic]:
            message["headers"] = _SIGNATURE
    return {
        "asyncapi": "3.0.0",
        "id": "urn:halt400:asyncapi",
        "info": {
            "title": "Halt400",
            "version": version("halt400"),
            "description": "The Kafka topics of Halt400, with the default prefix and partition count. Values are JSON "
            "in UTF-8 unless said otherwise. Changes within a version are additive: accept fields you do not know.",
        },
        "defaultContentType": "application/json",
        "servers": {
            "kafka": {"host": kafka.bootstrap_servers, "protocol": "kafka", "description": "The default address."}
        },
        "channels": {
            _id(name): _channel(declared, name, [message["name"] for message in messages[name]])
            for declared in topics.declarations(kafka)
            for name in [declared.name.removeprefix(kafka.topic_prefix)]
        },
        "operations": {
            **{f"read-{_id(name)}": _operation("receive", name) for name in _SERVICE_READS},
            **{f"write-{_id(name)}": _operation("send", name) for name in _SERVICE_WRITES},
        },
        "components": {"messages": {message["name"]: message for found in messages.values() for message in found}},
    }


def _id(topic: str) -> str:
    return topic.replace(".", "-")


def _channel(declared: topics.Declaration, name: str, messages: list[str]) -> dict[str, Any]:
    configuration = {setting: _typed(setting, value) for setting, value in declared.config.items()}
    return {
        "address": declared.name,
        "description": _TOPIC_DESCRIPTIONS[name],
        "messages": {message: {"$ref": f"#/components/messages/{message}"} for message in messages},
        "bindings": {
            "kafka": {
                "topic": declared.name,
                "partitions": declared.partitions,
                "topicConfiguration": configuration,
                "bindingVersion": _BINDING,
            }
        },
    }


def _operation(action: str, topic: str) -> dict[str, Any]:
    verb = "reads" if action == "receive" else "writes"
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{_id(topic)}"},
        "summary": f"The service {verb} {topic}.",
    }


def _message(contract: RecordContract, examples: list[tuple[str, Any]]) -> dict[str, Any]:
    schema = json_schema(contract)
    return {
        "name": f"{contract.name}-v{contract.version}",
        "title": schema["title"],
        "summary": schema["description"].split("\n\n")[0],
        "contentType": "application/json",
        "payload": {"$ref": f"./{contract.path}"},
        "bindings": {"kafka": {"key": {"type": "string", "description": contract.key}, "bindingVersion": _BINDING}},
        **({"examples": [{"name": name, "payload": payload} for name, payload in examples]} if examples else {}),
    }


def _typed(setting: str, value: str) -> Any:
    if setting == "cleanup.policy":
        return value.split(",")
    return int(value) if setting in _NUMBERS else value
