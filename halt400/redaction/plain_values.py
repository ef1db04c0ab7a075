"""Values under secret names that are no secrets: switches, names of types, and what a server says about a secret.

A diagnosis needs them: ``{"password": "must be at least 8 characters"}`` is the server's reason, and a word that is cut
out of it is evidence lost.
"""

import re

__all__ = ["is_plain"]


def _words(words: str) -> frozenset[str]:
    return frozenset(words.split())


_SWITCHES = _words(
    "array bool boolean disabled empty enabled expired forbidden include integer invalid missing mandatory no number "
    "object off omit on optional required same-origin string text unauthorized unset yes"
)
_SAYS = _words(
    "are be can cannot can't could do does doesn't expected field got has hasn't have header is isn't may might must "
    "needs parameter should this value was were"
)
_OF_WHAT = _words(
    "absent allowed array between bad blank boolean characters correct defined denied digits empty equal exceed "
    "exceeds exist existing exists expired forbidden found given greater incorrect incomplete integer invalid least "
    "length less letters long malformed match matches missing more most null number object present provided "
    "recognized rejected required revoked set short specified string supported undefined unexpected unknown "
    "unrecognized unsupported used valid weak wrong"
)
_MOST_WORDS = 40
_WORD = re.compile(r"[A-Z]?[a-z]+(?:['’-][a-z]+)?|[0-9]{1,4}")


def is_plain(value: str) -> bool:
    """Whether a value is a switch, the name of a type, or a sentence about the secret that should be there.

    A sentence says what is wrong, in words: nothing in it may be anything else than a word or a short number.

    >>> [is_plain(value) for value in ("required", "must be at least 8 characters", "correct horse battery staple")]
    [True, True, False]
    """
    if value in _SWITCHES:
        return True
    if " " not in value:
        return False
    words = [word.rstrip(",.;:!") for word in value.split(None, _MOST_WORDS)]
    if len(words) > _MOST_WORDS or not all(map(_WORD.fullmatch, words)):
        return False
    lowered = {word.lower().replace("’", "'") for word in words}
    return not (_SAYS.isdisjoint(lowered) or _OF_WHAT.isdisjoint(lowered))
