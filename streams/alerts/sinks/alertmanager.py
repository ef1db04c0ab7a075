"""Prometheus Alertmanager, API v2: alerts whose labels name the incident.

Contract: https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml and
https://prometheus.io/docs/alerting/latest/alerts_api/. Labels identify an alert, so what changes is in annotations; a
raised severity is another alert, and the former one ends. An alert is open until its `endsAt`, so it is sent again
every `RENEWAL_S`, which also restores it after a restart of Alertmanager.
"""

from datetime import UTC, datetime
from typing import Any

import orjson

from streams.alerts.delivery import AttemptResult, RetryPolicy
from streams.alerts.http_post import HttpPoster
from streams.alerts.notification import Notification
from streams.alerts.notification_texts import labelled_texts

__all__ = ["ALERT_NAME", "ALERT_NAMES", "RENEWAL_S", "AlertmanagerSink"]

ALERT_NAMES = {
    "fleet_fault": "Halt400FleetFault",
    "retry_loop": "Halt400RetryLoop",
    "poison_item": "Halt400PoisonItem",
    "target_alarm": "Halt400TargetAlarm",
    "refused_records": "Halt400RefusedRecords",
}
"""By the incident's cause, which stays the same while it is open; every other cause has `ALERT_NAME`."""
ALERT_NAME = "Halt400Quarantine"
PATH = "/api/v2/alerts"
RENEWAL_S = 120.0
SHORTEST_LIFE_MS = 15 * 60_000
ANNOTATIONS = {
    "What broke": "description",
    "Since": "since",
    "Remedy": "remedy",
    "Evidence": "evidence",
    "Responses before": "responses_before",
    "Requests saved": "requests_saved",
    "Halted": "halted",
    "Was halted": "halted",
    "Found too": "found_too",
    "Who": "who",
    "Requests wasted": "requests_wasted",
    "In common": "in_common",
    "Failing targets": "failing_targets",
    "Acknowledged by": "acknowledged_by",
    "Closes": "closes",
    "Over": "over",
    "Archive": "archive",
    "See it": "see_it",
    "Release": "release",
    "Acknowledge": "acknowledge",
}


class AlertmanagerSink:
    """One Alertmanager; `url` is its root, such as ``http://alertmanager:9093``."""

    retry = RetryPolicy(first_s=1.0, longest_s=30.0, throttled_s=10.0, give_up_after_s=900.0)

    def __init__(self, name: str, url: str, *, token: str | None = None, timeout_s: float = 10.0) -> None:
        self.name = name
        self._headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
        self._http = HttpPoster(url.rstrip("/") + PATH, timeout_s=timeout_s, secrets=[token] if token else [])

    async def deliver(self, notification: Notification) -> AttemptResult:
        """Post the alert as it is now."""
        alerts = [_alert(notification, _severity(notification))]
        if notification.raised:
            alerts.append(_alert(notification, "warning", over=True))
        return await self._http.post(orjson.dumps(alerts), self._headers)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()


def _severity(notification: Notification) -> str:
    return "critical" if notification.severity == "page" else "warning"


def _alert(notification: Notification, severity: str, *, over: bool = False) -> dict[str, Any]:
    labels = {
        "alertname": ALERT_NAMES.get(notification.cause, ALERT_NAME),
        "severity": severity,
        "target": notification.target,
        "cause": notification.cause,
        "incident": notification.dedup_key,
    }
    if notification.owner is not None:
        labels["owner"] = notification.owner
    if notification.test:
        labels["test"] = "true"
    ends_at = max(notification.ends_at, notification.at + SHORTEST_LIFE_MS)
    if over:
        ends_at = notification.at
    elif notification.action == "resolve":
        ends_at = notification.ends_at
    annotations = {ANNOTATIONS[label]: text for label, text in labelled_texts(notification) if label in ANNOTATIONS}
    return {
        "labels": labels,
        "annotations": {"summary": notification.title, **annotations},
        "startsAt": _rfc3339(notification.opened_at),
        # An alert that ends before it begins is refused.
        "endsAt": _rfc3339(max(ends_at, notification.opened_at + 1)),
    }


def _rfc3339(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
