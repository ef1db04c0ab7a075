"""The broken requests of the matrix: what is wrong with each, as the bytes that go over the wire."""

# ruff: noqa: E501 - a table of requests, pages or servers reads best with one entry a line
from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DEFECTS", "FINE", "HOST", "Defect"]

HOST = "shop.example"
_CLOSE = b"Connection: close\r\n"
_AT = b"Host: shop.example\r\n" + _CLOSE
_PROXY_V2 = b"\r\n\r\n\x00\r\nQUIT\n" + b"\x21\x11\x00\x0c\x7f\x00\x00\x01\x7f\x00\x00\x01\xd9\x03\x00\x50"
_CLIENT_HELLO = bytes.fromhex(
    "16030100c5010000c10303000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f2000010203040506070809"
    "0a0b0c0d0e0f101112131415161718191a1b1c1d1e1f00081302130313011303010000700000001100"
    "0f00000c73686f702e6578616d706c65000a00080006001d00170018000d00140012040308040401050308050501080606010201"
    "002b0003020304003300260024001d0020358072d6365880d1aeea329adf9121383851ed21a28e3b75e965d0d2cd166254"
)


@dataclass(frozen=True, kw_only=True)
class Defect:
    """One request of the matrix.

    Attributes
    ----------
    cause
        Its cause, of `halt400.records.Cause`; ``none`` for a request that is fine.
    words
        Texts of which the diagnosis' evidence must hold one, in lower case: the defect itself, not only its family.
    tls
        Whether it is sent to the port that speaks TLS, as plain text.
    """

    name: str
    cause: str
    words: tuple[str, ...]
    raw: bytes
    tls: bool = False

    @property
    def cut_off(self) -> bool:
        """Whether the sender closes its side after the last byte: the request ends too early."""
        return self.name in _CUT_OFF


_CUT_OFF = ("body shorter than Content-Length", "ends before the last chunk", "TLS to a plain port")


def _get(head: bytes = b"", *, line: bytes = b"GET / HTTP/1.1", host: bytes = _AT) -> bytes:
    return line + b"\r\n" + host + head + b"\r\n"


def _post(head: bytes, body: bytes, *, path: bytes = b"/json", length: bool = True) -> bytes:
    size = b"Content-Length: %d\r\n" % len(body) if length else b""
    return b"POST " + path + b" HTTP/1.1\r\n" + _AT + head + size + b"\r\n" + body


_JSON = b"Content-Type: application/json\r\n"
_FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
_GOOD = b'{"page": 1}'

_P, _U, _T, _L = "protocol_violation", "invalid_url_encoding", "content_type_mismatch", "payload_too_large"

FINE = (
    Defect(name="fine GET", cause="none", words=(), raw=_get(b"Accept: */*\r\n")),
    Defect(name="fine POST of JSON", cause="none", words=(), raw=_post(_JSON, _GOOD)),
    Defect(name="fine HTTP/1.0 without Host", cause="none", words=(), raw=b"GET / HTTP/1.0\r\n\r\n"),
)
"""Requests without a defect: the same matrix shows that nothing is found in them."""

_REQUEST_LINE = (
    ("method with a bracket", _P, ("method",), _get(line=b"GE(T / HTTP/1.1")),
    ("method in small letters", _P, ("method",), _get(line=b"get / HTTP/1.1")),
    ("version 9.9", _P, ("version",), _get(line=b"GET / HTTP/9.9")),
    ("version of another protocol", _P, ("version",), _get(line=b"GET / HTTQ/1.1")),
    ("no version", _P, ("version",), b"GET /\r\n\r\n"),
    ("asterisk with GET", _P, ("asterisk", "*"), _get(line=b"GET * HTTP/1.1")),
    ("authority form with GET", _P, ("authority", "host:port"), _get(line=b"GET shop.example:80 HTTP/1.1")),
    ("CONNECT without a port", _P, ("port",), _get(line=b"CONNECT shop.example HTTP/1.1")),
    ("absolute form of another host", _P, ("host says",), _get(line=b"GET http://other.example/ HTTP/1.1")),
    ("two spaces in the request line", _P, ("space", "blank"), _get(line=b"GET  / HTTP/1.1")),
    ("space before the method", _P, ("space", "method"), _get(line=b" GET / HTTP/1.1")),
    ("space in the target", _U, ("space",), _get(line=b"GET /a b HTTP/1.1")),
    ("raw non-ASCII in the target", _U, ("non-ascii", "ascii", "utf-8", "escape"), _get(line=b"GET /caf\xe9 HTTP/1.1")),
    ("control character in the target", _U, ("control", "0x01"), _get(line=b"GET /a\x01b HTTP/1.1")),
    ("percent without digits", _U, ("%zz", "percent", "escape"), _get(line=b"GET /%zz HTTP/1.1")),
    ("percent at the end", _U, ("percent", "escape", "%"), _get(line=b"GET /a% HTTP/1.1")),
    ("percent-encoded NUL", _U, ("%00", "nul"), _get(line=b"GET /a%00b HTTP/1.1")),
    ("percent-encoded slash", _U, ("%2f", "slash"), _get(line=b"GET /a%2Fb HTTP/1.1")),
    ("raw braces in the query", _U, ("{", "escape"), _get(line=b"GET /?q={a}|b HTTP/1.1")),
    ("path above the root", _U, ("..", "root"), _get(line=b"GET /../../a HTTP/1.1")),
    ("fragment in the target", _P, ("fragment",), _get(line=b"GET /a#b HTTP/1.1")),
    ("target of 100 KB", _L, ("url",), _get(line=b"GET /?q=" + b"a" * 100_000 + b" HTTP/1.1")),
)
_FIELDS = (
    ("no Host", _P, ("host",), b"GET / HTTP/1.1\r\n" + _CLOSE + b"\r\n"),
    ("two Hosts", _P, ("host",), _get(b"Host: other.example\r\n")),
    ("empty Host", _P, ("host",), _get(host=b"Host:\r\n" + _CLOSE)),
    ("Host with a slash", _P, ("host",), _get(host=b"Host: shop.example/a\r\n" + _CLOSE)),
    ("Host with a space", _P, ("host",), _get(host=b"Host: shop example\r\n" + _CLOSE)),
    ("Host with a port of letters", _P, ("host",), _get(host=b"Host: shop.example:abc\r\n" + _CLOSE)),
    ("space before the colon", _P, ("space",), _get(b"X-Id : 7\r\n")),
    ("space in a header name", _P, ("space",), _get(b"X Id: 7\r\n")),
    ("header without a colon", _P, ("colon",), _get(b"X-Id 7\r\n")),
    ("header without a name", _P, ("without a name",), _get(b": 7\r\n")),
    ("folded header", _P, ("folded",), _get(b"X-Id: 7,\r\n 8\r\n")),
    ("NUL in a header", _P, ("nul",), _get(b"X-Id: a\x00b\r\n")),
    ("control character in a header", _P, ("control",), _get(b"X-Id: a\x01b\r\n")),
    ("carriage return in a header", _P, ("carriage return",), _get(b"X-Id: a\rb\r\n")),
    ("control character in a cookie", _P, ("control",), _get(b"Cookie: session=a\x7fb\r\n")),
    ("pseudo-header in HTTP/1.1", _P, ("pseudo",), _get(b":method: GET\r\n")),
    ("lines end in a bare line feed", _P, ("line feed",), _get().replace(b"\r\n", b"\n")),
    ("header of 200 KB", _L, ("header",), _get(b"X-Id: " + b"a" * 200_000 + b"\r\n")),
    ("3000 headers", _L, ("number of header", "header section"), _get(b"X-Id: 7\r\n" * 3000)),
    ("unknown expectation", _P, ("expect",), _post(_JSON + b"Expect: 200-ok\r\n", _GOOD)),
)
_FRAMING = (
    ("negative Content-Length", _P, ("content-length",), _post(_JSON + b"Content-Length: -1\r\n", b"", length=False)),
    ("Content-Length in words", _P, ("content-length",), _post(_JSON + b"Content-Length: ten\r\n", b"", length=False)),
    ("Content-Length with a plus", _P, ("content-length",), _post(_JSON + b"Content-Length: +11\r\n", _GOOD, length=False)),
    ("two Content-Lengths", _P, ("content-length",), _post(_JSON + b"Content-Length: 5\r\n", _GOOD)),
    ("Content-Length too large to count", _P, ("content-length",), _post(_JSON + b"Content-Length: 99999999999999999999\r\n", _GOOD, length=False)),
    ("body shorter than Content-Length", _P, ("content-length",), _post(_JSON + b"Content-Length: 100\r\n", _GOOD, length=False)),
    ("Content-Length and chunked", _P, ("together",), _post(_JSON + b"Transfer-Encoding: chunked\r\n", b"b\r\n" + _GOOD + b"\r\n0\r\n\r\n")),
    ("chunk size that is no number", _P, ("chunk",), _post(_JSON + b"Transfer-Encoding: chunked\r\n", b"xyz\r\n" + _GOOD + b"\r\n0\r\n\r\n", length=False)),
    ("ends before the last chunk", _P, ("chunk",), _post(_JSON + b"Transfer-Encoding: chunked\r\n", b"b\r\n" + _GOOD + b"\r\n", length=False)),
    ("chunk longer than its size", _P, ("chunk",), _post(_JSON + b"Transfer-Encoding: chunked\r\n", b"5\r\n" + _GOOD + b"\r\n0\r\n\r\n", length=False)),
    ("unknown Transfer-Encoding", _P, ("transfer-encoding",), _post(_JSON + b"Transfer-Encoding: cow\r\n", _GOOD, length=False)),
    ("chunked twice", _P, ("chunked",), _post(_JSON + b"Transfer-Encoding: chunked, chunked\r\n", b"b\r\n" + _GOOD + b"\r\n0\r\n\r\n", length=False)),
    ("chunked before gzip", _P, ("chunked",), _post(_JSON + b"Transfer-Encoding: chunked, gzip\r\n", b"b\r\n" + _GOOD + b"\r\n0\r\n\r\n", length=False)),
    ("chunked in HTTP/1.0", _P, ("http/1.0",), _post(_JSON + b"Transfer-Encoding: chunked\r\n", b"b\r\n" + _GOOD + b"\r\n0\r\n\r\n", length=False).replace(b"HTTP/1.1", b"HTTP/1.0")),
    ("body without a length", _P, ("content-length",), _post(_JSON, _GOOD, length=False)),
)  # fmt: skip
_CONTENT = (
    ("two Content-Types", _T, ("content-type",), _post(_JSON + b"Content-Type: text/plain\r\n", _GOOD)),
    ("Content-Type without a slash", _T, ("content-type",), _post(b"Content-Type: json\r\n", _GOOD)),
    ("gzip declared, not gzip", _T, ("gzip",), _post(_JSON + b"Content-Encoding: gzip\r\n", _GOOD)),
    ("form declared, JSON sent", _T, ("content-type", "json"), _post(_FORM, _GOOD)),
    ("JSON with a comma too many", "malformed_json", ("comma",), _post(_JSON, b'{"page": 1,}')),
    ("JSON cut off", "malformed_json", (), _post(_JSON, b'{"page": [1, 2')),
    ("JSON body of 3 MB", _L, ("body",), _post(_JSON, b'{"page": "' + b"a" * 3_000_000 + b'"}')),
)
_OTHER_PROTOCOLS = (
    ("TLS to a plain port", _P, ("tls",), _CLIENT_HELLO),
    ("preface of HTTP/2", _P, ("http/2",), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"),
    ("PROXY protocol, version 1", _P, ("proxy protocol",), b"PROXY TCP4 127.0.0.1 127.0.0.1 55555 80\r\n" + _get()),
    ("PROXY protocol, version 2", _P, ("proxy protocol",), _PROXY_V2 + _get()),
)  # fmt: skip

DEFECTS = (
    *(
        Defect(name=name, cause=cause, words=words, raw=raw)
        for name, cause, words, raw in (*_REQUEST_LINE, *_FIELDS, *_FRAMING, *_CONTENT, *_OTHER_PROTOCOLS)
    ),
    Defect(name="plain HTTP to a TLS port", cause=_P, words=("tls",), raw=_get(), tls=True),
)
"""Every broken request of the matrix."""
