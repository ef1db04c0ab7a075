"""What is owed to people, kept durable on `alerts`, and the deliveries that are under way.

A transition, or a finding, is done with when the broker has acknowledged the row that includes it: what is to be told
follows from the row, whoever holds it. So a sink that is slow or away delays nothing but its own messages, quiet hours
outlast a worker, and an offset never waits for a pager. After a delivery the row says what was told; only a worker that
dies between the two tells it again, under the same dedup key and id.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

import msgspec

from halt400.kafka.follower import Changes, Follower
from halt400.records import UNDECODABLE, Command
from streams import metrics
from streams.alerts.alerts_topic import ACKNOWLEDGEMENT_PREFIX, acknowledgement_key, incidents_of
from streams.alerts.compose import compose
from streams.alerts.dead_letters import dead_letter_headers
from streams.alerts.delivery import LimitedSink, Sink, deliver_with_retries
from streams.alerts.incident import FLEET_FAULT, Acknowledgement, Incident, decode_incident
from streams.alerts.incidents import Incidents
from streams.alerts.notification import Notification, last_sent_after
from streams.alerts.routing import PlannedDelivery, Routing
from streams.detection import Finding
from streams.savings import SavingsBook

__all__ = ["AlertDispatcher", "AlertTopics"]

log = logging.getLogger("halt400.alerts")

T = TypeVar("T")

GRACE_S = 2.0
"""A rebalance and the end wait this long for attempts that are under way."""

_decode_finding = msgspec.json.Decoder(Finding).decode
_decode_command = msgspec.json.Decoder(Command).decode
_decode_acknowledgement = msgspec.json.Decoder(Acknowledgement).decode


class AlertTopics(NamedTuple):
    """Full names of the topics that the dispatcher writes to."""

    alerts: str
    dead_letters: str


class _AssignedPartition:
    """One partition in this process."""

    def __init__(self, incidents: Incidents, now_ms: int) -> None:
        self.incidents = incidents
        self.lock = asyncio.Lock()
        self.due: dict[str, int] = dict.fromkeys(incidents.by_key, now_ms)
        self.under_way: dict[tuple[str, str], asyncio.Task[None]] = {}


class AlertDispatcher:
    """The incidents of the partitions that this process holds.

    Parameters
    ----------
    send
        ``await send(topic, key, value, partition, headers)``: hands a record to the producer and returns a future that
        is done when the broker has acknowledged it.
    follower
        Follows `alerts`; see `heard`.
    savings
        What the gates did not send.
    redact
        Takes the secrets out of a text.
    on_failure
        Called with an error that must end the process: a row or a dead letter that the broker did not take.
    clock, monotonic, sleep
        Seconds since the epoch; monotonic seconds; how to wait between attempts.
    """

    def __init__(
        self,
        routing: Routing,
        sinks: Mapping[str, Sink],
        outputs: AlertTopics,
        *,
        send: Callable[..., Awaitable[Awaitable[Any]]],
        follower: Follower,
        savings: SavingsBook,
        redact: Callable[[str], str],
        on_failure: Callable[[BaseException], Awaitable[None]],
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._routing, self._outputs, self._send, self._follower = routing, outputs, send, follower
        self._savings = savings
        self._redact, self._on_failure = redact, on_failure
        self._clock, self._monotonic, self._sleep = clock, monotonic, sleep
        self._sinks = {name: LimitedSink(sink) for name, sink in sinks.items()}
        self._partitions: dict[int, _AssignedPartition] = {}
        self._loading = asyncio.Lock()
        self._assigned: set[int] = set()
        self._revocations = 0
        self._busy = 0
        self._idle = asyncio.Event()
        self._idle.set()

    # What comes in

    def assign(self, partitions: Iterable[int]) -> None:
        """Take these partitions, which are loaded by the next `tick` or fold."""
        self._assigned.update(partitions)

    async def _hold(self, partition: int) -> _AssignedPartition | None:
        """Load a partition once everything that its last holder wrote is known; None where it was taken away."""
        async with self._loading:
            held, revocations = self._partitions.get(partition), self._revocations
            if held is None and partition in self._assigned:
                await self._follower.wait_caught_up()
                await self._savings.follower.wait_caught_up()
                if revocations == self._revocations:
                    rows = incidents_of(self._follower, partition)
                    held = self._partitions[partition] = _AssignedPartition(Incidents(partition, rows), self._now_ms())
            return held

    async def process(self, partition: int, records: list[Any]) -> None:
        """Take in one fold of `control`; returns when the broker has the rows that include it."""
        await self._take_in(partition, records, "command", _decode_command, Incidents.apply)

    async def process_findings(self, partition: int, records: list[Any]) -> None:
        """Take in one fold of `findings`, as `process` does one of `control`."""
        await self._take_in(partition, records, "finding", _decode_finding, Incidents.apply_finding)

    async def _take_in(
        self,
        partition: int,
        records: list[Any],
        what: str,
        decode: Callable[[bytes], T],
        apply: Callable[[Incidents, T, int], None],
    ) -> None:
        held = await self._hold(partition)
        if held is None:
            raise RuntimeError(f"partition {partition} was taken away, and its work was not cancelled")
        for record in records:
            if record.value is None:
                continue
            try:
                found = decode(record.value)
            except UNDECODABLE as error:
                log.error("%s/%s is no %s, and is passed over: %s", partition, record.offset, what, error)
                continue
            apply(held.incidents, found, self._now_ms())
        await self._write(held)

    def heard(self, changes: Changes) -> None:
        """Take up acknowledgements; the follower of `alerts` calls it."""
        for key in changes:
            name = key.decode(errors="replace")
            if name.startswith(ACKNOWLEDGEMENT_PREFIX):
                for held in self._partitions.values():
                    held.due[name.removeprefix(ACKNOWLEDGEMENT_PREFIX)] = 0

    # What goes out

    async def tick(self) -> None:
        """Do what is due: load what came, lapse, escalate, begin deliveries."""
        for partition in sorted(self._assigned - self._partitions.keys()):
            await self._hold(partition)
        now_ms = self._now_ms()
        for held in list(self._partitions.values()):
            for key in held.incidents.close_expired(now_ms):
                await self._forget(held, key)
            for key in [key for key, due_ms in held.due.items() if due_ms <= now_ms]:
                self._advance(held, key, now_ms)
            await self._write(held)
        self._measure()

    def _measure(self) -> None:
        incidents = [one for held in self._partitions.values() for one in held.incidents.by_key.values()]
        is_open = [one for one in incidents if one.closed_at is None]
        acknowledged = sum(one.acknowledged is not None for one in is_open)
        metrics.INCIDENTS_OPEN.labels("yes").set(acknowledged)
        metrics.INCIDENTS_OPEN.labels("no").set(len(is_open) - acknowledged)
        for name in self._sinks:
            under_way = sum(name == sink for held in self._partitions.values() for _, sink in held.under_way)
            metrics.ALERT_DELIVERIES_OPEN.labels(name).set(under_way)

    def _advance(self, held: _AssignedPartition, key: str, now_ms: int) -> None:
        incidents = held.incidents
        incident = incidents.by_key.get(key)
        if incident is None:
            held.due.pop(key, None)
            return
        word = self._follower.values.get(acknowledgement_key(key))
        if word is not None:
            with suppress(*UNDECODABLE):
                incidents.acknowledge(key, _decode_acknowledgement(word))
        if self._is_of_the_fleet(incident):
            incidents.cover_by_fleet_fault(key)
        later: list[int] = []
        for route, at_ms in self._routing.escalations(incident):
            if at_ms <= now_ms:
                log.warning("Nobody has acknowledged %s: route %s is told too.", key, route)
                incidents.escalate(key, route)
            else:
                later.append(at_ms)
        for step in self._routing.steps(incident, now_ms):
            if (key, step.sink) in held.under_way:
                continue
            if step.at_ms > now_ms:
                later.append(step.at_ms)
            else:
                task = asyncio.create_task(self._deliver(held, key, step.sink), name=f"alert {step.sink}")
                held.under_way[key, step.sink] = task
        if later:
            held.due[key] = min(later)
        else:
            held.due.pop(key, None)

    def _is_of_the_fleet(self, incident: Incident) -> bool:
        """Whether an alarm would page beside a fault of the fleet, which another worker may be telling."""
        row = self._follower.values.get(FLEET_FAULT.encode()) if incident.paging_alarm_at() is not None else None
        if row is None:
            return False
        with suppress(*UNDECODABLE):
            return decode_incident(row).closed_at is None
        return False

    async def _deliver(self, held: _AssignedPartition, key: str, sink: str) -> None:
        """Tell one sink what there is to tell of one incident now, and write down that it was told."""
        step: PlannedDelivery | None = None

        def say() -> Notification | None:
            nonlocal step
            incident = held.incidents.by_key.get(key)
            now_ms = self._now_ms()
            steps = self._routing.steps(incident, now_ms) if incident is not None else []
            step = next((found for found in steps if found.sink == sink and found.at_ms <= now_ms), None)
            if step is None or incident is None:
                return None
            quarantines = [(name, scope.opened_at) for name, scope in incident.episode_scopes().items()]
            not_sent = self._savings.not_sent(quarantines)
            return compose(incident, step, self._routing.owner(incident), now_ms, self._redact, not_sent)

        self._enter()
        try:
            report = await deliver_with_retries(self._sinks[sink], say, clock=self._monotonic, sleep=self._nap)
            if report is not None and self._partitions.get(held.incidents.partition) is held:
                notification, accepted = report.notification, report.delivery.outcome == "accepted"
                metrics.ALERT_DELIVERIES.labels(sink, report.delivery.outcome).inc()
                if accepted:
                    said = (sink, key, notification.severity, notification.action, report.delivery.detail)
                    log.info("%s was told of %s (%s, %s): %s", *said)
                else:
                    log.error("%s was not told of %s: %s", sink, key, report.delivery.detail)
                    value, headers = msgspec.json.encode(notification), dead_letter_headers(sink, report)
                    await (await self._send(self._outputs.dead_letters, key.encode(), value, None, headers))
                    metrics.ALERT_DEAD_LETTERS.labels(sink).inc()
                told = held.incidents.by_key[key].last_sent_to(sink)
                held.incidents.record_sent(key, sink, last_sent_after(notification, told, accepted=accepted))
                await self._write(held)
        except Exception as error:
            await self._on_failure(error)
        finally:
            self._leave()
            del held.under_way[key, sink]
            held.due[key] = 0

    async def _write(self, held: _AssignedPartition) -> None:
        """Write the rows that changed, in their order, and wait for the broker's acknowledgement."""
        self._enter()
        try:
            async with held.lock:
                rows = held.incidents.take_changed()
                partition = held.incidents.partition
                held.due.update(dict.fromkeys((key for key, _ in rows), 0))
                acknowledgements = [
                    await self._send(self._outputs.alerts, key.encode(), value, partition, None) for key, value in rows
                ]
            await asyncio.gather(*acknowledgements)
        finally:
            self._leave()

    async def _forget(self, held: _AssignedPartition, key: str) -> None:
        if any(name == key for name, _ in held.under_way):
            return
        held.incidents.remove(key)
        held.due.pop(key, None)
        for name in (key.encode(), acknowledgement_key(key)):
            await (await self._send(self._outputs.alerts, name, None, held.incidents.partition, None))

    # The end

    async def drain(self) -> None:
        """Wait a moment for attempts that are under way, so that what was told is written down."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), GRACE_S)

    def drop(self, partitions: Iterable[int]) -> None:
        """Forget partitions that were taken away; their next holder goes on from the rows."""
        self._revocations += 1
        for partition in partitions:
            self._assigned.discard(partition)
            held = self._partitions.pop(partition, None)
            for task in list(held.under_way.values()) if held is not None else ():
                task.cancel()

    @property
    def partitions(self) -> list[int]:
        """The partitions that are loaded in this process."""
        return sorted(self._partitions)

    async def start(self) -> None:
        """Begin to follow what was told, and what was saved."""
        await self._follower.start()
        await self._savings.follower.start()

    async def stop(self) -> None:
        """Give up what is under way, and the sinks' connections."""
        tasks = [task for held in self._partitions.values() for task in held.under_way.values()]
        self.drop(list(self._partitions))
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._follower.stop()
        await self._savings.follower.stop()
        await asyncio.gather(*(sink.close() for sink in self._sinks.values()))

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)

    async def _nap(self, seconds: float) -> None:
        self._leave()
        try:
            await self._sleep(seconds)
        finally:
            self._enter()

    def _enter(self) -> None:
        self._busy += 1
        self._idle.clear()

    def _leave(self) -> None:
        self._busy -= 1
        if not self._busy:
            self._idle.set()
