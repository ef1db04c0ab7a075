"""One process of `benchmarks.sdk_fleet` that runs Scrapy, told to retry 400s: a crawl of many targets."""

import sys
import time
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

import scrapy
from scrapy.crawler import CrawlerProcess

from benchmarks.sdk_fleet_process import MOST_TOLD, Pace, end_with_parent, path_of, tell
from halt400.integrations.scrapy import job_quarantined
from halt400.records import Command

__all__ = ["FleetSpider"]


class FleetSpider(scrapy.Spider):
    """Sends to one target after the other, to each until it is refused; the server is a proxy for all of them."""

    name = "fleet"
    handle_httpstatus_list = [400]  # noqa: RUF012 - Scrapy's own form

    def __init__(self, url: str, rounds: int, least: int, rate: float) -> None:
        super().__init__()
        self.url, self.rounds, self.least, self.pace = url, rounds, least, Pace(rate)
        self.number = self.sent = self.responses = 0
        self.begun_at = deque[float](maxlen=MOST_TOLD)
        self.known_at: dict[str, float] = {}

    @classmethod
    def from_crawler(cls, crawler, *arguments, **options):  # type: ignore[no-untyped-def]
        """Learn when the gate of the crawl knows a command."""
        spider = super().from_crawler(crawler, *arguments, **options)
        crawler.signals.connect(spider.learn, signal=job_quarantined)
        return spider

    def learn(self, command: Command) -> None:
        """Note the time."""
        self.known_at[command.scope.target] = time.time()

    async def start(self) -> AsyncIterator[scrapy.Request]:
        """Begin with the first target."""
        tell(begun=-1)
        yield self.next_request()

    def next_request(self) -> scrapy.Request:
        """Make the next request to the target."""
        self.begun_at.append(time.time())
        return scrapy.Request(
            f"http://shop-{self.number}.example/{path_of(self.sent)}?sent={self.sent}",
            meta={"proxy": self.url},
            errback=self.refused,
            dont_filter=True,
        )

    async def parse(self, response: scrapy.http.Response) -> AsyncIterator[scrapy.Request]:
        """Take the response, and send the next request in its time."""
        self.sent, self.responses = self.sent + 1, self.responses + 1
        if self.sent == self.least:
            tell(begun=self.number)
        await self.pace.wait()
        yield self.next_request()

    async def refused(self, failure: Any) -> AsyncIterator[scrapy.Request]:
        """Go on with the next target."""
        refused_at = time.time()
        # The request may be refused before the reactor comes to the signal.
        known_at = self.known_at.get(f"shop-{self.number}.example", refused_at)
        tell(refused=self.number, known_at=known_at, at=refused_at, begun_at=list(self.begun_at))
        self.number, self.sent = self.number + 1, 0
        self.begun_at.clear()
        if self.number < self.rounds:
            await self.pace.wait()
            yield self.next_request()


def run(url: str, rounds: int, least: int, rate: float) -> None:
    """Crawl until each target is refused."""
    process = CrawlerProcess(
        {
            "ADDONS": {"halt400.integrations.scrapy.Halt400Addon": 300},
            "HALT400_JOB_ID": "fleet",
            "HALT400_LOCAL_HOLD": False,
            "HALT400_ON_QUARANTINE": "drop",
            "RETRY_HTTP_CODES": [400],
            # Scrapy starts so many tasks for each response whose callback is asynchronous: 4 ms with its default, 100.
            "CONCURRENT_ITEMS": 1,
            "LOG_LEVEL": "ERROR",
            "TELNETCONSOLE_ENABLED": False,
        }
    )
    crawler = process.create_crawler(FleetSpider)
    process.crawl(crawler, url=url, rounds=rounds, least=least, rate=rate)
    process.start()
    spider, stats = crawler.spider, crawler.stats
    assert isinstance(spider, FleetSpider)
    assert stats is not None
    tell(flushed=True, published=stats.get_value("halt400/published"), responses=spider.responses)


if __name__ == "__main__":
    end_with_parent()
    run(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5]))
