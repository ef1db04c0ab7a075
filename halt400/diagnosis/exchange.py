"""The exchange under diagnosis: a request and perhaps its response, taken apart once for every cause module."""

from __future__ import annotations

import base64
import binascii
import re
from functools import cached_property
from typing import Any

import orjson

from halt400.diagnosis.chunks import dechunk
from halt400.diagnosis.media_types import MediaType, is_json, parse_media_type
from halt400.records import Request, Response

__all__ = ["BODY_LIMIT", "Exchange", "body_bytes", "fields_of"]

BODY_LIMIT = 1 << 21
"""Bytes of a body that are parsed; what is longer is measured and left alone."""

_RESPONSE_LIMIT = 1 << 18
_BASE64 = re.compile(rb"[A-Za-z0-9+/\s]{4,}+={0,2}\s*+")


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
        fields.setdefault(name.lower(), []).append(value)
    return fields


class Exchange:
    """One request with what every module asks of it, computed at most once.

    Parameters
    ----------
    request, response
        The records; the response is absent before sending.
    as_sent
        Whether `request.headers` is every field that was on the wire. Recorders often leave out what the client adds
        (Host, Content-Length), so an absence means something only here.
    """

    def __init__(self, request: Request, response: Response | None = None, *, as_sent: bool = False) -> None:
        self.request = request
        self.response = response
        self.as_sent = as_sent
        self.method = request.method
        self.url = request.url
        self.headers = request.headers
        self.fields = fields_of(request.headers)
        self.status = response.status if response is not None else None
        self.memo: dict[str, Any] = {}

    @property
    def refused(self) -> bool:
        """Whether the server answered with a 4xx that speaks of the request."""
        return self.status is not None and 400 <= self.status < 500

    @cached_property
    def _content(self) -> tuple[bytes | None, str | None]:
        raw = body_bytes(self.request)
        if raw and self.as_sent and self.fields.get("transfer-encoding", [""])[-1].strip().lower().endswith("chunked"):
            return dechunk(raw)
        return raw, None

    @cached_property
    def body(self) -> bytes | None:
        """The body with chunked coding undone; None where it was not recorded."""
        return self._content[0]

    @property
    def chunking_problem(self) -> str | None:
        """What broke while chunked coding was undone."""
        return self._content[1]

    @cached_property
    def body_size(self) -> int | None:
        """The whole size of the body in bytes."""
        if self.request.body_size is not None:
            return self.request.body_size
        return len(self.body) if self.body is not None else None

    @cached_property
    def parseable_body(self) -> bytes | None:
        """The body where it is there, whole, short enough and not compressed (declared or not)."""
        if self.body is None or self.request.body_truncated or len(self.body) > BODY_LIMIT:
            return None
        return None if self.encoded or self.body[:2] == b"\x1f\x8b" else self.body

    @cached_property
    def encoded(self) -> bool:
        """Whether a content coding other than identity is declared and the body looks coded."""
        codings = ",".join(self.fields.get("content-encoding", ())).lower()
        if not codings.strip() or codings.strip() == "identity":
            return False
        return (self.body or b"").lstrip()[:1] not in {b"{", b"[", b"<"}

    @cached_property
    def content_type(self) -> str | None:
        """The first Content-Type value, as sent."""
        values = self.fields.get("content-type")
        return values[0] if values else None

    @cached_property
    def media_type(self) -> MediaType:
        """The declared media type; an empty essence where there is none."""
        return parse_media_type(self.content_type) if self.content_type is not None else MediaType("", {})

    @cached_property
    def declares_json(self) -> bool:
        """Whether the request says that its body is JSON."""
        return is_json(self.media_type.essence)

    @cached_property
    def json(self) -> Any:
        """The body as parsed JSON, or None."""
        return _loads(self.parseable_body)

    @cached_property
    def response_fields(self) -> dict[str, list[str]]:
        """The response's header values by lower-case name."""
        return fields_of(self.response.headers) if self.response is not None else {}

    @cached_property
    def response_text(self) -> str:
        """The beginning of the response body as text; base64 text of a recorder is undone."""
        if self.response is None:
            return ""
        raw = (body_bytes(self.response) or b"")[:_RESPONSE_LIMIT]
        if raw[:1] not in b'{["<' and _BASE64.fullmatch(raw[:4096]):
            try:
                inner = base64.b64decode(raw, validate=False)
            except (binascii.Error, ValueError):
                inner = b""
            if inner[:1] in {b"{", b"[", b"<"}:
                raw = inner
        return raw.decode("utf-8", "replace")

    @cached_property
    def response_json(self) -> Any:
        """The response body as parsed JSON, or None."""
        text = self.response_text.strip()
        if text.startswith("b'") and text.endswith("'"):
            text = text[2:-1]
        return _loads(text.encode("utf-8", "replace")) if text[:1] in {"{", "["} else None


def _loads(data: bytes | None) -> Any:
    if not data:
        return None
    try:
        return orjson.loads(data)
    except (orjson.JSONDecodeError, RecursionError):
        return None
