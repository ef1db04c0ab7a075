"""Fields that say nothing, or contradict themselves: empty values, backward ranges, repeated connection options.

Part of protocol_violation. Sources: RFC 9110 sections 14.1.2 (a range whose end is before its start is invalid), 7.6.1
(Connection) and 12.5.3 (Accept-Encoding), and rules of the OWASP CRS (920190, 920200, 920210, 920310, 920520).
"""

from __future__ import annotations

import re

from halt400.diagnosis.exchange import Exchange
from halt400.diagnosis.finding import CauseFinding, at_text

__all__ = ["find", "may_be_odd"]

_RANGE = re.compile(r"(\d{1,18})-(\d{1,18})")
_CODINGS = re.compile(r"\s*[A-Za-z0-9*-]{0,32}\s*(?:;\s*q=[0-9.]{1,6}\s*)?")
_EMPTY_LINE = re.compile(r"(?:%0[aA]|%0[dD]%0[aA]){2}(?:<|%3[cC]|HTTP/)")
_EMPTY = frozenset({"accept", "user-agent", "authorization"})
_LONG = 48
_PLAIN_OPTIONS = frozenset({"keep-alive", "close"})
_MOST_RANGES = 5
_SURE, _ODD = 0.75, 0.55


def may_be_odd(exchange: Exchange) -> bool:
    """Whether a look at fields that are there with a value pays: False for nearly every request."""
    fields = exchange.fields
    if "range" in fields:
        return True
    options = fields.get("connection")
    if options is not None and options[0].lower() not in _PLAIN_OPTIONS:
        return True
    cookies = fields.get("cookie")
    if cookies is not None and "%0" in cookies[0]:
        return True
    codings = fields.get("accept-encoding")
    return codings is not None and len(codings[0]) > _LONG


def find(exchange: Exchange) -> list[CauseFinding]:
    """Report what a field cannot mean.

    Examples
    --------
    >>> from halt400.records import Request
    >>> request = Request(method="GET", url="https://a.example/", headers=[("Range", "bytes=9-3")])
    >>> find(Exchange(request))[0].evidence[0].detail
    'Range asks for 9-3, which ends before it starts.'
    """
    fields, found = exchange.fields, []
    for name, value in exchange.headers:
        if value == "" and name.lower() in _EMPTY:
            found.append(_finding(_ODD, name, value, f"{name} is empty.", f"Give {name} a value, or leave it out."))
    if "range" in fields:
        found.extend(_range(fields["range"][0]))
    options = [option.strip().lower() for value in fields.get("connection", ()) for option in value.split(",")]
    if len(options) != len(set(options)) or {"close", "keep-alive"} <= set(options):
        detail = f"Connection says {', '.join(options)[:60]}: the same twice, or the opposite."
        found.append(_finding(_ODD, "Connection", ", ".join(options), detail, "Send one connection option."))
    for cookie in fields.get("cookie", ()):
        ends = _EMPTY_LINE.search(cookie)
        if ends is not None:
            detail = "An escaped empty line and a mark after it, as a response that is split in two has them."
            found.append(_finding(_ODD, "Cookie", cookie, detail, "Strip line ends from the value.", ends.start()))
            break
    codings = ",".join(fields.get("accept-encoding", ()))
    if codings and not all(_CODINGS.fullmatch(part) for part in codings[:2048].split(",")):
        detail = "Accept-Encoding holds what no content coding can be."
        found.append(_finding(_ODD, "Accept-Encoding", codings, detail, "Send gzip, br, or what the client decodes."))
    return found


def _finding(confidence: float, name: str, value: str, detail: str, remedy: str, at: int = 0) -> CauseFinding:
    evidence = at_text("header", value, at, detail, name=name)
    return CauseFinding(cause="protocol_violation", confidence=confidence, remedy=remedy, evidence=[evidence])


def _range(value: str) -> list[CauseFinding]:
    remedy = "Ask for ranges whose end is not before their start (RFC 9110 section 14.1.2)."
    for first, last in _RANGE.findall(value[:4096]):
        if int(first) > int(last):
            detail = f"Range asks for {first}-{last}, which ends before it starts."
            return [_finding(_SURE, "Range", value, detail, remedy)]
    if value.count(",") >= _MOST_RANGES:
        detail = f"Range asks for {value.count(',') + 1} ranges at once; servers refuse more than a few."
        return [_finding(_ODD, "Range", value, detail, "Ask for fewer ranges at a time.")]
    return []
