"""Who sends a request, and whether it may come from where it comes."""

import time
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import NoReturn
from urllib.parse import urlsplit

from aiohttp import web

from halt400.errors import SettingError
from streams.api.access.identity import Identity
from streams.api.access.rate_limit import RateLimit
from streams.api.access.sessions import COOKIE, Sessions
from streams.api.access.tokens import NamedToken, TokenBook, digest_of, parse_tokens
from streams.api.problems import raise_problem
from streams.settings import ApiSettings

__all__ = ["Access", "is_loopback", "refuse_open_server"]

ANONYMOUS = Identity(name="local", role="operate", via="loopback")
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
LONGEST_USER = 100


class Access:
    """Checks requests by the settings.

    Parameters
    ----------
    clock_ms, clock
        Milliseconds since the Unix epoch; monotonic seconds.

    Raises
    ------
    SettingError
        A setting is wrong.
    """

    def __init__(
        self, api: ApiSettings, clock_ms: Callable[[], int], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.tokens = token_book(api)
        key = api.session_key.get_secret_value() if api.session_key is not None else None
        self.sessions = Sessions(self.tokens, key, clock_ms)
        self._user_header = api.proxy_user_header
        self._proxies = _networks(api.proxy_addresses) if self._user_header is not None else []
        self._operators = frozenset(name.strip() for name in api.proxy_operators.split(",") if name.strip())
        self._hosts = frozenset(name.strip().lower() for name in api.allowed_hosts.split(",") if name.strip())
        self.is_open = not self.tokens and self._user_header is None
        self.requests = RateLimit(api.requests_per_s, 2 * api.requests_per_s, clock)
        self.changes = RateLimit(api.changes_per_s, 10 * api.changes_per_s, clock)
        self._failures = RateLimit(1 / 6, 10, clock)

    def identify(self, request: web.Request) -> Identity | None:
        """Return who sends a request; None where nothing proves it. A wrong token is a problem.

        Where nothing needs a token, everyone on this machine may operate.
        """
        if self.is_open:
            return ANONYMOUS
        authorization = request.headers.get("Authorization")
        if authorization is not None:
            scheme, _, token = authorization.partition(" ")
            found = self.recognize(request, token.strip()) if scheme.lower() == "bearer" else None
            return None if found is None else Identity(name=found.name, role=found.role, via="token")
        user = self._proxy_user(request)
        if user is not None:
            return user
        cookie = request.cookies.get(COOKIE)
        return None if cookie is None else self.sessions.recognize(cookie)

    def recognize(self, request: web.Request, token: str) -> NamedToken | None:
        """Return whose token this is; a client that has sent many wrong ones has to wait first."""
        client = request.remote
        wait_s = self._failures.wait_s(client, take=False)
        if wait_s > 0:
            raise_too_many("wrong tokens", wait_s)
        found = self.tokens.recognize(token)
        if found is None:
            self._failures.wait_s(client)
        return found

    def is_secure(self, request: web.Request) -> bool:
        """Whether the client came by TLS, to us or to a trusted proxy."""
        forwarded = request.headers.get("X-Forwarded-Proto") if self._is_proxy(request) else None
        return request.secure or forwarded == "https"

    def check_origin(self, request: web.Request) -> None:
        """Refuse names that are not ours (DNS rebinding), and requests that another site's page makes a browser send.

        See https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/Sec-Fetch-Site.
        """
        authority = self._authority(request)
        host = _host_name(authority)
        if self.is_open or self._hosts:
            allowed = self._hosts | _LOOPBACK_NAMES if self.is_open else self._hosts
            if host not in allowed:
                raise_problem(
                    421,
                    "host_refused",
                    f"The Host {host[:100]!r} is not served here.",
                    "Ask for localhost, or name the host in HALT400_API_ALLOWED_HOSTS.",
                )
        site = request.headers.get("Sec-Fetch-Site", "none")
        visits = request.method in ("GET", "HEAD") and request.headers.get("Sec-Fetch-Mode") == "navigate"
        origin = request.headers.get("Origin")
        foreign = origin is not None and _netloc(origin) != authority
        if (site not in ("same-origin", "none") and not visits) or foreign:
            raise_problem(
                403,
                "cross_site",
                "A page of another site sends this.",
                "Use the page of this server, or a client that is no browser.",
            )

    def _proxy_user(self, request: web.Request) -> Identity | None:
        if self._user_header is None or not self._is_proxy(request):
            return None
        name = request.headers.get(self._user_header, "").strip()
        if not name or len(name) > LONGEST_USER or not name.isprintable():
            return None
        operates = "*" in self._operators or name in self._operators
        return Identity(name=name, role="operate" if operates else "read", via="proxy")

    def _authority(self, request: web.Request) -> str:
        """Host and port by which the client asks."""
        forwarded = request.headers.get("X-Forwarded-Host") if self._is_proxy(request) else None
        return str(forwarded or request.headers.get("Host", "")).lower()

    def _is_proxy(self, request: web.Request) -> bool:
        try:
            address = ip_address(request.remote or "")
        except ValueError:
            return False
        return any(address in network for network in self._proxies)


def token_book(api: ApiSettings) -> TokenBook:
    """Return the tokens of the settings; HALT400_API_TOKEN is one for reading, unless it is among the named ones.

    Raises
    ------
    SettingError
        An entry of HALT400_API_TOKENS is wrong.
    """
    try:
        tokens = parse_tokens(api.tokens.get_secret_value()) if api.tokens is not None else []
    except ValueError as error:
        raise SettingError(
            f"HALT400_API_TOKENS: {error}.", "`halt400 api token add NAME --role read|operate` makes an entry."
        ) from None
    if api.token is not None:
        digest = digest_of(api.token.get_secret_value())
        if all(token.digest != digest for token in tokens):
            tokens.append(NamedToken("HALT400_API_TOKEN", "read", digest))
    return TokenBook(tokens)


def _networks(text: str) -> list[IPv4Network | IPv6Network]:
    found: list[IPv4Network | IPv6Network] = []
    for part in filter(None, map(str.strip, text.split(","))):
        try:
            found.append(ip_network(part))
        except ValueError as error:
            raise SettingError(
                f"HALT400_API_PROXY_ADDRESSES={text}: {error}.", "Name addresses or networks, such as 10.0.3.0/24."
            ) from None
    return found


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens on `host`."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def refuse_open_server(api: ApiSettings, access: Access) -> None:
    """Refuse to serve others without knowing who they are.

    Raises
    ------
    SettingError
        The server would listen on more than loopback, and nothing needs a token.
    """
    if access.is_open and not is_loopback(api.host):
        raise SettingError(
            f"HALT400_API_HOST={api.host}: others can reach it, and there are no tokens.",
            "Make one with `halt400 api token add NAME --role operate` and set HALT400_API_TOKENS, "
            "or listen on 127.0.0.1.",
        )


def raise_too_many(what: str, wait_s: float) -> NoReturn:
    """End the handler: a client is over a limit."""
    raise_problem(
        429,
        "too_many_requests",
        f"Too many {what} from this client.",
        f"Try again in {max(1, round(wait_s))} s.",
        headers={"Retry-After": str(max(1, round(wait_s)))},
    )


def _netloc(origin: str) -> str:
    """Return host and port of an Origin, empty where it has none."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _host_name(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()
