"""The checker finds no fault with a healthy history, and each planted violation of each invariant."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from chaos.checker import check
from chaos.history import ArchiveListing, CommitSample, History, LogRecord, QuarantinesAnswer, TopicFault, WorkerEnd
from halt400.records import Command
from halt400.windows import decode_row, encode_row
from tests.chaos.healthy import GATE, NOW, SCOPE, TARGET, dead_letter_headers, event, healthy, knows, sent

encode = msgspec.json.encode
Plant = Callable[[History], Any]


def commands(history: History) -> list[Command]:
    return [command for _, command in history.commands()]


def append(history: History, topic: str, value: bytes, key: bytes | None = None, at_ms: int = NOW + 50) -> None:
    log = history.topics[topic]
    log.append(LogRecord(0, log[-1].offset + 1, at_ms, key if key is not None else log[-1].key, value))


def recount(history: History) -> None:
    (record,) = history.topics["rates"]
    row = decode_row(record.value or b"")
    row.count(NOW, 200)
    history.topics["rates"] = [record._replace(value=encode_row(row))]


def lose_row(history: History) -> None:
    history.topics["rates"] = []


def cut_changelog(history: History) -> None:
    """The rows are deleted, and made anew with other places on the log."""
    history.deleted = {"rates": history.topics["rates"]}
    history.topics["rates"] = [record._replace(offset=record.offset + 1) for record in history.deleted["rates"]]


def cut_changelog_for_good(history: History) -> None:
    cut_changelog(history)
    history.topics["rates"] = []


def lose_acknowledged(history: History) -> None:
    history.scrapers["s"].insert(0, sent(77, NOW))


def lose_dead_letter(history: History, number: int) -> None:
    del history.topics["responses.dlq"][number]


def refuse_a_good_event(history: History) -> None:
    letters = history.topics["responses.dlq"]
    letters.append(letters[0]._replace(offset=2, headers=dead_letter_headers(0)))


def another_offence(history: History) -> None:
    (_, offence), *_ = history.offences()
    append(
        history,
        "offences",
        encode(msgspec.structs.replace(offence, event=msgspec.structs.replace(offence.event, id="other"))),
    )


def offence_of_no_400(history: History) -> None:
    (_, offence), *_ = history.offences()
    source = msgspec.structs.replace(offence.source, offset=4)
    append(history, "offences", encode(msgspec.structs.replace(offence, source=source)))


def lose_manifest(history: History) -> None:
    history.manifests = {}


def surplus_object(history: History) -> None:
    history.objects |= {f"{TARGET}/2025-10-09/c.responses-0-{99:020d}.har"}


def lose_object(history: History) -> None:
    history.objects = frozenset(key for key in history.objects if not key.endswith(".har"))


def reissue(history: History, **changes: Any) -> None:
    append(history, "control", encode(msgspec.structs.replace(commands(history)[-1], **changes)))


def second_opening(history: History) -> None:
    reissue(history, command_id="cmd-3", sequence=3, issued_at=NOW + 60, state="quarantined", opened_at=NOW + 60)


def probing(history: History, issued_by: str) -> Command:
    opened = commands(history)[0]
    return msgspec.structs.replace(opened, command_id="cmd-p", state="probing", sequence=2, issued_by=issued_by)


def pass_without_lease(history: History) -> None:
    history.scrapers["s"][6:7] = [knows(probing(history, "gate/other"), NOW + 12), sent(4, NOW + 13)]


def two_probes(history: History) -> None:
    lease = knows(probing(history, GATE), NOW + 12)
    history.scrapers["s"][6:7] = [lease, sent(3, NOW + 13), sent(4, NOW + 14)]


def late_stale_command(history: History) -> None:
    """A worker that was expelled writes the command that it holds to be the next, with the time of now."""
    reissue(history, command_id="cmd-stale", sequence=1, state="quarantined", issued_at=NOW + 90)


def commit_too_far(history: History, **ends: int) -> None:
    sample = history.commits[0]
    history.commits = [CommitSample(sample.at_ms, "responses", 0, 8, sample.ends | ends)]


def commit_unarchived(history: History) -> None:
    history.listings = [ArchiveListing(NOW, {0: 2}, frozenset())]


def uncommitted(history: History) -> None:
    history.committed["responses", 0] = 5


def answer(history: History, sequence: int, state: str, not_sent: int = 9) -> None:
    scopes = {SCOPE.id: (sequence, state, not_sent)}
    history.quarantine_answers.append(QuarantinesAnswer("w", NOW + 9_060, scopes, NOW + 9_070))


def old_answer_that_is_not_stale(history: History) -> None:
    history.rows_answers[0] = history.rows_answers[0]._replace(asked_ms=NOW + 30_000)


def unknown_scope(history: History) -> None:
    answers = history.quarantine_answers[0]
    history.quarantine_answers = [answers._replace(scopes=answers.scopes | {"job/x/y": (1, "quarantined", 0)})]


def wrong_rows(history: History, targets: dict[str, int]) -> None:
    history.rows_answers = [history.rows_answers[0]._replace(targets=targets)]


def page_again(history: History) -> None:
    history.pages.append(history.pages[0]._replace(at_ms=NOW + 9_000))


def page_again_though_the_row_says_so(history: History) -> None:
    history.disturbances_ms = [NOW + 40_000]
    history.pages.append(history.pages[0]._replace(at_ms=NOW + 50_000))


def second_first_message(history: History) -> None:
    history.pages.append(history.pages[0]._replace(at_ms=NOW + 9_000, id="ntf-other"))


def page_of_nothing(history: History) -> None:
    history.pages.append(history.pages[0]._replace(incident="x/y"))


def no_page(history: History) -> None:
    history.pages = []


def savings_fall(history: History) -> None:
    history.topics["savings"].reverse()


WENT_ON = TopicFault("deleted", "c.findings", {"w": None})

PLANTED: list[tuple[int, str, Plant]] = [
    (1, "counted", recount),
    (1, "accepted", lose_row),
    (1, "accepted", cut_changelog_for_good),
    (1, "acknowledged events are not on the log", lose_acknowledged),
    (1, "responses-0@6 cannot be counted and is no dead letter", lambda history: lose_dead_letter(history, 0)),
    (1, "responses-0@7[1] cannot be counted and is no dead letter", lambda history: lose_dead_letter(history, 1)),
    (1, "although it can be counted", refuse_a_good_event),
    (2, "has no offence", lambda history: history.topics["offences"].pop()),
    (2, "two different offences", another_offence),
    (2, "which is no 400", offence_of_no_400),
    (2, "is not in the archive", lose_object),
    (2, "was to be left out", surplus_object),
    (2, "the log says", lose_manifest),
    (3, "is cmd-", lambda history: reissue(history, command_id="cmd-other")),
    (3, "follows 2", lambda history: reissue(history, command_id="cmd-4", sequence=4)),
    (3, "has two sequences", lambda history: reissue(history, sequence=3)),
    (3, "led to", second_opening),
    (3, "and differs", lambda history: reissue(history, state="quarantined")),
    (4, "which is quarantined", lambda history: history.scrapers["s"].insert(6, sent(4, NOW + 12))),
    (4, "has no lease", pass_without_lease),
    (4, "after its one probe", two_probes),
    (5, "before the release", second_opening),
    (5, "a gate that reads the log ends with", late_stale_command),
    (6, "did not include", lambda history: commit_too_far(history, rates=0)),
    (6, "had no offence", lambda history: commit_too_far(history, offences=1)),
    (6, "was not archived", commit_unarchived),
    (6, "after everything was quiet", uncommitted),
    (7, "the log had 2", lambda history: answer(history, 1, "quarantined")),
    (7, "never on the log", lambda history: answer(history, 2, "probing")),
    (7, "has no command on the log", unknown_scope),
    (7, "the log had 7", lambda history: wrong_rows(history, {TARGET: 6})),
    (7, "the log had 7", lambda history: wrong_rows(history, {TARGET: 8})),
    (7, "has 0 responses, the log had 7", lambda history: wrong_rows(history, {})),
    (7, "it says it is not stale", old_answer_that_is_not_stale),
    (8, "got nothing", no_page),
    (8, "again after", page_again),
    (8, "ms after the row said that it was sent", page_again_though_the_row_says_so),
    (8, "again after", second_first_message),
    (8, "which is no incident", page_of_nothing),
    (9, "after 2", savings_fall),
    (9, "not sent", lambda history: answer(history, 2, "released", 1)),
    (10, "c.findings was deleted", lambda history: history.topic_faults.append(WENT_ON)),
    (10, "ended by TopicMismatch", lambda history: history.ends.append(WorkerEnd("w", "TopicMismatch", "gone"))),
    (10, "ended by ValueError", lambda history: history.ends.append(WorkerEnd("w", "ValueError", "max() of nothing"))),
    (10, "had not within a minute", lambda history: history.late_stops.update(w=[NOW])),
    (10, "ended with 75", lambda history: history.exit_codes.update(w=75)),
    (11, "s logged 1 exceptions", lambda history: history.complaints.update(s=["Traceback (most recent call last):"])),
]


def test_a_healthy_history_has_no_violation() -> None:
    history = healthy()
    assert len(list(history.offences())) == 2
    assert [command.state for command in commands(history)] == ["quarantined", "released"]
    assert check(history) == []


@pytest.mark.parametrize(
    ("invariant", "words", "plant"), [pytest.param(*p, id=f"{p[0]}-{n}") for n, p in enumerate(PLANTED)]
)
def test_a_planted_violation_is_found(invariant: int, words: str, plant: Plant) -> None:
    history = healthy()
    plant(history)
    found = [str(violation) for violation in check(history) if violation.invariant == invariant]
    assert any(words in violation for violation in found), check(history)


def test_every_invariant_has_a_planted_violation() -> None:
    assert {invariant for invariant, _, _ in PLANTED} == set(range(1, 12))


def test_what_may_happen_is_no_violation() -> None:
    """A command and an offence are written twice, a page comes again after a kill, a row cannot be read yet."""
    history = healthy()
    reissue(history)
    wrong_rows(history, {})
    history.readable[0].ends["rates", 0] = 0
    append(history, "offences", history.topics["offences"][-1].value or b"")
    history.committed["offences", 0] = 3
    cut_changelog(history)
    page_again(history)
    history.disturbances_ms = [NOW + 5_000]
    assert check(history) == []
    history.disturbances_ms, history.moved_ms = [], [history.pages[0].at_ms + 100]
    moved = history.pages[0]
    history.pages[0] = moved._replace(composed_at=NOW)
    assert check(history) == []
    history.moved_ms, history.pages[0] = [], moved._replace(composed_at=moved.at_ms - 1_500)
    assert check(history) == []


def test_an_event_that_was_published_twice_is_counted_twice() -> None:
    history = healthy()
    append(history, "responses", encode(event(0, 200)))
    assert any(violation.invariant == 1 for violation in check(history))
