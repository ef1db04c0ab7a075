"""A target is loaded when it is needed, and a question about one loads nothing."""

import pytest

from streams.detection.policy import FleetRules, Policies
from streams.processing.partition import PartitionState
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
