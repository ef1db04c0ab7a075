"""Every transition of a scope's life, who caused it, and that nothing else is possible."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halt400.records import Scope
from streams.detection import ISSUER, Holds, Life, command_id
from streams.quarantine.lifecycle import (
    Opening,
    claim_probe,
    expire,
    extend,
    open_quarantine,
    probe_answered,
    release,
    resume,
    tick,
)

NOW = 1_700_000_000_000
HOLDS = Holds()
HOLD = HOLDS.hold_s * 1000
CAP = HOLDS.hold_cap_s * 1000
LEASE = HOLDS.lease_s * 1000
GRACE = HOLDS.expiry_grace_s * 1000
SCOPE = Scope(kind="job", target="t", job_id="j")


def opened(now: int = NOW, life: Life | None = None, hold_s: int | None = None) -> Life:
    return open_quarantine(life, SCOPE, Opening(cause="r/0/7", reason="400"), now, HOLDS, hold_s=hold_s)


def probing() -> Life:
    life = tick(opened(), NOW + HOLD, HOLDS)
    assert life is not None
    return life


def leased(actor: str = "gate-1") -> Life:
    life = claim_probe(probing(), "op-claim", NOW + HOLD + 10, HOLDS, actor=actor)
    assert life is not None
    return life


def released() -> Life:
    life = release(opened(), "op-r", NOW + 5, actor="ana", reason="mended")
    assert life is not None
    return life


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
    assert tick(opened(), NOW + HOLD - 1, HOLDS) is None


def test_after_the_hold_a_probe_is_wanted_and_gates_still_halt() -> None:
    life = probing()
    assert (life.command.state, life.command.issued_by, life.lease_ends) == ("probing", ISSUER, None)
    assert life.command.sequence == 2
    assert life.command.opened_at == NOW
    assert life.holds(NOW + HOLD + 1)


def test_the_first_claim_gets_the_lease_and_the_next_does_not() -> None:
    life = leased("gate-1")
    assert (life.command.state, life.command.issued_by) == ("probing", "gate-1")
    assert life.lease_ends == NOW + HOLD + 10 + LEASE
    assert claim_probe(life, "op-2", NOW + HOLD + 11, HOLDS, actor="gate-2") is None


def test_gates_halt_through_the_whole_lease_and_its_return() -> None:
    late = tick(probing(), NOW + 1, HOLDS)
    assert late is None
    life = probing()
    last_moment = life.command.expires_at - 1
    life = claim_probe(life, "op", last_moment, HOLDS, actor="g")  # type: ignore[assignment]
    assert life.lease_ends is not None
    assert life.command.expires_at > life.lease_ends


def test_a_lease_that_runs_out_is_opened_again_for_another() -> None:
    life = leased("gate-1")
    assert tick(life, NOW + HOLD + 10 + LEASE - 1, HOLDS) is None
    again = tick(life, NOW + HOLD + 10 + LEASE, HOLDS)
    assert again is not None
    assert (again.command.state, again.command.issued_by, again.lease_ends) == ("probing", ISSUER, None)
    assert "gate-1" in again.command.reason
    second = claim_probe(again, "op-3", NOW + HOLD + LEASE + 20, HOLDS, actor="gate-2")
    assert second is not None
    assert second.command.issued_by == "gate-2"
    assert second.command.command_id != life.command.command_id


@pytest.mark.parametrize("status", [200, 204, 301, 404, 409, 422])
def test_a_probe_that_gets_no_400_releases(status: int) -> None:
    life = probe_answered(leased(), "op", NOW + HOLD + 20, HOLDS, status=status, actor="gate-1")
    assert life is not None
    assert (life.command.state, life.command.issued_by, life.unproven) == ("released", "gate-1", False)
    assert str(status) in life.command.reason


def test_a_probe_that_gets_a_400_doubles_the_hold_up_to_the_cap() -> None:
    life, now, held = opened(), NOW, []
    for _ in range(12):
        now = life.hold_ends
        life = tick(life, now, HOLDS)  # type: ignore[assignment]
        life = probe_answered(life, f"op-{now}", now, HOLDS, status=400)  # type: ignore[assignment]
        assert life.command.state == "quarantined"
        assert life.hold_ends == now + life.hold_ms
        held.append(life.hold_ms)
    assert held == [min(HOLD * 2**n, CAP) for n in range(1, 13)]
    assert held[-1] == 24 * 3_600_000


@pytest.mark.parametrize("status", [401, 403, 407, 408, 425, 429, 500, 502, 503])
def test_an_answer_that_decides_nothing_repeats_the_hold(status: int) -> None:
    now = NOW + HOLD + 20
    life = probe_answered(leased(), "op", now, HOLDS, status=status)
    assert life is not None
    assert (life.command.state, life.hold_ms, life.hold_ends) == ("quarantined", HOLD, now + HOLD)


def test_a_person_releases_from_every_state_with_a_reason() -> None:
    for life in (opened(), probing(), leased()):
        free = release(life, "op", NOW + HOLD + 30, actor="ana", reason="we mended the release")
        assert free is not None
        command = free.command
        assert (command.state, command.issued_by, command.reason) == ("released", "ana", "we mended the release")
        assert command.sequence == life.command.sequence + 1
        assert not free.holds(NOW + HOLD + 30)


def test_a_person_extends_and_a_probe_is_called_off() -> None:
    for life in (opened(), probing(), leased()):
        now = NOW + HOLD + 30
        longer = extend(life, "op", now, HOLDS, hold_s=7_200, actor="ana", reason="the API is down until four")
        assert longer is not None
        assert (longer.command.state, longer.command.issued_by) == ("quarantined", "ana")
        assert longer.hold_ends == now + 7_200_000
        assert longer.command.expires_at == longer.hold_ends + GRACE


def test_an_extension_never_shortens() -> None:
    life = extend(opened(), "op", NOW + 1, HOLDS, hold_s=1, actor="ana", reason="x")
    assert life is not None
    assert life.hold_ends == NOW + HOLD


def test_a_quarantine_by_hand_lasts_as_long_as_asked() -> None:
    life = open_quarantine(None, SCOPE, Opening(cause="op", reason="x", issued_by="ana"), NOW, HOLDS, hold_s=60)
    assert (life.command.issued_by, life.hold_ends) == ("ana", NOW + 60_000)


def test_a_scope_held_already_is_held_anew_and_remembers_since_when() -> None:
    again = opened(NOW + 1000, opened())
    assert (again.command.opened_at, again.command.issued_at, again.command.sequence) == (NOW, NOW + 1000, 2)


def test_a_scope_released_opens_again_with_the_next_sequence() -> None:
    again = opened(NOW + 1000, released())
    assert (again.command.opened_at, again.command.sequence, again.hold_ms) == (NOW + 1000, 3, HOLD)


def test_a_hold_that_no_worker_ended_expires() -> None:
    life = tick(opened(), NOW + HOLD + GRACE, HOLDS)
    assert life is not None
    assert (life.command.state, life.command.issued_by, life.unproven) == ("released", ISSUER, True)
    assert "expired" in life.command.reason


def test_a_probe_that_nobody_claims_expires() -> None:
    life = probing()
    assert tick(life, life.command.expires_at - 1, HOLDS) is None
    free = tick(life, life.command.expires_at, HOLDS)
    assert free is not None
    assert (free.command.state, free.unproven) == ("released", True)


def test_a_claim_after_the_expiry_comes_too_late() -> None:
    life = probing()
    assert claim_probe(life, "op", life.command.expires_at, HOLDS, actor="g") is None


def test_what_expired_unproven_and_breaks_again_is_held_twice_as_long() -> None:
    life = expire(opened(), NOW + HOLD, "over")
    assert opened(NOW + HOLD + 1, life).hold_ms == 2 * HOLD
    assert opened(NOW + 3 * HOLD, life).hold_ms == HOLD
    assert opened(NOW + HOLD + 1, life, hold_s=5).hold_ms == 5_000


def test_a_single_request_expires_without_a_probe() -> None:
    scope = Scope(kind="request", target="t", fingerprint="f")
    life = open_quarantine(None, scope, Opening(cause="r/0/1", reason="x"), NOW, HOLDS)
    free = tick(life, NOW + HOLD, HOLDS)
    assert free is not None
    assert free.command.state == "released"


def test_what_is_released_stays_so() -> None:
    life = released()
    assert tick(life, NOW + 10 * CAP, HOLDS) is None
    assert release(life, "op", NOW, actor="a", reason="r") is None
    assert extend(life, "op", NOW, HOLDS, hold_s=5, actor="a", reason="r") is None
    assert claim_probe(life, "op", NOW, HOLDS, actor="g") is None
    assert probe_answered(life, "op", NOW, HOLDS, status=200) is None


def test_a_quarantine_gives_no_lease_and_takes_no_answer() -> None:
    assert claim_probe(opened(), "op", NOW, HOLDS, actor="g") is None
    assert probe_answered(opened(), "op", NOW, HOLDS, status=200) is None


@pytest.mark.parametrize("make", [opened, probing, leased, released])
def test_a_life_is_taken_up_from_its_last_command(make: object) -> None:
    life = make()  # type: ignore[operator]
    taken_up = resume(life.command, HOLDS)
    assert taken_up.command == life.command
    assert taken_up.due() is None if life.due() is None else taken_up.due() is not None
    if life.command.state == "quarantined":
        assert (taken_up.hold_ends, taken_up.hold_ms) == (life.hold_ends, life.hold_ms)
    if life.lease_ends is not None:
        assert taken_up.lease_ends == life.lease_ends


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["tick", "claim", "200", "400", "503", "release", "extend", "open"]), st.integers(0, 2 * HOLD)
    ),
    max_size=30,
)


@given(STEPS)
def test_whatever_happens_sequences_rise_and_states_are_sound(steps: list[tuple[str, int]]) -> None:
    life, now = opened(), NOW
    for number, (step, wait) in enumerate(steps):
        now += wait
        cause = f"c{number}"
        before = life
        following: Life | None
        if step == "tick":
            following = tick(life, now, HOLDS)
        elif step == "claim":
            following = claim_probe(life, cause, now, HOLDS, actor="g")
        elif step == "release":
            following = release(life, cause, now, actor="a", reason="r")
        elif step == "extend":
            following = extend(life, cause, now, HOLDS, hold_s=None, actor="a", reason="r")
        elif step == "open":
            following = open_quarantine(life, SCOPE, Opening(cause=cause, reason="x"), now, HOLDS)
        else:
            following = probe_answered(life, cause, now, HOLDS, status=int(step))
        if following is None:
            continue
        life = following
        command = life.command
        assert command.sequence == before.command.sequence + 1
        assert command.command_id != before.command.command_id
        assert command.issued_at == now
        assert life.holds(now) == (command.state != "released")
        assert (life.lease_ends is not None) <= (command.state == "probing")
        assert HOLD <= life.hold_ms <= CAP
        due = life.due()
        assert due is None or due <= command.expires_at
