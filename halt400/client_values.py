"""What HTTP clients hand out, as the plain values that events carry.

Clients differ: header names are subclasses of ``str`` (aiohttp) or bytes (httpx), headers are mappings, multi-dicts or
mail messages, a URL is an object. The common case, a list of pairs of ``str``, costs one look at each pair.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from halt400.errors import InvalidEvent

__all__ = [
    "LONGEST_NAME",
    "Body",
    "Headers",
    "plain_body",
    "plain_count",
    "plain_headers",
    "plain_http_version",
    "plain_status",
    "plain_text",
    "plain_url",
]

Headers = Any
"""Pairs of name and value (``str`` or bytes), or anything with ``items()``: a mapping, a multi-dict, a mail message."""
Body = bytes | bytearray | memoryview | str | dict[str, Any] | list[Any] | None
"""What a body may be; a dictionary or a list is encoded as JSON."""

LONGEST_NAME = 255


def plain_headers(headers: Headers, field: str) -> list[tuple[str, str]]:
    """Return names and values, in order and with duplicates; bytes are read as Latin-1, as HTTP has them.

    Raises
    ------
    InvalidEvent
        It is no headers, or one of them is no pair of texts.
    """
    if type(headers) is list or type(headers) is tuple:
        for pair in headers:
            if type(pair) is not tuple or len(pair) != 2:
                break
            name, value = pair
            if type(name) is not str or type(value) is not str or not (name.isascii() and value.isascii()):
                break
        else:
            return list(headers)
    return _read_headers(headers, field)


def _read_headers(headers: Headers, field: str) -> list[tuple[str, str]]:
    if headers is None:
        return []
    pairs = headers
    # httpx and curl_cffi merge duplicates and lower names in `items`, and keep what was sent in `raw`.
    raw = getattr(headers, "raw", None)
    if isinstance(raw, list):
        pairs = raw
    elif hasattr(headers, "items"):
        pairs = headers.items()
    if isinstance(pairs, str | bytes) or not isinstance(pairs, Iterable):
        raise InvalidEvent(field, _kind(headers), "Pass pairs of name and value, or a mapping.")
    found: list[tuple[str, str]] = []
    for pair in pairs:
        if isinstance(pair, dict) and pair.keys() >= {"name", "value"}:
            name, value = pair["name"], pair["value"]
        elif isinstance(pair, str | bytes) or not isinstance(pair, Iterable) or len(parts := tuple(pair)) != 2:
            raise InvalidEvent(field, f"item {len(found)} is {_kind(pair)}", "Each header is a pair of name and value.")
        else:
            name, value = parts
        text = _header_text(name, field, name)
        # None is how requests and curl_cffi say that a header is not sent; Scrapy keeps a list of values for each name.
        values = value if isinstance(value, list | tuple) else () if value is None else (value,)
        found += [(text, _header_text(one, field, text)) for one in values]
    return found


def _header_text(value: object, field: str, name: object) -> str:
    if isinstance(value, str):
        return _encodable(value)
    if isinstance(value, bytes | bytearray):
        return value.decode("latin-1")
    # A header's value may be a secret: the error has its name only.
    raise InvalidEvent(f"{field}[{name!r:.80}]", _kind(value), "Name and value of a header are str or bytes.")


def _kind(value: object) -> str:
    return f"of type {type(value).__name__}"


def _encodable(value: str) -> str:
    """The text as a plain ``str`` that UTF-8 can express; undecodable bytes in it are read as Latin-1."""
    text = str.__str__(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        try:
            # aiohttp hides bytes that are no UTF-8 in lone surrogates.
            return text.encode("utf-8", "surrogateescape").decode("latin-1")
        except UnicodeEncodeError:
            return text.encode("utf-8", "replace").decode()
    return text


def plain_body(body: Body, field: str) -> bytes | None:
    """Return a body as bytes; text is encoded as UTF-8, a dictionary or list as JSON.

    Raises
    ------
    InvalidEvent
        It is none of these, such as a file or a generator.
    """
    if body is None or type(body) is bytes:
        return body
    if isinstance(body, str):
        return body.encode(errors="replace")
    if isinstance(body, bytes | bytearray | memoryview):
        return bytes(body)
    if isinstance(body, dict | list | tuple):
        try:
            return msgspec.json.encode(body)
        except (TypeError, ValueError, RecursionError) as error:
            raise InvalidEvent(field, _kind(body), f"It cannot be encoded as JSON ({error}); pass bytes.") from error
    raise InvalidEvent(field, _kind(body), "Pass bytes, str, or a dict or list, which is encoded as JSON.")


def plain_status(status: int) -> int:
    """Return a status code; an ``http.HTTPStatus`` is one.

    Raises
    ------
    InvalidEvent
        It is no number, or none from 100 to 599.
    """
    if not isinstance(status, int) or isinstance(status, bool) or not 100 <= status <= 599:
        raise InvalidEvent("status", repr(status), "Pass the response's status code, an int from 100 to 599.")
    return int(status)


def plain_text(value: Any, field: str, *, longest: int | None = LONGEST_NAME) -> str:
    """Return a text that is not empty, as a plain ``str``.

    Raises
    ------
    InvalidEvent
        It is no text, empty, or too long.
    """
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        raise InvalidEvent(field, repr(value), "Pass a str.")
    if not value:
        raise InvalidEvent(field, repr(value), "It must not be empty.")
    if longest is not None and len(value) > longest:
        raise InvalidEvent(field, repr(value), f"At most {longest} characters; it has {len(value)}.")
    return value if type(value) is str and value.isascii() else _encodable(value)


def plain_url(url: Any) -> str:
    """Return a URL as text; the clients' own classes (httpx, yarl) are taken too."""
    if not isinstance(url, str | bytes) and hasattr(url, "scheme") and hasattr(url, "host"):
        url = str(url)
    return plain_text(url, "url", longest=None)


def plain_http_version(version: Any) -> str:
    """Return a version as ``1.1`` or ``2``; ``HTTP/1.1`` and aiohttp's pairs of numbers are taken too."""
    if isinstance(version, tuple) and len(version) == 2:
        return f"{version[0]}.{version[1]}"
    text = plain_text(version, "http_version", longest=None)
    return text[5:] if text.startswith("HTTP/") else text


def plain_count(value: Any, field: str, *, least: int = 0) -> int:
    """Return a whole number that is not too small."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise InvalidEvent(field, repr(value), f"Pass an int of at least {least}.")
    return int(value)
