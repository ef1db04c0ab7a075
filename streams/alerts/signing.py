"""The signature of the generic webhook: HMAC-SHA256 over ``timestamp.body``, with a window against replays. Pure.

========================  ============================================================
``Halt400-Id``            the notification's id; sent again, it has the same
``Halt400-Timestamp``     seconds since the epoch at this attempt, decimal
``Halt400-Signature``     ``v1=`` and the hexadecimal HMAC-SHA256 of ``timestamp.body``
========================  ============================================================

A receiver checks the signature over the bytes as they came, before parsing them, refuses a timestamp that is off by
more than five minutes, and remembers ids for as long.
"""

import hashlib
import hmac

__all__ = ["REPLAY_WINDOW_S", "sign", "verify"]

REPLAY_WINDOW_S = 300


def sign(secret: str, timestamp_s: int, body: bytes) -> str:
    """Return the value of ``Halt400-Signature``.

    Examples
    --------
    >>> sign("0123456789abcdef", 1700000000, b"{}")[:11]
    'v1=e4f8e2ec'
    """
    signed = f"{timestamp_s}.".encode() + body
    return f"v1={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"


def verify(secret: str, timestamp: str, signature: str, body: bytes, now_s: float) -> bool:
    """Whether a delivery was signed with `secret` at most `REPLAY_WINDOW_S` ago; what a receiver does."""
    if not (timestamp.isascii() and timestamp.isdigit()) or abs(now_s - int(timestamp)) > REPLAY_WINDOW_S:
        return False
    return hmac.compare_digest(sign(secret, int(timestamp), body).encode(), signature.encode())
