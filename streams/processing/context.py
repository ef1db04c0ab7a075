"""The functions that the processing of a partition calls: lookups, policies, the diagnosis. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from halt400.diagnosis import Profile
from halt400.fingerprints import fingerprints as fingerprints_of
from halt400.records import Command, Diagnosis, Fingerprints, Operation, ResponseEvent, Source
from streams.detection import Policies
from streams.processing.decoding import Record

__all__ = ["ProcessingContext"]


class Diagnose(Protocol):
    """Finds what is wrong with the request of a 400.

    It is given the event, the profile of good requests to the target, and the target's 400s / all of the last hour.
    """

    def __call__(
        self, event: ResponseEvent, profile: Profile | None, malformed_payload_ratio: float | None, /
    ) -> Diagnosis | None: ...


def _default_fingerprints(event: ResponseEvent) -> Fingerprints:
    return fingerprints_of(event.target, event.request)


def _granted_nothing(_target: str, _grant_id: str) -> bool:
    return False


def _believed(_record: Record, _operation: Operation) -> None:
    return None


@dataclass(frozen=True, slots=True)
class ProcessingContext:
    """What `PartitionState` needs to know from outside; the same for every partition.

    Parameters
    ----------
    archive_uri
        ``archive_uri(source, target, time_ms)``: where the evidence of an offence will lie.
    partition_of
        ``partition_of(key)``: the partition that a key belongs to.
    latest_command
        ``latest_command(scope_id)``: the last command known of a scope, None where there is none.
    policies
        ``policies()``: those in force at the moment.
    is_granted
        ``is_granted(target, grant_id)``: whether the fleet granted what was requested before this worker had the
        partition.
    why_not_believed
        ``why_not_believed(record, operation)``: why an operation is not carried out; None where it is.
    skew_ms
        See `streams.settings.DetectionSettings`.
    """

    archive_uri: Callable[[Source, str, int], str]
    partition_of: Callable[[bytes], int]
    latest_command: Callable[[str], Command | None]
    policies: Callable[[], Policies] = Policies
    is_granted: Callable[[str, str], bool] = _granted_nothing
    fingerprints: Callable[[ResponseEvent], Fingerprints] = _default_fingerprints
    diagnose: Diagnose | None = None
    why_not_believed: Callable[[Record, Operation], str | None] = _believed
    skew_ms: int = 30_000
