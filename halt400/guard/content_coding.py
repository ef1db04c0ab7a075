"""Undo the content coding of a 400's body, within bounds: evidence is read by people."""

import zlib

from halt400.events import BODY_LIMIT_BYTES

__all__ = ["without_content_coding"]

_WINDOWS = {"gzip": (31,), "x-gzip": (31,), "deflate": (15, -15)}
"""What zlib is told by content coding (RFC 9110, section 8.4.1); senders of deflate leave its header out, too."""


def without_content_coding(body: bytes, coding: str | None) -> bytes:
    """Return `body` decoded, at most `BODY_LIMIT_BYTES` of it, or as it is where that cannot be done.

    Parameters
    ----------
    coding
        The value of ``Content-Encoding``, ``None`` without one. gzip and deflate are undone.
    """
    for window in _WINDOWS.get((coding or "").strip().lower(), ()):
        try:
            return zlib.decompressobj(window).decompress(body, BODY_LIMIT_BYTES)
        except zlib.error:
            continue
    return body
