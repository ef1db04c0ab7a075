"""What a producer holds is not sent once the group may have given its partitions to another process; a real broker."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.structs import BrokerMetadata

from chaos.links import Link
from streams.local.ports import HOST, free_ports
from streams.transport import Fence, Membership, StaleSend
from tests.waiting import until

pytestmark = pytest.mark.broker

SESSION_S = 6.0


class Fenced:
    """A producer behind the fence that reaches the broker over a link; its clock is set by the test."""

    def __init__(self, producer: AIOKafkaProducer, link: Link, topic: str) -> None:
        self.producer, self.link, self.topic = producer, link, topic
        self.now = 1_000.0
        self.membership = Membership(SESSION_S, lambda: self.now)
        self.fence = Fence(producer, self.membership)

    async def send(self, value: bytes) -> asyncio.Future[Any]:
        sent: asyncio.Future[Any] = await self.producer.send(self.topic, value, partition=0)
        return sent

    async def lapse(self) -> None:
        """Let the session pass, and what is on its way be taken back."""
        self.now += SESSION_S + 1
        connections = self.producer.client._conns
        await until(lambda: not any(one.connected() and one._requests for one in connections.values()))

    def is_waiting(self) -> bool:
        accumulator = self.producer._message_accumulator
        return any(accumulator._batches.values())


@asynccontextmanager
async def fenced(kafka: str, topic: str) -> AsyncIterator[Fenced]:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 1, 1)])
    await admin.close()
    link = Link(free_ports(1)[0], int(kafka.rpartition(":")[2]))
    await link.start()
    producer = AIOKafkaProducer(
        bootstrap_servers=f"{HOST}:{link.port}", enable_idempotence=True, linger_ms=1, metadata_max_age_ms=60_000
    )
    found = Fenced(producer, link, topic)
    # The broker tells clients its own address; this one is to use the link.
    producer.client.cluster.broker_metadata = lambda node: BrokerMetadata(node, HOST, link.port, None)
    await producer.start()
    found.fence.start()
    try:
        yield found
    finally:
        link.heal()
        found.fence.close()
        await producer.stop()
        await found.fence.stop()
        await link.stop()


async def on_the_log(kafka: str, topic: str) -> list[bytes]:
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, enable_auto_commit=False)
    await consumer.start()
    try:
        tp = TopicPartition(topic, 0)
        consumer.assign([tp])
        await consumer.seek_to_beginning(tp)
        end = (await consumer.end_offsets([tp]))[tp]
        values: list[bytes] = []
        while await consumer.position(tp) < end:
            values += [one.value for found in (await consumer.getmany(timeout_ms=200)).values() for one in found]
        return values
    finally:
        await consumer.stop()


async def test_nothing_is_sent_before_the_group_has_given_out_partitions(kafka: str, prefix: str) -> None:
    topic = f"{prefix}early"
    async with fenced(kafka, topic) as one:
        early = await one.send(b"early")
        await until(one.is_waiting)
        one.now += 1.0
        one.membership.confirm(one.now)
        await asyncio.wait_for(early, 30.0)
    assert await on_the_log(kafka, topic) == [b"early"]


async def test_what_waits_behind_lost_answers_is_not_sent_after_a_takeover(kafka: str, prefix: str) -> None:
    topic = f"{prefix}down"
    async with fenced(kafka, topic) as one:
        one.membership.joined()
        await (await one.send(b"first"))
        one.link.stopped.add("down")
        reached = await one.send(b"reached the broker in time")
        await until(lambda: has_log_of(kafka, topic, 2))
        waits = await one.send(b"waited behind it")
        await one.lapse()
        one.link.heal()
        await until(one.is_waiting)
        one.membership.joined()
        for lost in (waits, reached):
            with pytest.raises(StaleSend, match=f"{topic}-0 were not sent: the partitions of this process have moved"):
                await asyncio.wait_for(lost, 30.0)
        await (await one.send(b"after the rebalance"))
    assert await on_the_log(kafka, topic) == [b"first", b"reached the broker in time", b"after the rebalance"]


async def test_what_is_on_its_way_when_the_session_ends_is_taken_back(kafka: str, prefix: str) -> None:
    topic = f"{prefix}up"
    async with fenced(kafka, topic) as one:
        one.membership.joined()
        await (await one.send(b"first"))
        one.link.stopped.add("up")
        lost = await one.send(b"on its way")
        await until(lambda: not one.is_waiting())
        await one.lapse()
        one.link.heal()
        one.membership.joined()
        with pytest.raises(StaleSend):
            await asyncio.wait_for(lost, 30.0)
        await (await one.send(b"after the rebalance"))
    assert await on_the_log(kafka, topic) == [b"first", b"after the rebalance"]


async def test_a_member_that_its_group_has_kept_sends_all_that_waited_once(kafka: str, prefix: str) -> None:
    topic = f"{prefix}kept"
    async with fenced(kafka, topic) as one:
        one.membership.joined()
        await (await one.send(b"first"))
        one.link.stopped.add("down")
        sent = [await one.send(b"reached")]
        await until(lambda: has_log_of(kafka, topic, 2))
        sent.append(await one.send(b"waited"))
        await one.lapse()
        one.link.heal()
        await until(one.is_waiting)
        one.membership.confirm(one.now)
        await asyncio.wait_for(asyncio.gather(*sent), 30.0)
    assert await on_the_log(kafka, topic) == [b"first", b"reached", b"waited"]


async def test_what_is_given_while_a_batch_waits_for_a_connection_has_a_sequence_of_its_own(
    kafka: str, prefix: str
) -> None:
    topic = f"{prefix}cut"
    async with fenced(kafka, topic) as one:
        one.membership.joined()
        await (await one.send(b"first"))
        one.link.cut()
        waiting = one.producer._message_accumulator._batches
        sent = [await one.send(b"tried")]
        await until(lambda: any(batch.retry_count for batches in waiting.values() for batch in batches), passes=True)
        sent.append(await one.send(b"given meanwhile"))
        one.link.heal()
        await asyncio.wait_for(asyncio.gather(*sent), 30.0)
        await (await one.send(b"last"))
    assert await on_the_log(kafka, topic) == [b"first", b"tried", b"given meanwhile", b"last"]


async def test_a_process_that_stops_does_not_wait_for_what_it_may_not_send(kafka: str, prefix: str) -> None:
    topic = f"{prefix}stop"
    async with fenced(kafka, topic) as one:
        one.membership.joined()
        await (await one.send(b"first"))
        await one.lapse()
        lost = await one.send(b"too late")
        one.fence.close()
        await asyncio.wait_for(one.producer.stop(), 10.0)
        with pytest.raises(StaleSend):
            await lost
    assert await on_the_log(kafka, topic) == [b"first"]


async def has_log_of(kafka: str, topic: str, length: int) -> bool:
    return len(await on_the_log(kafka, topic)) == length
