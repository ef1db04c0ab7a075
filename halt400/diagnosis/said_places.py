"""Places that a server's sentence implies without the name of a field.

A position in a text that it quotes; or the only value of the request that breaks the limit, the type or the format that
the sentence asks for: it is placed with less confidence than a named one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote_plus

from halt400.diagnosis.embedded_json import values_of
from halt400.diagnosis.exchange import Exchange
from halt400.diagnosis.finding import at_text
from halt400.diagnosis.json_places import JsonPath
from halt400.diagnosis.places import Place, json_value_place
from halt400.diagnosis.server_advice import Advice
from halt400.diagnosis.text_offsets import percent_offset
from halt400.diagnosis.value_places import place_of_value
from halt400.lazy_patterns import lazy_pattern
from halt400.records import Evidence

__all__ = ["at_position", "request_values", "sole_candidate"]

_POSITION = lazy_pattern(
    r"(?:position|character|char|index|column|offset) (\d{1,5}) (?:in|of) [\"']([^\"']{1,300})[\"']", re.I
)
_MAX_VALUES = 500
_ISO = lazy_pattern(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?")
_LIKE_A_DATE = lazy_pattern(
    r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?:[T ].{0,20})?|\d{1,2} [A-Z][a-z]{2,8} \d{4}|[A-Z][a-z]{2,8} \d{1,2},? \d{4}"
)
_LENGTH_TOLD = lazy_pattern(r"\blength:? (\d{1,4})$", re.IGNORECASE)
_EMAIL = lazy_pattern(r"[^@\s]+@[^@\s.]+\.[^@\s]+")
_UUID = lazy_pattern(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_NUMERIC = lazy_pattern(r"-?\d+(?:\.\d+)?")
_FORMAT_WORDS = lazy_pattern(r"\b(date|time|timestamp|e-?mail|uuid|guid|url|uri)\b", re.IGNORECASE)


def at_position(exchange: Exchange, message: str) -> Evidence | None:
    """Point at a position that the server counts in a text that it quotes.

    Examples
    --------
    >>> from halt400.records import Request
    >>> request = Request(method="GET", url="https://a.example/Items?$filter=Price%20gt")
    >>> at_position(Exchange(request), "Syntax error at position 6 in 'Price gt'.").offset
    40
    """
    found = _POSITION.search(message)
    if found is None:
        return None
    place = place_of_value(exchange, found[2])
    if place is None or place.where != "url":
        return None
    start = unquote_plus(exchange.url[place.value : place.value_end]).find(found[2])
    at = percent_offset(exchange.url, place.value, max(0, start) + int(found[1]))
    at = min(at, place.value_end)
    return at_text("url", exchange.url[:65536], at, message[:240], name=place.name)


def sole_candidate(exchange: Exchange, message: str, advice: Advice) -> Place | None:
    """The only value of the request that breaks what the server asks for; None where there is none or more than one.

    Examples
    --------
    >>> from halt400.diagnosis.server_advice import advice_in
    >>> from halt400.records import Request
    >>> exchange = Exchange(Request(method="GET", url="https://a.example/items?page=3&size=5000"))
    >>> said = "Must be at most 100."
    >>> sole_candidate(exchange, said, advice_in(said)).name
    'size'
    """
    breaks = _test_for(message, advice)
    if breaks is None:
        return None
    found: list[Place | JsonPath] = []
    for place, value in request_values(exchange):
        if breaks(value):
            found.append(place)
            if len(found) > 1:
                return None
    if not found:
        return None
    first = found[0]
    return first if isinstance(first, Place) else json_value_place(exchange, first)


def request_values(exchange: Exchange) -> Iterator[tuple[Place | JsonPath, Any]]:
    """The values of the query, of a form and of a JSON body."""
    for count, (place, written) in enumerate(values_of(exchange)):
        if count > _MAX_VALUES:
            return
        yield place, unquote_plus(written)
    if exchange.parseable_body is None:
        return
    pending: list[tuple[JsonPath, Any]] = [((), exchange.json)]
    for _ in range(_MAX_VALUES):
        if not pending:
            return
        path, value = pending.pop()
        if path:
            yield path, value
        if isinstance(value, dict):
            pending.extend(((*path, name), item) for name, item in value.items())
        elif isinstance(value, list):
            pending.extend(((*path, index), item) for index, item in enumerate(value[:200]))


def _test_for(message: str, advice: Advice) -> Any:
    """The test that a value fails, None where the sentence asks for nothing that can be tested."""
    length = _LENGTH_TOLD.search(message)
    if length is not None:
        size = int(length[1])
        return lambda value: isinstance(value, str) and len(value) == size and " " not in value
    if advice.least is not None or advice.most is not None:
        return lambda value: _is_beyond(value, advice)
    if advice.pattern is not None or advice.allowed:
        return None
    words = _FORMAT_WORDS.search(message)
    word = advice.kind or (words[1].lower().replace("-", "") if words is not None else "")
    if word in ("date", "datetime", "time", "timestamp") or advice.format is not None:
        return lambda value: isinstance(value, str) and _LIKE_A_DATE.fullmatch(value) and not _ISO.fullmatch(value)
    if word == "email":
        return lambda value: isinstance(value, str) and "@" in value and not _EMAIL.fullmatch(value)
    if word in ("uuid", "guid"):
        return lambda value: isinstance(value, str) and value.count("-") == 4 and not _UUID.fullmatch(value)
    if advice.kind == "boolean":
        return lambda value: isinstance(value, str) and value.lower() in ("yes", "no", "on", "off", "true", "false")
    if advice.kind in ("integer", "number"):
        return lambda value: isinstance(value, str) and _NUMERIC.fullmatch(value) is not None
    return None


def _is_beyond(value: Any, advice: Advice) -> bool:
    if isinstance(value, bool) or value is None:
        return False
    if advice.of_length:
        if not isinstance(value, str | list):
            return False
        size = float(len(value))
    elif isinstance(value, str):
        if not _NUMERIC.fullmatch(value) or len(value) > 18:
            return False
        size = float(value)
    elif isinstance(value, int | float):
        size = float(value)
    else:
        return False
    return (advice.most is not None and size > advice.most) or (advice.least is not None and size < advice.least)
