"""Counting, archiving and commanding stay exact while workers are killed, added and moved."""

import asyncio
import random
import signal
import time
from collections import Counter

import pytest

from benchmarks.events import Generated, generate
from streams.topics import partition_of
from tests.worker.archived import assert_archived
from tests.worker.conftest import PARTITIONS, Cluster, counts, totals

pytestmark = pytest.mark.slow

EVENTS = 200_000
TARGETS = 300
KILLS = 5
STORM_KEEP = 1
STORM = {"HALT400_ARCHIVE_STORM_KEEP": str(STORM_KEEP), "HALT400_ARCHIVE_MANIFEST_INTERVAL_S": "1"}


def traffic(count: int, seed: int) -> list[Generated]:
    return list(
        generate(count, targets=TARGETS, bad_request_ratio=0.005, seed=seed, start_ms=int(time.time() * 1000) - 60_000)
    )


def enveloped(events: list[Generated], partition: int) -> list[bytes]:
    """The events of a partition, ten in each record."""
    values = [event.value for event in events if partition_of(event.key, PARTITIONS) == partition]
    return [b"[%b]" % b",".join(values[first : first + 10]) for first in range(0, len(values), 10)]


async def assert_exact(cluster: Cluster, events: list[Generated]) -> None:
    """Every count of every target, every 400's offence and evidence, every command: once and only once."""
    bad_requests = [event for event in events if event.status == 400]
    assert totals(await cluster.rows()) == counts((event.target, event.status) for event in events)

    offences = {offence.source: offence for offence in await cluster.offences()}
    assert Counter(offence.target for offence in offences.values()) == Counter(event.target for event in bad_requests)

    commands = await cluster.commands()
    pointed_to = {command.archive_uri for command in commands}
    assert {offence.archive_uri for offence in offences.values() if offence.opens} == pointed_to
    assert len({command.command_id for command in commands}) == len(commands), "a command was issued twice"
    assert {command.scope.id for command in commands} == {f"job/{e.target}/{e.job_id}" for e in bad_requests}
    assert {offence.command_id for offence in offences.values()} == {command.command_id for command in commands}

    assert await cluster.lag("responses", "offences") == 0
    assert assert_archived(cluster, list(offences.values()), STORM_KEEP) < len(bad_requests)


async def test_counts_are_exact_after_a_worker_was_killed_five_times(cluster: Cluster) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    moments = random.Random(seed)
    events = traffic(EVENTS, seed)
    publishing = asyncio.create_task(cluster.publish(((e.key, e.value) for e in events), per_s=EVENTS / 50))
    for _ in range(KILLS):
        before = await cluster.committed()
        worker = cluster.start_worker(HALT400_WORKER_POLL_RECORDS="500", **STORM)
        await cluster.until(lambda before=before: committed_more_than(cluster, before))
        await asyncio.sleep(moments.uniform(0.0, 1.5))
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    cluster.start_worker(**STORM)
    await publishing
    await cluster.until_idle("responses", "offences")
    assert cluster.stop_workers() == [0]
    await assert_exact(cluster, events)


async def committed_more_than(cluster: Cluster, count: int) -> bool:
    return await cluster.committed() > count


async def test_counts_are_exact_with_two_workers_of_which_one_is_killed_and_one_added(cluster: Cluster) -> None:
    """Half of the events share records: workers die in the midst of those, too."""
    events = traffic(60_000, seed=7)
    first, _second = cluster.start_worker(**STORM), cluster.start_worker(**STORM)
    publishing = asyncio.gather(
        cluster.publish(((e.key, e.value) for e in events[::2]), per_s=1_000),
        *(
            cluster.publish(((None, value) for value in enveloped(events[1::2], number)), per_s=25, partition=number)
            for number in range(PARTITIONS)
        ),
    )
    await cluster.until(lambda: committed_more_than(cluster, 10_000))
    first.send_signal(signal.SIGKILL)
    cluster.start_worker(**STORM)
    await publishing
    # It has work before it is stopped, also where the machine is so busy that the other could do all of it meanwhile.
    await cluster.until(lambda: "Ready:" in cluster.logs[-1].read_text())
    await cluster.until_idle("responses", "offences")
    assert cluster.stop_workers() == [0, 0]
    await assert_exact(cluster, events)
