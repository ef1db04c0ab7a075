"""The gate of a browser's context: a route, which stands only while some request may be refused.

With a route Playwright shows every request to Python and turns the browser's cache off, so a context has none while
nothing is held. Handlers of the scraper's own routes are called for what is admitted.
"""

import asyncio
import inspect
import logging
import threading
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from playwright.async_api import Error

from halt400.errors import BrokerUnavailable, Halt400Error, JobQuarantined, PreflightFailed
from halt400.events import target_of
from halt400.guard import RequestGuard
from halt400.integrations.playwright_apis import Api, settled
from halt400.integrations.playwright_requests import ApiRequests
from halt400.integrations.playwright_traffic import ASKED, Traffic, take_guarded

__all__ = ["RouteGate"]

log = logging.getLogger(__name__)

_EVERYTHING = "**/*"
_REFUSES = (JobQuarantined, PreflightFailed, BrokerUnavailable)


class RouteGate:
    """Stops requests of a context that the guard refuses."""

    def __init__(self, guard: RequestGuard, api: Api, traffic: Traffic, requests: ApiRequests, context: Any) -> None:
        self._guard, self._api, self._traffic, self._requests = guard, api, traffic, requests
        self._route, self._unroute = context.route, context.unroute
        self._stands = False
        self._updating: asyncio.Future[None] | None = None
        self._refused: deque[tuple[int, object, bool, Halt400Error]] = deque(maxlen=32)
        self._told: deque[tuple[type, str]] = deque(maxlen=32)
        self.refusals = 0
        self._handle = self._handler(self._pass)
        self.protect_routes(context)
        _watch(guard, self)

    def changed(self) -> None:
        """Set or remove the route as the gate's commands ask; from any thread."""
        self._api.begin_from_any_thread(self.update)

    async def update(self) -> None:
        """Set the route where a request may be refused, and remove it where none is; it is so when this returns."""
        while self._updating is not None and not self._api.is_sync:
            await asyncio.wait([self._updating])
        wanted = self._guard.may_refuse()
        if wanted == self._stands:
            return
        self._stands = wanted
        done = self._updating = self._api.loop.create_future()
        try:
            with suppress(Error):  # the context is closed
                await settled((self._route if wanted else self._unroute)(_EVERYTHING, self._handle))
        finally:
            self._updating = None
            done.set_result(None)

    def refusal(self, page: Any, since: int, *, of_navigation: bool) -> Halt400Error | None:
        """Return the error of the latest request of a page that was refused after the first `since` refusals."""
        for number, refused_page, is_navigation, error in reversed(self._refused):
            if number > since and refused_page is page and is_navigation == of_navigation:
                return error
        return None

    def protect_routes(self, owner: Any) -> None:
        """Ask before the handlers of a page's or a context's routes, which would send requests without the gate."""
        plain, plain_unroute, plain_unroute_all = owner.route, owner.unroute, owner.unroute_all
        handlers: dict[Any, Any] = {}

        def route(url: Any, handler: Callable[..., Any], *rest: Any, **more: Any) -> Any:
            if handler not in handlers:
                handlers[handler] = self._handler(handler)
            return plain(url, handlers[handler], *rest, **more)

        def unroute(url: Any, handler: Callable[..., Any] | None = None) -> Any:
            return plain_unroute(url, handlers.get(handler, handler))

        async def without_routes(*rest: Any, **more: Any) -> None:
            await settled(plain_unroute_all(*rest, **more))
            handlers.clear()
            if owner.route is route and plain == self._route:
                self._stands = False
                await self.update()

        def unroute_all(*rest: Any, **more: Any) -> Any:
            return self._api.result_of(without_routes(*rest, **more))

        owner.route, owner.unroute, owner.unroute_all = route, unroute, unroute_all

    def _handler(self, handler: Callable[..., Any]) -> Callable[..., Any]:
        """Return a route's handler that asks, and does as `handler` does where the request is admitted."""
        takes = _positional(handler)

        async def work(route: Any, request: Any) -> None:
            if not await self._refuses(route, request):
                self._publish_fetch(route, request)
                await settled(handler(*(route, request)[:takes]))

        return lambda route, request: self._api.result_of(work(route, request))

    async def _pass(self, route: Any) -> None:
        with suppress(Error):  # the page is closed
            await settled(route.fallback())

    async def _refuses(self, route: Any, request: Any) -> bool:
        try:
            if hasattr(request, ASKED) or not self._traffic.concerns(request):
                return False
            self._traffic.ask(request)
        except _REFUSES as error:
            self._note(request, error)
            with suppress(Error):
                # A page whose navigation is aborted stays as it is.
                await settled(route.abort("aborted" if request.is_navigation_request() else "blockedbyclient"))
            return True
        except Exception:
            log.exception("Halt400 cannot ask for a request of Playwright, which is sent.")
        setattr(request, ASKED, True)
        return False

    def _note(self, request: Any, error: Halt400Error) -> None:
        self.refusals += 1
        try:
            page = request.frame.page
        except Error:
            page = None  # of a service worker, or the first request of a popup
        self._refused.append((self.refusals, page, request.is_navigation_request(), error))
        command = error.command if isinstance(error, JobQuarantined) else None
        told = (type(error), target_of(request.url) if command is None else command.command_id)
        if told not in self._told:
            self._told.append(told)
            log.warning("%s %s is not sent: %s Others are not told of.", request.method, request.url, error)

    def _publish_fetch(self, route: Any, request: Any) -> None:
        """Publish what a handler fetches by ``route.fetch``: the browser's response is then the handler's."""
        plain = route.fetch

        async def work(*rest: Any, **more: Any) -> Any:
            response = await settled(plain(*rest, **more))
            guarded = take_guarded(request)
            if guarded is not None:
                await self._requests.answered(guarded, response)
            return response

        route.fetch = lambda *rest, **more: self._api.result_of(work(*rest, **more))


def _positional(handler: Callable[..., Any]) -> int:
    """Return how many of route and request a handler takes."""
    kinds = [parameter.kind for parameter in inspect.signature(handler).parameters.values()]
    if inspect.Parameter.VAR_POSITIONAL in kinds:
        return 2
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(kind in positional for kind in kinds)


_lock = threading.Lock()
_watched: "weakref.WeakKeyDictionary[RequestGuard, weakref.WeakSet[RouteGate]]" = weakref.WeakKeyDictionary()


def _watch(guard: RequestGuard, route_gate: RouteGate) -> None:
    """Tell a route of the commands of its guard's gate; a guard may have thousands of contexts, one after the other."""
    with _lock:
        gates = _watched.get(guard)
        if gates is not None:
            gates.add(route_gate)
            return
        _watched[guard] = gates = weakref.WeakSet([route_gate])

    def changed(_: object) -> None:
        with _lock:
            found = list(gates)
        for one in found:
            one.changed()

    if guard.gate is not None:
        guard.gate.on_change(changed)
