"""Redact a body that is bytes, in any character encoding, and inside the compressions of the standard library.

A body in any other compression is masked whole: a body that cannot be searched may hold secrets.
"""

import zlib
from collections.abc import Callable
from contextlib import suppress

__all__ = ["redact_bytes"]

_INFLATED_MAX_BYTES = 8 * 1024 * 1024
_CHUNK_BYTES = 4096
_TEXT_BYTES = bytes(range(32, 127)) + b"\t\r\n"
_READABLE = {"", "identity", "gzip", "x-gzip", "deflate"}


def redact_bytes(body: bytes, content_encoding: str, redact: Callable[[str, bool], str]) -> bytes:
    """The body with its secrets replaced.

    Parameters
    ----------
    body
        As it was sent; may be truncated.
    content_encoding
        The value of the header, empty without one.
    redact
        Redacts a text; the flag says that it is bytes decoded as Latin-1.
    """
    wbits = _wbits(body)
    if wbits is not None:
        return _redact_deflated(body, wbits, redact)
    coding = content_encoding.strip().lower()
    if coding not in _READABLE and not _is_text(body):
        return b"x" * len(body)
    return _redact_plain(body, redact)


def _redact_plain(body: bytes, redact: Callable[[str, bool], str]) -> bytes:
    encoding = _wide_encoding(body)
    if encoding is not None:
        try:
            return redact(body.decode(encoding, "surrogatepass"), False).encode(encoding, "surrogatepass")
        except UnicodeError:
            pass
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return redact(body.decode("latin-1"), True).encode("latin-1")
    return redact(text, False).encode()


def _wide_encoding(body: bytes) -> str | None:
    """UTF-16 or UTF-32, by the byte order mark or the zeros among the first characters."""
    head = body[:4]
    if head == b"\xff\xfe\x00\x00" or (len(head) == 4 and head[0] and head[1:] == b"\0\0\0"):
        return "utf-32-le"
    if head == b"\x00\x00\xfe\xff" or (len(head) == 4 and head[3] and head[:3] == b"\0\0\0"):
        return "utf-32-be"
    if head[:2] == b"\xff\xfe" or (len(head) == 4 and head[0] and not head[1] and head[2] and not head[3]):
        return "utf-16-le"
    if head[:2] == b"\xfe\xff" or (len(head) == 4 and not head[0] and head[1] and not head[2] and head[3]):
        return "utf-16-be"
    return None


def _is_text(body: bytes) -> bool:
    """Whether the body reads as text although its header says that it is compressed."""
    head = body[:512]
    others = head.translate(None, _TEXT_BYTES)
    return not others or (b"\0" not in head and len(others) * 4 < len(head))


def _wbits(body: bytes) -> int | None:
    """How zlib must read the body: gzip by its magic, zlib by its header check; None for anything else."""
    if body[:3] == b"\x1f\x8b\x08":
        return 31
    if len(body) > 2 and body[0] == 0x78 and not int.from_bytes(body[:2], "big") % 31 and not _is_text(body):
        return 15
    return None


def _redact_deflated(body: bytes, wbits: int, redact: Callable[[str, bool], str]) -> bytes:
    """Redact the inflated body; without secrets it stays as it was, byte for byte, broken or not."""
    plain, rest = _inflate(body, wbits)
    if len(plain) >= _INFLATED_MAX_BYTES:
        return b"x" * len(body)
    redacted = _redact_plain(plain, redact)
    redacted_rest = b"x" * len(rest) if _wbits(rest) is not None else _redact_plain(rest, redact)
    if redacted == plain and redacted_rest == rest:
        return body
    deflater = zlib.compressobj(6, zlib.DEFLATED, wbits)
    return deflater.compress(redacted) + deflater.flush() + redacted_rest


def _inflate(body: bytes, wbits: int) -> tuple[bytes, bytes]:
    """The inflated bytes, up to the byte where the body breaks, and the bytes that follow its end."""
    inflater = zlib.decompressobj(wbits)
    plain = bytearray()
    for start in range(0, len(body), _CHUNK_BYTES):
        chunk = body[start : start + _CHUNK_BYTES]
        before = inflater.copy()
        try:
            plain += inflater.decompress(chunk, _INFLATED_MAX_BYTES - len(plain))
        except zlib.error:
            with suppress(zlib.error):
                for index in range(len(chunk)):
                    plain += before.decompress(chunk[index : index + 1])
            return bytes(plain), b""
        if inflater.eof:
            return bytes(plain), inflater.unused_data + body[start + _CHUNK_BYTES :]
        if len(plain) >= _INFLATED_MAX_BYTES:
            break
    return bytes(plain), b""
