from pathlib import Path
from typing import Any

import jsonschema
import orjson
import pytest

from streams.api.openapi import openapi_document

from .conftest import Api, known_place
from .schemathesis_run import NEED_A_WORKER, check_api

pytestmark = pytest.mark.asyncio(loop_scope="module")

DOCUMENT = openapi_document()

ANSWERS = [
    ("/v1", "/v1", 200),
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
    ("/v1/targets/{target}/series", "/v1/targets/api.shop.example/series", 200),
    ("/v1/targets/{target}/series", "/v1/targets/api.shop.example/series?span=2m", 400),
    ("/v1/targets/{target}/explanation", "/v1/targets/api.shop.example/explanation", 200),
    ("/v1/targets/{target}/explanation", "/v1/targets/none.example/explanation", 404),
    ("/v1/policies/what-if", "/v1/policies/what-if?target=none.example", 404),
    ("/v1/policies/what-if", "/v1/policies/what-if", 400),
    ("/v1/policies/what-if", "/v1/policies/what-if?target=api.shop.example&hold_s=0", 400),
    ("/v1/commands", "/v1/commands?target=api.shop.example", 200),
    ("/v1/offences", "/v1/offences", 200),
    ("/v1/offences/{id}", "/v1/offences/{offence}", 200),
    ("/v1/offences/{id}", "/v1/offences/0-999", 404),
    ("/v1/findings", "/v1/findings", 200),
    ("/v1/dead-letters", "/v1/dead-letters", 200),
    ("/v1/dead-letters/{topic}/{id}", "/v1/dead-letters/responses.dlq/{dead_letter}", 200),
    ("/v1/dead-letters/{topic}/{id}", "/v1/dead-letters/responses.dlq/x", 404),
    ("/v1/incidents", "/v1/incidents?state=all", 200),
    ("/v1/incidents/{incident}", "/v1/incidents/api.shop.example/malformed_json", 200),
    ("/v1/incidents/{incident}", "/v1/incidents/none", 404),
    ("/v1/alerts", "/v1/alerts", 200),
    ("/v1/policies", "/v1/policies?target=api.shop.example", 200),
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
    answer = await api.get(known_place(api, address), status)
    (content,) = resolve(DOCUMENT["paths"][path]["get"]["responses"][str(status)])["content"].values()
    schema = {**resolve(content["schema"]), "components": DOCUMENT["components"]}
    jsonschema.Draft202012Validator(schema).validate(answer)
    assert set(answer) <= set(schema["properties"]), "nothing is answered that is not documented"


@pytest.mark.slow
async def test_schemathesis_finds_nothing(api: Api, tmp_path: Path) -> None:
    """Without a worker no operation is carried out: these are in test_schemathesis.py, and what starts a process."""
    left_out = [argument for name in NEED_A_WORKER for argument in ("--exclude-operation-id", name)]
    await check_api(api.server.url, tmp_path, *left_out)


async def test_the_server_serves_the_document(api: Api) -> None:
    assert await api.get("/openapi.json") == orjson.loads(orjson.dumps(DOCUMENT))
