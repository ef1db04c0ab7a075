"""Asks the shop for a product, ten times."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import scrapy
from scrapy.http import Response
from scrapy.spidermiddlewares.httperror import HttpError
from twisted.python.failure import Failure

QUERIES = {
    "2.3.0": '{"query": "{ product(id: 42) { name, price } }"}',
    "2.4.0": '{"query": "{ product(id: 42) { name, price } }", }',
}


class ShopSpider(scrapy.Spider):
    """``scrapy crawl shop -a url=URL -a release=2.4.0``."""

    name = "shop"

    def __init__(self, url: str, release: str, **more: Any) -> None:
        super().__init__(**more)
        self.url, self.release = url, release

    async def start(self) -> AsyncIterator[scrapy.Request]:
        yield self.product(1)

    def start_requests(self) -> Iterator[scrapy.Request]:
        """What Scrapy calls before 2.13."""
        yield self.product(1)

    def product(self, number: int) -> scrapy.Request:
        return scrapy.Request(
            self.url,
            method="POST",
            body=QUERIES[self.release],
            headers={"Content-Type": "application/json"},
            errback=self.failed,
            cb_kwargs={"number": number},
            dont_filter=True,
        )

    def parse(self, response: Response, number: int) -> Iterator[scrapy.Request]:
        print(f"{self.release}: request {number} got {response.status}", flush=True)
        if number < 10:
            yield self.product(number + 1)

    def failed(self, failure: Failure) -> Iterator[scrapy.Request]:
        """Take what HttpError keeps from `parse`, and what Halt400 does not send."""
        number = failure.request.cb_kwargs["number"]
        if failure.check(HttpError):
            yield from self.parse(failure.value.response, number)
        else:
            print(f"{self.release}: request {number} is not sent. {failure.value}", flush=True)
