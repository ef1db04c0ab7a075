"""Find the place of a field or a value in a request: JSON, XML, form and multipart bodies, query, path, headers.

A `Place` has the span of the name and of the value, so that evidence can point at either and a mend can replace either.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from halt400.diagnosis.exchange import Exchange
from halt400.diagnosis.json_places import JsonPath, JsonPlace, json_places, path_of, path_text, plain_name
from halt400.diagnosis.pair_index import EmbeddedIndex, Pair, PairIndex
from halt400.diagnosis.path_places import QUERY_CHARS, Place, last_segment, segment_named, url_path

__all__ = [
    "SECRET_HEADERS",
    "JsonIndex",
    "Place",
    "form_pairs",
    "json_index",
    "json_value_place",
    "of_json",
    "place_of_name",
    "place_of_parent",
    "place_of_path",
    "query_pairs",
    "url_path",
]

_QUERY_PAIR = re.compile(r"[?&]([^=&#]*)(?:=([^&#]*))?")
_FORM_PAIR = re.compile(rb"(?:^|&)([^=&]*)(?:=([^&]*))?")
_PART_NAME = re.compile(rb'(?i)content-disposition:[^\r\n]{0,256}?\bname="([^"\r\n]{1,256})"')
SECRET_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization"})


_IDENTIFIERS = ("id", "objectid", "uuid", "guid", "identifier")


class JsonIndex:
    """The places of a JSON body by path and by the plain form of their last name."""

    def __init__(self, body: bytes) -> None:
        self.by_path: dict[JsonPath, JsonPlace] = {}
        self.by_name: dict[str, list[JsonPlace]] = {}
        self.in_order: list[JsonPlace] = []
        for place in json_places(body):
            self.in_order.append(place)
            self.by_path.setdefault(place.path, place)
            last = place.path[-1]
            if isinstance(last, str):
                found = self.by_name.setdefault(plain_name(last), [])
                if len(found) < 64:
                    found.append(place)


def json_index(exchange: Exchange) -> JsonIndex | None:
    """The index of the body; None where it is not JSON. Built once per exchange, for any number of searches."""
    if "places" not in exchange.cache:
        body = exchange.parseable_body
        exchange.cache["places"] = JsonIndex(body) if body and exchange.json is not None else None
    found: JsonIndex | None = exchange.cache["places"]
    return found


def of_json(place: JsonPlace) -> Place:
    """A member of a JSON body as a place of the request."""
    return Place("body", "json", place.key, place.key_length, place.value, place.value_end, path_text(place.path))


def json_value_place(exchange: Exchange, path: JsonPath) -> Place | None:
    """The place of an exact path of a JSON body."""
    index = json_index(exchange)
    place = index.by_path.get(path) if index is not None else None
    return of_json(place) if place is not None else None


def place_of_path(exchange: Exchange, name: str) -> Place | None:
    """The place of a path in a JSON body, None unless every part of it is there.

    Examples
    --------
    >>> from halt400.records import Request
    >>> request = Request(method="POST", url="https://a.example/", body='{"items": [{"qty": 1}, {"qty": 0}]}')
    >>> place_of_path(Exchange(request), "items.1.qty").key
    24
    """
    return json_value_place(exchange, path_of(name))


def place_of_parent(exchange: Exchange, name: str) -> Place | None:
    """The object of a JSON body that lacks the field `name`: the nearest that is there, or the whole body.

    Examples
    --------
    >>> from halt400.records import Request
    >>> request = Request(method="POST", url="https://a.example/", body='{"items": [{"id": 7}]}')
    >>> place_of_parent(Exchange(request), "items.0.qty").value
    11
    """
    index = json_index(exchange)
    if index is None or not isinstance(exchange.json, dict | list):
        return None
    path = path_of(name)
    for size in range(len(path) - 1, 0, -1):
        parent = index.by_path.get(path[:size])
        if parent is not None:
            return of_json(parent)
    body = exchange.parseable_body or b""
    start = len(body) - len(body.lstrip(b" \t\r\n\xef\xbb\xbf"))
    return Place("body", "json", -1, 0, start, len(body), "")


def place_of_name(exchange: Exchange, name: str, location: str | None = None) -> Place | None:
    """The place of the field `name`; None where the request does not hold it.

    Parameters
    ----------
    name
        As the server writes it: ``/data/attributes/name``, ``data.name``, ``items[0].price``, ``page[limit]``.
    location
        body, query, path or header, where the server says so.

    Examples
    --------
    >>> from halt400.records import Request
    >>> request = Request(method="GET", url="https://a.example/items?page%5Blimit%5D=9")
    >>> place_of_name(Exchange(request), "page.limit").name
    'page[limit]'
    """
    if location in (None, "body"):
        found = _in_body(exchange, name)
        if found is not None:
            return found
    if location in (None, "query", "path"):
        found = _pair_index(exchange, "url").find(name) if "?" in exchange.url else None
        if found is not None:
            return found
    if location == "path":
        return segment_named(exchange, name) or last_segment(exchange, name)
    if location in (None, "query") and plain_name(name).endswith(_IDENTIFIERS):
        found = segment_named(exchange, name)
        if found is not None:
            return found
        if not exchange.body and (plain_name(name) in _IDENTIFIERS or location == "query"):
            return last_segment(exchange, name)
    if location in (None, "query", "body"):
        found = _in_embedded(exchange, name)
        if found is not None:
            return found
    lower = name.lower()
    if location in (None, "header") and lower in exchange.fields:
        for header, value in exchange.headers:
            if header.lower() == lower:
                return Place("header", "header", -1, 0, 0, len(value), header)
    return None


def _in_body(exchange: Exchange, name: str) -> Place | None:
    body = exchange.parseable_body
    if not body:
        return None
    essence = exchange.media_type.essence
    if essence == "application/x-www-form-urlencoded":
        return _pair_index(exchange, "body").find(name)
    if essence.startswith("multipart/"):
        return _parts(exchange, body).get(plain_name(name))
    if body[:1] == b"<" or "xml" in essence:
        return _in_xml(body, name)
    index = json_index(exchange)
    return _in_json(index, name) if index is not None else None


def _parts(exchange: Exchange, body: bytes) -> dict[str, Place]:
    """The names of the parts of a multipart body, in their plain form."""
    if "parts" not in exchange.cache:
        found: dict[str, Place] = {}
        for part in _PART_NAME.finditer(body):
            text = part[1].decode("utf-8", "replace")
            place = Place("body", "multipart", part.start(1), len(part[1]), part.start(1), part.end(1), text)
            found.setdefault(plain_name(text), place)
        exchange.cache["parts"] = found
    parts: dict[str, Place] = exchange.cache["parts"]
    return parts


def _in_json(index: JsonIndex, name: str) -> Place | None:
    wanted = path_of(name)
    exact = index.by_path.get(wanted)
    if exact is not None:
        return of_json(exact)
    names = [plain_name(part) for part in wanted if isinstance(part, str)]
    if not names or not names[-1]:
        digits = index.by_name.get(str(wanted[0]), ()) if len(wanted) == 1 else ()  # a key such as "10075"
        return of_json(digits[0]) if digits else None
    numbers = [part for part in wanted if isinstance(part, int)]
    best: JsonPlace | None = None
    best_score = -1
    for place in index.by_name.get(names[-1], ()):
        score = _likeness(place.path, names, numbers) + (place.path[-1] == wanted[-1])
        if score > best_score:
            best, best_score = place, score
    if best is not None and isinstance(wanted[-1], int):
        best = index.by_path.get((*best.path, wanted[-1]), best)
    return of_json(best) if best is not None else None


def _likeness(path: JsonPath, names: list[str], numbers: list[int]) -> int:
    """How many of the last names of a path are the wanted ones, and then how many of its indices."""
    score = 0
    own = [plain_name(part) for part in path if isinstance(part, str)]
    for one, two in zip(reversed(own), reversed(names), strict=False):
        if one != two:
            break
        score += 8
    if numbers:
        places = [part for part in path if isinstance(part, int)]
        score += sum(2 for one, two in zip(reversed(places), reversed(numbers), strict=False) if one == two)
    return score


def _pair_index(exchange: Exchange, where: str) -> PairIndex:
    cache = exchange.cache
    if where not in cache:
        is_url = where == "url"
        pairs = query_pairs(exchange.url) if is_url else form_pairs(exchange.parseable_body or b"")
        cache[where] = PairIndex(pairs, where, "query" if is_url else "form")
    found: PairIndex = cache[where]
    return found


def form_pairs(body: bytes) -> Iterator[Pair]:
    """The same as `query_pairs`, of a form body."""
    for pair in _FORM_PAIR.finditer(body, 0, QUERY_CHARS):
        yield pair.start(1), pair[1].decode("latin-1"), pair.start(2), pair.end(2)


def query_pairs(url: str) -> Iterator[Pair]:
    """The offset of each name of a query, the name as it is written, and the span of its value (-1: none)."""
    start = url.find("?", 0, QUERY_CHARS)
    if start >= 0:
        for pair in _QUERY_PAIR.finditer(url, start, QUERY_CHARS):
            yield pair.start(1), pair[1], pair.start(2), pair.end(2)


def _in_embedded(exchange: Exchange, name: str) -> Place | None:
    """A member of JSON that a query parameter or a form field holds, at its key."""
    last = next((part for part in reversed(path_of(name)) if isinstance(part, str)), "")
    if "embedded places" not in exchange.cache:
        url, body = exchange.url, exchange.parseable_body
        found = [EmbeddedIndex(url, query_pairs(url), "url", "query")]
        if body and exchange.media_type.essence == "application/x-www-form-urlencoded":
            text = body[:QUERY_CHARS].decode("latin-1")
            found.append(EmbeddedIndex(text, form_pairs(body), "body", "form"))
        exchange.cache["embedded places"] = found
    indexes: list[EmbeddedIndex] = exchange.cache["embedded places"]
    return next((place for place in (index.find(last) for index in indexes) if place is not None), None)


def _in_xml(body: bytes, name: str) -> Place | None:
    parts = [part for part in path_of(name.rpartition("}")[2]) if isinstance(part, str)]
    if not parts:
        return None
    local = parts[-1].rpartition(":")[2].encode("utf-8", "replace")
    if local not in body:
        return None
    wanted = re.escape(local)
    element = re.search(rb"<(?:[\w.-]{1,64}:)?(" + wanted + rb")(?=[\s/>])[^<>]{0,4096}>([^<]{0,4096})", body)
    if element is not None:
        return Place("body", "xml", element.start(1), len(element[1]), element.start(2), element.end(2), parts[-1])
    attribute = re.search(rb"[\s](?:[\w.-]{1,64}:)?(" + wanted + rb")\s?=\s?[\"']([^\"'<]{0,4096})", body)
    if attribute is not None:
        start = attribute.start(1)
        return Place("body", "xml", start, len(attribute[1]), attribute.start(2), attribute.end(2), parts[-1])
    return None
