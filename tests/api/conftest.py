import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import pytest
import pytest_asyncio

from streams.api.server import ApiServer
from streams.settings import Settings, load_settings
from streams.topics import apply_topics
from tests.waiting import until

from .fleet import NOW_MS, write_fleet

MODULE = {"scope": "module", "loop_scope": "module"}


@dataclass
class Api:
    """A running API and an HTTP client for it."""

    server: ApiServer
    http: aiohttp.ClientSession

    async def get(self, path: str, status: int = 200) -> dict:
        """GET a path and return the JSON of the answer, which must have this status."""
        async with self.http.get(f"{self.server.url}{path}") as response:
            answer = await response.json(content_type=None)
            assert response.status == status, answer
            expected = "application/json" if status < 400 else "application/problem+json"
            assert response.content_type == expected
            return answer


def settings_for(kafka: str, **api: object) -> Settings:
    """Settings of an installation of its own on the shared broker."""
    return load_settings(
        kafka={"bootstrap_servers": kafka, "topic_prefix": f"t-{secrets.token_hex(4)}.", "partitions": 3},
        api={"port": 0, **api},
    )


@pytest.fixture(scope="module")
def settings(kafka: str) -> Settings:
    return settings_for(kafka)


@pytest_asyncio.fixture(**MODULE)
async def api(settings: Settings) -> AsyncIterator[Api]:
    """The API over a fleet of known counts, at a known time."""
    await apply_topics(settings.kafka)
    await write_fleet(settings.kafka)
    async with ApiServer.of(settings, clock_ms=lambda: NOW_MS) as server, aiohttp.ClientSession() as http:
        await server.read_model.wait_caught_up()
        await until(lambda: all(reader.caught_up for reader in server.read_model.logs.readers))
        yield Api(server, http)


def known_place(api: Api, path: str) -> str:
    """Fill in the parameters of a path with what exists."""
    logs = api.server.read_model.logs
    (letter, *_) = logs.dead_letters["responses.dlq"].newest(lambda letter: letter.size_bytes)
    (offence, *_) = logs.offences.newest(lambda offence: offence.time)
    if "{topic}" in path:
        return path.format(topic="responses.dlq", id=letter.id)
    return path.format(
        target="maps.example",
        scope="target/maps.example",
        incident="api.shop.example/malformed_json",
        id=offence.id,
        offence=offence.id,
        dead_letter=letter.id,
    )
