"""A value as the server asks for it, where it is the same value in another form: a decimal comma, a local date."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

from halt400.diagnosis.server_advice import Advice
from halt400.lazy_patterns import lazy_pattern

__all__ = ["decimal_point", "iso_date", "unix_time"]

_COMMA = lazy_pattern(r"-?\d+,(?:\d{1,2}|\d{4,9})")
"""Three digits after the comma may be thousands."""
_THOUSANDS = lazy_pattern(r"-?\d{1,3}(?:[. ]\d{3})+,\d{1,2}")
_LOCAL = lazy_pattern(r"(\d{1,2})([./-])(\d{1,2})\2(\d{4})")
_UNIX = lazy_pattern(r"\b(?:unix|epoch|timestamp)\b", re.IGNORECASE)
_UNIT = lazy_pattern(r"\b(?:(milli)?seconds|(ms))\b", re.IGNORECASE)
_ISO_FORMAT = re.compile(r"iso|yyyy|rfc ?3339", re.IGNORECASE)


def decimal_point(value: Any, advice: Advice) -> str | None:
    """The number that is written with a decimal comma where the server wants a number; None for any other value.

    Examples
    --------
    >>> decimal_point("1.299,50", Advice(kind="number")), decimal_point("1,299", Advice(kind="number"))
    ('1299.50', None)
    """
    if advice.kind not in ("number", "integer") or not isinstance(value, str):
        return None
    if _COMMA.fullmatch(value):
        return value.replace(",", ".")
    if _THOUSANDS.fullmatch(value):
        return re.sub("[. ]", "", value).replace(",", ".")
    return None


def iso_date(value: Any, advice: Advice) -> str | None:
    """The day in ISO 8601 where the server asks for that, and one order of day and month alone can be meant.

    Examples
    --------
    >>> iso_date("31/12/2025", Advice(format="YYYY-MM-DD")), iso_date("03/04/2025", Advice(format="YYYY-MM-DD"))
    ('2025-12-31', None)
    """
    if not isinstance(value, str) or (advice.format is None or not _ISO_FORMAT.search(advice.format)):
        return None
    found = _LOCAL.fullmatch(value)
    if found is None:
        return None
    first, second, year = int(found[1]), int(found[3]), int(found[4])
    if found[2] == "." or first > 12:
        day, month = first, second
    elif second > 12:
        day, month = second, first
    else:
        return None
    try:
        return date(year, month, day).isoformat()
    except ValueError:
        return None


def unix_time(value: Any, reason: str) -> int | None:
    """The time in the unit that the server asks for, of a time of our days in the other one; None for any other value.

    Examples
    --------
    >>> unix_time("1764400000000", "since must be a unix timestamp in seconds"), unix_time(5000, "timeout in seconds")
    (1764400000, None)
    """
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if not text.isascii() or not text.isdigit() or len(text) not in (10, 13) or not _UNIX.search(reason):
        return None
    unit = _UNIT.search(reason)
    if unit is None:
        return None
    in_ms = bool(unit[1] or unit[2])
    if len(text) == 13:
        return None if in_ms else int(text) // 1000
    return int(text) * 1000 if in_ms else None
