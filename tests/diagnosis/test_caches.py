"""The caches of the diagnosis: they change no diagnosis, are bounded, and hold no secret."""

import base64
import re

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.diagnosis_own import own_cases, own_diagnosis
from halt400.diagnosis import diagnose, excerpts, parsed_body, parsed_response
from halt400.diagnosis.exchange import Exchange
from halt400.diagnosis.message_names import _PATTERNS, _mentions_a_field
from halt400.diagnosis.missing_required_header import _NAMED, header_named
from halt400.diagnosis.server_phrases import _NEEDED, PHRASES, mentions
from halt400.diagnosis.waf_block import _BODY_SIGNS, _possible_signs
from halt400.records import Response
from tests.diagnosis.builders import get, request

CASES = list(own_cases())


def clear_caches() -> None:
    parsed_response._parse_cached.cache_clear()
    parsed_body._parse_cached.cache_clear()
    excerpts._clean.clear()


@pytest.mark.slow
def test_a_diagnosis_is_the_same_after_any_other():
    alone = []
    for case in CASES:
        for side in ("broken", "fine"):
            clear_caches()
            alone.append(msgspec.json.encode(own_diagnosis(case, side)))
    for _ in range(2):
        assert [
            msgspec.json.encode(own_diagnosis(case, side)) for case in CASES for side in ("broken", "fine")
        ] == alone


def test_a_diagnosis_does_not_change_when_another_one_is_changed():
    one = diagnose(request('{"a": 1,}'), Response(status=400, body="Attention Required! | Cloudflare"))
    before = msgspec.json.encode(one)
    one.evidence.clear()
    one.runners_up.clear()
    two = diagnose(request('{"a": 1,}'), Response(status=400, body="Attention Required! | Cloudflare"))
    assert msgspec.json.encode(two) == before


@pytest.mark.parametrize(
    "other",
    [
        Response(status=422, headers=[("A", "1")], body="x"),
        Response(status=400, headers=[("A", "2")], body="x"),
        Response(status=400, headers=[("A", "1")], body="y"),
        Response(status=400, headers=[("A", "1")]),
    ],
)
def test_different_responses_have_different_cache_entries(other):
    one = Response(status=400, headers=[("A", "1")], body="x")
    assert parsed_response.parse_response(one) is parsed_response.parse_response(msgspec.structs.replace(one))
    assert parsed_response.parse_response(one) is not parsed_response.parse_response(other)


@pytest.mark.parametrize(
    "long",
    [
        Response(status=400, body="x" * 5_000),
        Response(status=400, body_base64=base64.b64encode(b"x" * 5_000).decode()),
        Response(status=400, headers=[("A", "x" * 3_000)]),
        Response(status=400, headers=[("A" * 3_000, "x")]),
    ],
)
def test_nothing_long_is_cached(long):
    clear_caches()
    diagnose(request('{"a": "' + "x" * 3_000 + '",}'), long)
    assert parsed_response._parse_cached.cache_info().currsize == parsed_body._parse_cached.cache_info().currsize == 0
    assert max(map(len, excerpts._clean), default=0) <= excerpts._KEPT_CHARS


def test_the_caches_are_bounded():
    clear_caches()
    for number in range(1_200):
        diagnose(request(f'{{"a": {number},}}'), Response(status=400, body=f"no, not {number}"))
    assert parsed_response._parse_cached.cache_info().currsize <= 128
    assert parsed_body._parse_cached.cache_info().currsize <= 128
    assert len(excerpts._clean) <= 1_024


def test_no_text_with_a_secret_is_cached():
    clear_caches()
    diagnose(get("https://a.example/?q=a b&api_key=hunter2hunter2"), Response(status=400))
    assert excerpts._clean
    assert not any("hunter2" in text for text in excerpts._clean)


@settings(max_examples=40, deadline=None)
@given(st.data())
@pytest.mark.parametrize("family", _NEEDED)
def test_the_quick_test_for_a_phrase_skips_none(family, data):
    phrase = data.draw(st.from_regex(f"(?i:{PHRASES[family]})", fullmatch=True))
    assert mentions(Exchange(get(), Response(status=400, body=f"{{ {phrase} }}")), family)


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(st.data())
@pytest.mark.parametrize("number", range(len(_BODY_SIGNS)))
def test_the_quick_test_for_a_block_page_skips_none(number, data):
    vendor, _, sign = _BODY_SIGNS[number]
    page = data.draw(st.from_regex(re.compile(sign.pattern, sign.flags)))
    assert (vendor, sign) in _possible_signs(page)


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(st.data())
@pytest.mark.parametrize("pattern", [pattern for pattern, _, _, needs_field_word in _PATTERNS if needs_field_word])
def test_the_quick_test_for_a_sentence_with_a_field_skips_none(pattern, data):
    assert _mentions_a_field(data.draw(st.from_regex(re.compile(pattern.pattern, pattern.flags))))


@settings(max_examples=20, deadline=None)
@given(st.data())
@pytest.mark.parametrize("pattern", _NAMED)
def test_the_quick_test_for_a_header_skips_none(pattern, data):
    assert (
        header_named(data.draw(st.from_regex(re.compile(pattern.pattern, pattern.flags), fullmatch=True))) is not None
    )
