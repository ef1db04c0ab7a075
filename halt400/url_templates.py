"""URL templates: the URL of an endpoint, with each part that names one item replaced by a slot such as ``{n}``.

`docs/fingerprints.md` has the rules, so that another language can compute the same template. They use no regular
expression with look-around and read each character a bounded number of times: any string, however broken, has a
template in linear time.
"""

import re
from functools import lru_cache
from typing import Final

__all__ = ["path_template", "slot_name", "url_template"]

MAX_URL_CHARS: Final = 16_384
MAX_SEGMENTS: Final = 64
MAX_QUERY_KEYS: Final = 64
LONG_TOKEN_CHARS: Final = 32
CACHED_NAME_CHARS: Final = 64
CACHED_URL_CHARS: Final = 1_024
CACHED_PATH_CHARS: Final = 256
"""Longest name and URL whose result is cached, so that the caches are bounded in bytes, too."""
SLUG_WORDS: Final = 4

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,31})://")
_UUID = re.compile(r"\{?[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\}?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}(-[0-9]{2}([Tt_ ].{0,64})?)?")
_TEXT = re.compile(r"[^\x21-\x24\x26-\x7e]")
_TOKENS = re.compile(r"[A-Za-z0-9]+|[^A-Za-z0-9]")
_HEX = re.compile(r"[0-9a-fA-F]+")
_DIGIT = re.compile(r"[0-9]")
_DIGIT_RUN = re.compile(r"[0-9]{2,}")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def _slot_token(token: str) -> str:
    """One run of ASCII letters and digits, as it is in a template."""
    digits = len(_DIGIT.findall(token))
    if digits == len(token):
        return "{n}"
    if digits >= 2 and len(token) >= 8:
        return "{hash}" if _HEX.fullmatch(token) else "{id}"
    if len(token) > LONG_TOKEN_CHARS:
        return "{id}"
    return _DIGIT_RUN.sub("{n}", token) if digits >= 2 else token


def slot_name(name: str) -> str:
    """Replace what names one item in a path segment, a query key or a key of a body.

    Examples
    --------
    >>> [slot_name(name) for name in ("orders", "42", "order-12345.json", "2024-05-01", "9s6XKzkNRiz8i3")]
    ['orders', '{n}', 'order-{n}.json', '{date}', '{id}']
    """
    return _cached_slot(name) if len(name) <= CACHED_NAME_CHARS else _slot(name[:MAX_URL_CHARS])


def _slot(name: str) -> str:
    if _UUID.fullmatch(name):
        return "{uuid}"
    if _DATE.fullmatch(name):
        return "{date}"
    if _TEXT.search(name):
        return "{text}"
    words = 0
    parts = []
    for token in _TOKENS.findall(name):
        if token.isalnum():
            words += 1
            if words >= SLUG_WORDS:
                return "{slug}"
            parts.append(_slot_token(token))
        else:
            parts.append(token)
    return "".join(parts)


_cached_slot = lru_cache(maxsize=4_096)(_slot)


def _authority_template(authority: str, scheme: str) -> str:
    host = authority.rpartition("@")[2].lower()
    return host.removesuffix(_DEFAULT_PORTS.get(scheme, "\0"))


def url_template(url: str) -> str:
    """The template of `url`: no userinfo, no fragment, slots in the path, query keys sorted and without values.

    Parameters
    ----------
    url
        Any string; only the first 16,384 characters count.

    Examples
    --------
    >>> url_template("https://Bob:pw@API.shop.example:443/v1/orders/42?page=2&limit=10#top")
    'https://api.shop.example/v1/orders/{n}?limit&page'
    """
    return _cached_template(url) if len(url) <= CACHED_URL_CHARS else _template(url[:MAX_URL_CHARS])


def path_template(url: str) -> str:
    """The template of `url` without its query.

    Examples
    --------
    >>> path_template("https://api.shop.example/v1/orders/42?page=2")
    'https://api.shop.example/v1/orders/{n}'
    """
    rest = url[:MAX_URL_CHARS].partition("#")[0].partition("?")[0]
    return _cached_path(rest) if len(rest) <= CACHED_PATH_CHARS else _path(rest)


def _path(rest: str) -> str:
    head = ""
    if match := _SCHEME.match(rest):
        scheme = match[1].lower()
        authority, slash, path = rest[match.end() :].partition("/")
        head = f"{scheme}://{_authority_template(authority, scheme)}"
        rest = slash + path
    segments = rest.split("/")
    more = segments[MAX_SEGMENTS:]
    path = "/".join([slot_name(segment) for segment in segments[:MAX_SEGMENTS]]) + ("/{more}" if more else "")
    return head + path


_cached_path = lru_cache(maxsize=1_024)(_path)
"""A job asks the same endpoint again and again, with other queries."""


def _template(url: str) -> str:
    rest, question, query = url.partition("#")[0].partition("?")
    path = _cached_path(rest) if len(rest) <= CACHED_PATH_CHARS else _path(rest)
    if not question:
        return path
    keys = sorted({slot_name(pair.partition("=")[0]) for pair in query.split("&") if pair})
    if len(keys) > MAX_QUERY_KEYS:
        keys[MAX_QUERY_KEYS:] = ["{more}"]
    return f"{path}?{'&'.join(keys)}"


_cached_template = lru_cache(maxsize=64)(_template)
"""The fingerprints of a request and its profile need the same template, one after the other."""
