"""Who is told what, and when."""

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.alerts.incident import Acknowledgement, Incident, LastSent
from streams.alerts.incidents import Incidents
from streams.alerts.routing import RESOLVE_DELAY_MS, Owner, QuietHours, Route, Routing
from tests.alerts.commands import HOUR, MINUTE, T0, command, incidents, only

SECOND = 1000
NIGHT = QuietHours(time(22), time(7))  # T0 is 04:00 UTC, so it lies in it


def routing(*routes: Route, owners: tuple[Owner, ...] = (), **renewals: float) -> Routing:
    return Routing(routes, owners, renewals)


def steps(table: Routing, incident: Incident, now: int = T0) -> list[tuple[str, str, int]]:
    return [(step.sink, step.action, step.at_ms - T0) for step in table.planned(incident, now)]


def tell(found: Incidents, table: Routing, now: int, *, undelivered: bool = False) -> list[str]:
    """Deliver what is due, as the dispatcher would; the actions in their order."""
    said = []
    for key, incident in found.by_key.items():
        for step in table.planned(incident, now):
            if step.at_ms > now:
                continue
            told = incident.last_sent_to(step.sink)
            found.record_sent(
                key,
                step.sink,
                LastSent(
                    route=step.route.name,
                    action=step.action,
                    severity=step.route.severity(incident),
                    digest=incident.digest(),
                    episode=incident.episode,
                    first_at=told.first_at if told else now,
                    at=now,
                    acknowledged=step.action == "acknowledge" or bool(told and told.acknowledged),
                    undelivered=undelivered,
                ),
            )
            said.append(step.action)
    return said


def test_a_halted_target_is_a_page_at_once_and_a_halted_job_a_ticket_that_waits_for_more() -> None:
    table = routing(Route("all", ("slack",), group_wait_s=30))
    assert steps(table, only(incidents(command(None)))) == [("slack", "trigger", 0)]
    assert steps(table, only(incidents(command("a")))) == [("slack", "trigger", 30 * SECOND)]


def test_a_route_says_what_is_a_page_on_it() -> None:
    table = routing(Route("strict", ("pager",), page_on=frozenset(("target", "job")), group_wait_s=30))
    assert steps(table, only(incidents(command("a")))) == [("pager", "trigger", 0)]


def test_one_cause_is_one_page_however_many_jobs_it_halts() -> None:
    table, found = routing(Route("all", ("pager",))), incidents(command(None))
    assert tell(found, table, T0) == ["trigger"]
    for number in range(50):
        found.apply(command(f"job-{number}"), T0 + number)
        assert tell(found, table, T0 + number) == []
    assert tell(found, table, T0 + 300 * SECOND) == ["update"]
    assert tell(found, table, T0 + HOUR) == []


def test_a_route_without_updates_hears_the_beginning_and_the_end() -> None:
    table, found = routing(Route("all", ("mail",), updates=False)), incidents(command(None))
    tell(found, table, T0)
    found.apply(command("a"), T0)
    assert tell(found, table, T0 + HOUR) == []
    found.apply(command(None, "released", sequence=2), T0 + HOUR)
    found.apply(command("a", "released", sequence=2), T0 + HOUR)
    assert tell(found, table, T0 + HOUR + RESOLVE_DELAY_MS) == ["resolve"]
    assert tell(found, table, T0 + 2 * HOUR) == []


def test_what_is_over_before_anyone_was_told_is_told_to_nobody() -> None:
    found = incidents(command("a"), command("a", "released", sequence=2))
    assert steps(routing(Route("all", ("slack",))), only(found)) == []


def test_a_ticket_that_becomes_a_page_is_told_at_once() -> None:
    table, found = routing(Route("all", ("slack",), group_wait_s=0)), incidents(command("a"))
    tell(found, table, T0)
    found.apply(command(None), T0 + SECOND)
    (step,) = table.planned(only(found), T0 + SECOND)
    assert (step.action, step.at_ms, step.raised) == ("trigger", T0 + SECOND, True)


@pytest.mark.parametrize(
    ("route", "takes"),
    [
        (Route("r", ("s",), targets=("api.*.example",)), True),
        (Route("r", ("s",), targets=("*.other", "api.shop.*")), True),
        (Route("r", ("s",), targets=("shop.example",)), False),
        (Route("r", ("s",), severities=frozenset(("page",))), False),
        (Route("r", ("s",), severities=frozenset(("ticket",))), True),
        (Route("r", ("s",), owners=("team-shop",)), True),
        (Route("r", ("s",), owners=("team-maps",)), False),
        (Route("r", ("s",), direct=False), False),
    ],
)
def test_routes_take_by_target_severity_and_owner(route: Route, takes: bool) -> None:
    owners = (Owner("team-maps", ("maps.*",)), Owner("team-shop", ("api.shop.*",), ("extract-*",)))
    assert bool(steps(routing(route, owners=owners), only(incidents(command("extract-1"))))) is takes


def test_a_sink_that_two_routes_lead_to_is_told_once_by_the_first() -> None:
    table = routing(Route("first", ("slack",), group_wait_s=5), Route("second", ("slack", "mail"), group_wait_s=9))
    assert steps(table, only(incidents(command("a")))) == [("mail", "trigger", 9000), ("slack", "trigger", 5000)]


def test_quiet_hours_hold_tickets_back_and_never_pages() -> None:
    table = routing(Route("all", ("slack",), quiet_hours=NIGHT, group_wait_s=0))
    assert steps(table, only(incidents(command("a")))) == [("slack", "trigger", 3 * HOUR)]
    assert steps(table, only(incidents(command(None)))) == [("slack", "trigger", 0)]


def test_quiet_hours_follow_the_clock_of_their_zone() -> None:
    zone = ZoneInfo("Europe/Berlin")
    quiet = QuietHours(time(22), time(7), zone)
    # The night of 29 March 2026 has no hour from 2 to 3: it ends an hour earlier by UTC.
    for night, ends_utc in ((datetime(2026, 3, 28, 23, tzinfo=zone), 5), (datetime(2026, 3, 27, 23, tzinfo=zone), 6)):
        over = quiet.over_at_ms(int(night.timestamp() * 1000))
        assert datetime.fromtimestamp(over / 1000, UTC).hour == ends_utc


@given(st.times(), st.times(), st.integers(0, 2 * 365 * 24 * HOUR // 1000))
def test_quiet_hours_end_within_a_day_and_then_one_may_speak(start: time, end: time, second: int) -> None:
    quiet, now = QuietHours(start.replace(second=0, microsecond=0), end.replace(second=0, microsecond=0)), second * 1000
    over = quiet.over_at_ms(now)
    assert now <= over <= now + 24 * HOUR
    assert quiet.start == quiet.end or quiet.over_at_ms(over) == over


def test_it_escalates_when_nobody_acknowledges() -> None:
    table = routing(
        Route("slack", ("slack",), escalate_to="oncall", escalate_after_s=600),
        Route("oncall", ("pager",), direct=False),
    )
    found = incidents(command(None))
    assert table.escalations(only(found)) == []
    tell(found, table, T0)
    assert table.escalations(only(found)) == [("oncall", T0 + 10 * MINUTE)]
    found.escalate(only(found).key, "oncall")
    assert tell(found, table, T0 + 10 * MINUTE) == ["trigger"]
    assert table.escalations(only(found)) == []
    found.apply(command(None, "released", sequence=2), T0 + HOUR)
    assert tell(found, table, T0 + HOUR) == []  # the gates' last counts are on their way
    assert tell(found, table, T0 + HOUR + RESOLVE_DELAY_MS) == ["resolve", "resolve"]


def test_an_acknowledgement_is_told_once_and_stops_the_escalation() -> None:
    table = routing(Route("slack", ("slack",), escalate_to="oncall"), Route("oncall", ("pager",), direct=False))
    found = incidents(command(None))
    tell(found, table, T0)
    found.acknowledge(only(found).key, Acknowledgement(by="alice", at=T0 + 1))
    assert tell(found, table, T0 + 1) == ["acknowledge"]
    assert table.escalations(only(found)) == []
    assert tell(found, table, T0 + HOUR) == []


def test_a_sink_that_could_not_be_told_escalates_at_once() -> None:
    table = routing(Route("slack", ("slack",), escalate_to="oncall"), Route("oncall", ("pager",), direct=False))
    found = incidents(command(None))
    tell(found, table, T0, undelivered=True)
    assert table.escalations(only(found)) == [("oncall", T0)]


def test_what_was_not_delivered_is_told_anew_when_there_is_more() -> None:
    table, found = routing(Route("all", ("slack",), group_interval_s=0)), incidents(command(None))
    tell(found, table, T0, undelivered=True)
    assert tell(found, table, T0 + HOUR) == []
    found.apply(command("a", at=T0 + HOUR), T0 + HOUR)
    assert tell(found, table, T0 + HOUR) == ["trigger"]


def test_a_sink_that_forgets_is_told_again_and_again_while_it_is_open() -> None:
    table, found = routing(Route("all", ("am",)), am=120.0), incidents(command(None))
    assert tell(found, table, T0) == ["trigger"]
    assert tell(found, table, T0 + 119 * SECOND) == []
    assert tell(found, table, T0 + 120 * SECOND) == ["update"]
    found.apply(command(None, "released", sequence=2), T0 + 130 * SECOND)
    assert tell(found, table, T0 + 130 * SECOND + RESOLVE_DELAY_MS) == ["resolve"]
    assert tell(found, table, T0 + HOUR) == []


def test_a_route_that_is_gone_from_the_file_still_ends_what_it_began() -> None:
    found = incidents(command(None))
    tell(found, routing(Route("old", ("pager",))), T0)
    found.apply(command(None, "released", sequence=2), T0 + 1)
    later = routing(Route("new", ("slack",)), Route("other", ("pager",), targets=("elsewhere",)))
    assert tell(found, later, T0 + 1 + RESOLVE_DELAY_MS) == ["resolve"]


def test_a_sink_that_is_gone_from_the_file_is_told_nothing_more() -> None:
    found = incidents(command(None))
    tell(found, routing(Route("old", ("pager",))), T0)
    found.apply(command(None, "released", sequence=2), T0 + 1)
    assert tell(found, routing(Route("new", ("slack",))), T0 + HOUR) == []
