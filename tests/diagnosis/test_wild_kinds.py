"""Kinds of refusals as scrapers meet them, in words that no case of the corpus has; and the fine twin of each."""

import pytest

from halt400.diagnosis import diagnose, find_defect
from halt400.diagnosis.mending import mend
from halt400.diagnosis.refusal_phrases import phrase_in
from halt400.exchanges.raw import read_raw
from halt400.records import Request, Response

URL = "https://api.shop.example"
JSON = [("Host", "api.shop.example"), ("Content-Type", "application/json")]


def get(path: str) -> Request:
    return Request(method="GET", url=URL + path, headers=JSON[:1])


def post(body: str) -> Request:
    return Request(method="POST", url=f"{URL}/items", headers=JSON, body=body)


def says(sentence: str) -> Response:
    return Response(status=400, headers=JSON[1:], body=f'{{"error": "{sentence}"}}')


@pytest.mark.parametrize(
    ("sentence", "cause"),
    [
        ("The CSRF token is missing.", "expired_state"),
        ("The CSRF session token is missing.", "expired_state"),
        ("The CSRF tokens do not match.", "expired_state"),
        ("CSRF cookie not set.", "expired_state"),
        ("Another export is already running for this account. Please try again in a few minutes.", "transient"),
        ("You already have a pending export. Try again in a few minutes", "transient"),
        ("The resource is being modified by another operation", "transient"),
        ("Please wait 30 seconds before trying again", "rate_limited"),
        ("Timestamp is more than 300 seconds from server time", "credential_rejected"),
        ("Wrong sign.", "credential_rejected"),
        ("csrf must be a boolean", None),
        ("Another value is required", None),
        ("title is missing", None),
    ],
)
def test_a_sentence_tells_what_is_no_defect_of_the_request(sentence: str, cause: str | None) -> None:
    found = phrase_in(sentence)
    assert (found.cause if found is not None else None) == cause


@pytest.mark.parametrize(
    "value", ["NaN-NaN-NaN", "NaN/NaN/NaN 00:00", "NaN-aN-aN", "0NaN-0NaN-0NaN", "Invalid DateTime"]
)
def test_a_date_that_became_text_is_named_whatever_the_server_says(value: str) -> None:
    for request in (post(f'{{"from": "{value}"}}'), get("/slots?from=" + value.replace(" ", "%20"))):
        found = diagnose(request, says("Unparseable"))
        assert (found.cause, found.evidence[0].name) == ("schema_violation", "from")
    assert find_defect(post('{"from": "2026-03-01"}')) is None
    assert find_defect(post('{"from": "Nan/Nancy 3/4"}')) is None


@pytest.mark.parametrize(
    ("request_", "sentence", "mended"),
    [
        (post('{"price": "19,99"}'), "price is not a number", '{"price": 19.99}'),
        (get("/r?day=31/12/2025"), "day: must be ISO 8601 date (YYYY-MM-DD)", "day=2025-12-31"),
        (get("/e?since=1764400000000"), "since must be a unix timestamp in seconds", "since=1764400000"),
        (get("/e?since=1764400000"), "since must be an epoch timestamp in milliseconds", "since=1764400000000"),
        (post('{"user": {"emial": "a@b.example"}}'), "found unpermitted parameter: :emial", '{"user": {}}'),
        (get("/items?page=2&per=900"), "Page size cannot be greater than 250", "page=2&per=250"),
    ],
)
def test_the_value_is_written_as_the_server_asks_for_it(request_: Request, sentence: str, mended: str) -> None:
    after = mend(request_, says(sentence))
    assert mended in (after.request.body or after.request.url)
    assert after.left is None


def test_a_day_and_a_number_that_can_be_read_in_two_ways_are_not_rewritten() -> None:
    for request_, sentence in (
        (get("/r?day=03/04/2025"), "day: must be ISO 8601 date (YYYY-MM-DD)"),
        (post('{"price": "1,299"}'), "price is not a number"),
    ):
        assert not mend(request_, says(sentence)).changes


@pytest.mark.parametrize(
    ("line", "detail"),
    [
        (b"GET / HTTP/2.0", "HTTP/2.0 (in a request line"),
        (b"GET / http/1.1", "HTTP is in capitals"),
        (b"GET / HTTP/1.2", "'1.2' does not exist"),
        (b"GET / HTTP/2", None),
    ],
)
def test_a_wrong_version_of_a_raw_request_is_named(line: bytes, detail: str | None) -> None:
    raw = read_raw(line + b"\r\nHost: api.shop.example\r\n\r\n")
    found = find_defect(raw.request, as_sent=raw.as_sent)
    assert (found is None) == (detail is None)
    assert detail is None or (found is not None and detail in found.evidence[0].detail)


def test_a_broken_line_of_many_is_told_with_its_own_mend() -> None:
    headers = [("Host", "api.shop.example"), ("Content-Type", "application/x-ndjson")]
    body = '{"index":{}}\n{"a":1}\n{"index":{}}\n{"a":2,}\n'
    found = diagnose(Request(method="POST", url=f"{URL}/_bulk", headers=headers, body=body), says("bad"))
    assert found.remedy.startswith("In line 4: Remove the comma")


@pytest.mark.parametrize(
    ("sentence", "cause"),
    [("The CSRF token has expired.", "expired_state"), ("The CSRF token is missing.", "missing_required_header")],
)
def test_a_csrf_token_that_the_request_does_not_show_has_expired_or_is_missing_as_the_server_says(
    sentence: str, cause: str
) -> None:
    assert diagnose(post('{"a": 1}'), says(sentence)).cause == cause
