"""Crawlers of Crawlee on a real server and the real broker: retries, sessions, statistics, redirects, browsers."""

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from crawlee import ConcurrencySettings, Request
from crawlee.configuration import Configuration
from crawlee.crawlers import BasicCrawler, BeautifulSoupCrawler, HttpCrawler, ParselCrawler, PlaywrightCrawler
from crawlee.events import LocalEventManager
from crawlee.http_clients import CurlImpersonateHttpClient, HttpxHttpClient, ImpitHttpClient
from crawlee.proxy_configuration import ProxyConfiguration
from crawlee.sessions import Session, SessionPool
from crawlee.storage_clients import MemoryStorageClient
from crawlee.storages import RequestQueue

from halt400.events import target_of
from halt400.guard import Guard
from halt400.integrations.crawlee import protect
from tests.chromium import CHROMIUM, needs_chromium
from tests.integrations.conftest import JobTopics
from tests.sdk.strict_server import Server
from tests.waiting import until

pytestmark = pytest.mark.broker

BROKEN = '{"query": "{ product(id: 42) }", }'
JSON = {"Content-Type": "application/json"}


class Crawl:
    """What the crawls of one job did."""

    def __init__(self, guard: Guard, job: JobTopics) -> None:
        self.guard, self.job = guard, job
        self.handled: list[str] = []
        self.failed: list[str] = []
        self.sessions: list[Session] = []

    def _new_session(self) -> Session:
        session = Session(blocked_status_codes=[400, 403])
        self.sessions.append(session)
        return session

    async def crawler(self, kind: Any = ParselCrawler, *, stop_after: int | None = 100, **options: Any) -> Any:
        storage = MemoryStorageClient()
        # The default queue is one for the whole process.
        queue = await RequestQueue.open(alias=secrets.token_hex(4), storage_client=storage)
        crawler = kind(
            storage_client=storage,
            request_manager=queue,
            event_manager=LocalEventManager.from_config(Configuration()),
            session_pool=SessionPool(max_pool_size=1, create_session_function=self._new_session),
            retry_on_blocked=kind.__name__ == "HttpCrawler",
            concurrency_settings=ConcurrencySettings(desired_concurrency=1, max_concurrency=1),
            configure_logging=False,
            **options,
        )
        crawler.router.default_handler(self._handle)
        crawler.failed_request_handler(self._fail)
        return protect(crawler, self.guard, stop_after=stop_after)

    async def _handle(self, context: Any) -> None:
        self.handled.append(context.request.url)

    async def _fail(self, context: Any, error: Exception) -> None:
        self.failed.append(f"{context.request.url} {type(error).__name__}")

    async def events(self) -> list[Any]:
        assert await self.guard.publisher.flush(20)
        return await self.job.events()

    async def published(self, server: Server) -> list[tuple[str, int, int]]:
        return [
            (event.request.url.removeprefix(server.url), event.response.status, event.attempt)
            for event in await self.events()
        ]

    @property
    def blame(self) -> float:
        return sum(session.error_score for session in self.sessions)

    async def quarantined(self, server: Server) -> None:
        await self.job.command(target_of(server.url))
        await until(lambda: not self.guard.gate.is_open(target_of(server.url), self.job.job_id))


@pytest.fixture
async def crawl(job: JobTopics) -> AsyncIterator[Crawl]:
    async with Guard(job_id=job.job_id, local_hold=None, catch_up_s=0) as guard:
        yield Crawl(guard, job)


@pytest.mark.parametrize("kind", [HttpCrawler, ParselCrawler, BeautifulSoupCrawler])
async def test_a_400_is_never_retried_and_its_session_goes_without_blame(
    crawl: Crawl, server: Server, kind: type[BasicCrawler]
) -> None:
    crawler = await crawl.crawler(kind, additional_http_error_status_codes=[400, 503], max_request_retries=2)
    await crawler.run([f"{server.url}/items", f"{server.url}/items?status=400"])
    assert crawl.blame == 0
    await crawler.run([f"{server.url}/items?status=503"])
    assert crawl.blame > 0
    assert await crawl.published(server) == [
        ("/items", 200, 1),
        ("/items?status=400", 400, 1),
        ("/items?status=503", 503, 1),
        ("/items?status=503", 503, 2),
        ("/items?status=503", 503, 3),
    ]
    assert crawl.handled == [f"{server.url}/items"]
    assert len(crawl.failed) == 2


async def test_a_400_that_a_session_takes_for_a_block_rotates_no_session(crawl: Crawl, server: Server) -> None:
    await (await crawl.crawler(HttpCrawler)).run([f"{server.url}/items?status=400"])
    assert server.hits == ["GET /items?status=400"]
    assert (crawl.blame, len(crawl.sessions)) == (0, 1)


async def test_a_handler_that_fails_after_a_400_is_not_run_again(crawl: Crawl, server: Server) -> None:
    crawler = await crawl.crawler(ignore_http_error_status_codes=[400])

    @crawler.router.handler("failing")
    async def fail(context: Any) -> None:
        raise ValueError(context.http_response.status_code)

    await crawler.run([Request.from_url(f"{server.url}/items?status=400", label="failing")])
    assert server.hits == ["GET /items?status=400"]


@pytest.mark.parametrize("client", [HttpxHttpClient, ImpitHttpClient, CurlImpersonateHttpClient])
async def test_a_400_is_published_whole_and_redirects_each(crawl: Crawl, server: Server, client: Any) -> None:
    crawler = await crawl.crawler(http_client=client())
    request = Request.from_url(f"{server.url}/graphql", method="POST", headers=JSON, payload=BROKEN.encode())
    await crawler.run([request, f"{server.url}/moved"])
    events = await crawl.events()
    bad = events[0]
    assert (bad.request.method, bad.request.body, bad.client.name) == ("POST", BROKEN, "crawlee")
    assert "error" in bad.response.body
    assert dict(bad.request.headers)["content-type"] == "application/json"
    assert {name.lower() for name, _ in bad.response.headers} >= {"content-type", "server"}
    urls = [event.request.url.removeprefix(server.url) for event in events[1:]]
    # curl follows redirects where no one sees it.
    assert urls == (["/items"] if client is CurlImpersonateHttpClient else ["/moved", "/items"])


async def test_refused_requests_are_skipped_and_are_no_failures(crawl: Crawl, server: Server) -> None:
    await crawl.quarantined(server)
    statistics = await (await crawl.crawler()).run([f"{server.url}/items?page={page}" for page in range(5)])
    assert (server.hits, crawl.handled, crawl.failed) == ([], [], [])
    assert (statistics.requests_failed, crawl.guard.stats.refused) == (0, 5)
    assert crawl.blame == 0


async def test_a_crawl_of_which_nothing_is_sent_is_stopped_and_keeps_its_queue(crawl: Crawl, server: Server) -> None:
    await crawl.quarantined(server)
    crawler = await crawl.crawler(stop_after=3)
    await crawler.run([f"{server.url}/items?page={page}" for page in range(20)])
    queue = await crawler.get_request_manager()
    assert await queue.get_handled_count() < 10
    assert server.hits == []
    assert sum(crawl.guard.gate.not_sent.values()) == 20


async def test_what_a_handler_asks_for_is_published_and_refused(crawl: Crawl, server: Server) -> None:
    crawler = await crawl.crawler(max_request_retries=2)
    statuses: list[int] = []

    @crawler.router.handler("asking")
    async def ask(context: Any) -> None:
        sent = await context.send_request(f"{server.url}/graphql", method="POST", headers=JSON, payload=BROKEN.encode())
        statuses.append(sent.status_code)
        await crawl.quarantined(server)
        await context.send_request(f"{server.url}/items?page=2")

    await crawler.run([Request.from_url(f"{server.url}/items", label="asking")])
    assert server.hits == ["GET /items", "POST /graphql"]
    assert await crawl.published(server) == [("/items", 200, 1), ("/graphql", 400, 1)]
    assert (statuses, crawl.failed) == ([400], [f"{server.url}/items JobQuarantined"])
    assert crawl.blame == 0


async def test_the_proxy_is_named(crawl: Crawl, server: Server) -> None:
    # An origin server answers requests in absolute form too (RFC 9112, section 3.2.2): proxy enough for this.
    proxies = ProxyConfiguration(proxy_urls=[server.url.replace("http://", "http://user:secret@")])
    await (await crawl.crawler(http_client=HttpxHttpClient(), proxy_configuration=proxies)).run([f"{server.url}/items"])
    assert [event.proxy.id for event in await crawl.events()] == [server.url.removeprefix("http://")]


async def test_robots_txt_is_published_and_a_refused_one_ends_no_crawl(crawl: Crawl, server: Server) -> None:
    await (await crawl.crawler(respect_robots_txt_file=True)).run([f"{server.url}/items"])
    assert [url for url, _, _ in await crawl.published(server)] == ["/robots.txt", "/items"]
    await crawl.quarantined(server)
    await (await crawl.crawler(respect_robots_txt_file=True)).run([f"{server.url}/items?page=2"])
    assert len(server.hits) == 2


@needs_chromium
async def test_a_crawler_with_a_browser_does_the_same(crawl: Crawl, server: Server) -> None:
    crawler = await crawl.crawler(
        PlaywrightCrawler,
        # Crawlee ends a crawl while the handler of its last failure still runs: this one ends by the request refused.
        keep_alive=True,
        stop_after=1,
        browser_launch_options={"executable_path": CHROMIUM, "chromium_sandbox": False},
        additional_http_error_status_codes=[400, 503],
        max_request_retries=1,
        request_handler_timeout=timedelta(seconds=30),
    )
    blame: list[float] = []

    @crawler.failed_request_handler
    async def failed(context: Any, error: Exception) -> None:
        blame.append(crawl.blame)
        if "503" in context.request.url:
            await crawl.quarantined(server)
            await crawler.add_requests([f"{server.url}/items?page=2"])

    paths = ["/items", "/items?status=400", "/items?status=503"]
    async with asyncio.timeout(60):
        statistics = await crawler.run([f"{server.url}{path}" for path in paths])
    assert Counter(await crawl.published(server)) == Counter(
        [
            ("/items", 200, 1),
            ("/items?status=400", 400, 1),
            ("/items?status=503", 503, 1),
            ("/items?status=503", 503, 2),
        ]
    )
    assert crawl.handled == [f"{server.url}/items"]
    assert (statistics.requests_failed, crawl.guard.stats.refused) == (2, 1)
    assert blame[0] == 0
    assert "GET /items?page=2" not in server.hits
