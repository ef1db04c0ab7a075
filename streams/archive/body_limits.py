"""Cuts bodies that are too long for the archive, and marks them as cut. Pure."""

from base64 import b64decode, b64encode
from copy import copy
from typing import TypeVar

from halt400.records import Offence, Request, Response

__all__ = ["BODY_LIMIT_BYTES", "cut_bodies"]

Message = TypeVar("Message", Request, Response)

BODY_LIMIT_BYTES = 1024 * 1024
"""Longest part of one body that is archived."""


def cut_bodies(offence: Offence, limit_bytes: int = BODY_LIMIT_BYTES) -> Offence:
    """The offence with bodies of at most `limit_bytes`; a cut body is marked and keeps its full size in `body_size`.

    Examples
    --------
    >>> from halt400.records import ResponseEvent, Source
    >>> event = ResponseEvent(
    ...     id="1",
    ...     time=0,
    ...     target="t",
    ...     job_id="j",
    ...     request=Request(method="POST", url="https://t/", body="0123456789"),
    ...     response=Response(status=400),
    ... )
    >>> offence = Offence(
    ...     target="t", event=event, source=Source(topic="r", partition=0, offset=1), archive_uri="", seen_at=0
    ... )
    >>> request = cut_bodies(offence, 4).event.request
    >>> request.body, request.body_truncated, request.body_size
    ('0123', True, 10)
    """
    event = offence.event
    request, response = _cut(event.request, limit_bytes), _cut(event.response, limit_bytes)
    if request is event.request and response is event.response:
        return offence
    offence, event = copy(offence), copy(event)
    event.request, event.response = request, response
    offence.event = event
    return offence


def _cut(message: Message, limit: int) -> Message:
    body, encoded = message.body, message.body_base64
    long_text = body is not None and len(body) * 4 > limit and len(body.encode("utf-8", "surrogatepass")) > limit
    long_bytes = encoded is not None and len(encoded) * 3 // 4 - 2 > limit
    if not long_text and not long_bytes:
        return message
    message = copy(message)
    if long_text and body is not None:
        raw = body.encode("utf-8", "surrogatepass")
        message.body_size = _full_size(message, raw)
        message.body = raw[:limit].decode("utf-8", "ignore")
    if long_bytes and encoded is not None:
        try:
            raw = b64decode(encoded, validate=True)
        except ValueError:
            message.body_base64 = encoded[:limit]
        else:
            message.body_size = _full_size(message, raw)
            message.body_base64 = b64encode(raw[:limit]).decode()
    message.body_truncated = True
    return message


def _full_size(message: Message, raw: bytes) -> int | None:
    """Size of the body as it was sent; None where the publisher had cut it and did not say the size."""
    return len(raw) if message.body_size is None and not message.body_truncated else message.body_size
