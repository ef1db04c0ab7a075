"""Parsed request headers. A scraper sends the same headers again and again; they are parsed and checked only once."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from halt400.diagnosis.media_types import MediaType, is_json, parse_media_type
from halt400.records import Header

__all__ = ["ParsedHeaders", "header_fields", "parse_headers"]

_KEPT_CHARS = 2048
_KEPT = 128
"""Limits of the cache: a quarter of a megabyte of texts."""
_NO_TYPE = MediaType("", {})


class ParsedHeaders:
    """What the modules read of the headers of a request. Its values must not be changed.

    Attributes
    ----------
    fields
        The values by lower-case name, in order.
    size
        The characters of the section, with the separators of each line.
    content_type, media_type, declares_json
        The first Content-Type as sent, parsed (an empty essence where there is none), and whether it is JSON.
    cache
        What modules conclude from the headers alone, by a name of their own.
    """

    __slots__ = ("cache", "content_type", "declares_json", "fields", "media_type", "size")

    def __init__(self, headers: tuple[Header, ...] | list[Header], size: int) -> None:
        self.fields = fields = header_fields(headers)
        self.size = size + 4 * len(headers)
        values = fields.get("content-type")
        self.content_type = values[0] if values else None
        self.media_type = parse_media_type(self.content_type) if self.content_type is not None else _NO_TYPE
        self.declares_json = is_json(self.media_type.essence)
        self.cache: dict[str, Any] = {}


def header_fields(headers: tuple[Header, ...] | list[Header]) -> dict[str, list[str]]:
    """Header values by lower-case name, in order."""
    fields: dict[str, list[str]] = {}
    for name, value in headers:
        lower = name.lower()
        if lower in fields:
            fields[lower].append(value)
        else:
            fields[lower] = [value]
    return fields


def parse_headers(headers: list[Header]) -> ParsedHeaders:
    """The parsed headers; the same object for equal short ones.

    Examples
    --------
    >>> one, two = ([("Accept", "*/*"), ("Content-Type", "application/json")] for _ in range(2))
    >>> parse_headers(one) is parse_headers(two), parse_headers(one).declares_json
    (True, True)
    """
    size = 0
    for name, value in headers:
        size += len(name) + len(value)
    if size > _KEPT_CHARS:
        return ParsedHeaders(headers, size)
    try:
        return _parse_cached(tuple(headers), size)
    except TypeError:  # pairs as lists, from a caller that reads JSON without the type of the record
        return ParsedHeaders(headers, size)


_parse_cached = lru_cache(maxsize=_KEPT)(ParsedHeaders)
