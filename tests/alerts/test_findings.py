"""What was found besides quarantines is told once per cause, in words, and is over when it is not heard of again."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halt400.records import Command
from streams.alerts.compose import compose
from streams.alerts.incident import FLEET_FAULT, Incident, decode_incident
from streams.alerts.incidents import DELETE_CLOSED_AFTER_MS, FINDING_CLOSES_AFTER_MS, Incidents
from streams.alerts.notification import last_sent_after
from streams.alerts.notification_texts import labelled_texts
from streams.alerts.routing import ALARM_WAIT_MS, Owner, PlannedDelivery, Route, Routing
from streams.detection import Finding
from tests.alerts.commands import HOUR, MINUTE, T0, TARGET, command, finding, incidents, only, take_in

ROUTE = Route("oncall", ("pager",))


def said(incident: Incident, action: str = "trigger", now: int = T0) -> dict[str, str]:
    found = compose(incident, PlannedDelivery("pager", ROUTE, action, now), None, now, str)  # type: ignore[arg-type]
    return dict(labelled_texts(found)) | {"title": found.title}


def severities(found: Incidents) -> dict[str, str]:
    return {key: ROUTE.severity(one) for key, one in found.by_key.items() if one.closed_at is None}


def test_a_fault_of_the_fleet_is_one_page_whatever_number_of_workers_tells_it() -> None:
    found = incidents(finding("fleet_fault", 1), finding("fleet_fault", 2, at=T0 + 1))
    assert severities(found) == {FLEET_FAULT: "page"}


def test_a_fault_of_the_fleet_says_what_the_jobs_share_what_fails_and_what_to_do() -> None:
    found = said(only(incidents(finding("fleet_fault"))))
    assert found["title"] == "The fleet is at fault, many targets fail at once: they share release 2.4.0"
    assert found["Cause"] == "fleet_fault: your own release, proxy pool or network, not the targets"
    assert found["Remedy"].startswith("Roll back release 2.4.0, or stop its jobs.")
    assert (
        found["In common"] == "release 2.4.0: 92% of the failing jobs, 8.2 times as common among them as among all jobs"
    )
    assert found["Failing targets"].splitlines()[-1] == "and more"
    assert found["Closes"] == "by itself at 2025-11-23 08:00:00Z, unless it is reported again before"
    assert found["Acknowledge"] == "halt400 alerts ack fleet/fleet_fault"
    assert "Halted" not in found


def test_a_fault_of_the_fleet_without_anything_in_common_says_so() -> None:
    nothing = {"attribute": None, "value": None, "lift": None, "coverage_ratio": None}
    found = said(only(incidents(finding("fleet_fault", **nothing))))
    assert found["In common"] == "no release, proxy pool, client library or region"
    assert found["Remedy"].startswith("Look at what every job passes")


def test_a_retry_loop_names_worker_and_release_and_counts_what_it_wasted() -> None:
    loops = [
        finding("retry_loop", number, wasted_requests=wasted, fingerprint=fingerprint, worker=worker)
        for number, (fingerprint, wasted, worker) in enumerate(
            [("a", 1, "worker-7"), ("a", 2, "worker-7"), ("a", 4, "worker-7"), ("b", 16, "worker-8")]
        )
    ]
    found = said(only(incidents(*loops)))
    assert found["title"] == f"{TARGET}: release 2.4.0 ignores the gate, 20 requests wasted so far"
    assert found["Requests wasted"] == "at least 20"
    assert found["Who"].splitlines() == [
        "worker worker-8 of release 2.4.0, job extract-099: 16 requests wasted",
        "worker worker-7 of release 2.4.0, job extract-099: 4 requests wasted",
    ]
    assert "stop worker worker-7 of release 2.4.0" in found["Remedy"] or "worker-8" in found["Remedy"]
    assert "Found too" not in found


def test_retry_loops_of_two_releases_are_two_tickets_and_of_one_job_no_part_of_its_quarantine() -> None:
    found = incidents(command("extract-099"), finding("retry_loop", 1), finding("retry_loop", 2, release="2.5.0"))
    assert sorted(severities(found).values()) == ["ticket"] * 3


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_an_alarm_and_what_is_halted_for_it_are_one_page_in_whatever_order_they_are_read(
    order: tuple[int, ...],
) -> None:
    happened = [
        command("extract-098"),
        finding("target_alarm"),
        command(None, cause="schema_violation"),
    ]
    found = incidents(*(happened[number] for number in order))
    assert list(severities(found).values()).count("page") == 1
    assert all(one.lead is not None for one in found.by_key.values() if one.closed_at is None)


ALARM = f"{TARGET}/target_alarm"


def tell(found: Incidents, key: str) -> Incidents:
    one = found.by_key[key]
    step = PlannedDelivery("pager", ROUTE, "trigger", T0)
    found.record_sent(key, "pager", last_sent_after(compose(one, step, None, T0, str), None, accepted=True))
    return found


def test_an_alarm_that_nobody_was_told_of_becomes_a_part_of_what_is_halted_for_it() -> None:
    found = incidents(finding("target_alarm"), command("a"))
    assert severities(found) == {f"{TARGET}/malformed_json": "page"}
    assert found.by_key[ALARM].closing_reason == f"it is part of {TARGET}/malformed_json"
    assert Routing((ROUTE,)).planned(found.by_key[ALARM], T0) == []
    found.apply_finding(finding("target_alarm"), T0)
    assert found.by_key[ALARM].closed_at is not None


def test_every_job_that_is_halted_after_people_were_told_of_an_alarm_joins_it() -> None:
    found = tell(incidents(finding("target_alarm")), ALARM)
    for one in (command("a"), command("b", cause="schema_violation"), command(None)):
        found.apply(one, T0)
    assert list(severities(found)) == [ALARM]
    told = said(only(found))
    assert told["title"] == f"{TARGET} is halted as a whole: malformed_json"
    assert told["Cause"] == "malformed_json (blame: request, confidence 98%)"
    assert told["Found too"] == finding("target_alarm").summary
    for job in ("a", "b", None):
        found.apply(command(job, "released", sequence=2, issued_by="alice"), T0 + MINUTE)
    assert only(found).closed_by == "alice"


def test_a_scope_that_joined_an_alarm_stays_through_its_probes() -> None:
    found = tell(incidents(finding("target_alarm")), ALARM)
    found.apply(command(None), T0)
    for sequence, state in enumerate(("probing", "quarantined", "probing"), 2):
        found.apply(command(None, state, sequence=sequence, issued_by="halt400.detect"), T0 + sequence)
    assert list(found.by_key) == [f"{TARGET}/target_alarm"]
    assert only(found).closed_at is None


def test_a_poison_item_joins_the_quarantine_of_its_own_job_and_of_no_other() -> None:
    found = incidents(command("extract-099"), finding("poison_item"))
    assert severities(found) == {f"{TARGET}/malformed_json": "ticket"}
    assert len(severities(incidents(command("another"), finding("poison_item")))) == 2


def test_an_alarm_alone_says_that_nothing_is_halted_and_how_to_halt_it() -> None:
    found = said(only(incidents(finding("target_alarm"))))
    assert found["title"] == f"{TARGET} answers 400 to 2 jobs, and is not halted as a whole"
    assert f"`halt400 quarantine target/{TARGET} --reason" in found["Remedy"]


def test_the_first_alarm_of_a_tier_stays_a_page_when_a_ticket_follows() -> None:
    found = incidents(finding("target_alarm", 1), finding("target_alarm", 2, at=T0 + 1, severity="ticket"))
    assert list(severities(found).values()) == ["page"]


@pytest.mark.parametrize("kind", ["fleet_fault", "retry_loop"])
def test_it_is_over_when_it_is_not_heard_of_again_and_opens_anew_after_that(kind: str) -> None:
    lives = FINDING_CLOSES_AFTER_MS[finding(kind).severity]
    found = incidents(finding(kind, 1))
    take_in(found, finding(kind, 2, at=T0 + HOUR), T0 + HOUR)
    found.close_expired(T0 + lives + 1)
    assert only(found).closed_at is None
    found.close_expired(T0 + HOUR + lives + 1)
    assert (only(found).closed_by, only(found).closing_reason) == ("halt400.alerts", "it was not reported again")
    assert said(only(found), "resolve")["title"].endswith("not reported any more")
    later = T0 + HOUR + lives + HOUR
    take_in(found, finding(kind, 3, at=later), later)
    assert (only(found).episode, only(found).opened_at, only(found).closed_at) == (2, later, None)
    assert found.close_expired(later + lives + 1) == []
    assert found.close_expired(later + lives + 2 + DELETE_CLOSED_AFTER_MS) == [only(found).key]


def test_a_finding_of_long_ago_opens_nothing() -> None:
    assert not incidents(finding("fleet_fault"), now=T0 + FINDING_CLOSES_AFTER_MS["page"]).by_key


def test_a_late_release_of_an_earlier_episode_does_not_close_what_was_found_since() -> None:
    found = tell(incidents(finding("target_alarm", 1)), ALARM)
    for job in "ab":
        found.apply(command(job), T0)
    for job in "ab":
        found.apply(command(job, "released", sequence=2), T0 + 1)
    found.apply_finding(finding("target_alarm", 2, at=T0 + 2), T0 + 2)
    found.apply(command("a", "released", sequence=3), T0 + 3)
    assert (only(found).episode, only(found).closed_at, only(found).lead) == (2, None, None)


def happenings() -> st.SearchStrategy[list[Finding]]:
    kinds = st.sampled_from(["target_alarm", "poison_item", "retry_loop", "fleet_fault"])
    return st.lists(
        st.builds(finding, kinds, st.integers(1, 6), severity=st.sampled_from(["page", "ticket"])), max_size=15
    )


@given(happenings(), st.integers(0, 15), st.integers(0, 15))
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


@st.composite
def mixed_histories(draw: st.DrawFn) -> list[Command | Finding]:
    """Commands and findings of one target as they may be read, sequences rising per scope, ids sometimes repeated."""
    sequences: dict[str | None, int] = {}
    found: list[Command | Finding] = []
    for kind in draw(st.lists(st.sampled_from(["command", "target_alarm", "poison_item"]), max_size=25)):
        if kind == "command":
            job = draw(st.sampled_from([None, "extract-098", "extract-099"]))
            sequences[job] = sequences.get(job, 0) + 1
            state = draw(st.sampled_from(["quarantined", "probing", "released"]))
            cause = draw(st.sampled_from(["malformed_json", "schema_violation", None]))
            found.append(command(job, state, sequence=sequences[job], cause=cause))
        else:
            severity = draw(st.sampled_from(["page", "ticket"]))
            jobs = tuple(draw(st.lists(st.sampled_from(["extract-098", "extract-099"]), max_size=2, unique=True)))
            found.append(finding(kind, draw(st.integers(1, 8)), severity=severity, jobs=jobs))
    return found


@given(mixed_histories(), st.integers(0, 25), st.integers(0, 25))
def test_commands_and_findings_read_again_from_anywhere_change_nothing_and_close_what_is_released(
    history: list[Command | Finding], crash: int, committed: int
) -> None:
    whole, before = incidents(*history), incidents(*history[:crash])
    after = Incidents(3, [decode_incident(value) for _, value in before.take_changed()])
    for one in history[min(committed, crash) :]:
        take_in(after, one)
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


def test_findings_are_routed_by_target_severity_and_owner() -> None:
    shop = Route("shop", ("slack",), owners=("team-shop",))
    tickets = Route("tickets", ("mail",), severities=frozenset(("ticket",)), targets=("*.shop.example",))
    table = Routing((shop, tickets), (Owner("team-shop", ("*",), ("extract-*",)),))
    assert set(table.sinks_for(only(incidents(finding("retry_loop"))))) == {"slack", "mail"}
    assert set(table.sinks_for(only(incidents(finding("target_alarm"))))) == {"slack"}
    assert set(table.sinks_for(only(incidents(finding("retry_loop", job_id="other"))))) == {"mail"}


def test_a_fault_of_the_fleet_finds_somebody_though_every_route_is_of_a_target() -> None:
    fleet = only(incidents(finding("fleet_fault")))
    shop, maps = Route("shop", ("a",), targets=("shop.*",)), Route("maps", ("b",), targets=("maps.*",))
    tickets = Route("tickets", ("c",), severities=frozenset(("ticket",)))
    assert set(Routing((shop, maps, tickets)).sinks_for(fleet)) == {"a", "b"}
    assert set(Routing((shop, maps, Route("all", ("d",)))).sinks_for(fleet)) == {"d"}


def test_an_alarm_waits_for_a_fault_of_the_fleet_and_is_no_page_beside_it() -> None:
    table, found = Routing((ROUTE,)), incidents(finding("target_alarm"))
    (step,) = table.planned(only(found), T0)
    assert step.at_ms == T0 + ALARM_WAIT_MS
    found.cover_by_fleet_fault(only(found).key)
    assert severities(found) == {f"{TARGET}/target_alarm": "ticket"}
    found.apply(command(None), T0 + 1)
    assert severities(found) == {f"{TARGET}/malformed_json": "page"}
    (step,) = table.planned(found.by_key[f"{TARGET}/malformed_json"], T0 + 1)
    assert step.at_ms == T0 + 1


def test_no_text_of_a_finding_goes_out_unredacted() -> None:
    secret = "hunter2-hunter2"
    texts = dict.fromkeys(("summary", "worker", "release", "job_id", "fingerprint", "signature"), f"x {secret}")
    for kind in ("retry_loop", "fleet_fault", "poison_item", "target_alarm"):
        named = texts | {"value": secret, "attribute": "release", "jobs": (secret,), "targets": (secret,)}
        incident = only(incidents(finding(kind, **named)))
        told = compose(
            incident, PlannedDelivery("pager", ROUTE, "trigger", T0), None, T0, lambda text: text.replace(secret, "…")
        )
        assert secret not in str([told, labelled_texts(told)])
