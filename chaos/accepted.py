"""Which events on `responses` must be counted, and what must be refused. Pure.

An event is accepted when it is on the log, in a record of its own or with others in an array. One that was published
twice is two events, which are counted twice, as docs/sdk.md says.
"""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from chaos.history import History, LogRecord
from halt400.records import UNDECODABLE
from streams.processing.decoding import CountedEvent, decode_counted, decode_event
from streams.processing.envelopes import MOST_EVENTS, event_values, is_envelope
from streams.topics import partition_of

__all__ = ["NO_INDEX", "Accepted", "Place", "accepted", "count_events"]

NO_INDEX = -1
"""In the place of a record that is refused as a whole."""
Place = tuple[int, int, int]
"""Partition, offset, and place in the array of a record with several; 0 for an event with a record of its own."""

_decode_array = msgspec.json.Decoder(list[CountedEvent]).decode


class Accepted(NamedTuple):
    """One event that must be counted: its place on the log, and what is counted of it."""

    partition: int
    offset: int
    index: int
    target: str
    status: int
    id: str
    time_ms: int
    appended_ms: int

    @property
    def place(self) -> Place:
        """Where it is on the log."""
        return self.partition, self.offset, self.index


def accepted(history: History) -> tuple[list[Accepted], set[Place]]:
    """The events on `responses` that must be counted, and the places of what must be refused."""
    taken: list[Accepted] = []
    refused: set[Place] = set()
    # By target and partition: whether its events belong there.
    belongs: dict[tuple[str, int], bool] = {}
    for record in history.records("responses"):
        for index, event in _events(record):
            if event is None:
                refused.add((record.partition, record.offset, index))
                continue
            known = event.target, record.partition
            is_right = belongs.get(known)
            if is_right is None:
                is_right = belongs[known] = _belongs(event.target, record.partition, history.partitions)
            is_single = not is_envelope(record.value)
            if not is_right or (is_single and record.key != event.target.encode()):
                refused.add((record.partition, record.offset, NO_INDEX if is_single else index))
                continue
            place = record.partition, record.offset, max(index, 0)
            taken.append(
                Accepted(*place, event.target, event.response.status, event.id, event.time, record.appended_ms)
            )
    return taken, refused


def count_events(history: History) -> int:
    """How many events the log has, of arrays each; a record that is none counts as one."""
    return sum(len(event_values(one.value)) or 1 for one in history.records("responses"))


def _events(record: LogRecord) -> Iterator[tuple[int, CountedEvent | None]]:
    """Each event of a record with its place in the array, `NO_INDEX` without one; None where it must be refused."""
    value = record.value or b""
    if not is_envelope(value):
        yield NO_INDEX, _whole(value)
        return
    try:
        events = _decode_array(value)
    except UNDECODABLE:
        yield from _one_by_one(value)
        return
    if not 0 < len(events) <= MOST_EVENTS:
        yield NO_INDEX, None
    elif any(event.response.status == 400 for event in events):
        yield from _one_by_one(value)
    else:
        yield from enumerate(events)


def _one_by_one(value: bytes) -> Iterator[tuple[int, CountedEvent | None]]:
    values = event_values(value)
    if not 0 < len(values) <= MOST_EVENTS:
        yield NO_INDEX, None
        return
    for index, one in enumerate(values):
        yield index, _whole(one)


def _whole(value: bytes) -> CountedEvent | None:
    """The event; None where it cannot be decoded, a 400 with all that it has."""
    try:
        found = decode_counted(value)
        if found.response.status == 400:
            decode_event(value)
    except UNDECODABLE:
        return None
    return found


def _belongs(target: str, partition: int, partitions: int) -> bool:
    is_spoiled = "/" in target or target != target.strip() or not target.isprintable()
    return not is_spoiled and partition_of(target.encode(), partitions) == partition
