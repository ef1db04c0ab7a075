"""Where a request carries its credential, and where the state that it refers to: names and places, never a value."""

# ruff: noqa: E501 - a table of expressions reads best with one entry a line
from __future__ import annotations

import re
from urllib.parse import unquote

from halt400.diagnosis.exchange import Exchange
from halt400.diagnosis.finding import at_body, at_text
from halt400.diagnosis.locations import locate_name
from halt400.lazy_patterns import lazy_pattern
from halt400.records import Evidence

__all__ = ["credential_place", "is_credential_name", "is_cursor_name", "is_secret_name", "is_state_name", "state_place"]

_HEADERS = lazy_pattern(
    r"authorization|x-authorization|(?:[\w-]{1,40}-)?(?:api|app|auth|access|client|subscription|consumer|secret|partner|mbx-api|service)"
    r"-?(?:key|token|secret|id|sign)|(?:x-)?apikey|[\w-]{1,40}-(?:token|signature|sign|apikey|access-token)|dpop|ocp-apim-subscription-key|x-sfdc-session",
    re.IGNORECASE,
)
_CREDENTIAL_NAMES = frozenset(
    {"key", "apikey", "accesstoken", "token", "authtoken", "appid", "appkey", "appsecret", "clientid", "clientsecret",
     "refreshtoken", "idtoken", "secret", "signature", "sig", "sign", "xamzcredential", "xamzsignature", "xamzsecuritytoken",
     "awsaccesskeyid", "accesskeyid", "accesskey", "subscriptionkey", "password", "passwd", "pass", "username", "login", "assertion",
     "clientassertion", "code", "codeverifier", "authorization", "credential", "credentials", "apitoken", "bearer", "auth",
     "consumerkey", "oauthtoken", "oauthsignature", "sessionkey", "usertoken", "developertoken", "hmac", "timestamp", "grant"}
)  # fmt: skip
_SECRET_NAMES = frozenset(
    {
        "apikey",
        "accesstoken",
        "authtoken",
        "clientsecret",
        "refreshtoken",
        "accesskey",
        "oauthtoken",
        "apitoken",
        "subscriptionkey",
    }
)
_CREDENTIAL_ORDER = (
    "refresh_token", "client_secret", "access_token", "api_key", "apikey", "key", "appid", "app_id", "token", "auth_token", "id_token", "idToken",
    "assertion", "client_assertion", "code", "X-Amz-Credential", "X-Amz-Signature", "signature", "sig", "sign", "password", "secret", "client_id",
)  # fmt: skip
_STATE_NAMES = lazy_pattern(
    r"(?:.*(?:cursor|pagetoken|nexttoken|continuationtoken|continuetoken|synctoken|deltatoken|skiptoken|scrollid|pageinfo|nextpage|resumetoken|shard"
    r"iterator|iterator|querylocator|sessionid|csrftoken|xsrftoken|authenticitytoken|requestverificationtoken|nonce|viewstate|formkey|"
    r"guesttoken|uploadid|searchid|devicecode|linktoken|publictoken|exclusivestartkey|nextmarker|paginationtoken|listtoken|historyid|statetoken))"
    r"|after|before|marker|continue|sid|session|csrf|xsrf|token|state|pos|since|from|pit|sessiontoken|startingafter|endingbefore|offset|bookmark|next|delta|scroll"
)
_CURSOR_NAMES = lazy_pattern(
    r".*(?:cursor|pagetoken|nexttoken|continuationtoken|continuetoken|synctoken|deltatoken|skiptoken|scrollid|pageinfo|resumetoken|sharditerator"
    r"|querylocator|sessionid|csrftoken|xsrftoken|authenticitytoken|requestverificationtoken|viewstate|formkey|guesttoken|paginationtoken)|nonce"
)
_STATE_ORDER = (
    "cursor", "pageToken", "page_token", "next_token", "NextToken", "nextToken", "continuation-token", "continuationToken", "continue", "page_info",
    "scroll_id", "scrollId", "pit", "ShardIterator", "sync_token", "syncToken", "after", "starting_after", "before", "start_cursor", "next_cursor", "nextPageToken",
    "ExclusiveStartKey", "PaginationToken", "pagination_token", "Marker", "marker", "csrf_token", "csrfmiddlewaretoken", "authenticity_token", "_token",
    "__RequestVerificationToken", "_csrf", "nonce", "_wpnonce", "form_key", "__VIEWSTATE", "session_id", "sessionId", "session", "sid", "upload_id", "uploadId",
    "device_code", "link_token", "public_token", "offset", "pos", "SignatureNonce", "$skiptoken", "$deltatoken", "resume_token", "search_id", "state",
)  # fmt: skip
_STATE_HEADERS = ("x-csrf-token", "x-csrftoken", "x-xsrf-token", "x-guest-token", "x-wp-nonce", "x-session-id", "x-session-token", "mcp-session-id", "dpop", "cookie")  # fmt: skip
_TIMES = lazy_pattern(r"(?:[\w-]{1,40}-)?(?:timestamp|expires|expiry)|x-amz-date", re.IGNORECASE)
_PLAIN = lazy_pattern(r"[^a-z0-9]+")
_SCOPE = lazy_pattern(r"Credential=[^/,\s]{1,128}/(\d{8})/([\w-]{1,30})/([\w-]{1,40})/aws4_request")
_MAX_HEADERS = 200


def is_credential_name(name: str) -> bool:
    """Whether a field of that name carries a credential."""
    return _PLAIN.sub("", name.lower().rpartition(".")[2]) in _CREDENTIAL_NAMES


def is_secret_name(name: str) -> bool:
    """Whether a field of that name can be nothing but a credential."""
    return _PLAIN.sub("", name.lower().rpartition(".")[2]) in _SECRET_NAMES


def is_state_name(name: str) -> bool:
    """Whether a field of that name refers to state of the target: a cursor, a session, a nonce."""
    return _STATE_NAMES.fullmatch(_PLAIN.sub("", name.lower().rpartition(".")[2])) is not None


def is_cursor_name(name: str) -> bool:
    """Whether a field of that name can be nothing but a reference to state of the target."""
    return _CURSOR_NAMES.fullmatch(_PLAIN.sub("", name.lower().rpartition(".")[2])) is not None


def credential_place(exchange: Exchange, detail: str, *, of_time: bool = False) -> Evidence | None:
    """Where the request carries its credential: a header, a parameter or a member of the body; None where nowhere.

    `of_time`: the clock is at fault, so the header with the time that was signed goes first.

    Examples
    --------
    >>> from halt400.records import Request
    >>> found = credential_place(Exchange(Request(method="GET", url="https://a.example/?key=AIzaXXXX")), "Not valid.")
    >>> found.name, found.excerpt
    ('key', 'https://a.example/?key=••••••••')
    """
    if of_time:
        for name, value in exchange.headers[:_MAX_HEADERS]:
            if _TIMES.fullmatch(name) is not None:
                return at_text("header", value, 0, "The time that was signed.", name=name)
    for name, value in exchange.headers[:_MAX_HEADERS]:
        if _HEADERS.fullmatch(name) is not None and value:
            scope = _SCOPE.search(value[:1000])
            if scope is not None:
                signed = f"signed for {scope[3]} in {scope[2]} on {scope[1][:4]}-{scope[1][4:6]}-{scope[1][6:]}"
                detail = f"{detail} The request is {signed}."
            return at_text("header", value, 0, detail, name=name, secret=True)
    found = _named(exchange, _CREDENTIAL_ORDER, detail)
    if found is None and any(name.lower() == "cookie" for name, _ in exchange.headers[:_MAX_HEADERS]):
        cookie = next(value for name, value in exchange.headers if name.lower() == "cookie")
        return at_text("header", cookie, 0, detail, name="Cookie", secret=True)
    return found


def state_place(exchange: Exchange, detail: str) -> Evidence | None:
    """Where the request refers to state of the target; None where no such field is found."""
    found = _named(exchange, _STATE_ORDER, detail)
    if found is not None:
        return found
    for wanted in _STATE_HEADERS:
        if wanted in exchange.fields:
            name, value = next((name, value) for name, value in exchange.headers if name.lower() == wanted)
            return at_text("header", value, 0, detail, name=name, secret=True)
    return None


def _named(exchange: Exchange, names: tuple[str, ...], detail: str) -> Evidence | None:
    sent = _parameter_names(exchange)
    for name in names:
        plain = _PLAIN.sub("", name.lower())
        if plain in sent:
            start, spelled = sent[plain]
            place = at_text("url", exchange.url, start, detail, length=len(spelled), name=spelled)
            return _hidden(place, exchange.url, start, spelled)
    if not exchange.parseable_body:
        return None
    members = exchange.parseable_body.lower()
    for name in names:
        if name.lower().encode() in members:
            found = locate_name(exchange, name, "body", detail)
            if found is not None and found.offset is not None:
                body = exchange.parseable_body
                # Only the line up to the name: what follows is the value.
                length = found.length or 1
                return at_body(body[: found.offset + length], found.offset, detail, length=length, name=name)
    return None


def _hidden(place: Evidence, url: str, start: int, spelled: str) -> Evidence:
    """The place with the value of the parameter masked, whatever its form."""
    equals = start + len(spelled)
    end = min((at for at in (url.find("&", equals), url.find("#", equals)) if at >= 0), default=len(url))
    masked = url[: equals + 1] + "•" * max(0, end - equals - 1) + url[end:]
    return at_text("url", masked, start, place.detail, length=len(spelled), name=spelled)


def _parameter_names(exchange: Exchange) -> dict[str, tuple[int, str]]:
    """The query's parameters by their plain names: where each name begins, and how it is spelled."""
    url = exchange.url[:16_384]
    start = url.find("?")
    found: dict[str, tuple[int, str]] = {}
    if start < 0:
        return found
    at = start + 1
    for pair in url[start + 1 :].partition("#")[0].split("&")[:128]:
        name = pair.partition("=")[0]
        if name:
            found.setdefault(_PLAIN.sub("", unquote(name).lower()), (at, name))
        at += len(pair) + 1
    return found
