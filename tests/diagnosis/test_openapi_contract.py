"""A request is compared with the OpenAPI document of its target, and what breaks it is placed."""

import json

import pytest
from typer.testing import CliRunner

import halt400
from halt400.cli.app import build
from halt400.diagnosis import Contract, find_defect
from halt400.errors import InputError
from halt400.records import Request
from tests.diagnosis.builders import get, request

SPEC = {
    "openapi": "3.0.3",
    "info": {"title": "shop", "version": "1"},
    "servers": [{"url": "https://api.shop.example/v1"}],
    "paths": {
        "/items/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}],
            "get": {
                "parameters": [
                    {"name": "size", "in": "query", "required": True, "schema": {"type": "integer", "maximum": 100}},
                    {"name": "X-Client", "in": "header", "required": True, "schema": {"type": "string"}},
                ],
                "responses": {"200": {"description": "ok"}},
            },
            "post": {
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {
                            "schema": {
                                "type": "object",
                                "required": ["name"],
                                "additionalProperties": False,
                                "properties": {
                                    "name": {"type": "string"},
                                    "tags": {"type": "array", "items": {"enum": ["a", "b"]}},
                                },
                            }
                        }
                    },
                },
                "responses": {"200": {"description": "ok"}},
            },
        }
    },
}
URL = "https://api.shop.example/v1/items/7"
CLIENT = [("X-Client", "7")]


@pytest.fixture(scope="module")
def contract():
    return Contract(json.dumps(SPEC).encode())


@pytest.mark.parametrize(
    ("one", "cause", "name", "said"),
    [
        (get(f"{URL}?size=500", CLIENT), "schema_violation", "size", "100"),
        (get(URL, CLIENT), "schema_violation", "size", "missing"),
        (get(f"{URL}?size=5"), "missing_required_header", "X-Client", "requires"),
        (request('{"tags": []}', url=URL), "schema_violation", "name", "missing"),
        (request('{"name": "a", "tags": ["a", "c"]}', url=URL), "schema_violation", "tags[1]", "'a', 'b'"),
        (request('{"name": "a", "colour": 1}', url=URL), "schema_violation", "colour", "unexpected"),
        (
            request("name", url=URL, content_type="text/plain"),
            "content_type_mismatch",
            "Content-Type",
            "application/json",
        ),
        (get("https://api.shop.example/v1/orders", CLIENT), "schema_violation", None, "no such path"),
    ],
    ids=range(8),
)
def test_what_breaks_the_contract_is_named_and_placed(contract, one, cause, name, said):
    found = find_defect(one, contract=contract)
    assert found is not None
    assert (found.cause, found.evidence[0].name) == (cause, name)
    assert said in found.evidence[0].detail


def test_a_request_that_keeps_the_contract_is_left_alone(contract):
    assert find_defect(get(f"{URL}?size=5", CLIENT), contract=contract) is None
    assert find_defect(request('{"name": "a", "tags": ["b"]}', url=URL), contract=contract) is None


def test_the_place_is_the_byte_of_the_value(contract):
    body = '{"name": "a", "tags": ["a", "c"]}'
    found = find_defect(request(body, url=URL), contract=contract)
    assert found is not None
    assert body[found.evidence[0].offset :].startswith('"c"')
    assert "one of a, b" in found.remedy


def test_the_library_takes_a_contract(contract):
    assert (
        halt400.diagnose(Request(method="GET", url=f"{URL}?size=5"), contract=contract).cause
        == "missing_required_header"
    )


@pytest.mark.parametrize("text", [b"{", b"[]", b'{"openapi": "3.0.3"}', b"\xff\xfe", b'{"swagger": "1", "paths": {}}'])
def test_what_is_no_contract_is_an_error_with_a_mend(text):
    with pytest.raises(InputError) as error:
        Contract(text)
    assert error.value.mend


def test_the_command_reads_a_contract(tmp_path):
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps(SPEC))
    line = json.dumps({"method": "GET", "url": f"{URL}?size=500", "request_headers": dict(CLIENT)})
    shown = CliRunner().invoke(build(), ["diagnose", "-", "--openapi", str(spec)], input=line)
    assert shown.exit_code == 3
    assert "by the contract" in shown.stdout
