"""The secrets that were found in one exchange, so that an echo of them is found where no name says what it is.

Servers repeat what they were sent ("invalid api key hunter2-hunter2"). What was sealed in the request is therefore
looked for, letter by letter, in everything else of the same exchange. Nothing is remembered from one exchange to the
next.
"""

from base64 import b64decode
from urllib.parse import unquote

from halt400.redaction.names import NameVerdict, judge
from halt400.redaction.sealing import Position, Sealer

__all__ = ["Known"]

_KNOWN_MAX = 64
_MIN = 8
_MIN_LETTERS = 12


class Known:
    """The secrets of one exchange; short ones and plain words are left out, they would deface the rest."""

    __slots__ = ("_secrets",)

    def __init__(self) -> None:
        self._secrets: dict[str, None] = {}

    def __bool__(self) -> bool:
        return bool(self._secrets)

    def add(self, secret: str, position: Position) -> None:
        """Remember a secret as it was written, and as it reads without the escapes of its position."""
        self._remember(secret)
        if position is Position.URL and "%" in secret:
            self._remember(unquote(secret))
        elif position is Position.JSON and "\\" in secret:
            self._remember(secret.replace('\\"', '"').replace("\\/", "/").replace("\\\\", "\\"))

    def add_basic(self, credentials: str) -> None:
        """Remember the password inside Basic credentials (RFC 7617)."""
        try:
            decoded = b64decode(credentials, validate=True).decode()
        except ValueError:
            return
        self._remember(decoded.partition(":")[2])

    def _remember(self, secret: str) -> None:
        if len(secret) < _MIN or len(self._secrets) >= _KNOWN_MAX:
            return
        if secret.isalpha() and (len(secret) < _MIN_LETTERS or judge(secret) is not NameVerdict.NONE):
            return
        self._secrets[secret] = None

    def seal_echoes(self, text: str, sealer: Sealer) -> str:
        """The text with every known secret sealed."""
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, sealer.seal(secret, Position.TEXT))
        return text
