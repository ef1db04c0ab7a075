"""JSON lines: recorded exchanges, one object each, and our own response events; both may stand in one file. Pure.

A recorded exchange has ``method``, ``url``, ``status``, ``request_headers``, ``request_body``, ``response_headers`` and
``response_body``, of which only the URL is needed, and ``source`` and ``file``, which name its job. A response event,
or what a person writes like one, has an object ``request`` and an object ``response``.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

import msgspec
import orjson

from halt400.errors import InvalidRecord
from halt400.exchanges.har import is_har
from halt400.exchanges.recorded import Missing, RecordedExchange, headers_of, status_of
from halt400.records import UNDECODABLE, Request, Response, ResponseEvent

__all__ = ["exchange_of", "looks_like_json_line", "parse_line"]

_ONE_A_LINE = "Send one exchange a line."
_AT_LEAST = "Each exchange needs at least method and url."

_KNOWN_SHAPES = (
    "Known shapes: {method, url, status, ...}; {request: {method, url}, response: {status}}; Caddy's"
    " {ts, request: {method, host, uri}, status}; Envoy's {method, path, authority, response_code}. For others: jq."
)
_SHOWN = 12
_TEXTS = ("source", "file", "request_body", "response_body", "body")

Json = dict[str, Any]

_decode_event = msgspec.json.Decoder(ResponseEvent).decode


def looks_like_json_line(line: bytes) -> bool:
    """Whether a line is a JSON object, and no HAR on one line."""
    if not line.lstrip().startswith(b"{"):
        return False
    try:
        return not is_har(orjson.loads(line))
    except orjson.JSONDecodeError:
        return False


def parse_line(line: bytes, number: int) -> RecordedExchange:
    """Read one line.

    Raises
    ------
    InvalidRecord
        The line is no exchange.

    Examples
    --------
    >>> found = parse_line(b'{"method": "GET", "url": "https://a.example/", "status": 400}', 7)
    >>> found.where, found.response.status
    ('line 7', 400)
    """
    try:
        fields = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise InvalidRecord(f"no JSON object ({error})", _ONE_A_LINE) from None
    return exchange_of(fields, f"line {number}", number, line)


def exchange_of(fields: Any, where: str, number: int = 1, content: bytes = b"") -> RecordedExchange:
    """Read one exchange from a parsed JSON value.

    Parameters
    ----------
    fields
        The parsed value.
    where, number, content
        See `RecordedExchange`.

    Raises
    ------
    InvalidRecord
        It is no exchange.
    """
    if not isinstance(fields, dict):
        raise InvalidRecord(f"no JSON object but {type(fields).__name__}", _ONE_A_LINE)
    if "url" not in fields and not isinstance(fields.get("request"), dict):
        found = ", ".join(sorted(map(str, fields))[:_SHOWN]) or "nothing"
        raise InvalidRecord(f"there is no url: the object has {found}", _KNOWN_SHAPES)
    reader = _from_event if isinstance(fields.get("request"), dict) else _from_fields
    exchange = reader(fields, content)
    exchange.where, exchange.number, exchange.content = where, number, content
    exchange.as_sent = fields.get("as_sent") is True
    return exchange


def _from_event(fields: Json, content: bytes) -> RecordedExchange:
    """Read a `ResponseEvent`, or what a person wrote like one, which still has a request."""
    try:
        event = _decode_event(content)
    except UNDECODABLE as error:
        response = fields.get("response")
        return RecordedExchange(
            where="",
            request=_request(fields["request"]),
            response=_response(response) if isinstance(response, dict) else None,
            fault=f"no ResponseEvent: {error}",
        )
    return RecordedExchange(
        where="",
        request=event.request,
        response=event.response,
        time_ms=event.time,
        duration_ms=event.duration_ms,
        job_id=event.job_id,
        event=event,
    )


def _from_fields(fields: Json, content: bytes) -> RecordedExchange:
    """Read a recorded exchange: an object with the request's fields and the response's beside each other."""
    missing: list[Missing] = ["method_case"] if "method" in fields else ["method"]
    faults = [f"{name} is no text" for name in _TEXTS if not isinstance(fields.get(name), str | None)]
    exchange = RecordedExchange(
        where="",
        request=_request(fields, "request_"),
        response=_response(fields, "response_"),
        missing=missing,
        job_id="/".join(str(fields[name]) for name in ("source", "file") if fields.get(name)) or None,
    )
    if "status" not in fields:
        faults.append("there is no status")
    elif exchange.response is None:
        exchange.no_response = "the request got no response"
    exchange.fault = "; ".join(faults)
    return exchange


def _request(fields: Json, prefix: str = "") -> Request:
    url, method = fields.get("url"), fields.get("method", "GET")
    if not isinstance(url, str) or not url:
        found = ", ".join(sorted(map(str, fields))[:_SHOWN]) or "nothing"
        raise InvalidRecord(f"there is no url: {'the object' if prefix else 'its request'} has {found}", _KNOWN_SHAPES)
    if not isinstance(method, str) or not method:
        raise InvalidRecord(f"the method is {method!r}", _AT_LEAST)
    headers = f"{prefix}headers" if f"{prefix}headers" in fields else "headers"
    has_prefix = f"{prefix}body" in fields or f"{prefix}body_base64" in fields
    body, encoded = _body(fields, prefix if has_prefix else "")
    size = fields.get("body_size")
    return Request(
        method=method,
        url=url,
        http_version=str(fields.get("http_version") or "1.1"),
        headers=headers_of(fields.get(headers)),
        body=body,
        body_base64=encoded,
        body_size=size if isinstance(size, int) and size >= 0 else None,
        body_truncated=fields.get("body_truncated") is True,
    )


def _response(fields: Json, prefix: str = "") -> Response | None:
    """A response, None where there is no status."""
    status = fields.get("status")
    if status is None or (status == 0 and status is not False):
        return None
    body, encoded = _body(fields, prefix)
    return Response(
        status=status_of(status), headers=headers_of(fields.get(f"{prefix}headers")), body=body, body_base64=encoded
    )


def _body(fields: Json, prefix: str) -> tuple[str | None, str | None]:
    value, encoded = fields.get(f"{prefix}body"), fields.get(f"{prefix}body_base64")
    if isinstance(encoded, str):
        try:
            base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            raise InvalidRecord(f"{prefix}body_base64 is no base64", "Correct the line.") from None
        return None, encoded
    if value is None or isinstance(value, str):
        return value, None
    # Some recorders store the parsed JSON instead of the text.
    return json.dumps(value), None
