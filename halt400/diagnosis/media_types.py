"""Media types: parse a Content-Type field and find its first mistake (RFC 9110 section 8.3.1, RFC 2046)."""

from __future__ import annotations

import re
from functools import lru_cache

from msgspec import Struct

__all__ = ["MediaType", "is_json", "is_xml", "parse_media_type"]

_TCHARS = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_TYPE = re.compile(rf"[ \t]*({_TCHARS})/({_TCHARS})[ \t]*")
_PARAMETER = re.compile(rf"[ \t]*({_TCHARS})=(?:({_TCHARS})|\"((?:[^\"\\]|\\.)*+)\")[ \t]*")
_KEPT_CHARS = 64
_LOOSE = re.compile(r"[ \t]*([^=;,]*)(?:=([^;,]*))?")


class MediaType(Struct, frozen=True):
    """A parsed media type. `essence` is ``type/subtype`` in lower case, or empty; `problem` is the first mistake."""

    essence: str
    parameters: dict[str, str]
    problem: str | None = None
    problem_index: int = 0

    @property
    def charset(self) -> str | None:
        """The declared charset in lower case."""
        found = self.parameters.get("charset")
        return found.lower() if found is not None else None


def parse_media_type(value: str) -> MediaType:
    """Parse a Content-Type field value; never raises.

    Examples
    --------
    >>> parse_media_type("Application/JSON; charset=UTF-8")
    MediaType(essence='application/json', parameters={'charset': 'UTF-8'}, problem=None, problem_index=0)
    >>> parse_media_type("application").problem
    'it is no type/subtype pair'
    """
    return _parse_cached(value) if len(value) <= _KEPT_CHARS else _parse(value[:8192])


def _parse(value: str) -> MediaType:
    found = _TYPE.match(value)
    if found is None:
        return MediaType("", {}, "it is no type/subtype pair", 0)
    essence = f"{found[1]}/{found[2]}".lower()
    parameters: dict[str, str] = {}
    problem: str | None = None
    problem_index = 0
    at = found.end()
    while at < len(value):
        if value[at] == "," and problem is None:
            return MediaType(essence, parameters, "two values in one field", at)
        if value[at] != ";":
            return MediaType(essence, parameters, problem or "text after the subtype", at)
        at += 1
        if not value[at:].lstrip(" \t;"):
            break
        parameter = _PARAMETER.match(value, at)
        if parameter is not None and (parameter.end() == len(value) or value[parameter.end()] in ";,"):
            name, plain, quoted = parameter.groups()
            text = plain if plain is not None else re.sub(r"\\(.)", r"\1", quoted)
            if name.lower() in parameters and problem is None:
                problem, problem_index = f"the parameter {name} is there twice", at
            parameters.setdefault(name.lower(), text)
            at = parameter.end()
            continue
        loose = _LOOSE.match(value, at)
        if loose is None or loose.end() == at:
            return MediaType(essence, parameters, problem or "text that is no parameter", at)
        if problem is None and loose[0].strip():
            problem = 'a parameter is not written name=token or name="text"'
            problem_index = at
        if loose[2] is not None:
            parameters.setdefault(loose[1].strip().lower(), loose[2].strip(' \t"'))
        at = loose.end()
    return MediaType(essence, parameters, problem, problem_index)


_parse_cached = lru_cache(maxsize=512)(_parse)


def is_json(essence: str) -> bool:
    """Whether the media type is JSON (RFC 8259, RFC 6839 ``+json``)."""
    return essence in {"application/json", "text/json", "application/x-json"} or essence.endswith("+json")


def is_xml(essence: str) -> bool:
    """Whether the media type is XML (RFC 7303)."""
    return essence in {"application/xml", "text/xml"} or essence.endswith("+xml")
