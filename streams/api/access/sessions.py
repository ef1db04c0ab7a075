"""Sessions of the page: a signed cookie that names a token and ends by itself; no process keeps a list of them.

The cookie is ``name.expires.id.mac``: the token's name, seconds since the epoch, a random id, and an HMAC-SHA256 over
the three with a key that every process of an installation shares (HALT400_API_SESSION_KEY).
"""

import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from collections.abc import Callable
from hashlib import sha256
from hmac import compare_digest
from hmac import new as new_mac

from streams.api.access.identity import Identity
from streams.api.access.tokens import NamedToken, TokenBook

__all__ = ["COOKIE", "SESSION_S", "Sessions"]

COOKIE = "halt400_session"
SESSION_S = 12 * 3600
MOST_ENDED = 10_000


class Sessions:
    """Opens and recognizes sessions.

    Parameters
    ----------
    tokens
        A session has the role that its token has now, and ends with it.
    key
        Of the signature; a random one where None, so that sessions end with this process.
    clock_ms
        Milliseconds since the Unix epoch.
    """

    def __init__(self, tokens: TokenBook, key: str | None, clock_ms: Callable[[], int]) -> None:
        self._tokens, self._clock_ms = tokens, clock_ms
        self._key = key.encode() if key is not None else secrets.token_bytes(32)
        self._ended: dict[str, int] = {}

    def open(self, token: NamedToken) -> str:
        """Return the cookie's value of a new session."""
        name = urlsafe_b64encode(token.name.encode()).decode().rstrip("=")
        signed = f"{name}.{self._clock_ms() // 1000 + SESSION_S}.{secrets.token_urlsafe(12)}"
        return f"{signed}.{self._mac(signed, token)}"

    def recognize(self, cookie: str) -> Identity | None:
        """Return whose session this is; None where it is none, or is over."""
        signed, _, mac = cookie.rpartition(".")
        parts = signed.split(".")
        if len(parts) != 3 or not (parts[1].isascii() and parts[1].isdigit() and len(parts[1]) < 12):
            return None
        try:
            name = urlsafe_b64decode(f"{parts[0]}==").decode()
        except (Error, ValueError):
            return None
        token = self._tokens.named(name)
        if token is None or not compare_digest(mac.encode(errors="replace"), self._mac(signed, token).encode()):
            return None
        if int(parts[1]) * 1000 <= self._clock_ms() or parts[2] in self._ended:
            return None
        return Identity(name=token.name, role=token.role, via="session", session_id=parts[2])

    def end(self, session_id: str) -> None:
        """End a session in this process; others have no cookie of it any more."""
        now_s = self._clock_ms() // 1000
        self._ended[session_id] = now_s + SESSION_S
        if len(self._ended) > MOST_ENDED:
            self._ended = {known: ends for known, ends in self._ended.items() if ends > now_s}
        while len(self._ended) > MOST_ENDED:
            del self._ended[next(iter(self._ended))]

    def _mac(self, signed: str, token: NamedToken) -> str:
        # With the token's digest, so that a session does not outlive a token that was replaced under its name.
        return new_mac(self._key, f"{signed}.{token.digest}".encode(), sha256).hexdigest()
