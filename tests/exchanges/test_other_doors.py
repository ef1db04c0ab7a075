"""Requests copied from a browser, exports of Postman and Insomnia, and the objects of HTTP clients are diagnosed."""

import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import aiohttp
import httpx
import pytest
import requests

import halt400
from halt400.errors import InputError
from halt400.exchanges import read_for_diagnosis

BROKEN = '{"page": 1,}'
CHROME_BASH = r"""curl 'https://api.shop.example/v1/orders' \
  -X 'POST' \
  -H 'accept: */*' \
  -H 'content-type: application/json' \
  --data-raw $'{"page": 1,}' \
  --compressed"""
CHROME_CMD = (
    'curl "https://api.shop.example/v1/orders" ^\r\n  -H "accept: */*" ^\r\n  -H "content-type: application/json" ^\r\n'
    '  --data-raw "^{^\\"page^\\": 1,^}"'
)
FETCH = """fetch("https://api.shop.example/v1/orders", {
  "headers": {
    "accept": "*/*",
    "content-type": "application/json"
  },
  "referrer": "https://shop.example/",
  "body": "{\\"page\\": 1,}",
  "method": "POST",
  "mode": "cors"
});"""
FIREFOX = FETCH.replace("fetch(", "await fetch(", 1)
RAW = f"POST /v1/orders HTTP/1.1\r\nHost: api.shop.example\r\nContent-Type: application/json\r\n\r\n{BROKEN}"
POSTMAN = json.dumps({
    "info": {"name": "shop", "schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"},
    "variable": [{"key": "base", "value": "https://api.shop.example"}],
    "item": [{"name": "folder", "item": [{"name": "orders", "request": {
        "method": "POST", "header": [], "url": {"raw": "{{base}}/v1/orders"},
        "body": {"mode": "raw", "raw": BROKEN, "options": {"raw": {"language": "json"}}}}}]}],
})  # fmt: skip
INSOMNIA = json.dumps({
    "_type": "export", "__export_format": 4,
    "resources": [
        {"_type": "environment", "data": {"base": "https://api.shop.example"}},
        {"_type": "request", "name": "orders", "method": "POST", "url": "{{ _.base }}/v1/orders", "headers": [],
         "body": {"mimeType": "application/json", "text": BROKEN}},
    ],
})  # fmt: skip


@pytest.mark.parametrize(
    "copied",
    [CHROME_BASH, CHROME_CMD, FETCH, FIREFOX, RAW, POSTMAN, INSOMNIA],
    ids=["bash", "cmd", "fetch", "firefox", "raw", "postman", "insomnia"],
)
def test_a_copied_request_is_read_and_its_defect_is_named(copied):
    (one,) = read_for_diagnosis(copied.encode())
    assert (one.request.method, one.request.body) == ("POST", BROKEN)
    assert one.request.url.endswith("api.shop.example/v1/orders")
    assert halt400.diagnose(one.request).cause == "malformed_json"


def test_saved_responses_of_postman_are_diagnosed_with_their_requests():
    collection = json.loads(POSTMAN)
    item = collection["item"][0]["item"][0]
    saved = {"code": 400, "header": [], "body": '{"error": "x"}', "originalRequest": item["request"]}
    item["response"] = [saved]
    (one,) = read_for_diagnosis(json.dumps(collection).encode())
    assert one.where == "folder / orders"
    assert one.response is not None
    assert one.response.status == 400


def test_a_variable_without_a_value_stays_and_is_named():
    collection = {
        "info": {},
        "item": [{"name": "x", "request": {"method": "GET", "url": "https://a.example/items/{{id}}"}}],
    }
    (one,) = read_for_diagnosis(json.dumps(collection).encode())
    assert "{{id}}" in one.request.url
    assert halt400.diagnose(one.request).evidence[0].detail.count("{{id}}") == 1


def test_two_calls_of_fetch_are_two_requests():
    assert [one.number for one in read_for_diagnosis(f"{FETCH}\n{FIREFOX}".encode())] == [1, 2]


@pytest.mark.parametrize(
    "broken", ["fetch(url)", 'fetch("https://a.example", {method: x})', 'fetch("https://a.example", {"a": 1']
)
def test_a_call_that_cannot_be_read_is_an_error_with_a_mend(broken):
    with pytest.raises(InputError) as error:
        read_for_diagnosis(broken.encode())
    assert error.value.mend


class _Refuses(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = b'{"error": {"param": "size", "message": "size must be at most 100"}}'
        self.send_response(400)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""


@pytest.fixture(scope="module")
def address():
    with ThreadingHTTPServer(("127.0.0.1", 0), _Refuses) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1/items"
        server.shutdown()


def check(found):
    assert found.cause == "schema_violation"
    assert found.evidence[0].name == "size"
    assert found.evidence[0].where == "body"
    assert "at most 100" in found.remedy


def test_objects_of_httpx_are_taken(address):
    response = httpx.post(address, json={"size": 500})
    check(halt400.diagnose(response.request, response))
    check(halt400.diagnose(None, response))


def test_objects_of_requests_are_taken(address):
    response = requests.post(address, json={"size": 500}, timeout=10)
    check(halt400.diagnose(response.request, response))
    planned = requests.Request("POST", address, data=BROKEN, headers={"Content-Type": "application/json"})
    assert halt400.diagnose(planned).cause == "malformed_json"


def test_objects_of_aiohttp_are_taken_with_the_body_given(address):
    async def post():
        body = json.dumps({"size": 500})
        async with aiohttp.ClientSession() as session:
            headers = {"Content-Type": "application/json"}
            async with session.post(address, data=body, headers=headers) as response:
                await response.read()
                return halt400.diagnose(response.request_info, response, body=body)

    check(asyncio.run(post()))


def test_what_is_no_request_is_an_error_that_says_what_is_taken():
    with pytest.raises(InputError, match="int is no request"):
        halt400.diagnose(7)


INSOMNIA_5 = """\
type: collection.insomnia.rest/5.0
schema_version: "5.1"
name: Shop
meta:
  id: wrk_1
  created: 1717508275743
collection:
  - name: Orders
    meta:
      id: fld_1
    headers:
      - name: X-Team
        value: shop
    authentication:
      type: bearer
      token: "{{ _.token }}"
    children:
      - url: "{{ _.base.url }}/v1/orders/:id"
        name: create
        meta:
          id: req_1
        method: POST
        body:
          mimeType: application/json
          text: |-
            {"day": "2024-01-01",}
        parameters:
          - name: page
            value: 007
          - name: old
            value: "1"
            disabled: true
        pathParameters:
          - name: id
            value: a b
        headers:
          - name: X-Trace
            value: yes
            disabled: false
  - url: "{{ _.base.url }}/v1/items?state={{ _.unset }}"
    name: list
    meta:
      id: req_2
    method: GET
  - name: socket
    url: wss://api.shop.example/
    meta:
      id: ws-req_3
environments:
  name: Base Environment
  meta:
    id: env_1
  data:
    base:
      url: https://api.shop.example
  subEnvironments:
    - name: test
      meta:
        id: env_2
      data:
        token: t-1
"""


@pytest.mark.parametrize("form", ["auto", "insomnia"])
def test_an_export_of_insomnia_5_is_read_with_its_folders_and_environments(form):
    create, listed = read_for_diagnosis(INSOMNIA_5.encode(), form)
    assert create.where == "Orders / create"
    assert create.request.url == "https://api.shop.example/v1/orders/a%20b?page=007"
    assert create.request.headers == [
        ("X-Team", "shop"),
        ("X-Trace", "yes"),
        ("Content-Type", "application/json"),
        ("Authorization", "Bearer t-1"),
    ]
    assert halt400.diagnose(create.request).cause == "malformed_json"
    assert listed.request.url == "https://api.shop.example/v1/items?state={{ _.unset }}"


@pytest.mark.parametrize(
    "text",
    [
        "type: collection.insomnia.rest/5.0\ncollection: [",
        "type: collection.insomnia.rest/5.0\nname: empty",
        "type: collection.insomnia.rest/5.0\ncollection:\n  - &a {name: x, children: [*a]}",
        "type: collection.insomnia.rest/5.0\ncollection: " + "[" * 5000,
    ],
    ids=["cut", "no requests", "endless", "deep"],
)
def test_an_export_of_insomnia_5_without_requests_is_an_error_with_a_mend(text):
    with pytest.raises(InputError) as error:
        read_for_diagnosis(text.encode())
    assert error.value.mend
