"""Named tokens: how one is made, how the configuration lists them, how one is recognized.

A token is 256 random bits, so a plain SHA-256 of it can be kept: nobody can try all tokens, and a slow hash would only
make each request slow. The configuration never has the token itself.
"""

import re
import secrets
from collections.abc import Iterable, Iterator
from hashlib import sha256
from hmac import compare_digest
from typing import NamedTuple

from streams.api.access.identity import Role

__all__ = ["NamedToken", "TokenBook", "new_token", "parse_tokens"]

PREFIX = "h400_"
"""What secret scanners recognize."""
_ENTRY = re.compile(r"([A-Za-z0-9][A-Za-z0-9._@-]{0,63}):(read|operate):([0-9a-f]{64})")


class NamedToken(NamedTuple):
    """One entry of HALT400_API_TOKENS; `digest` is the SHA-256 of the token, hexadecimal."""

    name: str
    role: Role
    digest: str

    @property
    def entry(self) -> str:
        """As the configuration has it."""
        return f"{self.name}:{self.role}:{self.digest}"


def new_token(name: str, role: Role) -> tuple[str, NamedToken]:
    """Make a token; returns the token, which is shown once, and its entry.

    Raises
    ------
    ValueError
        The name has other characters than letters, digits and ``._@-``, or more than 64.
    """
    token = f"{PREFIX}{secrets.token_urlsafe(32)}"
    made = NamedToken(name, role, digest_of(token))
    if not _ENTRY.fullmatch(made.entry):
        raise ValueError(f"{name!r}: a name has 1 to 64 letters, digits and ._@-, and begins with a letter or digit")
    return token, made


def parse_tokens(text: str) -> list[NamedToken]:
    """Read the entries of HALT400_API_TOKENS, separated by commas, spaces or lines; lines with # are comments.

    Raises
    ------
    ValueError
        An entry is wrong, or a name comes twice. No part of a wrong entry is shown besides its name.
    """
    found: dict[str, NamedToken] = {}
    lines = (line.partition("#")[0] for line in text.splitlines())
    for entry in re.split(r"[,\s]+", " ".join(lines)):
        if not entry:
            continue
        matched = _ENTRY.fullmatch(entry)
        name, colon, _ = entry.partition(":")
        if matched is None:
            shown = repr(name[:64]) if colon else f"of {len(entry)} characters"
            raise ValueError(f"the entry {shown} is not NAME:read|operate:SHA256")
        if name in found:
            raise ValueError(f"the name {name!r} comes twice")
        found[name] = NamedToken(matched[1], matched[2], matched[3])  # type: ignore[arg-type]
    return list(found.values())


def digest_of(token: str) -> str:
    """Return the SHA-256 of a token, hexadecimal."""
    return sha256(token.encode(errors="surrogateescape")).hexdigest()


class TokenBook:
    """The tokens that a server accepts."""

    def __init__(self, tokens: Iterable[NamedToken]) -> None:
        self._tokens = list(tokens)
        self._by_name = {token.name: token for token in self._tokens}

    def __bool__(self) -> bool:
        return bool(self._tokens)

    def __iter__(self) -> Iterator[NamedToken]:
        return iter(self._tokens)

    def named(self, name: str) -> NamedToken | None:
        """Return the token with a name."""
        return self._by_name.get(name)

    def recognize(self, token: str) -> NamedToken | None:
        """Return whose token this is; it takes as long whichever it is, and where it is none."""
        digest, found = digest_of(token), None
        for known in self._tokens:
            if compare_digest(known.digest, digest):
                found = known
        return found
