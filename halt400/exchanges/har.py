"""HAR 1.2 (http://www.softwareishard.com/blog/har-12-spec/), with the pseudo-headers and the order as recorded."""

from __future__ import annotations

import base64
import binascii
from typing import Any
from urllib.parse import urlencode

from halt400.errors import InputError
from halt400.exchanges.recorded import Recorded, headers_of, text_or_base64
from halt400.records import Request, Response

__all__ = ["read_har"]

_VERSIONS = {"H2": "2", "H3": "3", "H2C": "2", "HTTP/2.0": "2", "HTTP/3.0": "3", "HTTP/2": "2", "HTTP/3": "3"}


def _content(fields: dict[str, Any]) -> bytes | None:
    text = fields.get("text")
    if not isinstance(text, str):
        return None
    if fields.get("encoding") == "base64" or fields.get("_encoding") == "base64":
        try:
            return base64.b64decode(text)
        except (binascii.Error, ValueError):
            return text.encode("utf-8", "surrogatepass")
    return text.encode("utf-8", "surrogatepass")


def _posted(request: dict[str, Any]) -> bytes | None:
    posted = request.get("postData")
    if not isinstance(posted, dict):
        return None
    content = _content(posted)
    params = posted.get("params")
    if content or not isinstance(params, list) or "urlencoded" not in str(posted.get("mimeType", "")):
        return content
    pairs = [(str(p.get("name", "")), str(p.get("value", ""))) for p in params if isinstance(p, dict)]
    # Recorders differ on whether the parameters are still escaped; only text that needs no escape is put together.
    return urlencode(pairs, safe="%+").encode()


def read_har(document: dict[str, Any]) -> list[Recorded]:
    """Read the entries of a parsed HAR.

    Raises
    ------
    InputError
        When it is no HAR, or an entry has no request.

    Examples
    --------
    >>> entry = {"request": {"method": "GET", "url": "https://a.example/", "headers": []}, "response": {"status": 0}}
    >>> read_har({"log": {"entries": [entry]}})[0].response is None
    True
    """
    log = document.get("log")
    entries = log.get("entries") if isinstance(log, dict) else None
    if not isinstance(entries, list):
        raise InputError("The HAR has no log.entries.", "Export it again from the browser's network panel.")
    return [_entry(entry, f"entry {number}") for number, entry in enumerate(entries, 1)]


def _entry(entry: Any, label: str) -> Recorded:
    request = entry.get("request") if isinstance(entry, dict) else None
    if not isinstance(request, dict) or not request.get("url"):
        raise InputError(f"{label}: there is no request with a url.", "Export the HAR again.")
    version = str(request.get("httpVersion") or "HTTP/1.1").upper()
    body, encoded = None, None
    content = _posted(request)
    if content is not None:
        body, encoded = text_or_base64(content)
    size = request.get("bodySize")
    has_size = isinstance(size, int) and size >= 0 and content is None
    return Recorded(
        label=label,
        request=Request(
            method=str(request.get("method") or "GET"),
            url=str(request["url"]),
            http_version=_VERSIONS.get(version, version.removeprefix("HTTP/")),
            headers=headers_of(request.get("headers"), label),
            body=body,
            body_base64=encoded,
            body_size=size if has_size else None,
        ),
        response=_response(entry.get("response"), label),
    )


def _response(fields: Any, label: str) -> Response | None:
    status = fields.get("status") if isinstance(fields, dict) else None
    if not isinstance(status, int) or not 100 <= status <= 599:
        return None
    content = _content(fields["content"]) if isinstance(fields.get("content"), dict) else None
    body, encoded = text_or_base64(content) if content is not None else (None, None)
    return Response(status=status, headers=headers_of(fields.get("headers"), label), body=body, body_base64=encoded)
