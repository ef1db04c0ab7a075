"""The secrets that were found in one exchange, so that their echoes are found where no name gives them away.

Servers repeat what they were sent ("invalid api key hunter2-hunter2"). So what was replaced in the request is searched
for, letter by letter, in everything else of the same exchange. Nothing is kept from one exchange to the next.
"""

from base64 import b64decode
from urllib.parse import unquote

from halt400.redaction.secret_names import NameVerdict, judge
from halt400.redaction.secret_replacer import SecretReplacer, Syntax

__all__ = ["KnownSecrets"]

_MAX_SECRETS = 64
_MIN_CHARS = 8
_MIN_LETTERS_ONLY_CHARS = 12


class KnownSecrets:
    """The secrets of one exchange, without short ones and plain words: these also occur where they are no secret."""

    __slots__ = ("_secrets",)

    def __init__(self) -> None:
        self._secrets: dict[str, None] = {}

    def __bool__(self) -> bool:
        return bool(self._secrets)

    def add(self, secret: str, syntax: Syntax) -> None:
        """Remember a secret as it is written, and as it reads without the escapes of its syntax."""
        self._remember(secret)
        if syntax is Syntax.URL and "%" in secret:
            self._remember(unquote(secret))
        elif syntax is Syntax.JSON and "\\" in secret:
            self._remember(secret.replace('\\"', '"').replace("\\/", "/").replace("\\\\", "\\"))

    def add_basic(self, credentials: str) -> None:
        """Remember the password inside Basic credentials (RFC 7617)."""
        try:
            decoded = b64decode(credentials, validate=True).decode()
        except ValueError:
            return
        self._remember(decoded.partition(":")[2])

    def _remember(self, secret: str) -> None:
        if len(secret) < _MIN_CHARS or len(self._secrets) >= _MAX_SECRETS:
            return
        if secret.isalpha() and (len(secret) < _MIN_LETTERS_ONLY_CHARS or judge(secret) is not NameVerdict.NONE):
            return
        self._secrets[secret] = None

    def replace_echoes(self, text: str, replacer: SecretReplacer) -> str:
        """The text with every known secret replaced."""
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, replacer.replace_echo(secret))
        return text
