"""What a notification says: what broke, since when, cause and remedy, what was saved, the evidence, the way out.

Pure. Every text that came from a scraper or a server passes the redaction and is one line without control characters;
a number is in it only where the figures of the command give it.
"""

import shlex
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Literal

import msgspec
from msgspec import Struct

from halt400.records import Diagnosis, WindowFigures
from streams.alerts.finding_texts import (
    CAUSE_TEXTS,
    in_common,
    most_severe,
    remedy_text,
    retry_loop_senders,
    title_text,
    wasted_requests,
)
from streams.alerts.incident import FLEET, Action, Incident, LastSent, Severity, incident_cause
from streams.alerts.routing import PlannedDelivery
from streams.detection import Finding
from streams.quarantine.not_sent import NotSent

__all__ = [
    "EstimatedSavings",
    "Notification",
    "compose",
    "decode_notification",
    "estimate_savings",
    "format_time",
    "labelled_texts",
    "last_sent_after",
    "shorten",
]

SHOWN_SCOPES = 10
SHOWN_COMMANDS = 5
SHOWN_EVIDENCE = 3
SHOWN_FINDINGS = 10
LONGEST_TEXT = 2000
LONGEST_TITLE = 300
DEDUP_PREFIX = "halt400/"

_SPACES = frozenset(("Cc", "Cn", "Co", "Zl", "Zp", "Zs"))

Redact = Callable[[str], str]


class EstimatedSavings(Struct, kw_only=True):
    """An estimate with what it rests on: the target's rate before the halt, times the time that it was halted."""

    requests: int
    per_s: float
    window_s: int
    halted_s: int


class Notification(Struct, kw_only=True, omit_defaults=True):
    """What one sink is told; the body of the generic webhook and the value on `alerts.dlq`.

    `dedup_key` names the incident for sinks that keep state; `id` this message: sent again, it has the same.
    Times are milliseconds since the epoch. `ends_at` is when the last open quarantine expires, or when all was over;
    where nothing is halted, when the findings are over unless they are heard of again.
    """

    version: Literal[1] = 1
    id: str
    dedup_key: str
    incident: str
    episode: int
    digest: str
    action: Action
    severity: Severity
    route: str
    title: str
    target: str
    cause: str
    what: str
    opened_at: int
    at: int
    ends_at: int
    open_scopes: int
    scopes: list[str]
    raised: bool = False
    owner: str | None = None
    blame: str | None = None
    confidence: float | None = None
    remedy: str | None = None
    evidence: list[str] = []
    diagnosed_cause: str | None = None
    windows: list[WindowFigures] = []
    saved: EstimatedSavings | None = None
    not_sent: NotSent | None = None
    archive_uri: str | None = None
    release_commands: list[str] = []
    findings: list[Finding] = []
    wasted_requests: int | None = None
    acknowledge_command: str | None = None
    acknowledged_by: str | None = None
    closed_by: str | None = None
    closing_reason: str | None = None
    test: bool = False


decode_notification = msgspec.json.Decoder(Notification).decode


def compose(
    incident: Incident,
    step: PlannedDelivery,
    owner: str | None,
    now_ms: int,
    redact: Redact,
    not_sent: NotSent | None = None,
) -> Notification:
    """Make the notification of one step.

    Parameters
    ----------
    redact
        Takes the secrets out of a text; every text of the incident passes it.
    not_sent
        What the gates have counted of the incident's quarantines, None where none has reported.
    """

    def clean(text: str, longest: int = LONGEST_TEXT) -> str:
        return shorten(redact(_one_line(text)), longest)

    severity = step.route.severity(incident)
    scopes = incident.open_scopes() or incident.episode_scopes()
    names = sorted(scopes, key=lambda name: (scopes[name].kind != "target", scopes[name].opened_at, name))
    lead = incident.lead
    diagnosis = lead.diagnosis if lead is not None else None
    closed = incident.closed_at is not None
    known = [heard.finding for heard in incident.findings.values()]
    findings = [_cleaned(found, clean) for found in sorted(known, key=_by_gravity)[:SHOWN_FINDINGS]]
    remedy = clean(diagnosis.remedy) if diagnosis is not None and diagnosis.remedy else None
    if lead is None and findings:
        remedy = remedy_text(most_severe(findings))
    acknowledge = f"halt400 alerts ack {shlex.quote(incident.key)}"
    wanted = not closed and incident.acknowledged is None and acknowledge == clean(acknowledge)
    # One that cleaning would change names another scope, or none.
    commands = [_release(name) for name in names[:SHOWN_COMMANDS]]
    identity = f"{incident.key}\n{incident.episode}\n{step.sink}\n{step.action}\n{incident.digest()}"
    return Notification(
        id=f"ntf-{blake2b(identity.encode(), digest_size=16).hexdigest()}",
        dedup_key=clean(f"{DEDUP_PREFIX}{incident.key}", 255),
        incident=incident.key,
        episode=incident.episode,
        digest=incident.digest(),
        action=step.action,
        severity=severity,
        route=step.route.name,
        title=clean(_title(incident, findings, step.action), LONGEST_TITLE),
        target=clean(incident.target),
        cause=incident.cause,
        what=clean(lead.reason) if lead is not None else most_severe(findings).summary,
        opened_at=incident.opened_at,
        at=now_ms,
        ends_at=incident.closed_at if incident.closed_at is not None else incident.expires_at,
        open_scopes=len(incident.open_scopes()),
        scopes=[clean(name) for name in names[:SHOWN_SCOPES]],
        raised=step.raised,
        owner=owner,
        blame=diagnosis.blame if diagnosis is not None else None,
        confidence=diagnosis.confidence if diagnosis is not None else None,
        remedy=remedy,
        evidence=[clean(text) for text in _evidence(diagnosis)],
        diagnosed_cause=_diagnosed_cause(incident),
        windows=lead.windows if lead is not None else [],
        saved=estimate_savings(incident, now_ms),
        not_sent=not_sent,
        archive_uri=clean(lead.archive_uri) if lead is not None and lead.archive_uri is not None else None,
        release_commands=[] if closed else [found for found in commands if found == clean(found)],
        findings=findings,
        wasted_requests=wasted_requests(known),
        acknowledge_command=acknowledge if wanted else None,
        acknowledged_by=clean(incident.acknowledged.by) if incident.acknowledged is not None else None,
        closed_by=clean(incident.closed_by) if incident.closed_by is not None else None,
        closing_reason=clean(incident.closing_reason) if incident.closing_reason is not None else None,
    )


def estimate_savings(incident: Incident, now_ms: int) -> EstimatedSavings | None:
    """Estimate the requests that were not sent, or None where the figures do not tell.

    They tell for a target that is halted as a whole: the figures count the whole target, so for a single job, whose
    share nobody has counted, they say nothing.
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


def last_sent_after(notification: Notification, before: LastSent | None, *, accepted: bool) -> LastSent:
    """What a sink counts as told after a delivery; `before` is what it was told of this episode earlier."""
    return LastSent(
        route=notification.route,
        action=notification.action,
        severity=notification.severity,
        digest=notification.digest,
        episode=notification.episode,
        first_at=before.first_at if before is not None else notification.at,
        at=notification.at,
        acknowledged=notification.action == "acknowledge" or (before is not None and before.acknowledged),
        undelivered=not accepted,
    )


def labelled_texts(notification: Notification) -> list[tuple[str, str]]:
    """List what a notification says as (label, text), for people; every sink shows these, each in its own way."""
    found: list[tuple[str, str | None]] = [
        ("What broke", notification.what),
        ("Since", format_time(notification.opened_at)),
        ("Cause", _cause(notification)),
        ("Remedy", notification.remedy),
        ("Evidence", "\n".join(notification.evidence) or None),
        ("Responses before", "\n".join(_window(figures) for figures in notification.windows) or None),
        ("Requests saved", _saved(notification)),
        ("Found too", _found_too(notification)),
        ("Who", retry_loop_senders(notification.findings)),
        ("Requests wasted", _wasted(notification)),
        ("In common", in_common(notification.findings)),
        ("Failing targets", _failing_targets(notification)),
        ("Was halted" if notification.action == "resolve" else "Halted", _scopes(notification)),
        ("Owner", notification.owner),
        ("Acknowledged by", notification.acknowledged_by),
        ("Closes", _closes(notification)),
        ("Over", _closing(notification)),
        ("Archive", notification.archive_uri),
        (
            "See it",
            f"halt400 archive show {shlex.quote(notification.archive_uri)}" if notification.archive_uri else None,
        ),
        ("Release", "\n".join(notification.release_commands) or None),
        ("Acknowledge", notification.acknowledge_command),
    ]
    return [(label, text) for label, text in found if text is not None]


def format_time(time_ms: int) -> str:
    """Write a time for people, in UTC."""
    return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%d %H:%M:%SZ}"


def shorten(text: str, longest: int) -> str:
    """Cut a text to at most `longest` characters, with an ellipsis where something is missing."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _cleaned(finding: Finding, clean: Callable[[str], str]) -> Finding:
    texts = ("summary", "target", "job_id", "worker", "release", "fingerprint", "signature", "value")
    found = {name: clean(text) for name in texts if (text := getattr(finding, name)) is not None}
    lists = {name: tuple(map(clean, getattr(finding, name))) for name in ("jobs", "signatures", "targets")}
    return msgspec.structs.replace(finding, **found, **lists)


def _by_gravity(finding: Finding) -> tuple[bool, int, int]:
    return finding.severity != "page", -(finding.wasted_requests or 0), -finding.at_ms


def _diagnosed_cause(incident: Incident) -> str | None:
    """What the diagnosis says of what is halted, where the incident began as a finding and is named by that."""
    return incident_cause(incident.lead) if incident.lead is not None and incident.cause in CAUSE_TEXTS else None


def _title(incident: Incident, findings: list[Finding], action: Action) -> str:
    if incident.lead is None and findings:
        title = title_text(findings, wasted_requests([heard.finding for heard in incident.findings.values()]))
        return title if action != "resolve" else f"{title}; not heard of any more"
    cause = _diagnosed_cause(incident) or incident.cause
    where = "The fleet" if incident.target == FLEET else incident.target
    scopes = incident.open_scopes() or incident.episode_scopes()
    jobs = sorted(scope.job_id for scope in scopes.values() if scope.job_id is not None)
    if any(scope.kind == "target" for scope in scopes.values()):
        halted = "is halted as a whole" if incident.target != FLEET else "is at fault"
    elif len(jobs) == 1:
        halted = f"job {jobs[0]} is halted"
    else:
        halted = f"{len(jobs)} jobs are halted" if jobs else f"{len(scopes)} requests are halted"
    if action == "resolve":
        lapsed = incident.closed_by == "halt400.alerts"
        return f"{where}: {cause} {'has lapsed' if lapsed else 'is over, all is released'}"
    separator = " " if halted.startswith("is ") else ": "
    return f"{where}{separator}{halted}: {cause}"


def _evidence(diagnosis: Diagnosis | None) -> list[str]:
    if diagnosis is None:
        return []
    found = []
    for evidence in diagnosis.evidence[:SHOWN_EVIDENCE]:
        place = " ".join(part for part in (evidence.where, evidence.name) if part)
        at = f" line {evidence.line} column {evidence.column}" if evidence.line is not None else ""
        at = at or (f" byte {evidence.offset}" if evidence.offset is not None else "")
        excerpt = f": {evidence.excerpt}" if evidence.excerpt else ""
        found.append(f"{place}{at}: {evidence.detail}{excerpt}")
    return found


def _release(name: str) -> str:
    return f'halt400 release {shlex.quote(name)} --reason "..."'


def _cause(notification: Notification) -> str:
    cause = notification.diagnosed_cause or notification.cause
    if cause in CAUSE_TEXTS:
        return f"{cause}: {CAUSE_TEXTS[cause]}"
    if notification.blame is None or notification.confidence is None:
        return f"{cause} (not diagnosed)"
    return f"{cause} (blame: {notification.blame}, confidence {notification.confidence:.0%})"


def _window(figures: WindowFigures) -> str:
    share = f" ({figures.bad_request_ratio:.2%})" if figures.bad_request_ratio is not None else ""
    return f"{figures.bad_requests:,} of {figures.responses:,} were 400 in {_span(figures.window_s)}{share}"


def _saved(notification: Notification) -> str | None:
    """What was counted, and for a whole target what its former rate lets expect; None where nothing is halted."""
    counted, saved = notification.not_sent, notification.saved
    if counted is None and saved is None:
        return "none counted so far" if notification.scopes else None
    lines = []
    if counted is not None:
        gates = "1 gate" if counted.gates == 1 else f"{counted.gates:,} gates"
        lines.append(f"{counted.requests:,}, counted by {gates}")
    if saved is not None:
        span = f"{_span(saved.halted_s)} at {saved.per_s:.3g} a second"
        basis = f"{span}, the target's rate in the {_span(saved.window_s)} before it was halted"
        lines.append(f"about {saved.requests:,} by its former traffic ({basis})")
    return "\n".join(lines)


def _found_too(notification: Notification) -> str | None:
    """The findings that the message does not speak of already."""
    others = [finding.summary for finding in notification.findings if finding.summary != notification.what]
    loops = notification.cause == "retry_loop"  # `who` has one line for each
    return "\n".join(others) if others and not loops else None


def _wasted(notification: Notification) -> str | None:
    return f"at least {notification.wasted_requests:,}" if notification.wasted_requests is not None else None


def _failing_targets(notification: Notification) -> str | None:
    targets = [target for finding in notification.findings for target in finding.targets]
    shown = list(dict.fromkeys(targets))[:SHOWN_SCOPES]
    more = ["and more"] if len(set(targets)) > len(shown) else []
    return "\n".join([*shown, *more]) or None


def _closes(notification: Notification) -> str | None:
    if notification.closed_by is not None or notification.scopes or not notification.ends_at:
        return None
    return f"by itself at {format_time(notification.ends_at)}, unless it is heard of again until then"


def _scopes(notification: Notification) -> str | None:
    if not notification.scopes:
        return None
    total = max(notification.open_scopes, len(notification.scopes))
    more = [f"and {total - len(notification.scopes):,} more"] if total > len(notification.scopes) else []
    return "\n".join([*notification.scopes, *more])


def _closing(notification: Notification) -> str | None:
    if notification.closed_by is None:
        return None
    return f"{format_time(notification.ends_at)} by {notification.closed_by}: {notification.closing_reason}"


def _span(seconds: int) -> str:
    parts = [(seconds // 3600, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s")]
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 s"


def _one_line(text: str) -> str:
    """Take out what could forge a line or turn the reading direction: control, format and separator characters."""
    spaced = (" " if unicodedata.category(character) in _SPACES else character for character in text)
    return " ".join("".join(c for c in spaced if unicodedata.category(c) not in ("Cf", "Cs")).split())
