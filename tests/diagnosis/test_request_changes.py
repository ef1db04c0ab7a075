"""What changed between the last good requests and a refused one is the first thing that is shown."""

import json

import pytest
from typer.testing import CliRunner

from halt400.cli.app import build
from halt400.diagnosis import Profile, diagnose
from halt400.diagnosis.exchange import Exchange
from halt400.diagnosis.request_changes import changes_of
from halt400.records import Request, Response
from tests.diagnosis.builders import REFUSED, get, request

GOOD = '{"id": 7, "at": 1764000000, "price": "9.50"}'
HEADERS = [("Accept", "*/*"), ("X-Client", "7"), ("User-Agent", "a/1")]


def learned(*requests: Request, release: str = "3.1") -> Profile:
    profile = Profile()
    for number in range(4):
        for one in requests:
            profile.observe(one, time_ms=1_700_000_000_000 + number, release=release)
    return profile


def changes(one: Request, profile: Profile, release: str | None = None) -> dict[str, tuple[str, str]]:
    found = changes_of(Exchange(one), profile, release)
    assert found is not None
    return {change.what: (change.here, change.usual) for change in found}


@pytest.mark.parametrize(
    ("body", "what", "here"),
    [
        ('{"id": "7", "at": 1764000000, "price": "9.50"}', "body id", "string"),
        ('{"at": 1764000000, "price": "9.50"}', "body id", "missing"),
        ('{"id": 7, "at": 1764000000, "price": "9.50", "new": 1}', "body new", "number"),
        ('{"id": 7, "at": 1764000000000, "price": "9.50"}', "body at", "milliseconds"),
        ('{"id": 7, "at": 1764000000, "price": "9,50"}', "body price", "decimal comma"),
    ],
)
def test_the_body_is_compared_by_names_types_and_formats(body, what, here):
    found = changes(request(body), learned(request(GOOD)))
    assert found[what][0] == here


def test_headers_are_compared_by_presence_and_order():
    profile = learned(get(headers=HEADERS))
    found = changes(get(headers=[HEADERS[2], HEADERS[0], ("X-New", "1")]), profile)
    assert found["header X-Client"] == ("missing", "in 100% of the good requests")
    assert found["header X-New"] == ("sent", "in no good request")
    assert found["order of headers"] == ("User-Agent, Accept", "Accept, User-Agent")


def test_the_query_and_the_release_are_compared():
    profile = learned(get("https://api.shop.example/v1/orders?page=1&size=5"))
    found = changes(get("https://api.shop.example/v1/orders?page=1&limit=5"), profile, "3.2")
    assert list(found) == ["release", "query parameter size", "query parameter limit"]
    assert found["release"] == ("3.2", "3.1, the last with good requests")


def test_a_moved_address_is_shown_with_the_template_of_good_requests():
    found = changes(get("https://api.shop.example/v2/orders/7"), learned(get("https://api.shop.example/v1/orders/7")))
    assert found["URL template"][1].startswith("GET https://api.shop.example/v1/orders/{n}")


def test_a_request_like_the_good_ones_has_no_change_and_nothing_is_compared_with_nothing():
    profile = learned(request(GOOD, headers=HEADERS))
    assert changes(request(GOOD.replace("7", "8"), headers=HEADERS), profile) == {}
    assert changes_of(Exchange(get("https://other.example/")), profile) is None


def test_a_diagnosis_of_a_schema_break_has_the_changes_and_no_value():
    profile = learned(request('{"id": 7, "token": "hunter2hunter2"}'))
    found = diagnose(request('{"id": "hunter3hunter3"}'), REFUSED, profile, release="3.2")
    assert found.cause == "schema_violation"
    assert [change.what for change in found.changes] == ["release", "body id", "body token"]
    assert "hunter" not in repr(found.changes)


def test_a_success_has_no_changes():
    assert diagnose(request('{"id": "7"}'), Response(status=200), learned(request(GOOD))).changes == []


def test_the_command_compares_a_400_with_the_good_requests_before_it():
    good = {"method": "POST", "url": "https://a.example/orders", "request_body": '{"id": 7}', "status": 200,
            "request_headers": {"Content-Type": "application/json"}}  # fmt: skip
    bad = {**good, "request_body": '{"id": "7"}', "status": 400}
    text = "\n".join(json.dumps(one) for one in [good, good, good, bad])
    shown = CliRunner().invoke(build(), ["diagnose", "-"], input=text).stdout
    assert shown.index("changed since the last good requests") < shown.index("is of type string")
    assert "body id: string; usual: number" in shown
