import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
import orjson
import pytest

from halt400.windows import encode_row
from streams.api.events import EventHub, Listener
from streams.api.events.hub import MOST_KEPT, MOST_OF_A_KIND
from streams.api.events.listener import Interest
from streams.api.server import ApiServer
from streams.settings import Settings
from streams.topics import apply_topics
from tests.waiting import until

from .conftest import Api, settings_for
from .fleet import FINDINGS, command, offence, row, write

ALL = Interest()


class Clock:
    """Monotonic seconds."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def hub_at(clock: Clock, **options: Any) -> EventHub:
    return EventHub(lambda: {"as_of": 1, "stale": False}, clock=clock, **options)


async def read(listener: Listener) -> list[dict[str, str]]:
    """The events that wait for a listener."""
    async with asyncio.timeout(1):
        chunk = await listener.next()
    assert chunk is not None
    return parse(chunk.decode())


def parse(text: str) -> list[dict[str, str]]:
    """Events by the rules of https://html.spec.whatwg.org/multipage/server-sent-events.html."""
    blocks = [dict(line.split(": ", 1) for line in block.split("\n") if line) for block in text.split("\n\n")]
    return [block for block in blocks if "data" in block]


def kinds(events: list[dict[str, str]]) -> list[str]:
    return [event["event"] for event in events]


async def test_a_listener_gets_the_status_first_and_then_what_changes() -> None:
    hub = hub_at(Clock())
    listener = hub.listen(ALL, None)
    assert kinds(await read(listener)) == ["status"]
    hub.add("finding", "f", lambda: {"text": "a\nb\u2028c"}, None)
    hub.tick()
    (event, status) = await read(listener)
    assert (event["event"], orjson.loads(event["data"])) == ("finding", {"text": "a\nb\u2028c"})
    assert status["event"] == "status"


async def test_a_quarantine_does_not_wait_for_the_next_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.api.events.hub.TICK_S", 3600.0)
    async with hub_at(Clock()) as hub:
        listener = hub.listen(ALL, None)
        await read(listener)
        hub.add("finding", "f", lambda: 1, None)
        hub.add("quarantine", "job/a/b", lambda: 2, ["a"])
        async with asyncio.timeout(30):
            chunk = await listener.next()
    assert kinds(parse((chunk or b"").decode()))[:2] == ["finding", "quarantine"]


async def test_a_client_that_comes_back_gets_what_it_missed_in_order() -> None:
    clock = Clock()
    hub = hub_at(clock)
    first = hub.listen(ALL, None)
    for number in range(3):
        hub.add("finding", f"f{number}", lambda number=number: number, None)
        hub.tick()
    events = [event for event in await read(first) if event["event"] == "finding"]
    hub.leave(first)
    clock.now += 59
    hub.add("finding", "f3", lambda: 3, None)
    hub.tick()
    again = await read(hub.listen(ALL, events[1]["id"]))
    assert kinds(again) == ["status", "finding", "finding"]
    assert [event["data"] for event in again[1:]] == ["2", "3"]
    assert kinds(await read(hub.listen(ALL, again[-1]["id"]))) == ["status"], "nothing was missed"
    assert kinds(await read(hub.listen(Interest(kinds=frozenset({"offence"})), events[0]["id"]))) == ["status"]


@pytest.mark.parametrize(
    "last_id", ["another-1", "x", "-1", "{instance}-0", "{instance}-99999", "{instance}-x", "\xff-1"]
)
async def test_a_client_whose_last_event_is_not_known_is_told_to_reload(last_id: str) -> None:
    hub = hub_at(Clock())
    listener = hub.listen(ALL, None)
    hub.add("finding", "f", lambda: 1, None)
    hub.tick()
    (instance,) = {event["id"].partition("-")[0] for event in await read(listener) if "id" in event}
    assert "reload" in kinds(await read(hub.listen(ALL, last_id.format(instance=instance))))


async def test_after_a_minute_without_listeners_nothing_is_kept_and_clients_reload() -> None:
    clock = Clock()
    hub = hub_at(clock)
    listener = hub.listen(ALL, None)
    hub.add("finding", "f", lambda: 1, None)
    hub.tick()
    (event,) = [event for event in await read(listener) if event["event"] == "finding"]
    hub.leave(listener)
    clock.now += 61
    hub.add("finding", "missed", lambda: 2, None)
    hub.tick()
    assert kinds(await read(hub.listen(ALL, event["id"]))) == ["status", "reload"]


async def test_a_target_s_listener_gets_its_events_and_those_for_everyone() -> None:
    hub = hub_at(Clock())
    one, some = hub.listen(Interest(target="a"), None), hub.listen(Interest(kinds=frozenset({"finding"})), None)
    hub.add("finding", "1", lambda: 1, ["a"])
    hub.add("finding", "2", lambda: 2, ["b"])
    hub.add("finding", "3", lambda: 3, None)
    hub.add("offence", "4", lambda: 4, ["a"])
    hub.touch(["a", "b"])
    hub.tick()
    found = await read(one)
    assert [event["data"] for event in found if event["event"] in ("finding", "offence")] == ["1", "3", "4"]
    assert [event["data"] for event in found if event["event"] == "targets"] == ['{"targets":["a"],"count":1}']
    assert set(kinds(await read(some))) == {"finding", "status"}


async def test_of_several_changes_of_one_thing_the_last_is_sent_and_of_many_things_the_number() -> None:
    hub = hub_at(Clock())
    listener = hub.listen(ALL, None)
    await read(listener)
    for number in range(3):
        hub.add("quarantine", "same", lambda number=number: number, ["a"])
    for number in range(MOST_OF_A_KIND + 7):
        hub.add("offence", str(number), lambda: None, ["a"])
    hub.touch(map(str, range(10_000)))
    hub.tick()
    found = await read(listener)
    assert [event["data"] for event in found if event["event"] == "quarantine"] == ["2"]
    assert [event["data"] for event in found if event["event"] == "more"] == ['{"kind":"offence","count":7}']
    assert [event["data"] for event in found if event["event"] == "targets"] == ['{"targets":null,"count":10000}']


async def test_a_client_that_does_not_read_loses_what_waits_and_is_told_to_reload() -> None:
    hub = hub_at(Clock())
    slow = hub.listen(ALL, None)
    for number in range(MOST_KEPT + 100):
        hub.add("finding", str(number), lambda: "x" * 100, None)
        hub.tick()
    found = await read(slow)
    assert len(found) < 100
    assert found[0]["event"] == "reload"
    assert sum(len(event.chunk) for event in hub._kept) == hub._kept_bytes
    assert len(hub._kept) == MOST_KEPT


async def test_the_status_comes_every_fifteen_seconds_and_at_once_when_kafka_is_away() -> None:
    clock, stale = Clock(), [False]
    hub = EventHub(lambda: {"as_of": 1, "stale": stale[0]}, clock=clock)
    listener = hub.listen(Interest(target="none"), None)
    hub.tick()
    await read(listener)
    seen = []
    for _ in range(32):
        clock.now += 0.5
        stale[0] = clock.now == 1010
        hub.tick()
        if listener._ready.is_set():
            seen += [(clock.now, orjson.loads(event["data"])["stale"]) for event in await read(listener)]
    assert seen == [(1010, True), (1010.5, False)]
    clock.now += 15
    hub.tick()
    assert kinds(await read(listener)) == ["status"]


@asynccontextmanager
async def streaming(api: Api, query: str = "", last_id: str | None = None) -> AsyncIterator[list[dict[str, str]]]:
    """A listener over HTTP; the list grows with each event."""
    events: list[dict[str, str]] = []
    headers = {"Last-Event-ID": last_id} if last_id else {}
    async with api.http.get(f"{api.server.url}/v1/events{query}", headers=headers) as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert response.headers["Cache-Control"] == "no-store"

        async def collect() -> None:
            text = ""
            async for chunk in response.content.iter_any():
                whole, _, text = (text + chunk.decode()).rpartition("\n\n")
                events.extend(parse(whole))

        task = asyncio.create_task(collect())
        try:
            await until(lambda: events, 10)
            yield events
        finally:
            task.cancel()
            await asyncio.wait([task])


async def test_everything_that_changes_in_kafka_is_streamed_and_a_stream_is_resumed(kafka: str) -> None:
    settings: Settings = settings_for(kafka)
    await apply_topics(settings.kafka)
    await write(settings.kafka, "findings", [(b"old", msgspec.json.encode(FINDINGS[0]))])
    async with ApiServer.of(settings) as server, aiohttp.ClientSession() as http:
        api = Api(server, http)
        await server.read_model.wait_caught_up()
        await until(lambda: all(reader.caught_up for reader in server.read_model.logs.readers))
        async with streaming(api) as events, streaming(api, "?target=b&kind=quarantine") as other:
            one = command("target", "a", sequence=1, diagnosis=None)
            await write(settings.kafka, "control", [(b"target/a", msgspec.json.encode(one))])
            await write(settings.kafka, "rates", [(b"a", encode_row(row(1, (1_000, 400, 1))))])
            await write(settings.kafka, "findings", [(b"x", msgspec.json.encode(FINDINGS[1]))])
            await write(settings.kafka, "offences", [(b"x", msgspec.json.encode(offence(0)))])
            await write(settings.kafka, "responses.dlq", [(b"x", b"{")])
            expected = {"status", "quarantine", "targets", "finding", "offence", "dead_letter"}
            await until(lambda: expected <= set(kinds(events)), 20, explain=lambda: str(kinds(events)))
            bodies = {event["event"]: orjson.loads(event["data"]) for event in events}
            assert bodies["quarantine"]["id"] == "target/a"
            assert bodies["finding"]["finding_id"] == "fnd-2"
            assert bodies["offence"]["job_id"] == "extract-099"
            assert bodies["targets"]["targets"] == ["a"]
            assert set(kinds(other)) == {"status"}
            (first,) = [event["id"] for event in events if event["event"] == "quarantine"]
        async with streaming(api, "?kind=finding,quarantine", last_id=first) as resumed:
            assert set(kinds(resumed)) <= {"status", "finding"}
            await until(lambda: "finding" in kinds(resumed), 5)
        async with http.head(f"{server.url}/v1/events") as response:
            assert response.status == 200
        async with http.get(f"{server.url}/v1/events?kind=none") as response:
            assert response.status == 400
        async with streaming(api) as events:
            await server.stop()
