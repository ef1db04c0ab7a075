"""The detect process: reads every response event, keeps the windows, issues commands, and serves the API."""

import asyncio
import logging
import time
from collections.abc import Sequence
from functools import partial
from typing import Any, cast

import msgspec

from halt400.kafka.follower import Changes, Follower
from halt400.records import Command
from halt400.windows import row_offset
from streams import metrics, topics
from streams.api.server import ApiServer
from streams.fleet_cap.log import GrantDecision
from streams.fleet_cap.participant import UNUSED_AFTER_MS, CapParticipant
from streams.processing.build_context import build_context
from streams.processing.engine import Engine, OutputTopics, partition_of
from streams.processing.policy_file import PolicyFile
from streams.settings import Settings
from streams.transport import DurableTable, FoldingConsumer, install
from streams.worker import agents
from streams.worker.failure import ends_the_process
from streams.worker.faust_app import Halt400App, new_app
from streams.worker.metrics_server import MetricsServer
from streams.worker.watchdog import Watchdog

__all__ = ["build_detect_app"]

DETECT_GROUP = "worker"
WATCH_INTERVAL_S = 5.0
TICK_INTERVAL_S = 1.0

log = logging.getLogger("halt400.worker")

_decode_command = msgspec.json.Decoder(Command).decode


def build_detect_app(settings: Settings) -> Halt400App:
    """Make the app: agents on `responses` and `operations`, one changelogged table of both."""
    kafka = settings.kafka
    policies = PolicyFile(settings)
    responses, offences, rates = (kafka.topic(name) for name in (topics.RESPONSES, topics.OFFENCES, topics.RATES))
    app = new_app(settings, DETECT_GROUP)
    watermarks = install(app)
    operations = kafka.topic(topics.OPERATIONS)
    place = partial(partition_of, partitions=kafka.partitions)
    unused_after_ms = max(UNUSED_AFTER_MS, int(kafka.session_timeout_s * 1000))
    fleet = CapParticipant(responses, kafka.partitions, place, unused_after_ms)
    control = Follower(
        kafka.connection,
        kafka.topic(topics.CONTROL),
        newer=_later_command,
        on_changes=partial(_tell_fleet, fleet),
    )
    answers: asyncio.Queue[list[GrantDecision]] = asyncio.Queue()
    fleet_log = Follower(
        kafka.connection,
        kafka.topic(topics.FLEET),
        on_records=partial(_hear_fleet, fleet, answers),
    )
    app.services += [control, fleet_log, MetricsServer(settings.metrics, place=0)]
    if settings.api.enabled:
        app.services.append(ApiServer.of(settings))

    table = DurableTable(app, name=rates, changelog_name=rates, newer=_newer_row, partitions=kafka.partitions)
    app.tables.add(table)
    engine = Engine(
        responses,
        operations,
        OutputTopics(
            kafka.topic(topics.CONTROL),
            offences,
            kafka.topic(topics.RESPONSES_DLQ),
            kafka.topic(topics.FINDINGS),
            kafka.topic(topics.FLEET),
        ),
        build_context(
            settings,
            partition_of=place,
            latest_command=partial(_latest_command, control),
            policies=policies.current,
            is_granted=fleet.is_granted,
        ),
        table,
        watermarks,
        app.send_acknowledged,
        control,
        fleet_log,
        fleet,
    )
    watermarks.on_checkpoint(engine.flush)
    agents.detect.register(app, responses, operations, engine)

    @app.on_partitions_revoked.connect  # type: ignore[arg-type]
    async def forget(_app: Any, *arguments: Any, **_: Any) -> None:
        app.ready = False
        engine.drop(*arguments)

    @table.on_recover
    @ends_the_process(app)
    async def know_every_command() -> None:
        await engine.recovered(app.consumer.assignment)
        app.ready = True
        log.info("Ready: partitions %s of %s.", app.assigned(responses) or "none", responses)

    @app.task  # type: ignore[untyped-decorator]
    @ends_the_process(app)
    async def flush_regularly(_app: Any) -> None:
        while not app.should_stop:
            await app.sleep(settings.worker.flush_interval_s)
            await engine.flush()

    @app.task  # type: ignore[untyped-decorator]
    @ends_the_process(app)
    async def pass_time(_app: Any) -> None:
        while not app.should_stop:
            await app.sleep(TICK_INTERVAL_S)
            policies.refresh()
            await engine.tick()

    @app.task  # type: ignore[untyped-decorator]
    @ends_the_process(app)
    async def carry_out_answers(_app: Any) -> None:
        while not app.should_stop:
            await engine.apply_grant_decisions(await answers.get())

    @app.task  # type: ignore[untyped-decorator]
    @ends_the_process(app)
    async def watch(_app: Any) -> None:
        watchdog = Watchdog()
        while not app.should_stop:
            await app.sleep(WATCH_INTERVAL_S)
            if fleet_log.failure is not None:
                raise fleet_log.failure
            consumer = cast(FoldingConsumer, app.consumer)
            metrics.EVENTS_BEHIND.set(consumer.unfetched(responses))
            watchdog.check(
                time.monotonic(),
                broker_answers=control.healthy,
                ready=app.ready,
                polls=consumer.polls,
                partitions=consumer.progress((responses, operations), engine.applied),
            )

    return app


def _latest_command(control: Follower, scope_id: str) -> Command | None:
    value = control.values.get(scope_id.encode())
    return _decode_command(value) if value is not None else None


def _tell_fleet(fleet: CapParticipant, changes: Changes) -> None:
    for key, value in changes.items():
        kind, _, target = key.decode(errors="replace").partition("/")
        if kind != "target":
            continue
        if value is None:
            fleet.remove_command(target)
        else:
            fleet.set_command(_decode_command(value))


def _hear_fleet(fleet: CapParticipant, answers: asyncio.Queue[list[GrantDecision]], records: Sequence[Any]) -> None:
    heard = [
        answer for record in records for answer in fleet.apply_record(record.offset, record.timestamp, record.value)
    ]
    if heard:
        answers.put_nowait(heard)


def _later_command(found: bytes, candidate: bytes) -> bool:
    return _decode_command(candidate).sequence >= _decode_command(found).sequence


def _newer_row(found: bytes, candidate: bytes) -> bool:
    return row_offset(candidate) >= row_offset(found)
