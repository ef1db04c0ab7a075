"""The answers about what was written to a log: offences, findings, dead letters, incidents and alerts."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from halt400.records import Diagnosis, Fingerprints, Milliseconds, Offence, Source
from streams.alerts.incident import Acknowledgement, Action
from streams.api.models import Answer, Count, Page
from streams.detection import Finding
from streams.detection.findings import Severity
from streams.quarantine.not_sent import NotSent

__all__ = [
    "AlertPage",
    "DeadLetter",
    "DeadLetterAnswer",
    "DeadLetterPage",
    "FindingPage",
    "IncidentAnswer",
    "IncidentPage",
    "IncidentSummary",
    "OffenceAnswer",
    "OffencePage",
    "OffenceSummary",
    "PlaceId",
    "SentAlert",
]

PlaceId = Annotated[
    str, Meta(pattern="^[0-9]{1,10}-[0-9]{1,19}$", description="Partition and offset of the record, such as 3-4711.")
]


class OffenceSummary(Struct, kw_only=True):
    """One 400 with its diagnosis; `/v1/offences/{id}` has the whole request and response.

    Secrets in `url` are redacted. `time` is when the response was received, `seen_at` when the worker read it.
    """

    id: PlaceId
    time: Milliseconds
    seen_at: Milliseconds
    target: str
    job_id: str
    method: str
    url: str
    status: int
    attempt: int
    release: str | None
    worker: str | None
    region: str | None
    proxy: str | None
    client: str | None
    opens: Annotated[bool, Meta(description="Whether the command was issued for this 400.")]
    command_id: str | None
    source: Source
    archive_uri: str
    diagnosis: Diagnosis | None
    fingerprints: Fingerprints | None


class OffencePage(Page, kw_only=True):
    """A page of the latest offences, the newest first.

    Each process keeps a bounded number of them: `kept` is how many it has, `skipped` how many it did not read because
    more came than are kept. All of them are on the topic and in the archive.
    """

    kept: Count
    skipped: Count
    offences: list[OffenceSummary]


class OffenceAnswer(Answer, kw_only=True):
    """One offence, redacted as in the archive: with request, response and diagnosis, and as a HAR 1.2 file."""

    id: PlaceId
    offence: Offence
    har: dict[str, Any]


class FindingPage(Page, kw_only=True):
    """A page of the latest findings, the newest first; `kept` and `skipped` as in OffencePage."""

    kept: Count
    skipped: Count
    findings: list[Finding]


class DeadLetter(Struct, kw_only=True):
    """A record that could not be taken, or an alert that no sink accepted; `at` is when it was written.

    `source` is the place of the refused record; null for an alert. An alert has `sink`, `route` and `incident`.
    `redriven` says whether it was published again, `redriven_by` by whom where that is known.
    """

    id: PlaceId
    topic: Literal["responses.dlq", "alerts.dlq"]
    at: Milliseconds
    error: str
    message: str
    key: str | None
    size_bytes: Count
    source: Source | None
    sink: str | None
    route: str | None
    incident: str | None
    redriven: bool = False
    redriven_by: str | None = None


class DeadLetterPage(Page, kw_only=True):
    """A page of the latest dead letters, the newest first; `kept` and `skipped` as in OffencePage."""

    kept: Count
    skipped: Count
    dead_letters: list[DeadLetter]


class DeadLetterAnswer(Answer, kw_only=True):
    """One dead letter with the beginning of its value as text, redacted; what is no UTF-8 is shown as U+FFFD."""

    dead_letter: DeadLetter
    value: str
    value_truncated: bool


class SentAlert(Struct, kw_only=True):
    """What one sink was sent last of an incident; `undelivered` where it went to alerts.dlq instead."""

    incident: str
    target: str
    cause: str
    sink: str
    route: str
    action: Action
    severity: Severity
    first_at: Milliseconds
    at: Milliseconds
    acknowledged: bool
    undelivered: bool


class IncidentSummary(Struct, kw_only=True):
    """One cause on one target with everything that it halts.

    `key` is what `halt400 alerts ack` and an acknowledgement take. `scopes` holds at most 100 of the `open_scopes`.
    """

    key: str
    target: str
    cause: str
    opened_at: Milliseconds
    episode: Count
    closed_at: Milliseconds | None
    closed_by: str | None
    closing_reason: str | None
    acknowledged: Acknowledgement | None
    open_scopes: Count
    jobs: Count
    scopes: list[str]
    expires_at: Annotated[int, Meta(ge=0, description="When the last open scope or finding ends; 0 where all is over.")]
    reason: str | None
    diagnosis: Diagnosis | None
    archive_uri: str | None
    findings: list[Finding]
    not_sent: NotSent | None
    sent: list[SentAlert]


class IncidentPage(Page, kw_only=True):
    """A page of incidents, the one that opened last first."""

    incidents: list[IncidentSummary]


class IncidentAnswer(Answer, kw_only=True):
    """One incident."""

    incident: IncidentSummary


class AlertPage(Page, kw_only=True):
    """A page of what each sink was sent last of each incident, the newest first."""

    alerts: list[SentAlert]
