"""The detect process: it reads every response event, keeps the windows, issues commands, and serves the API.

This module connects its parts; what it does again and again is in `detect_loops`.
"""

import gc
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import cast

from aiokafka.errors import KafkaError
from faust.types import TP

from halt400.errors import SettingError
from halt400.records import UNDECODABLE
from halt400.signing import Signing, TrustedKey
from halt400.windows import row_offset
from streams import topics
from streams.fleet_cap.participant import UNUSED_AFTER_MS, CapParticipant
from streams.packed import find_native
from streams.page import page_server
from streams.processing.assignment import Assignment, InputTopics
from streams.processing.build_context import build_context
from streams.processing.context import ProcessingContext
from streams.processing.engine import Engine
from streams.processing.output_sender import OutputSender, OutputTopics
from streams.processing.policy_file import PolicyFile
from streams.processing.warm_up import warm_up
from streams.settings import KafkaSettings, Settings
from streams.tracing import new_traces
from streams.transport import DurableTable, FoldingTransport, install
from streams.worker.agents import detect as detect_agent
from streams.worker.detect_followers import DetectFollowers
from streams.worker.detect_loops import add_detect_loops
from streams.worker.failure import ends_the_process
from streams.worker.faust_app import DETECT_GROUP, Halt400App, leaves_group, new_app
from streams.worker.group_metrics import new_metrics_server
from streams.worker.group_place import GroupPlace

__all__ = ["build_detect_app"]

log = logging.getLogger("halt400.worker")


def build_detect_app(settings: Settings, place: GroupPlace | None = None) -> Halt400App:
    """Make the app: agents on `responses` and `operations`, and the table whose changelog is `rates`.

    Parameters
    ----------
    place
        The place of its process in a worker with several: another process serves the API there.
    """
    kafka = settings.kafka
    _check_signing(kafka.connection.signing)
    app = new_app(settings, DETECT_GROUP, place)
    inputs = InputTopics(kafka.topic(topics.RESPONSES), kafka.topic(topics.OPERATIONS))
    packed = [inputs.responses] if settings.worker.native else []
    watermarks = install(app, leaves=partial(leaves_group, app), packed=packed, urgent=[kafka.topic(topics.CONTROL)])
    if packed and find_native() is None:
        log.info("Events are counted in Python: the native extension is not built. It counts the same in less time.")
    policies = PolicyFile(settings)
    partition_of = partial(topics.partition_of, partitions=kafka.partitions)
    unused_after_ms = max(UNUSED_AFTER_MS, int(kafka.session_timeout_s * 1000))
    participant = CapParticipant(inputs.responses, kafka.partitions, partition_of, unused_after_ms)
    followers = DetectFollowers(kafka, participant)
    app.services += [followers.control, followers.fleet, new_metrics_server(settings, 0, place)]
    if settings.api.enabled and place is None:
        app.services.append(page_server(settings))

    rates = kafka.topic(topics.RATES)
    table = DurableTable(app, name=rates, changelog_name=rates, newer=_is_newer_row, partitions=kafka.partitions)
    app.tables.add(table)
    context = build_context(
        settings,
        partition_of=partition_of,
        latest_command=followers.latest_command,
        policies=policies.current,
        is_granted=participant.is_granted,
    )
    assignment = Assignment(inputs, context, table, watermarks)
    traces = new_traces(settings, "detect")
    if traces is not None:
        app.services.insert(0, traces)
    sender = OutputSender(_output_topics(kafka), app.send_acknowledged, assignment, traces, kafka.connection.signing)
    membership = cast(FoldingTransport, app.transport).membership
    engine = Engine(assignment, sender, participant, (followers.control, followers.fleet), membership=membership)
    watermarks.on_checkpoint(engine.checkpoint)
    detect_agent.register(app, *inputs, engine)
    _handle_rebalances(app, engine, assignment, table, partial(_warm_up, app, context, _output_topics(kafka)))
    add_detect_loops(
        app,
        engine,
        assignment,
        followers,
        policies,
        kafka,
        checkpoint_interval_s=settings.worker.flush_interval_s,
        targets_measured=settings.metrics.targets if settings.metrics.port is not None else 0,
    )
    return app


def _check_signing(signing: Signing) -> None:
    """What a worker writes must be believed by whoever has its settings."""
    signer = signing.signer
    known = signing.trusted.get(signer.name) if signer is not None else None
    if signing.trusted and (signer is None or known != TrustedKey("commands", signer.public)):
        name = f"The key {signer.name!r} of HALT400_KAFKA_SIGNING_KEY" if signer is not None else "No key to sign with"
        raise SettingError(
            f"{name} is in HALT400_KAFKA_SIGNING_TRUSTED with the right `commands`.",
            "Set both to what `halt400 signing-key NAME commands` has printed: the worker's commands are ignored else.",
        )


def _output_topics(kafka: KafkaSettings) -> OutputTopics:
    return OutputTopics(
        control=kafka.topic(topics.CONTROL),
        offences=kafka.topic(topics.OFFENCES),
        dead_letters=kafka.topic(topics.RESPONSES_DLQ),
        findings=kafka.topic(topics.FINDINGS),
        fleet=kafka.topic(topics.FLEET),
    )


async def _warm_up(app: Halt400App, context: ProcessingContext, outputs: OutputTopics) -> None:
    """Do what the first 400 and its command would wait for: the first diagnosis, where each topic's leaders are."""
    warm_up(context, time.time_ns() // 1_000_000)
    for topic in outputs:
        with suppress(KafkaError):
            await app.find_partitions(topic)
    gc.collect()
    gc.freeze()  # Modules and what the start has made stay: a full collection would walk them while a 400 waits.


def _handle_rebalances(
    app: Halt400App,
    engine: Engine,
    assignment: Assignment,
    table: DurableTable,
    prepare: Callable[[], Awaitable[None]],
) -> None:
    warm = False

    @app.on_partitions_revoked.connect  # type: ignore[arg-type]
    async def drop(_app: object, revoked: set[TP], **_: object) -> None:
        app.ready = False
        assignment.drop(revoked)

    @table.on_recover
    @ends_the_process(app)
    async def complete_recovery() -> None:
        nonlocal warm
        if not warm:
            await prepare()
            warm = True
        await engine.recovered(app.consumer.assignment)
        app.ready = True
        responses = assignment.inputs.responses
        log.info("Ready: partitions %s of %s.", app.assigned(responses) or "none", responses)


def _is_newer_row(found: bytes, candidate: bytes) -> bool:
    try:
        return row_offset(candidate) >= row_offset(found)
    except UNDECODABLE:  # the later one counts, and ends the worker where that is what cannot be read
        return True
