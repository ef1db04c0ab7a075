"""Mends by a contract: what its schemas leave no choice about. A value is never invented.

A name or value that differs only in case and separators is written as the contract has it; what the contract fixes or
has a default for is added; a member that it does not know is removed, as is a null that it does not take; a number
beyond a limit becomes the limit; a number in quotes loses them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from halt400.diagnosis.edits import replace_key, replace_value, with_body, with_header, with_url, without_place
from halt400.diagnosis.exchange import Exchange
from halt400.diagnosis.places import json_value_place, place_of_name
from halt400.diagnosis.schema_remedies import mended_value
from halt400.diagnosis.server_advice import Advice
from halt400.records import Request

__all__ = ["fixed_value", "mended_by_schema", "resolved", "with_parameter"]

_KINDS = frozenset({"integer", "number", "string", "boolean", "array"})


def _bare(name: str) -> str:
    return "".join(filter(str.isalnum, name)).lower()


def _alike(name: str, among: Iterable[str]) -> str | None:
    """The one name that is spelled like this one but for case and separators."""
    bare = _bare(name)
    found = [other for other in among if other != name and _bare(other) == bare]
    return found[0] if len(found) == 1 else None


def resolved(document: dict[str, Any], schema: Any) -> Any:
    """What a local reference of an OpenAPI document refers to; anything else as it is."""
    for _ in range(8):
        reference = schema.get("$ref") if isinstance(schema, dict) else None
        if not isinstance(reference, str) or not reference.startswith("#/"):
            break
        schema = document
        for part in reference[2:].split("/"):
            schema = schema.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(schema, dict) else None
    return schema


def fixed_value(document: dict[str, Any], schema: Any) -> list[Any]:
    """The value that a schema leaves no choice about, in a list; empty where there is a choice.

    Examples
    --------
    >>> fixed_value({}, {"const": 1}), fixed_value({}, {"enum": ["a", "b"], "default": "a"}), fixed_value({}, {})
    ([1], ['a'], [])
    """
    schema = resolved(document, schema)
    if not isinstance(schema, dict):
        return []
    if "const" in schema:
        return [schema["const"]]
    allowed = schema.get("enum")
    if isinstance(allowed, list) and len(allowed) == 1:
        return list(allowed)
    return [schema["default"]] if schema.get("default") is not None else []


def mended_by_schema(
    exchange: Exchange, document: dict[str, Any], error: Any, path: tuple[str | int, ...]
) -> Request | None:
    """The request after the mend of one error of a JSON Schema validator; None where that would be a guess."""
    if error.validator == "required":
        return _with_required(exchange, document, error, path)
    if error.validator in ("additionalProperties", "unevaluatedProperties"):
        return _without_unknown(exchange, error, path)
    place = json_value_place(exchange, path) if path else None
    if place is None:
        return None
    if error.validator == "type" and error.instance is None:
        return without_place(exchange, place)
    new = _value(error, place)
    return replace_value(exchange, place, new) if new is not None else None


def _value(error: Any, place: Any) -> Any:
    wanted, value = error.validator_value, error.instance
    if error.validator == "const":
        return wanted
    if error.validator == "enum":
        if len(wanted) == 1:
            return wanted[0]
        return _alike(value, filter(lambda one: isinstance(one, str), wanted)) if isinstance(value, str) else None
    if error.validator == "type" and wanted in _KINDS:
        return mended_value(value, place, Advice(kind=wanted))
    if error.validator in ("maximum", "minimum") and not isinstance(value, bool):
        return wanted
    return None


def _with_required(
    exchange: Exchange, document: dict[str, Any], error: Any, path: tuple[str | int, ...]
) -> Request | None:
    known, given = error.schema.get("properties") or {}, error.instance
    missing = next((name for name in error.validator_value if name not in given and repr(name) in error.message), None)
    if missing is None:
        return None
    other = _alike(missing, (name for name in given if name not in known))
    if other is not None:
        place = json_value_place(exchange, (*path, other))
        return replace_key(exchange, place, missing) if place is not None else None
    fixed = fixed_value(document, known.get(missing))
    body = exchange.parseable_body
    if not fixed or body is None:
        return None
    place = json_value_place(exchange, path) if path else None
    start = place.value if place is not None else body.find(b"{")
    if body[start : start + 1] != b"{":
        return None
    member = f"{json.dumps(missing)}: {json.dumps(fixed[0], ensure_ascii=False)}{', ' if given else ''}"
    return with_body(exchange.request, body[: start + 1] + member.encode() + body[start + 1 :])


def _without_unknown(exchange: Exchange, error: Any, path: tuple[str | int, ...]) -> Request | None:
    known = error.schema.get("properties") or {}
    for name in error.instance:
        if name in known or repr(name) not in error.message:
            continue
        place = json_value_place(exchange, (*path, name))
        if place is None:
            return None
        right = _alike(name, known)
        if right is not None and right not in error.instance:
            return replace_key(exchange, place, right)
        return without_place(exchange, place)
    return None


def with_parameter(exchange: Exchange, name: str, location: str, fixed: list[Any]) -> Request | None:
    """The request with a parameter that its contract requires, where its value is there or leaves no choice."""
    request = exchange.request
    if location == "query":
        query = request.url.partition("?")[2].partition("#")[0]
        other = _alike(name, {pair.partition("=")[0] for pair in query.split("&")[:1000]})
        place = place_of_name(exchange, other, "query") if other else None
        if place is not None:
            return replace_key(exchange, place, name)
    if not fixed or location not in ("query", "header"):
        return None
    value = fixed[0] if isinstance(fixed[0], str) else json.dumps(fixed[0])
    if location == "header":
        return with_header(request, name, value)
    url, mark, fragment = request.url.partition("#")
    pair = f"{quote(name, safe='[]$.')}={quote(value, safe='')}"
    return with_url(request, f"{url}{'&' if '?' in url else '?'}{pair}{mark}{fragment}")
