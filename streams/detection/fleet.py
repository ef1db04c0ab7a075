"""The fleet: how many targets the machine may quarantine at once, and what failing jobs have in common.

One `FleetGuard` decides for the whole fleet, so it lives in one place; a target's partition only wishes. Quarantines by
hand are not counted: a person may do what the machine may not.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Literal

from msgspec import Struct

from halt400.records import Milliseconds, ResponseEvent
from streams.detection.commands import finding_id
from streams.detection.findings import Finding

__all__ = ["CommonAttribute", "FleetGuard", "FleetRules", "Origin", "common_attribute"]

Attribute = Literal["release", "proxy_pool", "client", "region"]


class FleetRules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The blast radius.

    Attributes
    ----------
    share_ratio
        The part of the active targets that the machine may hold quarantined.
    minimum
        It may always hold this many.
    clear_s
        A tripped guard clears when for this long no quarantine was refused and there is room again.
    """

    share_ratio: float = 0.1
    minimum: int = 3
    clear_s: int = 900

    def cap(self, active_targets: int) -> int:
        """The most targets that the machine may hold quarantined."""
        return max(self.minimum, int(self.share_ratio * active_targets))


class Origin(Struct, array_like=True, frozen=True):
    """Where a job's requests come from, as its last sampled event said; None where it did not say."""

    release: str | None = None
    proxy_pool: str | None = None
    client: str | None = None
    region: str | None = None

    @classmethod
    def of(cls, event: ResponseEvent) -> "Origin":
        """The origin that an event states; a client library counts with its version."""
        client, pool = None, event.proxy.pool if event.proxy is not None else None
        if event.client is not None:
            client = f"{event.client.name}/{event.client.version}" if event.client.version else event.client.name
        return cls(event.release, pool, client, event.region)


class CommonAttribute(Struct, frozen=True):
    """What failing jobs share: see `Finding`."""

    attribute: Attribute
    value: str
    lift: float
    coverage_ratio: float


def common_attribute(failing: Iterable[Origin], active: Iterable[Origin]) -> CommonAttribute | None:
    """The attribute with the highest lift among those that at least half of the failing jobs have.

    Parameters
    ----------
    failing
        One origin per failing job.
    active
        One origin per active job, the failing ones included.

    Returns
    -------
    CommonAttribute or None
        None where nothing is more common among failing jobs than among all. Lift is the share of the failing jobs that
        have the value over the share of all active jobs; of equal lifts the wider coverage wins, then the order of the
        attributes and the name.
    """
    failing_origins, active_origins = list(failing), list(active)
    best: tuple[tuple[float, float, int], str, CommonAttribute] | None = None
    for rank, attribute in enumerate(("release", "proxy_pool", "client", "region")):
        among_failing = Counter(getattr(origin, attribute) for origin in failing_origins)
        among_active = Counter(getattr(origin, attribute) for origin in active_origins)
        for value, count in among_failing.items():
            coverage = count / len(failing_origins)
            if value is None or coverage < 0.5:
                continue
            lift = coverage / (max(among_active[value], count) / max(len(active_origins), len(failing_origins)))
            order = (lift, coverage, -rank)
            if lift > 1.0 and (best is None or order > best[0] or (order == best[0] and value < best[1])):
                best = (order, value, CommonAttribute(attribute, value, lift, coverage))  # type: ignore[arg-type]
    return best[2] if best is not None else None


class FleetGuard(Struct):
    """Grants quarantines of targets up to the cap. Feed it one ordered stream; it can be encoded and restored.

    Attributes
    ----------
    held
        The targets that the machine holds quarantined, with the time of the grant.
    refused
        The targets refused while the guard is tripped, with the time of the last refusal.
    tripped_at
        Since when nothing is granted, None while it is.
    """

    held: dict[str, Milliseconds] = {}
    refused: dict[str, Milliseconds] = {}
    tripped_at: Milliseconds | None = None

    def ask(self, target: str, active_targets: int, now_ms: int, rules: FleetRules) -> bool:
        """Whether `target` may be quarantined; a yes is remembered until `released`."""
        self.clear(active_targets, now_ms, rules)
        if target in self.held:
            return True
        if self.tripped_at is None and len(self.held) < rules.cap(active_targets):
            self.held[target] = now_ms
            return True
        if self.tripped_at is None:
            self.tripped_at = now_ms
        self.refused[target] = now_ms
        return False

    def released(self, target: str) -> None:
        """Take note that the machine's quarantine of `target` is over."""
        self.held.pop(target, None)

    def clear(self, active_targets: int, now_ms: int, rules: FleetRules) -> bool:
        """Whether the guard grants again; it does once refusals have ceased for `clear_s` and there is room."""
        if self.tripped_at is None:
            return True
        newest = max(self.refused.values(), default=self.tripped_at)
        if now_ms - newest >= rules.clear_s * 1000 and len(self.held) < rules.cap(active_targets):
            self.tripped_at = None
            self.refused = {}
        return self.tripped_at is None

    def finding(self, origins: Mapping[str, Iterable[Origin]], active: Iterable[Origin], now_ms: int) -> Finding | None:
        """The one finding of a tripped guard; its id stays the same until it clears.

        Parameters
        ----------
        origins
            For each target held or refused, the origins of its failing jobs.
        active
            The origins of all active jobs, the failing ones included.
        """
        if self.tripped_at is None:
            return None
        targets = sorted({*self.held, *self.refused})
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
