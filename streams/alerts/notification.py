"""The notification: what one sink is sent of one incident. Pure.

It is the body of the generic webhook and the value of a record on `alerts.dlq`.
"""

from typing import Literal

import msgspec
from msgspec import Struct

from halt400.records import WindowFigures
from streams.alerts.incident import Action, LastSent
from streams.detection import Finding
from streams.detection.findings import Severity
from streams.quarantine.not_sent import NotSent

__all__ = ["EstimatedSavings", "Notification", "decode_notification", "last_sent_after"]


class EstimatedSavings(Struct, kw_only=True):
    """Requests that were not sent, estimated: the target's rate before it was quarantined, times the duration since."""

    requests: int
    per_s: float
    window_s: int
    halted_s: int


class Notification(Struct, kw_only=True, omit_defaults=True):
    """What one sink is sent of one incident; docs/alerts.md explains the fields.

    `dedup_key` names the incident for sinks that keep state; `id` names this message, also when it is sent again.
    Times are milliseconds since the epoch. `ends_at` is when the last open quarantine expires, or when the incident
    closed; where nothing is quarantined, when its findings close unless they are reported again.
    """

    version: Literal[1] = 1
    id: str
    dedup_key: str
    incident: str
    episode: int
    digest: str
    action: Action
    severity: Severity
    route: str
    title: str
    target: str
    cause: str
    what: str
    opened_at: int
    at: int
    ends_at: int
    open_scopes: int
    scopes: list[str]
    raised: bool = False
    owner: str | None = None
    blame: str | None = None
    confidence: float | None = None
    remedy: str | None = None
    evidence: list[str] = []
    diagnosed_cause: str | None = None
    windows: list[WindowFigures] = []
    saved: EstimatedSavings | None = None
    not_sent: NotSent | None = None
    archive_uri: str | None = None
    release_commands: list[str] = []
    findings: list[Finding] = []
    wasted_requests: int | None = None
    acknowledge_command: str | None = None
    acknowledged_by: str | None = None
    closed_by: str | None = None
    closing_reason: str | None = None
    test: bool = False


decode_notification = msgspec.json.Decoder(Notification).decode


def last_sent_after(notification: Notification, before: LastSent | None, *, accepted: bool) -> LastSent:
    """What a sink was sent last, after a delivery; `before` is what it was sent earlier in this episode."""
    return LastSent(
        route=notification.route,
        action=notification.action,
        severity=notification.severity,
        digest=notification.digest,
        episode=notification.episode,
        first_at=before.first_at if before is not None else notification.at,
        at=notification.at,
        acknowledged=notification.action == "acknowledge" or (before is not None and before.acknowledged),
        undelivered=not accepted,
    )
