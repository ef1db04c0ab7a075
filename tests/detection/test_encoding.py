"""The encoded forms that other processes and later releases read: the state in a row, and `explain` as JSON."""

from base64 import b64decode
from pathlib import Path

import msgspec

from streams.detection import decode_target_state, encode_target_state, explain
from tests.detection.cases import STRICT, TARGET

STORED = b64decode((Path(__file__).parent / "target_state.base64").read_bytes())
"""A row's detection state as an earlier release wrote it: with quarantines, a pending grant, shadow quarantines."""


def test_a_state_that_an_earlier_release_stored_is_read_and_is_the_same_when_it_was_written_again() -> None:
    state = decode_target_state(STORED)
    written = encode_target_state(state)
    assert encode_target_state(decode_target_state(written)) == written
    assert msgspec.msgpack.decode(written)[:5] == msgspec.msgpack.decode(STORED)[:5]
    assert state.name == TARGET
    assert {scope_id: quarantine.command.state for scope_id, quarantine in state.scopes.items()} == {
        f"job/{TARGET}/a": "probing",
        f"job/{TARGET}/b": "probing",
    }
    assert set(state.shadow_scopes) == {f"target/{TARGET}", f"job/{TARGET}/b"}
    assert state.scopes[f"job/{TARGET}/a"].lease_ends is not None
    assert state.pending_grant is not None
    assert (state.pending_grant.grant_id, state.pending_grant.jobs) == (
        "cmd-85644ee83680d957d9241f8d4325fbc7",
        ("a", "b"),
    )
    assert state.alarm.reported == ["page"]
    assert state.last is not None
    assert state.last.event_id == "event-7"


def test_explain_keeps_its_keys() -> None:
    state = decode_target_state(STORED)
    found = msgspec.to_builtins(explain(state, STRICT, 1_700_000_960_000))
    assert list(found) == [
        "target",
        "at_ms",
        "pattern",
        "rule_line",
        "policy",
        "mode",
        "job_tier",
        "reading",
        "jobs",
        "jobs_not_shown",
        "suspect_jobs",
        "suspect_signatures",
        "is_wide",
        "last",
        "requested_at",
        "refused_at",
        "causes",
    ]
    assert list(found["reading"]) == [
        "scope_id",
        "p0",
        "clean_requests",
        "clean_bad_requests",
        "good_since_last",
        "tiers",
        "state",
        "until",
        "reason",
        "changes",
    ]
    assert list(found["reading"]["tiers"][0]) == [
        "tier",
        "evidence",
        "threshold",
        "reached_ratio",
        "bad_requests_to_fire",
    ]
    assert list(found["last"]) == ["at_ms", "event_id", "scope_id", "fired", "why", "command_id"]
    assert list(found["last"].values())[1:4] == ["event-7", f"job/{TARGET}/b", False]
    assert (found["requested_at"], found["refused_at"]) == (1_700_000_960_000, None)
