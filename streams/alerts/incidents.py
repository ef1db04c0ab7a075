"""The incidents of one partition: applies commands and findings to them, and collects the rows that changed. Pure.

Commands, findings and the time come in as values, changed rows go out. A row holds what is open and what every sink was
sent last, so a restart neither loses an incident nor notifies anyone of it twice. The rules by which a command or a
finding joins an incident are in `streams.alerts.joining`.
"""

from collections.abc import Iterable, Mapping

import msgspec

from halt400.records import Command
from streams.alerts.incident import (
    FLEET,
    Acknowledgement,
    FirstAttempt,
    Incident,
    LastSent,
    encode_incident,
    incident_cause,
)
from streams.alerts.incident_index import IncidentIndex
from streams.alerts.incident_updates import (
    CLOSED_BY_ITSELF,
    DELETE_CLOSED_AFTER_MS,
    add_finding,
    finish_absorptions,
    is_acknowledgement,
    reopen,
    scope_state,
)
from streams.alerts.joining import place_command, place_finding
from streams.detection import Finding

__all__ = ["CLOSE_EXPIRED_AFTER_MS", "DELETE_CLOSED_AFTER_MS", "FINDING_CLOSES_AFTER_MS", "Incidents"]

CLOSE_EXPIRED_AFTER_MS = 86_400_000
"""An incident closes by itself when its last quarantine expired this long ago and no command came since."""
FINDING_CLOSES_AFTER_MS = {"page": 4 * 3_600_000, "ticket": 86_400_000}
"""No record ends a finding: where nothing is quarantined, it closes when it was not reported again for this long."""


class Incidents:
    """The incidents of one partition of `control`.

    Parameters
    ----------
    rows
        The rows of `alerts` that were written for this partition.
    """

    def __init__(self, partition: int, rows: Iterable[Incident] = ()) -> None:
        self.partition = partition
        rows = list(rows)
        finished = finish_absorptions(rows)
        self._index = IncidentIndex(rows)
        self._changed: dict[str, None] = {}
        for incident in finished:
            self._mark_changed(incident)

    @property
    def by_key(self) -> Mapping[str, Incident]:
        """Every incident, closed ones too."""
        return self._index.by_key

    def apply(self, command: Command, now_ms: int) -> None:
        """Apply one command; one that was applied before changes nothing."""
        name = command.scope.id
        if command.sequence <= self._index.sequence(name):
            return
        known = self._index.incident_of(name)
        if command.state == "released":
            if known is not None and name in known.scopes:
                self._end_scope(known, command, command.sequence, now_ms)
            return
        current = known if known is not None and known.closed_at is None and known.has_open(name) else None
        if current is None and command.expires_at <= now_ms:
            return
        placement = place_command(command, current, self._index.open_on(command.scope.target))
        if current is not None and current.key != placement.key:
            # The scope keeps its sequence here, so that only the other row says that the command was applied.
            self._end_scope(current, command, current.scopes[name].sequence, now_ms)
        absorbed = [self.by_key[key] for key in placement.absorbs]
        incident = self._open_scope(placement.key, command, now_ms)
        for other in absorbed:
            self._absorb(incident, other)
        for other in absorbed:
            # After the wider one: a crash between the two rows loses nothing; see `finish_absorptions`.
            self._index.close_absorbed(other, incident.key, now_ms)
            self._mark_changed(other)

    def apply_finding(self, finding: Finding, now_ms: int) -> None:
        """Apply one finding; one that was applied before, or that is closed by now, changes nothing."""
        ends_at = finding.at_ms + FINDING_CLOSES_AFTER_MS[finding.severity]
        if finding.finding_id in self._index.finding_ids or ends_at <= now_ms:
            return
        target = finding.target if finding.target is not None else FLEET
        key = place_finding(finding, self._index.open_on(target))
        incident = self._open_incident(key, target, finding.kind, finding.at_ms, now_ms)
        add_finding(incident, finding, ends_at)
        self._index.finding_ids.add(finding.finding_id)
        self._mark_changed(incident)

    def acknowledge(self, key: str, acknowledgement: Acknowledgement) -> None:
        """Record that someone works on it; an acknowledgement from before it opened belongs to an earlier episode."""
        incident = self.by_key.get(key)
        if incident is None or incident.closed_at is not None or incident.acknowledged is not None:
            return
        if acknowledgement.at >= incident.opened_at:
            incident.acknowledged = acknowledgement
            self._mark_changed(incident)

    def escalate(self, key: str, route: str) -> None:
        """Record that `route` is notified too."""
        incident = self.by_key[key]
        if route not in incident.escalated_to:
            incident.escalated_to = [*incident.escalated_to, route]
            self._mark_changed(incident)

    def cover_by_fleet_fault(self, key: str) -> None:
        """Record that the page of a fault of the fleet covers this incident's alarm, if nobody was paged for it yet."""
        incident = self.by_key[key]
        paged = any(
            sent.episode == incident.episode and sent.severity == "page" and not sent.undelivered
            for sent in incident.last_sent.values()
        )
        if not incident.covered_by_fleet_fault and not paged:
            incident.covered_by_fleet_fault = True
            self._mark_changed(incident)

    def record_first_attempt(self, key: str, sink: str, route: str) -> None:
        """Record that a sink may get the first message of this episode from now on."""
        incident = self.by_key[key]
        incident.first_attempts = incident.first_attempts | {sink: FirstAttempt(route=route, episode=incident.episode)}
        self._mark_changed(incident)

    def forget_first_attempt(self, key: str, sink: str) -> None:
        """Record that a sink surely did not get the first message."""
        incident = self.by_key[key]
        incident.first_attempts = _without(incident.first_attempts, sink)
        self._mark_changed(incident)

    def record_sent(self, key: str, sink: str, sent: LastSent) -> None:
        """Record what a sink was sent."""
        incident = self.by_key[key]
        incident.last_sent = incident.last_sent | {sink: sent}
        incident.first_attempts = _without(incident.first_attempts, sink)
        self._mark_changed(incident)

    def close_expired(self, now_ms: int) -> list[str]:
        """Close incidents whose quarantines expired long ago, and findings that were not reported again.

        Returns
        -------
        list of str
            The keys of closed incidents that are old enough to be removed.
        """
        removable: list[str] = []
        for incident in self.by_key.values():
            if incident.closed_at is not None:
                if now_ms - incident.closed_at > DELETE_CLOSED_AFTER_MS:
                    removable.append(incident.key)
            elif incident.lead is None and now_ms > incident.expires_at:
                self._close(incident, now_ms, CLOSED_BY_ITSELF, "it was not reported again")
            elif incident.lead is not None and now_ms - incident.expires_at > CLOSE_EXPIRED_AFTER_MS:
                reason = "all its quarantines have expired, and no command came since"
                self._close(incident, now_ms, CLOSED_BY_ITSELF, reason)
        return removable

    def remove(self, key: str) -> None:
        """Remove a closed incident; the caller deletes its row."""
        self._index.remove(key)
        self._changed.pop(key, None)

    def take_changed(self) -> list[tuple[str, bytes]]:
        """The rows that changed since the last call, encoded as they are now; the one that changed last is last."""
        changed = [(key, encode_incident(self.by_key[key])) for key in self._changed]
        self._changed.clear()
        return changed

    def _open_incident(self, key: str, target: str, cause: str, opened_at: int, now_ms: int) -> Incident:
        """The incident of this key, opened where it is not open."""
        incident = self.by_key.get(key)
        if incident is not None and incident.closed_at is None:
            return incident
        if incident is None:
            incident = Incident(key=key, partition=self.partition, target=target, cause=cause, opened_at=opened_at)
        else:
            reopen(incident, opened_at, now_ms)
        self._index.add(incident)
        return incident

    def _open_scope(self, key: str, command: Command, now_ms: int) -> Incident:
        """Add the command's scope to the incident of this key, or update it there."""
        name, known = command.scope.id, self.by_key.get(key)
        was_open = known is not None and known.closed_at is None
        # A worker whose clock was ahead dates a command into the future: nobody waits for that to be told.
        opened_at = min(command.opened_at, now_ms)
        incident = self._open_incident(key, command.scope.target, incident_cause(command), opened_at, now_ms)
        if was_open and incident.acknowledged is None and is_acknowledgement(command, incident.scopes.get(name)):
            incident.acknowledged = Acknowledgement(by=command.issued_by, at=command.issued_at)
        if incident.lead is None or (command.scope.kind == "target" and incident.lead.scope.kind != "target"):
            incident.lead = command
        incident.opened_at = min(incident.opened_at, opened_at)
        self._index.set_scope(incident, name, scope_state(command, incident.episode, now_ms))
        self._mark_changed(incident)
        return incident

    def _end_scope(self, incident: Incident, command: Command, sequence: int, now_ms: int) -> None:
        """Release the command's scope in an incident; the last one closes it."""
        name = command.scope.id
        scope = incident.scopes[name]
        released = msgspec.structs.replace(scope, state="released", sequence=sequence, changed_at=now_ms)
        self._index.set_scope(incident, name, released)
        self._mark_changed(incident)
        is_of_this_episode = scope.episode == incident.episode
        if incident.closed_at is None and is_of_this_episode and not self._index.has_open_scopes(incident):
            self._close(incident, now_ms, command.issued_by, command.reason)

    def _absorb(self, incident: Incident, other: Incident) -> None:
        """Take over the open scopes and the findings of another incident, which the caller closes."""
        scopes = other.open_scopes()
        for name, scope in scopes.items():
            self._index.set_scope(incident, name, msgspec.structs.replace(scope, episode=incident.episode))
        if scopes:
            incident.opened_at = min(incident.opened_at, other.opened_at)
        incident.findings = incident.findings | other.findings
        incident.absorbed = incident.absorbed | {other.key: other.episode}
        self._mark_changed(incident)

    def _close(self, incident: Incident, now_ms: int, by: str, reason: str) -> None:
        incident.closed_at, incident.closed_by, incident.closing_reason = now_ms, by, reason
        self._mark_changed(incident)

    def _mark_changed(self, incident: Incident) -> None:
        if incident.key in self._changed:
            del self._changed[incident.key]
        else:
            incident.revision += 1
        self._changed[incident.key] = None


def _without(attempts: dict[str, FirstAttempt], sink: str) -> dict[str, FirstAttempt]:
    return {name: attempt for name, attempt in attempts.items() if name != sink}
