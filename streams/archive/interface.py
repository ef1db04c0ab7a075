"""The interface of an archive, which `DirectoryArchive` and `S3Archive` implement, and its errors. All calls block."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from halt400.errors import ArchiveError

__all__ = ["Archive", "ArchiveChanged", "ArchiveUnavailable", "checked_key"]


class ArchiveUnavailable(ArchiveError):
    """The archive cannot be used at the moment; the same call may succeed later."""

    code = "archive_away"


class ArchiveChanged(ArchiveError):
    """The object has changed since it was read: another process has written it."""

    code = "archive_changed"


class Archive(Protocol):
    """Named objects below one base URI.

    Every method raises `ArchiveUnavailable` where a retry may help, and `ArchiveError` where a person must act.
    """

    base_uri: str
    batch: int
    """How many objects one thread writes one after the other; 1 where a write mostly waits for the network."""
    max_threads: int
    """With more threads than this, writing gets no faster."""

    def check(self) -> None:
        """Make sure that objects can be written."""

    def write(self, key: str, data: bytes) -> None:
        """Write an object, atomically, and return when it is durable; an object with the same key is replaced."""

    def write_all(self, objects: Iterable[tuple[str, bytes]]) -> None:
        """As `write` does each; returns when all are durable."""

    def read(self, key: str) -> bytes:
        """The bytes of an object, verified by their checksum where one was stored with them."""

    def read_with_tag(self, key: str) -> tuple[bytes, str] | None:
        """The bytes of an object and a tag that identifies this content; None where there is no such object."""

    def replace(self, key: str, data: bytes, tag: str | None) -> str:
        """Write an object only if the stored one has this tag; None: only if there is none. Returns the new tag.

        Raises
        ------
        ArchiveChanged
            The stored object has another tag, or there is one and `tag` is None.
        """

    def replace_all(self, objects: Sequence[tuple[str, bytes, str | None]]) -> list[str | None]:
        """As `replace` does each, of keys that differ; None in place of the tag where the stored object has another."""

    def exists(self, key: str) -> bool:
        """Whether there is such an object."""

    def keys(self, prefix: str = "") -> Iterator[str]:
        """The keys that begin with `prefix`, in order."""

    def uri(self, key: str) -> str:
        """The URI of the object with that key."""

    def set_retention(self, days: int) -> None:
        """Set a rule by which the store removes objects older than so many days."""


def checked_key(key: str) -> str:
    """Return the key if it stays below the archive's base.

    Raises
    ------
    ArchiveError
        It is empty or absolute, or has an empty part, ``.`` or ``..``, or a null character.
    """
    if "\0" in key or any(part in ("", ".", "..") for part in key.split("/")):
        raise ArchiveError(f"{key!r} is no name of an archived object.", "Names are as `halt400 archive verify` lists.")
    return key
