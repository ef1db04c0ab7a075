"""The httpx integration against a real server; what it publishes is read back from the real broker."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import httpx
import pytest

from halt400.errors import JobQuarantined, PreflightFailed
from halt400.events import target_of
from halt400.gate import Gate
from halt400.guard import RequestGuard
from halt400.integrations.httpx import Halt400Transport, SyncHalt400Transport
from halt400.kafka.connection import KafkaConnection
from halt400.proxies import ProxyPool, Released
from halt400.publisher import Publisher
from halt400.records import Command, ResponseEvent, Scope
from halt400.sync import SyncGate, SyncPublisher
from tests.broker import decoded

from . import topics
from .commands import record
from .strict_server import Server, serve

pytestmark = pytest.mark.broker

JOB = "extract-099"
BROKEN = '{"query": "{ product(id: 42) { name, price } }", }'


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serve() as server:
        yield server


class Scraper:
    """A client behind the transport, and what it published."""

    def __init__(self, kafka: str, prefix: str, publisher: Publisher, gate: Gate, client: httpx.AsyncClient) -> None:
        self.kafka, self.prefix, self.publisher, self.gate, self.client = kafka, prefix, publisher, gate, client

    async def published(self) -> list[ResponseEvent]:
        assert await self.publisher.flush(20)
        return await events_of(self.kafka, self.prefix)

    async def quarantine(self, target: str) -> None:
        issued = Command(
            command_id="c-1",
            scope=Scope(kind="job", target=target, job_id=JOB),
            sequence=1,
            state="quarantined",
            reason="HTTP 400",
            issued_by="test",
            opened_at=0,
            issued_at=0,
            expires_at=4_000_000_000_000,
        )
        await topics.write(self.kafka, f"{self.prefix}control", [record(issued)])
        await self.gate.wait_caught_up()


async def events_of(kafka: str, prefix: str) -> list[ResponseEvent]:
    return decoded(await topics.read(kafka, f"{prefix}responses"))


@pytest.fixture
async def scrapers(kafka: str, prefix: str) -> AsyncIterator[Callable[..., "asyncio.Future[Scraper]"]]:
    await topics.create(kafka, f"{prefix}control", partitions=1)
    await topics.create(kafka, f"{prefix}responses", partitions=1, compacted=False)
    async with AsyncExitStack() as stack, asyncio.timeout(60):

        async def make(**options: object) -> Scraper:
            publisher = await stack.enter_async_context(Publisher(KafkaConnection(kafka, prefix)))
            gate = await stack.enter_async_context(Gate(KafkaConnection(kafka, prefix)))
            await gate.wait_caught_up()
            proxies = options.pop("proxies", None)
            guard = RequestGuard(publisher, gate, job_id=JOB, **options)  # type: ignore[arg-type]
            transport = Halt400Transport(guard, proxies=proxies)  # type: ignore[arg-type]
            client = await stack.enter_async_context(httpx.AsyncClient(transport=transport))
            return Scraper(kafka, prefix, publisher, gate, client)

        yield make  # type: ignore[misc]


async def test_a_400_is_published_whole_and_everything_else_is_counted(scrapers: Callable, server: Server) -> None:
    scraper = await scrapers(run_id="run-1", release="2.4.0", worker="w-1")
    for status in (200, 404):
        await scraper.client.get(f"{server.url}/items", params={"status": status}, headers={"Authorization": "s3cret"})
    answer = await scraper.client.post(
        f"{server.url}/graphql",
        content=BROKEN,
        headers=[("X-B", "1"), ("X-A", "2"), ("Content-Type", "application/json")],
    )
    assert answer.json()["error"]
    good, missing, bad = await scraper.published()
    assert [event.response.status for event in (good, missing, bad)] == [200, 404, 400]
    assert {event.target for event in (good, missing, bad)} == {target_of(server.url)}
    assert ("Authorization", "") in good.request.headers
    assert missing.request.headers == []
    assert bad.request.body == BROKEN
    assert bad.request.body_sha256 == hashlib.sha256(BROKEN.encode()).hexdigest()
    assert bad.response.body == answer.text
    assert not bad.response.body_truncated
    names = [name for name, _ in bad.request.headers]
    assert names.index("X-B") < names.index("X-A") < names.index("Content-Type")
    assert (bad.run_id, bad.release, bad.worker, bad.request.http_version) == ("run-1", "2.4.0", "w-1", "1.1")
    assert bad.client is not None
    assert bad.client.name == "httpx"
    assert bad.duration_ms is not None


async def test_a_halted_job_sends_nothing(scrapers: Callable, server: Server) -> None:
    scraper = await scrapers()
    await scraper.quarantine(target_of(server.url))
    for _ in range(3):
        with pytest.raises(JobQuarantined):
            await scraper.client.get(f"{server.url}/items")
    assert server.hits == []
    assert list(scraper.gate.not_sent.values()) == [3]
    assert await scraper.published() == []


async def test_a_400_is_not_sent_again_and_other_retries_are_numbered(scrapers: Callable, server: Server) -> None:
    scraper = await scrapers()
    flaky = scraper.client.build_request("GET", f"{server.url}/items?status=503")
    for _ in range(3):
        await scraper.client.send(flaky)
    broken = scraper.client.build_request("POST", f"{server.url}/graphql", content=BROKEN)
    await scraper.client.send(broken)
    with pytest.raises(JobQuarantined, match="not sent again"):
        await scraper.client.send(broken)
    assert len(server.hits) == 4
    assert [event.attempt for event in await scraper.published()] == [1, 2, 3, 1]


async def test_streamed_bodies_pass_through_as_they_are(scrapers: Callable, server: Server) -> None:
    scraper = await scrapers()

    async def upload() -> AsyncIterator[bytes]:
        for _ in range(15):
            yield b"y" * 100_000

    async with scraper.client.stream("POST", f"{server.url}/large?status=400", content=upload()) as answer:
        received = [chunk async for chunk in answer.aiter_raw()]
    assert b"".join(received) == b"x" * 2_000_000
    async with scraper.client.stream("GET", f"{server.url}/large?status=400") as answer:
        async for _ in answer.aiter_raw():
            break
    async with scraper.client.stream("GET", f"{server.url}/large?status=200") as answer:
        assert len(await answer.aread()) == 2_000_000
    whole, left_early, good = await scraper.published()
    assert (whole.request.body_size, whole.request.body_truncated) == (1_500_000, True)
    assert whole.request.body_sha256 == hashlib.sha256(b"y" * 1_500_000).hexdigest()
    assert (whole.response.body_size, whole.response.body_truncated) == (2_000_000, True)
    assert left_early.response.status == 400
    assert left_early.response.body
    assert good.response.body is None


async def test_what_httpx_raises_passes_through_and_is_no_response(scrapers: Callable, server: Server) -> None:
    scraper = await scrapers()
    with pytest.raises(httpx.RemoteProtocolError):
        await scraper.client.get(f"{server.url}/broken")
    assert await scraper.published() == []


async def test_preflight_stops_what_would_be_refused(scrapers: Callable, server: Server) -> None:
    scraper = await scrapers(preflight="block")
    headers = {"Content-Type": "application/json"}
    with pytest.raises(PreflightFailed):
        await scraper.client.post(f"{server.url}/graphql", content=BROKEN, headers=headers)
    assert server.hits == []
    await scraper.client.post(f"{server.url}/graphql", content="{}", headers=headers)
    assert len(server.hits) == 1


async def test_each_request_borrows_a_proxy_and_only_a_dead_one_is_blamed(
    scrapers: Callable, server: Server, unused_port: int
) -> None:
    # An origin server answers requests in absolute form too (RFC 9112, section 3.2.2): proxy enough for this.
    pool = ProxyPool([server.url])
    heard: list[Released] = []
    pool.on_release(heard.append)
    scraper = await scrapers(proxies=pool)
    await scraper.client.get(f"{server.url}/items")
    await scraper.client.post(f"{server.url}/graphql", content=BROKEN)
    good, bad = await scraper.published()
    proxy_id = server.url.removeprefix("http://")
    assert good.proxy is not None
    assert bad.proxy is not None
    assert good.proxy.id == bad.proxy.id == proxy_id
    assert [released.blame for released in heard] == [False, False]
    dead = ProxyPool([f"http://127.0.0.1:{unused_port}"])
    dead.on_release(heard.append)
    with pytest.raises(httpx.ConnectError):
        await (await scrapers(proxies=dead)).client.get(f"{server.url}/items")
    assert heard[-1].blame
    assert dead.leases == pool.leases == frozenset()


async def test_synchronous_clients_do_the_same(kafka: str, prefix: str, server: Server, scrapers: Callable) -> None:
    scraper = await scrapers()
    await scraper.quarantine("halted.example")

    def work() -> None:
        with (
            SyncPublisher(KafkaConnection(kafka, prefix)) as publisher,
            SyncGate(KafkaConnection(kafka, prefix)) as gate,
        ):
            gate.wait_caught_up(20)
            transport = SyncHalt400Transport(RequestGuard(publisher, gate, job_id=JOB))
            with httpx.Client(transport=transport) as client:
                client.get(f"{server.url}/items")
                client.post(f"{server.url}/graphql", content=BROKEN)
                with pytest.raises(JobQuarantined):
                    client.get("http://halted.example/")
            assert publisher.flush(20)

    await asyncio.to_thread(work)
    good, bad = await events_of(kafka, prefix)
    assert (good.response.status, bad.response.status, bad.request.body) == (200, 400, BROKEN)
