"""Every transition of a scope, who caused it, and that nothing else is possible."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halt400.records import Scope
from streams.quarantine.ids import command_id
from streams.quarantine.lifecycle import (
    ISSUER,
    Durations,
    Opening,
    QuarantineState,
    claim_probe,
    expire,
    extend,
    open_quarantine,
    probe_answered,
    probe_now,
    release,
    resume,
    tick,
)

NOW = 1_700_000_000_000
DURATIONS = Durations()
HOLD = DURATIONS.hold_s * 1000
CAP = DURATIONS.hold_cap_s * 1000
LEASE = DURATIONS.lease_s * 1000
GRACE = DURATIONS.expiry_grace_s * 1000
SCOPE = Scope(kind="job", target="t", job_id="j")


def opened(now: int = NOW, current: QuarantineState | None = None, hold_s: int | None = None) -> QuarantineState:
    return open_quarantine(current, SCOPE, Opening(cause="r/0/7", reason="400"), now, DURATIONS, hold_s=hold_s)


def probing() -> QuarantineState:
    current = tick(opened(), NOW + HOLD, DURATIONS)
    assert current is not None
    return current


def leased(actor: str = "gate-1") -> QuarantineState:
    current = claim_probe(probing(), "op-claim", NOW + HOLD + 10, DURATIONS, actor=actor)
    assert current is not None
    return current


def released() -> QuarantineState:
    current = release(opened(), "op-r", NOW + 5, actor="ana", reason="mended")
    assert current is not None
    return current


def test_a_quarantine_opens() -> None:
    command = opened().command
    assert (command.state, command.sequence, command.issued_by) == ("quarantined", 1, ISSUER)
    assert command.command_id == command_id("job/t/j", "quarantined", "r/0/7")
    assert command.opened_at == command.issued_at == NOW
    assert command.expires_at == NOW + HOLD + GRACE


def test_the_same_cause_gives_the_same_id_and_another_another() -> None:
    assert opened(NOW + 5).command.command_id == opened().command.command_id
    ids = {
        command_id(scope, state, cause)
        for scope in ("job/t/a", "job/t/b")
        for state in ("quarantined", "released")
        for cause in ("r/0/1", "r/0/2")
    }
    assert len(ids) == 8
    assert all(len(name) == 36 and name.startswith("cmd-") for name in ids)


def test_before_its_hold_is_over_nothing_happens_to_it() -> None:
    assert tick(opened(), NOW + HOLD - 1, DURATIONS) is None


def test_after_the_hold_a_probe_is_wanted_and_gates_still_halt() -> None:
    current = probing()
    assert (current.command.state, current.command.issued_by, current.lease_ends) == (
        "probing",
        ISSUER,
        None,
    )
    assert current.command.sequence == 2
    assert current.command.opened_at == NOW
    assert current.is_halted(NOW + HOLD + 1)


def test_the_first_claim_gets_the_lease_and_the_next_does_not() -> None:
    current = leased("gate-1")
    assert (current.command.state, current.command.issued_by) == ("probing", "gate-1")
    assert current.lease_ends == NOW + HOLD + 10 + LEASE
    assert claim_probe(current, "op-2", NOW + HOLD + 11, DURATIONS, actor="gate-2") is None


def test_gates_halt_through_the_whole_lease_and_its_return() -> None:
    late = tick(probing(), NOW + 1, DURATIONS)
    assert late is None
    current = probing()
    last_moment = current.command.expires_at - 1
    current = claim_probe(current, "op", last_moment, DURATIONS, actor="g")  # type: ignore[assignment]
    assert current.lease_ends is not None
    assert current.command.expires_at > current.lease_ends


def test_a_lease_that_runs_out_can_be_claimed_by_another() -> None:
    current = leased("gate-1")
    assert tick(current, NOW + HOLD + 10 + LEASE - 1, DURATIONS) is None
    again = tick(current, NOW + HOLD + 10 + LEASE, DURATIONS)
    assert again is not None
    assert (again.command.state, again.command.issued_by, again.lease_ends) == ("probing", ISSUER, None)
    assert "gate-1" in again.command.reason
    second = claim_probe(again, "op-3", NOW + HOLD + LEASE + 20, DURATIONS, actor="gate-2")
    assert second is not None
    assert second.command.issued_by == "gate-2"
    assert second.command.command_id != current.command.command_id


@pytest.mark.parametrize("status", [200, 204, 301, 404, 409, 422])
def test_a_probe_that_gets_no_400_releases(status: int) -> None:
    current = probe_answered(leased(), "op", NOW + HOLD + 20, DURATIONS, status=status, actor="gate-1")
    assert current is not None
    assert (current.command.state, current.command.issued_by, current.unproven) == (
        "released",
        "gate-1",
        False,
    )
    assert str(status) in current.command.reason


def test_a_probe_that_gets_a_400_doubles_the_hold_up_to_the_cap() -> None:
    current, now, held = opened(), NOW, []
    for _ in range(12):
        now = current.hold_ends
        current = tick(current, now, DURATIONS)  # type: ignore[assignment]
        current = probe_answered(current, f"op-{now}", now, DURATIONS, status=400)  # type: ignore[assignment]
        assert current.command.state == "quarantined"
        assert current.hold_ends == now + current.hold_ms
        held.append(current.hold_ms)
    assert held == [min(HOLD * 2**n, CAP) for n in range(1, 13)]
    assert held[-1] == 24 * 3_600_000


@pytest.mark.parametrize("status", [401, 403, 407, 408, 425, 429, 500, 502, 503])
def test_a_status_that_decides_nothing_repeats_the_hold(status: int) -> None:
    now = NOW + HOLD + 20
    current = probe_answered(leased(), "op", now, DURATIONS, status=status)
    assert current is not None
    assert (current.command.state, current.hold_ms, current.hold_ends) == ("quarantined", HOLD, now + HOLD)


def test_a_person_releases_from_every_state_with_a_reason() -> None:
    for current in (opened(), probing(), leased()):
        free = release(current, "op", NOW + HOLD + 30, actor="ana", reason="we mended the release")
        assert free is not None
        command = free.command
        assert (command.state, command.issued_by, command.reason) == ("released", "ana", "we mended the release")
        assert command.sequence == current.command.sequence + 1
        assert not free.is_halted(NOW + HOLD + 30)


def test_a_person_extends_and_a_probe_is_cancelled() -> None:
    for current in (opened(), probing(), leased()):
        now = NOW + HOLD + 30
        longer = extend(current, "op", now, DURATIONS, hold_s=7_200, actor="ana", reason="the API is down until four")
        assert longer is not None
        assert (longer.command.state, longer.command.issued_by) == ("quarantined", "ana")
        assert longer.hold_ends == now + 7_200_000
        assert longer.command.expires_at == longer.hold_ends + GRACE


def test_an_extension_never_shortens() -> None:
    current = extend(opened(), "op", NOW + 1, DURATIONS, hold_s=1, actor="ana", reason="x")
    assert current is not None
    assert current.hold_ends == NOW + HOLD


def test_a_quarantine_by_hand_lasts_as_long_as_requested() -> None:
    current = open_quarantine(None, SCOPE, Opening(cause="op", reason="x", issued_by="ana"), NOW, DURATIONS, hold_s=60)
    assert (current.command.issued_by, current.hold_ends) == ("ana", NOW + 60_000)


def test_a_quarantined_scope_is_quarantined_again_and_keeps_opened_at() -> None:
    again = opened(NOW + 1000, opened())
    assert (again.command.opened_at, again.command.issued_at, again.command.sequence) == (NOW, NOW + 1000, 2)


def test_a_scope_released_opens_again_with_the_next_sequence() -> None:
    again = opened(NOW + 1000, released())
    assert (again.command.opened_at, again.command.sequence, again.hold_ms) == (NOW + 1000, 3, HOLD)


def test_a_hold_that_no_worker_ended_expires() -> None:
    current = tick(opened(), NOW + HOLD + GRACE, DURATIONS)
    assert current is not None
    assert (current.command.state, current.command.issued_by, current.unproven) == (
        "released",
        ISSUER,
        True,
    )
    assert "expired" in current.command.reason


def test_a_probe_that_nobody_claims_expires() -> None:
    current = probing()
    assert tick(current, current.command.expires_at - 1, DURATIONS) is None
    free = tick(current, current.command.expires_at, DURATIONS)
    assert free is not None
    assert (free.command.state, free.unproven) == ("released", True)


def test_a_claim_after_the_expiry_comes_too_late() -> None:
    current = probing()
    assert claim_probe(current, "op", current.command.expires_at, DURATIONS, actor="g") is None


def test_a_scope_that_expired_and_breaks_again_is_held_twice_as_long() -> None:
    current = expire(opened(), NOW + HOLD, "over")
    assert opened(NOW + HOLD + 1, current).hold_ms == 2 * HOLD
    assert opened(NOW + 3 * HOLD, current).hold_ms == HOLD
    assert opened(NOW + HOLD + 1, current, hold_s=5).hold_ms == 5_000


def test_a_single_request_expires_without_a_probe() -> None:
    scope = Scope(kind="request", target="t", fingerprint="f")
    current = open_quarantine(None, scope, Opening(cause="r/0/1", reason="x"), NOW, DURATIONS)
    free = tick(current, NOW + HOLD, DURATIONS)
    assert free is not None
    assert free.command.state == "released"


def test_a_released_scope_stays_released() -> None:
    current = released()
    assert tick(current, NOW + 10 * CAP, DURATIONS) is None
    assert release(current, "op", NOW, actor="a", reason="r") is None
    assert extend(current, "op", NOW, DURATIONS, hold_s=5, actor="a", reason="r") is None
    assert claim_probe(current, "op", NOW, DURATIONS, actor="g") is None
    assert probe_answered(current, "op", NOW, DURATIONS, status=200) is None


def test_a_quarantined_scope_gives_no_lease_and_takes_no_probe_result() -> None:
    assert claim_probe(opened(), "op", NOW, DURATIONS, actor="g") is None
    assert probe_answered(opened(), "op", NOW, DURATIONS, status=200) is None


@pytest.mark.parametrize("make", [opened, probing, leased, released])
def test_a_scope_is_restored_from_its_last_command(make: object) -> None:
    current = make()  # type: ignore[operator]
    restored = resume(current.command, DURATIONS)
    assert restored.command == current.command
    assert restored.due() is None if current.due() is None else restored.due() is not None
    if current.command.state == "quarantined":
        assert (restored.hold_ends, restored.hold_ms) == (current.hold_ends, current.hold_ms)
    if current.lease_ends is not None:
        assert restored.lease_ends == current.lease_ends


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["tick", "claim", "200", "400", "503", "release", "extend", "open"]), st.integers(0, 2 * HOLD)
    ),
    max_size=30,
)


@given(STEPS)
def test_whatever_happens_sequences_rise_and_states_are_sound(steps: list[tuple[str, int]]) -> None:
    current, now = opened(), NOW
    for number, (step, wait) in enumerate(steps):
        now += wait
        cause = f"c{number}"
        before = current
        following: QuarantineState | None
        if step == "tick":
            following = tick(current, now, DURATIONS)
        elif step == "claim":
            following = claim_probe(current, cause, now, DURATIONS, actor="g")
        elif step == "release":
            following = release(current, cause, now, actor="a", reason="r")
        elif step == "extend":
            following = extend(current, cause, now, DURATIONS, hold_s=None, actor="a", reason="r")
        elif step == "open":
            following = open_quarantine(current, SCOPE, Opening(cause=cause, reason="x"), now, DURATIONS)
        else:
            following = probe_answered(current, cause, now, DURATIONS, status=int(step))
        if following is None:
            continue
        current = following
        command = current.command
        assert command.sequence == before.command.sequence + 1
        assert command.command_id != before.command.command_id
        assert command.issued_at == now
        assert current.is_halted(now) == (command.state != "released")
        assert (current.lease_ends is not None) <= (command.state == "probing")
        assert HOLD <= current.hold_ms <= CAP
        due = current.due()
        assert due is None or due <= command.expires_at


def test_a_person_asks_for_a_probe_before_the_hold_is_over_and_the_hold_still_doubles() -> None:
    current = probe_now(opened(), "op-p", NOW + 7, DURATIONS, actor="ana", reason="4.2.1 is out")
    assert current is not None
    command = current.command
    assert (command.state, command.issued_by) == ("probing", ISSUER)
    assert command.reason == "ana asks for a probe: 4.2.1 is out"
    assert command.command_id == command_id("job/t/j", "probing", "op-p")
    assert claim_probe(current, "op-claim", NOW + 8, DURATIONS, actor="gate-1") is not None, "a gate takes it at once"
    failed = probe_answered(current, "op-f", NOW + 9, DURATIONS, status=400)
    assert failed is not None
    assert failed.hold_ms == 2 * HOLD


def test_only_what_is_quarantined_and_can_be_probed_is_probed_now() -> None:
    single = Scope(kind="request", target="t", fingerprint="f")
    request = open_quarantine(None, single, Opening(cause="r/0/7", reason="400"), NOW, DURATIONS)
    for current, now in ((probing(), NOW), (released(), NOW), (request, NOW), (opened(), NOW + HOLD + GRACE)):
        assert probe_now(current, "op-p", now, DURATIONS, actor="ana", reason="now") is None
