"""Where each member and element of a JSON body is: its path, the place of its key and of its value.

Servers write paths in many ways: ``/data/1/name`` (RFC 6901), ``data[1].name``, ``$.data[1].name`` (RFC 9535),
``data.1.name`` (Laravel), ``data[1][name]`` (Rails). `path_of` reads all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct

__all__ = ["JsonPath", "JsonPlace", "json_places", "path_of", "path_text", "plain_name"]

JsonPath = tuple[str | int, ...]

_PIECE = re.compile(rb'"((?:[^"\\]|\\.)*+)"([ \t\n\r]*+:)?+|[{}\[\],]|[^][{},:"\s]++', re.DOTALL)
_MAX_PIECES = 60_000
_MAX_DEPTH = 64
_SEPARATORS = re.compile(r"\s?(?:->|→|›|»)\s?|[./\[\]]+")
_QUOTES = "\"'`"
_NOT_NAME = re.compile(r"[^a-z0-9]+")


class JsonPlace(Struct, array_like=True, gc=False):
    """One member or element; offsets and ends count bytes of the body, `key` is -1 for an element of an array."""

    path: JsonPath
    key: int
    key_length: int
    value: int
    value_end: int


def plain_name(name: str) -> str:
    """The letters and digits of a name, in lower case.

    Examples
    --------
    >>> plain_name("accountId"), plain_name("account_id")
    ('accountid', 'accountid')
    """
    lower = name.lower()
    return lower if lower.isascii() and lower.isalnum() else _NOT_NAME.sub("", lower)


def path_of(name: str) -> JsonPath:
    """Read a path as a server writes it.

    Examples
    --------
    >>> path_of("/data/1/a~1b"), path_of("$.items[0].price"), path_of("page[limit]"), path_of("items.1.qty")
    (('data', 1, 'a/b'), ('items', 0, 'price'), ('page', 'limit'), ('items', 1, 'qty'))
    """
    text = name.strip()
    if text.startswith("#"):
        text = text[1:]
    pointer = text.startswith("/")
    if pointer:
        parts = [part.replace("~1", "/").replace("~0", "~") for part in text[1:].split("/")]
    else:
        if text.startswith("$") and text[1:2] in (".", "["):
            text = text[1:]
        parts = [part.strip(_QUOTES) for part in _SEPARATORS.split(text)]
    return tuple(int(part) if part.isdecimal() and len(part) < 10 else part for part in parts if part)


def path_text(path: JsonPath) -> str:
    """Write a path.

    Examples
    --------
    >>> path_text(("embeds", 0, "value"))
    'embeds[0].value'
    """
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def json_places(body: bytes) -> Iterator[JsonPlace]:
    r"""Each member and element of a JSON text, in order of its end; at most some ten thousand of them.

    Examples
    --------
    >>> [(path_text(place.path), place.key, place.value) for place in json_places(b'{"a": [1, {"b": 2}]}')]
    [('a[0]', -1, 7), ('a[1].b', 11, 16), ('a[1]', -1, 10), ('a', 1, 6)]
    """
    path: list[str | int] = []
    opened: list[tuple[int, int, int, bool]] = []  # the start of a value, its key and the length of that, is an array
    key_at, key_length = -1, 0
    for count, piece in enumerate(_PIECE.finditer(body)):
        if count > _MAX_PIECES or len(path) > _MAX_DEPTH:
            return
        start = piece.start()
        first = body[start]
        if first == 0x7B or first == 0x5B:
            opened.append((start, key_at, key_length, first == 0x5B))
            path.append(0 if first == 0x5B else "")
            key_at, key_length = -1, 0
        elif first == 0x7D or first == 0x5D:
            if not opened:
                return
            value, key, length, _ = opened.pop()
            path.pop()
            if path:
                yield JsonPlace(tuple(path), key, length, value, piece.end())
        elif first == 0x2C:
            if opened and opened[-1][3]:
                path[-1] = int(path[-1]) + 1
            key_at = -1
        elif piece[2] is not None and opened and not opened[-1][3] and key_at < 0:
            path[-1] = _text(piece[1])
            key_at, key_length = start, len(piece[1]) + 2
        elif path:
            yield JsonPlace(tuple(path), key_at, key_length, start, piece.end())
            key_at = -1


def _text(raw: bytes) -> str:
    text = raw.decode("utf-8", "replace")
    if "\\" not in text:
        return text
    return re.sub(r"\\u([0-9a-fA-F]{4})|\\(.)", _unescaped, text)


def _unescaped(match: re.Match[str]) -> str:
    if match[1] is not None:
        return chr(int(match[1], 16))
    return {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}.get(match[2], match[2])
