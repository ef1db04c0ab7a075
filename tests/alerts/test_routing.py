"""Who is sent what, and when."""

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.alerts.incident import Acknowledgement, Incident, LastSent
from streams.alerts.incidents import Incidents
from streams.alerts.routing import ALARM_WAIT_MS, RESOLVE_DELAY_MS, Owner, QuietHours, Route, Routing
from tests.alerts.examples import HOUR, MINUTE, ONCALL, T0, TARGET, command, finding, incidents, only, severities

SECOND = 1000
NIGHT = QuietHours(time(22), time(7))  # T0 is 04:00 UTC, so it lies in it


def routing(*routes: Route, owners: tuple[Owner, ...] = (), **renewals: float) -> Routing:
    return Routing(routes, owners, renewals)


def planned(table: Routing, incident: Incident, now: int = T0) -> list[tuple[str, str, int]]:
    return [(one.sink, one.action, one.at_ms - T0) for one in table.planned(incident, now)]


def send_due(found: Incidents, table: Routing, now: int, *, undelivered: bool = False) -> list[str]:
    """Record what is due as sent; returns the actions."""
    sent = []
    for key, incident in found.by_key.items():
        for one in table.planned(incident, now):
            if one.at_ms > now:
                continue
            before = incident.last_sent_to(one.sink)
            found.record_sent(
                key,
                one.sink,
                LastSent(
                    route=one.route.name,
                    action=one.action,
                    severity=one.route.severity(incident),
                    digest=incident.digest(),
                    episode=incident.episode,
                    first_at=before.first_at if before else now,
                    at=now,
                    acknowledged=one.action == "acknowledge" or bool(before and before.acknowledged),
                    undelivered=undelivered,
                ),
            )
            sent.append(one.action)
    return sent


def test_a_halted_target_is_a_page_at_once_and_a_halted_job_a_ticket_that_waits_for_more() -> None:
    table = routing(Route("all", ("slack",), group_wait_s=30))
    assert planned(table, only(incidents(command(None)))) == [("slack", "trigger", 0)]
    assert planned(table, only(incidents(command("a")))) == [("slack", "trigger", 30 * SECOND)]


def test_a_route_decides_what_is_a_page_on_it() -> None:
    table = routing(Route("strict", ("pager",), page_on=frozenset(("target", "job")), group_wait_s=30))
    assert planned(table, only(incidents(command("a")))) == [("pager", "trigger", 0)]


def test_a_command_that_asks_for_a_ticket_or_a_page_is_one_whatever_the_route_says() -> None:
    jobs_page = Route("strict", ("pager",), page_on=frozenset(("target", "job")))
    assert jobs_page.severity(only(incidents(command("a", severity="ticket")))) == "ticket"
    assert Route("all", ("pager",)).severity(only(incidents(command("a", severity="page")))) == "page"
    first, again = command("a", severity="ticket"), command("a", sequence=2)
    assert jobs_page.severity(only(incidents(first, again))) == "page"


def test_an_owner_of_a_cause_owns_no_other() -> None:
    table = routing(owners=(Owner("identity", causes=("credential_rejected",)), Owner("shop")))
    assert table.owner(only(incidents(command("a", cause="credential_rejected")))) == "identity"
    assert table.owner(only(incidents(command("a")))) == "shop"


def test_one_cause_is_one_page_however_many_jobs_it_halts() -> None:
    table, found = routing(Route("all", ("pager",))), incidents(command(None))
    assert send_due(found, table, T0) == ["trigger"]
    for number in range(50):
        found.apply(command(f"job-{number}"), T0 + number)
        assert send_due(found, table, T0 + number) == []
    assert send_due(found, table, T0 + 300 * SECOND) == ["update"]
    assert send_due(found, table, T0 + HOUR) == []


def test_a_route_without_updates_gets_the_trigger_and_the_resolve() -> None:
    table, found = routing(Route("all", ("mail",), updates=False)), incidents(command(None))
    send_due(found, table, T0)
    found.apply(command("a"), T0)
    assert send_due(found, table, T0 + HOUR) == []
    found.apply(command(None, "released", sequence=2), T0 + HOUR)
    found.apply(command("a", "released", sequence=2), T0 + HOUR)
    assert send_due(found, table, T0 + HOUR + RESOLVE_DELAY_MS) == ["resolve"]
    assert send_due(found, table, T0 + 2 * HOUR) == []


def test_what_is_over_before_anyone_was_notified_is_sent_to_nobody() -> None:
    found = incidents(command("a"), command("a", "released", sequence=2))
    assert planned(routing(Route("all", ("slack",))), only(found)) == []


def test_what_a_sink_may_have_got_is_resolved_and_what_it_did_not_get_is_not() -> None:
    table, found = routing(Route("all", ("slack",))), incidents(command("a"))
    (key,) = found.by_key
    found.record_first_attempt(key, "slack", "all")
    assert planned(table, only(found)) == [("slack", "trigger", 30 * SECOND)]
    found.apply(command("a", "released", sequence=2), T0)
    assert planned(table, only(found)) == [("slack", "resolve", RESOLVE_DELAY_MS)]
    renamed = routing(Route("other", ("slack",), targets=("other.example",)))
    assert planned(renamed, only(found)) == [("slack", "resolve", RESOLVE_DELAY_MS)]
    found.forget_first_attempt(key, "slack")
    assert planned(table, only(found)) == []


def test_a_ticket_that_becomes_a_page_is_sent_at_once() -> None:
    table, found = routing(Route("all", ("slack",), group_wait_s=0)), incidents(command("a"))
    send_due(found, table, T0)
    found.apply(command(None), T0 + SECOND)
    (one,) = table.planned(only(found), T0 + SECOND)
    assert (one.action, one.at_ms, one.raised) == ("trigger", T0 + SECOND, True)


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
        (Route("r", ("s",), causes=("malformed_*",)), True),
        (Route("r", ("s",), causes=("credential_rejected",)), False),
    ],
)
def test_routes_accept_by_target_severity_and_owner(route: Route, takes: bool) -> None:
    owners = (Owner("team-maps", ("maps.*",)), Owner("team-shop", ("api.shop.*",), ("extract-*",)))
    assert bool(planned(routing(route, owners=owners), only(incidents(command("extract-1"))))) is takes


def test_a_sink_of_two_routes_is_sent_one_message_by_the_first() -> None:
    table = routing(Route("first", ("slack",), group_wait_s=5), Route("second", ("slack", "mail"), group_wait_s=9))
    assert planned(table, only(incidents(command("a")))) == [("mail", "trigger", 9000), ("slack", "trigger", 5000)]


def test_quiet_hours_delay_tickets_and_never_pages() -> None:
    table = routing(Route("all", ("slack",), quiet_hours=NIGHT, group_wait_s=0))
    assert planned(table, only(incidents(command("a")))) == [("slack", "trigger", 3 * HOUR)]
    assert planned(table, only(incidents(command(None)))) == [("slack", "trigger", 0)]


def test_quiet_hours_follow_the_clock_of_their_zone() -> None:
    zone = ZoneInfo("Europe/Berlin")
    quiet = QuietHours(time(22), time(7), zone)
    # The night of 29 March 2026 has no hour from 2 to 3: it ends an hour earlier by UTC.
    for night, ends_utc in ((datetime(2026, 3, 28, 23, tzinfo=zone), 5), (datetime(2026, 3, 27, 23, tzinfo=zone), 6)):
        over = quiet.over_at_ms(int(night.timestamp() * 1000))
        assert datetime.fromtimestamp(over / 1000, UTC).hour == ends_utc


@given(st.times(), st.times(), st.integers(0, 2 * 365 * 24 * HOUR // 1000))
def test_quiet_hours_end_within_a_day(start: time, end: time, second: int) -> None:
    quiet, now = QuietHours(start.replace(second=0, microsecond=0), end.replace(second=0, microsecond=0)), second * 1000
    over = quiet.over_at_ms(now)
    assert now <= over <= now + 24 * HOUR
    assert quiet.start == quiet.end or quiet.over_at_ms(over) == over


def test_an_incident_escalates_when_nobody_acknowledges() -> None:
    table = routing(
        Route("slack", ("slack",), escalate_to="oncall", escalate_after_s=600),
        Route("oncall", ("pager",), direct=False),
    )
    found = incidents(command(None))
    assert table.escalations(only(found)) == []
    send_due(found, table, T0)
    assert table.escalations(only(found)) == [("oncall", T0 + 10 * MINUTE)]
    found.escalate(only(found).key, "oncall")
    assert send_due(found, table, T0 + 10 * MINUTE) == ["trigger"]
    assert table.escalations(only(found)) == []
    found.apply(command(None, "released", sequence=2), T0 + HOUR)
    assert send_due(found, table, T0 + HOUR) == []  # the gates' last counts are on their way
    assert send_due(found, table, T0 + HOUR + RESOLVE_DELAY_MS) == ["resolve", "resolve"]


def test_an_acknowledgement_is_sent_once_and_stops_the_escalation() -> None:
    table = routing(Route("slack", ("slack",), escalate_to="oncall"), Route("oncall", ("pager",), direct=False))
    found = incidents(command(None))
    send_due(found, table, T0)
    found.acknowledge(only(found).key, Acknowledgement(by="alice", at=T0 + 1))
    assert send_due(found, table, T0 + 1) == ["acknowledge"]
    assert table.escalations(only(found)) == []
    assert send_due(found, table, T0 + HOUR) == []


def test_a_sink_that_was_not_reached_escalates_at_once() -> None:
    table = routing(Route("slack", ("slack",), escalate_to="oncall"), Route("oncall", ("pager",), direct=False))
    found = incidents(command(None))
    send_due(found, table, T0, undelivered=True)
    assert table.escalations(only(found)) == [("oncall", T0)]


def test_what_was_not_delivered_is_triggered_again_when_it_changes() -> None:
    table, found = routing(Route("all", ("slack",), group_interval_s=0)), incidents(command(None))
    send_due(found, table, T0, undelivered=True)
    assert send_due(found, table, T0 + HOUR) == []
    found.apply(command("a", at=T0 + HOUR), T0 + HOUR)
    assert send_due(found, table, T0 + HOUR) == ["trigger"]


def test_a_sink_with_a_renewal_gets_updates_while_the_incident_is_open() -> None:
    table, found = routing(Route("all", ("am",)), am=120.0), incidents(command(None))
    assert send_due(found, table, T0) == ["trigger"]
    assert send_due(found, table, T0 + 119 * SECOND) == []
    assert send_due(found, table, T0 + 120 * SECOND) == ["update"]
    found.apply(command(None, "released", sequence=2), T0 + 130 * SECOND)
    assert send_due(found, table, T0 + 130 * SECOND + RESOLVE_DELAY_MS) == ["resolve"]
    assert send_due(found, table, T0 + HOUR) == []


def test_a_route_that_was_removed_still_resolves_what_it_triggered() -> None:
    found = incidents(command(None))
    send_due(found, routing(Route("old", ("pager",))), T0)
    found.apply(command(None, "released", sequence=2), T0 + 1)
    later = routing(Route("new", ("slack",)), Route("other", ("pager",), targets=("elsewhere",)))
    assert send_due(found, later, T0 + 1 + RESOLVE_DELAY_MS) == ["resolve"]


def test_a_sink_that_was_removed_is_sent_nothing_more() -> None:
    found = incidents(command(None))
    send_due(found, routing(Route("old", ("pager",))), T0)
    found.apply(command(None, "released", sequence=2), T0 + 1)
    assert send_due(found, routing(Route("new", ("slack",))), T0 + HOUR) == []


def test_findings_are_routed_by_target_severity_and_owner() -> None:
    shop = Route("shop", ("slack",), owners=("team-shop",))
    tickets = Route("tickets", ("mail",), severities=frozenset(("ticket",)), targets=("*.shop.example",))
    table = Routing((shop, tickets), (Owner("team-shop", ("*",), ("extract-*",)),))
    assert set(table.sinks_for(only(incidents(finding("retry_loop"))))) == {"slack", "mail"}
    assert set(table.sinks_for(only(incidents(finding("target_alarm"))))) == {"slack"}
    assert set(table.sinks_for(only(incidents(finding("retry_loop", job_id="other"))))) == {"mail"}


def test_a_fault_of_the_fleet_goes_by_every_route_where_each_is_of_a_target() -> None:
    fleet = only(incidents(finding("fleet_fault")))
    shop, maps = Route("shop", ("a",), targets=("shop.*",)), Route("maps", ("b",), targets=("maps.*",))
    tickets = Route("tickets", ("c",), severities=frozenset(("ticket",)))
    assert set(Routing((shop, maps, tickets)).sinks_for(fleet)) == {"a", "b"}
    assert set(Routing((shop, maps, Route("all", ("d",)))).sinks_for(fleet)) == {"d"}


def test_an_alarm_waits_for_a_fault_of_the_fleet_and_is_a_ticket_beside_it() -> None:
    table, found = Routing((ONCALL,)), incidents(finding("target_alarm"))
    (one,) = table.planned(only(found), T0)
    assert one.at_ms == T0 + ALARM_WAIT_MS
    found.cover_by_fleet_fault(only(found).key)
    assert severities(found) == {f"{TARGET}/target_alarm": "ticket"}
    found.apply(command(None), T0 + 1)
    assert severities(found) == {f"{TARGET}/malformed_json": "page"}
    (one,) = table.planned(found.by_key[f"{TARGET}/malformed_json"], T0 + 1)
    assert one.at_ms == T0 + 1
