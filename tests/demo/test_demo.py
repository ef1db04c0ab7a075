"""The demonstration, against a real broker and a real worker process."""

import asyncio
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import httpx
import orjson
import pytest
from rich.console import Console

from halt400.errors import BrokerUnavailable, TopicMismatch
from streams.demo import STEPS, run_demo
from streams.demo.api import shop
from streams.demo.proxy import forward_proxies
from streams.demo.scraper import BROKEN_RELEASE, GOOD_RELEASE
from streams.settings import Settings, load_settings
from streams.topics import apply_topics
from tests.preloaded import PreloadedProcess


async def test_the_shop_takes_the_good_release_and_refuses_the_broken_one() -> None:
    async with shop() as url, httpx.AsyncClient() as client:
        good = await client.post(url, content=GOOD_RELEASE.body(42))
        assert (good.status_code, good.json()["data"]["product"]["name"]) == (200, "Lamp")
        bad = await client.post(url, content=BROKEN_RELEASE.body(42))
        assert bad.status_code == 400
        assert "not valid JSON" in bad.text
        assert (await client.post(url, content="{}")).status_code == 400


def test_the_broken_release_is_broken_by_one_comma() -> None:
    assert BROKEN_RELEASE.body(42) == b'{"query": "{ product(id: 42) { name, price } }", }'
    assert json.loads(GOOD_RELEASE.body(42)) == orjson.loads(BROKEN_RELEASE.body(42).replace(b", }", b"}"))


async def test_a_proxy_forwards_what_it_is_given(unused_tcp_port: int) -> None:
    async with shop() as url, forward_proxies(2) as proxies:
        assert len(set(proxies)) == 2
        for proxy in proxies:
            async with httpx.AsyncClient(proxy=proxy) as client:
                for number in range(3):
                    answer = await client.post(url, content=GOOD_RELEASE.body(number))
                    assert f"id: {number}" in answer.json()["data"]["asked"]
        async with httpx.AsyncClient(proxy=proxies[0]) as client:
            assert (await client.get(f"http://127.0.0.1:{unused_tcp_port}/")).status_code == 502


@pytest.fixture
def unused_tcp_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def environment(kafka: str, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, str]:
    for name, value in {
        "HALT400_KAFKA_BOOTSTRAP_SERVERS": kafka,
        "HALT400_KAFKA_TOPIC_PREFIX": prefix,
        "HALT400_KAFKA_PARTITIONS": "3",
        "HALT400_ARCHIVE_URI": (tmp_path / "archive").as_uri(),
        "HALT400_API_ENABLED": "false",
    }.items():
        monkeypatch.setenv(name, value)
    return os.environ


@pytest.fixture
def settings(environment: Mapping[str, str]) -> Settings:
    return load_settings()


@pytest.fixture
async def topics(settings: Settings) -> None:
    await apply_topics(settings.kafka)


@pytest.fixture
def worker(environment: Mapping[str, str], topics: None, tmp_path: Path) -> Iterator[None]:
    path = tmp_path / "worker.log"
    path.touch()
    process = PreloadedProcess("worker", "--processes", "1", environment=environment, out=path, err=path)
    try:
        deadline = time.monotonic() + 60
        while "Ready:" not in path.read_text():
            assert process.poll() is None, path.read_text()
            assert time.monotonic() < deadline, path.read_text()
            time.sleep(0.05)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def archived_body(uri: str) -> str:
    har = json.loads(Path(url2pathname(urlsplit(uri).path)).read_bytes())
    body: str = har["log"]["entries"][0]["request"]["postData"]["text"]
    return body


@pytest.mark.usefixtures("worker")
async def test_every_step_is_seen_and_the_job_stops_by_itself(settings: Settings) -> None:
    shown = io.StringIO()
    async with asyncio.timeout(90):
        outcome = await run_demo(settings, Console(file=shown, width=200), once=True)
    assert outcome.complete
    assert re.search(r" until \d\d:\d\d:\d\d UTC, ", shown.getvalue())
    assert sorted(step.name for step in outcome.steps) == sorted(STEPS)
    times = [step.elapsed_ms for step in outcome.steps]
    assert times == sorted(times)
    assert times[0] == 0
    assert outcome.steps[0].name == "response seen"
    assert 0 < outcome.sent < 200
    assert outcome.sent + outcome.not_sent == 5000
    assert outcome.command is not None
    assert outcome.archive_uri == outcome.command.archive_uri
    assert archived_body(str(outcome.archive_uri)) == BROKEN_RELEASE.body(42).decode()
    text = shown.getvalue()
    assert all(name in text for name in STEPS)
    assert "without blame" in text
    assert f"sends {BROKEN_RELEASE.body(42).decode()}" in text
    assert "for product 42," in text


@pytest.mark.usefixtures("worker")
def test_the_command_exits_0_only_when_all_of_it_was_seen(environment: Mapping[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "halt400", "demo", "--once"], capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(name in done.stdout for name in STEPS)
    assert done.stderr == ""


@pytest.mark.usefixtures("topics")
def test_without_a_worker_one_line_says_so(environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    hurried = (
        "from streams.demo import scenario; scenario.WORKER_DEADLINE_S = 2.0; from halt400.cli import main; main()"
    )
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", hurried, "demo", "--once"], capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "halt400 worker" in done.stderr
    assert time.monotonic() - began < 60


async def test_without_a_broker_or_its_topics_the_mend_is_named(settings: Settings, unused_tcp_port: int) -> None:
    console = Console(file=io.StringIO())
    nowhere = load_settings(kafka={"bootstrap_servers": f"127.0.0.1:{unused_tcp_port}"})
    with pytest.raises(BrokerUnavailable, match=str(unused_tcp_port)):
        await run_demo(nowhere, console, once=True)
    with pytest.raises(TopicMismatch, match="topics apply"):
        await run_demo(settings, console, once=True)
