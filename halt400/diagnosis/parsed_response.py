"""A parsed response. In a storm a server sends the same response thousands of times; it is parsed only once."""

from __future__ import annotations

import base64
import binascii
import re
from functools import lru_cache
from typing import Any

import orjson

from halt400.diagnosis.cached_attribute import cached_attribute
from halt400.diagnosis.parsed_headers import header_fields
from halt400.records import Request, Response

__all__ = ["ParsedResponse", "body_bytes", "parse_json", "parse_response"]

_LIMIT = 1 << 18
_BASE64 = re.compile(rb"[A-Za-z0-9+/\s]{4,}+={0,2}\s*+")
_KEPT_BODY_CHARS = 4096
_KEPT_HEADER_CHARS = 2048
_KEPT = 128
"""Limits of the cache. Measured together with that of `parsed_body`: 20 MB where all texts are as costly as can be
(thousands of empty objects), 1 to 5 MB where they are hostile in other ways."""


def body_bytes(message: Request | Response) -> bytes | None:
    """The body as bytes; None where it was not recorded."""
    if message.body is not None:
        return message.body.encode("utf-8", "surrogateescape" if _escaped(message.body) else "surrogatepass")
    if message.body_base64 is not None:
        try:
            return base64.b64decode(message.body_base64)
        except (binascii.Error, ValueError):
            return message.body_base64.encode("utf-8", "surrogatepass")
    return None


def _escaped(text: str) -> bool:
    return not text.isascii() and any("\udc80" <= character <= "\udcff" for character in text)


def parse_json(data: bytes | None) -> Any:
    """The bytes as parsed JSON, None where they are not JSON."""
    if not data:
        return None
    try:
        return orjson.loads(data)
    except (orjson.JSONDecodeError, RecursionError):
        return None


class ParsedResponse:
    """What the modules read of a response, each computed at most once. Its values must not be changed.

    Parameters
    ----------
    response
        The record, which must not change any more; None where there is none.

    Attributes
    ----------
    cache
        What modules conclude from the response alone, by a name of their own.
    """

    def __init__(self, response: Response | None) -> None:
        self.response = response
        self.cache: dict[str, Any] = {}

    @cached_attribute
    def fields(self) -> dict[str, list[str]]:
        """The header values by lower-case name."""
        return header_fields(self.response.headers) if self.response is not None else {}

    @cached_attribute
    def text(self) -> str:
        """The beginning of the body as text, decoded where a recorder left it as base64."""
        if self.response is None:
            return ""
        raw = (body_bytes(self.response) or b"")[:_LIMIT]
        if raw[:1] not in b'{["<' and _BASE64.fullmatch(raw[:4096]):
            try:
                inner = base64.b64decode(raw, validate=False)
            except (binascii.Error, ValueError):
                inner = b""
            if inner[:1] in {b"{", b"[", b"<"}:
                raw = inner
        return raw.decode("utf-8", "replace")

    @cached_attribute
    def json(self) -> Any:
        """The body as parsed JSON, or None."""
        text = self.text.strip()
        if text.startswith("b'") and text.endswith("'"):
            text = text[2:-1]
        return parse_json(text.encode("utf-8", "replace")) if text[:1] in {"{", "["} else None


_NOTHING = ParsedResponse(None)


def parse_response(response: Response | None) -> ParsedResponse:
    """The parsed response; the same object for two responses with the same fields and the same short body.

    Examples
    --------
    >>> one, two = (Response(status=400, body='{"error": "no"}') for _ in range(2))
    >>> parse_response(one) is parse_response(two), parse_response(one).json
    (True, {'error': 'no'})
    """
    if response is None:
        return _NOTHING
    body = response.body
    if response.body_base64 is not None or (body is not None and len(body) > _KEPT_BODY_CHARS):
        return ParsedResponse(response)
    size = 0
    for name, value in response.headers:
        size += len(name) + len(value)
    if size > _KEPT_HEADER_CHARS:
        return ParsedResponse(response)
    try:
        return _parse_cached(response.status, tuple(response.headers), body)
    except TypeError:  # headers as lists, from a caller that reads JSON without the type of the record
        return ParsedResponse(response)


@lru_cache(maxsize=_KEPT)
def _parse_cached(status: int, headers: tuple[tuple[str, str], ...], body: str | None) -> ParsedResponse:
    return ParsedResponse(Response(status=status, headers=list(headers), body=body))
