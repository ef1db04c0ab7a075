"""What is true of aiohttp alone: a 400's body that nobody reads, late bodies, forms, redirects with a body."""

import asyncio
import io
from collections.abc import AsyncIterator

import aiohttp
import pytest

from halt400.integrations import aiohttp as aiohttp_integration
from tests.integrations.conftest import JobTopics
from tests.integrations.drivers import Aiohttp
from tests.sdk.strict_server import Server

pytestmark = pytest.mark.broker


@pytest.fixture
async def client(job: JobTopics) -> AsyncIterator[Aiohttp]:
    async with Aiohttp.protected(job.job_id, local_hold=None, catch_up_s=0) as client:
        yield client


async def test_the_body_of_a_400_is_kept_where_nobody_reads_it(
    client: Aiohttp, job: JobTopics, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aiohttp_integration, "BODY_WAIT_S", 60.0)  # however late the server is on a busy machine
    async with client.session.get(f"{server.url}/late?status=400") as response:
        assert response.status == 400
    with pytest.raises(aiohttp.ClientResponseError):
        await client.session.get(f"{server.url}/late?status=400", raise_for_status=True)
    await client.flush()
    assert [event.response.body for event in await job.events()] == ["later"] * 2


async def test_an_endless_400_is_handed_out_all_the_same(client: Aiohttp, server: Server) -> None:
    async with client.session.get(f"{server.url}/silent-body?status=400") as response:
        assert await response.content.readany() == b"begun"


async def test_a_scraper_that_is_cancelled_while_a_400_arrives_leaves_no_connection(
    client: Aiohttp, job: JobTopics, server: Server
) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await client.session.get(f"{server.url}/silent-body?status=400")
    assert client.session.connector is not None
    assert not client.session.connector._acquired
    await client.flush()
    [event] = await job.events()
    assert (event.response.status, event.response.body) == (400, "begun")


async def test_forms_with_files_are_kept_as_they_are_sent(client: Aiohttp, job: JobTopics, server: Server) -> None:
    form = aiohttp.FormData({"name": "lamp"})
    form.add_field("picture", io.BytesIO(b"png" * 1000), filename="lamp.png")
    await client.session.post(f"{server.url}/items?status=400", data=form)
    await client.session.post(f"{server.url}/items?status=400", data={"name": "lamp"})
    await client.session.post(f"{server.url}/items?status=400", json={"name": "lamp"})
    await client.flush()
    multipart, urlencoded, json = await job.events()
    assert multipart.request.body is not None
    assert 'filename="lamp.png"' in multipart.request.body
    assert "png" * 1000 in multipart.request.body
    assert (urlencoded.request.body, json.request.body) == ("name=lamp", '{"name": "lamp"}')


async def test_a_file_that_is_sent_again_after_a_redirect_is_kept_once(
    client: Aiohttp, job: JobTopics, server: Server
) -> None:
    url = f"{server.url}/moved?status=307&to=/items%3Fstatus=400"
    await client.session.post(url, data=io.BytesIO(b"ab" * 50_000))
    await client.flush()
    first, last = await job.events()
    assert (first.response.status, last.response.status) == (307, 400)
    assert (last.request.body_size, last.request.body) == (100_000, "ab" * 50_000)
