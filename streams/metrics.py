"""Every metric of the service, with a sentence on what it tells you. Names carry their unit."""

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
    "REFUSALS",
    "ROWS",
]

EVENTS = Counter("halt400_events", "Response events read by this worker, replayed ones included.")
EVENTS_BEHIND = Gauge(
    "halt400_events_behind",
    "Response events on the partitions of this worker that it has not fetched; looked at every 5 s.",
)
BAD_REQUESTS = Counter("halt400_bad_requests", "400s judged by this worker; above zero means that a scraper is broken.")
COMMANDS = Counter("halt400_commands", "Commands issued on the control topic by this worker.")
FINDINGS = Counter("halt400_findings", "Conclusions for people besides commands, by kind.", ["kind"])
REFUSALS = Counter(
    "halt400_refusals",
    "Records that were no event or no operation and went to the dead-letter topic, by code.",
    ["code"],
)
ROWS = Counter("halt400_rows", "Rows of the rates table that the broker acknowledged.")
FLUSH_SECONDS = Histogram(
    "halt400_flush_seconds", "Time from taking the changed rows to the broker's last acknowledgement of them."
)

ARCHIVED = Counter("halt400_archived", "Objects of evidence that are durable in the archive.")
ARCHIVE_OPEN = Gauge("halt400_archive_open", "Offences read and not yet archived; grows while the archive is away.")
ARCHIVE_BACKLOG = Gauge(
    "halt400_archive_backlog", "Offences on the partitions of this process that are not yet archived, unread ones too."
)
ARCHIVE_OLDEST_SECONDS = Gauge(
    "halt400_archive_oldest_seconds", "Age of the oldest offence that was read and is not yet archived; 0 without one."
)
ARCHIVE_AWAY_SECONDS = Gauge(
    "halt400_archive_away_seconds", "For how long the archive has taken nothing; 0 while it takes evidence."
)

INCIDENTS_OPEN = Gauge(
    "halt400_incidents_open",
    "Incidents of the partitions of this process that are open, by whether someone has acknowledged them.",
    ["acknowledged"],
)
ALERT_ATTEMPTS = Counter(
    "halt400_alert_attempts",
    "Attempts to tell a sink, by outcome: accepted, refused (final), unavailable (tried again).",
    ["sink", "outcome"],
)
ALERT_DELIVERIES = Counter(
    "halt400_alert_deliveries",
    "Alerts whose delivery has ended, by outcome of the last attempt; what is not accepted is a dead letter.",
    ["sink", "outcome"],
)
ALERT_DELIVERIES_OPEN = Gauge(
    "halt400_alert_deliveries_open",
    "Alerts under way to a sink, those that wait to be tried again too; stays above zero while a sink is away.",
    ["sink"],
)
ALERT_DEAD_LETTERS = Counter(
    "halt400_alert_dead_letters",
    "Alerts that a sink did not take and that went to the topic alerts.dlq; above zero: `halt400 alerts resend`.",
    ["sink"],
)
