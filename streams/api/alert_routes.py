"""Who is alerted: the routes of `halt400.toml` as API and command line show them; the bodies of test and resend."""

import time
from typing import Annotated, Literal, cast

from msgspec import Meta, Struct

from streams.alerts.config import AlertsConfig
from streams.alerts.route_check import example_incident
from streams.alerts.routing import Route
from streams.api.models import Count
from streams.api.operation_models import Actor, Reason
from streams.detection.findings import Severity

__all__ = [
    "AlertRoute",
    "PlannedAlert",
    "ResendBody",
    "ResendCounts",
    "ResentAlert",
    "RouteSink",
    "RouteTestBody",
    "RouteTestResult",
    "RoutesAnswer",
    "SentTest",
    "plan_for",
    "show_route",
    "sink_kind",
]

SinkKind = Literal["alertmanager", "email", "pagerduty", "slack", "stdout", "webhook"]
RouteName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,64}$")]


class RouteSink(Struct, kw_only=True):
    """A sink of a route."""

    name: str
    kind: SinkKind


class AlertRoute(Struct, kw_only=True):
    """One route; `severities` is empty where it is reached by escalation only."""

    name: str
    targets: list[str]
    severities: list[Severity]
    owners: list[str]
    sinks: list[RouteSink]
    group_wait_s: float
    group_interval_s: float
    quiet_hours: str | None
    timezone: str | None
    escalate_to: str | None
    escalate_after_s: float | None


class PlannedAlert(Struct, kw_only=True):
    """What a sink would be sent of a quarantine, and how many seconds after it."""

    sink: str
    kind: SinkKind
    route: str
    severity: Severity
    after_s: float


class RoutesAnswer(Struct, kw_only=True):
    """The routes of the file that this process reads.

    Where a target is named, `planned` is what a quarantine on it, or of one job of it, would be sent to, nobody where
    it is empty, and `owner` whose it is; without one both are null.
    """

    file: str
    routes: list[AlertRoute]
    target: str | None
    planned: list[PlannedAlert] | None
    owner: str | None


class RouteTestBody(Struct, kw_only=True, forbid_unknown_fields=True):
    """Which routes to test; all where none is named. `keep_open`: the tests are not resolved at once."""

    reason: Reason
    routes: Annotated[list[RouteName], Meta(max_length=100)] = []
    keep_open: bool = False
    actor: Actor | None = None


class SentTest(Struct, kw_only=True):
    """What one sink of one route answered to one message."""

    route: str
    sink: str
    kind: SinkKind
    action: str
    outcome: Literal["accepted", "refused", "unavailable"]
    detail: str


class RouteTestResult(Struct, kw_only=True):
    """What the sinks answered; `failed` counts the messages that were not accepted."""

    by: str
    accepted: Count
    failed: Count
    messages: list[SentTest]


class ResendBody(Struct, kw_only=True, forbid_unknown_fields=True):
    """Send again what is on alerts.dlq; `force`: of closed incidents too; `dry_run`: only say what would be sent."""

    reason: Reason
    force: bool = False
    dry_run: bool = False
    actor: Actor | None = None


class ResentAlert(Struct, kw_only=True):
    """What was done with one alert of alerts.dlq.

    `sent`; `over`: not sent, its incident is closed; `kept`: it was not accepted and is at the end of the topic again;
    `unreadable`: skipped, it is no alert; `waiting`: it would be sent.
    """

    id: str
    sink: str
    title: str
    result: Literal["sent", "over", "kept", "unreadable", "waiting"]
    detail: str


class ResendCounts(Struct, kw_only=True):
    """What was done with the alerts: counts, and the first 1,000 of them."""

    by: str
    sent: Count
    over: Count
    kept: Count
    unreadable: Count
    waiting: Count
    alerts: list[ResentAlert]


def sink_kind(config: AlertsConfig, sink: str) -> SinkKind:
    """Return the kind of a sink."""
    return cast("SinkKind", config.sinks[sink].__struct_config__.tag)


def show_route(config: AlertsConfig, route: Route) -> AlertRoute:
    """Return a route as it is shown."""
    quiet = route.quiet_hours
    return AlertRoute(
        name=route.name,
        targets=list(route.targets),
        severities=sorted(route.severities) if route.direct else [],
        owners=list(route.owners),
        sinks=[RouteSink(name=sink, kind=sink_kind(config, sink)) for sink in route.sinks],
        group_wait_s=route.group_wait_s,
        group_interval_s=route.group_interval_s,
        quiet_hours=f"{quiet.start:%H:%M}-{quiet.end:%H:%M}" if quiet is not None else None,
        timezone=str(quiet.zone) if quiet is not None else None,
        escalate_to=route.escalate_to,
        escalate_after_s=route.escalate_after_s if route.escalate_to else None,
    )


def plan_for(config: AlertsConfig, target: str, job_id: str | None) -> tuple[list[PlannedAlert], str | None]:
    """Return what a quarantine of a target, or of one job of it, would be sent to now, and its owner."""
    now_ms = time.time_ns() // 1_000_000
    incident = example_incident("target" if job_id is None else "job", target, job_id, now_ms)
    planned = [
        PlannedAlert(
            sink=one.sink,
            kind=sink_kind(config, one.sink),
            route=one.route.name,
            severity=one.route.severity(incident),
            after_s=(one.at_ms - now_ms) / 1000,
        )
        for one in config.routing.planned(incident, now_ms)
    ]
    return planned, config.routing.owner(incident)
