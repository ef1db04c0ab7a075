"""What an error code means, where it tells no defect of the request: the codes of `code_tables`, and numbers. Pure.

A number means something only beside a sign of its API: a member that no other has, or a word of its own message.
"""

# ruff: noqa: E501 - a table of codes or sources reads best with one entry a line

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from halt400.diagnosis.code_tables import AMBIGUOUS_CODES, CODES, SOURCES
from halt400.diagnosis.code_words import WORDS
from halt400.diagnosis.error_codes import ErrorCode, code_key
from halt400.lazy_patterns import lazy_pattern
from halt400.records import Cause

__all__ = ["Meaning", "meaning_of"]


class Meaning(NamedTuple):
    """What a code means.

    Parameters
    ----------
    cause, kind
        The cause, and which remedy of it: see `refusals`.
    source
        The documentation of the API that has the code; empty for a word that tells it without any (`code_words`).
    wait_s
        How long that documentation says to wait, in seconds.
    weak
        Whether many APIs use the code for other things too: another code beside it decides.
    """

    cause: Cause
    kind: str
    source: str
    wait_s: int | None = None
    weak: bool = False


_C: Cause = "credential_rejected"
_R: Cause = "rate_limited"
_S: Cause = "expired_state"
_T: Cause = "transient"


def _table() -> dict[str, Meaning]:
    table: dict[str, Meaning] = {}
    words = tuple((cause, kind, "", words) for cause, kind, words in WORDS)
    for rows, weak in ((CODES, False), (words, False), (AMBIGUOUS_CODES, True)):
        for cause, kind, source, codes in rows:
            for code in codes.split():
                # The DPoP and device grants have documented times: 5 s more (RFC 8628, 3.5), none for a nonce.
                table.setdefault(code_key(code), Meaning(cause, kind, source, 5 if kind == "slow_down" else None, weak))
    return table


_MEANINGS: Mapping[str, Meaning] = _table()

_META_NUMBERS = {
    "190": Meaning(_C, "expired", SOURCES["meta"]), "102": Meaning(_C, "expired", SOURCES["meta"]), "3": Meaning(_C, "permission", SOURCES["meta"]), "10": Meaning(_C, "permission", SOURCES["meta"]),
    **{str(number): Meaning(_C, "permission", SOURCES["meta"]) for number in range(200, 300)}, "368": Meaning(_R, "rate", SOURCES["meta"]), "341": Meaning(_R, "rate", SOURCES["meta"]),
    "1": Meaning(_T, "server", SOURCES["meta"]), "2": Meaning(_T, "server", SOURCES["meta"]),
    "4": Meaning(_R, "rate", SOURCES["meta_limits"], 3600), "17": Meaning(_R, "rate", SOURCES["meta_limits"], 3600),
    "32": Meaning(_R, "rate", SOURCES["meta_limits"], 3600), "613": Meaning(_R, "rate", SOURCES["meta_limits"], 3600),
    "80000": Meaning(_R, "rate", "https://github.com/airbytehq/airbyte/pull/3996", 3600),
}  # fmt: skip
"""Graph API; its limits are those of one hour, sliding."""
_BINANCE_NUMBERS = {
    "-1021": Meaning(_C, "clock", SOURCES["binance"]), "-1022": Meaning(_C, "signature", SOURCES["binance"]),
    "-2014": Meaning(_C, "wrong", SOURCES["binance"]), "-2015": Meaning(_C, "wrong", SOURCES["binance"]), "-1002": Meaning(_C, "wrong", SOURCES["binance"]),
    "-1003": Meaning(_R, "rate", SOURCES["binance"], 60), "-1015": Meaning(_R, "rate", SOURCES["binance"]),
    "-1001": Meaning(_T, "server", SOURCES["binance"]), "-1007": Meaning(_T, "timeout", SOURCES["binance"]), "-1008": Meaning(_T, "server", SOURCES["binance"]),
}  # fmt: skip
_WITHCODES: dict[str, tuple[re.Pattern[str], Meaning]] = {
    number: (lazy_pattern(words, re.IGNORECASE), meaning)
    for number, words, meaning in (
        ("32", r"authenticate", Meaning(_C, "wrong", SOURCES["x"])), ("89", r"token", Meaning(_C, "expired", SOURCES["x"])),
        ("88", r"rate limit", Meaning(_R, "rate", SOURCES["x"], 900)), ("135", r"timestamp", Meaning(_C, "clock", SOURCES["x"])),
        ("215", r"authentication", Meaning(_C, "wrong", SOURCES["x"])), ("239", r"guest token", Meaning(_S, "session", SOURCES["x"])),
        ("326", r"locked", Meaning(_C, "login", SOURCES["x"])), ("64", r"suspended", Meaning(_C, "wrong", SOURCES["x"])),
        ("353", r"csrf", Meaning(_S, "csrf", SOURCES["x"])), ("130", r"capacity", Meaning(_T, "server", SOURCES["x"])),
        ("40060", r"acknowledged", Meaning(_S, "code", SOURCES["discord"])), ("10062", r"interaction", Meaning(_S, "code", SOURCES["discord"])),
        ("50014", r"token", Meaning(_C, "wrong", SOURCES["discord"])), ("50025", r"token", Meaning(_C, "wrong", SOURCES["discord"])),
        ("50027", r"token", Meaning(_C, "wrong", SOURCES["discord"])), ("40001", r"unauthorized", Meaning(_C, "permission", SOURCES["discord"])),
        ("40062", r"rate limit", Meaning(_R, "rate", SOURCES["discord"])), ("20028", r"rate limit", Meaning(_R, "rate", SOURCES["discord"])),
        ("31001", r"rate limit", Meaning(_R, "rate", SOURCES["discord"])),
        ("20003", r"authent", Meaning(_C, "wrong", SOURCES["twilio"])), ("20429", r"too many", Meaning(_R, "rate", SOURCES["twilio"])),
        ("20101", r"token", Meaning(_C, "wrong", SOURCES["twilio"])), ("20104", r"expired", Meaning(_C, "expired", SOURCES["twilio"])),
        ("14107", r"rate", Meaning(_R, "rate", SOURCES["twilio"])), ("20008", r"test", Meaning(_C, "wrong", SOURCES["twilio"])),
        ("6003", r"header", Meaning(_C, "wrong", SOURCES["cloudflare"])),
        ("6103", r"x-auth", Meaning(_C, "wrong", SOURCES["cloudflare"])),
        ("10000", r"authentication", Meaning(_C, "wrong", "https://www.kancloud.cn/orchie/cloudflare_worker/1627268")),
        ("400002", r"timestamp", Meaning(_C, "clock", SOURCES["kucoin"])),
        ("400003", r"key", Meaning(_C, "wrong", SOURCES["kucoin"])), ("400004", r"passphrase", Meaning(_C, "wrong", SOURCES["kucoin"])),
        ("400005", r"sign", Meaning(_C, "signature", SOURCES["kucoin"])), ("200002", r"too many|429|rate limit", Meaning(_R, "rate", SOURCES["kucoin"])),
        ("50111", r"OK-ACCESS-KEY", Meaning(_C, "wrong", SOURCES["okx"])), ("50112", r"timestamp", Meaning(_C, "clock", SOURCES["okx"])),
        ("50113", r"sign", Meaning(_C, "signature", SOURCES["okx"])), ("50011", r"rate limit", Meaning(_R, "rate", SOURCES["okx"])),
        ("20016", r"rate limit", Meaning(_R, "rate", SOURCES["discord"])), ("20022", r"rate limit", Meaning(_R, "rate", SOURCES["discord"])),
    )
}  # fmt: skip
"""Numbers that other APIs use too, each with a word that its own message has."""
_ENTRA_NUMBERS = {
    **dict.fromkeys(("70000", "70008", "700082", "700084", "50173", "70043", "50132", "50133", "54005", "50055", "50144", "50089", "500133", "90086"), Meaning(_C, "expired", SOURCES["entra"])),
    **dict.fromkeys(("7000222",), Meaning(_C, "expired", SOURCES["entra"])),
    **dict.fromkeys(("7000215", "700016", "50126", "50034", "50056", "50057", "50064", "700027", "50053", "50012", "50013", "50027", "70001", "70002", "700011", "700005", "7000112"), Meaning(_C, "client", SOURCES["entra"])),
    **dict.fromkeys(("50072", "50074", "50076", "50078", "50079", "65001", "50058", "50105", "53003", "16000", "700020", "9002341"), Meaning(_C, "login", SOURCES["entra"])),
    **dict.fromkeys(("50196", "90055", "50088"), Meaning(_R, "rate", SOURCES["entra"])),
    **dict.fromkeys(("70016",), Meaning(_T, "pending", SOURCES["entra"])), **dict.fromkeys(("70019",), Meaning(_S, "code", SOURCES["entra"])),
    **dict.fromkeys(("90033", "50033", "90024", "90006", "90090", "50087", "90012"), Meaning(_T, "server", SOURCES["entra"])),
    **dict.fromkeys(("700024", "7000216", "7000229"), Meaning(_C, "client", SOURCES["entra"])),
}  # fmt: skip
_META_TYPES = ("OAuthException", "GraphMethodException", "FacebookApiException", "IGApiException")
_DEVICE_CODE = Meaning("expired_state", "code", "https://www.rfc-editor.org/rfc/rfc8628#section-3.5")
_NOT_A_CREDENTIAL = lazy_pattern(
    r"page|pagination|cursor|continuation|next[ _-]?token|sync|scroll|csrf|xsrf|anti-?forgery|authenticity|guest|upload"
    r"|device[ _]code|nonce",
    re.IGNORECASE,
)
_SYNTAX_TALK = lazy_pattern(r"json|pars|syntax|position \d|line \d|lexer|unexpected|query string", re.IGNORECASE)


def meaning_of(code: ErrorCode, message: str) -> Meaning | None:
    """What `code` means beside the server's sentence; None where it tells a defect of the request, or is unknown.

    Examples
    --------
    >>> code = ErrorCode("ThrottlingException", "response_body", "__type", {})
    >>> meaning_of(code, "Rate exceeded").cause
    'rate_limited'
    >>> meaning_of(ErrorCode("INVALID_TOKEN", "response_body", "code", {}), "Unexpected '}' in JSON") is None
    True
    """
    if code.value.startswith("AADSTS"):
        return _ENTRA_NUMBERS.get(code.value.removeprefix("AADSTS"))
    if code.is_number:
        return _of_number(code, message)
    key = code_key(code.value)
    meaning = _MEANINGS.get(key) or (
        _MEANINGS.get(code_key(code.value.partition(".")[0])) if "." in code.value else None
    )
    if meaning is None or "token" not in key:
        return meaning
    # An "invalid token" is one of a parser, too, or the token of a page, a form or an upload.
    if key in ("invalidtoken", "badtoken") and _SYNTAX_TALK.search(message):
        return None
    if meaning.cause == "credential_rejected" and _NOT_A_CREDENTIAL.search(message):
        return Meaning("expired_state", "cursor", meaning.source)
    if code.value == "expired_token" and code.name == "error" and "error_code" not in code.beside:
        # RFC 8628: that of a device code, unless the sentence speaks of another token.
        spoken = re.search(r"access|bearer|refresh|security|auth", message, re.IGNORECASE)
        return Meaning("credential_rejected", "expired", SOURCES["oauth"]) if spoken else _DEVICE_CODE
    return meaning


def _of_number(code: ErrorCode, message: str) -> Meaning | None:
    beside: dict[str, Any] = code.beside
    if "subcode" in code.name:
        return None
    if "fbtrace_id" in beside or beside.get("type") in _META_TYPES:
        return _META_NUMBERS.get(code.value)
    if "msg" in beside and code.value.startswith("-"):
        return _BINANCE_NUMBERS.get(code.value)
    worded = _WITHCODES.get(code.value)
    return worded[1] if worded is not None and worded[0].search(message) is not None else None
