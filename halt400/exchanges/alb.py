"""Access logs of AWS's load balancers: Application Load Balancer and Classic Load Balancer. Pure.

``TYPE TIME ELB CLIENT:PORT TARGET:PORT REQUEST_TIME TARGET_TIME RESPONSE_TIME STATUS TARGET_STATUS RECEIVED SENT
"REQUEST" "USER_AGENT" …``; a classic one has no TYPE. The time is that of the response, the status what the client got;
the URL is absolute.

- https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html#access-log-entry-syntax
- https://docs.aws.amazon.com/elasticloadbalancing/latest/classic/access-log-collection.html#access-log-entry-format
"""

import re

from halt400.exchanges.log_lines import ms_of_seconds, size_of, time_ms, unfit
from halt400.exchanges.recorded import RecordedExchange, status_of
from halt400.exchanges.request_line import decoded, logged_request, unescaped
from halt400.records import Header, Response

__all__ = ["looks_like_alb_log", "parse_line"]

# Possessive: a hostile line costs no more than its length.
_QUOTED = r'"([^"\\]*+(?:\\.[^"\\]*+)*+)"'
_TIME = r"(-?\d{1,9}(?:\.\d{1,9})?|-)"
_LINE = re.compile(
    r"(?:(?:https?|h2|grpcs?|wss?) )?(\d{4}-\d\d-\d\dT[0-9:.]{5,18}Z) \S++ (\S{1,255}):(?:\d{1,5}|-) \S++ "
    rf"{_TIME} {_TIME} {_TIME} (\d{{3}}|-) (?:\d{{3}}|-) (\d{{1,18}}|-) (\d{{1,18}}|-) {_QUOTED}(?: {_QUOTED})?"
)
_EXPECTED = 'TYPE TIME ELB CLIENT:PORT TARGET:PORT TIMES… STATUS TARGET_STATUS RECEIVED SENT "METHOD URL PROTOCOL" …'
_NO_REQUEST = re.compile(r"- (\S+?)-? - ?")
"""A request that could not be read is logged as ``- http://host:80- -``."""


def looks_like_alb_log(line: bytes) -> bool:
    """Whether a line has the shape of one."""
    return _LINE.match(decoded(line)) is not None


def parse_line(line: bytes, number: int) -> RecordedExchange:
    """Read one line.

    Raises
    ------
    InvalidRecord
        It is no line of such a log, or its time or status cannot be read.

    Examples
    --------
    >>> line = (b'http 2018-07-02T22:23:00.186641Z app/my-loadbalancer/50dc6c495c0c9188 192.168.131.39:2817 '
    ...         b'10.0.0.1:80 0.000 0.001 0.000 200 200 34 366 "GET http://www.example.com:80/ HTTP/1.1" "curl/7.46.0" '
    ...         b'- - arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/my-targets/73e2d6bc24d8a067')
    >>> found = parse_line(line, 1)
    >>> found.request.url, found.response.status, found.duration_ms, found.client_address
    ('http://www.example.com:80/', 200, 1.0, '192.168.131.39')
    """
    text = decoded(line)
    match = _LINE.match(text)
    if match is None:
        raise unfit("an AWS load balancer's log", text, _EXPECTED)
    time, client, waited, served, answered, status, received, sent, request_line, agent = match.groups()
    headers: list[Header] = [("User-Agent", unescaped(agent))] if agent and agent != "-" else []
    request_line = unescaped(request_line)
    request, missing = logged_request(request_line, headers)
    unreadable = _NO_REQUEST.fullmatch(request_line)
    request.body_size = size_of(received)
    exchange = RecordedExchange(
        where=f"line {number}",
        number=number,
        content=line,
        request=request,
        missing=missing,
        time_ms=time_ms(time),
        duration_ms=ms_of_seconds(waited, served, answered),
        client_address=client,
        host=_host(unreadable[1]) if unreadable is not None else None,
        server_log=True,
    )
    if status == "-":
        exchange.no_response = "the request got no response"
    else:
        exchange.response = Response(status=status_of(status), body_size=size_of(sent))
    return exchange


def _host(url: str) -> str | None:
    """Host and port of ``http://host:80``, None where there is no host."""
    host = url.partition("//")[2].partition("/")[0].lower()
    return host if host and not host.startswith(":") else None
