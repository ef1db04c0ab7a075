"""A Faust app on the folding transport with a trivial agent, for the contract with Faust alone."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from faust.types import TP

from streams.transport import PASS_THROUGH, DurableTable, install
from streams.worker.faust_app import Halt400App
from tests.broker import BrokerView

PARTITIONS = 2


class Bench:
    """One source topic and one table of it on the real broker."""

    def __init__(self, bootstrap_servers: str, prefix: str, broker: BrokerView) -> None:
        self.bootstrap_servers, self.prefix, self.broker = bootstrap_servers, prefix, broker
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
        found = await self.broker.offsets(f"{self.prefix}worker", [self.source], PARTITIONS)
        return {tp.partition: pair for tp, pair in found.items()}

    async def rows_on_the_changelog(self) -> int:
        found = await self.broker.offsets(f"{self.prefix}none", [self.rates], PARTITIONS)
        return sum(end for _, end in found.values())

    @asynccontextmanager
    async def app(
        self,
        on_fold: Callable[["Running", TP, list[Any]], Awaitable[None]],
        *,
        table_type: type[DurableTable] = DurableTable,
        poll_records: int = 100,
        urgent: Collection[str] = (),
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
        watermarks = install(app, urgent=urgent)
        table = table_type(
            app,
            name=self.rates,
            changelog_name=self.rates,
            newer=lambda found, candidate: int(candidate) >= int(found),
            partitions=PARTITIONS,
        )
        app.tables.add(table)
        running = Running(app, table, watermarks, self.source)
        topic = app.topic(self.source, key_serializer="raw", value_serializer=PASS_THROUGH)

        @app.agent(topic, name="agent")  # type: ignore[untyped-decorator]
        async def agent(folds: Any) -> None:
            async for fold in folds.events():
                await on_fold(running, fold.message.tp, fold.value)

        @app.on_partitions_revoked.connect  # type: ignore[untyped-decorator]
        async def forget(_app: Any, revoked: set[TP], **_: Any) -> None:
            table.drop(tp.partition for tp in revoked)
            watermarks.drop(revoked)

        await app.start()
        try:
            yield running
        finally:
            await app.stop()


class Running:
    """An app that runs, with what the agent saw."""

    def __init__(self, app: Halt400App, table: DurableTable, watermarks: Any, source: str) -> None:
        self.app, self.table, self.watermarks, self.source = app, table, watermarks, source
        self.folds: list[tuple[TP, list[Any]]] = []


@pytest.fixture
async def bench(kafka: str, prefix: str) -> AsyncIterator[Bench]:
    async with BrokerView(kafka) as broker:
        bench = Bench(kafka, prefix, broker)
        await bench.make_topics()
        yield bench
