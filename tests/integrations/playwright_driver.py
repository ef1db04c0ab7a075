"""Playwright's synchronous API as the contract's tests use it: a page that fetches, in one Chromium for all of them."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Playwright, sync_playwright

from halt400.integrations.playwright import protect
from tests.chromium import CHROMIUM, needs_chromium
from tests.integrations.drivers import UPLOAD, Answer, Headers, SyncDriver

__all__ = ["SyncPlaywright", "close_browser"]

SEND = """async ([method, url, headers, body]) => {
  const response = await fetch(url, {method, headers, body: body ?? undefined});
  return [response.status, await response.text()];
}"""
READ_SOME = """async ([url, size]) => {
  const leaving = new AbortController();
  const reader = (await fetch(url, {signal: leaving.signal})).body.getReader();
  let found = 0;
  while (size === null || found < size) {
    const {done, value} = await reader.read();
    if (done) break;
    found += value.length;
  }
  if (size !== null) leaving.abort();
  return found;
}"""
FORM = '<form method="post" enctype="text/plain"><input name="body"></form>'
SUBMIT = "([url, body]) => { const form = document.forms[0]; form.action = url; form.body.name = body; form.submit(); }"


class _Chromium:
    """One browser in a thread of its own, since the synchronous API belongs to the thread that it began in."""

    def __init__(self) -> None:
        self.thread = ThreadPoolExecutor(1)
        self.playwright: Playwright = self.thread.submit(lambda: sync_playwright().start()).result()
        self.browser: Browser = self.thread.submit(self._launch).result()
        # Making one takes a second: those without a guard share it.
        self.unprotected: BrowserContext = self.thread.submit(self.browser.new_context).result()

    def _launch(self) -> Browser:
        # Its pages fetch from other origins than their own.
        return self.playwright.chromium.launch(executable_path=CHROMIUM, args=["--disable-web-security"])

    def close(self) -> None:
        self.thread.submit(self.browser.close).result()
        self.thread.submit(self.playwright.stop).result()
        self.thread.shutdown()


_running: list[_Chromium] = []


def chromium() -> _Chromium:
    if not _running:
        _running.append(_Chromium())
    return _running[0]


def close_browser() -> None:
    while _running:
        _running.pop().close()


class SyncPlaywright(SyncDriver):
    client = "playwright"
    names_proxies = False
    tells_order = False
    keeps_what_was_read = False
    marks = (needs_chromium,)

    async def _run(self, work: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(chromium().thread, lambda: work(*arguments))

    async def open(self) -> None:
        await self._run(self._open)

    def _open(self) -> None:
        self.responses = 0
        if self.guard is None:
            self.context = chromium().unprotected
        else:
            self.context = protect(chromium().browser.new_context(), self.guard, other_sites=True)
            self.context.on("response", self._count)
        self.page = self.context.new_page()

    def _count(self, _: object) -> None:
        self.responses += 1

    async def close(self) -> None:
        await self._run(self.page.close if self.guard is None else self.context.close)

    async def flush(self) -> None:
        await self._run(self._settle)
        await super().flush()

    def _settle(self) -> None:
        """Let Playwright's events be handled: the synchronous API does it only in its calls."""
        deadline = time.monotonic() + 20
        while self.guard is not None and self.guard.stats.published < self.responses and time.monotonic() < deadline:
            self.page.wait_for_timeout(1)

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Sequence[tuple[str, str]] = (),
        body: str | None = None,
        proxy: str | None = None,
    ) -> Answer:
        answer: Answer = await self._run(self._send, method, url, list(headers), body, proxy)
        return answer

    async def upload(self, url: str) -> Answer:
        answer: Answer = await self._run(self._upload, url)
        return answer

    async def read_some(self, url: str, size: int | None) -> int:
        found: int = await self._run(self._read_some, url, size)
        return found

    async def drop(self, url: str) -> int:
        status: int = await self._run(self._drop, url)
        return status

    async def send_with_retries(self, method: str, url: str, body: str | None = None) -> int:
        status: int = await self._run(self._send_with_retries, method, url, body)
        return status

    def _send(self, method: str, url: str, headers: Headers, body: str | None, proxy: str | None) -> Answer:
        status, text = self.page.evaluate(SEND, [method, url, dict(headers), body])
        self._settle()
        return Answer(status, text.encode())

    def _upload(self, url: str) -> Answer:
        return self._send("POST", url, [], b"".join(UPLOAD).decode(), None)

    def _read_some(self, url: str, size: int | None) -> int:
        found: int = self.page.evaluate(READ_SOME, [url, size])
        self._settle()
        return found

    def _drop(self, url: str) -> int:
        status: int = self.page.evaluate("async url => (await fetch(url)).status", url)
        self._settle()
        return status

    def _send_with_retries(self, method: str, url: str, body: str | None) -> int:
        if body is None:
            response = self.page.goto(url)
        else:
            self.page.set_content(FORM)
            with self.page.expect_navigation() as navigation:
                self.page.evaluate(SUBMIT, [url, body])
            response = navigation.value
        for _ in range(2):
            self._settle()
            response = self.page.reload()
        self._settle()
        assert response is not None
        return response.status
