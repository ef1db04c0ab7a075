"""Text for people: on one line, at most so long, times and durations written out. Pure."""

import unicodedata
from datetime import UTC, datetime

__all__ = ["format_duration", "format_time", "one_line", "shorten"]

_SPACES = frozenset(("Cc", "Cn", "Co", "Zl", "Zp", "Zs"))
_REMOVED = frozenset(("Cf", "Cs"))


def one_line(text: str) -> str:
    """Remove what could forge a line or turn the reading direction: control, format and separator characters."""
    spaced = (" " if unicodedata.category(character) in _SPACES else character for character in text)
    return " ".join("".join(c for c in spaced if unicodedata.category(c) not in _REMOVED).split())


def shorten(text: str, longest: int) -> str:
    """Cut a text to at most `longest` characters; an ellipsis shows that something is missing."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def format_time(time_ms: int) -> str:
    """Write a time in UTC.

    >>> format_time(1763870400000)
    '2025-11-23 04:00:00Z'
    """
    return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%d %H:%M:%SZ}"


def format_duration(seconds: int) -> str:
    """Write a duration.

    >>> format_duration(3660)
    '1 h 1 min'
    """
    parts = [(seconds // 3600, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s")]
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 s"
