"""Workers as processes of their own on the real broker, and what they left behind, read from outside."""

import asyncio
import os
import re
import signal
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, Self

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import ConsumerRecord

from halt400.kafka.connection import KafkaConnection
from halt400.operations import OperationPublisher
from halt400.records import Command, Offence, Operation
from halt400.windows import Row, decode_row
from streams.detection import Finding
from streams.settings import load_settings
from streams.topics import apply_topics, partition_of
from tests.broker import BrokerView
from tests.preloaded import PreloadedProcess
from tests.waiting import until

PARTITIONS = 4
MIB = 1 << 20
GROUPS = {"responses": "worker", "operations": "worker", "offences": "follow-up"}


class Cluster:
    """One prefix of topics on the real broker, the workers on it, and what is in them."""

    def __init__(self, bootstrap_servers: str, prefix: str, archive: Path, broker: BrokerView) -> None:
        self.bootstrap_servers, self.prefix, self.archive, self.broker = bootstrap_servers, prefix, archive, broker
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("HALT400_")} | {
            "HALT400_KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers,
            "HALT400_KAFKA_TOPIC_PREFIX": prefix,
            "HALT400_KAFKA_PARTITIONS": str(PARTITIONS),
            "HALT400_KAFKA_SESSION_TIMEOUT_S": "6",
            "HALT400_ARCHIVE_URI": archive.as_uri(),
            "HALT400_API_PORT": "0",
            "HALT400_WORKER_PROCESSES": "1",
        }
        self.workers: list[PreloadedProcess] = []
        self.logs: list[Path] = []

    @classmethod
    @asynccontextmanager
    async def prepared(cls, bootstrap_servers: str, prefix: str, directory: Path) -> AsyncIterator[Self]:
        """A cluster with its topics; its workers are gone afterwards."""
        async with BrokerView(bootstrap_servers) as broker:
            cluster = cls(bootstrap_servers, prefix, directory / "archive", broker)
            await cluster.make_topics()
            yield cluster
            for worker in cluster.workers:
                if worker.poll() is None:
                    worker.kill()
                    worker.wait()

    @property
    def settings(self) -> dict[str, str]:
        """The variables of Halt400, for a command on this cluster."""
        return {name: value for name, value in self.environment.items() if name.startswith("HALT400_")}

    async def make_topics(self) -> None:
        settings = load_settings(
            kafka={
                "bootstrap_servers": self.bootstrap_servers,
                "topic_prefix": self.prefix,
                "partitions": PARTITIONS,
            }
        )
        await apply_topics(settings.kafka)

    def start_worker(self, *arguments: str, **environment: str) -> PreloadedProcess:
        log = self.archive.parent / f"worker-{len(self.logs)}.log"
        self.logs.append(log)
        log.touch()
        worker = PreloadedProcess("worker", *arguments, environment=self.environment | environment, out=log, err=log)
        self.workers.append(worker)
        return worker

    def stop_workers(self) -> list[int]:
        """Stop what still runs as an operator would; the exit codes."""
        running = [worker for worker in self.workers if worker.poll() is None]
        for worker in running:
            worker.send_signal(signal.SIGTERM)
        return [worker.wait(60) for worker in running]

    def api_url(self) -> str | None:
        """Where a worker serves the API, None while none does."""
        found = re.search(r"The API answers at (http\S+?)\.?\s", self.log_text())
        return None if found is None else found[1]

    def log_text(self) -> str:
        return "\n".join(log.read_text(errors="replace") for log in self.logs)

    async def publish(
        self,
        events: Iterable[tuple[bytes | None, bytes | None]],
        *,
        per_s: float | None = None,
        topic: str = "responses",
        partition: int | None = None,
    ) -> None:
        """Publish (key, value) pairs, a key to the partition that the contract asks for, at most `per_s` a second."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self.bootstrap_servers, linger_ms=10, max_batch_size=MIB, max_request_size=16 * MIB
        )
        await producer.start()
        started, sent, waiting, place = time.monotonic(), 0, iter(events), cache(partition_of)
        while records := list(islice(waiting, 1000)):
            of_partition: defaultdict[int, list[tuple[bytes | None, bytes | None]]] = defaultdict(list)
            for key, value in records:
                number = place(key, PARTITIONS) if partition is None and key is not None else partition or 0
                of_partition[number].append((key, value))
            await asyncio.gather(
                *[send_all(producer, f"{self.prefix}{topic}", number, found) for number, found in of_partition.items()]
            )
            sent += len(records)
            if per_s is not None:
                await asyncio.sleep(max(0.0, started + sent / per_s - time.monotonic()))
        await producer.stop()

    async def read(self, topic: str) -> list[ConsumerRecord[bytes, bytes]]:
        """Every record of a topic, to its end at the time of the call."""
        return await self.broker.read(f"{self.prefix}{topic}", PARTITIONS)

    def write_policies(self, text: str) -> None:
        """Write the policies that workers started from here on read, and those that run read again."""
        path = self.archive.parent / "halt400.toml"
        path.write_text(text)
        self.environment["HALT400_CONFIG_PATH"] = str(path)

    async def operate(self, *operations: Operation) -> None:
        async with OperationPublisher(KafkaConnection(self.bootstrap_servers, self.prefix)) as publisher:
            for operation in operations:
                await publisher.send(operation)

    async def latest(self) -> dict[str, Command]:
        """The command of each scope that stands on `control`."""
        found: dict[str, Command] = {}
        for command in await self.commands():
            known = found.get(command.scope.id)
            if known is None or command.sequence >= known.sequence:
                found[command.scope.id] = command
        return found

    async def findings(self) -> list[Finding]:
        return [msgspec.json.decode(record.value or b"", type=Finding) for record in await self.read("findings")]

    async def rewind(self, *topics: str) -> None:
        """Set the group's offsets back to the beginning; no worker may run."""
        for topic in topics:
            consumer = AIOKafkaConsumer(
                bootstrap_servers=self.bootstrap_servers,
                group_id=f"{self.prefix}{GROUPS[topic]}",
                enable_auto_commit=False,
            )
            await consumer.start()
            tps = [TopicPartition(f"{self.prefix}{topic}", partition) for partition in range(PARTITIONS)]
            consumer.assign(tps)
            await consumer.commit(dict.fromkeys(tps, 0))
            await consumer.stop()

    async def rows(self) -> dict[str, Row]:
        rows: dict[str, Row] = {}
        for record in await self.read("rates"):
            assert record.key is not None
            assert record.value is not None
            row = decode_row(record.value)
            target = record.key.decode()
            if target not in rows or row.offset >= rows[target].offset:
                rows[target] = row
        return rows

    async def commands(self) -> list[Command]:
        records = await self.read("control")
        return [msgspec.json.decode(record.value, type=Command) for record in records if record.value is not None]

    async def offences(self) -> list[Offence]:
        return [msgspec.json.decode(record.value or b"", type=Offence) for record in await self.read("offences")]

    async def lag(self, *topics: str) -> int:
        """Records of some topics (`responses` unless named) that are not committed yet."""
        return sum([end - committed for committed, end in (await self.offsets(*topics or ("responses",))).values()])

    async def committed(self) -> int:
        """Records of `responses` that are committed."""
        return sum([committed for committed, _ in (await self.offsets("responses")).values()])

    async def offsets(self, *topics: str) -> dict[TopicPartition, tuple[int, int]]:
        """Partition -> (committed offset, log end)."""
        found: dict[TopicPartition, tuple[int, int]] = {}
        for topic in topics:
            name, group = f"{self.prefix}{topic}", f"{self.prefix}{GROUPS[topic]}"
            found |= await self.broker.offsets(group, [name], PARTITIONS)
        return found

    async def until(self, condition: Callable[[], Any], deadline_s: float = 90.0) -> Any:
        """Wait for a condition (or an awaitable one) to hold; fail with the workers' logs."""
        return await until(
            condition,
            deadline_s,
            hopeless=lambda: bool(self.workers) and all(worker.poll() == 1 for worker in self.workers),
            explain=lambda: f"the workers logged:\n{self.log_text()[-4000:]}",
        )

    async def until_idle(self, *topics: str, deadline_s: float = 90.0) -> None:
        async def idle() -> bool:
            return await self.lag(*topics) == 0

        await self.until(idle, deadline_s)


async def send_all(
    producer: AIOKafkaProducer, topic: str, partition: int, records: list[tuple[bytes | None, bytes | None]]
) -> None:
    """Send records to a partition in their order, in few batches, and wait until the broker has them."""
    now_ms, sends, batch = time.time_ns() // 1_000_000, [], producer.create_batch()
    for key, value in records:
        if batch.append(key=key, value=value, timestamp=now_ms) is None:
            sends.append(await producer.send_batch(batch, topic, partition=partition))
            batch = producer.create_batch()
            batch.append(key=key, value=value, timestamp=now_ms)
    await asyncio.gather(*sends, await producer.send_batch(batch, topic, partition=partition))


def counts(statuses: Iterable[tuple[str, int]]) -> dict[str, Counter[str]]:
    """Target -> counts by class as `Row.totals` gives them, from (target, status) pairs."""
    found: dict[str, Counter[str]] = {}
    for (target, status), count in Counter(statuses).items():
        of_hundred = {2: "2xx", 3: "3xx", 5: "5xx"}.get(status // 100, "other")
        name = str(status) if status in {400, 401, 403, 404, 422, 429} else of_hundred
        found.setdefault(target, Counter()).update({"responses": count, name: count})
    return found


def totals(rows: dict[str, Row]) -> dict[str, Counter[str]]:
    """The same from rows; classes that were never seen are left out."""
    return {target: Counter({name: n for name, n in row.totals().items() if n}) for target, row in rows.items()}


@pytest.fixture
async def cluster(kafka: str, prefix: str, tmp_path: Path) -> AsyncIterator[Cluster]:
    async with Cluster.prepared(kafka, prefix, tmp_path) as cluster:
        yield cluster


__all__ = ["PARTITIONS", "Cluster", "counts", "totals"]
