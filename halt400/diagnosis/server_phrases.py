"""Phrases of servers' error messages, by the kind of fault that they name.

A phrase only supports what the request itself shows: servers say "invalid json" about valid JSON, too.
"""

# ruff: noqa: E501 - a table of expressions or sources reads best with one entry a line
from __future__ import annotations

import re

from halt400.diagnosis.exchange import Exchange
from halt400.lazy_patterns import lazy_pattern

__all__ = ["PHRASES", "mentions"]

_LIMIT = 8192

PHRASES = {
    "empty_body": (
        r"unexpected end of (?:json )?input|end of (?:file|stream|input)|\bEOF\b|(?:empty|missing|no|required) (?:request )?(?:body|content|payload)"
        r"|(?:body|payload|content) (?:is |was |must |can)?(?:not be |be )?(?:empty|required|missing|mandatory)|no content to map|expecting value: line 1 column 1 \(char 0\)"
    ),
    "json": (
        r"pars(?:e|ing) (?:the )?(?:request )?(?:body|json)|json (?:pars|decod|syntax|is (?:not valid|malformed|invalid))|(?:invalid|malformed|bad|unparse?able) json"
        r"|not (?:a )?valid json|unexpected token|unexpected (?:end|character)|expecting (?:value|property name|',')|json_invalid|could not (?:parse|decode)|unable to (?:parse|decode|read)"
    ),
    "xml": r"xml (?:pars|is not well|document structures|syntax)|not well[- ]formed|malformed ?xml|saxparse|premature end of (?:file|data)|prolog",
    "url": (
        r"invalid character found in the request target|bad request line|malformed (?:url|uri|request path|escape)|illegal character in (?:path|query)"
        r"|invalid (?:url|uri|request[- ]target|request line)|uri ?(?:decode|malformed)|url encod|percent[- ]encod|failed to decode (?:param|uri)|ambiguous (?:uri|segment|path)"
    ),
    "host": r"invalid host(?:name| header)?|no host|host header|invalid hostname|unknown (?:host|domain|site)|disallowedhost|missing required host",
    "header": r"header (?:line|field|name|value)?s?\b.{0,40}(?:invalid|illegal|malformed|missing|required|not allowed|unexpected)|(?:invalid|illegal|malformed|missing|required|bad) (?:http )?header|mandatory header",
    "too_large": (
        r"too (?:large|big|long)|entity too large|exceed(?:s|ed)? .{0,40}(?:limit|maximum|max|size|length)|request header or cookie|size of a request header|header fields? too|payload size|larger than"
        r"|request[- ]line (?:is )?too|maximum (?:request|content|payload|body) (?:length|size)"
    ),
    "content_type": r"content[- ]?type|media ?type|unsupported (?:format|type)|mime ?type|charset",
    "tls": r"plain http request was sent to https|client sent an http request to an https server|speaking plain http to an ssl|no required ssl certificate|ssl certificate",
    "csrf": r"\bcsrf\b|\bxsrf\b|invalidauthenticitytoken|authenticity[_ ]token|antiforgery|anti-forgery|request ?verification ?token|page expired",
    "form": r"multipart|boundary|form[- ]data|urlencoded|unexpected end of (?:form|stream|part)",
    "framing": r"content-length|transfer-encoding|chunked?\b.{0,20}(?:invalid|size|encod)|smuggl|framing|protocol error|malformed (?:http )?request|parse error|illegal request",
}
_NEEDED = {"host": ("host", "unknown "), "tls": ("http ", "ssl")}
"""Every phrase of these two families, which are searched for at each 400, holds one of these texts. They are searched
for first, in a tenth of the time."""
_COMPILED = {name: lazy_pattern(pattern, re.IGNORECASE) for name, pattern in PHRASES.items()}


def mentions(exchange: Exchange, family: str) -> bool:
    """Whether the beginning of the response body holds a phrase of the family.

    Examples
    --------
    >>> from halt400.records import Request, Response
    >>> refusal = Response(status=400, body="400 The plain HTTP request was sent to HTTPS port")
    >>> mentions(Exchange(Request(method="GET", url="http://shop.example:443/"), refusal), "tls")
    True
    """
    if exchange.response is None:
        return False
    cache = exchange.parsed_response.cache
    found: bool | None = cache.get(family)
    if found is None:
        found = cache[family] = _holds(exchange.response_text[:_LIMIT], family)
    return found


def _holds(text: str, family: str) -> bool:
    needed = _NEEDED.get(family)
    if needed is not None and text.isascii():  # beyond ASCII, an expression ignores more differences than lower()
        lowered = text.lower()
        if needed[0] not in lowered and needed[1] not in lowered:
            return False
    return _COMPILED[family].search(text) is not None
