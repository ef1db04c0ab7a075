"""Scrape a shop with Crawlee. Release 2.3.0 sends good requests, 2.4.0 broken JSON: Halt400 stops that one."""

import asyncio

from crawlee import ConcurrencySettings, Request
from crawlee.crawlers import HttpCrawler, HttpCrawlingContext
from crawlee.storage_clients import MemoryStorageClient
from shop import shop

from halt400 import Guard
from halt400.integrations.crawlee import protect

RELEASES = {
    "2.3.0": b'{"query": "{ product(id: 42) { name, price } }"}',
    "2.4.0": b'{"query": "{ product(id: 42) { name, price } }", }',
}


def requests(url: str, body: bytes) -> list[Request]:
    headers = {"Content-Type": "application/json"}
    return [
        Request.from_url(url, method="POST", headers=headers, payload=body, label=str(number), always_enqueue=True)
        for number in range(1, 11)
    ]


async def scrape(url: str, release: str, body: bytes) -> None:
    async with Guard(job_id="example-crawlee", release=release) as guard:
        crawler = HttpCrawler(
            concurrency_settings=ConcurrencySettings(desired_concurrency=1, max_concurrency=1),
            storage_client=MemoryStorageClient(),
            ignore_http_error_status_codes=[400],
            configure_logging=False,
        )
        protect(crawler, guard, stop_after=3)

        @crawler.router.default_handler
        async def handle(context: HttpCrawlingContext) -> None:
            print(f"{release}: request {context.request.label} got {context.http_response.status_code}")

        sent = guard.stats.published
        await crawler.run(requests(url, body))
        if guard.stats.refused:
            print(f"{release}: request {guard.stats.published - sent + 1} is not sent, nor is what came after it.")


async def main() -> None:
    with shop() as url:
        for release, body in RELEASES.items():
            await scrape(url, release, body)


asyncio.run(main())
