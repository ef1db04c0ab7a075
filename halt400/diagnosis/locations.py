"""Locate a field or a value, by its name or text, in the body, the URL or the headers of a request."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote

from halt400.diagnosis.exchange import Exchange
from halt400.diagnosis.finding import at_body, at_text
from halt400.records import Evidence

__all__ = ["locate_name", "locate_value"]

_PIECE = re.compile(rb'"((?:[^"\\]|\\.)*+)"([ \t\n\r]*+:)?+|[{}\[\],]', re.DOTALL)
_MAX_PIECES = 40_000
_QUERY_PAIR = re.compile(r"[?&]([^=&#]*)(?:=([^&#]*))?")
_FORM_PAIR = re.compile(rb"(?:^|&)([^=&]*)(?:=([^&]*))?")
_NOT_NAME = re.compile(r"[^a-z0-9]+")


def _plain(name: str) -> str:
    return _NOT_NAME.sub("", name.lower())


def _last(name: str) -> str:
    parts = [part for part in re.split(r"[./\[\]]+", name) if part and not part.isdigit()]
    return parts[-1] if parts else name


def _parts(name: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in re.split(r"[./\[\]]+", name.lstrip("#$/.")) if part]


def _members(body: bytes) -> Iterator[tuple[list[str], int, int]]:
    """Each member of a JSON document: its path (array indices as numbers), the offset of its key, the key's length."""
    path: list[str | int] = []
    stack: list[bool] = []
    key: str | None = None
    for count, piece in enumerate(_PIECE.finditer(body)):
        if count > _MAX_PIECES or len(path) > 64:
            return
        token = piece[0]
        if token in (b"{", b"["):
            stack.append(token == b"[")
            path.append(0 if token == b"[" else (key or ""))
            key = None
        elif token in (b"}", b"]"):
            if stack:
                stack.pop()
                path.pop()
        elif token == b",":
            if stack and stack[-1]:
                path[-1] = int(path[-1]) + 1
        elif piece[2] is not None and stack and not stack[-1]:
            key = piece[1].decode("utf-8", "replace")
            # Inside an object, path[-1] is its current key.
            path[-1] = key
            yield [str(part) for part in path], piece.start(), len(piece[1]) + 2


def _by_last_name(exchange: Exchange, body: bytes) -> dict[str, list[tuple[list[str], int, int]]]:
    """The members by the plain form of their own name; built once per exchange, for any number of searches."""
    index: dict[str, list[tuple[list[str], int, int]]] | None = exchange.cache.get("members")
    if index is None:
        index = exchange.cache["members"] = {}
        for path, offset, length in _members(body):
            found = index.setdefault(_plain(path[-1]), [])
            if len(found) < 64:
                found.append((path, offset, length))
    return index


def locate_name(exchange: Exchange, name: str, location: str | None, detail: str) -> Evidence | None:
    """Locate the field `name`; None where the request does not hold it.

    Parameters
    ----------
    name
        As the server writes it: ``/data/attributes/name``, ``data.name``, ``name``, ``items[0].price``.
    location
        body, query, path or header, where the server says so.
    detail
        What the evidence says.

    Examples
    --------
    >>> from halt400.records import Request
    >>> headers = [("Content-Type", "application/json")]
    >>> request = Request(method="POST", url="https://a.example/", headers=headers, body='{"a": {"name": 1}}')
    >>> locate_name(Exchange(request), "/a/name", None, "Refused.").offset
    7
    """
    if location in (None, "body"):
        found = _in_body(exchange, name, detail)
        if found is not None:
            return found
    if location in (None, "query", "path"):
        found = _in_query(exchange, name, detail)
        if found is not None:
            return found
    if location in (None, "header"):
        for header, value in exchange.headers:
            if header.lower() == name.lower():
                secret = header.lower() in {"authorization", "cookie", "proxy-authorization"}
                return at_text("header", value, 0, detail, name=header, secret=secret)
    return None


def _in_body(exchange: Exchange, name: str, detail: str) -> Evidence | None:
    body = exchange.parseable_body
    if not body:
        return None
    wanted = _parts(name)
    last = _plain(_last(name))
    if exchange.media_type.essence == "application/x-www-form-urlencoded":
        for pair in _FORM_PAIR.finditer(body):
            if _plain(unquote(pair[1].decode("latin-1"))) == _plain(name) and pair[1]:
                return at_body(body, pair.start(1), detail, length=len(pair[1]), name=name)
        return None
    if exchange.json is None or not last:
        return None
    best: tuple[int, int, int] | None = None
    for path, offset, length in _by_last_name(exchange, body).get(last, ()):
        named = [part for part in path if not part.isdigit()]
        score = sum(
            1
            for one, two in zip(reversed(named), reversed([p for p in wanted if not p.isdigit()]), strict=False)
            if _plain(one) == _plain(two)
        )
        score = score * 4 + (2 if path == wanted else 0) + (1 if path[-1] == _last(name) else 0)
        if best is None or score > best[0]:
            best = (score, offset, length)
    if best is None:
        return None
    return at_body(body, best[1], detail, length=best[2], name=name)


def _in_query(exchange: Exchange, name: str, detail: str) -> Evidence | None:
    url = exchange.url[:65536]
    start = url.find("?")
    if start < 0:
        return None
    wanted = {_plain(name), _plain(_last(name))} - {""}
    for pair in _QUERY_PAIR.finditer(url, start):
        if _plain(unquote(pair[1])) in wanted:
            return at_text("url", url, pair.start(1), detail, length=len(pair[1]), name=name)
    return None


def locate_value(exchange: Exchange, value: str, detail: str) -> Evidence | None:
    """Locate a value that the server repeats in the request, with the name of its field.

    Examples
    --------
    >>> from halt400.records import Request
    >>> request = Request(method="GET", url="https://a.example/search?query=status%3Anone")
    >>> locate_value(Exchange(request), "none", "Refused.").name
    'query'
    """
    url = exchange.url[:65536]
    start = url.find("?")
    if start >= 0:
        for pair in _QUERY_PAIR.finditer(url, start):
            if pair[2] and value in unquote(pair[2].replace("+", " ")):
                return at_text("url", url, pair.start(2), detail, length=len(pair[2]), name=unquote(pair[1])[:80])
    body = exchange.parseable_body
    if body and exchange.json is not None:
        needle = value.encode("utf-8", "replace")
        at = body.find(b'"' + needle + b'"')
        if at < 0:
            at = body.find(needle) if len(needle) >= 4 else -1
        if at >= 0:
            owner = ""
            for path, offset, _ in _members(body):
                if offset > at:
                    break
                owner = ".".join(part for part in path if not part.isdigit())
                if offset == at:
                    break
            return at_body(body, at, detail, length=len(needle), name=owner[:120] or None)
    host = url.find("/", url.find("//") + 2)
    path_end = start if start >= 0 else len(url)
    for segment in re.finditer(r"[^/?#]+", url[max(0, host) : path_end]):
        if host >= 0 and len(value) >= 3 and value == unquote(segment[0]):
            return at_text("url", url, host + segment.start(), detail, length=len(segment[0]), name="path")
    return None
