import jsonschema
import pytest
from aiohttp import web

from halt400.kafka.connection import KafkaConnection
from streams.api.access.access import Access
from streams.api.app import build_api
from streams.api.endpoints import ENDPOINTS
from streams.api.openapi import openapi_document
from streams.api.read_model import ReadModel, wall_clock_ms
from streams.settings import ApiSettings

DOCUMENT = openapi_document()


async def test_every_route_is_documented_and_nothing_else() -> None:
    app = build_api(ReadModel(KafkaConnection()), Access(ApiSettings(), wall_clock_ms))
    routed = {
        resource.canonical.replace("{scope:.+}", "{scope}")
        for resource in app.router.resources()
        if isinstance(resource, web.Resource)
    }
    assert routed == set(DOCUMENT["paths"]) == {endpoint.path for endpoint in ENDPOINTS}


@pytest.mark.parametrize("path", DOCUMENT["paths"])
def test_every_parameter_is_described(path: str) -> None:
    for parameter in [found for method in DOCUMENT["paths"][path].values() for found in method["parameters"]]:
        assert parameter["description"]
        jsonschema.Draft202012Validator.check_schema(parameter["schema"])


@pytest.mark.parametrize("name", DOCUMENT["components"]["schemas"])
def test_every_schema_is_valid_and_describes_itself(name: str) -> None:
    schema = DOCUMENT["components"]["schemas"][name]
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["description"]
