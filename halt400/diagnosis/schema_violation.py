"""The cause schema_violation: the syntax is fine and the target refuses the meaning. A 422's territory.

Two witnesses: what the server itself says (`server_errors`), mapped to the place in the request; and the structural
difference to the nearest recent success of the same template, which is how a silent schema change shows.

Sources: RFC 9457, https://jsonapi.org/format/#error-objects, https://google.aip.dev/193,
https://docs.stripe.com/api/errors, https://fastapi.tiangolo.com/tutorial/handling-errors/, RFC 4918 section 11.2 (422).
"""

from __future__ import annotations

import re

from halt400.diagnosis.exchange import Exchange
from halt400.diagnosis.finding import CauseFinding
from halt400.diagnosis.places import locate_name, locate_value
from halt400.diagnosis.profile import ENOUGH, Profile
from halt400.diagnosis.server_errors import Named, Said, read
from halt400.diagnosis.server_text import says
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


def find(exchange: Exchange, profile: Profile | None = None) -> list[CauseFinding]:
    """Report the field that the server names, and what good bodies have that this one lacks.

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
        finding = _by_server(exchange, read(exchange))
        if finding is not None:
            found.append(finding)
    if profile is not None:
        found.extend(_by_profile(exchange, profile))
    return found


def _by_server(exchange: Exchange, said: Said) -> CauseFinding | None:
    message = said.message
    named = _sort(exchange, said.named)
    evidence: list[Evidence] = []
    confidence = 0.0
    for one, place in named[:6]:
        reason = (one.message or message)[:240]
        if place is not None:
            evidence.append(place)
            confidence = max(confidence, 0.92 if one.structured else 0.87)
            continue
        if not one.structured:
            repeated = locate_value(exchange, one.field, f"The server repeats this value: {reason}")
            if repeated is not None:
                evidence.append(repeated)
                confidence = max(confidence, 0.82)
                continue
        if one.structured or one is named[0][0]:
            detail = f"The server names {one.field!r}, which the request does not hold: {reason}"
            evidence.append(Evidence(where=_where(exchange, one), name=one.field, detail=detail))
            confidence = max(confidence, 0.88 if one.structured else 0.72)
    if not evidence:
        for value in said.values:
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
    if message:
        evidence.append(Evidence(where="response_body", detail=f"The server says: {message[:400]}"))
        confidence = max(confidence, 0.68)
    if not evidence or _HTML.match(exchange.response_text) is not None:
        return None
    if confidence < 0.7 and (says(exchange, "json") or says(exchange, "xml")):
        return _disproved(exchange, message)
    remedy = _remedy(named, message)
    return CauseFinding(cause="schema_violation", confidence=confidence, remedy=remedy, evidence=evidence[:8])


def _sort(exchange: Exchange, named: list[Named]) -> list[tuple[Named, Evidence | None]]:
    """The named fields with their places: structured ones first, then those that the request holds."""
    placed = []
    for one in named:
        if one.location == "header":
            continue
        reason = one.message[:240] if one.message else "the server refuses it"
        placed.append((one, locate_name(exchange, one.field, one.location, f"{one.field}: {reason}")))
    return sorted(placed, key=lambda pair: (not pair[0].structured, pair[1] is None))


def _where(exchange: Exchange, named: Named) -> str:
    if named.location in ("query", "path"):
        return "url"
    if named.location == "header":
        return "header"
    return "body" if exchange.body else "url"


def _by_words(exchange: Exchange, message: str) -> Evidence | None:
    """A word or two of the sentence that is, but for its spelling, a name in the request: "account id", account_id."""
    words = re.findall(r"[A-Za-z][A-Za-z0-9]*", message[:400])
    for size in (3, 2, 1):
        for index in range(len(words) - size + 1):
            name = "_".join(words[index : index + size]).lower()
            if len(name) < 4 or name in {
                "data",
                "type",
                "attributes",
                "name",
                "request",
                "body",
                "invalid",
                "value",
                "error",
            }:
                continue
            place = locate_name(exchange, name, None, f"The server says: {message[:240]}")
            if place is not None and place.where != "header":
                return place
    return None


def _disproved(exchange: Exchange, message: str) -> CauseFinding | None:
    """The server blames the syntax, and the parser finds none to blame: then it is the content that does not fit."""
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


def _remedy(named: list[tuple[Named, Evidence | None]], message: str) -> str:
    said = message[:200].rstrip(". ")
    if not named:
        return (
            f"Change the request so that the target takes it; it says: {said}."
            if said
            else "Compare the body with the target's documentation."
        )
    field, place = named[0][0].field, named[0][1]
    reason = (named[0][0].message or message)[:200].rstrip(". ")
    if place is None and _MISSING.search(reason):
        return f"Add {field}: {reason}"
    if _UNKNOWN.search(reason) and place is not None:
        return f"Remove or rename {field}: {reason}"
    return f"Correct the value of {field}: {reason}" if reason else f"Correct {field}."


def _by_profile(exchange: Exchange, profile: Profile) -> list[CauseFinding]:
    known = profile.of_exchange(exchange)
    if known is None or known.successes < ENOUGH:
        return []
    found = []
    sent = structure_of(exchange)
    if sent is not None and known.shapes:
        nearest = min(known.shapes, key=lambda shape: sum(len(part) for part in difference(sent, shape.paths)))
        gone, changed, added = difference(sent, nearest.paths)
        gone = [path for path in gone if all(path in shape.paths for shape in known.shapes)]
        total = sum(shape.count for shape in known.shapes)
        evidence = [*_gone(exchange, gone, total), *_changed(exchange, changed)]
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


def _gone(exchange: Exchange, paths: list[str], total: int) -> list[Evidence]:
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
