"""The parts of a request and its response as an adapter gives them: headers and bodies, made where they are needed."""

from collections.abc import Callable, Iterable

from halt400.client_values import plain_body
from halt400.guard.body_capture import BodyCapture

__all__ = ["Body", "HeaderSource", "body_size", "carried_body", "no_headers", "size_of", "whole_body"]

HeaderSource = Callable[[], Iterable[tuple[str, str]]]
"""Gives names and values in their order; called only where they are needed, which most responses do not."""
Body = bytes | str | BodyCapture | Callable[[], bytes | str | None] | None
"""Whole, seen while it streams, or made only where it is needed."""


def no_headers() -> Iterable[tuple[str, str]]:
    """No headers are known."""
    return ()


def whole_body(body: Body) -> bytes | str | None:
    """Return a body that does not stream."""
    return None if isinstance(body, BodyCapture) else body() if callable(body) else body


def carried_body(body: Body) -> bytes | str | None:
    """Return a body, or what is kept of one that streams."""
    return bytes(body.body) if isinstance(body, BodyCapture) else whole_body(body)


def body_size(body: Body) -> int | None:
    """Count the bytes of a body, of one that streams as far as it has passed; None where there is none."""
    if type(body) is bytes:
        return len(body)
    if isinstance(body, BodyCapture):
        return body.size
    plain = plain_body(whole_body(body), "body")
    return None if plain is None else len(plain)


def size_of(method: str, url: str, headers: HeaderSource, body: Body) -> int:
    """Count the bytes of a request's method, address, headers and body; a body that streams is left out."""
    whole = whole_body(body) or b""
    fields = sum(len(name) + len(value) for name, value in headers())
    return len(method) + len(url) + fields + len(whole if isinstance(whole, bytes) else whole.encode(errors="replace"))
