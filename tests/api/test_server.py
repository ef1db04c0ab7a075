import asyncio
from collections.abc import AsyncIterator

import aiohttp
import msgspec
import pytest
import pytest_asyncio

from halt400.errors import SettingError
from halt400.kafka.connection import KafkaConnection
from halt400.windows import encode_row
from streams.api.endpoints import ENDPOINTS
from streams.api.read_model import ReadModel
from streams.api.server import ApiServer
from streams.settings import ApiSettings, Settings
from streams.topics import apply_topics
from tests.waiting import until

from .conftest import MODULE, Api, known_place, settings_for
from .fleet import command, row, write

pytestmark = pytest.mark.asyncio(loop_scope="module")

ANSWER_OTHERWISE = {"alert_routes", "events", "what_if"}
"""One never ends, one needs a file with alerts, one a rule and a process; they have tests of their own."""
ADDRESSES = [
    endpoint.path for endpoint in ENDPOINTS if endpoint.method == "GET" and endpoint.id not in ANSWER_OTHERWISE
]


@pytest_asyncio.fixture(**MODULE)
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def nowhere() -> KafkaConnection:
    """Settings of a broker that does not answer."""
    return KafkaConnection("127.0.0.1:1")


@pytest.mark.parametrize("address", ADDRESSES)
async def test_every_address_answers_get_and_head_alike_and_forbids_caching(api: Api, address: str) -> None:
    url = api.server.url + known_place(api, address)
    async with api.http.get(url) as got, api.http.head(url) as head:
        assert got.status == head.status == 200
        assert await head.read() == b""
        assert head.content_type == got.content_type == "application/json"
        for response in (got, head):
            assert response.headers["Cache-Control"] == "no-store"
            assert "aiohttp" not in response.headers["Server"]


async def test_the_index_links_to_every_address(api: Api) -> None:
    index = await api.get("/v1")
    assert set(index["links"].values()) == {endpoint.path for endpoint in ENDPOINTS}


async def test_an_unknown_path_and_a_wrong_method_are_problems(api: Api) -> None:
    assert (await api.get("/v2/targets", 404))["code"] == "unknown_path"
    async with api.http.post(f"{api.server.url}/v1/targets", json={}) as response:
        assert response.status == 405
        assert response.headers["Allow"] == "GET, HEAD"
        assert response.content_type == "application/problem+json"
        assert (await response.json(content_type=None))["allowed"] == ["GET", "HEAD"]


async def test_a_process_that_has_caught_up_is_ready(api: Api) -> None:
    ready = await api.get("/readyz")
    assert ready["status"] == "ready"
    assert [follower["topic"].rpartition(".")[2] for follower in ready["followers"]] == [
        "rates",
        "control",
        "savings",
        "alerts",
    ]


async def test_without_kafka_it_is_alive_and_not_ready_and_refuses_requests_for_data(
    nowhere: KafkaConnection, http: aiohttp.ClientSession
) -> None:
    async with ApiServer(ReadModel(nowhere), ApiSettings(port=0)) as server:
        api = Api(server, http)
        assert await api.get("/healthz") == {"status": "alive"}
        async with http.get(f"{server.url}/readyz") as response:
            assert response.status == 503
            assert (await response.json())["status"] == "not_ready"
        for path in ("/v1/targets", "/v1/targets/a/rates", "/v1/quarantines", "/v1/quarantines/target/a"):
            assert (await api.get(path, 503))["code"] == "not_caught_up"
        assert (await api.get("/openapi.json"))["openapi"] == "3.1.0"


@pytest.mark.parametrize(
    ("authorization", "status"),
    [(None, 401), ("Bearer wrong", 401), ("Basic s3cret", 401), ("Bearer s3cret", 503), ("bearer s3cret", 503)],
)
async def test_with_a_token_only_requests_that_send_it_are_answered(
    nowhere: KafkaConnection, http: aiohttp.ClientSession, authorization: str | None, status: int
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    async with ApiServer(ReadModel(nowhere), ApiSettings(port=0, token="s3cret")) as server:
        async with http.get(f"{server.url}/v1/targets", headers=headers) as response:
            assert response.status == status
            assert ("WWW-Authenticate" in response.headers) == (status == 401)
            assert response.content_type == "application/problem+json"
        async with http.get(f"{server.url}/healthz") as response:
            assert response.status == 200, "health checks carry no token"
        async with http.get(f"{server.url}/v9") as response:
            assert response.status == 401, "what exists is not told to strangers either"


async def test_a_port_in_use_is_one_clear_error(nowhere: KafkaConnection) -> None:
    async with ApiServer(ReadModel(nowhere), ApiSettings(port=0)) as server:
        with pytest.raises(SettingError, match=f"HALT400_API_PORT={server.port}.*in use"):
            await ApiServer(ReadModel(nowhere), ApiSettings(port=server.port)).start()


async def test_it_starts_before_its_topics_exist_and_answers_once_they_do(
    kafka: str, http: aiohttp.ClientSession
) -> None:
    settings: Settings = settings_for(kafka)
    async with ApiServer.of(settings) as server, asyncio.timeout(30):
        api = Api(server, http)
        await api.get("/v1/targets", 503)
        await apply_topics(settings.kafka)
        await write(settings.kafka, "control", [(b"target/a", encoded(sequence=2)), (b"target/a", encoded(sequence=1))])
        await server.read_model.wait_caught_up()
        assert (await api.get("/v1/targets"))["total"] == 0
        assert (await api.get("/v1/quarantines/target/a"))["sequence"] == 2, "an older command never replaces a later"


async def test_undecodable_records_do_not_affect_the_others(kafka: str, http: aiohttp.ClientSession) -> None:
    settings = settings_for(kafka)
    await apply_topics(settings.kafka)
    good = encode_row(row(5, (1_000, 200, 1)))
    await write(settings.kafka, "rates", [(b"good", good), (b"good", b"?"), (b"bad", b"?"), (b"\xff", good)])
    await write(settings.kafka, "control", [(b"target/a", b"{"), (b"target/b", encoded(target="b"))])
    for topic in ("offences", "findings", "alerts"):
        await write(settings.kafka, topic, [(b"a", b"{"), (b"b", None), (b"c", b"null"), (b"d", b"\xff")])
    async with ApiServer.of(settings) as server, asyncio.timeout(30):
        api = Api(server, http)
        await server.read_model.wait_caught_up()
        await until(lambda: all(reader.caught_up for reader in server.read_model.logs.readers))
        for path in ("/v1/offences", "/v1/findings", "/v1/incidents"):
            assert (await api.get(path))["total"] == 0
        for sort in ("target", "-responses"):
            assert [found["target"] for found in (await api.get(f"/v1/targets?sort={sort}"))["targets"]] == ["good"]
        assert (await api.get("/v1/targets/bad/rates", 500))["code"] == "invalid_record"
        assert [found["id"] for found in (await api.get("/v1/quarantines?expired=true"))["quarantines"]] == ["target/b"]
        await write(settings.kafka, "control", [(b"target/b", None)])
        await server.read_model.wait_caught_up()
        assert (await api.get("/v1/quarantines?expired=true"))["total"] == 0


def encoded(target: str = "a", sequence: int = 1) -> bytes:
    return msgspec.json.encode(command("target", target, sequence=sequence))
