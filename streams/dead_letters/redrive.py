"""Publishes refused records again: what can be taken, under the right key and to the right partition, each once."""

from collections.abc import Callable
from functools import partial
from typing import Literal, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from halt400.kafka.clients import DURABLE, broker_unavailable, close_producer, start_client
from halt400.kafka.connection import KafkaConnection
from halt400.records import UNDECODABLE
from streams import topics
from streams.dead_letters.reading import read_letters
from streams.dead_letters.refused_record import REDRIVEN, RedriveMark, RefusedRecord
from streams.processing.decoding import Record, RecordReader, Refusal, decode_counted, decode_event
from streams.processing.envelopes import event_values, is_envelope

__all__ = ["Redriven", "redrive", "refusal_now"]

BAD_REQUEST = 400


class Redriven(NamedTuple):
    """What was done with one dead letter.

    ``sent``: it was published again; ``waiting``: it would be, in a dry run; ``done``: it was published before;
    ``refused``: the worker would refuse it again, `detail` says why.
    """

    id: str
    target: str
    error: str
    result: Literal["sent", "waiting", "done", "refused"]
    detail: str


def refusal_now(letter: RefusedRecord, kafka: KafkaConnection, partitions: int) -> tuple[str, str | None]:
    """The target of a dead letter, and why the worker would refuse it again; None where it would take it.

    Key and partition are not looked at: it is published with key = target, to the partition where that belongs. The
    events of an array are published one by one; its target is "" where they have several.
    """
    if letter.topic != kafka.topic(topics.RESPONSES):
        return "", f"it came from {letter.topic or 'an unknown topic'}: only events are published again"
    values = event_values(letter.value)
    if not is_envelope(letter.value) or not values:
        return _refusal_of(letter.key, letter.value, partitions)
    found = [_refusal_of(letter.key, value, partitions) for value in values]
    [target, *others] = dict.fromkeys(target for target, _ in found)
    refusals = (f"event {index} of {len(values)}: {why}" for index, (_, why) in enumerate(found) if why is not None)
    return "" if others else target, next(refusals, None)


def _refusal_of(key: bytes | None, value: bytes | None, partitions: int) -> tuple[str, str | None]:
    record = Record(0, 0, key, value)
    partition_of = partial(topics.partition_of, partitions=partitions)
    try:
        event = decode_counted(value or b"")
        if event.response.status == BAD_REQUEST:
            decode_event(value or b"")
    except UNDECODABLE:
        return "", RecordReader(0, partition_of).refuse_event(record).message
    key = event.target.encode()
    reader = RecordReader(partition_of(key), partition_of)
    refusal: Refusal | None = reader.check_place(record._replace(key=key), event.target)
    return event.target, refusal.message if refusal is not None else None


async def redrive(
    kafka: KafkaConnection,
    partitions: int,
    wanted: Callable[[RefusedRecord], bool],
    *,
    dry_run: bool = False,
    by: str | None = None,
    reason: str | None = None,
) -> list[Redriven]:
    """Publish the wanted dead letters again, and mark each on `responses.dlq`, so that a second call leaves it.

    An event keeps its id and its time: where a call is interrupted between the event and its mark, the next one
    publishes the event once more under the same id. Run one call at a time.

    Parameters
    ----------
    partitions
        Of `responses`.
    dry_run
        Publish nothing.
    by, reason
        Who asks and why; the marks record it.

    Raises
    ------
    BrokerUnavailable
        Kafka does not answer.
    """
    before = await read_letters(kafka)
    found: list[Redriven] = []
    producer = AIOKafkaProducer(**DURABLE, max_request_size=topics.LARGEST_RECORD_BYTES, **kafka.client_options())

    async def take(letter: RefusedRecord) -> None:
        if not wanted(letter):
            return
        target, refusal = refusal_now(letter, kafka, partitions)
        if letter.id in before.redriven:
            found.append(Redriven(letter.id, target, letter.error, "done", "published again before"))
        elif refusal is not None:
            found.append(Redriven(letter.id, target, letter.error, "refused", refusal))
        else:
            if not dry_run:
                await _publish(producer, kafka, letter, RedriveMark(letter.id, by, reason))
            found.append(Redriven(letter.id, target, letter.error, "waiting" if dry_run else "sent", ""))

    try:
        if not dry_run:
            await start_client(producer)
        await read_letters(kafka, take=take)
    except (KafkaError, OSError) as error:
        raise broker_unavailable(kafka.servers, error) from error
    finally:
        await close_producer(producer)
    return found


async def _publish(
    producer: AIOKafkaProducer, kafka: KafkaConnection, letter: RefusedRecord, mark: RedriveMark
) -> None:
    headers = [*letter.headers, (REDRIVEN, mark.letter_id.encode())]
    responses, letters = kafka.topic(topics.RESPONSES), kafka.topic(topics.RESPONSES_DLQ)
    for value in event_values(letter.value):
        await producer.send_and_wait(responses, value, key=decode_counted(value).target.encode(), headers=headers)
    partition = int(letter.id.partition("-")[0])
    await producer.send_and_wait(letters, None, key=letter.key or b"", partition=partition, headers=mark.headers())
