"""How the lines of a followed file are read: in the format that is named, or that its lines have."""

import os

from halt400.errors import InputError
from halt400.exchanges import FORMATS, Format
from halt400.exchanges.formats import unrecognized
from halt400.tail.followed_file import FollowedFile

__all__ = ["LineFormats"]

LOOKED_AT_BYTES = 1024 * 1024
LOOKED_AT_LINES = 100


class LineFormats:
    """Finds the format of each file.

    Parameters
    ----------
    named
        The format of every file; recognized where absent.

    Raises
    ------
    InputError
        The named format is not one of lines.
    """

    def __init__(self, named: Format | None = None) -> None:
        if named is not None and named.parse_line is None:
            raise InputError(f"{named.title} is read whole and cannot be followed.", "Publish it with: halt400 replay")
        self._named = named

    def check(self, file: FollowedFile) -> None:
        """Find the format of a file from its beginning, where it has one yet.

        Raises
        ------
        InputError
            It is of no known format, or of one that cannot be followed.
        """
        path, start = file.position.path, os.pread(file.descriptor, LOOKED_AT_BYTES, 0)
        if self._named is None and file.format is None and b"\n" in start:
            document = next(
                (known for known in FORMATS.values() if known.read_document and known.looks_like(start)), None
            )
            if document is not None:
                raise InputError(
                    f"{path}: is {document.title}, which is read whole and cannot be followed.",
                    "Publish it with: halt400 replay",
                )
            file.format = _format_of(start.splitlines()[:LOOKED_AT_LINES])
            if file.format is None:
                raise unrecognized(path, start)

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
