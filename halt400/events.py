"""Build a response event from plain values, as every integration does.

Bodies travel with 400s only: they are the evidence. Every other response is counted, and needs no body for it.
"""

import time
from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha256
from urllib.parse import SplitResult, urlsplit, urlunsplit
from uuid import uuid4

import msgspec

from halt400.records import Client, Proxy, Request, Response, ResponseEvent

__all__ = ["BODY_LIMIT_BYTES", "response_event", "target_of"]

BODY_LIMIT_BYTES = 1024 * 1024
"""Longest part of a body that an event carries, in bytes; sizes and digests are always those of the whole body."""

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
        The request line. User and password in `url` are left out: they are never sent as part of it.
    status
        The response's status code.
    job_id
        The scraping job, which is what gets halted.
    target
        The API's name; default: host and port of `url`, see `target_of`.
    event_id
        Unique per response; default: a random UUID. Publishing the same response twice must repeat it.
    time_ms
        When the response was received, milliseconds since the epoch; default: now.
    request_headers, response_headers
        Names and values in the order in which they were sent and received.
    request_body, response_body
        The bodies, whole; text is taken as UTF-8. They travel with a 400 only, each up to `BODY_LIMIT_BYTES`: as text
        where they are UTF-8, in base64 otherwise.
    response_body_size
        The response body's whole size in bytes where `response_body` is absent or only its beginning.
    attempt
        1 for the first attempt of a logical request, 2, 3, ... for its retries.

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
        id=event_id or uuid4().hex,
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
    """Name the target of a URL: its host in lower case, with the port where it is not the scheme's own.

    Examples
    --------
    >>> target_of("https://user:secret@API.shop.example:8443/v2?page=1")
    'api.shop.example:8443'
    >>> target_of("http://[::1]:80/")
    '[::1]'
    """
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
    """Return the body as (text, base64, truncated); text where it is UTF-8 and JSON does not blow it up."""
    truncated = len(body) > BODY_LIMIT_BYTES
    part = body[:BODY_LIMIT_BYTES] if truncated else body
    try:
        text = part.decode()
    except UnicodeDecodeError as error:
        # A character cut in half by the limit is no reason to leave text.
        if not truncated or error.start < len(part) - 3:
            return None, b64encode(part).decode(), truncated
        text = part[: error.start].decode()
    # One byte such as NUL takes six in a JSON string, more than base64 does.
    if len(msgspec.json.encode(text)) > len(part) * 4 // 3 + 64:
        return None, b64encode(part).decode(), truncated
    return text, None, truncated
