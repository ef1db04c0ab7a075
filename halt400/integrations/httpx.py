"""Halt400 for httpx: a transport around the one in use, so that nothing else in the scraper changes.

It asks the guard before a request is sent and publishes the response afterwards. What httpx raises passes through
untouched, and a request that was answered 400 is not sent a second time.

Examples
--------
>>> async def scrape() -> None:
...     async with Guard("kafka:9092", job_id="extract-099") as guard:
...         async with httpx.AsyncClient(transport=Halt400Transport(guard)) as client:
...             await client.get("https://api.shop.example/products")
"""

from collections.abc import Callable
from types import TracebackType
from typing import Self

import httpx

from halt400.guard import BodyCapture, GuardedRequest, RequestGuard
from halt400.guard.content_coding import without_content_coding
from halt400.integrations.httpx_bodies import CapturedStream
from halt400.proxies import Lease, ProxyPool

__all__ = ["Halt400Transport", "SyncHalt400Transport"]

Target = str | Callable[[httpx.Request], str] | None

_ATTEMPT = "halt400.attempt"
"""The extension by which a scraper that builds its retries anew numbers them."""
_NEXT_ATTEMPT = "_halt400_attempt"
_BAD_REQUEST = "_halt400_bad_request"


class _HttpxSending:
    """One request that is sent, and what is published of it."""

    def __init__(self, guard: RequestGuard, request: httpx.Request, target: Target) -> None:
        self.request = request
        self.lease: Lease | None = None
        # Kept on the request itself: a redirect's request takes the extensions over.
        attempt = int(getattr(request, _NEXT_ATTEMPT, None) or request.extensions.get(_ATTEMPT, 1))
        self.streams = not hasattr(request, "_content")
        self.body: bytes | BodyCapture = BodyCapture() if self.streams else request.content
        self.guarded: GuardedRequest = guard.admit(
            request.method,
            str(request.url),
            target=target(request) if callable(target) else target,
            headers=lambda: _texts(request.headers),
            body=None if self.streams else self.body,
            attempt=attempt,
            answered_400=hasattr(request, _BAD_REQUEST),
        )
        setattr(request, _NEXT_ATTEMPT, attempt + 1)
        if isinstance(self.body, BodyCapture):
            # A body that streams is seen only while it passes.
            request.stream = CapturedStream(request.stream, self.body)

    def answered(self, response: httpx.Response, closed: Callable[[], None] | None = None) -> httpx.Response:
        """Publish at once, but for a 400 when its body has passed or was closed, for that is evidence."""
        if not self.guarded.received(response.status_code):
            self._publish(response.http_version, response.headers)
            if closed is not None:
                response.stream = CapturedStream(response.stream, None, lambda from_finalizer: closed())
            return response
        setattr(self.request, _BAD_REQUEST, True)
        received = BodyCapture()
        # Not the response itself: where nobody closes it, it ends when nobody holds it.
        version, headers = response.http_version, response.headers

        def ended(from_finalizer: bool) -> None:
            self._publish(version, headers, received, from_finalizer=from_finalizer)
            if closed is not None:
                closed()

        response.stream = CapturedStream(response.stream, received, ended)
        return response

    def _publish(
        self,
        version: str,
        headers: httpx.Headers,
        received: BodyCapture | None = None,
        *,
        from_finalizer: bool = False,
    ) -> None:
        body: bytes | BodyCapture | None = received
        if received is not None and not received.is_cut:
            body = without_content_coding(bytes(received.body), headers.get("content-encoding"))
        self.guarded.publish(
            http_version=version.removeprefix("HTTP/"),
            request_body=self.body,
            response_headers=lambda: _texts(headers),
            response_body=body,
            proxy_id=self.lease.proxy_id if self.lease is not None else None,
            proxy_pool=self.lease.pool if self.lease is not None else None,
            from_finalizer=from_finalizer,
        )


class Halt400Transport(httpx.AsyncBaseTransport):
    """Ask, send, publish; for ``httpx.AsyncClient``.

    Parameters
    ----------
    guard
        The job's guard: a `Guard`, or a `RequestGuard` on a `Publisher` and a `Gate`.
    wrapped
        The transport that sends; default: ``httpx.AsyncHTTPTransport()``. With `proxies` it is not used.
    target
        Names the target: a string, or a function of the request; default: host and port of its URL.
    lease
        The proxy behind `wrapped`, where the scraper holds a lease itself: it is named in the events.
    proxies
        A pool from which each request takes a lease, given back when its response is closed: with blame where the
        connection failed, without in every other case.
    proxy_transport
        Builds the transport of one proxy from its URL; default: ``httpx.AsyncHTTPTransport(proxy=url)``.

    Raises
    ------
    JobQuarantined
        By a request that the gate refuses, or that was answered 400 before.
    """

    def __init__(
        self,
        guard: RequestGuard,
        wrapped: httpx.AsyncBaseTransport | None = None,
        *,
        target: Target = None,
        lease: Lease | None = None,
        proxies: ProxyPool | None = None,
        proxy_transport: Callable[[str], httpx.AsyncBaseTransport] = lambda url: httpx.AsyncHTTPTransport(proxy=url),
    ) -> None:
        _name_client(guard)
        self._guard, self._target, self._lease = guard, target, lease
        self._wrapped = wrapped if wrapped is not None or proxies is not None else httpx.AsyncHTTPTransport()
        self._proxies = proxies
        self._proxy_transport = proxy_transport
        self._by_proxy: dict[str, httpx.AsyncBaseTransport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request, where the guard admits it."""
        sending = _HttpxSending(self._guard, request, self._target)
        if self._proxies is None:
            assert self._wrapped is not None
            sending.lease = self._lease
            return sending.answered(await self._wrapped.handle_async_request(request))
        pool = self._proxies
        lease = sending.lease = await pool.acquire(sending.guarded.target, self._guard.job_id)
        transport = self._by_proxy.get(lease.proxy_id)
        if transport is None:
            transport = self._by_proxy[lease.proxy_id] = self._proxy_transport(lease.url)
        try:
            response = await transport.handle_async_request(request)
        except BaseException as error:
            pool.release(lease, blame=isinstance(error, httpx.ProxyError | httpx.ConnectError | httpx.ConnectTimeout))
            raise
        return sending.answered(response, closed=lambda: pool.release(lease))

    async def __aenter__(self) -> Self:
        """Enter the wrapped transport."""
        if self._wrapped is not None:
            await self._wrapped.__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        if self._wrapped is not None:
            await self._wrapped.__aexit__(exc_type, exc_value, traceback)
        await self._close_proxies()

    async def aclose(self) -> None:
        """Close the transports; the guard belongs to the scraper."""
        if self._wrapped is not None:
            await self._wrapped.aclose()
        await self._close_proxies()

    async def _close_proxies(self) -> None:
        for transport in self._by_proxy.values():
            await transport.aclose()
        self._by_proxy.clear()


class SyncHalt400Transport(httpx.BaseTransport):
    """Ask, send, publish; for ``httpx.Client``. Parameters as for `Halt400Transport`, without proxies."""

    def __init__(
        self, guard: RequestGuard, wrapped: httpx.BaseTransport | None = None, *, target: Target = None
    ) -> None:
        _name_client(guard)
        self._guard, self._target = guard, target
        self._wrapped = wrapped if wrapped is not None else httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request, where the guard admits it."""
        sending = _HttpxSending(self._guard, request, self._target)
        return sending.answered(self._wrapped.handle_request(request))

    def __enter__(self) -> Self:
        """Enter the wrapped transport."""
        self._wrapped.__enter__()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self._wrapped.__exit__(exc_type, exc_value, traceback)

    def close(self) -> None:
        """Close the wrapped transport; the guard belongs to the scraper."""
        self._wrapped.close()


def _name_client(guard: RequestGuard) -> None:
    if guard.client is None:
        guard.client, guard.client_version = "httpx", httpx.__version__


def _texts(headers: httpx.Headers) -> list[tuple[str, str]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers.raw]
