"""What a fetch holds is freed with its last record."""

import gc
import weakref
from collections.abc import Iterator

import pytest
from aiokafka.consumer.fetcher import FetchResult, PartitionRecords
from aiokafka.consumer.subscription_state import Assignment
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition

from streams.transport.fetcher import _take

TP = TopicPartition("responses", 0)


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Only what nothing refers to is freed."""
    gc.disable()
    yield
    gc.enable()


def fetched(count: int) -> FetchResult:
    """A fetch of one batch, as aiokafka makes it of a broker's answer."""
    batch = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=0,
        is_transactional=0,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=1 << 20,
    )
    for offset in range(count):
        batch.append(offset, timestamp=1, key=b"key", value=b"value", headers=[])
    records = PartitionRecords(TP, MemoryRecords(bytes(batch.build())), None, 0, None, None, True, 0)
    assignment = Assignment([TP])
    assignment.state_value(TP).reset_to(0)
    return FetchResult(TP, assignment=assignment, partition_records=records, backoff=0)


@pytest.mark.usefixtures("no_collector")
async def test_the_bytes_of_a_fetch_are_freed_without_the_collector() -> None:
    result = fetched(3)
    held = weakref.ref(result._partition_records)
    assert [record.value for record in _take(result, TP, 10)] == [b"value"] * 3
    del result
    assert held() is None
