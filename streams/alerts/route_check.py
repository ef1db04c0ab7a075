"""The check of routes, `halt400 alerts test`: sends a real message through each, marked as a test, and resolves it."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from halt400.records import Command, Diagnosis, Scope
from streams.alerts.compose import compose
from streams.alerts.delivery import AttemptResult, Sink
from streams.alerts.incident import Action, Incident, incident_key
from streams.alerts.incidents import Incidents
from streams.alerts.notification import Notification
from streams.alerts.routing import PlannedDelivery, Route

__all__ = ["RouteCheck", "check_routes", "compose_test_alert", "example_incident"]

TARGET = "halt400.test"
JOB = "test"
HOLD_MS = 15 * 60_000


class RouteCheck(NamedTuple):
    """What one sink of one route answered to one message."""

    route: str
    sink: str
    action: Action
    result: AttemptResult


def example_incident(kind: Literal["job", "target"], target: str, job: str | None, now_ms: int) -> Incident:
    """An incident that does not exist: a quarantine of one job, or of a target as a whole, from now on."""
    scope = Scope(kind=kind, target=target, job_id=job)
    command = Command(
        command_id=f"test-{now_ms}",
        scope=scope,
        sequence=1,
        state="quarantined",
        reason="This is a test. Nothing is broken.",
        issued_by="halt400.alerts",
        opened_at=now_ms,
        issued_at=now_ms,
        expires_at=now_ms + HOLD_MS,
        diagnosis=Diagnosis(cause="unknown", blame="unknown", confidence=0.0, remedy="There is nothing to do."),
    )
    incidents = Incidents(0)
    incidents.apply(command, now_ms)
    return incidents.by_key[incident_key(command)]


def compose_test_alert(route: Route, sink: str, action: Action, now_ms: int) -> Notification:
    """Compose a test message of the highest severity that the route accepts; every call has its own dedup key."""
    is_page = "page" in route.severities
    kind: Literal["job", "target"] = "target" if is_page else "job"
    incident = example_incident(kind, TARGET, None if is_page else JOB, now_ms)
    found = compose(incident, PlannedDelivery(sink, route, action, now_ms), None, now_ms, str)
    found.dedup_key = f"halt400/test/{route.name}/{sink}/{now_ms}"
    found.id = f"{found.id}-{now_ms}"
    found.title = f"TEST of the route {route.name} by `halt400 alerts test`{'; over' if action == 'resolve' else ''}"
    found.test, found.release_commands, found.acknowledge_command = True, [], None
    if action == "resolve":
        found.ends_at, found.open_scopes = now_ms, 0
        found.closed_by, found.closing_reason = "halt400 alerts test", "the test is over"
    return found


async def check_routes(
    routes: Sequence[Route], sinks: Mapping[str, Sink], now_ms: int, *, keep_open: bool = False
) -> list[RouteCheck]:
    """Send a trigger to every sink of every route, and resolve what was accepted; one attempt each.

    Neither quiet hours nor the routes' filters apply: a person has asked for it.
    """
    found: list[RouteCheck] = []
    for route in routes:
        for name in route.sinks:
            result = await sinks[name].deliver(compose_test_alert(route, name, "trigger", now_ms))
            found.append(RouteCheck(route.name, name, "trigger", result))
            if result.outcome == "accepted" and not keep_open:
                result = await sinks[name].deliver(compose_test_alert(route, name, "resolve", now_ms))
                found.append(RouteCheck(route.name, name, "resolve", result))
    return found
