"""What one command, or one finding, changes in an incident. Pure."""

import msgspec

from halt400.records import Command
from streams.alerts.incident import ActiveFinding, Incident, ScopeState, is_person
from streams.detection import Finding

__all__ = ["DELETE_CLOSED_AFTER_MS", "add_finding", "is_acknowledgement", "reopen", "scope_state"]

DELETE_CLOSED_AFTER_MS = 86_400_000
"""A closed incident is kept this long: commands that are read again must find their sequence in its row."""
MOST_NAMES = 20
"""Targets, jobs and signatures kept of a finding; its summary says how many there were."""
MOST_FINDINGS = 50
MOST_FINDING_IDS = 200


def is_acknowledgement(command: Command, before: ScopeState | None) -> bool:
    """Whether a person extended a quarantine or made one by hand; what ends a probe is signed by the prober."""
    probed = before is not None and before.state == "probing"
    return is_person(command.issued_by) and command.state == "quarantined" and not probed


def scope_state(command: Command, episode: int, now_ms: int) -> ScopeState:
    """The state in which a command leaves its scope."""
    return ScopeState(
        kind=command.scope.kind,
        sequence=command.sequence,
        state=command.state,
        opened_at=command.opened_at,
        expires_at=command.expires_at,
        changed_at=now_ms,
        episode=episode,
        job_id=command.scope.job_id,
        severity=command.severity,
    )


def add_finding(incident: Incident, finding: Finding, ends_at: int) -> None:
    """Add a finding, in place of an earlier one about the same; the oldest goes where there are too many."""
    lists = {name: getattr(finding, name)[:MOST_NAMES] for name in ("targets", "jobs", "signatures")}
    kept = msgspec.structs.replace(finding, **lists)
    incident.findings[_subject(finding)] = ActiveFinding(finding=kept, ends_at=ends_at)
    if len(incident.findings) > MOST_FINDINGS:
        del incident.findings[next(iter(incident.findings))]
    incident.finding_ids = [*incident.finding_ids, finding.finding_id][-MOST_FINDING_IDS:]


def reopen(incident: Incident, opened_at: int, now_ms: int) -> None:
    """Begin the next episode of a closed incident."""
    incident.episode += 1
    incident.closed_at = incident.closed_by = incident.closing_reason = incident.acknowledged = None
    incident.escalated_to = []
    incident.findings, incident.covered_by_fleet_fault = {}, False
    incident.lead, incident.opened_at = None, opened_at
    incident.scopes = {
        name: scope for name, scope in incident.scopes.items() if now_ms - scope.changed_at <= DELETE_CLOSED_AFTER_MS
    }


def _subject(finding: Finding) -> str:
    """What a finding is about; a page and a ticket of one kind are kept side by side, so that a page stays one."""
    if finding.kind == "retry_loop":
        return f"{finding.job_id}/{finding.fingerprint}"
    return f"{finding.kind}/{finding.severity}"
