"""A webhook of your own: the notification as JSON, signed; `streams.alerts.signing` says what a receiver checks."""

import time
from collections.abc import Callable

import msgspec

from streams.alerts.delivery import AttemptResult, RetryPolicy
from streams.alerts.http_post import HttpPoster
from streams.alerts.notification import Notification
from streams.alerts.signing import sign

__all__ = ["WebhookSink"]


class WebhookSink:
    """One receiver. Every attempt has its own timestamp and signature; the id stays the same."""

    retry = RetryPolicy(first_s=1.0, longest_s=60.0, throttled_s=10.0, give_up_after_s=900.0)

    def __init__(
        self, name: str, url: str, secret: str, *, timeout_s: float = 10.0, clock: Callable[[], float] = time.time
    ) -> None:
        self.name = name
        self._secret, self._clock = secret, clock
        self._http = HttpPoster(url, timeout_s=timeout_s, secrets=[secret])

    async def deliver(self, notification: Notification) -> AttemptResult:
        """Post the notification."""
        body, timestamp_s = msgspec.json.encode(notification), int(self._clock())
        return await self._http.post(
            body,
            {
                "Halt400-Id": notification.id,
                "Halt400-Timestamp": str(timestamp_s),
                "Halt400-Signature": sign(self._secret, timestamp_s, body),
            },
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()
