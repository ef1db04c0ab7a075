"""Find the place of a value that a server repeats: in the query, the body, the path, or a header."""

from __future__ import annotations

import re
from urllib.parse import unquote, unquote_plus

from halt400.diagnosis.exchange import Exchange
from halt400.diagnosis.json_places import JsonPlace, path_text
from halt400.diagnosis.pair_index import Pair
from halt400.diagnosis.path_places import QUERY_CHARS
from halt400.diagnosis.places import (
    SECRET_HEADERS,
    JsonIndex,
    Place,
    form_pairs,
    json_index,
    of_json,
    query_pairs,
    url_path,
)
from halt400.diagnosis.text_offsets import percent_offset

__all__ = ["place_of_value"]

_LEAST_INSIDE = 4
"""A value shorter than this must be a whole value of the request, not a part of one."""


def place_of_value(exchange: Exchange, value: str) -> Place | None:
    """The place of a value that a server repeats: in the query, the body, the path, or a header.

    Examples
    --------
    >>> from halt400.records import Request
    >>> request = Request(method="GET", url="https://a.example/search?query=status%3Anone")
    >>> place_of_value(Exchange(request), "none").name
    'query'
    """
    if not value:
        return None
    return (
        (_value_in_pairs(exchange, value, "url") if "?" in exchange.url else None)
        or _value_in_body(exchange, value)
        or _value_in_path(exchange, value)
        or _value_in_headers(exchange, value)
    )


def _value_in_pairs(exchange: Exchange, value: str, where: str) -> Place | None:
    """A whole value of a query or a form, or else one that holds the wanted one."""
    text, values, joined = _decoded(exchange, where)
    if value not in joined:
        return None
    inside: tuple[Pair, str] | None = None
    for pair, own in values:
        if value == own:
            return _whole(pair, where)
        if inside is None and value in own:
            inside = pair, own
    if inside is None:
        return None
    pair, own = inside
    place = _whole(pair, where)
    place.value, place.value_end = _span_inside(text, pair[2], pair[3], own.find(value), len(value))
    return place


def _whole(pair: Pair, where: str) -> Place:
    start, written, at, end = pair
    kind = "query" if where == "url" else "form"
    return Place(where, kind, start, len(written), at, end, unquote_plus(written)[:80])


def _decoded(exchange: Exchange, where: str) -> tuple[str, list[tuple[Pair, str]], str]:
    """The text of a query or a form, each of its values decoded, and all of them in one text; once per exchange."""
    key = "values of " + where
    if key not in exchange.cache:
        if where == "url":
            text, pairs = exchange.url, query_pairs(exchange.url)
        else:
            body = exchange.parseable_body or b""
            text, pairs = body[:QUERY_CHARS].decode("latin-1"), form_pairs(body)
        values = [(pair, unquote_plus(text[pair[2] : pair[3]])) for pair in pairs if 0 <= pair[2] < pair[3]]
        exchange.cache[key] = text, values, "\n".join([own for _, own in values])
    found: tuple[str, list[tuple[Pair, str]], str] = exchange.cache[key]
    return found


def _span_inside(text: str, start: int, end: int, index: int, length: int) -> tuple[int, int]:
    """The span of some characters of a decoded value in its percent-encoded form."""
    first = percent_offset(text, start, index) if index else start
    return first, min(end, percent_offset(text, first, length))


def _value_in_body(exchange: Exchange, value: str) -> Place | None:
    body = exchange.parseable_body
    if not body:
        return None
    if exchange.media_type.essence == "application/x-www-form-urlencoded":
        return _value_in_pairs(exchange, value, "body")
    needle = value.encode("utf-8", "replace")
    index = json_index(exchange)
    if index is not None:
        return _value_in_json(index, body, needle)
    if body[:1] == b"<":
        found = re.search(rb"[>\"']\s{0,64}(" + re.escape(needle) + rb")\s{0,64}[<\"']", body)
        return Place("body", "xml", -1, 0, found.start(1), found.end(1), "") if found is not None else None
    if exchange.declares_json:
        return None
    at = body.find(needle) if len(needle) >= _LEAST_INSIDE else -1
    return Place("body", "text", -1, 0, at, at + len(needle), "") if at >= 0 else None


def _value_in_json(index: JsonIndex, body: bytes, needle: bytes) -> Place | None:
    at = body.find(b'"' + needle + b'"')
    if at < 0 and (len(needle) >= _LEAST_INSIDE or needle.isdigit()):
        at = body.find(needle)
    if at < 0:
        return None
    inside: JsonPlace | None = None
    for place in index.in_order:
        if place.key == at:
            return of_json(place)
        if place.value <= at < place.value_end and body[place.value] not in b"{[":
            inside = place
            break
    if inside is None:
        return Place("body", "json", -1, 0, at, at + len(needle), "")
    return Place("body", "json", -1, 0, at, at + len(needle) + 2 * (body[at] == 0x22), path_text(inside.path))


def _value_in_path(exchange: Exchange, value: str) -> Place | None:
    if len(value) < 3:
        return None
    for start, segment in url_path(exchange.url):
        if value == segment or ("%" in segment and value == unquote(segment)) or value == segment.lstrip("vV"):
            return Place("url", "path", -1, 0, start, start + len(segment), "path")
    return None


def _value_in_headers(exchange: Exchange, value: str) -> Place | None:
    if len(value) < _LEAST_INSIDE:
        return None
    cache = exchange.parsed_headers.cache
    if "values" not in cache:
        cache["values"] = frozenset([text for _, text in exchange.headers])
    if value not in cache["values"]:
        return None
    for name, text in exchange.headers:
        if value == text and name.lower() not in SECRET_HEADERS:
            return Place("header", "header", -1, 0, 0, len(text), name)
    return None
