"""The cause malformed_json: a body declared as JSON that is not JSON (RFC 8259).

Sources: RFC 8259 (grammar; section 8.1 for UTF-8 and the byte order mark, section 4 for duplicate names); the kinds of
defects are those of nst/JSONTestSuite and of the usual clients.
"""

from __future__ import annotations

import base64
import binascii
import re
from urllib.parse import unquote_to_bytes

import orjson

from halt400.diagnosis.exchange import Exchange
from halt400.diagnosis.finding import CauseFinding, at_body
from halt400.diagnosis.json_scanner import JsonDefect, scan
from halt400.diagnosis.server_phrases import mentions
from halt400.records import Evidence

__all__ = ["REMEDIES", "find", "is_base64_json"]

REMEDIES = {
    "trailing_comma": "Remove the comma before the closing bracket; build the body with a JSON encoder.",
    "missing_comma": "Put a comma between the two values; build the body with a JSON encoder.",
    "extra_comma": "Remove the extra comma; build the body with a JSON encoder.",
    "unquoted_key": "Put the key in double quotes: a JavaScript object literal is no JSON, JSON.stringify makes it so.",
    "single_quotes": "Send json.dumps(value) instead of str(value): JSON strings are in double quotes.",
    "python_literal": "Send json.dumps(value) instead of str(value): JSON writes true, false and null.",
    "undefined": "Replace undefined by null, or leave the key out.",
    "nan": "Replace NaN and Infinity by null or a number; json.dumps(value, allow_nan=False) refuses them early.",
    "comment": "Remove the comment before sending.",
    "control_character": r"Escape the control character (\n, \t, \u0000), as a JSON encoder does.",
    "bad_escape": r"Escape the backslash itself (\\) or use one of \" \\ \/ \b \f \n \r \t \uXXXX.",
    "unescaped_quote": r"Escape the double quote inside the string (\"); do not build JSON by string formatting.",
    "truncated": "Send the body whole: it was cut, or a closing bracket is missing.",
    "bom": "Encode the body as utf-8, not utf-8-sig.",
    "invalid_utf8": "Encode the body as UTF-8.",
    "encoding": "Encode the body as UTF-8 without a byte order mark.",
    "empty": "Send a JSON value as the body, or drop the JSON Content-Type.",
    "concatenated": "Send one JSON value in one request; for several use an array, or NDJSON where the API takes it.",
    "bad_number": "Write the number as JSON does: no plus sign, no leading zero, digits on both sides of the point.",
    "form": "Encode the body as JSON (json=..., not data=...), or declare application/x-www-form-urlencoded.",
    "object": "Serialise the value: the text of a program object was sent in its place.",
    "bytes": "Send the bytes themselves, or value.decode(): str() of bytes was sent as the body.",
    "percent": "Send the JSON text itself: the body was percent-encoded, as if it stood in a URL.",
    "base64": "Send the JSON text itself: the body is its base64 form.",
}
_DEFAULT_REMEDY = "Build the body with a JSON encoder."

_FORM = re.compile(
    rb"[\w.\[\]%+-]{1,256}=[^&\s{}\"<>]{0,4096}(?:&[\w.\[\]%+-]{1,256}=[^&\s{}\"<>]{0,4096}){0,512}+\s{0,4}"
)
_OBJECT = re.compile(
    rb"\[object [A-Z]\w{0,40}\]|<[\w.]{1,80} (?:object at 0x|name=)[^>]{0,200}>|<generator object [^>]{0,200}>"
)
_BYTES = re.compile(rb"b'.{0,65536}'|b\".{0,65536}\"", re.DOTALL)
_BASE64 = re.compile(rb"[A-Za-z0-9+/\r\n]{4,65536}={0,2}\s{0,4}")
_READS_NO_BODY = frozenset({"OPTIONS", "HEAD", "TRACE"})
"""Methods whose content has no meaning (RFC 9110 section 9.3)."""
_SENDS_BODY = frozenset({"POST", "PUT", "PATCH"})
_SOFT = {"bom": 0.75, "encoding": 0.85, "invalid_utf8": 0.9, "empty": 0.7}
_LONE_SURROGATE = re.compile(rb"\\u[dD](?:[89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|[c-fC-F][0-9a-fA-F]{2})")
_BULK = re.compile(r"/_(?:bulk|msearch)(?:/template)?/?(?:[?#]|$)")


def find(exchange: Exchange) -> list[CauseFinding]:
    """Report the first place where the body is not JSON.

    Examples
    --------
    >>> from halt400.records import Request
    >>> headers = [("Content-Type", "application/json")]
    >>> request = Request(method="POST", url="https://api.shop.example/", headers=headers, body='{"page": 1,}')
    >>> find(Exchange(request))[0].evidence[0].offset
    10
    """
    body = exchange.parseable_body
    method = exchange.method.upper()
    if body is None:
        return _absent(exchange, method)
    declared = exchange.declares_json
    if not declared:
        if exchange.content_type is not None or body[:1] not in (b"{", b"["):
            return []
    elif not body:
        return _empty(exchange, body) if method in _SENDS_BODY and not exchange.request.body_size else []
    cache = exchange.parsed_body.cache
    if "defect" not in cache:
        cache["defect"] = _defect(exchange, body)
    defect: JsonDefect | None = cache["defect"]
    if defect is None:
        return _warnings(exchange, body)
    return [_finding(exchange, body, defect, declared=declared)]


def _defect(exchange: Exchange, body: bytes) -> JsonDefect | None:
    if exchange.json is not None:
        return None
    defect = scan(body, exchange.parsed_body.json_stops_at)
    return _recognise(body, defect) if defect is not None else None


def _absent(exchange: Exchange, method: str) -> list[CauseFinding]:
    if exchange.body is not None or not exchange.declares_json or method not in _SENDS_BODY:
        return []
    if exchange.request.body_size or any(
        value.strip() not in ("", "0") for value in exchange.fields.get("content-length", ())
    ):
        return []
    if not (exchange.refused and mentions(exchange, "empty_body")):
        return []
    return _empty(exchange, b"")


def _empty(exchange: Exchange, body: bytes) -> list[CauseFinding]:
    confidence = 0.9 if exchange.refused else _SOFT["empty"]
    evidence = [at_body(body, 0, "The body is empty; Content-Type says JSON, and JSON text holds one value.", length=0)]
    return [CauseFinding(cause="malformed_json", confidence=confidence, remedy=REMEDIES["empty"], evidence=evidence)]


def _recognise(body: bytes, defect: JsonDefect) -> JsonDefect:
    """The defect, or a better name for it where the whole body is something well known, such as a form."""
    found = _OBJECT.match(body) or _OBJECT.search(body, 0, 4096)
    if found is not None and defect.offset <= found.end() and found.start() <= defect.offset + 1:
        return JsonDefect("object", found.start(), "The text of a program object, not its data.", len(found[0]))
    if defect.offset == 0 or (defect.kind in {"bare_word", "trailing_data", "bad_number"} and defect.offset < 64):
        if _BYTES.fullmatch(body):
            return JsonDefect("bytes", 0, "The text of a Python bytes object, not the bytes.", 2)
        if body[:3].lower() in (b"%7b", b"%5b") and _is_json(unquote_to_bytes(body)):
            return JsonDefect("percent", 0, "The body is percent-encoded; decoded it is JSON.", 3)
        if is_base64_json(body):
            return JsonDefect("base64", 0, "The body is base64; decoded it is JSON.", min(len(body), 64))
        if _FORM.fullmatch(body[:65536]):
            return JsonDefect("form", 0, "The body is a form (name=value&...); JSON is declared.", min(len(body), 64))
    return defect


def is_base64_json(body: bytes) -> bool:
    """Whether a body of up to 64 kB is the base64 form of JSON.

    Examples
    --------
    >>> is_base64_json(b"eyJpZCI6NywgfQ=="), is_base64_json(b"eyJpZCI6N30=")
    (False, True)
    """
    try:
        return _BASE64.fullmatch(body) is not None and _is_json(base64.b64decode(body))
    except (binascii.Error, ValueError):
        return False


def _is_json(text: bytes) -> bool:
    try:
        orjson.loads(text)
    except ValueError:
        return False
    return True


def _finding(exchange: Exchange, body: bytes, defect: JsonDefect, *, declared: bool) -> CauseFinding:
    confidence = _SOFT.get(defect.kind, 0.96)
    if defect.kind == "base64":
        confidence = 0.5
    elif defect.kind == "concatenated" and _each_line_is_json(body):
        confidence = 0.1 if _BULK.search(exchange.url) else 0.85
    if not declared or (exchange.method.upper() in _READS_NO_BODY and not exchange.refused):
        confidence = min(confidence, 0.7)
    cache = exchange.parsed_body.cache
    if "defect place" not in cache:
        cache["defect place"] = at_body(body, defect.offset, defect.detail, length=defect.length)
    evidence = [cache["defect place"]]
    lengths = exchange.fields.get("content-length", [])
    if (
        defect.kind == "truncated"
        and lengths
        and lengths[0].strip().isdigit()
        and int(lengths[0].strip()[:18]) > len(body)
    ):
        evidence.append(
            Evidence(
                where="header", name="Content-Length", detail=f"{lengths[0].strip()} bytes declared, {len(body)} sent."
            )
        )
    return CauseFinding(
        cause="malformed_json",
        confidence=confidence,
        remedy=REMEDIES.get(defect.kind, _DEFAULT_REMEDY),
        evidence=evidence,
        warning=confidence < 0.3,
    )


def _each_line_is_json(body: bytes) -> bool:
    lines = [line for line in body[:262_144].split(b"\n") if line.strip()][:2000]
    try:
        for line in lines:
            orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return len(lines) > 1


def _warnings(exchange: Exchange, body: bytes) -> list[CauseFinding]:
    """Remarks where parsers differ: duplicate names (RFC 8259 section 4) and lone surrogates (section 8.2)."""
    found: list[CauseFinding] = []
    surrogate = _LONE_SURROGATE.search(body) if b"\\u" in body else None
    if surrogate is not None and not _paired(body, surrogate.start()):
        found.append(
            _warning(at_body(body, surrogate.start(), "Half of a surrogate pair; many parsers refuse it.", length=6))
        )
    if exchange.refused and len(body) <= 262_144:
        duplicate = _duplicate_key(body)
        if duplicate is not None:
            found.append(_warning(duplicate))
    return found


def _paired(body: bytes, start: int) -> bool:
    return body[start + 2 : start + 4].lower() in (b"dc", b"dd", b"de", b"df") and bool(
        re.fullmatch(rb"\\u[dD][89abAB][0-9a-fA-F]{2}", body[max(0, start - 6) : start])
    )


def _warning(evidence: Evidence) -> CauseFinding:
    return CauseFinding(
        cause="malformed_json", confidence=0.2, remedy="Send each name once.", evidence=[evidence], warning=True
    )


_PIECE = re.compile(rb'"((?:[^"\\]|\\.)*+)"([ \t\n\r]*+:)?+|[{}\[\]]', re.DOTALL)


def _duplicate_key(body: bytes) -> Evidence | None:
    """Find a name that one object holds twice; `body` is valid JSON."""
    names: list[set[bytes] | None] = []
    for piece in _PIECE.finditer(body):
        token = piece[0]
        if token == b"{":
            names.append(set())
        elif token == b"[":
            names.append(None)
        elif token in (b"}", b"]"):
            names.pop()
        elif piece[2] is not None and names:
            seen = names[-1]
            if seen is None:
                continue
            if piece[1] in seen:
                name = piece[1].decode("utf-8", "replace")[:80]
                return at_body(
                    body, piece.start(), f"The name {name!r} is there twice; parsers keep one or refuse both."
                )
            seen.add(piece[1])
    return None
