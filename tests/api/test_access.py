import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import aiohttp
import pytest

from halt400.errors import SettingError
from halt400.kafka.connection import KafkaConnection
from streams.api.access import NamedToken, TokenBook, new_token, parse_tokens
from streams.api.access.rate_limit import RateLimit
from streams.api.access.sessions import COOKIE, SESSION_S, Sessions
from streams.api.read_model import ReadModel
from streams.api.server import ApiServer
from streams.settings import ApiSettings

READ, READER = new_token("grafana", "read")
OPERATE, OPERATOR = new_token("alice", "operate")
TOKENS = f"{READER.entry},{OPERATOR.entry}"
RELEASE = {"kind": "release", "scope": "job/a/b", "reason": "mended"}


class Client:
    """Asks one server; the answer is (status, code of the problem or None, headers)."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self.url, self._http = url, http

    async def ask(
        self, path: str = "/v1/session", method: str = "GET", *, token: str | None = None, **options: object
    ) -> tuple[int, str | None, Mapping[str, str]]:
        headers = {**options.pop("headers", {}), **({"Authorization": f"Bearer {token}"} if token else {})}
        async with self._http.request(method, self.url + path, headers=headers, **options) as response:
            answer = await response.json(content_type=None)
            assert response.content_type == f"application/{'problem+' if response.status >= 400 else ''}json"
            return response.status, answer.get("code"), response.headers


@asynccontextmanager
async def serving(**api: object) -> AsyncIterator[Client]:
    """A server without Kafka: who may ask is decided before what is known."""
    server = ApiServer(ReadModel(KafkaConnection("127.0.0.1:1")), ApiSettings(port=0, **api))
    async with server, aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        yield Client(server.url, http)


@pytest.mark.parametrize("host", ["0.0.0.0", "", "::", "192.0.2.1", "halt400.example"])
async def test_a_server_that_others_reach_does_not_start_without_tokens(host: str) -> None:
    with pytest.raises(SettingError, match=f"HALT400_API_HOST={host}: others can reach it, and there are no tokens"):
        await ApiServer(ReadModel(KafkaConnection("127.0.0.1:1")), ApiSettings(port=0, host=host)).start()


async def test_with_tokens_it_starts_on_every_address() -> None:
    async with serving(host="0.0.0.0", tokens=TOKENS) as client:
        assert (await client.ask())[0] == 401
        assert (await client.ask(token=READ))[0] == 200


async def test_on_loopback_without_tokens_everyone_may_operate() -> None:
    async with serving() as client:
        assert (await client.ask())[0] == 200
        assert (await client.ask("/v1/operations", "POST", json=RELEASE))[:2] == (503, "not_caught_up")


async def test_who_may_read_may_not_change_anything() -> None:
    async with serving(tokens=TOKENS) as client:
        assert (await client.ask("/v1/targets", token=READ))[:2] == (503, "not_caught_up")
        for path in ("/v1/operations", "/v1/acknowledgements"):
            assert (await client.ask(path, "POST", json=RELEASE, token=READ))[:2] == (403, "role_missing")
            assert (await client.ask(path, "POST", json=RELEASE))[:2] == (401, "unauthorized")
            assert (await client.ask(path, "POST", json=RELEASE, token=OPERATE))[:2] == (503, "not_caught_up")


async def test_the_plain_token_is_for_reading() -> None:
    async with serving(token="s3cret") as client:
        assert (await client.ask(token="s3cret"))[0] == 200
        assert (await client.ask("/v1/operations", "POST", json=RELEASE, token="s3cret"))[:2] == (403, "role_missing")
    async with serving(token=OPERATE, tokens=TOKENS) as client:
        assert (await client.ask("/v1/operations", "POST", json=RELEASE, token=OPERATE))[0] == 503


async def test_a_session_is_a_cookie_that_scripts_and_other_sites_do_not_have(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "halt400.api")
    async with serving(tokens=TOKENS, session_key="k" * 32) as client:
        assert (await client.ask(method="POST", json={"token": "wrong"}))[:2] == (401, "unauthorized")
        status, _, headers = await client.ask(method="POST", json={"token": OPERATE})
        assert status == 200
        cookie = headers["Set-Cookie"]
        assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
        assert OPERATE not in cookie
        assert "Secure" not in cookie
        session = {"Cookie": cookie.split(";")[0]}
        assert (await client.ask(headers=session))[0] == 200
        assert (await client.ask("/v1/operations", "POST", json=RELEASE, headers=session))[0] == 503
        status, _, headers = await client.ask(method="DELETE", headers=session)
        assert (status, headers["Set-Cookie"].split(";")[0]) == (200, f'{COOKIE}=""')
        assert (await client.ask(headers=session))[0] == 401, "who has copied the cookie is signed out too"
    assert "alice signs in" in caplog.text
    assert "alice signs out" in caplog.text


def test_a_session_ends_with_its_time_its_token_and_its_key() -> None:
    now = [1_700_000_000_000]
    tokens = TokenBook([READER, OPERATOR])
    sessions = Sessions(tokens, "k" * 32, lambda: now[0])
    cookie = sessions.open(OPERATOR)
    found = sessions.recognize(cookie)
    assert found is not None
    assert (found.name, found.role, found.via) == ("alice", "operate", "session")
    name, expires, nonce, mac = cookie.split(".")
    reader = sessions.open(READER).split(".")[0]
    forged = [
        f"{reader}.{expires}.{nonce}.{mac}", f"{name}.{int(expires) + 1}.{nonce}.{mac}", f"{name}.{expires}.x.{mac}",
        f"{name}.{expires}.{nonce}.{mac[:-1]}", f"{name}.{expires}.{nonce}.", f"{name}.{expires}.{nonce}.\xff",
        "", "...", f"\xff.{expires}.{nonce}.{mac}", f"{name}.٣.{nonce}.{mac}",
    ]  # fmt: skip
    assert [sessions.recognize(text) for text in forged] == [None] * len(forged)
    assert Sessions(tokens, "l" * 32, lambda: now[0]).recognize(cookie) is None
    assert Sessions(tokens, "k" * 32, lambda: now[0]).recognize(cookie) is not None, "every process knows it"
    _, replaced = new_token("alice", "operate")
    assert Sessions(TokenBook([replaced]), "k" * 32, lambda: now[0]).recognize(cookie) is None
    now[0] += SESSION_S * 1000
    assert sessions.recognize(cookie) is None


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://[bad"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 503),
        ({"Sec-Fetch-Site": "none"}, 503),
        ({}, 503),
    ],
)
async def test_what_another_site_sends_is_refused(headers: dict[str, str], status: int) -> None:
    async with serving() as client:
        assert (await client.ask("/v1/operations", "POST", json=RELEASE, headers=headers))[0] == status


async def test_a_link_on_another_site_may_be_followed_and_a_form_of_it_may_not() -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    async with serving() as client:
        assert (await client.ask("/v1/targets", headers=headers))[0] == 503
        assert (await client.ask("/v1/operations", "POST", json=RELEASE, headers=headers))[:2] == (403, "cross_site")


@pytest.mark.parametrize(
    ("allowed", "host", "status"),
    [
        ("", "rebound.example", 421),
        ("", "127.0.0.1.rebound.example:8400", 421),
        ("", "", 421),
        ("", "localhost:8400", 200),
        ("", "[::1]:8400", 200),
        ("halt.example, other.example", "HALT.example", 200),
        ("halt.example", "evil.example", 421),
        ("halt.example", "127.0.0.1", 200),
    ],
)
async def test_a_name_that_is_not_ours_is_refused(allowed: str, host: str, status: int) -> None:
    async with serving(allowed_hosts=allowed) as client:
        assert (await client.ask(headers={"Host": host}))[0] == status


async def test_users_of_a_trusted_proxy_are_known_by_its_header() -> None:
    proxy = {"proxy_user_header": "X-Auth-Request-Email", "proxy_operators": "ada@shop.example"}
    ada, bob = {"X-Auth-Request-Email": "ada@shop.example"}, {"X-Auth-Request-Email": "bob@shop.example"}
    async with serving(**proxy) as client:
        assert (await client.ask())[0] == 401
        assert (await client.ask(headers=bob))[0] == 200
        assert (await client.ask("/v1/operations", "POST", json=RELEASE, headers=ada))[0] == 503
        assert (await client.ask("/v1/operations", "POST", json=RELEASE, headers=bob))[:2] == (403, "role_missing")
        forwarded = {"X-Forwarded-Host": "halt.example", "Origin": "https://halt.example", **ada}
        assert (await client.ask("/v1/operations", "POST", json=RELEASE, headers=forwarded))[0] == 503
    async with serving(**proxy, proxy_addresses="10.0.0.0/8") as client:
        assert (await client.ask(headers=ada))[0] == 401, "nobody else is believed"


async def test_a_session_through_a_proxy_with_tls_is_for_tls_only() -> None:
    proxy = {"proxy_user_header": "X-User", "tokens": TOKENS}
    async with serving(**proxy) as client:
        headers = {"X-Forwarded-Proto": "https"}
        _, _, answered = await client.ask(method="POST", json={"token": READ}, headers=headers)
        assert "Secure" in answered["Set-Cookie"].split("; ")


async def test_many_wrong_tokens_have_to_wait_and_a_right_one_too() -> None:
    async with serving(tokens=TOKENS) as client:
        for _ in range(10):
            assert (await client.ask(token="wrong"))[0] == 401
        status, code, headers = await client.ask(token=OPERATE)
        assert (status, code) == (429, "too_many_requests")
        assert 1 <= int(headers["Retry-After"]) <= 6
        assert (await client.ask("/healthz"))[0] == 200


async def test_a_client_that_asks_too_often_has_to_wait() -> None:
    async with serving(requests_per_s=0.01, changes_per_s=0.1, tokens=TOKENS) as client:
        assert (await client.ask(token=READ))[:2] == (429, "too_many_requests")
        assert (await client.ask("/v1/operations", "POST", json=RELEASE, token=OPERATE))[0] == 503
        assert (await client.ask("/v1/operations", "POST", json=RELEASE, token=OPERATE))[0] == 429


def test_a_rate_limit_refills_with_time_and_forgets_the_oldest_client() -> None:
    now = [0.0]
    limit = RateLimit(2, 3, lambda: now[0])
    assert [limit.wait_s("a") for _ in range(4)] == [0, 0, 0, 0.5]
    assert limit.wait_s("b") == 0
    now[0] = 0.5
    assert limit.wait_s("a", take=False) == 0
    assert [limit.wait_s("a") for _ in range(2)] == [0, 0.5]
    for number in range(10_001):
        limit.wait_s(number)
    assert limit.wait_s("a") == 0


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"x" * 70_000, {"Content-Type": "application/json"}, 413, "body_too_large"),
        (b"{}", {"Content-Type": "text/plain"}, 415, "not_json"),
        (b"kind=release", {"Content-Type": "application/x-www-form-urlencoded"}, 415, "not_json"),
        (b"{", {"Content-Type": "application/json"}, 400, "bad_body"),
        (b"[" * 60_000, {"Content-Type": "application/json"}, 400, "bad_body"),
        (b"{}", {"Content-Type": "application/json"}, 400, "bad_body"),
        (b'{"token":"a","more":1}', {"Content-Type": "application/json"}, 400, "bad_body"),
    ],
)
async def test_a_wrong_body_is_a_problem(body: bytes, headers: dict[str, str], status: int, code: str) -> None:
    async with serving(tokens=TOKENS) as client:
        assert (await client.ask(method="POST", data=body, headers=headers))[:2] == (status, code)


def test_the_configuration_has_no_token() -> None:
    assert OPERATE.startswith("h400_")
    assert OPERATE not in OPERATOR.entry
    text = f"# who may\n{READER.entry}  # dashboards\n\n{OPERATOR.entry},"
    assert parse_tokens(text) == [READER, OPERATOR]
    book = TokenBook(parse_tokens(text))
    assert book.recognize(OPERATE) == NamedToken("alice", "operate", OPERATOR.digest)
    assert book.recognize(OPERATE + "x") is None
    assert book.recognize("\udcff") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"alice:admin:{OPERATOR.digest}", "the entry 'alice' is not NAME:read"),
        (OPERATE, r"^the entry of 48 characters is not NAME"),
        (f"{OPERATOR.entry} {OPERATOR.entry}", "the name 'alice' comes twice"),
    ],
    ids=["an unknown role", "the token itself", "a name twice"],
)
def test_a_wrong_entry_is_named(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_tokens(text)


async def test_a_wrong_setting_stops_the_start() -> None:
    with pytest.raises(SettingError, match="HALT400_API_TOKENS: the entry 'alice'"):
        async with serving(tokens="alice:operate:x"):
            pass
    with pytest.raises(SettingError, match=r"HALT400_API_PROXY_ADDRESSES=10\.0\.0\.300"):
        async with serving(proxy_user_header="X-User", proxy_addresses="10.0.0.300"):
            pass
