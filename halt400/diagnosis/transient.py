"""The cause transient: the request is good, and the refusal came from something that passes.

Sources: the profile's memory of exact requests that succeeded; the default 400 pages of load balancers and edges
(AWS ELB "400: Bad Request" in https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html,
HAProxy "PR" termination states in https://docs.haproxy.org/3.0/configuration.html#8.5).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from halt400.diagnosis.exchange import Exchange
from halt400.diagnosis.finding import Finding
from halt400.diagnosis.profile import Profile
from halt400.fingerprints import fingerprint_request
from halt400.records import Evidence

__all__ = ["find"]

_BALANCERS = (
    ("AWS load balancer", re.compile(r"awselb/2\.0|<center>awselb", re.IGNORECASE)),
    ("HAProxy", re.compile(r"<h1>400 Bad request</h1>\s{0,4}Your browser sent an invalid request\.", re.IGNORECASE)),
    ("Azure Application Gateway", re.compile(r"Microsoft-Azure-Application-Gateway", re.IGNORECASE)),
    ("Google front end", re.compile(r"Your client has issued a malformed or illegal request", re.IGNORECASE)),
    (
        "Cloudflare",
        re.compile(r"<center><h1>400 Bad Request</h1></center>\s{0,8}<hr><center>cloudflare", re.IGNORECASE),
    ),
    (
        "nginx",
        re.compile(
            r"<center><h1>400 Bad Request</h1></center>\s{0,8}<hr><center>(?:nginx|openresty|tengine)", re.IGNORECASE
        ),
    ),
    ("Varnish", re.compile(r"Error 400 .{0,80}Guru Meditation", re.IGNORECASE | re.DOTALL)),
    ("Envoy", re.compile(r"upstream connect error|no healthy upstream|protocol error\Z", re.IGNORECASE)),
    ("Squid", re.compile(r"<!-- ERR_|\(squid/|cache administrator", re.IGNORECASE)),
)
_LONGEST = 1 << 16
_MOST = 1000
"""A longer URL, or more fields, no server takes: no success of such a request is remembered."""
_PASSING = re.compile(
    r"(?:temporar|try again|retry|timed? ?out|timeout|connection (?:reset|closed)|upstream|service unavailable|overload"
    r"|throttl|race condition)",
    re.IGNORECASE,
)


def find(exchange: Exchange, profile: Profile | None = None) -> list[Finding]:
    """Report that the exact request succeeded elsewhere, or that a load balancer answered in the target's place.

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
    found: list[Finding] = []
    request = exchange.request
    if profile is not None and profile.successes and len(request.url) <= _LONGEST and len(request.headers) <= _MOST:
        success = profile.successes.get(fingerprint_request(request))
        if success is not None:
            when = datetime.fromtimestamp(min(success.time, 253_402_300_799_000) / 1000, UTC).strftime(
                "%Y-%m-%d %H:%M:%S UTC"
            )
            where = f" from {success.where}" if success.where else ""
            evidence = Evidence(where="response_body", detail=f"This exact request succeeded on {when}{where}.")
            remedy = "Leave the request as it is; look at the proxy, the session and the target's state at that moment."
            found.append(
                Finding(cause="transient", confidence=0.88, blame="transport", remedy=remedy, evidence=[evidence])
            )
    text = " ".join(exchange.response_fields.get("server", ())) + "\n" + exchange.response_text[:8192]
    for name, sign in _BALANCERS:
        match = sign.search(text)
        if match is not None and not _origin_spoke(exchange):
            evidence = Evidence(
                where="response_body", detail=f"The answer is {name}'s own page; the target itself did not speak."
            )
            remedy = (
                "Compare the raw bytes with a good request, by hand and over another connection; nothing else is wrong."
            )
            found.append(
                Finding(cause="transient", confidence=0.55, blame="transport", remedy=remedy, evidence=[evidence])
            )
            break
    passing = _PASSING.search(exchange.response_text[:2048])
    if passing is not None and not found:
        detail = f"The server speaks of something that passes: {passing[0]!r}."
        remedy = "Nothing in the request needs to change; let the target recover."
        evidence = Evidence(where="response_body", detail=detail)
        found.append(Finding(cause="transient", confidence=0.6, blame="target", remedy=remedy, evidence=[evidence]))
    return found


def _origin_spoke(exchange: Exchange) -> bool:
    """An API's own answer in JSON comes from the origin, whichever proxy stands in `Server`."""
    return exchange.response_json is not None
