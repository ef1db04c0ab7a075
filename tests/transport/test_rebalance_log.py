"""Rebalances and recoveries are logged with their numbers."""

import pytest
from faust.types import TP

from streams.transport.rebalance_log import RebalanceLog, RecoveryLog, list_partitions


@pytest.mark.parametrize(
    ("tps", "text"),
    [
        ([], "0 partitions"),
        ([TP("a", 7)], "1 partition (a 7)"),
        ([TP("b", 0), TP("a", 2), TP("a", 1), TP("a", 0), TP("a", 5)], "5 partitions (a 0-2, 5; b 0)"),
        ([TP("a", number) for number in range(100)], "100 partitions (a 0-99)"),
    ],
)
def test_partitions_are_listed_by_topic_in_ranges(tps: list[TP], text: str) -> None:
    assert list_partitions(tps) == text


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        self.now_s += 0.25
        return self.now_s


def test_a_rebalance_says_what_is_revoked_what_is_assigned_and_how_long_it_took(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "halt400.worker")
    rebalances = RebalanceLog(Clock())
    rebalances.begin([])
    rebalances.end([TP("a", 0), TP("a", 1)])
    rebalances.begin([TP("a", 0), TP("a", 1)])
    rebalances.end([TP("a", 1), TP("a", 2)])
    assert caplog.messages == [
        "Rebalance begun: 0 partitions revoked.",
        "Rebalance done in 0.25 s: 2 partitions (a 0-1) assigned, 2 of them new.",
        "Rebalance begun: 2 partitions (a 0-1) revoked.",
        "Rebalance done in 0.25 s: 2 partitions (a 1-2) assigned, 1 of them new.",
    ]


def test_a_recovery_says_how_many_partitions_and_rows_and_how_long_it_took(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "halt400.worker")
    recovery = RecoveryLog("rates", Clock())
    recovery.end(7)
    recovery.begin(4)
    assert recovery.is_running
    recovery.end(25)
    assert not recovery.is_running
    assert caplog.messages == [
        "Recovery begun: 4 partitions of rates.",
        "Recovery done in 0.25 s: 25 rows on 4 partitions of rates.",
    ]
