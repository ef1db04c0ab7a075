"""What differs from good requests: the request against the learned profile, and where the 400s come from."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from halt400.diagnosis import Profile, header_mismatch
from halt400.diagnosis.exchange import Exchange
from halt400.diagnosis.request_changes import changes_of
from halt400.records import Request, RequestChange
from streams.api.log_models import OffenceSummary
from streams.detection import OriginCounts
from streams.detection.target_state import JobState

__all__ = ["Share", "origin_shares", "request_differences"]


@dataclass(frozen=True)
class Share:
    """The most common value of an attribute among 400s, and its part of the jobs of the target; None: not known."""

    attribute: str
    value: str
    ratio: float
    among_jobs: float | None


def request_differences(request: Request, profile: Profile | None) -> tuple[list[RequestChange], float | None] | None:
    """Compare a request with the good requests like it, as the diagnosis does.

    Returns
    -------
    tuple or None
        The differences and the figure `header_mismatch`; None where too few good requests of this kind are known.
    """
    if profile is None:
        return None
    exchange = Exchange(request)
    found = changes_of(exchange, profile)
    if found is None:
        return None
    return found, header_mismatch(request.headers, profile.template_for_exchange(exchange))


def origin_shares(offences: Sequence[OffenceSummary], jobs: Iterable[JobState]) -> list[Share]:
    """The most common release, proxy, client, region and worker among the 400s."""
    origins = OriginCounts.of(job.origin for job in jobs)
    among_jobs = {"release": origins.values.get("release", {}), "region": origins.values.get("region", {})}
    shares = []
    for attribute in ("release", "proxy", "client", "region", "worker"):
        values = Counter(value for offence in offences if (value := getattr(offence, attribute)) is not None)
        for value, number in values.most_common(1):
            known = among_jobs.get(attribute, {})
            among = known.get(value, 0) / origins.jobs if known and origins.jobs else None
            shares.append(Share(attribute, value, number / len(offences), among))
    return shares
