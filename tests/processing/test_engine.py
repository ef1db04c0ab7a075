"""The engine where partitions are revoked while it waits for the producer, and where records are missing.

Without Kafka.
"""

from collections.abc import Awaitable
from typing import Any

import pytest
from faust.types import TP

from streams.transport import LostRecords, Records
from tests.processing.engine_bench import PARTITIONS, EngineBench, acknowledged, fold


async def test_partitions_revoked_while_fleet_records_are_sent_are_left_to_their_next_owner() -> None:
    sent: list[str] = []

    async def send(topic: str, *_: Any) -> Awaitable[None]:
        sent.append(topic)
        bench.assignment.drop({TP("responses", number) for number in range(PARTITIONS)})
        return acknowledged()

    bench = EngineBench(send)
    for number in range(PARTITIONS):
        await bench.engine.process(number, Records())
    await bench.engine.tick()
    assert sent == ["fleet"]
    assert not bench.assignment.partitions


async def test_a_first_fold_starts_where_reading_started_or_nothing_of_it_counts() -> None:
    async def send(*_: Any) -> Awaitable[None]:
        raise AssertionError("nothing is to be sent")

    bench = EngineBench(send)
    bench.watermarks.set_starts({TP("responses", 0): 5, TP("responses", 1): 9})
    with pytest.raises(LostRecords, match="Offsets 5 to 8 were fetched and never read"):
        await bench.engine.process(0, fold(9, 12))
    assert bench.assignment.applied(TP("responses", 0)) is None
    await bench.engine.process(1, fold(9, 12))
    assert bench.assignment.applied(TP("responses", 1)) == 12
