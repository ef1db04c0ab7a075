from halt400.events import response_event
from halt400.records import ResponseEvent
from streams.replay import Timeline

NOW_MS = 1_790_000_000_000
REPLAY_MS = NOW_MS - 5


def _event(time_ms: int) -> ResponseEvent:
    return response_event(
        method="GET", url="https://a.example/", status=200, job_id="j", time_ms=time_ms, event_id=f"e{time_ms}"
    )


def test_distances_are_kept_and_divided_by_the_speed() -> None:
    timeline = Timeline(REPLAY_MS, speed=10.0)
    placed = [timeline.place(_event(1000 + offset), NOW_MS) for offset in (0, 500, 60_000, 400)]
    assert [due for _, due in placed] == [NOW_MS, NOW_MS + 50, NOW_MS + 6000, NOW_MS + 40]
    assert [event.time for event, _ in placed] == [due for _, due in placed]


def test_at_full_speed_everything_happens_at_once() -> None:
    timeline = Timeline(REPLAY_MS)
    assert [timeline.place(_event(time_ms), NOW_MS)[1] for time_ms in (1000, 9_000_000)] == [NOW_MS, NOW_MS]


def test_kept_times_keep_the_ids_and_the_pace() -> None:
    timeline = Timeline(REPLAY_MS, speed=2.0, keep=True)
    timeline.place(_event(1000), NOW_MS)
    event, due_ms = timeline.place(_event(3000), NOW_MS)
    assert (event, due_ms) == (_event(3000), NOW_MS + 1000)


def test_what_is_shifted_twice_happens_twice() -> None:
    first, _ = Timeline(REPLAY_MS).place(_event(1000), NOW_MS)
    second, _ = Timeline(REPLAY_MS + 1).place(_event(1000), NOW_MS)
    assert first.id.startswith("e1000~")
    assert first.id != second.id
