"""The page over the fleet of known counts of tests/api, at a known time; and what a browser would make of its HTML."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import pytest
import pytest_asyncio
from parsel import Selector

from streams.api.server import ApiServer
from streams.page import page_server
from streams.settings import Settings
from streams.topics import apply_topics
from tests.api.conftest import MODULE, settings_for
from tests.api.fleet import NOW_MS, write_fleet
from tests.waiting import until


@dataclass
class Page:
    """A running page and an HTTP client for it."""

    server: ApiServer
    http: aiohttp.ClientSession

    async def get(self, path: str, status: int = 200, **headers: str) -> Selector:
        """GET a page, which must have this status and be HTML without any script or style of its own."""
        async with self.http.get(f"{self.server.url}{path}", headers=headers) as response:
            text = await response.text()
            assert response.status == status, text
            assert response.content_type == "text/html"
        return checked(text)

    async def post(self, path: str, status: int = 200, **fields: str) -> Selector:
        """Send a form, follow its redirect, and return the page."""
        async with self.http.post(f"{self.server.url}{path}", data=fields) as response:
            text = await response.text()
            assert response.status == status, text
        return checked(text)


def checked(text: str) -> Selector:
    """Parse HTML; nothing in it runs, and nothing comes from elsewhere."""
    found = Selector(text)
    assert (
        found.css("script:not([src]), style, iframe, object, embed, base, [style], [onload], [onclick], [onerror]")
        == []
    )
    for address in found.css("script::attr(src), link::attr(href), img::attr(src)").getall():
        assert address.startswith("/assets/"), address
    return found


def text_of(found: Selector) -> str:
    """The text that a person reads, with single spaces."""
    return " ".join(" ".join(found.css("::text").getall()).split())


@pytest.fixture(scope="module")
def settings(kafka: str) -> Settings:
    return settings_for(kafka)


@pytest_asyncio.fixture(**MODULE)
async def page(settings: Settings) -> AsyncIterator[Page]:
    await apply_topics(settings.kafka)
    await write_fleet(settings.kafka)
    async with page_server(settings, clock_ms=lambda: NOW_MS) as server, aiohttp.ClientSession() as http:
        await server.read_model.wait_caught_up()
        await until(lambda: all(reader.caught_up for reader in server.read_model.logs.readers))
        yield Page(server, http)
