"""Which names of headers, parameters and fields hold a secret.

A name is judged by its last words, whatever their spelling: ``client_secret``, ``clientSecret``, ``X-Client-Secret``
and ``user[client-secret]`` are one name. What reads alike and is no secret (``max_tokens``, ``nextPageToken``,
``Idempotency-Key``) is left alone: it is what a diagnosis needs to see.
"""

import re
from enum import Enum

__all__ = ["STEMS", "STEM_GATE", "NameVerdict", "compact", "judge", "looks_secret"]


class NameVerdict(Enum):
    """What a name says of its value."""

    NONE = 0
    """Nothing."""
    WEAK = 1
    """A secret in a header, query or form where the value looks like one (``key``, ``session``)."""
    PLURAL = 2
    """Secrets, unless the value is a number: ``tokens`` counts them as often as it lists them."""
    STRONG = 3
    """A secret."""


def _listed(words: str) -> tuple[str, ...]:
    return tuple(words.split())


_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")

_NOISE = frozenset(
    _listed(
        "again b64 base64 confirm confirmation confirmed current encrypted hash hashed new old plain raw repeat text "
        "value verify"
    )
)
_WHOLE = frozenset(_listed("auth bearer csc cvc cvv hmac jwt otp pass pin psk pw pwd sid sig ssn totp"))
_TAILS = _listed(
    "password passwd passwort passphrase passcode motdepasse contrasena userpass dbpass proxypass userpwd "
    "secret token apikey accesskey accesskeyid secretkey privatekey authkey signingkey encryptionkey sharedkey "
    "masterkey accountkey subscriptionkey licensekey appkey applicationkey clientkey sessionkey functionkey "
    "functionskey hmackey sshkey authorization authentication cookie credential sessionid sessid signature "
    "pincode cardnumber cardno creditcard ccnumber ccnum csrf xsrf samlresponse clientassertion securitycode "
    "connectionstring authcode authorizationcode codeverifier credentials"
)
_WEAK = frozenset(_listed("code key session"))
_NOT = _listed(
    "pagetoken nexttoken prevtoken previoustoken continuationtoken synctoken cursortoken resumetoken skiptoken "
    "canceltoken idempotencytoken idempotencykey surrogatekey cachekey websocketkey sortkey partitionkey primarykey "
    "foreignkey statuscode errorcode countrycode languagecode currencycode postalcode zipcode"
)

_LONG_STEMS = _listed(
    "pass pwd secret token key auth cookie credential sess bearer hmac csrf xsrf samlresp card ccnum assertion "
    "security connection verifier signature contrasena"
)
_SHORT_STEMS = _listed("pin sid sig otp csc ssn cvv cvc jwt psk pw code")

STEM_GATE = (*_LONG_STEMS, *_SHORT_STEMS)
"""Every name that `judge` knows contains one of these, in lower case."""
STEMS = "|".join(_LONG_STEMS) + "|(?:" + "|".join(_SHORT_STEMS) + ")(?![a-z])"
"""The same as a regular expression over lower-case text."""

_SECRET_LOOK = re.compile(r"(?=[^0-9]*[0-9])(?=[^A-Za-z]*[A-Za-z])[A-Za-z0-9_\-+/=.~%]{16,}")


def compact(name: str) -> str:
    """The name in lower case without what separates its words.

    >>> compact("X-Api-Key") == compact("xApiKey") == "xapikey"
    True
    """
    return "".join(_WORDS.findall(name)).lower()


def judge(name: str) -> NameVerdict:
    """What `name` says of its value.

    >>> judge("newPassword2"), judge("max_tokens"), judge("nextPageToken")
    (<NameVerdict.STRONG: 3>, <NameVerdict.PLURAL: 2>, <NameVerdict.NONE: 0>)
    """
    words = [word.lower() for word in _WORDS.findall(name)]
    while len(words) > 1 and (words[-1] in _NOISE or words[-1].isdigit()):
        words.pop()
    if not words:
        return NameVerdict.NONE
    last, joined = words[-1], "".join(words)
    if joined.endswith(_NOT):
        return NameVerdict.NONE
    if last in _WHOLE or joined.endswith(_TAILS):
        return NameVerdict.STRONG
    if last.endswith("s") and (last[:-1] in _WHOLE or joined[:-1].endswith(_TAILS)):
        return NameVerdict.PLURAL
    return NameVerdict.WEAK if last in _WEAK else NameVerdict.NONE


def looks_secret(value: str) -> bool:
    """Whether a value under a weak name looks like a credential: long, one word, letters and digits."""
    return _SECRET_LOOK.fullmatch(value) is not None
