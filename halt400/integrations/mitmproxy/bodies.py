"""Bodies that stream through the proxy are seen while they pass; those of 400s are decoded for people to read."""

from collections.abc import Callable, Iterable

from mitmproxy.http import Response

from halt400.guard import BodyCapture
from halt400.guard.content_coding import without_content_coding

__all__ = ["decoded", "seen_by"]

LARGEST_DECODED_BYTES = 64 * 1024
_BOUNDED = ("gzip", "x-gzip", "deflate")

Stream = Callable[[bytes], Iterable[bytes] | bytes]


def seen_by(capture: BodyCapture, stream: Stream | bool) -> Stream:
    """What is set as ``stream`` of a message: `capture` sees each part, and the rest is as it was."""

    def see(part: bytes) -> Iterable[bytes] | bytes:
        capture.add(part)
        return stream(part) if callable(stream) else part

    return see


def decoded(response: Response, body: bytes | BodyCapture) -> bytes | BodyCapture:
    """The body of a 400 without its content coding, where that can be undone within bounds."""
    coding = response.headers.get("content-encoding", "").strip().lower()
    if isinstance(body, BodyCapture):
        if body.is_cut:
            return body
        body = bytes(body.body)
    if coding in _BOUNDED:
        return without_content_coding(body, coding)
    if not coding or len(body) > LARGEST_DECODED_BYTES:
        return body
    whole = Response.make(response.status_code, b"", {"content-encoding": coding})
    whole.raw_content = body
    return whole.get_content(strict=False) or body
