"""What the commands say of an installation: whole, with rights that are missing, and after its Kafka has died.

One broker of this module, which asks for rights and is killed at the end.
"""

import asyncio
import json
import secrets
import struct
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer

from streams.api.server import ApiServer
from streams.local import LocalKafka
from streams.settings import Settings, load_settings
from streams.topics import apply_topics
from tests.api.fleet import write_fleet
from tests.servers import QUICK_JAVA
from tests.waiting import until

from .command import Outcome, run

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

AUTHORIZER = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "allow.everyone.if.no.acl.found": "true",
}


@pytest.fixture(scope="module")
def own_kafka() -> Iterator[LocalKafka]:
    with LocalKafka(heap="384m", java_options=QUICK_JAVA, properties=AUTHORIZER) as broker:
        yield broker


@pytest.fixture(scope="module")
def settings(own_kafka: LocalKafka) -> Settings:
    return load_settings(
        kafka={
            "bootstrap_servers": own_kafka.bootstrap_servers,
            "topic_prefix": f"t-{secrets.token_hex(4)}.",
            "partitions": 1,
        },
        api={"port": 0},
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(settings: Settings) -> AsyncIterator[ApiServer]:
    await apply_topics(settings.kafka)
    await write_fleet(settings.kafka)
    async with ApiServer.of(settings) as server:
        await server.read_model.wait_caught_up()
        yield server


Results = dict[str, list[dict[str, Any]]]


async def examine(settings: Settings, archive: Path, **variables: str) -> tuple[Outcome, Results]:
    """`halt400 doctor` and its results by check."""
    outcome = await run(
        "doctor", "--format", "json", settings=settings, HALT400_ARCHIVE_URI=archive.as_uri(), **variables
    )
    found: Results = {}
    for result in json.loads(outcome.out):
        found.setdefault(result["check"], []).append(result)
    return outcome, found


async def deny(settings: Settings, resource_type: int, name: str, operation: int) -> None:
    """Deny everyone one operation and allow the others, by CreateAcls (version 1), which aiokafka does not know."""

    def text(value: str) -> bytes:
        return struct.pack(">h", len(value)) + value.encode()

    all_operations, literal, denied, allowed = 2, 3, 2, 3
    request = struct.pack(">hhi", 30, 1, 7) + text("test") + struct.pack(">i", 2)
    for which, permission in ((operation, denied), (all_operations, allowed)):
        request += struct.pack(">b", resource_type) + text(name) + struct.pack(">b", literal)
        request += text("User:*") + text("*") + struct.pack(">bb", which, permission)
    host, _, port = settings.kafka.bootstrap_servers.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(struct.pack(">i", len(request)) + request)
    answer = await reader.readexactly(struct.unpack(">i", await reader.readexactly(4))[0])
    writer.close()
    assert struct.unpack_from(">iiih", answer)[3] == 0, answer


async def test_the_doctor_finds_a_whole_installation_whole(api: ApiServer, settings: Settings, tmp_path: Path) -> None:
    outcome, found = await examine(settings, tmp_path / "archive", HALT400_API_PORT=str(api.port))
    assert outcome.code == 0, [
        result for results in found.values() for result in results if result["status"] == "failed"
    ]
    ok = {name for name, results in found.items() if all(result["status"] == "ok" for result in results)}
    assert ok >= {"versions", "settings", "policies", "broker", "topics", "access", "clock", "archive", "API"}
    assert [result["status"] for result in found["workers"]] == ["warning", "warning"]
    assert all(result["mend"] for results in found.values() for result in results if result["status"] == "warning")


async def test_the_doctor_names_producers_archives_sinks_and_topics_that_are_wrong(
    api: ApiServer, settings: Settings, tmp_path: Path
) -> None:
    blocked, config = tmp_path / "file", tmp_path / "halt400.toml"
    blocked.write_text("")
    config.write_text(
        '[alerts.sink.away]\nkind = "alertmanager"\nurl = "http://127.0.0.1:1"\n'
        '[[alerts.route]]\nname = "all"\nsinks = ["away"]\n'
    )
    async with AIOKafkaProducer(bootstrap_servers=settings.kafka.bootstrap_servers) as producer:
        headers = [("halt400.error", b"wrong_partition"), ("halt400.message", b"belongs to partition 3")]
        await producer.send_and_wait(settings.kafka.topic("responses.dlq"), b"{}", b"k", headers=headers)
        headers = [("halt400.error", b"not_json"), ("halt400.message", b"the value is not JSON")]
        await producer.send_and_wait(settings.kafka.topic("responses.dlq"), b"<", b"k", headers=headers)
    outcome, found = await examine(
        settings, blocked / "archive", HALT400_CONFIG_PATH=str(config), HALT400_KAFKA_PARTITIONS="2"
    )
    assert outcome.code == 1
    failed = {name for name, results in found.items() for result in results if result["status"] == "failed"}
    assert failed == {"topics", "archive", "sinks"}
    assert "partitions is 1, declared 2" in found["topics"][0]["detail"]
    mends = {result["detail"].split()[2]: result["mend"] for result in found["dead letters"]}
    assert "murmur2" in mends["wrong_partition"]
    assert "dead-letters redrive --error wrong_partition" in mends["wrong_partition"]
    assert "dead-letters show 0-" in mends["not_json"]
    assert "redrive" not in mends["not_json"]  # it would be refused again
    assert "away: 127.0.0.1:1" in found["sinks"][0]["detail"]


async def test_the_doctor_names_the_rights_that_are_missing(api: ApiServer, settings: Settings, tmp_path: Path) -> None:
    topic, group, read, write = 2, 3, 3, 4
    await deny(settings, topic, settings.kafka.topic("fleet"), read)
    await deny(settings, topic, settings.kafka.topic("operations"), write)
    await deny(settings, group, settings.kafka.topic("follow-up"), read)
    outcome, found = await examine(settings, tmp_path / "archive")
    assert outcome.code == 1
    (access,) = found["access"]
    prefix = settings.kafka.topic_prefix
    for right in (f"Read on {prefix}fleet", f"Write on {prefix}operations", f"Read on the group {prefix}follow-up"):
        assert right in access["detail"]
    assert access["detail"].count(" on ") == 3


async def test_what_an_api_without_kafka_answers_is_said_to_be_stale(
    api: ApiServer, settings: Settings, own_kafka: LocalKafka, tmp_path: Path
) -> None:
    fresh = await run("quarantines", "--expired", "--url", api.url)
    assert (fresh.code, fresh.err) == (0, "")
    await asyncio.to_thread(own_kafka.kill)
    await until(lambda: not api.read_model.healthy)
    outcome, found = await examine(settings, tmp_path / "archive", HALT400_API_PORT=str(api.port))
    assert outcome.code == 1
    assert settings.kafka.bootstrap_servers in found["broker"][0]["detail"]
    assert found["topics"][0]["status"] == "skipped"
    assert found["API"][0]["detail"].endswith("is stale: Kafka does not answer it")
    for command in (["quarantines", "--expired"], ["rates"]):
        stale = await run(*command, "--format", "json", "--url", api.url)
        assert stale.code == 0
        assert stale.err.startswith("Stale: Kafka has not answered the API")
        assert len(stale.err.splitlines()) == 1
        assert json.loads(stale.out)["total"] > 0
