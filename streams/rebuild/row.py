"""A row from the records of its target: its counts, and what is halted. Pure."""

from collections.abc import Iterable, Iterator
from typing import Any

from halt400.records import UNDECODABLE, Command
from streams.detection import Policies
from streams.detection.scopes import restore_quarantine
from streams.processing.decoding import CountedEvent, Record, RecordReader, decode_counted, decode_event
from streams.processing.envelopes import MOST_EVENTS, event_values, is_envelope
from streams.processing.target import TrackedTarget

__all__ = ["RowRebuilding", "counted_events"]


class RowRebuilding:
    """Counts the events of one target that its row does not include.

    What the detectors have learnt is that of the earlier row; without one they begin anew, for it is in no log.

    Parameters
    ----------
    earlier
        The last row of the target that can be read, None where there is none.
    """

    def __init__(self, name: str, earlier: bytes | None) -> None:
        self._name = name
        self._target = TrackedTarget.decode(earlier, name)
        self._included = self._target.row.offset

    def count(self, record: Any, event: CountedEvent, skew_ms: int) -> None:
        """Count an event of the target, in the order of the log."""
        if record.offset <= self._included:
            return
        skewed = event.time > record.timestamp + skew_ms
        self._target.row.count(record.timestamp if skewed else event.time, event.response.status)
        self._target.row.skewed += skewed

    def finish(self, end: int, commands: Iterable[Command], policies: Policies) -> bytes:
        """The row, which includes all below the offset `end`; what is halted is what its latest commands say."""
        row = self._target.row
        row.offset = max(row.offset, end - 1)
        for command in commands:
            restore_quarantine(self._target.state, command, policies.rule_for(self._name).durations())
        return self._target.encode()


def counted_events(record: Any, reader: RecordReader) -> Iterator[CountedEvent]:
    """The events of a record that a worker counts; what it refuses is left out."""
    values = event_values(record.value)
    for value in values if len(values) <= MOST_EVENTS else ():
        try:
            event = decode_counted(value)
            if event.response.status == 400:
                decode_event(value)
        except UNDECODABLE:
            continue
        key = event.target.encode() if is_envelope(record.value) else record.key
        if reader.check_place(Record(record.offset, record.timestamp, key, value), event.target) is None:
            yield event
