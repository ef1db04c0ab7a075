"""What a hostile server does to a crawl, it does with the Scrapy add-on as without it."""

import asyncio
import json
import os
import sys
from typing import Any

import pytest

from tests.sdk.strict_server import Server

pytest.importorskip("scrapy")
pytestmark = pytest.mark.broker

CRAWL = """
import json, sys
import scrapy
from scrapy.crawler import CrawlerProcess

url, paths, settings = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
outcomes = {}

class Shop(scrapy.Spider):
    name = "shop"

    def requests(self):
        for path in paths:
            meta = {"handle_httpstatus_all": True, "download_timeout": 1 if path == "/silent" else 60}
            yield scrapy.Request(url + path, self.parse, errback=self.failed, meta=meta)

    async def start(self):
        for request in self.requests():
            yield request

    def start_requests(self):
        return self.requests()

    def parse(self, response):
        outcomes[response.url.removeprefix(url)] = [response.status, len(response.body)]

    def failed(self, failure):
        outcomes[failure.request.url.removeprefix(url)] = failure.type.__name__

process = CrawlerProcess(settings)
crawler = process.create_crawler(Shop)
process.crawl(crawler)
process.start()
print(json.dumps([outcomes, crawler.stats.get_value("finish_reason"), crawler.stats.get_value("halt400/published")]))
"""

PATHS = [
    *("/items", "/items?status=400", "/broken", "/broken-gzip?status=200", "/broken-gzip?status=400", "/silent"),
    *("/large?status=200&mb=100", "/large?status=400&mb=100", "/endless?status=200", "/endless?status=400"),
]
SETTINGS = {
    "DOWNLOAD_MAXSIZE": 500_000,
    "LOG_LEVEL": "ERROR",
    "RETRY_ENABLED": False,
    "TELNETCONSOLE_ENABLED": False,
}


async def crawl(server: Server, **more: Any) -> list[Any]:
    """Outcomes by path, why the spider closed, and how many events it published."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HALT400_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CRAWL, server.url, json.dumps(PATHS), json.dumps(SETTINGS | more),
        env=kept | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, errors = await asyncio.wait_for(process.communicate(), 90)
    assert process.returncode == 0, errors.decode()
    found: list[Any] = json.loads(out)
    return found


async def test_a_hostile_server_and_missing_topics_change_nothing_in_a_crawl(
    server: Server, kafka: str, prefix: str
) -> None:
    watched, bare = await asyncio.gather(
        crawl(
            server,
            ADDONS={"halt400.integrations.scrapy.Halt400Addon": 300},
            HALT400_JOB_ID="extract-099",
            HALT400_KAFKA_BOOTSTRAP_SERVERS=kafka,
            HALT400_KAFKA_TOPIC_PREFIX=prefix,
        ),
        crawl(server),
    )
    assert watched[:2] == bare[:2]
    assert set(bare[0]) == set(PATHS)
    assert bare[0]["/items"] == [200, 2]
    assert (bare[1], bare[2]) == ("finished", None)
    assert watched[2] == 4  # the others were no responses that the downloader handed out
