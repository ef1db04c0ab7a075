"""A worker's part in the fleet's blast radius: what it reads in the fleet's log, and what it has to say there. Pure.

Nothing is decided here: who may quarantine a target follows from the log (`streams.fleet_cap.log`). A worker says
what its partitions wish, how much is active in them, and which of its targets are not held any more.
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

__all__ = ["UNUSED_AFTER_MS", "CapParticipant", "Partition", "Upkeep"]

ACTIVE_WITHIN_MS = 3_600_000
COUNTED_ANEW_MS = 60_000
COUNTED_AT_ONCE = 8
"""Partitions counted in one go: a census looks at every target."""
UNUSED_AFTER_MS = 10_000
CENSUS_WAITED_FOR_MS = 5_000
SNAPSHOT_EVERY_MS = 6 * 3_600_000


class Partition(Protocol):
    """What is asked of a partition that this worker holds."""

    @property
    def known_targets(self) -> int:
        """Number of targets, active or not."""

    def active_targets(self, since_ms: int) -> int:
        """Number of targets that were heard of since `since_ms`."""

    def active_origins(self) -> OriginCounts | None:
        """Where their jobs send from, None where that is not known yet."""

    def keeps(self, target: str) -> bool:
        """Whether the target is held by machine, or waits for the answer to a wish."""


class _Counted(NamedTuple):
    at_ms: int
    targets: int
    tripped_at: int | None


@dataclass(slots=True)
class Upkeep:
    """What is to be said: records by the partition they concern, and a finding with what is said once it is told."""

    records: list[tuple[int, FleetRecord]] = field(default_factory=list)
    fault: tuple[int, Finding, FaultReported] | None = None


class CapParticipant:
    """Reads the fleet's log, and says what is to be written there.

    Parameters
    ----------
    machine_topic
        Full name of `responses`: a target's command that a record of it caused is the machine's own.
    partitions
        Number of partitions of the whole fleet.
    partition_of
        ``partition_of(key)``: the partition of a target.
    unused_after_ms
        A grant that nobody made use of is given back after this; no less than a worker can take to notice that it
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
        self._standing: dict[str, str] = {}
        self._counted: dict[int, _Counted] = {}
        self._unused: dict[tuple[str, str], int] = {}
        self._trip_seen: tuple[int, int] | None = None
        self._telling: int | None = None
        self._snapshot_said = 0
        self.log = FleetLog()

    def hear(self, offset: int, at_ms: int, value: bytes | None) -> list[GrantDecision]:
        """Take in a record of the log; what is none of ours is passed over, by every worker alike."""
        try:
            record: FleetRecord = decode_fleet_record(value)  # type: ignore[arg-type]
        except UNDECODABLE:
            return []
        if offset == 0 and self.log.end:
            self.log = FleetLog()  # the topic was made anew
        return self.log.take(offset, at_ms, record)

    def is_at_end(self) -> list[GrantDecision]:
        """Say that the log was read to its end, as it is now."""
        return self.log.is_at_end()

    def is_granted(self, target: str, wish_id: str) -> bool:
        """Whether the target may be held for this wish."""
        return self.log.state.is_granted(target, wish_id)

    def as_of_now(self, answer: GrantDecision) -> GrantDecision:
        """The answer as the rest of what was heard leaves it: what was given back meanwhile is not granted any more."""
        return replace(answer, granted=answer.granted and self.is_granted(answer.target, answer.wish_id))

    def learn(self, command: Command) -> None:
        """Take in the latest command of a target's scope, whoever issued it."""
        machine_made = command.source is not None and command.source.topic == self._machine_topic
        if command.state == "released" or not machine_made:
            self.forget(command.scope.target)
        else:
            self._standing[command.scope.target] = command.command_id

    def forget(self, target: str) -> None:
        """The target has no command any more, or one that is not the machine's."""
        self._standing.pop(target, None)

    def over(self, target: str) -> list[GrantEnded]:
        """What to say when it is known that the target is held no more."""
        place = self.log.state.places.get(target)
        return [GrantEnded(target=target, wish_id=place.wish_id)] if place is not None else []

    def upkeep(self, partitions: Mapping[int, Partition], now_ms: int) -> Upkeep:
        """What this worker has to say at `now_ms` for the partitions that it holds; ask about once a second."""
        upkeep, state = Upkeep(), self.log.state
        self._count(upkeep, partitions, now_ms)
        self._end_unused(upkeep, partitions, now_ms)
        if 0 in partitions and state.snapshot_at is not None and state.snapshot_at != self._snapshot_said:
            since_ms = state.clock_ms - state.snapshot_at
            if since_ms >= SNAPSHOT_EVERY_MS:
                self._snapshot_said = state.snapshot_at
                upkeep.records.append((0, Snapshot(end=self.log.end, state=state)))
        tripped_at, tripped_by = state.guard.tripped_at, state.tripped_by
        if state.is_untold and tripped_at is not None and tripped_by is not None and tripped_by in partitions:
            if self._trip_seen is None or self._trip_seen[0] != tripped_at:
                self._trip_seen = tripped_at, now_ms
            counted = state.counted_since_trip() >= self._partitions
            waited = now_ms - self._trip_seen[1] >= CENSUS_WAITED_FOR_MS
            if (counted or waited) and self._telling != tripped_at and (finding := state.finding()) is not None:
                self._telling = tripped_at
                upkeep.fault = tripped_by, finding, FaultReported(tripped_at=tripped_at)
        return upkeep

    def _count(self, upkeep: Upkeep, partitions: Mapping[int, Partition], now_ms: int) -> None:
        state = self.log.state
        tripped_at = state.guard.tripped_at if state.is_untold else None
        self._counted = {number: last for number, last in self._counted.items() if number in partitions}
        counted = 0
        for number, partition in partitions.items():
            last, targets = self._counted.get(number), partition.known_targets
            fault = tripped_at is not None and (last is None or last.tripped_at != tripped_at)
            due = (
                last is None
                or not 0 <= now_ms - last.at_ms < COUNTED_ANEW_MS
                or abs(targets - last.targets) * 10 > targets
            )
            if not fault and (not due or counted >= COUNTED_AT_ONCE):
                continue
            counted += 1
            self._counted[number] = _Counted(now_ms, targets, tripped_at)
            census = Census(
                partition=number,
                active_targets=partition.active_targets(now_ms - ACTIVE_WITHIN_MS),
                origins=partition.active_origins(),
            )
            if fault or state.census.get(number, (0, None))[1] != census:
                upkeep.records.append((number, census))
            if last is None:
                upkeep.records += [
                    (number, ExistingQuarantine(target=target, wish_id=command_id, partition=number))
                    for target, command_id in self._standing.items()
                    if target not in state.guard.held and self._partition_of(target.encode()) == number
                ]

    def _end_unused(self, upkeep: Upkeep, partitions: Mapping[int, Partition], now_ms: int) -> None:
        unused: dict[tuple[str, str], int] = {}
        for target in self.log.state.guard.held:
            place = self.log.state.places[target]
            partition = partitions.get(place.partition)
            if partition is None or target in self._standing or partition.keeps(target):
                continue
            since_ms = unused[target, place.wish_id] = self._unused.get((target, place.wish_id), now_ms)
            if now_ms - since_ms >= self._unused_after_ms:
                unused[target, place.wish_id] = now_ms
                upkeep.records.append((place.partition, GrantEnded(target=target, wish_id=place.wish_id)))
        self._unused = unused
