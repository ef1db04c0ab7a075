from collections import Counter

import msgspec
import pytest

from benchmarks.events import generate
from halt400.records import ResponseEvent


def test_events_are_valid_and_hold_what_is_said_of_them() -> None:
    decode = msgspec.json.Decoder(ResponseEvent).decode
    ids = set()
    for key, value, target, status, job_id in generate(20_000, targets=100):
        event = decode(value)
        assert (key.decode(), event.target, event.response.status, event.job_id) == (target, target, status, job_id)
        assert (event.request.body is not None) == (status == 400)
        ids.add(event.id)
    assert len(ids) == 20_000


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_ids() -> None:
    assert list(generate(3000, seed=1)) == list(generate(3000, seed=1))
    assert not {event.value for event in generate(3000, seed=1)} & {event.value for event in generate(3000, seed=2)}


@pytest.mark.slow
def test_the_mix_is_as_asked_for() -> None:
    events = list(generate(100_000, targets=1000, bad_request_ratio=0.01))
    statuses = Counter(event.status for event in events)
    targets = Counter(event.target for event in events)
    assert 850 < statuses[400] < 1150
    assert 0.12 < targets.most_common(1)[0][1] / len(events) < 0.145
    assert 700 < sum(len(event.value) for event in events) / len(events) < 800
