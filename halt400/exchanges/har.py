"""HAR 1.2 as browsers' developer tools, mitmproxy, Charles and Fiddler write it: much is missing, some is added.

Pseudo-headers and the order of headers stay as recorded (http://www.softwareishard.com/blog/har-12-spec/). Pure.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote_plus

import msgspec
import orjson

from halt400.errors import InputError, InvalidRecord
from halt400.exchanges.recorded import Missing, RecordedExchange, Unread, headers_of, status_of, text_or_base64
from halt400.records import Request, Response

__all__ = ["is_har", "looks_like_har", "read_document", "read_har"]

_EPOCH = datetime.fromtimestamp(0, UTC)
_LONGEST_MS = 86_400_000
_START = re.compile(rb'\s*\{\s*"log"\s*:\s*\{')
_WEB_SCHEMES = ("http:", "https:", "ws:", "wss:")
_VERSIONS = {
    "h2": "2",
    "h2c": "2",
    "h3": "3",
    "http/2": "2",
    "http/3": "3",
    "http/2.0": "2",
    "http/3.0": "3",
    "spdy/3": "2",
}
_FORM_TEXT = re.compile(r"(?:[A-Za-z0-9_.~*+-]|%[0-9A-Fa-f]{2})*+")
_MEND = "Export it again from the browser's network panel."

Json = dict[str, Any]


def is_har(document: Any) -> bool:
    """Whether a parsed JSON value is a HAR and no exchange that happens to have a field ``log``."""
    return isinstance(document, dict) and "log" in document and "url" not in document


def looks_like_har(start: bytes) -> bool:
    """Whether a file that begins like this is a HAR."""
    if _START.match(start):
        return True
    if not start.lstrip().startswith(b"{"):
        return False
    try:
        return is_har(orjson.loads(start))
    except orjson.JSONDecodeError:
        return False


def read_document(data: bytes, path: str) -> Iterator[RecordedExchange | Unread]:
    """Read a HAR file.

    Raises
    ------
    InputError
        The file is no HAR.
    """
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise InputError(f"{path}: is no HAR ({error}).", "Is the file whole?") from None
    return read_har(document, path)


def read_har(document: Any, path: str) -> Iterator[RecordedExchange | Unread]:
    """Read the entries of a parsed HAR, in their order.

    Parameters
    ----------
    document
        The parsed JSON.
    path
        The file, for messages.

    Raises
    ------
    InputError
        It is no HAR.

    Examples
    --------
    >>> entry = {"request": {"method": "GET", "url": "https://a.example/", "headers": []}, "response": {"status": 0}}
    >>> (found,) = read_har({"log": {"entries": [entry]}}, "session.har")
    >>> found.where, found.response, found.no_response
    ('entry 1', None, 'the request got no response')
    """
    entries = _dict(_dict(document).get("log")).get("entries")
    if not isinstance(entries, list):
        raise InputError(f"{path}: is no HAR (it has no list log.entries).", _MEND)
    return _read_entries(entries, path)


def _read_entries(entries: list[Any], path: str) -> Iterator[RecordedExchange | Unread]:
    for number, entry in enumerate(entries, start=1):
        try:
            yield _exchange(entry, number)
        except InvalidRecord as error:
            yield Unread(path, f"entry {number}", error.message, mend=error.mend)


def _exchange(entry: Any, number: int) -> RecordedExchange:
    if not isinstance(entry, dict):
        raise InvalidRecord("the entry is no object", _MEND)
    fields, answer = _dict(entry.get("request")), _dict(entry.get("response"))
    url, method = fields.get("url"), fields.get("method")
    if not isinstance(url, str) or not url:
        raise InvalidRecord("the request has no url", _MEND)
    version = _version(fields.get("httpVersion")) or _version(answer.get("httpVersion"))
    missing: list[Missing] = []
    if not method:
        missing.append("method")
    if version is None:
        missing.append("http_version")
    faults: list[str] = []
    body = _request_body(fields, faults)
    size = _size(fields.get("bodySize")) if body is None else None
    text, encoded = _text_or_base64(body)
    duration_ms, page = _duration_ms(entry), entry.get("pageref")
    exchange = RecordedExchange(
        where=f"entry {number}",
        number=number,
        content=msgspec.json.encode(entry),
        missing=missing,
        request=Request(
            method=str(method or "GET"),
            url=url,
            http_version=version or "1.1",
            headers=headers_of(fields.get("headers"), skip_broken=True),
            body=text,
            body_base64=encoded,
            body_size=size,
        ),
        time_ms=_time_ms(entry, duration_ms),
        duration_ms=duration_ms,
        page=page if isinstance(page, str) and page else None,
    )
    _add_response(exchange, answer, faults)
    exchange.fault = "; ".join(faults)
    if not url.lower().startswith(_WEB_SCHEMES):
        exchange.no_response = f"scheme {url.partition(':')[0][:20]!r} is no HTTP"
    return exchange


def _add_response(exchange: RecordedExchange, answer: Json, faults: list[str]) -> None:
    status = answer.get("status")
    if status in (0, "0", -1, None, ""):  # blocked and cancelled requests have one of these
        exchange.no_response = "the request got no response"
        return
    try:
        status = status_of(status)
    except InvalidRecord as error:
        faults.append(error.message)
        return
    content = _dict(answer.get("content"))
    text, encoded = _text_or_base64(_body(content, faults))
    exchange.response = Response(
        status=status,
        headers=headers_of(answer.get("headers"), skip_broken=True),
        body=text,
        body_base64=encoded,
        body_size=_size(content.get("size")),
    )


def _dict(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _time_ms(entry: Json, duration_ms: float | None) -> int | None:
    """When the response was there: the request's start and the time that it took."""
    started = entry.get("startedDateTime")
    if not isinstance(started, str):
        return None
    try:
        moment = datetime.fromisoformat(started.strip())
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    start_ms = (moment - _EPOCH) // timedelta(milliseconds=1)
    return start_ms + int(duration_ms or 0) if start_ms >= 0 else None


def _duration_ms(entry: Json) -> float | None:
    took = entry.get("time")
    known = isinstance(took, int | float) and not isinstance(took, bool) and 0 <= took <= _LONGEST_MS
    return float(took) if known else None  # type: ignore[arg-type]


def _version(value: Any) -> str | None:
    if not isinstance(value, str) or not value.strip():
        return None
    name = value.strip().lower()
    return _VERSIONS.get(name) or name.removeprefix("http/")


def _size(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _request_body(request: Json, faults: list[str]) -> bytes | str | None:
    posted = _dict(request.get("postData"))
    body = _body(posted, faults)
    if body:
        return body
    params = posted.get("params")
    mime_type = str(posted.get("mimeType") or "").lower()
    # Form fields can be put together again; the boundary and the files of a multipart body are gone.
    if isinstance(params, list) and params and not mime_type.startswith("multipart/"):
        fields = [param for param in params if isinstance(param, dict)]
        return "&".join(f"{_form_text(field.get('name'))}={_form_text(field.get('value'))}" for field in fields) or body
    return body


def _form_text(value: Any) -> str:
    """Escape a name or value of a form; recorders differ on whether it is escaped already."""
    text = str(value or "")
    return text if _FORM_TEXT.fullmatch(text) else quote_plus(text)


def _body(holder: Json, faults: list[str]) -> bytes | str | None:
    text = holder.get("text")
    if not isinstance(text, str):
        return None
    encoding = holder.get("encoding") or holder.get("_encoding")
    if isinstance(encoding, str) and encoding.lower() == "base64":
        try:
            return base64.b64decode(text, validate=False)
        except (binascii.Error, ValueError) as error:
            faults.append(f"a body is no base64: {error}")
    return text


def _text_or_base64(body: bytes | str | None) -> tuple[str | None, str | None]:
    return text_or_base64(body) if isinstance(body, bytes) else (body, None)
