"""The port of every sink: one attempt is one verdict; when to try again is the sink's own rule.

A refusal is never tried again: a request that a server calls bad does not get better by repeating it. That is what
this whole system says to scrapers.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal, Protocol

from streams import metrics
from streams.alerts.notification import Notification

__all__ = [
    "AttemptResult",
    "DeliveryResult",
    "LimitedSink",
    "RetryPolicy",
    "Sink",
    "deliver_with_retries",
    "retry_after_s",
]

ATTEMPTS_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """The verdict on one attempt. `detail` is for people and holds no secret."""

    outcome: Literal["accepted", "refused", "unavailable"]
    detail: str
    retry_after_s: float | None = None
    throttled: bool = False


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When to try again: the wait doubles from `first_s` to `longest_s`, jittered; `give_up_after_s` ends it.

    `throttled_s` is the wait after a 429 that does not say how long.
    """

    first_s: float = 1.0
    longest_s: float = 60.0
    throttled_s: float = 5.0
    give_up_after_s: float = 900.0


@dataclass(frozen=True, slots=True)
class DeliveryResult:
    """How a delivery ended, what was said in the last attempt, and how many there were."""

    delivery: AttemptResult
    notification: Notification
    attempts: int


class Sink(Protocol):
    """Where notifications go."""

    name: str
    retry: RetryPolicy

    async def deliver(self, notification: Notification) -> AttemptResult:
        """Try once. Never raises for what a sink or the network may do."""

    async def close(self) -> None:
        """Give up connections."""


class LimitedSink:
    """A sink that is asked for a few things at once only; those who wait to try again do not count."""

    def __init__(self, sink: Sink) -> None:
        self._sink, self._gate = sink, asyncio.Semaphore(ATTEMPTS_AT_ONCE)
        self.name: str = sink.name
        self.retry: RetryPolicy = sink.retry

    async def deliver(self, notification: Notification) -> AttemptResult:
        """Try once, when there is room."""
        async with self._gate:
            delivery = await self._sink.deliver(notification)
        metrics.ALERT_ATTEMPTS.labels(self.name, delivery.outcome).inc()
        return delivery

    async def close(self) -> None:
        """Give up connections."""
        await self._sink.close()


async def deliver_with_retries(
    sink: Sink,
    compose: Callable[[], Notification | None],
    *,
    clock: Callable[[], float],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    jitter: Callable[[], float] = random.random,
) -> DeliveryResult | None:
    """Deliver until the sink accepts, refuses, or its patience is at an end.

    Parameters
    ----------
    compose
        What is to be said, asked before every attempt; None where there is nothing any more, which ends it.
    clock, sleep
        Monotonic seconds, and how to wait for some.
    jitter
        A number in [0, 1): where in the upper half of the wait it ends.
    """
    patience, started, attempts, wait_s = sink.retry, clock(), 0, sink.retry.first_s
    while True:
        notification = compose()
        if notification is None:
            return None
        delivery = await sink.deliver(notification)
        attempts += 1
        pause_s = wait_s * (0.5 + jitter() / 2)
        if delivery.throttled:
            pause_s = patience.throttled_s * (1 + jitter() / 2)
        if delivery.retry_after_s:
            # A tenth more at the most, so that those who were sent away together do not come back together.
            pause_s = delivery.retry_after_s * (1 + jitter() / 10)
        if delivery.outcome != "unavailable" or clock() + pause_s - started > patience.give_up_after_s:
            return DeliveryResult(delivery, notification, attempts)
        await sleep(pause_s)
        wait_s = min(wait_s * 2, patience.longest_s)


def retry_after_s(header: str | None, now: datetime) -> float | None:
    """Read a Retry-After header: seconds or a date (RFC 9110 section 10.2.3); None where it says nothing.

    Examples
    --------
    >>> retry_after_s("120", datetime.now(UTC))
    120.0
    """
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())
