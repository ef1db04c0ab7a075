"""A small healthy history, made by the product's own pure code: one 400, its quarantine, a release, a page."""

from typing import Any

import msgspec

from chaos.history import (
    ArchiveListing,
    CommitSample,
    GateEvent,
    History,
    LogRecord,
    QuarantinesAnswer,
    ReadableEnds,
    ReceivedPage,
    RowsAnswer,
)
from halt400.records import Command, Offence, Operation, Savings, Scope
from streams.alerts.compose import compose
from streams.alerts.incidents import Incidents
from streams.alerts.notification import last_sent_after
from streams.alerts.routing import Route, Routing
from streams.archive.expected import ExpectedArchive
from streams.archive.object_names import object_key
from streams.processing.partition import PartitionState, ProcessingContext, Record

NOW = 1_760_000_000_000
TARGET = "api.shop.example"
GATE = "gate/host/1/a"
SCOPE = Scope(kind="job", target=TARGET, job_id="j")
encode = msgspec.json.encode


def event(number: int, status: int) -> dict[str, Any]:
    return {
        "id": f"e{number}",
        "time": NOW + number,
        "target": TARGET,
        "job_id": "j",
        "request": {"method": "POST", "url": f"https://{TARGET}/graphql", "body": '{"query": "{ a }", }'},
        "response": {"status": status},
    }


def log(values: list[bytes], key: bytes = TARGET.encode(), at_ms: int = NOW) -> list[LogRecord]:
    return [LogRecord(0, offset, at_ms + offset, key, value) for offset, value in enumerate(values)]


def healthy() -> History:
    """Seven responses of which two are 400s, the quarantine of their job, its release, what followed from them.

    The last record is an array of two, of which the second is no event.
    """
    history = History(prefix="c.", partitions=1)
    values = [encode(event(number, status)) for number, status in enumerate((200, 200, 400, 400, 503, 200))]
    array = b"[%b,1]" % encode(event(6, 200))
    responses = [
        *log(values),
        LogRecord(0, 6, NOW + 6, TARGET.encode(), b"{"),
        LogRecord(0, 7, NOW + 7, None, array),
    ]
    context = ProcessingContext(
        archive_uri=lambda source, target, time_ms: f"s3://evidence/{object_key(source, target, time_ms)}",
        partition_of=lambda key: 0,
        latest_command=lambda scope_id: None,
    )
    partition = PartitionState("c.responses", 0, context)
    outcome = partition.apply([Record(one.offset, one.appended_ms, one.key, one.value) for one in responses], NOW + 10)
    release = Operation(
        operation_id="op-1", time=NOW + 20, kind="release", scope=SCOPE, actor="ada", reason="rolled back"
    )
    released = partition.operate("c.operations", [Record(0, NOW + 20, TARGET.encode(), encode(release))], NOW + 20)
    commands = [*outcome.commands, *released.commands]
    history.topics = {
        "responses": responses,
        "operations": log([encode(release)]),
        "rates": [LogRecord(0, n, NOW + 30, key, value) for n, (key, value) in enumerate(partition.take_changed())],
        "offences": log([encode(offence) for offence in outcome.offences]),
        "control": log([encode(command) for command in commands], SCOPE.id.encode()),
        "responses.dlq": [
            LogRecord(0, 0, NOW + 12, TARGET.encode(), b"{", dead_letter_headers(6)),
            LogRecord(0, 1, NOW + 12, None, b"1", (*dead_letter_headers(7), ("halt400.index", b"1"))),
        ],
        "savings": [
            LogRecord(
                0, n, NOW + n, b"g", encode(Savings(gate=GATE, scope=SCOPE, opened_at=NOW, requests=n + 1, time=NOW))
            )
            for n in range(2)
        ],
    }
    add_gate(history, commands)
    add_archive(history, outcome.offences)
    add_page(history, commands)
    ends = {"responses": 8, "operations": 1, "offences": 2, "rates": 1, "control": 2}
    history.commits = [CommitSample(NOW + 40, "responses", 0, 8, ends)]
    history.committed = {("responses", 0): 8, ("operations", 0): 1, ("offences", 0): 2}
    history.quarantine_answers = [
        QuarantinesAnswer("w", NOW + 9_040 + n, {SCOPE.id: (2, "released", 5 + n)}, NOW + 9_050) for n in range(2)
    ]
    history.rows_answers = [RowsAnswer("w", NOW + 9_040, {TARGET: 7}, NOW + 9_050)]
    log_ends = {(topic, 0): len(history.topics[topic]) for topic in ("rates", "control", "alerts")}
    history.readable = [ReadableEnds(NOW + 9_030, log_ends)]
    history.exit_codes = {"w": 0}
    return history


def dead_letter_headers(offset: int) -> tuple[tuple[str, bytes], ...]:
    return (
        ("halt400.topic", b"c.responses"),
        ("halt400.partition", b"0"),
        ("halt400.offset", str(offset).encode()),
    )


def knows(command: Command, at_ms: int) -> GateEvent:
    return GateEvent(
        kind="command",
        at_ms=at_ms,
        gate=GATE,
        scope_id=command.scope.id,
        command_id=command.command_id,
        sequence=command.sequence,
        state=command.state,
        issued_by=command.issued_by,
        expires_at=command.expires_at,
    )


def sent(number: int, at_ms: int, gate: str = GATE) -> GateEvent:
    return GateEvent(kind="sent", at_ms=at_ms, gate=gate, id=f"e{number}", target=TARGET, job_id="j", status=200)


def add_gate(history: History, commands: list[Command]) -> None:
    opened, released = commands
    history.scrapers["s"] = [
        *(sent(number, NOW + number) for number in range(5)),
        knows(opened, NOW + 11),
        GateEvent(kind="refused", at_ms=NOW + 12, gate=GATE, command_id=opened.command_id),
        knows(released, NOW + 21),
        sent(5, NOW + 22),
        GateEvent(kind="acknowledged", at_ms=NOW + 23, gate=GATE, id="e5"),
    ]


def add_archive(history: History, offences: list[Offence]) -> None:
    expected = ExpectedArchive("c.offences", storm_keep=history.storm_keep)
    keys = set()
    for offence in offences:
        manifest, _ = expected.add(0, offence)
        keys |= {object_key(offence.source, TARGET, offence.event.time), manifest}
    history.objects = frozenset(keys)
    history.manifests = {key: sampler.manifest() for key, sampler in expected.samplers.items()}
    history.listings = [ArchiveListing(NOW + 40, {0: 2}, frozenset(keys))]


def add_page(history: History, commands: list[Command]) -> None:
    incidents, routing = Incidents(0), Routing((Route("all", ("pager",), group_wait_s=0),))
    rows: list[LogRecord] = []
    for command, at_ms in zip(commands, (NOW + 11, NOW + 21), strict=True):
        incidents.apply(command, at_ms)
        ((key, incident),) = incidents.by_key.items()
        (planned,) = routing.planned(incident, at_ms + 3_000)
        note = compose(incident, planned, None, at_ms + 3_000, lambda text: text)
        rows += [
            LogRecord(0, len(rows) + n, at_ms, name.encode(), row)
            for n, (name, row) in enumerate(incidents.take_changed())
        ]
        page = ReceivedPage(at_ms, note.id, note.incident, note.episode, note.action, note.severity, 200, note.at)
        history.pages.append(page)
        incidents.record_sent(key, "pager", last_sent_after(note, None, accepted=True))
        rows += [
            LogRecord(0, len(rows) + n, at_ms, name.encode(), row)
            for n, (name, row) in enumerate(incidents.take_changed())
        ]
    history.topics["alerts"] = rows
