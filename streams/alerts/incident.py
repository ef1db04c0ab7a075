"""One incident: a cause on a target, its quarantined scopes, its findings, and what each sink was sent last. Pure.

It is a row of the compacted topic `alerts`, under the incident's key.
"""

from hashlib import blake2b
from typing import Literal

import msgspec
from msgspec import Struct, field

from halt400.records import Command
from streams.detection import Finding
from streams.detection.findings import Severity

__all__ = [
    "FLEET",
    "FLEET_FAULT",
    "Acknowledgement",
    "Action",
    "ActiveFinding",
    "FirstAttempt",
    "Incident",
    "LastSent",
    "ScopeState",
    "decode_incident",
    "encode_incident",
    "finding_key",
    "incident_cause",
    "incident_key",
    "is_person",
    "wide_key",
]

FLEET_FAULT = "fleet/fleet_fault"
"""Key of the incident of a fault of the fleet."""
FLEET = "*"
"""Target of an incident that concerns the whole fleet."""
MACHINE_ISSUERS = "halt400."
LONGEST_KEY = 200
SIGNATURE_DIGITS = 12
"""Hexadecimal digits of a signature in a key: enough to distinguish those of one cause on one target."""

Action = Literal["trigger", "update", "acknowledge", "resolve"]


class ScopeState(Struct, kw_only=True, omit_defaults=True):
    """One scope of an incident after its latest command; `episode` is the incident's at that time.

    `severity` is what the command asks for, None where the route decides.
    """

    kind: Literal["request", "job", "target"]
    sequence: int
    state: Literal["quarantined", "probing", "released"]
    opened_at: int
    expires_at: int
    changed_at: int
    episode: int
    job_id: str | None = None
    severity: Severity | None = None

    @property
    def open(self) -> bool:
        """Whether it is not released."""
        return self.state != "released"


class LastSent(Struct, kw_only=True, omit_defaults=True):
    """What one sink was sent last; `undelivered` where it went to the dead-letter topic instead."""

    route: str
    action: Action
    severity: Severity
    digest: str
    episode: int
    first_at: int
    at: int
    acknowledged: bool = False
    undelivered: bool = False


class FirstAttempt(Struct, kw_only=True):
    """A first message that one sink may have got: it is recorded before it is sent, and until `LastSent` says more."""

    route: str
    episode: int


class ActiveFinding(Struct, kw_only=True):
    """A finding; where nothing is quarantined, it closes at `ends_at` unless it is reported again."""

    finding: Finding
    ends_at: int


class Acknowledgement(Struct, kw_only=True, omit_defaults=True):
    """Who works on it, since when, and why; it is not escalated any more."""

    by: str
    at: int
    reason: str | None = None


class Incident(Struct, kw_only=True, omit_defaults=True):
    """One cause on one target with every scope that is quarantined for it. Times are milliseconds since the epoch.

    `episode` counts how often it has opened; `revision` every change of the row. `lead` is the command that messages
    are about: the broadest of the episode, else its first; None while nothing is quarantined. `findings` are those of
    the episode, `finding_ids` those that were applied, of earlier episodes too. `covered_by_fleet_fault`: the page of a
    fault of the fleet covers its alarm, which is then only a ticket. `first_attempts` are sinks that may have got a
    first message, though no answer of theirs is recorded: they get the resolve too. `absorbed` are the incidents that
    this one took over, with the episode of each: where their own rows do not say so yet, its row does.
    """

    version: Literal[1] = 1
    key: str
    partition: int
    target: str
    cause: str
    lead: Command | None = None
    opened_at: int
    episode: int = 1
    revision: int = 0
    closed_at: int | None = None
    closed_by: str | None = None
    closing_reason: str | None = None
    acknowledged: Acknowledgement | None = None
    scopes: dict[str, ScopeState] = {}
    findings: dict[str, ActiveFinding] = {}
    finding_ids: list[str] = []
    covered_by_fleet_fault: bool = field(default=False, name="subsumed")
    last_sent: dict[str, LastSent] = field(default_factory=dict, name="told")
    first_attempts: dict[str, FirstAttempt] = {}
    escalated_to: list[str] = []
    absorbed: dict[str, int] = {}

    def episode_scopes(self) -> dict[str, ScopeState]:
        """The scopes of this episode, released ones included."""
        return {name: scope for name, scope in self.scopes.items() if scope.episode == self.episode}

    def open_scopes(self) -> dict[str, ScopeState]:
        """The scopes of this episode that are not released."""
        return {name: scope for name, scope in self.episode_scopes().items() if scope.open}

    def has_open(self, name: str) -> bool:
        """Whether a scope is open in this episode."""
        scope = self.scopes.get(name)
        return scope is not None and scope.episode == self.episode and scope.open

    @property
    def expires_at(self) -> int:
        """When the last open scope expires; without scopes, when the last finding closes; 0 where all is over."""
        scopes = self.open_scopes()
        if scopes or self.episode_scopes():
            return max((scope.expires_at for scope in scopes.values()), default=0)
        return max((active.ends_at for active in self.findings.values()), default=0)

    def jobs(self) -> set[str]:
        """The jobs that are quarantined, or that a finding names."""
        jobs = {scope.job_id for scope in self.episode_scopes().values() if scope.job_id is not None}
        for active in self.findings.values():
            jobs.update(active.finding.jobs, [active.finding.job_id] if active.finding.job_id is not None else ())
        return jobs

    def paging_alarm_at(self) -> int | None:
        """Since when an alarm makes it a page though its target is not quarantined as a whole; None where none does."""
        if any(scope.kind == "target" for scope in self.open_scopes().values()):
            return None
        alarms = (active.finding for active in self.findings.values() if active.finding.kind == "target_alarm")
        return max((finding.at_ms for finding in alarms if finding.severity == "page"), default=None)

    def last_sent_to(self, sink: str) -> LastSent | None:
        """What `sink` was sent last of this episode, None where nothing."""
        sent = self.last_sent.get(sink)
        return sent if sent is not None and sent.episode == self.episode else None

    def first_attempt_at(self, sink: str) -> FirstAttempt | None:
        """The first message of this episode that `sink` may have got, None where none was tried."""
        attempt = self.first_attempts.get(sink)
        return attempt if attempt is not None and attempt.episode == self.episode else None

    def was_sent(self) -> bool:
        """Whether any sink was sent this episode."""
        return any(sent.episode == self.episode for sent in self.last_sent.values())

    def digest(self) -> str:
        """Changes when there is something to send: a scope that joined, another state of one, a finding."""
        states = sorted(f"{name}={scope.state}" for name, scope in self.episode_scopes().items())
        states += sorted(f"{name}={active.finding.finding_id}" for name, active in self.findings.items())
        return blake2b("\n".join(states).encode(), digest_size=8).hexdigest()


decode_incident = msgspec.json.Decoder(Incident).decode
encode_incident = msgspec.json.Encoder().encode


def incident_key(command: Command) -> str:
    """The key of a command's incident: its target, the diagnosed cause, and the signature of the requests.

    That of a target that is quarantined as a whole has no signature: see `wide_key`. It has at most 200 characters, so
    that it fits into the 255 of a sink, with a prefix.

    Examples
    --------
    >>> from halt400.records import Scope
    >>> scope = Scope(kind="job", target="api.shop.example", job_id="extract-099")
    >>> incident_key(Command(command_id="c", scope=scope, sequence=1, state="quarantined", reason="400",
    ...     issued_by="halt400.detect", opened_at=0, issued_at=0, expires_at=1, signature="1db0c6a957d04ac3"))
    'api.shop.example/unknown/1db0c6a957d0'
    """
    parts = [command.scope.target, incident_cause(command)]
    if command.scope.kind != "target" and command.signature is not None:
        parts.append(command.signature[:SIGNATURE_DIGITS])
    elif command.scope.kind == "request" and command.scope.fingerprint is not None:
        parts.append(command.scope.fingerprint)
    return _bounded("/".join(parts))


def wide_key(target: str, cause: str) -> str:
    """The key of a cause on a target as a whole, whatever the requests' signature.

    >>> wide_key("api.shop.example", "malformed_json")
    'api.shop.example/malformed_json'
    """
    return _bounded(f"{target}/{cause}")


def finding_key(finding: Finding) -> str:
    """The key of a finding's own incident: retry loops by release, poison items by job, refused records by code.

    Releases and jobs have any name, so the key has their digest.

    Examples
    --------
    >>> finding_key(Finding(finding_id="fnd-1", kind="fleet_fault", severity="page", at_ms=0, summary="..."))
    'fleet/fleet_fault'
    """
    parts = [finding.target if finding.target is not None else "fleet", finding.kind]
    apart = {
        "retry_loop": finding.release or finding.worker or "",
        "poison_item": "\n".join(finding.jobs),
        "refused_records": finding.value or "",
    }
    if finding.kind in apart:
        parts.append(blake2b(apart[finding.kind].encode(errors="replace"), digest_size=4).hexdigest())
    return _bounded("/".join(parts))


def _bounded(key: str) -> str:
    if len(key) <= LONGEST_KEY:
        return key
    return f"{key[: LONGEST_KEY - 17]}~{blake2b(key.encode(), digest_size=8).hexdigest()}"


def is_person(issued_by: str) -> bool:
    """Whether a person issued a command; the parts of Halt400 sign as ``halt400.<part>``."""
    return not issued_by.startswith(MACHINE_ISSUERS)


def incident_cause(command: Command) -> str:
    """The diagnosed cause, or ``unknown``."""
    return command.diagnosis.cause if command.diagnosis is not None else "unknown"
