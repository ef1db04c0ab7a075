"""Deliveries: each sends what is due of one incident to one sink, and records in the incident what was sent."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping

from halt400.records import Command
from streams import metrics
from streams.alerts.alert_writer import AlertWriter
from streams.alerts.assigned_partition import AssignedPartition
from streams.alerts.compose import Redact, compose
from streams.alerts.delivery import AttemptResult, DeliveryResult, LimitedSink, Sink, deliver_with_retries
from streams.alerts.in_flight import InFlight
from streams.alerts.incident import Incident
from streams.alerts.incidents import Incidents
from streams.alerts.notification import Notification, last_sent_after
from streams.alerts.routing import PlannedDelivery, Routing
from streams.savings import SavingsBook
from streams.tracing import Traces

__all__ = ["Deliveries"]

log = logging.getLogger("halt400.alerts")


class Deliveries:
    """Starts deliveries, each in a task of its own, so that a sink that is slow delays only itself.

    Parameters
    ----------
    savings
        What the gates did not send.
    redact
        Removes secrets from a text.
    on_failure
        Called with an error that must end the process: a row or a dead letter that the broker did not accept.
    now_ms, monotonic, sleep
        Milliseconds since the epoch; monotonic seconds; how to wait between attempts.
    traces
        None where they are off.
    """

    def __init__(
        self,
        routing: Routing,
        sinks: Mapping[str, Sink],
        writer: AlertWriter,
        in_flight: InFlight,
        *,
        savings: SavingsBook,
        redact: Redact,
        on_failure: Callable[[BaseException], Awaitable[None]],
        now_ms: Callable[[], int],
        monotonic: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        traces: Traces | None = None,
    ) -> None:
        self._traces = traces
        self._routing, self._writer, self._in_flight = routing, writer, in_flight
        self._savings, self._redact, self._on_failure = savings, redact, on_failure
        self._now_ms, self._monotonic, self._sleep = now_ms, monotonic, sleep
        self._sinks = {name: LimitedSink(sink) for name, sink in sinks.items()}

    @property
    def sinks(self) -> list[str]:
        """The names of the sinks."""
        return list(self._sinks)

    def start(self, partition: AssignedPartition, key: str, sink: str) -> None:
        """Start the delivery of one incident to one sink, unless one runs."""
        if (key, sink) not in partition.deliveries:
            task = asyncio.create_task(self._deliver(partition, key, sink), name=f"alert {sink}")
            partition.deliveries[key, sink] = task

    async def close(self) -> None:
        """Close the sinks."""
        await asyncio.gather(*(sink.close() for sink in self._sinks.values()))

    async def _deliver(self, partition: AssignedPartition, key: str, sink: str) -> None:
        attempts: list[AttemptResult] = []
        started_ns = time.time_ns() if self._traces is not None else 0
        with self._in_flight:
            try:
                is_first = await self._record_first_attempt(partition, key, sink)
                result = await deliver_with_retries(
                    self._sinks[sink],
                    lambda: self._compose(partition.incidents, key, sink),
                    clock=self._monotonic,
                    sleep=lambda seconds: self._in_flight.pause(seconds, self._sleep),
                    on_attempt=attempts.append,
                )
                if partition.revoked:
                    return
                if result is not None:
                    self._trace(partition.incidents.by_key[key].lead, sink, started_ns, result)
                    await self._record(partition, key, sink, result)
                elif is_first and not any(attempt.uncertain for attempt in attempts):
                    partition.incidents.forget_first_attempt(key, sink)
                    await self._writer.write_changed(partition)
            except Exception as error:
                await self._on_failure(error)
            finally:
                del partition.deliveries[key, sink]
                partition.due[key] = 0

    def _trace(self, lead: Command | None, sink: str, started_ns: int, result: DeliveryResult) -> None:
        if self._traces is not None and lead is not None:
            self._traces.alerted(lead.command_id, sink, started_ns, result.last_attempt.outcome)

    def _due(self, incident: Incident, sink: str, now_ms: int) -> PlannedDelivery | None:
        planned = self._routing.planned(incident, now_ms)
        return next((found for found in planned if found.sink == sink and found.at_ms <= now_ms), None)

    async def _record_first_attempt(self, partition: AssignedPartition, key: str, sink: str) -> bool:
        """Record in the row that a sink may get its first message, before it is sent; False where it is not the first.

        Without it, a worker that dies before it records what it sent leaves an alert open for ever: if the incident
        closes before the next worker starts, nothing says that the sink needs a resolve.
        """
        incident = partition.incidents.by_key.get(key)
        due = self._due(incident, sink, self._now_ms()) if incident is not None else None
        if incident is None or due is None or incident.last_sent_to(sink) or incident.first_attempt_at(sink):
            return False
        partition.incidents.record_first_attempt(key, sink, due.route.name)
        await self._writer.write_changed(partition)
        return True

    def _compose(self, incidents: Incidents, key: str, sink: str) -> Notification | None:
        """Compose what is due for a sink now, None where nothing is."""
        incident, now_ms = incidents.by_key.get(key), self._now_ms()
        due = self._due(incident, sink, now_ms) if incident is not None else None
        if incident is None or due is None:
            return None
        quarantines = [(name, scope.opened_at) for name, scope in incident.episode_scopes().items()]
        not_sent = self._savings.not_sent(quarantines)
        return compose(incident, due, self._routing.owner(incident), now_ms, self._redact, not_sent)

    async def _record(self, partition: AssignedPartition, key: str, sink: str, result: DeliveryResult) -> None:
        """Record what a sink was sent, or write a dead letter, which counts as sent."""
        notification, attempt = result.notification, result.last_attempt
        accepted = attempt.outcome == "accepted"
        metrics.ALERT_DELIVERIES.labels(sink, attempt.outcome).inc()
        if accepted:
            what = f"{notification.severity}, {notification.action}"
            log.info("Sent the alert of %s (%s) to %s: %s", key, what, sink, attempt.detail)
        else:
            log.error("%s did not accept the alert of %s, it goes to alerts.dlq: %s", sink, key, attempt.detail)
            await self._writer.write_dead_letter(key, sink, result)
        before = partition.incidents.by_key[key].last_sent_to(sink)
        partition.incidents.record_sent(key, sink, last_sent_after(notification, before, accepted=accepted))
        await self._writer.write_changed(partition)
