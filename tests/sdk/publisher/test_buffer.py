from hypothesis import given
from hypothesis import strategies as st

from halt400.publisher.buffer import Buffer

EVENTS = st.lists(st.tuples(st.booleans(), st.integers(1, 40)), max_size=60)


def fill(buffer: Buffer, events: list[tuple[bool, int]]) -> None:
    for is_bad_request, size in events:
        buffer.put(b"", b"x" * size, is_bad_request=is_bad_request)


@given(EVENTS, st.integers(1, 200))
def test_every_event_is_taken_or_counted_as_dropped(events: list[tuple[bool, int]], limit: int) -> None:
    buffer = Buffer(limit)
    fill(buffer, events)
    assert buffer.size_bytes <= limit
    taken = buffer.take(7)
    assert len(taken) <= 7
    taken += buffer.take(100)
    bad = sum(is_bad_request for is_bad_request, _ in events)
    assert sum(entry.is_bad_request for entry in taken) + buffer.dropped_bad_requests == bad
    assert sum(not entry.is_bad_request for entry in taken) + buffer.dropped == len(events) - bad
    assert [entry.sequence for entry in taken] == sorted(entry.sequence for entry in taken)
    assert (len(buffer), buffer.size_bytes) == (0, 0)


@given(EVENTS, st.integers(1, 200))
def test_a_400_is_dropped_only_when_nothing_else_is_left(events: list[tuple[bool, int]], limit: int) -> None:
    buffer = Buffer(limit)
    for is_bad_request, size in events:
        before = buffer.dropped_bad_requests
        buffer.put(b"", b"x" * size, is_bad_request=is_bad_request)
        if buffer.dropped_bad_requests > before:
            assert all(entry.is_bad_request for entry in buffer._entries if entry.value is not None)


@given(EVENTS, st.data())
def test_events_put_back_come_first_and_in_order(events: list[tuple[bool, int]], data: st.DataObject) -> None:
    buffer = Buffer(1 << 20)
    fill(buffer, events)
    taken = buffer.take(data.draw(st.integers(0, len(events))))
    buffer.put_back(data.draw(st.permutations(taken)))
    assert len(buffer) == len(events)
    sequences = [entry.sequence for entry in buffer.take(len(events) + 1)]
    assert sequences == list(range(1, len(events) + 1))
