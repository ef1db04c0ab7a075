"""Who is alerted, over HTTP: the routes, their test, and what is answered where nobody is."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, get_args

import aiohttp
import pytest
from parsel import Selector

from streams.alerts.sink_settings import SINK_KINDS
from streams.api.alert_routes import SinkKind
from streams.page import page_server
from streams.settings import load_settings
from tests.alerts.servers import ROUTING_KEY, PagerDuty
from tests.alerts.test_cli import TWO_ROUTES


@asynccontextmanager
async def asked(config: Path) -> AsyncIterator[Any]:
    """Ask a server without Kafka that reads this file; the answer is the status and the JSON, or the HTML."""
    settings = load_settings(
        kafka={"bootstrap_servers": "127.0.0.1:1"}, config={"path": config}, api={"port": 0, "requests_per_s": 1000}
    )
    async with page_server(settings) as server, aiohttp.ClientSession() as http:

        async def ask(path: str, body: dict[str, Any] | None = None, form: dict[str, str] | None = None) -> Any:
            method = "GET" if body is None and form is None else "POST"
            async with http.request(method, server.url + path, json=body, data=form) as response:
                is_html = response.content_type == "text/html"
                return response.status, await (response.text() if is_html else response.json(content_type=None))

        yield ask


def test_every_kind_of_sink_is_documented() -> None:
    assert get_args(SinkKind) == SINK_KINDS


async def test_the_routes_are_listed_with_what_a_target_is_sent_to(tmp_path: Path) -> None:
    config = tmp_path / "halt400.toml"
    config.write_text(TWO_ROUTES.format(pager="http://127.0.0.1:1"))
    async with asked(config) as ask:
        status, listed = await ask("/v1/alerts/routes")
        assert (status, listed["file"], listed["planned"]) == (200, str(config), None)
        assert [(route["name"], route["sinks"]) for route in listed["routes"]] == [
            ("pages", [{"name": "oncall", "kind": "pagerduty"}]),
            ("shop", [{"name": "channel", "kind": "slack"}]),
        ]
        _, shop = await ask("/v1/alerts/routes?target=api.shop.example")
        assert ({one["sink"] for one in shop["planned"]}, shop["owner"]) == ({"oncall", "channel"}, "team-shop")
        _, other = await ask("/v1/alerts/routes?target=other.example&job_id=j")
        assert (other["planned"], other["owner"]) == ([], None)


async def test_a_test_is_sent_through_a_route_resolved_and_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    config = tmp_path / "halt400.toml"
    monkeypatch.setenv("PD_KEY", ROUTING_KEY)
    monkeypatch.setenv("SLACK_URL", "http://127.0.0.1:1/T000/B000/secret")
    caplog.set_level(logging.INFO, "halt400.api")
    async with PagerDuty().serve() as pager:
        config.write_text(TWO_ROUTES.format(pager=pager.url))
        async with asked(config) as ask:
            status, sent = await ask("/v1/alerts/tests", {"reason": "a new key", "routes": ["pages"], "actor": "alice"})
            assert (status, sent["by"], sent["accepted"], sent["failed"]) == (200, "alice", 2, 0)
            assert [event["event_action"] for event in pager.received] == ["trigger", "resolve"]
            assert "alice tests the routes pages: a new key" in caplog.text
            _, all_of_them = await ask("/v1/alerts/tests", {"reason": "all"})
            assert (all_of_them["accepted"], all_of_them["failed"]) == (2, 1)
            assert "secret" not in str(all_of_them)
            assert ROUTING_KEY not in str(all_of_them)
            status, text = await ask("/alerts/tests", form={"reason": "by the form", "route": "pages"})
            assert (status, Selector(text).css(".notice strong::text").get()) == (200, "2 accepted.")
            unknown = await ask("/v1/alerts/tests", {"reason": "x", "routes": ["none"]})
            assert (unknown[0], unknown[1]["code"], unknown[1]["mend"]) == (
                404,
                "unknown_route",
                "There are pages, shop.",
            )
            assert (await ask("/alerts/tests", form={"reason": " "}))[0] == 400


@pytest.mark.parametrize(
    ("text", "code", "detail"),
    [
        ('[defaults]\npolicy = "strict"\n', "no_alerts", "has no section [alerts]"),
        ('[alerts.sink.x]\nkind = "fax"\n', "alerts_unusable", "line 2: alerts.sink.x.kind = 'fax'"),
        (TWO_ROUTES.format(pager="http://127.0.0.1:1"), "alerts_unusable", "PD_KEY"),
    ],
    ids=["no section", "a wrong kind", "a secret is missing"],
)
async def test_where_nobody_can_be_alerted_that_is_the_answer(
    text: str, code: str, detail: str, tmp_path: Path
) -> None:
    config = tmp_path / "halt400.toml"
    config.write_text(text)
    async with asked(config) as ask:
        status, problem = await ask("/v1/alerts/tests", {"reason": "does it work?"})
        assert (status, problem["code"]) == (409, code)
        assert detail in problem["detail"]
        assert problem["mend"]
