"""Halt400 for httpx: a transport around the one in use, so that nothing else in the scraper changes.

It asks the gate before a request is sent and publishes the response afterwards. What httpx raises passes through
untouched, and a request that was answered 400 is not sent a second time.

Examples
--------
>>> async def scrape(kafka: str) -> None:
...     async with Publisher(kafka) as publisher, Gate(kafka) as gate:
...         transport = Halt400Transport(httpx.AsyncHTTPTransport(), publisher, gate, job_id="extract-099")
...         async with httpx.AsyncClient(transport=transport) as client:
...             await client.get("https://api.shop.example/products")
"""

import logging
import time
from collections.abc import Callable
from types import TracebackType
from typing import Literal, Self

import httpx

from halt400.errors import JobQuarantined
from halt400.events import response_event, target_of
from halt400.gate import Gate
from halt400.integrations.httpx_bodies import Capture, CapturedStream
from halt400.proxies import Lease, ProxyPool
from halt400.publisher import Publisher
from halt400.records import ResponseEvent
from halt400.sync import SyncGate, SyncPublisher

__all__ = ["Halt400Transport", "SyncHalt400Transport"]

log = logging.getLogger(__name__)

PreflightMode = Literal["warn", "block"]

_ATTEMPT = "halt400.attempt"
_BAD_REQUEST = "halt400.bad_request"
_LARGEST_DECODED_BYTES = 64 * 1024


class _Job:
    """Who sends, and what is asked and told about each request."""

    def __init__(
        self,
        publish: Callable[[ResponseEvent], None],
        gate: "Gate | SyncGate | None",
        *,
        job_id: str,
        run_id: str | None,
        release: str | None,
        worker: str | None,
        region: str | None,
        target: Callable[[httpx.Request], str] | None,
        preflight: PreflightMode | None,
    ) -> None:
        self.publish = publish
        self.gate = gate
        self.job_id = job_id
        self.run_id = run_id
        self.release = release
        self.worker = worker
        self.region = region
        self.target = target or (lambda request: target_of(str(request.url)))
        self.preflight = preflight

    def admit(self, request: httpx.Request) -> "_Exchange":
        """Ask whether `request` may be sent.

        Raises
        ------
        JobQuarantined, PreflightFailed
            It may not.
        """
        target = self.target(request)
        if self.gate is not None:
            self.gate.raise_if_halted(target, self.job_id)
        if _BAD_REQUEST in request.extensions:
            raise JobQuarantined(
                f"{request.method} {target} was answered 400 Bad Request and is not sent again.",
                "Mend the request and send it as a new one.",
            )
        if self.preflight is not None:
            from halt400.preflight import preflight

            body = getattr(request, "_content", None)
            preflight(request.method, str(request.url), _texts(request.headers), body, mode=self.preflight)
        return _Exchange(self, request, target)


class _Exchange:
    """One request that is sent, and the event that comes of it."""

    def __init__(self, job: _Job, request: httpx.Request, target: str) -> None:
        self.job = job
        self.request = request
        self.target = target
        self.attempt = int(request.extensions.get(_ATTEMPT, 1))
        request.extensions[_ATTEMPT] = self.attempt + 1
        self.sent: Capture | None = None
        if not hasattr(request, "_content"):
            # A body that streams is seen only while it passes.
            self.sent = Capture()
            request.stream = CapturedStream(request.stream, self.sent)
        self.began = time.perf_counter()
        self.lease: Lease | None = None

    def answered(self, response: httpx.Response, closed: Callable[[], None] | None = None) -> httpx.Response:
        """Publish the event: at once, but for a 400 when its body has passed or was closed, for that is evidence."""
        if self.job.gate is not None:
            self.job.gate.report(self.target, self.job.job_id, response.status_code)
        duration_ms = (time.perf_counter() - self.began) * 1000
        time_ms = time.time_ns() // 1_000_000
        received = Capture() if response.status_code == 400 else None
        if received is None:
            self._publish(response, duration_ms, time_ms, None)
            if closed is not None:
                response.stream = CapturedStream(response.stream, None, closed)
            return response
        self.request.extensions[_BAD_REQUEST] = True

        def ended() -> None:
            self._publish(response, duration_ms, time_ms, received)
            if closed is not None:
                closed()

        response.stream = CapturedStream(response.stream, received, ended)
        return response

    def _publish(self, response: httpx.Response, duration_ms: float, time_ms: int, received: Capture | None) -> None:
        try:
            self.job.publish(self._event(response, duration_ms, time_ms, received))
        except Exception:
            # The scraper goes on whatever becomes of its event.
            log.exception("The response of %s could not be published.", self.target)

    def _event(
        self, response: httpx.Response, duration_ms: float, time_ms: int, received: Capture | None
    ) -> ResponseEvent:
        job, request = self.job, self.request
        event = response_event(
            method=request.method,
            url=str(request.url),
            status=response.status_code,
            job_id=job.job_id,
            target=self.target,
            time_ms=time_ms,
            http_version=response.http_version.removeprefix("HTTP/"),
            request_headers=_texts(request.headers),
            request_body=request.content if self.sent is None else bytes(self.sent.body),
            response_headers=_texts(response.headers),
            response_body=None if received is None else _decoded(response, received),
            run_id=job.run_id,
            release=job.release,
            worker=job.worker,
            region=job.region,
            attempt=self.attempt,
            proxy_id=self.lease.proxy_id if self.lease is not None else None,
            proxy_pool=self.lease.pool if self.lease is not None else None,
            client="httpx",
            client_version=httpx.__version__,
            duration_ms=round(duration_ms, 3),
        )
        if self.sent is not None:
            event.request.body_size = self.sent.size
            event.request.body_truncated = self.sent.is_cut
            if event.request.body_sha256 is not None:
                event.request.body_sha256 = self.sent.digest.hexdigest()
        if received is not None and received.is_cut:
            event.response.body_truncated = True
            event.response.body_size = received.size
        return event


class Halt400Transport(httpx.AsyncBaseTransport):
    """Ask the gate, send, publish; for ``httpx.AsyncClient``.

    Parameters
    ----------
    wrapped
        The transport that sends. With `proxies` it is not used, and may be ``None``.
    publisher
        Where responses go.
    gate
        Who is asked before sending; ``None`` publishes only.
    job_id, run_id, release, worker, region
        Who sends; see `ResponseEvent`.
    target
        Names the target of a request; default: its host and port.
    lease
        The proxy behind `wrapped`, where the scraper holds a lease itself: it is named in the events.
    proxies
        A pool from which each request takes a lease, given back when its response is closed: with blame where the
        connection failed, without in every other case.
    proxy_transport
        Builds the transport of one proxy from its URL; default: ``httpx.AsyncHTTPTransport(proxy=url)``.
    preflight
        ``"warn"`` logs a request that will be refused before it is sent, ``"block"`` raises instead of sending it.

    Raises
    ------
    JobQuarantined
        By a request that the gate halts, or that was answered 400 before.
    """

    def __init__(
        self,
        wrapped: httpx.AsyncBaseTransport | None,
        publisher: Publisher,
        gate: Gate | None,
        *,
        job_id: str,
        run_id: str | None = None,
        release: str | None = None,
        worker: str | None = None,
        region: str | None = None,
        target: Callable[[httpx.Request], str] | None = None,
        lease: Lease | None = None,
        proxies: ProxyPool | None = None,
        proxy_transport: Callable[[str], httpx.AsyncBaseTransport] = lambda url: httpx.AsyncHTTPTransport(proxy=url),
        preflight: PreflightMode | None = None,
    ) -> None:
        self._job = _Job(
            publisher.publish,
            gate,
            job_id=job_id,
            run_id=run_id,
            release=release,
            worker=worker,
            region=region,
            target=target,
            preflight=preflight,
        )
        self._wrapped = wrapped
        self._lease = lease
        self._proxies = proxies
        self._proxy_transport = proxy_transport
        self._by_proxy: dict[str, httpx.AsyncBaseTransport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request, where the gate lets it through."""
        exchange = self._job.admit(request)
        if self._proxies is None:
            assert self._wrapped is not None, "a transport to wrap, or proxies"
            exchange.lease = self._lease
            return exchange.answered(await self._wrapped.handle_async_request(request))
        pool = self._proxies
        lease = exchange.lease = await pool.acquire(exchange.target, self._job.job_id)
        transport = self._by_proxy.get(lease.proxy_id)
        if transport is None:
            transport = self._by_proxy[lease.proxy_id] = self._proxy_transport(lease.url)
        try:
            response = await transport.handle_async_request(request)
        except BaseException as error:
            pool.release(lease, blame=isinstance(error, httpx.ProxyError | httpx.ConnectError | httpx.ConnectTimeout))
            raise
        return exchange.answered(response, closed=lambda: pool.release(lease))

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
        """Close the transports; publisher and gate belong to the scraper."""
        if self._wrapped is not None:
            await self._wrapped.aclose()
        await self._close_proxies()

    async def _close_proxies(self) -> None:
        for transport in self._by_proxy.values():
            await transport.aclose()
        self._by_proxy.clear()


class SyncHalt400Transport(httpx.BaseTransport):
    """Ask the gate, send, publish; for ``httpx.Client``. Parameters as for `Halt400Transport`, without proxies."""

    def __init__(
        self,
        wrapped: httpx.BaseTransport,
        publisher: SyncPublisher,
        gate: SyncGate | None,
        *,
        job_id: str,
        run_id: str | None = None,
        release: str | None = None,
        worker: str | None = None,
        region: str | None = None,
        target: Callable[[httpx.Request], str] | None = None,
        preflight: PreflightMode | None = None,
    ) -> None:
        self._job = _Job(
            publisher.publish,
            gate,
            job_id=job_id,
            run_id=run_id,
            release=release,
            worker=worker,
            region=region,
            target=target,
            preflight=preflight,
        )
        self._wrapped = wrapped

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request, where the gate lets it through."""
        exchange = self._job.admit(request)
        return exchange.answered(self._wrapped.handle_request(request))

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
        """Close the wrapped transport; publisher and gate belong to the scraper."""
        self._wrapped.close()


def _texts(headers: httpx.Headers) -> list[tuple[str, str]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers.raw]


def _decoded(response: httpx.Response, received: Capture) -> bytes:
    """Return what was received without its content coding, where that can be undone and cannot grow out of hand."""
    raw = bytes(received.body)
    coding = response.headers.get("content-encoding")
    if coding is None or len(raw) > _LARGEST_DECODED_BYTES:
        return raw
    try:
        return httpx.Response(200, headers={"content-encoding": coding}, content=raw).content
    except httpx.DecodingError:
        return raw
