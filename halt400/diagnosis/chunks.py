"""Decode the chunked transfer coding (RFC 9112 section 7.1)."""

from __future__ import annotations

import re

__all__ = ["dechunk"]

_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]{0,16}(?:;[^\r\n]{0,1024})?\r\n")


def dechunk(data: bytes) -> tuple[bytes, str | None]:
    r"""Decode chunked coding; the second value says what is wrong with it, None where nothing is.

    Examples
    --------
    >>> dechunk(b"4\r\nWiki\r\n0\r\n\r\n")
    (b'Wiki', None)
    >>> dechunk(b"Wiki")[1]
    'a chunk starts without its size in hexadecimal (byte 0)'
    """
    out: list[bytes] = []
    at = 0
    while True:
        head = _CHUNK_SIZE.match(data, at)
        if head is None and at == len(data) > 0:
            return b"".join(out), "it ends before the last chunk (0)"
        if head is None:
            return b"".join(out), f"a chunk starts without its size in hexadecimal (byte {at})"
        size = int(head[1], 16)
        if size == 0:
            return b"".join(out), None
        start = head.end()
        if start + size > len(data):
            return b"".join(out), "the last chunk is cut"
        out.append(data[start : start + size])
        if data[start + size : start + size + 2] != b"\r\n":
            return b"".join(out), f"a chunk is not followed by CR LF (byte {start + size})"
        at = start + size + 2
