"""The series of single targets: of those with the latest 400s, counts that only rise, and none of the others."""

import pytest
from prometheus_client import REGISTRY

from streams import metrics
from streams.processing.partition import PartitionState
from streams.worker.target_metrics import TargetMetrics
from tests.processing.test_partition import NOW, apply, event, record, state


def sample(name: str, target: str) -> float | None:
    return REGISTRY.get_sample_value(f"halt400_target_{name}", {"target": target})


@pytest.fixture
def partition() -> PartitionState:
    return state()


def publish(partition: PartitionState, offset: int, target: str, status: int) -> None:
    apply(partition, record(offset, event(status, target=target, id=f"e{offset}"), key=target.encode()))


async def test_the_targets_with_the_latest_400s_have_series_and_the_others_none(partition: PartitionState) -> None:
    measured = TargetMetrics(2)
    for offset, (target, status) in enumerate(
        [("a.example", 400), ("a.example", 200), ("b.example", 200), ("c.example", 400)]
    ):
        publish(partition, offset, target, status)
    await measured.update(partition.loaded_targets(), NOW)
    assert (sample("responses_total", "a.example"), sample("bad_requests_total", "a.example")) == (2, 1)
    assert sample("quarantines", "a.example") == 1
    assert sample("responses_total", "b.example") is None

    publish(partition, 4, "a.example", 200)
    await measured.update(partition.loaded_targets(), NOW)
    assert sample("responses_total", "a.example") == 3
    await measured.update([], NOW)
    assert [sample(name, "a.example") for name in ("responses_total", "bad_requests_total", "quarantines")] == [
        None
    ] * 3


async def test_a_row_of_before_takes_nothing_back(partition: PartitionState) -> None:
    publish(partition, 0, "d.example", 400)
    publish(partition, 1, "d.example", 400)
    measured = TargetMetrics(1)
    await measured.update(partition.loaded_targets(), NOW)
    earlier = state()
    publish(earlier, 0, "d.example", 400)
    await measured.update(earlier.loaded_targets(), NOW)
    assert metrics.TARGET_RESPONSES.labels("d.example")._value.get() == 2
