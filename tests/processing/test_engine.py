"""The engine where partitions are revoked while it waits, where records are missing, and while it may be expelled.

Without Kafka.
"""

import asyncio
import time
from collections.abc import Awaitable
from typing import Any

import pytest
from faust.types import TP

from streams.detection import parse_policies
from streams.transport import LostRecords, Membership
from tests.processing.engine_bench import PARTITIONS, EngineBench, acknowledged, fold
from tests.processing.test_partition import event, record


async def test_partitions_revoked_while_fleet_records_are_sent_are_left_to_their_next_owner() -> None:
    sent: list[str] = []

    async def send(topic: str, *_: Any) -> Awaitable[None]:
        sent.append(topic)
        bench.assignment.drop({TP("responses", number) for number in range(PARTITIONS)})
        return acknowledged()

    bench = EngineBench(send)
    await bench.engine.tick()
    assert sent == ["fleet"]
    assert not bench.assignment.partitions


async def test_a_first_fold_starts_where_reading_started_or_nothing_of_it_counts() -> None:
    async def send(*_: Any) -> Awaitable[None]:
        raise AssertionError("nothing is to be sent")

    bench = EngineBench(send)
    bench.watermarks.set_starts({TP("responses", 0): 5, TP("responses", 1): 9})
    with pytest.raises(LostRecords, match="Offsets 5 to 8 were fetched and never read"):
        await bench.engine.process(0, fold(9, 12))
    assert bench.assignment.applied(TP("responses", 0)) is None
    await bench.engine.process(1, fold(9, 12))
    assert bench.assignment.applied(TP("responses", 1)) == 12


def bad_request(offset: int, job_id: str = "extract-099") -> Any:
    now_ms = int(time.time() * 1000)
    return record(offset, event(400, time=now_ms, job_id=job_id), timestamp=now_ms)


async def test_a_worker_that_was_stopped_past_its_session_writes_nothing_before_the_group_confirms_it() -> None:
    """Its hold is over, its rows are changed, a fold is in its hands: all of it may be another worker's by then.

    The command that it issued had the time of now and a sequence that the other worker had passed, so gates took it for
    the newest; its row had the same offset as the other's, and replaced it.
    """
    sent: list[str] = []
    now = [0.0]

    async def send(topic: str, *_: Any) -> Awaitable[None]:
        sent.append(topic)
        return acknowledged()

    membership = Membership(6.0, lambda: now[0])
    membership.joined()
    bench = EngineBench(send, membership, policies=lambda: parse_policies("[defaults]\nhold_s = 1\n"))
    bench.table.acknowledgement = acknowledged()
    await bench.engine.process(0, fold(0, 1, bad_request(0)))
    assert sent == ["control", "offences"]
    now[0] += 60.0
    waiting = asyncio.create_task(bench.engine.process(0, fold(1, 2, bad_request(1, "another"))))
    await bench.engine.tick()
    await bench.engine.checkpoint()
    await asyncio.sleep(0)
    assert sent == ["control", "offences"]
    assert not bench.table.written

    membership.confirm(now[0])
    await waiting
    await bench.engine.checkpoint()
    assert sent == ["control", "offences"] * 2
    assert bench.table.written


async def test_a_fold_of_a_worker_that_was_expelled_is_left_to_the_next_owner() -> None:
    async def send(*_: Any) -> Awaitable[None]:
        raise AssertionError("nothing is to be sent")

    bench = EngineBench(send, Membership(6.0))
    waiting = asyncio.create_task(bench.engine.process(0, fold(0, 1, bad_request(0))))
    await asyncio.sleep(0)
    bench.assignment.drop({TP("responses", 0)})
    await asyncio.wait_for(waiting, 5.0)
    assert bench.assignment.get(0) is None
    # One that comes between the revocation and the recovery does not wait for the group: it is read again.
    await asyncio.wait_for(bench.engine.process(0, fold(1, 2, bad_request(1))), 5.0)
    assert bench.assignment.get(0) is None


@pytest.mark.parametrize("topic", ["responses", "operations"])
async def test_a_fold_that_waited_while_its_partition_was_revoked_makes_no_state_of_it(topic: str) -> None:
    async def send(*_: Any) -> Awaitable[None]:
        raise AssertionError("nothing is to be sent")

    bench = EngineBench(send)
    bench.watermarks.set_starts({TP(topic, 0): 5})
    bench.assignment.drop({TP("responses", 0), TP("operations", 0)})
    apply = bench.engine.process if topic == "responses" else bench.engine.operate
    await apply(0, fold(5, 9))
    assert bench.assignment.get(0) is None
    bench.assign()
    assert bench.assignment.applied(TP(topic, 0)) is None
