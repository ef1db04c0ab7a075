"""Retries are one trial, repeated events none, and memory is bounded."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from streams.detection.requests import RecentIds, RequestMemory, Retries, counts_as_trial

RULES = Retries()
WINDOW = RULES.window_s * 1000


def test_the_first_attempt_is_a_trial_and_its_retries_are_not() -> None:
    memory = RequestMemory()
    kinds = [memory.classify(f"e{n}", "j", "f", n, n * 1000, RULES).kind for n in (1, 2, 3)]
    assert kinds == ["trial", "retry", "retry"]


def test_without_attempt_numbers_the_time_between_decides() -> None:
    memory = RequestMemory()
    times = (0, WINDOW, 2 * WINDOW, 3 * WINDOW + 1)
    kinds = [memory.classify(f"e{time}", "j", "f", 1, time, RULES).kind for time in times]
    assert kinds == ["trial", "retry", "retry", "trial"]


def test_an_attempt_number_decides_whatever_the_time() -> None:
    memory = RequestMemory()
    memory.classify("a", "j", "f", 1, 0, RULES)
    assert memory.classify("b", "j", "f", 2, 100 * WINDOW, RULES).kind == "retry"


def test_a_repeated_event_counts_as_nothing() -> None:
    memory = RequestMemory()
    memory.classify("a", "j", "f", 1, 0, RULES)
    assert memory.classify("a", "j", "f", 1, 0, RULES).kind == "repeated_event"
    assert memory.classify("b", "j", "f", 2, 0, RULES).attempts == 2


def test_the_same_request_of_two_jobs_is_two() -> None:
    memory = RequestMemory()
    assert [memory.classify(job, job, "f", 1, 0, RULES).kind for job in ("a", "b")] == ["trial", "trial"]


def test_a_retry_whose_first_attempt_was_no_400_is_a_trial() -> None:
    assert RequestMemory().classify("a", "j", "f", 3, 0, RULES).kind == "trial"


def test_a_retry_of_a_request_that_may_be_forgotten_counts_as_a_retry() -> None:
    rules = Retries(requests=2)
    memory = RequestMemory()
    for name in "abc":
        memory.classify(name, "j", name, 1, 1_000, rules)
    assert memory.classify("a2", "j", "a", 2, 2_000, rules).kind == "retry"
    assert memory.classify("z", "j", "z", 2, 1_000 + WINDOW + 1_000_000, rules).kind == "trial"


def test_only_first_attempts_count_as_good() -> None:
    assert [counts_as_trial(attempt) for attempt in (1, 2, 3)] == [True, False, False]


ATTEMPTS = st.lists(
    st.tuples(st.integers(0, 30), st.sampled_from("ab"), st.integers(0, 12), st.integers(1, 3), st.integers(0, 10**7))
)


@given(ATTEMPTS)
def test_memory_is_bounded_and_survives_encoding(attempts: list[tuple[int, str, int, int, int]]) -> None:
    rules = Retries(requests=4, event_ids=8)
    memory, twin = RequestMemory(), RequestMemory()
    for event, job, request, attempt, time in attempts:
        classified = memory.classify(str(event), job, str(request), attempt, time, rules)
        assert classified == twin.classify(str(event), job, str(request), attempt, time, rules)
        twin = msgspec.msgpack.decode(msgspec.msgpack.encode(twin), type=RequestMemory)
        assert twin == memory
        assert len(memory.seen) <= 4
        assert len(memory.event_ids) <= 8


@given(st.integers(1, 60), st.integers(1, 8), st.booleans())
def test_a_storm_has_as_many_trials_as_requests(requests: int, repeats: int, numbered: bool) -> None:
    memory = RequestMemory()
    kinds = [
        memory.classify(
            f"{request}/{attempt}", "j", str(request), attempt if numbered else 1, attempt * 100, RULES
        ).kind
        for attempt in range(1, repeats + 1)
        for request in range(requests)
    ]
    assert kinds.count("trial") == requests


@given(st.lists(st.integers(0, 40)), st.integers(1, 10))
def test_recent_ids_know_at_least_the_last_ones(ids: list[int], capacity: int) -> None:
    recent = RecentIds(capacity)
    for place, number in enumerate(ids):
        repeated = recent.repeated(str(number))
        if number in ids[max(0, place - capacity + 1) : place]:
            assert repeated
        if number not in ids[:place]:
            assert not repeated
