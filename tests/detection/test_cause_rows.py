"""Each cause of a 400 leads to what its row says; a mistake in a row is named with its line."""

import pytest

from halt400.errors import SettingError
from halt400.records import Blame, Cause, Diagnosis
from streams.detection import explain, parse_policies
from tests.detection.cases import EVIDENCE, NOW, STRICT, TARGET, Story

EXPIRED_KEY = Diagnosis(cause="credential_rejected", blame="credential", confidence=0.96, remedy="Renew it.")
OLD_CURSOR = Diagnosis(cause="expired_state", blame="state", confidence=0.96, remedy="Start again from its source.")


def limit(retry_after_s: int | None = None) -> Diagnosis:
    return Diagnosis(cause="rate_limited", blame="nobody", confidence=0.96, remedy="Wait.", retry_after_s=retry_after_s)


def diagnosed(cause: Cause, blame: Blame = "request") -> Diagnosis:
    return Diagnosis(cause=cause, blame=blame, confidence=0.9, remedy="…")


@pytest.mark.parametrize("policies", [STRICT, EVIDENCE], ids=["strict", "evidence"])
def test_a_rejected_credential_holds_its_job_under_either_policy(policies) -> None:
    (command,) = Story(policies).bad(diagnosis=EXPIRED_KEY).commands
    assert (command.scope.kind, command.expires_at - NOW, command.severity) == ("job", 1_020_000, None)
    assert "hold (built in)" in command.reason


@pytest.mark.parametrize(("stated_s", "held_s"), [(30, 30), (None, 60), (1_000_000, 86_400)])
def test_a_limit_holds_its_job_for_the_stated_time_and_pages_nobody_at_first(stated_s, held_s) -> None:
    (command,) = Story(EVIDENCE).bad(diagnosis=limit(stated_s)).commands
    assert (command.scope.kind, command.severity) == ("job", "ticket")
    assert command.expires_at - NOW == (held_s + 120) * 1000


def test_a_second_limit_soon_after_is_alerted_as_the_routes_say() -> None:
    story = Story()
    story.bad(diagnosis=limit(30))
    story.wait(30_000)
    (repeated,) = story.bad(diagnosis=limit(45)).commands
    assert (repeated.state, repeated.severity) == ("quarantined", None)
    assert "rate_limited" in repeated.reason
    assert repeated.expires_at - story.now == (45 + 120) * 1000
    story.wait(45_000)
    story.operate("release")
    story.wait(1_000)
    (again,) = story.bad(diagnosis=limit(30)).commands
    assert again.severity is None


def test_limits_never_become_an_alarm_of_the_target() -> None:
    story = Story(history=10_000, jobs=tuple("abcdefgh"))
    for number, job in enumerate("abcdefgh" * 4):
        decision = story.bad(number, job=job, diagnosis=limit(1))
        assert not decision.findings
        assert decision.pending_grant is None
    broken = Story(history=10_000, jobs=tuple("abcdefgh"))
    found = [
        broken.bad(number, job=job, diagnosis=diagnosed("schema_violation")) for number, job in enumerate("abcdefgh")
    ]
    assert any(decision.pending_grant is not None for decision in found)


@pytest.mark.parametrize("policies", [STRICT, EVIDENCE], ids=["strict", "evidence"])
def test_expired_state_is_a_ticket_for_the_request_and_its_job_goes_on(policies) -> None:
    story = Story(policies)
    (command,) = story.bad("page-7", diagnosis=OLD_CURSOR).commands
    assert (command.scope.kind, command.severity) == ("request", "ticket")
    assert not story.bad("page-7", attempt=2, diagnosis=OLD_CURSOR).commands
    (other,) = story.bad("page-8", diagnosis=OLD_CURSOR).commands
    assert other.scope.kind == "request"


def test_a_probe_that_meets_a_row_repeats_its_hold_and_one_that_meets_a_defect_doubles_it() -> None:
    story = Story()
    story.bad(diagnosis=diagnosed("malformed_json"))
    story.wait(900_000)
    (undecided,) = story.bad(diagnosis=OLD_CURSOR).commands
    assert undecided.expires_at - story.now == 1_020_000
    assert "decides nothing" in undecided.reason
    story.wait(900_000)
    (doubled,) = story.bad(diagnosis=diagnosed("malformed_json")).commands
    assert doubled.expires_at - story.now == 1_920_000


def test_a_policy_may_hold_page_ticket_ignore_or_leave_each_cause_to_itself() -> None:
    policies = parse_policies(
        "[defaults]\n"
        '[defaults.causes]\nwaf_block = "page"\ntransient = "ignore"\nexpired_state = "policy"\n'
        '[[targets]]\npattern = "api.*"\ncauses = { schema_violation = { action = "hold", hold_s = 3600 } }\n'
    )
    story = Story(policies)
    (paged,) = story.bad(diagnosis=diagnosed("waf_block", "waf")).commands
    assert (paged.scope.kind, paged.severity) == ("request", "page")
    ignored = story.bad(diagnosis=diagnosed("transient", "target"))
    assert not ignored.commands
    assert not ignored.findings
    assert ignored.why == "the row of its cause applies, transient: ignore (line 4)"
    (held,) = story.bad(diagnosis=OLD_CURSOR).commands
    assert (held.scope.kind, "policy strict" in held.reason) == ("job", True)
    (long,) = story.bad(job="other", diagnosis=diagnosed("schema_violation")).commands
    assert long.expires_at - story.now == (3600 + 120) * 1000


def test_explain_lists_the_rows_and_says_which_applied() -> None:
    story = Story()
    story.bad(diagnosis=limit(30))
    lines = "\n".join(explain(story.state, STRICT, NOW).lines())
    assert "a 400 of cause expired_state: ticket (built in)" in lines
    assert "the row of its cause applies: hold for the stated time, else 60 s (built in), 30 s" in lines
    assert TARGET in lines


@pytest.mark.parametrize(
    ("row", "parts"),
    [
        ('rate_limit = "hold"', ["rate_limit", "no such cause", "Did you mean rate_limited?"]),
        ('rate_limited = "halt"', ["'halt'", "no such action", '"hold"']),
        ("rate_limited = 60", ["60", "not an action"]),
        ('rate_limited = { action = "hold", hold = 60 }', ["hold", "Did you mean hold_s?"]),
        ('rate_limited = { action = "hold", hold_s = "60" }', ["'60'", "whole number"]),
        ('rate_limited = { action = "hold", hold_s = 0 }', ["out of range", "31,536,000"]),
        ('rate_limited = { action = "hold", stated = 1 }', ["neither true nor false"]),
        ('rate_limited = { action = "ticket", hold_s = 60 }', ["has a time and holds nothing"]),
        ("rate_limited = { hold_s = 60 }", ["no such action"]),
    ],
)
def test_a_mistake_in_a_row_is_named_with_its_line(row, parts) -> None:
    with pytest.raises(SettingError) as error:
        parse_policies(f"[defaults.causes]\n\n{row}\n")
    told = f"{error.value}"
    assert "halt400.toml, line 3" in told
    assert all(part in told for part in parts), told


def test_causes_that_are_no_table_are_named() -> None:
    with pytest.raises(SettingError, match="not a table"):
        parse_policies('[defaults]\ncauses = "hold"\n')
