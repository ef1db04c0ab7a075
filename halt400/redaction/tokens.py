"""The keyed token that replaces a secret: as long as the secret, of its alphabet, and the same each time.

A token is ``marker + tag + check + padding``. The tag is a keyed BLAKE2b digest of the secret, so that two archives
made with one key can be compared, and nobody without the key can test a guess of a secret. The check is a keyed digest
of the tag: only a token made with this key carries it, so a token is recognised and left alone, and redacting twice is
the same as redacting once. Below eight characters, or twelve digits, there is no room for either, and the secret
becomes a plain mask.

Digits stay digits and hexadecimal stays hexadecimal. Everything else is written with consonants and digits that
cannot form a word.
"""

from hashlib import blake2b

from halt400.errors import SettingError

__all__ = ["KEY_MIN_BYTES", "MASKED_BELOW", "Tokens", "is_masked"]

KEY_MIN_BYTES = 16
MASKED_BELOW = 8
NUMBER_MASKED_BELOW = 12
"""Digits and hexadecimal hold less per character, so they need more of them."""

_TAG_MAX = 16
_CHECK_MAX = 8
_CONSONANTS = str.maketrans("0123456789abcdef", "BCDFGHJLMNQRXZ79")
_HEX_LOWER = frozenset("0123456789abcdef")
_HEX_UPPER = frozenset("0123456789ABCDEF")


def _markers(core: str) -> tuple[str, str, str]:
    """Alphabet name, marker and padding character for a core of at least one character."""
    length = len(core)
    if core.isdigit() and core.isascii():
        return "digits", "999", "9"
    characters = set(core)
    if characters <= _HEX_LOWER and length > 2:  # one or two: `f"` would open a string of Python
        return "hex", "facade" if length >= 16 else "fa", "f"
    if characters <= _HEX_UPPER:
        return "HEX", "FACADE" if length >= 16 else "FA", "F"
    if length >= 20:
        return "any", "REDACTED", "x"
    return "any", "RDCT" if length >= 12 else "X", "x"


def is_masked(core: str) -> bool:
    """Whether a core is too short for a token, and becomes a mask.

    >>> is_masked("1234567890"), is_masked("12345-67890"), is_masked("s3cret")
    (True, False, True)
    """
    return len(core) < (MASKED_BELOW if _markers(core)[0] == "any" else NUMBER_MASKED_BELOW)


class Tokens:
    """Makes and recognises the tokens of one key.

    Parameters
    ----------
    key
        At least 16 bytes, secret. Archives made with one key stay comparable; another key makes other tokens.

    Raises
    ------
    SettingError
        The key is so short that somebody could guess it.

    Examples
    --------
    >>> tokens = Tokens(b"a key of at least 16 bytes")
    >>> token = tokens.token("correct-horse-battery")
    >>> len(token), token.startswith("REDACTED"), tokens.token(token) == token
    (21, True, True)
    """

    __slots__ = ("_keyed",)

    def __init__(self, key: bytes) -> None:
        if len(key) < KEY_MIN_BYTES:
            raise SettingError(
                f"The redaction key has {len(key)} bytes, at least {KEY_MIN_BYTES} are needed.",
                "Set a random one, for instance from `openssl rand -hex 32`.",
            )
        if len(key) > 64:
            key = blake2b(key).digest()
        self._keyed = blake2b(key=key, digest_size=24, person=b"halt400-redact")

    def digest(self, data: bytes, purpose: bytes = b"tag") -> str:
        """Forty-eight hexadecimal characters: the keyed digest of `data` for one purpose."""
        state = self._keyed.copy()
        state.update(purpose + b"\x00" + data)
        return state.hexdigest()

    def token(self, core: str, secret: str | None = None) -> str:
        """The token for `core`, as many characters; `core` itself when it is a token already.

        Parameters
        ----------
        core
            The characters to replace.
        secret
            What the token identifies, where that is more than the replaced characters.
        """
        length = len(core)
        if not core.strip("x") or not core.strip("9"):
            return core
        alphabet, marker, fill = _markers(core)
        if length < (MASKED_BELOW if alphabet == "any" else NUMBER_MASKED_BELOW):
            return fill * length
        room = length - len(marker)
        # The odds that a secret passes for a token and stays: at most one in a million, mostly far less.
        check_length = min(_CHECK_MAX, max(3 if length < NUMBER_MASKED_BELOW else 4, room // 3))
        tag_length = min(_TAG_MAX, room - check_length)
        rest = fill * (room - tag_length - check_length)
        if core.startswith(marker):
            start, end = len(marker), len(marker) + tag_length
            if core[end:] == self._check(core[start:end], alphabet, check_length) + rest:
                return core
        source = core if secret is None else secret
        tag = _write(self.digest(source.encode("utf-8", "surrogatepass")), alphabet, tag_length)
        return marker + tag + self._check(tag, alphabet, check_length) + rest

    def _check(self, tag: str, alphabet: str, length: int) -> str:
        return _write(self.digest(tag.encode("utf-8", "surrogatepass"), b"check"), alphabet, length)


def _write(digest: str, alphabet: str, length: int) -> str:
    if alphabet == "any":
        return digest[:length].translate(_CONSONANTS)
    if alphabet == "digits":
        return str(int(digest, 16))[-length:]
    return digest[:length] if alphabet == "hex" else digest[:length].upper()
