"""What every reader yields: one recorded exchange, whatever it was read from, or a record that gives none. Pure."""

from __future__ import annotations

import base64
from collections.abc import Collection
from typing import Any, Literal, NamedTuple

from msgspec import Struct

from halt400.errors import InvalidRecord
from halt400.records import Header, Request, Response, ResponseEvent

__all__ = ["Missing", "RecordedExchange", "Unread", "headers_of", "status_of", "text_or_base64"]

Missing = Literal["method", "method_case", "http_version"]


class RecordedExchange(Struct, kw_only=True):
    """One request, with its response where there was one.

    Attributes
    ----------
    where, number
        Its place in the file, such as ``line 12``, and the number in it.
    content
        The record's bytes; with the number they identify it.
    missing
        What the record lacks, so that `request` has a default for it. ``method_case``: the recorder writes
        the method as its library does (``get``).
    time_ms, duration_ms
        When the response was there, milliseconds since the epoch, and how long it took; None where it is not known.
    client_address
        Address of the client, from a server's log.
    host
        Virtual host in a server's log, in lower case, with its port where the log names it.
    job_id, page
        The job that the record names, and the page of a HAR.
    server_log
        Written by a server or a proxy: the URL may be only a path.
    as_sent
        The headers are all that was on the wire.
    bare_line_feeds
        The lines of a raw request end in a line feed alone: it was sent so, or an editor wrote it.
    event
        The whole record where it is a `ResponseEvent`.
    fault
        What is broken in the record, although a request could be read from it; empty where nothing is.
    no_response
        Why there is no HTTP response, where the record is well-formed; empty where there is one.
    """

    where: str
    request: Request
    number: int = 1
    content: bytes = b""
    missing: Collection[Missing] = ()
    response: Response | None = None
    time_ms: int | None = None
    duration_ms: float | None = None
    client_address: str | None = None
    host: str | None = None
    job_id: str | None = None
    page: str | None = None
    server_log: bool = False
    as_sent: bool = False
    bare_line_feeds: bool = False
    event: ResponseEvent | None = None
    fault: str = ""
    no_response: str = ""


class Unread(NamedTuple):
    """A record that gives no exchange, or no event: its file, its place (such as ``line 12``) and why.

    `harmless` says that nothing is wrong with it: it is well-formed, and there was no response. `mend` is what to do.
    """

    file: str
    where: str
    what: str
    harmless: bool = False
    mend: str = ""

    def __str__(self) -> str:
        return f"{self.file}, {self.where}: {self.what}"


def text_or_base64(body: bytes) -> tuple[str | None, str | None]:
    """A body as the record's `body` where it is UTF-8, else as its `body_base64`."""
    try:
        return body.decode("utf-8"), None
    except UnicodeDecodeError:
        return None, base64.b64encode(body).decode("ascii")


def headers_of(value: Any, *, skip_broken: bool = False) -> list[Header]:
    """Headers from a mapping, a list of pairs, or a list of ``{"name": ..., "value": ...}``; order is kept.

    Parameters
    ----------
    value
        A parsed JSON value.
    skip_broken
        Leave out what is no header.

    Raises
    ------
    InvalidRecord
        There is something else, and it is not left out.

    Examples
    --------
    >>> headers_of({"Accept": ["a", "b"]})
    [('Accept', 'a'), ('Accept', 'b')]
    """
    pairs: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        pairs = list(value.items())
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, dict) and "name" in item:
                pairs.append((item["name"], item.get("value")))
            elif isinstance(item, list) and len(item) == 2:
                pairs.append((item[0], item[1]))
            elif not skip_broken:
                raise InvalidRecord("a header is neither a pair nor a name with a value", "Correct the headers.")
    elif value is not None and not skip_broken:
        raise InvalidRecord("the headers are neither an object nor a list", "Correct the headers.")
    headers: list[Header] = []
    for name, content in pairs:
        if not isinstance(name, str) or (skip_broken and not name):
            if skip_broken:
                continue
            raise InvalidRecord("the name of a header is no text", "Correct the headers.")
        contents = content if isinstance(content, list) else [content]
        headers.extend((name, "" if one is None else str(one)) for one in contents)
    return headers


def status_of(value: Any) -> int:
    """A status from a parsed JSON value: a number from 100 to 599, or one as text.

    Raises
    ------
    InvalidRecord
        It is none.

    Examples
    --------
    >>> status_of("400")
    400
    """
    status = int(value) if isinstance(value, str) and len(value) == 3 and value.isdecimal() else value
    if isinstance(status, bool) or not isinstance(status, int) or not 100 <= status <= 599:
        raise InvalidRecord(f"the status is {str(value)[:40]!r}", "A status is a number from 100 to 599.")
    return status
