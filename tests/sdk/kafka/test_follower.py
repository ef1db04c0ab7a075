import asyncio

import pytest
from aiokafka import AIOKafkaProducer

from halt400.errors import BrokerUnavailable, TopicMismatch
from halt400.kafka.follower import Follower
from halt400.kafka.latest import Changes
from tests.waiting import until

from .. import topics

pytestmark = pytest.mark.broker


@pytest.fixture
async def topic(kafka: str, prefix: str) -> str:
    name = f"{prefix}followed"
    await topics.create(kafka, name, partitions=3)
    return name


async def test_the_last_value_of_every_key_is_kept_and_deleted_keys_are_gone(kafka: str, topic: str) -> None:
    await topics.write(kafka, topic, [(b"a", b"1"), (b"b", b"1"), (b"c", b"1"), (b"a", b"2"), (b"b", None)])
    async with Follower(kafka, topic) as follower, asyncio.timeout(20):
        await follower.wait_caught_up()
        assert follower.values == {b"a": b"2", b"c": b"1"}
        assert follower.healthy


async def test_caught_up_means_everything_written_before_the_call(kafka: str, topic: str) -> None:
    async with Follower(kafka, topic) as follower, asyncio.timeout(30):
        for round_number in range(5):
            written = {b"key-%d" % number: b"%d" % round_number for number in range(50)}
            await topics.write(kafka, topic, list(written.items()))
            await follower.wait_caught_up()
            assert follower.values == written


async def test_a_poll_reports_each_changed_key_once(kafka: str, topic: str) -> None:
    await topics.write(kafka, topic, [(b"a", b"%d" % number) for number in range(100)])
    told: list[Changes] = []
    async with Follower(kafka, topic, on_changes=told.append) as follower, asyncio.timeout(20):
        await follower.wait_caught_up()
        assert [change[b"a"] for change in told][-1] == b"99"
        assert len(told) < 100
        await topics.write(kafka, topic, [(b"a", None)])
        await follower.wait_until(lambda values: b"a" not in values)
        assert told[-1] == {b"a": None}


async def test_newer_decides_which_value_is_kept(kafka: str, topic: str) -> None:
    await topics.write(kafka, topic, [(b"a", b"1"), (b"a", b"7"), (b"a", b"5"), (b"b", b"3")])
    async with (
        Follower(kafka, topic, newer=lambda old, new: int(new) >= int(old)) as follower,
        asyncio.timeout(20),
    ):
        await follower.wait_caught_up()
        assert follower.values == {b"a": b"7", b"b": b"3"}


async def test_added_partitions_are_followed(kafka: str, topic: str) -> None:
    await topics.write(kafka, topic, [(b"key-%d" % number, b"before") for number in range(20)])
    async with Follower(kafka, topic, metadata_max_age_s=0.2) as follower, asyncio.timeout(30):
        await follower.wait_caught_up()
        await topics.grow(kafka, topic, 8)
        written = {b"key-%d" % number: b"after" for number in range(200)}
        await topics.write(kafka, topic, list(written.items()))
        await follower.wait_until(lambda values: values == written)


async def test_a_missing_topic_is_waited_for_and_not_created(kafka: str, prefix: str) -> None:
    topic = f"{prefix}late"
    async with Follower(kafka, topic, max_backoff_s=0.2) as follower, asyncio.timeout(20):
        assert not follower.healthy
        assert follower.last_contact_age_s is None
        await topics.create(kafka, topic)
        await topics.write(kafka, topic, [(b"a", b"1")])
        await follower.wait_caught_up()
        assert follower.values == {b"a": b"1"}


async def test_with_at_start_raise_a_missing_topic_or_broker_is_an_error(
    kafka: str, prefix: str, unused_port: int
) -> None:
    with pytest.raises(TopicMismatch, match="topics apply"):
        await Follower(kafka, f"{prefix}nowhere", at_start="raise").start()
    with pytest.raises(BrokerUnavailable, match=str(unused_port)):
        await Follower(f"127.0.0.1:{unused_port}", "any", at_start="raise").start()


async def test_a_recreated_topic_is_read_from_its_beginning_and_missing_keys_are_reported(
    kafka: str, topic: str
) -> None:
    await topics.write(kafka, topic, [(b"key-%d" % number, b"old") for number in range(30)])
    told: dict[bytes, bytes | None] = {}
    async with (
        Follower(kafka, topic, on_changes=told.update, stale_after_s=1, max_backoff_s=0.2) as follower,
        asyncio.timeout(40),
    ):
        await follower.wait_caught_up()
        await topics.delete(kafka, topic)
        await topics.create(kafka, topic)
        await topics.write(kafka, topic, [(b"key-1", b"new")])
        await follower.wait_until(lambda values: values == {b"key-1": b"new"})
        assert told == {b"key-1": b"new"} | {b"key-%d" % number: None for number in range(30) if number != 1}
        await follower.wait_caught_up()


async def test_an_error_in_a_callback_ends_the_follower_and_is_its_failure(kafka: str, topic: str) -> None:
    def broken(changes: Changes) -> None:
        raise ZeroDivisionError

    await topics.write(kafka, topic, [(b"a", b"1")])
    async with Follower(kafka, topic, on_changes=broken) as follower, asyncio.timeout(20):
        with pytest.raises(ZeroDivisionError):
            await follower.wait_caught_up()
        assert isinstance(follower.failure, ZeroDivisionError)
        assert not follower.healthy


async def test_stopping_raises_in_callers_that_wait(kafka: str, topic: str) -> None:
    async with asyncio.timeout(20):
        async with Follower(kafka, topic) as follower:
            await follower.wait_caught_up()
            waiting = asyncio.create_task(follower.wait_until(lambda values: b"never" in values))
            await asyncio.sleep(0)
        with pytest.raises(BrokerUnavailable, match="stopped"):
            await waiting
        with pytest.raises(BrokerUnavailable, match="not running"):
            await follower.wait_caught_up()


async def test_what_is_older_than_the_stated_age_is_in_the_values(kafka: str, topic: str) -> None:
    loop = asyncio.get_running_loop()
    async with (
        Follower(kafka, topic) as follower,
        AIOKafkaProducer(bootstrap_servers=kafka, acks="all") as producer,
        asyncio.timeout(60),
    ):
        await follower.wait_caught_up()
        for number in range(25):
            key = b"key-%d" % number
            await producer.send_and_wait(topic, b"1", key)
            acknowledged = loop.time()
            while key not in follower.values:
                assert follower.age_s is not None
                assert loop.time() - follower.age_s < acknowledged, "it says that the record was read"
                await asyncio.sleep(0.005)
            # Somewhere within the half second of a fetch that waits for records.
            await asyncio.sleep(0.023 * (number % 20))


async def test_a_follower_that_is_far_behind_is_not_healthy_though_kafka_answers(kafka: str, topic: str) -> None:
    now, seen = [0.0], []

    def read_slowly(_records: object) -> None:
        now[0] += 6.0
        seen.append((follower.healthy, follower.in_contact))

    follower = Follower(kafka, topic, on_records=read_slowly, clock=lambda: now[0])
    async with follower, asyncio.timeout(60):
        await follower.wait_caught_up()
        # More than a fetch of 8 MiB brings, three times.
        await topics.write(kafka, topic, [(b"a", b"x" * 900_000)] * 30)
        await follower.wait_caught_up()
        assert len(seen) > 3
        assert (False, True) in seen
        await until(lambda: follower.healthy)
