"""Caddy's access log: JSON, one object a line. Pure.

https://caddyserver.com/docs/logging (an example), https://caddyserver.com/docs/caddyfile/directives/log. Its other
entries, which have no request, give no exchange. The time is that of the response's end: seconds since the epoch, or
ISO 8601 where ``time_format`` says so; the duration is in seconds, or text such as ``1.5ms`` (``duration_format``).
Headers have lost their order, and Caddy writes ``REDACTED`` for credentials.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from halt400.errors import InvalidRecord
from halt400.exchanges.log_lines import ms_of_seconds, time_ms, unfit
from halt400.exchanges.recorded import RecordedExchange, headers_of, status_of
from halt400.exchanges.request_line import VERSIONS
from halt400.records import Request, Response

__all__ = ["looks_like_caddy_log", "parse_line"]

_EXPECTED = 'an object with "ts", "status" and "request": {"method", "host", "uri"}'
_GO_DURATION = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)(ns|us|µs|ms|s|m|h)")
_MS = {"ns": 1e-6, "us": 1e-3, "µs": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4, "h": 3.6e6}

Json = dict[str, Any]


def looks_like_caddy_log(line: bytes) -> bool:
    """Whether a line is a JSON object that Caddy wrote."""
    if not line.lstrip().startswith(b"{"):
        return False
    try:
        entry = orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return isinstance(entry, dict) and (_is_access(entry) or str(entry.get("logger", "")).startswith("http."))


def parse_line(line: bytes, number: int) -> RecordedExchange:
    """Read one line.

    Raises
    ------
    InvalidRecord
        It is no such object, or its time or status cannot be read.

    Examples
    --------
    >>> line = (b'{"ts":1646861401.5241024,"request":{"proto":"HTTP/2.0","method":"GET","host":"localhost","uri":"/",'
    ...         b'"headers":{"User-Agent":["curl/7.82.0"]},"tls":{}},"duration":0.000929675,"size":10900,"status":200}')
    >>> found = parse_line(line, 1)
    >>> found.host, found.request.url, found.response.status, found.time_ms, found.duration_ms
    ('localhost', 'https://localhost/', 200, 1646861401524, 0.929675)
    """
    try:
        entry = orjson.loads(line)
    except orjson.JSONDecodeError:
        entry = None
    if not isinstance(entry, dict):
        raise unfit("a Caddy log", line.decode(errors="replace"), _EXPECTED)
    exchange = RecordedExchange(
        where=f"line {number}",
        number=number,
        content=line,
        request=Request(method="-", url="-", headers=[]),
        server_log=True,
    )
    if not _is_access(entry):
        if "logger" not in entry and "level" not in entry:
            raise unfit("a Caddy log", line.decode(errors="replace"), _EXPECTED)
        exchange.no_response = "an entry of Caddy's log without a request"
        return exchange
    fields = entry["request"]
    host = str(fields.get("host") or "").lower()
    exchange.request = _request(fields, host)
    exchange.host = host or None
    exchange.client_address = fields.get("client_ip") or fields.get("remote_ip")
    exchange.time_ms, exchange.duration_ms = _time_ms(entry.get("ts")), _duration_ms(entry.get("duration"))
    status = entry.get("status")
    if status in (0, None):
        exchange.no_response = "the request got no response"
        return exchange
    size = entry.get("size")
    exchange.response = Response(
        status=status_of(status),
        headers=headers_of(entry.get("resp_headers"), skip_broken=True),
        body_size=size if isinstance(size, int) and size >= 0 else None,
    )
    return exchange


def _is_access(entry: Json) -> bool:
    request = entry.get("request")
    return isinstance(request, dict) and isinstance(request.get("uri"), str) and "url" not in request


def _request(fields: Json, host: str) -> Request:
    uri, protocol = fields["uri"], str(fields.get("proto") or "").removeprefix("HTTP/")
    if host and uri.startswith("/"):
        uri = f"{'https' if 'tls' in fields else 'http'}://{host}{uri}"
    return Request(
        method=str(fields.get("method") or "-"),
        url=uri,
        http_version=VERSIONS.get(protocol, protocol) or "1.1",
        headers=headers_of(fields.get("headers"), skip_broken=True),
    )


def _time_ms(value: Any) -> int | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return round(value * 1000) if 0 <= value < 1e11 else None
    if isinstance(value, str):
        try:
            return time_ms(value.replace("/", "-") if value[4:5] == "/" else value)
        except InvalidRecord:
            return None
    return None


def _duration_ms(value: Any) -> float | None:
    if isinstance(value, str):
        match = _GO_DURATION.fullmatch(value)
        return float(match[1]) * _MS[match[2]] if match is not None else None
    return ms_of_seconds(str(value))
