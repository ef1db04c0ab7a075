"""The alert dispatcher: keeps the incidents of the assigned partitions and starts the deliveries that are due.

A command, or a finding, is done when the broker has acknowledged the row that includes it: what is to be sent follows
from the row, for whoever owns the partition. So a slow sink delays only its own messages, quiet hours outlast a worker,
and an offset never waits for a pager. After a delivery the row says what was sent; only a worker that dies between the
two sends it again, under the same dedup key and id.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

import msgspec

from halt400.kafka.follower import Changes, Follower
from halt400.records import UNDECODABLE, Command
from streams import metrics
from streams.alerts.alert_writer import AlertTopics, AlertWriter, always_member
from streams.alerts.alerts_topic import ACKNOWLEDGEMENT_PREFIX, acknowledgement_key, incidents_of
from streams.alerts.assigned_partition import AssignedPartition
from streams.alerts.compose import Redact
from streams.alerts.deliveries import Deliveries
from streams.alerts.delivery import Sink
from streams.alerts.in_flight import InFlight
from streams.alerts.incident import FLEET_FAULT, Acknowledgement, Incident, decode_incident
from streams.alerts.incidents import Incidents
from streams.alerts.routing import Routing
from streams.detection import Finding
from streams.savings import SavingsBook
from streams.tracing import Traces

__all__ = ["AlertDispatcher"]

log = logging.getLogger("halt400.alerts")

T = TypeVar("T")

DRAIN_S = 2.0
"""A rebalance, and the stop of the process, wait this long for attempts that run."""

_decode_finding = msgspec.json.Decoder(Finding).decode
_decode_command = msgspec.json.Decoder(Command).decode
_decode_acknowledgement = msgspec.json.Decoder(Acknowledgement).decode


class AlertDispatcher:
    """The incidents of the partitions that are assigned to this process.

    Parameters
    ----------
    send, until_member
        Hands a record to the producer, see `AlertWriter`.
    follower
        Follows `alerts`; see `read_acknowledgements`.
    savings, redact, on_failure, monotonic, sleep, traces
        See `Deliveries`.
    clock
        Seconds since the epoch.
    why_not_believed
        ``why_not_believed(record)``: why nobody is alerted of a record of `control`; None where it is a command. The
        detect process reports it.
    """

    def __init__(
        self,
        routing: Routing,
        sinks: Mapping[str, Sink],
        topics: AlertTopics,
        *,
        send: Callable[..., Awaitable[Awaitable[Any]]],
        follower: Follower,
        savings: SavingsBook,
        redact: Redact,
        on_failure: Callable[[BaseException], Awaitable[None]],
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        until_member: Callable[[], Awaitable[None]] = always_member,
        traces: Traces | None = None,
        why_not_believed: Callable[[Any], str | None] = lambda record: None,
    ) -> None:
        self._routing, self._clock, self._traces = routing, clock, traces
        self._why_not_believed = why_not_believed
        self._follower, self._savings = follower, savings
        self._in_flight = InFlight()
        self._writer = AlertWriter(topics, send, self._in_flight, until_member)
        self._deliveries = Deliveries(
            routing,
            sinks,
            self._writer,
            self._in_flight,
            savings=savings,
            redact=redact,
            on_failure=on_failure,
            now_ms=self._now_ms,
            monotonic=monotonic,
            sleep=sleep,
            traces=traces,
        )
        self._partitions: dict[int, AssignedPartition] = {}
        self._assigned: set[int] = set()
        self._loading = asyncio.Lock()
        self._revocations = 0

    async def start(self) -> None:
        """Start to follow `alerts` and `savings`."""
        await self._follower.start()
        await self._savings.follower.start()

    async def stop(self) -> None:
        """Cancel the deliveries, and close the followers and the sinks."""
        tasks = [task for partition in self._partitions.values() for task in partition.deliveries.values()]
        self.drop(list(self._partitions))
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._follower.stop()
        await self._savings.follower.stop()
        await self._deliveries.close()

    # Partitions

    @property
    def broker_answers(self) -> bool:
        """Whether the broker answers the follower of `alerts`."""
        return self._follower.in_contact

    @property
    def partitions(self) -> list[int]:
        """The partitions that are loaded."""
        return sorted(self._partitions)

    @property
    def is_loaded(self) -> bool:
        """Whether every assigned partition is loaded."""
        return self._assigned <= self._partitions.keys()

    @property
    def incidents(self) -> int:
        """Number of incidents on the loaded partitions."""
        return sum(len(partition.incidents.by_key) for partition in self._partitions.values())

    def assign(self, partitions: Iterable[int]) -> None:
        """Add partitions; the next `tick` or fold loads them."""
        self._assigned.update(partitions)

    def drop(self, partitions: Iterable[int]) -> None:
        """Drop revoked partitions."""
        self._revocations += 1
        for number in partitions:
            self._assigned.discard(number)
            partition = self._partitions.pop(number, None)
            if partition is not None:
                partition.revoke()

    async def drain(self) -> None:
        """Wait a moment for attempts that run, so that what was sent is recorded."""
        await self._in_flight.drain(DRAIN_S)

    async def _load(self, number: int) -> AssignedPartition | None:
        """Load a partition once everything that its last owner wrote is known; None where it was revoked."""
        async with self._loading:
            partition, revocations = self._partitions.get(number), self._revocations
            if partition is None and number in self._assigned:
                await self._follower.wait_caught_up()
                await self._savings.follower.wait_caught_up()
                if revocations == self._revocations:
                    incidents = Incidents(number, incidents_of(self._follower, number))
                    partition = self._partitions[number] = AssignedPartition(incidents, self._now_ms())
                    log.debug("Loaded partition %d: %d incidents.", number, len(incidents.by_key))
            return partition

    # Records

    async def process(self, partition: int, records: list[Any]) -> None:
        """Apply one fold of `control`; returns when the broker has acknowledged the rows that include it."""
        believed = [record for record in records if self._why_not_believed(record) is None]
        await self._apply(partition, believed, "command", _decode_command, Incidents.apply)

    async def process_findings(self, partition: int, records: list[Any]) -> None:
        """Apply one fold of `findings`, as `process` does one of `control`."""
        await self._apply(partition, records, "finding", _decode_finding, Incidents.apply_finding)

    async def _apply(
        self,
        number: int,
        records: list[Any],
        what: str,
        decode: Callable[[bytes], T],
        apply: Callable[[Incidents, T, int], None],
    ) -> None:
        partition = await self._load(number)
        if partition is None:
            raise RuntimeError(f"Partition {number} was revoked, and its work was not cancelled.")
        for record in records:
            if record.value is None:
                continue
            try:
                decoded = decode(record.value)
            except UNDECODABLE as error:
                log.error("Skipped offset %s of partition %d: not a valid %s: %s", record.offset, number, what, error)
                continue
            apply(partition.incidents, decoded, self._now_ms())
            if self._traces is not None and isinstance(decoded, Command):
                self._traces.remember(decoded.command_id, record)
        await self._writer.write_changed(partition)

    def read_acknowledgements(self, changes: Changes) -> None:
        """Make acknowledged incidents due; the follower of `alerts` calls it."""
        for key in changes:
            name = key.decode(errors="replace")
            if name.startswith(ACKNOWLEDGEMENT_PREFIX):
                for partition in self._partitions.values():
                    partition.due[name.removeprefix(ACKNOWLEDGEMENT_PREFIX)] = 0

    # What is due

    async def tick(self) -> None:
        """Do what is due: load partitions, close expired incidents, escalate, start deliveries."""
        for number in sorted(self._assigned - self._partitions.keys()):
            await self._load(number)
        now_ms = self._now_ms()
        for partition in list(self._partitions.values()):
            for key in partition.incidents.close_expired(now_ms):
                await self._remove(partition, key)
            for key in [key for key, due_ms in partition.due.items() if due_ms <= now_ms]:
                self._advance(partition, key, now_ms)
            await self._writer.write_changed(partition)
        self._set_metrics()

    async def _remove(self, partition: AssignedPartition, key: str) -> None:
        if any(name == key for name, _ in partition.deliveries):
            return
        partition.incidents.remove(key)
        partition.due.pop(key, None)
        await self._writer.delete(partition, key)

    def _advance(self, partition: AssignedPartition, key: str, now_ms: int) -> None:
        """Bring one incident up to date, start what is due of it, and note when it is due next."""
        incidents = partition.incidents
        incident = incidents.by_key.get(key)
        if incident is None:
            partition.due.pop(key, None)
            return
        acknowledgement = self._follower.values.get(acknowledgement_key(key))
        if acknowledgement is not None:
            with suppress(*UNDECODABLE):
                incidents.acknowledge(key, _decode_acknowledgement(acknowledgement))
        if incident.paging_alarm_at() is not None and self._has_fleet_fault():
            incidents.cover_by_fleet_fault(key)
        later = self._escalate(incidents, incident, now_ms) + self._start_due(partition, incident, now_ms)
        if later:
            partition.due[key] = min(later)
        else:
            partition.due.pop(key, None)

    def _escalate(self, incidents: Incidents, incident: Incident, now_ms: int) -> list[int]:
        """Escalate where it is time; returns when the others are due."""
        later: list[int] = []
        for route, at_ms in self._routing.escalations(incident):
            if at_ms <= now_ms:
                log.warning("Nobody has acknowledged %s: escalating to route %s.", incident.key, route)
                incidents.escalate(incident.key, route)
            else:
                later.append(at_ms)
        return later

    def _start_due(self, partition: AssignedPartition, incident: Incident, now_ms: int) -> list[int]:
        """Start the deliveries that are due; returns when the others are."""
        later: list[int] = []
        for planned in self._routing.planned(incident, now_ms):
            if (incident.key, planned.sink) in partition.deliveries:
                continue
            if planned.at_ms <= now_ms:
                self._deliveries.start(partition, incident.key, planned.sink)
            else:
                later.append(planned.at_ms)
        return later

    def _has_fleet_fault(self) -> bool:
        """Whether a fault of the fleet is open, in a partition of any worker."""
        row = self._follower.values.get(FLEET_FAULT.encode())
        if row is None:
            return False
        with suppress(*UNDECODABLE):
            return decode_incident(row).closed_at is None
        return False

    def _set_metrics(self) -> None:
        partitions = list(self._partitions.values())
        incidents = [incident for partition in partitions for incident in partition.incidents.by_key.values()]
        is_open = [incident for incident in incidents if incident.closed_at is None]
        acknowledged = sum(incident.acknowledged is not None for incident in is_open)
        metrics.INCIDENTS_OPEN.labels("yes").set(acknowledged)
        metrics.INCIDENTS_OPEN.labels("no").set(len(is_open) - acknowledged)
        for name in self._deliveries.sinks:
            running = sum(name == sink for partition in partitions for _, sink in partition.deliveries)
            metrics.ALERT_DELIVERIES_OPEN.labels(name).set(running)

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)
