"""`halt400 alerts` as a user has it."""

import json
import time
from pathlib import Path

import pytest

from halt400.records import Command
from tests.alerts.conftest import AlertBench
from tests.alerts.examples import TARGET
from tests.alerts.examples import command as make
from tests.alerts.servers import ROUTING_KEY, SLACK_PATH, PagerDuty, Slack
from tests.cli.command import run
from tests.waiting import until

pytestmark = pytest.mark.slow

TWO_ROUTES = """
[alerts.sink.oncall]
kind = "pagerduty"
url = "{pager}"
routing_key_env = "PD_KEY"
[alerts.sink.channel]
kind = "slack"
url_env = "SLACK_URL"
[[alerts.owner]]
name = "team-shop"
target = "*.shop.example"
[[alerts.route]]
name = "pages"
severity = "page"
sinks = ["oncall"]
[[alerts.route]]
name = "shop"
owner = "team-shop"
sinks = ["channel"]
group_wait_s = 90
quiet_hours = "22:00-07:00"
timezone = "Europe/Berlin"
escalate_to = "pages"
"""


async def test_a_test_goes_through_every_route_and_is_resolved(tmp_path: Path) -> None:
    file = tmp_path / "halt400.toml"
    async with PagerDuty().serve() as pager, Slack().serve() as slack:
        file.write_text(TWO_ROUTES.format(pager=pager.url))
        found = await run("alerts", "test", "--file", str(file), PD_KEY=ROUTING_KEY, SLACK_URL=slack.url)
        assert found.code == 0, found
        assert [event["event_action"] for event in pager.received] == ["trigger", "resolve"]
        assert pager.received[0]["payload"]["summary"].startswith("TEST of the route pages")
        assert [message["blocks"][0]["text"]["text"][:4] for message in slack.received] == ["TEST", "Over"]
        assert pager.violations == slack.violations == []
        assert isinstance(pager, PagerDuty)
        assert pager.open == {}
        assert SLACK_PATH not in found.out + found.err
        assert ROUTING_KEY not in found.out + found.err


async def test_a_test_that_a_sink_refuses_says_what_it_answered(tmp_path: Path) -> None:
    file = tmp_path / "halt400.toml"
    async with PagerDuty().serve() as pager, Slack().serve() as slack:
        slack.always = (403, {}, b"invalid_token")
        file.write_text(TWO_ROUTES.format(pager=pager.url))
        arguments = ("alerts", "test", "--route", "shop", "--file", str(file))
        found = await run(*arguments, "--format", "json", PD_KEY=ROUTING_KEY, SLACK_URL=slack.url)
        assert found.code == 1
        (message,) = json.loads(found.out)
        assert (message["sink"], message["outcome"]) == ("channel", "refused")
        assert "403 invalid_token" in message["detail"]
        assert pager.received == []


async def test_a_mistake_in_the_file_is_one_line_that_names_the_place(tmp_path: Path) -> None:
    file = tmp_path / "halt400.toml"
    file.write_text('[alerts.sink.x]\nkind = "fax"\n')
    found = await run("alerts", "routes", "--file", str(file))
    assert found.code == 1
    assert "halt400.toml, line 2: alerts.sink.x.kind = 'fax'" in found.err
    assert "one of alertmanager, email, pagerduty, slack, stdout, webhook" in found.err


@pytest.mark.parametrize("command", ["routes", "test", "resend"])
@pytest.mark.parametrize("text", [None, '[policy]\ndefault = "strict"\n'], ids=["no file", "no section"])
async def test_where_nobody_is_alerted_no_command_says_otherwise(
    command: str, text: str | None, tmp_path: Path
) -> None:
    variables = {}
    if text is not None:
        (tmp_path / "halt400.toml").write_text(text)
        variables["HALT400_CONFIG_PATH"] = str(tmp_path / "halt400.toml")
    found = await run("alerts", command, **variables)
    assert (found.code, found.out) == (1, "")
    assert found.err.startswith("halt400: No alerts are sent: ")
    assert len(found.err.splitlines()) == 1


async def test_the_file_of_the_worker_is_that_of_the_commands(tmp_path: Path) -> None:
    file = tmp_path / "other.toml"
    file.write_text("[alerts]\n")
    listed = await run("alerts", "routes", HALT400_CONFIG_PATH=str(file))
    assert (listed.code, "stdout (stdout)" in listed.out) == (0, True)


async def test_routes_are_listed_and_a_target_shows_its_sinks(tmp_path: Path) -> None:
    file = tmp_path / "halt400.toml"
    file.write_text(TWO_ROUTES.format(pager="http://127.0.0.1:1"))
    (route, _) = json.loads((await run("alerts", "routes", "--file", str(file), "--format", "json")).out)
    assert {"name": "oncall", "kind": "pagerduty"} in route["sinks"]
    as_json = await run("alerts", "routes", "--file", str(file), "--target", "api.shop.example", "--format", "json")
    assert {sink["sink"] for sink in json.loads(as_json.out)["sinks"]} == {"oncall", "channel"}
    listed = await run("alerts", "routes", "--file", str(file))
    assert "oncall (pagerduty)" in listed.out
    assert "22:00-07:00 Europe/Berlin" in listed.out
    assert "pages after 15m 0s" in listed.out
    whole = await run("alerts", "routes", "--file", str(file), "--target", TARGET)
    assert [line.split()[:4] for line in whole.lines[2:4]] == [
        ["channel", "slack", "shop", "page"],
        ["oncall", "pagerduty", "pages", "page"],
    ]
    nobody = await run("alerts", "routes", "--file", str(file), "--target", "other.example", "--job", "j")
    assert nobody.code == 1
    assert "nobody would be notified" in nobody.out


async def test_dead_letters_are_sent_again_and_an_incident_is_acknowledged(bench: AlertBench) -> None:
    def command() -> Command:
        return make(None, at=int(time.time() * 1000))

    bench.configure('name = "pages"\nsinks = ["pager"]')
    bench.pager.script = [(400, {}, b"not today")]
    file, key = ("--file", str(bench.config)), {"TEST_ROUTING_KEY": ROUTING_KEY}
    async with bench.worker():
        await bench.publish(command())
        await until(lambda: bench.read("alerts.dlq"))
        await until(bench.is_committed)
        sent = await run("alerts", "resend", *file, settings=bench.settings, **key)
        assert (sent.code, "sent" in sent.out) == (0, True)
        assert list(bench.pager.open) == [f"halt400/{TARGET}/malformed_json"]
        key_of = f"halt400/{TARGET}/malformed_json"
        acknowledged = await run("alerts", "ack", key_of, "--by", "alice", settings=bench.settings)
        assert acknowledged.lines == [f"{TARGET}/malformed_json is acknowledged by alice; 1 still halted."]
        await until(lambda: bench.pager.acknowledged)
        nothing = await run("alerts", "ack", "x/unknown", settings=bench.settings)
        assert (nothing.code, "No incident 'x/unknown' is open." in nothing.err) == (1, True)
