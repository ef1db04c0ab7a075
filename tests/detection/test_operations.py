"""What operations of people and gates lead to, and what time alone does."""

from halt400.records import Scope
from streams.detection.mixture import SETTLED
from streams.quarantine.lifecycle import ISSUER
from tests.detection.cases import HOLD, MINUTE, TARGET_SCOPE, Story, job_scope


def probing() -> Story:
    story = Story()
    story.bad()
    story.wait(HOLD)
    return story


def test_a_release_by_a_person_says_who_and_why() -> None:
    story = Story()
    story.bad()
    (command,) = story.operate("release", actor="ana", reason="fixed in r-10").commands
    assert (command.state, command.issued_by, command.reason) == ("released", "ana", "fixed in r-10")


def test_an_operation_that_comes_twice_is_applied_once() -> None:
    story = Story()
    story.bad()
    assert story.operate("extend", hold_s=3_600, operation_id="op").commands
    again = story.operate("extend", hold_s=3_600, operation_id="op")
    assert again.commands == []
    assert "before" in again.why


def test_a_quarantine_by_hand_needs_no_400_and_no_grant() -> None:
    for scope in (job_scope(), TARGET_SCOPE, Scope(kind="request", target=TARGET_SCOPE.target, fingerprint="f")):
        story = Story()
        (command,) = story.operate("quarantine", scope, hold_s=60).commands
        assert (command.scope, command.state, command.issued_by) == (scope, "quarantined", "ana")
        assert story.state.halting_command("j", "f", story.now) == command


def test_what_is_not_quarantined_cannot_be_released_extended_or_probed() -> None:
    for kind in ("release", "extend", "probe_result"):
        decision = Story().operate(kind)
        assert decision.commands == []
        assert "not quarantined" in decision.why


def test_of_three_gates_one_gets_the_lease() -> None:
    story = probing()
    issued = [story.operate("probe_result", actor=gate).commands for gate in ("g1", "g2", "g3")]
    assert [len(commands) for commands in issued] == [1, 0, 0]
    assert (issued[0][0].state, issued[0][0].issued_by) == ("probing", "g1")


def test_the_lease_of_a_gate_that_died_is_given_to_another() -> None:
    story = probing()
    story.operate("probe_result", actor="g1")
    assert story.wait(MINUTE - 1).commands == []
    (wanted,) = story.wait(1).commands
    assert (wanted.state, wanted.issued_by) == ("probing", ISSUER)
    (lease,) = story.operate("probe_result", actor="g3").commands
    assert lease.issued_by == "g3"
    (free,) = story.operate("probe_result", actor="g3", probe_id=lease.command_id, probe_status=200).commands
    assert free.state == "released"


def test_only_the_holder_of_the_lease_may_report() -> None:
    story = probing()
    open_probe = story.commands[-1].command_id
    assert story.operate("probe_result", probe_id=open_probe, probe_status=200).commands == []
    story.operate("probe_result", actor="g1")
    assert story.operate("probe_result", probe_id=open_probe, probe_status=200).commands == []
    assert story.operate("probe_result", probe_id=None, probe_status=200).commands == []


def test_the_machine_itself_claims_no_probe() -> None:
    assert probing().operate("probe_result", actor=ISSUER).commands == []


def test_a_probe_that_got_a_400_is_concluded_once() -> None:
    story = probing()
    (lease,) = story.operate("probe_result", actor="g1").commands
    (held,) = story.bad().commands
    assert held.state == "quarantined"
    late = story.operate("probe_result", actor="g1", probe_id=lease.command_id, probe_status=400)
    assert late.commands == []


def test_a_release_of_the_target_resets_its_evidence() -> None:
    story = Story(history=100_000, jobs=("a", "b"))
    story.operate("quarantine", TARGET_SCOPE)
    for n in range(6):
        story.bad(job="ab"[n % 2])
    story.operate("release", TARGET_SCOPE)
    for mixture in (story.state.mixture, story.state.jobs["a"].mixture):
        assert mixture.evidence() < SETTLED / mixture.p0


def test_the_last_job_released_after_an_alarm_resets_the_targets_evidence() -> None:
    story = Story(history=100_000, jobs=("a", "b"))
    for n in range(6):
        story.bad(job="ab"[n % 2])
    story.now += 1
    story.operate("release", job_scope("a"))
    assert story.state.mixture.evidence() > story.policies.tiers.page
    story.operate("release", job_scope("b"))
    assert story.state.mixture.evidence() < SETTLED / story.state.mixture.p0


def test_time_brings_the_next_transition_when_it_is_due() -> None:
    story = Story()
    assert story.state.next_due() is None
    story.bad()
    assert story.state.next_due() == story.now + HOLD
    assert story.wait(HOLD - 1).commands == []
    assert story.wait(1).commands
    story.operate("release")
    assert story.state.next_due() is None


def test_a_worker_that_was_away_finds_the_scope_expired() -> None:
    story = Story()
    story.bad()
    (command,) = story.wait(10 * HOLD).commands
    assert command.state == "released"
    assert "expired" in command.reason
