"""The rule of the fleet cap: which targets may be quarantined by machine, and when nothing is granted any more.

One `FleetGuard` decides for the whole fleet, from one ordered stream of requests (`streams.fleet_cap.log`).
Quarantines by hand are not counted: a person may quarantine any number.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct, field

from halt400.records import Milliseconds
from streams.detection.findings import Finding
from streams.detection.origins import Origin, OriginCounts, common_attribute
from streams.detection.policy import FleetRules
from streams.quarantine.ids import finding_id

__all__ = ["FleetGuard"]

MOST_REFUSED: Final = 1_000
"""Refused targets remembered by name."""


class FleetGuard(Struct):
    """Grants quarantines of targets up to the cap. Its input is one ordered stream; it can be encoded and decoded.

    Attributes
    ----------
    granted
        The targets with a grant, and its time.
    refused
        The targets refused while the guard is tripped, with the time of the last refusal; at most 1,000 of them.
    tripped_at
        Since when nothing is granted; None while the guard grants.
    refused_at
        When a target was last refused.
    """

    granted: dict[str, Milliseconds] = field(default_factory=dict, name="held")
    refused: dict[str, Milliseconds] = {}
    tripped_at: Milliseconds | None = None
    refused_at: Milliseconds = 0

    def request(self, target: str, active_targets: int, now_ms: int, rules: FleetRules) -> bool:
        """Grant or refuse the quarantine of `target`; a grant counts until `end_grant`."""
        self.clear(active_targets, now_ms, rules)
        if target in self.granted:
            return True
        if self.tripped_at is None and len(self.granted) < rules.cap(active_targets):
            self.granted[target] = now_ms
            return True
        if self.tripped_at is None:
            self.tripped_at = now_ms
        self.refused_at = now_ms
        if target in self.refused or len(self.refused) < MOST_REFUSED:
            self.refused[target] = now_ms
        return False

    def end_grant(self, target: str) -> None:
        """End the grant of `target`: its quarantine by machine is over."""
        self.granted.pop(target, None)

    def clear(self, active_targets: int, now_ms: int, rules: FleetRules) -> bool:
        """Clear a tripped guard when nothing was refused for `clear_s` and there is room; whether it grants."""
        if self.tripped_at is None:
            return True
        if now_ms - self.refused_at >= rules.clear_s * 1000 and len(self.granted) < rules.cap(active_targets):
            self.tripped_at = None
            self.refused = {}
        return self.tripped_at is None

    def finding(self, origins: Mapping[str, Iterable[Origin]], active: OriginCounts, now_ms: int) -> Finding | None:
        """The one finding of a tripped guard; its id stays the same until it clears.

        Parameters
        ----------
        origins
            For each target granted or refused, the origins of its failing jobs.
        active
            The origins of all active jobs, the failing ones included.
        """
        if self.tripped_at is None:
            return None
        targets = sorted({*self.granted, *self.refused})
        common = common_attribute((origin for target in targets for origin in origins.get(target, ())), active)
        shared = (
            f"What the failing jobs share: {common.attribute} {common.value} ({common.lift:.1f} times as common)."
            if common is not None
            else "The failing jobs share no release, proxy pool, client library or region."
        )
        return Finding(
            finding_id=finding_id("fleet_fault", "fleet", str(self.tripped_at)),
            kind="fleet_fault",
            severity="page",
            at_ms=now_ms,
            summary=f"{len(targets)} targets fail at once: your own release, proxy pool or network. {shared} "
            "No further target is quarantined until this clears.",
            targets=tuple(targets),
            attribute=common.attribute if common is not None else None,
            value=common.value if common is not None else None,
            lift=common.lift if common is not None else None,
            coverage_ratio=common.coverage_ratio if common is not None else None,
        )
