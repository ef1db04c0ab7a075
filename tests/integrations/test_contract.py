"""What is true of every integration, whatever the client: on its real client, a real server and the real broker."""

import asyncio
import gc
import hashlib
import itertools
import re
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest

from halt400.errors import JobQuarantined
from halt400.events import target_of
from halt400.kafka.connection import KafkaConnection
from tests.integrations.conftest import JobTopics
from tests.integrations.crawlee_driver import Crawlee
from tests.integrations.drivers import DRIVERS, UPLOAD, Driver
from tests.integrations.playwright_driver import SyncPlaywright
from tests.peak_memory import peak_memory
from tests.sdk.strict_server import Server
from tests.waiting import until

pytestmark = pytest.mark.broker

BROKEN = '{"query": "{ product(id: 42) { name, price } }", }'
JSON = ("Content-Type", "application/json")


KINDS = [pytest.param(kind, id=kind.__name__, marks=kind.marks) for kind in (*DRIVERS, Crawlee, SyncPlaywright)]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> type[Driver]:
    found: type[Driver] = request.param
    return found


@pytest.fixture
async def client(kind: type[Driver], job: JobTopics) -> AsyncIterator[Driver]:
    async with kind.protected(job.job_id, release="2.4.0", worker="w-1", local_hold=None, catch_up_s=0) as client:
        yield client


async def outcome(client: Driver, path: str, server: Server) -> tuple[object, ...]:
    """What the scraper gets of a request: the response, or the error and what it is about."""
    try:
        return tuple(await client.send("GET", f"{server.url}{path}"))
    except Exception as error:
        # curl tells how long it tried, a browser where its scripts were.
        said = str(error).replace(server.url, "").partition("\n")[0]
        return type(error), re.sub(r"after \d+ ms", "after a while", said)


async def test_each_response_is_published_once_with_a_body_only_for_a_400(
    client: Driver, job: JobTopics, server: Server
) -> None:
    for status in (200, 204, 404, 429, 500, 503, 400):
        answer = await client.send("GET", f"{server.url}/items?status={status}")
        assert answer.status == status
    assert client.guard is not None
    client.guard.target = "shop"
    assert (await client.send("POST", f"{server.url}/moved", body="{}")).status == 200
    await client.flush()
    events = await job.events()
    found = [
        (event.request.method, event.request.url.removeprefix(server.url), event.response.status) for event in events
    ]
    assert found == [
        *(("GET", f"/items?status={status}", status) for status in (200, 204, 404, 429, 500, 503, 400)),
        ("POST", "/moved", 302),
        ("GET", "/items", 200),
    ]
    assert len({event.id for event in events}) == len(events)
    assert [event.attempt for event in events] == [1] * len(events)
    assert [event.target for event in events] == [target_of(server.url)] * 7 + ["shop"] * 2
    assert {(event.client.name, event.release, event.worker) for event in events if event.client} == {
        (client.client, "2.4.0", "w-1")
    }
    assert (client.guard.stats.published, client.guard.stats.bad_requests) == (9, 1)
    others = [event for event in events if event.response.status != 400]
    assert all(event.request.body is None and event.response.body is None for event in others)
    assert all(event.response.headers == [] for event in others)


async def test_a_400_is_published_whole(client: Driver, job: JobTopics, server: Server) -> None:
    answer = await client.send(
        "POST",
        f"{server.url}/graphql",
        headers=[("X-B", "1"), ("X-A", "2"), JSON, ("Accept-Encoding", "gzip")],
        body=BROKEN,
    )
    assert answer.status == 400
    await client.flush()
    [event] = await job.events()
    assert event.request.body == BROKEN
    assert event.request.body_sha256 == hashlib.sha256(BROKEN.encode()).hexdigest()
    assert event.response.body == answer.body.decode()
    assert not event.response.body_truncated
    assert (event.request.http_version, event.duration_ms is not None) == ("1.1", True)
    sent = [name.lower() for name, _ in event.request.headers]
    assert sent.count("host") == 1
    received = dict(event.response.headers)
    assert received["Content-Encoding"] == "gzip"
    assert sorted(received) == sorted(server.sent_headers[-1])
    if client.tells_order:
        assert sent.index("x-b") < sent.index("x-a") < sent.index("content-type")
        assert [name for name, _ in event.response.headers] == server.sent_headers[-1]


async def test_the_headers_are_those_that_were_sent(client: Driver, job: JobTopics, server: Server) -> None:
    await client.send("GET", f"{server.url}/items?status=400", headers=[("X-B", "1"), ("X-A", "2")])
    await client.flush()
    [event] = await job.events()
    known, sent = (
        [(name.lower(), value) for name, value in headers]
        for headers in (event.request.headers, server.received_headers[-1])
    )
    assert known == sent if client.tells_order else sorted(known) == sorted(sent)


async def test_a_halted_job_sends_nothing(client: Driver, job: JobTopics, server: Server) -> None:
    await job.command(target_of(server.url))
    assert client.guard is not None
    gate = client.guard.gate
    assert gate is not None
    await until(lambda: not gate.is_open(target_of(server.url), job.job_id))
    for _ in range(3):
        with pytest.raises(JobQuarantined):
            await client.send("GET", f"{server.url}/items")
    await client.flush()
    assert server.hits == []
    assert client.guard.stats.refused == 3
    assert await job.events() == []


async def test_a_400_is_not_retried_and_the_attempts_of_others_are_numbered(
    client: Driver, job: JobTopics, server: Server
) -> None:
    assert await client.send_with_retries("GET", f"{server.url}/items?status=503") == 503
    await client.flush()
    assert [(event.response.status, event.attempt) for event in await job.events()] == [
        (503, 1),
        (503, 2),
        (503, 3),
    ]
    # A client that retries inside hands out the 400; one whose user sends a request again is refused.
    with suppress(JobQuarantined):
        assert await client.send_with_retries("POST", f"{server.url}/graphql", BROKEN) == 400
    await client.flush()
    assert Counter(server.hits) == {"GET /items?status=503": 3, "POST /graphql": 1}
    assert [event.response.status for event in await job.events()] == [503, 503, 503, 400]


async def test_streamed_bodies_pass_through_and_their_beginnings_are_kept(
    client: Driver, job: JobTopics, server: Server
) -> None:
    answer = await client.upload(f"{server.url}/large?status=400")
    assert answer.body == b"x" * 2_000_000
    assert await client.read_some(f"{server.url}/large?status=400", 1) >= 1
    assert await client.read_some(f"{server.url}/large?status=200", None) == 2_000_000
    await client.flush()
    events = await job.events()
    assert sorted(event.response.status for event in events) == [200, 400, 400]
    whole = next(event for event in events if event.request.method == "POST")
    uploaded = b"".join(UPLOAD)
    assert (whole.request.body_size, whole.request.body_truncated) == (len(uploaded), True)
    assert whole.request.body_sha256 == hashlib.sha256(uploaded).hexdigest()
    assert (whole.response.body_size, whole.response.body_truncated) == (2_000_000, True)
    left_early = next(event for event in events if event.response.status == 400 and event.request.method == "GET")
    assert left_early.response.body or not client.keeps_what_was_read
    assert next(event for event in events if event.response.status == 200).response.body is None


async def test_a_stream_of_100_megabytes_takes_no_memory(client: Driver, server: Server) -> None:
    for status in (200, 400):
        await client.read_some(f"{server.url}/large?status={status}", None)
        with peak_memory() as peak:
            assert await client.read_some(f"{server.url}/large?status={status}&mb=100", None) == 100_000_000
        assert peak.grown_bytes < 20_000_000


@pytest.mark.parametrize("path", ["/broken", "/broken-gzip?status=200", "/broken-gzip?status=400", "/nothing-listens"])
async def test_what_the_client_raises_passes_through(
    kind: type[Driver], client: Driver, job: JobTopics, server: Server, unused_port: int, path: str
) -> None:
    if path == "/nothing-listens":
        server.url = f"http://127.0.0.1:{unused_port}"
    async with kind.alone() as bare:
        assert await outcome(client, path, server) == await outcome(bare, path, server)
    await client.flush()
    statuses = [event.response.status for event in await job.events()]
    assert statuses == ([int(path[-3:])] if "status" in path else [])


@pytest.mark.parametrize("status", [200, 400])
async def test_an_endless_stream_is_left_when_the_scraper_leaves_it(
    client: Driver, job: JobTopics, server: Server, status: int
) -> None:
    assert await asyncio.wait_for(client.read_some(f"{server.url}/endless?status={status}", 300_000), 30) >= 300_000
    await client.flush()
    [event] = await job.events()
    assert event.response.status == status
    assert bool(event.response.body) == (status == 400 and client.keeps_what_was_read)


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_400_that_is_neither_read_nor_closed_is_published(
    client: Driver, job: JobTopics, server: Server
) -> None:
    assert await client.drop(f"{server.url}/items?status=400") == 400
    await until(lambda: gc.collect() >= 0 and client.guard is not None and client.guard.stats.published == 1)
    await client.flush()
    assert [event.response.status for event in await job.events()] == [400]


async def test_a_cancelled_request_is_none(client: Driver, job: JobTopics, server: Server) -> None:
    if client.is_sync:
        pytest.skip("a blocking call cannot be cancelled")
    sending = asyncio.create_task(client.send("GET", f"{server.url}/silent"))
    await until(lambda: server.hits)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    assert (await client.send("GET", f"{server.url}/items")).status == 200
    await client.flush()
    assert [event.response.status for event in await job.events()] == [200]


async def test_the_proxy_is_named(client: Driver, job: JobTopics, server: Server) -> None:
    if not client.names_proxies:
        pytest.skip("its proxies are transports of their own: see tests/sdk/test_httpx.py")
    # An origin server answers requests in absolute form too (RFC 9112, section 3.2.2): proxy enough for this.
    proxy = server.url.replace("http://", "http://user:secret@")
    await client.send("GET", f"{server.url}/items", proxy=proxy)
    await client.send("GET", f"{server.url}/items?status=400", proxy=proxy)
    await client.flush()
    proxies = [event.proxy and event.proxy.id for event in await job.events()]
    assert proxies == [server.url.removeprefix("http://")] * 2


async def test_without_kafka_the_scraper_goes_on_and_only_a_run_of_400s_is_stopped(
    kind: type[Driver], server: Server, unused_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HALT400_KAFKA_BOOTSTRAP_SERVERS", f"127.0.0.1:{unused_port}")
    async with kind.protected("extract-099", catch_up_s=0) as client:
        for _ in range(10):
            assert (await client.send("GET", f"{server.url}/items")).status == 200
        statuses: list[int] = []
        for _ in range(20):
            with suppress(JobQuarantined):
                answer = await client.send("POST", f"{server.url}/graphql", headers=[JSON], body=BROKEN)
                statuses.append(answer.status)
        assert statuses == [400] * 5
        assert (await client.send("GET", f"{server.url}/items")).status == 200
        assert client.guard is not None
        assert (client.guard.stats.refused_locally, client.guard.stats.published) == (15, 16)
        await client.give_up()


async def test_with_a_full_buffer_and_without_topics_the_scraper_goes_on(
    kind: type[Driver], server: Server, kafka: str, prefix: str
) -> None:
    """On a broker that nobody has made the topics on; what no longer fits is counted."""
    async with kind.with_buffer(KafkaConnection(kafka, prefix), 20_000) as client:
        assert client.guard is not None
        for _ in range(10):
            assert (await client.send("GET", f"{server.url}/items")).status == 200
        for _ in range(30):
            answer = await client.send("POST", f"{server.url}/graphql", headers=[JSON], body=BROKEN + " " * 1000)
            assert answer.status == 400
        assert (client.guard.stats.published, client.guard.stats.refused) == (40, 0)
        publisher: Any = client.guard.publisher
        stats = publisher.stats
        assert stats.dropped == 10  # what is no 400 goes first
        assert stats.dropped_bad_requests > 10
        assert stats.dropped_bad_requests + stats.buffered + stats.in_flight == 30
        await client.give_up()


async def test_a_client_that_outlives_its_guard_goes_on(client: Driver, job: JobTopics, server: Server) -> None:
    """As where a framework reloads the code, or closes things in its own order."""
    assert (await client.send("GET", f"{server.url}/items?status=404")).status == 404
    await client.close_guard()
    assert (await client.send("GET", f"{server.url}/items")).status == 200
    assert (await client.send("POST", f"{server.url}/graphql", headers=[JSON], body=BROKEN)).status == 400
    assert await client.read_some(f"{server.url}/large?status=400", None) == 2_000_000
    assert [event.response.status for event in await job.events()] == [404]


FORKS = """
import asyncio, multiprocessing, sys
from halt400.guard import SyncGuard
from tests.integrations.drivers import DRIVERS

async def opened(kind, guard):
    driver = kind(guard)
    await driver.open()
    return driver

def crawl(drivers, name):
    for driver in drivers:
        for number in range(3):
            url = f"{sys.argv[1]}/{type(driver).__name__}/{name}/{number}"
            assert driver._send("GET", url, [], None, None).status == 200
        assert driver.guard.publisher.flush(20.0)

if __name__ == "__main__":
    options = {"job_id": sys.argv[2], "catch_up_s": 0}
    drivers = [asyncio.run(opened(kind, SyncGuard(**options))) for kind in DRIVERS if kind.is_sync]
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=crawl, args=(drivers, name)) for name in ("first", "second")]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    crawl(drivers, "parent")
    print([child.exitcode for child in children])
"""


async def test_sessions_that_are_protected_before_a_fork_work_in_the_children_and_in_the_parent(
    job: JobTopics, server: Server
) -> None:
    """As a server that preloads its application does."""
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKS, server.url, job.job_id]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    assert out.decode() == "[0, 0]\n"
    paths = Counter(event.request.url.removeprefix(server.url) for event in await job.events())
    kinds = [kind.__name__ for kind in DRIVERS if kind.is_sync]
    places = itertools.product(kinds, ("first", "second", "parent"), range(3))
    assert paths == {f"/{kind}/{name}/{number}": 1 for kind, name, number in places}
