"""A server's answer taken apart. In a storm one server gives the same answer thousands of times: it is read once."""

from __future__ import annotations

import base64
import binascii
import re
from functools import lru_cache
from typing import Any

import orjson

from halt400.diagnosis.cached_attribute import once
from halt400.records import Request, Response

__all__ = ["ServerAnswer", "answer_of", "body_bytes", "fields_of", "parsed"]

_LIMIT = 1 << 18
_BASE64 = re.compile(rb"[A-Za-z0-9+/\s]{4,}+={0,2}\s*+")
_KEPT_BODY_CHARS = 4096
_KEPT_HEADER_CHARS = 2048
_KEPT = 128
"""Answers that are remembered, so long at most. Measured, with the bodies of `content`: 20 MB in all where each is as
dear as text can be (empty objects by the thousand), 1 to 5 MB where it is otherwise hostile."""


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


def fields_of(headers: list[tuple[str, str]]) -> dict[str, list[str]]:
    """Header values by lower-case name, in order."""
    fields: dict[str, list[str]] = {}
    for name, value in headers:
        lower = name.lower()
        if lower in fields:
            fields[lower].append(value)
        else:
            fields[lower] = [value]
    return fields


def parsed(data: bytes | None) -> Any:
    """The bytes as parsed JSON, None where they are none."""
    if not data:
        return None
    try:
        return orjson.loads(data)
    except (orjson.JSONDecodeError, RecursionError):
        return None


class ServerAnswer:
    """What is asked of a response, each computed at most once; nobody changes what it gives.

    Parameters
    ----------
    response
        The record, which must not change any more; None where nothing was answered.

    Attributes
    ----------
    memo
        What modules conclude from the response alone.
    """

    def __init__(self, response: Response | None) -> None:
        self.response = response
        self.memo: dict[str, Any] = {}

    @once
    def fields(self) -> dict[str, list[str]]:
        """The header values by lower-case name."""
        return fields_of(self.response.headers) if self.response is not None else {}

    @once
    def text(self) -> str:
        """The beginning of the body as text; base64 text of a recorder is undone."""
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

    @once
    def json(self) -> Any:
        """The body as parsed JSON, or None."""
        text = self.text.strip()
        if text.startswith("b'") and text.endswith("'"):
            text = text[2:-1]
        return parsed(text.encode("utf-8", "replace")) if text[:1] in {"{", "["} else None


_NOTHING = ServerAnswer(None)


def answer_of(response: Response | None) -> ServerAnswer:
    """The answer of a response; the same for two responses with the same fields and the same short text.

    Examples
    --------
    >>> one, two = (Response(status=400, body='{"error": "no"}') for _ in range(2))
    >>> answer_of(one) is answer_of(two), answer_of(one).json
    (True, {'error': 'no'})
    """
    if response is None:
        return _NOTHING
    body = response.body
    if response.body_base64 is not None or (body is not None and len(body) > _KEPT_BODY_CHARS):
        return ServerAnswer(response)
    if sum([len(name) + len(value) for name, value in response.headers]) > _KEPT_HEADER_CHARS:
        return ServerAnswer(response)
    try:
        return _known(response.status, tuple(response.headers), body)
    except TypeError:  # headers as lists, from a caller that reads JSON without the record's types
        return ServerAnswer(response)


@lru_cache(maxsize=_KEPT)
def _known(status: int, headers: tuple[tuple[str, str], ...], body: str | None) -> ServerAnswer:
    return ServerAnswer(Response(status=status, headers=list(headers), body=body))
