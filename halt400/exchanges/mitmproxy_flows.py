"""Flows as mitmproxy saves them (``mitmdump -w FILE``), read by mitmproxy's own reader, of all its versions. Pure.

https://docs.mitmproxy.org/stable/tutorials/replay-requests/: a file is a row of netstrings with types
(https://tnetstrings.info). The reader, ``mitmproxy.io.FlowReader``, is in the extra ``mitmproxy``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from typing import TYPE_CHECKING, Any

from halt400.errors import InputError
from halt400.exchanges.recorded import RecordedExchange, Unread, text_or_base64
from halt400.exchanges.request_line import VERSIONS
from halt400.records import Header, Request, Response

if TYPE_CHECKING:
    from mitmproxy.http import HTTPFlow

__all__ = ["looks_like_flows", "read_document"]

_START = re.compile(rb"\d{1,12}:\d{1,3}:[a-z_]{1,40};")
_MEND = (
    "Install mitmproxy beside halt400: pip install 'halt400[mitmproxy]'; or turn the file into a HAR: "
    "mitmdump -nr FILE --set hardump=FILE.har"
)


def looks_like_flows(start: bytes) -> bool:
    """Whether a file that begins like this was saved by mitmproxy."""
    return _START.match(start) is not None


def read_document(data: bytes, path: str) -> Iterator[RecordedExchange | Unread]:
    """Read saved flows, in their order.

    Raises
    ------
    InputError
        mitmproxy is not installed.
    """
    try:
        from mitmproxy.io import FlowReader
    except ModuleNotFoundError as error:
        raise InputError(f"{path}: has flows of mitmproxy, which is not installed here.", _MEND) from error
    return _read(FlowReader(BytesIO(data)), path)


def _read(reader: Any, path: str) -> Iterator[RecordedExchange | Unread]:
    from mitmproxy.exceptions import FlowReadException
    from mitmproxy.http import HTTPFlow

    number = 0
    try:
        for flow in reader.stream():
            number += 1
            where = f"flow {number}"
            if isinstance(flow, HTTPFlow):
                yield _exchange(flow, number)
            else:
                yield Unread(path, where, f"a {flow.type} flow is no HTTP", harmless=True)
    except FlowReadException as error:
        yield Unread(path, f"flow {number + 1}", f"cannot be read ({error})", mend="Is the file whole?")


def _exchange(flow: HTTPFlow, number: int) -> RecordedExchange:
    request, response = flow.request, flow.response
    exchange = RecordedExchange(
        where=f"flow {number}",
        number=number,
        content=flow.id.encode(),
        request=Request(
            method=request.method,
            url=request.pretty_url,
            http_version=_version(request.http_version),
            headers=_headers(request.headers.fields),
        ),
    )
    if request.raw_content is not None:
        exchange.request.body, exchange.request.body_base64 = text_or_base64(request.raw_content)
    if response is None:
        error = flow.error
        exchange.no_response = f"the request got no response ({error.msg})" if error else "the request got no response"
        return exchange
    exchange.response = Response(status=response.status_code, headers=_headers(response.headers.fields))
    body = response.get_content(strict=False)
    if body is not None:
        exchange.response.body, exchange.response.body_base64 = text_or_base64(body)
    ended_s = response.timestamp_end or response.timestamp_start
    if ended_s is not None:
        exchange.time_ms = round(ended_s * 1000)
        exchange.duration_ms = max(0.0, round((ended_s - request.timestamp_start) * 1000, 3))
    return exchange


def _version(name: str) -> str:
    version = name.removeprefix("HTTP/")
    return VERSIONS.get(version, version)


def _headers(fields: tuple[tuple[bytes, bytes], ...]) -> list[Header]:
    return [(name.decode("utf-8", "replace"), value.decode("utf-8", "replace")) for name, value in fields]
