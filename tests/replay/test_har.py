import base64
import json
from typing import Any

import pytest

from halt400.errors import InputError
from tests.replay.conftest import Read


def _entry(**changes: Any) -> dict[str, Any]:
    request = {
        "method": "POST",
        "url": "https://api.shop.example/graphql",
        "httpVersion": "HTTP/1.1",
        "headers": [{"name": "Content-Type", "value": "application/json"}],
        "postData": {"mimeType": "application/json", "text": '{"query": "phones", }'},
    }
    response = {
        "status": 400,
        "headers": [{"name": "Server", "value": "cloudfront"}],
        "content": {"size": 3, "mimeType": "text/plain", "text": "bad"},
    }
    entry: dict[str, Any] = {"startedDateTime": "2024-05-01T10:00:00.100Z", "time": 250.4}
    return entry | {
        "request": request | changes.pop("request", {}),
        "response": response | changes.pop("response", {}),
        **changes,
    }


def _har(*entries: Any, indent: int | None = 2) -> str:
    return json.dumps({"log": {"version": "1.2", "creator": {"name": "x"}, "entries": list(entries)}}, indent=indent)


@pytest.mark.parametrize("indent", [None, 2])
def test_an_entry_becomes_an_event_at_the_time_of_its_response(read: Read, indent: int | None) -> None:
    (event,), _ = read(_har(_entry(), indent=indent), name="session.har")
    assert (event.target, event.job_id, event.response.status) == ("api.shop.example", "session.har", 400)
    assert (event.time, event.duration_ms) == (1_714_557_600_350, 250.4)
    assert event.request.body == '{"query": "phones", }'
    assert event.response.body == "bad"


def test_a_page_is_a_job_of_its_own(read: Read) -> None:
    (event,), _ = read(_har(_entry(pageref="page_2")), name="session.har")
    assert event.job_id == "session.har/page_2"


def test_events_come_in_the_order_of_their_responses(read: Read) -> None:
    slow = _entry(startedDateTime="2024-05-01T12:00:00+02:00", time=5000)
    quick = _entry(startedDateTime="2024-05-01T10:00:01.1234567Z", time=10, response={"status": 200})
    events, _ = read(_har(slow, quick))
    assert [event.response.status for event in events] == [200, 400]


def test_form_fields_are_put_together_where_the_text_is_missing(read: Read) -> None:
    posted = {
        "mimeType": "application/x-www-form-urlencoded",
        "params": [{"name": "q", "value": "a b&c"}, {"name": "page", "value": "2"}, {"name": "x"}],
    }
    (event,), _ = read(_har(_entry(request={"postData": posted})))
    assert event.request.body == "q=a+b%26c&page=2&x="


def test_the_body_of_a_multipart_form_is_not_made_up(read: Read) -> None:
    posted = {"mimeType": "multipart/form-data; boundary=x", "params": [{"name": "f", "fileName": "a.png"}]}
    (event,), _ = read(_har(_entry(request={"postData": posted})))
    assert event.request.body is None


def test_base64_content_is_unpacked(read: Read) -> None:
    binary = b"\x89PNG\r\n\xff\x00"
    content = {"size": len(binary), "encoding": "base64", "text": base64.b64encode(binary).decode()}
    (event,), _ = read(_har(_entry(response={"content": content})))
    assert base64.b64decode(event.response.body_base64 or "") == binary


def test_pseudo_headers_and_browser_names_of_versions_are_understood(read: Read) -> None:
    headers = [{"name": ":method", "value": "POST"}, {"name": "accept", "value": "*/*"}]
    (event,), _ = read(_har(_entry(request={"httpVersion": "h2", "headers": headers})))
    assert (event.request.http_version, event.request.headers) == ("2", [("accept", "*/*")])


def test_much_may_be_missing(read: Read) -> None:
    bare = {"request": {"url": "https://a.example/"}, "response": {"status": "400"}}
    (event,), unread = read(_har(bare))
    assert not unread
    assert (event.request.method, event.request.http_version, event.response.status) == ("-", "unknown", 400)


@pytest.mark.parametrize(
    "entry",
    [
        _entry(response={"status": 0}),
        _entry(response={"status": None}),
        _entry(request={"url": "data:image/png;base64,AAAA"}),
        _entry(request={"url": "chrome-extension://abc/x.js"}),
    ],
)
def test_entries_without_a_response_are_no_fault_of_the_file(read: Read, entry: dict[str, Any]) -> None:
    events, (unread,) = read(_har(entry, _entry()))
    assert len(events) == 1
    assert unread.harmless


@pytest.mark.parametrize(
    "entry",
    [None, 3, [], {}, _entry(request={"url": 5}), _entry(response={"status": "many"}), _entry(response={"status": 99})],
)
def test_a_broken_entry_is_named_and_the_others_are_read(read: Read, entry: Any) -> None:
    events, (unread,) = read(_har(_entry(), entry))
    assert len(events) == 1
    assert (unread.where, unread.harmless) == ("entry 2", False)


@pytest.mark.parametrize("content", [_har(_entry())[:-20], '{"log": {}}', '{"log": {"entries": {}}}'])
def test_a_file_that_is_no_har_is_one_clear_error(read: Read, content: str) -> None:
    with pytest.raises(InputError, match="is no HAR"):
        read(content)
