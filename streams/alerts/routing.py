"""Who is told what, and when: routes by target, severity and owner, grouping, quiet hours, escalation.

Pure: an incident, the routes and the time come in as values; what to tell next, and not before when, comes out. It is
asked again after each change, so what a sink was told last is compared with what is so, and nothing is queued.
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
"""An alarm of a target that is not halted as a whole waits this long: a fault of the fleet is told instead of it."""

RESOLVE_DELAY_MS = 2_000
"""The end is told this long after it, so that the gates' last counts of what was saved are in the message."""

Kind = Literal["request", "job", "target"]


@dataclass(frozen=True, slots=True)
class QuietHours:
    """The local time of day, [start, end), at which tickets wait; it may pass midnight."""

    start: time
    end: time
    zone: tzinfo = UTC

    def over_at_ms(self, now_ms: int) -> int:
        """When one may speak: now, or the end of the quiet hours that now lies in (milliseconds since the epoch).

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
            # Through UTC: arithmetic within one zone would ignore the clock change.
            if start.astimezone(UTC) <= now.astimezone(UTC) < end.astimezone(UTC):
                return int(end.timestamp() * 1000)
        return now_ms


@dataclass(frozen=True, slots=True)
class Owner:
    """Who owns the targets (and jobs) that match these patterns."""

    name: str
    targets: tuple[str, ...] = ("*",)
    jobs: tuple[str, ...] = ("*",)

    def owns(self, incident: Incident) -> bool:
        """Whether the incident's target, and one of its jobs where it has any, match."""
        if not _any_match(incident.target, self.targets):
            return False
        return self.jobs == ("*",) or any(_any_match(job, self.jobs) for job in incident.jobs())


@dataclass(frozen=True, slots=True)
class Route:
    """A way to people.

    Parameters
    ----------
    sinks
        Names of the sinks that are told.
    targets, severities, owners
        What the route takes: patterns with ``*`` and ``?``, severities, names of owners (empty: all).
    page_on
        Kinds of scope that are a page on this route; others are tickets.
    group_wait_s
        How long a ticket waits for further jobs of the same cause before it is told first; a page does not wait.
    group_interval_s
        The least time between two updates of one incident.
    escalate_to, escalate_after_s
        The route that is told too when nobody has acknowledged this long after this one was told.
    direct
        False where the route is told by escalation only.
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

    def severity(self, incident: Incident) -> Severity:
        """Page or ticket, a finding as it says; an incident that was a page stays one until it closes."""
        kinds = {scope.kind for scope in incident.episode_scopes().values()}
        found = any(heard.finding.severity == "page" for heard in incident.findings.values())
        return "page" if kinds & self.page_on or (found and not incident.covered_by_fleet_fault) else "ticket"

    def takes(self, incident: Incident, owner: str | None) -> bool:
        """Whether the incident is one for this route."""
        return (
            self.direct
            and self.severity(incident) in self.severities
            and _any_match(incident.target, self.targets)
            and (not self.owners or owner in self.owners)
        )


class PlannedDelivery(NamedTuple):
    """What a sink is told next, and not before `at_ms`. `raised`: it was told of a ticket, and this is a page."""

    sink: str
    route: Route
    action: Action
    at_ms: int
    raised: bool = False


@dataclass(frozen=True, slots=True)
class Routing:
    """All routes and owners, in the order of the file; `renewals` are the sinks that must hear again and again (s)."""

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
        """Every sink that is told of an incident, with the route that decides how: the first one that leads to it.

        What concerns the whole fleet has no target: where no route takes targets of every name, every route takes it.
        """
        owner = self.owner(incident)
        taking = {route.name for route in self.routes if route.takes(incident, owner)}
        if not taking and incident.target == FLEET:
            taking = {
                route.name for route in self.routes if route.direct and route.severity(incident) in route.severities
            }
        found: dict[str, Route] = {}
        for route in self.routes:
            if route.name in taking or route.name in incident.escalated_to:
                for sink in route.sinks:
                    found.setdefault(sink, route)
        known = {sink for route in self.routes for sink in route.sinks}
        for sink in incident.last_sent:
            told = incident.last_sent_to(sink)
            if told is not None and sink in known and sink not in found:
                # What was told once is also told to be over, though the routes have changed meanwhile.
                found[sink] = self.route(told.route) or Route(told.route, (sink,))
        return found

    def steps(self, incident: Incident, now_ms: int) -> list[PlannedDelivery]:
        """What every sink has to be told next; some of it lies in the future."""
        found = (self._step(incident, sink, route, now_ms) for sink, route in sorted(self.sinks_for(incident).items()))
        return [step for step in found if step is not None]

    def _step(self, incident: Incident, sink: str, route: Route, now_ms: int) -> PlannedDelivery | None:
        told, severity = incident.last_sent_to(sink), route.severity(incident)

        def step(action: Action, at_ms: float, *, raised: bool = False) -> PlannedDelivery:
            at = max(int(at_ms), now_ms)
            if severity == "ticket" and route.quiet_hours is not None:
                at = route.quiet_hours.over_at_ms(at)
            return PlannedDelivery(sink, route, action, at, raised)

        if incident.closed_at is not None:
            owed = told is not None and told.action != "resolve"
            return step("resolve", incident.closed_at + RESOLVE_DELAY_MS) if owed else None
        paging_alarm_at = incident.paging_alarm_at()
        if severity == "page" and paging_alarm_at is not None and (told is None or told.severity == "ticket"):
            return step("trigger", paging_alarm_at + ALARM_WAIT_MS, raised=told is not None)
        if told is None:
            waits = route.group_wait_s if severity == "ticket" and route.name not in incident.escalated_to else 0.0
            return step("trigger", incident.opened_at + waits * 1000)
        if severity == "page" and told.severity == "ticket":
            return step("trigger", now_ms, raised=True)
        if incident.acknowledged is not None and not told.acknowledged:
            return step("acknowledge", now_ms)
        renewal_s = self.renewals.get(sink)
        if renewal_s is not None:
            changed = told.digest != incident.digest()
            return PlannedDelivery(
                sink, route, "update", now_ms if changed else max(int(told.at + renewal_s * 1000), now_ms)
            )
        if told.digest != incident.digest() and (route.updates or told.undelivered):
            return step("trigger" if told.undelivered else "update", told.at + route.group_interval_s * 1000)
        return None

    def escalations(self, incident: Incident) -> list[tuple[str, int]]:
        """The routes that are told if nobody acknowledges, and when; at once where a sink could not be reached."""
        if incident.closed_at is not None or incident.acknowledged is not None:
            return []
        due: dict[str, int] = {}
        for sink, route in self.sinks_for(incident).items():
            told = incident.last_sent_to(sink)
            if told is None or route.escalate_to is None or route.escalate_to in incident.escalated_to:
                continue
            at_ms = told.at if told.undelivered else told.first_at + int(route.escalate_after_s * 1000)
            due[route.escalate_to] = min(at_ms, due.get(route.escalate_to, at_ms))
        return sorted(due.items())


def _any_match(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
