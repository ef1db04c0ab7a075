"""The cause content_type_mismatch: the body is not what the request declares.

Sources: RFC 9110 sections 8.3 (Content-Type), 8.4 (Content-Encoding) and 9.3.1 (content in GET), RFC 8259 section 8.1,
RFC 6902 section 3, RFC 2046 section 4.1.2 (charset), the CloudEvents JSON batch format, https://jsonapi.org/format/.
"""

from __future__ import annotations

import codecs
import re
from difflib import get_close_matches

from halt400.diagnosis import reader_mismatch
from halt400.diagnosis.exchange import Exchange
from halt400.diagnosis.finding import CauseFinding, at_body, at_text
from halt400.diagnosis.malformed_json import is_base64_json
from halt400.diagnosis.malformed_xml import check_xml
from halt400.diagnosis.media_types import is_json, is_xml
from halt400.diagnosis.server_phrases import mentions
from halt400.records import Evidence

__all__ = ["find", "sniff"]

_FORM = re.compile(
    rb"[A-Za-z_][\w.\[\]%+-]{0,127}=[^\s{}\"<>&]{0,4096}(?:&[\w.\[\]%+-]{1,128}=[^\s{}\"<>&]{0,4096}){0,512}+\s{0,4}"
)
_MULTIPART = re.compile(rb"--[0-9A-Za-z'()+_,./:=?-]{1,70}\r?\n[Cc]ontent-")
_HTML = re.compile(rb"\s{0,64}<(?:!doctype html|html|body|div|p)\b", re.IGNORECASE)
_TOP_LEVEL = {
    "application/json-patch+json": (list, "an array of operations (RFC 6902 section 3)"),
    "application/cloudevents-batch+json": (list, "an array of events (CloudEvents JSON batch format)"),
    "application/cloudevents+json": (dict, "one event, an object (CloudEvents JSON format)"),
    "application/vnd.api+json": (dict, "an object with data, errors or meta (JSON:API)"),
    "application/merge-patch+json": (dict, "an object (RFC 7396)"),
}
_BODY_WITH_GET = re.compile(r"/_(?:search|count|msearch|mget|validate|analyze|explain)\b")
_NAMES = {"json": "JSON", "xml": "XML", "html": "HTML", "form": "a form (name=value&...)", "multipart": "multipart"}
_TYPES = {
    "json": "application/json",
    "xml": "application/xml",
    "html": "text/html",
    "form": "application/x-www-form-urlencoded",
    "multipart": "multipart/form-data; boundary=...",
}
_XML_ENCODING = re.compile(rb"<\?xml[^>]{0,200}?encoding\s{0,8}=\s{0,8}[\"']([A-Za-z0-9._-]{1,40})[\"']")
_USUAL_JSON = frozenset(
    f"application/json{more}" for more in ("", "; charset=utf-8", ";charset=utf-8", "; charset=UTF-8", ";charset=UTF-8")
)
_JSON_STARTS = frozenset({b"{", b"["})
_WITHOUT_BODY = frozenset({"GET", "HEAD", "TRACE"})
_WELL_KNOWN_TYPES = ("application/json", "application/xml", "application/x-www-form-urlencoded", "multipart/form-data")
_SIMILAR_SUBTYPES = frozenset(
    {"json5", "jsonl", "jsonc", "jsonp", "jsonml", "bson", "ejson", "hjson", "ubjson", "geojson", "topojson", "ion"}
)
"""Registered subtypes that are spelled almost like those of `_WELL_KNOWN_TYPES`, and no misspelling."""
_SINGLE_BYTE_ASCII = re.compile(
    r"utf-?8|us-ascii|ascii|iso[-_]?8859-\d+|latin-?\d|windows-\d+|cp125\d|shift[-_]?jis|euc-(?:jp|kr)|gb\w+|big5|koi8-\w"
)


def sniff(exchange: Exchange) -> str | None:
    """The kind of the body, by parsing it: json, xml, html, form, multipart, or None where it may be any.

    Examples
    --------
    >>> from halt400.records import Request
    >>> sniff(Exchange(Request(method="POST", url="https://a.example/", body='{"page": 1}')))
    'json'
    """
    body = exchange.parseable_body
    if not body:
        return None
    cache = exchange.parsed_body.cache
    if "sniffed" not in cache:
        cache["sniffed"] = _sniffed(exchange, body)
    kind: str | None = cache["sniffed"]
    return kind


def _sniffed(exchange: Exchange, body: bytes) -> str | None:
    start = body.lstrip(b" \t\r\n\xef\xbb\xbf")[:1]
    if start in (b"{", b"["):
        return "json" if exchange.json is not None else None
    if start == b"<":
        if _HTML.match(body):
            return "html"
        return "xml" if check_xml(body) is None else None
    if start == b"-" and _MULTIPART.match(body.lstrip()):
        return "multipart"
    if not _FORM.fullmatch(body[:65536]) or b"=" not in body:
        return None
    return None if body.rstrip().endswith(b"=") and is_base64_json(body) else "form"


def _family(essence: str) -> str | None:
    if is_json(essence):
        return "json"
    if is_xml(essence):
        return "xml"
    if essence == "application/x-www-form-urlencoded":
        return "form"
    if essence.startswith("multipart/"):
        return "multipart"
    return "html" if essence == "text/html" else None


def _meant(essence: str, actual: str) -> str | None:
    """The well-known type that a misspelt one stands for, if the body is of that type."""
    if len(essence) > 48 or essence.rpartition("/")[2] in _SIMILAR_SUBTYPES or essence.startswith(("text/", "b'")):
        return None
    close = get_close_matches(essence, _WELL_KNOWN_TYPES, 1, 0.9)
    return close[0] if close and _family(close[0]) == actual else None


def find(exchange: Exchange) -> list[CauseFinding]:
    """Report a Content-Type that is broken, missing, or contradicted by the body.

    Examples
    --------
    >>> from halt400.records import Request
    >>> headers = [("Content-Type", "application/x-www-form-urlencoded")]
    >>> request = Request(method="POST", url="https://a.example/", headers=headers, body='{"page": 1}')
    >>> find(Exchange(request))[0].remedy
    'Declare Content-Type: application/json, or encode the body as the declared type.'
    """
    if _is_usual_json(exchange) and not (exchange.refused and _speaks_of_a_type(exchange)):
        return []
    found = [*_field(exchange), *_against_body(exchange), *_coding(exchange), *_charset(exchange), *_on_get(exchange)]
    if exchange.refused and mentions(exchange, "content_type"):
        found.extend(reader_mismatch.asked_for(exchange))
    if not found and exchange.refused and exchange.body:
        read = reader_mismatch.find(exchange, sniff(exchange))
        found = [read] if read is not None else []
    if found and mentions(exchange, "content_type"):
        for finding in found:
            finding.confidence = max(finding.confidence, 0.93)
    return found


def _speaks_of_a_type(exchange: Exchange) -> bool:
    return reader_mismatch.read_as(exchange) == "xml" or mentions(exchange, "content_type")


def _is_usual_json(exchange: Exchange) -> bool:
    """Whether JSON is declared once and well, and the body starts like it: nothing of this module is found then."""
    values = exchange.fields.get("content-type")
    if values is None or len(values) != 1 or values[0] not in _USUAL_JSON or "content-encoding" in exchange.fields:
        return False
    body = exchange.body
    return not body or (body[:1] in _JSON_STARTS and exchange.method.upper() not in _WITHOUT_BODY)


def _finding(confidence: float, remedy: str, *evidence: Evidence) -> CauseFinding:
    return CauseFinding(cause="content_type_mismatch", confidence=confidence, remedy=remedy, evidence=list(evidence))


def _field(exchange: Exchange) -> list[CauseFinding]:
    values = exchange.fields.get("content-type", [])
    if not values:
        return []
    if len(values) > 1 and len({value.strip().lower() for value in values}) > 1:
        evidence = at_text("header", values[1], 0, "Content-Type is there twice, with two values.", name="Content-Type")
        return [_finding(0.85, "Send Content-Type once.", evidence)]
    value = values[0]
    media = exchange.media_type
    if value[:2] in ("b'", 'b"'):
        detail = "Content-Type is the text of a Python bytes object."
        evidence = at_text("header", value, 0, detail, name="Content-Type")
        return [_finding(0.75, "Decode the value first: str() of bytes was sent as the header.", evidence)]
    if media.problem is None:
        if "boundary" in media.parameters and _family(media.essence) in ("form", "json", "xml"):
            detail = f"boundary belongs to multipart; {media.essence} has none."
            evidence = at_text("header", value, value.find("boundary"), detail, name="Content-Type")
            return [_finding(0.6, "Leave boundary out, or send multipart.", evidence)]
        return []
    if not value.strip():
        if not exchange.body:
            return []
        return [
            _finding(
                0.7,
                "Name the type of the body.",
                at_text("header", value, 0, "Content-Type is empty.", name="Content-Type"),
            )
        ]
    confidence = 0.85 if not media.essence else 0.8
    if not exchange.body and not exchange.refused:
        confidence = min(confidence, 0.6)  # nobody reads the type of no body
    detail = f"Content-Type is malformed: {media.problem}."
    remedy = "Write Content-Type as type/subtype; name=value (RFC 9110 section 8.3.1)."
    return [_finding(confidence, remedy, at_text("header", value, media.problem_index, detail, name="Content-Type"))]


def _against_body(exchange: Exchange) -> list[CauseFinding]:
    body = exchange.parseable_body
    if not body:
        return []
    actual = sniff(exchange)
    method = exchange.method.upper()
    if exchange.content_type is None:
        if method not in {"POST", "PUT", "PATCH"} or body == b"None":
            return []
        confidence = (0.75 if exchange.refused else 0.7) if actual else (0.65 if exchange.refused else 0.55)
        kind = _NAMES[actual] if actual else "text or bytes"
        detail = f"A body ({kind}) without Content-Type."
        remedy = f"Declare Content-Type: {_TYPES[actual] if actual else 'the type of the body'}."
        return [_finding(confidence, remedy, Evidence(where="header", name="Content-Type", detail=detail))]
    essence = exchange.media_type.essence
    family = _family(essence)
    top_level = _TOP_LEVEL.get(essence)
    if top_level is not None and actual == "json" and not isinstance(exchange.json, top_level[0]):
        kind = "an array" if isinstance(exchange.json, list) else "an object"
        detail = f"{essence} is {top_level[1]}; the body is {kind}."
        return [_finding(0.85, f"Send {top_level[1]}, or declare another type.", at_body(body, 0, detail))]
    if actual is None or family == actual or not essence:
        return []
    detail = f"Content-Type says {essence}; the body is {_NAMES[actual]}."
    remedy = f"Declare Content-Type: {_TYPES[actual]}, or encode the body as the declared type."
    evidence = [at_body(body, 0, detail), Evidence(where="header", name="Content-Type", detail=f"Declared: {essence}.")]
    if family is None:
        meant = _meant(essence, actual)
        if meant is not None:
            return [_finding(0.85 if exchange.refused else 0.6, f"Correct the spelling: {meant}.", *reversed(evidence))]
        if not essence.startswith("text/") and essence != "application/octet-stream":
            return []
        confidence = 0.35
        if exchange.refused:
            confidence = 0.65 if actual in ("json", "xml") else 0.5
        return [_finding(confidence, remedy, *evidence)]
    if {family, actual} == {"xml", "html"}:
        return []
    if family == "json" and actual == "form":
        return [_finding(0.6, remedy, *evidence)]
    return [_finding(0.97 if family == "json" else 0.94, remedy, *evidence)]


def _coding(exchange: Exchange) -> list[CauseFinding]:
    body = exchange.body
    if not body or exchange.request.body_truncated:
        return []
    codings = ",".join(exchange.fields.get("content-encoding", ())).lower()
    gzip_magic = body[:2] == b"\x1f\x8b"
    if "gzip" in codings and not gzip_magic:
        detail = "Content-Encoding says gzip; the body is not gzip (no 1F 8B at its start)."
        return [_finding(0.9, "Compress the body, or drop Content-Encoding.", at_body(body, 0, detail, length=2))]
    if gzip_magic and not codings and _family(exchange.media_type.essence) is not None:
        detail = f"The body is gzip and Content-Encoding is absent; it is read as {exchange.media_type.essence}."
        return [_finding(0.9, "Declare Content-Encoding: gzip.", at_body(body, 0, detail, length=2))]
    return []


def _charset(exchange: Exchange) -> list[CauseFinding]:
    charset = exchange.media_type.charset
    if charset is None or charset == "utf-8":
        return _not_utf8(exchange, charset)
    value = exchange.content_type or ""
    index = max(0, value.lower().find(charset))
    try:
        codec = codecs.lookup(charset)
        known = True
    except (LookupError, ValueError, UnicodeError):
        known = False
    if not known or not charset:
        detail = f"No charset is called {charset[:40]!r}."
        return [
            _finding(
                0.8 if exchange.body or exchange.refused else 0.6,
                "Declare charset=utf-8, and encode the body so.",
                at_text("header", value, index, detail, name="Content-Type"),
            )
        ]
    body = exchange.parseable_body
    if not body or _SINGLE_BYTE_ASCII.fullmatch(charset):
        return []
    try:
        fits = codec.decode(body)[0].isascii()
    except (UnicodeError, ValueError):
        fits = False
    if fits or not body.isascii():
        return []
    detail = f"The body is ASCII text; read as {charset} it is something else."
    return [_finding(0.75, "Declare charset=utf-8.", at_text("header", value, index, detail, name="Content-Type"))]


def _not_utf8(exchange: Exchange, charset: str | None) -> list[CauseFinding]:
    """Text that is not UTF-8 where UTF-8 is declared or assumed; JSON, XML and forms have their own rules."""
    body = exchange.parseable_body
    if not body or body.isascii():
        return []
    if is_xml(exchange.media_type.essence):
        return _xml_in_two_charsets(exchange, body) if charset is not None else []
    if not exchange.media_type.essence.startswith("text/") or _family(exchange.media_type.essence) == "json":
        return []
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as error:
        declared = "charset=utf-8 is declared" if charset is not None else "no charset is declared"
        detail = f"The byte 0x{body[error.start]:02X} is not UTF-8, and {declared}."
        confidence = 0.85 if charset is not None else 0.6 if exchange.refused else 0.5
        remedy = "Encode the body as UTF-8, and declare charset=utf-8."
        return [_finding(confidence, remedy, at_body(body, error.start, detail))]
    return []


def _xml_in_two_charsets(exchange: Exchange, body: bytes) -> list[CauseFinding]:
    """The charset of the field overrides that of the XML declaration (RFC 7303 section 3)."""
    declared = _XML_ENCODING.match(body[:512])
    if declared is None or declared[1].lower() in (b"utf-8", b"utf8"):
        return []
    detail = f"Content-Type says utf-8, the XML declaration {declared[1].decode()}; the first of them counts."
    remedy = "Encode the document as UTF-8, and say so in both places."
    evidence = at_body(body, declared.start(1), detail, length=len(declared[1]))
    return [_finding(0.75 if exchange.refused else 0.6, remedy, evidence)]


def _on_get(exchange: Exchange) -> list[CauseFinding]:
    method = exchange.method.upper()
    body = exchange.body
    if not body or method not in {"GET", "HEAD", "TRACE"} or _BODY_WITH_GET.search(exchange.url):
        return []
    confidence = 0.7 if exchange.refused else 0.55
    detail = f"A {method} with a body of {len(body)} bytes; servers ignore it or refuse it."
    remedy = "Send the values in the query, or use the method that the API documents for a body."
    return [_finding(confidence, remedy, at_body(body, 0, detail))]
