"""Signatures of commands and operations: who wrote a record, whatever the broker lets them write. Off by default.

An Ed25519 signature (RFC 8032) of topic, key and value is the record's header ``halt400-signature``, with the name of
the key: ``1 NAME BASE64``. A reader believes the keys that it is told to trust, each for what it may write; with none,
it believes every record. The extra ``signing`` has the cryptography.
"""

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Self, cast, get_args

from halt400.errors import SettingError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

__all__ = ["SIGNATURE", "Right", "Signer", "Signing", "TrustedKey", "new_key"]

SIGNATURE = "halt400-signature"
"""Name of the header."""
Right = Literal["commands", "operations", "probes"]
"""What a key may write: commands (the workers, with what people do on their page), operations (people elsewhere),
results of probes only (the scrapers). Each may write what the next one may."""
KEY_BYTES = 32
_SCHEME = b"1"


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A key that is believed, and for what."""

    right: Right
    public: bytes


class Signer:
    """Signs with one key; parses ``NAME:BASE64``, as `new_key` makes it.

    Raises
    ------
    SettingError
        The text is no key, or the extra ``signing`` is not installed.
    """

    __slots__ = ("_key", "name")

    def __init__(self, text: str) -> None:
        name, _, seed = text.strip().partition(":")
        if not _is_name(name) or (found := _bytes_of(seed)) is None:
            # The value is a secret: it is not shown.
            raise SettingError(
                "HALT400_KAFKA_SIGNING_KEY is no key.", "Set it to NAME:BASE64, from `halt400 signing-key`."
            )
        self.name = name
        self._key: Ed25519PrivateKey = _ed25519().Ed25519PrivateKey.from_private_bytes(found)

    def __repr__(self) -> str:
        return f"Signer({self.name!r})"

    @property
    def public(self) -> bytes:
        """The public key."""
        return self._key.public_key().public_bytes_raw()

    def header(self, topic: str, key: bytes, value: bytes | None) -> tuple[str, bytes]:
        """Sign one record; the header."""
        signature = b64encode(self._key.sign(_signed(topic, key, value)))
        return SIGNATURE, b" ".join((_SCHEME, self.name.encode(), signature))


@dataclass(frozen=True, slots=True)
class Signing:
    """Whose signature is put on records, and whose are believed.

    Parameters
    ----------
    signer
        Signs what this process writes; None: it is not signed.
    trusted
        Keys by name; empty: every record is believed.
    """

    signer: Signer | None = None
    trusted: Mapping[str, TrustedKey] = field(default_factory=dict, hash=False)

    @classmethod
    def of(cls, key: str | None, trusted: str | None) -> Self:
        """Read the settings: ``NAME:BASE64``, and ``NAME:RIGHT:BASE64`` with commas, spaces or lines between.

        Raises
        ------
        SettingError
            One of them cannot be read, or the extra ``signing`` is not installed.
        """
        known: dict[str, TrustedKey] = {}
        for text in (trusted or "").replace(",", " ").split():
            name, _, rest = text.partition(":")
            right, _, encoded = rest.partition(":")
            public = _bytes_of(encoded)
            if not _is_name(name) or right not in get_args(Right) or public is None:
                raise SettingError(
                    f"HALT400_KAFKA_SIGNING_TRUSTED has {text!r}, which is no key.",
                    f"Write NAME:RIGHT:BASE64, from `halt400 signing-key`; RIGHT: {', '.join(get_args(Right))}.",
                )
            known[name] = TrustedKey(cast(Right, right), public)
        if known:
            _ed25519()
        return cls(Signer(key) if key else None, known)

    def headers(self, topic: str, key: bytes, value: bytes | None) -> list[tuple[str, bytes]]:
        """The headers of a record that this process writes."""
        return [self.signer.header(topic, key, value)] if self.signer is not None else []

    def why_not(self, topic: str, record: Any, *rights: Right) -> str | None:
        """Why a record is not believed; None where it is. `rights`: the key must have one of them."""
        if not self.trusted:
            return None
        signature = next((value for name, value in record.headers or () if name == SIGNATURE), None)
        if signature is None:
            return "it is not signed"
        scheme, name, encoded = (*signature.split(b" "), b"", b"")[:3]
        known = self.trusted.get(name.decode(errors="replace"))
        if scheme != _SCHEME or known is None:
            return f"it is signed by {name.decode(errors='replace')!r}, which is not trusted"
        if known.right not in rights:
            return f"it is signed by {name.decode()!r}, which may write {known.right} only"
        found = _bytes_of(encoded.decode(errors="replace"), 64)
        if found is None or not _is_valid(known.public, found, _signed(topic, record.key or b"", record.value)):
            return f"its signature is not that of {name.decode()!r}"
        return None


def new_key(name: str, right: Right) -> tuple[str, str]:
    """Make a key: the secret, for ``HALT400_KAFKA_SIGNING_KEY``, and its line of ``HALT400_KAFKA_SIGNING_TRUSTED``.

    Raises
    ------
    SettingError
        The name has another character than letters, digits, dot, dash and underscore.
    """
    if not _is_name(name):
        raise SettingError(f"{name!r} is no name of a key.", "Use letters, digits, dot, dash and underscore.")
    seed = _ed25519().Ed25519PrivateKey.generate().private_bytes_raw()
    secret = f"{name}:{b64encode(seed).decode()}"
    return secret, f"{name}:{right}:{b64encode(Signer(secret).public).decode()}"


def _signed(topic: str, key: bytes, value: bytes | None) -> bytes:
    """What is signed; the lengths keep key and value apart, and a delete from an empty value."""
    size = b"-" if value is None else str(len(value)).encode()
    return b"\n".join((b"halt400 1", topic.encode(), str(len(key)).encode(), size, key, value or b""))


def _is_valid(public: bytes, signature: bytes, signed: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        key: Ed25519PublicKey = _ed25519().Ed25519PublicKey.from_public_bytes(public)
        key.verify(signature, signed)
    except InvalidSignature:
        return False
    return True


def _ed25519() -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as error:
        raise SettingError(
            "HALT400_KAFKA_SIGNING_KEY or _TRUSTED is set, and the package cryptography is not installed.",
            "pip install 'halt400[signing]', or unset it.",
        ) from error
    return ed25519


def _is_name(text: str) -> bool:
    return bool(text) and text.isascii() and text.replace("-", "").replace("_", "").replace(".", "").isalnum()


def _bytes_of(text: str, size: int = KEY_BYTES) -> bytes | None:
    try:
        found = b64decode(text, validate=True)
    except ValueError:
        return None
    return found if len(found) == size else None
