"""Hostile, broken and misplaced input on the real broker: it becomes a dead letter, and the worker goes on."""

import re
import time
from typing import Any

import msgspec
from aiokafka.structs import ConsumerRecord
from confluent_kafka import Producer

from streams.topics import partition_of
from tests.cli.command import run
from tests.worker.conftest import PARTITIONS, Cluster, totals

TARGET = "api.shop.example"
KEY = TARGET.encode()


def event(**changes: Any) -> bytes:
    return msgspec.json.encode(
        {
            "id": "e1",
            "time": int(time.time() * 1000),
            "target": TARGET,
            "job_id": "extract-099",
            "request": {"method": "GET", "url": f"https://{TARGET}/"},
            "response": {"status": 200},
        }
        | changes
    )


FIVE_MB = "x" * (5 * 1024 * 1024)

REFUSED: dict[str, tuple[bytes | None, bytes | None]] = {
    "not JSON": (KEY, b"GET / HTTP/1.1\r\n"),
    "JSON that stops short": (KEY, event()[:-1]),
    "bytes that are no text": (KEY, bytes(range(256))),
    "a nest without end": (KEY, b'{"target":' + b"[" * 200_000),
    "wrong types": (KEY, event(time="now")),
    "no target": (KEY, msgspec.json.encode({"id": "e1", "response": {"status": 200}})),
    "null value": (KEY, None),
    "a key that is not the target": (b"other.example", event()),
    "no key": (None, event()),
    "a status of 99": (KEY, event(response={"status": 99})),
    "a later version": (KEY, event(version=2)),
    "a 400 without its request": (KEY, event(request=None, response={"status": 400})),
    "5 MB that are not JSON": (KEY, FIVE_MB.encode()),
}
ACCEPTED: dict[str, tuple[bytes | None, bytes | None]] = {
    "an unknown extra field": (KEY, event(shard={"id": 7})),
    "a 5 MB event": (KEY, event(request={"method": "POST", "url": f"https://{TARGET}/", "body": FIVE_MB})),
    "a 5 MB event that is a 400": (
        KEY,
        event(request={"method": "POST", "url": f"https://{TARGET}/", "body": FIVE_MB}, response={"status": 400}),
    ),
    "an event from the future": (KEY, event(time=int(time.time() * 1000) + 3_600_000)),
}


def refusals_logged(cluster: Cluster) -> dict[str, int]:
    """Code -> refused records, as the worker's log says; a minute may pass before the last of a code are logged."""
    sent = f"Refused and sent to {cluster.prefix}responses.dlq"
    line = rf"WARNING halt400.worker: {sent}: (\d+) records? of {cluster.prefix}responses \((\w+)\)"
    return {code: int(count) for count, code in re.findall(line, cluster.log_text())}


def header(record: ConsumerRecord[bytes, bytes], name: str) -> str:
    return dict(record.headers)[f"halt400.{name}"].decode()


async def test_invalid_events_become_dead_letters_and_the_counts_are_exact(cluster: Cluster) -> None:
    worker = cluster.start_worker()
    good = (KEY, event())
    await cluster.publish([good, *REFUSED.values(), good, *ACCEPTED.values(), good])
    await cluster.until_idle()
    assert worker.poll() is None, cluster.log_text()

    assert refusals_logged(cluster).keys() == {"not_json", "null_value", "invalid_event", "key_mismatch"}
    letters = await cluster.read("responses.dlq")
    assert sorted((letter.key or b"", letter.value or b"") for letter in letters) == sorted(
        (key or b"", value or b"") for key, value in REFUSED.values()
    )
    sources = {record.offset: record for record in await cluster.read("responses") if record.key == KEY}
    for letter in letters:
        assert header(letter, "topic") == f"{cluster.prefix}responses"
        assert header(letter, "error") in {"not_json", "null_value", "invalid_event", "key_mismatch"}
        assert header(letter, "message")
        if letter.key == KEY:
            assert sources[int(header(letter, "offset"))].value == letter.value

    (row,) = (await cluster.rows()).values()
    accepted = 3 + len(ACCEPTED)
    assert totals({TARGET: row}) == {TARGET: {"responses": accepted, "2xx": accepted - 1, "400": 1}}
    assert row.skewed == 1
    assert len(await cluster.commands()) == 1
    assert len(await cluster.offences()) == 1


LIBRDKAFKA_TARGETS = [f"shop-{number}.example" for number in range(12)]


def publish_by_librdkafka(cluster: Cluster, headers: list[tuple[str, bytes]], **settings: str) -> None:
    """A 400 of each target, by a producer of librdkafka."""
    producer = Producer({"bootstrap.servers": cluster.bootstrap_servers, "acks": "all", **settings})
    for target in LIBRDKAFKA_TARGETS:
        value = event(id=f"{target}-{settings}", target=target, response={"status": 400})
        producer.produce(f"{cluster.prefix}responses", value, key=target, headers=headers)
    assert producer.flush(30) == 0


async def test_the_partitioner_of_librdkafka_is_told_at_once_with_the_setting_that_mends_it(cluster: Cluster) -> None:
    worker = cluster.start_worker()
    publish_by_librdkafka(cluster, [("traceparent", b"00-1-2-01")])
    await cluster.until_idle()
    assert worker.poll() is None, cluster.log_text()

    refused = {
        (record.key or b"").decode()
        for record in await cluster.read("responses")
        if record.partition != partition_of(record.key or b"", PARTITIONS)
    }
    assert 1 <= len(refused) < len(LIBRDKAFKA_TARGETS)
    letters = await cluster.read("responses.dlq")
    assert sorted((letter.key or b"").decode() for letter in letters) == sorted(refused)
    assert {header(letter, "error") for letter in letters} == {"wrong_partition"}
    assert {dict(letter.headers)["traceparent"] for letter in letters} == {b"00-1-2-01"}
    assert "responses (wrong_partition)" in cluster.log_text()
    assert "set partitioner=murmur2_random" in cluster.log_text()
    [finding] = await cluster.findings()
    assert (finding.kind, finding.severity, finding.value) == ("refused_records", "ticket", "wrong_partition")
    assert "set partitioner=murmur2_random" in finding.summary

    publish_by_librdkafka(cluster, [], partitioner="murmur2_random")
    await cluster.until_idle()
    counted = {target: row["400"] for target, row in totals(await cluster.rows()).items()}
    assert counted == {target: 1 if target in refused else 2 for target in LIBRDKAFKA_TARGETS}
    assert len(await cluster.read("responses.dlq")) == len(refused)

    values = [event(id=f"{target}-array", target=target, response={"status": 400}) for target in LIBRDKAFKA_TARGETS]
    await cluster.publish([(None, b"[%b]" % b",".join(values))], partition=0)
    await cluster.until_idle()
    misplaced = {target for target in LIBRDKAFKA_TARGETS if partition_of(target.encode(), PARTITIONS) != 0}
    of_array = [letter for letter in await cluster.read("responses.dlq") if "halt400.index" in dict(letter.headers)]
    assert {(letter.key or b"").decode() for letter in of_array} == misplaced
    assert {letter.value for letter in of_array} == {values[int(header(letter, "index"))] for letter in of_array}
    done = await run("dead-letters", "redrive", "--error", "wrong_partition", **cluster.settings)
    assert done.lines[-1] == f"{len(refused) + len(misplaced)} published again", done.err
    await cluster.until_idle()
    counted = {target: row["400"] for target, row in totals(await cluster.rows()).items()}
    assert counted == dict.fromkeys(LIBRDKAFKA_TARGETS, 3)
