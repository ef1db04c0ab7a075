from typing import Any

import jsonschema
import pytest

from streams.api.openapi import openapi_document

from .conftest import Api

pytestmark = pytest.mark.asyncio(loop_scope="module")

DOCUMENT = openapi_document()

ANSWERS = [
    ("/", "/", 200),
    ("/v1/targets", "/v1/targets?window=24h&sort=-responses", 200),
    ("/v1/targets", "/v1/targets?prefix=idle", 200),
    ("/v1/targets", "/v1/targets?limit=0", 400),
    ("/v1/targets/{target}/rates", "/v1/targets/api.shop.example/rates", 200),
    ("/v1/targets/{target}/rates", "/v1/targets/idle.example/rates?window=1m", 200),
    ("/v1/targets/{target}/rates", "/v1/targets/api.shop.example/rates?at=x", 400),
    ("/v1/targets/{target}/rates", "/v1/targets/none.example/rates", 404),
    ("/v1/quarantines", "/v1/quarantines?expired=true", 200),
    ("/v1/quarantines", "/v1/quarantines?state=none", 400),
    ("/v1/quarantines/{scope}", "/v1/quarantines/target/maps.example", 200),
    ("/v1/quarantines/{scope}", "/v1/quarantines/target/none.example", 404),
    ("/healthz", "/healthz", 200),
    ("/readyz", "/readyz", 200),
]


def resolve(schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        place: Any = DOCUMENT
        for part in schema["$ref"].removeprefix("#/").split("/"):
            place = place[part]
        schema = place
    return schema


@pytest.mark.parametrize(("path", "address", "status"), ANSWERS)
async def test_every_answer_is_as_documented(api: Api, path: str, address: str, status: int) -> None:
    answer = await api.get(address, status)
    (content,) = resolve(DOCUMENT["paths"][path]["get"]["responses"][str(status)])["content"].values()
    schema = {**resolve(content["schema"]), "components": DOCUMENT["components"]}
    jsonschema.Draft202012Validator(schema).validate(answer)
    assert set(answer) <= set(schema["properties"]), "nothing is answered that is not documented"


async def test_the_server_serves_the_document(api: Api) -> None:
    assert await api.get("/openapi.json") == DOCUMENT
