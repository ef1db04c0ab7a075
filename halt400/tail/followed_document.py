"""A HAR or saved flows that are followed: read whole, when they do not grow any more, and again when they have."""

import os
from collections.abc import Callable, Iterator

from halt400.errors import InputError
from halt400.exchanges import RecordedExchange, Unread
from halt400.exchanges.input_file import LARGEST_DOCUMENT_BYTES
from halt400.tail.followed_file import FollowedFile, Line
from halt400.tail.state_file import Position

__all__ = ["FollowedDocument", "ReadDocument"]

ReadDocument = Callable[[bytes, str], Iterator[RecordedExchange | Unread]]


class FollowedDocument(FollowedFile):
    """A file whose records are counted instead of its bytes: a position is the number of those that were published.

    A document that is written again with more records goes on after those; one with fewer begins anew.

    Parameters
    ----------
    descriptor, position, label
        As for `FollowedFile`.
    read_document
        See `halt400.exchanges.Format`.

    Attributes
    ----------
    fault
        Why it cannot be read, as a file that is not whole; empty where it can. Whoever tells it clears it.
    """

    def __init__(self, descriptor: int, position: Position, label: str, read_document: ReadDocument) -> None:
        super().__init__(descriptor, Position(identity="", path=position.path, device=0, inode=0), label)
        self.position = position
        position.document = True
        self._read_document = read_document
        self._records: list[RecordedExchange | Unread] = []
        self._looked_at = self._parsed = (-1, -1)
        self.fault: InputError | None = None

    @property
    def is_truncated(self) -> bool:
        """Never: it is always read from its beginning."""
        return False

    @property
    def behind(self) -> int:
        """Bytes that are not published yet: all of them, until every record is."""
        is_published = self._parsed == self._signature and self.position.offset >= len(self._records)
        return 0 if is_published else self.size

    def read(self, most_lines: int, *, to_the_end: bool = False) -> list[Line]:
        """Read the next records, each as a line without content; `record` has it.

        Parameters
        ----------
        most_lines
            Read no more records.
        to_the_end
            Do not wait until it has stopped growing.
        """
        signature = self._signature
        if signature != self._parsed:
            is_still = signature == self._looked_at
            self._looked_at = signature
            if not (is_still or to_the_end):
                return []
            self._parsed = signature
            self._parse()
        begin = self.position.offset
        end = min(len(self._records), begin + most_lines, *([self.until] if self.until is not None else []))
        return [Line(number, number + 1, None) for number in range(begin, end)]

    def record(self, line: Line) -> RecordedExchange | Unread:
        """What a line stands for."""
        return self._records[line.begin]

    def advance(self, end: int) -> None:
        """Take note that the records before `end` are published."""
        self.position.offset = end

    def skip_to(self, end: int) -> None:
        """Pass over all that is there; `end` is of no account."""
        self.read(0, to_the_end=True)
        self.position.offset = len(self._records)

    def ends_line(self, line: Line) -> bool:
        """Whether a record is whole: always."""
        return True

    @property
    def _signature(self) -> tuple[int, int]:
        status = os.fstat(self.descriptor)
        return status.st_size, status.st_mtime_ns

    def _parse(self) -> None:
        path, size = self.position.path, self.size
        self.fault = None
        try:
            if size > LARGEST_DOCUMENT_BYTES:
                raise InputError(f"{path}: is larger than {LARGEST_DOCUMENT_BYTES} bytes.", "Split it.")
            self._records = list(self._read_document(os.pread(self.descriptor, size, 0), path)) if size else []
        except InputError as error:
            self.fault = error
            return
        if len(self._records) < self.position.offset:
            self.position.offset = 0
