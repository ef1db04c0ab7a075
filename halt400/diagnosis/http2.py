"""HTTP/2 and HTTP/3 requests: pseudo-header fields and forbidden fields. Part of protocol_violation.

Source: RFC 9113 sections 8.2 (field validity, connection-specific fields) and 8.3 (pseudo-header fields); RFC 9114
sections 4.2 and 4.3 say the same for HTTP/3. A server answers a malformed request with a stream error or a 400.
"""

from __future__ import annotations

from collections.abc import Callable

from halt400.diagnosis.exchange import Exchange
from halt400.diagnosis.finding import CauseFinding, at_text

__all__ = ["find"]

_REQUEST_PSEUDO = (":method", ":scheme", ":authority", ":path", ":protocol")
_CONNECTION = {
    "connection": "Connection",
    "keep-alive": "Keep-Alive",
    "proxy-connection": "Proxy-Connection",
    "transfer-encoding": "Transfer-Encoding",
    "upgrade": "Upgrade",
    "http2-settings": "HTTP2-Settings",
}


def find(exchange: Exchange) -> list[CauseFinding]:
    """Report what HTTP/2 forbids in the fields of a request.

    Examples
    --------
    >>> from halt400.records import Request
    >>> headers = [("accept", "*/*"), (":method", "GET"), (":scheme", "https"), (":path", "/")]
    >>> request = Request(method="GET", url="https://a.example/", http_version="2", headers=headers)
    >>> find(Exchange(request))[0].evidence[0].detail
    'The pseudo-header :method comes after a regular field.'
    """
    pseudo = [(index, name) for index, (name, _) in enumerate(exchange.headers) if name.startswith(":")]
    version = exchange.request.http_version.upper().removeprefix("HTTP/").removeprefix("H")
    multiplexed = version in {"2", "2.0", "3", "3.0", "2C"}
    if not multiplexed:
        if pseudo and version in {"1.0", "1.1"} and exchange.as_sent:
            name = pseudo[0][1]
            detail = f"The pseudo-header {name} in HTTP/1.1; its name is illegal there."
            return [_finding(0.95, "Drop the fields that start with a colon.", detail, name, "")]
        return []
    found = _connection(exchange)
    if pseudo:
        found.extend(_pseudo(exchange, pseudo))
    if exchange.as_sent or pseudo:
        upper = next((n for n, _ in exchange.headers if not n.startswith(":") and n != n.lower()), None)
        if upper is not None:
            detail = f"The field name {upper} has capitals; HTTP/2 forbids them."
            found.append(_finding(0.8, "Send field names in lower case.", detail, upper, upper))
    return found


def _finding(confidence: float, remedy: str, detail: str, name: str, value: str) -> CauseFinding:
    evidence = at_text("header", value, 0, detail, name=name)
    return CauseFinding(cause="protocol_violation", confidence=confidence, remedy=remedy, evidence=[evidence])


def _connection(exchange: Exchange) -> list[CauseFinding]:
    found = []
    confidence = 0.93 if exchange.as_sent else 0.9 if exchange.refused else 0.78
    for name, shown in _CONNECTION.items():
        if name in exchange.fields:
            detail = f"{shown} belongs to one connection and is forbidden in HTTP/2."
            found.append(_finding(confidence, f"Leave {shown} out.", detail, shown, exchange.fields[name][0]))
    te = ",".join(exchange.fields.get("te", ())).strip().lower()
    if te and te != "trailers":
        detail = "TE may only say trailers in HTTP/2."
        found.append(_finding(confidence, "Send TE: trailers, or leave it out.", detail, "TE", te))
    return found


def _pseudo(exchange: Exchange, pseudo: list[tuple[int, str]]) -> list[CauseFinding]:
    remedy = "Send :method, :scheme, :authority and :path once each, before every other field, in lower case."

    def report(confidence: float, detail: str, name: str, value: str = "") -> CauseFinding:
        return _finding(confidence, remedy, detail, name, value)

    found: list[CauseFinding] = []
    first_regular = next((i for i, (name, _) in enumerate(exchange.headers) if not name.startswith(":")), None)
    seen: set[str] = set()
    for index, name in pseudo[:32]:
        value = exchange.headers[index][1]
        if name not in _REQUEST_PSEUDO:
            what = "is written with capitals" if name.lower() in _REQUEST_PSEUDO else "does not exist in requests"
            found.append(report(0.95, f"The pseudo-header {name[:40]} {what}.", name[:40], value))
        elif name in seen:
            found.append(report(0.95, f"The pseudo-header {name} is there twice.", name, value))
        elif first_regular is not None and index > first_regular:
            found.append(report(0.95, f"The pseudo-header {name} comes after a regular field.", name, value))
        seen.add(name)
    connect = exchange.method.upper() == "CONNECT"
    required = () if connect else (":method", ":scheme", ":path")
    missing = [name for name in required if name not in seen]
    if missing:
        found.append(report(0.93, f"The pseudo-header {missing[0]} is missing.", missing[0]))
    found.extend(_values(exchange, report, connect=connect))
    return found


def _values(exchange: Exchange, report: Callable[..., CauseFinding], *, connect: bool) -> list[CauseFinding]:
    found: list[CauseFinding] = []
    path = exchange.fields.get(":path", [None])[0]
    if path is not None and not connect and not path.startswith("/") and path != "*":
        detail = "The pseudo-header :path is empty." if not path else "The pseudo-header :path does not start with '/'."
        found.append(report(0.93, detail, ":path", path))
    authority = exchange.fields.get(":authority", [None])[0]
    if authority is not None:
        if "@" in authority:
            found.append(report(0.9, "The pseudo-header :authority holds credentials.", ":authority"))
        host = exchange.fields.get("host", [None])[0]
        if host is not None and host.strip().lower() != authority.strip().lower():
            found.append(
                report(0.9, f"Host says {host[:60]!r} and :authority {authority[:60]!r}.", ":authority", authority)
            )
        sent = exchange.url.partition("://")[2].partition("/")[0].partition("?")[0].rpartition("@")[2].lower()
        sent = sent.removesuffix(":443").removesuffix(":80")
        if sent and authority.lower().removesuffix(":443").removesuffix(":80") not in (sent, ""):
            detail = f"The pseudo-header :authority says {authority[:60]!r}, the URL {sent[:60]!r}."
            found.append(report(0.85, detail, ":authority", authority))
        if not authority.strip():
            found.append(report(0.9, "The pseudo-header :authority is empty.", ":authority"))
    method = exchange.fields.get(":method", [None])[0]
    if method is not None and method != exchange.method:
        found.append(report(0.6, f"The pseudo-header :method says {method[:20]!r}.", ":method", method))
    return found
