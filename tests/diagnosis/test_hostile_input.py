"""No input crashes a module, no megabyte takes over half a second, and no secret reaches the evidence."""
# ruff: noqa: E501 - requests on one line each

import json
import time

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from halt400.diagnosis import Profile, diagnose, find_defect, parse_failure
from halt400.diagnosis.json_scanner import scan
from halt400.diagnosis.malformed_xml import check_xml
from halt400.diagnosis.media_types import parse_media_type
from halt400.diagnosis.message_names import names_in, value_in
from halt400.records import Request, Response
from tests.diagnosis.builders import REFUSED, get, request

MEGABYTE = 1_000_000
LIMIT_S = 5.0
"""Far above what is spent, for machines are shared; what grows with the square takes minutes."""
UNITS = [
    "[", '{"a":', "[0],", "[[],", '"', "\\", '{"":[', "a=1&", "%41", "%zz", "<a>", "&", '<a b="', "--b\r\n", "\x00", "é",
    "\\ud800", '"a":"', '{"a":{"a":1},', "<!--", "{{", "a ", "'", "\n", "eyJ", "password=", '"password":"x",', "9999 ",
    "//x@", "aA0_", "https://", "x is required ", "'x' ", "header ", "a_b ",
]  # fmt: skip
TYPES = [
    "application/json",
    "application/xml",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=b",
    None,
]


def profile():
    known = Profile()
    for _ in range(4):
        known.observe(request('{"a": 1}', headers=[("X-A", "1")]))
    return known


def assert_quick(one: Request, response: Response | None = REFUSED) -> None:
    """CPU time, so that a busy machine does not fail the test."""
    start = time.process_time()
    diagnose(one, response, profile())
    assert time.process_time() - start < LIMIT_S


@pytest.mark.slow
@pytest.mark.parametrize("unit", UNITS)
def test_a_megabyte_of_anything_takes_less_than_half_a_second(unit):
    much = (unit * (MEGABYTE // len(unit) + 1))[:MEGABYTE]
    for content_type in TYPES:
        assert_quick(request(much, content_type=content_type))
    assert_quick(request("[" + much))
    assert_quick(get("https://api.shop.example/" + much))
    assert_quick(get("https://api.shop.example/?q=" + much))
    assert_quick(get("https://" + much))
    for name in ("X-A", "Content-Type", "Cookie", "Host", "Content-Length", "sec-ch-ua"):
        assert_quick(get(headers=[(name, much)]))
    assert_quick(get(headers=[(much, "x")]))
    assert_quick(request('{"a": 1}'), Response(status=400, body=much))
    escaped = much.replace("\\", "").replace('"', "'").replace("\n", " ").replace("\x00", "")
    assert_quick(request('{"a": 1}'), Response(status=400, body=f'{{"message": "{escaped}"}}'))


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("billion laughs", '<!DOCTYPE l [<!ENTITY a "aaaaaaaaaa">' + "".join(f'<!ENTITY {chr(98 + i)} "{("&" + chr(97 + i) + ";") * 10}">' for i in range(9)) + "]><l>&j;</l>"),
        ("quadratic", f'<!DOCTYPE l [<!ENTITY a "{"a" * 500_000}">]><l>{"&a;" * 160_000}</l>'),
        ("deep", "<a>" * 300_000),
    ],
    ids=lambda value: value if len(value) < 20 else "",
)  # fmt: skip
def test_an_entity_bomb_costs_nothing(name, document):
    assert_quick(request(document, content_type="application/xml"))


def test_a_large_valid_body_is_searched_for_many_names_in_time():
    body = "{" + ",".join(f'"k{number}": {number}' for number in range(70_000)) + "}"
    said = '{"errors": [' + ",".join(f'{{"field": "z{number}"}}' for number in range(5_000)) + "]}"
    assert_quick(request(body), Response(status=400, body=said))


def test_a_hundred_thousand_headers_are_read_in_time():
    assert_quick(get(headers=[(f"X-{number}", "v") for number in range(100_000)]))
    assert_quick(get(headers=[("Host", "v")] * 100_000))


TEXT = st.text(max_size=60)
JSONISH = st.text(alphabet="{}[]\",:\\ \n\t0123456789.eE+-aTfnulNrse'/*é\x00", max_size=60)
XMLISH = st.text(alphabet="<>/&;=\"'!?-[] axmlé\x00#", max_size=60)
URLISH = st.text(alphabet="htps:/?#[]@%0123456789abcdefxn-.|\\ é\t{}", max_size=60)
HEADERS = st.lists(
    st.tuples(
        st.one_of(st.sampled_from(["Host", "Content-Type", "Content-Length", "Transfer-Encoding", "Cookie", ":path", "Upgrade"]), TEXT),
        st.one_of(TEXT, st.sampled_from(["chunked", "3", "multipart/form-data; boundary=b", "application/json", "text/xml"])),
    ),
    max_size=6,
)  # fmt: skip


@given(JSONISH)
def test_the_json_scanner_agrees_with_orjson_and_points_into_the_text(text):
    data = text.encode("utf-8", "surrogatepass")
    found = scan(data)
    if found is not None:
        assert 0 <= found.offset <= len(data)


@given(st.binary(max_size=60))
def test_no_bytes_crash_the_parsers(data):
    scan(data)
    check_xml(data)


@given(XMLISH)
def test_no_xml_crashes_its_check(text):
    found = check_xml(text.encode("utf-8", "surrogatepass"))
    assert found is None or found.offset >= 0


@given(URLISH, st.one_of(st.none(), URLISH))
def test_no_url_crashes_the_parser(url, base):
    parse_failure(url, base)


@given(TEXT)
def test_no_text_crashes_the_readers_of_texts(text):
    parse_media_type(text)
    names_in(text)
    value_in(text)


RESPONSES = st.one_of(
    st.none(),
    st.builds(
        Response,
        status=st.sampled_from([200, 400, 403, 422]),
        headers=HEADERS,
        body=st.one_of(
            st.none(),
            TEXT,
            st.recursive(
                st.one_of(st.none(), st.booleans(), st.integers(), TEXT),
                lambda inner: st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(["errors", "field", "message", "loc", "source", "pointer", "detail"]), inner, max_size=3),
                max_leaves=8,
            ).map(lambda value: json.dumps(value)),
        ),
    ),
)  # fmt: skip


@pytest.mark.slow
@settings(max_examples=400)
@given(
    st.builds(
        Request,
        method=st.one_of(st.sampled_from(["GET", "POST", "CONNECT", "post"]), st.text(min_size=1, max_size=8)),
        url=st.one_of(URLISH, TEXT, URLISH.map(lambda tail: "https://a.example/" + tail)).filter(bool),
        http_version=st.sampled_from(["1.1", "2", "0.9", "TEST", ""]),
        headers=HEADERS,
        body=st.one_of(st.none(), JSONISH, XMLISH, TEXT),
    ),
    RESPONSES,
    st.booleans(),
)
def test_every_exchange_gets_a_diagnosis_with_offsets_inside_the_request(one, response, as_sent):
    found = diagnose(one, response, profile(), as_sent=as_sent)
    assert 0.0 <= found.confidence <= 1.0
    assert found.remedy
    for item in found.evidence:
        if item.caret is not None:
            assert item.excerpt is not None
            assert 0 <= item.caret <= len(item.excerpt)
    find_defect(one, response, as_sent=as_sent)


SECRET = "s3cr3tV4lu3Zz9Qq8Ww7Ee6"


@pytest.mark.parametrize(
    "one",
    [
        request('{"password": "' + SECRET + '",}'),
        request('{"user": "x", "api_key": "' + SECRET + '" "b": 1}'),
        request(f"password={SECRET}&q=%zz", content_type="application/x-www-form-urlencoded"),
        request(f"<a><password>{SECRET}</password><b></a>", content_type="application/xml"),
        get(f"https://bob:{SECRET}@api.shop.example/a b"),
        get(f"https://api.shop.example/?access_token={SECRET}&q=a b"),
        get(headers=[("Authorization", f"Bearer {SECRET}\n")]),
        get(headers=[("Cookie", f"session={SECRET}\x01")]),
        get(headers=[("X-Api-Key", f"{SECRET}\r\n")]),
        get(headers=[("Authorization", f"Bearer {SECRET}"), ("Authorization", f"Bearer {SECRET}")]),
    ],
    ids=range(10),
)
def test_no_secret_reaches_the_evidence(one):
    refusal = Response(status=400, body=f'{{"message": "bad password: {SECRET}", "token": "{SECRET}"}}')
    for response in (None, REFUSED, refusal):
        assert SECRET not in repr(diagnose(one, response))


@pytest.mark.parametrize("response", [None, Response(status=400, body='no \ud800: "x\ud800" is missing')])
@pytest.mark.parametrize(
    "one",
    [
        get("https://a.\ud800/"),
        get("https://a.example/\ud800x?q=\udc00 b"),
        get(headers=[("X\ud800", "1")]),
        get(headers=[("X\ud800", "a\nb")]),
        request('{"\ud800": 1, "\ud800": 2}'),
        request("a=\ud800&b=%zz", content_type="application/x-www-form-urlencoded"),
        request(method="G\ud800", http_version="\ud800"),
    ],
    ids=range(7),
)
def test_a_diagnosis_with_half_a_surrogate_pair_can_be_encoded(one, response):
    for found in (diagnose(one, response, profile()), find_defect(one, response)):
        msgspec.json.encode(found)
