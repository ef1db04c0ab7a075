"""Read a file of recorded exchanges as response events."""

from collections.abc import Iterator

from halt400.errors import InvalidRecord
from halt400.exchanges import EventBuilder, Format, InputFile, RecordedExchange, Unread, detect_format
from halt400.records import ResponseEvent

__all__ = ["Recording", "read_events"]


class Recording(InputFile):
    """An input file that is replayed.

    Attributes
    ----------
    untimed
        Events read so far for which the file has no time.
    named_by_file
        Events read so far whose target is the file's name, because the log has no host.
    """

    untimed = named_by_file = 0


def read_events(
    recording: Recording,
    file_format: Format | None = None,
    target: str | None = None,
    job_id: str | None = None,
) -> Iterator[ResponseEvent | Unread]:
    """Yield the events of a recording, and an `Unread` for each record that gives none.

    They come in the order in which the responses came where the format is in another (HAR), else in the file's order.

    Parameters
    ----------
    recording
        The open file.
    file_format
        See `halt400.exchanges.chosen_format`; recognized by the file's beginning where absent.
    target, job_id
        Target and job of every event, whatever the file has.

    Raises
    ------
    InputError
        The file as a whole cannot be read.
    """
    found = file_format or detect_format(recording)
    builder = EventBuilder(recording.label, recording.modified_ms, target and target.lower(), job_id)
    records = found.read(recording)
    for record in records if found.in_order else _by_time(records):
        item = record if isinstance(record, Unread) else _event_or_unread(builder, record, recording.path)
        recording.untimed, recording.named_by_file = builder.untimed, builder.named_by_file
        yield item


def _event_or_unread(builder: EventBuilder, exchange: RecordedExchange, path: str) -> ResponseEvent | Unread:
    if exchange.no_response:
        return Unread(path, exchange.where, exchange.no_response, harmless=True)
    if exchange.fault:  # the diagnosis takes the request all the same; an event is evidence
        return Unread(path, exchange.where, exchange.fault)
    try:
        return builder.event(exchange)
    except InvalidRecord as error:
        return Unread(path, exchange.where, error.message)


def _by_time(records: Iterator[RecordedExchange | Unread]) -> list[RecordedExchange | Unread]:
    """Sort by time; a record without one stays behind the one before it."""
    latest_ms = 0
    timed = []
    for record in records:
        if isinstance(record, RecordedExchange) and record.time_ms is not None:
            latest_ms = record.time_ms
        timed.append((latest_ms, record))
    return [record for _, record in sorted(timed, key=lambda pair: pair[0])]
