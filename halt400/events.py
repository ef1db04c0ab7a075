"""Builds response events from plain values, as every integration does.

Only events of 400s carry bodies, which are the evidence. Other responses are counted, which needs no body.
"""

import time
from base64 import b64encode
from collections.abc import Iterable
from functools import lru_cache
from hashlib import sha256
from os import urandom
from urllib.parse import SplitResult, urlsplit, urlunsplit

import msgspec

from halt400.records import Client, Proxy, Request, Response, ResponseEvent

__all__ = ["BODY_LIMIT_BYTES", "response_event", "target_of"]

BODY_LIMIT_BYTES = 1024 * 1024
"""Most bytes of a body that an event carries; sizes and digests are those of the whole body."""

_DEFAULT_PORTS = {"http": 80, "https": 443}


def response_event(
    *,
    method: str,
    url: str,
    status: int,
    job_id: str,
    target: str | None = None,
    event_id: str | None = None,
    time_ms: int | None = None,
    http_version: str = "1.1",
    request_headers: Iterable[tuple[str, str]] = (),
    request_body: bytes | str | None = None,
    response_headers: Iterable[tuple[str, str]] = (),
    response_body: bytes | str | None = None,
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
        The request line. User and password are removed from `url`.
    status
        The response's status code.
    job_id
        The scraping job, which is what a quarantine halts.
    target
        Name of the API; default: host and port of `url`, see `target_of`.
    event_id
        Unique per response; default: 128 random bits. Use the same id when a response is published again.
    time_ms
        When the response was received, milliseconds since the epoch; default: now.
    request_headers, response_headers
        Names and values in the order in which they were sent and received.
    request_body, response_body
        The whole bodies; text is encoded as UTF-8. Only a 400 carries them, each up to `BODY_LIMIT_BYTES`: as text if
        they are UTF-8, otherwise in base64.
    response_body_size
        Size of the whole response body in bytes, if `response_body` is missing or only its beginning.
    attempt
        1 for the first attempt of a logical request; 2, 3, ... for its retries.

    Examples
    --------
    >>> event = response_event(
    ...     method="POST", url="https://API.shop.example:443/graphql", status=400, job_id="extract-099",
    ...     request_body='{"query": "{ product }", }',
    ... )
    >>> event.target, event.request.body_size
    ('api.shop.example', 26)
    """
    if time_ms is None:
        time_ms = time.time_ns() // 1_000_000
    request = Request(
        method=method, url=_without_userinfo(url), http_version=http_version, headers=list(request_headers)
    )
    response = Response(status=status, headers=list(response_headers))
    sent = request_body.encode(errors="replace") if isinstance(request_body, str) else request_body
    received = response_body.encode(errors="replace") if isinstance(response_body, str) else response_body
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
        id=event_id or urandom(16).hex(),
        time=time_ms,
        target=target or target_of(url),
        job_id=job_id,
        request=request,
        response=response,
        run_id=run_id,
        release=release,
        worker=worker,
        region=region,
        attempt=attempt,
        proxy=None if proxy_id is None else Proxy(id=proxy_id, pool=proxy_pool),
        client=None if client is None else Client(name=client, version=client_version),
        duration_ms=duration_ms,
        traceparent=traceparent,
    )


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
