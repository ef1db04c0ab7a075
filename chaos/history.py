"""What a campaign leaves behind, as plain values: the logs, what the scrapers did, the archive, pages, API answers."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from halt400.records import Command, Offence
from halt400.windows import Row, decode_row
from streams.archive.sampling import Manifest

__all__ = [
    "ArchiveListing",
    "CommitSample",
    "GateEvent",
    "History",
    "LogRecord",
    "QuarantinesAnswer",
    "ReadableEnds",
    "ReceivedPage",
    "RowsAnswer",
    "TopicFault",
    "WorkerEnd",
]


class LogRecord(NamedTuple):
    """One record of a topic, with the broker's append time."""

    partition: int
    offset: int
    appended_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


class GateEvent(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One line of a scraper's own history, in its order.

    Attributes
    ----------
    kind
        ``sent``: the gate let a request pass; ``refused``: it did not; ``command``: the gate knows this command from
        here on; ``acknowledged``: everything up to the event `id` is acknowledged by the broker; ``dropped``: events
        were lost by the publisher, so that nothing is known of those that are not in the log.
    """

    kind: str
    at_ms: int
    gate: str
    id: str | None = None
    target: str | None = None
    job_id: str | None = None
    status: int | None = None
    command_id: str | None = None
    scope_id: str | None = None
    sequence: int | None = None
    state: str | None = None
    issued_by: str | None = None
    expires_at: int | None = None


class CommitSample(NamedTuple):
    """What a group had committed of one partition, and the ends of what must be durable by then, read after it.

    `ends`: topic without prefix -> log end of the same partition number.
    """

    at_ms: int
    topic: str
    partition: int
    committed: int
    ends: dict[str, int]


class ArchiveListing(NamedTuple):
    """The keys of the archive, listed after the follow-up group had committed `committed` of `offences`."""

    at_ms: int
    committed: dict[int, int]
    keys: frozenset[str]


class ReadableEnds(NamedTuple):
    """What could be read of some topics at a moment: (topic without prefix, partition) -> log end.

    The log end is the broker's high watermark, below which all in-sync replicas have the records. A leader that waits
    for a replica that has died has newer records, with their times, which nobody can read yet.
    """

    at_ms: int
    ends: dict[tuple[str, int], int]


class WorkerEnd(NamedTuple):
    """An end of a worker by itself, as its log has it: the error's type and text."""

    worker: str
    error: str
    text: str


class TopicFault(NamedTuple):
    """A topic that was changed while workers ran, and after how many ms each had ended for it; None: it did not."""

    what: str
    topic: str
    ended: dict[str, int | None]


class ReceivedPage(NamedTuple):
    """One notification that the pager got, and the status that it answered; None where it never answered.

    `composed_at` is the notification's own time, by which the row of its incident names it.
    """

    at_ms: int
    id: str
    incident: str
    episode: int
    action: str
    severity: str
    status: int | None
    composed_at: int = 0


class QuarantinesAnswer(NamedTuple):
    """What the API said of every scope: id -> (sequence, state, requests not sent), and when it was asked.

    `as_of_ms` and `asked_ms` are by this machine's clock; `stale` is what the answer says of itself.
    """

    worker: str
    as_of_ms: int
    scopes: dict[str, tuple[int, str, int]]
    asked_ms: int = 0
    stale: bool = False


class RowsAnswer(NamedTuple):
    """What the API said of every target: its lifetime count of responses."""

    worker: str
    as_of_ms: int
    targets: dict[str, int]
    asked_ms: int = 0
    stale: bool = False


@dataclass
class History:
    """Everything that the checker judges.

    Attributes
    ----------
    topics
        Topic without prefix -> its records; `responses`, `rates`, `control`, `offences`, `alerts`, `savings`,
        `operations` and `responses.dlq` are used.
    prefix
        Prefix of the topics' names.
    partitions
        Number of partitions of every keyed topic.
    committed
        What the groups have committed at the end: (topic, partition) -> offset.
    readable
        What could be read when, in the order of time.
    moved_ms
        When a worker was told that partitions of `control` are not its own any more: a page whose answer it waits for
        then is sent again by the next one.
    ends
        Ends of workers by themselves.
    topic_faults
        Changes of topics for which every worker has to end.
    deleted
        Topic -> records that a fault has deleted: they were on the log, and are not among `topics`.
    late_stops
        Worker -> when it had not stopped for a minute after it was told to, in ms, and was killed.
    complaints
        Scraper -> lines of its log that no user expects: exceptions.
    exit_codes
        With which each worker ended that was told to at the very end; None where it did not.
    disturbances_ms
        When a worker was killed, frozen, cut off or restarted, or a sink did not answer: a page may be sent again then.
    """

    prefix: str = "c."
    partitions: int = 1
    storm_keep: int = 20
    topics: dict[str, list[LogRecord]] = field(default_factory=dict)
    scrapers: dict[str, list[GateEvent]] = field(default_factory=dict)
    commits: list[CommitSample] = field(default_factory=list)
    committed: dict[tuple[str, int], int] = field(default_factory=dict)
    listings: list[ArchiveListing] = field(default_factory=list)
    objects: frozenset[str] = frozenset()
    manifests: dict[str, Manifest] = field(default_factory=dict)
    pages: list[ReceivedPage] = field(default_factory=list)
    quarantine_answers: list[QuarantinesAnswer] = field(default_factory=list)
    rows_answers: list[RowsAnswer] = field(default_factory=list)
    readable: list[ReadableEnds] = field(default_factory=list)
    moved_ms: list[int] = field(default_factory=list)
    ends: list[WorkerEnd] = field(default_factory=list)
    deleted: dict[str, list[LogRecord]] = field(default_factory=dict)
    topic_faults: list[TopicFault] = field(default_factory=list)
    late_stops: dict[str, list[int]] = field(default_factory=dict)
    complaints: dict[str, list[str]] = field(default_factory=dict)
    exit_codes: dict[str, int | None] = field(default_factory=dict)
    disturbances_ms: list[int] = field(default_factory=list)
    _rows: list[tuple[LogRecord, str, Row]] | None = None

    def records(self, topic: str) -> list[LogRecord]:
        """The records of a topic, partition by partition in their order."""
        return self.topics.get(topic, [])

    def rows(self) -> list[tuple[LogRecord, str, Row]]:
        """The rows that were on `rates`, with their targets, in the order of the log; decoded once."""
        if self._rows is None:
            log = self.deleted.get("rates", []) + self.records("rates")
            self._rows = [(one, one.key.decode(), decode_row(one.value)) for one in log if one.key and one.value]
        return self._rows

    def commands(self) -> Iterator[tuple[LogRecord, Command]]:
        """The commands of `control`, tombstones left out."""
        for record in self.records("control"):
            if record.value is not None:
                yield record, _decode_command(record.value)

    def offences(self) -> Iterator[tuple[LogRecord, Offence]]:
        """The records of `offences`, repetitions included."""
        for record in self.records("offences"):
            yield record, _decode_offence(record.value or b"")


_decode_command = msgspec.json.Decoder(Command).decode
_decode_offence = msgspec.json.Decoder(Offence).decode
