"""A refused record as it is on `responses.dlq`, and the mark that it was published again. Pure."""

from typing import Any, NamedTuple

__all__ = ["REDRIVEN", "RedriveMark", "RefusedRecord", "mark_of", "refused_record"]

REDRIVEN = "halt400.redriven"
"""Header with the place of a dead letter, of the event that was published again and of the mark on `responses.dlq`."""


_BY, _REASON = "halt400.by", "halt400.reason"


class RedriveMark(NamedTuple):
    """Says on `responses.dlq` that a dead letter was published again: which, by whom and why, where that was said."""

    letter_id: str
    by: str | None = None
    reason: str | None = None

    def headers(self) -> list[tuple[str, bytes]]:
        """The headers of its record."""
        found = ((REDRIVEN, self.letter_id), (_BY, self.by), (_REASON, self.reason))
        return [(name, text.encode(errors="replace")) for name, text in found if text is not None]


class RefusedRecord(NamedTuple):
    """One dead letter.

    Attributes
    ----------
    id
        Partition and offset on `responses.dlq`, such as ``3-4711``.
    at_ms
        When it was refused.
    error, message
        The stable code, and what is wrong.
    topic, source
        Full name of the topic that it came from, and its place there.
    headers
        Those that it came with.
    """

    id: str
    at_ms: int
    error: str
    message: str
    topic: str
    source: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


def refused_record(record: Any) -> RefusedRecord:
    """The dead letter of a Kafka record."""
    ours = {
        name.removeprefix("halt400."): value.decode(errors="replace")
        for name, value in record.headers
        if name.startswith("halt400.") and value is not None
    }
    return RefusedRecord(
        id=f"{record.partition}-{record.offset}",
        at_ms=max(0, record.timestamp),
        error=ours.get("error", "unknown"),
        message=ours.get("message", ""),
        topic=ours.get("topic", ""),
        source="-".join(
            [ours.get("partition", "?"), ours.get("offset", "?"), *([ours["index"]] if "index" in ours else [])]
        ),
        key=record.key,
        value=record.value,
        headers=tuple((name, value) for name, value in record.headers if not name.startswith("halt400.")),
    )


def mark_of(record: Any) -> RedriveMark | None:
    """What a record marks as published again, None where it is a dead letter itself."""
    if record.value is not None:
        return None
    headers = {name: value.decode(errors="replace") for name, value in record.headers if value is not None}
    letter_id = headers.get(REDRIVEN)
    return None if letter_id is None else RedriveMark(letter_id, headers.get(_BY), headers.get(_REASON))
