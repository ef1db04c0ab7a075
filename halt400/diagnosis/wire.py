"""What only a request as it was sent can show: another protocol, or a target in a form that its method does not have.

Part of protocol_violation. Sources: RFC 9112 sections 2.2 (line ends), 3 (request line), 3.2 (target forms) and 6.3 (a
request without framing has no body), RFC 9113 section 3.4 (preface of HTTP/2), RFC 8446 section 5.1 (TLS records), the
PROXY protocol (https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt), RFC 9110 section 10.1.1 (Expect).
"""

from __future__ import annotations

import re

from halt400.diagnosis.exchange import Exchange
from halt400.diagnosis.finding import CauseFinding, at_text
from halt400.records import Evidence

__all__ = ["find", "other_protocol"]

_SURE = 0.99
_BARE = 0.7
_AUTHORITY = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?")


def other_protocol(exchange: Exchange) -> CauseFinding | None:
    """Say which other protocol the bytes are of; None where they are HTTP/1.

    Examples
    --------
    >>> from halt400.records import Request
    >>> other_protocol(Exchange(Request(method="PRI", url="*", http_version="2.0"))).evidence[0].detail
    'The preface of HTTP/2 was sent to a server that speaks HTTP/1.1.'
    """
    method, url = exchange.method, exchange.url
    if method == "PRI" and url == "*":
        detail = "The preface of HTTP/2 was sent to a server that speaks HTTP/1.1."
        remedy = "Speak HTTP/1.1 to this port, or let TLS (ALPN) choose the version."
    elif method == "PROXY" and url.startswith(("TCP", "UNKNOWN", "protocol")):
        detail = "A PROXY protocol line was sent to a server that does not expect one."
        remedy = "Switch the PROXY protocol off in the load balancer before this server, or on in the server."
    elif method.startswith(("\x16\x03", "\x80")) and exchange.as_sent:
        detail = "A TLS handshake was sent to a port that speaks plain HTTP."
        remedy = "Use http:// in the URL, or the port that speaks TLS."
    else:
        return None
    return _finding(_SURE, remedy, at_text("request_line", f"{method} {url}"[:200], 0, detail))


def find(exchange: Exchange) -> list[CauseFinding]:
    """Report the form of the target, an unknown expectation, and a body that no field announces.

    Examples
    --------
    >>> from halt400.records import Request
    >>> find(Exchange(Request(method="GET", url="*"), as_sent=True))[0].evidence[0].detail
    'The asterisk form (*) of the target goes with OPTIONS only, not with GET.'
    """
    found: list[CauseFinding] = []
    if not exchange.url.startswith(("http://", "https://", "/")):
        found.extend(_target(exchange))
    if "expect" in exchange.fields:
        found.extend(_expectation(exchange))
    if exchange.as_sent:
        found.extend(_unannounced(exchange))
    return found


def _finding(confidence: float, remedy: str, *evidence: Evidence) -> CauseFinding:
    return CauseFinding(cause="protocol_violation", confidence=confidence, remedy=remedy, evidence=list(evidence))


def _target(exchange: Exchange) -> list[CauseFinding]:
    method, url = exchange.method, exchange.url
    if url == "*":
        if method == "OPTIONS":
            return []
        detail = f"The asterisk form (*) of the target goes with OPTIONS only, not with {method[:20]}."
        return [_finding(0.96, "Send a path that begins with '/'.", at_text("request_line", url, 0, detail))]
    if not exchange.as_sent or method == "CONNECT" or "://" in url:
        return []
    if url[:1] == " ":
        detail = "More than one space stands between method and target."
        return [_finding(_SURE, "Put one space between them.", at_text("request_line", f"{method} {url}", 0, detail))]
    if _AUTHORITY.fullmatch(url):
        detail = f"The authority form (host:port) of the target goes with CONNECT only, not with {method[:20]}."
        remedy = "Send a path that begins with '/', and the host in Host."
        return [_finding(0.97, remedy, at_text("request_line", url, 0, detail))]
    return []


def _expectation(exchange: Exchange) -> list[CauseFinding]:
    value = ",".join(exchange.fields["expect"]).strip()
    if value.lower() == "100-continue":
        return []
    detail = f"Expect says {value[:60]!r}; the one expectation that exists is 100-continue."
    confidence = 0.88 if exchange.refused else 0.6
    return [_finding(confidence, "Leave Expect out.", at_text("header", value, 0, detail, name="Expect"))]


def _unannounced(exchange: Exchange) -> list[CauseFinding]:
    found = []
    fields = exchange.fields
    version = exchange.request.http_version
    if exchange.body and version in ("1.0", "1.1") and not ({"content-length", "transfer-encoding"} & fields.keys()):
        detail = f"No Content-Length announces the {len(exchange.body)} bytes after the header; a server reads no body."
        remedy = "Send Content-Length, or Transfer-Encoding: chunked (RFC 9112 section 6.3)."
        confidence = 0.96 if exchange.refused else 0.7
        found.append(_finding(confidence, remedy, Evidence(where="header", name="Content-Length", detail=detail)))
    if exchange.bare_line_feeds and exchange.refused:
        detail = "The lines end in a bare line feed; HTTP's end is CR LF, and servers differ on the other."
        evidence = Evidence(where="request_line", detail=detail)
        found.append(_finding(_BARE, "End each line with CR LF (RFC 9112 section 2.2).", evidence))
    return found
