"""The exchange under diagnosis: a request and its response, if any, parsed once for all cause modules."""

from __future__ import annotations

from typing import Any

from halt400.diagnosis.cached_attribute import cached_attribute
from halt400.diagnosis.chunks import dechunk
from halt400.diagnosis.parsed_body import ParsedBody, parse_body
from halt400.diagnosis.parsed_headers import parse_headers
from halt400.diagnosis.parsed_response import body_bytes, parse_response
from halt400.records import Request, Response

__all__ = ["BODY_LIMIT", "Exchange"]

BODY_LIMIT = 1 << 21
"""Longest body that is parsed, in bytes; of a longer one only the size is used."""


class Exchange:
    """One request and its response, with what the modules read of them, each computed at most once.

    Parameters
    ----------
    request, response
        The records; before sending there is no response.
    as_sent
        Whether `request.headers` is every field that was on the wire. Recorders often leave out what the client adds
        (Host, Content-Length), so only then a missing field means something.
    bare_line_feeds
        Whether its lines ended in a line feed alone.
    """

    def __init__(
        self,
        request: Request,
        response: Response | None = None,
        *,
        as_sent: bool = False,
        bare_line_feeds: bool = False,
    ) -> None:
        self.request = request
        self.response = response
        self.parsed_response = parse_response(response)
        self.as_sent = as_sent
        self.bare_line_feeds = bare_line_feeds
        self.method = request.method
        self.url = request.url
        self.headers = request.headers
        self.parsed_headers = head = parse_headers(request.headers)
        self.fields = head.fields
        self.content_type = head.content_type
        """The first Content-Type value, as sent."""
        self.media_type = head.media_type
        """The declared media type; an empty essence where there is none."""
        self.declares_json = head.declares_json
        """Whether the request says that its body is JSON."""
        self.status = status = response.status if response is not None else None
        self.refused = status is not None and 400 <= status < 500
        """Whether the server answered with a 4xx, which is about the request."""
        self.cache: dict[str, Any] = {}

    @cached_attribute
    def _dechunked_body(self) -> tuple[bytes | None, str | None]:
        raw = body_bytes(self.request)
        if raw and self.as_sent and self.fields.get("transfer-encoding", [""])[-1].strip().lower().endswith("chunked"):
            return dechunk(raw)
        return raw, None

    @cached_attribute
    def body(self) -> bytes | None:
        """The body with chunked coding undone; None where it was not recorded."""
        return self._dechunked_body[0] if self.as_sent else body_bytes(self.request)

    @property
    def _is_dechunked(self) -> bool:
        codings = ",".join(self.fields["transfer-encoding"]).lower()
        return self.chunking_problem is None and codings.strip() == "chunked"

    @property
    def chunking_problem(self) -> str | None:
        """What is wrong with the chunked coding."""
        return self._dechunked_body[1]

    @cached_attribute
    def body_size(self) -> int | None:
        """The whole size of the body in bytes."""
        if self.request.body_size is not None:
            return self.request.body_size
        return len(self.body) if self.body is not None else None

    @cached_attribute
    def parseable_body(self) -> bytes | None:
        """The body if it is recorded, whole, short enough and not compressed (declared or not)."""
        body = self.body
        if body is None or self.request.body_truncated or len(body) > BODY_LIMIT:
            return None
        if self.as_sent and "transfer-encoding" in self.fields and not self._is_dechunked:
            return None
        return None if body[:2] == b"\x1f\x8b" or ("content-encoding" in self.fields and self.encoded) else body

    @cached_attribute
    def encoded(self) -> bool:
        """Whether a content coding other than identity is declared and the body looks coded."""
        codings = ",".join(self.fields.get("content-encoding", ())).lower()
        if not codings.strip() or codings.strip() == "identity":
            return False
        return (self.body or b"").lstrip()[:1] not in {b"{", b"[", b"<"}

    @cached_attribute
    def parsed_body(self) -> ParsedBody:
        """`parseable_body`, parsed; the parsed empty body where there is none."""
        return parse_body(self.parseable_body or b"")

    @property
    def json(self) -> Any:
        """The body as parsed JSON, or None."""
        return self.parsed_body.json

    @property
    def response_fields(self) -> dict[str, list[str]]:
        """The response's header values by lower-case name."""
        return self.parsed_response.fields

    @property
    def response_text(self) -> str:
        """The beginning of the response body as text, decoded where a recorder left it as base64."""
        return self.parsed_response.text

    @property
    def response_json(self) -> Any:
        """The response body as parsed JSON, or None."""
        return self.parsed_response.json
