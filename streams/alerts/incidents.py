"""The transitions on `control` folded by cause, so that one cause is one page however many jobs it halts.

Pure: commands and the time come in as values, changed incidents go out as rows. A row holds what is open, and what
every sink was told of it; so a restart neither forgets an incident nor tells it twice.
"""

from collections.abc import Iterable

import msgspec

from halt400.records import Command
from streams.alerts.incident import (
    Acknowledgement,
    Incident,
    ScopeState,
    Told,
    encode_incident,
    incident_cause,
    incident_key,
    is_person,
)

__all__ = ["FORGET_AFTER_MS", "LAPSE_AFTER_MS", "Incidents"]

LAPSE_AFTER_MS = 86_400_000
"""An incident is over when none of its scopes was heard of for this long past its expiry."""
FORGET_AFTER_MS = 86_400_000
"""A closed incident is kept this long: commands that are read again must find their sequence known."""


class Incidents:
    """The incidents of one partition of `control`.

    Parameters
    ----------
    rows
        What was written to `alerts` before, for this partition.
    """

    def __init__(self, partition: int, rows: Iterable[Incident] = ()) -> None:
        self.partition = partition
        self.by_key: dict[str, Incident] = {}
        self._sequences: dict[str, int] = {}
        self._where: dict[str, str] = {}
        self._open: dict[str, int] = {}
        self._changed: dict[str, None] = {}
        for incident in rows:
            self.by_key[incident.key] = incident
            self._open[incident.key] = len(incident.open_scopes())
            for name, scope in incident.scopes.items():
                if scope.sequence > self._sequences.get(name, 0):
                    self._sequences[name] = scope.sequence
                    self._where[name] = incident.key

    def absorb(self, command: Command, now_ms: int) -> None:
        """Take in one command; one that was taken in before changes nothing."""
        name = command.scope.id
        if command.sequence <= self._sequences.get(name, 0):
            return
        known = self.by_key.get(self._where.get(name, ""))
        was_open = known is not None and known.closed_at is None and known.holds(name)
        if command.state == "released":
            if known is not None and name in known.scopes:
                self._settle_scope(known, name, command, now_ms)
            return
        if not was_open and command.expires_at <= now_ms:
            return
        stays = known is not None and was_open and (command.state == "probing" or command.diagnosis is None)
        key = known.key if stays and known is not None else incident_key(command)
        if known is not None and was_open and known.key != key:
            self._settle_scope(known, name, command, now_ms, moved=True)
        self._open_scope(key, name, command, now_ms)

    def _open_scope(self, key: str, name: str, command: Command, now_ms: int) -> None:
        incident = self.by_key.get(key)
        if incident is None:
            incident = self.by_key[key] = Incident(
                key=key,
                partition=self.partition,
                target=command.scope.target,
                cause=incident_cause(command),
                lead=command,
                opened_at=command.opened_at,
            )
        elif incident.closed_at is not None:
            _reopen(incident, command, now_ms)
            self._open[key] = 0
        elif incident.acknowledged is None and _acknowledges(command, incident.scopes.get(name)):
            incident.acknowledged = Acknowledgement(by=command.issued_by, at=command.issued_at)
        if command.scope.kind == "target" and incident.lead.scope.kind != "target":
            incident.lead = command
        incident.opened_at = min(incident.opened_at, command.opened_at)
        self._open[key] = self._open.get(key, 0) + (not incident.holds(name))
        incident.scopes[name] = _scope_state(command, incident.episode, now_ms)
        self._note(incident, name, command.sequence)

    def _settle_scope(
        self, incident: Incident, name: str, command: Command, now_ms: int, *, moved: bool = False
    ) -> None:
        """Release a scope of an incident, or move it to another; the last one closes it.

        A scope that moves keeps its sequence here, so that only the other incident's row says that it was taken in.
        """
        scope = incident.scopes[name]
        sequence = scope.sequence if moved else command.sequence
        self._open[incident.key] -= incident.holds(name)
        incident.scopes[name] = msgspec.structs.replace(scope, state="released", sequence=sequence, changed_at=now_ms)
        self._note(incident, name, sequence)
        if incident.closed_at is None and not self._open[incident.key]:
            incident.closed_at = now_ms
            incident.closed_by, incident.closing_reason = command.issued_by, command.reason

    def _note(self, incident: Incident, name: str, sequence: int) -> None:
        self._sequences[name], self._where[name] = sequence, incident.key
        self._touch(incident)

    def _touch(self, incident: Incident) -> None:
        if incident.key in self._changed:
            del self._changed[incident.key]
        else:
            incident.revision += 1
        self._changed[incident.key] = None

    def acknowledge(self, key: str, acknowledgement: Acknowledgement) -> None:
        """Someone works on it; one that is older than the incident counts for an earlier one."""
        incident = self.by_key.get(key)
        if incident is None or incident.closed_at is not None or incident.acknowledged is not None:
            return
        if acknowledgement.at >= incident.opened_at:
            incident.acknowledged = acknowledgement
            self._touch(incident)

    def escalate(self, key: str, route: str) -> None:
        """Let `route` be told too."""
        incident = self.by_key[key]
        if route not in incident.escalated_to:
            incident.escalated_to = [*incident.escalated_to, route]
            self._touch(incident)

    def tell(self, key: str, sink: str, told: Told) -> None:
        """Note what a sink was told."""
        incident = self.by_key[key]
        incident.told = incident.told | {sink: told}
        self._touch(incident)

    def lapse(self, now_ms: int) -> list[str]:
        """Close what nothing was heard of since long after its expiry; the keys that may be forgotten for good."""
        forgotten: list[str] = []
        for incident in self.by_key.values():
            if incident.closed_at is not None:
                if now_ms - incident.closed_at > FORGET_AFTER_MS:
                    forgotten.append(incident.key)
            elif now_ms - incident.expires_at > LAPSE_AFTER_MS:
                incident.closed_at, incident.closed_by = now_ms, "halt400.alerts"
                incident.closing_reason = "every quarantine of it has expired, and nothing was heard since"
                self._touch(incident)
        return forgotten

    def forget(self, key: str) -> None:
        """Drop a closed incident; its row is deleted by the caller."""
        for name in self.by_key.pop(key).scopes:
            if self._where.get(name) == key:
                del self._where[name], self._sequences[name]
        self._changed.pop(key, None)
        self._open.pop(key, None)

    def take_changed(self) -> list[tuple[str, bytes]]:
        """The rows that changed since the last call, as they are at this moment, the one that changed last behind."""
        changed = [(key, encode_incident(self.by_key[key])) for key in self._changed]
        self._changed.clear()
        return changed


def _acknowledges(command: Command, before: ScopeState | None) -> bool:
    """Whether a person extended a quarantine or made one by hand; what ends a probe signs with the prober's name."""
    probed = before is not None and before.state == "probing"
    return is_person(command.issued_by) and command.state == "quarantined" and not probed


def _reopen(incident: Incident, command: Command, now_ms: int) -> None:
    incident.episode += 1
    incident.closed_at = incident.closed_by = incident.closing_reason = incident.acknowledged = None
    incident.escalated_to = []
    incident.lead, incident.opened_at = command, command.opened_at
    incident.scopes = {
        name: scope for name, scope in incident.scopes.items() if now_ms - scope.changed_at <= FORGET_AFTER_MS
    }


def _scope_state(command: Command, episode: int, now_ms: int) -> ScopeState:
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
