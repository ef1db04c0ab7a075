"""What is true of requests alone: urllib3's retries, adapters, authentication, threads, raw streams."""

import asyncio
import gzip
import io
from collections import Counter
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter
from requests.auth import HTTPDigestAuth
from urllib3.util import Retry

from halt400.errors import JobQuarantined
from halt400.events import target_of
from halt400.integrations.requests import Halt400Adapter, protect
from tests.integrations.conftest import JobTopics
from tests.integrations.drivers import Requests
from tests.sdk.strict_server import Server
from tests.waiting import until

pytestmark = pytest.mark.broker

BROKEN = '{"query": "{ product(id: 42) { name, price } }", }'


class Client(Requests):
    """The driver, and what is asked of its session in a thread."""

    async def run(self, work: Callable[[requests.Session], Any]) -> Any:
        return await asyncio.to_thread(work, self.session)


@pytest.fixture
async def client(job: JobTopics) -> AsyncIterator[Client]:
    async with Client.protected(job.job_id, local_hold=None, catch_up_s=0) as client:
        yield client


async def test_one_session_serves_many_threads(client: Client, job: JobTopics, server: Server) -> None:
    def work(session: requests.Session) -> None:
        session.mount("http://", HTTPAdapter(pool_maxsize=8))
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda number: session.get(f"{server.url}/items?number={number}"), range(200)))

    await client.run(work)
    await client.flush()
    urls = Counter(event.request.url for event in await job.events())
    assert urls == Counter(f"{server.url}/items?number={number}" for number in range(200))


async def test_retries_that_end_in_an_error_are_published_each(client: Client, job: JobTopics, server: Server) -> None:
    def work(session: requests.Session) -> None:
        session.mount("http://", HTTPAdapter(max_retries=Retry(1, status_forcelist=[503])))
        with pytest.raises(requests.exceptions.RetryError):
            session.get(f"{server.url}/items?status=503")

    await client.run(work)
    await client.flush()
    events = await job.events()
    assert [(event.response.status, event.attempt) for event in events] == [(503, 1), (503, 2)]


async def test_a_retry_is_asked_for_when_its_pause_is_over(client: Client, job: JobTopics, server: Server) -> None:
    class Quarantined(Retry):
        """Sleeps until the job is quarantined."""

        def sleep(self, response: Any = None) -> None:
            gate = client.guard.gate
            asyncio.run_coroutine_threadsafe(job.command(target_of(server.url)), loop).result(30)
            asyncio.run_coroutine_threadsafe(
                until(lambda: not gate.is_open(target_of(server.url), job.job_id)), loop
            ).result()

    loop = asyncio.get_running_loop()

    def work(session: requests.Session) -> None:
        session.mount("http://", HTTPAdapter(max_retries=Quarantined(3, status_forcelist=[503]), pool_block=True))
        with pytest.raises(JobQuarantined):
            session.get(f"{server.url}/items?status=503")
        # The connection went back to its pool, which would block.
        adapter = session.get_adapter(server.url)
        assert isinstance(adapter, Halt400Adapter)
        assert adapter.wrapped.send(requests.Request("GET", f"{server.url}/items").prepare()).status_code == 200

    await client.run(work)
    assert server.hits == ["GET /items?status=503", "GET /items"]


async def test_digest_authentication_is_published_and_numbered(client: Client, job: JobTopics, server: Server) -> None:
    response = await client.run(
        lambda session: session.get(f"{server.url}/digest", auth=HTTPDigestAuth("user", "secret"))
    )
    assert response.status_code == 200
    await client.flush()
    assert [event.response.status for event in await job.events()] == [401, 200]


async def test_a_400_that_is_read_from_the_raw_stream_is_published_decoded(
    client: Client, job: JobTopics, server: Server
) -> None:
    def work(session: requests.Session) -> bytes:
        headers = {"Content-Type": "application/json", "Accept-Encoding": "gzip"}
        with session.post(f"{server.url}/graphql", data=BROKEN, headers=headers, stream=True) as response:
            # As shutil.copyfileobj does.
            return b"".join(iter(lambda: response.raw.read(7), b""))

    received = await client.run(work)
    await client.flush()
    [event] = await job.events()
    assert event.response.body == gzip.decompress(received).decode()


async def test_a_file_that_is_sent_again_after_a_redirect_is_kept_once(
    client: Client, job: JobTopics, server: Server
) -> None:
    def work(session: requests.Session) -> None:
        session.post(f"{server.url}/moved?status=307&to=/items%3Fstatus=400", data=io.BytesIO(b"ab" * 50_000))

    await client.run(work)
    await client.flush()
    first, last = await job.events()
    assert (first.response.status, last.response.status) == (307, 400)
    assert (first.request.body_size, last.request.body_size, last.request.body) == (100_000, 100_000, "ab" * 50_000)


@pytest.mark.parametrize("body", [b"ab", "ab", bytearray(b"ab"), {"a": "b"}], ids=lambda body: type(body).__name__)
async def test_every_kind_of_body_is_published(client: Client, job: JobTopics, server: Server, body: Any) -> None:
    await client.run(lambda session: session.post(f"{server.url}/items?status=400", data=body))
    await client.flush()
    [event] = await job.events()
    assert event.request.body == ("a=b" if isinstance(body, dict) else "ab")


async def test_a_target_can_be_named(client: Client, job: JobTopics, server: Server) -> None:
    def work(session: requests.Session) -> None:
        with protect(requests.Session(), client.guard, target=lambda request: f"shop-{request.method}") as session:
            session.get(f"{server.url}/items")

    await client.run(work)
    await client.flush()
    assert [event.target for event in await job.events()] == ["shop-GET"]
