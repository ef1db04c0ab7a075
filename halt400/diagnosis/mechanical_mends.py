"""Mends that need no knowledge of the target: of JSON, XML, forms, URLs, Content-Type, Host and framing.

Each function takes an exchange and gives the mended request, or None where the mend would be a guess.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import quote

from msgspec.structs import replace

from halt400.diagnosis.content_type_mismatch import sniff
from halt400.diagnosis.edits import with_body, with_header, with_url
from halt400.diagnosis.exchange import Exchange
from halt400.diagnosis.invalid_url_encoding import PLACEHOLDER
from halt400.diagnosis.json_mends import mended_json
from halt400.records import Header, Request

__all__ = ["MENDS", "mended_url"]

_ENTITY = re.compile(rb"&(?!#\d{1,7};|#x[0-9A-Fa-f]{1,6};|(?:amp|lt|gt|quot|apos);)")
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_BROKEN_ESCAPE_IN_FORM = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_OLD_ESCAPE = re.compile(r"%u([0-9A-Fa-f]{4})")
_DOUBLE = re.compile(r"%25(?=[2-7][0-9A-Fa-f]|[cCdDeEfF][0-9A-Fa-f])")
_RAW = {
    "path": re.compile(r"[^A-Za-z0-9._~!$&'()*+,;=:@/%-]"),
    "query": re.compile(r"[^A-Za-z0-9._~!$&'()*+,;=:@/?%-]"),
}
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_TYPES = {"json": "application/json", "xml": "application/xml", "form": "application/x-www-form-urlencoded"}
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://[^/?#]*)([^?#]*)(\?[^#]*)?(#.*)?", re.DOTALL)
_ONLY_ONCE = ("host", "content-length", "content-type", "authorization", "user-agent", "referer", "origin")


def _json(exchange: Exchange) -> Request | None:
    body = exchange.parseable_body
    mended = mended_json(body) if body else None
    return with_body(exchange.request, mended) if mended is not None else None


def _xml(exchange: Exchange) -> Request | None:
    body = exchange.parseable_body
    if not body:
        return None
    stripped = body.lstrip() if body.lstrip().startswith(b"<?xml") else body
    return with_body(exchange.request, _ENTITY.sub(b"&amp;", stripped))


def _form(exchange: Exchange) -> Request | None:
    if exchange.media_type.essence.startswith("multipart/"):
        return _multipart(exchange)
    body = exchange.parseable_body
    if not body:
        return None
    if re.search(rb"%[0-9A-Fa-f]$", body):
        return None  # cut inside an escape
    text = body.replace(b"&amp;", b"&").rstrip(b"\r\n")
    text = re.sub(rb"%u([0-9A-Fa-f]{4})", lambda found: quote(chr(int(found[1], 16))).encode(), text)
    text = _BROKEN_ESCAPE_IN_FORM.sub(b"%25", text).replace(b" ", b"+")
    text = re.sub(rb"[\x00-\x1f\x7f]", lambda found: b"%%%02X" % found[0][0], text)
    return with_body(exchange.request, text)


def _multipart(exchange: Exchange) -> Request | None:
    body, boundary = exchange.parseable_body, exchange.media_type.parameters.get("boundary")
    used = re.match(rb"\s{0,8}--([^\r\n]{1,70})\r?\n", body or b"")
    if not body or used is None:
        return None
    own = used[1].decode("latin-1")
    if boundary != own:
        essence = exchange.media_type.essence
        return with_header(exchange.request, "Content-Type", f"{essence}; boundary={own}")
    ends = b"\r\n" if b"\r\n" in body else b"\n"
    if b"--" + used[1] + b"--" not in body:
        return with_body(exchange.request, body.rstrip(b"\r\n") + ends + b"--" + used[1] + b"--" + ends)
    if ends == b"\n":
        return with_body(exchange.request, body.replace(b"\n", b"\r\n"))
    return None


def mended_url(url: str) -> str:
    r"""The URL with each character escaped that must be, and each broken escape mended.

    Examples
    --------
    >>> mended_url("https://a.example/b c?q=100%&r=%2520é\n")
    'https://a.example/b%20c?q=100%25&r=%20%C3%A9'
    """
    url = _CONTROL.sub("", url.strip()).replace("&amp;", "&")
    found = _URL.fullmatch(url)
    if found is None:
        return url
    head, path, query, _ = found.groups("")
    return head + _escaped(path.replace("\\", "/"), "path") + ("?" + _escaped(query[1:], "query") if query else "")


def _escaped(text: str, part: str) -> str:
    text = _OLD_ESCAPE.sub(lambda found: quote(chr(int(found[1], 16))), text)
    text = _BROKEN_ESCAPE.sub("%25", text)
    if re.search(r"%(?!25)[0-9A-Fa-f]{2}", text) is None or "%2520" in text:
        text = _DOUBLE.sub("%", text)
    return _RAW[part].sub(lambda found: quote(found[0], safe="", errors="replace"), text)


def _of_url(exchange: Exchange) -> Request | None:
    if PLACEHOLDER.search(exchange.url):
        return None
    return with_url(exchange.request, mended_url(exchange.url))


def _content_type(exchange: Exchange) -> Request | None:
    """The declared type made that of the body, which parses as JSON, XML or a form."""
    body = exchange.parseable_body
    if not body:
        return None
    kind = sniff(exchange)
    wanted = _TYPES.get(kind or "")
    if wanted is None:
        return None
    if exchange.media_type.essence == wanted and len(exchange.fields.get("content-type", ())) == 1:
        return None
    return with_header(exchange.request, "Content-Type", wanted)


def _header(exchange: Exchange) -> Request | None:
    """The fields that follow from the request itself: Host, and the type of the body."""
    if exchange.body and not exchange.fields.get("content-type"):
        return _content_type(exchange)
    return None


def _protocol(exchange: Exchange) -> Request | None:
    request = exchange.request
    headers = _clean_headers(request.headers)
    if exchange.fields.get("transfer-encoding") and exchange.fields.get("content-length"):
        headers = [pair for pair in headers if pair[0].lower() != "transfer-encoding"]
    lengths = exchange.fields.get("content-length")
    if lengths is not None and exchange.body is not None and not request.body_truncated:
        headers = [(name, str(len(exchange.body)) if name.lower() == "content-length" else v) for name, v in headers]
    authority = re.match(r"[A-Za-z][A-Za-z0-9+.-]*://(?:[^/?#@]*@)?([^/?#]*)", request.url)
    if authority is not None and authority[1]:
        hosts = [value for name, value in headers if name.lower() == "host"]
        if hosts:
            headers = [(name, authority[1] if name.lower() == "host" else value) for name, value in headers]
        elif exchange.as_sent and request.http_version.removeprefix("HTTP/").startswith("1.1"):
            headers.insert(0, ("Host", authority[1]))
    method = request.method.strip()
    if method.upper() in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        method = method.upper()
    return replace(request, headers=headers, method=method or request.method, url=request.url.partition("#")[0])


def _clean_headers(headers: list[Header]) -> list[Header]:
    """The fields with names and values that a receiver takes; of those that may be there once, the first."""
    found: list[Header] = []
    seen: set[str] = set()
    for name, value in headers:
        clean = name if name.startswith(":") else name.strip().rstrip(":").strip()
        lower = clean.lower()
        if lower in seen and lower in _ONLY_ONCE:
            continue
        seen.add(lower)
        found.append((clean, _CONTROL.sub(" ", value).strip()))
    return found


MENDS: dict[str, Callable[[Exchange], Request | None]] = {
    "malformed_json": _json,
    "malformed_xml": _xml,
    "malformed_form": _form,
    "invalid_url_encoding": _of_url,
    "content_type_mismatch": _content_type,
    "missing_required_header": _header,
    "protocol_violation": _protocol,
}
