import hashlib
import json
from pathlib import Path

import msgspec

from halt400.events import response_event
from halt400.exchanges import Unread
from streams.replay import Recording, read_events
from tests.replay.conftest import Read, exchange


def test_every_recorded_exchange_of_the_corpus_becomes_an_event(corpora: Path) -> None:
    for path in sorted((corpora / "recorded_api").glob("*.jsonl")):
        recorded = [json.loads(line) for line in path.read_text().splitlines()]
        with Recording(str(path)) as recording:
            events = list(read_events(recording))
        assert not [event for event in events if isinstance(event, Unread)]
        assert [event.response.status for event in events if not isinstance(event, Unread)] == [
            found["status"] for found in recorded
        ]
        for found, event in zip(recorded, events, strict=True):
            assert not isinstance(event, Unread)
            assert event.job_id == f"{found['source']}/{found['file']}"
            assert (event.request.url, event.request.body or "") == (
                found["url"],
                (found["request_body"] or "") if found["status"] == 400 else "",
            )


def test_a_recorded_file_is_one_job_and_the_url_names_the_target(read: Read) -> None:
    (event,), unread = read(exchange(url="https://API.Shop.example:8443/graphql"))
    assert not unread
    assert (event.target, event.job_id) == ("api.shop.example:8443", "acme/client/cassettes/search.yaml")


def test_an_exchange_that_names_no_job_belongs_to_the_input_file(read: Read) -> None:
    (event,), _ = read(exchange(source=None, file=None), name="night.jsonl")
    assert event.job_id == "night.jsonl"


def test_the_body_of_a_400_is_whole_with_size_and_digest(read: Read) -> None:
    body = '{"query": "größe", }'
    (event,), _ = read(exchange(request_body=body))
    assert (event.request.body, event.request.body_size) == (body, len(body.encode()))
    assert event.request.body_sha256 == hashlib.sha256(body.encode()).hexdigest()


def test_a_success_is_counted_without_its_bodies(read: Read) -> None:
    (event,), _ = read(exchange(status=200))
    assert (event.request.body, event.response.body, event.response.body_size) == (None, None, 3)


def test_headers_may_be_an_object_with_lists_or_a_list_of_pairs(read: Read) -> None:
    events, unread = read(
        exchange(response_headers={"Set-Cookie": ["a=1", "b=2"], "Age": 3, "X-Empty": None})
        + "\n"
        + exchange(response_headers=[["B", "1"], ["A", "2"]])
    )
    assert not unread
    assert events[0].response.headers == [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("Age", "3"), ("X-Empty", "")]
    assert events[1].response.headers == [("B", "1"), ("A", "2")]


def test_our_own_events_pass_unchanged_and_may_stand_beside_recorded_exchanges(read: Read) -> None:
    own = response_event(method="GET", url="https://a.example/x", status=200, job_id="extract-1", worker="w-3")
    events, unread = read(msgspec.json.encode(own) + b"\n" + exchange().encode() + b"\n")
    assert not unread
    assert events[0] == own
    assert events[1].response.status == 400


def test_the_caller_s_target_and_job_go_before_the_file_s(read: Read) -> None:
    own = response_event(method="GET", url="https://a.example/x", status=200, job_id="extract-1")
    events, _ = read(msgspec.json.encode(own) + b"\n" + exchange().encode(), target="B.example", job_id="audit")
    assert {(event.target, event.job_id) for event in events} == {("b.example", "audit")}
    assert events[0].id != own.id


def test_ids_depend_on_content_line_and_job_and_on_nothing_else(read: Read) -> None:
    content = f"{exchange()}\n{exchange()}\n"
    first, _ = read(content, name="one.jsonl")
    again, _ = read(content, name="two.jsonl")
    other_job, _ = read(content, job_id="other")
    assert [event.id for event in first] == [event.id for event in again]
    assert first[0].id != first[1].id
    assert first[0].id != other_job[0].id


def test_exchanges_without_a_time_follow_one_another_from_the_file_s_date(read: Read, tmp_path: Path) -> None:
    events, _ = read(f"{exchange()}\n{exchange()}\n{exchange()}\n")
    modified_ms = (tmp_path / "input").stat().st_mtime_ns // 1_000_000
    assert [event.time - modified_ms for event in events] == [0, 1, 2]


def test_names_that_are_too_long_are_shortened_and_stay_apart(read: Read) -> None:
    events, unread = read(exchange(file="x" * 400 + "1") + "\n" + exchange(file="x" * 400 + "2"))
    assert not unread
    assert {len(event.job_id) for event in events} == {255}
    assert events[0].job_id != events[1].job_id
