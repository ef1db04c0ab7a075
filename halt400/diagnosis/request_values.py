"""Defects of values in the request itself: in the path, the query, a form, JSON, and by comparison with good requests.

`value_defects` names what no program means to send; `value_formats` what is written otherwise than in good requests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any
from urllib.parse import unquote, unquote_plus

import orjson

from halt400.diagnosis.edits import replace_value, with_body, without_place
from halt400.diagnosis.embedded_json import values_of
from halt400.diagnosis.exchange import Exchange
from halt400.diagnosis.finding import CauseFinding, at_body, at_text
from halt400.diagnosis.json_places import JsonPath
from halt400.diagnosis.locations import evidence_at
from halt400.diagnosis.places import Place, json_value_place, place_of_name, query_pairs, url_path
from halt400.diagnosis.server_errors import read_server_error
from halt400.diagnosis.text_offsets import percent_offset
from halt400.diagnosis.value_defects import ValueDefect, defect_in, may_hold_defects
from halt400.diagnosis.value_formats import formats_of
from halt400.records import Request

__all__ = ["find", "find_by_formats"]

_MAX_VALUES = 4_000
_MOST_FOUND = 4
_RAW = 0.7
"""Most confidence in a template whose brackets are raw in the URL: `invalid_url_encoding` names those."""
_EMPTY_CREDENTIALS = frozenset({"undefined", "null", "none", "nan", "[object object]", ""})


def find(exchange: Exchange) -> list[CauseFinding]:
    """Report values that no program means to send.

    Examples
    --------
    >>> from halt400.records import Request, Response
    >>> request = Request(method="GET", url="https://a.example/items/%7B%7Bid%7D%7D")
    >>> find(Exchange(request, Response(status=400)))[0].evidence[0].detail
    'The path has "{{id}}": a template variable that was not filled in.'
    """
    found: list[CauseFinding] = []
    in_url = may_hold_defects(exchange.url)
    if in_url:
        found.extend(islice(_in_path(exchange), _MOST_FOUND))
    body = exchange.parseable_body
    is_form = bool(body) and exchange.media_type.essence == "application/x-www-form-urlencoded"
    if in_url or (body and is_form and may_hold_defects(body.decode("latin-1"))):
        found.extend(islice(_in_pairs(exchange), _MOST_FOUND))
    if body and not is_form and exchange.json is not None:
        if body[0] == 0x22:
            found.extend(_double_encoded(exchange, body))
        if may_hold_defects(body):
            found.extend(islice(_in_json(exchange), _MOST_FOUND))
    found.extend(_in_credentials(exchange))
    return found[:_MOST_FOUND]


def _finding(
    exchange: Exchange, place: Place, value: str, defect: ValueDefect, shown: str, start: int
) -> CauseFinding | None:
    confidence = defect.refused if exchange.refused else defect.unseen
    if confidence <= 0:
        return None
    if exchange.refused and any(value in message for message in read_server_error(exchange).messages):
        confidence = max(confidence, 0.93)
    if defect.kind in ("template", "placeholder") and place.where == "url":
        written = exchange.url[place.value : place.value_end]
        confidence = min(confidence, _RAW) if "{" in written or "<" in written else confidence
    what = f"The path has {shown}" if place.kind == "path" else f"{place.name} is {shown}"
    if defect.end - defect.start < len(value) and place.kind != "path":
        what = f"{place.name} has {shown}"
    detail = f"{what}: {defect.detail}."
    length = max(1, place.value_end - start)
    if place.where == "url":
        evidence = at_text("url", exchange.url[:65536], start, detail, length=length, name=place.name)
    else:
        body = exchange.parseable_body or b""
        evidence = at_body(body, start, detail, length=length, name=place.name)
    name = "the path parameter" if place.kind == "path" else place.name
    return CauseFinding(
        cause="schema_violation",
        confidence=confidence,
        remedy=defect.remedy.format(name=name, mended=defect.mended or ""),
        evidence=[evidence],
        mend=_mend_of(exchange, place, defect),
    )


def _mend_of(exchange: Exchange, place: Place, defect: ValueDefect) -> Callable[[], Request | None] | None:
    if defect.mended is None:
        return None
    if defect.mended:
        return lambda: replace_value(exchange, place, defect.mended)
    return lambda: without_place(exchange, place)


def _in_path(exchange: Exchange) -> Iterator[CauseFinding]:
    for start, segment in url_path(exchange.url):
        value = unquote(segment)
        defect = defect_in(value, "segment")
        if defect is not None:
            place = Place("url", "path", -1, 0, start, start + len(segment), "path")
            at = percent_offset(exchange.url, start, defect.start) if defect.start else start
            found = _finding(exchange, place, value, defect, f'"{value[defect.start : defect.end][:60]}"', at)
            if found is not None:
                yield found


def _in_pairs(exchange: Exchange) -> Iterator[CauseFinding]:
    for count, (place, written) in enumerate(values_of(exchange)):
        if count > _MAX_VALUES:
            return
        value = unquote_plus(written)
        part = "form" if place.kind == "form" else "query"
        defect = defect_in(value, part) if value else None
        if defect is not None:
            found = _finding(exchange, place, value, defect, f'"{value[:60]}"', place.value)
            if found is not None:
                yield found


def _in_json(exchange: Exchange) -> Iterator[CauseFinding]:
    for path, value in _strings(exchange.json):
        defect = defect_in(value, "json")
        if defect is None:
            continue
        place = json_value_place(exchange, path)
        if place is not None:
            found = _finding(exchange, place, value, defect, f'"{value[:60]}"', place.value)
            if found is not None:
                yield found


def _strings(root: Any) -> Iterator[tuple[JsonPath, str]]:
    """The short texts of a JSON value with their paths; the texts of GraphQL documents and templates are not values."""
    pending: list[tuple[JsonPath, Any]] = [((), root)]
    for _ in range(_MAX_VALUES):
        if not pending:
            return
        path, value = pending.pop()
        if isinstance(value, dict):
            pending.extend(((*path, name), item) for name, item in value.items())
        elif isinstance(value, list):
            pending.extend(((*path, index), item) for index, item in enumerate(value[:1000]))
        elif isinstance(value, str) and 2 < len(value) <= 1000 and path:
            yield path, value


def _double_encoded(exchange: Exchange, body: bytes) -> Iterator[CauseFinding]:
    """A body that is a JSON string which holds an object or an array."""
    inner = exchange.json
    if not isinstance(inner, str) or inner.lstrip()[:1] not in ("{", "["):
        return
    try:
        value = orjson.loads(inner)
    except ValueError:
        return
    kind = "object" if isinstance(value, dict) else "array"
    detail = f"The body is a JSON string that holds a JSON {kind}: it was encoded twice."
    yield CauseFinding(
        cause="schema_violation",
        confidence=0.93 if exchange.refused else 0.7,
        remedy="Encode the body once: pass the object itself (json=value), not the text of json.dumps(value).",
        evidence=[at_body(body, 0, detail, length=len(body))],
        mend=lambda: with_body(exchange.request, inner.encode()),
    )


def _in_credentials(exchange: Exchange) -> Iterator[CauseFinding]:
    for text in exchange.fields.get("authorization", ()):
        scheme, _, credential = text.strip().partition(" ")
        value = credential.strip() or ("" if scheme.lower() in ("bearer", "basic", "token") else scheme)
        defect = defect_in(value, "query") if may_hold_defects(value) else None
        if value.lower() in _EMPTY_CREDENTIALS or (defect is not None and defect.kind in ("template", "placeholder")):
            shown = f'"{value[:40]}"' if value else "nothing"
            detail = f"Authorization holds {shown} after {scheme!r} in the place of a credential."
            evidence = at_text("header", text, 0, detail, name="Authorization", secret=True)
            yield CauseFinding(
                cause="credential_rejected",
                confidence=0.85 if exchange.refused else 0.7,
                blame="request",
                remedy="Read the credential before the request is built; its variable was empty.",
                evidence=[evidence],
            )


def find_by_formats(exchange: Exchange, good: dict[str, str]) -> list[CauseFinding]:
    """Report values that are written otherwise than in the good requests.

    Parameters
    ----------
    good
        The formats of good requests by path; an empty text where they differ among each other.
    """
    if not good:
        return []
    found = []
    for path, kind in formats_of(exchange).items():
        usual = good.get(path)
        change = _CHANGES.get((usual, kind)) if usual and usual != kind else None
        if change is None:
            continue
        place = _place_of_format(exchange, path)
        if place is None:
            continue
        detail, remedy, convert = change
        value = _value_at(exchange, place)
        mended = convert(value) if convert is not None else None
        shown = f"{place.name} is {detail}; good requests send {usual}."
        at = evidence_at(exchange, place, shown, value=True)
        to = f" ({mended})" if mended is not None else ""
        found.append(
            CauseFinding(
                cause="schema_violation",
                confidence=0.86 if exchange.refused else 0.6,
                remedy=remedy.format(name=place.name) + to + ".",
                evidence=[at],
                mend=_replacing(exchange, place, mended) if mended is not None else None,
            )
        )
    return found[:_MOST_FOUND]


def _replacing(exchange: Exchange, place: Place, value: Any) -> Callable[[], Request | None]:
    return lambda: replace_value(exchange, place, value)


def _place_of_format(exchange: Exchange, path: str) -> Place | None:
    if path.startswith("?"):
        for start, name, at, end in query_pairs(exchange.url):
            if name[:80] == path[1:] and at >= 0:
                return Place("url", "query", start, len(name), at, end, name[:120])
        return None
    place = place_of_name(exchange, path.replace("[]", "[0]"), "body")
    return place if place is not None and place.kind == "json" else None


def _value_at(exchange: Exchange, place: Place) -> Any:
    if place.where == "url":
        return unquote_plus(exchange.url[place.value : place.value_end])
    try:
        return orjson.loads((exchange.parseable_body or b"")[place.value : place.value_end])
    except ValueError:
        return None


def _seconds(value: Any) -> Any:
    number = int(float(value)) // 1000
    return str(number) if isinstance(value, str) else number


def _milliseconds(value: Any) -> Any:
    number = int(float(value) * 1000)
    return str(number) if isinstance(value, str) else number


def _iso(value: Any) -> Any:
    return datetime.fromtimestamp(int(float(value)), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _point(value: Any) -> Any:
    return str(value).replace(",", ".")


_Convert = Callable[[Any], Any] | None
_CHANGES: dict[tuple[str | None, str], tuple[str, str, _Convert]] = {
    ("seconds", "milliseconds"): ("a time in milliseconds", "Divide {name} by 1000: send whole seconds", _seconds),
    ("milliseconds", "seconds"): ("a time in seconds", "Multiply {name} by 1000: send milliseconds", _milliseconds),
    ("UTC time", "local time"): (
        "a time without a zone",
        "Send {name} in UTC, with a Z at its end: datetime.now(timezone.utc)",
        None,
    ),
    ("UTC time", "time with offset"): ("a time with an offset", "Send {name} in UTC, with a Z at its end", None),
    ("time with offset", "local time"): ("a time without a zone", "Send {name} with its offset from UTC", None),
    ("date", "day and month date"): ("a date with day and month first", "Write {name} as YYYY-MM-DD", None),
    ("UTC time", "date"): ("a date without a time", "Send {name} with its time, in UTC, with a Z at its end", None),
    ("date", "UTC time"): ("a time where a date belongs", "Send only the date of {name}, as YYYY-MM-DD", None),
    ("UTC time", "seconds"): ("a number of seconds", "Write {name} as an ISO 8601 time in UTC", _iso),
    ("decimal point", "decimal comma"): ("written with a decimal comma", "Write {name} with a decimal point", _point),
    ("decimal comma", "decimal point"): ("written with a decimal point", "Write {name} with a decimal comma", None),
    ("whole number", "decimal comma"): ("written with a comma", "Write {name} with a decimal point", _point),
}
