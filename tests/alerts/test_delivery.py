"""When a delivery is tried again, and when it ends."""

import asyncio
from datetime import UTC, datetime

import pytest

from streams.alerts.delivery import deliver_with_retries, retry_after_s
from streams.alerts.sinks import SlackSink
from tests.alerts.examples import T0, notification
from tests.alerts.servers import (
    Slack,
)

NOW_S = T0 / 1000


def clock() -> float:
    return NOW_S


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("Sun, 23 Nov 2025 04:00:30 GMT", 30.0),
        ("Sun, 23 Nov 2025 03:00:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("²", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert retry_after_s(header, datetime.fromtimestamp(NOW_S, UTC)) == seconds


async def test_a_retry_after_of_zero_does_not_shorten_the_pause() -> None:
    async with Slack().serve() as server:
        server.always, waits = (429, {"Retry-After": "0"}, b""), []
        sink = SlackSink("sink", server.url)

        async def sleep(seconds: float) -> None:
            waits.append(seconds)

        report = await deliver_with_retries(sink, notification, clock=lambda: sum(waits), sleep=sleep)
        assert report is not None
        assert report.attempts < 40
        assert min(waits) >= 30
        await sink.close()


async def test_a_pause_beyond_the_time_to_give_up_ends_the_delivery_at_once() -> None:
    async with Slack().serve() as server:
        server.script = [(429, {"Retry-After": "86400"}, b"")]
        sink = SlackSink("sink", server.url)
        report = await deliver_with_retries(sink, notification, clock=clock, sleep=asyncio.sleep)
        assert report is not None
        assert (report.attempts, report.last_attempt.throttled) == (1, True)
        await sink.close()


async def test_a_delivery_ends_when_there_is_nothing_to_send_any_more() -> None:
    async with Slack().serve() as server:
        server.always = (500, {}, b"")
        sink, left = SlackSink("sink", server.url), [notification(), None]

        async def sleep(_: float) -> None:
            return

        assert await deliver_with_retries(sink, lambda: left.pop(0), clock=clock, sleep=sleep) is None
        assert len(server.received) == 1
        await sink.close()
