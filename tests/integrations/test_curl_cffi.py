"""What is true of curl_cffi alone: what curl itself adds, follows and retries."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from curl_cffi.requests.exceptions import HTTPError

from halt400.integrations import curl_cffi_trace
from halt400.integrations.curl_cffi import protect
from halt400.integrations.curl_cffi_trace import CalledTrace, Trace, WrittenTrace
from tests.integrations.conftest import JobTopics
from tests.integrations.drivers import CurlCffi
from tests.sdk.strict_server import Server
from tests.waiting import until

pytestmark = pytest.mark.broker

LONG = "x" * 8_000


@pytest.fixture
async def client(job: JobTopics) -> AsyncIterator[CurlCffi]:
    async with CurlCffi.protected(job.job_id, local_hold=None, catch_up_s=0) as client:
        yield client


@pytest.mark.parametrize("kind", [WrittenTrace, CalledTrace])
async def test_the_headers_of_the_impersonated_browser_are_published_in_their_order(
    job: JobTopics, server: Server, monkeypatch: pytest.MonkeyPatch, kind: type[Trace]
) -> None:
    monkeypatch.setattr(curl_cffi_trace, "_made", kind)
    monkeypatch.setattr(curl_cffi_trace, "_free", [])
    async with CurlCffi.protected(job.job_id, local_hold=None, catch_up_s=0) as client:
        await see_browsers_headers(client, job, server)


async def see_browsers_headers(client: CurlCffi, job: JobTopics, server: Server) -> None:
    await client.session.get(f"{server.url}/items?status=400", impersonate="chrome", headers={"X-Shop": "1"})
    await client.session.post(f"{server.url}/moved?to=/items%3Fstatus=400", data=b"{}", impersonate="firefox")
    await client.flush()
    chrome, moved, firefox = await job.events()
    for event, received in ((chrome, server.received_headers[0]), (firefox, server.received_headers[2])):
        assert event.request.headers == received
        assert "user-agent" in {name.lower() for name, _ in event.request.headers}
    assert [(event.request.method, event.request.body) for event in (moved, firefox)] == [("POST", None), ("GET", None)]


async def test_of_headers_that_the_trace_does_not_tell_for_certain_the_known_are_published(
    client: CurlCffi, job: JobTopics, server: Server
) -> None:
    await client.session.get(f"{server.url}/items?status=400", headers={"X-Path": "shop > lamps"})
    await client.session.get(f"{server.url}/items?status=400", headers={"X-Large": LONG})
    too_many = {f"X-{number}": LONG for number in range(9)}  # more than is kept of the trace
    await client.session.get(f"{server.url}/items?status=400", headers=too_many)
    await client.flush()
    marked, large, too_large = await job.events()
    assert marked.request.headers == [("X-Path", "shop > lamps")]
    assert large.request.headers == server.received_headers[1]
    assert too_large.request.headers == list(too_many.items())


async def test_the_event_has_the_url_and_the_body_that_were_sent(
    client: CurlCffi, job: JobTopics, server: Server
) -> None:
    client.session.base_url = server.url
    await client.session.post("/items", params={"status": 400, "q": "a b"}, json={"a": 1})
    await client.flush()
    [event] = await job.events()
    assert event.request.url == f"{server.url}/items?status=400&q=a+b"
    assert event.request.body == '{"a":1}'


async def test_an_error_of_raise_for_status_carries_its_response(
    client: CurlCffi, job: JobTopics, server: Server
) -> None:
    client.session.raise_for_status = True
    for status in (400, 404):
        with pytest.raises(HTTPError, match=f"HTTP Error {status}"):
            await client.session.get(f"{server.url}/items?status={status}")
    await client.flush()
    assert [event.response.status for event in await job.events()] == [400, 404]


async def test_requests_that_are_cancelled_while_curl_is_at_work_harm_nothing(client: CurlCffi, server: Server) -> None:
    """Tracing must not outlive what curl_cffi frees: that would end the process."""
    for sent in range(8, 48, 8):
        tasks = [asyncio.create_task(client.session.get(f"{server.url}/silent")) for _ in range(8)]
        await until(lambda sent=sent: len(server.hits) == sent)
        for task in tasks:
            task.cancel()
        assert all(
            isinstance(error, asyncio.CancelledError) for error in await asyncio.gather(*tasks, return_exceptions=True)
        )
    assert (await client.session.get(f"{server.url}/items")).status_code == 200


async def test_without_the_trace_the_known_headers_are_published(job: JobTopics, server: Server) -> None:
    async with CurlCffi.protected(job.job_id, catch_up_s=0) as client, CurlCffi.alone() as untraced:
        protect(untraced.session, client.guard, trace=False, target="shop")
        await untraced.session.post(f"{server.url}/moved?to=/items%3Fstatus=400", headers={"X-B": "1", "X-A": "2"})
        await client.flush()
    moved, last = await job.events()
    assert (moved.request.method, last.request.method) == ("POST", "GET")
    assert (moved.target, last.target) == ("shop", "shop")
    assert last.request.headers == [("X-B", "1"), ("X-A", "2")]


def test_a_head_that_is_sent_in_parts_is_one_and_that_to_a_proxy_is_none() -> None:
    trace = CalledTrace()
    for part in (
        b"CONNECT shop.example:443 HTTP/1.1\r\nHost: shop.example:443\r\n\r\n",
        b"GET /a HTTP/2\r\nX-B: 1\r\n",
        b"X-A: 2:3\r\n\r\n",
        b"GET /b HTTP/2\r\n\r\n",
    ):
        trace._see(2, part)
    first, second = trace.take()
    assert (first.method, first.headers()) == ("GET", [("X-B", "1"), ("X-A", "2:3")])
    assert second.headers() == []
