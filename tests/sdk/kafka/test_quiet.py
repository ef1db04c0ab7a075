"""A broker that is not there: one line of our own for each part, nothing of its client's, nothing left unretrieved."""

import asyncio
import gc
import logging

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError

from halt400 import Gate, Guard, Publisher, SyncGuard, response_event


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
