"""The records of the topic `fleet`, and what follows from them in their order: which requests are granted. Pure.

The topic has one partition, and every worker reads all of it. Whether a quarantine is granted follows from the records
and their append times alone, so every worker comes to the same decision, whatever else it knows and whenever it reads.
No worker grants, so none can be missing, late or doubled. A record counts from its place in the order on; the same
record again changes nothing.

Names in the encoded form are older than the names here and never change (``wish_id``, ``places``, the tags).
"""

from typing import Final

import msgspec
from msgspec import Struct, field
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
"""Targets of which the origins of failing jobs are kept, for the finding."""


class GrantRequest(Struct, frozen=True, kw_only=True, tag="wish"):
    """A partition requests a grant to quarantine one of its targets.

    Attributes
    ----------
    grant_id
        Derived from the 400 that led to the request.
    origins
        Where the failing jobs send from.
    rules
        Those in force at the partition, so that every reader decides by the same rules.
    """

    target: str
    grant_id: str = field(name="wish_id")
    partition: int
    rules: FleetRules
    origins: list[Origin] = []


class GrantEnded(Struct, frozen=True, kw_only=True, tag="over"):
    """The quarantine that was granted is over, or the grant was not used."""

    target: str
    grant_id: str = field(name="wish_id")


class ExistingQuarantine(Struct, frozen=True, kw_only=True, tag="standing"):
    """`control` has a quarantine by machine that this log does not know: it counts as granted."""

    target: str
    grant_id: str = field(name="wish_id")
    partition: int


class Census(Struct, frozen=True, kw_only=True, tag="census"):
    """What is active in one partition; `origins` is None where they are not known yet: the former ones stay."""

    partition: int
    active_targets: int
    origins: OriginCounts | None


class FaultReported(Struct, frozen=True, kw_only=True, tag="told"):
    """The finding about the trip at `tripped_at` was sent."""

    tripped_at: Milliseconds


class LatestRequest(Struct, array_like=True):
    """The last request of a target that was granted or refused."""

    grant_id: str
    partition: int
    origins: list[Origin] = []


class FleetState(Struct, kw_only=True):
    """All that follows from the records so far.

    Attributes
    ----------
    requests
        By target, for those granted or refused.
    census
        The last one of each partition, with its offset.
    clock_ms
        The latest append time: the only clock.
    tripped_by, tripped_at_offset
        The partition whose request tripped the guard, and the offset of that request.
    reported_at
        The last `tripped_at` whose finding was sent.
    snapshot_at
        When the last snapshot was written to the log; at first, when the log began.
    """

    guard: FleetGuard = field(default_factory=FleetGuard)
    requests: dict[str, LatestRequest] = field(default_factory=dict, name="places")
    census: dict[int, tuple[int, Census]] = {}
    clock_ms: Milliseconds = 0
    tripped_by: int | None = None
    tripped_at_offset: int = -1
    reported_at: Milliseconds | None = field(default=None, name="told_at")
    snapshot_at: Milliseconds | None = None

    @property
    def active_targets(self) -> int:
        """The sum over the partitions' last censuses."""
        return sum(census.active_targets for _, census in self.census.values())

    @property
    def is_unreported(self) -> bool:
        """Whether the guard is tripped and the finding is not sent yet."""
        return self.guard.tripped_at is not None and self.guard.tripped_at != self.reported_at

    def is_granted(self, target: str, grant_id: str) -> bool:
        """Whether the target has this very grant."""
        request = self.requests.get(target)
        return target in self.guard.granted and request is not None and request.grant_id == grant_id

    def counted_since_trip(self) -> int:
        """Number of partitions with a census since the guard tripped."""
        return sum(offset > self.tripped_at_offset for offset, _ in self.census.values())

    def finding(self) -> Finding | None:
        """The finding of a tripped guard; None while it grants."""
        origins = {target: request.origins for target, request in self.requests.items()}
        active = OriginCounts.total(census.origins for _, census in self.census.values() if census.origins is not None)
        return self.guard.finding(origins, active, self.clock_ms)

    def apply(self, offset: int, at_ms: int, record: "FleetRecord") -> "GrantDecision | None":
        """Apply the next record, appended at `at_ms`; returns the decision where it is a request."""
        self.clock_ms = max(self.clock_ms, at_ms)
        if self.snapshot_at is None:
            self.snapshot_at = self.clock_ms
        match record:
            case GrantRequest():
                return self._decide(offset, record)
            case GrantEnded(target=target, grant_id=grant_id):
                if self.is_granted(target, grant_id):
                    self.guard.end_grant(target)
                    if target not in self.guard.refused:
                        del self.requests[target]
            case ExistingQuarantine(target=target, grant_id=grant_id, partition=partition):
                if target not in self.guard.granted:
                    self.guard.granted[target] = self.clock_ms
                    self.requests[target] = LatestRequest(grant_id, partition)
            case Census(partition=partition):
                known = self.census.get(partition)
                if record.origins is None and known is not None:
                    record = replace(record, origins=known[1].origins)
                self.census[partition] = offset, record
            case FaultReported(tripped_at=tripped_at):
                self.reported_at = tripped_at
            case Snapshot():
                self.snapshot_at = self.clock_ms
        return None

    def _decide(self, offset: int, request: GrantRequest) -> "GrantDecision":
        guard, tripped_at, target = self.guard, self.guard.tripped_at, request.target
        granted = guard.request(target, self.active_targets, self.clock_ms, request.rules)
        if guard.tripped_at != tripped_at:
            self.tripped_by, self.tripped_at_offset = request.partition, offset
            # What was refused before an earlier trip cleared does not belong to this one.
            self.requests = {
                name: former for name, former in self.requests.items() if name in guard.granted or name in guard.refused
            }
        if granted or target in guard.refused:
            has_room = target in self.requests or len(self.requests) < MOST_ORIGINS_KEPT
            origins = request.origins if has_room else []
            self.requests[target] = LatestRequest(request.grant_id, request.partition, origins)
        return GrantDecision(target, request.grant_id, request.partition, granted)


class Snapshot(Struct, frozen=True, kw_only=True, tag="snapshot"):
    """What follows from all records below the offset `end`; the log's beginning may be deleted."""

    end: int
    state: FleetState


class GrantDecision(Struct, frozen=True):
    """A request granted or refused, as it follows from the log."""

    target: str
    grant_id: str
    partition: int
    granted: bool


FleetRecord = GrantRequest | GrantEnded | ExistingQuarantine | Census | FaultReported | Snapshot

decode_fleet_record = msgspec.json.Decoder(FleetRecord).decode
encode_fleet_record = msgspec.json.Encoder().encode


class FleetLog:
    """Reads the log from wherever it begins.

    Where the log's first records were deleted, the first snapshot that covers them takes their place; nothing is
    decided before it.

    Attributes
    ----------
    state
        What follows from the records so far.
    end
        One more than the offset of the last record applied.
    """

    def __init__(self) -> None:
        self.state = FleetState()
        self.end = 0
        self._begun = False
        self._waiting: list[tuple[int, int, FleetRecord]] | None = None
        """Records without their beginning, until a snapshot or the end of the log; None where nothing is missing."""

    def apply(self, offset: int, at_ms: int, record: FleetRecord) -> list[GrantDecision]:
        """Apply one record with its offset and append time; returns the decisions that follow, in order.

        A record that was applied before changes nothing.
        """
        if offset < self.end:
            return []
        self.end = offset + 1
        if not self._begun:
            self._begun = True
            self._waiting = None if offset == 0 else []
        if self._waiting is None:
            decision = self.state.apply(offset, at_ms, record)
            return [decision] if decision is not None else []
        self._waiting.append((offset, at_ms, record))
        if isinstance(record, Snapshot) and record.end >= self._waiting[0][0]:
            self.state = record.state
            return self._apply_waiting(record.end)
        return []

    def reached_end(self) -> list[GrantDecision]:
        """Go on without a snapshot: the log has no more records for now, so its beginning is lost."""
        self._begun = True
        return self._apply_waiting(0) if self._waiting is not None else []

    def _apply_waiting(self, start: int) -> list[GrantDecision]:
        waiting, self._waiting = self._waiting or [], None
        decisions = [self.state.apply(*each) for each in waiting if each[0] >= start]
        return [decision for decision in decisions if decision is not None]
