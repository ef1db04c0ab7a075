"""Which incident a command or a finding joins: the rules alone, on incidents as they stand."""

from typing import Any

import pytest

from halt400.records import Command, Scope
from streams.alerts.incident import ActiveFinding, Incident, LastSent, ScopeState
from streams.alerts.joining import MOST_SIGNATURES, Placement, place_command, place_finding
from streams.detection import Finding
from tests.alerts.examples import HOUR, T0, TARGET, command, finding

JSON, ALARM, POISON = f"{TARGET}/malformed_json", f"{TARGET}/target_alarm", f"{TARGET}/poison_item/a223c725"


def signature(shape: int) -> str:
    return f"{shape}" * 32


def of_shape(job: str, shape: int, **changes: Any) -> Command:
    return command(job, signature=signature(shape), **changes)


def key_of(shape: int) -> str:
    return f"{JSON}/{signature(shape)[:12]}"


def incident(
    key: str, *jobs: str | None, cause: str = "malformed_json", sent: bool = False, findings: tuple[Finding, ...] = ()
) -> Incident:
    """An open incident that quarantines these jobs; None stands for the target as a whole."""
    scopes = {}
    for job in jobs:
        scopes[f"job/{TARGET}/{job}" if job else f"target/{TARGET}"] = ScopeState(
            kind="job" if job else "target",
            sequence=1,
            state="quarantined",
            opened_at=T0,
            expires_at=T0 + HOUR,
            changed_at=T0,
            episode=1,
            job_id=job,
        )
    last = LastSent(route="all", action="trigger", severity="page", digest="", episode=1, first_at=T0, at=T0)
    return Incident(
        key=key,
        partition=3,
        target=TARGET,
        cause=cause,
        lead=command(jobs[0]) if jobs else None,
        opened_at=T0,
        scopes=scopes,
        findings={one.finding_id: ActiveFinding(finding=one, ends_at=T0 + HOUR) for one in findings},
        last_sent={"pager": last} if sent else {},
    )


def alarm(*jobs: str | None, sent: bool = False, at: int = T0) -> Incident:
    return incident(ALARM, *jobs, cause="target_alarm", sent=sent, findings=(finding("target_alarm", at=at),))


def poison_item(sent: bool = False, at: int = T0) -> Incident:
    return incident(POISON, cause="poison_item", sent=sent, findings=(finding("poison_item", at=at),))


def test_the_first_command_of_a_cause_opens_the_incident_of_its_signature() -> None:
    assert place_command(of_shape("a", 1), None, []) == Placement(key_of(1))
    assert place_command(command("a"), None, []) == Placement(JSON)


def test_a_command_joins_the_incident_of_its_signature() -> None:
    assert place_command(of_shape("b", 1), None, [incident(key_of(1), "a")]) == Placement(key_of(1))


def test_a_command_joins_the_incident_of_its_cause_as_a_whole_where_that_is_open() -> None:
    assert place_command(of_shape("b", 1), None, [incident(JSON, "a")]) == Placement(JSON)


def test_the_incident_of_its_signature_comes_before_that_of_the_cause_as_a_whole() -> None:
    both = [incident(JSON, "a"), incident(key_of(1), "b", sent=True)]
    assert place_command(of_shape("c", 1), None, both) == Placement(key_of(1))


@pytest.mark.parametrize("others", range(MOST_SIGNATURES + 1))
def test_a_further_signature_beside_three_is_of_the_cause_as_a_whole_which_absorbs_them(others: int) -> None:
    shapes = [incident(key_of(shape), f"job-{shape}") for shape in range(others)]
    placement = place_command(of_shape("new", 9), None, shapes)
    wide = Placement(JSON, tuple(key_of(shape) for shape in range(others)))
    assert placement == (wide if others == MOST_SIGNATURES else Placement(key_of(9)))


def test_signatures_of_another_cause_do_not_count() -> None:
    shapes = [incident(f"{TARGET}/other/{shape}", "a", cause="schema_violation") for shape in range(5)]
    assert place_command(of_shape("new", 9), None, shapes) == Placement(key_of(9))


def test_a_target_as_a_whole_absorbs_what_nobody_was_notified_of() -> None:
    shapes = [incident(key_of(1), "a"), incident(key_of(2), "b", sent=True), incident("t/x", "c", cause="waf_block")]
    assert place_command(command(None, signature=signature(3)), None, shapes) == Placement(JSON, (key_of(1),))


def test_an_incident_that_is_open_absorbs_nothing_more() -> None:
    both = [incident(JSON, None), incident(key_of(1), "a")]
    assert place_command(command(None, sequence=2), both[0], both) == Placement(JSON)


@pytest.mark.parametrize(
    "again",
    [
        of_shape("a", 2, sequence=2),
        command("a", "probing", sequence=2, cause="schema_violation"),
        command("a", sequence=2, cause=None),
    ],
    ids=["another signature", "a probe", "no diagnosis"],
)
def test_a_scope_stays_where_it_is_open_unless_its_cause_is_another(again: Command) -> None:
    current = incident(key_of(1), "a")
    assert place_command(again, current, [current]) == Placement(key_of(1))


def test_a_scope_with_another_cause_leaves_its_incident() -> None:
    current = incident(JSON, "a")
    again = command("a", sequence=2, cause="schema_violation")
    assert place_command(again, current, [current]) == Placement(f"{TARGET}/schema_violation")


def test_an_alarm_that_nobody_was_notified_of_is_absorbed_by_the_quarantine() -> None:
    assert place_command(command("a"), None, [alarm()]) == Placement(JSON, (ALARM,))


def test_an_alarm_is_absorbed_together_with_the_signatures() -> None:
    shapes = [incident(key_of(1), "a"), alarm()]
    assert place_command(command(None), None, shapes) == Placement(JSON, (key_of(1), ALARM))


def test_a_quarantine_joins_an_alarm_that_people_were_notified_of() -> None:
    assert place_command(command("a"), None, [alarm(sent=True)]) == Placement(ALARM)


def test_a_quarantine_joins_an_alarm_that_has_quarantines() -> None:
    assert place_command(command("a", cause="schema_violation"), None, [alarm("b")]) == Placement(ALARM)


def test_a_target_as_a_whole_absorbs_an_incident_of_its_cause_with_an_alarm() -> None:
    alarmed = incident(key_of(1), "a", findings=(finding("target_alarm"),))
    assert place_command(command(None), None, [alarmed]) == Placement(JSON, (key_of(1),))


def test_a_poison_item_concerns_its_own_jobs_only() -> None:
    assert place_command(command("extract-099"), None, [poison_item(sent=True)]) == Placement(POISON)
    assert place_command(command("another"), None, [poison_item(sent=True)]) == Placement(JSON)
    assert place_command(command(None), None, [poison_item(sent=True)]) == Placement(JSON)


def test_a_request_does_not_join_an_alarm() -> None:
    request = command(scope=Scope(kind="request", target=TARGET, fingerprint="f00d"))
    assert place_command(request, None, [alarm(sent=True)]) == Placement(f"{JSON}/f00d")


def test_of_two_alarms_a_quarantine_joins_the_later_one() -> None:
    both = [alarm(sent=True), poison_item(sent=True, at=T0 + 1)]
    assert place_command(command("extract-099"), None, both) == Placement(POISON)
    assert place_command(command("another"), None, both) == Placement(ALARM)


@pytest.mark.parametrize("kind", ["retry_loop", "fleet_fault"])
def test_a_retry_loop_and_a_fault_of_the_fleet_join_no_quarantine(kind: str) -> None:
    found = finding(kind)
    assert place_finding(found, [incident(JSON, None), alarm()]) == place_finding(found, [])


def test_an_alarm_alone_opens_an_incident_of_its_own() -> None:
    assert place_finding(finding("target_alarm"), []) == ALARM
    assert place_finding(finding("poison_item"), [incident(JSON, "another")]) == POISON


def test_an_alarm_joins_the_broadest_and_then_the_latest_quarantine() -> None:
    jobs, whole = incident(key_of(1), "a"), incident(JSON, None)
    assert place_finding(finding("target_alarm"), [whole, jobs]) == JSON
    later = incident(key_of(2), "b")
    later.opened_at += 1
    assert place_finding(finding("target_alarm"), [jobs, later]) == key_of(2)


def test_a_finding_joins_the_quarantine_of_its_own_job() -> None:
    assert place_finding(finding("poison_item"), [incident(key_of(1), "extract-099"), incident(JSON, None)]) == key_of(
        1
    )


def test_a_further_finding_joins_the_incident_of_the_earlier_ones() -> None:
    assert place_finding(finding("target_alarm", 2), [alarm(sent=True), incident(JSON, None)]) == ALARM
    assert place_finding(finding("poison_item", 2), [alarm(), incident(JSON, "extract-099")]) == ALARM


def test_an_alarm_joins_the_quarantines_rather_than_a_poison_item() -> None:
    assert place_finding(finding("target_alarm"), [poison_item(), incident(JSON, None)]) == JSON
    assert place_finding(finding("target_alarm"), [poison_item()]) == POISON
