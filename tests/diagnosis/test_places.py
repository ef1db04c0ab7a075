"""What the labelled cases say of places and remedies holds: the byte, the line, and what the remedy names."""

import json
import sys

import pytest

from benchmarks.diagnosis_own import own_cases, own_diagnosis
from halt400.diagnosis import diagnose
from halt400.diagnosis.exchange import Exchange
from halt400.diagnosis.graphql_documents import _summary
from halt400.diagnosis.places import place_of_name
from halt400.diagnosis.value_places import place_of_value
from halt400.records import Response
from tests.diagnosis.builders import get, request

CASES = list(own_cases())


def sent(case, where):
    fields = case["broken"]["request"]
    return (fields.get("body") or "").encode() if where == "body" else fields["url"].encode()


@pytest.mark.parametrize("case", [case for case in CASES if "at" in case], ids=lambda case: case["id"])
def test_the_evidence_points_at_the_place(case):
    found = own_diagnosis(case, "broken")
    assert found is not None
    places = [
        sent(case, item.where)[item.offset :].decode()
        for item in found.evidence[:3]
        if item.offset is not None and item.where in ("body", "url")
    ]
    assert any(text.startswith(case["at"]) for text in places), places


@pytest.mark.parametrize("case", [case for case in CASES if "line" in case], ids=lambda case: case["id"])
def test_the_evidence_has_the_line(case):
    found = own_diagnosis(case, "broken")
    assert found is not None
    assert found.evidence[0].line == case["line"]
    assert case.get("column") in (None, found.evidence[0].column)


@pytest.mark.parametrize("case", [case for case in CASES if "remedy" in case], ids=lambda case: case["id"])
def test_the_remedy_has_what_the_server_names(case):
    found = own_diagnosis(case, "broken")
    assert found is not None
    assert all(text in found.remedy for text in case["remedy"]), found.remedy


NESTED = '{"data": [{"name": "a"}, {"name": "b", "tags": {"x/y": 1}}], "page": {"limit": 5}}'


@pytest.mark.parametrize(
    ("written", "points_at"),
    [
        ("/data/1/name", '"name": "b"'),
        ("#/data/1/name", '"name": "b"'),
        ("data[1].name", '"name": "b"'),
        ("data.1.name", '"name": "b"'),
        ("$.data[1].name", '"name": "b"'),
        ("data[1][name]", '"name": "b"'),
        ("data -> 1 -> name", '"name": "b"'),
        ("/data/1/tags/x~1y", '"x/y": 1'),
        ("page[limit]", '"limit": 5'),
        ("pageLimit.limit", '"limit": 5'),
    ],
)
def test_a_path_is_found_however_it_is_written(written, points_at):
    place = place_of_name(Exchange(request(NESTED)), written)
    assert place is not None
    assert NESTED[place.key :].startswith(points_at)


@pytest.mark.parametrize(
    ("one", "value", "kind"),
    [
        (get("https://a.example/items/abc%2Fd"), "abc/d", "path"),
        (get("https://a.example/items?filter=status%3Anone"), "none", "query"),
        (request('{"a": {"b": "gone"}}'), "gone", "json"),
        (request("<a><b>gone</b></a>", content_type="application/xml"), "gone", "xml"),
        (request("a=1&b=gone", content_type="application/x-www-form-urlencoded"), "gone", "form"),
        (get(headers=[("X-Region", "mars-1")]), "mars-1", "header"),
    ],
    ids=range(6),
)
def test_a_value_that_a_server_quotes_is_found_in_every_part_of_a_request(one, value, kind):
    place = place_of_value(Exchange(one), value)
    assert place is not None
    assert place.kind == kind


def test_the_only_value_beyond_a_stated_limit_is_placed_with_less_confidence():
    refusal = Response(status=400, body='{"message": "Must be at most 100."}')
    found = diagnose(request('{"first": 7, "second": 5000}'), refusal)
    assert (found.evidence[0].name, found.confidence) == ("second", 0.72)
    assert "at most 100" in found.remedy


def test_no_place_is_guessed_where_two_values_are_beyond_the_limit():
    refusal = Response(status=400, body='{"message": "Must be at most 100."}')
    found = diagnose(request('{"first": 700, "second": 5000}'), refusal)
    assert all(item.offset is None for item in found.evidence)


def test_without_graphql_core_what_the_server_says_of_the_document_is_still_placed(monkeypatch):
    monkeypatch.setitem(sys.modules, "graphql", None)
    _summary.cache_clear()
    body = '{"query": "query { product { prise } }"}'
    said = {"message": 'Cannot query field "prise".', "locations": [{"line": 1, "column": 19}]}
    found = diagnose(
        request(body, url="https://a.example/graphql"), Response(status=400, body=json.dumps({"errors": [said]}))
    )
    assert body[found.evidence[0].offset :].startswith("prise")
    assert diagnose(request('{"query": "query {"}'), Response(status=400)).cause == "unknown"
    _summary.cache_clear()
