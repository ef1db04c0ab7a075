"""The engine where partitions are taken away while it waits for the producer; without Kafka."""

import asyncio
from collections.abc import Awaitable
from functools import partial
from typing import Any

from faust.types import TP

from halt400.follower import Follower
from streams.app import new_app
from streams.engine import Engine, Outputs, partition_of
from streams.fleet import Fleet
from streams.settings import load_settings
from streams.transport import DurableTable, Records, install
from tests.test_partition import rules

PARTITIONS = 4


async def test_partitions_taken_away_while_the_fleet_is_told_of_them_are_left_to_their_next_holder() -> None:
    app = new_app(load_settings(), "worker")
    durability = install(app)
    table = DurableTable(app, name="rates", changelog_name="rates", newer=lambda *_: True, partitions=PARTITIONS)
    said: list[str] = []

    async def send(topic: str, *_: Any) -> Awaitable[None]:
        said.append(topic)
        engine.drop({TP("responses", number) for number in range(PARTITIONS)})
        acknowledged: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        acknowledged.set_result(None)
        return acknowledged

    engine = Engine(
        "responses",
        "operations",
        Outputs("control", "offences", "responses.dlq", "findings", "fleet"),
        rules(),
        table,
        durability,
        send,
        Follower("127.0.0.1:1", "control"),
        Follower("127.0.0.1:1", "fleet"),
        Fleet("responses", PARTITIONS, partial(partition_of, partitions=PARTITIONS)),
    )
    for number in range(PARTITIONS):
        await engine.process(number, Records())
    await engine.tick()
    assert said == ["fleet"]
    assert not engine.states
