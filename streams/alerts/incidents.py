"""The transitions on `control` and the findings folded by cause: one cause is one page however many jobs it halts.

Pure: commands, findings and the time come in as values, changed incidents go out as rows. A row holds what is open, and
what every sink was told of it; so a restart neither forgets an incident nor tells it twice.

An alarm of a target, or of one poison item, has the same cause as what is halted for it, and the two topics are read in
no order: whichever is read second joins the incident of the first; an alarm that nobody was told of yet always joins.

Like requests (of one signature) that fail for one cause are one incident. Where a target is halted as a whole, or
fails with many signatures for one cause, there is one incident of the cause whatever the signature, which takes in what
nobody was told of yet.
"""

from collections.abc import Iterable

import msgspec

from halt400.records import Command
from streams.alerts.incident import (
    FLEET,
    Acknowledgement,
    ActiveFinding,
    Incident,
    LastSent,
    encode_incident,
    finding_key,
    incident_cause,
    incident_key,
    wide_key,
)
from streams.alerts.incident_updates import (
    DELETE_CLOSED_AFTER_MS,
    acknowledges,
    joins,
    reopen,
    scope_state,
    speaks_of,
    stays,
    subject,
    trimmed,
)
from streams.detection import Finding

__all__ = ["CLOSE_EXPIRED_AFTER_MS", "DELETE_CLOSED_AFTER_MS", "FINDING_CLOSES_AFTER_MS", "Incidents"]

CLOSE_EXPIRED_AFTER_MS = 86_400_000
"""An incident is over when none of its scopes was heard of for this long past its expiry."""
FINDING_CLOSES_AFTER_MS = {"page": 4 * 3_600_000, "ticket": 86_400_000}
"""Nothing says that a finding is over: where nothing is halted for it, it is when it was not heard of for this long."""
MOST_SIGNATURES = 3
"""Signatures of one cause on one target that are incidents of their own; a further one is of the cause as a whole."""
MOST_FINDINGS = 50
MOST_FINDING_IDS = 200


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
        self._finding_ids: set[str] = set()
        self._suspected: dict[str, str] = {}
        self._alike: dict[str, set[str]] = {}
        for incident in rows:
            self._know(incident)
            self._finding_ids.update(incident.finding_ids)
            if any(joins(heard.finding) for heard in incident.findings.values()) and incident.closed_at is None:
                self._suspected[incident.target] = incident.key
            self._open[incident.key] = len(incident.open_scopes())
            for name, scope in incident.scopes.items():
                known = self._sequences.get(name, 0)
                # A scope that was taken over has one sequence in two rows, and is open in the one that has it.
                if scope.sequence > known or (scope.sequence == known and incident.has_open(name)):
                    self._sequences[name] = scope.sequence
                    self._where[name] = incident.key

    def apply(self, command: Command, now_ms: int) -> None:
        """Take in one command; one that was taken in before changes nothing."""
        name = command.scope.id
        if command.sequence <= self._sequences.get(name, 0):
            return
        known = self.by_key.get(self._where.get(name, ""))
        was_open = known is not None and known.closed_at is None and known.has_open(name)
        if command.state == "released":
            if known is not None and name in known.scopes:
                self._settle_scope(known, name, command, now_ms)
            return
        if not was_open and command.expires_at <= now_ms:
            return
        key, suspected = self._key_of(command), self._suspicion_of(command)
        if known is not None and was_open and (stays(command, known) or known is suspected):
            key, suspected = known.key, None
        elif suspected is not None and (suspected.lead is not None or suspected.was_sent()):
            if (known is None or not was_open or known.key != key) and not self._will_gather(suspected, key):
                key = suspected.key
            suspected = None
        if known is not None and was_open and known.key != key:
            self._settle_scope(known, name, command, now_ms, moved=True)
        if suspected is not None:
            self._close_untold(suspected, key, now_ms)
        gathered = self._gather(key, now_ms)
        self._open_scope(key, name, command, now_ms)
        for other in gathered:
            self._take_over(other, key)
        if suspected is not None:
            self._join(suspected.findings, key)
            suspected.findings = {}

    def _key_of(self, command: Command) -> str:
        """The incident that a command opens or joins: of its signature, or of its cause as a whole."""
        own, wide = incident_key(command), wide_key(command.scope.target, incident_cause(command))
        if own == wide or self._is_open(own):
            return own
        others = sum(self._is_open(key) for key in self._alike.get(wide, ()))
        return wide if self._is_open(wide) or others >= MOST_SIGNATURES else own

    def _is_open(self, key: str) -> bool:
        incident = self.by_key.get(key)
        return incident is not None and incident.closed_at is None

    def _know(self, incident: Incident) -> None:
        self.by_key[incident.key] = incident
        self._alike.setdefault(wide_key(incident.target, incident.cause), set()).add(incident.key)

    def _gather(self, key: str, now_ms: int) -> list[Incident]:
        """End what the incident of a cause as a whole takes in when it opens: like ones that nobody was told of yet."""
        others = (self.by_key[other] for other in sorted(self._alike.get(key, ())))
        found = [other for other in others if self._will_gather(other, key)]
        for other in found:
            self._close_untold(other, key, now_ms)
        return found

    def _will_gather(self, other: Incident, key: str) -> bool:
        is_alike = other.key != key and other.key in self._alike.get(key, ())
        return is_alike and other.closed_at is None and not other.was_sent() and not self._is_open(key)

    def _take_over(self, other: Incident, key: str) -> None:
        """Move what was open of an incident that `_gather` has ended into the one that has opened."""
        incident = self.by_key[key]
        for name, scope in other.open_scopes().items():
            incident.scopes[name] = msgspec.structs.replace(scope, episode=incident.episode)
            other.scopes[name] = msgspec.structs.replace(scope, state="released")
            self._where[name] = key
            self._open[key] += 1
        self._open[other.key] = 0
        incident.opened_at = min(incident.opened_at, other.opened_at)
        self._join(other.findings, key)
        other.findings = {}

    def _close_untold(self, incident: Incident, other: str, now_ms: int) -> None:
        """End an incident that nobody was told of, before the other begins: a crash between the two repeats nothing."""
        incident.closed_at, incident.closed_by = now_ms, "halt400.alerts"
        incident.closing_reason = f"it is part of {other}"
        self._touch(incident)

    def _join(self, findings: dict[str, ActiveFinding], key: str) -> None:
        incident = self.by_key[key]
        incident.findings = incident.findings | findings
        self._suspected[incident.target] = key
        self._touch(incident)

    def apply_finding(self, finding: Finding, now_ms: int) -> None:
        """Take in one finding; one that was taken in before, or that is over by now, changes nothing."""
        ends_at = finding.at_ms + FINDING_CLOSES_AFTER_MS[finding.severity]
        if finding.finding_id in self._finding_ids or ends_at <= now_ms:
            return
        target = finding.target if finding.target is not None else FLEET
        incident = self._halted_for(finding)
        key = incident.key if incident is not None else finding_key(finding)
        incident = self.by_key.get(key)
        if incident is None:
            incident = Incident(
                key=key, partition=self.partition, target=target, cause=finding.kind, opened_at=finding.at_ms
            )
            self._know(incident)
        elif incident.closed_at is not None:
            reopen(incident, None, finding.at_ms, now_ms)
            self._open[key] = 0
        self._open.setdefault(key, 0)
        incident.findings[subject(finding)] = ActiveFinding(finding=trimmed(finding), ends_at=ends_at)
        if len(incident.findings) > MOST_FINDINGS:
            del incident.findings[next(iter(incident.findings))]
        incident.finding_ids = [*incident.finding_ids, finding.finding_id][-MOST_FINDING_IDS:]
        self._finding_ids.add(finding.finding_id)
        if joins(finding):
            self._suspected[target] = key
        self._touch(incident)

    def _halted_for(self, finding: Finding) -> Incident | None:
        """The open incident of what is halted for the cause that an alarm, or a poison item, speaks of."""
        if not joins(finding):
            return None
        suspected = self.by_key.get(self._suspected.get(finding.target or "", ""))
        if suspected is not None and suspected.closed_at is None and speaks_of(finding, suspected.jobs()):
            return suspected
        found = [
            (any(scope.kind == "target" for scope in scopes.values()), incident.opened_at, incident.key)
            for incident in self.by_key.values()
            if incident.target == finding.target
            and (scopes := {name: scope for name, scope in incident.open_scopes().items() if scope.kind != "request"})
            and speaks_of(finding, {scope.job_id for scope in scopes.values()})
        ]
        return self.by_key[max(found)[2]] if found else None

    def _suspicion_of(self, command: Command) -> Incident | None:
        """The open incident whose finding speaks of what a command halts."""
        incident = self.by_key.get(self._suspected.get(command.scope.target, ""))
        if incident is None or incident.closed_at is not None or command.scope.kind == "request":
            return None
        jobs = {command.scope.job_id}
        return incident if any(speaks_of(heard.finding, jobs) for heard in incident.findings.values()) else None

    def _open_scope(self, key: str, name: str, command: Command, now_ms: int) -> None:
        incident = self.by_key.get(key)
        if incident is None:
            incident = Incident(
                key=key,
                partition=self.partition,
                target=command.scope.target,
                cause=incident_cause(command),
                lead=command,
                opened_at=command.opened_at,
            )
            self._know(incident)
        elif incident.closed_at is not None:
            reopen(incident, command, command.opened_at, now_ms)
            self._open[key] = 0
        elif incident.acknowledged is None and acknowledges(command, incident.scopes.get(name)):
            incident.acknowledged = Acknowledgement(by=command.issued_by, at=command.issued_at)
        if incident.lead is None or (command.scope.kind == "target" and incident.lead.scope.kind != "target"):
            incident.lead = command
        incident.opened_at = min(incident.opened_at, command.opened_at)
        self._open[key] = self._open.get(key, 0) + (not incident.has_open(name))
        incident.scopes[name] = scope_state(command, incident.episode, now_ms)
        self._note(incident, name, command.sequence)

    def _settle_scope(
        self, incident: Incident, name: str, command: Command, now_ms: int, *, moved: bool = False
    ) -> None:
        """Release a scope of an incident, or move it to another; the last one closes it.

        A scope that moves keeps its sequence here, so that only the other incident's row says that it was taken in.
        """
        scope = incident.scopes[name]
        sequence = scope.sequence if moved else command.sequence
        self._open[incident.key] -= incident.has_open(name)
        incident.scopes[name] = msgspec.structs.replace(scope, state="released", sequence=sequence, changed_at=now_ms)
        self._note(incident, name, sequence)
        is_of_this_episode = scope.episode == incident.episode
        if incident.closed_at is None and is_of_this_episode and not self._open[incident.key]:
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

    def cover_by_fleet_fault(self, key: str) -> None:
        """A fault of the fleet is told instead of this incident's alarm, if nobody was paged for it yet."""
        incident = self.by_key[key]
        paged = any(
            told.episode == incident.episode and told.severity == "page" and not told.undelivered
            for told in incident.last_sent.values()
        )
        if not incident.covered_by_fleet_fault and not paged:
            incident.covered_by_fleet_fault = True
            self._touch(incident)

    def record_sent(self, key: str, sink: str, told: LastSent) -> None:
        """Note what a sink was told."""
        incident = self.by_key[key]
        incident.last_sent = incident.last_sent | {sink: told}
        self._touch(incident)

    def close_expired(self, now_ms: int) -> list[str]:
        """Close what nothing was heard of since long after its expiry, and findings of which nothing was heard.

        Returns
        -------
        list of str
            The keys that may be forgotten for good.
        """
        forgotten: list[str] = []
        for incident in self.by_key.values():
            if incident.closed_at is not None:
                if now_ms - incident.closed_at > DELETE_CLOSED_AFTER_MS:
                    forgotten.append(incident.key)
            elif now_ms - incident.expires_at > (CLOSE_EXPIRED_AFTER_MS if incident.lead is not None else 0):
                incident.closed_at, incident.closed_by = now_ms, "halt400.alerts"
                expired = "every quarantine of it has expired, and nothing was heard since"
                incident.closing_reason = expired if incident.lead is not None else "it was not reported again"
                self._touch(incident)
        return forgotten

    def remove(self, key: str) -> None:
        """Drop a closed incident; its row is deleted by the caller."""
        incident = self.by_key.pop(key)
        wide = wide_key(incident.target, incident.cause)
        self._alike[wide].discard(key)
        if not self._alike[wide]:
            del self._alike[wide]
        self._finding_ids.difference_update(incident.finding_ids)
        for name in incident.scopes:
            if self._where.get(name) == key:
                del self._where[name], self._sequences[name]
        self._changed.pop(key, None)
        self._open.pop(key, None)

    def take_changed(self) -> list[tuple[str, bytes]]:
        """The rows that changed since the last call, as they are at this moment, the one that changed last behind."""
        changed = [(key, encode_incident(self.by_key[key])) for key in self._changed]
        self._changed.clear()
        return changed
