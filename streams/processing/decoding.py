"""What comes in: records of `responses` and `operations` decoded, and why some are refused. Pure."""

from collections.abc import Callable
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta, Struct

from halt400.records import UNDECODABLE, Milliseconds, Name, Operation, ResponseEvent, Status

__all__ = [
    "CountedEvent",
    "Record",
    "Refusal",
    "check_place",
    "decode_counted",
    "decode_event",
    "read_operation",
    "refuse_undecodable",
]


class Record(NamedTuple):
    """A Kafka record as far as the worker looks at it; aiokafka's records have the same attributes."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


class CountedResponse(Struct, gc=False):
    """The part of a response that is counted."""

    status: Status


class CountedEvent(Struct, gc=False):
    """What is read of every event. Only a 400 is decoded whole: two to three times the cost."""

    id: Name
    target: Name
    job_id: Name
    time: Milliseconds
    response: CountedResponse
    attempt: Annotated[int, Meta(ge=1)] = 1
    version: Literal[1] = 1


decode_counted = msgspec.json.Decoder(CountedEvent).decode
decode_event = msgspec.json.Decoder(ResponseEvent).decode
_decode_operation = msgspec.json.Decoder(Operation).decode


class Refusal(NamedTuple):
    """A record that is not ours; it goes to the dead-letter topic whole. `code` is stable."""

    record: Record
    code: str
    message: str


def check_place(record: Record, target: str, partition: int, partition_of: Callable[[bytes], int]) -> Refusal | None:
    """Why a record about `target` cannot be taken in this partition, None where it can."""
    key = record.key
    if key is None or key != target.encode():
        return Refusal(record, "key_mismatch", f"key {key!r} is not the target {target!r}: publish with key = target")
    if "/" in target or target != target.strip() or not target.isprintable():
        return Refusal(record, "invalid_target", f"target {target!r}: no slash, control character or outer space")
    belongs = partition_of(key)
    if belongs != partition:
        return Refusal(
            record,
            "wrong_partition",
            f"target {target!r} belongs to partition {belongs}: publish with the murmur2 partitioner",
        )
    return None


def refuse_undecodable(record: Record) -> Refusal:
    """Say what is wrong with a record that the fast decoder refused, for the dead-letter topic's headers."""
    return _refuse(record, decode_event, "invalid_event", "ResponseEvent")


def read_operation(record: Record) -> Operation | Refusal:
    """The operation that a record of `operations` holds, or what is wrong with it."""
    try:
        operation = _decode_operation(record.value)  # type: ignore[arg-type]
    except UNDECODABLE:
        return _refuse(record, _decode_operation, "invalid_operation", "Operation")
    scope = operation.scope
    missing = {"job": scope.job_id is None, "request": scope.fingerprint is None, "target": False}[scope.kind]
    if missing:
        name = "job_id" if scope.kind == "job" else "fingerprint"
        return Refusal(record, "invalid_operation", f"a scope of kind {scope.kind} needs its {name}")
    return operation


def _refuse(record: Record, decode: Callable[[bytes], Any], code: str, wanted: str) -> Refusal:
    if record.value is None:
        return Refusal(record, "null_value", f"the value is null: {wanted} is a JSON object")
    try:
        msgspec.json.decode(record.value)
    except UNDECODABLE as error:
        return Refusal(record, "not_json", f"the value is not JSON: {error}")
    try:
        decode(record.value)
    except UNDECODABLE as error:
        return Refusal(record, code, f"the value is no {wanted}: {error}")
    return Refusal(record, code, f"the value is no {wanted}")
