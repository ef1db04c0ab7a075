"""The exchange under diagnosis: a request and perhaps its response, taken apart once for every cause module."""

from __future__ import annotations

from typing import Any

from halt400.diagnosis.answer import answer_of, body_bytes, fields_of
from halt400.diagnosis.cached_attribute import once
from halt400.diagnosis.chunks import dechunk
from halt400.diagnosis.content import Content, content_of
from halt400.diagnosis.media_types import MediaType, is_json, parse_media_type
from halt400.records import Request, Response

__all__ = ["BODY_LIMIT", "Exchange"]

BODY_LIMIT = 1 << 21
"""Bytes of a body that are parsed; what is longer is measured and left alone."""


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
        self.answer = answer_of(response)
        self.as_sent = as_sent
        self.method = request.method
        self.url = request.url
        self.headers = request.headers
        self.fields = fields_of(request.headers)
        self.status = status = response.status if response is not None else None
        self.refused = status is not None and 400 <= status < 500
        """Whether the server answered with a 4xx that speaks of the request."""
        self.memo: dict[str, Any] = {}

    @once
    def _content(self) -> tuple[bytes | None, str | None]:
        raw = body_bytes(self.request)
        if raw and self.as_sent and self.fields.get("transfer-encoding", [""])[-1].strip().lower().endswith("chunked"):
            return dechunk(raw)
        return raw, None

    @once
    def body(self) -> bytes | None:
        """The body with chunked coding undone; None where it was not recorded."""
        return self._content[0]

    @property
    def chunking_problem(self) -> str | None:
        """What broke while chunked coding was undone."""
        return self._content[1]

    @once
    def body_size(self) -> int | None:
        """The whole size of the body in bytes."""
        if self.request.body_size is not None:
            return self.request.body_size
        return len(self.body) if self.body is not None else None

    @once
    def parseable_body(self) -> bytes | None:
        """The body where it is there, whole, short enough and not compressed (declared or not)."""
        if self.body is None or self.request.body_truncated or len(self.body) > BODY_LIMIT:
            return None
        return None if self.encoded or self.body[:2] == b"\x1f\x8b" else self.body

    @once
    def encoded(self) -> bool:
        """Whether a content coding other than identity is declared and the body looks coded."""
        codings = ",".join(self.fields.get("content-encoding", ())).lower()
        if not codings.strip() or codings.strip() == "identity":
            return False
        return (self.body or b"").lstrip()[:1] not in {b"{", b"[", b"<"}

    @once
    def content_type(self) -> str | None:
        """The first Content-Type value, as sent."""
        values = self.fields.get("content-type")
        return values[0] if values else None

    @once
    def media_type(self) -> MediaType:
        """The declared media type; an empty essence where there is none."""
        return parse_media_type(self.content_type) if self.content_type is not None else MediaType("", {})

    @once
    def declares_json(self) -> bool:
        """Whether the request says that its body is JSON."""
        return is_json(self.media_type.essence)

    @once
    def content(self) -> Content:
        """What the parseable body is, taken apart; empty where there is none."""
        return content_of(self.parseable_body or b"")

    @property
    def json(self) -> Any:
        """The body as parsed JSON, or None."""
        return self.content.json

    @property
    def response_fields(self) -> dict[str, list[str]]:
        """The response's header values by lower-case name."""
        return self.answer.fields

    @property
    def response_text(self) -> str:
        """The beginning of the response body as text; base64 text of a recorder is undone."""
        return self.answer.text

    @property
    def response_json(self) -> Any:
        """The response body as parsed JSON, or None."""
        return self.answer.json
