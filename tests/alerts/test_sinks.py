"""One contract for every sink, against real servers that check what the vendor documents."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.alerts.compose import compose
from streams.alerts.delivery import AttemptResult, Sink, deliver_with_retries
from streams.alerts.incidents import FINDING_CLOSES_AFTER_MS
from streams.alerts.notification import Notification, decode_notification
from streams.alerts.routing import PlannedDelivery, Route
from streams.alerts.sinks import AlertmanagerSink, EmailSink, PagerDutySink, SlackSink, StdoutSink, WebhookSink
from streams.alerts.sinks.slack import escape
from tests.alerts.examples import MINUTE, T0, diagnosis, finding, incidents, notification, only
from tests.alerts.servers import (
    BEARER,
    CERTIFICATE,
    HANG,
    ROUTING_KEY,
    SIGNING_SECRET,
    SLACK_PATH,
    Alertmanager,
    Answer,
    PagerDuty,
    Receiver,
    Slack,
    Smtp,
    Webhook,
)

ACTIONS = ("trigger", "update", "acknowledge", "resolve")
NOW_S = T0 / 1000
SECRETS = (ROUTING_KEY, SIGNING_SECRET, BEARER, SLACK_PATH.removeprefix("/services/"))


def clock() -> float:
    return NOW_S


@dataclass(frozen=True)
class Kind:
    """One kind of sink with a server in place of its vendor, and how that server answers when something is wrong."""

    name: str
    server: Callable[[], Receiver]
    sink: Callable[[Any, float], Sink]
    throttled: Answer = (429, {"Retry-After": "7"}, b"slow down")
    broken: Answer = (500, {}, b"internal error")
    refusal: Answer = (400, {}, b"invalid_payload")
    tells_when: bool = True


KINDS = [
    Kind("pagerduty", PagerDuty, lambda s, t: PagerDutySink("sink", ROUTING_KEY, url=s.url, timeout_s=t)),
    Kind("slack", Slack, lambda s, t: SlackSink("sink", s.url, timeout_s=t)),
    Kind(
        "alertmanager",
        Alertmanager,
        lambda s, t: AlertmanagerSink("sink", s.url.removesuffix(s.path), token=BEARER, timeout_s=t),
    ),
    Kind(
        "webhook",
        lambda: Webhook(clock),
        lambda s, t: WebhookSink("sink", s.url, SIGNING_SECRET, timeout_s=t, clock=clock),
    ),
    Kind(
        "email",
        Smtp,
        lambda s, t: EmailSink(
            "sink",
            "127.0.0.1",
            s.port,
            "halt400@example.com",
            ("a@example.com", "b@example.com"),
            tls="none",
            timeout_s=t,
        ),
        throttled=(451, {}, b"greylisted, come back later"),
        broken=(421, {}, b"closing down"),
        refusal=(554, {}, b"no such thing here"),
        tells_when=False,
    ),
]


class Rig:
    """A sink, its server, and a clock that moves only when the sink waits."""

    def __init__(self, kind: Kind, server: Any, sink: Sink) -> None:
        self.kind, self.server, self.sink = kind, server, sink
        self.waits: list[float] = []

    async def deliver(self, found: Notification, jitter: float = 0.0) -> tuple[AttemptResult, int]:
        now = [0.0]

        async def sleep(seconds: float) -> None:
            self.waits.append(seconds)
            now[0] += seconds

        report = await deliver_with_retries(
            self.sink, lambda: found, clock=lambda: now[0], sleep=sleep, jitter=lambda: jitter
        )
        assert report is not None
        return report.last_attempt, report.attempts


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    kind: Kind = request.param
    server = kind.server()
    serving: AbstractAsyncContextManager[Any] = server.serve()  # type: ignore[attr-defined]
    async with serving:
        sink = kind.sink(server, 5.0)
        yield Rig(kind, server, sink)
        await sink.close()


@pytest.mark.slow
@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("page", [True, False], ids=["page", "ticket"])
async def test_every_message_keeps_to_the_documented_contract(rig: Rig, action: str, page: bool) -> None:
    delivery, attempts = await rig.deliver(notification(action, page=page))
    assert (delivery.outcome, attempts) == ("accepted", 1)
    assert rig.server.violations == []
    assert len(rig.server.received) == 1


HOSTILE = '<!channel> <https://evil.example|click> & ``` *bold* _x_ :skull: \r\nBcc: x@evil.example\r\n.\r\n"\\ \u202e'


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["fleet_fault", "target_alarm", "poison_item", "retry_loop", "refused_records"])
@pytest.mark.parametrize("action", ["trigger", "resolve"])
async def test_findings_keep_to_the_contract_whatever_names_a_scraper_has(rig: Rig, kind: str, action: str) -> None:
    named = dict.fromkeys(("worker", "release", "job_id", "value", "summary"), HOSTILE * 40)
    applied = incidents(finding(kind, **named, jobs=(HOSTILE * 4,) * 20, targets=(HOSTILE * 4,) * 20))
    if action == "resolve":
        applied.close_expired(T0 + 2 * max(FINDING_CLOSES_AFTER_MS.values()))
    at = PlannedDelivery("sink", Route("oncall", ("sink",)), action, T0)  # type: ignore[arg-type]
    delivery, _ = await rig.deliver(compose(only(applied), at, None, T0, str))
    assert (delivery.outcome, rig.server.violations) == ("accepted", [])


async def test_the_contract_holds_whatever_a_scraper_writes(rig: Rig) -> None:
    found = notification(
        page=False,
        reason=HOSTILE * 400,
        diagnosis=diagnosis(remedy=HOSTILE * 400),
        archive_uri="https://archive.example/" + HOSTILE * 30,
        target="t" * 255,
    )
    delivery, _ = await rig.deliver(found)
    assert (delivery.outcome, rig.server.violations) == ("accepted", [])


async def test_429_is_tried_again_after_its_retry_after(rig: Rig) -> None:
    rig.server.script = [rig.kind.throttled, rig.kind.throttled]
    delivery, attempts = await rig.deliver(notification())
    assert (delivery.outcome, attempts) == ("accepted", 3)
    if rig.kind.tells_when:
        assert rig.waits == [7.0, 7.0]
    assert rig.server.violations == []


async def test_a_server_error_is_tried_again_with_growing_pauses(rig: Rig) -> None:
    rig.server.script = [rig.kind.broken] * 4
    delivery, attempts = await rig.deliver(notification(), jitter=0.999)
    assert (delivery.outcome, attempts) == ("accepted", 5)
    first = rig.sink.retry.first_s
    assert rig.waits == pytest.approx([first, first * 2, first * 4, first * 8], rel=0.01)


async def test_a_400_is_never_tried_again(rig: Rig) -> None:
    rig.server.always = rig.kind.refusal
    delivery, attempts = await rig.deliver(notification())
    assert (delivery.outcome, attempts, len(rig.server.received)) == ("refused", 1, 1)
    assert rig.kind.refusal[2].decode() in delivery.detail


async def test_a_hang_ends_at_the_timeout_and_is_tried_again(rig: Rig) -> None:
    rig.server.script = [HANG]
    rig.sink = rig.kind.sink(rig.server, 0.3)
    delivery, attempts = await rig.deliver(notification())
    assert (delivery.outcome, attempts) == ("accepted", 2)
    await rig.sink.close()


async def test_a_delivery_gives_up_in_time(rig: Rig) -> None:
    rig.server.always = rig.kind.broken
    delivery, attempts = await rig.deliver(notification())
    assert delivery.outcome == "unavailable"
    assert sum(rig.waits) <= rig.sink.retry.give_up_after_s
    assert 5 < attempts < 100


async def test_a_sink_that_is_not_there_is_unavailable(rig: Rig) -> None:
    class Nowhere:
        url, path, port = "http://127.0.0.1:1/x", "/x", 1

    sink = rig.kind.sink(Nowhere, 2.0)
    delivery = await sink.deliver(notification())
    assert delivery.outcome == "unavailable"
    await sink.close()


async def test_no_secret_is_shown_or_logged(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    rig.server.script = [(403, {}, " ".join(SECRETS).encode()), rig.kind.throttled]
    with caplog.at_level(logging.DEBUG):
        first = await rig.sink.deliver(notification())
        await rig.deliver(notification())
    shown = f"{first} {rig.sink} {caplog.text}"
    own = {"pagerduty": SECRETS[0], "webhook": SECRETS[1], "alertmanager": SECRETS[2], "slack": SECRETS[3]}
    if rig.kind.name in own:
        assert own[rig.kind.name] not in shown


async def test_a_redirect_is_a_refusal() -> None:
    async with Slack().serve() as server:
        server.script = [(301, {"Location": server.url}, b"")]
        sink = SlackSink("sink", server.url)
        assert (await sink.deliver(notification())).outcome == "refused"
        assert len(server.received) == 1
        await sink.close()


async def test_a_long_answer_is_cut_off() -> None:
    async with Slack().serve() as server:
        server.script = [(500, {}, b"x" * 3_000_000)]
        sink = SlackSink("sink", server.url)
        assert len((await sink.deliver(notification())).detail) <= 300
        await sink.close()


async def test_pagerduty_has_one_incident_from_the_trigger_to_the_resolve() -> None:
    async with PagerDuty().serve() as server:
        sink = PagerDutySink("sink", ROUTING_KEY, url=server.url)
        for action in ("trigger", "update", "acknowledge"):
            await sink.deliver(notification(action))
        key = "halt400/api.shop.example/malformed_json"
        assert (server.incidents, server.open, server.acknowledged) == ([key], {key: "critical"}, {key})
        await sink.deliver(notification("resolve"))
        assert server.open == {}
        assert "Release" in server.received[0]["payload"]["custom_details"]
        await sink.close()


async def test_alertmanager_fires_until_it_is_resolved_and_a_raised_severity_replaces_the_former() -> None:
    async with Alertmanager().serve() as server:
        sink = AlertmanagerSink("sink", server.url.removesuffix(server.path), token=BEARER)
        now = datetime.fromtimestamp(T0 / 1000, UTC)
        await sink.deliver(notification(page=False))
        await sink.deliver(_raised())
        (firing,) = server.firing(now + timedelta(minutes=2))
        assert firing["severity"] == "critical"
        await sink.deliver(notification("resolve", now=T0 + MINUTE))
        assert server.firing(now + timedelta(minutes=2)) == []
        assert server.violations == []
        await sink.close()


def _raised() -> Notification:
    found = notification(now=T0 + MINUTE)
    found.raised = True
    return found


async def test_a_mail_of_one_incident_is_one_thread_for_all_recipients() -> None:
    async with Smtp().serve() as server:
        sink = EmailSink("sink", "127.0.0.1", server.port, "halt400@example.com", ("a@example.com",), tls="none")
        for action in ("trigger", "resolve"):
            await sink.deliver(notification(action))
        first, last = server.received
        assert isinstance(first, EmailMessage)
        assert first["References"] == last["References"]
        assert first["Message-ID"] != last["Message-ID"]
        assert first["Subject"] == "[page] api.shop.example is halted as a whole: malformed_json"
        assert "halt400 release target/api.shop.example" in first.get_content()


async def test_a_mail_server_without_tls_gets_no_mail_where_tls_is_required() -> None:
    async with Smtp().serve() as server:
        sink = EmailSink("sink", "127.0.0.1", server.port, "halt400@example.com", ("a@example.com",), tls="starttls")
        delivery = await sink.deliver(notification())
        assert (delivery.outcome, server.received) == ("refused", [])


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
async def test_a_mail_goes_encrypted_with_a_login_and_never_without_either(
    tls: Literal["starttls", "implicit"], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Smtp(tls, b"\0halt400\0the password").serve() as server:

        def sink(password: str = "the password") -> EmailSink:
            parts = ("sink", "127.0.0.1", server.port, "halt400@example.com", ("a@example.com",))
            return EmailSink(*parts, tls=tls, username="halt400", password=password)

        stranger = await sink().deliver(notification())
        assert (stranger.outcome, server.received) == ("refused", [])
        assert "certificate" in stranger.detail
        monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
        wrong = await sink("another").deliver(notification())
        assert (wrong.outcome, wrong.detail, server.received) == ("refused", "535 who are you", [])
        assert (await sink().deliver(notification())).outcome == "accepted"
        assert (len(server.received), server.violations) == (1, [])


async def test_standard_output_gets_a_paragraph_or_a_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    await StdoutSink("sink").deliver(notification())
    assert "page trigger: api.shop.example is halted as a whole" in capsys.readouterr().out
    await StdoutSink("sink", as_json=True).deliver(notification())
    assert decode_notification(capsys.readouterr().out.encode()) == notification()


async def test_standard_output_that_is_closed_is_unavailable(tmp_path: Any) -> None:
    with (tmp_path / "out").open("w") as stream:
        pass
    assert (await StdoutSink("sink", stream=stream).deliver(notification())).outcome == "unavailable"


@given(st.text(max_size=400))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_escaped_text_has_no_meaning_to_slack(text: str) -> None:
    server = Slack()
    server.mrkdwn(escape(text))
    assert server.violations == []
