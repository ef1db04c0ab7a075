"""How values are written, without the values: seconds or milliseconds, UTC or local, decimal point or comma.

The profile keeps the format of each path of good bodies and of each query parameter, so that another one is seen.
"""

from __future__ import annotations

import re
from typing import Any

from halt400.diagnosis.exchange import Exchange
from halt400.diagnosis.places import query_pairs

__all__ = ["MAX_FORMATS", "format_of", "formats_of"]

MAX_FORMATS = 64
_MAX_NODES = 512
_MAX_DEPTH = 12
_EPOCH_S = (946_684_800, 4_102_444_800)
"""2000 to 2100, in seconds: numbers between are taken for times."""
_INTERESTING = re.compile(r"[0-9+-]")
_FORMATS = re.compile(
    r"(?P<datetime>\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?P<zone>Z|[+-]\d\d:?\d\d)?)"
    r"|(?P<date>\d{4}-\d\d-\d\d)"
    r"|(?P<daymonth>\d\d?[./]\d\d?[./]\d{4})|(?P<whole>-?\d{1,18})|(?P<point>-?\d{1,15}\.\d{1,10})"
    r"|(?P<comma>-?\d{1,15},\d{1,2})"
)


def format_of(value: Any) -> str | None:
    """The format of one value, None where it has none that is compared.

    Examples
    --------
    >>> format_of(1764000000), format_of("1764000000123"), format_of("2026-11-28T10:00:00"), format_of("9,50")
    ('seconds', 'milliseconds', 'local time', 'decimal comma')
    """
    if isinstance(value, str):
        if not 1 <= len(value) <= 40 or not _INTERESTING.match(value):
            return None
        found = _FORMATS.fullmatch(value)
        if found is None:
            return None
        kind = found.lastgroup
        if kind in ("datetime", "zone"):
            return "UTC time" if found["zone"] == "Z" else "time with offset" if found["zone"] else "local time"
        if kind == "whole":
            return _epoch(int(value)) or "whole number"
        return {"date": "date", "daymonth": "day and month date", "point": "decimal point", "comma": "decimal comma"}[
            kind or ""
        ]
    if isinstance(value, bool):
        return None
    return _epoch(value) if isinstance(value, int | float) else None


def _epoch(number: float) -> str | None:
    if _EPOCH_S[0] <= number < _EPOCH_S[1]:
        return "seconds"
    return "milliseconds" if _EPOCH_S[0] * 1000 <= number < _EPOCH_S[1] * 1000 else None


def formats_of(exchange: Exchange) -> dict[str, str]:
    """The format by path, of a JSON body (``a.b[]``) and of the query (``?name``).

    Examples
    --------
    >>> from halt400.records import Request
    >>> request = Request(method="POST", url="https://a.example/?from=2026-11-28", body='{"at": [1764000000]}')
    >>> formats_of(Exchange(request))
    {'?from': 'date', 'at[]': 'seconds'}
    """
    found: dict[str, str] = {}
    url = exchange.url
    if "=" in url:
        for _, name, start, end in query_pairs(url[:16_384]):
            kind = format_of(url[start:end].replace("%3A", ":").replace("%2C", ",")) if start >= 0 else None
            if kind is not None and len(found) < MAX_FORMATS:
                found.setdefault(f"?{name[:80]}", kind)
    if exchange.parseable_body and exchange.json is not None:
        _walk(exchange.json, found)
    return found


def _walk(root: Any, found: dict[str, str]) -> None:
    pending: list[tuple[str, Any, int]] = [("", root, 0)]
    nodes = 0
    while pending and nodes < _MAX_NODES and len(found) < MAX_FORMATS:
        path, value, depth = pending.pop()
        nodes += 1
        if isinstance(value, dict):
            if depth < _MAX_DEPTH:
                pending.extend((f"{path}.{name}" if path else name, item, depth + 1) for name, item in value.items())
        elif isinstance(value, list):
            if depth < _MAX_DEPTH:
                pending.extend((f"{path}[]", item, depth + 1) for item in value[:8])
        elif len(path) <= 120:
            kind = format_of(value)
            if kind is not None:
                found.setdefault(path, kind)
