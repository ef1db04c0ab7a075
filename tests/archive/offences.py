"""Offences for the archive's tests, as records of the log and as evidence in an archive."""

from collections.abc import Sequence
from typing import Any

import msgspec
from aiokafka import AIOKafkaProducer
from faust.types import TP

from halt400.records import (
    Client,
    Diagnosis,
    Evidence,
    Fingerprints,
    Offence,
    Proxy,
    Request,
    Response,
    ResponseEvent,
    Source,
)
from halt400.redaction import RedactionRules, Redactor
from streams import topics
from streams.archive import Archive, ArchiveWriter
from streams.archive.object_names import object_key
from streams.archive.offence_archiver import OffenceArchiver
from streams.archive.offence_counts import OffenceCounts
from streams.settings import KafkaSettings
from streams.transport import Watermarks

REDACTION_KEY = "the key of the archive's tests"
redactor = Redactor(RedactionRules(), REDACTION_KEY.encode())

BODY = '{"query": "{ product(id: 42) { name, price } }", "password": "hunter2hunter2", }'
TIME_MS = 1_760_000_000_000
SECRETS = [
    *("hunter2", "qz-81-Klm-99", "abcdefgh12345678", "0123456789abcdef", "fedcba9876543210", "s3cret-Passw0rd"),
    *("unter2hunter2",),
]


def offence(offset: int = 7, *, target: str = "api.shop.example", time_ms: int = TIME_MS, **request: Any) -> Offence:
    """An offence as the detect agent writes it, from partition 3 of `responses`."""
    given: dict[str, Any] = {
        "method": "POST",
        "url": "https://api.shop.example/v1/products?page=3&api_key=qz-81-Klm-99",
        "headers": [
            ("Host", "api.shop.example"),
            ("User-Agent", "python-httpx/0.28.1"),
            ("Accept", "application/json"),
            ("Content-Type", "application/json"),
            ("Authorization", "Bearer abcdefgh12345678"),
            ("Cookie", "sid=0123456789abcdef; theme=dark"),
            ("Content-Length", str(len(BODY))),
        ],
        "body": BODY,
        "body_size": len(BODY),
    }
    given.update(request)
    return Offence(
        target=target,
        event=ResponseEvent(
            id=f"event-{offset}",
            time=time_ms,
            target=target,
            job_id="extract-099",
            request=Request(**given),
            response=Response(
                status=400,
                headers=[("Content-Type", "application/json"), ("Set-Cookie", "sid=fedcba9876543210; Path=/")],
                body='{"error": "invalid api key qz-81-Klm-99"}',
                body_size=41,
            ),
            proxy=Proxy(id="http://ann:s3cret-Passw0rd@proxy.example:8080", pool="eu"),
            client=Client(name="httpx", version="0.28.1"),
            duration_ms=12.5,
        ),
        source=Source(topic="halt400.responses", partition=3, offset=offset),
        archive_uri=f"s3://evidence/{offset}",
        seen_at=time_ms + 5,
        command_id="c-1",
        fingerprints=Fingerprints(request="ab" * 16, signature="cd" * 16),
        diagnosis=Diagnosis(
            cause="malformed_json",
            blame="request",
            confidence=0.99,
            remedy="Remove the comma.",
            evidence=[
                Evidence(where="body", detail="trailing comma", offset=80, excerpt='unter2hunter2", }', caret=15)
            ],
        ),
    )


class OffenceRecord:
    """A record of `offences` as the archive agent receives it."""

    timestamp = 0

    def __init__(self, offset: int, value: Offence | bytes | None) -> None:
        self.offset = offset
        self.value = msgspec.json.encode(value) if isinstance(value, Offence) else value


def key_of(offence: Offence) -> str:
    """The key of its object."""
    return object_key(offence.source, offence.target, offence.event.time)


async def publish(kafka: KafkaSettings, offences: Sequence[Offence]) -> None:
    """Write offences to the log, keyed as the worker does."""
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers) as producer:
        for one in offences:
            await producer.send(kafka.topic(topics.OFFENCES), msgspec.json.encode(one), key=one.target.encode())


async def archive_records(
    archive: Archive, tp: TP, records: Sequence[OffenceRecord], *, storm_keep: int | None = None
) -> int | None:
    """Archive records of a partition as one fold, with their manifests; the offset that may be committed."""
    writer, watermarks = ArchiveWriter(archive, parallel=4), Watermarks()
    counts = OffenceCounts(archive, writer, watermarks, storm_keep=storm_keep)
    await OffenceArchiver(writer, redactor, counts).archive(tp, len(records), records)
    counts.advance(tp, len(records))
    await counts.flush()
    await writer.stop()
    return watermarks.of(tp)
