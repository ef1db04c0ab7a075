"""Recorded exchanges through Kafka and a worker in a process of its own."""

import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from streams.settings import Settings
from tests.replay.conftest import CORPORA, run_replay
from tests.worker.archived import assert_archived
from tests.worker.conftest import Cluster


@pytest.fixture
async def cluster(kafka: str, prefix: str, tmp_path: Path) -> AsyncIterator[Cluster]:
    async with Cluster.prepared(kafka, prefix, tmp_path) as cluster:
        yield cluster


async def test_every_job_of_the_recorded_apis_with_a_400_is_halted_once(cluster: Cluster, corpora: Path) -> None:
    files = sorted((corpora / "recorded_api").glob("*.jsonl"))
    recorded = [json.loads(line) for path in files for line in path.read_text().splitlines()]
    expected = Counter(f"{found['source']}/{found['file']}" for found in recorded if found["status"] == 400)
    cluster.start_worker()
    replayed = await run_replay(cluster.environment, *map(str, files))
    assert replayed["acknowledged"] == len(recorded) == 1251
    await cluster.until_idle("responses", "offences")

    async def targets_are_held() -> bool:
        return sum(command.scope.kind == "target" for command in await cluster.commands()) == 2

    await cluster.until(targets_are_held)
    commands = await cluster.commands()
    assert len(expected) == 163
    assert {command.scope.job_id for command in commands if command.scope.kind == "job"} == expected.keys()
    assert len({command.scope.id for command in commands}) == len(commands)
    assert len({command.command_id for command in commands}) == len(commands)
    assert {command.state for command in commands} == {"quarantined"}
    # Two recordings hold one failing test after another, each a job of its own: to the detector the target is broken.
    assert {command.scope.target for command in commands if command.scope.kind == "target"} == {
        "api.datadoghq.com",
        "oauth.reddit.com",
    }
    offences, held_by = await cluster.offences(), {command.command_id: command.scope for command in commands}
    assert Counter(offence.event.job_id for offence in offences) == expected
    for offence in offences:
        scope = held_by[offence.command_id or ""]
        assert (scope.target, scope.job_id or offence.event.job_id) == (offence.target, offence.event.job_id)
    assert not await cluster.read("responses.dlq")
    storm_keep = Settings().archive.storm_keep
    kept = assert_archived(cluster, offences, storm_keep)
    assert len(expected) <= kept <= len(offences) == expected.total()
    archived = {path.as_uri() for path in cluster.archive.rglob("*.har")}
    assert {command.archive_uri for command in commands} <= archived, "a command points to what is there"


async def test_a_real_log_without_a_400_halts_nothing(cluster: Cluster, corpora: Path) -> None:
    cluster.start_worker("--role", "detect")
    replayed = await run_replay(cluster.environment, str(CORPORA / "access_logs" / "elastic_apache_logs"))
    assert replayed["acknowledged"] == 10_000
    await cluster.until_idle()
    assert not await cluster.commands()
    assert not await cluster.offences()
    (row,) = (await cluster.rows()).values()
    assert row.totals()["responses"] == 10_000
