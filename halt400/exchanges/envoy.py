"""Envoy's default access log, and Istio's, which has three more fields. Pure.

``[START_TIME] "METHOD PATH PROTOCOL" CODE FLAGS RECEIVED SENT DURATION UPSTREAM_TIME "FORWARDED_FOR" "USER_AGENT"
"REQUEST_ID" "AUTHORITY" "UPSTREAM_HOST"``; Istio has ``CODE_DETAILS TERMINATION_DETAILS "FAILURE_REASON"`` after the
flags. The time is that of the request. Code 0 says that there was no response. A JSON object a line
(``json_format``) is read where it has Envoy's own names, as Istio's has: ``method``, ``path``, ``response_code``, …

- https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage#default-format-string
- https://istio.io/latest/docs/tasks/observability/logs/access-log/#default-access-log-format
"""

import re
from typing import Any

import orjson

from halt400.exchanges.log_lines import after, size_of, time_ms, unfit
from halt400.exchanges.recorded import Missing, RecordedExchange, status_of
from halt400.exchanges.request_line import VERSIONS, decoded, logged_request
from halt400.records import Request, Response

__all__ = ["looks_like_envoy_log", "parse_line"]

Json = dict[str, Any]

# Possessive: a hostile line costs no more than its length.
_QUOTED = r'"([^"]*+)"'
_LINE = re.compile(
    rf"\[([0-9T:.Z+-]{{16,40}}+)\] {_QUOTED} (\d{{1,3}}) (\S++)"
    r'(?: \S++ \S++ "[^"]*+")?'  # Istio
    rf" (\d{{1,18}}|-) (\d{{1,18}}|-) (\d{{1,12}}|-) \S++ {_QUOTED} {_QUOTED} {_QUOTED} {_QUOTED} {_QUOTED}"
)
_EXPECTED = '[START] "METHOD PATH PROTOCOL" CODE FLAGS RECEIVED SENT DURATION … "AUTHORITY" "UPSTREAM"'


def looks_like_envoy_log(line: bytes) -> bool:
    """Whether a line has the shape of one."""
    return _LINE.match(decoded(line)) is not None or _entry_of(line) is not None


def parse_line(line: bytes, number: int) -> RecordedExchange:
    """Read one line.

    Raises
    ------
    InvalidRecord
        It is no line of such a log, or its time or status cannot be read.

    Examples
    --------
    >>> line = (b'[2016-04-15T20:17:00.310Z] "POST /api/v1/locations HTTP/2" 204 - 154 0 226 100 "10.0.35.28" '
    ...         b'"nsq2http" "cc21d9b0-cf5c-432b-8c7e-98aeb7988cd2" "locations" "tcp://10.0.2.1:80"')
    >>> found = parse_line(line, 1)
    >>> found.host, found.request.url, found.response.status, found.duration_ms, found.request.http_version
    ('locations', '/api/v1/locations', 204, 226.0, '2')
    """
    entry = _entry_of(line)
    if entry is not None:
        return _of_entry(entry, line, number)
    text = decoded(line)
    match = _LINE.match(text)
    if match is None:
        raise unfit("an Envoy log", text, _EXPECTED)
    start, request_line, status, _flags, received, sent, took, forwarded, agent, request_id, host, _ = match.groups()
    named = (("X-Forwarded-For", forwarded), ("User-Agent", agent), ("X-Request-Id", request_id))
    request, missing = logged_request(request_line, [(name, value) for name, value in named if value not in ("", "-")])
    request.body_size = size_of(received)
    duration_ms = float(took) if took != "-" else None
    client = forwarded.rpartition(",")[2].strip()
    exchange = RecordedExchange(
        where=f"line {number}",
        number=number,
        content=line,
        request=request,
        missing=missing,
        time_ms=after(time_ms(start), duration_ms),
        duration_ms=duration_ms,
        client_address=client if client not in ("", "-") else None,
        host=host.lower() if host not in ("", "-") else None,
        server_log=True,
    )
    if status == "0":
        exchange.no_response = "the request got no response"
    else:
        exchange.response = Response(status=status_of(status), body_size=size_of(sent))
    return exchange


def _entry_of(line: bytes) -> Json | None:
    """The object of Envoy's ``json_format`` with the names of its documentation and of Istio; None for other lines."""
    if line[:1] != b"{" or b'"response_code"' not in line:
        return None
    try:
        entry = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return entry if isinstance(entry, dict) and "path" in entry and "method" in entry else None


def _of_entry(entry: Json, line: bytes, number: int) -> RecordedExchange:
    texts = {name: str(value) for name, value in entry.items() if value not in (None, "", "-")}
    named = (("X-Forwarded-For", "x_forwarded_for"), ("User-Agent", "user_agent"), ("X-Request-Id", "request_id"))
    protocol = texts.get("protocol", "HTTP/1.1").removeprefix("HTTP/")
    request = Request(
        method=texts.get("method", "-"),
        url=texts.get("path", "-"),
        http_version=VERSIONS.get(protocol, protocol),
        headers=[(header, texts[name]) for header, name in named if name in texts],
        body_size=size_of(texts.get("bytes_received", "-")),
    )
    duration_ms = float(texts["duration"]) if texts.get("duration", "").isdigit() else None
    exchange = RecordedExchange(
        where=f"line {number}",
        number=number,
        content=line,
        request=request,
        time_ms=after(time_ms(texts["start_time"]), duration_ms) if "start_time" in texts else None,
        duration_ms=duration_ms,
        client_address=texts.get("x_forwarded_for", "").rpartition(",")[2].strip() or None,
        host=texts["authority"].lower() if "authority" in texts else None,
        server_log=True,
    )
    if "method" not in texts:
        absent: list[Missing] = ["method"]
        exchange.missing = absent
    if texts.get("response_code", "0") == "0":
        exchange.no_response = "the request got no response"
    else:
        status = status_of(texts["response_code"])
        exchange.response = Response(status=status, body_size=size_of(texts.get("bytes_sent", "-")))
    return exchange
