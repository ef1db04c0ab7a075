"""The Faust app, made by a factory from the settings: agents, the changelogged table, the folding transport."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import faust
import msgspec
from faust.types import TP

from halt400.follower import Follower
from halt400.records import Command, Source
from halt400.windows import decode_row
from streams import agents, topics
from streams.engine import Engine, Outputs, partition_of
from streams.failure import ends_the_process
from streams.partition import Rules
from streams.settings import Settings
from streams.transport import DurableTable, install

__all__ = ["Halt400App", "build_app"]

_decode_command = msgspec.json.Decoder(Command).decode


class Halt400App(faust.App):  # type: ignore[misc]
    """A Faust app that keeps nothing on disk, starts our own services with it, and remembers what ended it."""

    failure: BaseException | None = None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.starts: list[Callable[[], Awaitable[Any]]] = []
        self.stops: list[Callable[[], Awaitable[Any]]] = []

    def _create_directories(self) -> None:
        """Nothing of ours is on disk; Faust would make a directory beside whatever it was started in."""

    async def on_first_start(self) -> None:
        """Start what the agents need before Kafka assigns anything."""
        await super().on_first_start()
        for start in self.starts:
            await start()

    async def on_shutdown(self) -> None:
        """Stop what was started, last first."""
        await super().on_shutdown()
        for stop in reversed(self.stops):
            await stop()


def build_app(settings: Settings) -> Halt400App:
    """Make the worker's app; nothing is connected before it starts."""
    kafka, worker, detection = settings.kafka, settings.worker, settings.detection
    responses, offences, rates = (kafka.topic(name) for name in (topics.RESPONSES, topics.OFFENCES, topics.RATES))
    app = Halt400App(
        kafka.topic("worker"),
        broker=[f"kafka://{server.strip()}" for server in kafka.bootstrap_servers.split(",")],
        broker_credentials=_credentials(settings),
        broker_session_timeout=kafka.session_timeout_s,
        broker_heartbeat_interval=kafka.session_timeout_s / 3,
        broker_request_timeout=max(kafka.request_timeout_s, kafka.session_timeout_s + 1),
        broker_commit_interval=worker.commit_interval_s,
        broker_max_poll_records=worker.poll_records,
        consumer_max_fetch_size=4 * 1024 * 1024,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=worker.instance_id,
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
    durability = install(app, [responses, offences, rates])
    control = Follower(
        topic=kafka.topic(topics.CONTROL), newer=_later_command, **kafka.client_options()
    )
    app.starts.append(control.start)
    app.stops.append(control.stop)

    table = DurableTable(
        app,
        name=rates,
        changelog_name=rates,
        newer=_newer_row,
        partitions=kafka.partitions,
    )
    app.tables.add(table)

    engine = Engine(
        responses,
        Outputs(kafka.topic(topics.CONTROL), offences, kafka.topic(topics.RESPONSES_DLQ)),
        Rules(
            archive_uri=partial(_archive_uri, settings.archive.uri.rstrip("/")),
            partition_of=partial(partition_of, partitions=kafka.partitions),
            latest_command=partial(_latest_command, control),
            skew_ms=int(detection.skew_s * 1000),
            old_news_ms=int(detection.old_news_s * 1000),
            hold_ms=int(detection.hold_s * 1000),
        ),
        table,
        durability,
        partial(_send, app),
        control,
    )
    durability.on_settle(engine.flush)
    agents.detect.register(app, responses, engine)

    @app.on_partitions_revoked.connect  # type: ignore[untyped-decorator]
    async def forget(_app: Any, revoked: set[TP], **_: Any) -> None:
        engine.drop(revoked)

    @table.on_recover
    @ends_the_process(app)
    async def know_every_command() -> None:
        await engine.recovered()

    @app.task  # type: ignore[untyped-decorator]
    @ends_the_process(app)
    async def flush_regularly(_app: Any) -> None:
        while not app.should_stop:
            await app.sleep(worker.flush_interval_s)
            await engine.flush()

    return app


async def _send(
    app: Halt400App,
    topic: str,
    key: bytes | None,
    value: bytes | None,
    partition: int | None,
    headers: list[tuple[str, bytes]] | None,
) -> asyncio.Future[Any]:
    future: asyncio.Future[Any] = await app.producer.send(topic, key, value, partition, None, headers)
    return future


def _latest_command(control: Follower, scope_id: str) -> Command | None:
    value = control.values.get(scope_id.encode())
    return _decode_command(value) if value is not None else None


def _later_command(found: bytes, candidate: bytes) -> bool:
    return _decode_command(candidate).sequence >= _decode_command(found).sequence


def _newer_row(found: bytes, candidate: bytes) -> bool:
    return decode_row(candidate).offset >= decode_row(found).offset


def _archive_uri(base: str, source: Source, target: str, time_ms: int) -> str:
    return f"{base}/{target}/{time_ms}-{source.partition}-{source.offset}.har"


def _credentials(settings: Settings) -> Any:
    kafka = settings.kafka
    if kafka.security_protocol == "PLAINTEXT":
        return None
    if kafka.security_protocol == "SSL":
        return faust.SSLCredentials(kafka.ssl_context())
    return faust.SASLCredentials(
        username=kafka.sasl_username,
        password=kafka.sasl_password.get_secret_value() if kafka.sasl_password else None,
        mechanism=kafka.sasl_mechanism,
        ssl_context=kafka.ssl_context(),
    )
