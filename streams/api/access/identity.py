"""Who sends a request."""

from typing import Literal

from msgspec import Struct

__all__ = ["Identity", "Role", "Via"]

Role = Literal["read", "operate"]
Via = Literal["loopback", "token", "session", "proxy"]


class Identity(Struct, kw_only=True, frozen=True):
    """A name with a role, and how it was proven. `session_id` names the session, to end it."""

    name: str
    role: Role
    via: Via
    session_id: str | None = None

    def may(self, role: Role) -> bool:
        """Whether it has a role; who may operate may read."""
        return role == "read" or self.role == "operate"
