"""Every secret in every position is replaced, and nothing else changes."""

import base64
import json
from itertools import product
from urllib.parse import quote

import pytest

from halt400.records import Client, Proxy, Request, Response, ResponseEvent
from halt400.redaction import RedactionRules, Redactor
from tests.redaction.secrets import (
    BODIES,
    HEADER_NAMES,
    NAMED,
    PARAMETER_NAMES,
    PLACES,
    PRIVATE_KEY,
    PRIVATE_KEY_LINES,
    SHAPED,
)

KEY = b"the key of the redaction's tests"
redactor = Redactor(RedactionRules(), KEY)


def assert_gone(secret: str, before: str, after: str) -> None:
    """Gone in whole and in part, nothing has moved, and everything outside is as it was."""
    assert secret not in after, after
    at = before.index(secret)
    replaced = after[at : at + len(secret)]
    if "%" not in secret:
        kept = sum(a == b and a.isalnum() for a, b in zip(secret, replaced, strict=True))
        assert kept <= max(1, len(secret) // 3), after
    assert len(after.encode()) == len(before.encode())
    assert before.replace(secret, "") == after.replace(replaced, "")


@pytest.mark.parametrize("template", BODIES)
def test_a_secret_under_a_secret_name_is_replaced_in_any_body(template: str) -> None:
    without_brackets = "<" in template or "--{name}" in template or "login({name}" in template
    names = [name for name in PARAMETER_NAMES if not (without_brackets and "[" in name)]
    for name, secret in product(names, NAMED):
        written = secret.replace("&", "&amp;") if "<" in template and "CDATA" not in template else secret
        body = template.format(name=name, secret=written)
        after = redactor.body(body)
        assert_gone(written, body, after)
        assert after.count("ann") == body.count("ann")


@pytest.mark.parametrize("place", PLACES)
def test_a_secret_is_replaced_in_an_unusual_place(place: str) -> None:
    for secret in ("hunter2-Zq81x", "9f86d081884c7d659a2feaa0c55ad015", "Tr0ub4dor-3"):
        before = place.format(secret)
        for after in (redactor.text(before), redactor.body(before)):
            assert secret not in after, after
            assert len(after) == len(before)
            assert [word in after for word in ("ann", "page", "user")] == [
                word in before for word in ("ann", "page", "user")
            ], after
            assert redactor.text(after) == after


@pytest.mark.parametrize("name", PARAMETER_NAMES)
def test_a_secret_in_a_query_fragment_or_form_is_replaced(name: str) -> None:
    for secret, written in product(NAMED, (name, quote(name, safe=""))):
        for value in (quote(secret, safe=""), secret.replace("&", "%26")):
            query = f"page=3&{written}={value}&sort=price"
            for before, after in (
                (query, redactor.body(query, "application/x-www-form-urlencoded")),
                (f"https://a.example/x?{query}", redactor.url(f"https://a.example/x?{query}")),
                (f"https://a.example/x#{query}", redactor.url(f"https://a.example/x#{query}")),
            ):
                assert_gone(value, before, after)
                assert "page=3&" in after
                assert after.endswith("&sort=price")
            nested = f"https://a.example/go?to={quote(f'https://b.example/?{written}={value}&a=1', safe='')}&page=3"
            assert_gone(quote(value, safe=""), nested, redactor.url(nested))


@pytest.mark.parametrize("name", HEADER_NAMES)
def test_a_secret_in_a_header_with_a_secret_name_is_replaced(name: str) -> None:
    for secret in [*NAMED[:8], *SHAPED.values()]:
        value = f"session={secret}" if "ookie" in name else secret
        [(after_name, after)] = redactor.headers([(name, value)])
        assert after_name == name
        assert_gone(secret, value, after)
        for text in (f"GET / HTTP/1.1\r\n{name}: {value}\r\n", f"curl -H '{name}: {value}' https://a.example/"):
            assert_gone(secret, text, redactor.text(text))


@pytest.mark.parametrize("secret", SHAPED.values(), ids=SHAPED.keys())
def test_a_secret_of_a_known_format_is_replaced_wherever_it_stands(secret: str) -> None:
    places = [
        "GET /v1/{} failed",
        '{{"note": "use {} for this"}}',
        '{{"note": "\\n{}"}}',
        "<note>{}</note>",
        "error='{}'",
        "a={}&b=1",
        "[{}]",
    ]
    for place in places:
        before = place.format(secret)
        assert_gone(secret, before, redactor.text(before))
        assert_gone(secret, before, redactor.body(before))
    for url in ("https://a.example/v1/{}?x", "https://a.example/?q={}", "https://a.example/?q=%20{}#x"):
        before = url.format(secret)
        assert_gone(secret, before, redactor.url(before))
    [(_, value)] = redactor.headers([("X-Note", f"is {secret}.")])
    assert_gone(secret, f"is {secret}.", value)


def test_a_replaced_secret_keeps_its_kind() -> None:
    assert redactor.text(SHAPED["stripe_live"]).startswith("sk_live_")
    assert redactor.text(SHAPED["jwt"]).startswith("eyJ")
    assert redactor.text(SHAPED["jwt"]).count(".") == 2
    assert redactor.headers([("Authorization", "Bearer abc123abc123abc123")])[0][1].startswith("Bearer ")
    assert redactor.body('{"pin": 1234}') == '{"pin": 9999}'
    token = redactor.body('{"token": "9f86d081884c7d659a2feaa0c55ad015"}')[11:-2]
    assert set(token) <= set("0123456789abcdef")


@pytest.mark.parametrize("written", ["{}", '{{"key": "{}"}}', "signing with {}"])
def test_a_private_key_is_replaced_with_and_without_its_end(written: str) -> None:
    for key in (PRIVATE_KEY, PRIVATE_KEY.replace("\n", "\\n"), PRIVATE_KEY[:-20]):
        before = written.format(key)
        after = redactor.text(before)
        for line in PRIVATE_KEY_LINES:
            assert line not in after
        assert len(after) == len(before)
        assert "BEGIN RSA PRIVATE KEY" in after


@pytest.mark.parametrize(
    "card", ["4111 1111 1111 1111", "4111-1111-1111-1111", "4111+1111+1111+1111", "3782 822463 10005"]
)
def test_a_card_number_in_groups_is_replaced_and_keeps_its_groups(card: str) -> None:
    before = f"pay with {card} please"
    after = redactor.text(before)
    assert card not in after
    assert [not c.isdigit() for c in after] == [not c.isdigit() for c in before]


@pytest.mark.parametrize("number", ["4111111111111112", "1700000000000", "123456789012345678", "3.4111111111111111"])
def test_a_long_number_that_is_no_card_is_left_alone(number: str) -> None:
    assert redactor.text(f'{{"id": {number}}}') == f'{{"id": {number}}}'


@pytest.mark.parametrize(
    "url",
    [
        "https://ann:{}@api.shop.example/v1",
        "http://ann:{}@proxy.example:8080",
        "postgres://ann:{}@db/x",
        "https:\\/\\/ann:{}@api.shop.example\\/v1",
        "https%3A%2F%2Fann%3A{}%40api.shop.example%2Fv1",
        "ann:{}@proxy.example:8080",
        "http://ann:pa#{}@api.shop.example/",
        "http://ann:pa/{}@api.shop.example/",
    ],
)
def test_userinfo_is_replaced_in_urls_texts_and_proxies(url: str) -> None:
    secret = "s3cret-Passw0rd"
    before = url.format(secret)
    for text in (before, f"via {before} failed", f'{{"proxy": "{before}"}}'):
        after = redactor.text(text)
        assert secret not in after
        assert "Passw0rd" not in after
        assert len(after) == len(text)
        assert "example" in after or "db/x" in after
    assert secret not in redactor.url(before)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (
            'Digest username="ann", realm="shop", nonce="dcd98b7102dd", uri="/a", response="6629fae49393a05397450978"',
            "uri",
        ),
        (
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260101/us-east-1/s3/aws4_request, "
            "SignedHeaders=host;range;x-amz-date, Signature=fe5f80f77d5fa3beca038a248ff027d0445342fe2855ddc96317",
            "SignedHeaders=host;range;x-amz-date",
        ),
        (
            'OAuth oauth_consumer_key="xvz1evFS4wEEPTGEFPHBog", oauth_signature="tnnArxj06cWHq44gCs1OSKk%2FjLY%3D"',
            "OAuth",
        ),
        ("Basic YW5uOnMzY3JldC1QYXNzdzByZA==", "Basic "),
        ("Bearer Bearer abcdefgh12345678", "Bearer Bearer "),
        ("token 0a1b2c3d4e5f60718293a4b5c6d7e8f901234567", "token "),
    ],
)
def test_credentials_keep_their_scheme_and_lose_their_secrets(value: str, kept: str) -> None:
    [(_, after)] = redactor.headers([("Authorization", value)])
    assert kept in after
    for secret in (
        "6629fae49393",
        "AKIAIOSFODNN7",
        "fe5f80f77d5f",
        "xvz1evFS4",
        "tnnArxj06",
        "YW5uOnMz",
        "abcdefgh",
        "0a1b2c3d",
    ):
        assert secret not in after
    assert len(after) == len(value)


def test_an_unknown_scheme_is_replaced_with_its_credentials() -> None:
    [(_, after)] = redactor.headers([("Authorization", "open-sesame now")])
    assert "sesame" not in after
    assert "now" not in after
    assert len(after) == len("open-sesame now")


def test_cookies_keep_their_names_and_attributes() -> None:
    [(_, cookie), (_, set_cookie)] = redactor.headers(
        [("Cookie", "sid=abc123abc123; theme=dark"), ("Set-Cookie", "sid=abc123abc123; Path=/; HttpOnly")]
    )
    assert cookie.startswith("sid=")
    assert "; theme=xxxx" in cookie
    assert set_cookie.endswith("; Path=/; HttpOnly")
    assert "abc123" not in cookie + set_cookie


def exchange(**request: object) -> ResponseEvent:
    return ResponseEvent(
        id="e1",
        time=1_760_000_000_000,
        target="api.shop.example",
        job_id="extract-099",
        request=Request(method="POST", url="https://api.shop.example/v1", **request),  # type: ignore[arg-type]
        response=Response(status=400, body="invalid api key zq-81-Klm-99 given", headers=[("X-Seen", "zq-81-Klm-99")]),
        proxy=Proxy(id="http://ann:s3cret-Passw0rd@proxy.example:8080", pool="eu"),
        client=Client(name="httpx", version="0.28"),
    )


def test_an_echo_of_a_secret_is_replaced_in_the_whole_event() -> None:
    for request in (
        {"headers": [("X-Api-Key", "zq-81-Klm-99")], "body": "about zq-81-Klm-99"},
        {"headers": [("X-Note", "zq-81-Klm-99")], "body": '{"api_key": "zq-81-Klm-99"}'},
        {"headers": [("Authorization", "Basic " + base64.b64encode(b"ann:zq-81-Klm-99").decode())]},
    ):
        event = redactor.event(exchange(**request))
        assert b"zq-81-Klm-99" not in json.dumps([str(event)]).encode()
        assert "s3cret" not in str(event.proxy)
        assert event.target == "api.shop.example"


@pytest.mark.parametrize(
    ("encoding", "secret"),
    [("utf-8", "пароль-12345"), ("utf-16", "zq-81-Klm-99"), ("utf-16-be", "zq-81"), ("latin-1", "pässwörter")],
)
def test_a_body_of_bytes_is_redacted_in_its_encoding(encoding: str, secret: str) -> None:
    raw = f'{{"name": "ann", "password": "{secret}",}}'.encode(encoding)
    if encoding == "latin-1":
        raw = b'\xff"' + raw
    event = exchange(body_base64=base64.b64encode(raw).decode(), body_sha256="0" * 64, body_size=len(raw))
    replaced = redactor.event(event).request
    assert replaced.body_base64 is not None
    after = base64.b64decode(replaced.body_base64)
    assert len(after) == len(raw)
    assert (
        secret.encode(
            encoding.removesuffix("-16") + ("-16-le" if encoding == "utf-16" else "")
            if encoding == "utf-16"
            else encoding
        )
        not in after
    )
    assert (
        "ann".encode("utf-16-be" if encoding == "utf-16-be" else "utf-16-le" if encoding == "utf-16" else "ascii")
        in after
    )
    assert replaced.body_sha256 not in {None, "0" * 64}


def test_a_compressed_body_is_redacted_inside_and_left_alone_without_secrets() -> None:
    import gzip
    import zlib

    secret = b'{"password": "zq-81-Klm-99"}' * 20
    plain = b'{"page": 3}' * 20
    for pack, unpack in ((gzip.compress, gzip.decompress), (zlib.compress, zlib.decompress)):
        for body, changes in ((secret, True), (plain, False)):
            raw = pack(body)
            event = exchange(body_base64=base64.b64encode(raw).decode(), headers=[("Content-Encoding", "gzip")])
            after = base64.b64decode(redactor.event(event).request.body_base64 or "")
            assert (after != raw) == changes
            assert b"zq-81" not in unpack(after)
            again = event.__class__(**{f: getattr(event, f) for f in event.__struct_fields__})
            again.request = redactor.event(event).request
            assert redactor.event(again).request == again.request
        broken = pack(secret)[:-9]
        event = exchange(body_base64=base64.b64encode(broken).decode())
        after = base64.b64decode(redactor.event(event).request.body_base64 or "")
        assert broken[20:] not in after


def test_a_body_in_a_compression_that_cannot_be_read_is_masked() -> None:
    raw = bytes(range(128, 256)) * 3
    event = exchange(body_base64=base64.b64encode(raw).decode(), headers=[("Content-Encoding", "br")])
    assert base64.b64decode(redactor.event(event).request.body_base64 or "") == b"x" * len(raw)
