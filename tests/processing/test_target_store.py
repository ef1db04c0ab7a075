"""A target is loaded when it is needed, and a question about one loads nothing."""

from itertools import islice

import msgspec
import pytest

from benchmarks.events import generate
from streams.detection.policy import FleetRules, Policies
from streams.processing import target_store
from streams.processing.partition import PartitionState, Record
from streams.processing.target_store import TargetStore
from tests.processing.test_partition import NOW, apply, event, make_context, record, state

KEY = b"api.shop.example"
NAME = KEY.decode()


def recovered() -> dict[bytes, bytes]:
    """The row of a target with one quarantined job."""
    partition = state()
    apply(partition, record(0, event(400)))
    return dict(partition.take_changed())


def test_a_look_up_leaves_everything_as_it_is_and_a_load_takes_the_row() -> None:
    rows = recovered()
    store = TargetStore(make_context(), rows)
    copy = store.look_up(NAME)
    assert copy is not None
    assert (list(rows), store.loaded, len(store)) == ([KEY], {}, 1)
    target = store.load(KEY)
    assert (rows, store.loaded, len(store)) == ({}, {KEY: target}, 1)
    assert target.row == copy.row
    assert store.look_up(NAME) is target
    assert store.look_up("never.seen.example") is None
    assert len(store) == 1


@pytest.mark.parametrize("loaded", [False, True])
def test_whether_a_target_uses_a_grant_is_a_question_that_changes_nothing(loaded: bool) -> None:
    before = state(policies=lambda: Policies(fleet=FleetRules()))
    requests = []
    for number in range(200):
        request = {"method": "GET", "url": f"https://{NAME}/products?page={number}"}
        found = apply(before, record(number, event(400, job_id=f"job-{number % 5}", request=request)))
        requests += found.grant_requests
    assert len(requests) == 1
    rows = dict(before.take_changed())
    partition = PartitionState("responses", 0, make_context(is_granted=lambda *_: True), dict(rows))
    if loaded:
        partition.tick(NOW)
        assert dict(partition.take_changed())
    encoded = partition.rows()
    assert partition.uses_grant(NAME)
    assert not partition.uses_grant("never.seen.example")
    assert partition.take_changed() == []
    assert partition.rows() == encoded
    assert partition.known_targets == 1


def drive(partition: PartitionState) -> list[bytes]:
    """What a partition answers to four minutes of traffic that comes in bursts, and its rows every second."""
    answers = []
    events = generate(3_000, targets=40, bad_request_ratio=0.02, seed=5, start_ms=NOW, events_per_s=12)
    offset = 0
    for second in range(250):
        burst = list(islice(events, 12))
        now_ms = NOW + second * 1000
        records = [Record(offset + at, now_ms, event.key, event.value) for at, event in enumerate(burst)]
        offset += len(records)
        outcome = partition.apply(records, now_ms)
        rows = sorted(partition.take_changed())
        outcome.join(partition.tick(now_ms))
        answers.append(msgspec.msgpack.encode((outcome.commands, outcome.offences, outcome.findings, rows)))
    return answers


@pytest.mark.slow
def test_idle_targets_leave_memory_and_come_back_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    staying = PartitionState("responses", 0, make_context())
    expected = drive(staying)
    monkeypatch.setattr(target_store, "MOST_LOADED", 5)
    monkeypatch.setattr(target_store, "IDLE_MS", 2_000)
    leaving = PartitionState("responses", 0, make_context())
    assert drive(leaving) == expected
    left, loaded = leaving._targets._idle, leaving._targets.loaded
    assert len(left) > 10
    assert len(left) + len(loaded) == len(staying._targets.loaded)
    assert leaving.rows() == staying.rows()
    assert leaving.active_targets(NOW) == staying.active_targets(NOW)
    assert leaving.active_origins() == staying.active_origins()
    name = next(iter(left)).decode()
    assert leaving._targets.look_up(name).encode() == staying._targets.look_up(name).encode()


def test_a_target_that_is_due_stays_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(target_store, "MOST_LOADED", 0)
    partition = PartitionState("responses", 0, make_context())
    partition.apply([record(0, event(400)), record(1, event(200) | {"target": "quiet.example"}, b"quiet.example")], NOW)
    partition.take_changed()
    for seconds in (1, 30, 60):
        partition.tick(NOW + seconds * 1000)
    assert list(partition._targets.loaded) == [b"api.shop.example"]
