"""One open log: its lines from a position on, and whether it is still the file that was read before.

A file is known again by its content: the first bytes of what was read, and the last, right before the position. Each
read looks at these last bytes, so that a file that was truncated and has grown again is not read in its middle.
"""

import os
from contextlib import suppress
from hashlib import blake2b
from typing import NamedTuple

from halt400.exchanges import EventBuilder, Format
from halt400.exchanges.input_file import LONGEST_LINE_BYTES
from halt400.tail.state_file import Position

__all__ = ["BEGINNING_BYTES", "FollowedFile", "Line", "Truncated", "begins_like", "fits", "is_a_copy"]

BEGINNING_BYTES = 1024
END_BYTES = 256
CHUNK_BYTES = 256 * 1024


class Line(NamedTuple):
    """One line without its end, and its bytes in the file, with the end; `content` is None where it is too long."""

    begin: int
    end: int
    content: bytes | None


class Truncated(Exception):
    """The file is not what was read before: it was truncated."""


class FollowedFile:
    """A file that is followed.

    Parameters
    ----------
    descriptor
        The open file; it is closed by `close`.
    position
        How far it was published; `advance` moves it.
    label
        Its name, from which the events' job and target are made where the lines name none.
    until
        Read to this offset only; None for all that comes.

    Attributes
    ----------
    format, builder
        How its lines are read, and what makes events of them; None before its first line.
    retired_s
        Since when it is rotated and has not grown, monotonic seconds; None while it is followed.
    copy_of, copied_bytes
        The file of which this one is a copy, and how far it is one.
    """

    def __init__(self, descriptor: int, position: Position, label: str, until: int | None = None) -> None:
        self.descriptor, self.position, self.label, self.until = descriptor, position, label, until
        self.format: Format | None = None
        self.builder: EventBuilder | None = None
        self.retired_s: float | None = None
        self.copy_of: FollowedFile | None = None
        self.copied_bytes = 0
        self._skips_rest = False
        self._newlines = (0, 0)
        self._chunk_read = b""
        self._beginning, self._end = _read_marks(descriptor, position.offset)

    @property
    def size(self) -> int:
        """Bytes in the file now."""
        return os.fstat(self.descriptor).st_size

    @property
    def is_truncated(self) -> bool:
        """Whether it is not what was read before: lines of a log may end alike, and begin with a time."""
        begin = self.position.offset - len(self._end)
        return (
            os.pread(self.descriptor, len(self._end), begin) != self._end
            or os.pread(self.descriptor, len(self._beginning), 0) != self._beginning
        )

    @property
    def behind(self) -> int:
        """Bytes that are not published yet."""
        size = self.size
        return max(0, (size if self.until is None else min(size, self.until)) - self.position.offset)

    def read(self, most_lines: int, *, to_the_end: bool = False) -> list[Line]:
        """Read the next lines; `advance` passes over them.

        Parameters
        ----------
        most_lines
            Read no more lines.
        to_the_end
            Take what stands after the last line's end for a line, too.

        Raises
        ------
        Truncated
            The file was truncated.
        """
        begin, wanted = self.position.offset, CHUNK_BYTES
        while True:
            chunk, is_all = self._chunk(begin, wanted)
            if b"\n" in chunk or is_all or len(chunk) >= LONGEST_LINE_BYTES:
                break
            wanted *= 8
        self._chunk_read = chunk
        lines: list[Line] = []
        at = 0
        while len(lines) < most_lines and (newline := chunk.find(b"\n", at)) >= 0:
            self._add(lines, begin, at, newline + 1, chunk)
            self._skips_rest = False
            at = newline + 1
        rest = len(chunk) - at
        if not lines and rest >= LONGEST_LINE_BYTES:
            lines.append(Line(begin, begin + rest, b"" if self._skips_rest else None))
            self._skips_rest = True
        elif to_the_end and is_all and rest and len(lines) < most_lines:
            self._add(lines, begin, at, len(chunk), chunk)
        return lines

    def ends_line(self, line: Line) -> bool:
        """Whether a line that was read has its end."""
        at = line.end - self.position.offset
        return self._chunk_read[at - 1 : at] == b"\n"

    def advance(self, end: int) -> None:
        """Take note that everything before `end`, which was read, is published."""
        position = self.position
        # What was read, and not the file as it is now: it may have been truncated since.
        passed = self._chunk_read[: end - position.offset]
        self._beginning += passed[: BEGINNING_BYTES - len(self._beginning)]
        self._end = (self._end + passed)[-END_BYTES:]
        self._chunk_read = self._chunk_read[len(passed) :]
        position.offset = end
        position.beginning, position.end = _digest(self._beginning), _digest(self._end)

    def line_number(self, offset: int) -> int:
        """The number of the line that begins at `offset`, from 1; it is counted where it is asked for."""
        counted, newlines = self._newlines
        if offset < counted:
            counted, newlines = 0, 0
        while counted < offset and (part := os.pread(self.descriptor, min(1 << 20, offset - counted), counted)):
            newlines += part.count(b"\n")
            counted += len(part)
        self._newlines = (counted, newlines)
        return newlines + 1

    def skip_to(self, end: int) -> None:
        """Pass over everything before `end`, unread."""
        self._beginning, self._end = _read_marks(self.descriptor, end)
        self._chunk_read = b""
        self.position.offset = end
        self.position.beginning, self.position.end = _digest(self._beginning), _digest(self._end)

    def is_like(self, other: "FollowedFile", begin: int, end: int) -> bool:
        """Whether both files have the same bytes there."""
        return all(
            os.pread(self.descriptor, size, at) == os.pread(other.descriptor, size, at)
            for at in range(begin, end, CHUNK_BYTES)
            for size in [min(CHUNK_BYTES, end - at)]
        )

    def close(self) -> None:
        """Close the file."""
        with suppress(OSError):
            os.close(self.descriptor)

    def _chunk(self, begin: int, wanted: int) -> tuple[bytes, bool]:
        """Bytes from the position on, and whether there are no more at the moment."""
        if self.until is not None:
            wanted = min(wanted, max(0, self.until - begin))
        # One call, so that what follows is of the file whose end is looked at.
        found = os.pread(self.descriptor, len(self._end) + wanted, begin - len(self._end))
        if not found.startswith(self._end):
            raise Truncated
        chunk = found[len(self._end) :]
        return chunk, len(chunk) < wanted or (self.until is not None and begin + len(chunk) >= self.until)

    def _add(self, lines: list[Line], begin: int, start: int, end: int, chunk: bytes) -> None:
        # A writer that did not see the truncation leaves a hole of NULs in front of its next line.
        content = b"" if self._skips_rest else chunk[start:end].rstrip(b"\r\n").lstrip(b"\0")
        lines.append(Line(begin + start, begin + end, content))


def fits(descriptor: int, position: Position) -> bool:
    """Whether an open file has the content that was read up to this position."""
    offset = position.offset
    if position.document:
        return True
    if os.fstat(descriptor).st_size < offset:
        return False
    beginning, end = _read_marks(descriptor, offset)
    return offset == 0 or (begins_like(beginning, position) and _digest(end) == position.end)


def is_a_copy(descriptor: int, position: Position) -> bool:
    """Whether an open file can be known by its content as a copy of what was read."""
    return position.offset > 0 and not position.document and fits(descriptor, position)


def begins_like(beginning: bytes, position: Position) -> bool:
    """Whether what was read up to this position begins like this."""
    return _digest(beginning[: min(BEGINNING_BYTES, position.offset)]) == position.beginning


def _read_marks(descriptor: int, offset: int) -> tuple[bytes, bytes]:
    kept = min(END_BYTES, offset)
    return os.pread(descriptor, min(BEGINNING_BYTES, offset), 0), os.pread(descriptor, kept, offset - kept)


def _digest(content: bytes) -> str:
    return blake2b(content, digest_size=16).hexdigest()
