"""The steps of a checkpoint keep their order, whatever fails or is revoked between them. Without Kafka."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest
from faust.types import TP

from tests.processing.engine_bench import EngineBench, acknowledged, fold
from tests.processing.test_partition import event, record

TP_0 = TP("responses", 0)


async def bench_with_a_400() -> tuple[EngineBench, asyncio.Future[None]]:
    """A bench that has applied one fold with a 400, and the acknowledgement of all that it sent."""
    sent: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def send(*_: Any) -> Awaitable[None]:
        return sent

    bench = EngineBench(send)
    await bench.engine.process(0, fold(0, 2, record(0, event()), record(1, event(400))))
    return bench, sent


async def rest() -> None:
    """Let every task go as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_rows_wait_for_the_sends_and_watermarks_for_the_rows() -> None:
    bench, sent = await bench_with_a_400()
    checkpoint = asyncio.create_task(bench.engine.checkpoint())
    await rest()
    assert bench.table.written == []
    sent.set_result(None)
    await rest()
    assert bench.table.written == [(0, b"api.shop.example")]
    assert bench.watermarks.of(TP_0) is None
    bench.table.acknowledgement.set_result(None)
    await checkpoint
    assert bench.watermarks.of(TP_0) == 2


async def test_a_record_that_the_broker_does_not_take_keeps_rows_and_watermarks_back() -> None:
    bench, sent = await bench_with_a_400()
    sent.set_exception(OSError("not taken"))
    with pytest.raises(OSError, match="not taken"):
        await bench.engine.checkpoint()
    assert (bench.table.written, bench.watermarks.of(TP_0)) == ([], None)


async def test_what_is_applied_after_the_start_of_a_checkpoint_is_left_to_the_next_one() -> None:
    bench, sent = await bench_with_a_400()
    bench.table.acknowledgement.set_result(None)
    checkpoint = asyncio.create_task(bench.engine.checkpoint())
    await rest()
    await bench.engine.process(0, fold(2, 3, record(2, event())))
    sent.set_result(None)
    await checkpoint
    assert bench.watermarks.of(TP_0) == 2
    await bench.engine.checkpoint()
    assert bench.watermarks.of(TP_0) == 3


async def test_a_partition_revoked_during_a_checkpoint_has_no_rows_written_and_no_watermark() -> None:
    bench, sent = await bench_with_a_400()
    checkpoint = asyncio.create_task(bench.engine.checkpoint())
    await rest()
    bench.assignment.drop({TP_0})
    sent.set_result(None)
    await checkpoint
    assert (bench.table.written, bench.watermarks.of(TP_0)) == ([], None)


async def test_a_fold_is_applied_between_two_partitions_of_a_checkpoint() -> None:
    async def send(*_: Any) -> Awaitable[None]:
        return acknowledged()

    bench = EngineBench(send)
    bench.table.acknowledgement.set_result(None)
    checkpoint = asyncio.create_task(bench.engine.checkpoint())
    applied = asyncio.create_task(bench.engine.process(3, fold(0, 1, record(0, event()))))
    await asyncio.gather(checkpoint, applied)
    assert bench.watermarks.of(TP("responses", 3)) == 1
