"""The hooks of a crawler with a browser: its pages are protected, and a page that is refused is skipped."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from crawlee.errors import ContextPipelineInterruptedError

from halt400.errors import Halt400Error
from halt400.guard import RequestGuard
from halt400.integrations.crawlee_client import REFUSALS
from halt400.integrations.crawlee_visits import begin_visit
from halt400.integrations.playwright import protect as protect_context
from halt400.integrations.playwright_traffic import number_next_navigation

__all__ = ["add_hooks"]


def add_hooks(
    crawler: Any,
    guard: RequestGuard,
    asked: Callable[[Halt400Error | None], None],
    options: dict[str, Any],
) -> None:
    """Protect each page of a `PlaywrightCrawler` before it navigates.

    Parameters
    ----------
    asked
        Told of each navigation: the error by which it was refused, or None where it is sent.
    options
        What `halt400.integrations.playwright.protect` takes besides.
    """

    async def before(context: Any) -> None:
        visit = begin_visit(context.request, context.session)
        proxy = context.proxy_info
        page = await protect_context(context.page, guard, proxy=None if proxy is None else proxy.url, **options)
        number_next_navigation(page, visit.attempt)
        plain = page.goto

        @wraps(plain)
        async def goto(*rest: Any, **more: Any) -> Any:
            # The crawler's own navigation; a handler's later ones raise what was refused.
            page.goto = plain
            try:
                response = await plain(*rest, **more)
            except REFUSALS as error:
                visit.give_up()
                asked(error)
                raise ContextPipelineInterruptedError(f"Halt400: {error}") from error
            asked(None)
            if response is not None and response.status == 400:
                visit.give_up()
            return response

        page.goto = goto

    crawler.pre_navigation_hook(before)
