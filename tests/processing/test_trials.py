"""The loop over every event repeats `counts_as_trial` and `RecentIds` in line: it counts what they define."""

from collections import Counter

from hypothesis import example, given, settings
from hypothesis import strategies as st

from streams.detection import RecentIds, counts_as_trial
from streams.processing.target import TrackedTarget
from tests.processing.test_partition import apply, event, record, state

TARGET = "api.shop.example"
EVENTS = st.lists(
    st.tuples(
        st.integers(1, 6).map("event-{}".format),
        st.integers(1, 5),
        st.sampled_from(["job-a", "job-b"]),
        st.sampled_from([200, 301, 401, 404, 422, 500]),
    ),
    max_size=30,
)
FIRST_ATTEMPTS_AND_RETRIES = [(f"event-{attempt}", attempt, "job-a", 200) for attempt in range(1, 6)]


@settings(deadline=None)
@given(EVENTS, st.integers(1, 10))
@example(FIRST_ATTEMPTS_AND_RETRIES, 5)
def test_a_partition_counts_the_trials_that_detection_defines(
    events: list[tuple[str, int, str, int]], fold_size: int
) -> None:
    partition, ids, expected = state(), RecentIds(), Counter[str]()
    for start in range(0, len(events), fold_size):
        fold = events[start : start + fold_size]
        records = [
            record(start + place, event(status, id=event_id, attempt=attempt, job_id=job_id))
            for place, (event_id, attempt, job_id, status) in enumerate(fold)
        ]
        apply(partition, *records)
        for event_id, attempt, job_id, _ in fold:
            if counts_as_trial(attempt) and not ids.repeated(event_id):
                expected[job_id] += 1
    rows = dict(partition.take_changed())
    counted = TrackedTarget.decode(rows.get(TARGET.encode()), TARGET).state
    assert counted.mixture.gap == expected.total()
    assert {job_id: job.mixture.gap for job_id, job in counted.jobs.items() if job.mixture.gap} == dict(expected)
