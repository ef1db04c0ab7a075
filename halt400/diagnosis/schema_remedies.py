"""The remedy of a refused field, with what the server says would be right, and its mend where that is mechanical."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_plus

import orjson

from halt400.diagnosis.edits import replace_key, replace_value, without_place
from halt400.diagnosis.exchange import Exchange
from halt400.diagnosis.places import Place
from halt400.diagnosis.rewritten_values import decimal_point, iso_date, unix_time
from halt400.diagnosis.server_advice import Advice, advice_in, structured_advice
from halt400.lazy_patterns import lazy_pattern
from halt400.records import Request

__all__ = ["MISSING", "UNKNOWN", "advice_for", "mend_of", "mended_value", "remedy_of", "value_at"]

MISSING = lazy_pattern(
    r"required|missing|(?:should|may) not be (?:blank|empty|null)"
    r"|must (?:be )?(?:provided|specified|present|not be (?:blank|empty|null))|not provided"
    r"|weren't supplied|can't be blank|no \w+ provided|at least one|may not be (?:blank|empty|null)",
    re.IGNORECASE,
)
UNKNOWN = lazy_pattern(
    r"additional propert|(?:unknown|unexpected) (?:field|param|arg|key|prop|name|member|attribute)|not allowed"
    r"|unrecognized|unrecognised|extra fields|extra_forbidden|extra inputs|was unexpected|cannot be set"
    r"|cannot find field|unsupported (?:param|field|arg|prop)|not supported with|no longer supported|deprecated"
    r"|is not a (?:known|valid|recogni[sz]ed) (?:field|param)|unpermitted param"
    r"|is not a (?:known|recogni[sz]ed|permitted) (?:attribute|property|argument|key|member|column|name)"
    r"|param(?:eter)?s? \S{1,80} is not one of",
    re.IGNORECASE,
)  # fmt: skip
_KINDS = {
    "integer": "a whole number", "number": "a number", "string": "a text (in quotes)", "boolean": "true or false",
    "array": "an array", "object": "an object", "uuid": "a UUID", "email": "an e-mail address", "url": "a URL",
    "date": "a date (YYYY-MM-DD)", "datetime": "a time (ISO 8601)", "timestamp": "a timestamp",
}  # fmt: skip
_WHOLE = lazy_pattern(r"-?\d{1,18}")
_DECIMAL = lazy_pattern(r"-?\d{1,15}(?:\.\d{1,12})?")


def advice_for(exchange: Exchange, message: str) -> Advice:
    """The advice of a sentence, with what the error document has in members of its own; computed once per response."""
    cache = exchange.parsed_response.cache
    known: dict[str, Advice] = cache.setdefault("advice", {})
    found = known.get(message)
    if found is None:
        found = advice_in(message)
        own = structured_advice(exchange.response_json)
        found.replacement = found.replacement or own.replacement
        found.allowed = found.allowed or own.allowed
        found.pattern = found.pattern or own.pattern
        if found.least is None and found.most is None:
            found.least, found.most, found.of_length = own.least, own.most, own.of_length
        known[message] = found
    return found


def value_at(exchange: Exchange, place: Place) -> Any:
    """The value at a place: parsed JSON, or a decoded text."""
    if place.where == "url":
        return unquote_plus(exchange.url[place.value : place.value_end])
    if place.where == "header":
        return next((value for name, value in exchange.headers if name == place.name), "")
    raw = (exchange.parseable_body or b"")[place.value : place.value_end]
    if place.kind == "json":
        try:
            return orjson.loads(raw)
        except ValueError:
            return None
    text = raw.decode("utf-8", "replace")
    return unquote_plus(text) if place.kind == "form" else text


def remedy_of(exchange: Exchange, field: str, place: Place | None, reason: str, advice: Advice) -> str:
    """What to do about a field.

    Parameters
    ----------
    field
        Its name, as the server writes it.
    place
        Where the request has it, None where it does not.
    reason
        The server's sentence.
    """
    shown = reason[:240].rstrip(". ")
    tail = f": {shown}" if shown else "."
    if place is None and MISSING.search(reason):
        return f"Add {field}{_with(advice)}{tail}"
    if place is not None and MISSING.search(reason) and value_at(exchange, place) in ("", None, [], {}):
        return f"Give {field} a value{_with(advice)}{tail}"
    if place is not None and advice.replacement is not None:
        if _is_of_value(exchange, place, field, reason):
            return f"Replace the value of {field} by {advice.replacement}{tail}"
        return f"Rename {field} to {advice.replacement}{tail}"
    if UNKNOWN.search(reason) and place is not None:
        known = f" (known: {', '.join(advice.allowed[:16])})" if advice.allowed else ""
        return f"Remove or rename {field}{known}{tail}"
    if advice.allowed:
        return f"Set {field} to one of {', '.join(advice.allowed[:12])}{tail}"
    if advice.least is not None or advice.most is not None:
        return f"{'Make' if advice.of_length else 'Set'} {field} {_limit(advice)}{tail}"
    if place is not None and (seconds := unix_time(value_at(exchange, place), reason)) is not None:
        return f"Write {field} as {seconds}{tail}"
    if advice.pattern is not None:
        return f"Write {field} so that it matches {advice.pattern}{tail}"
    if advice.format is not None:
        day = iso_date(value_at(exchange, place), advice) if place is not None else None
        return f"Write {field} as {advice.format}{f' ({day})' if day is not None else ''}{tail}"
    if place is not None and (number := decimal_point(value_at(exchange, place), advice)) is not None:
        return f"Write {field} as a number with a decimal point ({number}){tail}"
    if advice.kind is not None:
        return f"Send {field} as {_KINDS[advice.kind]}{tail}"
    return f"Correct the value of {field}{tail}" if shown else f"Correct {field}."


def _with(advice: Advice) -> str:
    if advice.allowed:
        return f" (one of {', '.join(advice.allowed[:12])})"
    return f" ({_KINDS[advice.kind]})" if advice.kind is not None else ""


def _limit(advice: Advice) -> str:
    unit = " long" if advice.of_length else ""
    to = "" if advice.of_length else "to "
    if advice.least is not None and advice.most is not None:
        return f"{to}{advice.least:.12g} to {advice.most:.12g}{unit}"
    if advice.most is not None:
        return f"{to}at most {advice.most:.12g}{unit}"
    return f"{to}at least {advice.least:.12g}{unit}"


def _is_of_value(exchange: Exchange, place: Place, field: str, reason: str) -> bool:
    """Whether a replacement is one of the value, not of the name."""
    value = value_at(exchange, place)
    return isinstance(value, str) and 1 < len(value) <= 200 and value in reason and value not in field


def mend_of(
    exchange: Exchange, field: str, place: Place | None, reason: str, advice: Advice
) -> Callable[[], Request | None] | None:
    """The mend of a field that the request has, None where there is none without a guess."""
    if place is None:
        return None
    return lambda: _mended(exchange, field, place, reason, advice)


def _mended(exchange: Exchange, field: str, place: Place, reason: str, advice: Advice) -> Request | None:
    if advice.replacement is not None:
        if _is_of_value(exchange, place, field, reason):
            return replace_value(exchange, place, advice.replacement)
        return replace_key(exchange, place, advice.replacement)
    if UNKNOWN.search(reason):
        return without_place(exchange, place)
    value = value_at(exchange, place)
    new = mended_value(value, place, advice)
    if (seconds := unix_time(value, reason)) is not None:
        new = str(seconds) if isinstance(value, str) else seconds
    return replace_value(exchange, place, new) if new is not None else None


def mended_value(value: Any, place: Place, advice: Advice) -> Any:
    """The value as the advice has it, None where that would be a guess."""
    if advice.allowed:
        same = [text for text in advice.allowed if isinstance(value, str) and text.lower() == value.lower()]
        return same[0] if len(same) == 1 and same[0] != value else None
    if (advice.least is not None or advice.most is not None) and not advice.of_length:
        return _within(value, place, advice)
    rewritten = iso_date(value, advice) or decimal_point(value, advice)
    if place.kind != "json":
        return rewritten
    if isinstance(value, str):
        if rewritten is not None:
            return float(rewritten) if advice.format is None else rewritten
        if advice.kind == "integer" and _WHOLE.fullmatch(value):
            return int(value)
        if advice.kind == "number" and _DECIMAL.fullmatch(value):
            return float(value) if "." in value else int(value)
        if advice.kind == "boolean" and value.lower() in ("true", "false"):
            return value.lower() == "true"
    elif advice.kind == "string" and isinstance(value, int | float) and not isinstance(value, bool):
        return orjson.dumps(value).decode()
    elif advice.kind == "array" and value is not None and not isinstance(value, list):
        return [value]
    return None


def _within(value: Any, place: Place, advice: Advice) -> Any:
    """The nearest value within the limit, None where the value is no number or within it."""
    if isinstance(value, bool):
        return None
    is_text = isinstance(value, str) and place.kind != "json" and _DECIMAL.fullmatch(value) is not None
    if not is_text and not isinstance(value, int | float):
        return None
    number = float(value)
    limit = advice.most if advice.most is not None and number > advice.most else None
    if advice.least is not None and number < advice.least:
        limit = advice.least
    if limit is None:
        return None
    return int(limit) if limit.is_integer() else limit
