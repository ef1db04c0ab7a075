r"""Squid's native access log, the default ``logformat squid``. Pure.

``%ts.%03tu %6tr %>a %Ss/%03>Hs %<st %rm %ru %[un %Sh/%<a %mt``, that is: time, milliseconds that it took, client,
result and status, bytes, method, URL, user, hierarchy and server, media type. The time is that of the response's end.
There are no headers, and no HTTP version. A request that Squid itself could not read has a URL such as
``error:invalid-request``; status 000 says that there was no HTTP response.

- http://www.squid-cache.org/Doc/config/logformat/
- https://wiki.squid-cache.org/Features/LogFormat
"""

import re

from halt400.exchanges.log_lines import size_of, unfit
from halt400.exchanges.recorded import Missing, RecordedExchange, status_of
from halt400.exchanges.request_line import decoded
from halt400.records import Request, Response

__all__ = ["looks_like_squid_log", "parse_line"]

# Possessive: a hostile line costs no more than its length.
_LINE = re.compile(
    r"(\d{9,10})\.(\d{3}) ++(-?\d{1,12}) (\S++) [A-Z][A-Z_]*+/(\d{3}|-) (\d{1,18}|-) (\S++) (\S++) \S++ "
    r"[A-Z][A-Z_]*+/\S*+ \S"
)
_EXPECTED = "TIME ELAPSED CLIENT RESULT/STATUS BYTES METHOD URL USER HIERARCHY/SERVER TYPE"
_NO_RESPONSE = ("000", "-")


def looks_like_squid_log(line: bytes) -> bool:
    """Whether a line has the shape of one."""
    return _LINE.match(decoded(line)) is not None


def parse_line(line: bytes, number: int) -> RecordedExchange:
    """Read one line.

    Raises
    ------
    InvalidRecord
        It is no line of such a log, or its status cannot be read.

    Examples
    --------
    >>> line = b"1066036250.603    310 192.0.2.9 TCP_MISS/400 1024 GET http://shop.example/a - DIRECT/203.0.113.5 -"
    >>> found = parse_line(line, 1)
    >>> found.request.url, found.response.status, found.time_ms, found.duration_ms
    ('http://shop.example/a', 400, 1066036250603, 310.0)
    """
    text = decoded(line)
    match = _LINE.match(text)
    if match is None:
        raise unfit("a Squid log", text, _EXPECTED)
    seconds, milliseconds, took, client, status, size, method, url = match.groups()
    missing: list[Missing] = ["http_version"]
    if url.startswith("error:"):
        missing.append("method")
    exchange = RecordedExchange(
        where=f"line {number}",
        number=number,
        content=line,
        request=Request(method=method, url=url, headers=[]),
        missing=missing,
        time_ms=int(seconds) * 1000 + int(milliseconds),
        duration_ms=float(took) if not took.startswith("-") else None,
        client_address=client,
        server_log=True,
    )
    if status in _NO_RESPONSE:
        exchange.no_response = "the request got no HTTP response"
    else:
        exchange.response = Response(status=status_of(status), body_size=size_of(size))
    return exchange
