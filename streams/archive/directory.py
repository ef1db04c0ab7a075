"""An archive in a directory: ``file:///var/lib/halt400``."""

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from halt400.errors import ArchiveError
from streams.archive.port import ArchiveAway

__all__ = ["DirectoryArchive"]

GONE_FOR_NOW = {"ENOSPC", "EDQUOT", "EIO", "ESTALE", "ETIMEDOUT", "EAGAIN", "EBUSY", "EMFILE", "ENFILE"}


class DirectoryArchive:
    """Objects as files; each appears whole or not at all, and is on the disk when `write` returns.

    Raises
    ------
    ArchiveError
        `base_uri` names a host: only this machine's directories can be written.
    """

    batch = 32

    def __init__(self, base_uri: str) -> None:
        parts = urlsplit(base_uri)
        if parts.netloc not in ("", "localhost"):
            raise ArchiveError(
                f"The archive {base_uri} names the host {parts.netloc!r}.", "Write file:///path with three slashes."
            )
        self.base_uri = base_uri.rstrip("/")
        self._root = Path(unquote(parts.path))
        self._made: set[Path] = set()

    def check(self) -> None:
        """Make the directory, and a file in it."""
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            probe = self._root / f".halt400-{os.getpid()}"
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as error:
            raise ArchiveError(
                f"The archive directory {self._root} cannot be written: {error.strerror}.",
                "Give this user the right to write there, or set HALT400_ARCHIVE_URI.",
            ) from error

    def write(self, key: str, data: bytes) -> None:
        """Write a file beside its place, sync it, and move it there."""
        path = self._root / key
        # The same name each time: what a killed process left here is replaced when its offence is read again.
        temporary = path.parent / f".{path.name}.part"
        try:
            if path.parent not in self._made:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._made.add(path.parent)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640)
            try:
                with os.fdopen(descriptor, "wb", closefd=False) as file:
                    file.write(data)
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)
            temporary.replace(path)
        except FileNotFoundError as error:
            self._made.discard(path.parent)
            raise ArchiveAway(
                f"{path.parent} was removed, or {path.name} written twice.", "It is tried again."
            ) from error
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise _as_archive_error(error, path) from error

    def read(self, key: str) -> bytes:
        """Read a file."""
        path = self._root / key
        try:
            return path.read_bytes()
        except OSError as error:
            raise _as_archive_error(error, path) from error

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Every file below the directory; those that are being written are left out."""
        found = (path for path in self._root.rglob("*") if path.is_file() and not path.name.startswith("."))
        keys = sorted(path.relative_to(self._root).as_posix() for path in found)
        return (key for key in keys if key.startswith(prefix))


def _as_archive_error(error: OSError, path: Path) -> ArchiveError:
    import errno

    name = errno.errorcode.get(error.errno or 0, "")
    kind = ArchiveAway if name in GONE_FOR_NOW else ArchiveError
    return kind(f"{path}: {error.strerror}.", "Check the directory of HALT400_ARCHIVE_URI.")
