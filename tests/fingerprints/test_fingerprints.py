"""Fingerprints are the same everywhere and for every attempt, and hold no secret."""

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from halt400.fingerprints import body_shape, fingerprint_request, fingerprints, signature, url_template
from halt400.records import Request

VECTORS = json.loads(Path(__file__).with_name("vectors.json").read_text())
GOOD = Request(
    method="POST",
    url="https://api.shop.example/v1/orders/42?page=2&api_key=s3cr3t",
    headers=[
        ("Host", "api.shop.example"),
        ("Authorization", "Bearer aaa"),
        ("Content-Type", "application/json"),
        ("User-Agent", "scraper/1"),
    ],
    body='{"id": 7}',
)


def changed(**changes: object) -> Request:
    return msgspec.structs.replace(GOOD, **changes)


def with_headers(*headers: tuple[str, str]) -> Request:
    return changed(headers=list(headers))


@pytest.mark.parametrize("vector", VECTORS["requests"], ids=lambda vector: vector["name"])
def test_the_published_vectors_hold(vector: dict[str, object]) -> None:
    request = msgspec.convert(vector["request"], Request)
    result = fingerprints(str(vector["target"]), request)
    assert result.request == vector["fingerprint"]
    assert result.signature == vector["signature"]


@pytest.mark.parametrize(("url", "template"), VECTORS["url_templates"])
def test_the_published_url_templates_hold(url: str, template: str) -> None:
    assert url_template(url) == template


@pytest.mark.parametrize(("body", "content_type", "shape"), VECTORS["body_shapes"])
def test_the_published_body_shapes_hold(body: str | None, content_type: str | None, shape: str) -> None:
    assert body_shape(body, content_type) == shape


def netstrings(*parts: str) -> bytes:
    return b"".join(f"{len(part.encode())}:{part},".encode() for part in parts)


def test_the_canonical_form_is_the_documented_one() -> None:
    """Computed here from docs/fingerprints.md, part by part."""
    exact = netstrings(
        "halt400/request/1",
        "POST",
        "https://api.shop.example/v1/orders/42?page=2&api_key={secret}",
        "host=api.shop.example",
        "authorization",
        "content-type=application/json",
        "user-agent",
        "sha256:" + hashlib.sha256(b'{"id": 7}').hexdigest(),
    )
    assert fingerprint_request(GOOD) == hashlib.sha256(exact).hexdigest()[:32]
    grouped = netstrings(
        "halt400/signature/1",
        "api.shop.example",
        "POST",
        "https://api.shop.example/v1/orders/{n}?api_key&page",
        "host",
        "authorization",
        "content-type",
        "user-agent",
        'json {"id":number}',
    )
    assert signature("api.shop.example", GOOD) == hashlib.sha256(grouped).hexdigest()[:32]


def test_another_process_with_another_hash_seed_computes_the_same() -> None:
    code = (
        "import msgspec,sys;from halt400.records import Request;from halt400.fingerprints import fingerprints;"
        "f=fingerprints('t',msgspec.json.decode(sys.stdin.buffer.read(),type=Request));print(f.request,f.signature)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        input=msgspec.json.encode(GOOD),
        capture_output=True,
        check=True,
        env={"PYTHONHASHSEED": "7"},
    )
    here = fingerprints("t", GOOD)
    assert result.stdout.decode().split() == [here.request, here.signature]


@pytest.mark.parametrize(
    "resent",
    [
        changed(url=GOOD.url.replace("s3cr3t", "rotated")),
        changed(url=GOOD.url + "#part"),
        changed(headers=[*GOOD.headers, ("traceparent", "00-aa-bb-01")]),
        changed(headers=[*GOOD.headers, ("Cookie", "session=1")]),
        changed(headers=[(name.lower(), value) for name, value in GOOD.headers]),
        changed(
            headers=[(name, "rotated" if name in ("Authorization", "User-Agent") else v) for name, v in GOOD.headers]
        ),
        changed(body=None, body_size=9, body_sha256=hashlib.sha256(b'{"id": 7}').hexdigest()),
        changed(body=None, body_base64="eyJpZCI6IDd9"),
    ],
    ids=["key", "fragment", "trace", "cookie", "case", "credentials", "hash only", "base64"],
)
def test_another_attempt_has_the_same_fingerprint(resent: Request) -> None:
    assert fingerprint_request(resent) == fingerprint_request(GOOD)


@pytest.mark.parametrize(
    "other",
    [
        changed(method="PUT"),
        changed(url=GOOD.url.replace("42", "43")),
        changed(url=GOOD.url.replace("page=2", "page_token=3")),
        changed(headers=GOOD.headers[::-1]),
        changed(headers=GOOD.headers[1:]),
        changed(headers=[(name, "text/plain" if name == "Content-Type" else value) for name, value in GOOD.headers]),
        changed(headers=[*GOOD.headers, ("X-Api-Version", "2")]),
        changed(body='{"id": 8}'),
        changed(body=None),
    ],
    ids=["method", "path", "query", "order", "missing", "content type", "version", "body", "no body"],
)
def test_another_request_has_another_fingerprint(other: Request) -> None:
    assert fingerprint_request(other) != fingerprint_request(GOOD)


def test_the_pages_of_a_listing_are_different_requests() -> None:
    pages = [Request(method="GET", url=f"https://a.example/items?pageToken={n}") for n in range(5)]
    assert len({fingerprint_request(page) for page in pages}) == 5


@pytest.mark.parametrize(
    "alike",
    [
        changed(url=GOOD.url.replace("42", "4711")),
        changed(url="https://api.shop.example/v1/orders/42?api_key=x&page=9"),
        changed(body='{"id": 12345}'),
        changed(
            headers=[
                (name.upper(), "other") if name != "Content-Type" else (name, value) for name, value in GOOD.headers
            ]
        ),
    ],
    ids=["id", "query order", "value", "header values"],
)
def test_requests_of_one_kind_share_a_signature(alike: Request) -> None:
    assert signature("t", alike) == signature("t", GOOD)


@pytest.mark.parametrize(
    "other",
    [
        changed(url=GOOD.url.replace("orders", "carts")),
        changed(url=GOOD.url + "&sort=asc"),
        changed(body='{"id": "7"}'),
        changed(body='{"ident": 7}'),
        changed(body='{"id": 7, }'),
        changed(headers=GOOD.headers[::-1]),
        changed(headers=GOOD.headers[:-1]),
    ],
    ids=["endpoint", "query key", "type", "key", "malformed", "order", "missing header"],
)
def test_another_kind_has_another_signature(other: Request) -> None:
    assert signature("t", other) != signature("t", GOOD)


def test_the_target_belongs_to_the_signature() -> None:
    assert signature("a", GOOD) != signature("b", GOOD)


SECRET = st.text(alphabet=st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=40)
HEADER_WITH_SECRET = st.sampled_from(["Authorization", "Cookie", "Proxy-Authorization", "X-Api-Key", "X-Auth-Token"])


@given(SECRET, SECRET, HEADER_WITH_SECRET)
def test_no_secret_of_a_header_or_the_query_is_read(one: str, two: str, name: str) -> None:
    """What does not change the digest does not enter it."""

    def request(secret: str) -> Request:
        url = f"https://user:{secret}@a.example/x?access_token={secret}&X-Amz-Signature={secret}&q=1"
        return Request(method="GET", url=url, headers=[(name, secret)])

    assert fingerprint_request(request(one)) == fingerprint_request(request(two))
    assert signature("t", request(one)) == signature("t", request(two))


@given(st.text(max_size=300))
def test_a_template_of_a_template_is_itself_unless_it_was_a_text(url: str) -> None:
    template = url_template(url)
    assert "#" not in template
    assert url_template(url) == template
    assert url_template(url + "#fragment") == template


@given(st.lists(st.sampled_from(["a=1", "b=2", "c", "page=3"]), unique=True).flatmap(st.permutations))
def test_the_order_of_query_keys_does_not_matter_to_the_template(pairs: list[str]) -> None:
    assert url_template("http://h/p?" + "&".join(pairs)) == url_template("http://h/p?" + "&".join(sorted(pairs)))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abcdef", max_size=4), inner, max_size=3),
    max_leaves=15,
)


def same_types(value: object, integer: int, text: str) -> object:
    if isinstance(value, dict):
        return {key: same_types(member, integer, text) for key, member in reversed(value.items())}
    if isinstance(value, list):
        return [same_types(item, integer, text) for item in reversed(value)]
    if isinstance(value, str):
        return text
    return integer if type(value) is int else value


@given(JSON, st.integers(0, 10**9), st.text(max_size=5))
def test_a_shape_holds_no_values_and_no_order(value: object, integer: int, text: str) -> None:
    other = json.dumps(same_types(value, integer, text), indent=2)
    assert body_shape(json.dumps(value), "application/json") == body_shape(other, "application/json")


@given(
    st.binary(max_size=400), st.sampled_from([None, "application/json", "text/xml", "multipart/form-data", "text/x"])
)
def test_every_body_has_a_shape(body: bytes, content_type: str | None) -> None:
    assert body_shape(body, content_type).isprintable()


@pytest.mark.slow
@given(st.text(max_size=60), st.text(max_size=60), st.lists(st.tuples(st.text(max_size=20), st.text(max_size=20))))
def test_every_request_has_fingerprints(method: str, url: str, headers: list[tuple[str, str]]) -> None:
    result = fingerprints("t", Request(method=method, url=url, headers=headers, body_base64=url))
    assert len(result.request) == len(result.signature) == 32


HOSTILE = {
    "percent": "%" * 1_000_000,
    "slashes": "/" * 1_000_000,
    "pairs": "?" + "&a=" * 330_000,
    "digits": "1" * 1_000_000,
    "at": "http://" + "@" * 1_000_000,
    "deep": "[" * 1_000_000,
    "deep objects": '{"a":' * 200_000,
    "quotes": '"' * 1_000_000,
    "escapes": '"\\' * 500_000,
    "open tags": "<a" * 500_000,
    "wide": "{" + ",".join(f'"k{i}":1' for i in range(90_000)) + "}",
    "spaces": '{"a"' + " " * 1_000_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_megabyte_takes_bounded_time(text: str) -> None:
    for content_type in ("application/json", "text/xml", "application/x-www-form-urlencoded", "multipart/form-data"):
        request = Request(method="GET", url="http://h/" + text, headers=[("Content-Type", content_type)], body=text)
        start = time.process_time()
        fingerprints("t", request)
        assert time.process_time() - start < 5.0  # what grows with the square takes minutes


def calls_of(work: Callable[[], object]) -> int:
    """How many calls, of Python and of C, some work makes: a measure of it that no busy machine changes."""
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return calls


@pytest.mark.parametrize("unit", ["&", "=", "%", "/", "a", "?", "://", "@", "&&=", "&=a", "a=&", "page=1&"])
def test_a_url_without_secrets_costs_no_more_calls_when_it_is_longer(unit: str) -> None:
    costs = [
        calls_of(lambda size=size: fingerprint_request(Request(method="GET", url="http://h/?" + unit * size)))  # type: ignore[misc]
        for size in (1_000, 300_000)
    ]
    assert costs[1] <= costs[0]


@pytest.mark.parametrize("unit", ["a=&", "key=1&", "&k{}=", "&{}secret={}"])
def test_the_work_for_a_url_grows_with_its_pairs_and_no_faster(unit: str) -> None:
    def cost(size: int) -> int:
        url = "http://h/?" + "".join(unit.format(f"{number:06}", number) for number in range(size))
        return calls_of(lambda: fingerprint_request(Request(method="GET", url=url)))

    fixed = cost(0)
    assert cost(20_000) - fixed <= 2.1 * (cost(10_000) - fixed)
