"""The parts of a request and its response as an adapter gives them: headers and bodies, made where they are needed."""

from collections.abc import Callable, Iterable

from halt400.guard.body_capture import BodyCapture

__all__ = ["Body", "HeaderSource", "carried_body", "no_headers", "whole_body"]

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
