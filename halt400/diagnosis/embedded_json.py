"""JSON inside a query parameter or a form field, such as ``where={"price":{"$lt":5}}``, that breaks RFC 8259.

Only a value that begins as JSON with a quoted key or element does is taken for JSON; ``[a-z]``, ``{!term}`` and
``{id}`` are other languages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote_plus

import orjson

from halt400.diagnosis.edits import replace_value
from halt400.diagnosis.exchange import Exchange
from halt400.diagnosis.finding import CauseFinding, at_body, at_text
from halt400.diagnosis.json_mends import mended_json
from halt400.diagnosis.json_scanner import scan
from halt400.diagnosis.places import Place, form_pairs, query_pairs
from halt400.diagnosis.server_phrases import mentions
from halt400.diagnosis.text_offsets import percent_offset
from halt400.records import Request

__all__ = ["find", "values_of"]

_MAYBE = re.compile(r"=(?:%7[Bb]|%5[Bb]|[{\[])")
_MAYBE_FORM = re.compile(rb"=(?:%7[Bb]|%5[Bb]|[{\[])")
_BEGINS_AS_JSON = re.compile(
    r"\s{0,8}(?:\[\s{0,8}){0,4}(?:\{\s{0,8}['\"]|\[\s{0,8}['\"])|\s{0,8}\[\s{0,8}\{\s{0,8}['\"]"
)
_LIST_OF_PYTHON = re.compile(
    r"\s{0,8}\[\s?(?:u?'[^']*'|[\d.]+|True|False|None)(?:,\s?(?:u?'[^']*'|[\d.]+|True|False|None))*\s?\]"
)
_LONGEST = 65_536


def values_of(exchange: Exchange) -> Iterator[tuple[Place, str]]:
    """Each value of the query and of a form body, as it is written, with its place."""
    url = exchange.url
    if "=" in url:
        for start, name, at, end in query_pairs(url):
            if at >= 0:
                yield Place("url", "query", start, len(name), at, end, unquote_plus(name)[:120]), url[at:end]
    body = exchange.parseable_body
    if body and exchange.media_type.essence == "application/x-www-form-urlencoded":
        for start, name, at, end in form_pairs(body):
            if at >= 0:
                place = Place("body", "form", start, len(name), at, end, unquote_plus(name)[:120])
                yield place, body[at:end].decode("latin-1")


def find(exchange: Exchange) -> list[CauseFinding]:
    """Report the first value of the query or of a form that begins as JSON and is not.

    Examples
    --------
    >>> from halt400.records import Request
    >>> request = Request(method="GET", url="https://a.example/items?where=%7B%22id%22:7,%7D")
    >>> find(Exchange(request))[0].evidence[0].detail
    "JSON in where: A comma before '}': the last member has none after it."
    """
    if not _MAYBE.search(exchange.url[:_LONGEST]) and not (
        exchange.media_type.essence == "application/x-www-form-urlencoded"
        and _MAYBE_FORM.search(exchange.parseable_body or b"")
    ):
        return []
    for place, written in values_of(exchange):
        if written[:1] not in "{[%+" or len(written) > _LONGEST:
            continue
        text = unquote_plus(written)
        if not _BEGINS_AS_JSON.match(text) or _LIST_OF_PYTHON.fullmatch(text):
            continue
        data = text.encode("utf-8", "replace")
        try:
            orjson.loads(data)
        except ValueError:
            return [_finding(exchange, place, data)]
    return []


def _finding(exchange: Exchange, place: Place, data: bytes) -> CauseFinding:
    defect = scan(data)
    offset, detail = (defect.offset, defect.detail) if defect is not None else (0, "Not JSON.")
    index = len(data[:offset].decode("utf-8", "ignore"))
    detail = f"JSON in {place.name}: {detail}"
    if place.where == "url":
        url = exchange.url[:_LONGEST]
        evidence = at_text("url", url, percent_offset(url, place.value, index), detail, name=place.name)
    else:
        body = exchange.parseable_body or b""
        evidence = at_body(body, percent_offset(body.decode("latin-1"), place.value, index), detail, name=place.name)
    confidence = 0.6
    if exchange.refused:
        confidence = 0.92 if place.name in exchange.response_text[:4096] or mentions(exchange, "json") else 0.86
    what = "query parameter" if place.where == "url" else "form field"
    return CauseFinding(
        cause="malformed_json",
        confidence=confidence,
        remedy=f"Build the value of the {what} {place.name} with json.dumps, then percent-encode it.",
        evidence=[evidence],
        mend=lambda: _mended(exchange, place, data),
    )


def _mended(exchange: Exchange, place: Place, data: bytes) -> Request | None:
    mended = mended_json(data)
    return replace_value(exchange, place, mended.decode()) if mended is not None else None
