"""The follow-up process: it archives the evidence of offences and alerts people.

It is a process of its own so that neither the archive's threads nor an unavailable archive delays detection.
"""

import gc
import logging
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import cast

from faust.exceptions import ConsumerNotStarted
from faust.types import TP

from halt400.redaction import Redactor
from streams import metrics, topics
from streams.alerts.alerts_topic import follow_alerts
from streams.alerts.config import NO_ALERTS, has_alerts, load_alerts
from streams.archive import ArchiveWriter, open_archive
from streams.archive.offence_archiver import OffenceArchiver
from streams.archive.offence_counts import OffenceCounts
from streams.archive.redaction import redactor_of
from streams.archive.redaction_key import warn_of_own_key
from streams.settings import Settings
from streams.tracing import Traces, new_traces
from streams.transport import FoldingConsumer, Watermarks, install
from streams.transport.ordered_completion import OrderedCompletion
from streams.worker.agents import alert as alert_agent
from streams.worker.agents import archive as archive_agent
from streams.worker.agents.fold_agent import new_completion
from streams.worker.faust_app import FOLLOW_UP_GROUP, Halt400App, leaves_group, new_app
from streams.worker.group_metrics import new_metrics_server
from streams.worker.group_place import GroupPlace
from streams.worker.loops import run_every
from streams.worker.progress_watch import WATCH_INTERVAL_S, ProgressWatch

__all__ = ["build_follow_up_app"]

log = logging.getLogger("halt400.worker")

MEASURE_INTERVAL_S = 1.0
OPEN_OFFENCES = 5000
"""Offences that may wait for the archive in memory before fetching of `offences` pauses."""


def build_follow_up_app(settings: Settings, place: GroupPlace | None = None) -> Halt400App:
    """Make the app: an agent on `offences` for the archive, and two agents for alerts where sinks are set up.

    Parameters
    ----------
    place
        The place of its process in a worker with several.

    Raises
    ------
    SettingError
        Something in halt400.toml is wrong; the message names its line.
    """
    app = new_app(settings, FOLLOW_UP_GROUP, place)
    watermarks = install(app, leaves=partial(leaves_group, app), gathers=True)
    app.services.append(new_metrics_server(settings, 1, place))
    config = settings.config.found
    redactor = redactor_of(settings)
    warn_of_own_key(settings.archive)
    kafka, traces = settings.kafka, new_traces(settings, "follow-up")
    if traces is not None:
        app.services.append(traces)
    work = {kafka.topic(topics.OFFENCES): _add_archive(app, settings, watermarks, redactor, traces)}
    if has_alerts(config):
        alerts = load_alerts(config)
        sinks = alerts.make_sinks(os.environ)
        dispatcher, completion = alert_agent.register(
            app, settings, watermarks, routing=alerts.routing, sinks=sinks, redact=redactor.text, traces=traces
        )
        work |= {kafka.topic(topics.CONTROL): completion, kafka.topic(topics.FINDINGS): completion}
        _add_watch(app, work, lambda: dispatcher.broker_answers)
    else:
        log.warning(NO_ALERTS)
        follower = follow_alerts(kafka.connection)
        app.services.append(follower)
        _add_watch(app, work, lambda: follower.in_contact)

    @app.on_partitions_revoked.connect  # type: ignore[arg-type]
    async def drop(_app: object, revoked: set[TP], **_: object) -> None:
        watermarks.drop(revoked)

    return app


def _add_watch(app: Halt400App, work: Mapping[str, OrderedCompletion], broker_answers: Callable[[], bool]) -> None:
    """Let the watchdog watch these topics; a partition waits while too much of its work is open."""

    @app.on_partitions_revoked.connect  # type: ignore[arg-type]
    async def begin(_app: object, _revoked: set[TP], **_: object) -> None:
        app.ready = False

    @app.on_rebalance_complete.connect  # type: ignore[arg-type]
    async def end(_app: object, **_: object) -> None:
        if not gc.get_freeze_count():
            gc.collect()
            gc.freeze()  # Modules and what the start has made stay: no collection walks them.
        app.ready = True

    watch = ProgressWatch(
        app,
        "follow-up",
        list(work),
        applied=lambda tp: work[tp.topic].taken(tp),
        broker_answers=broker_answers,
        is_waiting=lambda tp: work[tp.topic].is_paused(tp),
    )
    run_every(app, WATCH_INTERVAL_S, watch.look)


def _add_archive(
    app: Halt400App, settings: Settings, watermarks: Watermarks, redactor: Redactor, traces: Traces | None
) -> OrderedCompletion:
    offences = settings.kafka.topic(topics.OFFENCES)
    archive = open_archive(settings.archive)
    writer = ArchiveWriter(archive, parallel=min(settings.archive.parallel_uploads, archive.max_threads))
    app.services.append(writer)
    counts = OffenceCounts(archive, writer, watermarks, storm_keep=settings.archive.storm_keep or None)
    completion = new_completion(app, watermarks, capacity=OPEN_OFFENCES, advances=counts)
    watermarks.on_checkpoint(counts.drain)
    archive_agent.register(
        app,
        offences,
        OffenceArchiver(writer, redactor, counts, traces),
        completion,
        counts,
        manifest_interval_s=settings.archive.manifest_interval_s,
    )

    @app.on_partitions_revoked.connect  # type: ignore[arg-type]
    async def drop(_app: object, revoked: set[TP], **_: object) -> None:
        completion.drop(revoked)
        counts.drop(revoked)

    async def measure() -> None:
        with suppress(ConsumerNotStarted):
            metrics.ARCHIVE_BACKLOG.set(completion.open + cast(FoldingConsumer, app.consumer).unfetched(offences))
        _measure_archive(completion, writer.unavailable_since, app.loop.time())

    run_every(app, MEASURE_INTERVAL_S, measure)
    return completion


def _measure_archive(completion: OrderedCompletion, unavailable_since: float | None, loop_time: float) -> None:
    oldest_ms = completion.oldest_ms
    metrics.ARCHIVE_OPEN.set(completion.open)
    metrics.ARCHIVE_OLDEST_SECONDS.set(max(0.0, time.time() - oldest_ms / 1000) if oldest_ms is not None else 0)
    metrics.ARCHIVE_AWAY_SECONDS.set(loop_time - unavailable_since if unavailable_since is not None else 0)
