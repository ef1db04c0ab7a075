"""Origins: the release, proxy pool, client and region that jobs send from, and what failing jobs have in common."""

from collections import Counter
from collections.abc import Iterable
from typing import Final, Literal

from msgspec import Struct

from halt400.records import ResponseEvent

__all__ = ["Attribute", "CommonAttribute", "Origin", "OriginCounts", "common_attribute"]

Attribute = Literal["release", "proxy_pool", "client", "region"]
ATTRIBUTES: Final[tuple[Attribute, ...]] = ("release", "proxy_pool", "client", "region")
MOST_VALUES: Final = 64
"""Values counted per attribute: the most common ones."""


class Origin(Struct, array_like=True, frozen=True):
    """Where a job sends from, after its last 400 or sampled event; None for what the event does not state."""

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


class OriginCounts(Struct, array_like=True):
    """How many jobs have which value; counts of several partitions can be added.

    Attributes
    ----------
    jobs
        Number of jobs of which anything is known.
    values
        For each attribute, value -> number of jobs.
    """

    jobs: int = 0
    values: dict[Attribute, dict[str, int]] = {}

    @classmethod
    def of(cls, origins: Iterable[Origin]) -> "OriginCounts":
        """Count origins, one per job."""
        alike = Counter(origin for origin in origins if origin != Origin())
        values: dict[Attribute, dict[str, int]] = {}
        for attribute in ATTRIBUTES:
            counts: Counter[str] = Counter()
            for origin, jobs in alike.items():
                if (value := getattr(origin, attribute)) is not None:
                    counts[value] += jobs
            if counts:
                most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MOST_VALUES]
                values[attribute] = dict(most)
        return cls(alike.total(), values)

    @classmethod
    def total(cls, counted: Iterable["OriginCounts"]) -> "OriginCounts":
        """The sum of several counts."""
        found = cls(0, {attribute: {} for attribute in ATTRIBUTES})
        for counts in counted:
            found.jobs += counts.jobs
            for attribute, values in counts.values.items():
                sums = found.values[attribute]
                for value, jobs in values.items():
                    sums[value] = sums.get(value, 0) + jobs
        return found


class CommonAttribute(Struct, frozen=True):
    """What failing jobs share: see `Finding`."""

    attribute: Attribute
    value: str
    lift: float
    coverage_ratio: float


def common_attribute(failing: Iterable[Origin], active: OriginCounts) -> CommonAttribute | None:
    """The attribute with the highest lift among those that at least half of the failing jobs have.

    Parameters
    ----------
    failing
        One origin per failing job.
    active
        The origins of all active jobs, the failing ones included.

    Returns
    -------
    CommonAttribute or None
        None where nothing is more common among failing jobs than among all. Lift is the share of the failing jobs that
        have the value over the share of all active jobs; of equal lifts the wider coverage wins, then the order of the
        attributes and the name.
    """
    failing_origins = list(failing)
    all_jobs = max(active.jobs, len(failing_origins))
    best: tuple[tuple[float, float, int], str, CommonAttribute] | None = None
    for rank, attribute in enumerate(ATTRIBUTES):
        among_failing = Counter(getattr(origin, attribute) for origin in failing_origins)
        among_active = active.values.get(attribute, {})
        for value, count in among_failing.items():
            coverage = count / len(failing_origins)
            if value is None or coverage < 0.5:
                continue
            lift = coverage / (max(among_active.get(value, 0), count) / all_jobs)
            order = (lift, coverage, -rank)
            if lift > 1.0 and (best is None or order > best[0] or (order == best[0] and value < best[1])):
                best = (order, value, CommonAttribute(attribute, value, lift, coverage))
    return best[2] if best is not None else None
