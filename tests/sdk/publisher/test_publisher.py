import asyncio
import gc
import threading
import time

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.partitioner import murmur2

from halt400.errors import PublishError, SettingError
from halt400.events import response_event
from halt400.kafka.connection import KafkaConnection
from halt400.publisher import Publisher
from halt400.records import ResponseEvent
from halt400.sync import SyncPublisher
from tests.broker import decoded

from .. import topics

PARTITIONS = 4


def event_of(number: int, status: int = 200, **more: object) -> ResponseEvent:
    return response_event(
        method="GET",
        url=f"https://host-{number % 7}.example/items/{number}",
        status=status,
        job_id="extract-099",
        event_id=f"event-{number}",
        **more,  # type: ignore[arg-type]
    )


async def responses(kafka: str, prefix: str) -> list[tuple[int, bytes | None, ResponseEvent]]:
    """Everything in the topic: (partition, key, event), each partition in its order; in an array there is no key."""
    places = [TopicPartition(f"{prefix}responses", number) for number in range(PARTITIONS)]
    found = []
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka, auto_offset_reset="earliest", max_partition_fetch_bytes=9 * 1024 * 1024
    )
    async with consumer:
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        while [place for place, end in ends.items() if await consumer.position(place) < end]:
            for place, records in (await consumer.getmany(timeout_ms=200)).items():
                found += [
                    (place.partition, record.key, event)
                    for record in records
                    for event in msgspec.json.decode(
                        record.value if record.value.startswith(b"[") else b"[%b]" % record.value,
                        type=list[ResponseEvent],
                    )
                ]
    return found


@pytest.fixture
async def topic(kafka: str, prefix: str) -> str:
    await topics.create(kafka, f"{prefix}responses", partitions=PARTITIONS, compacted=False)
    return f"{prefix}responses"


@pytest.mark.broker
@pytest.mark.usefixtures("topic")
async def test_every_event_arrives_once_in_order_and_in_its_targets_partition(kafka: str, prefix: str) -> None:
    async with Publisher(KafkaConnection(kafka, prefix)) as publisher:
        for number in range(5000):
            publisher.publish(event_of(number))
        assert await publisher.flush(20)
        stats = publisher.stats
    assert (stats.published, stats.acknowledged, stats.buffered, stats.in_flight) == (5000, 5000, 0, 0)
    found = await responses(kafka, prefix)
    assert len(found) == 5000
    for partition, key, event in found:
        assert partition == (murmur2(event.target.encode()) & 0x7FFFFFFF) % PARTITIONS
        assert key in (None, event.target.encode())
    assert sum(key is None for _, key, _ in found) > 4000, "under load events share records"
    for target in range(7):
        ids = [event.id for _, _, event in found if event.target == f"host-{target}.example"]
        assert ids == [f"event-{number}" for number in range(5000) if number % 7 == target]


@pytest.mark.broker
@pytest.mark.usefixtures("topic")
async def test_a_400_with_the_largest_bodies_arrives_complete(kafka: str, prefix: str) -> None:
    worst = bytes(range(256)) * 40_000
    async with Publisher(KafkaConnection(kafka, prefix)) as publisher:
        publisher.publish(event_of(1, 400, request_body=worst, response_body=worst))
        assert await publisher.flush(20)
        assert publisher.stats.acknowledged == 1
    ((_, _, event),) = await responses(kafka, prefix)
    assert event.request.body_truncated
    assert event.request.body_size == len(worst)


@pytest.mark.broker
@pytest.mark.usefixtures("topic")
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
async def test_one_that_stops_while_it_connects_leaves_no_connection(
    kafka: str, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    for wait_ms in range(30):
        async with Publisher(KafkaConnection(kafka, prefix)):
            await asyncio.sleep(wait_ms / 1000)
    gc.collect()
    assert [record.getMessage() for record in caplog.records] == []


async def test_what_a_finalizer_publishes_is_flushed(unused_port: int) -> None:
    publisher = Publisher(f"127.0.0.1:{unused_port}")
    publisher.start()
    publisher.publish_soon(event_of(1, 400))
    assert not await publisher.flush(0.01)
    publisher.publish_soon(event_of(2, 400))
    await publisher.close(0)
    assert (publisher.stats.published, publisher.stats.rejected, publisher.stats.dropped_bad_requests) == (2, 0, 2)


async def test_without_kafka_publishing_never_waits_and_keeps_the_400s(unused_port: int) -> None:
    async with asyncio.timeout(20):
        publisher = Publisher(f"127.0.0.1:{unused_port}", buffer_bytes=200_000)
        publisher.start()
        began = time.perf_counter()
        for number in range(10_000):
            publisher.publish(event_of(number, 400 if number % 100 == 0 else 200))
        each_us = (time.perf_counter() - began) / 10_000 * 1e6
        stats = publisher.stats
        assert not await publisher.flush(0.05)
        await publisher.close(timeout_s=0.1)
    assert each_us < 1000
    assert stats.dropped > 5000
    assert stats.dropped_bad_requests == 0
    assert stats.buffered + stats.dropped == 10_000
    end = publisher.stats
    assert end.dropped_bad_requests == 100
    assert end.published == end.dropped + end.dropped_bad_requests


@pytest.mark.broker
async def test_events_wait_for_a_missing_topic_and_do_not_create_it(kafka: str, prefix: str) -> None:
    async with Publisher(KafkaConnection(kafka, prefix), max_backoff_s=0.2) as publisher, asyncio.timeout(30):
        publisher.publish(event_of(1))
        assert not await publisher.flush(0.5)
        async with topics.admin_of(kafka) as admin:
            assert f"{prefix}responses" not in await admin.list_topics()
        await topics.create(kafka, f"{prefix}responses", partitions=PARTITIONS, compacted=False)
        assert await publisher.flush()
    assert [event.id for _, _, event in await responses(kafka, prefix)] == ["event-1"]


@pytest.mark.broker
@pytest.mark.usefixtures("topic")
async def test_events_that_cannot_be_published_are_counted(kafka: str, prefix: str) -> None:
    async with Publisher(KafkaConnection(kafka, prefix), sampler=None) as publisher:
        broken = event_of(1)
        broken.worker = "\ud800"
        publisher.publish(broken)
        publisher.publish(event_of(2, worker="w" * 9_000_000))
        publisher.publish("no event")  # type: ignore[arg-type]
        publisher.publish(event_of(3))
        assert await publisher.flush(20)
        assert (publisher.stats.rejected, publisher.stats.acknowledged) == (3, 1)
        with pytest.raises(PublishError, match="event-4"):
            await publisher.put(event_of(4, worker="w" * 9_000_000))
    publisher.publish(event_of(5))
    assert publisher.stats.rejected == 5


@pytest.mark.broker
async def test_one_event_that_the_broker_refuses_leaves_the_batches_as_they_were(kafka: str, prefix: str) -> None:
    topic = f"{prefix}responses"
    await topics.create(kafka, topic, partitions=1, compacted=False, largest_bytes=60_000)
    async with Publisher(KafkaConnection(kafka, prefix), sampler=None, envelopes=False) as publisher:
        for number in range(10):
            publisher.publish(event_of(number, worker="w" * 100_000 if number == 5 else None))
        assert await publisher.flush(20)
        assert (publisher.stats.rejected, publisher.stats.acknowledged) == (1, 9)
        for number in range(10, 110):
            publisher.publish(event_of(number))
        assert await publisher.flush(20)
        # Batches of more than the broker takes are halved until it takes them.
        for number in range(110, 310):
            publisher.publish(event_of(number, worker="w" * 1_000))
        assert await publisher.flush(20)
        assert (publisher.stats.rejected, publisher.stats.acknowledged) == (1, 309)
    found = await topics.batches(kafka, topic)
    assert (sum(found), found[:9], found[9]) == (309, [1] * 9, 100)
    values = await topics.read(kafka, topic)
    ids = [event.id for event in decoded(values)]
    assert ids == [f"event-{number}" for number in range(310) if number != 5]


@pytest.mark.broker
@pytest.mark.usefixtures("topic")
async def test_put_waits_for_room_and_drops_nothing(kafka: str, prefix: str) -> None:
    async with (
        Publisher(KafkaConnection(kafka, prefix), buffer_bytes=20_000, sampler=None) as publisher,
        asyncio.timeout(30),
    ):
        for number in range(3000):
            await publisher.put(event_of(number))
        assert await publisher.flush()
        assert publisher.stats.acknowledged == 3000
        assert publisher.stats.dropped == 0


@pytest.mark.broker
async def test_few_events_have_records_of_their_own_and_many_share_some_unless_it_is_switched_off(
    kafka: str, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = f"{prefix}responses"
    await topics.create(kafka, topic, partitions=1, compacted=False, largest_bytes=60_000)

    async def publish(numbers: range) -> list[int]:
        """Publish some events; how many events each record has that was written."""
        before = sum(await topics.batches(kafka, topic))
        async with Publisher(KafkaConnection(kafka, prefix), sampler=None) as publisher:
            for number in numbers:
                publisher.publish(event_of(number, worker="w" * 40_000 if number % 50 == 49 else None))
            assert await publisher.flush(20)
            assert publisher.stats.acknowledged == len(numbers)
        values = await topics.read(kafka, topic, start=before)
        return [len(msgspec.json.decode(value)) if value.startswith(b"[") else 0 for value in values]

    assert await publish(range(15)) == [0] * 15
    # One of 40,000 bytes among them: the record is closed before it, or is too large and its events go alone.
    assert sum(max(size, 1) for size in await publish(range(100, 250))) == 150
    monkeypatch.setenv("HALT400_ENVELOPES", "false")
    assert await publish(range(300, 349)) == [0] * 49
    ids = []
    for value in await topics.read(kafka, topic):
        found = msgspec.json.decode(value)
        ids += [one["id"] for one in (found if isinstance(found, list) else [found])]
    assert ids == [f"event-{number}" for number in (*range(15), *range(100, 250), *range(300, 349))]


async def test_an_unknown_codec_is_an_error_with_its_name() -> None:
    with pytest.raises(SettingError, match="brotli"):
        Publisher("127.0.0.1:1", compression="brotli")  # type: ignore[arg-type]


@pytest.mark.broker
@pytest.mark.usefixtures("topic")
async def test_several_threads_use_one_synchronous_publisher(kafka: str, prefix: str) -> None:
    def work() -> None:
        with SyncPublisher(KafkaConnection(kafka, prefix)) as publisher:

            def publish(first: int) -> None:
                for number in range(first, first + 500):
                    publisher.publish(event_of(number))

            threads = [threading.Thread(target=publish, args=(first,)) for first in range(0, 2000, 500)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert publisher.flush(20)
            assert publisher.stats.acknowledged == 2000
        publisher.publish(event_of(1))
        assert publisher.stats.rejected == 1

    await asyncio.to_thread(work)
    assert {event.id for _, _, event in await responses(kafka, prefix)} == {f"event-{n}" for n in range(2000)}
