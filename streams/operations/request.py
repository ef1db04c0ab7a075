"""What a person asks of a scope. Pure."""

from hashlib import blake2b
from typing import Literal

import msgspec

from halt400.errors import Halt400Error
from halt400.records import Command, Scope

__all__ = ["RESULTS", "OperationFailed", "OperationKind", "OperationRequest", "parse_scope"]

OperationKind = Literal["release", "extend", "quarantine", "probe"]

RESULTS: dict[OperationKind, str] = {
    "release": "released",
    "extend": "quarantined",
    "quarantine": "quarantined",
    "probe": "probing",
}
"""The state in which each operation leaves its scope."""
PARTS_OF_HALT400 = "halt400."
LONGEST_NAME = 255
LONGEST_REASON = 1000


class OperationFailed(Halt400Error):
    """An operation cannot take effect, or no command for it came in time.

    Parameters
    ----------
    sent
        Whether the operation is on its topic, so that it may still take effect.
    """

    code = "not_carried_out"

    def __init__(self, message: str, mend: str = "", *, sent: bool = False) -> None:
        super().__init__(message, mend)
        self.sent = sent


class OperationRequest(msgspec.Struct, kw_only=True, frozen=True):
    """An operation without its id and time; wrong values are a ValueError that names the field."""

    kind: OperationKind
    scope: Scope
    actor: str
    reason: str
    hold_s: int | None = None

    def __post_init__(self) -> None:
        """Check what the types do not say."""
        if not self.reason.strip():
            raise ValueError("reason: say why")
        if len(self.reason) > LONGEST_REASON:
            raise ValueError(f"reason: at most {LONGEST_REASON} characters, this has {len(self.reason)}")
        if not self.actor.strip() or len(self.actor) > LONGEST_NAME:
            raise ValueError(f"actor: name who asks, in at most {LONGEST_NAME} characters")
        if self.actor.startswith(PARTS_OF_HALT400):
            raise ValueError(f"actor: {self.actor!r} is a part of Halt400; name a person")
        if self.hold_s is not None and self.kind not in ("extend", "quarantine"):
            raise ValueError(f"hold_s: a {self.kind} has no hold")

    def why_not(self, latest: Command | None) -> str | None:
        """Return why the operation has nothing to do on a scope with this latest command; None where it has."""
        if self.kind == "quarantine":
            return None
        if latest is None:
            return "was never quarantined"
        if latest.state == "released":
            return "is released already"
        if self.kind == "probe" and latest.state == "probing":
            return "is probing already"
        if self.kind == "probe" and self.scope.kind == "request":
            return "is a single request, which is not probed but ends with its hold"
        return None

    def operation_id(self, idempotency_key: str) -> str:
        """Return the id of this operation under a key: the same for the same key, actor, kind and scope."""
        parts = "\n".join((self.kind, self.scope.id, self.actor, idempotency_key))
        return f"op-{blake2b(parts.encode(errors='replace'), digest_size=16).hexdigest()}"


def parse_scope(text: str) -> Scope:
    """Return the scope with this id, such as ``job/api.shop.example/extract-099`` or ``target/api.shop.example``.

    Raises
    ------
    ValueError
        It is no id of a scope.
    """
    kind, _, rest = text.partition("/")
    target, _, name = rest.partition("/")
    found = None
    if kind == "target" and target and not name:
        found = Scope(kind="target", target=target)
    elif kind == "job" and target and name:
        found = Scope(kind="job", target=target, job_id=name)
    elif kind == "request" and target and name:
        found = Scope(kind="request", target=target, fingerprint=name)
    named = target == target.strip() and target.isprintable() and name.isprintable()
    if found is None or found.id != text or max(len(target), len(name)) > LONGEST_NAME or not named:
        raise ValueError(f"{text[:600]!r}: write job/TARGET/JOB, target/TARGET or request/TARGET/FINGERPRINT")
    return found
