"""`halt400 tail` as a process, on the real broker: every line once, whatever happens to files, process and Kafka."""

import asyncio
import json
import os
import random
import shutil
import signal
from pathlib import Path

import msgspec
import pytest

from halt400.events import response_event
from streams.local import LocalKafka
from tests.exchanges.samples import CADDY, ENVOY, SQUID
from tests.servers import QUICK_JAVA
from tests.tail.conftest import Command, Topic, ended, line, lines, paths
from tests.waiting import until

pytestmark = pytest.mark.broker


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "access.log"


def rename(path: Path, to: Path) -> None:
    path.rename(to)


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


async def test_once_publishes_what_is_there_and_the_next_run_what_is_new(
    log: Path, topic: Topic, command: Command
) -> None:
    append(log, lines(0, 25))
    first = await command.run(log, "--once", "--job", "shop-crawl")
    assert (first.code, first.err) == (0, "25 lines read; 25 published, 3 of them 400s; 0 bytes behind\n")
    append(log, lines(25, 30).rstrip("\n"))
    second = await command.run(log, "--once", "--job", "shop-crawl")
    assert second.err.startswith("5 lines read; 5 published")
    assert (await command.run(log, "--once")).err.startswith("0 lines read")
    events = await topic.events()
    assert paths(events) == list(range(30))
    assert {event.job_id for event in events} == {"shop-crawl"}
    assert {event.target for event in events} == {f"shop{number}.example" for number in range(7)}
    assert len({event.id for event in events}) == 30


async def test_lines_are_published_as_they_come_through_rotation_and_truncation(
    log: Path, topic: Topic, command: Command
) -> None:
    append(log, lines(0, 5))
    process = await command.start(log)
    try:
        await until(lambda: command.state.exists())
        append(log, lines(5, 10))
        await until(lambda: _count(topic, 5))
        rename(log, log.with_name("access.log.1"))
        append(log.with_name("access.log.1"), lines(10, 12))
        append(log, lines(12, 15))
        await until(lambda: _count(topic, 10))
        append(log, lines(15, 17))
        shutil.copy(log, log.with_name("access.log.0"))
        os.truncate(log, 0)
        append(log, lines(17, 20))
        await until(lambda: _count(topic, 15))
    finally:
        outcome = await ended(process, signal.SIGINT)
    assert outcome.code == 130
    assert paths(await topic.events()) == list(range(5, 20))
    assert "15 lines read; 15 published" in outcome.err


async def test_several_files_and_patterns_each_in_its_own_format(
    tmp_path: Path, topic: Topic, command: Command
) -> None:
    (tmp_path / "logs").mkdir()
    squid, caddy, envoy = (tmp_path / "logs" / f"{name}.log" for name in ("squid", "caddy", "envoy"))
    append(squid, SQUID + "\n")
    append(caddy, CADDY + "\n")
    event = response_event(method="GET", url="https://own.example/", status=400, job_id="own", event_id="own-1")
    jsonl = tmp_path / "events.jsonl"
    jsonl.write_bytes(msgspec.json.encode(event) + b"\n")
    process = await command.start(tmp_path / "logs" / "*.log", jsonl, "--from-start")
    try:

        async def targets() -> bool:
            return {found.target for found in await topic.events()} >= {"example.com", "localhost", "own.example"}

        await until(targets)
        append(envoy, ENVOY + "\n")
        await until(lambda: _has(topic, "locations"))
    finally:
        outcome = await ended(process, signal.SIGTERM)
    assert outcome.code == 0
    events = {event.target: event for event in await topic.events()}
    assert (events["own.example"].id, events["own.example"].job_id) == ("own-1", "own")
    assert events["localhost"].job_id == "caddy.log/"


async def _has(topic: Topic, target: str) -> bool:
    return target in {event.target for event in await topic.events()}


async def test_a_har_is_read_when_it_is_whole_and_what_is_new_when_it_is_written_again(
    tmp_path: Path, topic: Topic, command: Command
) -> None:
    def har(count: int) -> str:
        entries = [
            {
                "request": {"method": "GET", "url": f"https://shop.example/items/{number}", "headers": []},
                "response": {"status": 400, "headers": [], "content": {"text": "bad"}},
            }
            for number in range(count)
        ]
        return json.dumps({"log": {"version": "1.2", "entries": entries}})

    captures = tmp_path / "captures"
    captures.mkdir()
    process = await command.start(captures / "*.har", "--job", "capture")
    try:
        await until(lambda: command.state.exists())
        whole, path = har(3), captures / "session.har"
        append(path, whole[:200])
        append(path, whole[200:])
        await until(lambda: _count(topic, 3))
        os.truncate(path, 0)
        append(path, har(5))
        await until(lambda: _count(topic, 5))
    finally:
        await ended(process, signal.SIGTERM)
    assert (await command.run(captures / "*.har", "--once", "--job", "capture")).err.startswith("0 lines read")
    events = await topic.events()
    assert paths(events) == [0, 1, 2, 3, 4]
    assert {(event.job_id, event.response.body) for event in events} == {("capture", "bad")}


async def test_lines_that_cannot_be_read_are_told_with_their_numbers_and_counted(
    log: Path, topic: Topic, command: Command
) -> None:
    append(log, lines(0, 3) + "nonsense\n" + lines(3, 4) + "more nonsense\n" * 30)
    outcome = await command.run(log, "--once")
    assert outcome.code == 0
    told = outcome.err.splitlines()
    assert told[0].startswith(f"{log}, line 4: no line of a common or combined access log: found 'nonsense'")
    assert told[1].startswith(f"{log}, line 6: ")
    assert f"{log}: 11 more lines cannot be read." in told
    assert "35 lines read; 4 published, 1 of them 400s; 31 cannot be read" in outcome.err
    assert paths(await topic.events()) == [0, 1, 2, 3]


async def test_an_event_without_a_time_gets_that_of_its_reading_and_a_log_format_is_taken(
    log: Path, topic: Topic, command: Command
) -> None:
    append(log, "GET https://shop.example/items/1 400\n")
    outcome = await command.run(log, "--once", "--log-format", "$request_method $scheme://$host$request_uri $status")
    assert outcome.code == 0, outcome.err
    [event] = await topic.events()
    assert (event.target, event.response.status) == ("shop.example", 400)
    assert event.time > 1_700_000_000_000


@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [
        ("nonsense\n", [], "is neither a HAR"),
        ('{"log": {"entries": []\n', ["--once"], "is no HAR"),
        ("", ["--log-format", "$request"], "has no $status"),
        (None, ["-"], "standard input cannot be followed"),
        (None, ["."], "is no file"),
    ],
)
async def test_what_cannot_be_followed_is_one_clear_error(
    log: Path, command: Command, content: str | None, arguments: list[str], message: str
) -> None:
    if content is not None:
        append(log, content)
    outcome = await command.run(*([log] if content is not None else []), *arguments)
    assert outcome.code == 1
    assert message in " ".join(outcome.err.split())


async def test_a_second_tail_with_the_same_state_and_a_state_of_another_topic_are_refused(
    log: Path, topic: Topic, command: Command, tmp_path: Path
) -> None:
    append(log, lines(0, 1))
    process = await command.start(log)
    try:
        await until(lambda: command.state.exists())
        second = await command.run(log)
        assert (second.code, "another halt400 tail uses it" in second.err) == (1, True)
    finally:
        await ended(process, signal.SIGTERM)
    state = json.loads(command.state.read_text())
    command.state.write_text(json.dumps(state | {"topic": "other"}))
    assert "is of the topic other" in (await command.run(log)).err
    command.state.write_text("{")
    assert "cannot be read" in (await command.run(log)).err


async def test_a_missing_topic_is_one_clear_error(log: Path, kafka: str, tmp_path: Path) -> None:
    append(log, lines(0, 1))
    outcome = await Command(Topic(kafka, "nowhere."), tmp_path).run(log, "--once", "--from-start")
    assert outcome.code == 1
    assert "halt400 topics apply" in outcome.err


@pytest.mark.timeout(240)
async def test_killed_again_and_again_it_publishes_every_line_once(log: Path, topic: Topic, command: Command) -> None:
    """It is killed at random points of its work, while a writer appends and rotates."""
    chance, total, kills = random.Random(400), 5_000, 0
    append(log, "")
    assert (await command.run(log, "--once")).code == 0  # it knows the first file before that is rotated away
    writing = asyncio.create_task(_write_and_rotate(log, total))
    while not writing.done():
        written = command.state.stat().st_mtime_ns
        process = await command.start(log, "--from-start")
        await until(lambda before=written: writing.done() or command.state.stat().st_mtime_ns > before, 60)
        await asyncio.sleep(chance.uniform(0, 0.8))
        if process.returncode is None:
            process.kill()
            kills += 1
        await process.communicate()
    await writing
    outcome = await command.run(log, "--once", "--from-start")
    assert outcome.code == 0, outcome.err
    events = await topic.events()
    assert paths(events) == list(range(total))
    assert len({event.id for event in events}) == total
    assert kills >= 3


async def _write_and_rotate(log: Path, total: int) -> None:
    for first in range(0, total, 50):
        append(log, lines(first, first + 50))
        await asyncio.sleep(0.2)
        if first % 1000 == 450:
            rename(log, log.with_name(f"access.log.{first}"))


@pytest.mark.timeout(240)
async def test_while_kafka_is_away_it_waits_and_loses_and_doubles_nothing(log: Path, tmp_path: Path) -> None:
    with LocalKafka(java_options=QUICK_JAVA) as broker:
        topic = Topic(broker.bootstrap_servers, "away.")
        await topic.create()
        append(log, lines(0, 100))
        process = await Command(topic, tmp_path).start(log, "--from-start")
        try:
            await until(lambda: _count(topic, 100), 60)
            writing = asyncio.create_task(_write(log, 100, 3000))
            await until(lambda: _count(topic, 400), 60)
            await asyncio.to_thread(broker.kill)
            told = await _told(process, "Waiting; the logs keep what is not published.")
            await writing
            await asyncio.to_thread(broker.start)
            await until(lambda: _count(topic, 3000), 90)
        finally:
            outcome = await ended(process, signal.SIGTERM)
        assert paths(await topic.events()) == list(range(3000))
    assert broker.bootstrap_servers in told
    lines_told = outcome.err.splitlines()
    assert lines_told[0] == "Kafka answers again; nothing was lost."
    assert len(lines_told) < 5, outcome.err
    assert "Unclosed" not in outcome.err


async def _told(process: asyncio.subprocess.Process, text: str) -> str:
    """The next line on standard error with this text in it."""
    assert process.stderr is not None
    async with asyncio.timeout(60):
        while text not in (found := (await process.stderr.readline()).decode()):
            assert found, "it has ended"
    return found


async def _write(log: Path, first: int, end: int) -> None:
    for number in range(first, end):
        append(log, line(number))
        if number % 20 == 0:
            await asyncio.sleep(0.02)


async def _count(topic: Topic, wanted: int) -> bool:
    return len(await topic.events()) >= wanted
