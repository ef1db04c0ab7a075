"""What a partition is judged by, and what follows from its judgement. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from halt400.diagnosis import Profile
from halt400.fingerprints import fingerprints as fingerprints_of
from halt400.records import Command, Diagnosis, Fingerprints, Offence, ResponseEvent, Source
from streams.detection import Decision, Finding, Policies
from streams.detection.fleet_log import Wish
from streams.intake import Refusal

__all__ = ["Outcome", "Rules"]


@dataclass(slots=True)
class Outcome:
    """What followed from some records, or from time, in order.

    `forgotten` are scopes that need no command any more; `wishes` are to be put to the fleet.
    """

    offences: list[Offence] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    withheld: list[Command] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    wishes: list[Wish] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.offences or self.commands or self.refusals or self.findings or self.forgotten or self.wishes)

    def add(self, decision: Decision) -> None:
        """Take in what a judgement decided."""
        self.commands += decision.commands
        self.withheld += decision.withheld
        self.forgotten += decision.forgotten
        self.findings += decision.findings

    def join(self, other: "Outcome") -> None:
        """Take in what followed next."""
        for name in self.__slots__:
            getattr(self, name).extend(getattr(other, name))


class Diagnose(Protocol):
    """Finds what is wrong with the request of a 400.

    Beside the event it gets what good requests to the target look like, and the target's 400s / all of the last hour.
    """

    def __call__(
        self, event: ResponseEvent, profile: Profile | None, malformed_payload_ratio: float | None, /
    ) -> Diagnosis | None: ...


def _default_fingerprints(event: ResponseEvent) -> Fingerprints:
    return fingerprints_of(event.target, event.request)


def _granted_nothing(_target: str, _wish_id: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Rules:
    """What the judgement of a partition rests on; the same for every partition.

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
        ``is_granted(target, wish_id)``: whether the fleet granted a wish that was made before this worker had the
        partition.
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
    skew_ms: int = 30_000
