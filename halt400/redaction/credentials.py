"""Values whose grammar is known: Authorization, Cookie and Set-Cookie, and the userinfo of a URL.

What the grammar needs stays (scheme, names of parameters and cookies, attributes); the secrets are replaced.
Sources: RFC 9110 section 11.4 (credentials), RFC 6265 section 4 (cookies), RFC 3986 section 3.2.1 (userinfo).
"""

import re
from collections.abc import Callable
from itertools import islice

from halt400.lazy_patterns import lazy_pattern

__all__ = ["HEADER_KINDS", "SCHEME", "Replace", "authorization", "cookie", "set_cookie", "userinfo_spans"]

Replace = Callable[[str], str]

HEADER_KINDS = {
    "authorization": "authorization",
    "proxy-authorization": "authorization",
    "x-authorization": "authorization",
    "x-forwarded-authorization": "authorization",
    "x-original-authorization": "authorization",
    "cookie": "cookie",
    "cookie2": "cookie",
    "set-cookie": "set-cookie",
    "set-cookie2": "set-cookie",
}
"""Header names, in lower case, whose values have a grammar of their own."""

SCHEME = (
    "apikey|api-key|aws|aws4-hmac-sha256|aws4-ecdsa-p256-sha256|basic|bearer|bot|concealed|digest|dpop|eg1-hmac-sha256"
    "|genie ?key|gnap|googlelogin|hawk|hmac-sha256|hmac|hoba|jwt|key|mac|mutual|negotiate|ntlm|oauth|privatetoken"
    "|sapisidhash|scram-sha-1|scram-sha-256|sharedaccesssignature|sharedkey|sharedkeylite|signature|splunk|ssws|token"
    "|vapid|wsse|zoho-oauthtoken"
)
"""The authentication schemes that stay readable, as a regular expression without groups."""

_SCHEMES = lazy_pattern(rf"\s*(?:(?:{SCHEME})(?:\s+|\s*:\s+|$))+", re.IGNORECASE)
_PARAMETER = lazy_pattern(r'([A-Za-z][A-Za-z0-9_-]{0,40})(\s{0,4}=\s{0,4})(\\{0,7}"(?!\s{0,16}[,:}\]]))?([^",\\]*)')
_QUOTED = lazy_pattern(r'"(?!\s{0,16}[,:}\]])(.+)"', re.DOTALL)
"""A value in quotes, unless the first quote seems to close a string of JSON."""
_NEXT_PARAMETER = lazy_pattern(r"(,(?=\s{0,8}[A-Za-z][A-Za-z0-9_-]{0,40}\s{0,4}=))")
_ONE_WORD_SCHEME = lazy_pattern(r"(?:bearer|basic)\W*\Z", re.IGNORECASE)
_OPEN_PARAMETERS = {
    *("algorithm", "charset", "headers", "nc", "oauth_signature_method", "oauth_timestamp", "oauth_version"),
    *("qop", "realm", "signedheaders", "stale", "uri", "userhash", "version"),
}


def authorization(value: str, replace: Replace, first_word: Callable[[str], int] = len) -> str:
    """Credentials with the scheme kept, and the parameter names of Digest, AWS4-HMAC-SHA256, OAuth and the like.

    Parameters
    ----------
    value, replace
        The value of the header, and the replacement of a secret in it.
    first_word
        Where the first run of characters that `replace` replaces ends. After Bearer and Basic it is replaced by itself:
        it is also found by its format, and must be found to be a token then.

    >>> authorization("Bearer Bearer abc", lambda secret: "#" * len(secret))
    'Bearer Bearer ###'
    """
    scheme = _SCHEMES.match(value)
    start = scheme.end() if scheme else 0
    credentials = value[start:]
    parameter = _PARAMETER.match(credentials) if scheme else None
    one_word = scheme is not None and _ONE_WORD_SCHEME.search(scheme[0]) is not None
    if parameter and (parameter[3] or (not one_word and _NEXT_PARAMETER.search(credentials))):
        return value[:start] + _parameters(credentials, replace)
    end = first_word(credentials) if one_word else len(credentials)
    return value[:start] + replace(credentials[:end]) + replace(credentials[end:])


def _parameters(credentials: str, replace: Replace) -> str:
    pieces: list[str] = []
    for index, part in enumerate(_NEXT_PARAMETER.split(credentials)):
        found = _PARAMETER.match(part, len(part) - len(part.lstrip()))
        if index % 2 or not part:
            pieces.append(part)
        elif found is None:
            pieces.append(replace(part))
        elif found[1].lower() in _OPEN_PARAMETERS:
            pieces.append(part)
        else:
            rest = part[found.start(4) :]
            quote = found[3] or ""
            closing = rest.rfind(quote) if quote else len(rest)
            closing = closing if closing > 0 else len(rest)
            pieces.append(part[: found.start(4)] + replace(rest[:closing]) + rest[closing:])
    return "".join(pieces)


def cookie(value: str, replace: Replace) -> str:
    """A Cookie header with the names kept and every value replaced; a pair without a name is replaced whole.

    >>> cookie("a=secret; theme=dark", lambda secret: "#" * len(secret))
    'a=######; theme=####'
    """
    return ";".join(_cookie_pair(pair, replace) for pair in value.split(";"))


def _cookie_pair(pair: str, replace: Replace) -> str:
    name, equals, secret = pair.partition("=")
    if not equals:
        return _replace_inner(pair, replace)
    return name + equals + _replace_inner(secret, replace)


def _replace_inner(text: str, replace: Replace) -> str:
    """Replace the text inside white space and quotes, which belong to the grammar."""
    inner = text.strip(" \t\r\n")
    inner = quoted[1] if (quoted := _QUOTED.fullmatch(inner)) else inner
    if not inner:
        return text
    start = text.index(inner)
    return text[:start] + replace(inner) + text[start + len(inner) :]


def set_cookie(value: str, replace: Replace) -> str:
    """A Set-Cookie header with name and attributes kept and the value replaced.

    >>> set_cookie("sid=secret; Path=/; HttpOnly", lambda secret: "#" * len(secret))
    'sid=######; Path=/; HttpOnly'
    """
    pair, semicolon, attributes = value.partition(";")
    return _cookie_pair(pair, replace) + semicolon + attributes


_USERINFO = lazy_pattern(r""":(?://|\\/\\/)([^\s/?#"'<>\\]*)@""")
_USERINFO_BROKEN = lazy_pattern(
    r""":(?://|\\/\\/)([^\s/?#"'<>\\@:]+:(?![0-9]{0,5}(?:[/?#"'<>\\\s]|\Z))[^\s"'<>\\@/]*[/?#][^\s"'<>\\@]*)@"""
)
_USERINFO_ENCODED = lazy_pattern(r"""%3[Aa]%2[Ff]%2[Ff]((?:(?!%2[Ff]|%3[Ff]|%23|%40)[^\s&"'<>/@])*+)%40""")
_COLON = lazy_pattern(r":|%3[Aa]")
_PROXY_PAIR = lazy_pattern(
    r"""(?<![^\s"'=,(\[{<])(?!//)([^\s"'=,(\[{<>:/@]{1,128}+:[^\s"'<>:/@]{1,256}+)@(?=[\w.-]{1,253}:[0-9]{2,5}\b)"""
)


def userinfo_spans(text: str, replace: Replace, most: int) -> list[tuple[int, int, str]]:
    """The places of user names and passwords in URLs, percent-encoded URLs and ``user:password@proxy:8080``.

    Parameters
    ----------
    most
        The greatest number of places to find, the first in the text.

    Returns
    -------
    list of (start, end, replaced)
        In order. Where two overlap, the first counts.
    """
    patterns = [_USERINFO, _USERINFO_BROKEN, _PROXY_PAIR]
    if "%40" in text:
        patterns.append(_USERINFO_ENCODED)
    places = sorted(match.span(1) for pattern in patterns for match in islice(pattern.finditer(text), most))
    return [(start, end, _userinfo(text[start:end], replace)) for start, end in places[:most]]


def _userinfo(userinfo: str, replace: Replace) -> str:
    colon = _COLON.search(userinfo)
    if colon is None:
        return replace(userinfo)
    return replace(userinfo[: colon.start()]) + colon[0] + replace(userinfo[colon.end() :])
