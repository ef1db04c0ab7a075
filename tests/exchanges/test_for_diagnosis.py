"""The input of `halt400 diagnose`: HAR, raw bytes, curl, JSON lines."""
# ruff: noqa: E501 - requests on one line each

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halt400.diagnosis import find_defect
from halt400.errors import InputError
from halt400.exchanges import read_for_diagnosis

RAW = b"POST /v1/orders?q=1 HTTP/1.1\r\nHost: api.shop.example\r\nContent-Length: 2\r\n\r\n{}\n"


def test_a_raw_request_is_taken_apart_as_it_is():
    (one,) = read_for_diagnosis(RAW)
    assert (one.request.method, one.request.url) == ("POST", "http://api.shop.example/v1/orders?q=1")
    assert one.request.headers == [("Host", "api.shop.example"), ("Content-Length", "2")]
    assert one.request.body == "{}"
    assert one.as_sent


@pytest.mark.parametrize(
    ("raw", "detail"),
    [
        (b"GET /a b HTTP/1.1\r\nHost: a.example\r\n\r\n", "raw space"),
        (b" GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", "method holds ' '"),
        (b"GET / HTTP/4.0\r\nHost: a.example\r\n\r\n", "does not exist"),
        (b"GET / 1.1\r\nHost: a.example\r\n\r\n", "does not exist"),
        (b"GET /\r\nHost: a.example\r\n\r\n", "HTTP/0.9"),
        (b"GET / HTTP/1.1\r\n\r\n", "No Host"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "Host is there 2 times"),
        (b"GET / HTTP/1.1\r\nHost: a.example\r\nX-A: b\r\n c\r\n\r\n", "folded"),
        (b"GET / HTTP/1.1\r\nHost: a.example\r\nX-A : b\r\n\r\n", "holds a space"),
        (b"GET / HTTP/1.1\r\nHost: a.example\r\nGarbage\r\n\r\n", "without a colon"),
        (b"GET / HTTP/1.1\r\nHost: a.example\r\nX-A: b\x00\r\n\r\n", "NUL"),
        (b"POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "chunked body is broken"),
        (b"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 9\r\nContent-Type: text/plain\r\n\r\nabc", "9 bytes"),
    ],
)
def test_what_is_broken_on_the_wire_stays_broken(raw, detail):
    (one,) = read_for_diagnosis(raw, "raw")
    found = find_defect(one.request, None, as_sent=one.as_sent)
    assert found is not None
    assert any(detail in item.detail for item in found.evidence)


def test_a_chunked_body_is_read_without_its_chunks():
    raw = b"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    (one,) = read_for_diagnosis(raw + b'4\r\n{"a"\r\n4\r\n: 1}\r\n0\r\n\r\n')
    assert find_defect(one.request, None, as_sent=True) is None
    (one,) = read_for_diagnosis(raw + b'4\r\n{"a"\r\n5\r\n: 1,}\r\n0\r\n\r\n')
    assert find_defect(one.request, None, as_sent=True).cause == "malformed_json"


@pytest.mark.parametrize(
    ("command", "method", "headers", "body"),
    [
        ("curl https://a.example/x", "GET", [], None),
        ("curl -X DELETE https://a.example/x", "DELETE", [], None),
        ("curl -XPUT 'https://a.example/x' -d'a=1'", "PUT", [("Content-Type", "application/x-www-form-urlencoded")], "a=1"),
        ("curl https://a.example/x -H 'A: b' --data-raw '{}' -H 'Content-Type: application/json'", "POST", [("A", "b"), ("Content-Type", "application/json")], "{}"),
        ("curl --json '{\"a\": 1}' https://a.example/x", "POST", [("Content-Type", "application/json")], '{"a": 1}'),
        ("curl -d a=1 -d b=2 https://a.example/x", "POST", [("Content-Type", "application/x-www-form-urlencoded")], "a=1&b=2"),
        ("curl -s -k -L --compressed https://a.example/x", "GET", [("Accept-Encoding", "deflate, gzip, br, zstd")], None),
        ("curl -I https://a.example/x", "HEAD", [], None),
        ("curl 'https://a.example/x' \\\n  -H $'X: it\\'s' \\\n --http2", "GET", [("X", "it's")], None),
        ('curl.exe "https://a.example/x" -A "me"', "GET", [("User-Agent", "me")], None),
        ("$ curl a.example/x", "GET", [], None),
    ],
)  # fmt: skip
def test_a_curl_command_is_read_as_the_request_that_it_sends(command, method, headers, body):
    (one,) = read_for_diagnosis(command.encode())
    assert (one.request.method, one.request.headers, one.request.body) == (method, headers, body)
    assert one.request.url.endswith("a.example/x")


def test_get_moves_the_data_of_curl_into_the_query():
    (one,) = read_for_diagnosis(b"curl -G https://a.example/x --data-urlencode 'q=a b'")
    assert (one.request.method, one.request.url) == ("GET", "https://a.example/x?q=a+b")


def test_a_har_keeps_pseudo_headers_and_order():
    entry = {
        "request": {
            "method": "POST",
            "url": "https://a.example/x",
            "httpVersion": "h2",
            "headers": [{"name": ":authority", "value": "a.example"}, {"name": "b", "value": "1"}, {"name": "a", "value": "2"}],
            "postData": {"mimeType": "application/json", "text": '{"a": 1,}'},
        },
        "response": {"status": 400, "headers": [], "content": {"text": "YmFk", "encoding": "base64"}},
    }  # fmt: skip
    (one,) = read_for_diagnosis(json.dumps({"log": {"version": "1.2", "entries": [entry]}}).encode())
    assert one.request.http_version == "2"
    assert [name for name, _ in one.request.headers] == [":authority", "b", "a"]
    assert one.request.body == '{"a": 1,}'
    assert one.response is not None
    assert one.response.body == "bad"


def test_json_lines_take_recorded_fields_and_our_own_records():
    lines = [
        {
            "method": "GET",
            "url": "https://a.example/",
            "request_headers": {"A": "1"},
            "status": 400,
            "response_body": "x",
        },
        {
            "request": {"method": "GET", "url": "https://a.example/", "headers": [["A", "1"]]},
            "response": {"status": 400},
        },
        {"method": "POST", "url": "https://a.example/", "body": "{}", "headers": [{"name": "A", "value": "1"}]},
    ]
    found = read_for_diagnosis("\n".join(json.dumps(line) for line in lines).encode())
    assert [one.request.headers for one in found] == [[("A", "1")]] * 3
    assert [one.response.status if one.response else None for one in found] == [400, 400, None]


@pytest.mark.parametrize(
    "data",
    [b"", b"   ", b"hello", b"{", b'{"a": 1}', b'[1]', b'{"log": {}}', b'{"url": 1}', b"curl", b"curl 'x", b"curl -X POST",
     b'{"method":"GET","url":"https://a.example/"}\n{', b'{"url":"https://a.example/","status":"bad"}',
     b'{"url":"https://a.example/","request_headers":"x"}'],
)  # fmt: skip
def test_what_cannot_be_read_is_one_clear_error(data):
    with pytest.raises(InputError) as raised:
        read_for_diagnosis(data)
    assert "\n" not in str(raised.value)


@given(st.binary(max_size=200), st.sampled_from(["auto", "har", "raw", "curl", "jsonl"]))
def test_no_input_crashes_the_reader(data, form):
    with suppress(InputError):
        for one in read_for_diagnosis(data, form):
            find_defect(one.request, one.response, as_sent=one.as_sent)


@given(st.text(alphabet="curl -dHX'\"\\$ \nhttps:/a.=&{}", max_size=60).map(lambda text: f"curl {text}".encode()))
def test_no_command_crashes_the_reader(data):
    with suppress(InputError):
        read_for_diagnosis(data)


@pytest.mark.parametrize(
    ("command", "content_type"),
    [
        ("curl -F file=@photo.png https://a.example/x", "multipart/form-data"),
        ("curl -F a=1 https://a.example/x", "multipart/form-data"),
        ("curl -H 'Content-Type: multipart/form-data' -F a=1 https://a.example/x", "multipart/form-data"),
    ],
)
def test_a_form_of_curl_is_posted_under_one_type_with_its_boundary(command, content_type):
    (one,) = read_for_diagnosis(command.encode())
    assert one.request.method == "POST"
    (sent,) = [value for name, value in one.request.headers if name == "Content-Type"]
    assert sent.startswith(f"{content_type}; boundary=-")
    assert find_defect(one.request) is None


@pytest.mark.parametrize(
    "data",
    [
        b"PROXY TCP4 192.0.2.1 192.0.2.2 5000 80\r\nGET / HTTP/1.1\r\nHost: a.example\r\n\r\n",
        b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + bytes(12) + b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03abcd",
    ],
    ids=["PROXY 1", "PROXY 2", "TLS"],
)
def test_bytes_of_another_protocol_are_known_as_raw_and_named(data):
    (one,) = read_for_diagnosis(data)
    found = find_defect(one.request, as_sent=one.as_sent)
    assert found is not None
    assert found.cause == "protocol_violation"
