"""One worker's part in the fleet cap: what it reads in the topic `fleet`, and what it has to write there. Pure.

Nothing is decided here: which quarantines are granted follows from the log (`streams.fleet_cap.log`). A worker writes
how much is active in its partitions, which grants have ended, and that the finding of a trip was sent. Requests come
from the partitions themselves.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from msgspec.structs import replace

from halt400.records import UNDECODABLE, Command
from streams.detection import Finding, OriginCounts
from streams.fleet_cap.log import (
    Census,
    ExistingQuarantine,
    FaultReported,
    FleetLog,
    FleetRecord,
    GrantDecision,
    GrantEnded,
    Snapshot,
    decode_fleet_record,
)

__all__ = ["UNUSED_AFTER_MS", "CapParticipant", "DueRecords", "Partition"]

ACTIVE_WITHIN_MS = 3_600_000
CENSUS_INTERVAL_MS = 60_000
MOST_CENSUSES_AT_ONCE = 8
"""A census looks at every target of a partition, so not all partitions are counted in one call."""
UNUSED_AFTER_MS = 10_000
CENSUS_TIMEOUT_MS = 5_000
"""The finding of a trip waits this long for the other partitions' censuses."""
SNAPSHOT_INTERVAL_MS = 6 * 3_600_000


class Partition(Protocol):
    """What this worker needs to know of a partition that is assigned to it."""

    @property
    def known_targets(self) -> int:
        """Number of targets, active or not."""

    def active_targets(self, since_ms: int) -> int:
        """Number of targets with a response since `since_ms`."""

    def active_origins(self) -> OriginCounts | None:
        """Where their jobs send from, None where that is not known yet."""

    def uses_grant(self, target: str) -> bool:
        """Whether the target is quarantined by machine, or waits for a grant."""


class _LastCensus(NamedTuple):
    at_ms: int
    targets: int
    tripped_at: int | None


@dataclass(slots=True)
class DueRecords:
    """What is to be written to the log, by the partition that it concerns.

    Attributes
    ----------
    fault
        The partition, the finding to send, and the record to write when the broker has the finding.
    """

    records: list[tuple[int, FleetRecord]] = field(default_factory=list)
    fault: tuple[int, Finding, FaultReported] | None = None


class CapParticipant:
    """Reads the fleet's log, and returns what is to be written there.

    Parameters
    ----------
    machine_topic
        Full name of `responses`: a command whose source is a record of it was issued by the machine.
    partitions
        Number of partitions of `responses`, over all workers.
    partition_of
        ``partition_of(key)``: the partition of a target.
    unused_after_ms
        A grant that is not used ends after this; no less than the time in which an expelled worker learns that it has
        lost its partitions.
    """

    def __init__(
        self,
        machine_topic: str,
        partitions: int,
        partition_of: Callable[[bytes], int],
        unused_after_ms: int = UNUSED_AFTER_MS,
    ) -> None:
        self._unused_after_ms = unused_after_ms
        self._machine_topic, self._partitions, self._partition_of = machine_topic, partitions, partition_of
        self._quarantined: dict[str, str] = {}
        """Targets that are quarantined by machine, with the id of their command."""
        self._last_census: dict[int, _LastCensus] = {}
        self._unused_since: dict[tuple[str, str], int] = {}
        self._trip_seen: tuple[int, int] | None = None
        """The last trip, and when this worker first saw it."""
        self._trip_reported: int | None = None
        self._snapshot_written_after: int | None = None
        """The `snapshot_at` that this worker has written a newer snapshot for."""
        self.log = FleetLog()

    def apply_record(self, offset: int, at_ms: int, value: bytes | None) -> list[GrantDecision]:
        """Apply a record of the log; every worker passes over one that cannot be decoded."""
        try:
            record: FleetRecord = decode_fleet_record(value)  # type: ignore[arg-type]
        except UNDECODABLE:
            return []
        if offset == 0 and self.log.end:
            self.log = FleetLog()  # the topic was deleted and created again
        return self.log.apply(offset, at_ms, record)

    def reached_end(self) -> list[GrantDecision]:
        """Note that the log is read to its present end; returns the decisions that waited for that."""
        return self.log.reached_end()

    def is_granted(self, target: str, grant_id: str) -> bool:
        """Whether the target has this grant."""
        return self.log.state.is_granted(target, grant_id)

    def as_of_now(self, decision: GrantDecision) -> GrantDecision:
        """The decision after all records read since: a grant that has ended is none any more."""
        return replace(decision, granted=decision.granted and self.is_granted(decision.target, decision.grant_id))

    def set_command(self, command: Command) -> None:
        """Note the latest command of a target's scope, whoever issued it."""
        by_machine = command.source is not None and command.source.topic == self._machine_topic
        if command.state == "released" or not by_machine:
            self.remove_command(command.scope.target)
        else:
            self._quarantined[command.scope.target] = command.command_id

    def remove_command(self, target: str) -> None:
        """Note that the target is not quarantined by machine."""
        self._quarantined.pop(target, None)

    def grant_ended(self, target: str) -> list[GrantEnded]:
        """The record to write when the target is known to be released; none where it had no grant."""
        request = self.log.state.requests.get(target)
        return [GrantEnded(target=target, grant_id=request.grant_id)] if request is not None else []

    def due_records(self, partitions: Mapping[int, Partition], now_ms: int) -> DueRecords:
        """What is to be written at `now_ms` for the partitions assigned to this worker; call it about once a second."""
        due = DueRecords()
        self._add_censuses(due, partitions, now_ms)
        self._add_unused_grants(due, partitions, now_ms)
        if 0 in partitions:
            self._add_snapshot(due)
        self._add_fault(due, partitions, now_ms)
        return due

    def _add_censuses(self, due: DueRecords, partitions: Mapping[int, Partition], now_ms: int) -> None:
        state = self.log.state
        tripped_at = state.guard.tripped_at if state.is_unreported else None
        self._last_census = {number: last for number, last in self._last_census.items() if number in partitions}
        counted = 0
        for number, partition in partitions.items():
            last, targets = self._last_census.get(number), partition.known_targets
            # The finding of a trip is made from censuses taken after it.
            for_finding = tripped_at is not None and (last is None or last.tripped_at != tripped_at)
            is_due = (
                last is None
                or not 0 <= now_ms - last.at_ms < CENSUS_INTERVAL_MS
                or abs(targets - last.targets) * 10 > targets
            )
            if not for_finding and (not is_due or counted >= MOST_CENSUSES_AT_ONCE):
                continue
            counted += 1
            self._last_census[number] = _LastCensus(now_ms, targets, tripped_at)
            census = Census(
                partition=number,
                active_targets=partition.active_targets(now_ms - ACTIVE_WITHIN_MS),
                origins=partition.active_origins(),
            )
            if for_finding or state.census.get(number, (0, None))[1] != census:
                due.records.append((number, census))
            if last is None:
                due.records += [(number, record) for record in self._existing_quarantines(number)]

    def _existing_quarantines(self, number: int) -> list[ExistingQuarantine]:
        """What the log does not know of a partition that has just been assigned: its beginning may be lost."""
        return [
            ExistingQuarantine(target=target, grant_id=command_id, partition=number)
            for target, command_id in self._quarantined.items()
            if target not in self.log.state.guard.granted and self._partition_of(target.encode()) == number
        ]

    def _add_unused_grants(self, due: DueRecords, partitions: Mapping[int, Partition], now_ms: int) -> None:
        unused_since: dict[tuple[str, str], int] = {}
        for target in self.log.state.guard.granted:
            request = self.log.state.requests[target]
            partition = partitions.get(request.partition)
            if partition is None or target in self._quarantined or partition.uses_grant(target):
                continue
            grant = target, request.grant_id
            since_ms = unused_since[grant] = self._unused_since.get(grant, now_ms)
            if now_ms - since_ms >= self._unused_after_ms:
                unused_since[grant] = now_ms
                due.records.append((request.partition, GrantEnded(target=target, grant_id=request.grant_id)))
        self._unused_since = unused_since

    def _add_snapshot(self, due: DueRecords) -> None:
        state = self.log.state
        if state.snapshot_at is None or state.snapshot_at == self._snapshot_written_after:
            return
        if state.clock_ms - state.snapshot_at >= SNAPSHOT_INTERVAL_MS:
            self._snapshot_written_after = state.snapshot_at
            due.records.append((0, Snapshot(end=self.log.end, state=state)))

    def _add_fault(self, due: DueRecords, partitions: Mapping[int, Partition], now_ms: int) -> None:
        state = self.log.state
        tripped_at, tripped_by = state.guard.tripped_at, state.tripped_by
        if not state.is_unreported or tripped_at is None or tripped_by is None or tripped_by not in partitions:
            return
        if self._trip_seen is None or self._trip_seen[0] != tripped_at:
            self._trip_seen = tripped_at, now_ms
        is_counted = state.counted_since_trip() >= self._partitions
        is_late = now_ms - self._trip_seen[1] >= CENSUS_TIMEOUT_MS
        if (is_counted or is_late) and self._trip_reported != tripped_at and (finding := state.finding()) is not None:
            self._trip_reported = tripped_at
            due.fault = tripped_by, finding, FaultReported(tripped_at=tripped_at)
