r"""Access logs of Apache and nginx: ``common``, ``combined``, and both with a virtual host in front.

A log is written by the server, which leaves much out. Said here once, for what an event makes of a line:

- target: what the caller says, else the virtual host, else the host of an absolute request (a forward proxy's log),
  else the file's name in lower case;
- job: the file's name and the first segment of the path, such as ``access.log/products``; a request line that cannot be
  read, such as a TLS handshake sent to a plain port, goes to a job of its own, so that it halts no other;
- URL: ``http``, for the log does not say, unless the virtual host has port 443;
- bodies: none. Referer and User-Agent are the only request headers.

The servers escape what is not printable: ``\xHH`` for a byte, ``\"``, ``\\`` and C's short escapes
(Apache: mod_log_config, "Format Notes"; nginx: ngx_http_log_module, ``escape=default``).
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from urllib.parse import urlsplit

from halt400.errors import InvalidRecord
from halt400.events import target_of
from halt400.records import ResponseEvent
from streams.replay.exchange import Assembly

__all__ = ["looks_like_access_log", "parse_line"]

NO_REQUEST_LINE = "(unreadable request line)"

# Possessive and bounded: a hostile line costs no more than its length.
_QUOTED = r'"([^"\\]*+(?:\\.[^"\\]*+)*+)"'
_LINE = re.compile(
    r"(.{1,1024}?) \[([0-9A-Za-z/:+.\- ]{8,40})\] "
    rf"{_QUOTED} (\d{{3}}|-) (\d{{1,18}}|-)(?: {_QUOTED} {_QUOTED})?",
    re.DOTALL,
)
_REQUEST_LINE = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,255}) (\S.*) HTTP/([0-9.]{1,8})", re.DOTALL)
_SIMPLE_REQUEST = re.compile(r"GET (/\S*)")
_ESCAPE = re.compile(r'\\(x[0-9A-Fa-f]{2}|["\\abfnrtv])')
_SHORT = {'"': '"', "\\": "\\", "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_VIRTUAL_HOST_AND_PORT = re.compile(r"\S+:\d{1,5}")
_ADDRESS = re.compile(r"[0-9.]{7,15}|[0-9A-Fa-f]*:[0-9A-Fa-f:.%]+")
_MONTHS = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), start=1
    )
}
_APACHE_TIME = re.compile(r"(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))? ([+-])(\d\d)(\d\d)")


def looks_like_access_log(line: bytes) -> bool:
    """Whether a line has the shape of one; for telling formats apart."""
    return _LINE.match(_text(line)) is not None


def parse_line(assembly: Assembly, number: int, line: bytes) -> ResponseEvent:
    """Read one line.

    Raises
    ------
    InvalidRecord
        It is no line of an access log, or its time or status cannot be read.
    """
    match = _LINE.match(_text(line))
    if match is None:
        raise InvalidRecord("no line of a common or combined access log")
    prefix, time, request_line, status, size, referer, agent = match.groups()
    if status == "-":
        raise InvalidRecord("no status")
    virtual_host = _virtual_host(prefix)
    method, url, version = _request(_unescaped(request_line))
    target = virtual_host or _absolute_target(method, url) or assembly.label.lower()
    job_id = f"{assembly.label}/{_first_segment(method, url)}" if method else f"{assembly.label} {NO_REQUEST_LINE}"
    headers = (("Referer", referer), ("User-Agent", agent))
    return assembly.event(
        number,
        line,
        job_id=job_id,
        time_ms=_time_ms(time),
        target=_without_default_port(target),
        method=method or "-",
        url=_absolute(url, assembly.target or target),
        http_version=version,
        status=int(status),
        request_headers=[(name, _unescaped(value)) for name, value in headers if value and value != "-"],
        response_body_size=None if size == "-" else int(size),
    )


def _text(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("latin-1")


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    if "\\x" not in text:
        return _ESCAPE.sub(lambda match: _SHORT[match[1]], text)
    # Escaped bytes are the UTF-8 of one text; kept one to one as Latin-1 where they are not.
    raw = re.sub(
        rb'\\(x[0-9A-Fa-f]{2}|["\\abfnrtv])',
        lambda match: bytes([int(match[1][1:], 16)]) if match[1][:1] == b"x" else _SHORT[match[1].decode()].encode(),
        text.encode(errors="replace"),
    )
    return _text(raw)


def _request(line: str) -> tuple[str | None, str, str]:
    """Return method, URL and HTTP version; no method where the line is no request line, and then the line as URL."""
    match = _REQUEST_LINE.fullmatch(line)
    if match is not None:
        return match[1], match[2], {"2.0": "2", "3.0": "3"}.get(match[3], match[3])
    simple = _SIMPLE_REQUEST.fullmatch(line)
    if simple is not None:
        return "GET", simple[1], "0.9"
    return None, line or "-", "-"


def _virtual_host(prefix: str) -> str | None:
    """Return the host in front of ``client ident user``; a user's name may hold spaces: four words are no proof."""
    words = prefix.split(" ")
    if len(words) < 4:
        return None
    if _VIRTUAL_HOST_AND_PORT.fullmatch(words[0]) and not _ADDRESS.fullmatch(words[0]):
        return words[0].lower()
    if _ADDRESS.fullmatch(words[1]) and not _ADDRESS.fullmatch(words[0]):
        return words[0].lower()
    return None


def _absolute_target(method: str | None, url: str) -> str | None:
    if method == "CONNECT":
        return target_of(f"https://{url}")
    if method is not None and url[:8].lower().startswith(("http://", "https://")):
        return target_of(url)
    return None


def _without_default_port(target: str) -> str:
    return target.removesuffix(":80").removesuffix(":443") if not target.endswith("::80") else target


def _absolute(url: str, target: str) -> str:
    if not url.startswith("/"):
        return url
    return f"{'https' if target.endswith(':443') else 'http'}://{_without_default_port(target)}{url}"


def _first_segment(method: str | None, url: str) -> str:
    if method == "CONNECT":
        return ""
    path = url
    if not url.startswith("/"):
        try:
            path = urlsplit(url).path
        except ValueError:
            path = ""
    return path.partition("?")[0].partition("#")[0].lstrip("/").partition("/")[0]


@lru_cache(maxsize=16)
def _time_ms(text: str) -> int:
    """Milliseconds since the epoch of ``17/May/2015:10:05:03 +0000``, or of ISO 8601 with its offset."""
    match = _APACHE_TIME.fullmatch(text)
    try:
        if match is not None:
            day, month, year, hour, minute, second, fraction, sign, hours, minutes = match.groups()
            offset = timedelta(hours=int(hours), minutes=int(minutes)) * (-1 if sign == "-" else 1)
            moment = datetime(
                int(year),
                _MONTHS[month],
                int(day),
                int(hour),
                int(minute),
                min(int(second), 59),
                int((fraction or "0").ljust(6, "0")),
                timezone(offset),
            )
        else:
            moment = datetime.fromisoformat(text)
            if moment.tzinfo is None:
                raise InvalidRecord(f"time {text!r} has no offset from UTC")
    except (ValueError, KeyError, OverflowError) as error:
        raise InvalidRecord(f"time {text!r} cannot be read") from error
    return (moment - datetime.fromtimestamp(0, UTC)) // timedelta(milliseconds=1)
