"""Every metric of the service, with a sentence on its meaning. Names end with their unit."""

from prometheus_client import Counter, Gauge, Histogram

__all__ = [
    "ALERT_ATTEMPTS",
    "ALERT_DEAD_LETTERS",
    "ALERT_DELIVERIES",
    "ALERT_DELIVERIES_OPEN",
    "ARCHIVED",
    "ARCHIVE_AWAY_SECONDS",
    "ARCHIVE_BACKLOG",
    "ARCHIVE_OLDEST_SECONDS",
    "ARCHIVE_OPEN",
    "BAD_REQUESTS",
    "COMMANDS",
    "EVENTS",
    "EVENTS_BEHIND",
    "FINDINGS",
    "FLUSH_SECONDS",
    "INCIDENTS_OPEN",
    "PARTITION_STALLED_SECONDS",
    "READY",
    "REFUSALS",
    "REQUESTS_NOT_SENT",
    "REQUEST_BYTES_NOT_SENT",
    "ROWS",
    "TARGET_BAD_REQUESTS",
    "TARGET_QUARANTINES",
    "TARGET_RESPONSES",
]

EVENTS = Counter("halt400_events", "Response events read by this worker, replayed ones included.")
EVENTS_BEHIND = Gauge(
    "halt400_events_behind",
    "Response events on the partitions of this worker that it has not fetched yet; measured every 5 s.",
)
READY = Gauge("halt400_ready", "1 while a process has recovered its partitions and reads them, else 0.", ["process"])
PARTITION_STALLED_SECONDS = Gauge(
    "halt400_partition_stalled_seconds",
    "For how long a partition of this worker with records to read or apply has made no progress without a reason; "
    "the worker ends at 60 s.",
    ["topic", "partition"],
)
BAD_REQUESTS = Counter(
    "halt400_bad_requests", "400s read by this worker; a rise means that a scraper sends broken requests."
)
COMMANDS = Counter("halt400_commands", "Commands that this worker issued on the topic control.")
FINDINGS = Counter("halt400_findings", "Findings that this worker sent to the topic findings, by kind.", ["kind"])
REFUSALS = Counter(
    "halt400_refusals",
    "Records that were no valid event or operation and became dead letters on the topic responses.dlq, by code.",
    ["code"],
)
ROWS = Counter("halt400_rows", "Rows that the broker acknowledged on the topic rates.")
FLUSH_SECONDS = Histogram(
    "halt400_flush_seconds",
    "Seconds of a checkpoint, from taking the changed rows to the broker's last acknowledgement of them.",
)

TARGET_RESPONSES = Counter(
    "halt400_target_responses",
    "Responses of a target since its first; only of the targets on this worker that had a 400 last, "
    "`HALT400_METRICS_TARGETS` of them.",
    ["target"],
)
TARGET_BAD_REQUESTS = Counter("halt400_target_bad_requests", "400s among the responses of these targets.", ["target"])
TARGET_QUARANTINES = Gauge("halt400_target_quarantines", "Quarantines in force on these targets.", ["target"])

REQUESTS_NOT_SENT = Counter(
    "halt400_requests_not_sent",
    "Requests that gates did not send because of a quarantine, as they reported since this process started. Every "
    "process counts all of them: take the maximum, not the sum.",
)
REQUEST_BYTES_NOT_SENT = Counter(
    "halt400_request_bytes_not_sent",
    "Bytes of these requests, of those that a guard was shown; the rest of a queue that a job gives up has none. Every "
    "process counts all of them: take the maximum, not the sum.",
)

ARCHIVED = Counter("halt400_archived", "Objects of evidence that were written to the archive.")
ARCHIVE_OPEN = Gauge(
    "halt400_archive_open",
    "Offences that were read and are not yet archived; rises while the archive is unavailable.",
)
ARCHIVE_BACKLOG = Gauge(
    "halt400_archive_backlog",
    "Offences on the partitions of this process that are not yet archived, whether read or not.",
)
ARCHIVE_OLDEST_SECONDS = Gauge(
    "halt400_archive_oldest_seconds",
    "Age of the oldest offence that was read and is not yet archived; 0 where there is none.",
)
ARCHIVE_AWAY_SECONDS = Gauge(
    "halt400_archive_away_seconds", "For how long the archive is unavailable; 0 while it is available."
)

INCIDENTS_OPEN = Gauge(
    "halt400_incidents_open",
    "Open incidents on the partitions of this process, by whether they are acknowledged.",
    ["acknowledged"],
)
ALERT_ATTEMPTS = Counter(
    "halt400_alert_attempts",
    "Attempts to send an alert to a sink, by outcome: accepted, refused (final), unavailable (sent again later).",
    ["sink", "outcome"],
)
ALERT_DELIVERIES = Counter(
    "halt400_alert_deliveries",
    "Deliveries that have ended, by outcome of the last attempt; one that was not accepted became a dead letter.",
    ["sink", "outcome"],
)
ALERT_DELIVERIES_OPEN = Gauge(
    "halt400_alert_deliveries_open",
    "Deliveries that have not ended, those that wait to be sent again too; above zero while a sink is unavailable.",
    ["sink"],
)
ALERT_DEAD_LETTERS = Counter(
    "halt400_alert_dead_letters",
    "Alerts that a sink did not accept and that became dead letters on alerts.dlq; send them: `halt400 alerts resend`.",
    ["sink"],
)
