"""An archive in a directory: ``file:///var/lib/halt400``.

Paths are texts here: with `pathlib` a file costs twice the processor time.
"""

import errno
import fcntl
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from urllib.parse import unquote, urlsplit

from halt400.errors import ArchiveError
from streams.archive.filesystem_sync import filesystem_sync
from streams.archive.interface import ArchiveChanged, ArchiveUnavailable, checked_key
from streams.archive.object_names import archive_uri

__all__ = ["DirectoryArchive"]

TEMPORARY = {"ENOSPC", "EDQUOT", "EIO", "ESTALE", "ETIMEDOUT", "EAGAIN", "EBUSY", "EMFILE", "ENFILE"}
MOST_SINGLE_SYNCS = 3
"""A batch with more objects than this is made durable with its whole filesystem, where that can be done."""
_CAN_ADVISE = hasattr(os, "posix_fadvise")
"""Linux begins to write what it is told is not needed in memory any more; macOS has no such call."""


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

    batch = 128
    max_threads = 2

    def __init__(self, base_uri: str, *, synced: bool = True) -> None:
        parts = urlsplit(base_uri)
        if parts.netloc not in ("", "localhost"):
            raise ArchiveError(
                f"The archive {base_uri} names the host {parts.netloc!r}.", "Write file:///path with three slashes."
            )
        self.base_uri = base_uri.rstrip("/")
        self._root = os.fspath(Path(unquote(parts.path)))
        self._before_keys = f"{self._root.rstrip('/')}/"
        self._synced = synced
        self._durable: set[str] = set()
        self._sync_filesystem: Callable[[], None] | None = None
        self._knows_filesystem = False

    def check(self) -> None:
        """Create the directory, and a file in it."""
        try:
            os.makedirs(self._root, exist_ok=True)
            file = Path(self._root, f".halt400-{os.getpid()}")
            file.write_bytes(b"")
            file.unlink()
        except OSError as error:
            raise ArchiveError(
                f"The archive directory {self._root} cannot be written: {error.strerror}.",
                "Give this user the right to write there, or set HALT400_ARCHIVE_URI.",
            ) from error

    def write(self, key: str, data: bytes) -> None:
        """Write a temporary file, sync it, rename it, and sync the directory."""
        self.write_all([(key, data)])

    def write_all(self, objects: Iterable[tuple[str, bytes]]) -> None:
        """As `write` does each; many are synced with their filesystem, once for the files, once for their names."""
        self._store(dict(objects))

    def read_with_tag(self, key: str) -> tuple[bytes, str] | None:
        """Read a file; its tag is a digest."""
        data = _read(self._path(key))
        return (data, _tag(data)) if data is not None else None

    def replace(self, key: str, data: bytes, tag: str | None) -> str:
        """Write a file if the stored one has this tag; others that replace it wait meanwhile."""
        replaced = self.replace_all([(key, data, tag)])[0]
        if replaced is None:
            raise ArchiveChanged(f"{self.uri(key)} was written by another process.", "It is read again.")
        return replaced

    def replace_all(self, objects: Sequence[tuple[str, bytes, str | None]]) -> list[str | None]:
        """As `replace` does each, with the syncs of `write_all`."""
        stored = self._store({key: data for key, data, _ in objects}, {key: tag for key, _, tag in objects})
        return [_tag(data) if key in stored else None for key, data, _ in objects]

    def read(self, key: str) -> bytes:
        """Read a file."""
        path = self._path(key)
        data = _read(path)
        if data is None:
            raise _as_archive_error(FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)), path)
        return data

    def exists(self, key: str) -> bool:
        """Whether there is such a file."""
        return os.path.isfile(self._path(key))

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Every file below the directory in the order of its key, without those that are being written."""
        return self._below(Path(self._root), "", prefix)

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

    def _path(self, key: str) -> str:
        return self._before_keys + checked_key(key)

    def _store(self, objects: Mapping[str, bytes], tags: Mapping[str, str | None] | None = None) -> set[str]:
        """Write the objects, each only if the stored one has its tag of `tags`; the keys of those that were written."""
        parts: list[_Part] = []
        stored: dict[str, _Part] = {}
        created: list[str] = []
        path = self._root
        sync_all: Callable[[], None] | None = None
        try:
            try:
                # In the order of the keys: two processes that write the same objects lock them in the same order.
                for key, data in sorted(objects.items()):
                    path = self._path(key)
                    created += self._create(os.path.dirname(path))
                    if not parts:
                        sync_all = self._sync_of_all(len(objects))
                    part = _Part(path)
                    parts.append(part)
                    if tags is not None and _tag_of(path) != tags[key]:
                        part.remove()
                        continue
                    part.write(data, syncs_soon=sync_all is not None or len(objects) == 1)
                    stored[key] = part
                if sync_all is not None and stored:
                    sync_all()
                for part in stored.values() if self._synced and sync_all is None else ():
                    path = part.path
                    part.sync()
                for part in stored.values():
                    path = part.path
                    part.rename()
            finally:
                for part in parts:
                    part.close()
            if sync_all is not None and (stored or created):
                sync_all()
                self._durable.update(created)
            else:
                self._sync(created, [os.path.dirname(part.path) for part in stored.values()])
        except FileNotFoundError as error:
            self._durable.clear()
            raise ArchiveUnavailable(f"{os.path.dirname(path)} was removed.", "It is created again.") from error
        except OSError as error:
            self._durable.clear()
            raise _as_archive_error(error, path) from error
        return set(stored)

    def _sync_of_all(self, objects: int) -> Callable[[], None] | None:
        """What makes so many objects durable at once; None where each is synced by itself."""
        if not self._synced or objects <= MOST_SINGLE_SYNCS:
            return None
        if not self._knows_filesystem:
            self._sync_filesystem = filesystem_sync(self._root)
            self._knows_filesystem = True
        return self._sync_filesystem

    def _create(self, directory: str) -> list[str]:
        """Create a directory; those from it up to the root that are not known to be durable."""
        if directory in self._durable:
            return []
        unsynced = [] if os.path.isdir(self._root) else [self._root]
        os.makedirs(directory, exist_ok=True)
        while directory != self._root and directory not in self._durable:
            unsynced.append(directory)
            directory = os.path.dirname(directory)
        return unsynced

    def _sync(self, created: Iterable[str], written: Iterable[str]) -> None:
        """Make durable the names of created directories and of the files in written ones."""
        if self._synced:
            for directory in dict.fromkeys([*written, *map(os.path.dirname, created)]):
                _sync_directory(directory)
        self._durable.update(created)

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


def _tag_of(path: str) -> str | None:
    data = _read(path)
    return _tag(data) if data is not None else None


def _read(path: str) -> bytes | None:
    """The bytes of a file, None where there is none."""
    try:
        with open(path, "rb", buffering=0) as file:
            return file.readall()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _as_archive_error(error, path) from error


class _Part:
    """The temporary file of an object, open and locked.

    It has the same name each time, so that what a killed process left is replaced when its offence is read again.
    """

    __slots__ = ("_descriptor", "_temporary", "path")

    def __init__(self, path: str) -> None:
        directory, _, name = path.rpartition("/")
        self.path, self._temporary = path, f"{directory}/.{name}.part"
        self._descriptor = _open_locked(self._temporary)

    def write(self, data: bytes, *, syncs_soon: bool) -> None:
        """Write the data; unless it is synced next, let the system begin to store it.

        Then the syncs of a batch share most of their work.
        """
        if os.fstat(self._descriptor).st_size:  # left by a process that was killed
            os.ftruncate(self._descriptor, 0)
        left = memoryview(data)
        while left:
            left = left[os.write(self._descriptor, left) :]
        if _CAN_ADVISE and not syncs_soon:
            os.posix_fadvise(self._descriptor, 0, 0, os.POSIX_FADV_DONTNEED)

    def sync(self) -> None:
        os.fdatasync(self._descriptor)

    def rename(self) -> None:
        os.replace(self._temporary, self.path)

    def remove(self) -> None:
        os.unlink(self._temporary)

    def close(self) -> None:
        os.close(self._descriptor)


def _open_locked(path: str) -> int:
    """Open and lock the file: after a rebalance two processes may write one object, and must not mix their bytes."""
    while True:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_ino == os.stat(path).st_ino:
                return descriptor
        except FileNotFoundError:
            pass  # The process that had the lock has renamed it.
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _sync_directory(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _as_archive_error(error: OSError, path: str | Path) -> ArchiveError:
    name = errno.errorcode.get(error.errno or 0, "")
    kind = ArchiveUnavailable if name in TEMPORARY else ArchiveError
    return kind(f"{path}: {error.strerror}.", "Check the directory of HALT400_ARCHIVE_URI.")
