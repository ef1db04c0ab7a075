import aiohttp
import pytest
from pydantic import SecretStr

from halt400.kafka.connection import KafkaConnection
from streams.api.access import new_token
from streams.api.read_model import ReadModel
from streams.api.server import ApiServer
from streams.page import page_server
from streams.page.context import PAGES
from streams.page.routes import add_page
from streams.settings import ApiSettings, Settings
from tests.api.fleet import NOW_MS

from .conftest import Page, text_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("path", [path for path, _ in PAGES])
async def test_every_page_of_the_navigation_has_its_title_its_place_and_the_headers(page: Page, path: str) -> None:
    found = await page.get(path)
    assert found.css("html::attr(lang)").get() == "en"
    assert found.css("nav [aria-current=page]::attr(href)").getall() == [path]
    assert len(found.css("h1")) == 1
    assert found.css("a.skip::attr(href)").get() == "#content"
    assert found.css("main#content")
    async with page.http.get(page.server.url + path) as response:
        policy = response.headers["Content-Security-Policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Referrer-Policy"] == "same-origin"  # none would make the Origin of forms null
        assert response.headers["Cache-Control"] == "no-store"


async def test_what_a_page_loads_is_kept_for_good_and_compressed_where_it_may(page: Page) -> None:
    found = await page.get("/")
    addresses = found.css("script::attr(src), link::attr(href)").getall()
    assert len(addresses) == 5
    for address in addresses:
        sizes = []
        for encoding in ("gzip", "identity"):
            async with page.http.get(page.server.url + address, headers={"Accept-Encoding": encoding}) as response:
                assert response.status == 200
                assert "immutable" in response.headers["Cache-Control"]
                assert response.headers["Vary"] == "Accept-Encoding"
                sizes.append(len(await response.read()))
        assert sizes[0] == sizes[1]  # the client has decompressed it
    async with page.http.get(f"{page.server.url}/assets/0/halt400.css") as response:
        assert response.status == 404


async def test_an_unknown_address_is_a_page_for_people_and_a_document_for_programs(page: Page) -> None:
    found = await page.get("/nowhere", 404)
    assert "There is nothing at /nowhere" in text_of(found.css("main"))
    async with page.http.get(f"{page.server.url}/v1/nowhere") as response:
        assert response.content_type == "application/problem+json"


async def test_a_process_that_has_not_read_its_topics_says_so_and_looks_again() -> None:
    nowhere = ReadModel(KafkaConnection("127.0.0.1:1"))
    async with ApiServer(nowhere, ApiSettings(port=0), add_page) as server, aiohttp.ClientSession() as http:
        async with http.get(server.url) as response:
            text = await response.text()
            assert (response.status, response.headers["Refresh"]) == (503, "2")
        assert "has not read its Kafka topics to the end yet" in text
        assert "0%" not in text


async def test_with_tokens_a_person_signs_in_and_who_may_only_read_sees_no_form(page: Page, settings: Settings) -> None:
    (read, reader), (operate, operator) = new_token("rita", "read"), new_token("olaf", "operate")
    tokens = SecretStr(f"{reader.entry},{operator.entry}")
    secured = settings.model_copy(update={"api": settings.api.model_copy(update={"tokens": tokens})})
    http = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
    async with page_server(secured, clock_ms=lambda: NOW_MS) as server, http:
        await server.read_model.wait_caught_up()
        signed = Page(server, http)
        form = await signed.get("/targets/api.shop.example")
        assert text_of(form.css("h1")) == "Sign in"
        back = form.css("input[name=back]::attr(value)").get()
        await signed.post("/sign-in", 401, token="h400_wrong", back=back)
        for token, name, forms in ((read, "rita (read)", False), (operate, "olaf (operate)", True)):
            found = await signed.post("/sign-in", token=token, back=back)
            assert text_of(found.css("h1")).startswith("api.shop.example")
            assert name in text_of(found.css("header"))
            assert bool(found.css("form[action='/operations']")) is forms
            if not forms:
                await signed.post("/operations", 403, kind="release", scope="job/api.shop.example/a", reason="mended")
        await signed.post("/sign-out")
        assert text_of((await signed.get("/")).css("h1")) == "Sign in"
