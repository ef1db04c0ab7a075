"""Names of archived objects: sorted by target and date, derived from the source record, so writing twice is once."""

from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import quote

from halt400.records import Source

__all__ = ["archive_uri", "object_key"]

DAY_MS = 86_400_000


def object_key(source: Source, target: str, time_ms: int) -> str:
    """Key of the evidence of one 400.

    `time_ms` is the event's own time. Any target is a safe and reversible path segment: everything but letters, digits
    and ``_-~`` is percent-encoded, and the dot too where it begins the name.

    Examples
    --------
    >>> object_key(Source(topic="halt400.responses", partition=3, offset=1207), "api.shop.example", 1_760_000_000_000)
    'api.shop.example/2025-10-09/halt400.responses-3-00000000000000001207.har'
    """
    return f"{_segment(target)}/{_date(time_ms // DAY_MS)}/{source.topic}-{source.partition}-{source.offset:020d}.har"


def archive_uri(base: str, key: str) -> str:
    """Where the object of that key lies, `base` being ``file:///directory`` or ``s3://bucket/prefix``."""
    return f"{base.rstrip('/')}/{key}"


@lru_cache(maxsize=65_536)
def _segment(target: str) -> str:
    quoted = quote(target, safe="")
    return f"%2E{quoted[1:]}" if quoted.startswith(".") else quoted


@lru_cache(maxsize=64)
def _date(day: int) -> str:
    try:
        return datetime.fromtimestamp(day * DAY_MS / 1000, UTC).strftime("%Y-%m-%d")
    except (OverflowError, ValueError, OSError):
        return "undated"
