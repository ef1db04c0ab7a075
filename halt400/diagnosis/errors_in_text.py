"""An error document inside a server's sentence: JSON that a gateway quotes, or the repr of a Python list or dict.

``BedrockException - {"message": "..."}``, ``b'{"type": "error", ...}'``, ``[{'type': 'extra_forbidden', 'loc': ('body',
'n')}]``: proxies before language models and services that print their validator's errors send such.
"""

from __future__ import annotations

import ast
import re
from typing import Any

import orjson

__all__ = ["document_in"]

_LIMIT = 4_000
_MAX_DEPTH = 20
_STARTS = re.compile(r"\[?\{[\"']")


def document_in(text: str) -> Any:
    """The first JSON document or Python literal of a sentence, with lists for tuples; None where there is none.

    Examples
    --------
    >>> document_in('upstream said {"param": "n"} (400)'), document_in("[{'loc': ('body', 'n')}]")
    ({'param': 'n'}, [{'loc': ['body', 'n']}])
    >>> document_in("set {id} first")
    """
    start = _STARTS.search(text)
    if start is None:
        return None
    closing = "]" if start[0][0] == "[" else "}"
    piece = text[start.start() : text.rfind(closing) + 1]
    if not piece or len(piece) > _LIMIT:
        return None
    try:
        return orjson.loads(piece)
    except orjson.JSONDecodeError:
        pass
    if "'" not in piece or sum(map(piece.count, "([{")) > 200 or _depth(piece) > _MAX_DEPTH:
        return None
    try:
        return _lists(ast.literal_eval(piece))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _depth(text: str) -> int:
    deepest = depth = 0
    for character in text:
        if character in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in ")]}":
            depth -= 1
    return deepest


def _lists(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_lists(item) for item in value]
    if isinstance(value, dict):
        return {str(name): _lists(item) for name, item in value.items()}
    return value
