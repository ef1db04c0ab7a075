"""The rules by which a command or a finding joins an incident. Pure.

- Requests of one signature that fail for one cause are one incident.
- Where a target is quarantined as a whole, or where more than `MOST_SIGNATURES` signatures fail for one cause, there is
  one incident of that cause, whatever the signature. When it opens it absorbs those of which nobody was notified.
- An alarm of a target, or of one poison item, has the same cause as the quarantines for it. The two topics are read in
  no order, so whichever is read second joins the incident of the first. An alarm of which nobody was notified is always
  absorbed by the incident of the quarantine.
"""

from collections.abc import Collection, Set
from typing import NamedTuple

from halt400.records import Command
from streams.alerts.incident import Incident, ScopeState, finding_key, incident_cause, incident_key, wide_key
from streams.detection import Finding

__all__ = ["MOST_SIGNATURES", "Placement", "place_command", "place_finding"]

MOST_SIGNATURES = 3
"""Signatures of one cause on one target that have incidents of their own; a further one is of the cause as a whole."""


class Placement(NamedTuple):
    """The incident that a command joins or opens, and those that it absorbs."""

    key: str
    absorbs: tuple[str, ...] = ()


def place_command(command: Command, current: Incident | None, open_incidents: Collection[Incident]) -> Placement:
    """Decide to which incident a command that is no release belongs.

    Parameters
    ----------
    current
        The incident in which the command's scope is open, None where it is open in none.
    open_incidents
        All open incidents on the command's target.
    """
    found = _incident_by_finding(command, open_incidents)
    if current is not None and (_has_same_cause(command, current) or current is found):
        return Placement(current.key)
    key = _key_by_cause(command, open_incidents)
    absorbs = _absorbed_by(key, command, open_incidents)
    if found is None or found.key in absorbs:
        return Placement(key, absorbs)
    if found.lead is None and not found.was_sent():
        return Placement(key, (*absorbs, found.key))
    return Placement(found.key)


def place_finding(finding: Finding, open_incidents: Collection[Incident]) -> str:
    """Decide to which incident a finding belongs: its key, also where that is not open yet.

    Parameters
    ----------
    open_incidents
        All open incidents on the finding's target.
    """
    if finding.target is None or not _has_cause_of_quarantines(finding):
        return finding_key(finding)
    alarmed = [one for one in open_incidents if _last_alarm_ms(one) is not None and _concerns(finding, one.jobs())]
    halted = [one for one in open_incidents if (scopes := _halted(one)) and _concerns(finding, _jobs(scopes))]
    if finding.kind == "target_alarm" and halted:
        alarmed = [
            one for one in alarmed if any(active.finding.kind == "target_alarm" for active in one.findings.values())
        ]
    if alarmed:
        return max(alarmed, key=_by_last_alarm).key
    return max(halted, key=_by_breadth).key if halted else finding_key(finding)


def _key_by_cause(command: Command, open_incidents: Collection[Incident]) -> str:
    """The incident of the command's signature, or of its cause as a whole."""
    cause = incident_cause(command)
    own, wide = incident_key(command), wide_key(command.scope.target, cause)
    alike = {incident.key for incident in open_incidents if incident.cause == cause}
    if own == wide or own in alike:
        return own
    return wide if wide in alike or len(alike) >= MOST_SIGNATURES else own


def _absorbed_by(key: str, command: Command, open_incidents: Collection[Incident]) -> tuple[str, ...]:
    """The incidents that the one of a cause as a whole absorbs when it opens."""
    cause = incident_cause(command)
    alike = [incident for incident in open_incidents if incident.cause == cause]
    if key != wide_key(command.scope.target, cause) or any(incident.key == key for incident in alike):
        return ()
    return tuple(sorted(incident.key for incident in alike if not incident.was_sent()))


def _incident_by_finding(command: Command, open_incidents: Collection[Incident]) -> Incident | None:
    """The incident whose alarm, or poison item, concerns the command's scope; of several that of the latest alarm."""
    if command.scope.kind == "request":
        return None
    jobs = {command.scope.job_id}
    found = [
        incident
        for incident in open_incidents
        if any(_concerns(active.finding, jobs) for active in incident.findings.values())
    ]
    return max(found, key=_by_last_alarm, default=None)


def _has_same_cause(command: Command, current: Incident) -> bool:
    """Whether a command names no other cause for its scope than the one known."""
    return command.state == "probing" or command.diagnosis is None or incident_cause(command) == current.cause


def _has_cause_of_quarantines(finding: Finding) -> bool:
    """Whether a finding has the cause of quarantines; a retry loop and a fault of the fleet have their own."""
    return finding.kind in ("target_alarm", "poison_item")


def _concerns(finding: Finding, jobs: Set[str | None]) -> bool:
    """Whether a finding has the cause of what is quarantined on its target for these jobs."""
    return finding.kind == "target_alarm" or (finding.kind == "poison_item" and not jobs.isdisjoint(finding.jobs))


def _halted(incident: Incident) -> list[ScopeState]:
    """The open scopes that are more than one request."""
    return [scope for scope in incident.open_scopes().values() if scope.kind != "request"]


def _jobs(scopes: Collection[ScopeState]) -> set[str | None]:
    return {scope.job_id for scope in scopes}


def _by_breadth(incident: Incident) -> tuple[bool, int, str]:
    """Where the target is quarantined as a whole before jobs, then the latest."""
    return any(scope.kind == "target" for scope in _halted(incident)), incident.opened_at, incident.key


def _last_alarm_ms(incident: Incident) -> int | None:
    findings = (active.finding for active in incident.findings.values())
    return max((finding.at_ms for finding in findings if _has_cause_of_quarantines(finding)), default=None)


def _by_last_alarm(incident: Incident) -> tuple[int, str]:
    return _last_alarm_ms(incident) or 0, incident.key
