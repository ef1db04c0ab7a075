"""What an archive is: named objects that can be written, read and listed. Calls block: the writer has the threads."""

from collections.abc import Iterator
from typing import Protocol

from halt400.errors import ArchiveError

__all__ = ["Archive", "ArchiveAway"]


class ArchiveAway(ArchiveError):  # noqa: N818 - the tree names conditions, not errors
    """The archive does not take objects at the moment; the same call may succeed later."""

    code = "archive_away"


class Archive(Protocol):
    """Named objects, below one base URI.

    Every method raises `ArchiveAway` where trying again may help, and `ArchiveError` where a person must act.
    """

    base_uri: str
    batch: int
    """How many objects one thread writes after each other; 1 where writing is waiting."""

    def check(self) -> None:
        """Make sure that objects can be written here."""

    def write(self, key: str, data: bytes) -> None:
        """Write an object, durable on return; the same key again replaces it."""

    def read(self, key: str) -> bytes:
        """The bytes of an object."""

    def keys(self, prefix: str = "") -> Iterator[str]:
        """The keys that begin with `prefix`, in order."""
