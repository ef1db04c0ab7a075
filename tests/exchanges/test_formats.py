"""One set of readers: every format yields the same kind of exchange, for `diagnose` and `replay`."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from halt400.exchanges import FORMATS, Format, InputFile, RecordedExchange, Unread, formats, read_exchanges
from halt400.exchanges import read_for_diagnosis as diagnosed
from halt400.records import Request, Response

LOG = 'shop.example:8443 203.0.113.9 - - [17/May/2015:10:05:03 +0000] "POST /a?b=1 HTTP/1.1" 400 226 "-" "me"'
LINE = {
    "method": "POST",
    "url": "https://a.example/",
    "request_headers": {"A": "1"},
    "request_body": "{",
    "status": 400,
    "response_body": "bad",
}
ENTRY = {
    "startedDateTime": "2024-05-01T10:00:00.100Z",
    "time": 250.4,
    "request": {
        "method": "POST",
        "url": "https://a.example/",
        "headers": [{"name": "A", "value": "1"}],
        "postData": {"mimeType": "application/json", "text": "{"},
    },
    "response": {"status": 400, "headers": [], "content": {"text": "bad"}},
}
HAR = json.dumps({"log": {"entries": [ENTRY]}})

Read = Callable[..., list[RecordedExchange | Unread]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Write a file, read it, and return what it yields."""

    def write_and_read(content: str | bytes, name: str | None = None) -> list[RecordedExchange | Unread]:
        path = tmp_path / "input"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        with InputFile(str(path)) as file:
            return list(read_exchanges(file, name))

    return write_and_read


def exchange_in(found: list[RecordedExchange | Unread]) -> RecordedExchange:
    (only,) = found
    assert isinstance(only, RecordedExchange)
    return only


@pytest.mark.parametrize("content", [json.dumps(LINE), HAR])
def test_what_is_replayed_and_what_is_diagnosed_is_the_same_exchange(read: Read, content: str) -> None:
    found = exchange_in(read(content))
    assert found.request.headers == [("A", "1")]
    assert (found.request.body, found.response and found.response.body) == ("{", "bad")
    (again,) = diagnosed(content.encode())
    assert (again.request, again.response) == (found.request, found.response)


def test_a_har_tells_when_the_response_was_there_and_how_long_it_took(read: Read) -> None:
    found = exchange_in(read(HAR))
    assert (found.time_ms, found.duration_ms, found.where) == (1_714_557_600_350, 250.4, "entry 1")
    assert found.missing == ["http_version"]


def test_a_line_of_a_log_tells_its_client_and_its_virtual_host(read: Read) -> None:
    found = exchange_in(read(LOG))
    assert (found.client_address, found.host, found.server_log) == ("203.0.113.9", "shop.example:8443", True)
    assert (found.request.method, found.request.url, found.time_ms) == ("POST", "/a?b=1", 1_431_857_103_000)
    assert found.response == Response(status=400, body_size=226)


def test_a_client_in_front_is_no_virtual_host(read: Read) -> None:
    found = exchange_in(read(LOG.partition(" ")[2]))
    assert (found.client_address, found.host) == ("203.0.113.9", None)


def test_a_request_without_a_response_is_well_formed(read: Read) -> None:
    entry = ENTRY | {"response": {"status": 0}}
    for content in (json.dumps(LINE | {"status": 0}), json.dumps({"log": {"entries": [entry]}})):
        found = exchange_in(read(content))
        assert (found.response, found.fault) == (None, "")
        assert found.no_response


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (LINE | {"request_body": {"a": 1}}, "request_body is no text"),
        ({name: value for name, value in LINE.items() if name != "status"}, "there is no status"),
        ({"request": {"url": "https://a.example/"}, "response": {"status": 400}}, "no ResponseEvent"),
    ],
)
def test_a_record_that_can_be_diagnosed_and_not_replayed_says_why(
    read: Read, line: dict[str, object], fault: str
) -> None:
    assert fault in exchange_in(read(json.dumps(line))).fault
    assert diagnosed(json.dumps(line).encode())


@pytest.mark.parametrize(
    ("value", "body"), [("a b", "q=a+b"), ("a%20b", "q=a%20b"), ("a+b", "q=a+b"), ("100%", "q=100%25"), (None, "q=")]
)
def test_a_form_field_that_is_escaped_already_is_not_escaped_again(read: Read, value: str | None, body: str) -> None:
    posted = {"mimeType": "application/x-www-form-urlencoded", "params": [{"name": "q", "value": value}]}
    entry = ENTRY | {"request": {"method": "POST", "url": "https://a.example/", "postData": posted}}
    assert exchange_in(read(json.dumps({"log": {"entries": [entry]}}))).request.body == body


def test_a_body_that_is_no_base64_is_a_fault_and_stays_as_it_is(read: Read) -> None:
    entry = ENTRY | {"response": {"status": 400, "content": {"text": "a", "encoding": "base64"}}}
    found = exchange_in(read(json.dumps({"log": {"entries": [entry]}})))
    assert "base64" in found.fault
    assert found.response is not None
    assert found.response.body == "a"


def test_a_further_format_is_one_entry(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    def parse_line(line: bytes, number: int) -> RecordedExchange:
        method, url, status = line.decode().split()[1:]
        request = Request(method=method, url=url)
        return RecordedExchange(
            where=f"line {number}", number=number, request=request, response=Response(status=int(status))
        )

    further = Format(
        name="short", title="short", looks_like=lambda line: line.startswith(b"short "), parse_line=parse_line
    )
    monkeypatch.setattr(formats, "FORMATS", {**FORMATS, "short": further})
    found = exchange_in(read(gzip.compress(b"short GET https://a.example/ 400\n")))
    assert (found.request.url, found.where) == ("https://a.example/", "line 1")


def test_a_raw_request_keeps_a_byte_order_mark_that_was_sent(tmp_path: Path) -> None:
    path = tmp_path / "request"
    path.write_bytes(b"\xef\xbb\xbfGET / HTTP/1.1\r\n\r\n")
    with InputFile(str(path)) as file:
        assert file.byte_order_mark + file.read_all() == path.read_bytes()
