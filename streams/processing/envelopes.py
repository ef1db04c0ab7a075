"""Records with several events: a JSON array of response events of one partition, without a key. Pure.

Its events are counted one after the other as if each had a record of its own, at the place (offset, index). One that
cannot be counted is refused by itself.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from halt400.records import UNDECODABLE
from streams.processing.decoding import CountedEvent, Record, RecordReader, Refusal, decode_counted

__all__ = ["MOST_EVENTS", "EnvelopedRecord", "EventRecord", "Run", "event_values", "is_envelope", "read_runs"]

RECORDS_IN_RUN = 256
"""Records that are decoded before they are applied: together they fit into the processor's cache."""
MOST_EVENTS = 10_000
"""An array of more events is refused as a whole: what one record leads to is bounded."""

_decode_events = msgspec.json.Decoder(list[CountedEvent]).decode
_HEADERS = b'"headers"'
_decode_values = msgspec.json.Decoder(list[msgspec.Raw]).decode


def is_envelope(value: bytes | None) -> bool:
    """Whether the value of a record is an array of events: its first byte tells."""
    return value is not None and value[:1] == b"["


def event_values(value: bytes | None) -> list[bytes]:
    """The values of the events in a record: those of an array, else the value itself; none where it is no JSON."""
    if value is None:
        return []
    if not is_envelope(value):
        return [value]
    try:
        return [bytes(one) for one in _decode_values(value)]
    except UNDECODABLE:
        return []


@dataclass(slots=True)
class EventRecord:
    """One event of an array as if it had a record of its own; `headers` are those of the array's record."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes
    headers: Sequence[tuple[str, bytes]]
    index: int


class EnvelopedRecord:
    """The record that the events of an array share; `value` is empty, so that no event is taken for the whole array.

    Attributes
    ----------
    events
        Those that were decoded, in their order.
    """

    __slots__ = ("_indices", "_places", "_record", "_values", "events", "key", "offset", "timestamp", "value")

    def __init__(self, record: Any, events: list[CountedEvent], indices: Sequence[int]) -> None:
        self.offset, self.timestamp, self.key, self.value = record.offset, record.timestamp, None, b""
        self.events, self._record, self._indices = events, record, indices
        self._places: dict[int, int] | None = None
        self._values: list[msgspec.Raw] | None = None

    def successes_with_headers(self) -> Iterator[tuple[CountedEvent, bytes]]:
        """Its successes that may have the headers of the request, with their values."""
        if _HEADERS in self._record.value:
            for event in self.events:
                if event.response.status < 300 and _HEADERS in (value := self.event_record(event).value):
                    yield event, value

    def event_record(self, event: CountedEvent) -> EventRecord:
        """The record of one of its `events`."""
        if self._places is None:
            self._places = dict(zip(map(id, self.events), self._indices, strict=True))
        if self._values is None:
            self._values = _decode_values(self._record.value)
        index = self._places[id(event)]
        return _event_record(self._record, index, self._values[index], event.target.encode())


Run = tuple[Sequence[CountedEvent], Sequence[Any], EnvelopedRecord | None]
"""Events, the record of each, and the record that they share, None where each has its own."""


def read_runs(records: Sequence[Any], reader: RecordReader, refusals: list[Refusal]) -> Iterator[Run]:
    """Decode records: runs of single events, and of the events of an array.

    What cannot be decoded is added to `refusals`.
    """
    for first in range(0, len(records), RECORDS_IN_RUN):
        some = records[first : first + RECORDS_IN_RUN]
        try:
            events = [decode_counted(record.value) for record in some]
        except UNDECODABLE:
            yield from _read_mixed(some, reader, refusals)
        else:
            yield events, some, None


def _read_mixed(records: Sequence[Any], reader: RecordReader, refusals: list[Refusal]) -> Iterator[Run]:
    """Decode records of which one at least is no single event."""
    events: list[CountedEvent] = []
    singles: list[Any] = []
    for record in records:
        value = record.value
        if is_envelope(value):
            if events:
                yield events, singles, None
                events, singles = [], []
            envelope = _read_envelope(record, reader, refusals)
            if envelope is not None:
                yield envelope.events, [envelope] * len(envelope.events), envelope
            continue
        try:
            events.append(decode_counted(value))
        except UNDECODABLE:
            refusals.append(reader.refuse_event(record))
        else:
            singles.append(record)
    if events:
        yield events, singles, None


def _read_envelope(record: Any, reader: RecordReader, refusals: list[Refusal]) -> EnvelopedRecord | None:
    try:
        events = _decode_events(record.value)
    except UNDECODABLE:
        return _read_one_by_one(record, reader, refusals)
    if not 0 < len(events) <= MOST_EVENTS:
        refusals.append(_wrong_size(record, len(events)))
        return None
    return EnvelopedRecord(record, events, range(len(events)))


def _read_one_by_one(record: Any, reader: RecordReader, refusals: list[Refusal]) -> EnvelopedRecord | None:
    """Read an array in which one event at least is none."""
    try:
        values = _decode_values(record.value)
    except UNDECODABLE:
        refusals.append(reader.refuse_event(record))
        return None
    if len(values) > MOST_EVENTS:
        refusals.append(_wrong_size(record, len(values)))
        return None
    events, indices = [], []
    for index, value in enumerate(values):
        try:
            events.append(decode_counted(value))
        except UNDECODABLE:
            refusals.append(reader.refuse_event(_event_record(record, index, value, None)))
        else:
            indices.append(index)
    return EnvelopedRecord(record, events, indices)


def _event_record(record: Any, index: int, value: msgspec.Raw, key: bytes | None) -> EventRecord:
    headers = getattr(record, "headers", ())
    return EventRecord(record.offset, record.timestamp, key, bytes(value), headers, index)


def _wrong_size(record: Record, count: int) -> Refusal:
    return Refusal(record, "invalid_event", f"an array of {count} events: 1 to {MOST_EVENTS} go into one record")
