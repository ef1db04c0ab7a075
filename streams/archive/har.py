"""An offence as a HAR 1.2 file, which browser devtools open; what HAR has no field for is under ``_halt400``. Pure."""

import re
from base64 import b64decode
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
import orjson

from halt400.errors import ArchiveError
from halt400.records import UNDECODABLE, Header, Offence, Request, Response

__all__ = ["har_of", "offence_of"]

_encode = msgspec.json.Encoder().encode
QUERY_FIELDS_MAX = 1000
"""Of a query with more fields none is listed; the URL has them all."""
_NEEDS_PARSING = re.compile(r"[%+ ]")
CREATOR = {"name": "halt400", "version": version("halt400")}


def har_of(offence: Offence) -> bytes:
    """Encode one offence; its event must be redacted already.

    The entry follows http://www.softwareishard.com/blog/har-12-spec/. Its field ``_halt400`` is the complete offence
    with all that HAR cannot express: binary bodies, header order, the Kafka source, the diagnosis.
    """
    event = offence.event
    entry: dict[str, Any] = {
        "startedDateTime": _rfc3339(event.time - (event.duration_ms or 0.0)),
        "time": event.duration_ms or 0.0,
        "request": _request(event.request),
        "response": _response(event.response),
        "cache": {},
        "timings": {"send": 0, "wait": event.duration_ms or 0.0, "receive": 0},
        "_halt400": orjson.Fragment(_encode(offence)),
    }
    return orjson.dumps({"log": {"version": "1.2", "creator": CREATOR, "entries": [entry]}})


class _Entry(msgspec.Struct):
    offence: Offence = msgspec.field(name="_halt400")


class _Log(msgspec.Struct):
    entries: Annotated[list[_Entry], msgspec.Meta(min_length=1)]


class _Har(msgspec.Struct):
    log: _Log


_decode = msgspec.json.Decoder(_Har).decode


def offence_of(har: bytes) -> Offence:
    """The offence in an archived HAR file, with its request byte for byte as it was archived.

    Raises
    ------
    ArchiveError
        The bytes are not a HAR file of Halt400.
    """
    try:
        return _decode(har).log.entries[0].offence
    except UNDECODABLE as error:
        raise ArchiveError(
            f"This is no evidence of Halt400: {error}.", "Give the URI of an object that `halt400` has archived."
        ) from None


def _request(request: Request) -> dict[str, Any]:
    text, encoded = _text(request.body, request.body_base64)
    found: dict[str, Any] = {
        "method": request.method,
        "url": request.url,
        "httpVersion": _http_version(request.http_version),
        "cookies": _cookies(request.headers, "cookie"),
        "headers": _pairs(request.headers),
        "queryString": _pairs(_query(request.url)),
        "headersSize": -1,
        "bodySize": _size(request),
    }
    if text is not None:
        found["postData"] = {"mimeType": _value(request.headers, "content-type"), "params": [], "text": text}
        if encoded:
            found["postData"]["_encoding"] = "base64"
        if request.body_truncated:
            found["postData"]["comment"] = _truncated(request.body_size, "sent")
    return found


def _response(response: Response) -> dict[str, Any]:
    text, encoded = _text(response.body, response.body_base64)
    content: dict[str, Any] = {
        "size": size if (size := _size(response)) >= 0 else _present_size(response),
        "mimeType": _value(response.headers, "content-type"),
    }
    if text is not None:
        content["text"] = text
        if encoded:
            content["encoding"] = "base64"
        if response.body_truncated:
            content["comment"] = _truncated(response.body_size, "received")
    return {
        "status": response.status,
        "statusText": "Bad Request" if response.status == 400 else "",
        "httpVersion": "",
        "cookies": _cookies(response.headers, "set-cookie"),
        "headers": _pairs(response.headers),
        "content": content,
        "redirectURL": "",
        "headersSize": -1,
        "bodySize": _size(response),
    }


def _text(body: str | None, body_base64: str | None) -> tuple[str | None, bool]:
    """The text of a body, and whether it is base64 because the body is binary."""
    if body is not None or body_base64 is None:
        return body, False
    try:
        return b64decode(body_base64, validate=True).decode(), False
    except ValueError:
        return body_base64, True


def _truncated(size: int | None, how: str) -> str:
    return f"truncated; {size} bytes were {how}" if size is not None else f"truncated; nobody knows how many were {how}"


def _size(message: Request | Response) -> int:
    """Size of the body as it was sent; -1 where it is not known, as HAR asks."""
    if message.body_size is not None:
        return message.body_size
    if message.body_truncated or (message.body is None and message.body_base64 is None):
        return -1
    return _present_size(message)


def _present_size(message: Request | Response) -> int:
    """How many bytes of the body the record has."""
    if message.body is not None:
        return len(message.body.encode(errors="surrogatepass"))
    encoded = message.body_base64 or ""
    return len(encoded) * 3 // 4 - encoded.count("=", -2)


def _pairs(pairs: list[Header]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in pairs]


def _query(url: str) -> list[Header]:
    before, _, query = url.partition("#")[0].partition("?")
    if (
        url.isascii()
        and url.isprintable()
        and not _NEEDS_PARSING.search(query)
        and "[" not in before
        and "]" not in before
    ):
        # What `parse_qsl` makes of it, at a quarter of its cost.
        fields = query.split("&")
        return [field.partition("=")[::2] for field in fields if field] if len(fields) <= QUERY_FIELDS_MAX else []
    try:
        return parse_qsl(urlsplit(url).query, keep_blank_values=True, max_num_fields=QUERY_FIELDS_MAX)
    except ValueError:
        return []


def _cookies(headers: list[Header], name: str) -> list[dict[str, str]]:
    cookies = []
    for header, value in headers:
        if header.lower() == name:
            for part in value.split(";") if name == "cookie" else value.split(";")[:1]:
                cookie, _, content = part.strip().partition("=")
                cookies.append({"name": cookie, "value": content})
    return cookies


def _value(headers: list[Header], name: str) -> str:
    return next((value for header, value in headers if header.lower() == name), "")


def _http_version(version: str) -> str:
    return version if version.upper().startswith("HTTP/") else f"HTTP/{version}"


def _rfc3339(time_ms: float) -> str:
    try:
        return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds")
    except (OverflowError, ValueError, OSError):
        return "1970-01-01T00:00:00.000+00:00"
