"""The broker dies and comes back under a scraper; one broker of this module's own, because it is killed."""

import asyncio
import gc
import logging
from collections.abc import Iterator

import pytest

from halt400.events import response_event
from halt400.gate import Gate
from halt400.kafka.connection import KafkaConnection
from halt400.publisher import Publisher
from streams.local import LocalKafka
from tests.servers import QUICK_JAVA

from .. import topics
from ..commands import JOB, TARGET, command, record

pytestmark = [pytest.mark.broker, pytest.mark.slow]


@pytest.fixture
def own_kafka() -> Iterator[LocalKafka]:
    with LocalKafka(heap="384m", java_options=QUICK_JAVA) as broker:
        yield broker


async def test_a_scraper_survives_an_outage_of_its_broker(
    own_kafka: LocalKafka, caplog: pytest.LogCaptureFixture
) -> None:
    servers = own_kafka.bootstrap_servers
    await topics.create(servers, "control")
    await topics.create(servers, "responses", compacted=False)
    await topics.write(servers, "control", [record(command())])
    async with (
        asyncio.timeout(150),
        Gate(KafkaConnection(servers, ""), stale_after_s=2) as gate,
        Publisher(KafkaConnection(servers, ""), stale_after_s=3, max_backoff_s=0.5) as publisher,
    ):
        await gate.wait_caught_up()
        publisher.publish(response_event(method="GET", url="https://a.example/", status=200, job_id=JOB))
        assert await publisher.flush(20)

        await asyncio.to_thread(own_kafka.kill)
        for number in range(200):
            publisher.publish(
                response_event(method="GET", url="https://a.example/", status=400, job_id=JOB, event_id=f"e-{number}")
            )
        while gate.healthy:  # noqa: ASYNC110 - the deadline is the block's
            await asyncio.sleep(0.05)
        assert not gate.is_open(TARGET, JOB)
        assert publisher.stats.acknowledged == 1
        while publisher.connected:  # noqa: ASYNC110
            await asyncio.sleep(0.05)

        await asyncio.to_thread(own_kafka.start)
        await topics.write(servers, "control", [record(command(2, "released"))])
        assert await publisher.flush(60)
        await gate.wait_caught_up()
        assert gate.is_open(TARGET, JOB)
        assert gate.healthy
        assert publisher.stats.acknowledged == 201
        assert publisher.stats.dropped_bad_requests == 0
    gc.collect()
    logged = [record for record in caplog.records if record.levelno >= logging.WARNING]
    # One for each part and kind of error: the connection that is lost, and the one that is not to be had.
    assert {record.name for record in logged} <= {"halt400.kafka.follower", "halt400.publisher.sending_loop"}
    assert len(logged) == len({record.getMessage() for record in logged}) <= 6
