"""A parsed request body. A scraper that sends a broken body sends it again and again; it is parsed only once."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import orjson

__all__ = ["ParsedBody", "parse_body"]

_KEPT_BYTES = 2048
_KEPT = 128
"""Limits of the cache; `parsed_response` says how much memory it takes."""


class ParsedBody:
    """A body as JSON. Its values must not be changed.

    Attributes
    ----------
    json
        The parsed value, None where the body is not JSON.
    json_stops_at
        Where orjson stopped reading, None where it read to the end.
    cache
        What modules conclude from the body alone, by a name of their own.
    """

    __slots__ = ("cache", "json", "json_stops_at")

    def __init__(self, body: bytes) -> None:
        self.json: Any = None
        self.json_stops_at: int | None = None
        self.cache: dict[str, Any] = {}
        if not body:
            return
        try:
            self.json = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            self.json_stops_at = error.pos
        except RecursionError:
            self.json_stops_at = 0


def parse_body(body: bytes) -> ParsedBody:
    """The parsed body; the same object for equal short bodies.

    Examples
    --------
    >>> parse_body(b'{"page": 1}').json, parse_body(b'{"page": 1').json_stops_at
    ({'page': 1}, 10)
    """
    return _parse_cached(body) if len(body) <= _KEPT_BYTES else ParsedBody(body)


_parse_cached = lru_cache(maxsize=_KEPT)(ParsedBody)
