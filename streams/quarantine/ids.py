"""Command and finding ids: derived from their cause, so that the same cause after a crash gives the same id."""

from hashlib import blake2b

__all__ = ["command_id", "finding_id"]


def command_id(scope_id: str, state: str, cause: str) -> str:
    """The id of the command that `cause` leads to.

    Parameters
    ----------
    scope_id
        The scope's key on `control`, such as ``job/api.shop.example/extract-099``.
    state
        The state that the command puts the scope in.
    cause
        ``topic/partition/offset`` of the record that led to it, the operation's id, or, where a time ran out, the id
        of the command before.

    Returns
    -------
    str
        ``cmd-`` and 32 hexadecimal digits: BLAKE2b with 128 bits over the three, joined by line feeds.
    """
    return "cmd-" + blake2b(f"{scope_id}\n{state}\n{cause}".encode(), digest_size=16).hexdigest()


def finding_id(kind: str, subject: str, cause: str) -> str:
    """The id of a finding: ``fnd-`` and 32 hexadecimal digits, over its kind, its subject and its cause."""
    return "fnd-" + blake2b(f"{kind}\n{subject}\n{cause}".encode(), digest_size=16).hexdigest()
