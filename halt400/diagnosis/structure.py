"""The structure of a body: each path in it with its type, without any value; bounded in size.

A path is written ``data.attributes.name``; all elements of an array are ``[]``.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from halt400.diagnosis.exchange import Exchange

__all__ = ["MAX_PATHS", "difference", "structure_of"]

MAX_PATHS = 128
_MAX_DEPTH = 12
_MAX_NODES = 2048
_TYPES = {dict: "object", list: "array", str: "string", bool: "boolean", int: "number", float: "number"}


def structure_of(exchange: Exchange) -> dict[str, str] | None:
    """The paths and types of a JSON or form body; None where there is no such body.

    Examples
    --------
    >>> from halt400.records import Request
    >>> headers = [("Content-Type", "application/json")]
    >>> body = '{"ids": [1], "deep": {"a": null}}'
    >>> request = Request(method="POST", url="https://a.example/", headers=headers, body=body)
    >>> structure_of(Exchange(request))
    {'ids': 'array', 'ids[]': 'number', 'deep': 'object', 'deep.a': 'null'}
    """
    body = exchange.parseable_body
    if not body:
        return None
    if exchange.media_type.essence == "application/x-www-form-urlencoded":
        try:
            pairs = parse_qsl(body[:65536].decode("latin-1"), keep_blank_values=True, max_num_fields=MAX_PATHS)
        except ValueError:
            return None
        return {name[:120]: "string" for name, _ in pairs}
    value = exchange.json
    return _walk(value) if isinstance(value, dict | list) else None


def _walk(root: Any) -> dict[str, str]:
    paths: dict[str, str] = {}
    pending: list[tuple[str, Any, int]] = [("", root, 0)]
    nodes = 0
    while pending:
        path, value, depth = pending.pop()
        nodes += 1
        if nodes > _MAX_NODES or len(paths) >= MAX_PATHS:
            break
        if path:
            kind = _TYPES.get(type(value), "null")
            known = paths.get(path)
            paths[path] = kind if known is None or known == "null" else known
        if depth >= _MAX_DEPTH:
            continue
        if isinstance(value, dict):
            children = [(f"{path}.{name}" if path else name, child, depth + 1) for name, child in value.items()]
            pending.extend(reversed([child for child in children if len(child[0]) <= 120]))
        elif isinstance(value, list):
            pending.extend((f"{path}[]", child, depth + 1) for child in value[15::-1])
    return paths


def difference(sent: dict[str, str], good: dict[str, str]) -> tuple[list[str], list[tuple[str, str, str]], list[str]]:
    """The paths that `sent` lacks, has with another type, and has beyond `good`, without children of a missing path.

    Examples
    --------
    >>> difference({"a": "string", "c": "null"}, {"a": "number", "b": "object", "b.x": "string"})
    (['b'], [('a', 'number', 'string')], ['c'])
    """
    gone = [path for path in good if path not in sent and _parent(path) in ("", *sent) and not path.endswith("[]")]
    changed = [
        (path, good[path], kind)
        for path, kind in sent.items()
        if path in good and good[path] != kind and "null" not in (good[path], kind)
    ]
    added = [
        path
        for path in sent
        if path not in good and (_parent(path) == "" or _parent(path) in good) and not path.endswith("[]")
    ]
    return gone, changed, added


def _parent(path: str) -> str:
    if path.endswith("[]"):
        return path[:-2]
    return path.rpartition(".")[0]
