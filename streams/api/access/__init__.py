"""Who may use the API: named tokens, sessions, users of a trusted proxy; and what no one may."""

from streams.api.access.identity import Identity, Role
from streams.api.access.tokens import NamedToken, TokenBook, new_token, parse_tokens

__all__ = ["Identity", "NamedToken", "Role", "TokenBook", "new_token", "parse_tokens"]
