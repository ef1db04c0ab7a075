"""The cause schema_violation: the syntax is right and the target refuses the content, as with a 422.

Two things show it: the field that the server's error names (`server_errors`), located in the request; and the
difference in structure to the nearest good body of the same template, which shows a silent change of the schema.

Sources: RFC 9457, https://jsonapi.org/format/#error-objects, https://google.aip.dev/193,
https://docs.stripe.com/api/errors, https://fastapi.tiangolo.com/tutorial/handling-errors/, RFC 4918 section 11.2 (422).
"""

# ruff: noqa: E501 - a table of expressions or sources reads best with one entry a line
from __future__ import annotations

import re

from halt400.diagnosis import graphql_errors, profile_differences
from halt400.diagnosis.counted_positions import counted_position, position_of_character
from halt400.diagnosis.empty_sentences import says_nothing
from halt400.diagnosis.error_codes import read_error_codes
from halt400.diagnosis.exchange import Exchange
from halt400.diagnosis.finding import CauseFinding, at_text
from halt400.diagnosis.locations import evidence_at, locate_name, locate_value
from halt400.diagnosis.message_names import quoted_in
from halt400.diagnosis.places import Place, place_of_name, place_of_parent
from halt400.diagnosis.profile import Profile
from halt400.diagnosis.said_places import at_position, sole_candidate
from halt400.diagnosis.schema_remedies import MISSING, advice_for, mend_of, remedy_of
from halt400.diagnosis.server_errors import NamedField, ServerError, read_server_error
from halt400.diagnosis.server_phrases import mentions
from halt400.lazy_patterns import lazy_pattern
from halt400.records import Evidence

__all__ = ["find"]

_STATUSES = frozenset({400, 406, 409, 412, 415, 422})
_HTML = re.compile(r"\s{0,64}<(?:!doctype html|html|head|body)", re.IGNORECASE)
_SAYS_ID = re.compile(r"\b(?:id|ID|Id|identifier)\b")
_LEADING_WORD = re.compile(r"\s?([a-z]\w{2,60})\s?: [a-z]")
_DIGIT = re.compile(r"\d")
_HAS_INVALID = lazy_pattern(r"\bhas (?:an )?invalid ([A-Za-z]\w{2,40})")
_CODE_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_FAULT_WORDS = frozenset(
    {"invalid", "unknown", "missing", "bad", "unsupported", "incorrect", "malformed", "required", "not", "valid", "found",
     "error", "exception", "illegal", "wrong", "duplicate", "is", "parameter", "param", "field", "value", "empty", "too",
     "large", "long", "short", "small", "out", "of", "range", "allowed", "unrecognized", "undefined", "the", "a"}
)  # fmt: skip
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
    ('limit', 'body', 'Set limit to at most 100: limit must be at most 100')
    """
    found: list[CauseFinding] = []
    if exchange.status in _STATUSES:
        finding = graphql_errors.find(exchange) or _by_server(exchange, read_server_error(exchange))
        if finding is not None:
            found.append(finding)
    if profile is not None:
        found.extend(profile_differences.find(exchange, profile))
    return found


def _by_server(exchange: Exchange, error: ServerError) -> CauseFinding | None:
    message = error.message
    located = _located(exchange, error.fields)
    evidence, confidence = _of_fields(exchange, located, message)
    if not evidence and not (located and MISSING.search(located[0][0].message or message)):
        evidence, confidence = _of_values(exchange, error)
        if not evidence:
            evidence, confidence = _counted(exchange, message)
    if not evidence and located:
        evidence, confidence = [_not_held(exchange, located[0][0], message)], 0.72
    if not evidence:
        evidence, confidence = _guessed(exchange, message)
    if not evidence:
        evidence, confidence = _of_codes(exchange, message)
    if message and (evidence or not says_nothing(message)):
        evidence.append(Evidence(where="response_body", detail=f"The server says: {message[:400]}"))
        confidence = max(confidence, 0.68)
    if not evidence or _HTML.match(exchange.response_text) is not None:
        return None
    if confidence < 0.7 and (mentions(exchange, "json") or mentions(exchange, "xml")) and _starts_as_json(exchange):
        return _contradicted(exchange, message)
    return _with_remedy(exchange, located, message, confidence, evidence)


def _of_fields(
    exchange: Exchange, located: list[tuple[NamedField, Place | None]], message: str
) -> tuple[list[Evidence], float]:
    """Evidence of the fields that the request holds, and of those that the error names in members of their own."""
    evidence: list[Evidence] = []
    confidence = 0.0
    for field, place in located[:6]:
        reason = (field.message or message)[:240]
        if place is not None:
            evidence.append(_evidence_of(exchange, field, place))
            confidence = max(confidence, 0.92 if field.structured else 0.87)
        elif field.structured:
            evidence.append(_not_held(exchange, field, message))
            confidence = max(confidence, 0.88)
        else:
            repeated = locate_value(exchange, field.name, f"The server repeats this value: {reason}")
            is_missing = (
                MISSING.search(reason) is not None
            )  # then only a segment of the path can be a value of that name
            if repeated is not None and (not is_missing or repeated.name == "path"):
                evidence.append(repeated)
                confidence = max(confidence, 0.82)
    return evidence, confidence


def _not_held(exchange: Exchange, field: NamedField, message: str) -> Evidence:
    """A field that the request lacks, at the object of the body that should hold it."""
    reason = (field.message or message)[:240]
    detail = f"The server names {field.name!r}, which the request does not hold: {reason}"
    where = _where(exchange, field)
    if where == "url" and MISSING.search(reason) is not None:
        query = exchange.url[:65536].partition("#")[0].find("?")
        return at_text("url", exchange.url[:65536], query if query >= 0 else len(exchange.url), detail, name=field.name)
    parent = place_of_parent(exchange, field.name) if where == "body" else None
    if parent is None:
        return Evidence(where=where, name=field.name, detail=detail)
    return evidence_at(exchange, parent, detail, name=field.name, value=True)


def _of_values(exchange: Exchange, error: ServerError) -> tuple[list[Evidence], float]:
    message = error.message
    for value in sorted({*error.values, *quoted_in(message)}, key=lambda value: (-len(value), value)):
        said = locate_value(exchange, value, f"The server repeats this value: {message[:240]}")
        if said is not None:
            return [said], 0.82
    return [], 0.0


def _of_codes(exchange: Exchange, message: str) -> tuple[list[Evidence], float]:
    """Evidence of a field whose name an error code has in it: ``unknownContentType``, ``INVALID_LIMIT``."""
    for code in read_error_codes(exchange)[:8]:
        words = [word.lower() for word in _CODE_WORDS.findall(code.value.rpartition(".")[2].rpartition("#")[2])]
        name = "_".join(word for word in words if word not in _FAULT_WORDS)
        if len(words) < 2 or len(name) < 3 or name in _COMMON_WORDS or len(name.split("_")) == len(words):
            continue
        detail = f"The code {code.value} names it" + (f"; the server says: {message[:240]}" if message else ".")
        place = locate_name(exchange, name, None, detail)
        if place is not None and place.where != "header":
            return [place], 0.75
    return [], 0.0


def _starts_as_json(exchange: Exchange) -> bool:
    """Whether the body is JSON, or begins so and is broken: then the parser's finding says more."""
    begins_so = (exchange.body or b"").lstrip()[:1] in (b"{", b"[", b"<")
    return exchange.json is not None or begins_so or (bool(exchange.body) and exchange.declares_json)


def _with_remedy(
    exchange: Exchange,
    located: list[tuple[NamedField, Place | None]],
    message: str,
    confidence: float,
    evidence: list[Evidence],
) -> CauseFinding:
    """The finding with what is to be done: about the first named field, or else about the place that was found."""
    finding = CauseFinding(cause="schema_violation", confidence=confidence, remedy="", evidence=evidence[:8])
    shown = message[:200].rstrip(". ")
    placed = next((item for item in evidence if item.where != "response_body" and item.offset is not None), None)
    if located and (located[0][1] is not None or placed is None or located[0][0].structured):
        field, place = located[0]
        reason = field.message or message
        advice = advice_for(exchange, reason)
        finding.remedy = remedy_of(exchange, field.name, place, reason, advice)
        finding.mend = mend_of(exchange, field.name, place, reason, advice)
    elif placed is not None:
        advice = advice_for(exchange, message)
        where = place_of_name(exchange, placed.name) if placed.name else None
        finding.remedy = remedy_of(exchange, placed.name or "the value at the marked place", where, message, advice)
        finding.mend = mend_of(exchange, placed.name or "", where, message, advice) if where is not None else None
    elif shown:
        finding.remedy = f"Change the request so that the target takes it; it says: {shown}."
    else:
        finding.remedy = "Compare the body with the target's documentation."
    return finding


def _counted(exchange: Exchange, message: str) -> tuple[list[Evidence], float]:
    """Evidence of a position or a character that the sentence says, or of the name that it begins with."""
    place = at_position(exchange, message) or counted_position(exchange, message)
    if place is not None:
        return [place], 0.9
    place = position_of_character(exchange, message)
    if place is not None:
        return [place], 0.8
    leading = _LEADING_WORD.match(message)
    place = locate_name(exchange, leading[1], None, f"The server says: {message[:240]}") if leading else None
    if place is not None and place.where != "header":
        return [place], 0.85
    return [], 0.0


def _guessed(exchange: Exchange, message: str) -> tuple[list[Evidence], float]:
    """Evidence of what the sentence implies: a name in other words, or the only value that it can mean."""
    place = _by_words(exchange, message)
    if place is not None and _DIGIT.search(message) is None:  # no limit that another value alone may break
        return [place], 0.75
    segment = place_of_name(exchange, "id") if place is None and _SAYS_ID.search(message) else None
    if segment is not None:
        return [evidence_at(exchange, segment, f"The server says: {message[:240]}", value=True)], 0.72
    advice = advice_for(exchange, message)
    is_limit = advice.least is not None or advice.most is not None
    candidate = sole_candidate(exchange, message, advice) if message and (place is None or is_limit) else None
    if place is not None and (candidate is None or candidate.name == place.name):
        return [place], 0.75
    if candidate is not None:
        detail = f"Only this value can be meant; the server says: {message[:240]}"
        return [evidence_at(exchange, candidate, detail, value=True)], 0.72
    return [], 0.0


def _located(exchange: Exchange, fields: list[NamedField]) -> list[tuple[NamedField, Place | None]]:
    """The fields with their place in the request, if any: structured ones first, then those that have a place."""
    located = []
    for field in fields:
        if field.location == "header":
            continue
        located.append((field, place_of_name(exchange, field.name, field.location)))
    return sorted(located, key=lambda pair: (not pair[0].structured, pair[1] is None))


def _evidence_of(exchange: Exchange, field: NamedField, place: Place) -> Evidence:
    reason = field.message[:240] if field.message else "the server refuses it"
    return evidence_at(exchange, place, f"{field.name}: {reason}", name=field.name)


def _where(exchange: Exchange, field: NamedField) -> str:
    if field.location in ("query", "path"):
        return "url"
    if field.location == "header":
        return "header"
    return "body" if exchange.body else "url"


def _by_words(exchange: Exchange, message: str) -> Evidence | None:
    """Up to three words of the message that are a name in the request, spelled otherwise: "account id", account_id."""
    words = re.findall(r"[A-Za-z][A-Za-z0-9]*", message[:400])
    faulty = _HAS_INVALID.search(message[:400])
    if faulty is not None:
        place = locate_name(exchange, faulty[1], None, f"The server says: {message[:240]}")
        if place is not None and place.where != "header":
            return place
    for size in (3, 2, 1):
        for index in range(len(words) - size + 1):
            name = "_".join(words[index : index + size]).lower()
            if len(name) < (3 if index == 0 else 4) or name in _COMMON_WORDS:
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
