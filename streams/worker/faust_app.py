"""The Faust app that each of the worker's processes is built on, and its Kafka settings."""

import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import gettempdir
from typing import Any, Protocol, cast

import faust

from halt400.kafka.connection import Plaintext, SaslTls, SaslToken, Security, Tls
from streams import topics
from streams.settings import Settings
from streams.transport import PARTITION_FETCH_BYTES, DisklessApp
from streams.worker.group_place import GroupPlace

__all__ = ["DETECT_GROUP", "FOLLOW_UP_GROUP", "Halt400App", "leaves_group", "new_app"]

DETECT_GROUP = "worker"
FOLLOW_UP_GROUP = "follow-up"

log = logging.getLogger("halt400.worker")

LONGEST_HEARTBEAT_S = 1.0
"""A worker hears with its heartbeat that another has come or gone, and all wait for it meanwhile."""


class BackgroundService(Protocol):
    """What runs in the event loop of a Faust app beside its agents."""

    async def start(self) -> None:
        """Start it; an error keeps the worker from starting."""

    async def stop(self) -> None:
        """Stop it; does nothing where it was not started."""


class Halt400App(DisklessApp):
    """A Faust app that runs background services and knows why it failed.

    Attributes
    ----------
    failure
        The error that ends the process, None while there is none.
    ready
        Whether the assigned partitions are recovered and read.
    services
        Started before Kafka assigns partitions, and stopped last.
    on_failure
        Called when the process is about to end because of a failure.
    """

    failure: BaseException | None = None
    ready = False

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.services: list[BackgroundService] = []
        self.on_failure: Callable[[], None] = lambda: None

    async def start_services(self) -> None:
        """Start the services, which the agents need before Kafka assigns partitions."""
        for service in self.services:
            await service.start()

    async def send_acknowledged(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        partition: int | None,
        headers: list[tuple[str, bytes]] | None,
    ) -> Awaitable[Any]:
        """Give a record to the producer; the result is done when the broker has acknowledged the record."""
        return await self.producer.send(topic, key, value, partition, None, headers)

    async def find_partitions(self, topic: str) -> None:
        """Let the producer learn where a topic's partitions are, as it would with the first record to it."""
        await cast(Any, self.producer).producer_of(topic).partitions_for(topic)

    def assigned(self, topic: str) -> str:
        """The assigned partitions of `topic`, as text."""
        return ", ".join(str(tp.partition) for tp in sorted(self.consumer.assignment()) if tp.topic == topic)

    async def stop_services(self) -> None:
        """Stop the services, the last one first."""
        for service in reversed(self.services):
            await service.stop()


def new_app(settings: Settings, group: str, place: GroupPlace | None = None) -> Halt400App:
    """Make an app in the consumer group of that name, without agents; it connects when it starts.

    Parameters
    ----------
    place
        The place of its process in a worker with several.
    """
    kafka, worker = settings.kafka, settings.worker
    instance_id = worker.instance_id if place is None else place.instance_id(worker.instance_id)
    return Halt400App(
        kafka.topic(group),
        broker=[f"kafka://{server.strip()}" for server in kafka.bootstrap_servers.split(",")],
        broker_credentials=_credentials(kafka.connection.security),
        broker_session_timeout=kafka.session_timeout_s,
        broker_heartbeat_interval=min(kafka.session_timeout_s / 3, LONGEST_HEARTBEAT_S),
        broker_request_timeout=max(kafka.request_timeout_s, kafka.session_timeout_s + 1),
        broker_commit_interval=worker.commit_interval_s,
        broker_max_poll_records=worker.poll_records,
        consumer_max_fetch_size=PARTITION_FETCH_BYTES,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=f"{instance_id}-{group}" if instance_id else None,
        producer_request_timeout=kafka.delivery_timeout_s,
        producer_max_request_size=topics.LARGEST_RECORD_BYTES,
        producer_max_batch_size=256 * 1024,
        store="memory://",
        table_standby_replicas=0,  # `DurableTable` recovers from the changelog at every rebalance
        stream_buffer_maxsize=16,
        stream_wait_empty=True,
        stream_recovery_delay=0.0,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        datadir=Path(gettempdir()),
        env_prefix="HALT400_FAUST_",
    )


def leaves_group(app: Halt400App) -> bool:
    """Whether a process gives up its static name when it stops, so that others have its partitions at once.

    One that failed keeps it, since it is started again at once. Nobody knows when one that was stopped comes back, and
    detection in its partitions would stand still until then.
    """
    return app.failure is None


def _credentials(security: Security) -> Any:
    """Faust's credentials for the security of a `KafkaConnection`."""
    if isinstance(security, Plaintext):
        return None
    if isinstance(security, Tls):
        return faust.SSLCredentials(security.ssl_context())
    if isinstance(security, SaslToken):
        encrypted = security.tls.ssl_context() if security.tls is not None else None
        return faust.OAuthCredentials(oauth_cb=security.provider(), ssl_context=encrypted)
    return faust.SASLCredentials(
        username=security.username,
        password=security.password,
        mechanism=security.mechanism,
        ssl_context=security.tls.ssl_context() if isinstance(security, SaslTls) else None,
    )
