"""A body of one kind before a reader of another: declared and sent as a form, and the server parses JSON, or the like.

Part of content_type_mismatch. Only the server's own parser message shows it; sources: the messages of V8 and Jackson,
Go's encoding/json, Python's json, Gson, System.Text.Json, and of Xerces, libxml2 and System.Xml.
"""

# ruff: noqa: E501 - a table of expressions or sources reads best with one entry a line
from __future__ import annotations

import re

from halt400.diagnosis.excerpts import mask
from halt400.diagnosis.exchange import Exchange
from halt400.diagnosis.finding import CauseFinding, at_body, at_text
from halt400.lazy_patterns import lazy_pattern
from halt400.records import Evidence

__all__ = ["asked_for", "find", "read_as"]

_READS_JSON = lazy_pattern(
    r"unexpected token .{1,12} in json|unexpected token .{1,24} is not valid json|in json at position|json\.parse"
    r"|invalid character .{1,8} looking for beginning of value|expecting value: line 1 column 1|jsondecodeerror"
    r"|unrecognized token .{1,80} was expecting|json parse error|no json object could be decoded|expected begin_object"
    r"|invalid start of a value|(?:cannot|could not|unable to|failed to|error) (?:parse|parsing|decode)\b.{0,24}json"
    r"|(?:invalid|malformed) json|not (?:a )?valid json|must be (?:valid |a )?json|expected (?:a )?json"
    r"|(?:problems?|errors?|failures?) (?:while |in |with )?(?:parsing|decoding|reading) (?:the )?(?:request )?(?:body )?(?:as )?json",
    re.IGNORECASE,
)
_READS_XML = lazy_pattern(
    r"content is not allowed in prolog|start tag expected|data at the root level is invalid|premature end of file"
    r"|(?:invalid|malformed) xml|not (?:a )?(?:valid|well-formed) xml|expected (?:an )?xml",
    re.IGNORECASE,
)
_WORDS_OF_JSON = ("json", "token", "invalid character", "expecting value", "begin_object", "start of a value")
_WORDS_OF_XML = ("xml", "prolog", "start tag", "root level", "premature end")
"""Each message holds one of these, which are found in a tenth of the time."""
_META = lazy_pattern(r"<meta\b[^>]{0,400}>", re.IGNORECASE)
_TYPE_NAME = lazy_pattern(r"\b(?:application|text|multipart)/[A-Za-z0-9.+*-]{1,60}")
_ASKS_FOR_TYPE = lazy_pattern(
    r"[^\"<>{}\n]{0,120}(?:content[-_ ]?type|media[-_ ]?type|mime[-_ ]?type)[^<>{}\n]{0,160}?\b(?:application|text|multipart)/[^<>{}\n]{1,120}",
    re.IGNORECASE,
)
_REFUSES_TYPE = lazy_pattern(r"unsupported|not (?:supported|acceptable|allowed|accepted)|invalid|unknown|unexpected", re.IGNORECASE)  # fmt: skip
_SURE, _LIKELY = 0.93, 0.85


def find(exchange: Exchange, kind: str | None) -> CauseFinding | None:
    """Report that the server reads JSON or XML, and the body is whole and of another kind.

    Parameters
    ----------
    exchange
        A refused request.
    kind
        What the body is, as `content_type_mismatch.sniff` says.

    Examples
    --------
    >>> from halt400.records import Request, Response
    >>> request = Request(method="POST", url="https://a.example/", headers=[], body="name=x&n=1")
    >>> refusal = Response(status=400, body='{"message": "Unexpected token n in JSON at position 0"}')
    >>> find(Exchange(request, refusal), "form").evidence[0].detail
    'The body is a form; the server reads it as JSON.'
    """
    body = exchange.parseable_body
    if not body or kind is None or not exchange.refused:
        return None
    wanted = read_as(exchange)
    if wanted is None or wanted == kind:
        return None
    what = {"form": "a form", "multipart": "multipart", "json": "JSON", "xml": "XML", "html": "HTML"}[kind]
    name, media = ("JSON", "application/json") if wanted == "json" else ("XML", "application/xml")
    where = at_body(body, 0, f"The body is {what}; the server reads it as {name}.")
    said = Evidence(where="response_body", detail=f"The server's parser speaks of {name}.")
    remedy = f"Encode the body as {name}, and declare Content-Type: {media}."
    confidence = _SURE if exchange.content_type is not None else _LIKELY
    evidence = [where]
    if exchange.content_type is not None:
        declared = f"Declared: {exchange.media_type.essence or exchange.content_type}."
        evidence.append(at_text("header", exchange.content_type, 0, declared, name="Content-Type"))
    return CauseFinding(cause="content_type_mismatch", confidence=confidence, remedy=remedy, evidence=[*evidence, said])


def asked_for(exchange: Exchange) -> list[CauseFinding]:
    """Report that the server's sentence asks for another media type than the declared one.

    Examples
    --------
    >>> from halt400.records import Request, Response
    >>> request = Request(method="POST", url="https://a.example/", headers=[("Content-Type", "text/plain")], body="{}")
    >>> refusal = Response(status=400, body='{"message": "Content-Type must be application/json"}')
    >>> asked_for(Exchange(request, refusal))[0].remedy
    'Encode the body as application/json, and declare it as Content-Type.'
    """
    sentence = _ASKS_FOR_TYPE.search(_META.sub("", exchange.response_text[:4096]))
    if sentence is None or exchange.method.upper() in {"GET", "HEAD", "TRACE"}:
        return []
    declared = exchange.media_type.essence
    named = list(dict.fromkeys(text.lower().rstrip(".") for text in _TYPE_NAME.findall(sentence[0])))
    wanted = [text for text in named if text != declared]
    refused = _REFUSES_TYPE.search(sentence[0]) is not None
    if not named or (not wanted and not refused) or (declared in named and not refused):
        return []
    if exchange.content_type is None:
        evidence = Evidence(where="header", name="Content-Type", detail="No Content-Type was sent.")
    else:
        detail = f"The server does not take {declared or 'this type'} here."
        evidence = at_text("header", exchange.content_type, 0, detail, name="Content-Type")
    said = Evidence(where="response_body", detail=f"The server says: {mask(sentence[0][:240])}")
    to = " or ".join(wanted[:4]) or "a type that the server takes"
    remedy = f"Encode the body as {to}, and declare it as Content-Type."
    return [CauseFinding(cause="content_type_mismatch", confidence=0.93, remedy=remedy, evidence=[evidence, said])]


def read_as(exchange: Exchange) -> str | None:
    """What the server's parser reads, by its message."""
    cache = exchange.parsed_response.cache
    if "reads" not in cache:
        text = exchange.response_text[:4096].lower()
        cache["reads"] = None
        if any(word in text for word in _WORDS_OF_JSON) and _READS_JSON.search(text):
            cache["reads"] = "json"
        elif any(word in text for word in _WORDS_OF_XML) and _READS_XML.search(text):
            cache["reads"] = "xml"
    wanted: str | None = cache["reads"]
    return wanted
