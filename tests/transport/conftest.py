"""A Faust app on the folding transport with a trivial agent, for the contract with Faust alone."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from faust.types import TP

from streams.app import Halt400App
from streams.transport import PASS_THROUGH, DurableTable, install

PARTITIONS = 2


class Bench:
    """One source topic and one table of it on the real broker."""

    def __init__(self, bootstrap_servers: str, prefix: str) -> None:
        self.bootstrap_servers, self.prefix = bootstrap_servers, prefix
        self.source, self.rates = f"{prefix}source", f"{prefix}table"

    async def make_topics(self) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap_servers)
        await admin.start()
        await admin.create_topics(
            [
                NewTopic(self.source, PARTITIONS, 1),
                NewTopic(self.rates, PARTITIONS, 1, topic_configs={"cleanup.policy": "compact"}),
            ]
        )
        await admin.close()

    async def publish(self, partition: int, values: list[bytes]) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap_servers, max_batch_size=512)
        await producer.start()
        await asyncio.gather(*[await producer.send(self.source, value, partition=partition) for value in values])
        await producer.stop()

    async def offsets(self) -> dict[int, tuple[int, int]]:
        """Partition -> (committed offset, log end) of the source."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap_servers, group_id=f"{self.prefix}worker", enable_auto_commit=False
        )
        await consumer.start()
        try:
            tps = [TopicPartition(self.source, partition) for partition in range(PARTITIONS)]
            ends = await consumer.end_offsets(tps)
            return {tp.partition: (await consumer.committed(tp) or 0, ends[tp]) for tp in tps}
        finally:
            await consumer.stop()

    async def rows_on_the_changelog(self) -> int:
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap_servers)
        await consumer.start()
        try:
            ends = await consumer.end_offsets(
                [TopicPartition(self.rates, partition) for partition in range(PARTITIONS)]
            )
            return sum(ends.values())
        finally:
            await consumer.stop()

    @asynccontextmanager
    async def app(
        self,
        on_fold: Callable[["Running", TP, list[Any]], Awaitable[None]],
        *,
        table_type: type[DurableTable] = DurableTable,
        poll_records: int = 100,
    ) -> AsyncIterator["Running"]:
        app = Halt400App(
            f"{self.prefix}worker",
            broker=f"kafka://{self.bootstrap_servers}",
            broker_commit_interval=0.2,
            broker_session_timeout=6.0,
            broker_heartbeat_interval=1.0,
            broker_max_poll_records=poll_records,
            consumer_auto_offset_reset="earliest",
            store="memory://",
            stream_buffer_maxsize=16,
            stream_recovery_delay=0.0,
            topic_allow_declare=False,
            topic_disable_leader=True,
            web_enabled=False,
            datadir=Path("/nonexistent"),
        )
        durability = install(app)
        table = table_type(
            app,
            name=self.rates,
            changelog_name=self.rates,
            newer=lambda found, candidate: int(candidate) >= int(found),
            partitions=PARTITIONS,
        )
        app.tables.add(table)
        running = Running(app, table, durability)
        topic = app.topic(self.source, key_serializer="raw", value_serializer=PASS_THROUGH)

        @app.agent(topic, name="agent")  # type: ignore[untyped-decorator]
        async def agent(folds: Any) -> None:
            async for fold in folds.events():
                await on_fold(running, fold.message.tp, fold.value)

        @app.on_partitions_revoked.connect  # type: ignore[untyped-decorator]
        async def forget(_app: Any, revoked: set[TP], **_: Any) -> None:
            table.drop(tp.partition for tp in revoked)
            durability.drop(revoked)

        await app.start()
        try:
            yield running
        finally:
            await app.stop()


class Running:
    """An app that runs, with what the agent saw."""

    def __init__(self, app: Halt400App, table: DurableTable, durability: Any) -> None:
        self.app, self.table, self.durability = app, table, durability
        self.folds: list[tuple[TP, list[Any]]] = []


@pytest.fixture
async def bench(kafka: str, prefix: str) -> Bench:
    bench = Bench(kafka, prefix)
    await bench.make_topics()
    return bench


async def until(condition: Callable[[], Any], deadline_s: float = 30.0) -> Any:
    """Wait for a condition (or an awaitable one) to hold; fail with its last value."""
    end = asyncio.get_running_loop().time() + deadline_s
    while True:
        found = condition()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return found
        if asyncio.get_running_loop().time() > end:
            pytest.fail(f"not within {deadline_s} s: {condition}")
        await asyncio.sleep(0.05)
