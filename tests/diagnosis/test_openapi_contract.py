"""A request is compared with the OpenAPI document of its target, and what breaks it is placed."""

import json

import pytest
from typer.testing import CliRunner

import halt400
from halt400.cli.app import build
from halt400.diagnosis import Contract, find_defect
from halt400.diagnosis.mending import mend
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


ORDER_FORM = {
    "type": "object",
    "required": ["user_id", "channel"],
    "additionalProperties": False,
    "properties": {
        "user_id": {"type": "integer"},
        "channel": {"$ref": "#/components/schemas/channel"},
        "state": {"enum": ["in_progress", "done"]},
        "count": {"type": "integer", "minimum": 1, "maximum": 50},
        "paid": {"type": "boolean"},
        "lines": {"type": "array", "items": {"type": "object", "required": ["sku"], "properties": {"sku": {}}}},
        "note": {"type": "string"},
    },
}
ORDERS = {
    "openapi": "3.0.3",
    "info": {"title": "orders", "version": "1"},
    "servers": [{"url": "https://api.shop.example"}],
    "components": {"schemas": {"channel": {"type": "string", "default": "web"}}},
    "paths": {
        "/orders/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
            "post": {
                "parameters": [
                    {"name": "api-version", "in": "query", "required": True, "schema": {"enum": ["2024-01-01"]}},
                    {"name": "X-Kind", "in": "header", "required": True, "schema": {"default": "order"}},
                    {"name": "page_size", "in": "query", "schema": {"type": "integer", "maximum": 100}},
                ],
                "requestBody": {"content": {"application/json": {"schema": ORDER_FORM}}},
                "responses": {"200": {"description": "ok"}},
            },
        }
    },
}
ORDER_URL = "https://api.shop.example/orders/7?api-version=2024-01-01"


@pytest.mark.parametrize(
    ("url", "kind", "given", "right"),
    [
        (ORDER_URL, "order", '{"userId": 7, "channel": "web"}', {"user_id": 7, "channel": "web"}),
        (ORDER_URL, "order", '{"user_id": "7"}', {"user_id": 7, "channel": "web"}),
        (
            ORDER_URL,
            "order",
            '{"user_id": 7, "channel": "app", "state": "In-Progress", "count": 99, "paid": "true", "note": null}',
            {"user_id": 7, "channel": "app", "state": "in_progress", "count": 50, "paid": True},
        ),
        (
            ORDER_URL,
            "order",
            '{"user_id": 7, "channel": "a", "lines": {"sku": 1}, "colour": "red",}',
            {"user_id": 7, "channel": "a", "lines": [{"sku": 1}]},
        ),
        ("https://api.shop.example/orders/7", "order", '{"user_id": 7, "channel": "a"}', None),
        ("https://api.shop.example/orders/7?apiVersion=2024-01-01", None, '{"user_id": 7, "channel": "a"}', None),
        (ORDER_URL + "&page_size=500", "order", '{"user_id": 7, "channel": "a"}', None),
    ],
    ids=range(7),
)
def test_a_mended_request_keeps_the_contract(url, kind, given, right):
    orders = Contract(json.dumps(ORDERS).encode())
    headers = [("Content-Type", "application/json"), *([("X-Kind", kind)] if kind else [])]
    one = Request(method="POST", url=url, headers=headers, body=given)
    mended = mend(one, contract=orders)
    assert mended.changes
    assert mended.left is None
    assert find_defect(mended.request, contract=orders) is None
    assert json.loads(mended.request.body) == (right or json.loads(given))
    assert mend(mended.request, contract=orders).changes == []


@pytest.mark.parametrize("body", ['{"channel": "a"}', '{"user_id": null, "channel": "a"}', '{"user_id": "x"}'])
def test_a_value_that_only_the_client_knows_is_not_invented(body):
    orders = Contract(json.dumps(ORDERS).encode())
    headers = [("Content-Type", "application/json"), ("X-Kind", "order")]
    mended = mend(Request(method="POST", url=ORDER_URL, headers=headers, body=body), contract=orders)
    assert mended.left is not None
    assert "user_id" in (mended.left.evidence[0].name or "")


def test_a_body_of_json_is_declared_as_the_contract_has_it():
    orders = Contract(json.dumps(ORDERS).encode())
    headers = [("Content-Type", "text/plain"), ("X-Kind", "order")]
    body = '{"user_id": 7, "channel": "a"}'
    mended = mend(Request(method="POST", url=ORDER_URL, headers=headers, body=body), contract=orders)
    assert mended.left is None
    assert ("Content-Type", "application/json") in mended.request.headers


def test_the_command_mends_by_the_contract(tmp_path):
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps(ORDERS))
    headers = {"Content-Type": "application/json", "X-Kind": "order"}
    line = json.dumps(
        {"method": "POST", "url": ORDER_URL, "request_headers": headers, "request_body": '{"userId": "7"}'}
    )
    shown = CliRunner().invoke(build(), ["diagnose", "-", "--fix", "--openapi", str(spec)], input=line)
    assert shown.exit_code == 0, shown.stdout
    assert '{"channel": "web", "user_id": 7}' in shown.stdout
