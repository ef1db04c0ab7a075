"""The recent offences, findings and dead letters: what is kept of each record, and the whole of one, redacted."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, TypeVar

import msgspec
import orjson
from msgspec import Struct

from halt400.kafka.connection import KafkaConnection
from halt400.records import UNDECODABLE, Diagnosis, Fingerprints, Offence, Source
from halt400.start_stop import StartStop
from streams import topics
from streams.api.log_models import DeadLetter, OffenceSummary
from streams.api.recent_records import RecentRecords
from streams.api.record_lookup import RecordLookup
from streams.api.shown_texts import ShownTexts
from streams.archive.har import har_of
from streams.archive.offence_archiver import redact_and_cut
from streams.dead_letters.refused_record import RedriveMark, mark_of
from streams.detection import Finding

__all__ = ["DLQ_TOPICS", "LogRecords", "parse_place"]

T = TypeVar("T")

VALUE_SHOWN_BYTES = 64 * 1024
LONGEST_TEXT = 500
LONGEST_URL = 2000
MOST_MARKS = 10_000
DLQ_TOPICS = (topics.RESPONSES_DLQ, topics.ALERTS_DLQ)


class LogRecords(StartStop):
    """Follows the newest records of `offences`, `findings`, `responses.dlq` and `alerts.dlq`.

    Parameters
    ----------
    partitions
        Partitions of each topic.
    texts
        Removes secrets from what is answered.
    on_new
        Called with the topic and what is new on it.
    """

    def __init__(
        self,
        kafka: KafkaConnection,
        partitions: int,
        texts: ShownTexts,
        on_new: Callable[[str, Sequence[Any]], None] = lambda topic, values: None,
    ) -> None:
        self._kafka, self._texts = kafka, texts

        def recent(topic: str, summarize: Callable[[Any], T | None]) -> RecentRecords[T]:
            return RecentRecords(
                kafka, kafka.topic(topic), partitions, summarize, on_new=lambda values: on_new(topic, values)
            )

        self.offences = recent(topics.OFFENCES, _offence)
        self.findings = recent(topics.FINDINGS, _finding)
        self.dead_letters: dict[str, RecentRecords[DeadLetter]] = {
            topics.RESPONSES_DLQ: recent(topics.RESPONSES_DLQ, self._recent_dead_response),
            topics.ALERTS_DLQ: recent(topics.ALERTS_DLQ, _dead_alert),
        }
        self._redriven: dict[str, RedriveMark] = {}
        self._lookup = RecordLookup(kafka)

    @property
    def readers(self) -> tuple[RecentRecords[Any], ...]:
        """The reader of each topic."""
        return self.offences, self.findings, *self.dead_letters.values()

    def start(self) -> None:
        """Begin to read, and return at once."""
        for reader in self.readers:
            reader.start()

    async def stop(self) -> None:
        """Stop reading."""
        for reader in self.readers:
            await reader.stop()
        await self._lookup.stop()

    def redacted(self, offence: OffenceSummary) -> OffenceSummary:
        """Return the offence without secrets."""
        texts, diagnosis = self._texts, offence.diagnosis
        return msgspec.structs.replace(
            offence,
            url=texts.url(offence.url),
            proxy=None if offence.proxy is None else texts.text(offence.proxy),
            diagnosis=None if diagnosis is None else texts.diagnosis(diagnosis),
        )

    def letters(self, names: Iterable[str]) -> list[DeadLetter]:
        """Return the recent dead letters of these topics, the newest first."""
        found = [letter for name in names for letter in self.dead_letters[name].newest(lambda letter: letter.at)]
        found.sort(key=lambda letter: -letter.at)
        return list(map(self._with_mark, found))

    async def offence(self, place: tuple[int, int]) -> Offence | None:
        """Return one offence as it may be archived, read from the broker; None where there is none.

        Raises
        ------
        BrokerUnavailable
            Kafka does not answer.
        """
        record = await self._lookup.record(self._kafka.topic(topics.OFFENCES), *place)
        if record is None or record.value is None:
            return None
        try:
            return redact_and_cut(self._texts.redactor, _decode_whole(record.value))
        except UNDECODABLE:
            return None

    async def dead_letter(self, topic: str, place: tuple[int, int]) -> tuple[DeadLetter, str, bool] | None:
        """Return one dead letter, the beginning of its value as redacted text, and whether that is not all of it.

        Raises
        ------
        BrokerUnavailable
            Kafka does not answer.
        """
        record = await self._lookup.record(self._kafka.topic(topic), *place)
        if record is None:
            return None
        value: bytes = record.value or b""
        text = value[:VALUE_SHOWN_BYTES].decode(errors="replace")
        kept = _dead_response(record) if topic == topics.RESPONSES_DLQ else _dead_alert(record)
        return self._with_mark(kept), self._texts.redactor.text(text), len(value) > VALUE_SHOWN_BYTES

    def _recent_dead_response(self, record: Any) -> DeadLetter | None:
        """What is kept of a record of `responses.dlq`; a mark comes after its dead letter, in the same partition."""
        mark = mark_of(record)
        if mark is None:
            return _dead_response(record)
        self._redriven[mark.letter_id] = mark
        if len(self._redriven) > MOST_MARKS:
            del self._redriven[next(iter(self._redriven))]
        return None

    def _with_mark(self, letter: DeadLetter) -> DeadLetter:
        mark = self._redriven.get(letter.id) if letter.topic == topics.RESPONSES_DLQ else None
        return letter if mark is None else msgspec.structs.replace(letter, redriven=True, redriven_by=mark.by)

    def har(self, offence: Offence) -> dict[str, Any]:
        """Return an offence as a HAR file, decoded."""
        found: dict[str, Any] = orjson.loads(har_of(offence))
        del found["log"]["entries"][0]["_halt400"]
        return found


def parse_place(text: str) -> tuple[int, int] | None:
    """Parse an id such as ``3-4711`` to partition and offset; None where it is none."""
    partition, dash, offset = text.partition("-")
    if not (dash and partition.isascii() and offset.isascii() and partition.isdigit() and offset.isdigit()):
        return None
    place = int(partition), int(offset)
    return place if place[0] < 1 << 31 and place[1] < 1 << 63 else None


class _NamedRequest(Struct):
    method: str
    url: str


class _StatusOnly(Struct):
    status: int


class _Named(Struct):
    id: str = ""
    name: str = ""


class _EventHead(Struct):
    time: int
    job_id: str
    request: _NamedRequest
    response: _StatusOnly
    attempt: int = 1
    release: str | None = None
    worker: str | None = None
    region: str | None = None
    proxy: _Named | None = None
    client: _Named | None = None


class _RecentOffence(Struct):
    target: str
    event: _EventHead
    source: Source
    archive_uri: str
    seen_at: int
    command_id: str | None = None
    opens: bool = False
    fingerprints: Fingerprints | None = None
    diagnosis: Diagnosis | None = None


_decode_recent = msgspec.json.Decoder(_RecentOffence).decode
_decode_whole = msgspec.json.Decoder(Offence).decode
_decode_finding = msgspec.json.Decoder(Finding).decode


def _offence(record: Any) -> OffenceSummary | None:
    try:
        found = _decode_recent(record.value or b"")
    except UNDECODABLE:
        return None
    event = found.event
    return OffenceSummary(
        id=_place_id(record),
        time=event.time,
        seen_at=found.seen_at,
        target=found.target,
        job_id=event.job_id,
        method=event.request.method,
        url=event.request.url[:LONGEST_URL],
        status=event.response.status,
        attempt=event.attempt,
        release=event.release,
        worker=event.worker,
        region=event.region,
        proxy=event.proxy.id if event.proxy else None,
        client=event.client.name if event.client else None,
        opens=found.opens,
        command_id=found.command_id,
        source=found.source,
        archive_uri=found.archive_uri,
        diagnosis=found.diagnosis,
        fingerprints=found.fingerprints,
    )


def _finding(record: Any) -> Finding | None:
    try:
        return _decode_finding(record.value or b"")
    except UNDECODABLE:
        return None


_INDEX = re.compile(r"[0-9]{1,9}")


def _dead_response(record: Any) -> DeadLetter:
    return _dead_letter(record, "responses.dlq")


def _dead_alert(record: Any) -> DeadLetter:
    return _dead_letter(record, "alerts.dlq")


def _dead_letter(record: Any, topic: Literal["responses.dlq", "alerts.dlq"]) -> DeadLetter:
    headers = {
        name.removeprefix("halt400."): value.decode(errors="replace")[:LONGEST_TEXT]
        for name, value in record.headers
        if name.startswith("halt400.") and value is not None
    }
    partition, offset = headers.get("partition", ""), headers.get("offset", "")
    place = parse_place(f"{partition}-{offset}")
    return DeadLetter(
        id=_place_id(record),
        topic=topic,
        at=max(record.timestamp, 0),
        error=headers.get("error", "unknown"),
        message=headers.get("message", ""),
        key=None if record.key is None else record.key.decode(errors="replace")[:LONGEST_TEXT],
        size_bytes=len(record.value or b""),
        source=None
        if place is None
        else Source(
            topic=headers.get("topic", "") or "unknown",
            partition=place[0],
            offset=place[1],
            index=int(index) if _INDEX.fullmatch(index := headers.get("index", "")) else 0,
        ),
        sink=headers.get("sink"),
        route=headers.get("route"),
        incident=headers.get("incident"),
    )


def _place_id(record: Any) -> str:
    return f"{record.partition}-{record.offset}"
