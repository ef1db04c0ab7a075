"""The spider of the Scrapy benchmark: run by ``scrapy runspider``, it asks for pages and prints its stats as JSON."""

import json
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

import scrapy
from scrapy import signals

from benchmarks.scrapy_measured import threads_cpu_s

AT_ONCE = 32
"""Requests that wait or are under way: more than are sent at once, so that the crawl is never short of one."""


class Pages(scrapy.Spider):
    """Asks one server for ``PAGES`` pages; every ``BAD_EVERY``-th is answered 400, none with 0."""

    name = "pages"
    handle_httpstatus_list = [400]  # noqa: RUF012 - Scrapy's own form

    @classmethod
    def from_crawler(cls, crawler, *arguments, **options):  # type: ignore[no-untyped-def]
        """Print the stats when the crawl is over, and the time of each page where asked."""
        spider = super().from_crawler(crawler, *arguments, **options)
        crawler.signals.connect(spider.print_stats, signal=signals.spider_closed)
        return spider

    async def start(self) -> AsyncIterator[scrapy.Request]:
        """From Scrapy 2.13 on."""
        for request in self.start_requests():
            yield request

    def start_requests(self) -> Iterator[scrapy.Request]:
        """Before that."""
        self.began, self.cpu_began_s, self.asked = datetime.now(UTC), time.process_time(), 0
        self.threads_began_s = threads_cpu_s()
        for _ in range(min(AT_ONCE, self.settings.getint("PAGES"))):
            yield self.next_request()

    def next_request(self) -> scrapy.Request:
        """Number the pages in the order in which they are asked for."""
        bad_every, self.asked = self.settings.getint("BAD_EVERY"), self.asked + 1
        kind = "bad" if bad_every and self.asked % bad_every == 0 else "page"
        return scrapy.Request(f"{self.settings['URL']}/{kind}/{self.asked}", dont_filter=True)

    def parse(self, response: scrapy.http.Response) -> Iterator[scrapy.Request]:
        """Take the page, and ask for the next."""
        if self.settings.getbool("TELL_TIMES"):
            print(f"{response.status}", flush=True)
        if self.asked < self.settings.getint("PAGES"):
            yield self.next_request()

    def print_stats(self) -> None:
        """One line, after everything else."""
        assert self.crawler.stats is not None
        stats = self.crawler.stats.get_stats()
        elapsed_s = (datetime.now(UTC) - self.began).total_seconds()
        cpu_s = time.process_time() - self.cpu_began_s
        own = {"crawl_s": elapsed_s, "crawl_cpu_s": cpu_s, "threads_cpu_s": threads_cpu_s() - self.threads_began_s}
        print("STATS " + json.dumps(stats | own, default=str), flush=True)
