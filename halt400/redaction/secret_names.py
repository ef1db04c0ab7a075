"""Which names of headers, parameters and fields hold a secret.

A name is judged by its last words, whatever their spelling: ``client_secret``, ``clientSecret``, ``X-Client-Secret``
and ``user[client-secret]`` are one name. Names that only look like those of secrets (``max_tokens``,
``nextPageToken``, ``Idempotency-Key``) are left alone, because a diagnosis needs their values.
"""

import re
from enum import Enum
from functools import lru_cache

from halt400.redaction.credentials import HEADER_KINDS
from halt400.redaction.rules import RedactionRules

__all__ = ["NameVerdict", "SecretNames", "contains_any", "judge", "looks_secret", "lower"]


class NameVerdict(Enum):
    """What a name says about its value."""

    NONE = 0
    """Nothing."""
    WEAK = 1
    """A secret in a header, query or form where the value looks like one (``key``, ``session``)."""
    PLURAL = 2
    """Secrets, unless the value is a number: ``tokens`` may be a count or a list."""
    STRONG = 3
    """A secret."""


def _words(words: str) -> tuple[str, ...]:
    return tuple(words.split())


_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")

_IGNORED_WORDS = frozenset(
    _words(
        "again b64 base64 confirm confirmation confirmed current encrypted hash hashed new old plain raw repeat text "
        "value verify"
    )
)
_SECRET_WORDS = frozenset(_words("auth bearer csc cvc cvv hmac jwt otp pass pin psk pw pwd sid sig ssn totp"))
_SECRET_ENDINGS = _words(
    "password passwd passwort passphrase passcode motdepasse contrasena userpass dbpass proxypass userpwd "
    "secret token apikey accesskey accesskeyid secretkey privatekey authkey signingkey encryptionkey sharedkey "
    "masterkey accountkey subscriptionkey licensekey appkey applicationkey clientkey sessionkey functionkey "
    "functionskey hmackey sshkey authorization authentication cookie credential sessionid sessid signature "
    "pincode cardnumber cardno creditcard ccnumber ccnum csrf xsrf samlresponse clientassertion securitycode "
    "connectionstring authcode authorizationcode codeverifier credentials"
)
_WEAK_WORDS = frozenset(_words("code key session"))
_HARMLESS_ENDINGS = _words(
    "pagetoken nexttoken prevtoken previoustoken continuationtoken synctoken cursortoken resumetoken skiptoken "
    "canceltoken idempotencytoken idempotencykey surrogatekey cachekey websocketkey sortkey partitionkey primarykey "
    "foreignkey statuscode errorcode countrycode languagecode currencycode postalcode zipcode objectkey s3key filekey "
    "issuekey projectkey translationkey messagekey routingkey hashkey rangekey indexkey shardkey groupkey itemkey "
    "productkey categorykey pagekey productcode articlecode itemcode skucode reasoncode resultcode responsecode "
    "areacode storecode branchcode regioncode statecode couponcode discountcode promocode vouchercode taxcode "
    "emailsignature mailsignature"
)

_LONG_STEMS = _words(
    "pass pwd secret token key auth cookie credential sess bearer hmac csrf xsrf samlresp card ccnum assertion "
    "security connection verifier signature contrasena"
)
_SHORT_STEMS = _words("pin sid sig otp csc ssn cvv cvc jwt psk pw code")

STEMS = (*_LONG_STEMS, *_SHORT_STEMS)
"""Every name that `judge` knows contains one of these, in lower case."""
STEM_PATTERN = "|".join(_LONG_STEMS) + "|(?:" + "|".join(_SHORT_STEMS) + ")(?![a-z])"
"""The same, as a regular expression over lower-case text."""

_SECRET_LOOK = re.compile(r"(?=[^0-9]*[0-9])(?=[^A-Za-z]*[A-Za-z])[A-Za-z0-9_\-+/=.~%]{16,}")


def compact(name: str) -> str:
    """The name in lower case without what separates its words.

    >>> compact("X-Api-Key") == compact("xApiKey") == "xapikey"
    True
    """
    return "".join(_WORDS.findall(name)).lower()


def judge(name: str) -> NameVerdict:
    """What `name` says about its value.

    >>> judge("newPassword2"), judge("max_tokens"), judge("nextPageToken")
    (<NameVerdict.STRONG: 3>, <NameVerdict.PLURAL: 2>, <NameVerdict.NONE: 0>)
    """
    words = [word.lower() for word in _WORDS.findall(name)]
    while len(words) > 1 and (words[-1] in _IGNORED_WORDS or words[-1].isdigit()):
        words.pop()
    if not words:
        return NameVerdict.NONE
    last, joined = words[-1], "".join(words)
    if joined.endswith(_HARMLESS_ENDINGS):
        return NameVerdict.NONE
    if last in _SECRET_WORDS or joined.endswith(_SECRET_ENDINGS):
        return NameVerdict.STRONG
    if last.endswith("s") and (last[:-1] in _SECRET_WORDS or joined[:-1].endswith(_SECRET_ENDINGS)):
        return NameVerdict.PLURAL
    return NameVerdict.WEAK if last in _WEAK_WORDS else NameVerdict.NONE


def looks_secret(value: str) -> bool:
    """Whether a value under a weak name looks like a credential: long, one word, letters and digits."""
    return _SECRET_LOOK.fullmatch(value) is not None


def lower(text: str) -> str:
    """The text in lower case, of the same length (one capital of Turkish is two characters long otherwise)."""
    lowered = text.lower()
    return lowered if len(lowered) == len(text) else text.replace("İ", "i").lower()


def contains_any(needles: tuple[str, ...], text: str) -> bool:
    """Whether `text` contains one of `needles`."""
    for needle in needles:  # noqa: SIM110 - a generator costs twice the time
        if needle in text:
            return True
    return False


class SecretNames:
    """Judges names by the built-in rules and the operator's.

    Attributes
    ----------
    of_parameter, of_header
        The verdict on the name of a parameter or field, and on that of a header.
    stem_pattern
        Finds in lower-case text what every secret name contains.
    """

    __slots__ = ("_stems", "of_header", "of_parameter", "stem_pattern")

    def __init__(self, rules: RedactionRules) -> None:
        headers = frozenset(map(compact, rules.header_names))
        parameters = frozenset(map(compact, rules.parameter_names))
        kept = frozenset(map(compact, rules.keep_names))
        names = (*rules.parameter_names, *rules.header_names)
        first_words = {re.split(r"[^a-z0-9]+", name.strip("-_. ").lower())[0] for name in names}
        words = sorted(first_words - {""})
        self._stems = (*STEMS, *words)
        self.stem_pattern = re.compile("|".join([*map(re.escape, words), STEM_PATTERN]))

        @lru_cache(maxsize=4096)
        def of_parameter(name: str) -> NameVerdict:
            joined = compact(name)
            if joined in parameters or joined in headers:
                return NameVerdict.STRONG
            return NameVerdict.NONE if joined in kept and name.lower() not in HEADER_KINDS else judge(name)

        @lru_cache(maxsize=4096)
        def of_header(name: str) -> NameVerdict:
            joined = compact(name)
            if joined in headers or joined in parameters:
                return NameVerdict.STRONG
            verdict = NameVerdict.NONE if joined in kept else judge(name)
            return NameVerdict.NONE if verdict is NameVerdict.PLURAL else verdict

        self.of_parameter = of_parameter
        self.of_header = of_header

    def in_text(self, lowered: str) -> bool:
        """Whether a lower-case text can hold a secret name at all."""
        return contains_any(self._stems, lowered)
