"""Fingerprints and signatures: digests that identify the exact request, and the group of like requests.

Each is the first 128 bits of a SHA-256 in hexadecimal, over a canonical form that `docs/fingerprints.md` defines for
any language:

- the **request fingerprint** is equal for all attempts of one logical request: method, URL, ordered header names, the
  header values that shape the response, and the hash of the body;
- the **signature** is equal for requests of one kind: target, URL template, ordered header names and body shape.

No secret enters in the clear. Only the values of the fields in `VALUE_HEADERS` (and of ``*-version``) are read;
Authorization, Cookie, API keys, tokens and all other values are not. Userinfo and the values of credentials in the
query become a placeholder. Headers that differ between two attempts (tracing, cookies) are left out.
"""

import base64
import binascii
import hashlib
import re
from functools import lru_cache
from typing import Final

from halt400.body_shapes import body_shape
from halt400.records import Fingerprints, Request
from halt400.url_templates import url_template

__all__ = [
    "TRANSIT_HEADERS",
    "VALUE_HEADERS",
    "body_shape",
    "fingerprint_request",
    "fingerprints",
    "signature",
    "url_template",
]

VALUE_HEADERS: Final = frozenset(
    {
        "accept",
        "accept-charset",
        "accept-encoding",
        "accept-language",
        "content-encoding",
        "content-language",
        "content-type",
        "expect",
        "host",
        "if-match",
        "if-modified-since",
        "if-none-match",
        "if-unmodified-since",
        "origin",
        "prefer",
        "range",
        "te",
        "transfer-encoding",
        "upgrade",
        "x-http-method-override",
        "x-requested-with",
    }
)
"""The fields whose values are part of the fingerprint, besides every field that ends in ``-version``."""

TRANSIT_HEADERS: Final = frozenset(
    {
        "b3",
        "baggage",
        "correlation-id",
        "idempotency-key",
        "newrelic",
        "request-id",
        "sentry-trace",
        "traceparent",
        "tracestate",
        "uber-trace-id",
        "x-amzn-trace-id",
        "x-attempt",
        "x-cloud-trace-context",
        "x-correlation-id",
        "x-request-id",
        "x-retry-count",
    }
)
"""The fields that a client sets anew for each attempt, besides ``x-b3-*`` and ``x-datadog-*``: left out."""

_SECRET_NAMES: Final = frozenset({"auth", "credential", "credentials", "jwt", "key", "pass", "pwd", "sid", "sig"})
_SECRET_ENDINGS: Final = (
    "accesskey",
    "apikey",
    "authorization",
    "passphrase",
    "passwd",
    "password",
    "privatekey",
    "secret",
    "secretkey",
    "sessid",
    "sessionid",
    "signature",
    "token",
)
_PAGE_TOKENS: Final = ("continuationtoken", "nexttoken", "pagetoken", "paginationtoken", "synctoken")
_BLANK: Final = " \t"
_NOT_NAME = re.compile(r"[^a-z0-9]+")
_USERINFO = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,31}://)[^/?#]*@")
_NAME = re.compile(r"(?<![^&])([^&=]++)=")
_PAIR = re.compile(r"(?<![^&])([^&=]++)=[^&]*+")
_CACHED_NAME_CHARS: Final = 64
"""Longest name whose result is cached, so that the caches are bounded in bytes, too."""


def _digest(parts: list[str]) -> str:
    """SHA-256 over netstrings, cut to 128 bits: ``<length in bytes>:<bytes>,`` for each part, in order."""
    text = "".join([f"{len(part)}:{part}," for part in parts])
    if text.isascii():
        data = text.encode()
    else:
        encoded = [part.encode("utf-8", "surrogatepass") for part in parts]
        data = b"".join([b"%d:%b," % (len(part), part) for part in encoded])
    return hashlib.sha256(data).hexdigest()[:32]


@lru_cache(maxsize=4_096)
def _cached_secret_name(name: str) -> bool:
    plain = _NOT_NAME.sub("", name.lower())
    return plain in _SECRET_NAMES or (plain.endswith(_SECRET_ENDINGS) and not plain.endswith(_PAGE_TOKENS))


def _is_secret_name(name: str) -> bool:
    return _cached_secret_name(name) if len(name) <= _CACHED_NAME_CHARS else _cached_secret_name.__wrapped__(name[:256])


def _url_without_secrets(url: str) -> str:
    url = url.partition("#")[0]
    if "@" in url:
        url = _USERINFO.sub(r"\1{secret}@", url, count=1)
    path, question, query = url.partition("?")
    if not question:
        return path
    # Each name is judged once: a hostile query repeats names hundreds of thousands of times.
    secret = {name for name in set(_NAME.findall(query)) if _is_secret_name(name)}
    if secret:
        query = _PAIR.sub(lambda pair: f"{pair[1]}={{secret}}" if pair[1] in secret else pair[0], query)
    return f"{path}?{query}"


@lru_cache(maxsize=1_024)
def _cached_header(name: str) -> tuple[str, bool, bool]:
    """A header's name in lower case, whether all attempts have it, and whether its value is part of the fingerprint."""
    lower = name.strip().lower()
    lasting = lower not in TRANSIT_HEADERS and not lower.startswith(("x-b3-", "x-datadog-"))
    return lower, lasting, lasting and (lower in VALUE_HEADERS or lower.endswith("-version"))


def _header(name: str) -> tuple[str, bool, bool]:
    return _cached_header(name) if len(name) <= _CACHED_NAME_CHARS else _cached_header.__wrapped__(name)


def _body_bytes(request: Request) -> bytes | None:
    """The body as it was sent, None where the event has none."""
    if request.body is not None:
        return request.body.encode("utf-8", "surrogatepass")
    if request.body_base64 is not None:
        try:
            return base64.b64decode(request.body_base64, validate=True)
        except (binascii.Error, ValueError):
            return request.body_base64.encode("utf-8", "surrogatepass")
    return None


def _body_hash(request: Request) -> str:
    if request.body_sha256:
        return request.body_sha256.lower()
    body = _body_bytes(request)
    return hashlib.sha256(body or b"").hexdigest()


def fingerprint_request(request: Request) -> str:
    """The fingerprint of the exact request, 32 hexadecimal digits: the same for every attempt.

    Parameters
    ----------
    request
        The request as it was sent. `body_sha256` is used where it is set; else the body is hashed.

    Examples
    --------
    >>> first = Request(method="GET", url="https://api.example/a?api_key=one", headers=[("Cookie", "a=1")])
    >>> again = Request(method="GET", url="https://api.example/a?api_key=two", headers=[("Traceparent", "00-1")])
    >>> fingerprint_request(first) == fingerprint_request(again)
    True
    """
    parts = ["halt400/request/1", request.method, _url_without_secrets(request.url)]
    for name, value in request.headers:
        lower, lasting, kept = _header(name)
        if kept:
            parts.append(f"{lower}={value.strip(_BLANK)}")
        elif lasting and lower != "cookie":
            parts.append(lower)
    parts.append(f"sha256:{_body_hash(request)}")
    return _digest(parts)


def signature(target: str, request: Request) -> str:
    """The group of requests like this one, 32 hexadecimal digits: same endpoint, header names and body shape.

    Parameters
    ----------
    target
        The API that the request was sent to, as on the event.
    request
        The request as it was sent.
    """
    names = []
    content_type = None
    for name, value in request.headers:
        lower, lasting, _ = _header(name)
        if lasting:
            names.append(lower)
            if lower == "content-type" and content_type is None:
                content_type = value.strip(_BLANK)
    shape = "cut" if request.body_truncated else body_shape(_body_bytes(request), content_type)
    return _digest(["halt400/signature/1", target, request.method, url_template(request.url), *names, shape])


def fingerprints(target: str, request: Request) -> Fingerprints:
    """Fingerprint and signature of `request`, as an offence has them."""
    return Fingerprints(request=fingerprint_request(request), signature=signature(target, request))
