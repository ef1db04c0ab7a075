"""The transitions on `control` and the findings folded by cause: one cause is one page however many jobs it halts.

Pure: commands, findings and the time come in as values, changed incidents go out as rows. A row holds what is open, and
what every sink was told of it; so a restart neither forgets an incident nor tells it twice.

An alarm of a target, or of one poison item, has the same cause as what is halted for it, and the two topics are read in
no order: whichever is read second joins the incident of the first; an alarm that nobody was told of yet always joins.
"""

from collections.abc import Iterable, Set

import msgspec

from halt400.records import Command
from streams.alerts.incident import (
    FLEET,
    Acknowledgement,
    HeardFinding,
    Incident,
    ScopeState,
    Told,
    encode_incident,
    finding_key,
    incident_cause,
    incident_key,
    is_person,
)
from streams.detection import Finding

__all__ = ["FINDING_LIVES_MS", "FORGET_AFTER_MS", "LAPSE_AFTER_MS", "Incidents"]

LAPSE_AFTER_MS = 86_400_000
"""An incident is over when none of its scopes was heard of for this long past its expiry."""
FORGET_AFTER_MS = 86_400_000
"""A closed incident is kept this long: commands that are read again must find their sequence known."""
FINDING_LIVES_MS = {"page": 4 * 3_600_000, "ticket": 86_400_000}
"""Nothing says that a finding is over: where nothing is halted for it, it is when it was not heard of for this long."""
MOST_FINDINGS = 50
MOST_FINDING_IDS = 200
MOST_NAMES = 20
"""Targets, jobs and signatures kept of a finding; its summary says how many there were."""


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
        for incident in rows:
            self.by_key[incident.key] = incident
            self._finding_ids.update(incident.finding_ids)
            if any(_joins(heard.finding) for heard in incident.findings.values()) and incident.closed_at is None:
                self._suspected[incident.target] = incident.key
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
        key, suspected = incident_key(command), self._suspicion_of(command)
        if known is not None and was_open and (_stays(command) or known is suspected):
            key, suspected = known.key, None
        elif suspected is not None and (suspected.lead is not None or suspected.is_told()):
            if known is None or not was_open or known.key != key:
                key = suspected.key
            suspected = None
        if known is not None and was_open and known.key != key:
            self._settle_scope(known, name, command, now_ms, moved=True)
        if suspected is not None:
            self._close_untold(suspected, key, now_ms)
        self._open_scope(key, name, command, now_ms)
        if suspected is not None:
            self._join(suspected.findings, key)
            suspected.findings = {}

    def _close_untold(self, incident: Incident, other: str, now_ms: int) -> None:
        """End an incident that nobody was told of, before the other begins: a crash between the two repeats nothing."""
        incident.closed_at, incident.closed_by = now_ms, "halt400.alerts"
        incident.closing_reason = f"it is part of {other}"
        self._touch(incident)

    def _join(self, findings: dict[str, HeardFinding], key: str) -> None:
        incident = self.by_key[key]
        incident.findings = incident.findings | findings
        self._suspected[incident.target] = key
        self._touch(incident)

    def absorb_finding(self, finding: Finding, now_ms: int) -> None:
        """Take in one finding; one that was taken in before, or that is over by now, changes nothing."""
        ends_at = finding.at_ms + FINDING_LIVES_MS[finding.severity]
        if finding.finding_id in self._finding_ids or ends_at <= now_ms:
            return
        target = finding.target if finding.target is not None else FLEET
        incident = self._halted_for(finding)
        key = incident.key if incident is not None else finding_key(finding)
        incident = self.by_key.get(key)
        if incident is None:
            incident = self.by_key[key] = Incident(
                key=key, partition=self.partition, target=target, cause=finding.kind, opened_at=finding.at_ms
            )
        elif incident.closed_at is not None:
            _reopen(incident, None, finding.at_ms, now_ms)
            self._open[key] = 0
        self._open.setdefault(key, 0)
        incident.findings[_subject(finding)] = HeardFinding(finding=_trimmed(finding), ends_at=ends_at)
        if len(incident.findings) > MOST_FINDINGS:
            del incident.findings[next(iter(incident.findings))]
        incident.finding_ids = [*incident.finding_ids, finding.finding_id][-MOST_FINDING_IDS:]
        self._finding_ids.add(finding.finding_id)
        if _joins(finding):
            self._suspected[target] = key
        self._touch(incident)

    def _halted_for(self, finding: Finding) -> Incident | None:
        """The open incident of what is halted for the cause that an alarm, or a poison item, speaks of."""
        if not _joins(finding):
            return None
        suspected = self.by_key.get(self._suspected.get(finding.target or "", ""))
        if suspected is not None and suspected.closed_at is None and _speaks_of(finding, suspected.jobs()):
            return suspected
        found = [
            (any(scope.kind == "target" for scope in scopes.values()), incident.opened_at, incident.key)
            for incident in self.by_key.values()
            if incident.target == finding.target
            and (scopes := {name: scope for name, scope in incident.open_scopes().items() if scope.kind != "request"})
            and _speaks_of(finding, {scope.job_id for scope in scopes.values()})
        ]
        return self.by_key[max(found)[2]] if found else None

    def _suspicion_of(self, command: Command) -> Incident | None:
        """The open incident whose finding speaks of what a command halts."""
        incident = self.by_key.get(self._suspected.get(command.scope.target, ""))
        if incident is None or incident.closed_at is not None or command.scope.kind == "request":
            return None
        jobs = {command.scope.job_id}
        return incident if any(_speaks_of(heard.finding, jobs) for heard in incident.findings.values()) else None

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
            _reopen(incident, command, command.opened_at, now_ms)
            self._open[key] = 0
        elif incident.acknowledged is None and _acknowledges(command, incident.scopes.get(name)):
            incident.acknowledged = Acknowledgement(by=command.issued_by, at=command.issued_at)
        if incident.lead is None or (command.scope.kind == "target" and incident.lead.scope.kind != "target"):
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

    def subsume(self, key: str) -> None:
        """A fault of the fleet is told instead of this incident's alarm, if nobody was paged for it yet."""
        incident = self.by_key[key]
        paged = any(
            told.episode == incident.episode and told.severity == "page" and not told.undelivered
            for told in incident.told.values()
        )
        if not incident.subsumed and not paged:
            incident.subsumed = True
            self._touch(incident)

    def tell(self, key: str, sink: str, told: Told) -> None:
        """Note what a sink was told."""
        incident = self.by_key[key]
        incident.told = incident.told | {sink: told}
        self._touch(incident)

    def lapse(self, now_ms: int) -> list[str]:
        """Close what nothing was heard of since long after its expiry, and findings of which nothing was heard.

        Returns
        -------
        list of str
            The keys that may be forgotten for good.
        """
        forgotten: list[str] = []
        for incident in self.by_key.values():
            if incident.closed_at is not None:
                if now_ms - incident.closed_at > FORGET_AFTER_MS:
                    forgotten.append(incident.key)
            elif now_ms - incident.expires_at > (LAPSE_AFTER_MS if incident.lead is not None else 0):
                incident.closed_at, incident.closed_by = now_ms, "halt400.alerts"
                expired = "every quarantine of it has expired, and nothing was heard since"
                incident.closing_reason = expired if incident.lead is not None else "it was not heard of again"
                self._touch(incident)
        return forgotten

    def forget(self, key: str) -> None:
        """Drop a closed incident; its row is deleted by the caller."""
        incident = self.by_key.pop(key)
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


def _acknowledges(command: Command, before: ScopeState | None) -> bool:
    """Whether a person extended a quarantine or made one by hand; what ends a probe signs with the prober's name."""
    probed = before is not None and before.state == "probing"
    return is_person(command.issued_by) and command.state == "quarantined" and not probed


def _stays(command: Command) -> bool:
    """Whether a command says nothing new of its scope's cause."""
    return command.state == "probing" or command.diagnosis is None


def _joins(finding: Finding) -> bool:
    """Whether a finding has the cause of what is halted; a retry loop and a fault of the fleet have their own."""
    return finding.kind in ("target_alarm", "poison_item")


def _speaks_of(finding: Finding, jobs: Set[str | None]) -> bool:
    """Whether a finding has the cause of what is halted on its target for these jobs."""
    return finding.kind == "target_alarm" or (finding.kind == "poison_item" and not jobs.isdisjoint(finding.jobs))


def _subject(finding: Finding) -> str:
    """What a later finding of an incident takes the place of an earlier one for; its gravest stays."""
    if finding.kind == "retry_loop":
        return f"{finding.job_id}/{finding.fingerprint}"
    return f"{finding.kind}/{finding.severity}"


def _trimmed(finding: Finding) -> Finding:
    names = {name: getattr(finding, name)[:MOST_NAMES] for name in ("targets", "jobs", "signatures")}
    return msgspec.structs.replace(finding, **names)


def _reopen(incident: Incident, lead: Command | None, opened_at: int, now_ms: int) -> None:
    incident.episode += 1
    incident.closed_at = incident.closed_by = incident.closing_reason = incident.acknowledged = None
    incident.escalated_to = []
    incident.findings, incident.subsumed = {}, False
    incident.lead, incident.opened_at = lead, opened_at
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
