"""The engine: applies folds to partition states, sends what follows, and makes it durable in the order that is exact.

An offset is committed only when (1) the broker has acknowledged every command, offence and dead letter that the
records below it led to, and then (2) every row that includes them. Rows are taken at the same moment as (1) is closed,
so a row on the changelog never includes an event whose consequences could still be lost. A row carries the offset that
it includes, and replay skips what it includes: counting is exact without transactions.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from aiokafka.partitioner import murmur2
from faust.types import TP

from halt400.kafka.follower import Follower
from streams import metrics
from streams.fleet_cap.log import FleetRecord, GrantDecision, encode_fleet_record
from streams.fleet_cap.participant import CapParticipant
from streams.processing.context import ProcessingContext
from streams.processing.outcome import Outcome
from streams.processing.partition import PartitionState
from streams.transport import DurableTable, Records, Watermarks

__all__ = ["Engine", "OutputTopics", "partition_of"]

OPEN_SENDS = 20_000
"""Sends of one partition that may wait for the broker before reading goes on."""

encode = msgspec.json.Encoder().encode


FLEET_KEY = b"fleet"
"""Key of a finding that speaks of no single target."""

log = logging.getLogger("halt400.worker")


class OutputTopics(NamedTuple):
    """Full names of the topics that the engine writes to."""

    control: str
    offences: str
    dead_letters: str
    findings: str
    fleet: str


class _Snapshot(NamedTuple):
    state: PartitionState
    ends: dict[TP, int]
    sends: list[Awaitable[Any]]
    rows: list[tuple[bytes, bytes]]


def partition_of(key: bytes, partitions: int) -> int:
    """The partition of a key after Kafka's default partitioner for keyed records (murmur2)."""
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)


class Engine:
    """The partitions that this process holds.

    Parameters
    ----------
    source_topic, operations_topic
        Full names of `responses` and `operations`.
    send
        ``await send(topic, key, value, partition, headers)``: hands a record to the producer and returns a future that
        is done when the broker has acknowledged it.
    control, fleet_log
        Follow `control` and `fleet`: what they know is the state of every scope, and the one order of the fleet.
    fleet
        This worker's part in the fleet; it is given what `fleet_log` reads.
    clock
        Seconds since the epoch.
    """

    def __init__(
        self,
        source_topic: str,
        operations_topic: str,
        outputs: OutputTopics,
        rules: ProcessingContext,
        table: DurableTable,
        watermarks: Watermarks,
        send: Callable[..., Awaitable[Awaitable[Any]]],
        control: Follower,
        fleet_log: Follower,
        fleet: CapParticipant,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._topic, self._operations, self._outputs, self._rules = source_topic, operations_topic, outputs, rules
        self._table, self._watermarks, self._send, self._control = table, watermarks, send, control
        self._clock, self._fleet_log, self._fleet = clock, fleet_log, fleet
        self._states: dict[int, PartitionState] = {}
        self._sends: dict[int, list[Awaitable[Any]]] = {}
        self._ends: dict[TP, int] = {}
        self._assignments = 0
        self._applying = asyncio.Lock()
        self._flushing = asyncio.Lock()

    @property
    def states(self) -> Mapping[int, PartitionState]:
        """The partitions held, by number."""
        return self._states

    def applied(self, tp: TP) -> int | None:
        """The offset up to which a partition of `responses` or `operations` was applied, None where nothing was."""
        return self._ends.get(tp)

    async def process(self, partition: int, records: Records) -> None:
        """Apply one fold and send what follows from it; returns when the producer has taken it, not the broker."""
        async with self._applying:
            state = self._hold(partition, self._topic, records)
            outcome = state.apply(records, self._now_ms())
            metrics.EVENTS.inc(len(records))
            if outcome:
                await self._carry_out(partition, outcome, self._topic)

    async def operate(self, partition: int, records: Records) -> None:
        """Carry out one fold of operations, as `process` does one of events."""
        async with self._applying:
            state = self._hold(partition, self._operations, records)
            outcome = state.operate(self._operations, records, self._now_ms())
            if outcome:
                await self._carry_out(partition, outcome, self._operations)

    async def tick(self) -> None:
        """Do what time alone brings, in every partition held."""
        async with self._applying:
            for partition, state in list(self._states.items()):
                if self._states.get(partition) is not state:  # taken away while what came before was sent
                    continue
                outcome = state.tick(self._now_ms())
                if outcome:
                    await self._carry_out(partition, outcome, self._topic)
            await self._keep_up_fleet()

    async def apply_grant_decisions(self, decisions: Iterable[GrantDecision]) -> None:
        """Apply the fleet's decisions on the grants that the assigned partitions requested."""
        async with self._applying:
            for decision in decisions:
                state = self._states.get(decision.partition)
                if state is None:
                    continue
                outcome = state.apply_grant_decision(self._fleet.as_of_now(decision), self._now_ms())
                if outcome:
                    await self._carry_out(decision.partition, outcome, self._topic)

    async def _keep_up_fleet(self) -> None:
        due = self._fleet.due_records(self._states, self._now_ms())
        for partition, record in due.records:
            await self._say(partition, [record])
        if due.fault is not None:
            partition, finding, reported = due.fault
            sends = self._sends.get(partition)
            if sends is not None:
                await self._carry_out(partition, Outcome(findings=[finding]), self._topic)
                # No worker sends the finding again once the log has this record.
                await asyncio.gather(*sends)
                await self._say(partition, [reported])

    async def _say(self, partition: int, records: Sequence[FleetRecord]) -> None:
        """Write to the fleet's log for a partition; where it was taken away meanwhile, its next holder says it."""
        for record in records:
            sends = self._sends.get(partition)
            if sends is None:
                return
            sends.append(await self._send(self._outputs.fleet, None, encode_fleet_record(record), 0, None))

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)

    def _hold(self, partition: int, topic: str | None = None, records: Records | None = None) -> PartitionState:
        """The state of a partition, made where there is none; the records follow those before or it ends here."""
        state = self._states.get(partition)
        if state is None:
            state = self._states[partition] = PartitionState(
                self._topic, partition, self._rules, self._table.rows(partition)
            )
            self._sends[partition] = []
        if topic is not None and records is not None:
            tp = TP(topic, partition)
            records.check_follows(self._ends.get(tp, self._watermarks.start_of(tp)))
            self._ends[tp] = records.end
        return state

    async def _carry_out(self, partition: int, outcome: Outcome, topic: str) -> None:
        sends, send = self._sends[partition], self._send
        control, offences, dead_letters, findings, _ = self._outputs
        for command in outcome.commands:
            sends.append(await send(control, command.scope.id.encode(), encode(command), partition, None))
        for scope_id in outcome.forgotten:
            sends.append(await send(control, scope_id.encode(), None, partition, None))
        for offence in outcome.offences:
            sends.append(await send(offences, offence.target.encode(), encode(offence), partition, None))
        for finding in outcome.findings:
            log.warning("%s (%s): %s", finding.kind, finding.severity, finding.summary)
            key, place = (finding.target.encode(), partition) if finding.target is not None else (FLEET_KEY, None)
            sends.append(await send(findings, key, encode(finding), place, None))
            metrics.FINDINGS.labels(finding.kind).inc()
        for record, code, message in outcome.refusals:
            headers = [
                *getattr(record, "headers", ()),
                ("halt400.error", code.encode()),
                ("halt400.message", message.encode(errors="replace")),
                ("halt400.topic", topic.encode()),
                ("halt400.partition", str(partition).encode()),
                ("halt400.offset", str(record.offset).encode()),
            ]
            sends.append(await send(dead_letters, record.key, record.value, None, headers))
            metrics.REFUSALS.labels(code).inc()
        await self._say(partition, outcome.grant_requests)
        metrics.COMMANDS.inc(len(outcome.commands))
        metrics.BAD_REQUESTS.inc(len(outcome.offences))
        if len(sends) > OPEN_SENDS:
            await asyncio.gather(*sends)
            sends.clear()

    async def flush(self) -> None:
        """Bring every partition's durable watermark to what was read before the call.

        Raises
        ------
        Exception
            The broker did not take a record. The watermark stays where it was, so the process must end: the next one
            reads the same records again.
        """
        async with self._flushing:
            async with self._applying:
                snapshots = [self._snapshot(partition) for partition in self._states]
            started = time.monotonic()
            await asyncio.gather(*(send for snapshot in snapshots for send in snapshot.sends))
            acknowledgements = [
                await self._table.write(snapshot.state.partition, key, value)
                for snapshot in snapshots
                if self._states.get(snapshot.state.partition) is snapshot.state
                for key, value in snapshot.rows
            ]
            await asyncio.gather(*acknowledgements)
            for snapshot in snapshots:
                if self._states.get(snapshot.state.partition) is snapshot.state:
                    for tp, end in snapshot.ends.items():
                        self._watermarks.advance(tp, end)
            if acknowledgements:
                metrics.ROWS.inc(len(acknowledgements))
                metrics.FLUSH_SECONDS.observe(time.monotonic() - started)

    def _snapshot(self, partition: int) -> _Snapshot:
        state, sends = self._states[partition], self._sends[partition]
        self._sends[partition] = []
        ends = {tp: end for tp, end in self._ends.items() if tp.partition == partition}
        return _Snapshot(state, ends, sends, state.take_changed())

    def drop(self, revoked: set[TP]) -> None:
        """Forget the partitions that were taken away, rows and all."""
        self._assignments += 1
        partitions = {tp.partition for tp in revoked if tp.topic in (self._topic, self._operations)}
        for partition in partitions:
            self._states.pop(partition, None)
            self._sends.pop(partition, None)
            for topic in (self._topic, self._operations):
                self._ends.pop(TP(topic, partition), None)
        self._table.drop(partitions)
        self._watermarks.drop(revoked)

    async def recovered(self, assigned: Callable[[], Iterable[TP]]) -> None:
        """Wait until all commands that were issued, and all grants that were decided, are known. Then time may pass.

        So no command is issued twice, and no grant is taken for a refusal.

        Parameters
        ----------
        assigned
            ``assigned()``: what this process was given; a partition without traffic has quarantines that end, too.
        """
        assignments = self._assignments
        await self._control.wait_caught_up()
        await self._fleet_log.wait_caught_up()
        decisions = self._fleet.reached_end()
        if assignments == self._assignments:
            for tp in assigned():
                if tp.topic == self._topic:
                    self._hold(tp.partition)
            await self.apply_grant_decisions(decisions)
