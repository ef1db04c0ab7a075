"""Positions that a server counts: "at char 38", "Row:1:Column:40", "byte offset 26", "line 8, column 20".

They count in a text that the sentence quotes, in the value of a query language (PromQL, SOQL, JQL, Lucene, a message
with markup), or in a body that is well-formed and of the wrong type. Sources: Prometheus (``promql/parser``), the
error messages of SOQL, Telegram's Bot API, Jackson's ``JsonLocation``, Newtonsoft.Json's ``IJsonLineInfo``.
"""

# ruff: noqa: E501 - a table of expressions or sources reads best with one entry a line
from __future__ import annotations

import re
from collections.abc import Iterator

from halt400.diagnosis.exchange import Exchange
from halt400.diagnosis.finding import at_body, at_text
from halt400.diagnosis.message_names import quoted_in
from halt400.diagnosis.places import Place, json_index, json_value_place
from halt400.diagnosis.said_places import request_values
from halt400.diagnosis.text_offsets import json_string_offset, line_offset, percent_offset
from halt400.lazy_patterns import lazy_pattern
from halt400.records import Evidence

__all__ = ["counted_position", "position_of_character"]

_BYTES = lazy_pattern(r"byte offset (\d{1,6})", re.IGNORECASE)
_LINE_COLUMN = lazy_pattern(
    r"(?:row|line)[:\s]{1,2}(\d{1,6})[,:;\s]{1,3}(?:col(?:umn)?|char(?:acter)?|position|linepos)[:\s]{1,2}(\d{1,6})"
    r"|(?:^|[\s\[\":])(\d{1,4}):(\d{1,6})(?:[:\]]|\s|$)",
    re.IGNORECASE,
)
_COLUMN = lazy_pattern(r"\b(?:at|column|char|character|position|pos|offset|index)\s(?:char(?:acter)?\s|position\s)?(\d{1,6})\b", re.I)  # fmt: skip
_LANGUAGES = frozenset(
    {"q", "query", "filter", "where", "jql", "cql", "soql", "sql", "expr", "expression", "match", "search", "text", "message",
     "caption", "content", "markdown", "html", "statement", "script", "formula", "filterbyformula", "fql", "orderby", "sort"}
)  # fmt: skip
_CHARACTER = lazy_pattern(r"\b(?:character|char|symbol)s? [\"'`](.)[\"'`]", re.IGNORECASE)
_NEAR = 60
_LEAST_TEXT = 4


def counted_position(exchange: Exchange, message: str) -> Evidence | None:
    """Point at the position that a sentence counts; None where it counts none, or in nothing that is found.

    Examples
    --------
    >>> from halt400.records import Request
    >>> request = Request(method="GET", url="https://a.example/query?query=rate(x)%20or%20irat(x)")
    >>> counted_position(Exchange(request), 'parse error at char 12: unknown function "irat"').offset
    45
    """
    for place, value in _texts(exchange):
        index = _index_in(message, value)
        if index is not None:
            return _at(exchange, place, value, _nearest(message, value, index), message)
    return _in_body(exchange, message)


def position_of_character(exchange: Exchange, message: str) -> Evidence | None:
    """Point at a character that the server refuses, where only one value has it.

    Examples
    --------
    >>> from halt400.records import Request
    >>> request = Request(method="GET", url="https://a.example/send?id=7&text=a%3Eb")
    >>> position_of_character(Exchange(request), "Character '>' is reserved").offset
    34
    """
    found = _CHARACTER.search(message)
    if found is None:
        return None
    holders = [(place, value) for place, value in _strings(exchange) if found[1] in value]
    if len(holders) != 1:
        return None
    place, value = holders[0]
    return _at(exchange, place, value, value.index(found[1]), message)


def _strings(exchange: Exchange) -> Iterator[tuple[Place, str]]:
    for where, value in request_values(exchange):
        if isinstance(value, str):
            place = where if isinstance(where, Place) else json_value_place(exchange, where)
            if place is not None:
                yield place, value


def _texts(exchange: Exchange) -> list[tuple[Place, str]]:
    """The values that may be in a language of their own; of one sentence only those of parameters known for it."""
    found = [
        (place, value)
        for place, value in _strings(exchange)
        if len(value) >= _LEAST_TEXT and _plain(place.name) in _LANGUAGES
    ]
    return sorted(found, key=lambda pair: -len(pair[1]))


def _plain(name: str) -> str:
    return re.sub(r"[^a-z]", "", re.split(r"[.\]]", name.lower().rstrip("]"))[-1].rpartition("[")[2])


def _index_in(message: str, value: str) -> int | None:
    counted = _BYTES.search(message)
    if counted is not None:
        data = value.encode("utf-8", "replace")
        at = int(counted[1])
        return len(data[:at].decode("utf-8", "ignore")) if at <= len(data) else None
    counted = _LINE_COLUMN.search(message)
    if counted is not None:
        line, column = (int(group) for group in counted.groups() if group is not None)
        index = line_offset(value, line, column)
        return index if line <= value.count("\n") + 1 else None
    counted = _COLUMN.search(message)
    if counted is not None and int(counted[1]) <= len(value):
        return int(counted[1])
    return None


def _nearest(message: str, value: str, index: int) -> int:
    """The start of the word that the sentence quotes, where it stands near the position."""
    best = index
    distance = _NEAR
    for word in quoted_in(message):
        for found in re.finditer(re.escape(word), value):
            if abs(found.start() - index) < distance:
                best, distance = found.start(), abs(found.start() - index)
    return min(best, len(value))


def _at(exchange: Exchange, place: Place, value: str, index: int, message: str) -> Evidence:
    detail = f"The server counts to this place: {message[:240]}"
    if place.where == "url":
        url = exchange.url[:65536]
        return at_text(
            "url", url, min(percent_offset(url, place.value, index), place.value_end), detail, name=place.name
        )
    body = exchange.parseable_body or b""
    if place.kind == "form":
        text = body.decode("latin-1")
        return at_body(body, min(percent_offset(text, place.value, index), place.value_end), detail, name=place.name)
    return at_body(body, json_string_offset(body, place.value, index), detail, name=place.name)


def _in_body(exchange: Exchange, message: str) -> Evidence | None:
    """The member of a well-formed JSON body that a line and a column point into."""
    counted = _LINE_COLUMN.search(message)
    index = json_index(exchange) if counted is not None else None
    if counted is None or index is None:
        return None
    body = exchange.parseable_body or b""
    line, column = (int(group) for group in counted.groups() if group is not None)
    if line > body.count(b"\n") + 1 or (line, column) == (1, 1):
        return None
    text = body.decode("utf-8", "replace")
    at = len(text[: line_offset(text, line, column)].encode())
    inside = [place for place in index.in_order if min(place.key, place.value) <= at <= place.value_end or place.value <= at <= place.value_end]  # fmt: skip
    if not inside:
        return None
    member = min(inside, key=lambda place: place.value_end - place.value)
    detail = f"The server counts to this place: {message[:240]}"
    name = ".".join(str(part) for part in member.path)[:120]
    return at_body(body, member.value, detail, length=member.value_end - member.value, name=name)
