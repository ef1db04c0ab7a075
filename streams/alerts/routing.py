"""Who is sent what, and when: routes by target, severity and owner, grouping, quiet hours, escalation. Pure.

An incident, the routes and the time come in as values; what each sink is sent next, and not before when, comes out. It
is computed anew after each change from what the sink was sent last, so nothing is queued.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta, tzinfo
from fnmatch import fnmatchcase
from typing import Literal, NamedTuple

from streams.alerts.incident import FLEET, Action, Incident
from streams.detection.findings import Severity

__all__ = ["RESOLVE_DELAY_MS", "Owner", "PlannedDelivery", "QuietHours", "Route", "Routing"]

ALARM_WAIT_MS = 15_000
"""An alarm of a target that is not quarantined as a whole waits this long: a fault of the fleet may cover it."""

RESOLVE_DELAY_MS = 2_000
"""A resolve is sent this long after the incident closed, so that the gates' last counts are in the message."""

Kind = Literal["request", "job", "target"]


@dataclass(frozen=True, slots=True)
class QuietHours:
    """The local time of day, [start, end), at which tickets wait; it may pass midnight."""

    start: time
    end: time
    zone: tzinfo = UTC

    def over_at_ms(self, now_ms: int) -> int:
        """When a ticket may be sent: now, or at the end of the quiet hours (milliseconds since the epoch).

        Examples
        --------
        >>> quiet = QuietHours(time(22), time(7))
        >>> quiet.over_at_ms(23 * 3_600_000) // 3_600_000, quiet.over_at_ms(12 * 3_600_000) // 3_600_000
        (31, 12)
        """
        now = datetime.fromtimestamp(now_ms / 1000, self.zone)
        for day in (now.date() - timedelta(days=1), now.date()):
            start = datetime.combine(day, self.start, self.zone)
            last = day if self.start < self.end else day + timedelta(days=1)
            end = datetime.combine(last, self.end, self.zone)
            # In UTC: arithmetic within one zone ignores changes of the clock.
            if start.astimezone(UTC) <= now.astimezone(UTC) < end.astimezone(UTC):
                return int(end.timestamp() * 1000)
        return now_ms


@dataclass(frozen=True, slots=True)
class Owner:
    """Who owns the targets (and jobs, and causes) that match these patterns."""

    name: str
    targets: tuple[str, ...] = ("*",)
    jobs: tuple[str, ...] = ("*",)
    causes: tuple[str, ...] = ("*",)

    def owns(self, incident: Incident) -> bool:
        """Whether the incident's target and cause, and one of its jobs where it has any, match."""
        if not _any_match(incident.target, self.targets) or not _any_match(incident.cause, self.causes):
            return False
        return self.jobs == ("*",) or any(_any_match(job, self.jobs) for job in incident.jobs())


@dataclass(frozen=True, slots=True)
class Route:
    """Which alerts go to which sinks, and when.

    Parameters
    ----------
    sinks
        Names of the sinks.
    targets, severities, owners, causes
        What the route accepts: patterns with ``*`` and ``?``, severities, names of owners (empty: all), patterns.
    page_on
        Kinds of scope that are a page on this route; others are tickets.
    group_wait_s
        How long a ticket waits for further jobs of the same cause before it is sent first; a page does not wait.
    group_interval_s
        The least time between two updates of one incident.
    escalate_to, escalate_after_s
        The route that is used too when nobody has acknowledged this long after the first message.
    direct
        False where the route is used by escalation only.
    """

    name: str
    sinks: tuple[str, ...]
    targets: tuple[str, ...] = ("*",)
    severities: frozenset[Severity] = frozenset(("page", "ticket"))
    owners: tuple[str, ...] = ()
    page_on: frozenset[Kind] = frozenset(("target",))
    group_wait_s: float = 30.0
    group_interval_s: float = 300.0
    updates: bool = True
    quiet_hours: QuietHours | None = None
    escalate_to: str | None = None
    escalate_after_s: float = 900.0
    direct: bool = True
    causes: tuple[str, ...] = ("*",)

    def severity(self, incident: Incident) -> Severity:
        """Page or ticket; an incident that was a page stays one until it closes."""
        scopes = incident.episode_scopes().values()
        if any(scope.severity == "page" or (scope.severity is None and scope.kind in self.page_on) for scope in scopes):
            return "page"
        has_page = any(active.finding.severity == "page" for active in incident.findings.values())
        return "page" if has_page and not incident.covered_by_fleet_fault else "ticket"

    def accepts(self, incident: Incident, owner: str | None) -> bool:
        """Whether the incident goes by this route."""
        return (
            self.direct
            and self.severity(incident) in self.severities
            and _any_match(incident.target, self.targets)
            and (not self.owners or owner in self.owners)
            and _any_match(incident.cause, self.causes)
        )


class PlannedDelivery(NamedTuple):
    """What a sink is sent next, not before `at_ms`. `raised`: a page after it was sent a ticket."""

    sink: str
    route: Route
    action: Action
    at_ms: int
    raised: bool = False


@dataclass(frozen=True, slots=True)
class Routing:
    """All routes and owners, in the order of the file; `renewals`: sinks that need an update every so many seconds."""

    routes: tuple[Route, ...]
    owners: tuple[Owner, ...] = ()
    renewals: Mapping[str, float] = field(default_factory=dict)

    def route(self, name: str) -> Route | None:
        """The route of that name."""
        return next((route for route in self.routes if route.name == name), None)

    def owner(self, incident: Incident) -> str | None:
        """The first owner whose patterns match."""
        return next((owner.name for owner in self.owners if owner.owns(incident)), None)

    def sinks_for(self, incident: Incident) -> dict[str, Route]:
        """Every sink that is sent an incident, with the first route that leads to it, which decides when.

        What concerns the whole fleet has no target: where no route accepts every target, every route accepts it.
        """
        owner = self.owner(incident)
        accepting = {route.name for route in self.routes if route.accepts(incident, owner)}
        if not accepting and incident.target == FLEET:
            accepting = {
                route.name for route in self.routes if route.direct and route.severity(incident) in route.severities
            }
        found: dict[str, Route] = {}
        for route in self.routes:
            if route.name in accepting or route.name in incident.escalated_to:
                for sink in route.sinks:
                    found.setdefault(sink, route)
        known = {sink for route in self.routes for sink in route.sinks}
        for sink in {**incident.last_sent, **incident.first_attempts}:
            sent = incident.last_sent_to(sink) or incident.first_attempt_at(sink)
            if sent is not None and sink in known and sink not in found:
                # A sink that got the trigger also gets the resolve, even if the routes have changed meanwhile.
                found[sink] = self.route(sent.route) or Route(sent.route, (sink,))
        return found

    def planned(self, incident: Incident, now_ms: int) -> list[PlannedDelivery]:
        """What every sink is sent next; some of it is due later."""
        found = (self._plan(incident, sink, route, now_ms) for sink, route in sorted(self.sinks_for(incident).items()))
        return [planned for planned in found if planned is not None]

    def _plan(self, incident: Incident, sink: str, route: Route, now_ms: int) -> PlannedDelivery | None:
        sent, severity = incident.last_sent_to(sink), route.severity(incident)

        def plan(action: Action, at_ms: float, *, raised: bool = False) -> PlannedDelivery:
            at = max(int(at_ms), now_ms)
            if severity == "ticket" and route.quiet_hours is not None:
                at = route.quiet_hours.over_at_ms(at)
            return PlannedDelivery(sink, route, action, at, raised)

        def since(at_ms: int, wait_ms: float) -> float:
            # What a worker with a clock ahead has opened lies in the future: nobody waits for that to be told.
            return at_ms + wait_ms if at_ms <= now_ms else now_ms

        if incident.closed_at is not None:
            needs_resolve = (
                sent.action != "resolve" if sent is not None else incident.first_attempt_at(sink) is not None
            )
            return plan("resolve", since(incident.closed_at, RESOLVE_DELAY_MS)) if needs_resolve else None
        alarm_at = incident.paging_alarm_at()
        if severity == "page" and alarm_at is not None and (sent is None or sent.severity == "ticket"):
            return plan("trigger", since(alarm_at, ALARM_WAIT_MS), raised=sent is not None)
        if sent is None:
            wait_s = route.group_wait_s if severity == "ticket" and route.name not in incident.escalated_to else 0.0
            return plan("trigger", since(incident.opened_at, wait_s * 1000))
        if severity == "page" and sent.severity == "ticket":
            return plan("trigger", now_ms, raised=True)
        if incident.acknowledged is not None and not sent.acknowledged:
            return plan("acknowledge", now_ms)
        has_changed = sent.digest != incident.digest()
        renewal_s = self.renewals.get(sink)
        if renewal_s is not None:
            # A renewal does not wait for the end of quiet hours: without it the sink would resolve the alert.
            at_ms = now_ms if has_changed else max(int(sent.at + renewal_s * 1000), now_ms)
            return PlannedDelivery(sink, route, "update", at_ms)
        if has_changed and (route.updates or sent.undelivered):
            return plan("trigger" if sent.undelivered else "update", sent.at + route.group_interval_s * 1000)
        return None

    def escalations(self, incident: Incident) -> list[tuple[str, int]]:
        """The routes that are used too if nobody acknowledges, and when; at once where a sink was not reached."""
        if incident.closed_at is not None or incident.acknowledged is not None:
            return []
        due: dict[str, int] = {}
        for sink, route in self.sinks_for(incident).items():
            sent = incident.last_sent_to(sink)
            if sent is None or route.escalate_to is None or route.escalate_to in incident.escalated_to:
                continue
            at_ms = sent.at if sent.undelivered else sent.first_at + int(route.escalate_after_s * 1000)
            due[route.escalate_to] = min(at_ms, due.get(route.escalate_to, at_ms))
        return sorted(due.items())


def _any_match(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
