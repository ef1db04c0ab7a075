"""Every metric of the service, with a sentence on what it tells you. Names carry their unit."""

from prometheus_client import Counter, Gauge, Histogram

__all__ = [
    "ARCHIVED",
    "ARCHIVE_OPEN",
    "BAD_REQUESTS",
    "COMMANDS",
    "EVENTS",
    "FINDINGS",
    "FLUSH_SECONDS",
    "REFUSALS",
    "ROWS",
]

EVENTS = Counter("halt400_events", "Response events read by this worker, replayed ones included.")
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
ARCHIVED = Counter("halt400_archived", "Offences whose evidence is durable in the archive.")
ARCHIVE_OPEN = Gauge("halt400_archive_open", "Offences read and not yet archived; grows while the archive is away.")
