r"""A raw HTTP/1.x request, bytes as they were on the wire (RFC 9112), however broken. Pure.

Nothing is repaired: a folded line stays folded (``\r\n`` in the value), a line without a colon becomes a name that ends
in a line feed, and a request line without a version is HTTP/0.9.
"""

from __future__ import annotations

import re

from halt400.errors import InputError
from halt400.exchanges.recorded import RecordedExchange, text_or_base64
from halt400.records import Header, Request

__all__ = ["looks_raw", "read_raw"]

_REQUEST_LINE = re.compile(r"([ \t]*[^ ]*) (.*) ([^ ]*)\Z", re.DOTALL)
_PROXY_V2 = b"\r\n\r\n\x00\r\nQUIT\n"
_LOOKS = re.compile(
    rb"\s{0,8}[!-~]{1,32} [^\r\n]{1,65536} HTTP/\d|(?:GET|HEAD|POST|PUT|DELETE|CONNECT|OPTIONS|TRACE|PATCH) [/*h]"
    rb"|PROXY (?:TCP[46]|UNKNOWN)[ \r\n]|\r\n\r\n\x00\r\nQUIT\n|\x16\x03[\x00-\x04]"
)


def looks_raw(data: bytes) -> bool:
    """Whether the beginning is a request line, or what stands before one: PROXY protocol, TLS."""
    return _LOOKS.match(data) is not None


def read_raw(data: bytes) -> RecordedExchange:
    r"""Take a raw request apart.

    Raises
    ------
    InputError
        When there is no request line at all.

    Examples
    --------
    >>> read_raw(b"GET /a HTTP/1.1\r\nHost: shop.example\r\n\r\n").request.url
    'http://shop.example/a'
    """
    if data.startswith(_PROXY_V2):
        request = Request(method="PROXY", url="protocol 2", http_version="PROXY")
        return RecordedExchange(where="request", request=request, as_sent=True)
    while data[:2] == b"\r\n" or data[:1] == b"\n":  # RFC 9112 section 2.2
        data = data[2:] if data[:1] == b"\r" else data[1:]
    if not data.strip():
        raise InputError("The input is empty.", "Give a request: its request line, headers, an empty line, the body.")
    line, at = _line(data, 0)
    text = line.decode("latin-1")
    found = _REQUEST_LINE.match(text)
    if found is not None:
        method, target, version = found.groups()
    else:
        method, _, target = text.partition(" ")
        version = "0.9"
    headers, at = _headers(data, at)
    body = _body(data[at:], headers)
    encoded = None
    content = None
    if body is not None:
        content, encoded = text_or_base64(body)
    request = Request(
        method=method or " ",
        url=_url(method, target, headers) or " ",
        http_version=_version(version),
        headers=headers,
        body=content,
        body_base64=encoded,
    )
    bare = b"\r\n" not in data[:at] if (at := data.find(b"\n") + 1) else False
    # HTTP/2 has no request line: tools write one without a minor version to show a request that was sent in frames.
    is_shown = version in ("HTTP/2", "HTTP/3")
    return RecordedExchange(where="request", request=request, as_sent=not is_shown, bare_line_feeds=bare)


def _version(text: str) -> str:
    """The number of the version; where the line has none, what stands in its place, and why it is none."""
    if re.fullmatch(r"HTTP/[01]\.\d", text) or text in ("HTTP/2", "HTTP/3"):
        return text[5:]
    if re.fullmatch(r"HTTP/[2-9]\.\d", text):
        return f"{text} (in a request line, which HTTP/1 alone has)"
    if re.fullmatch(r"HTTP/\d(?:\.\d)?", text, re.IGNORECASE):
        return f"{text} (HTTP is in capitals)"
    return f"{text} without HTTP/" if re.fullmatch(r"\d(?:\.\d)?", text) and text != "0.9" else text or "missing"


def _line(data: bytes, at: int) -> tuple[bytes, int]:
    end = data.find(b"\n", at)
    if end < 0:
        return data[at:], len(data)
    return data[at : end - 1 if end > at and data[end - 1] == 13 else end], end + 1


def _headers(data: bytes, at: int) -> tuple[list[Header], int]:
    headers: list[Header] = []
    while at < len(data):
        line, at = _line(data, at)
        if not line:
            break
        text = line.decode("latin-1")
        if text[0] in " \t" and headers:
            name, value = headers[-1]
            headers[-1] = (name, f"{value}\r\n{text}")
            continue
        name, colon, value = text.partition(":")
        if text.startswith(":") and ":" in text[1:]:
            second, colon, value = text[1:].partition(":")
            name = f":{second}"
        headers.append((name if colon else f"{text}\n", value.strip(" \t")))
    return headers, at


def _body(rest: bytes, headers: list[Header]) -> bytes | None:
    lengths = [value.strip() for name, value in headers if name.lower() == "content-length"]
    chunked = any(name.lower() == "transfer-encoding" for name, _ in headers)
    if lengths and lengths[0].isascii() and lengths[0].isdigit() and len(lengths[0]) < 18:
        declared = int(lengths[0])
        # Editors end a file with a line end that was not on the wire.
        if len(rest) > declared and not rest[declared:].strip(b"\r\n"):
            return rest[:declared]
        return rest
    if not lengths and not chunked and not rest.strip(b"\r\n"):
        return None
    return rest if rest else None


def _url(method: str, target: str, headers: list[Header]) -> str:
    hosts = [value.strip() for name, value in headers if name.lower() == "host"]
    if method == "CONNECT" or not target.startswith("/") or len(hosts) != 1:
        return target
    if not re.fullmatch(r"[A-Za-z0-9._-]+(?::[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](?::[0-9]{1,5})?", hosts[0]):
        return target
    return f"http://{hosts[0]}{target}"
