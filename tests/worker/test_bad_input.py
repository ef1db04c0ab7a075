"""Hostile and broken input on the real broker: it becomes a dead letter, and the worker goes on."""

import re
import time
from typing import Any

import msgspec
from aiokafka.structs import ConsumerRecord

from tests.worker.conftest import Cluster, totals

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
    line = (
        rf"WARNING halt400.worker: Refused (\d+) record\(s\) of {cluster.prefix}responses \((\w+)\) and sent them to "
    )
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
    assert totals({TARGET: row}) == {TARGET: {"responses": accepted, "other": accepted - 1, "400": 1}}
    assert row.skewed == 1
    assert len(await cluster.commands()) == 1
    assert len(await cluster.offences()) == 1


async def test_a_dead_letter_keeps_the_headers_that_it_came_with(cluster: Cluster) -> None:
    from aiokafka import AIOKafkaProducer

    cluster.start_worker()
    producer = AIOKafkaProducer(bootstrap_servers=cluster.bootstrap_servers)
    await producer.start()
    await producer.send_and_wait(f"{cluster.prefix}responses", b"{", key=KEY, headers=[("traceparent", b"00-1-2-01")])
    await producer.stop()
    await cluster.until_idle()
    (letter,) = await cluster.read("responses.dlq")
    assert dict(letter.headers)["traceparent"] == b"00-1-2-01"
    assert header(letter, "error") == "not_json"
