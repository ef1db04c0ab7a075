"""How records of `responses` and `operations` are decoded, and why some are refused. Pure."""

from collections.abc import Callable, Iterable
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta, Struct

from halt400.records import UNDECODABLE, Milliseconds, Name, Operation, ResponseEvent, Status

__all__ = [
    "CountedEvent",
    "Record",
    "RecordReader",
    "Refusal",
    "decode_counted",
    "decode_event",
    "records_from",
]


USE_MURMUR2 = (
    "publish with the murmur2 partitioner; with librdkafka (confluent-kafka, node-rdkafka, rust-rdkafka, kcat, .NET) "
    "set partitioner=murmur2_random"
)


class Record(NamedTuple):
    """The parts of a Kafka record that the worker reads; aiokafka's records have the same attributes."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


def records_from(offset: int, records: Iterable[Record]) -> list[Record]:
    """The records at `offset` and behind it, of some in the order of their offsets."""
    some = records if isinstance(records, list) else list(records)
    if some and some[0].offset < offset:
        some = [record for record in some if record.offset >= offset]
    return some


class CountedResponse(Struct, gc=False):
    """The part of a response that is read."""

    status: Status


class CountedEvent(Struct, gc=False):
    """The part of every event that is read. Only a 400 is decoded whole, at two to three times the cost."""

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
    """A record that cannot be taken, and why; it is sent to the dead-letter topic whole. `code` is stable.

    `record` has the attributes of `Record`.
    """

    record: Any
    code: str
    message: str


class RecordReader:
    """Reads the records of one partition: decodes them, and checks that they belong there.

    `PartitionState.apply` decodes response events in line; it calls this where one cannot be decoded, and where its key
    is not the key of a loaded target.

    Parameters
    ----------
    partition_of
        ``partition_of(key)``: the partition that a key belongs to.
    why_not_believed
        See `streams.processing.context.ProcessingContext`.
    """

    def __init__(
        self,
        partition: int,
        partition_of: Callable[[bytes], int],
        why_not_believed: Callable[[Record, Operation], str | None] = lambda record, operation: None,
    ) -> None:
        self._partition, self._partition_of = partition, partition_of
        self._why_not_believed = why_not_believed

    def refuse_event(self, record: Any) -> Refusal:
        """Say what is wrong with a record of `responses` that `decode_counted` did not decode."""
        return _refuse(record, decode_event, "invalid_event", "ResponseEvent")

    def read_operation(self, record: Record) -> Operation | Refusal:
        """The operation of a record of `operations`, or what is wrong with it."""
        try:
            operation = _decode_operation(record.value)  # type: ignore[arg-type]
        except UNDECODABLE:
            return _refuse(record, _decode_operation, "invalid_operation", "Operation")
        scope = operation.scope
        missing = {"job": scope.job_id is None, "request": scope.fingerprint is None, "target": False}[scope.kind]
        if missing:
            name = "job_id" if scope.kind == "job" else "fingerprint"
            return Refusal(record, "invalid_operation", f"a scope of kind {scope.kind} needs its {name}")
        reason = self._why_not_believed(record, operation)
        if reason is not None:
            return Refusal(record, "not_signed", f"nobody who may {operation.kind} has signed it: {reason}")
        return self.check_place(record, scope.target) or operation

    def check_place(self, record: Any, target: str) -> Refusal | None:
        """Why a record about `target` cannot be taken in this partition, None where it can."""
        key = record.key
        if key is None or key != target.encode():
            message = f"key {key!r} is not the target {target!r}: publish with key = target"
            return Refusal(record, "key_mismatch", message)
        if "/" in target or target != target.strip() or not target.isprintable():
            message = f"target {target!r}: no slash, control character or outer space"
            return Refusal(record, "invalid_target", message)
        belongs = self._partition_of(key)
        if belongs != self._partition:
            return Refusal(
                record, "wrong_partition", f"target {target!r} belongs to partition {belongs}: {USE_MURMUR2}"
            )
        return None


def _refuse(record: Any, decode: Callable[[bytes], Any], code: str, wanted: str) -> Refusal:
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
