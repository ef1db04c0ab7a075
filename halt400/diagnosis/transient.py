"""The cause transient: the request is good, and a passing fault refused it.

Sources: the exact requests that succeeded, from the profile; the default 400 pages of load balancers and edges
(AWS ELB "400: Bad Request" in https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html,
HAProxy "PR" termination states in https://docs.haproxy.org/3.0/configuration.html#8.5); the fields by
which proxies mark their own responses: RFC 9209 (Proxy-Status), Squid's X-Squid-Error, and
https://docs.brightdata.com/proxy-networks/errorCatalog.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from halt400.diagnosis.answered_by import answer_of
from halt400.diagnosis.excerpts import mask
from halt400.diagnosis.exchange import Exchange
from halt400.diagnosis.finding import CauseFinding
from halt400.diagnosis.profile import Profile
from halt400.fingerprints import fingerprint_request
from halt400.records import Blame, Evidence

__all__ = ["find"]

_PROXY_FIELDS = (
    ("Squid", "x-squid-error"),
    ("Bright Data", "x-brd-error"),
    ("Bright Data", "x-brd-error-code"),
    ("Bright Data", "x-luminati-error"),
)
_PROXY_STATUS = re.compile(r"\s{0,16}\"?([\w.:/ -]{1,80})\"?[^,]{0,400}?;\s{0,8}error=([a-z_]{1,40})", re.IGNORECASE)
_EDGES = re.compile(r"cloudflare|akamai|fastly|cloudfront|google|varnish|envoy", re.IGNORECASE)
_COMPARE_BY_HAND = (
    "Compare the raw bytes with a good request, by hand and over another connection; nothing else is wrong."
)
_MAX_URL_CHARS = 1 << 16
_MAX_HEADERS = 1000
"""No server accepts a longer URL or more fields, and no profile holds a success of such a request."""
_LATEST_MS = 253_402_300_799_000
"""The end of the year 9999, the last that a datetime holds."""
_PASSING = re.compile(
    r"(?:temporar|try again|retry|timed? ?out|timeout|connection (?:reset|closed)|upstream|service unavailable|overload"
    r"|throttl|race condition)",
    re.IGNORECASE,
)


def find(exchange: Exchange, profile: Profile | None = None) -> list[CauseFinding]:
    """Report that the exact request succeeded elsewhere, or that a proxy or load balancer answered for the target.

    Examples
    --------
    >>> from halt400.records import Request, Response
    >>> request, profile = Request(method="GET", url="https://a.example/1"), Profile()
    >>> profile.observe(request, time_ms=1_700_000_000_000, where="proxy eu-7")
    >>> find(Exchange(request, Response(status=400)), profile)[0].evidence[0].detail
    'This exact request succeeded on 2023-11-14 22:13:20 UTC from proxy eu-7.'
    """
    if exchange.status is None or exchange.status < 400:
        return []
    found: list[CauseFinding] = []
    if profile is not None and profile.successes:
        success = _same_request(exchange, profile)
        if success is not None:
            found.append(success)
    cache = exchange.parsed_response.cache
    if "answered by another" not in cache:
        cache["answered by another"] = _by_proxy(exchange) or _by_balancer(exchange)
    other: tuple[float, Blame, str, Evidence] | None = cache["answered by another"]
    if other is not None:
        confidence, blame, remedy, evidence = other
        found.append(
            CauseFinding(cause="transient", confidence=confidence, blame=blame, remedy=remedy, evidence=[evidence])
        )
    passing = _PASSING.search(exchange.response_text[:2048])
    if passing is not None and not found:
        detail = f"The server says that the fault is temporary: {passing[0]!r}."
        remedy = "Nothing in the request needs to change; let the target recover."
        evidence = Evidence(where="response_body", detail=detail)
        found.append(
            CauseFinding(cause="transient", confidence=0.6, blame="target", remedy=remedy, evidence=[evidence])
        )
    return found


def _same_request(exchange: Exchange, profile: Profile) -> CauseFinding | None:
    """That the exact request has succeeded."""
    request = exchange.request
    if len(request.url) > _MAX_URL_CHARS or len(request.headers) > _MAX_HEADERS:
        return None
    success = profile.successes.get(fingerprint_request(request))
    if success is None:
        return None
    when = datetime.fromtimestamp(min(success.time, _LATEST_MS) / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    where = f" from {success.where}" if success.where else ""
    evidence = Evidence(where="response_body", detail=f"This exact request succeeded on {when}{where}.")
    remedy = "Leave the request as it is; look at the proxy, the session and the target's state at that moment."
    return CauseFinding(cause="transient", confidence=0.88, blame="transport", remedy=remedy, evidence=[evidence])


def _by_proxy(exchange: Exchange) -> tuple[float, Blame, str, Evidence] | None:
    """The sign that a proxy on the way answered by itself."""
    remedy = "Send it through another proxy; this one did not pass the request on."
    fields = exchange.response_fields
    for name, field in _PROXY_FIELDS:
        if field in fields:
            detail = f"{name} says that it answered by itself: {mask(fields[field][0])[:200]}"
            return 0.75, "proxy", remedy, Evidence(where="response_header", name=field, detail=detail)
    status = _PROXY_STATUS.match(fields.get("proxy-status", [""])[0])
    if status is not None:
        edge = _EDGES.search(status[1]) is not None
        detail = f"Proxy-Status: {mask(status[1])[:80]} answered by itself, error {status[2]}."
        blame: Blame = "transport" if edge else "proxy"
        return (
            (0.55 if edge else 0.75),
            blame,
            _COMPARE_BY_HAND if edge else remedy,
            Evidence(where="response_header", name="Proxy-Status", detail=detail),
        )
    return None


def _by_balancer(exchange: Exchange) -> tuple[float, Blame, str, Evidence] | None:
    if _origin_answered(exchange):
        return None
    answer = answer_of(exchange)
    if answer is None or answer.known is None or not answer.known.edge or not exchange.response_text.strip():
        return None
    detail = f"The response is {answer.known.name}'s own page, not the target's."
    return 0.55, "transport", _COMPARE_BY_HAND, Evidence(where="response_body", detail=detail)


def _origin_answered(exchange: Exchange) -> bool:
    """Whether the response is JSON: it comes from the API itself then, even if `Server` names a proxy."""
    return exchange.response_json is not None
