"""Builds response events from plain values, as every integration does.

Only events of 400s carry bodies, which are the evidence. Other responses are counted, which needs no body.
"""

import time
from base64 import b64encode
from functools import lru_cache
from hashlib import sha256
from os import urandom
from typing import Any
from urllib.parse import SplitResult, urlsplit, urlunsplit

import msgspec

from halt400.client_values import (
    Body,
    Headers,
    plain_body,
    plain_count,
    plain_headers,
    plain_http_version,
    plain_status,
    plain_text,
    plain_url,
)
from halt400.errors import InvalidEvent
from halt400.records import Client, Proxy, Request, Response, ResponseEvent

__all__ = ["BODY_LIMIT_BYTES", "response_event", "target_of"]

BODY_LIMIT_BYTES = 1024 * 1024
"""Most bytes of a body that an event carries; sizes and digests are those of the whole body."""

_DEFAULT_PORTS = {"http": 80, "https": 443}
_USUAL_VERSION = Request(method="GET", url="/").http_version
"""The very object that a request has by default: an event leaves that out, and no text that is equal."""


def response_event(
    *,
    method: str,
    url: Any,
    status: int,
    job_id: str,
    target: str | None = None,
    event_id: str | None = None,
    time_ms: int | None = None,
    http_version: str | tuple[int, int] = "1.1",
    request_headers: Headers = (),
    request_body: Body = None,
    response_headers: Headers = (),
    response_body: Body = None,
    response_body_size: int | None = None,
    run_id: str | None = None,
    release: str | None = None,
    worker: str | None = None,
    region: str | None = None,
    attempt: int = 1,
    proxy_id: str | None = None,
    proxy_pool: str | None = None,
    client: str | None = None,
    client_version: str | None = None,
    duration_ms: float | None = None,
    traceparent: str | None = None,
) -> ResponseEvent:
    """Build the event of one response.

    Parameters
    ----------
    method, url, http_version
        The request line. `url` is text or a client's own object (httpx, yarl); user and password are removed from it.
    status
        The response's status code, an int from 100 to 599.
    job_id
        The scraping job, which is what a quarantine halts.
    target
        Name of the API; default: host and port of `url`, see `target_of`.
    event_id
        Unique per response; default: 128 random bits. Use the same id when a response is published again.
    time_ms
        When the response was received, milliseconds since the epoch; default: now.
    request_headers, response_headers
        Names and values in the order in which they were sent and received: pairs of ``str`` or bytes, or what the
        client hands out, such as a mapping or a multi-dict.
    request_body, response_body
        The whole bodies; text is encoded as UTF-8, a dictionary or list as JSON. Only a 400 carries them,
        each up to `BODY_LIMIT_BYTES`: as text if they are UTF-8, otherwise in base64.
    response_body_size
        Size of the whole response body in bytes, if `response_body` is missing or only its beginning.
    attempt
        1 for the first attempt of a logical request; 2, 3, ... for its retries.

    Raises
    ------
    InvalidEvent
        A value cannot be taken; the message names it.

    Examples
    --------
    >>> event = response_event(
    ...     method="POST", url="https://API.shop.example:443/graphql", status=400, job_id="extract-099",
    ...     request_body='{"query": "{ product }", }',
    ... )
    >>> event.target, event.request.body_size
    ('api.shop.example', 26)
    """
    if type(url) is not str or not url.isascii():
        url = plain_url(url)
    if type(status) is not int or not 100 <= status <= 599:
        status = plain_status(status)
    if target is None:
        target = _target_of_event(url)
    names = (method, http_version, target, job_id, run_id, release, worker, region, client, client_version)
    try:
        method, version, target, job_id, run_id, release, worker, region, of_client = _plain_names(*names)
    except TypeError:
        # One of them has no hash, so it is no text.
        method, version, target, job_id, run_id, release, worker, region, of_client = _plain_names.__wrapped__(*names)
    request = Request(
        method=method,
        url=url if "@" not in url else _without_userinfo(url),
        http_version=version,
        headers=plain_headers(request_headers, "request_headers") if request_headers != () else [],
    )
    response = Response(
        status=status, headers=plain_headers(response_headers, "response_headers") if response_headers != () else []
    )
    sent = None if request_body is None else plain_body(request_body, "request_body")
    received = None if response_body is None else plain_body(response_body, "response_body")
    if response_body_size is not None and (type(response_body_size) is not int or response_body_size < 0):
        response_body_size = plain_count(response_body_size, "response_body_size")
    if sent is not None:
        request.body_size = len(sent)
    if response_body_size is not None or received is not None:
        response.body_size = response_body_size if response_body_size is not None else len(received or b"")
    if status == 400:
        if sent:
            request.body, request.body_base64, request.body_truncated = _carried(sent)
            request.body_sha256 = sha256(sent).hexdigest()
        if received:
            response.body, response.body_base64, response.body_truncated = _carried(received)
            response.body_truncated |= (response.body_size or 0) > len(received)
    return ResponseEvent(
        id=urandom(16).hex() if event_id is None else plain_text(event_id, "event_id"),
        time=time.time_ns() // 1_000_000 if time_ms is None else plain_count(time_ms, "time_ms"),
        target=target,
        job_id=job_id,
        request=request,
        response=response,
        run_id=run_id,
        release=release,
        worker=worker,
        region=region,
        attempt=1 if attempt == 1 else plain_count(attempt, "attempt", least=1),
        proxy=None if proxy_id is None else _proxy(proxy_id, proxy_pool),
        client=of_client,
        duration_ms=duration_ms if duration_ms is None or type(duration_ms) is float else _duration(duration_ms),
        traceparent=None if traceparent is None else _optional(traceparent, "traceparent"),
    )


def _target_of_event(url: str) -> str:
    target = target_of(url)
    if target == "unknown" and not ((parts := _split(url)) is not None and parts.hostname):
        raise InvalidEvent("url", repr(_without_userinfo(url)), "It has no host: pass the whole URL, or target=.")
    return target


# A crawl repeats these names in each of its events: they are looked at once.
@lru_cache(maxsize=4_096, typed=True)
def _plain_names(
    method: str,
    http_version: str | tuple[int, int],
    target: str,
    job_id: str,
    run_id: str | None,
    release: str | None,
    worker: str | None,
    region: str | None,
    client: str | None,
    client_version: str | None,
) -> tuple[str, str, str, str, str | None, str | None, str | None, str | None, Client | None]:
    version = plain_http_version(http_version)
    return (
        plain_text(method, "method"),
        _USUAL_VERSION if version == _USUAL_VERSION else version,
        plain_text(target, "target"),
        plain_text(job_id, "job_id"),
        _optional(run_id, "run_id"),
        _optional(release, "release"),
        _optional(worker, "worker"),
        _optional(region, "region"),
        None
        if client is None
        else Client(name=plain_text(client, "client"), version=_optional(client_version, "client_version")),
    )


def _optional(value: str | None, field: str) -> str | None:
    """A text that may be missing; an empty one is."""
    return None if value is None or value == "" else plain_text(value, field, longest=None)


def _proxy(proxy_id: str, pool: str | None) -> Proxy:
    return Proxy(id=plain_text(proxy_id, "proxy_id"), pool=_optional(pool, "proxy_pool"))


def _duration(duration_ms: float) -> float:
    if isinstance(duration_ms, bool) or not isinstance(duration_ms, int | float):
        raise InvalidEvent("duration_ms", repr(duration_ms), "Pass milliseconds, a float.")
    return float(duration_ms)


def target_of(url: str) -> str:
    """Return the target of a URL: its host in lower case, with the port if it is not the default of the scheme.

    Examples
    --------
    >>> target_of("https://user:secret@API.shop.example:8443/v2?page=1")
    'api.shop.example:8443'
    >>> target_of("http://[::1]:80/")
    '[::1]'
    """
    # All URLs of one server have the same beginning, up to the path: it is taken apart once.
    path = url.find("/", url.find("//") + 2)
    return _target_of(url if path < 0 else url[:path])


@lru_cache(maxsize=4_096)
def _target_of(url: str) -> str:
    parts = _split(url)
    host = (parts.hostname or "").rstrip(".") if parts is not None else ""
    if not host:
        return "unknown"
    if ":" in host:
        host = f"[{host}]"
    try:
        port = parts.port if parts is not None else None
    except ValueError:
        port = None
    if port is None or (parts is not None and _DEFAULT_PORTS.get(parts.scheme) == port):
        return host
    return f"{host}:{port}"


def _split(url: str) -> SplitResult | None:
    try:
        return urlsplit(url)
    except ValueError:
        return None


def _without_userinfo(url: str) -> str:
    if "@" not in url:
        return url
    parts = _split(url)
    if parts is None or "@" not in parts.netloc:
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _carried(body: bytes) -> tuple[str | None, str | None, bool]:
    """Return the body as (text, base64, truncated): as text if it is UTF-8 and not much longer in JSON."""
    truncated = len(body) > BODY_LIMIT_BYTES
    part = body[:BODY_LIMIT_BYTES] if truncated else body
    try:
        text = part.decode()
    except UnicodeDecodeError as error:
        # A character that the limit cuts in half is dropped.
        if not truncated or error.start < len(part) - 3:
            return None, b64encode(part).decode(), truncated
        text = part[: error.start].decode()
    # A byte such as NUL takes six bytes in a JSON string, more than in base64.
    if len(msgspec.json.encode(text)) > len(part) * 4 // 3 + 64:
        return None, b64encode(part).decode(), truncated
    return text, None, truncated
