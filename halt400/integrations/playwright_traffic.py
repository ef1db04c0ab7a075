"""What goes through a browser's context: each response is published once, a 400 with headers and bodies."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from playwright.async_api import Error

from halt400.guard import GuardedRequest, RequestGuard
from halt400.integrations.playwright_apis import Api, settled
from halt400.integrations.playwright_headers import in_browsers_order, of_the_scraper, pairs
from halt400.integrations.playwright_sites import same_site

__all__ = ["ASKED", "Traffic", "TrafficOptions", "number_next_navigation", "take_guarded"]

log = logging.getLogger(__name__)

LARGEST_BODY_BYTES = 4 * 1024 * 1024
"""Largest body of a 400 that is asked of the browser: it hands out bodies whole."""
LONGEST_WAIT_S = 5.0
"""A response is published at the latest after this many seconds, with what is known of it by then."""
_MOST_VERSIONS = 1_000
_GUARDED = "_halt400_guarded"
"""Playwright gives one object for each request and page, so that what is known of them stands on it."""
ASKED = "_halt400_asked"
"""On a request that a route has shown and the guard has admitted."""
_ATTEMPT = "_halt400_attempt"
_NEXT_ATTEMPT = "_halt400_next_attempt"
_DOCUMENT = "_halt400_document"


def number_next_navigation(page: Any, attempt: int) -> None:
    """Say which attempt of a logical request a page's next navigation is, for code that retries in pages of its own."""
    setattr(page, _NEXT_ATTEMPT, attempt)


def take_guarded(request: Any) -> GuardedRequest | None:
    """Return what was admitted for a request, once: who takes it publishes its response."""
    found: GuardedRequest | None = request.__dict__.pop(_GUARDED, None)
    return found


@dataclass(frozen=True)
class TrafficOptions:
    """What of a context's traffic is published, and how it is named; see `halt400.integrations.playwright.protect`."""

    target: str | Callable[[str], str] | None
    resource_types: frozenset[str]
    other_sites: bool
    proxy_id: str | None


class _Answer:
    """A response on its way to the publisher, where it arrives once, with what is known of it by then."""

    def __init__(self, guarded: GuardedRequest, response: Any, known: dict[str, Any], *, may_be_cached: bool) -> None:
        self.guarded, self.response, self.known, self.may_be_cached = guarded, response, known, may_be_cached
        self.is_done = False

    def publish(self) -> None:
        if not self.is_done:
            self.is_done = True
            self.guarded.publish(**self.known)


class Traffic:
    """Follow the requests of a context.

    Parameters
    ----------
    is_chromium
        Whether the browser tells by a request's timing and headers that it was sent at all.
    bad_request
        Called when a 400 was received.
    """

    def __init__(
        self,
        guard: RequestGuard,
        api: Api,
        options: TrafficOptions,
        *,
        is_chromium: bool,
        bad_request: Callable[[], None],
    ) -> None:
        self._guard, self._api, self._options = guard, api, options
        self._is_chromium, self._bad_request = is_chromium, bad_request
        self._answers: set[_Answer] = set()
        guard.before_it_ends(self)
        self._versions: dict[str, str] = {}

    def follow(self, context: Any) -> None:
        """Follow a context, with all pages and service workers that it has and will have."""
        context.on("request", lambda request: self._safely(self._sent, request))
        context.on("response", lambda response: self._safely(self._received, response))
        context.on("requestfailed", lambda request: self._safely(self._failed, request))
        context.on("close", lambda _: self.publish_what_is_known())

    def concerns(self, request: Any) -> bool:
        """Whether a request is one of those that are published and asked for."""
        options, url = self._options, request.url
        if request.resource_type not in options.resource_types or not url.startswith(("http:", "https:")):
            return False
        if options.other_sites:
            return True
        page_url = _url_of_its_page(request)
        return page_url is None or same_site(url, page_url)

    def _target_of(self, url: str) -> str:
        return self._guard.target_for(url, self._options.target)

    def ask(self, request: Any) -> None:
        """Ask the guard for a request that waits to be sent; raises where it refuses."""
        guarded = self._guard.admit(
            request.method,
            request.url,
            target=self._target_of(request.url),
            headers=lambda: of_the_scraper(request.headers),
            body=lambda: request.post_data_buffer,
            attempt=_attempt_of(request),
        )
        setattr(request, _GUARDED, guarded)

    def next_navigation(self, page: Any, *, is_again: bool) -> None:
        """Number what a page navigates to; raises where it would send the same request again after a 400."""
        status: int | None = page.__dict__.get(_DOCUMENT)
        attempt = page.__dict__.pop(_NEXT_ATTEMPT, 1)
        if is_again and status is not None:
            attempt = page.__dict__.get(_ATTEMPT, 1) + 1
        if is_again and status == 400:
            self._guard.admit("GET", page.url, target=self._target_of(page.url), attempt=attempt, answered_400=True)
        setattr(page, _ATTEMPT, attempt)

    async def finish(self, response: Any) -> None:
        """Publish a 400 whose body is there before its page may be closed."""
        for answer in list(self._answers):
            if answer.response is response and self._api.is_sync:
                await self._completed(answer)
            elif answer.response is response:
                # The browser may never tell the end of a response, and the scraper's call waits here.
                with suppress(TimeoutError):
                    async with asyncio.timeout(LONGEST_WAIT_S):
                        await self._completed(answer)

    def publish_what_is_known(self) -> None:
        """Publish every response that waits for its headers or its body: its page is gone."""
        for answer in list(self._answers):
            answer.publish()

    def _safely(self, work: Callable[[Any], None], about: Any) -> None:
        try:
            work(about)
        except Exception:
            log.exception("Halt400 cannot follow a request of Playwright.")

    def _sent(self, request: Any) -> None:
        # Not asked for here: it is on its way. The route asks, where anything may be refused.
        if self.concerns(request):
            guarded = GuardedRequest(
                self._guard,
                request.method,
                request.url,
                self._target_of(request.url),
                lambda: of_the_scraper(request.headers),
                lambda: request.post_data_buffer,
                _attempt_of(request),
            )
            setattr(request, _GUARDED, guarded)

    def _received(self, response: Any) -> None:
        request = response.request
        guarded = take_guarded(request)
        if guarded is None or response.from_service_worker:
            return
        if self._is_chromium and request.timing["requestStart"] < 0:
            # A handler of the scraper, or the browser's memory, has answered.
            return
        # A handler of the scraper may have changed it.
        guarded.method = request.method
        status = response.status
        page = _navigating_page(request)
        if page is not None:
            setattr(page, _DOCUMENT, status)
        if guarded.received(status):
            self._bad_request()
        # While a route stands, the browser has no cache.
        may_be_cached = self._is_chromium and status != 400 and not hasattr(request, ASKED)
        answer = _Answer(guarded, response, self._known(guarded), may_be_cached=may_be_cached)
        if may_be_cached or self._guard.publisher.wants_headers(guarded.target, guarded.method, status):
            self._publish_completed(answer)
        else:
            answer.publish()

    def _failed(self, request: Any) -> None:
        """Publish a response whose body was broken or left: no more will be known of it."""
        for answer in list(self._answers):
            if answer.response.request is request:
                answer.publish()

    def _publish_completed(self, answer: _Answer) -> None:
        self._answers.add(answer)
        timer = self._api.loop.call_later(LONGEST_WAIT_S, answer.publish)

        async def work() -> None:
            try:
                await self._completed(answer)
            finally:
                timer.cancel()
                self._answers.discard(answer)

        self._api.begin(work)

    async def _completed(self, answer: _Answer) -> None:
        """Ask the browser for what is missing, and publish."""
        try:
            await self._complete(answer)
        except Error as error:
            log.debug("Published without what the browser does not tell: %s", error)
        finally:
            answer.publish()

    def _known(self, guarded: GuardedRequest) -> dict[str, Any]:
        return {
            "http_version": self._versions.get(guarded.target, "1.1"),
            "request_headers": list,
            "proxy_id": self._options.proxy_id,
        }

    async def _complete(self, answer: _Answer) -> None:
        response, known, target = answer.response, answer.known, answer.guarded.target
        request, status = response.request, response.status
        if answer.may_be_cached:
            size = await settled(request.sizes())
            if size["responseHeadersSize"] + size["responseBodySize"] <= 0:
                answer.is_done = True  # nothing was transferred
                return
        # What is asked of the browser takes its time, and Python's: of most responses the status is enough.
        if hasattr(response, "http_version") and (status == 400 or target not in self._versions):
            self._note_version(target, await settled(response.http_version()))
        known["http_version"] = self._versions.get(target, "1.1")
        # Asked last, as others may be published meanwhile.
        if status == 400 or self._guard.publisher.wants_headers(target, answer.guarded.method, status):
            sent = pairs(await settled(request.headers_array()))
            known["request_headers"] = lambda: in_browsers_order(sent, answer.guarded.url)
        if status != 400:
            return
        received = pairs(await settled(response.headers_array()))
        known["response_headers"] = lambda: received
        # Comes when the response has ended.
        size = (await settled(request.sizes()))["responseBodySize"]
        if size > LARGEST_BODY_BYTES:
            known["response_size"] = size
        else:
            known["response_body"] = await settled(response.body())

    def _note_version(self, target: str, told: str) -> None:
        version = {"h2": "2", "h3": "3"}.get(told.lower(), told.upper().removeprefix("HTTP/").removesuffix(".0"))
        if target not in self._versions and len(self._versions) >= _MOST_VERSIONS:
            self._versions.clear()
        self._versions[target] = version or "1.1"


def _navigating_page(request: Any) -> Any:
    """Return the page that a request is to show, where that page is there already."""
    if not request.is_navigation_request():
        return None
    try:
        frame = request.frame
    except Error:
        return None  # of a service worker, or the first request of a popup
    return frame.page if frame.parent_frame is None else None


def _attempt_of(request: Any) -> int:
    page = _navigating_page(request)
    return 1 if page is None else page.__dict__.get(_ATTEMPT, 1)


def _url_of_its_page(request: Any) -> str | None:
    """Return the URL of the page, or of the service worker, that sends a request; None for a page on its way."""
    worker = getattr(request, "service_worker", None)
    if worker is not None:
        return str(worker.url)
    try:
        frame = request.frame
    except Error:
        return None  # the first request of a popup
    if request.is_navigation_request() and frame.parent_frame is None:
        return None
    return str(frame.page.url)
