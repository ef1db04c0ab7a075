"""Texts as the page shows them: numbers and times, names of causes, and hostile text made visible. Pure."""

import re
import unicodedata
from datetime import UTC, datetime

from halt400.diagnosis.cause_titles import CAUSE_TITLES
from streams.alerts.text import format_duration

__all__ = [
    "MOST_SHOWN",
    "ago",
    "cause_title",
    "clock_time",
    "columns",
    "count",
    "iso_time",
    "percent",
    "visible",
]

_TITLES: dict[str, str] = {
    **CAUSE_TITLES,
    "operator": "Halted by a person",
    "target_alarm": "Alarm of the target",
    "poison_item": "Poison item",
    "retry_loop": "Retry loop",
    "fleet_fault": "Fault of the fleet",
    "refused_records": "Records refused",
}
MOST_SHOWN = 20_000
"""Characters of one text that a page shows."""

_UNSEEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
)
_SURROGATES = re.compile(r"[\ud800-\udfff]")


def visible(text: str, most: int = MOST_SHOWN) -> str:
    r"""Show what could hide, forge or turn text: control characters as pictures, marks by their number.

    Examples
    --------
    >>> visible("a\x1b[31m\u202eb")
    'a␛[31m⟨U+202E⟩b'
    """
    if len(text) > most:
        text = f"{text[:most]}… ({len(text):,} characters in all)"
    if text.isascii() and text.isprintable():
        return text
    return _SURROGATES.sub("\ufffd", _UNSEEN.sub(_shown, text))


def _shown(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 32:
        return chr(0x2400 + code)
    return "␡" if code == 127 else f"⟨U+{code:04X}⟩"


def cause_title(cause: str) -> str:
    """Return the title of a cause or of a kind of finding."""
    return _TITLES.get(cause, cause)


def count(number: int | None) -> str:
    """Write a number with separators; a dash where there is none."""
    return "–" if number is None else f"{number:,}"


def percent(ratio: float | None) -> str:
    """Write a ratio in percent with about three digits; a dash where nothing was seen, which is not 0%.

    Examples
    --------
    >>> [percent(found) for found in (None, 0.0, 0.00012, 0.054, 1.0)]
    ['–', '0%', '0.012%', '5.4%', '100%']
    """
    if ratio is None:
        return "–"
    if ratio in (0.0, 1.0):
        return f"{ratio:.0%}"
    value = ratio * 100
    digits = 3 if value < 0.1 else 2 if value < 1 else 1
    return f"{value:.{digits}f}".rstrip("0").rstrip(".") + "%"


def iso_time(ms: int) -> str:
    """Write a time as RFC 3339 in UTC, for machines."""
    return _moment(ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def clock_time(ms: int, now_ms: int) -> str:
    """Write a time in UTC for people; with the date where it is not today's."""
    moment = _moment(ms)
    if moment.date() == _moment(now_ms).date():
        return f"{moment:%H:%M:%S}Z"
    return f"{moment:%Y-%m-%d %H:%M:%S}Z"


def ago(ms: int, now_ms: int) -> str:
    """Write how long ago a time is, or how far ahead.

    Examples
    --------
    >>> ago(0, 61_000), ago(90_000, 0), ago(0, 3_700_000), ago(5, 5)
    ('1 min ago', 'in 1 min', '1 h ago', 'now')
    """
    seconds = abs(now_ms - ms) // 1000
    if not seconds:
        return "now"
    length = 86_400 if seconds >= 172_800 else 3600 if seconds >= 3600 else 60 if seconds >= 60 else 1
    text = f"{seconds // 86_400} days" if length == 86_400 else format_duration(seconds - seconds % length)
    if length == 3600:
        text = f"{seconds // 3600} h"
    return f"in {text}" if ms > now_ms else f"{text} ago"


def _moment(ms: int) -> datetime:
    try:
        return datetime.fromtimestamp(ms / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return datetime.max.replace(tzinfo=UTC)


def columns(character: str) -> int:
    """How many columns of a fixed-width font a character takes."""
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1
