"""A row that cannot be read ends the worker with a way out, after which nothing is missing."""

import json

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from halt400.windows import Row, decode_row
from streams import topics
from tests.cli.command import run
from tests.worker.conftest import PARTITIONS, Cluster, totals
from tests.worker.test_lifecycle import TARGET, event, good, job


@pytest.mark.slow
async def test_a_row_that_cannot_be_read_is_made_anew_from_the_log(cluster: Cluster) -> None:
    cluster.start_worker("--role", "detect")
    array = b"[%b]" % b",".join(value for _, value in good(50))
    await cluster.publish([(None, array)], partition=topics.partition_of(TARGET.encode(), PARTITIONS))
    await cluster.publish([event(400), *good(20, "other.example")])
    await cluster.until_idle()
    running = await run("rebuild", **cluster.settings)
    assert (running.code, "Stop them" in running.err) == (1, True), running.err
    assert cluster.stop_workers() == [0]
    before, partition = totals(await cluster.rows()), await partition_of(cluster, TARGET)
    await cluster.publish([(TARGET.encode(), b"no row")], topic="rates", partition=partition)

    worker = cluster.start_worker("--role", "detect")
    await cluster.until(lambda: worker.poll() is not None)
    assert worker.returncode == 70
    assert "run `halt400 rebuild`" in cluster.log_text(), cluster.log_text()

    planned = await run("rebuild", "--dry-run", "--format", "json", **cluster.settings)
    [row] = json.loads(planned.out)
    assert (row["target"], row["responses"], row["quarantines"]) == (TARGET, 51, 1), planned.err
    made = await run("rebuild", **cluster.settings)
    assert (made.code, "1 row made anew." in made.out) == (0, True), made.err
    assert "Every row can be read." in (await run("rebuild", **cluster.settings)).out

    cluster.start_worker("--role", "detect")
    await cluster.publish([event(200)])
    await cluster.until_idle()
    assert cluster.stop_workers() == [0]
    before[TARGET].update({"responses": 1, "2xx": 1})
    assert totals(await last_rows(cluster)) == before
    await check_missing_rows(cluster, before)
    assert (await cluster.latest())[job("job-0").id].state == "quarantined"


async def check_missing_rows(cluster: Cluster, before: dict[str, dict[str, int]]) -> None:
    """The topic is cut, or lost: its rows are made anew, but for those that were deleted."""
    name = f"{cluster.prefix}rates"
    rates = TopicPartition(name, await partition_of(cluster, TARGET))
    end = max(record.offset for record in await cluster.read("rates") if record.partition == rates.partition) + 1
    admin = AIOKafkaAdminClient(bootstrap_servers=cluster.bootstrap_servers)
    await admin.start()
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, {"cleanup.policy": "compact,delete"})])
    await admin.delete_records({rates: RecordsToDelete(end)})
    await admin.close()
    assert TARGET not in await last_rows(cluster)
    assert "Every row can be read." in (await run("rebuild", **cluster.settings)).out
    made = await run("rebuild", "--missing", **cluster.settings)
    assert made.code == 0, made.err
    assert "It is missing." in made.out
    assert totals(await last_rows(cluster)) == before
    assert "Every row is there" in (await run("rebuild", "--missing", **cluster.settings)).out


async def last_rows(cluster: Cluster) -> dict[str, Row]:
    """The last row of each target, whatever was before it."""
    values: dict[str, bytes | None] = {}
    for record in await cluster.read("rates"):
        assert record.key is not None
        values[record.key.decode()] = record.value
    return {name: decode_row(value) for name, value in values.items() if value is not None}


async def partition_of(cluster: Cluster, target: str) -> int:
    return next(record.partition for record in await cluster.read("rates") if record.key == target.encode())
