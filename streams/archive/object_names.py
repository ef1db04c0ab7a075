"""Names of archived objects: sorted by target and date, derived from the source record. Pure.

The same record always gets the same name, so writing it twice leaves one object.
"""

import re
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2b
from urllib.parse import quote, unquote

from halt400.records import Source

__all__ = [
    "MANIFEST",
    "archive_uri",
    "day_of",
    "directory_of",
    "manifest_key",
    "object_key",
    "source_of_name",
    "target_of_segment",
    "target_segment",
]

DAY_MS = 86_400_000
SEGMENT_MAX = 180
"""Longest quoted target: a file name may have 255 bytes, an S3 key 1,024."""
SHORTENED_TO = 120
MARK = "~"
MANIFEST = ".manifest.json"
_NAME = re.compile(r"(.+)-([0-9]+)-([0-9]{20})(?:-([0-9]{5,9}))?\.har")


def object_key(source: Source, target: str, time_ms: int) -> str:
    """Key of the evidence of one 400.

    Parameters
    ----------
    source
        The record of `responses` with the 400; topic, partition, offset and index make the name unique.
    target
        Any text; see `target_segment`.
    time_ms
        The event's own time; its UTC date is the second part of the key.

    Examples
    --------
    >>> object_key(Source(topic="halt400.responses", partition=3, offset=1207), "api.shop.example", 1_760_000_000_000)
    'api.shop.example/2025-10-09/halt400.responses-3-00000000000000001207.har'
    """
    name = f"{source.topic}-{source.partition}-{source.offset:020d}"
    if source.index:
        name += f"-{source.index:05d}"
    return f"{directory_of(target, time_ms)}/{name}.har"


def manifest_key(target: str, time_ms: int, topic: str, partition: int) -> str:
    """Key of the manifest that counts one target's offences of one date in one partition of `offences`.

    A partition is assigned to one process at a time, so each manifest has one writer.

    Examples
    --------
    >>> manifest_key("api.shop.example", 1_760_000_000_000, "halt400.offences", 3)
    'api.shop.example/2025-10-09/halt400.offences-3.manifest.json'
    """
    return f"{directory_of(target, time_ms)}/{topic}-{partition}{MANIFEST}"


def directory_of(target: str, time_ms: int) -> str:
    """The directory of one target and UTC date, with the evidence and the manifests."""
    return f"{target_segment(target)}/{day_of(time_ms)}"


def day_of(time_ms: int) -> str:
    """The UTC date of a time; ``undated`` where no calendar date exists for it."""
    return _date(time_ms // DAY_MS)


def source_of_name(name: str) -> Source | None:
    """The source record that the last part of an object's key names; None where it is another kind of name.

    Examples
    --------
    >>> source_of_name("halt400.responses-3-00000000000000001207.har")
    Source(topic='halt400.responses', partition=3, offset=1207)
    """
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    return Source(topic=match[1], partition=int(match[2]), offset=int(match[3]), index=int(match[4] or 0))


def archive_uri(base: str, key: str) -> str:
    """The URI of an object; `base` is ``file:///directory`` or ``s3://bucket/prefix``.

    In a file URI the percent signs of the key are escaped themselves (RFC 8089); an S3 URI has the key as it is.
    """
    if base.startswith("file:"):
        key = key.replace("%", "%25")
    return f"{base.rstrip('/')}/{key}"


@lru_cache(maxsize=65_536)
def target_segment(target: str) -> str:
    """A target as one path segment that is safe on every store and can be read back.

    Everything but ASCII letters, digits, ``_``, ``-`` and ``.`` is percent-encoded, and so is a dot at the beginning. A
    segment that would be longer than 180 characters ends in ``~`` and a digest; the target is then in the object only.

    Examples
    --------
    >>> target_segment("../x y"), target_of_segment("%2E.%2Fx%20y")
    ('%2E.%2Fx%20y', '../x y')
    """
    quoted = quote(target.encode("utf-8", "surrogatepass"), safe="").replace(MARK, "%7E")
    if quoted.startswith("."):
        quoted = f"%2E{quoted[1:]}"
    if len(quoted) <= SEGMENT_MAX:
        return quoted
    digest = blake2b(target.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    kept = quoted[:SHORTENED_TO]
    escape = kept.rfind("%", len(kept) - 2)
    return f"{kept[:escape] if escape >= 0 else kept}{MARK}{digest}"


def target_of_segment(segment: str) -> str | None:
    """The target that a path segment stands for; None where it was too long and ends in a digest."""
    return None if MARK in segment else unquote(segment, errors="surrogatepass")


@lru_cache(maxsize=64)
def _date(day: int) -> str:
    try:
        return datetime.fromtimestamp(day * DAY_MS / 1000, UTC).strftime("%Y-%m-%d")
    except (OverflowError, ValueError, OSError):
        return "undated"
