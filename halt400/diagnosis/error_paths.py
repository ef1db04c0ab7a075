"""Errors that sit at the end of a nested path of their document: Discord, Django REST, marshmallow, zod's format().

``{"errors": {"items": {"0": {"value": {"_errors": [{"message": "This field is required"}]}}}}}`` names items[0].value.
Sources: https://discord.com/developers/docs/reference#error-messages,
https://www.django-rest-framework.org/api-guide/serializers/#dealing-with-nested-objects,
https://marshmallow.readthedocs.io/en/stable/nesting.html, https://zod.dev/error-formatting.
"""

from __future__ import annotations

from typing import Any

from halt400.diagnosis.json_places import JsonPath, path_text

__all__ = ["nested_errors"]

_ROOTS = ("errors", "error", "detail", "details", "fields", "field_errors", "fielderrors", "json", "messages")
_MESSAGES = ("message", "msg", "detail", "description", "error", "reason", "code")
_NOT_A_PATH = frozenset(
    {"status", "code", "type", "title", "message", "instance", "timestamp", "trace", "meta", "links", "data", "success",
     "statuscode", "error_description", "request_id", "requestid", "source", "extensions", "locations", "path",
     "details", "errors", "violations", "fieldviolations", "causes", "innererror", "inner", "children", "root_cause",
     "debug"}
)  # fmt: skip
_MOST = 12
_MAX_NODES = 1_000
_MAX_DEPTH = 12


def nested_errors(document: Any) -> list[tuple[str, str]]:
    """The paths of at least two parts with their messages.

    Examples
    --------
    >>> nested_errors({"errors": {"items": {"1": {"qty": ["Too few."]}}}})
    [('items[1].qty', 'Too few.')]
    >>> nested_errors({"errors": {"qty": ["Too few."]}}), nested_errors([{"field": "qty"}])
    ([], [])
    >>> nested_errors({"errors": {"data": {"name": {"_errors": [{"message": "This field is required"}]}}}})
    [('data.name', 'This field is required')]
    """
    if not isinstance(document, dict):
        return []
    for name, value in document.items():
        if name.lower() in _ROOTS and isinstance(value, dict):
            found = _walk_marked(value) or _walk(value)
            if found:
                return found
    if any(name.lower() in _NOT_A_PATH or name.lower() in _ROOTS for name in document):
        return []
    return _walk(document)


def _walk_marked(root: dict[str, Any]) -> list[tuple[str, str]]:
    """Of a document that marks its leaves with ``_errors``: every other name is a part of the path."""
    found: list[tuple[str, str]] = []
    pending: list[tuple[JsonPath, dict[str, Any]]] = [((), root)]
    for count, (path, value) in enumerate(pending):
        if count >= _MAX_NODES or len(found) >= _MOST:
            break
        own = value.get("_errors")
        message = _message(own) if isinstance(own, list) else None
        if message is not None and path:
            found.append((path_text(path), message))
        if len(path) < _MAX_DEPTH:
            pending.extend(
                ((*path, int(name) if name.isdecimal() and len(name) < 7 else name), item)
                for name, item in list(value.items())[:128]
                if isinstance(item, dict)
            )
    return found


def _walk(root: dict[str, Any]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    pending: list[tuple[JsonPath, Any]] = [((), root)]
    nodes = 0
    while pending and nodes < _MAX_NODES and len(found) < _MOST:
        nodes += 1
        path, value = pending.pop()
        message = _message(value)
        if message is not None:
            if len(path) > 1:
                found.append((path_text(path), message))
        elif len(path) < _MAX_DEPTH:
            pending.extend(reversed(_children(path, value)))
    return found


def _children(path: JsonPath, value: Any) -> list[tuple[JsonPath, Any]]:
    if isinstance(value, dict):
        return [
            ((*path, int(name) if name.isdecimal() and len(name) < 7 else name), item)
            for name, item in list(value.items())[:128]
            if isinstance(item, dict | list) and name.lower() not in _NOT_A_PATH
        ]
    if isinstance(value, list):
        return [
            ((*path, index), item)
            for index, item in enumerate(value[:128])
            if isinstance(item, dict) and item and all(isinstance(part, dict | list) for part in item.values())
        ]
    return []


def _message(value: Any) -> str | None:
    """The message of a leaf; None where the value goes on."""
    if isinstance(value, dict):
        own = value.get("_errors")
        if isinstance(own, list) and own:
            return _message(own)
        if value and all(not isinstance(item, dict | list) for item in value.values()):
            texts = [value[name] for name in _MESSAGES if isinstance(value.get(name), str)]
            return texts[0] if texts else None
        return None
    if isinstance(value, list) and value:
        if all(isinstance(item, str) for item in value):
            return str(value[0])
        first = value[0]
        if isinstance(first, dict) and isinstance(first.get("message"), str):
            return str(first["message"])
    return None
