"""The engine where partitions are taken away while it waits for the producer, and where records are missing.

Without Kafka.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
from faust.types import TP

from halt400.kafka.follower import Follower
from streams.fleet_cap.participant import CapParticipant
from streams.processing.engine import Engine, OutputTopics, partition_of
from streams.settings import load_settings
from streams.transport import DurableTable, LostRecords, Records, Watermarks, install
from streams.worker.faust_app import new_app
from tests.processing.test_partition import rules

PARTITIONS = 4


def make_engine(send: Callable[..., Awaitable[Awaitable[None]]]) -> tuple[Engine, Watermarks]:
    app = new_app(load_settings(), "worker")
    watermarks = install(app)
    table = DurableTable(app, name="rates", changelog_name="rates", newer=lambda *_: True, partitions=PARTITIONS)
    engine = Engine(
        "responses",
        "operations",
        OutputTopics("control", "offences", "responses.dlq", "findings", "fleet"),
        rules(),
        table,
        watermarks,
        send,
        Follower("127.0.0.1:1", "control"),
        Follower("127.0.0.1:1", "fleet"),
        CapParticipant("responses", PARTITIONS, partial(partition_of, partitions=PARTITIONS)),
    )
    return engine, watermarks


async def test_partitions_taken_away_while_the_fleet_is_told_of_them_are_left_to_their_next_holder() -> None:
    said: list[str] = []

    async def send(topic: str, *_: Any) -> Awaitable[None]:
        said.append(topic)
        engine.drop({TP("responses", number) for number in range(PARTITIONS)})
        acknowledged: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        acknowledged.set_result(None)
        return acknowledged

    engine, _ = make_engine(send)
    for number in range(PARTITIONS):
        await engine.process(number, Records())
    await engine.tick()
    assert said == ["fleet"]
    assert not engine.states


async def test_a_first_fold_begins_where_reading_began_or_nothing_of_it_counts() -> None:
    async def send(*_: Any) -> Awaitable[None]:
        raise AssertionError("nothing is to be sent")

    engine, watermarks = make_engine(send)
    watermarks.set_starts({TP("responses", 0): 5, TP("responses", 1): 9})
    with pytest.raises(LostRecords, match="Offsets 5 to 8 were fetched and never read"):
        await engine.process(0, fold(9, 12))
    assert engine.applied(TP("responses", 0)) is None
    await engine.process(1, fold(9, 12))
    assert engine.applied(TP("responses", 1)) == 12


def fold(start: int, end: int) -> Records:
    records = Records()
    records.start, records.end = start, end
    return records
