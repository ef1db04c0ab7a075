"""Edits of a request: a copy of it with other bytes at a place. Pure; nothing is sent."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import quote

from msgspec.structs import replace

from halt400.diagnosis.exchange import Exchange
from halt400.diagnosis.places import Place
from halt400.records import Header, Request

__all__ = ["encoded_text", "replace_key", "replace_value", "with_body", "with_header", "with_url", "without_place"]


def with_body(request: Request, body: bytes) -> Request:
    """The request with another body; Content-Length follows where it is recorded.

    Examples
    --------
    >>> request = Request(method="POST", url="https://a.example/", headers=[("Content-Length", "3")], body="[1,")
    >>> with_body(request, b"[1]").body
    '[1]'
    """
    headers: list[Header] = [
        (name, str(len(body)) if name.lower() == "content-length" else value) for name, value in request.headers
    ]
    try:
        text, encoded = body.decode("utf-8"), None
    except UnicodeDecodeError:
        text, encoded = None, base64.b64encode(body).decode()
    return replace(
        request,
        headers=headers,
        body=text,
        body_base64=encoded,
        body_size=None if request.body_size is None else len(body),
        body_sha256=None,
    )


def with_url(request: Request, url: str) -> Request:
    """The request with another URL."""
    return replace(request, url=url)


def with_header(request: Request, name: str, value: str | None) -> Request:
    """The request with one field of this name, in the place of the first; None removes it."""
    lower = name.lower()
    place = next((index for index, (other, _) in enumerate(request.headers) if other.lower() == lower), None)
    headers = [(other, text) for other, text in request.headers if other.lower() != lower]
    if value is not None:
        headers.insert(len(headers) if place is None else place, (name, value))
    return replace(request, headers=headers)


def encoded_text(value: Any, kind: str) -> str:
    """A value as it is written at a place of this kind.

    Examples
    --------
    >>> encoded_text("a b", "json"), encoded_text("a b", "query"), encoded_text(True, "query")
    ('"a b"', 'a%20b', 'true')
    """
    if kind == "json":
        return json.dumps(value, ensure_ascii=False)
    text = value if isinstance(value, str) else json.dumps(value)
    if kind in ("query", "form", "path"):
        return quote(text, safe="")
    if kind == "xml":
        return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return text


def replace_key(exchange: Exchange, place: Place, name: str) -> Request | None:
    """The request with another name at a place; None where the place has none."""
    if place.key < 0:
        return None
    if place.kind == "xml":
        return _rename_element(exchange, place, name)
    text = quote(name, safe="[]$.") if place.kind in ("query", "form") else encoded_text(name, place.kind)
    return _spliced(exchange, place, place.key, place.key + place.key_length, text)


def replace_value(exchange: Exchange, place: Place, value: Any) -> Request | None:
    """The request with another value at a place."""
    return _spliced(exchange, place, place.value, place.value_end, encoded_text(value, place.kind))


def _spliced(exchange: Exchange, place: Place, start: int, end: int, text: str) -> Request | None:
    request = exchange.request
    if place.where == "url":
        return with_url(request, request.url[:start] + text + request.url[end:])
    if place.where == "header":
        return with_header(request, place.name, text)
    body = exchange.parseable_body
    if body is None:
        return None
    return with_body(request, body[:start] + text.encode("utf-8", "replace") + body[end:])


def _rename_element(exchange: Exchange, place: Place, name: str) -> Request | None:
    """The start tag at a place and the next end tag of that name, renamed."""
    body = exchange.parseable_body
    if body is None:
        return None
    old, new = body[place.key : place.key + place.key_length], name.encode()
    body = body[: place.key] + new + body[place.key + place.key_length :]
    at = place.key + len(new)
    for closing in (b"</" + old + b">", b":" + old + b">"):
        end = body.find(closing, at)
        if end >= 0:
            start = end + len(closing) - 1 - len(old)
            return with_body(exchange.request, body[:start] + new + body[start + len(old) :])
    return None


def without_place(exchange: Exchange, place: Place) -> Request | None:
    """The request without a member of an object, or a field of a query or a form, and the separator that it needs."""
    if place.key < 0 or place.kind not in ("json", "query", "form"):
        return None
    request = exchange.request
    text = exchange.parseable_body if place.where == "body" else request.url.encode("utf-8", "surrogatepass")
    if text is None:
        return None
    start, end = place.key, place.value_end
    if place.where == "url":
        start, end = (len(request.url[:index].encode("utf-8", "surrogatepass")) for index in (start, end))
    separator = b"," if place.kind == "json" else b"&"
    after = end + len(text[end:]) - len(text[end:].lstrip(b" \t\r\n"))
    before = text[:start].rstrip(b" \t\r\n")
    if text[after : after + 1] == separator:
        rest = text[after + 1 :]
        text = text[:start] + (rest.lstrip(b" \t\r\n") if place.kind == "json" else rest)
    elif before.endswith(separator) or (before.endswith(b"?") and place.where == "url"):
        text = before[:-1] + text[end:]
    else:
        text = text[:start] + text[end:]
    if place.where == "url":
        return with_url(request, text.decode("utf-8", "surrogatepass"))
    return with_body(request, text)
