r"""The request line as servers log it, and their escapes. Pure.

Servers escape what is not printable: ``\xHH`` for a byte, ``\"``, ``\\`` and C's short escapes
(Apache: mod_log_config, "Format Notes"; nginx: ngx_http_log_module, ``escape=default``).
"""

import re

from halt400.exchanges.recorded import Missing
from halt400.records import Header, Request

__all__ = ["VERSIONS", "decoded", "logged_request", "unescaped"]

# Possessive and bounded: a hostile line costs no more than its length.
_REQUEST_LINE = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,255}) (\S.*) HTTP/([0-9.]{1,8})", re.DOTALL)
_SIMPLE_REQUEST = re.compile(r"GET (/\S*)")
VERSIONS = {"2.0": "2", "3.0": "3"}
_ESCAPE = re.compile(r'\\(x[0-9A-Fa-f]{2}|["\\abfnrtv])')
_ESCAPE_BYTES = re.compile(_ESCAPE.pattern.encode())
_SHORT = {'"': '"', "\\": "\\", "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def decoded(line: bytes) -> str:
    """The text of a line: UTF-8, or Latin-1 where it is not."""
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("latin-1")


def unescaped(text: str) -> str:
    r"""Undo the escapes of a quoted field.

    Examples
    --------
    >>> unescaped(r"/caf\xc3\xa9?q=\"a\"")
    '/café?q="a"'
    """
    if "\\" not in text:
        return text
    if "\\x" not in text:
        return _ESCAPE.sub(lambda match: _SHORT[match[1]], text)
    # Escaped bytes are the UTF-8 of one text, or else Latin-1.
    raw = _ESCAPE_BYTES.sub(
        lambda match: bytes([int(match[1][1:], 16)]) if match[1][:1] == b"x" else _SHORT[match[1].decode()].encode(),
        text.encode(errors="replace"),
    )
    return decoded(raw)


def logged_request(line: str, headers: list[Header]) -> tuple[Request, tuple[Missing, ...]]:
    """Read an unescaped request line, such as ``GET /a HTTP/1.1``.

    Returns
    -------
    tuple
        The request, and what is missing. Where the line is none, as the bytes of a TLS handshake that came to a plain
        port, that is the method; the URL is the line itself then.

    Examples
    --------
    >>> logged_request("GET /a HTTP/2.0", [])[0].http_version
    '2'
    >>> logged_request("hello world", [])[1]
    ('method',)
    """
    match = _REQUEST_LINE.fullmatch(line)
    if match is not None:
        version = VERSIONS.get(match[3], match[3])
        return Request(method=match[1], url=match[2], http_version=version, headers=headers), ()
    simple = _SIMPLE_REQUEST.fullmatch(line)
    if simple is not None:
        return Request(method="GET", url=simple[1], http_version="0.9", headers=headers), ()
    return Request(method="-", url=line or "-", http_version="-", headers=headers), ("method",)
