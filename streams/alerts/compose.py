"""Composes the notification of an incident: what broke, since when, the cause, the remedy, how to release it. Pure.

Every text from a scraper or a server is redacted and put on one line without control characters. A number is in it only
where the figures of the command give it.
"""

import shlex
from collections.abc import Callable, Sequence
from hashlib import blake2b

import msgspec

from halt400.records import Command, Diagnosis
from streams.alerts.finding_texts import CAUSE_TEXTS, most_severe, remedy_text, title_text, wasted_requests
from streams.alerts.incident import FLEET, Action, Incident, incident_cause, is_person
from streams.alerts.incident_updates import PART_OF
from streams.alerts.notification import EstimatedSavings, Notification
from streams.alerts.routing import PlannedDelivery
from streams.alerts.text import one_line, shorten
from streams.detection import Finding
from streams.quarantine.not_sent import NotSent

__all__ = ["compose", "estimate_savings"]

SHOWN_SCOPES = 10
SHOWN_COMMANDS = 5
SHOWN_EVIDENCE = 3
SHOWN_CHANGES = 3
SHOWN_FINDINGS = 10
LONGEST_TEXT = 2000
LONGEST_TITLE = 300
LONGEST_DEDUP_KEY = 255
DEDUP_PREFIX = "halt400/"

Redact = Callable[[str], str]
Clean = Callable[[str], str]


def compose(
    incident: Incident,
    planned: PlannedDelivery,
    owner: str | None,
    now_ms: int,
    redact: Redact,
    not_sent: NotSent | None = None,
) -> Notification:
    """Compose the notification of one planned delivery.

    Parameters
    ----------
    redact
        Removes secrets from a text; every text of the incident passes it.
    not_sent
        What the gates have counted for the incident's quarantines, None where none has reported.
    """

    def clean(text: str, longest: int = LONGEST_TEXT) -> str:
        return shorten(redact(one_line(text)), longest)

    known = [active.finding for active in incident.findings.values()]
    findings = [_cleaned(finding, clean) for finding in sorted(known, key=_by_severity)[:SHOWN_FINDINGS]]
    names = _scope_names(incident)
    lead = incident.lead
    notification = Notification(
        id=_message_id(incident, planned),
        dedup_key=clean(f"{DEDUP_PREFIX}{incident.key}", LONGEST_DEDUP_KEY),
        incident=incident.key,
        episode=incident.episode,
        digest=incident.digest(),
        action=planned.action,
        severity=planned.route.severity(incident),
        route=planned.route.name,
        title=clean(_title(incident, findings, planned.action), LONGEST_TITLE),
        target=clean(incident.target),
        cause=incident.cause,
        what=clean(lead.reason) if lead is not None else _what_of_findings(incident, findings, clean),
        opened_at=incident.opened_at,
        at=now_ms,
        ends_at=incident.closed_at if incident.closed_at is not None else incident.expires_at,
        open_scopes=len(incident.open_scopes()),
        scopes=[clean(name) for name in names[:SHOWN_SCOPES]],
        raised=planned.raised,
        owner=owner,
        saved=estimate_savings(incident, now_ms),
        not_sent=not_sent,
        findings=findings,
        wasted_requests=wasted_requests(known),
    )
    if lead is not None:
        _add_diagnosis(notification, incident, lead, clean)
    elif findings:
        notification.remedy = remedy_text(most_severe(findings))
    _add_progress(notification, incident, names, clean)
    return notification


def _message_id(incident: Incident, planned: PlannedDelivery) -> str:
    """The same for the same message, however often it is tried and by whom.

    The message before is part of it: an incident that is in a state again which it was in earlier is news again.
    """
    before = incident.last_sent_to(planned.sink)
    identity = f"{incident.key}\n{incident.episode}\n{planned.sink}\n{planned.action}\n{incident.digest()}"
    if before is not None:
        identity += f"\n{before.at}"
    return f"ntf-{blake2b(identity.encode(), digest_size=16).hexdigest()}"


def estimate_savings(incident: Incident, now_ms: int) -> EstimatedSavings | None:
    """Estimate the requests that were not sent, or None where the figures do not allow it.

    They allow it for a target that is quarantined as a whole: the figures count the whole target, and nobody has
    counted the share of a single job.
    """
    lead = incident.lead
    if lead is None or lead.scope.kind != "target" or lead.scope.target == FLEET:
        return None
    scope = incident.scopes.get(lead.scope.id)
    window = max(
        (figures for figures in lead.windows if figures.responses and figures.window_s),
        key=lambda figures: figures.window_s,
        default=None,
    )
    if scope is None or window is None:
        return None
    end_ms = min(now_ms if scope.open else scope.changed_at, scope.expires_at)
    halted_s = (end_ms - lead.issued_at) // 1000
    per_s = window.responses / window.window_s
    if halted_s * per_s < 1:
        return None
    return EstimatedSavings(requests=int(halted_s * per_s), per_s=per_s, window_s=window.window_s, halted_s=halted_s)


def _scope_names(incident: Incident) -> list[str]:
    """The open scopes, or all of the episode where none is open: the target first, then by age."""
    scopes = incident.open_scopes() or incident.episode_scopes()
    return sorted(scopes, key=lambda name: (scopes[name].kind != "target", scopes[name].opened_at, name))


def _add_diagnosis(notification: Notification, incident: Incident, lead: Command, clean: Clean) -> None:
    """Add what the lead command says of the cause."""
    notification.windows = lead.windows
    notification.diagnosed_cause = _diagnosed_cause(incident)
    if lead.archive_uri is not None:
        notification.archive_uri = clean(lead.archive_uri)
    if (diagnosis := lead.diagnosis) is not None:
        notification.blame, notification.confidence = diagnosis.blame, diagnosis.confidence
        notification.remedy = clean(diagnosis.remedy) if diagnosis.remedy else None
        notification.evidence = [clean(text) for text in _evidence(diagnosis)]


def _add_progress(notification: Notification, incident: Incident, names: Sequence[str], clean: Clean) -> None:
    """Add who acknowledged or closed it, or the commands that do so.

    A command that cleaning would change is left out: it would name another scope, or none.
    """
    if incident.acknowledged is not None:
        notification.acknowledged_by = clean(incident.acknowledged.by)
    if incident.closed_by is not None:
        notification.closed_by = clean(incident.closed_by)
    if incident.closing_reason is not None:
        notification.closing_reason = clean(incident.closing_reason)
    if incident.closed_at is not None:
        return
    commands = [f'halt400 release {shlex.quote(name)} --reason "..."' for name in names[:SHOWN_COMMANDS]]
    notification.release_commands = [command for command in commands if command == clean(command)]
    acknowledge = f"halt400 alerts ack {shlex.quote(incident.key)}"
    if incident.acknowledged is None and acknowledge == clean(acknowledge):
        notification.acknowledge_command = acknowledge


def _cleaned(finding: Finding, clean: Clean) -> Finding:
    texts = ("summary", "target", "job_id", "worker", "release", "fingerprint", "signature", "value")
    found = {name: clean(text) for name in texts if (text := getattr(finding, name)) is not None}
    lists = {name: tuple(map(clean, getattr(finding, name))) for name in ("jobs", "signatures", "targets")}
    return msgspec.structs.replace(finding, **found, **lists)


def _by_severity(finding: Finding) -> tuple[bool, int, int]:
    return finding.severity != "page", -(finding.wasted_requests or 0), -finding.at_ms


def _diagnosed_cause(incident: Incident) -> str | None:
    """What the diagnosis says, where the incident began as a finding and has its name from that."""
    return incident_cause(incident.lead) if incident.lead is not None and incident.cause in CAUSE_TEXTS else None


def _what_of_findings(incident: Incident, findings: list[Finding], clean: Clean) -> str:
    """What the findings say; an incident that another has taken over has none, and says where they are."""
    return most_severe(findings).summary if findings else clean(incident.closing_reason or incident.cause)


def _by_hand(incident: Incident) -> str | None:
    """Who has quarantined it, where no 400 has."""
    lead = incident.lead
    if lead is None or lead.diagnosis is not None or not is_person(lead.issued_by):
        return None
    return f"quarantine by {lead.issued_by}"


def _title(incident: Incident, findings: list[Finding], action: Action) -> str:
    if incident.lead is None and findings:
        title = title_text(findings, wasted_requests([active.finding for active in incident.findings.values()]))
        return title if action != "resolve" else f"{title}; not reported any more"
    cause = _by_hand(incident) or _diagnosed_cause(incident) or incident.cause
    where = "The fleet" if incident.target == FLEET else incident.target
    if action == "resolve":
        if incident.closing_reason is not None and incident.closing_reason.startswith(PART_OF):
            return f"{where}: {cause} is part of {incident.closing_reason.removeprefix(PART_OF)}"
        has_expired = incident.closed_by == "halt400.alerts"
        return f"{where}: {cause} {'has expired' if has_expired else 'is over, all is released'}"
    scopes = incident.open_scopes() or incident.episode_scopes()
    jobs = sorted(scope.job_id for scope in scopes.values() if scope.job_id is not None)
    if any(scope.kind == "target" for scope in scopes.values()):
        halted = "is halted as a whole" if incident.target != FLEET else "is at fault"
        return f"{where} {halted}: {cause}"
    if len(jobs) == 1:
        return f"{where}: job {jobs[0]} is halted: {cause}"
    return f"{where}: {f'{len(jobs)} jobs' if jobs else f'{len(scopes)} requests'} are halted: {cause}"


def _evidence(diagnosis: Diagnosis) -> list[str]:
    """What changed since the last good requests, and then where the defect is."""
    found = [
        f"changed: {one.what}: {one.here}; in good requests: {one.usual}" for one in diagnosis.changes[:SHOWN_CHANGES]
    ]
    for evidence in diagnosis.evidence[:SHOWN_EVIDENCE]:
        place = " ".join(part for part in (evidence.where, evidence.name) if part)
        at = f" line {evidence.line} column {evidence.column}" if evidence.line is not None else ""
        at = at or (f" byte {evidence.offset}" if evidence.offset is not None else "")
        excerpt = f": {evidence.excerpt}" if evidence.excerpt else ""
        found.append(f"{place}{at}: {evidence.detail}{excerpt}")
    return found
