"""What a 400 leads to: by policy, by diagnosis, by evidence, and what it does not lead to."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from halt400.records import Scope
from halt400.redaction import RedactionRules, Redactor
from streams.detection import (
    FleetRules,
    OriginCounts,
    Policies,
    apply_grant_decision,
    decode_target_state,
    encode_target_state,
    explain,
    is_certain,
    parse_policies,
)
from streams.fleet_cap.guard import FleetGuard
from streams.quarantine.ids import command_id
from streams.quarantine.lifecycle import ISSUER
from tests.detection.cases import (
    CERTAIN,
    DOUBTFUL,
    EVIDENCE,
    HOLD,
    MINUTE,
    NOW,
    STRICT,
    TARGET,
    TARGET_SCOPE,
    WAF,
    Story,
    job_scope,
)

FIVE = ("a", "b", "c", "d", "e")


def scopes(story: Story) -> list[str]:
    return [f"{command.scope.id} {command.state}" for command in story.commands]


# Policy strict


def test_strict_quarantines_a_job_on_its_first_400() -> None:
    story = Story()
    decision = story.bad(diagnosis=WAF, kind="like-requests")
    (command,) = decision.commands
    assert command.scope == job_scope()
    assert command.signature == "like-requests"
    assert command.command_id == command_id(command.scope.id, "quarantined", "halt400.responses/0/1")
    assert (command.retry, command.proxy, command.sequence) == ("abort", "release", 1)
    assert command.archive_uri == "file:///archive/1"
    assert command.diagnosis == WAF
    assert decision.halted_by == command.command_id
    assert "strict" in decision.why


def test_strict_issues_one_command_per_job() -> None:
    story = Story()
    for job in "aabab":
        story.bad(job=job)
    assert scopes(story) == [f"job/{TARGET}/a quarantined", f"job/{TARGET}/b quarantined"]


def test_only_a_guilty_proxy_costs_its_reputation() -> None:
    guilty = DOUBTFUL.__class__(cause="protocol_violation", blame="proxy", confidence=0.9, remedy="Change it.")
    assert Story().bad(diagnosis=guilty).commands[0].proxy_blame
    assert not Story().bad(diagnosis=CERTAIN).commands[0].proxy_blame


def test_a_quarantine_restored_from_control_is_not_opened_twice() -> None:
    first = Story()
    command = first.bad().commands[0]
    second = Story()
    second.latest_command = {command.scope.id: command}.get
    assert second.bad().commands == []
    second.now += 3 * HOLD
    second.latest_command = lambda scope_id: None
    assert second.wait(0).commands[0].sequence == 2


# Policy evidence


def test_evidence_aborts_the_retry_and_lets_the_job_go_on() -> None:
    story = Story(EVIDENCE)
    (command,) = story.bad("f1", diagnosis=DOUBTFUL).commands
    assert command.scope == Scope(kind="request", target=TARGET, fingerprint="f1")
    assert command.retry == "abort"
    assert story.state.halting_command("j", "f1", NOW) == command
    assert story.state.halting_command("j", "f2", NOW) is None


def test_evidence_needs_no_statistics_where_the_diagnosis_is_certain() -> None:
    (command,) = Story(EVIDENCE).bad(diagnosis=CERTAIN).commands
    assert command.scope == job_scope()
    assert "certainly defective" in command.reason


def test_certain_is_a_guilty_request_with_confidence() -> None:
    assert is_certain(CERTAIN)
    assert not any(is_certain(diagnosis) for diagnosis in (None, DOUBTFUL, WAF))


def test_evidence_quarantines_a_job_whose_detector_alarms() -> None:
    story = Story(EVIDENCE, history=100_000)
    while not any(command.scope.kind == "job" for command in story.commands):
        story.bad()
        assert story.offset < 10
    assert story.offset == 3
    assert "detector" in story.commands[-1].reason


def test_one_request_that_is_retried_for_ever_is_no_evidence() -> None:
    story = Story(EVIDENCE, history=100_000)
    for attempt in range(1, 200):
        story.bad("f", attempt=attempt)
    assert {command.scope.kind for command in story.commands} == {"request"}
    assert story.state.mixture.evidence() < EVIDENCE.tiers.ticket


@pytest.mark.slow
def test_quarantined_requests_are_bounded_and_the_forgotten_ones_are_returned() -> None:
    text = '[defaults]\npolicy = "evidence"\nleast_p0 = 0.8\n'
    story = Story(parse_policies(text))
    forgotten = []
    for _ in range(300):
        story.good(10)
        forgotten += story.bad().forgotten
    assert forgotten[0] == f"request/{TARGET}/1"
    assert len(forgotten) == 300 - 256
    forgotten = story.wait(HOLD).forgotten
    assert len(forgotten) == 256
    assert story.state.scopes == {}


# Retries and repeated events


def test_a_repeated_event_leads_to_nothing() -> None:
    story = Story()
    story.bad(event_id="same")
    before = encode_target_state(story.state)
    decision = story.bad(event_id="same")
    assert (decision.kind, decision.commands, decision.findings) == ("repeated_event", [], [])
    after = decode_target_state(encode_target_state(story.state))
    after.last = decode_target_state(before).last
    assert encode_target_state(after) == before


def test_a_retry_after_the_abort_is_a_retry_loop_with_its_worker_and_waste() -> None:
    story = Story()
    story.bad("f", worker="w-7", release="r-12")
    story.now += 1_000
    assert story.bad("f", attempt=2).findings == []
    wasted = []
    for attempt in range(3, 12):
        story.now += 5_000
        decision = story.bad("f", attempt=attempt, worker="w-7", release="r-12")
        wasted += [finding.wasted_requests for finding in decision.findings]
        for finding in decision.findings:
            assert (finding.kind, finding.severity) == ("retry_loop", "ticket")
            assert (finding.worker, finding.release, finding.job_id) == ("w-7", "r-12", "j")
            assert "w-7" in finding.summary
            assert "r-12" in finding.summary
    assert wasted == [1, 2, 4, 8]


def test_a_retry_after_a_release_is_no_loop() -> None:
    story = Story(EVIDENCE)
    story.bad("f", diagnosis=CERTAIN)
    story.now += MINUTE
    story.operate("release")
    story.now += MINUTE
    assert story.bad("f", attempt=2).findings == []


# The target


def test_a_target_wide_break_pages_once_and_requests_a_grant() -> None:
    story = Story(STRICT, history=50_000, jobs=FIVE)
    pages, grant_requests = [], []
    for n in range(40):
        decision = story.bad(job=FIVE[n % 5], kind=str(n % 4))
        pages += [finding for finding in decision.findings if finding.severity == "page"]
        if decision.pending_grant is not None:
            grant_requests.append(decision.pending_grant)
        story.now += 100
    assert len(pages) == len(grant_requests) == 1
    assert (pages[0].kind, pages[0].target) == ("target_alarm", TARGET)
    assert set(grant_requests[0].jobs) == {"a", "b", "c"}
    grant_id = grant_requests[0].grant_id
    (command,) = apply_grant_decision(story.state, grant_id, story.now, STRICT, granted=True).commands
    assert (command.scope, command.state) == (TARGET_SCOPE, "quarantined")
    assert story.state.halting_command("new job", None, story.now) == command
    assert (command.issued_by, command.reason) == (ISSUER, grant_requests[0].opening.reason)
    assert command.source == grant_requests[0].opening.source
    assert apply_grant_decision(story.state, grant_id, story.now, STRICT, granted=True).commands == []


def waiting() -> tuple[Story, str]:
    """A target that waits for a grant, and the grant's id."""
    story = Story(STRICT, history=50_000, jobs=FIVE)
    for n in range(40):
        pending = story.bad(job=FIVE[n % 5]).pending_grant
        if pending is not None:
            return story, pending.grant_id
    raise AssertionError("no grant was requested")


def test_a_refused_target_is_not_quarantined_and_explain_says_why() -> None:
    story, grant_id = waiting()
    assert "has not decided yet" in "\n".join(explain(story.state, STRICT, story.now).lines())
    assert apply_grant_decision(story.state, grant_id, story.now, STRICT, granted=False).commands == []
    assert f"target/{TARGET}" not in story.state.scopes
    said = "\n".join(explain(story.state, STRICT, story.now).lines())
    assert "issued no command" in said
    assert "the fleet refused, for too many targets fail at once" in said
    story.bad(job="a")
    assert "its quarantine was refused at" in "\n".join(explain(story.state, STRICT, story.now).lines())
    assert apply_grant_decision(story.state, grant_id, story.now, STRICT, granted=True).commands == []


def test_the_reason_of_a_grant_has_nothing_that_redaction_takes_for_a_secret() -> None:
    story = Story(STRICT, history=50_000, jobs=FIVE)
    (grant,) = [found for n in range(40) if (found := story.bad(job=FIVE[n % 5], kind="1").pending_grant)]
    assert "1 signature" in grant.opening.reason
    assert Redactor(RedactionRules(), bytes(32)).text(grant.opening.reason) == grant.opening.reason


def test_a_pending_grant_survives_being_encoded() -> None:
    story, grant_id = waiting()
    state = decode_target_state(encode_target_state(story.state))
    (command,) = apply_grant_decision(state, grant_id, story.now, STRICT, granted=True).commands
    assert command.scope == TARGET_SCOPE


@pytest.mark.parametrize("then", [None, "release"])
def test_a_grant_that_a_person_overtook_is_void(then: str | None) -> None:
    story, grant_id = waiting()
    story.operate("quarantine", TARGET_SCOPE)
    if then == "release":
        story.operate("release", TARGET_SCOPE)
    decision = apply_grant_decision(story.state, grant_id, story.now, STRICT, granted=True)
    assert decision.commands == []
    assert "another command" in decision.why


def test_a_grant_whose_quarantine_a_dead_worker_issued_is_void() -> None:
    story, grant_id = waiting()
    lost = decode_target_state(encode_target_state(story.state))
    (command,) = apply_grant_decision(lost, grant_id, story.now, STRICT, granted=True).commands
    control = {command.scope.id: command}
    again = apply_grant_decision(story.state, grant_id, story.now, STRICT, granted=True, latest_command=control.get)
    assert again.commands == []
    assert story.state.halting_command("new job", None, story.now) == command


def test_a_grant_does_nothing_where_the_rule_became_shadow() -> None:
    story, grant_id = waiting()
    shadow = parse_policies('[defaults]\nmode = "shadow"\n')
    assert apply_grant_decision(story.state, grant_id, story.now, shadow, granted=True).commands == []


def test_a_poison_item_pages_nobody() -> None:
    story = Story(EVIDENCE, history=100_000)
    findings = []
    for _ in range(50):
        decision = story.bad(kind="one signature")
        findings += decision.findings
        assert decision.pending_grant is None
    assert [(finding.kind, finding.severity) for finding in findings] == [("poison_item", "ticket")]
    assert story.state.mixture.evidence() > EVIDENCE.tiers.page


@pytest.mark.parametrize(("jobs", "kinds", "wide"), [(1, 2, False), (1, 3, True), (2, 1, True)])
def test_an_alarm_needs_three_signatures_or_two_jobs(jobs: int, kinds: int, wide: bool) -> None:
    story = Story(EVIDENCE, history=100_000, jobs=("0", "1"))
    found = []
    for n in range(12):
        found += story.bad(job=str(n % jobs), kind=str(n % kinds)).findings
    assert ("page" in {finding.severity for finding in found}) == wide


def test_a_target_is_not_quarantined_over_one_job() -> None:
    story = Story(EVIDENCE, history=100_000)
    assert all(story.bad().pending_grant is None for _ in range(20))


def test_a_ticket_comes_before_the_page_and_each_once() -> None:
    story = Story(EVIDENCE, history=50_000, jobs=("a", "b"))
    severities = []
    for n in range(30):
        story.good(20, job="a")
        severities += [finding.severity for finding in story.bad(job="ab"[n % 2]).findings]
    assert severities == ["ticket", "page"]


def test_after_a_quiet_time_the_next_break_is_reported_again() -> None:
    story = Story(EVIDENCE, history=50_000, jobs=("a", "b"))
    pages = 0
    for _ in range(2):
        for n in range(8):
            pages += sum(finding.severity == "page" for finding in story.bad(job="ab"[n % 2]).findings)
        story.state.mixture.gap += 10_000_000
        story.bad()
    assert pages == 2


def test_a_refused_grant_is_requested_again_after_a_minute() -> None:
    story = Story(EVIDENCE, history=50_000, jobs=("a", "b"))
    requested = []
    for n in range(150):
        story.now += 1_000
        requested += [story.now - NOW] if story.bad(job="ab"[n % 2]).pending_grant else []
    assert len(requested) == 3
    assert all(later - earlier >= MINUTE for earlier, later in pairwise(requested))


def test_a_fleet_wide_break_is_stopped_at_the_cap_with_one_finding() -> None:
    guard, rules, quarantined = FleetGuard(), FleetRules(), 0
    stories = [Story(STRICT, history=50_000, jobs=FIVE) for _ in range(30)]
    for number, story in enumerate(stories):
        for n in range(10):
            decision = story.bad(job=FIVE[n % 5], release="r-13", pool="eu")
            if decision.pending_grant is not None and guard.request(f"target-{number}", len(stories), story.now, rules):
                grant_id = decision.pending_grant.grant_id
                quarantined += len(
                    apply_grant_decision(story.state, grant_id, story.now, STRICT, granted=True).commands
                )
    assert quarantined == 3
    origins = {f"target-{n}": story.state.failing_origins() for n, story in enumerate(stories)}
    active = OriginCounts.of(origin for story in stories for origin in story.state.active_origins())
    finding = guard.finding(origins, active, NOW)
    assert finding is not None
    assert len(finding.targets) == 30


# Old 400s


def test_old_news_is_counted_and_opens_nothing() -> None:
    story = Story(STRICT, history=50_000, jobs=FIVE)
    for n in range(20):
        decision = story.bad(job=FIVE[n % 5], age_ms=15 * MINUTE + 1)
        assert (decision.commands, decision.findings, decision.pending_grant) == ([], [], None)
        assert "old news" in decision.why
    assert story.state.mixture.evidence() > STRICT.tiers.page


def test_a_400_of_just_fifteen_minutes_is_not_old() -> None:
    assert Story().bad(age_ms=15 * MINUTE).commands


def test_released_stays_released_for_what_was_received_before() -> None:
    story = Story()
    story.bad()
    story.now += MINUTE
    story.operate("release")
    story.now += 1_000
    decision = story.bad(age_ms=2_000)
    assert decision.commands == []
    assert "released" in decision.why
    assert story.bad().commands[0].sequence == 3


def test_a_400_while_probing_doubles_the_hold() -> None:
    story = Story()
    story.bad()
    (wanted,) = story.wait(HOLD).commands
    assert wanted.state == "probing"
    story.now += 1_000
    assert story.bad(age_ms=2_000).commands == []
    (command,) = story.bad().commands
    assert (command.state, command.sequence) == ("quarantined", 3)
    assert command.expires_at - command.issued_at > 2 * HOLD


# Shadow


def test_shadow_computes_everything_and_issues_nothing() -> None:
    live = Story(STRICT, history=50_000, jobs=FIVE)
    shadow = Story(parse_policies('[defaults]\nmode = "shadow"\n'), history=50_000, jobs=FIVE)
    for n in range(12):
        real, dry = live.bad(job=FIVE[n % 5]), shadow.bad(job=FIVE[n % 5])
        if real.pending_grant is not None:
            apply_grant_decision(live.state, real.pending_grant.grant_id, live.now, STRICT, granted=True)
        assert dry.commands == []
        assert dry.pending_grant is None
        assert all(finding.severity == "ticket" for finding in dry.findings)
        if n < 2:
            assert [command.command_id for command in dry.withheld] == [command.command_id for command in real.commands]
    assert shadow.commands == []
    assert shadow.state.halting_command("a", None, NOW) is None
    assert shadow.state.halting_command("a", None, NOW, shadow=True) is not None
    assert shadow.state.mixture.pack() == live.state.mixture.pack()


def test_a_shadow_ends_with_its_hold() -> None:
    story = Story(parse_policies('[defaults]\nmode = "shadow"\n'))
    story.bad()
    decision = story.wait(HOLD)
    assert decision.commands == []
    assert [command.state for command in decision.withheld] == ["released"]


def test_rules_may_change_between_two_events() -> None:
    story = Story(parse_policies('[defaults]\nmode = "shadow"\n'))
    assert story.bad().commands == []
    story.policies = STRICT
    assert len(story.bad().commands) == 1
    assert story.state.shadow_scopes == {}


# Replay

KINDS = st.sampled_from(["bad", "bad", "good", "retry", "wait", "release", "claim"])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(KINDS, st.integers(0, 3), st.integers(0, 20 * MINUTE)), max_size=40), st.booleans())
def test_the_same_log_gives_the_same_commands(steps: list[tuple[str, int, int]], strict: bool) -> None:
    def run(policies: Policies) -> tuple[list[object], bytes]:
        story = Story(policies)
        found: list[object] = []
        for kind, number, wait in steps:
            job = str(number)
            if kind == "bad":
                found.append(story.bad(job=job, diagnosis=CERTAIN if number == 3 else None))
            elif kind == "retry":
                found.append(story.bad("r", job=job, attempt=2))
            elif kind == "good":
                story.good(wait // MINUTE, job)
            elif kind == "wait":
                found.append(story.wait(wait))
            elif kind == "release":
                found.append(story.operate("release", job_scope(job)))
            else:
                found.append(story.operate("probe_result", job_scope(job), actor="gate"))
        sequences: dict[str, int] = {}
        for command in story.commands:
            if command.scope.kind != "request":
                assert command.sequence == sequences.get(command.scope.id, 0) + 1
                sequences[command.scope.id] = command.sequence
        ids = [command.command_id for command in story.commands]
        assert len(set(ids)) == len(ids)
        return found, encode_target_state(story.state)

    policies = STRICT if strict else EVIDENCE
    assert run(policies) == run(policies)
