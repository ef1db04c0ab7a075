"""What holds for every text: redacting twice is redacting once, no offset changes, and the time is bounded."""

import json
import time

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from halt400.errors import SettingError
from halt400.records import Diagnosis, Evidence, Offence, Request, Response, ResponseEvent, Source
from halt400.redaction import RedactionRules, Redactor
from tests.redaction.innocent import INNOCENT
from tests.redaction.secrets import BODIES, HEADER_NAMES, NAMED, PARAMETER_NAMES, PLACES, PRIVATE_KEY, SHAPED

redactor = Redactor(RedactionRules(), b"the key of the redaction's tests")

words = st.one_of(
    st.sampled_from([*SHAPED.values(), *NAMED, PRIVATE_KEY, "ann", "api.shop.example", "4111 1111 1111 1111"]),
    st.text(max_size=24),
    st.text("abcdef0123456789", min_size=1, max_size=40),
    st.text("0123456789 -+", min_size=8, max_size=60),
)
names = st.sampled_from([*PARAMETER_NAMES, *HEADER_NAMES, "user", "page", "key", "note", "tokens", "max_tokens"])
glue = st.sampled_from(
    [
        *('"', "'", '\\"', "=", ":", ": ", "&", ";", "; ", ",", ", ", "{", "}", "[", "]", "<", ">", "</", "\n", "\\n"),
        *("://", "@", "?", "#", "%3D", "%26", "%40", "%3A%2F%2F", "%20", "%", "\\", "\\u0041", "%C3%A4", "-----", "--"),
        *("Bearer ", "Basic ", "Authorization: ", "Cookie: a=", '{"', '": "', '", "', '"}', "<![CDATA[", "]]>", " "),
        *('Content-Disposition: form-data; name="', '"\r\n\r\n', "\r\n--", "%22", "%5B", "%5D", "&quot;", "x" * 70),
    ]
)
documents = st.builds(
    lambda template, name, secret: template.format(name=name, secret=secret), st.sampled_from(BODIES), names, words
)
places = st.builds(lambda place, secret: place.format(secret), st.sampled_from(PLACES), words)
texts = st.one_of(
    documents, places, st.sampled_from(INNOCENT), st.lists(st.one_of(words, names, glue), max_size=24).map("".join)
)
headers = st.lists(st.tuples(st.one_of(names, st.text(max_size=12)), texts), max_size=4)


@pytest.mark.slow
@settings(max_examples=1500, deadline=None)
@given(texts)
@example('["<pin>Bearer passwordform-data; name=\\"pin"]')
@example('{"password": ["Digest a=, "]}')
@example('PASSWORT=a"bcd.efg"')
def test_redacting_a_text_twice_is_redacting_it_once(text: str) -> None:
    for redact in (
        redactor.text,
        redactor.body,
        redactor.url,
        lambda body: redactor.body(body, "application/x-www-form-urlencoded"),
    ):
        if text or redact is not redactor.url:
            once = redact(text)
            assert len(once) == len(text)
            assert len(once.encode("utf-8", "surrogatepass")) == len(text.encode("utf-8", "surrogatepass"))
            assert redact(once) == once


@pytest.mark.slow
@settings(max_examples=500, deadline=None)
@given(headers)
def test_redacting_headers_twice_is_redacting_them_once(given_headers: list[tuple[str, str]]) -> None:
    once = redactor.headers(given_headers)
    assert redactor.headers(once) == once
    assert [len(value) for _, value in once] == [len(value) for _, value in given_headers]


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from([0, 1, 2, 3]), min_size=2, max_size=8), st.lists(texts, min_size=4, max_size=4), headers
)
@example([0, 1, 2, 3] * 2, ["token=abcdefgh12345", "https://a.example/?page=1", "a:b@c", "4111 1111 1111 1111"], [])
@example([0, 0, 1, 1], ["pin=1", "?pin=1", "pin=1&token=hunter2-hunter2", "hunter2-hunter2"], [("Cookie", "a=hunter2")])
def test_what_was_redacted_before_changes_nothing(
    order: list[int], parts: list[str], sent: list[tuple[str, str]]
) -> None:
    """A redactor remembers which texts have no secret; one that remembers nothing gives the same."""
    kept = Redactor(RedactionRules(), b"the key of the redaction's tests")
    for number in order:
        url, body, answer, note = parts[number:] + parts[:number]
        request = Request(method="POST", url=url, headers=[*sent, ("Referer", body), ("X-Note", note)], body=body)
        response = Response(status=400, headers=[("X-Note", url), ("X-Echo", answer)], body=answer)
        event = ResponseEvent(id="1", time=0, target="t", job_id="j", request=request, response=response)
        found = Evidence(where="request_body", detail=note, excerpt=body[2:40], name=answer[:9])
        diagnosis = Diagnosis(cause="unknown", blame="unknown", confidence=0.0, remedy=answer, evidence=[found])
        source = Source(topic="responses", partition=0, offset=number)
        offence = Offence(
            target="t", event=event, source=source, archive_uri="file:///a", seen_at=0, diagnosis=diagnosis
        )
        fresh = Redactor(RedactionRules(), b"the key of the redaction's tests")
        assert kept.offence(offence) == fresh.offence(offence)
        assert kept.text(url) == fresh.text(url)


@pytest.mark.slow
@settings(max_examples=500, deadline=None)
@given(texts, texts, headers, texts, st.binary(max_size=60))
@example("", "tokens: 000000. 0\n", [], "", b"\x00")
@example(
    '<input value="000000 ?" type="hidden" name="password">ann', "", [], '"ann","password=""000000 ?""","page"', b""
)
def test_redacting_an_event_twice_is_redacting_it_once(
    url: str, body: str, sent: list[tuple[str, str]], answer: str, raw: bytes
) -> None:
    from base64 import b64encode

    event = ResponseEvent(
        id="e",
        time=0,
        target="t",
        job_id="j",
        request=Request(method="POST", url="https://a.example/" + url, headers=sent, body=body, body_sha256="ab" * 32),
        response=Response(
            status=400, headers=sent[:1], body=answer, body_base64=b64encode(raw + body.encode()).decode()
        ),
    )
    before = msgspec.json.encode(event)
    once = redactor.event(event)
    assert redactor.event(once) == once
    assert msgspec.json.encode(event) == before, "the event that was given is left as it was"


@pytest.mark.slow
@settings(max_examples=500, deadline=None)
@given(
    st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S")), min_size=1, max_size=60), st.text(max_size=8)
)
@example("0", "COOKIE")  # a value that is a header's name is no pair with the key after it
@example("0", "X-Api-Key")
def test_no_secret_survives_under_its_name(secret: str, noise: str) -> None:
    document = json.dumps({"noise": noise, "password": "q7" + secret + "7q", "page": 1})
    after = redactor.body(document)
    assert json.loads(after)["password"] != "q7" + secret + "7q"
    assert "q7" + secret + "7q" not in after
    assert list(json.loads(after)) == ["noise", "password", "page"]
    assert json.loads(after)["page"] == 1


# Without a and e, so that no piece has a word that the documents have besides: page, ann, password.
pieces = st.text("bcdfghjkmpqrsuvwxyz23456789", min_size=6, max_size=12).map("zq{}".format)
breaks = st.sampled_from(["\\n", "\\r\\n", "\\t", "\n", "\r\n", " ", "\\\\", "\\/", "\\u2028", ", ", "&", ": "])


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(
    st.lists(pieces, min_size=1, max_size=4),
    breaks,
    st.sampled_from(
        [
            '{{"user": "ann", "password": "{}',
            '{{"user": "ann", "passwords": ["{}',
            "{{'user': 'ann', 'password': '{}",
            '{{"wrapped": "{{\\"user\\": \\"ann\\", \\"password\\": \\"{}',
            "&quot;user&quot;: &quot;ann&quot;, &quot;password&quot;: &quot;{}",
            "user: `ann`, password: `{}",
        ]
    ),
)
@example(["abcdef", "ghijkl"], "\\n", '{{"user": "ann", "password": "{}')
@example(["abcdef", "ghijkl"], "\r\n", '{{"user": "ann", "password": "{}')
def test_a_secret_whose_quote_is_never_closed_is_replaced_to_its_end(found: list[str], line: str, cut: str) -> None:
    body = cut.format(line.join(found))
    after = redactor.body(body)
    assert not [piece for piece in found if piece in after], after
    assert after.startswith(cut[: cut.index("password")].replace("{{", "{"))
    assert json_error(after) == json_error(body)


@settings(max_examples=400, deadline=None)
@given(
    pieces,
    st.sampled_from(["\\", "\\\\", "\\!", "\\(", "\\u0041", "\\b", "\\n", "\\r\\n", "DOMAIN\\"]),
    st.sampled_from(
        [
            *('{{"password": {}}}', '{{"password": {}, "page": 3}}', '{{"passwords": [{}, 3]}}'),
            *("password={}", "password={}&page=3", "password: {}", "login --password {} --page 3", "pin => {}"),
            *('{{"note": "password: {}"}}', '{{"note": "a: b\\nPassword: {}\\npage: 3"}}'),
        ]
    ),
)
@example("abcdef", "\\", '{{"password": {}}}')
@example("abcdef", "\\b", "password={}&page=3")
def test_a_bare_secret_with_a_backslash_is_replaced_to_its_end(piece: str, before: str, place: str) -> None:
    body = place.format(before + piece)
    after = redactor.body(body)
    assert piece[1:] not in after, after
    assert ("page" in after) == ("page" in body)
    assert json_error(after) == json_error(body)


def json_error(text: str) -> str:
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return f"{error.msg} {error.pos}"
    return "none"


@pytest.mark.slow
@settings(max_examples=800, deadline=None)
@given(
    st.sampled_from([template for template in BODIES if template.startswith(("{{", "[{{"))]),
    names,
    words,
    st.integers(0, 200),
    st.sampled_from(["", ",", '"', "}", "\\", "\n", "x", "\x00"]),
)
@example(
    '{{"{name}": {{"value": "{secret}", "n": null}}, "page": 3}}', "DD-API-KEY", "0000\x1f\x1f\x1f\x1f\x07", 72, "x"
)
@example('{{"user": "ann", "{name}": "{secret}", "page": 3}}', "pin", "9f86d081884c7d659a2feaa0c55ad015", 23, "")
@example('{{"user": "ann", "{name}": "{secret}", "page": 3}}', "pin", "true-horse-battery-staple", 23, "")
def test_a_broken_json_body_is_broken_at_the_same_place_after_redaction(
    template: str, name: str, secret: str, at: int, damage: str
) -> None:
    body = template.format(name=name, secret=json.dumps(secret)[1:-1])
    body = body[:at] + damage + body[at + 1 :]
    assert json_error(redactor.body(body)) == json_error(body)


values = st.one_of(texts, st.integers(-(10**16), 10**16), st.floats(), st.none(), st.booleans())
nested = st.recursive(
    values, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names | texts, inner, max_size=4), max_leaves=8
)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(names | texts, nested, min_size=1, max_size=4).map(json.dumps),
    st.floats(0, 1),
    st.sampled_from(["", ",", '"', "}", "\\", "\n", "x", "null", "0"]),
)
@example('{"-Bearer ": null}', 0.9, "x")  # a name at the end of a string, before the quote that closes it
@example('{"note": "token: ", "page": 3}', 0, "{")
@example('{"note": "password: {\\n"}', 0, "{")  # a bracket that is opened inside a string
@example('{"note": "token: {", "a": "x\\ny"}', 0, "{")
@example('{"note": "password=\'", "page": 3, "done": true}', 0, "{")  # a quote that is opened inside a string
@example('{"note": "<pin>", "page": 3}', 0, "{")  # a tag
@example('{"note": "a\\n password: a", "page": 3}', 0, "{")  # a line
@example('{"note": "Cookie%3A", "page": 3}', 0, "{")
@example('{"note": "password:\\\\", "page": 3}', 0, "{")
@example('{"note": "password%3Au", "page": 3}', 0, "{")
@example('{"note": "<pin>Digest a=", "page": 3}', 0, "{")
@example('{"note": "{\\"pin\\": \\"a", "other": "a \\"quoted\\" word"}', 0, "{")
@example('{"url": "https://a.example/?to=x%3Ftoken%3Dab\\ncd"}', 0, "{")  # an escape where a URL is redacted
@example('{"url": "a\\nb:cd@proxy.example:8080"}', 0, "{")
@example('{"password": "battery-staple-138\\u12gh"}', 0, "{")  # half an escape before the token
@example('{"pin": {"a": -12.5e3x, "b": 0123}}', 0, "{")
@example('{"pin": 12,page: 3}', 0, "{")
def test_a_json_body_stays_valid_or_broken_at_the_same_place_wherever_a_secret_is(
    body: str, share: float, damage: str
) -> None:
    at = int(share * (len(body) - 1))
    for one in (body, body[:at] + damage + body[at + 1 :]):
        if one[:1] == "{":
            assert json_error(redactor.body(one)) == json_error(one)


HOSTILE = {
    "names": 'token:"',
    "short values": "pin=1&",
    "unique names": "".join(f"pin{number}=a{number}&" for number in range(3000)),
    "open brackets": "token:{",
    "open quotes": "token:'\"",
    "escapes": '{\\"token\\":\\"',
    "escaped quotes": "\\u0022token\\u0022:\\u0022",
    "attributes": '<input name="token" a=b c="d" ',
    "values before": 'value="a" name="token" ',
    "members before": '"value":"a","name":"token",',
    "members after": '"name":"token","type":"a",',
    "blocks": "token: |\n a\n",
    "deep blocks": "token: |\n" + " " * 60 + "a\n",
    "lists": "tokens:\n - a\n",
    "log prefixes": "[token] a1bcdef ",
    "round brackets": "token=((",
    "doubled quotes": 'token=""a',
    "sentences": "token: must be a ",
    "long name": "token_",
    "slashes": "://",
    "users": "://a:b@",
    "colons": "a:",
    "digits": "4444 ",
    "one digit": "4",
    "jwt": "eyJ.",
    "jwt dots": "eyJabcdef.",
    "pem": "-----BEGIN PRIVATE KEY-----",
    "bearer": "Bearer a1bcdefghijklmn ",
    "bearer letters": "bearer abcdefghijklmnop",
    "disposition": 'content-disposition; name="pin',
    "tags": "<pin a",
    "cdata": "<pin><![CDATA[",
    "percent": "%2525",
    "encoded url": "%3A%2F%2Fa",
    "semicolons": "password=a;;;;;;",
    "lines": "password: a\n",
    "spaces": "password" + " " * 20,
    "backslashes": "password=\\\\\\\\",
    "commas": "authorization,",
    "cookies": "Cookie: a=b; ",
    "random": 'sk-AKIA@4111=eyJ{pin:[token"',
}


@pytest.mark.slow
@pytest.mark.parametrize("unit", HOSTILE.values(), ids=HOSTILE.keys())
def test_the_time_that_anything_takes_grows_with_its_size(unit: str) -> None:
    body = (unit * (100_000 // len(unit) + 1))[:100_000]
    for redact in (redactor.body, redactor.url, redactor.text):
        start = time.process_time()
        redact(body)
        # 0.05 s at the most where the machine is quiet; what grows with the square takes over three times the bound.
        assert time.process_time() - start < 0.5


def test_one_key_makes_the_same_tokens_and_another_key_others() -> None:
    body = '{"password": "correct-horse-battery-staple"}'
    other = Redactor(RedactionRules(), b"another key of the redaction's tests")
    same = Redactor(RedactionRules(), b"the key of the redaction's tests")
    assert redactor.body(body) == same.body(body) != other.body(body)
    assert redactor.body(body)[14:-2] in redactor.headers([("X-Token", "correct-horse-battery-staple")])[0][1]


def test_a_short_key_is_refused() -> None:
    with pytest.raises(SettingError, match="16"):
        Redactor(RedactionRules(), b"short")


def test_rules_extend_names_and_patterns_and_keep_what_is_no_secret() -> None:
    rules = RedactionRules.from_table(
        {
            "header_names": ["X-Shop-Badge"],
            "parameter_names": ["ledger_mark"],
            "patterns": [r"emp-[0-9]{6}", r"case (\w{8})"],
            "keep_names": ["design_token", "authorization"],
        }
    )
    extended = Redactor(rules, b"the key of the redaction's tests")
    assert extended.headers([("x-shop-badge", "blue-42-badge")])[0][1] != "blue-42-badge"
    for body in ('{"ledgerMark": "abc-12345"}', "ledger_mark=abc-12345&x=1", "LEDGER-MARK: abc-12345"):
        assert "12345" not in extended.body(body)
    assert "123456" not in extended.text("see emp-123456")
    assert extended.text("case abcd1234").startswith("case ")
    assert "abcd1234" not in extended.text("case abcd1234")
    assert extended.body('{"design_token": "primary-blue"}') == '{"design_token": "primary-blue"}'
    assert "hunter2" not in extended.headers([("Authorization", "Bearer hunter2hunter2")])[0][1]


@pytest.mark.parametrize(
    "table",
    [{"patterns": ["("]}, {"patterns": ["x*"]}, {"header_names": ["--"]}, {"names": []}, {"patterns": "x"}],
)
def test_a_wrong_rule_is_refused_with_its_name(table: dict[str, object]) -> None:
    with pytest.raises(SettingError) as caught:
        RedactionRules.from_table(table)
    assert caught.value.mend
    assert next(iter(table)) in caught.value.message


PLACEHOLDERS = ["null", "undefined", "{{api_key}}", "${TOKEN}", "<YOUR_API_KEY>", "{access_token}", "None", ":api_key"]


@pytest.mark.parametrize("placeholder", PLACEHOLDERS)
def test_a_placeholder_that_was_never_filled_in_stays(placeholder: str) -> None:
    assert redactor.headers([("Authorization", f"Bearer {placeholder}")]) == [
        ("Authorization", f"Bearer {placeholder}")
    ]
    body = json.dumps({"api_key": placeholder})
    assert redactor.body(body) == body


@pytest.mark.parametrize(
    "text",
    [
        '{"max_tokens": 100, "usage": {"prompt_tokens": 12}, "nextPageToken": "CAUQAA", "author": "ann"}',
        "Unexpected token '}' at position 44",
        'Unexpected token: "}"',
        '{"key": "color", "sort_key": "price", "primaryKey": "id", "country_code": "DE"}',
        "https://api.shop.example/v1/products/42?page=3&sort=-price&q=secretary%20desk",
        "<Author>ann</Author><design>x</design>",
        "2026-01-01T00:00:00Z GET /passengers/42 400 12ms",
    ],
)
def test_a_text_without_secrets_is_unchanged(text: str) -> None:
    assert redactor.text(text) == text
    assert redactor.body(text) == text
    assert redactor.url(text) == text
