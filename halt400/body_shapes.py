"""Body shapes: the keys and types of a request body without any of its values.

`docs/fingerprints.md` has the rules, so that another language can compute the same shape. Time and memory are bounded
for any body: one that is too long or too deep to walk has the shape of a malformed one.
"""

import json
import re
from functools import lru_cache
from typing import Any, Final
from urllib.parse import unquote_plus

import msgspec

from halt400.url_templates import slot_name

__all__ = ["body_shape"]

MAX_PARSED_BYTES: Final = 1_048_576
MAX_SCANNED_BYTES: Final = 65_536
MAX_DEPTH: Final = 16
MAX_NODES: Final = 4_096
MAX_NAMES: Final = 128
CACHED_NAME_CHARS: Final = 64
CACHED_BODY_BYTES: Final = 2_048
"""Longest name and body whose result is cached, so that the caches are bounded in bytes, too."""

_NESTING = re.compile(rb'"(?:[^"\\]|\\.)*"?|[\[{]|[\]}]', re.DOTALL)
_STRING = re.compile(rb'"((?:[^"\\]|\\.)*)"?(?:[ \t\r\n]*(:))?', re.DOTALL)
_PLAIN_KEY = re.compile(rb"[ !#-\[\]-~]*+")
_TAG = re.compile(rb"<([A-Za-z_][A-Za-z0-9_.:-]*)")
_PART_NAME = re.compile(rb'[Nn][Aa][Mm][Ee]="([^"\r\n]*)"')


class _TooLargeError(Exception):
    pass


@lru_cache(maxsize=2_048)
def _cached_quoted(name: str) -> str:
    return json.dumps(slot_name(name))


def _quoted(name: str) -> str:
    return _cached_quoted(name) if len(name) <= CACHED_NAME_CHARS else json.dumps(slot_name(name))


def _listed(kind: str, names: set[str]) -> str:
    ordered = sorted(names)
    if len(ordered) > MAX_NAMES:
        ordered[MAX_NAMES:] = ["{more}"]
    return f"{kind}({','.join(ordered)})"


class _Walk:
    """The shape of a parsed JSON document, within a budget of nodes."""

    def __init__(self) -> None:
        self.nodes = 0

    def shape(self, value: Any, depth: int = 0) -> str:
        self.nodes += 1
        if self.nodes > MAX_NODES or depth > MAX_DEPTH:
            raise _TooLargeError
        if isinstance(value, dict):
            members: dict[str, set[str]] = {}
            for key, member in value.items():
                members.setdefault(_quoted(key), set()).add(self.shape(member, depth + 1))
            return "{" + ",".join(f"{key}:{'|'.join(sorted(members[key]))}" for key in sorted(members)) + "}"
        if isinstance(value, list):
            return "[" + "|".join(sorted({self.shape(item, depth + 1) for item in value})) + "]"
        if isinstance(value, str):
            return "string"
        if isinstance(value, bool):
            return "boolean"
        return "null" if value is None else "number"


def _too_deep(body: bytes) -> bool:
    if body.count(b"[") + body.count(b"{") <= MAX_DEPTH:
        return False
    depth = 0
    for match in _NESTING.finditer(body):
        token = match[0]
        if token in b"[{":
            depth += 1
            if depth > MAX_DEPTH + 1:
                return True
        elif token in b"]}":
            depth -= 1
    return False


def _json_shape(body: bytes) -> str | None:
    """The shape of a well-formed document within the limits, None for others."""
    if len(body) > MAX_PARSED_BYTES or _too_deep(body):
        return None
    try:
        return "json " + _Walk().shape(msgspec.json.decode(body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, _TooLargeError):
        return None


def _json_key(raw: bytes) -> str:
    if _PLAIN_KEY.fullmatch(raw):
        return _quoted(raw.decode())
    try:
        return _quoted(str(json.loads(b'"' + raw + b'"')))
    except ValueError:
        return '"{text}"'


def _malformed_json_shape(body: bytes) -> str:
    """Malformed bodies are grouped by their keys, wherever the defect is."""
    strings = _STRING.finditer(body[:MAX_SCANNED_BYTES])
    return _listed("json!", {_json_key(match[1]) for match in strings if match[2]})


def _form_shape(body: bytes) -> str:
    pairs = body[:MAX_SCANNED_BYTES].split(b"&")
    return _listed("form", {_quoted(unquote_plus(pair.partition(b"=")[0].decode("latin-1"))) for pair in pairs if pair})


def _multipart_shape(body: bytes) -> str:
    names = {_quoted(match[1].decode("utf-8", "replace")) for match in _PART_NAME.finditer(body[:MAX_SCANNED_BYTES])}
    return _listed("multipart", names)


def _xml_shape(body: bytes) -> str:
    return _listed("xml", {match[1].decode() for match in _TAG.finditer(body[:MAX_SCANNED_BYTES])})


def body_shape(body: str | bytes | None, content_type: str | None) -> str:
    """The shape of a request body: keys and types, never values.

    Parameters
    ----------
    body
        The body as it was sent; None where there is none.
    content_type
        The value of the Content-Type field; None where there is none. Where it names no known kind, the first bytes
        decide.

    Examples
    --------
    >>> body_shape('{"id": 7, "tags": ["a", "b"], "at": null}', "application/json")
    'json {"at":null,"id":number,"tags":[string]}'
    >>> body_shape('{"id": 7, }', "application/json")
    'json!("id")'
    """
    if body is None:
        return "none"
    data = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    if not data:
        return "empty"
    short = len(data) <= CACHED_BODY_BYTES and len(content_type or "") <= CACHED_NAME_CHARS
    return _cached_shape(data, content_type) if short else _shape(data, content_type)


def _shape(data: bytes, content_type: str | None) -> str:
    media = (content_type or "").partition(";")[0].strip().lower()[:255]
    start = data[:64].lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if media == "application/x-www-form-urlencoded":
        return _form_shape(data)
    if media.startswith("multipart/"):
        return _multipart_shape(data)
    if media == "application/json" or media.endswith(("+json", "/json")) or start in (b"{", b"["):
        return _json_shape(data) or _malformed_json_shape(data)
    if media in ("application/xml", "text/xml") or media.endswith("+xml") or start == b"<":
        return _xml_shape(data)
    return "binary" if b"\0" in data[:1024] else "text"


_cached_shape = lru_cache(maxsize=128)(_shape)
"""Cached, because a scraper that sends a broken body sends it again and again."""
