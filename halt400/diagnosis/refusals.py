"""Refusals that are not about the form of the request: credential_rejected, rate_limited, expired_state, transient.

An error code decides (`code_meanings`); where none is told, the server's sentence (`refusal_phrases`), with less
confidence. The credential, or the field that refers to the state, is pointed at in the request, its value masked.
"""

# ruff: noqa: E501 - a table of remedies reads best with one entry a line
from __future__ import annotations

import re
from typing import NamedTuple

from msgspec import Struct

from halt400.diagnosis.code_meanings import meaning_of
from halt400.diagnosis.error_codes import read_error_codes
from halt400.diagnosis.excerpts import mask
from halt400.diagnosis.exchange import Exchange
from halt400.diagnosis.finding import CauseFinding
from halt400.diagnosis.locations import locate_name
from halt400.diagnosis.missing_required_header import had_csrf_token
from halt400.diagnosis.refusal_phrases import phrase_in, speaks_of_form
from halt400.diagnosis.sent_credentials import (
    credential_place,
    is_credential_name,
    is_cursor_name,
    is_secret_name,
    is_state_name,
    state_place,
)
from halt400.diagnosis.server_errors import ServerError, read_server_error
from halt400.diagnosis.stated_wait import stated_wait
from halt400.records import Blame, Cause, Evidence

__all__ = ["REMEDIES", "find"]

BY_CODE, BY_AMBIGUOUS_CODE, BY_WORDS, BY_WORDS_OF_STATE, BY_RETRY_AFTER, BY_FIELD = 0.96, 0.8, 0.89, 0.86, 0.7, 0.92
_EXPECTED_REGION = re.compile(r"\bexpecting '([a-z0-9-]{2,40})'")
_ABSENT = re.compile(r"missing|required|blank|empty|null|absent|unknown|unexpected|type", re.IGNORECASE)
_GRANT_FIELDS = {
    "code": "grant", "refresh_token": "grant", "assertion": "grant", "client_id": "client", "client_secret": "client",
}  # fmt: skip
BESIDE_A_FIELD = 0.6
"""Of a sentence beside a field that the server names and that is neither a credential nor state."""

REMEDIES: dict[tuple[str, str], str] = {
    ("credential_rejected", "expired"): "Renew the credential, and tell who owns it; the request itself is well formed.",
    ("credential_rejected", "missing"): "Send the credential that the target asks for: it found none; tell who configures the job.",
    ("credential_rejected", "wrong"): "Check that this key or token is the one for this target and still active, and tell who owns it; the request itself is well formed.",
    ("credential_rejected", "grant"): "Obtain a new grant (sign in again, or a new refresh token), and tell who owns the credential; a grant that was refused once stays refused.",
    ("credential_rejected", "client"): "Check client id and secret of the application and its registration, and tell who owns it; the request itself is well formed.",
    ("credential_rejected", "signature"): "Sign again with the right key, region and headers as sent, and tell who owns the key; the content of the request is not at fault.",
    ("credential_rejected", "region"): "Sign for the region that the server names, and send to its endpoint.",
    ("credential_rejected", "clock"): "Set the clock of the machine that signs (NTP), and sign right before sending; tell who owns the machine.",
    ("credential_rejected", "permission"): "Grant this credential the permission, or use one that has it; tell who owns it.",
    ("credential_rejected", "payment"): "Pay, or raise the limit of the account that owns the credential; tell its owner.",
    ("credential_rejected", "login"): "A person must sign in to the account again, or confirm it; tell who owns it.",
    ("rate_limited", "rate"): "Send fewer requests at once, after a pause; nothing in the request needs to change.",
    ("rate_limited", "slow_down"): "Lengthen the interval between polls by 5 seconds, as RFC 8628 says; nothing else needs to change.",
    ("expired_state", "cursor"): "Start again from its source: ask for the first page, and follow the cursors of that run without a pause.",
    ("expired_state", "session"): "Start again from its source: open a new session, and send the request in it.",
    ("expired_state", "csrf"): "Start again from its source: fetch the page that issues the token, in the same session, right before the request.",
    ("expired_state", "nonce"): "Start again from its source: take a new nonce from the last response or its endpoint, and use it once.",
    ("expired_state", "code"): "Start again from its source: have a new one issued; each is good once and for a short time.",
    ("transient", "conflict"): "Nothing in the request needs to change: read the state of the resource, and send it when that allows it.",
    ("transient", "pending"): "Nothing in the request needs to change: ask again after the stated interval.",
    ("transient", "timeout"): "Nothing in the request needs to change: send it again over a new connection.",
    ("transient", "server"): "Nothing in the request needs to change; let the target recover.",
}  # fmt: skip
_BLAME: dict[str, Blame] = {"credential_rejected": "credential", "rate_limited": "nobody", "expired_state": "state", "transient": "target"}  # fmt: skip


class _Told(Struct, frozen=True):
    """What a response tells, whatever the request was."""

    cause: Cause
    kind: str
    confidence: float
    decides: bool
    evidence: list[Evidence]
    wait_s: int | None
    region: str | None = None


class _Wait(NamedTuple):
    seconds: int | None
    evidence: list[Evidence]


def find(exchange: Exchange) -> list[CauseFinding]:
    """Report what the response tells besides a defect of the request: by its codes, else by its sentence.

    Examples
    --------
    >>> from halt400.records import Request, Response
    >>> body = '{"error": "invalid_grant", "error_description": "Token has been expired or revoked."}'
    >>> found = find(Exchange(Request(method="POST", url="https://a.example/token"), Response(status=400, body=body)))[0]
    >>> found.cause, found.blame, found.confidence
    ('credential_rejected', 'credential', 0.96)
    """
    if not exchange.refused:
        return []
    cache = exchange.parsed_response.cache
    if "refusal" not in cache:
        cache["refusal"] = _told(exchange)
    told: _Told | None = cache["refusal"] or _by_grant(exchange)
    if told is None or (told.kind == "csrf" and not had_csrf_token(exchange)):
        return []
    evidence = list(told.evidence)
    confidence = told.confidence
    place = _place(exchange, told)
    if place is not None:
        evidence.insert(0, place)
    if not told.decides:
        confidence = _beside_fields(exchange, told)
    return [
        CauseFinding(
            cause=told.cause,
            confidence=confidence,
            blame=_BLAME[told.cause],
            remedy=_remedy(told),
            evidence=evidence,
            decides=told.decides,
            retry_after_s=told.wait_s if told.cause in ("rate_limited", "transient") else None,
        )
    ]


def _remedy(told: _Told) -> str:
    if told.cause == "rate_limited" and told.kind == "rate" and told.wait_s is not None:
        return f"Wait {told.wait_s} s, then send fewer requests at once; nothing in the request needs to change."
    if told.region is not None:
        return (
            f"Sign for the region {told.region}, and send to its endpoint; the content of the request is not at fault."
        )
    return REMEDIES[told.cause, told.kind]


def _told(exchange: Exchange) -> _Told | None:
    error = read_server_error(exchange)
    wait = _waiting(exchange, error)
    by_code = _by_code(exchange, error, wait)
    if by_code is not None and not by_code.decides:
        spoken = _by_words(error, wait)
        if spoken is not None and spoken.cause not in (by_code.cause, "transient"):
            return spoken
    return by_code or _by_field(error) or _by_words(error, wait) or _by_retry_after(exchange, error, wait)


def _waiting(exchange: Exchange, error: ServerError) -> _Wait:
    found = stated_wait(exchange, error.sentences)
    return _Wait(found[0], [found[1]]) if found is not None else _Wait(None, [])


def _said(error: ServerError) -> list[Evidence]:
    message = error.message or (error.messages[0] if error.messages else "")
    return [Evidence(where="response_body", detail=f"The server says: {message[:400]}")] if message else []


def _by_code(exchange: Exchange, error: ServerError, wait: _Wait) -> _Told | None:
    sentence = " ".join(error.sentences[:3])
    ambiguous: _Told | None = None
    for code in read_error_codes(exchange):
        meaning = meaning_of(code, sentence)
        if meaning is None:
            continue
        source = meaning.source or "its words say so"
        detail = f"The code {mask(code.value)[:80]} ({code.name}) tells it: {source}"
        evidence = [Evidence(where=code.where, name=code.name, detail=detail), *wait.evidence, *_said(error)]
        wait_s = wait.seconds if wait.seconds is not None else meaning.wait_s
        confidence = BY_AMBIGUOUS_CODE if meaning.weak else BY_CODE
        expected = _EXPECTED_REGION.search(sentence) if meaning.kind in ("region", "signature") else None
        region = expected[1] if expected is not None else None
        told = _Told(meaning.cause, meaning.kind, confidence, not meaning.weak, evidence, wait_s, region)
        if not meaning.weak:
            return told
        ambiguous = ambiguous or told
    return ambiguous


def _by_grant(exchange: Exchange) -> _Told | None:
    """A token request (RFC 6749) whose code, token or client the server refuses in a member of its own, by no code."""
    if b"grant_type" not in (exchange.body or b"")[:4096]:
        return None
    for field in read_server_error(exchange).fields[:4]:
        name = field.name.rpartition(".")[2].lower()
        if field.structured and name in _GRANT_FIELDS and _ABSENT.search(field.message) is None:
            evidence = [Evidence(where="response_body", detail=f"The server refuses {field.name} of a token request.")]
            return _Told("credential_rejected", _GRANT_FIELDS[name], BY_FIELD, True, evidence, None)
    return None


def _by_field(error: ServerError) -> _Told | None:
    """A member of its own names a credential, a cursor or a session, and the sentence asks for no other form of it."""
    for field in error.fields[:4]:
        if field.structured and is_secret_name(field.name) and not speaks_of_form(field.message):
            if _ABSENT.search(field.message) is not None:
                continue
            detail = f"The server refuses {field.name}: {field.message[:300]}"
            evidence = [Evidence(where="response_body", detail=detail)]
            return _Told("credential_rejected", "wrong", BY_FIELD, False, evidence, None)
        if field.structured and is_cursor_name(field.name) and not speaks_of_form(field.message):
            detail = f"The server refuses {field.name}: {field.message[:300]}"
            return _Told(
                "expired_state", "cursor", BY_FIELD, False, [Evidence(where="response_body", detail=detail)], None
            )
    return None


def _by_words(error: ServerError, wait: _Wait) -> _Told | None:
    best: _Told | None = None
    for sentence in error.sentences[:4]:
        phrase = phrase_in(sentence)
        if phrase is None:
            continue
        confidence = BY_WORDS_OF_STATE if phrase.cause == "transient" else BY_WORDS
        if phrase.cause == "rate_limited" and wait.seconds is not None:
            confidence = BY_FIELD
        detail = f"The server says: {mask(sentence[:400])}"
        evidence = [Evidence(where="response_body", detail=detail), *wait.evidence]
        told = _Told(phrase.cause, phrase.kind, confidence, False, evidence, wait.seconds)
        if phrase.cause != "transient":
            return told
        best = best or told
    return best


def _by_retry_after(exchange: Exchange, error: ServerError, wait: _Wait) -> _Told | None:
    if wait.seconds is None or "retry-after" not in exchange.response_fields:
        return None
    return _Told("rate_limited", "rate", BY_RETRY_AFTER, False, [*wait.evidence, *_said(error)], wait.seconds)


def _place(exchange: Exchange, told: _Told) -> Evidence | None:
    if told.cause == "credential_rejected":
        return credential_place(exchange, "The request carries this credential.", of_time=told.kind == "clock")
    return state_place(exchange, "The request refers to this state.") if told.cause == "expired_state" else None


def _beside_fields(exchange: Exchange, told: _Told) -> float:
    """The confidence beside the fields that the server names: more where one is the credential or the state itself."""
    has_own_fields = told.cause in ("credential_rejected", "expired_state")
    wanted = is_credential_name if told.cause == "credential_rejected" else is_state_name
    for field in read_server_error(exchange).fields[:6]:
        if has_own_fields and wanted(field.name):
            return max(told.confidence, BY_FIELD)
        if field.structured and (
            field.location == "header" or locate_name(exchange, field.name, field.location, "") is not None
        ):
            return BESIDE_A_FIELD
    return told.confidence
