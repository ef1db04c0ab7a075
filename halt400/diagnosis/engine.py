"""The engine: runs every cause module, ranks their findings, and returns one diagnosis.

Rules of the ranking, in order:

1. A request that was answered with a 2xx or 3xx has no cause of refusal: its findings are remarks, at most 0.5.
   An error code from the documented list of its API is the cause of a refusal, whatever else is found.
2. A defect that a parser proves in the request ranks above what the server says about it.
3. A firewall or a passing fault is less likely the more is wrong with the request: a proven defect halves it.
4. A finding below `NAMED` without a refusal, or `NAMED_WHEN_REFUSED` with one, is not named: the cause is unknown, with
   what was ruled out, or there is no diagnosis.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from halt400.diagnosis import (
    content_type_mismatch,
    embedded_json,
    graphql_operations,
    invalid_url_encoding,
    json_line_bodies,
    malformed_form,
    malformed_graphql,
    malformed_json,
    malformed_xml,
    missing_required_header,
    payload_too_large,
    protocol_violation,
    refusals,
    request_values,
    schema_violation,
    transient,
    waf_block,
)
from halt400.diagnosis.answered_by import answer_of
from halt400.diagnosis.excerpts import mask
from halt400.diagnosis.exchange import Exchange
from halt400.diagnosis.finding import CauseFinding
from halt400.diagnosis.header_mismatch import header_mismatch
from halt400.diagnosis.openapi_contract import Contract
from halt400.diagnosis.profile import Profile
from halt400.diagnosis.request_changes import changes_of
from halt400.diagnosis.ruled_out import ruled_out_of
from halt400.diagnosis.server_errors import read_server_error
from halt400.records import BadRequestFigures, Cause, Diagnosis, Evidence, Request, RequestChange, Response, RunnerUp

__all__ = ["NAMED", "NAMED_WHEN_REFUSED", "diagnose", "find_defect", "findings"]

NAMED = 0.5
"""Confidence from which a defect is named in a request that no server has refused."""
NAMED_WHEN_REFUSED = 0.4
"""Confidence from which a cause is named for a refusal."""

_MAX_EVIDENCE = 8
_MAX_RUNNERS_UP = 5
_SYNTAX: tuple[Callable[[Exchange], list[CauseFinding]], ...] = (
    protocol_violation.find,
    malformed_json.find,
    malformed_xml.find,
    malformed_form.find,
    malformed_graphql.find,
    json_line_bodies.find,
    embedded_json.find,
    invalid_url_encoding.find,
    content_type_mismatch.find,
)
_PROVEN = 0.85
_MALFORMED: tuple[Cause, ...] = ("malformed_json", "malformed_xml", "malformed_form", "malformed_graphql")
_NEED_A_PARSABLE_BODY: frozenset[Cause] = frozenset(
    {
        "missing_required_header",
        "waf_block",
        "transient",
        "schema_violation",
        "credential_rejected",
        "expired_state",
        "rate_limited",
    }
)
_REPORTED_WITH: dict[Cause, frozenset[Cause]] = {cause: _NEED_A_PARSABLE_BODY | {cause} for cause in _MALFORMED}
_COMPARED = frozenset({"schema_violation", "missing_required_header", "unknown"})
_UNPARSABLE = 0.95
"""From here on the body is proven broken; what servers or profiles say ranks below (rule 2)."""
_WORDS_ONLY = 0.75


def findings(
    exchange: Exchange, profile: Profile | None = None, contract: Contract | None = None
) -> list[CauseFinding]:
    """All findings of the modules for one exchange, the likeliest first."""
    found = _of_json(exchange) if exchange.declares_json else [one for find in _SYNTAX for one in find(exchange)]
    known = profile.template_for_exchange(exchange) if profile is not None else None
    found.extend(payload_too_large.find(exchange, known.largest if known is not None else None))
    told = refusals.find(exchange)
    if _is_unparsable(found):
        return _ranked(exchange, [*found, *(finding for finding in told if finding.decides)])
    found.extend(told)
    if contract is not None:
        found.extend(contract.find(exchange))
    found.extend(request_values.find(exchange))
    found.extend(graphql_operations.find(exchange))
    found.extend(missing_required_header.find(exchange, profile))
    found.extend(waf_block.find(exchange))
    if exchange.refused:
        found.extend(transient.find(exchange, profile))
    if exchange.refused or known is not None:
        found.extend(schema_violation.find(exchange, profile))
    return _ranked(exchange, found)


def _of_json(exchange: Exchange) -> list[CauseFinding]:
    """What `_SYNTAX` finds in a request that declares JSON, without those that then have nothing to look at."""
    found = protocol_violation.find(exchange)
    found.extend(malformed_json.find(exchange))
    if exchange.json is not None or not exchange.body:
        found.extend(malformed_graphql.find(exchange))
    if "/_" in exchange.url:
        found.extend(json_line_bodies.find(exchange))
    found.extend(embedded_json.find(exchange))
    found.extend(invalid_url_encoding.find(exchange))
    found.extend(content_type_mismatch.find(exchange))
    return found


def _is_unparsable(found: list[CauseFinding]) -> bool:
    for finding in found:  # noqa: SIM110 - a generator costs more than all of this
        if finding.confidence >= _UNPARSABLE and finding.cause in _MALFORMED:
            return True
    return False


def _ranked(exchange: Exchange, found: list[CauseFinding]) -> list[CauseFinding]:
    if exchange.status is not None and exchange.status < 400:
        for finding in found:
            finding.confidence = min(finding.confidence, 0.5) * 0.9
    if len(found) <= 1:
        return found
    proven = [
        f
        for f in found
        if f.confidence >= _PROVEN
        and f.blame == "request"
        and f.cause not in ("schema_violation", "missing_required_header")
    ]
    if proven:
        for finding in found:
            if finding.decides:
                continue
            if finding.blame != "request":
                finding.confidence *= 0.5
            elif finding.cause == "schema_violation":
                # The proof of a parser ranks above the message of the server, which often describes the same defect.
                finding.confidence = min(finding.confidence, max(f.confidence for f in proven) - 0.05)
    others = [f.confidence for f in found if f.cause in ("waf_block", "transient")]
    if others and exchange.response_json is None:
        for finding in found:
            if finding.cause == "schema_violation" and finding.confidence <= _WORDS_ONLY:
                # A page for people, not the response of an API: its sentences name no field of this request.
                finding.confidence = min(finding.confidence, max(others) - 0.05)
    return sorted(found, key=lambda finding: (finding.warning, not finding.decides, -finding.confidence))


def diagnose(
    request: Request,
    response: Response | None = None,
    profile: Profile | None = None,
    *,
    malformed_payload_ratio: float | None = None,
    as_sent: bool = False,
    bare_line_feeds: bool = False,
    release: str | None = None,
    contract: Contract | None = None,
) -> Diagnosis:
    """Say what is wrong with a request: one cause with confidence, blame, evidence, remedy and runners-up.

    Pure: no clock, no network, no environment. A megabyte takes less than half a second, whatever it holds.

    Parameters
    ----------
    request, response
        The exchange; without a response, only the request is examined.
    profile
        What good requests to this target look like.
    malformed_payload_ratio
        400s / all responses of the target, 0-1, copied to the figures.
    as_sent
        Whether `request.headers` is every field that was on the wire, as in a raw request.
    bare_line_feeds
        Whether its lines ended in a line feed alone, as they were sent.
    release
        The release of the scraper that sent the request, compared with that of the last good one.
    contract
        The OpenAPI document of the target.

    Returns
    -------
    Diagnosis
        Its cause is ``unknown`` where nothing is found; `ruled_out` then says what was checked.

    Examples
    --------
    >>> headers = [("Content-Type", "application/json")]
    >>> request = Request(method="POST", url="https://a.example/orders", headers=headers, body='{"id": 7,}')
    >>> found = diagnose(request, Response(status=400))
    >>> found.cause, found.blame, found.evidence[0].detail
    ('malformed_json', 'request', "A comma before '}': the last member has none after it.")
    """
    exchange = Exchange(request, response, as_sent=as_sent, bare_line_feeds=bare_line_feeds)
    return _diagnosis(exchange, findings(exchange, profile, contract), profile, malformed_payload_ratio, release)


def find_defect(
    request: Request,
    response: Response | None = None,
    profile: Profile | None = None,
    *,
    malformed_payload_ratio: float | None = None,
    as_sent: bool = False,
    bare_line_feeds: bool = False,
    release: str | None = None,
    contract: Contract | None = None,
) -> Diagnosis | None:
    """Like `diagnose`, but None where nothing is wrong: no defect was found and no server refused the request.

    Examples
    --------
    >>> find_defect(Request(method="GET", url="https://a.example/orders?page=2")) is None
    True
    """
    exchange = Exchange(request, response, as_sent=as_sent, bare_line_feeds=bare_line_feeds)
    found = findings(exchange, profile, contract)
    if not exchange.refused and not any(_is_named(exchange, finding) for finding in found):
        return None
    return _diagnosis(exchange, found, profile, malformed_payload_ratio, release)


def _is_named(exchange: Exchange, finding: CauseFinding) -> bool:
    return not finding.warning and finding.confidence >= (NAMED_WHEN_REFUSED if exchange.refused else NAMED)


def _diagnosis(
    exchange: Exchange,
    found: list[CauseFinding],
    profile: Profile | None,
    ratio: float | None,
    release: str | None = None,
) -> Diagnosis:
    figures = BadRequestFigures(
        malformed_payload_ratio=ratio,
        header_mismatch=header_mismatch(exchange.headers, profile.template_for_exchange(exchange))
        if profile is not None
        else None,
        url_encoding_failures=0
        if "clean url" in exchange.cache
        else invalid_url_encoding.unescaped_count(exchange.url),
    )
    best: CauseFinding | None = None
    for finding in found:
        if _is_named(exchange, finding):
            best = finding
            break
    rest = found[1:] if found and found[0] is best else [finding for finding in found if finding is not best]
    runners_up = _runners_up(best, rest) if rest else []
    if not rest and best is not None and best.confidence >= _UNPARSABLE and best.cause in _MALFORMED:
        reported = _REPORTED_WITH[best.cause]
    else:
        reported = frozenset([finding.cause for finding in found if not finding.warning])
        if _is_unparsable(found):
            reported |= _NEED_A_PARSABLE_BODY
    ruled_out = ruled_out_of(exchange, reported)
    answer = answer_of(exchange)
    from_answer = [answer.evidence] if answer is not None and answer.evidence is not None else []
    if best is None:
        return Diagnosis(
            cause="unknown",
            blame="unknown",
            confidence=0.0,
            remedy="Compare the request byte by byte with one that the target took.",
            evidence=[*_refusal(exchange), *from_answer],
            figures=figures,
            runners_up=runners_up,
            ruled_out=ruled_out,
            answered_by=answer.name if answer is not None else None,
            changes=_changes(exchange, "unknown", profile, release),
        )
    evidence = best.evidence
    for finding in rest:
        if finding.cause == best.cause and len(evidence) < _MAX_EVIDENCE:
            evidence = [*evidence, *(item for item in finding.evidence if item not in evidence)]
    return Diagnosis(
        cause=best.cause,
        blame=best.blame,
        confidence=round(best.confidence, 3),
        remedy=_encodable(best.remedy),
        evidence=[_encodable_evidence(item) for item in [*evidence[:_MAX_EVIDENCE], *from_answer]],
        figures=figures,
        runners_up=runners_up,
        ruled_out=ruled_out,
        retry_after_s=best.retry_after_s,
        answered_by=answer.name if answer is not None else None,
        changes=_changes(exchange, best.cause, profile, release),
    )


def _runners_up(best: CauseFinding | None, rest: list[CauseFinding]) -> list[RunnerUp]:
    """The likeliest finding of each other cause."""
    found: dict[str, RunnerUp] = {}
    for finding in rest:
        if (best is None or finding.cause != best.cause) and finding.cause not in found:
            detail = _encodable(finding.detail[:300])
            found[finding.cause] = RunnerUp(cause=finding.cause, confidence=round(finding.confidence, 3), detail=detail)
    return list(found.values())[:_MAX_RUNNERS_UP]


def _changes(exchange: Exchange, cause: str, profile: Profile | None, release: str | None) -> list[RequestChange]:
    """What differs from good requests, where the target refuses what it took before."""
    if profile is None or not exchange.refused or cause not in _COMPARED:
        return []
    return [
        RequestChange(mask(_encodable(one.what)), mask(_encodable(one.here)), mask(_encodable(one.usual)))
        for one in changes_of(exchange, profile, release) or ()
    ]


def _encodable(text: str) -> str:
    """The text with a question mark for each half of a surrogate pair, which UTF-8 cannot encode."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _encodable_evidence(item: Evidence) -> Evidence:
    detail, name = _encodable(item.detail), item.name
    if detail == item.detail and (name is None or _encodable(name) == name):
        return item
    return replace(item, detail=detail, name=name and _encodable(name))


def _refusal(exchange: Exchange) -> list[Evidence]:
    messages = read_server_error(exchange).messages
    text = messages[0] if messages else mask(" ".join(exchange.response_text[:2000].split()))
    return [Evidence(where="response_body", detail=_encodable(f"The server says: {text[:200]}"))] if text else []
