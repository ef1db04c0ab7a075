"""Findings applied to incidents: one cause is one page, and a finding closes when it is not reported again."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halt400.records import Command
from streams.alerts.compose import compose
from streams.alerts.incident import FLEET_FAULT, decode_incident
from streams.alerts.incidents import DELETE_CLOSED_AFTER_MS, FINDING_CLOSES_AFTER_MS, Incidents
from streams.alerts.routing import Routing
from streams.detection import Finding
from tests.alerts.examples import (
    HOUR,
    MINUTE,
    ONCALL,
    T0,
    TARGET,
    apply,
    command,
    finding,
    incidents,
    notify,
    only,
    severities,
    texts,
)
from tests.alerts.histories import finding_histories, mixed_histories


def test_a_fault_of_the_fleet_is_one_page_however_many_workers_report_it() -> None:
    found = incidents(finding("fleet_fault", 1), finding("fleet_fault", 2, at=T0 + 1))
    assert severities(found) == {FLEET_FAULT: "page"}


def test_refused_records_are_one_ticket_for_each_code_however_long_they_come() -> None:
    found = incidents(finding("refused_records", 1), finding("refused_records", 2, value="not_json"))
    found.apply_finding(finding("refused_records", 3, at=T0 + 12 * HOUR), T0 + 12 * HOUR)
    assert list(severities(found).values()) == ["ticket", "ticket"]


def test_retry_loops_of_two_releases_are_two_tickets_and_of_one_job_no_part_of_its_quarantine() -> None:
    found = incidents(command("extract-099"), finding("retry_loop", 1), finding("retry_loop", 2, release="2.5.0"))
    assert sorted(severities(found).values()) == ["ticket"] * 3


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_an_alarm_and_its_quarantines_are_one_page_in_any_order_of_reading(
    order: tuple[int, ...],
) -> None:
    records = [
        command("extract-098"),
        finding("target_alarm"),
        command(None, cause="schema_violation"),
    ]
    found = incidents(*(records[number] for number in order))
    assert list(severities(found).values()).count("page") == 1
    assert all(one.lead is not None for one in found.by_key.values() if one.closed_at is None)


ALARM = f"{TARGET}/target_alarm"


def test_an_alarm_that_nobody_was_notified_of_is_absorbed_by_the_quarantine_for_it() -> None:
    found = incidents(finding("target_alarm"), command("a"))
    assert severities(found) == {f"{TARGET}/malformed_json": "page"}
    assert found.by_key[ALARM].closing_reason == f"it is part of {TARGET}/malformed_json"
    assert Routing((ONCALL,)).planned(found.by_key[ALARM], T0) == []
    found.apply_finding(finding("target_alarm"), T0)
    assert found.by_key[ALARM].closed_at is not None


def test_an_alarm_that_is_absorbed_while_its_first_message_is_sent_is_resolved_as_part_of_the_wider_one() -> None:
    found = incidents(finding("target_alarm"))
    found.record_first_attempt(ALARM, "pager", ONCALL.name)
    found.apply(command("a"), T0)
    (resolve,) = Routing((ONCALL,)).planned(found.by_key[ALARM], T0 + MINUTE)
    shown = compose(found.by_key[ALARM], resolve, None, T0 + MINUTE, lambda text: text)
    assert (shown.action, shown.title) == ("resolve", f"{TARGET}: target_alarm is part of {TARGET}/malformed_json")
    assert shown.what == f"it is part of {TARGET}/malformed_json"


def test_what_a_worker_with_a_clock_ahead_has_opened_is_sent_at_once_by_the_next_one() -> None:
    found = Incidents(0)
    found.apply_finding(finding("poison_item", at_ms=T0 + 3 * MINUTE), T0 + 3 * MINUTE)
    (planned,) = Routing((ONCALL,)).planned(only(found), T0)
    assert (planned.action, planned.at_ms) == ("trigger", T0)


def test_every_job_quarantined_after_people_were_notified_of_an_alarm_joins_it() -> None:
    found = notify(incidents(finding("target_alarm")), ALARM)
    for one in (command("a"), command("b", cause="schema_violation"), command(None)):
        found.apply(one, T0)
    assert list(severities(found)) == [ALARM]
    shown = texts(only(found))
    assert shown["title"] == f"{TARGET} is halted as a whole: malformed_json"
    assert shown["Cause"] == "malformed_json (blame: request, confidence 98%)"
    assert shown["Found too"] == finding("target_alarm").summary
    for job in ("a", "b", None):
        found.apply(command(job, "released", sequence=2, issued_by="alice"), T0 + MINUTE)
    assert only(found).closed_by == "alice"


def test_a_scope_that_joined_an_alarm_stays_there_through_its_probes() -> None:
    found = notify(incidents(finding("target_alarm")), ALARM)
    found.apply(command(None), T0)
    for sequence, state in enumerate(("probing", "quarantined", "probing"), 2):
        found.apply(command(None, state, sequence=sequence, issued_by="halt400.detect"), T0 + sequence)
    assert list(found.by_key) == [f"{TARGET}/target_alarm"]
    assert only(found).closed_at is None


def test_a_poison_item_joins_the_quarantine_of_its_own_job_and_of_no_other() -> None:
    found = incidents(command("extract-099"), finding("poison_item"))
    assert severities(found) == {f"{TARGET}/malformed_json": "ticket"}
    assert len(severities(incidents(command("another"), finding("poison_item")))) == 2


def test_the_first_alarm_of_a_tier_stays_a_page_when_a_ticket_follows() -> None:
    found = incidents(finding("target_alarm", 1), finding("target_alarm", 2, at=T0 + 1, severity="ticket"))
    assert list(severities(found).values()) == ["page"]


@pytest.mark.parametrize("kind", ["fleet_fault", "retry_loop"])
def test_a_finding_closes_when_it_is_not_reported_again_and_opens_again_after_that(kind: str) -> None:
    lives = FINDING_CLOSES_AFTER_MS[finding(kind).severity]
    found = incidents(finding(kind, 1))
    apply(found, finding(kind, 2, at=T0 + HOUR), T0 + HOUR)
    found.close_expired(T0 + lives + 1)
    assert only(found).closed_at is None
    found.close_expired(T0 + HOUR + lives + 1)
    assert (only(found).closed_by, only(found).closing_reason) == ("halt400.alerts", "it was not reported again")
    assert texts(only(found), "resolve")["title"].endswith("not reported any more")
    later = T0 + HOUR + lives + HOUR
    apply(found, finding(kind, 3, at=later), later)
    assert (only(found).episode, only(found).opened_at, only(found).closed_at) == (2, later, None)
    assert found.close_expired(later + lives + 1) == []
    assert found.close_expired(later + lives + 2 + DELETE_CLOSED_AFTER_MS) == [only(found).key]


def test_a_finding_of_long_ago_opens_nothing() -> None:
    assert not incidents(finding("fleet_fault"), now=T0 + FINDING_CLOSES_AFTER_MS["page"]).by_key


def test_a_late_release_of_an_earlier_episode_does_not_close_a_later_finding() -> None:
    found = notify(incidents(finding("target_alarm", 1)), ALARM)
    for job in "ab":
        found.apply(command(job), T0)
    for job in "ab":
        found.apply(command(job, "released", sequence=2), T0 + 1)
    found.apply_finding(finding("target_alarm", 2, at=T0 + 2), T0 + 2)
    found.apply(command("a", "released", sequence=3), T0 + 3)
    assert (only(found).episode, only(found).closed_at, only(found).lead) == (2, None, None)


@given(finding_histories(), st.integers(0, 15), st.integers(0, 15))
def test_a_restart_that_reads_findings_again_from_anywhere_changes_nothing(
    history: list[Finding], crash: int, committed: int
) -> None:
    whole = incidents(*history)
    before = incidents(*history[:crash])
    after = Incidents(3, [decode_incident(value) for _, value in before.take_changed()])
    for one in history[min(committed, crash) :]:
        after.apply_finding(one, T0)

    def picture(found: Incidents) -> dict[str, object]:
        return {key: (one.findings, one.finding_ids, one.episode) for key, one in found.by_key.items()}

    assert picture(after) == picture(whole)


@pytest.mark.slow
@given(mixed_histories(), st.integers(0, 25), st.integers(0, 25))
def test_commands_and_findings_read_again_from_anywhere_change_nothing_and_close_what_is_released(
    history: list[Command | Finding], crash: int, committed: int
) -> None:
    whole, before = incidents(*history), incidents(*history[:crash])
    after = Incidents(3, [decode_incident(value) for _, value in before.take_changed()])
    for one in history[min(committed, crash) :]:
        apply(after, one)
    states = [
        {key: (one.closed_at, one.episode, set(one.open_scopes()), one.findings) for key, one in found.by_key.items()}
        for found in (whole, after)
    ]
    assert states[0] == states[1]
    latest = {one.scope.id: one.state for one in history if isinstance(one, Command)}
    is_open = [name for one in whole.by_key.values() for name in one.open_scopes()]
    assert sorted(is_open) == sorted(name for name, state in latest.items() if state != "released")
    for one in whole.by_key.values():
        assert (one.closed_at is None) == bool(one.open_scopes() or (one.findings and not one.episode_scopes()))
