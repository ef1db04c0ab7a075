"""What a tail remembers in a file: how far each log was published, and before each batch what is about to be sent.

The file is written whole, beside the old one, then takes its place: it is always one or the other. A lock beside it
keeps a second tail away.
"""

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import Struct, field

from halt400.errors import SettingError
from halt400.start_stop import Closing
from halt400.state_dir import state_dir

__all__ = ["Note", "Position", "Span", "State", "StateFile", "default_state_path"]


class Position(Struct, kw_only=True, omit_defaults=True):
    """How far one log was published.

    Attributes
    ----------
    identity
        Names what is read, also when it is renamed or copied; part of the ids of its events. A file that is truncated
        has another one from then on.
    path
        The path under which it is followed; a rotated file keeps it.
    device, inode
        The file that it is in, whatever its name.
    offset
        Bytes of it that were published; of a document, records.
    document
        It is a HAR or flows, and is known by device and inode alone.
    beginning, end
        Digests of the first and of the last of these bytes, see `halt400.tail.followed_file`.
    closed
        It was rotated, and read to its end.
    seen_ms
        When it was there last, milliseconds since the epoch.
    """

    identity: str
    path: str
    device: int
    inode: int
    offset: int = 0
    beginning: str = ""
    end: str = ""
    document: bool = False
    closed: bool = False
    seen_ms: int = 0

    @property
    def key(self) -> tuple[int, int]:
        """Device and inode."""
        return self.device, self.inode


class Span(Struct):
    """The part of one file that a batch comes from."""

    identity: str
    begin: int
    end: int


class Note(Struct):
    """A batch that is about to be sent.

    Attributes
    ----------
    ends
        The end of each partition before the first of its events was sent.
    ids
        Ids of the events.
    spans
        Where they come from.
    """

    ends: dict[int, int]
    ids: list[str]
    spans: list[Span]


class State(Struct, kw_only=True):
    """All that is remembered.

    Attributes
    ----------
    topic
        Where the events go.
    patterns
        The files that were asked for, as absolute paths.
    files
        Positions, by identity.
    batch
        What was about to be sent when the state was written, None where nothing was.
    """

    topic: str
    version: int = 1
    patterns: list[str] = field(default_factory=list)
    files: dict[str, Position] = field(default_factory=dict)
    batch: Note | None = None


_OTHER = "Name another file."
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(State).decode


def default_state_path(topic: str) -> Path:
    """Where the state of a tail is that publishes to this topic."""
    return state_dir() / "tail" / f"{topic}.json"


class StateFile(Closing):
    """The file, locked until it is closed.

    Parameters
    ----------
    path
        The file; its directory is made.
    topic
        The topic that is published to.

    Attributes
    ----------
    state : State
        As it was written last; empty where there was none.

    Raises
    ------
    SettingError
        It is in use, cannot be read or written, or is of another topic.
    """

    def __init__(self, path: Path, topic: str) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = _locked(path)
        except OSError as error:
            raise SettingError(
                f"--state {path}: cannot be written ({error.strerror}).", "Name another file."
            ) from error
        try:
            self.state = self._read(topic)
        except BaseException:
            self.close()
            raise

    def save(self) -> None:
        """Write the state so that it outlives a crash of the machine."""
        fresh = self.path.with_name(f"{self.path.name}.new")
        try:
            with fresh.open("wb") as file:
                file.write(_encode(self.state))
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self.path)
            directory = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
        except OSError as error:
            raise SettingError(
                f"--state {self.path}: cannot be written ({error.strerror}).", "Make room, or name another file."
            ) from error

    def close(self) -> None:
        """Let go of the lock."""
        self._lock.close()

    def _read(self, topic: str) -> State:
        try:
            state = _decode(self.path.read_bytes())
        except FileNotFoundError:
            return State(topic=topic)
        except (OSError, msgspec.MsgspecError) as error:
            raise SettingError(
                f"--state {self.path}: cannot be read ({error}).",
                f"{_OTHER} Without it lines may be published twice.",
            ) from error
        if state.topic != topic:
            raise SettingError(
                f"--state {self.path}: is of the topic {state.topic}, not {topic}.", "Name another file."
            )
        return state


def _locked(path: Path) -> BinaryIO:
    lock = path.with_name(f"{path.name}.lock").open("wb")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        with suppress(OSError):
            lock.close()
        raise SettingError(
            f"--state {path}: another halt400 tail uses it.",
            "Follow all files in one, or name another file by --state.",
        ) from error
    return lock
