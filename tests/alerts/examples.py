"""Commands, findings, incidents and notifications for the tests of alerts."""

from typing import Any

from halt400.records import Cause, Command, Diagnosis, Evidence, Scope, WindowFigures
from streams.alerts.compose import compose
from streams.alerts.incident import Action, Incident
from streams.alerts.incidents import Incidents
from streams.alerts.notification import Notification, last_sent_after
from streams.alerts.notification_texts import labelled_texts
from streams.alerts.routing import PlannedDelivery, Route
from streams.detection import Finding

TARGET = "api.shop.example"
T0 = 1_763_870_400_000  # 2025-11-23 04:00:00Z
MINUTE = 60_000
HOUR = 60 * MINUTE
ONCALL = Route("oncall", ("pager",))


def diagnosis(cause: Cause = "malformed_json", **changes: Any) -> Diagnosis:
    return Diagnosis(
        **{
            "cause": cause,
            "blame": "request",
            "confidence": 0.98,
            "remedy": "Close the object: a brace is missing at the end of the body.",
            "evidence": [Evidence(where="body", detail="unexpected end", line=3, column=7, excerpt='{"sku": 1')],
        }
        | changes
    )


def command(
    job: str | None = "extract-099",
    state: str = "quarantined",
    *,
    sequence: int = 1,
    at: int = T0,
    cause: Cause | None = "malformed_json",
    target: str = TARGET,
    **changes: Any,
) -> Command:
    """A command of one job, or of the whole target where `job` is None."""
    scope = Scope(kind="job" if job else "target", target=target, job_id=job)
    return Command(
        **{
            "command_id": f"cmd-{scope.id}-{sequence}",
            "scope": scope,
            "sequence": sequence,
            "state": state,
            "reason": f"400 Bad Request to POST of job {job} on {target}",
            "issued_by": "halt400.detect",
            "opened_at": at,
            "issued_at": at,
            "expires_at": at + 15 * MINUTE,
            "diagnosis": diagnosis(cause) if cause is not None else None,
            "windows": [
                WindowFigures(
                    window_s=3600,
                    start=at - HOUR,
                    end=at,
                    responses=7200,
                    bad_requests=12,
                    bad_request_ratio=12 / 7200,
                )
            ],
            "archive_uri": f"file:///var/lib/halt400/{target}/1.har",
        }
        | changes
    )


def finding(kind: str = "target_alarm", number: int = 1, *, at: int = T0, **changes: Any) -> Finding:
    """A finding as detection publishes it."""
    about: dict[str, Any] = {
        "target_alarm": {
            "severity": "page",
            "target": TARGET,
            "jobs": ("extract-098", "extract-099"),
            "summary": f"{TARGET} answers 400 far more often than 0.01% of requests, over 2 jobs",
        },
        "poison_item": {
            "severity": "ticket",
            "target": TARGET,
            "jobs": ("extract-099",),
            "summary": f"One poison item on {TARGET}",
        },
        "retry_loop": {
            "severity": "ticket",
            "target": TARGET,
            "job_id": "extract-099",
            "worker": "worker-7",
            "release": "2.4.0",
            "fingerprint": "f00d",
            "wasted_requests": 1,
            "summary": "worker worker-7 of release 2.4.0 ignores the gate",
        },
        "fleet_fault": {
            "severity": "page",
            "targets": tuple(f"t{number}.example" for number in range(37)),
            "attribute": "release",
            "value": "2.4.0",
            "lift": 8.25,
            "coverage_ratio": 0.92,
            "summary": "37 targets fail at once: your own release, proxy pool or network.",
        },
        "refused_records": {
            "severity": "ticket",
            "value": "wrong_partition",
            "summary": "Records on responses are refused (wrong_partition): they are not counted and halt nothing.",
        },
    }[kind]
    named: dict[str, Any] = {"finding_id": f"fnd-{kind}-{number}", "kind": kind, "at_ms": at}
    return Finding(**named | about | changes)


def incidents(*records: Command | Finding, now: int = T0) -> Incidents:
    """The incidents of these records, in the order in which they are read."""
    found = Incidents(3)
    for record in records:
        apply(found, record, now)
    return found


def apply(found: Incidents, record: Command | Finding, now: int = T0) -> None:
    if isinstance(record, Finding):
        found.apply_finding(record, now)
    else:
        found.apply(record, now)


def only(found: Incidents) -> Incident:
    (incident,) = found.by_key.values()
    return incident


def notify(found: Incidents, key: str) -> Incidents:
    """Record that the pager was sent the trigger of an incident."""
    incident = found.by_key[key]
    trigger = compose(incident, PlannedDelivery("pager", ONCALL, "trigger", T0), None, T0, str)
    found.record_sent(key, "pager", last_sent_after(trigger, None, accepted=True))
    return found


def severities(found: Incidents) -> dict[str, str]:
    """The severity of every open incident, by key."""
    return {key: ONCALL.severity(one) for key, one in found.by_key.items() if one.closed_at is None}


def texts(incident: Incident, action: Action = "trigger", now: int = T0) -> dict[str, str]:
    """What a notification of an incident says, by label."""
    found = compose(incident, PlannedDelivery("pager", ONCALL, action, now), None, now, str)
    return dict(labelled_texts(found)) | {"title": found.title}


def notification(action: Action = "trigger", *, page: bool = True, now: int = T0, **changes: Any) -> Notification:
    """A notification of one incident, as the dispatcher composes it."""
    job = None if page else "extract-099"
    found = incidents(command(job, **changes))
    if action == "resolve":
        found.apply(command(job, "released", sequence=2, issued_by="alice"), now)
    return compose(only(found), PlannedDelivery("pager", ONCALL, action, now), "team-shop", now, str)
