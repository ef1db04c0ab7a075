"""Access logs of Apache and nginx: ``common``, ``combined``, and both with a virtual host in front. Pure.

A log leaves much out: no bodies, and of the request's headers only Referer and User-Agent. The URL is a path, but for
a forward proxy's log, which has absolute ones. What stands after the known fields is passed over.

Formats: https://httpd.apache.org/docs/2.4/mod/mod_log_config.html#examples (common, combined, with virtual host) and
https://nginx.org/en/docs/http/ngx_http_log_module.html#log_format (combined).
"""

import re

from halt400.errors import InvalidRecord
from halt400.exchanges.log_lines import size_of, time_ms, unfit
from halt400.exchanges.recorded import RecordedExchange, status_of
from halt400.exchanges.request_line import decoded, logged_request, unescaped
from halt400.records import Response

__all__ = ["looks_like_access_log", "parse_line"]

# Possessive and bounded: a hostile line costs no more than its length.
_QUOTED = r'"([^"\\]*+(?:\\.[^"\\]*+)*+)"'
_LINE = re.compile(
    r"(.{1,1024}?) \[([0-9A-Za-z/:+.\- ]{8,40})\] "
    rf"{_QUOTED} (\d{{3}}|-) (\d{{1,18}}|-)(?: {_QUOTED} {_QUOTED})?",
    re.DOTALL,
)
_VIRTUAL_HOST_AND_PORT = re.compile(r"\S+:\d{1,5}")
_ADDRESS = re.compile(r"[0-9.]{7,15}|[0-9A-Fa-f]*:[0-9A-Fa-f:.%]+")
_EXPECTED = '[HOST] CLIENT IDENT USER [TIME] "REQUEST" STATUS BYTES ["REFERER" "USER-AGENT"]'


def looks_like_access_log(line: bytes) -> bool:
    """Whether a line has the shape of one."""
    return _LINE.match(decoded(line)) is not None


def parse_line(line: bytes, number: int) -> RecordedExchange:
    """Read one line.

    Raises
    ------
    InvalidRecord
        It is no line of an access log, or its time or status cannot be read.

    Examples
    --------
    >>> line = b'203.0.113.9 - - [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 400 226'
    >>> found = parse_line(line, 1)
    >>> found.request.url, found.response.status, found.client_address
    ('/a', 400, '203.0.113.9')
    """
    text = decoded(line)
    match = _LINE.match(text)
    if match is None:
        raise unfit("a common or combined access log", text, _EXPECTED)
    prefix, time, request_line, status, size, referer, agent = match.groups()
    if status == "-":
        raise InvalidRecord("no status")
    host, client_address = _host_and_client(prefix)
    headers = [
        (name, unescaped(value))
        for name, value in (("Referer", referer), ("User-Agent", agent))
        if value and value != "-"
    ]
    request, missing = logged_request(unescaped(request_line), headers)
    return RecordedExchange(
        where=f"line {number}",
        number=number,
        content=line,
        request=request,
        missing=missing,
        response=Response(status=status_of(status), body_size=size_of(size)),
        time_ms=time_ms(time),
        client_address=client_address,
        host=host,
        server_log=True,
    )


def _host_and_client(prefix: str) -> tuple[str | None, str]:
    """Split ``[host] client ident user``; a user's name may hold spaces, so four words do not prove a host."""
    words = prefix.split(" ")
    if len(words) >= 4:
        host_has_port = _VIRTUAL_HOST_AND_PORT.fullmatch(words[0]) and not _ADDRESS.fullmatch(words[0])
        if host_has_port or (_ADDRESS.fullmatch(words[1]) and not _ADDRESS.fullmatch(words[0])):
            return words[0].lower(), words[1]
    return None, words[0]
