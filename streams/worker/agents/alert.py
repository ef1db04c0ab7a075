"""The alert agents: they give each command and each finding to the dispatcher, which tells people."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from faust.types import TP

from streams import topics
from streams.alerts.alert_writer import AlertTopics
from streams.alerts.alerts_topic import follow_alerts
from streams.alerts.delivery import Sink
from streams.alerts.dispatcher import AlertDispatcher
from streams.alerts.routing import Routing
from streams.savings import SavingsBook
from streams.settings import KafkaSettings, Settings
from streams.tracing import Traces
from streams.transport import RecoveryLog, Watermarks
from streams.transport.ordered_completion import OrderedCompletion
from streams.worker.agents.fold_agent import add_parallel_agent, new_completion
from streams.worker.failure import end_process
from streams.worker.loops import run_every

__all__ = ["register"]

OPEN_RECORDS = 20_000
"""Commands and findings that may be open before fetching of them pauses."""
TICK_INTERVAL_S = 0.5


def register(
    app: Any,
    settings: Settings,
    watermarks: Watermarks,
    *,
    routing: Routing,
    sinks: dict[str, Sink],
    redact: Callable[[str], str],
    traces: Traces | None = None,
    clock: Callable[[], float] = time.time,
    tick_interval_s: float = TICK_INTERVAL_S,
) -> tuple[AlertDispatcher, OrderedCompletion]:
    """Add the agents to `app`, the dispatcher that they feed, and the loop that sends what is due.

    Returns the dispatcher, and what has the open work of the agents.

    Parameters
    ----------
    routing, sinks
        See `streams.alerts.config`.
    redact
        Takes the secrets out of a text.
    traces
        None where they are off.
    clock
        Seconds since the epoch.
    """
    kafka = settings.kafka
    control, findings = kafka.topic(topics.CONTROL), kafka.topic(topics.FINDINGS)
    dispatcher = _new_dispatcher(app, kafka, routing, sinks, redact, clock, traces)
    app.services.append(dispatcher)
    recovery_log = RecoveryLog(kafka.topic(topics.ALERTS))
    completion = new_completion(app, watermarks, capacity=OPEN_RECORDS)
    watermarks.on_checkpoint(dispatcher.drain)
    add_parallel_agent(app, "alert", control, completion, lambda tp, records: dispatcher.process(tp.partition, records))
    add_parallel_agent(
        app,
        "alert-findings",
        findings,
        completion,
        lambda tp, records: dispatcher.process_findings(tp.partition, records),
    )

    @app.on_partitions_assigned.connect  # type: ignore[untyped-decorator]
    async def assign(_app: Any, assigned: set[TP], **_: Any) -> None:
        numbers = [tp.partition for tp in assigned if tp.topic == control]
        recovery_log.begin(len(numbers))
        dispatcher.assign(numbers)

    @app.on_partitions_revoked.connect  # type: ignore[untyped-decorator]
    async def drop(_app: Any, revoked: set[TP], **_: Any) -> None:
        completion.drop({tp for tp in revoked if tp.topic in (control, findings)})
        dispatcher.drop([tp.partition for tp in revoked if tp.topic == control])

    async def tick() -> None:
        await app.transport.membership.wait()
        await dispatcher.tick()
        if recovery_log.is_running and dispatcher.is_loaded:
            recovery_log.end(dispatcher.incidents)

    run_every(app, tick_interval_s, tick)
    return dispatcher, completion


def _new_dispatcher(
    app: Any,
    kafka: KafkaSettings,
    routing: Routing,
    sinks: dict[str, Sink],
    redact: Callable[[str], str],
    clock: Callable[[], float],
    traces: Traces | None,
) -> AlertDispatcher:
    signing, control = kafka.connection.signing, kafka.topic(topics.CONTROL)
    dispatcher = AlertDispatcher(
        routing,
        sinks,
        AlertTopics(kafka.topic(topics.ALERTS), kafka.topic(topics.ALERTS_DLQ)),
        send=app.send_acknowledged,
        follower=follow_alerts(kafka.connection, on_changes=lambda changes: dispatcher.read_acknowledgements(changes)),
        savings=SavingsBook(kafka.connection, clock_ms=lambda: int(clock() * 1000)),
        redact=redact,
        on_failure=partial(end_process, app),
        clock=clock,
        monotonic=time.monotonic,
        until_member=app.transport.membership.wait,
        traces=traces,
        why_not_believed=lambda record: signing.why_not(control, record, "commands"),
    )
    return dispatcher
