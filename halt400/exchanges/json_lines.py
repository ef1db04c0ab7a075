"""JSON lines of exchanges: the fields of `recorded_api`, or our own ``{"request": ..., "response": ...}``."""

from __future__ import annotations

from typing import Any

import orjson

from halt400.errors import InputError
from halt400.exchanges.recorded import Recorded, request_of, response_of

__all__ = ["exchange_of", "read_json_lines"]


def read_json_lines(data: bytes) -> list[Recorded]:
    """Read one exchange a line; a single object or an array over several lines is taken too.

    Raises
    ------
    InputError
        Naming the line that is no exchange.

    Examples
    --------
    >>> read_json_lines(b'{"method": "GET", "url": "https://a.example/"}')[0].label
    'line 1'
    """
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError:
        document = None
    if isinstance(document, list):
        return [exchange_of(item, f"item {number}") for number, item in enumerate(document, 1)]
    if isinstance(document, dict):
        return [exchange_of(document, "line 1")]
    found = []
    for number, line in enumerate(data.splitlines(), 1):
        if not line.strip():
            continue
        try:
            fields = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise InputError(f"line {number}: no JSON object ({error}).", "Send one exchange a line.") from None
        found.append(exchange_of(fields, f"line {number}"))
    return found


def exchange_of(fields: Any, label: str) -> Recorded:
    """One exchange from one parsed object."""
    if not isinstance(fields, dict):
        raise InputError(f"{label}: no JSON object but {type(fields).__name__}.", "Send one exchange a line.")
    as_sent = fields.get("as_sent") is True
    request = fields.get("request")
    if isinstance(request, dict):
        response = fields.get("response")
        return Recorded(
            label=label,
            request=request_of(request, label),
            response=response_of(response, label) if isinstance(response, dict) else None,
            as_sent=as_sent,
        )
    return Recorded(
        label=label,
        request=request_of(fields, label, "request_"),
        response=response_of(fields, label, "response_"),
        as_sent=as_sent,
    )
