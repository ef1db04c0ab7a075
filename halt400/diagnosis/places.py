"""Find the place of a field or a value in a request: JSON, XML, form and multipart bodies, query, path, headers.

A `Place` has the span of the name and of the value, so that evidence can point at either and a mend can replace either.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote_plus

from halt400.diagnosis.exchange import Exchange
from halt400.diagnosis.json_places import JsonPath, JsonPlace, json_places, path_of, path_text, plain_name
from halt400.diagnosis.path_places import QUERY_CHARS, Place, last_segment, segment_named, url_path
from halt400.diagnosis.text_offsets import percent_offset

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
_OPENING = ("%7B", "%5B")


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
        found = _in_query(exchange, name)
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
    if location in (None, "header"):
        lower = name.lower()
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
        return _in_form(body, name)
    if essence.startswith("multipart/"):
        wanted = plain_name(name)
        for part in _PART_NAME.finditer(body):
            text = part[1].decode("utf-8", "replace")
            if plain_name(text) == wanted:
                start = part.start(1)
                return Place("body", "multipart", start, len(part[1]), start, part.end(1), text)
        return None
    if body[:1] == b"<" or "xml" in essence:
        return _in_xml(body, name)
    index = json_index(exchange)
    return _in_json(index, name) if index is not None else None


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


def _in_form(body: bytes, name: str) -> Place | None:
    return _in_pairs(form_pairs(body), name, "body", "form")


def form_pairs(body: bytes) -> Iterator[tuple[int, str, int, int]]:
    """The same as `query_pairs`, of a form body."""
    for pair in _FORM_PAIR.finditer(body, 0, QUERY_CHARS):
        yield pair.start(1), pair[1].decode("latin-1"), pair.start(2), pair.end(2)


def _in_query(exchange: Exchange, name: str) -> Place | None:
    return _in_pairs(query_pairs(exchange.url), name, "url", "query")


def query_pairs(url: str) -> Iterator[tuple[int, str, int, int]]:
    """The offset of each name of a query, the name as it is written, and the span of its value (-1: none)."""
    start = url.find("?", 0, QUERY_CHARS)
    if start >= 0:
        for pair in _QUERY_PAIR.finditer(url, start, QUERY_CHARS):
            yield pair.start(1), pair[1], pair.start(2), pair.end(2)


def _in_pairs(pairs: Iterator[tuple[int, str, int, int]], name: str, where: str, kind: str) -> Place | None:
    """Find a name: as a whole, by its last part, and last by the last part of a name such as ``user[email]``."""
    wanted = [part for part in path_of(name) if isinstance(part, str)]
    whole, last = plain_name(name), plain_name(wanted[-1]) if wanted else ""
    best: Place | None = None
    best_rank = 0
    for start, written, value, end in pairs:
        text = unquote_plus(written) if "%" in written or "+" in written else written
        plain = plain_name(text)
        rank = 3 if plain and plain == whole else 2 if plain and plain == last else 0
        if not rank and last and ("[" in text or "." in text):
            parts = [plain_name(part) for part in path_of(text) if isinstance(part, str)]
            rank = 1 if parts and last in (parts[-1], parts[0]) else 0
            if len(wanted) > 1 and parts[: len(wanted)] == [plain_name(part) for part in wanted]:
                rank = 2
        if rank > best_rank:
            place = (value, end) if value >= 0 else (start + len(written),) * 2
            best, best_rank = Place(where, kind, start, len(written), *place, text[:200]), rank
    return best


def _in_embedded(exchange: Exchange, name: str) -> Place | None:
    """A member of JSON that a query parameter or a form field holds, at its key."""
    body = exchange.parseable_body
    is_form = bool(body) and exchange.media_type.essence == "application/x-www-form-urlencoded"
    last = next((part for part in reversed(path_of(name)) if isinstance(part, str)), "")
    texts = [("url", "query", exchange.url, query_pairs(exchange.url))]
    if body and is_form:
        texts.append(("body", "form", body[:QUERY_CHARS].decode("latin-1"), form_pairs(body)))
    for where, kind, text, pairs in texts:
        for _, written, value, end in pairs:
            if value < 0 or (text[value : value + 3].upper() not in _OPENING and text[value : value + 1] not in "{["):
                continue
            index = unquote_plus(text[value:end]).find(f'"{last}"') if last else -1
            if index >= 0:
                at = percent_offset(text, value, index)
                stop = min(end, percent_offset(text, at, len(last) + 2))
                return Place(where, kind, -1, 0, at, stop, f"{unquote_plus(written)[:80]}.{last[:80]}")
    return None


def _in_xml(body: bytes, name: str) -> Place | None:
    parts = [part for part in path_of(name.rpartition("}")[2]) if isinstance(part, str)]
    if not parts:
        return None
    wanted = re.escape(parts[-1].rpartition(":")[2].encode("utf-8", "replace"))
    element = re.search(rb"<(?:[\w.-]{1,64}:)?(" + wanted + rb")(?=[\s/>])[^<>]{0,4096}>([^<]{0,4096})", body)
    if element is not None:
        return Place("body", "xml", element.start(1), len(element[1]), element.start(2), element.end(2), parts[-1])
    attribute = re.search(rb"[\s](?:[\w.-]{1,64}:)?(" + wanted + rb")\s?=\s?[\"']([^\"'<]{0,4096})", body)
    if attribute is not None:
        start = attribute.start(1)
        return Place("body", "xml", start, len(attribute[1]), attribute.start(2), attribute.end(2), parts[-1])
    return None
