"""What the readers of servers' logs share: times, durations, and the error of a line that does not fit. Pure."""

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

from halt400.errors import InvalidRecord

__all__ = ["after", "ms_of_seconds", "size_of", "time_ms", "unfit"]

_SHOWN = 60
_LONGEST_S = 86_400.0
_MONTHS = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), start=1
    )
}
_APACHE_TIME = re.compile(r"(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))? ([+-])(\d\d)(\d\d)")
_EPOCH = datetime.fromtimestamp(0, UTC)


def unfit(title: str, text: str, expected: str) -> InvalidRecord:
    """The error of a line that is none of a format: what was found, and what was expected.

    Examples
    --------
    >>> unfit("a Squid log", "GET /", "TIME ELAPSED ...").message
    "no line of a Squid log: found 'GET /', expected TIME ELAPSED ..."
    """
    found = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    return InvalidRecord(f"no line of {title}: found {found!r}, expected {expected}")


@lru_cache(maxsize=16)
def time_ms(text: str) -> int:
    """Milliseconds since the epoch of ``17/May/2015:10:05:03 +0000``, or of ISO 8601 with its offset.

    Raises
    ------
    InvalidRecord
        It is neither.
    """
    match = _APACHE_TIME.fullmatch(text)
    try:
        if match is not None:
            day, month, year, hour, minute, second, fraction, sign, hours, minutes = match.groups()
            offset = timedelta(hours=int(hours), minutes=int(minutes)) * (-1 if sign == "-" else 1)
            moment = datetime(
                int(year),
                _MONTHS[month],
                int(day),
                int(hour),
                int(minute),
                min(int(second), 59),
                int((fraction or "0").ljust(6, "0")),
                timezone(offset),
            )
        else:
            moment = datetime.fromisoformat(text)
            if moment.tzinfo is None:
                raise InvalidRecord(f"time {text!r} has no offset from UTC")
    except (ValueError, KeyError, OverflowError) as error:
        raise InvalidRecord(f"time {text!r} cannot be read") from error
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def ms_of_seconds(*texts: str | None) -> float | None:
    """The sum of durations in seconds, in milliseconds; None where one is missing, negative or none.

    Examples
    --------
    >>> ms_of_seconds("0.086", "0.048", "0.037"), ms_of_seconds("0.086", "-1"), ms_of_seconds("-")
    (171.0, None, None)
    """
    total = 0.0
    for text in texts:
        try:
            seconds = float(text or "")
        except ValueError:
            return None
        if not 0 <= seconds <= _LONGEST_S:
            return None
        total += seconds
    return round(total * 1000, 6)


def after(start_ms: int, duration_ms: float | None) -> int:
    """When a response was there whose request came at `start_ms`."""
    return start_ms + round(duration_ms or 0)


def size_of(text: str | None) -> int | None:
    """A size in bytes, None for ``-``."""
    return int(text) if text is not None and text.isdecimal() and len(text) <= 18 else None
