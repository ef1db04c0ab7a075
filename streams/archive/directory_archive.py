"""An archive in a directory: ``file:///var/lib/halt400``."""

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from hashlib import blake2b
from pathlib import Path
from urllib.parse import unquote, urlsplit

from halt400.errors import ArchiveError
from streams.archive.interface import ArchiveChanged, ArchiveUnavailable, checked_key
from streams.archive.object_names import archive_uri

__all__ = ["DirectoryArchive"]

GONE_FOR_NOW = {"ENOSPC", "EDQUOT", "EIO", "ESTALE", "ETIMEDOUT", "EAGAIN", "EBUSY", "EMFILE", "ENFILE"}


class DirectoryArchive:
    """Objects as files; each appears whole or not at all, and survives a power cut once `write` has returned.

    Parameters
    ----------
    base_uri
        ``file:///path``.
    synced
        Whether file and directory are flushed to the disk. Without it a write is whole but not durable.

    Raises
    ------
    ArchiveError
        `base_uri` names a host: only this machine's directories can be written.
    """

    batch = 32
    max_threads = 4

    def __init__(self, base_uri: str, *, synced: bool = True) -> None:
        parts = urlsplit(base_uri)
        if parts.netloc not in ("", "localhost"):
            raise ArchiveError(
                f"The archive {base_uri} names the host {parts.netloc!r}.", "Write file:///path with three slashes."
            )
        self.base_uri = base_uri.rstrip("/")
        self._root = Path(unquote(parts.path))
        self._synced = synced
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
        """Write a file beside its place, sync it, move it there, and sync the directory."""
        self._put(key, data)

    def read_with_tag(self, key: str) -> tuple[bytes, str] | None:
        """Read a file; its tag is a digest."""
        path = self._path(key)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _as_archive_error(error, path) from error
        return data, _tag(data)

    def replace(self, key: str, data: bytes, tag: str | None) -> str:
        """Write a file if it is as it was; whoever else replaces it waits meanwhile."""

        def unchanged() -> None:
            found = self.read_with_tag(key)
            if (found[1] if found is not None else None) != tag:
                raise ArchiveChanged(f"{self.uri(key)} was written by another process.", "It is read again.")

        self._put(key, data, unchanged)
        return _tag(data)

    def _put(self, key: str, data: bytes, condition: Callable[[], None] | None = None) -> None:
        path = self._path(key)
        # The same name each time: what a killed process left here is replaced when its offence is read again.
        temporary = path.parent / f".{path.name}.part"
        try:
            self._make(path.parent)
            descriptor = _open_alone(temporary)
            try:
                if condition is not None:
                    try:
                        condition()
                    except ArchiveChanged:
                        temporary.unlink()
                        raise
                os.ftruncate(descriptor, 0)
                with os.fdopen(descriptor, "wb", closefd=False) as file:
                    file.write(data)
                if self._synced:
                    os.fdatasync(descriptor)
                temporary.replace(path)
            finally:
                os.close(descriptor)
            if self._synced:
                _sync_directory(path.parent)
        except FileNotFoundError as error:
            self._made.discard(path.parent)
            raise ArchiveUnavailable(f"{path.parent} was removed.", "It is made again.") from error
        except OSError as error:
            raise _as_archive_error(error, path) from error

    def read(self, key: str) -> bytes:
        """Read a file."""
        path = self._path(key)
        try:
            return path.read_bytes()
        except OSError as error:
            raise _as_archive_error(error, path) from error

    def exists(self, key: str) -> bool:
        """Whether there is such a file."""
        return self._path(key).is_file()

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Every file below the directory in the order of its key; those that are being written are left out."""
        return self._below(self._root, "", prefix)

    def uri(self, key: str) -> str:
        """``file:///…`` of that key."""
        return archive_uri(self.base_uri, key)

    def set_retention(self, days: int) -> None:
        """Refused: a directory has no rules of its own.

        Raises
        ------
        ArchiveError
            Always.
        """
        raise ArchiveError(
            f"A directory removes nothing by itself, so {self._root} cannot keep for {days} days.",
            f"Run `find {self._root} -type f -mtime +{days} -delete` daily, or archive to s3://.",
        )

    def _path(self, key: str) -> Path:
        return self._root / checked_key(key)

    def _make(self, directory: Path) -> None:
        """Make a directory that is durable by its name: the directories above it are synced."""
        if directory in self._made:
            return
        missing = [directory, *directory.parents]
        missing = missing[: next(index for index, parent in enumerate(missing) if parent.is_dir())]
        directory.mkdir(parents=True, exist_ok=True)
        if self._synced:
            for made in missing:
                _sync_directory(made.parent)
        self._made.add(directory)

    def _below(self, directory: Path, key: str, prefix: str) -> Iterator[str]:
        try:
            with os.scandir(directory) as entries:
                found = sorted(f"{entry.name}/" if entry.is_dir() else entry.name for entry in entries)
        except FileNotFoundError:
            return
        except OSError as error:
            raise _as_archive_error(error, directory) from error
        for name in found:
            path = key + name
            if name.startswith(".") or not (path.startswith(prefix) or prefix.startswith(path)):
                continue
            if name.endswith("/"):
                yield from self._below(directory / name, path, prefix)
            elif path.startswith(prefix):
                yield path


def _tag(data: bytes) -> str:
    return blake2b(data, digest_size=16).hexdigest()


def _open_alone(path: Path) -> int:
    """Open the file for ourselves: after a replay two processes can write one object, and each must write it whole."""
    while True:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_ino == path.stat().st_ino:
                return descriptor
        except FileNotFoundError:
            pass  # Moved to its place by the one who had it.
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _as_archive_error(error: OSError, path: Path) -> ArchiveError:
    name = errno.errorcode.get(error.errno or 0, "")
    kind = ArchiveUnavailable if name in GONE_FOR_NOW else ArchiveError
    return kind(f"{path}: {error.strerror}.", "Check the directory of HALT400_ARCHIVE_URI.")
