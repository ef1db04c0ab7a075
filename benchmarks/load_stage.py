"""One worker under load on a local Kafka: what it takes, how far it lags, and how late its commands are."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from benchmarks.outside import StalledError, records_of, wait_until
from halt400.records import Command, Offence
from halt400.windows import decode_row
from streams import topics
from streams.settings import KafkaSettings

__all__ = ["LoadStage", "LoadedWorker", "Sample", "Traffic"]

SAMPLE_S = 1.0
READY_S = 90.0
STOP_S = 60.0
_PAGE = os.sysconf("SC_PAGE_SIZE")
_decode_offence = msgspec.json.Decoder(Offence).decode
_decode_command = msgspec.json.Decoder(Command).decode


class Traffic(NamedTuple):
    """What is published. With `past_s` all at once, with times that go from so long ago up to now."""

    per_s: int
    seconds: float
    targets: int = 1000
    bad_ratio: float = 0.005
    hot: bool = False
    past_s: int = 0


class Sample(NamedTuple):
    """The worker at one moment: resident bytes and open descriptors of all its processes, and its lag in events."""

    at_s: float
    rss_bytes: int
    descriptors: int
    lag: int


class LoadedWorker:
    """``halt400 worker`` in one process and its follow-up process."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self._log, self._from = log, log.stat().st_size if log.exists() else 0
        self.started = time.monotonic()
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "halt400", "worker", "--processes", "1"],
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def log_text(self) -> str:
        """Its log since its start."""
        return self._log.read_text(errors="replace")[self._from :]

    async def is_ready(self) -> bool:
        """Whether it has its partitions."""
        return "Ready:" in self.log_text()

    def measure(self) -> tuple[int, int]:
        """Resident bytes and open descriptors of all its processes."""
        pids, rss, descriptors = [self.process.pid], 0, 0
        for pid in pids:
            with suppress(OSError):
                rss += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
                descriptors += sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
                for task in Path(f"/proc/{pid}/task").iterdir():
                    pids += map(int, (task / "children").read_text().split())
        return rss, descriptors

    def stop(self) -> int:
        """Stop it as an operator would; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_S)


@dataclass
class LoadStage:
    """Topics of its own, and the worker that reads them."""

    kafka: KafkaSettings
    directory: Path
    samples: list[Sample] = field(default_factory=list)

    @contextmanager
    def worker(self) -> Iterator[LoadedWorker]:
        """A worker; what is left of it at the end is killed."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HALT400_")} | {
            "HALT400_KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
            "HALT400_KAFKA_TOPIC_PREFIX": self.kafka.topic_prefix,
            "HALT400_KAFKA_PARTITIONS": str(self.kafka.partitions),
            "HALT400_ARCHIVE_URI": (self.directory / "archive").as_uri(),
            "HALT400_API_PORT": "0",
        }
        worker = LoadedWorker(environment, self.directory / "worker.log")
        try:
            yield worker
        finally:
            if worker.process.poll() is None:
                worker.stop()

    async def ready(self, worker: LoadedWorker) -> float:
        """Wait until a worker has its partitions; seconds since its start."""
        await wait_until(worker.is_ready, "worker", READY_S)
        return time.monotonic() - worker.started

    async def publish(self, traffic: Traffic) -> dict[str, Any]:
        """Publish from another process; what it says of it."""
        named = {
            "servers": self.kafka.bootstrap_servers,
            "topic": self.kafka.topic(topics.RESPONSES),
            "partitions": self.kafka.partitions,
            "per-s": traffic.per_s,
            "seconds": traffic.seconds,
            "targets": traffic.targets,
            "bad-ratio": traffic.bad_ratio,
            "past-s": traffic.past_s,
        }
        arguments = [text for name, value in named.items() for text in (f"--{name}", str(value))]
        command = [
            sys.executable,
            "-m",
            "benchmarks",
            "load_publisher",
            *arguments,
            *(["--hot"] if traffic.hot else []),
        ]
        process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
        output, _ = await process.communicate()
        if process.returncode:
            raise StalledError(f"the publisher ended with {process.returncode}")
        found: dict[str, Any] = json.loads(output)
        return found

    async def sample(self, worker: LoadedWorker) -> None:
        """Take a sample each second until cancelled."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.kafka.bootstrap_servers,
            group_id=self.kafka.topic("worker"),
            enable_auto_commit=False,
        )
        await consumer.start()
        began = time.monotonic()
        try:
            while True:
                rss, descriptors = await asyncio.to_thread(worker.measure)
                # On a busy machine the broker may not answer for a while.
                with suppress(KafkaError):
                    self.samples.append(Sample(time.monotonic() - began, rss, descriptors, await self._lag(consumer)))
                await asyncio.sleep(SAMPLE_S)
        finally:
            await consumer.stop()

    async def _lag(self, consumer: AIOKafkaConsumer) -> int:
        tps = [TopicPartition(self.kafka.topic(topics.RESPONSES), n) for n in range(self.kafka.partitions)]
        ends = await consumer.end_offsets(tps)
        return sum([ends[tp] - (await consumer.committed(tp) or 0) for tp in tps])

    async def drained(self, longest_s: float) -> float:
        """Wait until the worker has no lag; how long it took."""
        seen = len(self.samples)

        async def has_none() -> bool:
            return len(self.samples) > seen + 1 and not self.samples[-1].lag

        return await wait_until(has_none, "lag to drain", longest_s, poll_s=0.5)

    async def counted(self) -> int:
        """Events in the worker's rows."""
        latest = {record.key: record.value for record in await records_of(self.kafka, self.kafka.topic(topics.RATES))}
        return sum(decode_row(value).totals()["responses"] for value in latest.values() if value)

    async def latencies_s(self) -> tuple[list[float], list[float]]:
        """From the time of a 400 to its offence, and to the command that it led to, in order; publishing included."""
        offences, times = [], {}
        for record in await records_of(self.kafka, self.kafka.topic(topics.OFFENCES)):
            offence = _decode_offence(record.value or b"")
            times[offence.source] = offence.event.time
            offences.append((record.timestamp - offence.event.time) / 1000)
        commands = []
        for record in await records_of(self.kafka, self.kafka.topic(topics.CONTROL)):
            command = _decode_command(record.value) if record.value is not None else None
            if command is not None and command.source in times and command.opened_at == command.issued_at:
                commands.append((record.timestamp - times[command.source]) / 1000)
        return sorted(offences), sorted(commands)
