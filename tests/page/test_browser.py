"""Debian's Chromium on the running system: a worker, a scraper with the SDK's gate, a page that is never reloaded."""

import secrets
import shutil
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from halt400.events import response_event
from halt400.gate import Gate
from halt400.kafka.connection import KafkaConnection
from halt400.publisher import Publisher
from tests.api.conftest import MODULE
from tests.waiting import until
from tests.worker.conftest import Cluster

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
TARGET, JOB = "api.shop.example", "extract-1"
SEEN_WITHIN_S = 2.0
DEADLINE_MS = 20_000
pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here"),
]


@dataclass
class Running:
    """The running system, and a scraper on it."""

    url: str
    gate: Gate
    publisher: Publisher
    browser: Browser

    async def answered(self, status: int, number: int) -> None:
        """The scraper got a response."""
        body = '{"page": %d}' if status == 200 else '{"page": %d, }'
        event = response_event(
            method="POST",
            url=f"https://{TARGET}/v2/search",
            request_headers=[("Host", TARGET), ("Content-Type", "application/json")],
            request_body=(body % number).encode(),
            status=status,
            target=TARGET,
            job_id=JOB,
            release="2.4.0",
        )
        self.publisher.publish(event)


@pytest_asyncio.fixture(**MODULE)
async def running(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    prefix = f"t-{secrets.token_hex(4)}."
    connection = KafkaConnection(kafka, prefix)
    async with (
        Cluster.prepared(kafka, prefix, tmp_path_factory.mktemp("page")) as cluster,
        async_playwright() as started,
    ):
        cluster.start_worker()
        log = cluster.logs[0]
        await until(lambda: "Ready:" in log.read_text() and "The API answers at" in log.read_text())
        url = log.read_text().partition("The API answers at ")[2].partition("\n")[0].rstrip(".")
        browser = await started.chromium.launch(executable_path=CHROMIUM)
        async with Gate(connection) as gate, Publisher(connection) as publisher:
            await gate.wait_caught_up()
            yield Running(url, gate, publisher, browser)
        await browser.close()


async def opened(running: Running, path: str, **options: Any) -> tuple[Any, list[str]]:
    """A page in a context of its own, and what its console says."""
    context = await running.browser.new_context(**options)
    page = await context.new_page()
    page.set_default_timeout(DEADLINE_MS)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    await page.goto(running.url + path)
    return page, said


async def test_a_break_is_seen_without_reloading_its_cause_is_read_and_the_scraper_is_released(
    running: Running,
) -> None:
    for number in range(30):
        await running.answered(200, number)
    page, said = await opened(running, "/")
    row = page.locator("table.fleet tbody tr", has_text=TARGET)
    await row.get_by_text("No 400s").wait_for()
    await page.evaluate("window.stays = true")

    broke_s = time.monotonic()
    await running.answered(400, 31)
    await row.get_by_text("Halted").wait_for()
    assert time.monotonic() - broke_s < SEEN_WITHIN_S
    assert await page.evaluate("window.stays")
    assert running.gate.check(TARGET, JOB) is not None
    assert "Malformed JSON" in await row.inner_text()

    await row.get_by_role("link", name=TARGET).click()
    await page.locator("pre.excerpt mark").first.wait_for()
    assert "Remedy" in await page.locator(".diagnosis").inner_text()
    assert said == []
    await page.context.close()
