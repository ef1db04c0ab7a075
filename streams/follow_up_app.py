"""The follow-up process: what comes of detection, apart from it: evidence to the archive, and people are told.

A process of its own, so that neither the archive's threads nor its absence takes anything from detection.
"""

import logging
import os
from functools import partial
from typing import Any, cast

from streams import agents, topics
from streams.alerts.config import NOBODY_IS_TOLD, has_alerts, load_alerts
from streams.app import Halt400App, new_app
from streams.archive import ArchiveWriter, open_archive
from streams.archive.archivist import Archivist
from streams.archive.counting import OffenceCounts
from streams.archive.redacting import redactor_of
from streams.failure import end_process
from streams.ledger import Ledger
from streams.settings import Settings
from streams.transport import FoldingConsumer, install

__all__ = ["build_follow_up_app"]

log = logging.getLogger("halt400.worker")

FOLLOW_UP_GROUP = "follow-up"
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
    durability = install(app)
    config = settings.config.found
    redactor = redactor_of(settings)
    archive = open_archive(settings.archive)
    writer = ArchiveWriter(archive, parallel=min(settings.archive.parallel_uploads, archive.most_parallel))
    app.neighbours.append(writer)
    counts = OffenceCounts(archive, writer, durability, storm_keep=settings.archive.storm_keep or None)
    ledger = Ledger(
        counts,
        capacity=OPEN_OFFENCES,
        pause=lambda tps: cast(FoldingConsumer, app.consumer).hold_back(tps),
        resume=lambda tps: cast(FoldingConsumer, app.consumer).let_go(tps),
        on_failure=partial(end_process, app),
    )
    durability.on_settle(ledger.settle)
    durability.on_settle(counts.settle)
    agents.archive.register(
        app,
        settings.kafka.topic(topics.OFFENCES),
        Archivist(writer, redactor, counts),
        ledger,
        counts,
        manifest_interval_s=settings.archive.manifest_interval_s,
    )
    if has_alerts(config):
        alerts = load_alerts(config)
        sinks = alerts.make_sinks(os.environ)
        agents.alert.register(app, settings, durability, routing=alerts.routing, sinks=sinks, redact=redactor.text)
    else:
        log.warning(NOBODY_IS_TOLD)

    @app.on_partitions_revoked.connect  # type: ignore[arg-type]
    async def forget(_app: Any, *arguments: Any, **_: Any) -> None:
        ledger.drop(*arguments)
        counts.drop(*arguments)
        durability.drop(*arguments)

    return app
