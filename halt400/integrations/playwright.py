"""Halt400 for Playwright for Python, both of its APIs: one line protects a browser's context.

Every response that a page, a popup or a service worker of the context gets is published, redirects each; requests that
the gate refuses are not sent, and `JobQuarantined` is raised by what asked for them. Pages, routes and bodies are as
without it.

Examples
--------
>>> async def scrape() -> None:
...     async with async_playwright() as playwright, Guard("kafka:9092", job_id="extract-099") as guard:
...         browser = await playwright.chromium.launch()
...         context = await protect(await browser.new_context(), guard)
...         page = await context.new_page()
...         await page.goto("https://api.shop.example/products")
"""

from collections.abc import Callable, Coroutine, Iterable, Mapping
from importlib.metadata import version
from typing import Any, TypeVar, overload

from playwright import async_api, sync_api

from halt400.guard import RequestGuard
from halt400.integrations.playwright_apis import Api
from halt400.integrations.playwright_gate import RouteGate
from halt400.integrations.playwright_pages import GuardedPages
from halt400.integrations.playwright_requests import ApiRequests
from halt400.integrations.playwright_traffic import Traffic, TrafficOptions
from halt400.proxies import proxy_id_of

__all__ = ["RESOURCE_TYPES", "protect"]

RESOURCE_TYPES = ("document", "xhr", "fetch")
"""The kinds of requests that are published and asked for unless others are named."""

_PROTECTED = "_halt400_protection"

AsyncProtected = TypeVar("AsyncProtected", async_api.BrowserContext, async_api.Page, async_api.APIRequestContext)
SyncProtected = TypeVar("SyncProtected", sync_api.BrowserContext, sync_api.Page, sync_api.APIRequestContext)


@overload
def protect(
    context: AsyncProtected,
    guard: RequestGuard,
    *,
    target: str | Callable[[str], str] | None = None,
    resource_types: Iterable[str] = RESOURCE_TYPES,
    other_sites: bool = False,
    proxy: str | Mapping[str, Any] | None = None,
) -> Coroutine[Any, Any, AsyncProtected]: ...


@overload
def protect(
    context: SyncProtected,
    guard: RequestGuard,
    *,
    target: str | Callable[[str], str] | None = None,
    resource_types: Iterable[str] = RESOURCE_TYPES,
    other_sites: bool = False,
    proxy: str | Mapping[str, Any] | None = None,
) -> SyncProtected: ...


def protect(
    context: Any,
    guard: RequestGuard,
    *,
    target: str | Callable[[str], str] | None = None,
    resource_types: Iterable[str] = RESOURCE_TYPES,
    other_sites: bool = False,
    proxy: str | Mapping[str, Any] | None = None,
) -> Any:
    """Ask the guard for the requests of a context, and publish each response; return the context.

    With the asynchronous API it is awaited. A context that is protected keeps its guard.

    Parameters
    ----------
    context
        A browser's context; a page, for all of its context; or an ``APIRequestContext``. Right after it was made, for
        routes that it has already are not asked for.
    guard
        The job's guard: a `Guard`, with the synchronous API a `SyncGuard`.
    target
        Names the target: a string, or a function of a request's URL; default: host and port of the URL.
    resource_types
        The kinds of requests that are published and asked for, by Playwright's names.
    other_sites
        Whether those that a page sends to other sites than its own are too, such as trackers.
    proxy
        The proxy that the context was given, which Playwright does not tell: it is named in the events.
    """
    if guard.client is None:
        guard.client, guard.client_version = "playwright", version("playwright")
    server = str(proxy["server"]) if isinstance(proxy, Mapping) else proxy
    options = TrafficOptions(
        target=target,
        resource_types=frozenset(resource_types),
        other_sites=other_sites,
        proxy_id=None if server is None else proxy_id_of(server),
    )
    api = Api(is_sync=isinstance(context, sync_api.BrowserContext | sync_api.Page | sync_api.APIRequestContext))
    return api.result_of(_protected(context, guard, api, options))


async def _protected(given: Any, guard: RequestGuard, api: Api, options: TrafficOptions) -> Any:
    context = given.context if isinstance(given, async_api.Page | sync_api.Page) else given
    if hasattr(context, _PROTECTED):
        return given
    requests = ApiRequests(guard, api, options)
    if isinstance(context, async_api.APIRequestContext | sync_api.APIRequestContext):
        requests.protect(context)
        setattr(context, _PROTECTED, requests)
        return given
    requests.protect(context.request)
    browser = context.browser
    traffic = Traffic(
        guard,
        api,
        options,
        is_chromium=browser is not None and browser.browser_type.name == "chromium",
        bad_request=lambda: gate.changed(),
    )
    gate = RouteGate(guard, api, traffic, requests, context)
    traffic.follow(context)
    pages = GuardedPages(api, traffic, gate, context)
    setattr(context, _PROTECTED, (gate, pages))
    await gate.update()
    return given
