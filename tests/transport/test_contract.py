"""The contract with Faust, on a real broker: what the overrides depend on. When this fails, Faust has changed."""

import asyncio
import warnings
from collections.abc import Awaitable, Iterable
from typing import Any, cast

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import IllegalStateError
from faust.types import TP

from streams.transport import DurableTable, FoldingConsumer, Records
from streams.transport.fetch_wait import FETCH_MAX_WAIT_MS, LONG_WAIT_MS
from streams.transport.progress import PartitionProgress
from streams.transport.recovery import RecoveryTimedOut
from streams.worker.watchdog import StalledWorker, Watchdog
from tests.transport.conftest import PARTITIONS, Bench, Running
from tests.waiting import until

COMMIT_ROUNDS_S = 1.5
"""Several commit intervals of the test's app."""


async def collect(running: Running, tp: TP, records: list[Any]) -> None:
    running.folds.append((tp, records))
    running.watermarks.advance(tp, records[-1].offset + 1)


async def at_the_end(bench: Bench) -> bool:
    return all(committed == end for committed, end in (await bench.offsets()).values())


async def test_folds_arrive_in_order_and_whole(bench: Bench) -> None:
    sent = {partition: [b"%d" % number for number in range(2500)] for partition in range(PARTITIONS)}
    for partition, values in sent.items():
        await bench.publish(partition, values)
    async with bench.app(collect) as running:
        await until(lambda: sum(len(records) for _, records in running.folds) >= 5000)
    for partition, values in sent.items():
        folds = [records for tp, records in running.folds if tp.partition == partition]
        assert [record.value for records in folds for record in records] == values
        assert [record.offset for records in folds for record in records] == list(range(2500))
        assert len(folds) < 2500 / 10, "records were not folded"
        assert all(len(records) < 200 for records in folds), "a poll is bounded, to a batch"


async def test_committed_offsets_reach_the_log_end_when_idle(bench: Bench) -> None:
    async with bench.app(collect):
        for partition in range(PARTITIONS):
            await bench.publish(partition, [b"1"] * 777)
        await until(lambda: at_the_end(bench))
        await bench.publish(0, [b"1"])
        await until(lambda: at_the_end(bench))


async def test_what_is_urgent_does_not_wait_for_the_request_that_is_under_way(bench: Bench) -> None:
    async with bench.app(collect, urgent=[bench.source]) as running:
        app = running.app
        await cast(Any, app.transport).membership.wait()
        await app.find_partitions(bench.rates)
        others = cast(Any, app.producer).producer_of(bench.rates)
        broker = others.client.cluster.leader_for_partition(TopicPartition(bench.rates, 0))
        others._sender._in_flight.add(broker)  # as from the sending of a request until its answer
        row = await app.send_acknowledged(bench.rates, b"key", b"1", 0, None)
        command = await app.send_acknowledged(bench.source, b"key", b"1", 0, [("name", b"value")])
        async with asyncio.timeout(30):
            await command
        assert not cast(Any, row).done()
        others._sender._in_flight.discard(broker)
        others._message_accumulator.wake()
        async with asyncio.timeout(30):
            await row


async def test_a_commit_never_passes_a_fold_that_is_not_durable(bench: Bench) -> None:
    async def leave_the_third_fold_open(running: Running, tp: TP, records: list[Any]) -> None:
        running.folds.append((tp, records))
        if len(running.folds) < 3:
            running.watermarks.advance(tp, records[-1].offset + 1)

    await bench.publish(0, [b"1"] * 1000)
    async with bench.app(leave_the_third_fold_open) as running:
        await until(lambda: sum(len(records) for _, records in running.folds) == 1000)
        durable = running.folds[1][1][-1].offset + 1
        await until(lambda: committed_at(bench, 0, durable))
        await asyncio.sleep(COMMIT_ROUNDS_S)
        assert (await bench.offsets())[0] == (durable, 1000)
    assert (await bench.offsets())[0] == (durable, 1000), "stopping committed what was not durable"


async def committed_at(bench: Bench, partition: int, offset: int) -> bool:
    return (await bench.offsets())[partition][0] == offset


async def test_what_was_not_durable_is_read_again_by_the_next_process(bench: Bench) -> None:
    async def leave_open(running: Running, tp: TP, records: list[Any]) -> None:
        running.folds.append((tp, records))

    await bench.publish(0, [b"1"] * 300)
    for _ in range(2):
        async with bench.app(leave_open) as running:
            await until(lambda running=running: sum(len(records) for _, records in running.folds) >= 300)
        assert [record.offset for _, records in running.folds for record in records] == list(range(300))


class DelayedTable(DurableTable):
    """Sends rows to the broker, and passes on its acknowledgements when the test allows it."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.acknowledge = asyncio.Event()

    async def write(self, partition: int, rows: Iterable[tuple[bytes, bytes]]) -> list[Awaitable[Any]]:
        acknowledged = await super().write(partition, rows)

        async def delayed() -> Any:
            await self.acknowledge.wait()
            return await asyncio.gather(*acknowledged)

        return [asyncio.ensure_future(delayed())]


async def test_nothing_is_committed_before_the_broker_has_acknowledged_its_rows(bench: Bench) -> None:
    async def write_a_row(running: Running, tp: TP, records: list[Any]) -> None:
        end = records[-1].offset + 1
        await asyncio.gather(*(await running.table.write(tp.partition, [(b"key", b"%d" % end)])))
        running.watermarks.advance(tp, end)

    await bench.publish(0, [b"1"] * 50)
    async with bench.app(write_a_row, table_type=DelayedTable) as running:
        await until(lambda: rows_reached(bench, 1))
        await asyncio.sleep(COMMIT_ROUNDS_S)
        assert (await bench.offsets())[0] == (0, 50)
        running.table.acknowledge.set()
        await until(lambda: at_the_end(bench))


async def rows_reached(bench: Bench, count: int) -> bool:
    return await bench.rows_on_the_changelog() >= count


async def test_recovery_finds_every_row_and_keeps_the_newer_of_two(bench: Bench) -> None:
    async def write_rows(running: Running, tp: TP, records: list[Any]) -> None:
        rows = [(b"k%d" % number, b"%d" % number) for number in range(2000)]
        rows += [(b"large", b"0" * 300_000), (b"k7", b"900"), (b"k7", b"12")]  # more than a batch, and one by itself
        batches = await running.table.write(tp.partition, rows)
        assert len(batches) > 1
        await asyncio.gather(*batches)
        running.watermarks.advance(tp, records[-1].offset + 1)

    await bench.publish(1, [b"1"])
    async with bench.app(write_rows):
        await until(lambda: at_the_end(bench))
    async with bench.app(collect) as running:
        await until(lambda: len(running.table.rows(1)) == 2001)
        assert running.table.rows(1)[b"k7"] == b"900", "a stale writer's row replaced a newer one"
        assert running.table.rows(1)[b"k1999"] == b"1999"
        assert running.table.rows(0) == {}


async def test_revoked_partitions_leave_no_rows_behind(bench: Bench) -> None:
    async def write_a_row(running: Running, tp: TP, records: list[Any]) -> None:
        await asyncio.gather(*(await running.table.write(tp.partition, [(b"row-of-%d" % tp.partition, b"1")])))
        running.watermarks.advance(tp, records[-1].offset + 1)

    for partition in range(PARTITIONS):
        await bench.publish(partition, [b"1"])
    async with bench.app(write_a_row):
        await until(lambda: at_the_end(bench))
    async with bench.app(collect) as first:
        await until(lambda: all(first.table.rows(partition) for partition in range(PARTITIONS)))
        async with bench.app(collect) as second:
            await until(lambda: partitions_of(second) and len(partitions_of(first)) == 1)
            assert partitions_of(first).isdisjoint(partitions_of(second))
            await until(lambda: has_only_its_own(first) and has_only_its_own(second))
        await until(lambda: len(partitions_of(first)) == PARTITIONS)
        await until(lambda: all(first.table.rows(partition) for partition in range(PARTITIONS)))


def partitions_of(running: Running) -> set[int]:
    return {tp.partition for tp in running.app.consumer.assignment() if tp.topic.endswith("source")}


def has_only_its_own(running: Running) -> bool:
    found = {partition for partition in range(PARTITIONS) if running.table.rows(partition)}
    return found == partitions_of(running)


async def read_only(running: Running, tp: TP, records: list[Any]) -> None:
    running.folds.append((tp, records))


def consumer_of(running: Running) -> FoldingConsumer:
    return cast(FoldingConsumer, running.app.consumer)


def records_read(running: Running) -> int:
    return sum(len(records) for _, records in running.folds)


async def test_a_partition_without_a_commit_is_read_again_from_its_beginning(bench: Bench) -> None:
    await bench.publish(0, [b"1"] * 300)
    async with bench.app(read_only) as running:
        await until(lambda: records_read(running) == 300)
        running.folds.clear()
        await consumer_of(running).perform_seek()
        consumer_of(running).resume_flow()
        await until(lambda: records_read(running) == 300)
        assert running.folds[0][1][0].offset == 0


async def test_reading_starts_at_the_committed_offset(bench: Bench) -> None:
    await bench.publish(0, [b"1"] * 300)
    async with bench.app(collect):
        await until(lambda: at_the_end(bench))
    await bench.publish(0, [b"1"])
    async with bench.app(read_only) as running:
        await until(lambda: records_read(running) == 1)
        starts = [running.watermarks.start_of(TP(bench.source, partition)) for partition in range(PARTITIONS)]
        assert starts == [300, 0]


async def test_nothing_is_read_between_the_seek_to_committed_offsets_and_the_end_of_a_recovery(bench: Bench) -> None:
    await bench.publish(0, [b"1"] * 300)
    async with bench.app(read_only) as running:
        await until(lambda: records_read(running) == 300)
        consumer = consumer_of(running)
        await consumer.perform_seek()
        assert await consumer._getmany({TP(bench.source, 0)}, 0.5) == {}
        consumer.resume_flow()
        await until(lambda: records_read(running) == 600)


async def test_a_recovery_that_the_broker_does_not_answer_in_time_ends_the_worker(bench: Bench) -> None:
    """Faust would take the worker for stopped: it would recover no more, and read nothing, without a word."""
    async with bench.app(read_only) as first:
        await until(lambda: len(partitions_of(first)) == PARTITIONS)
        with warnings.catch_warnings(action="ignore"):  # Faust warns of each setting that changes late
            first.app.conf.broker_request_timeout = 1e-9
        async with bench.app(read_only):
            crashed = await until(lambda: first.app.crash_reason)
    assert isinstance(crashed, RecoveryTimedOut)


async def test_the_broker_delays_a_fetch_without_records_for_long_only_where_it_names_all_partitions(
    bench: Bench,
) -> None:
    waits: list[tuple[int, int]] = []
    async with bench.app(read_only) as running:
        await until(lambda: len(partitions_of(running)) == PARTITIONS)
        consumer = consumer_of(running)
        fetcher = consumer._thread._ensure_consumer()._fetcher
        actions_of = fetcher._get_actions_per_node

        def watched(assignment: Any) -> Any:
            actions = actions_of(assignment)
            for _, request in actions[0]:
                named = sum(len(places) for _, places in request.topics)
                waits.append((len(assignment.tps) - named, request._max_wait_ms))
            return actions

        fetcher._get_actions_per_node = watched
        await until(lambda: (0, LONG_WAIT_MS) in waits)
        consumer.pause_fetching(consumer.assignment())
        await bench.publish(0, [b"1"])
        waits.clear()
        await until(lambda: (1, FETCH_MAX_WAIT_MS) in waits)
    assert {wait for left_out, wait in waits if left_out} == {FETCH_MAX_WAIT_MS}


async def test_a_recovery_without_offsets_learns_of_the_other_rebalance(bench: Bench) -> None:
    async with bench.app(read_only) as running:
        await until(lambda: len(partitions_of(running)) == PARTITIONS)
        with pytest.raises(IllegalStateError):
            await consumer_of(running).seek_wait({TP(bench.rates, 0): cast(int, None)})


async def test_a_poll_takes_nothing_when_everything_is_paused_meanwhile(bench: Bench) -> None:
    async with bench.app(read_only) as running:
        await until(lambda: len(partitions_of(running)) == PARTITIONS)
        consumer, source = consumer_of(running), TP(bench.source, 0)
        await until(lambda: source in consumer._active_partitions)
        active = {source}
        poll = asyncio.create_task(consumer._getmany(active, 3.0))
        consumer.pause_partitions(consumer.assignment())
        active.clear()
        await bench.publish(0, [b"1"] * 10)
        assert await poll == {}
        consumer.resume_partitions({source})
        await until(lambda: records_read(running) == 10)


async def test_an_agent_that_has_caught_up_does_not_resume_a_paused_partition(bench: Bench) -> None:
    async with bench.app(read_only) as running:
        consumer, source = consumer_of(running), TP(bench.source, 0)
        await until(lambda: source in consumer._active_partitions)
        consumer.pause_fetching({source})
        consumer.pause_partitions({source})
        consumer.resume_fetching({source})
        assert source not in consumer._active_partitions
        consumer.resume_partitions({source})
        await bench.publish(0, [b"1"])
        await until(lambda: records_read(running) == 1)


async def test_the_markers_of_transactions_are_not_lost_records(bench: Bench) -> None:
    async def check(running: Running, tp: TP, records: list[Any]) -> None:
        cast(Records, records).check_follows(running.folds[-1][1].end if running.folds else 0)  # type: ignore[attr-defined]
        await collect(running, tp, records)

    producer = AIOKafkaProducer(bootstrap_servers=bench.bootstrap_servers, transactional_id=f"{bench.prefix}t")
    await producer.start()
    async with bench.app(check) as running:
        for number in range(1, 4):
            async with producer.transaction():
                await producer.send_and_wait(bench.source, b"1", partition=0)
                await until(lambda number=number: records_read(running) == number)
        await producer.stop()
        await bench.publish(0, [b"1"])
        await until(lambda: records_read(running) == 4)


async def test_a_partition_whose_fold_was_dropped_ends_the_worker(bench: Bench) -> None:
    async with bench.app(read_only) as running:
        consumer, source = consumer_of(running), TP(bench.source, 0)
        await until(lambda: source in consumer._active_partitions)
        await until(lambda: not progress(running, None).has_work)
        consumer.pause_partitions({source})
        await bench.publish(0, [b"1"] * 10)
        await until(lambda: progress(running, None).has_work)
        polled = await until(lambda: consumer._getmany({source}, 1.0))
        seen = progress(running, None)
        assert (seen.position, seen.end, seen.handed, seen.waits) == (10, 10, 10, True), "it is on its way to an agent"
        polled.clear()
        await until(lambda: not progress(running, None).waits)
        assert not progress(running, 10).has_work
        with pytest.raises(StalledWorker, match=f"{bench.source} partition 0: fetched to 10, handed on to 10"):
            watch(running, (0.0, 1.0, 62.0))


def watch(running: Running, seconds: Iterable[float]) -> None:
    """Give the watchdog partition 0 of the source, and another with progress, at these moments."""
    watchdog = Watchdog()
    for number, second in enumerate(seconds):
        other = PartitionProgress(number, number + 9, number, number, waits=False)
        seen = {TP(running.source, 0): progress(running, None), TP("other", 0): other}
        watchdog.check(second, broker_answers=True, ready=True, polls=number, partitions=seen)


def progress(running: Running, applied: int | None) -> Any:
    """The progress of partition 0 of the source, of which `applied` offsets were applied."""
    source = TP(running.source, 0)
    return consumer_of(running).progress({running.source}, lambda _: applied)[source]
