"""Debian's Chromium on the running system: a worker, a scraper with the SDK's gate, a page that is never reloaded."""

import json
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import Browser, Locator, Page, Route, async_playwright

from halt400 import Gate, Publisher, RequestGuard
from halt400.errors import JobQuarantined
from halt400.integrations.httpx import Halt400Transport
from halt400.kafka.connection import KafkaConnection
from streams.local.ports import free_ports
from streams.page import page_server
from streams.settings import load_settings
from tests.api.conftest import MODULE
from tests.chromium import CHROMIUM, needs_chromium
from tests.waiting import until
from tests.worker.conftest import PARTITIONS, Cluster

AXE = Path(__file__).parent / "vendor" / "axe.min.js"
TARGET = "api.shop.example"
SEEN_WITHIN_S = 2.0
DEADLINE_MS = 20_000
BROKEN = "curl https://a.example/ -H 'Content-Type: application/json' -d '{,}'"
GOOD_BODY, BROKEN_BODY = '{"page": 1}', '{"page": 1, }'

pytestmark = [pytest.mark.asyncio(loop_scope="module"), needs_chromium]


async def _search(request: web.Request) -> web.Response:
    """An API that takes JSON."""
    try:
        json.loads(await request.text())
    except ValueError:
        return web.json_response({"error": "Bad Request"}, status=400)
    return web.json_response({"items": []})


@dataclass
class Running:
    """The running system, a browser, and an API that scrapers call."""

    url: str
    cluster: Cluster
    api_url: str
    gate: Gate
    publisher: Publisher
    browser: Browser
    clients: dict[str, httpx.AsyncClient] = field(default_factory=dict)

    async def send(self, job_id: str, body: str, target: str = TARGET) -> int | None:
        """A request of a job of the scraper: the status that it got, None where the gate kept it."""
        if job_id not in self.clients:
            guard = RequestGuard(self.publisher, self.gate, job_id=job_id, target=target, release="2.4.0")
            self.clients[job_id] = httpx.AsyncClient(transport=Halt400Transport(guard))
        headers = {"Content-Type": "application/json"}
        try:
            answer = await self.clients[job_id].post(f"{self.api_url}/v2/search", content=body, headers=headers)
        except JobQuarantined:
            return None
        return answer.status_code


@pytest_asyncio.fixture(**MODULE)
async def running(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    prefix = f"t-{secrets.token_hex(4)}."
    connection = KafkaConnection(kafka, prefix)
    app = web.Application()
    app.router.add_post("/v2/search", _search)
    api = web.AppRunner(app)
    await api.setup()
    await web.TCPSite(api, "127.0.0.1", 0).start()
    async with (
        Cluster.prepared(kafka, prefix, tmp_path_factory.mktemp("page")) as cluster,
        async_playwright() as started,
    ):
        cluster.write_policies("[alerts]\n")
        cluster.start_worker()
        browser = await started.chromium.launch(executable_path=CHROMIUM)
        url = await cluster.until(lambda: "Ready:" in cluster.log_text() and cluster.api_url())
        async with Gate(connection) as gate, Publisher(connection) as publisher:
            await gate.wait_caught_up()
            running = Running(url, cluster, f"http://127.0.0.1:{api.addresses[0][1]}", gate, publisher, browser)
            yield running
            for client in running.clients.values():
                await client.aclose()
        await browser.close()
    await api.cleanup()


async def opened(running: Running, path: str, **options: Any) -> tuple[Page, list[str]]:
    """A page in a context of its own, and what its console says."""
    context = await running.browser.new_context(**options)
    page = await context.new_page()
    page.set_default_timeout(DEADLINE_MS)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    await page.goto(running.url + path)
    return page, said


def row_of(page: Page) -> Locator:
    """The target's row on the page of the fleet."""
    return page.locator("table.fleet tbody tr", has_text=TARGET)


async def opened_with_a_target(running: Running) -> tuple[Page, list[str]]:
    """The page of the fleet, with a row."""
    assert await running.send("extract-search", GOOD_BODY) == 200
    page, said = await opened(running, "/")
    await row_of(page).wait_for()
    return page, said


async def test_a_break_is_seen_without_reloading_its_cause_is_read_and_the_scraper_is_released(
    running: Running,
) -> None:
    job_id = "extract-1"
    for _ in range(30):
        assert await running.send(job_id, GOOD_BODY) == 200
    page, said = await opened(running, "/")
    row = row_of(page)
    await row.get_by_text("No 400s").wait_for()
    await page.evaluate("window.stays = true")

    broke_s = time.monotonic()
    assert await running.send(job_id, BROKEN_BODY) == 400
    await row.get_by_text("Halted").wait_for()
    assert time.monotonic() - broke_s < SEEN_WITHIN_S
    assert await page.evaluate("window.stays")
    assert "Malformed JSON" in await row.inner_text()
    assert await running.send(job_id, GOOD_BODY) is None

    await row.get_by_role("link", name=TARGET).click()
    await page.locator("pre.excerpt mark").first.wait_for()
    assert "Remedy" in await page.locator(".diagnosis").inner_text()
    await page.get_by_label("Reason").first.fill("the comma is mended")
    await page.get_by_role("button", name="Release").first.click()
    await page.get_by_text("Nothing is halted on this target.").wait_for()
    await until(lambda: running.gate.check(TARGET, job_id) is None, 5)
    assert await running.send(job_id, GOOD_BODY) == 200
    await page.get_by_text("What happened").click()
    await page.locator("details[open] li", has_text="the comma is mended").wait_for()
    assert said == []
    await page.context.close()


async def test_a_halt_is_released_by_keys_alone(running: Running) -> None:
    job_id = "extract-keys"
    assert await running.send(job_id, BROKEN_BODY) == 400
    await until(lambda: running.gate.check(TARGET, job_id) is not None, 10)
    page, said = await opened(running, f"/?search={TARGET}")

    async def press_until(found: str, key: str = "Tab") -> None:
        for _ in range(60):
            await page.keyboard.press(key)
            if await page.evaluate(f"document.activeElement.matches({json.dumps(found)})"):
                return
        pytest.fail(f"{key} does not reach {found}")

    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.textContent") == "Skip to the content"
    await page.keyboard.press("Enter")
    await press_until("table.fleet tbody a")
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**/targets/{TARGET}")
    await press_until("input[name=reason]")
    await page.keyboard.type("mended")
    await press_until("button[value=release]")
    await page.keyboard.press("Enter")
    await until(lambda: running.gate.check(TARGET, job_id) is None, 10)
    assert said == []
    await page.context.close()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
async def test_axe_finds_no_violation_on_any_page(running: Running, scheme: Any, width: int) -> None:
    job_id = f"extract-{scheme}"
    assert await running.send(job_id, BROKEN_BODY) == 400
    for topic in ("responses", "alerts.dlq"):
        await running.cluster.publish([(b"key", b"no record")], topic=topic)
    await until(lambda: running.gate.check(TARGET, job_id) is not None, 10)
    page, _ = await opened(
        running, "/offences", color_scheme=scheme, bypass_csp=True, viewport={"width": width, "height": 900}
    )
    offence = await page.locator("table.log th a").first.get_attribute("href")
    assert offence is not None
    found = []

    async def check(path: str) -> None:
        await page.add_script_tag(path=AXE)
        result = await page.evaluate("axe.run({resultTypes: ['violations']})")
        found.extend(
            f"{path}: {one['id']}: {one['nodes'][0]['html'][:200]} {one['nodes'][0]['failureSummary']}"
            for one in result["violations"]
        )
        if await page.evaluate("document.documentElement.scrollWidth") > width:
            found.append(f"{path}: wider than the screen")

    async def send_form(path: str, reason: str, button: str, title: str) -> None:
        await page.goto(running.url + path)
        await page.locator(reason).fill("axe")
        await page.get_by_role("button", name=button).click()
        await page.get_by_role("heading", name=title, level=1).wait_for()
        await check(f"{path}: {button}")

    await until(lambda: all_letters_are_read(running), 20)
    paths = ["/", f"/targets/{TARGET}", offence, "/offences", "/quarantines", "/quarantines?view=history", "/findings"]
    paths += ["/alerts", "/diagnose", f"/policies?target={TARGET}", f"/policies?target={TARGET}&hours=24&hold_min=30"]
    paths += ["/system", "/dead-letters/responses.dlq/", "/dead-letters/alerts.dlq/", "/sign-in", "/nowhere"]
    for path in paths:
        if path.endswith(".dlq/"):
            await page.goto(f"{running.url}/system")
            await page.locator(f"a[href^='{path}']").first.click()
            await page.get_by_role("heading", name="Dead letter", level=1).wait_for()
        else:
            await page.goto(running.url + path)
        await check(path)
    await page.goto(f"{running.url}/diagnose")
    await page.get_by_label("A curl command").fill(BROKEN)
    await page.get_by_role("button", name="Diagnose").click()
    await page.get_by_text("Malformed JSON").first.wait_for()
    await check("/diagnose with a request")
    await send_form("/alerts", "#test-reason", "Send a test", "Test of the routes")
    await send_form("/system", "#resend-reason", "Send again what no sink took", "Alerts that no sink took")
    await page.goto(f"{running.url}/system")
    await page.locator("#redrive-which").select_option("all")
    await page.locator("#redrive-reason").fill("axe")
    await page.get_by_role("button", name="Publish again").click()
    await page.get_by_text("would be refused again").first.wait_for()
    await check("/system: Publish again")
    assert found == []
    await page.context.close()


async def all_letters_are_read(running: Running) -> bool:
    """Whether the worker's page has dead letters of both topics."""
    async with httpx.AsyncClient(base_url=running.url) as http:
        letters = (await http.get("/v1/dead-letters")).json()["dead_letters"]
    return {letter["topic"] for letter in letters} == {"responses.dlq", "alerts.dlq"}


async def test_an_open_page_says_that_it_is_stale_and_goes_on_after_a_restart(running: Running) -> None:
    (port,) = free_ports(1)
    kafka = {"bootstrap_servers": running.cluster.bootstrap_servers, "topic_prefix": running.cluster.prefix}
    settings = load_settings(kafka={**kafka, "partitions": PARTITIONS}, api={"port": port})
    notice_of = "Stale. Halt400 has not answered since"
    async with page_server(settings) as server:
        await server.read_model.wait_caught_up()
        page, _ = await opened(replace(running, url=server.url), "/")
        await page.locator("#live-state").get_by_text("live", exact=True).wait_for()
        assert await page.locator("#stale").is_hidden()
        await page.evaluate("window.stays = true")
    await page.locator("#stale", has_text=notice_of).wait_for(state="visible")
    async with page_server(settings) as server:
        await page.locator("#stale").wait_for(state="hidden")
        assert await running.send("extract-restart", BROKEN_BODY, "new.example") == 400
        await page.locator("table.fleet tbody tr", has_text="new.example").get_by_text("Halted").wait_for()
        assert await page.evaluate("window.stays")
        await page.context.close()


async def test_everything_is_read_without_scripts(running: Running) -> None:
    assert await running.send("extract-read", GOOD_BODY) == 200
    page, _ = await opened(running, "/", java_script_enabled=False)

    async def is_listed() -> bool:
        await page.goto(f"{running.url}/?search={TARGET}")
        return await page.get_by_role("link", name=TARGET).count() == 1

    await until(is_listed, 10)
    await page.get_by_role("link", name=TARGET).click()
    assert await page.locator("svg.chart").is_visible()
    await page.get_by_role("link", name="Diagnose").click()
    await page.get_by_label("A curl command").fill(BROKEN)
    await page.get_by_role("button", name="Diagnose").click()
    assert "Malformed JSON" in await page.locator("main").inner_text()
    await page.context.close()


async def test_a_changed_rule_is_tried_on_the_last_day(running: Running) -> None:
    job_id = "extract-what-if"
    assert [await running.send(job_id, body) for body in (GOOD_BODY, BROKEN_BODY)] == [200, 400]
    await until(lambda: running.gate.check(TARGET, job_id) is not None, 10)
    page, said = await opened(running, f"/policies?target={TARGET}")
    await page.get_by_label("Policy").select_option("evidence")
    await page.get_by_label("Hold, minutes").fill("30")
    await page.get_by_role("button", name="Try on the last 24 hours").click()
    table = page.get_by_role("region", name="Both rules")
    await table.wait_for()
    assert "evidence, tier ticket, 30 min" in await table.inner_text()
    held = await table.locator("tr", has_text="Jobs quarantined").locator("td").all_inner_texts()
    assert all(int(number) >= 1 for number in held)
    assert f"job/{TARGET}/{job_id}" in await page.locator("details[open]").inner_text()
    assert said == []
    await page.context.close()


async def test_the_answer_to_a_search_is_shown_where_its_part_was_refreshed_meanwhile(running: Running) -> None:
    page, said = await opened_with_a_target(running)
    await page.evaluate("document.getElementById('fleet').dataset.old = ''")

    async def refreshed_before(route: Route) -> None:
        await page.evaluate("document.body.dispatchEvent(new CustomEvent('halt400:changed'))")
        await page.locator("#fleet:not([data-old])").wait_for()
        await route.continue_()

    await page.route("**/?*search=*", refreshed_before)
    await page.get_by_label("Search").fill("nothing like it")
    await page.get_by_text("No target fits this filter").wait_for()
    assert said == []
    await page.context.close()


async def test_search_as_you_type_keeps_the_focus_and_the_address(running: Running) -> None:
    page, said = await opened_with_a_target(running)
    await page.get_by_label("Search").press_sequentially("nothing like it")
    await page.get_by_text("No target fits this filter").wait_for()
    assert "search=nothing" in page.url
    assert await page.evaluate("document.activeElement.id") == "search"
    assert await page.get_by_label("State").is_visible()
    await page.set_viewport_size({"width": 390, "height": 844})
    assert await page.get_by_label("State").is_hidden()  # on a phone one line of it is shown
    await page.locator(".filter summary").click()
    await page.get_by_label("State").select_option("halted")
    await page.wait_for_url("**state=halted**")
    assert said == []
    await page.context.close()
