"""The book of what was saved: counts of many gates added up, each counted once."""

import msgspec
import pytest

from halt400.gate.savings_reporter import savings_key
from halt400.kafka.connection import KafkaConnection
from halt400.records import Savings, Scope
from streams import metrics, savings
from streams.quarantine.not_sent import NotSent
from streams.savings import SavingsBook
from streams.topics import SAVINGS_KEPT_MS

JOB = Scope(kind="job", target="api.shop.example", job_id="extract-099")
TARGET = Scope(kind="target", target="api.shop.example")
NOW_MS = 1_765_432_100_000


def report(gate: str, requests: int, scope: Scope = JOB, opened_at: int = 1000, time: int = NOW_MS) -> Savings:
    return Savings(gate=gate, scope=scope, opened_at=opened_at, requests=requests, time=time)


def book(*reports: Savings) -> SavingsBook:
    found = SavingsBook(KafkaConnection(), clock_ms=lambda: NOW_MS)
    hear(found, *reports)
    return found


def hear(found: SavingsBook, *reports: Savings) -> None:
    """As the follower does: the latest value per key, and what has changed."""
    latest = found.follower._latest
    found._on_changes(latest.apply((savings_key(one), msgspec.json.encode(one)) for one in reports))


def test_the_latest_count_of_every_gate_is_added_up() -> None:
    found = book(report("a", 1), report("a", 3), report("b", 4), report("b", 100, TARGET))
    assert found.not_sent([(JOB.id, 1000)]) == NotSent(requests=7, gates=2)
    assert found.not_sent([(JOB.id, 1000), (TARGET.id, 1000)]) == NotSent(requests=107, gates=2)


def test_a_quarantine_of_which_nobody_reported_has_no_count_and_an_earlier_one_has_its_own() -> None:
    found = book(report("a", 3, opened_at=500), report("a", 4, opened_at=1000))
    assert found.not_sent([(JOB.id, 2000)]) is None
    assert found.not_sent([(JOB.id, 500)]) == NotSent(requests=3, gates=1)


def test_a_count_that_comes_late_takes_nothing_back() -> None:
    found = book(report("a", 9))
    hear(found, report("a", 4))
    assert found.not_sent([(JOB.id, 1000)]) == NotSent(requests=9, gates=1)


def test_bytes_that_are_no_report_are_passed_over_and_the_rest_is_counted() -> None:
    found = book(report("a", 1))
    for key, value in ((b"x", b"{"), (b"y", b'{"requests": "many"}'), (b"z", b"\xff")):
        found._on_changes({key: value})
    assert found.not_sent([(JOB.id, 1000)]) == NotSent(requests=1, gates=1)


def test_what_the_topic_has_deleted_is_let_go() -> None:
    old, fresh = report("a", 5, time=NOW_MS - SAVINGS_KEPT_MS - 1), report("b", 2)
    found = book(old, fresh)
    assert found.not_sent([(JOB.id, 1000)]) == NotSent(requests=2, gates=1)
    assert list(found.follower.values) == [savings_key(fresh)]


def not_sent() -> float:
    return metrics.REQUESTS_NOT_SENT._value.get()


def test_the_metric_counts_each_request_once_from_when_the_topic_was_read_to_its_end() -> None:
    before, found = not_sent(), book(report("a", 100))
    assert not_sent() == before
    found.follower._caught_up = True
    hear(found, report("a", 103), report("b", 4))
    hear(found, report("b", 2), report("b", 4))
    assert not_sent() == before + 7
    size = metrics.REQUEST_BYTES_NOT_SENT._value.get()
    hear(found, msgspec.structs.replace(report("a", 104), request_bytes=900))
    hear(found, msgspec.structs.replace(report("a", 105), request_bytes=1000))
    assert metrics.REQUEST_BYTES_NOT_SENT._value.get() == size + 1000


def test_there_is_a_bound_and_the_oldest_counts_are_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(savings, "MOST_REPORTS", 8)
    found = book(*(report(f"gate-{number}", 1, time=NOW_MS - number) for number in range(9)))
    assert found.not_sent([(JOB.id, 1000)]) == NotSent(requests=7, gates=7)
    assert len(found.follower.values) == 7
    hear(found, report("gate-0", 5), report("gate-9", 1))
    assert found.not_sent([(JOB.id, 1000)]) == NotSent(requests=12, gates=8)
