"""What one command, or one finding, says of an incident. Pure."""

from collections.abc import Set

import msgspec

from halt400.records import Command
from streams.alerts.incident import Incident, ScopeState, incident_cause, is_person
from streams.detection import Finding

__all__ = [
    "DELETE_CLOSED_AFTER_MS",
    "acknowledges",
    "joins",
    "reopen",
    "scope_state",
    "speaks_of",
    "stays",
    "subject",
    "trimmed",
]

DELETE_CLOSED_AFTER_MS = 86_400_000
"""A closed incident is kept this long: commands that are read again must find their sequence known."""
MOST_NAMES = 20
"""Targets, jobs and signatures kept of a finding; its summary says how many there were."""


def acknowledges(command: Command, before: ScopeState | None) -> bool:
    """Whether a person extended a quarantine or made one by hand; what ends a probe signs with the prober's name."""
    probed = before is not None and before.state == "probing"
    return is_person(command.issued_by) and command.state == "quarantined" and not probed


def stays(command: Command, known: Incident) -> bool:
    """Whether a command says nothing new of its scope's cause."""
    return command.state == "probing" or command.diagnosis is None or incident_cause(command) == known.cause


def joins(finding: Finding) -> bool:
    """Whether a finding has the cause of what is halted; a retry loop and a fault of the fleet have their own."""
    return finding.kind in ("target_alarm", "poison_item")


def speaks_of(finding: Finding, jobs: Set[str | None]) -> bool:
    """Whether a finding has the cause of what is halted on its target for these jobs."""
    return finding.kind == "target_alarm" or (finding.kind == "poison_item" and not jobs.isdisjoint(finding.jobs))


def subject(finding: Finding) -> str:
    """What a later finding of an incident takes the place of an earlier one for; its gravest stays."""
    if finding.kind == "retry_loop":
        return f"{finding.job_id}/{finding.fingerprint}"
    return f"{finding.kind}/{finding.severity}"


def trimmed(finding: Finding) -> Finding:
    """Keep as many names as a row needs."""
    names = {name: getattr(finding, name)[:MOST_NAMES] for name in ("targets", "jobs", "signatures")}
    return msgspec.structs.replace(finding, **names)


def reopen(incident: Incident, lead: Command | None, opened_at: int, now_ms: int) -> None:
    """Begin the next episode of an incident that was over."""
    incident.episode += 1
    incident.closed_at = incident.closed_by = incident.closing_reason = incident.acknowledged = None
    incident.escalated_to = []
    incident.findings, incident.covered_by_fleet_fault = {}, False
    incident.lead, incident.opened_at = lead, opened_at
    incident.scopes = {
        name: scope for name, scope in incident.scopes.items() if now_ms - scope.changed_at <= DELETE_CLOSED_AFTER_MS
    }


def scope_state(command: Command, episode: int, now_ms: int) -> ScopeState:
    """Say how a command leaves its scope."""
    return ScopeState(
        kind=command.scope.kind,
        sequence=command.sequence,
        state=command.state,
        opened_at=command.opened_at,
        expires_at=command.expires_at,
        changed_at=now_ms,
        episode=episode,
        job_id=command.scope.job_id,
    )
