"""Framing: where a message ends (RFC 9112 section 6, RFC 9110 section 8.6). Part of protocol_violation.

Ambiguous framing allows request smuggling, so servers answer 400 without reading further.
"""

from __future__ import annotations

import re

from halt400.diagnosis.exchange import Exchange
from halt400.diagnosis.finding import CauseFinding, at_text
from halt400.records import Evidence

__all__ = ["find"]

_DIGITS = re.compile(r"[0-9]+")
_REQUEST_LINE = re.compile(rb"[A-Z]{3,10} [^\s]{1,2000} HTTP/\d\.\d\r?\n")
_LENGTH = re.compile(r"[0-9]{1,18}")
_MOST_DIGITS = 18
_CODINGS = frozenset({"chunked", "gzip", "x-gzip", "deflate", "compress", "x-compress", "identity"})


def find(exchange: Exchange) -> list[CauseFinding]:
    """Report ambiguous or contradictory framing.

    Examples
    --------
    >>> from halt400.records import Request
    >>> headers = [("Content-Length", "3"), ("Content-Length", "5")]
    >>> find(Exchange(Request(method="POST", url="https://a.example/", headers=headers)))[0].evidence[0].detail
    'Content-Length is there 2 times with different values: 3, 5.'
    """
    lengths = exchange.fields.get("content-length", [])
    codings = exchange.fields.get("transfer-encoding", [])
    if not lengths and not codings:
        return []
    return [*_lengths(lengths), *_codings(exchange, codings, lengths), *_against_body(exchange, lengths, codings)]


def _finding(confidence: float, remedy: str, *evidence: Evidence) -> CauseFinding:
    return CauseFinding(cause="protocol_violation", confidence=confidence, remedy=remedy, evidence=list(evidence))


def _lengths(lengths: list[str]) -> list[CauseFinding]:
    remedy = "Let the HTTP client write Content-Length; send it once, in decimal digits."
    parts = [part.strip(" \t") for value in lengths for part in value.split(",")]
    for value in lengths:
        for part in value.split(","):
            if not _DIGITS.fullmatch(part.strip(" \t")):
                bad = re.search(r"[^0-9, \t]", value)
                index = bad.start() if bad is not None else 0
                evidence = at_text(
                    "header", value, index, f"Content-Length is no number: {value[:40]!r}.", name="Content-Length"
                )
                return [_finding(0.96, remedy, evidence)]
            if len(part.strip(" \t")) > _MOST_DIGITS:
                detail = f"Content-Length {value[:40]!r} is larger than any server counts."
                return [_finding(0.95, remedy, at_text("header", value, 0, detail, name="Content-Length"))]
    if len(set(parts)) > 1:
        shown = ", ".join(parts[:4])
        detail = f"Content-Length is there {len(parts)} times with different values: {shown[:80]}."
        return [_finding(0.97, remedy, at_text("header", lengths[-1], 0, detail, name="Content-Length"))]
    if len(parts) > 1:
        detail = f"Content-Length is there {len(parts)} times (the same value)."
        return [_finding(0.75, remedy, at_text("header", lengths[-1], 0, detail, name="Content-Length"))]
    return []


def _codings(exchange: Exchange, codings: list[str], lengths: list[str]) -> list[CauseFinding]:
    if not codings:
        return []
    found = []
    if lengths:
        detail = "Transfer-Encoding and Content-Length together; a receiver cannot tell where the message ends."
        remedy = "Send one of the two: Content-Length, or Transfer-Encoding: chunked (RFC 9112 section 6.2)."
        found.append(_finding(0.94, remedy, at_text("header", codings[0], 0, detail, name="Transfer-Encoding")))
    value = ",".join(codings)
    names = [part.strip(" \t").partition(";")[0].strip().lower() for part in value.split(",")]
    remedy = "Send Transfer-Encoding: chunked and nothing else, or leave framing to the HTTP client."
    problem = None
    if any(name not in _CODINGS for name in names):
        problem = f"Transfer-Encoding {value[:40]!r} names an unknown coding."
    elif names.count("chunked") > 1:
        problem = "chunked is there twice."
    elif names[-1] != "chunked":
        problem = "chunked is not the last coding, so the body has no end (RFC 9112 section 6.1)."
    elif exchange.request.http_version.endswith("1.0"):
        problem = "HTTP/1.0 knows no Transfer-Encoding."
    if problem is not None:
        found.append(_finding(0.92, remedy, at_text("header", value, 0, problem, name="Transfer-Encoding")))
    return found


def _against_body(exchange: Exchange, lengths: list[str], codings: list[str]) -> list[CauseFinding]:
    if codings and exchange.as_sent and exchange.chunking_problem is not None:
        detail = f"The chunked body is broken: {exchange.chunking_problem}."
        return [
            _finding(0.93, "Let the HTTP client write the chunks.", Evidence(where="body", detail=detail, offset=0))
        ]
    if exchange.body is None or exchange.request.body_truncated or codings or len(lengths) != 1:
        return []
    text = lengths[0].strip(" \t")
    if not _LENGTH.fullmatch(text):
        return []
    declared, actual = int(text), len(exchange.body)
    if declared == actual or (not exchange.as_sent and exchange.request.body_size not in (None, actual)):
        return []
    # Recorders mask, decode and re-encode bodies: a difference is only sure where these are the bytes as sent.
    confidence = 0.92 if exchange.as_sent else 0.6 if exchange.refused else 0.45
    if declared < actual and _REQUEST_LINE.search(exchange.body[:65536]) is not None:
        confidence = max(confidence, 0.85)  # the shape of request smuggling: what follows is read as another request
    more = "more" if declared > actual else "fewer"
    detail = f"Content-Length says {declared} bytes, {more} than the {actual} of the body."
    remedy = "Count bytes, not characters, after encoding; or let the HTTP client write Content-Length."
    return [_finding(confidence, remedy, at_text("header", lengths[0], 0, detail, name="Content-Length"))]
