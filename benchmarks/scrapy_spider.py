"""The spider of the Scrapy benchmark: run by ``scrapy runspider``, it asks for pages and prints its stats as JSON.

With ``BLOCK`` it takes the middleware that is nearest to the downloader out after so many pages, and back in after as
many, and notes what each block took.
"""

import json
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any

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
        self.blocks: dict[str, list[float]] = {"with": [], "without": []}
        self.kept: dict[str, object] = {}
        self.taken, self.block_began_s = 0, time.process_time()
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
        self.taken += 1
        if self.settings.getint("BLOCK") and self.taken % self.settings.getint("BLOCK") == 0:
            self.end_block()
        if self.asked < self.settings.getint("PAGES"):
            yield self.next_request()

    def end_block(self) -> None:
        """Note the processor time of a block's page, in microseconds, and switch the middleware off or on."""
        assert self.crawler.engine is not None
        methods: Any = self.crawler.engine.downloader.middleware.methods
        spent_s = time.process_time() - self.block_began_s
        self.blocks["without" if self.kept else "with"].append(spent_s / self.settings.getint("BLOCK") * 1e6)
        if self.kept:
            methods["process_request"].append(self.kept["process_request"])
            methods["process_response"].appendleft(self.kept["process_response"])
            methods["process_exception"].appendleft(self.kept["process_exception"])
            self.kept = {}
        else:
            self.kept = {
                "process_request": methods["process_request"].pop(),
                "process_response": methods["process_response"].popleft(),
                "process_exception": methods["process_exception"].popleft(),
            }
        self.block_began_s = time.process_time()

    def print_stats(self) -> None:
        """One line, after everything else."""
        assert self.crawler.stats is not None
        stats = self.crawler.stats.get_stats()
        elapsed_s = (datetime.now(UTC) - self.began).total_seconds()
        cpu_s = time.process_time() - self.cpu_began_s
        own: dict[str, Any] = {
            "crawl_s": elapsed_s,
            "crawl_cpu_s": cpu_s,
            "threads_cpu_s": threads_cpu_s() - self.threads_began_s,
        }
        own |= {"blocks": self.blocks}
        print("STATS " + json.dumps(stats | own, default=str), flush=True)
