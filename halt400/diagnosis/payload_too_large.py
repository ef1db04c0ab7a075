"""The cause payload_too_large: a body, URL, header or cookie above the limit of the server, its CDN, or the target.

Sources: RFC 9110 sections 15.5.14 and 15.5.15, RFC 6585 section 5; many servers answer 400 instead. The limits are the
documented defaults of the vendors, each with its page. A server that names itself is held to its own limit. For others
the smallest limits in wide use count, with less confidence.
"""

# ruff: noqa: E501 - a table of expressions or sources reads best with one entry a line
from __future__ import annotations

import re

from msgspec import Struct

from halt400.diagnosis.exchange import Exchange
from halt400.diagnosis.finding import CauseFinding, at_text
from halt400.diagnosis.server_phrases import mentions
from halt400.records import Evidence

__all__ = ["LIMITS", "Limit", "find", "sizes"]


_MOST_PARAMETERS, _LONGEST_NAME = 255, 100
"""Of https://github.com/coreruleset/coreruleset/blob/main/crs-setup.conf.example."""
_LONG_NAME = re.compile(r"&([^=&#]{101,4096})=")


class Limit(Struct, frozen=True):
    """One documented limit: `what` is url, header (one field line), headers (all), header_count or body."""

    server: str
    what: str
    limit: int
    source: str


LIMITS = (
    Limit("apache", "url", 8190, "https://httpd.apache.org/docs/2.4/mod/core.html#limitrequestline"),
    Limit("apache", "header", 8190, "https://httpd.apache.org/docs/2.4/mod/core.html#limitrequestfieldsize"),
    Limit("apache", "header_count", 100, "https://httpd.apache.org/docs/2.4/mod/core.html#limitrequestfields"),
    Limit("nginx", "url", 8192, "https://nginx.org/en/docs/http/ngx_http_core_module.html#large_client_header_buffers"),
    Limit(
        "nginx", "header", 8192, "https://nginx.org/en/docs/http/ngx_http_core_module.html#large_client_header_buffers"
    ),
    Limit("nginx", "body", 1 << 20, "https://nginx.org/en/docs/http/ngx_http_core_module.html#client_max_body_size"),
    Limit(
        "openresty",
        "header",
        8192,
        "https://nginx.org/en/docs/http/ngx_http_core_module.html#large_client_header_buffers",
    ),
    Limit(
        "iis",
        "url",
        4096,
        "https://learn.microsoft.com/iis/configuration/system.webserver/security/requestfiltering/requestlimits/",
    ),
    Limit(
        "iis",
        "headers",
        16384,
        "https://learn.microsoft.com/troubleshoot/developer/webapps/iis/iisadmin-service-inetinfo/httpsys-registry-windows",
    ),
    Limit(
        "iis",
        "body",
        30_000_000,
        "https://learn.microsoft.com/iis/configuration/system.webserver/security/requestfiltering/requestlimits/",
    ),
    Limit("kestrel", "url", 8192, "https://learn.microsoft.com/aspnet/core/fundamentals/servers/kestrel/options"),
    Limit("kestrel", "headers", 32768, "https://learn.microsoft.com/aspnet/core/fundamentals/servers/kestrel/options"),
    Limit("tomcat", "headers", 8192, "https://tomcat.apache.org/tomcat-10.1-doc/config/http.html#maxHttpHeaderSize"),
    Limit(
        "jetty", "headers", 8192, "https://jetty.org/docs/jetty/12/operations-guide/modules/standard.html#http-config"
    ),
    Limit("gunicorn", "url", 4094, "https://docs.gunicorn.org/en/stable/settings.html#limit-request-line"),
    Limit("gunicorn", "header", 8190, "https://docs.gunicorn.org/en/stable/settings.html#limit-request-field-size"),
    Limit("gunicorn", "header_count", 100, "https://docs.gunicorn.org/en/stable/settings.html#limit-request-fields"),
    Limit("node", "headers", 16384, "https://nodejs.org/api/cli.html#--max-http-header-sizesize"),
    Limit("haproxy", "headers", 16384, "https://docs.haproxy.org/3.0/configuration.html#tune.bufsize"),
    Limit("envoy", "headers", 61440, "https://www.envoyproxy.io/docs/envoy/latest/faq/configuration/resource_limits"),
    Limit(
        "cloudflare", "headers", 131072, "https://developers.cloudflare.com/fundamentals/reference/connection-limits/"
    ),
    Limit("cloudflare", "url", 16384, "https://developers.cloudflare.com/fundamentals/reference/connection-limits/"),
    Limit(
        "cloudflare", "body", 100_000_000, "https://developers.cloudflare.com/fundamentals/reference/connection-limits/"
    ),
    Limit(
        "cloudfront",
        "url",
        8192,
        "https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cloudfront-limits.html",
    ),
    Limit(
        "cloudfront",
        "headers",
        32768,
        "https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cloudfront-limits.html",
    ),
    Limit(
        "awselb",
        "url",
        16384,
        "https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html",
    ),
    Limit(
        "awselb",
        "header",
        16384,
        "https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html",
    ),
    Limit(
        "awselb",
        "headers",
        65536,
        "https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html",
    ),
    Limit(
        "apigateway",
        "headers",
        10240,
        "https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html",
    ),
    Limit(
        "apigateway",
        "body",
        10 << 20,
        "https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html",
    ),
    Limit("google", "headers", 65536, "https://cloud.google.com/load-balancing/docs/quotas#https-lb-header-limits"),
)
_SERVER_SIGNS = (
    ("openresty", re.compile("openresty", re.IGNORECASE)),
    ("nginx", re.compile(r"\bnginx\b|tengine", re.IGNORECASE)),
    ("tomcat", re.compile("tomcat|coyote", re.IGNORECASE)),
    ("apache", re.compile(r"\bapache\b", re.IGNORECASE)),
    ("iis", re.compile(r"microsoft-(?:iis|httpapi)", re.IGNORECASE)),
    ("kestrel", re.compile("kestrel", re.IGNORECASE)),
    ("jetty", re.compile("jetty", re.IGNORECASE)),
    ("gunicorn", re.compile("gunicorn", re.IGNORECASE)),
    ("envoy", re.compile("envoy", re.IGNORECASE)),
    ("cloudflare", re.compile("cloudflare", re.IGNORECASE)),
    ("cloudfront", re.compile("cloudfront", re.IGNORECASE)),
    ("awselb", re.compile("awselb", re.IGNORECASE)),
    ("google", re.compile(r"\bgws\b|google frontend|\bESF\b", re.IGNORECASE)),
)
_NAMES = {
    "url": "The URL",
    "header": "The header field",
    "headers": "The header section",
    "header_count": "The number of header fields",
    "body": "The body",
}
_REMEDIES = {
    "url": "Move the values from the URL into a body, or ask for less at a time.",
    "header": "Drop the cookies and values that the target does not need; start from a fresh cookie jar.",
    "headers": "Drop the cookies and values that the target does not need; start from a fresh cookie jar.",
    "header_count": "Send fewer header fields.",
    "body": "Send the body in smaller pieces.",
}
_COMMON_LIMITS = {"url": (8190, 32768), "header": (8190, 65536), "headers": (16384, 131072), "header_count": (100, 200)}
"""The smallest default in wide use, which many servers refuse, and the size that nearly all refuse."""
_SMALL = 1024
_HARMLESS = {
    what: min(_COMMON_LIMITS.get(what, (1 << 30,))[0], *(known.limit for known in LIMITS if known.what == what))
    for what in _NAMES
}
"""The size up to which no known server refuses."""


def sizes(exchange: Exchange) -> tuple[dict[str, int], str | None]:
    """Measure a request; the second value names the largest header field.

    Examples
    --------
    >>> from halt400.records import Request
    >>> sizes(Exchange(Request(method="GET", url="https://a.example/x", headers=[("Accept", "*/*")])))[0]["headers"]
    13
    """
    largest, name_of_largest, total = 0, None, 0
    for name, value in exchange.headers:
        size = len(name) + len(value) + 4
        total += size
        if size > largest:
            largest, name_of_largest = size, name
    target = exchange.url.partition("://")[2]
    url = len(target) - target.find("/") if "/" in target else len(exchange.url)
    measured = {"url": url, "header": largest, "headers": total, "header_count": len(exchange.headers)}
    if exchange.body_size is not None:
        measured["body"] = exchange.body_size
    return measured, name_of_largest


def find(exchange: Exchange, largest_success: dict[str, int] | None = None) -> list[CauseFinding]:
    """Report a part above a known limit, or far above the largest that this target accepted.

    Examples
    --------
    >>> from halt400.records import Request, Response
    >>> request = Request(method="GET", url="https://a.example/", headers=[("Cookie", "a=" + "b" * 9000)])
    >>> refusal = Response(status=400, headers=[("Server", "nginx")], body="Request Header Or Cookie Too Large")
    >>> find(Exchange(request, refusal))[0].confidence
    0.97
    """
    many = _many_parameters(exchange.url) if len(exchange.url) > _LONGEST_NAME else None
    found = [many] if many is not None else []
    if _is_small(exchange):
        return found
    measured, field = sizes(exchange)
    if not exchange.refused and measured["headers"] < 8190 and measured["url"] < 4094 and len(exchange.headers) <= 100:
        return found
    for what, size in measured.items():
        if size <= _HARMLESS[what]:
            continue
        server, confirmed = _server(exchange), _server_says_so(exchange)
        limit = next(
            (known for known in LIMITS if known.server == server and known.what == what and size > known.limit), None
        )
        common = _COMMON_LIMITS.get(what)
        if limit is not None:
            confidence = 0.97 if confirmed else 0.85 if what != "body" else 0.6
            detail = f"{_label(what, field)} is {size:,} bytes, above {server}'s {limit.limit:,} ({limit.source})."
        elif common is not None and size > common[0]:
            confidence = 0.95 if confirmed else 0.85 if size > common[1] else 0.7 if exchange.refused else 0.6
            detail = f"{_label(what, field)} is {size:,} bytes; many servers stop at {common[0]:,}."
        else:
            continue
        if what == "header_count":
            detail = detail.replace(" bytes", "")
        found.append(_finding(what, confidence, detail, field))
    if not found and exchange.refused:
        found.extend(_against_largest_success(exchange, measured, largest_success or {}, field))
    return found


def _many_parameters(url: str) -> CauseFinding | None:
    """More query parameters, or a longer name of one, than firewalls and frameworks take."""
    query = url[: 1 << 16].partition("?")[2]
    count = query.count("&") + 1
    if count > _MOST_PARAMETERS:
        limits = f"the OWASP CRS stops at {_MOST_PARAMETERS} (tx.max_num_args), Tomcat and PHP at 1,000"
        detail = f"{count:,} query parameters; {limits}."
    elif len(query) > _LONGEST_NAME and (found := _LONG_NAME.search("&" + query)) is not None:
        limit = f"the OWASP CRS stops at {_LONGEST_NAME} (tx.arg_name_length)"
        detail = f"The name of a query parameter has {len(found[1])} characters; {limit}."
    else:
        return None
    evidence = at_text("url", url[: 1 << 16], url.find("?") + 1, detail)
    remedy = "Send fewer parameters with short names, or move them into the body."
    confidence = 0.7 if count > 1000 else 0.5
    return CauseFinding(cause="payload_too_large", confidence=confidence, remedy=remedy, evidence=[evidence])


def _is_small(exchange: Exchange) -> bool:
    """Whether no part is above any known limit or above what every target takes."""
    if len(exchange.url) > _SMALL or len(exchange.headers) > _SMALL // 16 or (exchange.body_size or 0) > _SMALL:
        return False
    return exchange.parsed_headers.size <= _SMALL


def _server_says_so(exchange: Exchange) -> bool:
    return mentions(exchange, "too_large") or exchange.status in (413, 414, 431)


def _against_largest_success(
    exchange: Exchange, measured: dict[str, int], largest: dict[str, int], field: str | None
) -> list[CauseFinding]:
    for what in ("body", "headers", "url"):
        size, known = measured.get(what, 0), largest.get(what, 0)
        if known and size > max(_SMALL, 2 * known):
            confidence = 0.95 if _server_says_so(exchange) else 0.5
            detail = f"{_label(what, field)} is {size:,} bytes; the largest that this target took was {known:,}."
            return [_finding(what, confidence, detail, field)]
    candidates = {what: measured.get(what, 0) for what in ("body", "headers", "url")}
    what = max(candidates, key=lambda key: candidates[key])
    if candidates[what] > 2048 and _server_says_so(exchange):
        detail = f"The server says that the request is too large; the largest part: {_label(what, field)}, {candidates[what]:,} bytes."
        return [_finding(what, 0.8, detail, field)]
    return []


def _label(what: str, field: str | None) -> str:
    return f"{_NAMES[what]} {field[:60]}" if what == "header" and field else _NAMES[what]


def _finding(what: str, confidence: float, detail: str, field: str | None) -> CauseFinding:
    where = {"url": "url", "body": "body"}.get(what, "header")
    evidence = Evidence(where=where, detail=detail, name=field if what == "header" else None)
    return CauseFinding(cause="payload_too_large", confidence=confidence, remedy=_REMEDIES[what], evidence=[evidence])


def _server(exchange: Exchange) -> str | None:
    if exchange.response is None:
        return None
    cache = exchange.parsed_response.cache
    if "server" not in cache:
        cache["server"] = _server_named(exchange)
    name: str | None = cache["server"]
    return name


def _server_named(exchange: Exchange) -> str | None:
    text = (
        " ".join(exchange.response_fields.get("server", ())) + " " + " ".join(exchange.response_fields.get("via", ()))
    )
    text += " " + exchange.response_text[-400:]
    return next((name for name, sign in _SERVER_SIGNS if sign.search(text)), None)
