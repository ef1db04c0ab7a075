"""`halt400 replay` through a real Kafka."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from halt400.events import response_event
from halt400.records import ResponseEvent
from streams.settings import KafkaSettings
from streams.topics import apply_topics, partition_of
from tests.broker import decoded
from tests.replay.conftest import Replay, exchange
from tests.replay.test_access_log import COMBINED

PARTITIONS = 3
COMMAND = [sys.executable, "-m", "halt400", "replay"]


@pytest.fixture
def cluster(kafka: str, prefix: str, monkeypatch: pytest.MonkeyPatch) -> KafkaSettings:
    """Topics of this test, which the command line finds in its environment."""
    settings = KafkaSettings(bootstrap_servers=kafka, topic_prefix=prefix, partitions=PARTITIONS, replication_factor=1)
    asyncio.run(apply_topics(settings))
    monkeypatch.setenv("HALT400_KAFKA_BOOTSTRAP_SERVERS", kafka)
    monkeypatch.setenv("HALT400_KAFKA_TOPIC_PREFIX", prefix)
    monkeypatch.setenv("HALT400_KAFKA_PARTITIONS", str(PARTITIONS))
    monkeypatch.setenv("HALT400_KAFKA_REPLICATION_FACTOR", "1")
    return settings


def _published(settings: KafkaSettings, expected: int | None = None) -> list[ConsumerRecord]:
    """All that is on `responses`, partition by partition in order; waits for `expected` events where that is given."""

    async def consume() -> list[ConsumerRecord]:
        consumer = AIOKafkaConsumer(bootstrap_servers=settings.bootstrap_servers)
        await consumer.start()
        try:
            partitions = [TopicPartition(settings.topic("responses"), number) for number in range(PARTITIONS)]
            consumer.assign(partitions)
            await consumer.seek_to_beginning(*partitions)
            count = sum((await consumer.end_offsets(partitions)).values()) if expected is None else expected
            found: list[ConsumerRecord] = []
            async with asyncio.timeout(60):
                while (len(found) if expected is None else len(_events(found))) < count:
                    for records in (await consumer.getmany(timeout_ms=500)).values():
                        found += records
            return sorted(found, key=lambda record: (record.partition, record.offset))
        finally:
            await consumer.stop()

    return asyncio.run(consume())


def _events(records: list[ConsumerRecord]) -> list[ResponseEvent]:
    return decoded(record.value for record in records)


def test_every_recorded_exchange_arrives_once_under_its_target(
    cluster: KafkaSettings, corpora: Path, replay: Replay
) -> None:
    files = sorted((corpora / "recorded_api").glob("*.jsonl"))
    result = replay("--format", "json", *map(str, files))
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    records = _published(cluster)
    events = _events(records)
    assert report["acknowledged"] == report["events"] == len(events) == 1251
    assert report["given_up"] == 0
    assert len({event.id for event in events}) == 1251
    for record in records:
        targets = {event.target.encode() for event in _events([record])}
        assert record.key is None or {record.key} == targets
        assert {partition_of(target, PARTITIONS) for target in targets} == {record.partition}
    assert Counter(event.target for event in events) == report["targets"]


def test_replaying_with_kept_times_repeats_ids_and_shifting_does_not(
    cluster: KafkaSettings, tmp_path: Path, replay: Replay
) -> None:
    path = tmp_path / "access.log"
    path.write_text(f"{COMBINED}\n{COMBINED.replace(':03 ', ':04 ')}\n")
    for arguments in (["--times", "keep"], ["--times", "keep"], [], ["--times", "shift"]):
        assert replay(str(path), *arguments).exit_code == 0
    events = _events(_published(cluster))
    assert len(events) == 8
    ids = Counter(event.id for event in events)
    assert sorted(ids.values()) == [1, 1, 1, 1, 2, 2]
    kept = {event.time for event in events if ids[event.id] == 2}
    assert kept == {1_431_849_903_000, 1_431_849_904_000}
    assert all(event.time > 1_700_000_000_000 for event in events if ids[event.id] == 1)


def test_the_pace_is_kept(cluster: KafkaSettings, tmp_path: Path, replay: Replay) -> None:
    path = tmp_path / "access.log"
    path.write_text(f"{COMBINED}\n{COMBINED.replace('10:05:03', '10:15:03')}\n")
    assert replay(str(path), "--speed", "1000").exit_code == 0
    first, second = _events(_published(cluster))
    assert second.time - first.time == 600


def test_an_event_that_is_too_large_is_printed_and_the_others_are_published(
    cluster: KafkaSettings, tmp_path: Path, replay: Replay
) -> None:
    large = response_event(
        method="GET", url="https://a.example/" + "x" * (8 * 1024 * 1024 - 700), status=200, job_id="j"
    )
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"\n".join((exchange().encode(), msgspec.json.encode(large), exchange(file="other").encode())))
    result = replay("--format", "json", str(path))
    assert result.exit_code == 0
    assert "x.jsonl, event " in result.stderr
    assert len(_published(cluster)) == 2


def test_an_interruption_publishes_what_was_read_and_says_how_much(cluster: KafkaSettings) -> None:
    process = subprocess.Popen(
        [*COMMAND, "-", "--format", "json"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    assert process.stdin is not None
    try:
        process.stdin.write(b"".join(exchange(file=str(number)).encode() + b"\n" for number in range(500)))
        process.stdin.flush()
        # The pipe stays open: the command waits for more when the signal comes.
        assert len(_events(_published(cluster, expected=500))) == 500
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert b"Traceback" not in stderr
    report = json.loads(stdout)
    assert (report["interrupted"], report["events"], report["acknowledged"]) == (True, 500, 500)


def test_missing_topics_are_one_clear_error(
    kafka: str, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replay: Replay
) -> None:
    monkeypatch.setenv("HALT400_KAFKA_BOOTSTRAP_SERVERS", kafka)
    monkeypatch.setenv("HALT400_KAFKA_TOPIC_PREFIX", prefix)
    path = tmp_path / "x.jsonl"
    path.write_text(exchange())
    result = replay(str(path))
    assert result.exit_code == 1
    assert "topics apply" in str(result.exception)
