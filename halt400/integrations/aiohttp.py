"""Halt400 for aiohttp (3.12 and newer): a client middleware, for every request of a ``ClientSession``.

It asks the guard before a request is sent and publishes the response afterwards, each of a chain of redirects. What
aiohttp raises passes through untouched, and a request that was answered 400 is not sent a second time.

Examples
--------
>>> async def scrape() -> None:
...     async with Guard("kafka:9092", job_id="extract-099") as guard:
...         async with aiohttp.ClientSession(middlewares=(Halt400Middleware(guard),)) as session:
...             await session.get("https://api.shop.example/products")
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import aiohttp
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse, payload

from halt400.guard import BodyCapture, RequestGuard
from halt400.integrations.aiohttp_bodies import received_body, see_payload

__all__ = ["Halt400Middleware"]

Target = str | Callable[[ClientRequest], str] | None

_ATTEMPT = "_halt400_attempt"
_BAD_REQUEST = "_halt400_bad_request"
BODY_WAIT_S = 0.5
"""A 400 is handed out when its body is there, and at the latest after this many seconds: it is evidence, also for a
scraper that looks at the status only and lets go of the response."""


class Halt400Middleware:
    """Ask, send, publish; the last of a session's middlewares, so that those before it are seen as they send.

    Parameters
    ----------
    guard
        The job's guard: a `Guard`, or a `RequestGuard` on a `Publisher` and a `Gate`.
    target
        Names the target: a string, or a function of the request; default: host and port of its URL.

    Raises
    ------
    JobQuarantined
        By a request that the gate refuses, or that was answered 400 before.
    """

    def __init__(self, guard: RequestGuard, *, target: Target = None) -> None:
        if guard.client is None:
            guard.client, guard.client_version = "aiohttp", aiohttp.__version__
        self._guard, self._target = guard, target

    async def __call__(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        """Send one request, where the guard admits it."""
        # Not the request itself, which holds the response: where nobody closes that, it ends when nobody holds it.
        headers = request.headers
        target = self._target(request) if callable(self._target) else self._target
        body = await _known_body(request)
        attempt: int = getattr(request, _ATTEMPT, 1)
        guarded = self._guard.admit(
            request.method,
            str(request.url),
            target=target,
            headers=lambda: _items(headers),
            body=body,
            attempt=attempt,
            answered_400=hasattr(request, _BAD_REQUEST),
        )
        setattr(request, _ATTEMPT, attempt + 1)
        if isinstance(body, BodyCapture):
            assert isinstance(request.body, payload.Payload)
            see_payload(request.body, body)
        response = await handler(request)
        known = _known(request, response, body)
        if not guarded.received(response.status):
            guarded.publish(**known)
            return response
        setattr(request, _BAD_REQUEST, True)
        there = received_body(
            response,
            lambda received, from_finalizer: guarded.publish(
                **known, response_body=received, from_finalizer=from_finalizer
            ),
        )
        if not there.done():
            try:
                await asyncio.wait((there,), timeout=BODY_WAIT_S)
            except asyncio.CancelledError:
                response.close()
                raise
        return response


def _known(request: ClientRequest, response: ClientResponse, body: bytes | BodyCapture | None) -> dict[str, Any]:
    """Return what is published of a response besides its body."""
    version, proxy, headers = response.version, request.proxy, response.raw_headers
    return {
        "http_version": "1.1" if version is None else f"{version.major}.{version.minor}",
        "request_body": body,
        "response_headers": lambda: _texts(headers),
        "proxy_id": None if proxy is None else proxy.host_port_subcomponent,
    }


def _texts(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]


def _items(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    # aiohttp's names are of a class of their own, derived from str.
    return [(str(name), str(value)) for name, value in headers.items()]


async def _known_body(request: ClientRequest) -> bytes | BodyCapture | None:
    """Return the request's body where all of it is there; for one that streams, what is to see it."""
    body = request.body
    if isinstance(body, payload.BytesPayload):
        return bytes(await body.as_bytes())
    if isinstance(body, payload.Payload):
        return BodyCapture()
    return body or None
