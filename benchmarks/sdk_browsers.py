"""Chromium under Playwright: one page, one navigation at a time (`benchmarks.sdk`), or what the page asks for.

A headless shell, where there is one, in as few processes as it runs in: eight browsers have to fit on two processors.
"""

import os
import shutil
from typing import Any

from playwright.async_api import Page, Playwright, async_playwright

from halt400.guard import RequestGuard
from halt400.integrations.playwright import protect

__all__ = ["OnePage"]

_NAMES = ("chromium-headless-shell", "chromium")
_LEAN = ["--disable-gpu", "--in-process-gpu", "--disable-software-rasterizer", "--disable-background-networking"]
_FETCH = "async url => { const answer = await fetch(url); await answer.text(); return answer.status }"


class OnePage:
    """A page of a browser of its own, opened by the first navigation."""

    def __init__(self, guard: RequestGuard | None) -> None:
        self._guard = guard
        self._playwright: Playwright | None = None
        self._page: Page | None = None

    async def __aenter__(self) -> "OnePage":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End the browser, where it was opened."""
        if self._playwright is not None and self._page is not None:
            browser = self._page.context.browser
            assert browser is not None
            await browser.close()
            await self._playwright.stop()

    async def get(self, url: str) -> Any:
        """Navigate to a URL; return the response."""
        if self._page is None:
            self._page = await self._open()
        return await self._page.goto(url)

    async def fetch(self, url: str) -> Any:
        """Have the page itself ask for a URL, as its scripts do; the first is navigated to."""
        return await (self.get(url) if self._page is None else self._page.evaluate(_FETCH, url))

    async def _open(self) -> Page:
        self._playwright = await async_playwright().start()
        path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
        browser = await self._playwright.chromium.launch(executable_path=path, args=_LEAN)
        context = await browser.new_context()
        if self._guard is not None:
            await protect(context, self._guard)
        return await context.new_page()
