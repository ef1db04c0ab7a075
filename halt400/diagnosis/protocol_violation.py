"""The cause protocol_violation: a request that breaks the rules of HTTP itself.

Sources: RFC 9110 (5.1 field names, 5.5 field values, 7.2 Host, 9.1 methods), RFC 9112 (2.6 version, 3.2 request target,
5.2 folded lines), RFC 6455 section 4.1 (WebSocket opening). Framing is in `framing`, HTTP/2 and 3 in `http2`,
forms of the target and other protocols in `wire`.
"""

from __future__ import annotations

import re

from halt400.diagnosis import framing, http2, odd_fields, wire
from halt400.diagnosis.exchange import Exchange
from halt400.diagnosis.finding import CauseFinding, at_text
from halt400.diagnosis.http_methods import KNOWN_METHODS, METHODS
from halt400.diagnosis.invalid_url_encoding import components
from halt400.diagnosis.server_phrases import mentions
from halt400.records import Evidence

__all__ = ["find"]

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TOKEN_NAME = re.compile(r":?[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CLEAN_VALUE = re.compile(r"[\t\x20-\x7e]*+")
_BAD_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]|[^\x00-\xff]")
_FOLD = re.compile(r"\r?\n[ \t]")
_VERSIONS = frozenset({"1.0", "1.1", "2", "2.0", "3", "3.0", "h2", "h3", "h2c", "unknown", ""})
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]+)(?::[0-9]{0,5})?")
_PLAIN_HOST = re.compile(r"[A-Za-z0-9.-]{1,255}(?::[0-9]{1,5})?")
_SPECIAL = frozenset({"transfer-encoding", "upgrade", "expect"})
"""Fields that need a closer look."""
_MAX_HOST_CHARS = 261  # 255 of a name, a colon and a port
_SINGLETONS = {
    "authorization": "Authorization",
    "user-agent": "User-Agent",
    "referer": "Referer",
    "origin": "Origin",
    "if-modified-since": "If-Modified-Since",
    "content-range": "Content-Range",
    "cookie": "Cookie",
}
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def find(exchange: Exchange) -> list[CauseFinding]:
    """Report defects of the request line, Host, field lines, framing and pseudo-headers.

    Examples
    --------
    >>> from halt400.records import Request
    >>> request = Request(method="GET", url="https://a.example/", headers=[("X-Id ", "7")])
    >>> find(Exchange(request))[0].evidence[0].detail
    "The header name 'X-Id ' holds a space, which no name may."
    """
    if _is_usual(exchange):
        return [] if not exchange.refused else _by_words(exchange)
    other = wire.other_protocol(exchange)
    if other is not None:
        return [other]
    found = [*_request_line(exchange), *_field_lines(exchange), *framing.find(exchange), *http2.find(exchange)]
    found.extend(wire.find(exchange))
    found.extend(odd_fields.find(exchange))
    found.extend(_host(exchange))
    found.extend(_repeated(exchange))
    found.extend(_websocket(exchange))
    if exchange.refused and not found and mentions(exchange, "tls"):
        found.append(_plain_to_tls(exchange))
    return found


def _is_usual(exchange: Exchange) -> bool:
    """Whether one look finds nothing of what this module reports, whatever the server says: most requests are so."""
    url, fields = exchange.url, exchange.fields
    if exchange.method not in METHODS or exchange.request.http_version != "1.1" or "#" in url:
        return False
    cache = exchange.parsed_headers.cache
    if "usual" not in cache:
        cache["usual"] = _has_usual_fields(exchange)
    if not cache["usual"] or exchange.bare_line_feeds:
        return False
    hosts = fields.get("host")
    if hosts is None:
        if exchange.as_sent or not url.startswith(("https://", "http://")):
            return False
    elif not url.startswith((f"https://{hosts[0]}/", f"http://{hosts[0]}/")):
        return False
    lengths = fields.get("content-length")
    body = exchange.body
    if lengths is None:
        if body and exchange.as_sent:
            return False
    elif body is None or lengths[0] != str(len(body)):
        return False
    return True


def _has_usual_fields(exchange: Exchange) -> bool:
    """Whether the header fields alone are all that most requests have, each once, with clean values."""
    headers, fields = exchange.headers, exchange.fields
    if len(fields) != len(headers) or not _SPECIAL.isdisjoint(fields):
        return False
    hosts = fields.get("host")
    if hosts is not None and not _PLAIN_HOST.fullmatch(hosts[0]):
        return False
    names = "".join(fields)
    each = [value for _, value in headers]
    if "" in each or odd_fields.may_be_odd(exchange):
        return False
    values = "".join(each)
    return "" not in fields and _TOKEN.fullmatch(names) is not None and _CLEAN_VALUE.fullmatch(values) is not None


def _by_words(exchange: Exchange) -> list[CauseFinding]:
    """What only the server's words say of a usual request: that it does not know the host, or speaks TLS."""
    cache = exchange.parsed_response.cache
    if "host or tls" not in cache:
        cache["host or tls"] = mentions(exchange, "host") or mentions(exchange, "tls")
    if not cache["host or tls"]:
        return []
    found = _host(exchange)
    if not found and mentions(exchange, "tls"):
        found.append(_plain_to_tls(exchange))
    return found


def _finding(confidence: float, remedy: str, *evidence: Evidence) -> CauseFinding:
    return CauseFinding(cause="protocol_violation", confidence=confidence, remedy=remedy, evidence=list(evidence))


def _version(exchange: Exchange) -> str:
    text = exchange.request.http_version.strip()
    return text[5:] if text[:5].upper() == "HTTP/" else text


def _request_line(exchange: Exchange) -> list[CauseFinding]:
    found = []
    method = exchange.method
    if not _TOKEN.fullmatch(method):
        bad = next((i for i, c in enumerate(method) if not _TOKEN.fullmatch(c)), 0)
        evidence = at_text("method", method, bad, f"The method holds {method[bad : bad + 1]!r}; a method is a token.")
        found.append(
            _finding(0.95, "Send one of the registered methods, in capitals, with nothing around it.", evidence)
        )
    elif "|" in method or (method not in METHODS and method.upper() in METHODS):
        confidence = 0.85 if exchange.as_sent else 0.45 if exchange.refused else 0.3
        detail = f"The method {method[:40]!r} is not registered; methods are case-sensitive."
        if "|" in method:
            confidence = 0.7
        remedy = "Send the method in capitals: GET, POST, ..."
        found.append(_finding(confidence, remedy, at_text("method", method, 0, detail)))
    elif method not in KNOWN_METHODS:
        detail = f"The method {method[:40]!r} is not registered; servers answer 400, 405 or 501 (RFC 9110 section 9.1)."
        confidence = 0.6 if exchange.refused else 0.55
        found.append(_finding(confidence, "Send a registered method.", at_text("method", method, 0, detail)))
    version = _version(exchange)
    if version.lower() not in _VERSIONS:
        detail = f"The protocol version {exchange.request.http_version[:40]!r} does not exist."
        if version == "0.9":
            detail = "HTTP/0.9 has no version in its request line and no headers."
        evidence = at_text("request_line", exchange.request.http_version, 0, detail)
        found.append(_finding(0.9, "Send HTTP/1.1 (RFC 9112 section 2.6).", evidence))
    url = exchange.url
    if (
        method == "CONNECT"
        and "://" not in url
        and not re.fullmatch(r"(?:\[[0-9A-Fa-f:.]+\]|[^/:?#\s]+):[0-9]{1,5}", url)
    ):
        evidence = at_text("url", url, len(url), "The target of CONNECT is host:port; the port is missing.")
        found.append(_finding(0.9, "Name the port: CONNECT host:443.", evidence))
    hash_at = url.find("#")
    if hash_at >= 0:
        confidence = 0.85 if exchange.as_sent or url.startswith("/") else 0.4
        evidence = at_text("url", url, hash_at, "A fragment in the request target; it never leaves a browser.")
        found.append(_finding(confidence, "Cut the URL at '#' before sending, or escape it as %23.", evidence))
    return found


def _field_lines(exchange: Exchange) -> list[CauseFinding]:
    found: list[CauseFinding] = []
    for name, value in exchange.headers:
        if len(found) >= 8:
            break
        if not _TOKEN_NAME.fullmatch(name):
            found.append(_bad_name(name))
            continue
        if _CLEAN_VALUE.fullmatch(value):
            continue
        finding = _bad_value(exchange, name, value)
        if finding is not None:
            found.append(finding)
    return found


def _bad_name(name: str) -> CauseFinding:
    remedy = "Send a name of letters, digits and hyphens, followed at once by the colon."
    bad = next((index for index, character in enumerate(name) if not _TOKEN.fullmatch(character)), 0)
    if not name:
        detail = "A header without a name."
    elif name.endswith("\n"):
        detail = f"A header line without a colon: {name[:60].strip()!r}."
    else:
        character = name[bad : bad + 1]
        what = "a space" if character == " " else repr(character)
        detail = f"The header name {name[:60]!r} holds {what}, which no name may."
    return _finding(0.95, remedy, at_text("header", name, bad, detail, name=name[:60] or None))


def _bad_value(exchange: Exchange, name: str, value: str) -> CauseFinding | None:
    secret = name.lower() in {"authorization", "cookie", "proxy-authorization"}
    fold = _FOLD.search(value)
    if fold is not None and not _BAD_VALUE.search(_FOLD.sub("", value)):
        evidence = at_text("header", value, fold.start(), f"{name} is folded over two lines.", name=name, secret=secret)
        return _finding(0.88, "Send the value on one line (RFC 9112 section 5.2).", evidence)
    bad = _BAD_VALUE.search(value)
    if bad is None:
        index = next(index for index, character in enumerate(value) if character > "\x7e")
        detail = f"{name} holds a byte above ASCII (0x{ord(value[index]):02X}); receivers differ on it."
        evidence = at_text("header", value, index, detail, name=name, secret=secret)
        remedy = "Write the value in ASCII: percent-encode it, or use the name*= form of RFC 8187."
        return _finding(0.65 if exchange.refused else 0.5, remedy, evidence)
    character = bad[0]
    names = {"\r": "a carriage return", "\n": "a line feed", "\x00": "NUL"}
    if character > "\xff":
        detail = f"{name} holds U+{ord(character):04X}, which a header cannot carry."
        confidence = 0.75
    else:
        detail = f"{name} holds {names.get(character, f'the control character 0x{ord(character):02X}')}."
        confidence = 0.95
    remedy = "Strip line ends and control characters from the value; it was read from a file or a form with them."
    evidence = at_text("header", value, bad.start(), detail, name=name, secret=secret)
    return _finding(confidence, remedy, evidence)


def _host(exchange: Exchange) -> list[CauseFinding]:
    values = exchange.fields.get("host", [])
    remedy = "Send Host once, with the host (and port) of the URL and nothing else."
    if len(values) > 1:
        evidence = at_text("header", values[1], 0, f"Host is there {len(values)} times.", name="Host")
        return [_finding(0.96, remedy, evidence)]
    if not values:
        return _missing_host(exchange, remedy)
    value = values[0].strip(" \t")
    if not value:
        evidence = at_text("header", value, 0, "Host is empty.", name="Host")
        return [_finding(0.9, remedy, evidence)]
    if len(value) > _MAX_HOST_CHARS:
        evidence = at_text("header", value, _MAX_HOST_CHARS, "Host is longer than any name (RFC 1035).", name="Host")
        return [_finding(0.93, remedy, evidence)]
    if not _HOST.fullmatch(value):
        bad = next((i for i, c in enumerate(value) if not re.match(r"[A-Za-z0-9._:\[\]-]", c)), 0)
        what = "a scheme or a path" if "/" in value else "two hosts" if "," in value else f"{value[bad : bad + 1]!r}"
        evidence = at_text(
            "header", value, bad, f"Host holds {what}; it is host[:port] (RFC 9110 section 7.2).", name="Host"
        )
        return [_finding(0.93, remedy, evidence)]
    authority = _authority(exchange.url, value)
    if authority not in ("", value) and exchange.method != "CONNECT" and not _same_host(authority, value, exchange.url):
        confidence = 0.5 if not exchange.refused else 0.93 if mentions(exchange, "host") else 0.7
        detail = f"Host says {value[:80]!r}, the URL {authority[:80]!r}."
        return [_finding(confidence, remedy, at_text("header", value, 0, detail, name="Host"))]
    if exchange.refused and mentions(exchange, "host"):
        evidence = at_text("header", value, 0, f"The server does not know the host {value[:80]!r}.", name="Host")
        return [_finding(0.8, "Send the name that this server answers to.", evidence)]
    if "_" in value and "Bad Request (400)" in exchange.response_text[:2000]:
        detail = "Django refuses an underscore in Host (RFC 1123 section 2.1), with this page and no reason."
        evidence = at_text("header", value, value.index("_"), detail, name="Host")
        return [_finding(0.85, "Reach the server by a name without underscores.", evidence)]
    return []


def _authority(url: str, host: str) -> str:
    """Host and port of a URL, empty where it has none; `host` is a guess that saves parsing it."""
    start = 8 if url.startswith("https://") else 7 if url.startswith("http://") else 0
    end = start + len(host)
    if start and url.startswith(host, start) and url[end : end + 1] in ("", "/", "?", "#"):
        return host
    return next((part.text for part in components(url[:4096]) if part.name == "host"), "")


def _same_host(authority: str, host: str, url: str) -> bool:
    port = _DEFAULT_PORTS.get(url.partition(":")[0].lower(), "")
    names = [name.lower().removesuffix(port).rstrip(".").removesuffix(":") for name in (authority, host)]
    return names[0] == names[1] or not (names[0].isascii() and "%" not in names[0])


def _missing_host(exchange: Exchange, remedy: str) -> list[CauseFinding]:
    if any(name == ":authority" for name in exchange.fields) or _version(exchange) not in ("1.1", ""):
        return []
    complete = exchange.as_sent or exchange.url.startswith("/")
    if not complete:
        return []
    confidence = 0.95 if exchange.as_sent else 0.9 if exchange.refused else 0.75
    detail = "No Host; HTTP/1.1 requires one (RFC 9112 section 3.2)."
    return [_finding(confidence, remedy, Evidence(where="header", name="Host", detail=detail))]


def _repeated(exchange: Exchange) -> list[CauseFinding]:
    found = []
    for name, shown in _SINGLETONS.items():
        values = exchange.fields.get(name, ())
        if len(values) < 2 or (name == "cookie" and not _version(exchange).startswith("1")):
            continue
        confidence = 0.72 if exchange.refused else 0.55
        secret = name in {"authorization", "cookie"}
        evidence = at_text(
            "header",
            values[1],
            0,
            f"{shown} is there {len(values)} times; only one is allowed.",
            name=shown,
            secret=secret,
        )
        found.append(_finding(confidence, f"Send {shown} once.", evidence))
    return found


def _websocket(exchange: Exchange) -> list[CauseFinding]:
    if ",".join(exchange.fields.get("upgrade", ())).strip().lower() != "websocket":
        return []
    required = {
        "sec-websocket-key": "Sec-WebSocket-Key",
        "sec-websocket-version": "Sec-WebSocket-Version",
        "connection": "Connection",
    }
    missing = [shown for name, shown in required.items() if name not in exchange.fields]
    if not missing:
        return []
    detail = f"A WebSocket opening without {', '.join(missing)} (RFC 6455 section 4.1)."
    return [
        _finding(
            0.85,
            "Open the WebSocket with a WebSocket client.",
            Evidence(where="header", name=missing[0], detail=detail),
        )
    ]


def _plain_to_tls(exchange: Exchange) -> CauseFinding:
    url = exchange.url
    if re.search("no required ssl certificate|ssl certificate", exchange.response_text[:8192], re.IGNORECASE):
        detail = "The server requires a client certificate, and none was presented."
        return _finding(
            0.9, "Present the client certificate that the API requires.", Evidence(where="response_body", detail=detail)
        )
    evidence = at_text("url", url, 0, "Plain HTTP was sent to a port that speaks TLS.", length=7)
    return _finding(0.95, "Use https:// in the URL.", evidence)
