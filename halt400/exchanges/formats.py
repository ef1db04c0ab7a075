"""The formats of files with recorded exchanges: one entry each in `FORMATS`; a file is recognized by its beginning.

A further format is a module that reads it and an entry here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from halt400.errors import InputError, InvalidRecord
from halt400.exchanges import access_log, har, json_lines
from halt400.exchanges.input_file import InputFile
from halt400.exchanges.recorded import RecordedExchange, Unread

__all__ = ["FORMATS", "Format", "detect_format", "read_exchanges"]

_LINES_LOOKED_AT = 100
_BYTES_LOOKED_AT = 16 * 1024 * 1024
_ARRAY_START = re.compile(rb"\s*\[\s*\{")


@dataclass(frozen=True, kw_only=True)
class Format:
    """How files of one format are recognized and read: line by line, or whole.

    Attributes
    ----------
    name
        As ``--input`` takes it.
    title
        As messages name it.
    looks_like
        Whether a line is of this format; for a format that is read whole, whether a file that begins like this is.
    parse_line
        ``parse_line(line, number)``: read one line without its end; raises `InvalidRecord`.
    read_document
        ``read_document(data, path)``: read a whole file; raises `InputError`.
    in_order
        Whether records stand in the order in which the responses came.
    """

    name: str
    title: str
    looks_like: Callable[[bytes], bool]
    parse_line: Callable[[bytes, int], RecordedExchange] | None = None
    read_document: Callable[[bytes, str], Iterator[RecordedExchange | Unread]] | None = None
    in_order: bool = True

    def read(self, file: InputFile) -> Iterator[RecordedExchange | Unread]:
        """Yield the file's records in its order.

        Raises
        ------
        InputError
            The file as a whole cannot be read.
        """
        if self.read_document is not None:
            return self.read_document(file.read_all(), file.path)
        if self.parse_line is not None:
            return _read_lines(file, self.parse_line)
        raise TypeError(f"format {self.name} has no reader")


FORMATS: Mapping[str, Format] = {
    found.name: found
    for found in (
        Format(
            name="har",
            title="a HAR",
            looks_like=har.looks_like_har,
            read_document=har.read_document,
            in_order=False,
        ),
        Format(
            name="jsonl",
            title="JSON lines",
            looks_like=json_lines.looks_like_json_line,
            parse_line=json_lines.parse_line,
        ),
        Format(
            name="log",
            title="an access log",
            looks_like=access_log.looks_like_access_log,
            parse_line=access_log.parse_line,
        ),
    )
}
"""By name, in the order in which they are tried."""


def detect_format(file: InputFile) -> Format:
    """Recognize the format of a file by its beginning, which will still be read.

    Raises
    ------
    InputError
        It is empty, or of none of the formats.
    """
    start = b""
    for _ in range(_LINES_LOOKED_AT):
        line = file.look_ahead()
        if not line or len(start) > _BYTES_LOOKED_AT:
            break
        start += line
        if not line.strip():
            continue
        for found in FORMATS.values():
            if found.looks_like(start if found.read_document is not None else line.strip()):
                return found
    if not start.strip():
        raise InputError(f"{file.path}: is empty.", "Name a file with exchanges in it.")
    if _ARRAY_START.match(start):
        raise InputError(f"{file.path}: is a JSON array.", "Write one object per line: jq -c '.[]'.")
    titles = ", nor ".join(found.title for found in FORMATS.values())
    mend = f"If it is one, name its format: --input {'|'.join(FORMATS)}."
    raise InputError(f"{file.path}: is neither {titles}.", mend)


def read_exchanges(file: InputFile, name: str | None = None) -> Iterator[RecordedExchange | Unread]:
    """Yield the exchanges of a file in its order, and an `Unread` for each record that gives none.

    Parameters
    ----------
    file
        The open file.
    name
        Name of the format; recognized by the file's beginning where absent.

    Raises
    ------
    InputError
        The file as a whole cannot be read.
    """
    return (FORMATS[name] if name is not None else detect_format(file)).read(file)


def _read_lines(
    file: InputFile, parse_line: Callable[[bytes, int], RecordedExchange]
) -> Iterator[RecordedExchange | Unread]:
    for number, line in file.lines():
        if isinstance(line, Unread):
            yield line
        elif line.strip():
            try:
                yield parse_line(line, number)
            except InvalidRecord as error:
                yield Unread(file.path, f"line {number}", error.message, mend=error.mend)
