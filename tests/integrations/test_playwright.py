"""Playwright's contexts in a real Chromium: pages, popups, workers, routes, caches, and requests beside the browser."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Error, Page, Route, async_playwright

from halt400.errors import JobQuarantined, PreflightFailed
from halt400.events import target_of
from halt400.guard import Guard, GuardStats
from halt400.integrations.playwright import protect
from tests.chromium import CHROMIUM, needs_chromium
from tests.integrations.browser_site import Site, serve_site
from tests.integrations.conftest import JobTopics
from tests.integrations.http2_server import serve_http2
from tests.waiting import until

pytestmark = [pytest.mark.broker, needs_chromium, pytest.mark.asyncio(loop_scope="module")]

FETCH = "async url => (await fetch(url)).status"
POST = """async ([url, body]) => {
  const headers = {'Content-Type': 'application/json', 'X-Shop': '7'};
  return (await fetch(url, {method: 'POST', headers, body})).status;
}"""
ASK_ON = """url => { (async () => {
  for (;;) { await fetch(url).catch(() => 0); await new Promise(then => setTimeout(then, 5)); }
})(); }"""
CLOSE_S = 60.0
"""Longest that closing pages and browsers may take, where other work has the processors."""
BROKEN = '{"query": "{ product(id: 42) }", }'


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM)
        yield browser
        async with asyncio.timeout(CLOSE_S):
            await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def site() -> AsyncIterator[Site]:
    async with serve_site() as site:
        yield site


class Scraper:
    """A protected context that the tests share, for making one takes a second; and what was published of one site."""

    def __init__(self, context: BrowserContext, guard: Guard, job: JobTopics) -> None:
        self.context, self.guard, self.job = context, guard, job
        self.before = GuardStats()

    async def open(self, site: Site) -> None:
        self.site, self.before = site, replace(self.guard.stats)
        await self.context.clear_cookies()
        self.page: Page = await self.context.new_page()

    async def close(self) -> None:
        async with asyncio.timeout(CLOSE_S):
            for page in self.context.pages:
                await page.close()

    @property
    def refused(self) -> int:
        return self.guard.stats.refused - self.before.refused

    async def events(self, number: int) -> list[Any]:
        """What was published of the site, when it is so many responses; an earlier test may still publish its own."""
        await self.until_published(number)
        port = self.site.url.rpartition(":")[2]

        async def of_site() -> list[Any]:
            assert await self.guard.publisher.flush(CLOSE_S)
            found = [event for event in await self.job.events() if f":{port}/" in event.request.url]
            return found if len(found) >= number else []

        published: list[Any] = await until(of_site)
        return published

    async def published(self, number: int) -> list[str]:
        """Method, path and status of each response, when there are so many."""
        return [
            f"{event.request.method} {event.request.url.replace(self.site.url, '')} {event.response.status}"
            for event in await self.events(number)
        ]

    async def until_published(self, number: int) -> None:
        await until(lambda: self.guard.stats.published - self.before.published >= number)

    async def quarantined(self) -> None:
        await self.job.command(target_of(self.site.url))
        await until(lambda: not self.guard.gate.is_open(target_of(self.site.url), self.job.job_id))

    async def released(self) -> None:
        await self.job.shared.command(target_of(self.site.url), "released", job_id=self.job.job_id, sequence=2)
        await until(lambda: self.guard.gate.is_open(target_of(self.site.url), self.job.job_id))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(browser: Browser) -> AsyncIterator[list[Scraper]]:
    made: list[Scraper] = []
    yield made
    for scraper in made:
        async with asyncio.timeout(CLOSE_S):
            await scraper.context.close()
        await scraper.guard.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def scraper(browser: Browser, shared: list[Scraper], job: JobTopics, site: Site) -> AsyncIterator[Scraper]:
    if not shared:
        guard = Guard(job_id=job.job_id, local_hold=None, catch_up_s=0)
        await guard.start()
        shared.append(Scraper(await protect(await browser.new_context(), guard), guard, job))
    [scraper] = shared
    await scraper.open(site)
    yield scraper
    await scraper.close()


async def test_documents_and_fetches_of_the_site_are_published_each_once(scraper: Scraper, site: Site) -> None:
    await scraper.page.goto(site.url)
    await scraper.page.evaluate(FETCH, f"{site.url}/items?status=503")
    await scraper.page.evaluate(FETCH, f"{site.other_site}/tracker")
    await scraper.page.goto(f"{site.url}/moved")
    assert Counter(await scraper.published(5)) == Counter(
        ["GET / 200", "GET /frame 200", "GET /items?status=503 503", "GET /moved 302", "GET /items?status=400 400"]
    )
    assert {"GET /style.css", "GET /script.js", "GET /picture.png", "GET /tracker"} < set(site.hits)
    [event, *_] = await scraper.events(5)
    assert (event.client.name, event.client.version is not None, event.attempt) == ("playwright", True, 1)


async def test_other_kinds_and_other_sites_are_published_where_they_are_asked_for(
    browser: Browser, scraper: Scraper, site: Site
) -> None:
    context = await protect(
        await browser.new_context(),
        scraper.guard,
        resource_types=["image", "fetch"],
        other_sites=True,
        target=lambda url: "shop" if url.startswith(site.url) else "others",
        proxy={"server": "http://user:secret@proxy.example:3128"},
    )
    page = await context.new_page()
    await page.goto(site.url)
    await page.evaluate(FETCH, f"{site.other_site}/tracker")
    events = await scraper.events(2)
    assert {(event.target, event.request.url.rpartition("/")[2]) for event in events} == {
        ("shop", "picture.png"),
        ("others", "tracker"),
    }
    assert {event.proxy.id for event in events} == {"proxy.example:3128"}
    await context.close()


async def test_a_400_is_published_whole_also_when_its_page_is_closed_at_once(scraper: Scraper, site: Site) -> None:
    response = await scraper.page.goto(f"{site.url}/items?status=400&bytes=5000")
    await scraper.page.close()
    assert response is not None
    [event] = await scraper.events(1)
    received = site.received_headers["GET /items?status=400&bytes=5000"]
    # A page's request is in the order that was sent; of others the devtools protocol does not tell it.
    assert event.request.headers == received
    assert event.response.body == "x" * 5000
    assert dict(event.response.headers)["Content-Length"] == "5000"
    assert event.duration_ms > 0


async def test_a_400_of_a_pages_own_request_has_all_that_was_sent(scraper: Scraper, site: Site) -> None:
    await scraper.page.goto(site.url)
    assert await scraper.page.evaluate(POST, [f"{site.url}/orders?status=400", BROKEN]) == 400
    [event] = [event for event in await scraper.events(3) if event.response.status == 400]
    assert (event.request.method, event.request.body, event.response.body) == ("POST", BROKEN, "xx")
    assert sorted(event.request.headers) == sorted(site.received_headers["POST /orders?status=400"])


async def test_a_page_over_http_2_is_published_as_it_was_asked_for(
    browser: Browser, scraper: Scraper, tmp_path: Path
) -> None:
    async with serve_http2(tmp_path) as server:
        context = await protect(await browser.new_context(ignore_https_errors=True), scraper.guard)
        await (await context.new_page()).goto(server.url)
        await context.close()
        await scraper.until_published(1)
        assert await scraper.guard.publisher.flush(CLOSE_S)
        [event] = [event for event in await scraper.job.events() if event.request.url.startswith(server.url)]
        assert (event.request.http_version, event.response.body) == ("2", "no")
        assert event.request.headers == await server.received()


async def test_a_quarantined_job_sends_nothing_and_says_why(scraper: Scraper, site: Site, unused_port: int) -> None:
    await scraper.page.goto(f"{site.url}/items")
    called: list[str] = []

    async def own_handler(route: Route) -> None:
        called.append(route.request.url)
        await route.continue_()

    await scraper.page.route("**/*", own_handler)
    await scraper.quarantined()
    sent = len(site.hits)
    for ask in (
        scraper.page.goto(f"{site.url}/items?page=2"),
        scraper.page.evaluate(FETCH, f"{site.url}/items?page=3"),
        scraper.page.reload(),
        scraper.context.request.get(f"{site.url}/items?page=4"),
        scraper.page.request.fetch(f"{site.url}/items?page=5"),
    ):
        with pytest.raises(JobQuarantined, match="HTTP 400"):
            await ask
    assert (len(site.hits), called, scraper.refused) == (sent, [], 5)
    # What fails for another reason is told as Playwright tells it.
    with pytest.raises(Error, match="ERR_CONNECTION_REFUSED"):
        await scraper.page.goto(f"http://127.0.0.1:{unused_port}/")
    await scraper.released()


async def test_a_page_that_asks_by_itself_is_stopped(scraper: Scraper, site: Site) -> None:
    await scraper.page.goto(site.url)
    await scraper.page.evaluate(ASK_ON, f"{site.url}/items")
    await until(lambda: site.hits.count("GET /items") > 5)
    await scraper.job.command(target_of(site.url))
    await until(lambda: scraper.refused > 0)
    sent = len(site.hits)
    await until(lambda: scraper.refused > 5)
    assert len(site.hits) == sent
    await scraper.released()


async def test_the_route_stands_only_while_something_is_refused(scraper: Scraper, site: Site) -> None:
    for _ in range(2):
        await scraper.page.goto(f"{site.url}/cached")
        await scraper.page.goto("about:blank")
    assert site.hits == ["GET /cached"]
    await scraper.page.goto(f"{site.url}/items")
    assert Counter(await scraper.published(2)) == Counter(["GET /cached 200", "GET /items 200"])
    await scraper.quarantined()
    with pytest.raises(JobQuarantined):
        await scraper.page.goto(f"{site.url}/cached")
    await scraper.released()
    response = await scraper.page.goto(f"{site.url}/cached")
    assert response is not None
    assert response.status == 200


async def test_what_a_handler_of_the_scraper_answers_is_no_response_and_what_it_fetches_is_one(
    scraper: Scraper, site: Site
) -> None:
    async def fetched(route: Route) -> None:
        await route.fulfill(response=await route.fetch())

    await scraper.page.route("**/blank", lambda route: route.fulfill(body="mine"))
    await scraper.page.route("**/items*", fetched)
    await scraper.page.route("**/aborted", lambda route, request: route.abort())
    await scraper.page.goto(f"{site.url}/blank")
    with pytest.raises(Error, match="Failed to fetch"):
        await scraper.page.evaluate(FETCH, f"{site.url}/aborted")
    response = await scraper.page.goto(f"{site.url}/items?status=400")
    assert response is not None
    assert response.status == 400
    assert await scraper.published(1) == ["GET /items?status=400 400"]
    assert (await scraper.events(1))[0].response.body == "xx"
    await scraper.page.unroute("**/items*", fetched)
    await scraper.page.unroute_all()
    await scraper.page.goto(f"{site.url}/blank")
    assert site.hits == ["GET /items?status=400", "GET /blank"]


async def test_popups_and_service_workers_are_followed(scraper: Scraper, site: Site) -> None:
    await scraper.page.goto(site.url)
    async with scraper.page.expect_popup() as popup:
        await scraper.page.evaluate("url => { window.open(url); }", f"{site.url}/popup")
    await (await popup.value).wait_for_load_state()
    async with scraper.context.expect_event("serviceworker") as worker:
        await scraper.page.evaluate("navigator.serviceWorker.register('/worker.js')")
    await worker.value
    await scraper.page.wait_for_function("navigator.serviceWorker.controller !== null")
    await scraper.page.evaluate(FETCH, f"{site.url}/items?by=worker")
    published = Counter(await scraper.published(4))
    assert published["GET /popup 200"] == published["GET /items?by=worker 200"] == 1


async def test_a_400_whose_body_never_ends_is_published_when_its_page_is_closed(scraper: Scraper, site: Site) -> None:
    await scraper.page.goto(site.url)
    async with scraper.page.expect_response("**/silent-body*"):
        await scraper.page.evaluate("url => { fetch(url); }", f"{site.url}/silent-body?status=400")
    async with asyncio.timeout(CLOSE_S):
        await scraper.page.close()
    assert "GET /silent-body?status=400 400" in await scraper.published(3)


async def test_large_bodies_are_not_taken_from_the_browser(scraper: Scraper, site: Site) -> None:
    await scraper.page.goto(site.url)
    await scraper.page.evaluate("async url => (await (await fetch(url)).text()).length",
                                f"{site.url}/items?status=400&bytes=6000000")  # fmt: skip
    [event] = [event for event in await scraper.events(3) if event.response.status == 400]
    assert event.response.body is None
    assert event.response.body_size == pytest.approx(6_000_000, rel=0.01)


async def test_requests_beside_the_browser_are_published(browser: Browser, scraper: Scraper, site: Site) -> None:
    requests = scraper.context.request
    await requests.post(f"{site.url}/orders?status=400", data=BROKEN.encode(), headers={"X-Shop": "7"})
    await requests.get(f"{site.url}/moved")
    with pytest.raises(Error, match="503"):
        await requests.put(f"{site.url}/orders?status=503", fail_on_status_code=True, form={"a": "b"})
    context = await protect(await browser.new_context(base_url=site.url), scraper.guard)
    await context.request.post("/orders?n=1", data={"a": 1}, params={"q": "x"})
    await context.close()
    assert await scraper.published(4) == [
        "POST /orders?status=400 400", "GET /items?status=400 400", "PUT /orders?status=503 503",
        "POST /orders?n=1&q=x 200",
    ]  # fmt: skip
    [event, *_] = await scraper.events(4)
    assert (event.request.body, event.response.body, ("X-Shop", "7") in event.request.headers) == (BROKEN, "xx", True)


async def test_a_request_that_will_be_refused_is_not_sent_where_preflight_blocks(
    browser: Browser, site: Site, job: JobTopics
) -> None:
    async with Guard(job_id=job.job_id, preflight="block", catch_up_s=0) as guard:
        context = await protect(await browser.new_context(), guard)
        page = await context.new_page()
        await page.goto(site.url)
        with pytest.raises(PreflightFailed):
            await page.evaluate(POST, [f"{site.url}/orders", BROKEN])
        with pytest.raises(PreflightFailed):
            await context.request.post(
                f"{site.url}/orders", data=BROKEN.encode(), headers={"Content-Type": "application/json"}
            )
        await context.close()
    assert not any(hit.startswith("POST") for hit in site.hits)


async def test_protecting_twice_publishes_once(scraper: Scraper, site: Site) -> None:
    assert await protect(scraper.page, scraper.guard) is scraper.page
    await scraper.page.goto(f"{site.url}/items")
    assert await scraper.published(1) == ["GET /items 200"]


async def show_beginning(page: Page, url: str) -> None:
    """Go to a document that never ends, and wait until the page has it.

    Chromium may forget to close a page that is closed at the moment of a commit: crbug.com/536385539.
    """
    await page.goto(url, wait_until="commit")

    async def is_there() -> bool:
        return bool(await page.evaluate("location.href") == url)

    await until(is_there)


async def test_what_is_left_or_closed_is_not_in_the_way(browser: Browser, scraper: Scraper, site: Site) -> None:
    going = asyncio.ensure_future(scraper.page.goto(f"{site.url}/silent"))
    await until(lambda: "GET /silent" in site.hits)
    going.cancel()
    await asyncio.gather(going, return_exceptions=True)
    other = await scraper.context.new_page()
    await show_beginning(other, f"{site.url}/silent-body?status=400")
    async with asyncio.timeout(CLOSE_S):
        await other.close()
    await scraper.until_published(1)
    context = await protect(await browser.new_context(), scraper.guard)
    last = await context.new_page()
    await show_beginning(last, f"{site.url}/silent-body?status=400&last=1")
    async with asyncio.timeout(CLOSE_S):
        await context.close()
    await scraper.until_published(2)
    assert await scraper.published(2) == ["GET /silent-body?status=400 400", "GET /silent-body?status=400&last=1 400"]


async def test_a_guard_that_ends_before_its_browser_publishes_what_is_on_its_way(
    browser: Browser, site: Site, job: JobTopics
) -> None:
    async with Guard(job_id=job.job_id, catch_up_s=0) as guard:
        context = await protect(await browser.new_context(), guard)
        await show_beginning(await context.new_page(), f"{site.url}/silent-body")
        assert guard.stats.published == 0
    assert [event.response.status for event in await job.events()] == [200]
    async with asyncio.timeout(CLOSE_S):
        await context.close()
