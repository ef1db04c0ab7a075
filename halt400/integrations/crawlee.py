"""Halt400 for Crawlee for Python: one line protects a crawler, of HTTP or of browsers.

Requests that the gate refuses are skipped: they count as no failure, and neither session nor proxy is blamed. A 400 is
never retried, whatever the crawler's settings say, and its session goes without blame.

Examples
--------
>>> async def crawl() -> None:
...     async with Guard("kafka:9092", job_id="extract-099") as guard:
...         crawler = protect(ParselCrawler(), guard)
...         await crawler.run(["https://api.shop.example/products"])
"""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from crawlee.crawlers import BasicCrawler

from halt400.errors import Halt400Error, JobQuarantined
from halt400.guard import RequestGuard
from halt400.integrations.crawlee_client import REFUSALS, Halt400HttpClient, name_client
from halt400.integrations.crawlee_visits import give_up_refused

__all__ = ["Halt400HttpClient", "protect"]

log = logging.getLogger(__name__)

STOP_AFTER = 100
"""Requests refused in a row after which a crawl is stopped unless another number is given."""
_PROTECTED = "_halt400_protected"

SomeCrawler = TypeVar("SomeCrawler", bound=BasicCrawler[Any, Any])


def protect(
    crawler: SomeCrawler,
    guard: RequestGuard,
    *,
    target: str | Callable[[str], str] | None = None,
    stop_after: int | None = STOP_AFTER,
    **options: Any,
) -> SomeCrawler:
    """Ask the guard for each request of a crawler, and publish each response; return the crawler.

    A crawler that is protected keeps its guard. That of an `AdaptivePlaywrightCrawler` is asked for what goes without
    a browser only.

    Parameters
    ----------
    crawler
        An `HttpCrawler`, `ParselCrawler`, `BeautifulSoupCrawler` or another with an HTTP client, or a
        `PlaywrightCrawler`.
    guard
        The job's guard, entered: a `Guard`.
    target
        Names the target: a string, or a function of a request's URL; default: host and port of the URL.
    stop_after
        Requests refused in a row after which the crawl is stopped, and what is left stays in its queue; None goes on
        and skips them.
    options
        For a `PlaywrightCrawler`, what `halt400.integrations.playwright.protect` takes besides.
    """
    if hasattr(crawler, _PROTECTED):
        return crawler
    name_client(guard)
    stopping = _Stopping(crawler, guard, stop_after)
    if any(kind.__name__ == "PlaywrightCrawler" for kind in type(crawler).__mro__):
        from halt400.integrations.crawlee_browser import add_hooks

        add_hooks(crawler, guard, stopping.asked, {"target": target, **options})
    else:
        wrapped: Any = crawler
        wrapped._http_client = Halt400HttpClient(guard, wrapped._http_client, target=target, asked=stopping.asked)
    give_up_refused(crawler, REFUSALS)
    setattr(crawler, _PROTECTED, True)
    return crawler


class _Stopping:
    """Stop a crawl of which nothing is sent any more."""

    def __init__(self, crawler: Any, guard: RequestGuard, stop_after: int | None) -> None:
        self._crawler, self._guard, self._stop_after = crawler, guard, stop_after
        self._refused_in_a_row = 0
        self._stopped_by: Halt400Error | None = None
        run = crawler.run

        @wraps(run)
        async def counted(*rest: Any, **more: Any) -> Any:
            self._refused_in_a_row, self._stopped_by = 0, None
            result = await run(*rest, **more)
            if self._stopped_by is not None:
                await self._count_the_rest(self._stopped_by)
            return result

        crawler.run = counted

    def asked(self, refusal: Halt400Error | None) -> None:
        """Take note of a request that is sent, or of why it is not."""
        if refusal is None:
            self._refused_in_a_row = 0
            return
        self._refused_in_a_row += 1
        if self._refused_in_a_row == 1:
            log.error("Requests are skipped: %s", refusal)
        if self._refused_in_a_row == self._stop_after:
            self._stopped_by = refusal
            self._crawler.stop(f"Halt400: {self._stop_after} requests in a row were refused.")

    async def _count_the_rest(self, refusal: Halt400Error) -> None:
        """Count what is left in the queue as not sent."""
        manager = await self._crawler.get_request_manager()
        left = await manager.get_total_count() - await manager.get_handled_count()
        self._guard.count_not_sent(refusal.command if isinstance(refusal, JobQuarantined) else None, left)
        log.error("The crawl was stopped: %s %d requests stay in its queue.", refusal, left)
