"""The files of a tail: found by path or pattern, followed through rotation, truncation and restarts."""

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from halt400.errors import InputError
from halt400.tail.followed_document import FollowedDocument, ReadDocument
from halt400.tail.followed_file import FollowedFile, fits, is_a_copy
from halt400.tail.patterns import Key, is_matched, matches
from halt400.tail.rotation import find_rest, is_packed, newer_rotations, open_unpacked, rotated_name
from halt400.tail.state_file import Position, State

__all__ = ["Watcher"]

RETIRED_S = 30.0
"""How long a rotated file is read on after it has grown last: its writer may not have noticed yet."""
ALIKE_BYTES = 64 * 1024
_LONGEST_PARTIAL_BYTES = 8 * 1024 * 1024
_NEVER = float("-inf")


class Watcher:
    """The files that are followed now.

    Parameters
    ----------
    patterns
        Paths, or patterns of them (``*``, ``?``, ``[...]``, ``**``), absolute.
    state
        What was read before; its positions are moved.
    from_start
        Read files that are there from their beginning, also where they were never followed before.
    once
        Read to the end that each file has when it is opened.
    document
        ``document(descriptor)``: how an open file is read whole; None where it is read line by line.
    tell
        Called with what a person should know.

    Attributes
    ----------
    files : list of FollowedFile
        Those that are read, rotated ones too.
    """

    def __init__(
        self,
        patterns: Iterable[str],
        state: State,
        *,
        from_start: bool,
        once: bool,
        document: Callable[[int], ReadDocument | None],
        tell: Callable[[str], None],
    ) -> None:
        self._patterns = list(patterns)
        self._state, self._once, self._tell, self._document = state, once, tell, document
        self._known_patterns = frozenset(state.patterns)
        self._from_start = from_start or once
        self._has_looked = False
        self._now_s = 0.0
        self._told: set[tuple[str, str]] = set()
        self.files: list[FollowedFile] = []

    def look(self, now_s: float) -> None:
        """Find files that are new, renamed or gone; call it before each reading.

        Raises
        ------
        InputError
            At the first look: a file that is named cannot be opened.
        """
        self._now_s = now_s
        for file in [file for file in self.files if file.is_truncated]:
            self.truncated(file)
        matched = matches(self._patterns, self._tell_unreadable)
        followed = {file.position.key: file for file in self.files}
        for file in list(self.files):
            if file.position.key in matched:
                if file.retired_s != _NEVER:
                    file.retired_s = None
            elif file.retired_s is None:
                file.retired_s = now_s
                self._read_newer(file.position)
        for key, (path, pattern) in matched.items():
            if key not in followed:
                self._open(key, path, is_new=self._has_looked or pattern in self._known_patterns)
        if not self._has_looked:
            self._has_looked = True
            self._state.patterns = self._patterns
            self._find_rotated()
        self._follow_copies()

    def of(self, identity: str) -> FollowedFile | None:
        """The file that is read under this identity."""
        return next((file for file in self.files if file.position.identity == identity), None)

    def is_finished(self, file: FollowedFile, now_s: float) -> bool:
        """Whether nothing more will come, so that what has no line end is a line, too."""
        return file.retired_s is not None and (self._once or now_s - file.retired_s >= RETIRED_S)

    def grew(self, file: FollowedFile) -> None:
        """Take note that something was written to a file."""
        if file.retired_s not in (None, _NEVER) and not self.is_finished(file, self._now_s):
            file.retired_s = self._now_s

    def close_finished(self, now_s: float) -> None:
        """Close rotated files that were read to their end."""
        for file in [file for file in self.files if self.is_finished(file, now_s) and not file.behind]:
            file.position.closed = True
            self._drop(file)

    def truncated(self, file: FollowedFile) -> None:
        """Read a file that was truncated from its beginning, and the rest of what was in it from its copy.

        It changes `files`.
        """
        position = file.position
        # The file stays open under its new identity, the old one goes on in the copy.
        anew = self._new_position(position.key, Path(position.path))
        descriptor = os.dup(file.descriptor)
        self._drop(file)
        if not self._read_rest(position):
            self._lost(position)
        self._skip_hole(descriptor, anew)
        self._follow(descriptor, anew)

    def is_document(self, file: FollowedFile) -> bool:
        """Whether a file that was empty before turns out to be read whole; then it is, from now on.

        It changes `files`.
        """
        if file.position.offset or self._document(file.descriptor) is None or isinstance(file, FollowedDocument):
            return False
        descriptor = os.dup(file.descriptor)
        self._drop(file)
        self._follow(descriptor, file.position, retired_s=file.retired_s)
        return True

    def close(self) -> None:
        """Close all files."""
        for file in self.files:
            file.close()
        self.files.clear()

    def _open(self, key: Key, path: Path, *, is_new: bool) -> None:
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except OSError as error:
            if not self._has_looked:
                raise InputError(f"{path}: cannot be read ({error.strerror}).", "Name a file that can be.") from error
            if not isinstance(error, FileNotFoundError):
                self._tell_unreadable(str(path), error)
            return
        if _key(descriptor) != key:  # rotated since
            os.close(descriptor)
            return
        if is_packed(descriptor):
            os.close(descriptor)
            self._tell_once(str(path), "is packed, and is not followed. Read it with: halt400 replay")
            return
        known = self._known(key)
        if known is None:
            known = self._moved(descriptor, key, path)
        if known is not None and fits(descriptor, known):
            known.closed = False
            self._follow(descriptor, known)
            return
        if known is not None and not known.closed and not self._read_rest(known):
            self._lost(known)
        self._follow_new(descriptor, key, path, from_start=is_new or known is not None or self._from_start)

    def _follow_new(self, descriptor: int, key: Key, path: Path, *, from_start: bool) -> None:
        original = next((file for file in self.files if self._is_copy(descriptor, path, file)), None)
        if original is not None and os.fstat(descriptor).st_size == 0:
            os.close(descriptor)  # not clear yet whether it becomes a copy
            return
        file = self._follow(descriptor, self._new_position(key, path))
        if original is not None:
            file.copy_of = original
            file.copied_bytes = file.size
            file.skip_to(file.copied_bytes)
        elif not from_start:
            file.skip_to(_last_line_begin(descriptor, file.size))

    def _is_copy(self, descriptor: int, path: Path, original: FollowedFile) -> bool:
        """Whether a new file seems to be a copy of one that is followed, as copytruncate makes it."""
        if original.retired_s is not None or original.copy_of is not None or original.position.document:
            return False
        followed = Path(original.position.path)
        if path.parent != followed.parent or not rotated_name(path.name, followed.name):
            return False
        beginning = os.pread(descriptor, ALIKE_BYTES, 0)
        if beginning == os.pread(original.descriptor, len(beginning), 0):
            return True
        # The original may have been truncated since the look began.
        return is_a_copy(descriptor, original.position)

    def _follow_copies(self) -> None:
        """Pass over what a copy has in common with its original."""
        for file in self.files:
            original = file.copy_of
            if original is None or (size := file.size) <= file.position.offset:
                continue
            if original in self.files and size <= original.size and file.is_like(original, file.position.offset, size):
                file.copied_bytes = size
                file.skip_to(size)
            else:
                file.copy_of = None

    def _find_rotated(self) -> None:
        """At the first look: find files that were rotated since the state was written."""
        followed = {file.position.identity for file in self.files}
        for position in [found for found in self._state.files.values() if not found.closed]:
            unseen = position.identity not in followed and is_matched(position.path, self._patterns)
            if unseen and not self._read_rest(position):
                self._lost(position)

    def _read_rest(self, position: Position) -> bool:
        """Read on where the rest of a rotated or truncated file is now."""
        rest = find_rest(position)
        if rest is None:
            return False
        status = rest.path.stat()
        is_renamed = position.key == (status.st_dev, status.st_ino)
        position.device, position.inode = status.st_dev, status.st_ino
        until = None
        for copy in [file for file in self.files if file.position.key == position.key]:
            if copy.copy_of is not None:
                self._drop(copy)
                del self._state.files[copy.position.identity]
            else:  # it has lines of its own, which are read already
                until = copy.copied_bytes
        # A renamed file may still be written to, a copy is not.
        file = self._follow(rest.descriptor, position, retired_s=self._now_s if is_renamed else _NEVER)
        file.until = file.until if until is None else until
        self._read_newer(position)
        return True

    def _read_newer(self, position: Position) -> None:
        """Read files that were begun and rotated away after this one while nobody looked."""
        path = Path(position.path)
        for newer in newer_rotations(path, position.key):
            try:
                status = newer.stat()
                key = status.st_dev, status.st_ino
                if self._known(key) is not None:
                    continue
                descriptor = open_unpacked(newer)
            except OSError:
                continue
            if any(is_a_copy(descriptor, known) for known in self._state.files.values()):
                os.close(descriptor)
            else:
                self._follow(descriptor, self._new_position(key, path), retired_s=self._now_s)

    def _follow(self, descriptor: int, position: Position, *, retired_s: float | None = None) -> FollowedFile:
        label, read_document = Path(position.path).name, self._document(descriptor)
        if read_document is not None:
            file: FollowedFile = FollowedDocument(descriptor, position, label, read_document)
        else:
            file = FollowedFile(descriptor, position, label, os.fstat(descriptor).st_size if self._once else None)
        file.retired_s = retired_s
        self._state.files[position.identity] = position
        self.files.append(file)
        return file

    def _drop(self, file: FollowedFile) -> None:
        file.close()
        self.files.remove(file)

    def _known(self, key: Key) -> Position | None:
        """What was read last of the file with this device and inode."""
        return next((known for known in reversed(self._state.files.values()) if known.key == key), None)

    def _moved(self, descriptor: int, key: Key, path: Path) -> Position | None:
        """What was read of the file at this path before it got another inode, as on a disk that was mounted anew."""
        followed = {file.position.identity for file in self.files}
        for position in self._state.files.values():
            is_lost = position.path == str(path) and not position.closed and position.identity not in followed
            if is_lost and is_a_copy(descriptor, position):
                position.device, position.inode = key
                return position
        return None

    def _new_position(self, key: Key, path: Path) -> Position:
        device, inode = key
        generation = 0
        while (identity := f"{device:x}-{inode:x}-{generation}") in self._state.files:
            generation += 1
        return Position(identity=identity, path=str(path), device=device, inode=inode)

    def _skip_hole(self, descriptor: int, position: Position) -> None:
        """Begin after the hole that a writer leaves that did not see the truncation."""
        with suppress(OSError, AttributeError):
            position.offset = os.lseek(descriptor, 0, os.SEEK_DATA)
            file = FollowedFile(descriptor, position, "")
            file.skip_to(position.offset)

    def _lost(self, position: Position) -> None:
        position.closed = True
        self._tell_once(
            position.path,
            f"after byte {position.offset} it was truncated or removed, and no copy is there: what was written to it "
            "since it was read last is lost.",
        )

    def _tell_unreadable(self, path: str, error: OSError) -> None:
        self._tell_once(path, f"cannot be read ({error.strerror}).")

    def _tell_once(self, path: str, what: str) -> None:
        if (path, what) not in self._told:
            self._told.add((path, what))
            self._tell(f"{path}: {what}")


def _key(descriptor: int) -> Key:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino


def _last_line_begin(descriptor: int, size: int) -> int:
    """Where the last line begins that has no end yet; `size` where there is none."""
    at = size
    while at > max(0, size - _LONGEST_PARTIAL_BYTES):
        begin = max(0, at - 64 * 1024)
        newline = os.pread(descriptor, at - begin, begin).rfind(b"\n")
        if newline >= 0:
            return begin + newline + 1
        at = begin
    return at if at == 0 else size
