"""The runs of events in one fold that the loop over every event applies. Pure.

Of a packed fold the native extension counts what it surely can, and the runs are the rest, in the order of the log: a
400, an event of a target that is not in memory, and whatever is unusual.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from streams.packed import PackedRecord, PackedRecords
from streams.packed.packed_records import records_of
from streams.processing.decoding import RecordReader, Refusal, decode_counted, records_from
from streams.processing.envelopes import EventRecord, Run, read_runs

__all__ = ["EventRuns"]


class EventRuns:
    """The runs of the records of a fold that were not applied before.

    Parameters
    ----------
    next_offset
        That of the first record that was not applied.
    counting
        What the extension counts into, see `streams.packed._native`: targets in memory, keys of changed targets,
        recent ids, older ids, skew in milliseconds.

    Attributes
    ----------
    first, last
        The offsets of the first and the last record; -1 where there is none.
    counted
        Number of events that the extension has counted.
    learns
        Whether successes with headers are to be learned: the extension leaves these.
    replays
        Whether a row may include some of the records: the extension counts none.
    """

    def __init__(self, records: Iterable[Any], next_offset: int, counting: tuple[Any, ...]) -> None:
        parts = records.parts if isinstance(records, PackedRecords) else [records]
        self._parts = [part for part in (_behind(one, next_offset) for one in parts) if part]
        self._counting = counting
        self.first = _offset(self._parts[0], 0) if self._parts else -1
        self.last = _offset(self._parts[-1], -1) if self._parts else -1
        self.counted, self.learns, self.replays = 0, True, False

    def read(self, reader: RecordReader, refusals: list[Refusal]) -> Iterator[Run]:
        """Decode the records; what cannot be decoded is added to `refusals`."""
        for part in self._parts:
            if isinstance(part, list) or self.replays:
                yield from read_runs(records_of(part), reader, refusals)
            else:
                yield from self._rest(part, reader, refusals)

    def _rest(self, batch: Any, reader: RecordReader, refusals: list[Refusal]) -> Iterator[Run]:
        place = index = 0
        while True:
            place, index, counted = batch.apply(place, index, *self._counting, self.learns)
            self.counted += counted
            if place == len(batch):
                return
            if index < 0:
                yield from read_runs([PackedRecord(*batch.record(place))], reader, refusals)
                place, index = place + 1, 0
            else:
                record = EventRecord(*batch.event(place, index))
                yield [decode_counted(record.value)], [record], None
                index += 1


def _behind(part: Any, next_offset: int) -> Any:
    """The records of a part at an offset and behind it."""
    if isinstance(part, Iterable):
        return records_from(next_offset, part)
    if len(part) and part.offset(0) < next_offset:
        return [record for record in records_of(part) if record.offset >= next_offset]
    return part


def _offset(part: Any, place: int) -> int:
    offset: int = part[place].offset if isinstance(part, list) else part.offset(place % len(part))
    return offset
