"""A client of Crawlee around the one in use: it asks before each request and publishes each response."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from importlib.metadata import version
from types import TracebackType
from typing import Any

from crawlee import Request
from crawlee.errors import ContextPipelineInterruptedError
from crawlee.http_clients import HttpClient, HttpCrawlingResult, HttpResponse, ImpitHttpClient
from crawlee.proxy_configuration import ProxyInfo
from crawlee.sessions import Session
from crawlee.statistics import Statistics

from halt400.errors import BrokerUnavailable, Halt400Error, JobQuarantined, PreflightFailed
from halt400.guard import BodyCapture, RequestGuard
from halt400.integrations.crawlee_sending import CrawleeSending, watch
from halt400.integrations.crawlee_visits import begin_visit, current_visit
from halt400.proxies import proxy_id_of

__all__ = ["REFUSALS", "Halt400HttpClient", "name_client"]

REFUSALS = (JobQuarantined, PreflightFailed, BrokerUnavailable)


def name_client(guard: RequestGuard) -> None:
    """Name Crawlee in a guard's events."""
    if guard.client is None:
        guard.client, guard.client_version = "crawlee", version("crawlee")


class Halt400HttpClient(HttpClient):
    """Ask, send, publish; for the `http_client` of a crawler.

    Parameters
    ----------
    guard
        The job's guard.
    wrapped
        The client that sends; default: Crawlee's own default.
    target
        Names the target: a string, or a function of a request's URL; default: host and port of the URL.
    asked
        Told of each request of a crawler: the error by which it was refused, or None where it is sent.
    """

    def __init__(
        self,
        guard: RequestGuard,
        wrapped: HttpClient | None = None,
        *,
        target: str | Callable[[str], str] | None = None,
        asked: Callable[[Halt400Error | None], None] = lambda refusal: None,
    ) -> None:
        super().__init__()
        name_client(guard)
        self.wrapped = wrapped if wrapped is not None else ImpitHttpClient()
        self._guard, self._target, self._asked = guard, target, asked
        watch(self.wrapped)

    @property
    def active(self) -> bool:
        """Whether the wrapped client is entered."""
        return self.wrapped.active

    async def __aenter__(self) -> "Halt400HttpClient":
        """Enter the wrapped client."""
        await self.wrapped.__aenter__()
        return self

    async def __aexit__(
        self, exc_type: BaseException | None, exc_value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.wrapped.__aexit__(exc_type, exc_value, traceback)

    async def cleanup(self) -> None:
        """Clean up the wrapped client; the guard belongs to the scraper."""
        await self.wrapped.cleanup()

    async def crawl(
        self,
        request: Request,
        *,
        session: Session | None = None,
        proxy_info: ProxyInfo | None = None,
        statistics: Statistics | None = None,
        timeout: timedelta | None = None,
    ) -> HttpCrawlingResult:
        """Send a crawler's request, where the guard admits it; one that is refused is skipped."""
        visit = begin_visit(request, session)
        try:
            sending = self._admitted(
                request.method, request.url, request.headers, request.payload, proxy_info, attempt=visit.attempt
            )
        except REFUSALS as error:
            self._asked(error)
            raise ContextPipelineInterruptedError(f"Halt400: {error}") from error
        self._asked(None)
        with sending:
            try:
                result = await self.wrapped.crawl(
                    request, session=session, proxy_info=proxy_info, statistics=statistics, timeout=timeout
                )
            finally:
                if sending.is_bad:
                    visit.give_up()
            await _finish(sending, result.http_response, request.loaded_url or request.url)
            if result.http_response.status_code == 400:
                visit.give_up()
        return result

    async def send_request(
        self,
        url: str,
        *,
        method: Any = "GET",
        headers: Any = None,
        payload: bytes | None = None,
        session: Session | None = None,
        proxy_info: ProxyInfo | None = None,
        timeout: timedelta | None = None,
    ) -> HttpResponse:
        """Send a request of a handler's, where the guard admits it.

        Raises
        ------
        JobQuarantined
            The gate refuses it.
        """
        with self._admitted(method, url, headers, payload, proxy_info) as sending:
            response = await self.wrapped.send_request(
                url,
                method=method,
                headers=headers,
                payload=payload,
                session=session,
                proxy_info=proxy_info,
                timeout=timeout,
            )
            await _finish(sending, response, url)
            _give_up_after(response.status_code)
            return response

    def stream(
        self,
        url: str,
        *,
        method: Any = "GET",
        headers: Any = None,
        payload: bytes | None = None,
        session: Session | None = None,
        proxy_info: ProxyInfo | None = None,
        timeout: timedelta | None = None,
    ) -> AbstractAsyncContextManager[HttpResponse]:
        """Stream a response, where the guard admits its request; a 400's body is seen while it passes."""
        options = {"method": method, "headers": headers, "payload": payload, "session": session, "timeout": timeout}
        return self._stream(url, options, proxy_info)

    @asynccontextmanager
    async def _stream(
        self, url: str, options: dict[str, Any], proxy_info: ProxyInfo | None
    ) -> AsyncIterator[HttpResponse]:
        with self._admitted(options["method"], url, options["headers"], options["payload"], proxy_info) as sending:
            async with self.wrapped.stream(url, proxy_info=proxy_info, **options) as response:
                if not sending.is_answered:
                    _told_last(sending, response, url)
                _give_up_after(response.status_code)
                if not sending.is_bad:
                    yield response
                    return
                passing = _PassingResponse(response)
                try:
                    yield passing
                finally:
                    sending.publish_bad(passing.capture)

    def _admitted(
        self, method: Any, url: str, headers: Any, body: bytes | None, proxy_info: ProxyInfo | None, *, attempt: int = 1
    ) -> CrawleeSending:
        guarded = self._guard.admit(
            str(method),
            url,
            target=self._target_of(url),
            headers=lambda: list(headers.items()) if headers else [],
            body=body,
            attempt=attempt,
        )
        return CrawleeSending(guarded, self._target_of, None if proxy_info is None else proxy_id_of(proxy_info.url))

    def _target_of(self, url: str) -> str:
        return self._guard.target_for(url, self._target)


class _PassingResponse:
    """A 400 whose body is seen while it is read."""

    def __init__(self, response: HttpResponse) -> None:
        self._response = response
        self.capture = BodyCapture()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._response, name)

    async def read_stream(self) -> AsyncIterator[bytes]:
        async for chunk in self._response.read_stream():
            self.capture.add(chunk)
            yield chunk


def _told_last(sending: CrawleeSending, response: HttpResponse, url: str) -> None:
    sending.responded(response.status_code, url=url, version=response.http_version, received=response.headers)


async def _finish(sending: CrawleeSending, response: HttpResponse, url: str) -> None:
    """Publish what is not published so far, now that the body is there."""
    if not sending.is_answered:
        _told_last(sending, response, url)
    if sending.is_bad:
        sending.publish_bad(await response.read())


def _give_up_after(status: int) -> None:
    visit = current_visit()
    if status == 400 and visit is not None:
        visit.give_up()
