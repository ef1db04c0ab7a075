"""The interface of every sink, the result of an attempt, and when to try again.

A refusal is never tried again: a request that a server calls bad does not get better by repeating it. That is what
Halt400 tells scrapers.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal, Protocol

from halt400.backoff import Backoff
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
    """The result of one attempt. `detail` is for people and holds no secret.

    `uncertain`: the sink may have accepted it, but its answer did not arrive.
    """

    outcome: Literal["accepted", "refused", "unavailable"]
    detail: str
    retry_after_s: float | None = None
    throttled: bool = False
    uncertain: bool = False


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When to try again: pauses double from `first_s` to `longest_s`, jittered; `give_up_after_s` ends them.

    `throttled_s` is the pause after a 429 that does not say how long.
    """

    first_s: float = 1.0
    longest_s: float = 60.0
    throttled_s: float = 5.0
    give_up_after_s: float = 900.0


@dataclass(frozen=True, slots=True)
class DeliveryResult:
    """How a delivery ended: its last attempt, what that sent, and how many attempts there were."""

    last_attempt: AttemptResult
    notification: Notification
    attempts: int


class Sink(Protocol):
    """Where notifications go."""

    name: str
    retry: RetryPolicy

    async def deliver(self, notification: Notification) -> AttemptResult:
        """Try once. Never raises for what a sink or the network may do."""

    async def close(self) -> None:
        """Close the connections."""


class LimitedSink:
    """A sink with a limit of attempts at once; deliveries that pause between two attempts do not count."""

    def __init__(self, sink: Sink) -> None:
        self._sink, self._limit = sink, asyncio.Semaphore(ATTEMPTS_AT_ONCE)
        self.name: str = sink.name
        self.retry: RetryPolicy = sink.retry

    async def deliver(self, notification: Notification) -> AttemptResult:
        """Try once, when the limit allows it."""
        async with self._limit:
            result = await self._sink.deliver(notification)
        metrics.ALERT_ATTEMPTS.labels(self.name, result.outcome).inc()
        return result

    async def close(self) -> None:
        """Close the connections."""
        await self._sink.close()


async def deliver_with_retries(
    sink: Sink,
    compose: Callable[[], Notification | None],
    *,
    clock: Callable[[], float],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    jitter: Callable[[], float] = random.random,
    on_attempt: Callable[[AttemptResult], None] = lambda result: None,
) -> DeliveryResult | None:
    """Deliver until the sink accepts or refuses, or until it is time to give up.

    Parameters
    ----------
    compose
        Called before every attempt; None where there is nothing to send any more, which ends the delivery.
    clock, sleep
        Monotonic seconds, and how to wait for some.
    jitter
        A number in [0, 1).
    on_attempt
        Called with the result of every attempt.
    """
    policy, started, attempts = sink.retry, clock(), 0
    backoff = Backoff(policy.longest_s, policy.first_s, jitter)
    while True:
        notification = compose()
        if notification is None:
            return None
        result = await sink.deliver(notification)
        on_attempt(result)
        attempts += 1
        pause_s = backoff.next_s()
        if result.throttled:
            pause_s = policy.throttled_s * (1 + jitter() / 2)
        if result.retry_after_s:
            # A tenth more at the most, so that those who were throttled together do not come back together.
            pause_s = result.retry_after_s * (1 + jitter() / 10)
        if result.outcome != "unavailable" or clock() + pause_s - started > policy.give_up_after_s:
            return DeliveryResult(result, notification, attempts)
        await sleep(pause_s)


def retry_after_s(header: str | None, now: datetime) -> float | None:
    """Read a Retry-After header: seconds or a date (RFC 9110 section 10.2.3); None where it is neither.

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
