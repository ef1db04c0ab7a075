"""A request's body taken apart. A scraper that sends a broken body sends it again and again: it is read once."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import orjson

__all__ = ["Content", "content_of"]

_KEPT_BYTES = 2048
_KEPT = 128
"""Bodies that are remembered, so long at most; `answer` says what that comes to."""


class Content:
    """What a body is as JSON; nobody changes what it gives.

    Attributes
    ----------
    json
        The parsed value, None where the body is no JSON.
    json_stops_at
        Where orjson stopped reading, None where it read to the end.
    memo
        What modules conclude from the body alone.
    """

    __slots__ = ("json", "json_stops_at", "memo")

    def __init__(self, body: bytes) -> None:
        self.json: Any = None
        self.json_stops_at: int | None = None
        self.memo: dict[str, Any] = {}
        if not body:
            return
        try:
            self.json = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            self.json_stops_at = error.pos
        except RecursionError:
            self.json_stops_at = 0


def content_of(body: bytes) -> Content:
    """The content of a body; one for all short bodies that are the same.

    Examples
    --------
    >>> content_of(b'{"page": 1}').json, content_of(b'{"page": 1').json_stops_at
    ({'page': 1}, 10)
    """
    return _known(body) if len(body) <= _KEPT_BYTES else Content(body)


_known = lru_cache(maxsize=_KEPT)(Content)
