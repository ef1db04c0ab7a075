"""The cause schema_violation: the syntax is right and the target refuses the content, as with a 422.

Two things show it: the field that the server's error names (`server_errors`), located in the request; and the
difference in structure to the nearest good body of the same template, which shows a silent change of the schema.

Sources: RFC 9457, https://jsonapi.org/format/#error-objects, https://google.aip.dev/193,
https://docs.stripe.com/api/errors, https://fastapi.tiangolo.com/tutorial/handling-errors/, RFC 4918 section 11.2 (422).
"""

from __future__ import annotations

import re
from typing import Any

from halt400.diagnosis.excerpts import mask
from halt400.diagnosis.exchange import Exchange
from halt400.diagnosis.finding import CauseFinding
from halt400.diagnosis.locations import locate_name, locate_value
from halt400.diagnosis.profile import MIN_SUCCESSES, Profile
from halt400.diagnosis.refusal_phrases import says_nothing
from halt400.diagnosis.server_errors import NamedField, ServerError, read_server_error
from halt400.diagnosis.server_phrases import mentions
from halt400.diagnosis.structure import difference, structure_of
from halt400.records import Evidence

__all__ = ["find"]

_STATUSES = frozenset({400, 406, 409, 412, 415, 422})
_HTML = re.compile(r"\s{0,64}<(?:!doctype html|html|head|body)", re.IGNORECASE)
_MISSING = re.compile(
    r"required|missing|must (?:be )?(?:provided|specified|present|not be (?:blank|empty|null))|not provided"
    r"|weren't supplied|can't be blank|no \w+ provided|at least one",
    re.IGNORECASE,
)
_UNKNOWN = re.compile(
    r"additional propert|(?:unknown|unexpected) (?:field|param|arg|key|prop)|not allowed|unrecognized|extra fields"
    r"|extra_forbidden|was unexpected|cannot be set",
    re.IGNORECASE,
)


_COMMON_WORDS = frozenset({"attributes", "body", "data", "error", "invalid", "name", "request", "type", "value"})


def find(exchange: Exchange, profile: Profile | None = None) -> list[CauseFinding]:
    """Report the field that the server names, and what this body lacks of good ones.

    Examples
    --------
    >>> from halt400.records import Request, Response
    >>> headers = [("Content-Type", "application/json")]
    >>> request = Request(method="POST", url="https://a.example/", headers=headers, body='{"limit": 8000}')
    >>> refusal = Response(status=400, body='{"error": {"param": "limit", "message": "limit must be at most 100"}}')
    >>> found = find(Exchange(request, refusal))[0]
    >>> found.evidence[0].name, found.evidence[0].where, found.remedy
    ('limit', 'body', 'Correct the value of limit: limit must be at most 100')
    """
    found: list[CauseFinding] = []
    if exchange.status in _STATUSES:
        finding = _by_server(exchange, read_server_error(exchange))
        if finding is not None:
            found.append(finding)
    if profile is not None:
        found.extend(_by_profile(exchange, profile))
    return found


def _by_server(exchange: Exchange, error: ServerError) -> CauseFinding | None:
    message = error.message
    if says_nothing(message):
        message = _other_sentence(exchange) or message
    located = _located(exchange, error.fields)
    evidence: list[Evidence] = []
    confidence = 0.0
    for field, place in located[:6]:
        reason = (field.message or message)[:240]
        if place is not None:
            evidence.append(place)
            confidence = max(confidence, 0.92 if field.structured else 0.87)
            continue
        if not field.structured:
            repeated = locate_value(exchange, field.name, f"The server repeats this value: {reason}")
            if repeated is not None:
                evidence.append(repeated)
                confidence = max(confidence, 0.82)
                continue
        if field.structured or field is located[0][0]:
            detail = f"The server names {field.name!r}, which the request does not hold: {reason}"
            evidence.append(Evidence(where=_where(exchange, field), name=field.name, detail=detail))
            confidence = max(confidence, 0.88 if field.structured else 0.72)
    if not evidence:
        for value in error.values:
            place = locate_value(exchange, value, f"The server repeats this value: {message[:240]}")
            if place is not None:
                evidence.append(place)
                confidence = 0.82
                break
    if not evidence:
        place = _by_words(exchange, message)
        if place is not None:
            evidence.append(place)
            confidence = 0.75
    if message and (evidence or not says_nothing(message)):
        evidence.append(Evidence(where="response_body", detail=f"The server says: {message[:400]}"))
        confidence = max(confidence, 0.68)
    if not evidence or _HTML.match(exchange.response_text) is not None:
        return None
    if confidence < 0.7 and (mentions(exchange, "json") or mentions(exchange, "xml")):
        return _contradicted(exchange, message)
    remedy = _remedy(located, message)
    return CauseFinding(cause="schema_violation", confidence=confidence, remedy=remedy, evidence=evidence[:8])


def _other_sentence(exchange: Exchange) -> str:
    """A sentence with information that is in a member of any name; empty where there is none."""
    pending: list[Any] = [exchange.response_json]
    for count, value in enumerate(pending):
        if count >= 200:
            break
        if isinstance(value, dict):
            pending.extend(list(value.values())[:64])
        elif isinstance(value, list):
            pending.extend(value[:64])
        elif isinstance(value, str) and " " in value.strip() and "://" not in value and not says_nothing(value):
            return mask(value[:400])
    return ""


def _located(exchange: Exchange, fields: list[NamedField]) -> list[tuple[NamedField, Evidence | None]]:
    """The fields with their place in the request, if any: structured ones first, then those that have a place."""
    located = []
    for field in fields:
        if field.location == "header":
            continue
        reason = field.message[:240] if field.message else "the server refuses it"
        located.append((field, locate_name(exchange, field.name, field.location, f"{field.name}: {reason}")))
    return sorted(located, key=lambda pair: (not pair[0].structured, pair[1] is None))


def _where(exchange: Exchange, field: NamedField) -> str:
    if field.location in ("query", "path"):
        return "url"
    if field.location == "header":
        return "header"
    return "body" if exchange.body else "url"


def _by_words(exchange: Exchange, message: str) -> Evidence | None:
    """Up to three words of the message that are a name in the request, spelled otherwise: "account id", account_id."""
    words = re.findall(r"[A-Za-z][A-Za-z0-9]*", message[:400])
    for size in (3, 2, 1):
        for index in range(len(words) - size + 1):
            name = "_".join(words[index : index + size]).lower()
            if len(name) < 4 or name in _COMMON_WORDS:
                continue
            place = locate_name(exchange, name, None, f"The server says: {message[:240]}")
            if place is not None and place.where != "header":
                return place
    return None


def _contradicted(exchange: Exchange, message: str) -> CauseFinding | None:
    """The server says that the syntax is wrong, and it is valid: then the content is refused."""
    if exchange.json is None:
        return None
    body_kind = "object" if isinstance(exchange.json, dict) else "array" if isinstance(exchange.json, list) else "value"
    detail = f"The server says {message[:200]!r}; the body is valid JSON (one {body_kind}): its content is refused."
    evidence = [
        Evidence(where="body", detail=detail, offset=0, line=1, column=1),
        Evidence(where="response_body", detail=f"The server says: {message[:400]}"),
    ]
    remedy = "Compare the keys and types of the body with the target's documentation or with a request that it took."
    return CauseFinding(cause="schema_violation", confidence=0.7, remedy=remedy, evidence=evidence)


def _remedy(located: list[tuple[NamedField, Evidence | None]], message: str) -> str:
    shown = message[:200].rstrip(". ")
    if not located:
        return (
            f"Change the request so that the target takes it; it says: {shown}."
            if shown
            else "Compare the body with the target's documentation."
        )
    (first, place), field = located[0], located[0][0].name
    reason = (first.message or message)[:200].rstrip(". ")
    if place is None and _MISSING.search(reason):
        return f"Add {field}: {reason}"
    if _UNKNOWN.search(reason) and place is not None:
        return f"Remove or rename {field}: {reason}"
    return f"Correct the value of {field}: {reason}" if reason else f"Correct {field}."


def _by_profile(exchange: Exchange, profile: Profile) -> list[CauseFinding]:
    known = profile.template_for_exchange(exchange)
    if known is None or known.successes < MIN_SUCCESSES:
        return []
    found = []
    sent = structure_of(exchange)
    if sent is not None and known.shapes:
        nearest = min(known.shapes, key=lambda shape: sum(len(part) for part in difference(sent, shape.paths)))
        gone, changed, added = difference(sent, nearest.paths)
        gone = [path for path in gone if all(path in shape.paths for shape in known.shapes)]
        total = sum(shape.count for shape in known.shapes)
        evidence = [*_lacking(exchange, gone, total), *_changed(exchange, changed)]
        confidence = 0.0
        if gone or changed:
            confidence = min(0.8, 0.55 + 0.05 * total) if exchange.refused else min(0.7, 0.5 + 0.03 * total)
        added = [path for path in added if all(path not in shape.paths for shape in known.shapes)]
        if added:
            evidence.extend(_added(exchange, added))
            confidence = max(confidence, (0.6 if total >= 5 else 0.5) if exchange.refused else 0.35)
        if evidence:
            names = [item.name or "" for item in evidence[:3]]
            remedy = f"Send the body as the target took it last: look at {', '.join(names)}."
            found.append(
                CauseFinding(cause="schema_violation", confidence=confidence, remedy=remedy, evidence=evidence[:8])
            )
    missing = _missing_query(exchange, known.query, known.successes)
    if missing:
        detail = (
            f"The query parameter {missing[0]} is missing; every one of {known.successes} good requests carried it."
        )
        confidence = 0.75 if exchange.refused else 0.6
        remedy = f"Add {', '.join(missing[:4])} to the query."
        evidence = [Evidence(where="url", name=missing[0], detail=detail)]
        found.append(CauseFinding(cause="schema_violation", confidence=confidence, remedy=remedy, evidence=evidence))
    return found


def _missing_query(exchange: Exchange, query: dict[str, int], successes: int) -> list[str]:
    sent = exchange.url[:16_384].partition("#")[0].partition("?")[2]
    names = {pair.partition("=")[0][:80] for pair in sent.split("&")[:256]}
    return [name for name, count in query.items() if count >= successes and name not in names]


def _lacking(exchange: Exchange, paths: list[str], total: int) -> list[Evidence]:
    shown = []
    for path in paths[:4]:
        detail = f"The key {path} is missing; every one of {total} good bodies had it."
        shown.append(Evidence(where="body", name=path, detail=detail))
    return shown


def _changed(exchange: Exchange, changes: list[tuple[str, str, str]]) -> list[Evidence]:
    shown = []
    for path, before, kind in changes[:4]:
        detail = f"{path} is of type {kind}; good bodies have type {before} there."
        shown.append(locate_name(exchange, path, "body", detail) or Evidence(where="body", name=path, detail=detail))
    return shown


def _added(exchange: Exchange, paths: list[str]) -> list[Evidence]:
    shown = []
    for path in paths[:4]:
        detail = f"The key {path} is in no good body."
        shown.append(locate_name(exchange, path, "body", detail) or Evidence(where="body", name=path, detail=detail))
    return shown
