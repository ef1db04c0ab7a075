"""What a notification says, and what it never shows."""

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halt400.records import Command
from halt400.redaction import RedactionRules, Redactor
from streams.alerts.compose import compose, estimate_savings
from streams.alerts.incidents import Incidents
from streams.alerts.notification import last_sent_after
from streams.alerts.notification_texts import labelled_texts
from streams.alerts.routing import PlannedDelivery
from streams.quarantine.not_sent import NotSent
from tests.alerts.examples import (
    MINUTE,
    ONCALL,
    T0,
    TARGET,
    command,
    diagnosis,
    finding,
    incidents,
    notification,
    only,
    texts,
)


def texts_of(*commands: Command) -> dict[str, str]:
    return texts(only(incidents(*commands)))


def test_it_says_what_broke_since_when_why_and_how_to_release_it() -> None:
    found = texts_of(command("extract-099"))
    assert found["title"] == f"{TARGET}: job extract-099 is halted: malformed_json"
    assert found["What broke"] == f"400 Bad Request to POST of job extract-099 on {TARGET}"
    assert found["Since"] == "2025-11-23 04:00:00Z"
    assert found["Cause"] == "malformed_json (blame: request, confidence 98%)"
    assert found["Remedy"] == "Close the object: a brace is missing at the end of the body."
    assert found["Evidence"] == 'body line 3 column 7: unexpected end: {"sku": 1'
    assert found["Responses before"] == "12 of 7,200 were 400 in 1 h (0.17%)"
    assert found["Archive"] == f"file:///var/lib/halt400/{TARGET}/1.har"
    assert found["See it"] == f"halt400 archive show file:///var/lib/halt400/{TARGET}/1.har"
    assert found["Release"] == f'halt400 release job/{TARGET}/extract-099 --reason "..."'
    assert found["Acknowledge"] == f"halt400 alerts ack {TARGET}/malformed_json"


def test_a_target_a_number_of_jobs_and_the_fleet_have_titles_of_their_own() -> None:
    assert texts_of(command(None))["title"] == f"{TARGET} is halted as a whole: malformed_json"
    by_hand = texts_of(command(None, cause=None, issued_by="mia", reason="they migrate"))
    assert by_hand["title"] == f"{TARGET} is halted as a whole: quarantine by mia"
    assert texts_of(command("a"), command("b"))["title"] == f"{TARGET}: 2 jobs are halted: malformed_json"
    assert texts_of(command(None, target="*"))["title"] == "The fleet is at fault: malformed_json"


def test_many_jobs_are_counted_and_ten_are_named() -> None:
    found = texts_of(*(command(f"job-{number:02}") for number in range(25)))
    assert found["Halted"].splitlines()[-1] == "and 15 more"
    assert len(found["Release"].splitlines()) == 5


def test_the_release_command_is_safe_to_paste_whatever_the_job_is_called() -> None:
    name = "x; rm -rf $(pwd) 'y'"
    words = shlex.split(texts_of(command(name))["Release"])
    assert words == ["halt400", "release", f"job/{TARGET}/{name}", "--reason", "..."]


def test_the_savings_are_an_estimate_with_its_basis() -> None:
    applied = incidents(command(None, expires_at=T0 + 60 * MINUTE))
    saved = estimate_savings(only(applied), T0 + 31 * MINUTE)
    assert saved is not None
    assert saved.requests == 31 * 60 * 2  # 7,200 in the hour before: 2 a second
    applied.apply(command(None, "released", sequence=2), T0 + 30 * MINUTE)
    after = estimate_savings(only(applied), T0 + 500 * MINUTE)
    assert after is not None
    assert after.requests == 30 * 60 * 2


def test_the_count_of_the_gates_is_shown_beside_the_estimate_for_a_whole_target() -> None:
    def saved(job: str | None, counted: NotSent | None) -> str:
        incident, now = only(incidents(command(job))), T0 + 5 * MINUTE
        found = compose(incident, PlannedDelivery("pager", ONCALL, "update", now), None, now, str, counted)
        return dict(labelled_texts(found))["Requests saved"]

    assert saved("extract-099", NotSent(requests=4998, gates=1)) == "4,998, counted by 1 gate"
    first, second = saved(None, NotSent(requests=1234567, gates=3000)).splitlines()
    assert first == "1,234,567, counted by 3,000 gates"
    assert second.startswith("about 600 by its former traffic")


def test_a_finding_without_quarantines_shows_no_savings() -> None:
    found = Incidents(0)
    found.apply_finding(finding("retry_loop"), T0)
    notification_of_it = compose(only(found), PlannedDelivery("pager", ONCALL, "trigger", T0), None, T0, str)
    assert "Requests saved" not in dict(labelled_texts(notification_of_it))


def test_no_number_is_shown_that_the_figures_do_not_give() -> None:
    later = T0 + 10 * MINUTE
    assert estimate_savings(only(incidents(command("one-job"))), later) is None  # the figures count the whole target
    assert estimate_savings(only(incidents(command(None, windows=[]))), later) is None
    assert estimate_savings(only(incidents(command(None))), T0) is None
    assert texts_of(command("one-job"))["Requests saved"] == "none counted so far"
    undiagnosed = texts_of(command("a", cause=None))
    assert undiagnosed["Cause"] == "unknown (not diagnosed)"
    assert "Remedy" not in undiagnosed


def test_nothing_is_saved_by_a_quarantine_that_has_expired() -> None:
    incident = only(incidents(command(None)))
    saved = estimate_savings(incident, T0 + 600 * MINUTE)
    assert saved is not None
    assert saved.halted_s == 15 * 60


def test_a_resolve_says_who_released_it_why_and_how_much_it_saved() -> None:
    applied = incidents(command(None))
    applied.apply(command(None, "released", sequence=2, issued_by="alice", reason="template mended"), T0 + 5 * MINUTE)
    now = T0 + 6 * MINUTE
    found = dict(
        labelled_texts(compose(only(applied), PlannedDelivery("pager", ONCALL, "resolve", now), None, now, str))
    )
    assert found["Over"] == "2025-11-23 04:05:00Z by alice: template mended"
    assert found["Requests saved"].startswith("about 600 by its former traffic (5 min at 2 a second")
    assert "Release" not in found


def test_every_text_of_a_scraper_is_redacted() -> None:
    secret = "hunter2-hunter2"
    applied = incidents(
        command(
            f"job-{secret}",
            reason=f"reason {secret}",
            archive_uri=f"file:///x/{secret}",
            diagnosis=diagnosis(remedy=f"drop {secret}"),
        )
    )
    applied.apply(command(f"job-{secret}", "released", sequence=2, reason=f"it was {secret}", issued_by=secret), T0)
    for action in ("trigger", "resolve"):
        found = compose(
            only(applied),
            PlannedDelivery("pager", ONCALL, action, T0),  # type: ignore[arg-type]
            None,
            T0,
            lambda text: text.replace(secret, "(redacted)"),
        )
        assert secret not in str([*labelled_texts(found), found.title, found.dedup_key])


def test_the_archives_redaction_removes_secrets_from_an_alert_and_leaves_the_rest() -> None:
    redactor = Redactor(RedactionRules(), b"a key for the tests of alerts")
    secret = "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc"
    header = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
    applied = incidents(
        command(
            "extract-099",
            reason=f"400 to POST https://ann:pa55word@{TARGET}/?api_key={secret}",
            diagnosis=diagnosis(remedy=f"Do not send Authorization: Bearer {header}"),
        )
    )
    found = compose(only(applied), PlannedDelivery("pager", ONCALL, "trigger", T0), None, T0, redactor.text)
    text = str([*labelled_texts(found), found.title])
    for hidden in (secret, header, "pa55word"):
        assert hidden not in text
    assert found.release_commands == [f'halt400 release job/{TARGET}/extract-099 --reason "..."']
    assert found.dedup_key == f"halt400/{TARGET}/malformed_json"
    assert found.title == f"{TARGET}: job extract-099 is halted: malformed_json"


def test_the_same_message_has_the_same_id_and_another_another() -> None:
    first, again, end = notification(), notification(now=T0 + 5), notification("resolve")
    assert first.id == again.id
    assert first.id != end.id
    assert first.dedup_key == end.dedup_key == f"halt400/{TARGET}/malformed_json"


def test_an_update_to_a_state_that_was_sent_before_is_another_message() -> None:
    """Probing, quarantined, probing again: a receiver that remembers ids would drop the last one."""
    applied, ids = incidents(command("extract-099")), []
    for sequence, state in enumerate(("probing", "quarantined", "probing"), 2):
        at = T0 + sequence * MINUTE
        applied.apply(command("extract-099", state, sequence=sequence, at=at), at)
        planned = PlannedDelivery("pager", ONCALL, "update", at)
        found, again = (compose(only(applied), planned, None, at + n, str) for n in range(2))
        assert found.id == again.id
        ids.append(found.id)
        applied.record_sent(found.incident, "pager", last_sent_after(found, None, accepted=True))
    assert len(set(ids)) == 3


@pytest.mark.slow
@given(st.text(max_size=80), st.text(min_size=1, max_size=80))
def test_no_text_forges_a_line_or_turns_the_reading_direction(reason: str, job: str) -> None:
    found = texts_of(command(job, reason=reason))
    for label in ("title", "What broke", "Release"):
        text = found.get(label, "")
        assert len(text.splitlines()) <= 1
        assert not set(text) & set("\u202e\u2066\u200f\x1b\x00\r\u2028")


@pytest.mark.parametrize(
    ("owner", "told"),
    [
        ("team-identity", "team-identity, who owns the credential"),
        (None, 'nobody is known to own the credential; name them: [[alerts.owner]] with cause = "credential_rejected"'),
    ],
)
def test_who_owns_a_rejected_credential_is_to_be_told(owner, told) -> None:
    incident = only(incidents(command("a", cause="credential_rejected")))
    planned = PlannedDelivery("pager", ONCALL, "trigger", T0)
    assert dict(labelled_texts(compose(incident, planned, owner, T0, str)))["Tell"] == told
    assert "Tell" not in texts_of(command("a"))
