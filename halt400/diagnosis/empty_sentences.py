"""Sentences of servers that say nothing: no word but of "request", "error" and the like."""

from __future__ import annotations

from halt400.lazy_patterns import lazy_pattern

__all__ = ["says_nothing"]

_WITHOUT_INFORMATION = frozenset(
    """
    a able about account action administrator after again all an and any api application appears are argument
    arguments as at attempt bad be because been body but by call can cannot check client code complete completed
    contact content could couldn data description detail details did do documentation docs does doesn don due
    during encountered err error errored errors exception execute execution fail failed failing fails failure fault
    find for found further general generic get given got had handle has have help here http https i id if illegal
    in incorrect info information input inputs internal invalid is isn issue it its just known kind log logs made
    make malformed may message method more need no not occured occurred of on one ooops oops operation or our out
    page parameter parameters params payload perform performed please problem problems proceed process processed
    processing provided query reason received refer rejected request requested requests response result s see sent
    server service services set some something sorry specified status submitted successful successfully such
    support supplied syntax system t team that the their there this to unable understand understood unexpected
    unhandled unknown unprocessable unspecified unsuccessful us user valid validate validation value values verify
    via was wasn way we went were what when while will with won working wrong you your entity whoops uh oh happened
    completing handling executing performing fulfil fulfill fulfilled satisfied statuscode exist failures
    precondition
    """.split()  # noqa: SIM905
)
_WORD = lazy_pattern(r"[A-Za-z]+")
_HUMP = lazy_pattern(r"(?<=[a-z])(?=[A-Z])")


def says_nothing(sentence: str) -> bool:
    """Whether a sentence of a server has no information: no word but of "request", "error" and the like, and no number.

    Examples
    --------
    >>> says_nothing("An error occurred"), says_nothing("Validation failed for input."), says_nothing("price too low")
    (True, True, False)
    """
    if len(sentence) > 300:
        return False
    words = _WORD.findall(_HUMP.sub(" ", sentence))
    digits = sentence.replace("400", "")
    return all(word.lower() in _WITHOUT_INFORMATION for word in words) and not any(c.isdigit() for c in digits)
