"""What real clients hand out makes an event; what makes none is said where the event is made."""

import email.message
import logging
from collections.abc import Iterator
from http import HTTPMethod, HTTPStatus
from typing import Any

import aiohttp
import curl_cffi
import httpx
import msgspec
import pytest
import requests
from multidict import CIMultiDict, CIMultiDictProxy
from scrapy.http import Headers as ScrapyHeaders
from yarl import URL

from halt400 import InvalidEvent, Publisher, RequestGuard, ResponseEvent, response_event
from tests.sdk.strict_server import serve

WHERE: dict[str, Any] = {
    "method": "POST",
    "url": "https://api.shop.example/graphql",
    "status": 400,
    "job_id": "extract-099",
}
PAIRS = [("Content-Type", "application/json"), ("X-Twice", "1"), ("X-Twice", "2")]
NOWHERE = "127.0.0.1:1"


def published(**values: Any) -> ResponseEvent:
    """The event as a reader gets it: encoded, decoded and checked."""
    return msgspec.json.decode(msgspec.json.encode(response_event(**WHERE | values)), type=ResponseEvent)


def mail(pairs: list[tuple[str, str]]) -> email.message.Message:
    message = email.message.Message()
    for name, value in pairs:
        message[name] = value
    return message


def generated() -> Iterator[tuple[str, str]]:
    yield from PAIRS


MULTI_DICT = CIMultiDictProxy(CIMultiDict(PAIRS))


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param(PAIRS, id="pairs"),
        pytest.param(tuple(PAIRS), id="tuple"),
        pytest.param([[name, value] for name, value in PAIRS], id="lists"),
        pytest.param(generated(), id="generator"),
        pytest.param([(name.encode(), value.encode()) for name, value in PAIRS], id="bytes"),
        pytest.param(MULTI_DICT, id="aiohttp"),
        pytest.param(MULTI_DICT.items(), id="aiohttp-items"),
        pytest.param(list(MULTI_DICT.items()), id="aiohttp-list-of-items"),
        pytest.param(httpx.Headers(PAIRS), id="httpx"),
        pytest.param(httpx.Headers(PAIRS).raw, id="httpx-raw"),
        pytest.param(curl_cffi.Headers(PAIRS), id="curl_cffi"),
        pytest.param(mail(PAIRS), id="mail"),
        pytest.param({"Content-Type": "application/json", "X-Twice": ["1", "2"]}, id="lists-of-values"),
        pytest.param(ScrapyHeaders({"Content-Type": "application/json", "X-Twice": ["1", "2"]}), id="scrapy"),
        pytest.param([{"name": name, "value": value} for name, value in PAIRS], id="har-and-playwright"),
    ],
)
def test_headers_are_taken_as_a_client_hands_them_out(headers: Any) -> None:
    assert published(request_headers=headers).request.headers == PAIRS


def test_a_header_that_is_not_sent_has_no_value() -> None:
    given = requests.structures.CaseInsensitiveDict({"Accept": "*/*", "Accept-Encoding": None})
    assert published(request_headers=given).request.headers == [("Accept", "*/*")]
    assert published(request_headers=curl_cffi.Headers({"A": "1", "B": None})).request.headers == [("A", "1")]
    assert published(request_headers=None, response_headers={}).request.headers == []


def test_bytes_that_are_no_text_are_kept_as_latin_1() -> None:
    hidden = b"caf\xe9".decode("utf-8", "surrogateescape")
    assert published(response_headers=[("X-Name", hidden)]).response.headers == [("X-Name", "café")]
    assert published(response_headers=[(b"X-Name", b"caf\xe9")]).response.headers == [("X-Name", "café")]
    assert published(response_headers=[("X-Name", "caf\u00e9 \ud800")]).response.headers == [("X-Name", "café ?")]


@pytest.mark.parametrize("body", [{"query": "{ product }"}, [1, 2], b"{", bytearray(b"{"), memoryview(b"{"), "{"])
def test_a_body_is_taken_in_each_of_its_forms(body: Any) -> None:
    expected = '{"query":"{ product }"}' if isinstance(body, dict) else "[1,2]" if isinstance(body, list) else "{"
    event = published(request_body=body, response_body=body)
    assert (event.request.body, event.request.body_size) == (expected, len(expected))
    assert event.response.body == expected


@pytest.mark.parametrize(
    "url", [URL("https://u:p@shop.example/a"), httpx.URL("https://u:p@shop.example/a"), b"https://u:p@shop.example/a"]
)
def test_urls_are_taken_as_a_client_hands_them_out(url: Any) -> None:
    event = published(url=url)
    assert (event.request.url, event.target) == ("https://shop.example/a", "shop.example")


def test_enumerations_and_versions_are_taken() -> None:
    event = published(
        method=HTTPMethod.POST, status=HTTPStatus.BAD_REQUEST, http_version=aiohttp.HttpVersion11, client="aiohttp"
    )
    assert type(event.response.status) is int
    assert (event.request.method, event.response.status, event.request.http_version) == ("POST", 400, "1.1")
    assert published(http_version="HTTP/2").request.http_version == "2"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"status": "400"}, "status='400' makes no event. Pass the response's status code, an int from 100 to 599."),
        ({"status": None}, "status=None makes no event"),
        ({"status": 42}, "status=42 makes no event"),
        ({"status": True}, "status=True makes no event"),
        ({"job_id": ""}, "job_id='' makes no event. It must not be empty."),
        ({"job_id": 99}, "job_id=99 makes no event. Pass a str."),
        ({"job_id": "x" * 300}, "At most 255 characters; it has 300."),
        ({"url": "/graphql"}, "url='/graphql' makes no event. It has no host: pass the whole URL, or target=."),
        ({"url": "https:///graphql"}, "It has no host"),
        ({"url": None}, "url=None makes no event"),
        ({"method": None}, "method=None makes no event"),
        ({"worker": ["a"]}, "worker=['a'] makes no event"),
        ({"request_headers": [("A",)]}, "request_headers: item 0 is of type tuple"),
        ({"request_headers": "A: b"}, "request_headers is of type str makes no event"),
        ({"request_headers": 5}, "Pass pairs of name and value, or a mapping."),
        ({"response_headers": [("A", 5)]}, "response_headers['A'] is of type int makes no event"),
        ({"request_body": object()}, "request_body is of type object makes no event"),
        ({"request_body": {"a": object()}}, "cannot be encoded as JSON"),
        ({"release": 2.4}, "release=2.4 makes no event. Pass a str."),
        ({"attempt": 0}, "attempt=0 makes no event. Pass an int of at least 1."),
        ({"duration_ms": "5"}, "duration_ms='5' makes no event"),
        ({"time_ms": 1.5}, "time_ms=1.5 makes no event"),
    ],
)
def test_what_makes_no_event_is_said_at_once_with_its_mend(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidEvent) as raised:
        response_event(**WHERE | values)
    assert message in str(raised.value)
    assert raised.value.mend


def test_a_url_without_a_host_is_taken_where_the_target_is_named() -> None:
    assert published(url="/graphql", target="api.shop.example").target == "api.shop.example"


def test_an_error_shows_no_header_value_and_no_body() -> None:
    for values in ({"request_headers": [("Authorization", {"s3cret": 1})]}, {"request_body": ("s3cret", object())}):
        with pytest.raises(InvalidEvent) as raised:
            response_event(**WHERE | values)
        assert "s3cret" not in str(raised.value)


def test_a_guard_refuses_names_that_would_make_no_event() -> None:
    for values in ({"job_id": ""}, {"job_id": "extract-099", "release": 2.4}):
        with pytest.raises(InvalidEvent, match="makes no event"):
            RequestGuard(Publisher(NOWHERE), None, **values)  # type: ignore[arg-type]


def test_in_a_crawl_a_response_that_makes_no_event_is_logged_once_per_kind(caplog: pytest.LogCaptureFixture) -> None:
    guard = RequestGuard(Publisher(NOWHERE), None, job_id="extract-099")
    with caplog.at_level(logging.WARNING):
        for _ in range(50):
            for headers in (7, [("A", 5)]):
                sending = guard.admit("GET", "https://api.shop.example/")
                sending.received(400)
                sending.publish(response_headers=lambda headers=headers: headers)  # type: ignore[misc]
            sending = guard.admit("GET", "https://api.shop.example/")
            sending.received(400)
            sending.publish(request_body=object())  # type: ignore[arg-type]
    assert [record.getMessage().partition("published: ")[2].partition(" ")[0] for record in caplog.records] == [
        "response_headers",
        "request_body",
    ]
    assert guard.stats.published == 0


async def test_the_natural_code_of_each_client_makes_the_event_of_a_400() -> None:
    async with serve() as server:
        url = f"{server.url}/graphql"
        async with aiohttp.ClientSession() as session, session.post(url, data=b"{,", headers={"X-A": "1"}) as answer:
            events = [
                published(
                    method=answer.method,
                    url=answer.url,
                    status=answer.status,
                    http_version=answer.version,
                    request_headers=list(answer.request_info.headers.items()),
                    request_body=b"{,",
                    response_headers=answer.headers,
                    response_body=await answer.read(),
                )
            ]
        async with httpx.AsyncClient() as client:
            got = await client.post(url, content=b"{,", headers={"X-A": "1"})
            events.append(
                published(
                    url=got.url,
                    status=got.status_code,
                    http_version=got.http_version,
                    request_headers=got.request.headers,
                    request_body=got.request.content,
                    response_headers=got.headers,
                    response_body=got.content,
                )
            )
        async with curl_cffi.AsyncSession() as impersonating:
            curled = await impersonating.post(url, data=b"{,", headers={"X-A": "1"})
            assert curled.request is not None
            events.append(
                published(
                    url=curled.url,
                    status=curled.status_code,
                    request_headers=curled.request.headers,
                    request_body=b"{,",
                    response_headers=curled.headers,
                    response_body=curled.content,
                )
            )
    for event in events:
        assert event.target == server.url.removeprefix("http://")
        assert event.request.body == "{,"
        assert ("X-A", "1") in event.request.headers
        assert "error" in (event.response.body or "")
        assert any(name.lower() == "content-type" for name, _ in event.response.headers)
    prepared = requests.Request("POST", "https://api.shop.example/graphql", json={"a": 1}).prepare()
    event = published(url=prepared.url, request_headers=prepared.headers, request_body=prepared.body)
    assert (event.request.body, event.request.headers[-1][0]) == ('{"a": 1}', "Content-Type")
