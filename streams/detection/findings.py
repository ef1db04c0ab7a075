"""Findings: what people should know besides commands: alarms, poison items, retry loops, refused records."""

from typing import Literal

from msgspec import Struct

from halt400.records import Milliseconds

__all__ = ["Finding", "FindingKind", "Severity"]

FindingKind = Literal["target_alarm", "poison_item", "retry_loop", "fleet_fault", "refused_records"]
Severity = Literal["page", "ticket"]


class Finding(Struct, kw_only=True, omit_defaults=True, frozen=True):
    """A conclusion that a person should know.

    Attributes
    ----------
    finding_id
        Derived from the cause: the same cause after a crash gives the same id.
    kind
        ``target_alarm``: the target's detector reached a tier over several jobs or signatures. ``poison_item``: over
        one job and fewer than three signatures. ``retry_loop``: a worker repeats a request whose retry was aborted.
        ``fleet_fault``: more targets fail than the machine may quarantine, so the fault is in the fleet itself.
        ``refused_records``: what someone publishes is refused, so that it is not counted and halts nothing.
    at_ms
        When it was concluded.
    summary
        One sentence for a person.
    evidence, threshold
        The detector's evidence and the tier it reached, in requests per false alarm.
    wasted_requests
        Attempts of a retry loop after its retry was aborted.
    attribute, value, lift, coverage_ratio
        What the failing jobs of a fleet fault have in common: the attribute and its value, how many times more common
        it is among failing jobs than among all, and the part of the failing jobs that have it. Of refused records
        `value` is the code of the refusal.
    """

    finding_id: str
    kind: FindingKind
    severity: Severity
    at_ms: Milliseconds
    summary: str
    target: str | None = None
    job_id: str | None = None
    worker: str | None = None
    release: str | None = None
    fingerprint: str | None = None
    signature: str | None = None
    wasted_requests: int | None = None
    evidence: float | None = None
    threshold: float | None = None
    jobs: tuple[str, ...] = ()
    signatures: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    attribute: str | None = None
    value: str | None = None
    lift: float | None = None
    coverage_ratio: float | None = None
