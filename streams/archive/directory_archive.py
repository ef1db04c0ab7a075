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

TEMPORARY = {"ENOSPC", "EDQUOT", "EIO", "ESTALE", "ETIMEDOUT", "EAGAIN", "EBUSY", "EMFILE", "ENFILE"}


class DirectoryArchive:
    """Objects as files; each is written atomically, and survives a power failure once `write` has returned.

    Parameters
    ----------
    base_uri
        ``file:///path``.
    synced
        Whether file and directory are flushed to the disk. Without it a write is atomic but not durable.

    Raises
    ------
    ArchiveError
        `base_uri` names a host: only directories of this machine can be used.
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
        self._created: set[Path] = set()

    def check(self) -> None:
        """Create the directory, and a file in it."""
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            file = self._root / f".halt400-{os.getpid()}"
            file.write_bytes(b"")
            file.unlink()
        except OSError as error:
            raise ArchiveError(
                f"The archive directory {self._root} cannot be written: {error.strerror}.",
                "Give this user the right to write there, or set HALT400_ARCHIVE_URI.",
            ) from error

    def write(self, key: str, data: bytes) -> None:
        """Write a temporary file, sync it, rename it, and sync the directory."""
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
        """Write a file if the stored one has this tag; others that replace it wait meanwhile."""

        def unchanged() -> None:
            found = self.read_with_tag(key)
            if (found[1] if found is not None else None) != tag:
                raise ArchiveChanged(f"{self.uri(key)} was written by another process.", "It is read again.")

        self._put(key, data, unchanged)
        return _tag(data)

    def _put(self, key: str, data: bytes, condition: Callable[[], None] | None = None) -> None:
        path = self._path(key)
        # The same name each time, so that what a killed process left is replaced when its offence is read again.
        temporary = path.parent / f".{path.name}.part"
        try:
            self._create(path.parent)
            descriptor = _open_locked(temporary)
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
            self._created.discard(path.parent)
            raise ArchiveUnavailable(f"{path.parent} was removed.", "It is created again.") from error
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
        """Every file below the directory in the order of its key, without those that are being written."""
        return self._below(self._root, "", prefix)

    def uri(self, key: str) -> str:
        """The ``file:///…`` URI of that key."""
        return archive_uri(self.base_uri, key)

    def set_retention(self, days: int) -> None:
        """Refuse: a directory has no retention rules.

        Raises
        ------
        ArchiveError
            Always.
        """
        raise ArchiveError(
            f"{self._root} is a directory, which cannot remove evidence after {days} days by itself.",
            f"Run `find {self._root} -type f -mtime +{days} -delete` daily, or archive to s3://.",
        )

    def _path(self, key: str) -> Path:
        return self._root / checked_key(key)

    def _create(self, directory: Path) -> None:
        """Create a directory durably: the directories above it are synced."""
        if directory in self._created:
            return
        missing = [directory, *directory.parents]
        missing = missing[: next(index for index, parent in enumerate(missing) if parent.is_dir())]
        directory.mkdir(parents=True, exist_ok=True)
        if self._synced:
            for created in missing:
                _sync_directory(created.parent)
        self._created.add(directory)

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


def _open_locked(path: Path) -> int:
    """Open and lock the file: after a rebalance two processes may write one object, and must not mix their bytes."""
    while True:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_ino == path.stat().st_ino:
                return descriptor
        except FileNotFoundError:
            pass  # The process that had the lock has renamed it.
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
    kind = ArchiveUnavailable if name in TEMPORARY else ArchiveError
    return kind(f"{path}: {error.strerror}.", "Check the directory of HALT400_ARCHIVE_URI.")
