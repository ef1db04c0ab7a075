"""The alert agents: every transition on `control` and every finding passes here once, and people are told of it."""

import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from faust.types import TP

from streams import topics
from streams.alerts.alerts_topic import follow_alerts
from streams.alerts.delivery import Sink
from streams.alerts.dispatcher import AlertDispatcher, AlertTopics
from streams.alerts.routing import Routing
from streams.savings import SavingsBook
from streams.settings import Settings
from streams.transport import PASS_THROUGH, Watermarks
from streams.transport.ordered_completion import OrderedCompletion
from streams.worker.failure import end_process, ends_the_process

__all__ = ["register"]

log = logging.getLogger("halt400.alerts")

OPEN_RECORDS = 20_000
TICK_S = 0.5


def register(
    app: Any,
    settings: Settings,
    watermarks: Watermarks,
    *,
    routing: Routing,
    sinks: dict[str, Sink],
    redact: Callable[[str], str],
    clock: Callable[[], float] = time.time,
    tick_s: float = TICK_S,
) -> AlertDispatcher:
    """Add the agents to `app`, the dispatcher that they fill, and the task that empties it.

    Parameters
    ----------
    routing, sinks
        See `streams.alerts.config`.
    redact
        Takes the secrets out of a text.
    clock
        Seconds since the epoch.
    """
    kafka = settings.kafka
    control, findings = kafka.topic(topics.CONTROL), kafka.topic(topics.FINDINGS)
    fail = partial(end_process, app)
    dispatcher = AlertDispatcher(
        routing,
        sinks,
        AlertTopics(kafka.topic(topics.ALERTS), kafka.topic(topics.ALERTS_DLQ)),
        send=app.send_acknowledged,
        follower=follow_alerts(kafka, on_changes=lambda changes: dispatcher.heard(changes)),
        savings=SavingsBook(kafka.connection, clock_ms=lambda: int(clock() * 1000)),
        redact=redact,
        on_failure=fail,
        clock=clock,
        monotonic=time.monotonic,
    )
    completion = OrderedCompletion(
        watermarks,
        capacity=OPEN_RECORDS,
        pause=lambda tps: app.consumer.pause_fetching(tps),
        resume=lambda tps: app.consumer.resume_fetching(tps),
        on_failure=fail,
        start_of=watermarks.start_of,
    )
    app.neighbours.append(dispatcher)
    watermarks.on_checkpoint(completion.drain)
    watermarks.on_checkpoint(dispatcher.drain)
    commands, found = (
        app.topic(name, key_serializer="raw", value_serializer=PASS_THROUGH, value_type=None)
        for name in (control, findings)
    )

    @app.agent(commands, name="alert")  # type: ignore[untyped-decorator]
    @ends_the_process(app)
    async def alert(folds: Any) -> None:
        async for fold in folds.events():
            tp, records = TP(fold.message.topic, fold.message.partition), fold.value
            completion.add(tp, records, dispatcher.process(tp.partition, records))

    @app.agent(found, name="alert-findings")  # type: ignore[untyped-decorator]
    @ends_the_process(app)
    async def alert_findings(folds: Any) -> None:
        async for fold in folds.events():
            tp, records = TP(fold.message.topic, fold.message.partition), fold.value
            completion.add(tp, records, dispatcher.process_findings(tp.partition, records))

    @app.on_partitions_assigned.connect  # type: ignore[untyped-decorator]
    async def take(_app: Any, assigned: set[TP], **_: Any) -> None:
        dispatcher.assign(tp.partition for tp in assigned if tp.topic == control)

    @app.on_partitions_revoked.connect  # type: ignore[untyped-decorator]
    async def forget(_app: Any, revoked: set[TP], **_: Any) -> None:
        completion.drop({tp for tp in revoked if tp.topic in (control, findings)})
        dispatcher.drop([tp.partition for tp in revoked if tp.topic == control])

    @app.task  # type: ignore[untyped-decorator]
    @ends_the_process(app)
    async def tell_what_is_due(_app: Any) -> None:
        while not app.should_stop:
            await app.sleep(tick_s)
            await dispatcher.tick()

    return dispatcher
