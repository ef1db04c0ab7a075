"""The law of a mend: the mended request passes the diagnosis that found the defect, and is not changed again."""

import json
from urllib.parse import parse_qsl

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from benchmarks.diagnosis_own import own_cases, own_exchange
from halt400.cli.app import build
from halt400.diagnosis import find_defect
from halt400.diagnosis.graphql_documents import summary_of
from halt400.diagnosis.json_mends import mended_json
from halt400.diagnosis.mechanical_mends import mended_url
from halt400.diagnosis.mending import mend
from tests.diagnosis.builders import REFUSED, get, request

CASES = [case for case in own_cases() if "repeat" not in case["broken"]["request"]]
NAMES = st.text(alphabet="abcdefghijklmnop_", min_size=1, max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(alphabet="abc xyz-é/", max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=10,
)
DOCUMENTS = st.dictionaries(NAMES, VALUES, min_size=1, max_size=4)
BREAKS = [
    lambda text: text[:-1] + ",}",
    lambda text: text.replace('{"', '{/* a */"', 1),
    lambda text: text.replace('"', "'"),
    lambda text: text.replace("true", "True").replace("false", "False").replace("null", "None"),
    lambda text: text.replace("null", "undefined"),
    lambda text: "\ufeff" + text,
    lambda text: text.replace(", ", " ", 1) if ", " in text else text[:-1] + ",}",
    lambda text: text.removesuffix("}"),
    lambda text: repr(json.loads(text)),
    lambda text: repr(text.encode()),
]


def fixed(case):
    return own_exchange(case, "broken")


@pytest.mark.parametrize("case", [case for case in CASES if case.get("mended")], ids=lambda case: case["id"])
def test_a_documented_failure_is_mended_and_passes(case):
    one, response, profile, as_sent = fixed(case)
    mended = mend(one, response, profile, as_sent=as_sent)
    assert mended.changes
    assert mended.left is None
    assert find_defect(mended.request, None, profile, as_sent=as_sent) is None


@pytest.mark.slow
def test_no_mend_of_a_documented_failure_leaves_what_it_mended_or_changes_it_again():
    for case in CASES:
        one, response, profile, as_sent = fixed(case)
        mended = mend(one, response, profile, as_sent=as_sent)
        if mended.changes:
            assert mended.left is None or mended.left.cause not in mended.changes[-1], case["id"]
        assert mend(mended.request, response, profile, as_sent=as_sent).changes == [], case["id"]


def test_a_request_without_a_defect_is_left_as_it_is():
    for case in CASES:
        if "fine" not in case:
            continue
        one, _, profile, as_sent = own_exchange(case, "fine")
        assert mend(one, None, profile, as_sent=as_sent).request == one, case["id"]


@pytest.mark.slow
@seed(12)
@settings(max_examples=60, deadline=None, database=None)
@given(DOCUMENTS, st.sampled_from(BREAKS))
def test_json_that_was_broken_in_a_known_way_is_the_same_document_after_its_mend(document, breaks):
    text = breaks(json.dumps(document, ensure_ascii=False))
    mended = mended_json(text.encode())
    assert mended is not None
    expected = document
    if "undefined" in text:
        assert json.loads(mended) == expected
    assert json.loads(mended) == expected
    passed = mend(request(text), REFUSED)
    assert find_defect(passed.request) is None


@seed(12)
@settings(max_examples=60, deadline=None, database=None)
@given(st.text(alphabet='xyz é"<>|^%{}\\ \t\n&=/?', max_size=20))
def test_any_url_is_well_formed_after_its_mend_and_then_stays(text):
    url = mended_url("https://a.example/items?q=" + text)
    assert mended_url(url) == url
    found = find_defect(get(url))
    assert found is None or found.cause != "invalid_url_encoding"


@seed(12)
@settings(max_examples=60, deadline=None, database=None)
@given(st.lists(NAMES, min_size=1, max_size=4, unique=True))
def test_a_query_of_graphql_without_its_last_brackets_gets_them_back(names):
    document = "query { " + " { ".join(names) + " }" * len(names)
    body = json.dumps({"query": document.rstrip("} ") + " "})
    mended = mend(request(body, url="https://a.example/graphql"), REFUSED)
    assert mended.left is None
    assert summary_of(json.loads(mended.request.body)["query"]).problem is None


@seed(12)
@settings(max_examples=60, deadline=None, database=None)
@given(st.dictionaries(NAMES, st.text(alphabet="xy %&=é", max_size=6), min_size=1, max_size=3))
def test_a_form_with_raw_characters_is_one_that_every_server_reads(fields):
    body = "&".join(f"{name}={value.replace('&', '%26')}" for name, value in fields.items())
    mended = mend(request(body, content_type="application/x-www-form-urlencoded"), REFUSED)
    assert mended.left is None or mended.left.cause != "malformed_form"
    assert len(parse_qsl(mended.request.body, keep_blank_values=True)) == len(fields)


def test_fix_prints_a_command_and_sends_nothing():
    line = json.dumps({"method": "POST", "url": "http://127.0.0.1:1/x", "request_body": "{'a': 1,}",
                       "request_headers": {"Content-Type": "application/json"}, "status": 400})  # fmt: skip
    shown = CliRunner().invoke(build(), ["diagnose", "-", "--fix"], input=line)
    assert shown.exit_code == 0
    assert """--data-raw '{"a": 1}'""" in shown.stdout
    assert shown.stdout.startswith("# line 1: malformed_json: ")
    one = json.loads(CliRunner().invoke(build(), ["diagnose", "-", "--fix", "--format", "json"], input=line).stdout)
    assert one["request"]["body"] == '{"a": 1}'
    assert one["left"] is None


def test_what_cannot_be_mended_without_knowing_the_target_is_said_with_its_remedy():
    line = '{"method": "GET", "url": "https://a.example/items/{{id}}", "status": 400}'
    shown = CliRunner().invoke(build(), ["diagnose", "-", "--fix"], input=line)
    assert shown.exit_code == 3
    assert "nothing that can be mended" in shown.stdout
    assert "# left: " in shown.stdout
