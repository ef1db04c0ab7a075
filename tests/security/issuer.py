"""An issuer of signed tokens (JWT, RFC 7519), with the keys that a broker checks them by (JWKS, RFC 7517) in a file."""

import json
import time
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

__all__ = ["AUDIENCE", "ISSUER", "TokenIssuer"]

AUDIENCE, ISSUER = "kafka", "https://login.test.example"
_COORDINATE_BYTES = 32
_KEY_ID = "2026"


class TokenIssuer:
    """Signs by ES256; `jwks` is the file with its public key."""

    def __init__(self, directory: Path) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        numbers = self._key.public_key().public_numbers()
        point = {name: _text(_bytes(number)) for name, number in (("x", numbers.x), ("y", numbers.y))}
        key = point | {"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": _KEY_ID}
        self.jwks = directory / "jwks.json"
        self.jwks.write_text(json.dumps({"keys": [key]}))

    def token(self, user: str, **claims: Any) -> str:
        """A token of an hour for `user`; `claims` replace its own."""
        now = int(time.time())
        own = {"sub": user, "iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + 3600}
        parts = {"alg": "ES256", "kid": _KEY_ID}, own | claims
        signed = ".".join(_text(json.dumps(part).encode()) for part in parts)
        halves = decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{_text(b''.join(map(_bytes, halves)))}"


def _bytes(number: int) -> bytes:
    return number.to_bytes(_COORDINATE_BYTES, "big")


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")
