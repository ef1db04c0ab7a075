"""PagerDuty, Events API v2: trigger, acknowledge and resolve by the incident's dedup key.

Contract: https://developer.pagerduty.com/docs/events-api-v2/overview/ and .../trigger-events/. The routing key has 32
characters, a dedup key at most 255, a summary at most 1024, an event at most 512 KB. 202 is accepted; 429 and 5xx are
to be tried again, after a 429 "preferably with a backoff of a few minutes"; 400 never.
"""

from datetime import UTC, datetime
from typing import Any

import orjson

from streams.alerts.delivery import AttemptResult, RetryPolicy
from streams.alerts.http_post import HttpPoster
from streams.alerts.incident import FLEET
from streams.alerts.notification import Notification
from streams.alerts.notification_texts import labelled_texts
from streams.alerts.text import shorten

__all__ = ["EVENTS_URL", "PagerDutySink"]

EVENTS_URL = "https://events.pagerduty.com/v2/enqueue"
LONGEST_SUMMARY = 1024
LONGEST_DETAIL = 8000


class PagerDutySink:
    """One integration of one PagerDuty service."""

    retry = RetryPolicy(first_s=2.0, longest_s=120.0, throttled_s=60.0, give_up_after_s=1800.0)

    def __init__(self, name: str, routing_key: str, *, url: str = EVENTS_URL, timeout_s: float = 10.0) -> None:
        self.name = name
        self._routing_key = routing_key
        self._http = HttpPoster(url, timeout_s=timeout_s, secrets=[routing_key])

    async def deliver(self, notification: Notification) -> AttemptResult:
        """Send the event; an update is a further trigger with the same key, which notifies nobody anew."""
        action = "trigger" if notification.action == "update" else notification.action
        event: dict[str, Any] = {
            "routing_key": self._routing_key,
            "event_action": action,
            "dedup_key": notification.dedup_key,
        }
        if action == "trigger":
            event |= _alert(notification)
        return await self._http.post(orjson.dumps(event))

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()


def _alert(notification: Notification) -> dict[str, Any]:
    payload: dict[str, Any] = {
        "summary": shorten(notification.title, LONGEST_SUMMARY),
        "source": notification.target if notification.target != FLEET else "the fleet",
        "severity": "critical" if notification.severity == "page" else "warning",
        "timestamp": datetime.fromtimestamp(notification.opened_at / 1000, UTC).isoformat(timespec="milliseconds"),
        "component": notification.scopes[0] if notification.scopes else notification.incident,
        "class": notification.cause,
        "custom_details": {label: shorten(text, LONGEST_DETAIL) for label, text in labelled_texts(notification)},
    }
    if notification.owner is not None:
        payload["group"] = notification.owner
    alert: dict[str, Any] = {"client": "Halt400", "payload": payload}
    if (notification.archive_uri or "").startswith(("https://", "http://")):
        alert["links"] = [{"href": notification.archive_uri, "text": "Evidence"}]
    return alert
