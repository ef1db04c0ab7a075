"""Commands applied to incidents: one cause is one incident, and what is read again changes nothing."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halt400.records import Command
from streams.alerts.incident import Acknowledgement, decode_incident
from streams.alerts.incidents import CLOSE_EXPIRED_AFTER_MS, DELETE_CLOSED_AFTER_MS, Incidents
from streams.alerts.routing import Routing
from tests.alerts.examples import HOUR, MINUTE, ONCALL, T0, TARGET, command, finding, incidents, notify, only
from tests.alerts.histories import command_histories


def test_five_jobs_halted_by_one_cause_are_one_incident() -> None:
    incident = only(incidents(*(command(f"job-{number}") for number in range(5))))
    assert incident.key == f"{TARGET}/malformed_json"
    assert len(incident.open_scopes()) == 5


def test_two_causes_on_one_target_are_two_incidents() -> None:
    found = incidents(command("a"), command("b", cause="missing_required_header"))
    assert set(found.by_key) == {f"{TARGET}/malformed_json", f"{TARGET}/missing_required_header"}


def of_shape(job: str, shape: int, **changes: Any) -> Command:
    return command(job, signature=f"{shape:032x}"[::-1], **changes)


def test_jobs_with_one_signature_are_one_incident_and_others_another() -> None:
    found = incidents(of_shape("a", 1), of_shape("b", 1), of_shape("c", 2))
    assert set(found.by_key) == {f"{TARGET}/malformed_json/{shape}00000000000" for shape in (1, 2)}
    assert len(found.by_key[f"{TARGET}/malformed_json/100000000000"].open_scopes()) == 2


def test_many_signatures_of_one_cause_before_anyone_is_notified_are_one_incident() -> None:
    found = incidents(*(of_shape(f"job-{shape}", shape) for shape in range(1, 10)))
    is_open = [incident for incident in found.by_key.values() if incident.closed_at is None]
    assert [incident.key for incident in is_open] == [f"{TARGET}/malformed_json"]
    assert len(is_open[0].open_scopes()) == 9
    for shape in range(1, 10):
        found.apply(of_shape(f"job-{shape}", shape, state="released", sequence=2), T0 + 1)
    assert is_open[0].closed_at == T0 + 1


def test_a_target_halted_as_a_whole_absorbs_what_nobody_was_notified_of_and_the_jobs_that_follow() -> None:
    found = incidents(of_shape("a", 1), of_shape("b", 2))
    notify(found, f"{TARGET}/malformed_json/100000000000")
    found.apply(command(None, signature="f" * 32), T0)
    found.apply(of_shape("c", 3), T0)
    found.apply(of_shape("d", 1), T0)
    is_open = {key: set(one.open_scopes()) for key, one in found.by_key.items() if one.closed_at is None}
    job = f"job/{TARGET}/"
    assert is_open == {
        f"{TARGET}/malformed_json/100000000000": {f"{job}a", f"{job}d"},
        f"{TARGET}/malformed_json": {f"target/{TARGET}", f"{job}b", f"{job}c"},
    }


def test_a_job_quarantined_again_for_the_same_cause_stays_in_its_incident_whatever_the_signature() -> None:
    found = incidents(of_shape("a", 1), of_shape("a", 2, sequence=2))
    assert only(found).key == f"{TARGET}/malformed_json/100000000000"


def test_an_alarm_that_nobody_was_notified_of_is_absorbed_with_the_jobs_by_the_page_of_the_target() -> None:
    found = incidents(of_shape("a", 1), of_shape("b", 2))
    found.apply_finding(finding("target_alarm"), T0)
    found.apply(command(None, signature="f" * 32), T0)
    (page,) = [incident for incident in found.by_key.values() if incident.closed_at is None]
    assert page.key == f"{TARGET}/malformed_json"
    assert len(page.open_scopes()) == 3
    assert page.findings


def test_a_worker_that_dies_between_the_rows_of_an_absorption_loses_nothing_and_opens_nothing_twice() -> None:
    found = incidents(of_shape("a", 1), of_shape("b", 2))
    found.apply_finding(finding("target_alarm"), T0)
    before, wide = dict(found.take_changed()), command(None, signature="f" * 32)
    found.apply(wide, T0)
    rows = found.take_changed()
    assert len(rows) == 3
    for durable in range(len(rows) + 1):
        known = before | dict(rows[:durable])
        next_owner = Incidents(0, [decode_incident(row) for row in known.values()])
        next_owner.apply(wide, T0)
        assert is_open(next_owner) == is_open(found), f"{durable} of the rows were durable"
        changed = dict(next_owner.take_changed())
        assert all(key in changed for key, _ in rows[max(1, durable) :])


def is_open(found: Incidents) -> dict[str, tuple[set[str], set[str]]]:
    """The scopes and findings of each open incident."""
    return {
        key: (set(one.open_scopes()), set(one.findings)) for key, one in found.by_key.items() if one.closed_at is None
    }


def test_an_incident_closes_with_the_release_of_its_last_scope_and_names_who_released_it() -> None:
    found = incidents(command("a"), command("b"))
    found.apply(command("a", "released", sequence=2, issued_by="alice"), T0 + 1)
    assert only(found).closed_at is None
    found.apply(command("b", "released", sequence=2, issued_by="bob", reason="template mended"), T0 + 2)
    incident = only(found)
    assert (incident.closed_at, incident.closed_by, incident.closing_reason) == (T0 + 2, "bob", "template mended")


def test_a_probe_keeps_an_incident_open() -> None:
    found = incidents(command("a"), command("a", "probing", sequence=2, diagnosis=None))
    assert only(found).closed_at is None
    assert only(found).open_scopes()["job/api.shop.example/a"].state == "probing"


def test_a_scope_that_comes_back_with_another_cause_moves_to_that_incident() -> None:
    found = incidents(command("a"), command("a", sequence=2, cause="schema_violation"))
    old, new = (found.by_key[f"{TARGET}/{cause}"] for cause in ("malformed_json", "schema_violation"))
    assert old.closed_at is not None
    assert new.closed_at is None


def test_an_extension_without_a_diagnosis_stays_where_it_is() -> None:
    found = incidents(command("a"), command("a", sequence=2, diagnosis=None))
    assert only(found).cause == "malformed_json"


def test_the_lead_is_the_command_of_the_broadest_scope() -> None:
    found = incidents(command("a"), command(None, reason="the target fails as a whole"))
    assert only(found).lead.reason == "the target fails as a whole"


def test_a_quarantine_that_had_expired_when_it_was_read_opens_nothing() -> None:
    assert not incidents(command("a"), now=T0 + HOUR).by_key


def test_a_release_of_an_unknown_scope_opens_nothing() -> None:
    assert not incidents(command("a", "released", sequence=7)).by_key


def test_the_same_cause_after_its_end_is_a_new_episode_of_the_same_key() -> None:
    found = incidents(command("a"), command("b"), command("a", "released", sequence=2))
    found.apply(command("b", "released", sequence=2), T0)
    found.apply(command("a", sequence=3, at=T0 + HOUR), T0 + HOUR)
    incident = only(found)
    assert (incident.episode, incident.opened_at, incident.closed_at) == (2, T0 + HOUR, None)
    assert list(incident.episode_scopes()) == ["job/api.shop.example/a"]


def test_a_person_who_extends_a_quarantine_acknowledges_its_incident() -> None:
    found = incidents(command("a"), command("a", sequence=2, issued_by="alice", issued_at=T0 + 5))
    assert only(found).acknowledged == Acknowledgement(by="alice", at=T0 + 5)


def test_a_scraper_whose_probe_failed_acknowledges_nothing() -> None:
    found = incidents(command("a"), command("a", "probing", sequence=2, issued_by="worker-7"))
    found.apply(command("a", sequence=3, issued_by="worker-7"), T0)
    assert only(found).acknowledged is None


@pytest.mark.parametrize(("at", "counts"), [(T0 + MINUTE, True), (T0 - MINUTE, False)])
def test_an_acknowledgement_counts_for_the_episode_that_it_was_made_in(at: int, counts: bool) -> None:
    found = incidents(command("a"))
    found.acknowledge(only(found).key, Acknowledgement(by="alice", at=at))
    assert (only(found).acknowledged is not None) is counts


def test_an_incident_without_commands_closes_long_after_its_expiry_and_is_removed_later() -> None:
    found = incidents(command("a"))
    expiry = only(found).expires_at
    assert found.close_expired(expiry + CLOSE_EXPIRED_AFTER_MS) == []
    assert only(found).closed_at is None
    found.close_expired(expiry + CLOSE_EXPIRED_AFTER_MS + 1)
    assert only(found).closed_by == "halt400.alerts"
    later = expiry + CLOSE_EXPIRED_AFTER_MS + 2 + DELETE_CLOSED_AFTER_MS
    assert found.close_expired(later) == [only(found).key]
    found.remove(only(found).key)
    found.apply(command("a", sequence=2, at=later), later)
    assert only(found).episode == 1


def test_an_incident_that_closed_by_itself_opens_again_and_closes_with_its_new_episode() -> None:
    found = incidents(command("a"), command("b"))
    later = only(found).expires_at + CLOSE_EXPIRED_AFTER_MS + 1
    found.close_expired(later)
    found.apply(command("a", sequence=2, at=later), later)
    assert (only(found).episode, only(found).closed_at) == (2, None)
    found.apply(command("b", "released", sequence=2), later)
    assert only(found).closed_at is None
    found.apply(command("a", "released", sequence=3), later + 1)
    assert only(found).closed_at == later + 1


def test_five_thousand_jobs_are_applied_and_released_quickly() -> None:
    started = time.process_time()
    found = incidents(*(command(f"job-{number}") for number in range(5000)))
    for number in range(5000):
        found.apply(command(f"job-{number}", "released", sequence=2), T0)
    assert only(found).closed_at == T0
    assert time.process_time() - started < 3.0  # a twentieth of what a walk over all scopes per command would take


def picture(found: Incidents) -> dict[str, tuple[int | None, int, set[str]]]:
    return {key: (one.closed_at, one.episode, set(one.open_scopes())) for key, one in found.by_key.items()}


@given(command_histories(), st.integers(0, 25), st.integers(0, 25))
def test_a_restart_that_reads_commands_again_from_anywhere_changes_nothing(
    history: list[Command], crash: int, committed: int
) -> None:
    whole = incidents(*history)
    before = incidents(*history[:crash])
    rows = [decode_incident(value) for _, value in before.take_changed()]
    after = Incidents(3, rows)
    for one in history[min(committed, crash) :]:
        after.apply(one, T0)
    assert picture(after) == picture(whole)


@given(command_histories())
def test_a_scope_is_open_in_one_incident_at_the_most_and_a_closed_incident_has_none(history: list[Command]) -> None:
    found = incidents(*history)
    is_open = [name for one in found.by_key.values() for name in one.open_scopes()]
    assert len(is_open) == len(set(is_open))
    latest = {one.scope.id: one.state for one in history}
    assert set(is_open) == {name for name, state in latest.items() if state != "released"}
    for one in found.by_key.values():
        assert (one.closed_at is not None) == (not one.open_scopes())


def test_a_command_that_a_clock_ahead_has_dated_into_the_future_is_sent_at_once() -> None:
    applied = incidents(command(None, at=T0 + 3 * MINUTE), now=T0)
    (planned,) = Routing((ONCALL,)).planned(only(applied), T0)
    assert (planned.action, planned.at_ms) == ("trigger", T0)
