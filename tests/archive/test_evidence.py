"""The content of an archived object: valid HAR 1.2, Halt400's own record in it, and no secret."""

import json
from base64 import b64encode
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import jsonschema
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from halt400.errors import ArchiveError
from halt400.records import Offence, Source
from streams.archive import archive_uri, har_of, object_key
from streams.archive.body_limits import BODY_LIMIT_BYTES, cut_bodies
from streams.archive.har import offence_of
from streams.archive.object_names import target_of_segment, target_segment
from streams.archive.offence_archiver import redact_and_cut
from tests.archive.offences import BODY, SECRETS, TIME_MS, offence, redactor

SCHEMA = json.loads((Path(__file__).parent / "har-1.2.schema.json").read_text())
VALIDATOR = jsonschema.Draft7Validator(SCHEMA, format_checker=jsonschema.FormatChecker())


def entry(one: Offence) -> dict:  # type: ignore[type-arg]
    document = json.loads(har_of(one))
    VALIDATOR.validate(document)
    [found] = document["log"]["entries"]
    return found  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "request_fields",
    [
        {},
        {"body": None},
        {"body": None, "body_base64": b64encode(b"\xff\x00binary").decode()},
        {"body": None, "body_base64": "no base64!"},
        {"url": "ht!tp://[broken", "method": "BR OKEN", "headers": [], "http_version": "2"},
        {"headers": [("Cookie", "a"), ("cookie", "b=c; d"), ("", ""), ("X-Ü", "ü\x00")]},
        {"body": "x" * 3_000_000, "body_size": None},
        {"url": "https://a.example/?" + "&".join(f"a{number}=1" for number in range(3000))},
    ],
)
def test_every_offence_is_a_valid_har(request_fields: dict[str, object]) -> None:
    for one in (offence(**request_fields), redact_and_cut(redactor, offence(**request_fields))):
        entry(one)


def test_the_har_says_what_was_sent_and_received() -> None:
    found = entry(offence())
    assert found["request"]["method"] == "POST"
    assert found["request"]["url"].startswith("https://api.shop.example/v1/products?page=3")
    assert found["request"]["httpVersion"] == "HTTP/1.1"
    assert found["request"]["postData"]["text"] == BODY
    assert found["request"]["queryString"][0] == {"name": "page", "value": "3"}
    assert found["request"]["cookies"][1] == {"name": "theme", "value": "dark"}
    assert found["response"]["status"] == 400
    assert found["startedDateTime"] == "2025-10-09T08:53:19.987+00:00"
    assert found["_halt400"]["diagnosis"]["cause"] == "malformed_json"
    assert found["_halt400"]["source"] == {"topic": "halt400.responses", "partition": 3, "offset": 7}


@given(st.sampled_from(["https://h.example/p?", "", "//", "h://[::1]/?"]), st.text("ab=&?#%+ []/:@\t~é", max_size=14))
def test_a_query_is_listed_as_a_form_is_parsed(head: str, rest: str) -> None:
    url = head + rest
    try:
        parsed = parse_qsl(urlsplit(url).query, keep_blank_values=True)
    except ValueError:
        parsed = []
    found = json.loads(har_of(offence(url=url)))["log"]["entries"][0]["request"]["queryString"]
    assert [(one["name"], one["value"]) for one in found] == parsed


def test_an_offence_comes_back_from_its_har_as_it_was() -> None:
    for one in (offence(), offence(body=None, body_base64=b64encode(bytes(range(256))).decode())):
        assert offence_of(har_of(one)) == one


@pytest.mark.parametrize("data", [b"", b"{}", b'{"log": {"entries": []}}', b'{"log": {"entries": [{}]}}', b"\xff"])
def test_bytes_that_are_no_evidence_are_refused(data: bytes) -> None:
    with pytest.raises(ArchiveError, match="no evidence"):
        offence_of(data)


def test_no_secret_is_in_the_archived_object() -> None:
    data = har_of(redact_and_cut(redactor, offence()))
    for secret in SECRETS:
        assert secret.encode() not in data
    found = entry(redact_and_cut(redactor, offence()))
    assert len(found["request"]["postData"]["text"]) == len(BODY)
    assert found["_halt400"]["diagnosis"]["evidence"][0]["excerpt"].endswith('", }')
    assert (
        har_of(redact_and_cut(redactor, offence()))
        == har_of(redact_and_cut(redactor, redact_and_cut(redactor, offence())))
        == data
    )


def test_a_long_body_is_cut_and_marked() -> None:
    text, raw = "ä" * 900_000, bytes(range(256)) * 8_000
    found = entry(redact_and_cut(redactor, offence(body=text, body_size=None)))
    sent = found["_halt400"]["event"]["request"]
    assert sent["body_truncated"] is True
    assert sent["body_size"] == 1_800_000
    assert len(sent["body"].encode()) == BODY_LIMIT_BYTES
    assert found["request"]["postData"]["comment"] == "truncated; 1800000 bytes were sent"
    sent = entry(redact_and_cut(redactor, offence(body=None, body_base64=b64encode(raw).decode(), body_size=None)))
    assert sent["_halt400"]["event"]["request"]["body_size"] == len(raw)
    assert len(json.dumps(sent)) < 4 * BODY_LIMIT_BYTES


def test_a_body_that_the_publisher_cut_is_marked_and_its_size_stays_unknown() -> None:
    found = entry(redact_and_cut(redactor, offence(body="x" * 100, body_truncated=True, body_size=None)))
    assert found["request"]["postData"]["comment"] == "truncated; nobody knows how many were sent"
    assert found["request"]["bodySize"] == -1
    found = entry(redact_and_cut(redactor, offence(body="x" * 2_000_000, body_truncated=True, body_size=None)))
    assert "body_size" not in found["_halt400"]["event"]["request"]
    found = entry(redact_and_cut(redactor, offence(body="x" * 2_000_000, body_truncated=True, body_size=9_000_000)))
    assert found["request"]["postData"]["comment"] == "truncated; 9000000 bytes were sent"


def test_a_secret_across_the_cut_is_redacted() -> None:
    body = "x" * (BODY_LIMIT_BYTES - 10) + " ghp_16C7e42F292c6912E7710c838347Ae178B4a"
    kept = redact_and_cut(redactor, offence(body=body)).event.request.body or ""
    assert len(kept) == BODY_LIMIT_BYTES
    assert not kept.endswith("ghp_16C7e")


def test_cutting_does_not_change_the_given_offence() -> None:
    given = offence(body="x" * 100)
    before = msgspec.json.encode(given)
    assert cut_bodies(given, 10).event.request.body == "x" * 10
    assert msgspec.json.encode(given) == before
    assert cut_bodies(given, 100) is given


def test_names_sort_by_target_and_date_and_offset() -> None:
    source = [Source(topic="halt400.responses", partition=3, offset=offset) for offset in (9, 10, 100)]
    keys = [object_key(one, "a.example", TIME_MS + day * 86_400_000) for day in (0, 1) for one in source]
    keys += [object_key(source[0], "b.example", 0)]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)
    assert object_key(source[0], "a", 10**30).startswith("a/undated/")


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(st.text(min_size=1, max_size=255), st.text(min_size=1, max_size=255))
def test_every_target_is_one_safe_segment_of_its_own(target: str, other: str) -> None:
    segment = target_segment(target)
    assert segment not in {"", ".", ".."}
    assert not segment.startswith(".")
    assert segment.isascii()
    assert not set(segment) & set('/\\?#"<>|*: \x00')
    assert len(segment) <= 180
    assert target_of_segment(segment) in {target, None}
    assert (target_segment(other) == segment) == (other == target)
    if len(target) < 20:
        assert target_of_segment(segment) == target


def test_a_file_uri_escapes_the_percent_signs_of_the_key() -> None:
    key = object_key(offence().source, "..", 0)
    assert archive_uri("file:///a/", key) == f"file:///a/{key}".replace("%2E", "%252E")
    assert archive_uri("s3://a", key) == f"s3://a/{key}"
    assert archive_uri("file:///a", key) == Path("/a", *key.split("/")).as_uri()
