"""The watchdog ends a worker or a partition without progress, and lets one wait that has a reason to."""

from collections.abc import Callable
from typing import Any

import pytest
from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from streams.transport.progress import PartitionProgress
from streams.worker.watchdog import StalledWorker, Watchdog

INTERVAL_S = 5
PATIENCE_S = 60
STUCK = TP("responses", 3)
UNREAD = PartitionProgress(position=5, end=9, handed=5, applied=5, waits=False)
READ = PartitionProgress(position=9, end=9, handed=9, applied=9, waits=False)


def observe(
    watchdog: Watchdog, seconds: range, partitions: Callable[[int], dict[TP, PartitionProgress]], **changes: Any
) -> None:
    for second in seconds:
        options: dict[str, Any] = {"broker_answers": True, "ready": True, "polls": second} | changes
        watchdog.check(float(second), partitions=partitions(second), **options)


def alone(progress: PartitionProgress) -> Callable[[int], dict[TP, PartitionProgress]]:
    return lambda _: {STUCK: progress}


def beside_another(progress: PartitionProgress) -> Callable[[int], dict[TP, PartitionProgress]]:
    return lambda second: {
        STUCK: progress,
        TP("responses", 0): PartitionProgress(second, second + 9, second, second, False),
    }


def test_it_says_for_how_long_each_partition_has_not_moved() -> None:
    watchdog = Watchdog(PATIENCE_S)
    observe(watchdog, range(0, 45, INTERVAL_S), beside_another(UNREAD))
    assert watchdog.stalled_s(40.0) == {STUCK: 35.0, TP("responses", 0): 0.0}
    observe(watchdog, range(45, 50, INTERVAL_S), beside_another(READ))
    assert watchdog.stalled_s(45.0)[STUCK] == 0.0


def test_work_without_progress_ends_the_worker() -> None:
    with pytest.raises(StalledWorker, match=r"No progress for 60 s .*reading; responses partition 3: fetched to 5"):
        observe(Watchdog(), range(0, 75, 5), alone(UNREAD))


def test_a_recovery_that_never_ends_ends_the_worker() -> None:
    with pytest.raises(StalledWorker, match="recovering"):
        observe(Watchdog(), range(0, 75, 5), lambda _: {}, ready=False)


@pytest.mark.parametrize(
    ("progress", "changes"),
    [(UNREAD, {"broker_answers": False}), (READ, {}), (READ._replace(handed=None, applied=None), {})],
)
def test_an_absent_broker_or_an_empty_topic_is_no_stall(
    progress: PartitionProgress, changes: dict[str, object]
) -> None:
    observe(Watchdog(), range(0, 600, 5), alone(progress), **changes)
    observe(Watchdog(), range(0, 600, 5), beside_another(progress), **changes)


def test_progress_of_a_partition_that_waits_restarts_the_patience() -> None:
    watchdog = Watchdog()
    for second in range(0, 600, 50):
        progress = PartitionProgress(second, 1000, second, second, waits=True)
        watchdog.check(float(second), broker_answers=True, ready=True, polls=0, partitions={STUCK: progress})


@pytest.mark.parametrize(
    ("progress", "reported"),
    [
        (UNREAD, "fetched to 5, handed on to 5, applied to 5, log end 9"),
        (UNREAD._replace(position=None), "no valid position"),
        (UNREAD._replace(end=None), "log end None"),
        (READ._replace(applied=5), "handed on to 9, applied to 5"),
        (READ._replace(applied=None), "handed on to 9, applied to None"),
    ],
    ids=["unread", "without a position", "never fetched", "lost on the way", "lost before the first was applied"],
)
def test_one_stalled_partition_beside_others_ends_the_worker_and_is_named(
    progress: PartitionProgress, reported: str
) -> None:
    with pytest.raises(StalledWorker, match=rf"No progress for 60 s .*\(responses partition 3: .*{reported}"):
        observe(Watchdog(), range(0, 75, 5), beside_another(progress))


def test_a_partition_that_waits_for_others_may_wait_without_limit() -> None:
    observe(Watchdog(), range(0, 3600, 5), beside_another(UNREAD._replace(waits=True)))


def test_a_partition_waits_while_the_agents_queues_are_full() -> None:
    observe(Watchdog(), range(0, 3600, 5), beside_another(UNREAD), polls=7)


def test_a_partition_has_its_whole_patience_after_a_recovery() -> None:
    watchdog = Watchdog()
    observe(watchdog, range(0, 60, 5), beside_another(UNREAD))
    observe(watchdog, range(60, 70, 5), beside_another(UNREAD), ready=False)
    observe(watchdog, range(70, 130, 5), beside_another(UNREAD))
    with pytest.raises(StalledWorker):
        observe(watchdog, range(130, 150, 5), beside_another(UNREAD))


offsets = st.none() | st.integers(0, 3)
progresses = st.builds(
    PartitionProgress, position=offsets, end=offsets, handed=offsets, applied=offsets, waits=st.booleans()
)
observations = st.lists(
    st.tuples(st.booleans(), st.booleans(), st.integers(0, 1), st.dictionaries(st.integers(0, 3), progresses)),
    max_size=40,
)


def moment(watchdog: Watchdog, second: int, seen: tuple[bool, bool, int, dict[int, PartitionProgress]]) -> bool:
    """Whether the worker goes on after one observation."""
    answers, ready, polls, partitions = seen
    try:
        watchdog.check(
            float(second),
            broker_answers=answers,
            ready=ready,
            polls=polls * second,
            partitions={TP("responses", number): progress for number, progress in partitions.items()},
        )
    except StalledWorker:
        return False
    return True


@pytest.mark.slow
@given(observations)
def test_no_worker_is_ended_before_the_patience_is_over(
    seen: list[tuple[bool, bool, int, dict[int, PartitionProgress]]],
) -> None:
    watchdog = Watchdog()
    seconds = range(0, PATIENCE_S + 1, INTERVAL_S)
    assert all(moment(watchdog, second, one) for second, one in zip(seconds, seen, strict=False))


@pytest.mark.slow
@given(observations)
def test_a_stuck_partition_is_noticed_whatever_came_before(
    seen: list[tuple[bool, bool, int, dict[int, PartitionProgress]]],
) -> None:
    watchdog = Watchdog()
    seconds = range(0, len(seen) * INTERVAL_S, INTERVAL_S)
    for second, one in zip(seconds, seen, strict=True):
        moment(watchdog, second, one)
    start = len(seen) * INTERVAL_S
    with pytest.raises(StalledWorker):
        observe(watchdog, range(start, start + PATIENCE_S + 3 * INTERVAL_S, INTERVAL_S), beside_another(UNREAD))


@pytest.mark.slow
@given(observations)
def test_no_worker_is_ended_while_everything_has_progress_or_no_work(
    seen: list[tuple[bool, bool, int, dict[int, PartitionProgress]]],
) -> None:
    watchdog = Watchdog()
    for number, (answers, _, polls, partitions) in enumerate(seen):
        moving = {key: progress._replace(position=number, end=number + 9) for key, progress in partitions.items()}
        assert moment(watchdog, number * INTERVAL_S, (answers, True, polls, moving))
