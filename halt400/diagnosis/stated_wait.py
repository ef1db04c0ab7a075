"""How long a response says to wait: Retry-After, the fields of rate limits, and members of the body. Pure.

Sources: RFC 9110 section 10.2.3 (Retry-After), https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/
(RateLimit, RateLimit-Reset), https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
(X-RateLimit-Reset), https://discord.com/developers/docs/topics/rate-limits (retry_after),
https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto (RetryInfo).
"""

# ruff: noqa: E501 - a table of expressions reads best with one entry a line
from __future__ import annotations

import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

from halt400.diagnosis.exchange import Exchange
from halt400.lazy_patterns import lazy_pattern
from halt400.records import Evidence

__all__ = ["LONGEST_WAIT_S", "stated_wait"]

LONGEST_WAIT_S = 31_536_000
"""A year; a longer wait, or a time that is over, is no statement."""
_EPOCH_S = 1_000_000_000
_SECONDS = lazy_pattern(r"\s{0,8}(\d{1,12})(?:\.\d{1,9})?\s{0,8}(s|sec|seconds?|ms)?\s{0,8}", re.IGNORECASE)
_RESET_FIELDS = ("ratelimit-reset", "x-ratelimit-reset", "x-rate-limit-reset", "x-ratelimit-reset-requests", "x-ratelimit-reset-after")  # fmt: skip
_RATE_LIMIT = lazy_pattern(r"(?:^|[;,\s])(?:t|reset)=(\d{1,9})")
_MEMBERS = {"retryafter": 1, "retryafterseconds": 1, "retryafters": 1, "retryafterms": 1000, "retrydelay": 1, "retryin": 1, "waitseconds": 1}  # fmt: skip
_IN_WORDS = lazy_pattern(
    r"(?:try again|retry|wait|available again|reset\w*)\b.{0,30}?\b(\d{1,6})(?:\.\d{1,6})? ?(ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hours?)\b",
    re.IGNORECASE,
)
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0}


def stated_wait(exchange: Exchange, sentences: list[str]) -> tuple[int, Evidence] | None:
    """The seconds that the response says to wait, and where it says so; None where it says nothing.

    Examples
    --------
    >>> from halt400.records import Request, Response
    >>> refusal = Response(status=400, headers=[("Retry-After", "30")])
    >>> stated_wait(Exchange(Request(method="GET", url="https://a.example/"), refusal), [])[0]
    30
    """
    fields = exchange.response_fields
    now = _date(fields.get("date", [""])[0])
    retry_after = fields.get("retry-after", [""])[0].strip()
    if retry_after:
        seconds = _seconds(retry_after)
        if seconds is None and (until := _date(retry_after)) is not None and now is not None:
            seconds = until - now
        if (found := _stated(seconds, "response_header", "Retry-After", retry_after)) is not None:
            return found
    for name, value, seconds in _members(exchange.response_json):
        if (found := _stated(seconds, "response_body", name, value)) is not None:
            return found
    for sentence in sentences[:4]:
        match = _IN_WORDS.search(sentence[:1000])
        if match is not None:
            unit = match[2].lower()
            factor = 0.001 if unit.startswith(("ms", "milli")) else _UNITS[unit[0]]
            if (found := _stated(float(match[1]) * factor, "response_body", "", match[0])) is not None:
                return found
    return _by_limit_fields(fields, now)


def _by_limit_fields(fields: dict[str, list[str]], now: float | None) -> tuple[int, Evidence] | None:
    for name in _RESET_FIELDS:
        value = fields.get(name, [""])[0].strip()
        seconds = _seconds(value)
        if seconds is not None and seconds >= _EPOCH_S:
            seconds = seconds - now if now is not None else None
        if (found := _stated(seconds, "response_header", name, value)) is not None:
            return found
    limit = fields.get("ratelimit", [""])[0]
    match = _RATE_LIMIT.search(limit[:400])
    return _stated(float(match[1]), "response_header", "RateLimit", limit) if match is not None else None


def _stated(seconds: float | None, where: str, name: str, value: str) -> tuple[int, Evidence] | None:
    if seconds is None or not 0 < seconds <= LONGEST_WAIT_S:
        return None
    whole = max(1, int(seconds + 0.999))
    detail = f"The server says to wait {whole} s: {value[:80]}."
    return whole, Evidence(where=where, name=name or None, detail=detail)


def _seconds(text: str) -> float | None:
    match = _SECONDS.fullmatch(text)
    if match is None:
        return None
    return float(match[1]) / (1000 if (match[2] or "").lower() == "ms" else 1)


def _date(text: str) -> float | None:
    if not text:
        return None
    try:
        moment = parsedate_to_datetime(text[:80])
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()


def _members(document: Any) -> list[tuple[str, str, float]]:
    found = []
    pending = [document]
    for count, value in enumerate(pending):
        if count >= 100:
            break
        if isinstance(value, list):
            pending.extend(value[:16])
        elif isinstance(value, dict):
            for key, item in list(value.items())[:64]:
                divisor = _MEMBERS.get(re.sub(r"[^a-z]", "", key.lower()[:40]))
                if divisor is not None and isinstance(item, int | float | str) and not isinstance(item, bool):
                    seconds = _seconds(item) if isinstance(item, str) else float(item)
                    if seconds is not None:
                        found.append((key[:80], f"{key[:40]} {str(item)[:40]}", seconds / divisor))
                elif isinstance(item, dict | list):
                    pending.append(item)
    return found
