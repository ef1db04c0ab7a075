import base64
import hashlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from halt400.events import BODY_LIMIT_BYTES, response_event, target_of
from halt400.publisher.sampling import HeaderSampler
from halt400.records import Request, Response, ResponseEvent

WHERE = {"method": "POST", "url": "https://api.shop.example/graphql", "job_id": "extract-099"}


def carried_by(part: Request | Response) -> bytes:
    return base64.b64decode(part.body_base64) if part.body_base64 is not None else (part.body or "").encode()


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://API.Shop.example/graphql", "api.shop.example"),
        ("https://api.shop.example:443/", "api.shop.example"),
        ("http://api.shop.example:443/", "api.shop.example:443"),
        ("https://user:pa@ss@api.shop.example:8443/x", "api.shop.example:8443"),
        ("http://[2001:DB8::1]:8080/", "[2001:db8::1]:8080"),
        ("https://api.shop.example./", "api.shop.example"),
        ("https://api.shop.example:99999/", "api.shop.example"),
        ("http://[broken/", "unknown"),
        ("/relative", "unknown"),
    ],
)
def test_a_target_is_named_by_host_and_port(url: str, target: str) -> None:
    assert target_of(url) == target


@given(st.text())
def test_any_url_has_a_target_without_a_slash(url: str) -> None:
    assert target_of(url)
    assert "/" not in target_of(url)


def test_user_and_password_are_removed_from_the_url() -> None:
    event = response_event(**WHERE | {"url": "https://user:secret@api.shop.example/v2?mail=a@b.example"}, status=200)
    assert event.request.url == "https://api.shop.example/v2?mail=a@b.example"


@given(st.binary(max_size=300) | st.text(max_size=300))
def test_the_body_of_a_400_is_carried_unchanged(body: bytes | str) -> None:
    event = response_event(**WHERE, status=400, request_body=body, response_body=body)
    event = msgspec.json.decode(msgspec.json.encode(event), type=ResponseEvent)
    sent = body.encode() if isinstance(body, str) else body
    for part in (event.request, event.response):
        assert part.body is None or part.body_base64 is None
        assert carried_by(part) == sent
        assert part.body_size == len(sent)
        assert not part.body_truncated
    assert event.request.body_sha256 == (hashlib.sha256(sent).hexdigest() if sent else None)


@pytest.mark.parametrize(
    "body", [b"\x00" * 3_000_000, "\u20ac".encode() * 700_001, b"\xff" * 2_000_000, b"a" * 1_048_577]
)
def test_a_large_body_is_cut_and_marked_as_truncated(body: bytes) -> None:
    event = response_event(**WHERE, status=400, request_body=body)
    request = event.request
    carried = (
        base64.b64decode(request.body_base64) if request.body_base64 is not None else (request.body or "").encode()
    )
    assert request.body_truncated
    assert BODY_LIMIT_BYTES - 3 <= len(carried) <= BODY_LIMIT_BYTES
    assert body.startswith(carried)
    assert request.body_size == len(body)
    assert request.body_sha256 == hashlib.sha256(body).hexdigest()
    assert len(msgspec.json.encode(event)) < 2 * BODY_LIMIT_BYTES


def test_a_response_of_which_only_the_beginning_is_known_is_marked_as_truncated() -> None:
    event = response_event(**WHERE, status=400, response_body=b"{", response_body_size=9000)
    assert (event.response.body, event.response.body_size, event.response.body_truncated) == ("{", 9000, True)


def test_other_responses_carry_sizes_but_no_bodies() -> None:
    event = response_event(**WHERE, status=422, request_body=b"{}", response_body=b"no", response_body_size=2)
    assert (event.request.body, event.request.body_size, event.response.body, event.response.body_size) == (
        None,
        2,
        None,
        2,
    )


def test_headers_keep_their_order_and_their_duplicates() -> None:
    headers = [("Host", "a"), ("X-Twice", "1"), ("Accept", "*/*"), ("X-Twice", "2")]
    assert response_event(**WHERE, status=400, request_headers=headers).request.headers == headers


def test_every_event_has_its_own_id_unless_one_is_given() -> None:
    ids = {response_event(**WHERE, status=200).id for _ in range(1000)}
    assert len(ids) == 1000
    assert response_event(**WHERE, status=200, event_id="again").id == "again"


HEADERS = [("Host", "api.shop.example"), ("Authorization", "Bearer s3cret"), ("Content-Type", "application/json")]


def test_the_first_successes_keep_their_header_names_and_later_ones_rarely() -> None:
    sampler = HeaderSampler(first=3, then_every=10)
    event = response_event(**WHERE, status=200, request_headers=HEADERS)
    carrying = [number for number in range(50) if sampler.slim(event).request.headers]
    assert carrying == [0, 1, 2, 3, 13, 23, 33, 43]
    other_method = response_event(**WHERE | {"method": "GET"}, status=200, request_headers=HEADERS)
    assert sampler.slim(other_method).request.headers


def test_a_success_keeps_no_header_value_that_could_be_a_secret() -> None:
    event = response_event(**WHERE, status=200, request_headers=HEADERS, response_headers=[("Set-Cookie", "s3cret")])
    slim = HeaderSampler().slim(event)
    assert slim.request.headers == [("Host", ""), ("Authorization", ""), ("Content-Type", "application/json")]
    assert b"s3cret" not in msgspec.json.encode(slim)
    assert event.request.headers == HEADERS


def test_a_400_stays_complete_and_other_errors_keep_no_headers() -> None:
    sampler = HeaderSampler()
    bad = response_event(**WHERE, status=400, request_headers=HEADERS, request_body=b"{")
    assert sampler.slim(bad) is bad
    for status in (301, 404, 422, 429, 503):
        other = response_event(**WHERE, status=status, request_headers=HEADERS, response_headers=HEADERS)
        assert sampler.slim(other).request.headers == []
        assert sampler.slim(other).response.headers == []


def test_the_memory_of_the_sampler_is_bounded() -> None:
    sampler = HeaderSampler(max_routes=10)
    for number in range(1000):
        sampler.slim(response_event(**WHERE | {"url": f"https://host-{number}.example/"}, status=200))
    assert len(sampler._seen) <= 10


def test_the_usual_version_takes_no_bytes_of_an_event() -> None:
    for version in ("".join(("1", ".1")), "HTTP/1.1", (1, 1)):
        event = response_event(**WHERE, status=200, http_version=version)
        assert event.request.http_version == "1.1"
        assert b"http_version" not in msgspec.json.encode(event)
    assert b'"http_version":"2"' in msgspec.json.encode(response_event(**WHERE, status=200, http_version="2"))
