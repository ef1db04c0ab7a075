"""What an archive is: named objects that can be written, read and listed. Calls block: the writer has the threads."""

from collections.abc import Iterator
from typing import Protocol

from halt400.errors import ArchiveError

__all__ = ["Archive", "ArchiveChanged", "ArchiveUnavailable", "checked_key"]


class ArchiveUnavailable(ArchiveError):
    """The archive does not take objects at the moment; the same call may succeed later."""

    code = "archive_away"


class ArchiveChanged(ArchiveError):
    """The object is not as it was when it was read: another process has written it."""

    code = "archive_changed"


class Archive(Protocol):
    """Named objects, below one base URI.

    Every method raises `ArchiveUnavailable` where trying again may help, and `ArchiveError` where a person must act.
    """

    base_uri: str
    batch: int
    """How many objects one thread writes after each other; 1 where writing is waiting."""
    max_threads: int
    """Threads beyond which writing gets no faster."""

    def check(self) -> None:
        """Make sure that objects can be written here."""

    def write(self, key: str, data: bytes) -> None:
        """Write an object, durable on return; the same key again replaces it, and nobody ever sees half of it."""

    def read(self, key: str) -> bytes:
        """The bytes of an object, checked against the checksum that was stored with them where there is one."""

    def read_with_tag(self, key: str) -> tuple[bytes, str] | None:
        """The bytes of an object and a tag of what they are; None where there is none."""

    def replace(self, key: str, data: bytes, tag: str | None) -> str:
        """Write an object only if it still has that tag, or only if there is none (None); its tag from here on.

        Raises
        ------
        ArchiveChanged
            It has another.
        """

    def exists(self, key: str) -> bool:
        """Whether there is such an object."""

    def keys(self, prefix: str = "") -> Iterator[str]:
        """The keys that begin with `prefix`, in order."""

    def uri(self, key: str) -> str:
        """Where the object of that key lies."""

    def set_retention(self, days: int) -> None:
        """Have the store remove what is older than so many days, by its own means."""


def checked_key(key: str) -> str:
    """The key, if it stays below the archive's base.

    Raises
    ------
    ArchiveError
        It is empty or absolute, or has an empty part, ``.`` or ``..``, or a character that no path can have.
    """
    if "\0" in key or any(part in ("", ".", "..") for part in key.split("/")):
        raise ArchiveError(f"{key!r} is no name of an archived object.", "Names are as `halt400 archive verify` lists.")
    return key
