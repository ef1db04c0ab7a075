"""Refused records are shown, and those that can be taken are published again, each once."""

import json
import logging
from typing import Any

import aiohttp
import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.structs import ConsumerRecord
from parsel import Selector

from halt400.kafka.connection import KafkaConnection
from streams.dead_letters import RefusedRecord, refusal_now
from streams.page import page_server
from streams.settings import Settings, load_settings
from streams.topics import apply_topics, partition_of
from tests.broker import read_to_end
from tests.cli.command import run
from tests.waiting import until

PARTITIONS = 3
TARGET = "api.shop.example"


def event(target: str = TARGET, **changes: Any) -> bytes:
    return msgspec.json.encode(
        {
            "id": "e1",
            "time": 1_765_432_100_000,
            "target": target,
            "job_id": "extract-099",
            "request": {
                "method": "GET",
                "url": f"https://{target}/",
                "headers": [["Authorization", "Bearer s3cret-Pw1"]],
            },
            "response": {"status": 200},
        }
        | changes
    )


def letter(value: bytes | None, topic: str = "halt400.responses", key: bytes | None = b"k") -> RefusedRecord:
    return RefusedRecord("0-1", 0, "not_json", "", topic, "0-1", key, value, ())


@pytest.mark.parametrize(
    ("value", "target", "refusal"),
    [
        (event(), TARGET, None),
        (event(response={"status": 400}), TARGET, None),
        (event(response={"status": 400}, request=None), "", "the value is no ResponseEvent"),
        (event("a/b"), "a/b", "no slash"),
        (b"{", "", "not JSON"),
        (b"[%b,%b]" % (event(), event(response={"status": 400})), TARGET, None),
        (b"[%b,%b]" % (event(), event("other.example")), "", None),
        (b"[%b,%b]" % (event(), event(response={"status": 400}, request=None)), "", "event 1 of 2: the value is no"),
        (b"[%b" % event(), "", "not JSON"),
        (b"[]", "", "no ResponseEvent"),
        (None, "", "null"),
    ],
)
def test_what_the_worker_would_take_is_known_before(value: bytes | None, target: str, refusal: str | None) -> None:
    found = refusal_now(letter(value), KafkaConnection(), PARTITIONS)
    assert found[0] == target
    assert (found[1] is None) if refusal is None else refusal in (found[1] or "")


def test_an_operation_is_never_carried_out_later() -> None:
    assert "only events" in (refusal_now(letter(event(), "halt400.operations"), KafkaConnection(), PARTITIONS)[1] or "")


@pytest.fixture
async def settings(kafka: str, prefix: str) -> Settings:
    """An installation with four dead letters, as the worker writes them."""
    found = load_settings(
        kafka={"bootstrap_servers": kafka, "topic_prefix": prefix, "partitions": PARTITIONS}, api={"port": 0}
    )
    await apply_topics(found.kafka)
    wrong = (partition_of(TARGET.encode(), PARTITIONS) + 1) % PARTITIONS
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        for code, key, value in (
            ("wrong_partition", TARGET.encode(), event()),
            ("key_mismatch", None, event(id="e2")),
            ("not_json", b"\x1b[31mred", b'{"password": "s3cret-Pw1", '),
            ("null_value", TARGET.encode(), None),
        ):
            headers = [
                ("traceparent", b"00-1-2-01"),
                ("halt400.error", code.encode()),
                ("halt400.message", f"it is {code}".encode()),
                ("halt400.topic", f"{prefix}responses".encode()),
                ("halt400.partition", str(wrong).encode()),
                ("halt400.offset", b"7"),
            ]
            await producer.send_and_wait(f"{prefix}responses.dlq", value, key, partition=wrong, headers=headers)
    return found


async def responses(settings: Settings) -> list[ConsumerRecord[bytes, bytes]]:
    return await read_to_end(settings.kafka.bootstrap_servers, settings.kafka.topic("responses"), PARTITIONS)


async def test_each_is_published_once_and_what_would_be_refused_again_stays(settings: Settings) -> None:
    listed = await run("dead-letters", "list", settings=settings)
    assert listed.code == 0, listed.err
    assert "\x1b" not in listed.out
    assert listed.lines[-1].startswith("4 shown; open: ")

    planned = await run("dead-letters", "redrive", "--all", "--dry-run", "--format", "json", settings=settings)
    results = {one["error"]: one["result"] for one in json.loads(planned.out)}
    taken = {"wrong_partition": "waiting", "key_mismatch": "waiting"}
    assert (planned.code, results) == (1, taken | {"not_json": "refused", "null_value": "refused"})
    assert await responses(settings) == []

    done = await run("dead-letters", "redrive", "--all", settings=settings)
    assert (done.code, done.lines[-1]) == (1, "2 published again, 2 would be refused again")
    records = await responses(settings)
    assert [(found.key, found.partition) for found in records] == [
        (TARGET.encode(), partition_of(TARGET.encode(), PARTITIONS))
    ] * 2
    assert {msgspec.json.decode(found.value or b"")["id"] for found in records} == {"e1", "e2"}
    assert [name for name, _ in records[0].headers] == ["traceparent", "halt400.redriven"]

    again = await run("dead-letters", "redrive", "--error", "wrong_partition", settings=settings)
    assert (again.code, again.lines[-1]) == (0, "1 done before")
    assert len(await responses(settings)) == 2
    states = json.loads((await run("dead-letters", "list", "--format", "json", settings=settings)).out)
    assert {one["error"]: one["redriven"] for one in states} == {
        "wrong_partition": True,
        "key_mismatch": True,
        "not_json": False,
        "null_value": False,
    }


async def test_the_events_of_an_array_are_published_one_by_one(settings: Settings) -> None:
    """A worker of an earlier release refuses an array as a whole."""
    kafka = settings.kafka
    targets = [TARGET, "other.example", TARGET]
    array = b"[%b]" % b",".join(event(target, id=f"a{number}") for number, target in enumerate(targets))
    headers = [("halt400.error", b"invalid_event"), ("halt400.topic", kafka.topic("responses").encode())]
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers) as producer:
        await producer.send_and_wait(kafka.topic("responses.dlq"), array, partition=0, headers=headers)
    done = await run("dead-letters", "redrive", "--error", "invalid_event", settings=settings)
    assert (done.code, done.lines[-1]) == (0, "1 published again")
    found = {msgspec.json.decode(one.value or b"")["id"]: (one.key, one.partition) for one in await responses(settings)}
    assert found == {
        f"a{number}": (target.encode(), partition_of(target.encode(), PARTITIONS))
        for number, target in enumerate(targets)
    }


async def test_one_is_shown_without_its_secrets_and_an_unknown_one_is_one_line(settings: Settings) -> None:
    listed = json.loads((await run("dead-letters", "list", "--format", "json", settings=settings)).out)
    ids = {one["error"]: one["id"] for one in listed}
    shown = await run("dead-letters", "show", ids["not_json"], settings=settings)
    assert shown.code == 0, shown.err
    assert "s3cret-Pw1" not in shown.out
    assert "\x1b" not in shown.out
    assert "\\x1b[31mred" in shown.out
    assert "the value is not JSON" in shown.out
    whole = json.loads(
        (await run("dead-letters", "show", ids["key_mismatch"], "--format", "json", settings=settings)).out
    )
    assert "s3cret-Pw1" not in whole["value"]
    assert (whole["refused_again"], whole["headers"]) == (None, {"traceparent": "00-1-2-01"})
    unknown = await run("dead-letters", "redrive", "0-99999", settings=settings)
    assert (unknown.code, len(unknown.err.splitlines())) == (1, 1)
    assert (await run("dead-letters", "redrive", settings=settings)).code == 2
    assert (await run("dead-letters", "show", "x", settings=settings)).code == 2


async def test_over_http_and_by_the_page_each_is_published_once_with_actor_and_reason(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "halt400.api")
    async with page_server(settings) as server, aiohttp.ClientSession() as http:
        logs = server.read_model.logs
        await until(lambda: server.read_model.caught_up and all(reader.caught_up for reader in logs.readers))

        async def redrive(status: int = 200, **body: Any) -> dict[str, Any]:
            async with http.post(f"{server.url}/v1/dead-letters/redrive", json=body) as response:
                answer = await response.json(content_type=None)
                assert response.status == status, answer
                return answer

        ids = {one.error: one.id for one in logs.letters(["responses.dlq"])}
        assert (await redrive(400, reason="mended"))["parameter"] == "ids"
        assert (await redrive(400, ids=[ids["not_json"]]))["parameter"] == "reason"
        assert (await redrive(404, reason="mended", ids=["0-99999"]))["code"] == "unknown_record"
        chosen = {"reason": "the key is mended", "actor": "alice", "ids": [ids["key_mismatch"], ids["null_value"]]}
        done = await redrive(**chosen)
        assert (done["by"], done["sent"], done["done"], done["refused"]) == ("alice", 1, 0, 1)
        assert [(one["id"], one["result"]) for one in done["letters"]] == [
            (ids["key_mismatch"], "sent"),
            (ids["null_value"], "refused"),
        ]
        assert (await redrive(**chosen))["done"] == 1
        assert f"alice publishes dead letters again ({ids['key_mismatch']}" in caplog.text
        assert "the key is mended" in caplog.text

        form = {"which": "all", "reason": "the rest", "id": ids["not_json"]}
        async with http.post(f"{server.url}/dead-letters", data=form) as response:
            assert "1 published again." in " ".join(Selector(await response.text()).css("main ::text").getall())
        async with http.post(f"{server.url}/dead-letters", data={"which": "chosen", "reason": "x"}) as response:
            assert response.status == 400
        assert len(await responses(settings)) == 2

        await until(lambda: sum(one.redriven for one in logs.letters(["responses.dlq"])) == 2)
        async with http.get(f"{server.url}/system") as response:
            found = Selector(await response.text())
        states = found.css("form#redrive td[data-label=State]").xpath("normalize-space()").getall()
        assert sorted(states) == ["open", "open", "published again by alice", "published again by local"]
        assert len(found.css("form#redrive input[type=checkbox]")) == 2
