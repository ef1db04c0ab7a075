"""The one order in which the whole fleet wishes: records of the topic `fleet`, and what everyone concludes from them.

The topic has one partition, and every worker reads all of it. Who may quarantine a target follows from its records and
their append times alone, so every worker comes to the same answer, whatever it knows besides and whenever it reads it;
no worker grants, and none can be lost, late or there twice. What a record says holds from its place in the order on;
saying it again changes nothing.
"""

from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from halt400.records import Milliseconds
from streams.detection.findings import Finding
from streams.detection.origins import Origin, OriginCounts
from streams.detection.policy import FleetRules
from streams.fleet_cap.guard import FleetGuard

__all__ = [
    "Census",
    "ExistingQuarantine",
    "FaultReported",
    "FleetLog",
    "FleetRecord",
    "FleetState",
    "GrantDecision",
    "GrantEnded",
    "GrantRequest",
    "Snapshot",
    "decode_fleet_record",
    "encode_fleet_record",
]

MOST_ORIGINS_KEPT: Final = 1_000
"""Targets whose failing jobs' origins are kept, for the finding."""


class GrantRequest(Struct, frozen=True, kw_only=True, tag="wish"):
    """A partition wishes to quarantine one of its targets.

    Attributes
    ----------
    origins
        Where the failing jobs send from.
    rules
        Those in force where it was wished, so that all answer by the same.
    """

    target: str
    wish_id: str
    partition: int
    rules: FleetRules
    origins: list[Origin] = []


class GrantEnded(Struct, frozen=True, kw_only=True, tag="over"):
    """What was granted to `wish_id` is over, or was not made use of."""

    target: str
    wish_id: str


class ExistingQuarantine(Struct, frozen=True, kw_only=True, tag="standing"):
    """`control` has a quarantine by machine that this log does not know: it is counted."""

    target: str
    wish_id: str
    partition: int


class Census(Struct, frozen=True, kw_only=True, tag="census"):
    """What is active in one partition; `origins` is None where they are not known yet: those of before stand."""

    partition: int
    active_targets: int
    origins: OriginCounts | None


class FaultReported(Struct, frozen=True, kw_only=True, tag="told"):
    """People were told that the guard tripped at `tripped_at`."""

    tripped_at: Milliseconds


class Place(Struct, array_like=True):
    """The last wish of a target that is held or refused."""

    wish_id: str
    partition: int
    origins: list[Origin] = []


class FleetState(Struct, kw_only=True):
    """All that follows from the records so far.

    Attributes
    ----------
    clock_ms
        The latest append time: the only clock.
    tripped_by, tripped_at_offset
        The partition whose wish tripped the guard, and that wish's place.
    told_at
        The last `tripped_at` that people were told of.
    snapshot_at
        When this was last written to the log whole; at first, when the log began.
    """

    guard: FleetGuard = msgspec.field(default_factory=FleetGuard)
    places: dict[str, Place] = {}
    census: dict[int, tuple[int, Census]] = {}
    clock_ms: Milliseconds = 0
    tripped_by: int | None = None
    tripped_at_offset: int = -1
    told_at: Milliseconds | None = None
    snapshot_at: Milliseconds | None = None

    @property
    def active_targets(self) -> int:
        """As the partitions' last censuses say."""
        return sum(census.active_targets for _, census in self.census.values())

    @property
    def is_untold(self) -> bool:
        """Whether the guard has tripped and people are not told yet."""
        return self.guard.tripped_at is not None and self.guard.tripped_at != self.told_at

    def is_granted(self, target: str, wish_id: str) -> bool:
        """Whether this wish is the one that the target is held by."""
        place = self.places.get(target)
        return target in self.guard.held and place is not None and place.wish_id == wish_id

    def counted_since_trip(self) -> int:
        """Number of partitions that took a census after the guard tripped."""
        return sum(offset > self.tripped_at_offset for offset, _ in self.census.values())

    def finding(self) -> Finding | None:
        """The finding of a tripped guard; None while it grants."""
        origins = {target: place.origins for target, place in self.places.items()}
        active = OriginCounts.total(census.origins for _, census in self.census.values() if census.origins is not None)
        return self.guard.finding(origins, active, self.clock_ms)

    def take(self, offset: int, at_ms: int, record: "FleetRecord") -> "GrantDecision | None":
        """Take in the next record, appended at `at_ms`; the answer where it is a wish."""
        self.clock_ms = max(self.clock_ms, at_ms)
        if self.snapshot_at is None:
            self.snapshot_at = self.clock_ms
        match record:
            case GrantRequest():
                return self._answer(offset, record)
            case GrantEnded(target=target, wish_id=wish_id):
                if self.is_granted(target, wish_id):
                    self.guard.released(target)
                    if target not in self.guard.refused:
                        del self.places[target]
            case ExistingQuarantine(target=target, wish_id=wish_id, partition=partition):
                if target not in self.guard.held:
                    self.guard.held[target] = self.clock_ms
                    self.places[target] = Place(wish_id, partition)
            case Census(partition=partition):
                known = self.census.get(partition)
                if record.origins is None and known is not None:
                    record = replace(record, origins=known[1].origins)
                self.census[partition] = offset, record
            case FaultReported(tripped_at=tripped_at):
                self.told_at = tripped_at
            case Snapshot():
                self.snapshot_at = self.clock_ms
        return None

    def _answer(self, offset: int, wish: GrantRequest) -> "GrantDecision":
        guard, tripped_at = self.guard, self.guard.tripped_at
        granted = guard.ask(wish.target, self.active_targets, self.clock_ms, wish.rules)
        if guard.tripped_at != tripped_at:
            self.tripped_by, self.tripped_at_offset = wish.partition, offset
            # What was refused before an earlier trip cleared is of no account.
            self.places = {
                target: place
                for target, place in self.places.items()
                if target in guard.held or target in guard.refused
            }
        if granted or wish.target in guard.refused:
            kept = wish.target in self.places or len(self.places) < MOST_ORIGINS_KEPT
            self.places[wish.target] = Place(wish.wish_id, wish.partition, wish.origins if kept else [])
        return GrantDecision(wish.target, wish.wish_id, wish.partition, granted)


class Snapshot(Struct, frozen=True, kw_only=True, tag="snapshot"):
    """What follows from all records below the offset `end`: the log's beginning can be deleted."""

    end: int
    state: FleetState


class GrantDecision(Struct, frozen=True):
    """What the log's order says to a wish."""

    target: str
    wish_id: str
    partition: int
    granted: bool


FleetRecord = GrantRequest | GrantEnded | ExistingQuarantine | Census | FaultReported | Snapshot

decode_fleet_record = msgspec.json.Decoder(FleetRecord).decode
encode_fleet_record = msgspec.json.Encoder().encode


class FleetLog:
    """Reads the log from wherever it begins.

    Where the log's first records were deleted, what they led to is taken from the first snapshot that covers them;
    until then nothing is answered.

    Attributes
    ----------
    state
        What follows from the records so far.
    end
        One behind the last record taken in.
    """

    def __init__(self) -> None:
        self.state = FleetState()
        self.end = 0
        self._begun = False
        self._before: list[tuple[int, int, FleetRecord]] | None = None

    def take(self, offset: int, at_ms: int, record: FleetRecord) -> list[GrantDecision]:
        """Take in one record with its offset and append time; the answers that follow, in order.

        A record that was taken in before changes nothing.
        """
        if offset < self.end:
            return []
        self.end = offset + 1
        if not self._begun:
            self._begun = True
            self._before = None if offset == 0 else []
        if self._before is None:
            answer = self.state.take(offset, at_ms, record)
            return [answer] if answer is not None else []
        self._before.append((offset, at_ms, record))
        if isinstance(record, Snapshot) and record.end >= self._before[0][0]:
            self.state = record.state
            return self._take_rest(record.end)
        return []

    def is_at_end(self) -> list[GrantDecision]:
        """Say that the log has no more records for now: what no snapshot covers is gone for good."""
        self._begun = True
        return self._take_rest(0) if self._before is not None else []

    def _take_rest(self, start: int) -> list[GrantDecision]:
        rest, self._before = self._before or [], None
        answers = [self.state.take(*one) for one in rest if one[0] >= start]
        return [answer for answer in answers if answer is not None]
