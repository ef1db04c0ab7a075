"""The cause missing_required_header: a field that good requests have, or that the server requires by name.

Sources: RFC 9110 section 5; the refusals of Spring (``MissingRequestHeaderException``), Django and Rails (CSRF),
FastAPI (``loc: ["header", ...]``), and API versions in a field (https://docs.anthropic.com/en/api/versioning).
"""

from __future__ import annotations

import re

from halt400.diagnosis.exchange import Exchange
from halt400.diagnosis.finding import CauseFinding, at_text
from halt400.diagnosis.places import SECRET_HEADERS
from halt400.diagnosis.profile import MIN_SUCCESSES, Profile
from halt400.diagnosis.server_errors import read_server_error
from halt400.diagnosis.server_phrases import mentions
from halt400.lazy_patterns import lazy_pattern
from halt400.records import Evidence

__all__ = ["CLIENT_FIELDS", "find", "had_csrf_token", "header_named"]

CLIENT_FIELDS = frozenset(
    {
        "host",
        "content-length",
        "connection",
        "accept-encoding",
        "transfer-encoding",
        "cookie",
        "if-none-match",
        "if-modified-since",
    }
)
"""Fields that the client library adds itself, or adds only sometimes: a recording often lacks them."""
_NAME = (
    r"[\"'`‘“]?(?P<name>[A-Za-z][A-Za-z0-9]*(?:-[A-Za-z0-9]+)+"
    r"|Authorization|Origin|Referer|Accept|Cookie|Host|User-Agent)[\"'`’”]?"
)
_NAMED = tuple(
    lazy_pattern(pattern, re.IGNORECASE)
    for pattern in (
        r"(?:missing|no|required|requires|must (?:include|specify|provide|send|have|set|contain)|expected|provide|need)"
        r"\s(?:an?\s|the\s|valid\s|required\s|request\s|http\s){0,4}"
        rf"headers?:?\s{{0,4}}(?:parameter\s|named\s|called\s)?{_NAME}",
        r"(?:missing|required|requires?|needs?|must)\b[^.:]{0,40}\bheaders?(?:\s[a-z]{1,20}){1,5}:"
        rf"\s{{0,3}}{_NAME}",
        rf"{_NAME}\s(?:is\s)?(?:missing|required|not\s(?:present|found|set))\s(?:in|from)\s(?:the\s)?(?:request\s|http\s)?"
        r"headers?\b",
        rf"headers?\s{_NAME}\s(?:for\s.{{0,80}}\s)?(?:is|was|are|must|not|cannot|should|required|missing)",
        rf"{_NAME}(?::)?\s(?:request\s|http\s)?headers?:?\s(?:field\s)?"
        r"(?:is\s|was\s|are\s|must\s|not\s|cannot\s|should\s|required|missing|with)",
        r"(?:missing|required|requires?|has|have|with|needs?|set|add|include|specify|provide|send|without|no)\s"
        rf"(?:an?\s|the\s|valid\s|required\s){{0,3}}{_NAME}\s(?:request\s|http\s)?headers?\b",
    )
)
_HEADER_ELEMENT = lazy_pattern(r"(?i)<headername>([^<]{1,80})</headername>")
_MISSING = lazy_pattern(
    r"missing|required|requires|not present|absent|must|no\s|expected|need"
    r"|not (?:set|found|provided|specified|included)",
    re.IGNORECASE,
)
_CONVENTIONAL = 0.5
_CSRF_FIELDS = (
    "x-csrf-token",
    "x-csrftoken",
    "x-xsrf-token",
    "csrf-token",
    "requestverificationtoken",
    "x-requested-with",
)
_STALE = lazy_pattern(
    r"(?:csrf|xsrf|authenticity)[\w -]{0,20}(?:has |have |is |was )?(?:expired|stale|too old)", re.IGNORECASE
)
_CSRF_BODY = lazy_pattern(rb"csrf|authenticity_token|_token=|__RequestVerificationToken", re.IGNORECASE)


def header_named(text: str) -> tuple[str, bool] | None:
    """The header field that a server's text names, and whether the text says that it is missing.

    Examples
    --------
    >>> header_named("Required request header 'X-Client-Id' for method parameter type String is not present")
    ('X-Client-Id', True)
    """
    text = text[:4096]
    if text.isascii() and "header" not in text.lower():  # every pattern holds the word
        return None
    for pattern in _NAMED:
        found = pattern.search(text)
        if found is not None:
            around = text[max(0, found.start() - 20) : found.end() + 40]
            return found["name"], _MISSING.search(around) is not None
    return None


def find(exchange: Exchange, profile: Profile | None = None) -> list[CauseFinding]:
    """Report a field that the server requires, or that every good request has.

    Examples
    --------
    >>> from halt400.records import Request, Response
    >>> refusal = Response(status=400, body='{"message": "Missing required header: X-Api-Version"}')
    >>> found = find(Exchange(Request(method="GET", url="https://a.example/"), refusal))
    >>> found[0].evidence[0].name, found[0].confidence
    ('X-Api-Version', 0.93)
    """
    found: list[CauseFinding] = []
    if exchange.refused:
        found.extend(_by_server(exchange))
        if not found and mentions(exchange, "csrf"):
            found.extend(_csrf(exchange))
    found.extend(_conventional(exchange))
    found.extend(_against_profile(exchange, profile))
    return found


def _finding(confidence: float, remedy: str, *evidence: Evidence) -> CauseFinding:
    return CauseFinding(cause="missing_required_header", confidence=confidence, remedy=remedy, evidence=list(evidence))


def _required_by_server(exchange: Exchange) -> tuple[str, bool] | None:
    error = read_server_error(exchange)
    named = next(((field.name, True) for field in error.fields if field.location == "header"), None)
    if named is None:
        named = next((found for found in map(header_named, error.messages) if found is not None), None)
        element = _HEADER_ELEMENT.search(exchange.response_text[:8192])
        if element is not None:
            named = (element[1].strip(), True)
    return named


def _by_server(exchange: Exchange) -> list[CauseFinding]:
    cache = exchange.parsed_response.cache
    if "required header" not in cache:
        cache["required header"] = _required_by_server(exchange)
    named: tuple[str, bool] | None = cache["required header"]
    if named is None:
        return []
    name, missing = named
    present = name.lower() in exchange.fields
    if present and name.lower() in {"content-type", "host", "content-length"}:
        return []
    if present:
        detail = f"The server names the header {name}, which was sent: its value is not what the server takes."
        sent, value = next((sent, value) for sent, value in exchange.headers if sent.lower() == name.lower())
        evidence = at_text("header", value, 0, detail, name=sent, secret=sent.lower() in SECRET_HEADERS)
        remedy = f"Correct the value of {name}."
        return [CauseFinding(cause="schema_violation", confidence=0.75, remedy=remedy, evidence=[evidence])]
    evidence = Evidence(where="header", name=name, detail=f"The server requires the header {name}; it was not sent.")
    return [_finding(0.93 if missing else 0.85, f"Send {name}.", evidence)]


def had_csrf_token(exchange: Exchange) -> bool:
    """Whether the request has a CSRF token, in a field or in its body, or the server says that one has expired."""
    if any(name in exchange.fields for name in _CSRF_FIELDS):
        return True
    if exchange.body is not None and _CSRF_BODY.search(exchange.body[:65536]) is not None:
        return True
    return _STALE.search(exchange.response_text[:4096]) is not None


def _csrf(exchange: Exchange) -> list[CauseFinding]:
    if had_csrf_token(exchange):
        return []  # it is stale, or belongs to another session: the cause expired_state
    detail = "The server requires a CSRF token; the request has none."
    remedy = "Read the token from the page or cookie that issues it, and send it in X-CSRF-Token."
    return [_finding(0.88, remedy, Evidence(where="header", name="X-CSRF-Token", detail=detail))]


def _conventional(exchange: Exchange) -> list[CauseFinding]:
    """Fields of a browser that a request with other fields of a browser lacks, and without which firewalls refuse.

    A request of another client is no browser's: what it lacks here is its own choice.
    """
    fields = exchange.fields
    if "host" not in fields or ("accept" in fields and "user-agent" in fields):
        return []
    if "accept-language" not in fields and not any("text/html" in accept for accept in fields.get("accept", ())):
        return []
    if "user-agent" not in fields:
        name, source = "User-Agent", "a client should send it (RFC 9110 section 10.1.5)"
    elif "accept" not in fields:
        name, source = "Accept", "browsers always send it with Accept-Language"
    else:
        return []
    detail = f"{name} is missing: {source}, and firewalls refuse requests without it (OWASP CRS 920300, 920320)."
    confidence = 0.35 if exchange.refused else _CONVENTIONAL
    return [_finding(confidence, f"Send {name}.", Evidence(where="header", name=name, detail=detail))]


def _against_profile(exchange: Exchange, profile: Profile | None) -> list[CauseFinding]:
    known = profile.template_for_exchange(exchange) if profile is not None else None
    if known is None or known.successes < MIN_SUCCESSES:
        return []
    missing = [
        (known.presence(name), seen.spelling)
        for name, seen in known.headers.items()
        if name not in exchange.fields and known.presence(name) >= 0.9
    ]
    own = sorted((item for item in missing if item[1].lower() not in CLIENT_FIELDS), reverse=True)
    if exchange.body is None or not exchange.body:
        own = [item for item in own if item[1].lower() != "content-type"]
    if not own:
        return []
    # With n successes that all carried it, the chance that a good request does without is about 1 / (n + 2).
    certainty = own[0][0] * (known.successes + 1) / (known.successes + 2)
    confidence = min(0.85, certainty) if exchange.refused else min(0.75, certainty)
    evidence = [
        Evidence(
            where="header",
            name=name,
            detail=f"{name} is missing; {presence:.0%} of {known.successes} good requests to this template carried it.",
        )
        for presence, name in own[:5]
    ]
    return [_finding(confidence, f"Send {', '.join(name for _, name in own[:5])}.", *evidence)]
