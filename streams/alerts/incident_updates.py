"""What one command, or one finding, changes in an incident. Pure."""

from collections.abc import Iterable

import msgspec

from halt400.records import Command
from streams.alerts.incident import ActiveFinding, Incident, ScopeState, is_person
from streams.detection import Finding

__all__ = [
    "CLOSED_BY_ITSELF",
    "DELETE_CLOSED_AFTER_MS",
    "PART_OF",
    "add_finding",
    "close_absorbed",
    "finish_absorptions",
    "is_acknowledgement",
    "reopen",
    "scope_state",
]

DELETE_CLOSED_AFTER_MS = 86_400_000
"""A closed incident is kept this long: commands that are read again must find their sequence in its row."""
MOST_NAMES = 20
"""Targets, jobs and signatures kept of a finding; its summary says how many there were."""
MOST_FINDINGS = 50
MOST_FINDING_IDS = 200
CLOSED_BY_ITSELF = "halt400.alerts"
PART_OF = "it is part of "
"""Begin of the reason with which an incident closes that another has taken over."""


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
    incident.escalated_to, incident.absorbed = [], {}
    incident.findings, incident.covered_by_fleet_fault = {}, False
    incident.lead, incident.opened_at = None, opened_at
    incident.scopes = {
        name: scope for name, scope in incident.scopes.items() if now_ms - scope.changed_at <= DELETE_CLOSED_AFTER_MS
    }


def close_absorbed(incident: Incident, into: str, closed_at: int) -> None:
    """Close an incident whose open scopes and findings another has taken over."""
    open_scopes = incident.open_scopes()
    released = {name: msgspec.structs.replace(scope, state="released") for name, scope in open_scopes.items()}
    incident.scopes, incident.findings = incident.scopes | released, {}
    incident.closed_at, incident.closed_by = closed_at, CLOSED_BY_ITSELF
    incident.closing_reason = f"{PART_OF}{into}"


def finish_absorptions(rows: Iterable[Incident]) -> list[Incident]:
    """Close the incidents that are open in their rows although the row of another has taken them over.

    The wider one's row is written first, so a worker that dies between the two rows loses nothing of either.

    Returns
    -------
    list of Incident
        Those that were closed here.
    """
    by_key = {incident.key: incident for incident in rows}
    finished = []
    for wide in by_key.values():
        for key, episode in wide.absorbed.items():
            other = by_key.get(key)
            if other is not None and other.closed_at is None and other.episode == episode:
                times = (scope.changed_at for scope in wide.scopes.values())
                close_absorbed(other, wide.key, max(times, default=wide.opened_at))
                finished.append(other)
    return finished


def _subject(finding: Finding) -> str:
    """What a finding is about; a page and a ticket of one kind are kept side by side, so that a page stays one."""
    if finding.kind == "retry_loop":
        return f"{finding.job_id}/{finding.fingerprint}"
    return f"{finding.kind}/{finding.severity}"
