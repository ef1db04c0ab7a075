"""A broker that is not there: one line of our own for each part, nothing of its client's, nothing left unretrieved."""

import asyncio
import gc
import logging

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaConnectionError

from halt400 import Gate, Guard, Publisher, SyncGuard, response_event
from halt400.errors import BrokerUnavailable
from halt400.kafka.clients import close_producer, submit_batch


def published(publisher: Publisher) -> None:
    for _ in range(20):
        publisher.publish(response_event(method="GET", url="https://a.example/", status=400, job_id="extract-099"))


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    gc.collect()
    return [record.name.removeprefix("halt400.") for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.slow
async def test_publisher_and_gate_log_one_line_each(unused_port: int, caplog: pytest.LogCaptureFixture) -> None:
    servers = f"127.0.0.1:{unused_port}"
    async with Publisher(servers) as publisher, Gate(servers) as gate:
        published(publisher)
        # Several attempts to connect: the pauses between them double from 0.1 s.
        assert not await gate.wait_caught_up(1.5)
        await publisher.close(0.1)
    assert sorted(lines(caplog)) == ["kafka.follower", "publisher.publisher", "publisher.sending_loop"]


async def test_a_guard_logs_what_it_waited_for(unused_port: int, caplog: pytest.LogCaptureFixture) -> None:
    async with Guard(f"127.0.0.1:{unused_port}", job_id="extract-099", catch_up_s=0.5):
        pass
    assert sorted(lines(caplog)) == ["guard.owners", "kafka.follower", "publisher.sending_loop"]


def test_a_guard_of_synchronous_code_logs_no_more(unused_port: int, caplog: pytest.LogCaptureFixture) -> None:
    with SyncGuard(f"127.0.0.1:{unused_port}", job_id="extract-099", catch_up_s=0.5):
        pass
    assert sorted(lines(caplog)) == ["guard.owners", "kafka.follower", "publisher.sending_loop"]


async def test_a_root_logger_without_a_level_as_scrapys_is_asks_for_no_more(
    unused_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.NOTSET):
        async with Publisher(f"127.0.0.1:{unused_port}") as publisher:
            published(publisher)
            assert not await publisher.flush(0.5)
            await publisher.close(0.1)
    assert sorted(lines(caplog)) == ["publisher.publisher", "publisher.sending_loop"]


async def test_the_applications_own_client_still_logs(unused_port: int, caplog: pytest.LogCaptureFixture) -> None:
    servers = f"127.0.0.1:{unused_port}"
    async with Publisher(servers):
        await asyncio.sleep(0)
        producer = AIOKafkaProducer(bootstrap_servers=servers)
        with pytest.raises(KafkaConnectionError):
            await producer.start()
        await producer.stop()
    assert "aiokafka" in lines(caplog)


async def test_a_producer_that_is_given_up_leaves_nothing_unretrieved(
    unused_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    """One of its batches was sent in vain, and is to be sent again after a pause; the others wait for their turn."""
    producer, partition = AIOKafkaProducer(bootstrap_servers=f"127.0.0.1:{unused_port}"), TopicPartition("a", 0)
    acknowledgements = []
    for _ in range(3):
        batch = producer.create_batch()
        batch.append(key=None, value=b"1", timestamp=None)
        acknowledgements.append(submit_batch(producer, batch, *partition))
    sent = producer._message_accumulator._pop_batch(partition)
    await close_producer(producer)
    errors = await asyncio.gather(*acknowledgements, return_exceptions=True)
    assert [type(error) for error in errors] == [BrokerUnavailable] * 3
    producer._message_accumulator.reenqueue(sent)  # by the request, when the pause is over
    del acknowledgements, batch, errors, producer, sent
    assert lines(caplog) == []
