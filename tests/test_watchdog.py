"""A worker that stands still is noticed, one that waits with good reason is left alone."""

import pytest

from streams.watchdog import StalledWorker, Watchdog


def observe(watchdog: Watchdog, seconds: range, **changes: object) -> None:
    for second in seconds:
        options: dict[str, object] = {"broker_answers": True, "ready": True, "positions": {0: (5, 9)}}
        watchdog.check(float(second), **options | changes)  # type: ignore[arg-type]


def test_work_that_does_not_move_ends_the_worker() -> None:
    with pytest.raises(StalledWorker, match=r"No progress for 60 s"):
        observe(Watchdog(), range(0, 75, 5))


def test_a_recovery_that_never_ends_does_too() -> None:
    with pytest.raises(StalledWorker, match="recovering"):
        observe(Watchdog(), range(0, 75, 5), ready=False, positions={})


@pytest.mark.parametrize("changes", [{"broker_answers": False}, {"positions": {0: (9, 9)}}, {"positions": {}}])
def test_an_absent_broker_or_an_empty_topic_is_no_standstill(changes: dict[str, object]) -> None:
    observe(Watchdog(), range(0, 600, 5), **changes)


def test_any_movement_starts_the_count_again() -> None:
    watchdog = Watchdog()
    for second in range(0, 600, 50):
        watchdog.check(float(second), broker_answers=True, ready=True, positions={0: (second, 1000)})
