"""The section `[alerts]` of halt400.toml: what it results in, and which line an error names."""

from datetime import time
from pathlib import Path
from textwrap import dedent

import pytest

from halt400.errors import SettingError
from streams.alerts.config import NO_ALERTS, AlertsConfig, load_alerts, parse_alerts
from streams.alerts.routing import Owner
from streams.alerts.sinks import AlertmanagerSink, EmailSink, PagerDutySink, SlackSink, StdoutSink, WebhookSink
from streams.settings import load_settings
from streams.toml_file import TomlFile
from streams.worker.follow_up_process import build_follow_up_app

KEY = "0123456789abcdef0123456789ABCDEF"
WHOLE = """\
[policy]
default = "strict"

[alerts.sink.oncall]
kind = "pagerduty"
routing_key_env = "PD_KEY"

[alerts.sink.slack]
kind = "slack"
url_file = "{secret}"

[alerts.sink.am]
kind = "alertmanager"
url = "http://alertmanager:9093"

[alerts.sink.own]
kind = "webhook"
url = "https://hooks.example/halt400"
secret_env = "HOOK_SECRET"

[alerts.sink.mail]
kind = "email"
host = "mail.example"
sender = "halt400@example.com"
recipients = ["team@example.com"]

[alerts.sink.out]
kind = "stdout"
format = "json"

[[alerts.owner]]
name = "team-shop"
target = ["*.shop.example", "shop.example"]
job = "extract-*"

[[alerts.route]]
name = "pages"
severity = "page"
sinks = ["oncall", "am"]

[[alerts.route]]
name = "shop"
target = "*.shop.example"
owner = "team-shop"
page_on = ["target", "job"]
sinks = ["slack", "own", "mail", "out"]
quiet_hours = "22:00-07:00"
timezone = "Europe/Berlin"
group_wait_s = 10
escalate_to = "pages"
escalate_after_s = 600
"""


def parse(text: str) -> AlertsConfig:
    return parse_alerts(TomlFile("halt400.toml", dedent(text)))


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "slack-url"
    path.write_text("https://hooks.slack.com/services/T/B/X\n")
    return path


def test_the_whole_file_is_understood(secret: Path) -> None:
    config = parse(WHOLE.format(secret=secret))
    pages, shop = config.routing.routes
    assert (pages.severities, pages.sinks, pages.quiet_hours) == (frozenset({"page"}), ("oncall", "am"), None)
    assert (shop.targets, shop.owners, shop.page_on) == (("*.shop.example",), ("team-shop",), {"target", "job"})
    assert (shop.group_wait_s, shop.escalate_to, shop.escalate_after_s) == (10, "pages", 600)
    assert shop.quiet_hours is not None
    assert (shop.quiet_hours.start, shop.quiet_hours.end) == (time(22), time(7))
    assert config.routing.owners == (Owner("team-shop", ("*.shop.example", "shop.example"), ("extract-*",)),)
    assert config.routing.renewals == {"am": 120.0}
    sinks = config.make_sinks({"PD_KEY": KEY, "HOOK_SECRET": "0123456789abcdef"})
    kinds = {name: type(sink) for name, sink in sinks.items()}
    assert kinds == {
        "oncall": PagerDutySink,
        "slack": SlackSink,
        "am": AlertmanagerSink,
        "own": WebhookSink,
        "mail": EmailSink,
        "out": StdoutSink,
    }


def test_without_a_sink_everything_goes_to_standard_output() -> None:
    for config in (load_alerts(None), parse("[policy]\n")):
        assert [type(sink) for sink in config.make_sinks({}).values()] == [StdoutSink]
        assert [route.sinks for route in config.routing.routes] == [("stdout",)]


SINK = '[alerts.sink.s]\nkind = "stdout"\n'
ROUTE = f'{SINK}[[alerts.route]]\nname = "r"\nsinks = ["s"]\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[alerts\n", "halt400.toml is not TOML: "),
        ("[alerts]\nsinks = 1\n", "halt400.toml, line 2: alerts.sinks: "),
        ('[alerts.sink.s]\nkind = "pigeon"\n', "halt400.toml, line 2: alerts.sink.s.kind = 'pigeon': "),
        ('[alerts.sink.s]\nkind = "slack"\nurl = "https://x"\n', "halt400.toml, line 3: alerts.sink.s.url: "),
        (f"{SINK}timeout_s = 0\n", "halt400.toml, line 3: alerts.sink.s.timeout_s = 0: "),
        (SINK, "halt400.toml, line 1: alerts.sink.s: no route leads to it."),
        (f'{ROUTE}severity = "loud"\n', "halt400.toml, line 6: alerts.route[0].severity = 'loud': "),
        (f"{ROUTE}group_wait_s = -1\n", "halt400.toml, line 6: alerts.route[0].group_wait_s = -1: "),
        (f'{ROUTE}quiet_hours = "late"\n', "halt400.toml, line 6: alerts.route[0].quiet_hours = 'late': "),
        (f'{ROUTE}quiet_hours = "07:00-07:00"\n', "halt400.toml, line 6: alerts.route[0].quiet_hours"),
        (f'{ROUTE}timezone = "Mars/Olympus"\n', "halt400.toml, line 6: alerts.route[0].timezone = 'Mars/Olympus': "),
        (f'{ROUTE}timezone = "../../etc/passwd"\n', "halt400.toml, line 6: alerts.route[0].timezone"),
        (f'{ROUTE}owner = "nobody"\n', "halt400.toml, line 6: alerts.route[0].owner = 'nobody': no such owner."),
        (f'{ROUTE}escalate_to = "x"\n', "halt400.toml, line 6: alerts.route[0].escalate_to = 'x': no such route."),
        (f'{ROUTE}escalate_to = "r"\n', "halt400.toml, line 6: alerts.route[0].escalate_to = 'r': leads back"),
        (f'{ROUTE}[[alerts.route]]\nname = "r"\nsinks = ["s"]\n', "halt400.toml, line 7: alerts.route[1].name = 'r'"),
        (f'{ROUTE}[[alerts.route]]\nname = "q"\nsinks = ["t"]\n', "halt400.toml, line 8: alerts.route[1].sinks = 't'"),
        (f'{ROUTE}[[alerts.owner]]\nname = ""\n', "halt400.toml, line 7: alerts.owner[0].name = '': "),
    ],
)
def test_a_mistake_is_named_with_its_line_key_and_value(text: str, message: str) -> None:
    with pytest.raises(SettingError) as caught:
        parse(text)
    assert caught.value.message.startswith(message)
    assert caught.value.mend


@pytest.mark.parametrize(
    ("keys", "environ", "message"),
    [
        ('kind = "pagerduty"', {}, "line 1: alerts.sink.s: routing_key is missing."),
        ('kind = "pagerduty"\nrouting_key_env = "PD"', {}, "line 3: alerts.sink.s.routing_key_env = 'PD': no such"),
        ('kind = "pagerduty"\nrouting_key_env = "PD"', {"PD": "hunter2"}, "line 3: alerts.sink.s.routing_key_env: a "),
        ('kind = "slack"\nurl_file = "/nowhere"', {}, "line 3: alerts.sink.s.url_file = '/nowhere': cannot be read."),
        ('kind = "slack"\nurl_env = "U"', {"U": "hunter2"}, "line 3: alerts.sink.s.url_env: is no http or https"),
        ('kind = "slack"\nurl_env = "U"\nurl_file = "u"', {"U": "x"}, "line 4: alerts.sink.s.url_file: url is given"),
        ('kind = "alertmanager"\nurl = "am:9093"', {}, "line 3: alerts.sink.s.url = 'am:9093': is no http or https"),
        (
            'kind = "webhook"\nurl = "https://h.example"\nsecret_env = "S"',
            {"S": "hunter2"},
            "line 4: alerts.sink.s.secret_env: the secret has 7 characters",
        ),
        (
            'kind = "email"\nhost = "h"\nsender = "a@b"\nrecipients = ["a@b"]\nusername = "u"',
            {},
            "line 1: alerts.sink.s: username and password belong together.",
        ),
        (
            'kind = "email"\nhost = "h"\nsender = "a@b"\nrecipients = ["a@b"]\nusername = "u"\npassword_env = "P"\n'
            'tls = "none"',
            {"P": "hunter2"},
            "line 8: alerts.sink.s.tls: a password would go in the clear.",
        ),
    ],
)
def test_a_secret_that_is_missing_or_wrong_is_named_and_never_shown(
    keys: str, environ: dict[str, str], message: str
) -> None:
    config = parse(f'[alerts.sink.s]\n{keys}\n[[alerts.route]]\nname = "r"\nsinks = ["s"]\n')
    with pytest.raises(SettingError) as caught:
        config.make_sinks(environ)
    assert message in caught.value.message
    assert "hunter2" not in str(caught.value)


def test_a_secret_written_into_the_file_is_refused_and_not_repeated() -> None:
    with pytest.raises(SettingError) as caught:
        parse(f'[alerts.sink.s]\nkind = "pagerduty"\nrouting_key = "{KEY}"\n')
    assert "line 3: alerts.sink.s.routing_key" in caught.value.message
    assert KEY not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="cannot be read"):
        load_alerts(tmp_path / "halt400.toml")


@pytest.mark.parametrize(("text", "is_on"), [(None, False), ("[policies]\n", False), ("[alerts]\n", True)])
def test_a_worker_without_alerts_logs_one_line_that_says_what_to_do(
    text: str | None,
    is_on: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.chdir(tmp_path)
    if text is not None:
        Path("halt400.toml").write_text(text)
    app = build_follow_up_app(load_settings())
    assert ("alert" in {name.rpartition(".")[2] for name in app.agents}) is is_on
    messages = [record.message for record in caplog.records if record.name == "halt400.worker"]
    assert messages == ([] if is_on else [NO_ALERTS])
    assert "\n" not in NO_ALERTS
