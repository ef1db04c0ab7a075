"""Kafka dies under an API: its answers are shown as out of date. A broker of this module, which is killed."""

import asyncio
import json
import secrets
from collections.abc import Iterator

import pytest

from streams.api.server import ApiServer
from streams.local import LocalKafka
from streams.settings import load_settings
from streams.topics import apply_topics
from tests.api.fleet import write_fleet
from tests.servers import QUICK_JAVA
from tests.waiting import until

from .command import run

pytestmark = [pytest.mark.broker, pytest.mark.slow]


@pytest.fixture
def own_kafka() -> Iterator[LocalKafka]:
    with LocalKafka(heap="384m", java_options=QUICK_JAVA) as broker:
        yield broker


async def test_what_an_api_without_kafka_answers_is_said_to_be_stale(own_kafka: LocalKafka) -> None:
    settings = load_settings(
        kafka={
            "bootstrap_servers": own_kafka.bootstrap_servers,
            "topic_prefix": f"t-{secrets.token_hex(4)}.",
            "partitions": 1,
        },
        api={"port": 0},
    )
    await apply_topics(settings.kafka)
    await write_fleet(settings.kafka)
    async with ApiServer.of(settings) as server:
        await server.read_model.wait_caught_up()
        fresh = await run("quarantines", "--expired", "--url", server.url)
        assert (fresh.code, fresh.err) == (0, "")
        await asyncio.to_thread(own_kafka.kill)
        await until(lambda: not server.read_model.healthy)
        for command in (["quarantines", "--expired"], ["rates"]):
            stale = await run(*command, "--format", "json", "--url", server.url)
            assert stale.code == 0
            assert stale.err.startswith("Stale: Kafka has not answered the API")
            assert len(stale.err.splitlines()) == 1
            assert json.loads(stale.out)["total"] > 0
