"""A place of a request, and the segments of a path as places: parameters of a path have no name in the request."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct

from halt400.diagnosis.exchange import Exchange
from halt400.diagnosis.json_places import plain_name

__all__ = ["QUERY_CHARS", "Place", "last_segment", "segment_named", "url_path"]

QUERY_CHARS = 65_536
_WORD_OF_NAME = re.compile(r"[A-Z]?[a-z]{3,}")


class Place(Struct):
    """A field or a value in a request.

    Attributes
    ----------
    where
        body, url or header, as in `Evidence`.
    kind
        json, form, multipart, xml, query, path or header.
    key, key_length, value, value_end
        The spans, in bytes of a body and in characters of a URL or a header's value; `key` is -1 where there is none.
    name
        The field as the request has it.
    """

    where: str
    kind: str
    key: int
    key_length: int
    value: int
    value_end: int
    name: str


def url_path(url: str) -> Iterator[tuple[int, str]]:
    """The offset and the text of each segment of the path of a URL."""
    scheme = url.find("://")
    start = url.find("/", scheme + 3) if scheme >= 0 else 0
    if start < 0:
        return
    query = re.compile(r"[?#]").search(url, start)
    end = min(query.start() if query is not None else len(url), QUERY_CHARS)
    for segment in re.compile(r"[^/]+").finditer(url, start, end):
        yield segment.start(), segment[0]


def last_segment(exchange: Exchange, name: str) -> Place | None:
    """The last segment of a path: where a sentence says "id" and nothing else of the request is called so."""
    segments = list(url_path(exchange.url))
    if len(segments) < 2:
        return None
    start, segment = segments[-1]
    return Place("url", "path", -1, 0, start, start + len(segment), name[:200])


def segment_named(exchange: Exchange, name: str) -> Place | None:
    """The segment after the collection that a path parameter is named for: ``itemId`` in ``/items/7``.

    Where no collection is called so, one whose name has a word of it: ``gate_id``, ``/deployment_gates/7``.
    """
    wanted = plain_name(name).removesuffix("id").removesuffix("name")
    words = [word.lower() for word in _WORD_OF_NAME.findall(name)]
    before, likely = "", None
    for start, segment in url_path(exchange.url):
        if len(wanted) >= 3 and before:
            place = Place("url", "path", -1, 0, start, start + len(segment), name[:200])
            if before == wanted or before.removesuffix("s") == wanted:
                return place
            if wanted in before or any(word in before for word in words):
                likely = place
        before = plain_name(segment)
    return likely
