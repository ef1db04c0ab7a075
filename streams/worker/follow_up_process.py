"""The follow-up process: what comes of detection, apart from it: evidence to the archive, and people are told.

A process of its own, so that neither the archive's threads nor its absence takes anything from detection.
"""

import logging
import os
import time
from contextlib import suppress
from functools import partial
from typing import Any, cast

from faust.exceptions import ConsumerNotStarted

from streams import metrics, topics
from streams.alerts.config import NO_ALERTS, has_alerts, load_alerts
from streams.archive import ArchiveWriter, open_archive
from streams.archive.offence_archiver import OffenceArchiver
from streams.archive.offence_counts import OffenceCounts
from streams.archive.redaction import redactor_of
from streams.archive.redaction_key import warn_of_own_key
from streams.settings import Settings
from streams.transport import FoldingConsumer, install
from streams.transport.ordered_completion import OrderedCompletion
from streams.worker import agents
from streams.worker.failure import end_process, ends_the_process
from streams.worker.faust_app import Halt400App, new_app
from streams.worker.metrics_server import MetricsServer

__all__ = ["build_follow_up_app"]

log = logging.getLogger("halt400.worker")

FOLLOW_UP_GROUP = "follow-up"
MEASURE_INTERVAL_S = 1.0
OPEN_OFFENCES = 5000
"""Offences that may wait for the archive in memory before reading of them stops."""


def build_follow_up_app(settings: Settings) -> Halt400App:
    """Make the app: an agent on `offences` for the archive, and where a pager is set up two for it.

    Raises
    ------
    SettingError
        Something in halt400.toml is wrong; the message has its line.
    """
    app = new_app(settings, FOLLOW_UP_GROUP)
    watermarks = install(app)
    config = settings.config.found
    redactor = redactor_of(settings)
    warn_of_own_key(settings.archive)
    archive = open_archive(settings.archive)
    writer = ArchiveWriter(archive, parallel=min(settings.archive.parallel_uploads, archive.max_threads))
    app.neighbours += [writer, MetricsServer(settings.metrics, place=1)]
    counts = OffenceCounts(archive, writer, watermarks, storm_keep=settings.archive.storm_keep or None)
    completion = OrderedCompletion(
        counts,
        capacity=OPEN_OFFENCES,
        pause=lambda tps: cast(FoldingConsumer, app.consumer).pause_fetching(tps),
        resume=lambda tps: cast(FoldingConsumer, app.consumer).resume_fetching(tps),
        on_failure=partial(end_process, app),
        start_of=watermarks.start_of,
    )
    watermarks.on_checkpoint(completion.drain)
    watermarks.on_checkpoint(counts.drain)
    agents.archive.register(
        app,
        settings.kafka.topic(topics.OFFENCES),
        OffenceArchiver(writer, redactor, counts),
        completion,
        counts,
        manifest_interval_s=settings.archive.manifest_interval_s,
    )
    if has_alerts(config):
        alerts = load_alerts(config)
        sinks = alerts.make_sinks(os.environ)
        agents.alert.register(app, settings, watermarks, routing=alerts.routing, sinks=sinks, redact=redactor.text)
    else:
        log.warning(NO_ALERTS)

    @app.on_partitions_revoked.connect  # type: ignore[arg-type]
    async def forget(_app: Any, *arguments: Any, **_: Any) -> None:
        completion.drop(*arguments)
        counts.drop(*arguments)
        watermarks.drop(*arguments)

    @app.task  # type: ignore[untyped-decorator]
    @ends_the_process(app)
    async def measure(_app: Any) -> None:
        offences = settings.kafka.topic(topics.OFFENCES)
        while not app.should_stop:
            await app.sleep(MEASURE_INTERVAL_S)
            with suppress(ConsumerNotStarted):
                unread = sum(
                    end - position for position, end in cast(FoldingConsumer, app.consumer).positions(offences).values()
                )
                metrics.ARCHIVE_BACKLOG.set(completion.open + unread)
            oldest_ms, since = completion.oldest_ms, writer.unavailable_since
            metrics.ARCHIVE_OPEN.set(completion.open)
            metrics.ARCHIVE_OLDEST_SECONDS.set(max(0.0, time.time() - oldest_ms / 1000) if oldest_ms is not None else 0)
            metrics.ARCHIVE_AWAY_SECONDS.set(app.loop.time() - since if since is not None else 0)

    return app
