"""HAR 1.2 as browsers' developer tools, mitmproxy, Charles and Fiddler write it: much is missing, some is added.

Read whole, and in the order in which the responses came. The job of an entry is the file's name, followed by the page
that the entry belongs to where it names one (``session.har/page_2``). Entries without a response, as blocked or
cancelled requests have them (status 0), and those of other schemes (``data:``) are told as harmless.
"""

import base64
import binascii
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote_plus

import msgspec

from halt400.errors import InputError, InvalidRecord
from halt400.records import ResponseEvent
from streams.replay.exchange import Assembly
from streams.replay.recording import Recording, Unread

__all__ = ["read_har"]

_EPOCH = datetime.fromtimestamp(0, UTC)
_WEB_SCHEMES = ("http:", "https:", "ws:", "wss:")
_VERSIONS = {"h2": "2", "h3": "3", "http/2": "2", "http/3": "3", "http/2.0": "2", "http/3.0": "3", "spdy/3": "2"}

Json = dict[str, Any]


def read_har(recording: Recording, assembly: Assembly) -> Iterator[ResponseEvent | Unread]:
    """Yield the file's exchanges in the order in which the responses came.

    Raises
    ------
    InputError
        The file is no HAR.
    """
    try:
        document = msgspec.json.decode(recording.read_all())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{recording.path}: is no HAR ({error}).", "Is the file whole?") from error
    entries = _dict(_dict(document).get("log")).get("entries")
    if not isinstance(entries, list):
        raise InputError(f"{recording.path}: is no HAR (it has no list log.entries).", "Export it again.")
    timed = [(_time_ms(_dict(entry)), number, entry) for number, entry in enumerate(entries, start=1)]
    # Python's sort keeps the order of equals: entries without a time stay where they are, behind the one before them.
    latest = 0
    ordered = []
    for time_ms, number, entry in timed:
        latest = latest if time_ms is None else time_ms
        ordered.append((latest, number, time_ms, entry))
    for _, number, time_ms, entry in sorted(ordered, key=lambda item: item[0]):
        try:
            found = _event(assembly, number, time_ms, entry)
        except InvalidRecord as error:
            yield Unread(recording.path, f"entry {number}", str(error))
        else:
            yield Unread(recording.path, f"entry {number}", found, True) if isinstance(found, str) else found


def _event(assembly: Assembly, number: int, time_ms: int | None, entry: Any) -> ResponseEvent | str:
    """Return the event of an entry, or why there is none to be had."""
    if not isinstance(entry, dict):
        raise InvalidRecord("the entry is no object")
    request, response = _dict(entry.get("request")), _dict(entry.get("response"))
    url, status = request.get("url"), response.get("status")
    if not isinstance(url, str) or not url:
        raise InvalidRecord("the request has no url")
    if not url.lower().startswith(_WEB_SCHEMES):
        return f"scheme {url.partition(':')[0][:20]!r} is no HTTP"
    if isinstance(status, str) and status.isdecimal():
        status = int(status)
    if status in (0, None, "", -1):
        return "the request got no response"
    if not isinstance(status, int) or isinstance(status, bool):
        raise InvalidRecord(f"status {status!r} is no number")
    content = _dict(response.get("content"))
    page = entry.get("pageref")
    return assembly.event(
        number,
        msgspec.json.encode(entry),
        job_id=f"{assembly.label}/{page}" if isinstance(page, str) and page else assembly.label,
        time_ms=time_ms,
        method=str(request.get("method") or "-"),
        url=url,
        http_version=_version(request.get("httpVersion")) or _version(response.get("httpVersion")) or "unknown",
        status=status,
        request_headers=_headers(request.get("headers")),
        request_body=_request_body(request),
        response_headers=_headers(response.get("headers")),
        response_body=_body(content),
        response_body_size=_size(content.get("size")),
        duration_ms=_duration_ms(entry),
    )


def _dict(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _time_ms(entry: Json) -> int | None:
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
    return start_ms + int(_duration_ms(entry) or 0) if start_ms >= 0 else None


def _duration_ms(entry: Json) -> float | None:
    took = entry.get("time")
    known = isinstance(took, int | float) and not isinstance(took, bool) and 0 <= took <= 86_400_000
    return float(took) if known else None  # type: ignore[arg-type]


def _version(value: Any) -> str | None:
    if not isinstance(value, str) or not value.strip():
        return None
    name = value.strip().lower()
    return _VERSIONS.get(name) or name.removeprefix("http/")


def _headers(value: Any) -> list[tuple[str, str]]:
    """Header fields in their order, without HTTP/2's pseudo-headers, which repeat the request line."""
    fields = value if isinstance(value, list) else []
    pairs = [(_dict(field).get("name"), _dict(field).get("value")) for field in fields]
    return [
        (name, "" if text is None else str(text))
        for name, text in pairs
        if isinstance(name, str) and name and not name.startswith(":")
    ]


def _size(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _request_body(request: Json) -> bytes | str | None:
    posted = _dict(request.get("postData"))
    body = _body(posted)
    if body:
        return body
    params = posted.get("params")
    mime_type = str(posted.get("mimeType") or "").lower()
    # Form fields can be put together again; the boundary and the files of a multipart body are gone.
    if isinstance(params, list) and params and not mime_type.startswith("multipart/"):
        pairs = [(str(_dict(param).get("name") or ""), str(_dict(param).get("value") or "")) for param in params]
        return "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in pairs)
    return body


def _body(holder: Json) -> bytes | str | None:
    text = holder.get("text")
    if not isinstance(text, str):
        return None
    encoding = holder.get("encoding") or holder.get("_encoding")
    if isinstance(encoding, str) and encoding.lower() == "base64":
        try:
            return base64.b64decode(text, validate=False)
        except (binascii.Error, ValueError) as error:
            raise InvalidRecord(f"a body is no base64: {error}") from error
    return text
