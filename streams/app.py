"""The Faust app, made by a factory from the settings: agents, the changelogged table, the folding transport."""

import logging
import time
from collections.abc import Awaitable
from functools import partial
from pathlib import Path
from tempfile import gettempdir
from typing import Any, Protocol, cast

import faust
import msgspec

from halt400.follower import Follower
from halt400.records import Command
from halt400.redaction import Redactor
from halt400.redaction import Rules as RedactionRules
from halt400.windows import decode_row
from streams import agents, topics
from streams.archive import ArchiveWriter, open_archive
from streams.archive.archivist import Archivist
from streams.engine import Engine, Outputs, partition_of
from streams.failure import end_process, ends_the_process
from streams.ledger import Ledger
from streams.rules import build_rules
from streams.settings import Settings
from streams.transport import DurableTable, FoldingConsumer, install
from streams.watchdog import Watchdog
from streams.web.server import ApiServer

__all__ = ["Halt400App", "build_app"]

WATCH_INTERVAL_S = 5.0
OPEN_OFFENCES = 5000
"""Offences that may wait for the archive in memory before reading of them stops."""

log = logging.getLogger("halt400.worker")

_decode_command = msgspec.json.Decoder(Command).decode


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
            if isinstance(neighbour, ApiServer):
                log.info("The API answers at %s.", neighbour.url)

    async def stop_neighbours(self) -> None:
        """Stop what was started, last first."""
        for neighbour in reversed(self.neighbours):
            await neighbour.stop()


def build_app(settings: Settings) -> Halt400App:
    """Make the worker's app; nothing is connected before it starts."""
    kafka, worker = settings.kafka, settings.worker
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
    durability = install(app)
    control = Follower(topic=kafka.topic(topics.CONTROL), newer=_later_command, **kafka.client_options())
    app.neighbours.append(control)

    if settings.api.enabled:
        app.neighbours.append(ApiServer.of(settings))

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
        build_rules(
            settings,
            partition_of=partial(partition_of, partitions=kafka.partitions),
            latest_command=partial(_latest_command, control),
        ),
        table,
        durability,
        partial(_send, app),
        control,
    )
    durability.on_settle(engine.flush)
    agents.detect.register(app, responses, engine)

    redactor = Redactor(RedactionRules(), settings.archive.redaction_key.get_secret_value().encode())
    writer = ArchiveWriter(open_archive(settings.archive), parallel=settings.archive.parallel_uploads)
    app.neighbours.append(writer)
    ledger = Ledger(
        durability,
        capacity=OPEN_OFFENCES,
        pause=lambda tps: cast(FoldingConsumer, app.consumer).hold_back(tps),
        resume=lambda tps: cast(FoldingConsumer, app.consumer).let_go(tps),
        on_failure=partial(end_process, app),
    )
    durability.on_settle(ledger.settle)
    agents.archive.register(app, offences, Archivist(writer, redactor.event), ledger)

    @app.on_partitions_revoked.connect  # type: ignore[arg-type]
    async def forget(_app: Any, *arguments: Any, **_: Any) -> None:
        app.ready = False
        engine.drop(*arguments)
        ledger.drop(*arguments)

    @table.on_recover
    @ends_the_process(app)
    async def know_every_command() -> None:
        await engine.recovered()
        app.ready = True
        log.info("Ready: partitions %s of %s.", held(app, responses) or "none", responses)

    @app.task  # type: ignore[untyped-decorator]
    @ends_the_process(app)
    async def flush_regularly(_app: Any) -> None:
        while not app.should_stop:
            await app.sleep(worker.flush_interval_s)
            await engine.flush()

    @app.task  # type: ignore[untyped-decorator]
    @ends_the_process(app)
    async def watch(_app: Any) -> None:
        watchdog = Watchdog()
        while not app.should_stop:
            await app.sleep(WATCH_INTERVAL_S)
            watchdog.check(
                time.monotonic(),
                broker_answers=control.healthy,
                ready=app.ready,
                positions=cast(FoldingConsumer, app.consumer).positions(responses),
            )

    return app


def held(app: Halt400App, topic: str) -> str:
    """The partitions of `topic` that this worker was given, as text."""
    return ", ".join(str(tp.partition) for tp in sorted(app.consumer.assignment()) if tp.topic == topic)


async def _send(
    app: Halt400App,
    topic: str,
    key: bytes | None,
    value: bytes | None,
    partition: int | None,
    headers: list[tuple[str, bytes]] | None,
) -> Awaitable[Any]:
    return await app.producer.send(topic, key, value, partition, None, headers)


def _latest_command(control: Follower, scope_id: str) -> Command | None:
    value = control.values.get(scope_id.encode())
    return _decode_command(value) if value is not None else None


def _later_command(found: bytes, candidate: bytes) -> bool:
    return _decode_command(candidate).sequence >= _decode_command(found).sequence


def _newer_row(found: bytes, candidate: bytes) -> bool:
    return decode_row(candidate).offset >= decode_row(found).offset


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
