"""What differs from good requests: headers against the learned profile, and where the 400s come from."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from halt400.diagnosis import Profile, header_mismatch
from halt400.diagnosis.profile import MIN_SUCCESSES
from halt400.fingerprints import TRANSIT_HEADERS
from halt400.records import Request
from streams.api.log_models import OffenceSummary
from streams.detection import OriginCounts
from streams.detection.target_state import JobState

__all__ = ["Difference", "Share", "header_differences", "origin_shares"]

USUAL = 0.5
"""A header that this part of the good requests has is missed where it is not sent."""
MOST_DIFFERENCES = 20


@dataclass(frozen=True)
class Difference:
    """One difference of a request: what, how it is in the 400, how in good requests."""

    what: str
    here: str
    usual: str


@dataclass(frozen=True)
class Share:
    """The most common value of an attribute among 400s, and its part of the jobs of the target; None: not known."""

    attribute: str
    value: str
    ratio: float
    among_jobs: float | None


def header_differences(request: Request, profile: Profile | None) -> tuple[list[Difference], float | None] | None:
    """Compare the headers of a request with those of good requests like it.

    Returns
    -------
    tuple or None
        The differences and the figure `header_mismatch`; None where too few good requests of this kind are known.
    """
    known = profile.template_for(request) if profile is not None else None
    if known is None or known.successes < MIN_SUCCESSES or not known.headers:
        return None
    sent = {name.lower(): name for name, _ in request.headers}
    found = [
        Difference(f"header {seen.spelling or name}", "missing", f"in {known.presence(name):.0%} of the good requests")
        for name, seen in known.headers.items()
        if known.presence(name) >= USUAL and name not in sent
    ]
    found += [
        Difference(f"header {name}", "sent", "in no good request")
        for lower, name in sent.items()
        if lower not in known.headers and lower not in TRANSIT_HEADERS
    ]
    kind = next((value for name, value in request.headers if name.lower() == "content-type"), None)
    essence = kind.partition(";")[0].strip().lower() if kind is not None else None
    if essence is not None and known.content_types and essence not in known.content_types:
        found.append(Difference("Content-Type", essence, ", ".join(known.content_types)))
    return found[:MOST_DIFFERENCES], header_mismatch(request.headers, known)


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
