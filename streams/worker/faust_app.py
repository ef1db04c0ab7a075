"""The Faust app of a worker's process: what every one of them shares."""

import logging
from collections.abc import Awaitable
from pathlib import Path
from tempfile import gettempdir
from typing import Any, Protocol

import faust

from halt400.kafka.connection import Plaintext, SaslTls, Security, Tls
from streams import topics
from streams.settings import Settings

__all__ = ["Halt400App", "new_app"]

log = logging.getLogger("halt400.worker")


class Neighbour(Protocol):
    """Something that runs beside the Faust app in its loop."""

    async def start(self) -> None:
        """Start it; an error keeps the worker from starting."""

    async def stop(self) -> None:
        """Stop it; harmless where it was not started."""


class Halt400App(faust.App):
    """A Faust app that keeps nothing on disk, has neighbours in its loop, and remembers what ended it."""

    failure: BaseException | None = None
    ready = False

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.neighbours: list[Neighbour] = []

    def _create_directories(self) -> None:
        """Nothing of ours is on disk; Faust would make a directory beside whatever it was started in."""

    async def start_neighbours(self) -> None:
        """Start what the agents need before Kafka assigns anything."""
        for neighbour in self.neighbours:
            await neighbour.start()

    async def send_acknowledged(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        partition: int | None,
        headers: list[tuple[str, bytes]] | None,
    ) -> Awaitable[Any]:
        """Hand a record to the producer; what is returned is done when the broker has acknowledged it."""
        return await self.producer.send(topic, key, value, partition, None, headers)

    def held(self, topic: str) -> str:
        """The partitions of `topic` that this process was given, as text."""
        return ", ".join(str(tp.partition) for tp in sorted(self.consumer.assignment()) if tp.topic == topic)

    async def stop_neighbours(self) -> None:
        """Stop what was started, last first."""
        for neighbour in reversed(self.neighbours):
            await neighbour.stop()


def new_app(settings: Settings, group: str) -> Halt400App:
    """Make an app in the consumer group of that name, with no agents yet; nothing is connected before it starts."""
    kafka, worker = settings.kafka, settings.worker
    return Halt400App(
        kafka.topic(group),
        broker=[f"kafka://{server.strip()}" for server in kafka.bootstrap_servers.split(",")],
        broker_credentials=_credentials(kafka.connection.security),
        broker_session_timeout=kafka.session_timeout_s,
        broker_heartbeat_interval=kafka.session_timeout_s / 3,
        broker_request_timeout=max(kafka.request_timeout_s, kafka.session_timeout_s + 1),
        broker_commit_interval=worker.commit_interval_s,
        broker_max_poll_records=worker.poll_records,
        consumer_max_fetch_size=4 * 1024 * 1024,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=f"{worker.instance_id}-{group}" if worker.instance_id else None,
        producer_request_timeout=kafka.delivery_timeout_s,
        producer_max_request_size=topics.LARGEST_RECORD_BYTES,
        producer_max_batch_size=256 * 1024,
        store="memory://",
        stream_buffer_maxsize=16,
        stream_wait_empty=True,
        stream_recovery_delay=0.0,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        datadir=Path(gettempdir()),
        env_prefix="HALT400_FAUST_",
    )


def _credentials(security: Security) -> Any:
    """Say to Faust how connections are secured, as `KafkaConnection` says it to aiokafka."""
    if isinstance(security, Plaintext):
        return None
    if isinstance(security, Tls):
        return faust.SSLCredentials(security.ssl_context())
    return faust.SASLCredentials(
        username=security.username,
        password=security.password,
        mechanism=security.mechanism,
        ssl_context=security.tls.ssl_context() if isinstance(security, SaslTls) else None,
    )
