"""The cause malformed_form: a urlencoded or multipart body that breaks the rules of its media type.

Sources: https://url.spec.whatwg.org/#application/x-www-form-urlencoded, RFC 7578 (multipart/form-data), RFC 2046
section 5.1 (boundaries; 5.1.1 for their alphabet and length).
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from halt400.diagnosis.exchange import Exchange
from halt400.diagnosis.finding import CauseFinding, at_body, at_text
from halt400.lazy_patterns import lazy_pattern
from halt400.records import Evidence

__all__ = ["find"]

_CLEAN = lazy_pattern(
    rb"(?:[A-Za-z0-9._~!$'()*+,;=:@/?\[\]-]|&(?!amp;)|%(?:2[1-46-9A-Fa-f]|[3-7][0-9A-Ea-e]|20|0[AaDd9]))*+"
)
_BAD_ESCAPE = lazy_pattern(rb"%(?![0-9A-Fa-f]{2})")
_CONTROL = lazy_pattern(rb"[\x00-\x1f\x7f]")
_NEVER_RAW = lazy_pattern(rb"[\"<>\\]")
_BOUNDARY = lazy_pattern(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
_NAME = lazy_pattern(
    rb"""(?i)content-disposition:[^\r\n]{0,1024}?[;\s]name\*?=(?:"[^"\r\n]{0,1024}"|[^\s;"]{1,1024})"""
)
_DISPOSITION = lazy_pattern(rb"(?i)^content-disposition[ \t]*:", re.MULTILINE)
_PARTS_LIMIT = 1000


def find(exchange: Exchange) -> list[CauseFinding]:
    """Report what breaks a form body.

    Examples
    --------
    >>> from halt400.records import Request
    >>> headers = [("Content-Type", "multipart/form-data")]
    >>> request = Request(method="POST", url="https://shop.example/", headers=headers, body="--x--")
    >>> find(Exchange(request))[0].evidence[0].detail
    'multipart/form-data without a boundary parameter: the receiver cannot find the parts.'
    """
    essence = exchange.media_type.essence
    if essence == "application/x-www-form-urlencoded":
        return _urlencoded(exchange)
    if essence.startswith("multipart/"):
        return _multipart(exchange, essence)
    return []


def _finding(confidence: float, remedy: str, *evidence: Evidence) -> CauseFinding:
    return CauseFinding(cause="malformed_form", confidence=confidence, remedy=remedy, evidence=list(evidence))


def _urlencoded(exchange: Exchange) -> list[CauseFinding]:
    body = exchange.parseable_body
    if not body or _CLEAN.fullmatch(body) or body[:1] in (b"{", b"[", b"<") or body.startswith(b"--"):
        return []
    encode = "Encode the fields with urllib.parse.urlencode (or the client's data={...})."
    bad = _BAD_ESCAPE.search(body)
    if bad is not None:
        escape = body[bad.start() : bad.start() + 3].decode("latin-1")
        cut = len(escape) < 3
        detail = f"{escape!r} is no percent-escape" + (": the body was cut, or a % is raw." if cut else ".")
        remedy = "Write a literal % as %25: encode the fields with urllib.parse.urlencode."
        return [_finding(0.9, remedy, at_body(body, bad.start(), detail))]
    html = body.find(b"&amp;")
    if html >= 0:
        detail = "'&amp;' is an ampersand escaped for HTML; the next field is named 'amp;...'."
        return [
            _finding(
                0.75 if exchange.refused else 0.6, "Join the fields with &, not &amp;.", at_body(body, html, detail)
            )
        ]
    control = _CONTROL.search(body)
    if control is not None:
        tail = not body[control.start() :].strip(b"\r\n")
        detail = f"A raw control character (0x{body[control.start()]:02X}) in a form body."
        if not tail or exchange.refused:
            return [_finding(0.5 if tail else 0.8, encode, at_body(body, control.start(), detail))]
        return []
    space = body.find(b" ")
    if space >= 0:
        confidence = 0.7 if exchange.refused else 0.55
        return [_finding(confidence, encode, at_body(body, space, "A raw space; a form writes + or %20."))]
    try:
        text = unquote_to_bytes(body)
        text.decode("utf-8")
    except UnicodeDecodeError:
        raw = next((index for index, byte in enumerate(body) if byte > 0x7F), 0)
        evidence = at_body(body, raw, "The form is not UTF-8 once decoded.")
        if exchange.media_type.charset in (None, "utf-8"):
            return [
                _finding(0.6 if exchange.refused else 0.5, "Encode the fields as UTF-8 before escaping them.", evidence)
            ]
    if b"%00" in body:
        evidence = at_body(body, body.find(b"%00"), "An escaped NUL byte, which servers refuse or cut at.")
        return [_finding(0.6, "Remove the NUL byte (%00) from the value.", evidence)]
    raw_mark = _NEVER_RAW.search(body)
    if raw_mark is not None:
        detail = f"A raw {raw_mark[0].decode()!r}, which a form never has: the fields were not encoded."
        return [_finding(0.5, encode, at_body(body, raw_mark.start(), detail))]
    return []


def _multipart(exchange: Exchange, essence: str) -> list[CauseFinding]:
    content_type = exchange.content_type or ""
    boundary = exchange.media_type.parameters.get("boundary")
    own = "Let the client write the multipart Content-Type itself; it knows the boundary that it used."
    if not boundary:
        detail = f"{essence} without a boundary parameter: the receiver cannot find the parts."
        evidence = at_text("header", content_type, len(content_type), detail, name="Content-Type")
        return [_finding(0.95, own, evidence)]
    start = max(0, content_type.find(boundary))
    if not _BOUNDARY.fullmatch(boundary):
        what = "is longer than 70 characters" if len(boundary) > 70 else "holds a character that no boundary may hold"
        evidence = at_text(
            "header", content_type, start, f"The boundary {what} (RFC 2046 section 5.1.1).", name="Content-Type"
        )
        return [_finding(0.8, own, evidence)]
    body = exchange.parseable_body
    if body is None:
        return []
    if not body:
        if exchange.method.upper() not in {"POST", "PUT", "PATCH"} or "content-length" in exchange.fields:
            return []
        return [
            _finding(
                0.75,
                "Send the parts, closed by the boundary.",
                at_body(body, 0, "A multipart body with no part.", length=0),
            )
        ]
    if body[:1] in (b"{", b"[", b"<") and b"--" + boundary.encode() not in body:
        return []  # another media type altogether: content_type_mismatch
    return _parts(exchange, body, boundary.encode("latin-1", "replace"), own)


def _parts(exchange: Exchange, body: bytes, boundary: bytes, own: str) -> list[CauseFinding]:
    delimiter = b"--" + boundary
    first = body.find(delimiter)
    if first < 0:
        used = re.match(rb"\s{0,8}--([^\r\n]{1,80})", body)
        detail = f"The boundary {boundary.decode('latin-1')!r} is not in the body"
        detail += f"; the body uses {used[1].decode('latin-1')!r}." if used is not None else "."
        return [_finding(0.95, own, at_body(body, 0, detail, length=2))]
    after = body[first + len(delimiter) : first + len(delimiter) + 2]
    if after[:1] not in (b"\r", b"\n", b" ", b"\t") and after != b"--":
        detail = "No line end after the boundary: the parts run into each other."
        where = at_body(body, first + len(delimiter), detail)
        return [_finding(0.75, "End each line of the multipart body with CR LF.", where)]
    closing = body.rfind(delimiter + b"--")
    if closing < 0:
        detail = f"The body ends without the closing delimiter --{boundary.decode('latin-1')}--."
        evidence = at_body(body, len(body), detail, length=0)
        return [_finding(0.9, "Send the body whole: the last boundary is followed by two hyphens.", evidence)]
    if after[:1] == b"\n":
        detail = "Lines end in LF; multipart lines end in CR LF (RFC 2046 section 4.1.1)."
        evidence = at_body(body, first + len(delimiter), detail)
        return [
            _finding(0.75 if exchange.refused else 0.65, "End each line of the multipart body with CR LF.", evidence)
        ]
    at = first
    for _ in range(_PARTS_LIMIT):
        start = at + len(delimiter)
        following = body.find(b"\r\n" + delimiter, start)
        if body.startswith(b"--", start) or following < 0:
            break
        problem = _part_problem(body, start, following, exchange.media_type.essence)
        if problem is not None:
            return [problem]
        at = following + 2
    return []


def _part_problem(body: bytes, start: int, end: int, essence: str) -> CauseFinding | None:
    head_end = body.find(b"\r\n\r\n", start, end + 4)
    if head_end < 0:
        evidence = at_body(
            body, min(start + 2, end), "A part without the empty line between its headers and its content."
        )
        return _finding(0.85, "Put an empty line (CR LF CR LF) after the headers of each part.", evidence)
    head = body[start:head_end]
    if essence == "multipart/form-data":
        if not _DISPOSITION.search(head):
            evidence = at_body(body, start + 2, "A part without Content-Disposition (RFC 7578 section 4.2).")
            return _finding(0.85, 'Give each part Content-Disposition: form-data; name="...".', evidence)
        if not _NAME.search(head):
            evidence = at_body(body, start + 2, "A part whose Content-Disposition has no name.")
            return _finding(0.85, 'Give each part Content-Disposition: form-data; name="...".', evidence)
    return None
