"""A real broker, a worker with the alert agents, and servers in place of PagerDuty and a webhook."""

import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.structs import ConsumerRecord

from halt400.records import Command
from streams.alerts.dispatcher import AlertDispatcher
from streams.detection import Finding
from streams.processing.output_sender import FLEET_KEY
from streams.settings import Settings, load_settings
from streams.topics import apply_topics, partition_of
from tests.alerts.servers import ROUTING_KEY, SIGNING_SECRET, PagerDuty, Webhook
from tests.alerts.worker import running
from tests.broker import BrokerView

PARTITIONS = 2


class AlertBench:
    """The topics of one test, a pager and a webhook, and a clock that can be put forward."""

    def __init__(
        self, settings: Settings, pager: PagerDuty, hook: Webhook, broker: BrokerView, directory: Path
    ) -> None:
        self.settings, self.pager, self.hook, self.broker = settings, pager, hook, broker
        self.config = directory / "halt400.toml"
        self.ahead_s = 0.0
        self.processes: list[subprocess.Popen[bytes]] = []

    def clock(self) -> float:
        return time.time() + self.ahead_s

    def configure(self, *routes: str) -> None:
        """Write the file: these routes, and the sinks `pager` and `hook` where they lead to them."""
        sinks = {
            "pager": f'kind = "pagerduty"\nurl = "{self.pager.url}"\nrouting_key_env = "TEST_ROUTING_KEY"',
            "hook": f'kind = "webhook"\nurl = "{self.hook.url}"\nsecret_env = "TEST_SIGNING_SECRET"',
        }
        text = "".join(f"[[alerts.route]]\ngroup_wait_s = 0\ngroup_interval_s = 0\n{route}\n" for route in routes)
        for name, keys in sinks.items():
            if f'"{name}"' in text:
                text += f"[alerts.sink.{name}]\ntimeout_s = 30\n{keys}\n"
        self.config.write_text(text)

    def worker(self) -> AbstractAsyncContextManager[AlertDispatcher]:
        return running(self.settings, self.config, self.clock)

    def start_process(self) -> subprocess.Popen[bytes]:
        kafka = self.settings.kafka
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.alerts.worker", str(self.config)],
            env=os.environ
            | {
                "HALT400_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
                "HALT400_KAFKA_TOPIC_PREFIX": kafka.topic_prefix,
                "HALT400_KAFKA_PARTITIONS": str(PARTITIONS),
                "HALT400_KAFKA_SESSION_TIMEOUT_S": "6",
            },
        )
        self.processes.append(process)
        return process

    async def publish(self, *records: Command | Finding) -> None:
        """Publish commands and findings as the engine does."""
        producer = AIOKafkaProducer(bootstrap_servers=self.settings.kafka.bootstrap_servers)
        await producer.start()
        for record in records:
            topic, key, target = _place(record)
            await producer.send_and_wait(
                self.settings.kafka.topic(topic),
                msgspec.json.encode(record),
                key=key,
                partition=partition_of(target.encode(), PARTITIONS) if target is not None else None,
            )
        await producer.stop()

    async def read(self, topic: str) -> list[ConsumerRecord[bytes, bytes]]:
        return await self.broker.read(self.settings.kafka.topic(topic), PARTITIONS)

    async def is_committed(self) -> bool:
        """Whether everything on `control` and `findings` is committed."""
        kafka = self.settings.kafka
        names = [kafka.topic(topic) for topic in ("control", "findings")]
        found = await self.broker.offsets(kafka.topic("alert-test"), names, PARTITIONS)
        return all(committed == end for committed, end in found.values())


def _place(record: Command | Finding) -> tuple[str, bytes, str | None]:
    """Topic, key, and the target whose partition it goes to; what concerns the fleet goes by its key."""
    if isinstance(record, Command):
        return "control", record.scope.id.encode(), record.scope.target
    return "findings", FLEET_KEY if record.target is None else record.target.encode(), record.target


@pytest.fixture
async def bench(kafka: str, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AlertBench]:
    monkeypatch.setenv("TEST_ROUTING_KEY", ROUTING_KEY)
    monkeypatch.setenv("TEST_SIGNING_SECRET", SIGNING_SECRET)
    settings = load_settings(
        kafka={"bootstrap_servers": kafka, "topic_prefix": prefix, "partitions": PARTITIONS, "session_timeout_s": 6},
        worker={"commit_interval_s": 0.2},
    )
    await apply_topics(settings.kafka)
    async with PagerDuty().serve() as pager, Webhook(time.time).serve() as hook, BrokerView(kafka) as broker:
        assert isinstance(pager, PagerDuty)
        assert isinstance(hook, Webhook)
        found = AlertBench(settings, pager, hook, broker, tmp_path)
        yield found
        for process in found.processes:
            if process.poll() is None:
                process.kill()
                process.wait()
        assert pager.violations == []
        assert hook.violations == []
