"""The Scrapy add-on in real crawls, each a process of its own, on a real server and the real broker."""

import asyncio
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from halt400.events import target_of
from tests.integrations.conftest import JOB, Halt400Topics
from tests.integrations.scrapy_oldest import NEWEST_PYTHON, oldest_scrapy
from tests.preloaded import PreloadedProcess
from tests.sdk.strict_server import Server
from tests.waiting import until

pytest.importorskip("scrapy")
pytestmark = pytest.mark.broker

SPIDER = """
import scrapy
from scrapy.downloadermiddlewares.retry import get_retry_request


class Shop(scrapy.Spider):
    name = "shop"
    handle_httpstatus_list = [400]
    custom_settings = {
        "ADDONS": {"halt400.integrations.scrapy.Halt400Addon": 300},
        "RETRY_HTTP_CODES": [400, 503],
        "RETRY_TIMES": 2,
        "LOG_LEVEL": "INFO",
        "ROBOTSTXT_OBEY": False,
        "REMOTE_CONTROL_ENABLED": False,
        "TELNETCONSOLE_ENABLED": False,
    }

    def requests(self):
        url, plan = self.settings["URL"], self.settings["PLAN"]
        if plan == "mixed":
            yield scrapy.Request(f"{url}/items?status=200")
            yield scrapy.Request(f"{url}/items?status=503")
            yield scrapy.Request(f"{url}/moved")
            yield scrapy.Request(f"{url}/items?status=404")
            yield scrapy.Request(f"{url}/graphql", method="POST", body='{"a": 1, }', callback=self.again,
                                 headers={"Content-Type": "application/json", "Accept-Encoding": "gzip"})
        elif plan == "many":
            for number in range(int(self.settings["PAGES"])):
                yield scrapy.Request(f"{url}/items?page={number}", errback=self.failed)
        elif plan == "broad":
            for number in range(1000):
                yield scrapy.Request(f"http://shop-{number}.example/items", meta={"proxy": url}, errback=self.failed)

    async def start(self):
        for request in self.requests():
            yield request

    def start_requests(self):
        return self.requests()

    def parse(self, response):
        pass

    def again(self, response):
        yield get_retry_request(response.request, spider=self, reason="400")
        yield response.request.replace(body="{}", dont_filter=True, callback=self.parse)

    def failed(self, failure):
        self.crawler.stats.inc_value("failed/" + failure.type.__name__)
"""


ADDONS = '{"halt400.integrations.scrapy.Halt400Addon": 300}'
WITHOUT_HALT400 = {name: value for name, value in os.environ.items() if not name.startswith("HALT400_")}


class Crawl:
    """One `scrapy runspider` in a process of its own."""

    def __init__(self, process: "PreloadedProcess | subprocess.Popen[bytes]", log: Path) -> None:
        self.process, self.log = process, log

    async def exit_code(self) -> int:
        """Wait for its end."""
        return await asyncio.to_thread(self.process.wait, 90)

    async def ended(self) -> dict[str, str]:
        """Wait for its end; the stats that its log closes with."""
        assert await self.exit_code() == 0, self.text()
        stats = self.text().rpartition("Dumping Scrapy stats:")[2]
        pairs = [line.strip(" {},").partition(": ") for line in stats.splitlines() if ": " in line]
        return {name.strip("'"): value.strip("'") for name, _, value in pairs}

    def text(self) -> str:
        return self.log.read_text(errors="replace")


def _of_folder(scrapy: Path, words: list[str], cwd: Path, log: Path) -> "subprocess.Popen[bytes]":
    environment = WITHOUT_HALT400 | {"PYTHONPATH": os.pathsep.join([str(scrapy), *sys.path])}
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "scrapy", *words], stdout=output, stderr=output, cwd=cwd, env=environment
        )


async def crawl(
    tmp_path: Path,
    server: Server,
    variables: dict[str, str],
    plan: str,
    *arguments: str,
    scrapy: Path | None = None,
) -> Crawl:
    """Run the spider with the Scrapy that is installed, or with one of a folder of its own."""
    spider, log = tmp_path / "shop.py", tmp_path / "crawl.log"
    spider.write_text(SPIDER)
    log.touch()
    settings = {"URL": server.url, "PLAN": plan, "HALT400_JOB_ID": JOB} | variables
    given = [word for name, value in settings.items() for word in ("-s", f"{name}={value}")]
    words = ["runspider", str(spider), *given, *arguments]
    if scrapy is None:
        return Crawl(PreloadedProcess(*words, program="scrapy", environment=WITHOUT_HALT400, out=log, err=log), log)
    return Crawl(_of_folder(scrapy, words, tmp_path, log), log)


@pytest.fixture(params=["installed", "oldest"])
def scrapy(request: pytest.FixtureRequest) -> Path | None:
    """Which Scrapy runs, for what is told its engine in other ways by version."""
    if request.param == "installed":
        return None
    if sys.version_info[:2] > NEWEST_PYTHON:
        pytest.skip("the Twisted of the oldest Scrapy does not run on this Python")
    return oldest_scrapy()


REACTORS = {
    "asyncio": "twisted.internet.asyncioreactor.AsyncioSelectorReactor",
    "select": "twisted.internet.selectreactor.SelectReactor",
}


@pytest.mark.parametrize("reactor", REACTORS)
async def test_every_response_is_published_once_and_no_400_is_sent_again(
    tmp_path: Path, server: Server, halt400_topics: Halt400Topics, scrapy: Path | None, reactor: str
) -> None:
    running = await crawl(
        tmp_path, server, halt400_topics.variables, "mixed", "-s", f"TWISTED_REACTOR={REACTORS[reactor]}",
        "-s", "HALT400_RELEASE=2.4.0", scrapy=scrapy,
    )  # fmt: skip
    stats = await running.ended()
    events = await halt400_topics.events()
    published = Counter(f"{event.request.method} {event.request.url.removeprefix(server.url)}" for event in events)
    assert published == Counter(server.hits), running.text()
    assert sorted(event.response.status for event in events) == [200, 200, 200, 302, 400, 404, 503, 503, 503]
    assert sorted(event.attempt for event in events if event.response.status == 503) == [1, 2, 3]
    [bad] = [event for event in events if event.response.status == 400]
    assert (bad.job_id, bad.release, bad.request.body) == (JOB, "2.4.0", '{"a": 1, }')
    assert bad.response.body is not None
    assert "error" in bad.response.body
    assert bad.client is not None
    assert (bad.client.name, bad.client.version == "2.11.0") == ("scrapy", scrapy is not None)
    wanted = {"halt400/published": "9", "halt400/bad_requests": "1", "halt400/refused": "1", "halt400/saved": "1"}
    assert stats | wanted == stats


async def test_the_spider_is_closed_when_its_job_is_quarantined(
    tmp_path: Path, server: Server, halt400_topics: Halt400Topics, scrapy: Path | None
) -> None:
    running = await crawl(tmp_path, server, halt400_topics.variables, "many", "-s", "PAGES=5000",
                          "-s", "CONCURRENT_REQUESTS=4", "-s", "DOWNLOAD_DELAY=0.02", scrapy=scrapy)  # fmt: skip
    await until(lambda: len(server.hits) > 5, 60, explain=running.text)
    await halt400_topics.command(target_of(server.url))
    stats = await running.ended()
    assert stats["finish_reason"] == "halt400"
    assert len(server.hits) < 500
    assert f"halt400 release job/{target_of(server.url)}/{JOB}" in running.text()


async def test_a_crawl_that_starts_while_its_job_is_quarantined_sends_nothing(
    tmp_path: Path, server: Server, halt400_topics: Halt400Topics
) -> None:
    await halt400_topics.command(target_of(server.url))
    stats = await (await crawl(tmp_path, server, halt400_topics.variables, "many", "-s", "PAGES=50")).ended()
    assert (stats["finish_reason"], server.hits) == ("halt400", [])


async def test_a_paused_crawl_loses_no_request_and_goes_on_when_it_is_released(
    tmp_path: Path, server: Server, halt400_topics: Halt400Topics, scrapy: Path | None
) -> None:
    target = target_of(server.url)
    running = await crawl(tmp_path, server, halt400_topics.variables, "many", "-s", "PAGES=60", "-s",
                          "HALT400_ON_QUARANTINE=pause", "-s", "DOWNLOAD_DELAY=0.02", scrapy=scrapy)  # fmt: skip
    await until(lambda: len(server.hits) > 5, 60, explain=running.text)
    await halt400_topics.command(target)
    await until(lambda: "The crawl pauses" in running.text(), 60, explain=running.text)
    await halt400_topics.command(target, "released", sequence=2)
    stats = await running.ended()
    assert stats["finish_reason"] == "finished"
    assert Counter(server.hits) == Counter(f"GET /items?page={number}" for number in range(60))


async def test_a_crawl_of_1000_hosts_goes_on_without_those_that_are_halted(
    tmp_path: Path, server: Server, halt400_topics: Halt400Topics
) -> None:
    halted = [f"shop-{number}.example" for number in (0, 500, 999)]
    await asyncio.gather(*(halt400_topics.command(host) for host in halted))
    running = await crawl(
        tmp_path, server, halt400_topics.variables, "broad", "-s", "CONCURRENT_REQUESTS=100", "-s", "CONCURRENT_ITEMS=1"
    )
    stats = await running.ended()
    assert (stats["finish_reason"], stats["halt400/refused"], stats["failed/IgnoreRequest"]) == ("finished", "3", "3")
    hosts = [dict(headers)["Host"] for headers in server.received_headers]
    sent = Counter(f"http://{host}{hit.removeprefix('GET ')}" for host, hit in zip(hosts, server.hits, strict=True))
    wanted = [f"http://shop-{number}.example/items" for number in range(1000)]
    assert sent == Counter(url for url in wanted if not url.startswith(tuple(f"http://{host}/" for host in halted)))
    events = await halt400_topics.events()
    assert Counter(event.request.url for event in events) == sent
    assert {event.proxy and event.proxy.id for event in events} == {target_of(server.url)}


async def test_without_kafka_the_crawl_goes_on_as_without_us(tmp_path: Path, server: Server, unused_port: int) -> None:
    variables = {"HALT400_KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{unused_port}"}
    running = await crawl(tmp_path, server, variables, "many", "-s", "PAGES=50")
    stats = await running.ended()
    assert (stats["finish_reason"], len(server.hits)) == ("finished", 50)
    assert "Traceback" not in running.text()


@pytest.mark.parametrize(
    ("setting", "message"),
    [("HALT400_ON_QUARANTINE=stop", "Set close, pause or drop"), ("HALT400_PREFLIGHT=yes", "Set warn or block")],
)
async def test_a_wrong_setting_is_named_before_the_crawl(
    tmp_path: Path, server: Server, setting: str, message: str
) -> None:
    running = await crawl(tmp_path, server, {}, "many", "-s", "PAGES=1", "-s", setting)
    await running.exit_code()
    assert message in running.text()
    assert server.hits == []


async def test_shell_and_parse_are_left_alone(tmp_path: Path, server: Server, halt400_topics: Halt400Topics) -> None:
    await halt400_topics.command(target_of(server.url))
    (tmp_path / "shop.py").write_text(SPIDER)
    (tmp_path / "scrapy.cfg").write_text("[settings]\ndefault = project\n")
    (tmp_path / "project.py").write_text(
        f"SPIDER_MODULES = ['shop']\nADDONS = {ADDONS}\nHALT400_JOB_ID = {JOB!r}\nURL = PLAN = ''\n"
    )
    environment = WITHOUT_HALT400 | halt400_topics.variables | {"PYTHONPATH": os.pathsep.join(sys.path)}

    async def run(*words: str) -> str:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "scrapy", *words, cwd=tmp_path, env=environment,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        return (await asyncio.wait_for(process.communicate(), 90))[0].decode()

    parsed, looked = await asyncio.gather(
        run("parse", "--spider", "shop", f"{server.url}/items?status=400&by=parse"),
        run("shell", "-c", "response.status", f"{server.url}/items?status=400&by=shell"),
    )
    assert set(server.hits) == {f"GET /items?status=400&by={command}" for command in ("parse", "shell")}, (
        parsed + looked
    )
    assert looked.endswith("\n400\n")
    assert "Halt400DownloaderMiddleware" not in parsed + looked
    assert await halt400_topics.events() == []
