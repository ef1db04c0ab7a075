"""The findings of each cause module, in tables: the defect and its exact place."""

import pytest

from halt400.diagnosis import diagnose, find_defect, unescaped_count
from halt400.diagnosis.json_scanner import scan
from halt400.diagnosis.malformed_xml import check_xml
from halt400.diagnosis.media_types import parse_media_type
from halt400.records import Response
from tests.diagnosis.builders import REFUSED, get, request


@pytest.mark.parametrize(
    ("text", "kind", "offset"),
    [
        (b'{"a": 1,}', "trailing_comma", 7),
        (b"[1,\n2,\n]", "trailing_comma", 5),
        (b'{"a" 1}', "missing_colon", 5),
        (b'{"a": 1 "b": 2}', "missing_comma", 8),
        (b"[1 2]", "missing_comma", 3),
        (b"{a: 1}", "unquoted_key", 1),
        (b"{'a': 1}", "single_quotes", 1),
        (b'{"a": True}', "python_literal", 6),
        (b'{"a": NaN}', "nan", 6),
        (b'{"a": undefined}', "undefined", 6),
        (b'{"a": "b\nc"}', "control_character", 8),
        (b'{"a": "\\x"}', "bad_escape", 7),
        (b'{"a": "say "x""}', "unescaped_quote", 12),
        (b'{"a": 01}', "bad_number", 6),
        (b'{"a": [1, 2}', "bracket_mismatch", 11),
        (b'{"a": 1}}', "unexpected_bracket", 8),
        (b'{"a": 1}{"b": 2}', "concatenated", 8),
        (b'{"a": 1} // x', "comment", 9),
        (b'{"a": ', "truncated", 6),
        (b'{"a": tr', "truncated", 8),
        (b"", "empty", 0),
        (b"\xef\xbb\xbf{}", "bom", 0),
        (b'{"a": "\xff"}', "invalid_utf8", 7),
        ('{"a": 1}'.encode("utf-16"), "encoding", 0),
    ],
)
def test_a_json_defect_is_named_at_its_byte(text, kind, offset):
    found = scan(text)
    assert found is not None
    assert (found.kind, found.offset) == (kind, offset)


@pytest.mark.parametrize(
    "text", [b"{}", b"[]", b" 1 ", b'"\\ud83d\\ude00"', b"[" * 2000 + b"]" * 2000, b'{"a":1,"a":2}']
)
def test_valid_json_has_no_defect(text):
    assert scan(text) is None


def test_a_place_has_line_column_and_caret():
    found = diagnose(request('{"name": "é",\n  "tags": ["a",],\n}'), REFUSED)
    place = found.evidence[0]
    assert (place.line, place.column) == (2, 15)
    assert place.excerpt is not None
    assert place.caret is not None
    assert place.excerpt[place.caret] == ","


def test_duplicate_keys_are_a_remark_and_never_the_cause():
    found = diagnose(request('{"id": 1, "id": 2}'), REFUSED)
    assert found.cause == "unknown"
    assert found.runners_up[0].cause == "malformed_json"
    assert "twice" in found.runners_up[0].detail


def test_a_server_that_says_invalid_json_about_valid_json_is_contradicted():
    found = diagnose(request('{"id": 1}'), Response(status=400, body='{"message": "invalid json"}'))
    assert found.cause == "schema_violation"
    assert "valid JSON" in found.evidence[0].detail


def test_newline_delimited_json_of_elasticsearch_bulk_is_no_defect():
    bulk = request('{"index":{}}\n{"a":1}\n', url="https://search.example/orders/_bulk")
    assert find_defect(bulk) is None


@pytest.mark.parametrize(
    ("document", "offset"),
    [(b"<a><b></a>", 8), (b"<a>&nbsp;</a>", 3), (b'<a x="1" x="2"/>', 9), (b"<a/><b/>", 4), (b"<a>", 3)],
)
def test_an_xml_defect_has_its_byte(document, offset):
    found = check_xml(document)
    assert found is not None
    assert found.offset == offset


def test_entities_are_never_expanded_to_megabytes_and_nothing_external_is_read(tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("hunter2hunter2")
    external = f'<!DOCTYPE a [<!ENTITY x SYSTEM "{secret.as_uri()}">]><a>&x;</a>'
    found = diagnose(request(external, content_type="application/xml"), REFUSED)
    assert "hunter2" not in repr(found)
    laughs = '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">' + "".join(
        f'<!ENTITY {chr(98 + i)} "{("&" + chr(97 + i) + ";") * 10}">' for i in range(9)
    )
    assert check_xml(f"{laughs}]><a>&j;</a>".encode()) is not None


@pytest.mark.parametrize(
    ("url", "count"),
    [
        ("https://a.example/x?y=1", 0),
        ("https://a.example/a b", 1),
        ("https://a.example/?q=a|b|c", 2),
        ("https://a.example/?q=[1]", 2),
        ("https://a.example/?q=100%", 1),
        ("https://a.example/?q=%zz", 1),
        ("https://a.example/é/ü?é", 3),
        ('https://a.example/?q={"a":1}', 4),
        ("/relative path", 1),
    ],
)
def test_the_figure_counts_the_characters_that_should_have_been_escaped(url, count):
    assert unescaped_count(url) == count
    found = diagnose(get(url), REFUSED)
    assert found.figures is not None
    assert found.figures.url_encoding_failures == count


@pytest.mark.parametrize(
    ("value", "essence", "sound"),
    [
        ("application/json", "application/json", True),
        ('multipart/form-data; boundary="a b"', "multipart/form-data", True),
        ("text/plain;charset=UTF-8;", "text/plain", True),
        ("application", "", False),
        ("text/plain, text/html", "text/plain", False),
        ("text/plain; charset", "text/plain", False),
        ("text/plain; a=1; a=2", "text/plain", False),
        ("", "", False),
    ],
)
def test_media_types_are_parsed_with_their_mistakes(value, essence, sound):
    found = parse_media_type(value)
    assert found.essence == essence
    assert (found.problem is None) == sound


def test_a_proven_defect_outranks_a_block_page_and_blames_the_request():
    page = "<title>Attention Required! | Cloudflare</title>"
    found = diagnose(request('{"id": 1,}'), Response(status=400, body=page))
    assert (found.cause, found.blame) == ("malformed_json", "request")
    flawless = diagnose(request('{"id": 1}'), Response(status=400, body=page))
    assert (flawless.cause, flawless.blame) == ("waf_block", "waf")


def test_a_success_is_never_called_a_sure_defect():
    found = find_defect(request('{"id": 1,}'), Response(status=200))
    assert found is None or found.confidence < 0.8


def test_unknown_says_what_was_ruled_out():
    found = diagnose(request('{"id": 1}'), REFUSED)
    assert found.cause == "unknown"
    assert "the body parses as JSON" in found.ruled_out
    assert "the URL is well-formed and fully escaped" in found.ruled_out


@pytest.mark.parametrize("url", ["https://256.0.0.1/test", "http://0..0x300/", "http://foo.2.3.4", "http://1.2.3.08"])
def test_a_host_that_ends_in_a_number_and_is_no_address_is_unparsable(url):
    found = find_defect(get(url))
    assert found is not None
    assert "No client can parse" in found.evidence[0].detail
    assert find_defect(get("http://192.0.2.7:8080/test")) is None


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ("b'{\"id\": 7}'", "The text of a Python bytes object, not the bytes."),
        ("%7B%22id%22%3A7%7D", "The body is percent-encoded; decoded it is JSON."),
        ("eyJpZCI6N30=", "The body is base64; decoded it is JSON."),
    ],
)
def test_a_body_that_is_something_well_known_is_named_so(body, detail):
    found = diagnose(request(body), REFUSED)
    assert (found.cause, found.evidence[0].detail) == ("malformed_json", detail)


def test_a_prefix_without_a_namespace_is_named_only_where_a_server_refused_it():
    one = request("<soap:Envelope><soap:Body/></soap:Envelope>", content_type="text/xml")
    assert find_defect(one) is None
    assert diagnose(one, REFUSED).cause == "malformed_xml"


@pytest.mark.parametrize(
    "content_type", ["application/geojson", "application/yaml", "application/json5", "application/vnd.x"]
)
def test_a_registered_type_is_no_misspelling(content_type):
    assert find_defect(request('{"id": 7}', content_type=content_type)) is None


@pytest.mark.parametrize(
    ("field", "value", "blame"),
    [
        ("X-Squid-Error", "ERR_INVALID_URL 0", "proxy"),
        ("X-BRD-Error", "Bad request", "proxy"),
        ("Proxy-Status", "proxy.example.net; error=http_request_error", "proxy"),
        ("Proxy-Status", "Cloudflare-Proxy;error=http_request_error", "transport"),
        ("Proxy-Status", "proxy.example.net; received-status=400", "unknown"),
    ],
)
def test_a_proxy_that_answered_by_itself_is_blamed(field, value, blame):
    assert diagnose(get(), Response(status=400, headers=[(field, value)])).blame == blame


def test_a_proxy_is_not_blamed_for_a_broken_request():
    found = diagnose(
        get("https://api.shop.example/?q=a b"), Response(status=400, headers=[("X-Squid-Error", "ERR_URL")])
    )
    assert (found.cause, found.blame) == ("invalid_url_encoding", "request")
    assert [runner.cause for runner in found.runners_up] == ["transient"]


def test_the_text_of_python_bytes_is_named_so_and_is_no_misspelling():
    found = diagnose(request('{"id": 7}', content_type="b'application/json'"), REFUSED)
    assert [item.detail for item in found.evidence] == ["Content-Type is the text of a Python bytes object."]
