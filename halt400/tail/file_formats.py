"""How followed files are read: in the format that is named, or that their content has."""

import os

from halt400.exchanges import FORMATS, Format
from halt400.exchanges.formats import unrecognized
from halt400.tail.followed_document import ReadDocument
from halt400.tail.followed_file import FollowedFile

__all__ = ["FileFormats"]

LOOKED_AT_BYTES = 64 * 1024
LOOKED_AT_LINES = 100


class FileFormats:
    """Finds the format of each file.

    Parameters
    ----------
    named
        The format of every file; recognized where absent.
    """

    def __init__(self, named: Format | None = None) -> None:
        self._named = named

    def document(self, descriptor: int) -> ReadDocument | None:
        """How an open file is read whole; None where it is empty, or read line by line."""
        if self._named is not None:
            return self._named.read_document
        start = os.pread(descriptor, LOOKED_AT_BYTES, 0)
        found = (known for known in FORMATS.values() if known.read_document is not None and known.looks_like(start))
        return next((known.read_document for known in found), None)

    def check(self, file: FollowedFile) -> None:
        """Find the format of a file of lines from its beginning, where it has one yet.

        Raises
        ------
        InputError
            It is of no known format.
        """
        if self._named is not None or file.position.document:
            return
        start = os.pread(file.descriptor, LOOKED_AT_BYTES, 0)
        if b"\n" in start:
            file.format = _format_of(start.splitlines()[:LOOKED_AT_LINES])
            if file.format is None:
                raise unrecognized(file.position.path, start)

    def of(self, file: FollowedFile, line: bytes) -> Format | None:
        """The format of a file whose next line is this one; None where it has none that is known."""
        if file.format is None:
            file.format = self._named or _format_of([line])
        return file.format


def _format_of(lines: list[bytes]) -> Format | None:
    for line in filter(None, map(bytes.strip, lines)):
        for known in FORMATS.values():
            if known.parse_line is not None and known.looks_like(line):
                return known
    return None
