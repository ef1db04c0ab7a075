"""A small fleet of known counts and quarantines, written to a real broker as the worker writes them."""

import msgspec
from aiokafka import AIOKafkaProducer

from halt400.gate.savings_reporter import savings_key
from halt400.records import (
    Command,
    Diagnosis,
    Evidence,
    Offence,
    Proxy,
    Request,
    Response,
    ResponseEvent,
    Savings,
    Scope,
    Source,
)
from halt400.windows import Row, encode_row, window_counts
from streams.alerts.alerts_topic import acknowledgement_key
from streams.alerts.incident import Incident, LastSent, encode_incident
from streams.alerts.incidents import Incidents
from streams.detection import Finding
from streams.settings import KafkaSettings

NOW_MS = 1_765_432_100_000
"""2025-12-11T05:48:20Z"""

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS


def row(offset: int, *counts: tuple[int, int, int]) -> Row:
    """A row with `number` responses of `status` `age_ms` before now, for each (age_ms, status, number)."""
    made = Row(offset=offset)
    for age_ms, status, number in sorted(counts, reverse=True):
        for _ in range(number):
            made.count(NOW_MS - age_ms, status)
    return made


def shop() -> Row:
    """2 in the last minute, 100 in 5, 1100 in an hour, 1101 in a day; 10, 20 and 21 400s in 5 minutes, 1 h and 24 h."""
    made = row(
        1200,
        (20_000, 200, 2),
        (4 * MINUTE_MS, 200, 85),
        (4 * MINUTE_MS, 400, 10),
        (4 * MINUTE_MS, 429, 2),
        (4 * MINUTE_MS, 503, 1),
        (50 * MINUTE_MS, 200, 990),
        (50 * MINUTE_MS, 400, 10),
        (20 * HOUR_MS, 400, 1),
        (30 * HOUR_MS, 200, 7),
    )
    made.count(NOW_MS - 40 * HOUR_MS, 400)
    made.skewed = 3
    made.bad_request_seen = NOW_MS - 4 * MINUTE_MS
    return made


ROWS = {
    "api.shop.example": shop(),
    "api.shop.example:8443": row(7, (10_000, 200, 4), (10_000, 404, 4)),
    "idle.example": row(9, (3 * HOUR_MS, 200, 5)),
    "maps.example": row(40, (30_000, 400, 3), (30_000, 200, 1)),
    "räksmörgås.example": row(3, (1_000, 401, 1)),
    "with/slash and 100%.example": row(2, (1_000, 403, 2)),
}


def command(kind: str, target: str, job_id: str | None = None, **changes: object) -> Command:
    """A command of this scope, quarantined a minute ago for 15 minutes unless said otherwise."""
    opened_at = NOW_MS - MINUTE_MS
    fields = {
        "command_id": f"cmd-{kind}-{target}-{job_id}",
        "scope": Scope(kind=kind, target=target, job_id=job_id),
        "sequence": 1,
        "state": "quarantined",
        "reason": "400 Bad Request: malformed JSON",
        "issued_by": "halt400.detect",
        "opened_at": opened_at,
        "issued_at": opened_at,
        "expires_at": opened_at + 15 * MINUTE_MS,
        "source": Source(topic="halt400.responses", partition=1, offset=4711),
        "diagnosis": Diagnosis(
            cause="malformed_json",
            blame="request",
            confidence=0.99,
            remedy="Remove the comma before the closing brace.",
            evidence=[Evidence(where="body", detail="trailing comma", offset=46, line=1, column=47)],
        ),
        "windows": [window_counts(ROWS["api.shop.example"], 300, NOW_MS).figures()],
        "archive_uri": "file:///var/lib/halt400/archive/api.shop.example/1.har",
        **changes,
    }
    return Command(**fields)


COMMANDS = [
    command("job", "api.shop.example", "extract-099"),
    command("job", "api.shop.example", "extract-100", state="probing", issued_at=NOW_MS - 1_000),
    command("job", "api.shop.example", "extract-101", state="released", sequence=2),
    command("job", "api.shop.example", "extract-102", expires_at=NOW_MS - 1),
    command("target", "maps.example"),
    command("job", "maps.example", "team/night run"),
]


REPORTS = [
    Savings(gate=f"gate/{number}", scope=COMMANDS[0].scope, opened_at=COMMANDS[0].opened_at, requests=n, time=NOW_MS)
    for number, n in ((1, 4998), (2, 17))
]


SECRET = "sk-live-4f9a8b7c6d5e4f3a2b1c"


def offence(number: int, **changes: object) -> Offence:
    """A 400 of the job extract-099, its request with a secret in address, header and body."""
    event = ResponseEvent(
        id=f"ev-{number}",
        time=NOW_MS - 10_000 + number,
        target="api.shop.example",
        job_id="extract-099",
        release="2025.12.1",
        proxy=Proxy(id="proxy-7"),
        request=Request(
            method="POST",
            url=f"https://api.shop.example/v2/search?api_key={SECRET}&page={number}",
            headers=[("Content-Type", "application/json"), ("Authorization", f"Bearer {SECRET}")],
            body='{"page": ' + str(number) + ', "password": "' + SECRET + '",}',
        ),
        response=Response(status=400, headers=[("Content-Type", "text/plain")], body="bad request"),
    )
    source = Source(topic="halt400.responses", partition=1, offset=4711 + number)
    fields = {
        "target": event.target,
        "event": event,
        "source": source,
        "archive_uri": f"file:///var/lib/halt400/archive/api.shop.example/{number}.har",
        "seen_at": event.time + 500,
        "command_id": COMMANDS[0].command_id,
        "opens": number == 0,
        "diagnosis": COMMANDS[0].diagnosis,
        **changes,
    }
    return Offence(**fields)


OFFENCES = [offence(0), offence(1), offence(2, diagnosis=None, command_id=None)]
FINDINGS = [
    Finding(
        finding_id="fnd-1", kind="poison_item", severity="ticket", at_ms=NOW_MS - 9_000, summary="One job fails.",
        target="api.shop.example", jobs=("extract-099",),
    ),
    Finding(
        finding_id="fnd-2", kind="fleet_fault", severity="page", at_ms=NOW_MS - 8_000, summary="Many targets fail.",
        targets=("api.shop.example", "maps.example"),
    ),
]  # fmt: skip
DEAD_LETTERS = [
    (b"api.shop.example", b'{"id": 1, "password": "' + SECRET.encode() + b'"}', "invalid_event"),
    (b"\xff", b"\xff\x00" * 40_000, "undecodable"),
]


def incidents() -> list[Incident]:
    """One open incident of two jobs that one sink was sent, and one that is closed, for which a sink was away."""
    opened = Incidents(0)
    opened.apply(COMMANDS[0], NOW_MS)
    (key,) = opened.by_key
    opened.record_sent(key, "channel", sent(NOW_MS - 50_000))
    closed = Incidents(1)
    closed.apply(COMMANDS[4], NOW_MS - 1_000)
    (other,) = closed.by_key
    closed.record_sent(other, "oncall", sent(NOW_MS - 40_000, undelivered=True))
    released = msgspec.structs.replace(COMMANDS[4], state="released", sequence=2, issued_by="alice", reason="mended")
    closed.apply(released, NOW_MS)
    return [opened.by_key[key], closed.by_key[other]]


def sent(at: int, **changes: object) -> LastSent:
    """What a sink was sent at a time."""
    fields = {"route": "all", "action": "trigger", "severity": "ticket", "digest": "d", "episode": 1, "first_at": at}
    return LastSent(at=at, **{**fields, **changes})


async def write_fleet(kafka: KafkaSettings) -> None:
    """Write rows and commands, keyed and partitioned as the worker does."""
    rows = [(name.encode(), encode_row(row)) for name, row in ROWS.items()]
    await write(kafka, "rates", rows)
    await write(kafka, "control", [(found.scope.id.encode(), msgspec.json.encode(found)) for found in COMMANDS])
    await write(kafka, "savings", [(savings_key(found), msgspec.json.encode(found)) for found in REPORTS])
    await write(kafka, "alerts", [(found.key.encode(), encode_incident(found)) for found in incidents()])
    await write(kafka, "alerts", [(acknowledgement_key("api.shop.example/none"), b'{"by":"alice","at":1}')])
    await write(kafka, "offences", [(found.target.encode(), msgspec.json.encode(found)) for found in OFFENCES])
    await write(
        kafka, "findings", [((found.target or "fleet").encode(), msgspec.json.encode(found)) for found in FINDINGS]
    )
    for key, value, code in DEAD_LETTERS:
        await write(kafka, "responses.dlq", [(key, value)], headers(code))


def headers(code: str) -> list[tuple[str, bytes]]:
    """The headers of a dead letter, as the worker writes them."""
    found = {"error": code, "message": f"{code}: not taken", "topic": "responses", "partition": "2", "offset": "17"}
    return [(f"halt400.{name}", value.encode()) for name, value in found.items()]


async def write(
    kafka: KafkaSettings,
    topic: str,
    records: list[tuple[bytes, bytes | None]],
    headers: list[tuple[str, bytes]] | None = None,
) -> None:
    """Write records and wait for the broker's acknowledgement."""
    async with AIOKafkaProducer(**kafka.connection.client_options(), acks="all") as producer:
        for sent in [await producer.send(kafka.topic(topic), value, key, headers=headers) for key, value in records]:
            await sent
